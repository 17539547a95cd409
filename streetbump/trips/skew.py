"""Whether positions and acceleration of a drive were stamped by two clocks that disagree.

A car that brakes or pulls away shows it to both: the speed of the fixes changes, and the
accelerometer feels it. Sliding one over the other shows by how much the clocks differ. The phone
may lie in any way, so acceleration along the road is some linear combination of its axes: at
every offset the share of the speed changes that the three axes explain together is taken.

The ordinary lateness of receivers, 0.3 to 1.5 s, is left to detection, which knows it better.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.geo import distance_m
from streetbump.model import Floats, Ints
from streetbump.trips.drive import Fixes

STEP_S = 0.5
"""Grid on which both are compared, s: offsets are wanted to a second."""
REACH_S = 60.0
"""Furthest offset that is looked for, s."""
LEAST_S = 3.0
"""Smaller offsets are left alone, s: receivers and their filters are late by up to 2.5."""
USUAL_S = 0.85
"""What is left of an offset, s: a receiver's usual lateness (detect.lag_prior_s)."""
SMOOTH_S = 2.0
"""Speed changes are taken over this time, s. Chosen by us: shorter, the noise of fixes counts."""
DRIFT_S = 60.0
"""Slower changes of the axes are taken off, s: slopes, and phones that slip."""
LONGEST_STEP_S = 3.0
"""Fixes further apart show no braking, s."""
HARDEST_MS2 = 6.0
"""Street cars do not pull or brake harder, m/s²."""
SHORTEST_S = 120.0
"""Least time with a known speed change, s: below, chance explains too much. Chosen by us."""
LIVELY_MS2 = 0.2
"""Least root mean square of the speed changes, m/s². Chosen by us: noise of fixes is half."""
EXPLAINED = 0.25
"""Least share explained at the best offset. Chosen by us: chance reaches 0.1 in two minutes."""
CLEAR = 2.5
"""So many times what any other offset explains. Chosen by us: never reached by a wrong offset on
300 simulated drives and the real ones."""
NEAR_S = 6.0
"""Offsets this near to the best one are the same peak, s."""
_FIXES = 40


@dataclass(frozen=True)
class Skew:
    """How much later the fixes are stamped than the samples, s; None where nobody can tell.

    `drifts` says that both halves of the drive are clear, and that they differ.
    """

    late_s: float | None
    drifts: bool = False


def skew_of(t_us: Ints, acc_ms2: Floats, fixes: Fixes) -> Skew:
    """The offset between the clocks of fixes and samples.

    Parameters
    ----------
    t_us : (n,) int64
        Not decreasing, µs, as are those of the fixes.
    acc_ms2 : (n, 3) float64
        Gravity kept or removed, any orientation; no NaN.
    fixes : Fixes

    >>> from streetbump.trips.drive import NO_FIXES
    >>> skew_of(np.array([0, 10_000]), np.zeros((2, 3)), NO_FIXES)
    Skew(late_s=None, drifts=False)
    """
    if len(fixes) < _FIXES or len(t_us) < _FIXES:
        return Skew(None)
    beyond_us = round(REACH_S * 1e6)  # of fixes stamped further off nothing can be told
    edges_us = np.arange(t_us[0] - beyond_us, t_us[-1] + beyond_us, round(STEP_S * 1e6))
    if t_us[-1] - t_us[0] < SHORTEST_S * 1e6:
        return Skew(None)
    felt = _felt_ms2(t_us, acc_ms2, edges_us)
    moved = _moved_ms2(fixes, edges_us)
    whole = _offset_s(moved, felt)
    if whole is not None:
        return Skew(whole)
    half = len(edges_us) // 2
    first, second = _offset_s(moved[:half], felt[:half]), _offset_s(moved[half:], felt[half:])
    clear = first is not None and second is not None
    return Skew(None, drifts=clear and abs(first - second) > LEAST_S)  # type: ignore[operator]


def correction_s(skew: Skew) -> float:
    """What is to be taken off the fixes' stamps, s; 0 where the offset is ordinary or not known.

    >>> correction_s(Skew(12.0)), correction_s(Skew(1.5)), correction_s(Skew(None))
    (11.15, 0.0, 0.0)
    """
    if skew.late_s is None or abs(skew.late_s - USUAL_S) <= LEAST_S:
        return 0.0
    return skew.late_s - USUAL_S


def _felt_ms2(t_us: Ints, acc_ms2: Floats, edges_us: Ints) -> Floats:
    """The axes on the grid, (k, 3), smoothed, slow changes taken off; 0 where there is none."""
    starts = np.searchsorted(t_us, np.append(edges_us, edges_us[-1] + round(STEP_S * 1e6)))
    count = np.diff(starts)
    there = count > 0
    mean = np.zeros((len(edges_us), 3))
    for k, axis in enumerate(acc_ms2.T):  # three axes
        mean[there, k] = np.add.reduceat(axis, starts[:-1][there]) / count[there]
    mean[there] -= mean[there].mean(axis=0)
    mean -= _boxcar(mean, DRIFT_S)
    mean[~there] = 0.0
    return np.clip(_boxcar(mean, SMOOTH_S), -HARDEST_MS2, HARDEST_MS2)


def _moved_ms2(fixes: Fixes, edges_us: Ints) -> Floats:
    """Change of the fixes' speed on the grid, (k,), m/s²; 0 where it is not known."""
    t_us, speed_ms = fixes.t_us, fixes.speed_ms
    if np.count_nonzero(speed_ms >= 0) < 0.8 * len(fixes):
        way_m = distance_m(
            fixes.lat_deg[:-1], fixes.lon_deg[:-1], fixes.lat_deg[1:], fixes.lon_deg[1:]
        )
        step_us = np.diff(t_us)
        speed_ms = way_m / np.maximum(step_us, 1) * 1e6
        t_us = t_us[:-1] + step_us // 2
    good = (speed_ms >= 0) & (speed_ms < 100)
    t_us, speed_ms = t_us[good], speed_ms[good]
    if len(t_us) < _FIXES:
        return np.zeros(len(edges_us))
    at_us = edges_us + round(STEP_S * 5e5)
    speed = np.interp(at_us, t_us, speed_ms)
    after = np.clip(np.searchsorted(t_us, at_us), 1, len(t_us) - 1)
    known = (at_us >= t_us[0]) & (at_us <= t_us[-1])
    known &= t_us[after] - t_us[after - 1] <= LONGEST_STEP_S * 1e6
    k = round(SMOOTH_S / STEP_S / 2)
    moved = np.zeros(len(edges_us))
    moved[k:-k] = (speed[2 * k :] - speed[: -2 * k]) / SMOOTH_S
    known[k:-k] &= known[2 * k :] & known[: -2 * k]
    moved[~known] = 0.0
    return np.where(np.abs(moved) <= HARDEST_MS2, moved, 0.0)


def _offset_s(moved: Floats, felt: Floats) -> float | None:
    """The offset at which the axes explain the speed changes, where only one does."""
    known = np.count_nonzero(moved)
    if known * STEP_S < SHORTEST_S / 2:
        return None
    if float(moved @ moved) < LIVELY_MS2**2 * known:
        return None
    offsets_s, share = _explained(moved, felt)
    best = int(np.argmax(share))
    elsewhere = share[np.abs(offsets_s - offsets_s[best]) > NEAR_S].max()
    if share[best] < EXPLAINED or share[best] < CLEAR * elsewhere:
        return None
    return float(offsets_s[best])


def _explained(moved: Floats, felt: Floats) -> tuple[Floats, Floats]:
    """Offsets, s, and the share of the speed changes explained at each.

    The axes are made uncorrelated and of one size, so that the shares they explain add up.
    """
    reach = round(REACH_S / STEP_S)
    size = 1 << (len(moved) + reach).bit_length()
    values, vectors = np.linalg.eigh(felt.T @ felt)
    own = felt @ (vectors / np.sqrt(np.maximum(values, 1e-6 * values[-1] + 1e-12)))
    spectrum = np.fft.rfft(moved, size)
    together = np.fft.irfft(
        spectrum[:, None] * np.conj(np.fft.rfft(own, size, axis=0)), size, axis=0
    )
    lags = np.arange(-reach, reach + 1)
    share = (together[lags] ** 2).sum(axis=1) / float(moved @ moved)
    return lags * STEP_S, share


def _boxcar(values: Floats, length_s: float) -> Floats:
    """Moving mean of columns, (k, 3); nearer to the ends over less."""
    half = max(1, round(length_s / STEP_S / 2))
    total = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=total[1:])
    at = np.arange(len(values))
    low, high = np.maximum(at - half, 0), np.minimum(at + half + 1, len(values))
    return np.asarray((total[high] - total[low]) / (high - low)[:, None])
