"""Claims about dishonest devices: each attack does physically what it says."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from streetbump.errors import UsageError
from streetbump.geo import distance_m
from streetbump.model import STANDARD_GRAVITY_MS2
from streetbump.simulate.attack import (
    ATTACKS,
    FARM_VISITS,
    FLOOD_VISITS,
    VISITS,
    Campaign,
    Upload,
    mount,
)
from streetbump.simulate.forgery import (
    FORGED_MS2,
    NOISE_M,
    NOISE_MS2,
    SMOOTHED_S,
    copied,
    forged,
    moved,
    smoothed,
    when_at,
)
from streetbump.simulate.gps import Fixes
from streetbump.simulate.town import DAY_S, FIRST_DAY_UTC_S, Town, named_town
from streetbump.simulate.trip import SimulatedTrip


@pytest.fixture(scope="module")
def town() -> Town:
    return named_town("small", seed=1)


def campaign(town: Town, name: str, *, attackers: int = 3, seed: int = 1) -> Campaign:
    return mount(town, name, attackers=attackers, seed=seed)


def apart_m(lat1, lon1, lat2, lon2) -> float:
    return float(distance_m(*(np.atleast_1d(float(x)) for x in (lat1, lon1, lat2, lon2)))[0])


def up_ms2(trip: SimulatedTrip) -> np.ndarray:
    """Vertical acceleration without gravity, by the phone's own idea of up, m/s²."""
    up = trip.gravity_ms2 / STANDARD_GRAVITY_MS2
    return np.sum(trip.acc_ms2 * up, axis=1) - STANDARD_GRAVITY_MS2


def place_at(trip: SimulatedTrip, t_s: float) -> tuple[float, float]:
    """Where the fixes say that the phone was."""
    f = trip.fixes
    return float(np.interp(t_s, f.t_s, f.lat_deg)), float(np.interp(t_s, f.t_s, f.lon_deg))


def day_of(upload: Upload) -> float:
    return (upload.about.start_utc_s - FIRST_DAY_UTC_S) / DAY_S


def passes_target(upload: Upload, c: Campaign, *, within_m: float = 40.0) -> bool:
    target = c.attack.target
    at = when_at(upload.trip.fixes, target.lat_deg, target.lon_deg)
    there = place_at(upload.trip, at)
    return apart_m(*there, target.lat_deg, target.lon_deg) < within_m


def still(length_s: float = 20.0) -> SimulatedTrip:
    """A phone that lies flat and is driven east at 10 m/s on glass."""
    t = np.arange(0.0, length_s, 0.01)
    rest = np.tile([0.0, 0.0, STANDARD_GRAVITY_MS2], (t.size, 1))
    every = np.arange(0.0, length_s)
    lon = np.degrees(10.0 * every / 6_371_008.8)
    course = np.full(every.size, 90.0)
    fixes = Fixes(every, 0 * every, lon, 0 * every + 10, course, 0 * every + 3)
    return SimulatedTrip(t, rest, rest, fixes)


# ------------------------------------------------------------------------------- what is faked


def test_a_forged_jolt_is_vertical_and_as_high_as_a_potholes():
    """Nothing before its time, first down, up to the given peak, upright, over in a second."""
    trip = forged(still(), 10.0, axle_s=0.27)
    up = up_ms2(trip)
    assert not up[trip.t_s < 10.0].any()
    assert up[np.flatnonzero(np.abs(up) > 1.0)[0]] < 0
    assert np.abs(up).max() == pytest.approx(FORGED_MS2, rel=0.1)
    assert np.abs(up[trip.t_s > 11.5]).max() < 0.01
    assert not trip.acc_ms2[:, :2].any()


def test_a_moved_track_passes_the_place_on_its_course_and_keeps_its_shape():
    """At the given time it is there, going north; distances along it and the samples stay."""
    trip = still()
    there = moved(trip, 8.0, lat_deg=0.02, lon_deg=0.01, heading_deg=0.0)
    assert place_at(there, 8.0) == pytest.approx((0.02, 0.01), abs=1e-7)
    assert place_at(there, 12.0)[0] > 0.02
    f = there.fixes
    assert np.unwrap(f.heading_deg, period=360) % 360 == pytest.approx(0.0, abs=1e-6)
    steps = distance_m(f.lat_deg[:-1], f.lon_deg[:-1], f.lat_deg[1:], f.lon_deg[1:])
    assert steps == pytest.approx(10.0, abs=0.02)
    assert there.acc_ms2 is trip.acc_ms2


def test_smoothing_takes_one_jolt_and_leaves_its_neighbour():
    """Of two jolts 4 s apart the smoothed one is gone and the other stays to the last bit."""
    trip = forged(forged(still(), 8.0, axle_s=0.27), 12.0, axle_s=0.27)
    clean = smoothed(trip, 8.0, rng=np.random.default_rng(1))
    before, after = SMOOTHED_S
    inside = (trip.t_s > 8.0 - before) & (trip.t_s < 8.0 + after)
    assert np.abs(up_ms2(clean)[inside]).max() < 0.1 * FORGED_MS2
    assert clean.acc_ms2[~inside].tobytes() == trip.acc_ms2[~inside].tobytes()
    assert np.abs(up_ms2(clean)[trip.t_s > 11.9]).max() > 0.9 * FORGED_MS2


def test_a_copy_differs_by_its_noise():
    """Samples and fixes of a copy are the first's with noise of the stated size."""
    trip = still(60.0)
    copy = copied(trip, rng=np.random.default_rng(1))
    assert np.std(copy.acc_ms2 - trip.acc_ms2) == pytest.approx(NOISE_MS2, rel=0.05)
    north = np.radians(copy.fixes.lat_deg - trip.fixes.lat_deg) * 6_371_008.8
    assert np.std(north) == pytest.approx(NOISE_M, rel=0.3)
    assert copy.fixes.t_s is trip.fixes.t_s


# ------------------------------------------------------------------------------- all attacks


@pytest.mark.parametrize("name", ATTACKS)
def test_the_same_seed_gives_the_same_attack(town, name):
    """Target, days, names and bytes are those of the seed, whichever town object they meet."""
    one, again = campaign(town, name), campaign(named_town("small", seed=1), name)
    assert one.attack.target == again.attack.target
    assert one.attack.days == again.attack.days
    assert one.inventory_rows == again.inventory_rows
    for a, b in zip(islice(one.uploads, 2), islice(again.uploads, 2), strict=True):
        assert a.about == b.about
        assert a.trip.acc_ms2.tobytes() == b.trip.acc_ms2.tobytes()
        assert a.trip.fixes.lon_deg.tobytes() == b.trip.fixes.lon_deg.tobytes()
    assert campaign(town, name, seed=2).attack.attackers != one.attack.attackers


@pytest.mark.parametrize("name", ATTACKS)
def test_every_attack_has_as_many_phones_as_asked(town, name):
    """Strangers are told from the fleet by nothing but being new."""
    strangers = campaign(town, name, attackers=7).attack.attackers
    names = [d.name for d in strangers]
    assert len(set(names)) == 7
    assert not set(names) & {d.name for d in town.fleet}
    assert {len(n) for n in names} == {len(d.name) for d in town.fleet}


def test_an_unknown_attack_is_refused(town):
    """The message lists the attacks there are."""
    with pytest.raises(UsageError, match="no attack is called 'magic'; there are cart, clock"):
        mount(town, "magic", attackers=1, seed=1)


@pytest.mark.parametrize("name", ["summon-forgery", "summon-moved", "on-off", "flood", "clock"])
def test_a_summons_is_to_where_nothing_is(town, name):
    """Nothing lies within 10 m of the place to which a crew is summoned."""
    target = campaign(town, name).attack.target
    assert target.defect_id == ""
    for d in town.scene.by_edge.get(target.edge, ()):
        assert abs(d.along_m - target.along_m) > 10.0


# ------------------------------------------------------------------------------- one by one


def test_forgers_really_drive_there_and_their_jolt_lies_at_the_target(town):
    """Each stranger comes on several days; where its fixes pass the target there is a jolt.

    The truth of the trip has no crossing within a second of it.
    """
    c = campaign(town, "summon-forgery")
    target = c.attack.target
    uploads = list(c.uploads)
    assert len(uploads) == 3 * VISITS
    for device in c.attack.attackers:
        mine = [u for u in uploads if u.about.device == device.name]
        assert len({int(day_of(u)) for u in mine}) == VISITS
        for u in mine:
            assert passes_target(u, c)
            if device.phone.rate_hz < 40:
                continue
            at = when_at(u.trip.fixes, target.lat_deg, target.lon_deg)
            after = (u.trip.t_s >= at) & (u.trip.t_s < at + 0.15)
            assert np.ptp(up_ms2(u.trip)[after]) > 0.8 * FORGED_MS2


def test_moved_tracks_bring_a_real_jolt_to_the_target(town):
    """The strongest true crossing lies at the target by the fixes, and far from it in truth."""
    c = campaign(town, "summon-moved")
    target = c.attack.target
    uploads = list(c.uploads)
    assert len(uploads) > 4
    for u in uploads:
        worst = max(u.trip.crossings, key=lambda x: x.peak_ms2)
        assert worst.felt
        there = place_at(u.trip, worst.t_s)
        assert apart_m(*there, target.lat_deg, target.lon_deg) < 1.0
    far = [
        apart_m(w.lat_deg, w.lon_deg, target.lat_deg, target.lon_deg)
        for w in (max(u.trip.crossings, key=lambda x: x.peak_ms2) for u in uploads)
    ]
    assert np.median(far) > 50.0


def test_suppressors_drive_over_the_hole_and_report_a_good_road(town):
    """Every trip met the true hole; around it the samples are quieter than the jolt that was.

    Other things that were felt on the way are still there.
    """
    c = campaign(town, "suppress", attackers=4)
    before, after = SMOOTHED_S
    kept = []
    for u in c.uploads:
        mine = [x for x in u.trip.crossings if x.defect_id == c.attack.target.defect_id]
        assert mine
        up, t = np.abs(up_ms2(u.trip)), u.trip.t_s
        for x in mine:
            inside = (t > x.t_s - before) & (t < x.t_s + after)
            if x.felt:
                assert np.percentile(up[inside], 90) < 0.5 * x.peak_ms2 + 0.5
        for x in u.trip.crossings:
            clear = all(abs(x.t_s - m.t_s) > 3.0 for m in mine)
            if clear and x.felt and u.trip.t_s.size > 40 * t[-1]:
                kept.append(up[(t > x.t_s - 0.1) & (t < x.t_s + 1.0)].max() / x.peak_ms2)
    assert len(kept) > 5
    assert np.median(kept) > 0.4


def test_on_off_attackers_are_honest_in_between(town):
    """Two honest trips follow each strike, one past the target and one elsewhere."""
    c = campaign(town, "on-off", attackers=2)
    uploads = list(c.uploads)
    assert len(uploads) == 2 * VISITS * 3
    strikes, past, elsewhere = uploads[::3], uploads[1::3], uploads[2::3]
    assert all(passes_target(u, c) for u in strikes + past)
    assert len({u.about.start_utc_s for u in uploads}) == len(uploads)

    def swing(us):
        found = []
        for u in us:
            t = when_at(u.trip.fixes, c.attack.target.lat_deg, c.attack.target.lon_deg)
            near = (u.trip.t_s >= t) & (u.trip.t_s < t + 0.3)
            found.append(np.ptp(up_ms2(u.trip)[near]))
        return np.median(found)

    assert swing(strikes) > 2 * swing(past)
    assert len(elsewhere) == len(strikes)


def test_farmers_are_honest_for_weeks_before_they_strike(town):
    """All honest drives lie before the first strike, spread over the calendar."""
    c = campaign(town, "farm-then-strike", attackers=1)
    uploads = list(c.uploads)
    assert len(uploads) == FARM_VISITS + VISITS
    days = [day_of(u) for u in uploads]
    assert days == sorted(days)
    assert days[FARM_VISITS - 1] - days[0] > 0.5 * town.days
    assert all(passes_target(u, c) for u in uploads[FARM_VISITS:])


def test_a_replay_farm_has_one_drive_under_many_names(town):
    """All uploads hold the same samples up to noise; names and days differ."""
    c = campaign(town, "replay", attackers=4)
    uploads = list(c.uploads)
    assert len({u.about.device for u in uploads}) == 4
    assert len({u.about.start_utc_s for u in uploads}) == len(uploads) == 4 * VISITS
    first = uploads[0].trip
    assert any(x.defect_id == c.attack.target.defect_id for x in first.crossings)
    for u in uploads[1:]:
        off = u.trip.acc_ms2 - first.acc_ms2
        assert 0.9 * NOISE_MS2 < off.std() < 1.1 * NOISE_MS2
        assert np.array_equal(u.trip.t_s, first.t_s)


def test_a_cart_carries_all_phones_over_the_same_bumps(town):
    """On each day every phone meets the same things at the same instants, in one place.

    Places agree within GPS error, and so do the jolts of phones that are fast and firmly held.
    """
    c = campaign(town, "cart", attackers=8)
    uploads = list(c.uploads)
    assert len(uploads) == 8 * VISITS
    target = c.attack.target.defect_id
    for visit in range(VISITS):
        one_drive = uploads[8 * visit : 8 * visit + 8]
        assert len({u.about.device for u in one_drive}) == 8
        assert len({u.about.start_utc_s for u in one_drive}) == 1
        seen = {tuple((x.defect_id, x.t_s) for x in u.trip.crossings) for u in one_drive}
        assert len(seen) == 1
        assert target in {name for name, _ in seen.pop()}
        times = np.arange(30.0, one_drive[0].trip.t_s[-1] - 20.0, 5.0)
        tracks = np.array([[place_at(u.trip, t) for t in times] for u in one_drive])
        middle = np.median(tracks, axis=0)
        off = distance_m(*tracks.reshape(-1, 2).T, *np.tile(middle, (8, 1)).T)
        assert np.median(off) < 20.0


def test_stolen_names_are_those_of_honest_phones(town):
    """Forged trips call themselves phones of the fleet, each thief another one."""
    uploads = list(campaign(town, "stolen-names", attackers=3).uploads)
    names = {u.about.device for u in uploads}
    assert names <= {d.name for d in town.fleet}
    assert len(names) == 3


def test_a_poisoned_list_excuses_true_potholes(town):
    """One row per attacker lies on a true pothole under an obstacle's kind; nothing is uploaded."""
    c = campaign(town, "poisoned-list", attackers=5)
    assert list(c.uploads) == []
    holes = [d for d in town.scene.defects if d.kind == "pothole"]
    assert len(c.inventory_rows) == 5
    for row in c.inventory_rows:
        nearest = min(apart_m(row.lat_deg, row.lon_deg, *town.scene.place_of(d)) for d in holes)
        assert nearest < 0.01
        assert row.kind in {"hump", "casting", "rail_crossing", "bridge_joint", "marker"}
    first = c.inventory_rows[0]
    by_name = {d.defect_id: d for d in holes}
    place = town.scene.place_of(by_name[c.attack.target.defect_id])
    assert (first.lat_deg, first.lon_deg) == place
    assert not {r.source_id for r in c.inventory_rows} & {r.source_id for r in town.inventory}


def test_clock_dodgers_spread_one_day_over_many(town):
    """One phone's strikes are stamped a day apart each, at one place."""
    c = campaign(town, "clock", attackers=1)
    uploads = list(c.uploads)
    assert {u.about.device for u in uploads} == {c.attack.attackers[0].name}
    assert np.diff([day_of(u) for u in uploads]) == pytest.approx(1.0, abs=1e-6)
    assert all(passes_target(u, c) for u in uploads)


def test_a_flood_is_many_trips_of_one_day_around_one_place(town):
    """Ten trips of each phone within a day, all past the target."""
    c = campaign(town, "flood", attackers=2)
    uploads = list(c.uploads)
    assert len(uploads) == 2 * FLOOD_VISITS
    days = [day_of(u) for u in uploads]
    assert max(days) - min(days) < 1.0
    assert all(passes_target(u, c) for u in uploads)
