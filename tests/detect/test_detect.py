"""One trip → its jolts: what is found, where, and what must make no difference."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from streetbump.detect.trigger import reported
from streetbump.geo import to_e7
from streetbump.model import (
    ACC_LSB_MS2,
    BUMPS,
    P_COLUMNS,
    PASSES,
    UNKNOWN,
    Gravity,
    TimeBasis,
    Trip,
)
from streetbump.trips import ReadOptions, read

ROOT = Path(__file__).parents[2]
TRIPS = ROOT / "fixtures" / "trips"
HOLES = (12.0, 21.2, 33.4, 47.8)
"""When the made-up car hits something, s: far apart, and at a sample of every phone."""


def same_jolts(a: pd.DataFrame, b: pd.DataFrame) -> None:
    """Raise unless both hold the same jolts: times within 20 ms, peaks within 2 %."""
    assert len(a) == len(b)
    apart_ns = np.abs(a["t_utc_ns"].to_numpy() - b["t_utc_ns"].to_numpy())
    assert (apart_ns <= 20_000_000).all()
    assert b["peak_ms2"].to_numpy() == pytest.approx(a["peak_ms2"].to_numpy(), rel=0.02, abs=0.01)


def stronger(bumps: pd.DataFrame, settings) -> pd.DataFrame:
    return bumps[bumps["score"] >= settings.report_score]


@pytest.mark.parametrize("noise_ms2", [0.0, 0.05, 0.5], ids=["dead", "quiet", "coarse asphalt"])
def test_silence_gives_no_jolts(made, found, noise_ms2, shipped):
    """A smooth drive has no jolt at the operating point, and is exposure nevertheless."""
    got = found(made(seconds=600, noise_ms2=noise_ms2))
    assert len(stronger(got.bumps, shipped)) == 0
    assert len(got.passes) > 200


@pytest.mark.parametrize("rate_hz", [20.0, 25.0, 50.0, 100.0, 200.0, 400.0])
def test_jolts_are_found_where_they_are(made, found, shipped, rate_hz):
    """Each decaying pulse on noise is one jolt, within 20 ms, whatever the phone's rate."""
    got = found(made(HOLES, rate_hz=rate_hz)).bumps
    assert got["t_s"].to_numpy() == pytest.approx(np.array(HOLES), abs=0.02)
    assert (got["score"] > 1.5 * shipped.report_score).all()


def test_the_peak_is_what_was_felt(made, found):
    """The peak of a jolt is that of the pulse, within 2 %."""
    got = found(made(HOLES, peak=8.0)).bumps
    assert got["peak_ms2"].to_numpy() == pytest.approx(np.full(4, 8.0), rel=0.02)


def test_faster_phones_feel_less_of_a_peak_but_not_much(made, found):
    """Averaging a fast phone down costs a sharp peak no more than 15 %."""
    got = found(made(HOLES, rate_hz=400, peak=8.0)).bumps
    assert (got["peak_ms2"] > 0.85 * 8.0).all()
    assert (got["peak_ms2"] < 8.0).all()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_turning_the_phone_changes_nothing(made, found, seed):
    """A phone mounted in any other way feels the same jolts in the same bins."""
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    before, after = found(made(HOLES)), found(made(HOLES, turn=turn))
    same_jolts(before.bumps, after.bumps)
    pd.testing.assert_frame_equal(before.passes, after.passes, rtol=0, atol=0.002)


@pytest.mark.parametrize("axes", [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)], ids=str)
def test_mirrored_axes_change_nothing(made, found, axes):
    """A logger that writes an axis the other way round gives the same jolts."""
    same_jolts(found(made(HOLES)).bumps, found(made(HOLES, turn=np.diag(axes))).bumps)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_turning_a_phone_without_gravity_changes_nothing(made, found, seed):
    """Where the logger took gravity off, the strongest vibration says what is vertical."""
    turn = Rotation.random(rng=np.random.default_rng(seed)).as_matrix()
    before = found(made(HOLES, gravity=Gravity.REMOVED))
    same_jolts(before.bumps, found(made(HOLES, gravity=Gravity.REMOVED, turn=turn)).bumps)
    assert before.bumps["t_s"].to_numpy() == pytest.approx(np.array(HOLES), abs=0.02)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(later_ns=st.integers(-(10**18), 10**18))
def test_shifting_time_shifts_the_times_and_nothing_else(made, found, later_ns):
    """The same drive at another time gives the same tables, moved by exactly that much."""
    trip = made(HOLES, rate_hz=37.0)
    moved = replace(
        trip,
        t_ns=trip.t_ns + later_ns,
        fix_t_ns=trip.fix_t_ns + later_ns,
        origin_ns=trip.origin_ns + later_ns,
    )
    before, after = found(trip), found(moved)
    for a, b in ((before.bumps, after.bumps), (before.passes, after.passes)):
        shifted = a.assign(t_utc_ns=a["t_utc_ns"] + later_ns)
        pd.testing.assert_frame_equal(shifted, b, check_exact=True)


def test_an_hour_of_silence_adds_nothing(made, found):
    """An hour parked at the end adds no jolt and no pass, and takes none away."""
    short = made(HOLES, noise_ms2=0.4)
    parked = made(HOLES, noise_ms2=0.4, seconds=3660, still_s=(60.0, 3660.0))
    n, m = len(short.t_ns), len(short.fix_t_ns)
    quiet = parked.acc.copy()
    quiet[:n], quiet[n:] = short.acc, np.median(short.acc, axis=0).astype(np.int32)
    long = replace(parked, acc=quiet)
    assert np.array_equal(long.lat_e7[:m], short.lat_e7)
    before, after = found(short), found(long)
    same_jolts(before.bumps, after.bumps)
    assert after.bumps["score"].to_numpy() == pytest.approx(before.bumps["score"], rel=1e-6, abs=0)
    assert after.passes["bin"].tolist() == before.passes["bin"].tolist()


def without(trip: Trip, from_s: float, to_s: float) -> Trip:
    """The trip without the samples of some seconds."""
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    keep = (t_s < from_s) | (t_s > to_s)
    return replace(trip, t_ns=trip.t_ns[keep], acc=trip.acc[keep])


@pytest.mark.parametrize("gap_s", [1.5, 10.0, 40.0])
@pytest.mark.parametrize("lift", [0.0, 3.0], ids=["as it was", "another offset afterwards"])
def test_a_gap_makes_no_jolt(made, found, gap_s, lift):
    """Where samples are missing nothing is felt, not even when they go on at another level."""
    trip = made((12.0, 80.0), seconds=100, noise_ms2=0.1)
    acc = trip.acc.copy()
    acc[(trip.t_ns - trip.origin_ns) > 30e9, 2] += round(lift * 1e4)
    got = found(without(replace(trip, acc=acc), 30.0, 30.0 + gap_s)).bumps
    assert got["t_s"].to_numpy() == pytest.approx(np.array([12.0, 80.0]), abs=0.02)


def test_a_hand_is_not_a_road(made, found):
    """A phone that is turned in its holder feels no jolt while it is turned."""
    trip = made((10.0, 50.0), noise_ms2=0.1)
    t_s = (trip.t_ns - trip.origin_ns) * 1e-9
    angle = np.radians(90 * np.clip((t_s - 29.5) / 1.0, 0, 1))  # within a second
    turned = Rotation.from_rotvec(np.outer(angle, [1.0, 0.0, 0.0])).apply(trip.acc)
    got = found(replace(trip, acc=np.rint(turned).astype(np.int32))).bumps
    assert got["t_s"].to_numpy() == pytest.approx(np.array([10.0, 50.0]), abs=0.02)


def test_slow_phones_are_exposure_only(made, found, shipped):
    """Below min_rate_hz a trip has passes of weight 0 and no jolts; from there on it has both."""
    slow = found(made(HOLES, rate_hz=shipped.min_rate_hz - 0.5))
    assert len(slow.bumps) == 0
    assert len(slow.passes) > 20
    assert (slow.passes["weight"] == 0).all()
    ten = found(made(HOLES, rate_hz=10.0))
    assert len(ten.bumps) > 0
    assert (ten.bumps["weight"] == 0.5).all()


def test_slow_driving_has_no_jolts(made, found, shipped):
    """At walking pace nothing is a jolt: it may be a door, a kerb or a hand."""
    assert len(found(made(HOLES, speed_ms=shipped.min_speed_ms - 0.5)).bumps) == 0
    assert len(found(made(HOLES, speed_ms=shipped.min_speed_ms + 0.5)).bumps) == len(HOLES)


def test_a_stop_has_no_jolts(made, found):
    """Jolts while the car stands are left out, those before and after stay."""
    got = found(made(HOLES, still_s=(18.0, 40.0))).bumps
    assert got["t_s"].to_numpy() == pytest.approx(np.array([12.0, 47.8]), abs=0.02)


def without_fixes(trip: Trip) -> Trip:
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    return replace(trip, **{name: getattr(trip, name)[:0] for name in names})


def test_without_fixes_jolts_have_no_place(made, found):
    """Unknown speed counts as moving: jolts are found, their places are null, no bin is passed."""
    got = found(without_fixes(made(HOLES)))
    assert got.bumps["t_s"].to_numpy() == pytest.approx(np.array(HOLES), abs=0.02)
    for name in ("lat_deg", "lon_deg", "pos_err_m", "heading_deg", "speed_ms"):
        assert got.bumps[name].isna().all()
    assert len(got.passes) == 0


def test_speed_may_come_from_the_fixes(made, found):
    """A logger that writes no speed gives the same jolts, with the speed between its fixes."""
    got = found(made(HOLES, said_speed=False)).bumps
    same_jolts(got, found(made(HOLES)).bumps)
    assert got["speed_ms"].to_numpy() == pytest.approx(np.full(4, 10.0), abs=0.05)


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("fixes", [0, 1, 2])
@pytest.mark.parametrize("gravity", list(Gravity))
def test_hardly_any_data_gives_empty_tables(made, found, samples, fixes, gravity):
    """A trip of no, one or a few samples is no error, and gives tables of the schema."""
    trip = made(seconds=10.0, gravity=gravity)
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    few = replace(
        trip, t_ns=trip.t_ns[:samples], acc=trip.acc[:samples],
        **{name: getattr(trip, name)[:fixes] for name in names},
    )  # fmt: skip
    got = found(few)
    BUMPS.check(got.bumps), PASSES.check(got.passes)
    assert len(got.bumps) == 0


def test_known_columns_are_never_nan(made, found):
    """Time, size, score, weight and the class probabilities are always numbers."""
    for trip in (made(HOLES), without_fixes(made(HOLES)), made(HOLES, rate_hz=5.0)):
        got = found(trip)
        BUMPS.check(got.bumps), PASSES.check(got.passes)
        known = ["t_s", "peak_ms2", "energy_m2s3", "duration_s", "score", "weight", *P_COLUMNS]
        assert np.isfinite(got.bumps[known].to_numpy()).all()
        assert got.bumps[list(P_COLUMNS)].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-3)
        assert got.bumps["weight"].between(0, 1).all()
        assert got.bumps["seq"].tolist() == list(range(len(got.bumps)))
        assert got.bumps["t_utc_ns"].is_monotonic_increasing
        assert not got.passes.isna().any().any()


@pytest.mark.parametrize("heading", [0.0, 60.0, 90.0, 200.0, 270.0])
def test_jolts_are_placed_along_the_drive(made, found, shipped, heading):
    """A jolt lies where the car was, fixes being late as usual, with heading, speed and error."""
    from streetbump.geo import local_m

    got = found(made(HOLES, heading_deg=heading, speed_ms=10.0)).bumps
    east, north = local_m(got["lat_deg"], got["lon_deg"], lat0_deg=12.0, lon0_deg=-150.0)
    way = 10.0 * (np.array(HOLES) + shipped.lag_prior_s)
    assert east == pytest.approx(way * np.sin(np.radians(heading)), abs=0.5)
    assert north == pytest.approx(way * np.cos(np.radians(heading)), abs=0.5)
    turn = (got["heading_deg"] - heading + 180) % 360 - 180
    assert turn.abs().max() < 0.5
    assert got["speed_ms"].tolist() == [10.0] * 4
    assert got["pos_err_m"].between(3.0, 6.0).all()


def test_a_drive_over_the_antimeridian(made, found):
    """A trip across the antimeridian gives the jolts and bins it gives elsewhere."""
    here = found(made(HOLES, heading_deg=90.0, start=(12.0, -150.003)))
    there = found(made(HOLES, heading_deg=90.0, start=(12.0, 179.997)))
    same_jolts(here.bumps, there.bumps)
    assert len(there.passes) == pytest.approx(len(here.passes), abs=1)
    east = there.bumps["lon_deg"].to_numpy() % 360 - 180
    assert east == pytest.approx(here.bumps["lon_deg"].to_numpy() + 150, abs=2e-7)
    assert there.bumps["lon_deg"].abs().max() <= 180
    assert {True, False} == set((there.bumps["lon_deg"] > 0).tolist())


@pytest.mark.parametrize(
    ("apart_s", "jolts", "shown"),
    [
        pytest.param(0.25, 1, 1, id="two axles at 10 m/s"),
        pytest.param(0.4, 1, 1, id="a rebound"),
        pytest.param(0.8, 2, 1, id="a hole eight metres on"),
        pytest.param(2.0, 2, 2, id="two holes"),
    ],
)
def test_two_axles_are_one_jolt(made, found, shipped, apart_s, jolts, shown):
    """What follows at once is the same defect; what comes metres later is another, but one blow."""
    bumps = found(made((30.0, 30.0 + apart_s))).bumps
    assert len(bumps) == jolts
    assert reported(bumps, settings=shipped).sum() == shown


def test_a_stiff_car_scores_little_more_than_a_soft_one(made, found, shipped):
    """A car that passes on twice as much of everything finds the same jolts, at most 1.6 as high.

    The score is not divided by all of the noise: people feel the size as well.
    """
    soft = found(made(HOLES, noise_ms2=0.4, peak=8.0)).bumps
    stiff = found(made(HOLES, noise_ms2=0.8, peak=16.0)).bumps
    soft, stiff = stronger(soft, shipped), stronger(stiff, shipped)
    assert len(soft) == len(HOLES)
    assert stiff["t_s"].tolist() == soft["t_s"].tolist()
    ratio = stiff["score"].to_numpy() / soft["score"].to_numpy()
    assert ((ratio > 1.0) & (ratio < 1.6)).all()


SCREE = tuple(np.arange(8.0, 232.0, 7.3))
"""Moments of jolts that fall anywhere between the samples of a phone, s."""


def in_common(a: pd.DataFrame, b: pd.DataFrame) -> float:
    """Share of the jolts of either that have one of the other within 0.2 s."""
    apart = np.abs(a["t_s"].to_numpy()[:, None] - b["t_s"].to_numpy()[None, :])
    return float(min((apart.min(1) <= 0.2).mean(), (apart.min(0) <= 0.2).mean()))


def thinned(trip: Trip, keep: np.ndarray) -> Trip:
    return replace(trip, t_ns=trip.t_ns[keep], acc=trip.acc[keep])


def test_half_of_the_samples_give_the_same_jolts(made, found, shipped):
    """Of a phone at 100 Hz every second sample is enough for 95 % of its jolts."""
    trip = made(SCREE, seconds=240, rate_hz=100.0, noise_ms2=0.3)
    half = thinned(trip, np.arange(len(trip.t_ns)) % 2 == 0)
    a, b = (stronger(found(t).bumps, shipped) for t in (trip, half))
    assert len(a) >= 30
    assert in_common(a, b) >= 0.95


@pytest.mark.parametrize("rate_hz", [20.0, 50.0, 100.0])
def test_a_hundredth_of_the_samples_may_be_missing(made, found, shipped, rate_hz):
    """Dropping 1 % of the samples here and there leaves 95 % of the jolts."""
    trip = made(SCREE, seconds=240, rate_hz=rate_hz, noise_ms2=0.3)
    keep = np.random.default_rng(5).random(len(trip.t_ns)) > 0.01
    a, b = (stronger(found(t).bumps, shipped) for t in (trip, thinned(trip, keep)))
    assert len(a) >= 30
    assert in_common(a, b) >= 0.95


RIDE_HZ = (5.0, 10.0, 50.0, 200.0)


@pytest.fixture(scope="module")
def rides() -> list[tuple[list[float], list[Trip]]]:
    """Simulated drives: when a strong jolt was felt, and what phones of each rate recorded."""
    from streetbump.simulate.town import drive_outing, named_town, plan_outings

    town = named_town("hard", seed=4242)
    drives = []
    for outing in plan_outings(town, trips=14, seed=4242, minutes=4.0):
        made = []
        for rate_hz in RIDE_HZ:
            how = {"rate_hz": rate_hz, "batch": 1, "events": ()}
            fleet = tuple(replace(d, phone=replace(d.phone, **how)) for d in town.fleet)
            made.append(drive_outing(replace(town, fleet=fleet), outing, seed=4242))
        strong = [c.t_s for c in made[0].crossings if c.felt and c.peak_ms2 >= 3 and c.speed_ms > 3]
        drives.append((strong, [as_trip(ride) for ride in made]))
    return drives


def as_trip(ride) -> Trip:
    """A simulated recording in canonical form."""
    order = np.unique(np.rint(ride.t_s * 1e9).astype(np.int64), return_index=True)
    f = ride.fixes
    fix_ns, k = np.unique(np.rint(f.t_s * 1e9).astype(np.int64), return_index=True)
    unknown = np.full(len(k), UNKNOWN, np.int32)
    return Trip(
        "00" * 32, "ab" * 32, "simulated", order[0],
        np.rint(ride.acc_ms2[order[1]] / ACC_LSB_MS2).astype(np.int32), fix_ns,
        to_e7(f.lat_deg[k]).astype(np.int32), to_e7(f.lon_deg[k]).astype(np.int32),
        np.rint(np.nan_to_num(f.speed_ms[k]) * 1e3).astype(np.int32), unknown, unknown, 0,
        Gravity.KEPT, TimeBasis.RELATIVE,
    )  # fmt: skip


def test_the_score_means_the_same_at_every_rate(rides, found):
    """The median score of strong jolts of the same drives is within 25 % from 5 to 200 Hz."""
    scores = [
        [
            bumps.loc[(bumps["t_s"] - t).abs() <= 1.2, "score"].max()
            for strong, trips in rides
            for bumps in [found(trips[k]).bumps]
            for t in strong
        ]
        for k in range(len(RIDE_HZ))
    ]
    assert len(scores[0]) >= 40
    medians = np.median(np.nan_to_num(scores), axis=1)
    assert medians.min() >= 0.75 * medians.max()


def test_a_relative_trip_keeps_its_own_clock(made, found):
    """A trip without a date gives times from its own start."""
    trip = made(HOLES)
    t0 = trip.origin_ns
    relative = replace(
        trip, t_ns=trip.t_ns - t0, fix_t_ns=trip.fix_t_ns - t0, origin_ns=0,
        time_basis=TimeBasis.RELATIVE,
    )  # fmt: skip
    got = found(relative).bumps
    assert (got["t_utc_ns"] * 1e-9).to_numpy() == pytest.approx(np.array(HOLES), abs=0.02)


def test_t_s_counts_from_before_the_trimming(made, found):
    """Seconds are told from the file's first sample, also when the trip's start was cut off."""
    trip = made(HOLES)
    cut = replace(trip, t_ns=trip.t_ns[500:], acc=trip.acc[500:])  # the first 10 s
    assert found(cut).bumps["t_s"].to_numpy() == pytest.approx(np.array(HOLES), abs=0.02)


def test_the_trip_is_not_written_to(made, found):
    """Detecting leaves the trip's arrays as they are, and may be done again."""
    trip = made(HOLES)
    arrays = {k: v.copy() for k, v in vars(trip).items() if isinstance(v, np.ndarray)}
    first = found(trip)
    pd.testing.assert_frame_equal(first.bumps, found(trip).bumps, check_exact=True)
    for name, before in arrays.items():
        assert np.array_equal(getattr(trip, name), before), name


# ------------------------------------------------------------------------------ fixtures


def fixture_names() -> list[str]:
    return sorted(pd.read_csv(TRIPS / "expected.csv")["trip"].unique())


@pytest.fixture(scope="module")
def fixture_jolts(found) -> dict[str, tuple[Trip, pd.DataFrame]]:
    """Every fixture trip and its jolts, untrimmed."""

    def one(name: str) -> tuple[Trip, pd.DataFrame]:
        (trip,) = read((TRIPS / name).read_bytes(), name=name, options=ReadOptions(), pseudonym=str)
        assert isinstance(trip, Trip)
        return trip, found(trip).bumps

    return {name: one(name) for name in fixture_names()}


def from_expected(name: str) -> pd.DataFrame:
    table = pd.read_csv(TRIPS / "expected.csv")
    return table[table["trip"] == name]


def felt(bumps: pd.DataFrame, t_s: pd.Series) -> np.ndarray:
    """Which of the moments have a jolt within 1.2 s: the rear axle at 3.5 m/s, and its swing."""
    apart = np.abs(bumps["t_s"].to_numpy()[None, :] - t_s.to_numpy()[:, None])
    return apart.min(axis=1, initial=np.inf) <= 1.2


def test_fixture_potholes_are_found(fixture_jolts, shipped):
    """On phones of 20 Hz and more 80 % of the potholes driven past are kept, some to report.

    Some were missed by the wheels, and most of these holes are small.
    """
    kept, reported = [], []
    for name, (trip, bumps) in fixture_jolts.items():
        if trip.rate_hz >= 19.5:
            rows = from_expected(name)
            holes = rows[rows["defect_id"].str.startswith("pothole")]
            kept += felt(bumps, holes["t_s"]).tolist()
            reported += felt(stronger(bumps, shipped), holes["t_s"]).tolist()
    assert len(kept) >= 30
    assert np.mean(kept) >= 0.8
    assert np.mean(reported) >= 0.4


def test_fixture_humps_are_felt(fixture_jolts, shipped):
    """Humps are jolts too: telling them apart is not the trigger's business."""
    hits = []
    for name, (_, bumps) in fixture_jolts.items():
        rows = from_expected(name)
        humps = rows[rows["defect_id"].str.startswith("hump")]
        hits += felt(stronger(bumps, shipped), humps["t_s"]).tolist()
    assert np.mean(hits) >= 0.95


@pytest.mark.parametrize("name", fixture_names())
def test_fixture_trips_have_no_false_jolts(fixture_jolts, shipped, name):
    """No more than one jolt to report per trip lies where nothing was placed."""
    _, bumps = fixture_jolts[name]
    strong = stronger(bumps, shipped)
    assert (~felt(from_expected(name), strong["t_s"])).sum() <= 1
