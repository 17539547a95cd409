"""What a trip holds, in words and figures."""

from __future__ import annotations

import datetime

from streetbump.model import Trip


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


def _start(trip: Trip) -> str:
    """UTC time of the first sample in the file, to the second; empty for a relative trip."""
    if not trip.dated:
        return ""
    start = datetime.datetime.fromtimestamp(trip.origin_ns // 10**9, tz=datetime.UTC)
    return start.strftime("%Y-%m-%dT%H:%M:%SZ")
