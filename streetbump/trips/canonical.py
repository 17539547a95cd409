"""SI drives → trips in canonical form 1: checked, quantised once, named by their content."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from streetbump.geo import to_e7
from streetbump.model import (
    ACC_LSB_MS2,
    STANDARD_GRAVITY_MS2,
    UNKNOWN,
    Bools,
    Floats,
    Gravity,
    Ints,
    Ints32,
    Reason,
    TimeBasis,
    Trip,
)
from streetbump.trips.clock import LONGEST_US
from streetbump.trips.drive import Drive, Fixes
from streetbump.trips.refusal import Refusal
from streetbump.trips.repair import increasing
from streetbump.trips.skew import correction_s, skew_of

ID_TAG = b"streetbump-trip-1"
"""What a trip's identity begins with: the version of the canonical form."""
MIN_SAMPLES = 3
GRAVITY_BAND_MS2 = 0.8
"""Around 9.81 m/s², where the median of |a| lies when gravity is kept (design 5)."""
GRAVITY_SAMPLES = 20_000
"""About so many samples, evenly spaced, settle the median of |a|. Chosen by us: to 0.01 m/s²."""
G_BAND = 0.08
"""Around 1, where it lies when the unit is g (docs/formats.md)."""
REMOVED_BELOW_MS2 = 2.0
"""Below this the median of |a| says that gravity was removed (design 5)."""
STEADY = 0.8
"""|mean a| over median |a|: near 1 when gravity in g is in the numbers, near 0 when it was
removed, which tells two files whose median is 1 apart. Chosen by us."""
SPIKE_MS2 = 1000.0
"""No phone's sensor reaches 100 g: such a sample is a fault."""
SPIKE_SHARE = 0.01
"""With more of them than this the sensor is not to be believed. Chosen by us."""
SLOW_HZ = 4.0
"""Below this a trip gives exposure only (design 5)."""
MAX_SPEED_MS = 1000.0
MAX_ACCURACY_M = 2e6  # fits 32 bits in mm; worse is no better known


def trip_of(drive: Drive, *, upload_id: str, device: str | None) -> Trip:
    """The trip that a drive is.

    Raises
    ------
    Refusal
        TOO_SHORT, TOO_LONG, SENSOR_DEAD, PHYSICS_ACCEL, UNIT, CLOCK_SKEW.

    >>> from streetbump.trips.drive import NO_FIXES
    >>> t = np.arange(4) * 10_000
    >>> a = np.array([[0, 0, 9.81], [0, 0, 9.7], [0, 0, 9.9], [0.1, 0, 9.8]])
    >>> drive = Drive("plain-csv", TimeBasis.RELATIVE, t, a, NO_FIXES)
    >>> trip = trip_of(drive, upload_id="", device=None)
    >>> trip.acc[0].tolist(), trip.gravity.value, trip.rate_hz
    ([0, 0, 98100], 'kept', 100.0)
    """
    t_us, acc_ms2, dropped = _without_spikes(drive.t_us, drive.acc_ms2)
    _refuse_short_or_long(t_us)
    t_us, acc_ms2, repaired = increasing(t_us, acc_ms2)
    _refuse_short_or_long(t_us)
    _refuse_dead(acc_ms2)
    acc_ms2, gravity, inferred = _settle_gravity(acc_ms2, drive.gravity)
    relative = drive.basis is TimeBasis.RELATIVE
    start_us = int(drive.t_us[0])
    zero_us = start_us if relative else 0
    t_ns = (t_us - zero_us) * 1000
    acc = quantise_acc(acc_ms2)
    set_right, shifted = _on_one_clock(drive.fixes, t_us, acc_ms2)
    fixes = _quantised(set_right, zero_us)
    trip = Trip(
        upload_id=upload_id,
        trip_id=trip_id_of(gravity, relative, (t_ns, acc, *fixes)),
        format=drive.format,
        t_ns=t_ns,
        acc=acc,
        fix_t_ns=fixes[0],
        lat_e7=fixes[1],
        lon_e7=fixes[2],
        speed_mms=fixes[3],
        heading_cdeg=fixes[4],
        accuracy_mm=fixes[5],
        origin_ns=(start_us - zero_us) * 1000,
        gravity=gravity,
        time_basis=drive.basis,
        device=device,
        synthetic=drive.synthetic,
        warnings=(*drive.warnings, *dropped, *repaired, *inferred, *shifted),
    )
    return _with_slowness(trip)


def _on_one_clock(fixes: Fixes, t_us: Ints, acc_ms2: Floats) -> tuple[Fixes, tuple[str, ...]]:
    """The fixes on the samples' clock, where the two clocks certainly disagree."""
    skew = skew_of(t_us, acc_ms2, fixes)
    if skew.drifts:
        raise Refusal(
            Reason.CLOCK_SKEW, "the clocks of positions and samples drift apart: record both with "
            "one app",
        )  # fmt: skip
    late_s = correction_s(skew)
    if late_s == 0:
        return fixes, ()
    said = f"positions were stamped {late_s:+.0f} s from the samples: set to one clock"
    return replace(fixes, t_us=fixes.t_us - round(late_s * 1e6)), (said,)


def quantise_acc(acc_ms2: Floats) -> Ints32:
    """Accelerations as whole 1e-4 m/s², same shape. NaN is not allowed.

    >>> quantise_acc(np.array([9.8066, -0.00004])).tolist()
    [98066, 0]
    """
    steps = acc_ms2 * round(1 / ACC_LSB_MS2)
    return np.rint(steps, out=steps).astype(np.int32)


def trip_id_of(gravity: Gravity, relative: bool, arrays: tuple[Ints | Ints32, ...]) -> str:
    """Identity of a trip's canonical content: 64 hex digits.

    Left out: device, gyro, format, warnings, the synthetic mark, so that the same drive exported
    twice, by whatever app, is one trip.

    >>> a = np.zeros(2, dtype=np.int64)
    >>> trip_id_of(Gravity.KEPT, False, (a,)) == trip_id_of(Gravity.KEPT, True, (a,))
    False
    """
    digest = hashlib.sha256(ID_TAG)
    digest.update(f"\0{gravity.value}\0{'relative' if relative else 'utc'}\0".encode())
    for a in arrays:  # seven arrays; the length first, so that no two lists of arrays run together
        digest.update(len(a).to_bytes(8, "little"))
        digest.update(np.ascontiguousarray(a, dtype=a.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def _without_spikes(t_us: Ints, acc_ms2: Floats) -> tuple[Ints, Floats, tuple[str, ...]]:
    if acc_ms2.size == 0 or (-acc_ms2.min() < SPIKE_MS2 and acc_ms2.max() < SPIKE_MS2):
        return t_us, acc_ms2, ()
    keep = (np.abs(acc_ms2) < SPIKE_MS2).all(axis=1)
    spikes = keep.size - int(np.count_nonzero(keep))
    if spikes > SPIKE_SHARE * keep.size:
        raise Refusal(
            Reason.PHYSICS_ACCEL, f"{spikes} samples exceed 100 g: wrong unit or a broken sensor"
        )
    return t_us[keep], acc_ms2[keep], (f"{spikes} samples above 100 g dropped",)


def _refuse_short_or_long(t_us: Ints) -> None:
    if t_us.size < MIN_SAMPLES:
        raise Refusal(
            Reason.TOO_SHORT, f"{t_us.size} usable samples, at least {MIN_SAMPLES} are needed"
        )
    if t_us[-1] - t_us[0] > LONGEST_US:
        raise Refusal(Reason.TOO_LONG, "more than 48 h in one recording: split it")


def _refuse_dead(acc_ms2: Floats) -> None:
    few = acc_ms2[:100]  # most sensors live, and these tell
    if (few == few[0]).all() and (acc_ms2 == acc_ms2[0]).all():
        raise Refusal(
            Reason.SENSOR_DEAD, "all samples are equal: the accelerometer did not work, or the "
            "logger repeated one reading",
        )  # fmt: skip


def _settle_gravity(
    acc_ms2: Floats, stated: Gravity | None
) -> tuple[Floats, Gravity, tuple[str, ...]]:
    """Accelerations in m/s² and whether gravity is in them, told from the median of |a|."""
    some = acc_ms2[:: len(acc_ms2) // GRAVITY_SAMPLES + 1]
    median = float(np.median(np.sqrt(np.einsum("ij,ij->i", some, some))))
    if abs(median - 1) <= G_BAND and stated is not Gravity.REMOVED and _steady(acc_ms2, median):
        said = (f"unit taken as g: the median of |a| is {median:.2f} and steady",)
        return acc_ms2 * STANDARD_GRAVITY_MS2, Gravity.KEPT, said
    found = _gravity_at(median)
    if stated is not None and stated is not found:
        raise Refusal(
            Reason.UNIT, f"gravity is said to be {stated.value}, but the median of |a| is "
            f"{median:.2f} m/s²: check the unit and the columns",
        )  # fmt: skip
    return acc_ms2, found, ()


def _steady(acc_ms2: Floats, median_ms2: float) -> bool:
    return float(np.linalg.norm(acc_ms2.mean(axis=0))) > STEADY * median_ms2


def _gravity_at(median_ms2: float) -> Gravity:
    if abs(median_ms2 - 9.81) <= GRAVITY_BAND_MS2:
        return Gravity.KEPT
    if median_ms2 < REMOVED_BELOW_MS2:
        return Gravity.REMOVED
    raise Refusal(
        Reason.UNIT,
        f"the median of |a| is {median_ms2:.2f}: it should be 9.81 ± 0.8 m/s² with gravity, below "
        "2 without; write m/s², or say the unit in --columns",
    )


def _with_slowness(trip: Trip) -> Trip:
    if trip.rate_hz >= SLOW_HZ:
        return trip
    said = f"{trip.rate_hz:.2g} samples a second: too sparse for waveforms, counts as exposure only"
    return replace(trip, warnings=(*trip.warnings, said))


def _quantised(fixes: Fixes, zero_us: int) -> tuple[Ints, Ints32, Ints32, Ints32, Ints32, Ints32]:
    fixes = fixes[_last_of_equal_times(fixes.t_us)]
    speed, accuracy = fixes.speed_ms, fixes.accuracy_m
    heading = fixes.heading_deg
    return (
        (fixes.t_us - zero_us) * 1000,
        to_e7(fixes.lat_deg).astype(np.int32),
        to_e7(fixes.lon_deg).astype(np.int32),
        _whole(speed * 1000, (speed >= 0) & (speed <= MAX_SPEED_MS)),
        _wrapped(_whole(heading * 100, (heading >= 0) & (heading < 360))),
        _whole(np.minimum(accuracy, MAX_ACCURACY_M) * 1000, accuracy > 0),
    )


def _last_of_equal_times(t_us: Ints) -> Bools:
    """Of fixes stamped alike the one written last stands."""
    return np.diff(t_us, append=t_us[-1:] + 1) > 0


def _whole(values: Floats, known: Bools) -> Ints32:
    return np.rint(np.where(known, values, UNKNOWN)).astype(np.int32)


def _wrapped(heading_cdeg: Ints32) -> Ints32:
    return np.where(heading_cdeg == 36000, 0, heading_cdeg).astype(np.int32)
