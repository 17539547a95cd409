"""How rough each stretch of street is, from all passes: one row per bin and direction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.geo import bin_centre
from streetbump.model import Bools, Floats, Ints
from streetbump.report.rows import COMPASS

COLUMNS = (
    "lat_deg", "lon_deg", "heading_deg", "n_trips", "n_passes", "roughness_ms2",
    "roughness_err_ms2", "speed_ms", "first_day_utc", "last_day_utc",
)  # fmt: skip

SECTOR_DEG = 5
"""Headings are told apart this finely when directions are looked for. Chosen by us."""

SECTORS = 360 // SECTOR_DEG
REACH = 45 // SECTOR_DEG
"""Passes up to 45° to either side of a direction belong to it, as in clustering."""

CAR_SPREAD, CAR_WEIGHT = 0.3, 2.0
"""Standard deviation between cars on one stretch as a share of its index, and how many trips that
counts as: few trips cannot tell it. The first is that of simulated cars (docs/roughness.md), the
second chosen by us."""

_DAY_NS = 86_400_000_000_000


def stretches(passes: pd.DataFrame, dated: Bools) -> pd.DataFrame:
    """The roughness of each bin and direction, in columns `COLUMNS`, by bin.

    A trip that came by several times has one voice, its mean. The index is the mean over trips,
    weighted by what their passes count. The standard error holds what each drive does not know of
    the stretch, and how much trips differ. Passes whose roughness is unknown are left out; a
    stretch with no other is no row.

    Parameters
    ----------
    passes : DataFrame
        ``PASSES`` of any number of trips, in any order.
    dated : (n,) bool
        Of each pass: whether its clock names days.

    >>> from streetbump.model import PASSES
    >>> stretches(PASSES.empty(), np.empty(0, np.bool_)).columns.tolist() == list(COLUMNS)
    True
    """
    known = (passes["roughness_ms2"].notna() & (passes["weight"] > 0)).to_numpy()
    rows, dated = passes[known], np.asarray(dated)[known]
    where, way = _directions(rows["bin"].to_numpy(), rows["heading_deg"].to_numpy())
    order = np.lexsort((rows["seq"], rows["trip_key"], way, where))
    rows, dated, key = rows.iloc[order], dated[order], (where * SECTORS + way)[order]
    trip = rows["trip_key"].to_numpy()
    starts = _starts(key)
    voices = _starts(key, trip)
    index, error = _over_trips(rows, voices, np.searchsorted(voices, starts))
    lat, lon = bin_centre(rows["bin"].to_numpy()[starts])
    day = np.where(dated, rows["t_utc_ns"].to_numpy() // _DAY_NS, -1)
    never = np.iinfo(np.int64).max
    return pd.DataFrame(
        {
            "lat_deg": np.round(lat, 7),
            "lon_deg": np.round(lon, 7),
            "heading_deg": _mean_heading(rows["heading_deg"].to_numpy(), starts),
            "n_trips": _counts(np.searchsorted(voices, starts), len(voices)),
            "n_passes": _counts(starts, len(rows)),
            "roughness_ms2": np.round(index, 3),
            "roughness_err_ms2": np.round(error, 3),
            "speed_ms": np.round(_medians(rows["speed_ms"].to_numpy(), starts), 2),
            "first_day_utc": _day_text(_reduce(np.minimum, np.where(day < 0, never, day), starts)),
            "last_day_utc": _day_text(_reduce(np.maximum, day, starts)),
        }
    )


def people(table: pd.DataFrame) -> pd.DataFrame:
    """Stretches as a person reads them."""
    heading = (np.rint(table["heading_deg"].to_numpy() / 45).astype(np.int64) % 8).tolist()
    return pd.DataFrame(
        {
            "position": [
                f"{a:.5f}, {o:.5f}" for a, o in zip(table["lat_deg"], table["lon_deg"], strict=True)
            ],
            "to": [COMPASS[h] for h in heading],
            "m/s²": [
                f"{r:.2f} ± {e:.2f}"
                for r, e in zip(table["roughness_ms2"], table["roughness_err_ms2"], strict=True)
            ],
            "trips": table["n_trips"].tolist(),
            "m/s": [f"{v:.1f}" for v in table["speed_ms"]],
            "last": table["last_day_utc"].tolist(),
        }
    )


def _directions(bins: Ints, heading_deg: Floats) -> tuple[Ints, Ints]:
    """Number of each pass's bin, and the sector (0 to 71) of the direction it belongs to.

    The direction of a bin is where most headings lie close together; what is within 45° of it
    belongs to it, and the rest looks for the next. So a street at any angle is one direction each
    way, and two that are opposite are never one. Only counts decide: no order of rows matters.
    """
    where = np.unique(bins, return_inverse=True)[1]
    sector = np.floor(heading_deg / SECTOR_DEG).astype(np.int64) % SECTORS
    way = np.full(len(bins), -1)
    left = np.arange(len(bins))
    while len(left):  # a handful of directions per bin
        busy, row = np.unique(where[left], return_inverse=True)
        count = np.bincount(row * SECTORS + sector[left], minlength=len(busy) * SECTORS)
        count = count.reshape(-1, SECTORS)
        near = sum(
            np.roll(count, by, axis=1) * (REACH + 1 - abs(by)) for by in range(-REACH, REACH + 1)
        )
        best = np.argmax(near, axis=1)[row]
        apart = np.abs((sector[left] - best + SECTORS // 2) % SECTORS - SECTORS // 2)
        mine = apart <= REACH
        way[left[mine]] = best[mine]
        left = left[~mine]
    return where, way


def _over_trips(rows: pd.DataFrame, voices: Ints, starts: Ints) -> tuple[Floats, Floats]:
    """Index and standard error of each stretch from its trips.

    `voices` is where each trip's passes through a stretch begin in `rows`, `starts` where each
    stretch's trips begin in `voices`.
    """
    count = _counts(voices, len(rows))
    value, error = rows["roughness_ms2"].to_numpy(), rows["roughness_err_ms2"].to_numpy()
    value = _reduce(np.add, value, voices) / count
    within = _reduce(np.add, error**2, voices) / count**2
    weight = _reduce(np.add, rows["weight"].to_numpy(), voices) / count
    total = _reduce(np.add, weight, starts)
    index = _reduce(np.add, weight * value, starts) / total
    trips = _counts(starts, len(voices))
    apart = (value - np.repeat(index, trips)) ** 2
    usual = (CAR_SPREAD * index) ** 2 + _reduce(np.add, weight * within, starts) / total
    seen = _reduce(np.add, weight * apart, starts) / total * trips
    spread = (CAR_WEIGHT * usual + seen) / (CAR_WEIGHT + trips - 1)
    return index, np.sqrt(spread * _reduce(np.add, weight**2, starts)) / total


def _starts(*keys: Ints) -> Ints:
    """Where each run of rows with the same keys begins."""
    if len(keys[0]) == 0:
        return np.empty(0, np.int64)
    new = np.any([np.diff(k) != 0 for k in keys], axis=0)
    return np.concatenate(([0], np.flatnonzero(new) + 1))


def _counts(starts: Ints, n: int) -> Ints:
    return np.diff(np.append(starts, n))


def _reduce(how: np.ufunc, values: np.ndarray, starts: Ints) -> np.ndarray:
    """A ufunc over each run of rows; none gives none."""
    return how.reduceat(values, starts) if len(starts) else values[:0]


def _mean_heading(heading_deg: Floats, starts: Ints) -> Floats:
    angle = np.radians(heading_deg)
    east, north = (_reduce(np.add, part, starts) for part in (np.sin(angle), np.cos(angle)))
    return np.round(np.degrees(np.arctan2(east, north)) % 360.0, 1) % 360.0


def _medians(values: Floats, starts: Ints) -> Floats:
    """The median of each run of rows."""
    count = _counts(starts, len(values))
    values = values[np.lexsort((values, np.repeat(np.arange(len(starts)), count)))]
    return (values[starts + (count - 1) // 2] + values[starts + count // 2]) / 2


def _day_text(days: Ints) -> pd.Series:
    """Days since 1970 as YYYY-MM-DD; None where no clock named one."""
    some = (days >= 0) & (days < np.iinfo(np.int64).max)
    text = np.datetime_as_string(np.where(some, days, 0).astype("datetime64[D]"))
    return pd.Series(text, dtype="str").where(some)
