"""The cluster lane: stale cells to clusters, clusters and later passes to places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from streetbump import cluster
from streetbump.cluster.kinds import load_place_model
from streetbump.cluster.life import Filed, Presence, lived, presence, votes_at
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

PLACES_AT_ONCE = 64
"""Places looked at in one step. Chosen by us."""

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
