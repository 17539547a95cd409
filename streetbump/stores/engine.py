"""Opening a database: pragmas that are checked, migrations, errors in our own words."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import make_url

from streetbump.errors import StoreBusy, StoreError, UsageError

HEAD = "0006"
"""The newest migration; a test holds it against the folder."""

BUSY_TIMEOUT_MS = 30_000
"""How long a command waits for another's transaction, ms. Chosen by us: longer than any of ours."""


def sqlite_path(url: str) -> Path:
    """The file behind an sqlite URL.

    Raises
    ------
    UsageError
        The URL is not one of a database file.

    >>> sqlite_path("sqlite:///a/b.db").as_posix()
    'a/b.db'
    """
    try:
        parsed = make_url(url)
    except sa.exc.ArgumentError as exc:
        raise UsageError(
            f"--store: {url!r} is not a store URL: try sqlite:///streetbump.db"
        ) from exc
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        raise UsageError(
            f"--store: only sqlite:///FILE is supported (got {parsed.render_as_string()})"
        )
    return Path(parsed.database)


def open_engine(url: str) -> sa.Engine:
    """An engine on a database whose schema is the newest.

    A new file is made; an older schema is migrated; a newer one is refused.

    Raises
    ------
    StoreError
        The file cannot be opened or written, is no database, does not take write-ahead logging,
        or comes from a newer streetbump.
    """
    path = sqlite_path(url)
    if not path.parent.is_dir():
        raise StoreError(f"store {path}: folder {path.parent} does not exist")
    _make_private(path)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000})
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin_immediate)
    try:
        with translated(str(path)):
            _migrate(engine, path)
    except BaseException:
        engine.dispose()
        raise
    return engine


def _make_private(path: Path) -> None:
    """Make a new database file readable by its owner only: it holds where phones were, and when."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        pass
    except OSError as exc:
        raise StoreError(f"store {path}: cannot be written: {exc.strerror}") from exc


def _prepare(connection: Any, _record: Any) -> None:
    """Set what each SQLite connection needs, and believe only what it answers."""
    connection.isolation_level = None  # we say BEGIN ourselves
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode.lower() != "wal":
        raise StoreError(f"the store's file system does not take write-ahead logging (got {mode})")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock at once where the transaction will write: no late deadlock."""
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


def _migrate(engine: sa.Engine, path: Path) -> None:
    with engine.connect().execution_options(reading=True) as connection:
        current = _revision(connection)
    if current == HEAD:
        return
    if current is not None and current > HEAD:
        raise StoreError(
            f"store {path}: made by a newer streetbump (schema {current}, this one knows {HEAD})"
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    row = connection.execute(sa.text("SELECT version_num FROM alembic_version")).first()
    return None if row is None else str(row[0])


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Turn the database library's errors into ours, with what to do."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.DatabaseError) as exc:
        what = str(exc.orig)
        if "locked" in what or "busy" in what:
            raise StoreBusy(f"store {name}: another process is writing; try again") from exc
        if "readonly" in what or "unable to open" in what:
            raise StoreError(f"store {name}: cannot be written: {what}") from exc
        if "not a database" in what:
            raise StoreError(f"store {name}: is not a streetbump store: {what}") from exc
        raise StoreError(f"store {name}: {what}") from exc
