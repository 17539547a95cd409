"""Which step is due next with which city: one lease, one step, one commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

from streetbump.model import PlaceState, RequestState
from streetbump.sending import steps
from streetbump.sending.desk import Desk, Sender, Step
from streetbump.sending.planning import compose_planned, plan_now
from streetbump.stores import OutboxRow
from streetbump.submit.plan import Action, PlaceFacts
from streetbump.submit.routing import City

_PAUSE = "pause"  # owner of the lease that keeps everybody away from a city for a while

_Due = Callable[[steps.Call], Step]
_Act = Callable[[steps.Call, OutboxRow], Step]

_SEND: dict[str, _Act] = {
    RequestState.SENDING.value: steps.orphaned,
    RequestState.INTENT.value: steps.post,
}
_READ: dict[str, _Act] = {
    RequestState.SENDING.value: steps.orphaned,
    RequestState.UNKNOWN.value: steps.look_up,
    RequestState.TOKEN.value: steps.exchange,
    **dict.fromkeys((state.value for state in steps.HELD_BY_CITY), steps.read_back),
}

READABLE = frozenset({*_READ, RequestState.HELD.value})
"""States of a request that a look at the city can change."""


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
        done = due(steps.Call(sender, desk, resource))
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


def _due_to_send(
    sender: Sender, desk: Desk, cities: Sequence[City]
) -> tuple[_Due | None, int | None]:
    """The next request that may go to one city, or the time at which there may be one."""
    rows = [row for row in sender.store.outbox() if row.city == desk.city.name]
    for row in rows:
        action = _SEND.get(row.state)
        if action is not None:
            return _with(row, action), None
    decided, facts = plan_now(sender.store, cities, settings=sender.settings, now_ns=sender.now_ns)
    for planned in decided:
        if planned.action is Action.SEND and planned.city == desk.city.name:
            place = facts[planned.place_id]
            if _unsettled(sender, place):
                continue  # an obstacle, a trip or a city's word has come since
            request = compose_planned(planned, place, desk.profile)
            own = next((r for r in rows if r.place_id == planned.place_id
                        and r.episode == planned.episode), None)  # fmt: skip
            return partial(steps.begin, request=request, kind=place.jolt_class, row=own), None
    return None, _soonest(rows, {RequestState.SAFE_RETRY})


def _unsettled(sender: Sender, place: PlaceFacts) -> bool:
    halo_m = sender.settings.cluster.halo_m
    return sender.store.is_due(place.place_id) or sender.store.stale_near(
        place.lat_deg, place.lon_deg, halo_m=halo_m
    )


def _due_to_read(
    sender: Sender, desk: Desk, _cities: Sequence[City]
) -> tuple[_Due | None, int | None]:
    """The next look at what became of a request of one city, or when there may be one."""
    rows = [row for row in sender.store.outbox() if row.city == desk.city.name]
    for row in rows:
        action = steps.look_again if _approved(sender, row) else _READ.get(row.state)
        if action is not None and (row.next_ns is None or row.next_ns <= sender.now_ns):
            return _with(row, action), None
    return None, _soonest(rows, {RequestState.UNKNOWN})  # a token may take days: no waiting


def _approved(sender: Sender, row: OutboxRow) -> bool:
    """Whether a person wants a held request reported anew."""
    if row.state != RequestState.HELD.value:
        return False
    place = sender.store.place(row.place_id)
    held = place is not None and place.state == PlaceState.HELD.value
    return held and place is not None and (place.episode, place.review) == (row.episode, "approved")


def _soonest(rows: Sequence[OutboxRow], states: set[RequestState]) -> int | None:
    return min((r.next_ns for r in rows if r.state in states and r.next_ns), default=None)


def _with(row: OutboxRow, action: _Act) -> _Due:
    return lambda call: action(call, row)
