"""Messages: what goes into a pipe comes out of it, whatever else a stranger writes there."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naruto.core.messages import (
    MAX_BYTES,
    Lines,
    Message,
    MessageError,
    decode,
    encode,
    excerpt,
)

VERBS = st.from_regex(r"[a-z]{1,12}", fullmatch=True)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
ARGS = st.dictionaries(TEXT, TEXT | st.integers() | st.none(), max_size=4)
PIECES = st.lists(
    st.binary(max_size=64) | st.just(b"x" * 5000) | st.just(b"\0" * 9), max_size=6
)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Tear a stream into chunks, as reads of a pipe do."""
    chunks = []
    for size in sizes:
        chunks.append(data[:size])
        data = data[size:]
    return [*chunks, data]


def read(*chunks: bytes) -> list[Message | MessageError]:
    """Read chunks as a process does: a message, or why it was none, for each line."""
    lines, found = Lines(), []
    for chunk in chunks:
        for line in lines.feed(chunk):
            try:
                found.append(decode(line))
            except MessageError as error:
                found.append(error)
    return found


@given(VERBS, ARGS)
def test_round_trip(verb: str, args: dict[str, object]) -> None:
    """What was encoded is decoded as it was, on a line of its own."""
    line = encode(verb, args)
    assert line[:1] == line[-1:] == b"\n"
    assert b"\n" not in line[1:-1]
    assert read(line) == [Message(verb, args)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"reload", Message("reload")),
        (b"  reload \r", Message("reload")),
        (b'stop {"deadline": 3.5}', Message("stop", {"deadline": 3.5})),
        (b"stop {}", Message("stop")),
        (b"stop   ", Message("stop")),
        ('quit {"a": "ü"}'.encode(), Message("quit", {"a": "ü"})),
        (b'quit {"a": 1, "a": 2}', Message("quit", {"a": 2})),
    ],
)
def test_by_hand(line: bytes, message: Message) -> None:
    """What people type with echo is understood."""
    assert decode(line) == message


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "verb"),
        (b"RELOAD", "verb"),
        (b"reload!", "verb"),
        (b"reload\t{}", "verb"),
        ("ünload".encode(), "verb"),
        (b"\0\0\0", "verb"),
        (b"{}", "verb"),
        (b"\xff\xfe", "UTF-8"),
        (b"reload \xc3", "UTF-8"),
        (b"reload now", "JSON"),
        (b'reload {"a": ', "JSON"),
        (b"reload []", "object"),
        (b"reload 1", "object"),
        (b"reload null", "object"),
        (b"reload " + b"[" * 4000, "JSON"),
        (b"reload " + b"1" * 4090, "JSON|object"),
    ],
)
def test_no_message(line: bytes, why: str) -> None:
    """What isn't a message is refused, with the reason."""
    with pytest.raises(MessageError, match=why):
        decode(line)


@given(st.binary(max_size=200) | TEXT.map(str.encode) | VALUES.map(json.dumps).map(str.encode))
def test_decode_never_fails_otherwise(line: bytes) -> None:
    """No line, however odd, makes anything but a message or a MessageError."""
    for text in (line, b"reload " + line):
        try:
            message = decode(text)
        except MessageError:
            continue
        assert message.verb.isalpha()
        assert isinstance(message.args, dict)


@given(PIECES, st.lists(st.integers(0, 6000), max_size=5))
def test_rubbish_swallows_nothing(pieces: list[bytes], sizes: list[int]) -> None:
    """A good message that begins with a newline is read, whatever stood before it."""
    found = read(*cut(b"".join(pieces) + encode("quit", {"by": "me"}), sizes))
    assert found[-1] == Message("quit", {"by": "me"})


@given(
    st.lists(st.tuples(PIECES, VERBS), max_size=4), st.lists(st.integers(0, 6000), max_size=9)
)
def test_torn_anywhere(parts: list[tuple[list[bytes], str]], sizes: list[int]) -> None:
    """It makes no difference to the messages where the reads have torn the stream."""
    data = b"".join(b"".join(pieces) + encode(verb) for pieces, verb in parts)
    whole, torn = read(data), read(*cut(data, sizes))
    assert [m for m in torn if isinstance(m, Message)] == [
        m for m in whole if isinstance(m, Message)
    ]
    assert len(torn) == len(whole)


def test_byte_by_byte() -> None:
    """A message may arrive in as many pieces as it has bytes."""
    data = encode("reload", {"groups": ["web"]}) * 2
    assert read(*cut(data, [1] * len(data))) == [Message("reload", {"groups": ["web"]})] * 2


def test_unfinished_line_waits() -> None:
    """A line without its newline is no message yet."""
    assert read(b"reload") == []
    assert read(b"rel", b"oad", b"\n") == [Message("reload")]


def test_empty_lines_are_skipped() -> None:
    """Newlines before and after each message cost nothing."""
    assert read(b"\n\n  \n\r\nquit\n\n") == [Message("quit")]


@pytest.mark.parametrize("pieces", [1, 2, 7])
def test_over_long_line(pieces: int) -> None:
    """A line too long is reported once, dropped to its end, and never kept in memory."""
    lines = Lines()
    found = [line for _ in range(pieces) for line in lines.feed(b"x" * 5000)]
    assert len(found) == 1
    assert isinstance(found[0], MessageError)
    assert len(lines._rest) <= MAX_BYTES
    assert list(lines.feed(b"tail\nquit\n")) == [b"quit"]


def test_longest_message() -> None:
    """A message of exactly PIPE_BUF bytes passes; one byte more is refused by the sender."""
    room = MAX_BYTES - len(encode("a", {"b": ""}))
    line = encode("a", {"b": "x" * room})
    assert len(line) == MAX_BYTES
    assert read(line) == [Message("a", {"b": "x" * room})]
    with pytest.raises(ValueError, match=r"4097 bytes.*4096"):
        encode("a", {"b": "x" * (room + 1)})


def test_length_is_in_bytes() -> None:
    """The limit is the kernel's, so it counts bytes and not letters."""
    with pytest.raises(ValueError, match="at most"):
        encode("a", {"b": "ü" * 2100})


def test_excerpt() -> None:
    """A skipped line is shown on one line, printable and short."""
    assert excerpt(b"a\0\x1b[2J") == r" ('a\x00\x1b[2J')"
    assert excerpt(b"x" * 100) == f" ('{'x' * 60}'…)"
    assert excerpt(MessageError("too long")) == ""
