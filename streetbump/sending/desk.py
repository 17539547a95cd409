"""One city, and who sends: what a step is given and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from streetbump.cityprofile import CityProfile
from streetbump.config import Settings
from streetbump.stores import Store
from streetbump.submit import talk
from streetbump.submit.routing import City


@dataclass(frozen=True, eq=False)
class Desk:
    """One city: where it is, how to reach it, where its work list lies.

    `connect` gives the city's one client, which keeps the pace between its calls; it is not
    asked for before something is due.
    """

    city: City
    connect: Callable[[], talk.CityClient]
    folder: Path

    @property
    def profile(self) -> CityProfile:
        """The city's profile."""
        return self.city.profile


@dataclass(frozen=True)
class Step:
    """What one step came to: words when something was done, else until when to wait."""

    done: str = ""
    wait_until_ns: int | None = None


@dataclass(frozen=True)
class Sender:
    """Who sends: the lease's owner, the clock's reading, the hook for tests."""

    store: Store
    settings: Settings
    owner: str
    now_ns: int
    lease_ns: int
    checkpoint: Callable[[str], None]

    @property
    def now_utc(self) -> datetime:
        """The time as a datetime."""
        return datetime.fromtimestamp(self.now_ns / 1e9, UTC)
