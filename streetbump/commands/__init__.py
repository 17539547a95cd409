"""What the commands do, one function each: the library behind the command line.

Every function is given its effects (store, clock, desks) and returns tables or plain records;
printing is left to the caller.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import pandas as pd

from streetbump import runtime
from streetbump.cityprofile import FileChannel, shipped_city
from streetbump.cluster.places import flagged, why_not
from streetbump.config import Settings, parse_settings, shipped_settings
from streetbump.detect.trigger import reported
from streetbump.errors import ConfigError, InputError, StoreError, UsageError
from streetbump.executors import Executor, Serial
from streetbump.model import PlaceState, Reason, Rejected, RequestState, Trip, upload_id_of
from streetbump.observe import Observer, silent
from streetbump.pipeline import (
    LANES,
    Progress,
    Status,
    UploadOptions,
    Work,
    active_generation,
    advance,
    detect_trip,
    register,
    settings_of,
)
from streetbump.report.rows import cluster_rows, detect_rows, rejected_rows
from streetbump.sending import READABLE, Desk, compose_planned, plan_now
from streetbump.stores import PlaceRow, Store
from streetbump.stores.files import Files
from streetbump.submit.plan import Action
from streetbump.trips import explained, parse_column_map, read
from streetbump.trips.bundle import packed
from streetbump.trips.describe import describe
from streetbump.trips.door import admit, pseudonym
from streetbump.trips.notes import by_topic

OnProgress = Callable[[Progress], None]

STDIN = "-"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
SHORT_S = 2.0
"""A wait up to this long is waited out by a command, s."""
WAITS = 60
"""So many times in a row, then the command gives up and says to try again."""


@dataclass(frozen=True)
class TripOptions:
    """What a caller may say about trip files: the options of ``run`` and ``detect``."""

    columns: Path | None = None
    device: str | None = None
    tz: str | None = None
    date: str | None = None
    gps: Path | None = None
    trust_unnamed: bool = False

    def for_upload(self, *, door_key: bytes) -> UploadOptions:
        """As they are kept with an upload: no raw device name, paths made absolute."""
        if self.gps is not None and not self.gps.is_file():
            raise InputError(f"--gps {self.gps}: no such file")
        if self.date is not None and not _DAY.fullmatch(self.date):
            raise UsageError(f"--date {self.date}: not a day as YYYY-MM-DD")
        text = read_text(self.columns, "--columns") if self.columns else None
        if text is not None:
            parse_column_map(text, where=str(self.columns))
        options = UploadOptions(
            tz=self.tz,
            date=self.date,
            columns=text,
            gps=str(self.gps.absolute()) if self.gps else None,
            gps_sha256=upload_id_of(self.gps.read_bytes()) if self.gps else None,
            device=pseudonym(self.device, key=door_key) if self.device else None,
            trust_unnamed=self.trust_unnamed,
        )
        try:
            options.for_reader(
                Files(), local=True
            )  # a wrong zone or date is said before anything is queued
        except ValueError as exc:
            raise UsageError(f"--date {self.date}: {exc}") from exc
        return options


def read_text(path: Path, option: str) -> str:
    """The text of a file named on the command line.

    Raises
    ------
    ConfigError
        It cannot be read, or is not text.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"{option} {path}: {reason}") from exc


def load_settings(path: Path | None) -> Settings | None:
    """The settings of a file; None where none was named."""
    return None if path is None else parse_settings(read_text(path, "--settings"), where=str(path))


def trip_files(paths: Iterable[str]) -> list[Path]:
    """The files behind paths: folders recurse, in a fixed order; hidden files are left out.

    A folder that is one recording, as Sensor Logger and phyphox unpack to, stands for itself.

    Raises
    ------
    InputError
        A path does not exist.
    """
    found: list[Path] = []
    for name in paths:
        if not name:
            raise InputError("an empty path: no such file or folder")
        path = Path(name)
        if path.is_dir():
            found += _trips_inside(path)
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{name}: no such file or folder")
    return found


def _trips_inside(folder: Path) -> list[Path]:
    if _is_recording(folder):
        return [folder]
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or STORE_PART.search(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            found += _trips_inside(path)
        elif path.is_file():
            found.append(path)
    return found


_SAMPLES = frozenset(
    ("accelerometer.csv", "totalacceleration.csv", "accelerometeruncalibrated.csv", "raw data.csv",
     "linear acceleration.csv", "linear accelerometer.csv", "acceleration.csv")
)  # fmt: skip
"""Tables of acceleration in the folders that Sensor Logger and phyphox unpack to."""


def _is_recording(folder: Path) -> bool:
    """Whether the files in a folder belong to one recording."""
    names = {path.name.lower() for path in folder.iterdir()}
    about = {"metadata.csv", "location.csv", "locationgps.csv", "meta"} & names
    return bool(about and _SAMPLES & names) or (folder / "meta" / "time.csv").is_file()


def contents_of(path: Path) -> bytes:
    """The bytes of a trip file; of a folder that is one recording, a zip of its tables.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        if not path.is_dir():
            return path.read_bytes()
        tables = [p for p in path.rglob("[!.]*") if p.suffix.lower() in (".csv", ".json")]
        return packed({p.relative_to(path).as_posix(): p.read_bytes() for p in tables})
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror}") from exc


STORE_PART = re.compile(r"\.db(-wal|-shm|\.trips|\.originals|\.spool)?$")
"""Files and folders of a store, as they are named by default."""


# ------------------------------------------------------------------------------- detect


@dataclass(frozen=True)
class Detected:
    """Jolts of some files, and what was refused."""

    rows: pd.DataFrame
    rejected: pd.DataFrame


def detect_files(
    paths: Sequence[str],
    options: TripOptions,
    *,
    settings: Settings,
    everything: bool,
    stdin: Callable[[], bytes],
    on_file: Callable[[str], None] = lambda _name: None,
) -> Detected:
    """The jolts of trip files. Nothing is stored, so nothing is trimmed.

    Parameters
    ----------
    everything : bool
        All candidates, not only those at the operating point.
    """
    tables, refused = [], []
    for name, row in read_trips(paths, options, stdin=stdin, on_file=on_file):
        if isinstance(row, Rejected):
            refused.append((name, row))
            continue
        bumps = detect_trip(row, settings).bumps
        if not everything:
            bumps = bumps[reported(bumps, settings=settings.detect)]
        tables.append(
            detect_rows(
                row,
                bumps.reset_index(drop=True),
                unsure_below=settings.detect.unsure_below,
            )
        )
    rows = pd.concat(tables, ignore_index=True) if tables else _no_jolts()
    return Detected(rows, rejected_rows(refused))


_NO_KEY = b"nothing is stored"
"""For commands that show no pseudonym and store nothing."""


def read_trips(
    paths: Sequence[str],
    options: TripOptions,
    *,
    stdin: Callable[[], bytes],
    on_file: Callable[[str], None] = lambda _name: None,
) -> Iterator[tuple[str, Trip | Rejected]]:
    """File name and trip, or refusal, one after another; for commands that store nothing."""
    how = options.for_upload(door_key=_NO_KEY).for_reader(Files(), local=True)
    for name, data in _contents(paths, stdin):
        on_file(name)
        for row in read(data, name=Path(name).name, options=how, pseudonym=_nobody):
            yield name, row


def _nobody(_name: str) -> str:
    return "named"


def _no_jolts() -> pd.DataFrame:
    from streetbump.model import BUMPS
    from streetbump.report.rows import DETECT_COLUMNS

    empty = BUMPS.empty()
    text = pd.Series([], dtype="str")
    more = {"trip_id": text, "class": text, "t_utc_s": pd.Series([], dtype="float64")}
    return pd.DataFrame({c: more[c] if c in more else empty[c] for c in DETECT_COLUMNS})


def _contents(paths: Sequence[str], stdin: Callable[[], bytes]) -> Iterable[tuple[str, bytes]]:
    for name in paths:
        if name == STDIN:
            yield "standard input", stdin()
            continue
        for path in trip_files([name]):
            yield str(path), contents_of(path)


# ------------------------------------------------------------------------------- run


@dataclass(frozen=True)
class Session:
    """A store with everything that work in it needs."""

    store: Store
    work: Work
    settings: Settings
    clock: Callable[[], int] = runtime.now_ns
    sleep: Callable[[float], None] = time.sleep

    def until_idle(
        self,
        *,
        lanes: Sequence[str] = LANES,
        allow_send: bool = False,
        on_progress: OnProgress = lambda _p: None,
    ) -> Progress:
        """Advance until nothing is left; the last progress says whether something must wait.

        Short waits, for another process that is at work, are waited out here.
        """
        patience = WAITS
        while True:
            progress = advance(
                self.store, now_ns=self.clock(), work=self.work, lanes=lanes, allow_send=allow_send
            )
            if progress.status is Status.DONE:
                on_progress(progress)
                patience = WAITS
                continue
            wait_s = ((progress.wait_until_ns or 0) - self.clock()) / 1e9
            if progress.status is Status.IDLE or wait_s > SHORT_S or patience == 0:
                return progress
            patience -= 1
            self.sleep(max(wait_s, 0.05))


def open_session(
    url: str,
    *,
    settings: Settings | None,
    desks: Sequence[Desk] = (),
    executor: Executor | None = None,
    observe: Observer = silent,
    environ: Mapping[str, str] = os.environ,
    files: Files | None = None,
) -> Session:
    """Open (or make) a store, and take up its active generation."""
    store = Store(url, gone=runtime.gone, files=files)
    try:
        generation, used = active_generation(
            store, settings, shipped=shipped_settings(), now_ns=runtime.now_ns()
        )
        work = Work(
            settings=used,
            generation=generation,
            door_key=runtime.door_key(environ),
            owner=runtime.owner(),
            desks=tuple(desks),
            executor=executor or Serial(),
            observe=observe,
        )
    except BaseException:
        store.close()
        raise
    return Session(store, work, used)


def reopened(session: Session) -> Session:
    """The session with the store's active generation, which somebody may have promoted since.

    Raises
    ------
    GenerationError
        This version does not compute what the active generation was computed by.
    """
    generation, used = active_generation(
        session.store, None, shipped=shipped_settings(), now_ns=session.clock()
    )
    work = replace(session.work, generation=generation, settings=used)
    return replace(session, work=work, settings=used)


def existing_store(url: str) -> Store:
    """A store that is there already: for commands that only look.

    Raises
    ------
    StoreError
        There is no such file.
    """
    from streetbump.stores.engine import sqlite_path

    path = sqlite_path(url)
    if not path.is_file():
        raise StoreError(f"store {path}: does not exist; streetbump run makes one")
    return Store(url, gone=runtime.gone)


def offer_files(
    session: Session,
    paths: Sequence[str],
    options: TripOptions,
    *,
    stdin: Callable[[], bytes],
    known: bool = True,
) -> dict[str, str]:
    """Queue trip files: upload id → name. Nothing is queued when one of them cannot be read.

    Without `known`, files that the store has read already are left as they are.
    """
    how = options.for_upload(door_key=session.work.door_key).encoded()
    offers: dict[str, tuple[str, str]] = {}
    for name in paths:
        if name == STDIN:
            data = stdin()
            offers[upload_id_of(data)] = ("standard input", _spooled(session, data))
            continue
        for path in trip_files([name]):
            data = contents_of(path)
            source = _spooled(session, data) if path.is_dir() else str(path.absolute())
            offers[upload_id_of(data)] = (str(path), source)
    for upload_id, (name, source) in offers.items():
        if not known and session.store.upload(upload_id) is not None:
            continue
        session.store.offer(
            upload_id, name=Path(name).name, source=source, options=how, live=False,
            now_ns=session.clock(),
        )  # fmt: skip
    return {upload_id: name for upload_id, (name, _) in offers.items()}


def _spooled(session: Session, data: bytes) -> str:
    """Where bytes that are in no file of their own were put, until they are read."""
    path = session.store.beside("spool") / upload_id_of(data)
    session.store.files.write(path, data, private=True)
    return str(path.absolute())


def _unspool(session: Session, upload_ids: Iterable[str]) -> None:
    """Delete what was put aside for uploads: they are whole tracks."""
    for upload_id in upload_ids:
        session.store.files.delete(session.store.beside("spool") / upload_id)


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
    _unspool(session, offered)
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


_VANISHED = ("", Reason.UNREADABLE.value, "vanished or changed while it was read; offer it again")


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
        return [*words, "" if changed else "nothing new was reported"][: len(words) + (not changed)]
    decided, _ = plan_now(
        session.store,
        [d.city for d in session.work.desks],
        settings=session.settings,
        now_ns=session.clock(),
    )
    due = sum(p.action is Action.SEND for p in decided)
    return [f"dry run: {due} places would be reported; streetbump submit shows them, --send sends"]


# ------------------------------------------------------------------------------- clusters


def cluster_table(store: Store) -> pd.DataFrame:
    """Every cluster of the active generation in the columns of the contract."""
    places = store.places()
    place_of = {c: (p.place_id, p.state) for p in places for c in p.clusters}
    city_of = {row.place_id: row.city for row in store.outbox()}
    return cluster_rows(store.clusters(), place_of=place_of, city_of=city_of)


def narrow(
    table: pd.DataFrame,
    *,
    bbox: tuple[float, float, float, float] | None,
    classes: Sequence[str],
    states: Sequence[str],
    min_trips: int,
) -> pd.DataFrame:
    """The rows of a cluster table that were asked for. `bbox` is west, south, east, north."""
    keep = table["n_trips"] >= min_trips
    if bbox is not None:
        from streetbump.geo import in_bbox

        west, south, east, north = bbox
        keep &= in_bbox(
            table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy(),
            west=west, south=south, east=east, north=north,
        )  # fmt: skip
    if classes:
        keep &= table["class"].isin(list(classes))
    if states:
        keep &= table["state"].isin(list(states))
    return table[keep].reset_index(drop=True)


# ------------------------------------------------------------------------------- submit

PLAN_COLUMNS = ("place_id", "city", "action", "why", "priority", "class", "lat_deg", "lon_deg",
                "marker", "description", "cluster_id")  # fmt: skip


def plan_table(session: Session) -> pd.DataFrame:
    """What would go where, with its text, and why each other place, and cluster, would not."""
    desks = {d.city.name: d for d in session.work.desks}
    decided, facts = plan_now(
        session.store,
        [d.city for d in session.work.desks],
        settings=session.settings,
        now_ns=session.clock(),
    )
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


SYNC_COLUMNS = ("place_id", "episode", "city", "state", "request_id", "city_status", "since_utc",
                "city_words", "place_state", "note")  # fmt: skip


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
         None if r.status_ns is None else _utc(r.status_ns), r.city_words or None,
         states.get(r.place_id), r.note or None)
        for r in store.outbox()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(SYNC_COLUMNS))


def _utc(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def practice_profile(url: str) -> str:
    """The text of the practice city's profile, with the address it was started at."""
    shipped = resources.files("streetbump.data").joinpath("cities/sandbox.toml").read_text("utf-8")
    old = shipped_city("sandbox").channel
    return shipped.replace(getattr(old, "endpoint", ""), url)


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


# ------------------------------------------------------------------------------- review

DECISIONS = {"approve": "approved", "hold": "held", "reject": "rejected"}
REPORTED_NEXT = {PlaceState.FLAGGED.value, PlaceState.STILL_THERE.value}
"""States of places that a city hears of next, if nobody objects."""
REVIEWED = {*REPORTED_NEXT, PlaceState.HELD.value, PlaceState.REJECTED.value}
REVIEW_COLUMNS = ("place_id", "class", "state", "review", "request", "why", "lat_deg", "lon_deg")


def review_table(store: Store) -> pd.DataFrame:
    """The places that a person may decide on, and what was decided; the undecided come first.

    `request` is the state of the present episode's request, and what its city said: a place is
    held where that was refused, or may have been accepted and cannot be found.
    """
    requests = {(r.place_id, r.episode): r for r in store.outbox()}
    rows = []
    for p in sorted(store.places(), key=lambda p: (p.review is not None, p.place_id)):
        if p.state not in REVIEWED:
            continue
        sent = requests.get((p.place_id, p.episode))
        told = None if sent is None else f"{sent.state}: {sent.note}" if sent.note else sent.state
        rows.append((p.place_id, p.jolt_class, p.state, p.review, told, p.why, p.lat_deg,
                     p.lon_deg))  # fmt: skip
    return pd.DataFrame(rows, columns=list(REVIEW_COLUMNS))


def review(
    store: Store, place_id: str, decision: str, *, by: str, note: str, now_ns: int
) -> PlaceRow:
    """Enter what a person decided on a place: ``approve``, ``hold`` or ``reject``.

    Once every place that comes next has a decision, the hold after a promotion is over.

    Raises
    ------
    InputError
        There is no such place, or a city has it already.
    """
    place = store.place(place_id)
    if place is None:
        raise InputError(f"{place_id}: no such place; streetbump review list shows them")
    if place.state not in REVIEWED:
        raise InputError(f"{place_id}: is {place.state}: there is nothing to decide any more")
    rows = store.outbox_of([place_id])
    sent = next((RequestState(r.state) for r in rows if r.episode == place.episode), None)
    decided = _decided(place, sent, decision, said=f" by {by}" + (f": {note}" if note else ""))
    store.review(place, decided, by=by, note=note, now_ns=now_ns)
    active = store.active()
    waiting = any(p.state in REPORTED_NEXT and not p.review for p in store.places())
    if active is not None and active.review_first and not waiting:
        store.end_first_review(active.name)
    return decided


def _decided(place: PlaceRow, sent: RequestState | None, decision: str, *, said: str) -> PlaceRow:
    """A place after a decision; `sent` is the state of its present episode's request.

    An episode is sent once. So approving what a city refused begins the next one, and approving a
    request of unclear outcome has it looked up again first (`streetbump.sending`).
    """
    done = replace(place, review=DECISIONS[decision], why=DECISIONS[decision] + said)
    if decision == "reject":
        return replace(done, state=PlaceState.REJECTED.value)
    if place.state == PlaceState.REJECTED.value:
        held = sent in {RequestState.HELD, RequestState.REFUSED}
        done = replace(done, state=(PlaceState.HELD if held else PlaceState.FLAGGED).value)
    if decision != "approve":
        return done
    if sent is RequestState.HELD:
        more = "; its request is looked up once more, and sent anew if the city has none"
        return replace(done, why=done.why + more)
    if sent is RequestState.REFUSED:
        return replace(done, state=PlaceState.FLAGGED.value, episode=place.episode + 1,
                       why=f"{done.why}; reported anew")  # fmt: skip
    return done


# ------------------------------------------------------------------------------- reprocess


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
    again = replace(session, work=work, settings=work.settings)
    offered = offer_files(again, paths, TripOptions(), stdin=stdin, known=False)
    last = again.until_idle(lanes=("intake", "cluster"), on_progress=on_progress)
    _unspool(again, offered)
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


# ------------------------------------------------------------------------------- doctor


def doctor(url: str, *, environ: Mapping[str, str] = os.environ) -> pd.DataFrame:
    """What this installation and this store look like: one row per thing looked at."""
    from streetbump.stores.engine import sqlite_path

    packages = ("numpy", "scipy", "pandas", "pyarrow", "sqlalchemy", "httpx", "shapely")
    rows = [("python", "ok", platform.python_version())]
    rows += [(name, "ok", metadata.version(name)) for name in packages]
    import pyexpat
    import sqlite3

    rows += [
        ("sqlite", "ok", sqlite3.sqlite_version),
        ("expat", "ok" if pyexpat.version_info >= (2, 6) else "old",
         f"{'.'.join(map(str, pyexpat.version_info))}: XML with a DTD is refused in any case"),
    ]  # fmt: skip
    key = runtime.key_path(environ)
    rows.append(("door key", "ok" if key.is_file() else "none yet", str(key)))
    path = sqlite_path(url)
    if not path.is_file():
        return pd.DataFrame([*rows, ("store", "none yet", str(path))], columns=_DOCTOR)
    with Store(url) as store:
        n = store.counts()
        rows.append(("store", "ok", f"{path}: {json.dumps(n)}"))
        active = store.active()
        if active is not None:
            rows.append(("generation", "ok", f"{active.name} ({active.algorithm})"))
        rows += [("lease", "held", f"{r} by {o}") for r, o, _ in store.leases()]
        if n["uploads_queued"]:
            rows.append(("uploads", "waiting", f"{n['uploads_queued']} queued"))
    return pd.DataFrame(rows, columns=_DOCTOR)


_DOCTOR = ["what", "state", "detail"]


def doctor_trip(
    path: str, options: TripOptions, *, settings: Settings, stdin: Callable[[], bytes]
) -> list[dict[str, Any]]:
    """What was seen in a trip file, what was assumed and why: one record per trip or refusal."""
    records: list[dict[str, Any]] = []
    how = options.for_upload(door_key=_NO_KEY).for_reader(Files(), local=True)
    for name, data in _contents([path], stdin):
        for row, notes in explained(data, name=Path(name).name, options=how):
            if isinstance(row, Trip):
                found = detect_trip(row, settings)
                shown = int(reported(found.bumps, settings=settings.detect).sum())
                said = {**describe(row), "jolts": shown, "passes": len(found.passes)}
                notes = (*notes, ("at_the_door", _at_the_door(row, settings)))
            else:
                said = {"part": row.part, "refused": row.reason.value, "hint": row.hint}
            records.append({"file": name, **said, **by_topic(notes)})
    return records


def _at_the_door(trip: Trip, settings: Settings) -> str:
    """Whether a store would take the trip, as far as no key is needed to know it."""
    taken = admit(trip, key=_NO_KEY, settings=settings.door)
    if isinstance(taken, Rejected):
        return f"not taken by a store: {taken.reason}: {taken.hint}"
    more = "".join(f"; {w}" for w in taken.warnings if w not in trip.warnings)
    return f"taken by a store, without its ends, which differ from store to store{more}"


def doctor_city(name: str, *, stack: ExitStack) -> Iterator[dict[str, Any]]:
    """What a city profile says, what its endpoint shows of it, and what would mend it.

    Each row has `asked`, `state` (ok, note, deviates, fails) and `said`; the last, `to mend`, is
    TOML for the profile. Reads only: nothing is created.
    """
    from streetbump.submit.probe import mended

    profile, findings = runtime.probe_city(name, environ=os.environ, stack=stack)
    services = ", ".join(f"{k} → {s.code}" for k, s in sorted(profile.services.items()))
    live = "yes" if profile.live else "no: nothing is sent"
    for asked, said in (("profile", f"{profile.name} ({profile.title})"), ("services", services),
                        ("live", live)):  # fmt: skip
        yield {"asked": asked, "state": "note", "said": said}
    if isinstance(profile.channel, FileChannel):
        yield {"asked": "work list", "state": "ok", "said": profile.channel.path}
        return
    seen = []
    for finding in findings:
        seen.append(finding)
        yield {"asked": finding.asked, "state": finding.state, "said": finding.said}
    if text := mended(seen):
        yield {"asked": "to mend", "state": "note", "said": text}


def version() -> str:
    """What this is, for bug reports."""
    from streetbump import __version__

    return f"streetbump {__version__} (Python {sys.version.split()[0]})"
