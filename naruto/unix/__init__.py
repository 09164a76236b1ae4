"""The kernel, one facility a file: nothing in here decides, and nothing knows a service."""
