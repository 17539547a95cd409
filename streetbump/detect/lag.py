"""How late a trip's fixes are, from the trip itself.

When a car brakes, pulls away or turns, the accelerometer shows it at once and the fixes show it
later: sliding one over the other gives the lag. No orientation is needed, as acceleration forward
and to the left are taken for unknown linear combinations of the device axes.

Places are compared, not the speeds that fixes state: it is places that must be moved, and receivers
filter their speeds otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.config import DetectSettings
from streetbump.detect.signal import Signal, averaged, moving_mean
from streetbump.geo import local_m
from streetbump.model import DEG_LSB, UNKNOWN, Bools, Floats, Gravity, Ints, Trip

STEP_S = 0.25
LAGS_S = np.arange(-0.5, 2.51, STEP_S)
"""Lags that are tried, s. Receivers are 0.3 to 1.5 s late; a logger adds to that or, with another
clock, takes from it. The misfit is a parabola over several steps, so the steps may be wide."""

REACH_S = 3.0
"""Velocity is taken from the fixes this far before and after one, s. Chosen by us on simulated
drives (2 to 4 s differ little): shorter, the fixes' noise counts more; longer, turns are
smeared."""

LONGEST_S = 6.0
"""Fixes further apart than this show no braking, s. Chosen by us."""

THIN_NS = 800_000_000
"""Of fixes nearer to each other than this one is taken, ns: their errors are nearly the same."""

LEAST_WAY_M = 5.0
"""A car that moved less over both halves has no direction, m. Chosen by us: the noise of fixes."""

HARDEST_MS2 = 6.0
"""Street cars do not pull, brake or turn harder, m/s²: it was a leap of the receiver."""

BLOCK_NS = 120_000_000_000
"""How long a phone is taken to lie still, ns; it is taken to be laid anew wherever the signal was
unusable. Chosen by us: phones slip unseen."""

MOST_BLOCKS = 5
"""Of a longer drive so many blocks are taken, evenly spread: what the receiver's own filter leaves
unknown is then the larger part of the error."""

FEWEST = 20
"""With fewer fixes a block says nothing, having eight unknowns. Chosen by us."""

SHARED = 6.0
"""So many rows are as good as one that shares no fix with others: twice the reach, with a fix every
second."""

RIDGE_MS2 = 0.03
"""Keeps an axis that felt less than this from being used, m/s². Chosen by us."""

TRACKER_S = 0.6
"""Time constant of a usual receiver's tracking filter, s. Such filters are exact at constant
velocity and late while it changes (:func:`streetbump.simulate.gps.track`). Chosen by us, as
there."""

TRACKER_ERR_S = 0.11
"""Standard error for not knowing the receiver's own filter, s: least error of any lag. Chosen by us
on simulated drives with filters of 0.3 to 1 s."""

SLOW_S = 0.2
"""Step of the slow velocity, s: far below the reach."""

MEMORY = 8
"""Neighbouring rows share fixes: errors are taken to be forgotten after so many. Chosen by us."""


@dataclass(frozen=True)
class Lag:
    """How late the fixes of a trip are, and the standard error of that, s."""

    lag_s: float
    err_s: float


@dataclass(frozen=True, eq=False)
class _Moves:
    """Changes of velocity by the fixes, one row per fix that has others before and after.

    `fix_ns` (m,): times of the fixes they need. `row` (r, 3): which of them is before, this one,
    after. `moved_ms2` (r, 2): mean acceleration forward and to the left. `block` (r,): the phone
    lay alike in rows of one number.
    """

    fix_ns: Ints
    row: Ints
    moved_ms2: Floats
    block: Ints


def lag_of(trip: Trip, signal: Signal, *, settings: DetectSettings) -> Lag:
    """How late a trip's fixes are.

    The change of velocity around each fix, forward and to the left, is regressed on what the
    accelerometer felt at each of :data:`LAGS_S` before. The misfit as a function of the lag,
    with the prior ``lag_prior_s`` ± ``lag_prior_sd_s``, gives the lag and its error.

    A trip that says nothing has the prior: too few fixes, no braking or turning, or gravity
    taken off. Phones take gravity off with filters of 0.5 to 10 s that take slow accelerations
    with it; what is left of them leads by up to a second.

    Parameters
    ----------
    signal : Signal
        Of this trip, as :func:`~streetbump.detect.signal.prepare` gives it.

    >>> from streetbump.config import shipped_settings
    >>> none = np.empty(0, np.int64); few = none.astype(np.int32)
    >>> trip = Trip("", "00" * 32, "x", none, np.empty((0, 3), np.int32), none, few, few, few,
    ...             few, few, 0, Gravity.KEPT, "relative")
    >>> silent = Signal(none, np.empty(0), np.empty((0, 3)), np.empty(0, np.bool_), 0.0)
    >>> lag_of(trip, silent, settings=shipped_settings().detect)
    Lag(lag_s=0.85, err_s=0.35)
    """
    prior = Lag(settings.lag_prior_s, settings.lag_prior_sd_s)
    if trip.gravity is Gravity.REMOVED or len(signal.t_ns) < 2:
        return prior
    moves = _moves(trip, signal, settings=settings)
    if len(moves.block) == 0:
        return prior
    return _posterior(moves, _felt(signal, moves), prior, rate_hz=signal.rate_hz)


# ------------------------------------------------------------------------------- by the fixes


def _moves(trip: Trip, signal: Signal, *, settings: DetectSettings) -> _Moves:
    good = (trip.accuracy_mm == UNKNOWN) | (trip.accuracy_mm <= settings.max_accuracy_m * 1e3)
    good[good] = _thinned(trip.fix_t_ns[good])
    t_ns, lat, lon = trip.fix_t_ns[good], trip.lat_e7[good] * DEG_LSB, trip.lon_e7[good] * DEG_LSB
    if len(t_ns) < FEWEST:
        none = np.empty(0, np.int64)
        return _Moves(t_ns, none.reshape(0, 3), np.empty((0, 2)), none)
    east, north = local_m(lat, lon, lat0_deg=float(lat[0]), lon0_deg=float(lon[0]))
    place = east + 1j * north
    a, at, b = _neighbours(t_ns)
    before_s, after_s = (t_ns[at] - t_ns[a]) * 1e-9, (t_ns[b] - t_ns[at]) * 1e-9
    gain = (place[b] - place[at]) / after_s - (place[at] - place[a]) / before_s
    way = place[b] - place[a]
    moved = gain / ((before_s + after_s) / 2) * np.conj(way) / np.maximum(np.abs(way), 1e-9)
    row = np.column_stack((a, at, b))
    heard, lie = _heard(signal, t_ns[row])
    near = np.maximum(before_s, after_s) <= LONGEST_S
    keep = heard & near & (np.abs(way) >= LEAST_WAY_M) & (np.abs(moved) <= HARDEST_MS2)
    moved_ms2 = np.column_stack((moved.real, moved.imag))
    return _in_blocks(t_ns, row[keep], moved_ms2[keep], lie[keep])


def _thinned(t_ns: Ints) -> Bools:
    """The first fix of each slot of ``THIN_NS``; a fix every second is never left out."""
    slot = (t_ns - t_ns[:1]) // THIN_NS
    return np.diff(slot, prepend=-1) > 0


def _neighbours(t_ns: Ints) -> tuple[Ints, Ints, Ints]:
    """Fixes with one about ``REACH_S`` before and after, at least the next one."""
    reach = round((REACH_S - 0.4) * 1e9)  # fixes come a little early or late
    at = np.arange(1, len(t_ns) - 1)
    before = np.searchsorted(t_ns, t_ns[at] - reach, side="right") - 1
    after = np.searchsorted(t_ns, t_ns[at] + reach, side="left")
    return np.clip(before, 0, at - 1), at, np.clip(after, at + 1, len(t_ns) - 1)


def _heard(signal: Signal, t_ns: Ints) -> tuple[Bools, Ints]:
    """Whether the signal was usable over a row at every lag, and how often it had not been."""
    begin = t_ns[:, 0] - round(LAGS_S[-1] * 1e9)
    end = t_ns[:, 2] - round(LAGS_S[0] * 1e9)
    i, j = np.searchsorted(signal.t_ns, begin), np.searchsorted(signal.t_ns, end, side="right")
    deaf = np.flatnonzero(~signal.usable)
    lost = deaf[np.diff(deaf, prepend=-2) > 1]  # where each deaf stretch begins
    inside = (begin >= signal.t_ns[0]) & (end <= signal.t_ns[-1])
    whole = np.searchsorted(deaf, i) == np.searchsorted(deaf, j)
    return inside & whole, np.searchsorted(lost, i, side="right")


def _in_blocks(fix_ns: Ints, row: Ints, moved_ms2: Floats, lie: Ints) -> _Moves:
    """Rows numbered by blocks of at most ``BLOCK_NS``; small blocks, and some of many, left out."""
    t_ns = fix_ns[row[:, 1]]
    since = t_ns - t_ns[np.searchsorted(lie, lie)]  # since the phone was laid so
    new = (np.diff(lie, prepend=-1) > 0) | (np.diff(since // BLOCK_NS, prepend=0) > 0)
    block = np.cumsum(new) - 1
    full = np.flatnonzero(np.bincount(block) >= FEWEST) if len(block) else block
    taken = full[np.unique(np.linspace(0, len(full) - 1, MOST_BLOCKS).astype(int))[: len(full)]]
    keep = np.isin(block, taken)
    used, row = np.unique(row[keep], return_inverse=True)
    number = np.searchsorted(taken, block[keep])
    return _Moves(fix_ns[used], row.reshape(-1, 3), moved_ms2[keep], number)


# ------------------------------------------------------------------------------- by the phone


def _felt(signal: Signal, moves: _Moves) -> Floats:
    """What the device axes felt over the same spans at each lag, (lags, r, 3), m/s².

    The gain of mean velocity between two spans is, exactly, the same second difference of the
    twice integrated acceleration as it is of places.
    """
    way = _way(signal)
    since_s = (moves.fix_ns - signal.t_ns[0]) * 1e-9
    step = (since_s - LAGS_S[:, None]) / SLOW_S
    low = np.clip(step.astype(np.int64), 0, len(way) - 2)
    place = way.T.take(low, axis=1)
    place += (step - low) * (way.T.take(low + 1, axis=1) - place)
    before, at, after = (place.take(row, axis=2) for row in moves.row.T)
    to_s, from_s = np.diff(since_s[moves.row], axis=1).T
    felt = ((after - at) / from_s - (at - before) / to_s) / ((to_s + from_s) / 2)
    return np.asarray(felt.transpose(1, 2, 0))  # by axes, as the signal: rows lie side by side


def _way(signal: Signal) -> Floats:
    """The way along each device axis every ``SLOW_S``, as a receiver's filter would track it."""
    since_ns = signal.t_ns - signal.t_ns[0]
    parts = min(max(1, round(signal.rate_hz * SLOW_S / 2)), len(since_ns))
    mean = averaged(signal.axes_ms2, parts)
    velocity = _integral(mean - mean.mean(axis=0), parts / signal.rate_hz)
    grid = np.arange(0.0, since_ns[-1] * 1e-9 + 2 * SLOW_S, SLOW_S)
    at_s = averaged(since_ns, parts) * 1e-9
    velocity = np.array([np.interp(grid, at_s, axis) for axis in velocity.T]).T
    return _integral(_tracked(velocity), SLOW_S)


def _integral(values: Floats, step_s: float) -> Floats:
    total = np.zeros_like(values)
    np.cumsum((values[1:] + values[:-1]) * (step_s / 2), axis=0, out=total[1:])
    return total


def _tracked(values: Floats) -> Floats:
    """Values every ``SLOW_S`` after the filter ``(2 s/τ + 1/τ²) / (s + 1/τ)²``, τ = TRACKER_S."""
    from scipy.ndimage import convolve1d

    u = np.arange(0.0, 8.0, SLOW_S / TRACKER_S)
    answer = np.diff(1 - np.exp(-u) * (1 - u))  # of the step response: (2 - u) exp(-u)
    answer = np.convolve(answer / answer.sum(), [0.5, 0.5])  # each part falls between two steps
    now = -(len(answer) // 2)  # the filter knows nothing of what comes later
    tracked = np.empty_like(values)  # by columns if the values are
    convolve1d(values, answer, axis=0, mode="nearest", origin=now, output=tracked)
    return tracked


# ------------------------------------------------------------------------------- one over the other


def _posterior(moves: _Moves, felt: Floats, prior: Lag, *, rate_hz: float) -> Lag:
    """The prior, corrected by how well each lag fits."""
    moved, fit = _fitted(moves, felt[::3], np.ones(len(moves.block)))
    square = ((moved - fit) ** 2).sum(axis=2)
    weight = _trust(square[np.argmin(square.sum(axis=1))])
    moved, fit = _fitted(moves, felt, weight)
    misfit = np.einsum("r,lrj->l", weight, (moved - fit) ** 2)
    best = int(np.clip(np.argmin(misfit), 1, len(LAGS_S) - 2))
    noise = _noise(moved - fit[best], (fit[best + 1] - fit[best - 1]) / (2 * STEP_S), weight, moves)
    cost = misfit / (2 * noise) + ((LAGS_S - prior.lag_s) / prior.err_s) ** 2 / 2
    k = int(np.clip(np.argmin(cost), 1, len(LAGS_S) - 2))
    bend = cost[k - 1] - 2 * cost[k] + cost[k + 1]
    if bend * prior.err_s**2 <= STEP_S**2:  # no more curved than the prior's own
        return prior
    shift = np.clip((cost[k - 1] - cost[k + 1]) / (2 * bend), -1.0, 1.0)
    late = np.hypot(TRACKER_ERR_S, 0.5 / rate_hz)  # a slow logger keeps old samples
    error = np.hypot(STEP_S / np.sqrt(bend), late)
    return Lag(float(LAGS_S[k] + shift * STEP_S), float(min(error, prior.err_s)))


def _fitted(moves: _Moves, felt: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Moves without their blocks' means, (r, 2), and their fit at each lag, (lags, r, 2)."""
    moved = np.empty_like(moves.moved_ms2)
    fit = np.empty((len(felt), *moved.shape))
    first = np.searchsorted(moves.block, np.arange(moves.block[-1] + 2))
    for rows in map(slice, first[:-1], first[1:]):  # MOST_BLOCKS at most
        w = weight[rows, None]
        x, y = _centred(felt[:, rows], w), _centred(moves.moved_ms2[rows], w)
        seen = np.swapaxes(w * x, 1, 2)
        ridge = RIDGE_MS2**2 * w.sum() * np.eye(3)
        moved[rows], fit[:, rows] = y, x @ np.linalg.solve(seen @ x + ridge, seen @ y)
    return moved, fit


def _centred(values: Floats, weight: Floats) -> Floats:
    """Values without their weighted mean over the rows, (..., r, k)."""
    mean = (weight * values).sum(axis=-2, keepdims=True) / weight.sum()
    return np.asarray(values - mean)


def _trust(square: Floats) -> Floats:
    """Weights of rows by their squared misfit: that of their surroundings, Tukey's biweight."""
    usual = 1.44 * np.median(square) + 1e-6  # of two normal errors, the mean is 1.44 medians
    around = moving_mean(np.minimum(square, 9 * usual), 21)
    scale = 0.3 * usual + 0.7 * around
    trust = np.maximum(1 - square / (12 * scale), 0.0) ** 2 / scale
    return np.asarray(np.maximum(trust / trust.max(), 1e-6))


def _noise(misfit: Floats, slope: Floats, weight: Floats, moves: _Moves) -> float:
    """Variance that makes the misfit's curvature the information on the lag.

    The rows' own variance times what their neighbours' likeness adds: the long-run variance of
    the score over that of independent rows (Newey and West 1987, doi 10.2307/1913610).
    """
    unknowns = 8 * (int(moves.block[-1]) + 1)
    rows = 2 * len(weight)
    free = max(1 - unknowns * SHARED / rows, 0.25)
    own = float(weight @ (misfit**2).sum(axis=1)) / (rows * free)
    score = weight * (slope * misfit).sum(axis=1)
    lags = range(1, min(MEMORY, len(score) - 1) + 1)
    shared = sum((1 - k / (MEMORY + 1)) * float(score[k:] @ score[:-k]) for k in lags)
    alone = own * float(weight @ (slope**2).sum(axis=1))
    ratio = (float(score @ score) + 2 * shared) / max(alone, 1e-12)
    return max(own * max(ratio, 1.0), 1e-9)
