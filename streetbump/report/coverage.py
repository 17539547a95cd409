"""Where cars drove, how often and when last, and what that lets anybody say.

A street that nobody drove is unknown, not smooth. Counts follow phones; rates and the length that
was looked at often enough do not, so districts are compared by these (docs/coverage.md).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.cluster.evidence import solar_day
from streetbump.geo import bin_centre, bin_of, ecef_m, heading_difference_deg
from streetbump.model import Bools, Floats, Ints
from streetbump.report.bins import SECTORS, day_text, directions, mean_heading, starts_of
from streetbump.report.streets import Pieces

COLUMNS = (
    "state", "street", "lat_deg", "lon_deg", "heading_deg", "length_m", "passes", "devices",
    "vehicle_days", "last_day", "felt", "felt_share_hi", "roughness_ms2", "places", "wkt",
)  # fmt: skip

STATES = ("unknown", "driven", "smooth", "rough", "places")
"""From nothing known to something to mend; a street has the last of what its directions have."""

ENOUGH_VEHICLE_DAYS = 6
"""So many cars and days that felt nothing leave at most 0.26 for the share that would (95 %).
Chosen by us."""

SMOOTH_HI = 0.3
"""Smooth: no more than this share of cars can be jolted here. Chosen by us."""

ROUGH_MS2 = 0.9
"""Rough: as ISO 8608 class C and worse shakes the simulated cars, median (docs/roughness.md)."""

BIN_LENGTH_M = 17.5
"""Mean way through a square bin of 22.3 m: pi/4 of its side (mean chord, Cauchy)."""

MATCH_M, MATCH_DEG = 18.0, 45.0
"""A stretch of street is driven where a bin this near was driven along it."""


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What is known beside the passes.

    Attributes
    ----------
    jolts : DataFrame
        Rows of ``BUMPS`` that count as felt.
    places : DataFrame
        Columns ``lat_deg, lon_deg, heading_deg``: clusters of the places that wait for repair.
    """

    jolts: pd.DataFrame
    places: pd.DataFrame


def visits(passes: pd.DataFrame, trips: pd.DataFrame) -> pd.DataFrame:
    """Passes with who drove: columns bin, heading_deg, trip_key, roughness, voter, named, day.

    A trip that names no device is a voter of its own, and no device. Days are local, by the sun;
    one that nobody knows is -1. Passes of phones that could not feel anything are left out.
    """
    known = passes[passes["weight"] > 0]
    who = trips.set_index("trip_key").loc[known["trip_key"]]
    key = known["trip_key"]
    device = pd.Series(who["device"].to_numpy(object), index=known.index)
    local = solar_day(known["t_utc_ns"].to_numpy(), bin_centre(known["bin"].to_numpy())[1])
    day = np.where(who["dated"].to_numpy(bool), local, -1)
    return pd.DataFrame(
        {
            "bin": known["bin"],
            "heading_deg": known["heading_deg"],
            "trip_key": key,
            "roughness_ms2": known["roughness_ms2"],
            "voter": device.where(device.notna(), "trip " + key.astype(str)).astype(str),
            "named": device.notna(),
            "day": day,
        }
    ).reset_index(drop=True)


def coverage(driven: pd.DataFrame, around: Surroundings) -> pd.DataFrame:
    """The state of each bin and direction that was driven, in `COLUMNS`, by bin and direction.

    One car has one vote a day: `vehicle_days` counts these, `felt` those with a jolt, and
    `felt_share_hi` is the upper end (95 %, Jeffreys) of the share of cars that are jolted here.

    Parameters
    ----------
    driven : DataFrame
        What :func:`visits` gave, in any order.

    >>> from streetbump.model import BUMPS, PASSES, TRIPS
    >>> nothing = Surroundings(BUMPS.empty(), pd.DataFrame(columns=["lat_deg", "lon_deg"]))
    >>> len(coverage(visits(PASSES.empty(), TRIPS.empty()), nothing))
    0
    """
    if len(driven) == 0:
        return pd.DataFrame(columns=list(COLUMNS))
    where, way = directions(driven["bin"].to_numpy(), driven["heading_deg"].to_numpy())
    rows = driven.assign(key=where * SECTORS + way, felt=_felt(driven, around.jolts))
    rows = rows.sort_values(["key", "heading_deg", "trip_key"], ignore_index=True)
    table = _counted(rows)
    places = _places_in(table, around.places)
    return _stated(table.assign(places=places))


def _felt(driven: pd.DataFrame, jolts: pd.DataFrame) -> Bools:
    """Whether each pass jolted in its bin, in its direction."""
    known = jolts[jolts["lat_deg"].notna() & jolts["heading_deg"].notna()]
    at = pd.DataFrame(
        {
            "bin": bin_of(known["lat_deg"].to_numpy(), known["lon_deg"].to_numpy()),
            "trip_key": known["trip_key"].to_numpy(),
            "course": known["heading_deg"].to_numpy(),
        }
    )
    passes = driven[["bin", "trip_key", "heading_deg"]].assign(row=np.arange(len(driven)))
    pairs = passes.merge(at, on=["bin", "trip_key"])
    turn = heading_difference_deg(pairs["heading_deg"].to_numpy(), pairs["course"].to_numpy())
    felt = np.zeros(len(driven), np.bool_)
    felt[pairs["row"].to_numpy()[turn <= 90.0]] = True
    return felt


def _counted(rows: pd.DataFrame) -> pd.DataFrame:
    """Passes, devices, vehicle-days and what they felt of each run of one key."""
    from scipy.special import betaincinv

    starts = starts_of(rows["key"].to_numpy())
    by = rows.groupby("key")
    votes = rows.groupby(["key", "voter", "day"])["felt"].any().groupby("key")
    n, felt = votes.size().to_numpy(), votes.sum().to_numpy(np.int64)
    devices = rows[rows["named"]].groupby("key")["voter"].nunique()
    lat, lon = bin_centre(rows["bin"].to_numpy()[starts])
    return pd.DataFrame(
        {
            "street": None,
            "lat_deg": np.round(lat, 7),
            "lon_deg": np.round(lon, 7),
            "heading_deg": mean_heading(rows["heading_deg"].to_numpy(), starts),
            "length_m": BIN_LENGTH_M,
            "passes": by.size().to_numpy(),
            "devices": devices.reindex(by.size().index, fill_value=0).to_numpy(),
            "vehicle_days": n,
            "last_day": day_text(by["day"].max().to_numpy()),
            "felt": felt,
            "felt_share_hi": np.round(betaincinv(felt + 0.5, n - felt + 0.5, 0.95), 4),
            "roughness_ms2": by["roughness_ms2"].mean().round(3).to_numpy(),
            "wkt": None,
        }
    )


def _places_in(table: pd.DataFrame, places: pd.DataFrame) -> Ints:
    """How many places that wait for repair lie in each bin and direction."""
    at = pd.DataFrame(
        {
            "bin": bin_of(places["lat_deg"].to_numpy(float), places["lon_deg"].to_numpy(float)),
            "course": places["heading_deg"].to_numpy(float) if len(places) else np.empty(0),
        }
    )
    bins = bin_of(table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy())
    mine = pd.DataFrame({"bin": bins, "row": np.arange(len(table)), "to": table["heading_deg"]})
    pairs = mine.merge(at, on="bin")
    near = heading_difference_deg(pairs["to"].to_numpy(), pairs["course"].to_numpy()) <= MATCH_DEG
    return np.bincount(pairs["row"].to_numpy()[near], minlength=len(table))


def _stated(table: pd.DataFrame) -> pd.DataFrame:
    enough = table["vehicle_days"] >= ENOUGH_VEHICLE_DAYS
    state = np.select(
        [
            table["places"] > 0,
            enough & (table["roughness_ms2"] >= ROUGH_MS2),
            table["felt_share_hi"] <= SMOOTH_HI,
        ],
        ["places", "rough", "smooth"],
        "driven",
    )
    return table.assign(state=state)[list(COLUMNS)]


def shown(table: pd.DataFrame, *, k: int) -> pd.DataFrame:
    """The rows that at least `k` distinct named devices drove; others tell of single people."""
    return table[table["devices"] >= k].reset_index(drop=True)


# ------------------------------------------------------------------------------- streets


def along(pieces: Pieces, table: pd.DataFrame) -> pd.DataFrame:
    """The state of each stretch of street, in `COLUMNS`; one that no row lies on is unknown.

    Both directions are one row: of each the busiest bin that is near and runs along the street,
    passes added, the later day, and the state that comes last in `STATES`.
    """
    best = _best_rows(pieces, table)
    n = len(pieces.length_m)
    both = pd.concat(
        [table.iloc[rows].assign(piece=piece) for piece, rows in best], ignore_index=True
    ) if len(table) else table.assign(piece=pd.Series(dtype=np.int64))  # fmt: skip
    rank = both["state"].map(STATES.index).astype(np.int64)
    by = both.assign(rank=rank).groupby("piece")
    found = by.agg(
        passes=("passes", "sum"), devices=("devices", "max"), vehicle_days=("vehicle_days", "sum"),
        last_day=("last_day", "max"), felt=("felt", "sum"),
        felt_share_hi=("felt_share_hi", "max"), roughness_ms2=("roughness_ms2", "max"),
        places=("places", "sum"), rank=("rank", "max"),
    ).reindex(range(n))  # fmt: skip
    counts = ("passes", "devices", "vehicle_days", "felt", "places", "rank")
    found = found.assign(**{c: found[c].fillna(0).astype(np.int64) for c in counts})
    return pd.DataFrame(
        {
            "state": np.array(STATES, dtype=object)[found["rank"].to_numpy()],
            "street": pieces.street,
            "lat_deg": np.round(pieces.lat_deg, 7),
            "lon_deg": np.round(pieces.lon_deg, 7),
            "heading_deg": np.round(pieces.course_deg, 1),
            "length_m": np.round(pieces.length_m, 1),
            **{c: found[c].to_numpy() for c in COLUMNS if c in found},
            "wkt": pieces.wkt(),
        }
    )[list(COLUMNS)]


def _best_rows(pieces: Pieces, table: pd.DataFrame) -> list[tuple[Ints, Ints]]:
    """Per direction along the streets: pairs of piece and its busiest row."""
    if len(table) == 0 or len(pieces.length_m) == 0:
        return []
    from scipy.spatial import cKDTree

    bins = cKDTree(ecef_m(table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy()))
    near = cKDTree(ecef_m(pieces.lat_deg, pieces.lon_deg)).sparse_distance_matrix(
        bins, MATCH_M, output_type="coo_matrix"
    )
    piece, row = near.row.astype(np.int64), near.col.astype(np.int64)
    votes = table["vehicle_days"].to_numpy()[row]
    turn = heading_difference_deg(table["heading_deg"].to_numpy()[row], pieces.course_deg[piece])
    found = []
    for same_way in (turn <= MATCH_DEG, turn >= 180.0 - MATCH_DEG):
        order = np.flatnonzero(same_way)
        order = order[np.lexsort((row[order], near.data[order], -votes[order], piece[order]))]
        first = starts_of(piece[order])
        found.append((piece[order][first], row[order][first]))
    return found


# ------------------------------------------------------------------------------- people


def people(table: pd.DataFrame) -> pd.DataFrame:
    """Coverage as a person reads it."""
    return pd.DataFrame(
        {
            "state": table["state"],
            "street": table["street"],
            "position": [
                f"{a:.5f}, {o:.5f}" for a, o in zip(table["lat_deg"], table["lon_deg"], strict=True)
            ],
            "passes": table["passes"],
            "vehicle-days": table["vehicle_days"],
            "last": table["last_day"],
            "felt by at most": [f"{v:.2f}" if v == v else None for v in table["felt_share_hi"]],
            "places": table["places"],
        }
    )


def summary(table: pd.DataFrame) -> list[str]:
    """How much street is in which state, in words."""
    once = table.sort_values("vehicle_days", ascending=False, kind="stable")
    once = once.drop_duplicates(["lat_deg", "lon_deg"])
    km: Floats = np.array([once.loc[once["state"] == s, "length_m"].sum() / 1000 for s in STATES])
    return [", ".join(f"{s} {v:.1f} km" for s, v in zip(STATES, km, strict=True))]
