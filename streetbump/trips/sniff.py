"""What kind of table a file holds, told from its content and never from its name's ending."""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from streetbump.trips.drive import Drive
from streetbump.trips.options import ReadOptions
from streetbump.trips.table import Layout, find_layout
from streetbump.trips.text import Text

READERS: dict[str, str] = {
    "plain-csv": "streetbump.trips.plain_csv",
    "physics-toolbox": "streetbump.trips.physics_toolbox",
    "androsensor": "streetbump.trips.androsensor",
    "streetbump-2011": "streetbump.trips.streetbump2011",
    "mapped-csv": "streetbump.trips.mapped",
}
"""Format name → module, in the order they are asked; the last one takes any table."""


class Reader(Protocol):
    """What a format's module offers."""

    FORMAT: str

    def recognise(self, layout: Layout) -> bool:
        """Whether a table with this header is of this format."""

    def read(
        self, text: Text, layout: Layout, *, name: str, options: ReadOptions
    ) -> tuple[Drive, ...]:
        """The drives in the table, or a refusal."""


def reader_named(format: str) -> Reader:  # noqa: A002
    """The reader of a format, imported on first use.

    >>> reader_named("plain-csv").FORMAT
    'plain-csv'
    """
    return cast("Reader", import_module(READERS[format]))


def drives_in(text: Text, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    r"""The drives in a text, by the first reader that recognises it.

    A column map names the reader: a caller who gives one knows the file.

    >>> from streetbump.trips.text import open_text
    >>> text = open_text(b"t,ax,ay,az\n1.7e9,0,0,9.8\n")
    >>> drives_in(text, name="x", options=ReadOptions())[0].format
    'plain-csv'
    """
    if options.columns is not None:
        from streetbump.trips.mapped import layout_for

        layout = layout_for(text, options.columns)
        return reader_named("mapped-csv").read(text, layout, name=name, options=options)
    layout = find_layout(text)
    for format_ in READERS:  # a handful of formats
        reader = reader_named(format_)
        if reader.recognise(layout):
            break
    return reader.read(text, layout, name=name, options=options)
