"""A store with everything that work in it needs, and how trip files come into it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from streetbump import runtime
from streetbump.commands.inputs import TripOptions, contents
from streetbump.config import Settings, shipped_settings
from streetbump.errors import StoreError
from streetbump.executors import Executor, Serial
from streetbump.model import upload_id_of
from streetbump.observe import Observer, silent
from streetbump.pipeline import LANES, Progress, Status, Work, advance
from streetbump.pipeline.generations import active_generation, named_generation
from streetbump.sending import Desk, plan_now
from streetbump.stores import Offer, Store
from streetbump.stores.engine import sqlite_path
from streetbump.stores.files import Files
from streetbump.submit.plan import PlaceFacts, Planned

OnProgress = Callable[[Progress], None]

SHORT_S = 2.0
"""A wait up to this long is waited out by a command, s."""

WAITS = 60
"""So many times in a row, then the command gives up and says to try again."""


@dataclass(frozen=True)
class Session:
    """A store with everything that work in it needs."""

    store: Store
    work: Work
    clock: Callable[[], int] = runtime.now_ns
    sleep: Callable[[float], None] = time.sleep

    @property
    def settings(self) -> Settings:
        """The settings of the generation that is worked on."""
        return self.work.settings

    def plan(self) -> tuple[tuple[Planned, ...], dict[str, PlaceFacts]]:
        """What would be done about every place now, and the facts behind it."""
        cities = [desk.city for desk in self.work.desks]
        return plan_now(self.store, cities, settings=self.settings, now_ns=self.clock())

    def advance(self, *, lanes: Sequence[str] = LANES, allow_send: bool = False) -> Progress:
        """One step of the pipeline."""
        return advance(
            self.store, now_ns=self.clock(), work=self.work, lanes=lanes, allow_send=allow_send
        )

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
            progress = self.advance(lanes=lanes, allow_send=allow_send)
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
    name: str | None = None,
    desks: Sequence[Desk] = (),
    executor: Executor | None = None,
    observe: Observer = silent,
    environ: Mapping[str, str] = os.environ,
    files: Files | None = None,
) -> Session:
    """Open (or make) a store, and take up its active generation, or the one of that name."""
    store = Store(url, gone=runtime.gone, files=files)
    take_up = active_generation if name is None else partial(named_generation, name=name)
    try:
        generation, used = take_up(
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
    return Session(store, work)


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
    return replace(session, work=replace(session.work, generation=generation, settings=used))


def existing_store(url: str) -> Store:
    """A store that is there already: for commands that only look.

    Raises
    ------
    StoreError
        There is no such file.
    """
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
    names: dict[str, str] = {}
    offers: dict[str, Offer] = {}
    for name, path, data in contents(paths, stdin):
        in_a_file = path is not None and not path.is_dir()
        source = str(Path(name).absolute()) if in_a_file else _spooled(session, data)
        upload_id = upload_id_of(data)
        names[upload_id] = name
        offers[upload_id] = Offer(upload_id, Path(name).name, source, how)
    old = {} if known else session.store.uploads_known(offers)
    session.store.offer(
        [o for o in offers.values() if o.upload_id not in old], now_ns=session.clock()
    )
    return names


def _spooled(session: Session, data: bytes) -> str:
    """Where bytes that are in no file of their own were put, until they are read."""
    path = session.store.beside("spool") / upload_id_of(data)
    session.store.files.write(path, data, private=True)
    return str(path.absolute())


def unspool(session: Session, upload_ids: Iterable[str]) -> None:
    """Delete what was put aside for uploads: they are whole tracks."""
    for upload_id in upload_ids:
        session.store.files.delete(session.store.beside("spool") / upload_id)
