"""Named pipes are private, never block, and carry whole messages only."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from naruto.core.messages import MAX_BYTES
from naruto.unix import fifo
from naruto.unix.fifo import Outbox
from tests.unix.forked import ROOT, end


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A FIFO made by naruto."""
    made = str(tmp_path / "a.pipe")
    fifo.make(made)
    return made


@pytest.fixture
def both(path: str) -> Iterator[int]:
    """The FIFO, open at both ends."""
    fd = fifo.open_both(path)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_private_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    """Only its owner may use a FIFO, and the owner always may."""
    path = tmp_path / "a.pipe"
    before = os.umask(umask)
    try:
        fifo.make(str(path))
    finally:
        os.umask(before)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_make_keeps_what_is_there(tmp_path: Path) -> None:
    """A file in its place is no FIFO, and stays what it is."""
    there = tmp_path / "a.pipe"
    there.write_text("precious")
    with pytest.raises(FileExistsError):
        fifo.make(str(there))
    assert there.read_text() == "precious"


class TestOpen:
    """Who gets a descriptor, and what kind."""

    def test_both_ends_never_end(self, both: int) -> None:
        """With a writer of its own a reader sees no end of file, and does not block."""
        assert fifo.read(both) == b""

    def test_not_inherited_over_exec(self, path: str, both: int) -> None:
        """No program that is started gets an end of it."""
        writer = fifo.open_for_writing(path)
        assert writer is not None
        assert not os.get_inheritable(both) and not os.get_inheritable(writer)
        os.close(writer)

    def test_writer_is_heard(self, path: str, both: int) -> None:
        """What is written by a second descriptor comes out of the first."""
        writer = fifo.open_for_writing(path)
        assert writer is not None
        os.write(writer, b"hello\n")
        os.close(writer)
        assert fifo.read(both) == b"hello\n"
        assert fifo.read(both) == b""

    def test_by_name_in_a_directory(self, path: str, both: int) -> None:
        """A bare name counts from the directory that is given."""
        directory = os.open(os.path.dirname(path), os.O_RDONLY)
        writer = fifo.open_for_writing("a.pipe", directory)
        assert writer is not None
        assert fifo.is_ours("a.pipe", directory)
        os.close(writer)
        os.close(directory)

    def test_nobody_reads(self, path: str) -> None:
        """Without a reader there is nothing to write to (ENXIO), and no waiting for one."""
        assert fifo.open_for_writing(path) is None

    def test_missing(self, tmp_path: Path) -> None:
        """Where nothing is there, nobody reads."""
        assert fifo.open_for_writing(str(tmp_path / "no.pipe")) is None

    def test_regular_file_is_not_written(self, tmp_path: Path) -> None:
        """What a shell's ``echo >`` has made by mistake is no pipe."""
        there = tmp_path / "a.pipe"
        there.write_text("x")
        assert fifo.open_for_writing(str(there)) is None
        assert not fifo.is_ours(str(there))

    def test_link_is_not_followed(self, path: str, both: int, tmp_path: Path) -> None:
        """A link to a FIFO is none."""
        link = tmp_path / "link.pipe"
        link.symlink_to(path)
        assert fifo.open_for_writing(str(link)) is None
        assert not fifo.is_ours(str(link)) and fifo.is_ours(path)
        with pytest.raises(OSError, match="symbolic links"):
            fifo.open_both(str(link))

    @pytest.mark.skipif(not ROOT, reason="only root can give a file away")
    def test_of_somebody_else(self, path: str, both: int) -> None:
        """A FIFO of another user is not ours to write to."""
        os.chown(path, 65534, -1)
        assert fifo.open_for_writing(path) is None


class TestOutbox:
    """Messages for a pipe that may be full."""

    def test_goes_out_at_once(self, both: int) -> None:
        """While there is room nothing waits."""
        outbox = Outbox(both)
        outbox.send(b"go\n")
        assert not outbox.blocked
        assert fifo.read(both) == b"go\n"

    def test_none_is_lost_and_none_blocks(self, both: int) -> None:
        """More messages than a pipe holds come out whole, in order, each exactly once."""
        outbox = Outbox(both)
        sent = [b"%06d" % n + b"x" * (n * 37 % 4000) + b"\n" for n in range(200)]
        for message in sent:
            outbox.send(message)
        assert outbox.blocked
        got = b""
        while data := fifo.read(both):
            got += data
            outbox.flush()
        assert not outbox.blocked
        assert got == b"".join(sent)

    def test_later_does_not_overtake(self, both: int) -> None:
        """A short message that would still fit waits behind a long one that doesn't."""
        outbox = Outbox(both)
        while not outbox.blocked:
            outbox.send(b"x" * (MAX_BYTES - 1) + b"\n")
        outbox.send(b"stop\n")
        got = b""
        while data := fifo.read(both):
            got += data
            outbox.flush()
        assert got.endswith(b"x\nstop\n")


def test_longest_messages_never_mix(path: str, both: int) -> None:
    """Lines of the greatest length, written by three processes at once, come out whole."""
    count, children = 60, []
    for letter in b"abc":
        pid = os.fork()
        if pid == 0:
            writer = os.open(path, os.O_WRONLY)
            for _ in range(count):
                os.write(writer, bytes([letter]) * (MAX_BYTES - 1) + b"\n")
            os._exit(0)
        children.append(pid)
    try:
        os.set_blocking(both, True)
        got = b""
        while got.count(b"\n") < 3 * count:
            got += os.read(both, fifo.CHUNK)
    finally:
        for pid in children:
            end(pid)
    whole = {bytes([letter]) * (MAX_BYTES - 1) for letter in b"abc"}
    assert set(got.splitlines()) == whole


def test_read_takes_all_there_is(path: str, both: int) -> None:
    """One read takes what a full pipe holds, so that a master hears everything at once."""
    outbox = Outbox(both)
    while not outbox.blocked:
        outbox.send(b"x" * MAX_BYTES)
    data = fifo.read(both)
    assert len(data) % MAX_BYTES == 0 and len(data) >= MAX_BYTES
    assert fifo.read(both) == b""
