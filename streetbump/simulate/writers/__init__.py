"""Simulated trips as the bytes a logger would have written: one module per logger.

Every file can be told from a real recording, whatever the format: our own formats say so in their
marks, tables of other loggers have one more column at their end
(:data:`streetbump.trips.table.SYNTHETIC_COLUMN`), and archives hold a member of that name as well.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, cast

from streetbump.errors import UsageError
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import About

__all__ = ["ENDING", "RUNS_ON", "WRITERS", "About", "write"]

WRITERS: dict[str, str] = {
    "plain-csv": "streetbump.simulate.writers.plain_csv",
    "jsonl": "streetbump.simulate.writers.jsonl",
    "parquet": "streetbump.simulate.writers.parquet",
    "physics-toolbox": "streetbump.simulate.writers.physics_toolbox",
    "physics-toolbox-comma": "streetbump.simulate.writers.physics_toolbox_comma",
    "androsensor": "streetbump.simulate.writers.androsensor",
    "sensor-logger": "streetbump.simulate.writers.sensor_logger",
    "phyphox": "streetbump.simulate.writers.phyphox",
    "sensorlog-ios": "streetbump.simulate.writers.sensorlog_ios",
    "ios-sensor-data": "streetbump.simulate.writers.ios_sensor_data",
}
"""Logger → module, imported on first use."""

ENDING: dict[str, str] = {
    "plain-csv": "csv",
    "jsonl": "jsonl",
    "parquet": "parquet",
    "physics-toolbox": "csv",
    "physics-toolbox-comma": "csv",
    "androsensor": "csv",
    "sensor-logger": "zip",
    "phyphox": "zip",
    "sensorlog-ios": "csv",
    "ios-sensor-data": "csv",
}
"""Logger → ending of its files' names, without the point."""

_BOTH = frozenset(("android", "ios"))
RUNS_ON: dict[str, frozenset[str]] = {
    "plain-csv": _BOTH,
    "jsonl": _BOTH,
    "parquet": _BOTH,
    "physics-toolbox": frozenset(("android",)),
    "physics-toolbox-comma": frozenset(("android",)),
    "androsensor": frozenset(("android",)),
    "sensor-logger": _BOTH,
    "phyphox": _BOTH,
    "sensorlog-ios": frozenset(("ios",)),
    "ios-sensor-data": frozenset(("ios",)),
}
"""Logger → platforms that a file of this kind comes from (the sign of Physics Toolbox on iOS is
not known, so only its Android files are written)."""


class Writer(Protocol):
    """What a logger's module offers."""

    def write(self, trip: SimulatedTrip, *, about: About) -> bytes:
        """The file of one trip."""


def write(trip: SimulatedTrip, *, about: About, logger: str) -> bytes:
    """The file that `logger` would have written on this trip; the same trip gives the same bytes.

    Parameters
    ----------
    trip : SimulatedTrip
    about : About
    logger : str
        One of ``WRITERS``.

    Raises
    ------
    UsageError
        There is no such logger.

    >>> from streetbump.simulate.writers.rows import standing
    >>> about = About("phone 7", 1_700_000_000.0, "android", "Europe/Tallinn")
    >>> print(write(standing(), about=about, logger="plain-csv").decode())
    # streetbump-csv 1
    # device: phone 7
    # synthetic: yes
    t,ax,ay,az,lat,lon,speed,heading,accuracy
    1700000000.000,0.000,0.000,9.810,,,,,
    1700000000.020,0.000,0.000,9.830,12.0000000,-150.0000000,0.00,,5.0
    <BLANKLINE>
    """
    if logger not in WRITERS:
        raise UsageError(f"logger {logger!r}: not known; one of {', '.join(WRITERS)}")
    return cast("Writer", import_module(WRITERS[logger])).write(trip, about=about)
