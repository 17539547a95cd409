"""Sensor Logger's JSON: an exported array of readings, or messages as it pushes them by HTTP.

The array is grouped by sensor and writes every value as a text. A message holds readings of some
sensors, ``{"messageId", "sessionId", "deviceId", "payload": [{"name", "time", "values"}]}``; they
may stand in an array or one per line, in any order, and of several sessions.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

import msgspec
import numpy as np

from streetbump.model import Reason
from streetbump.trips.drive import Drive, Rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.sensor_logger import COLUMNS, FORMAT, LOCATIONS, SENSORS, recording, stream_of
from streetbump.trips.streams import Picked
from streetbump.trips.table import measured
from streetbump.trips.text import ROWS

__all__ = ["FORMAT", "TAKEN", "TOLD_BY", "read", "recognise"]

TOLD_BY = 'an array of objects with "sensor", or messages with "payload"'
TAKEN: tuple[Note, ...] = (
    ("clock", "ns since 1970 UTC under time"),
    ("unit", "m/s², degrees, m/s, metres, as the app writes them"),
)

SESSIONS = 200
"""Most sessions in one file. Chosen by us, as for phones in one table."""
LEAST_BYTES = 32
"""Fewer bytes than this per object, on average, are no readings. Chosen by us: it bounds memory."""
_BROKEN = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)
_NO_VALUE = ("", "null", "NaN")
_KEY = {"lat": "latitude", "lon": "longitude", "heading": "bearing",
        "accuracy": "horizontalAccuracy"}  # fmt: skip


class _Values(msgspec.Struct, frozen=True, gc=False):
    """What one reading says; of a text, its number."""

    x: float | None = None
    y: float | None = None
    z: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    speed: float | None = None
    bearing: float | None = None
    horizontalAccuracy: float | None = None  # noqa: N815  (the app's key)
    accuracy: float | None = None


class _Reading(_Values, frozen=True, gc=False):
    """One reading of the export, or its first object, which says what ``Metadata.csv`` does."""

    sensor: str = ""
    time: float | None = None
    seconds_elapsed: float | None = None
    platform: str = ""
    standardisation: bool | str = ""
    device_name: str = msgspec.field(name="device name", default="")
    recording_epoch_time: int | str = msgspec.field(name="recording epoch time", default="")
    mark: bool | int | str | None = msgspec.field(name="streetbump-synthetic", default=None)


class _Pushed(msgspec.Struct, frozen=True):
    """One reading of a message."""

    name: str = ""
    time: float | None = None
    accuracy: float | None = None
    values: _Values = _Values()


class _Message(msgspec.Struct, frozen=True):
    """One message."""

    sessionId: str = ""  # noqa: N815
    deviceId: str = ""  # noqa: N815
    payload: list[_Pushed] = []
    mark: bool | int | str | None = msgspec.field(name="streetbump-synthetic", default=None)


_T = TypeVar("_T", _Reading, _Message)


def recognise(data: bytes) -> bool:
    """Whether it begins as an array of readings, or as a message.

    >>> recognise(b'[{"sensor":"Gravity","time":"1"}]'), recognise(b'{"payload":[{"values":{}}]}')
    (True, True)
    >>> recognise(b'{"t":1}')
    False
    """
    start = data[: 1 << 14].removeprefix(codecs.BOM_UTF8).lstrip()
    pushed = start.startswith((b"{", b"[")) and b'"payload"' in start
    return pushed or (start.startswith(b"[") and b'"sensor"' in start)


def read(data: bytes, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The drives in the app's JSON: one in an export, one per session in messages.

    Raises
    ------
    Refusal
        JSON_INVALID, ROW_LIMIT, NO_ACCEL; whatever the rows give reason for.
    """
    data = data.removeprefix(codecs.BOM_UTF8).strip()
    if data.count(b"{") > min(ROWS, len(data) // LEAST_BYTES + 10):
        raise Refusal(Reason.ROW_LIMIT, "more objects than readings can be: split the recording")
    if b'"payload"' in data[: 1 << 14]:
        return _pushed(data)
    readings, lost = _decoded(data, _Reading)
    return (_exported(readings, lost),)


def _exported(readings: list[_Reading], lost: int) -> Drive:
    said = next((r for r in readings if r.platform or r.device_name), _Reading())
    about = {
        "platform": said.platform,
        "standardisation": str(said.standardisation),
        "device name": said.device_name,
        "recording epoch time": str(said.recording_epoch_time),
    }
    rows = [(r.sensor.lower(), r.time, r.seconds_elapsed, r) for r in readings]
    marked = any(r.mark is not None for r in readings)
    return _drive(rows, about, lost, marked=marked)


def _pushed(data: bytes) -> tuple[Drive, ...]:
    messages, lost = _decoded(data, _Message)
    sessions: dict[tuple[str, str], list[_Message]] = {}
    for m in messages:
        sessions.setdefault((m.deviceId, m.sessionId), []).append(m)
    if len(sessions) > SESSIONS:
        raise Refusal(Reason.ROW_LIMIT, f"more than {SESSIONS} sessions in one file: split it")
    drives = []
    for k, ((device, _), found) in enumerate(sorted(sessions.items()), start=1):
        readings = [(p.name.lower(), p.time, None, p.values) for m in found for p in m.payload]
        android = any(_rated(p) for m in found for p in m.payload)
        about = {"device name": device, **({"platform": "android"} if android else {})}
        drive = _drive(readings, about, lost, marked=any(m.mark is not None for m in found))
        said = ("sign taken as Android's: only there readings state an accuracy",) * android
        part = "" if len(sessions) == 1 else str(k)
        drives.append(replace(drive, part=part, warnings=(*drive.warnings, *said)))
    return tuple(drives)


def _rated(reading: _Pushed) -> bool:
    """Whether a sensor states how accurate it is, 0 to 3, as only Android's do."""
    rates = reading.accuracy is not None or reading.values.accuracy is not None
    return rates and reading.name.lower() not in LOCATIONS


def _drive(
    readings: Sequence[tuple[str, float | None, float | None, _Values]],
    about: dict[str, str],
    lost: int,
    *,
    marked: bool,
) -> Drive:
    by_sensor: dict[str, list[tuple[float | None, float | None, _Values]]] = {}
    for sensor, time, elapsed, values in readings:
        if sensor in SENSORS:
            by_sensor.setdefault(sensor, []).append((time, elapsed, values))

    def stream(sensor: str) -> Rows | None:
        rows = by_sensor.get(sensor)
        return None if rows is None else _stream(sensor, rows, about)

    drive = recording(stream, about, marked=lambda: marked)
    said = (f"{lost} objects could not be read and were dropped",) * bool(lost)
    return replace(drive, warnings=(*drive.warnings, *said))


def _stream(
    sensor: str, rows: list[tuple[float | None, float | None, _Values]], about: dict[str, str]
) -> Rows:
    """One sensor's readings by time: messages come out of order."""
    wanted = [c for c in COLUMNS if c not in ("time", "elapsed")]
    keys = [_KEY.get(c, c) for c in wanted]
    table = measured(np.array(
        [(t, e, *(getattr(v, k) for k in keys)) for t, e, v in rows], dtype=np.float64
    ))  # fmt: skip
    clock = table[:, 0] if np.isfinite(table[:, 0]).any() else table[:, 1]
    order = np.argsort(clock, kind="stable")
    said = (f"{sensor}: readings came out of order, sorted",) * bool((np.diff(clock) < 0).any())
    columns = dict(zip(("time", "elapsed", *wanted), table[order].T, strict=True))
    known = {part: c for part, c in columns.items() if np.isfinite(c).any()}
    found = stream_of(Picked(known, {}, len(rows), 0), about=about)
    return replace(found, warnings=(*said, *found.warnings))


def _decoded(data: bytes, kind: type[_T]) -> tuple[list[_T], int]:
    """The objects of an array, or one after the other on lines, and how many could not be read."""
    raw: list[msgspec.Raw]
    try:
        if data.startswith(b"["):
            return msgspec.json.decode(data, type=list[kind], strict=False), 0  # type: ignore[valid-type]
        return msgspec.json.Decoder(kind, strict=False).decode_lines(data), 0
    except _BROKEN:
        raw = _cut(data)
    found = list(_readable(raw, kind))
    if 5 * (len(raw) - len(found)) > len(raw):
        raise Refusal(
            Reason.JSON_INVALID, "most objects are no readings of Sensor Logger: export again"
        )
    return found, len(raw) - len(found)


def _cut(data: bytes) -> list[msgspec.Raw]:
    try:
        if data.startswith(b"["):
            return msgspec.json.decode(data, type=list[msgspec.Raw])
        try:
            return [msgspec.json.decode(data, type=msgspec.Raw)]
        except _BROKEN:
            return msgspec.json.Decoder(msgspec.Raw).decode_lines(data)
    except _BROKEN as exc:
        raise Refusal(
            Reason.JSON_INVALID, "this is no valid JSON, or nested too deeply: export again"
        ) from exc


def _readable(raw: list[msgspec.Raw], kind: type[_T]) -> Iterator[_T]:
    for one in raw:  # only where some object among them is none
        try:
            yield msgspec.json.decode(one, type=kind, strict=False)
        except _BROKEN:
            yield from _mended(one, kind)


def _mended(one: msgspec.Raw, kind: type[_T]) -> Iterator[_T]:
    """An object without its empty texts, which stand for no value; nothing of one that is broken.

    An object of a sensor that is not asked for has values of its own, such as an annotation's.
    """
    try:
        said = msgspec.json.decode(one, type=dict[str, object])
        if str(said.get("sensor", "")).lower() not in ("", "metadata", *SENSORS):
            yield kind()
            return
        filled = {k: v for k, v in said.items() if v not in _NO_VALUE}
        yield msgspec.convert(filled, type=kind, strict=False)
    except _BROKEN:
        return
