"""GPX 1.0 and 1.1: the positions beside a recording of acceleration (``--gps``).

Time, and what an element within a track point states under the names ``speed``, ``course`` or
``bearing``: GPX 1.0 itself, Garmin's TrackPointExtension and others, all of them in m/s and
degrees. A document type and entities are refused; the parser keeps one point at a time.
"""

from __future__ import annotations

import codecs
import re
from array import array

import numpy as np
import pyarrow as pa

from streetbump.model import Reason, TimeBasis
from streetbump.trips.clock import Stamps, civil
from streetbump.trips.drive import Drive, Rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.streams import drive_of
from streetbump.trips.table import SYNTHETIC_COLUMN, measured
from streetbump.trips.text import CELL_BYTES

FORMAT = "gpx"
TOLD_BY = "the element <gpx"
TAKEN: tuple[Note, ...] = (
    ("clock", "RFC 3339; without an offset it is local"),
    ("unit", "degrees; speed in m/s"),
)
_ROOT = re.compile(rb"<(?:[a-z0-9_.-]{1,40}:)?gpx\b", re.IGNORECASE)
_NUMBERS = {"speed": 2, "course": 3, "bearing": 3}  # element → column behind lat, lon
_TIME_LETTERS = 40
POINTS = 500_000
"""Most points of a track. Chosen by us: three a second for the longest trip."""
DEPTH = 64
"""Deepest nesting. Chosen by us: ten times what GPX and its extensions need."""
_PIECE_BYTES = 64 * 1024
TAG_BYTES = 4 * _PIECE_BYTES
"""Longest tag or comment, to within a piece: the parser holds one whole. Chosen by us: no logger
writes a hundredth."""


def recognise(data: bytes) -> bool:
    """Whether the bytes begin as GPX.

    >>> recognise(b'<?xml version="1.0"?><gpx version="1.1">'), recognise(b"t,ax")
    (True, False)
    >>> recognise(b'<ns0:gpx xmlns:ns0="http://www.topografix.com/GPX/1/1">')
    True
    """
    start = data[:4096].removeprefix(codecs.BOM_UTF8).lstrip()
    return start.startswith(b"<") and _ROOT.search(start) is not None


def read(data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The track points of a GPX file, as a drive without acceleration.

    Raises
    ------
    Refusal
        XML_HOSTILE, UNREADABLE, ROW_LIMIT, SCHEMA (no point has a time); COORD_RANGE.
    """
    track = _parsed(data.removeprefix(codecs.BOM_UTF8).lstrip())
    if track.places and not any(track.times):
        raise Refusal(
            Reason.SCHEMA, "no point of the GPX track has a time: record one, a route is not driven"
        )
    table = measured(np.array(track.places).reshape(-1, 4))
    lat, lon, speed, heading = table.T
    stamps = Stamps(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_), TimeBasis.ABSOLUTE)
    if track.places:
        stamps = civil(pa.chunked_array([track.times]), options=options, name=name)
    places = Rows(
        stamps, None, lat, lon, speed, heading, rows=len(table), warnings=stamps.warnings,
        held=False,
    )  # fmt: skip
    return (drive_of(None, places, format=FORMAT, synthetic=track.synthetic),)


class _Track:
    """What the parser calls: points as they come, nothing kept of the rest."""

    def __init__(self) -> None:
        self.places = array("d")  # four numbers a point
        self.times: list[str] = []
        self.synthetic = False
        self._depth = 0
        self._inside = False
        self._text: list[str] | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = _local(tag)
        self._depth += 1
        if self._depth > DEPTH:
            raise Refusal(Reason.XML_HOSTILE, "the GPX is nested too deeply: export it again")
        if name == "trkpt":
            if len(self.times) == POINTS:
                raise Refusal(Reason.ROW_LIMIT, f"more than {POINTS} track points: split the track")
            self._inside = True
            at = [_number(attributes.get(a, "")) for a in ("lat", "lon")]
            self.places.extend((*at, float("nan"), float("nan")))
            self.times.append("")
        elif name == "gpx":
            self.synthetic = SYNTHETIC_COLUMN in attributes.get("creator", "").lower()
        wanted = self._inside and (name == "time" or name in _NUMBERS)
        self._text = [] if wanted else None

    def data(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def end(self, tag: str) -> None:
        name = _local(tag)
        self._depth -= 1
        said = "".join(self._text or ())
        if name == "trkpt":
            self._inside = False
        elif self._text is not None and name == "time":
            self.times[-1] = said.strip() if len(said) <= _TIME_LETTERS else ""
        elif self._text is not None:
            self.places[_NUMBERS[name] - 4] = _number(said)
        self._text = None


def _parsed(data: bytes) -> _Track:
    from defusedxml import ElementTree  # slow to import, and only positions need it
    from defusedxml.common import DefusedXmlException

    track = _Track()
    parser = ElementTree.DefusedXMLParser(target=track, forbid_dtd=True)
    try:
        for start in range(0, len(data), _PIECE_BYTES):
            parser.feed(data[start : start + _PIECE_BYTES])
            if start - parser.parser.CurrentByteIndex > TAG_BYTES:
                raise Refusal(
                    Reason.XML_HOSTILE, "a tag or comment of the GPX is too long: export it again"
                )
        parser.close()
    except DefusedXmlException as exc:
        raise Refusal(
            Reason.XML_HOSTILE, "the GPX holds a document type or entities: export it again"
        ) from exc
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise Refusal(Reason.UNREADABLE, "the GPX is no well-formed XML: export it again") from exc
    return track


def _local(tag: str) -> str:
    """An element's name without its namespace."""
    return tag.rpartition("}")[2].lower()


def _number(said: str) -> float:
    """A plain number, NaN where there is none."""
    try:
        plain = said.isascii() and len(said) <= CELL_BYTES and "_" not in said
        return float(said) if plain else float("nan")
    except ValueError:
        return float("nan")
