"""How a reader says no: an exception that never leaves this room.

Readers are nested a few calls deep, and every one of them may find that the bytes cannot be a
trip. They raise :class:`Refusal`; :func:`streetbump.trips.read` turns it into a row of data.
"""

from __future__ import annotations

from streetbump.model import Reason
from streetbump.trips.notes import Note


class Refusal(Exception):
    """The bytes, or one trip in them, are not taken: a reason code and what to do about it."""

    def __init__(self, reason: Reason, hint: str, notes: tuple[Note, ...] = ()) -> None:
        super().__init__(f"{reason}: {hint}")
        self.reason = reason
        self.hint = hint
        self.notes = notes


def quoted(name: str) -> str:
    r"""A name out of an untrusted file, safe and short enough for a message.

    >>> quoted("speed\x1b[31m" + "x" * 99)[:22]
    "'speed\\x1b[31mxxxxxxxx"
    """
    shown = ascii(name)
    return shown if len(shown) <= 60 else shown[:56] + "...'"
