"""What readers share whose loggers give each sensor a clock of its own: columns by name, streams.

A *stream* is :class:`~streetbump.trips.drive.Rows` of one sensor. Streams of one drive are put
together in time, never row by row.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streetbump.model import Bools, Floats, Ints, Reason, TimeBasis
from streetbump.trips.clock import Stamps, counted
from streetbump.trips.drive import OVERLAP_US, Drive, Rows, from_rows
from streetbump.trips.notes import Note
from streetbump.trips.refusal import Refusal, quoted
from streetbump.trips.table import SYNTHETIC_COLUMN, Layout, find_layout, letters, read_columns
from streetbump.trips.text import Text, open_text

Axes = tuple[Floats, Floats, Floats]
GRAVITY_US = 1_000_000
"""A sample farther than this, µs, from any reading of gravity is not completed with it. Chosen by
us: the way a phone lies changes in less time only when it is handled."""
MOCK = frozenset(("mock", "mocked", "ismock", "ismocked", "mocklocation", "ismocklocation",
                  "isfrommockprovider", "frommockprovider"))  # fmt: skip
"""Letters of the names under which loggers hand on what Android says of made-up positions
(``Location.isMock``, ``isFromMockProvider``)."""
YES = frozenset(("1", "1.0", "true", "yes", "y", "t"))
_MOCK_KEY = re.compile(
    rb'"(?:is_?)?(?:from_?)?mock(?:ed|_?location|_?provider)?"\s{0,9}:\s{0,9}"?(?:1|true|yes)',
    re.IGNORECASE,
)
_MOCKED = (
    "some positions are made up by a mock provider: switch off the app that fakes the location, "
    "and record again"
)
SPEED_MS = {"ms": 1.0, "mps": 1.0, "kmh": 1 / 3.6, "kph": 1 / 3.6, "mph": 0.44704,
            "knots": 1852 / 3600, "kn": 1852 / 3600}  # fmt: skip
"""m/s in one unit of speed, by the letters of its name (BIPM; 1 kn = 1852 m per hour)."""


# ---------------------------------------------------------------------------- columns


def bare(name: str) -> str:
    """A column's name without its unit: ``Speed (m/s)`` → ``speed``.

    >>> bare("gravity_x(G)"), bare("Time (s)")
    ('gravityx', 'time')
    """
    return letters(name.split("(")[0])


def unit(name: str) -> str:
    """The letters of the unit that a column's name states, or nothing.

    >>> unit("X (m/s^2)"), unit("time")
    ('ms', '')
    """
    return letters(name.partition("(")[2])


@dataclass(frozen=True, eq=False)
class Picked:
    """Columns of one table by the part they play: numbers (n,) with NaN for an empty cell, words.

    `rows` and `lost` are those of :class:`~streetbump.trips.table.Columns`.
    """

    numbers: dict[str, Floats]
    words: dict[str, pa.ChunkedArray]
    rows: int
    lost: int

    def axes(self, stem: str, scale: float = 1.0) -> Axes | None:
        """The columns ``{stem}x``, ``{stem}y``, ``{stem}z`` times `scale`, None unless all are."""
        found = [self.numbers.get(stem + axis) for axis in "xyz"]
        x, y, z = (None if a is None else a * scale for a in found)
        return None if x is None or y is None or z is None else (x, y, z)

    def places(
        self, stamps: Stamps, keep: Bools | None = None, *, held: bool = False
    ) -> Rows | None:
        """The stream of positions, in the rows to `keep`; None without latitude and longitude."""
        if "lat" not in self.numbers or "lon" not in self.numbers:
            return None
        get = self.numbers.get
        rows = Rows(
            Stamps(stamps.t_us, stamps.known, stamps.basis), None, get("lat"), get("lon"),
            get("speed"), get("heading"), get("accuracy"), rows=self.rows, held=held,
        )  # fmt: skip
        return rows if keep is None else only(rows, keep)


def pick(
    text: Text,
    layout: Layout,
    *,
    numbers: Mapping[str, Collection[str]],
    words: Mapping[str, Collection[str]] | None = None,
) -> Picked:
    r"""The columns of a table that play a part, by their names without units.

    >>> text = open_text(b"speed (m/s),Time (s)\n3,1\n")
    >>> pick(text, find_layout(text), numbers={"t": {"time"}, "x": {"accx"}}).numbers
    {'t': array([1.])}

    Raises
    ------
    Refusal
        SCHEMA when two columns play one part; whatever cutting the table is refused for.
    """

    def at(parts: Mapping[str, Collection[str]]) -> dict[str, int]:
        found = {part: layout.find(lambda n, k=known: bare(n) in k)  # type: ignore[misc]
                 for part, known in parts.items()}  # fmt: skip
        return {part: i for part, i in found.items() if i is not None}

    numbered, spelled = at(numbers), at(words or {})
    if not numbered and not spelled:
        return Picked({}, {}, 0, 0)
    table = read_columns(
        text, layout, numbers=list(numbered.values()), words=list(spelled.values())
    )
    return Picked(
        {part: table.numbers[i] for part, i in numbered.items()},
        {part: table.words[i] for part, i in spelled.items()},
        table.rows,
        table.lost,
    )


def speed_in_ms(columns: Picked, layout: Layout, name: str, *, unstated: str = "") -> Floats | None:
    r"""The column of speeds in m/s, by the unit that its `name` states: ``( Kmh)``.

    >>> text = open_text(b"LOCATION Speed ( Kmh)\n36\n")
    >>> layout = find_layout(text)
    >>> columns = pick(text, layout, numbers={"speed": ("locationspeed",)})
    >>> speed_in_ms(columns, layout, "locationspeed")
    array([10.])

    Raises
    ------
    Refusal
        UNIT when its name states none that is known.
    """
    speed = columns.numbers.get("speed")
    if speed is None:
        return None
    stated = next(unit(n) for n in layout.names if bare(n) == name) or unstated
    if stated not in SPEED_MS:
        raise Refusal(
            Reason.UNIT, "the unit of the speed is not known: choose km/h, m/s or mph in the "
            "logger, or say it in --columns",
        )  # fmt: skip
    return speed * SPEED_MS[stated]


def table_in(data: bytes) -> tuple[Text, Layout] | None:
    r"""A member's table, None when it holds no row: sensors that gave nothing leave a header.

    >>> table_in(b"time,x\n") is None
    True
    """
    try:
        text = open_text(data)
        return text, find_layout(text)
    except Refusal as no:
        if no.reason is Reason.EMPTY:
            return None
        raise


def seen_in(text: Text, layout: Layout, name: str = "") -> Note:
    r"""How a table is laid out, in words; `name` is that of an archive's member.

    >>> text = open_text(b"sep=;\na;b\n1,5;2\n")
    >>> seen_in(text, find_layout(text))
    ('table', "header in line 2 of 2 columns, separator ';', decimal sign ',', UTF-8")
    """
    read_as = "; ".join(text.warnings) or "UTF-8"
    return (
        "table",
        f"{quoted(name)[1:-1] + ': ' if name else ''}header in line {layout.line} of "
        f"{len(layout.names)} columns, separator {layout.delimiter!r}, decimal sign "
        f"{layout.decimal!r}, {read_as}",
    )


def refuse_mock(text: Text, layout: Layout) -> None:
    r"""Refuse a table some row of which says that its position came from a mock provider.

    >>> text = open_text(b"t,lat,lon,isMock\n1,42,-71,false\n")
    >>> refuse_mock(text, find_layout(text))

    Raises
    ------
    Refusal
        MOCK.
    """
    at = [i for i, name in enumerate(layout.names) if bare(name) in MOCK]
    if not at:
        return
    words = read_columns(text, layout, numbers=[], words=at).words
    said = {str(w).strip().lower() for column in words.values() for w in pc.unique(column)}
    if said & YES:
        raise Refusal(Reason.MOCK, _MOCKED)


def refuse_mock_keys(data: bytes) -> None:
    r"""Refuse JSON some object of which says that its position came from a mock provider.

    >>> refuse_mock_keys(b'{"lat": 42, "isMock": false}')

    Raises
    ------
    Refusal
        MOCK.
    """
    if b"ock" in data and _MOCK_KEY.search(data):
        raise Refusal(Reason.MOCK, _MOCKED)


def is_marked(layout: Layout) -> bool:
    r"""Whether a table has the column of made-up trips.

    >>> text = open_text(b"time,x,streetbump-synthetic\n1,2,1\n")
    >>> is_marked(find_layout(text))
    True
    """
    return SYNTHETIC_COLUMN in (n.lower() for n in layout.names)


def named(device: str | None) -> tuple[str | None, bool]:
    """A phone's name and whether it is marked as made up.

    >>> named("streetbump-synthetic phone 7"), named(" ")
    (('phone 7', True), (None, False))
    """
    name = (device or "").strip()
    made_up = name.lower().startswith(SYNTHETIC_COLUMN)
    return (name[len(SYNTHETIC_COLUMN) * made_up :].strip() or None), made_up


def folders(names: Iterable[str]) -> list[dict[str, str]]:
    """The members of an archive by recording: name in lower case within its folder → member.

    A folder ``meta`` belongs to the one that holds it; hidden files are left out.

    >>> folders(["a/Raw Data.csv", "a/meta/time.csv", "b/.x", "b/x"])
    [{'raw data.csv': 'a/Raw Data.csv', 'meta/time.csv': 'a/meta/time.csv'}, {'x': 'b/x'}]
    """
    found: dict[str, dict[str, str]] = {}
    for name in names:  # some tens of members
        parts = name.lower().split("/")
        inside = 2 if parts[-2:-1] == ["meta"] else 1
        if not parts[-1].startswith("."):
            found.setdefault("/".join(parts[:-inside]), {})["/".join(parts[-inside:])] = name
    return [found[folder] for folder in sorted(found)]


# ---------------------------------------------------------------------------- streams


def fresh(values: Floats) -> Bools:
    """Which values are known and other than the known one before them, (n,).

    >>> fresh(np.array([np.nan, 1.0, 1.0, np.nan, 1.0, 2.0])).tolist()
    [False, True, False, False, False, True]
    """
    at = np.flatnonzero(np.isfinite(values))
    out = np.zeros(values.size, dtype=np.bool_)
    out[at[np.diff(values[at], prepend=np.nan) != 0]] = True
    return out


def fix_clock(values: Floats, *, unit: str) -> Stamps:
    """Stamps of fixes that count `unit` since 1970, none known where the clock was never set.

    A bad clock of the positions costs the fixes, never the samples.

    >>> fix_clock(np.array([np.nan, 5.0]), unit="s").known.tolist()
    [False, False]
    """
    try:
        return counted(values, unit=unit, unix=True)
    except Refusal:
        nothing = np.zeros(values.size, dtype=np.int64)
        return Stamps(nothing, nothing > 0, TimeBasis.ABSOLUTE)


def set_to(running: Stamps, wall: Stamps) -> Stamps:
    """The steps of a running clock, set to a wall clock read in the same rows.

    The shift between the two is their median difference: single wall stamps are late. A relative
    wall clock leaves the running one as it is.

    >>> from streetbump.model import TimeBasis
    >>> steps, known = np.array([1, 2, 3]), np.ones(3, dtype=bool)
    >>> running = Stamps(steps, known, TimeBasis.RELATIVE)
    >>> set_to(running, Stamps(steps**3 + 10, known, TimeBasis.ABSOLUTE)).t_us.tolist()
    [17, 18, 19]
    """
    both = running.known & wall.known
    if wall.basis is running.basis:
        return replace(running, warnings=wall.warnings)
    if not both.any():
        return wall
    shift = int(np.median(wall.t_us[both] - running.t_us[both]))
    moved = np.where(running.known, running.t_us + shift, 0)
    return Stamps(moved, running.known, wall.basis, wall.warnings)


def scaled(rows: Rows, factor: float) -> Rows:
    """The stream with its acceleration times `factor`: a unit, a sign.

    >>> one = np.array([1.0])
    >>> scaled(Rows(counted(one, unit="s", unix=False), (one, one, one)), -9.80665).acc_ms2[2]
    array([-9.80665])
    """
    if rows.acc_ms2 is None or factor == 1:
        return rows
    x, y, z = rows.acc_ms2
    return replace(rows, acc_ms2=(x * factor, y * factor, z * factor))


def only(rows: Rows, keep: Bools | Ints) -> Rows:
    """The rows of a stream that are to `keep`, by mask or by number.

    >>> two = np.array([1.0, 2.0])
    >>> only(Rows(counted(two, unit="s", unix=False), None, two, two), two > 1).lat_deg
    array([2.])
    """

    def cut(column: Floats | None) -> Floats | None:
        return None if column is None else column[keep]

    stamps, acc = rows.stamps, rows.acc_ms2
    return replace(
        rows,
        stamps=replace(stamps, t_us=stamps.t_us[keep], known=stamps.known[keep]),
        acc_ms2=None if acc is None else (acc[0][keep], acc[1][keep], acc[2][keep]),
        lat_deg=cut(rows.lat_deg),
        lon_deg=cut(rows.lon_deg),
        speed_ms=cut(rows.speed_ms),
        heading_deg=cut(rows.heading_deg),
        accuracy_m=cut(rows.accuracy_m),
    )


def with_gravity(linear: Rows, gravity: Rows) -> Rows:
    """The raw stream: `linear` with `gravity` put back, interpolated in time where clocks differ.

    Samples without gravity within a second are dropped and counted.

    >>> zero, g = np.zeros(3), np.array([9.0, 10.0])
    >>> linear = Rows(counted(np.array([0.0, 0.5, 1.0]), unit="s", unix=False), (zero, zero, zero))
    >>> down = Rows(counted(np.array([0.0, 1.0]), unit="s", unix=False), (0 * g, 0 * g, g))
    >>> with_gravity(linear, down).acc_ms2[2].tolist()
    [9.0, 9.5, 10.0]
    """
    g = np.column_stack(gravity.acc_ms2 or ())
    known = gravity.stamps.known & np.isfinite(g).all(axis=1)
    order = np.flatnonzero(known)[np.argsort(gravity.stamps.t_us[known], kind="stable")]
    t_us, g, at_us = gravity.stamps.t_us[order], g[order], linear.stamps.t_us
    if t_us.size == 0:
        return linear
    after = np.searchsorted(t_us, at_us).clip(0, t_us.size - 1)
    far_us = np.minimum(np.abs(t_us[after] - at_us), np.abs(at_us - t_us[np.maximum(after - 1, 0)]))
    near = (far_us <= GRAVITY_US) | ~linear.stamps.known
    x, y, z = (a + np.interp(at_us, t_us, b)
               for a, b in zip(linear.acc_ms2 or (), g.T, strict=True))  # fmt: skip
    said = []
    if (far_us[near & linear.stamps.known] > 0).any():
        said.append("gravity added to the acceleration, interpolated in time")
    if not near.all():
        said.append(f"{np.count_nonzero(~near)} samples without gravity within 1 s dropped")
    whole = replace(linear, acc_ms2=(x, y, z), warnings=(*linear.warnings, *said))
    return whole if near.all() else only(whole, near)


def drive_of(
    samples: Rows | None,
    places: Rows | None,
    *,
    format: str,  # noqa: A002
    part: str = "",
    device: str | None = None,
    synthetic: bool = False,
) -> Drive:
    """One drive from a stream of samples and one of positions, each on its own stamps.

    A bad position costs the fix, never the sample; so does one more than a minute outside the
    samples, which a phone remembers from before. Without samples it is a position file.

    Raises
    ------
    Refusal
        NO_ACCEL with neither; whatever the rows give reason for.

    >>> t, g = np.array([0.0, 0.01, 0.02]), np.array([9.8, 9.9, 9.8])
    >>> samples = Rows(counted(t, unit="s", unix=False), (0 * g, 0 * g, g), rows=3)
    >>> places = Rows(counted(t, unit="s", unix=False), None, g, g, held=False)
    >>> drive = drive_of(samples, places, format="some-app")
    >>> len(drive.t_us), len(drive.fixes)
    (3, 3)
    """
    if samples is not None:
        drive = from_rows(samples, format=format, part=part, device=device, synthetic=synthetic)
        return drive if places is None else _beside(drive, _placed(places, format))
    if places is None:
        raise Refusal(
            Reason.NO_ACCEL, "there are neither acceleration nor positions: switch the "
            "accelerometer on in the logger",
        )  # fmt: skip
    beside = _placed(places, format)
    return replace(beside, part=part, device=device, synthetic=synthetic, accelerometer=False)


def _beside(drive: Drive, beside: Drive) -> Drive:
    """The drive with the fixes that lie within a minute of its samples."""
    if drive.t_us.size == 0:
        return drive
    relative = TimeBasis.RELATIVE
    if len(beside.fixes) and (beside.basis is relative) != (drive.basis is relative):
        said = "positions have another clock than the samples and were dropped: give --tz, --date"
        return replace(drive, warnings=(*drive.warnings, said))
    t_us = beside.fixes.t_us
    near = (t_us >= drive.t_us[0] - OVERLAP_US) & (t_us <= drive.t_us[-1] + OVERLAP_US)
    far = near.size - int(np.count_nonzero(near))
    outside = (f"{far} fixes more than a minute outside the samples dropped",) * bool(far)
    return replace(
        drive,
        fixes=beside.fixes[near],
        warnings=(*drive.warnings, *beside.warnings, *outside),
        notes=(*drive.notes, *beside.notes),
    )


def _placed(places: Rows, format: str) -> Drive:  # noqa: A002
    """The fixes of a stream of positions, by time."""
    stated = np.zeros(places.stamps.known.size, dtype=np.bool_)
    if places.lat_deg is not None and places.lon_deg is not None:
        stated = np.isfinite(places.lat_deg + places.lon_deg)
    keep = np.flatnonzero(stated & places.stamps.known)
    said = list(places.warnings)
    undated = int(np.count_nonzero(stated)) - keep.size
    if undated:
        said.append(f"{undated} positions without a readable time dropped")
    t_us = places.stamps.t_us[keep]
    if (np.diff(t_us) < 0).any():
        said.append("positions went back in time: sorted")
        keep = keep[np.argsort(t_us, kind="stable")]
    return from_rows(
        replace(only(places, keep), rows=keep.size, lost=0, warnings=tuple(said)), format=format
    )
