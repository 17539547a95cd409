"""Claims about the class probabilities of single jolts."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streetbump.detect.classify import (
    BANDS_HZ,
    FEATURES,
    PEAK_AT,
    WINDOW_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    class_probabilities,
    cut_windows,
    features,
    load_model,
)
from streetbump.model import CLASSES

ROOT = Path(__file__).parents[2]


def some_windows(n: int = 40, seed: int = 4) -> np.ndarray:
    """Decaying swings of random strength, frequency and direction in noise, peak in the middle."""
    rng = np.random.default_rng(seed)
    t = (np.arange(WINDOW_SAMPLES) - PEAK_AT) / WINDOW_HZ
    hz, tau, size = rng.uniform(1, 20, (n, 1)), rng.uniform(0.02, 0.4, (n, 1)), rng.uniform(1, 8, n)
    swing = np.cos(2 * np.pi * hz * t) * np.exp(-np.abs(t) / tau)
    sign = rng.choice([-1, 1], n)
    return (sign * size)[:, None] * swing + 0.2 * rng.standard_normal((n, WINDOW_SAMPLES))


def test_rows_are_probabilities():
    """Every row holds eight numbers from 0 to 1 that sum to 1, in the order of CLASSES."""
    model = load_model()
    p = class_probabilities(some_windows(), rate_hz=50.0, model=model)
    assert p.shape == (40, len(CLASSES))
    assert model.classes == tuple(c.value for c in CLASSES)
    assert (p >= 0).all()
    assert p.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-12)


def test_no_jolts_give_no_rows():
    """Zero windows give zero rows of the same width."""
    nothing = np.empty((0, WINDOW_SAMPLES))
    assert features(nothing).shape == (0, len(FEATURES))
    assert class_probabilities(nothing, rate_hz=50.0, model=load_model()).shape == (0, 8)


@pytest.mark.parametrize(
    "window",
    [
        pytest.param(np.zeros(WINDOW_SAMPLES), id="silence"),
        pytest.param(np.full(WINDOW_SAMPLES, np.nan), id="all NaN"),
        pytest.param(np.where(np.arange(WINDOW_SAMPLES) % 3, 1.0, np.nan), id="some NaN"),
        pytest.param(np.full(WINDOW_SAMPLES, np.inf), id="infinite"),
        pytest.param(np.full(WINDOW_SAMPLES, 1e6), id="huge"),
        pytest.param(np.eye(1, WINDOW_SAMPLES, PEAK_AT)[0] * 5.0, id="one sample"),
    ],
)
def test_odd_windows_never_give_nan(window):
    """Whatever a window holds, features and probabilities are numbers."""
    assert np.isfinite(features(window[None, :])).all()
    p = class_probabilities(window[None, :], rate_hz=50.0, model=load_model())
    assert p.sum() == pytest.approx(1.0, abs=1e-9)


def test_a_jolt_does_not_depend_on_its_neighbours():
    """A window has the same verdict alone and among others."""
    windows, model = some_windows(), load_model()
    together = class_probabilities(windows, rate_hz=50.0, model=model)
    alone = [class_probabilities(w[None, :], rate_hz=50.0, model=model)[0] for w in windows]
    assert together == pytest.approx(np.array(alone), abs=1e-12)


def test_windows_are_not_written_to():
    """The caller's windows stay as they are, NaN included."""
    windows = some_windows()
    windows[0, 3] = np.nan
    before = windows.copy()
    class_probabilities(windows, rate_hz=50.0, model=load_model())
    assert np.array_equal(windows, before, equal_nan=True)


def test_the_slower_the_phone_the_flatter_the_verdict():
    """Below 25 Hz the largest probability shrinks with the rate; above it stays."""
    windows, model = some_windows(), load_model()
    rates = (100.0, 25.0, 20.0, 15.0, 10.0, 5.0, 4.0)
    sure = [class_probabilities(windows, rate_hz=r, model=model).max(axis=1).mean() for r in rates]
    assert sure[0] == sure[1]
    assert all(slow <= fast for fast, slow in pairwise(sure))
    assert sure[-1] < sure[1] - 0.1


def test_the_model_is_the_one_on_its_card():
    """The card names the digest of the numbers that ship."""
    model = load_model()
    assert f"`{model.digest}`" in (ROOT / model.card).read_text("utf-8")


def test_the_model_has_a_number_for_every_input():
    """One centre and scale per feature, two weights (plain and square) per feature and class."""
    model = load_model()
    assert model.features == FEATURES
    assert len(model.centre) == len(model.scale) == len(FEATURES)
    assert min(model.scale) > 0
    assert [len(row) for row in model.weights] == [2 * len(FEATURES)] * 8
    assert len(model.bias) == len(model.prior) == 8
    assert model.temperature > 0


@pytest.mark.parametrize("rate_hz", [10.0, 25.0, 50.0, 100.0])
def test_a_window_is_cut_around_its_peak_at_any_rate(rate_hz):
    """The peak stands at index 30, and a second stays a second."""
    t = np.arange(0, 10, 1 / rate_hz)
    series = np.exp(-(((t - 5.0) / 0.2) ** 2))
    (window,) = cut_windows(series, np.array([series.argmax()]), rate_hz=rate_hz)
    offset_s = (np.arange(WINDOW_SAMPLES) - PEAK_AT) / WINDOW_HZ
    assert round(WINDOW_S * WINDOW_HZ) == WINDOW_SAMPLES == len(window)
    assert window[PEAK_AT] == pytest.approx(1.0, abs=1e-9)
    # 10 Hz: straight lines between samples 0.1 s apart miss up to 0.1²/8 · 2/0.2² = 0.06.
    assert window == pytest.approx(np.exp(-((offset_s / 0.2) ** 2)), abs=0.07)


def test_an_empty_series_gives_silent_windows():
    """No samples: as many windows as were asked for, all zero."""
    none = np.empty(0)
    assert cut_windows(none, np.empty(0, np.int64), rate_hz=50.0).shape == (0, WINDOW_SAMPLES)
    assert not cut_windows(none, np.array([0]), rate_hz=50.0).any()


def test_a_short_series_is_mirrored_at_its_ends():
    """What lies beyond the ends is mirrored: no run of equal values tells how long it was."""
    series = np.random.default_rng(1).standard_normal(20)
    (window,) = cut_windows(series, np.array([4]), rate_hz=50.0)
    assert window[PEAK_AT : PEAK_AT + 16] == pytest.approx(series[4:], abs=1e-12)
    assert window[PEAK_AT - 4 : PEAK_AT] == pytest.approx(series[:4], abs=1e-12)
    assert window[PEAK_AT - 8 : PEAK_AT - 4] == pytest.approx(series[4:0:-1], abs=1e-12)
    assert np.abs(np.diff(window)).min() > 0


@pytest.mark.parametrize(
    ("hz", "band"), [(1.7, 0), (5.0, 1), (11.0, 2), (20.0, 3)], ids=lambda v: str(v)
)
def test_bands_hold_their_frequencies(hz, band):
    """A steady swing puts nearly all of its energy into its own band, and its centroid there."""
    t = np.arange(WINDOW_SAMPLES) / WINDOW_HZ
    row = dict(zip(FEATURES, features(np.sin(2 * np.pi * hz * t)[None, :])[0], strict=True))
    shares = [row[name] for name in FEATURES if name.startswith("band_")]
    assert len(shares) == len(BANDS_HZ)
    assert int(np.argmax(shares)) == band
    assert np.exp(max(shares)) > 0.85
    assert row["centroid_hz"] == pytest.approx(hz, abs=0.3)


def test_turning_a_jolt_over_changes_only_its_direction():
    """A hole and a bump of one shape differ in direction, not in size or frequency."""
    windows = some_windows()
    up, down = features(windows), features(-windows)
    directed = {"first_swing", "largest_swing", "up_share", "skewness"}
    for k, name in enumerate(FEATURES):
        if name in directed:
            assert np.abs(up[:, k] - down[:, k]).max() > 0.01
        else:
            assert up[:, k] == pytest.approx(down[:, k], abs=1e-9)


def test_a_second_axle_is_an_echo():
    """Two alike jolts 0.3 s apart give an echo at 0.3 s; one jolt gives none."""
    t = (np.arange(WINDOW_SAMPLES) - PEAK_AT) / WINDOW_HZ
    once = np.exp(-((t / 0.03) ** 2)) - 0.7 * np.exp(-(((t - 0.06) / 0.03) ** 2))
    twice = once + 0.9 * np.roll(once, 15)
    one, two = (dict(zip(FEATURES, f, strict=True)) for f in features(np.stack((once, twice))))
    assert two["echo_lag_s"] == pytest.approx(0.3, abs=0.021)
    assert two["echo"] > one["echo"] + 0.3
