"""Detections against marked moments of drives: precision, recall, false alarms, place.

Ours is scored as it ships. A classic has no setting of its own that fits every phone, so each is
scored three times: at its commonly quoted thresholds, if it has any; with thresholds tuned on all
trips but the one that is scored (the honest comparison); and tuned on the very trips that are
scored (its ceiling). The floor under every F1 is what as many events at random moments would reach.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from streetbump.errors import InputError
from streetbump.geo import distance_m
from streetbump.model import CLASSES, P_COLUMNS, Floats, Ints
from streetbump.report import scoring
from streetbump.report.hearing import Heard
from streetbump.report.scoreboard import NOT_TUNED, OURS, Figure, figure, share_figure
from streetbump.report.scoring import Pairs
from streetbump.report.truth import Description, classes_of

PART = "events"
BY_CLASS = "events by class"
QUOTED = "as commonly quoted"
LEAVE_ONE_OUT = "leave one trip out"
ORACLE = "on these very trips"
CHANCE = "chance"

SCORES = np.geomspace(2.0, 20.0, 60)
"""Scores that are tried where ours is tuned as the classics are. Chosen by us."""
RANDOM_EVENTS = 400_000
"""Random events that a floor may cost: fewer draws where a method finds very much. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Drive:
    """A trip with its marked events (rows of truth, by time)."""

    heard: Heard
    events: pd.DataFrame

    @property
    def timed(self) -> bool:
        """Whether events are matched by time; else by place."""
        return bool(self.events["t_start_s"].notna().all())


def drives_of(heard: Sequence[Heard], truth: pd.DataFrame, *, unlisted: str) -> list[Drive]:
    """The trips that can be scored, by id: those with events, and (if told so) those without any.

    Raises
    ------
    InputError
        A trip has events with a time and events without.
    """
    events = truth[truth["kind"] == "event"]
    other = set(truth.loc[truth["kind"].isin(["session", "series"]), "trip_id"])
    found = []
    for trip in sorted(heard, key=lambda h: h.trip_id):
        rows = events[events["trip_id"] == trip.trip_id]
        if len(rows) == 0 and (unlisted == "skip" or trip.trip_id in other):
            continue
        if rows["t_start_s"].isna().any() and rows["t_start_s"].notna().any():
            raise InputError(f"truth: trip {trip.trip_id}: some events have a time, some none")
        found.append(Drive(trip, rows.sort_values(["t_start_s", "lat", "lon"], ignore_index=True)))
    return found


def score_events(
    drives: Sequence[Drive], *, report_score: float, description: Description
) -> list[Figure]:
    """Every row of the table of events; empty when nothing can be scored."""
    if not drives or sum(len(d.events) for d in drives) == 0:
        return []
    drives = [replace(d, heard=_blows(d.heard)) for d in drives]
    ours = [_ours(d.heard, report_score) for d in drives]
    figures = _rows(drives, OURS, NOT_TUNED, ours)
    figures += _chance_rows(drives, ours)
    by_score = [[_ours(d.heard, s) for s in SCORES] for d in drives]
    figures += _tuned_rows(drives, OURS, by_score)
    for name in drives[0].heard.peers:
        if name in drives[0].heard.quoted:
            figures += _rows(drives, name, QUOTED, [d.heard.quoted[name] for d in drives])
        figures += _tuned_rows(drives, name, [d.heard.peers[name] for d in drives])
    return [*figures, *_by_class(drives, report_score, description)]


def _blows(heard: Heard) -> Heard:
    """Without the jolts that are never reported, whatever the threshold."""
    return replace(heard, bumps=heard.bumps[heard.bumps["alone"]])


def _ours(heard: Heard, score: float) -> Floats:
    bumps = heard.bumps
    return bumps.loc[bumps["score"] >= score, "t_s"].to_numpy()


# ------------------------------------------------------------------------------- matching


def matched(drive: Drive, t_s: Floats) -> Pairs:
    """Detections of a trip ↔ its events, in time where events have one, else in metres."""
    e = drive.events
    if drive.timed:
        return scoring.match_windows(t_s, **_windows(e))
    lat, lon = drive.heard.place(t_s)
    return scoring.match_places(
        lat, lon, true_lat_deg=e["lat"].to_numpy(), true_lon_deg=e["lon"].to_numpy(),
        tol_m=e["tol_m"].to_numpy(),
    )  # fmt: skip


def _windows(events: pd.DataFrame) -> dict[str, Floats]:
    start, end = events["t_start_s"].to_numpy(), events["t_end_s"].to_numpy()
    return {
        "from_s": start + events["tol_lo_s"].to_numpy(),
        "to_s": end + events["tol_hi_s"].to_numpy(),
        "at_s": (start + end) / 2,
    }


def hits_of(drive: Drive, worlds: Sequence[Floats]) -> Ints:
    """How many events each of several sets of detections finds in one trip, (n_worlds,).

    Timed trips are laid end to end, so that all sets are matched in one go.
    """
    if not drive.timed:
        return np.array([len(matched(drive, t).found) for t in worlds], np.int64)
    w = _windows(drive.events)
    highest = max([float(w["to_s"].max(initial=0)), *(float(t.max(initial=0)) for t in worlds)])
    lowest = min([float(w["from_s"].min(initial=0)), *(float(t.min(initial=0)) for t in worlds)])
    span = highest - lowest + 1.0
    shift = np.arange(len(worlds)) * span
    which = np.repeat(np.arange(len(worlds)), [len(t) for t in worlds])
    found = np.concatenate([*worlds, np.empty(0)]) + shift[which]
    n = len(drive.events)
    all_events = {k: (v + shift[:, None]).ravel() for k, v in w.items()}
    pairs = scoring.match_windows(found, **all_events)
    return np.bincount(pairs.truth // max(n, 1), minlength=len(worlds))


def _counts(drive: Drive, worlds: Sequence[Floats]) -> Floats:
    """True and false positives and misses of several sets of detections, (n_worlds, 3)."""
    tp = hits_of(drive, worlds)
    found = np.array([len(t) for t in worlds])
    return np.column_stack((tp, found - tp, len(drive.events) - tp)).astype(np.float64)


# ------------------------------------------------------------------------------- rows


def _rows(
    drives: Sequence[Drive], method: str, tuning: str, found: Sequence[Floats], note: str = ""
) -> list[Figure]:
    """The measures of one method, given what it found in each trip."""
    counts = np.concatenate([_counts(d, [t]) for d, t in zip(drives, found, strict=True)])
    exposure = np.array([[d.heard.km, d.heard.minutes] for d in drives])
    precision, recall, f1, per_km, per_min = scoring.boot_sums(
        np.column_stack((counts, exposure)), _measures
    )
    n_found, n_events = int(counts[:, :2].sum()), int(counts[:, [0, 2]].sum())
    floor = float(_chance(drives, [len(t) for t in found]).mean())
    rows = [
        ("F1", f1, n_events, "1"),
        ("F1 by chance", scoring.Interval(floor, np.nan, np.nan), n_events, "1"),
        ("precision", precision, n_found, "1"),
        ("recall", recall, n_events, "1"),
        ("false per km", per_km, n_found, "1/km"),
        ("false per min", per_min, n_found, "1/min"),
    ]
    away, unit = _distances(drives, found)
    placed = any(d.events["lat"].notna().any() for d in drives)
    for name, q in (("off by, median", 0.5), ("off by, p90", 0.9)) if placed else ():
        error = scoring.boot_quantile(away, unit, q=q, n_units=len(drives))
        rows.append((name, error, len(away), "m"))
    return [
        figure(PART, method, tuning, name, value, n=n, n_units=len(drives), unit=si, note=note)
        for name, value, n, si in rows
    ]


def _measures(sums: Floats) -> Floats:
    """Precision, recall, F1, false alarms per km and per minute of (tp, fp, fn, km, min)."""
    rates = [scoring.ratio(sums[..., 1], sums[..., k]) for k in (3, 4)]
    return np.concatenate((scoring.precision_recall_f1(sums[..., :3]), np.stack(rates, -1)), -1)


def _distances(drives: Sequence[Drive], found: Sequence[Floats]) -> tuple[Floats, Ints]:
    """How far matched detections lie from where the truth puts the event, m, and of which trip."""
    away: list[Floats] = [np.empty(0)]
    unit: list[Ints] = [np.empty(0, np.int64)]
    for k, (drive, t_s) in enumerate(zip(drives, found, strict=True)):
        pairs = matched(drive, t_s)
        lat, lon = drive.heard.place(t_s[pairs.found])
        events = drive.events.iloc[pairs.truth]
        d = np.asarray(distance_m(lat, lon, events["lat"].to_numpy(), events["lon"].to_numpy()))
        away.append(d[np.isfinite(d)])
        unit.append(np.full(len(away[-1]), k))
    return np.concatenate(away), np.concatenate(unit)


# ------------------------------------------------------------------------------- tuning


def _tuned_rows(
    drives: Sequence[Drive], method: str, worlds: Sequence[Sequence[Floats]]
) -> list[Figure]:
    """One method tuned on the other trips, and tuned on all; `worlds`: per trip, per threshold."""
    counts = np.stack([_counts(d, w) for d, w in zip(drives, worlds, strict=True)])
    best = [best_threshold(counts.sum(axis=0))] * len(drives)
    figures = []
    if len(drives) > 1:
        kept_out = [best_threshold(counts.sum(axis=0) - counts[k]) for k in range(len(drives))]
        chosen = [w[b] for w, b in zip(worlds, kept_out, strict=True)]
        figures += _rows(drives, method, LEAVE_ONE_OUT, chosen)
    return figures + _rows(
        drives, method, ORACLE, [w[b] for w, b in zip(worlds, best, strict=True)]
    )


def best_threshold(counts: Floats) -> int:
    """Index of the best F1 among thresholds, (n_thresholds, 3); the middle one of equals.

    >>> best_threshold(np.array([[0, 9, 2], [2, 2, 0], [2, 2, 0], [2, 2, 0], [1, 1, 1]]))
    2
    """
    f1 = np.nan_to_num(scoring.precision_recall_f1(counts)[:, 2])
    equals = np.flatnonzero(f1 >= f1.max() - 1e-12)
    return int(equals[len(equals) // 2])


# ------------------------------------------------------------------------------- chance


def _chance(drives: Sequence[Drive], found: Sequence[int]) -> Floats:
    """F1 of as many detections at random moments of the driven time, one per draw."""
    draws = int(np.clip(RANDOM_EVENTS // max(sum(found), 1), 20, scoring.DRAWS))
    rng = np.random.default_rng(scoring.SEED)
    total = np.zeros((draws, 3))
    for drive, n in zip(drives, found, strict=True):
        random = _random_times(drive.heard.driven, (draws, n), rng)
        total += _counts(drive, list(random))
    return np.nan_to_num(scoring.precision_recall_f1(total)[:, 2])


def _random_times(driven: Floats, shape: tuple[int, int], rng: np.random.Generator) -> Floats:
    """Uniform moments of some spans; NaN-free, and none where nothing was driven."""
    length = np.diff(driven, axis=1)[:, 0]
    if length.sum() <= 0:
        return np.empty((shape[0], 0))
    ends = np.cumsum(length)
    at = rng.uniform(0, ends[-1], shape)
    span = np.minimum(np.searchsorted(ends, at, side="right"), len(ends) - 1)
    return np.asarray(driven[span, 0] + at - (ends[span] - length[span]))


def _chance_rows(drives: Sequence[Drive], ours: Sequence[Floats]) -> list[Figure]:
    f1 = _chance(drives, [len(t) for t in ours])
    n = sum(len(d.events) for d in drives)
    found = scoring.interval_of(float(f1.mean()), f1)
    note = (f"chance: as many events as {OURS} found, at random moments of the driven time"
            f" ({len(f1)} draws; the interval is that of the draws)")  # fmt: skip
    return [figure(PART, CHANCE, "", "F1", found, n=n, n_units=len(drives), note=note)]


# ------------------------------------------------------------------------------- classes


def _by_class(drives: Sequence[Drive], report_score: float, d: Description) -> Iterator[Figure]:
    """Recall of each kind of event, and what we called those that we found."""
    said: list[tuple[str, int, int, str]] = []  # truth, trip, found, class said
    for k, drive in enumerate(drives):
        bumps = drive.heard.bumps
        sure = bumps[bumps["score"] >= report_score]
        pairs = matched(drive, sure["t_s"].to_numpy())
        words = [CLASSES[i].value for i in sure[list(P_COLUMNS)].to_numpy().argmax(axis=1)]
        of = dict(zip(pairs.truth.tolist(), pairs.found.tolist(), strict=True))
        names = classes_of(drive.events["label"].tolist(), d)
        for row, (name, label) in enumerate(zip(names, drive.events["label"], strict=True)):
            word = words[of[row]] if row in of else ""
            said.append((name.value if name else str(label), k, int(row in of), word))
    table = pd.DataFrame(said, columns=["truth", "trip", "found", "said"])
    for name, rows in table.groupby("truth"):
        unit = rows["trip"].to_numpy()
        hit = rows["found"].to_numpy(np.float64)
        shares = {"recall": hit}
        heard = rows["found"] == 1
        for word in sorted(set(rows.loc[heard, "said"])):
            shares[f"called {word}"] = (rows["said"] == word).to_numpy(np.float64)
        for measure, value in shares.items():
            base = slice(None) if measure == "recall" else heard.to_numpy()
            yield share_figure(
                BY_CLASS, OURS, NOT_TUNED, measure, value[base], unit[base], at=str(name)
            )
