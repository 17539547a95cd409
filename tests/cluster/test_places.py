"""Places: when clusters deserve a report, and what becomes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from streetbump.cluster.places import REPORTABLE, SENT, Place, flagged, follow, why_not
from streetbump.geo import from_local_m
from streetbump.model import CLUSTERS, PlaceState

from .kit import HERE, SETTINGS, likelihoods

FLAG = SETTINGS.flag


def cluster(east_m: float = 0.0, north_m: float = 0.0, **columns: Any) -> pd.DataFrame:
    """One row of ``CLUSTERS`` that deserves a report, with what a test changes about it."""
    (lat,), (lon,) = from_local_m(
        np.array([east_m]), np.array([north_m]), lat0_deg=HERE[0], lon0_deg=HERE[1]
    )
    kind = columns.get("class", "pothole")
    p = likelihoods(**{kind: 0.86}) if kind != "unsure" else likelihoods(pothole=0.3)
    values = {
        "cluster_id": "c1", "cell": 0, "lat_deg": lat, "lon_deg": lon, "pos_err_m": 2.0,
        "heading_deg": 0.0, "n_trips": 5, "n_devices": 4, "n_days": 3, "hits": 5, "passes": 6,
        "hit_rate": 0.8, "hit_rate_lo": 0.5, "hit_rate_hi": 0.95, "class": kind, **p,
        "severity": 6.0, "severity_lo": 5.0, "severity_hi": 7.0, "priority": 2.5,
        "obstacle_id": None, "obstacle_revision": 0, "synthetic": False,
        "first_seen_utc_ns": 1, "last_seen_utc_ns": 2, **columns,
    }  # fmt: skip
    return CLUSTERS.build({name: [values[name]] for name in CLUSTERS.names})


def clusters(*rows: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([CLUSTERS.empty(), *rows]).astype(CLUSTERS.empty().dtypes)


def ids() -> Callable[[], str]:
    numbers: Iterator[int] = count(1)
    return lambda: f"p{next(numbers)}"


def after(
    places: tuple[Place, ...], *rows: pd.DataFrame, creating: Any = True,
    new_id: Callable[[], str] | None = None, **changes: Any,
) -> tuple[Place, ...]:  # fmt: skip
    """Every place after the ledger followed these clusters."""
    table = clusters(*rows).reset_index(drop=True)
    changed = follow(
        places, table, creating=np.broadcast_to(creating, len(table)), new_id=new_id or ids(),
        settings=msgspec.structs.replace(FLAG, **changes),
    )  # fmt: skip
    now = {p.place_id: p for p in changed}
    assert not [p for p in changed if p in places], "only what differs is returned"
    return tuple({**{p.place_id: p for p in places}, **now}.values())


UNDER = [
    # what is short of a report, and the words for it
    ({"n_devices": FLAG.min_devices - 1}, "named devices, 3 needed"),
    ({"n_devices": 0}, "0 named devices"),
    ({"n_days": FLAG.min_days - 1}, "days, 2 needed"),
    ({"hit_rate_lo": FLAG.min_hit_rate_lo - 0.01}, "hit rate may be as low as 0.09"),
    ({"p_pothole": FLAG.min_class_p - 0.01}, "only 0.49 sure of its class"),
    ({"class": "hump"}, "class hump is not reported"),
    ({"class": "joint"}, "class joint is not reported"),
    ({"class": "unsure"}, "class unsure is not reported"),
    ({"obstacle_id": "h1"}, "known obstacle h1"),
]


@pytest.mark.parametrize(("changes", "said"), UNDER, ids=lambda v: str(v)[:40])
def test_below_any_threshold_nothing_begins(changes, said):
    """A cluster short of quorum, rate, class or news begins no place, and the reason is told."""
    row = cluster(**changes)
    assert not flagged(row, settings=FLAG).any()
    assert said in why_not(row.iloc[0], settings=FLAG)
    assert after((), row) == ()


@pytest.mark.parametrize("kind", REPORTABLE)
def test_a_cluster_that_deserves_it_begins_a_place(kind):
    """At the thresholds a cluster becomes a flagged place, in its first episode."""
    row = cluster(
        n_devices=FLAG.min_devices, n_days=FLAG.min_days, hit_rate_lo=FLAG.min_hit_rate_lo,
        **{"class": kind.value, f"p_{kind.value}": FLAG.min_class_p},
    )  # fmt: skip
    assert why_not(row.iloc[0], settings=FLAG) == ""
    (place,) = after((), row)
    assert (place.place_id, place.state, place.episode) == ("p1", PlaceState.FLAGGED, 1)
    assert (place.jolt_class, place.clusters) == (kind, ("c1",))
    assert (place.lat_deg, place.lon_deg) == (row["lat_deg"][0], row["lon_deg"][0])
    assert place.why == "5 of 6 passes jolted"


def test_a_new_place_begins_once():
    """Following the same clusters again begins nothing and changes nothing."""
    places = after((), cluster())
    assert after(places, cluster()) == places


def test_a_place_keeps_its_id_while_its_cluster_grows():
    """A cluster with another hit has another id and position; its place is the same one."""
    places = after((), cluster())
    (place,) = after(places, cluster(3.0, cluster_id="c2", hits=6, passes=8))
    assert (place.place_id, place.clusters) == ("p1", ("c2",))
    assert place.why == "6 of 8 passes jolted"
    assert place.lon_deg > places[0].lon_deg


@pytest.mark.parametrize(
    ("apart_m", "changes", "places"),
    [
        pytest.param(0.97 * FLAG.same_place_m, {}, 1, id="both lanes of one hole"),
        pytest.param(1.03 * FLAG.same_place_m, {}, 2, id="further apart"),
        pytest.param(1.0, {"class": "casting"}, 2, id="another class"),
        pytest.param(1.0, {"n_devices": 1}, 1, id="the other lane is below the quorum"),
    ],
)
def test_both_directions_are_one_place(apart_m, changes, places):
    """Clusters of one class in the two lanes within same_place_m are one place."""
    rows = cluster(), cluster(apart_m, cluster_id="c2", heading_deg=180.0, **changes)
    assert len(after((), *rows)) == places


@pytest.mark.parametrize("state", [*sorted(SENT), PlaceState.HELD])
@pytest.mark.parametrize("there", [True, False], ids=["still felt", "nothing there now"])
def test_clusters_never_change_what_was_said_about_a_place(state, there):
    """A place that a city or a person decided on keeps state, reason, episode and position."""
    (place,) = after((), cluster())
    decided = replace(place, state=state, why="said so", episode=2)
    rows = [cluster(3.0, cluster_id="c2", n_devices=9)] if there else []
    (now,) = after((decided,), *rows)
    assert now == replace(decided, clusters=("c2",) if there else ())


@pytest.mark.parametrize("state", sorted(SENT))
def test_a_decided_place_begets_no_second_one(state):
    """A cluster at a place that was reported or rejected begins no place beside it."""
    (place,) = after((), cluster())
    assert len(after((replace(place, state=state),), cluster(4.0, cluster_id="c2"))) == 1


def test_a_listed_obstacle_explains_a_place_later():
    """Once an inventory explains its cluster a flagged place is a known obstacle."""
    places = after((), cluster(**{"class": "casting"}))
    (now,) = after(places, cluster(**{"class": "casting", "obstacle_id": "O-7"}))
    assert (now.state, now.why) == (PlaceState.KNOWN_OBSTACLE, "obstacle O-7")


def test_a_delisted_obstacle_is_flagged_again():
    """A known obstacle that the inventory drops is a flagged place again, with its id."""
    places = after((), cluster())
    known = after(places, cluster(obstacle_id="O-7"))
    assert after(known, cluster()) == places


@pytest.mark.parametrize(
    ("rows", "held"),
    [((cluster(n_devices=1),), ("c1",)), ((), ())],
    ids=["too few devices", "no hits"],
)
def test_a_lost_quorum_makes_a_candidate(rows, held):
    """A flagged place whose evidence was withdrawn is a candidate, where it was.

    It keeps the cluster that is there: later passes tell by it whether the defect is.
    """
    places = after((), cluster())
    (now,) = after(places, *rows)
    assert now == replace(
        places[0],
        state=PlaceState.CANDIDATE,
        why="no cluster reaches the quorum now",
        clusters=held,
    )


def test_a_candidate_can_come_back():
    """A candidate whose cluster reaches the quorum again is the same place, flagged."""
    places = after((), cluster())
    assert after(after(places), cluster()) == places


def test_only_the_own_cells_create():
    """A cluster of a neighbouring cell is linked to a place there is, and begins none."""
    rows = cluster(), cluster(500.0, cluster_id="c2")
    assert [p.clusters for p in after((), *rows, creating=[True, False])] == [("c1",)]
    places = after((), *rows)
    grown = cluster(), cluster(501.0, cluster_id="c3")
    now = after(places, *grown, creating=[True, False])
    assert [(p.place_id, p.clusters) for p in now] == [("p1", ("c1",)), ("p2", ("c3",))]


def test_the_nearest_place_takes_the_cluster():
    """Between two places a cluster goes to the nearer one; the lower id among equals."""
    places = after((), cluster(), cluster(16.0, cluster_id="c2"))
    now = after(places, cluster(9.0, cluster_id="c3"))
    assert [p.clusters for p in now] == [(), ("c3",)]


def test_the_best_known_cluster_says_where():
    """A place lies where its cluster of most devices lies."""
    other = cluster(8.0, cluster_id="c2", n_devices=9, heading_deg=180.0)
    (place,) = after((), cluster(), other)
    assert place.lon_deg == other["lon_deg"][0]


def test_a_cluster_stays_with_the_place_that_holds_it():
    """A place that moved to its best cluster keeps the one of the other lane, though it moves."""
    best = cluster(8.0, cluster_id="b", n_devices=9, heading_deg=180.0)
    places = after((), cluster(0.0, cluster_id="a"), best)
    assert [p.clusters for p in places] == [("a", "b")]
    assert after(places, cluster(-4.0, cluster_id="a"), best, new_id=lambda: "second") == places


def test_two_holes_in_one_lane_are_two_places():
    """What is two clusters of one lane is two places, however near, and stays so as they grow."""
    holes = cluster(), cluster(8.0, cluster_id="c2", n_devices=9)
    places = after((), *holes)
    assert sorted(p.clusters for p in places) == [("c1",), ("c2",)]
    grown = cluster(1.0, cluster_id="c3"), cluster(6.5, cluster_id="c4", n_devices=9)
    now = {p.place_id: p.clusters for p in after(places, *grown, new_id=lambda: "never drawn")}
    held = {p.place_id: p.clusters for p in places}
    assert {held[k]: now[k] for k in now} == {("c1",): ("c3",), ("c2",): ("c4",)}


def test_a_reported_hole_beside_a_new_one_keeps_its_report():
    """A second hole in the lane of a reported one is a place of its own; the first stays linked."""
    (place,) = after((), cluster())
    sent = replace(place, state=PlaceState.REPORTED)
    old, new = after((sent,), cluster(), cluster(8.0, cluster_id="c2"), new_id=lambda: "second")
    assert old == sent
    assert (new.place_id, new.clusters, new.state) == ("second", ("c2",), PlaceState.FLAGGED)


SPOT = st.tuples(
    st.integers(-25, 25), st.integers(-2, 2),
    st.sampled_from(["pothole", "pothole", "casting", "hump"]),
    st.integers(1, 6), st.sampled_from([None, None, "O-1"]), st.sampled_from([0.0, 80.0, 180.0]),
)  # fmt: skip


@profile(max_examples=80, deadline=None, derandomize=True)
@given(first=st.lists(SPOT, max_size=8), then=st.lists(SPOT, max_size=8), swap=st.randoms())
def test_follow_after_follow_changes_nothing(first, then, swap):
    """Whatever came before, following the same clusters again, in any order, changes nothing."""

    def rows(spots: list[Any], name: str) -> list[pd.DataFrame]:
        return [
            cluster(x, y, cluster_id=f"{name}{k}", n_devices=n, obstacle_id=o, heading_deg=h,
                    **{"class": c})
            for k, (x, y, c, n, o, h) in enumerate(spots)
        ]  # fmt: skip

    new_id = ids()
    before = after((), *rows(first, "a"), new_id=new_id)
    later = rows(then, "b")
    places = after(before, *later, new_id=new_id)
    swap.shuffle(later)
    assert after(places, *later, new_id=lambda: "never drawn") == places
    held = [c for p in places for c in p.clusters]
    assert len(held) == len(set(held))


def test_nothing_to_follow():
    """No places and no clusters give no places."""
    assert after(()) == ()


def test_a_weak_cluster_is_held_by_its_nearest_place_alone():
    """Of two places within reach of a cluster that is not flagged, the nearer one keeps it."""
    places = after((), cluster(), cluster(9.5, cluster_id="c2", **{"class": "casting"}))
    assert len(places) == 2
    rows = (cluster(), cluster(9.5, cluster_id="c2", **{"class": "casting"}),
            cluster(6.0, cluster_id="c3", n_devices=1, **{"class": "unsure"}))  # fmt: skip
    (_, now) = after(places, *rows)
    assert (now.jolt_class.value, now.clusters) == ("casting", ("c2", "c3"))
