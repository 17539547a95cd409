"""The tables that people and programs see: the columns of the command line's contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from streetbump.model import P_COLUMNS, PlaceState, Rejected, Trip, classify_rows

DETECT_COLUMNS = (
    "trip_id", "t_utc_s", "t_s", "lat_deg", "lon_deg", "pos_err_m", "speed_ms", "peak_ms2",
    "score", "class", *P_COLUMNS,
)  # fmt: skip

CLUSTER_COLUMNS = (
    "cluster_id", "place_id", "city", "lat_deg", "lon_deg", "pos_err_m", "heading_deg",
    "n_trips", "n_devices", "n_days", "hits", "passes", "hit_rate", "hit_rate_lo", "hit_rate_hi",
    "class", *P_COLUMNS, "severity", "severity_lo", "severity_hi", "priority", "obstacle_id",
    "state", "first_seen_utc", "last_seen_utc",
)  # fmt: skip

REJECTED_COLUMNS = ("file", "part", "reason", "hint")


def detect_rows(trip: Trip, bumps: pd.DataFrame, *, unsure_below: float) -> pd.DataFrame:
    """Jolts of one trip in the columns of ``streetbump detect``; times of day only if known."""
    t_utc_s = bumps["t_utc_ns"].to_numpy() / 1e9
    classes = classify_rows(bumps[list(P_COLUMNS)].to_numpy(), unsure_below=unsure_below)
    columns: dict[str, Any] = {
        "trip_id": pd.Series([trip.trip_id] * len(bumps), dtype="str"),
        "t_utc_s": np.round(t_utc_s, 3) if trip.dated else np.full(len(bumps), np.nan),
        "class": pd.Series([c.value for c in classes], dtype="str"),
    }
    return pd.DataFrame({c: columns.get(c, bumps.get(c)) for c in DETECT_COLUMNS})


def cluster_rows(
    clusters: pd.DataFrame,
    *,
    place_of: Mapping[str, tuple[str, str]],
    city_of: Mapping[str, str],
) -> pd.DataFrame:
    """Clusters in the columns of ``streetbump cluster``, what to look at first on top.

    Parameters
    ----------
    place_of : mapping
        Cluster id → place id and the place's state.
    city_of : mapping
        Place id → city.
    """
    table = clusters.sort_values(["priority", "cluster_id"], ascending=[False, True])
    ids = table["cluster_id"].tolist()
    places = [place_of.get(i, (None, None)) for i in ids]
    known = table["obstacle_id"].notna().tolist()
    columns: dict[str, Any] = {
        "place_id": pd.Series([p for p, _ in places], dtype="str"),
        "city": pd.Series([city_of.get(p) if p else None for p, _ in places], dtype="str"),
        "state": pd.Series(
            [state or _state(k) for (_, state), k in zip(places, known, strict=True)], dtype="str"
        ),
        "first_seen_utc": _iso(table["first_seen_utc_ns"]),
        "last_seen_utc": _iso(table["last_seen_utc_ns"]),
    }
    table = table.reset_index(drop=True)
    return pd.DataFrame({c: columns.get(c, table.get(c)) for c in CLUSTER_COLUMNS})


COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


def cluster_people(table: pd.DataFrame) -> pd.DataFrame:
    """A cluster table as a person reads it: fewer columns, ranges as one word."""
    id_ = table["place_id"].where(table["place_id"].notna(), table["cluster_id"])
    heading = (np.rint(table["heading_deg"].to_numpy() / 45).astype(np.int64) % 8).tolist()
    words = {
        "place or cluster": id_.tolist(),
        "class": table["class"].tolist(),
        "state": [s.replace("_", " ") for s in table["state"]],
        "hits": [f"{h} of {p}" for h, p in zip(table["hits"], table["passes"], strict=True)],
        "hit rate (90 %)": [
            f"{a:.2f}-{b:.2f}"
            for a, b in zip(table["hit_rate_lo"], table["hit_rate_hi"], strict=True)
        ],
        "devices": [
            f"{n} on {d} day{'s'[: d != 1]}" if n else "none named"
            for n, d in zip(table["n_devices"], table["n_days"], strict=True)
        ],
        "m/s²": [f"{v:.1f}" for v in table["severity"]],
        "to": [COMPASS[h] for h in heading],
        "position": [
            f"{a:.6f}, {o:.6f} ±{e:.0f} m"
            for a, o, e in zip(table["lat_deg"], table["lon_deg"], table["pos_err_m"], strict=True)
        ],
    }
    return pd.DataFrame({name: pd.Series(column, dtype="str") for name, column in words.items()})


def _state(known_obstacle: bool) -> str:
    return (PlaceState.KNOWN_OBSTACLE if known_obstacle else PlaceState.CANDIDATE).value


def _iso(ns: pd.Series) -> pd.Series:
    """UTC times to the second as text; None where the column holds -1."""
    when = pd.to_datetime(ns.where(ns >= 0), unit="ns", utc=True)
    return when.dt.strftime("%Y-%m-%dT%H:%M:%SZ").reset_index(drop=True).astype("str")


def rejected_rows(found: Sequence[tuple[str, Rejected]]) -> pd.DataFrame:
    """Refused files and parts of files, with the reason and what to do."""
    return pd.DataFrame(
        [(name, r.part or None, r.reason.value, r.hint) for name, r in found],
        columns=list(REJECTED_COLUMNS),
    )
