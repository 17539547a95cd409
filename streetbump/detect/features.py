"""The other view of a jolt: physical features of its 1.2 s.

Size, swings before and after the peak, what is slow and what is fast in it, energy over time and
frequency, echo of the second axle. Whole columns at a time; plain numpy, and no product of
matrices whose last digit would depend on how many windows are asked about at once.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import Bools, Floats

WINDOW_S = 1.2
"""Length of a window, s. Chosen by us: two axles at 5 m/s fit, and a longer one would show in
its padding how long a clip was."""
WINDOW_HZ = 50.0
"""Rate of a window, Hz: that of the labelled recordings it is trained on (González 2017)."""
WINDOW_SAMPLES = 60
"""Samples of a window: ``WINDOW_S * WINDOW_HZ``."""
PEAK_AT = WINDOW_SAMPLES // 2
"""Index of the peak in a window."""

BANDS_HZ = (0.5, 1.7, 2.6, 3.5, 5.0, 6.8, 9.0, 11.5, 15.0, 19.0, 25.1)
"""Edges of the bands whose energy is a feature, Hz: body bounce and pitch, what lies between,
wheel hop, and edges, each in two or three parts. Chosen by us."""
LEVELS_MS2 = (0.3, 0.6, 1.0, 1.5, 2.5, 4.0)
"""How long a jolt exceeds each of these is a feature, m/s². Chosen by us."""
SMOOTHED_OVER = (5, 9, 15)
"""Samples over which a jolt is smoothed to tell slow from fast: 0.1, 0.18, 0.3 s. Chosen by us."""

_SMALL = 1e-3  # m/s²: a hundredth of a phone's noise; ratios and logarithms stop here
_AT = np.arange(WINDOW_SAMPLES)


def features(windows: Floats) -> Floats:
    """Physical features of each window, (n, 177); never NaN.

    Parameters
    ----------
    windows : (n, 60) float64
        Vertical acceleration at 50 Hz, the peak at index 30, m/s²; NaN counts as 0, no window
        gives no row.

    >>> features(np.zeros((3, 60))).shape, features(np.empty((0, 60))).shape
    ((3, 177), (0, 177))
    """
    v = clean(windows)
    return np.nan_to_num(np.concatenate([group(v) for group in GROUPS]).T)


def clean(windows: Floats) -> Floats:
    """The windows as (n, 60) numbers: what is not a number, or beyond any sensor, counts as 0.

    >>> clean(np.full((1, 60), np.nan)).max().item()
    0.0
    """
    v = np.asarray(windows, dtype=np.float64).reshape(-1, WINDOW_SAMPLES)
    return np.where(np.abs(v) < _BEYOND_MS2, v, 0.0)


_BEYOND_MS2 = 1e4  # a thousand g


def _peak(v: Floats) -> Floats:
    return np.asarray(np.abs(v).max(axis=-1) + _SMALL)


def _rms(v: Floats) -> Floats:
    return np.asarray(np.sqrt((v * v).mean(axis=-1)) + _SMALL)


def _smoothed(v: Floats, width: int) -> Floats:
    """Moving mean over `width` samples, mirrored at the ends, (n, 60)."""
    half, last = width // 2, WINDOW_SAMPLES - 1
    at = np.abs(np.arange(-half - 1, WINDOW_SAMPLES + half))
    total = np.cumsum(v[:, np.where(at > last, 2 * last - at, at)], axis=1)
    return np.asarray((total[:, width:] - total[:, :-width]) / width)


# ------------------------------------------------------------------------------- size and shape


def _centre(v: Floats) -> Floats:
    """Level within 0.06 to 0.44 s of the peak, outside of it, and their ratio, (15, n)."""
    half = np.array([3, 6, 10, 15, 22])[:, None]
    sums = np.cumsum(v * v, axis=1).T
    inside = sums[PEAK_AT + half[:, 0]] - sums[PEAK_AT - half[:, 0] - 1]
    outside = np.maximum(sums[-1] - inside, 0) + _SMALL
    near = np.sqrt(np.maximum(inside, 0) / (2 * half + 1)) + _SMALL
    far = np.sqrt(outside / (WINDOW_SAMPLES - 2 * half - 1)) + _SMALL
    near, far = np.log(near), np.log(far)
    return np.concatenate((near, far, near - far))


def _neighbours(v: Floats) -> Floats:
    """Largest counter-swing and same swing up to 0.2 and 0.4 s before and after the peak."""
    row, main, largest = np.arange(len(v)), np.abs(v).argmax(axis=1), _peak(v)
    same, apart = v * np.sign(v[row, main])[:, None], _AT - main[:, None]
    columns = []
    for reach in (10, 20):
        before, after = (apart < 0) & (apart >= -reach), (apart > 0) & (apart <= reach)
        counter = [np.where(side, -same, -9.0) for side in (before, after)]
        again = [np.where(before & (apart < -2), same, -9.0)]
        again += [np.where(after & (apart > 2), same, -9.0)]
        columns += [np.clip(s.max(axis=1) / largest, -1, 1) for s in (*counter, *again)]
        columns += [main - counter[0].argmax(axis=1), counter[1].argmax(axis=1) - main]
    return np.array(columns)


def _slow_and_fast(v: Floats) -> Floats:
    """The jolt smoothed over 0.1, 0.18 and 0.3 s, and what that leaves, (57, n)."""
    low = np.array([_smoothed(v, width) for width in SMOOTHED_OVER])
    columns = np.concatenate((_slow(low, v), _fast(v - low)))
    return columns.reshape(columns.shape[0] * columns.shape[1], len(v))


def _slow(low: Floats, v: Floats) -> Floats:
    """Size, extremes and where they lie, crossings and skewness of what is slow, (11, 3, n)."""
    largest = _peak(v)
    high, deep = low.max(axis=-1), low.min(axis=-1)
    top = np.maximum(high, -deep)
    apart = low - low.mean(axis=-1, keepdims=True)
    square = apart * apart
    sd = np.sqrt(square.mean(axis=-1)) + _SMALL
    crossings = np.diff(low < 0, axis=-1).sum(axis=-1)
    high_at, deep_at = low.argmax(axis=-1), low.argmin(axis=-1)
    log_sd, log_top = np.log(sd), np.log(top + _SMALL)
    return np.array(
        (
            log_sd, log_top, log_sd - np.log(_rms(v)), high / largest, deep / largest,
            log_top - log_sd, crossings, high_at - PEAK_AT, deep_at - PEAK_AT, high_at - deep_at,
            (square * apart).mean(axis=-1) / sd**3,
        )
    )  # fmt: skip


def _fast(high: Floats) -> Floats:
    """Size and crest of the rest, and its level in fifths of the window, ordered, (8, 3, n)."""
    squares = (high * high).reshape(*high.shape[:2], 5, WINDOW_SAMPLES // 5).mean(axis=-1)
    fifths = np.log(np.sqrt(np.sort(squares, axis=-1)) + _SMALL)
    log_sd = np.log(np.sqrt(squares.mean(axis=-1)) + _SMALL)
    log_top = np.log(np.abs(high).max(axis=-1) + _SMALL)
    return np.concatenate(((log_sd, log_top, log_top - log_sd), np.moveaxis(fifths, -1, 0)))


def _moments(v: Floats) -> Floats:
    """Skewness, kurtosis, and where the energy lies in time, (4, n)."""
    square = v * v
    energy, rms = square + 1e-9, _rms(v)
    weight = energy.sum(axis=1)
    middle = (energy * _AT).sum(axis=1) / weight
    spread = np.sqrt(np.maximum((energy * _AT**2).sum(axis=1) / weight - middle**2, 0))
    kurtosis = np.log((square * square).mean(axis=1) / rms**4 + _SMALL)
    return np.array(((square * v).mean(axis=1) / rms**3, kurtosis, middle - PEAK_AT, spread))


# ------------------------------------------------------------------------------- frequency, echo

_HZ = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / WINDOW_HZ)
_TAPER = np.hanning(WINDOW_SAMPLES + 2)[1:-1]
_BAND_STARTS = np.searchsorted(_HZ, BANDS_HZ[:-1])


def _power(s: Floats, size: int) -> Floats:
    spectrum = np.fft.rfft(s, size, axis=-1)
    return np.asarray(spectrum.real**2 + spectrum.imag**2)


def _spectrum(v: Floats) -> Floats:
    """Energy per band and its share, entropy, mean and strongest frequency, roll-off, (27, n)."""
    power = _power(v * _TAPER, WINDOW_SAMPLES) + 1e-6
    bands = np.add.reduceat(power, _BAND_STARTS, axis=1).T
    part = power[:, 1:] / power[:, 1:].sum(axis=1, keepdims=True)
    below = np.cumsum(part, axis=1)
    rolls = [(below < share).sum(axis=1) for share in (0.25, 0.5, 0.75, 0.9)]
    entropy, mean_hz = -(part * np.log(part)).sum(axis=1), (part * _HZ[1:]).sum(axis=1)
    return np.concatenate(
        (
            np.log(bands), np.log(bands / bands.sum(axis=0) + 1e-3),
            (entropy, mean_hz, _HZ[1:][part.argmax(axis=1)], *rolls),
        )
    )  # fmt: skip


def _echo(v: Floats) -> Floats:
    """The second axle: what comes again 0.12 to 0.6 s later, in the jolt and its envelope, (38, n).

    A wheelbase of 2.4-2.95 m at 4.5-24 m/s gives lags in that range.
    """
    both = np.array((v, _smoothed(np.abs(v), 5)))
    power = _power(both - both.mean(axis=-1, keepdims=True), 128)
    found = np.fft.irfft(power, axis=-1)[..., :31]
    jolt, envelope = found / (found[..., :1] + 1e-6)
    late = found[..., 6:] / (found[..., :1] + 1e-6)
    best, best_at = late.max(axis=-1), late.argmax(axis=-1)
    return np.concatenate(
        (
            jolt[:, 1:26].T, (best[0], best_at[0], jolt.min(axis=1), jolt.argmin(axis=1)),
            ((jolt < 0).argmax(axis=1),), envelope[:, [4, 8, 12, 16, 20, 25]].T,
            (best[1], best_at[1]),
        )
    )  # fmt: skip


def _patterns(v: Floats) -> Floats:
    """How often three neighbours rise, fall, or turn in each of four ways, (12, n).

    Ordinal patterns of Bandt and Pompe (2002), doi 10.1103/PhysRevLett.88.174102.
    """
    s = np.array((v, _smoothed(v, 5)))
    rises, whole = s[..., :-1] < s[..., 1:], s[..., :-2] < s[..., 2:]
    first, second = rises[..., :-1], rises[..., 1:]
    top, dip = first & ~second, second & ~first
    patterns: list[Bools] = [
        first & second, ~(first | second), top & whole, top & ~whole, dip & whole, dip & ~whole
    ]  # fmt: skip
    return np.array(patterns).sum(axis=-1).reshape(12, len(v))


def _above(v: Floats) -> Floats:
    """Share of the window above fixed levels and above shares of the peak; upward energy."""
    size, largest = np.abs(v), _peak(v)
    levels = np.array(
        [*np.broadcast_to(np.array(LEVELS_MS2)[:, None], (len(LEVELS_MS2), len(v))),
         *(k * largest for k in (0.1, 0.25, 0.5, 0.7))]
    )  # fmt: skip
    squares = v * v
    up = np.where(v > 0, squares, 0).sum(axis=1)
    down = np.maximum(squares.sum(axis=1) - up, 0)
    high, deep = v.max(axis=1), v.min(axis=1)
    return np.concatenate(
        (
            (size > levels[..., None]).sum(axis=-1),
            (high / (high - deep + _SMALL), np.log((up + _SMALL) / (down + _SMALL))),
        )
    )  # fmt: skip


GROUPS = (
    _centre, _neighbours, _slow_and_fast, _moments, _spectrum, _echo, _patterns, _above,
)  # fmt: skip
"""What makes the columns, in order; each gives (columns, n)."""

FEATURE_COUNT = 177
"""Columns of :func:`features`."""
