"""naruto/work, without a master."""
