"""Physics Toolbox Suite: one wide table in g or m/s², a clock without a date.

Traps: quoted decimal commas or ``;``, a trailing separator, a second header in mid-file (its row
is no number and drops out), 0, 0 before the first fix, rows that come in bunches.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats
from streetbump.trips.clock import Stamps, civil, counting, is_civil
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.options import ReadOptions
from streetbump.trips.table import Layout, letters, read_columns
from streetbump.trips.text import Text

FORMAT = "physics-toolbox"
_IN_G = ("gfx", "gfy", "gfz")
_IN_MS2 = ("ax", "ay", "az")
_TOTAL = "at"  # the app's own |a|, which tells its m/s² table from others with ax, ay, az


def recognise(layout: Layout) -> bool:
    """Whether the header is ``time,gFx,gFy,gFz,…`` or ``time,ax,ay,az,aT,…``."""
    names = {_bare(name) for name in layout.names}
    return "time" in names and (names >= set(_IN_G) or names >= {*_IN_MS2, _TOTAL})


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a Physics Toolbox export."""
    at = {key: layout.find(lambda n, k=key: _bare(n) == k) for key in  # type: ignore[misc]
          ("time", *_IN_G, *_IN_MS2, "latitude", "longitude", "speed")}  # fmt: skip
    in_g = all(at[a] is not None for a in _IN_G)
    axes = [i for a in (_IN_G if in_g else _IN_MS2) if (i := at[a]) is not None]
    places = [i for p in ("latitude", "longitude", "speed") if (i := at[p]) is not None]
    time = at["time"] or 0
    clock = [time] if is_civil(layout.first[time]) else []
    numbers = [*axes, *places] if clock else [time, *axes, *places]
    columns = read_columns(text, layout, numbers=numbers, words=clock)
    stamps: Stamps = (
        civil(columns.words[time], options=options, name=name)
        if clock
        else counting(columns.numbers[time])
    )

    def get(column: str) -> Floats | None:
        i = at[column]
        return None if i is None else columns.numbers[i]

    unit_ms2 = STANDARD_GRAVITY_MS2 if in_g else 1.0
    x, y, z = (np.asarray(columns.numbers[i] * unit_ms2) for i in axes)
    rows = Rows(
        stamps, (x, y, z), get("latitude"), get("longitude"), get("speed"),
        rows=columns.rows, lost=columns.lost,
    )  # fmt: skip
    return (from_rows(rows, format=FORMAT),)


def _bare(name: str) -> str:
    """A column's name without its unit: ``Speed (m/s)`` → ``speed``."""
    return letters(name.split("(")[0])
