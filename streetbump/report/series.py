"""Labelled clips of vertical acceleration: an event or road, and which class.

Everything is told from 1.2 s around the strongest moment, the window the classifier is given in
use, so that nobody profits from how long a clip was. The thresholds of the classics are tuned on
the other folds; clips whose windows are near-identical stay together in folds and in bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from streetbump.config import DetectSettings
from streetbump.detect.classics import CLASSICS, Classic, Given
from streetbump.detect.classify import (
    WINDOW_HZ,
    WINDOW_SAMPLES,
    JoltModel,
    class_probabilities,
    cut_windows,
)
from streetbump.detect.signal import Signal, prepare
from streetbump.model import CLASSES, Bools, Floats, Ints, JoltClass, Trip, classify_rows
from streetbump.report import scoring
from streetbump.report.scoreboard import NOT_TUNED, OURS, Figure, figure, share_figure

ROAD = (JoltClass.ROUGH, JoltClass.SMOOTH)
"""Classes that are road and no event."""

EVENT_PART = "clips: event or road"
CLASS_PART = "clips: class"
CONFUSION_PART = "clips: what each class was called"
RELIABILITY_PART = "clips: stated and observed probability"
LEAVE_ONE_OUT = "leave one fold out"
ORACLE = "on these very clips"
TRAINED = "trained on these very clips"
ALWAYS = "always event"

FOLDS = 10
"""Folds over groups of clips. Chosen by us."""
NEAR_IDENTICAL = 0.95
"""Correlation of two windows above which they may be one moment heard by two phones. As in the
training of the classifier (docs/models)."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A labelled clip: its window of 1.2 s (60,), what it is, and the rate it came at, Hz."""

    trip_id: str
    window_ms2: Floats
    rate_hz: float
    label: JoltClass


def clip_of(trip: Trip, *, trip_id: str, label: JoltClass, settings: DetectSettings) -> Clip:
    """The window around the strongest moment of a bare series."""
    signal = prepare(trip, settings=settings)
    peak = int(np.abs(signal.vertical_ms2).argmax()) if len(signal.t_ns) else 0
    rate_hz = max(signal.rate_hz, 1.0)
    window = cut_windows(signal.vertical_ms2, np.array([peak]), rate_hz=rate_hz)[0]
    return Clip(trip_id, window, signal.rate_hz, label)


def score_series(
    clips: Sequence[Clip], *, model: JoltModel, unsure_below: float, seen: bool, note: str
) -> list[Figure]:
    """Every table of the clips; empty without any.

    Parameters
    ----------
    seen : bool
        Whether the model was trained on these very clips: then every row of ours says so.
    note : str
        What is known about that, in a sentence.
    """
    if not clips:
        return []
    ordered = sorted(clips, key=lambda c: c.trip_id)
    label = np.array([CLASSES.index(c.label) for c in ordered])
    windows = np.stack([c.window_ms2 for c in ordered])
    p = np.concatenate(
        [class_probabilities(c.window_ms2[None], rate_hz=c.rate_hz, model=model) for c in ordered]
    )
    group = groups_of(windows)
    figures = [
        *_event_or_road(windows, p, label, group, note),
        *_class_rows(p, label, group, unsure_below, note),
        *_confusion(p, label, group),
        *_reliability(p, label, group),
    ]
    tuning = TRAINED if seen else NOT_TUNED
    return [replace(f, tuning=tuning) if f.method == OURS else f for f in figures]


def groups_of(windows: Floats) -> Ints:
    """Number of the group of near-identical windows that each belongs to, (n,).

    >>> w = np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 0.1], [1.0, 0.0, 0.0]])
    >>> groups_of(w).tolist()
    [0, 0, 1]
    """
    from scipy.sparse.csgraph import connected_components

    size = np.linalg.norm(windows, axis=1, keepdims=True)
    shape = windows / np.where(size > 0, size, 1.0)
    alike = shape @ shape.T > NEAR_IDENTICAL
    return connected_components(alike, directed=False)[1].astype(np.int64)


def folds_of(group: Ints, *, folds: int = FOLDS) -> Ints:
    """Fold of each clip: groups, the largest first, go to the fold that holds least.

    >>> folds_of(np.array([0, 0, 1, 2]), folds=2).tolist()
    [0, 0, 1, 1]
    """
    names, size = np.unique(group, return_counts=True)
    held = np.zeros(folds, np.int64)
    fold_of = np.zeros(len(names), np.int64)
    for k in np.argsort(-size, kind="stable").tolist():  # one step per group
        fold_of[k] = held.argmin()
        held[fold_of[k]] += size[k]
    return fold_of[np.searchsorted(names, group)]


# ------------------------------------------------------------------------------- event or road


def _event_or_road(windows: Floats, p: Floats, label: Ints, group: Ints, note: str) -> list[Figure]:
    road = np.array([CLASSES.index(c) for c in ROAD])
    is_event = ~np.isin(label, road)
    if is_event.all() or not is_event.any():
        return []
    present = np.unique(label)
    ours = ~np.isin(present[p[:, present].argmax(axis=1)], road)
    rows = _binary(OURS, NOT_TUNED, ours, is_event, group, note)
    rows += _binary(ALWAYS, "", np.ones(len(label), np.bool_), is_event, group)
    fold = folds_of(group)
    for classic in CLASSICS:
        if not classic.vertical_only:
            continue
        fired = fires(windows, classic)
        right = fired == is_event
        out = np.array([_best(right[:, fold != f]) for f in range(FOLDS)])[fold]
        kept_out = fired[out, np.arange(len(label))]
        rows += _binary(classic.name, LEAVE_ONE_OUT, kept_out, is_event, group)
        rows += _binary(classic.name, ORACLE, fired[_best(right)], is_event, group)
    return rows


def fires(windows: Floats, classic: Classic) -> Bools:
    """Whether a classic hears anything in each window, (n_settings, n_windows)."""
    fired = np.zeros((len(classic.grid), len(windows)), np.bool_)
    for w, window in enumerate(windows):  # each alone: a classic compares neighbouring samples
        given = Given(_signal_of(window), np.full(WINDOW_SAMPLES, np.nan))
        fired[:, w] = [len(t_ns) > 0 for t_ns in classic.times(given, classic.grid)]
    return fired


def _signal_of(window: Floats) -> Signal:
    t_ns = np.arange(WINDOW_SAMPLES) * round(1e9 / WINDOW_HZ)
    every = np.ones(WINDOW_SAMPLES, np.bool_)
    return Signal(t_ns, window, np.zeros((WINDOW_SAMPLES, 3)), every, WINDOW_HZ)


def _best(right: Bools) -> int:
    """The threshold that is right most often, (n_thresholds, n); the middle one of equals."""
    score = right.sum(axis=1)
    equals = np.flatnonzero(score == score.max())
    return int(equals[len(equals) // 2])


def _binary(
    method: str, tuning: str, said: Bools, truth: Bools, group: Ints, note: str = ""
) -> list[Figure]:
    cells = np.column_stack((said & truth, said & ~truth, ~said & truth, ~said & ~truth))
    _, unit = np.unique(group, return_inverse=True)
    sums = np.zeros((int(unit.max()) + 1, 4))
    np.add.at(sums, unit, cells.astype(np.float64))
    found = scoring.boot_sums(sums, _binary_measures)
    names = ("accuracy", "precision", "recall", "F1")
    return [
        figure(EVENT_PART, method, tuning, name, value, n=len(truth), n_units=len(sums), note=note)
        for name, value in zip(names, found, strict=True)
    ]


def _binary_measures(s: Floats) -> Floats:
    accuracy = scoring.ratio(s[..., 0] + s[..., 3], s.sum(axis=-1))
    return np.concatenate((accuracy[..., None], scoring.precision_recall_f1(s[..., :3])), -1)


# ------------------------------------------------------------------------------- classes


def _class_rows(
    p: Floats, label: Ints, group: Ints, unsure_below: float, note: str
) -> list[Figure]:
    present = np.unique(label)
    words = classify_rows(p, unsure_below=unsure_below)
    sure = np.array([word is not JoltClass.UNSURE for word in words])
    likeliest = p.argmax(axis=1)
    among = present[p[:, present].argmax(axis=1)]
    commonest = np.bincount(label).max() / len(label)
    rows = [
        (f"likeliest of the {len(present)} present", among == label, np.ones(len(label), np.bool_)),
        ("likeliest of all eight", likeliest == label, np.ones(len(label), np.bool_)),
        (f"likeliest of all eight, where p ≥ {unsure_below:g}", likeliest == label, sure),
    ]
    figures = []
    for at, right, keep in rows:
        share = scoring.boot_share(right[keep].astype(np.float64), group[keep])
        figures.append(_class_figure("accuracy", share, group[keep], at=at, note=note))
    answered = scoring.boot_share(sure.astype(np.float64), group)
    figures.append(_class_figure("answered", answered, group, at=rows[2][0]))
    always = scoring.Interval(float(commonest), np.nan, np.nan)
    figures.append(_class_figure("accuracy", always, group, at="always the commonest class"))
    right = (likeliest == label).astype(np.float64)
    every = "all eight probabilities"
    figures += [
        _class_figure("Brier", scoring.boot_share(scoring.brier(p, label), group), group, at=every),
        _class_figure("ECE", scoring.boot_ece(p.max(axis=1), right, group), group, at=every),
    ]
    return figures


def _class_figure(
    measure: str, value: scoring.Interval, group: Ints, *, at: str, note: str = ""
) -> Figure:
    return figure(
        CLASS_PART, OURS, NOT_TUNED, measure, value, at=at, n=len(group),
        n_units=len(np.unique(group)), note=note,
    )  # fmt: skip


def _confusion(p: Floats, label: Ints, group: Ints) -> list[Figure]:
    """Share of the clips of each class that were called each class (likeliest of all eight)."""
    said = p.argmax(axis=1)
    words = np.unique(np.concatenate((said, label)))
    figures = []
    for true in np.unique(label).tolist():
        rows = label == true
        for word in words.tolist():
            called = (said[rows] == word).astype(np.float64)
            figures.append(
                share_figure(CONFUSION_PART, OURS, NOT_TUNED, CLASSES[word].value, called,
                             group[rows], at=CLASSES[true].value)
            )  # fmt: skip
    return figures


def _reliability(p: Floats, label: Ints, group: Ints) -> list[Figure]:
    right = (p.argmax(axis=1) == label).astype(np.float64)
    return reliability_rows(RELIABILITY_PART, p.max(axis=1), right, group)


def reliability_rows(part: str, p: Floats, right: Floats, unit: Ints) -> list[Figure]:
    """Stated and observed probability per bin that holds anything."""
    which = scoring.bin_of_p(p)
    figures = []
    for b in np.unique(which).tolist():
        rows = which == b
        at = f"{b / scoring.BINS:.1f}-{(b + 1) / scoring.BINS:.1f}"
        for measure, value in (("stated", p[rows]), ("observed", right[rows])):
            figures.append(share_figure(part, OURS, NOT_TUNED, measure, value, unit[rows], at=at))
    return figures
