"""What the passes say about the inventory: what it lacks, and what is not there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from streetbump.cluster.propose import (
    DOUBT_COLUMNS,
    PROPOSED_COLUMNS,
    Bar,
    doubts,
    proposals,
)
from streetbump.model import OBSTACLES

from .kit import CLUSTER, Region, clustered, drives, jolts, likelihoods, obstacle, trips_of

DAY_NS = 86_400_000_000_000
BAR = Bar()


def street(
    *, hits: int, passes: int, heading: float = 90.0, first_trip: int = 0, days: int = 90,
    kind: str = "hump", north_m: float = 0.0,
) -> tuple[pd.DataFrame, pd.DataFrame]:  # fmt: skip
    """Jolts and passes of `passes` trips one way along a street, of which the first jolt."""
    trip = np.arange(first_trip, first_trip + passes)
    t_ns = (np.linspace(0, days, passes) * DAY_NS).astype(np.int64) + DAY_NS
    p = likelihoods(**{kind: 0.9})
    rng = np.random.default_rng(7 + first_trip)
    return (
        jolts(rng.normal(0, 1, hits), north_m + rng.normal(0, 1, hits), trip_key=trip[:hits],
              t_utc_ns=t_ns[:hits], heading_deg=heading, pos_err_m=3.0, **p),
        drives(trip, 0.0, north_m, t_utc_ns=t_ns, heading_deg=heading),
    )  # fmt: skip


def town(*parts: tuple[pd.DataFrame, pd.DataFrame], listed: Any = None, **trips: Any) -> Any:
    """Clusters of some streets, with everything they were made of."""
    bumps = pd.concat([b for b, _ in parts], ignore_index=True)
    passes = pd.concat([p for _, p in parts], ignore_index=True)
    bumps["seq"], passes["seq"] = np.arange(len(bumps)), np.arange(len(passes))
    who = trips_of(bumps, passes, **{k: v for k, v in trips.items() if k != "one_car"})
    if trips.get("one_car"):
        who["device"] = pd.array(["phone"] * len(who), dtype="str")
    known = OBSTACLES.empty() if listed is None else listed
    found = clustered(Region(bumps, passes, who, known))
    return found.clusters, known, bumps, passes, who


def both_ways(**changes: Any) -> tuple[tuple[pd.DataFrame, pd.DataFrame], ...]:
    return (
        street(**{"hits": 15, "passes": 15, **changes}),
        street(**{"hits": 15, "passes": 15, "heading": 270.0, "first_trip": 50, **changes}),
    )


def test_a_hump_that_nobody_listed_is_proposed_with_its_evidence():
    """Felt on every pass both ways, by many cars, for months: one proposal with both directions."""
    clusters, known, *_ = town(*both_ways())
    table = proposals(clusters, known, bar=BAR)
    assert tuple(table.columns) == PROPOSED_COLUMNS
    (row,) = table.to_dict("records")
    assert (row["kind"], row["directions"], row["hits"], row["passes"]) == ("hump", 2, 30, 30)
    assert (row["devices"], row["span_days"]) == (15, 90.0)
    assert row["hit_rate_lo"] > 0.8
    assert row["nearest_id"] is None
    assert len(row["clusters"].split()) == 2


@pytest.mark.parametrize(
    ("parts", "trips"),
    [
        pytest.param((street(hits=15, passes=15),), {}, id="felt one way only"),
        pytest.param(both_ways(hits=8), {}, id="on half of the passes"),
        pytest.param(both_ways(days=20), {}, id="for three weeks"),
        pytest.param(both_ways(), {}, id="control"),
        pytest.param(both_ways(), {"one_car": True}, id="one car"),
        pytest.param(both_ways(), {"dated": False}, id="nobody knows when"),
        pytest.param(both_ways(kind="pothole"), {}, id="a pothole"),
        pytest.param(both_ways(hits=8, passes=8), {}, id="few passes"),
    ],
)
def test_less_is_no_proposal(parts, trips, request):
    """Each condition alone keeps a place from being proposed; the control is proposed."""
    clusters, known, *_ = town(*parts, **trips)
    wanted = request.node.callspec.id == "control"
    assert len(proposals(clusters, known, bar=BAR)) == wanted


def test_a_casting_lies_in_one_lane():
    """A casting needs no other direction: it lies in one wheel track.

    What a cluster is the place model says; here it is given.
    """
    clusters, known, *_ = town(street(hits=15, passes=15))
    clusters = clusters.assign(**{"class": "casting", "p_casting": 0.95, "p_hump": 0.02})
    assert proposals(clusters, known, bar=BAR)["kind"].tolist() == ["casting"]


def test_what_is_listed_is_not_proposed():
    """Once imported a proposal is gone; an obstacle of another class beside it changes nothing."""
    clusters, *_ = town(*both_ways(), listed=obstacle(1.0, radius_m=4.0))
    assert len(proposals(clusters, obstacle(1.0), bar=BAR)) == 0
    lid = obstacle(4.0, kind="casting", name="lid", radius_m=2.0)
    clusters, *_ = town(*both_ways(), listed=lid)
    (row,) = proposals(clusters, lid, bar=BAR).to_dict("records")
    assert (row["nearest_id"], row["nearest_kind"]) == ("lid", "casting")
    assert row["nearest_m"] == pytest.approx(4.0, abs=1.5)


def test_proposals_do_not_depend_on_order():
    """The same clusters in any order give the same proposals."""
    clusters, known, *_ = town(*both_ways(), *both_ways(north_m=90.0))
    table = proposals(clusters, known, bar=BAR)
    assert len(table) == 2
    again = clusters.sample(frac=1, random_state=np.random.default_rng(3))
    pd.testing.assert_frame_equal(proposals(again, known, bar=BAR), table)


# ------------------------------------------------------------------------------- doubts


def doubted(parts: Any, listed: pd.DataFrame, **trips: Any) -> list[dict[str, Any]]:
    clusters, known, bumps, passes, who = town(*parts, listed=listed, **trips)
    table = doubts(known, clusters, bumps, passes, who, bar=BAR, settings=CLUSTER)
    assert tuple(table.columns) == DOUBT_COLUMNS
    return table.to_dict("records")


HERE_HUMP = obstacle(0.0, radius_m=4.0)


def test_a_hump_that_nobody_feels_is_doubted():
    """Fifteen cars drove over a listed hump and none jolted: it is not there."""
    (row,) = doubted((street(hits=0, passes=15),), HERE_HUMP)
    assert (row["obstacle_id"], row["finding"]) == ("h1", "not felt")
    assert (row["passes"], row["devices"], row["felt"]) == (15, 15, 0)
    assert row["felt_share_hi"] < 0.2


@pytest.mark.parametrize(
    ("parts", "listed", "trips"),
    [
        pytest.param((street(hits=15, passes=15),), HERE_HUMP, {}, id="everybody feels it"),
        pytest.param((street(hits=4, passes=15),), HERE_HUMP, {}, id="some feel it"),
        pytest.param((street(hits=0, passes=8),), HERE_HUMP, {}, id="few passes"),
        pytest.param((street(hits=0, passes=15),), obstacle(0.0, kind="casting"), {},
                     id="a casting that is flush"),
        pytest.param(
            (street(hits=15, passes=15, kind="joint"),),
            pd.concat([obstacle(0.0, kind="casting", name="lid", radius_m=2.0),
                       obstacle(0.0, kind="joint", name="joint", radius_m=4.0)],
                      ignore_index=True),
            {}, id="what is felt is another listed thing",
        ),
        pytest.param((street(hits=0, passes=15),), HERE_HUMP, {"one_car": True}, id="one car"),
        pytest.param((street(hits=0, passes=15),), obstacle(80.0), {}, id="nobody drove there"),
        pytest.param(
            (street(hits=0, passes=15),),
            HERE_HUMP.assign(valid_to=pd.array(["1969-12-31"], dtype="str")), {},
            id="gone before anybody drove",
        ),
        pytest.param(
            (street(hits=0, passes=15),),
            obstacle([-60, 60], [2, 2], kind="rail", radius_m=4.0), {}, id="along a rail",
        ),
    ],
)  # fmt: skip
def test_nothing_is_doubted_without_reason(parts, listed, trips):
    """Doubt needs many passes of several cars over the obstacle itself, hardly any of them felt."""
    assert doubted(parts, listed, **trips) == []


def test_a_rail_that_is_crossed_unfelt_is_doubted():
    """A line across the street that nobody feels: rails under a bridge, or taken out."""
    (row,) = doubted(
        (street(hits=0, passes=15),), obstacle([0, 0], [-60, 60], kind="rail", radius_m=4.0)
    )
    assert row["finding"] == "not felt"


def test_a_hump_that_is_felt_as_a_pothole_is_doubted():
    """What many cars surely feel as another class is told with that class, and its cluster."""
    sure = street(hits=15, passes=15, kind="pothole")
    (row,) = doubted((sure,), HERE_HUMP)
    assert row["finding"] == "felt as pothole"
    assert row["cluster_id"]
    assert row["p_class"] > 0.6


def test_no_obstacles_no_doubts():
    """An empty inventory, and an empty street, are no findings."""
    assert doubted((street(hits=15, passes=15),), OBSTACLES.empty()) == []
