"""The submit lane of the pipeline: from places to requests, one small committed step at a time.

Order of things for one request: the decision (``submit.plan``), the question whether the city
still takes such reports and has none open there, the intent (committed before the first byte),
``sending`` (committed before the connection), the POST, its receipt. Whoever finds a request in
``sending`` with nobody at it knows only that it may have been accepted: it becomes ``unknown``
and is looked up, never sent again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd

from streetbump.cityprofile import CityProfile, FileChannel
from streetbump.config import Settings
from streetbump.errors import CityError
from streetbump.model import JoltClass, PlaceState, Receipt, RequestState, ServiceRequest
from streetbump.stores import OutboxRow, PlaceRow, Store
from streetbump.submit import readback, talk, worklist
from streetbump.submit.compose import compose, marker
from streetbump.submit.plan import Action, OutboxFacts, PlaceFacts, Planned, plan
from streetbump.submit.routing import City, route

MINUTE_NS = 60_000_000_000
DAY_NS = 24 * 60 * MINUTE_NS

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

_PAUSE = "pause"  # owner of the lease that keeps everybody away from a city for a while

FIRST_PLAN = "first plan after another generation was promoted: approve it place by place"

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


# --------------------------------------------------------------------------- the plan


def facts_of(store: Store, cities: Sequence[City], *, settings: Settings) -> tuple[PlaceFacts, ...]:
    """What is known of every place, in the words of planning.

    Days are counted in the time zone of the city that the place belongs to; a place whose hits
    fall short of the quorum of days there is not flagged after all.
    """
    places = store.places()
    home = {cluster_id: place.place_id for place in places for cluster_id in place.clusters}
    clusters = _by_place(store.clusters_by_id(home), home)
    best = _best(clusters, {place.place_id: place.jolt_class for place in places})
    city_of = {p.place_id: _city_of(p, best.get(p.place_id), cities) for p in places}
    zones = {i: "UTC" if city is None else city.profile.timezone for i, city in city_of.items()}
    seen = _seen(_by_place(store.members(home), home), zones)
    of_place = dict(tuple(clusters.groupby("place_id")))
    earlier = {
        row.place_id: row.request_id for row in store.outbox() if row.closed_ns is not None
    }  # by episode: the last one stays
    return tuple(
        _facts(
            place,
            of_place.get(place.place_id, clusters.iloc[:0]),
            best.get(place.place_id),
            seen.get(place.place_id, _Seen()),
            earlier.get(place.place_id),
            city_of[place.place_id],
            settings,
        )
        for place in places
    )


@dataclass(frozen=True)
class _Seen:
    """Named devices and city-local days among the hits of a place."""

    n_devices: int = 0
    n_days: int = 0
    first_day: str = ""
    last_day: str = ""


def _by_place(rows: pd.DataFrame, home: dict[str, str]) -> pd.DataFrame:
    return rows.assign(place_id=rows["cluster_id"].map(home).astype("str"))


def _best(clusters: pd.DataFrame, kind: dict[str, str]) -> dict[str, dict[str, Any]]:
    """The cluster that says most of each place: of its class, with most devices, most hits."""
    alike = clusters["class"] == clusters["place_id"].map(kind)
    ranked = clusters.assign(alike=alike).sort_values(["alike", "n_devices", "hits", "cluster_id"])
    last = ranked.groupby("place_id").tail(1)
    return {str(row["place_id"]): row for row in last.to_dict("records")}


def _city_of(place: PlaceRow, best: dict[str, Any] | None, cities: Sequence[City]) -> City | None:
    pos_err_m = float("nan") if best is None else float(best["pos_err_m"])
    routed = route(place.lat_deg, place.lon_deg, pos_err_m=pos_err_m, cities=cities)
    return next((c for c in cities if c.name == routed.city), None)


def _seen(members: pd.DataFrame, zones: dict[str, str]) -> dict[str, _Seen]:
    """What the hits by named devices on dated trips count for each place."""
    named = members[members["device"].notna() & members["dated"].astype(bool)]
    if len(named) == 0:
        return {}
    days = []
    for zone, rows in named.groupby(named["place_id"].map(zones)):  # one step per time zone
        utc = pd.to_datetime(rows["t_utc_ns"], unit="ns", utc=True)
        days.append(utc.dt.tz_convert(ZoneInfo(str(zone))).dt.strftime("%Y-%m-%d"))
    counted = named.assign(day=pd.concat(days)).groupby("place_id").agg(
        n_devices=("device", "nunique"), n_days=("day", "nunique"),
        first_day=("day", "min"), last_day=("day", "max"),
    )  # fmt: skip
    return {str(i): _Seen(**row) for i, row in counted.to_dict("index").items()}


def _facts(
    place: PlaceRow,
    rows: pd.DataFrame,
    best: dict[str, Any] | None,
    seen: _Seen,
    earlier_id: str | None,
    city: City | None,
    settings: Settings,
) -> PlaceFacts:
    street, cross_street = _street(place, city)
    state = PlaceState(place.state)
    if state is PlaceState.FLAGGED and seen.n_days < settings.flag.min_days:
        state = PlaceState.CANDIDATE

    def value(name: str) -> float:
        return float("nan") if best is None else float(best[name])

    return PlaceFacts(
        place_id=place.place_id,
        episode=place.episode,
        state=state,
        lat_deg=place.lat_deg,
        lon_deg=place.lon_deg,
        pos_err_m=value("pos_err_m"),
        headings_deg=tuple(rows["heading_deg"].tolist()),
        jolt_class=JoltClass(place.jolt_class),
        class_p=value(f"p_{place.jolt_class}"),
        severity=value("severity"),
        severity_lo=value("severity_lo"),
        severity_hi=value("severity_hi"),
        hit_rate=value("hit_rate"),
        hits=int(rows["hits"].sum()),
        passes=int(rows["passes"].sum()),
        n_devices=seen.n_devices,
        n_days=seen.n_days,
        first_day=seen.first_day,
        last_day=seen.last_day,
        priority=value("priority"),
        synthetic=bool(rows["synthetic"].any()),
        obstacle_id=None,  # a flagged place has none; see cluster.places
        review=place.review,
        earlier_id=earlier_id,
        street=street,
        cross_street=cross_street,
    )


def _street(place: PlaceRow, city: City | None) -> tuple[str, str]:
    """Where a place is in words, by the street layer of its city."""
    if city is None or city.streets is None or city.profile.streets is None:
        return "", ""
    within_m = city.profile.streets.within_m
    return city.streets.words(place.lat_deg, place.lon_deg, within_m=within_m)


def plan_now(
    store: Store, cities: Sequence[City], *, settings: Settings, now_ns: int
) -> tuple[tuple[Planned, ...], dict[str, PlaceFacts]]:
    """What would be done about every place now, and the facts behind it."""
    facts = facts_of(store, cities, settings=settings)
    rows = store.outbox()
    active = store.active()
    zones = {city.name: ZoneInfo(city.profile.timezone) for city in cities}
    rests = {c.name: c.profile.limits.reopen_days * DAY_NS for c in cities}
    sent: dict[str, int] = {}
    for row in rows:
        zone = zones.get(row.city)
        if zone and row.sent_ns and _day(row.sent_ns, zone) == _day(now_ns, zone):
            sent[row.city] = sent.get(row.city, 0) + 1
    decided = plan(
        facts,
        cities=cities,
        outbox=[_outbox_facts(row, rests.get(row.city, 0), now_ns) for row in rows],
        sent_today=sent,
        hold=FIRST_PLAN if active is not None and active.review_first else "",
    )
    return decided, {f.place_id: f for f in facts}


def _day(ns: int, zone: ZoneInfo) -> str:
    return datetime.fromtimestamp(ns / 1e9, zone).date().isoformat()


def _outbox_facts(row: OutboxRow, rest_ns: int, now_ns: int) -> OutboxFacts:
    request = _request_of(row)
    return OutboxFacts(
        place_id=row.place_id,
        episode=row.episode,
        city=row.city,
        state=RequestState(row.state),
        service_code=request.service_code,
        lat_deg=request.lat_deg,
        lon_deg=request.lon_deg,
        closed=row.closed_ns is not None,
        resting=row.closed_ns is not None and now_ns < row.closed_ns + rest_ns,
        waiting=row.next_ns is not None and row.next_ns > now_ns,
    )


def _request_of(row: OutboxRow) -> ServiceRequest:
    return msgspec.json.decode(row.request, type=ServiceRequest)


def compose_planned(planned: Planned, facts: PlaceFacts, profile: CityProfile) -> ServiceRequest:
    """The request that a plan's row would send."""
    return compose(facts, profile, marker=marker(planned.place_id, planned.episode))


# --------------------------------------------------------------------------- the steps


def step(sender: Sender, desks: Sequence[Desk], *, sending: bool) -> Step:
    """Do the next thing that is due with some city; idle is an empty :class:`Step`.

    With `sending` that is a request that may go out; without, a look at what became of one.
    """
    due_with = _due_to_send if sending else _due_to_read
    waits: list[Step] = []
    paused = {r: until for r, owner, until in sender.store.leases() if owner == _PAUSE}
    for desk in desks:
        resource = f"city:{desk.city.name}"
        if paused.get(resource, 0) > sender.now_ns:
            waits.append(Step(_left_alone(desk, paused[resource]), paused[resource]))
            continue
        due, wait_ns = due_with(sender, desk, [d.city for d in desks])
        if due is None:
            waits += [Step(_left_alone(desk, wait_ns), wait_ns)] if wait_ns else []
            continue
        if not sender.store.claim(
            resource, owner=sender.owner, now_ns=sender.now_ns, lease_ns=sender.lease_ns
        ):
            soon = sender.now_ns + 1_000_000_000
            waits.append(Step(f"another process talks to {desk.city.name}", soon))
            continue
        done = due(_Call(sender, desk, resource))
        if done.wait_until_ns is None:
            sender.store.release(resource, sender.owner)
            return done
        _pause(sender, resource, done.wait_until_ns)
        waits.append(replace(done, done=f"{desk.city.name}: {done.done}"))
    return min(waits, key=lambda s: s.wait_until_ns or 0) if waits else Step()


def _left_alone(desk: Desk, until_ns: int) -> str:
    until = datetime.fromtimestamp(until_ns / 1e9, UTC).strftime("%H:%M:%S")
    return f"{desk.city.name} is left alone until {until} UTC"


def _pause(sender: Sender, resource: str, until_ns: int) -> None:
    """Keep everybody away from a city until a time."""
    sender.store.release(resource, sender.owner)
    sender.store.claim(
        resource, owner=_PAUSE, now_ns=sender.now_ns, lease_ns=until_ns - sender.now_ns
    )


@dataclass(frozen=True)
class _Call:
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


_Due = Callable[[_Call], Step]


def _due_to_read(
    sender: Sender, desk: Desk, _cities: Sequence[City]
) -> tuple[_Due | None, int | None]:
    """The next look at what became of a request of one city, or when there may be one."""
    rows = [row for row in sender.store.outbox() if row.city == desk.city.name]
    for row in rows:
        action = _look_again if _approved(sender, row) else _READ.get(row.state)
        if action is not None and (row.next_ns is None or row.next_ns <= sender.now_ns):
            return partial(_with_row, action=action, row=row), None
    return None, _soonest(rows, {RequestState.UNKNOWN})  # a token may take days: no waiting


def _due_to_send(
    sender: Sender, desk: Desk, cities: Sequence[City]
) -> tuple[_Due | None, int | None]:
    """The next request that may go to one city, or the time at which there may be one."""
    rows = [row for row in sender.store.outbox() if row.city == desk.city.name]
    for row in rows:
        action = _SEND.get(row.state)
        if action is not None:
            return partial(_with_row, action=action, row=row), None
    decided, facts = plan_now(sender.store, cities, settings=sender.settings, now_ns=sender.now_ns)
    for planned in decided:
        if planned.action is Action.SEND and planned.city == desk.city.name:
            place = facts[planned.place_id]
            if _unsettled(sender, place):
                continue  # an obstacle, a trip or a city's word has come since
            request = compose_planned(planned, place, desk.profile)
            own = next((r for r in rows if r.place_id == planned.place_id
                        and r.episode == planned.episode), None)  # fmt: skip
            return partial(_begin, request=request, kind=place.jolt_class, row=own), None
    return None, _soonest(rows, {RequestState.SAFE_RETRY})


def _unsettled(sender: Sender, place: PlaceFacts) -> bool:
    halo_m = sender.settings.cluster.halo_m
    return sender.store.is_due(place.place_id) or sender.store.stale_near(
        place.lat_deg, place.lon_deg, halo_m=halo_m
    )


def _soonest(rows: Sequence[OutboxRow], states: set[RequestState]) -> int | None:
    return min((r.next_ns for r in rows if r.state in states and r.next_ns), default=None)


def _with_row(call: _Call, *, action: Callable[[_Call, OutboxRow], Step], row: OutboxRow) -> Step:
    return action(call, row)


def _orphaned(call: _Call, row: OutboxRow) -> Step:
    """A request found in ``sending`` while we hold the city: its sender died, nobody knows."""
    call.move(row, [RequestState.SENDING], state=RequestState.UNKNOWN.value, next_ns=None,
              note="the sender stopped while it was on the wire")  # fmt: skip
    return Step(f"request of {row.place_id} may have been accepted: it will be looked up")


def _begin(call: _Call, *, request: ServiceRequest, kind: JoltClass, row: OutboxRow | None) -> Step:
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


def _write(call: _Call, row: OutboxRow) -> Step:
    """Put a request on the city's work list, which takes each reference once."""
    channel = call.desk.profile.channel
    if not isinstance(channel, FileChannel):
        raise CityError(f"{call.desk.city.name}: has no work list")
    try:
        receipt = worklist.append(call.desk.folder / channel.path, _request_of(row))
    except CityError as exc:
        receipt = Receipt(RequestState.SAFE_RETRY, note=str(exc))
    return _settle(call, row, receipt)


def _intend(call: _Call, request: ServiceRequest, row: OutboxRow | None) -> OutboxRow:
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


def _post(call: _Call, row: OutboxRow) -> Step:
    """Send one request, once."""
    sender, desk = call.sender, call.desk
    if isinstance(desk.profile.channel, FileChannel):
        return _write(call, row)
    request = _request_of(row)
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


def _settle(call: _Call, row: OutboxRow, receipt: Receipt) -> Step:
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


def _known_ids(call: _Call) -> set[str]:
    """Ids and tokens this city has given us: another city may well use the same numbers."""
    rows = [r for r in call.sender.store.outbox() if r.city == call.desk.city.name]
    return {i for r in rows for i in (r.request_id, r.token) if i is not None}


def _look_up(call: _Call, row: OutboxRow) -> Step:
    """Look for a request of unclear outcome in the city's list; never send."""
    if isinstance(call.desk.profile.channel, FileChannel):
        return _write(call, row)  # a reference that is in the list is not written again
    sent_ns = row.sent_ns if row.sent_ns is not None else row.created_ns
    receipt = talk.look_up(
        call.desk.connect(),
        _request_of(row),
        call.desk.profile,
        sent_utc=datetime.fromtimestamp(sent_ns / 1e9, UTC),
        now_utc=call.sender.now_utc,
    )
    return _settle(call, row, receipt)


def _approved(sender: Sender, row: OutboxRow) -> bool:
    """Whether a person wants a held request reported anew."""
    if row.state != RequestState.HELD.value:
        return False
    place = sender.store.place(row.place_id)
    held = place is not None and place.state == PlaceState.HELD.value
    return held and place is not None and (place.episode, place.review) == (row.episode, "approved")


def _look_again(call: _Call, row: OutboxRow) -> Step:
    """Look for a held request once more: only proof that the city has none begins a new episode."""
    sender, name = call.sender, call.desk.city.name
    sent_ns = row.sent_ns if row.sent_ns is not None else row.created_ns
    receipt = talk.look_again(
        call.desk.connect(),
        _request_of(row),
        call.desk.profile,
        sent_utc=datetime.fromtimestamp(sent_ns / 1e9, UTC),
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


def _exchange(call: _Call, row: OutboxRow) -> Step:
    """Ask what number a token stands for by now."""
    known = _known_ids(call) - {row.token or ""}
    receipt = talk.exchange(
        call.desk.connect(), row.token or "", call.desk.profile, known_ids=known
    )
    return _settle(call, row, receipt)


def _read_back(call: _Call, row: OutboxRow) -> Step:
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


_Act = Callable[[_Call, OutboxRow], Step]
_SEND: dict[str, _Act] = {
    RequestState.SENDING.value: _orphaned,
    RequestState.INTENT.value: _post,
}
_READ: dict[str, _Act] = {
    RequestState.SENDING.value: _orphaned,
    RequestState.UNKNOWN.value: _look_up,
    RequestState.TOKEN.value: _exchange,
    **dict.fromkeys((state.value for state in HELD_BY_CITY), _read_back),
}
READABLE = frozenset({*_READ, RequestState.HELD.value})
"""States of a request that a look at the city can change."""
