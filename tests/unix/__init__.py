"""The kernel facilities, each alone: one process or a fork, and no service."""
