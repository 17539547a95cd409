"""What passes say together: hit rate, class, position and severity, each with its doubt."""

from __future__ import annotations

from itertools import pairwise

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.evidence import (
    ALIKE,
    SCORE_MS2,
    SHARED_ERROR_M,
    Centres,
    Groups,
    Visits,
    centres,
    find_visits,
    group_starts,
    groups,
    in_lane,
    reference_jolt,
    severity,
    solar_day,
    tally,
)
from streetbump.cluster.kinds import FEATURES, KINDS, class_posterior, hit_rate
from streetbump.geo import bin_centre, distance_m, local_m
from streetbump.model import CLASSES

from .kit import (
    CLUSTER,
    DAY_NS,
    HERE,
    MODEL,
    NOON_NS,
    clustered,
    drives,
    jolts,
    likelihoods,
    obstacle,
    region,
    town,
    trips_of,
)

DAYS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.floats(0.01, 1)), max_size=40
)


def one(hits: pd.DataFrame, voter: object = None) -> Groups:
    """All jolts as one cluster, each of its own voter unless told otherwise."""
    n = len(hits)
    who = np.arange(n) if voter is None else np.asarray(voter)
    return groups(np.zeros(n, int), who, hits["weight"].to_numpy())


def rate_of(hit, voter, day, weight=1.0):
    n = len(hit)
    visits = Visits(
        np.zeros(n, int), np.arange(n), np.zeros(n, int), np.asarray(hit, float),
        np.broadcast_to(np.asarray(weight, float), n), np.zeros(n), np.full(n, np.nan),
    )  # fmt: skip
    v = tally(visits, np.asarray(voter), np.asarray(day), np.ones(n, bool), n=1)
    x = np.zeros((1, len(FEATURES)))
    x[0, FEATURES.index("score")] = np.log(6.0)
    p = np.array([[float(c.value == "pothole") for c in CLASSES]])
    return v, hit_rate(v, x, p, MODEL, credible=CLUSTER.credible)


# --------------------------------------------------------------------------- hit rate


def site(hits: int, passes: int, **columns: object) -> pd.Series:
    """One cluster that so many trips jolted at, of all that passed."""
    bumps = jolts(np.zeros(hits), **columns)
    found = clustered(region(bumps, drives(np.arange(passes) + 1))).clusters
    assert len(found) == 1
    return found.iloc[0]


def test_three_of_three_outrank_ten_of_a_thousand():
    """A hole hit by all of 3 cars comes before one hit by 10 of 1,000."""
    few, many = site(3, 3), site(10, 1000)
    assert (few["hits"], few["passes"]) == (3, 3)
    assert (many["hits"], many["passes"]) == (10, 1000)
    assert few["priority"] > 3 * many["priority"]


def test_priority_is_never_above_what_is_sure_of_the_severity():
    """A rate is at most one, and beyond three jolts the severity counts as three would tell it."""
    table = clustered(town(1)).clusters
    assert (table["priority"] > 0).all()
    assert (table["priority"] <= table["severity_lo"] + 2e-3).all()


@pytest.mark.parametrize("seed", range(50))
def test_a_car_that_goes_round_the_block_has_one_vote(seed):
    """A device that drives by hundreds of times on a day weighs as much as once, beside any others.

    A second day is a second vote, and less than that of another car.
    """
    rng = np.random.default_rng(seed)
    times, others = int(rng.integers(20, 501)), int(rng.integers(1, 9))
    felt = list(rng.integers(0, 2, others))
    voters = list(range(2, 2 + others))

    def rate(days):
        return rate_of([1] * len(days) + felt, [1] * len(days) + voters, days + [0] * others)

    (_, once), (v, often) = rate([0]), rate([0] * times)
    assert (v.hits[0], v.passes[0]) == (times + sum(felt), times + others)
    for end in ("mean", "lo", "hi"):
        assert getattr(often, end) == pytest.approx(getattr(once, end), abs=1e-12)
    twice = rate([0] * (times - 1) + [1])[0].voted[0]
    assert v.voted[0] < twice < v.voted[0] + 1


@pytest.mark.parametrize("days", [1, 4, 30, 1000])
def test_no_device_has_more_than_a_few_votes(days):
    """A device that passes on ever so many days weighs no more than 1 / ALIKE others."""
    v, _ = rate_of([1] * days, [7] * days, range(days))
    assert v.voted[0] == pytest.approx(days / (1 + ALIKE * (days - 1)))
    assert v.voted[0] < 1 / ALIKE + 1e-9


@pytest.mark.parametrize("trips", [5, 500])
def test_trips_that_name_no_device_are_one_voter_together(trips):
    """Anybody can make any number of unnamed trips: all of them weigh as one device."""
    bumps = jolts(np.zeros(trips))
    unnamed = clustered(region(bumps, trips=trips_of(bumps, device=None))).clusters.iloc[0]
    alone = clustered(region(bumps, trips=trips_of(bumps, device=["a"] * trips))).clusters.iloc[0]
    assert unnamed["n_devices"] == 0
    for name in ("hit_rate_lo", "p_pothole", "severity_hi"):
        assert unnamed[name] == alone[name]


def test_days_are_votes_of_their_own():
    """The same device on another day votes again, if not as much as another device."""
    one_day, two_days, two = (
        rate_of([1, 1], *who)[0].voted[0] for who in (([1, 1], [0, 0]), ([1, 1], [0, 1]),
                                                      ([1, 2], [0, 0]))
    )  # fmt: skip
    assert one_day < two_days < two


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=DAYS)
def test_interval_holds_the_mean(rows):
    """0 ≤ low ≤ mean ≤ high ≤ 1, low < high, and hits ≤ passes, for any votes."""
    voter, day, hit, weight = (
        np.array([r[k] for r in rows], float if k > 1 else int) for k in range(4)
    )
    v, rate = rate_of(hit, voter, day, weight)
    assert 0 <= rate.lo[0] <= rate.mean[0] <= rate.hi[0] <= 1
    assert rate.lo[0] < rate.hi[0]
    assert 0 <= v.hits[0] <= v.passes[0] == len(rows)
    assert 0 <= v.voted[0] <= v.passed[0] + 1e-9


def test_more_hits_are_a_higher_rate():
    """Of the same passes, the more that jolt the higher the rate and its lower end."""
    rates = [rate_of(np.arange(20) < k, range(20), [0] * 20)[1] for k in (1, 4, 8, 14, 20)]
    for name in ("mean", "lo"):
        ends = [getattr(r, name)[0] for r in rates]
        assert all(a < b for a, b in pairwise(ends))


def test_not_every_felt_pass_leaves_a_jolt():
    """Weak and misplaced jolts are missed, so 12 hits of 20 passes tell of more than 60 %."""
    _, rate = rate_of(np.arange(20) < 12, range(20), [0] * 20)
    assert rate.mean[0] > 0.7


def test_light_passes_say_less():
    """Passes of a slow phone are smaller votes than those of a fast one."""
    light, full = (rate_of([1] * 4, range(4), [0] * 4, w)[0].voted[0] for w in (0.25, 1.0))
    assert light == pytest.approx(full / 4)


# --------------------------------------------------------------------------- visits


def visits_of(bumps: pd.DataFrame, passes: pd.DataFrame) -> Visits:
    at = centres(bumps, one(bumps))
    return find_visits(bumps, np.zeros(len(bumps), int), at, passes, s=CLUSTER)


GAP_NS = round(CLUSTER.visit_gap_s * 1e9)


@pytest.mark.parametrize(
    ("times_ns", "count"),
    [
        pytest.param([0], 1, id="once"),
        pytest.param([0, 2 * 10**9, 4 * 10**9], 1, id="three bins of one visit"),
        pytest.param([0, GAP_NS], 1, id="exactly the pause"),
        pytest.param([0, GAP_NS + 1], 2, id="a pause longer than visit_gap_s"),
        pytest.param([0, 10 * GAP_NS, 20 * GAP_NS], 3, id="round the block twice"),
    ],
)
def test_a_pause_begins_another_visit(times_ns, count):
    """Bins and jolts of a trip are one visit until it is away longer than visit_gap_s."""
    bump = jolts(0.0, trip_key=1)
    passes = pd.concat([drives(1, t_utc_ns=NOON_NS + t, seq=k) for k, t in enumerate(times_ns)])
    visits = visits_of(bump, passes.reset_index(drop=True))
    assert len(visits.hit) == count
    assert visits.hit.sum() == 1


@pytest.mark.parametrize(
    ("changes", "counted"),
    [
        pytest.param({}, 2, id="past the cluster"),
        pytest.param({"heading_deg": 44.0}, 2, id="within 45 degrees"),
        pytest.param({"heading_deg": 46.0}, 1, id="another street"),
        pytest.param({"heading_deg": 180.0}, 1, id="the opposite lane"),
        pytest.param({"east_m": 60.0}, 1, id="two streets away"),
        pytest.param({"weight": 0.0}, 1, id="felt by nothing"),
    ],
)
def test_passes_are_those_that_could_feel_it(changes, counted):
    """A pass counts when it goes by the cluster, the same way, with a phone that can feel it."""
    assert len(visits_of(jolts(0.0, trip_key=1), drives(2, **changes)).hit) == counted


@settings(max_examples=8, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_hits_never_exceed_passes(seed):
    """A visit with a jolt is a visit: in any town hits ≤ passes, and there are hits."""
    table = clustered(town(seed)).clusters
    assert (table["hits"] <= table["passes"]).all()
    assert (table["hits"] >= 1).all()
    assert (table["n_trips"] <= table["hits"]).all()
    inside = table["hit_rate"].between(table["hit_rate_lo"], table["hit_rate_hi"])
    assert inside.all()


def test_jolts_without_any_pass_are_visits():
    """A hit is a pass even when no bin was counted for it."""
    found = clustered(region(jolts([0.0, 1.0]))).clusters.iloc[0]
    assert (found["hits"], found["passes"]) == (2, 2)


def test_the_day_changes_at_midnight_by_the_sun():
    """A local day begins 4 minutes earlier for every degree further east."""
    midnight = np.array([0, -1, 12 * 3600 * 10**9, 12 * 3600 * 10**9])
    assert solar_day(midnight, np.array([0.0, 0.0, 179.9, 180.0])).tolist() == [0, -1, 0, 1]
    assert solar_day(np.array([DAY_NS]), np.array([-0.01])).tolist() == [0]


# --------------------------------------------------------------------------- class


RANDOM_X = st.integers(0, 10_000).map(
    lambda seed: (
        np.array(MODEL.centre)
        + np.array(MODEL.scale) * np.random.default_rng(seed).normal(0, 2, len(FEATURES))
    )
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(x=RANDOM_X, listed=st.sampled_from([None, *CLASSES]))
def test_posteriors_are_probabilities(x, listed):
    """Eight numbers from 0 to 1 that sum to 1; a listed obstacle favours its class only."""
    known = np.array([[float(c == listed) for c in CLASSES]])
    before, after = (class_posterior(x[None], k, MODEL)[0] for k in (0 * known, known))
    assert after.sum() == pytest.approx(1, abs=1e-12)
    assert after.min() >= 0
    own = known[0] > 0
    assert (after[own] >= before[own]).all()
    if listed is not None:
        assert (after[~own] <= before[~own] + 1e-15).all()


def test_the_model_and_the_code_are_of_one_mind():
    """The shipped numbers are for the features and kinds that the code has, in their order."""
    assert MODEL.features == FEATURES
    assert MODEL.kinds == KINDS
    assert np.array(MODEL.weights).shape == (len(FEATURES), len(KINDS))
    assert min(MODEL.listed) >= 0


def beside_a_hump(**p: float) -> pd.Series:
    hits = jolts([0.0, 0.5, 1.0], **likelihoods(**p))
    return clustered(region(hits, obstacles=obstacle(5.0, kind="hump"))).clusters.iloc[0]


def test_a_clear_pothole_beside_a_hump_still_shows():
    """A known hump 5 m away excuses no pothole: it stays one, and no obstacle explains it."""
    row = beside_a_hump(pothole=0.86)
    assert row["class"] == "pothole"
    assert row["p_pothole"] > 0.6
    assert pd.isna(row["obstacle_id"])


def test_what_feels_like_a_hump_at_a_hump_is_the_hump():
    """Where a hump is listed it explains what feels like one, and makes it likelier than alone."""
    row = beside_a_hump(hump=0.7)
    assert (row["class"], row["obstacle_id"]) == ("hump", "h1")
    assert row["obstacle_revision"] == 1
    alone = clustered(region(jolts([0.0, 0.5, 1.0], **likelihoods(hump=0.7)))).clusters.iloc[0]
    assert alone["p_hump"] < row["p_hump"]
    assert alone["obstacle_revision"] == 0


# --------------------------------------------------------------------------- severity


def level(hits: pd.DataFrame, s: object = CLUSTER) -> tuple[float, float, float]:
    mid, lo, hi = severity(hits, reference_jolt(hits, s=s), one(hits), credible=CLUSTER.credible)
    return float(mid[0]), float(lo[0]), float(hi[0])


@pytest.mark.parametrize("speed", [3.0, 5.0, 11.111, 25.0])
def test_a_jolt_is_brought_to_the_reference_speed(speed):
    """The same hole at another speed has the same severity, by the power law."""
    ratio = speed / CLUSTER.reference_speed_ms
    peak = 6.0 * ratio**CLUSTER.speed_exponent
    hit = jolts(0.0, speed_ms=speed, peak_ms2=peak, score=6.0 / SCORE_MS2)
    assert level(hit)[0] == pytest.approx(6.0, abs=2e-3)


def test_the_exponent_is_a_setting():
    """With exponent 1 a jolt at half the reference speed counts double."""
    s = msgspec.structs.replace(CLUSTER, speed_exponent=1.0)
    hits = jolts(0.0, speed_ms=s.reference_speed_ms / 2, peak_ms2=3.0, score=6.0 / SCORE_MS2)
    assert level(hits, s)[0] == pytest.approx(6.0, abs=1e-2)


def test_unknown_speed_is_taken_as_it_is():
    """A jolt without a speed keeps its peak."""
    hit = jolts(0.0, speed_ms=np.nan, peak_ms2=6.0, score=6.0 / SCORE_MS2)
    assert level(hit)[0] == pytest.approx(6.0, abs=2e-3)


def test_the_car_s_own_road_is_taken_off():
    """Of two jolts of one size that of the car which shakes less anyway is the worse hole."""
    calm, shaky = (level(jolts(0.0, peak_ms2=6.0, score=score))[0] for score in (9.0, 4.0))
    assert calm / shaky == pytest.approx(np.sqrt(9.0 / 4.0), abs=1e-3)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(peaks=st.lists(st.floats(0.0, 80.0), min_size=1, max_size=30))
def test_severity_lies_in_its_interval(peaks):
    """Low < middle < high, whatever was measured, and within what was measured."""
    scores = np.array(peaks) / SCORE_MS2
    hits = jolts(np.zeros(len(peaks)), peak_ms2=peaks, score=scores, speed_ms=11.111)
    mid, lo, hi = level(hits)
    assert 0 < lo < mid < hi
    assert min(peaks) - 2e-2 <= mid <= max(peaks) + 2e-2


def test_more_cars_leave_less_doubt():
    """The interval narrows with the number of jolts that agree."""
    ratios = []
    for n in (1, 4, 16):
        _, lo, hi = level(jolts(np.zeros(n)))
        ratios.append(np.log(hi / lo))
    assert ratios == pytest.approx([ratios[0], ratios[0] / 2, ratios[0] / 4], abs=1e-9)


def test_cars_that_disagree_widen_the_interval():
    """Jolts that scatter more than cars usually do leave more doubt."""
    sizes = np.array([1.0, 3.0, 12.0, 40.0])
    calm, wild = jolts(np.zeros(4)), jolts(np.zeros(4), peak_ms2=sizes, score=sizes)
    assert np.log(np.divide(*level(wild)[:0:-1])) > np.log(np.divide(*level(calm)[:0:-1]))


# --------------------------------------------------------------------------- position


def off(hits: pd.DataFrame, voter: object = None) -> tuple[float, float]:
    """How far from `HERE` the centre lies, and its stated error, m."""
    at = centres(hits, one(hits, voter))
    return float(distance_m(*HERE, at.lat_deg[0], at.lon_deg[0])), float(at.pos_err_m[0])


def test_well_placed_jolts_weigh_more():
    """Of two jolts the one with the smaller error pulls more, though not by what it claims."""
    away, _ = off(jolts([0.0, 10.0], pos_err_m=[2.0, 20.0]))
    assert 10 * 2.0**2 / 20.0**2 < away < 4.0


def test_one_far_jolt_does_not_move_the_centre():
    """A jolt 40 m off among nine at the place moves the centre by less than a metre and a half."""
    assert off(jolts([*np.zeros(9), 40.0]))[0] < 1.5


def test_one_phone_does_not_move_the_centre():
    """Fifty jolts of one phone 8 m away pull less than five phones do."""
    east = [*np.zeros(5), *np.full(50, 8.0)]
    away, _ = off(jolts(east), voter=[*range(5), *[9] * 50])
    assert away < 4.5


def test_the_error_falls_with_the_number_of_phones():
    """Errors of phones average out as 1/√n, but however many there are a metre of doubt remains."""
    errors = np.array([off(jolts(np.zeros(n)))[1] for n in (4, 16, 64, 500)])
    assert (np.diff(errors) < 0).all()
    own = np.sqrt(errors**2 - SHARED_ERROR_M**2)
    assert own[1] / own[2] == pytest.approx(2, abs=0.2)
    assert errors[3] >= SHARED_ERROR_M


def lane(right_m, *, hit=0.0, n=40, err_m=3.0):
    """A place, and so many cars beside it that ran so far to its right."""
    at = Centres(np.array([HERE[0]]), np.array([HERE[1]]), np.array([err_m]), np.array([90.0]))
    visits = Visits(
        np.zeros(n, int), np.arange(n), np.zeros(n, int), np.full(n, hit), np.ones(n),
        np.zeros(n), np.broadcast_to(np.asarray(right_m, float), n),
    )  # fmt: skip
    moved = in_lane(at, visits, np.arange(n))
    east, north = local_m(moved.lat_deg, moved.lon_deg, lat0_deg=HERE[0], lon0_deg=HERE[1])
    return -north[0], east[0], moved.pos_err_m[0]


def test_cars_that_felt_nothing_say_where_the_lane_is():
    """Many lines 4 m to the right draw a place over, the more the less sure it was; never past."""
    right, along, err = lane(4.0)
    assert 0 < right < 4
    assert along == pytest.approx(0, abs=1e-6)
    assert err < 3
    assert right < lane(4.0, err_m=6.0)[0] < 4
    assert lane(4.0, n=4)[0] < right < lane(4.0, n=1000)[0] < 4


def test_the_lane_leaves_a_sure_place():
    """A place that many jolts put within a metre moves by less than that."""
    assert lane(4.0, err_m=0.9)[0] < 0.9


@pytest.mark.parametrize(("right_m", "hit"), [(np.nan, 0.0), (4.0, 1.0)])
def test_lines_that_tell_nothing_leave_a_place(right_m, hit):
    """Passes stored before lines were kept, and cars whose jolts were counted already."""
    assert lane(right_m, hit=hit) == pytest.approx((0, 0, 3))


def test_a_visit_s_line_runs_where_its_bins_say():
    """A line 3 m left of the place, whatever the middle of the bin it runs through."""
    bump = jolts(0.0, trip_key=1)
    at = centres(bump, one(bump))
    passed = drives(2, aside_m=0.0)
    lat, lon = bin_centre(passed["bin"].to_numpy())
    east, _ = local_m(lat, lon, lat0_deg=HERE[0], lon0_deg=HERE[1])  # heading north
    passed = drives(2, aside_m=-3.0 - east[0])
    visits = find_visits(bump, np.zeros(1, int), at, passed, s=CLUSTER)
    assert np.isnan(visits.right_m[0])
    assert visits.right_m[1] == pytest.approx(-3, abs=0.02)


def test_centre_on_the_antimeridian():
    """Jolts on either side of the antimeridian have their centre between them."""
    both = jolts([-4.0, 4.0], at=(12.0, 180.0))
    at = centres(both, one(both))
    assert abs(at.lon_deg[0]) == pytest.approx(180.0, abs=1e-7)


def test_headings_are_averaged_round_the_circle():
    """The mean of 350° and 20° is 5°."""
    both = jolts([0.0, 0.0], heading_deg=[350.0, 20.0])
    at = centres(both, one(both))
    assert at.heading_deg[0] == pytest.approx(5.0, abs=1e-6)


def test_group_starts_of_nothing():
    """No rows have no groups."""
    assert group_starts(np.empty(0, int)).tolist() == []
