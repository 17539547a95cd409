"""``streetbump run``: trip files to clusters and, where it is allowed, to requests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from streetbump.cluster.places import flagged
from streetbump.commands.inputs import TripOptions
from streetbump.commands.places import cluster_table
from streetbump.commands.session import OnProgress, Session, offer_files, unspool
from streetbump.model import Reason, Rejected
from streetbump.pipeline import LANES, Progress, Status
from streetbump.report.rows import rejected_rows
from streetbump.submit.plan import Action

_VANISHED = ("", Reason.UNREADABLE.value, "vanished or changed while it was read; offer it again")


@dataclass(frozen=True)
class RunResult:
    """What a run came to."""

    clusters: pd.DataFrame
    rejected: pd.DataFrame
    words: tuple[str, ...]
    waiting: Progress | None


def run(
    session: Session,
    paths: Sequence[str],
    options: TripOptions,
    *,
    allow_send: bool,
    stdin: Callable[[], bytes],
    on_progress: OnProgress = lambda _p: None,
) -> RunResult:
    """Trip files → clusters → (if allowed) requests; the same as the worker, until idle."""
    before = {(r.place_id, r.episode): r.state for r in session.store.outbox()}
    offered = offer_files(session, paths, options, stdin=stdin)
    lanes = LANES if allow_send else ("intake", "cluster")
    last = session.until_idle(lanes=lanes, allow_send=allow_send, on_progress=on_progress)
    unspool(session, offered)
    refused = []
    for upload_id, name in offered.items():
        _, reason, hint = session.store.upload(upload_id) or _VANISHED
        if reason is not None:
            refused.append((name, Rejected(upload_id, Reason(reason), hint or "")))
    words = [
        *_run_words(session, len(offered), refused),
        *_report_words(session, before, allow_send),
    ]
    return RunResult(
        cluster_table(session.store),
        rejected_rows(refused),
        tuple(words),
        last if last.status is Status.WAIT else None,
    )


def _run_words(
    session: Session, offered: int, refused: Sequence[tuple[str, Rejected]]
) -> list[str]:
    n = session.store.counts()
    clusters = session.store.clusters()
    due = int(flagged(clusters, settings=session.settings.flag).sum())
    words = [
        f"{offered} files offered, {len(refused)} refused",
        f"store: {n['trips']} trips, {n['bumps']} jolts, {n['clusters']} clusters,"
        f" {n['obstacles']} known obstacles, {due} clusters flagged",
    ]
    if n["trips"] and n["trips_unnamed"] == n["trips"]:
        words.append(
            "nothing is flagged: no trip names its device, and unnamed trips count in no quorum"
            " (--device NAME names one, --trust-unnamed counts each as its own)"
        )
    elif due == 0 and len(clusters):
        flag = session.settings.flag
        words.append(
            f"nothing is flagged: no cluster reaches {flag.min_devices} named devices"
            f" on {flag.min_days} days with a sure class"
        )
    return words


def _report_words(
    session: Session, before: Mapping[tuple[str, int], str], allow_send: bool
) -> list[str]:
    if not session.work.desks:
        return []
    after = session.store.outbox()
    changed = [r for r in after if before.get((r.place_id, r.episode)) != r.state]
    by_state: dict[str, list[str]] = {}
    for row in changed:
        by_state.setdefault(row.state, []).append(row.request_id or row.token or row.place_id)
    words = [
        f"{state}: {len(ids)} ({', '.join(sorted(ids))})" for state, ids in sorted(by_state.items())
    ]
    if allow_send:
        return words or ["nothing new was reported"]
    decided, _ = session.plan()
    due = sum(p.action is Action.SEND for p in decided)
    return [f"dry run: {due} places would be reported; streetbump submit shows them, --send sends"]
