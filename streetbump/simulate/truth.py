"""The truth about simulated trips, as the tables that a scoreboard reads.

``truth.csv`` has the columns of every truth table (docs/evaluate.md): one row per felt crossing
(``event``) and one per thing in the road (``site``). ``sites.csv`` adds what a site is and how
often it was driven over and felt; ``crossings.csv`` has every drive past every site, felt or not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from streetbump.simulate.defects import BOTH, LABELS, OUT
from streetbump.simulate.roads import heading_rad
from streetbump.simulate.town import Outing, Town
from streetbump.simulate.trip import Crossing

TRUTH_COLUMNS = (
    "dataset", "trip_id", "kind", "t_start_s", "t_end_s", "lat", "lon", "label", "label_raw",
    "tol_lo_s", "tol_hi_s", "tol_m", "note",
)  # fmt: skip
"""Columns of a truth table, in order."""

EVENT_TOL_S = (-0.5, 1.0)
"""A jolt may be found this much before and after the front axle is over it, s: a rounded edge, and
the rear axle at 3 m/s."""

SITE_TOL_M = 15.0
"""How far from a site a report may lie, m: what a crew still finds."""


@dataclass(frozen=True)
class Driven:
    """What one simulated trip met: the truth that is kept of it."""

    trip_id: str
    device: str
    first_s: float
    crossings: tuple[Crossing, ...]


def trip_id_of(town: Town, outing: Outing) -> str:
    """Name of a trip, and of its file without the ending.

    >>> from streetbump.simulate.town import named_town, plan_outings
    >>> town = named_town("small", seed=1)
    >>> trip_id_of(town, plan_outings(town, trips=1, seed=1)[0]).startswith("00000-phone-")
    True
    """
    return f"{outing.index:05d}-{town.fleet[outing.device].name}"


def truth_csv(town: Town, driven: Sequence[Driven]) -> str:
    """The truth table: felt crossings by trip and time, then sites.

    >>> from streetbump.simulate.town import named_town
    >>> truth_csv(named_town("small", seed=1), []).splitlines()[0].startswith("dataset,trip_id,")
    True
    """
    low, high = EVENT_TOL_S
    events = [
        (town.name, d.trip_id, "event", _s(c.t_s - d.first_s), _s(c.t_s - d.first_s),
         f"{c.lat_deg:.7f}", f"{c.lon_deg:.7f}", LABELS[c.kind].value, c.kind, low, high,
         SITE_TOL_M, c.defect_id)
        for d in driven for c in d.crossings if c.felt
    ]  # fmt: skip
    sites = []
    for d in town.scene.defects:
        lat, lon = town.scene.place_of(d)
        sites.append(
            (town.name, "", "site", "", "", f"{lat:.7f}", f"{lon:.7f}", d.label.value, d.kind, "",
             "", SITE_TOL_M, d.defect_id)
        )  # fmt: skip
    return pd.DataFrame(events + sites, columns=list(TRUTH_COLUMNS)).to_csv(
        index=False, lineterminator="\n"
    )


def _s(seconds: float) -> str:
    return f"{seconds:.3f}"


CROSSING_COLUMNS = (
    "trip_id", "site_id", "t_s", "wheels", "speed_ms", "peak_ms2", "noise_ms2", "felt",
)  # fmt: skip
"""Columns of ``crossings.csv``; times as in the truth table, the rest as in ``Crossing``."""


def crossings_csv(driven: Sequence[Driven]) -> str:
    """Every drive past every site in its lane, by trip and time.

    >>> crossings_csv([]).splitlines()
    ['trip_id,site_id,t_s,wheels,speed_ms,peak_ms2,noise_ms2,felt']
    """
    rows = [
        (d.trip_id, c.defect_id, _s(c.t_s - d.first_s), c.wheels, f"{c.speed_ms:.2f}",
         f"{c.peak_ms2:.3f}", f"{c.noise_ms2:.3f}", int(c.felt))
        for d in driven for c in d.crossings
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(CROSSING_COLUMNS)).to_csv(
        index=False, lineterminator="\n"
    )


SITE_COLUMNS = (
    "site_id", "kind", "label", "lat_deg", "lon_deg", "heading_deg", "street", "district",
    "height_m", "length_m", "width_m", "from_day", "until_day", "listed", "passes", "felt",
    "devices", "felt_devices",
)  # fmt: skip
"""Columns of ``sites.csv``. ``passes`` are drives in its lane while it was there, ``felt`` those
whose driver would have noticed it; ``devices`` and ``felt_devices`` how many phones made them."""


def sites_csv(town: Town, driven: Sequence[Driven]) -> str:
    """What lies in the town and how often it was met.

    >>> from streetbump.simulate.town import named_town
    >>> sites_csv(named_town("small", seed=1), []).splitlines()[1].split(",")[:2]
    ['pothole-0000', 'pothole']
    """
    met = pd.DataFrame(
        [(c.defect_id, d.trip_id, d.device, c.felt) for d in driven for c in d.crossings],
        columns=["site_id", "trip_id", "device", "felt"],
    )
    felt = met[met["felt"].astype(bool)]
    counts = {
        "passes": met.groupby("site_id")["trip_id"].size(),
        "felt": felt.groupby("site_id")["trip_id"].size(),
        "devices": met.groupby("site_id")["device"].nunique(),
        "felt_devices": felt.groupby("site_id")["device"].nunique(),
    }
    listed = {row.defect_id for row in town.inventory}
    network = town.scene.network
    rows = []
    for d in town.scene.defects:
        lat, lon = town.scene.place_of(d)
        edge = network.edges[d.edge]
        heading = np.degrees(float(heading_rad(edge, np.array([d.along_m]))[0]))
        heading = "" if d.lane == BOTH else f"{(heading + 180.0 * (d.lane != OUT)) % 360:.1f}"
        rows.append(
            (d.defect_id, d.kind, d.label.value, f"{lat:.7f}", f"{lon:.7f}", heading, edge.name,
             edge.district, f"{d.height_m:.4f}", f"{d.length_m:.3f}", f"{d.width_m:.3f}",
             _day(d.from_day), _day(d.until_day), int(d.defect_id in listed))
        )  # fmt: skip
    table = pd.DataFrame(rows, columns=list(SITE_COLUMNS[:14]))
    for name, count in counts.items():
        table[name] = table["site_id"].map(count).fillna(0).astype(int)
    return table.to_csv(index=False, lineterminator="\n")


def _day(day: float) -> str:
    return f"{day:.2f}" if np.isfinite(day) else ""


def inventory_geojson(town: Town) -> str:
    """The city's list of obstacles, right and wrong, as the inventory import reads it.

    >>> from streetbump.simulate.town import named_town
    >>> len(json.loads(inventory_geojson(named_town("small", seed=1)))["features"]) > 5
    True
    """
    features: list[dict[str, object]] = [
        _point(row.lat_deg, row.lon_deg, id=row.source_id, kind=row.kind, owner=row.owner)
        for row in town.inventory
    ]
    return _collection(features)


def streets_geojson(town: Town) -> str:
    """The centrelines, with street name and district.

    >>> from streetbump.simulate.town import named_town
    >>> len(json.loads(streets_geojson(named_town("small", seed=1)))["features"])
    31
    """
    features: list[dict[str, object]] = []
    for e in town.scene.network.edges:
        lat, lon = town.scene.network.degrees(e.east_m, e.north_m)
        line = [[round(float(x), 7), round(float(y), 7)] for x, y in zip(lon, lat, strict=True)]
        features.append(
            {
                "type": "Feature",
                "properties": {"name": e.name, "district": e.district},
                "geometry": {"type": "LineString", "coordinates": line},
            }
        )
    return _collection(features)


def _point(lat_deg: float, lon_deg: float, **properties: str) -> dict[str, object]:
    place = [round(lon_deg, 7), round(lat_deg, 7)]
    return {
        "type": "Feature",
        "properties": properties,
        "geometry": {"type": "Point", "coordinates": place},
    }


def _collection(features: list[dict[str, object]]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def dataset_toml(town: Town, *, ending: str) -> str:
    """The description that the scoreboard reads.

    >>> from streetbump.simulate.town import named_town
    >>> dataset_toml(named_town("small", seed=1), ending="csv").splitlines()[0]
    'name = "small-1"'
    """
    return (
        f'name = "{town.name}-{town.seed}"\n'
        f'trips = ["trips/*.{ending}"]\n'
        'trip_id = "stem"\n'
        'crossings = "crossings.csv"\n'
        'obstacles = "inventory.geojson"\n'
        "seen_in_training = false\n"
    )
