"""The iOS "sensor data" logger: rows of the motion sensors and rows of fixes, interleaved.

Two columns are named ``timestamp(unix)``: the first is filled in rows of motion, the second in
rows of fixes. Gravity and user acceleration stand apart, in g, with CoreMotion's sign: -1 g on the
axis that points up at rest. Turning and magnetic field are not simulated and stay 0, and so does
the yaw; -1 stands for an unknown speed or course.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import About, joined, known, stamps_us, texts
from streetbump.trips.table import SYNTHETIC_COLUMN

MOTION = (
    "timestamp(unix)",
    *(f"attitude_{angle}(radians)" for angle in ("roll", "pitch", "yaw")),
    *(f"rotation_rate_{axis}(radians/s)" for axis in "xyz"),
    *(f"gravity_{axis}(G)" for axis in "xyz"),
    *(f"user_acc_{axis}(G)" for axis in "xyz"),
    *(f"magnetic_field_{axis}(microteslas)" for axis in "xyz"),
)
PLACES = (
    "latitude(degree)",
    "longitude(degree)",
    "altitude(meter)",
    "speed(m/s)",
    "course(degree)",
    "timestamp(unix)",
    "User Mark",
)
HEADER = ",".join((*MOTION, *PLACES))


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The export of a trip: seconds since 1970 UTC, rows by time.

    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "ios", "UTC"))
    >>> print(data.decode().splitlines()[3])
    ,,,,,,,,,,,,,,,,12.000000,-150.000000,0.000000,0.000000,-1.000000,1700000000.020000,,1
    """
    to_g = -1.0 / STANDARD_GRAVITY_MS2
    raw, gravity = trip.acc_ms2 * to_g + 0.0, trip.gravity_ms2 * to_g + 0.0
    x, y, z = gravity.T / np.linalg.norm(gravity, axis=1)
    three, zeros = "%.6f,%.6f,%.6f", "0.000000,0.000000,0.000000"
    t_us, fix_us = stamps_us(trip.t_s, about), stamps_us(trip.fixes.t_s, about)
    samples = texts(
        f"%.6f,%.6f,%.6f,0.000000,{zeros},{three},{three},{zeros}{',' * len(PLACES)},1",
        t_us / 1e6,
        np.arctan2(x, -z),
        np.arcsin(np.clip(-y, -1, 1)) + 0.0,
        *gravity.T,
        *(raw - gravity).T,
    )
    fixes = trip.fixes
    places = texts(
        f"{',' * len(MOTION)}%.6f,%.6f,0.000000,%s,%s,%.6f,,1",
        fixes.lat_deg,
        fixes.lon_deg,
        known("%.6f", fixes.speed_ms, unknown="-1.000000"),
        known("%.6f", fixes.heading_deg, unknown="-1.000000"),
        fix_us / 1e6,
    )
    both = samples + places
    order = np.argsort(np.concatenate((t_us, fix_us)), kind="stable")
    return joined([f"{HEADER},{SYNTHETIC_COLUMN}"], [both[i] for i in order.tolist()])
