"""One trip as the detector heard it, in words and figures: why a hole was heard, or was not.

:func:`story_of` computes, :func:`facts` says it, :mod:`streetbump.report.trip_picture` draws it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
import pandas as pd

from streetbump.config import DetectSettings, Settings, shipped_settings
from streetbump.detect import detect_in
from streetbump.detect.classify import JoltModel, cut_windows
from streetbump.detect.listen import Listening, listen
from streetbump.detect.trigger import reported
from streetbump.model import P_COLUMNS, Floats, Ints, Trip
from streetbump.report.rows import DETECT_COLUMNS, detect_rows
from streetbump.trips.describe import describe

EXPLAIN_COLUMNS = (*DETECT_COLUMNS, "reported")
"""Columns of the jolts: those of ``detect``, and whether the score reaches ``report_score``."""

REASONS = GAP, FALLEN, TURNED, IN_HAND, STANDING, SLOW = (
    "gap", "phone falling", "phone turned", "phone in a hand", "standing", "phone too slow",
)  # fmt: skip
"""Why nothing is heard for a while; of several, the first counts."""

MAD_TO_SD = 1.4826
"""Of normal noise: standard deviation over the median of its size."""

LONG_NAME = 60
"""Longer names of files are cut in a title."""


@dataclass(frozen=True, eq=False)
class Story:
    """One trip, what was heard of it, and what was not.

    Attributes
    ----------
    name : str
        Name of the file, without folders.
    lost : DataFrame
        Spans in which nothing is heard, by time: `reason`, `start_s`, `stop_s` since the file's
        first sample.
    jolts : DataFrame
        Every candidate, by time, in the columns of ``EXPLAIN_COLUMNS``.
    windows : (n_jolts, 60) float64
        Vertical acceleration in the 1.2 s around each, as the classifier sees it, m/s².
    noise_ms2 : float
        Robust standard deviation of the vertical acceleration where it is heard; NaN without any.
    passes : int
        Bins of the street that were driven through.
    """

    name: str
    trip: Trip
    settings: Settings
    heard: Listening
    lost: pd.DataFrame
    jolts: pd.DataFrame
    windows: Floats
    noise_ms2: float
    passes: int

    def seconds(self, t_ns: Ints) -> Floats:
        """Times on the trip's own clock as seconds since the file's first sample."""
        return np.asarray((t_ns - self.trip.origin_ns) * 1e-9)


def story_of(trip: Trip, *, name: str, settings: Settings, model: JoltModel) -> Story:
    r"""What the detector heard of a trip, and what it could not hear.

    A trip without fixes, of one sample or without a jolt is a story as well: of empty tables.

    >>> from streetbump.detect.classify import load_model
    >>> from streetbump.trips import ReadOptions, read
    >>> rows = (f"{17e8 + k / 50:.2f},0,0,{9.8 + k % 2 / 50}" for k in range(100))
    >>> data = "\n".join(["t,ax,ay,az", *rows]).encode()
    >>> (trip,) = read(data, name="", options=ReadOptions(), pseudonym=str)
    >>> story = story_of(trip, name="d/a.csv", settings=shipped_settings(), model=load_model())
    >>> title(story).split("  ·  ")[2:]
    ['50 Hz', 'gravity kept', 'settings 1']
    >>> facts(story)["not_heard"], len(story.jolts), len(story.lost)
    ('0.00 of 0.03 min', 0, 0)
    >>> clock(trip, 61.5), clock_name(trip)
    ('22:14:21', 'UTC')
    """
    heard = listen(trip, settings=settings.detect)
    found = detect_in(trip, heard, settings=settings.detect, model=model)
    jolts = detect_rows(trip, found.bumps, unsure_below=settings.detect.unsure_below)
    jolts["reported"] = reported(found.bumps, settings=settings.detect)
    signal, peaks = heard.signal, heard.triggers.peak
    size = np.abs(signal.vertical_ms2[heard.heard])
    return Story(
        name=PurePath(name).name,
        trip=trip,
        settings=settings,
        heard=heard,
        lost=lost_spans(trip, heard, settings=settings.detect),
        jolts=jolts,
        windows=cut_windows(signal.vertical_ms2, peaks, rate_hz=signal.rate_hz),
        noise_ms2=MAD_TO_SD * float(np.median(size)) if len(size) else np.nan,
        passes=len(found.passes),
    )


def lost_spans(trip: Trip, heard: Listening, *, settings: DetectSettings) -> pd.DataFrame:
    """Spans in which nothing is heard: `reason`, `start_s`, `stop_s`, by time; perhaps none."""
    signal, masks = heard.signal, heard.masks
    awake = np.full(len(signal.t_ns), signal.rate_hz >= settings.min_rate_hz)
    why = (masks.gap, masks.fallen, masks.turned, masks.in_hand, awake & ~heard.heard)
    code = np.select([heard.heard, *why], range(-1, len(why)), REASONS.index(SLOW))
    first = np.flatnonzero(np.diff(code, prepend=-2))
    start, stop = signal.t_ns[first], np.append(signal.t_ns[first[1:]], signal.t_ns[-1:])
    code = code[first]
    lost = code >= 0
    return pd.DataFrame(
        {
            "reason": pd.Series([REASONS[k] for k in code[lost]], dtype="str"),
            "start_s": (start[lost] - trip.origin_ns) * 1e-9,
            "stop_s": (stop[lost] - trip.origin_ns) * 1e-9,
        }
    )


# ------------------------------------------------------------------------------- words


def clock(trip: Trip, t_s: float) -> str:
    """A moment of a trip for people: UTC time of day, or minutes and seconds since its start.

    Parameters
    ----------
    t_s : float
        Seconds since the file's first sample.
    """
    if not trip.dated:
        return f"{int(t_s) // 60}:{int(t_s) % 60:02d}"
    of_day = int(trip.origin_ns / 1e9 + t_s) % 86400
    return f"{of_day // 3600:02d}:{of_day // 60 % 60:02d}:{of_day % 60:02d}"


def clock_name(trip: Trip) -> str:
    """What :func:`clock` counts: a word for the head of a column or an axis."""
    return "UTC" if trip.dated else "min:s"


def title(story: Story) -> str:
    """File, trip, rate, gravity and settings in one line; says so when the trip is synthetic."""
    trip = story.trip
    parts = [f"trip {trip.trip_id[:8]}", f"{trip.rate_hz:.3g} Hz", f"gravity {trip.gravity.value}",
             f"settings {_settings_words(story)}"]  # fmt: skip
    name = story.name if len(story.name) <= LONG_NAME else f"{story.name[: LONG_NAME - 3]}..."
    return "  ·  ".join([name, *parts, *["SYNTHETIC"] * trip.synthetic])


def facts(story: Story) -> dict[str, str]:
    """What was read, what was not heard and why, how late the fixes are, and what was found.

    No position, and no device.
    """
    read = describe(story.trip)
    return {
        "file": story.name,
        **{name: str(value) for name, value in read.items()},
        "settings": _settings_words(story),
        "not_heard": _lost_words(story),
        "fixes_late": _lag_words(story),
        "noise": _noise_words(story),
        "placed": placed_words(story.jolts, settings=story.settings.detect),
        "candidates": _count_words(story.jolts, f"score above {story.settings.detect.on_ratio:g}"),
        "reported": _count_words(
            story.jolts[story.jolts["reported"]],
            f"score from {story.settings.detect.report_score:g}",
        ),
        "passes": str(story.passes),
    }


def placed_words(jolts: pd.DataFrame, *, settings: DetectSettings) -> str:
    """How many jolts (rows with a `lat_deg`) have a place, and why others have none.

    >>> detect = shipped_settings().detect
    >>> placed_words(pd.DataFrame({"lat_deg": [12.0, 12.0]}), settings=detect)
    'all'
    >>> placed_words(pd.DataFrame({"lat_deg": [12.0, np.nan]}), settings=detect)
    '1 of 2: a place needs fixes before and after, at most 6 s apart and good to 50 m'
    """
    placed = int(jolts["lat_deg"].notna().sum())
    if placed == len(jolts):
        return "all"
    return (
        f"{placed} of {len(jolts)}: a place needs fixes before and after, at most"
        f" {settings.max_fix_gap_s:g} s apart and good to {settings.max_accuracy_m:g} m"
    )


def _settings_words(story: Story) -> str:
    changed = "" if story.settings == shipped_settings() else ", changed"
    return f"{story.settings.version}{changed}"


def _lost_words(story: Story) -> str:
    trip, lost = story.trip, story.lost.assign(took=story.lost["stop_s"] - story.lost["start_s"])
    whole_s = float(np.ptp(trip.t_ns)) * 1e-9 if len(trip.t_ns) else 0.0
    parts = [f"{lost['took'].sum() / 60:.2f} of {whole_s / 60:.2f} min"]
    for reason, mine in lost.groupby("reason", sort=False):
        longest, many = mine.loc[mine["took"].idxmax()], "s"[: len(mine) != 1]
        parts.append(
            f"{reason} {mine['took'].sum() / 60:.2f} min ({len(mine)} span{many}, longest"
            f" {longest['took']:.1f} s from {clock(trip, longest['start_s'])}"
            f"{' UTC' * trip.dated})"
        )
    return "; ".join(parts)


def _lag_words(story: Story) -> str:
    if len(story.heard.track.t_ns) == 0:
        return "no usable fix: jolts have no place, and speeds are unknown"
    detect = story.settings.detect
    return (
        f"{story.heard.lag.lag_s:.2f} ± {story.heard.lag.err_s:.2f} s"
        f" (of any trip: {detect.lag_prior_s:g} ± {detect.lag_prior_sd_s:g} s)"
    )


def _noise_words(story: Story) -> str:
    heard = story.heard.heard
    if not heard.any():
        return "nothing was heard"
    middle = float(np.median(story.heard.score[heard]))
    return (
        f"{story.noise_ms2:.2f} m/s² vertical, robust deviation; score {middle:.2f} in the median"
    )


def _count_words(jolts: pd.DataFrame, what: str) -> str:
    counts = jolts["class"].value_counts().sort_index().sort_values(ascending=False, kind="stable")
    each = ", ".join(f"{n} {name}" for name, n in counts.items())
    return f"{len(jolts)} ({what})" + (f": {each}" if each else "")


def jolt_people(jolts: pd.DataFrame) -> pd.DataFrame:
    """Jolts as a person reads them: time of day, the class with its probability, reported or not.

    >>> jolt_people(pd.DataFrame({c: [] for c in EXPLAIN_COLUMNS}))["class"].tolist()
    []
    """
    seen = jolts[["t_s", "lat_deg", "lon_deg", "pos_err_m", "speed_ms", "peak_ms2", "score",
                  "class"]].copy()  # fmt: skip
    seen.insert(0, "UTC", pd.to_datetime(jolts["t_utc_s"], unit="s").dt.strftime("%H:%M:%S"))
    seen["p"] = jolts[list(P_COLUMNS)].max(axis=1).round(2)
    seen["reported"] = np.where(jolts["reported"].astype("bool"), "yes", "-")
    return seen
