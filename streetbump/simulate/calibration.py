"""How far simulated jolts are from recorded ones, and drives like those that were recorded.

Pure: recordings are read by ``scripts/calibrate_simulator.py`` and by the tests. Everything here is
drawn from the one population of cars, drivers, phones, surfaces and defects
(:mod:`~streetbump.simulate.fleet`, :mod:`~streetbump.simulate.town`); a recorded set differs only in
what is known of it: rate, gravity, where the phones lay, which roads, and who chose what.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streetbump.detect.signal import moving_mean
from streetbump.model import Floats, Ints, JoltClass
from streetbump.simulate.defects import OUT, Defect
from streetbump.simulate.drive import Driver
from streetbump.simulate.fleet import random_car, random_driver
from streetbump.simulate.gps import Receiver
from streetbump.simulate.phone import Phone, random_phone
from streetbump.simulate.roads import Edge, Network, way_along
from streetbump.simulate.surface import STONE_GD, UNMADE_GD
from streetbump.simulate.town import MAKERS, street_roughness
from streetbump.simulate.trip import Crossing, Scene, SimulatedTrip, simulate_trip

# ------------------------------------------------------------------------------- what is compared

BANDS_HZ = ((0.5, 3.0), (3.0, 8.0), (8.0, 15.0), (15.0, 25.1))
"""Bands whose share of the energy is compared: those of the classifier."""

SETTLE_S = 1.0
"""A moving mean of this length is taken off first, s: as detection and classification do."""

JOLT_S = 1.2
"""Window around the peak in which a jolt is measured, s: that of the classifier."""

STATISTICS = (
    "peak_ms2", "sigma_ms2", "duration_s", "centroid_hz",
    *(f"share_{low:g}_{high:.0f}" for low, high in BANDS_HZ),
)  # fmt: skip
"""Names of the statistics, in order."""


def statistics(series_ms2: Floats, *, rate_hz: float, window_s: float = JOLT_S) -> Floats:
    """The `STATISTICS` of the strongest jolt of a series, or of all of it, (8,).

    Largest magnitude; standard deviation; time above half the largest; mean frequency of the
    energy; its share in each of `BANDS_HZ` (NaN for a band above half the rate).

    Parameters
    ----------
    series_ms2 : (n,) float64
        Vertical acceleration on an even grid, with or without gravity, m/s²; a moving mean of
        `SETTLE_S` is taken off. Empty or NaN: all NaN.
    rate_hz : float
        Rate of the grid, Hz.
    window_s : float
        What is measured around the peak, s; ``inf`` for the whole series.

    >>> t = np.arange(300) / 50.0
    >>> wave = statistics(3.0 * np.sin(2 * np.pi * 5.0 * t), rate_hz=50.0, window_s=np.inf)
    >>> wave[[0, 1, 3]].round(1).tolist(), wave[4:].round(1).tolist()
    ([3.0, 2.1, 5.0], [0.0, 1.0, 0.0, 0.0])
    """
    if len(series_ms2) == 0 or not np.isfinite(series_ms2).all():
        return np.full(len(STATISTICS), np.nan)
    v = series_ms2 - moving_mean(series_ms2, max(1, round(SETTLE_S * rate_hz)))
    at = int(np.abs(v).argmax())
    peak = float(np.abs(v[at]))
    if np.isfinite(window_s):
        half = round(window_s / 2 * rate_hz)
        v = v[max(at - half, 0) : at + half]
    long_s = float((np.abs(v) > peak / 2).sum() / rate_hz)
    return np.array([peak, float(v.std()), long_s, *_spectrum(v, rate_hz)])


def _spectrum(v: Floats, rate_hz: float) -> list[float]:
    """Mean frequency and shares of the bands, above the lowest band's edge."""
    size = 2 ** int(np.ceil(np.log2(max(4 * len(v), 64))))
    hz = np.fft.rfftfreq(size, 1 / rate_hz)
    power = np.abs(np.fft.rfft(v * np.hanning(len(v) + 2)[1:-1], size)) ** 2
    power[hz < BANDS_HZ[0][0]] = 0.0
    total = float(power.sum()) + 1e-12
    shares = [
        float(power[(hz >= low) & (hz < high)].sum()) / total if low < rate_hz / 2 else np.nan
        for low, high in BANDS_HZ
    ]
    return [float(power @ hz) / total, *shares]


def statistics_of(
    series_ms2: Sequence[Floats], *, rate_hz: float, window_s: float = JOLT_S
) -> Floats:
    """The `STATISTICS` of each series, (n, 8).

    >>> statistics_of([np.ones(90)], rate_hz=50.0).shape
    (1, 8)
    """
    rows = [statistics(s, rate_hz=rate_hz, window_s=window_s) for s in series_ms2]
    return np.array(rows).reshape(-1, len(STATISTICS))


def stretches(session_ms2: Floats, *, rate_hz: float, stretch_s: float) -> list[Floats]:
    """A session cut into stretches of `stretch_s`, the rest left out.

    >>> [len(s) for s in stretches(np.zeros(130), rate_hz=10.0, stretch_s=6.0)]
    [60, 60]
    """
    size = round(stretch_s * rate_hz)
    return [session_ms2[k : k + size] for k in range(0, len(session_ms2) - size + 1, size)]


def distance(a: Floats, b: Floats) -> float:
    """How far two samples of a statistic are apart, 0 (alike) to 1: Kolmogorov-Smirnov.

    The largest difference of the two empirical distributions. Chosen over the Wasserstein
    distance because it has no unit, so that one bound serves every statistic, needs no scale
    taken from the data, and is not ruled by the few largest jolts. NaN counts as missing; an empty
    sample is as far as can be.

    >>> distance(np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 30.0])).__round__(3)
    0.333
    >>> distance(np.array([1.0, 2.0]), np.array([3.0, np.nan]))
    1.0
    """
    a, b = np.sort(a[np.isfinite(a)]), np.sort(b[np.isfinite(b)])
    if min(len(a), len(b)) == 0:
        return 1.0
    both = np.concatenate((a, b))
    below_a = np.searchsorted(a, both, side="right") / len(a)
    below_b = np.searchsorted(b, both, side="right") / len(b)
    return float(np.abs(below_a - below_b).max())


def split_half_distance(
    values: Floats, *, rng: np.random.Generator, draws: int = 200, groups: Ints | None = None
) -> float:
    """Mean distance of two random halves of a sample: how alike the real thing is to itself.

    Parameters
    ----------
    groups : (n,) int64
        Recording of each value; a recording stays in one half, as its stretches are one car on
        one road. Default: each value stands for itself.

    >>> split_half_distance(np.ones(10), rng=np.random.default_rng(0))
    0.0
    >>> split_half_distance(np.array([1.0, 1, 2, 2]), rng=np.random.default_rng(0),
    ...                     groups=np.array([0, 0, 1, 1]))
    1.0
    """
    groups = np.arange(len(values)) if groups is None else groups
    names = np.unique(groups)
    total = 0.0
    for _ in range(draws):  # a few hundred sorts
        half = np.isin(groups, rng.permutation(names)[: len(names) // 2])
        total += distance(values[half], values[~half])
    return total / draws


BOUND = 1.5
"""A simulated sample may be this much further from the recorded one than the recorded halves are
from each other. A factor of 1 is out of reach of chance; chosen by us."""

# ------------------------------------------------------------------------------- one drive

AT_M = (90.0, 180.0, 270.0, 360.0)
"""Where defects lie on a calibration street, m: far enough apart to ring out between."""

STREET_M = 430.0


def _street(
    defects: Sequence[Defect], *, length_m: float, gd_m3: float, cruise_ms: float, seed: int
) -> Scene:
    edge = Edge(
        0, 1, np.array([0.0, length_m]), np.zeros(2), cruise_ms=cruise_ms, gd_m3=(gd_m3, gd_m3)
    )
    return Scene(Network(0.0, 0.0, (edge,)), tuple(defects), seed)


def _phone(places: Sequence[str], *, rate_hz: float, rng: np.random.Generator) -> Phone:
    """A phone of the population that lies in one of these mounts, each as likely as named."""
    place = str(rng.choice(places))
    while (phone := random_phone(rng, length_s=60.0)).mount != place:
        pass
    return replace(phone, rate_hz=rate_hz, batch=1, gap_per_hour=0.0, events=())


def _driven(
    scene: Scene, *, places: Sequence[str], rate_hz: float, rng: np.random.Generator,
    driver: Driver | None = None,
) -> SimulatedTrip:  # fmt: skip
    """A car, a driver and a phone of the population on the calibration street."""
    return simulate_trip(
        scene, way_along(scene.network, [(0, OUT)]), car=random_car(rng),
        driver=driver or random_driver(rng),
        phone=_phone(places, rate_hz=rate_hz, rng=rng), receiver=Receiver(), rng=rng,
    )  # fmt: skip


def upward(trip: SimulatedTrip, *, gravity: bool) -> Floats:
    """Acceleration along the phone's idea of up, (n,), m/s², with gravity or without."""
    size = np.linalg.norm(trip.gravity_ms2, axis=1)
    along = np.einsum("ij,ij->i", trip.acc_ms2, trip.gravity_ms2) / size
    return np.asarray(along if gravity else along - size)


# ------------------------------------------------------------------------------- as González

CLIP_HZ = 50.0

PLACES = ("cupholder", "cupholder", "pocket", "pocket", "purse")
"""González et al. (2017): door, console, shirt pocket, trouser pocket, purse. A door's pocket and
a console are hard plastic, as a cupholder is."""

CLIP_S = {
    JoltClass.POTHOLE: (1.9, 0.2),
    JoltClass.HUMP: (3.3, 0.2),
    JoltClass.MARKER: (2.6, 0.17),
    JoltClass.SMOOTH: (5.7, 0.15),
    JoltClass.ROUGH: (4.1, 0.25),
}
"""How long its clips are by class: median, s, and standard deviation of the logarithm."""

WORN_M3 = 150e-6
"""From this roughness on people call a street worn out, m³: the middle of class C, calibrated."""


def clips(label: JoltClass, count: int, *, rng: np.random.Generator) -> list[Floats]:
    """Clips like those of González et al. (2017): vertical acceleration at 50 Hz with gravity.

    Events are those that were felt; roads are stretches without any.

    >>> a, b = clips(JoltClass.HUMP, 2, rng=np.random.default_rng(0))
    >>> 60 < len(a) < 400, 8 < a.mean() < 12
    (True, True)
    """
    found: list[Floats] = []
    while len(found) < count:
        found += _clips(label, rng)
    return found[:count]


def _clips(label: JoltClass, rng: np.random.Generator) -> list[Floats]:
    """The clips of one drive: one car, driver, phone and street."""
    gd = _roughness(label, rng)
    at = AT_M if label in EVENTS else ()
    defects = [MAKERS[EVENTS[label]](f"d{k}", 0, x, rng) for k, x in enumerate(at)]
    defects = [replace(d, lane=OUT) if d.lane != "both" else d for d in defects]
    cruise = float(rng.choice([10.0, 14.0], p=[0.6, 0.4]))
    scene = _street(
        defects, length_m=STREET_M, gd_m3=gd, cruise_ms=cruise, seed=int(rng.integers(2**31))
    )
    trip = _driven(scene, places=PLACES, rate_hz=CLIP_HZ, rng=rng)
    series = upward(trip, gravity=True)
    if label in EVENTS:
        middle = [_middle_s(c) for c in trip.crossings if c.felt]
    else:
        middle = list(trip.t_s[-1] * np.array([0.4, 0.6]))
    return [_clip(series, t, label, rng) for t in middle]


EVENTS = {JoltClass.POTHOLE: "pothole", JoltClass.HUMP: "hump", JoltClass.MARKER: "marker"}
"""Class → kind of defect that is driven over."""


def _roughness(label: JoltClass, rng: np.random.Generator) -> float:
    """Roughness of a street of the population that bears such a label, m³."""
    drawn = street_roughness(500, rng=rng)
    if label is JoltClass.ROUGH:
        return float(drawn[drawn > WORN_M3][0])
    return float(drawn[drawn < WORN_M3][0]) if label is JoltClass.SMOOTH else float(drawn[0])


def _middle_s(crossing: Crossing) -> float:
    """Between the axles' hits, s: half a wheelbase later than the front axle's."""
    return crossing.t_s + 1.35 / max(crossing.speed_ms, 1.0)


def _clip(series: Floats, middle_s: float, label: JoltClass, rng: np.random.Generator) -> Floats:
    median, spread = CLIP_S[label]
    half = median * np.exp(spread * rng.standard_normal()) / 2
    first = max(round((middle_s - half) * CLIP_HZ), 0)
    return series[first : round((middle_s + half) * CLIP_HZ)]
