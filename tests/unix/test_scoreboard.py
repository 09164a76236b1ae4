"""The scoreboard shows what every process wrote last, and no store into it can fault."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from naruto.unix import scoreboard
from naruto.unix.scoreboard import (
    BEGAN,
    BUSY,
    ERRORS,
    LONGEST,
    LOOPS,
    STATE,
    Doing,
    Line,
    Scoreboard,
)
from tests.unix.forked import in_child


@pytest.fixture
def board() -> Iterator[scoreboard.Scoreboard]:
    """An empty scoreboard."""
    made = scoreboard.Scoreboard()
    yield made
    made.close()


def test_a_new_line_is_all_zeros(board: scoreboard.Scoreboard) -> None:
    """Nobody has done anything yet."""
    reading = board.take().read()
    assert reading == scoreboard.Reading(Doing.STARTING, 0, 0, 0.0, 0.0, 0.0, "")


def test_a_forked_childs_writes_are_seen(board: scoreboard.Scoreboard) -> None:
    """What a child stores the parent reads, units turned into seconds."""
    line = board.take()

    def work() -> None:
        numbers = line.numbers
        numbers[STATE], numbers[LOOPS], numbers[ERRORS] = Doing.LOOPING, 2**40, 3
        numbers[BEGAN], numbers[BUSY], numbers[LONGEST] = 1_500_000_000, 2_000_000, 250_000_000
        line.write_text("order 7")

    in_child(work)
    expected = scoreboard.Reading(Doing.LOOPING, 2**40, 3, 1.5, 0.002, 0.25, "order 7")
    assert line.read() == expected


def test_lines_do_not_touch_each_other(board: scoreboard.Scoreboard) -> None:
    """A full line leaves its neighbours as they are."""
    lines = [board.take() for _ in range(5)]
    for number in range(scoreboard.TEXT // 8):
        lines[2].numbers[number] = -1
    lines[2].write_text("x" * 1000)
    for other in (0, 1, 3, 4):
        assert lines[other].read().loops == 0 and lines[other].read().working_on == ""


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("x" * 500, "x" * 127),
        ("é" * 100, "é" * 63),
        ("x" + "€" * 100, "x" + "€" * 42),
        ("𝄞" * 100, "𝄞" * 31),
        ("", ""),
        ("\udcff!", "?!"),
    ],
)
def test_a_long_text_is_cut_between_characters(written: str, shown: str) -> None:
    """The start of a text fits, and never ends in half a character."""
    line = Line.of_nobody()
    line.write_text(written)
    assert line.read().working_on == shown


def test_a_shorter_text_replaces_a_longer() -> None:
    """Nothing of the former text is left to be seen."""
    line = Line.of_nobody()
    line.write_text("a long text about an order")
    line.write_text("short")
    assert line.read().working_on == "short"


def test_grows_and_keeps_what_it_has(board: scoreboard.Scoreboard) -> None:
    """More lines than a segment holds: those in use stay where they are."""
    lines = [board.take() for _ in range(scoreboard.SEGMENT)]
    for number, line in enumerate(lines):
        line.numbers[LOOPS] = number
    assert len(board.descriptors) == 1
    more = board.take()
    more.numbers[LOOPS] = 99
    assert len(board.descriptors) == 2
    assert [line.read().loops for line in lines] == list(range(scoreboard.SEGMENT))


def test_reserve_allocates_once(board: scoreboard.Scoreboard) -> None:
    """What was reserved is there when it's taken, and is not reserved twice."""
    board.reserve(1000)
    board.reserve(1000)
    for _ in range(1000):
        board.take()
    assert len(board.descriptors) == 1


def test_a_line_given_back_is_clean(board: scoreboard.Scoreboard) -> None:
    """The next worker does not begin with the numbers of a dead one."""
    line = board.take()
    line.numbers[LOOPS] = 5
    line.write_text("old")
    board.give_back(line)
    fresh = board.take()
    assert fresh is line
    assert fresh.read().loops == 0 and fresh.read().working_on == ""


@pytest.mark.parametrize("size", [0, 4096, 10**6])
def test_nobody_can_change_its_size(board: scoreboard.Scoreboard, size: int) -> None:
    """A truncated map would kill its writers by SIGBUS; the seal forbids it."""
    board.reserve(1)
    with pytest.raises(PermissionError):
        os.ftruncate(board.descriptors[0], size)


def test_memory_is_allocated() -> None:
    """No page waits for a disk or tmpfs that may be full by then."""
    segment = scoreboard.Segment.make(1000)
    status = os.fstat(segment.fd)
    assert status.st_blocks * 512 >= status.st_size == 1000 * scoreboard.BYTES
    assert not os.get_inheritable(segment.fd)
    segment.close()


def test_closed_nothing_is_left_of_it() -> None:
    """Neither memory nor a descriptor stays, though a line was taken: mmap(2) keeps one."""
    before = set(os.listdir("/proc/self/fd"))
    board = scoreboard.Scoreboard()
    line = board.take()
    board.close()
    assert set(os.listdir("/proc/self/fd")) == before
    with pytest.raises(ValueError, match="released"):
        line.numbers[LOOPS] = 1


def test_lines_are_kept_by_place_and_not_by_content() -> None:
    """After an exec the line of a worker that has written nothing yet stays its own."""
    board = Scoreboard()
    taken = [board.take() for _ in range(3)]
    places = [board.place_of(line) for line in taken]
    kept = Scoreboard.kept(board.descriptors, places)
    again = {kept.place_of(kept.take()) for _ in range(8)}
    assert not again & set(places)
    assert [kept.place_of(kept.line_of(place)) for place in places] == places
