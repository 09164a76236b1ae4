"""The pure heart: what happened and what is known go in, what is to be done comes out.

Nothing in here makes a system call, reads a clock, logs, or imports anything but attrs,
``naruto.errors`` and its own siblings. Time is always an argument, in seconds on the
monotonic clock.
"""
