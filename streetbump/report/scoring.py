"""What is right, what is not, and how sure that is: metrics on arrays, and nothing else.

Matching is one to one and as large as it can be, so that no order of rows matters. Every interval
is a percentile bootstrap (Efron 1979, Ann. Stat. 7(1):1-26) over the units that are independent
(trips, groups of series, sites), computed for all draws at once from what each unit counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from streetbump.geo import ecef_m
from streetbump.model import Bools, Floats, Ints

DRAWS = 1000
"""Bootstrap draws, and random placements of the chance rows. Chosen by us."""
SEED = 20120719
"""Of every draw, so that the same input prints the same numbers. Chosen by us."""
MAX_UNITS = 5000
"""More units than this are drawn in bundles, which bounds memory. Chosen by us."""
LEVEL = 0.95
"""Of every bootstrap interval."""


class Interval(NamedTuple):
    """A figure and its 95 % interval; NaN where it is not defined."""

    value: float
    lo: float
    hi: float


UNKNOWN = Interval(float("nan"), float("nan"), float("nan"))


# ------------------------------------------------------------------------------- matching


class Pairs(NamedTuple):
    """Indices of what was matched, by the first: each index stands once at most."""

    found: Ints
    truth: Ints


def pair(found: Ints, truth: Ints, cost: Floats) -> Pairs:
    """The largest one-to-one matching along some edges; of the largest ones the cheapest.

    Parameters
    ----------
    found, truth : (m,) int64
        Ends of each edge, numbers of any range.
    cost : (m,) float64
        What an edge costs, ≥ 0 (a distance or a time).

    >>> p = pair(np.array([0, 0, 1]), np.array([0, 1, 0]), np.array([0.0, 5.0, 1.0]))
    >>> p.found.tolist(), p.truth.tolist()
    ([0, 1], [1, 0])
    """
    if len(found) == 0:
        return Pairs(np.empty(0, np.int64), np.empty(0, np.int64))
    rows, a = np.unique(found, return_inverse=True)
    columns, b = np.unique(truth, return_inverse=True)
    island = _islands(a, b, len(rows), len(columns))
    order = np.lexsort((b, a, cost, island))
    a, b, cost, island = a[order], b[order], cost[order], island[order]
    starts = np.flatnonzero(np.diff(island, prepend=-1))
    star = _is_star(a, starts) | _is_star(b, starts)
    kept = [np.stack((a[starts[star]], b[starts[star]]))]  # the cheapest edge of each star
    ends = np.append(starts[1:], len(a))
    for lo, hi in zip(starts[~star].tolist(), ends[~star].tolist(), strict=True):
        kept.append(_assign(a[lo:hi], b[lo:hi], cost[lo:hi]))  # few: where both sides crowd
    both = np.concatenate(kept, axis=1)
    both = both[:, np.argsort(both[0], kind="stable")]
    return Pairs(rows[both[0]], columns[both[1]])


def _islands(a: Ints, b: Ints, n_rows: int, n_columns: int) -> Ints:
    """Number of the connected part that each edge lies in."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = n_rows + n_columns
    graph = coo_array((np.ones(len(a), np.int8), (a, b + n_rows)), shape=(n, n))
    return connected_components(graph, directed=False)[1][a].astype(np.int64)


def _is_star(end: Ints, starts: Ints) -> Bools:
    """Whether all edges of an island share this end."""
    return np.minimum.reduceat(end, starts) == np.maximum.reduceat(end, starts)


def _assign(a: Ints, b: Ints, cost: Floats) -> Ints:
    """The largest, then cheapest matching of one island, (2, k)."""
    from scipy.optimize import linear_sum_assignment

    rows, i = np.unique(a, return_inverse=True)
    columns, j = np.unique(b, return_inverse=True)
    missing = 1.0 + 2.0 * float(cost.max()) * min(len(rows), len(columns))
    matrix = np.full((len(rows), len(columns)), missing)
    np.minimum.at(matrix, (i, j), cost)
    r, c = linear_sum_assignment(matrix)
    real = matrix[r, c] < missing
    return np.stack((rows[r[real]], columns[c[real]]))


def match_windows(found_s: Floats, *, from_s: Floats, to_s: Floats, at_s: Floats) -> Pairs:
    """Detections ↔ events: a detection may stand for an event when it lies in its window.

    Parameters
    ----------
    found_s : (n,) float64
        Times of the detections, s.
    from_s, to_s, at_s : (k,) float64
        Both ends (included) of each event's window and the time it is nearest to, s.

    >>> w = match_windows(np.array([9.0, 30.0]), from_s=np.array([7.0, 8.0]),
    ...                   to_s=np.array([11.0, 12.0]), at_s=np.array([10.0, 9.5]))
    >>> w.found.tolist(), w.truth.tolist()
    ([0], [1])
    """
    order = np.argsort(found_s, kind="stable")
    ordered = found_s[order]
    first = np.searchsorted(ordered, from_s - _ROUNDING_S, side="left")
    count = np.searchsorted(ordered, to_s + _ROUNDING_S, side="right") - first
    truth = np.repeat(np.arange(len(from_s)), np.maximum(count, 0))
    found = order[_runs(first, np.maximum(count, 0))]
    return pair(found, truth, np.abs(found_s[found] - at_s[truth]))


_ROUNDING_S = 1e-6  # truth tables hold decimal seconds, trips binary ones


def _runs(first: Ints, count: Ints) -> Ints:
    """The numbers first[k], first[k] + 1, … (count[k] of them), one run after the other."""
    before = np.cumsum(count) - count
    return np.arange(count.sum()) - np.repeat(before - first, count)


def match_places(
    lat_deg: Floats, lon_deg: Floats, *, true_lat_deg: Floats, true_lon_deg: Floats, tol_m: Floats
) -> Pairs:
    """Reports ↔ true places: the nearer than `tol_m` (per true place, m), one to one.

    A report without a place (NaN) matches nothing.

    >>> at = np.array([12.0, 12.0]), np.array([-150.0, -150.00005])
    >>> match_places(*at, true_lat_deg=at[0], true_lon_deg=at[1], tol_m=np.array([15.0, 15.0]))
    Pairs(found=array([0, 1]), truth=array([0, 1]))
    """
    from scipy.spatial import cKDTree

    known = np.flatnonzero(np.isfinite(lat_deg) & np.isfinite(lon_deg))
    if len(known) == 0 or len(true_lat_deg) == 0:
        return pair(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    here = ecef_m(lat_deg[known], lon_deg[known])
    there = ecef_m(true_lat_deg, true_lon_deg)
    near = cKDTree(here).query_ball_point(there, np.asarray(tol_m, np.float64))
    truth = np.repeat(np.arange(len(there)), [len(n) for n in near])
    found = np.array([k for n in near for k in n], np.int64)
    cost = np.linalg.norm(here[found] - there[truth], axis=1)
    return pair(known[found], truth, cost)


# ------------------------------------------------------------------------------- counts


def precision_recall_f1(counts: Floats) -> Floats:
    """Precision, recall and F1 of counts.

    Parameters
    ----------
    counts : (..., 3)
        True positives, false positives, false negatives.

    Returns
    -------
    (..., 3) float64
        Precision is NaN where nothing was found, recall where there was nothing to find, F1 where
        both; F1 = 2 TP / (2 TP + FP + FN).

    >>> precision_recall_f1(np.array([3, 1, 2])).round(3).tolist()
    [0.75, 0.6, 0.667]
    """
    tp, fp, fn = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return np.stack((ratio(tp, tp + fp), ratio(tp, tp + fn), ratio(2 * tp, 2 * tp + fp + fn)), -1)


def ratio(over: Floats | Ints, under: Floats | Ints) -> Floats:
    """`over` / `under`, NaN where `under` is 0.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    safe = np.where(under == 0, 1.0, under)
    return np.asarray(np.where(under == 0, np.nan, over / safe))


# ------------------------------------------------------------------------------- bootstrap


def draws_of(n_units: int, *, draws: int = DRAWS, seed: int = SEED) -> Floats:
    """How often each unit is drawn in each bootstrap sample, (draws, n_units).

    >>> draws_of(3).sum(axis=1).tolist() == [3.0] * 1000
    True
    """
    if n_units == 0:
        return np.zeros((draws, 0))
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_units, np.full(n_units, 1 / n_units), draws).astype(np.float64)


def interval_of(value: float, drawn: Floats) -> Interval:
    """A figure with the 95 % percentile interval of its bootstrap draws; NaN draws are left out.

    >>> interval_of(0.5, np.array([0.5, np.nan]))
    Interval(value=0.5, lo=0.5, hi=0.5)
    """
    known = drawn[np.isfinite(drawn)]
    if len(known) == 0 or not np.isfinite(value):
        return Interval(float(value), np.nan, np.nan)
    lo, hi = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(lo), float(hi))


def boot_sums(sums: Floats, measure: Callable[[Floats], Floats]) -> list[Interval]:
    """Intervals of what follows from sums over units: shares, rates, precision and recall.

    Parameters
    ----------
    sums : (n_units, k)
        What each unit adds.
    measure : callable
        (..., k) sums → (..., m) figures.

    >>> hit = np.repeat([[1.0, 1.0], [0.0, 1.0]], 50, axis=0)
    >>> share, = boot_sums(hit, lambda s: ratio(s[..., 0], s[..., 1])[..., None])
    >>> share.value, 0.35 < share.lo < 0.45 < 0.55 < share.hi < 0.65
    (0.5, True)
    """
    values = np.atleast_1d(measure(sums.sum(axis=0)))
    bundles = _bundled(sums)
    drawn = measure(draws_of(len(bundles)) @ bundles)
    return [interval_of(float(v), drawn[:, k]) for k, v in enumerate(values)]


def _bundled(sums: Floats) -> Floats:
    """The sums of at most `MAX_UNITS` bundles of units: their spread is that of the units."""
    if len(sums) <= MAX_UNITS:
        return sums
    bundles = np.zeros((MAX_UNITS, sums.shape[1]))
    np.add.at(bundles, np.arange(len(sums)) % MAX_UNITS, sums)
    return bundles


def boot_share(right: Floats, unit: Ints) -> Interval:
    """A mean (a share, if `right` holds 0 and 1) with its interval, drawing whole units.

    >>> boot_share(np.array([1.0, 1.0]), np.array([0, 1]))
    Interval(value=1.0, lo=1.0, hi=1.0)
    """
    if len(right) == 0:
        return UNKNOWN
    _, where = np.unique(unit, return_inverse=True)
    sums = np.column_stack((np.bincount(where, right), np.bincount(where))).astype(np.float64)
    return boot_sums(sums, lambda s: ratio(s[..., 0], s[..., 1])[..., None])[0]


def boot_quantile(values: Floats, unit: Ints, *, q: float, n_units: int) -> Interval:
    """A quantile (the smallest value that `q` of them do not exceed) with its interval.

    Parameters
    ----------
    unit : (n,) int64
        The unit of each value, 0 to `n_units` - 1.

    >>> boot_quantile(np.array([3.0, 1.0, 2.0]), np.array([0, 0, 0]), q=0.5, n_units=1)
    Interval(value=2.0, lo=2.0, hi=2.0)
    """
    if len(values) == 0:
        return UNKNOWN
    order = np.argsort(values, kind="stable")
    ordered, unit = values[order], unit[order]
    weights = np.concatenate((np.ones((1, n_units)), draws_of(n_units)))[:, unit]
    heaped = np.cumsum(weights, axis=1)
    at = (heaped < q * heaped[:, -1:] - 1e-9).sum(axis=1)
    found = np.where(heaped[:, -1] > 0, ordered[np.minimum(at, len(ordered) - 1)], np.nan)
    return interval_of(float(found[0]), found[1:])


# ------------------------------------------------------------------------------- ranking


def auc(scores: Floats, positive: Bools, *, weights: Floats | None = None) -> Floats:
    """Chance that a positive scores higher than a negative (Mann-Whitney), ties count half.

    Parameters
    ----------
    weights : (draws, n) float64, optional
        How often each row counts, per draw; one draw of ones when not given.

    Returns
    -------
    (draws,) float64
        NaN where one side is empty.

    >>> auc(np.array([1.0, 2.0, 3.0]), np.array([False, True, True])).tolist()
    [1.0]
    """
    w = np.ones((1, len(scores))) if weights is None else weights
    high, low = scores[positive][:, None], scores[~positive][None, :]
    wins = (high > low) + 0.5 * (high == low)
    up, down = w[:, positive], w[:, ~positive]
    won = np.einsum("dp,pn,dn->d", up, wins, down, optimize=True)
    return ratio(won, up.sum(axis=1) * down.sum(axis=1))


def boot_auc(scores: Floats, positive: Bools) -> Interval:
    """:func:`auc` with its interval; positives and negatives are drawn each for themselves."""
    weights = np.zeros((DRAWS, len(scores)))
    weights[:, positive] = draws_of(int(positive.sum()))
    weights[:, ~positive] = draws_of(int((~positive).sum()), seed=SEED + 1)
    return interval_of(float(auc(scores, positive)[0]), auc(scores, positive, weights=weights))


def spearman(a: Floats, b: Floats) -> Floats:
    """Rank correlation along the last axis; NaN where one side is constant.

    >>> spearman(np.array([[1.0, 2.0, 9.0]]), np.array([[3.0, 2.0, 1.0]])).tolist()
    [-1.0]
    """
    from scipy.stats import rankdata

    x, y = (rankdata(v, axis=-1) for v in (a, b))
    x, y = (v - v.mean(axis=-1, keepdims=True) for v in (x, y))
    return ratio((x * y).sum(axis=-1), np.sqrt((x**2).sum(axis=-1) * (y**2).sum(axis=-1)))


def boot_spearman(a: Floats, b: Floats) -> Interval:
    """:func:`spearman` of two columns with its interval, drawing rows."""
    if len(a) < 3:
        return UNKNOWN
    drawn = np.random.default_rng(SEED).integers(0, len(a), (DRAWS, len(a)))
    value = float(np.clip(spearman(a[None], b[None])[0], -1, 1))
    return interval_of(value, np.clip(spearman(a[drawn], b[drawn]), -1, 1))


# ------------------------------------------------------------------------------- calibration

BINS = 10
"""Bins of equal width of a stated probability (Guo et al. 2017, arXiv 1706.04599)."""


def bin_of_p(p: Floats) -> Ints:
    """The bin of each probability; 1 belongs to the last.

    >>> bin_of_p(np.array([0.0, 0.1, 1.0])).tolist()
    [0, 1, 9]
    """
    return np.minimum((np.asarray(p) * BINS + 1e-9).astype(np.int64), BINS - 1)


def boot_ece(p: Floats, right: Floats, unit: Ints) -> Interval:
    """Expected calibration error with its interval: mean gap between stated and observed.

    The bootstrap of a mean of absolute gaps leans upwards: the interval may lie above the figure
    where there are few rows.

    >>> boot_ece(np.array([1.0, 0.0]), np.array([1.0, 0.0]), np.array([0, 1])).value
    0.0
    """
    if len(p) == 0:
        return UNKNOWN
    _, where = np.unique(unit, return_inverse=True)
    gap = np.zeros((int(where.max()) + 1, BINS))
    np.add.at(gap, (where, bin_of_p(p)), np.asarray(p) - right)
    sums = np.column_stack((gap, np.bincount(where).astype(np.float64)))
    return boot_sums(
        sums, lambda s: ratio(np.abs(s[..., :BINS]).sum(axis=-1), s[..., BINS])[..., None]
    )[0]


def brier(p: Floats, label: Ints) -> Floats:
    """Squared error of each row of probabilities, (n,): 0 is best, 2 worst (Brier 1950).

    >>> brier(np.array([[1.0, 0.0]]), np.array([1])).tolist()
    [2.0]
    """
    return ((p - np.eye(p.shape[1])[label]) ** 2).sum(axis=1)
