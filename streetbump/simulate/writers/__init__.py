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

_ANDROID, _IOS = frozenset(("android",)), frozenset(("ios",))
_LOGGERS: dict[str, tuple[str, frozenset[str]]] = {
    "plain-csv": ("csv", _ANDROID | _IOS),
    "jsonl": ("jsonl", _ANDROID | _IOS),
    "parquet": ("parquet", _ANDROID | _IOS),
    "physics-toolbox": ("csv", _ANDROID),  # its sign on iOS is not known
    "physics-toolbox-comma": ("csv", _ANDROID),
    "androsensor": ("csv", _ANDROID),
    "sensor-logger": ("zip", _ANDROID | _IOS),
    "phyphox": ("zip", _ANDROID | _IOS),
    "sensorlog-ios": ("csv", _IOS),
    "ios-sensor-data": ("csv", _IOS),
}
WRITERS = {name: f"{__name__}.{name.replace('-', '_')}" for name in _LOGGERS}
"""Logger → module, imported on first use."""
ENDING = {name: ending for name, (ending, _) in _LOGGERS.items()}
"""Logger → ending of its files' names, without the point."""
RUNS_ON = {name: platforms for name, (_, platforms) in _LOGGERS.items()}
"""Logger → platforms that a file of this kind comes from."""


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
