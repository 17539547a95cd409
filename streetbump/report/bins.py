"""Passes grouped by bin and direction of travel: what roughness and coverage stand on."""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.model import Floats, Ints

SECTOR_DEG = 5
"""Headings are told apart this finely when directions are looked for. Chosen by us."""

SECTORS = 360 // SECTOR_DEG
REACH = 45 // SECTOR_DEG
"""Passes up to 45° to either side of a direction belong to it, as in clustering."""


def directions(bins: Ints, heading_deg: Floats) -> tuple[Ints, Ints]:
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


def starts_of(*keys: Ints) -> Ints:
    """Where each run of rows with the same keys begins."""
    if len(keys[0]) == 0:
        return np.empty(0, np.int64)
    new = np.any([np.diff(k) != 0 for k in keys], axis=0)
    return np.concatenate(([0], np.flatnonzero(new) + 1))


def counts(starts: Ints, n: int) -> Ints:
    """How many of `n` rows each run holds."""
    return np.diff(np.append(starts, n))


def reduce_runs(how: np.ufunc, values: np.ndarray, starts: Ints) -> np.ndarray:
    """A ufunc over each run of rows; none gives none."""
    return how.reduceat(values, starts) if len(starts) else values[:0]


def mean_heading(heading_deg: Floats, starts: Ints) -> Floats:
    """The mean direction of each run of rows, degrees in [0, 360)."""
    angle = np.radians(heading_deg)
    east, north = (reduce_runs(np.add, part, starts) for part in (np.sin(angle), np.cos(angle)))
    return np.round(np.degrees(np.arctan2(east, north)) % 360.0, 1) % 360.0


def medians(values: Floats, starts: Ints) -> Floats:
    """The median of each run of rows."""
    count = counts(starts, len(values))
    values = values[np.lexsort((values, np.repeat(np.arange(len(starts)), count)))]
    return (values[starts + (count - 1) // 2] + values[starts + count // 2]) / 2


def day_text(days: Ints) -> pd.Series:
    """Days since 1970 as YYYY-MM-DD; None where no clock named one."""
    some = (days >= 0) & (days < np.iinfo(np.int64).max)
    text = np.datetime_as_string(np.where(some, days, 0).astype("datetime64[D]"))
    return pd.Series(text, dtype="str").where(some)
