"""The worker: uploads come in through a watched folder, work goes on for ever.

A file is complete when it is there under its own name: writers put it beside under a name that
begins with a dot or ends in ``.tmp`` or ``.part``, and rename it. What becomes of a file follows
from the ledger, so a worker that is killed anywhere goes on where it was: accepted files leave
the inbox for the originals, which are kept for a while; refused ones go to ``rejected/`` with
their reason beside them, and are kept as long.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from streetbump.commands.session import Session, reopened
from streetbump.errors import InputError, StoreBusy
from streetbump.model import DAY_NS, Reason, upload_id_of
from streetbump.pipeline import LANES, Progress, Status
from streetbump.pipeline.intake import UploadOptions
from streetbump.stores import Offer

UNFINISHED = (".tmp", ".part")
REJECTED = "rejected"
NOTE = ".reason.json"
RENAMED = ".upload"
"""Ending of a file whose own name is not UTF-8."""
AGAIN = (Reason.POISON, Reason.RESOURCE, Reason.UNREADABLE)
"""Not the file's fault, perhaps: it is tried again when a person moves it back."""
NAME_CHARS = 60
NAME_BYTES = 180
"""So much of a name is kept in ``rejected/``; file systems take 255 bytes, with all we add."""
TALK = ("sync", "submit")
"""The lanes that wait for cities."""
IDLE_S = 1.0
"""Pause before the inbox is looked at again, s. Chosen by us."""
TIDY_S = 600.0
"""Pause before what is set aside and kept is looked through again, s. Chosen by us: that may be a
month of files, and its times are days."""


@dataclass(frozen=True)
class _Seen:
    """A file as it was when it was hashed."""

    size: int
    mtime_ns: int
    upload_id: str


class Inbox:
    """A watched folder, and what the ledger says of the files in it."""

    def __init__(self, folder: Path, session: Session) -> None:
        if not folder.is_dir():
            raise InputError(f"--inbox {_printable(str(folder))}: no such folder")
        if _printable(str(folder.absolute())) != str(folder.absolute()):
            raise InputError(f"--inbox {_printable(str(folder))}: its path is not UTF-8")
        self.session = session
        self._folder = folder
        self._rejected = folder / REJECTED
        self._files = session.store.files
        self._originals = session.store.beside("originals")
        self._seen: dict[Path, _Seen] = {}
        self._told: dict[Path, str] = {}
        self._looked_ns: int | None = None
        self._tidied_ns: int | None = None

    def look_again(self) -> None:
        """Look, unless that was done just now."""
        if self._is_time(self._looked_ns, IDLE_S):
            self.look()

    def look(self) -> None:
        """Queue what is new, move out what is done. A file that gives trouble stops no other."""
        paths = self._files.list(self._folder)
        self._seen = {path: self._seen[path] for path in paths if path in self._seen}
        self._told = {path: said for path, said in self._told.items() if self._files.exists(path)}
        ids: dict[Path, str] = {}
        for path in paths:
            if path.name.startswith(".") or path.suffix in UNFINISHED:
                continue
            with self._careful(path):
                upload_id = self._identify(path)
                if upload_id is not None:
                    ids[path] = upload_id
        known = self.session.store.uploads_known(ids.values())
        for path, upload_id in ids.items():
            with self._careful(path):
                self._settle(path, upload_id, known.get(upload_id))
        if self._is_time(self._tidied_ns, TIDY_S):
            self._finish_notes()
            self._forget(self._originals)
            self._forget(self._rejected)
            self._tidied_ns = self.session.clock()
        self._looked_ns = self.session.clock()

    def _is_time(self, last_ns: int | None, pause_s: float) -> bool:
        """Whether so much time has passed; a clock that was set back says nothing."""
        passed_ns = None if last_ns is None else self.session.clock() - last_ns
        return passed_ns is None or not 0 <= passed_ns < pause_s * 1e9

    @contextmanager
    def _careful(self, path: Path) -> Iterator[None]:
        """Tell of trouble with a file instead of ending; that it is gone is none."""
        try:
            yield
        except FileNotFoundError:
            pass  # another worker was first
        except (OSError, UnicodeError) as exc:
            self._tell(path, getattr(exc, "strerror", None) or str(exc))

    def waiting(self) -> bool:
        """Whether the ledger has uploads that nobody has finished."""
        return self.session.store.uploads_waiting()

    def _tell(self, path: Path, problem: str) -> None:
        """Tell of a file that cannot be handled: once, not at every look."""
        if self._told.get(path) != problem:
            self._told[path] = problem
            self.session.work.observe("inbox", file=_printable(path.name), problem=problem)

    def _identify(self, path: Path) -> str | None:
        """The upload id of a file, hashed once per version of it; None when it was too large.

        Such a file is not worth reading, and set aside.
        """
        stat, limit = path.stat(), self.session.settings.door.size_limit_bytes
        if stat.st_size > limit:
            name = _printable(path.name)
            text = f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}"
            hint = f"{stat.st_size} bytes, the limit is {limit}"
            upload_id = hashlib.sha256(text.encode()).hexdigest()
            self._set_aside(path, upload_id, name, Reason.TOO_LARGE, hint)
            return None
        known = self._seen.get(path)
        if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            return known.upload_id
        upload_id = upload_id_of(self._files.read(path))
        self._seen[path] = _Seen(stat.st_size, stat.st_mtime_ns, upload_id)
        return upload_id

    def _settle(
        self, path: Path, upload_id: str, known: tuple[str, str | None, str | None] | None
    ) -> None:
        """Queue a file that is not `known`, or do with it as the ledger says."""
        if known is None:
            self._offer(path, upload_id, _printable(path.name))
            return
        state, reason, hint = known
        if state == "accepted":
            self._keep(path, upload_id)
        elif state == "rejected":
            note = self._left_behind(upload_id) if reason in AGAIN else None
            if note is None:
                name = self._name(path, upload_id)
                self._set_aside(path, upload_id, name, reason or "", hint or "")
                return
            self._offer(path, upload_id, self._name_in(note) or self._name(path, upload_id))
            self._files.delete(note)  # so that, refused once more, it is set aside once more

    def _offer(self, path: Path, upload_id: str, name: str) -> None:
        """Queue a file. The ledger takes text only: a name that is none is changed first."""
        if _printable(path.name) != path.name:
            target = path.with_name(upload_id[:16] + RENAMED)
            self._files.move(path, target)
            path = target
        offer = Offer(upload_id, name, str(path.absolute()), UploadOptions().encoded(), live=True)
        self.session.store.offer([offer], now_ns=self.session.clock())

    def _name(self, path: Path, upload_id: str) -> str:
        """The name a file came under, as far as it is known."""
        if path.name == upload_id[:16] + RENAMED:
            rows = self.session.store.uploads()
            for name in rows.loc[rows["upload_id"] == upload_id, "name"]:
                return str(name)
        return _printable(path.name).removeprefix(f"{upload_id[:16]}-")

    # ------------------------------------------------------------------ what is done

    def _keep(self, path: Path, upload_id: str) -> None:
        """Move an accepted file to the originals, for a mended reader to read again."""
        target = self._originals / upload_id
        self._files.move(path, target)
        self._files.touch(target, self.session.clock())  # its days count from now

    def _set_aside(self, path: Path, upload_id: str, name: str, reason: str, hint: str) -> None:
        """Move a refused file to ``rejected/``, then show its reason beside it.

        The note is written before under a hidden name: it is shown only where a file was set
        aside, so a note without its file means that somebody took the file back.
        """
        short = name[:NAME_CHARS].encode()[:NAME_BYTES].decode(errors="ignore")
        target = self._rejected / f"{upload_id[:16]}-{short}"
        note = self._rejected / (target.name + NOTE)
        hidden = self._rejected / f".{note.name}"
        words = {"file": name, "upload_id": upload_id, "reason": reason, "hint": hint}
        text = json.dumps(words, ensure_ascii=False, indent=1) + "\n"
        self._files.write(hidden, text.encode(), private=True)
        self._files.move(path, target)
        self._files.touch(target, self.session.clock())
        self._show(hidden)

    def _show(self, hidden: Path) -> None:
        note = hidden.with_name(hidden.name[1:])
        self._files.move(hidden, note)
        self._files.touch(note, self.session.clock())

    def _finish_notes(self) -> None:
        """Show the notes of a worker that was killed while it set files aside."""
        for path in self._files.list(self._rejected):
            data = path.with_name(path.name[1:].removesuffix(NOTE))
            if path.name.startswith(".") and path.name.endswith(NOTE) and self._files.exists(data):
                with self._careful(path):
                    self._show(path)

    def _left_behind(self, upload_id: str) -> Path | None:
        """The note of a file that was set aside and is in ``rejected/`` no more."""
        for path in self._files.list(self._rejected):
            if path.name.startswith(f"{upload_id[:16]}-") and path.name.endswith(NOTE):
                data = path.with_name(path.name.removesuffix(NOTE))
                if not self._files.exists(data):
                    return path
        return None

    def _name_in(self, note: Path) -> str | None:
        """The full name of a file, from its note; None when somebody spoiled it."""
        try:
            return str(json.loads(self._files.read(note))["file"])
        except (ValueError, KeyError, TypeError):
            return None

    def _forget(self, folder: Path) -> None:
        """Delete uploaded bytes, and what was said of them, after their time."""
        # A little early, so that nothing is older when it is looked for again.
        limit_ns = self.session.settings.door.original_days * DAY_NS - round(TIDY_S * 1e9)
        for path in self._files.list(folder):
            with self._careful(path):
                if self.session.clock() - path.stat().st_mtime_ns > limit_ns:
                    self._files.delete(path)


def _printable(name: str) -> str:
    """A file name as text; bytes that are no UTF-8 are shown as such."""
    return os.fsencode(name).decode("utf-8", "replace")


def work(
    session: Session,
    inbox: Path,
    *,
    allow_send: bool,
    drain: bool,
    stop: threading.Event,
    lanes: Sequence[str] = LANES,
    on_progress: Callable[[Progress], None] = lambda _p: None,
) -> Progress:
    """Work until `stop` is set; with `drain`, until the inbox is empty and nothing is left.

    Talking with cities has a thread of its own, except with `drain`, where one thing follows the
    other.
    A step that is under way is ended before the function returns: nothing is cut off. A
    generation that is promoted meanwhile is taken up before the next step.

    Raises
    ------
    GenerationError
        The generation that was promoted cannot be computed by this version.
    """
    talk = [lane for lane in lanes if lane in TALK]
    if talk and session.work.desks and not drain:
        lanes = [lane for lane in lanes if lane not in TALK]
        with _Talking(session, stop, on_progress, lanes=talk, allow_send=allow_send):
            return work(
                session, inbox, allow_send=False, drain=False, stop=stop, lanes=lanes,
                on_progress=on_progress,
            )  # fmt: skip
    watched = Inbox(inbox, session)
    teller = _Teller(on_progress)
    while not stop.is_set():
        try:
            session = watched.session = _up_to_date(session)
            watched.look_again()
            progress = session.advance(lanes=lanes, allow_send=allow_send)
            if progress.status is Status.DONE:
                teller.tell(progress)
                continue
            watched.look()
        except StoreBusy as exc:  # another worker has it, or had it first
            progress = Progress(Status.WAIT, str(exc), session.clock() + 1_000_000_000)
        if drain and progress.status is Status.IDLE and not watched.waiting():
            return progress
        teller.tell(progress)
        stop.wait(IDLE_S if not drain else IDLE_S / 5)
    return Progress(Status.IDLE, "stopped")


class _Teller:
    """Tells of each step, and of each reason to wait once until there was nothing to wait for."""

    def __init__(self, on_progress: Callable[[Progress], None]) -> None:
        self._on_progress = on_progress
        self._told: set[str] = set()

    def tell(self, progress: Progress) -> None:
        """Pass a progress on, if it is news."""
        if progress.status is Status.IDLE:
            self._told.clear()
        elif progress.status is Status.DONE or progress.what not in self._told:
            self._told.add(progress.what)
            self._on_progress(progress)


class _Talking:
    """The lanes that talk with cities in a thread of their own: no upload waits for a slow city.

    Leaving the context waits for the call that is under way; what went wrong in the thread ends
    the worker and is raised there.
    """

    def __init__(
        self,
        session: Session,
        stop: threading.Event,
        on_progress: Callable[[Progress], None],
        *,
        lanes: Sequence[str],
        allow_send: bool,
    ) -> None:
        self._session, self._stop, self._on_progress = session, stop, on_progress
        self._lanes, self._allow_send = lanes, allow_send
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="cities")

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._problem is not None and error is None:
            raise self._problem

    def _run(self) -> None:
        try:
            self._talk()
        except BaseException as exc:
            self._problem = exc
            self._stop.set()

    def _talk(self) -> None:
        session, teller = self._session, _Teller(self._on_progress)
        while not self._stop.is_set():
            try:
                session = _up_to_date(session)
                progress = session.advance(lanes=self._lanes, allow_send=self._allow_send)
            except StoreBusy as exc:
                progress = Progress(Status.WAIT, str(exc))
            teller.tell(progress)
            if progress.status is not Status.DONE:
                self._stop.wait(IDLE_S)


def _up_to_date(session: Session) -> Session:
    """The session, on the generation that is active now."""
    active = session.store.active()
    if active is None or active.name == session.work.generation.name:
        return session
    return reopened(session)
