#!/usr/bin/env python3
"""Train the classifier of single jolts; write its numbers and its card.

    STREETBUMP_DATA=FOLDER python scripts/train_classifier.py

FOLDER holds ``gonzalez_2017``. Labelled recordings give five classes, simulated towns give all
eight (with seeds of their own: neither tests nor fixtures nor examples drive there). Recordings
are scored out of fold, those of near-identical shape kept on one side of each split; simulated
jolts in towns that were not trained on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

import msgspec
import numpy as np
from scipy.linalg import solve
from scipy.optimize import minimize_scalar
from scipy.signal import resample
from scipy.spatial import cKDTree
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from streetbump.config import shipped_settings
from streetbump.detect import detect
from streetbump.detect.classify import (
    LEAST_P,
    PEAK_AT,
    SHIPPED_MODEL,
    WINDOW_HZ,
    WINDOW_SAMPLES,
    JoltModel,
    class_probabilities,
    cut_windows,
    features,
    nearness,
    softmax,
)
from streetbump.detect.features import FEATURE_COUNT
from streetbump.detect.kernels import (
    BANKS,
    KERNELS,
    LEVELS,
    SHARES,
    draw_thresholds,
    kernel_shares,
)
from streetbump.detect.signal import moving_mean, prepare
from streetbump.geo import to_e7
from streetbump.model import CLASSES, UNKNOWN, Floats, Gravity, Ints, JoltClass, TimeBasis, Trip
from streetbump.report.hearing import bare_trip
from streetbump.report.series import groups_of
from streetbump.simulate.calibration import REGULAR_M3, WORN_M3, clips
from streetbump.simulate.defects import LABELS
from streetbump.simulate.drive import random_stops
from streetbump.simulate.fleet import Device
from streetbump.simulate.phone import Handling
from streetbump.simulate.roads import grid_network, random_legs, way_along
from streetbump.simulate.town import (
    HARD,
    MEAN_SPEED_MS,
    Outing,
    Town,
    make_town,
    named_town,
    plan_outings,
)
from streetbump.simulate.trip import Crossing, SimulatedTrip, simulate_trip
from streetbump.trips.canonical import quantise_acc

HERE = Path(__file__).resolve().parent.parent
NUMBERS = HERE / "streetbump" / "data" / SHIPPED_MODEL
CARD = HERE / "docs" / "models" / "jolt-model-2.md"
DATE = "2026-11-24"

SEED = 1911
FOLDS = 10
INDEX = {c: k for k, c in enumerate(CLASSES)}
RECORDED = {
    "potholes": JoltClass.POTHOLE,
    "asphalt_bumps": JoltClass.HUMP,
    "metal_bumps": JoltClass.MARKER,
    "worn_out_road": JoltClass.ROUGH,
    "regular_road": JoltClass.SMOOTH,
}
FIVE = np.array([INDEX[c] for c in RECORDED.values()])
ROAD = np.array([INDEX[JoltClass.ROUGH], INDEX[JoltClass.SMOOTH]])
DETECT = shipped_settings().detect
LEAST_SCORE = shipped_settings().cluster.min_score
"""Weaker jolts count for nothing in clusters."""
FLAT = (0.0,) * len(CLASSES)
UNTRAINED = JoltModel(
    "untrained", "", tuple(CLASSES), (((0.0,) * LEVELS,) * len(KERNELS),) * BANKS, (FLAT,) * SHARES,
    FLAT, 1.0, (0.0,) * FEATURE_COUNT, (1.0,) * FEATURE_COUNT, 1.0, ((0.0,) * FEATURE_COUNT,), 1.0,
    (FLAT,), FLAT, 1.0, FLAT, (0.0,), (1.0,),
)  # fmt: skip
"""Gives every class the same: detection wants a model, training wants its jolts."""


@dataclass(frozen=True, eq=False)
class Jolts:
    """Examples.

    Attributes
    ----------
    windows : (n, 60) float64
    label : (n,) int64
        Index of the class.
    rate_hz : (n,) float64
        Rate of the phone.
    source : (n,) str
        "recorded", "copy" (varied), "resampled", "studio" (simulated clips like the recorded
        ones) or "town".
    clip : (n,) int64
        Number of the recording, or of the simulated drive; -1 for studio clips.
    """

    windows: Floats
    label: Ints
    rate_hz: Floats
    source: np.ndarray
    clip: Ints

    def take(self, rows: np.ndarray) -> Jolts:
        """Some of them."""
        return Jolts(*(getattr(self, f.name)[rows] for f in fields(self)))


def jolts(
    windows: Floats, label: Ints, *, rate_hz: Floats | float, source: str, clip: Ints | int = -1
) -> Jolts:
    """Examples of one source."""
    n = len(windows)
    return Jolts(
        windows, label, np.broadcast_to(rate_hz, n).astype(float), np.full(n, source),
        np.broadcast_to(clip, n).astype(np.int64),
    )  # fmt: skip


def joined(parts: Sequence[Jolts]) -> Jolts:
    """All of them, in order."""
    columns = (np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Jolts))
    return Jolts(*columns)


# ------------------------------------------------------------------------------- recordings


def recordings(folder: Path) -> tuple[list[Floats], Ints]:
    """The labelled half of González 2017: clips at 50 Hz, and their classes."""
    names = [(f, c) for kind, c in RECORDED.items() for f in sorted((folder / kind).glob("*.csv"))]
    return [np.loadtxt(f, skiprows=1) for f, _ in names], np.array([INDEX[c] for _, c in names])


def heard(series_ms2: Floats, *, rate_hz: float = WINDOW_HZ) -> Floats:
    """The window around the strongest moment, on the path of every trip, (60,)."""
    signal = prepare(bare_trip(series_ms2[:, None], rate_hz=rate_hz), settings=DETECT)
    peak = np.abs(signal.vertical_ms2).argmax()
    return cut_windows(signal.vertical_ms2, np.array([peak]), rate_hz=signal.rate_hz)[0]


def as_heard_at(clip: Floats, rate_hz: float) -> Floats:
    """A clip at 50 Hz as a phone of another rate would have given it.

    Faster: band-limited interpolation. Slower: averaged over the slow phone's step, as sensors
    do, then sampled.
    """
    n, there_and_back = len(clip), np.concatenate((clip, clip[::-1]))
    t_s = np.arange(0.0, (n - 1) / WINDOW_HZ + 1e-9, 1 / rate_hz)
    if rate_hz > WINDOW_HZ:
        dense = resample(there_and_back, 4 * len(there_and_back))[: 4 * n]
        return np.interp(t_s, np.arange(4 * n) / (4 * WINDOW_HZ), dense)
    spectrum = np.fft.rfft(there_and_back)
    spectrum *= np.sinc(np.fft.rfftfreq(2 * n, 1 / WINDOW_HZ) / rate_hz)
    smooth = np.fft.irfft(spectrum, 2 * n)[:n]
    return np.interp(t_s, np.arange(n) / WINDOW_HZ, smooth)


SHIFT, LEVEL, NOISE_MS2 = 1, 0.10, 0.02
OTHER, OTHER_SIZE = 0.5, 0.7
CUT_BEFORE, CUT_AFTER = 0.4, 0.08
"""Random variation of a copy: samples by which the peak is off; spread of the level; noise; how
many are about another strong moment of the clip (of this share of the peak); how many of *every*
class end within half a window before and after the peak, as potholes' clips happen to do: so
that what is mirrored there tells nothing."""


def varied(found: Sequence[Floats], label: Ints, rng: np.random.Generator) -> Floats:
    """One random variation of each clip, (n, 60)."""
    calm = [c - moving_mean(c, round(WINDOW_HZ)) for c in found]
    peak = np.array([np.abs(v).argmax() for v in calm])
    after = np.array([len(c) for c in found]) - 1 - peak
    is_short = np.array([peak < PEAK_AT, after < WINDOW_SAMPLES - PEAK_AT - 1])
    share = np.array([[s[label == c].mean() for c in label] for s in is_short])
    wanted = np.array([[CUT_BEFORE], [CUT_AFTER]])
    cut = ~is_short & (rng.random(share.shape) < (wanted - share) / (1 - share))
    starts = peak[is_short[0]]
    rows = []
    for k, clip in enumerate(found):  # each is cut, shifted and scaled in its own way
        first = max(int(peak[k] - rng.choice(starts)), 0) if cut[0, k] else 0
        last = int(peak[k] + 1 + rng.integers(12, 29)) if cut[1, k] else len(clip)
        v = clip[first:last] - moving_mean(clip[first:last], round(WINDOW_HZ))
        at = peak[k] - first
        if rng.random() < OTHER:
            at = _another(np.abs(v), at, rng)
        at = int(np.clip(at + rng.integers(-SHIFT, SHIFT + 1), 0, len(v) - 1))
        window = cut_windows(v, np.array([at]), rate_hz=WINDOW_HZ)[0]
        rows.append(
            window * np.exp(rng.normal(0, LEVEL)) + rng.normal(0, NOISE_MS2, WINDOW_SAMPLES)
        )
    return np.array(rows)


def _another(size: Floats, at: int, rng: np.random.Generator) -> int:
    """Some local peak that is nearly as large as the largest."""
    is_top = (size[1:-1] >= size[:-2]) & (size[1:-1] >= size[2:])
    tops = np.flatnonzero(is_top & (size[1:-1] > OTHER_SIZE * size[at])) + 1
    return int(rng.choice(tops)) if len(tops) else at


COPIES = 3
RESAMPLED_HZ = (100.0, 25.0, 20.0, 10.0)
OTHER_HZ = (200.0, 100.0, 25.0, 20.0, 10.0, 5.0)
"""Rates at which recordings are also trained on, and those at which they are also scored."""


def recorded_jolts(found: Sequence[Floats], label: Ints, rng: np.random.Generator) -> Jolts:
    """The recordings, their variations, and what slower and faster phones would have heard."""
    every = np.arange(len(found))
    parts = [
        jolts(np.array([heard(c) for c in found]), label, rate_hz=WINDOW_HZ, source="recorded",
              clip=every)
    ]  # fmt: skip
    parts += [
        jolts(varied(found, label, rng), label, rate_hz=WINDOW_HZ, source="copy", clip=every)
        for _ in range(COPIES)
    ]
    parts += [
        jolts(resampled(found, hz), label, rate_hz=hz, source="resampled", clip=every)
        for hz in RESAMPLED_HZ
    ]
    return joined(parts)


def resampled(found: Sequence[Floats], rate_hz: float) -> Floats:
    """The clips' windows as a phone of another rate hears them, (n, 60)."""
    return np.array([heard(as_heard_at(c, rate_hz), rate_hz=rate_hz) for c in found])


# ------------------------------------------------------------------------------- simulated jolts

STUDIO_CLIPS = 150
"""Simulated clips like the recorded ones, per class."""


def studio_jolts(seed: int) -> Jolts:
    """Clips of the simulator cut and chosen as the recordings were; 30 % cut short."""
    rng = np.random.default_rng(seed)
    windows, label = [], []
    for c in RECORDED.values():
        for clip in clips(c, STUDIO_CLIPS, rng=rng):
            peak = int(np.abs(clip - moving_mean(clip, round(WINDOW_HZ))).argmax())
            short = peak >= PEAK_AT and rng.random() < 0.3
            windows.append(heard(clip[peak - int(rng.integers(2, PEAK_AT)) :] if short else clip))
            label.append(INDEX[c])
    return jolts(np.array(windows), np.array(label), rate_hz=WINDOW_HZ, source="studio")


TOWN_SEEDS, TUNE_SEEDS, TEST_SEEDS = tuple(range(7001, 7009)), (7101, 7102), (7201, 7202)
"""Towns to train on, to take temperature and slow phones' shares from (both enriched), to score."""
TOWN_TRIPS = 32
RATES_HZ = (5.0, 10.0, 15.0, 20.0, 25.0, 50.0, 100.0, 200.0)
RATE_SHARE = (0.04, 0.08, 0.05, 0.08, 0.08, 0.3, 0.25, 0.12)
"""Rates of the phones in towns that are trained on, and how common each is there."""
ENRICHED = replace(HARD, humps=2.0, cushions=0.5, markers=2.0, joints=2.0, rails=0.7)
"""The hard town with more of what is rare in it; each thing is drawn from the same population."""
MORE_HANDLING = 6
"""In towns that are trained on, phones are taken in the hand so many times as often."""

NEAR_S = 0.6
"""A jolt belongs to a crossing when its peak is at most this long before the front axle's hit or
after the rear axle's, s."""
WEAK = 0.35
"""A crossing that nobody felt, yet with this share of the jolt's peak: neither road nor event."""
HANDLING_S = (0.3, 1.0)
"""A jolt this long before or after handling is still handling, s."""
NOTHING = -1


def town_jolts(job: tuple[int, int, bool]) -> Jolts:
    """What our own detection hears on drives through one town: (seed, trips, for training)."""
    seed, trips, training = job
    if training:
        network = grid_network(14, 13, block_m=140.0, rng=np.random.default_rng([seed, 2]))
        town = make_town("hard", network, ENRICHED, seed=seed)
    else:
        town = named_town("hard", seed=seed)
    streets = Streets.of(town)
    outings = plan_outings(town, trips=trips, seed=seed)
    return joined([_outing_jolts(town, o, streets, training=training) for o in outings])


@dataclass(frozen=True, eq=False)
class Streets:
    """Where streets are, and how rough."""

    tree: cKDTree
    gd_m3: Floats
    east: float  # degrees of longitude count for this many degrees of latitude

    @classmethod
    def of(cls, town: Town) -> Streets:
        """Points every 8 m along every street."""
        lat, lon, gd = [], [], []
        for k, edge in enumerate(town.scene.network.edges):
            at = town.scene.network.place(k, np.arange(0.0, edge.length_m, 8.0))
            lat.append(at[0])
            lon.append(at[1])
            gd.append(np.full(len(at[0]), np.sqrt(edge.gd_m3[0] * edge.gd_m3[1])))
        east = float(np.cos(np.radians(lat[0][0])))
        points = np.column_stack((np.concatenate(lat), np.concatenate(lon) * east))
        return cls(cKDTree(points), np.concatenate(gd), east)

    def road_at(self, lat_deg: Floats, lon_deg: Floats) -> Ints:
        """Smooth or rough by the nearest street; NOTHING where unknown or in between."""
        known = np.isfinite(lat_deg)
        points = np.column_stack((lat_deg, lon_deg * self.east))
        gd = self.gd_m3[self.tree.query(np.where(known[:, None], points, 0.0))[1]]
        label = np.where(gd < REGULAR_M3, INDEX[JoltClass.SMOOTH], NOTHING)
        label = np.where(gd > WORN_M3, INDEX[JoltClass.ROUGH], label)
        return np.where(known, label, NOTHING)


def _outing_jolts(town: Town, outing: Outing, streets: Streets, *, training: bool) -> Jolts:
    """The jolts of one drive whose cause is known."""
    drive, events = _driven(town, outing, training=training)
    trip = _as_trip(drive)
    bumps = detect(trip, settings=DETECT, model=UNTRAINED).bumps
    bumps = bumps[bumps["score"] >= LEAST_SCORE]
    signal = prepare(trip, settings=DETECT)
    at = np.searchsorted(signal.t_ns, bumps["t_utc_ns"].to_numpy())
    windows = cut_windows(signal.vertical_ms2, at, rate_hz=max(signal.rate_hz, 1.0))
    t_s, size = signal.t_ns[at] * 1e-9, np.abs(windows).max(axis=1)
    road = streets.road_at(bumps["lat_deg"].to_numpy(), bumps["lon_deg"].to_numpy())
    label = _causes(t_s, size, drive.crossings, events, road)
    number = 1000 * town.seed + outing.index
    every = jolts(windows, label, rate_hz=trip.rate_hz, source="town", clip=number)
    return every.take(label != NOTHING)


def _driven(
    town: Town, outing: Outing, *, training: bool
) -> tuple[SimulatedTrip, tuple[Handling, ...]]:
    """A drive of the town's calendar, and when the phone was not left alone."""
    rng = np.random.default_rng([town.seed, 4, outing.index])
    device, length_s = town.fleet[outing.device], outing.length_m / MEAN_SPEED_MS
    network = town.scene.network
    legs = random_legs(network, start=device.home, length_m=outing.length_m, rng=rng)
    way = way_along(network, legs, start_m=float(rng.uniform(5.0, 15.0)))
    phone = replace(device.phone_for(length_s, rng=rng), batch=1)
    if training:
        rate = float(rng.choice(RATES_HZ, p=RATE_SHARE))
        phone = replace(phone, rate_hz=rate, events=_handling(device, length_s, rng))
    drive = simulate_trip(
        town.scene, way, car=device.car, driver=device.driver, phone=phone,
        receiver=device.receiver, rng=rng, day=outing.day,
        stops=random_stops(way, device.driver, rng=rng),
    )  # fmt: skip
    return drive, phone.events


def _handling(device: Device, length_s: float, rng: np.random.Generator) -> tuple[Handling, ...]:
    """The handling of several drives in one, as far as there is room."""
    drawn = [e for _ in range(MORE_HANDLING) for e in device.phone_for(length_s, rng=rng).events]
    kept: list[Handling] = []
    for event in sorted(drawn, key=lambda e: e.start_s):
        if not kept or event.start_s > kept[-1].start_s + kept[-1].length_s + 10.0:
            kept.append(event)
    return tuple(kept)


def _as_trip(drive: SimulatedTrip) -> Trip:
    """A simulated drive in canonical form."""

    def whole(values: Floats, per_unit: float) -> np.ndarray:
        known = np.where(np.isnan(values), UNKNOWN / per_unit, values)
        return np.rint(known * per_unit).astype(np.int32)

    t_ns, fixes = np.rint(drive.t_s * 1e9).astype(np.int64), drive.fixes
    keep = np.concatenate(([True], np.diff(t_ns) > 0))
    fix_ns = np.rint(fixes.t_s * 1e9).astype(np.int64)
    new = np.concatenate(([True], np.diff(fix_ns) > 0))[: len(fix_ns)]
    return Trip(
        "", "00" * 32, "simulated", t_ns[keep], quantise_acc(drive.acc_ms2[keep]), fix_ns[new],
        to_e7(fixes.lat_deg[new]).astype(np.int32), to_e7(fixes.lon_deg[new]).astype(np.int32),
        whole(fixes.speed_ms[new], 1e3), whole(fixes.heading_deg[new], 1e2),
        whole(fixes.accuracy_m[new], 1e3), int(t_ns[0]), Gravity.KEPT, TimeBasis.RELATIVE,
    )  # fmt: skip


def _causes(
    t_s: Floats, size_ms2: Floats, crossings: Sequence[Crossing], events: Sequence[Handling],
    road: Ints,
) -> Ints:  # fmt: skip
    """The class of each jolt: of the hand, of the felt crossing nearest in time, or the road's."""
    before, after = HANDLING_S
    start = np.array([e.start_s - before for e in events])
    stop = np.array([e.start_s + e.length_s + after for e in events])
    in_hand = ((t_s[:, None] >= start) & (t_s[:, None] <= stop)).any(axis=1)
    half = np.array([1.35 / max(c.speed_ms, 1.0) for c in crossings])  # of the axles' interval
    middle = np.array([c.t_s for c in crossings]) + half
    felt = np.array([c.felt for c in crossings], np.bool_)
    shook = np.array([c.peak_ms2 if c.wheels else 0.0 for c in crossings])
    apart = np.abs(t_s[:, None] - middle)
    near = apart - half < NEAR_S
    by = np.where(near & felt, apart, np.inf)
    is_felt = np.isfinite(by).any(axis=1)
    is_weak = (near & ~felt & (shook > WEAK * size_ms2[:, None])).any(axis=1)
    kind = np.array([INDEX[LABELS[c.kind]] for c in crossings] or [0])
    nearest = kind[by.argmin(axis=1)] if len(crossings) else np.zeros(len(t_s), np.int64)
    label = np.where(is_felt, nearest, np.where(is_weak, NOTHING, road))
    hand = np.where(is_felt, NOTHING, INDEX[JoltClass.NOT_ROAD])
    return np.asarray(np.where(in_hand, hand, label))


PER_CLASS = 330
SCORED_PER_CLASS = 400
RATE_EDGES_HZ = (7.0, 13.0, 22.0, 35.0, 75.0)


RATE_MIX = (0.06, 0.1, 0.14, 0.12, 0.28, 0.3)
"""Edges of bands of rates, and how common each band is among the jolts trained on: slow phones
hear fewer."""


def sampled(town: Jolts, per_class: int, rng: np.random.Generator, *, even: bool) -> Jolts:
    """At most so many of each class, in the mix of rates above if `even`."""
    share = np.array(RATE_MIX)
    which, kept = np.digitize(town.rate_hz, RATE_EDGES_HZ), []
    for c in range(len(CLASSES)):
        rows = np.flatnonzero(town.label == c)
        if len(rows) > per_class:
            count = np.bincount(which[rows], minlength=len(share))
            p = (share / np.maximum(count, 1))[which[rows]] if even else np.ones(len(rows))
            rows = np.sort(rng.choice(rows, per_class, replace=False, p=p / p.sum()))
        kept.append(rows)
    return town.take(np.concatenate(kept))


# ------------------------------------------------------------------------------- fitting

RECORDED_WEIGHT, TOWN_WEIGHT = 200.0, 120.0
"""What the recordings of a class and its town jolts weigh; a class that was never recorded has the
sum of both in its town jolts. Together they also say how far the penalties are outvoted. Chosen by
us between recordings and towns (see the card)."""
KERNEL_SHARE = {"recorded": 1.0, "copy": 1.0, "resampled": 0.5, "studio": 0.1}
NEAR_SHARE = {"recorded": 1.0, "copy": 0.3, "resampled": 0.3, "studio": 0.1}
"""What one example of a source weighs against a recorded one, by view."""
RIDGE, SHARPNESS = 0.3, 4.0
STRENGTH, WIDTH, STEPS = 20.0, 1.0, 120
TOWN_LANDMARKS = 60
"""Known jolts of each class from the towns; all recordings are landmarks besides."""
LIMIT = 4.0


def balance(j: Jolts, share: dict[str, float]) -> Floats:
    """Weights under which every class counts the same."""
    base = np.array([share.get(s, 0.0) for s in j.source])
    town, weight = j.source == "town", np.zeros(len(base))
    for c in np.unique(j.label):
        mine, simulated = (j.label == c) & ~town, (j.label == c) & town
        of_town = TOWN_WEIGHT if mine.any() else TOWN_WEIGHT + RECORDED_WEIGHT
        of_town *= simulated.any()
        if mine.any():
            rest = RECORDED_WEIGHT + TOWN_WEIGHT - of_town
            weight[mine] = base[mine] / base[mine].sum() * rest
        weight[simulated] = of_town / max(simulated.sum(), 1)
    return weight


@dataclass(frozen=True, eq=False)
class Inputs:
    """What both views see of some jolts: standardised shares and standardised features."""

    shares: Floats
    z: Floats


@dataclass(frozen=True, eq=False)
class Scales:
    """How inputs are standardised: from town jolts alone, so that all folds share it."""

    thresholds: np.ndarray
    share_mean: Floats
    share_scale: Floats
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, windows: Floats) -> Scales:
        """Thresholds, means and deviations of these windows."""
        thresholds = draw_thresholds(windows[::3], rng=np.random.default_rng(SEED))
        shares, x = kernel_shares(windows, thresholds), features(windows)
        share_scale = (shares.std(axis=0) + 1e-3) * np.sqrt(shares.shape[1])
        return cls(thresholds, shares.mean(axis=0), share_scale, x.mean(axis=0), x.std(axis=0))

    def inputs(self, windows: Floats) -> Inputs:
        """Both views' inputs; the last column of `shares` is 1."""
        shares = (kernel_shares(windows, self.thresholds) - self.share_mean) / self.share_scale
        z = np.clip((features(windows) - self.centre) / (self.scale + 1e-9), -LIMIT, LIMIT)
        return Inputs(np.column_stack((shares, np.ones(len(shares)))).astype(np.float32), z)


@dataclass(frozen=True, eq=False)
class Fit:
    """What training finds."""

    ridge: Floats
    landmarks: Floats
    near: Floats
    near_bias: Floats

    def logits(self, x: Inputs) -> Floats:
        """Mean of the views' log-probabilities, (n, 8)."""
        near = nearness(x.z, self.landmarks, width=WIDTH) @ self.near + self.near_bias
        views = softmax(SHARPNESS * (x.shares @ self.ridge)), softmax(near)
        return np.mean(np.log(np.maximum(views, LEAST_P)), axis=0)


def fit(j: Jolts, x: Inputs, gram: Floats, rows: np.ndarray) -> Fit:
    """Both views on some rows; `gram` holds the products of all shares."""
    some = j.take(rows)
    ridge = _ridge(
        x.shares[rows], gram[np.ix_(rows, rows)], some.label, balance(some, KERNEL_SHARE)
    )
    known = _landmarks(some)
    landmarks = np.round(x.z[rows][known], 2)
    near, bias = _near(x.z[rows], landmarks, some.label, balance(some, NEAR_SHARE))
    return Fit(ridge, landmarks, near, bias)


def _ridge(shares: Floats, gram: Floats, label: Ints, weight: Floats) -> Floats:
    """Weighted ridge regression on ±1 targets through its dual, (k, 8)."""
    root = np.sqrt(weight)[:, None]
    target = 2.0 * (label[:, None] == np.arange(len(CLASSES))) - 1.0
    penalised = gram * root * root.T + RIDGE * np.eye(len(gram))
    dual = solve(penalised, target * root, assume_a="pos") * root
    return np.asarray(shares.T @ dual.astype(np.float32))


def _landmarks(j: Jolts) -> np.ndarray:
    """Rows that others are compared with."""
    rng = np.random.default_rng(SEED)
    rows = [np.flatnonzero(j.source == "recorded")]
    for c in range(len(CLASSES)):
        mine = np.flatnonzero((j.source == "town") & (j.label == c))
        rows.append(rng.choice(mine, min(TOWN_LANDMARKS, len(mine)), replace=False))
    return np.concatenate(rows)


def _near(z: Floats, landmarks: Floats, label: Ints, weight: Floats) -> tuple[Floats, Floats]:
    """Multinomial logistic regression whose penalty is the kernel's norm: (k, 8) and (8,)."""
    size, vectors = np.linalg.eigh(nearness(landmarks, landmarks, width=WIDTH))
    basis = vectors[:, size > 1e-3] / np.sqrt(size[size > 1e-3])
    model = LogisticRegression(C=STRENGTH, max_iter=STEPS, tol=1e-3)
    keep = weight > 0
    model.fit(nearness(z[keep], landmarks, width=WIDTH) @ basis, label[keep], weight[keep])
    near, bias = np.zeros((len(landmarks), len(CLASSES))), np.full(len(CLASSES), -30.0)
    near[:, model.classes_], bias[model.classes_] = basis @ model.coef_.T, model.intercept_
    return near, bias


# ------------------------------------------------------------------------------- scoring


def five_way(p: Floats) -> Ints:
    """The likeliest of the five recorded classes."""
    return np.asarray(FIVE[p[:, FIVE].argmax(axis=1)])


def is_road(label: Ints) -> np.ndarray:
    """Whether it is rough or smooth road, and no event."""
    return np.isin(label, ROAD)


def evenly(label: Ints) -> Floats:
    """Weights under which the classes that occur count the same; they sum to 1."""
    weight = 1 / np.bincount(label)[label]
    return np.asarray(weight / weight.sum())


def log_loss(p: Floats, label: Ints, weight: Floats) -> float:
    """Weighted mean of -log p of the true class."""
    return float(np.average(-np.log(p[np.arange(len(p)), label] + 1e-12), weights=weight))


def calibration_error(p: Floats, label: Ints, weight: Floats) -> float:
    """Expected calibration error of the likeliest class, ten equal bins (Guo et al. 2017)."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == label
    gap = np.bincount(np.minimum((sure * 10).astype(int), 9), weight * (sure - right))
    return float(np.abs(gap).sum() / weight.sum())


def interval(right: np.ndarray, weight: Floats, group: Ints) -> tuple[float, float]:
    """95 % bootstrap interval of a weighted share, drawing whole groups."""
    rng, (_, where) = np.random.default_rng(SEED), np.unique(group, return_inverse=True)
    good, size = np.bincount(where, weight * right), np.bincount(where, weight)
    drawn = rng.integers(0, len(size), (2000, len(size)))
    low, high = np.percentile(good[drawn].sum(axis=1) / size[drawn].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


def best_temperature(parts: Sequence[tuple[Floats, Ints]]) -> float:
    """The temperature of least log loss, recordings and towns counting the same."""

    def loss(t: float) -> float:
        return sum(log_loss(softmax(z / t), label, evenly(label)) for z, label in parts)

    return float(minimize_scalar(loss, bounds=(0.5, 3.0), method="bounded").x)


SLOW_EDGES_HZ = ((4.0, 7.0), (7.0, 13.0), (13.0, 22.0), (22.0, 35.0))
SLOW_HZ = (5.0, 10.0, 18.0, 25.0)
FULL_HZ = 40.0
"""Bands of rates in which the share of the verdict that is kept is fitted, the rate that stands for
each, and the rate from which all is kept."""


def kept_shares(p: Floats, j: Jolts) -> tuple[float, ...]:
    """How much of a slow phone's verdict to keep, by least log loss; never more when slower."""
    found = []
    for low, high in SLOW_EDGES_HZ:
        rows = (j.rate_hz > low) & (j.rate_hz <= high)
        label, weight = j.label[rows], evenly(j.label[rows])
        shares = np.arange(0.0, 1.001, 0.01)
        flat = 1 / len(CLASSES)
        losses = [log_loss(s * p[rows] + (1 - s) * flat, label, weight) for s in shares]
        found.append(float(shares[int(np.argmin(losses))]))
    return tuple(np.minimum.accumulate([1.0, *found[::-1]])[:0:-1].tolist())


@dataclass(frozen=True, eq=False)
class Scores:
    """Everything the card states. Recordings out of fold, towns not trained on."""

    label: Ints
    group: Ints
    p: Floats  # (repeats, n, 8)
    at_rate: dict[float, Floats]
    simulator_only: Floats
    simulated: dict[str, int]
    tune: tuple[Floats, Jolts]
    test: tuple[Floats, Jolts]


def cross_validated(
    j: Jolts, x: Inputs, gram: Floats, others: dict[float, Inputs], label: Ints, group: Ints
) -> tuple[Floats, dict[float, Floats]]:
    """Logits of every recording by models that have not seen it, as it is and at other rates."""
    n = len(label)
    out = np.zeros((REPEATS, n, len(CLASSES)))
    slow = {hz: np.zeros((REPEATS, n, len(CLASSES))) for hz in others}
    for r in range(REPEATS):
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED + r)
        for _, test in folds.split(np.zeros(n), label, group):
            unseen = (j.source != "town") & np.isin(j.clip, test)
            model = fit(j, x, gram, np.flatnonzero(~unseen))
            out[r, test] = model.logits(Inputs(x.shares[test], x.z[test]))
            for hz, version in others.items():
                slow[hz][r, test] = model.logits(Inputs(version.shares[test], version.z[test]))
    return out, slow


REPEATS = 1
"""Times the folds are drawn anew."""


def numbers(found: Fit, scales: Scales, temperature: float, kept: tuple[float, ...]) -> JoltModel:
    """The model as it ships: five significant digits."""

    def short(values: np.ndarray) -> tuple:  # type: ignore[type-arg]
        if values.ndim == 1:
            return tuple(float(f"{v:.5g}") for v in values)
        return tuple(short(row) for row in values)

    weights = found.ridge[:-1] / scales.share_scale[:, None]
    return JoltModel(
        name="jolt-model-2",
        card="docs/models/jolt-model-2.md",
        classes=tuple(c.value for c in CLASSES),
        thresholds=short(scales.thresholds),
        kernel_weights=short(weights),
        kernel_bias=short(found.ridge[-1] - scales.share_mean @ weights),
        sharpness=SHARPNESS,
        centre=short(scales.centre),
        scale=short(scales.scale + 1e-9),
        limit=LIMIT,
        landmarks=tuple(tuple(np.round(row, 2).tolist()) for row in found.landmarks),
        width=WIDTH,
        near_weights=short(found.near),
        near_bias=short(found.near_bias),
        temperature=float(f"{temperature:.5g}"),
        prior=tuple([1 / len(CLASSES)] * len(CLASSES)),
        slow_rate_hz=(*SLOW_HZ, FULL_HZ),
        slow_share=(*kept, 1.0),
    )


def main() -> None:
    """Train, score, write."""
    rng = np.random.default_rng(SEED)
    found, label = recordings(Path(os.environ["STREETBUMP_DATA"]) / "gonzalez_2017")
    recorded = recorded_jolts(found, label, rng)
    group = groups_of(recorded.windows[: len(found)])
    with ProcessPoolExecutor(2) as pool:
        trained = pool.map(town_jolts, [(s, TOWN_TRIPS, True) for s in TOWN_SEEDS])
        tuned = pool.map(town_jolts, [(s, TOWN_TRIPS, True) for s in TUNE_SEEDS])
        tested = pool.map(town_jolts, [(s, TOWN_TRIPS, False) for s in TEST_SEEDS])
        studio = studio_jolts(SEED)
        town = sampled(joined(list(trained)), PER_CLASS, rng, even=True)
        tune = sampled(joined(list(tuned)), SCORED_PER_CLASS, rng, even=True)
        test = sampled(joined(list(tested)), SCORED_PER_CLASS, rng, even=False)
    j = joined((recorded, studio, town))
    scales = Scales.of(town.windows)
    x = scales.inputs(j.windows)
    gram = (x.shares @ x.shares.T).astype(np.float64)
    others = {hz: scales.inputs(resampled(found, hz)) for hz in OTHER_HZ}

    logits, slow = cross_validated(j, x, gram, others, label, group)
    final = fit(j, x, gram, np.arange(len(j.label)))
    tune_logits = final.logits(scales.inputs(tune.windows))
    fast = tune.rate_hz > FULL_HZ
    temperature = best_temperature(
        [(logits.reshape(-1, len(CLASSES)), np.tile(label, REPEATS)),
         (tune_logits[fast], tune.label[fast])]
    )  # fmt: skip
    kept = kept_shares(softmax(tune_logits / temperature), tune)
    model = numbers(final, scales, temperature, kept)
    NUMBERS.write_bytes(msgspec.json.encode(model).replace(b"]],", b"]],\n") + b"\n")

    alone = fit(j, x, gram, np.flatnonzero((j.source == "studio") | (j.source == "town")))
    seen = Inputs(x.shares[: len(label)], x.z[: len(label)])
    scores = Scores(
        label, group, np.array([softmax(z / temperature) for z in logits]),
        {hz: shipped(z[0], hz, model) for hz, z in slow.items()},
        softmax(alone.logits(seen) / temperature),
        {c.value: int((town.label == k).sum()) for k, c in enumerate(CLASSES)},
        (predicted(tune, model), tune), (predicted(test, model), test),
    )  # fmt: skip
    CARD.parent.mkdir(parents=True, exist_ok=True)
    CARD.write_text(card_text(scores, model), encoding="utf-8")
    print(CARD.read_text(encoding="utf-8"))


def shipped(logits: Floats, rate_hz: float, model: JoltModel) -> Floats:
    """Probabilities with the shipped temperature and the share that slow phones keep."""
    share = float(np.interp(rate_hz, model.slow_rate_hz, model.slow_share))
    return share * softmax(logits / model.temperature) + (1 - share) / len(CLASSES)


def predicted(j: Jolts, model: JoltModel) -> Floats:
    """What the shipped model says, each jolt at its phone's rate."""
    full = class_probabilities(j.windows, rate_hz=FULL_HZ, model=model)
    share = np.interp(j.rate_hz, model.slow_rate_hz, model.slow_share)[:, None]
    return np.asarray(share * full + (1 - share) / len(CLASSES))


# ------------------------------------------------------------------------------- the card


def line_of(name: str, right: np.ndarray, group: Ints, weight: Floats | None = None) -> str:
    """One row of the table of scores."""
    weight = np.ones(len(right)) if weight is None else weight
    low, high = interval(right, weight, group)
    value = np.average(right, weights=weight)
    return f"| {name} | {value:.3f} | {low:.3f}-{high:.3f} | {len(right)} |"


def repeated(name: str, right: np.ndarray, group: Ints) -> str:
    """One row, of (repeats, n): the mean over repeats, recordings drawn as groups."""
    mean = right.mean(axis=0)
    low, high = interval(mean, np.ones(len(mean)), group)
    return f"| {name} | {mean.mean():.3f} | {low:.3f}-{high:.3f} | {len(mean)} |"


def confusion(p: Floats, label: Ints) -> str:
    """Rows: truth; columns: the likeliest of eight; counts."""
    names = [c.value for c in CLASSES]
    rows = ["| truth | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for k, name in enumerate(names):
        counts = np.bincount(p[label == k].argmax(axis=1), minlength=len(names))
        if counts.any():
            rows.append(f"| {name} | " + " | ".join(map(str, counts.tolist())) + " |")
    return "\n".join(rows)


UNSURE = DETECT.unsure_below


def score_lines(s: Scores) -> str:
    """The table of scores."""
    five = np.array([five_way(p) for p in s.p])
    eight, (p, town) = s.p.argmax(axis=2), s.test
    weight, right = evenly(town.label), p.argmax(axis=1) == town.label
    fast = town.rate_hz > FULL_HZ
    lone = five_way(s.simulator_only)
    road = is_road(s.label)
    return "\n".join(
        (
            repeated("recorded, five classes, likeliest of the five", five == s.label, s.group),
            repeated("recorded, event against road, by the same", is_road(five) == road, s.group),
            repeated("recorded, likeliest of all eight", eight == s.label, s.group),
            line_of("trained on the simulator only: recorded, five classes",
                    lone == s.label, s.group),
            line_of("trained on the simulator only: recorded, event against road",
                    is_road(lone) == road, s.group),
            line_of("towns, likeliest of eight, classes count the same", right, town.clip, weight),
            line_of(f"towns, phones above {FULL_HZ:g} Hz only", right[fast], town.clip[fast],
                    evenly(town.label[fast])),
        )
    )  # fmt: skip


def unsure_lines(s: Scores) -> str:
    """Who abstains, and how right the others are."""
    rows = []
    for name, p, label in (
        ("recorded", s.p[0], s.label),
        ("towns", s.test[0], s.test[1].label),
    ):
        sure, right = p.max(axis=1) >= UNSURE, p.argmax(axis=1) == label
        rows.append(
            f"| {name} | {1 - sure.mean():.0%} | {1 - right[sure].mean():.3f} "
            f"| {1 - right.mean():.3f} | {len(label)} |"
        )
    return "\n".join(rows)


RATE_BANDS_HZ = (*SLOW_EDGES_HZ, (35.0, 75.0), (75.0, 500.0))


def rate_lines(s: Scores) -> str:
    """Towns by the phone's rate: accuracy, error of calibration, classes counting the same."""
    rows, (p, town) = [], s.test
    for low, high in RATE_BANDS_HZ:
        some = (town.rate_hz > low) & (town.rate_hz <= high)
        if not some.any():
            continue
        weight = evenly(town.label[some])
        right = p[some].argmax(axis=1) == town.label[some]
        error = calibration_error(p[some], town.label[some], weight)
        rows.append(
            f"| {low:g}-{high:g} | {np.average(right, weights=weight):.3f} | {error:.3f} "
            f"| {some.sum()} |"
        )
    return "\n".join(rows)


def clip_rate_lines(s: Scores) -> str:
    """Recordings as heard at other rates, out of fold."""
    road = is_road(s.label)
    rows = []
    for hz in sorted(s.at_rate):
        five = five_way(s.at_rate[hz])
        error = calibration_error(s.at_rate[hz], s.label, np.ones(len(s.label)))
        rows.append(
            f"| {hz:g} | {(five == s.label).mean():.3f} | {(is_road(five) == road).mean():.3f} "
            f"| {error:.3f} |"
        )
    return "\n".join(rows)


def card_text(s: Scores, model: JoltModel) -> str:
    """The card; every number is of this run unless it says otherwise."""
    p, town = s.test
    ones = np.ones(len(s.label))
    error = np.mean([calibration_error(one, s.label, ones) for one in s.p])
    town_error = calibration_error(p, town.label, evenly(town.label))
    towns = ", ".join(f"{n} {c}" for c, n in s.simulated.items())
    kept = ", ".join(
        f"{hz:g} Hz {share:.2f}"
        for hz, share in zip(model.slow_rate_hz, model.slow_share, strict=True)
    )
    return f"""# Model card: {model.name}

Digest of the numbers: `{model.digest}`. Made on {DATE} by

    STREETBUMP_DATA=FOLDER python scripts/train_classifier.py

which writes `streetbump/data/{SHIPPED_MODEL}` and this page. Every number below comes from that
run, except in the two sections that say otherwise.

## What it does

Eight probabilities for one jolt, from 1.2 s of vertical acceleration around its peak. Two views,
the mean of whose log-probabilities is divided by a temperature ({model.temperature:.3f}):

- *kernels*: the 84 kernels of MiniRocket (Dempster, Schmidt and Webb 2021, doi
  10.1145/3447548.3467231) at 7 dilations on the window and its difference, shares above 6
  thresholds each, ridge regression;
- *physical*: 243 features (size, sharpness, swings around the peak, energy over time and frequency,
  echo of the second axle), logistic regression on nearness to {len(model.landmarks)} known jolts.

It uses neither speed nor place. All classes count as equally common beforehand: multiply by a
prior of your own.

## Data

- **Recorded**: the development half of González et al. 2017 (doi 10.1109/TITS.2017.2662483),
  {len(s.label)} clips at 50 Hz, {np.bincount(s.label).max()} per class, 12 vehicles, five phone
  placements: pothole, hump (asphalt bumps), marker (metal bumps), rough (worn-out road), smooth.
  Each also in {COPIES} random variations and as phones of
  {", ".join(f"{hz:g}" for hz in RESAMPLED_HZ)} Hz would have heard it, on our own resampling path.
- **Towns**: what our own detection hears on {len(TOWN_SEEDS) * TOWN_TRIPS} simulated drives (towns
  {TOWN_SEEDS[0]}-{TOWN_SEEDS[-1]}, phones of 5 to 200 Hz; humps, markers, joints, rails and
  handling more often than in the hard town):
  {towns}.
  A jolt belongs to the felt crossing nearest in time, to handling, or to the road, which is smooth
  or rough by its roughness; felt patches and cracks are rough; what is in between is left out.
- **Studio**: {STUDIO_CLIPS} simulated clips of each recorded class, cut as the recordings were.

Of a class that has both, recordings, their variations and studio clips weigh
{RECORDED_WEIGHT:g}, towns {TOWN_WEIGHT:g}. That ratio is a trade: more for towns makes them better
and recordings worse (tried: 100:50, 100:100, 50:50, 50:200, 200:100).

## Protocol

Recordings: {FOLDS}-fold cross-validation (draws of the folds: {REPEATS}), stratified by
class; those whose windows correlate above 0.95 stay together ({len(np.unique(s.group))} groups),
variations stay with their clip; everything is refitted in the fold. Thresholds and scales come
from town jolts alone.
Towns: {len(TEST_SEEDS)} hard towns ({", ".join(map(str, TEST_SEEDS))}) as they are, that neither
training nor tuning drove in; temperature and the slow phones' shares are from
{", ".join(map(str, TUNE_SEEDS))} (the temperature from the recordings out of fold as well). Weights
and views were chosen on the recordings' folds, so those scores flatter: expect up to 0.02 less.

## Scores

| what | accuracy | 95 % (bootstrap over groups or drives) | n |
|---|---:|---|---:|
{score_lines(s)}

Expected calibration error (10 bins, likeliest of eight): recorded {error:.3f}, towns
{town_error:.3f} (classes count the same).

Recorded, likeliest of eight (first repeat):

{confusion(s.p[0], s.label)}

Towns, likeliest of eight:

{confusion(p, town.label)}

Abstaining (`unsure`, no probability reaches {UNSURE:g}):

| where | abstains | error of the rest | error of all | n |
|---|---:|---:|---:|---:|
{unsure_lines(s)}

## By rate

Towns, by the phone's rate; classes count the same, those that occur:

| rate, Hz | accuracy | calibration error | n |
|---|---:|---:|---:|
{rate_lines(s)}

Recorded clips brought to another rate and heard on our own path, out of fold:

| rate, Hz | five classes | event against road | calibration error (of eight) |
|---:|---:|---:|---:|
{clip_rate_lines(s)}

Below {FULL_HZ:g} Hz the verdict is mixed with the equal prior; kept is: {kept}.

## How long a clip was (from an earlier run of the same two views)

Recorded clips of different classes have different lengths, and a window must not tell. Given the
class, the log-probabilities told the tercile of the length in 0.407 of the cases, chance 0.333,
shuffled labels 0.34-0.36: **they do tell a little**. It does not come from padding (0.392 on clips
that needed none; whether the start was padded: area under the curve 0.481), and slower events
have longer clips. Cutting the same clip short moved p(pothole) by 0.03 or less on average in each
class, and accuracy on clips cut alike in all classes was the same (0.780 against 0.781).

## What was tried (earlier runs, five recorded classes; ten folds, three draws; ± 0.01 is chance)

| what | accuracy | event against road | log loss |
|---|---:|---:|---:|
| logistic on 28 features and squares (model 1's form) | 0.70 | 0.85 | 0.79 |
| extra trees, random forest on 300 features | 0.72-0.73 | 0.87-0.89 | 0.70-0.74 |
| support vectors on the same | 0.74-0.76 | 0.89-0.90 | 0.66-0.68 |
| scattering coefficients | 0.67-0.69 | 0.84-0.85 | 0.81-0.93 |
| raw windows, principal components | 0.66 | 0.84 | 0.85 |
| kernels on the window alone, ridge | 0.75 | 0.88 | 0.71 |
| kernels on window and difference, ridge | 0.77-0.79 | 0.89-0.90 | 0.64-0.66 |
| the same by thirds, or with integral or second difference | 0.75-0.78 | 0.89-0.90 | 0.65-0.71 |
| physical features, Gaussian kernel, logistic | 0.76 | 0.90 | 0.65 |
| one kernel of both views | 0.76-0.77 | 0.89-0.90 | 0.63 |
| **mean of both views** | 0.78-0.79 | 0.90-0.91 | 0.60 |
| with dictionaries of shapelets as a third view | 0.80 | 0.91 | 0.60 |
| copies at other speeds (interpolated) | 0.77 | 0.90 | 0.63 |
| with studio clips, weight 0.03 / 0.1 / 0.3 | 0.79-0.80 | 0.90-0.91 | 0.62-0.63 |
| recorded and simulated variants of a class told apart, then summed | 0.74-0.78 | 0.88-0.90 | - |

The third view was left out: fifteen times slower. On draws never used for choosing, the two views
had 0.781 and 0.903 on five classes alone; room for three simulated classes and for towns costs
what stands above.

## Limits

- 0.80 of five classes and 0.94 of event against road are **not reached**; the interval of the
  first holds 0.80. From 157 clips on, more of the same did not help.
- The recordings have no vehicle, trip or site id: the same car or site may be on both sides of a
  split. Repeats draw new folds of the same clips.
- The simulator was calibrated on these recordings (docs/simulator.md), so rows with it are a
  little flattered.
- Castings, joints and handling have never been checked against recordings. A casting, a
  shallow pothole, a patch and a crack are alike in one wheel path: only many passes and the
  inventory tell them apart.
- Below 20 Hz little is known of one jolt; the probabilities say so.
- No recording here is from a truck, a motorcycle or a bicycle.
"""


if __name__ == "__main__":
    with threadpool_limits(1):  # many threads on small matrices cost a hundredfold
        main()
