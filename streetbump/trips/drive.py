"""What every reader hands on: one drive in SI units, rows in the order of time.

:func:`from_rows` is where clocks are put in order, doubled rows dropped and fixes told from
positions that are merely held; readers only find and convert columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streetbump.geo import to_e7
from streetbump.model import Bools, Floats, Gravity, Ints, Reason, TimeBasis
from streetbump.trips.clock import Stamps
from streetbump.trips.notes import Note
from streetbump.trips.refusal import Refusal

ORDER_SHARE = 0.01
"""Most rows that may stand behind an earlier one (robustness case 39); two rows always may."""
ORDER_US = 2_000_000
"""Furthest a row may stand back in time, µs (robustness case 39)."""
LOST_SHARE = 0.2
"""Largest share of rows that may be unreadable. Chosen by us."""
OVERLAP_US = 60_000_000
"""How far, µs, fixes of a separate file may lie outside the samples. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Fixes:
    """True position fixes; NaN where the logger gave no value. All shape (m,)."""

    t_us: Ints
    lat_deg: Floats
    lon_deg: Floats
    speed_ms: Floats
    heading_deg: Floats
    accuracy_m: Floats

    def __getitem__(self, keep: Bools | Ints) -> Fixes:
        return Fixes(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))

    def __len__(self) -> int:
        return len(self.t_us)


@dataclass(frozen=True, eq=False)
class Drive:
    """One drive as its logger wrote it.

    Attributes
    ----------
    format : str
    basis : TimeBasis
    t_us : (n,) int64
        Sample times, not decreasing: since 1970 UTC, or since some start when relative.
    acc_ms2 : (n, 3) float64
        Android sign, device axes; every value finite.
    fixes : Fixes
    part : str
        Tells the drives of one file apart.
    gravity : Gravity or None
        What the file states.
    device : str or None
        Raw name; never stored.
    synthetic : bool
        Made up, in whole or in part.
    accelerometer : bool
        Whether the file has acceleration columns at all; a position file has none.
    notes : tuple of Note
        What was seen and taken for granted, beside the warnings.
    """

    format: str
    basis: TimeBasis
    t_us: Ints
    acc_ms2: Floats
    fixes: Fixes
    part: str = ""
    gravity: Gravity | None = None
    device: str | None = None
    synthetic: bool = False
    warnings: tuple[str, ...] = ()
    accelerometer: bool = True
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table, converted to SI; NaN for an empty or unreadable cell.

    `acc_ms2` is None when the table has no accelerometer. `rows` and `lost` count what the
    table held and what could not be cut into fields. `held` says that rows repeat the last
    position until there is a new one; where fixes have a clock of their own, each is a fix.
    """

    stamps: Stamps
    acc_ms2: tuple[Floats, Floats, Floats] | None
    lat_deg: Floats | None = None
    lon_deg: Floats | None = None
    speed_ms: Floats | None = None
    heading_deg: Floats | None = None
    accuracy_m: Floats | None = None
    rows: int = 0
    lost: int = 0
    warnings: tuple[str, ...] = field(default=())
    held: bool = True
    notes: tuple[Note, ...] = ()


def from_rows(
    rows: Rows,
    *,
    format: str,  # noqa: A002
    part: str = "",
    gravity: Gravity | None = None,
    device: str | None = None,
    synthetic: bool = False,
) -> Drive:
    """One drive from the rows of a table.

    Rows without a readable time, with a broken sample, or doubled are dropped and counted; rows
    slightly out of order are sorted (at most 1 % of them, by at most 2 s). A fix is a row whose
    position differs from that of the row before it, or any with a position where none is held.

    Raises
    ------
    Refusal
        TIME_ORDER, TOO_LITTLE_USABLE (more than 20 % of the rows unreadable), COORD_RANGE.
    """
    said = [*rows.stamps.warnings, *rows.warnings]
    keep, sampled, broken = _readable(rows)
    lost = rows.lost + int(np.count_nonzero(broken))
    if lost > LOST_SHARE * max(rows.rows, 1):
        raise Refusal(
            Reason.TOO_LITTLE_USABLE, f"{lost} of {rows.rows} rows cannot be read: export again"
        )
    if lost:
        said.append(f"{lost} of {rows.rows} rows could not be read and were dropped")
    idle = 0 if sampled is None else _idle(rows, np.flatnonzero(keep & ~sampled))
    if idle:
        said.append(f"{idle} of {rows.rows} rows held neither a sample nor a fix")
    t_us = rows.stamps.t_us
    index = _ordered(t_us, keep, said)
    index = _undoubled(rows, t_us, index, said)
    taken = index if sampled is None else index[sampled[index]]
    acc = rows.acc_ms2
    samples = _columns(acc or (), taken)
    notes = list(rows.notes)
    if acc is not None:
        notes.append(("rows", f"{rows.rows} in the file, {len(samples)} samples"))
    fixes = _fixes(rows, t_us, index, said, notes)
    return Drive(
        format, rows.stamps.basis, t_us.take(taken) if acc is not None else t_us[:0], samples,
        fixes, part, gravity, device, synthetic, tuple(said), acc is not None, tuple(notes),
    )  # fmt: skip


def _columns(acc_ms2: tuple[Floats, ...], taken: Ints) -> Floats:
    """Some rows of three columns, or none, as (n, 3); column by column, as they are used."""
    samples = np.empty((3, taken.size if acc_ms2 else 0))
    for column, out in zip(acc_ms2, samples, strict=False):  # three axes
        column.take(taken, out=out, mode="clip")  # other modes would take it twice
    return samples.T


def _readable(rows: Rows) -> tuple[Bools, Bools | None, Bools]:
    """Which rows to keep, which of them hold a sample (None: all), which are broken.

    A row without any acceleration is a fix, or nothing at all; one with a part of it is broken.
    """
    known = rows.stamps.known
    if rows.acc_ms2 is None:
        return known, None, ~known
    x, y, z = rows.acc_ms2
    whole = np.isfinite(x + y + z)
    if whole.all() and known.all():
        return known, None, ~known
    doubtful = np.flatnonzero(~(whole & known))
    absent = np.isnan(x[doubtful]) & np.isnan(y[doubtful]) & np.isnan(z[doubtful])
    broken = np.zeros(known.size, dtype=np.bool_)
    broken[doubtful] = ~known[doubtful] | ~(whole[doubtful] | absent)
    return ~broken, whole, broken


def _idle(rows: Rows, bare: Ints) -> int:
    """How many of some rows state no position, right or wrong."""
    if rows.lat_deg is None or rows.lon_deg is None:
        return bare.size
    return int(np.count_nonzero(~np.isfinite(rows.lat_deg[bare] + rows.lon_deg[bare])))


def _ordered(t_us: Ints, keep: Bools, said: list[str]) -> Ints:
    """Numbers of the kept rows by time; those of equal time stay as they were."""
    index = np.flatnonzero(keep)
    t = t_us.take(index)
    if t.size < 2 or (t[1:] >= t[:-1]).all():
        return index
    back_us = np.maximum.accumulate(t) - t
    behind = int(np.count_nonzero(back_us))
    furthest_s = float(back_us.max()) / 1e6
    if behind > max(2, ORDER_SHARE * t.size) or back_us.max() > ORDER_US:
        raise Refusal(
            Reason.TIME_ORDER,
            f"{behind} rows go back in time, by up to {furthest_s:g} s (at most 1 % of the rows "
            f"and 2 s can be repaired; first at row {int(np.argmax(back_us > 0)) + 1}): sort the "
            "file by time, or split recordings that were joined",
        )
    said.append(f"{behind} rows went back in time, by up to {furthest_s:g} s: sorted")
    return index[np.argsort(t, kind="stable")]


def _undoubled(rows: Rows, t_us: Ints, index: Ints, said: list[str]) -> Ints:
    """The rows without those that repeat the row before them in every value."""
    t = t_us.take(index)
    same = np.flatnonzero(t[1:] == t[:-1])
    if same.size == 0:
        return index
    now, before = index[same + 1], index[same]
    columns = (*(rows.acc_ms2 or ()), rows.lat_deg, rows.lon_deg, rows.speed_ms)
    for c in columns:  # a handful of columns
        if c is not None:
            a, b = c[now], c[before]
            equal = (a == b) | (np.isnan(a) & np.isnan(b))
            same, now, before = same[equal], now[equal], before[equal]
    if same.size:
        said.append(f"{same.size} doubled rows dropped")
    return np.delete(index, same + 1)


def _fixes(rows: Rows, t_us: Ints, index: Ints, said: list[str], notes: list[Note]) -> Fixes:
    if rows.lat_deg is None or rows.lon_deg is None:
        return NO_FIXES
    index = index[np.isfinite(rows.lat_deg.take(index))]
    index = index[np.isfinite(rows.lon_deg[index])]
    lat, lon = rows.lat_deg[index], rows.lon_deg[index]
    real = _real(lat, lon, said)
    new = _moved(real, lat, lon) if rows.held else real
    notes.append(("positions", _counts(lat, lon, real, new)))
    index = index[new]
    extra = (rows.lat_deg, rows.lon_deg, rows.speed_ms, rows.heading_deg, rows.accuracy_m)
    unknown = np.full(index.size, np.nan)
    return Fixes(t_us[index], *(unknown if c is None else c[index] for c in extra))


def _counts(lat: Floats, lon: Floats, real: Bools, new: Bools) -> str:
    """How many positions were stated, and what became of them, in words."""
    fixes, on_earth = int(np.count_nonzero(new)), int(np.count_nonzero(real))
    zero = int(np.count_nonzero((lat == 0) & (lon == 0)))
    parts = (
        (on_earth - fixes, "as the one before"), (zero, "at 0, 0 and so none"),
        (real.size - on_earth - zero, "off the Earth"),
    )  # fmt: skip
    left_out = "".join(f", {n} {what}" for n, what in parts if n)
    return f"{real.size} stated: {fixes} fixes{left_out}"


def _real(lat: Floats, lon: Floats, said: list[str]) -> Bools:
    """Which positions lie on Earth; 0, 0 is what loggers write before the first fix."""
    on_earth = (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    if lat.size and not on_earth.any():
        if (np.abs(lat) <= 180).all() and (np.abs(lon) <= 90).all():
            raise Refusal(
                Reason.LATLON_SWAPPED, "all latitudes are beyond ±90° and all longitudes within: "
                "they are swapped; export again with the columns named right",
            )  # fmt: skip
        raise Refusal(
            Reason.COORD_RANGE, "no position lies within ±90°, ±180°: write degrees, not 1e-7° "
            "or radians, and check which column is which",
        )  # fmt: skip
    off = lat.size - int(np.count_nonzero(on_earth))
    if off:
        said.append(f"{off} positions outside ±90°, ±180° dropped")
    return on_earth & ((lat != 0) | (lon != 0))


def _moved(real: Bools, lat: Floats, lon: Floats) -> Bools:
    """Which positions are new: real, and other than the real one before, in units of 1e-7°."""
    at = np.flatnonzero(real)
    lat_e7, lon_e7 = to_e7(lat[at]), to_e7(lon[at])
    new = np.ones(at.size, dtype=np.bool_)
    new[1:] = (np.diff(lat_e7) != 0) | (np.diff(lon_e7) != 0)
    out = np.zeros(real.size, dtype=np.bool_)
    out[at[new]] = True
    return out


def with_positions(drive: Drive, other: Drive) -> Drive:
    """`drive` with the fixes of `other`, a separate position file on the same clock.

    Raises
    ------
    Refusal
        NO_FIX when `other` has none, TIME_UNIT when the clocks cannot be compared, TIME_RANGE
        when they never meet.
    """
    if len(other.fixes) == 0:
        raise Refusal(Reason.NO_FIX, "the file given with --gps holds no fix")
    if (drive.basis is TimeBasis.RELATIVE) != (other.basis is TimeBasis.RELATIVE):
        raise Refusal(
            Reason.TIME_UNIT, "the trip and the file given with --gps count time from different "
            "starts: give --tz and --date for clocks, or export both alike",
        )  # fmt: skip
    if drive.t_us.size == 0:
        return drive
    t = other.fixes.t_us
    near = (t >= drive.t_us[0] - OVERLAP_US) & (t <= drive.t_us[-1] + OVERLAP_US)
    if not near.any():
        raise Refusal(
            Reason.TIME_RANGE, "the trip and the file given with --gps never meet in time: "
            "wrong file, or another clock",
        )  # fmt: skip
    said = ("fixes taken from the separate position file",)
    return replace(
        drive,
        fixes=other.fixes[near],
        synthetic=drive.synthetic or other.synthetic,
        warnings=drive.warnings + said,
        notes=(*drive.notes, *(("positions", f"--gps, {t}: {n}") for t, n in other.notes)),
    )


NO_FIXES = Fixes(
    np.empty(0, dtype=np.int64), np.empty(0), np.empty(0), np.empty(0), np.empty(0), np.empty(0)
)
