"""Claims about simulated towns: what lies in them, what the city believes, who drives when."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from streetbump.geo import distance_m
from streetbump.model import JoltClass
from streetbump.simulate.defects import BOTH
from streetbump.simulate.roads import Edge, Network
from streetbump.simulate.surface import ISO_GD
from streetbump.simulate.town import (
    DAY_S,
    FIRST_DAY_UTC_S,
    HARD,
    LISTED_KINDS,
    MAKERS,
    SMALL,
    Town,
    drive_outing,
    make_town,
    named_town,
    plan_outings,
    repaired_badly,
)

HOLES = "pothole"


@pytest.fixture(scope="module")
def hard() -> Town:
    return named_town("hard", seed=1)


@pytest.fixture(scope="module")
def small() -> Town:
    return named_town("small", seed=1)


def apart_m(town: Town, one, other) -> float:
    (lat1, lon1), (lat2, lon2) = one, other
    return float(distance_m(*(np.array([x]) for x in (lat1, lon1, lat2, lon2)))[0])


# ------------------------------------------------------------------------------- one seed


def test_the_same_seed_gives_the_same_town(small):
    """Defects, inventory and fleet are equal for equal seeds, and differ for others."""
    again, other = named_town("small", seed=1), named_town("small", seed=2)
    assert again.scene.defects == small.scene.defects
    assert again.inventory == small.inventory
    assert again.fleet == small.fleet
    assert other.scene.defects != small.scene.defects
    assert other.fleet != small.fleet


PRINT_TRIP = """
import hashlib
from streetbump.simulate.town import drive_outing, named_town, plan_outings
town = named_town("small", seed=1)
trip = drive_outing(town, plan_outings(town, trips=3, seed=2, minutes=1.0)[2], seed=2)
print(hashlib.sha256(b"".join(a.tobytes() for a in (
    trip.t_s, trip.acc_ms2, trip.gravity_ms2, trip.fixes.t_s, trip.fixes.lat_deg
)) + repr(trip.crossings).encode()).hexdigest())
"""


def test_the_same_seed_gives_the_same_trip_in_every_process(small):
    """Arrays are equal to the last byte whatever the process and its hash seed.

    In between the town has made other trips here: no trip depends on what was driven before.
    """
    found = set()
    for hash_seed in ("0", "1234"):
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", PRINT_TRIP], env=env, capture_output=True, text=True, check=True
        )
        found.add(done.stdout.strip())
    outings = plan_outings(small, trips=3, seed=2, minutes=1.0)
    trip = [drive_outing(small, o, seed=2) for o in outings][2]
    columns = (trip.t_s, trip.acc_ms2, trip.gravity_ms2, trip.fixes.t_s, trip.fixes.lat_deg)
    mine = b"".join(a.tobytes() for a in columns) + repr(trip.crossings).encode()
    found.add(hashlib.sha256(mine).hexdigest())
    assert len(found) == 1


def test_trips_are_made_in_any_order(small):
    """A trip made alone equals the same trip made after others in a town made anew."""
    outings = plan_outings(small, trips=2, seed=2, minutes=1.0)
    after = [drive_outing(small, o, seed=2) for o in outings][1]
    alone = drive_outing(named_town("small", seed=1), outings[1], seed=2)
    assert after.acc_ms2.tobytes() == alone.acc_ms2.tobytes()


# ------------------------------------------------------------------------------- streets


def test_streets_differ_in_surface_sky_and_district(hard):
    """Roughness over at least a decade within A to E, canyons, one tunnel, four districts."""
    edges = hard.scene.network.edges
    gd = np.array([e.gd_m3 for e in edges])
    assert gd.min() > 0.3 * ISO_GD["A"]
    assert gd.max() < 5 * ISO_GD["D"]
    assert np.percentile(gd, 95) > 10 * np.percentile(gd, 5)
    assert (gd[:, 0] != gd[:, 1]).all()  # lanes wear differently
    sky = np.array([e.canyon for e in edges])
    assert np.count_nonzero(sky == 2.0) == 1
    assert np.mean((sky > 0.4) & (sky <= 1.0)) > 0.03
    assert {e.district for e in edges} == {0, 1, 2, 3}


def test_few_phones_live_in_one_district(hard):
    """The fourth district has far fewer homes, and less traffic, than its share of the streets."""
    network = hard.scene.network
    district = {}
    for e in network.edges:
        district.setdefault(e.start, e.district)
    homes = Counter(district[d.home] for d in hard.fleet)
    assert homes[3] < 0.1 * len(hard.fleet)
    traffic = {k: np.mean([e.traffic for e in network.edges if e.district == k]) for k in range(4)}
    assert traffic[3] < 0.5 * min(traffic[k] for k in range(3))


def test_a_town_of_one_street_is_a_town():
    """Nothing depends on there being many streets."""
    network = Network(12.0, -150.0, (Edge(0, 1, np.array([0.0, 400.0]), np.zeros(2)),))
    town = make_town("lane", network, SMALL, seed=1)
    assert {d.kind for d in town.scene.defects} >= set(MAKERS) - {"hump"}
    (outing,) = plan_outings(town, trips=1, seed=1, minutes=0.5)
    assert drive_outing(town, outing, seed=1).t_s.size > 0


# ------------------------------------------------------------------------------- what lies there


def test_there_is_as_much_of_everything_as_planned(hard):
    """Counts are the plan's per km; neighbours and bad repairs add castings, humps and patches."""
    km = sum(e.length_m for e in hard.scene.network.edges) / 1000
    kinds = Counter(d.kind for d in hard.scene.defects)
    assert kinds[HOLES] == round(HARD.potholes * km)
    assert kinds["marker"] == round(HARD.markers * km)
    assert kinds["casting"] > round(HARD.castings * km)
    assert kinds["patch"] > round(HARD.patches * km)
    assert kinds["hump"] + kinds["table"] > round(HARD.humps * km)
    assert kinds["table"] > 0


def test_names_are_unique(hard):
    """No two things in a town share a name."""
    names = [d.defect_id for d in hard.scene.defects]
    assert len(set(names)) == len(names)


def test_defects_lie_in_their_streets(hard):
    """Everything lies at least 2 m from both ends of its street."""
    for d in hard.scene.defects:
        assert 2.0 <= d.along_m <= hard.scene.network.edges[d.edge].length_m - 2.0


def test_other_things_lie_within_gps_error_of_potholes(hard):
    """About a fifth of the potholes got a casting or hump 3 to 12 m away; chance adds some."""
    by_edge = hard.scene.by_edge
    holes = [d for d in hard.scene.defects if d.kind == HOLES]
    near = [
        any(
            d.kind in ("casting", "hump", "table") and 3.0 <= abs(d.along_m - h.along_m) <= 12.0
            for d in by_edge[h.edge]
        )
        for h in holes
    ]
    assert HARD.neighbours - 0.05 < np.mean(near) < HARD.neighbours + 0.25


def test_potholes_open_grow_and_are_repaired(hard):
    """A third opens during the calendar, only those grow, a sixth is repaired after opening."""
    holes = [d for d in hard.scene.defects if d.kind == HOLES]
    # Standard error √(p (1-p) / 330) is 0.026 and 0.02.
    opened = [d for d in holes if np.isfinite(d.from_day)]
    mended = [d for d in holes if np.isfinite(d.until_day)]
    assert len(opened) / len(holes) == pytest.approx(0.33, abs=0.08)
    assert len(mended) / len(holes) == pytest.approx(1 / 6, abs=0.07)
    for d in holes:
        assert d.from_day < d.until_day
        assert (d.growth_per_day > 0) == np.isfinite(d.from_day)
    d = opened[0]
    assert abs(d.height_on(d.from_day)) < abs(d.height_on(min(d.until_day, hard.days) - 1e-6))
    assert d.height_on(d.from_day - 0.1) == 0.0


def test_some_repairs_are_bad(hard):
    """Some repairs, not all, leave a lump or dip in the hole's place from the day of its repair."""
    by_name = {d.defect_id: d for d in hard.scene.defects}
    mended = [d for d in hard.scene.defects if d.kind == HOLES and np.isfinite(d.until_day)]
    left = [
        (d, by_name[f"{d.defect_id}-patch"]) for d in mended if f"{d.defect_id}-patch" in by_name
    ]
    assert 0.1 < len(left) / len(mended) < 0.6
    for hole, patch in left:
        assert (patch.edge, patch.along_m, patch.lane) == (hole.edge, hole.along_m, hole.lane)
        assert patch.from_day == hole.until_day
        assert patch.label is JoltClass.ROUGH
        assert 0 < abs(patch.height_m) < 0.5 * abs(hole.height_m)
        # one of the two at any time
        assert not (hole.height_on(patch.from_day) and patch.height_on(patch.from_day))
    signs = {np.sign(patch.height_m) for _, patch in left}
    assert signs == {-1.0, 1.0}
    assert repaired_badly(left[0][0], rng=np.random.default_rng(1)).until_day == np.inf


def test_some_humps_are_new(hard):
    """Humps are built during the calendar, and those are in no list yet."""
    new = [d for d in hard.scene.defects if d.kind in ("hump", "table") and np.isfinite(d.from_day)]
    assert len(new) >= 2
    listed = {row.defect_id for row in hard.inventory}
    assert not listed & {d.defect_id for d in new}


# ------------------------------------------------------------------------------- the inventory


def test_the_inventory_lacks_some_obstacles(hard):
    """Three of four obstacles are listed; potholes, patches and cracks never are."""
    obstacles = {d.defect_id for d in hard.scene.defects if d.kind in LISTED_KINDS}
    listed = {row.defect_id for row in hard.inventory} - {""}
    assert listed <= obstacles
    assert len(listed) / len(obstacles) == pytest.approx(HARD.listed, abs=0.06)


def test_the_inventory_misplaces_some_obstacles(hard):
    """Most rows lie within some metres of the thing, a few more than 15 m away."""
    by_name = {d.defect_id: d for d in hard.scene.defects}
    off = np.array([
        apart_m(hard, (r.lat_deg, r.lon_deg), hard.scene.place_of(by_name[r.defect_id]))
        for r in hard.inventory if r.defect_id
    ])  # fmt: skip
    assert np.median(off) < 5.0
    assert 0.005 < np.mean(off > 15.0) < 0.08


def test_the_inventory_errs_in_kind_and_lists_what_is_not_there(hard):
    """Some rows say hump for something else, and a share of rows has nothing behind it."""
    by_name = {d.defect_id: d for d in hard.scene.defects}
    wrong = [
        r
        for r in hard.inventory
        if r.defect_id and r.kind != LISTED_KINDS[by_name[r.defect_id].kind]
    ]
    assert 0.005 < len(wrong) / len(hard.inventory) < 0.08
    real = sum(bool(r.defect_id) for r in hard.inventory)
    assert len(hard.inventory) - real == round(HARD.phantom * real)
    assert len({r.source_id for r in hard.inventory}) == len(hard.inventory)


# ------------------------------------------------------------------------------- who drives when


def test_every_car_and_phone_is_its_own(hard):
    """A hard town has at least 30 different cars and 30 different phones."""
    assert len({d.car for d in hard.fleet}) >= 30
    assert len({d.phone for d in hard.fleet}) >= 30
    assert len({d.receiver for d in hard.fleet}) >= 30
    assert len({d.name for d in hard.fleet}) == len(hard.fleet) == HARD.devices


def test_outings_are_driven_over_the_calendar(hard):
    """In order of time, between 5 and 23 h, on all days, some phones far more often than others."""
    outings = plan_outings(hard, trips=600, seed=5)
    days = np.array([o.day for o in outings])
    assert (np.diff(days) >= 0).all()
    assert [o.index for o in outings] == list(range(600))
    assert np.unique(np.floor(days)).size > 0.9 * hard.days
    hours = (days % 1.0) * 24
    assert ((hours >= 5.0) & (hours < 23.9)).all()
    assert outings[0].start_utc_s == pytest.approx(FIRST_DAY_UTC_S + days[0] * DAY_S, abs=1e-3)
    often = Counter(o.device for o in outings)
    assert max(often.values()) > 5 * np.median([often[k] for k in range(len(hard.fleet))]) / 2
    again = plan_outings(hard, trips=600, seed=5)
    assert again == outings


def test_nobody_drives_two_cars_at_once(small):
    """A device's next trip starts after its last one has ended, also where few drive much."""
    outings = plan_outings(small, trips=400, seed=5)
    for device in range(len(small.fleet)):
        mine = [o for o in outings if o.device == device]
        gaps = np.diff([o.start_utc_s for o in mine])
        assert (gaps > 60.0).all()
    trip = drive_outing(small, outings[0], seed=5)
    later = next(o for o in outings[1:] if o.device == outings[0].device)
    assert outings[0].start_utc_s + trip.t_s[-1] < later.start_utc_s


def test_a_trip_is_felt_where_it_says(hard):
    """Crossings of an outing lie on the track within GPS error, in order, some of them felt."""
    (outing,) = plan_outings(hard, trips=1, seed=6, minutes=4.0)
    trip = drive_outing(hard, outing, seed=6)
    times = [c.t_s for c in trip.crossings]
    assert times == sorted(times)
    assert any(c.felt for c in trip.crossings)
    assert not all(c.felt for c in trip.crossings)
    assert times[0] > 0
    assert times[-1] < trip.t_s[-1]
    there = np.array([(c.t_s, c.lat_deg, c.lon_deg) for c in trip.crossings])
    lat, lon = (
        np.interp(there[:, 0] + 0.9, trip.fixes.t_s, column)
        for column in (trip.fixes.lat_deg, trip.fixes.lon_deg)
    )
    assert np.median(distance_m(lat, lon, there[:, 1], there[:, 2])) < 15.0


def test_defects_across_the_street_are_for_both_lanes(hard):
    """What lies in both lanes lies in the middle of the street."""
    d = next(d for d in hard.scene.defects if d.lane == BOTH)
    lat, lon = hard.scene.network.place(d.edge, d.along_m)
    assert apart_m(hard, hard.scene.place_of(d), (lat[0], lon[0])) < 0.01
