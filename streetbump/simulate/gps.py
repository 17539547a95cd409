"""What a phone's satellite receiver says about a drive."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.model import Floats


@dataclass(frozen=True)
class Receiver:
    """Error model of the fixes under an open sky (chosen by us, not measured).

    Attributes
    ----------
    interval_s : float
        Time between fixes, s.
    lag_s : float
        How old the place in a fix is, s.
    bias_m : float
        Standard deviation of the error that lasts the whole trip, per axis, m.
    sigma_m, tau_s : float
        Standard deviation (m, per axis) and memory (s) of the Gauss-Markov error.
    speed_ms, heading_deg : float
        Standard deviation of speed (m/s) and, at 10 m/s, heading (degrees).
    """

    interval_s: float = 1.0
    lag_s: float = 0.3
    bias_m: float = 2.0
    sigma_m: float = 2.0
    tau_s: float = 60.0
    speed_ms: float = 0.15
    heading_deg: float = 1.5


def gauss_markov(
    count: int, *, sigma: float, step_s: float, tau_s: float, rng: np.random.Generator
) -> Floats:
    """A first-order Gauss-Markov error, (count, 2): sd `sigma`, forgotten over `tau_s`.

    >>> e = gauss_markov(20000, sigma=2.0, step_s=1.0, tau_s=10.0, rng=np.random.default_rng(0))
    >>> bool(np.all(np.abs(e.std(axis=0) - 2.0) < 0.2))
    True
    """
    from scipy.signal import lfilter

    keep = np.exp(-step_s / tau_s)
    shock = sigma * np.sqrt(1 - keep**2) * rng.standard_normal((count, 2))
    shock[:1] /= np.sqrt(1 - keep**2)  # the first error is drawn from the long run
    return np.asarray(lfilter([1.0], [1.0, -keep], shock, axis=0))


def position_error(count: int, receiver: Receiver, *, rng: np.random.Generator) -> Floats:
    """East and north error of consecutive fixes, (count, 2), m.

    >>> position_error(3, Receiver(bias_m=0.0, sigma_m=0.0), rng=np.random.default_rng(0)).any()
    np.False_
    """
    bias = receiver.bias_m * rng.standard_normal(2)
    return bias + gauss_markov(
        count, sigma=receiver.sigma_m, step_s=receiver.interval_s, tau_s=receiver.tau_s, rng=rng
    )


def said_accuracy(count: int, receiver: Receiver, *, rng: np.random.Generator) -> Floats:
    """Accuracy that the phone claims, (count,), m: right on average, off by up to twice per trip.

    >>> bool((said_accuracy(5, Receiver(), rng=np.random.default_rng(0)) > 1).all())
    True
    """
    true = np.hypot(receiver.bias_m, receiver.sigma_m)
    scale = 2.0 ** rng.uniform(-0.5, 1.0)
    return np.asarray(np.maximum(true * scale * rng.uniform(0.9, 1.2, count), 1.5))
