"""The worker takes in a watched folder, and being killed anywhere changes nothing in the end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from streetbump.worker import work

from .conftest import KEY, ROOT, TRIPS, Workshop, take_in

# A worker whose process kills itself, with SIGKILL, the first time it comes to a point.
DYING_WORKER = """
import os, signal, sys, threading
from dataclasses import replace
from pathlib import Path
from streetbump import commands, worker

store, inbox, point = sys.argv[1:]
session = commands.open_session(store, settings=None)

def kill(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)

session = replace(session, work=replace(session.work, checkpoint=kill), clock=lambda: CLOCK)
worker.work(session, Path(inbox), allow_send=False, drain=True, stop=threading.Event())
"""


def fill(inbox: Path, paths: Sequence[str] = TRIPS) -> None:
    """Rename trips into the inbox, some of them twice, between bad files."""
    inbox.mkdir(exist_ok=True)
    for number, path in enumerate(paths):
        for copy in range(2 if number % 4 == 0 else 1):
            rename_in(inbox, f"{copy}-{Path(path).name}", Path(path).read_bytes())
    rename_in(inbox, "empty.csv", b"")
    rename_in(inbox, "picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(200))
    rename_in(inbox, "no-accelerometer.csv", b"time,latitude,longitude\n1,2,3\n")


def rename_in(inbox: Path, name: str, data: bytes) -> None:
    hidden = inbox / f".{name}.part"
    hidden.write_bytes(data)
    hidden.rename(inbox / name)


def leases(workshop: Workshop) -> list[tuple[str, str]]:
    with sqlite3.connect(workshop.folder / "s.db") as c:
        return c.execute("SELECT resource, owner FROM leases").fetchall()


@pytest.fixture
def expected(workshop: Workshop) -> pd.DataFrame:
    """The clusters of `run` over the good files, in a store of its own."""
    session = workshop.open("expected")
    take_in(session)
    return session.store.clusters()


def drain(workshop: Workshop, inbox: Path) -> None:
    session = workshop.open()
    work(session, inbox, allow_send=False, drain=True, stop=threading.Event())


def test_good_files_are_taken_and_bad_ones_set_aside(
    workshop: Workshop, expected: pd.DataFrame
) -> None:
    """Good files leave for the originals, bad ones lie in rejected/ with their reason."""
    inbox = workshop.folder / "inbox"
    fill(inbox)
    drain(workshop, inbox)
    session = workshop.open()
    pd.testing.assert_frame_equal(session.store.clusters(), expected, check_exact=True)
    assert [p.name for p in inbox.iterdir()] == ["rejected"]
    reasons = {
        note["file"]: note["reason"]
        for note in (json.loads(p.read_text()) for p in (inbox / "rejected").glob("*.json"))
    }
    assert reasons == {
        "empty.csv": "EMPTY",
        "picture.csv": "UNSUPPORTED_TYPE",
        "no-accelerometer.csv": "NO_ACCEL",
    }
    originals = workshop.folder / "s.db.originals"
    assert len(list(originals.iterdir())) == len(TRIPS)


@pytest.mark.parametrize("point", ["upload claimed", "clusters claimed", "clusters computed"])
def test_killed_at_a_step_it_ends_with_the_same_clusters(
    workshop: Workshop, expected: pd.DataFrame, point: str
) -> None:
    """SIGKILL at the claim, between jolts and clusters, and before the last commit.

    Each time the ledger shows the lease of the dead; the next worker goes on at once, because
    it can see that the owner runs no more, and ends with the clusters of `run`.
    """
    inbox = workshop.folder / "inbox"
    fill(inbox)
    script = DYING_WORKER.replace("CLOCK", str(workshop.now_ns))
    dead = subprocess.run(
        [sys.executable, "-c", script, workshop.url(), str(inbox), point],
        env={**os.environ, **workshop.environ}, cwd=ROOT, check=False,
    )  # fmt: skip
    assert dead.returncode == -signal.SIGKILL
    held = leases(workshop)
    assert held, "the ledger must show the live lease"
    assert all(resource.split(":")[0] in {"upload", "clusters"} for resource, _ in held)
    drain(workshop, inbox)
    session = workshop.open()
    assert leases(workshop) == []
    pd.testing.assert_frame_equal(session.store.clusters(), expected, check_exact=True)


def test_a_file_that_is_still_being_written_is_left_alone(workshop: Workshop) -> None:
    """Hidden, .tmp and .part files are no uploads."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    for name in (".hidden.csv", "a.csv.tmp", "b.csv.part"):
        (inbox / name).write_bytes(Path(TRIPS[0]).read_bytes())
    drain(workshop, inbox)
    assert workshop.open().store.counts()["uploads"] == 0
    assert len(list(inbox.iterdir())) == 3


def test_a_trip_from_the_future_or_long_ago_is_refused_at_the_door(workshop: Workshop) -> None:
    """Age and future limits hold where uploads come in, not in `run`."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    workshop.now_ns += 200 * 86_400_000_000_000
    rename_in(inbox, "old.csv", Path(TRIPS[0]).read_bytes())
    drain(workshop, inbox)
    (note,) = (json.loads(p.read_text()) for p in (inbox / "rejected").glob("*.json"))
    assert note["reason"] == "TOO_OLD"


def test_originals_are_deleted_after_their_time(workshop: Workshop) -> None:
    """Uploaded bytes are kept thirty days at most."""
    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:1])
    drain(workshop, inbox)
    originals = workshop.folder / "s.db.originals"
    assert len(list(originals.iterdir())) == 1
    workshop.now_ns = time.time_ns() + 31 * 86_400_000_000_000
    drain(workshop, inbox)
    assert list(originals.iterdir()) == []


def test_sigterm_ends_it_cleanly(workshop: Workshop) -> None:
    """SIGTERM: the step under way is ended, the exit code is 0, no lease is left."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "streetbump.cli", "worker", "--inbox", str(inbox),
         "--store", workshop.url()],
        env={**os.environ, **workshop.environ}, stderr=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stderr is not None
    with process:
        assert "watching" in process.stderr.readline()
        rename_in(inbox, "trip.csv", Path(TRIPS[0]).read_bytes())
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert "stopped" in process.stderr.read()
    assert leases(workshop) == []


def test_two_workers_share_an_inbox(workshop: Workshop, expected: pd.DataFrame) -> None:
    """Two processes on one folder and one store: each trip once, the same clusters."""
    inbox = workshop.folder / "inbox"
    fill(inbox)
    workshop.open()  # made by one, so that both only open it
    script = DYING_WORKER.replace("CLOCK", str(workshop.now_ns))
    both = [
        subprocess.Popen(
            [sys.executable, "-c", script, workshop.url(), str(inbox), "never"],
            env={**os.environ, **workshop.environ}, cwd=ROOT,
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [p.wait(timeout=120) for p in both] == [0, 0]
    pd.testing.assert_frame_equal(workshop.open().store.clusters(), expected, check_exact=True)


def test_the_key_of_the_door_is_made_once(tmp_path: Path) -> None:
    """A missing key is made, readable by its owner only; a spoiled one is said, not replaced."""
    from streetbump import runtime
    from streetbump.errors import StoreError

    environ = {"STREETBUMP_KEY_FILE": str(tmp_path / "a" / "key")}
    key = runtime.door_key(environ)
    assert (len(key), runtime.door_key(environ)) == (32, key)
    assert (tmp_path / "a" / "key").stat().st_mode & 0o77 == 0
    (tmp_path / "a" / "key").write_text(KEY[:10])
    with pytest.raises(StoreError, match="does not hold a key"):
        runtime.door_key(environ)
    shutil.rmtree(tmp_path / "a")
    (tmp_path / "a").write_text("a file where a folder should be")
    with pytest.raises(StoreError, match="set STREETBUMP_KEY_FILE"):
        runtime.door_key(environ)
