"""Figures of naruto's own loop and pipes, each as a ratio within one run: ``make bench``."""
