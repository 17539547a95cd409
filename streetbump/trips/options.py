"""What the caller may say about a file: zone, date, column map, positions, device."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from streetbump.config import decode_toml
from streetbump.errors import ConfigError, UsageError
from streetbump.model import Gravity

_Name = Annotated[str, Meta(min_length=1)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A frozen record that refuses unknown keys."""


class TimeColumn(_Strict, frozen=True):
    """Which column is the clock, and what it counts."""

    column: _Name
    unit: Literal["s", "ms", "us", "ns", "iso", "clock"]  # clock: HH:MM:SS without a date
    epoch: Literal["unix", "start"] = "unix"  # of the counting units


class AccelerationColumns(_Strict, frozen=True):
    """The three axes of the accelerometer."""

    x: _Name
    y: _Name
    z: _Name
    unit: Literal["m/s2", "g"]
    sign: Literal["android", "ios"]
    gravity: Gravity | None = None  # measured when not said


class PositionColumns(_Strict, frozen=True):
    """Where the position stands, degrees and metres."""

    lat: _Name
    lon: _Name
    speed: _Name | None = None
    speed_unit: Literal["m/s", "km/h", "mph", "kn"] | None = None
    heading: _Name | None = None
    accuracy: _Name | None = None


class ColumnMap(_Strict, frozen=True):
    """How to read a CSV that no reader knows (docs/formats.md)."""

    time: TimeColumn
    acceleration: AccelerationColumns
    position: PositionColumns | None = None
    missing: Sequence[float] = ()  # numbers that stand for an empty cell
    delimiter: Annotated[str, Meta(pattern="^[ -~\t]$")] | None = None
    decimal: Literal[".", ","] | None = None
    device: _Name | None = None  # column that names the phone


@dataclass(frozen=True)
class ReadOptions:
    """What the caller adds to what the file says.

    Attributes
    ----------
    tz : str or None
        IANA zone of local clocks, such as ``America/Sao_Paulo``.
    date : datetime.date or None
        Day of the first row, for clocks without a date.
    columns : ColumnMap or None
        How to read a CSV that no reader knows.
    gps : bytes or None
        A separate position file; its fixes replace those in the trip file.
    device : str or None
        The phone's raw name; beats the file's own. Only its pseudonym is kept.
    local : bool
        The bytes come from a path that the operator named, not from a live door: formats whose
        parser is not for strangers' bytes (Parquet) are read only then.
    """

    tz: str | None = None
    date: datetime.date | None = None
    columns: ColumnMap | None = None
    gps: bytes | None = None
    device: str | None = None
    local: bool = False


def zone_of(options: ReadOptions) -> ZoneInfo | None:
    """The zone that the caller named, or None.

    >>> zone_of(ReadOptions(tz="Europe/Tallinn"))
    zoneinfo.ZoneInfo(key='Europe/Tallinn')

    Raises
    ------
    UsageError
        There is no such zone.
    """
    if options.tz is None:
        return None
    try:
        return ZoneInfo(options.tz)
    except (KeyError, ValueError, OSError) as exc:  # what zoneinfo raises depends on the name
        raise UsageError(
            f"--tz {options.tz}: no such zone; use an IANA name such as America/New_York"
        ) from exc


def parse_column_map(text: str, *, where: str) -> ColumnMap:
    """The column map that `text` (TOML) describes; `where` names the file in errors.

    >>> parse_column_map('''
    ... time = {column = "ts", unit = "ms"}
    ... acceleration = {x = "a", y = "b", z = "c", unit = "g", sign = "ios"}
    ... ''', where="map.toml").time.unit
    'ms'

    Raises
    ------
    ConfigError
        Not TOML, an unknown or missing key, a value out of its range, a column used twice.
    """
    columns = decode_toml(text, ColumnMap, where=where)
    place = columns.position
    if place is not None and place.speed is not None and place.speed_unit is None:
        raise ConfigError(
            f"{where}: position.speed_unit: say m/s, km/h, mph or kn for the column {place.speed!r}"
        )
    axes = columns.acceleration
    if len({axes.x, axes.y, axes.z, columns.time.column}) < 4:
        raise ConfigError(f"{where}: acceleration: x, y, z and time.column must be four columns")
    return columns
