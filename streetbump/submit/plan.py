"""What to do about each place: send, hold for a person, wait, or leave it. Decides, does nothing.

Planning again after the outbox holds the rows of the last plan sends nothing new.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from streetbump.cityprofile import CityProfile
from streetbump.geo import distance_m, ecef_mm
from streetbump.model import JoltClass, PlaceState, RequestState
from streetbump.submit.routing import City, position_problem, route


class Action(StrEnum):
    """What is to be done about a place."""

    SEND = "send"  # compose a request and put it into the outbox
    HOLD = "hold"  # a person decides
    SKIP = "skip"  # nothing to do, or nothing that may be done
    WAIT = "wait"  # would be sent, but not now


@dataclass(frozen=True)
class PlaceFacts:
    """What planning and composing know of a place: no trip, no device, no time of day.

    Attributes
    ----------
    headings_deg : tuple of float
        Directions of travel in which it is felt, clockwise from north; empty when unknown.
    severity : float
        Jolt of the reference car at 40 km/h, m/s²; NaN when unknown.
    hit_rate : float
        Share of passes that hit, 0 to 1.
    n_devices, n_days : int
        Distinct named devices and local days among the hits.
    first_day, last_day : str
        City-local days of the first and last hit, YYYY-MM-DD; empty when unknown.
    priority : float
        What to look at first, m/s².
    obstacle_id : str or None
        Known obstacle of the same class that explains it.
    street, cross_street : str
        Where it is in words, by the city's street layer; empty when there is none.
    review : str or None
        What a person decided: ``approved``, ``held``, ``rejected``, or None.
    earlier_id : str or None
        The city's number of the last request for this place that it closed.
    """

    place_id: str
    episode: int
    state: PlaceState
    lat_deg: float
    lon_deg: float
    pos_err_m: float
    headings_deg: tuple[float, ...]
    jolt_class: JoltClass
    class_p: float
    severity: float
    hit_rate: float
    hits: int
    passes: int
    n_devices: int
    n_days: int
    first_day: str
    last_day: str
    priority: float
    synthetic: bool
    obstacle_id: str | None = None
    review: str | None = None
    earlier_id: str | None = None
    street: str = ""
    cross_street: str = ""


@dataclass(frozen=True)
class OutboxFacts:
    """What planning knows of a request that the outbox holds.

    `closed`: the city says it is closed. `resting`: it was closed so lately that the same place is
    not reported again yet. `waiting`: may be sent again, but its time has not come.
    """

    place_id: str
    episode: int
    city: str
    state: RequestState
    service_code: str
    lat_deg: float
    lon_deg: float
    closed: bool = False
    resting: bool = False
    waiting: bool = False


@dataclass(frozen=True)
class Planned:
    """The decision about one place, with a reason that an analyst can read."""

    place_id: str
    episode: int
    city: str | None
    action: Action
    why: str
    priority: float


_CUBE_MM = 250_000
"""Side of a cube of the index: above the widest duplicate radius a profile may ask for."""

_Cube = tuple[int, int, int]


def _cube_of(lat_deg: float, lon_deg: float) -> _Cube:
    x, y, z = (ecef_mm(np.array([lat_deg]), np.array([lon_deg]))[0] // _CUBE_MM).tolist()
    return x, y, z


@dataclass
class _Taken:
    """Requests by place, so that ten thousand of them can be planned around quickly."""

    _by_cube: dict[_Cube, list[OutboxFacts]] = field(default_factory=dict)
    _by_place: dict[str, list[OutboxFacts]] = field(default_factory=dict)

    def add(self, row: OutboxFacts) -> None:
        """Take note of a request; without a position it covers its own place only."""
        self._by_place.setdefault(row.place_id, []).append(row)
        if math.isfinite(row.lat_deg) and math.isfinite(row.lon_deg):
            self._by_cube.setdefault(_cube_of(row.lat_deg, row.lon_deg), []).append(row)

    def around(self, place: PlaceFacts) -> list[tuple[OutboxFacts, float]]:
        """Other requests of this place or near it, with their distance in metres."""
        x, y, z = _cube_of(place.lat_deg, place.lon_deg)
        near = [(x + i, y + j, z + k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
        rows = [row for cube in near for row in self._by_cube.get(cube, ())]
        rows += self._by_place.get(place.place_id, ())
        others = [row for row in rows if (row.place_id, row.episode) != _key(place)]
        lat, lon = np.array([(row.lat_deg, row.lon_deg) for row in others]).reshape(-1, 2).T
        away_m = distance_m(lat, lon, place.lat_deg, place.lon_deg)
        return list(zip(others, away_m.tolist(), strict=True))


def _key(place: PlaceFacts) -> tuple[str, int]:
    return place.place_id, place.episode


_IN_OUTBOX = {
    RequestState.PLANNED: "is planned already",
    RequestState.INTENT: "is about to be sent already",
    RequestState.SENDING: "is being sent already",
    RequestState.ACKED: "was reported already",
    RequestState.TOKEN: "was reported already; the city has yet to give a number",
    RequestState.LINKED: "was reported already, under an earlier request",
    RequestState.DUPLICATE: "is covered by somebody else's request",
    RequestState.REFUSED: "was refused by the city",
    RequestState.UNKNOWN: "was sent with an unclear outcome: it is looked up, not sent again",
    RequestState.HELD: "waits for a person",
}
"""Why a place and episode in this state is not sent; SAFE_RETRY alone may be."""


def plan(
    places: Sequence[PlaceFacts],
    *,
    cities: Sequence[City],
    outbox: Sequence[OutboxFacts],
    sent_today: Mapping[str, int],
    hold: str = "",
) -> tuple[Planned, ...]:
    """One decision per place, by priority (highest first), then place id.

    Parameters
    ----------
    places : sequence of PlaceFacts
        At most one per place id.
    cities : sequence of City
        The profiles in use.
    outbox : sequence of OutboxFacts
        Every request that was ever planned; each keeps its place and episode from a second one.
    sent_today : mapping of str to int
        Requests created today (city-local) by city name, for the daily budget.
    hold : str
        When not empty, what would be sent is held for this reason, unless a person approved it.

    >>> plan((), cities=(), outbox=(), sent_today={})
    ()
    """
    own = {(row.place_id, row.episode): row for row in outbox}
    profiles = {city.name: city.profile for city in cities}
    taken = _Taken()
    for row in outbox:
        taken.add(row)
    used = dict(sent_today)
    planned = []
    # One after the other: each request that is sent uses budget and covers its surroundings.
    for place in sorted(places, key=_rank):
        decision = _decide(place, cities=cities, row=own.get(_key(place)))
        if decision.action is Action.SEND and decision.city is not None:
            profile = profiles[decision.city]
            decision = _around(decision, place, profile=profile, taken=taken)
            decision = _permitted(decision, place, profile=profile, used=used, hold=hold)
        if decision.action is not Action.SKIP and decision.city is not None:
            taken.add(_as_row(place, profiles[decision.city]))
        if decision.action is Action.SEND and decision.city is not None:
            used[decision.city] = used.get(decision.city, 0) + 1
        planned.append(decision)
    return tuple(planned)


def _rank(place: PlaceFacts) -> tuple[float, str]:
    known = -place.priority if math.isfinite(place.priority) else math.inf
    return known, place.place_id


def _decision(place: PlaceFacts, action: Action, why: str, city: str | None = None) -> Planned:
    return Planned(place.place_id, place.episode, city, action, why, place.priority)


def _decide(place: PlaceFacts, *, cities: Sequence[City], row: OutboxFacts | None) -> Planned:
    """The decision as far as the place itself, its own outbox row and its city tell."""
    if row is not None and row.state is not RequestState.SAFE_RETRY:
        return _decision(place, Action.SKIP, _IN_OUTBOX[row.state], row.city)
    problem = _place_problem(place)
    if problem:
        return _decision(place, Action.SKIP, problem)
    if place.review == "held":
        return _decision(place, Action.HOLD, "a person holds it")
    routed = route(place.lat_deg, place.lon_deg, pos_err_m=place.pos_err_m, cities=cities)
    if routed.city is None:
        action = Action.HOLD if routed.for_person else Action.SKIP
        return _decision(place, action, routed.why)
    profile = next(c.profile for c in cities if c.name == routed.city)
    problem = _city_problem(place, profile)
    if problem:
        return _decision(place, Action.SKIP, problem, routed.city)
    if profile.needs_address and not place.street:
        why = f"{profile.name} wants an address, and no named street is near: for a person"
        return _decision(place, Action.HOLD, why, routed.city)
    if row is not None and row.waiting:
        return _decision(place, Action.WAIT, "the city asked to wait", routed.city)
    return _decision(place, Action.SEND, _evidence(place), routed.city)


def _place_problem(place: PlaceFacts) -> str:
    """Why nobody should be told about a place; empty when somebody may."""
    approved = place.state is PlaceState.HELD and place.review == "approved"
    if place.review == "rejected":
        return "a person rejected it"
    if place.state not in {PlaceState.FLAGGED, PlaceState.STILL_THERE} and not approved:
        return f"is {place.state.value.replace('_', ' ')}, not flagged"
    if place.obstacle_id is not None:
        return f"is the known obstacle {place.obstacle_id}"
    return position_problem(place.lat_deg, place.lon_deg, place.pos_err_m)


def _city_problem(place: PlaceFacts, profile: CityProfile) -> str:
    """Why this place must not go to this city; empty when it may."""
    if profile.service_for(place.jolt_class) is None:
        return f"{profile.name} takes no reports of class {place.jolt_class.value}"
    if place.synthetic and not profile.loopback:
        return "comes from simulated trips, which only a practice city on this machine may get"
    return ""


def _evidence(place: PlaceFacts) -> str:
    return (
        f"{place.jolt_class.value} (p = {place.class_p:.2f}): {place.hits} hits on"
        f" {place.passes} passes by {place.n_devices} devices on {place.n_days} days"
    )


def _around(
    decision: Planned, place: PlaceFacts, *, profile: CityProfile, taken: _Taken
) -> Planned:
    """The decision, changed to skip when an open request of ours covers the place."""
    for row, away_m in taken.around(place):
        here = row.place_id == place.place_id or away_m <= profile.limits.duplicate_radius_m
        if row.place_id == place.place_id and row.resting:
            why = f"the city closed its last request under {profile.limits.reopen_days} days ago"
            return _decision(place, Action.WAIT, why, decision.city)
        same = row.city == profile.name and row.service_code == _code_of(place, profile)
        if here and same and not row.closed and row.state is not RequestState.REFUSED:
            why = f"our request for place {row.place_id}, {away_m:.0f} m away, is not closed yet"
            return _decision(place, Action.SKIP, why, decision.city)
    return decision


def _permitted(
    decision: Planned,
    place: PlaceFacts,
    *,
    profile: CityProfile,
    used: Mapping[str, int],
    hold: str,
) -> Planned:
    """The decision, changed to hold or wait where review or budget say so."""
    if decision.action is not Action.SEND:
        return decision
    if hold and place.review != "approved":
        return _decision(place, Action.HOLD, hold, decision.city)
    if used.get(profile.name, 0) >= profile.limits.daily_budget:
        why = f"today's budget of {profile.limits.daily_budget} for {profile.name} is used up"
        return _decision(place, Action.WAIT, why, decision.city)
    return decision


def _code_of(place: PlaceFacts, profile: CityProfile) -> str:
    service = profile.service_for(place.jolt_class)
    return service.code if service else ""


def _as_row(place: PlaceFacts, profile: CityProfile) -> OutboxFacts:
    return OutboxFacts(
        place.place_id, place.episode, profile.name, RequestState.PLANNED,
        _code_of(place, profile), place.lat_deg, place.lon_deg,
    )  # fmt: skip
