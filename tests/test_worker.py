"""The worker takes in a watched folder, and being killed anywhere changes nothing in the end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from msgspec import structs

from streetbump import worker
from streetbump.commands.generations import reprocess
from streetbump.commands.session import Session
from streetbump.config import Settings, shipped_settings
from streetbump.model import upload_id_of
from streetbump.pipeline import Progress, Status
from streetbump.simulate.town import drive_outing, named_town, plan_outings
from streetbump.simulate.writers import About, write
from streetbump.stores.files import Files
from streetbump.worker import work

from .conftest import KEY, ROOT, TRIPS, Workshop, no_stdin, take_in

DAY_NS = 86_400_000_000_000

# A worker whose process kills itself, with SIGKILL, the first time it comes to a point.
DYING_WORKER = """
import os, signal, sys, threading
from dataclasses import replace
from pathlib import Path
from streetbump import worker
from streetbump.commands.session import open_session

store, inbox, point = sys.argv[1:]
session = open_session(store, settings=None)

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
    with closing(sqlite3.connect(workshop.folder / "s.db")) as c:
        return c.execute("SELECT resource, owner FROM leases").fetchall()


@pytest.fixture
def expected(workshop: Workshop) -> pd.DataFrame:
    """The clusters of `run` over the good files, in a store of its own."""
    session = workshop.open("expected")
    take_in(session)
    return session.store.clusters()


def notes(inbox: Path) -> list[dict[str, str]]:
    """The reasons that are shown in rejected/."""
    return [json.loads(p.read_text()) for p in sorted((inbox / "rejected").glob("[!.]*.json"))]


def other_settings(settings: Settings) -> Settings:
    """Other settings of clustering: another generation."""
    return structs.replace(
        settings,
        version=settings.version + 1,
        cluster=structs.replace(settings.cluster, min_score=settings.cluster.min_score * 1.1),
    )


def drain(workshop: Workshop, inbox: Path, *, files: Files | None = None) -> None:
    session = workshop.open(files=files)
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
    workshop.now_ns += 31 * DAY_NS
    drain(workshop, inbox)
    assert list(originals.iterdir()) == []


@pytest.mark.parametrize("year_s", [-31_536_000, 31_536_000])
def test_the_time_of_originals_counts_from_when_they_were_kept(
    workshop: Workshop, year_s: int
) -> None:
    """The uploader's file time, a year ago or ahead, neither shortens nor lengthens it."""
    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:1])
    for path in inbox.iterdir():
        at_ns = workshop.now_ns + year_s * 1_000_000_000
        os.utime(path, ns=(at_ns, at_ns))
    drain(workshop, inbox)
    (original,) = (workshop.folder / "s.db.originals").iterdir()
    assert original.stat().st_mtime_ns == workshop.now_ns
    workshop.now_ns += 29 * DAY_NS
    drain(workshop, inbox)
    assert original.exists()
    workshop.now_ns += 2 * DAY_NS
    drain(workshop, inbox)
    assert not original.exists()
    assert list((inbox / "rejected").iterdir()) == []


class Deleting(Files):
    """Another worker deletes every original just before we do or look at it."""

    def list(self, folder: Path) -> list[Path]:
        found = super().list(folder)
        if folder.name.endswith(".originals"):
            for path in found:
                path.unlink()
        return found


def test_two_workers_may_delete_the_same_original(workshop: Workshop) -> None:
    """An original that another worker deleted first is nothing to stop at."""
    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:1])
    drain(workshop, inbox)
    assert len(list((workshop.folder / "s.db.originals").iterdir())) == 1
    drain(workshop, inbox, files=Deleting())  # a worker that begins looks what is to be deleted
    assert list((workshop.folder / "s.db.originals").iterdir()) == []


def test_what_is_kept_is_not_looked_through_at_every_step(workshop: Workshop) -> None:
    """A month of originals may lie there: their folder is listed once, whatever comes in."""
    listed: list[str] = []

    class Listing(Files):
        def list(self, folder: Path) -> list[Path]:
            listed.append(folder.name)
            return super().list(folder)

    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:3])
    drain(workshop, inbox, files=Listing())
    assert listed.count("s.db.originals") == 1
    assert listed.count("inbox") > 1


class Unreadable(Files):
    """Files whose name says so cannot be read."""

    def read(self, path: Path) -> bytes:
        if "unreadable" in path.name:
            raise PermissionError(13, "Permission denied")
        return super().read(path)


def test_a_file_that_cannot_be_read_stops_no_other(workshop: Workshop) -> None:
    """The observer is told of it once; the files before and after it are taken."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    for name, trip in zip(["a.csv", "m-unreadable.csv", "z.csv"], TRIPS, strict=False):
        rename_in(inbox, name, Path(trip).read_bytes())
    events: list[dict[str, object]] = []
    session = workshop.open(files=Unreadable())
    observed = replace(session.work, observe=lambda event, **more: events.append({event: more}))
    session = replace(session, work=observed)
    work(session, inbox, allow_send=False, drain=True, stop=threading.Event())
    assert [p.name for p in inbox.iterdir() if p.is_file()] == ["m-unreadable.csv"]
    assert len(list((workshop.folder / "s.db.originals").iterdir())) == 2
    told = [event["inbox"] for event in events if "inbox" in event]
    assert told == [{"file": "m-unreadable.csv", "problem": "Permission denied"}]


def test_a_name_that_is_not_utf_8_is_taken(workshop: Workshop) -> None:
    """Good or bad, such a file is taken; its name is shown with replacement characters."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    rename_in(inbox, os.fsdecode(b"Stra\xdfe.csv"), Path(TRIPS[0]).read_bytes())
    rename_in(inbox, os.fsdecode(b"l\xe4nge.csv"), b"")
    drain(workshop, inbox)
    assert sorted(workshop.open().store.uploads()["name"]) == ["Stra\ufffde.csv", "l\ufffdnge.csv"]
    assert [p.name for p in inbox.iterdir()] == ["rejected"]
    (note,) = notes(inbox)
    assert (note["file"], note["reason"]) == ("l\ufffdnge.csv", "EMPTY")


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "\U0001f6a7" * 62 + ".csv"])
def test_a_very_long_name_is_cut_in_rejected(workshop: Workshop, name: str) -> None:
    """A refused file of the longest name there can be is set aside; its note has the full name."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    (inbox / name).write_bytes(b"")
    drain(workshop, inbox)
    file, note = sorted((inbox / "rejected").iterdir(), key=lambda p: len(p.name))
    assert note.name == file.name + ".reason.json"
    first, _, short = file.name.partition("-")
    assert first == upload_id_of(b"")[:16]
    assert 40 <= len(short) <= 60
    assert name.startswith(short)
    assert json.loads(note.read_text())["file"] == name


def test_an_inbox_on_another_file_system(
    workshop: Workshop, expected: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where files cannot be renamed to the originals they are copied, and leave the inbox."""
    inbox = workshop.folder / "inbox"
    fill(inbox)
    rename = Path.replace

    def replace_within(self: Path, target: Path) -> Path:
        if (inbox in self.parents) != (inbox in Path(target).parents):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace_within)
    drain(workshop, inbox)
    pd.testing.assert_frame_equal(workshop.open().store.clusters(), expected, check_exact=True)
    assert [p.name for p in inbox.iterdir()] == ["rejected"]
    originals = list((workshop.folder / "s.db.originals").iterdir())
    assert {p.name for p in originals} == {upload_id_of(Path(t).read_bytes()) for t in TRIPS}
    assert {p.name for p in originals} == {upload_id_of(p.read_bytes()) for p in originals}


class Counting(Files):
    """Remembers what was read."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def read(self, path: Path) -> bytes:
        self.names.append(path.name)
        return super().read(path)


LIMIT_BYTES = 20_971_520


def test_files_over_the_limit_are_not_read(workshop: Workshop) -> None:
    """Fifty files too large for the door, from one byte on, are set aside by their size alone.

    The ledger knows nothing of them; what has just the limit, or a little less, is read.
    """
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    large = {f"large-{k}.csv": LIMIT_BYTES + (1 if k == 0 else k * k * 997) for k in range(50)}
    taken = {f"taken-{k}.csv": LIMIT_BYTES - k * 40_000 for k in range(5)}
    for name, size in (large | taken).items():
        with (inbox / name).open("wb") as file:
            file.truncate(size)
    files = Counting()
    drain(workshop, inbox, files=files)
    assert not [name for name in files.names if "large" in name]
    said = {note["file"]: note for note in notes(inbox)}
    assert {name for name, note in said.items() if note["reason"] == "TOO_LARGE"} == set(large)
    assert all(f"{size} bytes" in said[name]["hint"] for name, size in large.items())
    assert {said[name]["reason"] for name in taken} == {"CONTROL_CHARS"}  # read: they hold NULs
    assert workshop.open().store.counts()["uploads"] == len(taken)


def test_links_in_the_inbox_are_left_alone(workshop: Workshop) -> None:
    """A symbolic link is no upload: it could name any file the worker can read."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    (inbox / "link.csv").symlink_to(Path(TRIPS[0]).absolute())
    drain(workshop, inbox)
    assert (inbox / "link.csv").is_symlink()
    assert workshop.open().store.counts()["uploads"] == 0


def test_refused_files_are_private_and_deleted_after_their_time(workshop: Workshop) -> None:
    """rejected/ is the owner's alone, and what is in it goes when originals go."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    rename_in(inbox, "empty.csv", b"")
    drain(workshop, inbox)
    rejected = inbox / "rejected"
    assert rejected.stat().st_mode & 0o777 == 0o700
    workshop.now_ns += 29 * DAY_NS
    drain(workshop, inbox)
    assert len(list(rejected.iterdir())) == 2
    workshop.now_ns += 2 * DAY_NS
    drain(workshop, inbox)
    assert list(rejected.iterdir()) == []


def test_a_note_is_shown_after_a_kill_while_setting_aside(workshop: Workshop) -> None:
    """Killed between the move and the note, the next worker shows the note."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    rename_in(inbox, "empty.csv", b"")
    drain(workshop, inbox)
    (note,) = (inbox / "rejected").glob("*.json")
    note.rename(note.with_name(f".{note.name}"))
    drain(workshop, inbox)
    assert note.exists()


class Failing(Files):
    """Trips cannot be read twice: the first read is for their name in the ledger."""

    def __init__(self) -> None:
        self.seen: set[Path] = set()

    def read(self, path: Path) -> bytes:
        if path.suffix == ".csv" and path in self.seen:
            raise OSError(errno.EIO, "Input/output error")
        self.seen.add(path)
        return super().read(path)


def test_a_file_moved_back_is_tried_again(workshop: Workshop) -> None:
    """What was refused as unreadable is taken in when a person moves it back into the inbox."""
    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:1])
    (inbox / f"1-{Path(TRIPS[0]).name}").unlink()
    for name in ("empty.csv", "picture.csv", "no-accelerometer.csv"):
        (inbox / name).unlink()
    drain(workshop, inbox, files=Failing())
    (note,) = notes(inbox)
    assert note["reason"] == "UNREADABLE"
    (aside,) = (inbox / "rejected").glob("*.csv")
    aside.rename(inbox / aside.name)
    drain(workshop, inbox, files=Failing())  # refused once more, it is set aside once more
    assert notes(inbox) == [note]
    aside.rename(inbox / aside.name)
    drain(workshop, inbox)
    session = workshop.open()
    assert list(session.store.uploads()["state"]) == ["accepted"]
    assert list(session.store.uploads()["name"]) == [note["file"]]
    assert list((inbox / "rejected").iterdir()) == []


def test_a_refused_file_moved_back_is_set_aside_again(workshop: Workshop) -> None:
    """What is wrong with the file itself stays wrong: it goes back, under the same name."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    rename_in(inbox, "empty.csv", b"")
    drain(workshop, inbox)
    before = sorted((inbox / "rejected").iterdir())
    before[0].rename(inbox / before[0].name)
    drain(workshop, inbox)
    assert sorted((inbox / "rejected").iterdir()) == before
    assert notes(inbox)[0]["file"] == "empty.csv"


def test_the_operator_hears_why_nothing_is_done(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason of a wait is told when it is new, not at every look."""
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    session = workshop.open()
    later = session.clock() + 10**12
    first, second = (Progress(Status.WAIT, what, later) for what in ("the city rests", "closed"))
    coming = iter([first, first, second, first, Progress(Status.IDLE), first])
    monkeypatch.setattr(Session, "advance", lambda *_a, **_k: next(coming, Progress(Status.IDLE)))
    monkeypatch.setattr(worker, "IDLE_S", 0.01)
    stop, said = threading.Event(), []

    def hear(progress: Progress) -> None:
        said.append(progress.what)
        if len(said) == 3:
            stop.set()

    work(session, inbox, allow_send=False, drain=False, stop=stop, on_progress=hear)
    assert said == ["the city rests", "closed", "the city rests"]


def test_a_promoted_generation_is_taken_up(workshop: Workshop) -> None:
    """What comes in after a promote is computed by the promoted generation, by the same worker."""
    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:1])
    session, other = workshop.open(), workshop.open()
    first = session.work.generation.name
    changed = other_settings(shipped_settings())

    def promote(progress: Progress) -> None:
        if "clustered" in progress.what and other.store.active() == session.work.generation:
            reprocess(workshop.open(generation="next", settings=changed), paths=[], stdin=no_stdin)
            other.store.promote("next", now_ns=workshop.now_ns)
            rename_in(inbox, "second.csv", Path(TRIPS[1]).read_bytes())

    stop = threading.Event()
    work(session, inbox, allow_send=False, drain=True, stop=stop, on_progress=promote)
    assert other.store.counts()["trips"] == 2
    assert other.store.trips_pending("next") == 0
    assert other.store.trips_pending(first) == 1
    assert not other.store.stale_cells("next", limit=1)


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


def test_a_slow_city_keeps_no_upload_waiting(workshop: Workshop) -> None:
    """While a request hangs at the city, an upload that comes in is read and accepted."""
    from streetbump.submit.sandbox import Faults, Sandbox

    inbox = workshop.folder / "inbox"
    fill(inbox, TRIPS[:-1])
    late = Path(TRIPS[-1]).read_bytes()
    stop = threading.Event()
    slow = Faults(fault="timeout_after_accept", times=-1, delay_s=30)
    with Sandbox(0, faults=slow, clock=workshop.utc) as city:
        session = workshop.open(desks=[workshop.desk(city)])
        thread = threading.Thread(
            target=work, args=(session, inbox),
            kwargs={"allow_send": True, "drain": False, "stop": stop},
        )  # fmt: skip
        thread.start()
        try:
            wait_for(lambda: [r for r in session.store.outbox() if r.state == "sending"])
            rename_in(inbox, "late.csv", late)
            wait_for(lambda: session.store.upload(upload_id_of(late)) is not None
                     and session.store.upload(upload_id_of(late))[0] == "accepted")  # fmt: skip
            assert [r.state for r in session.store.outbox()] == ["sending"]
        finally:
            stop.set()
            thread.join()
    assert len(city.ledger()) == 1


def wait_for(condition: Callable[[], object], *, at_most_s: float = 60.0) -> None:
    end = time.monotonic() + at_most_s
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.05)


def test_parquet_is_read_from_a_named_path_and_never_from_the_inbox(workshop: Workshop) -> None:
    """The operator's own Parquet gives its trip; the same bytes in the inbox are refused."""
    town = named_town("small", seed=11)
    (outing,) = plan_outings(town, trips=1, seed=11, minutes=3.0)
    about = About(device="phone-x", start_utc_s=1_772_440_000.0, platform="android", tz="UTC")
    data = write(drive_outing(town, outing, seed=11), about=about, logger="parquet")
    inbox = workshop.folder / "inbox"
    inbox.mkdir()
    rename_in(inbox, "trip.parquet", data)
    drain(workshop, inbox)
    (note,) = notes(inbox)
    assert (note["file"], note["reason"]) == ("trip.parquet", "UNSUPPORTED_TYPE")
    assert workshop.open().store.counts()["trips"] == 0

    path = workshop.folder / "trip.parquet"
    path.write_bytes(data)
    session = workshop.open("named")
    take_in(session, [str(path)])
    assert session.store.counts()["trips"] == 1
