"""How far simulated jolts are from recorded ones, and drives like those that were recorded.

Pure: recordings are read by ``scripts/calibrate_simulator.py`` and by the tests. Everything here
is drawn from the one population of cars, drivers, phones, surfaces and defects
(:mod:`~streetbump.simulate.fleet`, :mod:`~streetbump.simulate.town`); a recorded set differs only
in what is known of it: rate, gravity, where the phones lay, which roads, and who chose what.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from streetbump.detect.signal import moving_mean
from streetbump.model import Floats, Ints, JoltClass
from streetbump.simulate.defects import BOTH, OUT, Defect
from streetbump.simulate.drive import Driver
from streetbump.simulate.fleet import random_car, random_driver
from streetbump.simulate.gps import Receiver
from streetbump.simulate.phone import Phone, random_phone
from streetbump.simulate.roads import Edge, Network, way_along
from streetbump.simulate.surface import STONE_GD, UNMADE_GD
from streetbump.simulate.town import HARD, MAKERS, street_roughness
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
    >>> wave[[1, 3]].round(1).tolist(), wave[4:].round(1).tolist()
    ([2.1, 5.0], [0.0, 1.0, 0.0, 0.0])
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

AT_M = (90.0, 190.0)
"""Where defects lie on a calibration street, m: far enough apart to ring out between."""

STREET_M, LONG_M = 330.0, 430.0
"""Length of a calibration street, and of one for sessions, m: so that there is time to cruise."""


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

LABELLED_MS2 = 2.0
"""Weaker events are not worth a label, m/s² at the phone's place. Calibrated."""

REGULAR_M3, WORN_M3 = 150e-6, 220e-6
"""Up to the first people call a street regular, from the second on worn out, m³ (class C of ISO
8608 begins at 128e-6); what lies between is either. Calibrated."""


def clips(label: JoltClass, count: int, *, rng: np.random.Generator) -> list[Floats]:
    """Clips like those of González et al. (2017): vertical acceleration at 50 Hz with gravity.

    Events are those that were felt; roads are stretches without any.

    >>> a, b = clips(JoltClass.HUMP, 2, rng=np.random.default_rng(0))
    >>> 60 < len(a) < 400, bool(8 < a.mean() < 12)
    (True, True)
    """
    found: list[Floats] = []
    while len(found) < count:
        found += _clips(label, rng)
    return found[:count]


def _clips(label: JoltClass, rng: np.random.Generator) -> list[Floats]:
    """The clips of one drive: one car, driver, phone and street."""
    gd = _roughness(label, rng)
    defects = _events(EVENTS[label], rng) if label in EVENTS else _minor(STREET_M, rng)
    cruise = float(rng.choice([10.0, 14.0], p=[0.6, 0.4]))
    scene = _street(
        defects, length_m=STREET_M, gd_m3=gd, cruise_ms=cruise, seed=int(rng.integers(2**31))
    )
    trip = _driven(scene, places=PLACES, rate_hz=CLIP_HZ, rng=rng)
    series = upward(trip, gravity=True)
    if label in EVENTS:
        middle = [_middle_s(c) for c in trip.crossings if c.felt and c.peak_ms2 > LABELLED_MS2]
    else:
        middle = list(trip.t_s[-1] * np.array([0.4, 0.6]))
    return [_clip(series, t, label, rng) for t in middle]


EVENTS = {JoltClass.POTHOLE: "pothole", JoltClass.HUMP: "hump", JoltClass.MARKER: "marker"}
"""Class → kind of defect that is driven over."""


def _events(kind: str, rng: np.random.Generator) -> list[Defect]:
    """Defects of one kind where the car drives."""
    drawn = [MAKERS[kind](f"{kind}{k}", 0, x, rng) for k, x in enumerate(AT_M)]
    return [replace(d, lane=OUT) if d.lane != BOTH else d for d in drawn]


def _minor(length_m: float, rng: np.random.Generator) -> list[Defect]:
    """The patches and cracks of an ordinary street, as many as in a town."""
    per_km = {"patch": HARD.patches / 2, "crack": HARD.cracks}  # a patch lies in one lane
    return [
        MAKERS[kind](f"{kind}{k}", 0, float(rng.uniform(20.0, length_m - 20.0)), rng)
        for kind, rate in per_km.items()
        for k in range(rng.poisson(rate * length_m / 1000))
    ]


def _roughness(label: JoltClass, rng: np.random.Generator) -> float:
    """Roughness of a street of the population that bears such a label, m³."""
    drawn = street_roughness(500, rng=rng)
    if label is JoltClass.ROUGH:
        return float(drawn[drawn > WORN_M3][0])
    return float(drawn[drawn < REGULAR_M3][0]) if label is JoltClass.SMOOTH else float(drawn[0])


def _middle_s(crossing: Crossing) -> float:
    """Between the axles' hits, s: half a wheelbase later than the front axle's."""
    return crossing.t_s + 1.35 / max(crossing.speed_ms, 1.0)


def _clip(series: Floats, middle_s: float, label: JoltClass, rng: np.random.Generator) -> Floats:
    median, spread = CLIP_S[label]
    half = median * np.exp(spread * rng.standard_normal()) / 2
    first = max(round((middle_s - half) * CLIP_HZ), 0)
    return series[first : round((middle_s + half) * CLIP_HZ)]


# ------------------------------------------------------------------------------- as Tartu

SESSION_HZ = 10.0

SESSION_PLACES = ("cradle", "cupholder", "seat", "pocket")
"""Where the phones lay is not known."""

SESSION_S = 24.0
"""Its usual session is 20 s; a second is lost at either end of ours."""

SESSION_ROADS = {
    "Smooth": ((30e-6, 200e-6), (14.0, 24.0)),
    "Bumpy": (STONE_GD, (8.0, 13.0)),
    "Rough": (UNMADE_GD, (7.0, 10.0)),
}
"""Label → roughness, m³, and speed, m/s. Wu and Hadachi (2020) drove asphalt roads, stone roads
and off-roads; the speeds are not known (calibrated)."""


def sessions(label: str, count: int, *, rng: np.random.Generator) -> list[Floats]:
    """Sessions like those of Wu and Hadachi (2020): vertical at 10 Hz, gravity removed, m/s².

    Parameters
    ----------
    label : str
        A key of `SESSION_ROADS`.

    >>> (one,) = sessions("Smooth", 1, rng=np.random.default_rng(0))
    >>> 180 < len(one) < 260, bool(abs(one.mean()) < 1.0)
    (True, True)
    """
    found = []
    for _ in range(count):  # one car, driver, phone and road each
        (low, high), speeds = SESSION_ROADS[label]
        gd, cruise = float(np.exp(rng.uniform(*np.log([low, high])))), float(rng.uniform(*speeds))
        length = cruise * (SESSION_S + 14.0) + cruise**2
        scene = _street(
            [], length_m=length, gd_m3=gd, cruise_ms=cruise, seed=int(rng.integers(2**31))
        )
        trip = _driven(scene, places=SESSION_PLACES, rate_hz=SESSION_HZ, rng=rng)
        found.append(_cruising(trip, SESSION_S, rate_hz=SESSION_HZ, gravity=False))
    return found


def _cruising(trip: SimulatedTrip, length_s: float, *, rate_hz: float, gravity: bool) -> Floats:
    """The middle of a drive."""
    series = upward(trip, gravity=gravity)
    half = round(min(length_s, trip.t_s[-1] - 8.0) / 2 * rate_hz)
    return series[len(series) // 2 - half : len(series) // 2 + half]


# ------------------------------------------------------------------------------- as Pittsburgh

SLOW_HZ = 5.0

PRESS_S = (3.0, 1.5)
"""A press on the button comes up to this long after its jolt, and before, s."""

PRESSED_S = 3.0
"""Window around the peak in which such a jolt is measured, s: at 5 Hz a shorter one has no
spectrum."""

UPRIGHT = ("cradle", "rigid", "cupholder")
"""The phone stood upright, 12° from the vertical on every day: in a holder or a cupholder."""

GOOD_BAD = {"good": JoltClass.SMOOTH, "bad": JoltClass.ROUGH}
"""Label of a session → label of its streets."""


def presses(count: int, *, rng: np.random.Generator) -> list[Floats]:
    """Series around a passenger's presses at potholes felt: vertical at 5 Hz with gravity, m/s².

    >>> [len(s) for s in presses(1, rng=np.random.default_rng(0))]
    [22]
    """
    found: list[Floats] = []
    size = round(sum(PRESS_S) * SLOW_HZ)
    while len(found) < count:
        trip = _slow_drive(_events("pothole", rng), float(street_roughness(1, rng=rng)[0]), rng)
        series = upward(trip, gravity=True)
        for c in trip.crossings:
            first = round((c.t_s + 0.3 - PRESS_S[0]) * SLOW_HZ)  # pressed 0.3 s later
            if c.felt and first >= 0 and first + size <= len(series):
                found.append(series[first : first + size])
    return found[:count]


def good_bad(label: str, count: int, *, rng: np.random.Generator) -> list[Floats]:
    """Drives over good or bad road: vertical at 5 Hz with gravity, m/s², some 30 s each.

    Parameters
    ----------
    label : str
        A key of `GOOD_BAD`.

    >>> len(good_bad("good", 2, rng=np.random.default_rng(0)))
    2
    """
    found = []
    for _ in range(count):  # one car, driver, phone and street each
        trip = _slow_drive(_minor(LONG_M, rng), _roughness(GOOD_BAD[label], rng), rng)
        found.append(_cruising(trip, 30.0, rate_hz=SLOW_HZ, gravity=True))
    return found


def _slow_drive(defects: Sequence[Defect], gd_m3: float, rng: np.random.Generator) -> SimulatedTrip:
    cruise = float(rng.choice([10.0, 14.0], p=[0.6, 0.4]))
    scene = _street(
        defects, length_m=LONG_M, gd_m3=gd_m3, cruise_ms=cruise, seed=int(rng.integers(2**31))
    )
    return _driven(scene, places=UPRIGHT, rate_hz=SLOW_HZ, rng=rng)


# ------------------------------------------------------------------------------- the comparison

STRETCH_S = 6.0
"""Sessions are compared by stretches of this length, s: that of a clip of ordinary road."""

MOVING_MS2 = 0.25
"""A stretch with less standard deviation than this is of a car that stands, m/s²."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Series of one population, recorded or simulated.

    Attributes
    ----------
    series_ms2 : tuple of (n,) float64
        Vertical acceleration, m/s².
    recording : (len(series),) int64
        Which recording each is of.
    """

    series_ms2: tuple[Floats, ...]
    recording: Ints


@dataclass(frozen=True)
class Population:
    """One recorded population, and how its like is simulated.

    Attributes
    ----------
    rate_hz : float
    window_s : float
        What is measured around a peak, s; ``inf`` for whole series.
    whole : bool
        Whether series are events or clips; else sessions, to be cut into stretches.
    drive : callable
        ``(count, rng=...) -> series``.
    count : int
        How many are simulated: so many that chance adds little to the recorded set's own.
    """

    rate_hz: float
    window_s: float
    whole: bool
    drive: Callable[..., list[Floats]]
    count: int


def _of_label(label: JoltClass) -> Callable[..., list[Floats]]:
    return lambda count, *, rng: clips(label, count, rng=rng)


def _of_road(label: str) -> Callable[..., list[Floats]]:
    return lambda count, *, rng: sessions(label, count, rng=rng)


def _of_streets(label: str) -> Callable[..., list[Floats]]:
    return lambda count, *, rng: good_bad(label, count, rng=rng)


POPULATIONS = {
    **{
        f"gonzalez {c.value}": Population(
            CLIP_HZ, JOLT_S if c in EVENTS else np.inf, True, _of_label(c), 200
        )
        for c in CLIP_S
    },
    **{
        f"tartu {name.lower()}": Population(SESSION_HZ, np.inf, False, _of_road(name), 100)
        for name in SESSION_ROADS
    },
    "pittsburgh presses": Population(SLOW_HZ, PRESSED_S, True, presses, 200),
    **{
        f"pittsburgh {name}": Population(SLOW_HZ, np.inf, False, _of_streets(name), 120)
        for name in GOOD_BAD
    },
}  # fmt: skip
"""Recorded populations by name."""


def sample(name: str, series_ms2: Sequence[Floats]) -> Sample:
    """The sample of a population: clips as they are, sessions as stretches of a moving car.

    >>> sample("tartu smooth", [np.tile([1.0, -1.0], 130)]).recording.tolist()
    [0, 0, 0, 0]
    """
    population = POPULATIONS[name]
    cut: list[tuple[int, Floats]] = list(enumerate(series_ms2))
    if not population.whole:
        cut = [
            (k, part)
            for k, whole in cut
            for part in stretches(whole, rate_hz=population.rate_hz, stretch_s=STRETCH_S)
            if part.std() > MOVING_MS2
        ]
    return Sample(tuple(part for _, part in cut), np.array([k for k, _ in cut], dtype=np.int64))


def simulated(name: str, *, seed: int) -> Sample:
    """The simulated counterpart of a population.

    >>> len(simulated("tartu rough", seed=1).series_ms2) > 100
    True
    """
    population = POPULATIONS[name]
    number = list(POPULATIONS).index(name)
    rng = np.random.default_rng([seed, number])
    return sample(name, population.drive(population.count, rng=rng))


def measured(name: str, of: Sample) -> Floats:
    """The `STATISTICS` of each series of a sample, (n, 8)."""
    population = POPULATIONS[name]
    return statistics_of(
        of.series_ms2, rate_hz=population.rate_hz, window_s=population.window_s
    )  # fmt: skip


@dataclass(frozen=True)
class Match:
    """One statistic of one population: how far the simulator is from the recordings.

    Attributes
    ----------
    distance, split_half : float
        To the recordings, and of two halves of the recordings.
    recorded, simulated : float
        Medians, in the statistic's unit.
    """

    population: str
    statistic: str
    distance: float
    split_half: float
    recorded: float
    simulated: float

    @property
    def bound(self) -> float:
        """The largest distance that passes."""
        return BOUND * self.split_half

    @property
    def holds(self) -> bool:
        """Whether the simulator is near enough.

        >>> Match("a", "b", 0.3, 0.2, 1.0, 1.0).holds
        True
        """
        return self.distance <= self.bound


def matches(name: str, recorded: Sample, driven: Sample, *, seed: int) -> tuple[Match, ...]:
    """Every statistic that the rate of a population allows, compared.

    At 10 Hz the second band is what the first leaves, and at 5 Hz the first is everything.

    >>> both = sample("pittsburgh presses", [np.arange(22.0) % k for k in range(2, 9)])
    >>> [m.distance for m in matches("pittsburgh presses", both, both, seed=0)]
    [0.0, 0.0, 0.0, 0.0]
    """
    real, like = measured(name, recorded), measured(name, driven)
    count = {CLIP_HZ: 8, SESSION_HZ: 5, SLOW_HZ: 4}[POPULATIONS[name].rate_hz]
    return tuple(
        Match(
            name, statistic, distance(real[:, k], like[:, k]),
            split_half_distance(
                real[:, k], rng=np.random.default_rng([seed, k]), groups=recorded.recording
            ),
            float(np.median(real[:, k])), float(np.median(like[:, k])),
        )
        for k, statistic in enumerate(STATISTICS[:count])
    )  # fmt: skip
