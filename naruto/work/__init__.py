"""A worker from the inside: its birth, its mailbox, its loop, and the user's code in it."""
