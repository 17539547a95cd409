#!/usr/bin/env python3
"""Hold the constants of the roughness index against simulated cars and recordings.

    STREETBUMP_DATA=FOLDER python scripts/calibrate_roughness.py

FOLDER holds ``saopaulo_physics_toolbox``. Prints what docs/roughness.md quotes: how shaking grows
with speed, how much cars differ on one street, and how honest the standard errors are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from streetbump.commands.inputs import TripOptions, read_trips
from streetbump.config import shipped_settings
from streetbump.detect.listen import Listening, listen
from streetbump.detect.passes import find_passes
from streetbump.detect.roughness import Levels, levels, overall
from streetbump.geo import heading_difference_deg
from streetbump.model import Floats, Trip
from streetbump.report.roughness import stretches
from streetbump.simulate.fleet import Device, random_device
from streetbump.simulate.roads import Edge, Network, way_along
from streetbump.simulate.surface import ISO_GD
from streetbump.simulate.trip import Scene, simulate_trip
from streetbump.simulate.writers import About, write
from streetbump.trips import read
from streetbump.trips.options import ReadOptions

SETTINGS = shipped_settings().detect
SPEEDS_MS = (4.0, 7.0, 10.0, 14.0, 20.0)
CARS = 40
LENGTH_M = 1200.0


def drive(device: Device, *, gd_m3: float, cruise_ms: float, seed: int) -> Trip:
    """A car's drive along a street; the surface is the same for all."""
    edge = Edge(0, 1, np.zeros(2), np.array([0.0, LENGTH_M]), cruise_ms=cruise_ms,
                gd_m3=(gd_m3, gd_m3))  # fmt: skip
    scene = Scene(Network(12.0, -150.0, (edge,)), (), seed=5)
    made = simulate_trip(
        scene, way_along(scene.network, [(0, "out")], start_m=10.0, end_m=LENGTH_M - 10),
        car=device.car, driver=device.driver, phone=device.phone, receiver=device.receiver,
        rng=np.random.default_rng([3, seed]),
    )  # fmt: skip
    about = About(device.name, 1_772_000_000.0 + 86_400 * seed, "android", "UTC")
    data = write(made, about=about, logger="plain-csv")
    found = read(data, name="x.csv", options=ReadOptions(), pseudonym=str)
    return next(row for row in found if isinstance(row, Trip))


def heard_levels(heard: Listening, *, corrected: bool) -> Levels:
    """Levels of the blocks of a drive, brought to the reference speed or as they were."""
    speed = heard.speed_ms if corrected else np.full(len(heard.speed_ms), np.nan)
    return levels(heard.signal, heard=heard.heard, speed_ms=speed)


def passes_of(trip: Trip, *, corrected: bool) -> pd.DataFrame:
    """``PASSES`` of a trip."""
    heard = listen(trip, settings=SETTINGS)
    return find_passes(
        trip, heard.track, heard_t_ns=heard.signal.t_ns, heard=heard.signal.usable,
        levels=heard_levels(heard, corrected=corrected), settings=SETTINGS,
    )  # fmt: skip


def fleet() -> list[Device]:
    """The cars, drivers and phones, always the same."""
    return [random_device(f"d{k}", home=0, rng=np.random.default_rng([9, k])) for k in range(CARS)]


def simulated_powers() -> Iterator[float]:
    """Power of speed that the uncorrected level follows, for each car."""
    for k, device in enumerate(fleet()[:12]):
        found = []
        for speed in SPEEDS_MS:
            trip = drive(device, gd_m3=ISO_GD["B"], cruise_ms=speed, seed=k)
            heard = listen(trip, settings=SETTINGS)
            usual = float(np.nanmedian(heard.speed_ms[heard.heard]))
            found.append((usual, overall(heard_levels(heard, corrected=False))))
        log = np.log(np.array(found))
        yield float(np.polyfit(log[:, 0], log[:, 1], 1)[0])


def recorded_pairs(root: Path) -> tuple[Floats, Floats]:
    """Log ratios of speed and of uncorrected level, where two runs passed one bin in one way."""
    options = TripOptions(date="2018-10-07", tz="America/Sao_Paulo")
    runs = read_trips([str(root / "saopaulo_physics_toolbox" / "runs")], options, stdin=bytes)
    tables = [passes_of(trip, corrected=False) for _, trip in runs if isinstance(trip, Trip)]
    every = pd.concat(tables).dropna(subset=["roughness_ms2"])
    pair = every.merge(every, on="bin", suffixes=("", "_b"))
    same = heading_difference_deg(pair["heading_deg"].to_numpy(), pair["heading_deg_b"].to_numpy())
    pair = pair[(pair["trip_key"] < pair["trip_key_b"]) & (same < 45)]
    ratio = {n: np.log(pair[n] / pair[f"{n}_b"]).to_numpy() for n in ("speed_ms", "roughness_ms2")}
    return ratio["speed_ms"], ratio["roughness_ms2"]


def slope(x: Floats, y: Floats) -> str:
    """Slope through the origin with a 95 % interval, drawing pairs."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, len(x), (2000, len(x)))
    lo, hi = np.percentile((x[drawn] * y[drawn]).sum(1) / (x[drawn] ** 2).sum(1), (2.5, 97.5))
    return f"{(x * y).sum() / (x * x).sum():.2f} [{lo:.2f}, {hi:.2f}] (n = {len(x)} pairs)"


def between_cars() -> None:
    """Errors of stretches seen by some cars, held against what the whole fleet says."""
    tables = []
    for j, road in enumerate("ABC"):
        for k, device in enumerate(fleet()):
            trip = drive(device, gd_m3=ISO_GD[road], cruise_ms=11.0, seed=CARS * j + k)
            tables.append(passes_of(trip, corrected=True).assign(car=k, road=road))
    every = pd.concat(tables).dropna(subset=["roughness_ms2"])
    seen = every.groupby(["road", "bin"])
    busy = every[seen["car"].transform("nunique") >= 25]
    own = np.sqrt((busy["roughness_err_ms2"] ** 2).groupby([busy["road"], busy["bin"]]).mean())
    by = busy.groupby(["road", "bin"])["roughness_ms2"].agg(["mean", "std"])
    net = np.sqrt(np.maximum(by["std"] ** 2 - own**2, 0)) / by["mean"]
    print(f"spread between cars, net of own errors: {net.median():.2f} (n = {len(by)} bins)")
    medians = busy.pivot_table(
        index="car", columns="road", values="roughness_ms2", aggfunc="median"
    )
    medians = medians.dropna()
    order = (medians["A"] < medians["B"]) & (medians["B"] < medians["C"])
    print("median index on A, B, C:", medians.median().round(2).tolist())
    print(f"cars that rank A < B < C: {order.sum()} of {len(order)}")
    for n in (1, 2, 4, 8, 16):
        print(f"{n:2d} cars:", *coverage(busy, n))


def coverage(busy: pd.DataFrame, n: int) -> tuple[str, str, str]:
    """How often what `n` cars say of a stretch lies within its error of what all say."""
    held, error = [], []
    for draw in range(60):
        chosen = np.random.default_rng([n, draw]).permutation(CARS)[:n]
        for road, part in busy[busy["car"].isin(chosen)].groupby("road"):
            truth = busy[busy["road"] == road].groupby("bin")["roughness_ms2"].mean()
            for bin_, rows in part.groupby("bin"):
                table = stretches(rows[list(rows.columns[:-2])], np.ones(len(rows), np.bool_))
                table = table[table["n_trips"] == n]
                apart = (table["roughness_ms2"] - truth[bin_]).abs()
                held += (apart < table["roughness_err_ms2"]).tolist()
                error += (table["roughness_err_ms2"] / table["roughness_ms2"]).tolist()
    return f"{np.mean(held):.2f} within,", f"error {np.median(error):.2f} of it,", f"n={len(held)}"


def main() -> None:
    """Print everything."""
    powers = np.array(list(simulated_powers()))
    print(f"power of speed, simulated: {powers.mean():.2f} ± {powers.std():.2f} (class B)")
    recorded = recorded_pairs(Path(os.environ["STREETBUMP_DATA"]))
    print("power of speed, São Paulo:", slope(*recorded))
    between_cars()


if __name__ == "__main__":
    main()
