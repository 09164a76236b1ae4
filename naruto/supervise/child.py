"""Child: what the master holds of one worker, from before its birth to after its death."""

from __future__ import annotations

import os
from contextlib import ExitStack

import attrs

from .. import log
from ..core.ids import WorkerId
from ..core.messages import Message, encode
from ..unix import fifo, lastwords
from ..unix.fifo import Outbox
from ..unix.rundir import RunDir
from ..unix.scoreboard import Line, Scoreboard


@attrs.define
class Child:
    """One worker, seen from the master.

    Attributes:
        pipe: The path of its FIFO.
        line: Its line on the scoreboard.
        last_words: A descriptor: what it leaves behind.
        killed: The master has killed it.
        stopped: A signal has stopped it, and it has not been continued.
        early: What it has said before its mould told of its birth.
        stack_from: Where its stacks begin in its last words, after it was asked for them.
    """

    id: WorkerId
    generation: int
    rundir: RunDir
    outbox: Outbox
    line: Line
    last_words: int
    pid: int = 0
    killed: bool = False
    stopped: bool = False
    stack_from: int = 0
    early: list[Message] = attrs.field(factory=list)

    @classmethod
    def prepare(
        cls, who: WorkerId, generation: int, rundir: RunDir, board: Scoreboard
    ) -> Child:
        """Make everything that the worker will inherit; its pipe is open before it is born.

        Raises:
            OSError: The kernel would not; nothing is left of the attempt.
        """
        path = rundir.file(f"{who}.pipe")
        with ExitStack() as undo:
            line = board.take()
            undo.callback(board.give_back, line)
            fifo.make(path)
            undo.callback(os.unlink, path)
            inbox = fifo.open_both(path)
            undo.callback(os.close, inbox)
            child = cls(who, generation, rundir, Outbox(inbox), line, lastwords.make())
            undo.pop_all()
        return child

    @classmethod
    def described(
        cls, who: str, generation: int, rundir: str, inbox: int, line: Line, last_words: int
    ) -> Child:
        """Return a worker's view of itself, from what a mould was told about it.

        Raises:
            ValueError: That is no worker's id.
        """
        known = WorkerId.parse(who)
        if known is None:
            raise ValueError(f"{who!r} is no worker's id")
        return cls(known, generation, RunDir(rundir, -1), Outbox(inbox), line, last_words)

    @property
    def pipe(self) -> str:
        """The path of its FIFO."""
        return self.rundir.file(f"{self.id}.pipe")

    @property
    def descriptors(self) -> tuple[int, int]:
        """What it alone inherits; every other worker must close it."""
        return self.outbox.fd, self.last_words

    def tell(self, verb: str, args: object) -> None:
        """Put a message into its pipe, or into its outbox where the pipe is full."""
        self.outbox.send(encode(verb, args))  # type: ignore[arg-type]

    def bury(self, board: Scoreboard) -> str:
        """Remove all that there was of it; return its last words."""
        words = lastwords.read(self.last_words)
        if problem := self.rundir.unlink(f"{self.id}.pipe"):
            log.write("WARNING", problem)
        for fd in self.descriptors:
            os.close(fd)
        board.give_back(self.line)
        return words
