"""The practice city's own clock: it can be set, moved on and stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
from msgspec import Meta

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
"""Between these the clock stays; chosen by us, so that sums of times never overflow."""


class ClockChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is done to the clock, in this order."""

    set: Annotated[
        Annotated[datetime, Meta(tz=True)] | None, Meta(description="it is now this time")
    ] = None
    advance_s: Annotated[float, Meta(ge=-1e9, le=1e9, description="so much later, s")] = 0.0
    frozen: Annotated[bool | None, Meta(description="it stands still, or runs")] = None


class Clock:
    """Time of the practice city.

    Parameters
    ----------
    source : callable
        The clock it is ahead of or behind; gives times with a zone.

    >>> clock = Clock(lambda: datetime(2026, 3, 1, tzinfo=UTC))
    >>> clock.change(ClockChange(advance_s=3600))
    >>> clock.now().isoformat()
    '2026-03-01T01:00:00+00:00'
    """

    def __init__(self, source: Callable[[], datetime]) -> None:
        self._source = source
        self._ahead = timedelta()
        self._stands: datetime | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """The time, UTC."""
        with self._lock:
            return self._now()

    def _now(self) -> datetime:
        if self._stands is not None:
            return self._stands
        return min(max(self._source().astimezone(UTC) + self._ahead, EARLIEST), LATEST)

    def change(self, change: ClockChange) -> None:
        """Set it, move it on, stop it or let it run."""
        with self._lock:
            now = self._now() if change.set is None else change.set.astimezone(UTC)
            now = min(max(now + timedelta(seconds=change.advance_s), EARLIEST), LATEST)
            stands = self._stands is not None if change.frozen is None else change.frozen
            self._ahead = now - self._source().astimezone(UTC)
            self._stands = now if stands else None

    def reset(self) -> None:
        """Go with its source again."""
        with self._lock:
            self._ahead, self._stands = timedelta(), None
