"""What the tests of this room share: made-up trips whose jolts are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from streetbump.config import DetectSettings, shipped_settings
from streetbump.detect import detect
from streetbump.detect.classify import load_model
from streetbump.detect.signal import Signal
from streetbump.geo import from_local_m, to_e7
from streetbump.model import (
    ACC_LSB_MS2,
    STANDARD_GRAVITY_MS2,
    UNKNOWN,
    Detection,
    Gravity,
    TimeBasis,
    Trip,
)

START_NS = 1_772_000_000_000_000_000  # in February 2026


def pulse(t_s: np.ndarray, at_s: float, *, peak: float = 8.0, hz: float = 8.0) -> np.ndarray:
    """A swing that has its peak at `at_s` and dies away to either side."""
    apart = t_s - at_s
    return peak * np.exp(-np.abs(apart) / 0.08) * np.cos(2 * np.pi * hz * apart)


def make_trip(
    pulses: Sequence[float] = (), *, seconds: float = 60.0, rate_hz: float = 50.0,
    noise_ms2: float = 0.02, peak: float = 8.0, speed_ms: float = 10.0, heading_deg: float = 0.0,
    start: tuple[float, float] = (12.0, -150.0), fix_hz: float = 1.0, said_speed: bool = True,
    accuracy_m: float | None = 5.0, turn: np.ndarray | None = None,
    gravity: Gravity = Gravity.KEPT, still_s: tuple[float, float] = (0.0, 0.0), seed: int = 1,
) -> Trip:  # fmt: skip
    """A straight drive with decaying pulses at the given seconds.

    `turn` is a rotation matrix of the phone; within `still_s` the car stands.
    """
    n = round(seconds * rate_hz) + 1
    t_s = np.arange(n) / rate_hz
    up = sum((pulse(t_s, at, peak=peak) for at in pulses), np.zeros(n))
    acc = np.random.default_rng(seed).normal(0, noise_ms2, (n, 3))
    acc[:, 2] += up + (STANDARD_GRAVITY_MS2 if gravity is Gravity.KEPT else 0.0)
    acc = acc @ (np.eye(3) if turn is None else turn).T
    fix_s = np.arange(round(seconds * fix_hz) + 1) / fix_hz
    driven_s = fix_s - np.clip(fix_s - still_s[0], 0.0, still_s[1] - still_s[0])
    along = speed_ms * driven_s
    lat, lon = from_local_m(
        along * np.sin(np.radians(heading_deg)), along * np.cos(np.radians(heading_deg)),
        lat0_deg=start[0], lon0_deg=start[1],
    )  # fmt: skip
    stands = (fix_s >= still_s[0]) & (fix_s < still_s[1])
    said = np.where(stands, 0.0, speed_ms) * 1e3 if said_speed else np.full(len(fix_s), UNKNOWN)
    told = UNKNOWN if accuracy_m is None else accuracy_m * 1e3
    m = len(fix_s)
    return Trip(
        upload_id="00" * 32, trip_id="ab" * 32, format="made up",
        t_ns=START_NS + np.rint(t_s * 1e9).astype(np.int64),
        acc=np.rint(acc / ACC_LSB_MS2).astype(np.int32),
        fix_t_ns=START_NS + np.rint(fix_s * 1e9).astype(np.int64),
        lat_e7=to_e7(lat).astype(np.int32), lon_e7=to_e7(lon).astype(np.int32),
        speed_mms=said.astype(np.int32), heading_cdeg=np.full(m, UNKNOWN, np.int32),
        accuracy_mm=np.full(m, told, np.int32), origin_ns=START_NS, gravity=gravity,
        time_basis=TimeBasis.ABSOLUTE,
    )  # fmt: skip


@pytest.fixture(scope="session")
def made() -> Callable[..., Trip]:
    """Make up a trip: see ``make_trip``."""
    return make_trip


@pytest.fixture(scope="session")
def shipped() -> DetectSettings:
    return shipped_settings().detect


@pytest.fixture(scope="session")
def found(shipped: DetectSettings) -> Callable[[Trip], Detection]:
    """What ``detect`` finds in a trip with the shipped settings and model."""
    return lambda trip: detect(trip, settings=shipped, model=load_model())


@pytest.fixture(scope="session")
def series() -> Callable[..., Signal]:
    """A signal of the given vertical accelerations, m/s²."""

    def make(vertical: Sequence[float], rate_hz: float = 50.0) -> Signal:
        z = np.asarray(vertical, float)
        t_ns = START_NS + np.rint(np.arange(len(z)) / rate_hz * 1e9).astype(np.int64)
        axes = np.column_stack((0 * z, 0 * z, z + STANDARD_GRAVITY_MS2))
        return Signal(t_ns, z, axes, np.ones(len(z), np.bool_), rate_hz)

    return make
