"""One table of phyphox without its archive: seconds of the experiment, and no date.

The app's export of a single file has no metadata. Two such tables of one experiment, samples and
positions (``--gps``), are on one clock.
"""

from __future__ import annotations

from streetbump.trips.drive import Drive
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.phyphox import FORMAT, PLACES, kind_of, stream_of
from streetbump.trips.streams import bare, drive_of, unit
from streetbump.trips.table import Layout
from streetbump.trips.text import Text

__all__ = ["FORMAT", "TAKEN", "TOLD_BY", "read", "recognise"]

TOLD_BY = "Time (s) beside axes in (m/s^2) or a position, as the app names them"
TAKEN: tuple[Note, ...] = (
    ("clock", "seconds of the experiment"),
    ("sign", "Android's: the app turns that of iOS round"),
    ("unit", "m/s², degrees, m/s, metres, as the headers say"),
)

_OWN = ({"absacceleration"}, {"altitude", "direction", "speed"})
"""What the tables of a customised experiment have, whose names state no units."""


def recognise(layout: Layout) -> bool:
    """Whether a time in seconds stands beside axes in m/s² or a position, as the app names them."""
    if kind_of(layout) is None:
        return False
    units = {bare(n): unit(n) for n in layout.names}
    stated = units["time"] == "s" and ("ms" in units.values() or "latitude" in units)
    return stated or (units["time"] == "" and any(own <= units.keys() for own in _OWN))


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The one drive in a table, or the positions in it."""
    kind = kind_of(layout, name) or ""
    rows = stream_of(text, layout, kind=kind, runs=None)
    found = (None, rows) if kind == PLACES else (rows, None)
    return (drive_of(*found, format=FORMAT),)
