"""The one pipeline function: :func:`advance` does the next thing there is to do, and says so.

What there is to do is derived from the store, as ``make`` derives it from files: an upload that
is queued, a trip without a detection, a cell whose inputs changed, a place that may be reported.
So retrying, recovering from a crash, late trips and reprocessing are one path. The worker calls
it for ever, ``run`` until it is idle, ``reprocess`` with an executor; nothing else loops over
stages.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from streetbump import cluster, detect
from streetbump.cluster.kinds import load_place_model
from streetbump.cluster.life import Filed, Presence, lived, presence, votes_at
from streetbump.cluster.match import points_of
from streetbump.cluster.places import Place, follow
from streetbump.config import Settings, generation_key, shipped_settings, stored_settings
from streetbump.detect.classify import load_model
from streetbump.errors import GenerationError
from streetbump.executors import Executor, Lost, Serial
from streetbump.geo import cell_of, cells_around
from streetbump.model import (
    Detection,
    JoltClass,
    PlaceState,
    Reason,
    Rejected,
    RequestState,
    Trip,
    upload_id_of,
)
from streetbump.observe import Observer, silent
from streetbump.sending import Desk, Sender, step
from streetbump.stores import Generation, PlaceRow, Store, Taken, Upload
from streetbump.stores.archive import Archive
from streetbump.stores.files import Files
from streetbump.stores.regions import Follow
from streetbump.trips import ReadOptions, parse_column_map, read
from streetbump.trips.door import admit, pseudonym

LANES = ("intake", "cluster", "sync", "submit")
"""Independent kinds of work: a slow city never keeps an upload waiting."""

MAX_ATTEMPTS = 3
"""A file that was begun this often and never ended has killed its reader. Chosen by us."""

SOON_NS = 1_000_000_000
"""When to look again where another process is at work, ns."""

CELLS_AT_ONCE = 64
"""Storage cells clustered in one step: some 20 km² of a city. Chosen by us."""

PLACES_AT_ONCE = 64
"""Places looked at in one step. Chosen by us."""

FILED = frozenset(
    {
        RequestState.ACKED.value,
        RequestState.TOKEN.value,
        RequestState.LINKED.value,
        RequestState.DUPLICATE.value,
    }
)
"""States of a request that a city holds."""


class Status(StrEnum):
    """What one call of :func:`advance` came to."""

    DONE = "done"
    IDLE = "idle"
    WAIT = "wait_until"


@dataclass(frozen=True)
class Progress:
    """What was done, or until when there is nothing to do (`wait_until_ns`)."""

    status: Status
    what: str = ""
    wait_until_ns: int | None = None


IDLE = Progress(Status.IDLE)


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


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that :func:`advance` is given from outside.

    Attributes
    ----------
    settings : Settings
        Of the generation that is computed.
    generation : Generation
        Its row in the store.
    door_key : bytes
        Secret behind pseudonyms and trimming; never stored with the data.
    owner : str
        Who holds the leases: this process.
    desks : sequence
        One per city that requests may go to.
    checkpoint : callable
        Called with a name at each durable step; tests stop the process there.
    """

    settings: Settings
    generation: Generation
    door_key: bytes
    owner: str
    desks: Sequence[Desk] = ()
    executor: Executor = field(default_factory=Serial)
    lease_ns: int = 300_000_000_000
    new_id: Callable[[], str] = lambda: "P-" + secrets.token_hex(5).upper()
    checkpoint: Callable[[str], None] = lambda _name: None
    observe: Observer = silent


def generation_parts(settings: Settings) -> tuple[str, str, str]:
    """Content key, algorithm and model digest of what this version computes with `settings`."""
    algorithm = f"{detect.ALGORITHM}+{cluster.ALGORITHM}"
    digest = f"{load_model().digest}+{load_place_model().digest}"
    return generation_key(settings, algorithm=algorithm, model=digest), algorithm, digest


def settings_of(generation: Generation) -> Settings:
    """The settings that a stored generation was made with."""
    return stored_settings(generation.settings, where=f"generation {generation.name}")


def active_generation(
    store: Store, settings: Settings | None, *, shipped: Settings, now_ns: int
) -> tuple[Generation, Settings]:
    """The store's active generation, and the settings to work with.

    Parameters
    ----------
    settings : Settings or None
        What the caller asked for; None means whatever the store has.
    shipped : Settings
        What a new store begins with when nothing was asked for.

    Raises
    ------
    GenerationError
        The caller's settings, or this version's algorithms, would give other results than the
        active generation's.
    """
    active = store.active()
    if active is None:
        first = settings or shipped
        added = register(store, first, name=f"settings-{first.version}", now_ns=now_ns)
        return added, first
    wanted = settings or settings_of(active)
    content, algorithm, _ = generation_parts(wanted)
    if content == active.content:
        return active, wanted
    how = "streetbump reprocess --generation NAME, then streetbump promote NAME"
    if settings is not None and settings_of(active) != settings:
        raise GenerationError(
            f"--settings: differ from those of the store's active generation {active.name!r};"
            f" to change them: {how}"
        )
    raise GenerationError(
        f"the store's active generation {active.name!r} was computed by {active.algorithm},"
        f" this version computes by {algorithm}: {how}"
    )


def register(store: Store, settings: Settings, *, name: str, now_ns: int) -> Generation:
    """Enter the generation of these settings in the store."""
    content, algorithm, digest = generation_parts(settings)
    return store.add_generation(
        name=name,
        content=content,
        settings=msgspec.json.encode(settings).decode(),
        algorithm=algorithm,
        model=digest,
        now_ns=now_ns,
    )


def advance(
    store: Store,
    *,
    now_ns: int,
    work: Work,
    lanes: Sequence[str] = LANES,
    allow_send: bool = False,
) -> Progress:
    """Do the next thing there is to do in some lanes, commit it, and say so.

    Parameters
    ----------
    now_ns : int
        The time, ns since 1970 UTC.
    lanes : sequence of str
        Which of ``LANES``.
    allow_send : bool
        Whether requests may leave; without it a plan is not work.

    Returns
    -------
    Progress
        ``done`` after a step, ``wait_until`` when others hold the work or a city asked for
        patience, ``idle`` when nothing is left.
    """
    steps: dict[str, Callable[[], Progress]] = {
        "intake": lambda: _intake(store, work, now_ns),
        "cluster": lambda: _cluster(store, work, now_ns),
        "sync": lambda: _talk(store, work, now_ns, sending=False),
        "submit": lambda: _talk(store, work, now_ns, sending=True) if allow_send else IDLE,
    }
    waits = []
    for lane in LANES:
        if lane not in lanes:
            continue
        progress = steps[lane]()
        if progress.status is Status.DONE:
            return progress
        if progress.wait_until_ns is not None:
            waits.append(progress)
    return min(waits, key=lambda p: p.wait_until_ns or 0) if waits else IDLE


# ------------------------------------------------------------------------------- intake


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


def _intake(store: Store, work: Work, now_ns: int) -> Progress:
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
    for number, (upload, result) in enumerate(zip(uploads, results, strict=True)):
        if result.vanished:
            store.forget_upload(upload, owner=work.owner)
            continue
        try:
            for one in result.taken:
                store.archive.save(one.trip)
        except OSError:
            for innocent in uploads[number:]:  # our disk is at fault, not the files
                store.give_back(innocent, owner=work.owner)
            raise
        gone = store.commit_upload(
            upload,
            result.taken,
            result.rejected,
            generation=work.generation.name,
            halo_m=work.settings.cluster.halo_m,
            owner=work.owner,
            now_ns=now_ns,
        )
        for trip_id in gone:
            store.archive.delete(trip_id)
        work.observe(
            "upload",
            upload_id=upload.upload_id,
            trips=len(result.taken),
            rejected=[r.reason.value for r in result.rejected],
        )
    return Progress(Status.DONE, f"{len(uploads)} uploads read")


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
        tuple(Taken(row, detect_trip(row, s)) for row in admitted if isinstance(row, Trip)),
        tuple(row for row in admitted if isinstance(row, Rejected)),
    )


_FITS = "split the recording: some 50 MB of unpacked text, or a million rows, can be read here"


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


def _refused(upload: Upload, reason: Reason, hint: str) -> TakenIn:
    return TakenIn((), (Rejected(upload.upload_id, reason, hint),))


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


# ------------------------------------------------------------------------------- clusters


def _cluster(store: Store, work: Work, now_ns: int) -> Progress:
    """Cluster some stale cells, and let the places follow."""
    name, s = work.generation.name, work.settings
    if not store.stale_cells(name, limit=1):
        return _live(store, work, now_ns)
    resource = f"clusters:{name}"
    if not store.claim(resource, owner=work.owner, now_ns=now_ns, lease_ns=work.lease_ns):
        return Progress(Status.WAIT, "another process clusters", now_ns + SOON_NS)
    work.checkpoint("clusters claimed")
    stale = store.stale_cells(name, limit=CELLS_AT_ONCE)
    owned = np.array([cell for cell, _ in stale], dtype=np.int64)
    region = store.load_region(name, cells_around(owned, halo_m=s.cluster.halo_m))
    found = cluster.cluster_region(
        region.bumps,
        region.passes,
        region.trips,
        region.obstacles,
        owned=owned,
        generation=work.generation.content,
        settings=s.cluster,
        model=load_place_model(),
    )
    work.checkpoint("clusters computed")
    store.commit_clusters(
        name,
        stale,
        found,
        follow=_follower(work),
        same_place_m=s.flag.same_place_m,
        halo_m=s.cluster.halo_m,
        owner=work.owner,
        now_ns=now_ns,
    )
    work.observe("clusters", cells=len(stale), clusters=len(found.clusters))
    return Progress(Status.DONE, f"{len(stale)} cells clustered")


def _live(store: Store, work: Work, now_ns: int) -> Progress:
    """See what later passes, and the city's words, make of some places."""
    active = store.active()
    if active is None or active.name != work.generation.name:
        return IDLE
    if not store.places_due(limit=1):
        return IDLE
    resource = f"clusters:{work.generation.name}"
    if not store.claim(resource, owner=work.owner, now_ns=now_ns, lease_ns=work.lease_ns):
        return Progress(Status.WAIT, "another process clusters", now_ns + SOON_NS)
    due = store.places_due(limit=PLACES_AT_ONCE)
    filed = {
        (row.place_id, row.episode): Filed(row.closed_ns)
        for row in store.outbox_of([place.place_id for place, _ in due])
        if row.state in FILED
    }
    lives = [(row, _lived(store, work, row, filed), change) for row, change in due]
    work.checkpoint("lives looked at")
    store.commit_lives(lives, resource=resource, owner=work.owner, now_ns=now_ns)
    return Progress(Status.DONE, f"{len(due)} places looked at")


def _lived(
    store: Store, work: Work, row: PlaceRow, filed: Mapping[tuple[str, int], Filed]
) -> PlaceRow:
    s = work.settings
    known = filed.get((row.place_id, row.episode))
    closed_ns = known.closed_ns if known else None
    seen = presence_at(store, row, closed_ns=closed_ns, generation=work.generation, settings=s)
    if seen is None:
        return row
    return _row(lived(_place(row), seen, known, life=s.life, flag=s.flag), row.review)


def presence_at(
    store: Store,
    row: PlaceRow,
    *,
    closed_ns: int | None,
    generation: Generation,
    settings: Settings,
) -> Presence | None:
    """What the passes of a generation say of a place now; None where it has no cluster there.

    Parameters
    ----------
    closed_ns : int or None
        When the city's claim to have closed its present episode was seen.
    """
    clusters = store.clusters_by_id(row.clusters)
    if len(clusters) == 0:
        return None
    s = settings
    here = cell_of(np.array([row.lat_deg]), np.array([row.lon_deg]))
    reach_m = s.cluster.halo_m + s.flag.same_place_m
    region = store.load_region(generation.name, cells_around(here, halo_m=reach_m))
    votes = votes_at(
        clusters, store.members(row.clusters), region.passes, region.trips, settings=s.cluster
    )
    return presence(votes, closed_ns=closed_ns, settings=s.life)


def _follower(work: Work) -> Follow:
    """The ledger's rule, in the store's words."""

    def decide(
        rows: tuple[PlaceRow, ...], clusters: pd.DataFrame, creating: Any
    ) -> tuple[PlaceRow, ...]:
        reviews = {row.place_id: row.review for row in rows}
        changed = follow(
            [_place(row) for row in rows],
            clusters,
            creating=creating,
            new_id=work.new_id,
            settings=work.settings.flag,
        )
        return tuple(_row(place, reviews.get(place.place_id)) for place in changed)

    return decide


def _place(row: PlaceRow) -> Place:
    return Place(
        place_id=row.place_id,
        jolt_class=JoltClass(row.jolt_class),
        lat_deg=row.lat_deg,
        lon_deg=row.lon_deg,
        state=PlaceState(row.state),
        episode=row.episode,
        why=row.why,
        clusters=row.clusters,
    )


def _row(place: Place, review: str | None) -> PlaceRow:
    return PlaceRow(
        place_id=place.place_id,
        jolt_class=place.jolt_class.value,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        state=place.state.value,
        episode=place.episode,
        why=place.why,
        review=review,
        clusters=place.clusters,
    )


def put_obstacles(
    store: Store, rows: pd.DataFrame, *, settings: Settings, now_ns: int
) -> tuple[int, int]:
    """Add or change known obstacles: how many are new, how many changed."""
    return store.put_obstacles(
        rows, points=points_of, halo_m=settings.cluster.halo_m, now_ns=now_ns
    )


# ------------------------------------------------------------------------------- submit


def _talk(store: Store, work: Work, now_ns: int, *, sending: bool) -> Progress:
    """Do the next thing that is due with some city: send a request, or read one back."""
    sender = Sender(store, work.settings, work.owner, now_ns, work.lease_ns, work.checkpoint)
    done = step(sender, work.desks, sending=sending)
    if done.wait_until_ns is not None:
        return Progress(Status.WAIT, done.done, done.wait_until_ns)
    if not done.done:
        return IDLE
    work.observe("submit", what=done.done)
    return Progress(Status.DONE, done.done)
