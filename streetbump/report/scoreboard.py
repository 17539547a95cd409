"""Figures with their intervals → one table for programs, small tables for people.

Every score that ``streetbump evaluate`` prints is one row of one long table, so that no figure
travels without its n and its interval; people see the same rows laid out by method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from streetbump.model import Floats, Ints
from streetbump.report.output import text_table
from streetbump.report.scoring import Interval, boot_share

OURS = "streetbump"
NOT_TUNED = "not tuned"


@dataclass(frozen=True)
class Figure:
    """One figure.

    Attributes
    ----------
    part : str
        Which table it belongs to: ``events``, ``events by class``, ``clips``, ``sites`` …
    method : str
        Who was measured.
    tuning : str
        What its threshold has seen: nothing (``not tuned``), other trips, or these very trips.
    at : str
        Where along an axis: a class, a number of passes, a bin of probability; else empty.
    measure, unit : str
        Name and unit of the figure (``1`` for shares).
    value, lo, hi : float
        Figure and 95 % interval; NaN where undefined.
    n : int
        What the figure is a mean over: events, detections, clips, sites.
    n_units : int
        What was drawn in the bootstrap: trips, groups of clips, sites.
    note : str
        What must be known to read it.
    """

    part: str
    method: str
    tuning: str
    at: str
    measure: str
    unit: str
    value: float
    lo: float
    hi: float
    n: int
    n_units: int
    note: str = ""


COLUMNS = ("dataset", *(f.name for f in fields(Figure)))

_TEXT = ("dataset", "part", "method", "tuning", "at", "measure", "unit", "note")
_COUNTS = ("n", "n_units")


def figure(
    part: str, method: str, tuning: str, measure: str, found: Interval, *,
    n: int, n_units: int, at: str = "", unit: str = "1", note: str = "",
) -> Figure:  # fmt: skip
    """A figure from an interval."""
    return Figure(part, method, tuning, at, measure, unit, *found, int(n), int(n_units), note)


def share_figure(
    part: str, method: str, tuning: str, measure: str, values: Floats, unit_of: Ints, **more: Any
) -> Figure:
    """A mean (a share, if `values` holds 0 and 1) over rows of independent units."""
    return figure(
        part, method, tuning, measure, boot_share(values, unit_of),
        n=len(values), n_units=len(np.unique(unit_of)), **more,
    )  # fmt: skip


def frame_of(figures: Iterable[Figure], *, dataset: str) -> pd.DataFrame:
    """The figures of one data set as a table with the columns `COLUMNS`; shares to 4 digits.

    >>> frame_of([], dataset="town").columns.tolist() == list(COLUMNS)
    True
    """
    rows = [{"dataset": dataset, **asdict(f)} for f in figures]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = dict.fromkeys(_TEXT, "str") | dict.fromkeys(_COUNTS, "int64")
    table = table.astype({**kinds, "value": "float64", "lo": "float64", "hi": "float64"})
    return table.round({"value": 4, "lo": 4, "hi": 4})


def people_text(table: pd.DataFrame, *, width: int) -> str:
    """The figures as people read them: a table per part, methods down, measures across.

    What is wider than `width` characters goes on below, so that no figure is broken in two.
    """
    blocks = []
    for (dataset, part), rows in table.groupby(["dataset", "part"], sort=False):
        keys = [k for k in _KEYS if len(set(rows[k])) > 1] or ["method"]
        same = [rows[k].iloc[0] for k in _KEYS if k not in keys and rows[k].iloc[0]]
        title = f"{dataset}: {part}" + (f" ({', '.join(same)})" if same else "")
        pages = [text_table(page, width=10_000) for page in _pages(rows, keys, width)]
        body = "\n".join(line.rstrip() for page in pages for line in page.rstrip().split("\n"))
        blocks.append(f"{title}\n{body}\n")
        blocks.extend(f"  {note}\n" for note in dict.fromkeys(rows["note"]) if note)
    return "\n".join(blocks)


_KEYS = ("method", "tuning", "at")


def _pages(rows: pd.DataFrame, keys: Sequence[str], width: int) -> list[pd.DataFrame]:
    """One line per method, tuning and place on the axis; as many measures across as fit."""
    lines = list(dict.fromkeys(zip(*(rows[k] for k in keys), strict=True)))
    unit_of = dict(zip(rows["measure"], rows["unit"], strict=True))
    heads = pd.DataFrame({k: [line[i] for line in lines] for i, k in enumerate(keys)}, dtype="str")
    pages, measures = [], list(unit_of)
    while measures:
        taken = len(measures)
        page = _page(rows, heads, measures, unit_of)
        while taken > 1 and _width_of(page) > width:
            taken -= 1
            page = _page(rows, heads, measures[:taken], unit_of)
        pages.append(page)
        measures = measures[taken:]
    return pages


def _page(
    rows: pd.DataFrame, heads: pd.DataFrame, measures: Sequence[str], unit_of: Mapping[str, str]
) -> pd.DataFrame:
    keys, page = list(heads.columns), heads.copy()
    here = rows[rows["measure"].isin(list(measures))]
    found = {(*(row[k] for k in keys), row["measure"]): row for row in here.to_dict("records")}
    lines = list(zip(*(heads[k] for k in keys), strict=True))
    for measure in measures:
        unit = unit_of[measure]
        cells = [_cell(found.get((*line, measure))) for line in lines]
        page[measure if unit == "1" else f"{measure} ({unit})"] = pd.Series(cells, dtype="str")
    counts = [
        "/".join(dict.fromkeys(str(found[(*x, m)]["n"]) for m in measures if (*x, m) in found))
        for x in lines
    ]
    return page.assign(n=pd.Series(counts, dtype="str"))


def _width_of(page: pd.DataFrame) -> int:
    return sum(3 + max([len(c), *map(len, page[c])]) for c in page.columns)


def _cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if not math.isfinite(row["value"]):
        return "–"
    text = short(row["value"])
    if not math.isfinite(row["lo"]):
        return text
    return f"{text} [{short(row['lo'])}, {short(row['hi'])}]"


def short(value: float) -> str:
    """A number as people read it here.

    >>> short(0.4567), short(12.345), short(250.0)
    ('0.46', '12.3', '250')
    """
    if abs(value) < 10:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 100 else f"{value:.0f}"
