"""Planning: at most one request per place and episode, and a reason for everything."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streetbump.cityprofile import BBox, CityProfile, shipped_city
from streetbump.model import JoltClass, PlaceState, RequestState
from streetbump.submit.plan import Action, OutboxFacts, PlaceFacts, Planned, plan
from streetbump.submit.routing import City

Make = Callable[..., CityProfile]
Place = Callable[..., PlaceFacts]


def planned(
    places: Sequence[PlaceFacts],
    profile: CityProfile,
    outbox: Sequence[OutboxFacts] = (),
    used: int = 0,
    hold: str = "",
) -> tuple[Planned, ...]:
    today = {profile.name: used}
    return plan(places, cities=[City(profile)], outbox=outbox, sent_today=today, hold=hold)


def row_of(place: PlaceFacts, state: RequestState, **changes: object) -> OutboxFacts:
    row = OutboxFacts(
        place.place_id, place.episode, "sandbox", state, "POTHOLE", place.lat_deg, place.lon_deg
    )
    return replace(row, **changes)  # type: ignore[arg-type]


CASES = [
    # what is different about the place, action, word of the reason
    ({}, Action.SEND, "12 hits on 18 passes"),
    ({"state": PlaceState.CANDIDATE}, Action.SKIP, "candidate"),
    ({"state": PlaceState.REPORTED}, Action.SKIP, "reported"),
    ({"state": PlaceState.CLOSED_CLAIMED}, Action.SKIP, "closed claimed"),
    ({"state": PlaceState.REPAIR_SEEN}, Action.SKIP, "repair seen"),
    ({"state": PlaceState.FADED}, Action.SKIP, "faded"),
    ({"state": PlaceState.STILL_THERE}, Action.SEND, "hits"),
    ({"state": PlaceState.HELD}, Action.SKIP, "held"),
    ({"state": PlaceState.HELD, "review": "approved"}, Action.SEND, "hits"),
    ({"review": "rejected"}, Action.SKIP, "rejected"),
    ({"review": "held"}, Action.HOLD, "a person holds it"),
    ({"review": "approved"}, Action.SEND, "hits"),
    ({"obstacle_id": "h7"}, Action.SKIP, "known obstacle h7"),
    ({"jolt_class": JoltClass.CASTING}, Action.SKIP, "casting"),
    ({"jolt_class": JoltClass.UNSURE}, Action.SKIP, "unsure"),
    ({"lat_deg": math.nan}, Action.SKIP, "position is unknown"),
    ({"lon_deg": math.inf}, Action.SKIP, "position is unknown"),
    ({"pos_err_m": math.nan}, Action.SKIP, "position is unknown"),
    ({"lat_deg": 0.0, "lon_deg": 0.0}, Action.SKIP, "0, 0"),
    ({"synthetic": True}, Action.SEND, "hits"),
]


@pytest.mark.parametrize(("changes", "action", "said"), CASES, ids=lambda v: str(v)[:50])
def test_each_place_gets_its_decision(
    place: Place, city: Make, changes: dict[str, object], action: Action, said: str
) -> None:
    """What a place is decides what is done about it, and the reason says so."""
    (decision,) = planned([place(**changes)], city())
    assert decision.action is action
    assert said in decision.why


def test_simulated_trips_go_to_loopback_only(place: Place, city: Make) -> None:
    """A place that simulated trips made is refused by every endpoint beyond this machine."""
    real = city(endpoint="https://311.example/v2")
    (decision,) = planned([place(synthetic=True)], real)
    assert decision.action is Action.SKIP
    assert "simulated" in decision.why
    assert planned([place()], real)[0].action is Action.SEND


@pytest.mark.parametrize("state", [s for s in RequestState if s is not RequestState.SAFE_RETRY])
def test_what_the_outbox_holds_is_not_planned_again(
    place: Place, city: Make, state: RequestState
) -> None:
    """A place and episode in the outbox is skipped, whatever became of it."""
    (decision,) = planned([place()], city(), [row_of(place(), state)])
    assert decision.action is Action.SKIP


def test_safe_retry_is_planned_again_when_its_time_has_come(place: Place, city: Make) -> None:
    """Only what was provably not accepted may be sent again, and not before the city's time."""
    row = row_of(place(), RequestState.SAFE_RETRY)
    assert planned([place()], city(), [row])[0].action is Action.SEND
    assert planned([place()], city(), [replace(row, waiting=True)])[0].action is Action.WAIT


@pytest.mark.parametrize(
    ("changes", "action"),
    [
        ({}, Action.SKIP),
        ({"closed": True}, Action.SEND),
        ({"state": RequestState.REFUSED}, Action.SEND),
        ({"service_code": "UTILITY-COVER"}, Action.SEND),
        ({"lat_deg": 42.36 + 14 / 111_195}, Action.SKIP),
        ({"lat_deg": 42.36 + 16 / 111_195}, Action.SEND),
        ({"place_id": "a1", "episode": 0, "lat_deg": 42.4}, Action.SKIP),
        ({"place_id": "a1", "episode": 0, "closed": True}, Action.SEND),
        ({"place_id": "a1", "episode": 0, "lat_deg": math.nan}, Action.SKIP),
    ],
    ids=str,
)
def test_open_request_covers_its_surroundings(
    place: Place, city: Make, changes: dict[str, object], action: Action
) -> None:
    """An open request of ours nearby suppresses by place, as the id of a place may change."""
    row = replace(row_of(place(place_id="other"), RequestState.ACKED), **changes)  # type: ignore[arg-type]
    assert planned([place()], city(), [row])[0].action is action


def test_two_places_of_one_hole_give_one_request(place: Place, city: Make) -> None:
    """Within one plan the place of higher priority covers its neighbour."""
    decisions = planned([place(place_id="low", priority=1.0), place(place_id="top")], city())
    assert [(d.place_id, d.action) for d in decisions] == [
        ("top", Action.SEND),
        ("low", Action.SKIP),
    ]


def apart(place: Place, n: int) -> list[PlaceFacts]:
    return [
        place(place_id=f"p{i}", lat_deg=42.0 + i * 0.001, priority=float(i % 5)) for i in range(n)
    ]


def test_budget_goes_to_the_worst(place: Place, city: Make) -> None:
    """The daily budget counts what was sent today; the rest waits, the least pressing first."""
    decisions = planned(apart(place, 10), city(daily_budget=6), used=3)
    assert [d.action for d in decisions] == [Action.SEND] * 3 + [Action.WAIT] * 7
    assert [d.place_id for d in decisions[:3]] == ["p4", "p9", "p3"]
    assert "budget of 6" in decisions[-1].why


def test_unknown_priority_comes_last(place: Place, city: Make) -> None:
    """A priority that is not a number does not upset the order."""
    places = [place(place_id="n", priority=math.nan, lat_deg=42.1), place(place_id="z")]
    assert [d.place_id for d in planned(places, city())] == ["z", "n"]


def test_plan_held_for_review(place: Place, city: Make) -> None:
    """A whole plan can be held; what a person approved goes through."""
    places = [place(place_id="x"), place(place_id="y", lat_deg=42.1, review="approved")]
    actions = {d.place_id: d.action for d in planned(places, city(), hold="first after promote")}
    assert actions == {"x": Action.HOLD, "y": Action.SEND}


def test_place_on_a_border_is_held(place: Place, city: Make) -> None:
    """A place that may belong to two cities is for a person."""
    west = City(city(name="w", boundary=BBox(west=-72, south=42, east=-71.05, north=43)))
    east = City(city(name="e", boundary=BBox(west=-71.05, south=42, east=-70, north=43)))
    (decision,) = plan([place()], cities=[west, east], outbox=(), sent_today={})
    assert (decision.action, decision.city) == (Action.HOLD, None)
    (decision,) = plan([place(lon_deg=0.0)], cities=[west, east], outbox=(), sent_today={})
    assert decision.action is Action.SKIP


POINTS = st.tuples(st.integers(0, 6), st.integers(0, 6))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(spots=st.lists(POINTS, max_size=25), budget=st.integers(0, 8), order=st.randoms())
def test_plan_after_plan_is_empty(
    place: Place, city: Make, spots: list[tuple[int, int]], budget: int, order: Random
) -> None:
    """Once the outbox holds what was planned, planning again sends nothing, in any order.

    What waited for the budget is sent on later days, and never beside what was sent before.
    """
    places = [
        place(place_id=f"p{i}", lat_deg=42 + a * 1e-4, lon_deg=-71 + b * 1e-4, priority=float(a))
        for i, (a, b) in enumerate(spots)
    ]
    profile = city(daily_budget=budget)
    first = planned(places, profile)
    order.shuffle(places)
    assert planned(places, profile) == first
    chosen = {d.place_id for d in first if d.action is Action.SEND}
    assert len(chosen) <= budget
    outbox = [row_of(p, RequestState.INTENT) for p in places if p.place_id in chosen]
    again = planned(places, profile, outbox, used=len(chosen))
    assert not [d for d in again if d.action is Action.SEND and len(chosen) >= budget]
    tomorrow = planned(places, city(daily_budget=1000), outbox)
    sent = chosen | {d.place_id for d in tomorrow if d.action is Action.SEND}
    assert {d.place_id for d in again if d.action is Action.SEND} <= sent - chosen
    where = {p.place_id: (p.lat_deg, p.lon_deg) for p in places}
    spots_sent = [where[i] for i in sent]
    assert len(spots_sent) == len(set(spots_sent))


def test_ten_thousand_places_are_planned(place: Place, city: Make) -> None:
    """A city that was away for a week: half of its ten thousand places are still to be sent."""
    places = [
        place(place_id=f"p{i}", lat_deg=42 + i // 100 * 3e-4, lon_deg=-71 + i % 100 * 3e-4)
        for i in range(10_000)
    ]
    outbox = [row_of(p, RequestState.ACKED) for p in places[::2]]
    decisions = planned(places, city(daily_budget=10_000), outbox)
    assert sum(d.action is Action.SEND for d in decisions) == 5000


def test_no_places_no_plan() -> None:
    """Nothing to plan gives an empty plan."""
    assert planned([], shipped_city("sandbox")) == ()


def test_a_closed_request_lets_its_place_rest(place: Place, city: Make) -> None:
    """A place that is still there after its request was closed waits for the city's pause."""
    again = place(state=PlaceState.STILL_THERE, episode=2)
    closed = replace(row_of(place(), RequestState.ACKED), closed=True)
    (resting,) = planned([again], city(), [replace(closed, resting=True)])
    (rested,) = planned([again], city(), [closed])
    assert (resting.action, rested.action) == (Action.WAIT, Action.SEND)
    assert "14 days" in resting.why
