"""The 2011 Street Bump record: summary rows of several phones over days, in any order.

Columns, in any order and case: ``Time`` (ms since 1970), ``Longitude``, ``Latitude``,
``AccelX/Y/Z`` (m/s² with gravity), ``OrientX/Y/Z`` (azimuth, pitch, roll, degrees),
``MagneticX/Y/Z``, ``Bearing``, ``Speed`` (m/s, -1 unknown), ``gpsAccuracy``, ``Entropy``.

A phone is told from another in the same minutes by how it is mounted, or by a way that nobody can
have driven. The bins of mounting angles follow E. Yip's AnStreetBump (a solver of the 2011
challenge); unlike there, neighbouring bins are one mount, so that no bin edge can split a phone,
and two mounts one after the other are one phone that was moved.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from streetbump.geo import distance_m
from streetbump.model import Bools, Floats, Gravity, Ints, Reason
from streetbump.trips.clock import Stamps, counting
from streetbump.trips.drive import Drive, Rows, from_rows
from streetbump.trips.notes import Note
from streetbump.trips.options import ReadOptions
from streetbump.trips.refusal import Refusal
from streetbump.trips.streams import bare, only
from streetbump.trips.table import Columns, Layout, read_columns
from streetbump.trips.text import Text

FORMAT = "streetbump-2011"
TOLD_BY = "Time, AccelX, OrientX, Longitude, Latitude"
TAKEN: tuple[Note, ...] = (
    ("clock", "ms since 1970 UTC"),
    ("sign", "Android's"),
    ("unit", "m/s² of summary rows"),
)
GAP_US = 600_000_000
"""A longer gap, µs, ends a trip (design 5)."""
TRIPS = 500
"""Most trips in one file. Chosen by us: the largest public record holds some tens."""
BIN_DEG = 30.0
"""Side of a bin of mounting angles. Chosen by us: pitch and roll of a mounted phone stay within
one or two such bins on hilly streets."""
BIN_SHARE = 0.02
"""A bin with less of the rows than this is noise. Chosen by us."""
INTERLEAVED_SHARE = 0.1
"""Two mounts are two phones when rows change between them at least this often. Chosen by us: a
phone that is moved changes once."""
IMPOSSIBLE_MS = 70.0
"""Nobody drives so fast (250 km/h)."""
IMPOSSIBLE_M = 300.0
"""Shorter leaps are GPS errors. Chosen by us."""
PHONES = 8
"""Most phones told apart by their ways alone in one stretch. Chosen by us."""
FOLLOWED_ROWS = 50_000
"""Most rows of one stretch that are followed one by one. Chosen by us: five times the largest
public record as a whole, and a few seconds of work."""
_NEEDED = ("time", "longitude", "latitude", "accelx", "accely", "accelz",
           "orientx", "orienty", "orientz")  # fmt: skip
_OPTIONAL = ("bearing", "speed", "gpsaccuracy")


def recognise(layout: Layout) -> bool:
    """Whether the record's nine needed columns are there, in any order and case."""
    return {bare(name) for name in layout.names} >= set(_NEEDED)


def read(
    text: Text,
    layout: Layout,
    *,
    name: str,
    options: ReadOptions,
) -> tuple[Drive, ...]:
    """The drives in a record: one per phone and stretch without a gap of ten minutes."""
    at = {c: layout.find(lambda n, c=c: bare(n) == c)  # type: ignore[misc]
          for c in (*_NEEDED, *_OPTIONAL)}  # fmt: skip
    wanted = [i for i in at.values() if i is not None]
    columns = read_columns(text, layout, numbers=wanted)
    rows, angles, doubled, unread = _sorted(columns, at)
    trips = _trips(rows, angles)
    count = int(trips.max()) + 1 if trips.size else 0
    _refuse_many(count)
    said = _warnings(count, doubled, unread, columns)
    return tuple(  # a loop over trips
        from_rows(
            replace(only(rows, trips == k), rows=int((trips == k).sum()), warnings=said),
            format=FORMAT,
            part="" if count == 1 else str(k + 1),
            gravity=Gravity.KEPT,
        )
        for k in range(count)
    )


def _refuse_many(count: int) -> None:
    if count > TRIPS:
        raise Refusal(Reason.ROW_LIMIT, f"{count} trips in one file, more than {TRIPS}: split it")


def _warnings(count: int, doubled: int, unread: int, columns: Columns) -> tuple[str, ...]:
    sparse = "summary rows, no waveform: too sparse for more than exposure and strong jolts"
    said = [sparse]
    if doubled:
        said.append(f"{doubled} doubled rows dropped from the file")
    if unread:
        said.append(f"{unread} of {columns.rows} rows of the file could not be read")
    if count > 1:
        said.append(f"the file held {count} trips, told apart by gaps, mounts and ways")
    return tuple(said)


def _sorted(columns: Columns, at: dict[str, int | None]) -> tuple[Rows, Floats, int, int]:
    """Readable rows by time, each once, and their three mounting angles.

    The record is known to be unsorted, so order is no fault here.
    """

    def get(column: str) -> Floats:
        i = at[column]
        return np.full(columns.rows - columns.lost, np.nan) if i is None else columns.numbers[i]

    data = np.column_stack([get(c) for c in (*_NEEDED, *_OPTIONAL)])
    stamps = counting(data[:, 0])
    readable = stamps.known & np.isfinite(data[:, 3:6]).all(axis=1)
    t_us, data = stamps.t_us[readable], data[readable]
    unread = columns.rows - t_us.size
    order = np.lexsort((*np.nan_to_num(data.T[::-1], nan=-9e9), t_us))
    t_us, data = t_us[order], data[order]
    alike = (data[1:] == data[:-1]) | (np.isnan(data[1:]) & np.isnan(data[:-1]))
    same = np.concatenate(([False], alike.all(axis=1)))[: t_us.size]
    t_us, data = t_us[~same], data[~same]
    known = np.ones(t_us.size, dtype=np.bool_)
    rows = Rows(
        Stamps(t_us, known, stamps.basis), (data[:, 3], data[:, 4], data[:, 5]),
        data[:, 2], data[:, 1], data[:, 10], data[:, 9], data[:, 11],
    )  # fmt: skip
    turning = np.column_stack((data[:, 6] - data[:, 9], data[:, 7], data[:, 8]))
    return rows, turning, int(np.count_nonzero(same)), unread


def _trips(rows: Rows, angles_deg: Floats) -> Ints:
    """Number of the trip each row belongs to, from 0, numbered by their first row."""
    t_us = rows.stamps.t_us
    stretch = np.cumsum(np.diff(t_us, prepend=t_us[:1]) > GAP_US)
    _refuse_many(int(stretch[-1]) + 1 if stretch.size else 0)
    phone = np.zeros(t_us.size, dtype=np.int64)
    starts = np.flatnonzero(np.diff(stretch, prepend=-1))
    for i in np.split(np.arange(t_us.size), starts[1:]):  # a loop over stretches, 500 at most
        phone[i] = _phones(t_us[i], angles_deg[i], _at(rows.lat_deg, i), _at(rows.lon_deg, i))
    trips = _numbered(stretch * (1 + phone.max(initial=0)) + phone)
    return _split_at_gaps(t_us, trips)


def _at(column: Floats | None, i: Ints) -> Floats:
    return np.full(i.size, np.nan) if column is None else column[i]


def _numbered(labels: Ints) -> Ints:
    """The same groups, numbered by their first row."""
    _, first, which = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, dtype=np.int64)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[which]


def _split_at_gaps(t_us: Ints, trips: Ints) -> Ints:
    """Trips split again: what filled a gap may have been another phone."""
    order = np.lexsort((t_us, trips))
    other = np.diff(trips[order], prepend=-1) != 0
    new = other | (np.diff(t_us[order], prepend=t_us[order][:1]) > GAP_US)
    out = np.empty_like(trips)
    out[order] = np.cumsum(new) - 1
    return _numbered(out)


def _phones(t_us: Ints, angles_deg: Floats, lat: Floats, lon: Floats) -> Ints:
    """Number of the phone that wrote each row of one stretch."""
    mount = _mounts(angles_deg)
    changes = np.count_nonzero(np.diff(mount))
    if changes < INTERLEAVED_SHARE * mount.size:
        mount = np.zeros_like(mount)
    phone = np.zeros_like(mount)
    for m in np.unique(mount):  # a loop over mounts
        i = np.flatnonzero(mount == m)
        phone[i] = m * PHONES + _by_way(t_us[i], lat[i], lon[i])
    return phone


def _mounts(angles_deg: Floats) -> Ints:
    """Which group of neighbouring, well filled bins of mounting angles each row lies in.

    Rows in thin bins, and rows without angles, go with the row before them.
    """
    known: Bools = np.asarray(np.isfinite(angles_deg).all(axis=1))
    side = round(360 / BIN_DEG)
    cell = (np.floor(np.where(known[:, None], angles_deg, 0) / BIN_DEG) % side).astype(np.int64)
    filled = np.zeros((side,) * 3, dtype=np.int64)
    np.add.at(filled, tuple(cell[known].T), 1)
    labels = _joined_round(filled >= max(3, BIN_SHARE * len(cell)))
    mount = np.where(known, labels[tuple(cell.T)], 0)
    seen = np.maximum.accumulate(np.where(mount > 0, np.arange(mount.size), -1))
    return np.where(seen >= 0, mount[seen], mount[mount > 0][0] if (mount > 0).any() else 1) - 1


def _joined_round(filled: Bools) -> Ints:
    """Numbers, from 1, of the groups of touching bins; 0° and 360° touch."""
    from scipy import ndimage  # slow to import, and only this record needs it

    touching = np.ones((3, 3, 3), dtype=np.bool_)
    side = filled.shape[0]
    labels, count = ndimage.label(np.tile(filled, (2, 2, 2)), structure=touching)
    parent = np.arange(count + 1)
    copies = labels.reshape(2, side, 2, side, 2, side).transpose(0, 2, 4, 1, 3, 5).reshape(8, -1)
    for copy in copies[1:]:  # seven copies of the round space
        for a, b in np.unique(np.column_stack((copies[0], copy)), axis=0):  # and their groups
            low, high = sorted((int(parent[a]), int(parent[b])))
            parent[parent == high] = low
    return np.asarray(parent[labels[:side, :side, :side]], dtype=np.int64)


def _by_way(t_us: Ints, lat: Floats, lon: Floats) -> Ints:
    """Number of the way each row lies on; one for all unless somebody would have to fly."""
    fixed = np.isfinite(lat) & np.isfinite(lon) & ((lat != 0) | (lon != 0))
    i = np.flatnonzero(fixed)
    way = np.zeros(t_us.size, dtype=np.int64)
    if not _leaps(t_us[i], lat[i], lon[i]).any():
        return way
    if i.size > FOLLOWED_ROWS:
        raise Refusal(
            Reason.ROW_LIMIT,
            f"{i.size} rows of mixed phones without a gap, more than {FOLLOWED_ROWS}: split them",
        )
    way[i] = _followed(t_us[i], lat[i], lon[i])
    seen = np.maximum.accumulate(np.where(fixed, np.arange(way.size), 0))
    return way[seen]


def _leaps(t_us: Ints, lat: Floats, lon: Floats) -> Bools:
    way_m = distance_m(lat[:-1], lon[:-1], lat[1:], lon[1:])
    return (way_m > IMPOSSIBLE_M) & (way_m > IMPOSSIBLE_MS * np.diff(t_us) / 1e6)


def _followed(t_us: Ints, lat: Floats, lon: Floats) -> Ints:
    """Each row on the nearest way that can have reached it, or on a new one.

    A loop over rows, and only in stretches where phones are known to be mixed: which way a row
    continues depends on where the row before it went.
    """
    last = np.full((PHONES, 3), np.nan)
    way = np.zeros(t_us.size, dtype=np.int64)
    count = 0
    for k in range(t_us.size):
        t_s = t_us[k] / 1e6
        away_m = distance_m(last[:count, 1], last[:count, 2], lat[k], lon[k])
        reached = np.maximum(IMPOSSIBLE_M, IMPOSSIBLE_MS * (t_s - last[:count, 0]))
        could = np.where(away_m <= reached, away_m, np.inf)
        if count and (np.isfinite(could).any() or count == PHONES):
            way[k] = int(np.argmin(could if np.isfinite(could).any() else away_m))
        else:
            way[k] = count
            count += 1
        last[way[k]] = (t_s, lat[k], lon[k])
    return way
