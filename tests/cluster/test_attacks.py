"""What dishonest devices can and cannot do to a place: jolts and passes by hand, no signal.

The simulator carries the same attacks out on whole recordings (``streetbump.simulate.attack``);
here they are perfect, as if the door and the detector had believed everything.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from streetbump.cluster.companions import Felt, co_travelling
from streetbump.cluster.evidence import Centres
from streetbump.cluster.places import flagged
from streetbump.geo import bin_of, from_local_m, local_m
from streetbump.model import PASSES, TRIPS, Bools, Ints

from .kit import DAY_NS, HERE, NOON_NS, SETTINGS, Region, clustered, drives, jolts, region

FLAG = SETTINGS.flag
APART_M = 150.0
SCATTER_M = 2.0


def claims(
    device: list[str | None], day: Ints, *, hole: Ints | int = 0, felt: Bools | bool = True,
    seed: int = 1,
) -> Region:  # fmt: skip
    """A trip per device past a hole each, on a day, with or without a jolt."""
    n = len(device)
    hole, felt = np.broadcast_to(hole, n), np.broadcast_to(felt, n)
    rng = np.random.default_rng(seed)
    key, east = np.arange(n) + 1, hole * APART_M
    t_ns = NOON_NS + np.asarray(day) * DAY_NS + rng.integers(-3 * 3600, 3 * 3600, n) * 10**9
    scatter = rng.normal(0, SCATTER_M, (2, n))
    hits = jolts(east + scatter[0], scatter[1], trip_key=key, t_utc_ns=t_ns)[felt]
    bins = bin_of(*from_local_m(east, np.zeros(n), lat0_deg=HERE[0], lon0_deg=HERE[1]))
    passed = drives(key, t_utc_ns=t_ns).assign(bin=bins)
    PASSES.check(passed)
    trips = TRIPS.build(
        {
            "trip_key": key,
            "device": device,
            "dated": np.ones(n, bool),
            "synthetic": np.zeros(n, bool),
        }
    )
    return region(hits.reset_index(drop=True), passed, trips)


def flags(given: Region) -> int:
    """How many clusters deserve a report."""
    return int(flagged(clustered(given).clusters, settings=FLAG).sum())


MANY = 10_000
HOLES = 200
DAYS = np.arange(MANY) // 100
EACH = np.arange(MANY) % HOLES


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("who", "flag"),
    [
        pytest.param(["a"], False, id="one device"),
        pytest.param([None], False, id="nobody said who"),
        pytest.param(["a", "b"], False, id="two devices"),
        pytest.param(["a", "b", None], False, id="two devices and nobody"),
        pytest.param(["a", "b", "c"], True, id="three devices: the flood itself could flag"),
    ],
)
def test_trips_are_no_witnesses(who: list[str | None], flag: bool, seed: int) -> None:
    """10,000 trips on 100 days, each with a jolt, flag nothing unless three devices made them."""
    rng = np.random.default_rng(seed)
    device = [who[k] for k in rng.integers(0, len(who), MANY)]
    assert flags(claims(device, DAYS, hole=EACH, seed=seed)) == (HOLES if flag else 0)


@pytest.mark.parametrize("attacker", ["mallory", None])
def test_an_attack_flags_nothing_while_honest_holes_are_found(attacker: str | None) -> None:
    """Beside 10,000 trips of one device, or of nobody, nine in ten honest holes and no other flag.

    Twenty cars pass each of 100 holes once on five days and feel three in five; the attack claims
    jolts at 100 other places, and at the holes.
    """
    rng = np.random.default_rng(4)
    car, hole = np.divmod(np.arange(20 * HOLES // 2), HOLES // 2)
    names: list[str | None] = [f"d{k}" for k in car.tolist()]
    given = claims(
        [*names, *[attacker] * MANY],
        np.r_[rng.integers(0, 5, len(car)), np.arange(MANY) % 100],
        hole=np.r_[hole, np.arange(MANY) % HOLES],
        felt=np.r_[rng.uniform(size=len(car)) < 0.6, np.ones(MANY, bool)],
    )
    found = clustered(given).clusters
    found = found[flagged(found, settings=FLAG)]
    east, _ = local_m(
        found["lat_deg"].to_numpy(), found["lon_deg"].to_numpy(), lat0_deg=HERE[0], lon0_deg=HERE[1]
    )
    at = np.rint(east / APART_M).astype(int)
    assert at.max() < HOLES // 2
    assert len(np.unique(at)) >= 0.9 * HOLES // 2


def test_many_devices_of_one_day_are_no_quorum() -> None:
    """A hundred devices on one day flag nothing; three of them again on the next day do."""
    device = [f"d{k}" for k in range(100)]
    assert flags(claims(device, np.zeros(100, int))) == 0
    assert flags(claims([*device, *device[:3]], np.r_[np.zeros(100, int), 1, 1, 1])) == 1


def test_a_drive_replayed_by_its_device_is_one_witness() -> None:
    """One drive again and again at other times, beside one honest device: two witnesses."""
    device: list[str | None] = ["a"] * 500 + ["b"] * 2
    assert flags(claims(device, np.r_[np.arange(500), 0, 1])) == 0


def test_smooth_trips_of_one_device_weigh_one_vote_a_day() -> None:
    """A thousand smooth trips on two days by one device do not hide what four devices feel."""
    honest: list[str | None] = [f"d{k % 4}" for k in range(8)]
    day = np.r_[np.arange(8) // 4, np.arange(1000) % 2]
    felt = np.r_[np.ones(8, bool), np.zeros(1000, bool)]
    assert flags(claims([*honest, *["liar"] * 1000], day, felt=felt)) == 1


def first_flag(day: Ints, device: list[str | None], felt: Bools) -> int:
    """The day after whose trips the place is flagged for the first time; -1: never."""
    for last in range(int(day.max()) + 1):
        by = day <= last
        names = [d for d, known in zip(device, by.tolist(), strict=True) if known]
        if felt[by].any() and flags(claims(names, day[by], felt=felt[by])):
            return last
    return -1


def days_to_flag(seed: int, *, fleet: int, felt_by: float, dishonest: float = 0.3) -> Ints:
    """Days to the flag: of an honest fleet, with so many liars in it, and with these at home."""
    rng = np.random.default_rng(seed)
    drove = np.argwhere(rng.uniform(size=(40, fleet)) < 0.2)
    day, who = drove[:, 0], drove[:, 1]
    felt = rng.uniform(size=len(day)) < felt_by
    names: list[str | None] = [f"d{k}" for k in who.tolist()]
    honest = who >= round(dishonest * fleet)
    stayed = [name for name, there in zip(names, honest.tolist(), strict=True) if there]
    return 1 + np.array(
        [
            first_flag(day, names, felt),
            first_flag(day, names, felt & honest),
            first_flag(day[honest], stayed, felt[honest]),
        ]
    )


@pytest.mark.parametrize(
    ("fleet", "felt_by", "seeds"),
    [(10, 0.3, (0, 1, 12)), (10, 0.6, (0, 1, 2)), (20, 0.3, (2, 3, 4)), (20, 0.6, (0, 1, 2))],
)
def test_smooth_liars_delay_a_flag_little(
    fleet: int, felt_by: float, seeds: tuple[int, ...]
) -> None:
    """Of ten or twenty cars 30 % lie: a hole is flagged within twice the days all the same.

    Or where a quorum needs longer, on the day it would be with the liars at home (seeds 0, 3, 12).
    """
    for seed in seeds:
        alone, among_liars, without = days_to_flag(seed, fleet=fleet, felt_by=felt_by)
        assert 0 < alone <= among_liars
        assert among_liars <= max(2 * alone, without)


def cart(phones: int, days: int) -> Region:
    """So many phones in one car past a thing, once a day, each feeling it within half a second."""
    rng = np.random.default_rng(4)
    device: list[str | None] = [f"d{k % phones}" for k in range(phones * days)]
    day = np.arange(phones * days) // phones
    given = claims(device, day)
    t_ns = NOON_NS + day * DAY_NS + rng.integers(-(5 * 10**8), 5 * 10**8, len(day))
    ways = [
        drives(np.arange(len(day)) + 1, 0.0, y, seq=k, t_utc_ns=t_ns + round(y / 11 * 1e9))
        for k, y in enumerate(range(-150, 150, 22))
    ]
    bumps = given.bumps.assign(t_utc_ns=t_ns)
    return given._replace(bumps=bumps, passes=pd.concat(ways).reset_index(drop=True))


def test_ninety_nine_phones_in_a_cart_flag_nothing() -> None:
    """One car with 99 phones, on three days, is one witness."""
    assert flags(cart(99, 3)) == 0


def test_the_phones_of_a_cart_are_told() -> None:
    """Each of the cart's drives is one company, with the vote of one phone."""
    given = cart(99, 3)
    trip = given.passes["trip_key"].to_numpy()
    hole = Centres(np.array([HERE[0]]), np.array([HERE[1]]), np.ones(1), np.zeros(1))
    named = np.ones(len(trip), np.bool_)
    nobody = Felt(*[np.empty(0, int)] * 3, np.empty(0))
    found = co_travelling(
        hole, nobody, given.passes, (trip - 1) % 99, named, way_m=SETTINGS.cluster.company_m
    )
    assert len(found.trip) == 3 * 99
    assert set(found.voter) == {0}


def drives_of(names: int, days: int, *, copies: bool) -> Region:
    """A drive past the hole per name and day, at another time each; one recording, or each its own.

    A copy has noise of 0.05 m/s² and 1 m, as the simulator's forgers add.
    """
    given = cart(names, days)
    rng = np.random.default_rng(9)
    trip = given.passes["trip_key"].to_numpy()
    late_ns = rng.integers(-3 * 3600, 3 * 3600, names * days) * 10**9
    bins, at = np.unique(given.passes["bin"].to_numpy(), return_inverse=True)
    which = np.zeros(len(trip), int) if copies else trip - 1
    shaken = rng.lognormal(-1, 0.4, (names * days, len(bins)))
    line_m = rng.normal(0, 5, (names * days, 1)) + rng.normal(0, 1, (names * days, len(bins)))
    passes = given.passes.assign(
        t_utc_ns=given.passes["t_utc_ns"] + late_ns[trip - 1],
        roughness_ms2=np.hypot(shaken[which, at], 0.05 * rng.normal(size=len(trip))),
        aside_m=line_m[which, at] + rng.normal(0, 0.7, len(trip)),
    )
    bumps = given.bumps.assign(
        t_utc_ns=given.bumps["t_utc_ns"] + late_ns[given.bumps["trip_key"] - 1]
    )
    return given._replace(bumps=bumps, passes=passes)


@pytest.mark.parametrize("names", [3, 30])
def test_one_drive_under_many_names_flags_nothing(names: int) -> None:
    """One recording under other names, days and hours is one witness; as many cars are a quorum."""
    assert flags(drives_of(names, 3, copies=True)) == 0
    assert flags(drives_of(names, 3, copies=False)) == 1
