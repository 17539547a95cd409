"""An open store, and a pool of processes where there is much to do: what commands work with."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from streetbump.cli.words import Output, Words

if TYPE_CHECKING:
    from streetbump.commands.session import Session
    from streetbump.config import Settings
    from streetbump.executors import Executor
    from streetbump.pipeline import Progress
    from streetbump.stores import Store

MANY_FILES = 24
"""From here on a pool of processes pays for its start."""


@dataclass(frozen=True)
class Shop:
    """What the options of every command say: which store, which settings, what goes out where."""

    url: str
    settings_path: Path | None
    out: Output
    words: Words

    def settings(self) -> Settings:
        """The settings that were named, else the shipped ones."""
        from streetbump.commands.inputs import used_settings

        return used_settings(self.settings_path)

    def store(self) -> Store:
        """The store, which must be there already: for commands that only look."""
        from streetbump.commands.session import existing_store

        return existing_store(self.url)

    @contextmanager
    def session(
        self,
        *,
        name: str | None = None,
        cities: Sequence[str] = (),
        width: int = 1,
        strangers: bool = False,
    ) -> Iterator[Session]:
        """An open store with a generation, desks and executor; closed at the end.

        The generation is the active one, or the one of that name. Uploads of `strangers` are
        read in child processes under limits, one for each processor.
        """
        from streetbump import runtime
        from streetbump.commands.inputs import load_settings
        from streetbump.commands.session import open_session
        from streetbump.executors import Limited
        from streetbump.observe import log, silent
        from streetbump.pipeline.intake import warm_up

        settings = load_settings(self.settings_path)
        with ExitStack() as stack:
            desks = runtime.open_desks(cities, environ=os.environ, stack=stack)
            limited = strangers and sys.platform == "linux"
            executor = stack.enter_context(
                Limited(warm=warm_up, children=os.cpu_count() or 1) if limited else pool(width)
            )
            session = open_session(
                self.url,
                settings=settings,
                name=name,
                desks=desks,
                executor=executor,
                observe=log if self.words.verbose else silent,
            )
            stack.enter_context(session.store)
            yield session


def say_if_empty(words: Words, paths: Sequence[str]) -> None:
    """Say that there was nothing to read: folders without files."""
    from streetbump.commands.inputs import STDIN, trip_files

    if STDIN not in paths and not trip_files(paths):
        words.say(f"no files there: {', '.join(paths)}")


def width_for(files: int) -> int:
    """How many processes should share the work on so many files."""
    return (os.cpu_count() or 1) if files > MANY_FILES else 1


@contextmanager
def pool(width: int) -> Iterator[Executor]:
    """A pool of so many processes; for one, this process."""
    from streetbump.executors import Processes, Serial
    from streetbump.pipeline.intake import warm_up

    if width == 1:
        yield Serial()
        return
    with Processes(width, warm=warm_up) as processes:
        yield processes


def steps(tell: Callable[[str], None]) -> Callable[[Progress], None]:
    """Tells of each step what was done."""
    return lambda progress: tell(progress.what)
