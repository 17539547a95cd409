#!/usr/bin/env python3
"""Train the classifier of single jolts; write its numbers, and what its card says of this run.

    STREETBUMP_DATA=FOLDER python scripts/train_classifier.py

FOLDER holds ``gonzalez_2017``. Labelled recordings give five classes, simulated towns give all
eight (with seeds of their own: neither tests nor fixtures nor examples drive there). Recordings
are scored out of fold, those of near-identical shape kept on one side of each split; simulated
jolts in towns that were not trained on.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from scipy.linalg import solve
from scipy.optimize import minimize_scalar
from scipy.signal import resample
from scipy.spatial import cKDTree
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from streetbump.config import shipped_settings
from streetbump.detect import detect
from streetbump.detect.classify import (
    BARE_PRIOR,
    LEAST_P,
    SHIPPED_MODEL,
    WINDOW_HZ,
    WINDOW_SAMPLES,
    JoltModel,
    class_probabilities,
    cut_windows,
    features,
    given_strength,
    load_model,
    nearness,
    softmax,
    under_prior,
)
from streetbump.detect.features import FEATURE_COUNT
from streetbump.detect.kernels import (
    BANKS,
    COUNTS,
    KERNELS,
    LEVELS,
    Shorts,
    draw_thresholds,
    kernel_counts,
)
from streetbump.detect.signal import moving_mean, prepare
from streetbump.geo import to_e7
from streetbump.model import (
    CLASSES,
    P_COLUMNS,
    UNKNOWN,
    Floats,
    Gravity,
    Ints,
    JoltClass,
    TimeBasis,
    Trip,
)
from streetbump.report.hearing import bare_trip
from streetbump.report.scoring import bin_of_p, boot_sums, ratio
from streetbump.report.series import clip_of, groups_of
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
CARD = HERE / "docs" / "models" / "jolt-model-3.md"
UNSEEN = CARD.with_name("jolt-model-3-unseen.csv")
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
    "untrained", "", tuple(CLASSES), (((0,) * KERNELS,) * LEVELS,) * BANKS, (FLAT,) * COUNTS,
    FLAT, 1.0, (0.0,) * FEATURE_COUNT, (1.0,) * FEATURE_COUNT, 1.0, ((0.0,) * FEATURE_COUNT,), 1.0,
    (FLAT,), FLAT, 1.0, FLAT, (0.0,), (1.0,), FLAT, (1.0,) * len(CLASSES), 0.0,
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
    score : (n,) float64
        Of the candidate; NaN but in towns.
    """

    windows: Floats
    label: Ints
    rate_hz: Floats
    source: np.ndarray
    clip: Ints
    score: Floats

    def take(self, rows: np.ndarray) -> Jolts:
        """Some of them."""
        return Jolts(*(getattr(self, f.name)[rows] for f in fields(self)))


def jolts(
    windows: Floats, label: Ints, *, rate_hz: Floats | float, source: str, clip: Ints | int = -1,
    score: Floats | float = np.nan,
) -> Jolts:  # fmt: skip
    """Examples of one source."""
    n = len(windows)
    return Jolts(
        windows, label, np.broadcast_to(rate_hz, n).astype(float), np.full(n, source),
        np.broadcast_to(clip, n).astype(np.int64), np.broadcast_to(score, n).astype(float),
    )  # fmt: skip


def joined(parts: Sequence[Jolts]) -> Jolts:
    """All of them, in order."""
    columns = (np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Jolts))
    return Jolts(*columns)


# ------------------------------------------------------------------------------- recordings


class Recordings(NamedTuple):
    """Names, clips at 50 Hz with gravity, and classes."""

    names: tuple[str, ...]
    clips: list[Floats]
    label: Ints


def recordings(folder: Path) -> Recordings:
    """The labelled half of González 2017: clips at 50 Hz, and their classes."""
    files = [(f, c) for kind, c in RECORDED.items() for f in sorted((folder / kind).glob("*.csv"))]
    return Recordings(
        tuple(f"{f.parent.name}/{f.name}" for f, _ in files),
        [np.loadtxt(f, skiprows=1) for f, _ in files],
        np.array([INDEX[c] for _, c in files]),
    )


def heard(series_ms2: Floats, *, rate_hz: float = WINDOW_HZ) -> Floats:
    """The window around the strongest moment, on the path of every trip, (60,)."""
    trip = bare_trip(series_ms2[:, None], rate_hz=rate_hz)
    return clip_of(trip, trip_id="", label=JoltClass.UNSURE, settings=DETECT).window_ms2


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
"""Random variation of a copy: samples by which the peak is off; spread of the level; noise; how
many are about another strong moment of the clip (of this share of the peak)."""
CUT, CUT_SAMPLES = 0.6, (40, 95)
"""How many copies are of clips cut anew, and to how many samples: shorter and a little longer than
a window, alike in all classes, so that what is mirrored at a short clip's ends tells nothing."""


def calm(clip: Floats) -> Floats:
    """A clip without its moving mean of 1 s."""
    return np.asarray(clip - moving_mean(clip, round(WINDOW_HZ)))


def cut_anew(
    clip: Floats, rng: np.random.Generator, samples: tuple[int, int] = CUT_SAMPLES
) -> Floats:
    """A part of a clip of random length that holds its peak at a random place."""
    peak = int(np.abs(calm(clip)).argmax())
    length = min(int(rng.integers(samples[0], samples[1] + 1)), len(clip))
    least, most = max(0, peak - length + 1), min(peak, len(clip) - length)
    first = int(rng.integers(least, most + 1))
    return clip[first : first + length]


def varied(clip: Floats, rng: np.random.Generator) -> Floats:
    """One random variation of a clip, (60,)."""
    v = calm(cut_anew(clip, rng) if rng.random() < CUT else clip)
    at = int(np.abs(v).argmax())
    if rng.random() < OTHER:
        at = _another(np.abs(v), at, rng)
    at = int(np.clip(at + rng.integers(-SHIFT, SHIFT + 1), 0, len(v) - 1))
    window = cut_windows(v, np.array([at]), rate_hz=WINDOW_HZ)[0]
    return np.asarray(
        window * np.exp(rng.normal(0, LEVEL)) + rng.normal(0, NOISE_MS2, WINDOW_SAMPLES)
    )


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
        jolts(np.array([varied(c, rng) for c in found]), label, rate_hz=WINDOW_HZ, source="copy",
              clip=every)
        for _ in range(COPIES)
    ]  # fmt: skip
    parts += [
        jolts(resampled(found, hz), label, rate_hz=hz, source="resampled", clip=every)
        for hz in RESAMPLED_HZ
    ]
    return joined(parts)


def resampled(found: Sequence[Floats], rate_hz: float) -> Floats:
    """The clips' windows as a phone of another rate hears them, (n, 60)."""
    return np.array([heard(as_heard_at(c, rate_hz), rate_hz=rate_hz) for c in found])


# ------------------------------------------------------------------------------- simulated jolts

STUDIO_CLIPS, STUDIO_CUT = 150, 0.3
"""Simulated clips like the recorded ones, per class, and how many of them are cut anew."""


def studio_jolts(seed: int) -> Jolts:
    """Clips of the simulator cut and chosen as the recordings were."""
    rng = np.random.default_rng(seed)
    windows, label = [], []
    for c in RECORDED.values():
        for clip in clips(c, STUDIO_CLIPS, rng=rng):
            windows.append(heard(cut_anew(clip, rng) if rng.random() < STUDIO_CUT else clip))
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
    score = bumps["score"].to_numpy()
    every = jolts(windows, label, rate_hz=trip.rate_hz, source="town", clip=number, score=score)
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


PER_CLASS = 500
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


LEAST_SCORED = 20
"""Classes with fewer jolts in the scored towns are left out there: where classes count the same, a
score would hang on a few jolts. Chosen by us."""


def common(town: Jolts) -> Jolts:
    """Without classes that hardly occur."""
    return town.take(np.bincount(town.label, minlength=len(CLASSES))[town.label] >= LEAST_SCORED)


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
TOWN_LANDMARKS, RECORDED_LANDMARKS = 40, 30
"""Known jolts of each class that others are compared with. More were no better."""
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
    """What both views see of some jolts: standardised counts and standardised features."""

    counts: np.ndarray
    z: Floats

    def take(self, rows: np.ndarray) -> Inputs:
        """Some of them."""
        return Inputs(self.counts[rows], self.z[rows])


@dataclass(frozen=True, eq=False)
class Scales:
    """How inputs are standardised: from town jolts alone, so that all folds share it."""

    thresholds: Shorts
    count_mean: Floats
    count_scale: Floats
    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, windows: Floats) -> Scales:
        """Thresholds, means and deviations of these windows."""
        thresholds = draw_thresholds(windows[::3], rng=np.random.default_rng(SEED))
        counts, x = kernel_counts(windows, thresholds), features(windows)
        count_scale = (counts.std(axis=0) + 0.06) * np.sqrt(COUNTS)
        return cls(thresholds, counts.mean(axis=0), count_scale, x.mean(axis=0), x.std(axis=0))

    def inputs(self, windows: Floats) -> Inputs:
        """Both views' inputs; the last column of `counts` is 1."""
        counts = (kernel_counts(windows, self.thresholds) - self.count_mean) / self.count_scale
        z = np.clip((features(windows) - self.centre) / (self.scale + 1e-9), -LIMIT, LIMIT)
        return Inputs(np.column_stack((counts, np.ones(len(counts)))).astype(np.float32), z)


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
        views = softmax(SHARPNESS * (x.counts @ self.ridge)), softmax(near)
        return np.mean(np.log(np.maximum(views, LEAST_P)), axis=0)


def fit(j: Jolts, x: Inputs, rows: np.ndarray) -> Fit:
    """Both views on some rows."""
    some, seen = j.take(rows), x.take(rows)
    ridge = _ridge(seen.counts, some.label, balance(some, KERNEL_SHARE))
    landmarks = np.round(seen.z[_landmarks(some)], 2)
    near, bias = _near(seen.z, landmarks, some.label, balance(some, NEAR_SHARE))
    return Fit(ridge, landmarks, near, bias)


def _ridge(counts: np.ndarray, label: Ints, weight: Floats) -> Floats:
    """Weighted ridge regression on ±1 targets, (k, 8)."""
    root = np.sqrt(weight)[:, None]
    target = 2.0 * (label[:, None] == np.arange(len(CLASSES))) - 1.0
    rows = counts * root.astype(np.float32)
    penalised = (rows.T @ rows).astype(np.float64) + RIDGE * np.eye(rows.shape[1])
    return np.asarray(solve(penalised, rows.T @ (target * root), assume_a="pos"))


def _landmarks(j: Jolts) -> np.ndarray:
    """Rows that others are compared with."""
    rng, rows = np.random.default_rng(SEED), []
    for source, most in (("recorded", RECORDED_LANDMARKS), ("town", TOWN_LANDMARKS)):
        for c in range(len(CLASSES)):
            mine = np.flatnonzero((j.source == source) & (j.label == c))
            rows.append(rng.choice(mine, min(most, len(mine)), replace=False))
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
    gap = np.bincount(bin_of_p(sure), weight * (sure - right))
    return float(np.abs(gap).sum() / weight.sum())


def interval(right: np.ndarray, weight: Floats, group: Ints) -> tuple[float, float]:
    """95 % bootstrap interval of a weighted share, drawing whole groups."""
    _, where = np.unique(group, return_inverse=True)
    sums = np.column_stack((np.bincount(where, weight * right), np.bincount(where, weight)))
    found = boot_sums(sums.astype(np.float64), lambda s: ratio(s[..., 0], s[..., 1])[..., None])[0]
    return found.lo, found.hi


def best_temperature(parts: Sequence[tuple[Floats, Ints]]) -> float:
    """The temperature of least log loss, recordings and towns counting the same."""

    def loss(t: float) -> float:
        return sum(log_loss(softmax(z / t), label, evenly(label)) for z, label in parts)

    return float(minimize_scalar(loss, bounds=(0.5, 3.0), method="bounded").x)


SLOW_EDGES_HZ = ((4.0, 7.0), (7.0, 13.0), (13.0, 22.0), (22.0, 35.0))
SLOW_HZ = (5.0, 10.0, 18.0, 25.0)
SLOW_CLIPS_HZ = (5.0, 10.0, 20.0, 25.0)
FULL_HZ = 40.0
"""Bands of rates in which the share of the verdict that is kept is fitted, the rate that stands for
each, that to which recordings are brought for it, and the rate from which all is kept."""


def kept_shares(p: Floats, j: Jolts, clips: Sequence[Floats], label: Ints) -> tuple[float, ...]:
    """How much of a slow phone's verdict to keep, by least log loss; never more when slower.

    Town jolts of each band and recordings brought to its rate (one array each) count the same.
    """
    found, shares, flat = [], np.arange(0.0, 1.001, 0.01), 1 / len(CLASSES)
    for (low, high), clip_p in zip(SLOW_EDGES_HZ, clips, strict=True):
        rows = (j.rate_hz > low) & (j.rate_hz <= high)
        parts = ((p[rows], j.label[rows]), (clip_p, label))
        losses = [
            sum(log_loss(s * q + (1 - s) * flat, y, evenly(y)) for q, y in parts) for s in shares
        ]
        found.append(float(shares[int(np.argmin(losses))]))
    return tuple(np.minimum.accumulate([1.0, *found[::-1]])[:0:-1].tolist())


REPEATS = 2
"""Times the folds are drawn anew."""


def fold_rows(j: Jolts, label: Ints, group: Ints, draw: int) -> Iterator[tuple[Ints, Ints]]:
    """Rows to train on, and recordings to test on, for each fold of a draw."""
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED + draw)
    for _, test in folds.split(np.zeros(len(label)), label, group):
        unseen = (j.source != "town") & np.isin(j.clip, test)
        yield np.flatnonzero(~unseen), test


def cross_validated(
    j: Jolts, x: Inputs, versions: dict[str, Inputs], label: Ints, group: Ints
) -> dict[str, Floats]:
    """Logits of every version of every recording by models that have not seen it, by its name.

    Each (REPEATS, n, 8).
    """
    shape = (REPEATS, len(label), len(CLASSES))
    out: dict[str, Floats] = {name: np.zeros(shape) for name in versions}
    for r in range(REPEATS):
        for rows, test in fold_rows(j, label, group, r):
            model = fit(j, x, rows)
            for name, version in versions.items():
                out[name][r, test] = model.logits(version.take(test))
    return out


# ------------------------------------------------------------------------------- length probes

CUTS, PROBE_SAMPLES = 8, (60, CUT_SAMPLES[1])
"""Times each clip is cut anew for the probe, and to how many samples: from one window's length on,
as every recording is, to what 9 in 10 of them have."""
PROBE_PARTS = 50
"""Principal components of the kernels' counts that the probe is given."""


def thirds(length: Ints) -> Ints:
    """Which third of the lengths each belongs to."""
    return np.digitize(length, np.quantile(length, [1 / 3, 2 / 3]))


def told(x: Floats, third: Ints, group: Ints, *, parts: int = 0) -> np.ndarray:
    """Whether a logistic regression that has not seen the group tells the third, (n,)."""
    right = np.zeros(len(third), np.bool_)
    strength = 0.1 if x.shape[1] <= len(CLASSES) else 0.003
    for rows, test in GroupKFold(FOLDS).split(x, third, group):
        steps = [PCA(parts, random_state=SEED)] * (parts > 0)
        probe = make_pipeline(
            *steps, StandardScaler(), LogisticRegression(C=strength, max_iter=300)
        )
        right[test] = probe.fit(x[rows], third[rows]).predict(x[test]) == third[test]
    return right


def probe_cuts(cut: Sequence[tuple[Ints, Inputs, Floats]], group: Ints, enough: Ints) -> list[str]:
    """Whether the processing leaks the length: clips cut at random, whatever their class."""
    length = np.concatenate([n[enough] for n, _, _ in cut])
    p = np.log(softmax(np.concatenate([z[enough] for _, _, z in cut])))
    seen = [x.take(enough) for _, x, _ in cut]
    z, counts = (np.concatenate([getattr(x, name) for x in seen]) for name in ("z", "counts"))
    third, groups = thirds(length), np.tile(group[enough], len(cut))
    shuffled = np.random.default_rng(SEED).permutation(third)
    rows = {
        "log-probabilities": told(p, third, groups),
        "log-probabilities, thirds shuffled": told(p, shuffled, groups),
        "physical features": told(z, third, groups),
        "kernels": told(counts[:, :-1], third, groups, parts=PROBE_PARTS),
    }
    return [line_of(f"cut at random: {name}", right, groups) for name, right in rows.items()]


def probe_whole(length: Ints, x: Inputs, logits: Floats, label: Ints, group: Ints) -> list[str]:
    """Whether a jolt tells how long its whole clip was, within each class."""
    rng, p = np.random.default_rng(SEED), np.log(softmax(logits))
    names = ("log-probabilities", "log-probabilities, thirds shuffled", "physical features")
    right = np.zeros((len(names), len(label)), np.bool_)
    for c in FIVE:
        mine = label == c
        third = thirds(length[mine])
        for k, (some, truth) in enumerate(((p, third), (p, rng.permutation(third)), (x.z, third))):
            right[k, mine] = told(some[mine], truth, group[mine])
    lines = [
        line_of(f"whole clips: {name}", row, group) for name, row in zip(names, right, strict=True)
    ]
    by_class = {CLASSES[c].value: right[0, label == c].mean() for c in FIVE}
    said = ", ".join(f"{name} {share:.2f}" for name, share in by_class.items())
    return [*lines, f"\nWhole clips, log-probabilities, by class (50 clips each): {said}."]


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
    probes: list[str]


STRENGTH_POWER = 0.5
"""How far the score is believed. Chosen by us: of 0.3, 0.5, 0.7 and 1 it costs neither half of 160
drives through the hard town anything in log loss, and the window shows a part of it already."""


def strengths(town: Jolts) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the log score of each class, each (8,).

    A class that hardly occurs has those of all.
    """
    log_score = np.log(town.score)
    of = [log_score[town.label == k] for k in range(len(CLASSES))]
    of = [own if len(own) >= LEAST_SCORED else log_score for own in of]
    return np.array([own.mean() for own in of]), np.array([own.std() for own in of])


def numbers(
    found: Fit, scales: Scales, temperature: float, kept: tuple[float, ...], town: Jolts
) -> JoltModel:
    """The model as it ships: five significant digits."""

    def short(values: np.ndarray) -> tuple:  # type: ignore[type-arg]
        if values.ndim == 1:
            return tuple(float(f"{v:.5g}") for v in values)
        return tuple(short(row) for row in values)

    weights = found.ridge[:-1] / scales.count_scale[:, None]
    strength_mean, strength_sd = strengths(town)
    return JoltModel(
        name="jolt-model-3",
        card="docs/models/jolt-model-3.md",
        classes=tuple(c.value for c in CLASSES),
        thresholds=tuple(tuple(map(tuple, bank)) for bank in scales.thresholds.tolist()),
        kernel_weights=short(weights),
        kernel_bias=short(found.ridge[-1] - scales.count_mean @ weights),
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
        strength_mean=short(strength_mean),
        strength_sd=short(strength_sd),
        strength_power=STRENGTH_POWER,
    )


def main() -> None:
    """Train, score, write."""
    rng = np.random.default_rng(SEED)
    found_names, found, label = recordings(Path(os.environ["STREETBUMP_DATA"]) / "gonzalez_2017")
    recorded = recorded_jolts(found, label, rng)
    group = groups_of(recorded.windows[: len(found)])
    with ProcessPoolExecutor(2) as pool:
        trained = pool.map(town_jolts, [(s, TOWN_TRIPS, True) for s in TOWN_SEEDS])
        tuned = pool.map(town_jolts, [(s, TOWN_TRIPS, True) for s in TUNE_SEEDS])
        tested = pool.map(town_jolts, [(s, TOWN_TRIPS, False) for s in TEST_SEEDS])
        studio = studio_jolts(SEED)
        town = sampled(joined(list(trained)), PER_CLASS, rng, even=True)
        tune = sampled(joined(list(tuned)), SCORED_PER_CLASS, rng, even=True)
        test = common(sampled(joined(list(tested)), SCORED_PER_CLASS, rng, even=False))
    j = joined((recorded, studio, town))
    scales = Scales.of(town.windows)
    x = scales.inputs(j.windows)
    seen = x.take(np.arange(len(label)))
    cuts = [[cut_anew(c, rng, PROBE_SAMPLES) for c in found] for _ in range(CUTS)]
    versions = {"": seen} | {f"{hz:g}": scales.inputs(resampled(found, hz)) for hz in OTHER_HZ}
    versions |= {
        f"cut {k}": scales.inputs(np.array([heard(c) for c in cut])) for k, cut in enumerate(cuts)
    }

    logits = cross_validated(j, x, versions, label, group)
    final = fit(j, x, np.arange(len(j.label)))
    tune_logits = final.logits(scales.inputs(tune.windows))
    fast = tune.rate_hz > FULL_HZ
    temperature = best_temperature(
        [(logits[""].reshape(-1, len(CLASSES)), np.tile(label, REPEATS)),
         (tune_logits[fast], tune.label[fast])]
    )  # fmt: skip
    slow_clips = [softmax(logits[f"{hz:g}"][0] / temperature) for hz in SLOW_CLIPS_HZ]
    kept = kept_shares(softmax(tune_logits / temperature), tune, slow_clips, label)
    model = numbers(final, scales, temperature, kept, town)
    NUMBERS.write_bytes(msgspec.json.encode(model).replace(b"]],", b"]],\n") + b"\n")
    load_model.cache_clear()

    alone = fit(j, x, np.flatnonzero((j.source == "studio") | (j.source == "town")))
    length = np.array([len(c) for c in found])
    parts = [
        (np.array([len(c) for c in cut]), versions[f"cut {k}"], logits[f"cut {k}"][0])
        for k, cut in enumerate(cuts)
    ]
    scores = Scores(
        label, group, np.array([softmax(z / temperature) for z in logits[""]]),
        {hz: shipped(logits[f"{hz:g}"][0], hz, model) for hz in OTHER_HZ},
        softmax(alone.logits(seen) / temperature),
        {c.value: int((town.label == k).sum()) for k, c in enumerate(CLASSES)},
        (predicted(tune, model), tune), (predicted(test, model), test),
        [*probe_cuts(parts, group, np.flatnonzero(length >= CUT_SAMPLES[1])),
         *probe_whole(length, seen, logits[""][0], label, group)],
    )  # fmt: skip
    UNSEEN.write_text(unseen_csv(scores, found_names), encoding="utf-8")
    card = filled(CARD.read_text(encoding="utf-8"), blocks(scores, model))
    CARD.write_text(card, encoding="utf-8")
    print(card)


def shipped(logits: Floats, rate_hz: float, model: JoltModel) -> Floats:
    """Probabilities with the shipped temperature and the share that slow phones keep."""
    share = float(np.interp(rate_hz, model.slow_rate_hz, model.slow_share))
    return share * softmax(logits / model.temperature) + (1 - share) / len(CLASSES)


def predicted(j: Jolts, model: JoltModel) -> Floats:
    """What the shipped model says, each jolt at its phone's rate."""
    full = class_probabilities(j.windows, rate_hz=FULL_HZ, model=model)
    share = np.interp(j.rate_hz, model.slow_rate_hz, model.slow_share)[:, None]
    return given_strength(share * full + (1 - share) / len(CLASSES), j.score, model)


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
    bare = np.array([under_prior(one, BARE_PRIOR) for one in s.p]).argmax(axis=2)
    weight, right = evenly(town.label), p.argmax(axis=1) == town.label
    fast = town.rate_hz > FULL_HZ
    lone = five_way(s.simulator_only)
    road = is_road(s.label)
    return "\n".join(
        (
            repeated("recorded, five classes, likeliest of the five", five == s.label, s.group),
            repeated("recorded, event against road, by the same", is_road(five) == road, s.group),
            repeated("recorded, likeliest of all eight, equal prior", eight == s.label, s.group),
            repeated("recorded, likeliest of all eight, prior of bare series",
                     bare == s.label, s.group),
            line_of("trained on the simulator only: recorded, five classes",
                    lone == s.label, s.group),
            line_of("trained on the simulator only: recorded, event against road",
                    is_road(lone) == road, s.group),
            line_of("towns, likeliest of eight, classes count the same", right, town.clip, weight),
            line_of("towns, the same under the prior of bare series",
                    under_prior(p, BARE_PRIOR).argmax(axis=1) == town.label, town.clip, weight),
            line_of(f"towns, phones above {FULL_HZ:g} Hz only", right[fast], town.clip[fast],
                    evenly(town.label[fast])),
        )
    )  # fmt: skip


def unsure_lines(s: Scores) -> str:
    """Who abstains, and how right the others are."""
    rows = []
    for name, p, label in (
        ("recorded", s.p[0], s.label),
        ("recorded, prior of bare series", under_prior(s.p[0], BARE_PRIOR), s.label),
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


def blocks(s: Scores, model: JoltModel) -> dict[str, str]:
    """What stands between the marks of the card, by name; every number is of this run."""
    p, town = s.test
    ones = np.ones(len(s.label))
    error = np.mean([calibration_error(one, s.label, ones) for one in s.p])
    town_error = calibration_error(p, town.label, evenly(town.label))
    kept = ", ".join(
        f"{hz:g} Hz {share:.2f}"
        for hz, share in zip(model.slow_rate_hz, model.slow_share, strict=True)
    )
    return {
        "made": f"Digest of the numbers: `{model.digest}`. Made on {DATE}; temperature "
        f"{model.temperature:.3f}; {len(model.landmarks)} landmarks; {REPEATS} draws of the folds.",
        "data": f"Recorded: {len(s.label)} clips in {len(np.unique(s.group))} groups. Towns: "
        + ", ".join(f"{n} {c}" for c, n in s.simulated.items()) + ".",
        "scores": "| what | accuracy | 95 % (bootstrap over groups or drives) | n |\n"
        f"|---|---:|---|---:|\n{score_lines(s)}\n\n"
        "Expected calibration error (10 bins, likeliest of eight, equal prior): recorded "
        f"{error:.3f}, towns\n{town_error:.3f} (classes count the same).",
        "recorded": confusion(under_prior(s.p[0], BARE_PRIOR), s.label),
        "towns": confusion(p, town.label),
        "unsure": f"`detect.unsure_below` is {UNSURE:g}.\n\n"
        "| where | abstains | error of the rest | error of all | n |\n"
        f"|---|---:|---:|---:|---:|\n{unsure_lines(s)}",
        "rates": "| rate, Hz | accuracy | calibration error | n |\n"
        f"|---|---:|---:|---:|\n{rate_lines(s)}",
        "clip rates": "| rate, Hz | five classes | event against road | calibration error |\n"
        f"|---:|---:|---:|---:|\n{clip_rate_lines(s)}\n\nKept: {kept}.",
        "probes": "| probe | told | 95 % | n |\n|---|---:|---|---:|\n"
        + "\n".join(s.probes),
    }  # fmt: skip


def unseen_csv(s: Scores, names: Sequence[str]) -> str:
    """What models that had not seen it said of each recording, first draw of the folds."""
    rows = [",".join(("clip", "class", *P_COLUMNS))]
    rows += [
        ",".join((name, CLASSES[c].value, *(f"{x:.4f}" for x in row)))
        for name, c, row in zip(names, s.label, s.p[0], strict=True)
    ]
    return "\n".join(rows) + "\n"


def filled(card: str, found: dict[str, str]) -> str:
    """The card with what stands between its marks replaced."""
    for name, text in found.items():
        before, rest = card.split(f"<!-- {name} -->\n")
        _, after = rest.split(f"<!-- end {name} -->")
        card = f"{before}<!-- {name} -->\n\n{text}\n\n<!-- end {name} -->{after}"
    return card


if __name__ == "__main__":
    with threadpool_limits(1):  # many threads on small matrices cost a hundredfold
        main()
