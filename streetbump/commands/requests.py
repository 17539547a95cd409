"""``streetbump submit`` and ``sync``: what would go to which city, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import pandas as pd

from streetbump.cityprofile import shipped_city
from streetbump.cluster.places import why_not
from streetbump.commands.session import OnProgress, Session
from streetbump.config import Settings
from streetbump.errors import UsageError
from streetbump.model import utc_text
from streetbump.pipeline import Progress
from streetbump.sending import READABLE, Desk, compose_planned
from streetbump.stores import Store
from streetbump.submit.plan import Action

PLAN_COLUMNS = ("place_id", "city", "action", "why", "priority", "class", "lat_deg", "lon_deg",
                "marker", "description", "cluster_id")  # fmt: skip
SYNC_COLUMNS = ("place_id", "episode", "city", "state", "request_id", "city_status", "since_utc",
                "city_words", "place_state", "note")  # fmt: skip


def plan_table(session: Session) -> pd.DataFrame:
    """What would go where, with its text, and why each other place, and cluster, would not."""
    desks = {d.city.name: d for d in session.work.desks}
    decided, facts = session.plan()
    rows = []
    for planned in decided:
        fact = facts[planned.place_id]
        request = None
        if planned.action is Action.SEND and planned.city is not None:
            request = compose_planned(planned, fact, desks[planned.city].profile)
        rows.append(
            (planned.place_id, planned.city, planned.action.value, planned.why, planned.priority,
             fact.jolt_class.value, fact.lat_deg, fact.lon_deg,
             request.marker if request else None, request.description if request else None, None)
        )  # fmt: skip
    order = [action.value for action in Action]
    rows.sort(key=lambda row: order.index(row[2]))  # what is sent on top; by priority within
    rows += _unplaced(session.store, settings=session.settings)
    return pd.DataFrame(rows, columns=list(PLAN_COLUMNS))


def _unplaced(store: Store, *, settings: Settings) -> list[tuple[Any, ...]]:
    """Rows of the plan for clusters that are part of no place: why each is not flagged."""
    placed = {cluster_id for place in store.places() for cluster_id in place.clusters}
    clusters = store.clusters().sort_values(["priority", "cluster_id"], ascending=[False, True])
    return [
        (None, None, Action.SKIP.value, f"not flagged: {why_not(c, settings=settings.flag)}",
         c["priority"], c["class"], c["lat_deg"], c["lon_deg"], None, None, c["cluster_id"])
        for c in clusters[~clusters["cluster_id"].isin(placed)].to_dict("records")
    ]  # fmt: skip


def plan_people(table: pd.DataFrame) -> pd.DataFrame:
    """The plan as a person reads it."""
    id_ = table["place_id"].where(table["place_id"].notna(), table["cluster_id"])
    shown = table[["city", "action", "why", "description"]]
    return shown.assign(**{"place or cluster": id_})[["place or cluster", *shown.columns]]


def outbox_table(store: Store) -> pd.DataFrame:
    """Every request with its state."""
    rows = [(r.place_id, r.episode, r.city, r.state, r.request_id, r.token, r.marker, r.attempts,
             r.note or None) for r in store.outbox()]  # fmt: skip
    names = ["place_id", "episode", "city", "state", "request_id", "token", "marker", "attempts",
             "note"]  # fmt: skip
    return pd.DataFrame(rows, columns=names)


def sync(session: Session, *, on_progress: OnProgress = lambda _p: None) -> Progress:
    """Ask every city what became of its requests, and let the places follow; sends nothing."""
    for desk in session.work.desks:
        session.store.read_again(desk.city.name, states=sorted(READABLE))
    last = session.until_idle(lanes=("sync",), on_progress=on_progress)
    session.until_idle(lanes=("cluster",), on_progress=on_progress)
    return last


def sync_table(store: Store) -> pd.DataFrame:
    """Every request with what its city says of it, and since when *we* have seen that."""
    states = {p.place_id: p.state for p in store.places()}
    rows = [
        (r.place_id, r.episode, r.city, r.state, r.request_id or r.token, r.city_status,
         _utc(r.status_ns), r.city_words or None, states.get(r.place_id), r.note or None)
        for r in store.outbox()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(SYNC_COLUMNS))


def _utc(ns: int | None) -> str | None:
    return None if ns is None else utc_text(datetime.fromtimestamp(ns / 1e9, UTC))


def check_live(desks: Sequence[Desk]) -> None:
    """Refuse to send where a profile has not been made live.

    Raises
    ------
    UsageError
        ``--send`` without a city, or with a profile that is not live.
    """
    if not desks:
        raise UsageError("--send: to which city? give --city FILE (or --city sandbox)")
    for desk in desks:
        if not desk.profile.live:
            raise UsageError(
                f"--send: the profile of {desk.city.name} is not live; set live = true in it"
                " when the city has agreed"
            )


def practice_profile(url: str) -> str:
    """The text of the practice city's profile, with the address it was started at."""
    shipped = resources.files("streetbump.data").joinpath("cities/sandbox.toml").read_text("utf-8")
    old = shipped_city("sandbox").channel
    return shipped.replace(getattr(old, "endpoint", ""), url)
