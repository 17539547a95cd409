"""``streetbump review``: what a person decides on places before a city hears of them."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from streetbump.errors import InputError
from streetbump.model import PlaceState, RequestState
from streetbump.stores import PlaceRow, Store

DECISIONS = {"approve": "approved", "hold": "held", "reject": "rejected"}

REPORTED_NEXT = {PlaceState.FLAGGED.value, PlaceState.STILL_THERE.value}
"""States of places that a city hears of next, if nobody objects."""

REVIEWED = {*REPORTED_NEXT, PlaceState.HELD.value, PlaceState.REJECTED.value}
REVIEW_COLUMNS = ("place_id", "class", "state", "review", "request", "why", "lat_deg", "lon_deg")


def review_table(store: Store) -> pd.DataFrame:
    """The places that a person may decide on, and what was decided; the undecided come first.

    `request` is the state of the present episode's request, and what its city said: a place is
    held where that was refused, or may have been accepted and cannot be found.
    """
    requests = {(r.place_id, r.episode): r for r in store.outbox()}
    rows = []
    for p in sorted(store.places(), key=lambda p: (p.review is not None, p.place_id)):
        if p.state not in REVIEWED:
            continue
        sent = requests.get((p.place_id, p.episode))
        told = None if sent is None else f"{sent.state}: {sent.note}" if sent.note else sent.state
        rows.append((p.place_id, p.jolt_class, p.state, p.review, told, p.why, p.lat_deg,
                     p.lon_deg))  # fmt: skip
    return pd.DataFrame(rows, columns=list(REVIEW_COLUMNS))


def review(
    store: Store, place_id: str, decision: str, *, by: str, note: str, now_ns: int
) -> PlaceRow:
    """Enter what a person decided on a place: ``approve``, ``hold`` or ``reject``.

    Once every place that comes next has a decision, the hold after a promotion is over.

    Raises
    ------
    InputError
        There is no such place, or a city has it already.
    """
    place = store.place(place_id)
    if place is None:
        raise InputError(f"{place_id}: no such place; streetbump review list shows them")
    if place.state not in REVIEWED:
        raise InputError(f"{place_id}: is {place.state}: there is nothing to decide any more")
    rows = store.outbox_of([place_id])
    sent = next((RequestState(r.state) for r in rows if r.episode == place.episode), None)
    decided = _decided(place, sent, decision, said=f" by {by}" + (f": {note}" if note else ""))
    store.review(place, decided, by=by, note=note, now_ns=now_ns)
    active = store.active()
    waiting = any(p.state in REPORTED_NEXT and not p.review for p in store.places())
    if active is not None and active.review_first and not waiting:
        store.end_first_review(active.name)
    return decided


def _decided(place: PlaceRow, sent: RequestState | None, decision: str, *, said: str) -> PlaceRow:
    """A place after a decision; `sent` is the state of its present episode's request.

    An episode is sent once. So approving what a city refused begins the next one, and approving a
    request of unclear outcome has it looked up again first (`streetbump.sending`).
    """
    done = replace(place, review=DECISIONS[decision], why=DECISIONS[decision] + said)
    if decision == "reject":
        return replace(done, state=PlaceState.REJECTED.value)
    if place.state == PlaceState.REJECTED.value:
        held = sent in {RequestState.HELD, RequestState.REFUSED}
        done = replace(done, state=(PlaceState.HELD if held else PlaceState.FLAGGED).value)
    if decision != "approve":
        return done
    if sent is RequestState.HELD:
        more = "; its request is looked up once more, and sent anew if the city has none"
        return replace(done, why=done.why + more)
    if sent is RequestState.REFUSED:
        return replace(done, state=PlaceState.FLAGGED.value, episode=place.episode + 1,
                       why=f"{done.why}; reported anew")  # fmt: skip
    return done
