"""Tests of the pure core: no process, no clock, no file."""
