"""The limited child: whatever an item does there costs that item, and nobody else."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from streetbump.config import Settings, shipped_settings
from streetbump.errors import ProcessLost, StreetbumpError
from streetbump.executors import Executor, Limited, Limits, Lost, Processes, Serial
from streetbump.model import Reason, upload_id_of
from streetbump.pipeline.intake import TakenIn, UploadOptions, _Job, _lost, take_in, warm_up
from streetbump.stores import Upload
from streetbump.stores.files import Files

from .trips.kit import KEY, plain_csv

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the worker runs on Linux")

MB = 2**20
LIMITS = Limits(memory_bytes=64 * MB, cpu_s=1, wall_s=60.0, items=1000, growth_bytes=32 * MB)
KEPT: list[bytes] = []


def nothing() -> None:
    """A child that needs no warming."""


def do(what: str) -> str:
    """Something that one item may do to the process it is worked on in."""
    if what == "too much memory":
        return str(np.ones(80 * MB, dtype=np.uint8).sum())
    if what == "too much time":
        while True:
            pass
    if what == "sleep":
        time.sleep(60)
    if what == "abort":
        os.abort()
    if what == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "exit":
        os._exit(0)
    if what == "error":
        raise TypeError(what)
    if what == "no answer that could be sent":
        return lambda: what  # type: ignore[return-value]
    if what == "keep 40 MB":
        KEPT.append(b"1" * (40 * MB))
    if what == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
    if what == "core":
        import resource

        return str(resource.getrlimit(resource.RLIMIT_CORE))
    return str(os.getpid())


def instead(item: str, lost: Lost) -> str:
    """What stands for a lost item."""
    return f"{item}: {'greedy' if lost.greedy else 'broken'}: {lost.what}"


@pytest.fixture(scope="module")
def limited() -> Iterator[Limited]:
    """An executor with small limits."""
    with Limited(LIMITS, warm=nothing) as executor:
        yield executor


def one(executor: Limited, what: str) -> str:
    """What comes of one item."""
    (got,) = executor.map(do, [what], instead=instead)
    return got


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("too much memory", "greedy: reading it took too much memory"),
        ("too much time", "greedy: reading it took too much time of the processor"),
        ("killed", "greedy: its reader was killed from outside"),
        ("abort", "broken: its reader broke down"),
        ("segfault", "broken: its reader broke down"),
        ("exit", "broken: its reader broke down"),
        ("error", "broken: reading it ended in TypeError"),
        ("no answer that could be sent", "broken: "),
    ],
)
def test_what_an_item_does_costs_that_item(limited: Limited, what: str, said: str) -> None:
    """It is lost with its reason; those beside it are done, in order, and the parent lives."""
    before, got, after = limited.map(do, ["fine", what, "fine"], instead=instead)
    assert got.startswith(f"{what}: {said}")
    assert before.isdigit()
    assert after.isdigit()
    assert before != after
    assert int(before) != os.getpid()


def meet(folder: str) -> str:
    """Wait for another item that waits here, too."""
    here = Path(folder)
    (here / str(os.getpid())).touch()
    while len(list(here.iterdir())) < 2:
        time.sleep(0.01)
    return str(os.getpid())


def test_children_work_at_the_same_time(tmp_path: Path) -> None:
    """Two items that wait for each other both end, in a child each."""
    with Limited(LIMITS, warm=nothing, children=2) as executor:
        assert executor.width == 2
        met = list(executor.map(meet, [str(tmp_path)] * 2, instead=instead))
    assert len(set(met)) == 2


def test_what_an_item_does_costs_none_in_another_child() -> None:
    """Of many items in three children those that do harm are lost, all others done, in order."""
    harm = ["abort", "too much memory", "killed", "error"]
    items = [what for k in range(8) for what in ("fine", harm[k % 4], "fine")]
    with Limited(LIMITS, warm=nothing, children=3) as executor:
        got = list(executor.map(do, items, instead=instead))
    assert [g.isdigit() for g in got] == [what == "fine" for what in items]
    assert all(
        g.startswith(f"{what}: ") for g, what in zip(got, items, strict=True) if what != "fine"
    )


def test_whoever_stops_asking_waits_for_nobody() -> None:
    """The items under way are given up with their children, and others can be done afterwards."""
    with Limited(LIMITS, warm=nothing, children=2) as executor:
        answers = executor.map(do, ["fine", "sleep", "sleep"], instead=instead)
        assert next(answers).isdigit()
        begin_s = time.monotonic()
        answers.close()  # type: ignore[attr-defined]
        assert time.monotonic() - begin_s < 30
        assert one(executor, "fine").isdigit()


def test_who_has_all_answers_need_not_ask_for_more(limited: Limited) -> None:
    """Children stay warm though the end of the answers was never looked for."""
    pids = set()
    for _ in range(3):
        answers = limited.map(do, ["fine"], instead=instead)
        pids.add(next(answers))
        del answers
    assert len(pids) == 1


def test_an_item_that_sleeps_is_ended() -> None:
    """The clock on the wall is watched as well: no item waits for ever."""
    with Limited(Limits(wall_s=1), warm=nothing) as executor:
        got, after = executor.map(do, ["sleep", "fine"], instead=instead)
    assert got == "sleep: greedy: reading it took longer than 1 s"
    assert after.isdigit()


def test_the_child_stays_warm(limited: Limited) -> None:
    """One child works on one item after another."""
    assert len(set(limited.map(do, ["fine"] * 20, instead=instead))) == 1


def test_the_child_is_replaced_after_so_many_items() -> None:
    """What may pile up in a process is thrown away with it."""
    with Limited(Limits(items=3), warm=nothing) as executor:
        pids = list(executor.map(do, ["fine"] * 7, instead=instead))
    assert [pids.index(pid) for pid in pids] == [0, 0, 0, 3, 3, 3, 6]


def test_the_child_is_replaced_when_it_has_grown(limited: Limited) -> None:
    """Memory that an item left behind is no other item's."""
    pids = [one(limited, what) for what in ("fine", "keep 40 MB", "fine", "fine")]
    assert pids[0] == pids[1] != pids[2] == pids[3]


def test_time_is_counted_for_each_item() -> None:
    """A child that worked long on many items is not ended for their sum."""
    with Limited(Limits(cpu_s=1), warm=nothing) as executor:
        assert len(set(executor.map(spin, [0.4] * 5, instead=lambda *_: "lost"))) == 1


def spin(cpu_s: float) -> str:
    """Use so much time of the processor."""
    end = time.process_time() + cpu_s
    while time.process_time() < end:
        pass
    return str(os.getpid())


def test_a_child_that_died_between_items_costs_none(limited: Limited) -> None:
    """Nobody is blamed for what happened while nothing was done."""
    pid = int(one(limited, "fine"))
    os.kill(pid, signal.SIGKILL)
    time.sleep(0.2)
    assert one(limited, "fine").isdigit()


def test_signals_for_the_worker_do_not_end_the_child(limited: Limited) -> None:
    """SIGTERM and Ctrl-C reach every process of a service: the step under way is ended first."""
    assert one(limited, "terminate") == one(limited, "fine")


def test_no_core_is_left_behind(limited: Limited) -> None:
    """The memory of the child holds positions."""
    assert one(limited, "core") == "(0, 0)"


@pytest.mark.parametrize("make", [Serial, lambda: Limited(LIMITS, warm=nothing)])
def test_trusted_items_are_done_here(make: type[Serial]) -> None:
    """Without a word of what stands for a lost item, none can be lost."""
    executor: Executor = make()
    assert list(executor.map(do, ["fine"])) == [str(os.getpid())]


def broken() -> None:
    """What cannot be warmed."""
    raise ValueError


def test_a_child_that_cannot_start_is_an_error() -> None:
    """Then no file is to blame, and none is refused."""
    with (
        Limited(LIMITS, warm=broken) as executor,
        pytest.raises(StreetbumpError, match="cannot be started"),
    ):
        list(executor.map(do, ["fine"], instead=instead))


# ------------------------------------------------------------------------------- uploads


def job(path: Path, settings: Settings) -> _Job:
    """An upload of a stranger, as the pipeline hands it out."""
    upload = Upload(
        upload_id=upload_id_of(path.read_bytes()), name=path.name, source=str(path),
        options=UploadOptions().encoded(), live=False, received_ns=0, attempts=1,
    )  # fmt: skip
    return _Job(upload, settings, KEY, Files())


def test_an_upload_gives_in_the_child_what_it_gives_here(tmp_path: Path) -> None:
    """Reading under limits changes no bit of a trip."""
    path = tmp_path / "trip.csv"
    path.write_text(plain_csv(seconds=300))
    with Limited(warm=warm_up) as executor:
        (there,) = executor.map(take_in, [job(path, shipped_settings())], instead=_lost)
    here = take_in(job(path, shipped_settings()))
    assert [t.file for t in there.taken] == [t.file for t in here.taken] != []
    for a, b in zip(there.taken, here.taken, strict=True):
        assert a.row == b.row
        assert a.detection.bumps.equals(b.detection.bumps)


@pytest.mark.parametrize(("greedy", "reason"), [(True, Reason.RESOURCE), (False, Reason.POISON)])
def test_a_lost_upload_is_refused(tmp_path: Path, greedy: bool, reason: Reason) -> None:
    """It asked for too much, or its reader broke: the code says which; and how much would fit."""
    path = tmp_path / "trip.csv"
    path.write_text("t")
    got: TakenIn = _lost(job(path, shipped_settings()), Lost(greedy, "why"))
    (row,) = got.rejected
    assert (row.reason, row.hint.split(":")[0]) == (reason, "why")
    assert ("split the recording" in row.hint) is greedy


def test_a_pool_that_loses_a_process_says_so() -> None:
    """What was done is given; then one line says what to do, with the code for trying again."""
    with Processes(1) as pool:
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
        with pytest.raises(ProcessLost, match="same command again") as caught:
            list(pool.map(do, ["killed", "nothing"]))
    assert caught.value.exit_code == 3
