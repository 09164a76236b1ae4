"""The life of a worker: every row of the table, and everything that is no row."""

from __future__ import annotations

from itertools import product

import pytest

from naruto.core.lifecycle import (
    REPORTS,
    TABLE,
    Happening,
    ImpossibleTransition,
    Phase,
    diagram,
    fits,
    step,
)

ROWS = """
    forking:  spawned -> starting, spawn failed -> gone, leave -> forking
    starting: ready -> ready, leave -> leaving, done -> done, kill -> killed, exited -> gone
    ready:    go -> looping, leave -> leaving, done -> done, kill -> killed, exited -> gone
    looping:  looped -> looping, hold -> holding
    looping:  leave -> leaving, done -> done, kill -> killed, exited -> gone
    holding:  held -> held, leave -> leaving, done -> done, kill -> killed, exited -> gone
    held:     go -> looping, leave -> leaving, done -> done, kill -> killed, exited -> gone
    leaving:  ready -> leaving, looped -> leaving, held -> leaving, leave -> leaving
    leaving:  done -> done, kill -> killed, exited -> gone
    done:     leave -> done, kill -> killed, exited -> gone
    killed:   exited -> gone
"""
"""Written out by hand, so that a change of the table is a change of two places."""


def rows() -> dict[tuple[Phase, Happening], Phase]:
    found = {}
    for line in ROWS.strip().splitlines():
        before, _, after = line.partition(":")
        for row in after.split(","):
            happening, _, phase = row.partition("->")
            found[Phase(before.strip()), Happening(happening.strip())] = Phase(phase.strip())
    return found


def test_table() -> None:
    """The table has these rows and no others."""
    assert rows() == TABLE


@pytest.mark.parametrize(("phase", "happening"), list(product(Phase, Happening)))
def test_every_pair(phase: Phase, happening: Happening) -> None:
    """A pair is a row, or a report that changes nothing, or a defect that raises."""
    if (phase, happening) in rows():
        assert fits(phase, happening)
        assert step(phase, happening) is rows()[phase, happening]
    elif happening in REPORTS:
        assert not fits(phase, happening)
        assert step(phase, happening) is phase
    else:
        assert not fits(phase, happening)
        with pytest.raises(ImpossibleTransition, match=f"{happening.value}.*{phase.value}"):
            step(phase, happening)


def test_nothing_comes_after_the_end() -> None:
    """Who is gone stays gone."""
    assert not [row for row in TABLE if row[0] is Phase.GONE]


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.GONE])
def test_everybody_can_end(phase: Phase) -> None:
    """From every phase there is a way to the end."""
    reached, before = {phase}, set()
    while reached != before:
        before = set(reached)
        reached |= {after for (start, _), after in TABLE.items() if start in before}
    assert Phase.GONE in reached


def test_diagram() -> None:
    """The diagram shows each row that leads elsewhere, and no other."""
    lines = diagram().splitlines()
    moving = [row for row, after in TABLE.items() if row[0] is not after]
    assert lines[0] == "stateDiagram-v2"
    assert sum(":" in line for line in lines) == len(moving)
    assert "    held --> looping: go" in lines
