"""AndroSensor: one wide table, its columns as ticked by the user, position on every row.

Headers are matched on their letters only: ``²`` and ``°`` are written in at least three
encodings. Speed is km/h. The wall clock is local and has no zone; steps come from the column of
milliseconds since the start. A recording that somebody split in two, samples and positions, is
read with the second file as the separate position file.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import Floats, Gravity, Reason, TimeBasis
from streetbump.trips.clock import Stamps, civil, counted
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.table import Columns, Layout, letters, read_columns
from streetbump.trips.text import Text

FORMAT = "androsensor"
_SINCE_START = "timesincestartinms"
_WALL_CLOCK = "yyyymoddhhmissss"
_RAW, _LINEAR, _GRAVITY = "accelerometer", "linearacceleration", "gravity"
_LATITUDE, _LONGITUDE = "locationlatitude", "locationlongitude"
_SPEED, _ACCURACY, _HEADING = "locationspeed", "locationaccuracy", "locationorientation"
_SPEED_MS = {"kmh": 1 / 3.6, "mph": 0.44704, "ms": 1.0, "knots": 1852 / 3600}


def recognise(layout: Layout) -> bool:
    """Whether there is one of the app's clocks, and samples or positions beside it."""
    names = [letters(name) for name in layout.names]
    clock = any(n == _SINCE_START or n.startswith(_WALL_CLOCK) for n in names)
    return clock and any(
        n.startswith((f"{_RAW}x", f"{_LINEAR}x", f"{_GRAVITY}x", _LATITUDE)) for n in names
    )


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in an AndroSensor export."""

    def find(start: str) -> int | None:
        return layout.find(lambda n: letters(n).startswith(start))

    triples = {
        source: [i for axis in "xyz" if (i := find(source + axis)) is not None]
        for source in (_RAW, _LINEAR, _GRAVITY)
    }
    since_start, wall = find(_SINCE_START), find(_WALL_CLOCK)
    places = [find(p) for p in (_LATITUDE, _LONGITUDE, _SPEED, _HEADING, _ACCURACY)]
    whole = [axes for axes in triples.values() if len(axes) == 3]
    numbers = [since_start, *(i for axes in whole for i in axes), *places]
    columns = read_columns(
        text,
        layout,
        numbers=[i for i in numbers if i is not None],
        words=[] if wall is None else [wall],
    )
    acc, gravity = _acceleration(columns, triples)
    lat, lon, speed, heading, accuracy = (None if i is None else columns.numbers[i] for i in places)
    if speed is not None and places[2] is not None:
        speed = speed * _speed_unit(layout.names[places[2]])
    rows = Rows(
        _stamps(columns, since_start, wall, options, name), acc, lat, lon, speed, heading,
        accuracy, columns.rows, columns.lost,
    )  # fmt: skip
    return (from_rows(rows, format=FORMAT, gravity=gravity),)


def _acceleration(
    columns: Columns, triples: dict[str, list[int]]
) -> tuple[tuple[Floats, Floats, Floats] | None, Gravity | None]:
    """The raw sensor where it was ticked; else gravity put back onto the linear stream."""
    got = {
        source: [columns.numbers[i] for i in axes]
        for source, axes in triples.items()
        if len(axes) == 3
    }
    if _RAW in got:
        x, y, z = got[_RAW]
        return (x, y, z), None
    if _LINEAR not in got:
        return None, None
    x, y, z = got[_LINEAR]
    if _GRAVITY not in got:
        return (x, y, z), Gravity.REMOVED
    gx, gy, gz = got[_GRAVITY]
    return (x + gx, y + gy, z + gz), Gravity.KEPT


def _speed_unit(name: str) -> float:
    """m/s per unit of the speed column, which names its unit: ``( Kmh)``."""
    unit = letters(name).removeprefix(_SPEED)
    try:
        return _SPEED_MS[unit]
    except KeyError as exc:
        raise Refusal(
            Reason.UNIT, "the unit of LOCATION Speed is not known: choose km/h, m/s or mph in the "
            "logger, or say it in --columns",
        ) from exc  # fmt: skip


def _stamps(
    columns: Columns, since_start: int | None, wall: int | None, options: ReadOptions, name: str
) -> Stamps:
    """Milliseconds since the start, set to the wall clock once it has a zone.

    The shift between the two is their median difference: single wall stamps are late.
    """
    if wall is None and since_start is not None:
        return counted(columns.numbers[since_start], unit="ms", unix=False)
    if wall is None:
        raise Refusal(Reason.SCHEMA, "no clock: tick the time columns in the logger")
    local = civil(columns.words[wall], options=options, name=name)
    if since_start is None:
        return local
    running = counted(columns.numbers[since_start], unit="ms", unix=False)
    if local.basis is TimeBasis.RELATIVE:
        return Stamps(running.t_us, running.known, running.basis, local.warnings)
    both = running.known & local.known
    if not both.any():
        return local
    shift = int(np.median(local.t_us[both] - running.t_us[both]))
    moved = np.where(running.known, running.t_us + shift, 0)
    return Stamps(moved, running.known, local.basis, local.warnings)
