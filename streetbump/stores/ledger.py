"""Places and requests: the part of the store that has a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from streetbump.errors import StoreBusy
from streetbump.geo import cell_of
from streetbump.model import PlaceState, RequestState
from streetbump.stores import schema as t
from streetbump.stores.base import Base
from streetbump.stores.records import LinkRow, OutboxRow, PlaceRow
from streetbump.stores.rows import audit_row, chunks, put, selected

WANTED = {"life_wanted": t.places.c.life_wanted + 1}
"""What a change of passes or of a city's words does to a place."""


class Ledger(Base):
    """Places keep their id while clusters come and go; the outbox keeps what was sent."""

    @staticmethod
    def _places(c: sa.Connection, wheres: Sequence[Any]) -> tuple[PlaceRow, ...]:
        rows = [r for where in wheres for r in c.execute(sa.select(t.places).where(where))]
        links: dict[str, list[str]] = {}
        query = sa.select(t.place_links.c.place_id, t.place_links.c.cluster_id)
        query = query.where(t.place_links.c.until_ns.is_(None))
        for link in selected(c, query, t.place_links.c.place_id, [r.place_id for r in rows]):
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

    def review(self, seen: PlaceRow, decided: PlaceRow, *, by: str, note: str, now_ns: int) -> None:
        """Store what a person decided on a place as he saw it, and who it was.

        Raises
        ------
        StoreBusy
            The place has moved on meanwhile: it must be looked at again.
        """
        with self._write() as c:
            done = c.execute(
                t.places.update()
                .where(*_as_seen(seen))
                .values(state=decided.state, episode=decided.episode, review=decided.review,
                        why=decided.why, updated_ns=now_ns)
            )  # fmt: skip
            if done.rowcount != 1:
                raise StoreBusy(f"place {seen.place_id} has changed meanwhile: look at it again")
            _history(c, seen.place_id, decided.state, decided.episode, decided.why, now_ns)
            audit_row(c, now_ns, "review", seen.place_id,
                      {"by": by, "decision": decided.review, "note": note})  # fmt: skip

    def begin_again(
        self, row: OutboxRow, *, note: str, why: str, resource: str, owner: str, now_ns: int
    ) -> None:
        """End a held request that its city never took, and begin its approved place's next episode.

        Raises
        ------
        StoreBusy
            The request or the place has moved on meanwhile, or the lease is gone.
        """
        with self._write() as c:
            self._hold(c, resource, owner)
            ended = c.execute(
                t.outbox.update()
                .where(*_of(row.place_id, row.episode), t.outbox.c.state == RequestState.HELD.value)
                .values(state=RequestState.REFUSED.value, note=note, next_ns=None,
                        updated_ns=now_ns)
            )  # fmt: skip
            begun = c.execute(
                t.places.update()
                .where(t.places.c.place_id == row.place_id, t.places.c.episode == row.episode,
                       t.places.c.state == PlaceState.HELD.value, t.places.c.review == "approved")
                .values(state=PlaceState.FLAGGED.value, episode=row.episode + 1, why=why,
                        updated_ns=now_ns, **WANTED)
            )  # fmt: skip
            if (ended.rowcount, begun.rowcount) != (1, 1):
                raise StoreBusy(f"place {row.place_id} has changed meanwhile: look at it again")
            _history(c, row.place_id, PlaceState.FLAGGED.value, row.episode + 1, why, now_ns)
            audit_row(c, now_ns, "begin again", row.place_id, {"episode": row.episode + 1})

    @staticmethod
    def _move_place(c: sa.Connection, place_id: str, state: str, why: str, now_ns: int) -> None:
        """Another state for a place; where it lies and what it is linked with are not ours."""
        row = _standing(c, place_id)
        if row is None or row.state == state:
            return
        c.execute(
            t.places.update()
            .where(t.places.c.place_id == place_id)
            .values(state=state, why=why, review=None, updated_ns=now_ns, **WANTED)
        )
        _history(c, place_id, state, row.episode, why, now_ns)

    def places_due(self, *, limit: int) -> tuple[tuple[PlaceRow, int], ...]:
        """Places whose passes or whose city's words have changed since they were looked at.

        Beside each how often that has happened by now, for :meth:`commit_lives`.
        """
        query = (
            sa.select(t.places.c.place_id, t.places.c.life_wanted)
            .where(t.places.c.life_wanted != t.places.c.life_done)
            .order_by(t.places.c.cell, t.places.c.place_id)  # neighbours share their passes
            .limit(limit)
        )
        with self._read() as c:
            wanted = {r.place_id: r.life_wanted for r in c.execute(query)}
            rows = self._places(c, [t.places.c.place_id.in_(list(wanted))])
        return tuple((row, wanted[row.place_id]) for row in rows)

    def is_due(self, place_id: str) -> bool:
        """Whether a place's life is still to be looked at."""
        query = sa.select(t.places.c.life_wanted != t.places.c.life_done).where(
            t.places.c.place_id == place_id
        )
        with self._read() as c:
            return bool(c.execute(query).scalar())

    def commit_lives(
        self,
        lived: Sequence[tuple[PlaceRow, PlaceRow, int]],
        *,
        resource: str,
        owner: str,
        now_ns: int,
    ) -> None:
        """Store what became of places: as each was read, as it is now, and for which change.

        A place that somebody moved meanwhile stays due.
        """
        with self._write() as c:
            self._finish(c, [resource], owner)
            for before, after, change in lived:
                values: dict[str, Any] = {"life_done": change}
                moved = (before.state, before.episode) != (after.state, after.episode)
                if moved:
                    values |= {"state": after.state, "episode": after.episode, "why": after.why,
                               "review": None, "updated_ns": now_ns}  # fmt: skip
                done = c.execute(t.places.update().where(*_as_seen(before)).values(**values))
                if moved and done.rowcount == 1:
                    _history(c, after.place_id, after.state, after.episode, after.why, now_ns)

    @staticmethod
    def _put_place(c: sa.Connection, place: PlaceRow, now_ns: int) -> None:
        cell = int(cell_of(np.array([place.lat_deg]), np.array([place.lon_deg]))[0])
        values = {
            "class": place.jolt_class, "lat_deg": place.lat_deg, "lon_deg": place.lon_deg,
            "cell": cell, "state": place.state, "episode": place.episode, "why": place.why,
            "review": place.review, "updated_ns": now_ns,
        }  # fmt: skip
        before = _standing(c, place.place_id)
        put(c, t.places, ("place_id",), [{"place_id": place.place_id, **values}])
        if before is None or tuple(before) != (place.state, place.episode):
            _history(c, place.place_id, place.state, place.episode, place.why, now_ns)
        open_links = set(
            c.execute(
                sa.select(t.place_links.c.cluster_id).where(
                    t.place_links.c.place_id == place.place_id, t.place_links.c.until_ns.is_(None)
                )
            ).scalars()
        )
        gone = open_links - set(place.clusters)
        for part in chunks(sorted(gone)):
            c.execute(
                t.place_links.update()
                .where(
                    t.place_links.c.place_id == place.place_id,
                    t.place_links.c.cluster_id.in_(part),
                    t.place_links.c.until_ns.is_(None),
                )
                .values(until_ns=now_ns)
            )
        links = [
            {"place_id": place.place_id, "cluster_id": cluster_id, "since_ns": now_ns,
             "until_ns": None}
            for cluster_id in sorted(set(place.clusters) - open_links)
        ]  # fmt: skip
        put(c, t.place_links, ("place_id", "cluster_id", "since_ns"), links)

    def history(self, place_id: str) -> list[dict[str, Any]]:
        """What happened to a place, the oldest first."""
        query = (
            sa.select(t.place_history)
            .where(t.place_history.c.place_id == place_id)
            .order_by(t.place_history.c.number)
        )
        with self._read() as c:
            return [dict(r._mapping) for r in c.execute(query)]

    def links(self, place_id: str) -> tuple[LinkRow, ...]:
        """Which clusters a place was linked with and when, and every other place's links to them.

        The oldest first.
        """
        own = sa.select(t.place_links.c.cluster_id).where(t.place_links.c.place_id == place_id)
        query = (
            sa.select(*(t.place_links.c[f] for f in LinkRow.__dataclass_fields__))
            .where(t.place_links.c.cluster_id.in_(own))
            .order_by(
                t.place_links.c.since_ns, t.place_links.c.place_id, t.place_links.c.cluster_id
            )
        )
        with self._read() as c:
            return tuple(LinkRow(*row) for row in c.execute(query))

    # ------------------------------------------------------------------ outbox

    def outbox(self) -> tuple[OutboxRow, ...]:
        """Every request, by place and episode."""
        query = sa.select(*(t.outbox.c[f] for f in OutboxRow.__dataclass_fields__)).order_by(
            t.outbox.c.place_id, t.outbox.c.episode
        )
        with self._read() as c:
            return tuple(OutboxRow(*r) for r in c.execute(query))

    def outbox_of(self, place_ids: Sequence[str]) -> tuple[OutboxRow, ...]:
        """The requests of some places, by place and episode."""
        columns = [t.outbox.c[f] for f in OutboxRow.__dataclass_fields__]
        query = sa.select(*columns).order_by(t.outbox.c.place_id, t.outbox.c.episode)
        with self._read() as c:
            rows = selected(c, query, t.outbox.c.place_id, sorted(place_ids))
            return tuple(OutboxRow(*row) for row in rows)

    def put_intent(
        self, row: OutboxRow, *, payload_hash: str, resource: str, owner: str, now_ns: int
    ) -> None:
        """Commit what is about to be sent, before the first byte.

        Raises
        ------
        StoreBusy
            The place and episode have a request already: another process was first.
        """
        with self._write() as c:
            self._hold(c, resource, owner)
            values = {f: getattr(row, f) for f in OutboxRow.__dataclass_fields__}
            try:
                c.execute(
                    t.outbox.insert().values(**values, payload_hash=payload_hash, updated_ns=now_ns)
                )
            except sa.exc.IntegrityError as exc:
                raise StoreBusy(
                    f"place {row.place_id} has a request for episode {row.episode} already"
                ) from exc
            audit_row(c, now_ns, "intent", row.place_id, {"city": row.city, "hash": payload_hash})

    def put_request_state(
        self,
        place_id: str,
        episode: int,
        *,
        expected: Sequence[str],
        values: dict[str, Any],
        place: tuple[str, str] | None = None,
        resource: str,
        owner: str,
        now_ns: int,
    ) -> None:
        """Move a request on, and its place (state, why) with it; only from an `expected` state.

        Raises
        ------
        StoreBusy
            Another process moved it first, or the lease is gone.
        """
        with self._write() as c:
            self._hold(c, resource, owner)
            done = c.execute(
                t.outbox.update()
                .where(*_of(place_id, episode), t.outbox.c.state.in_(list(expected)))
                .values(**values, updated_ns=now_ns)
            )
            if done.rowcount != 1:
                raise StoreBusy(f"the request of place {place_id} was moved by another process")
            if place is not None:
                self._move_place(c, place_id, *place, now_ns)
            audit_row(
                c, now_ns, "request", place_id, {k: v for k, v in values.items() if k != "request"}
            )

    def put_city_status(
        self,
        seen: OutboxRow,
        values: dict[str, Any],
        *,
        place: tuple[str, str] | None,
        words: str,
        resource: str,
        owner: str,
        now_ns: int,
    ) -> None:
        """Store what a city says of a request now, and what that makes of its place.

        `words` go into the place's history, with the time *we* saw it; empty when nothing is new.
        The place moves (state, why) only while the request's episode is its present one.
        """
        with self._write() as c:
            self._hold(c, resource, owner)
            c.execute(
                t.outbox.update()
                .where(*_of(seen.place_id, seen.episode))
                .values(**values, updated_ns=now_ns)
            )
            row = _standing(c, seen.place_id)
            if row is None or not words:
                return
            audit_row(c, now_ns, "city", seen.place_id, {"episode": seen.episode, "says": words})
            moves = place is not None and row.episode == seen.episode and row.state != place[0]
            if moves and place is not None:
                self._move_place(c, seen.place_id, *place, now_ns)
            else:
                _history(c, seen.place_id, row.state, row.episode, words, now_ns)
                c.execute(
                    t.places.update().where(t.places.c.place_id == seen.place_id).values(**WANTED)
                )

    def read_again(self, city: str, *, states: Sequence[str]) -> int:
        """Let the requests of a city in these states be asked about at once; how many."""
        with self._write() as c:
            done = c.execute(
                t.outbox.update()
                .where(t.outbox.c.city == city, t.outbox.c.state.in_(list(states)))
                .values(next_ns=None)
            )
        return int(done.rowcount)

    def audit(self, subject: str | None = None) -> list[dict[str, Any]]:
        """What was done, the oldest first; of one subject or of all."""
        query = sa.select(t.audit).order_by(t.audit.c.number)
        if subject is not None:
            query = query.where(t.audit.c.subject == subject)
        with self._read() as c:
            return [dict(r._mapping) for r in c.execute(query)]


def _as_seen(place: PlaceRow) -> Sequence[sa.ColumnElement[bool]]:
    """Where a place stands as it was read."""
    p = t.places.c
    return p.place_id == place.place_id, p.state == place.state, p.episode == place.episode


def _of(place_id: str, episode: int) -> Sequence[sa.ColumnElement[bool]]:
    """The request of one episode."""
    return t.outbox.c.place_id == place_id, t.outbox.c.episode == episode


def _standing(c: sa.Connection, place_id: str) -> Any:
    """State and episode of a place; None when there is none of that id."""
    places = t.places.c
    return c.execute(
        sa.select(places.state, places.episode).where(places.place_id == place_id)
    ).first()


def _history(
    c: sa.Connection, place_id: str, state: str, episode: int, why: str, now_ns: int
) -> None:
    c.execute(
        t.place_history.insert().values(
            place_id=place_id, state=state, episode=episode, why=why, at_ns=now_ns
        )
    )
