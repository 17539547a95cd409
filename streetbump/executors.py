"""Mapping a function over items: here, in a pool of local processes, or in limited children.

Parallelism lives here and nowhere else. All keep the order of the items, so what comes out does
not depend on which one is used.
"""

from __future__ import annotations

import gc
import math
import mmap
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol, Self, TypeVar, cast

from streetbump.errors import ProcessLost, StreetbumpError

if TYPE_CHECKING:
    from multiprocessing.context import ForkServerContext  # not on every system

A = TypeVar("A")
B = TypeVar("B")

_PRELOAD = ["numpy", "pandas", "scipy.ndimage", "streetbump.trips", "streetbump.detect"]


QUEUED = 8
"""Items at once for each process of a pool. Chosen by us."""


class Executor(Protocol):
    """What a caller needs: a map that keeps order, and how many items it takes at once."""

    width: int

    def map(
        self,
        function: Callable[[A], B],
        items: Iterable[A],
        *,
        instead: Callable[[A, Lost], B] | None = None,
    ) -> Iterator[B]:
        """`function` of each item, in order; `instead` of one whose process was lost."""
        ...


class Serial:
    """One after the other, in this process.

    >>> list(Serial().map(abs, [-1, 2]))
    [1, 2]
    """

    width = 1

    def map(
        self,
        function: Callable[[A], B],
        items: Iterable[A],
        *,
        instead: Callable[[A, Lost], B] | None = None,
    ) -> Iterator[B]:
        """`function` of each item, in order."""
        return map(function, items)


class Processes:
    """A pool of local processes, kept warm; the functions and the items must pickle.

    Parameters
    ----------
    warm : callable or None
        Called in each process before its first item, while the caller gets ready itself.
    """

    def __init__(self, processes: int, *, warm: Callable[[], object] | None = None) -> None:
        # Some items wait in line, so that no process does while the last ones are put away.
        self.width = QUEUED * processes
        _tell_children(_ONE_THREAD)
        context = multiprocessing.get_context("forkserver" if _has_forkserver() else "spawn")
        if _has_forkserver():
            context.set_forkserver_preload(_PRELOAD)
        self._pool = ProcessPoolExecutor(max_workers=processes, mp_context=context)
        if warm is not None:
            for _ in range(processes):
                self._pool.submit(_get_ready, warm)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def map(
        self,
        function: Callable[[A], B],
        items: Iterable[A],
        *,
        instead: Callable[[A, Lost], B] | None = None,
    ) -> Iterator[B]:
        """`function` of each item, in order.

        Raises
        ------
        ProcessLost
            The system ended one of the processes.
        """
        try:
            yield from self._pool.map(function, items)
        except BrokenProcessPool as exc:
            raise ProcessLost(
                "one of the processes was ended from outside, perhaps for want of memory: give the"
                " same command again"
            ) from exc


_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""For children: matrices are small, and threads of one that wait for each other on a processor take
it from the other children. 724 trips took 63 s with them and 38 s without on two processors."""


def _tell_children(said: dict[str, str]) -> None:
    """Set what children find in their environment, where the user has not."""
    for name, value in said.items():
        os.environ.setdefault(name, value)


_PLAIN_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1"}
"""For the child: address space that is reserved ahead would hide what an item takes."""


@dataclass(frozen=True)
class Limits:
    """What one item may cost in the limited child. All chosen by us but where said."""

    memory_bytes: int = 256 * 1024 * 1024
    """Address space over what the child holds before the item (design 12)."""
    cpu_s: int = 30
    """Processor time (robustness G9)."""
    wall_s: float = 120.0
    """Time on the clock: below half a lease, which covers two items."""
    items: int = 1000
    """So many, and a fresh child is taken."""
    growth_bytes: int = 64 * 1024 * 1024
    """A child that still holds so much more than when it was fresh is replaced."""


@dataclass(frozen=True)
class Lost:
    """Why an item has no result: it asked for too much (`greedy`), or its reader broke."""

    greedy: bool
    what: str


class Limited:
    """Child processes, kept warm, in which items of strangers are worked on under limits.

    Whatever an item does there (too much memory or time, a crash, any exception) costs that item
    and at most its child. Linux only. It is a fence against accidents and against input that is
    made to exhaust us, not a jail: the child may do what this process may.

    Parameters
    ----------
    warm : callable
        Called in a fresh child before its first item: imports and caches are no item's fault.
    children : int
        How many there are at once, at least 1.
    """

    def __init__(
        self, limits: Limits | None = None, *, warm: Callable[[], object], children: int = 1
    ) -> None:
        self.width = children
        self._limits = limits or Limits()
        self._warm = warm
        _tell_children(_ONE_THREAD | _PLAIN_MEMORY)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOAD)
        self._living: set[_Child] = set()
        self._free: SimpleQueue[_Child | None] = SimpleQueue()
        for _ in range(children):
            self._free.put(None)  # started when there is work for it

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for child in tuple(self._living):
            self._dismiss(child)

    def map(
        self,
        function: Callable[[A], B],
        items: Iterable[A],
        *,
        instead: Callable[[A, Lost], B] | None = None,
    ) -> Iterator[B]:
        """`function` of each item, in order; without `instead` they are trusted, and done here."""
        if instead is None:
            return map(function, items)
        return self._shared(function, items, instead)

    def _shared(
        self, function: Callable[[A], B], items: Iterable[A], instead: Callable[[A, Lost], B]
    ) -> Iterator[B]:
        """One thread for each child waits for its answers."""
        given_up = threading.Event()

        def one(item: A) -> B:
            return self._one(function, item, instead, given_up)

        with ThreadPoolExecutor(self.width) as threads:
            answers = [threads.submit(one, item) for item in items]
            try:
                for answer in answers:
                    yield answer.result()
            finally:
                under_way = [some for some in answers if not some.cancel() and not some.done()]
                if under_way:  # we are interrupted: what they answer later belongs to nobody
                    given_up.set()
                    for child in tuple(self._living):
                        child.process.kill()

    def _one(
        self,
        function: Callable[[A], B],
        item: A,
        instead: Callable[[A, Lost], B],
        given_up: threading.Event,
    ) -> B:
        child, kept = self._free.get(), None
        try:
            child = self._fresh_or_kept(child)
            if given_up.is_set():  # while the child was started; a later end kills it
                return instead(item, Lost(False, "it was given up"))
            outcome = child.run(function, item, wall_s=self._limits.wall_s)
            if isinstance(outcome, Lost):
                return instead(item, outcome)
            if not child.worn(self._limits):
                kept = child
            return cast("B", outcome.value)
        finally:
            if child is not kept:
                self._dismiss(child)
            self._free.put(kept)

    def _fresh_or_kept(self, child: _Child | None) -> _Child:
        if child is None or not child.process.is_alive():
            self._dismiss(child)
            child = _Child(self._context, self._limits, self._warm)
            self._living.add(child)
        return child

    def _dismiss(self, child: _Child | None) -> None:
        if child is not None:
            child.end()
            self._living.discard(child)


@dataclass(frozen=True)
class _Done:
    """What the child answers: the result, and the memory it holds."""

    value: object
    held_bytes: int


class _Child:
    """The process, seen from the parent."""

    def __init__(
        self, context: ForkServerContext, limits: Limits, warm: Callable[[], object]
    ) -> None:
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, limits, warm), name="limited", daemon=True
        )
        self.process.start()
        theirs.close()
        self._fresh_bytes = self._held_bytes = 0
        self._items = 0
        try:
            self._fresh_bytes = self._held_bytes = self._pipe.recv().held_bytes
        except EOFError as exc:
            raise StreetbumpError("the child that reads uploads cannot be started") from exc

    def run(self, function: Callable[[A], B], item: A, *, wall_s: float) -> _Done | Lost:
        """The answer to one item, or what became of it."""
        late = threading.Event()

        def kill() -> None:
            late.set()
            self.process.kill()

        watchdog = threading.Timer(wall_s, kill)
        watchdog.start()
        try:
            self._pipe.send((function, item))
            answer: _Done | Lost = self._pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            if late.is_set():
                return Lost(True, f"reading it took longer than {wall_s:g} s")
            return _end_of(self.process.exitcode or 0)
        finally:
            watchdog.cancel()
        if isinstance(answer, _Done):
            self._items += 1
            self._held_bytes = answer.held_bytes
        return answer

    def worn(self, limits: Limits) -> bool:
        """Whether it is time for another child."""
        grown = self._held_bytes - self._fresh_bytes
        return self._items >= limits.items or grown > limits.growth_bytes

    def end(self) -> None:
        """Kill it: between items there is nothing to save."""
        self.process.kill()
        self.process.join()
        self._pipe.close()


def _end_of(exit_code: int) -> Lost:
    if exit_code == -signal.SIGXCPU:
        return Lost(True, "reading it took too much time of the processor")
    if exit_code == -signal.SIGKILL:
        return Lost(True, "its reader was killed from outside, perhaps for want of memory")
    return Lost(False, f"its reader broke down (exit {exit_code})")


def _serve(pipe: Connection, limits: Limits, warm: Callable[[], object]) -> None:
    """Work on items until the parent is gone; runs in the child."""
    import resource  # not on every system

    for number in (signal.SIGINT, signal.SIGTERM):  # the parent decides when a step ends
        signal.signal(number, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would hold positions and keys
    _get_ready(warm)
    pipe.send(_Done(None, _memory_bytes()[1]))
    while True:
        try:
            function, item = pipe.recv()
        except EOFError:
            return
        space_bytes, _ = _memory_bytes()
        used_s = time.process_time()
        _set_soft(resource.RLIMIT_AS, space_bytes + limits.memory_bytes)
        _set_soft(resource.RLIMIT_CPU, math.ceil(used_s) + limits.cpu_s)
        answer = _answer(function, item)
        del function, item
        _set_soft(resource.RLIMIT_AS, resource.RLIM_INFINITY)
        pipe.send(answer)


def _get_ready(warm: Callable[[], object]) -> None:
    """Warm a child up; what it has imported then stays, and is searched for garbage no more."""
    warm()
    gc.collect()
    gc.freeze()


def _answer(function: Callable[[A], B], item: A) -> _Done | Lost:
    try:
        return _Done(function(item), _memory_bytes()[1])
    except MemoryError:
        return Lost(True, "reading it took too much memory")
    except Exception as exc:  # a fault of ours; the file is kept, and no other waits for it
        return Lost(False, f"reading it ended in {type(exc).__name__}, which is our fault")


def _set_soft(which: int, value: int) -> None:
    import resource

    _, hard = resource.getrlimit(which)
    resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _memory_bytes() -> tuple[int, int]:
    """Address space and resident memory of this process."""
    space, resident, *_ = Path("/proc/self/statm").read_text("ascii").split()
    return int(space) * mmap.PAGESIZE, int(resident) * mmap.PAGESIZE


def _has_forkserver() -> bool:
    return "forkserver" in multiprocessing.get_all_start_methods()
