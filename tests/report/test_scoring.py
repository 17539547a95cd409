"""Metrics: matching is the best there is, figures agree with closed forms, intervals cover."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from streetbump.geo import from_local_m
from streetbump.report import scoring

EDGES = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 9)), max_size=14
)  # fmt: skip


def brute_force(edges: list[tuple[int, int, int]]) -> tuple[int, float]:
    """Size and cost of the best matching, by trying every way to give truths to detections."""
    cost = {}
    for a, b, c in edges:
        cost[a, b] = min(c, cost.get((a, b), 99))
    best = (0, 0.0)
    for order in permutations(range(5)):
        for chosen in range(32):
            pairs = [(a, b) for a, b in enumerate(order) if chosen >> a & 1 and (a, b) in cost]
            key = (len(pairs), -float(sum(cost[p] for p in pairs)))
            best = max(best, key)
    return best[0], -best[1]


@given(EDGES)
def test_matching_is_as_large_and_as_cheap_as_brute_force(
    edges: list[tuple[int, int, int]],
) -> None:
    """One to one, no larger matching exists, and none as large is cheaper."""
    a, b, c = (np.array([e[k] for e in edges], np.int64) for k in range(3))
    got = scoring.pair(a, b, c.astype(float))
    assert len(set(got.found.tolist())) == len(set(got.truth.tolist())) == len(got.found)
    cost = {(x, y): min(z for i, j, z in edges if (i, j) == (x, y)) for x, y, _ in edges}
    total = sum(cost[p] for p in zip(got.found.tolist(), got.truth.tolist(), strict=True))
    assert (len(got.found), total) == brute_force(edges)


TIMES = st.lists(st.integers(0, 40), max_size=8, unique=True)


@given(TIMES, TIMES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(found: list[int], events: list[int], random) -> None:  # type: ignore[no-untyped-def]
    """Shuffled detections and events match as many."""
    sizes = set()
    for _ in range(3):
        random.shuffle(found)
        random.shuffle(events)
        at = np.array(events, float)
        pairs = scoring.match_windows(np.array(found, float), from_s=at - 3, to_s=at + 1.5, at_s=at)
        t = np.array(found, float)[pairs.found] - at[pairs.truth]
        assert ((t >= -3) & (t <= 1.5)).all()
        sizes.add((len(t), round(float(np.abs(t).sum()), 6)))
    assert len(sizes) == 1


def test_ends_of_a_window_belong_to_it() -> None:
    """A detection on either end counts, one just outside does not."""
    at = np.array([92.600000143])
    for t, n in ((89.600000143, 1), (94.100000143, 1), (89.5999, 0), (94.1002, 0)):
        pairs = scoring.match_windows(np.array([t]), from_s=at - 3, to_s=at + 1.5, at_s=at)
        assert len(pairs.found) == n


def test_places_match_within_the_tolerance_only() -> None:
    """14 m is near, 16 m is not; a report without a place matches nothing."""
    lat, lon = from_local_m(np.array([14.0, 100.0, 216.0]), np.zeros(3), lat0_deg=12, lon0_deg=-150)
    there = from_local_m(np.array([0.0, 200.0]), np.zeros(2), lat0_deg=12, lon0_deg=-150)
    pairs = scoring.match_places(
        np.append(lat, np.nan), np.append(lon, np.nan),
        true_lat_deg=there[0], true_lon_deg=there[1], tol_m=np.array([15.0, 15.0]),
    )  # fmt: skip
    assert (pairs.found.tolist(), pairs.truth.tolist()) == ([0], [0])


def test_the_bootstrap_interval_of_a_binomial_covers() -> None:
    """Of 300 samples of 150 with a share of 0.3, about 95 % of the intervals hold 0.3."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        found = scoring.boot_share((rng.random(150) < 0.3).astype(float), np.arange(150))
        held += found.lo <= 0.3 <= found.hi
    assert 0.90 <= held / 300 <= 0.985


def test_units_are_drawn_whole() -> None:
    """Copies of a clip in one group do not narrow the interval."""
    right = (np.arange(40) % 4 > 0).astype(float)
    alone = scoring.boot_share(right, np.arange(40))
    copied = scoring.boot_share(np.repeat(right, 10), np.repeat(np.arange(40), 10))
    assert copied == pytest.approx(alone, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auc_agrees_with_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    """Ties included; NaN where one side is empty."""
    score, bad = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    got = float(scoring.auc(score, bad)[0])
    if bad.all() or not bad.any():
        assert np.isnan(got)
    else:
        assert got == pytest.approx(roc_auc_score(bad, score), abs=1e-12)


def test_spearman_agrees_with_scipy() -> None:
    """Row by row, ties included; NaN where one side is constant."""
    rng = np.random.default_rng(2)
    a, b = rng.integers(0, 6, (20, 9)).astype(float), rng.normal(size=(20, 9))
    wanted = [spearmanr(x, y).statistic for x, y in zip(a, b, strict=True)]
    assert scoring.spearman(a, b) == pytest.approx(np.array(wanted), abs=1e-12)
    assert np.isnan(scoring.spearman(np.ones((1, 4)), b[:1, :4])[0])


def test_calibration_error_in_closed_form() -> None:
    """0.8 stated and 0.5 true on half of the rows, right on the others: 0.15."""
    p = np.repeat([0.8, 0.2], 100)
    right = np.concatenate((np.arange(100) % 2, np.arange(100) % 5 == 0)).astype(float)
    found = scoring.boot_ece(p, right, np.arange(200))
    assert found.value == pytest.approx(0.15, abs=1e-12)
    assert found.lo <= 0.15 <= found.hi


def test_quantiles_agree_with_numpy() -> None:
    """The point value is the inverted distribution function's."""
    values = np.random.default_rng(3).exponential(size=101)
    for q in (0.5, 0.9):
        got = scoring.boot_quantile(values, np.arange(101), q=q, n_units=101)
        wanted = np.quantile(values, q, method="inverted_cdf")
        assert got.value == pytest.approx(wanted, abs=1e-12)
        assert got.lo < got.value < got.hi


def test_nothing_in_nothing_out() -> None:
    """Without rows every figure is unknown, and nothing raises."""
    none, no = np.empty(0), np.empty(0, np.int64)
    assert np.isnan(scoring.boot_share(none, no).value)
    assert np.isnan(scoring.boot_ece(none, none, no).value)
    assert np.isnan(scoring.boot_quantile(none, no, q=0.5, n_units=3).value)
    assert np.isnan(scoring.precision_recall_f1(np.zeros(3))).all()
    pairs = scoring.match_places(none, none, true_lat_deg=none, true_lon_deg=none, tol_m=none)
    assert len(pairs.found) == 0


def test_many_units_are_drawn_in_bundles() -> None:
    """20,000 units give the interval that the normal approximation gives."""
    right = (np.random.default_rng(6).random(20_000) < 0.2).astype(float)
    found = scoring.boot_share(right, np.arange(20_000))
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / 20_000)
    assert (found.hi - found.lo) / 2 == pytest.approx(half, rel=0.15)
