"""The master's hands: what each effect of a decision does to the world.

They decide nothing. What follows at once from an effect (a birth, settings that were read)
goes back to the core as an event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from .. import log
from ..again import CommandLine, Restart
from ..core import effects, events
from ..errors import SettingsError
from ..settings import Settings
from ..sink import LogTo
from .crew import Crew
from .generations import Generations
from .premises import Premises
from .probe import Probe
from .replies import Replies

if TYPE_CHECKING:
    from .handover import Handover


@attrs.define
class Hands:
    """Performs effects.

    Attributes:
        descriptors: How many descriptors the master may have.
        embedded: The program goes on after the service.
        tell: Takes an event for the core.
        handover: Gathers what an upgrade hands over, for clients that wait for its end.
        log_for: Says where the log goes, by settings.
        on_up: Called once, when every worker was READY for the first time.
        restart: What a restarted master inherited from itself.
        exit: How the service ends; None until it does.
    """

    service: str
    descriptors: int
    embedded: bool
    premises: Premises
    generations: Generations
    crew: Crew
    probe: Probe
    replies: Replies
    tell: Callable[[events.Event], None]
    handover: Callable[[tuple[str, ...]], Handover]
    command_line: CommandLine
    log_for: Callable[[Settings], LogTo]
    on_up: Callable[[], None]
    restart: Restart
    exit: effects.Exit | None = None
    _log_to: LogTo | None = None
    _close_log: Callable[[], None] = lambda: None

    def perform(self, effect: effects.Effect) -> None:
        """Do what an effect says."""
        _PERFORM[type(effect)](self, effect)

    def spawn(self, effect: effects.Spawn) -> None:
        """Make what a worker will inherit; what goes wrong is told to the core."""
        try:
            if (event := self.crew.spawn(effect.worker, effect.generation)) is not None:
                self.tell(event)
        except Exception as error:
            self.tell(events.SpawnFailed(effect.worker, f"{error!r}"))
            raise

    def deliver(self) -> None:
        """Fork those who are due: after all else that one decision wants."""
        for event in self.crew.fork_due():
            self.tell(event)

    def read_settings(self, effect: effects.ReadSettings) -> None:
        """Read the settings anew, and pin what they mean."""
        try:
            generation = self.generations.next(self.descriptors)
            self.premises.board.reserve(generation.most_workers)
        except (SettingsError, OSError) as error:
            self.tell(events.SettingsRefused(str(error)))
            return
        self.tell(events.SettingsRead(generation.policies, generation.number))

    def start_probe(self, effect: effects.Probe) -> None:
        """Check that the program still starts, and understands what it would take over."""
        if effect.verb == "upgrade" and self.embedded:
            text = "the master is part of a program: only what naruto start runs is upgraded"
            self.tell(events.Probed(False, text))
            return
        try:
            state = self.handover(()).write() if effect.verb == "upgrade" else None
        except Exception as error:  # no memory, no descriptor, or what can't be written
            self.tell(events.Probed(False, f"what is handed over can't be written: {error}"))
            return
        if (failed := self.probe.start(state)) is not None:
            self.tell(failed)

    def upgrade(self, effect: effects.Upgrade) -> None:
        """Become the program of today; where the kernel won't have it, go on as we are."""
        self.deliver()  # who is not forked by now would be forgotten
        handed = self.handover(effect.clients)
        try:
            state = handed.write()
            log.write("INFO", f"master of {self.service} hands over")
            self.command_line.upgrade(state, handed.kept)
        except OSError as error:
            log.write("ERROR", f"upgrade failed: {error}")
            for client in effect.clients:
                self.answer(effects.Answer(client, 1, f"upgrade failed: {error}"))

    def answer(self, effect: effects.Answer) -> None:
        """Answer a client."""
        answer = {"status": effect.status, "text": effect.text, "embedded": self.embedded}
        self.replies.send(effect.client, answer)

    def announce(self, effect: effects.Announce) -> None:
        """Tell everybody who waits for it that the service is up."""
        log.write("INFO", f"{self.service} is up: {effect.workers} workers are READY")
        text = self.restart.text  # which loops the old image had to kill
        self.answer_returning(1 if text else 0, text)
        self.on_up()

    def answer_returning(self, status: int, text: str) -> None:
        """Answer those who have waited for this image since the one before."""
        for client in self.restart.clients:
            self.answer(effects.Answer(client, status, text))

    def forget(self, effect: effects.Forget) -> None:
        """Let go of generations; the newest that is left says where the log goes."""
        self.generations.forget_all_but(effect.needed)
        self.crew.moulds.kill_all_but(effect.needed)
        log_to = self.log_for(self.generations.newest.settings)
        if log_to != self._log_to:
            self.open_log(log_to)

    def open_log(self, log_to: LogTo) -> None:
        """Write the master's log there from now on."""
        self.close_log()
        self._log_to, self._close_log = log_to, log.open_for("master", log_to)

    def close_log(self) -> None:
        """Write the log nowhere any more."""
        self._close_log()

    def end(self, effect: effects.Exit) -> None:
        """Remember that it is over; the master's loop looks at it."""
        self.exit = effect


_PERFORM: dict[type, Callable[[Hands, Any], None]] = {
    effects.Spawn: Hands.spawn,
    effects.Tell: lambda hands, tell: hands.crew.tell(tell.worker, tell.verb, tell.args),
    effects.Kill: lambda hands, kill: hands.crew.kill(kill.worker),
    effects.Look: lambda hands, look: hands.tell(hands.crew.loops(look.group)),
    effects.Dump: lambda hands, dump: hands.crew.dump(dump.worker),
    effects.ShowStack: lambda hands, show: hands.crew.show_stack(show.worker, show.why),
    effects.ReadSettings: Hands.read_settings,
    effects.Probe: Hands.start_probe,
    effects.EndProbe: lambda hands, end: hands.probe.kill(),
    effects.Upgrade: Hands.upgrade,
    effects.Answer: Hands.answer,
    effects.Announce: Hands.announce,
    effects.Forget: Hands.forget,
    effects.Log: lambda hands, line: log.write(line.level, line.text, line.cause),
    effects.Exit: Hands.end,
}
