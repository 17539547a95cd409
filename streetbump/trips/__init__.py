"""Bytes → trips: one module per logger format, sniffing, repair, and the door.

The way of a file: `sniff` picks the reader, `text` guards and decodes, `table` cuts it into
columns, the reader finds and converts its columns, `drive` puts rows in order and finds the
fixes, `canonical` checks, quantises and names the trip. `door` decides whether a trip is let in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from streetbump.model import Reason, Rejected, Trip, upload_id_of
from streetbump.trips.canonical import trip_of
from streetbump.trips.describe import evidence
from streetbump.trips.drive import Drive, with_positions
from streetbump.trips.notes import Note
from streetbump.trips.options import ColumnMap, ReadOptions, parse_column_map, zone_of
from streetbump.trips.refusal import Refusal
from streetbump.trips.sniff import drives_in

__all__ = ["ColumnMap", "ReadOptions", "explained", "parse_column_map", "read"]


def read(
    data: bytes, *, name: str, options: ReadOptions, pseudonym: Callable[[str], str]
) -> tuple[Trip | Rejected, ...]:
    r"""The trips in uploaded bytes, each taken or refused; never raises for bad bytes.

    Parameters
    ----------
    data : bytes
        The file, of any format in docs/formats.md.
    name : str
        Its name; only a date in it is used, where neither file nor options give one.
    options : ReadOptions
    pseudonym : callable
        Raw device name → keyed pseudonym (:func:`streetbump.trips.door.pseudonym`).

    Raises
    ------
    UsageError
        `options` names a zone that does not exist.

    >>> data = b"t,ax,ay,az\n1700000000,0,0,9.8\n1700000000.01,0,0,9.9\n1700000000.02,0,0,9.7\n"
    >>> (trip,) = read(data, name="a.csv", options=ReadOptions(), pseudonym=str.upper)
    >>> trip.rate_hz, trip.time_basis.value, trip.device
    (100.0, 'absolute', None)
    >>> read(b"", name="a.csv", options=ReadOptions(), pseudonym=str.upper)[0].reason.value
    'EMPTY'
    """
    upload_id = upload_id_of(data)
    try:
        drives = _drives(data, name, options)
    except Refusal as no:
        return (Rejected(upload_id, no.reason, no.hint),)
    return tuple(_settled(d, upload_id, options.device, pseudonym) for d in drives)


def explained(
    data: bytes, *, name: str, options: ReadOptions
) -> tuple[tuple[Trip | Rejected, tuple[Note, ...]], ...]:
    r"""What :func:`read` gives, each with what was seen and taken for granted.

    >>> data = b"t,ax,ay,az\n1700000000,0,0,9.8\n1700000000.01,0,0,9.9\n1700000000.02,0,0,9.7\n"
    >>> ((trip, notes),) = explained(data, name="a.csv", options=ReadOptions())
    >>> dict(notes)["table"]
    "header in line 1 of 4 columns, separator ',', decimal sign '.', UTF-8"
    """
    upload_id = upload_id_of(data)
    try:
        drives = _drives(data, name, options)
    except Refusal as no:
        return ((Rejected(upload_id, no.reason, no.hint), no.notes),)
    return tuple(  # a loop over trips
        (_settled(d, upload_id, options.device, lambda _name: "named"), (*d.notes, *evidence(d)))
        for d in drives
    )


def _drives(data: bytes, name: str, options: ReadOptions) -> tuple[Drive, ...]:
    zone_of(options)  # a wrong zone is the caller's mistake, whatever the file needs
    return _with_gps(drives_in(data, name=name, options=options), options)


def _with_gps(drives: tuple[Drive, ...], options: ReadOptions) -> tuple[Drive, ...]:
    if options.gps is None:
        return drives
    try:
        # the position file is read by its own header: the map and its columns are the trip's
        found = drives_in(options.gps, name="", options=replace(options, columns=None))
    except Refusal as no:
        raise Refusal(no.reason, f"the file given with --gps: {no.hint}", no.notes) from no
    if len(found) != 1:
        raise Refusal(Reason.SCHEMA, "the file given with --gps holds several trips")
    return tuple(with_positions(d, found[0]) for d in drives)


def _settled(
    drive: Drive, upload_id: str, device: str | None, pseudonym: Callable[[str], str]
) -> Trip | Rejected:
    raw = device or drive.device
    try:
        if not drive.accelerometer:
            raise Refusal(
                Reason.NO_ACCEL, "there are no accelerometer columns: record acceleration, or "
                "give this file with --gps and the acceleration as the trip",
            )  # fmt: skip
        return trip_of(drive, upload_id=upload_id, device=None if raw is None else pseudonym(raw))
    except Refusal as no:
        return Rejected(upload_id, no.reason, no.hint, drive.part)
