"""What kind of jolt: calibrated class probabilities from 1.2 s around the peak.

Two views of the same window, each with a verdict of its own:

- *kernels* (:mod:`~streetbump.detect.kernels`): how often many small filters answer strongly,
  weighed by a ridge regression;
- *physical* (:mod:`~streetbump.detect.features`): 177 features, weighed by a logistic regression
  on how near the jolt is to each of some hundreds of known ones (a Gaussian kernel).

The mean of their logarithms, divided by a temperature, gives the probabilities. They assume that
all eight classes are equally common beforehand, so that they can be multiplied across passes and
with a prior of one's own (:func:`under_prior`). The numbers ship as plain JSON with a card
(``docs/models/jolt-model-3.md``); ``scripts/train_classifier.py`` makes both.

Windows are cut from the vertical acceleration with a moving mean of 1 s taken off, at 50 Hz, with
the largest magnitude at index 30 (:func:`cut_windows`). The length never varies, and what lies
beyond the ends of a series is mirrored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

import msgspec
import numpy as np

from streetbump.detect.features import (
    PEAK_AT,
    WINDOW_HZ,
    WINDOW_S,
    WINDOW_SAMPLES,
    clean,
    features,
)
from streetbump.detect.kernels import Shorts, kernel_counts
from streetbump.model import CLASSES, Floats, Ints, JoltClass

__all__ = [
    "BARE_PRIOR", "PEAK_AT", "SHIPPED_MODEL", "WINDOW_HZ", "WINDOW_S", "WINDOW_SAMPLES",
    "JoltModel", "class_probabilities", "clean", "cut_windows", "features", "given_strength",
    "load_model", "log_views", "nearness", "softmax", "under_prior",
]  # fmt: skip

SHIPPED_MODEL = "jolt-model-3.json"

LEAST_P = 1e-4
"""A view's verdict counts as at least this, so that neither alone can rule a class out."""

NEVER_RECORDED = (JoltClass.CASTING, JoltClass.JOINT, JoltClass.NOT_ROAD)
"""Classes that the model knows from the simulator alone."""
BARE_PRIOR = tuple(0.25 if c in NEVER_RECORDED else 1.0 for c in CLASSES)
"""How common each class is in a bare series, against the others; for :func:`under_prior`.

Somebody cut such a series around a place on a road, so hardly any is a phone in a hand; and what
a recording has in common with no simulated jolt speaks for none of the classes that were only
simulated. A quarter is chosen by us (docs/models). Trips keep the equal prior: their jolts are
multiplied across passes, and a prior must not be counted once per pass."""

Row = tuple[float, ...]
Rows = tuple[Row, ...]


class JoltModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """The numbers of a trained classifier.

    Attributes
    ----------
    name, card : str
        Name of the model, and where its card stands in the repository.
    classes : tuple of str
        The eight classes in the order of the columns of probabilities.
    thresholds : (14, 6, 28) nested tuples of int
        Of a third of the kernels' answers, 1/128 m/s².
    kernel_weights, kernel_bias : (2352, 8), (8,)
        The ridge regression on the kernels' counts.
    sharpness : float
        What the ridge's scores are multiplied by to become logits.
    centre, scale : (177,)
        Mean and standard deviation of each physical feature in training.
    limit : float
        Standardised features are clipped to ± this, so that no single one runs away.
    landmarks : (k, 177)
        Standardised features of the known jolts that others are compared with.
    width : float
        How fast nearness falls with the mean squared difference of features.
    near_weights, near_bias : (k, 8), (8,)
        The logistic regression on nearness.
    temperature : float
        What the mean of both is divided by (Guo et al. 2017, arXiv 1706.04599).
    prior : (8,)
        The classes' shares assumed in training; what slow phones are mixed with.
    slow_rate_hz, slow_share : tuple of float
        Sampling rates and how much of the verdict is kept there; in between linear.
    strength_mean, strength_sd : (8,)
        Of the logarithm of a candidate's score, for each class.
    strength_power : float
        How far the score is believed; the window shows some of it already.
    """

    name: str
    card: str
    classes: tuple[str, ...]
    thresholds: tuple[tuple[tuple[int, ...], ...], ...]
    kernel_weights: Rows
    kernel_bias: Row
    sharpness: float
    centre: Row
    scale: Row
    limit: float
    landmarks: Rows
    width: float
    near_weights: Rows
    near_bias: Row
    temperature: float
    prior: Row
    slow_rate_hz: Row
    slow_share: Row
    strength_mean: Row
    strength_sd: Row
    strength_power: float

    @cached_property
    def digest(self) -> str:
        """Identity of the numbers: 16 hex digits of their SHA-256."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    @cached_property
    def arrays(self) -> Arrays:
        """The numbers as arrays, made once."""
        return Arrays(
            thresholds=np.array(self.thresholds, np.int16),
            kernel_weights=np.array(self.kernel_weights),
            kernel_bias=np.array(self.kernel_bias),
            centre=np.array(self.centre),
            scale=np.array(self.scale),
            landmarks=np.array(self.landmarks),
            near_weights=np.array(self.near_weights),
            near_bias=np.array(self.near_bias),
            prior=np.array(self.prior),
        )


@dataclass(frozen=True, eq=False)
class Arrays:
    """What :class:`JoltModel` holds, as arrays of the same names and shapes."""

    thresholds: Shorts
    kernel_weights: Floats
    kernel_bias: Floats
    centre: Floats
    scale: Floats
    landmarks: Floats
    near_weights: Floats
    near_bias: Floats
    prior: Floats


@lru_cache(maxsize=1)
def load_model() -> JoltModel:
    """The classifier that ships with this release.

    >>> load_model().name
    'jolt-model-3'
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

    Rows sum to 1. For slow phones the verdict is mixed with the prior, the more the slower the
    phone was: what happened between its samples is unknown.

    Parameters
    ----------
    windows : (n, 60) float64
        As :func:`cut_windows` makes them; NaN counts as 0, no window gives no row.
    rate_hz : float
        Rate at which the phone sampled, Hz.

    >>> p = class_probabilities(np.zeros((2, 60)), rate_hz=50.0, model=load_model())
    >>> p.shape, p.sum(axis=1).round(6).tolist()
    ((2, 8), [1.0, 1.0])
    """
    certain = softmax(np.mean(log_views(windows, model), axis=0) / model.temperature)
    share = np.interp(rate_hz, model.slow_rate_hz, model.slow_share)
    return np.asarray(share * certain + (1 - share) * model.arrays.prior)


def given_strength(p: Floats, score: Floats, model: JoltModel) -> Floats:
    """The probabilities once it is known how strongly each jolt stood out, (n, 8).

    Castings, joints and patches are built within a centimetre or two: few stand out as holes do.

    Parameters
    ----------
    p : (n, 8) float64
        As :func:`class_probabilities` gives them.
    score : (n,) float64
        Of the candidates, above 0 (:mod:`~streetbump.detect.trigger`).

    >>> p = np.full((1, 8), 1 / 8)
    >>> weak, strong = (given_strength(p, np.array([s]), load_model())[0] for s in (3.0, 12.0))
    >>> bool(weak[3] > weak[0]), bool(strong[3] < strong[0])  # casting, pothole
    (True, True)
    """
    sd = np.array(model.strength_sd)
    z = (np.log(score)[:, None] - model.strength_mean) / sd
    return under_prior(p, np.exp(-(z**2) / 2 * model.strength_power) / sd**model.strength_power)


def under_prior(p: Floats, prior: Sequence[float] | Floats) -> Floats:
    """The probabilities if the classes were not equally common beforehand, (n, 8).

    Parameters
    ----------
    p : (n, 8) float64
        As :func:`class_probabilities` gives them.
    prior : (8,) or (n, 8)
        How common each class is; only the ratios count. With 1 / prior the step is undone.

    >>> under_prior(np.array([[0.5, 0.5]]), (3.0, 1.0)).tolist()
    [[0.75, 0.25]]
    """
    weighed = p * np.asarray(prior)
    return np.asarray(weighed / weighed.sum(axis=1, keepdims=True))


def log_views(windows: Floats, model: JoltModel) -> Floats:
    """Logarithm of the probabilities by each view alone, (2, n, 8): kernels, physical.

    >>> log_views(np.empty((0, 60)), load_model()).shape
    (2, 0, 8)
    """
    v, has = clean(windows), model.arrays
    counts = kernel_counts(v, has.thresholds).astype(np.float64)
    score = counts @ has.kernel_weights + has.kernel_bias
    z = np.clip((features(v) - has.centre) / has.scale, -model.limit, model.limit)
    near = nearness(z, has.landmarks, width=model.width) @ has.near_weights + has.near_bias
    both = (softmax(model.sharpness * score), softmax(near))
    return np.log(np.maximum(both, LEAST_P))


def nearness(z: Floats, landmarks: Floats, *, width: float) -> Floats:
    """How near each row is to each landmark, (n, k), 0 to 1: a Gaussian kernel.

    >>> nearness(np.array([[0.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 1.0]]), width=1.0).round(3)
    array([[1.   , 0.368]])
    """
    closer = 2 * z @ landmarks.T  # becomes minus the squared difference, in place
    closer -= (z**2).sum(axis=1)[:, None]
    closer -= (landmarks**2).sum(axis=1)
    np.minimum(closer, 0.0, out=closer)
    closer *= width / landmarks.shape[1]
    return np.asarray(np.exp(closer, out=closer))


def softmax(logits: Floats) -> Floats:
    """Probabilities of rows of logits.

    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    grown = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(grown / grown.sum(axis=1, keepdims=True))
