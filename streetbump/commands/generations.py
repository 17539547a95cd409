"""``streetbump reprocess`` and ``compare``: the same trips under other settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from streetbump.cluster.places import flagged
from streetbump.commands.inputs import TripOptions
from streetbump.commands.session import OnProgress, Session, offer_files, unspool
from streetbump.errors import GenerationError, UsageError
from streetbump.pipeline import Status
from streetbump.pipeline.generations import outdated, settings_of
from streetbump.stores import Store


def reprocess(
    session: Session,
    *,
    paths: Sequence[str],
    stdin: Callable[[], bytes],
    on_progress: OnProgress = lambda _p: None,
) -> list[str]:
    """Compute every archived trip in the session's generation; begun before, it goes on there."""
    generation = session.work.generation
    name = generation.name
    offered = offer_files(session, paths, TripOptions(), stdin=stdin, known=False)
    last = session.until_idle(lanes=("intake", "cluster"), on_progress=on_progress)
    unspool(session, offered)
    left = session.store.trips_pending(name)
    clusters = session.store.clusters(name)
    words = [f"generation {name!r}: {len(clusters)} clusters,"
             f" {session.store.counts()['trips']} trips, {left} left"]  # fmt: skip
    if not generation.active:
        words.append(f"it is not active: streetbump promote {name} makes it so")
    return words if last.status is Status.IDLE else [*words, last.what]


def promote(store: Store, name: str, *, now_ns: int) -> None:
    """Make a generation the active one.

    Raises
    ------
    GenerationError
        This version does not compute by it: the store would take nothing in any more.
    """
    for generation in store.generations():
        if generation.name == name and (said := outdated(generation)) is not None:
            raise GenerationError(f"generation {name!r} {said}")
    store.promote(name, now_ns=now_ns)


def compare(store: Store, a: str, b: str) -> pd.DataFrame:
    """Two generations side by side.

    Raises
    ------
    UsageError
        One of them does not exist.
    """
    known = {g.name: g for g in store.generations()}
    for name in (a, b):
        if name not in known:
            raise UsageError(f"no generation is called {name!r}; there are {', '.join(known)}")
    rows = {name: store.clusters(name) for name in (a, b)}
    same = set(rows[a]["cluster_id"]) & set(rows[b]["cluster_id"])
    table = []
    for name, clusters in rows.items():
        flag = settings_of(known[name]).flag
        table.append(
            {"generation": name, "active": known[name].active,
             "trips_left": store.trips_pending(name), "clusters": len(clusters),
             "in_both": len(same), "potholes": int((clusters["class"] == "pothole").sum()),
             "known_obstacles": int(clusters["obstacle_id"].notna().sum()),
             "flagged": int(flagged(clusters, settings=flag).sum())}
        )  # fmt: skip
    return pd.DataFrame(table)
