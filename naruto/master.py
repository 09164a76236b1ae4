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
from typing import Any

from . import __version__, log
from .again import CommandLine, Restart
from .core import effects, events
from .core.decide import decide
from .core.messages import Message
from .core.state import State
from .errors import SettingsError
from .log import LogTo
from .process import Process
from .settings import Settings, Source
from .supervise import snapshot
from .supervise.child import Child
from .supervise.crew import Crew
from .supervise.ear import Ear
from .supervise.generations import Generation, Generations
from .supervise.premises import Premises
from .supervise.probe import Probe
from .supervise.replies import Replies
from .supervise.watch import READABLE, WRITABLE, Watch
from .unix import children, limits, terminal
from .unix.wakeup import Caught, Wakeup
from .work.birth import Cradle


class MasterProcess(Process):
    """The supervisor of one service.

    Args:
        source: Where the settings come from, now and at each reload.
        settings: What it gave.
        log_for: Says where the log goes, by settings.
        embedded: The program goes on after ``run``, and may have children of its own.
        on_up: Called once, when every worker was READY for the first time.
        restart: What a restarted master inherited from itself.
        private: Descriptors of the program that no worker may keep, looked at before each fork.

    Attributes:
        exit: How it ended, and whether it is to be run again.
    """

    kind = "master"

    def __init__(
        self,
        source: Source,
        settings: Settings,
        log_for: Callable[[Settings], LogTo],
        *,
        embedded: bool = False,
        on_up: Callable[[], None] = lambda: None,
        restart: Restart | None = None,
        private: Sequence[int] = (),
    ) -> None:
        self.name = settings.name
        self.exit: effects.Exit | None = None
        self._command_line = CommandLine.of_this_program(source.directory)
        self._started_in = os.path.realpath(source.directory)
        self._generations = Generations(source, settings)
        self._log_for, self._embedded, self._on_up = log_for, embedded, on_up
        self._log_to = log_for(settings)
        self._close_log: Callable[[], None] = lambda: None
        self._restart, self._private = restart or Restart(), private
        self._inbox: deque[events.Event] = deque()
        self._probe: Probe | None = None

    # Begin and end

    def run(self) -> int:
        """Supervise until told to end; return the exit status.

        Raises:
            SettingsError: The run directory, the directory or the number of workers won't do.
            AlreadyRunning: Another master holds the lock.
        """
        with ExitStack() as stack:
            self._terminal = terminal.has_terminal()
            self._wakeup = Wakeup.install()
            stack.callback(self._uninstall)
            self._descriptors = limits.raise_descriptors()
            stack.callback(limits.restore_descriptors, self._descriptors)
            first = self._generations.first(self._descriptors[1])
            self._move_in(stack, first.most_workers)
            self._loop(first)
        assert self.exit is not None
        return self.exit.status

    def restart(self) -> None:
        """Become the program anew, after ``run``; never returns."""
        assert self.exit is not None
        self._wakeup.close()
        premises = self._premises
        kept = Restart(premises.lock, premises.inlet, self.exit.clients, self.exit.text)
        self._command_line.restart(kept)

    @property
    def again(self) -> bool:
        """Whether the program is to be run again under this pid."""
        return self.exit is not None and self.exit.again

    def _move_in(self, stack: ExitStack, workers: int) -> None:
        self._watch = Watch()
        stack.callback(self._watch.close)
        given, settings = self._restart, self._generations.settings
        self._premises = Premises.open(self.name, settings.run_dir, workers, given)
        stack.callback(self._move_out)
        self.pipe = self._premises.pipe
        self._state = State(next_serial=self._premises.first_serial)
        self._crew = Crew(self._premises, self._cradle, self._watch_pipe)
        self._replies = Replies(self._premises.rundir, self._watch_reply)
        self._ear = Ear(self._premises.inlet)
        self._watch.add(self._premises.inlet, READABLE, self._hear)
        for fd in self._wakeup.polled:
            self._watch.add(fd, READABLE, self._take_signals)
        for fd in self._premises.strangers:
            self._watch.add(fd, READABLE, partial(self._stranger_gone, fd))
        self._open_log(self._log_to)
        stack.callback(lambda: self._close_log())
        self.set_title(f"({self._premises.rundir.path})")

    def _move_out(self) -> None:
        if not self._state.up:
            self._answer_returning(1, "the service did not come up again; its log says why")
        if self._probe is not None:  # killed when the end began
            self._probe.ended(children.reap(self._probe.pid))
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

    def _loop(self, first: Generation) -> None:
        where = self._premises.rundir.path
        log.write("INFO", f"naruto {__version__}: master of {self.name} starts in {where}")
        for sentence in self._generations.source.suspects():
            log.write("WARNING", sentence)
        strangers = frozenset(who.slot for who in self._premises.strangers.values())
        self._inbox.append(events.Started(first.policies, first.number, strangers))
        while self.exit is None:
            for _ in range(len(self._inbox)):
                self._surviving(partial(self._decide, self._inbox.popleft()))
            if self.exit is None:
                self._wait()
        log.write("INFO", f"master of {self.name} {'restarts' if self.again else 'ends'}")

    def _decide(self, event: events.Event) -> None:
        self._state, wanted = decide(self._state, event, time.monotonic())
        for effect in wanted:
            self._surviving(partial(self._PERFORM[type(effect)], self, effect))

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
            self._inbox.append(events.TimePassed())
        self._replies.drop_late(now)

    def _timeout(self) -> float | None:
        if self._inbox:
            return 0
        at = min(self._state.next_alarm, self._replies.next_alarm)
        return None if at == math.inf else max(0.0, at - time.monotonic())

    # What comes in

    def _take_signals(self) -> None:
        caught = list(self._wakeup.read())
        if any(one.name == "CHLD" for one in caught):
            ended = self._ended()
            self._surviving(self._hear)  # what they have said before they died
            for one in ended:
                self._surviving(partial(self._bury, one))
        for signal in caught:
            if signal.name != "CHLD":
                event = events.Signalled(signal.name, signal.by, self._hung_up(signal))
                self._inbox.append(event)

    def _hung_up(self, caught: Caught) -> bool:
        """Whether HUP means that the terminal has gone, not that somebody wants a reload."""
        gone = caught.by_kernel or not terminal.has_terminal()
        return caught.name == "HUP" and self._terminal and gone

    def _bury(self, ended: children.Ended) -> None:
        if self._probe is not None and ended.pid == self._probe.pid:
            probe, self._probe = self._probe, None
            self._inbox.append(probe.ended(ended))
        elif (event := self._crew.bury(ended)) is not None:
            self._inbox.append(event)

    def _ended(self) -> list[children.Ended]:
        if not self._embedded:
            return list(children.reap_all())
        probe = [self._probe.pid] if self._probe else []
        return list(children.reap_these([*self._crew.pids, *probe]))

    def _hear(self) -> None:
        for message in self._ear.listen():
            reply = message.args.get("reply")
            problem = self._replies.problem(reply) if reply is not None else ""
            if problem:
                self._ear.refuse(message, problem)
            elif message.verb == "status":
                self._status(message)
            elif (event := self._ear.event(message)) is not None:
                self._inbox.append(event)

    def _status(self, message: Message) -> None:
        reply = message.args.get("reply")
        if reply is None:
            self._ear.refuse(message, 'status needs a reply pipe ("reply": "reply-1.pipe")')
            return
        shown = snapshot.service(self, self._premises, self._state, self._crew.members)
        self._replies.send(reply, {"status": 0, "service": shown})

    def _stranger_gone(self, fd: int) -> None:
        self._watch.drop(fd)
        where = self._premises.stranger_gone(fd).slot
        if where not in {who.slot for who in self._premises.strangers.values()}:
            self._inbox.append(events.StrangerGone(where))

    # What is to be done

    def _spawn(self, effect: effects.Spawn) -> None:
        try:
            self._inbox.append(self._crew.spawn(effect.worker, effect.generation))
        except Exception as error:
            self._inbox.append(events.SpawnFailed(effect.worker, f"{error!r}"))
            raise

    def _cradle(self, child: Child) -> Cradle:
        generation = self._generations.of(child.generation)
        premises, selector = self._premises, self._watch.fileno()
        foreign = [*self._private, *premises.masters_own, *self._wakeup.descriptors, selector]
        foreign += [*self._replies.descriptors, *self._crew.descriptors]
        foreign += [self._probe.output] if self._probe else []
        return Cradle(
            service=self.name,
            group=generation.group(child.id.group),
            directory=generation.directory,
            started_in=self._started_in,
            to_master=premises.to_master,
            lifeline=premises.lifeline.watched,
            foreign=foreign,
            ignored=self._wakeup.ignored,
            descriptors=self._descriptors,
            board=premises.board,
            log_to=self._log_for(generation.settings),
        )

    def _read_settings(self, effect: effects.ReadSettings) -> None:
        try:
            generation = self._generations.next(self._descriptors[1])
            self._premises.board.reserve(generation.most_workers)
        except (SettingsError, OSError) as error:
            self._inbox.append(events.SettingsRefused(str(error)))
            return
        self._inbox.append(events.SettingsRead(generation.policies, generation.number))

    def _forget(self, effect: effects.Forget) -> None:
        self._generations.forget_all_but(effect.needed)
        log_to = self._log_for(self._generations.newest.settings)
        if log_to != self._log_to:
            self._open_log(log_to)

    def _open_log(self, log_to: LogTo) -> None:
        self._close_log()
        self._log_to, self._close_log = log_to, log.open_for("master", log_to)

    def _start_probe(self, effect: effects.Probe) -> None:
        try:
            identity = f"{self.name} in {self._premises.rundir.path}"
            self._probe = Probe.start(self._command_line, identity)
        except OSError as error:
            self._inbox.append(events.Probed(False, f"fork: {error.strerror}"))

    def _end_probe(self, effect: effects.EndProbe) -> None:
        if self._probe is not None:
            self._probe.kill()

    def _answer(self, effect: effects.Answer) -> None:
        answer = {"status": effect.status, "text": effect.text, "embedded": self._embedded}
        self._replies.send(effect.client, answer)

    def _announce(self, effect: effects.Announce) -> None:
        total = sum(group.policy.workers for group in self._state.groups.values())
        log.write("INFO", f"{self.name} is up: {total} workers are READY")
        text = self._restart.text  # which loops the old image had to kill
        self._answer_returning(1 if text else 0, text)
        self._on_up()

    def _answer_returning(self, status: int, text: str) -> None:
        for client in self._restart.clients:
            self._answer(effects.Answer(client, status, text))

    def _exit(self, effect: effects.Exit) -> None:
        self.exit = effect

    def _watch_pipe(self, child: Child, full: bool) -> None:
        if full:
            self._watch.add(child.outbox.fd, WRITABLE, partial(self._crew.flush, child))
        else:
            self._watch.drop(child.outbox.fd)

    def _watch_reply(self, fd: int, wanted: bool) -> None:
        if wanted:
            self._watch.add(fd, WRITABLE, partial(self._replies.flush, fd))
        else:
            self._watch.drop(fd)

    _PERFORM: dict[type, Callable[[MasterProcess, Any], None]] = {
        effects.Spawn: _spawn,
        effects.Tell: lambda self, tell: self._crew.tell(tell.worker, tell.verb, tell.args),
        effects.Kill: lambda self, kill: self._crew.kill(kill.worker),
        effects.ReadSettings: _read_settings,
        effects.Probe: _start_probe,
        effects.EndProbe: _end_probe,
        effects.Answer: _answer,
        effects.Announce: _announce,
        effects.Forget: _forget,
        effects.Log: lambda self, line: log.write(line.level, line.text),
        effects.Exit: _exit,
    }
