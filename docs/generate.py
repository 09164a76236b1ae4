"""Write the generated parts of docs/*.md anew: ``python -m docs.generate``, or ``make docs``.

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``. What is in it comes
from the code, so that the documents can't say something else; a test checks that they are
up to date.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import naruto
from naruto.core import lifecycle, messages
from naruto.settings import GROUP_OPTIONS, SERVICE_OPTIONS, Option, written

HERE = Path(__file__).parent
PACKAGE = Path(naruto.__file__).parent

_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def parts() -> dict[str, str]:
    """Return every generated part by its name, as Markdown that ends with a newline."""
    return {
        "service-settings": settings(SERVICE_OPTIONS),
        "group-settings": settings(GROUP_OPTIONS),
        "verbs-down": verbs(messages.DOWN),
        "verbs-up": verbs(messages.UP),
        "verbs-asked": verbs(messages.ASKED),
        "files": table(("file", "its job"), files(PACKAGE)),
        "lifecycle": f"```mermaid\n{lifecycle.diagram()}\n```\n",
    }


def settings(options: Iterable[Option]) -> str:
    """Return a table of settings."""
    rows = [
        (f"`{o.name}`", f"`{o.flag}`", f"`{o.variable}`", default(o), o.obeyed_by, o.help)
        for o in options
    ]
    return table(("key", "command line", "environment", "default", "obeyed by", ""), rows)


def default(option: Option) -> str:
    """Write a default as the settings file would."""
    value = option.default
    if value is None:
        return '`"none"`' if accepts_none(option) else ""
    if option.is_table:
        return ""
    if isinstance(value, tuple):
        return f"`[{', '.join(map(written, value))}]`"
    return f"`{written(value)}`" if isinstance(value, (int, float)) else f'`"{value}"`'


def accepts_none(option: Option) -> bool:
    """Return whether "none" may be written for a setting."""
    try:
        return option.parse("none") is None
    except ValueError:
        return False


def verbs(meanings: Mapping[str, str]) -> str:
    """Return a table of verbs."""
    return table(("verb", "meaning"), [(f"`{verb}`", text) for verb, text in meanings.items()])


def files(folder: Path) -> list[tuple[str, str]]:
    """Return each module and the first line of its docstring: a folder's own files first."""
    modules = sorted(folder.rglob("*.py"), key=lambda path: (path.parent, path.name))
    return [(f"`{path.relative_to(folder)}`", summary(path)) for path in modules]


def summary(path: Path) -> str:
    """Return the first line of a module's docstring."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.partition("\n")[0].replace("``", "`")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def rewritten(text: str) -> str:
    """Return a document with its generated parts as they should be.

    Raises:
        KeyError: It asks for a part that nobody generates.
    """
    fresh = parts()
    return _PART.sub(lambda found: f"{found[1]}{fresh[found[2]]}{found[3]}", text)


def used(text: str) -> list[str]:
    """Return the names of a document's generated parts."""
    return [found[2] for found in _PART.finditer(text)]


def main() -> None:
    """Rewrite every document that is out of date."""
    for path in sorted(HERE.glob("*.md")):
        before = path.read_text()
        after = rewritten(before)
        if after != before:
            path.write_text(after)
            print(f"{path.name} is new")


if __name__ == "__main__":
    main()
