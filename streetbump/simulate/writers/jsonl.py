"""Our JSON lines: an object with the marks, then one object per row with the plain CSV's keys."""

from __future__ import annotations

import json

from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import About, joined, known, merged, picked, texts


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The JSON lines of a trip; a key that has no value is left out.

    >>> from streetbump.simulate.writers.rows import standing
    >>> print(write(standing(), about=About("d", 5.0, "ios", "UTC")).decode())
    {"streetbump-jsonl": 1, "device": "d", "synthetic": true}
    {"t":5.000000,"ax":0.0000,"ay":0.0000,"az":9.8100}
    {"t":5.020000,"ax":0.0000,"ay":0.0000,"az":9.8300,"lat":12.0000000,"lon":-150.0000000,"speed":0.00,"accuracy":5.0}
    <BLANKLINE>
    """
    rows = merged(trip, about, step_us=1)
    samples = texts(',"ax":%.4f,"ay":%.4f,"az":%.4f', *trip.acc_ms2.T)
    fixes = trip.fixes
    cells = texts(
        ',"lat":%.7f,"lon":%.7f%s%s%s',
        fixes.lat_deg,
        fixes.lon_deg,
        known(',"speed":%.2f', fixes.speed_ms, unknown=""),
        known(',"heading":%.2f', fixes.heading_deg, unknown=""),
        known(',"accuracy":%.1f', fixes.accuracy_m, unknown=""),
    )
    body = texts(
        '{"t":%.6f%s%s}',
        rows.t_us / 1e6,
        picked(samples, rows.sample, blank=""),
        picked(cells, rows.fix, blank=""),
    )
    marks = {"streetbump-jsonl": 1, "device": about.device, "synthetic": True}
    return joined([json.dumps(marks)], body)
