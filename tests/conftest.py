"""What the tests of the whole share: a workshop in a temporary folder, with a clock of its own."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from streetbump import runtime
from streetbump.commands.inputs import TripOptions
from streetbump.commands.obstacles import import_obstacles
from streetbump.commands.requests import practice_profile
from streetbump.commands.run import RunResult, run
from streetbump.commands.session import Session, open_session
from streetbump.config import Settings
from streetbump.sending import Desk
from streetbump.stores.files import Files
from streetbump.submit.sandbox import Sandbox

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "fixtures" / "trips"
TRIPS = tuple(sorted(str(p) for p in FIXTURES.glob("*-2026-*.csv")))
NOON_NS = 1_773_600_000_000_000_000  # 2026-03-15 18:40 UTC, after the last fixture trip
KEY = "11" * 32


def load_script(name: str) -> ModuleType:
    """A script of the project as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def shared_data(*parts: str) -> Path:
    """A path in the shared data; the test is skipped only when nobody said where they are."""
    root = os.environ.get("STREETBUMP_DATA")
    if not root:
        pytest.skip("STREETBUMP_DATA is not set: real recordings and lists are NOT tested")
    return Path(root, *parts)


class Workshop:
    """A folder with a door key, in which stores are opened and closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_ns = NOON_NS
        self.environ = {"STREETBUMP_KEY_FILE": str(folder / "door.key")}
        (folder / "door.key").write_text(KEY)
        self._stack = ExitStack()

    def url(self, name: str = "s") -> str:
        return f"sqlite:///{self.folder / name}.db"

    def utc(self) -> datetime:
        """The workshop's time, for a practice city."""
        return datetime.fromtimestamp(self.now_ns / 1e9, UTC)

    def open(
        self,
        name: str = "s",
        *,
        desks: Sequence[Desk] = (),
        settings: Settings | None = None,
        generation: str | None = None,
        checkpoint: Callable[[str], None] | None = None,
        files: Files | None = None,
    ) -> Session:
        """A session on the store of that name; closed at the end of the test."""
        session = open_session(
            self.url(name),
            settings=settings,
            name=generation,
            desks=desks,
            environ=self.environ,
            files=files,
        )
        self._stack.enter_context(session.store)
        work = session.work if checkpoint is None else replace(session.work, checkpoint=checkpoint)
        return replace(session, work=work, clock=lambda: self.now_ns, sleep=self.sleep)

    def sleep(self, seconds: float) -> None:
        """Let the workshop's clock run on."""
        self.now_ns += round(seconds * 1e9)

    def desk(self, city: Sandbox, name: str = "city") -> Desk:
        """The desk of a practice city that runs."""
        path = self.folder / f"{name}.toml"
        path.write_text(practice_profile(city.url), "utf-8")
        return runtime.open_desk(str(path), environ=os.environ, stack=self._stack)

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    """A workshop in the test's own folder."""
    made = Workshop(tmp_path)
    yield made
    made.close()


def no_stdin() -> bytes:
    """Standard input of a test that gives none."""
    raise AssertionError("nothing should read standard input")


def take_in(
    session: Session, paths: Sequence[str] = TRIPS, *, allow_send: bool = False, **options: object
) -> RunResult:
    """Run trips through a session, as ``streetbump run`` does."""
    return run(
        session,
        paths,
        TripOptions(**options),  # type: ignore[arg-type]
        allow_send=allow_send,
        stdin=no_stdin,
    )


def import_inventory(session: Session) -> None:
    """Import the fixtures' obstacles."""
    import_obstacles(session, FIXTURES / "obstacles.geojson")
