"""No area gains rank because more phones drove there."""

from __future__ import annotations

import numpy as np
import pandas as pd

from streetbump.cluster.priority import VOTES, priority
from streetbump.model import Clustering

from .kit import clustered, drives, jolts, region

HOLES = 12
WEST, EAST = -600.0, 600.0


def town(*, west_passes: int, east_passes: int, west_rate: float = 0.5) -> Clustering:
    """Two areas of like holes, 60 m apart; cars drive over all holes of an area, and jolt."""
    rng = np.random.default_rng(11)
    bumps, passes = [], []
    for area, n, rate in ((WEST, west_passes, west_rate), (EAST, east_passes, 0.5)):
        first = 1 if area == WEST else 100_001
        trip = np.arange(first, first + n)
        for k in range(HOLES):
            north = 60.0 * k
            hit = rng.permutation(n)[: round(n * rate)]
            m = len(hit)
            bumps.append(jolts(area + rng.normal(0, 1.5, m), north + rng.normal(0, 1.5, m),
                               trip_key=trip[hit], seq=k,
                               peak_ms2=5.0 * np.exp(rng.normal(0, 0.3, m))))  # fmt: skip
            passes.append(drives(trip, area, north, seq=k))
    return clustered(
        region(pd.concat(bumps, ignore_index=True), pd.concat(passes, ignore_index=True))
    )


def west_rank(found: Clustering, by: str = "priority") -> float:
    """Mean rank of the west's holes among all, 1 the first."""
    rows = found.clusters[found.clusters["hits"] >= 3]
    order = rows[by] if by in rows else rows["hit_rate_lo"] * rows["severity_lo"]
    rank = order.rank(ascending=False)
    return float(rank[rows["lon_deg"] < -150.0].mean())


def test_more_phones_of_the_same_rate_gain_nothing() -> None:
    """Ten times the cars in the west, jolted as often: its holes stay mixed with the east's.

    Lower ends of intervals, which narrow with every car, would put all of them on top.
    """
    even = west_rank(town(west_passes=16, east_passes=16))
    many = town(west_passes=160, east_passes=16)
    middle = (2 * HOLES + 1) / 2
    assert abs(even - middle) < 3
    assert west_rank(many) > middle - 3
    assert west_rank(many, by="lower ends") < middle - 5


def test_more_passes_without_hits_lose_rank() -> None:
    """Cars that drive over the west's holes and feel nothing move all of them down."""
    assert west_rank(town(west_passes=160, east_passes=16, west_rate=0.05)) > 1.4 * HOLES


def test_from_three_votes_on_only_the_rate_counts() -> None:
    """The same rate and severity give the same order from three votes to a million."""
    passed = np.array([VOTES, 10.0, 1000.0, 1e6])
    half = 0.6 / np.sqrt(passed)
    same = priority(passed / 2, passed, np.full(4, 5.0), 5.0 * np.exp(-half), passed, credible=0.9)
    np.testing.assert_allclose(same, same[0], rtol=1e-9)


def test_fewer_than_three_votes_count_as_they_are() -> None:
    """One car that hit says less than three that all hit; nobody says next to nothing."""
    passed = np.array([0.0, 1.0, 2.0, 3.0])
    order = priority(passed, passed, np.ones(4), np.full(4, 0.8), np.ones(4), credible=0.9)
    assert (np.diff(order) > 0).all()
    assert order[0] < 0.02
