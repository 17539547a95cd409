"""Uploads and trips: the queue, and what came out of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert as upsert

from streetbump import model
from streetbump.errors import StoreError
from streetbump.geo import bin_centre, cell_of
from streetbump.model import Detection, Ints, Rejected, Trip
from streetbump.stores import schema as t
from streetbump.stores.base import Base
from streetbump.stores.records import Taken, Upload, trip_digest
from streetbump.stores.rows import audit_row, bulk, chunks, toggle

LEASED_AT_MOST = 256
"""Uploads that other workers may hold at once without hiding those that nobody holds."""


class Intake(Base):
    """The upload table is the queue; trips and their detections are what was in it."""

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
            state = row.state if row is not None and row.options == options else None
            if state == "accepted":
                return "accepted"
            changed = dict(values)
            if state == "queued":  # how often it was begun tells a file that kills its readers
                del changed["attempts"]
            c.execute(
                upsert(t.uploads)
                .values(upload_id=upload_id, received_ns=now_ns, **values)
                .on_conflict_do_update(index_elements=["upload_id"], set_=changed)
            )
        return "queued"

    def claim_uploads(
        self, *, owner: str, now_ns: int, lease_ns: int, limit: int
    ) -> tuple[Upload, ...]:
        """Lease up to `limit` queued uploads, the longest waiting first.

        One that was begun before comes after the others and alone, so that a file which kills its
        reader takes no other down with it.
        """
        query = (
            sa.select(t.uploads)
            .where(t.uploads.c.state == "queued")
            .order_by(t.uploads.c.attempts, t.uploads.c.received_ns, t.uploads.c.upload_id)
            .limit(limit + LEASED_AT_MOST)
        )
        with self._write() as c:
            rows = {f"upload:{r.upload_id}": r for r in c.execute(query)}
            fresh = [resource for resource, r in rows.items() if r.attempts == 0]
            mine = self._claim(c, fresh, owner, now_ns, now_ns + lease_ns, limit)
            if not mine:
                mine = self._claim(c, rows, owner, now_ns, now_ns + lease_ns)
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
    ) -> tuple[str, ...]:
        """End an upload: its trips with their detections, or the reason why there are none.

        The trips' files must be in the archive already. Trips that this upload gave under other
        options, and no other upload gives, go.

        Returns
        -------
        tuple of str
            Ids of the trips that went: their files in the archive are to be deleted.
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
            gone = [
                self._unlink(c, upload.upload_id, key, halo_m)
                for key in sorted(before - {one.trip.key for one in taken})
            ]
            first = rejected[0] if rejected else None
            said = c.execute(
                sa.select(t.uploads.c.options).where(t.uploads.c.upload_id == upload.upload_id)
            ).scalar()
            state = "accepted" if taken else "rejected"
            if said != upload.options:  # offered again meanwhile, under other options
                state = "queued"
            c.execute(
                t.uploads.update()
                .where(t.uploads.c.upload_id == upload.upload_id)
                .values(
                    state=state,
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
            audit_row(
                c, now_ns, "upload", upload.upload_id,
                {"trips": list(handles), "rejected": [r.reason.value for r in rejected]},
            )  # fmt: skip
        return tuple(trip_id for trip_id in gone if trip_id is not None)

    def give_back(self, upload: Upload, *, owner: str) -> None:
        """Leave an upload queued as if it had not been begun: what failed was not its fault."""
        with self._write() as c:
            self._finish(c, f"upload:{upload.upload_id}", owner)
            c.execute(
                t.uploads.update()
                .where(t.uploads.c.upload_id == upload.upload_id)
                .values(attempts=max(upload.attempts - 1, 0))
            )

    def forget_upload(self, upload: Upload, *, owner: str) -> None:
        """Drop an upload whose bytes are gone, unless trips came of it before."""
        with self._write() as c:
            self._finish(c, f"upload:{upload.upload_id}", owner)
            had = c.execute(
                sa.select(t.upload_trips.c.trip_key).where(
                    t.upload_trips.c.upload_id == upload.upload_id
                )
            ).first()
            mine = t.uploads.c.upload_id == upload.upload_id
            if had is None:
                c.execute(t.uploads.delete().where(mine))
            else:
                c.execute(t.uploads.update().where(mine).values(state="accepted"))

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

    def uploads_waiting(self) -> bool:
        """Whether there are uploads that nobody has finished, leased or not."""
        query = sa.select(t.uploads.c.upload_id).where(t.uploads.c.state == "queued").limit(1)
        with self._read() as c:
            return c.execute(query).first() is not None

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
                t.detections.c.generation == generation, t.detections.c.trip_key == trip.key
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
            toggle(c, generation, cells, change, halo_m)
        c.execute(
            t.trips.update()
            .where(t.trips.c.trip_key == key)
            .values(device=device, synthetic=synthetic)
        )

    def _unlink(self, c: sa.Connection, upload_id: str, key: int, halo_m: float) -> str | None:
        """Take a trip from an upload; its id when nobody else has it and it is gone."""
        c.execute(
            t.upload_trips.delete().where(
                t.upload_trips.c.upload_id == upload_id, t.upload_trips.c.trip_key == key
            )
        )
        others = c.execute(
            sa.select(t.upload_trips.c.upload_id).where(t.upload_trips.c.trip_key == key)
        ).first()
        if others:
            self._settle_claims(c, key, halo_m)
            return None
        return self._delete_trip(c, key, halo_m)

    def _delete_trip(self, c: sa.Connection, key: int, halo_m: float) -> str:
        """Remove a trip and its influence: its id, for its file in the archive must go too."""
        row = c.execute(sa.select(t.trips).where(t.trips.c.trip_key == key)).one()
        change = trip_digest(key, row.device, row.synthetic)
        for generation, cells in self._cells_of_trip(c, key).items():
            toggle(c, generation, cells, change, halo_m)
        for table in (t.bumps, t.passes, t.detections, t.trips):
            c.execute(table.delete().where(table.c.trip_key == key))
        return str(row.trip_id)

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
        bulk(c, t.bumps, bumps, generation=generation, cell=at_bumps)
        bulk(c, t.passes, passes, generation=generation, cell=at_passes)
        c.execute(
            t.detections.insert().values(
                generation=generation, trip_key=key, bumps=len(bumps), passes=len(passes)
            )
        )
        row = c.execute(
            sa.select(t.trips.c.device, t.trips.c.synthetic).where(t.trips.c.trip_key == key)
        ).one()
        touched = np.unique(np.concatenate((at_bumps, at_passes)))
        toggle(c, generation, touched, trip_digest(key, row.device, row.synthetic), halo_m)

    def claim_trips(
        self, generation: str, *, owner: str, now_ns: int, lease_ns: int, limit: int
    ) -> tuple[str, ...]:
        """Lease up to `limit` archived trips without a detection in `generation`: their ids."""
        with self._write() as c:
            rows = c.execute(
                trips_without_detection(generation, limit=limit + LEASED_AT_MOST)
            ).all()
            ids = {f"trip:{generation}:{r.trip_id}": r.trip_id for r in rows}
            mine = self._claim(c, ids, owner, now_ns, now_ns + lease_ns, limit)
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
            return int(c.execute(trips_without_detection(generation, count=True)).scalar_one())

    def handles(self, keys: Iterable[int]) -> dict[int, str]:
        """Random handles of trips by key: how reports and audits name them."""
        query = sa.select(t.trips.c.trip_key, t.trips.c.handle)
        with self._read() as c:
            return {
                key: value
                for part in chunks(sorted(set(keys)))
                for key, value in c.execute(query.where(t.trips.c.trip_key.in_(part)))
            }


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


def trips_without_detection(
    generation: str, *, count: bool = False, limit: int | None = None
) -> Any:
    """The query for archived trips that a generation lacks: their ids, or their count."""
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
