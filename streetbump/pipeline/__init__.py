"""The one pipeline function: :func:`advance` does the next thing there is to do, and says so.

What there is to do is derived from the store, as ``make`` derives it from files: an upload that
is queued, a trip without a detection, a cell whose inputs changed, a place that may be reported.
So retrying, recovering from a crash, late trips and reprocessing are one path. The worker calls
it for ever, ``run`` until it is idle, ``reprocess`` with an executor; nothing else loops over
stages.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from streetbump.pipeline.clusters import cluster_some
from streetbump.pipeline.intake import take_in_some
from streetbump.pipeline.work import IDLE, Progress, Status, Work
from streetbump.sending import Sender, step
from streetbump.stores import Store

__all__ = ["LANES", "Progress", "Status", "Work", "advance"]

LANES = ("intake", "cluster", "sync", "submit")
"""Independent kinds of work: a slow city never keeps an upload waiting."""


def advance(
    store: Store,
    *,
    now_ns: int,
    work: Work,
    lanes: Sequence[str] = LANES,
    allow_send: bool = False,
) -> Progress:
    """Do the next thing there is to do in some lanes, commit it, and say so.

    Parameters
    ----------
    now_ns : int
        The time, ns since 1970 UTC.
    lanes : sequence of str
        Which of ``LANES``.
    allow_send : bool
        Whether requests may leave; without it a plan is not work.

    Returns
    -------
    Progress
        ``done`` after a step, ``wait_until`` when others hold the work or a city asked for
        patience, ``idle`` when nothing is left.
    """
    steps: dict[str, Callable[[], Progress]] = {
        "intake": lambda: take_in_some(store, work, now_ns),
        "cluster": lambda: cluster_some(store, work, now_ns),
        "sync": lambda: _talk(store, work, now_ns, sending=False),
        "submit": lambda: _talk(store, work, now_ns, sending=True) if allow_send else IDLE,
    }
    waits = []
    for lane in LANES:
        if lane not in lanes:
            continue
        progress = steps[lane]()
        if progress.status is Status.DONE:
            return progress
        if progress.wait_until_ns is not None:
            waits.append(progress)
    return min(waits, key=lambda p: p.wait_until_ns or 0) if waits else IDLE


def _talk(store: Store, work: Work, now_ns: int, *, sending: bool) -> Progress:
    """Do the next thing that is due with some city: send a request, or read one back."""
    sender = Sender(store, work.settings, work.owner, now_ns, work.lease_ns, work.checkpoint)
    done = step(sender, work.desks, sending=sending)
    if done.wait_until_ns is not None:
        return Progress(Status.WAIT, done.done, done.wait_until_ns)
    if not done.done:
        return IDLE
    work.observe("submit", what=done.done)
    return Progress(Status.DONE, done.done)
