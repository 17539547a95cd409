"""AndroSensor: one wide table with semicolons, km/h, the position on every row.

The blanks in the names are the app's. A cell that nothing is known of stays empty, as all
position cells do before the first fix. Simulated streets lie at sea level.
"""

from __future__ import annotations

import numpy as np

from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import (
    About,
    held,
    joined,
    known,
    local_times,
    picked,
    stamps_us,
    texts,
)
from streetbump.trips.table import SYNTHETIC_COLUMN

HEADER = ";".join((
    *(f"ACCELEROMETER {axis} (m/s²)" for axis in "XYZ"),
    *(f"GRAVITY {axis} (m/s²)" for axis in "XYZ"),
    "LOCATION Latitude : ",
    "LOCATION Longitude : ",
    "LOCATION Altitude ( m)",
    "LOCATION Altitude-google ( m)",
    "LOCATION Speed ( Kmh)",
    "LOCATION Accuracy ( m)",
    "LOCATION ORIENTATION (°)",
    "Satellites in range",
    "Time since start in ms ",
    "YYYY-MO-DD HH-MI-SS_SSS",
))  # fmt: skip
"""With accelerometer, gravity, location and both clocks ticked."""
SATELLITES = "14 / 19"
"""Used and seen, the same all the way. Chosen by us."""


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The export of a trip: m/s², Android sign, ms since the start beside the local clock.

    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "android", "UTC"))
    >>> print(data.decode().splitlines()[3][:66])
    0.0000;0.0000;9.8300;0.0000;0.0000;9.8066;12.000000;-150.000000;0.
    """
    fixes = trip.fixes
    cells = texts(
        f"%.6f;%.6f;0.0;0.0;%s;%s;%s;{SATELLITES}",
        fixes.lat_deg,
        fixes.lon_deg,
        known("%.1f", fixes.speed_ms * 3.6, unknown=""),
        known("%.1f", fixes.accuracy_m, unknown=""),
        known("%.1f", fixes.heading_deg, unknown=""),
    )
    wall = [t.replace("T", " ").replace(".", ":") for t in local_times(
        stamps_us(trip.t_s, about), about
    )]  # fmt: skip
    rows = texts(
        "%.4f;%.4f;%.4f;%.4f;%.4f;%.4f;%s;%d;%s;1",
        *trip.acc_ms2.T,
        *trip.gravity_ms2.T,
        picked(cells, held(trip), blank=";" * cells_between()),
        np.rint(trip.t_s * 1000).astype(np.int64),
        wall,
    )
    return joined(["sep=;", f"{HEADER};{SYNTHETIC_COLUMN}"], rows)


def cells_between() -> int:
    """How many separators stand inside the position's cells.

    >>> cells_between()
    7
    """
    names = HEADER.split(";")
    return names.index("Satellites in range") - names.index("LOCATION Latitude : ")
