"""Whole sessions with one label: the roughness of the drive against what people said.

The score is the index that ships (:mod:`~streetbump.detect.roughness`); beside it stand
SmartRoadSense's PPE, the mean square of the vertical acceleration's level, and the deviation of
|a|, which needs no orientation and no gating at all. Speed is corrected for in ours alone, and
only where the recording has fixes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from streetbump.model import Bools, Floats
from streetbump.report import scoring
from streetbump.report.hearing import Heard
from streetbump.report.scoreboard import NOT_TUNED, OURS, Figure, figure, short
from streetbump.report.truth import Description

PART = "sessions"
EACH = "sessions one by one"
"""Index and score of each session that has a number: what the picture shows."""
SCORES = {
    OURS: "roughness_ms2",
    "PPE": "ppe_m2s4",
    "mean square": "rms_ms2",
    "deviation of |a|": "spread_ms2",
}
"""Method → the field of :class:`Heard` that it ranks by."""
NO_DIRECTION = "nobody said whether a higher label means a better road: the sign is open"


def score_sessions(
    heard: Sequence[Heard], truth: pd.DataFrame, *, description: Description
) -> list[Figure]:
    """AUC between labels, or rank correlation with numeric ones; empty without any session."""
    rows = truth[truth["kind"] == "session"].drop_duplicates("trip_id")
    by_id = {h.trip_id: h for h in heard}
    rows = rows[rows["trip_id"].isin(list(by_id))].sort_values("trip_id")
    if len(rows) == 0:
        return []
    trips = [by_id[trip_id] for trip_id in rows["trip_id"]]
    scores = {name: np.array([getattr(h, f) for h in trips]) for name, f in SCORES.items()}
    known = np.isfinite(scores[OURS])
    deaf = rows.loc[~known, "trip_id"].tolist()
    note = f"left out, nothing to hear in them: {', '.join(deaf)}" if deaf else ""
    scores = {name: values[known] for name, values in scores.items()}
    rows = rows[known]
    numbers = pd.to_numeric(rows["label_raw"], errors="coerce").to_numpy(np.float64)
    if len(numbers) and np.isfinite(numbers).all():
        figures = _ranked(scores, numbers, description)
        ours = next(f for f in figures if f.method == OURS)
        figures += _each(rows["trip_id"].tolist(), scores[OURS], numbers, ours)
    else:
        figures = _labelled(scores, rows["label"].to_numpy(), description)
    return [replace(f, note="; ".join(filter(None, (f.note, note)))) for f in figures]


def _ranked(scores: dict[str, Floats], numbers: Floats, description: Description) -> list[Figure]:
    better = description.higher_is_better
    note = NO_DIRECTION if better is None else ""
    worse = -numbers if better else numbers
    figures = []
    for method, score in scores.items():
        keep = np.isfinite(score)
        n = int(keep.sum())
        found = scoring.boot_spearman(score[keep], worse[keep])
        figures.append(
            figure(
                PART, method, NOT_TUNED, "Spearman", found, n=n, n_units=n,
                at="roughness, label", note=note,
            )
        )  # fmt: skip
    return figures


def _each(names: list[str], index: Floats, numbers: Floats, rho: Figure) -> list[Figure]:
    """What we say of each session, and what people said."""
    note = f"{rho.measure} {short(rho.value)} [{short(rho.lo)}, {short(rho.hi)}]"
    return [
        figure(
            EACH, OURS, NOT_TUNED, measure, scoring.Interval(value, np.nan, np.nan),
            n=1, n_units=1, at=name, unit=unit, note=note,
        )
        for measure, unit, values in (("index", "m/s²", index), ("score", "1", numbers))
        for name, value in zip(names, values.tolist(), strict=True)
    ]  # fmt: skip


def _labelled(
    scores: dict[str, Floats], labels: np.ndarray, description: Description
) -> list[Figure]:
    """Each label against the best one, and the correlation where there are three or more."""
    rank = {label: description.roughness_of(str(label)) for label in np.unique(labels)}
    known = {label: r for label, r in rank.items() if r is not None}
    if len(set(known.values())) < 2:
        return []
    best = min(known.values())
    figures = []
    for method, score in scores.items():
        for label, r in sorted(known.items(), key=lambda item: (item[1], item[0])):
            if r > best:
                good = np.isin(labels, [k for k, v in known.items() if v == best])
                figures.append(_auc(method, score, labels == label, good, str(label)))
        if len(set(known.values())) > 2:
            worse = np.array([rank[label] for label in labels], np.float64)
            keep = np.isfinite(worse) & np.isfinite(score)
            found = scoring.boot_spearman(score[keep], worse[keep])
            n = int(keep.sum())
            figures.append(
                figure(PART, method, NOT_TUNED, "Spearman", found, n=n, n_units=n, at="all labels")
            )
    return figures


def _auc(method: str, score: Floats, bad: Bools, good: Bools, label: str) -> Figure:
    keep = (bad | good) & np.isfinite(score)
    n, n_bad = int(keep.sum()), int(bad[keep].sum())
    found = scoring.UNKNOWN
    if 0 < n_bad < n:
        found = scoring.boot_auc(score[keep], bad[keep])
    at = f"{label} ({n_bad}) against the best ({n - n_bad})"
    return figure(PART, method, NOT_TUNED, "AUC", found, n=n, n_units=n, at=at)
