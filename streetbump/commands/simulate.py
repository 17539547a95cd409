"""``simulate``: a folder of trips with their truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from streetbump.errors import InputError, UsageError
from streetbump.executors import Executor
from streetbump.simulate.attack import ATTACKS, Upload, mount
from streetbump.simulate.roads import network_of_lines
from streetbump.simulate.town import (
    HARD,
    TOWNS,
    Outing,
    Town,
    drive_outing,
    make_town,
    named_town,
    plan_outings,
)
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.truth import (
    Driven,
    crossings_csv,
    dataset_toml,
    inventory_geojson,
    sites_csv,
    streets_geojson,
    trip_id_of,
    truth_csv,
)
from streetbump.simulate.writers import ENDING, RUNS_ON, WRITERS, About, write
from streetbump.stores.files import Files

ZONE = "UTC"
"""Zone of the local clocks that some loggers write."""


@dataclass(frozen=True)
class Order:
    """What is to be made.

    Attributes
    ----------
    town : str
        A name in ``TOWNS``, or a GeoJSON file of centrelines.
    logger : str
        A name in ``WRITERS``.
    attack : str or None
        A name in ``ATTACKS``: dishonest phones upload as well.
    attackers : int
        How many of them.
    """

    town: str
    trips: int
    seed: int
    logger: str = "plain-csv"
    minutes: float = 10.0
    attack: str | None = None
    attackers: int = 10


@dataclass(frozen=True)
class Made:
    """What was made, for the words at the end."""

    trips: int
    forged: int
    bytes: int
    sites: int
    events: int


@lru_cache(maxsize=1)
def town_of(order: Order) -> Town:
    """The town of an order; kept, because a worker makes many trips in it.

    Raises
    ------
    UsageError
        It is neither a known name nor a file.
    """
    if order.town in TOWNS:
        return named_town(order.town, seed=order.seed)
    path = Path(order.town)
    if not path.is_file():
        known = ", ".join(sorted(TOWNS))
        raise UsageError(f"--town {order.town}: neither a town ({known}) nor a file")
    return _surveyed(path, order.seed)


def _surveyed(path: Path, seed: int) -> Town:
    lines, names = centrelines(path)
    middle = np.concatenate([np.column_stack(line) for line in lines]).mean(axis=0)
    network = network_of_lines(
        lines, lat0_deg=float(middle[1]), lon0_deg=float(middle[0]), names=names
    )
    return make_town(path.stem, network, HARD, seed=seed)


def centrelines(path: Path) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[str]]:
    """Longitudes and latitudes of every line of a GeoJSON file, and the names of the streets.

    Raises
    ------
    InputError
        It is not GeoJSON, or holds no line.
    """
    try:
        features = json.loads(path.read_bytes())["features"]
    except (ValueError, KeyError, TypeError) as exc:
        raise InputError(f"--town {path}: not a GeoJSON feature collection") from exc
    lines, names = [], []
    for feature in features:
        geometry = feature.get("geometry") or {}
        parts = geometry.get("coordinates", [])
        if geometry.get("type") == "LineString":
            parts = [parts]
        elif geometry.get("type") != "MultiLineString":
            continue
        for part in parts:
            corners = np.array([corner[:2] for corner in part], dtype=np.float64)
            if len(corners) >= 2:
                lines.append((corners[:, 0], corners[:, 1]))
                names.append(_street_name(feature.get("properties") or {}))
    if not lines:
        raise InputError(f"--town {path}: no lines in it")
    return lines, names


def _street_name(properties: dict[str, object]) -> str:
    """The first property that is called something like a street's name."""
    for key, value in properties.items():
        if value and ("name" in key.lower() or key.lower() == "street"):
            return str(value)
    return ""


def simulate(
    out: Path, order: Order, *, executor: Executor, on_trip: Callable[[int], None]
) -> Made:
    """Make the folder: trips, truth, sites, inventory, streets, description.

    Parameters
    ----------
    on_trip : callable
        Told how many trips are done, after each.

    Raises
    ------
    UsageError
        The folder already holds something, or the order makes no sense.
    """
    _check(out, order)
    town = town_of(order)
    outings = plan_outings(town, trips=order.trips, seed=order.seed, minutes=order.minutes)
    folder = out / "trips"
    folder.mkdir(parents=True, exist_ok=True)
    driven, size = [], 0
    for done, (truth, count) in enumerate(executor.map(partial(_one, folder, order), outings), 1):
        driven.append(truth)
        size += count
        on_trip(done)
    forged = 0
    if order.attack:
        campaign = mount(town, order.attack, attackers=order.attackers, seed=order.seed)
        for forged, upload in enumerate(campaign.uploads, 1):
            size += _write_forged(folder, order, forged, upload)
        town = replace(town, inventory=town.inventory + campaign.inventory_rows)
    texts = {
        "truth.csv": truth_csv(town, driven),
        "sites.csv": sites_csv(town, driven),
        "crossings.csv": crossings_csv(driven),
        "inventory.geojson": inventory_geojson(town),
        "streets.geojson": streets_geojson(town),
        "dataset.toml": dataset_toml(town, ending=ENDING[order.logger]),
    }
    for name, text in texts.items():
        (out / name).write_text(text, "utf-8", newline="\n")
    events = sum(c.felt for d in driven for c in d.crossings)
    return Made(len(driven), forged, size, len(town.scene.defects), events)


def _check(out: Path, order: Order) -> None:
    if order.logger not in WRITERS:
        raise UsageError(f"--as {order.logger}: known are {', '.join(WRITERS)}")
    if order.attack and order.attack not in ATTACKS:
        raise UsageError(f"--attack {order.attack}: known are {', '.join(sorted(ATTACKS))}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out}: there is something there; name a new or empty folder")


def _write_forged(folder: Path, order: Order, number: int, upload: Upload) -> int:
    """Write an upload of dishonest phones; the truth table knows nothing of it."""
    name = f"x{number:05d}-{upload.about.device}"
    return _write(folder, order, name, upload.trip, upload.about)


def _write(folder: Path, order: Order, name: str, trip: SimulatedTrip, about: About) -> int:
    """Write a trip as its logger would on this phone; its size in bytes."""
    about = replace(about, platform=_platform(about.platform, order.logger))
    data = write(trip, about=about, logger=order.logger)
    Files().write(folder / f"{name}.{ENDING[order.logger]}", data)
    return len(data)


def _platform(platform: str, logger: str) -> str:
    """The phone's platform, or the other one where the logger does not run on it."""
    if platform in RUNS_ON[logger]:
        return platform
    return "ios" if platform == "android" else "android"


def _one(folder: Path, order: Order, outing: Outing) -> tuple[Driven, int]:
    """Make and write one trip; runs in a worker process."""
    town = town_of(order)
    trip = drive_outing(town, outing, seed=order.seed)
    device = town.fleet[outing.device]
    about = About(
        device=device.name, start_utc_s=outing.start_utc_s, platform=device.phone.platform, tz=ZONE
    )
    trip_id = trip_id_of(town, outing)
    size = _write(folder, order, trip_id, trip, about)
    return Driven(trip_id, device.name, float(trip.t_s[0]), trip.crossings), size
