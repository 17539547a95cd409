"""Physics Toolbox Suite: one wide table in g or m/s², a clock without a date.

Traps: quoted decimal commas or ``;``, a trailing separator, a second header in mid-file (its row
is no number and drops out), 0, 0 before the first fix, rows that come in bunches. Where several
sensors are recorded, each writes rows of its own: the others' columns repeat their last values, and
hold zeros until there is one.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.trips.clock import civil, counting, is_civil
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.streams import Axes, Picked, bare, pick, speed_in_ms
from streetbump.trips.table import Layout, read_columns
from streetbump.trips.text import Text

FORMAT = "physics-toolbox"
TOLD_BY = "time beside gFx, gFy, gFz, or beside ax, ay, az and aT"
TAKEN: tuple[Note, ...] = (
    ("clock", "a local time of day without a date, or seconds from a start"),
    ("sign", "Android's: the file does not say on which platform it was made"),
    ("unit", "g in gFx, else m/s² in ax; speed in the unit that its column states, else m/s"),
)
_IN_G, _IN_MS2 = "gf", "a"
_OTHERS = frozenset(("at", "tgf", "wx", "bx", "azimuth"))
"""Columns that tell the app's m/s² table, or one of another sensor, from others with ax, ay, az."""
_BESIDE = frozenset(("wx", "wy", "wz", "bx", "by", "bz", "azimuth", "pitch", "roll", "p"))
"""Columns of sensors that may write rows of their own: gyroscope, magnetometer and the like."""
_NUMBERS = {
    **{stem + axis: (stem + axis,) for stem in (_IN_G, _IN_MS2) for axis in "xyz"},
    "lat": ("latitude",),
    "lon": ("longitude",),
    "speed": ("speed",),
}


def recognise(layout: Layout) -> bool:
    """Whether the header is ``time,gFx,gFy,gFz,…`` or ``time,ax,ay,az,aT,…``."""
    names = {bare(name) for name in layout.names}
    in_g, in_ms2 = ({stem + axis for axis in "xyz"} <= names for stem in (_IN_G, _IN_MS2))
    return "time" in names and (in_g or (in_ms2 and bool(_OTHERS & names)))


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a Physics Toolbox export."""
    time = {"time": ("time",)}
    at = layout.find(lambda n: bare(n) == "time") or 0
    clock = at < len(layout.first) and is_civil(layout.first[at])
    columns = pick(
        text, layout, numbers=_NUMBERS if clock else _NUMBERS | time, words=time if clock else {}
    )
    stamps = (
        civil(columns.words["time"], options=options, name=name)
        if clock
        else counting(columns.numbers["time"])
    )
    axes, said = _readings(text, layout, columns)
    rows = Rows(
        stamps,
        axes,
        columns.numbers.get("lat"),
        columns.numbers.get("lon"),
        speed_in_ms(columns, layout, "speed", unstated="ms"),
        rows=columns.rows,
        lost=columns.lost,
        warnings=said,
    )
    return (from_rows(rows, format=FORMAT),)


def _readings(text: Text, layout: Layout, columns: Picked) -> tuple[Axes | None, tuple[str, ...]]:
    """The acceleration, NaN in rows that another sensor wrote, and a warning that counts them.

    Such a row repeats the reading before it and changes what stands beside it.
    """
    in_g = columns.axes(_IN_G, STANDARD_GRAVITY_MS2)
    axes = in_g or columns.axes(_IN_MS2)
    linear = {_IN_MS2 + axis for axis in "xyz"} if in_g else set()
    named = {bare(name): i for i, name in enumerate(layout.names)}
    beside = [named[name] for name in sorted(linear | _BESIDE) if name in named]
    if axes is None or not beside:
        return axes, ()
    values = np.column_stack(axes)
    moved = np.zeros(len(values), dtype=np.bool_)
    others = read_columns(text, layout, numbers=beside).numbers.values()
    places = (columns.numbers[part] for part in ("lat", "lon") if part in columns.numbers)
    for column in (*others, *places):  # a dozen columns
        moved[1:] |= np.diff(np.nan_to_num(column)) != 0
    old = moved & np.append(False, (values[1:] == values[:-1]).all(axis=1))
    if in_g is not None:
        old |= (values == 0).all(axis=1)  # nothing weighs nothing: no reading yet
    said = (f"{np.count_nonzero(old)} of {columns.rows} rows are another sensor's: they repeat the "
            "last reading, or hold none yet",) * bool(old.any())  # fmt: skip
    x, y, z = (np.where(old, np.nan, a) for a in axes)
    return (x, y, z), said
