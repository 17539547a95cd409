"""The cluster lane: stale cells to clusters, clusters and later passes to places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from streetbump import cluster
from streetbump.cluster.kinds import load_place_model
from streetbump.cluster.life import Filed, Presence, lived, presences, votes_at
from streetbump.cluster.match import points_of
from streetbump.cluster.places import Place, follow
from streetbump.config import Settings
from streetbump.geo import cell_of, cells_around
from streetbump.model import JoltClass, PlaceState, RequestState
from streetbump.pipeline.work import IDLE, SOON_NS, Progress, Status, Work
from streetbump.stores import Generation, PlaceRow, Store
from streetbump.stores.regions import Follow

CELLS_AT_ONCE = 64
"""Storage cells clustered in one step: some 20 km² of a city. Chosen by us."""

PLACES_AT_ONCE = 256
"""Places looked at in one step: those of a few km². Chosen by us."""

FILED = frozenset(
    {RequestState.ACKED, RequestState.TOKEN, RequestState.LINKED, RequestState.DUPLICATE}
)
"""States of a request that a city holds."""


def cluster_some(store: Store, work: Work, now_ns: int) -> Progress:
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
    rows = [row for row, _ in due]
    known = [filed.get((row.place_id, row.episode)) for row in rows]
    closed_ns = [one.closed_ns if one else None for one in known]
    seen = presences_at(
        store, rows, closed_ns=closed_ns, generation=work.generation, settings=work.settings
    )
    now = [_lived(*one, settings=work.settings) for one in zip(rows, seen, known, strict=True)]
    lives = [(row, then, change) for (row, change), then in zip(due, now, strict=True)]
    work.checkpoint("lives looked at")
    store.commit_lives(lives, resource=resource, owner=work.owner, now_ns=now_ns)
    return Progress(Status.DONE, f"{len(due)} places looked at")


def _lived(
    row: PlaceRow, seen: Presence | None, known: Filed | None, *, settings: Settings
) -> PlaceRow:
    if seen is None:
        return row
    now = lived(_place(row), seen, known, life=settings.life, flag=settings.flag)
    return _row(now, row.review)


def presences_at(
    store: Store,
    rows: Sequence[PlaceRow],
    *,
    closed_ns: Sequence[int | None],
    generation: Generation,
    settings: Settings,
) -> list[Presence | None]:
    """What the passes of a generation say of places now; None where one has no cluster there.

    Parameters
    ----------
    closed_ns : sequence of int or None
        When the city's claim to have closed the present episode of each was seen.
    """
    home = {c: k for k, row in enumerate(rows) for c in row.clusters}
    clusters = store.clusters_by_id(home)
    if len(clusters) == 0:
        return [None] * len(rows)
    lat_deg, lon_deg = clusters["lat_deg"].to_numpy(), clusters["lon_deg"].to_numpy()
    reach_m = max(settings.cluster.reach_m, settings.cluster.company_m)
    passes, trips = store.load_passes(
        generation.name, cells_around(cell_of(lat_deg, lon_deg), halo_m=reach_m)
    )
    found, place = np.unique(clusters["cluster_id"].map(home).to_numpy(), return_inverse=True)
    hits = store.members(clusters["cluster_id"])
    votes = votes_at(clusters, place, hits, passes, trips, settings=settings.cluster)
    known = presences(votes, closed_ns=[closed_ns[k] for k in found], settings=settings.life)
    seen: list[Presence | None] = [None] * len(rows)
    for k, one in zip(found, known, strict=True):
        seen[k] = one
    return seen


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
