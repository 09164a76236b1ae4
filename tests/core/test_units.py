"""What people write for times, sizes and shares is read right, or refused with a reason."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naruto.core.units import Share, duration, quoted, share, size


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (30, 30.0),
        (0.5, 0.5),
        ("30", 30.0),
        ("0.5", 0.5),
        (".5", 0.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1.5m", 90.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        (" 30 S ", 30.0),
    ],
)
def test_duration(written: object, seconds: float) -> None:
    """Numbers are seconds, and text may carry a unit."""
    assert duration(written) == seconds
    assert isinstance(duration(written), float)


@pytest.mark.parametrize(
    "written",
    [
        *[-1, "-5s", math.nan, "nan", math.inf, -math.inf, "inf", 10**400, "9" * 400],
        *[True, False, None, "none", "", "  ", "abc", "5 minutes", "1:30", "1e3", "٣s", [5]],
    ],
)
def test_duration_refused(written: object) -> None:
    """What is no time is refused with what was given and what would do."""
    with pytest.raises(ValueError, match="is no duration; write seconds") as caught:
        duration(written)
    assert quoted(written) in str(caught.value)
    assert '"none"' not in str(caught.value).split(";")[1]


@pytest.mark.parametrize("written", [0, 0.0, "0", "0s", "0ms", "0.0"])
def test_duration_zero(written: object) -> None:
    """0 is refused unless it is allowed, and the way to wait for ever is named."""
    with pytest.raises(ValueError, match=r"^0 is refused; it must be longer"):
        duration(written)
    with pytest.raises(ValueError, match=r'^0 is refused; write "none" to wait for ever'):
        duration(written, none=True)
    assert duration(written, zero=True) == 0.0


@pytest.mark.parametrize("written", ["none", "None", " NONE ", None])
def test_duration_for_ever(written: object) -> None:
    """The word "none" waits for ever, where that is allowed."""
    assert duration(written, none=True) is None


def test_duration_names_none() -> None:
    """A refusal names "none" where it is allowed."""
    with pytest.raises(ValueError, match='or "none" to wait for ever'):
        duration("soon", none=True)


@given(st.floats(min_value=1e-6, max_value=1e9))
def test_duration_reads_what_python_writes(seconds: float) -> None:
    """A number of seconds means the same as a number and as text."""
    text = f"{seconds:.6f}"
    assert duration(float(text), zero=True) == duration(text, zero=True)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_nothing_but_value_error(written: object) -> None:
    """Whatever is written, there is a good value or a ValueError, never another error."""
    for read in (duration, size, share):
        try:
            read(written)
        except ValueError as error:
            assert str(error)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        (4096, 4096),
        ("4096", 4096),
        ("1B", 1),
        ("1K", 1024),
        ("1kb", 1024),
        ("1KiB", 1024),
        ("64MB", 64 * 1024**2),
        ("64MiB", 64 * 1024**2),
        ("64 M", 64 * 1024**2),
        ("1.5GB", 3 * 1024**3 // 2),
        ("2TB", 2 * 1024**4),
    ],
)
def test_size(written: object, found: int) -> None:
    """K, M, G and T are powers of 1024 in every spelling."""
    assert size(written) == found


@pytest.mark.parametrize(
    "written",
    [0, -1, True, None, 1.5, "", "0", "0MB", "-5MB", "64XB", "MB", "many", "iB", "9" * 400],
)
def test_size_refused(written: object) -> None:
    """What is no size is refused with what was given and what would do."""
    with pytest.raises(ValueError, match="is no size; write bytes") as caught:
        size(written)
    assert quoted(written) in str(caught.value)


@pytest.mark.parametrize(
    ("written", "found", "text"),
    [
        (1, Share(1), "1"),
        ("3", Share(3), "3"),
        ("25%", Share(25, percent=True), "25%"),
        (" 100% ", Share(100, percent=True), "100%"),
        (Share(2), Share(2), "2"),
    ],
)
def test_share(written: object, found: Share, text: str) -> None:
    """A share is a number or a percentage, and is written as it is read."""
    assert share(written) == found
    assert str(found) == text
    assert share(text) == found


@pytest.mark.parametrize(
    "written",
    [0, -1, True, 2.5, None, "", "0", "0%", "101%", "-1", "12.5%", "%", "some", "9" * 4000],
)
def test_share_refused(written: object) -> None:
    """What is no share is refused with what was given and what would do."""
    with pytest.raises(ValueError, match="is no share of the workers; write") as caught:
        share(written)
    assert quoted(written) in str(caught.value)


@pytest.mark.parametrize(
    ("written", "workers", "number"),
    [
        ("25%", 1, 1),
        ("25%", 4, 1),
        ("25%", 5, 2),
        ("7%", 100, 7),
        ("1%", 4096, 41),
        ("100%", 7, 7),
        (3, 8, 3),
        (3, 2, 2),
        (1, 1, 1),
    ],
)
def test_share_of(written: object, workers: int, number: int) -> None:
    """A share of so many workers is rounded up, and never more than there are."""
    assert share(written).of(workers) == number


@given(st.integers(1, 100), st.integers(1, 4096))
def test_share_is_never_none_and_never_more(percent: int, workers: int) -> None:
    """Any share of any group lets a reload go on, and is what arithmetic says."""
    found = share(f"{percent}%").of(workers)
    assert 1 <= found <= workers
    assert (found - 1) * 100 < workers * percent <= found * 100


@pytest.mark.parametrize(
    ("value", "text"),
    [("a b", '"a b"'), ("é\n", '"é\\n"'), (True, "true"), (5, "5"), ([1], "[1]")],
)
def test_quoted(value: object, text: str) -> None:
    """A value in a message stands there as it was written, on one line."""
    assert quoted(value) == text


def test_quoted_is_short() -> None:
    """A page pasted into a setting does not fill the screen."""
    assert len(quoted("x" * 5000)) < 90
