"""The steps of one request with one city, in the order they are taken: each ends in one commit.

Ask whether the city takes such reports and has none open there; intent; ``sending``; the POST; its
receipt; then what became of it: looked up where nobody knows, exchanged where the city gave a
token, read back where it gave a number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import msgspec

from streetbump.cityprofile import FileChannel
from streetbump.errors import CityError
from streetbump.model import DAY_NS, JoltClass, PlaceState, Receipt, RequestState, ServiceRequest
from streetbump.sending.desk import Desk, Sender, Step
from streetbump.sending.planning import request_of
from streetbump.stores import OutboxRow
from streetbump.submit import readback, talk, worklist

MINUTE_NS = 60_000_000_000

LOOK_AGAIN_NS = 15 * MINUTE_NS
"""First pause between two looks for a request of unclear outcome, or for a token's number; later
ones are half of the time that has passed since it was sent, up to ``READ_AGAIN_NS``. Ours."""

READ_AGAIN_NS = 12 * 60 * MINUTE_NS
"""Pause between two looks at what a city says of a request. Ours: cities work by the day."""

WATCHED_NS = 180 * DAY_NS
"""A request that has been closed for so long is not asked about any more. Ours: what comes after is
told by the passes alone."""

NEVER_NS = 2**62

BREAKER_NS = 60 * MINUTE_NS
"""How long a city is left alone after it refused the key or dropped the service. Ours."""

BUSY_NS = MINUTE_NS
"""How long a city is left alone when it is away or busy and names no time itself. Ours."""

PRACTICE_BUSY_NS = 5_000_000_000
"""The same for a city on this machine. Ours."""

HELD_BY_CITY = (RequestState.ACKED, RequestState.LINKED, RequestState.DUPLICATE)
"""Requests that a city shows under a number."""

_STATE_OF_PLACE = {
    RequestState.ACKED: PlaceState.REPORTED,
    RequestState.TOKEN: PlaceState.REPORTED,
    RequestState.LINKED: PlaceState.REPORTED,
    RequestState.DUPLICATE: PlaceState.REPORTED,
    RequestState.REFUSED: PlaceState.HELD,
    RequestState.HELD: PlaceState.HELD,
}


@dataclass(frozen=True)
class Call:
    """One step with one city, under its lease."""

    sender: Sender
    desk: Desk
    resource: str

    def move(
        self,
        row: OutboxRow,
        expected: Sequence[RequestState],
        place: tuple[str, str] | None = None,
        **values: Any,
    ) -> None:
        """Commit a request's next state (and its place's: state and why)."""
        self.sender.store.put_request_state(
            row.place_id,
            row.episode,
            expected=[s.value for s in expected],
            values=values,
            place=place,
            resource=self.resource,
            owner=self.sender.owner,
            now_ns=self.sender.now_ns,
        )


def begin(call: Call, *, request: ServiceRequest, kind: JoltClass, row: OutboxRow | None) -> Step:
    """Ask before sending; then commit the intent. The POST is the next step."""
    sender, desk = call.sender, call.desk
    if isinstance(desk.profile.channel, FileChannel):
        return _write(call, _intend(call, request, row))
    client = desk.connect()
    check = talk.check_service(client, desk.profile, kind.value, now_utc=sender.now_utc)
    if not check.ok:
        pause = _busy_ns(desk) if check.try_again else BREAKER_NS
        if check.retry_after_s is not None:
            pause = round(check.retry_after_s * 1e9)
        return Step(check.why, sender.now_ns + pause)
    existing = talk.find_existing(client, request, desk.profile, now_utc=sender.now_utc)
    if not existing.certain:
        return Step(existing.why, sender.now_ns + _busy_ns(desk))
    fresh = _intend(call, request, row)
    if existing.found is None:
        return Step(f"intent for {request.place_id}")
    found = existing.found
    state = RequestState.ACKED if existing.ours else RequestState.DUPLICATE
    return _settle(call, fresh, Receipt(state, found.request_id, found.token, note=existing.why))


def _busy_ns(desk: Desk) -> int:
    """How long a city is left alone that is away; a practice city is started in a moment."""
    return PRACTICE_BUSY_NS if desk.profile.loopback else BUSY_NS


def _intend(call: Call, request: ServiceRequest, row: OutboxRow | None) -> OutboxRow:
    """The outbox row, committed in ``intent``: new, or again after a safe failure."""
    encoded = msgspec.json.encode(request).decode()
    if row is not None:
        call.move(row, [RequestState.SAFE_RETRY], state=RequestState.INTENT.value,
                  request=encoded, next_ns=None)  # fmt: skip
        return replace(row, state=RequestState.INTENT.value, request=encoded)
    fresh = OutboxRow(
        place_id=request.place_id,
        episode=request.episode,
        city=request.city,
        marker=request.marker,
        state=RequestState.INTENT.value,
        request=encoded,
        request_id=None,
        token=None,
        attempts=0,
        note="",
        next_ns=None,
        sent_ns=None,
        created_ns=call.sender.now_ns,
    )
    call.sender.store.put_intent(
        fresh,
        payload_hash=hashlib.sha256(encoded.encode()).hexdigest(),
        resource=call.resource,
        owner=call.sender.owner,
        now_ns=call.sender.now_ns,
    )
    call.sender.checkpoint("intent committed")
    return fresh


def post(call: Call, row: OutboxRow) -> Step:
    """Send one request, once."""
    sender, desk = call.sender, call.desk
    if isinstance(desk.profile.channel, FileChannel):
        return _write(call, row)
    request = request_of(row)
    call.move(row, [RequestState.INTENT], state=RequestState.SENDING.value,
              attempts=row.attempts + 1, sent_ns=sender.now_ns)  # fmt: skip
    sending = replace(
        row, state=RequestState.SENDING.value, attempts=row.attempts + 1, sent_ns=sender.now_ns
    )
    sender.checkpoint("sending committed")
    receipt = talk.send(
        desk.connect(), request, desk.profile, known_ids=_known_ids(call), now_utc=sender.now_utc
    )
    sender.checkpoint("answer received")
    done = _settle(call, sending, receipt)
    if receipt.state is not RequestState.ACKED:
        return done
    # Committed; now read it back: an id is worth no more than what the city shows under it.
    checked = talk.confirm(desk.connect(), request, desk.profile, receipt)
    if checked.state is receipt.state:
        return done
    return _settle(call, replace(sending, state=receipt.state.value), checked)


def _write(call: Call, row: OutboxRow) -> Step:
    """Put a request on the city's work list, which takes each reference once."""
    channel = call.desk.profile.channel
    if not isinstance(channel, FileChannel):
        raise CityError(f"{call.desk.city.name}: has no work list")
    try:
        receipt = worklist.append(call.desk.folder / channel.path, request_of(row))
    except CityError as exc:
        receipt = Receipt(RequestState.SAFE_RETRY, note=str(exc))
    return _settle(call, row, receipt)


def _settle(call: Call, row: OutboxRow, receipt: Receipt) -> Step:
    """Commit what a receipt means for the request and its place."""
    sender = call.sender
    next_ns = None
    if receipt.state is RequestState.SAFE_RETRY:
        wait_s = receipt.retry_after_s if receipt.retry_after_s is not None else 60.0
        next_ns = sender.now_ns + round(wait_s * 1e9)
    elif receipt.state in {RequestState.UNKNOWN, RequestState.TOKEN} and row.state != "sending":
        waited_ns = sender.now_ns - (row.sent_ns or sender.now_ns)
        next_ns = sender.now_ns + min(max(LOOK_AGAIN_NS, waited_ns // 2), READ_AGAIN_NS)
    elif receipt.state in HELD_BY_CITY:
        next_ns = sender.now_ns + READ_AGAIN_NS
    state = _STATE_OF_PLACE.get(receipt.state)
    moved = None
    if state is not None:
        why = (
            receipt.note or f"{call.desk.city.name}: request {receipt.request_id or receipt.token}"
        )
        moved = (state.value, why)
    call.move(
        row,
        [RequestState(row.state)],
        moved,
        state=receipt.state.value,
        request_id=receipt.request_id,
        token=receipt.token,
        note=receipt.note,
        next_ns=next_ns,
    )
    sender.checkpoint("receipt committed")
    words = f"{row.place_id} → {call.desk.city.name}: {receipt.state.value}"
    if receipt.open_breaker:
        return Step(words, sender.now_ns + BREAKER_NS)
    if receipt.state is RequestState.SAFE_RETRY and next_ns is not None:
        return Step(words, next_ns)
    return Step(words)


def _known_ids(call: Call) -> set[str]:
    """Ids and tokens this city has given us: another city may well use the same numbers."""
    rows = [r for r in call.sender.store.outbox() if r.city == call.desk.city.name]
    return {i for r in rows for i in (r.request_id, r.token) if i is not None}


def orphaned(call: Call, row: OutboxRow) -> Step:
    """A request found in ``sending`` while we hold the city: its sender died, nobody knows."""
    call.move(row, [RequestState.SENDING], state=RequestState.UNKNOWN.value, next_ns=None,
              note="the sender stopped while it was on the wire")  # fmt: skip
    return Step(f"request of {row.place_id} may have been accepted: it will be looked up")


def look_up(call: Call, row: OutboxRow) -> Step:
    """Look for a request of unclear outcome in the city's list; never send."""
    if isinstance(call.desk.profile.channel, FileChannel):
        return _write(call, row)  # a reference that is in the list is not written again
    receipt = talk.look_up(
        call.desk.connect(),
        request_of(row),
        call.desk.profile,
        sent_utc=_sent_utc(row),
        now_utc=call.sender.now_utc,
    )
    return _settle(call, row, receipt)


def _sent_utc(row: OutboxRow) -> datetime:
    """When a request was sent, as far as that is known."""
    sent_ns = row.sent_ns if row.sent_ns is not None else row.created_ns
    return datetime.fromtimestamp(sent_ns / 1e9, UTC)


def look_again(call: Call, row: OutboxRow) -> Step:
    """Look for a held request once more: only proof that the city has none begins a new episode."""
    sender, name = call.sender, call.desk.city.name
    receipt = talk.look_again(
        call.desk.connect(),
        request_of(row),
        call.desk.profile,
        sent_utc=_sent_utc(row),
        now_utc=sender.now_utc,
    )
    if receipt.state is RequestState.HELD:
        call.move(row, [RequestState.HELD], note=receipt.note,
                  next_ns=sender.now_ns + READ_AGAIN_NS)  # fmt: skip
        return Step(f"{row.place_id} stays held: {receipt.note}")
    if receipt.state is not RequestState.REFUSED:
        return _settle(call, row, receipt)
    why = f"{name}: {receipt.note}; reported anew"
    sender.store.begin_again(
        row,
        note=receipt.note,
        why=why,
        resource=call.resource,
        owner=sender.owner,
        now_ns=sender.now_ns,
    )
    sender.checkpoint("episode committed")
    return Step(f"{row.place_id} → {why}")


def exchange(call: Call, row: OutboxRow) -> Step:
    """Ask what number a token stands for by now."""
    known = _known_ids(call) - {row.token or ""}
    receipt = talk.exchange(
        call.desk.connect(), row.token or "", call.desk.profile, known_ids=known
    )
    return _settle(call, row, receipt)


def read_back(call: Call, row: OutboxRow) -> Step:
    """Read what the city says of a request now; the place learns of every change."""
    sender, name = call.sender, call.desk.city.name
    if isinstance(call.desk.profile.channel, FileChannel) or row.request_id is None:
        call.move(row, [RequestState(row.state)], next_ns=NEVER_NS)
        return Step(f"{row.place_id}: {name} has no number to ask about")
    profile, request_id = call.desk.profile, row.parent_id or row.request_id
    seen = talk.read_status(call.desk.connect(), request_id, profile)
    word = readback.word_of(seen, profile.dialect)
    if not word.status:
        again_ns = sender.now_ns + _busy_ns(call.desk)
        call.move(row, [RequestState(row.state)], next_ns=again_ns)
        return Step(f"{name} could not be asked about {row.request_id}: {word.said}", again_ns)
    said = f"{name}: request {row.request_id}"
    line, moves = readback.news(word, before=row.city_status, request=said)
    first_ns = sender.now_ns if word.status != row.city_status else row.status_ns
    closed_ns = None
    if word.status == readback.CLOSED:
        closed_ns = row.closed_ns or sender.now_ns
    elif word.status == readback.GONE:
        closed_ns = row.closed_ns  # it says nothing of the road
    old = closed_ns is not None and sender.now_ns - closed_ns > WATCHED_NS
    sender.store.put_city_status(
        row,
        {
            "city_status": word.status,
            "city_words": word.said,
            "status_ns": first_ns,
            "closed_ns": closed_ns,
            "parent_id": word.parent_id or row.parent_id,
            "next_ns": NEVER_NS if old else sender.now_ns + READ_AGAIN_NS,
        },
        place=moves,
        words=line,
        resource=call.resource,
        owner=sender.owner,
        now_ns=sender.now_ns,
    )
    sender.checkpoint("status committed")
    return Step(line or f"{said} is {word.status}")
