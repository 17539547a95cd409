"""phyphox: a zip with one table per sensor, named as the experiment names them.

Times count seconds of the experiment; ``meta/time.csv`` says when it was started and paused, once
or several times, ``meta/device.csv`` on which phone. Tables are told by their headers, in any of
the five dialects of separators and decimals. The sign is Android's on both platforms; on iOS the
app multiplies g by 9.81, which is undone. ``phyphox_csv`` reads a table without its archive.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats, TimeBasis
from streetbump.trips.bundle import Bundle
from streetbump.trips.clock import Stamps, counted, counting
from streetbump.trips.drive import Drive, Rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.streams import (
    bare,
    drive_of,
    folders,
    is_marked,
    named,
    pick,
    refuse_mock,
    scaled,
    seen_in,
    table_in,
    unit,
    with_gravity,
)
from streetbump.trips.table import SYNTHETIC_COLUMN, Layout
from streetbump.trips.text import Text

FORMAT = "phyphox"
TOLD_BY = "meta/time.csv, meta/device.csv, or tables with the app's headers"
TAKEN: tuple[Note, ...] = (("unit", "m/s², degrees, m/s, metres, as the headers say"),)
IOS_G_MS2 = 9.81
"""What the app takes one g for on iOS, m/s²."""
RAW, LINEAR, GRAVITY, PLACES = "raw", "linear", "gravity", "places"
_AXIS = re.compile(r"(linear|gravity)?(?:acceleration|accelerometer)?([xyz])")
_TABLES = frozenset(
    ("raw data.csv", "linear acceleration.csv", "linear accelerometer.csv", "acceleration.csv")
)
_SHARED = frozenset(("accelerometer.csv", "gravity.csv", "location.csv"))
"""Names that Sensor Logger uses, too."""
_PLACE = {
    "time": ("time",),
    "lat": ("latitude",),
    "lon": ("longitude",),
    "speed": ("velocity", "speed"),
    "heading": ("direction",),
    "accuracy": ("horizontalaccuracy",),
}
_NO_CLOCK = (
    "the table has no absolute time, and neither --date nor --tz can give it: the trip is "
    "relative; export the zip, whose meta/time.csv says when it began"
)


@dataclass(frozen=True, eq=False)
class Runs:
    """Where each run of an experiment began: on its own clock and since 1970 UTC, (k,), s."""

    start_s: Floats
    start_utc_s: Floats


def recognise(bundle: Bundle) -> bool:
    r"""Whether some folder of the archive is the app's.

    Without ``meta`` its tables may have the names of Sensor Logger's: then the header tells.

    >>> from streetbump.trips.bundle import open_bundle, packed
    >>> names = ("meta/time.csv", "Raw Data.csv")
    >>> recognise(open_bundle(packed(dict.fromkeys(names, b""))))
    True
    >>> table = b'"Time (s)","X (m/s^2)","Y (m/s^2)","Z (m/s^2)"\n'
    >>> [recognise(open_bundle(packed({"Accelerometer.csv": t}))) for t in (table, b"time,x,y,z\n")]
    [True, False]
    """
    return bool(recordings(bundle))


def recordings(bundle: Bundle) -> list[dict[str, str]]:
    """The folders of an archive that the app wrote, as `streams.folders` gives them."""
    return [f for f in folders(bundle.names) if _is_own(bundle, f)]


def _is_own(bundle: Bundle, folder: Mapping[str, str]) -> bool:
    if "meta/time.csv" in folder or "meta/device.csv" in folder:
        return True
    if len(folder) > 1 and _TABLES & set(folder):
        return True
    heads = [bundle.head(m).lower() for n, m in folder.items() if n in _SHARED]
    return any(b"(m/s" in h or b'"time"' in h for h in heads if b"seconds_elapsed" not in h)


def read(bundle: Bundle, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The drives in an export, one per folder."""
    marked = any(SYNTHETIC_COLUMN in n.lower() for n in bundle.names)
    found = recordings(bundle)
    return tuple(  # a loop over recordings
        _drive(bundle, folder, marked, "" if len(found) == 1 else str(k))
        for k, folder in enumerate(found, start=1)
    )


def _drive(bundle: Bundle, folder: Mapping[str, str], marked: bool, part: str) -> Drive:
    def table(name: str) -> tuple[Text, Layout] | None:
        return table_in(bundle.read(folder[name])) if name in folder else None

    runs = _runs(table("meta/time.csv"))
    about = _device(table("meta/device.csv"))
    streams: dict[str, Rows] = {}
    for name in folder:  # a handful of tables
        if name.endswith(".csv") and "/" not in name and (found := table(name)) is not None:
            kind = kind_of(found[1], name)
            if kind is not None and kind not in streams:
                refuse_mock(*found)
                rows = stream_of(*found, kind=kind, runs=runs)
                streams[kind] = replace(
                    rows, warnings=(*found[0].warnings, *rows.warnings),
                    notes=(seen_in(*found, name),),
                )  # fmt: skip
                marked |= is_marked(found[1])
    ios = "apple" in (about.get("devicebrand"), about.get("devicemanufacturer"))
    device, made_up = named(about.get("devicemodel"))
    samples = _acceleration(streams)
    if samples is not None and ios:
        samples = scaled(samples, STANDARD_GRAVITY_MS2 / IOS_G_MS2)
    drive = drive_of(
        samples, streams.get(PLACES), format=FORMAT, part=part, device=device,
        synthetic=marked or made_up,
    )  # fmt: skip
    return replace(drive, notes=(*drive.notes, *_taken(runs, ios=ios)))


def _taken(runs: Runs | None, *, ios: bool) -> tuple[Note, ...]:
    """What the export says of clock and platform, in words."""
    clock = "no meta/time.csv, so no day" if runs is None else (
        f"meta/time.csv has {runs.start_s.size} starts; the first is {runs.start_utc_s[0]:.3f} s "
        "since 1970 UTC"
    )  # fmt: skip
    return (
        ("clock", f"seconds of the experiment; {clock}"),
        ("sign", "Android's" + ": the app turns that of iOS round" * ios),
        ("unit", "9.81 m/s² of iOS taken as one g" if ios else "as the sensor gives it"),
    )


def _acceleration(streams: Mapping[str, Rows]) -> Rows | None:
    if RAW in streams or LINEAR not in streams:
        return streams.get(RAW)
    linear, gravity = streams[LINEAR], streams.get(GRAVITY)
    return linear if gravity is None else with_gravity(linear, gravity)


def kind_of(layout: Layout, name: str = "") -> str | None:
    """What a table holds, by its header; by its file's name where columns are just x, y, z."""
    names = {bare(n) for n in layout.names}
    if "time" not in names:
        return None
    if {"latitude", "longitude"} <= names:
        return PLACES
    axes = _axes(layout)
    if len(axes) < 3:
        return None
    stem = bare(layout.names[axes["x"]])[:-1] or name.lower()
    if "gravity" in stem:
        return GRAVITY
    return LINEAR if "linear" in stem or "without g" in stem else RAW


def _axes(layout: Layout) -> dict[str, int]:
    """Numbers of the columns that hold the axes of an acceleration, m/s² where they say a unit."""
    found = {}
    for i, n in enumerate(layout.names):
        match = _AXIS.fullmatch(bare(n))
        if match and unit(n) in (("ms",) if len(bare(n)) == 1 else ("ms", "")):
            found[match[2]] = i
    return found


def stream_of(text: Text, layout: Layout, *, kind: str, runs: Runs | None) -> Rows:
    """The stream in one table of the app."""
    parts = _PLACE if kind == PLACES else {
        "time": ("time",), **{a: (bare(layout.names[i]),) for a, i in _axes(layout).items()}
    }  # fmt: skip
    columns = pick(text, layout, numbers=parts)
    stamps = _stamps(columns.numbers["time"], runs)
    places = columns.places(stamps)
    if places is not None:
        return places
    return Rows(stamps, columns.axes(""), rows=columns.rows, lost=columns.lost)


def _stamps(time_s: Floats, runs: Runs | None) -> Stamps:
    """Experiment time → time since 1970, run by run: the clock stands still while it is paused."""
    if runs is None:
        stamps = counting(time_s)
        relative = stamps.basis is TimeBasis.RELATIVE
        return replace(stamps, warnings=(_NO_CLOCK,)) if relative else stamps
    k = np.searchsorted(runs.start_s, time_s, side="right").clip(1) - 1
    stamps = counted(time_s - runs.start_s[k] + runs.start_utc_s[k], unit="s", unix=True)
    pauses = runs.start_s.size - 1
    said = (f"the experiment was paused {pauses} times: times set run by run",) * bool(pauses)
    return replace(stamps, warnings=said)


def _runs(table: tuple[Text, Layout] | None) -> Runs | None:
    """The runs in ``meta/time.csv``, None without one."""
    if table is None:
        return None
    columns = pick(
        *table,
        numbers={"at": ("experimenttime",), "utc": ("systemtime",)},
        words={"event": ("event",)},
    )
    if len(columns.numbers) + len(columns.words) < 3:
        return None
    events = [str(e).strip().upper() for e in columns.words["event"].to_pylist()]
    at_s, utc_s = columns.numbers["at"], columns.numbers["utc"]
    starts = (np.array(events) == "START") & np.isfinite(at_s + utc_s)
    if not starts.any():
        return None
    order = np.argsort(at_s[starts], kind="stable")
    return Runs(at_s[starts][order], utc_s[starts][order])


def _device(table: tuple[Text, Layout] | None) -> dict[str, str]:
    """What ``meta/device.csv`` says of the phone: property in lower case → value."""
    if table is None:
        return {}
    words = pick(*table, numbers={}, words={"property": ("property",), "value": ("value",)}).words
    if len(words) < 2:
        return {}
    rows = zip(words["property"].to_pylist(), words["value"].to_pylist(), strict=True)
    said = {str(p).strip().lower(): str(v or "").strip() for p, v in rows}
    return {p: v if p == "devicemodel" else v.lower() for p, v in said.items()}
