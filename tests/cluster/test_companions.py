"""Phones in one car are one witness, and copies of a recording; other cars are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from streetbump.cluster.companions import Companions, Felt, co_travelling
from streetbump.cluster.evidence import Centres
from streetbump.model import PASSES

from .kit import CLUSTER, DAY_NS, HERE, NOON_NS, drives

SECOND_NS = 1_000_000_000
SPEED_MS = 11.0
HOLE = Centres(np.array([HERE[0]]), np.array([HERE[1]]), np.ones(1), np.zeros(1))
NOWHERE = Centres(*[np.empty(0)] * 4)


def way(
    trip: int, *, after_s: float = 0.0, day: int = 0, from_m: int = -150, to_m: int = 150,
    speed_ms: float = SPEED_MS, east_m: float = 0.0,
) -> pd.DataFrame:  # fmt: skip
    """A drive northwards past the hole: a pass per bin, timed from the hole."""
    return pd.concat(
        [
            drives(
                trip, east_m, y, seq=k,
                t_utc_ns=NOON_NS + day * DAY_NS + round((after_s + y / speed_ms) * SECOND_NS),
            )
            for k, y in enumerate(range(from_m, to_m, 22))
        ]
    )  # fmt: skip


def companions(
    *ways: pd.DataFrame, voters: dict[int, int] | None = None, at: Centres = HOLE, dated: Any = True
) -> Companions:
    passes = pd.concat(ways).reset_index(drop=True)
    trip = passes["trip_key"].to_numpy()
    voter = trip if voters is None else np.array([voters[k] for k in trip.tolist()])
    trips = np.unique(trip[voter >= 0]) if len(at.lat_deg) else np.empty(0, int)
    middle = passes.groupby("trip_key")["t_utc_ns"].median().reindex(trips).astype("int64")
    felt = Felt(np.zeros(len(trips), int), trips, middle.to_numpy(), np.full(len(trips), 8.0))
    return co_travelling(
        at, felt, passes, voter, np.broadcast_to(dated, len(passes)), way_m=CLUSTER.company_m
    )


def votes(found: Companions, trips: int) -> int:
    """How many voters so many trips, each of its own device, are past the hole."""
    keys = np.arange(1, trips + 1)
    return len(np.unique(found.voters(np.zeros(trips, int), keys, keys)))


def test_ninety_nine_phones_in_a_cart_are_one_voter():
    """The same way at the same times, but for half a second here and there: one vote."""
    rng = np.random.default_rng(1)
    cart = [way(k, after_s=rng.uniform(-0.5, 0.5)) for k in range(1, 100)]
    found = companions(*cart)
    assert votes(found, 99) == 1
    assert set(found.voter) == {1}


@pytest.mark.parametrize(
    ("other", "voters"),
    [
        pytest.param(way(2, after_s=1.9), 1, id="1.9 s later is one car"),
        pytest.param(way(2, after_s=2.1), 2, id="the car behind"),
        pytest.param(way(2, day=1), 2, id="the same minute of the next day"),
        pytest.param(way(2, to_m=80), 1, id="leaves after 200 m"),
        pytest.param(way(2, to_m=40), 2, id="leaves before"),
        pytest.param(way(2, speed_ms=8.0), 2, id="side by side at the hole alone"),
        pytest.param(way(2, east_m=60.0), 2, id="in the next street"),
    ],
)
def test_one_car_is_the_same_bins_at_the_same_times(other, voters):
    """Within 2 s in every bin, for 200 m around the place; otherwise two cars."""
    assert votes(companions(way(1), other), 2) == voters


def test_company_holds_for_the_drive_alone():
    """Two who shared a car one day are two voters on the days when they did not."""
    ways = [way(1), way(2), way(3, day=1), way(4, day=2)]
    found = companions(*ways, voters={1: 10, 2: 20, 3: 10, 4: 20})
    trips = np.arange(1, 5)
    own = np.array([10, 20, 10, 20])
    assert found.voters(np.zeros(4, int), trips, own).tolist() == [10, 10, 10, 20]


def test_who_has_no_vote_is_no_companion():
    """Trips that name no device, or no day, join nobody and are left as they are."""
    assert len(companions(way(1), way(2), voters={1: 5, 2: -1}).trip) == 0
    assert len(companions(way(1), way(2), dated=False).trip) == 0


def test_cars_of_a_street_stay_apart():
    """A hundred phones within an hour, in cars of all speeds: at least 97 are voters.

    With a thousand, of cars that come at random and keep no distance, 855 are.
    """
    rng = np.random.default_rng(2)
    cars = [
        way(k, after_s=rng.uniform(0, 3600), speed_ms=rng.uniform(8, 14)) for k in range(1, 101)
    ]
    assert votes(companions(*cars), 100) >= 97


def drive(seed: int, *, bins: int = 14) -> dict[str, Any]:
    """How a car shook and where it ran in each bin of :func:`way`."""
    rng = np.random.default_rng(seed)
    return {
        "roughness_ms2": rng.lognormal(-1, 0.4, bins),
        "aside_m": rng.normal(0, 5) + rng.normal(0, 1, bins),
    }


def copy(trip: int, *, of: int = 1, noise: float = 1.0, **where: Any) -> pd.DataFrame:
    """The drive of one seed under another number and on another day, with noise on all of it."""
    rng = np.random.default_rng(trip)
    table = way(trip, day=trip, after_s=400.0 * trip, **where)
    n, shaken = len(table), drive(of)
    return table.assign(
        t_utc_ns=table["t_utc_ns"] + rng.normal(0, noise * 0.15e9, n).astype(np.int64),
        roughness_ms2=shaken["roughness_ms2"][:n] * np.exp(rng.normal(0, noise * 0.06, n)),
        aside_m=shaken["aside_m"][:n] + rng.normal(0, noise * 0.6, n),
    )


@pytest.mark.parametrize(
    ("others", "voters"),
    [
        pytest.param([copy(k, noise=0.0) for k in range(2, 6)], 1, id="the same file"),
        pytest.param([copy(k) for k in range(2, 6)], 1, id="with noise"),
        pytest.param([copy(2, to_m=10)], 1, id="where the trip ends: six bins"),
        pytest.param([copy(2, to_m=-10)], 2, id="five bins are too few to tell"),
        pytest.param([copy(k, of=k) for k in range(2, 6)], 5, id="each its own car"),
        pytest.param([copy(2).assign(roughness_ms2=0.6)], 2, id="shaken otherwise"),
        pytest.param([copy(2, speed_ms=9.0)], 2, id="driven slower"),
        pytest.param([copy(2).assign(aside_m=drive(1)["aside_m"] + 6)], 2, id="on another line"),
        pytest.param([copy(2).assign(aside_m=np.nan)], 2, id="stored before lines were kept"),
    ],
)
def test_copies_of_a_recording_are_one_voter(others, voters):
    """As long in every bin, as shaken and on the same line, on whatever day: one witness."""
    found = companions(copy(1, noise=0.0), *others, dated=False)
    assert votes(found, 1 + len(others)) == voters


def test_hundreds_of_copies_are_found_among_honest_drives():
    """However many there are, and whoever felt the hole as strongly."""
    copies = [copy(k) for k in range(1, 301)]
    honest = [copy(k, of=k, speed_ms=7 + k * 37 % 50 / 10) for k in range(301, 401)]
    found = companions(*copies, *honest)
    assert votes(found, 300) == 1
    assert len(np.intersect1d(found.trip, np.arange(301, 401))) == 0


def test_order_and_far_away_passes_do_not_show():
    """Other rows' order and passes beyond the way give the same companions."""
    ways = [way(k, after_s=k % 3) for k in range(1, 9)]
    given = companions(*ways)
    beyond = [way(k, from_m=400, to_m=900) for k in (1, 5, 77)]
    mixed = pd.concat([*ways, *beyond]).sample(frac=1, random_state=3)
    again = companions(mixed)
    for name in ("cluster", "trip", "voter"):
        assert getattr(again, name).tolist() == getattr(given, name).tolist()
    assert len(given.trip) == 8


def test_nothing_has_no_company():
    """No passes, and no clusters, give no companions and leave voters as they are."""
    for found in (companions(way(1), way(2), at=NOWHERE), companions(PASSES.empty())):
        assert len(found.cluster) == len(found.trip) == len(found.voter) == 0
        assert votes(found, 3) == 3
