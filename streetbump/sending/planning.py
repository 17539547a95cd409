"""From the store to a plan: what is known of every place, and what would be done about it.

Nothing is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pandas as pd

from streetbump.cityprofile import CityProfile
from streetbump.config import Settings
from streetbump.model import DAY_NS, JoltClass, PlaceState, RequestState, ServiceRequest
from streetbump.stores import OutboxRow, PlaceRow, Store
from streetbump.submit.compose import compose, marker
from streetbump.submit.plan import OutboxFacts, PlaceFacts, Planned, plan
from streetbump.submit.routing import City, route

FIRST_PLAN = "first plan after another generation was promoted: approve it place by place"


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
    request = request_of(row)
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


def request_of(row: OutboxRow) -> ServiceRequest:
    """The request that an outbox row holds."""
    return msgspec.json.decode(row.request, type=ServiceRequest)


def compose_planned(planned: Planned, facts: PlaceFacts, profile: CityProfile) -> ServiceRequest:
    """The request that a plan's row would send."""
    return compose(facts, profile, marker=marker(planned.place_id, planned.episode))


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
