"""Uploads and trips: the queue, and what came out of it."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from streetbump import model
from streetbump.errors import StoreError
from streetbump.geo import bin_centre, cell_of
from streetbump.model import Detection, Ints
from streetbump.stores import schema as t
from streetbump.stores.base import Base
from streetbump.stores.records import Offer, Outcome, Upload, trip_digest
from streetbump.stores.rows import audit_rows, bulk, chunks, put, selected, toggle

LEASED_AT_MOST = 256
"""Uploads that other workers may hold at once without hiding those that nobody holds."""


class Intake(Base):
    """The upload table is the queue; trips and their detections are what was in it."""

    def offer(self, offers: Sequence[Offer], *, now_ns: int) -> list[str]:
        """Queue uploads; what is already accepted under the same options stays so.

        Returns
        -------
        list of str
            ``queued`` or ``accepted``, of each.
        """
        with self._write() as c:
            return [self._offer(c, offer, now_ns) for offer in offers]

    @staticmethod
    def _offer(c: sa.Connection, offer: Offer, now_ns: int) -> str:
        mine = t.uploads.c.upload_id == offer.upload_id
        row = c.execute(sa.select(t.uploads.c.state, t.uploads.c.options).where(mine)).first()
        state = row.state if row is not None and row.options == offer.options else None
        if state == "accepted":
            return "accepted"
        values = {
            **asdict(offer), "state": "queued", "attempts": 0, "reason": None, "hint": None,
            "received_ns": now_ns, "updated_ns": now_ns,
        }  # fmt: skip
        kept = {"received_ns"}
        if state == "queued":  # how often it was begun tells a file that kills its readers
            kept.add("attempts")
        if row is None:
            c.execute(t.uploads.insert().values(values))
        else:
            changed = {name: value for name, value in values.items() if name not in kept}
            c.execute(t.uploads.update().where(mine).values(changed))
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
            for part in chunks([r.upload_id for r in got]):
                # Counted before the bytes are touched: a killer file shows itself.
                c.execute(
                    t.uploads.update()
                    .where(t.uploads.c.upload_id.in_(part))
                    .values(attempts=t.uploads.c.attempts + 1)
                )
        return tuple(
            Upload(r.upload_id, r.name, r.source, r.options, r.live, r.attempts + 1, r.received_ns)
            for r in got
        )

    def commit_uploads(
        self,
        ended: Sequence[Outcome],
        *,
        generation: str,
        halo_m: float,
        owner: str,
        now_ns: int,
    ) -> tuple[str, ...]:
        """End uploads: their trips with their detections, or the reasons why there are none.

        The trips' files must be in the archive already. Trips that one of these uploads gave under
        other options, and no other upload gives, go.

        Returns
        -------
        tuple of str
            Ids of the trips that went: their files in the archive are to be deleted.
        """
        ids = [one.upload.upload_id for one in ended]
        now = {(one.upload.upload_id, some.key) for one in ended for some in one.taken}
        with self._write() as c:
            self._finish(c, [f"upload:{upload_id}" for upload_id in ids], owner)
            before = self._links(c, ids)
            self._put_trips(c, ended, generation, halo_m)
            gone = [
                self._unlink(c, upload_id, key, halo_m) for upload_id, key in sorted(before - now)
            ]
            self._end(c, ended, now_ns)
        return tuple(trip_id for trip_id in gone if trip_id is not None)

    @staticmethod
    def _links(c: sa.Connection, upload_ids: list[str]) -> set[tuple[str, int]]:
        """Which trips came of some uploads so far."""
        query = sa.select(t.upload_trips.c.upload_id, t.upload_trips.c.trip_key)
        rows = selected(c, query, t.upload_trips.c.upload_id, upload_ids)
        return {(row.upload_id, row.trip_key) for row in rows}

    def _end(self, c: sa.Connection, ended: Sequence[Outcome], now_ns: int) -> None:
        """Say what became of uploads, and note it."""
        ids = [one.upload.upload_id for one in ended]
        query = sa.select(t.uploads.c.upload_id, t.uploads.c.options)
        offered = selected(c, query, t.uploads.c.upload_id, ids)
        said = {row.upload_id: row.options for row in offered}
        rows, details = [], {}
        handles = _handles(c, [some.key for one in ended for some in one.taken])
        for one in ended:
            upload, first = one.upload, one.rejected[0] if one.rejected else None
            state = "accepted" if one.taken else "rejected"
            if said[upload.upload_id] != upload.options:  # offered again, under other options
                state = "queued"
            rows.append(
                {
                    "mine": upload.upload_id,
                    "state": state,
                    "reason": first.reason.value if first else None,
                    "hint": "; ".join(r.hint for r in one.rejected) or None,
                    "updated_ns": now_ns,
                }
            )
            details[upload.upload_id] = {
                "trips": sorted({handles[some.key] for some in one.taken}),
                "rejected": [r.reason.value for r in one.rejected],
            }
        mine = t.uploads.c.upload_id == sa.bindparam("mine")
        c.execute(t.uploads.update().where(mine), rows)
        audit_rows(c, now_ns, "upload", details)

    def give_back(self, upload: Upload, *, owner: str) -> None:
        """Leave an upload queued as if it had not been begun: what failed was not its fault."""
        with self._write() as c:
            self._finish(c, [f"upload:{upload.upload_id}"], owner)
            c.execute(
                t.uploads.update()
                .where(t.uploads.c.upload_id == upload.upload_id)
                .values(attempts=max(upload.attempts - 1, 0))
            )

    def forget_upload(self, upload: Upload, *, owner: str) -> None:
        """Drop an upload whose bytes are gone, unless trips came of it before."""
        with self._write() as c:
            self._finish(c, [f"upload:{upload.upload_id}"], owner)
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
        return self.uploads_known([upload_id]).get(upload_id)

    def uploads_known(
        self, upload_ids: Iterable[str]
    ) -> dict[str, tuple[str, str | None, str | None]]:
        """State, reason and hint of those of some uploads that are known, by id."""
        columns = (t.uploads.c[name] for name in ("upload_id", "state", "reason", "hint"))
        query = sa.select(*columns)
        with self._read() as c:
            rows = selected(c, query, t.uploads.c.upload_id, sorted(set(upload_ids)))
            return {upload_id: (state, reason, hint) for upload_id, state, reason, hint in rows}

    # ------------------------------------------------------------------ trips

    def _put_trips(
        self, c: sa.Connection, ended: Sequence[Outcome], generation: str, halo_m: float
    ) -> None:
        """Store the trips of some uploads; of one that is known only whose it is may change."""
        given = [(one.upload.upload_id, some) for one in ended for some in one.taken]
        put(
            c, t.upload_trips, ("upload_id", "trip_key"),
            [{"upload_id": upload_id, "trip_key": some.key, "device": some.row["device"],
              "synthetic": some.row["synthetic"]} for upload_id, some in given],
        )  # fmt: skip
        first = {some.key: some for _, some in reversed(given)}
        keys = sorted(first)
        known = _trip_ids(c, keys)
        new = [key for key in keys if key not in known]
        if new:
            rows = [{**first[key].row, "handle": secrets.token_hex(8)} for key in new]
            c.execute(t.trips.insert(), rows)
        known |= {key: first[key].trip_id for key in new}
        for _, some in given:
            if known[some.key] != some.trip_id:
                raise StoreError(f"two trips share the key {some.key}: {some.trip_id[:12]}")
        times = Counter(some.key for _, some in given)
        for key in keys:
            if key not in new or times[key] > 1:  # another upload has a say in whose it is
                self._settle_claims(c, key, halo_m)
        done = _detected(c, keys, generation)
        lacking = {key: first[key].detection for key in keys if key not in done}
        self._put_detections(c, lacking, generation, halo_m)

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
            toggle(c, generation, [(cells, change)], halo_m)
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
            toggle(c, generation, [(cells, change)], halo_m)
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

    @staticmethod
    def _put_detections(
        c: sa.Connection, found: dict[int, Detection], generation: str, halo_m: float
    ) -> None:
        """Store what was detected in some trips, by key."""
        if not found:
            return
        bumps = pd.concat([one.bumps for one in found.values()], ignore_index=True)
        passes = pd.concat([one.passes for one in found.values()], ignore_index=True)
        at_bumps = cell_of(bumps["lat_deg"].to_numpy(), bumps["lon_deg"].to_numpy())
        at_passes = cell_of(*bin_centre(passes["bin"].to_numpy()))
        bulk(c, t.bumps, bumps, generation=generation, cell=at_bumps)
        bulk(c, t.passes, passes, generation=generation, cell=at_passes)
        rows = [
            {"generation": generation, "trip_key": key, "bumps": len(one.bumps),
             "passes": len(one.passes)}
            for key, one in found.items()
        ]  # fmt: skip
        c.execute(t.detections.insert(), rows)
        query = sa.select(t.trips.c.trip_key, t.trips.c.device, t.trips.c.synthetic)
        whose = selected(c, query, t.trips.c.trip_key, found)
        digests = {row.trip_key: trip_digest(*row) for row in whose}
        cell = np.concatenate((at_bumps, at_passes))
        trip = np.concatenate((bumps["trip_key"].to_numpy(), passes["trip_key"].to_numpy()))
        touched = [(cell[trip == key], digest) for key, digest in digests.items()]
        toggle(c, generation, touched, halo_m)

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
            self._finish(c, [f"trip:{generation}:{trip_id}"], owner)
            self._put_detections(c, {model.trip_key(trip_id): detection}, generation, halo_m)

    def trips_pending(self, generation: str) -> int:
        """How many archived trips have no detection in `generation`."""
        with self._read() as c:
            return int(c.execute(trips_without_detection(generation, count=True)).scalar_one())

    def handles(self, keys: Iterable[int]) -> dict[int, str]:
        """Random handles of trips by key: how reports and audits name them."""
        with self._read() as c:
            return _handles(c, sorted(set(keys)))


def _handles(c: sa.Connection, keys: list[int]) -> dict[int, str]:
    return _of_trips(c, t.trips.c.handle, keys)


def _trip_ids(c: sa.Connection, keys: list[int]) -> dict[int, str]:
    return _of_trips(c, t.trips.c.trip_id, keys)


def _of_trips(c: sa.Connection, column: sa.Column[str], keys: list[int]) -> dict[int, str]:
    """What a column says of those of the trips that are there."""
    key = t.trips.c.trip_key
    return dict(map(tuple, selected(c, sa.select(key, column), key, keys)))


def _detected(c: sa.Connection, keys: list[int], generation: str) -> set[int]:
    """Which of the trips have a detection in a generation."""
    key = t.detections.c.trip_key
    query = sa.select(key).where(t.detections.c.generation == generation)
    return {row.trip_key for row in selected(c, query, key, keys)}


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
