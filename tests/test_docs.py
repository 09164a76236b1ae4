"""The documents say what the code does: their tables, their links, and the README's code."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from docs import generate
from naruto import errors
from naruto.core import messages
from naruto.core.decide import SAME_KEY_PRESS, SIGNALS, decide
from naruto.core.events import BecameReady, Event, Signalled, Spawned, Started
from naruto.core.policy import Policy
from naruto.core.state import State
from naruto.settings import GROUP_OPTIONS, SERVICE_OPTIONS, Source
from tests.conftest import NewService
from tests.service import eventually

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/**/*.md")])


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading, its head left out."""
    _, _, after = f"\n{(DOCS / page).read_text()}".partition(f"\n{heading}\n")
    assert after, f"{page} has no {heading!r}"
    table = re.search(r"(?:^\|.*\n)+", after, re.MULTILINE)
    assert table, f"no table under {heading!r} in {page}"
    lines = table[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


def quoted(cell: str) -> list[str]:
    """Return what stands in backticks."""
    return re.findall(r"`([^`]+)`", cell)


# What is generated


@pytest.mark.parametrize("page", sorted(DOCS.glob("*.md")), ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    """What stands between the marks is what ``make docs`` would write today."""
    text = page.read_text()
    assert text == generate.rewritten(text), "run: make docs"


def test_every_generated_part_is_used_once() -> None:
    """No part is generated for nobody, and none is in the documents twice."""
    found = [name for page in DOCS.glob("*.md") for name in generate.used(page.read_text())]
    assert sorted(found) == sorted(generate.parts())


def test_a_part_that_is_out_of_date_is_rewritten() -> None:
    """So the test above can fail: what is wrong between the marks is replaced, no more."""
    text = "a\n<!-- generated: verbs-up -->\nstale\n<!-- end -->\nb\n"
    fresh = generate.rewritten(text)
    assert "stale" not in fresh and "`ready`" in fresh
    assert fresh.startswith("a\n<!-- generated") and fresh.endswith("<!-- end -->\nb\n")


# Tables written by hand


def test_signals_are_those_that_decide_knows() -> None:
    """signals.md lists the signals of decide's table and INT, each with its request."""
    shown = {quoted(cells[0])[0]: quoted(cells[1])[0] for cells in rows(SIGNALS_PAGE, MASTER)}
    assert shown == {
        **{name: f"naruto {verb}" for name, verb in SIGNALS.items()},
        "INT": "naruto stop",
    }


def test_a_lost_terminal_and_a_second_ctrl_c_do_what_the_page_says() -> None:
    """HUP of a terminal that is gone is a stop; INT counts again after the time it says."""
    assert after(Signalled("HUP", "nobody")).closing is None
    assert verb_of(after(Signalled("HUP", "nobody", terminal_gone=True))) == "stop"
    assert verb_of(after(Signalled("INT", "nobody"))) == "stop"
    text = (DOCS / SIGNALS_PAGE).read_text()
    assert f"An `INT` within {SAME_KEY_PRESS:g} s of the first" in text
    by_name = {quoted(cells[0])[0]: cells[2] for cells in rows(SIGNALS_PAGE, MASTER)}
    assert "terminal" in by_name["HUP"] and "`TERM`" in by_name["HUP"]
    assert "`naruto stop --now`" in by_name["INT"]


SIGNALS_PAGE, MASTER = "signals.md", "## To the master"


def after(event: Event) -> State:
    """Return the state of a service of one worker that is up, after an event."""
    state, _ = decide(State(), Started({"default": Policy()}, 1), 0.0)
    worker = state.workers()[0].id
    for step in (Spawned(worker, 1), BecameReady(worker), event):
        state, _ = decide(state, step, 0.0)
    return state


def verb_of(state: State) -> str:
    assert state.closing is not None
    return state.closing.verb


def test_exit_statuses_are_those_of_the_errors() -> None:
    """exit-status.md has every error of errors.py with its status, and no other."""
    shown = {
        (int(cells[0]), name)
        for cells in rows("exit-status.md", "# Exit status")
        for name in quoted(cells[1])
    }
    classes = vars(errors).values()
    known = {
        (one.status, one.__name__)
        for one in classes
        if isinstance(one, type)
        and issubclass(one, errors.NarutoError)
        and one is not errors.NarutoError
    }
    assert shown == known


def test_every_setting_is_in_the_settings_page() -> None:
    """settings.md has a row for each option, with its names on the outside."""
    cells = rows("settings.md", "## Of the service") + rows("settings.md", "## Of a group")
    shown = [tuple(quoted(cell)[0] for cell in row[:3]) for row in cells]
    options = (*SERVICE_OPTIONS, *GROUP_OPTIONS)
    assert shown == [(option.name, option.flag, option.variable) for option in options]


def test_the_examples_of_the_settings_page_can_be_read(tmp_path: Path) -> None:
    """Each block of TOML on the page is a settings file without a mistake."""
    blocks = re.findall(r"```toml\n(.*?)```", (DOCS / "settings.md").read_text(), re.DOTALL)
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        (tmp_path / f"{number}.toml").write_text(block)
        groups = Source({}, f"{number}.toml", str(tmp_path), {}).load(to_run=False).groups
        assert groups[0].target == "shop.workers:Orders"


@pytest.mark.parametrize(
    ("heading", "verbs"),
    [
        ("## Down: from the master to a worker", messages.DOWN),
        ("## Up: from a worker to the master", messages.UP),
        ("## Asked: from a client to the master", messages.ASKED),
    ],
)
def test_every_verb_is_in_the_protocol(heading: str, verbs: dict[str, str]) -> None:
    """protocol.md has each verb under its direction, with its meaning."""
    shown = {quoted(verb)[0]: meaning for verb, meaning in rows("protocol.md", heading)}
    assert shown == verbs


def test_the_schema_of_status_is_what_status_shows(new_service: NewService) -> None:
    """Every key of a real ``status --json`` is in protocol.md, and none besides."""
    service = new_service().start()
    shown = service.status()
    group = shown["groups"][0]
    schema = {"Service": shown, "Group": group, "Worker": group["workers"][0]}
    for heading, found in schema.items():
        keys = [quoted(cells[0])[0] for cells in rows("protocol.md", f"### {heading}")]
        assert sorted(keys) == sorted(found), heading
    assert service.command("stop").returncode == 0


# The README, and links


def test_the_code_of_the_readme_runs(new_service: NewService) -> None:
    """Its workers take every letter once, each worker only its share, and stop."""
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert code
    service = new_service({"post.py": code[1]})
    for number in range(30):
        service.write(f"inbox/{number}.txt", f"letter {number}")
    service.start("post:Letters", "--workers", "5")
    service.wait_for(r"\d\.txt: letter", count=30)
    eventually(lambda: assert_is_empty(service.home / "inbox"))
    assert service.command("stop").returncode == 0
    assert service.wait() == 0
    assert len(re.findall(r"\.txt: letter", service.log)) == 30
    assert " ERROR " not in service.log


def assert_is_empty(folder: Path) -> None:
    assert not list(folder.iterdir())


def test_the_promise_is_given_word_for_word() -> None:
    """README and design.md say the same three things, and that it is no transaction."""
    promise = (
        "only three things ever cut a loop: `stop` after its deadline, `stop --now`, and"
        " `loop_timeout`; each time the log names the worker, what it was working on, and for"
        " how long."
    )
    for page in (ROOT / "README.md", DOCS / "design.md"):
        text = " ".join(page.read_text().replace("\n> ", " ").split())
        assert promise in text.replace("Only three", "only three"), page.name
        assert "It is no transaction" in text or "it is no transaction" in text.lower()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_internal_link_leads_somewhere(page: Path) -> None:
    """Each link to a file of the project, and to a heading in it, has its end."""
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings make, as the usual hosts build them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    slug: Callable[[str], str] = lambda text: re.sub(r"[^\w\- ]", "", text.lower())  # noqa: E731
    return {slug(heading).replace(" ", "-") for heading in headings}
