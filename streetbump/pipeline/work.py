"""What a step is given from outside, and what it says of itself."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from streetbump.config import Settings
from streetbump.executors import Executor, Serial
from streetbump.observe import Observer, silent
from streetbump.sending import Desk
from streetbump.stores import Generation

SOON_NS = 1_000_000_000
"""When to look again where another process is at work, ns."""


class Status(StrEnum):
    """What one call of :func:`advance` came to."""

    DONE = "done"
    IDLE = "idle"
    WAIT = "wait_until"


@dataclass(frozen=True)
class Progress:
    """What was done, or until when there is nothing to do (`wait_until_ns`)."""

    status: Status
    what: str = ""
    wait_until_ns: int | None = None


IDLE = Progress(Status.IDLE)


@dataclass(frozen=True, eq=False)
class Work:
    """Everything that :func:`advance` is given from outside.

    Attributes
    ----------
    settings : Settings
        Of the generation that is computed.
    generation : Generation
        Its row in the store.
    door_key : bytes
        Secret behind pseudonyms and trimming; never stored with the data.
    owner : str
        Who holds the leases: this process.
    desks : sequence
        One per city that requests may go to.
    checkpoint : callable
        Called with a name at each durable step; tests stop the process there.
    """

    settings: Settings
    generation: Generation
    door_key: bytes
    owner: str
    desks: Sequence[Desk] = ()
    executor: Executor = field(default_factory=Serial)
    lease_ns: int = 300_000_000_000
    new_id: Callable[[], str] = lambda: "P-" + secrets.token_hex(5).upper()
    checkpoint: Callable[[str], None] = lambda _name: None
    observe: Observer = silent
