"""The other view of a jolt: physical features of its 1.2 s.

Size, sharpness, duration, swings before and after the peak, energy over time and frequency, echo
of the second axle. Whole columns at a time; plain numpy.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from streetbump.model import Floats

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
COARSE_HZ = (0.5, 3.0, 7.0, 13.0, 25.1)
"""Edges of the bands within a third of the window, Hz; shorter parts resolve less."""
LEVELS_MS2 = (0.3, 0.6, 1.0, 1.5, 2.5, 4.0)
"""How long a jolt exceeds each of these is a feature, m/s². Chosen by us."""

_SMALL = 1e-3  # m/s²: a hundredth of a phone's noise; ratios and logarithms stop here
_AT = np.arange(WINDOW_SAMPLES)


def features(windows: Floats) -> Floats:
    """Physical features of each window, (n, 243); never NaN.

    Parameters
    ----------
    windows : (n, 60) float64
        Vertical acceleration at 50 Hz, the peak at index 30, m/s²; NaN counts as 0, no window
        gives no row.

    >>> features(np.zeros((3, 60))).shape, features(np.empty((0, 60))).shape
    ((3, 243), (0, 243))
    """
    v = clean(windows)
    return np.nan_to_num(np.column_stack([group(v) for group in GROUPS]))


def clean(windows: Floats) -> Floats:
    """The windows as (n, 60) numbers: what is not a number, or beyond any sensor, counts as 0.

    >>> clean(np.full((1, 60), np.nan)).max().item()
    0.0
    """
    v = np.asarray(windows, dtype=np.float64).reshape(-1, WINDOW_SAMPLES)
    return np.where(np.abs(v) < _BEYOND_MS2, v, 0.0)


_BEYOND_MS2 = 1e4  # a thousand g


def _peak(v: Floats) -> Floats:
    return np.asarray(np.abs(v).max(axis=1) + _SMALL)


def _rms(v: Floats) -> Floats:
    return np.asarray(np.sqrt(np.mean(v**2, axis=1)) + _SMALL)


def _smoothed(v: Floats, width: int) -> Floats:
    """Moving mean over `width` samples, mirrored at the ends, (n, 60)."""
    before = width // 2
    padded = np.pad(v, ((0, 0), (before, width - 1 - before)), mode="reflect")
    total = np.cumsum(np.pad(padded, ((0, 0), (1, 0))), axis=1)
    return np.asarray((total[:, width:] - total[:, :-width]) / width)


def _shares(power: Floats, hz: Floats, edges: tuple[float, ...]) -> list[Floats]:
    """Energy between neighbouring edges, each (n,)."""
    return [power[:, (hz >= low) & (hz < high)].sum(axis=1) for low, high in pairwise(edges)]


# ------------------------------------------------------------------------------- size and shape


def _centre(v: Floats) -> Floats:
    """Level within 0.06 to 0.44 s of the peak, outside of it, and their ratio."""
    energy, columns = v**2, []
    total = energy.sum(axis=1)
    for half in (3, 6, 10, 15, 22):
        inside = energy[:, PEAK_AT - half : PEAK_AT + half + 1].sum(axis=1)
        outside = np.maximum(total - inside, 0) + _SMALL
        near = np.sqrt(inside / (2 * half + 1)) + _SMALL
        far = np.sqrt(outside / (WINDOW_SAMPLES - 2 * half - 1))
        columns += [np.log(near), np.log(far + _SMALL), np.log(near / (far + _SMALL))]
    return np.column_stack(columns)


def _counts(v: Floats) -> Floats:
    """How many peaks up and down (above a quarter and half of the largest, and 1 m/s²), turns."""
    columns = []
    for side in (v, -v):
        middle = side[:, 1:-1]
        is_top = (middle >= side[:, :-2]) & (middle > side[:, 2:]) & (middle > 0)
        top, largest = np.where(is_top, middle, 0), _peak(v)[:, None]
        columns += [(top > limit).sum(axis=1) for limit in (0.25 * largest, 0.5 * largest, 1.0)]
    columns.append((np.diff(np.sign(np.diff(v, axis=1)), axis=1) != 0).sum(axis=1))
    return np.column_stack(columns)


def _swing(v: Floats) -> Floats:
    """The swing that holds the peak: its length, both flanks, its impulse, up or down."""
    row, main = np.arange(len(v)), np.abs(v).argmax(axis=1)
    sign = np.sign(v[row, main])
    other, at_main = v * sign[:, None] <= 0, main[:, None]
    left = np.where(other & (at_main > _AT), _AT, -1).max(axis=1)
    right = np.where(other & (at_main < _AT), _AT, WINDOW_SAMPLES).min(axis=1)
    total = np.cumsum(np.pad(v, ((0, 0), (1, 0))), axis=1)
    impulse = total[row, right] - total[row, np.maximum(left + 1, 0)]
    return np.column_stack((right - left, main - left, right - main, impulse, sign))


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
    return np.column_stack(columns)


def _jerk(v: Floats) -> Floats:
    """First and second difference: size, crest, direction, quantiles; Hjorth's parameters.

    Hjorth (1970), doi 10.1016/0013-4694(70)90143-4: mobility and complexity.
    """
    first = np.diff(v, axis=1)
    second = np.diff(first, axis=1)
    largest, columns = _peak(v), []
    for s in (first, second):
        size, sd = np.abs(s), s.std(axis=1) + _SMALL
        top = size.max(axis=1)
        columns += [np.log(top + _SMALL), np.log(sd), np.log(top / sd + _SMALL)]
        columns += [s.max(axis=1) / largest, s.min(axis=1) / largest]
        columns += [size.mean(axis=1) / _rms(v), size.argmax(axis=1)]
        ordered = np.sort(size, axis=1) / largest[:, None]
        columns += [ordered[:, ordered.shape[1] * q // 100] for q in (25, 50, 75, 90)]
    var = [s.var(axis=1) + _SMALL**2 for s in (v, first, second)]
    mobility = np.sqrt(var[1] / var[0])
    columns += [mobility, np.sqrt(var[2] / var[1]) / mobility]
    return np.column_stack(columns)


def _slow_and_fast(v: Floats) -> Floats:
    """The jolt smoothed over 0.1, 0.18 and 0.3 s, and what that leaves."""
    columns: list[Floats] = []
    for width in (5, 9, 15):
        low = _smoothed(v, width)
        columns += _slow(low, v)
        columns += _fast(v - low)
    return np.column_stack(columns)


def _slow(low: Floats, v: Floats) -> list[Floats]:
    """Size, extremes and where they lie, crossings and skewness of the smoothed jolt."""
    sd, top, largest = low.std(axis=1) + _SMALL, np.abs(low).max(axis=1), _peak(v)
    crossings = (np.signbit(low[:, 1:]) != np.signbit(low[:, :-1])).sum(axis=1)
    high_at, low_at = low.argmax(axis=1), low.argmin(axis=1)
    third = low - low.mean(axis=1, keepdims=True)
    return [
        np.log(sd), np.log(top + _SMALL), np.log(sd / _rms(v)), low.max(axis=1) / largest,
        low.min(axis=1) / largest, np.log(top / sd + _SMALL**2), crossings, high_at - PEAK_AT,
        low_at - PEAK_AT, high_at - low_at, (third * third * third).mean(axis=1) / sd**3,
    ]  # fmt: skip


def _fast(high: Floats) -> list[Floats]:
    """Size and crest of the rest, and its level in fifths of the window, ordered."""
    sd, top = high.std(axis=1) + _SMALL, np.abs(high).max(axis=1)
    fifths = np.sqrt((high**2).reshape(-1, 5, WINDOW_SAMPLES // 5).mean(axis=2))
    levels = np.log(np.sort(fifths, axis=1) + _SMALL)
    return [np.log(sd), np.log(top + _SMALL), np.log(top / sd + _SMALL**2), *levels.T]


def _moments(v: Floats) -> Floats:
    """Skewness, kurtosis, and where the energy lies in time."""
    energy = v**2 + 1e-9
    weight = energy.sum(axis=1)
    middle = (energy @ _AT) / weight
    spread = np.sqrt(np.maximum((energy @ _AT**2) / weight - middle**2, 0))
    kurtosis = np.log((v**4).mean(axis=1) / _rms(v) ** 4 + _SMALL)
    return np.column_stack(
        ((v**3).mean(axis=1) / _rms(v) ** 3, kurtosis, middle - PEAK_AT, spread)
    )  # fmt: skip


# ------------------------------------------------------------------------------- frequency, echo


def _spectrum(v: Floats) -> Floats:
    """Energy per band and its share, entropy, mean and strongest frequency, roll-off."""
    hz = np.fft.rfftfreq(WINDOW_SAMPLES, 1 / WINDOW_HZ)
    taper = np.hanning(WINDOW_SAMPLES + 2)[1:-1]
    power = np.abs(np.fft.rfft(v * taper, axis=1)) ** 2 + 1e-6
    bands = np.column_stack(_shares(power, hz, BANDS_HZ))
    part = power[:, 1:] / power[:, 1:].sum(axis=1, keepdims=True)
    below = np.cumsum(part, axis=1)
    return np.column_stack(
        (
            np.log(bands), np.log(bands / bands.sum(axis=1, keepdims=True) + 1e-3),
            -(part * np.log(part)).sum(axis=1), part @ hz[1:], hz[1:][part.argmax(axis=1)],
            *((below < share).sum(axis=1) for share in (0.25, 0.5, 0.75, 0.9)),
        )
    )  # fmt: skip


def _parts(v: Floats) -> Floats:
    """Energy per coarse band at the beginning, about the peak, and at the end."""
    length, columns = 24, []
    hz, taper = np.fft.rfftfreq(length, 1 / WINDOW_HZ), np.hanning(length + 2)[1:-1]
    for first in (0, 18, 36):
        power = np.abs(np.fft.rfft(v[:, first : first + length] * taper, axis=1)) ** 2
        columns += [np.log(share + 1e-3) for share in _shares(power, hz, COARSE_HZ)]
    return np.column_stack(columns)


def _autocorrelation(s: Floats) -> Floats:
    """Lags 0 to 0.6 s, (n, 31), 1 at lag 0."""
    power = np.abs(np.fft.rfft(s - s.mean(axis=1, keepdims=True), 128, axis=1)) ** 2
    found = np.fft.irfft(power, axis=1)[:, :31]
    return np.asarray(found / (found[:, :1] + 1e-6))


def _echo(v: Floats) -> Floats:
    """The second axle: what comes again 0.12 to 0.6 s later, in the jolt and in its envelope.

    A wheelbase of 2.4-2.95 m at 4.5-24 m/s gives lags in that range.
    """
    jolt, envelope = _autocorrelation(v), _autocorrelation(_smoothed(np.abs(v), 5))
    late, slow = jolt[:, 6:], envelope[:, 6:]
    return np.column_stack(
        (
            jolt[:, 1:26], late.max(axis=1), late.argmax(axis=1), jolt.min(axis=1),
            jolt.argmin(axis=1), (jolt < 0).argmax(axis=1),
            envelope[:, [4, 8, 12, 16, 20, 25]], slow.max(axis=1), slow.argmax(axis=1),
        )
    )  # fmt: skip


def _patterns(v: Floats) -> Floats:
    """How often three neighbours rise, fall, or turn in each of four ways.

    Ordinal patterns of Bandt and Pompe (2002), doi 10.1103/PhysRevLett.88.174102.
    """
    columns = []
    for s in (v, _smoothed(v, 5)):
        first, second = s[:, :-2] < s[:, 1:-1], s[:, 1:-1] < s[:, 2:]
        whole = s[:, :-2] < s[:, 2:]
        patterns = (
            first & second, ~first & ~second, first & ~second & whole, first & ~second & ~whole,
            ~first & second & whole, ~first & second & ~whole,
        )  # fmt: skip
        columns += [pattern.mean(axis=1) for pattern in patterns]
    return np.column_stack(columns)


def _above(v: Floats) -> Floats:
    """Share of the window above fixed levels and above shares of the peak; upward energy."""
    size, largest = np.abs(v), _peak(v)
    columns = [(size > level).mean(axis=1) for level in LEVELS_MS2]
    columns += [(size > k * largest[:, None]).mean(axis=1) for k in (0.1, 0.25, 0.5, 0.7)]
    up = np.where(v > 0, v**2, 0).sum(axis=1)
    down = (v**2).sum(axis=1) - up
    columns += [v.max(axis=1) / (v.max(axis=1) - v.min(axis=1) + _SMALL)]
    columns += [np.log((up + _SMALL) / (np.maximum(down, 0) + _SMALL))]
    return np.column_stack(columns)


def _velocity(v: Floats) -> Floats:
    """Extremes of the integral and where they lie, its spread, its value at the peak."""
    speed = np.cumsum(v - v.mean(axis=1, keepdims=True), axis=1) / WINDOW_HZ
    return np.column_stack(
        (
            speed.max(axis=1), speed.min(axis=1), speed.std(axis=1), speed.argmax(axis=1),
            speed.argmin(axis=1), speed[:, PEAK_AT],
        )
    )  # fmt: skip


_LOW_PASS = np.array([0.48296291, 0.8365163, 0.22414387, -0.12940952])
_HIGH_PASS = _LOW_PASS[::-1] * [1.0, -1.0, 1.0, -1.0]


def _wavelets(v: Floats) -> Floats:
    """Energy, its share, and crest on four scales of Daubechies' wavelet of four taps.

    Daubechies (1988), doi 10.1002/cpa.3160410705.
    """
    columns, low = [], v
    for _ in range(4):
        padded = np.pad(low, ((0, 0), (1, 2)), mode="reflect")
        taps = np.stack([padded[:, k : k + low.shape[1]][:, ::2] for k in range(4)], axis=2)
        high, low = taps @ _HIGH_PASS, taps @ _LOW_PASS
        energy, size = (high**2).mean(axis=1), np.abs(high)
        crest = size.max(axis=1) / (size.mean(axis=1) + _SMALL)
        columns += [np.log(energy + 1e-4), np.log(energy / _rms(v) ** 2 + _SMALL)]
        columns.append(np.log(crest + _SMALL))
    return np.column_stack(columns)


GROUPS = (
    _centre, _counts, _swing, _neighbours, _jerk, _slow_and_fast, _moments, _spectrum, _parts,
    _echo, _patterns, _above, _velocity, _wavelets,
)  # fmt: skip
"""What makes the columns, in order."""

FEATURE_COUNT = 243
"""Columns of :func:`features`."""
