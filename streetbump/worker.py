"""The worker: uploads come in through a watched folder, work goes on for ever.

A file is complete when it is there under its own name: writers put it beside under a name that
begins with a dot or ends in ``.tmp`` or ``.part``, and rename it. What becomes of a file follows
from the ledger, so a worker that is killed anywhere goes on where it was: accepted files leave
the inbox for the originals, which are kept for a while; refused ones go to ``rejected/`` with
their reason beside them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streetbump.commands import Session
from streetbump.errors import InputError, StoreBusy
from streetbump.model import upload_id_of
from streetbump.pipeline import LANES, Progress, Status, UploadOptions, advance

UNFINISHED = (".tmp", ".part")
REJECTED = "rejected"
IDLE_S = 1.0
"""Pause before the inbox is looked at again, s. Chosen by us."""
DAY_NS = 86_400_000_000_000


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
            raise InputError(f"--inbox {folder}: no such folder")
        self._folder = folder
        self._session = session
        self._files = session.store.files
        self._originals = session.store.beside("originals")
        self._seen: dict[Path, _Seen] = {}

    def look(self) -> None:
        """Queue what is new, move out what is done."""
        for path in self._files.list(self._folder):
            if path.name.startswith(".") or path.suffix in UNFINISHED:
                continue
            upload_id = self._identify(path)
            if upload_id is not None:
                self._settle(path, upload_id)
        self._forget_originals()

    def waiting(self) -> bool:
        """Whether the ledger has uploads that nobody has finished."""
        return self._session.store.uploads_waiting()

    def _identify(self, path: Path) -> str | None:
        """The upload id of a file, hashed once per version of it; None when it vanished."""
        try:
            stat = path.stat()
            known = self._seen.get(path)
            if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return known.upload_id
            upload_id = upload_id_of(self._files.read(path))
        except FileNotFoundError:
            return None
        self._seen[path] = _Seen(stat.st_size, stat.st_mtime_ns, upload_id)
        return upload_id

    def _settle(self, path: Path, upload_id: str) -> None:
        store = self._session.store
        known = store.upload(upload_id)
        if known is None:
            store.offer(
                upload_id,
                name=path.name,
                source=str(path.absolute()),
                options=UploadOptions().encoded(),
                live=True,
                now_ns=self._session.clock(),
            )
            return
        state, reason, hint = known
        if state == "accepted":
            self._keep(path, upload_id)
        elif state == "rejected":
            self._set_aside(path, upload_id, reason or "", hint or "")

    def _keep(self, path: Path, upload_id: str) -> None:
        """Move an accepted file to the originals, for a mended reader to read again."""
        self._move(path, self._originals / upload_id)

    def _set_aside(self, path: Path, upload_id: str, reason: str, hint: str) -> None:
        """Move a refused file to ``rejected/``, its reason beside it."""
        folder = self._folder / REJECTED
        note = {"file": path.name, "upload_id": upload_id, "reason": reason, "hint": hint}
        target = folder / f"{upload_id[:12]}-{path.name}"
        text = json.dumps(note, ensure_ascii=False, indent=1) + "\n"
        self._files.write(target.with_name(target.name + ".reason.json"), text.encode())
        self._move(path, target)

    def _move(self, path: Path, target: Path) -> None:
        try:
            self._files.move(path, target)
        except FileNotFoundError:
            return  # another worker was first
        self._seen.pop(path, None)

    def _forget_originals(self) -> None:
        """Delete uploaded bytes after their time."""
        limit_ns = self._session.settings.door.original_days * DAY_NS
        for path in self._files.list(self._originals):
            if self._session.clock() - path.stat().st_mtime_ns > limit_ns:
                self._files.delete(path)


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

    A step that is under way is ended before the function returns: nothing is cut off.
    """
    watched = Inbox(inbox, session)
    while not stop.is_set():
        watched.look()
        try:
            progress = advance(
                session.store,
                now_ns=session.clock(),
                work=session.work,
                lanes=lanes,
                allow_send=allow_send,
            )
        except StoreBusy as exc:  # another worker has it, or had it first
            progress = Progress(Status.WAIT, str(exc), session.clock() + 1_000_000_000)
        if progress.status is Status.DONE:
            on_progress(progress)
            continue
        watched.look()
        if drain and not watched.waiting() and progress.status is Status.IDLE:
            return progress
        stop.wait(IDLE_S if not drain else IDLE_S / 5)
    return Progress(Status.IDLE, "stopped")
