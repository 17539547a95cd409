"""What fuzzing feeds: one function per target, which raises :class:`Broken` for a broken promise.

The promise is the same everywhere: whatever the bytes, the answer is a value or a refusal. Any
other exception is a find as well, and so is more than a second of processor time (`run`).
"""

from __future__ import annotations

import datetime
import gzip
import re
from collections.abc import Callable

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streetbump.config import shipped_settings
from streetbump.errors import ConfigError
from streetbump.model import Rejected, Trip
from streetbump.trips import ReadOptions, parse_column_map, read
from streetbump.trips.bundle import RATIO, open_bundle, packed, unzipped
from streetbump.trips.clock import NEWEST_S, OLDEST_S, UNITS, Stamps, civil, counted, counting
from streetbump.trips.clock import US_PER_S as US
from streetbump.trips.door import admit
from streetbump.trips.jsonl import read as read_jsonl
from streetbump.trips.jsonl import recognise as is_jsonl
from streetbump.trips.refusal import Refusal
from streetbump.trips.table import HUGE, _floats, find_layout, read_columns
from streetbump.trips.text import CELL_BYTES, open_text

LAST_US = 260_000_000_000 * US
"""Soon after the year 9999, the last that a clock with a date can show."""
CELLS = 64
"""Most cells that are looked at one by one."""
_DOOR = shipped_settings().door
_OPEN_DOOR = msgspec.structs.replace(_DOOR, trim_min_m=0, trim_max_m=0, trim_floor_m=0)
_KEY = b"k" * 32
_GRAMMAR = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
_OPTIONS = (
    {},
    {"tz": "America/Sao_Paulo", "date": datetime.date(2018, 2, 17)},
    {"tz": "Europe/Tallinn", "device": "phone"},
    {"date": datetime.date(2018, 10, 28)},
)
_MAP = parse_column_map(
    'missing = [-100.0]\ntime = {column = "t", unit = "clock"}\n'
    'acceleration = {x = "ax", y = "ay", z = "az", unit = "g", sign = "ios"}\n'
    'position = {lat = "lat", lon = "lon", speed = "v", speed_unit = "km/h"}',
    where="map",
)


class Broken(Exception):
    """A promise that does not hold."""


def hold(fact: bool, what: str) -> None:
    """Raise :class:`Broken` with `what` unless it is a fact."""
    if not fact:
        raise Broken(what)


def numbers(data: bytes) -> None:
    """Every cell is the number that the grammar of docs/formats.md says, or none."""
    decimal = "," if data[:1] == b"," else "."
    cells = data.decode("utf-8", "replace").split("\n")[:CELLS]
    trimmed = pc.utf8_trim_whitespace(pa.array(cells, pa.string())).to_pylist()
    got = _floats(pa.chunked_array([pa.array(cells, pa.string())]), decimal)
    for cell, value in zip(trimmed, got.tolist(), strict=True):
        plain = cell.replace(".", "?").replace(",", ".") if decimal == "," else cell
        fits = _GRAMMAR.fullmatch(plain) and len(plain) <= CELL_BYTES
        wanted = float(plain) if fits else np.nan
        wanted = wanted if abs(wanted) <= HUGE else np.nan
        hold(value == wanted or (value != value and wanted != wanted), f"{cell!r}: {value}")


def table(data: bytes) -> None:
    """Columns of one length, every value finite and no larger than a measurement, or NaN."""
    text = open_text(data)
    layout = find_layout(text)
    columns = read_columns(text, layout, numbers=range(len(layout.names)))
    lengths = {len(c) for c in columns.numbers.values()}
    hold(lengths == {columns.rows - columns.lost}, "columns of other lengths")
    for column in columns.numbers.values():
        hold(not (np.abs(column) > HUGE).any(), "a number beyond any measurement")


def clock(data: bytes) -> None:
    """Stamps within the years that a clock can show, or a refusal."""
    kind, rest = (data[0] if data else 0), data[1:]
    if kind % 4 == 0:
        words = rest.decode("utf-8", "replace").split("\n")[:CELLS]
        options = ReadOptions(**_OPTIONS[kind // 4 % 4])  # type: ignore[arg-type]
        stamps = civil(pa.chunked_array([words], pa.string()), options=options, name="x")
    else:
        numbers = np.frombuffer(rest[: len(rest) // 8 * 8], dtype=np.float64)
        if kind % 4 == 1:  # steps from a start: most numbers of 64 bits are no clock at all
            steps = np.frombuffer(rest[: len(rest) // 2 * 2], dtype=np.int16)
            scale = list(UNITS.values())[kind // 16 % 4]
            numbers = (1.7e9 * (kind // 64 % 2) + np.cumsum(steps) / 100) * scale
        if kind % 4 == 3:
            unit = list(UNITS)[kind // 16 % 4]
            stamps = counted(numbers, unit=unit, unix=bool(kind & 8))
        else:
            stamps = counting(numbers, sampled=bool(kind & 8))
    _sound_stamps(stamps)


def _sound_stamps(stamps: Stamps) -> None:
    t = stamps.t_us
    hold(t.dtype == np.int64 and stamps.known.dtype == np.bool_, "types of stamps")
    hold(t.shape == stamps.known.shape, "shapes of stamps")
    hold(bool((np.abs(t) <= LAST_US).all()), "a stamp beyond every year")
    if stamps.basis.value != "relative":
        real = t[stamps.known]
        hold(bool(((real >= OLDEST_S * US) & (real < NEWEST_S * US)).all()), "outside 2000-2100")


_ZIP = packed({"Accelerometer.csv": b"time,z,y,x\n1,2,3,4\n" * 9, "Metadata.csv": b"a,b\n1,2\n"})
_MOST = RATIO * 8192  # of inputs that are one piece of the guard
_GZIP = gzip.compress(b"t,ax,ay,az\n" * 20, mtime=0)


def archive(data: bytes) -> None:
    """A zip or gzip is unpacked to what it states, or refused; raw bytes, and bytes changed."""
    kind, rest = (data[0] if data else 0), data[1:]
    if kind % 4 >= 2:  # a sound one with some bytes changed: few others get past the first checks
        changed = bytearray(_ZIP if kind % 4 == 2 else _GZIP)
        for k in range(0, min(len(rest), 48) - 2, 3):
            changed[int.from_bytes(rest[k : k + 2], "big") % len(changed)] = rest[k + 2]
        rest = bytes(changed)
    if kind % 2:
        hold(len(unzipped(rest)[0]) <= _MOST, "more than the ratio allows")
        return
    bundle = open_bundle(rest)
    for name in bundle.names:
        hold(len(bundle.read(name)) <= _MOST, "more than the ratio allows")


def jsonl(data: bytes) -> None:
    """JSON lines are a drive or a refusal."""
    if not is_jsonl(data):  # only such bytes come this far
        data = b'{"t":1.7e9,"ax":0,"ay":0,"az":9.8}\n' + data
    for drive in read_jsonl(data, name="x", options=ReadOptions()):
        hold(bool(np.isfinite(drive.acc_ms2).all()), "a sample that is no number")


def column_map(data: bytes) -> None:
    """A column map is one or a :class:`ConfigError`; with one, a table is read or refused."""
    text, _, rows = data.partition(b"\0")
    try:
        columns = parse_column_map(text.decode("utf-8", "replace"), where="map")
    except ConfigError:
        columns = _MAP
    _whole(rows, ReadOptions(columns=columns))


def markup(data: bytes) -> None:
    """XML, as a trip and as the separate position file, is read or refused."""
    start = (b"<?xml version='1.0'?><gpx", b"<gpx", b"<!DOCTYPE", b"<")[data[0] % 4 if data else 0]
    _whole(start + data[1:], ReadOptions())
    _whole(_TRIP, ReadOptions(gps=start + data[1:]))


_TRIP = b"t,ax,ay,az\n1700000000,0,0,9.8\n1700000000.01,0,0,9.9\n1700000000.02,0,0,9.7\n"


def whole(data: bytes) -> None:
    """From bytes to trips that passed the door."""
    kind, rest = (data[0] if data else 0), data[1:]
    options: dict[str, object] = {**_OPTIONS[kind % 4]}
    if kind & 4:
        options["columns"] = _MAP
    if kind & 8:
        rest, _, options["gps"] = rest.partition(b"\0")
    _whole(rest, ReadOptions(**options))  # type: ignore[arg-type]


def _whole(data: bytes, options: ReadOptions) -> None:
    got = read(data, name="2018-02-17 x.csv", options=options, pseudonym=str.upper)
    hold(len(got) > 0, "neither a trip nor a refusal")
    for one in got:
        _sound(one)
        if isinstance(one, Trip):
            for settings in (_DOOR, _OPEN_DOOR):
                received_ns = int(one.t_ns[-1])
                _sound(admit(one, key=_KEY, settings=settings, received_ns=received_ns))


def _sound(one: Trip | Rejected) -> None:
    if isinstance(one, Rejected):
        hold(one.hint.isprintable() and len(one.hint) > 15, f"a hint: {one.hint!r}")
        return
    hold(bool((np.diff(one.t_ns) > 0).all() and (np.diff(one.fix_t_ns) > 0).all()), "time order")
    hold(one.t_ns.dtype == np.int64 and one.acc.dtype == np.int32, "types")
    hold(len(one.t_ns) == len(one.acc), "samples")
    fixes = (one.fix_t_ns, one.lat_e7, one.lon_e7, one.speed_mms, one.heading_cdeg, one.accuracy_mm)
    hold(len({len(c) for c in fixes}) == 1, "fixes")
    hold(int(np.abs(one.lat_e7.astype(np.int64)).max(initial=0)) <= 900_000_000, "latitude")
    hold(int(np.abs(one.lon_e7.astype(np.int64)).max(initial=0)) <= 1_800_000_000, "longitude")
    hold(one.speed_mms.min(initial=0) >= -1 and one.accuracy_mm.min(initial=0) >= -1, "unknown")
    hold(one.heading_cdeg.max(initial=0) < 36_000 and one.heading_cdeg.min(initial=0) >= -1, "way")
    hold(all(w.isprintable() for w in one.warnings), "warnings")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "numbers": numbers,
    "table": table,
    "clock": clock,
    "archive": archive,
    "jsonl": jsonl,
    "column-map": column_map,
    "markup": markup,
    "read": whole,
}
"""Name → target."""


def feed(target: str, data: bytes) -> None:
    """Show one input to a target; a refusal is an answer."""
    try:
        TARGETS[target](data)
    except Refusal:
        return
