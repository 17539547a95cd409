"""The iOS "sensor data" logger: rows of motion and rows of fixes, interleaved in one table.

Two columns are named ``timestamp(unix)``; which of them is the clock of motion is told by where
they are filled, not by where they stand. Gravity and user acceleration stand apart, in g with
CoreMotion's sign; their sum is the raw reading.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import Bools, Floats, Reason
from streetbump.trips.clock import counted
from streetbump.trips.drive import Drive, Rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.sensorlog_ios import TO_MS2
from streetbump.trips.streams import bare, drive_of, fix_clock, fresh, only, pick, unit
from streetbump.trips.table import Layout, read_columns
from streetbump.trips.text import Text

FORMAT = "ios-sensor-data"
TOLD_BY = "timestamp(unix) beside user_acc_x or latitude, course and User Mark"
TAKEN: tuple[Note, ...] = (
    ("clock", "seconds since 1970 UTC; of two such columns motion's is told by where it is filled"),
    ("sign", "iOS': -1 g on the axis that points up; turned round"),
    ("unit", "g, taken as 9.80665 m/s²; gravity and user acceleration added"),
)
_NUMBERS = {
    **{stem + axis: (stem + axis,) for stem in ("gravity", "useracc") for axis in "xyz"},
    "lat": ("latitude",),
    "lon": ("longitude",),
    "speed": ("speed",),
    "heading": ("course",),
}


def recognise(layout: Layout) -> bool:
    """Whether a clock ``timestamp(unix)`` stands beside the app's motion or position columns."""
    names = {bare(name) for name in layout.names}
    return bool(_clocks(layout)) and (
        "useraccx" in names or ({"latitude", "course"} <= names and "usermark" in names)
    )


def _clocks(layout: Layout) -> list[int]:
    return [i for i, n in enumerate(layout.names) if (bare(n), unit(n)) == ("timestamp", "unix")]


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in an export of the app."""
    at = _clocks(layout)
    if len(at) > 2:
        raise Refusal(Reason.SCHEMA, "more than two columns are named timestamp(unix)")
    columns = pick(text, layout, numbers=_NUMBERS)
    found = read_columns(text, layout, numbers=at).numbers
    user, gravity = columns.axes("useracc", TO_MS2), columns.axes("gravity", TO_MS2)
    clocks = [found[i] for i in at]
    moved = None if user is None else np.isfinite(user[0])
    motion, fixed = _told_apart(clocks, moved, np.isfinite(columns.numbers.get("lat", clocks[0])))
    places = columns.places(fix_clock(fixed, unit="s"), fresh(fixed))
    if user is None or moved is None:
        return (drive_of(None, places, format=FORMAT),)
    (x, y, z), zero = user, (0.0, 0.0, 0.0)
    gx, gy, gz = gravity or zero
    rows = Rows(
        counted(motion, unit="s", unix=True), (x + gx, y + gy, z + gz),
        rows=columns.rows, lost=columns.lost,
    )  # fmt: skip
    new = moved & (fresh(motion) | ~np.isfinite(motion))
    return (drive_of(only(rows, new), places, format=FORMAT),)


def _told_apart(clocks: list[Floats], moved: Bools | None, placed: Bools) -> tuple[Floats, Floats]:
    """The clock of motion and that of the fixes; one column may be both.

    Of two, that of motion is filled in more rows of motion and fewer of fixes; where both are
    filled everywhere, it is the one with more different times.
    """
    if len(clocks) == 1:
        return clocks[0], clocks[0]

    def of_motion(clock: Floats) -> tuple[int, int]:
        there = np.isfinite(clock)
        with_motion = 0 if moved is None else int(np.count_nonzero(there & moved))
        return with_motion - int(np.count_nonzero(there & placed)), int(
            np.count_nonzero(fresh(clock))
        )

    first, second = clocks
    return (first, second) if of_motion(first) >= of_motion(second) else (second, first)
