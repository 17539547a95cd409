"""The store: one transaction per method, and nothing is decided here.

Work is derived from what stands in these tables: an upload that is queued, a trip without a
detection in the active generation, a cell whose inputs changed, a request that is due. Whoever
does work holds a lease, and every commit of work checks that the lease is still his.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from streetbump import model
from streetbump.errors import GenerationError, StoreBusy, StoreError, UsageError
from streetbump.geo import bin_centre, cell_of, cells_around
from streetbump.model import Clustering, Detection, Ints, Rejected, Trip
from streetbump.stores import schema as t
from streetbump.stores.archive import Archive
from streetbump.stores.engine import open_engine, sqlite_path, translated

IN_CHUNK = 500
"""Values in one IN list: under every database's limit on parameters."""


@dataclass(frozen=True)
class Generation:
    """One way of turning trips into clusters; the store has one that is active."""

    name: str
    content: str
    settings: str
    algorithm: str
    model: str
    active: bool
    review_first: bool


@dataclass(frozen=True)
class Upload:
    """A row of the upload table: the queue."""

    upload_id: str
    name: str
    source: str
    options: str
    live: bool
    attempts: int
    received_ns: int


@dataclass(frozen=True)
class Taken:
    """One trip that came out of an upload, with what was detected in it."""

    trip: Trip
    detection: Detection


@dataclass(frozen=True)
class Region:
    """What clustering needs of some cells and their halo."""

    bumps: pd.DataFrame
    passes: pd.DataFrame
    trips: pd.DataFrame
    obstacles: pd.DataFrame


@dataclass(frozen=True)
class PlaceRow:
    """A place as stored, with the clusters it is linked with now."""

    place_id: str
    jolt_class: str
    lat_deg: float
    lon_deg: float
    state: str
    episode: int
    why: str
    review: str | None
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class OutboxRow:
    """A request as the outbox holds it; `request` is JSON."""

    place_id: str
    episode: int
    city: str
    marker: str
    state: str
    request: str
    request_id: str | None
    token: str | None
    attempts: int
    note: str
    next_ns: int | None
    sent_ns: int | None
    created_ns: int


def digest_of(*parts: object) -> int:
    """A signed 64-bit hash of some words and numbers.

    >>> digest_of("a", 1) == digest_of("a", 1) != digest_of("a", 2)
    True
    """
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def trip_digest(trip_key: int, device: str | None, synthetic: bool) -> int:
    """What a trip adds to the digest of the cells it touches."""
    return digest_of("trip", trip_key, device, synthetic)


class Store:
    """A store at `url` (``sqlite:///FILE``), with the trip archive beside it.

    Parameters
    ----------
    gone : callable
        Says of a lease's owner whether that process certainly runs no more.
    """

    def __init__(self, url: str, *, gone: Callable[[str], bool] = lambda _owner: False) -> None:
        self.path: Path = sqlite_path(url)
        self._engine = open_engine(url)
        self._gone = gone
        self.archive = Archive(self.path.with_name(self.path.name + ".trips"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with translated(str(self.path)), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with (
            translated(str(self.path)),
            self._engine.connect().execution_options(reading=True) as connection,
        ):
            yield connection

    # ------------------------------------------------------------------ generations

    def active(self) -> Generation | None:
        """The active generation; None in a store that was never used."""
        with self._read() as c:
            row = c.execute(sa.select(t.generations).where(t.generations.c.active)).first()
        return _generation(row)

    def generations(self) -> tuple[Generation, ...]:
        """Every generation, the oldest first."""
        query = sa.select(t.generations).order_by(t.generations.c.created_ns)
        with self._read() as c:
            return tuple(g for g in map(_generation, c.execute(query)) if g)

    def add_generation(
        self, *, name: str, content: str, settings: str, algorithm: str, model: str, now_ns: int
    ) -> Generation:
        """Register a way of computing; the very first becomes the active one.

        Raises
        ------
        GenerationError
            The name stands for something else already.
        """
        with self._write() as c:
            row = c.execute(sa.select(t.generations).where(t.generations.c.name == name)).first()
            if row is not None and row.content != content:
                raise GenerationError(
                    f"generation {name!r} exists with other settings: choose another name"
                )
            if row is not None:
                return _as_generation(row)
            first = c.execute(sa.select(sa.func.count()).select_from(t.generations)).scalar() == 0
            added = Generation(name, content, settings, algorithm, model, first, False)
            c.execute(t.generations.insert().values(**asdict(added), created_ns=now_ns))
        return added

    def promote(self, name: str, *, now_ns: int) -> Generation:
        """Make a generation the active one; its first plan is held for review.

        Raises
        ------
        UsageError
            There is no generation of that name.
        StoreBusy
            Some trips have not been computed in it yet.
        """
        with self._write() as c:
            row = c.execute(sa.select(t.generations).where(t.generations.c.name == name)).first()
            found = _generation(row)
            if found is None:
                raise UsageError(f"no generation is called {name!r}")
            if found.active:
                return found
            missing = c.execute(_trips_without_detection(name, count=True)).scalar()
            if missing:
                raise StoreBusy(
                    f"generation {name!r} lacks {missing} trips: run streetbump reprocess first"
                )
            c.execute(t.generations.update().values(active=False))
            c.execute(
                t.generations.update()
                .where(t.generations.c.name == name)
                .values(active=True, review_first=True)
            )
            _audit(c, now_ns, "promote", name, {"content": found.content})
        return found

    def end_first_review(self, name: str) -> None:
        """Let the plans of a promoted generation through: a person has looked."""
        with self._write() as c:
            c.execute(
                t.generations.update()
                .where(t.generations.c.name == name)
                .values(review_first=False)
            )

    # ------------------------------------------------------------------ leases

    def _claim(
        self, c: sa.Connection, resources: Iterable[str], owner: str, now_ns: int, until_ns: int
    ) -> list[str]:
        """Those of `resources` that `owner` holds from now on."""
        wanted = list(resources)
        held = {
            row.resource: row
            for part in _chunks(wanted)
            for row in c.execute(sa.select(t.leases).where(t.leases.c.resource.in_(part)))
        }
        got = []
        for resource in wanted:
            row = held.get(resource)
            free = row is None or row.until_ns <= now_ns or row.owner == owner
            if not free and row is not None and not self._gone(row.owner):
                continue
            epoch = 1 if row is None else row.epoch + 1
            values = {"owner": owner, "epoch": epoch, "until_ns": until_ns}
            c.execute(
                upsert(t.leases)
                .values(resource=resource, **values)
                .on_conflict_do_update(index_elements=["resource"], set_=values)
            )
            got.append(resource)
        return got

    @staticmethod
    def _finish(c: sa.Connection, resource: str, owner: str) -> None:
        """End a lease inside the transaction that commits its work.

        Raises
        ------
        StoreBusy
            The lease has passed to somebody else: the work must not be committed.
        """
        done = c.execute(
            t.leases.delete().where((t.leases.c.resource == resource) & (t.leases.c.owner == owner))
        )
        if done.rowcount != 1:
            raise StoreBusy(f"the lease on {resource} has passed to another process")

    def release(self, resource: str, owner: str) -> None:
        """Give up a lease without having done the work."""
        with self._write() as c:
            c.execute(
                t.leases.delete().where(
                    (t.leases.c.resource == resource) & (t.leases.c.owner == owner)
                )
            )

    def claim(self, resource: str, *, owner: str, now_ns: int, lease_ns: int) -> bool:
        """Take a lease on something; False when another process holds it."""
        with self._write() as c:
            return bool(self._claim(c, [resource], owner, now_ns, now_ns + lease_ns))

    def leases(self) -> list[tuple[str, str, int]]:
        """Every lease: resource, owner, until (ns)."""
        with self._read() as c:
            rows = c.execute(sa.select(t.leases).order_by(t.leases.c.resource))
            return [(r.resource, r.owner, r.until_ns) for r in rows]

    # ------------------------------------------------------------------ uploads

    def offer(
        self,
        upload_id: str,
        *,
        name: str,
        source: str,
        options: str,
        live: bool,
        now_ns: int,
    ) -> str:
        """Queue an upload; what is already accepted under the same options stays so.

        Returns
        -------
        str
            ``queued`` or ``accepted``.
        """
        values = {
            "name": name, "source": source, "options": options, "live": live,
            "state": "queued", "attempts": 0, "reason": None, "hint": None, "updated_ns": now_ns,
        }  # fmt: skip
        with self._write() as c:
            row = c.execute(
                sa.select(t.uploads.c.state, t.uploads.c.options).where(
                    t.uploads.c.upload_id == upload_id
                )
            ).first()
            if row is not None and row.state == "accepted" and row.options == options:
                return "accepted"
            c.execute(
                upsert(t.uploads)
                .values(upload_id=upload_id, received_ns=now_ns, **values)
                .on_conflict_do_update(index_elements=["upload_id"], set_=values)
            )
        return "queued"

    def claim_uploads(
        self, *, owner: str, now_ns: int, lease_ns: int, limit: int
    ) -> tuple[Upload, ...]:
        """Lease up to `limit` queued uploads, the longest waiting first."""
        query = (
            sa.select(t.uploads)
            .where(t.uploads.c.state == "queued")
            .order_by(t.uploads.c.received_ns, t.uploads.c.upload_id)
            .limit(limit * 4)
        )
        with self._write() as c:
            rows = {f"upload:{r.upload_id}": r for r in c.execute(query)}
            mine = self._claim(c, rows, owner, now_ns, now_ns + lease_ns)[:limit]
            for resource in [r for r in rows if r not in mine]:
                c.execute(
                    t.leases.delete().where(
                        (t.leases.c.resource == resource) & (t.leases.c.owner == owner)
                    )
                )
            got = [rows[r] for r in mine]
            for r in got:  # counted before the bytes are touched: a killer file shows itself
                c.execute(
                    t.uploads.update()
                    .where(t.uploads.c.upload_id == r.upload_id)
                    .values(attempts=r.attempts + 1)
                )
        return tuple(
            Upload(r.upload_id, r.name, r.source, r.options, r.live, r.attempts + 1, r.received_ns)
            for r in got
        )

    def commit_upload(
        self,
        upload: Upload,
        taken: Sequence[Taken],
        rejected: Sequence[Rejected],
        *,
        generation: str,
        halo_m: float,
        owner: str,
        now_ns: int,
    ) -> None:
        """End an upload: its trips with their detections, or the reason why there are none.

        The trips' files must be in the archive already. Trips that this upload gave under other
        options, and no other upload gives, go.
        """
        with self._write() as c:
            self._finish(c, f"upload:{upload.upload_id}", owner)
            before = set(
                c.execute(
                    sa.select(t.upload_trips.c.trip_key).where(
                        t.upload_trips.c.upload_id == upload.upload_id
                    )
                ).scalars()
            )
            for one in taken:
                self._put_trip(c, upload.upload_id, one, generation, halo_m)
            for key in before - {one.trip.key for one in taken}:
                self._unlink(c, upload.upload_id, key, halo_m)
            first = rejected[0] if rejected else None
            c.execute(
                t.uploads.update()
                .where(t.uploads.c.upload_id == upload.upload_id)
                .values(
                    state="accepted" if taken else "rejected",
                    reason=first.reason.value if first else None,
                    hint="; ".join(r.hint for r in rejected) or None,
                    updated_ns=now_ns,
                )
            )
            handles = c.execute(
                sa.select(t.trips.c.handle)
                .where(t.trips.c.trip_key.in_([one.trip.key for one in taken]))
                .order_by(t.trips.c.handle)
            ).scalars()
            _audit(
                c, now_ns, "upload", upload.upload_id,
                {"trips": list(handles), "rejected": [r.reason.value for r in rejected]},
            )  # fmt: skip

    def uploads(self) -> pd.DataFrame:
        """Every upload with its state and reason, by name."""
        query = sa.select(
            t.uploads.c.name, t.uploads.c.state, t.uploads.c.reason, t.uploads.c.hint,
            t.uploads.c.upload_id,
        ).order_by(t.uploads.c.name, t.uploads.c.upload_id)  # fmt: skip
        with self._read() as c:
            return pd.DataFrame(
                c.execute(query).all(), columns=["name", "state", "reason", "hint", "upload_id"]
            )

    def upload(self, upload_id: str) -> tuple[str, str | None, str | None] | None:
        """State, reason and hint of one upload; None when it is not known."""
        query = sa.select(t.uploads.c.state, t.uploads.c.reason, t.uploads.c.hint).where(
            t.uploads.c.upload_id == upload_id
        )
        with self._read() as c:
            row = c.execute(query).first()
        return None if row is None else (row.state, row.reason, row.hint)

    # ------------------------------------------------------------------ trips

    def _put_trip(
        self, c: sa.Connection, upload_id: str, one: Taken, generation: str, halo_m: float
    ) -> None:
        trip = one.trip
        link = {"device": trip.device, "synthetic": trip.synthetic}
        c.execute(
            upsert(t.upload_trips)
            .values(upload_id=upload_id, trip_key=trip.key, **link)
            .on_conflict_do_update(index_elements=["upload_id", "trip_key"], set_=link)
        )
        row = c.execute(sa.select(t.trips).where(t.trips.c.trip_key == trip.key)).first()
        if row is None:
            c.execute(t.trips.insert().values(**_trip_row(trip)))
        else:
            if row.trip_id != trip.trip_id:
                raise StoreError(f"two trips share the key {trip.key}: {trip.trip_id[:12]}")
            self._settle_claims(c, trip.key, halo_m)
        known = c.execute(
            sa.select(t.detections.c.trip_key).where(
                (t.detections.c.generation == generation) & (t.detections.c.trip_key == trip.key)
            )
        ).first()
        if known is None:
            self._put_detection(c, trip.key, one.detection, generation, halo_m)

    def _settle_claims(self, c: sa.Connection, key: int, halo_m: float) -> None:
        """Whose trip it is when several uploads bring it: the lowest pseudonym, order-free."""
        claims = c.execute(sa.select(t.upload_trips).where(t.upload_trips.c.trip_key == key)).all()
        device = min((r.device for r in claims if r.device is not None), default=None)
        synthetic = any(r.synthetic for r in claims)
        row = c.execute(sa.select(t.trips).where(t.trips.c.trip_key == key)).one()
        if (row.device, row.synthetic) == (device, synthetic):
            return
        change = trip_digest(key, row.device, row.synthetic) ^ trip_digest(key, device, synthetic)
        for generation, cells in self._cells_of_trip(c, key).items():
            _toggle(c, generation, cells, change, halo_m)
        c.execute(
            t.trips.update()
            .where(t.trips.c.trip_key == key)
            .values(device=device, synthetic=synthetic)
        )

    def _unlink(self, c: sa.Connection, upload_id: str, key: int, halo_m: float) -> None:
        c.execute(
            t.upload_trips.delete().where(
                (t.upload_trips.c.upload_id == upload_id) & (t.upload_trips.c.trip_key == key)
            )
        )
        others = c.execute(
            sa.select(t.upload_trips.c.upload_id).where(t.upload_trips.c.trip_key == key)
        ).first()
        if others:
            self._settle_claims(c, key, halo_m)
        else:
            self._delete_trip(c, key, halo_m)

    def _delete_trip(self, c: sa.Connection, key: int, halo_m: float) -> None:
        """Remove a trip and its influence; its file in the archive is the caller's to delete."""
        row = c.execute(sa.select(t.trips).where(t.trips.c.trip_key == key)).one()
        change = trip_digest(key, row.device, row.synthetic)
        for generation, cells in self._cells_of_trip(c, key).items():
            _toggle(c, generation, cells, change, halo_m)
        for table in (t.bumps, t.passes, t.detections, t.trips):
            c.execute(table.delete().where(table.c.trip_key == key))

    @staticmethod
    def _cells_of_trip(c: sa.Connection, key: int) -> dict[str, Ints]:
        found: dict[str, set[int]] = {}
        for table in (t.bumps, t.passes):
            for generation, cell in c.execute(
                sa.select(table.c.generation, table.c.cell)
                .distinct()
                .where(table.c.trip_key == key)
            ):
                found.setdefault(generation, set()).add(cell)
        return {g: np.array(sorted(cells), dtype=np.int64) for g, cells in found.items()}

    def _put_detection(
        self, c: sa.Connection, key: int, detection: Detection, generation: str, halo_m: float
    ) -> None:
        bumps, passes = detection.bumps, detection.passes
        at_bumps = cell_of(bumps["lat_deg"].to_numpy(), bumps["lon_deg"].to_numpy())
        at_passes = cell_of(*bin_centre(passes["bin"].to_numpy()))
        _bulk(c, t.bumps, bumps, generation=generation, cell=at_bumps)
        _bulk(c, t.passes, passes, generation=generation, cell=at_passes)
        c.execute(
            t.detections.insert().values(
                generation=generation, trip_key=key, bumps=len(bumps), passes=len(passes)
            )
        )
        row = c.execute(
            sa.select(t.trips.c.device, t.trips.c.synthetic).where(t.trips.c.trip_key == key)
        ).one()
        touched = np.unique(np.concatenate((at_bumps, at_passes)))
        _toggle(c, generation, touched, trip_digest(key, row.device, row.synthetic), halo_m)

    def claim_trips(
        self, generation: str, *, owner: str, now_ns: int, lease_ns: int, limit: int
    ) -> tuple[str, ...]:
        """Lease up to `limit` archived trips without a detection in `generation`: their ids."""
        with self._write() as c:
            rows = c.execute(_trips_without_detection(generation, limit=limit * 4)).all()
            ids = {f"trip:{generation}:{r.trip_id}": r.trip_id for r in rows}
            mine = self._claim(c, list(ids)[:limit], owner, now_ns, now_ns + lease_ns)
        return tuple(ids[resource] for resource in mine)

    def commit_detection(
        self,
        trip_id: str,
        detection: Detection,
        *,
        generation: str,
        halo_m: float,
        owner: str,
    ) -> None:
        """Store what was detected in an archived trip."""
        with self._write() as c:
            self._finish(c, f"trip:{generation}:{trip_id}", owner)
            self._put_detection(c, model.trip_key(trip_id), detection, generation, halo_m)

    def trips_pending(self, generation: str) -> int:
        """How many archived trips have no detection in `generation`."""
        with self._read() as c:
            return int(c.execute(_trips_without_detection(generation, count=True)).scalar_one())

    def trip_ids(self, keys: Iterable[int]) -> dict[int, str]:
        """Ids of trips by key, for those that are known."""
        query = sa.select(t.trips.c.trip_key, t.trips.c.trip_id)
        with self._read() as c:
            return {
                r.trip_key: r.trip_id
                for part in _chunks(list(keys))
                for r in c.execute(query.where(t.trips.c.trip_key.in_(part)))
            }

    def handles(self, keys: Iterable[int]) -> dict[int, str]:
        """Random handles of trips by key: how reports and audits name them."""
        query = sa.select(t.trips.c.trip_key, t.trips.c.handle)
        with self._read() as c:
            return {
                r.trip_key: r.handle
                for part in _chunks(list(keys))
                for r in c.execute(query.where(t.trips.c.trip_key.in_(part)))
            }

    def counts(self) -> dict[str, int]:
        """How many uploads, trips, jolts, clusters, places and requests there are."""
        active = sa.select(t.generations.c.name).where(t.generations.c.active).scalar_subquery()

        def count(table: sa.Table, *where: Any) -> Any:
            return sa.select(sa.func.count()).select_from(table).where(*where).scalar_subquery()

        query = sa.select(
            count(t.uploads).label("uploads"),
            count(t.uploads, t.uploads.c.state == "queued").label("uploads_queued"),
            count(t.uploads, t.uploads.c.state == "rejected").label("uploads_rejected"),
            count(t.trips).label("trips"),
            count(t.trips, t.trips.c.device.is_(None)).label("trips_unnamed"),
            count(t.bumps, t.bumps.c.generation == active).label("bumps"),
            count(t.clusters, t.clusters.c.generation == active).label("clusters"),
            count(t.obstacles).label("obstacles"),
            count(t.places).label("places"),
            count(t.outbox).label("requests"),
        )
        with self._read() as c:
            return {k: int(v) for k, v in c.execute(query).one()._mapping.items()}

    # ------------------------------------------------------------------ clusters

    def stale_cells(self, generation: str, *, limit: int) -> tuple[tuple[int, int], ...]:
        """Cells whose inputs changed since they were clustered: (cell, digest of the inputs)."""
        query = (
            sa.select(t.cells.c.cell, t.cells.c.input_digest)
            .where((t.cells.c.generation == generation) & t.cells.c.stale)
            .order_by(t.cells.c.cell)
            .limit(limit)
        )
        with self._read() as c:
            return tuple((r.cell, r.input_digest) for r in c.execute(query))

    def load_region(self, generation: str, cells: Ints) -> Region:
        """Jolts, passes, trips and obstacles in the given cells."""
        with self._read() as c:
            bumps = _by_cells(c, t.bumps, model.BUMPS, cells, generation=generation)
            passes = _by_cells(c, t.passes, model.PASSES, cells, generation=generation)
            ids: set[str] = set()
            for part in _chunks(cells.tolist()):
                ids.update(
                    c.execute(
                        sa.select(t.obstacle_cells.c.obstacle_id).where(
                            t.obstacle_cells.c.cell.in_(part)
                        )
                    ).scalars()
                )
            obstacles = _by_keys(c, t.obstacles.c.obstacle_id, model.OBSTACLES, sorted(ids))
            keys = np.unique(np.concatenate((bumps["trip_key"], passes["trip_key"])))
            trips = _by_keys(c, t.trips.c.trip_key, model.TRIPS, keys.tolist())
        return Region(bumps, passes, trips, obstacles)

    def commit_clusters(
        self,
        generation: str,
        cells: Sequence[tuple[int, int]],
        found: Clustering,
        *,
        follow: Callable[[tuple[PlaceRow, ...], pd.DataFrame, Any], tuple[PlaceRow, ...]] | None,
        same_place_m: float,
        halo_m: float,
        owner: str,
        now_ns: int,
    ) -> None:
        """Replace the clusters of some cells, and let the places follow.

        Parameters
        ----------
        cells : sequence of (cell, digest)
            As :meth:`stale_cells` gave them; a cell that changed meanwhile stays stale.
        follow : callable or None
            Decides which places begin or change, given the places and clusters around and which
            clusters may begin a place; None where the generation is not the active one.
        """
        owned = np.array([cell for cell, _ in cells], dtype=np.int64)
        with self._write() as c:
            self._finish(c, f"clusters:{generation}", owner)
            for part in _chunks(owned.tolist()):
                old = sa.select(t.clusters.c.cluster_id).where(
                    (t.clusters.c.generation == generation) & t.clusters.c.cell.in_(part)
                )
                c.execute(
                    t.members.delete().where(
                        (t.members.c.generation == generation) & t.members.c.cluster_id.in_(old)
                    )
                )
                for table in (t.clusters, t.stretches):
                    c.execute(
                        table.delete().where(
                            (table.c.generation == generation) & table.c.cell.in_(part)
                        )
                    )
            _bulk(c, t.clusters, found.clusters, generation=generation)
            _bulk(c, t.members, found.members, generation=generation)
            _bulk(c, t.stretches, found.stretches, generation=generation)
            for cell, digest in cells:
                c.execute(
                    t.cells.update()
                    .where((t.cells.c.generation == generation) & (t.cells.c.cell == cell))
                    .values(done_digest=digest, stale=t.cells.c.input_digest != digest)
                )
            if follow is not None:
                self._follow(c, generation, owned, follow, same_place_m, halo_m, now_ns)

    def _follow(
        self,
        c: sa.Connection,
        generation: str,
        owned: Ints,
        follow: Callable[[tuple[PlaceRow, ...], pd.DataFrame, Any], tuple[PlaceRow, ...]],
        same_place_m: float,
        halo_m: float,
        now_ns: int,
    ) -> None:
        # A cluster lies at most a halo from its cell, its place within same_place_m of it.
        near = cells_around(owned, halo_m=halo_m + same_place_m)
        wide = cells_around(near, halo_m=halo_m + same_place_m)
        places = self._places(c, [t.places.c.cell.in_(part) for part in _chunks(near.tolist())])
        clusters = _by_cells(c, t.clusters, model.CLUSTERS, wide, generation=generation)
        creating = np.isin(clusters["cell"].to_numpy(), owned)
        for place in follow(places, clusters, creating):
            self._put_place(c, place, now_ns)

    def clusters(self, generation: str | None = None) -> pd.DataFrame:
        """Every cluster of a generation (``CLUSTERS``), by id; of the active one unless named."""
        active = self.active()
        if active is None:
            return model.CLUSTERS.empty()
        query = (
            sa.select(*(t.clusters.c[name] for name in model.CLUSTERS.names))
            .where(t.clusters.c.generation == (generation or active.name))
            .order_by(t.clusters.c.cluster_id)
        )
        with self._read() as c:
            return _frame(c.execute(query).all(), model.CLUSTERS)

    def clusters_by_id(self, ids: Iterable[str]) -> pd.DataFrame:
        """The named clusters of the active generation, by id."""
        active = self.active()
        if active is None:
            return model.CLUSTERS.empty()
        with self._read() as c:
            return _by_keys(
                c, t.clusters.c.cluster_id, model.CLUSTERS, list(ids),
                where=t.clusters.c.generation == active.name,
            )  # fmt: skip

    def stretches(self) -> pd.DataFrame:
        """Every rough stretch of the active generation (``STRETCHES``)."""
        active = self.active()
        if active is None:
            return model.STRETCHES.empty()
        query = (
            sa.select(*(t.stretches.c[name] for name in model.STRETCHES.names))
            .where(t.stretches.c.generation == active.name)
            .order_by(t.stretches.c.bin, t.stretches.c.heading_sector)
        )
        with self._read() as c:
            return _frame(c.execute(query).all(), model.STRETCHES)

    def members(self, cluster_ids: Iterable[str]) -> pd.DataFrame:
        """The jolts of some clusters of the active generation, with ``cluster_id`` and device."""
        active = self.active()
        columns = ["cluster_id", "device", "dated", *model.BUMPS.names]
        rows: list[Any] = []
        if active is not None:
            query = (
                sa.select(
                    t.members.c.cluster_id,
                    t.trips.c.device,
                    t.trips.c.dated,
                    *(t.bumps.c[name] for name in model.BUMPS.names),
                )
                .join(
                    t.bumps,
                    (t.bumps.c.generation == t.members.c.generation)
                    & (t.bumps.c.trip_key == t.members.c.trip_key)
                    & (t.bumps.c.seq == t.members.c.seq),
                )
                .join(t.trips, t.trips.c.trip_key == t.members.c.trip_key)
                .where(t.members.c.generation == active.name)
                .order_by(t.members.c.cluster_id, t.members.c.trip_key, t.members.c.seq)
            )
            with self._read() as c:
                for part in _chunks(list(cluster_ids)):
                    rows += c.execute(query.where(t.members.c.cluster_id.in_(part))).all()
        return pd.DataFrame(rows, columns=columns)

    # ------------------------------------------------------------------ obstacles

    def put_obstacles(self, rows: pd.DataFrame, *, points: Callable[[pd.DataFrame], Any],
                      halo_m: float, now_ns: int) -> tuple[int, int]:  # fmt: skip
        """Add or change known obstacles (``OBSTACLES``); an unchanged row changes nothing.

        Returns
        -------
        tuple of int
            How many rows are new, how many changed.
        """
        model.OBSTACLES.check(rows)
        said = [n for n in model.OBSTACLES.names if n != "revision"]
        with self._write() as c:
            known = _by_keys(
                c, t.obstacles.c.obstacle_id, model.OBSTACLES, rows["obstacle_id"].tolist()
            ).set_index("obstacle_id", drop=False)
            new = rows[~rows["obstacle_id"].isin(known.index)]
            same_id = rows[rows["obstacle_id"].isin(known.index)]
            before = known.loc[same_id["obstacle_id"]].reset_index(drop=True)
            after = same_id.reset_index(drop=True)
            differs = ~(
                (after[said] == before[said]) | (after[said].isna() & before[said].isna())
            ).all(axis=1)
            changed = after[differs].assign(revision=before["revision"][differs] + 1)
            changes: dict[str, dict[int, int]] = {}
            for part in (before[differs], changed, new.assign(revision=1)):
                _obstacle_changes(part, points, changes)
            self._apply_obstacle_changes(c, changes, halo_m)
            _delete_by_id(c, t.obstacles, changed["obstacle_id"].tolist())
            _delete_by_id(c, t.obstacle_cells, changed["obstacle_id"].tolist())
            put = pd.concat([changed, new.assign(revision=1)], ignore_index=True)
            if len(put):
                put = model.OBSTACLES.build({n: put[n] for n in model.OBSTACLES.names})
                _bulk(c, t.obstacles, put)
                cells = _obstacle_cells(put, points)
                _bulk(c, t.obstacle_cells, cells)
                _audit(c, now_ns, "obstacles", str(put["source"].iloc[0]),
                       {"new": len(new), "changed": len(changed)})  # fmt: skip
        return len(new), len(changed)

    @staticmethod
    def _apply_obstacle_changes(
        c: sa.Connection, changes: dict[str, dict[int, int]], halo_m: float
    ) -> None:
        """Make every cell within a halo of a changed obstacle stale, where there are jolts."""
        total: dict[int, int] = {}
        for by_cell in changes.values():
            for cell, digest in by_cell.items():
                total[cell] = total.get(cell, 0) ^ digest
        reach: dict[int, int] = {}
        for cell, digest in total.items():
            for target in cells_around(np.array([cell]), halo_m=halo_m).tolist():
                reach[target] = reach.get(target, 0) ^ digest
        generations = c.execute(sa.select(t.generations.c.name)).scalars().all()
        for generation in generations:
            for part in _chunks(list(reach)):
                rows = c.execute(
                    sa.select(t.cells.c.cell, t.cells.c.input_digest).where(
                        (t.cells.c.generation == generation) & t.cells.c.cell.in_(part)
                    )
                ).all()
                for row in rows:
                    c.execute(
                        t.cells.update()
                        .where((t.cells.c.generation == generation) & (t.cells.c.cell == row.cell))
                        .values(input_digest=row.input_digest ^ reach[row.cell], stale=True)
                    )

    def obstacles(self) -> pd.DataFrame:
        """Every known obstacle (``OBSTACLES``), by id."""
        query = sa.select(*(t.obstacles.c[n] for n in model.OBSTACLES.names))
        with self._read() as c:
            return _frame(c.execute(query.order_by("obstacle_id")).all(), model.OBSTACLES)

    # ------------------------------------------------------------------ places

    @staticmethod
    def _places(c: sa.Connection, wheres: Sequence[Any]) -> tuple[PlaceRow, ...]:
        rows = [r for where in wheres for r in c.execute(sa.select(t.places).where(where))]
        links: dict[str, list[str]] = {}
        for part in _chunks([r.place_id for r in rows]):
            for link in c.execute(
                sa.select(t.place_links.c.place_id, t.place_links.c.cluster_id).where(
                    t.place_links.c.place_id.in_(part) & t.place_links.c.until_ns.is_(None)
                )
            ):
                links.setdefault(link.place_id, []).append(link.cluster_id)
        return tuple(
            PlaceRow(
                place_id=r.place_id,
                jolt_class=r._mapping["class"],
                lat_deg=r.lat_deg,
                lon_deg=r.lon_deg,
                state=r.state,
                episode=r.episode,
                why=r.why,
                review=r.review,
                clusters=tuple(sorted(links.get(r.place_id, []))),
            )
            for r in sorted(rows, key=lambda r: r.place_id)
        )

    def places(self) -> tuple[PlaceRow, ...]:
        """Every place, by id."""
        with self._read() as c:
            return self._places(c, [sa.true()])

    def place(self, place_id: str) -> PlaceRow | None:
        """One place; None when there is none of that id."""
        with self._read() as c:
            found = self._places(c, [t.places.c.place_id == place_id])
        return found[0] if found else None

    def review(self, place: PlaceRow, *, by: str, note: str, now_ns: int) -> None:
        """Store what a person decided on a place, and who it was."""
        with self._write() as c:
            self._put_place(c, place, now_ns)
            _history(c, place.place_id, place.state, place.episode, place.why, now_ns)
            _audit(c, now_ns, "review", place.place_id,
                   {"by": by, "decision": place.review, "note": note})  # fmt: skip

    @staticmethod
    def _put_place(c: sa.Connection, place: PlaceRow, now_ns: int) -> None:
        cell = int(cell_of(np.array([place.lat_deg]), np.array([place.lon_deg]))[0])
        values = {
            "class": place.jolt_class, "lat_deg": place.lat_deg, "lon_deg": place.lon_deg,
            "cell": cell, "state": place.state, "episode": place.episode, "why": place.why,
            "review": place.review, "updated_ns": now_ns,
        }  # fmt: skip
        before = c.execute(
            sa.select(t.places.c.state, t.places.c.episode).where(
                t.places.c.place_id == place.place_id
            )
        ).first()
        c.execute(
            upsert(t.places)
            .values(place_id=place.place_id, **values)
            .on_conflict_do_update(index_elements=["place_id"], set_=values)
        )
        if before is None or tuple(before) != (place.state, place.episode):
            _history(c, place.place_id, place.state, place.episode, place.why, now_ns)
        open_links = set(
            c.execute(
                sa.select(t.place_links.c.cluster_id).where(
                    (t.place_links.c.place_id == place.place_id)
                    & t.place_links.c.until_ns.is_(None)
                )
            ).scalars()
        )
        gone = open_links - set(place.clusters)
        for part in _chunks(sorted(gone)):
            c.execute(
                t.place_links.update()
                .where(
                    (t.place_links.c.place_id == place.place_id)
                    & t.place_links.c.cluster_id.in_(part)
                    & t.place_links.c.until_ns.is_(None)
                )
                .values(until_ns=now_ns)
            )
        for cluster_id in sorted(set(place.clusters) - open_links):
            c.execute(
                upsert(t.place_links)
                .values(
                    place_id=place.place_id, cluster_id=cluster_id, since_ns=now_ns, until_ns=None
                )
                .on_conflict_do_update(
                    index_elements=["place_id", "cluster_id", "since_ns"],
                    set_={"until_ns": None},
                )
            )

    def history(self, place_id: str) -> list[dict[str, Any]]:
        """What happened to a place, the oldest first."""
        query = (
            sa.select(t.place_history)
            .where(t.place_history.c.place_id == place_id)
            .order_by(t.place_history.c.number)
        )
        with self._read() as c:
            return [dict(r._mapping) for r in c.execute(query)]

    # ------------------------------------------------------------------ outbox

    def outbox(self) -> tuple[OutboxRow, ...]:
        """Every request, by place and episode."""
        query = sa.select(*(t.outbox.c[f] for f in OutboxRow.__dataclass_fields__)).order_by(
            t.outbox.c.place_id, t.outbox.c.episode
        )
        with self._read() as c:
            return tuple(OutboxRow(*r) for r in c.execute(query))

    def put_intent(
        self, row: OutboxRow, *, payload_hash: str, resource: str, owner: str, now_ns: int
    ) -> None:
        """Commit what is about to be sent, before the first byte.

        Raises
        ------
        StoreError
            The place and episode have a request already.
        """
        with self._write() as c:
            self._hold(c, resource, owner)
            values = {f: getattr(row, f) for f in OutboxRow.__dataclass_fields__}
            try:
                c.execute(
                    t.outbox.insert().values(**values, payload_hash=payload_hash, updated_ns=now_ns)
                )
            except sa.exc.IntegrityError as exc:
                raise StoreError(
                    f"place {row.place_id} has a request for episode {row.episode} already"
                ) from exc
            _audit(c, now_ns, "intent", row.place_id, {"city": row.city, "hash": payload_hash})

    def put_request_state(
        self,
        place_id: str,
        episode: int,
        *,
        expected: Sequence[str],
        values: dict[str, Any],
        place: PlaceRow | None = None,
        resource: str,
        owner: str,
        now_ns: int,
    ) -> None:
        """Move a request on, and its place with it; only from one of the `expected` states.

        Raises
        ------
        StoreBusy
            Another process moved it first, or the lease is gone.
        """
        with self._write() as c:
            self._hold(c, resource, owner)
            done = c.execute(
                t.outbox.update()
                .where(
                    (t.outbox.c.place_id == place_id)
                    & (t.outbox.c.episode == episode)
                    & t.outbox.c.state.in_(list(expected))
                )
                .values(**values, updated_ns=now_ns)
            )
            if done.rowcount != 1:
                raise StoreBusy(f"the request of place {place_id} was moved by another process")
            if place is not None:
                self._put_place(c, place, now_ns)
            _audit(
                c, now_ns, "request", place_id, {k: v for k, v in values.items() if k != "request"}
            )

    @staticmethod
    def _hold(c: sa.Connection, resource: str, owner: str) -> None:
        """Check, inside a transaction, that a lease is still ours."""
        row = c.execute(sa.select(t.leases.c.owner).where(t.leases.c.resource == resource)).first()
        if row is None or row.owner != owner:
            raise StoreBusy(f"the lease on {resource} has passed to another process")

    def audit(self, subject: str | None = None) -> list[dict[str, Any]]:
        """What was done, the oldest first; of one subject or of all."""
        query = sa.select(t.audit).order_by(t.audit.c.number)
        if subject is not None:
            query = query.where(t.audit.c.subject == subject)
        with self._read() as c:
            return [dict(r._mapping) for r in c.execute(query)]


def _generation(row: Any) -> Generation | None:
    return None if row is None else _as_generation(row)


def _as_generation(row: Any) -> Generation:
    return Generation(
        row.name,
        row.content,
        row.settings,
        row.algorithm,
        row.model,
        row.active,
        row.review_first,
    )


def _trip_row(trip: Trip) -> dict[str, Any]:
    return {
        "trip_key": trip.key,
        "trip_id": trip.trip_id,
        "handle": secrets.token_hex(8),
        "device": trip.device,
        "format": trip.format,
        "time_basis": trip.time_basis.value,
        "dated": trip.dated,
        "synthetic": trip.synthetic,
        "rate_hz": trip.rate_hz,
        "samples": len(trip.t_ns),
        "fixes": len(trip.fix_t_ns),
        "warnings": json.dumps(trip.warnings),
    }


def _trips_without_detection(
    generation: str, *, count: bool = False, limit: int | None = None
) -> Any:
    what = sa.func.count() if count else t.trips.c.trip_id
    query = (
        sa.select(what)
        .select_from(t.trips)
        .outerjoin(
            t.detections,
            (t.detections.c.trip_key == t.trips.c.trip_key)
            & (t.detections.c.generation == generation),
        )
        .where(t.detections.c.trip_key.is_(None))
    )
    if count:
        return query
    return query.order_by(t.trips.c.trip_key).limit(limit)


def _toggle(c: sa.Connection, generation: str, touched: Ints, change: int, halo_m: float) -> None:
    """Exclusive-or `change` into every cell that depends on the touched ones."""
    located = touched[touched >= 0]
    if len(located) == 0:
        return
    targets = cells_around(located, halo_m=halo_m).tolist()
    known: dict[int, int] = {}
    for part in _chunks(targets):
        known.update(
            c.execute(
                sa.select(t.cells.c.cell, t.cells.c.input_digest).where(
                    (t.cells.c.generation == generation) & t.cells.c.cell.in_(part)
                )
            ).all()
        )
    rows = [
        {
            "generation": generation,
            "cell": cell,
            "input_digest": known.get(cell, 0) ^ change,
            "stale": True,
        }
        for cell in targets
    ]
    statement = upsert(t.cells)
    c.execute(
        statement.on_conflict_do_update(
            index_elements=["generation", "cell"],
            set_={"input_digest": statement.excluded.input_digest, "stale": True},
        ),
        rows,
    )


def _obstacle_changes(
    rows: pd.DataFrame,
    points: Callable[[pd.DataFrame], Any],
    changes: dict[str, dict[int, int]],
) -> None:
    """Add each row's digest at each of its cells to `changes`."""
    if len(rows) == 0:
        return
    digests = {
        i: digest_of("obstacle", i, r)
        for i, r in zip(rows["obstacle_id"], rows["revision"].tolist(), strict=True)
    }
    cells = _obstacle_cells(rows, points)
    for cell, i in zip(cells["cell"].tolist(), cells["obstacle_id"], strict=True):
        by_cell = changes.setdefault(i, {})
        by_cell[cell] = by_cell.get(cell, 0) ^ digests[i]


def _obstacle_cells(rows: pd.DataFrame, points: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    """Which cells each obstacle lies in."""
    xy, owner = points(rows)
    cell = cell_of(xy[:, 1], xy[:, 0])
    ids = rows["obstacle_id"].to_numpy(object)[owner]
    return pd.DataFrame({"cell": cell, "obstacle_id": ids}).drop_duplicates(ignore_index=True)


def _delete_by_id(c: sa.Connection, table: sa.Table, ids: list[str]) -> None:
    for part in _chunks(ids):
        c.execute(table.delete().where(table.c.obstacle_id.in_(part)))


def _history(
    c: sa.Connection, place_id: str, state: str, episode: int, why: str, now_ns: int
) -> None:
    c.execute(
        t.place_history.insert().values(
            place_id=place_id, state=state, episode=episode, why=why, at_ns=now_ns
        )
    )


def _audit(c: sa.Connection, now_ns: int, what: str, subject: str, detail: dict[str, Any]) -> None:
    c.execute(
        t.audit.insert().values(
            at_ns=now_ns, what=what, subject=subject, detail=json.dumps(detail, sort_keys=True)
        )
    )


def _chunks(values: list[Any]) -> Iterator[list[Any]]:
    for i in range(0, len(values), IN_CHUNK):
        yield values[i : i + IN_CHUNK]


def _bulk(c: sa.Connection, table: sa.Table, frame: pd.DataFrame, **more: Any) -> None:
    """Insert a whole frame; `more` are further columns, one value or one array each."""
    if len(frame) == 0:
        return
    columns = {name: _plain(frame[name]) for name in frame.columns}
    for name, value in more.items():
        columns[name] = value.tolist() if isinstance(value, np.ndarray) else [value] * len(frame)
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    c.execute(table.insert(), rows)


def _plain(column: pd.Series) -> list[Any]:
    """Python values of a column, unknown as None."""
    unknown = column.isna()
    values = column.tolist()
    if not unknown.any():
        return values
    return [None if u else v for v, u in zip(values, unknown, strict=True)]


def _by_cells(
    c: sa.Connection, table: sa.Table, kind: model.Table, cells: Ints, *, generation: str
) -> pd.DataFrame:
    query = sa.select(*(table.c[name] for name in kind.names)).where(
        table.c.generation == generation
    )
    rows: list[Any] = []
    for part in _chunks(cells.tolist()):
        rows += c.execute(query.where(table.c.cell.in_(part))).all()
    return _frame(rows, kind)


def _by_keys(
    c: sa.Connection,
    key: sa.Column[Any],
    kind: model.Table,
    values: list[Any],
    *,
    where: Any = None,
) -> pd.DataFrame:
    query = sa.select(*(key.table.c[name] for name in kind.names))
    if where is not None:
        query = query.where(where)
    rows: list[Any] = []
    for part in _chunks(values):
        rows += c.execute(query.where(key.in_(part))).all()
    return _frame(rows, kind)


def _frame(rows: Sequence[Any], kind: model.Table) -> pd.DataFrame:
    if not rows:
        return kind.empty()
    return kind.build(dict(zip(kind.names, zip(*rows, strict=True), strict=True)))
