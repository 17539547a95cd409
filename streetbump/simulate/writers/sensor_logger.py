"""Sensor Logger (Kelvin Choi): a zip with one table per sensor, columns z, y, x.

``Accelerometer.csv`` is without gravity. Android has ``TotalAcceleration.csv`` with it besides;
on iOS every axis is negated and there is no such table, so that the raw reading is the sum of
``Accelerometer.csv`` and ``Gravity.csv`` ("Standardise Units & Frames" is off). Numbers are
single precision, as the sensors give them, in as many digits as tell them apart. -1 stands for
an unknown speed, bearing or accuracy.
"""

from __future__ import annotations

import csv
import io
import uuid

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import (
    MARKED_NAME,
    About,
    archive,
    joined,
    known,
    local_times,
    stamps_us,
    texts,
)
from streetbump.trips.table import SYNTHETIC_COLUMN

AXES = "time,seconds_elapsed,z,y,x"
LOCATION = (
    "time,seconds_elapsed,bearingAccuracy,speedAccuracy,verticalAccuracy,horizontalAccuracy,"
    "speed,bearing,altitude,longitude,latitude"
)
METADATA = (
    "version,device name,recording epoch time,recording time,recording timezone,platform,"
    "appVersion,device id,sensors,sampleRateMs,standardisation,platform version"
)
APP_VERSION, PLATFORM_VERSION = "1.42.0", {"android": "14", "ios": "17.5"}
"""Of some version that writes these columns. Chosen by us."""
BEARING_ACCURACY_DEG, SPEED_ACCURACY_MS = 5.0, 0.5
"""What the phone claims besides, the same all the way. Chosen by us."""


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The zip of a trip: ns since 1970 UTC beside seconds from the tap, at the drive's time 0.

    >>> import zipfile
    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 1.7e9, "ios", "UTC"))
    >>> with zipfile.ZipFile(io.BytesIO(data)) as z:
    ...     print(z.read("Gravity.csv").decode().splitlines()[1])
    1700000000000000000,0.0,-9.806650161743164,-0.0,-0.0,1
    """
    sign = -1.0 if about.platform == "ios" else 1.0
    linear = trip.acc_ms2 - trip.gravity_ms2
    tables = {"Accelerometer": sign * linear, "Gravity": sign * trip.gravity_ms2}
    if about.platform == "android":
        tables["TotalAcceleration"] = trip.acc_ms2
    members = {f"{name}.csv": _axes(trip.t_s, table, about) for name, table in tables.items()}
    members["Location.csv"] = _location(trip, about)
    members["Metadata.csv"] = _metadata(trip, about, tuple(tables))
    return archive(members)


def _clock(t_s: Floats, about: About) -> tuple[list[int], Floats]:
    """The two time columns: whole ns since 1970, and seconds since the tap."""
    return (stamps_us(t_s, about) * 1000).tolist(), np.round(t_s, 6)


def _axes(t_s: Floats, values: Floats, about: About) -> bytes:
    x, y, z = values.astype(np.float32).astype(np.float64).T
    rows = texts("%d,%r,%r,%r,%r,1", *_clock(t_s, about), z, y, x)
    return joined([f"{AXES},{SYNTHETIC_COLUMN}"], rows)


def _location(trip: SimulatedTrip, about: About) -> bytes:
    fixes = trip.fixes
    said = np.isfinite(fixes.heading_deg), np.isfinite(fixes.speed_ms)
    rows = texts(
        "%d,%r,%s,%s,%s,%s,%s,%s,0,%r,%r,1",
        *_clock(fixes.t_s, about),
        known("%r", np.where(said[0], BEARING_ACCURACY_DEG, np.nan), unknown="-1"),
        known("%r", np.where(said[1], SPEED_ACCURACY_MS, np.nan), unknown="-1"),
        known("%r", np.round(1.5 * fixes.accuracy_m, 3), unknown="-1"),
        known("%r", np.round(fixes.accuracy_m, 3), unknown="-1"),
        known("%r", np.round(fixes.speed_ms, 4), unknown="-1"),
        known("%r", np.round(fixes.heading_deg, 4), unknown="-1"),
        np.round(fixes.lon_deg, 8),
        np.round(fixes.lat_deg, 8),
    )
    return joined([f"{LOCATION},{SYNTHETIC_COLUMN}"], rows)


def _metadata(trip: SimulatedTrip, about: About, sensors: tuple[str, ...]) -> bytes:
    tap_us = stamps_us(np.zeros(1), about)
    local = local_times(tap_us, about)[0][:19].replace("T", "_").replace(":", "-")
    step_ms = round(float(np.median(np.diff(trip.t_s))) * 1000) if trip.t_s.size > 1 else 0
    row = (
        "3",
        MARKED_NAME + about.device,
        str(tap_us[0] // 1000),
        local,
        about.tz,
        about.platform,
        APP_VERSION,
        str(uuid.uuid5(uuid.NAMESPACE_OID, about.device)),
        "|".join((*sensors, "Location")),
        "|".join((*(str(step_ms) for _ in sensors), "0")),
        "false",
        PLATFORM_VERSION[about.platform],
    )
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)
    return joined([METADATA], [out.getvalue().rstrip("\n")])
