"""``streetbump explain``: why a place is what it is, and what was heard of one trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd

from streetbump.cluster.places import why_not
from streetbump.commands.inputs import TripOptions, read_trips
from streetbump.config import Settings, shipped_settings
from streetbump.detect.classify import load_model
from streetbump.errors import InputError
from streetbump.model import Rejected
from streetbump.pipeline.clusters import presences_at
from streetbump.pipeline.generations import settings_of
from streetbump.report.explain import Life, explain_place
from streetbump.report.rows import rejected_rows
from streetbump.report.trip_story import EXPLAIN_COLUMNS, Story, story_of
from streetbump.runtime import write_file
from streetbump.stores import PlaceRow, Store

# ------------------------------------------------------------------------------- a place


def explain(store: Store, place_id: str) -> str:
    """Why the system says what it says of a place, or of a cluster by its id.

    Raises
    ------
    InputError
        There is no such place or cluster.
    """
    place = store.place(place_id)
    if place is None:
        return _explain_cluster(store, place_id)
    clusters = store.clusters_by_id(place.clusters)
    members = store.members(place.clusters)
    headline = (
        f"{place_id}  {place.jolt_class}, {place.state.replace('_', ' ')}"
        f"  (episode {place.episode})"
        f"\n  at {place.lat_deg:.6f}, {place.lon_deg:.6f}: {place.why or 'no remark'}"
    )
    return explain_place(
        headline,
        clusters,
        members,
        handles=store.handles(members["trip_key"].tolist()),
        place_id=place_id,
        life=_life(store, place),
    )


def _life(store: Store, place: PlaceRow) -> Life:
    rows = store.outbox_of([place.place_id])
    closed_ns = next((r.closed_ns for r in rows if r.episode == place.episode), None)
    active, seen = store.active(), None
    if active is not None:
        (seen,) = presences_at(
            store, [place], closed_ns=[closed_ns], generation=active, settings=settings_of(active)
        )
    requests, history = [asdict(row) for row in rows], store.history(place.place_id)
    return Life(seen, requests, history, store.links(place.place_id))


def _explain_cluster(store: Store, cluster_id: str) -> str:
    clusters = store.clusters_by_id([cluster_id])
    if len(clusters) == 0:
        raise InputError(f"{cluster_id}: no such place or cluster; streetbump cluster lists them")
    active = store.active()
    settings = settings_of(active) if active else shipped_settings()
    c = clusters.iloc[0]
    members = store.members([cluster_id])
    state = "known obstacle" if pd.notna(c["obstacle_id"]) else "candidate"
    why = why_not(c, settings=settings.flag)
    headline = (
        f"{cluster_id}  {c['class']}, {state}"
        f"\n  at {c['lat_deg']:.6f}, {c['lon_deg']:.6f}: {'not ' if why else ''}flagged"
        + (f": {why}" if why else "")
    )
    handles = store.handles(members["trip_key"].tolist())
    return explain_place(headline, clusters, members, handles=handles)


# ------------------------------------------------------------------------------- a trip


@dataclass(frozen=True)
class Explained:
    """The trips of a file, their jolts in one table, and what was refused."""

    stories: tuple[Story, ...]
    jolts: pd.DataFrame
    rejected: pd.DataFrame


def explain_trip(
    path: str, options: TripOptions, *, settings: Settings, stdin: Callable[[], bytes]
) -> Explained:
    """What was heard of every trip in a file. Nothing is stored, so nothing is trimmed."""
    stories, refused, model = [], [], load_model()
    for name, row in read_trips([path], options, stdin=stdin):
        if isinstance(row, Rejected):
            refused.append((name, row))
        else:
            stories.append(story_of(row, name=name, settings=settings, model=model))
    tables = [s.jolts for s in stories] or [pd.DataFrame({c: [] for c in EXPLAIN_COLUMNS})]
    return Explained(tuple(stories), pd.concat(tables, ignore_index=True), rejected_rows(refused))


def draw(stories: Sequence[Story], output: Path) -> list[str]:
    """Draw each trip into a file: what was drawn. The second of a file is drawn into ``x-2.png``.

    Raises
    ------
    UsageError
        The file cannot be written to.
    """
    from streetbump.report.trip_picture import picture

    words = []
    for k, story in enumerate(stories):
        path = output.with_stem(f"{output.stem}-{k + 1}") if k else output
        write_file(path, picture(story, kind=path.suffix.lower()[1:]))
        words.append(f"drawn into {path}")
    return words
