"""What a city's word on a request means for us. Closed is not repaired, and gone is not closed."""

from __future__ import annotations

from dataclasses import dataclass

from streetbump.cityprofile import PLAIN, Dialect
from streetbump.model import PlaceState
from streetbump.submit.outcome import is_open
from streetbump.submit.talk import Status

OPEN, CLOSED, DUPLICATE, GONE = "open", "closed", "duplicate", "gone"


@dataclass(frozen=True)
class Word:
    """A city's word on one request.

    Attributes
    ----------
    status : str
        ``open``, ``closed``, ``duplicate`` (closed in favour of another) or ``gone``; empty when
        the answer proves nothing.
    said : str
        The city's own words beside it, or why nothing was learnt.
    parent_id : str or None
        The request that the city follows instead, when it closed this one as a duplicate.
    """

    status: str
    said: str
    parent_id: str | None = None


def word_of(seen: Status, dialect: Dialect = PLAIN) -> Word:
    """What one look at a request came to, in the city's own words for a status.

    >>> word_of(Status(None, gone=True, certain=True, why="the city does not show it")).status
    'gone'
    """
    if not seen.certain:
        return Word("", seen.why)
    if seen.gone or seen.row is None:
        return Word(GONE, seen.why)
    said = seen.row.status_notes.strip() or seen.row.status
    if is_open(seen.row, dialect):
        return Word(OPEN, said)
    parent_id = seen.row.parent_id
    if parent_id is None or parent_id == seen.row.request_id:
        return Word(CLOSED, said)
    return Word(DUPLICATE, said, parent_id)


def news(word: Word, *, before: str | None, request: str) -> tuple[str, tuple[str, str] | None]:
    """What a changed status is worth a line for, and how it moves the place (state, why).

    Parameters
    ----------
    before : str or None
        The status as last read; None when it was never read.
    request : str
        How people name the request: the city and its number.

    >>> news(Word("closed", "done"), before="open", request="request 7")
    ('request 7: closed (done)', ('closed_claimed', 'request 7: closed (done)'))
    >>> news(Word("open", ""), before="open", request="request 7")
    ('', None)
    """
    if not word.status or word.status == before or (word.status == OPEN and before is None):
        return "", None
    line = f"{request}: {word.status}" + (f" ({word.said})" if word.said else "")
    if word.status == CLOSED:
        return line, (PlaceState.CLOSED_CLAIMED.value, line)
    if word.status == OPEN and before == CLOSED:
        return line, (PlaceState.REPORTED.value, line)
    return line, None
