"""What the writers share: rows by time, held positions, clocks, text from whole columns."""

from __future__ import annotations

import datetime
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from streetbump.model import Floats, Ints
from streetbump.simulate.gps import Fixes
from streetbump.simulate.trip import SimulatedTrip
from streetbump.trips.table import SYNTHETIC_COLUMN

MARKED_NAME = SYNTHETIC_COLUMN + " "
"""What the name of a phone begins with in archives that hold one."""
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip can hold: the same trip gives the same bytes."""


@dataclass(frozen=True)
class About:
    """What a logger knows besides the trip.

    Attributes
    ----------
    device : str
        Name of the phone, one line.
    start_utc_s : float
        Seconds since 1970 UTC at the trip's time 0.
    platform : str
        ``android`` or ``ios``: where an app writes both, its signs differ.
    tz : str
        IANA zone of local clocks.
    """

    device: str
    start_utc_s: float
    platform: str
    tz: str


@dataclass(frozen=True, eq=False)
class Merged:
    """Rows by time, each with a sample, a fix, or both. All shape (k,).

    Attributes
    ----------
    t_us : int64
        Microseconds since 1970 UTC.
    sample, fix : int64
        Number of the row's sample and of its fix; -1 without one.
    """

    t_us: Ints
    sample: Ints
    fix: Ints


def standing() -> SimulatedTrip:
    """The trip of the examples: two samples 20 ms apart, face up at rest, a fix with the second.

    >>> standing().acc_ms2.tolist()
    [[0.0, 0.0, 9.81], [0.0, 0.0, 9.83]]
    """
    columns = (0.02, 12.0, -150.0, 0.0, np.nan, 5.0)
    return SimulatedTrip(
        np.array([0.0, 0.02]),
        np.array([[0.0, 0.0, 9.81], [0.0, 0.0, 9.83]]),
        np.array([[0.0, 0.0, 9.80665]] * 2),
        Fixes(*(np.array([value]) for value in columns)),
    )


def stamps_us(t_s: Floats, about: About, *, step_us: int = 1) -> Ints:
    """Times of the drive as microseconds since 1970 UTC, (n,), rounded to whole steps.

    >>> stamps_us(np.array([0.0, 0.0204]), About("", 5.0, "ios", "UTC"), step_us=1000).tolist()
    [5000000, 5020000]
    """
    us = round(about.start_utc_s * 1e6) + np.rint(t_s * 1e6).astype(np.int64)
    return np.asarray((us + step_us // 2) // step_us * step_us, dtype=np.int64)


def merged(trip: SimulatedTrip, about: About, *, step_us: int) -> Merged:
    """Samples and fixes as rows by time, on a grid of `step_us`.

    A fix goes onto the first sample of the same time, and has a row of its own otherwise.

    >>> rows = merged(standing(), About("", 0.0, "ios", "UTC"), step_us=1000)
    >>> rows.sample.tolist(), rows.fix.tolist()
    ([0, 1], [-1, 0])
    """
    t_us = stamps_us(trip.t_s, about, step_us=step_us)
    fix_us = stamps_us(trip.fixes.t_s, about, step_us=step_us)
    at = np.searchsorted(t_us, fix_us)
    meets = at < t_us.size
    meets[meets] = t_us[at[meets]] == fix_us[meets]
    meets[1:] &= np.diff(fix_us) > 0  # two fixes of one time: the second has its own row
    fix_of = np.full(t_us.size, -1)
    fix_of[at[meets]] = np.flatnonzero(meets)
    alone = np.flatnonzero(~meets)
    all_us = np.concatenate((t_us, fix_us[alone]))
    order = np.argsort(all_us, kind="stable")
    sample = np.concatenate((np.arange(t_us.size), np.full(alone.size, -1)))
    fix = np.concatenate((fix_of, alone))
    return Merged(all_us[order], sample[order], fix[order])


def held(trip: SimulatedTrip) -> Ints:
    """Number of the last fix at or before each sample, (n,); -1 before the first.

    >>> held(standing()).tolist()
    [-1, 0]
    """
    return np.asarray(np.searchsorted(trip.fixes.t_s, trip.t_s, side="right") - 1, dtype=np.int64)


def texts(template: str, *columns: Floats | Ints | Sequence[Any]) -> list[str]:
    """One text per row: the template filled with the row's cells.

    >>> texts("%d;%.2f", np.array([1, 2]), np.array([0.5, 0.25]))
    ['1;0.50', '2;0.25']
    """
    lists = (c.tolist() if isinstance(c, np.ndarray) else c for c in columns)
    return list(map(template.__mod__, zip(*lists, strict=True)))


def known(template: str, column: Floats, *, unknown: str) -> list[str]:
    """One text per value, `unknown` where it is NaN.

    >>> known("%.1f", np.array([0.5, np.nan]), unknown="-1")
    ['0.5', '-1']
    """
    return [template % v if v == v else unknown for v in column.tolist()]


def picked(cells: Sequence[str], which: Ints, *, blank: str) -> list[str]:
    """The cell of each row's number, (n,); `blank` where it is -1.

    >>> picked(["a", "b"], np.array([-1, 1, 1]), blank="-")
    ['-', 'b', 'b']
    """
    padded = [*cells, blank]  # -1 is the last
    return [padded[i] for i in which.tolist()]


def joined(head: Sequence[str], rows: Sequence[str]) -> bytes:
    r"""Lines as UTF-8 bytes, each ended by LF.

    >>> joined(["a,b"], ["1,2"])
    b'a,b\n1,2\n'
    """
    return ("\n".join((*head, *rows)) + "\n").encode()


def local_times(t_us: Ints, about: About) -> list[str]:
    """Local civil times of stamps since 1970 UTC, to the millisecond, ``2023-11-15T00:13:20.020``.

    >>> about = About("", 0.0, "android", "Europe/Tallinn")
    >>> local_times(np.array([1_700_000_000_020_000]), about)
    ['2023-11-15T00:13:20.020']
    """
    t_ms = (t_us + 500) // 1000
    local_ms = t_ms + _offsets_s(t_ms // 60_000, about.tz) * 1000
    civil: list[str] = np.datetime_as_string(local_ms.astype("datetime64[ms]")).tolist()
    return civil


def offset_text(t_us: int, about: About) -> str:
    """How far the local clock is ahead of UTC at a time since 1970, ``+02:00``.

    >>> offset_text(1_700_000_000_000_000, About("", 0.0, "ios", "America/St_Johns"))
    '-03:30'
    """
    minutes = int(_offsets_s(np.array([t_us // 60_000_000]), about.tz)[0]) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _offsets_s(minute: Ints, tz: str) -> Ints:
    """Offset from UTC in each minute since 1970, s."""
    zone = ZoneInfo(tz)
    minutes, which = np.unique(minute, return_inverse=True)
    # a loop over the minutes of a trip: zone rules are not a column
    offsets = [
        datetime.datetime.fromtimestamp(m * 60, tz=zone).utcoffset() or datetime.timedelta()
        for m in minutes.tolist()
    ]
    return np.array([round(o.total_seconds()) for o in offsets], dtype=np.int64)[which]


def archive(members: Mapping[str, bytes]) -> bytes:
    """A zip of the members and of the mark that the trip is made up; always the same bytes.

    >>> import io, zipfile
    >>> zipfile.ZipFile(io.BytesIO(archive({"a.csv": b"1"}))).namelist()
    ['a.csv', 'streetbump-synthetic.txt']
    """
    mark = {f"{SYNTHETIC_COLUMN}.txt": b"This recording is made up by streetbump: no car drove.\n"}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as z:
        for name, data in {**members, **mark}.items():
            info = zipfile.ZipInfo(name, date_time=_ZIP_DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # the same on every machine
            info.external_attr = 0o644 << 16
            z.writestr(info, data)
    return out.getvalue()
