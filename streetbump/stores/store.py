"""The store: one transaction per method, and nothing is decided here.

Work is derived from what stands in these tables: an upload that is queued, a trip without a
detection in the active generation, a cell whose inputs changed, a request that is due. Whoever
does work holds a lease, and every commit of work checks that the lease is still his.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from streetbump.errors import StoreBusy, UsageError
from streetbump.stores import schema as t
from streetbump.stores.base import as_generation
from streetbump.stores.intake import Intake, trips_without_detection
from streetbump.stores.records import Generation
from streetbump.stores.regions import Regions
from streetbump.stores.rows import audit_row


class Store(Intake, Regions):
    """Uploads, trips, jolts, clusters, obstacles, places and requests in one database file."""

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
            if row is None:
                raise UsageError(f"no generation is called {name!r}")
            found = as_generation(row)
            if found.active:
                return found
            missing = c.execute(trips_without_detection(name, count=True)).scalar()
            if missing:
                raise StoreBusy(
                    f"generation {name!r} lacks {missing} trips: run streetbump reprocess first"
                )
            # Places follow clusters of the active generation only: let them follow these.
            c.execute(t.cells.update().where(t.cells.c.generation == name).values(stale=True))
            c.execute(t.generations.update().values(active=False))
            c.execute(
                t.generations.update()
                .where(t.generations.c.name == name)
                .values(active=True, review_first=True)
            )
            audit_row(c, now_ns, "promote", name, {"content": found.content})
        return found

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
