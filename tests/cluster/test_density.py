"""Density clustering against a reference that looks at every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.density import NOISE, density_clusters
from streetbump.geo import ecef_mm, from_local_m

EPS = 5
QUARTER = 4_500

Row = tuple[int, int, int, int, int]  # x, y, z in mm, heading in 1/100 degree, trip


def by_definition(
    rows: list[Row], core_trips: int, extent: int
) -> tuple[list[int], list[bool], list[bool]]:
    """The same clustering, said pair by pair."""
    n = len(rows)

    def apart(i: int, j: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(rows[i][:3], rows[j][:3], strict=True))

    def near(i: int, j: int) -> bool:
        turn = abs(rows[i][3] - rows[j][3]) % 36_000
        return apart(i, j) <= EPS**2 and min(turn, 36_000 - turn) <= QUARTER

    around = [[j for j in range(n) if near(i, j)] for i in range(n)]
    trips = [len({rows[j][4] for j in [*around[i], i]}) for i in range(n)]
    labels, chain = [NOISE] * n, [False] * n

    def part_of(first: int, level: int) -> list[int]:
        reached = [first]
        for i in reached:
            reached += [j for j in around[i] if trips[j] >= level and j not in reached]
        return sorted(reached)

    def is_long(part: list[int]) -> bool:
        span = [max(rows[i][k] for i in part) - min(rows[i][k] for i in part) for k in range(3)]
        return sum(s * s for s in span) > extent**2

    def settle(part: list[int], level: int) -> None:
        if not is_long(part):
            for i in part:
                labels[i] = part[0]
            return
        for i in part:
            chain[i] = True
        higher = max(level + 1, level * 7 // 5)
        left = [i for i in part if trips[i] >= higher]
        while left:
            piece = part_of(left[0], higher)
            settle(piece, higher)
            left = [i for i in left if i not in piece]

    left = [i for i in range(n) if trips[i] >= core_trips]
    while left:
        part = part_of(left[0], core_trips)
        settle(part, core_trips)
        left = [i for i in left if i not in part]
    core = [label != NOISE for label in labels]
    for i in range(n):
        cores = [j for j in around[i] if core[j]]
        if not core[i] and cores:
            labels[i] = labels[min(cores, key=lambda j: (apart(i, j), j))]
    along = [
        labels[i] == NOISE and (chain[i] or any(chain[j] and not core[j] for j in around[i]))
        for i in range(n)
    ]
    return labels, core, along


def clusters(
    rows: list[Row], core_trips: int, extent: int = 10**9
) -> tuple[list[int], list[bool], list[bool]]:
    table = np.array(rows, np.int64).reshape(-1, 5)
    labels, core, along = density_clusters(
        table[:, :3], table[:, 3], table[:, 4],
        eps_mm=EPS, core_trips=core_trips, max_heading_cdeg=QUARTER, max_extent_mm=extent,
    )  # fmt: skip
    return labels.tolist(), core.tolist(), along.tolist()


# Whole numbers in a small box: duplicates, and pairs at exactly eps (5 = 3-4-5), are common.
COORDINATE = st.integers(0, 12)
HEADING = st.sampled_from([0, 1, 4_500, 4_501, 9_000, 18_000, 31_500, 35_999])
ROWS = st.lists(
    st.tuples(COORDINATE, COORDINATE, st.integers(0, 4), HEADING, st.integers(1, 5)), max_size=30
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows=ROWS, core_trips=st.integers(2, 4), far=st.sampled_from([0, 6_378_137_000]),
       extent=st.sampled_from([4, 6, 9, 13, 10**9]))  # fmt: skip
def test_clusters_are_those_of_the_definition(rows, core_trips, far, extent):
    """Cores, parts of long chains and borders are what the definition says, anywhere."""
    moved = [(x - far, y + far, z, h, t) for x, y, z, h, t in rows]
    assert clusters(moved, core_trips, extent) == by_definition(rows, core_trips, extent)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(rows=st.lists(st.tuples(*[COORDINATE] * 3, HEADING, st.integers(1, 4)), unique=True,
                     max_size=25), order=st.randoms(use_true_random=False),
       extent=st.sampled_from([6, 9, 10**9]))  # fmt: skip
def test_order_of_rows_cannot_matter(rows, order, extent):
    """Which rows are cores and which cores hang together is the same in any order of rows."""

    def by_content(given: list[Row]) -> tuple[set[frozenset[Row]], set[Row]]:
        labels, core, _ = clusters(given, 2, extent)
        cores = {row for row, c in zip(given, core, strict=True) if c}
        members = {
            frozenset(
                r for r, other in zip(given, labels, strict=True) if other == k and r in cores
            )
            for k in set(labels) - {NOISE}
        }
        return members, cores

    before = by_content(rows)
    order.shuffle(rows)
    assert by_content(rows) == before


@settings(max_examples=60, deadline=None, derandomize=True)
@given(points=st.lists(st.tuples(st.integers(-30, 30), st.integers(-30, 30)), max_size=30),
       lat=st.sampled_from([0.0, 12.0, -55.5, 78.0]))  # fmt: skip
def test_antimeridian_is_no_seam(points, lat):
    """Jolts on the antimeridian cluster as the same jolts do at the prime meridian."""
    xy = np.array(points, float).reshape(-1, 2)
    labels = []
    for lon in (0.0, 180.0):
        at = from_local_m(xy[:, 0], xy[:, 1], lat0_deg=lat, lon0_deg=lon)
        n = len(xy)
        # 10.3 m: no two whole metres are that far apart, so no rounding decides
        found, _, _ = density_clusters(
            ecef_mm(*at), np.zeros(n, int), np.arange(n), eps_mm=10_300, core_trips=3,
            max_heading_cdeg=QUARTER, max_extent_mm=30_100,
        )  # fmt: skip
        labels.append(found.tolist())
    assert labels[0] == labels[1]


def row(x: int, trip: int, heading: int = 0) -> Row:
    return (x, 0, 0, heading, trip)


@pytest.mark.parametrize(
    ("rows", "core_trips", "labels"),
    [
        pytest.param([], 2, [], id="nothing"),
        pytest.param([row(0, 1)], 2, [NOISE], id="one jolt"),
        pytest.param([row(0, 1), row(5, 2)], 2, [0, 0], id="exactly eps apart"),
        pytest.param([row(0, 1), row(6, 2)], 2, [NOISE] * 2, id="one more than eps apart"),
        pytest.param([row(0, 1)] * 9, 2, [NOISE] * 9, id="one car round the block nine times"),
        pytest.param([row(0, 1), row(0, 2)], 2, [0, 0], id="the same point twice"),
        pytest.param([row(0, 1), row(0, 2, 4_500)], 2, [0, 0], id="45 degrees"),
        pytest.param([row(0, 1), row(0, 2, 4_501)], 2, [NOISE] * 2, id="a little more"),
        pytest.param([row(0, 1, 35_000), row(0, 2, 3_500)], 2, [0, 0], id="across north"),
        pytest.param(
            [row(0, 1), row(0, 2), row(0, 1, 18_000), row(0, 2, 18_000)], 2, [0, 0, 2, 2],
            id="two lanes, two clusters",
        ),
        pytest.param(
            [row(10, 5), row(10, 5), row(10, 6), row(5, 5), row(0, 6), row(0, 6), row(0, 5)], 3,
            [NOISE] * 7, id="two trips are not three",
        ),
    ],
)  # fmt: skip
def test_textbook_cases(rows, core_trips, labels):
    """Cores need distinct trips near by, within both limits; limits are inclusive."""
    assert clusters(rows, core_trips)[0] == labels


LEFT = [row(-5, 3), row(0, 1), row(0, 2)]
MIDDLE = row(5, 1)  # sees two trips only, so it is a border point
RIGHT = [row(9, 1), row(9, 2), row(14, 3)]
RIGHT_AS_FAR = [row(10, 1), row(10, 2), row(15, 3)]


@pytest.mark.parametrize(
    ("rows", "label_of_middle"),
    [
        pytest.param([*LEFT, MIDDLE, *RIGHT], 4, id="right is nearer"),
        pytest.param([*RIGHT, MIDDLE, *LEFT], 0, id="right is nearer, rows turned round"),
        pytest.param([*LEFT, MIDDLE, *RIGHT_AS_FAR], 0, id="as far: left comes first"),
        pytest.param([*RIGHT_AS_FAR, MIDDLE, *LEFT], 0, id="as far: right comes first"),
    ],
)
def test_border_goes_to_its_nearest_core(rows, label_of_middle):
    """A border point joins its nearest core, and among equals the one whose row comes first."""
    labels, core, _ = clusters(rows, 3)
    assert core == [True] * 3 + [False] + [True] * 3
    assert labels == [0, 0, 0, label_of_middle, 4, 4, 4]


CROWD = [row(x, trip) for x in (0, 4, 8, 12, 16, 20) for trip in (1, 2)]
"""A chain of two trips."""


def test_a_busy_chain_keeps_its_holes_apart():
    """Two places that many trips felt stay two, though the chain of few trips joins them."""
    holes = [row(x, trip) for x in (2, 18) for trip in range(3, 9)]
    labels, core, along = clusters([*CROWD, *holes], 2, extent=8)
    left, right = labels[12], labels[18]
    assert left != right
    assert NOISE not in (left, right)
    assert labels[12:18] == [left] * 6
    assert labels[18:24] == [right] * 6
    assert sum(core) >= 12
    assert not any(along[12:])


def test_a_chain_without_a_denser_part_is_a_stretch():
    """Where nowhere is denser than elsewhere there is no cluster, and all of it lies along."""
    labels, core, along = clusters(CROWD, 2, extent=8)
    assert labels == [NOISE] * 12
    assert not any(core)
    assert all(along)
