"""MasterProcess: wait, decide, perform.

What comes in (signals, lines in pipes, ended children, time) becomes events; the core
decides; what it wants done is performed here. Nothing in the loop blocks and nothing
polls: while nothing happens the master is asleep in one system call.
"""

from __future__ import annotations

import math
import os
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from . import __version__, log
from .again import CommandLine, Restart
from .core import effects, events
from .core.decide import decide
from .core.state import State
from .process import Process
from .settings import Settings, Source
from .sink import LogTo
from .supervise import snapshot
from .supervise.child import Child
from .supervise.crew import Crew
from .supervise.ear import understood
from .supervise.generations import Generations
from .supervise.hands import Hands
from .supervise.moulds import Moulds
from .supervise.nursery import Nursery
from .supervise.premises import Premises
from .supervise.probe import Probe
from .supervise.replies import Replies
from .supervise.senses import Senses
from .supervise.strays import Strays
from .supervise.succession import Succession
from .supervise.undertaker import Undertaker
from .supervise.upkeep import Upkeep
from .supervise.watch import Watch
from .unix import children, limits, pidfd, stacks, terminal
from .unix.rundir import place
from .unix.wakeup import Wakeup

if TYPE_CHECKING:
    from .supervise.handover import Handover


class MasterProcess(Process):
    """The supervisor of one service.

    Args:
        source: Where the settings come from, now and at each reload.
        settings: What it gave.
        log_for: Says where the log goes, by settings.
        embedded: The program goes on after ``run``, and may have children of its own.
        on_up: Called once, when every worker was READY for the first time.
        restart: What a restarted master inherited from itself.
        handed: What a master that was upgraded goes on with.
        private: Descriptors of the program that no worker may keep, looked at before each fork.

    Attributes:
        exit: How it ended, and whether it is to be run again.
    """

    kind = "master"
    _hands: Hands | None = None

    def __init__(
        self,
        source: Source,
        settings: Settings,
        log_for: Callable[[Settings], LogTo],
        *,
        embedded: bool = False,
        on_up: Callable[[], None] = lambda: None,
        restart: Restart | None = None,
        handed: Handover | None = None,
        private: Sequence[int] = (),
    ) -> None:
        self.name = settings.name
        self._command_line = CommandLine.of_this_program(source.directory)
        self._started_in = handed.started_in if handed else os.path.realpath(source.directory)
        self._handed = handed
        self._generations = Generations(source, settings)
        if handed is not None:
            self._generations = Generations(
                source, handed.settings, handed.last_generation, dict(handed.generations)
            )
        self._log_for, self._embedded, self._on_up = log_for, embedded, on_up
        self._restart, self._private = restart or Restart(), private
        self._inbox: deque[events.Event] = deque()

    # Begin and end

    def run(self) -> int:
        """Supervise until told to end; return the exit status.

        Raises:
            SettingsError: The run directory, the directory or the number of workers won't do.
            AlreadyRunning: Another master holds the lock.
        """
        with ExitStack() as stack:
            self._wakeup = Wakeup.install()
            stack.callback(self._uninstall)
            stacks.widen()  # for every worker: it would take each a tenth of its birth
            self._parent = self._watch_parent(stack)
            self._descriptors = limits.raise_descriptors()
            stack.callback(lambda: limits.restore_descriptors(self._descriptors))
            self._move_in(stack)
            self._loop()
        assert self.exit is not None
        return self.exit.status

    def restart(self) -> None:
        """Become the program anew, after ``run``; never returns."""
        assert self.exit is not None
        self._wakeup.close()
        premises = self._premises
        inlet = premises.inlets[-1]
        kept = Restart(premises.lock, inlet, self.exit.clients, self.exit.text)
        self._command_line.restart(kept)

    @property
    def exit(self) -> effects.Exit | None:
        """How the service has ended; None until it has."""
        return self._hands.exit if self._hands is not None else None

    @property
    def again(self) -> bool:
        """Whether the program is to be run again under this pid."""
        return self.exit is not None and self.exit.again

    def _watch_parent(self, stack: ExitStack) -> list[int]:
        """Return a descriptor that tells of our parent's end, if we are to end with it."""
        if not self._generations.settings.exit_with_parent:
            return []
        before = self._handed.parent if self._handed is not None else ()
        fd = before[0] if before else pidfd.watch_parent()
        stack.callback(os.close, fd)
        return [fd]

    def _move_in(self, stack: ExitStack) -> None:
        self._watch = Watch()
        stack.callback(self._watch.close)
        settings, handed = self._generations.settings, self._handed
        if handed is not None:
            self._descriptors = handed.descriptors
            self._premises = Premises.kept(place(self.name, settings.run_dir), handed)
        else:
            first = self._generations.first(self._descriptors[1])
            self._premises = Premises.open(
                self.name, settings.run_dir, first.most_workers, self._restart
            )
        stack.callback(self._move_out)
        self.pipe = self._premises.pipe
        self._state = State(next_serial=self._premises.first_serial)
        identity = f"{self.name} in {self._premises.rundir.path}"
        self._probe = Probe(self._command_line, identity)
        where = self._premises.rundir.path
        self._strays = Strays.watched(where, adopt=not self._embedded)
        self._replies = Replies(self._premises.rundir, self._watch, self._premises.spare)
        moulds = Moulds(self._premises, self._watch, self.name, self._born, self._unborn)
        self._crew = Crew(self._premises, self._nursery(), self._watch, moulds)
        self._undertaker = Undertaker(
            self._crew, self._probe, self._strays, self._embedded, self._bury, self._hear
        )
        self._succession = Succession(
            self._premises,
            self._generations,
            self._crew,
            self._strays,
            self._replies,
            self._descriptors,
            self._started_in,
            tuple(self._parent),
        )
        self._upkeep = Upkeep(self._premises)
        self._senses = Senses(
            self._wakeup,
            self._watch,
            self._premises,
            self._replies,
            terminal.has_terminal(),
            self._parent,
            self._inbox.append,
            self._shown,
            self._surviving,
            self._crew.holds_back,
            handed.ears if handed else (),
        )
        self._senses.open(self._undertaker)
        self._hands = self._made_hands()
        self._hands.open_log(self._log_for(self._generations.newest.settings))
        stack.callback(self._hands.close_log)
        self.set_title(self.name, f"({self._premises.rundir.path})")

    def _nursery(self) -> Nursery:
        return Nursery(
            service=self.name,
            started_in=self._started_in,
            descriptors=self._descriptors,
            embedded=self._embedded,
            premises=self._premises,
            generations=self._generations,
            wakeup=self._wakeup,
            log_for=self._log_for,
            open_now=self._open_now,
        )

    def _made_hands(self) -> Hands:
        return Hands(
            service=self.name,
            descriptors=self._descriptors[1],
            embedded=self._embedded,
            premises=self._premises,
            generations=self._generations,
            crew=self._crew,
            probe=self._probe,
            replies=self._replies,
            tell=self._inbox.append,
            handover=self._handover,
            command_line=self._command_line,
            log_for=self._log_for,
            on_up=self._on_up,
            restart=self._restart,
        )

    def _open_now(self) -> list[int]:
        """Descriptors that are the master's alone just now, those of workers left out."""
        held = [*self._private, *self._parent, self._watch.fileno(), *self._probe.descriptors]
        moulds = self._crew.moulds.descriptors
        return [*held, *moulds, *self._replies.descriptors]

    def _move_out(self) -> None:
        if not self._state.up and self._hands is not None:
            text = "the service did not come up again; its log says why"
            self._hands.answer_returning(1, text)
        self._probe.close()
        self._replies.close()
        if self.again:
            self._premises.close_for_restart()
        else:
            self._premises.close()

    def _uninstall(self) -> None:
        # Where the process ends now, a late signal must not turn its exit status into a
        # death; and what is pending shall outlive the exec of a restart.
        if self._embedded and not self.again:
            self._wakeup.uninstall()

    # Wait, decide, perform

    def _loop(self) -> None:
        where = self._premises.rundir.path
        if self._handed is not None:
            self._succession.take_over(self._handed)
            self._state = self._handed.state
            self._inbox.extend(self._handed.inbox)
            self._undertaker.reap()
        else:
            log.write("INFO", f"naruto {__version__}: master of {self.name} starts in {where}")
            for sentence in self._generations.source.suspects():
                log.write("WARNING", sentence)
            first = self._generations.newest
            for who in self._premises.strangers.values():
                why = "its master has died; its index waits for its end (ps shows its pid)"
                log.write("WARNING", f"{who} is still there: {why}")
            strangers = frozenset(who.slot for who in self._premises.strangers.values())
            self._inbox.append(events.Started(first.policies, first.number, strangers))
        while self.exit is None or self._undertaker.busy:
            for _ in range(len(self._inbox)):
                self._surviving(partial(self._decide, self._inbox.popleft()))
            if self.exit is None or self._undertaker.busy:
                self._wait()
        log.write("INFO", f"master of {self.name} {'restarts' if self.again else 'ends'}")

    def _handover(self, clients: tuple[str, ...]) -> Handover:
        return self._succession.gather(self._state, self._inbox, self._senses.ears, clients)

    def _decide(self, event: events.Event) -> None:
        self._state, wanted = decide(self._state, event, time.monotonic())
        assert self._hands is not None
        for effect in sorted(wanted, key=lambda one: isinstance(one, effects.Upgrade)):
            self._surviving(partial(self._hands.perform, effect))
        self._surviving(self._hands.deliver)
        if self._state.closing is not None:  # nobody will be spawned any more
            self._crew.moulds.kill_all_but(frozenset())
        if self.exit is not None:
            self._undertaker.last()

    def _surviving(self, step: Callable[[], object]) -> None:
        """Take one step of the loop; what it raises ends neither the loop nor the service.

        It is a defect of ours, or a fault of the machine that nobody thought of. An event
        that does not fit has changed nothing (core/lifecycle.py).
        """
        try:
            step()
        except Exception:
            log.write("CRITICAL", f"please report this: {step}\n{traceback.format_exc()}")
            time.sleep(0.1)  # what fails again and again must not take the whole processor

    def _wait(self) -> None:
        self._surviving(partial(self._watch.wait, self._timeout()))
        now = time.monotonic()
        if now >= self._state.next_alarm:
            self._undertaker.sweep()
            self._inbox.append(events.TimePassed())
        self._replies.drop_late(now)
        self._strays.kill_late(now)
        self._crew.moulds.kill_late(now)
        self._surviving(partial(self._keep_up, now))

    def _keep_up(self, now: float) -> None:
        self._inbox.extend(self._upkeep.look(now, self._crew.members))
        self._senses.open_ears()

    def _timeout(self) -> float | None:
        if self._inbox:
            return 0
        patient = (self._replies, self._strays, self._crew.moulds, self._upkeep)
        at = min(self._state.next_alarm, *(one.next_alarm for one in patient))
        return None if at == math.inf else max(0.0, at - time.monotonic())

    # What comes in

    def _born(self, child: Child, pid: int) -> None:
        """A mould has forked a worker, which may have ended before we heard of it."""
        self._inbox.append(self._crew.born(child, pid))
        self._inbox.extend(filter(None, map(understood, child.early)))
        if (ended := self._crew.unclaimed.pop(pid, None)) is not None:
            self._bury(ended)

    def _unborn(self, child: Child, error: str, by_code: bool) -> None:
        self._inbox.append(self._crew.unborn(child, error, by_code))

    def _hear(self) -> None:
        self._senses.hear_all()

    def _shown(self) -> dict[str, Any]:
        return snapshot.service(self, self._premises, self._state, self._crew.members)

    def _bury(self, ended: children.Ended) -> None:
        self._surviving(partial(self._bury_one, ended))

    def _bury_one(self, ended: children.Ended) -> None:
        if (event := self._undertaker.event(ended)) is not None:
            self._inbox.append(event)
