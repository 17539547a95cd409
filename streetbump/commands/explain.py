"""``streetbump explain``: why a place is what it is, and what was heard of one trip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from streetbump.cluster.places import why_not
from streetbump.commands import TripOptions, read_trips
from streetbump.config import Settings, shipped_settings
from streetbump.detect.classify import load_model
from streetbump.errors import InputError, UsageError
from streetbump.model import Rejected
from streetbump.pipeline import settings_of
from streetbump.report.explain import explain_place
from streetbump.report.rows import rejected_rows
from streetbump.report.trip_story import EXPLAIN_COLUMNS, Story, story_of
from streetbump.stores import Store

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
    row = next((r for r in reversed(store.outbox()) if r.place_id == place_id), None)
    request = None
    if row is not None:
        request = {"city": row.city, "state": row.state, "id": row.request_id, "token": row.token,
                   "marker": row.marker, "note": row.note or None}  # fmt: skip
    shown = {"place_id": place.place_id, "class": place.jolt_class, "state": place.state,
             "episode": place.episode, "lat_deg": place.lat_deg, "lon_deg": place.lon_deg,
             "why": place.why}  # fmt: skip
    return explain_place(
        shown,
        clusters,
        members,
        handles=store.handles(members["trip_key"].tolist()),
        history=store.history(place_id),
        request=request,
    )


def _explain_cluster(store: Store, cluster_id: str) -> str:
    clusters = store.clusters_by_id([cluster_id])
    if len(clusters) == 0:
        raise InputError(f"{cluster_id}: no such place or cluster; streetbump cluster lists them")
    active = store.active()
    settings = settings_of(active) if active else shipped_settings()
    c = clusters.iloc[0]
    members = store.members([cluster_id])
    known = pd.notna(c["obstacle_id"])
    shown = {"place_id": cluster_id, "class": c["class"], "episode": 0, "lat_deg": c["lat_deg"],
             "lon_deg": c["lon_deg"], "state": "known_obstacle" if known else "candidate",
             "why": "not flagged: " + why_not(c, settings=settings.flag)}  # fmt: skip
    handles = store.handles(members["trip_key"].tolist())
    return explain_place(shown, clusters, members, handles=handles, history=[], request=None)


# ------------------------------------------------------------------------------- a trip

PICTURES = (".png", ".pdf", ".svg")
"""Endings of files that are drawn."""


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


def is_picture(output: Path | None) -> bool:
    """Whether a file is to be drawn, by its ending.

    Raises
    ------
    MissingExtra
        It is, and matplotlib is not installed: said before an hour of work.
    """
    if output is None or output.suffix.lower() not in PICTURES:
        return False
    from streetbump.report.pictures import check

    check()
    return True


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
        try:
            path.write_bytes(picture(story, kind=path.suffix.lower()[1:]))
        except OSError as exc:
            raise UsageError(f"-o {path}: {exc.strerror}") from exc
        words.append(f"drawn into {path}")
    return words
