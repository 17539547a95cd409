"""What the tests of this room share: jolts, passes and trips in metres, and random towns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from streetbump.cluster import cluster_region
from streetbump.cluster.kinds import load_place_model
from streetbump.cluster.match import points_of
from streetbump.config import Settings, shipped_settings
from streetbump.geo import CELL_E7, bin_centre, bin_of, cell_of, cells_around, from_local_m
from streetbump.model import (
    BUMPS,
    CLASSES,
    OBSTACLE_CLASS,
    OBSTACLES,
    P_COLUMNS,
    PASSES,
    TRIPS,
    Clustering,
)

SETTINGS: Settings = shipped_settings()
CLUSTER = SETTINGS.cluster
MODEL = load_place_model()
HERE = (12.0, -150.0)
"""Where the tests play: a corner of four storage cells in the open Pacific."""
DAY_NS = 86_400_000_000_000
NOON_NS = 20_515 * DAY_NS + 22 * 3_600_000_000_000  # noon by the sun at 150° W, in March 2026


def likelihoods(**given: float) -> dict[str, float]:
    """Probabilities of the eight classes: those given, the rest shared evenly."""
    rest = (1 - sum(given.values())) / (len(CLASSES) - len(given))
    return {f"p_{c.value}": given.get(c.value, rest) for c in CLASSES}


def jolts(
    east_m: Any, north_m: Any = 0.0, *, at: tuple[float, float] = HERE, **columns: Any
) -> pd.DataFrame:
    """Jolts (``BUMPS``) at metres from `at`, each of its own trip unless told otherwise."""
    east, north = np.broadcast_arrays(
        np.atleast_1d(np.asarray(east_m, float)), np.asarray(north_m, float)
    )
    lat, lon = from_local_m(east, north, lat0_deg=at[0], lon0_deg=at[1])
    n = len(east)
    values = {
        "trip_key": np.arange(n) + 1, "seq": 0, "t_utc_ns": NOON_NS, "t_s": 100.0,
        "lat_deg": lat, "lon_deg": lon, "pos_err_m": 4.0, "heading_deg": 0.0, "speed_ms": 11.111,
        "peak_ms2": 5.0, "energy_m2s3": 2.0, "duration_s": 0.2, "alone": True,
        "score": 8.0, "weight": 1.0,
        **likelihoods(pothole=0.86), **columns,
    }  # fmt: skip
    return BUMPS.build({name: np.broadcast_to(values[name], n) for name in BUMPS.names})


def drives(
    trip_key: Any, east_m: float = 0.0, north_m: float = 0.0, *,
    at: tuple[float, float] = HERE, **columns: Any,
) -> pd.DataFrame:  # fmt: skip
    """One pass (``PASSES``) per trip through the bin at these metres from `at`."""
    keys = np.atleast_1d(trip_key)
    lat, lon = from_local_m(np.array([east_m]), np.array([north_m]), lat0_deg=at[0], lon0_deg=at[1])
    values = {
        "trip_key": keys, "seq": 0, "bin": bin_of(lat, lon)[0], "t_utc_ns": NOON_NS,
        "heading_deg": 0.0, "speed_ms": 11.0, "weight": 1.0, "roughness_ms2": np.nan,
        "roughness_err_ms2": np.nan, "aside_m": np.nan, **columns,
    }  # fmt: skip
    return PASSES.build({name: np.broadcast_to(values[name], len(keys)) for name in PASSES.names})


def trips_of(*tables: pd.DataFrame, device: Any = "own", **columns: Any) -> pd.DataFrame:
    """A row of ``TRIPS`` for every trip in the tables; "own": every trip has its own device."""
    keys = np.unique(np.concatenate([t["trip_key"].to_numpy() for t in tables]))
    n = len(keys)
    names = [f"phone {k}" for k in keys] if isinstance(device, str) else device
    return TRIPS.build(
        {
            "trip_key": keys,
            "device": [names] * n if names is None else list(names),
            "dated": np.broadcast_to(columns.get("dated", True), n),
            "synthetic": np.broadcast_to(columns.get("synthetic", False), n),
        }
    )


def obstacle(
    east_m: Any = 0.0, north_m: Any = 0.0, *, kind: str = "hump", name: str = "h1",
    at: tuple[float, float] = HERE, radius_m: float = 12.0,
) -> pd.DataFrame:  # fmt: skip
    """One row of ``OBSTACLES``: a point, or a line when there are several."""
    lat, lon = from_local_m(
        np.atleast_1d(np.asarray(east_m, float)), np.atleast_1d(np.asarray(north_m, float)),
        lat0_deg=at[0], lon0_deg=at[1],
    )  # fmt: skip
    xy = ", ".join(f"{x:.7f} {y:.7f}" for x, y in zip(lon, lat, strict=True))
    return OBSTACLES.build(
        {
            "obstacle_id": [name], "source": ["test"], "source_id": [name], "kind": [kind],
            "class": [OBSTACLE_CLASS[kind].value],
            "wkt": [f"POINT ({xy})" if len(lat) == 1 else f"LINESTRING ({xy})"],
            "radius_m": [radius_m], "owner": [None], "valid_from": [None], "valid_to": [None],
            "revision": [1],
        }
    )  # fmt: skip


class Region(NamedTuple):
    """What ``cluster_region`` is given."""

    bumps: pd.DataFrame
    passes: pd.DataFrame
    trips: pd.DataFrame
    obstacles: pd.DataFrame


def region(
    bumps: pd.DataFrame,
    passes: pd.DataFrame | None = None,
    trips: pd.DataFrame | None = None,
    obstacles: pd.DataFrame | None = None,
) -> Region:
    passes = PASSES.empty() if passes is None else passes
    return Region(
        bumps,
        passes,
        trips_of(bumps, passes) if trips is None else trips,
        OBSTACLES.empty() if obstacles is None else obstacles,
    )


def clustered(given: Region, owned: Any = None, **changes: Any) -> Clustering:
    settings = changes.get("settings", CLUSTER)
    return cluster_region(*given, owned=owned, generation="g", settings=settings, model=MODEL)


def cells_of(given: Region) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Storage cells of the jolts, of the passes, and of every obstacle's points."""
    b, o = given.bumps, given.obstacles
    at_obstacles: list[np.ndarray] = []
    if len(o):
        xy, owner = points_of(o)
        cells = cell_of(xy[:, 1], xy[:, 0])
        at_obstacles = [np.unique(cells[owner == k]) for k in range(len(o))]
    return (
        cell_of(b["lat_deg"].to_numpy(), b["lon_deg"].to_numpy()),
        cell_of(*bin_centre(given.passes["bin"].to_numpy())),
        at_obstacles,
    )


def view(given: Region, owned: np.ndarray) -> Region:
    """What is stored in the owned cells and their halo, and nothing else."""
    loaded = cells_around(owned, halo_m=CLUSTER.halo_m)
    of_jolts, of_passes, of_obstacles = cells_of(given)
    bumps = given.bumps[np.isin(of_jolts, loaded)]
    passes = given.passes[np.isin(of_passes, loaded)]
    keys = np.union1d(bumps["trip_key"], passes["trip_key"])
    seen = np.array([np.isin(c, loaded).any() for c in of_obstacles], dtype=bool)
    return Region(
        bumps, passes, given.trips[given.trips["trip_key"].isin(keys)], given.obstacles[seen]
    )


def together(parts: list[Clustering]) -> Clustering:
    """The results of several calls as one."""

    def join(name: str, keys: list[str]) -> pd.DataFrame:
        tables = [getattr(p, name) for p in parts]
        full = [t for t in tables if len(t)] or tables[:1]
        return pd.concat(full).sort_values(keys).reset_index(drop=True)

    return Clustering(
        join("clusters", ["cluster_id"]),
        join("members", ["cluster_id", "trip_key", "seq"]),
        join("stretches", ["bin", "heading_sector"]),
    )


def same(a: Clustering, b: Clustering) -> None:
    """Raise unless both are equal, bit for bit."""
    for name in ("clusters", "members", "stretches"):
        pd.testing.assert_frame_equal(getattr(a, name), getattr(b, name), check_exact=True)


def shuffled(given: Region, seed: int) -> Region:
    """The same rows in another order, with another index."""
    return Region(*(t.sample(frac=1, random_state=seed + k) for k, t in enumerate(given)))


CELL_M = np.radians(CELL_E7 * 1e-7) * 6_371_008.8


def town(seed: int, *, at: tuple[float, float] = HERE) -> Region:
    """A random town of some 2 × 2 km: holes, humps, rough stretches, phones, an inventory.

    Half of its defects lie within 30 m of a border between storage cells. Past every fourth the
    trips go by in pairs, copies of one recording.
    """
    rng = np.random.default_rng(seed)
    sites = rng.uniform(-1000, 1000, (50, 2))
    wide = np.array([CELL_M * np.cos(np.radians(at[0])), CELL_M])
    at_border = rng.uniform(size=sites.shape) < 0.3
    snapped = np.rint(sites / wide) * wide + rng.normal(0, 10, sites.shape)
    sites = np.where(at_border, snapped, sites)
    keys = rng.integers(-(2**63), 2**63 - 1, 40)
    jolt_rows: list[dict[str, Any]] = []
    pass_rows: list[dict[str, Any]] = []
    obstacles = []
    for k, (x, y) in enumerate(sites):
        heading = float(rng.choice([0, 90, 180, 270]) + rng.normal(0, 5)) % 360
        chain = np.arange(rng.integers(4, 20)) * 6.0 if k % 10 == 0 else np.zeros(1)
        passing = rng.choice(keys, rng.integers(2, 12), replace=False)
        hitting = passing[rng.uniform(size=len(passing)) < rng.uniform(0.2, 1)]
        first_ns = NOON_NS + int(rng.integers(0, 40 * DAY_NS))
        kind = str(rng.choice(["hump", "casting", "rail"])) if k % 3 == 0 else None
        for n, key in enumerate(passing.tolist()):
            turned = (heading + (180 if rng.uniform() < 0.2 else 0)) % 360
            t_ns = first_ns + n * DAY_NS // 2
            way = range(-88, 89, 22) if k % 4 == 0 else range(-22, 23, 22)
            rough, aside = _drive(len(way), seed=[seed, k, n // 2 if k % 4 == 0 else n])
            pass_rows += [
                {"trip_key": key, "east": x + dx, "north": y, "t_utc_ns": t_ns + i * 10**9,
                 "heading_deg": turned, "seq": 100 * k + i, "weight": 1.0 - 0.5 * (n % 2),
                 "roughness_ms2": rough[i], "roughness_err_ms2": 0.1, "aside_m": aside[i]}
                for i, dx in enumerate(way)
            ]  # fmt: skip
            if key not in hitting:
                continue
            spread = rng.choice([1.0, 4.0])
            jolt_rows += [
                {"trip_key": key, "east": x + dx + rng.normal(0, spread),
                 "north": y + rng.normal(0, spread), "seq": 100 * k + i,
                 "heading_deg": turned, "t_utc_ns": t_ns + 10**9,
                 "pos_err_m": rng.choice([2.0, 4.0, 12.0, 24.0]),
                 "speed_ms": rng.choice([5.0, 11.0, 20.0, np.nan]),
                 "peak_ms2": rng.uniform(2, 12), "score": rng.uniform(2, 12),
                 "weight": 1.0 - 0.5 * (n % 2), **random_likelihoods(rng, kind)}
                for i, dx in enumerate(chain)
            ]  # fmt: skip
        if kind is not None:
            dx, dy = rng.normal(0, 12, 2)
            line = [x - 30, x + 30] if kind == "rail" else [x + dx]
            obstacles.append(
                obstacle(line, [y + dy] * len(line), kind=kind, name=f"o{k:03}", at=at)
            )
    devices = [None if d < 3 else f"phone {d}" for d in rng.integers(0, 15, len(keys))]
    every = TRIPS.build(
        {
            "trip_key": keys,
            "device": devices,
            "dated": rng.uniform(size=len(keys)) < 0.8,
            "synthetic": rng.uniform(size=len(keys)) < 0.2,
        }
    )
    return Region(
        jolts(at=at, **_columns(jolt_rows)),
        _passes(at, **_columns(pass_rows)),
        every,
        pd.concat(obstacles).reset_index(drop=True),
    )


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    table = pd.DataFrame(rows).rename(columns={"east": "east_m", "north": "north_m"})
    return {name: table[name].to_numpy() for name in table}


def _passes(at: tuple[float, float], east_m: Any, north_m: Any, **columns: Any) -> pd.DataFrame:
    bins = bin_of(*from_local_m(east_m, north_m, lat0_deg=at[0], lon0_deg=at[1]))
    return PASSES.build({"bin": bins, "speed_ms": np.full(len(bins), 11.0), **columns})


def _drive(bins: int, *, seed: list[int]) -> tuple[Any, Any]:
    """How a car shook in each bin and where it ran; at times, as in a store of old, unknown."""
    rng = np.random.default_rng(seed)
    aside = rng.normal(0, 5) + rng.normal(0, 1, bins)
    return rng.lognormal(-1, 0.4, bins), np.where(rng.uniform() < 0.1, np.nan, aside)


def random_likelihoods(rng: np.random.Generator, kind: str | None) -> dict[str, float]:
    """Any probabilities; at a thing of some kind mostly of its class."""
    p = rng.dirichlet(np.full(len(CLASSES), 0.6))
    if kind is not None:
        p = 0.1 * p + 0.9 * np.array([c == OBSTACLE_CLASS[kind] for c in CLASSES])
    return dict(zip(P_COLUMNS, p.tolist(), strict=True))
