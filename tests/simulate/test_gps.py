"""Claims about what a simulated receiver says."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np
import pytest

from streetbump.geo import MEAN_RADIUS_M
from streetbump.simulate.gps import (
    ACCURACY_FLOOR_M,
    ERROR_68,
    EXACT,
    REST_MS,
    Fixes,
    Receiver,
    gauss_markov,
    random_receiver,
    receive,
    track,
)

LAT, LON = 42.36, -71.06
HZ = 10.0


def metres(fixes: Fixes) -> np.ndarray:
    """East and north of the start, (m, 2), m."""
    north = np.radians(fixes.lat_deg - LAT) * MEAN_RADIUS_M
    east = np.radians(fixes.lon_deg - LON) * MEAN_RADIUS_M * np.cos(np.radians(LAT))
    return np.column_stack((east, north))


def driven(receiver, *, speed=None, heading=None, sky=0.0, length_s=600.0, seed=0) -> Fixes:
    """Fixes of a drive with the given speed and heading over time (10 m/s north by default)."""
    t = np.arange(0.0, length_s, 1 / HZ)
    speed = np.full(t.size, 10.0) if speed is None else speed(t)
    heading = np.zeros(t.size) if heading is None else heading(t)
    sky = np.full(t.size, sky) if np.isscalar(sky) else sky(t)
    way = np.radians(heading)
    step = speed / HZ
    north = np.cumsum(step * np.cos(way)) - step[0] * np.cos(way[0])
    east = np.cumsum(step * np.sin(way)) - step[0] * np.sin(way[0])
    lat = LAT + np.degrees(north / MEAN_RADIUS_M)
    lon = LON + np.degrees(east / (MEAN_RADIUS_M * np.cos(np.radians(LAT))))
    rng = np.random.default_rng(seed)
    return receive(t, lat, lon, speed, heading, sky, receiver=receiver, rng=rng)


def standing(t):
    return np.zeros(t.size)


def stops(t):
    """10 m/s, at rest between 200 and 300 s."""
    return np.where((t >= 200) & (t < 300), 0.0, 10.0)


def test_an_exact_receiver_is_exact():
    """With every error switched off a fix is the place, speed and course of its own time."""
    fixes = driven(EXACT)
    assert metres(fixes)[:, 1] == pytest.approx(10 * fixes.t_s, abs=1e-4)
    assert metres(fixes)[:, 0] == pytest.approx(0.0, abs=1e-4)
    assert fixes.speed_ms == pytest.approx(10.0, abs=1e-9)
    assert np.diff(fixes.t_s) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("lag_s", [0.3, 1.0, 1.5])
@pytest.mark.parametrize("smooth_s", [0.0, 0.6])
def test_the_lag_displaces_fixes_by_speed_times_lag(lag_s, smooth_s):
    """A fix lies v · lag behind the car, whatever the tracking filter, from the first fix on."""
    fixes = driven(replace(EXACT, lag_s=lag_s, smooth_s=smooth_s))
    assert metres(fixes)[:, 1] == pytest.approx(10 * (fixes.t_s - lag_s), abs=1e-4)


def test_fixes_run_wide_in_a_turn():
    """In a steady turn the fixes lie outside the circle by the filter's gain at its frequency.

    That is √(1 + 4x²) / (1 + x²) with x = smooth_s · speed / radius: about acceleration ·
    smooth_s² more than the radius.
    """
    t = np.arange(0.0, 120.0, 0.02)
    radius, speed, tau = 40.0, 10.0, 0.8
    way = speed * t / radius
    circle = radius * np.column_stack((np.cos(way), np.sin(way)))
    out = np.hypot(*track(circle, rate_hz=50.0, smooth_s=tau)[-3000:].T)
    x = tau * speed / radius
    assert out == pytest.approx(radius * np.sqrt(1 + 4 * x**2) / (1 + x**2), abs=1e-3)
    assert out - radius == pytest.approx(speed**2 / radius * tau**2, abs=0.2)


def test_a_right_angle_is_overshot_and_then_found_again():
    """After a right-angled turn the fixes first go on ahead, and meet the new street in seconds."""
    fixes = driven(
        replace(EXACT, smooth_s=0.6, interval_s=0.2), heading=lambda t: np.where(t < 60, 0.0, 90.0)
    )
    north = metres(fixes)[:, 1]
    assert 1.0 < north.max() - north[-1] < 4.0
    settled = fixes.t_s > 66.0
    assert north[settled] == pytest.approx(north[-1], abs=0.05)
    assert fixes.heading_deg[settled] == pytest.approx(90.0, abs=0.1)


def test_speed_follows_a_stop_with_the_filter_s_time_constant():
    """A sudden stop decays by e in `smooth_s` in the stated speed."""
    sharp = driven(
        replace(EXACT, smooth_s=1.0, interval_s=0.1), speed=lambda t: np.where(t < 60, 10.0, 0.0)
    )
    at = np.interp(61.0, sharp.t_s, sharp.speed_ms)
    assert at == pytest.approx(10.0 / np.e, abs=0.3)


@pytest.mark.parametrize("tau_s", [30.0, 60.0])
def test_the_wandering_error_is_forgotten_over_tau(tau_s):
    """The autocorrelation of a Gauss-Markov error is exp(-lag / tau), its sd is sigma."""
    e = gauss_markov(400_000, sigma=3.0, step_s=1.0, tau_s=tau_s, rng=np.random.default_rng(3))
    assert e.std(axis=0) == pytest.approx(3.0, abs=0.15)
    for lag in (10, 30, 60):
        like = np.mean(e[lag:] * e[:-lag]) / np.mean(e**2)
        assert like == pytest.approx(np.exp(-lag / tau_s), abs=0.05)


def test_the_error_of_a_trip_is_bias_and_wander():
    """Over many trips the error per axis has the sd √(bias² + sigma²)."""
    receiver = replace(EXACT, bias_m=3.0, sigma_m=4.0)
    off = [metres(driven(receiver, speed=standing, length_s=120.0, seed=s))[-1] for s in range(400)]
    assert np.std(off, axis=0) == pytest.approx(5.0, abs=0.5)


def test_a_canyon_is_worse_than_an_open_street():
    """Between open and canyon the variance is blended by the sky."""
    receiver = replace(EXACT, sigma_m=3.0, canyon_sigma_m=12.0)
    for sky, sigma in ((0.0, 3.0), (0.5, np.sqrt((9 + 144) / 2)), (1.0, 12.0)):
        fixes = driven(receiver, speed=standing, sky=sky, length_s=40_000.0)
        assert metres(fixes).std() == pytest.approx(sigma, rel=0.1, abs=0)


def test_the_start_is_worse_than_what_follows():
    """The first fix of a trip errs three times as far as later ones."""
    receiver = replace(EXACT, sigma_m=3.0)
    off = [
        metres(driven(receiver, speed=standing, length_s=200.0, seed=s))[[0, -1]]
        for s in range(300)
    ]
    first, later = np.std(off, axis=(0, 2))
    assert first / later == pytest.approx(3.0, abs=0.4)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_the_claimed_accuracy_is_off_by_its_scale(scale):
    """The claim is the 68 % radius times the receiver's scale, and never below the floor."""
    receiver = replace(EXACT, bias_m=4.0, sigma_m=3.0, accuracy_scale=scale)
    fixes = driven(receiver, length_s=3600.0)
    claim = np.median(fixes.accuracy_m[600:])
    assert claim == pytest.approx(5.0 * ERROR_68 * scale, rel=0.02, abs=0)
    assert driven(EXACT).accuracy_m == pytest.approx(ACCURACY_FLOOR_M, abs=1e-9)


def test_at_scale_one_two_of_three_fixes_lie_within_their_claim():
    """At scale 1, 68 % of all fixes lie within what they claim."""
    receiver = replace(EXACT, bias_m=4.0, sigma_m=3.0)
    inside = []
    for seed in range(300):
        fixes = driven(receiver, speed=standing, length_s=60.0, seed=seed)
        inside.append(np.hypot(*metres(fixes).T)[-1] < fixes.accuracy_m[-1])
    assert np.mean(inside) == pytest.approx(0.68, abs=0.08)


def test_the_share_of_gross_outliers_is_as_set():
    """The share of fixes that are off by 20 m and more is `outlier_share`; some say so."""
    fixes = driven(replace(EXACT, outlier_share=0.02), length_s=40_000.0)
    off = np.hypot(metres(fixes)[:, 0], metres(fixes)[:, 1] - 10 * fixes.t_s)
    wild = off > 19.9
    assert wild.mean() == pytest.approx(0.02, abs=0.004)
    assert off[~wild] == pytest.approx(0.0, abs=0.05)
    assert np.mean(fixes.accuracy_m[wild] > 15.0) == pytest.approx(0.5, abs=0.1)


def test_a_tunnel_has_no_fixes_and_its_end_is_waited_for():
    """No fix falls into a tunnel, and the first one after it comes some seconds late."""

    def sky(t):
        return np.where((t >= 100) & (t < 160), 2.0, 0.0)

    waits = []
    for seed in range(60):
        t = driven(EXACT, sky=sky, length_s=300.0, seed=seed).t_s
        assert not ((t >= 100) & (t < 160)).any()
        assert ((t < 100) & (t > 98)).any()
        waits.append(t[t >= 160][0] - 160)
    assert np.mean(waits) == pytest.approx(3.5, abs=1.2)  # 3 s, and half an interval


def test_dropouts_come_as_often_as_set_and_more_in_canyons():
    """Dropouts come at their rate, last 2 s and more, and five times as often in a canyon."""
    for sky, factor, hours in ((0.0, 1, 100), (1.0, 5, 20)):
        fixes = driven(replace(EXACT, dropout_per_hour=4.0), sky=sky, length_s=3600.0 * hours)
        gaps = np.diff(fixes.t_s)
        assert (gaps > 1.5).sum() == pytest.approx(4 * factor * hours, rel=0.2, abs=0)
        assert gaps[gaps > 1.5].min() >= 2.0
        assert gaps[gaps > 1.5].mean() == pytest.approx(11.0, abs=1.6)


def test_the_first_fix_waits():
    """No fix comes before the time to the first fix is over."""
    fixes = driven(replace(EXACT, start_delay_s=25.0))
    assert 25.0 <= fixes.t_s[0] <= 26.0


def test_gaps_spread_with_the_jitter_and_time_never_falls():
    """Intervals have the mean `interval_s`, the sd √2 · jitter, and time strictly rises."""
    gaps = np.diff(driven(replace(EXACT, jitter_s=0.1), length_s=20_000.0).t_s)
    assert gaps.mean() == pytest.approx(1.0, abs=0.01)
    assert gaps.std() == pytest.approx(0.14, abs=0.03)
    fast = driven(replace(EXACT, jitter_s=0.3, interval_s=0.1))
    assert (np.diff(fast.t_s) > 0).all()


def test_the_share_of_missed_fixes_is_as_set():
    """`missed_share` of the fixes never come."""
    fixes = driven(replace(EXACT, missed_share=0.1), length_s=10_000.0)
    assert fixes.t_s.size == pytest.approx(9000, abs=150)


def test_speed_and_course_err_as_set():
    """Speed errs by `speed_ms`; the course by `heading_deg` at 10 m/s, twice that at 5 m/s."""
    receiver = replace(EXACT, speed_ms=0.2, heading_deg=2.0)
    for v, sd in ((10.0, 2.0), (5.0, 4.0)):
        fixes = driven(receiver, speed=lambda t, v=v: np.full(t.size, v), length_s=4000.0)
        assert np.std(fixes.speed_ms - v) == pytest.approx(0.2, abs=0.01)
        sway = (fixes.heading_deg + 180) % 360 - 180
        assert np.std(sway) == pytest.approx(sd, rel=0.05, abs=0)
        assert ((fixes.heading_deg >= 0) & (fixes.heading_deg < 360)).all()


@pytest.mark.parametrize("at_rest", ["unknown", "frozen"])
def test_the_course_at_rest_is_unknown_or_frozen(at_rest):
    """While the car stands its course is NaN, or stays exactly as it last was."""
    fixes = driven(replace(EXACT, heading_deg=2.0, at_rest=at_rest), speed=stops)
    rest = fixes.speed_ms < REST_MS
    moving = fixes.heading_deg[~rest]
    assert rest.sum() == pytest.approx(100, abs=2)
    assert np.isfinite(moving).all()
    if at_rest == "unknown":
        assert np.isnan(fixes.heading_deg[rest]).all()
    else:
        before = fixes.heading_deg[np.flatnonzero(rest)[0] - 1]
        assert (fixes.heading_deg[rest] == before).all()


@pytest.mark.parametrize("holds", [False, True])
def test_a_standing_car_drifts_unless_it_is_held(holds):
    """At rest the place drifts with the error; a receiver that holds pins it."""
    fixes = driven(replace(EXACT, sigma_m=3.0, holds=holds), speed=stops)
    rest = metres(fixes)[fixes.speed_ms < REST_MS]
    assert (np.ptp(rest[1:], axis=0) > 1.0).all() != holds
    if holds:
        assert np.ptp(rest, axis=0) == pytest.approx(0.0, abs=1e-6)


def test_a_logger_that_repeats_writes_a_row_every_second():
    """With fixes every 5 s the rows between repeat the last fix, and only their time moves on."""
    fixes = driven(replace(EXACT, interval_s=5.0, repeats=True))
    assert np.diff(fixes.t_s) == pytest.approx(1.0, abs=1e-9)
    changes = np.flatnonzero(np.diff(fixes.lat_deg))
    assert (np.diff(changes) == 5).all()


def test_nothing_is_repeated_when_fixes_come_every_second():
    """At 1 Hz with jitter a repeating logger adds nothing."""
    once = driven(replace(EXACT, jitter_s=0.05))
    again = driven(replace(EXACT, jitter_s=0.05, repeats=True))
    assert abs(again.t_s.size - once.t_s.size) <= 1


def test_the_first_fixes_know_no_speed():
    """The first fixes have neither speed nor course, the others both."""
    fixes = driven(replace(EXACT, first_unknown=3))
    assert np.isnan(fixes.speed_ms[:3]).all()
    assert np.isnan(fixes.heading_deg[:3]).all()
    assert np.isfinite(fixes.speed_ms[3:]).all()


def test_the_date_line_is_crossed_without_a_jump():
    """A drive across 180° goes on in −180° and stays on its line."""
    t = np.arange(0.0, 60.0, 0.1)
    lon = 179.999 + np.degrees(10 * t / MEAN_RADIUS_M)
    lon = np.where(lon >= 180, lon - 360, lon)
    fixes = receive(
        t, 0 * t, lon, 0 * t + 10, 0 * t + 90, 0 * t,
        receiver=replace(EXACT, smooth_s=0.6), rng=np.random.default_rng(0),
    )  # fmt: skip
    assert (np.abs(fixes.lon_deg) <= 180).all()
    assert (fixes.lon_deg % 360 - 179.999) == pytest.approx(
        np.degrees(10 * fixes.t_s / MEAN_RADIUS_M), abs=1e-9
    )


def test_the_same_generator_gives_the_same_bytes():
    """The same generator state gives the same receiver and fixes, another one others."""

    def dump(seed):
        receiver = random_receiver(np.random.default_rng(seed))
        return b"".join(c.tobytes() for c in astuple(driven(receiver, seed=seed)))

    assert dump(5) == dump(5)
    assert dump(5) != dump(6)


def test_no_drive_gives_no_fixes():
    """A drive without states gives empty columns."""
    none = np.zeros(0)
    fixes = receive(*[none] * 6, receiver=Receiver(repeats=True), rng=np.random.default_rng(0))
    assert [c.shape for c in astuple(fixes)] == [(0,)] * 6


@pytest.mark.parametrize("length_s", [0.1, 0.5], ids=str)
def test_a_drive_too_short_for_a_fix_gives_none(length_s):
    """One state, or a drive before the first fix give empty columns."""
    fixes = driven(replace(EXACT, start_delay_s=2.0, repeats=True), length_s=length_s)
    assert [c.shape for c in astuple(fixes)] == [(0,)] * 6


def test_every_receiver_of_the_population_is_usable():
    """Receivers stay within their sources' ranges, and their fixes are finite and in order."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        receiver = random_receiver(rng)
        assert 0.1 <= receiver.interval_s <= 10.0
        assert 0.3 <= receiver.lag_s <= 1.5
        assert 8.0 <= receiver.canyon_sigma_m <= 15.0
        assert 0.01 <= receiver.outlier_share <= 0.03
        assert 0.5 <= receiver.accuracy_scale <= 2.0
        fixes = driven(receiver, sky=lambda t: 0.5 + 0.5 * np.sin(t / 30), speed=stops, seed=seed)
        assert fixes.t_s.size > 20
        assert (np.diff(fixes.t_s) > 0).all()
        assert np.isfinite(fixes.lat_deg).all()
        assert np.isfinite(fixes.accuracy_m).all()


def test_gaps_between_fixes_spread_as_in_the_field():
    """Among the population's 1 Hz receivers the median gap sd is near the field's 0.28 s."""
    spread = []
    for seed in range(150):
        receiver = replace(random_receiver(np.random.default_rng(seed)), repeats=False)
        if receiver.interval_s == 1.0:
            spread.append(np.std(np.diff(driven(receiver, seed=seed).t_s)))
    assert np.median(spread) == pytest.approx(0.28, abs=0.15)


def test_the_default_receiver_is_a_usual_one():
    """The default receiver errs by some metres across the street."""
    east = [metres(driven(Receiver(), length_s=60.0, seed=s))[-1, 0] for s in range(200)]
    assert 2.0 < np.median(np.abs(east)) < 5.0
