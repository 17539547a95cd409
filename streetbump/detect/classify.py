"""What kind of jolt: calibrated class probabilities from 1.2 s around the peak.

A multinomial logistic regression on some thirty physical features and their squares. Its numbers
ship as plain JSON with a card (``docs/models/jolt-model-1.md``); ``scripts/train_classifier.py``
makes both. The probabilities assume that all eight classes are equally common beforehand, so that
they can be multiplied across passes and with a prior of one's own.

Windows are cut from the vertical acceleration with a moving mean of 1 s taken off, at 50 Hz, with
the largest magnitude at index 30 (:func:`cut_windows`). The length never varies, and what lies
beyond the ends of a series is mirrored, so neither tells how long a recording was.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import resources

import msgspec
import numpy as np

from streetbump.model import Floats, Ints

WINDOW_S = 1.2
"""Length of a window, s. Chosen by us: two axles at 5 m/s fit, and a longer one would show in
its padding how long a clip was."""
WINDOW_HZ = 50.0
"""Rate of a window, Hz: that of the labelled recordings it is trained on (González 2017)."""
WINDOW_SAMPLES = 60
"""Samples of a window: ``WINDOW_S * WINDOW_HZ``."""
PEAK_AT = WINDOW_SAMPLES // 2
"""Index of the peak in a window."""

SHIPPED_MODEL = "jolt-model-1.json"

BANDS_HZ = ((0.5, 3.0), (3.0, 8.0), (8.0, 15.0), (15.0, 25.1))
"""Bands whose share of the energy is a feature: body bounce and pitch, what lies between, wheel
hop, and edges. Chosen by us from the resonances of a passenger car (Gillespie 1992, ch. 5)."""

_TINY = 1e-6
_SILENT_MS2 = 1e-3  # below a hundredth of a phone's noise: logarithms stop here


class JoltModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of a trained classifier.

    Attributes
    ----------
    name, card : str
        Name of the model, and where its card stands in the repository.
    classes : tuple of str
        The eight classes in the order of the columns of probabilities.
    features : tuple of str
        Names of the inputs, in order.
    centre, scale : (k,) tuple of float
        Mean and standard deviation of each feature in training.
    limit : float
        Standardised features are clipped to ± this, so that no single one runs away.
    weights : 8 tuples of 2 k floats
        Coefficients of the standardised features and of their squares.
    bias : (8,) tuple of float
    temperature : float
        What logits are divided by (Guo et al. 2017, arXiv 1706.04599).
    prior : (8,) tuple of float
        The classes' shares assumed in training; what slow phones are mixed with.
    slow_rate_hz, slow_share : tuple of float
        Sampling rates and how much of the verdict is kept there; in between linear.
    """

    name: str
    card: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    limit: float
    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]
    temperature: float
    prior: tuple[float, ...]
    slow_rate_hz: tuple[float, ...]
    slow_share: tuple[float, ...]

    @property
    def digest(self) -> str:
        """Identity of the numbers: 16 hex digits of their SHA-256."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]


@lru_cache(maxsize=1)
def load_model() -> JoltModel:
    """The classifier that ships with this release.

    >>> load_model().name
    'jolt-model-1'
    """
    data = resources.files("streetbump.data").joinpath(SHIPPED_MODEL).read_bytes()
    return msgspec.json.decode(data, type=JoltModel)


def cut_windows(vertical_ms2: Floats, peaks: Ints, *, rate_hz: float) -> Floats:
    """Windows of 1.2 s at 50 Hz around the given samples, (n, 60), m/s².

    Parameters
    ----------
    vertical_ms2 : (m,) float64
        Vertical acceleration on an even grid, gravity and slow changes taken off. Beyond its
        ends it is mirrored; without any sample the windows are zero.
    peaks : (n,) int64
        Indices of the peaks; they come to stand at index 30.

    >>> cut_windows(np.array([0.0, 1.0, 3.0]), np.array([2]), rate_hz=50.0)[0, 28:33].tolist()
    [0.0, 1.0, 3.0, 1.0, 0.0]
    """
    if len(vertical_ms2) == 0:
        return np.zeros((len(peaks), WINDOW_SAMPLES))
    offset = (np.arange(WINDOW_SAMPLES) - PEAK_AT) / WINDOW_HZ * rate_hz
    last = max(len(vertical_ms2) - 1, 1)
    at = np.abs(np.asarray(peaks)[:, None] + offset) % (2 * last)
    mirrored = np.where(at > last, 2 * last - at, at)
    return np.asarray(np.interp(mirrored, np.arange(len(vertical_ms2)), vertical_ms2))


def class_probabilities(windows: Floats, *, rate_hz: float, model: JoltModel) -> Floats:
    """Probability of each class for each window, (n, 8), in the order of ``model.CLASSES``.

    Rows sum to 1. Below 25 Hz the verdict is mixed with the prior, the more the slower the phone
    was: what happened between its samples is unknown.

    Parameters
    ----------
    windows : (n, 60) float64
        As :func:`cut_windows` makes them; NaN counts as 0.
    rate_hz : float
        Rate at which the phone sampled, Hz.

    >>> p = class_probabilities(np.zeros((2, 60)), rate_hz=50.0, model=load_model())
    >>> p.shape, p.sum(axis=1).round(6).tolist()
    ((2, 8), [1.0, 1.0])
    """
    z = terms(
        features(windows),
        centre=np.array(model.centre),
        scale=np.array(model.scale),
        limit=model.limit,
    )
    logits = (z @ np.array(model.weights).T + np.array(model.bias)) / model.temperature
    certain = softmax(logits)
    share = np.interp(rate_hz, model.slow_rate_hz, model.slow_share)
    return np.asarray(share * certain + (1 - share) * np.array(model.prior))


def terms(x: Floats, *, centre: Floats, scale: Floats, limit: float) -> Floats:
    """What the regression weighs: standardised, clipped features, then their squares, (n, 2 k).

    >>> terms(np.array([[5.0]]), centre=np.array([1.0]), scale=np.array([2.0]), limit=4.0).tolist()
    [[2.0, 4.0]]
    """
    z = np.clip((x - centre) / scale, -limit, limit)
    return np.column_stack((z, z**2))


def softmax(logits: Floats) -> Floats:
    """Probabilities of rows of logits.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    grown = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))


def features(windows: Floats) -> Floats:
    """Physical features of each window, (n, k) in the order of `FEATURES`; never NaN.

    Parameters
    ----------
    windows : (n, 60) float64
        As :func:`cut_windows` makes them, m/s²; NaN counts as 0, zero rows give zero rows.

    >>> features(np.zeros((3, 60))).shape == (3, len(FEATURES))
    True
    >>> features(np.empty((0, 60))).shape == (0, len(FEATURES))
    True
    """
    v = np.nan_to_num(np.asarray(windows, dtype=np.float64), posinf=0.0, neginf=0.0)
    v = v.reshape(-1, WINDOW_SAMPLES)
    parts = (_sizes(v), _durations(v), _swings(v), _envelope(v), _spectrum(v), _echo(v))
    return np.column_stack(parts)


FEATURES = (
    "log_peak", "log_rms", "crest", "log_jerk",
    "half_peak_s", "quarter_peak_s", "half_span_s", "zero_crossings",
    "first_swing", "largest_swing", "up_share", "skewness",
    *(f"envelope_{k}" for k in range(6)), "after_before",
    *(f"band_{lo:g}_{hi:.0f}" for lo, hi in BANDS_HZ), "centroid_hz", "spread_hz",
    "echo", "echo_lag_s", "echo_dip",
)  # fmt: skip
"""Names of the features, in order."""


def _peak(v: Floats) -> Floats:
    return np.maximum(np.abs(v).max(axis=1), _SILENT_MS2)


def _rms(v: Floats) -> Floats:
    return np.sqrt(np.mean(v**2, axis=1) + _SILENT_MS2**2 / 4)


def _sizes(v: Floats) -> Floats:
    """How strong, how peaked, how sharp."""
    jerk = np.diff(v, axis=1)
    fourth = np.mean(v**4, axis=1) / _rms(v) ** 4
    return np.column_stack(
        (np.log(_peak(v)), np.log(_rms(v)), np.log(fourth + 1), np.log(_rms(jerk) / _rms(v)))
    )


def _durations(v: Floats) -> Floats:
    """How long it stays above half and a quarter of its peak, from first to last, and crossings."""
    size = np.abs(v) / _peak(v)[:, None]
    half, quarter = size > 0.5, size > 0.25
    span = WINDOW_SAMPLES - half[:, ::-1].argmax(axis=1) - half.argmax(axis=1)
    crossings = (np.signbit(v[:, 1:]) != np.signbit(v[:, :-1])).sum(axis=1)
    counts = np.column_stack((half.sum(axis=1), quarter.sum(axis=1), span, crossings))
    return counts / WINDOW_HZ


def _swings(v: Floats) -> Floats:
    """Up or down first, up or down most: a hole drops the wheel, a lid lifts it."""
    size = v / _peak(v)[:, None]
    first = np.take_along_axis(size, (np.abs(size) > 0.5).argmax(axis=1)[:, None], axis=1)[:, 0]
    largest = np.take_along_axis(size, np.abs(size).argmax(axis=1)[:, None], axis=1)[:, 0]
    up, down = np.maximum(v.max(axis=1), 0.0), np.maximum(-v.min(axis=1), 0.0)
    skew = np.mean(v**3, axis=1) / _rms(v) ** 3
    return np.column_stack(
        (np.sign(first), np.sign(largest), up / np.maximum(up + down, _SILENT_MS2), skew)
    )


def _envelope(v: Floats) -> Floats:
    """Where the energy lies: logarithm of its share in six parts, and after over before."""
    parts = np.mean(v.reshape(-1, 6, WINDOW_SAMPLES // 6) ** 2, axis=2)
    share = parts / _rms(v)[:, None] ** 2
    before, after = parts[:, :3].sum(axis=1), parts[:, 3:].sum(axis=1)
    ratio = np.log((after + _SILENT_MS2**2) / (before + _SILENT_MS2**2))
    return np.column_stack((np.log(share + 0.01), ratio))


def _spectrum(v: Floats) -> Floats:
    """Share of the energy in each band (logarithm), its mean frequency and spread."""
    taper = np.hanning(WINDOW_SAMPLES + 2)[1:-1]
    hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / WINDOW_HZ)
    power = np.abs(np.fft.rfft(v * taper, axis=1)) ** 2
    total = power[:, 1:].sum(axis=1) + _TINY
    bands = [power[:, (hz >= lo) & (hz < hi)].sum(axis=1) / total for lo, hi in BANDS_HZ]
    centroid = power[:, 1:] @ hz[1:] / total
    spread = np.sqrt(np.maximum(power[:, 1:] @ hz[1:] ** 2 / total - centroid**2, 0.0))
    return np.column_stack((np.log(np.column_stack(bands) + 0.01), centroid, spread))


def _echo(v: Floats) -> Floats:
    """The second axle: the largest autocorrelation 0.12-0.6 s later, its lag, and the dip before.

    A wheelbase of 2.5-2.8 m at 4.5-22 m/s gives lags in that range.
    """
    spectrum = np.abs(np.fft.rfft(v, 2 * WINDOW_SAMPLES, axis=1)) ** 2
    auto = np.fft.irfft(spectrum, axis=1)[:, : WINDOW_SAMPLES // 2 + 1]
    auto = auto / (auto[:, :1] + _TINY)
    late = auto[:, 6:]
    lag_s = (late.argmax(axis=1) + 6) / WINDOW_HZ
    return np.column_stack((late.max(axis=1), lag_s, auto.min(axis=1)))
