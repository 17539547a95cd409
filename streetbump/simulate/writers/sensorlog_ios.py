"""SensorLog (iOS): one wide table in g, each row with the last value of every sensor.

Accelerometer, user acceleration and gravity have CoreMotion's sign: -1 g on the axis that points
up at rest. Sensors count seconds since the phone was started; the rows' own clock is local, with
its offset. The columns of sensors that are not simulated (attitude, rotation, magnetic field) are
left out, as the app does with sensors that are not ticked.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import (
    About,
    held,
    joined,
    known,
    local_times,
    offset_text,
    picked,
    stamps_us,
    texts,
)
from streetbump.trips.table import SYNTHETIC_COLUMN

PLACES = (
    "locationTimestamp_since1970(s)",
    "locationLatitude(WGS84)",
    "locationLongitude(WGS84)",
    "locationAltitude(m)",
    "locationSpeed(m/s)",
    "locationSpeedAccuracy(m/s)",
    "locationCourse(°)",
    "locationCourseAccuracy(°)",
    "locationVerticalAccuracy(m)",
    "locationHorizontalAccuracy(m)",
    "locationFloor(Z)",
)
HEADER = ",".join((
    "loggingTime(txt)",
    *PLACES,
    "accelerometerTimestamp_sinceReboot(s)",
    *(f"accelerometerAcceleration{axis}(G)" for axis in "XYZ"),
    "motionTimestamp_sinceReboot(s)",
    *(f"motionUserAcceleration{axis}(G)" for axis in "XYZ"),
    *(f"motionGravity{axis}(G)" for axis in "XYZ"),
))  # fmt: skip
UPTIME_S = 100_000.0
"""Age of the phone's own clock when the drive begins, s. Chosen by us: a little over a day."""
NO_FLOOR = "-9999"
"""What the app writes where a place has no floor."""
COURSE_ACCURACY_DEG, SPEED_ACCURACY_MS = 5.0, 0.5
"""What the phone claims besides, the same all the way. Chosen by us."""


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The export of a trip; position cells are empty before the first fix, -1 is unknown.

    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "ios", "Europe/Tallinn"))
    >>> print(data.decode().splitlines()[1][:67])
    2023-11-15T00:13:20.000+02:00,,,,,,,,,,,,100000.000000,0.000000,0.0
    """
    fixes = trip.fixes
    moves, turns = np.isfinite(fixes.speed_ms), np.isfinite(fixes.heading_deg)
    cells = texts(
        f"%.6f,%.6f,%.6f,0.000000,%s,%s,%s,%s,%s,%s,{NO_FLOOR}",
        stamps_us(fixes.t_s, about) / 1e6,
        fixes.lat_deg,
        fixes.lon_deg,
        known("%.6f", fixes.speed_ms, unknown="-1.000000"),
        known("%.6f", np.where(moves, SPEED_ACCURACY_MS, -1.0), unknown=""),
        known("%.6f", fixes.heading_deg, unknown="-1.000000"),
        known("%.6f", np.where(turns, COURSE_ACCURACY_DEG, -1.0), unknown=""),
        known("%.6f", 1.5 * fixes.accuracy_m, unknown="-1.000000"),
        known("%.6f", fixes.accuracy_m, unknown="-1.000000"),
    )
    to_g = -1.0 / STANDARD_GRAVITY_MS2
    raw, gravity = trip.acc_ms2 * to_g + 0.0, trip.gravity_ms2 * to_g + 0.0
    since_s = trip.t_s + UPTIME_S
    three = "%.6f,%.6f,%.6f"
    rows = texts(
        f"%s,%s,%.6f,{three},%.6f,{three},{three},1",
        _logging_times(trip, about),
        picked(cells, held(trip), blank="," * (len(PLACES) - 1)),
        since_s,
        *raw.T,
        since_s,
        *(raw - gravity).T,
        *gravity.T,
    )
    return joined([f"{HEADER},{SYNTHETIC_COLUMN}"], rows)


def _logging_times(trip: SimulatedTrip, about: About) -> list[str]:
    t_us = stamps_us(trip.t_s, about)
    minutes, which = np.unique(t_us // 60_000_000, return_inverse=True)
    offsets = [offset_text(m * 60_000_000, about) for m in minutes.tolist()]
    return texts("%s%s", local_times(t_us, about), [offsets[i] for i in which.tolist()])
