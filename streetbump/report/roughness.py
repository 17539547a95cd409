"""How rough each stretch of street is, from all passes: one row per bin and direction."""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.geo import bin_centre
from streetbump.model import DAY_NS, Bools, Floats, Ints
from streetbump.report.bins import (
    SECTORS,
    counts,
    day_text,
    directions,
    mean_heading,
    medians,
    reduce_runs,
    starts_of,
)
from streetbump.report.rows import COMPASS

COLUMNS = (
    "lat_deg", "lon_deg", "heading_deg", "n_trips", "n_passes", "roughness_ms2",
    "roughness_err_ms2", "speed_ms", "first_day_utc", "last_day_utc",
)  # fmt: skip

CAR_SPREAD, CAR_WEIGHT = 0.3, 2.0
"""Standard deviation between cars on one stretch as a share of its index, and how many trips that
counts as: few trips cannot tell it. The first is that of simulated cars (docs/roughness.md), the
second chosen by us."""


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
    where, way = directions(rows["bin"].to_numpy(), rows["heading_deg"].to_numpy())
    order = np.lexsort((rows["seq"], rows["trip_key"], way, where))
    rows, dated, key = rows.iloc[order], dated[order], (where * SECTORS + way)[order]
    trip = rows["trip_key"].to_numpy()
    starts = starts_of(key)
    voices = starts_of(key, trip)
    index, error = _over_trips(rows, voices, np.searchsorted(voices, starts))
    lat, lon = bin_centre(rows["bin"].to_numpy()[starts])
    day = np.where(dated, rows["t_utc_ns"].to_numpy() // DAY_NS, -1)
    never = np.iinfo(np.int64).max
    return pd.DataFrame(
        {
            "lat_deg": np.round(lat, 7),
            "lon_deg": np.round(lon, 7),
            "heading_deg": mean_heading(rows["heading_deg"].to_numpy(), starts),
            "n_trips": counts(np.searchsorted(voices, starts), len(voices)),
            "n_passes": counts(starts, len(rows)),
            "roughness_ms2": np.round(index, 3),
            "roughness_err_ms2": np.round(error, 3),
            "speed_ms": np.round(medians(rows["speed_ms"].to_numpy(), starts), 2),
            "first_day_utc": day_text(
                reduce_runs(np.minimum, np.where(day < 0, never, day), starts)
            ),
            "last_day_utc": day_text(reduce_runs(np.maximum, day, starts)),
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


def _over_trips(rows: pd.DataFrame, voices: Ints, starts: Ints) -> tuple[Floats, Floats]:
    """Index and standard error of each stretch from its trips.

    `voices` is where each trip's passes through a stretch begin in `rows`, `starts` where each
    stretch's trips begin in `voices`.
    """
    count = counts(voices, len(rows))
    value, error = rows["roughness_ms2"].to_numpy(), rows["roughness_err_ms2"].to_numpy()
    value = reduce_runs(np.add, value, voices) / count
    within = reduce_runs(np.add, error**2, voices) / count**2
    weight = reduce_runs(np.add, rows["weight"].to_numpy(), voices) / count
    total = reduce_runs(np.add, weight, starts)
    index = reduce_runs(np.add, weight * value, starts) / total
    trips = counts(starts, len(voices))
    apart = (value - np.repeat(index, trips)) ** 2
    usual = (CAR_SPREAD * index) ** 2 + reduce_runs(np.add, weight * within, starts) / total
    seen = reduce_runs(np.add, weight * apart, starts) / total * trips
    spread = (CAR_WEIGHT * usual + seen) / (CAR_WEIGHT + trips - 1)
    return index, np.sqrt(spread * reduce_runs(np.add, weight**2, starts)) / total
