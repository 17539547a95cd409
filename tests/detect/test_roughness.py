"""How rough a stretch is: what the index means, what moves it and what must not; PPE beside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.spatial.transform import Rotation

from streetbump.detect.listen import listen
from streetbump.detect.roughness import (
    PPE_ORDER,
    REFERENCE_SPEED_MS,
    Levels,
    levels,
    overall,
    ppe,
    roughness,
)
from streetbump.detect.signal import Signal
from streetbump.model import ACC_LSB_MS2, STANDARD_GRAVITY_MS2
from streetbump.simulate.drive import Driver
from streetbump.simulate.gps import EXACT
from streetbump.simulate.phone import Phone
from streetbump.simulate.roads import Edge, Network, way_along
from streetbump.simulate.surface import ISO_GD
from streetbump.simulate.trip import Scene, simulate_trip
from streetbump.simulate.vehicle import CARS

NOWHERE_MS = np.nan
KILOMETRE = {"seconds": 100.0, "speed_ms": 10.0}


def shaking(t_s: np.ndarray, *, seed: int = 4) -> np.ndarray:
    """Unit noise of 1.5 to 8 Hz at any moments: what a car's body and wheels do."""
    rng = np.random.default_rng(seed)
    hz, phase = rng.uniform(1.5, 8.0, 400), rng.uniform(0, 2 * np.pi, 400)
    total = np.zeros(len(t_s))
    for f, p in zip(hz, phase, strict=True):
        total += np.sin(2 * np.pi * f * t_s + p)
    return total / np.sqrt(200)


def index_of(signal: Signal, speed_ms: float = NOWHERE_MS) -> float:
    speed = np.full(len(signal.t_ns), speed_ms)
    return overall(levels(signal, heard=signal.usable, speed_ms=speed))


@pytest.fixture(scope="session")
def shaken(made):
    """A trip shaken by noise of some size, m/s²; `moving` says where, by second."""

    def make(size_ms2=0.5, moving=lambda t_s: t_s >= 0, seed=4, **how):
        trip = made(noise_ms2=0.0, **how)
        t_s = (trip.t_ns - trip.origin_ns) * 1e-9
        up = np.where(moving(t_s), size_ms2 * shaking(t_s, seed=seed), 0.0)
        acc = trip.acc.copy()
        acc[:, 2] += np.rint(up / ACC_LSB_MS2).astype(np.int32)
        return replace(trip, acc=acc)

    return make


# ------------------------------------------------------------------------------- the index


@pytest.mark.parametrize("rate_hz", [25.0, 50.0, 100.0, 200.0])
@pytest.mark.parametrize("size_ms2", [0.2, 0.4, 1.6])
def test_the_index_is_the_size_of_the_shaking_at_any_rate(shaken, shipped, rate_hz, size_ms2):
    """Steady noise of a car's band has its own root mean square as index."""
    heard = listen(shaken(size_ms2, rate_hz=rate_hz), settings=shipped)
    assert index_of(heard.signal) == pytest.approx(size_ms2, rel=0.06)


@pytest.mark.parametrize("rate_hz", [5.0, 10.0, 16.7])
def test_a_slow_phone_reads_nearly_the_same(series, rate_hz):
    """Where a block holds one to five samples the index stays within a tenth."""
    t_s = np.arange(0, 400, 1 / rate_hz)
    assert index_of(series(shaking(t_s), rate_hz)) == pytest.approx(1.0, rel=0.1)


def test_twice_the_shaking_is_twice_the_index(shaken, found):
    """Index and standard error grow with the shaking, in every pass."""
    once, twice = (found(shaken(size, **KILOMETRE)).passes for size in (0.4, 0.8))
    for name in ("roughness_ms2", "roughness_err_ms2"):
        assert twice[name].to_numpy() == pytest.approx(2 * once[name].to_numpy(), abs=3e-3)


def test_every_full_bin_has_an_index(shaken, found):
    """A steady street has about one index all along, and errors that say so."""
    passes = found(shaken(0.5, **KILOMETRE)).passes
    inner = passes.iloc[1:-1]
    assert inner["roughness_ms2"].notna().all()
    expected = 0.5 * np.sqrt(REFERENCE_SPEED_MS / 10.0)
    assert inner["roughness_ms2"].mean() == pytest.approx(expected, rel=0.08)
    z = (inner["roughness_ms2"] - expected) / inner["roughness_err_ms2"]
    assert z.abs().max() < 4


def test_a_pothole_moves_its_bin_little(shaken, found):
    """A hit sixteen times as strong as the shaking adds less than a third, one bin in ten."""
    quiet = shaken(0.5, **KILOMETRE)
    at_s = (20.3, 50.1, 80.7)
    smooth, holed = found(quiet).passes, found(shaken(0.5, pulses=at_s, **KILOMETRE)).passes
    more = holed["roughness_ms2"].to_numpy() / smooth["roughness_ms2"].to_numpy() - 1
    assert np.nanmax(more) < 0.33
    assert (np.abs(more) > 0.02).mean() < 0.15


def test_speed_is_corrected_for(series):
    """Shaking that grows with the square root of speed has one index at every speed."""
    z = shaking(np.arange(0, 200, 0.02))
    at_reference = index_of(series(z), REFERENCE_SPEED_MS)
    assert at_reference == pytest.approx(index_of(series(z)), rel=1e-9)  # unknown: as it is
    for speed_ms in (4.0, 8.0, 25.0):
        faster = np.sqrt(speed_ms / REFERENCE_SPEED_MS)
        assert index_of(series(faster * z), speed_ms) == pytest.approx(at_reference, rel=1e-9)


@pytest.mark.parametrize("turn_deg", [(90, 0, 0), (35, -20, 120), (180, 0, 45)])
def test_how_the_phone_lies_does_not_matter(shaken, found, turn_deg):
    """A phone on its side reads what one on its back does."""
    trip = shaken(0.5, **KILOMETRE)
    turned = Rotation.from_euler("xyz", turn_deg, degrees=True).apply(trip.acc)
    other = found(replace(trip, acc=np.rint(turned).astype(np.int32))).passes
    flat = found(trip).passes["roughness_ms2"].to_numpy()
    assert other["roughness_ms2"].to_numpy() == pytest.approx(flat, abs=2e-3, nan_ok=True)


def test_a_red_light_does_not_smooth_the_street(shaken, found, shipped):
    """The still seconds of a car that waits in a bin say nothing about the bin."""
    drive = {"seconds": 120.0, "speed_ms": 10.0, "still_s": (50.0, 70.0)}
    late_s = shipped.lag_prior_s  # what the fixes are taken to be
    begin, end = 50 - late_s, 70 - late_s
    waited = found(shaken(0.5, moving=lambda t: (t < begin) | (t > end), **drive)).passes
    assert waited["roughness_ms2"].min() > 0.3


def test_a_trip_that_cannot_tell_gives_no_number(shaken, found, made):
    """Nothing heard, one fix or none, two samples, a phone under 4 Hz: no pass or no index."""
    trip = shaken(0.5, **KILOMETRE)
    names = ("fix_t_ns", "lat_e7", "lon_e7", "speed_mms", "heading_cdeg", "accuracy_mm")
    for count in (0, 1):
        short = replace(trip, **{n: getattr(trip, n)[:count] for n in names})
        assert len(found(short).passes) == 0
    assert len(found(replace(trip, t_ns=trip.t_ns[:1], acc=trip.acc[:1])).passes) == 0
    slow = found(made(rate_hz=2.0, **KILOMETRE)).passes
    assert len(slow) > 0
    assert slow["roughness_ms2"].isna().all()


def test_a_stretch_of_too_few_blocks_is_unknown_and_leaves_others_alone():
    """Stretches with two blocks or more have an index; one with one or none has NaN."""
    found = Levels(np.arange(6), np.array([1.0, 3.0, 2.0, 5.0, 7.0, 9.0]))
    begin, end = np.array([0, 3, 3, 9, 3]), np.array([3, 3, 4, 12, 5])
    value, error = roughness(found, begin, end)
    assert value == pytest.approx([2, np.nan, np.nan, np.nan, 6], nan_ok=True, abs=1e-12)
    assert np.isnan(error).tolist() == [False, True, True, True, False]
    alone = roughness(found, begin[:1], end[:1])
    assert (value[0], error[0]) == (alone[0][0], alone[1][0])
    assert np.isnan(overall(Levels(np.empty(0, np.int64), np.empty(0))))


def car_like(n: int, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
    """Noise through a body at 1.3 Hz and wheels at 11 Hz, of unit size."""
    total = np.zeros(n)
    for hz, damping, share in ((1.3, 0.3, 1.0), (11.0, 0.15, 0.6)):
        pole = np.exp(2 * np.pi * hz * (-damping + 1j * np.sqrt(1 - damping**2)) / rate_hz)
        part = lfilter([1.0], [1.0, -2 * pole.real, abs(pole) ** 2], rng.standard_normal(n))
        total += share * part / part.std()
    return total / total.std()


@pytest.mark.parametrize("speed_ms", [7.0, 11.0, 18.0])
def test_the_standard_error_is_honest(series, speed_ms):
    """About 68 % of a steady street's bins lie within one standard error of the street."""
    z = car_like(200_000, 50.0, np.random.default_rng(8))
    signal = series(z)
    found = levels(signal, heard=signal.usable, speed_ms=np.full(len(z), speed_ms))
    step_ns = round(22.2 / speed_ms * 1e9)
    begin = np.arange(signal.t_ns[0], signal.t_ns[-1] - step_ns, step_ns)
    value, error = roughness(found, begin, begin + step_ns)
    assert len(value) > 1000
    assert 0.58 < np.mean(np.abs(value - overall(found)) < error) < 0.80


def test_the_error_shrinks_with_the_length_of_the_stretch(series):
    """Four times as many blocks know twice as much."""
    signal = series(car_like(200_000, 50.0, np.random.default_rng(9)))
    found = levels(signal, heard=signal.usable, speed_ms=np.full(200_000, np.nan))
    short, long = (
        roughness(found, signal.t_ns[:1], signal.t_ns[:1] + round(s * 1e9))[1][0]
        for s in (500.0, 2000.0)
    )
    assert short / long == pytest.approx(2.0, rel=0.1)


# ------------------------------------------------------------------------------- simulated cars


@pytest.fixture(scope="session")
def driven(made, shipped):
    """Index of a drive along a simulated street."""

    def drive(gd_m3, *, car, speed_ms):
        edge = Edge(0, 1, np.zeros(2), np.array([0.0, 900.0]), cruise_ms=speed_ms,
                    gd_m3=(gd_m3, gd_m3))  # fmt: skip
        scene = Scene(Network(12.0, -150.0, (edge,)), (), seed=1)
        sim = simulate_trip(
            scene, way_along(scene.network, [(0, "out")], start_m=10.0, end_m=890.0),
            car=CARS[car], driver=Driver(sway_m=0.0), phone=Phone(50.0, jitter=0.0),
            receiver=EXACT, rng=np.random.default_rng(2),
        )  # fmt: skip
        trip = replace(
            made(seconds=1.0),
            t_ns=np.rint(sim.t_s * 1e9).astype(np.int64),
            acc=np.rint(sim.acc_ms2 / ACC_LSB_MS2).astype(np.int32),
        )
        signal = listen(trip, settings=shipped).signal
        steady = signal.usable & (signal.t_ns > 15e9) & (signal.t_ns < signal.t_ns[-1] - 15e9)
        return overall(levels(signal, heard=steady, speed_ms=np.full(len(steady), speed_ms)))

    return drive


@pytest.mark.parametrize("car", sorted(CARS))
def test_rougher_roads_rank_higher_whatever_the_speed(driven, car):
    """A class C road at walking pace is still rougher than a class A road at 60 km/h."""
    good = [driven(ISO_GD["A"], car=car, speed_ms=v) for v in (7.0, 17.0)]
    poor = [driven(ISO_GD["C"], car=car, speed_ms=v) for v in (4.0, 12.0)]
    assert min(poor) > 1.5 * max(good)


# ------------------------------------------------------------------------------- PPE


def slow_ppe(x: np.ndarray) -> float:
    """One window of one axis by the book: Levinson's recursion, sample by sample."""
    x = (x - x.mean()) * np.hamming(len(x))
    r = [sum(x[i] * x[i + k] for i in range(len(x) - k)) for k in range(PPE_ORDER + 1)]
    a, left = [1.0], r[0]
    for m in range(1, PPE_ORDER + 1):
        k = -sum(a[j] * r[m - j] for j in range(m)) / left
        longer = [*a, 0.0]
        a = [longer[j] + k * longer[m - j] for j in range(m + 1)]
        left *= 1 - k * k
    missed = [sum(a[j] * x[n - j] for j in range(PPE_ORDER + 1)) for n in range(50, 100)]
    return float(np.mean(np.square(missed)))


def three_axes(axes: np.ndarray, usable: np.ndarray | None = None) -> Signal:
    n = len(axes)
    usable = np.ones(n, np.bool_) if usable is None else usable
    return Signal(np.arange(n) * 10_000_000, axes[:, 2], axes, usable, 100.0)


def test_ppe_is_what_the_recursion_gives():
    """All windows at once give what a direct recursion gives one by one."""
    rng = np.random.default_rng(3)
    axes = np.cumsum(rng.normal(0, 1, (1000, 3)), axis=0) + np.array([0.0, 3.0, 9.81])
    expected = [np.mean([slow_ppe(axes[s : s + 150, k]) for k in range(3)])
                for s in range(0, 851, 100)]  # fmt: skip
    assert ppe(three_axes(axes)) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_ppe_of_a_predictable_process_is_its_innovation():
    """An autoregressive process has its innovations' variance, but for the taper and the fit."""
    rng = np.random.default_rng(5)
    fresh = rng.normal(0, 0.7, (60_000, 3))
    axes = lfilter([1.0], [1.0, -1.2, 0.6], fresh, axis=0)
    taper = np.mean(np.hamming(150)[50:100] ** 2)
    got = ppe(three_axes(axes)).mean()
    assert got == pytest.approx(0.49 * taper, rel=0.15)  # six coefficients fit 150 samples well
    assert got < 0.4 * axes.var()


def test_ppe_hears_only_what_is_usable():
    """What is not usable is in no mean; silence is 0; fewer samples than a window give none."""
    rng = np.random.default_rng(6)
    axes = rng.normal(0, 1, (450, 3))
    usable = np.ones(450, np.bool_)
    usable[150:200] = False  # the centre of the second window
    assert ppe(three_axes(axes, usable)) == pytest.approx(ppe(three_axes(axes))[[0, 2, 3]])
    still = np.tile([0.0, 0.0, STANDARD_GRAVITY_MS2], (150, 1))
    assert ppe(three_axes(still)) == pytest.approx([0.0], abs=1e-12)
    assert len(ppe(three_axes(axes[:149]))) == 0
