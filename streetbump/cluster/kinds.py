"""What kind of thing a cluster is: a pothole, a hump, a casting, ..., or nothing.

One jolt hardly tells a hole from a sunk casting. Many passes tell more: how many of them feel it
at all, in one lane or in both, how hard and how evenly, whether people slow down for it, whether
it was there from the first day, and what the city's list says. A logistic regression on a few
dozen such numbers, trained on simulated towns, weighs them (``scripts/train_places.py``); its
numbers ship as plain data with a card.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import resources

import msgspec
import numpy as np
import pandas as pd

from streetbump.cluster.evidence import (
    CLASS_NUMBER,
    Centres,
    Groups,
    Visits,
    Votes,
    log_speed,
    passes_near,
)
from streetbump.config import ClusterSettings
from streetbump.geo import ecef_mm, heading_difference_deg
from streetbump.model import CLASSES, P_COLUMNS, Floats, Ints

SHIPPED_MODEL = "place-model-2.json"

KINDS = ("pothole", "hump", "marker", "casting", "joint", "rough", "smooth")
"""What the model tells apart; `smooth` is nothing in the road, or somebody's hand on the phone."""

USUAL_SCORE = 5.0
"""Where the model's `heard` is stated. Chosen by us: the middle of what is felt."""

P_FLOOR = 1e-3
"""No single jolt may exclude a class altogether."""

OPPOSITE_M = 12.0
"""Jolts of the other direction this near may be the same thing, m: two lanes and the phones'
error. Chosen by us."""

EARLY_MOST = 8.0
"""No more than this log-odds is said by passes that felt nothing before the first that did."""

FEATURES = (
    *(f"log_{p}" for p in P_COLUMNS), *(f"n_log_{p}" for p in P_COLUMNS), *P_COLUMNS,
    "rate", "hits", "passes", "rate_passes", "hits_squared", "jolt", "jolt_spread", "speed",
    "speed_spread", "speed_passing", "slower", "opposite", "opposite_passes",
    "opposite_known", "early", "duration", "sharpness", "score",
)  # fmt: skip
"""The columns of :func:`features`."""


class PlaceModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The numbers of the trained model.

    Attributes
    ----------
    name, card : str
        Name of the model, and where its card stands in the repository.
    features, kinds : tuple of str
        `FEATURES` and `KINDS` as they were in training.
    centre, scale : (f,)
        Mean and standard deviation of each feature in training.
    limit : float
        Standardised features are clipped to ± this, so that no single one runs away.
    weights, bias : (f, k), (k,)
        Of the logistic regression.
    listed : (k,)
        Log-odds that an obstacle of this kind in the list, at no distance, adds to its own kind;
        not negative, and to no other kind.
    felt : (k, 21)
        For each kind how common it is that 0, 5, ... 100 % of those who drive over it feel it.
    heard : (k,)
        Log-odds that a felt pass leaves a jolt in the cluster, at a score of `USUAL_SCORE`.
    heard_score : float
        What they gain with the mean logarithm of the score.
    heard_alike : float
        Concentration of the beta law of that share between places.
    """

    name: str
    card: str
    features: tuple[str, ...]
    kinds: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    limit: float
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    listed: tuple[float, ...]
    felt: tuple[tuple[float, ...], ...]
    heard: tuple[float, ...]
    heard_score: float
    heard_alike: float

    @cached_property
    def digest(self) -> str:
        """Changes with the numbers: part of the generation's key."""
        import hashlib

        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


def load_place_model() -> PlaceModel:
    """The model that ships with this release.

    >>> load_place_model().name
    'place-model-2'
    """
    data = resources.files("streetbump.data").joinpath(SHIPPED_MODEL).read_bytes()
    return msgspec.json.decode(data, type=PlaceModel)


@dataclass(frozen=True, eq=False)
class Opposite:
    """Distinct trips of the other direction that jolted near each cluster, and that passed."""

    hits: Ints
    passes: Ints


def opposite(
    at: Centres, jolts: pd.DataFrame, passes: pd.DataFrame, *, s: ClusterSettings
) -> Opposite:
    """What the other direction felt where each cluster is; `jolts` are all that are usable."""
    from scipy.spatial import cKDTree

    n = len(at.lat_deg)
    turned = Centres(at.lat_deg, at.lon_deg, at.pos_err_m, (at.heading_deg + 180.0) % 360.0)
    cluster, row = passes_near(turned, passes, s=s)
    there = cKDTree(ecef_mm(jolts["lat_deg"].to_numpy(), jolts["lon_deg"].to_numpy()) / 1000.0)
    here = cKDTree(ecef_mm(at.lat_deg, at.lon_deg) / 1000.0)
    near = here.sparse_distance_matrix(there, OPPOSITE_M, output_type="coo_matrix")
    turn = heading_difference_deg(
        jolts["heading_deg"].to_numpy()[near.col], turned.heading_deg[near.row]
    )
    same_way = turn <= s.max_heading_deg
    jolted, by = near.row[same_way], jolts["trip_key"].to_numpy()[near.col[same_way]]
    hits = distinct(jolted.astype(np.int64), by, n)
    passed = distinct(cluster, passes["trip_key"].to_numpy()[row], n)
    return Opposite(hits, np.maximum(hits, passed))


def distinct(group: Ints, value: Ints, n: int) -> Ints:
    """How many distinct values each of `n` groups holds.

    >>> distinct(np.array([0, 0, 2]), np.array([5, 5, 6]), 3).tolist()
    [1, 0, 1]
    """
    order = np.lexsort((value, group))
    group, value = group[order], value[order]
    new = (np.diff(group, prepend=-1) != 0) | (np.diff(value, prepend=0) != 0)
    return np.bincount(group[new], minlength=n)


def features(
    hits: pd.DataFrame, g: Groups, log_jolt: Floats, visits: Visits, v: Votes, other: Opposite
) -> Floats:
    """The numbers that the model weighs, (n, f); none is NaN."""
    n = len(g.starts)
    p = hits[list(P_COLUMNS)].to_numpy()
    log_p = np.log(np.maximum(p, P_FLOOR))
    log_p = g.mean(log_p - log_p.mean(axis=1, keepdims=True))
    heard = np.log(g.sum(g.votes) + 0.5)
    rate, passed = _log_odds(v.voted, v.passed, 0.5, 0.5), np.log(v.passed + 0.5)
    missed = -np.log1p(-np.minimum((v.voted + 0.5) / (v.passed + 1.0), 0.95))
    speed, speed_spread = _mean_and_spread(log_speed(hits["speed_ms"].to_numpy()), g)
    jolt, jolt_spread = _mean_and_spread(log_jolt, g)
    count = np.maximum(np.bincount(visits.cluster, minlength=n), 1)
    passing = np.bincount(visits.cluster, weights=visits.log_speed, minlength=n) / count
    across, known = _log_odds(other.hits, other.passes, 0.3, 0.7), np.log1p(other.passes)
    peak = np.log(np.maximum(hits["peak_ms2"].to_numpy(), 1e-3))
    energy = np.log(hits["energy_m2s3"].to_numpy() + 0.05)
    return np.column_stack(
        (
            log_p, log_p * heard[:, None], g.mean(p),
            rate, heard, passed, rate * passed, heard**2, jolt, jolt_spread, speed,
            speed_spread, passing, speed - passing, across, known,
            across * known / 3, np.minimum(v.early * missed, EARLY_MOST),
            g.mean(np.log(hits["duration_s"].to_numpy() + 0.05)), g.mean(energy - 2 * peak),
            g.mean(np.log(np.maximum(hits["score"].to_numpy(), 0.1))),
        )
    )  # fmt: skip


def _log_odds(hits: Floats | Ints, passes: Floats | Ints, a: float, b: float) -> Floats:
    return np.asarray(np.log((hits + a) / (passes - hits + b)))


def _mean_and_spread(values: Floats, g: Groups) -> tuple[Floats, Floats]:
    mean = g.mean(values)
    return mean, np.sqrt(np.maximum(g.mean((values - mean[g.number]) ** 2), 0.0))


def class_posterior(x: Floats, listed: Floats, model: PlaceModel) -> Floats:
    """Probability of each class for each cluster, (n, 8).

    Parameters
    ----------
    x : (n, f) float64
        :func:`features`.
    listed : (n, 8) float64
        How near an obstacle of each class in the city's list is, 0 (none) to 1
        (:func:`streetbump.cluster.match.listed_classes`). It favours its own class only.
    """
    z = np.clip((x - np.array(model.centre)) / np.array(model.scale), -model.limit, model.limit)
    column = _columns(model)
    # Summed feature by feature: a product of matrices may round differently with other rows.
    logit = np.array(model.bias) + np.array(model.listed) * listed[:, column]
    for k, weights in enumerate(np.array(model.weights)):
        logit += z[:, k, None] * weights
    p = np.exp(logit - logit.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    full = np.zeros((len(x), len(CLASSES)))
    full[:, column] = p
    return _with_hands(full, x)


def _columns(model: PlaceModel) -> list[int]:
    return [CLASS_NUMBER[kind] for kind in model.kinds]


def _with_hands(p: Floats, x: Floats) -> Floats:
    """What lies in no road is smooth or a hand's doing, as the jolts themselves say."""
    smooth, hand = (CLASS_NUMBER[name] for name in ("smooth", "not_road"))
    said = [x[:, FEATURES.index(P_COLUMNS[k])] for k in (smooth, hand)]
    share = np.clip(said[1] / np.maximum(said[0] + said[1], P_FLOOR), 0.0, 1.0)
    p[:, hand] = p[:, smooth] * share
    p[:, smooth] -= p[:, hand]
    return p


SHARES = np.linspace(0.0, 1.0, 21)
"""The shares of passes between which a hit rate is told, in steps of 5 %."""


@dataclass(frozen=True, eq=False)
class HitRate:
    """Share of passes that would feel each cluster, and its shortest credible interval.

    The mean, where it lies in the interval; else the interval's end.
    """

    mean: Floats
    lo: Floats
    hi: Floats


def hit_rate(v: Votes, x: Floats, p: Floats, model: PlaceModel, *, credible: float) -> HitRate:
    """Share of the passes in whose car it would be felt, of each cluster.

    Not every felt pass leaves a jolt: some are too weak for a candidate, some lie too far off.
    So the hits among the passes are beta-binomial with a share of `heard` times the rate (Skellam
    1948, doi 10.1111/j.2517-6161.1948.tb00014.x), and the rate has the prior of what the
    cluster may be. Both were learnt from simulated towns.

    Parameters
    ----------
    x, p : (n, f), (n, 8) float64
        :func:`features` and :func:`class_posterior`.
    """
    from scipy.special import betaln, expit

    kinds = p[:, _columns(model)]
    kinds[:, KINDS.index("smooth")] += p[:, CLASS_NUMBER["not_road"]]
    stronger = model.heard_score * (x[:, FEATURES.index("score")] - np.log(USUAL_SCORE))
    log_like = np.empty((len(x), len(KINDS), len(SHARES)))
    for k, heard in enumerate(model.heard):
        share = np.clip(expit(heard + stronger)[:, None] * SHARES, 1e-3, 1 - 1e-3)
        a, b = share * model.heard_alike, (1 - share) * model.heard_alike
        hits, misses = v.voted[:, None], (v.passed - v.voted)[:, None]
        log_like[:, k] = betaln(hits + a, misses + b) - betaln(a, b)
    like = np.exp(log_like - log_like.max(axis=(1, 2), keepdims=True))
    post = (kinds[:, :, None] * np.array(model.felt) * like).sum(axis=1)
    post /= post.sum(axis=1, keepdims=True)
    lo, hi = _shortest(post, credible)
    return HitRate(np.clip((post * SHARES).sum(axis=1), lo, hi), lo, hi)


def _shortest(post: Floats, credible: float) -> tuple[Floats, Floats]:
    """The shortest interval of so much probability, of eleven that are tried."""
    below = np.cumsum(post, axis=1)
    ends = [
        (_quantile(post, below, u), _quantile(post, below, u + credible))
        for u in np.linspace(0.0, 1.0 - credible, 11)
    ]
    lo, hi = np.array(ends).transpose(1, 0, 2)
    best = np.argmin(np.round(hi - lo, 9), axis=0)
    rows = np.arange(len(post))
    return np.minimum(lo[best, rows], 1 - SHARES[1] / 2), hi[best, rows]


def _quantile(post: Floats, below: Floats, u: float) -> Floats:
    """Where so much probability lies below: spread within the steps, but not that of 100 %."""
    rows, half = np.arange(len(post)), SHARES[1] / 2
    k = np.minimum((below < u - 1e-12).sum(axis=1), len(SHARES) - 1)
    before = below[rows, k] - post[rows, k]
    gone = np.clip((u - before) / np.maximum(post[rows, k], 1e-12), 0.0, 1.0)
    low, high = np.maximum(SHARES[k] - half, 0.0), SHARES[k] + half
    return np.where(k == len(SHARES) - 1, 1.0, low + gone * (high - low))
