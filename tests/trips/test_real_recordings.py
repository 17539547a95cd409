"""Real recordings of three apps, found through STREETBUMP_DATA."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.config import shipped_settings
from streetbump.geo import distance_m
from streetbump.model import Gravity, Reason, TimeBasis, Trip
from streetbump.trips import parse_column_map
from streetbump.trips.door import admit
from tests.conftest import shared_data

from .kit import KEY, refusal_of, trip_in
from .test_mapped import SHIPPED


def _sound(trip: Trip) -> None:
    """What holds for every trip."""
    assert (np.diff(trip.t_ns) > 0).all()
    assert (np.diff(trip.fix_t_ns) > 0).all()
    assert trip.acc.dtype == np.int32
    assert abs(np.median(np.linalg.norm(trip.acc * 1e-4, axis=1)) - 9.81) < 0.8
    same = (np.diff(trip.lat_e7) == 0) & (np.diff(trip.lon_e7) == 0)
    assert not same.any()


@pytest.mark.parametrize(
    ("run", "samples", "fixes"),
    [
        ("2018-10-0716.22.42", 6442, 669),  # one step back of 0.07 s
        ("2018-10-0723.21.29", 3985, 465),
        ("2018-10-1220.33.57", 3964, 0),  # never gets a fix
        ("2018-10-1620.34.44", 1922, 236),
        ("2018-10-2118.27.49", 7218, 791),  # two rows back by 0.28 s
        ("2018-10-2917.17.12", 8218, 777),
        ("2018-11-1609.27.39", 3806, 327),
        ("2018-11-1610.38.46", 3418, 336),  # 335 moves, and a fix on the first row
    ],
)
def test_clock_runs_with_decimal_commas(run: str, samples: int, fixes: int) -> None:
    """Every run reads whole, at 6.3 Hz, in local time of the date in its name."""
    path = shared_data("saopaulo_physics_toolbox", "runs", f"{run}.csv")
    trip = trip_in(path.read_bytes(), path.name, tz="America/Sao_Paulo")
    _sound(trip)
    assert (len(trip.t_ns), len(trip.fix_t_ns)) == (samples, fixes)
    assert trip.time_basis is TimeBasis.DATE_GIVEN
    assert trip.rate_hz == pytest.approx(6.3, abs=0.1)
    day = np.datetime64(trip.origin_ns, "ns") - np.timedelta64(3, "h")
    assert str(day)[:10] == run[:10] or run.startswith("2018-11")  # summer time in November
    assert any("file's name" in w for w in trip.warnings)


def test_a_run_in_bunches_is_spread() -> None:
    """63 rows a second in bunches become 52 samples a second, none far from its stamp."""
    path = shared_data("saopaulo_physics_toolbox", "runs", "2018-11-1615.51.22.csv")
    trip = trip_in(path.read_bytes(), path.name)
    _sound(trip)
    steps_s = np.diff(trip.t_ns) / 1e9
    assert len(trip.fix_t_ns) == 95
    assert np.median(steps_s) == pytest.approx(0.019, abs=0.002)
    assert np.quantile(steps_s, 0.05) > 0.002
    assert steps_s.max() == pytest.approx(24.4, abs=0.3)
    assert any("bunches" in w for w in trip.warnings)


def test_most_runs_pass_the_door() -> None:
    """Eight runs of nine have fixes; one gets none; one never leaves its end."""
    reasons = []
    for path in sorted(shared_data("saopaulo_physics_toolbox", "runs").glob("*.csv")):
        trip = trip_in(path.read_bytes(), path.name, tz="America/Sao_Paulo")
        got = admit(trip, key=KEY, settings=shipped_settings().door)
        reasons.append(None if isinstance(got, Trip) else got.reason)
    assert len(reasons) == 9
    assert reasons.count(Reason.NO_FIX) == 1
    assert reasons.count(None) >= 6


def test_a_split_androsensor_recording() -> None:
    """Samples and positions of one drive come together.

    Samples with their positions from the second file: z is up, 16.7 Hz, a fix a second,
    speeds in m/s that agree with the way between fixes.
    """
    folder = shared_data("auckland_androsensor")
    acc, gps = (next(folder.glob(f"{kind}.*.csv")).read_bytes() for kind in ("accel", "gps"))
    trip = trip_in(acc, gps=gps)
    _sound(trip)
    assert (len(trip.t_ns), trip.time_basis) == (5975, TimeBasis.RELATIVE)
    assert trip.rate_hz == pytest.approx(16.7, abs=0.1)
    assert np.median(trip.acc[:, 2]) == pytest.approx(97_500, abs=500)
    lat, lon = trip.lat_e7 * 1e-7, trip.lon_e7 * 1e-7
    way_ms = distance_m(lat[:-1], lon[:-1], lat[1:], lon[1:]) / (np.diff(trip.fix_t_ns) / 1e9)
    speed_ms = trip.speed_mms[1:] * 1e-3
    moving = speed_ms > 5
    assert np.median(way_ms[moving] / speed_ms[moving]) == pytest.approx(1.0, abs=0.05)
    assert refusal_of(gps).reason is Reason.NO_ACCEL


@pytest.mark.parametrize("route", ["r1", "r2", "r3", "r4"])
def test_iphone_drives_through_the_shipped_map(route: str) -> None:
    """5 Hz, upright: y is up in our sign; about one fix a second is left of the held ones."""
    columns = parse_column_map((SHIPPED / "phone-5hz-g-ios.toml").read_text("utf-8"), where="map")
    data = shared_data("pittsburgh_routes_2017", "routes", f"{route}_sensors.csv").read_bytes()
    trip = trip_in(data, columns=columns)
    _sound(trip)
    assert trip.rate_hz == pytest.approx(5.0, abs=0.1)
    assert (trip.gravity, trip.time_basis) == (Gravity.KEPT, TimeBasis.ABSOLUTE)
    assert np.median(trip.acc[:, 1]) > 80_000
    span_s = (trip.t_ns[-1] - trip.t_ns[0]) / 1e9
    assert 0.8 < len(trip.fix_t_ns) / span_s < 1.1
    assert trip.warnings == ()
    by_name = trip_in(data)
    assert by_name.gravity is Gravity.KEPT
    assert "speed taken as m/s, from the way between fixes" in by_name.warnings
