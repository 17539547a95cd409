"""AndroSensor: one wide table, its columns as ticked by the user, position on every row.

Headers are matched on their letters only: ``²`` and ``°`` are written in at least three
encodings. Speed is km/h. The wall clock is local and has no zone; steps come from the column of
milliseconds since the start. A recording that somebody split in two, samples and positions, is
read with the second file as the separate position file.
"""

from __future__ import annotations

from streetbump.model import Gravity, Reason
from streetbump.trips.clock import Stamps, civil, counted
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.streams import Axes, Picked, bare, pick, set_to, speed_in_ms
from streetbump.trips.table import Layout
from streetbump.trips.text import Text

FORMAT = "androsensor"
TOLD_BY = "ACCELEROMETER, GRAVITY or LOCATION columns beside one of the app's clocks"
TAKEN: tuple[Note, ...] = (
    ("clock", "ms since the start, set to the local wall clock by their median difference"),
    ("sign", "Android's: the app runs there only"),
    ("unit", "m/s²; speed in the unit that its column states"),
)
_SINCE_START = "timesincestartinms"
_WALL_CLOCK = "yyyymoddhhmisssss"  # YYYY-MO-DD HH-MI-SS_SSS
_RAW, _LINEAR, _GRAVITY = "accelerometer", "linearacceleration", "gravity"
_NUMBERS = {
    "since": (_SINCE_START,),
    **{stem + axis: (stem + axis,) for stem in (_RAW, _LINEAR, _GRAVITY) for axis in "xyz"},
    "lat": ("locationlatitude",),
    "lon": ("locationlongitude",),
    "speed": ("locationspeed",),
    "heading": ("locationorientation",),
    "accuracy": ("locationaccuracy",),
}


def recognise(layout: Layout) -> bool:
    """Whether there is one of the app's clocks, and samples or positions beside it."""
    names = {bare(name) for name in layout.names}
    return bool({_SINCE_START, _WALL_CLOCK} & names) and bool(
        {f"{_RAW}x", f"{_LINEAR}x", f"{_GRAVITY}x", "locationlatitude"} & names
    )


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in an AndroSensor export."""
    columns = pick(text, layout, numbers=_NUMBERS, words={"wall": (_WALL_CLOCK,)})
    acc, gravity = _acceleration(columns)
    numbers = columns.numbers
    rows = Rows(
        _stamps(columns, options, name), acc, numbers.get("lat"), numbers.get("lon"),
        speed_in_ms(columns, layout, "locationspeed"), numbers.get("heading"),
        numbers.get("accuracy"), columns.rows, columns.lost,
    )  # fmt: skip
    return (from_rows(rows, format=FORMAT, gravity=gravity),)


def _acceleration(columns: Picked) -> tuple[Axes | None, Gravity | None]:
    """The raw sensor where it was ticked; else gravity put back onto the linear stream."""
    raw, linear, gravity = (columns.axes(stem) for stem in (_RAW, _LINEAR, _GRAVITY))
    if raw is not None or linear is None:
        return raw, None
    if gravity is None:
        return linear, Gravity.REMOVED
    (x, y, z), (gx, gy, gz) = linear, gravity
    return (x + gx, y + gy, z + gz), Gravity.KEPT


def _stamps(columns: Picked, options: ReadOptions, name: str) -> Stamps:
    """Milliseconds since the start, set to the wall clock once it has a zone."""
    running = None
    if "since" in columns.numbers:
        running = counted(columns.numbers["since"], unit="ms", unix=False)
    if "wall" in columns.words:
        wall = civil(columns.words["wall"], options=options, name=name)
        return wall if running is None else set_to(running, wall)
    if running is None:
        raise Refusal(Reason.SCHEMA, "no clock: tick the time columns in the logger")
    return running
