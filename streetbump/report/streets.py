"""A city's street centrelines, cut into stretches; and the runs a survey car should drive next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from streetbump.geo import bearing_deg, distance_m, heading_difference_deg
from streetbump.model import Floats, Ints

STRETCH_M = 20.0
"""Longest stretch of street, m: as long as a pass bin is wide."""

RUN_M = 3000.0
"""Longest run of a survey car, m. Chosen by us: some ten minutes in town."""

TURN_DEG = 100.0
"""A run does not turn more sharply at a junction. Chosen by us: round a corner, not back."""

STALE_DAYS = 180.0
"""A stretch last driven longer ago is due again. Chosen by us: one winter."""

SURVEY_COLUMNS = (
    "rank", "need_m", "length_m", "unknown_m", "oldest_day", "streets", "lat_deg", "lon_deg",
    "wkt",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pieces:
    """Stretches of street of at most `STRETCH_M`, in order along each line.

    Attributes
    ----------
    line : (n,) int64
        Number of the centreline each is part of.
    ends_deg : (n, 4) float64
        Longitude and latitude of its beginning and its end.
    lat_deg, lon_deg, course_deg, length_m : (n,) float64
        Of its middle, along the line, and how long it is.
    street : (n,) object
        Name; None where the layer says none.
    """

    line: Ints
    ends_deg: Floats
    lat_deg: Floats
    lon_deg: Floats
    course_deg: Floats
    length_m: Floats
    street: np.ndarray

    def wkt(self) -> list[str]:
        """Each as a line in well-known text."""
        return [
            f"LINESTRING ({a:.7f} {b:.7f}, {c:.7f} {d:.7f})"
            for a, b, c, d in self.ends_deg.tolist()
        ]


def pieces_of(shapes: Sequence[Any], names: Sequence[str | None]) -> Pieces:
    """The stretches of some centrelines; what is no line is left out.

    >>> import shapely
    >>> pieces = pieces_of([shapely.LineString([(0, 0), (0.001, 0)])], ["Main St"])
    >>> len(pieces.length_m), round(float(pieces.length_m.sum()))
    (6, 111)
    """
    import shapely

    lines = [
        (part, name)
        for shape, name in zip(shapes, names, strict=True)
        if shape is not None and shape.geom_type in ("LineString", "MultiLineString")
        for part in shapely.get_parts(shape)
    ]
    number, ends, streets = [np.empty(0, np.int64)], [np.empty((0, 4))], [np.empty(0, object)]
    for k, (line, name) in enumerate(lines):  # one step per centreline
        xy = _cut(shapely.get_coordinates(line))
        number.append(np.full(len(xy) - 1, k))
        ends.append(np.column_stack((xy[:-1], xy[1:])))
        streets.append(np.full(len(xy) - 1, name, dtype=object))
    all_ends = np.concatenate(ends)
    x0, y0, x1, y1 = all_ends.T
    return Pieces(
        line=np.concatenate(number),
        ends_deg=all_ends,
        lat_deg=(y0 + y1) / 2,
        lon_deg=(x0 + x1) / 2,
        course_deg=bearing_deg(y0, x0, y1, x1),
        length_m=distance_m(y0, x0, y1, x1),
        street=np.concatenate(streets),
    )


def _cut(xy: Floats) -> Floats:
    """Points along a line, its corners and ends among them, at most `STRETCH_M` apart."""
    leg = distance_m(xy[:-1, 1], xy[:-1, 0], xy[1:, 1], xy[1:, 0])
    xy, leg = xy[np.append(True, leg > 0)], leg[leg > 0]
    count = np.maximum(np.ceil(leg / STRETCH_M).astype(np.int64), 1)
    of = np.repeat(np.arange(len(leg)), count)
    share = (np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)) / count[of]
    points = xy[of] + share[:, None] * (xy[of + 1] - xy[of]) if len(leg) else xy[:0]
    return np.vstack((points, xy[-1:]))


# ------------------------------------------------------------------------------- survey


def people(runs: pd.DataFrame) -> pd.DataFrame:
    """Runs as a person reads them: without their shapes."""
    return runs[["rank", "need_m", "length_m", "unknown_m", "oldest_day", "streets"]]


@dataclass(frozen=True)
class _Span:
    """Stretches in a row that are due; `ends` name the junctions at either end."""

    pieces: tuple[int, ...]
    ends: tuple[str, str]
    length_m: float


def survey(pieces: Pieces, table: pd.DataFrame, *, today: str, limit: int) -> pd.DataFrame:
    """What a city vehicle should drive next: runs of unknown or stale street, most needed first.

    A stretch nobody knows needs all of its length; one last driven `a` days ago the share
    1 - ``STALE_DAYS`` / `a` of it, none before that. Runs follow the street straight on at
    junctions, as far as what is next is due.

    Parameters
    ----------
    table : DataFrame
        What ``coverage.along`` said of the same pieces.
    today : str
        YYYY-MM-DD.

    Returns
    -------
    DataFrame
        Columns `SURVEY_COLUMNS`; the position is where the run begins.
    """
    age = (pd.Timestamp(today) - pd.to_datetime(table["last_day"])).dt.days.to_numpy(float)
    unknown = (table["state"] == "unknown").to_numpy()
    with np.errstate(invalid="ignore", divide="ignore"):
        stale = np.clip(1.0 - STALE_DAYS / np.maximum(age, 1e-9), 0.0, 1.0)
    need = pieces.length_m * np.where(unknown, 1.0, np.nan_to_num(stale))
    spans = _spans(pieces, need > 0)
    rows = [_run_row(run, pieces, need, unknown, table) for run in _runs(spans, pieces)]
    found = pd.DataFrame(rows, columns=list(SURVEY_COLUMNS))
    found = found.sort_values(["need_m", "lat_deg", "lon_deg"], ascending=[False, True, True])
    found = found.head(limit).reset_index(drop=True)
    return found.assign(rank=np.arange(1, len(found) + 1))


def _spans(pieces: Pieces, due: np.ndarray) -> list[_Span]:
    """Due stretches that follow each other along one line."""
    found = []
    change = np.flatnonzero(np.append(True, (np.diff(pieces.line) != 0) | (due[1:] != due[:-1])))
    for a, b in zip(change.tolist(), np.append(change[1:], len(due)).tolist(), strict=True):
        if b > a and due[a]:
            ends = (_junction(pieces.ends_deg[a, :2]), _junction(pieces.ends_deg[b - 1, 2:]))
            found.append(_Span(tuple(range(a, b)), ends, float(pieces.length_m[a:b].sum())))
    return found


def _junction(xy: Floats) -> str:
    """A point's name: lines that meet within a decimetre meet there."""
    return f"{xy[0]:.6f} {xy[1]:.6f}"


def _runs(spans: list[_Span], pieces: Pieces) -> list[list[int]]:
    """Spans joined at junctions to runs, each a list of piece numbers in driving order.

    A piece driven against its line stands as ``-1 - number``. The longest span begins; at either
    end the straightest due span that nobody took goes on.
    """
    at: dict[str, list[int]] = {}
    for k, span in enumerate(spans):
        for end in set(span.ends):
            at.setdefault(end, []).append(k)
    free = set(range(len(spans)))
    runs = []
    for k in sorted(free, key=lambda k: (-spans[k].length_m, k)):
        if k not in free:
            continue
        free.discard(k)
        run, length = list(spans[k].pieces), spans[k].length_m
        for _ in range(2):  # on from the end, then on from the beginning
            while length < RUN_M and (more := _onward(run, at, free, spans, pieces)):
                number, onward = more
                free.discard(number)
                run += onward
                length += spans[number].length_m
            run = [-1 - p for p in reversed(run)]
        runs.append(run)
    return runs


def _onward(
    run: list[int], at: dict[str, list[int]], free: set[int], spans: list[_Span], pieces: Pieces
) -> tuple[int, list[int]] | None:
    """The span that goes on most straightly from the end of a run, in driving order."""
    end = _junction(_ends(run[-1], pieces)[2:])
    course = _course(run[-1], pieces)
    choices = []
    for k in at.get(end, []):
        if k not in free:
            continue
        forward = list(spans[k].pieces)
        way = forward if spans[k].ends[0] == end else [-1 - p for p in reversed(forward)]
        turn = float(heading_difference_deg(course, _course(way[0], pieces)))
        if turn <= TURN_DEG:
            choices.append((turn, k, way))
    return min(choices)[1:] if choices else None


def _ends(piece: int, pieces: Pieces) -> Floats:
    """Beginning and end of a piece as it is driven."""
    xy = pieces.ends_deg[piece if piece >= 0 else -1 - piece]
    return xy if piece >= 0 else xy[[2, 3, 0, 1]]


def _course(piece: int, pieces: Pieces) -> float:
    if piece >= 0:
        return float(pieces.course_deg[piece])
    return float(pieces.course_deg[-1 - piece] + 180.0) % 360.0


def _run_row(
    run: list[int], pieces: Pieces, need: Floats, unknown: np.ndarray, table: pd.DataFrame
) -> dict[str, Any]:
    rows = np.array([p if p >= 0 else -1 - p for p in run])
    xy = [_ends(run[0], pieces)[:2], *(_ends(p, pieces)[2:] for p in run)]
    names = [n for n in dict.fromkeys(pieces.street[rows].tolist()) if n]
    days = table["last_day"].iloc[rows].dropna()
    return {
        "need_m": round(float(need[rows].sum()), 1),
        "length_m": round(float(pieces.length_m[rows].sum()), 1),
        "unknown_m": round(float(pieces.length_m[rows][unknown[rows]].sum()), 1),
        "oldest_day": min(days) if len(days) else None,
        "streets": ", ".join(names) or None,
        "lat_deg": round(float(xy[0][1]), 7),
        "lon_deg": round(float(xy[0][0]), 7),
        "wkt": "LINESTRING (" + ", ".join(f"{x:.7f} {y:.7f}" for x, y in xy) + ")",
    }
