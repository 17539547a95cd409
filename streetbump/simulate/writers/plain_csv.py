"""Our plain CSV, the contract of the format documentation."""

from __future__ import annotations

from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import About, joined, known, merged, picked, texts

HEADER = "t,ax,ay,az,lat,lon,speed,heading,accuracy"
"""Columns of the plain CSV."""


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The plain CSV of a trip: a fix has the row of a sample of the same ms, or its own.

    >>> from streetbump.simulate.writers.rows import standing
    >>> write(standing(), about=About("d", 5.0, "ios", "UTC")).splitlines()[-1]
    b'5.020,0.000,0.000,9.830,12.0000000,-150.0000000,0.00,,5.0'
    """
    rows = merged(trip, about, step_us=1000)
    samples = texts("%.3f,%.3f,%.3f", *trip.acc_ms2.T)
    fixes = trip.fixes
    cells = texts(
        "%.7f,%.7f,%s,%s,%s",
        fixes.lat_deg,
        fixes.lon_deg,
        known("%.2f", fixes.speed_ms, unknown=""),
        known("%.2f", fixes.heading_deg, unknown=""),
        known("%.1f", fixes.accuracy_m, unknown=""),
    )
    body = texts(
        "%.3f,%s,%s",
        rows.t_us / 1e6,
        picked(samples, rows.sample, blank=",,"),
        picked(cells, rows.fix, blank=",,,,"),
    )
    top = ["# streetbump-csv 1", f"# device: {about.device}", "# synthetic: yes", HEADER]
    return joined(top, body)
