"""SensorLog (iOS): one wide table, each row with the last value of every sensor.

Acceleration is in g with CoreMotion's sign, -1 on the axis that points up at rest. Each sensor
counts seconds since the phone was started, and its column tells new readings from repeated ones;
``loggingTime`` sets that clock. Fixes have a clock of their own since 1970 UTC. Where the pedometer
or the battery has nothing to say, the app leaves out cells with their separators.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats, Reason, TimeBasis
from streetbump.trips.clock import DAY_US, OLDEST_S, US_PER_S, Stamps, civil, counted
from streetbump.trips.drive import Drive, Rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.streams import (
    Axes,
    Picked,
    bare,
    drive_of,
    fix_clock,
    fresh,
    named,
    only,
    pick,
    set_to,
)
from streetbump.trips.table import Layout
from streetbump.trips.text import Text

FORMAT = "sensorlog-ios"
TOLD_BY = "the app's clocks beside its acceleration or position"
TAKEN: tuple[Note, ...] = (
    ("clock", "seconds since the phone was started, set to loggingTime; fixes: since 1970 UTC"),
    ("sign", "iOS': -1 g on the axis that points up; turned round"),
    ("unit", "g, taken as 9.80665 m/s²"),
)
TO_MS2 = -STANDARD_GRAVITY_MS2
"""CoreMotion's g and sign → m/s² and Android's."""
ZONE_US = DAY_US // 96
"""Zones lie whole quarters of an hour from UTC."""
LATE_US = 60 * US_PER_S
"""Farther than this, µs, from a whole quarter of an hour a zone is not told. Chosen by us: a fix is
written within seconds."""
_RAW, _USER, _GRAVITY = "accelerometeracceleration", "motionuseracceleration", "motiongravity"
_CLOCKS = {_RAW: "accelerometertimestampsincereboot", _USER: "motiontimestampsincereboot"}
_NUMBERS = {
    **{c: (c,) for c in _CLOCKS.values()},
    **{stem + axis: (stem + axis,) for stem in (_RAW, _USER, _GRAVITY) for axis in "xyz"},
    "fixed": ("locationtimestampsince",),
    "lat": ("locationlatitude",),
    "lon": ("locationlongitude",),
    "speed": ("locationspeed",),
    "heading": ("locationcourse",),
    "accuracy": ("locationhorizontalaccuracy",),
}
_MAY_LACK = ("pedometer", "battery")
"""Sensors some of whose cells are left out (https://jhuwit.github.io/actisensorlog/)."""
_MOST_LACKING = 2
"""More cells than this are not made up. Chosen by us: one of each sensor was seen."""
_WORDS = {
    "logged": ("loggingtime",),
    "device": ("deviceid",),
    "vendor": ("identifierforvendor",),
}


def recognise(layout: Layout) -> bool:
    """Whether the app's clock, or one of its sensors' clocks, stands beside what we read."""
    names = {bare(name) for name in layout.names}
    clocks = {"loggingtime", "locationtimestampsince", *_CLOCKS.values()}
    return bool(clocks & names) and bool(
        {_RAW + "x", _USER + "x", _GRAVITY + "x", "locationlatitude"} & names
    )


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a SensorLog export."""
    text, completed = _completed(text, layout)
    columns = pick(text, layout, numbers=_NUMBERS, words=_WORDS)
    axes, source = _acceleration(columns)
    clock = columns.numbers.get(_CLOCKS[source], columns.numbers.get(_CLOCKS[_USER]))
    rows = _stamps(columns, clock, options, name)
    samples = None if axes is None else Rows(rows, axes, rows=columns.rows, lost=columns.lost)
    if samples is not None and clock is not None:
        samples = _unrepeated(samples, clock)
    drive = drive_of(samples, _places(columns, rows), format=FORMAT, device=_device(columns))
    return (replace(drive, warnings=(*completed, *drive.warnings)),)


def _completed(text: Text, layout: Layout) -> tuple[Text, tuple[str, ...]]:
    """The text, with empty cells where the app left some out, and a warning that counts the rows.

    They go before the first column of the sensors that lack them: what stands left of it, and the
    phone's names on the far right, are then in their columns.
    """
    names = [bare(name) for name in layout.names]
    at = next((i for i, name in enumerate(names) if name.startswith(_MAY_LACK)), None)
    ours = {name for part in _NUMBERS.values() for name in part}
    if at is None or ours & set(names[at:]):
        return text, ()
    cut = layout.delimiter.encode()
    lines = text.data[layout.body :].split(b"\n")
    short = 0
    for i, line in enumerate(lines):  # a loop over rows: single ones lack something
        lacking = len(names) - 1 - line.count(cut)
        if line and 0 < lacking <= _MOST_LACKING:
            cells = line.split(cut)
            lines[i] = cut.join((*cells[:at], *[b""] * lacking, *cells[at:]))
            short += 1
    if not short:
        return text, ()
    said = f"{short} rows lacked cells of {' or '.join(_MAY_LACK)} and were completed"
    return replace(text, data=text.data[: layout.body] + b"\n".join(lines)), (said,)


def _acceleration(columns: Picked) -> tuple[Axes | None, str]:
    """The raw sensor where it was ticked, else its two parts; and whose clock is theirs."""
    raw = columns.axes(_RAW, TO_MS2)
    if raw is not None and np.isfinite(raw[0]).any():
        return raw, _RAW
    user, gravity = columns.axes(_USER, TO_MS2), columns.axes(_GRAVITY, TO_MS2)
    if user is None or gravity is None:
        return user, _USER
    (ux, uy, uz), (gx, gy, gz) = user, gravity
    return (ux + gx, uy + gy, uz + gz), _USER


def _unrepeated(samples: Rows, clock: Floats) -> Rows:
    """The samples without rows that repeat a reading: its clock stands still."""
    new = fresh(clock) | ~np.isfinite(clock)
    repeated = new.size - int(np.count_nonzero(new))
    if not repeated:
        return samples
    said = f"{repeated} of {samples.rows} rows repeated the reading before them and were dropped"
    return replace(only(samples, new), rows=samples.rows - repeated, warnings=(said,))


def _stamps(columns: Picked, clock: Floats | None, options: ReadOptions, name: str) -> Stamps:
    """Time of each row: the sensor's clock, set to the logging time."""
    running = None if clock is None else counted(clock, unit="s", unix=False)
    if "logged" not in columns.words:
        if running is not None:
            said = "no loggingTime column: the trip is relative"
            return replace(running, warnings=(said,))
        if "fixed" not in columns.numbers:
            raise Refusal(Reason.SCHEMA, "no clock: tick loggingTime in the logger")
        return counted(columns.numbers["fixed"], unit="s", unix=True)
    wall = _zoned(civil(columns.words["logged"], options=options, name=name), columns)
    if running is None or clock is None:
        return wall
    late = Stamps(wall.t_us, wall.known & fresh(clock), wall.basis, wall.warnings)
    return set_to(running, late)


def _zoned(wall: Stamps, columns: Picked) -> Stamps:
    """A local clock without a zone, set by the fixes' own: they are written soon after."""
    fixed_s = columns.numbers.get("fixed")
    if wall.basis is not TimeBasis.RELATIVE or fixed_s is None:
        return wall
    new = wall.known & fresh(fixed_s) & (fixed_s > OLDEST_S) & (wall.t_us > OLDEST_S * US_PER_S)
    if not new.any():
        return wall
    ahead_us = int(np.min(wall.t_us[new] - fixed_s[new] * US_PER_S))
    zone_us = round(ahead_us / ZONE_US) * ZONE_US
    if abs(ahead_us - zone_us) > LATE_US or abs(zone_us) > DAY_US:
        return wall
    said = f"the clock's zone told from the fixes: {zone_us / 3.6e9:+g} h from UTC"
    t_us = np.where(wall.known, wall.t_us - zone_us, 0)
    return Stamps(t_us, wall.known, TimeBasis.ABSOLUTE, (said,))


def _places(columns: Picked, rows: Stamps) -> Rows | None:
    """The positions, each once, by their own clock where the rows' one is comparable."""
    fixed_s = columns.numbers.get("fixed")
    if fixed_s is None or rows.basis is TimeBasis.RELATIVE:
        return columns.places(rows, held=True)
    return columns.places(fix_clock(fixed_s, unit="s"), fresh(fixed_s))


def _device(columns: Picked) -> str | None:
    """The phone's own id, else the name given in the app, which most people leave as it is."""
    for part in ("vendor", "device"):
        if part in columns.words:
            said = next((w for w in columns.words[part].to_pylist() if w and w.strip()), None)
            if said is not None:
                return named(said)[0]
    return None
