"""Sensor Logger (Kelvin Choi): a zip or folder with one table per sensor, ns since 1970 UTC.

``Accelerometer`` is without gravity, ``TotalAcceleration`` with it; where there is none, as on
iOS, the raw reading is the sum of ``Accelerometer`` and ``Gravity``. On iOS every axis is negated
and the uncalibrated sensor is in g, unless "Standardise Units & Frames" was on, as
``Metadata.csv`` says. The app's JSON holds the same streams (``sensor_logger_json``).
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import replace

from streetbump.model import STANDARD_GRAVITY_MS2, Reason
from streetbump.trips import phyphox
from streetbump.trips.bundle import Bundle
from streetbump.trips.clock import counted
from streetbump.trips.drive import Drive, Rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.streams import (
    Picked,
    drive_of,
    fix_clock,
    folders,
    is_marked,
    named,
    pick,
    refuse_mock,
    scaled,
    seen_in,
    table_in,
    with_gravity,
)
from streetbump.trips.table import SYNTHETIC_COLUMN
from streetbump.trips.text import open_text

FORMAT = "sensor-logger"
TOLD_BY = "tables with the app's names, without phyphox's meta folder or header"
TAKEN: tuple[Note, ...] = (
    (
        "clock",
        "ns since 1970 UTC in the column time; else seconds_elapsed from the start in Metadata.csv",
    ),
    ("unit", "m/s², degrees, m/s, metres, as the app writes them"),
)
RAW, LINEAR, GRAVITY = "totalacceleration", "accelerometer", "gravity"
UNCALIBRATED = "accelerometeruncalibrated"
LOCATIONS = ("location", "locationgps")
"""The fused positions, else those of the receiver alone; never the network's, which are coarse."""
SENSORS = (RAW, LINEAR, GRAVITY, UNCALIBRATED, *LOCATIONS)
COLUMNS = {
    "time": ("time",),
    "elapsed": ("secondselapsed",),
    **{axis: (axis,) for axis in "xyz"},
    "lat": ("latitude",),
    "lon": ("longitude",),
    "speed": ("speed",),
    "heading": ("bearing",),
    "accuracy": ("horizontalaccuracy",),
}
"""Part → letters of the column that plays it, in every table of the app."""


def recognise(bundle: Bundle) -> bool:
    """Whether some folder of the archive holds one of the app's tables, and none is phyphox's.

    >>> from streetbump.trips.bundle import open_bundle, packed
    >>> members = dict.fromkeys(("a/Gravity.csv", "a/Metadata.csv"), b"")
    >>> recognise(open_bundle(packed(members)))
    True
    >>> recognise(open_bundle(packed({"Gravity.csv": b"", "meta/time.csv": b""})))
    False
    """
    return bool(_recordings(bundle))


def _recordings(bundle: Bundle) -> list[dict[str, str]]:
    others = phyphox.recordings(bundle)
    return [
        f for f in folders(bundle.names)
        if {f"{sensor}.csv" for sensor in SENSORS} & set(f) and f not in others
    ]  # fmt: skip


def read(bundle: Bundle, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The drives in an export, one per folder that holds tables of the app."""
    found = _recordings(bundle)
    marked = any(SYNTHETIC_COLUMN in n.lower() for n in bundle.names)
    return tuple(  # a loop over recordings
        _drive(bundle, folder, marked, "" if len(found) == 1 else str(k))
        for k, folder in enumerate(found, start=1)
    )


def _drive(bundle: Bundle, folder: Mapping[str, str], marked: bool, part: str) -> Drive:
    about = _metadata(bundle, folder)
    marks = {marked}

    def stream(sensor: str) -> Rows | None:
        member = folder.get(f"{sensor}.csv")
        table = None if member is None else table_in(bundle.read(member))
        if table is None:
            return None
        marks.add(is_marked(table[1]))
        refuse_mock(*table)
        rows = stream_of(pick(*table, numbers=COLUMNS), about=about)
        warnings, seen = (*table[0].warnings, *rows.warnings), seen_in(*table, member or "")
        return replace(rows, warnings=warnings, notes=(seen,))

    return recording(stream, about, marked=lambda: any(marks), part=part)


def _metadata(bundle: Bundle, folder: Mapping[str, str]) -> dict[str, str]:
    """What ``Metadata.csv`` says, by column in lower case; columns grow with versions."""
    member = folder.get("metadata.csv")
    if member is None:
        return {}
    try:
        rows = csv.reader(io.StringIO(open_text(bundle.read(member)).data.decode()))
        header, row = next(rows, []), next(rows, [])
    except (csv.Error, Refusal):  # an empty one, or one that says nothing readable
        return {}
    return {k.strip().lower(): v.strip() for k, v in zip(header, row, strict=False)}


def stream_of(columns: Picked, *, about: Mapping[str, str]) -> Rows:
    """The stream in the app's columns: positions where it has them, else acceleration.

    Raises
    ------
    Refusal
        SCHEMA without a time, or with neither kind of values.
    """
    numbers = columns.numbers
    placed = "lat" in numbers and "lon" in numbers
    if "time" in numbers and placed:
        stamps = fix_clock(numbers["time"], unit="ns")
    elif "time" in numbers:
        stamps = counted(numbers["time"], unit="ns", unix=True)
    elif "elapsed" in numbers and about.get("recording epoch time", "").isdecimal():
        start_s = int(about["recording epoch time"]) / 1000
        stamps = counted(numbers["elapsed"] + start_s, unit="s", unix=True)
    else:
        raise Refusal(Reason.SCHEMA, "a table of Sensor Logger has no column time")
    places = columns.places(stamps)
    if places is not None:
        return places
    axes = columns.axes("")
    if axes is None:
        raise Refusal(Reason.SCHEMA, "a table of Sensor Logger lacks one of the columns x, y, z")
    return Rows(stamps, axes, rows=columns.rows, lost=columns.lost)


def recording(
    stream: Callable[[str], Rows | None],
    about: Mapping[str, str],
    *,
    marked: Callable[[], bool] = lambda: False,
    part: str = "",
) -> Drive:
    """The drive of one recording, whatever carries it.

    Parameters
    ----------
    stream : callable
        Sensor, in lower case → its stream, None where it gave nothing. Asked for what is needed.
    about : mapping
        What the app says of the recording: ``platform``, ``standardisation``, ``device name``.
    marked : callable
        Whether anything asked for so far had the mark of made-up trips.
    """
    samples = _acceleration(stream, about)
    places = next((p for p in map(stream, LOCATIONS) if p is not None), None)
    device, made_up = named(about.get("device name"))
    return drive_of(
        samples, places, format=FORMAT, part=part, device=device, synthetic=made_up or marked()
    )


def _acceleration(stream: Callable[[str], Rows | None], about: Mapping[str, str]) -> Rows | None:
    """The raw acceleration, Android sign, m/s²; without gravity where nothing else is there."""
    ios = about.get("platform", "").lower().startswith(("ios", "ipados"))
    as_on_ios = ios and about.get("standardisation", "").lower() not in ("true", "1", "yes")
    sign = -1.0 if as_on_ios else 1.0
    raw = stream(RAW)
    if raw is not None:
        return _noted(scaled(raw, sign), about, sign, "TotalAcceleration")
    linear, gravity = stream(LINEAR), stream(GRAVITY)
    if linear is not None and gravity is not None:
        found: Rows | None = scaled(with_gravity(linear, gravity), sign)
        source = "Accelerometer and Gravity, added"
    elif (bare := stream(UNCALIBRATED)) is not None:
        found = scaled(bare, sign * STANDARD_GRAVITY_MS2 if as_on_ios else sign)
        source = "AccelerometerUncalibrated" + ", in g" * as_on_ios
    else:
        found = None if linear is None else scaled(linear, sign)
        source = "Accelerometer, which is without gravity"
    if found is None:
        return None
    found = _noted(found, about, sign, source)
    return found if about.get("platform") else _said_unsure(found)


def _noted(rows: Rows, about: Mapping[str, str], sign: float, source: str) -> Rows:
    platform = about.get("platform") or "none"
    standard = about.get("standardisation") or "none"
    turned = "turned round" if sign < 0 else "taken as it stands"
    said = f"{turned}: the export states platform {platform[:20]}, standardisation {standard[:20]}"
    return replace(rows, notes=(*rows.notes, ("sign", said), ("unit", f"taken from {source}")))


def _said_unsure(rows: Rows) -> Rows:
    said = "sign taken as Android's: the export does not say on which platform it was made"
    return replace(rows, warnings=(*rows.warnings, said))
