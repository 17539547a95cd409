"""What kind of file it is, told from its content and never from its name's ending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from typing import Protocol, cast

from streetbump.model import Reason
from streetbump.trips.bundle import Bundle, is_gzip, is_zip, open_bundle, unzipped
from streetbump.trips.drive import Drive
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.streams import is_marked, refuse_mock, refuse_mock_keys, seen_in
from streetbump.trips.table import Layout, find_layout
from streetbump.trips.text import Text, open_text, refuse_markup

FILES: dict[str, str] = {
    "parquet": "streetbump.trips.parquet",
    "gpx": "streetbump.trips.gpx",
    "sensor-logger": "streetbump.trips.sensor_logger_json",
    "jsonl": "streetbump.trips.jsonl",
}
"""Format name → module, of files that are no table of text; asked first."""

BUNDLES: dict[str, str] = {
    "phyphox": "streetbump.trips.phyphox",
    "sensor-logger": "streetbump.trips.sensor_logger",
}
"""Format name → module, of archives whose members are one export together."""

READERS: dict[str, str] = {
    "plain-csv": "streetbump.trips.plain_csv",
    "physics-toolbox": "streetbump.trips.physics_toolbox",
    "androsensor": "streetbump.trips.androsensor",
    "sensorlog-ios": "streetbump.trips.sensorlog_ios",
    "ios-sensor-data": "streetbump.trips.ios_sensor_data",
    "phyphox": "streetbump.trips.phyphox_csv",
    "sensor-logger": "streetbump.trips.sensor_logger_csv",
    "streetbump-2011": "streetbump.trips.streetbump2011",
    "mapped-csv": "streetbump.trips.mapped",
}
"""Format name → module, of tables, in the order they are asked; the last one takes any table."""


class Told(Protocol):
    """What every reader says of itself."""

    FORMAT: str
    TOLD_BY: str
    TAKEN: tuple[Note, ...]


class FileReader(Told, Protocol):
    """What the module of a format that is no table of text offers."""

    def recognise(self, data: bytes) -> bool:
        """Whether the bytes are of this format."""

    def read(self, data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
        """The drives in the file, or a refusal."""


class BundleReader(Told, Protocol):
    """What the module of a format of several files offers."""

    def recognise(self, bundle: Bundle) -> bool:
        """Whether an archive is of this format, by its members' names and first bytes."""

    def read(self, bundle: Bundle, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
        """The drives in the archive, or a refusal."""


class Reader(Told, Protocol):
    """What the module of a table's format offers."""

    def recognise(self, layout: Layout) -> bool:
        """Whether a table with this header is of this format."""

    def read(
        self, text: Text, layout: Layout, *, name: str, options: ReadOptions
    ) -> tuple[Drive, ...]:
        """The drives in the table, or a refusal."""


def reader_named(format: str) -> Reader:  # noqa: A002
    """The reader of a table's format, imported on first use.

    >>> reader_named("plain-csv").FORMAT
    'plain-csv'
    """
    return cast("Reader", import_module(READERS[format]))


def drives_in(data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    r"""The drives in uploaded bytes, by the first reader that recognises them.

    A column map names the reader: a caller who gives one knows that the file is a table. One
    gzip, or one zip with one file in it, may be around a file of any format.

    >>> table, lines = b"t,ax,ay,az\n1.7e9,0,0,9.8\n", b'{"t":1.7e9,"ax":0,"ay":0,"az":9.8}\n'
    >>> [drives_in(d, name="x", options=ReadOptions())[0].format for d in (table, lines)]
    ['plain-csv', 'jsonl']

    Raises
    ------
    Refusal
        Whatever the reader, or the guard before it, refuses.
    """
    if is_gzip(data):
        found, said = unzipped(data)
        drives = _drives_in_file(found, name=name, options=options)
        return tuple(replace(d, warnings=(*said, *d.warnings)) for d in drives)
    return _drives_in_file(data, name=name, options=options)


def _drives_in_file(data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    if is_zip(data):
        return _drives_in_bundle(open_bundle(data), name=name, options=options)
    if options.columns is None:
        for module in FILES.values():  # a handful of formats
            reader = cast("FileReader", import_module(module))
            if reader.recognise(data):
                refuse_mock_keys(data)
                with _noting(reader):
                    return _noted(reader, reader.read(data, name=name, options=options))
    refuse_markup(data)
    return _drives_in_table(open_text(data), name=name, options=options)


def _drives_in_bundle(bundle: Bundle, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    if options.columns is None:
        for module in BUNDLES.values():  # a handful of formats
            reader = cast("BundleReader", import_module(module))
            if reader.recognise(bundle):
                with _noting(reader):
                    return _noted(reader, reader.read(bundle, name=name, options=options))
    if len(bundle.names) == 1:
        (inner,) = bundle.names
        return drives_in(bundle.read(inner), name=inner.rsplit("/", 1)[-1], options=options)
    raise Refusal(
        Reason.UNSUPPORTED_TYPE, "the files in this zip are not one export of a known logger: "
        "give the trips one by one",
    )  # fmt: skip


def _drives_in_table(text: Text, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    if options.columns is not None:
        from streetbump.trips.mapped import layout_for

        layout = layout_for(text, options.columns)
        reader = reader_named("mapped-csv")
    else:
        layout = find_layout(text)
        reader = next(r for r in map(reader_named, READERS) if r.recognise(layout))
    refuse_mock(text, layout)
    seen = seen_in(text, layout)
    with _noting(reader, seen):
        drives = _noted(reader, reader.read(text, layout, name=name, options=options), seen)
    return tuple(  # a loop over trips
        replace(
            d, synthetic=d.synthetic or is_marked(layout), warnings=(*text.warnings, *d.warnings)
        )
        for d in drives
    )


# ------------------------------------------------------------------------------ what was seen


def _notes_of(reader: Told, *seen: Note) -> tuple[Note, ...]:
    return (("reader", reader.FORMAT), ("told_by", reader.TOLD_BY), *seen, *reader.TAKEN)


def _noted(reader: Told, drives: tuple[Drive, ...], *seen: Note) -> tuple[Drive, ...]:
    notes = _notes_of(reader, *seen)
    return tuple(replace(d, notes=(*notes, *d.notes)) for d in drives)


@contextmanager
def _noting(reader: Told, *seen: Note) -> Iterator[None]:
    """A refusal within says which reader refused, and what it had seen."""
    try:
        yield
    except Refusal as no:
        raise Refusal(no.reason, no.hint, _notes_of(reader, *seen)) from no
