"""docs/practice-city.md says what the code says: every switch, fault and call, no more, no less."""

from __future__ import annotations

import os
import re
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

from streetbump.submit.sandbox import LIKE, TROUBLES, Closing, Dialect, Faults, Filling
from streetbump.submit.sandbox.clock import ClockChange
from streetbump.submit.sandbox.control import CONTROLS, LOOKS, Away, Door, Seed

PAGE = Path(__file__).parents[2] / "docs" / "practice-city.md"
Rows = Iterator[tuple[str, ...]]


def values(kind: Any) -> str:
    """The type of a field in words."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{v}`" for v in get_args(kind) if v != "")
    if get_origin(kind) is typing.Annotated:
        return values(get_args(kind)[0])
    if get_origin(kind) is tuple:
        inner = get_args(kind)[0]
        return "four numbers" if inner is float else f"list of {values(inner)}"
    parts = [p for p in get_args(kind) if p is not type(None)]
    if parts:
        return values(parts[0])
    names = {"str": "text", "int": "number", "float": "number", "bool": "yes or no",
             "datetime": "time", "Attribute": "questions"}  # fmt: skip
    return names[kind.__name__]


def default(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value in (None, (), ""):
        return ""
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def fields_of(struct: type[msgspec.Struct], *, call: str = "") -> Rows:
    hints = typing.get_type_hints(struct, include_extras=True)
    for field in msgspec.structs.fields(struct):
        kind, *notes = get_args(hints[field.name])
        (said,) = [note.description for note in notes if isinstance(note, msgspec.Meta)]
        listed = "tuple" in str(struct.__annotations__[field.name])
        named = "list of faults" if listed else "a fault"
        allowed = named if "FaultName" in str(struct.__annotations__[field.name]) else values(kind)
        name = f"`{field.name}`"
        yield ((f"`{call}` {name}",) if call else (name,)) + (allowed, default(field.default), said)


def looks() -> Rows:
    for name, (meaning, _) in LOOKS.items():
        yield f"`GET /practice/{name}`", meaning


def controls() -> Rows:
    for name, control in CONTROLS.items():
        yield f"`POST /practice/{name}{'/PC-1' if control.whose else ''}`", control.meaning


def troubles() -> Rows:
    for name, trouble in TROUBLES.items():
        if name:
            yield f"`{name}`", "yes" if trouble.stored else "no", trouble.meaning


def arguments() -> Rows:
    for call, struct in (
        ("clock", ClockChange),
        ("seed", Seed),
        ("fill", Filling),
        ("away", Away),
        ("tls", Door),
    ):
        yield from fields_of(struct, call=call)


SWITCHES = ("switch", "values", "default", "meaning")
TABLES: dict[str, tuple[tuple[str, ...], Callable[[], Rows]]] = {
    "looks": (("call", "what it shows"), looks),
    "controls": (("call", "what it does"), controls),
    "faults": (("key", "values", "default", "meaning"), lambda: fields_of(Faults)),
    "troubles": (("fault", "stored", "what the caller sees"), troubles),
    "dialect": (SWITCHES, lambda: fields_of(Dialect)),
    "closing": (("key", "values", "default", "meaning"), lambda: fields_of(Closing)),
    "arguments": (("call", "values", "default", "meaning"), arguments),
}


def table(name: str) -> str:
    heads, rows = TABLES[name]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, *rows())]
    lines.insert(1, "|" + "---|" * len(heads))
    return "\n".join(lines).replace("|  |", "| |")


@pytest.mark.parametrize("name", TABLES)
def test_page_says_what_the_code_says(name: str) -> None:
    """Each table of the page is the one made from the code (STREETBUMP_WRITE_DOCS=1 writes it)."""
    text = PAGE.read_text("utf-8")
    block = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    found = block.search(text)
    assert found is not None
    if os.environ.get("STREETBUMP_WRITE_DOCS"):
        PAGE.write_text(block.sub(lambda _: table(name) + "\n", text, count=1), "utf-8")
        return
    assert found.group().strip() == table(name)


def test_page_names_every_server_that_can_be_imitated() -> None:
    """The names for `like` stand in the page, in order."""
    assert ", ".join(f"`{name}`" for name in LIKE) in " ".join(PAGE.read_text("utf-8").split())
