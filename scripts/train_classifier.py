#!/usr/bin/env python3
"""Train the classifier of single jolts; write its numbers and its card.

    STREETBUMP_DATA=FOLDER python scripts/train_classifier.py

FOLDER holds ``gonzalez_2017``. Labelled recordings give five classes, the simulator gives seven
(with streets, cars and seeds of its own, none of them in the fixtures). Every score is
cross-validated: recordings of near-identical shape, and jolts of one simulated street, stay on
one side of each split.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.optimize import minimize_scalar
from scipy.sparse.csgraph import connected_components
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from threadpoolctl import threadpool_limits

from streetbump.detect.classify import (
    FEATURES,
    SHIPPED_MODEL,
    WINDOW_HZ,
    WINDOW_S,
    JoltModel,
    cut_windows,
    features,
    softmax,
    terms,
)
from streetbump.model import CLASSES, Floats, Ints, JoltClass
from streetbump.simulate.drive import DrivePlan
from streetbump.simulate.gps import Receiver
from streetbump.simulate.phone import Phone
from streetbump.simulate.street import (
    Defect,
    casting,
    joint,
    make_street,
    patch,
    pothole,
    rail,
)
from streetbump.simulate.trip import SimulatedTrip, simulate_trip
from streetbump.simulate.vehicle import Car

HERE = Path(__file__).resolve().parent.parent
NUMBERS = HERE / "streetbump" / "data" / SHIPPED_MODEL
CARD = HERE / "docs" / "models" / "jolt-model-1.md"
DATE = "2026-11-23"

SEED = 1911
FOLDS = 10
PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Inverse strengths of the L2 penalty that are tried; the least log loss wins."""
RECORDED_SHARE = 0.6
"""What recordings weigh in a class that the simulator has too. Chosen by us: recordings are real,
and few."""
LIMIT = 4.0
SLOW_HZ = (5.0, 8.0, 10.0, 15.0, 20.0)
CLIP_S = 6.0
NEAR_IDENTICAL = 0.95
RECORDED = {
    "asphalt_bumps": JoltClass.HUMP,
    "metal_bumps": JoltClass.MARKER,
    "potholes": JoltClass.POTHOLE,
    "worn_out_road": JoltClass.ROUGH,
    "regular_road": JoltClass.SMOOTH,
}
INDEX = {c: k for k, c in enumerate(CLASSES)}
FIVE = np.array([INDEX[c] for c in RECORDED.values()])
ROAD = np.array([INDEX[JoltClass.ROUGH], INDEX[JoltClass.SMOOTH]])


@dataclass(frozen=True, eq=False)
class Jolts:
    """Examples: the vertical acceleration around each, its class, its group, where it is from."""

    clips: list[Floats]
    label: Ints
    group: Ints
    recorded: np.ndarray

    def windows(self, *, rate_hz: float = WINDOW_HZ) -> Floats:
        """Windows cut as in use, as a phone of that rate would have given them."""
        return np.concatenate([window_of(c, rate_hz=rate_hz) for c in self.clips])


def window_of(clip: Floats, *, rate_hz: float) -> Floats:
    """The window around the strongest moment of a clip at 50 Hz, (1, 60).

    A slower phone keeps every n-th value, as most loggers do.
    """
    t = np.arange(0.0, (len(clip) - 1) / WINDOW_HZ + 1e-9, 1 / rate_hz)
    slow = np.interp(t, np.arange(len(clip)) / WINDOW_HZ, clip)
    v = slow - uniform_filter1d(slow, max(round(rate_hz), 1), mode="nearest")
    return cut_windows(v, np.array([np.abs(v).argmax()]), rate_hz=rate_hz)


def recorded_jolts(folder: Path) -> Jolts:
    """The labelled half of González 2017, grouped by near-identical shape."""
    names = [(f, c) for kind, c in RECORDED.items() for f in sorted((folder / kind).glob("*.csv"))]
    clips = [np.loadtxt(f, skiprows=1) for f, _ in names]
    label = np.array([INDEX[c] for _, c in names])
    shape = np.concatenate([window_of(c, rate_hz=WINDOW_HZ) for c in clips])
    shape = shape / np.linalg.norm(shape, axis=1, keepdims=True)
    _, group = connected_components(shape @ shape.T > NEAR_IDENTICAL)
    return Jolts(clips, label, group.astype(np.int64), np.ones(len(clips), np.bool_))


# ------------------------------------------------------------------------------- simulated jolts


def random_car(rng: np.random.Generator) -> Car:
    """A passenger car within the ranges that streetbump.simulate.vehicle cites."""
    spring, damping = rng.uniform(40.0, 110.0), rng.uniform(0.22, 0.42)
    damper = 2 * damping * np.sqrt(spring)
    return Car(
        "drawn", rng.uniform(2.4, 2.9), rng.uniform(0.5, 0.63),
        (spring, spring * rng.uniform(1.0, 1.2)), (damper, damper * rng.uniform(0.95, 1.1)),
        rng.uniform(560.0, 800.0), rng.uniform(0.12, 0.18), rng.uniform(0.82, 1.0),
    )  # fmt: skip


def random_defect(name: str, along_m: float, hump_m: float, rng: np.random.Generator) -> Defect:
    """One defect of a random kind; humps of one street are alike."""
    sign = rng.choice([-1.0, 1.0])
    kind = rng.choice(["pothole", "hump", "casting", "rail", "joint", "patch", "patch"])
    if kind == "pothole":
        depth, length = rng.uniform(0.035, 0.1), rng.uniform(0.4, 1.2)
        return pothole(name, along_m, depth_m=depth, length_m=length, hit_probability=1.0)
    if kind == "hump":
        return Defect(name, "hump", along_m, rng.uniform(0.05, 0.1), hump_m)
    if kind == "casting":
        height = sign * rng.uniform(0.015, 0.04)
        return casting(name, along_m, height_m=height, hit_probability=1.0)
    if kind == "rail":
        return rail(name, along_m, height_m=rng.uniform(0.01, 0.025))
    if kind == "joint":
        height, length = sign * rng.uniform(0.008, 0.022), rng.uniform(0.3, 0.7)
        return joint(name, along_m, height_m=height, length_m=length)
    height, length = sign * rng.uniform(0.008, 0.016), rng.uniform(1.2, 3.0)
    return patch(name, along_m, height_m=height, length_m=length)


CLASS_OF_KIND = {
    "pothole": JoltClass.POTHOLE,
    "hump": JoltClass.HUMP,
    "casting": JoltClass.CASTING,
    "rail": JoltClass.JOINT,
    "joint": JoltClass.JOINT,
    "patch": JoltClass.ROUGH,  # felt, and nothing to report
}


def random_trip(
    rng: np.random.Generator, *, gd_m3: float, defects: list[Defect], hump_ms: float
) -> SimulatedTrip:
    """One trip over a straight street of 2.4 km in a random car at a random speed."""
    street = make_street(
        np.zeros(2), np.array([0.0, 2400.0]), lat0_deg=0.0, lon0_deg=0.0, gd_m3=gd_m3,
        defects=defects, rng=rng,
    )  # fmt: skip
    plan = DrivePlan("out", rng.uniform(6.0, 19.0), 10.0, 2390.0, hump_ms=hump_ms)
    phone = Phone(
        WINDOW_HZ, ahead_m=rng.uniform(-1.2, 0.9), above_m=rng.uniform(-0.1, 0.6),
        noise_ms2=rng.uniform(0.02, 0.12),
    )  # fmt: skip
    return simulate_trip(
        street, plan, car=random_car(rng), phone=phone, receiver=Receiver(), rng=rng
    )  # fmt: skip


def even_vertical(trip: SimulatedTrip) -> Floats:
    """The trip's vertical acceleration at 50 Hz, gravity included, m/s²."""
    grid = np.arange(0.0, trip.t_s[-1], 1 / WINDOW_HZ)
    return np.interp(grid, trip.t_s, trip.acc_ms2[:, 2])


def clip_around(z: Floats, t_s: float, *, half_s: float) -> Floats:
    """The samples within `half_s` of a moment."""
    first, last = round((t_s - half_s) * WINDOW_HZ), round((t_s + half_s) * WINDOW_HZ)
    return z[max(first, 0) : last]


def defect_jolts(streets: int, rng: np.random.Generator) -> list[tuple[Floats, JoltClass, int]]:
    """Jolts of defects every 60 m on ordinary roads."""
    found = []
    for number in range(streets):
        hump_m = rng.uniform(0.4, 5.0)
        defects = [
            random_defect(f"d{k}", 200.0 + 60.0 * k + rng.uniform(-10, 10), hump_m, rng)
            for k in range(34)
        ]
        kind = {d.defect_id: CLASS_OF_KIND[d.kind] for d in defects}
        hump_ms = (2.5 + 1.1 * hump_m) * rng.uniform(0.8, 1.2)  # the shorter, the slower
        gd = 10 ** rng.uniform(-5.0, -3.9)
        trip = random_trip(rng, gd_m3=gd, defects=defects, hump_ms=hump_ms)
        z = even_vertical(trip)
        # 1.2 s either way holds both axles and, at these speeds, nothing of the neighbours.
        found += [
            (clip_around(z, t + 0.2, half_s=1.2), kind[name], number) for name, t in trip.hits
        ]
    return found


def road_jolts(
    streets: int, label: JoltClass, gd_log10: tuple[float, float], rng: np.random.Generator
) -> list[tuple[Floats, JoltClass, int]]:
    """The strongest moments of roads without defects, one per clip."""
    found = []
    for number in range(streets):
        trip = random_trip(rng, gd_m3=10 ** rng.uniform(*gd_log10), defects=[], hump_ms=6.0)
        z = even_vertical(trip)
        times = rng.uniform(20.0, trip.t_s[-1] - 20.0, 8)
        found += [(clip_around(z, t, half_s=CLIP_S / 2), label, number) for t in times]
    return found


def handled(z: Floats, rng: np.random.Generator) -> Floats:
    """A stretch of driving during which the phone is tapped, lifted or turned."""
    t = np.arange(len(z)) / WINDOW_HZ - len(z) / 2 / WINDOW_HZ
    kind = rng.integers(3)
    if kind == 0:  # taps: short pulses that ring in the holder
        pulse = np.zeros_like(z)
        for at in np.cumsum(rng.uniform(0.0, 0.25, rng.integers(1, 5))):
            ring = np.exp(-np.maximum(t - at, 0) / rng.uniform(0.02, 0.06)) * (t >= at)
            swing = np.cos(2 * np.pi * rng.uniform(8.0, 22.0) * (t - at))
            pulse += rng.choice([-1, 1]) * rng.uniform(2.0, 15.0) * ring * swing
        return z + pulse
    hand = rng.standard_normal((2, len(z)))
    slow = uniform_filter1d(hand[0], 15) * 15**0.5 * np.exp(-((t / 0.8) ** 2))
    if kind == 1:  # picked up, moved, put down
        return z + rng.uniform(1.5, 5.0) * slow
    turn = np.radians(rng.uniform(25.0, 90.0)) / (1 + np.exp(-t / rng.uniform(0.08, 0.4)))
    return z * np.cos(turn) + rng.uniform(0.3, 1.5) * slow  # gravity leaves the axis


def hand_jolts(count: int, rng: np.random.Generator) -> list[tuple[Floats, JoltClass, int]]:
    """Jolts that come from a hand and not from the road."""
    calm = road_jolts(-(-count // 8), JoltClass.NOT_ROAD, (-5.0, -4.0), rng)
    return [(handled(z, rng), label, number) for z, label, number in calm[:count]]


def simulated_jolts(rng: np.random.Generator) -> Jolts:
    """All simulated examples; a group is a street."""
    parts = [
        defect_jolts(60, rng),
        road_jolts(40, JoltClass.SMOOTH, (-5.0, -4.0), rng),
        road_jolts(20, JoltClass.ROUGH, (-3.6, -2.9), rng),
        hand_jolts(320, rng),
    ]
    rows = [(z, c, 1000 * k + g) for k, part in enumerate(parts) for z, c, g in part]
    label = np.array([INDEX[c] for _, c, _ in rows])
    group = np.array([g for _, _, g in rows])
    return Jolts([z for z, _, _ in rows], label, group, np.zeros(len(rows), np.bool_))


# --------------------------------------------------------------------------- fitting and scoring


def joined(a: Jolts, b: Jolts) -> Jolts:
    """Both sets, their groups kept apart."""
    return Jolts(
        a.clips + b.clips,
        np.concatenate((a.label, b.label)),
        np.concatenate((a.group, b.group + a.group.max() + 1)),
        np.concatenate((a.recorded, b.recorded)),
    )


def balance(label: Ints, recorded: np.ndarray) -> Floats:
    """Weights under which every class counts the same, its recordings `RECORDED_SHARE`; mean 1."""
    weight = np.zeros(len(label))
    for c in np.unique(label):
        sources = np.unique(recorded[label == c])
        for r in sources:
            mine = (label == c) & (recorded == r)
            share = RECORDED_SHARE if r else 1 - RECORDED_SHARE
            weight[mine] = (share if len(sources) == 2 else 1.0) / mine.sum()
    return weight / weight.mean()


@dataclass(frozen=True, eq=False)
class Fit:
    """A fitted regression: logits of standardised, clipped features."""

    centre: Floats
    scale: Floats
    weights: Floats
    bias: Floats

    def logits(self, x: Floats) -> Floats:
        """Logits of the eight classes, (n, 8); -30 for a class not trained on."""
        z = terms(x, centre=self.centre, scale=self.scale, limit=LIMIT)
        return z @ self.weights.T + self.bias


def fit(x: Floats, label: Ints, weight: Floats, *, penalty: float) -> Fit:
    """A multinomial logistic regression on weighted examples."""
    centre = np.average(x, axis=0, weights=weight)
    scale = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=weight)) + 1e-9
    z = terms(x, centre=centre, scale=scale, limit=LIMIT)
    model = LogisticRegression(C=penalty, max_iter=5000, tol=1e-5)
    model.fit(z, label, sample_weight=weight)
    weights, bias = np.zeros((len(CLASSES), z.shape[1])), np.full(len(CLASSES), -30.0)
    weights[model.classes_], bias[model.classes_] = model.coef_, model.intercept_
    return Fit(centre, scale, weights, bias)


def folds_of(jolts: Jolts) -> list[tuple[Ints, Ints]]:
    """Stratified folds (class and source) that keep groups together."""
    stratum = jolts.label + len(CLASSES) * jolts.recorded
    cut = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=SEED)
    return list(cut.split(np.zeros(len(stratum)), stratum, jolts.group))


def cross_logits(
    jolts: Jolts, x: Floats, others: dict[float, Floats], *, penalty: float
) -> tuple[Floats, dict[float, Floats]]:
    """Logits of every example from a model that has not seen it, here and in other versions."""
    out = np.zeros((len(x), len(CLASSES)))
    slow = {rate: np.zeros_like(out) for rate in others}
    for train, test in folds_of(jolts):
        weight = balance(jolts.label[train], jolts.recorded[train])
        model = fit(x[train], jolts.label[train], weight, penalty=penalty)
        out[test] = model.logits(x[test])
        for rate, version in others.items():
            slow[rate][test] = model.logits(version[test])
    return out, slow


def log_loss(p: Floats, label: Ints, weight: Floats) -> float:
    """Weighted mean of -log p of the true class."""
    return float(np.average(-np.log(p[np.arange(len(p)), label] + 1e-12), weights=weight))


def best_temperature(logits: Floats, label: Ints, weight: Floats) -> float:
    """The temperature of least log loss."""
    loss = minimize_scalar(
        lambda t: log_loss(softmax(logits / t), label, weight), bounds=(0.3, 5.0), method="bounded"
    )
    return float(loss.x)


def cross_tempered(jolts: Jolts, logits: Floats, weight: Floats) -> Floats:
    """Probabilities of every example, its temperature taken from the other folds."""
    p = np.zeros_like(logits)
    for train, test in folds_of(jolts):
        t = best_temperature(logits[train], jolts.label[train], weight[train])
        p[test] = softmax(logits[test] / t)
    return p


def calibration_error(p: Floats, label: Ints, *, bins: int = 10) -> float:
    """Expected calibration error of the likeliest class, equal-width bins (Guo et al. 2017)."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == label
    which = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(sure[which == b].sum() - right[which == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(p))


def interval(right: np.ndarray, group: Ints) -> tuple[float, float]:
    """95 % bootstrap interval of a share, drawing whole groups."""
    rng = np.random.default_rng(SEED)
    _, where = np.unique(group, return_inverse=True)
    good, size = np.bincount(where, right), np.bincount(where)
    drawn = rng.integers(0, len(size), (2000, len(size)))
    low, high = np.percentile(good[drawn].sum(axis=1) / size[drawn].sum(axis=1), [2.5, 97.5])
    return float(low), float(high)


def keep_share(logits: Floats, temperature: float, label: Ints, weight: Floats) -> float:
    """How much of a slow phone's verdict to keep, by least log loss, in hundredths."""
    p = softmax(logits / temperature)
    shares = np.arange(0.0, 1.001, 0.01)
    losses = [log_loss(s * p + (1 - s) / len(CLASSES), label, weight) for s in shares]
    return float(shares[int(np.argmin(losses))])


# --------------------------------------------------------------------------------------- the card


@dataclass(frozen=True, eq=False)
class Scores:
    """Everything the card states; probabilities are out of fold."""

    jolts: Jolts
    p: Floats
    penalty: float
    losses: dict[float, float]
    temperature: float
    recorded_only: Floats
    simulator_only: Floats
    slow: dict[float, float]
    shares: dict[float, float]


def five_way(p: Floats) -> Ints:
    """The likeliest of the five recorded classes."""
    return FIVE[p[:, FIVE].argmax(axis=1)]


def line_of(name: str, right: np.ndarray, group: Ints) -> str:
    """One row of the table of scores."""
    low, high = interval(right.astype(float), group)
    return f"| {name} | {right.mean():.3f} | {low:.3f}-{high:.3f} | {len(right)} |"


def confusion(p: Floats, label: Ints) -> str:
    """Rows: truth; columns: the likeliest of eight."""
    names = [c.value for c in CLASSES]
    rows = ["| truth | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for k, name in enumerate(names):
        counts = np.bincount(p[label == k].argmax(axis=1), minlength=len(names))
        if counts.any():
            rows.append(f"| {name} | " + " | ".join(map(str, counts.tolist())) + " |")
    return "\n".join(rows)


def cut_short(jolts: Jolts) -> str:
    """How many recorded clips of each class end or begin within half a window of the peak."""
    half, counts = round(WINDOW_S / 2 * WINDOW_HZ), np.zeros(len(CLASSES), dtype=int)
    for clip, label, recorded in zip(jolts.clips, jolts.label, jolts.recorded, strict=True):
        size = np.abs(clip - uniform_filter1d(clip, round(WINDOW_HZ), mode="nearest"))
        counts[label] += recorded and min(size.argmax(), len(clip) - 1 - size.argmax()) < half
    found = ", ".join(f"{n} {c.value}" for c, n in zip(CLASSES, counts, strict=True) if n)
    return f"the peak lies within {WINDOW_S / 2:g} s of an end in {found}"


def card_text(s: Scores, model: JoltModel) -> str:
    """The card, all numbers from this run."""
    rec = s.jolts.recorded
    p, label, group = s.p[rec], s.jolts.label[rec], s.jolts.group[rec]
    sim_p, sim_label, sim_group = s.p[~rec], s.jolts.label[~rec], s.jolts.group[~rec]
    lone = s.recorded_only
    counts = {c.value: int((sim_label == INDEX[c]).sum()) for c in CLASSES}
    sure = p.max(axis=1) >= 0.45
    four = label != INDEX[JoltClass.MARKER]
    scores = "\n".join(
        (
            line_of("recorded, five classes, likeliest of the five", five_way(p) == label, group),
            line_of("recorded, likeliest of all eight", p.argmax(axis=1) == label, group),
            line_of(
                "recorded, event against road (likeliest of the five)",
                np.isin(five_way(p), ROAD) == np.isin(label, ROAD), group,
            ),
            line_of(
                "recorded, where the likeliest of eight has p ≥ 0.45",
                p[sure].argmax(axis=1) == label[sure], group[sure],
            ),
            line_of("the same features trained on recordings only", five_way(lone) == label, group),
            line_of(
                "trained on the simulator only, tested on recordings (four classes, no marker)",
                five_way(s.simulator_only[four]) == label[four], group[four],
            ),
            line_of(
                "simulated, likeliest of all eight", sim_p.argmax(axis=1) == sim_label, sim_group
            ),
        )
    )  # fmt: skip
    slow = "\n".join(
        f"| {rate:g} | {s.slow[rate]:.3f} | {s.shares[rate]:.2f} |" for rate in sorted(s.slow)
    )
    losses = ", ".join(f"{c:g}: {v:.3f}" for c, v in s.losses.items())
    return f"""# Model card: {model.name}

Digest of the numbers: `{model.digest}`. Made on {DATE} by

    STREETBUMP_DATA=FOLDER python scripts/train_classifier.py

which writes `streetbump/data/{SHIPPED_MODEL}` and this page. Every number below comes from that
run.

## What it does

Eight probabilities for one jolt, from 1.2 s of vertical acceleration around its peak: a
multinomial logistic regression on {len(FEATURES)} physical features and their squares (size,
duration, direction of the first swing, energy over time and over frequency, echo of the second
axle). It uses neither speed nor place. All classes count as equally common beforehand: multiply by
a prior of your own.

## Data

- **Recorded**: the development half of González et al. 2017 (doi 10.1109/TITS.2017.2662483),
  {len(label)} clips at 50 Hz, {np.bincount(label).max()} per class, 12 vehicles, five phone
  placements: pothole, hump (asphalt bumps), marker (metal bumps), rough (worn-out road), smooth.
- **Simulated** (`streetbump.simulate`, seed {SEED}; streets, cars and seeds that are not in
  the fixtures): {len(sim_label)} jolts:
  {", ".join(f"{n} {c}" for c, n in counts.items() if n)}.
  `rough` includes shallow patches; `not_road` is a crude phone in a hand.
- Marker is recorded only; casting, joint and not_road are simulated only. Where a class has both
  sources, the recordings carry {RECORDED_SHARE:.0%} of its weight.

Windows are cut as in use: a moving mean of 1 s taken off, the largest magnitude in the middle,
series mirrored at their ends. No feature sees the length of a clip.

## Protocol

{FOLDS}-fold cross-validation, stratified by class and source. Recordings whose windows correlate
above {NEAR_IDENTICAL} stay together ({len(np.unique(group))} groups), and so do the jolts of one
simulated street. L2 penalty by log loss out of fold, inverse strength {s.penalty:g}
({losses}); that choice has seen all folds.
The temperature of each fold is from the other folds, the shipped one ({model.temperature:.3f}) from
all.

## Scores out of fold

| what | accuracy | 95 % (bootstrap over groups) | n |
|---|---:|---|---:|
{scores}

Expected calibration error (10 bins, likeliest of eight): recorded
{calibration_error(p, label):.3f} (n = {len(label)}), simulated
{calibration_error(sim_p, sim_label):.3f} (n = {len(sim_label)}).

Recorded, likeliest of eight:

{confusion(p, label)}

Simulated, likeliest of eight:

{confusion(sim_p, sim_label)}

## Slow phones

The same jolts, keeping every n-th sample. Below 25 Hz the verdict is mixed with the equal prior;
the share that is kept is the one of least log loss (never growing towards slower rates).

| rate, Hz | accuracy, recorded, likeliest of the five | share kept |
|---:|---:|---:|
{slow}

## Limits

- The recordings have no vehicle, trip or site id: the same car or site may be on both sides of a
  split, so these scores flatter, by an unknown amount.
- Recorded clips end early: {cut_short(s.jolts)}.
  What lies beyond the end is mirrored.
- Castings, joints and handling have never been checked against recordings. A sunk casting and a
  shallow pothole are alike in one wheel path: only the inventory and many passes tell them apart.
- The heights of simulated joints and castings and the share of patches were chosen after a look at
  `fixtures/trips`, so the fixtures are no test of this classifier.
- The simulator is linear, has no roll, and its potholes are cosine-edged.
- No recording here is from a truck, a motorcycle or a bicycle.
"""


def main() -> None:
    """Train, score, write."""
    recorded = recorded_jolts(Path(os.environ["STREETBUMP_DATA"]) / "gonzalez_2017")
    simulated = simulated_jolts(np.random.default_rng(SEED))
    both = joined(recorded, simulated)
    x = features(both.windows())
    slow_x = {rate: features(both.windows(rate_hz=rate)) for rate in SLOW_HZ}
    weight = balance(both.label, both.recorded)

    losses = {}
    for penalty in PENALTIES:
        logits, _ = cross_logits(both, x, {}, penalty=penalty)
        losses[penalty] = log_loss(cross_tempered(both, logits, weight), both.label, weight)
    penalty = min(losses, key=lambda c: losses[c])
    logits, slow_logits = cross_logits(both, x, slow_x, penalty=penalty)
    temperature = best_temperature(logits, both.label, weight)
    shares = {
        rate: keep_share(z, temperature, both.label, weight) for rate, z in slow_logits.items()
    }
    kept = np.minimum.accumulate([1.0, *(shares[r] for r in sorted(shares, reverse=True))])[:0:-1]

    final = fit(x, both.label, weight, penalty=penalty)
    model = numbers(final, temperature, tuple(kept.tolist()))
    NUMBERS.write_bytes(msgspec.json.format(msgspec.json.encode(model), indent=1) + b"\n")

    lone, _ = cross_logits(recorded, x[both.recorded], {}, penalty=penalty)
    sim = both.label[~both.recorded]
    sim_fit = fit(
        x[~both.recorded], sim, balance(sim, np.zeros(len(sim), np.bool_)), penalty=penalty
    )  # fmt: skip
    rec = both.recorded
    scores = Scores(
        both, cross_tempered(both, logits, weight), penalty, losses, temperature, softmax(lone),
        softmax(sim_fit.logits(x[rec])),
        {r: float((five_way(z[rec]) == both.label[rec]).mean()) for r, z in slow_logits.items()},
        dict(zip(SLOW_HZ, kept.tolist(), strict=True)),
    )  # fmt: skip
    CARD.parent.mkdir(parents=True, exist_ok=True)
    CARD.write_text(card_text(scores, model), encoding="utf-8")
    print(CARD.read_text(encoding="utf-8"))


def numbers(final: Fit, temperature: float, kept: tuple[float, ...]) -> JoltModel:
    """The model as it ships: six significant digits."""

    def short(values: Floats) -> tuple[float, ...]:
        return tuple(float(f"{v:.6g}") for v in values)

    return JoltModel(
        name="jolt-model-1",
        card="docs/models/jolt-model-1.md",
        classes=tuple(c.value for c in CLASSES),
        features=FEATURES,
        centre=short(final.centre),
        scale=short(final.scale),
        limit=LIMIT,
        weights=tuple(short(row) for row in final.weights),
        bias=short(final.bias),
        temperature=float(f"{temperature:.6g}"),
        prior=tuple([1 / len(CLASSES)] * len(CLASSES)),
        slow_rate_hz=(*SLOW_HZ, 25.0),
        slow_share=(*kept, 1.0),
    )


if __name__ == "__main__":
    with threadpool_limits(1):  # many threads on small matrices cost a hundredfold
        main()
