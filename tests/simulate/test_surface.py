"""Claims about road surfaces."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import coherence, welch

from streetbump.simulate.surface import (
    ALIKE_BELOW,
    ISO_N0,
    STEP_M,
    TAPER_M,
    WAVINESS,
    roughness,
    wheel_paths,
)

GD = 16e-6
LONG_M = 10_000.0


@pytest.fixture(scope="module")
def paths() -> np.ndarray:
    return wheel_paths(LONG_M, gd_m3=GD, rng=np.random.default_rng(6))


def density(n: np.ndarray | float) -> np.ndarray:
    return GD * (np.asarray(n) / ISO_N0) ** -WAVINESS


@pytest.mark.parametrize("low", [0.05, 0.2, 0.6])
def test_roughness_has_the_density_of_iso_8608(low):
    """The road's displacement density is ``Gd0 (n / 0.1)^-w``: at 0.1 c/m it is Gd0 itself.

    Variance between n and 4 n: ∫ Gd(n) dn = n Gd(n) (1 - 4^(1-w)) / (w - 1). With the standard's
    w = 2 that is 0.75 n Gd(n), so 0.05 · 4 Gd0 · 0.75 = 0.15 Gd0 from 0.05 to 0.2 c/m.
    """
    height = roughness(LONG_M, gd_m3=GD, rng=np.random.default_rng(5))
    n = np.fft.rfftfreq(height.size, STEP_M)
    power = 2 * np.abs(np.fft.rfft(height)) ** 2 / height.size**2
    expected = low * density(low) * (1 - 4 ** (1 - WAVINESS)) / (WAVINESS - 1)
    assert power[(n > low) & (n < 4 * low)].sum() == pytest.approx(expected, rel=0.1)


def test_waves_that_no_phone_feels_are_left_out():
    """Nothing is longer than 1 / 0.011 = 91 m or shorter than 1 / 2.83 = 0.35 m."""
    height = roughness(1000.0, gd_m3=GD, rng=np.random.default_rng(5))
    n = np.fft.rfftfreq(height.size, STEP_M)
    outside = (n < 0.0109) | (n > 2.84)
    power = np.abs(np.fft.rfft(height)) ** 2
    assert power[outside].sum() < 1e-12 * power.sum()


def test_each_wheel_path_keeps_the_density(paths):
    """What is shared and what is not add up in power: share + (1 - share) = 1."""
    for path in paths:
        n, found = welch(path, 1 / STEP_M, nperseg=2**13)
        near = (n > 0.08) & (n < 2.0)
        assert np.mean(found[near] / density(n[near])) == pytest.approx(1.0, abs=0.1)


def test_wheel_paths_share_long_waves_only(paths):
    """The coherence is share² with share = 1 / (1 + (n / 0.2)^4): 1/4 at 0.2 cycles/m."""
    n, found = coherence(*paths, 1 / STEP_M, nperseg=2**13)
    assert np.interp(0.03, n, found) > 0.9
    assert np.interp(ALIKE_BELOW, n, found) == pytest.approx(0.25, abs=0.1)
    assert found[(n > 1.0) & (n < 2.5)].mean() < 0.02


def test_rougher_streets_are_higher_in_proportion():
    """Four times the density is twice the height."""
    smooth, rough = (
        wheel_paths(200.0, gd_m3=gd, rng=np.random.default_rng(7)) for gd in (GD, 4 * GD)
    )
    assert rough == pytest.approx(2 * smooth, abs=1e-12)


def test_streets_join_evenly():
    """A profile is level at both ends and grows from there."""
    path = wheel_paths(100.0, gd_m3=1e-3, rng=np.random.default_rng(8))
    assert np.abs(path[:, [0, -1]]).max() == 0.0
    assert np.abs(np.diff(path[:, [0, 1, -2, -1]])[:, [0, 2]]).max() < 5e-6
    assert np.abs(path[:, round(TAPER_M / STEP_M) : -round(TAPER_M / STEP_M)]).max() > 0.01


def test_roughness_swells_and_ebbs(paths):
    """The worst tenth of the stretches of 10 m is at least twice as rough as the best tenth."""
    slope = np.diff(paths[0])[: 500 * 1000].reshape(-1, 500)
    low, high = np.percentile(slope.std(axis=1), [10, 90])
    assert 1.5 < high / low < 4.0
