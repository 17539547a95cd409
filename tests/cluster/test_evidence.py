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
    Visits,
    centres,
    class_posterior,
    find_visits,
    group_starts,
    hit_rate,
    severity,
    solar_day,
)
from streetbump.geo import distance_m
from streetbump.model import CLASSES, P_COLUMNS

from .kit import (
    CLUSTER,
    DAY_NS,
    HERE,
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

ONE = np.array([0])
DAYS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans(), st.floats(0.01, 1)), max_size=40
)


def rate_of(hit, voter, day, weight=1.0):
    n = len(hit)
    visits = Visits(
        np.zeros(n, int), np.arange(n), np.zeros(n, int), np.asarray(hit, float),
        np.broadcast_to(np.asarray(weight, float), n),
    )  # fmt: skip
    return hit_rate(visits, np.asarray(voter), np.asarray(day), n=1, credible=CLUSTER.credible)


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


def test_priority_is_what_is_sure_of_both():
    """Up to three passes it is the product of the lower ends, beyond that never more."""
    for hits, passes in ((1, 1), (2, 3), (3, 3)):
        one = site(hits, passes)
        assert one["priority"] == pytest.approx(one["hit_rate_lo"] * one["severity_lo"], abs=2e-3)
    table = clustered(town(1)).clusters
    assert (table["priority"] <= table["hit_rate_lo"] * table["severity_lo"] + 2e-3).all()


def test_a_car_that_goes_round_the_block_has_one_vote():
    """One device that drives by 500 times on a day weighs as much as once."""
    once = rate_of([1, 0], [1, 2], [0, 0])
    often = rate_of([1] * 500 + [0], [1] * 500 + [2], [0] * 501)
    assert (often.hits[0], often.passes[0]) == (500, 501)
    for end in ("mean", "lo", "hi"):
        assert getattr(often, end) == pytest.approx(getattr(once, end), abs=1e-12)


def test_one_device_in_the_whole_chain_has_one_vote():
    """The same holds for the clusters of a region, whichever trips the device made of it."""
    hits = jolts(np.zeros(500), t_utc_ns=NOON_NS + np.arange(500) * 120 * 10**9 // 10)
    other = jolts(1.0, trip_key=1000)
    both = pd.concat([hits, other]).reset_index(drop=True)
    names = ["greedy"] * 500 + ["other"]
    found = clustered(region(both, trips=trips_of(both, device=names))).clusters.iloc[0]
    pair = clustered(region(jolts([0.0, 1.0]))).clusters.iloc[0]
    assert found["hits"] == 501
    assert found["n_devices"] == 2
    assert found["hit_rate_lo"] == pair["hit_rate_lo"]


def test_trips_that_name_no_device_vote_each_for_themselves():
    """Unnamed trips are in no quorum, but each tells what the road is like."""
    bumps = jolts(np.zeros(5))
    unnamed = clustered(region(bumps, trips=trips_of(bumps, device=None))).clusters.iloc[0]
    named = clustered(region(bumps)).clusters.iloc[0]
    assert unnamed["hit_rate_lo"] == named["hit_rate_lo"]
    assert (unnamed["n_devices"], named["n_devices"]) == (0, 5)


def test_days_are_votes_of_their_own():
    """The same device on another day votes again."""
    one_day, two_days = rate_of([1, 1], [1, 1], [0, 0]), rate_of([1, 1], [1, 1], [0, 1])
    assert two_days.lo[0] > one_day.lo[0]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=DAYS)
def test_interval_holds_the_mean(rows):
    """0 ≤ low < mean < high ≤ 1 and hits ≤ passes, for any votes."""
    voter, day, hit, weight = (
        np.array([r[k] for r in rows], float if k > 1 else int) for k in range(4)
    )
    rate = rate_of(hit, voter, day, weight)
    assert 0 <= rate.lo[0] < rate.mean[0] < rate.hi[0] <= 1
    assert 0 <= rate.hits[0] <= rate.passes[0] == len(rows)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 1.0])
def test_interval_narrows_with_the_number_of_passes(share):
    """More passes with the same share of hits leave less doubt."""
    widths = []
    for n in (5, 20, 80, 320):
        rate = rate_of(np.arange(n) < share * n, np.arange(n), np.zeros(n, int))
        widths.append(rate.hi[0] - rate.lo[0])
    assert all(a > 1.3 * b for a, b in pairwise(widths))


def test_light_passes_say_less():
    """Passes of a slow phone move the hit rate less than those of a fast one."""
    light, full = rate_of([1] * 4, range(4), [0] * 4, 0.25), rate_of([1] * 4, range(4), [0] * 4)
    assert light.lo[0] < full.lo[0]
    assert light.mean[0] == pytest.approx((1 + 0.5) / (1 + 1), abs=1e-12)


def test_nobody_passed_is_nothing_known():
    """Without a visit the rate is the prior's: one half, and nearly anything possible."""
    rate = rate_of([], np.empty(0, int), np.empty(0, int))
    assert (rate.hits[0], rate.passes[0], rate.mean[0]) == (0, 0, 0.5)
    assert rate.lo[0] < 0.01
    assert rate.hi[0] > 0.99


# --------------------------------------------------------------------------- visits


def visits_of(bumps: pd.DataFrame, passes: pd.DataFrame) -> Visits:
    return find_visits(bumps, np.zeros(len(bumps), int), centres(bumps, ONE), passes, s=CLUSTER)


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
    inside = (table["hit_rate_lo"] < table["hit_rate"]) & (table["hit_rate"] < table["hit_rate_hi"])
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


def posterior(hits: pd.DataFrame, listed: str | None = None) -> dict[str, float]:
    known = np.array([[float(c.value == listed) for c in CLASSES]])
    p = class_posterior(hits, ONE, known, s=CLUSTER)[0]
    return dict(zip([c.value for c in CLASSES], p.tolist(), strict=True))


def test_agreeing_jolts_make_sure():
    """Passes that say the same make the class surer, up to effective_passes of them."""
    p = [posterior(jolts(np.zeros(n), **likelihoods(pothole=0.3)))["pothole"] for n in (1, 2, 4)]
    assert p[0] < p[1] < p[2]
    many = posterior(jolts(np.zeros(40), **likelihoods(pothole=0.3)))["pothole"]
    assert many == pytest.approx(p[2], abs=1e-9)


def test_no_single_jolt_excludes_a_class():
    """One pass that is wrong with certainty is outvoted by the others."""
    right = jolts(np.zeros(3), **likelihoods(pothole=0.8))
    wrong = jolts(0.0, trip_key=9, **likelihoods(pothole=0.0, hump=1.0))
    assert posterior(pd.concat([right, wrong]))["pothole"] > 0.5


@settings(max_examples=60, deadline=None, derandomize=True)
@given(n=st.integers(1, 9), seed=st.integers(0, 999), listed=st.sampled_from([None, *CLASSES]))
def test_posteriors_are_probabilities(n, seed, listed):
    """Eight numbers from 0 to 1 that sum to 1; a listed obstacle favours its class only."""
    p = np.random.default_rng(seed).dirichlet(np.full(8, 0.3), n)
    hits = jolts(np.zeros(n), **dict(zip(P_COLUMNS, p.T, strict=True)))
    before, after = posterior(hits), posterior(hits, listed)
    assert sum(after.values()) == pytest.approx(1, abs=1e-12)
    assert min(after.values()) >= 0
    if listed is not None:
        others = [c for c in before if c != listed]
        assert after[listed] >= before[listed]
        assert all(after[c] <= before[c] + 1e-15 for c in others)


def beside_a_hump(**p: float) -> pd.Series:
    hits = jolts([0.0, 0.5, 1.0], **likelihoods(**p))
    return clustered(region(hits, obstacles=obstacle(5.0, kind="hump"))).clusters.iloc[0]


def test_a_clear_pothole_beside_a_hump_still_shows():
    """A known hump 5 m away excuses no pothole: it stays one, and no obstacle explains it."""
    row = beside_a_hump(pothole=0.86)
    assert row["class"] == "pothole"
    assert row["p_pothole"] > 0.6
    assert pd.isna(row["obstacle_id"])


def test_an_ambiguous_jolt_at_a_hump_is_the_hump():
    """Where a hump is listed, jolts that may be either are that hump; elsewhere they are unsure."""
    row = beside_a_hump(pothole=0.35, hump=0.3)
    assert (row["class"], row["obstacle_id"]) == ("hump", "h1")
    assert row["obstacle_revision"] == 1
    alone = clustered(region(jolts([0.0, 0.5, 1.0], **likelihoods(pothole=0.35, hump=0.3))))
    assert alone.clusters.iloc[0]["class"] != "hump"
    assert alone.clusters.iloc[0]["obstacle_revision"] == 0


# --------------------------------------------------------------------------- severity


def level(hits: pd.DataFrame) -> tuple[float, float, float]:
    mid, lo, hi = severity(hits, ONE, s=CLUSTER)
    return float(mid[0]), float(lo[0]), float(hi[0])


@pytest.mark.parametrize("speed", [3.0, 5.0, 11.111, 25.0])
def test_a_jolt_is_brought_to_the_reference_speed(speed):
    """The same hole at another speed has the same severity, by the power law."""
    ratio = speed / CLUSTER.reference_speed_ms
    peak = 6.0 * ratio**CLUSTER.speed_exponent
    assert level(jolts(0.0, speed_ms=speed, peak_ms2=peak))[0] == pytest.approx(6.0, abs=2e-3)


def test_the_exponent_is_a_setting():
    """With exponent 1 a jolt at half the reference speed counts double."""
    s = msgspec.structs.replace(CLUSTER, speed_exponent=1.0)
    hits = jolts(0.0, speed_ms=s.reference_speed_ms / 2, peak_ms2=3.0)
    assert severity(hits, ONE, s=s)[0][0] == pytest.approx(6.0, abs=1e-2)


def test_unknown_speed_is_taken_as_it_is():
    """A jolt without a speed keeps its peak."""
    assert level(jolts(0.0, speed_ms=np.nan, peak_ms2=6.0))[0] == pytest.approx(6.0, abs=1e-9)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(peaks=st.lists(st.floats(0.0, 80.0), min_size=1, max_size=30))
def test_severity_lies_in_its_interval(peaks):
    """Low < median < high, whatever was measured, and within what was measured."""
    mid, lo, hi = level(jolts(np.zeros(len(peaks)), peak_ms2=peaks, speed_ms=11.111))
    assert 0 < lo < mid < hi
    assert min(peaks) - 1e-2 <= mid <= max(peaks) + 1e-2


def test_more_cars_leave_less_doubt():
    """The interval narrows with the number of jolts that agree."""
    ratios = []
    for n in (1, 4, 16):
        _, lo, hi = level(jolts(np.zeros(n)))
        ratios.append(np.log(hi / lo))
    assert ratios == pytest.approx([ratios[0], ratios[0] / 2, ratios[0] / 4], abs=1e-9)


def test_cars_that_disagree_widen_the_interval():
    """Jolts that scatter more than cars usually do leave more doubt."""
    calm, wild = jolts(np.zeros(4)), jolts(np.zeros(4), peak_ms2=[1.0, 3.0, 12.0, 40.0])
    assert np.log(np.divide(*level(wild)[:0:-1])) > np.log(np.divide(*level(calm)[:0:-1]))


# --------------------------------------------------------------------------- position


def test_well_placed_jolts_weigh_more():
    """The centre is the mean weighted by 1/error², its error the combined one."""
    at = centres(jolts([0.0, 10.0], pos_err_m=[2.0, 4.0]), ONE)
    assert distance_m(*HERE, at.lat_deg[0], at.lon_deg[0]) == pytest.approx(2.0, abs=0.02)
    assert at.pos_err_m[0] == pytest.approx(np.hypot(1 / np.sqrt(1 / 4 + 1 / 16), 1.0), abs=1e-6)


def test_shared_errors_do_not_average_out():
    """However many cars there are, a metre of doubt remains."""
    assert centres(jolts(np.zeros(500)), ONE).pos_err_m[0] >= 1.0


def test_centre_on_the_antimeridian():
    """Jolts on either side of the antimeridian have their centre between them."""
    at = centres(jolts([-4.0, 4.0], at=(12.0, 180.0)), ONE)
    assert abs(at.lon_deg[0]) == pytest.approx(180.0, abs=1e-7)


def test_headings_are_averaged_round_the_circle():
    """The mean of 350° and 20° is 5°."""
    at = centres(jolts([0.0, 0.0], heading_deg=[350.0, 20.0]), ONE)
    assert at.heading_deg[0] == pytest.approx(5.0, abs=1e-6)


def test_group_starts_of_nothing():
    """No rows have no groups."""
    assert group_starts(np.empty(0, int)).tolist() == []
