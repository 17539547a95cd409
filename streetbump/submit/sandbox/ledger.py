"""Every request the practice city holds: rows in memory, events on disk when asked for."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streetbump.errors import InputError

Row = dict[str, Any]
"""One request: the fields of GeoReport, and what the city alone knows (see ``OWN``)."""

OWN = ("token_due", "listed_from", "poisoned", "removed", "client_request_id",
       "arguments", "parent_id")  # fmt: skip
"""Fields of a row that answer no call unless a dialect says so."""


@dataclass
class Ledger:
    """The city's requests, in order of arrival. Numbers are never used twice, nor after a reset.

    Parameters
    ----------
    path : Path or None
        One JSON line per event; None keeps the requests in memory only.
    """

    path: Path | None
    _rows: dict[str, Row] = field(default_factory=dict)
    _last: int | None = None  # the number given last
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        if torn:  # the last event was being written when the city died: it was never answered
            with path.open("r+b") as file:
                file.truncate(len(data) - len(torn))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as exc:
                raise InputError(f"{path}:{number}: not a ledger of the practice city") from exc

    def _apply(self, event: Row) -> None:
        if event["event"] == "create":
            row = event["request"]
            self._rows[row["service_request_id"]] = row
            self._last = max(self._last or 0, _number_of(row["service_request_id"]))
        elif event["event"] == "change":
            # A row is replaced, never changed: readers hold rows without a lock.
            self._rows[event["id"]] = {**self._rows[event["id"]], **event["set"]}
        else:
            self._rows.clear()

    def _record(self, events: Sequence[Row]) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(event) + "\n" for event in events)
                file.flush()
                os.fsync(file.fileno())
        for event in events:
            self._apply(event)

    def create(
        self,
        rows: Sequence[Row],
        *,
        named: str,
        first: int,
        instead: Callable[[Sequence[Row]], Row | None] = lambda _: None,
        store: bool = True,
    ) -> list[Row]:
        """Store rows under new ids, or give the one that `instead` finds among those held.

        Parameters
        ----------
        named : str
            The id, with ``{}`` for the number.
        first : int
            Number of the first request ever.
        instead : callable
            Asked in the same breath, so that two calls at once cannot both be new.
        store : bool
            False gives rows as they would be.
        """
        with self._lock:
            held = instead(tuple(self._rows.values()))
            if held is not None:
                return [held]
            number = first if self._last is None else self._last + 1
            made = [
                {"service_request_id": named.format(number + i), **row}
                for i, row in enumerate(rows)
            ]
            if store:
                self._record([{"event": "create", "request": r} for r in made])
            return made

    def change(self, request_id: str, **values: Any) -> bool:
        """Set fields of a request; False when there is none of this id."""
        with self._lock:
            if request_id not in self._rows:
                return False
            self._record([{"event": "change", "id": request_id, "set": values}])
            return True

    def reset(self) -> None:
        """Forget every request."""
        with self._lock:
            self._record([{"event": "reset"}])

    def get(self, request_id: str) -> Row | None:
        """One request."""
        with self._lock:
            return self._rows.get(request_id)

    def all(self) -> list[Row]:
        """Every request, in order of arrival. Rows are shared: look, do not touch."""
        with self._lock:
            return list(self._rows.values())


def _number_of(request_id: str) -> int:
    return int(request_id.removeprefix("PC-"))
