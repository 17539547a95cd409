"""``streetbump reprocess`` and ``compare``: the same trips under other settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pandas as pd

from streetbump.cluster.places import flagged
from streetbump.commands.inputs import TripOptions
from streetbump.commands.session import OnProgress, Session, offer_files, unspool
from streetbump.config import Settings
from streetbump.errors import UsageError
from streetbump.pipeline import Status
from streetbump.pipeline.generations import register, settings_of
from streetbump.stores import Store


def reprocess(
    session: Session,
    *,
    name: str,
    settings: Settings | None,
    paths: Sequence[str],
    stdin: Callable[[], bytes],
    on_progress: OnProgress = lambda _p: None,
) -> list[str]:
    """Compute every archived trip in a generation; begun before, it goes on where it stopped."""
    generation = register(
        session.store, settings or session.settings, name=name, now_ns=session.clock()
    )
    work = replace(
        session.work, generation=generation, settings=settings or settings_of(generation)
    )
    again = replace(session, work=work)
    offered = offer_files(again, paths, TripOptions(), stdin=stdin, known=False)
    last = again.until_idle(lanes=("intake", "cluster"), on_progress=on_progress)
    unspool(again, offered)
    left = session.store.trips_pending(name)
    clusters = session.store.clusters(name)
    words = [f"generation {name!r}: {len(clusters)} clusters,"
             f" {session.store.counts()['trips']} trips, {left} left"]  # fmt: skip
    if not generation.active:
        words.append(f"it is not active: streetbump promote {name} makes it so")
    return words if last.status is Status.IDLE else [*words, last.what]


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
