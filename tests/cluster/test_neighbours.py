"""Pairs of jolts that see each other, against looking at every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.neighbours import neighbours
from streetbump.geo import ecef_mm, from_local_m

Row = tuple[int, int, int, int]  # x, y, z in mm, heading in 1/100 degree
REACH = 5
QUARTER = 4_500


def found(rows: list[Row], reach_mm: int = REACH) -> list[tuple[int, int, int]]:
    table = np.array(rows, np.int64).reshape(-1, 4)
    pairs = neighbours(
        table[:, :3], table[:, 3], reach_mm=reach_mm, max_heading_cdeg=QUARTER
    )  # fmt: skip
    listed = list(zip(pairs.a.tolist(), pairs.b.tolist(), pairs.d2.tolist(), strict=True))
    assert [p for i in range(len(rows)) for p in listed if p[0] == i] == sorted(listed)
    return sorted(listed)


def by_definition(rows: list[Row], reach_mm: int = REACH) -> list[tuple[int, int, int]]:
    pairs = []
    for i, (*p, h) in enumerate(rows):
        for j, (*q, k) in enumerate(rows):
            apart = sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
            turn = abs(h - k) % 36_000
            if apart <= reach_mm**2 and min(turn, 36_000 - turn) <= QUARTER:
                pairs.append((i, j, apart))
    return pairs


COORDINATE = st.integers(-8, 8)
HEADING = st.sampled_from([0, 1, 4_500, 4_501, 9_000, 18_000, 31_500, 35_999])
ROWS = st.lists(st.tuples(COORDINATE, COORDINATE, COORDINATE, HEADING), max_size=30)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows=ROWS, far=st.sampled_from([0, 6_378_137_000]))
def test_pairs_are_those_of_the_definition(rows, far):
    """Every pair within both limits, both ways, in order, with its distance, anywhere."""
    moved = [(x - far, y + far, z, h) for x, y, z, h in rows]
    assert found(moved) == by_definition(moved)


@pytest.mark.parametrize("x", [1, 5, -5])
def test_nothing_is_lost_between_the_ends_of_the_earth(x):
    """Rows of two places with the whole Earth between them, each with its neighbour."""
    end = 6_378_137_000
    rows = [(y + d, y, y, 0) for y in (-end, end) for d in (0, x)]
    assert [pair[:2] for pair in found(rows) if pair[0] != pair[1]] == [
        (0, 1), (1, 0), (2, 3), (3, 2),
    ]  # fmt: skip


def test_nothing_gives_no_pairs():
    """No rows give no pairs; one row sees itself."""
    assert found([]) == []
    assert found([(0, 0, 0, 0)]) == [(0, 0, 0)]


def test_a_street_gives_what_a_tree_of_points_gives():
    """On a crowded street the pairs are those of scipy's tree, which rounds, and no more."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(5)
    at = from_local_m(rng.normal(0, 300, 4000), rng.normal(0, 4, 4000), lat0_deg=42, lon0_deg=180)
    xyz = ecef_mm(*at)
    pairs = neighbours(xyz, np.zeros(4000, int), reach_mm=10_000, max_heading_cdeg=QUARTER)
    tree = cKDTree(xyz.astype(float)).query_pairs(10_001, output_type="ndarray")
    near = ((xyz[tree[:, 0]] - xyz[tree[:, 1]]) ** 2).sum(axis=1) <= 10_000**2
    assert len(pairs.a) == 4000 + 2 * near.sum() > 100_000
    once = pairs.where(pairs.a < pairs.b)
    assert set(zip(once.a.tolist(), once.b.tolist(), strict=True)) == {
        tuple(sorted(pair)) for pair in tree[near].tolist()
    }
