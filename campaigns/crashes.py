"""SIGKILL at every named step of a submission, whether the city took the request or not.

A child that was forked before any thread began forks a process for each try; that process works on
the store until its chosen step, and kills itself there. The next one finds what it left and dies
at another step, and so on: each death is a crash to recover from, many of them while recovering.
When all requests of a world are at rest the city's ledger is asked.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import tempfile
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.faults import AT_REST, DEADLINE_S, MONTH_NS, QUIET
from campaigns.world import Clock, desk_of, session_at, with_places
from streetbump.model import RequestState
from streetbump.pipeline import advance
from streetbump.sending import Desk
from streetbump.submit.sandbox import Faults, Sandbox

LONGEST = 8
"""A try dies at one of its first so many named steps, whichever those are."""
CITY_DOES = ("", "drop", "drop_stored", "timeout_after_accept", "500_stored", "500_not_stored")
PLACES = 20
STEPS = 2_000
LEASE_NS = 300_000_000_000


@dataclass
class Seen:
    """What the crashes came to; `doubled` and `lost` name the world and the request."""

    crashes: int = 0
    worlds: int = 0
    states: Counter[str] = field(default_factory=Counter)
    at: Counter[str] = field(default_factory=Counter)
    doubled: list[tuple[int, str]] = field(default_factory=list)
    lost: list[tuple[int, str]] = field(default_factory=list)

    def words(self) -> str:
        """As lines for people."""
        counts = ", ".join(f"{k} {v}" for k, v in sorted(self.states.items()))
        where = ", ".join(f"{k} {v}" for k, v in sorted(self.at.items()))
        return (
            f"{self.crashes} crashes ({where}) in {self.worlds} worlds:"
            f" {len(self.doubled)} doubled, {len(self.lost)} lost; requests: {counts}"
        )


def campaign(count: int, *, seed: int, say: bool = False) -> Seen:
    """So many crashes at least, in worlds of 20 places each."""
    seen, rng = Seen(), random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        template = with_places(folder, PLACES)
        nursery = _Nursery()  # forked now: no thread runs yet
        stack.callback(nursery.close)
        clock = Clock()
        city = stack.enter_context(Sandbox(0, clock=clock.utc))
        while seen.crashes < count:
            clock.now_ns = Clock().now_ns
            _world(rng, template, folder, nursery, city, clock, seen)
            if say:
                print(seen.words(), flush=True)
    return seen


def _world(
    rng: random.Random, template: Path, folder: Path, nursery: _Nursery, city: Sandbox,
    clock: Clock, seen: Seen,
) -> None:  # fmt: skip
    for old in folder.glob("world.db*"):
        old.unlink()
    store = folder / "world.db"
    shutil.copy(template, store)
    city.reset()
    job = {"store": str(store), "folder": str(folder), "port": city.port}
    died: dict[str, Any] = {"killed": 1}
    while died["killed"]:
        fault = rng.choice(CITY_DOES)
        city.set_faults([Faults(fault=fault, times=1, **QUIET)] if fault else [])
        last = rng.randint(1, LONGEST)
        died = nursery.run({**job, "now_ns": clock.now_ns, "last": last})
        if died["killed"]:
            seen.crashes += 1
            seen.at[died["at"]] += 1
        clock.now_ns += LEASE_NS + 1
    seen.worlds += 1
    _judge(died["outbox"], city, seen)


def _judge(outbox: list[dict[str, str]], city: Sandbox, seen: Seen) -> None:
    words = [str(row.get("description", "")) for row in city.ledger()]
    for row in outbox:
        held = sum(row["marker"] in text for text in words)
        seen.states[row["state"]] += 1
        claimed = row["state"] in {RequestState.ACKED, RequestState.TOKEN}
        if held > 1:
            seen.doubled.append((seen.worlds, row["marker"]))
        if row["state"] not in AT_REST or (claimed and not held):
            seen.lost.append((seen.worlds, row["marker"]))
    if len(outbox) != PLACES:
        seen.lost.append((seen.worlds, f"{len(outbox)} of {PLACES} requests"))
    if len(words) > PLACES:
        seen.doubled.append((seen.worlds, f"{len(words)} in the ledger"))


class _Nursery:
    """A process without threads that forks one for each try."""

    def __init__(self) -> None:
        import streetbump.submit.worklist  # noqa: F401 - here, so that no fork imports it

        ask_r, ask_w = os.pipe()
        tell_r, tell_w = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(ask_w), os.close(tell_r)
            with os.fdopen(ask_r) as asked, os.fdopen(tell_w, "w") as told, ExitStack() as stack:
                desk = None  # one for all tries: its client has not called when it is forked
                for line in asked:
                    job = json.loads(line)
                    desk = desk or desk_of(
                        _At(job["port"]), Path(job["folder"]), stack=stack, deadline_s=DEADLINE_S
                    )
                    told.write(json.dumps(_try(job, desk)) + "\n")
                    told.flush()
            os._exit(0)
        os.close(ask_r), os.close(tell_w)
        self._ask, self._told = os.fdopen(ask_w, "w"), os.fdopen(tell_r)

    def run(self, job: dict[str, Any]) -> dict[str, Any]:
        """One try: how it ended, and the outbox if it did not die."""
        self._ask.write(json.dumps(job) + "\n")
        self._ask.flush()
        answer: dict[str, Any] = json.loads(self._told.readline())
        return answer

    def close(self) -> None:
        """End it."""
        self._ask.close()
        self._told.close()
        os.waitpid(self._pid, 0)


def _try(job: dict[str, Any], desk: Desk) -> dict[str, Any]:
    reads, writes = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reads)
        with os.fdopen(writes, "w") as out:
            out.write(json.dumps({"killed": 0, "at": "", "outbox": _work(job, desk, out.fileno())}))
        os._exit(0)
    os.close(writes)
    with os.fdopen(reads) as said:
        text = said.read()
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return {"killed": 1, "at": text, "outbox": []}
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError(f"a try failed: {job}")
    answer: dict[str, Any] = json.loads(text)
    return answer


def _work(job: dict[str, Any], desk: Desk, tell: int) -> list[dict[str, Any]]:
    """Work until the last step of this try, and die there; if there are fewer, until all rests."""
    left = job["last"]

    def checkpoint(name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.write(tell, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    clock, folder = Clock(job["now_ns"]), Path(job["folder"])
    with ExitStack() as stack:
        session = session_at(Path(job["store"]), folder, desks=[desk], clock=clock,
                             checkpoint=checkpoint)  # fmt: skip
        stack.enter_context(session.store)
        until_ns = clock.now_ns + MONTH_NS
        for _ in range(STEPS):  # no world needs more
            progress = advance(
                session.store, now_ns=clock.now_ns, work=session.work,
                lanes=("cluster", "sync", "submit"), allow_send=True,
            )  # fmt: skip
            rows = session.store.outbox()
            if len(rows) == PLACES and all(row.state in AT_REST for row in rows):
                break
            clock.follow(progress)
            if clock.now_ns > until_ns:
                break
        return [{"marker": r.marker, "state": r.state} for r in session.store.outbox()]


@dataclass(frozen=True)
class _At:
    """Where the city is, for a process in which it does not run."""

    port: int

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://127.0.0.1:{self.port}/"
