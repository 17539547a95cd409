"""What must make no difference to what is heard of a drive, on simulated drives of many phones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from streetbump.model import P_COLUMNS, UNKNOWN, Gravity, TimeBasis, Trip
from streetbump.simulate.town import Town, drive_outing, named_town, plan_outings
from streetbump.trips.canonical import quantise_acc

START_NS = 1_772_000_000_000_000_000  # in February 2026
DRIVES = 16
SEED = 11


def in_canonical_form(town: Town, seed: int) -> list[Trip]:
    """Some drives of the hard town, with and without gravity, whatever phones its people have."""
    trips = []
    for k, outing in enumerate(plan_outings(town, trips=DRIVES, seed=seed, minutes=5.0)):
        drive = drive_outing(town, outing, seed=seed)
        t_ns, fix_ns = (np.rint(t * 1e9).astype(np.int64) for t in (drive.t_s, drive.fixes.t_s))
        keep, new = (np.diff(t, prepend=t[0] - 1) > 0 for t in (t_ns, fix_ns))
        fixes = drive.fixes
        removed = k % 4 == 3
        acc = drive.acc_ms2 - (drive.gravity_ms2 if removed else 0.0)
        known = np.isfinite(fixes.speed_ms)
        whole = {
            "lat_e7": fixes.lat_deg * 1e7,
            "lon_e7": fixes.lon_deg * 1e7,
            "speed_mms": np.where(known, fixes.speed_ms * 1e3, UNKNOWN),
            "heading_cdeg": np.full(len(fix_ns), UNKNOWN),
            "accuracy_mm": fixes.accuracy_m * 1e3,
        }
        trips.append(
            Trip(
                "00" * 32, f"{k:02x}" * 32, "simulated", START_NS + t_ns[keep],
                quantise_acc(acc[keep]), START_NS + fix_ns[new], origin_ns=START_NS + int(t_ns[0]),
                gravity=Gravity.REMOVED if removed else Gravity.KEPT,
                time_basis=TimeBasis.ABSOLUTE,
                **{name: np.rint(v[new]).astype(np.int32) for name, v in whole.items()},
            )
        )  # fmt: skip
    return trips


@pytest.fixture(scope="module")
def drives(found) -> list[tuple[Trip, pd.DataFrame]]:
    """Drives and what is heard in them as they are."""
    return [(t, found(t).bumps) for t in in_canonical_form(named_town("hard", seed=SEED), SEED)]


def turned(trip: Trip) -> Trip:
    turn = Rotation.random(rng=np.random.default_rng(trip.acc.size)).as_matrix()
    return replace(trip, acc=np.rint(trip.acc @ turn.T).astype(np.int32))


def mirrored(trip: Trip) -> Trip:
    return replace(trip, acc=trip.acc * np.array([-1, 1, 1], np.int32))


def later(trip: Trip) -> Trip:
    by = 86_400_123_456_789
    return replace(trip, t_ns=trip.t_ns + by, fix_t_ns=trip.fix_t_ns + by)


def silent(trip: Trip, *, before: bool, located: bool) -> Trip:
    """An hour at a stand, with the noise of a sensor, with or without fixes."""
    end = slice(None, 50) if before else slice(-50, None)
    step = round(1e9 / trip.rate_hz)
    n = 3_600_000_000_000 // step
    rest = np.median(trip.acc[end], axis=0) + np.random.default_rng(1).normal(0, 200, (n, 3))
    t_ns = trip.t_ns[0] - step * np.arange(n, 0, -1)
    fix_ns = trip.t_ns[0] - 1_000_000_000 * np.arange(3600, 0, -1)
    if not before:
        t_ns = trip.t_ns[-1] + step * np.arange(1, n + 1)
        fix_ns = max(trip.t_ns[-1], trip.fix_t_ns[-1]) + 1_000_000_000 * np.arange(1, 3601)

    def joined(more: np.ndarray, own: np.ndarray) -> np.ndarray:
        return np.concatenate((more, own) if before else (own, more)).astype(own.dtype)

    quiet = replace(trip, t_ns=joined(t_ns, trip.t_ns), acc=joined(np.rint(rest), trip.acc))
    if not located:
        return quiet
    at = 0 if before else -1
    still = {
        "lat_e7": trip.lat_e7[at], "lon_e7": trip.lon_e7[at], "speed_mms": 0,
        "heading_cdeg": UNKNOWN, "accuracy_mm": 5000,
    }  # fmt: skip
    fixes = {k: joined(np.full(3600, v), getattr(trip, k)) for k, v in still.items()}
    return replace(quiet, fix_t_ns=joined(fix_ns, trip.fix_t_ns), **fixes)


SAME: dict[str, Callable[[Trip], Trip]] = {
    "the phone turned": turned,
    "left and right swapped": mirrored,
    "another day": later,
    "an hour parked before": lambda t: silent(t, before=True, located=True),
    "an hour parked after": lambda t: silent(t, before=False, located=True),
    "an hour parked before, no fixes": lambda t: silent(t, before=True, located=False),
    "an hour parked after, no fixes": lambda t: silent(t, before=False, located=False),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME.keys())
def test_nothing_about_the_road_has_changed(drives, found, shipped, change):
    """As many jolts, at the same moments, as strong, and 99 % of them of the same class."""
    moments = classes = 0
    for trip, bumps in drives:
        changed = change(trip)
        again = found(changed).bumps
        one, other = (b[b["score"] >= shipped.report_score] for b in (bumps, again))
        assert len(one) == len(other)
        by_ns = int(changed.t_ns[-1] - trip.t_ns[-1]) if len(changed.t_ns) == len(trip.t_ns) else 0
        apart_ns = other["t_utc_ns"].to_numpy() - one["t_utc_ns"].to_numpy() - by_ns
        assert np.abs(apart_ns).max(initial=0) <= 20_000_000
        assert other["peak_ms2"].to_numpy() == pytest.approx(
            one["peak_ms2"].to_numpy(), rel=0.02, abs=0
        )
        a, b = (t[list(P_COLUMNS)].to_numpy().argmax(axis=1) for t in (one, other))
        moments += len(one)
        classes += int((a == b).sum())
    assert moments >= 100
    assert classes >= 0.99 * moments


def every_other(trip: Trip) -> Trip:
    return replace(trip, t_ns=trip.t_ns[::2], acc=trip.acc[::2])


def halved(trip: Trip) -> Trip:
    n = len(trip.t_ns) // 2 * 2
    mean = np.rint((trip.acc[:n:2] + trip.acc[1:n:2]) / 2).astype(np.int32)
    return replace(trip, t_ns=(trip.t_ns[:n:2] + trip.t_ns[1:n:2]) // 2, acc=mean)


def thinned(trip: Trip) -> Trip:
    keep = np.random.default_rng(3).random(len(trip.t_ns)) >= 0.01
    return replace(trip, t_ns=trip.t_ns[keep], acc=trip.acc[keep])


ALIKE: dict[str, tuple[Callable[[Trip], Trip], float]] = {
    "every other sample": (every_other, 90.0),
    "pairs of samples averaged": (halved, 90.0),
    "one in a hundred lost": (thinned, 0.0),
}


@pytest.mark.parametrize(("change", "from_hz"), ALIKE.values(), ids=ALIKE.keys())
def test_fewer_samples_tell_nearly_the_same(drives, found, shipped, change, from_hz):
    """At least 95 % of the jolts have one within half a second among the others, both ways."""
    matched = every = 0
    for trip, bumps in drives:
        if trip.rate_hz < from_hz:
            continue
        other = found(change(trip)).bumps
        for a, b in ((bumps, other), (other, bumps)):
            sure = a.loc[a["score"] >= shipped.report_score, "t_utc_ns"].to_numpy()
            apart_ns = np.abs(sure[:, None] - b["t_utc_ns"].to_numpy())
            matched += int((apart_ns.min(axis=1, initial=2**62) <= 500_000_000).sum())
            every += len(sure)
    assert every >= 50
    assert matched >= 0.95 * every


# ------------------------------------------------------------------------------- manoeuvres


def swing(t_s: np.ndarray, begin_s: float, rise_s: float, hold_s: float, size: float) -> np.ndarray:
    """An acceleration that grows, stays and goes, with the least jerk (Flash and Hogan 1985)."""

    def step(at_s: float) -> np.ndarray:
        u = np.clip((t_s - at_s) / rise_s, 0, 1)
        return u**3 * (10 - 15 * u + 6 * u**2)

    return size * (step(begin_s) - step(begin_s + rise_s + hold_s))


def roundabout(t_s: np.ndarray, at_s: float) -> np.ndarray:
    parts = ((0.0, 0.8, 1.0, -4.0), (2.0, 1.0, 4.0, 4.5), (7.5, 0.8, 1.0, -4.0))
    return sum(swing(t_s, at_s + a, rise, hold, size) for a, rise, hold, size in parts)


def lane_change(t_s: np.ndarray, at_s: float) -> np.ndarray:
    u = np.clip((t_s - at_s) / 2.0, 0, 1)
    return 2.5 * np.sin(2 * np.pi * u)


MANOEUVRES: dict[str, tuple[int, Callable[[np.ndarray, float], np.ndarray]]] = {
    "braking": (1, lambda t, at: swing(t, at, 0.4, 3.0, -4.0)),
    "hard braking": (1, lambda t, at: swing(t, at, 1.0, 2.0, -6.0)),
    "pulling away": (1, lambda t, at: swing(t, at, 0.6, 3.0, 3.0)),
    "a turn": (0, lambda t, at: swing(t, at, 1.2, 3.0, 4.0)),
    "a lane change": (0, lane_change),
    "a roundabout": (0, roundabout),
}
"""Name → axis (0 right, 1 forward) and acceleration."""
PITCH_DEG, ROLL_DEG = 1.0, 0.6
"""How far a soft car leans per m/s²."""


@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 50.0, 100.0])
@pytest.mark.parametrize(("axis", "push"), MANOEUVRES.values(), ids=MANOEUVRES.keys())
def test_manoeuvres_are_no_jolts(made, found, shipped, axis, push, rate_hz):
    """A car that brakes, turns, changes lanes or drives round feels no jolt to report."""
    trip = made(seconds=140, rate_hz=rate_hz, noise_ms2=0.15, speed_ms=12.0)
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    pushed = np.zeros((len(t_s), 3))
    pushed[:, axis] = sum(push(t_s, at) for at in (20.0, 45.3, 70.7, 95.1, 115.9))
    lean = np.radians(pushed[:, [1, 0]] * [-PITCH_DEG, ROLL_DEG])
    felt = Rotation.from_euler("xy", lean).apply(trip.acc * 1e-4 + pushed)
    bumps = found(replace(trip, acc=quantise_acc(felt))).bumps
    assert (bumps["score"] < shipped.report_score).all()
