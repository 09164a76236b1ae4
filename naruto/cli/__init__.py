"""The command line: one command a function; each asks the Manager, prints, and exits."""
