"""Physics Toolbox Suite with semicolons: decimal commas, a trailing separator, a clock alone.

Four decimals of g and eight of a degree, as in real exports; 0 before the first fix, then each
row holds the last one. An unknown speed is 0, which is what Android gives the app.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import (
    About,
    held,
    joined,
    local_times,
    picked,
    stamps_us,
    texts,
)
from streetbump.trips.table import SYNTHETIC_COLUMN

HEADER = "time;gFx;gFy;gFz;Azimuth;Pitch;Roll;Latitude;Longitude;Speed (m/s);"
"""With g-force, orientation and GPS chosen; the last name ends in the separator, too."""


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The export of a trip, in g, Android sign, on the local clock without its date.

    Pitch and roll are those of gravity, as Android's ``getOrientation`` has them; there is no
    compass in the simulation, so the azimuth is the course of the last fix.

    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "android", "Europe/Tallinn"))
    >>> print(data.decode().splitlines()[2])
    00:13:20:020;0,0000;0,0000;1,0024;0,0000;0,0000;0,0000;12,00000000;-150,00000000;0,00000000;1;
    """
    course = np.nan_to_num(np.append(trip.fixes.heading_deg, 0.0))[held(trip)]
    pitch, roll = _tilt_deg(trip.gravity_ms2)
    rows = texts(
        "%s;%.4f;%.4f;%.4f;%.4f;%.4f;%.4f;%s;1;",
        clock(trip, about),
        *(trip.acc_ms2.T / STANDARD_GRAVITY_MS2),
        course,
        pitch,
        roll,
        places(trip, "%.8f;%.8f;%.8f"),
    )
    return joined([f"{HEADER}{SYNTHETIC_COLUMN};"], [row.replace(".", ",") for row in rows])


def clock(trip: SimulatedTrip, about: About) -> list[str]:
    """The app's clock at each sample, ``HH:MM:SS:mmm``.

    >>> from streetbump.simulate.writers.rows import standing
    >>> clock(standing(), About("d", 1.7e9, "android", "UTC"))
    ['22:13:20:000', '22:13:20:020']
    """
    return [f"{t[11:19]}:{t[20:]}" for t in local_times(stamps_us(trip.t_s, about), about)]


def places(trip: SimulatedTrip, template: str) -> list[str]:
    """Latitude, longitude and speed in each sample's row, zeros before the first fix.

    >>> from streetbump.simulate.writers.rows import standing
    >>> places(standing(), "%.1f %.1f %.1f")
    ['0.0 0.0 0.0', '12.0 -150.0 0.0']
    """
    fixes = trip.fixes
    cells = texts(template, fixes.lat_deg, fixes.lon_deg, np.nan_to_num(fixes.speed_ms))
    return picked(cells, held(trip), blank=template % (0.0, 0.0, 0.0))


def _tilt_deg(gravity_ms2: Floats) -> tuple[Floats, Floats]:
    """Pitch and roll of a phone, degrees, from gravity in its axes (Android sign)."""
    x, y, z = gravity_ms2.T / np.linalg.norm(gravity_ms2, axis=1)
    return np.degrees(np.arcsin(np.clip(-y, -1, 1))) + 0.0, np.degrees(np.arctan2(-x, z)) + 0.0
