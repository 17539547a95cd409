"""The intake lane: uploads to trips at the door, trips to jolts and passes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import msgspec
import numpy as np

from streetbump import detect
from streetbump.config import Settings, shipped_settings
from streetbump.detect.classify import load_model
from streetbump.executors import Lost
from streetbump.model import Detection, Reason, Rejected, Trip, upload_id_of
from streetbump.pipeline.work import IDLE, SOON_NS, Progress, Status, Work
from streetbump.stores import Outcome, Store, Taken, Upload
from streetbump.stores.archive import Archive
from streetbump.stores.files import Files
from streetbump.trips import ReadOptions, parse_column_map, read
from streetbump.trips.door import admit, pseudonym

MAX_ATTEMPTS = 3
"""A file that was begun this often and never ended has killed its reader. Chosen by us."""

AT_ONCE = 8
"""Uploads that are committed together at most: what a commit costs is hardly more for so many, and
a crash loses no more of the work. Chosen by us."""

_FITS = "split the recording: some 50 MB of unpacked text, or a million rows, can be read here"


class UploadOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller said about an upload, as it is kept in the queue.

    `device` is a pseudonym already; `columns` the text of a column map; `gps` the path of a
    separate position file, `gps_sha256` the hash of its content: another content is other options.
    """

    tz: str | None = None
    date: str | None = None
    columns: str | None = None
    gps: str | None = None
    gps_sha256: str | None = None
    device: str | None = None
    trust_unnamed: bool = False

    def encoded(self) -> str:
        """As JSON, always the same text for the same options."""
        return msgspec.json.encode(self).decode()

    def for_reader(self, files: Files, *, local: bool) -> ReadOptions:
        """As the reader wants them; the position file is read here.

        `local` files were named by the operator and did not come in through a live door.
        """
        return ReadOptions(
            local=local,
            tz=self.tz,
            date=date.fromisoformat(self.date) if self.date else None,
            columns=parse_column_map(self.columns, where="--columns") if self.columns else None,
            gps=files.read(Path(self.gps)) if self.gps else None,
        )


@dataclass(frozen=True)
class _Job:
    """One upload, as a process needs it."""

    upload: Upload
    settings: Settings
    door_key: bytes
    files: Files


@dataclass(frozen=True)
class TakenIn:
    """What came out of one upload."""

    taken: tuple[Taken, ...]
    rejected: tuple[Rejected, ...]
    vanished: bool = False  # the bytes are not there any more, or are others


def take_in_some(store: Store, work: Work, now_ns: int) -> Progress:
    """Read, admit and detect some queued uploads; then trips that lack a detection."""
    waiting = store.uploads_waiting()  # a look; claiming takes the write lock
    limit = 2 * work.executor.width
    uploads = (
        store.claim_uploads(owner=work.owner, now_ns=now_ns, lease_ns=work.lease_ns, limit=limit)
        if waiting
        else ()
    )
    if not uploads:
        progress = _detect_archived(store, work, now_ns)
        if progress.status is Status.IDLE and waiting:
            return Progress(Status.WAIT, "another process reads uploads", now_ns + SOON_NS)
        return progress
    work.checkpoint("upload claimed")
    jobs = [_Job(upload, work.settings, work.door_key, store.files) for upload in uploads]
    results = work.executor.map(take_in, jobs, instead=_lost)
    at_once = min(AT_ONCE, -(-len(uploads) // 2))  # one half is read while the other is committed
    for begin in range(0, len(uploads), at_once):
        ended = [(upload, next(results)) for upload in uploads[begin : begin + at_once]]
        try:
            for _, result in ended:
                for one in result.taken:
                    store.archive.save(one.trip_id, one.file)
        except OSError:
            for innocent in uploads[begin:]:  # our disk is at fault, not the files
                store.give_back(innocent, owner=work.owner)
            raise
        _commit(store, work, ended, now_ns)
    return Progress(Status.DONE, f"{len(uploads)} uploads read")


def _commit(store: Store, work: Work, ended: Sequence[tuple[Upload, TakenIn]], now_ns: int) -> None:
    """Store what came out of some uploads, whose trips are in the archive already."""
    for upload, result in ended:
        if result.vanished:
            store.forget_upload(upload, owner=work.owner)
    outcomes = [
        Outcome(upload, result.taken, result.rejected)
        for upload, result in ended
        if not result.vanished
    ]
    gone = store.commit_uploads(
        outcomes,
        generation=work.generation.name,
        halo_m=work.settings.cluster.halo_m,
        owner=work.owner,
        now_ns=now_ns,
    )
    for trip_id in gone:
        store.archive.delete(trip_id)
    for one in outcomes:
        work.observe(
            "upload",
            upload_id=one.upload.upload_id,
            trips=len(one.taken),
            rejected=[r.reason.value for r in one.rejected],
        )


def take_in(job: _Job) -> TakenIn:
    """Bytes → trips at the door → jolts and passes. Pure but for reading the named files."""
    upload, s = job.upload, job.settings
    if upload.attempts > MAX_ATTEMPTS:
        hint = f"reading it was begun {MAX_ATTEMPTS} times and never ended"
        return _refused(upload, Reason.POISON, hint)
    try:
        data = job.files.read(Path(upload.source))
        options = msgspec.json.decode(upload.options, type=UploadOptions)
        how = options.for_reader(job.files, local=not upload.live)
    except FileNotFoundError:
        return TakenIn((), (), vanished=True)
    except OSError as exc:
        return _refused(upload, Reason.UNREADABLE, f"cannot be read: {exc.strerror}")
    if upload_id_of(data) != upload.upload_id:
        return TakenIn((), (), vanished=True)
    if upload.live and len(data) > s.door.size_limit_bytes:
        hint = f"{len(data)} bytes, the limit is {s.door.size_limit_bytes}"
        return _refused(upload, Reason.TOO_LARGE, hint)
    rows = read(
        data, name=upload.name, options=how, pseudonym=lambda n: pseudonym(n, key=job.door_key)
    )
    admitted = [_at_the_door(row, options, upload, job) for row in rows]
    return TakenIn(
        tuple(Taken.of(row, detect_trip(row, s)) for row in admitted if isinstance(row, Trip)),
        tuple(row for row in admitted if isinstance(row, Rejected)),
    )


def _at_the_door(
    row: Trip | Rejected, options: UploadOptions, upload: Upload, job: _Job
) -> Trip | Rejected:
    if isinstance(row, Rejected):
        return row
    received = upload.received_ns if upload.live else None
    device = options.device or row.device
    if device is None and options.trust_unnamed:
        device = pseudonym(f"unnamed {row.trip_id}", key=job.door_key)
    return admit(
        replace(row, device=device),
        key=job.door_key,
        settings=job.settings.door,
        received_ns=received,
    )


def _refused(upload: Upload, reason: Reason, hint: str) -> TakenIn:
    return TakenIn((), (Rejected(upload.upload_id, reason, hint),))


def _lost(job: _Job, lost: Lost) -> TakenIn:
    """What stands for an upload whose reading did not come to an end."""
    if lost.greedy:
        return _refused(job.upload, Reason.RESOURCE, f"{lost.what}: {_FITS}")
    return _refused(job.upload, Reason.POISON, lost.what)


def warm_up() -> None:
    """Make a child ready to read uploads under limits, before the first of them."""
    t = np.arange(600) / 100
    rows = np.column_stack((1.7e9 + t, np.sin(t), np.cos(t), 9.81 + np.sin(7 * t)))
    table = "t,ax,ay,az\n" + "\n".join(",".join(map(str, row)) for row in rows.tolist())
    (trip,) = read(table.encode(), name="", options=ReadOptions(), pseudonym=str)
    if isinstance(trip, Trip):
        detect_trip(trip, shipped_settings())


def detect_trip(trip: Trip, settings: Settings) -> Detection:
    """What the shipped model and these settings find in one trip."""
    return detect.detect(trip, settings=settings.detect, model=load_model())


def _detect_archived(store: Store, work: Work, now_ns: int) -> Progress:
    """Compute archived trips that the generation lacks: after a promote, and in reprocessing."""
    ids = store.claim_trips(
        work.generation.name,
        owner=work.owner,
        now_ns=now_ns,
        lease_ns=work.lease_ns,
        limit=4 * work.executor.width,
    )
    if not ids:
        return IDLE
    jobs = [(str(store.archive.root), trip_id, work.settings) for trip_id in ids]
    for trip_id, found in zip(ids, work.executor.map(_detect_stored, jobs), strict=True):
        store.commit_detection(
            trip_id,
            found,
            generation=work.generation.name,
            halo_m=work.settings.cluster.halo_m,
            owner=work.owner,
        )
        work.checkpoint("trip committed")
    return Progress(Status.DONE, f"{len(ids)} archived trips computed")


def _detect_stored(job: tuple[str, str, Settings]) -> Detection:
    root, trip_id, settings = job
    return detect_trip(Archive(Path(root)).load(trip_id), settings)
