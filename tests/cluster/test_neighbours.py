"""Pairs of jolts that see each other, against looking at every pair."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.neighbours import in_strips, pairs, together
from streetbump.geo import ecef_mm, from_local_m

Row = tuple[int, int, int, int]  # x, y, z in mm, heading in 1/100 degree
REACH = 5
QUARTER = 4_500


def found(rows: list[Row], reach_mm: int = REACH) -> list[tuple[int, int, int]]:
    """Pairs of rows and their squared distance, the lesser row first."""
    table = np.array(rows, np.int64).reshape(-1, 4)
    strips = in_strips(table[:, :3], table[:, 3], reach_mm=reach_mm)
    seen = together(pairs(strips, max_heading_cdeg=QUARTER))
    ends = np.sort(strips.order[[seen.a, seen.b]], axis=0)
    return sorted(zip(*ends.tolist(), seen.d2.tolist(), strict=True))


def by_definition(rows: list[Row], reach_mm: int = REACH) -> list[tuple[int, int, int]]:
    near = []
    for (i, (*p, h)), (j, (*q, k)) in combinations(enumerate(rows), 2):
        apart = sum((a - b) ** 2 for a, b in zip(p, q, strict=True))
        turn = abs(h - k) % 36_000
        if apart <= reach_mm**2 and min(turn, 36_000 - turn) <= QUARTER:
            near.append((i, j, apart))
    return near


COORDINATE = st.integers(-8, 8)
HEADING = st.sampled_from([0, 1, 4_500, 4_501, 9_000, 18_000, 31_500, 35_999])
ROWS = st.lists(st.tuples(COORDINATE, COORDINATE, COORDINATE, HEADING), max_size=30)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows=ROWS, far=st.sampled_from([0, 6_378_137_000]))
def test_pairs_are_those_of_the_definition(rows, far):
    """Every pair within both limits, once, with its distance, anywhere."""
    moved = [(x - far, y + far, z, h) for x, y, z, h in rows]
    assert found(moved) == by_definition(moved)


@pytest.mark.parametrize("x", [1, 5, -5])
def test_nothing_is_lost_between_the_ends_of_the_earth(x):
    """Rows of two places with the whole Earth between them, each with its neighbour."""
    end = 6_378_137_000
    rows = [(y + d, y, y, 0) for y in (-end, end) for d in (0, x)]
    assert [pair[:2] for pair in found(rows)] == [(0, 1), (2, 3)]


def test_nothing_gives_no_pairs():
    """Neither no rows nor a lone one give pairs."""
    assert found([]) == found([(0, 0, 0, 0)]) == []


def test_a_street_gives_what_a_tree_of_points_gives():
    """On a crowded street the pairs are those of scipy's tree, which rounds, and no more."""
    from scipy.spatial import cKDTree

    rng = np.random.default_rng(5)
    at = from_local_m(rng.normal(0, 300, 4000), rng.normal(0, 4, 4000), lat0_deg=42, lon0_deg=180)
    xyz = ecef_mm(*at)
    strips = in_strips(xyz, np.zeros(4000, int), reach_mm=10_000)
    seen = together(pairs(strips, max_heading_cdeg=QUARTER))
    tree = cKDTree(xyz.astype(float)).query_pairs(10_001, output_type="ndarray")
    near = ((xyz[tree[:, 0]] - xyz[tree[:, 1]]) ** 2).sum(axis=1) <= 10_000**2
    assert len(seen.a) == near.sum() > 50_000
    assert {tuple(sorted(pair)) for pair in strips.order[[seen.a, seen.b]].T.tolist()} == {
        tuple(sorted(pair)) for pair in tree[near].tolist()
    }


@pytest.mark.parametrize("at_once", [1, 30, 300])
def test_pairs_come_in_blocks_with_ever_later_rows(at_once, monkeypatch):
    """What is known of the rows of a block is all there is: later pairs are of later rows."""
    monkeypatch.setattr("streetbump.cluster.neighbours._AT_ONCE", at_once)
    xyz = np.random.default_rng(6).integers(0, (1500, 200, 5), (200, 3))
    strips = in_strips(xyz, np.zeros(200, int), reach_mm=40)
    blocks = [some for some in pairs(strips, max_heading_cdeg=QUARTER) if len(some.a)]
    assert len(blocks) > 1
    assert all((some.a < some.b).all() for some in blocks)
    assert all(some.a.max() < after.a.min() for some, after in pairwise(blocks))
    rows = [(*row, 0) for row in xyz.tolist()]
    assert found(rows, 40) == by_definition(rows, 40)
