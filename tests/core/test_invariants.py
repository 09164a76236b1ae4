"""Random schedules: whatever comes, in whatever order, the promises hold.

The machine below plays the operator, the kernel and the workers. What must hold after each
event is in ``checks``; what must hold once everybody has settled is at the end.
"""

from __future__ import annotations

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from naruto.core import effects, events
from naruto.core.decide import decide
from naruto.core.ids import SlotId, WorkerId
from naruto.core.lifecycle import ImpossibleTransition
from naruto.core.policy import Policy
from naruto.core.units import Share

from . import checks
from .world import READY, FakeWorker, Life, World

SHARES = st.sampled_from([Share(1), Share(2), Share(25, True), Share(100, True)])
POLICIES = st.builds(
    Policy,
    workers=st.integers(1, 4),
    surge=SHARES,
    overlap=st.sampled_from([True, True, False]),
    stop_timeout=st.sampled_from([25.0, None]),
    canary_timeout=st.sampled_from([10.0, 10.0, None]),
    restart=st.sampled_from(["always", "always", "unexpected", "never"]),
    max_restarts=st.sampled_from([None, None, 1, 3]),
    restart_window=st.sampled_from([10.0, 1000.0]),
    slow_loop=st.sampled_from([None, None, 4.0]),
    loop_timeout=st.sampled_from([None, None, 9.0]),
)
SETTINGS = st.dictionaries(st.sampled_from(["web", "mail"]), POLICIES, min_size=1)
PICK = st.integers(0, 1000)
SECONDS = st.sampled_from([0.0, 0.3, 1.0, 5.0, 10.0, 26.0, 40.0])


class Service(RuleBasedStateMachine):
    """A service under random requests, accidents and delays."""

    world: World

    @initialize(settings=SETTINGS, strangers=st.sets(st.integers(0, 3), max_size=1))
    def start(self, settings: dict[str, Policy], strangers: set[int]) -> None:
        self.world = World(settings, prompt=False)
        self.reloads = 0
        self.world.start(frozenset(SlotId("web", index) for index in strangers))

    def over(self) -> bool:
        return bool(self.world.exits)

    def pick(self, pick: int, *lives: Life) -> FakeWorker | None:
        """Return one of those who live so, or of all."""
        those = [w for w in self.world.alive() if w.life in (lives or Life) and not w.killed]
        return those[pick % len(those)] if those else None

    # The ordinary course of things, in any order

    @rule(picks=st.lists(PICK, min_size=1, max_size=12))
    def somebody_goes_on(self, picks: list[int]) -> None:
        for pick in picks:
            alive = self.world.alive()
            if alive:
                self.world.step(alive[pick % len(alive)])

    @rule(lines=st.integers(1, 8))
    def the_master_reads(self, lines: int) -> None:
        for _ in range(min(lines, len(self.world.mail))):
            self.world.read_line()

    @rule(pick=PICK)
    def all_but_one_settle(self, pick: int) -> None:
        stuck = self.pick(pick)
        self.world.settle(*([stuck] if stuck else []))

    @rule()
    def all_settle(self) -> None:
        self.world.settle()

    @rule(seconds=SECONDS, late=st.booleans())
    def time_passes(self, seconds: float, late: bool) -> None:
        self.world.pass_time(seconds, late=late)

    # Accidents

    @rule(pick=PICK)
    def one_crashes(self, pick: int) -> None:
        lives = [life for life in Life if life not in (Life.UNBORN, Life.DEAD)]
        if worker := self.pick(pick, *lives):
            self.world.crash(worker)

    @rule(pick=PICK)
    def the_newest_crashes(self, pick: int) -> None:
        alive = [w for w in self.world.alive() if w.life is not Life.UNBORN]
        if alive:
            self.world.crash(max(alive, key=lambda w: w.id.serial))

    @rule(pick=PICK)
    def a_fork_fails(self, pick: int) -> None:
        if worker := self.pick(pick, Life.UNBORN):
            self.world.fork_fails(worker)

    @rule(pick=PICK)
    def one_is_told_by_hand(self, pick: int) -> None:
        if worker := self.pick(pick, *READY):
            self.world.tell_by_hand(worker)

    @rule(pick=PICK)
    def one_gives_up(self, pick: int) -> None:
        """Too many errors in a row: it leaves by itself."""
        if worker := self.pick(pick, Life.WORKING):
            self.world.leave(worker)

    @rule(pick=PICK)
    def one_ends_well(self, pick: int) -> None:
        """It exits with 0, of its own accord."""
        if worker := self.pick(pick, Life.WORKING, Life.ENDING):
            self.world.end(worker)

    @rule(picks=st.lists(PICK, min_size=1, max_size=4))
    def some_ask_for_recycling(self, picks: list[int]) -> None:
        for pick in picks:
            worker = self.pick(pick, Life.WORKING)
            if worker and not worker.recycles:
                self.world.asks_for_recycling(worker)

    @rule(picks=st.lists(PICK, min_size=1, max_size=4))
    def some_begin_a_loop(self, picks: list[int]) -> None:
        for pick in picks:
            worker = self.pick(pick, Life.WORKING)
            if worker and not worker.inbox:
                self.world.looped(worker)
                self.world.begins_loop(worker)

    @rule(pick=PICK)
    def one_has_long_loops(self, pick: int) -> None:
        if worker := self.pick(pick):
            worker.longest = 60.0

    @precondition(lambda self: self.world.strangers)
    @rule()
    def a_stranger_goes(self) -> None:
        self.world.stranger_goes(next(iter(self.world.strangers)))

    # The operator

    def asks(self, *args: str, **options: bool) -> None:
        if not self.over():
            self.world.ask(*args, **options)

    @rule(groups=st.lists(st.sampled_from(["web", "mail"]), max_size=1))
    def reload_is_asked_for(self, groups: list[str]) -> None:
        self.reloads += 1
        self.asks("reload", *groups)

    @rule()
    def reload_is_signalled(self) -> None:
        self.reloads += 1
        self.world.signal("USR1")

    @precondition(lambda self: self.world.reading)
    @rule(settings=st.none() | SETTINGS)
    def settings_are_read(self, settings: dict[str, Policy] | None) -> None:
        self.world.read_settings(settings)

    @precondition(lambda self: not self.over() and not self.world.reading)
    @rule(settings=SETTINGS)
    def settled_and_reloaded(self, settings: dict[str, Policy]) -> None:
        """Begin a reload from rest, to come by its later stages often."""
        self.world.settle()
        self.reloads += 1
        self.asks("reload")
        if self.world.reading:
            self.world.read_settings(settings)

    @precondition(lambda self: self.world.reading)
    @rule()
    def settings_are_bad(self) -> None:
        self.world.refuse_settings()

    @rule(often=st.integers(0, 9))
    def restart_is_asked_for(self, often: int) -> None:
        if not often:
            self.asks("restart")

    @rule(often=st.integers(0, 3))
    def upgrade_is_asked_for(self, often: int) -> None:
        if not often:
            self.asks("upgrade")

    @precondition(lambda self: self.world.probing)
    @rule(ok=st.booleans())
    def probe_ends(self, ok: bool) -> None:
        self.world.probed(ok)

    @rule(verb=st.sampled_from(["quit", "stop", "now"]), often=st.integers(0, 9))
    def an_end_is_asked_for(self, verb: str, often: int) -> None:
        if not often:
            self.asks("stop" if verb == "now" else verb, at_once=verb == "now")

    @rule(name=st.sampled_from(["TERM", "QUIT", "USR2", "INT", "INT"]), often=st.integers(0, 9))
    def an_end_is_signalled(self, name: str, often: int) -> None:
        if not often:
            self.world.signal(name)

    # Untrue and late reports

    @rule(
        pick=PICK,
        kind=st.sampled_from(
            [events.BecameReady, events.FirstLoopEnded, events.LastLoopEnded, events.Held]
        ),
    )
    def a_report_is_late_or_forged(self, pick: int, kind: type) -> None:
        """It's of nobody, of the dead, of the unborn, or said already."""
        strange = [WorkerId("web", 0, 9999), WorkerId("nobody", 0, 1), WorkerId("web", 99, 1)]
        gone = [w.id for w in self.world.workers.values() if not w.alive]
        unborn = [w.id for w in self.world.alive() if w.life is Life.UNBORN]
        said = [w.id for w in self.world.alive() if self._said(w, kind)]
        who = [*strange, *gone[-3:], *unborn, *said]
        args = (0,) if kind is events.Held else ()
        before = self._known()
        self.world.feed(kind(who[pick % len(who)], *args))
        if kind is not events.Held:
            assert self._known() == before

    def _said(self, worker: FakeWorker, kind: type) -> bool:
        if any(type(line) is kind and line.worker == worker.id for line in self.world.mail):
            return False
        if kind is events.BecameReady:
            return worker.was_ready
        if kind is events.LastLoopEnded:
            return worker.life is Life.ENDING
        return kind is events.Held or (worker.life is Life.HELD and not worker.canary)

    def _known(self) -> object:
        return [attrs.astuple(w, recurse=False) for w in self.world.state.workers()]

    @rule(pick=PICK)
    def the_impossible_is_reported(self, pick: int) -> None:
        """The master reports a birth that can't be: that raises, and changes nothing."""
        born = [w.id for w in self.world.alive() if w.life is not Life.UNBORN]
        who = [WorkerId("web", 0, 9999), *born][pick % (1 + len(born))]
        if self.over():
            return
        before = repr(self.world.state)
        for event in (events.Spawned(who, 1), events.SpawnFailed(who, "")):
            with pytest.raises(ImpossibleTransition):
                decide(self.world.state, event, self.world.clock)
        assert repr(self.world.state) == before

    # The end of every schedule

    def teardown(self) -> None:
        if hasattr(self, "world") and self.world.sound:
            self._comes_to_rest()
            self._ends()

    def _calm(self) -> None:
        """Let everybody oblige, and time pass, until nothing is left to do."""
        world = self.world
        for where in list(world.strangers):
            world.stranger_goes(where)
        world.recover()
        while world.reading or world.probing:
            if world.probing:
                world.probed(False)
            else:
                world.read_settings(None)
            world.recover()

    def _comes_to_rest(self) -> None:
        self._calm()
        if not self.world.closing:
            checks.at_rest(self.world)
        assert self.world.count(effects.ReadSettings) <= self.reloads

    def _ends(self) -> None:
        world = self.world
        if not self.over():
            world.ask("stop")
            for _ in range(3):
                world.pass_time(60.0)
                world.deliver()
                if any(w.policy.stop_timeout is None for w in world.alive()):
                    world.settle()
                for worker in world.alive():
                    if worker.life is Life.UNBORN:
                        world.born(worker)
        assert len(world.exits) == 1
        assert not world.alive()
        assert not world.asked


pytestmark = pytest.mark.timeout(1800)  # the thorough profile takes minutes

QUICK = settings(
    max_examples=150,
    stateful_step_count=50,
    derandomize=True,  # a suite that fails is this change's doing; thorough looks for new ones
    deadline=None,
    suppress_health_check=list(HealthCheck),
)

TestService = Service.TestCase
if settings.get_current_profile_name() != "thorough":
    TestService.settings = QUICK
