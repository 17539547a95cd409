"""The classic threshold detectors, as peers that every evaluation prints beside ours.

Each is one record of :data:`CLASSICS`: its rule, the thresholds it is quoted with, the grid that an
evaluation tries, and where it comes from. All are given our vertical axis, high-passed and without
gravity, and are deaf where ours is: orientation and gating are not what is compared.

The parameters of the two entries of the 2011 challenge were read in their published code. The
others are those commonly quoted, which we could not check against the printed papers: a figure at
a quoted threshold is not a figure of the authors. ``docs/evaluate.md`` has the table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np

from streetbump.detect.signal import Signal, moving_mean
from streetbump.model import STANDARD_GRAVITY_MS2, Bools, Floats, Ints

G = STANDARD_GRAVITY_MS2
MERGE_S = 1.0
"""Detections no further apart than this are one event, s. Chosen by us, the same for every peer."""
STDEV_WINDOW_S = 0.1
"""Window of STDEV(Z), s: ten samples at 100 Hz. Chosen by us; at least three samples."""
PEAK_WINDOW_S = 256 / 380
"""Window in which Pothole Patrol takes one peak, s: 256 samples at 380 Hz. The rate stands in the
authors' lecture slides; the 256 are quoted, not verified."""
XZ_WINDOW_S = 2 * 32 / 380
"""Window about that peak in which the lateral axis must answer, s: 32 samples on either side.
Quoted, not verified."""
HORIZONTAL_HIGHPASS_S = 1.0
"""High-pass of the horizontal, s. Chosen by us: that of the vertical in the shipped settings."""
SLOW_MS = 25 / 3.6
"""Speed below which Nericell waits for a dip and not for a peak, m/s. Quoted, not verified."""
DIP_S = 0.02
"""How long Nericell's dip lasts, s. Quoted, not verified; at 50 Hz and less it is one sample."""
RECORD_S = 0.2
"""How far apart AnStreetBump's neighbouring records are, s. Chosen by us: those of 2011 lie 0.2 s
and more apart, and on a denser grid the next sample still belongs to the same swing."""
PAIR_S = 1.0
"""Neighbours further apart than this are not paired, s. From AnStreetBump's code."""
LEVEL_MS2 = 0.2
"""What AnStreetBump calls level, m/s². From its input file."""


@dataclass(frozen=True, eq=False)
class Given:
    """What every classic is given.

    Attributes
    ----------
    signal : Signal
        n samples, usable only where a jolt counts.
    speed_ms : (n,) float64
        Speed at each sample; NaN where unknown. There a rule that asks for speed hears nothing.
    """

    signal: Signal
    speed_ms: Floats


Fires = Callable[..., Bools]
"""One number per threshold → where the rule fires, (n,)."""


@dataclass(frozen=True, eq=False)
class Classic:
    """A detector that others published.

    Attributes
    ----------
    name : str
        As tables print it.
    rule : callable
        What is given → :data:`Fires`. What depends on no threshold is computed once.
    quoted : tuple of float
        The k thresholds it is known with; empty where its source prints none.
    grid : (n_settings, k) float64
        The thresholds that an evaluation tries; the last one changes fastest.
    unit : str
        Of the thresholds, in their order.
    source : str
        Where the rule was published.
    vertical_only : bool
        Whether it needs neither speed nor another axis, and so can hear a clip.
    """

    name: str
    rule: Callable[[Given], Fires]
    quoted: tuple[float, ...]
    grid: Floats
    unit: str
    source: str
    vertical_only: bool = True

    def times(self, given: Given, thresholds: Floats) -> tuple[Ints, ...]:
        """Times of the events, ns, for each row of `thresholds` (n_settings, k).

        >>> z = np.array([0.0, 0.0, 5.0, 0.0])
        >>> signal = Signal(np.arange(4) * 10**9, z, np.zeros((4, 3)), np.ones(4, np.bool_), 1.0)
        >>> given = Given(signal, np.full(4, np.nan))
        >>> [t.tolist() for t in CLASSICS[0].times(given, np.array([[0.4], [0.6]]))]
        [[2000000000], []]
        """
        fires = self.rule(given)
        return tuple(_events(given.signal, fires(*row)) for row in thresholds.tolist())


def _events(signal: Signal, mask: Bools) -> Ints:
    """Time of the first sample of each group of true samples no further apart than MERGE_S."""
    t_ns = signal.t_ns[mask & signal.usable]
    new = np.diff(t_ns, prepend=np.int64(-(2**62))) > MERGE_S * 1e9
    return t_ns[new]


# ------------------------------------------------------------------------------- Mednis 2011


def _z_thresh(given: Given) -> Fires:
    """|vertical| exceeds the threshold."""
    size_g = np.abs(given.signal.vertical_ms2) / G
    return lambda threshold_g: size_g > threshold_g


def _z_diff(given: Given) -> Fires:
    """Two neighbouring samples differ by more than the threshold."""
    z_g = given.signal.vertical_ms2 / G
    step_g = np.abs(np.diff(z_g, prepend=z_g[:1]))
    return lambda threshold_g: step_g > threshold_g


def _stdev_z(given: Given) -> Fires:
    """The deviation in a short window exceeds the threshold."""
    spread_g = _rolling_std(given.signal) / G
    return lambda threshold_g: spread_g > threshold_g


def _g_zero(given: Given) -> Fires:
    """Every axis, gravity included, is under the threshold at once: the car falls.

    On a tilted phone gravity is spread over the axes and the rule fires all the time, which is
    its known weakness; it is given the vertical with gravity and two flat axes, so that only the
    vertical decides.
    """
    weight_g = np.abs(given.signal.vertical_ms2 / G + 1)
    return lambda threshold_g: weight_g < threshold_g


def _rolling_std(signal: Signal) -> Floats:
    width = max(3, round(STDEV_WINDOW_S * signal.rate_hz))
    z = signal.vertical_ms2
    if len(z) < width:
        return np.zeros(len(z))
    spread = np.lib.stride_tricks.sliding_window_view(z, width).std(axis=1)
    before = (width - 1) // 2
    return np.pad(spread, (before, width - 1 - before), mode="edge")


# ------------------------------------------------------------------------------- 2008


def _pothole_patrol(given: Given) -> Fires:
    """The one |z| peak of a window, where it passes three tests.

    It reaches t_z; the lateral axis answers near it with at least t_x times the peak (one wheel
    was hit, not an axle as at a joint or a hump); it reaches t_s times the speed. The authors
    trained all three, so none is quoted.

    Departures: the window is centred on the peak, so that no border cuts one in two. How the phone
    lies towards the road is not known, so the whole horizontal stands for the lateral axis, and
    the second test is weaker. The filters before (speed, high-pass) are our gate and our vertical.
    The authors also ask for several reports of one place: that is not a matter of one trip.
    """
    signal = given.signal
    z = np.abs(signal.vertical_ms2) / G
    x = _highest_around(_horizontal_ms2(signal) / G, XZ_WINDOW_S, signal.rate_hz)
    summit = z >= _highest_around(z, PEAK_WINDOW_S, signal.rate_hz)

    def fires(t_x: float, t_s: float, t_z: float) -> Bools:
        return summit & (z >= t_z) & (x >= t_x * z) & (z >= t_s * given.speed_ms)

    return fires


def _horizontal_ms2(signal: Signal) -> Floats:
    """Size of the high-passed acceleration across the vertical, (n,)."""
    width = max(1, round(HORIZONTAL_HIGHPASS_S * signal.rate_hz))
    shaken = signal.axes_ms2 - moving_mean(signal.axes_ms2, width)
    across = np.einsum("ij,ij->i", shaken, shaken) - signal.vertical_ms2**2
    return np.sqrt(np.maximum(across, 0.0))


def _highest_around(values: Floats, window_s: float, rate_hz: float) -> Floats:
    """Largest value within half a window on either side of each sample."""
    from scipy.ndimage import maximum_filter1d

    width = 2 * round(window_s / 2 * rate_hz) + 1
    return np.asarray(maximum_filter1d(values, width, mode="nearest"))


def _nericell(given: Given) -> Fires:
    """Below 25 km/h a sustained dip under one threshold (z-sus), else a peak over another (z-peak).

    Both with gravity. A dip fires where it begins. The authors' reorientation is not used.
    """
    signal = given.signal
    z_g = signal.vertical_ms2 / G + 1
    width = max(1, int(np.ceil(DIP_S * signal.rate_hz - 1e-9)))
    held_g = np.max([_later(z_g, k) for k in range(width)], axis=0)  # one step per sample of a dip
    slow, fast = given.speed_ms < SLOW_MS, given.speed_ms >= SLOW_MS
    return lambda dip_g, peak_g: (slow & (held_g < dip_g)) | (fast & (z_g > peak_g))


# ------------------------------------------------------------------------------- the 2011 challenge


def _an_street_bump(given: Given) -> Fires:
    """More than n sigma off g, where it looks like down and up again.

    Upwards: the neighbour before is below zero, the one before that not below -LEVEL_MS2, and the
    neighbour after is within n sigma. Downwards: the same with time reversed and signs changed.
    Where neighbours are missing or more than a second apart, every hit counts.

    Departures: neighbours are RECORD_S apart; g is our running gravity, not the mean of the trip;
    the event is when it happens and not a second later, for our track has its lag taken off.
    """
    signal = given.signal
    z, size = signal.vertical_ms2, np.abs(signal.vertical_ms2)
    far = max(1, round(RECORD_S * signal.rate_hz))
    z_2, z_1, z1, z2 = (_later(z, k * far) for k in (-2, -1, 1, 2))
    t_s = (signal.t_ns - signal.t_ns[:1]) * 1e-9
    steps_s = np.diff([_later(t_s, k * far) for k in (-1, 0, 1, 2)], axis=0)
    paired = np.all(steps_s <= PAIR_S, axis=0)
    swings = np.where(z > 0, (z_1 < 0) & (z_2 > -LEVEL_MS2), (z1 > 0) & (z2 < LEVEL_MS2))
    other = np.abs(np.where(z > 0, z1, z_1))
    square = z[signal.usable] ** 2
    sigma_ms2 = float(np.sqrt(square.mean())) if len(square) else np.nan

    def fires(n_sigma: float) -> Bools:
        limit_ms2 = n_sigma * sigma_ms2
        return (size > limit_ms2) & (~paired | (swings & (other < limit_ms2)))

    return fires


def _sprout(given: Given) -> Fires:
    """More than n sigma off the mean of the whole trip; nothing in fewer than two samples.

    Departure: mean and sigma are those of the samples that are heard, of our vertical.
    """
    z = given.signal.vertical_ms2
    heard = z[given.signal.usable]
    if len(heard) < 2:
        return lambda n_sigma: np.zeros(len(z), np.bool_)
    off_ms2, sigma_ms2 = np.abs(z - heard.mean()), float(heard.std(ddof=1))
    return lambda n_sigma: off_ms2 > n_sigma * sigma_ms2


def _later(values: Floats, k: int) -> Floats:
    """The value k samples later, earlier if negative, (n,); NaN beyond the ends."""
    at = np.arange(len(values)) + k
    inside = (at >= 0) & (at < len(values))
    return np.where(inside, values[np.where(inside, at, 0)], np.nan)


# ------------------------------------------------------------------------------- the table


def _each(*thresholds: Floats) -> Floats:
    """Every combination of some thresholds, (n_settings, k)."""
    return np.array(list(product(*thresholds)))


GRID_G = np.unique(np.concatenate((np.geomspace(0.02, 2.0, 81), np.linspace(0.5, 1.0, 51))))
"""Thresholds that are tried, g: steps of 6 % or less. Chosen by us, as every grid."""
_IN_G = _each(GRID_G)
_IN_SIGMA = _each(np.geomspace(1.0, 12.0, 131))
_IN_PATROL = _each(
    np.array([0.0, 0.3, 0.6]), np.array([0.0, 0.01, 0.03]), np.geomspace(0.03, 1.5, 19)
)
_IN_NERICELL = _each(np.linspace(0.4, 0.98, 11), 1 + np.geomspace(0.03, 1.5, 13))

MEDNIS = "Mednis et al., DCOSS 2011, doi 10.1109/DCOSS.2011.5982206"
ERIKSSON = "Eriksson et al., MobiSys 2008, doi 10.1145/1378600.1378605"
MOHAN = "Mohan, Padmanabhan, Ramjee, SenSys 2008, doi 10.1145/1460412.1460444"
YIP = "E. Yip, 2011, github.com/elyip/AnStreetBump"
SPROUT = "Sprout team, 2011, github.com/eliotk/sprout_streetbump"

CLASSICS = (
    Classic("Z-THRESH", _z_thresh, (0.4,), _IN_G, "g", MEDNIS),
    Classic("Z-DIFF", _z_diff, (0.2,), _IN_G, "g", MEDNIS),
    Classic("STDEV(Z)", _stdev_z, (0.2,), _IN_G, "g", MEDNIS),
    Classic("G-ZERO", _g_zero, (0.8,), _IN_G, "g", MEDNIS),
    Classic("Pothole Patrol", _pothole_patrol, (), _IN_PATROL, "1, g s/m, g", ERIKSSON, False),
    Classic("Nericell", _nericell, (0.8, 1.45), _IN_NERICELL, "g, g", MOHAN, False),
    Classic("AnStreetBump", _an_street_bump, (2.9,), _IN_SIGMA, "sigma", YIP),
    Classic("Sprout", _sprout, (3.4,), _IN_SIGMA, "sigma", SPROUT),
)
"""Every classic, in the order of the tables."""
