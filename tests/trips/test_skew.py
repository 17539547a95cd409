"""Clocks of fixes and samples that disagree: found where they do, and nowhere else."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from streetbump.model import Reason
from streetbump.simulate.town import drive_outing, named_town, plan_outings
from streetbump.simulate.trip import SimulatedTrip
from streetbump.trips import parse_column_map
from streetbump.trips.drive import Drive, Fixes, with_positions
from streetbump.trips.options import ReadOptions
from streetbump.trips.skew import Skew, correction_s, skew_of
from streetbump.trips.sniff import drives_in
from tests.conftest import shared_data

from .cases import _lively
from .kit import refusal_of, trip_in
from .test_mapped import SHIPPED

TOWN = named_town("small", seed=1)
OUTINGS = plan_outings(TOWN, trips=12, seed=5, minutes=5.0)


@pytest.fixture(scope="module")
def simulated() -> list[SimulatedTrip]:
    """Clean drives of five minutes."""
    return [drive_outing(TOWN, outing, seed=5) for outing in OUTINGS]


def skew(trip: SimulatedTrip, late_s: float = 0.0) -> Skew:
    """What is found when the fixes are stamped that much later still."""
    f = trip.fixes
    stamps_us = np.rint((f.t_s + late_s) * 1e6).astype(np.int64)
    fixes = Fixes(stamps_us, f.lat_deg, f.lon_deg, f.speed_ms, f.heading_deg, f.accuracy_m)
    return skew_of(np.rint(trip.t_s * 1e6).astype(np.int64), trip.acc_ms2, fixes)


def test_clean_drives_are_left_alone(simulated: list[SimulatedTrip]) -> None:
    """A receiver's ordinary lateness is no skew."""
    assert [correction_s(skew(trip)) for trip in simulated] == [0.0] * len(simulated)
    assert not any(skew(trip).drifts for trip in simulated)


@pytest.mark.parametrize("late_s", [-45.0, -5.0, 6.0, 30.0])
def test_an_offset_is_found_to_a_second_and_a_half(
    simulated: list[SimulatedTrip], late_s: float
) -> None:
    """Most drives show an offset of seconds, and none shows another one."""
    found = np.array([correction_s(skew(trip, late_s)) for trip in simulated])
    assert np.count_nonzero(found) >= 10
    assert found[found != 0] == pytest.approx(late_s, abs=1.5)


@pytest.mark.parametrize("times", [2, 5])
def test_a_faster_phone_shows_the_same_offset(simulated: list[SimulatedTrip], times: int) -> None:
    """Samples that come thicker change no offset."""
    for trip in simulated[:4]:
        n = len(trip.t_s)
        often = np.arange((n - 1) * times + 1) / times
        t_s = np.interp(often, np.arange(n), trip.t_s)
        axes = [np.interp(often, np.arange(n), axis) for axis in trip.acc_ms2.T]
        faster = replace(trip, t_s=t_s, acc_ms2=np.array(axes).T)
        found, wanted = skew(faster, 30.0).late_s, skew(trip, 30.0).late_s
        assert found is not None
        assert wanted is not None
        assert found == pytest.approx(wanted, abs=0.5)


def test_the_fixes_of_a_trip_are_moved() -> None:
    """Fixes that are 20 s late lie where those of the same drive on one clock do, within 1 s."""
    late, right = (trip_in(_lively(np.random.default_rng(4), s).csv()) for s in (20.0, 0.85))
    assert any("set to one clock" in w for w in late.warnings)
    assert right.warnings == ()
    assert late.t_ns[0] == right.t_ns[0]
    inner = late.fix_t_ns[30:-30]
    then = np.interp(inner, right.fix_t_ns, right.lat_e7)
    off_m = np.abs(late.lat_e7[30:-30] - then) * 1e-7 * 111_195
    assert np.median(off_m) < 1.0 * right.speed_mms.max() / 1000


def test_clocks_that_drift_apart_are_refused() -> None:
    """Two halves that disagree by ten seconds cannot be set to one clock."""
    first, second = (_lively(np.random.default_rng(k), late) for k, late in ((1, 0.8), (2, 14.0)))
    second.t += first.t[-1] + 0.1 - second.t[0]
    second.lat += first.lat[-1] - second.lat[0]
    rows = [*first.rows(), *second.rows()]
    text = "t,ax,ay,az,lat,lon,speed,heading,accuracy\n" + "\n".join(map(",".join, rows))
    assert refusal_of(text).reason is Reason.CLOCK_SKEW


def test_a_drive_that_says_nothing_is_left_alone() -> None:
    """Constant speed, and shaking that has nothing to do with it, give no offset."""
    sheet = _lively(np.random.default_rng(3), 20.0)
    sheet.acc = np.random.default_rng(5).normal((0, 0, 9.81), 1, sheet.acc.shape)
    assert trip_in(sheet.csv()).warnings == ()


@pytest.mark.alone
def test_it_costs_little(simulated: list[SimulatedTrip]) -> None:
    """A drive of half an hour at 100 Hz takes a few milliseconds of the processor."""
    n, m = 180_000, 1800
    t_us = np.arange(n, dtype=np.int64) * 10_000
    rng = np.random.default_rng(1)
    lat = 42 + np.cumsum(10 + np.cumsum(rng.normal(0, 0.3, m))) / 111_195
    nothing = np.full(m, np.nan)
    fixes = Fixes(np.arange(m, dtype=np.int64) * 10**6, lat, lat * 0, nothing, nothing, nothing)
    acc = rng.normal((0, 0, 9.81), 1, (n, 3))
    took = []
    for _ in range(5):
        start = time.process_time()
        skew_of(t_us, acc, fixes)
        took.append(time.process_time() - start)
    assert min(took) < 0.02


def _recorded() -> list[Drive]:
    columns = parse_column_map((SHIPPED / "phone-5hz-g-ios.toml").read_text("utf-8"), where="map")
    routes = sorted(shared_data("pittsburgh_routes_2017", "routes").glob("*_sensors.csv"))
    runs = sorted(shared_data("saopaulo_physics_toolbox", "runs").glob("*.csv"))
    folder = shared_data("auckland_androsensor")
    acc, gps = (
        drives_in(next(folder.glob(f"{kind}.*.csv")).read_bytes(), name="", options=ReadOptions())
        for kind in ("accel", "gps")
    )
    zone = ReadOptions(tz="America/Sao_Paulo")
    return [
        *(
            drives_in(p.read_bytes(), name="", options=ReadOptions(columns=columns))[0]
            for p in routes
        ),
        *(drives_in(p.read_bytes(), name=p.name, options=zone)[0] for p in runs),
        with_positions(acc[0], gps[0]),
    ]


def test_real_recordings_are_left_alone_and_would_be_set_right() -> None:
    """No recording of three apps is touched; made 12 s late, most of them are set right."""
    drives = _recorded()
    found, late = [], []
    for d in drives:
        found.append(correction_s(skew_of(d.t_us, d.acc_ms2, d.fixes)))
        moved = replace(d.fixes, t_us=d.fixes.t_us + 12_000_000)
        late.append(correction_s(skew_of(d.t_us, d.acc_ms2, moved)))
    assert found == [0.0] * len(drives)
    touched = np.array(late)[np.array(late) != 0]
    assert len(touched) >= 10
    assert touched == pytest.approx(12.0, abs=1.5)
