"""What every part of the store stands on: transactions, generations, leases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from streetbump.errors import GenerationError, StoreBusy
from streetbump.stores import schema as t
from streetbump.stores.archive import Archive
from streetbump.stores.engine import open_engine, sqlite_path, translated
from streetbump.stores.files import Files
from streetbump.stores.records import Generation
from streetbump.stores.rows import chunks, put, selected


class Base:
    """A database at `url` (``sqlite:///FILE``), with the trip archive beside it.

    Parameters
    ----------
    gone : callable
        Says of a lease's owner whether that process certainly runs no more.
    files : Files or None
        The file system; None is the real one.
    """

    def __init__(
        self,
        url: str,
        *,
        gone: Callable[[str], bool] = lambda _owner: False,
        files: Files | None = None,
    ) -> None:
        self.path: Path = sqlite_path(url)
        self._engine = open_engine(url)
        self._gone = gone
        self.files = files or Files()
        self.archive = Archive(self.beside("trips"), self.files)

    def beside(self, what: str) -> Path:
        """The folder beside the database file that holds `what`."""
        return self.path.with_name(f"{self.path.name}.{what}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self._engine.dispose()

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with translated(str(self.path)), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with (
            translated(str(self.path)),
            self._engine.connect().execution_options(reading=True) as connection,
        ):
            yield connection

    # ------------------------------------------------------------------ generations

    def active(self) -> Generation | None:
        """The active generation; None in a store that was never used."""
        with self._read() as c:
            row = c.execute(sa.select(t.generations).where(t.generations.c.active)).first()
        return None if row is None else as_generation(row)

    def generations(self) -> tuple[Generation, ...]:
        """Every generation, the oldest first."""
        query = sa.select(t.generations).order_by(t.generations.c.created_ns)
        with self._read() as c:
            return tuple(map(as_generation, c.execute(query)))

    def add_generation(
        self, *, name: str, content: str, settings: str, algorithm: str, model: str, now_ns: int
    ) -> Generation:
        """Register a way of computing; the very first becomes the active one.

        Raises
        ------
        GenerationError
            The name stands for something else already.
        """
        with self._write() as c:
            row = c.execute(sa.select(t.generations).where(t.generations.c.name == name)).first()
            if row is not None and row.content != content:
                raise GenerationError(
                    f"generation {name!r} exists with other settings or algorithms"
                    f" ({row.algorithm}): choose another name"
                )
            if row is not None:
                return as_generation(row)
            first = c.execute(sa.select(sa.func.count()).select_from(t.generations)).scalar() == 0
            added = Generation(name, content, settings, algorithm, model, first, False)
            c.execute(t.generations.insert().values(**asdict(added), created_ns=now_ns))
        return added

    def end_first_review(self, name: str) -> None:
        """Let the plans of a promoted generation through: a person has looked."""
        with self._write() as c:
            c.execute(
                t.generations.update()
                .where(t.generations.c.name == name)
                .values(review_first=False)
            )

    # ------------------------------------------------------------------ leases

    def _claim(
        self,
        c: sa.Connection,
        resources: Iterable[str],
        owner: str,
        now_ns: int,
        until_ns: int,
        limit: int = 1,
    ) -> list[str]:
        """The first of `resources`, at most `limit`, that `owner` holds from now on."""
        wanted = list(resources)
        leases = selected(c, sa.select(t.leases), t.leases.c.resource, wanted)
        held = {row.resource: row for row in leases}
        got: list[dict[str, Any]] = []
        for resource in wanted:
            if len(got) == limit:
                break
            row = held.get(resource)
            free = row is None or row.until_ns <= now_ns or row.owner == owner
            if not free and row is not None and not self._gone(row.owner):
                continue
            epoch = 1 if row is None else row.epoch + 1
            lease = {"resource": resource, "owner": owner, "epoch": epoch, "until_ns": until_ns}
            got.append(lease)
        put(c, t.leases, ("resource",), got)
        return [lease["resource"] for lease in got]

    @staticmethod
    def _finish(c: sa.Connection, resources: Sequence[str], owner: str) -> None:
        """End leases inside the transaction that commits their work.

        Raises
        ------
        StoreBusy
            One has passed to somebody else: the work must not be committed.
        """
        ours = t.leases.c.owner == owner
        for part in chunks(list(resources)):
            mine = t.leases.c.resource.in_(part)
            done = c.execute(t.leases.delete().where(mine, ours))
            if done.rowcount != len(part):
                raise StoreBusy(f"a lease has passed to another process, of {', '.join(part)}")

    @staticmethod
    def _hold(c: sa.Connection, resource: str, owner: str) -> None:
        """Check, inside a transaction, that a lease is still ours."""
        row = c.execute(sa.select(t.leases.c.owner).where(t.leases.c.resource == resource)).first()
        if row is None or row.owner != owner:
            raise StoreBusy(f"the lease on {resource} has passed to another process")

    def release(self, resource: str, owner: str) -> None:
        """Give up a lease without having done the work."""
        with self._write() as c:
            c.execute(
                t.leases.delete().where(t.leases.c.resource == resource, t.leases.c.owner == owner)
            )

    def claim(self, resource: str, *, owner: str, now_ns: int, lease_ns: int) -> bool:
        """Take a lease on something; False when another process holds it."""
        with self._write() as c:
            return bool(self._claim(c, [resource], owner, now_ns, now_ns + lease_ns))

    def leases(self) -> list[tuple[str, str, int]]:
        """Every lease: resource, owner, until (ns)."""
        with self._read() as c:
            rows = c.execute(sa.select(t.leases).order_by(t.leases.c.resource))
            return [(r.resource, r.owner, r.until_ns) for r in rows]


def as_generation(row: Any) -> Generation:
    """The generation of a row."""
    return Generation(**{f.name: getattr(row, f.name) for f in fields(Generation)})
