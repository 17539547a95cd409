"""Which bins a trip drove through: the denominator of every rate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from streetbump.detect.passes import weight_of
from streetbump.geo import bin_centre, bin_of, distance_m, from_local_m
from streetbump.model import PASSES

KILOMETRE = {"seconds": 100.0, "speed_ms": 10.0}


@pytest.fixture(scope="session")
def passes(found, made):
    """The passes of a made-up trip."""
    return lambda **kw: found(made(**kw)).passes


@pytest.mark.parametrize("heading_deg", [0.0, 90.0, 180.0, 270.0])
@pytest.mark.parametrize("start", [(12.0, -150.0), (0.0, 0.0), (-54.8, 180.0), (69.6, 18.9)])
def test_a_kilometre_is_some_45_bins_once_each(passes, heading_deg, start):
    """A straight kilometre goes through 44 to 50 bins, each of them once."""
    table = passes(heading_deg=heading_deg, start=start, **KILOMETRE)
    assert 44 <= len(table) <= 50
    assert table["bin"].is_unique
    assert table["seq"].tolist() == list(range(len(table)))
    assert table["t_utc_ns"].is_monotonic_increasing
    turn = (table["heading_deg"] - heading_deg + 180) % 360 - 180
    assert turn.abs().max() < 1.0
    assert table["speed_ms"].to_numpy() == pytest.approx(np.full(len(table), 10.0), abs=0.2)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(heading=st.floats(0, 359), lat=st.floats(-80, 80), lon=st.floats(-180, 180))
def test_every_bin_on_the_way_is_passed_once(passes, heading, lat, lon):
    """In any direction and place each bin is passed once, and each pass is where the car was."""
    table = passes(heading_deg=heading, start=(lat, lon), **KILOMETRE)
    assert table["bin"].is_unique
    assert 40 <= len(table) <= 70  # a diagonal cuts corners
    centre = bin_centre(table["bin"].to_numpy())
    gap = distance_m(centre[0][:-1], centre[1][:-1], centre[0][1:], centre[1][1:])
    assert gap.max() < 50  # neighbours, or across a corner


@pytest.mark.parametrize("heading_deg", [0.0, 90.0, 200.0])
def test_a_line_to_the_right_is_told(passes, heading_deg):
    """A drive 3 m further right lies 3 m further right of the middle of each bin they share."""
    psi = np.radians(heading_deg)
    lat, lon = from_local_m(
        np.array([3 * np.cos(psi)]), np.array([-3 * np.sin(psi)]), lat0_deg=12.0001, lon0_deg=-150.0
    )
    one = passes(heading_deg=heading_deg, start=(12.0001, -150.0), **KILOMETRE)
    other = passes(heading_deg=heading_deg, start=(lat[0], lon[0]), **KILOMETRE)
    both = one.merge(other, on="bin")
    assert len(both) > 20
    assert (both["aside_m_y"] - both["aside_m_x"]).to_numpy() == pytest.approx(3.0, abs=0.2)
    assert one["aside_m"].abs().max() < 16.0


def test_a_parked_car_passes_nothing(passes):
    """A car that stands for ten minutes, its fixes in place, drives through no bin."""
    assert len(passes(seconds=600.0, speed_ms=0.0)) == 0


def test_wandering_fixes_are_no_drive(made, found):
    """Fixes that wander about a parked car by a metre are no passes."""
    trip = made(seconds=600.0, speed_ms=0.0)
    wander = np.random.default_rng(3).normal(0, 0.5 * 90, (2, len(trip.lat_e7))).astype(np.int32)
    parked = replace(trip, lat_e7=trip.lat_e7 + wander[0], lon_e7=trip.lon_e7 + wander[1])
    assert len(found(parked).passes) == 0


def test_a_long_stop_makes_two_visits(passes):
    """Who stands a minute in a bin passes it twice; who stops at a light passes it once."""
    once = passes(seconds=160.0, still_s=(50.0, 60.0))
    twice = passes(seconds=160.0, still_s=(50.0, 110.0))
    assert once["bin"].is_unique
    counts = twice["bin"].value_counts()
    assert counts.max() == 2
    assert (counts == 2).sum() == 1


def test_a_return_is_another_pass(made, found):
    """Who drives a street up and down passes each of its bins in both directions."""
    trip = made(seconds=100.0)
    there_and_back = np.concatenate((np.arange(51), np.arange(49, -1, -1)))
    trip = replace(trip, lat_e7=trip.lat_e7[there_and_back], lon_e7=trip.lon_e7[there_and_back])
    table = found(trip).passes
    by_bin = table.groupby("bin")["heading_deg"].agg(["count", "max", "min"])
    inner = by_bin[by_bin["count"] == 2]
    assert len(inner) >= len(by_bin) - 2
    assert ((inner["max"] - inner["min"]).round() == 180).mean() > 0.9


def test_only_what_was_felt_is_a_pass(made, found):
    """Where the accelerometer was silent the car may have hit anything: no pass."""
    trip = made(**KILOMETRE)
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    full = found(trip).passes
    for heard, share in ((t_s <= 50, 0.5), ((t_s < 30) | (t_s > 60), 0.7), (t_s < 0, 0.0)):
        part = found(replace(trip, t_ns=trip.t_ns[heard], acc=trip.acc[heard])).passes
        assert set(part["bin"]) <= set(full["bin"])
        assert len(part) == pytest.approx(share * len(full), abs=2)
        assert not part["bin"].duplicated().any()


def test_a_phone_in_the_hand_feels_no_street(made, found):
    """Bins driven while the phone is being turned are no passes."""
    trip = made(**KILOMETRE)
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    angle = np.radians(60 * np.clip(t_s - 40, 0, 20))  # round and round for 20 s
    turned = Rotation.from_rotvec(np.outer(angle, [1.0, 0.0, 0.0])).apply(trip.acc)
    held = found(replace(trip, acc=np.rint(turned).astype(np.int32))).passes
    gone = set(found(trip).passes["bin"]) - set(held["bin"])
    assert len(gone) == pytest.approx(200 / 22, abs=4)


def test_a_tunnel_is_not_passed(made, found):
    """Bins between fixes that are too far apart in time are not counted."""
    trip = made(**KILOMETRE)
    keep = (np.arange(101) < 30) | (np.arange(101) > 60)
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    tunnel = replace(trip, **{name: getattr(trip, name)[keep] for name in names})
    gone = set(found(trip).passes["bin"]) - set(found(tunnel).passes["bin"])
    assert len(gone) == pytest.approx(320 / 22.3, abs=2)


@pytest.mark.parametrize("fix_hz", [0.2, 0.5, 2.0, 5.0, 10.0])
def test_the_rate_of_fixes_does_not_matter(passes, fix_hz):
    """A receiver of any rate passes the bins that one fix a second gives."""
    usual, other = passes(**KILOMETRE), passes(fix_hz=fix_hz, **KILOMETRE)
    assert other["bin"].tolist() == usual["bin"].tolist()


def test_jolts_lie_in_bins_that_were_passed(made, found):
    """Where a jolt is, the trip drove through."""
    got = found(made((20.0, 30.2, 41.4), heading_deg=37.0))
    bins = bin_of(got.bumps["lat_deg"].to_numpy(), got.bumps["lon_deg"].to_numpy())
    assert len(bins) == 3
    assert set(bins) <= set(got.passes["bin"])


@pytest.mark.parametrize(
    ("rate_hz", "accuracy_m", "weight"),
    [
        (50.0, 5.0, 1.0),
        (20.0, 10.0, 1.0),
        (10.0, 5.0, 0.5),
        (50.0, 20.0, 0.5),
        (10.0, 20.0, 0.25),
        (3.9, 5.0, 0.0),
    ],
)
def test_slow_phones_and_coarse_fixes_count_less(shipped, rate_hz, accuracy_m, weight):
    """The weight falls with rate below 20 Hz and with accuracy beyond 10 m."""
    got = weight_of(rate_hz, np.array([accuracy_m]), settings=shipped)
    assert got == pytest.approx([weight], abs=1e-12)


def test_passes_of_nothing_have_the_schema(passes, made, found):
    """A trip without a way gives an empty table of the declared columns."""
    PASSES.check(passes(seconds=5.0, speed_ms=0.0))
    pd.testing.assert_frame_equal(passes(seconds=5.0, speed_ms=0.0), PASSES.empty())
