"""Figures with their intervals → one table for programs, small tables for people.

Every score that ``streetbump evaluate`` prints is one row of one long table, so that no figure
travels without its n and its interval; people see the same rows laid out by method.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields

import pandas as pd

from streetbump.report.output import text_table
from streetbump.report.scoring import Interval

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


def frame_of(figures: Iterable[Figure], *, dataset: str) -> pd.DataFrame:
    """The figures of one data set as a table with the columns `COLUMNS`; shares to 4 digits.

    >>> frame_of([], dataset="town").columns.tolist() == list(COLUMNS)
    True
    """
    rows = [{"dataset": dataset, **asdict(f)} for f in figures]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    kinds = {name: "str" for name in _TEXT} | {name: "int64" for name in _COUNTS}
    table = table.astype({**kinds, "value": "float64", "lo": "float64", "hi": "float64"})
    return table.round({"value": 4, "lo": 4, "hi": 4})


def people_text(table: pd.DataFrame, *, width: int) -> str:
    """The figures as people read them: a table per part, methods down, measures across."""
    blocks = []
    for (dataset, part), rows in table.groupby(["dataset", "part"], sort=False):
        keys = [k for k in _KEYS if rows[k].nunique() > 1] or ["method"]
        same = [rows[k].iloc[0] for k in _KEYS if k not in keys and rows[k].iloc[0]]
        title = f"{dataset}: {part}" + (f" ({', '.join(same)})" if same else "")
        blocks.append(f"{title}\n{text_table(_wide(rows, keys), width=width).rstrip()}\n")
        blocks.extend(f"  {note}\n" for note in dict.fromkeys(rows["note"]) if note)
    return "\n".join(blocks)


_KEYS = ("method", "tuning", "at")


def _wide(rows: pd.DataFrame, keys: Sequence[str]) -> pd.DataFrame:
    """One line per method, tuning and place on the axis; one column per measure."""
    lines = list(dict.fromkeys(zip(*(rows[k] for k in keys), strict=True)))
    unit_of = dict(zip(rows["measure"], rows["unit"], strict=True))
    cells = {
        (tuple(row[k] for k in keys), row["measure"]): _cell(row) for row in rows.to_dict("records")
    }
    wide = {key: [line[i] for line in lines] for i, key in enumerate(keys)}
    for measure, unit in unit_of.items():
        head = measure if unit == "1" else f"{measure} ({unit})"
        wide[head] = [cells.get((line, measure), "") for line in lines]
    wide["n"] = [_counts(rows, keys, line) for line in lines]
    return pd.DataFrame({k: pd.Series(v, dtype="str") for k, v in wide.items()})


def _cell(row: dict[str, float]) -> str:
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


def _counts(rows: pd.DataFrame, keys: Sequence[str], line: tuple[str, ...]) -> str:
    keep = pd.Series(True, index=rows.index)
    for key, value in zip(keys, line, strict=True):
        keep &= rows[key] == value
    return "/".join(str(n) for n in dict.fromkeys(rows.loc[keep, "n"].tolist()))
