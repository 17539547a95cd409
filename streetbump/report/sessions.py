"""Whole sessions with one label: the roughness of the drive against what people said.

The score is the median level of the vertical acceleration while driving; beside it stand the
level's mean square, and the deviation of |a|, which needs no orientation and no gating at all.
Speed is not corrected for: a session driven slowly looks smoother than it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from streetbump.model import Bools, Floats
from streetbump.report import scoring
from streetbump.report.hearing import Heard
from streetbump.report.scoreboard import NOT_TUNED, OURS, Figure, figure
from streetbump.report.truth import Description

PART = "sessions"
SCORES = {
    OURS: "level_ms2",
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
    else:
        figures = _labelled(scores, rows["label"].to_numpy(), description)
    return [replace(f, note="; ".join(filter(None, (f.note, note)))) for f in figures]


def _ranked(scores: dict[str, Floats], numbers: Floats, description: Description) -> list[Figure]:
    better = description.higher_is_better
    note = NO_DIRECTION if better is None else ""
    worse = -numbers if better else numbers
    return [
        figure(
            PART, method, NOT_TUNED, "Spearman", scoring.boot_spearman(score, worse),
            n=len(score), n_units=len(score), at="roughness, label", note=note,
        )
        for method, score in scores.items()
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
            keep = np.isfinite(worse)
            found = scoring.boot_spearman(score[keep], worse[keep])
            n = int(keep.sum())
            figures.append(
                figure(PART, method, NOT_TUNED, "Spearman", found, n=n, n_units=n, at="all labels")
            )
    return figures


def _auc(method: str, score: Floats, bad: Bools, good: Bools, label: str) -> Figure:
    keep = bad | good
    n = int(keep.sum())
    found = scoring.boot_auc(score[keep], bad[keep])
    at = f"{label} ({int(bad.sum())}) against the best ({int(good.sum())})"
    return figure(PART, method, NOT_TUNED, "AUC", found, n=n, n_units=n, at=at)
