"""Clocks: what a time column holds → whole microseconds, and what they are counted from.

A microsecond is the grain of canonical time: finer than any phone's stamp, and exact in a
64-bit float of seconds since 1970, so that one drive exported in s, ms or ns is one trip.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from streetbump.model import Bools, Floats, Ints, Reason, TimeBasis
from streetbump.trips.options import ReadOptions, zone_of
from streetbump.trips.refusal import Refusal

US_PER_S = 1_000_000
DAY_US = 86_400 * US_PER_S
LONGEST_US = 48 * 3600 * US_PER_S
"""Longest trip, µs (robustness case 45)."""
OLDEST_S, NEWEST_S = 946_684_800, 4_102_444_800
"""2000-01-01 and 2100-01-01: a clock outside was never set."""
START_LIMIT_S = 1e7
"""A clock that reads less than this many seconds counts from a start, not from 1970."""
UNITS: dict[str, float] = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
_STEP_S = (0.0025, 0.25)  # median step of a sensor between 4 and 400 Hz
_FIX_STEP_S = (0.1, 10.0)  # of a position file
_MIXED_SHARE = 0.01  # more rows than this on another scale: two units in one file

_DAY = r"(?P<year>[0-9]{4})[-/.](?P<month>[0-9]{2})[-/.](?P<day>[0-9]{2})[T ]+"
_TIME = (
    r"(?P<hour>[0-9]{1,2})[:-](?P<minute>[0-9]{2})[:-](?P<second>[0-9]{2})"
    r"(?:(?P<mark>[:._,])(?P<part>[0-9]{1,9}))?"
)
_OFFSET = r"\s*(?P<zulu>Z|z|UTC)?(?:(?P<sign>[+-])(?P<oh>[0-9]{2}):?(?P<om>[0-9]{2}))?"
_CLOCK = rf"^(?:{_DAY})?{_TIME}{_OFFSET}$"
_DATE_IN_NAME = re.compile(r"(?<!\d)(20\d\d)([-_.]?)([01]\d)\2([0-3]\d)")


@dataclass(frozen=True, eq=False)
class Stamps:
    """The times of a table's rows.

    Attributes
    ----------
    t_us : (n,) int64
        Microseconds since 1970 UTC, or since some start when `basis` is relative; 0 where the
        time is not known.
    known : (n,) bool
    basis : TimeBasis
    warnings : tuple of str
    """

    t_us: Ints
    known: Bools
    basis: TimeBasis
    warnings: tuple[str, ...] = ()


def counted(values: Floats, *, unit: str, unix: bool) -> Stamps:
    """Stamps of a column that counts `unit` since 1970 or (not `unix`) since some start.

    >>> counted(np.array([18.0, np.nan]), unit="ms", unix=False).t_us.tolist()
    [18000, 0]
    """
    with np.errstate(over="ignore"):
        us = values * (US_PER_S / UNITS[unit])
    if unix and _all_within(us, OLDEST_S * US_PER_S, NEWEST_S * US_PER_S - 1):
        known = np.ones(us.size, dtype=np.bool_)
        return Stamps(np.rint(us, out=us).astype(np.int64), known, TimeBasis.ABSOLUTE)
    known = np.isfinite(us) & (np.abs(us) < NEWEST_S * US_PER_S)
    basis = TimeBasis.ABSOLUTE if unix else TimeBasis.RELATIVE
    stamps = Stamps(np.rint(np.where(known, us, 0)).astype(np.int64), known, basis)
    return _within_years(stamps) if unix else stamps


def _all_within(values: Floats, lowest: float, highest: float) -> bool:
    """Whether there are values, and all are known and in a range."""
    return values.size > 0 and bool(values.min() >= lowest and values.max() <= highest)


def _within_years(stamps: Stamps) -> Stamps:
    t_s = stamps.t_us // US_PER_S
    real = stamps.known & (t_s >= OLDEST_S) & (t_s < NEWEST_S)
    wrong = stamps.known.size - int(np.count_nonzero(real))
    if wrong == stamps.known.size:
        raise Refusal(
            Reason.TIME_RANGE, "the clock is outside 2000-2100: was it set, is the unit right?"
        )
    return Stamps(np.where(real, stamps.t_us, 0), real, stamps.basis, stamps.warnings)


def counting(values: Floats, *, sampled: bool = True) -> Stamps:
    """Stamps of a column that counts something since something, told from its size and step.

    Seconds, milli-, micro- and nanoseconds since 1970 fall in ranges that do not meet; so do
    those of a clock that starts near zero, once the steps are known to be those of a sensor
    (`sampled`, 4 to 400 Hz) or of fixes (0.1 to 10 s).

    >>> counting(np.array([1.7e12, 1.7e12 + 10])).t_us.tolist()
    [1700000000000000, 1700000000010000]

    Raises
    ------
    Refusal
        TIME_RANGE when no unit fits, TIME_UNIT when two are mixed.
    """
    if _all_within(values, OLDEST_S, NEWEST_S - 1):  # so is the middle: nothing to look for
        return counted(values, unit="s", unix=True)
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise Refusal(Reason.SCHEMA, "the time column holds no numbers")
    half = finite.size // 2
    middle = abs(float(np.partition(finite, half)[half]))  # one of the values, not a mean of two
    for unit, per_s in UNITS.items():  # four units, not rows
        if OLDEST_S * per_s <= middle < NEWEST_S * per_s:
            _refuse_mixed(finite, per_s)
            said = () if unit == "s" else (f"time taken as {unit} since 1970, from its size",)
            stamps = counted(values, unit=unit, unix=True)
            return Stamps(stamps.t_us, stamps.known, stamps.basis, said)
    unit = _unit_of_steps(finite, sampled=sampled)
    if middle / UNITS[unit] > START_LIMIT_S:
        raise Refusal(
            Reason.TIME_RANGE, "the clock is outside 2000-2100: was it set, is the unit right?"
        )
    said = (f"time counts {unit} from a start, not from 1970: the trip has no date",)
    stamps = counted(values, unit=unit, unix=False)
    return Stamps(stamps.t_us, stamps.known, stamps.basis, said)


def _refuse_mixed(finite: Floats, per_s: float) -> None:
    other = (finite < OLDEST_S * per_s) | (finite >= NEWEST_S * per_s)
    if np.count_nonzero(other) > _MIXED_SHARE * finite.size:
        raise Refusal(Reason.TIME_UNIT, "the time column mixes units: write it in one unit")


def _unit_of_steps(finite: Floats, *, sampled: bool) -> str:
    """The only unit in which the steps are those of a sensor; seconds when none is."""
    steps = np.diff(finite)
    steps = steps[steps > 0]
    low, high = _STEP_S if sampled else _FIX_STEP_S
    step = float(np.median(steps)) if steps.size else 0.0
    fits = [unit for unit, per_s in UNITS.items() if low <= step / per_s < high]
    return fits[0] if len(fits) == 1 else "s"


def is_civil(cell: str) -> bool:
    """Whether a cell holds a clock time, with or without a date.

    >>> is_civil("16:22:42:557"), is_civil("2021-12-05 19:36:43:867"), is_civil("12.5")
    (True, True, False)
    """
    return re.match(_CLOCK, cell.strip()) is not None


def civil(words: pa.ChunkedArray, *, options: ReadOptions, name: str) -> Stamps:
    """Stamps of a column of clock times: ISO 8601, or HH:MM:SS without a date.

    An offset in the cells makes them absolute; else zone, and if need be date, come from
    `options` (a date in the file's `name` is the last resort); without them they are relative.

    >>> cells = pa.chunked_array([["23:59:59:900", "00:00:00:100"]])
    >>> np.diff(civil(cells, options=ReadOptions(), name="x").t_us).tolist()
    [200000]

    Raises
    ------
    Refusal
        TIME_ZONE when a local time happened twice or never; TOO_LONG; SCHEMA without clock times.
    """
    fields = _fields(words)
    if not fields.known.any():
        raise Refusal(Reason.SCHEMA, "the time column holds no clock times")
    if fields.offset_us is not None:
        us = fields.day_us + fields.time_us - fields.offset_us
        return _within_years(Stamps(us, fields.known, TimeBasis.ABSOLUTE))
    if fields.dated:
        return _from_local(fields.day_us + fields.time_us, fields.known, options, ())
    date, said = _date_for(options, name)
    local = _unwrapped(fields.time_us, fields.known)
    if date is None:
        said = ("the clock has no date: the trip is relative; give --date YYYY-MM-DD and --tz",)
        return Stamps(local, fields.known, TimeBasis.RELATIVE, said)
    day_us = (date - datetime.date(1970, 1, 1)).days * DAY_US
    return _from_local(np.where(fields.known, local + day_us, 0), fields.known, options, said)


@dataclass(frozen=True, eq=False)
class _Fields:
    day_us: Ints
    time_us: Ints
    offset_us: Ints | None
    dated: bool
    known: Bools


def _fields(words: pa.ChunkedArray) -> _Fields:
    parts = pc.extract_regex(pc.utf8_trim_whitespace(words), pattern=_CLOCK)
    if isinstance(parts, pa.ChunkedArray):
        parts = parts.combine_chunks()
    known = np.asarray(pc.is_valid(parts))
    get = {n: parts.field(n) for n in ("zulu", "sign", "mark", "part", "year", "month", "day")}
    seconds = np.minimum(_whole(parts.field("second")) * US_PER_S, 60 * US_PER_S - 1000)
    # a leap second (:60) is folded into the last millisecond of its minute
    clock = (_whole(parts.field("hour")) * 60 + _whole(parts.field("minute"))) * 60 * US_PER_S
    time_us = np.where(known, clock + seconds + _part_us(get["mark"], get["part"]), 0)
    known &= (time_us < DAY_US) & (_whole(parts.field("minute")) < 60)
    has_date = _filled(get["year"])
    dated = bool(np.count_nonzero(has_date) * 2 > np.count_nonzero(known))
    has_offset = _filled(get["zulu"]) | _filled(get["sign"])
    known &= (has_date == dated) if known.any() else known
    offset = None
    if dated and np.count_nonzero(has_offset & known) * 2 > np.count_nonzero(known):
        known &= has_offset
        minutes = _whole(parts.field("oh")) * 60 + _whole(parts.field("om"))
        offset = np.where(_equals(get["sign"], "-"), -minutes, minutes) * 60 * US_PER_S
    day_us, real = _days(get["year"], get["month"], get["day"]) if dated else (time_us * 0, known)
    known = known & real
    return _Fields(day_us, np.where(known, time_us, 0), offset, dated, known)


def _whole(field: pa.Array) -> Ints:
    digits = pc.if_else(pc.equal(pc.fill_null(field, ""), ""), "0", pc.fill_null(field, "0"))
    return np.asarray(digits.cast(pa.int64()), dtype=np.int64)


def _filled(field: pa.Array) -> Bools:
    return np.asarray(pc.not_equal(pc.fill_null(field, ""), ""), dtype=np.bool_)


def _equals(field: pa.Array, word: str) -> Bools:
    return np.asarray(pc.equal(pc.fill_null(field, ""), word), dtype=np.bool_)


def _part_us(mark: pa.Array, part: pa.Array) -> Ints:
    """The part below a second: a count of milliseconds after ``:`` and ``_``, else decimals."""
    counts = _equals(mark, ":") | _equals(mark, "_")
    digits = pc.fill_null(part, "")
    decimals = _whole(pc.utf8_slice_codeunits(pc.utf8_rpad(digits, 6, "0"), 0, 6))
    return np.where(counts, np.minimum(_whole(part), 999) * 1000, decimals)


def _days(year: pa.Array, month: pa.Array, day: pa.Array) -> tuple[Ints, Bools]:
    """Midnight of each date, µs since 1970, and whether there is such a date."""
    y, m, d = _whole(year), _whole(month), _whole(day)
    known = (m >= 1) & (m <= 12) & (d >= 1)
    months = (y - 1970) * 12 + np.where(known, m, 1) - 1
    first = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    after = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = first + d - 1
    known &= days < after
    return np.where(known, days * DAY_US, 0), np.asarray(known)


def _unwrapped(time_us: Ints, known: Bools) -> Ints:
    """Clock times with midnight passed, so that they go on growing."""
    t = time_us[known]
    steps = np.diff(t, prepend=t[:1])
    days = np.cumsum((steps < -DAY_US // 2).astype(np.int64) - (steps > DAY_US // 2))
    out = np.zeros_like(time_us)
    out[known] = t + days * DAY_US
    return out


def _date_for(options: ReadOptions, name: str) -> tuple[datetime.date | None, tuple[str, ...]]:
    if options.date is not None:
        return options.date, ()
    date = date_in_name(name)
    if date is None:
        return None, ()
    return date, (f"the clock has no date: {date.isoformat()} taken from the file's name",)


def date_in_name(name: str) -> datetime.date | None:
    """The first date in a file's name, or None.

    >>> date_in_name("runs/2018-10-0716.22.42.csv")
    datetime.date(2018, 10, 7)
    """
    for year, _, month, day in _DATE_IN_NAME.findall(name):  # a handful of matches in a name
        try:
            return datetime.date(int(year), int(month), int(day))
        except ValueError:
            continue
    return None


def _from_local(
    local_us: Ints, known: Bools, options: ReadOptions, said: tuple[str, ...]
) -> Stamps:
    zone = zone_of(options)
    if zone is None:
        no_zone = (
            "the clock is local and its zone is not known: the trip is relative; give --tz, such "
            "as --tz America/New_York"
        )
        said = (*said, no_zone)
        return Stamps(local_us, known, TimeBasis.RELATIVE, said)
    us = np.zeros_like(local_us)
    us[known] = to_utc(local_us[known], zone=zone)
    return _within_years(Stamps(us, known, TimeBasis.DATE_GIVEN, said))


def to_utc(local_us: Ints, *, zone: ZoneInfo) -> Ints:
    """Local civil microseconds since 1970 → UTC.

    >>> midnight = np.array([0], dtype=np.int64)
    >>> to_utc(midnight, zone=ZoneInfo("America/Sao_Paulo")).tolist()
    [10800000000]

    Raises
    ------
    Refusal
        TIME_ZONE when a time happened twice, or never, as clocks were changed; TOO_LONG.
    """
    if int(local_us.max() - local_us.min()) > LONGEST_US:
        raise Refusal(Reason.TOO_LONG, "more than 48 h in one recording: split it")
    minutes, which = np.unique(local_us // (60 * US_PER_S), return_inverse=True)
    # a loop over the minutes of a trip, at most 2,880: zone rules are not a column
    offsets = np.array([_offset_us(int(m), zone) for m in minutes], dtype=np.int64)
    return np.asarray(local_us - offsets[which])


def _offset_us(minute: int, zone: ZoneInfo) -> int:
    naive = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=minute)  # noqa: DTZ001
    first, second = (naive.replace(tzinfo=zone, fold=f).utcoffset() for f in (0, 1))
    if first is None or first != second:
        raise Refusal(
            Reason.TIME_ZONE,
            f"{naive:%Y-%m-%d %H:%M} happened twice or never in {zone.key}, where clocks were "
            "changed: export with UTC times",
        )
    return round(first.total_seconds()) * US_PER_S
