"""Any other CSV: through the caller's column map, or by header names that leave no doubt.

Without a map, a column is taken for what its name says only if no other name says the same; the
units that the names leave open are told from the numbers, only where one answer is possible, and
each such inference is a warning of the trip.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streetbump.geo import distance_m
from streetbump.model import STANDARD_GRAVITY_MS2, Bools, Floats, Gravity, Reason
from streetbump.trips.clock import Stamps, civil, counted, counting, is_civil
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ColumnMap, ReadOptions
from streetbump.trips.refusal import Refusal, quoted
from streetbump.trips.streams import SPEED_MS, only
from streetbump.trips.table import Columns, Layout, find_layout, letters, read_columns, with_missing
from streetbump.trips.text import Text

FORMAT = "mapped-csv"
TOLD_BY = "the column map, or names of columns that leave no doubt"
TAKEN: tuple[Note, ...] = (
    ("sign", "as the column map says, else Android's"),
    ("unit", "as the column map says, else told from the numbers"),
)
DEVICES = 200
"""Most phones in one file. Chosen by us."""

_KNOWN: dict[str, frozenset[str]] = {
    "time": frozenset(("time", "timestamp", "t", "datetime", "unixtime", "timestampunix",
                       "epoch", "times", "timems", "timestampms", "timens", "secondselapsed")),
    **{axis: frozenset(pattern.format(axis) for pattern in
                       ("accelerometer{}", "accel{}", "acc{}", "a{}", "acceleration{}",
                        "accelerationaxis{}", "accelerometer{}ms", "accel{}ms", "acc{}ms",
                        "a{}ms", "acceleration{}ms", "accelerometer{}g", "accel{}g", "acc{}g",
                        "a{}g", "acceleration{}g"))
       for axis in "xyz"},
    "lat": frozenset(("latitude", "lat", "gpslatitude", "gpslat", "latitudedegree", "latdeg")),
    "lon": frozenset(("longitude", "lon", "lng", "long", "gpslongitude", "gpslon", "gpslng",
                      "longitudedegree", "londeg")),
    "speed": frozenset(("speed", "gpsspeed", "speedms", "speedmps", "speedkmh", "speedkph",
                        "speedmph", "velocity", "velocityms")),
    "heading": frozenset(("heading", "bearing", "course", "headingdeg", "bearingdeg")),
    "accuracy": frozenset(("accuracy", "horizontalaccuracy", "gpsaccuracy", "hacc",
                           "accuracym", "horizontalaccuracym")),
}  # fmt: skip
_SPEED_UNITS = ("m/s", "km/h", "mph", "kn")
_NAMED_SPEED = ("ms", "mps", "kmh", "kph", "mph")  # knots are in no name of `_KNOWN`
_SPEED_TOLERANCE = 0.12  # mph and km/h lie 38 % apart; knots are too near mph to be told
_MOVING_MS = 3.0
_MIN_STEPS = 5


@dataclass(frozen=True)
class _Roles:
    """Which column plays which part; None where there is none."""

    time: int
    axes: tuple[int, int, int] | None
    lat: int | None = None
    lon: int | None = None
    speed: int | None = None
    heading: int | None = None
    accuracy: int | None = None
    device: int | None = None

    @property
    def numbers(self) -> list[int]:
        places = (self.lat, self.lon, self.speed, self.heading, self.accuracy)
        return [i for i in (*(self.axes or ()), *places) if i is not None]


def recognise(layout: Layout) -> bool:
    """True: whoever comes here was recognised by no other reader."""
    return True


def layout_for(text: Text, columns: ColumnMap) -> Layout:
    """The layout whose header has the column map's time column.

    Raises
    ------
    Refusal
        SCHEMA when no line is such a header.
    """
    wanted = columns.time.column.lstrip("# ").strip()
    try:
        return find_layout(
            text,
            is_header=lambda names: wanted in names,
            delimiter=columns.delimiter,
            decimal=columns.decimal,
        )
    except Refusal as no:
        if no.reason is not Reason.SCHEMA:
            raise
        raise Refusal(
            Reason.SCHEMA, f"the column map's time column {quoted(wanted)} is in no header line"
        ) from no


def read(text: Text, layout: Layout, *, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    """The drives in a table, one per device named in it."""
    if options.columns is not None:
        return _by_map(text, layout, options.columns, options, name)
    return (_by_names(text, layout, options, name),)


# ------------------------------------------------------------------------------ with a map


def _by_map(
    text: Text, layout: Layout, columns: ColumnMap, options: ReadOptions, name: str
) -> tuple[Drive, ...]:
    roles = _roles_of(columns, layout)
    words = [roles.time] if columns.time.unit in ("iso", "clock") else []
    numbers = roles.numbers if words else [roles.time, *roles.numbers]
    devices = [] if roles.device is None else [roles.device]
    table = read_columns(text, layout, numbers=numbers, words=words + devices)
    stamps = (
        civil(table.words[roles.time], options=options, name=name)
        if words
        else counted(
            table.numbers[roles.time],
            unit=columns.time.unit,
            unix=columns.time.epoch == "unix",
        )
    )
    rows = _mapped_rows(table, roles, columns, stamps)
    gravity = columns.acceleration.gravity
    if roles.device is None:
        return (from_rows(rows, format=FORMAT, gravity=gravity),)
    return _per_device(rows, table.words[roles.device], gravity)


def _roles_of(columns: ColumnMap, layout: Layout) -> _Roles:
    def at(name: str) -> int:
        found = layout.find(lambda n: n == name.lstrip("# ").strip())
        if found is None:
            raise Refusal(
                Reason.SCHEMA,
                f"line {layout.line}: the column map names {quoted(name)}, which is not there",
            )
        return found

    axes, place = columns.acceleration, columns.position
    return _Roles(
        at(columns.time.column),
        (at(axes.x), at(axes.y), at(axes.z)),
        device=None if columns.device is None else at(columns.device),
        **{} if place is None else {
            role: at(column)
            for role in ("lat", "lon", "speed", "heading", "accuracy")
            if (column := getattr(place, role)) is not None
        },
    )  # fmt: skip


def _mapped_rows(table: Columns, roles: _Roles, columns: ColumnMap, stamps: Stamps) -> Rows:
    def get(i: int | None) -> Floats | None:
        return None if i is None else with_missing(table.numbers[i], columns.missing)

    scale = STANDARD_GRAVITY_MS2 if columns.acceleration.unit == "g" else 1.0
    scale *= -1.0 if columns.acceleration.sign == "ios" else 1.0
    speed = get(roles.speed)
    if speed is not None and columns.position is not None:
        speed = speed * SPEED_MS[letters(columns.position.speed_unit or "m/s")]
    x, y, z = (cast("Floats", get(i)) * scale for i in roles.axes or ())
    return Rows(
        stamps, (x, y, z), get(roles.lat), get(roles.lon), speed, get(roles.heading),
        get(roles.accuracy), table.rows, table.lost,
    )  # fmt: skip


def _per_device(rows: Rows, names: pa.ChunkedArray, gravity: Gravity | None) -> tuple[Drive, ...]:
    codes = pc.dictionary_encode(pc.utf8_trim_whitespace(names)).combine_chunks()
    devices = codes.dictionary.to_pylist()
    if len(devices) > DEVICES:
        raise Refusal(
            Reason.SCHEMA, f"the device column names {len(devices)} phones, more than {DEVICES}: "
            "is it the right column?",
        )  # fmt: skip
    which = np.asarray(codes.indices.fill_null(-1))
    parts = sorted(zip(devices, range(len(devices)), strict=True))
    if (which == -1).any():
        parts.append((None, -1))
    return tuple(  # a loop over phones
        from_rows(
            _of_phone(rows, which == code),
            format=FORMAT,
            gravity=gravity,
            device=device or None,
            part="" if len(parts) == 1 else str(k),
        )
        for k, (device, code) in enumerate(parts, start=1)
    )


def _of_phone(rows: Rows, keep: Bools) -> Rows:
    """The rows of one phone; rows lost to all phones are counted with none of them."""
    return replace(only(rows, keep), rows=int(np.count_nonzero(keep)), lost=0)


# --------------------------------------------------------------------------- without a map


def _by_names(text: Text, layout: Layout, options: ReadOptions, name: str) -> Drive:
    roles = _roles_by_name(layout)
    clock = is_civil(layout.first[roles.time]) if roles.time < len(layout.first) else False
    words = [roles.time] if clock else []
    table = read_columns(
        text, layout, numbers=roles.numbers if clock else [roles.time, *roles.numbers], words=words
    )
    stamps = (
        civil(table.words[roles.time], options=options, name=name)
        if clock
        else counting(table.numbers[roles.time], sampled=roles.axes is not None)
    )

    def get(i: int | None) -> Floats | None:
        return None if i is None else table.numbers[i]

    said = ["columns told from their names"]
    acc = _inferred_axes(table, roles, said)
    speed = _inferred_speed(table, roles, layout, stamps, said)
    rows = Rows(
        stamps, acc, get(roles.lat), get(roles.lon), speed, get(roles.heading),
        get(roles.accuracy), table.rows, table.lost, tuple(said),
    )  # fmt: skip
    return from_rows(rows, format=FORMAT)


def _roles_by_name(layout: Layout) -> _Roles:
    at = {role: layout.find(lambda n, k=known: letters(n) in k)  # type: ignore[misc]
          for role, known in _KNOWN.items()}  # fmt: skip
    axes = tuple(i for axis in "xyz" if (i := at[axis]) is not None)
    place = {r: at[r] for r in ("lat", "lon", "speed", "heading", "accuracy")}
    positioned = at["lat"] is not None and at["lon"] is not None
    if len(axes) < 3 and not positioned:
        raise Refusal(
            Reason.NO_ACCEL, f"line {layout.line}: no accelerometer columns known among "
            f"{', '.join(map(quoted, layout.names[:6]))}: say which in --columns",
        )  # fmt: skip
    if at["time"] is None:
        raise Refusal(
            Reason.SCHEMA, f"line {layout.line}: no time column known: say which in --columns"
        )
    triple = (axes[0], axes[1], axes[2]) if len(axes) == 3 else None
    return _Roles(at["time"], triple, **place if positioned else {})


def _inferred_axes(
    table: Columns, roles: _Roles, said: list[str]
) -> tuple[Floats, Floats, Floats] | None:
    """The axes as they are: whether they are g is settled, and said, in `canonical`."""
    if roles.axes is None:
        return None
    x, y, z = (table.numbers[i] for i in roles.axes)
    said.append("sign taken as Android's: the numbers cannot tell")
    return x, y, z


def _inferred_speed(
    table: Columns, roles: _Roles, layout: Layout, stamps: Stamps, said: list[str]
) -> Floats | None:
    """Speed in m/s: by the unit in its name, else by the way between fixes, else not used."""
    if roles.speed is None or roles.lat is None or roles.lon is None:
        return None
    speed = table.numbers[roles.speed]
    named = re.sub("^(gps)?(speed|velocity)", "", letters(layout.names[roles.speed]))
    if named in _NAMED_SPEED:
        return speed * SPEED_MS[named]
    unit = _unit_by_way(speed, table.numbers[roles.lat], table.numbers[roles.lon], stamps)
    if unit is None:
        said.append("speed not used: its unit cannot be told; say it in --columns")
        return None
    said.append(f"speed taken as {unit}, from the way between fixes")
    return speed * SPEED_MS[letters(unit)]


def _unit_by_way(speed: Floats, lat: Floats, lon: Floats, stamps: Stamps) -> str | None:
    """The only unit in which speeds agree with the distance between fixes per time."""
    new = np.isfinite(lat) & np.isfinite(lon) & (lat != 0) & (np.abs(lat) <= 90) & stamps.known
    at = np.flatnonzero(new)
    at = at[np.concatenate(([True], (np.diff(lat[at]) != 0) | (np.diff(lon[at]) != 0)))[: at.size]]
    way_m = distance_m(lat[at[:-1]], lon[at[:-1]], lat[at[1:]], lon[at[1:]])
    time_s = np.diff(stamps.t_us[at]) / 1e6
    with np.errstate(divide="ignore", invalid="ignore"):
        over_ground = way_m / time_s
        ratio = (speed[at[1:]] + speed[at[:-1]]) / 2 / over_ground
    ratio = ratio[(time_s > 0) & (time_s < 10) & (over_ground > _MOVING_MS) & np.isfinite(ratio)]
    if ratio.size < _MIN_STEPS:
        return None
    middle = float(np.median(ratio))
    fits = [u for u in _SPEED_UNITS if abs(middle * SPEED_MS[letters(u)] - 1) <= _SPEED_TOLERANCE]
    return fits[0] if len(fits) == 1 else None
