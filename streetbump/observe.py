"""What is told while work goes on: one event per thing that happened, for logs and progress.

Events name uploads by their hash and places by their id; never a device, a position of a trip or
a key. Words are for people and go to standard error; nothing here decides anything.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

Observer = Callable[..., None]
"""Called as ``observe(event, **fields)``; fields are strings and numbers."""

_LOG = logging.getLogger("streetbump")


def silent(event: str, **fields: object) -> None:
    """Tell nobody."""


def log(event: str, **fields: object) -> None:
    """Log an event as one line of JSON; control characters cannot break the line."""
    _LOG.info("%s", json.dumps({"event": event, **fields}, ensure_ascii=True, sort_keys=True))
