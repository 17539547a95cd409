"""Cells, clusters and obstacles: what is stored by place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from streetbump import model
from streetbump.geo import cell_of, cells_around
from streetbump.model import Bools, Clustering, Ints
from streetbump.stores import schema as t
from streetbump.stores.ledger import WANTED, Ledger
from streetbump.stores.records import PlaceRow, Region, obstacle_digest
from streetbump.stores.rows import audit_row, bulk, by_cells, by_keys, chunks, frame, selected

Follow = Callable[[tuple[PlaceRow, ...], pd.DataFrame, Any], tuple[PlaceRow, ...]]
"""Decides which places begin or change, given places and clusters around, and which of the
clusters may begin one."""


class Regions(Ledger):
    """Clusters are replaced by cell, and the places around them follow in the same transaction."""

    def stale_cells(self, generation: str, *, limit: int) -> tuple[tuple[int, int], ...]:
        """Cells whose inputs changed since they were clustered: (cell, digest of the inputs)."""
        query = (
            sa.select(t.cells.c.cell, t.cells.c.input_digest)
            .where(t.cells.c.generation == generation, t.cells.c.stale)
            .order_by(t.cells.c.cell)
            .limit(limit)
        )
        with self._read() as c:
            return tuple((r.cell, r.input_digest) for r in c.execute(query))

    def stale_near(self, lat_deg: float, lon_deg: float, *, halo_m: float) -> bool:
        """Whether clusters of the active generation around a position are out of date."""
        here = cell_of(np.array([lat_deg]), np.array([lon_deg]))
        active = sa.select(t.generations.c.name).where(t.generations.c.active).scalar_subquery()
        query = sa.select(t.cells.c.cell).where(
            t.cells.c.generation == active,
            t.cells.c.stale,
            t.cells.c.cell.in_(cells_around(here, halo_m=halo_m).tolist()),
        )
        with self._read() as c:
            return c.execute(query.limit(1)).first() is not None

    def load_region(self, generation: str, cells: Ints) -> Region:
        """Jolts, passes, trips and obstacles in the given cells."""
        with self._read() as c:
            bumps = by_cells(c, t.bumps, model.BUMPS, cells, generation=generation)
            passes = by_cells(c, t.passes, model.PASSES, cells, generation=generation)
            query = sa.select(t.obstacle_cells.c.obstacle_id)
            near = selected(c, query, t.obstacle_cells.c.cell, cells.tolist())
            ids = {row.obstacle_id for row in near}
            obstacles = by_keys(c, t.obstacles.c.obstacle_id, model.OBSTACLES, sorted(ids))
            keys = np.unique(np.concatenate((bumps["trip_key"], passes["trip_key"])))
            trips = by_keys(c, t.trips.c.trip_key, model.TRIPS, keys.tolist())
        return Region(bumps, passes, trips, obstacles)

    def load_passes(self, generation: str, cells: Ints) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Passes in the given cells, and the trips behind them."""
        with self._read() as c:
            passes = by_cells(c, t.passes, model.PASSES, cells, generation=generation)
            keys = np.unique(passes["trip_key"]).tolist()
            return passes, by_keys(c, t.trips.c.trip_key, model.TRIPS, keys)

    def pass_cells(self) -> Ints:
        """Cells that trips of the active generation drove through, sorted."""
        active = sa.select(t.generations.c.name).where(t.generations.c.active).scalar_subquery()
        query = sa.select(t.passes.c.cell).where(t.passes.c.generation == active).distinct()
        with self._read() as c:
            return np.array(sorted(c.execute(query).scalars()), dtype=np.int64)

    def passes(self, cells: Ints) -> tuple[pd.DataFrame, Bools]:
        """The active generation's passes (``PASSES``) in some cells, and which are dated."""
        active = self.active()
        if active is None:
            return model.PASSES.empty(), np.empty(0, np.bool_)
        passes, trips = self.load_passes(active.name, cells)
        dated = trips.loc[trips["dated"], "trip_key"]
        return passes, passes["trip_key"].isin(dated).to_numpy()

    def commit_clusters(
        self,
        generation: str,
        cells: Sequence[tuple[int, int]],
        found: Clustering,
        *,
        follow: Follow,
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
        follow : callable
            Decides which places begin or change; asked only while the generation is the active
            one, which is looked up in the same transaction.
        """
        owned = np.array([cell for cell, _ in cells], dtype=np.int64)
        with self._write() as c:
            self._finish(c, [f"clusters:{generation}"], owner)
            for part in chunks(owned.tolist()):
                old = sa.select(t.clusters.c.cluster_id).where(
                    t.clusters.c.generation == generation, t.clusters.c.cell.in_(part)
                )
                c.execute(
                    t.members.delete().where(
                        t.members.c.generation == generation, t.members.c.cluster_id.in_(old)
                    )
                )
                for table in (t.clusters, t.stretches):
                    c.execute(
                        table.delete().where(
                            table.c.generation == generation, table.c.cell.in_(part)
                        )
                    )
            bulk(c, t.clusters, found.clusters, generation=generation)
            bulk(c, t.members, found.members, generation=generation)
            bulk(c, t.stretches, found.stretches, generation=generation)
            for cell, digest in cells:
                c.execute(
                    t.cells.update()
                    .where(t.cells.c.generation == generation, t.cells.c.cell == cell)
                    .values(done_digest=digest, stale=t.cells.c.input_digest != digest)
                )
            active = c.execute(
                sa.select(t.generations.c.active).where(t.generations.c.name == generation)
            ).scalar()
            if active:
                self._follow(c, generation, owned, follow, same_place_m, halo_m, now_ns)

    def _follow(
        self,
        c: sa.Connection,
        generation: str,
        owned: Ints,
        follow: Follow,
        same_place_m: float,
        halo_m: float,
        now_ns: int,
    ) -> None:
        # A cluster lies at most a halo from its cell, its place within same_place_m of it.
        near = cells_around(owned, halo_m=halo_m + same_place_m)
        wide = cells_around(near, halo_m=halo_m + same_place_m)
        places = self._places(c, [t.places.c.cell.in_(part) for part in chunks(near.tolist())])
        clusters = by_cells(c, t.clusters, model.CLUSTERS, wide, generation=generation)
        creating = np.isin(clusters["cell"].to_numpy(), owned)
        for part in chunks(near.tolist()):
            c.execute(t.places.update().where(t.places.c.cell.in_(part)).values(**WANTED))
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
            return frame(c.execute(query).all(), model.CLUSTERS)

    def clusters_by_id(self, ids: Iterable[str]) -> pd.DataFrame:
        """The named clusters of the active generation, by id."""
        active = self.active()
        if active is None:
            return model.CLUSTERS.empty()
        with self._read() as c:
            return by_keys(
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
            return frame(c.execute(query).all(), model.STRETCHES)

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
                rows = list(selected(c, query, t.members.c.cluster_id, cluster_ids))
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
            known = by_keys(
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
            reach: dict[int, int] = {}
            for part in (before[differs], changed, new.assign(revision=1)):
                _obstacle_changes(part, points, halo_m, reach)
            self._change_cells(c, reach)
            _delete_by_id(c, t.obstacles, changed["obstacle_id"].tolist())
            _delete_by_id(c, t.obstacle_cells, changed["obstacle_id"].tolist())
            put = pd.concat([changed, new.assign(revision=1)], ignore_index=True)
            if len(put):
                put = model.OBSTACLES.build({n: put[n] for n in model.OBSTACLES.names})
                bulk(c, t.obstacles, put)
                cells = _obstacle_cells(put, points)
                bulk(c, t.obstacle_cells, cells)
                audit_row(c, now_ns, "obstacles", str(put["source"].iloc[0]),
                       {"new": len(new), "changed": len(changed)})  # fmt: skip
        return len(new), len(changed)

    @staticmethod
    def _change_cells(c: sa.Connection, reach: dict[int, int]) -> None:
        """Make the cells stale whose obstacles changed; those without jolts are not there yet."""
        for part in chunks(list(reach)):
            rows = c.execute(sa.select(t.cells).where(t.cells.c.cell.in_(part))).all()
            for row in rows:
                c.execute(
                    t.cells.update()
                    .where(t.cells.c.generation == row.generation, t.cells.c.cell == row.cell)
                    .values(input_digest=row.input_digest ^ reach[row.cell], stale=True)
                )

    def obstacles(self) -> pd.DataFrame:
        """Every known obstacle (``OBSTACLES``), by id."""
        query = sa.select(*(t.obstacles.c[n] for n in model.OBSTACLES.names))
        with self._read() as c:
            return frame(c.execute(query.order_by("obstacle_id")).all(), model.OBSTACLES)


def _obstacle_changes(
    rows: pd.DataFrame, points: Callable[[pd.DataFrame], Any], halo_m: float, reach: dict[int, int]
) -> None:
    """Exclusive-or each obstacle's digest into `reach`, once for every cell that depends on it."""
    if len(rows) == 0:
        return
    cells = _obstacle_cells(rows, points).groupby("obstacle_id")["cell"]
    revision = dict(zip(rows["obstacle_id"], rows["revision"].tolist(), strict=True))
    for obstacle_id, own in cells:  # one step per obstacle
        digest = obstacle_digest(str(obstacle_id), revision[str(obstacle_id)])
        for target in cells_around(own.to_numpy(), halo_m=halo_m).tolist():
            reach[target] = reach.get(target, 0) ^ digest


def _obstacle_cells(rows: pd.DataFrame, points: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    """Which cells each obstacle lies in."""
    xy, owner = points(rows)
    cell = cell_of(xy[:, 1], xy[:, 0])
    ids = rows["obstacle_id"].to_numpy(object)[owner]
    return pd.DataFrame({"cell": cell, "obstacle_id": ids}).drop_duplicates(ignore_index=True)


def _delete_by_id(c: sa.Connection, table: sa.Table, ids: list[str]) -> None:
    for part in chunks(ids):
        c.execute(table.delete().where(table.c.obstacle_id.in_(part)))
