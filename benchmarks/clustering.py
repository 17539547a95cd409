"""Clustering beside two DBSCANs: scikit-learn's, and the parallel C++ package `dbscan`.

    python -m benchmarks.clustering [--sizes 100000 1000000] [--rounds 5] [--growth-only]

The jolts of a made city at one density per km², whatever their number: streets every 100 m, three
jolts of five at places that some cars feel more often than others, the others anywhere along the
streets. The peers get the same points as plain coordinates in metres: they know neither headings
nor trips, and what they do is less.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from benchmarks.paired import Ratio, ratio, rounds
from streetbump import cluster
from streetbump.config import shipped_settings
from streetbump.geo import from_local_m
from streetbump.model import BUMPS, CLASSES, Floats

PER_KM2 = 8000
"""A million jolts in a city of Boston's 125 km² of land."""
STREETS_M = 100.0
PLACES_PER_KM2 = 400
AT_PLACES = 0.6
SCATTER_M = 4.0
JOLTS_PER_TRIP = 55
"""As in the corpus of 2012: some 40,000 of 724 trips."""
BOSTON = (42.36, -71.06)

SETTINGS = shipped_settings().cluster
OURS, PACKAGE, SCIKIT = "streetbump", "dbscan", "scikit-learn"
WANTED = {PACKAGE: 2.0, SCIKIT: 0.2}
"""At most so many times what the peer takes."""
GROWTH = 1.1
"""Time may grow with the number of jolts to this power."""


def made_city(n: int, *, seed: int = 1) -> pd.DataFrame:
    """So many jolts (``BUMPS``) of a square city, in metres from its corner and in degrees."""
    rng = np.random.default_rng(seed)
    side_m = 1000 * np.sqrt(n / PER_KM2)
    places = max(1, round(PLACES_PER_KM2 * n / PER_KM2))
    felt = rng.lognormal(0, 1, places)
    place = rng.choice(places, n, p=felt / felt.sum())
    at_place = rng.uniform(size=n) < AT_PLACES
    across = rng.integers(0, max(1, round(side_m / STREETS_M)), places + n) * STREETS_M
    along, goes_north = rng.uniform(0, side_m, places + n), rng.uniform(size=places + n) < 0.5
    row = np.where(at_place, place, places + np.arange(n))
    east = np.where(goes_north, across, along)[row] + rng.normal(0, SCATTER_M, n)
    north = np.where(goes_north, along, across)[row] + rng.normal(0, SCATTER_M, n)
    back = rng.integers(0, 2, n) * 180
    heading = (np.where(goes_north[row], 0, 90) + back + rng.normal(0, 5, n)) % 360
    lat, lon = from_local_m(east, north, lat0_deg=BOSTON[0], lon0_deg=BOSTON[1])
    values = {
        "trip_key": rng.integers(0, max(1, n // JOLTS_PER_TRIP), n), "seq": np.arange(n),
        "t_utc_ns": 1_773_600_000_000_000_000, "t_s": 100.0, "lat_deg": lat, "lon_deg": lon,
        "pos_err_m": SCATTER_M, "heading_deg": heading, "speed_ms": 11.0, "peak_ms2": 5.0,
        "energy_m2s3": 2.0, "duration_s": 0.2, "alone": True, "score": 8.0, "weight": 1.0,
        **{f"p_{c.value}": 1 / len(CLASSES) for c in CLASSES},
    }  # fmt: skip
    made = BUMPS.build({name: np.broadcast_to(values[name], n) for name in BUMPS.names})
    return made.sort_values(["trip_key", "seq"]).reset_index(drop=True)


def metres(jolts: pd.DataFrame) -> Floats:
    """The same points as the peers get them: east and north, (n, 2)."""
    from streetbump.geo import local_m

    lat, lon = jolts["lat_deg"].to_numpy(), jolts["lon_deg"].to_numpy()
    return np.column_stack(local_m(lat, lon, lat0_deg=BOSTON[0], lon0_deg=BOSTON[1]))


def ours(jolts: pd.DataFrame) -> object:
    """From a table of jolts to a label for each: what :func:`cluster.cluster_region` begins with.

    The seam that every version has, whatever its clusters are made of.
    """
    return cluster._label(jolts, settings=SETTINGS)


def peers(points: Floats) -> dict[str, Callable[[], object]]:
    """What is timed beside it; without the package `dbscan`, scikit-learn alone."""
    from sklearn.cluster import DBSCAN

    # Both with all the machine's cores, where they can use them.
    found: dict[str, Callable[[], object]] = {
        SCIKIT: lambda: DBSCAN(
            eps=SETTINGS.eps_m, min_samples=SETTINGS.core_trips, n_jobs=-1
        ).fit_predict(points)
    }
    if has_package():
        import dbscan

        found[PACKAGE] = lambda: dbscan.DBSCAN(
            points, eps=SETTINGS.eps_m, min_samples=SETTINGS.core_trips
        )
    return found


def has_package() -> bool:
    """Whether the C++ package is there."""
    return importlib.util.find_spec("dbscan") is not None


def both_clocks() -> Floats:
    """Seconds of the processor, of all threads together, and seconds on the wall."""
    return np.array([time.process_time(), time.perf_counter()])


CLOCKS = ("processor", "wall")


def beside_peers(n: int, *, count: int) -> dict[tuple[str, str], Ratio]:
    """What ours costs as a multiple of each peer, by clock."""
    jolts = made_city(n)
    things = {OURS: lambda: ours(jolts), **peers(metres(jolts))}
    spent = rounds(things, count=count, clock=both_clocks)
    return {
        (peer, clock): ratio(spent[OURS][:, k], spent[peer][:, k])
        for peer in things
        if peer != OURS
        for k, clock in enumerate(CLOCKS)
    }


def growth(sizes: Sequence[int], *, count: int) -> Ratio:
    """The power of n that time grows with between the least and the greatest size, by turns."""
    small, large = min(sizes), max(sizes)
    cities = {n: made_city(n) for n in (small, large)}
    spent = rounds({str(n): lambda n=n: ours(cities[n]) for n in cities}, count=count)
    times = ratio(spent[str(large)], spent[str(small)])
    power = np.log([times.value, times.low, times.high]) / np.log(large / small)
    return Ratio(*power.tolist())


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--growth-only", action="store_true")
    args = parser.parse_args(arguments)
    if not has_package():
        print("NOT MEASURED beside the C++ package: `pip install dbscan` and run it again")
    for n in [] if args.growth_only else args.sizes:
        for (peer, clock), found in beside_peers(n, count=args.rounds).items():
            told = f"wanted {WANTED[peer]:.1f}, n = {args.rounds}"
            print(f"{n} jolts, {clock}: {found} times {peer}, {told}")
    if min(args.sizes) < max(args.sizes):
        power = growth(args.sizes, count=args.rounds)
        print(f"time grows with n^{power}, wanted {GROWTH}, n = {args.rounds}")


if __name__ == "__main__":
    main()
