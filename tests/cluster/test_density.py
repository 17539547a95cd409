"""Density clustering against a reference that looks at every pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.density import NOISE, density_clusters
from streetbump.config import ROUNDS
from streetbump.geo import ecef_mm, from_local_m

EPS = 5
QUARTER = 4_500

APART, HALVES, VISIT = 3, 9, 10

Row = tuple[int, int, int, int, int, int]  # x, y, z in mm, heading in 1/100 degree, trip, time


def by_definition(
    rows: list[Row], core_trips: int, reach: int, halves: int
) -> tuple[list[int], list[bool]]:
    """The same clustering, said pair by pair."""
    n = len(rows)
    labels = [NOISE] * n

    def apart(i: int, j: int) -> int:
        return sum((a - b) ** 2 for a, b in zip(rows[i][:3], rows[j][:3], strict=True))

    def sees(i: int, j: int, limit: int) -> bool:
        turn = abs(rows[i][3] - rows[j][3]) % 36_000
        return apart(i, j) <= limit**2 and min(turn, 36_000 - turn) <= QUARTER

    def before(i: int) -> tuple[int, int]:
        """The first trip wins among equals, and its first row."""
        return -rows[i][4], -i

    for _ in range(ROUNDS):
        free = [i for i in range(n) if labels[i] == NOISE]
        nearest = [
            {t: min(apart(i, j) for j in free if sees(i, j, EPS) and rows[j][4] == t)
             for t in {rows[j][4] for j in free if sees(i, j, EPS)}}
            if i in free else {}
            for i in range(n)
        ]  # fmt: skip
        mass = [sum((((EPS**2 - d) * 1024) // EPS**2) ** 2 for d in of.values()) for of in nearest]
        peaks = [
            i for i in free
            if len(nearest[i]) >= core_trips
            and all((mass[j], *before(j)) <= (mass[i], *before(i)) for j in free if sees(i, j, EPS))
        ]  # fmt: skip
        joins = {
            i: min(near, key=lambda j, i=i: (apart(i, j), rows[j][4], j))
            for i in free if (near := [j for j in peaks if sees(i, j, reach)])
        }  # fmt: skip
        for i, peak in joins.items():
            own = [j for j in joins if joins[j] == peak and rows[j][4] == rows[i][4]]
            first = min(own, key=lambda j: (apart(j, peak), j))
            if apart(i, first) < APART**2 or abs(rows[i][5] - rows[first][5]) > VISIT:
                labels[i] = peak

    trips = {p: {rows[i][4] for i in range(n) if labels[i] == p} for p in set(labels) - {NOISE}}

    def felt_both(p: int, q: int) -> int:
        return len({rows[i][4] for i in range(n) for j in range(n)
                    if (labels[i], labels[j]) == (p, q) and rows[i][4] == rows[j][4]
                    and abs(rows[i][5] - rows[j][5]) <= VISIT})  # fmt: skip

    of: dict[int, int] = {}
    for q in trips:
        wholes = [
            p for p in trips
            if min(len(trips[p]), len(trips[q])) >= core_trips and sees(p, q, halves)
            and (len(trips[p]), *before(p)) > (len(trips[q]), *before(q))
            and (felt_both(p, q) < 2 or 3 * felt_both(p, q) < len(trips[q]))
        ]  # fmt: skip
        if wholes:
            of[q] = min(wholes, key=lambda p: (apart(p, q), rows[p][4], p))
    merged = {q: p for q, p in of.items() if p not in of}
    labels = [merged.get(p, p) for p in labels]
    return labels, [p != NOISE and apart(i, p) <= EPS**2 for i, p in enumerate(labels)]


def clusters(
    rows: list[Row], core_trips: int, reach: int = 7, halves: int = 0
) -> tuple[list[int], list[bool]]:
    table = np.array(rows, np.int64).reshape(-1, 6)
    labels, core = density_clusters(
        table[:, :3], table[:, 3], table[:, 4], table[:, 5], eps_mm=EPS, reach_mm=reach,
        apart_mm=APART, halves_mm=halves, visit_ns=VISIT, core_trips=core_trips,
        max_heading_cdeg=QUARTER,
    )  # fmt: skip
    return labels.tolist(), core.tolist()


# Whole numbers in a small box: duplicates, and pairs at exactly eps (5 = 3-4-5), are common.
COORDINATE = st.integers(0, 12)
HEADING = st.sampled_from([0, 1, 4_500, 4_501, 9_000, 18_000, 31_500, 35_999])
ROWS = st.lists(
    st.tuples(
        COORDINATE, COORDINATE, st.integers(0, 4), HEADING, st.integers(1, 5), st.integers(0, 14)
    ),
    max_size=30,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(rows=ROWS, core_trips=st.integers(2, 4), far=st.sampled_from([0, 6_378_137_000]),
       reach=st.sampled_from([5, 7, 10]), halves=st.sampled_from([0, HALVES, 12]),
       at_once=st.sampled_from([1, 20, 1000]))  # fmt: skip
def test_clusters_are_those_of_the_definition(rows, core_trips, far, reach, halves, at_once):
    """Peaks, who joins them and which are halves are what the definition says, anywhere."""
    moved = [(x - far, y + far, *rest) for x, y, *rest in rows]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streetbump.cluster.neighbours._AT_ONCE", at_once)
        found = clusters(moved, core_trips, reach, halves)
    assert found == by_definition(rows, core_trips, reach, halves)


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
        found, _ = density_clusters(
            ecef_mm(*at), np.zeros(n, int), np.arange(n), np.zeros(n, int), eps_mm=10_300,
            reach_mm=15_200, apart_mm=4_000, halves_mm=26_000, visit_ns=1, core_trips=3,
            max_heading_cdeg=QUARTER,
        )  # fmt: skip
        labels.append((found >= 0).tolist())
    assert labels[0] == labels[1]


def row(x: int, trip: int, heading: int = 0, t: int = 0) -> Row:
    return (x, 0, 0, heading, trip, t)


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


LEFT = [row(0, 1), row(0, 2), row(0, 3)]
RIGHT = [row(11, 1), row(11, 2), row(11, 3)]


@pytest.mark.parametrize(
    ("x", "label"),
    [
        pytest.param(5, 0, id="left is nearer"),
        pytest.param(6, 4, id="right is nearer"),
        pytest.param(18, 4, id="as far as the reach"),
        pytest.param(19, NOISE, id="further"),
    ],
)
def test_a_jolt_goes_to_its_nearest_peak(x, label):
    """A jolt that is no peak joins the nearest one within reach, and is a core within eps."""
    labels, core = clusters([*LEFT, row(x, 9), *RIGHT], 3)
    assert labels == [0, 0, 0, label, 4, 4, 4]
    assert core == [True] * 3 + [x in (5, 6)] + [True] * 3


def test_a_busy_chain_keeps_its_holes_apart():
    """Two places that many trips felt stay two, though jolts in between hang them together."""
    crowd = [row(x, trip, t=99 * x) for x in range(0, 24, 3) for trip in (1, 2)]
    holes = [row(x, trip) for x in (4, 18) for trip in range(3, 9)]
    labels, _ = clusters([*crowd, *holes], 2)
    left, right = labels[len(crowd)], labels[-1]
    assert left != right
    assert labels[len(crowd) :] == [left] * 6 + [right] * 6


PAIR = [row(x, trip, t=x) for trip in range(1, 9) for x in (trip % 3, trip % 3 + 4)]
"""Eight cars that jolt twice, 4 apart, each placed a little differently."""


def test_two_jolts_of_a_visit_are_two_things():
    """What every car feels as two jolts within eps is two clusters, the first and the second."""
    labels, _ = clusters(PAIR, 2)
    first, second = labels[0::2], labels[1::2]
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]
    assert NOISE not in labels


def test_jolts_of_two_visits_are_one_thing():
    """A car that comes again feels the same thing, wherever its phone puts it."""
    later = [(*r[:5], r[5] * (VISIT + 1)) for r in PAIR]
    assert len(set(clusters(later, 2)[0])) == 1


def test_what_no_peak_reaches_is_looked_at_again():
    """Beyond the reach of a peak there may be another, which stood in the first one's shade."""
    weak = [row(8, 1), row(8, 2), row(4, 9)]
    strong = [row(0, trip) for trip in range(1, 9)]
    assert clusters([*strong, *weak], 2)[0] == [0] * 8 + [8, 8, 0]


def beside(*trips: int, x: int, late: int = 0) -> list[Row]:
    return [row(x, trip, t=late) for trip in trips]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        pytest.param((1, 2, 3, 4), (5, 6, 7), True, id="nobody felt both"),
        pytest.param((1, 2, 3, 4), (4, 5, 6), True, id="one felt both"),
        pytest.param((1, 2, 3, 4), (3, 4, 5, 6, 7), False, id="two of four"),
        pytest.param((1, 2, 3, 4, 5, 6, 7), (6, 7, 8, 9, 10, 11, 12), True, id="two of seven"),
        pytest.param((1, 2, 3), (1, 2, 3), False, id="all felt both"),
    ],
)
def test_peaks_that_no_car_joins_are_halves_of_one(one, other, same):
    """A car that drives over two holes jolts twice; phones that err apart make two peaks of one."""
    rows = [*beside(*one, x=0), *beside(*other, x=8)]
    assert (len(set(clusters(rows, 2, halves=HALVES)[0])) == 1) == same
    assert len(set(clusters(rows, 2, halves=7)[0])) == 2


def test_a_later_visit_joins_nothing():
    """Who felt the one hole today and the other tomorrow has not felt both."""
    today, tomorrow = beside(1, 2, 3, x=0), beside(1, 2, 3, x=8, late=VISIT + 1)
    assert len(set(clusters([*today, *tomorrow], 2, halves=HALVES)[0])) == 1


def test_halves_join_no_half():
    """Three peaks in a row: the last may be half of the middle one, but that is a half itself."""
    rows = [*beside(*range(9), x=0), *beside(*range(10, 15), x=8), *beside(20, 21, x=16)]
    labels = clusters(rows, 2, halves=HALVES)[0]
    assert labels == [0] * 14 + [14] * 2


def test_a_lone_jolt_is_no_half():
    """What fewer trips felt than make a peak stays by itself."""
    rows = [*beside(*range(9), x=0), *beside(20, 21, x=8)]
    assert clusters(rows, 3, reach=5, halves=HALVES)[0] == [0] * 9 + [NOISE] * 2
