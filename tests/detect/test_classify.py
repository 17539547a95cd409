"""Claims about the class probabilities of single jolts."""

from __future__ import annotations

import os
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streetbump.config import shipped_settings
from streetbump.detect.classify import (
    BARE_PRIOR,
    PEAK_AT,
    WINDOW_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    class_probabilities,
    cut_windows,
    load_model,
    log_views,
    under_prior,
)
from streetbump.detect.features import BANDS_HZ, FEATURE_COUNT, GROUPS, clean, features
from streetbump.detect.kernels import (
    BANKS,
    COUNTS,
    DILATIONS,
    KERNELS,
    LEVELS,
    PER_MS2,
    draw_thresholds,
    kernel_counts,
)
from streetbump.model import CLASSES, P_COLUMNS, JoltClass
from streetbump.report.hearing import bare_trip
from streetbump.report.series import clip_of

ROOT = Path(__file__).parents[2]
DATA = os.environ.get("STREETBUMP_DATA")
GONZALEZ = Path(DATA or "") / "gonzalez_2017"
real = pytest.mark.skipif(DATA is None, reason="STREETBUMP_DATA is not set: no real recordings")
RECORDED = [
    ("potholes", "pothole"), ("asphalt_bumps", "hump"), ("metal_bumps", "marker"),
    ("worn_out_road", "rough"), ("regular_road", "smooth"),
]  # fmt: skip


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
    assert features(nothing).shape == (0, FEATURE_COUNT)
    assert kernel_counts(nothing, load_model().arrays.thresholds).shape == (0, COUNTS)
    assert class_probabilities(nothing, rate_hz=50.0, model=load_model()).shape == (0, 8)


ODD = {
    "silence": np.zeros(WINDOW_SAMPLES),
    "all NaN": np.full(WINDOW_SAMPLES, np.nan),
    "some NaN": np.where(np.arange(WINDOW_SAMPLES) % 3, 1.0, np.nan),
    "infinite": np.full(WINDOW_SAMPLES, np.inf),
    "minus infinite": np.full(WINDOW_SAMPLES, -np.inf),
    "huge": np.full(WINDOW_SAMPLES, 1e6),
    "a hundred g": np.full(WINDOW_SAMPLES, 999.0) * (-1.0) ** np.arange(WINDOW_SAMPLES),
    "one sample": np.eye(1, WINDOW_SAMPLES, PEAK_AT)[0] * 5.0,
}


@pytest.mark.parametrize("window", ODD.values(), ids=ODD)
def test_odd_windows_never_give_nan(window):
    """Whatever a window holds, features and probabilities are numbers."""
    assert np.isfinite(features(window[None, :])).all()
    p = class_probabilities(window[None, :], rate_hz=50.0, model=load_model())
    assert np.isfinite(p).all()
    assert p.sum() == pytest.approx(1.0, abs=1e-9)


def test_what_is_no_number_counts_as_silence():
    """NaN and infinities have the verdict of zeros in their place."""
    windows = some_windows(3)
    windows[:, 40:44] = 0.0
    odd = windows.copy()
    odd[:, 40:44] = np.nan, np.inf, -np.inf, np.nan
    p, q = (class_probabilities(w, rate_hz=50.0, model=load_model()) for w in (windows, odd))
    assert p == pytest.approx(q, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 63, 64, 65])
def test_a_jolt_does_not_depend_on_its_neighbours(n):
    """A window has the same verdict alone, in any batch, and in any order."""
    windows, model = np.concatenate((some_windows(170), list(ODD.values()))), load_model()
    together = class_probabilities(windows, rate_hz=50.0, model=model)
    order = np.random.default_rng(n).permutation(len(windows))
    parts = np.split(windows[order], range(n, len(windows), n))
    p = np.concatenate([class_probabilities(w, rate_hz=50.0, model=model) for w in parts])
    assert p == pytest.approx(together[order], abs=1e-9)


def test_a_prior_can_be_divided_out():
    """Under a prior rows sum to 1 still, and its inverse gives back what was."""
    p = class_probabilities(some_windows(), rate_hz=50.0, model=load_model())
    q = under_prior(p, BARE_PRIOR)
    assert q.sum(axis=1) == pytest.approx(np.ones(40), abs=1e-12)
    assert np.abs(q - p).max() > 0.01
    assert under_prior(q, 1 / np.array(BARE_PRIOR)) == pytest.approx(p, abs=1e-12)


def test_no_row_has_no_prior():
    """No jolt gives no row."""
    assert under_prior(np.empty((0, 8)), BARE_PRIOR).shape == (0, 8)


def test_windows_are_not_written_to():
    """The caller's windows stay as they are, NaN included."""
    windows = some_windows()
    windows[0, 3] = np.nan
    before = windows.copy()
    class_probabilities(windows, rate_hz=50.0, model=load_model())
    assert np.array_equal(windows, before, equal_nan=True)


def test_the_slower_the_phone_the_flatter_the_verdict():
    """Below 40 Hz the largest probability shrinks with the rate; above it stays."""
    windows, model = some_windows(), load_model()
    rates = (100.0, 40.0, 25.0, 20.0, 15.0, 10.0, 5.0, 4.0)
    sure = [class_probabilities(windows, rate_hz=r, model=model).max(axis=1).mean() for r in rates]
    assert sure[0] == sure[1]
    assert all(slow <= fast for fast, slow in pairwise(sure))
    assert sure[-1] < sure[1] - 0.1


def test_the_model_is_the_one_on_its_card():
    """The card names the digest of the numbers that ship."""
    model = load_model()
    assert f"`{model.digest}`" in (ROOT / model.card).read_text("utf-8")


def test_the_model_has_a_number_for_every_input():
    """Every view has its weights for each class, and every landmark all features."""
    has = load_model().arrays
    assert has.thresholds.shape == (BANKS, LEVELS, KERNELS)
    assert has.kernel_weights.shape == (COUNTS, 8)
    assert has.landmarks.shape == (len(has.near_weights), FEATURE_COUNT)
    assert has.centre.shape == has.scale.shape == (FEATURE_COUNT,)
    assert has.near_weights.shape[1] == len(has.near_bias) == len(has.kernel_bias) == 8
    assert has.scale.min() > 0
    assert load_model().temperature > 0
    assert has.prior == pytest.approx(np.full(8, 1 / 8), abs=1e-12)


def test_a_verdict_is_the_mean_of_both_views():
    """Each view alone gives probabilities; the verdict's likeliest class is that of their mean."""
    windows, model = some_windows(), load_model()
    views = log_views(windows, model)
    assert np.exp(views).sum(axis=2) == pytest.approx(np.ones((2, 40)), abs=2e-3)
    p = class_probabilities(windows, rate_hz=50.0, model=model)
    assert np.array_equal(p.argmax(axis=1), views.mean(axis=0).argmax(axis=1))


def test_a_peak_found_one_sample_later_is_the_same_jolt():
    """A shift of 20 ms moves the probabilities by 0.1 on average at most."""
    model, jolt = load_model(), some_windows(200)
    p = class_probabilities(jolt, rate_hz=50.0, model=model)
    for step in (-1, 1):
        q = class_probabilities(np.roll(jolt, step, axis=1), rate_hz=50.0, model=model)
        assert np.abs(p - q).mean() < 0.1


@pytest.mark.parametrize("before", [4, 12, 20])
def test_how_a_clip_was_cut_moves_no_probability_far(before):
    """The same jolt, its clip begun so many samples before the peak: each class within 0.15."""
    model = load_model()
    rng = np.random.default_rng(2)
    long = [np.concatenate((0.3 * rng.standard_normal((2, 60)), w[None]))
            for w in some_windows(60, seed=9)]  # fmt: skip
    whole, short = [], []
    for quiet_before, quiet_after, jolt in long:
        series = np.concatenate((quiet_before, jolt, quiet_after))
        peak = 60 + PEAK_AT
        whole.append(cut_windows(series, np.array([peak]), rate_hz=50.0)[0])
        cut = series[peak - before :]
        short.append(cut_windows(cut, np.array([before]), rate_hz=50.0)[0])
    p, q = (class_probabilities(np.array(w), rate_hz=50.0, model=model) for w in (whole, short))
    assert np.abs((p - q).mean(axis=0)).max() < 0.15


def test_kernels_are_what_they_are_said_to_be():
    """Counts are those of nine taps, three of them 2 and the others -1, as the paper has them."""
    windows = some_windows(5)
    thresholds = draw_thresholds(windows, rng=np.random.default_rng(0))
    counts = kernel_counts(windows, thresholds).reshape(5, BANKS, LEVELS, KERNELS)
    whole = np.rint(windows * PER_MS2)
    heavy = [(4, a, b) for a, b in combinations([0, 1, 2, 3, 5, 6, 7, 8], 2)]
    for bank, dilation in enumerate(DILATIONS):
        padded = np.pad(whole, ((0, 0), (4 * dilation, 4 * dilation)))
        taps = np.stack([padded[:, k * dilation :][:, :WINDOW_SAMPLES] for k in range(9)])
        for kernel, three in enumerate(heavy):
            answer = 3 * taps[list(three)].sum(axis=0) - taps.sum(axis=0)
            above = answer[:, None] > 3.0 * thresholds[bank, :, kernel, None]
            found = counts[:, bank, :, kernel]
            assert np.array_equal(found, above.sum(axis=2)), (dilation, three)


def test_kernels_do_not_see_a_constant():
    """Away from the ends of the window a constant gives no answer of the shortest kernels."""
    flat = np.full((1, WINDOW_SAMPLES), 3.0)
    level = np.zeros((BANKS, LEVELS, KERNELS), np.int16)
    counts = kernel_counts(flat, level).reshape(BANKS, -1)
    assert counts[0].max() <= 8  # four samples at either end, where the padding begins
    assert not counts[len(DILATIONS)].any()


def test_counts_are_counts():
    """Between 0 and 60; about half of a distribution exceeds its middle thresholds."""
    windows = some_windows(100)
    thresholds = draw_thresholds(windows, rng=np.random.default_rng(0))
    counts = kernel_counts(windows, thresholds)
    assert counts.max() <= WINDOW_SAMPLES
    by_level = counts.reshape(-1, BANKS, LEVELS, KERNELS).mean(axis=(0, 1, 3)) / WINDOW_SAMPLES
    assert by_level == pytest.approx((np.arange(LEVELS)[::-1] + 0.5) / LEVELS, abs=0.05)


def test_numbers_that_no_sensor_gives_count_as_nothing():
    """NaN, infinities and a thousand g are zeros; the rest stays."""
    odd = np.zeros((1, WINDOW_SAMPLES))
    odd[0, :4] = np.nan, np.inf, 1e6, 3.0
    assert clean(odd)[0, :5].tolist() == [0.0, 0.0, 0.0, 3.0, 0.0]


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


@pytest.mark.parametrize("value", [0.0, -3.0])
def test_a_series_of_one_sample_is_that_sample(value):
    """Mirrored at both ends, one sample fills its window."""
    (window,) = cut_windows(np.array([value]), np.array([0]), rate_hz=50.0)
    assert window == pytest.approx(np.full(WINDOW_SAMPLES, value), abs=1e-12)


def test_a_series_of_two_samples_swings_between_them():
    """Mirrored at both ends, two samples alternate, and the peak stands at index 30."""
    (window,) = cut_windows(np.array([1.0, -2.0]), np.array([1]), rate_hz=50.0)
    assert window[PEAK_AT] == pytest.approx(-2.0, abs=1e-12)
    assert window[1::2] == pytest.approx(np.full(30, 1.0), abs=1e-12)


def test_what_is_no_number_in_a_series_stays_where_it_is():
    """NaN and infinities come through a cut, and count as silence afterwards."""
    series = np.ones(100)
    series[50] = np.nan
    windows = cut_windows(series, np.array([40, 95]), rate_hz=50.0)
    assert np.isnan(windows).sum(axis=1).tolist() == [1, 0]


def test_a_short_series_is_mirrored_at_its_ends():
    """What lies beyond the ends is mirrored: no run of equal values tells how long it was."""
    series = np.random.default_rng(1).standard_normal(20)
    (window,) = cut_windows(series, np.array([4]), rate_hz=50.0)
    assert window[PEAK_AT : PEAK_AT + 16] == pytest.approx(series[4:], abs=1e-12)
    assert window[PEAK_AT - 4 : PEAK_AT] == pytest.approx(series[:4], abs=1e-12)
    assert window[PEAK_AT - 8 : PEAK_AT - 4] == pytest.approx(series[4:0:-1], abs=1e-12)
    assert np.abs(np.diff(window)).min() > 0


def columns_of(name: str, windows: np.ndarray) -> np.ndarray:
    """The columns that one group of features makes."""
    (group,) = (g for g in GROUPS if g.__name__ == name)
    return group(windows).T


@pytest.mark.parametrize(
    ("hz", "band"), [(4.2, 3), (5.9, 4), (10.5, 6), (22.0, 9)], ids=lambda v: str(v)
)
def test_bands_hold_their_frequencies(hz, band):
    """A steady swing puts most of its energy into its own band, and its mean frequency there."""
    t = np.arange(WINDOW_SAMPLES) / WINDOW_HZ
    row = columns_of("_spectrum", np.sin(2 * np.pi * hz * t)[None, :])[0]
    bands = len(BANDS_HZ) - 1
    assert int(np.argmax(row[:bands])) == band
    assert np.exp(row[bands : 2 * bands].max()) > 0.5
    assert row[2 * bands + 1] == pytest.approx(hz, abs=0.5)


@pytest.mark.parametrize("name", ["_centre", "_spectrum", "_echo"], ids=lambda name: name)
def test_turning_a_jolt_over_changes_no_size_or_frequency(name):
    """A hole and a bump of one shape differ in direction only."""
    windows = some_windows()
    up, down = columns_of(name, windows), columns_of(name, -windows)
    assert up == pytest.approx(down, abs=1e-6)


def test_turning_a_jolt_over_is_seen():
    """Skewness changes its sign."""
    up, down = (columns_of("_moments", w)[:, 0] for w in (some_windows(), -some_windows()))
    assert up == pytest.approx(-down, abs=1e-9)
    assert np.abs(up).max() > 0.5


def test_a_second_axle_is_an_echo():
    """Two alike jolts 0.3 s apart give an echo at 0.3 s; one jolt gives a weaker one."""
    t = (np.arange(WINDOW_SAMPLES) - PEAK_AT) / WINDOW_HZ
    once = np.exp(-((t / 0.03) ** 2)) - 0.7 * np.exp(-(((t - 0.06) / 0.03) ** 2))
    twice = once + 0.9 * np.roll(once, 15)
    one, two = columns_of("_echo", np.stack((once, twice)))
    largest, lag = 25, 26  # after the 25 lags themselves
    assert (two[lag] + 6) / WINDOW_HZ == pytest.approx(0.3, abs=0.021)
    assert two[largest] > one[largest] + 0.3


# ------------------------------------------------------------------------------- recordings


def unseen() -> pd.DataFrame:
    """What models that had not seen it said of each recording, as training leaves it."""
    card = ROOT / load_model().card
    return pd.read_csv(card.with_name(f"{card.stem}-unseen.csv"))


@pytest.mark.parametrize("prior", [(1.0,) * 8, BARE_PRIOR], ids=["equal", "of bare series"])
def test_the_unsure_are_those_that_are_wrong_more_often(prior):
    """Of unseen recordings 5 to 25 % are unsure, and the others are wrong less often than all."""
    table = unseen()
    p = under_prior(table[list(P_COLUMNS)].to_numpy(), prior)
    unsure = p.max(axis=1) < shipped_settings().detect.unsure_below
    wrong = np.array([c.value for c in CLASSES])[p.argmax(axis=1)] != table["class"]
    assert 0.05 <= unsure.mean() <= 0.25
    assert wrong[~unsure].mean() < wrong.mean()


def test_the_unsure_of_towns_are_those_that_are_wrong_more_often():
    """The same in simulated towns, by the card of the model that ships."""
    card = (ROOT / load_model().card).read_text("utf-8")
    (row,) = [line.split("|") for line in card.splitlines() if line.startswith("| towns | ")]
    unsure, wrong_of_the_rest, wrong = (float(cell.strip(" %")) for cell in row[2:5])
    assert 5 <= unsure <= 25
    assert wrong_of_the_rest < wrong


@real
def test_every_recording_was_scored_unseen():
    """The table of unseen verdicts holds every labelled recording once, with its class."""
    table, names = unseen(), dict(RECORDED)
    files = [f for f in sorted(GONZALEZ.glob("*/*.csv"))
             if f.parent.name in names]  # fmt: skip
    assert sorted(table["clip"]) == [f"{f.parent.name}/{f.name}" for f in files]
    assert table["class"].tolist() == [names[clip.split("/")[0]] for clip in table["clip"]]
    assert table[list(P_COLUMNS)].sum(axis=1).to_numpy() == pytest.approx(np.ones(250), abs=1e-3)


@real
def test_what_was_trained_on_is_known_better():
    """The shipped numbers are right of their own recordings more often than unseen models were."""
    table = unseen()
    windows = [
        clip_of(
            bare_trip(np.loadtxt(GONZALEZ / name, skiprows=1)[:, None],
                      rate_hz=50.0),
            trip_id=name, label=JoltClass.UNSURE, settings=shipped_settings().detect,
        ).window_ms2
        for name in table["clip"]
    ]  # fmt: skip
    names = np.array([c.value for c in CLASSES])
    p = class_probabilities(np.array(windows), rate_hz=50.0, model=load_model())
    right = (
        names[q.argmax(axis=1)] == table["class"] for q in (p, table[list(P_COLUMNS)].to_numpy())
    )
    seen, before = (r.mean() for r in right)
    assert seen > before
