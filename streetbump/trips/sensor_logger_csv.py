"""One table taken out of a Sensor Logger export: acceleration, or the positions for ``--gps``.

Alone it says neither on which platform it was made nor whether gravity is in it; the latter is
measured. The whole zip is better.
"""

from __future__ import annotations

from streetbump.trips.drive import Drive
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.sensor_logger import COLUMNS, FORMAT, LINEAR, LOCATIONS, recording, stream_of
from streetbump.trips.streams import bare, pick
from streetbump.trips.table import Layout
from streetbump.trips.text import Text

__all__ = ["FORMAT", "TAKEN", "TOLD_BY", "read", "recognise"]

TOLD_BY = "the columns time and seconds_elapsed beside x, y, z or a position"
TAKEN: tuple[Note, ...] = (
    ("clock", "ns since 1970 UTC in the column time"),
    ("unit", "m/s², degrees, m/s, metres, as the app writes them"),
)


def recognise(layout: Layout) -> bool:
    """Whether the app's two clocks stand beside x, y, z or a position."""
    names = {bare(name) for name in layout.names}
    kinds = ({"x", "y", "z"}, {"latitude", "longitude"})
    return names >= {"time", "secondselapsed"} and any(names >= kind for kind in kinds)


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a table, or the positions in it."""
    rows = stream_of(pick(text, layout, numbers=COLUMNS), about={})
    kind = LOCATIONS[0] if rows.acc_ms2 is None else LINEAR
    return (recording({kind: rows}.get, {}),)
