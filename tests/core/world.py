"""A world for the core to supervise: a clock, a kernel and workers, all of them fake.

It performs effects the way a master would, and its workers live the way real ones do: they
read their pipes only between two loops, they die when it suits them, and what they say
travels through one pipe, so that it may be late. What is true is kept here, apart from what
the core believes; ``checks`` compares the two after every event.
"""

from __future__ import annotations

from enum import Enum

import attrs

from naruto.core import effects, events
from naruto.core.deaths import End
from naruto.core.decide import decide
from naruto.core.ids import LoopsOf, SlotId, WorkerId
from naruto.core.messages import LEAVE
from naruto.core.policy import Policy
from naruto.core.state import Check, State

from . import checks


class Life(Enum):
    """What a fake worker is really doing."""

    UNBORN = "unborn"
    STARTING = "starting"  # in on_start
    WAITING = "waiting"  # READY, has read no go
    WORKING = "working"  # in business(), or about to be
    HELD = "held"
    ENDING = "ending"  # in on_stop
    DEAD = "dead"


READY = (Life.WAITING, Life.WORKING, Life.HELD)


@attrs.define(eq=False)
class FakeWorker:
    """One fake process.

    Attributes:
        inbox: What lies in its pipe, unread. A line by hand is a Tell of nobody's.
        told: Each verb that told it to leave, in order.
        canary: It was told to report its first loop.
        begun: It was told to begin; it need not have read that.
        heard_ready: The master has read that it is READY.
        unlucky: It fails, or goes, and not because the master wants it to.
        kill_from: Since when SIGKILL is allowed, for each reason that there is.
        began: When its loop began, while it is working.
        recycles: It has asked for its replacement.
    """

    id: WorkerId
    generation: int
    policy: Policy
    life: Life = Life.UNBORN
    inbox: list[effects.Tell] = attrs.field(factory=list)
    told: list[str] = attrs.field(factory=list)
    canary: bool = False
    was_ready: bool = False
    heard_ready: bool = False
    begun: bool = False
    killed: bool = False
    unlucky: bool = False
    kill_from: dict[str, float] = attrs.field(factory=dict)
    longest: float = 0.1
    began: float = 0.0
    recycles: bool = False

    @property
    def alive(self) -> bool:
        """It is asked for, or a process."""
        return self.life is not Life.DEAD


BY_HAND = "by hand"


def _restarts(check: Check | None) -> bool:
    return check is not None and check.verb == "restart"


@attrs.define
class World:
    """Everything outside the core.

    Attributes:
        mail: What workers have written into the master's pipe and nobody has read.
        prompt: Mail is read as soon as it's written.
        done: Every effect so far, with its time.
        settings: What the settings file says.
        accepted: Policy and generation of each group, as of the last reload that succeeded.
        coming: The policies of the reload under way; None for a group that goes.
        steady: Slots that have been staffed and that no accident has emptied since.
        asked: Clients that wait for an answer.
        marooned: Slots that a refusal could not put back to the old code.
        sound: No check has failed so far.
        lost: When workers of each group ended without being told to.
        looks: What was read on the scoreboard and is to be decided next.
    """

    settings: dict[str, Policy]
    prompt: bool = True
    state: State = attrs.field(factory=State)
    clock: float = 1000.0
    workers: dict[WorkerId, FakeWorker] = attrs.field(factory=dict)
    mail: list[events.Event] = attrs.field(factory=list)
    done: list[tuple[float, effects.Effect]] = attrs.field(factory=list)
    strangers: set[SlotId] = attrs.field(factory=set)
    generation: int = 0
    accepted: dict[str, tuple[Policy, int]] = attrs.field(factory=dict)
    coming: dict[str, Policy | None] = attrs.field(factory=dict)
    coming_generation: int = 0
    steady: set[SlotId] = attrs.field(factory=set)
    asked: set[str] = attrs.field(factory=set)
    clients: int = 0
    reading: int = 0
    probing: int = 0
    up: bool = False
    closing: bool = False
    kill_now: bool = False
    exits: list[effects.Exit] = attrs.field(factory=list)
    answers: dict[str, effects.Answer] = attrs.field(factory=dict)
    marooned: set[SlotId] = attrs.field(factory=set)
    sound: bool = True
    looks: list[events.Event] = attrs.field(factory=list)
    lost: dict[str, list[float]] = attrs.field(factory=dict)

    # Deciding and performing

    def feed(self, event: events.Event) -> list[effects.Effect]:
        """Let the core decide about an event, and perform what it wants."""
        self.sound = False
        self.state, wanted = decide(self.state, event, self.clock)
        for effect in wanted:
            self.done.append((self.clock, effect))
            getattr(self, f"_{type(effect).__name__.lower()}")(effect)
        looks, self.looks = self.looks, []
        if not self.up and self.state.closing is not None:  # the start has failed
            self.closing = True
        if not self.closing and self.state.closing is not None:
            checks.may_end_by_itself(self)
            self.closing = True
        checks.after_event(self, event)
        self.sound = True
        for look in looks:
            wanted = [*wanted, *self.feed(look)]
        return wanted

    def _spawn(self, effect: effects.Spawn) -> None:
        who = effect.worker
        assert who not in self.workers, f"serial of {who} used twice"
        policy = self.policy_of(who.group, effect.generation)
        self.workers[who] = FakeWorker(who, effect.generation, policy)

    def policy_of(self, group: str, generation: int) -> Policy:
        """What the settings of a generation say of a group."""
        coming = self.coming.get(group)
        if coming is not None and generation == self.coming_generation:
            return coming
        policy, accepted = self.accepted[group]
        assert accepted == generation, f"{group} was to run generation {accepted}"
        return policy

    def _tell(self, effect: effects.Tell) -> None:
        worker = self.workers[effect.worker]
        assert worker.alive, f"{effect} to the dead"
        worker.inbox.append(effect)
        worker.begun = worker.begun or effect.verb == "go"
        if effect.verb in LEAVE:
            checks.told_to_leave(worker, effect.verb)
            worker.told.append(effect.verb)
            if "deadline" in effect.args:
                worker.kill_from["order"] = effect.args["deadline"]

    def _kill(self, effect: effects.Kill) -> None:
        worker = self.workers[effect.worker]
        checks.may_be_killed(self, worker)
        worker.killed = True
        self._accident(worker)

    def _look(self, effect: effects.Look) -> None:
        began = {w.id: w.began for w in self.alive(effect.group) if w.life is Life.WORKING}
        self.looks.append(events.LoopsSeen(effect.group, began))

    def _dump(self, effect: effects.Dump) -> None:
        worker = self.workers[effect.worker]
        assert worker.alive
        assert not worker.killed

    def _showstack(self, effect: effects.ShowStack) -> None:
        assert self.workers[effect.worker].alive

    def _readsettings(self, effect: effects.ReadSettings) -> None:
        assert not self.coming, "settings read in the middle of a reload"
        assert not self.reading, "settings read twice"
        self.reading += 1

    def _probe(self, effect: effects.Probe) -> None:
        self.probing += 1

    def _endprobe(self, effect: effects.EndProbe) -> None:
        assert self.probing

    def _upgrade(self, effect: effects.Upgrade) -> None:
        self.asked -= set(effect.clients)

    def _answer(self, effect: effects.Answer) -> None:
        assert effect.client in self.asked, f"{effect.client} is answered twice"
        self.asked.remove(effect.client)
        self.answers[effect.client] = effect

    def _announce(self, effect: effects.Announce) -> None:
        assert not self.up
        self.up = True

    def _forget(self, effect: effects.Forget) -> None:
        self.coming = {}
        generations = {generation for _, generation in self.accepted.values()}
        assert effect.needed == generations

    def _log(self, effect: effects.Log) -> None:
        if effect.text.startswith("reloaded:"):
            self._accept()
        if "could not be put back" in effect.text:
            name, _, index = effect.text.split()[0].rpartition("-")
            self.marooned.add(SlotId(name, int(index)))

    def _accept(self) -> None:
        for name, policy in self.coming.items():
            if policy is None:
                del self.accepted[name]
            else:
                self.accepted[name] = (policy, self.coming_generation)
            self.marooned = {where for where in self.marooned if where.group != name}

    def _exit(self, effect: effects.Exit) -> None:
        assert not self.alive(), "the master ends before its workers"
        self.exits.append(effect)
        self.asked -= set(effect.clients)

    # What the operator does

    def start(self, strangers: frozenset[SlotId] = frozenset()) -> None:
        """Start the service."""
        self.strangers = set(strangers)
        self.generation = 1
        self.accepted = {name: (policy, 1) for name, policy in self.settings.items()}
        self.feed(events.Started(dict(self.settings), 1, strangers))

    def ask(self, verb: str, *groups: str, at_once: bool = False) -> str:
        """Ask as a client that waits for its answer; return the client's name."""
        self.clients += 1
        client = f"client-{self.clients}"
        self.asked.add(client)
        self.closing = self.closing or verb in ("quit", "stop")
        self.kill_now = self.kill_now or at_once
        self.feed(events.Requested(verb, groups, client, at_once))
        return client

    def signal(self, name: str, *, terminal_gone: bool = False) -> None:
        """Send a signal to the master."""
        self.closing = self.closing or name not in ("USR1", "HUP") or terminal_gone
        self.kill_now = self.kill_now or name == "INT"  # checks then trust the core's clock
        self.feed(events.Signalled(name, "pid 1", terminal_gone))

    def read_settings(self, settings: dict[str, Policy] | None = None) -> None:
        """Have read the settings, which are good and perhaps new."""
        assert self.reading
        self.reading -= 1
        if settings is not None:
            self.settings = settings
        self.generation += 1
        wish = self.state.reading
        if wish is not None:
            known = {**self.accepted, **self.settings}
            asked = [groups for _, groups in wish.asked if all(g in known for g in groups)]
            names = known if () in asked else {name for groups in asked for name in groups}
            if asked:
                self.coming = {name: self.settings.get(name) for name in names}
                self.coming_generation = self.generation
        self.feed(events.SettingsRead(dict(self.settings), self.generation))

    def refuse_settings(self) -> None:
        """Have read the settings, which are bad."""
        self.reading -= 1
        self.feed(events.SettingsRefused("workers: 0 is refused"))

    def probed(self, ok: bool) -> None:
        """The check before a restart has ended."""
        self.probing -= 1
        self.closing = self.closing or (ok and _restarts(self.state.check))
        self.feed(events.Probed(ok, "" if ok else "SyntaxError"))

    def reload(self, settings: dict[str, Policy] | None = None, *groups: str) -> str:
        """Ask for a reload whose settings are good; return the client's name."""
        client = self.ask("reload", *groups)
        self.read_settings(settings)
        return client

    def pass_time(self, seconds: float, *, late: bool = False) -> None:
        """Let time pass, waking the core at each of its alarms; or late, once at the end."""
        until = self.clock + seconds
        while self.state.next_alarm <= until:
            self.clock = until if late else max(self.clock, self.state.next_alarm)
            self.feed(events.TimePassed())
            self.kill_off()
        self.clock = until

    # What workers and the kernel do

    def born(self, worker: FakeWorker) -> None:
        """The fork has succeeded."""
        assert worker.life is Life.UNBORN
        worker.life = Life.STARTING
        if worker.policy.start_timeout is not None:
            worker.kill_from["start"] = self.clock + worker.policy.start_timeout
        self.feed(events.Spawned(worker.id, 10_000 + worker.id.serial))

    def fork_fails(self, worker: FakeWorker) -> None:
        """The kernel gives no process."""
        assert worker.life is Life.UNBORN
        worker.life = Life.DEAD
        self._accident(worker)
        self.feed(events.SpawnFailed(worker.id, "Resource temporarily unavailable"))

    def ready(self, worker: FakeWorker) -> None:
        """on_start has returned."""
        assert worker.life is Life.STARTING
        worker.life, worker.was_ready = Life.WAITING, True
        self.say(events.BecameReady(worker.id))

    def looped(self, worker: FakeWorker) -> None:
        """The first loop of a canary has ended well."""
        assert worker.life is Life.WORKING
        if worker.canary:
            worker.canary = False
            self.say(events.FirstLoopEnded(worker.id))

    def obey(self, worker: FakeWorker) -> None:
        """Read one message; the loop, if there was one, has ended."""
        assert worker.life in READY
        tell = worker.inbox.pop(0)
        if worker.life is Life.WORKING:
            self.looped(worker)
        if tell.verb == "go":
            assert worker.life is not Life.WORKING
            worker.life = Life.WORKING
            self.begins_loop(worker)
            worker.canary = bool(tell.args.get("canary"))
            checks.one_at_work(self)
        elif tell.verb == "hold":
            assert worker.life is Life.WORKING
            worker.life = Life.HELD
            self.say(events.Held(worker.id, tell.args["number"], worker.longest))
        else:
            self.leave(worker, by_hand=tell.verb == BY_HAND)

    def begins_loop(self, worker: FakeWorker) -> None:
        """A loop begins, the first one or the next."""
        worker.began = self.clock
        if worker.policy.loop_timeout is not None:
            worker.kill_from["loop"] = self.clock + worker.policy.loop_timeout

    def asks_for_recycling(self, worker: FakeWorker) -> None:
        """It has looped often enough, lived long enough, or grown too large."""
        assert worker.life is Life.WORKING
        worker.recycles = True
        self.say(events.RecycleAsked(worker.id, "max_loops (1000)"))

    def leave(self, worker: FakeWorker, *, by_hand: bool = False) -> None:
        """The last loop is over."""
        if by_hand or not worker.told:
            self._accident(worker)
        worker.life = Life.ENDING
        self.say(events.LastLoopEnded(worker.id, by_hand))

    def tell_by_hand(self, worker: FakeWorker) -> None:
        """A person writes into a worker's own pipe that it is to leave."""
        worker.inbox.append(effects.Tell(worker.id, BY_HAND))

    def end(
        self,
        worker: FakeWorker,
        code: int | None = 0,
        signal: str = "",
        last_words: str = "",
    ) -> None:
        """The process ends, for whatever reason, and is reaped."""
        assert worker.alive
        assert worker.life is not Life.UNBORN
        age = self.clock - worker.began if worker.life is Life.WORKING else None
        if worker.life is not Life.ENDING:
            self._accident(worker)
        if not worker.told:
            self.lost.setdefault(worker.id.group, []).append(self.clock)
        worker.life = Life.DEAD
        code = None if signal else code
        end = End(code, signal, loop_age=age, last_words=last_words)
        self.feed(events.Exited(worker.id, end))

    def crash(self, worker: FakeWorker) -> None:
        """The process fails."""
        self.end(worker, 1, last_words="ZeroDivisionError: division by zero")

    def kill_off(self) -> None:
        """Let SIGKILL arrive."""
        for worker in self.alive():
            if worker.killed:
                self.end(worker, signal="KILL")

    def stranger_goes(self, where: SlotId) -> None:
        """The worker of a dead master ends."""
        self.strangers.remove(where)
        self.feed(events.StrangerGone(where))

    def say(self, report: events.Event) -> None:
        """Write a line into the master's pipe."""
        self.mail.append(report)
        if self.prompt:
            self.deliver()

    def deliver(self) -> None:
        """Let the master read its pipe."""
        while self.mail:
            self.read_line()

    def read_line(self) -> None:
        """Let the master read one line of its pipe."""
        report = self.mail.pop(0)
        worker = self.workers[report.worker]
        timeout = worker.policy.stop_timeout
        if isinstance(report, events.LastLoopEnded) and timeout is not None:
            worker.kill_from["on_stop"] = self.clock + timeout
        if isinstance(report, events.BecameReady):
            worker.heard_ready = True
        self.feed(report)

    def _accident(self, worker: FakeWorker) -> None:
        worker.unlucky = True
        self.steady.discard(worker.id.slot)

    # Obliging workers

    def step(self, worker: FakeWorker) -> bool:
        """Let a worker take the next step of an untroubled life; say whether there is one."""
        if worker.killed:
            self.end(worker, signal="KILL")
        elif worker.life is Life.UNBORN:
            self.born(worker)
        elif worker.life is Life.STARTING:
            self.ready(worker)
        elif worker.life is Life.ENDING:
            self.end(worker)
        elif worker.life in READY and worker.inbox:
            self.obey(worker)
        elif worker.life is Life.WORKING and worker.canary:
            self.looped(worker)
        else:
            return False
        return True

    def settle(self, *stuck: FakeWorker) -> None:
        """Let everybody but the stuck go on until nothing is left to do, in no time."""
        for _ in range(10_000):
            self.deliver()
            steps = [self.step(w) for w in self.alive() if w.alive and w not in stuck]
            if not any(steps) and not self.mail:
                return
        raise AssertionError("the service never comes to rest")

    def recover(self) -> None:
        """Settle, and let every pause pass that the core wants to make."""
        for _ in range(200):
            self.settle()
            if all(isinstance(key, LoopsOf) for key in self.state.alarms):
                return
            self.pass_time(self.state.next_alarm - self.clock)
        raise AssertionError("there is always one more alarm")

    # Looking

    def alive(self, group: str | None = None, index: int | None = None) -> list[FakeWorker]:
        """Whoever is asked for or alive, oldest first."""
        return [
            worker
            for worker in self.workers.values()
            if worker.alive
            and group in (None, worker.id.group)
            and index in (None, worker.id.index)
        ]

    def only(self, group: str, index: int) -> FakeWorker:
        """The one worker of a slot."""
        (worker,) = self.alive(group, index)
        return worker

    def newest(self) -> FakeWorker:
        """The worker that was asked for last."""
        return list(self.workers.values())[-1]

    def generations(self, group: str) -> list[int]:
        """The generation of each worker of a group, in order of the indexes."""
        ordered = sorted(self.alive(group), key=lambda worker: worker.id[1:])
        return [worker.generation for worker in ordered]

    def told(self, worker: FakeWorker) -> list[str]:
        """Every verb that a worker was told so far."""
        return [
            effect.verb
            for _, effect in self.done
            if isinstance(effect, effects.Tell) and effect.worker == worker.id
        ]

    def count(self, kind: type) -> int:
        """How many effects of a kind there were."""
        return sum(isinstance(effect, kind) for _, effect in self.done)


def serving(settings: dict[str, Policy] | None = None, **fields: object) -> World:
    """Return a world whose service is up and has run for an hour."""
    world = World(settings or {"web": Policy(**fields)})
    world.start()
    world.settle()
    world.pass_time(3600.0)
    checks.at_rest(world)
    return world
