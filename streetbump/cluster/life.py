"""Whether a defect is still there: the passes over one place, folded in the order of time.

A place is *present* or *absent*. While it is present a car jolts with a probability of its own,
which is unknown; while it is absent hardly ever. Either may become the other between two votes.
:func:`presence` is the forward filter of that two-state model (Rabiner 1989, doi 10.1109/5.18626,
section III A) over a grid of hit rates: it tells how sure the votes make us that something is
there *now*, and when that changed. Nothing fades by age: without a vote nothing moves.

:func:`lived` is the rule that turns it, and what the city said, into the state of a place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from streetbump.cluster import evidence
from streetbump.cluster.companions import Felt, co_travelling
from streetbump.cluster.places import Place
from streetbump.config import ClusterSettings, FlagSettings, LifeSettings
from streetbump.model import Bools, Floats, Ints, PlaceState

HIT_RATES = np.linspace(0.1, 0.95, 18)
"""Hit rates a present defect may have. Below a tenth a hole cannot be told from stray jolts within
a year of passes; chosen by us."""

WEEK_DAYS = 7
"""A voter's votes within so many days share their weight, so that nobody decides by driving past
every morning. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Votes:
    """What cars said of one place, by time: a row per voter and local day, (n,) each.

    Attributes
    ----------
    t_ns : int64
        Last visit of that day, ns since 1970 UTC.
    day : int64
        Number of the local solar day.
    voter : int64
        0 and up: named devices; -1: trips that name none.
    hit : float64
        Share of the day's visits that jolted, 0 to 1.
    weight : float64
        What the vote counts, 0 to 1.
    """

    t_ns: Ints
    day: Ints
    voter: Ints
    hit: Floats
    weight: Floats


@dataclass(frozen=True)
class Presence:
    """What the votes say of a place now.

    Attributes
    ----------
    p : float
        Probability that something is there now.
    since_ns : int or None
        Time of the first vote of those that made it so; None without any vote.
    devices, days : int
        Distinct named devices, and local days of such, that agree with it since then.
    """

    p: float
    since_ns: int | None
    devices: int
    days: int


@dataclass(frozen=True)
class Filed:
    """What a city holds of a place's present episode, as far as we have seen.

    `closed_ns` is when *we* first saw it closed; None while it is open.
    """

    closed_ns: int | None = None


def presence(votes: Votes, *, closed_ns: int | None, settings: LifeSettings) -> Presence:
    """How sure the votes make us that a place is there now: :func:`presences` of one place.

    >>> from streetbump.config import shipped_settings
    >>> s = shipped_settings().life
    >>> n = 24; day = np.arange(n)
    >>> then = Votes(day * 86_400_000_000_000, day, day % 6, (day < 8) * 1.0, np.ones(n))
    >>> now = presence(then, closed_ns=None, settings=s)
    >>> now.p < 0.01, now.since_ns == 8 * 86_400_000_000_000, now.devices
    (True, True, 6)
    """
    return presences([votes], closed_ns=[closed_ns], settings=settings)[0]


def presences(
    votes: Sequence[Votes], *, closed_ns: Sequence[int | None], settings: LifeSettings
) -> list[Presence]:
    """How sure the votes of each place make us that it is there now.

    Parameters
    ----------
    votes : sequence of Votes
        In any order within a place; no vote gives the prior.
    closed_ns : sequence of int or None
        When the city's claim to have closed each was seen: from then on a repair is likely
        beforehand, and only votes from then on count towards `devices` and `days`.
    """
    ordered = [_by_time(v) for v in votes]
    closing = [
        None if closed is None else int(np.searchsorted(v.t_ns, closed))
        for v, closed in zip(ordered, closed_ns, strict=True)
    ]
    p = _filtered(ordered, closing=closing, settings=settings)
    each = zip(ordered, p, closing, strict=True)
    return [_present(v, p_of[: len(v.t_ns)], at, settings=settings) for v, p_of, at in each]


def _by_time(votes: Votes) -> Votes:
    order = np.lexsort((votes.voter, votes.t_ns))
    return Votes(*(getattr(votes, name)[order] for name in votes.__dataclass_fields__))


def _present(v: Votes, p: Floats, closing: int | None, *, settings: LifeSettings) -> Presence:
    """The place after its last vote, given how sure each vote made us."""
    if len(v.t_ns) == 0:
        return Presence(settings.present_first, None, 0, 0)
    there = p >= 0.5
    agreeing = (v.hit >= 0.5) == there[-1]
    turned = np.flatnonzero(there != there[-1])
    first = int(turned[-1]) + 1 if len(turned) else 0
    # The filter turns some votes after what turned it: back to where those began.
    first = int(np.flatnonzero(~agreeing[:first])[-1]) + 1 if not agreeing[:first].all() else 0
    counted = agreeing & (v.voter >= 0)
    counted[: max(first, closing or 0)] = False
    return Presence(
        p=float(p[-1]),
        since_ns=int(v.t_ns[first]),
        devices=len(np.unique(v.voter[counted])),
        days=len(np.unique(v.day[counted])),
    )


def _filtered(
    votes: Sequence[Votes], *, closing: Sequence[int | None], settings: LifeSettings
) -> Floats:
    """Probability of presence after each vote of each place, (places, most votes).

    A row goes on for nothing after its place's last vote: all places take a step together.
    """
    stray, no_stray = np.log(settings.stray_rate), np.log1p(-settings.stray_rate)
    log_hit, log_miss = np.log(HIT_RATES), np.log1p(-HIT_RATES)
    most = max((len(v.t_ns) for v in votes), default=0)
    yes, no = np.zeros((most, len(votes))), np.zeros((most, len(votes)))
    away = np.full((most, len(votes)), settings.repaired_per_vote)
    for k, (v, closed) in enumerate(zip(votes, closing, strict=True)):
        weight = v.weight / (1 + _votes_before(v))
        yes[: len(weight), k], no[: len(weight), k] = weight * v.hit, weight * (1 - v.hit)
        if closed is not None:
            away[closed : closed + 1, k] = settings.repaired_at_closing
    start = np.full((len(votes), len(HIT_RATES)), 1 / len(HIT_RATES))
    there, gone = settings.present_first * start, (1 - settings.present_first) * start
    p = np.empty((most, len(votes)))
    for k in range(most):  # a recursion over the votes: hundreds at most
        seen_there = np.exp(yes[k][:, None] * log_hit + no[k][:, None] * log_miss)
        seen_gone = np.exp(yes[k] * stray + no[k] * no_stray)[:, None]
        leaves = away[k][:, None]
        there, gone = (
            (there * (1 - leaves) + gone * settings.appears_per_vote) * seen_there,
            (gone * (1 - settings.appears_per_vote) + there * leaves) * seen_gone,
        )
        total = (there.sum(axis=1) + gone.sum(axis=1))[:, None]
        there, gone = there / total, gone / total
        p[k] = there.sum(axis=1)
    return p.T


def _votes_before(v: Votes) -> Ints:
    """How many votes the same voter cast within the week before each, (n,)."""
    if len(v.day) == 0:
        return np.empty(0, np.int64)
    order = np.lexsort((v.day, v.voter))
    span = int(v.day.max() - v.day.min()) + WEEK_DAYS + 1
    _, rank = np.unique(v.voter[order], return_inverse=True)
    line = rank * span + (v.day[order] - v.day.min())
    before = np.arange(len(line)) - np.searchsorted(line, line - WEEK_DAYS + 1)
    same = np.searchsorted(rank, rank)  # a week never reaches into another voter's line
    count = np.empty(len(line), np.int64)
    count[order] = np.minimum(before, np.arange(len(line)) - same)
    return count


def _quorum(seen: Presence, flag: FlagSettings) -> bool:
    return seen.devices >= flag.min_devices and seen.days >= flag.min_days


def lived(
    place: Place, seen: Presence, filed: Filed | None, *, life: LifeSettings, flag: FlagSettings
) -> Place:
    """The place in the state that its passes and its city's words put it in.

    Parameters
    ----------
    filed : Filed or None
        What the city holds of the present episode; None while nothing was sent.

    What a person decided (held, rejected) and what an obstacle explains stays as it is. A defect
    that is felt again after the city closed it, or after a repair was seen, begins a new episode:
    the same hole is a new request then, and only then.
    """
    gone = seen.p <= 1 - life.certainty and _quorum(seen, flag)
    there = seen.p >= life.certainty and _quorum(seen, flag)
    state = place.state
    words = f"{seen.devices} devices on {seen.days} days"
    if state in _UNSENT and gone:
        return replace(place, state=PlaceState.FADED, why=f"no jolt any more: {words}")
    if state is PlaceState.FADED and there:
        return replace(place, state=PlaceState.FLAGGED, why=f"felt again: {words}")
    if state in _SENT and gone:
        return replace(place, state=PlaceState.REPAIR_SEEN, why=f"passes without a jolt: {words}")
    if state is PlaceState.CLOSED_CLAIMED and there:
        return _again(place, f"closed by the city and still felt: {words}")
    if state is PlaceState.REPAIR_SEEN and there:
        return _felt_again(place, filed, f"felt again after a repair: {words}")
    return place


def _felt_again(place: Place, filed: Filed | None, why: str) -> Place:
    """A repair did not hold: what is open is open, what is closed begins anew."""
    if filed is not None and filed.closed_ns is not None:
        return _again(place, why)
    state = PlaceState.STILL_THERE if filed is None else PlaceState.REPORTED
    return replace(place, state=state, why=why)


_UNSENT = frozenset({PlaceState.CANDIDATE, PlaceState.FLAGGED})
_SENT = frozenset({PlaceState.REPORTED, PlaceState.CLOSED_CLAIMED, PlaceState.STILL_THERE})


def _again(place: Place, why: str) -> Place:
    return replace(place, state=PlaceState.STILL_THERE, episode=place.episode + 1, why=why)


def votes_at(
    clusters: pd.DataFrame,
    place: Ints,
    hits: pd.DataFrame,
    passes: pd.DataFrame,
    trips: pd.DataFrame,
    *,
    settings: ClusterSettings,
) -> list[Votes]:
    """What cars said of the places that some clusters make up, of place 0 and up.

    Parameters
    ----------
    clusters : DataFrame
        Rows of ``CLUSTERS``: a cluster per direction of a place, as a rule.
    place : (n,) int64
        The number of the place that each of them is part of; each number is somebody's.
    hits : DataFrame
        Their members: ``cluster_id`` beside the columns of ``BUMPS``.
    passes, trips : DataFrame
        ``PASSES`` around them, and ``TRIPS`` behind both.
    """
    order = np.argsort(clusters["cluster_id"].to_numpy(str))
    clusters, place = clusters.iloc[order].reset_index(drop=True), place[order]
    hits = hits.sort_values(["cluster_id", "trip_key", "seq"]).reset_index(drop=True)
    number = np.searchsorted(clusters["cluster_id"].to_numpy(str), hits["cluster_id"].to_numpy(str))
    at = evidence.Centres(
        *(clusters[name].to_numpy() for name in ("lat_deg", "lon_deg", "pos_err_m", "heading_deg"))
    )
    seen = evidence.find_visits(hits, number, at, passes, s=settings)
    ordered = trips.sort_values("trip_key")
    keys, dated = ordered["trip_key"].to_numpy(), ordered["dated"].to_numpy()
    device, _ = pd.factorize(ordered["device"], sort=True)
    row, passed = np.searchsorted(keys, seen.trip), np.searchsorted(keys, passes["trip_key"])
    felt = Felt(number, *(hits[name].to_numpy() for name in ("trip_key", "t_utc_ns", "score")))
    company = co_travelling(
        at, felt, passes, device[passed], dated[passed], way_m=settings.company_m
    )
    visits = {
        "t_ns": seen.t_ns,
        "hit": seen.hit,
        "weight": seen.weight,
        # All trips that name no device are one voter, -1: any number of them can be made.
        "voter": company.voters(seen.cluster, seen.trip, device[row]),
        "day": evidence.solar_day(seen.t_ns, at.lon_deg[seen.cluster]),
        "dated": dated[row],
    }
    of = place[seen.cluster]
    by_place = np.argsort(of, kind="stable")
    ends = np.cumsum(np.bincount(of, minlength=int(place.max(initial=-1)) + 1))
    return [
        votes_of(**{name: column[rows] for name, column in visits.items()})
        for rows in np.split(by_place, ends)[:-1]
    ]


def votes_of(
    *, t_ns: Ints, hit: Floats, weight: Floats, voter: Ints, day: Ints, dated: Bools
) -> Votes:
    """One vote per voter and local day, from visits in any order; undated visits are no votes.

    Parameters
    ----------
    t_ns, hit, weight, voter, day, dated : (n,) arrays
        Of each visit: its time, whether it jolted (0 or 1), its weight, voter (below 0 when
        unnamed), local day, and whether its clock names days.

    >>> v = votes_of(t_ns=np.array([1, 2]), hit=np.array([1.0, 0.0]), weight=np.ones(2),
    ...              voter=np.zeros(2, int), day=np.array([5, 5]), dated=np.ones(2, bool))
    >>> v.hit.tolist(), v.t_ns.tolist()
    ([0.5], [2])
    """
    order = np.lexsort((hit, t_ns, day, voter))
    order = order[dated[order]]
    starts = evidence.group_starts(voter[order], day[order])
    if len(starts) == 0:
        none = np.empty(0, np.int64)
        return Votes(none, none, none, np.empty(0), np.empty(0))
    size = np.diff(np.append(starts, len(order)))
    return Votes(
        t_ns=np.maximum.reduceat(t_ns[order], starts),
        day=day[order][starts],
        voter=voter[order][starts],
        hit=np.add.reduceat(hit[order], starts) / size,
        weight=np.maximum.reduceat(weight[order], starts),
    )
