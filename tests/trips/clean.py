"""How many clean trips are refused, in two ways: ``python -m tests.trips.clean town 1000 12``.

``town`` drives the simulator's cars, phones and roads; ``plain`` makes cheap drives without it,
over all loggers, platforms, rates, mounts and speeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from streetbump.config import shipped_settings
from streetbump.model import STANDARD_GRAVITY_MS2, Rejected
from streetbump.simulate.town import drive_outing, named_town, plan_outings
from streetbump.simulate.writers import RUNS_ON, WRITERS, About, write
from streetbump.trips.door import admit

from .kit import KEY, read_all

RATES_HZ = (5.0, 10.0, 20.0, 25.0, 50.0, 100.0)
ZONE = "America/New_York"
_CASES = [(logger, platform) for logger in sorted(WRITERS) for platform in sorted(RUNS_ON[logger])]


def refusals(*, trips: int, seed: int, minutes: float) -> tuple[list[str], int]:
    """What was refused of trips of the town, logger by logger in turn, in words; and their number.

    A drive that turns back so that it never leaves the surroundings of its ends is TOO_SHORT
    and rightly so: it is not counted as refused.
    """
    town = named_town("small", seed=1)
    outings = plan_outings(town, trips=trips, seed=seed, minutes=minutes)
    found: list[str] = []
    for k, outing in enumerate(outings):
        logger = sorted(WRITERS)[k % len(WRITERS)]
        about = About("phone", outing.start_utc_s, min(RUNS_ON[logger]), ZONE)
        data = write(drive_outing(town, outing, seed=seed), about=about, logger=logger)
        found += _wrongs(data, f"{logger} {k}")
    return found, len(outings)


def plain_refusals(*, trips: int, seed: int) -> list[str]:
    """What was refused of so many cheap drives, in words."""
    found: list[str] = []
    for k in range(trips):
        rng = np.random.default_rng([seed, k])
        logger, platform = _CASES[k % len(_CASES)]
        rate_hz = RATES_HZ[k // len(_CASES) % len(RATES_HZ)]
        about = About("phone", 1.7e9 + k * 3600.0, platform, ZONE)
        data = write(plain_drive(rng, rate_hz=rate_hz), about=about, logger=logger)
        found += _wrongs(data, f"{logger} {platform} {rate_hz:g} Hz {k}")
    return found


def _wrongs(data: bytes, what: str) -> Iterator[str]:
    """Why a clean trip was refused, or what was done to it without need."""
    (got,) = read_all(data, tz=ZONE, date=None, local=True)
    if not isinstance(got, Rejected):
        yield from (
            f"{what}: {w}" for w in got.warnings if "one clock" in w or "CLIPPED" in w
        )  # fmt: skip
        got = admit(got, key=KEY, settings=shipped_settings().door)
    if isinstance(got, Rejected) and got.reason.value != "TOO_SHORT":
        yield f"{what}: {got.reason} {got.hint}"


@dataclass(frozen=True, eq=False)
class Fixes:
    """One fix a second, as the writers take them."""

    t_s: np.ndarray
    lat_deg: np.ndarray
    lon_deg: np.ndarray
    speed_ms: np.ndarray
    heading_deg: np.ndarray
    accuracy_m: np.ndarray


@dataclass(frozen=True, eq=False)
class Recorded:
    """A drive, as the writers take it."""

    t_s: np.ndarray
    acc_ms2: np.ndarray
    gravity_ms2: np.ndarray
    fixes: Fixes


def plain_drive(rng: np.random.Generator, *, rate_hz: float) -> Recorded:
    """Some three minutes through streets: stops, turns, a rough road, a phone lying anyhow.

    Its speed wanders between 0 and 30 m/s; fixes are a second late and off by metres.
    """
    length_s = float(rng.uniform(150, 190))
    t = np.arange(0, length_s, 1 / rate_hz)
    t = t + rng.uniform(0, 0.3 / rate_hz, len(t))
    at = np.arange(rng.uniform(0, 1), length_s, 1.0)
    knots = np.arange(0, length_s + 20, 10.0)
    speeds = np.clip(rng.normal(12, 6, len(knots)), 0, 30)
    course = np.cumsum(rng.choice((0, 0, 0, 30, -30), len(knots))) + rng.uniform(0, 360)
    grid = np.arange(-5, length_s + 5, 0.1)
    speed = np.interp(grid, knots, speeds)
    turn = np.radians(np.interp(grid, knots, course))
    north, east = np.cumsum(speed * np.cos(turn)) / 10, np.cumsum(speed * np.sin(turn)) / 10
    lat0, lon0 = rng.uniform(-60, 60), rng.uniform(-179, 179)
    then = at - rng.uniform(0.3, 1.3)
    off = rng.normal(0, rng.uniform(0.5, 4), (2, len(at)))
    lat = lat0 + (np.interp(then, grid, north) + off[0]) / 111_195
    lon = lon0 + (np.interp(then, grid, east) + off[1]) / 111_195 / np.cos(np.radians(lat0))
    fixes = Fixes(
        at, lat, lon, np.interp(then, grid, speed),
        np.degrees(np.interp(then, grid, turn)) % 359.9, np.full(len(at), rng.uniform(3, 12)),
    )  # fmt: skip
    mount, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    rough = 0.15 + rng.uniform(0.02, 0.15) * np.interp(t, grid, speed)
    shake = rng.normal(0, 1, (len(t), 3)) * rough[:, None]
    shake[:, 0] += np.interp(t, grid, np.gradient(speed, 0.1))
    gravity = np.tile(mount @ (0, 0, STANDARD_GRAVITY_MS2), (len(t), 1))
    return Recorded(t, gravity + shake @ mount.T, gravity, fixes)


if __name__ == "__main__":
    kind, many, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if kind == "town":
        refused, made = refusals(trips=many, seed=seed, minutes=5.0)
    else:
        refused, made = plain_refusals(trips=many, seed=seed), many
    sys.stdout.write("\n".join([*refused, f"{len(refused)} of {made} trips refused"]) + "\n")
