"""The smallest service: a plain function, called again and again.

python -m naruto start callable:sweep
"""

from pathlib import Path

INBOX, DONE = Path("inbox"), Path("done")


def sweep() -> bool:
    """Take one letter out of the inbox."""
    letter = next(iter(sorted(INBOX.glob("*.txt"))), None)
    if letter is None:
        return False  # nothing found: called again a little later each time
    print(f"{letter.name}: {len(letter.read_text().split())} words")
    DONE.mkdir(exist_ok=True)
    letter.rename(DONE / letter.name)
    return True  # there may be more: called again at once
