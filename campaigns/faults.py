"""Every fault of the practice city, alone and in random pairs, judged by the city's ledger.

One run is one place: the first fault strikes its POST, the second whatever is asked next. The run
ends when its request came to rest, and its clock runs as far as that takes. A city that says it
took a request and did not (`lost`, `other_id`) is no fault that a client can see: those are run
too, and counted apart.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from campaigns.world import Clock, desk_of, session_at, with_places
from streetbump.commands.session import Session
from streetbump.model import RequestState
from streetbump.pipeline import advance
from streetbump.stores import OutboxRow
from streetbump.submit.sandbox import Faults, Sandbox
from streetbump.submit.sandbox.faults import FaultName, Occasion

PER_WORLD = 8
DEADLINE_S = 0.25
QUIET = {"delay_s": 0.5, "pause_s": 0.05}
"""Longer than the deadline, and no longer than it takes to see it."""

LIES = frozenset({"lost", "other_id"})
DEAR = frozenset({"long_id", "huge", "gzip_bomb", "deep"})
"""Megabytes each time: one run in twenty of them."""

AT_REST = frozenset(
    {RequestState.ACKED, RequestState.LINKED, RequestState.DUPLICATE, RequestState.REFUSED,
     RequestState.HELD}
)  # fmt: skip
STEPS = 200  # no run needs more
MONTH_NS = 30 * 86_400_000_000_000


@dataclass(frozen=True)
class Run:
    """One run of a campaign: a seed, what strikes the POST, and what strikes next and when."""

    seed: int
    first: FaultName
    second: FaultName
    on: Occasion


@dataclass
class Tally:
    """What the runs came to."""

    runs: int = 0
    states: Counter[str] = field(default_factory=Counter)
    doubled: list[Run] = field(default_factory=list)
    lost: list[Run] = field(default_factory=list)
    restless: list[Run] = field(default_factory=list)
    lied_to: int = 0

    @property
    def acknowledged(self) -> float:
        """Share of places that the city holds or answers for, of those not held for a person."""
        fine = sum(self.states[s] for s in ("acked", "token", "linked", "duplicate"))
        kept = self.runs - self.lied_to - self.states["held"] - self.states["refused"]
        return fine / kept if kept else 1.0

    def words(self) -> str:
        """As lines for people."""
        counts = ", ".join(f"{k} {v}" for k, v in sorted(self.states.items()))
        return (
            f"{self.runs} runs: {len(self.doubled)} doubled, {len(self.lost)} lost,"
            f" {len(self.restless)} never at rest; {counts};"
            f" {self.acknowledged:.4f} of those not for a person acknowledged;"
            f" {self.lied_to} where the city lied"
        )


def runs(count: int, *, seed: int) -> Iterator[Run]:
    """Each fault alone, then random pairs."""
    rng = random.Random(seed)  # noqa: S311
    names = [n for n in get_args(FaultName) if n]
    common = [n for n in names if n not in DEAR]
    occasions: list[Occasion] = ["create", "read", "list", "one", "token", "services"]
    for number in range(count):
        if number < len(names):
            yield Run(number, names[number], "", "read")
            continue
        pool = names if rng.random() < 0.05 else common
        yield Run(number, rng.choice(pool), rng.choice(pool), rng.choice(occasions))


def campaign(count: int, *, seed: int, say: bool = False) -> Tally:
    """So many runs, in worlds of 8 places each."""
    tally, todo = Tally(), list(runs(count, seed=seed))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        template = with_places(folder, PER_WORLD)
        for k in range(0, count, PER_WORLD):
            store = folder / f"world-{k}.db"
            shutil.copy(template, store)
            _world(todo[k : k + PER_WORLD], store, folder, tally)
            if say:
                print(tally.words(), flush=True)
    return tally


def _world(todo: list[Run], store: Path, folder: Path, tally: Tally) -> None:
    clock = Clock()
    with ExitStack() as stack:
        city = stack.enter_context(Sandbox(0, clock=clock.utc))
        desk = desk_of(city, folder, stack=stack, deadline_s=DEADLINE_S)
        session = session_at(store, folder, desks=[desk], clock=clock)
        stack.enter_context(session.store)
        for run in todo:
            _one(run, session, city, clock, tally)


def _one(run: Run, session: Session, city: Sandbox, clock: Clock, tally: Tally) -> None:
    before = {row.place_id for row in session.store.outbox()}
    city.set_seed(run.seed)
    rules = [Faults(fault=run.first, on="create", times=1, **QUIET)]
    if run.second:
        rules.append(Faults(fault=run.second, on=run.on, times=2, **QUIET))
    city.set_faults(rules)
    until_ns = clock.now_ns + MONTH_NS
    row: OutboxRow | None = None
    for _ in range(STEPS):
        # One place at a time: nothing else may go out while its request is in doubt.
        sending = row is None or row.state in ("intent", "safe_retry")
        progress = advance(
            session.store, now_ns=clock.now_ns, work=session.work,
            lanes=("submit",) if sending else ("sync",), allow_send=True,
        )  # fmt: skip
        row = next((r for r in session.store.outbox() if r.place_id not in before), row)
        if row is not None and row.state in AT_REST:
            break
        clock.follow(progress)
        if clock.now_ns > until_ns:
            break
    city.set_faults([])
    _judge(run, row, city, tally)


def _judge(run: Run, row: OutboxRow | None, city: Sandbox, tally: Tally) -> None:
    tally.runs += 1
    lied = bool({run.first, run.second} & LIES)
    tally.lied_to += lied
    if row is None:
        tally.restless.append(run)
        return
    held = [r for r in city.ledger() if row.marker in str(r.get("description", ""))]
    if not lied:
        tally.states[row.state] += 1
    if len(held) > 1:
        tally.doubled.append(run)
    if row.state not in AT_REST and row.state != RequestState.TOKEN:
        tally.restless.append(run)
    claimed = row.state in {RequestState.ACKED, RequestState.TOKEN}
    if claimed and not held and not lied:
        tally.lost.append(run)
