"""Text → columns: delimiter, decimal sign, header and ragged rows, whatever the logger.

A table of plain numbers alone is parsed by pandas, any other by Apache Arrow: exact floats
(correctly rounded) and one strict number grammar from both, and Arrow hands back the rows it cannot
place.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pcsv

from streetbump.model import Floats, Reason
from streetbump.trips.refusal import Refusal, quoted
from streetbump.trips.text import (
    CELL_BYTES,
    FIELDS,
    HEAD_LINES,
    ROWS,
    Text,
    has_long_cells,
    plain_commas,
)

HUGE = 1e30
"""No measurement is larger; beyond it, and at infinity, units could not be converted."""
PLAIN_CELLS = 8_000_000
"""Most cells that pandas is given: it holds all columns, wanted or not, for a moment twice, 128 MB.
Chosen by us: five times what half an hour at 100 Hz has."""
SYNTHETIC_COLUMN = "streetbump-synthetic"
"""A table that has a column of this name, in any format, is a made-up trip."""
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NULLS = ["", "NA", "NULL", "NaN", "nan", "null"]
"""What loggers write into an empty cell; other words cost a second look at every cell."""
_DECIMAL_COMMA = re.compile(r"\s*[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?\s*")


@dataclass(frozen=True)
class Layout:
    """Where a table's header stands and how its rows are cut.

    Attributes
    ----------
    names : tuple of str
        Column names without blanks around them; empty for a trailing separator.
    delimiter, decimal : str
    line : int
        Number of the header line, from 1.
    body : int
        Offset of the first row after the header in the text's bytes.
    first : tuple of str
        Cells of the first row; empty when there is none.
    comments : tuple of str
        The comment lines above the header.
    """

    names: tuple[str, ...]
    delimiter: str
    decimal: str
    line: int
    body: int
    first: tuple[str, ...]
    comments: tuple[str, ...] = ()

    def find(self, fits: Callable[[str], bool]) -> int | None:
        """Number of the only column whose name fits, None without one.

        Raises
        ------
        Refusal
            SCHEMA: two columns fit.
        """
        found = [i for i, name in enumerate(self.names) if fits(name)]
        if len(found) > 1:
            both = " and ".join(quoted(self.names[i]) for i in found[:2])
            raise Refusal(
                Reason.SCHEMA, f"line {self.line}: {both} mean the same: say which in --columns"
            )
        return found[0] if found else None


@dataclass(frozen=True, eq=False)
class Columns:
    """What was read.

    Attributes
    ----------
    numbers : dict of int to (n,) float64
        By column number; NaN for an empty or unreadable cell.
    words : dict of int to pyarrow.ChunkedArray
    rows : int
        Rows in the file, those not taken included.
    lost : int
        Rows with a wrong number of fields, which are not in the columns.
    """

    numbers: dict[int, Floats]
    words: dict[int, pa.ChunkedArray]
    rows: int
    lost: int


def letters(name: str) -> str:
    """The letters of a column name, lower case: all that survives encodings and habits.

    >>> letters("ACCELEROMETER X (m/s\N{SUPERSCRIPT TWO})"), letters("LOCATION Latitude : ")
    ('accelerometerxms', 'locationlatitude')
    """
    return re.sub("[^a-z]", "", name.lower())


def find_layout(
    text: Text,
    *,
    is_header: Callable[[tuple[str, ...]], bool] | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
) -> Layout:
    r"""The layout of the table in `text`.

    The header is the first line that holds more than separators, is no comment (``#``) and no
    ``sep=`` line; or the first whose cells satisfy `is_header`.

    >>> from streetbump.trips.text import open_text
    >>> find_layout(open_text(b"sep=;\na;b;\n1,5;2;\n")).names
    ('a', 'b', '')

    Raises
    ------
    Refusal
        EMPTY without a row, SCHEMA without a header, LINE_LIMIT with too many fields.
    """
    comments: list[str] = []
    for i, line in enumerate(text.head):
        stated = re.fullmatch(r'"?sep=([,;|\t])"?[,;|\t]*', line.strip(), flags=re.IGNORECASE)
        if stated:
            delimiter = delimiter or stated[1]
            continue
        cut = delimiter or _delimiter_of(line)
        names = _cells(line.lstrip("# "), cut)
        if is_header is not None and is_header(names):
            return _layout(text, i, names, cut, decimal, comments)
        if not line.strip(' ,;|\t"'):  # a spreadsheet fills an empty line with separators
            continue
        if line.startswith("#"):
            comments.append(line)
        elif is_header is None:
            return _layout(text, i, names, cut, decimal, comments)
    raise Refusal(Reason.SCHEMA, f"no header within the first {HEAD_LINES} lines")


def _layout(
    text: Text, i: int, names: tuple[str, ...], cut: str, decimal: str | None, comments: list[str]
) -> Layout:
    if len(names) > FIELDS:
        raise Refusal(Reason.LINE_LIMIT, f"line {i + 1} has more than {FIELDS} fields")
    if re.fullmatch(r"[-+0-9.,:eE\s]+", names[0]):
        return _commented_header(text, i, names, cut, decimal, comments)
    rows = [_cells(line, cut) for line in text.head[i + 1 :] if line.strip()]
    if not rows:
        raise Refusal(Reason.EMPTY, "there is a header and no row: nothing was recorded")
    if decimal is None:
        decimal = "," if any(_DECIMAL_COMMA.fullmatch(c) for row in rows for c in row) else "."
    return Layout(
        _match_trailing(names, rows[0]), cut, decimal, i + 1, text.offsets[i + 1], rows[0],
        tuple(comments),
    )  # fmt: skip


def _commented_header(
    text: Text, i: int, names: tuple[str, ...], cut: str, decimal: str | None, comments: list[str]
) -> Layout:
    """The layout when the header itself is a comment, as NumPy writes it: ``# t,x,y,z``."""
    if i > 0 and text.head[i - 1].startswith("#"):
        above = _cells(text.head[i - 1].lstrip("# "), cut)
        if len(above) == len(names):
            return _layout(text, i - 1, above, cut, decimal, comments[:-1])
    raise Refusal(
        Reason.SCHEMA,
        f"line {i + 1} holds numbers where column names should be: add a header line",
    )


def _delimiter_of(line: str) -> str:
    bare = re.sub('"[^"]*"', "", line)
    return max(",;\t|", key=bare.count)


def _cells(line: str, cut: str) -> tuple[str, ...]:
    row = next(csv.reader([line], delimiter=cut, skipinitialspace=True), [])
    return tuple(c.strip() for c in row) or ("",)


def _match_trailing(names: tuple[str, ...], first: tuple[str, ...]) -> tuple[str, ...]:
    """The names, with a nameless last column exactly when rows end in a separator."""
    if len(first) == len(names) + 1 and not first[-1]:
        return (*names, "")
    if len(first) == len(names) - 1 and not names[-1]:
        return names[:-1]
    return names


def read_columns(
    text: Text, layout: Layout, *, numbers: Sequence[int], words: Sequence[int] = ()
) -> Columns:
    r"""The wanted columns, by number; rows with another number of fields are left out.

    >>> from streetbump.trips.text import open_text
    >>> text = open_text(b"a,b\n1,x\n2\n1_0,y\n")
    >>> read_columns(text, find_layout(text), numbers=[0]).numbers[0].tolist()
    [1.0, nan]

    Raises
    ------
    Refusal
        EMPTY, LINE_LIMIT (a quote that is never closed, too many fields), ROW_LIMIT, UNREADABLE.
    """
    plain = None if words else _plain(text, layout, numbers)
    if plain is not None:
        return plain
    body = pa.py_buffer(text.data).slice(layout.body)
    expected = text.lines - sum(bool(line) for line in text.head[: layout.line])
    if expected > ROWS:
        raise Refusal(Reason.ROW_LIMIT, f"more than {ROWS} rows: split the recording")
    misfits = _Misfits()
    wanted = {i: pa.float64() for i in numbers} | {i: pa.string() for i in words}
    as_text = dict.fromkeys(wanted, pa.string())
    try:
        long = has_long_cells(memoryview(body), layout.delimiter)
        table = _parse(body, layout, as_text if long else wanted, misfits)
    except pa.ArrowInvalid:  # some cell is no number: take the text and look at each
        misfits = _Misfits()
        table = _parse_or_refuse(body, layout, as_text, misfits)
    misfits.refuse(layout)
    if table.num_rows + misfits.count < expected:
        raise Refusal(Reason.LINE_LIMIT, "a quoted field runs over line ends: close the quote")
    if table.num_rows == 0:
        raise Refusal(Reason.SCHEMA, f"no row has the {len(layout.names)} fields of the header")
    named = dict(zip(table.column_names, table.columns, strict=True))
    kept = {i: named[f"c{i}"] for i in words}
    del table  # so that each column goes as soon as it is copied
    taken = {i: _floats(named.pop(f"c{i}"), layout.decimal) for i in dict.fromkeys(numbers)}
    return Columns(taken, kept, expected, misfits.count)


def _plain(text: Text, layout: Layout, numbers: Sequence[int]) -> Columns | None:
    """The wanted columns when the table is all plain numbers and every row has its fields.

    That is what most tables are, and the C parser of pandas reads it faster than Arrow does, the
    more digits the more: as exactly (from 3.1 on), and of what may stand in such cells it takes the
    same for numbers.
    """
    fields = len(layout.names)
    if layout.delimiter != "," or len(layout.first) != fields:
        return None
    found = plain_commas(text, begin=layout.body)
    if found is None or found[0] > PLAIN_CELLS:
        return None
    commas, huge = found
    rows = io.BytesIO(text.data)
    rows.seek(layout.body)
    try:
        table = pd.read_csv(
            rows, header=None, names=range(fields), index_col=False,
            dtype=np.float64, keep_default_na=False, na_values=[""],
        )  # fmt: skip
    except ValueError:  # some cell is no number, or a row has too many fields
        return None
    whole = table.shape[1] == fields and len(table) * (fields - 1) == commas
    if not whole or not 0 < len(table) <= ROWS:
        return None
    taken = {i: table[i].to_numpy() for i in numbers}
    if huge:
        taken = {i: measured(column) for i, column in taken.items()}
    return Columns(taken, {}, len(table), 0)


class _Misfits:
    """Counts the rows that Arrow hands back because their number of fields is wrong."""

    def __init__(self) -> None:
        self.count = 0
        self.too_wide = False
        self.runs_over = False

    def __call__(self, row: pcsv.InvalidRow) -> str:
        self.count += 1
        self.too_wide |= row.actual_columns > FIELDS
        self.runs_over |= "\n" in row.text
        return "skip"

    def refuse(self, layout: Layout) -> None:
        if self.too_wide:
            raise Refusal(Reason.LINE_LIMIT, f"a row has more than {FIELDS} fields")
        if self.runs_over:
            raise Refusal(Reason.LINE_LIMIT, "a quoted field runs over line ends: close the quote")


def _parse_or_refuse(
    body: pa.Buffer, layout: Layout, wanted: dict[int, pa.DataType], misfits: _Misfits
) -> pa.Table:
    try:
        return _parse(body, layout, wanted, misfits)
    except pa.ArrowInvalid as exc:
        raise Refusal(Reason.UNREADABLE, "the table cannot be cut into rows and fields") from exc


def _parse(
    body: pa.Buffer, layout: Layout, wanted: dict[int, pa.DataType], misfits: _Misfits
) -> pa.Table:
    if body.size == 0:
        raise Refusal(Reason.EMPTY, "there is a header and no row: nothing was recorded")
    types = {f"c{i}": kind for i, kind in wanted.items()}
    return pcsv.read_csv(
        pa.BufferReader(body),
        read_options=pcsv.ReadOptions(
            column_names=[f"c{i}" for i in range(len(layout.names))], use_threads=False
        ),
        parse_options=pcsv.ParseOptions(
            delimiter=layout.delimiter, invalid_row_handler=misfits
        ),
        convert_options=pcsv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            decimal_point=layout.decimal,
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            null_values=_NULLS,
            check_utf8=False,  # it was decoded already
        ),
    )  # fmt: skip


def _floats(column: pa.ChunkedArray, decimal: str) -> Floats:
    """Numbers as float64; what is no plain decimal number, or beyond any measurement, is NaN."""
    if not pa.types.is_floating(column.type):
        plain = pc.utf8_trim_whitespace(column)
        if decimal == ",":
            plain = pc.replace_substring(plain, ".", "?")  # a point is no decimal sign here
            plain = pc.replace_substring(plain, ",", ".")
        number = pc.match_substring_regex(plain, _NUMBER)
        number = pc.and_(number, pc.less_equal(pc.binary_length(plain), CELL_BYTES))
        column = pc.if_else(number, plain, pa.scalar(None, pa.string())).cast(pa.float64())
    return measured(np.asarray(column.to_numpy(), dtype=np.float64))


def measured(values: Floats) -> Floats:
    """The values, of any shape, NaN where they are beyond any measurement.

    >>> measured(np.array([9.81, np.inf, 1e99])).tolist()
    [9.81, nan, nan]
    """
    highest = np.fmax.reduce(values, axis=None, initial=0)
    lowest = np.fmin.reduce(values, axis=None, initial=0)
    if highest <= HUGE and lowest >= -HUGE:
        return values
    return np.where(np.abs(values) <= HUGE, values, np.nan)


def with_missing(values: Floats, missing: Sequence[float]) -> Floats:
    """The values, NaN where one of the numbers in `missing` stands for an empty cell.

    >>> with_missing(np.array([1.0, -100.0]), [-100]).tolist()
    [1.0, nan]
    """
    return np.where(np.isin(values, missing), np.nan, values) if len(missing) else values
