"""The master's hands: what it holds and watches, each piece on its own. None decides."""
