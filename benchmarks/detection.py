"""Detection against parsing: what arrays, and what bytes → jolts cost beside reading the same CSV.

    python -m benchmarks.detection [--minutes 30] [--rate-hz 100] [--rounds 30]

One simulated drive through the hard town is written as plain CSV, once with three decimals and once
with all digits of a double, as many loggers do. The peers are the C parser of pandas and pyarrow's
reader with one thread, both of which only make columns of numbers of it.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from benchmarks.paired import Ratio, ratio, rounds
from streetbump.config import shipped_settings
from streetbump.detect import detect
from streetbump.detect.classify import load_model
from streetbump.model import Trip
from streetbump.simulate.roads import random_legs, way_along
from streetbump.simulate.town import MEAN_SPEED_MS, named_town
from streetbump.simulate.trip import simulate_trip
from streetbump.simulate.writers import write
from streetbump.simulate.writers.rows import About
from streetbump.trips import ReadOptions, read

PEERS = ("pandas", "pyarrow")


def made_csv(*, minutes: float, rate_hz: float, seed: int = 1) -> bytes:
    """A drive of about so many minutes through the hard town, as plain CSV."""
    town = named_town("hard", seed=seed)
    rng = np.random.default_rng(seed)
    device = town.fleet[0]
    length_m = minutes * 60 * MEAN_SPEED_MS
    network = town.scene.network
    legs = random_legs(network, start=device.home, length_m=length_m, rng=rng)
    phone = replace(device.phone_for(60 * minutes, rng=rng), rate_hz=rate_hz, events=(), batch=1)
    trip = simulate_trip(
        town.scene, way_along(network, legs, start_m=10.0), car=device.car, driver=device.driver,
        phone=phone, receiver=device.receiver, rng=rng,
    )  # fmt: skip
    about = About(device="bench", start_utc_s=1.772e9, platform="android", tz="UTC")
    return write(trip, about=about, logger="plain-csv")


def with_all_digits(data: bytes, *, seed: int = 1) -> bytes:
    """The same drive with what three decimals had rounded off made up, in all digits."""
    begin = data.index(b"\nt,") + 1
    table = pd.read_csv(io.BytesIO(data[begin:]))
    axes = ["ax", "ay", "az"]
    table[axes] += np.random.default_rng(seed).uniform(-5e-4, 5e-4, (len(table), 3))
    return data[:begin] + table.to_csv(index=False).encode()


def things(data: bytes) -> dict[str, Callable[[], object]]:
    """What is timed, by name."""
    body = data[data.index(b"\nt,") + 1 :]
    one = pa.csv.ReadOptions(use_threads=False)
    settings, model = shipped_settings().detect, load_model()

    def trip_of() -> Trip:
        (trip,) = read(data, name="", options=ReadOptions(), pseudonym=str)
        return trip

    trip = trip_of()
    return {
        "pandas": lambda: pd.read_csv(io.BytesIO(body)),
        "pyarrow": lambda: pa.csv.read_csv(io.BytesIO(body), read_options=one),
        # A copy, as its rate is worked out once and kept.
        "detection": lambda: detect(replace(trip), settings=settings, model=model),
        "bytes to jolts": lambda: detect(trip_of(), settings=settings, model=model),
    }


def measured(data: bytes, *, count: int) -> tuple[str, dict[str, Ratio]]:
    """The faster peer, and what ours costs as a multiple of it."""
    spent = rounds(things(data), count=count)
    peer = min(PEERS, key=lambda name: float(np.median(spent[name])))
    return peer, {k: ratio(v, spent[peer]) for k, v in spent.items() if k not in PEERS}


def report(data: bytes, *, count: int) -> list[str]:
    """The drive, and a line for each ratio: median, 90 % interval, rounds."""
    (trip,) = read(data, name="", options=ReadOptions(), pseudonym=str)
    found = detect(trip, settings=shipped_settings().detect, model=load_model())
    peer, ratios = measured(data, count=count)
    return [
        f"{len(trip.t_ns)} samples, {len(data) / 1e6:.1f} MB, {len(found.bumps)} candidates",
        *(f"{name}: {value} times {peer}, n = {count}" for name, value in ratios.items()),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate-hz", type=float, default=100.0)
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args(arguments)
    data = made_csv(minutes=args.minutes, rate_hz=args.rate_hz)
    for name, each in (("three decimals", data), ("all digits", with_all_digits(data))):
        for line in report(each, count=args.rounds):
            print(f"{name}: {line}")


if __name__ == "__main__":
    main()
