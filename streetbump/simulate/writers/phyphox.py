"""phyphox: a zip with one table per sensor, its clock and phone in two tables of their own.

Times count from the start; ``meta/time.csv`` says when that was. Numbers are written like
``7.370882400E-2``, an unknown one as ``NaN``. On iOS the app turns CoreMotion's g into m/s² with
-9.81 and not with standard gravity.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import (
    MARKED_NAME,
    About,
    archive,
    joined,
    local_times,
    offset_text,
    stamps_us,
    texts,
)
from streetbump.trips.table import SYNTHETIC_COLUMN

ACCELEROMETER = (
    '"Time (s)","Acceleration x (m/s^2)","Acceleration y (m/s^2)","Acceleration z (m/s^2)"'
)
LOCATION = (
    '"Time (s)","Latitude (°)","Longitude (°)","Height (m)","Velocity (m/s)","Direction (°)",'
    '"Horizontal Accuracy (m)","Vertical Accuracy (m)"'
)
TIME = '"event","experiment time","system time","system time text"'
DEVICE = '"property","value"'
IOS_GRAVITY_MS2 = 9.81
"""What the app takes one g for on iOS, m/s²."""
VERSION = "1.1.16"
"""Of some version that writes these columns. Chosen by us."""


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The zip of a trip: acceleration with gravity and location, one run without a pause.

    >>> import io, zipfile
    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "android", "UTC"))
    >>> with zipfile.ZipFile(io.BytesIO(data)) as z:
    ...     print(z.read("Accelerometer.csv").decode().splitlines()[2])
    2.000000000E-2,0.000000000E0,0.000000000E0,9.830000000E0,1
    """
    scale = IOS_GRAVITY_MS2 / STANDARD_GRAVITY_MS2 if about.platform == "ios" else 1.0
    fixes = trip.fixes
    places = (
        fixes.t_s,
        fixes.lat_deg,
        fixes.lon_deg,
        np.zeros_like(fixes.t_s),  # simulated streets lie at sea level
        fixes.speed_ms,
        fixes.heading_deg,
        fixes.accuracy_m,
        1.5 * fixes.accuracy_m,
    )
    return archive({
        "Accelerometer.csv": _table(ACCELEROMETER, trip.t_s, *(scale * trip.acc_ms2.T)),
        "Location.csv": _table(LOCATION, *places),
        "meta/device.csv": _device(about),
        "meta/time.csv": _time(trip, about),
    })  # fmt: skip


def numbers(text: str) -> str:
    """Text with numbers as the app writes them, from Python's.

    >>> numbers("%.9E,%.9E,%.9E" % (0.0737, 12.0, float("nan")))
    '7.370000000E-2,1.200000000E1,NaN'
    """
    for python, app in (("E-0", "E-"), ("E+0", "E"), ("E+", "E"), ("NAN", "NaN")):
        text = text.replace(python, app)
    return text


def _table(header: str, *columns: Floats) -> bytes:
    rows = texts(",".join(["%.9E"] * len(columns)) + ",1", *columns)
    return joined([f'{header},"{SYNTHETIC_COLUMN}"'], [numbers(row) for row in rows])


def _device(about: About) -> bytes:
    said = {
        "version": VERSION,
        "fileFormat": "1.16",
        "deviceModel": MARKED_NAME + about.device.replace('"', ""),
        "deviceBrand": "Apple" if about.platform == "ios" else "google",
    }
    return joined([DEVICE], [f'"{name}","{value}"' for name, value in said.items()])


def _time(trip: SimulatedTrip, about: About) -> bytes:
    """When the run began and was stopped: after its last sample or fix."""
    both = np.concatenate((trip.t_s, trip.fixes.t_s, (0.0,)))
    at_s = np.array([0.0, float(both.max())])
    t_us = stamps_us(at_s, about, step_us=1000)
    rows = texts(
        '"%s",%s,%.3f,"%s"',
        ["START", "PAUSE"],
        [numbers(f"{t:.9E}") for t in at_s.tolist()],
        t_us / 1e6,
        [f"{clock.replace('T', ' ')} UTC{offset_text(t, about)}"
         for clock, t in zip(local_times(t_us, about), t_us.tolist(), strict=True)],
    )  # fmt: skip
    return joined([TIME], rows)
