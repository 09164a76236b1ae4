"""Last words outlive the worker that wrote them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from naruto.unix import lastwords
from tests.unix.forked import end, living


@pytest.fixture
def fd() -> Iterator[int]:
    """A place for last words."""
    made = lastwords.make()
    yield made
    os.close(made)


def test_outlive_a_killed_writer(fd: int) -> None:
    """What a child has written is there after its SIGKILL, in the order of writing."""

    def die() -> None:
        lastwords.write(fd, "first\n")
        lastwords.write(fd, "last\n")

    with living(die) as child:
        end(child)
        assert lastwords.read(fd) == "first\nlast"


def test_only_the_end_is_read(fd: int) -> None:
    """Of a very long traceback the end counts: it has the exception."""
    lastwords.write(fd, "x" * 3 * lastwords.MOST + "ValueError: here")
    words = lastwords.read(fd)
    assert len(words) == lastwords.MOST
    assert words.endswith("xValueError: here")


def test_a_cut_character_hurts_nobody(fd: int) -> None:
    """A cut through the middle of a character is read all the same."""
    lastwords.write(fd, "é" * lastwords.MOST + "!")
    words = lastwords.read(fd)
    assert words.endswith("éé!") and len(words) <= lastwords.MOST


def test_what_is_no_utf8(fd: int) -> None:
    """Neither text that can't be encoded nor bytes that can't be decoded raise."""
    lastwords.write(fd, "name \udcff ")
    os.write(fd, b"\xff\n")
    assert lastwords.read(fd).startswith("name ? ")


def test_nothing_said(fd: int) -> None:
    """A worker that said nothing has no last words."""
    assert lastwords.read(fd) == ""
    assert not os.get_inheritable(fd)
