"""Clusters of a region: one pure function, whatever the cells, the order and the split."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streetbump.cluster.evidence import PAST_M
from streetbump.geo import cell_of, distance_m
from streetbump.model import BUMPS, CLUSTERS, MEMBERS, OBSTACLES, PASSES, STRETCHES, TRIPS

from .kit import (
    CELL_M,
    CLUSTER,
    HERE,
    MODEL,
    NOON_NS,
    Region,
    cells_of,
    clustered,
    drives,
    jolts,
    obstacle,
    region,
    same,
    shuffled,
    together,
    town,
    trips_of,
    view,
)

PLACES = {
    "ocean": HERE,
    "equator": (0.0, 10.0),
    "antimeridian": (12.0, 180.0),
    "north": (69.7, 18.95),
    "south": (-54.8, -68.3),
}
SEEDS = st.integers(0, 10_000)
AT = st.sampled_from(sorted(PLACES))


def all_cells(of: Region) -> np.ndarray:
    of_jolts, of_passes, of_obstacles = cells_of(of)
    return np.unique(np.concatenate([of_jolts, of_passes, *of_obstacles]))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=SEEDS, at=AT)
def test_cell_by_cell_is_the_whole_map(seed, at):
    """Every cell computed from itself and its halo alone gives the whole map's clusters."""
    of = town(seed, at=PLACES[at])
    whole = clustered(of)
    assert len(whole.clusters) >= 20
    assert (whole.clusters["n_trips"] >= 3).sum() >= 5
    assert len(whole.stretches) > 0
    assert whole.clusters["obstacle_id"].notna().any()
    cells = all_cells(of)
    same(together([clustered(view(of, cells[[k]]), cells[[k]]) for k in range(len(cells))]), whole)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=SEEDS, at=AT, parts=st.integers(2, 5))
def test_any_split_of_cells_is_the_whole_map(seed, at, parts):
    """Cells dealt at random to several workers give the whole map's clusters, once each."""
    of = town(seed, at=PLACES[at])
    cells = all_cells(of)
    dealt = np.random.default_rng(seed).integers(0, parts, len(cells))
    found = [clustered(view(of, cells[dealt == k]), cells[dealt == k]) for k in range(parts)]
    same(together(found), clustered(of))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=SEEDS, at=AT)
def test_order_of_rows_does_not_show(seed, at):
    """Rows of all four tables in another order give the same clusters, bit for bit."""
    of = town(seed, at=PLACES[at])
    same(clustered(shuffled(of, seed)), clustered(of))


def test_what_is_far_away_does_not_show():
    """Two towns computed together give what each gives alone."""
    a, b = town(1), town(2, at=(42.0, -71.0))
    both = Region(*(pd.concat(t) for t in zip(a, b, strict=True)))
    same(clustered(both), together([clustered(a), clustered(b)]))


def test_inputs_are_not_written_to():
    """The tables that are given stay as they are."""
    of = town(3)
    before = Region(*(t.copy(deep=True) for t in of))
    clustered(of)
    for was, now in zip(before, of, strict=True):
        pd.testing.assert_frame_equal(was, now, check_exact=True)


def test_nothing_gives_nothing():
    """Empty tables give empty tables of the declared schema; so does owning no cell."""
    none = Region(BUMPS.empty(), PASSES.empty(), TRIPS.empty(), OBSTACLES.empty())
    for found in (clustered(none), clustered(town(1), np.empty(0, np.int64))):
        for table, schema in zip(
            (found.clusters, found.members, found.stretches),
            (CLUSTERS, MEMBERS, STRETCHES),
            strict=True,
        ):
            schema.check(table)
            assert len(table) == 0


def test_results_keep_the_schema():
    """Clusters, members and stretches are in their declared columns, types and order."""
    found = clustered(town(4))
    CLUSTERS.check(found.clusters), MEMBERS.check(found.members), STRETCHES.check(found.stretches)
    assert found.clusters["cluster_id"].is_monotonic_increasing
    assert found.clusters["cluster_id"].is_unique
    assert set(found.members["cluster_id"]) == set(found.clusters["cluster_id"])
    assert not found.members.duplicated(["trip_key", "seq"]).any()


def test_every_usable_jolt_is_told_once():
    """A jolt that may join a cluster is member of one cluster or counted in one stretch."""
    of = town(5)
    usable = (of.bumps["score"] >= CLUSTER.min_score).sum()
    found = clustered(of)
    assert len(found.members) + found.stretches["jolts"].sum() == usable


def test_a_wrong_table_is_refused():
    """A table of another schema is refused by name."""
    of = region(jolts(0))
    with pytest.raises(ValueError, match=r"table passes: columns are"):
        clustered(of._replace(passes=of.bumps))


def test_a_lone_jolt_is_its_own_cluster():
    """One jolt of one trip is a cluster of one, just before where the jolt was, and no core."""
    found = clustered(region(jolts(3.0, 4.0, heading_deg=77.0)))
    (row,) = found.clusters.to_dict("records")
    assert (row["n_trips"], row["n_devices"], row["n_days"], row["hits"]) == (1, 1, 1, 1)
    back = PAST_M * np.array([np.sin(np.radians(77.0)), np.cos(np.radians(77.0))])
    away_m = np.hypot(*(np.array([3.0, 4.0]) - back))
    assert distance_m(*HERE, row["lat_deg"], row["lon_deg"]) == pytest.approx(away_m, abs=0.02)
    assert row["heading_deg"] == pytest.approx(77.0, abs=0.05)
    assert not found.members["core"].any()


UNFIT = {
    "no place": {"lat_deg": np.nan, "lon_deg": np.nan},
    "no heading": {"heading_deg": np.nan},
    "badly placed": {"pos_err_m": CLUSTER.max_pos_err_m + 0.01},
    "error unknown": {"pos_err_m": np.nan},
    "too weak": {"score": CLUSTER.min_score - 0.001},
    "too slow a phone": {"weight": 0.0},
}


@pytest.mark.parametrize("what", UNFIT)
def test_unfit_jolts_join_nothing(what):
    """A jolt without place or heading, badly placed, weak or weightless is in no cluster."""
    sound = jolts([0.0, 1.0], trip_key=[1, 2])
    unfit = jolts(0.5, trip_key=3, **UNFIT[what])
    found = clustered(region(pd.concat([sound, unfit]), trips=trips_of(sound, unfit)))
    assert sorted(found.members["trip_key"]) == [1, 2]


def test_opposite_headings_are_two_clusters():
    """Jolts at one spot from both directions are two clusters, each with its own passes."""
    bumps = jolts([0, 1, 0, 1], trip_key=[1, 2, 3, 4], heading_deg=[2, 358, 180, 182])
    passes = pd.concat([drives([1, 2, 9], heading_deg=0.0), drives([3, 4], heading_deg=180.0)])
    found = clustered(region(bumps, passes)).clusters.sort_values("passes")
    assert found["heading_deg"].round().tolist() == [181.0, 0.0]
    assert found[["hits", "passes"]].to_numpy().tolist() == [[2, 2], [2, 3]]


def chain(length_m: float, trips: int = 3) -> pd.DataFrame:
    """Jolts of several trips every 5 m over a stretch that begins at a cell's border."""
    x = np.append(np.arange(0, length_m, 5.0), length_m)
    return pd.concat(
        [jolts(x, trip_key=k + 1, seq=np.arange(len(x))) for k in range(trips)]
    ).reset_index(drop=True)


def test_fewer_jolts_in_a_row_are_clusters():
    """A car that jolts a few times in a row has met a few things, and no rough stretch."""
    bumps = chain((CLUSTER.rough_jolts - 2) * 5.0)
    found = clustered(region(bumps))
    assert len(found.members) == len(bumps)
    assert len(found.stretches) == 0


def test_a_longer_chain_is_a_stretch_and_never_a_cluster():
    """Where every car jolts again and again is told per bin and direction, and is no cluster."""
    bumps = chain(200.0)
    found = clustered(region(bumps))
    assert len(found.clusters) == len(found.members) == 0
    assert found.stretches["jolts"].sum() == len(bumps)
    assert 200 / 22.5 <= len(found.stretches) <= 200 / 22 + 2
    assert (found.stretches["n_trips"] == 3).all()
    assert (found.stretches["heading_sector"] == 0).all()
    assert not found.stretches.duplicated(["bin", "heading_sector"]).any()


def test_a_chain_leaves_the_cluster_beside_it_alone():
    """A hole beyond a rough stretch is still a cluster of its own."""
    bumps = pd.concat([chain(200.0), jolts([240.0, 241.0, 242.0], trip_key=[1, 2, 3], seq=900)])
    found = clustered(region(bumps.reset_index(drop=True)))
    assert found.clusters["hits"].tolist() == [3]
    assert set(found.members["seq"]) == {900}


def test_obstacle_across_a_cell_border_counts():
    """A hump in the next cell excuses the cluster beside it, which is computed from its own."""
    bumps = jolts([-3.0, -4.0, -3.5], trip_key=[1, 2, 3], **as_hump())
    of = region(bumps, obstacles=obstacle(4.0))
    own = cell_of(bumps["lat_deg"].to_numpy(), bumps["lon_deg"].to_numpy())
    assert own[0] not in cells_of(of)[2][0]
    assert clustered(view(of, own[:1]), own[:1]).clusters["obstacle_id"].tolist() == ["h1"]


def as_hump() -> dict[str, float]:
    from .kit import likelihoods

    return likelihoods(hump=0.86)


def test_generation_is_in_the_id_and_nothing_else():
    """Another generation gives other ids to the same clusters."""
    from streetbump.cluster import cluster_region

    of = town(6)
    a, b = (
        cluster_region(*of, owned=None, generation=g, settings=CLUSTER, model=MODEL).clusters
        for g in ("a", "b")
    )
    assert not set(a["cluster_id"]) & set(b["cluster_id"])
    rest = [c for c in CLUSTERS.names if c != "cluster_id"]
    order = [c for c in rest if c.startswith(("lat", "lon", "heading"))]
    pd.testing.assert_frame_equal(
        a[rest].sort_values(order).reset_index(drop=True),
        b[rest].sort_values(order).reset_index(drop=True),
        check_exact=True,
    )


def test_one_more_jolt_changes_the_id():
    """A cluster is named after its members: one more hit is another cluster id."""
    before = clustered(region(jolts([0, 1]))).clusters["cluster_id"].tolist()
    after = clustered(region(jolts([0, 1, 2]))).clusters["cluster_id"].tolist()
    assert before != after


@pytest.mark.parametrize(
    ("device", "dated", "devices", "days", "first"),
    [
        pytest.param("own", True, 3, 3, NOON_NS, id="three phones"),
        pytest.param(["a", "a", "b"], True, 2, 3, NOON_NS, id="two phones"),
        pytest.param(None, True, 0, 0, NOON_NS, id="trips that name no device are in no quorum"),
        pytest.param([None, "a", "a"], True, 1, 2, NOON_NS, id="one phone, one unnamed"),
        pytest.param("own", False, 3, 0, -1, id="relative trips have no days"),
        pytest.param("own", [False, True, True], 3, 2, NOON_NS + 86_400 * 10**9, id="mixed"),
    ],
)
def test_quorum_counts_named_devices_and_their_days(device, dated, devices, days, first):
    """A quorum is of distinct named devices, and of local days on trips whose clock names days."""
    bumps = jolts([0, 1, 2], t_utc_ns=NOON_NS + np.arange(3) * 86_400 * 10**9)
    (row,) = clustered(
        region(bumps, trips=trips_of(bumps, device=device, dated=dated))
    ).clusters.to_dict("records")
    assert (row["n_trips"], row["n_devices"], row["n_days"]) == (3, devices, days)
    assert row["first_seen_utc_ns"] == first


def test_one_simulated_trip_marks_the_cluster():
    """A cluster is synthetic as soon as one of its hits comes from a simulator."""
    bumps = jolts([0, 1, 100], trip_key=[1, 2, 3])
    found = clustered(region(bumps, trips=trips_of(bumps, synthetic=[True, False, False])))
    assert found.clusters.sort_values("n_trips")["synthetic"].tolist() == [False, True]


def test_cells_are_wide_enough_to_be_tested():
    """The towns of these tests cover several cells in both directions."""
    assert CELL_M < 1000
    assert len(all_cells(town(1))) >= 12


def felt_by_twelve(seed: int, *, holes: int, error_m: float) -> pd.DataFrame:
    """Jolts of twelve cars, each placed by its phone, at holes 8 m apart felt by four in five."""
    rng = np.random.default_rng(seed)
    car, hole = np.nonzero(rng.uniform(size=(12, holes)) < 0.8)
    off = rng.normal(0, error_m, (12, 2))[car] + rng.normal(0, 0.8, (len(car), 2))
    return jolts(
        off[:, 0], 8.0 * hole + off[:, 1], trip_key=car + 1, seq=hole,
        t_utc_ns=NOON_NS + hole * 700_000_000,
    )  # fmt: skip


@pytest.mark.parametrize("error_m", [2.5, 4.0])
@pytest.mark.parametrize("holes", [1, 2])
def test_holes_eight_metres_apart_stay_as_many_as_they_are(holes, error_m):
    """Two jolts on one visit tell two holes from one, whatever the phones' positions say."""
    for seed in range(20):
        found = clustered(region(felt_by_twelve(seed, holes=holes, error_m=error_m))).clusters
        assert (found["n_trips"] >= 3).sum() == holes, seed
