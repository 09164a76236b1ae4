"""The bench's own reckoning: what it says of records and of figures is true.

What it measures is left to ``make bench``: no test asserts a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bench import report
from bench.adapters import ALL, rotated
from bench.measures import lives
from bench.plan import FULL, QUICK
from bench.reaper import Reaper
from bench.records import Record, lowest_in_loops, lowest_strength
from bench.results import Key, Results
from bench.run import takes_part
from bench.service import Failed, running
from bench.targets import TARGETS, Target, judged
from naruto.unix import subreaper

NARUTO, FLOOR = ALL[0], next(one for one in ALL if one.name == "floor")


def _record(ready: int, ended: int, *, alive: bool = False, done: int = 1) -> Record:
    return Record(ready, ready + 1, ended - 1, ended, begun=1, done=done, alive=alive)


class TestRecords:
    """Strength, and loops that were cut."""

    def test_a_gap_is_seen_however_short(self) -> None:
        """Who is ready only after the other's last loop leaves a gap of strength."""
        assert lowest_strength([_record(0, 50), _record(51, 200, alive=True)], 10, 100) == 0
        assert lowest_strength([_record(0, 50), _record(50, 200, alive=True)], 10, 100) == 1

    def test_ready_is_not_in_a_loop(self) -> None:
        """A handing over is no gap of strength, and one of loops."""
        records = [_record(0, 50), _record(50, 200, alive=True)]
        assert lowest_strength(records, 10, 100) == 1
        assert lowest_in_loops(records, 10, 100) == 0

    def test_a_cut_loop(self) -> None:
        """Only who is dead in the middle of a loop was cut."""
        assert _record(0, 50, done=0).cut
        assert not _record(0, 50, done=0, alive=True).cut
        assert not _record(0, 50).cut


class TestResults:
    """Ratios are taken within a repetition."""

    def test_ratio_of_pairs(self) -> None:
        """What slows one repetition down slows both down."""
        results, key = Results(), Key("start", 4)
        for ours, floor in ((10.0, 5.0), (100.0, 50.0), (30.0, 10.0)):
            results.add(key, "naruto", ours)
            results.add(key, "floor", floor)
        assert results.ratio(key, "naruto") == 2.0
        assert results.median(key, "naruto") == 30.0

    def test_none_without_figures(self) -> None:
        """Nothing is said of what was not measured."""
        assert Results().ratio(Key("start", 4), "naruto") is None
        assert list(judged(Results())) == []


def test_targets_know_better_from_worse() -> None:
    """At most, and at least, with the bound itself met."""
    most = Target("a", 1.5, lambda results: None)
    least = Target("b", 8.0, lambda results: None, at_least=True)
    assert most.met(1.5) and not most.met(1.6)
    assert least.met(8.0) and not least.met(7.9)


def test_every_target_reads_what_is_measured() -> None:
    """A target's figure comes from the results of a full plan, or it would never be judged."""
    results = Results()
    sizes = {0, *FULL.start, *FULL.growth, FULL.respawn}
    names = {one.name for one in ALL} | {"bare loop", "raw FIFO"}
    for measure in [name for section in report.SECTIONS for name in section.measures]:
        for size in sizes:
            for name in names:
                results.add(Key(measure, size), name, 1.0)
    assert len(list(judged(results))) == len(TARGETS)


def test_report_shows_all_that_there_is() -> None:
    """Each figure with its spread and ratio, and why one is missing."""
    results, key = Results(), Key("start", 4)
    for ours in (10.0, 12.0):
        results.add(key, "naruto", ours)
        results.add(key, "floor", 10.0)
    results.lack(key, "honcho", "only 3 of 4 work after 60 s")
    text = report.report(results, QUICK, "a machine", "versions")
    assert "| naruto | 11 (10–12), 1.10× |" in text
    assert "| floor | 10 |" in text
    assert "honcho, 4 workers: no figure: only 3 of 4 work after 60 s." in text


def test_everybody_begins_once() -> None:
    """Rotation loses nobody, and lets each be the first."""
    assert {rotated(ALL, number)[0] for number in range(len(ALL))} == set(ALL)
    assert all(set(rotated(ALL, number)) == set(ALL) for number in range(20))


def test_who_can_not_does_not_take_part() -> None:
    """What an adapter lacks, and what it is not for."""
    named = {one.name: one for one in ALL}
    assert not takes_part(named["honcho"], "reload")
    assert not takes_part(named["naruto --surge 100%"], "start")
    assert takes_part(named["naruto"], "start")


@contextmanager
def _reaper() -> Iterator[Reaper]:
    before = set(subreaper.children())
    reaper = Reaper.installed()
    reaper.masters |= before  # the test runner's own
    yield reaper
    assert set(subreaper.children()) <= before


@pytest.mark.parametrize("adapter", [NARUTO, FLOOR], ids=["naruto", "floor"])
class TestServices:
    """Real services, as small as can be; those of peers need their packages."""

    def test_lives(self, adapter: object) -> None:
        """Start and stop, and a reload that keeps its strength, each give their figures."""
        with _reaper() as reaper:
            found = dict(lives.resting(adapter, 2, reaper))  # type: ignore[arg-type]
            assert set(found) == {Key("start", 2), Key("stop", 2)}
            assert all(figure > 0 for figure in found.values())
            found = dict(lives.working(adapter, 2, reaper))  # type: ignore[arg-type]
            assert found[Key("strength", 2)] == 2 and found[Key("loops cut", 2)] == 0

    def test_nothing_is_left(self, adapter: object) -> None:
        """Also where a measure fails in the middle: no process, no file."""
        with _reaper() as reaper:
            with (
                pytest.raises(Failed, match="only 1 of 2"),
                running(adapter, 1, reaper) as service,  # type: ignore[arg-type]
            ):
                service.await_begun(2, seconds=1.0)
            assert not os.path.exists(service.home)
