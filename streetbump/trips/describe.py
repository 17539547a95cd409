"""What a trip holds, and what speaks for how it was understood, in words and figures."""

from __future__ import annotations

import datetime

import numpy as np

from streetbump.model import Floats, Trip, utc_text
from streetbump.trips.drive import Drive
from streetbump.trips.notes import Note
from streetbump.trips.skew import correction_s, skew_of


def describe(trip: Trip) -> dict[str, str | int | float]:
    r"""Facts about a trip for a person: no position, no device.

    >>> from streetbump.trips import ReadOptions, read
    >>> data = b"t,ax,ay,az\n1700000000,0,0,9.8\n1700000000.01,0,0,9.9\n1700000000.02,0,0,9.7\n"
    >>> (trip,) = read(data, name="", options=ReadOptions(), pseudonym=str)
    >>> facts = describe(trip)
    >>> facts["format"], facts["samples"], facts["rate_hz"], facts["start"]
    ('plain-csv', 3, 100.0, '2023-11-14T22:13:20Z')
    """
    duration_s = float(trip.t_ns[-1] - trip.t_ns[0]) / 1e9 if len(trip.t_ns) else 0.0
    return {
        "trip_id": trip.trip_id,
        "format": trip.format,
        "samples": len(trip.t_ns),
        "rate_hz": round(trip.rate_hz, 2),
        "duration_s": round(duration_s, 3),
        "fixes": len(trip.fix_t_ns),
        "time_basis": trip.time_basis.value,
        "gravity": trip.gravity.value,
        "start": _start(trip),
        "device": "named" if trip.device is not None else "not named",
        "synthetic": "yes" if trip.synthetic else "no",
        "warnings": "; ".join(trip.warnings),
    }


GAP_S = 1.0
"""A longer step between samples is called a gap."""


def evidence(drive: Drive) -> tuple[Note, ...]:
    """What in the numbers of a drive speaks for how they were understood.

    >>> from streetbump.model import TimeBasis
    >>> from streetbump.trips.drive import NO_FIXES
    >>> t = np.arange(400) * 10_000
    >>> a = np.tile([0.0, 0.0, 9.81], (400, 1))
    >>> drive = Drive("plain-csv", TimeBasis.RELATIVE, t, a, NO_FIXES)
    >>> dict(evidence(drive))["steps"]
    'half of them 10 ms, one in ten under 10, one in ten over 10; none over 1 s'
    """
    if len(drive.t_us) < 2:
        return ()
    size = np.sqrt(np.einsum("ij,ij->i", drive.acc_ms2, drive.acc_ms2))
    return (
        ("median_a", f"|a| has the median {np.median(size):.3f} as the file is understood"),
        ("steps", _steps_words(np.diff(drive.t_us) / 1e6)),
        ("clock_offset", _offset_words(drive)),
    )


def _steps_words(steps_s: Floats) -> str:
    low, middle, high = np.percentile(steps_s, [10, 50, 90]) * 1e3
    gaps = steps_s[steps_s > GAP_S]
    long = f"{gaps.size}, the longest {gaps.max():.1f} s" if gaps.size else "none"
    return (
        f"half of them {middle:.3g} ms, one in ten under {low:.3g}, one in ten over {high:.3g}; "
        f"{long} over {GAP_S:g} s"
    )


def _offset_words(drive: Drive) -> str:
    found = skew_of(drive.t_us, drive.acc_ms2, drive.fixes)
    if found.drifts:
        return "the clocks of fixes and samples drift apart"
    if found.late_s is None:
        return "whether fixes and samples have one clock cannot be told from this drive"
    usual = "which receivers usually are" if correction_s(found) == 0 else "which is set right"
    return f"fixes are stamped {found.late_s:+.1f} s from what the samples feel, {usual}"


def _start(trip: Trip) -> str:
    """UTC time of the first sample in the file, to the second; empty for a relative trip."""
    if not trip.dated:
        return ""
    return utc_text(datetime.datetime.fromtimestamp(trip.origin_ns // 10**9, tz=datetime.UTC))
