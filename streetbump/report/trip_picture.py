"""One trip as a picture: what was felt, what was made of it, its jolts, and where they are.

matplotlib comes with the extra ``plot`` and is imported on first use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from streetbump.detect.features import PEAK_AT, WINDOW_HZ, WINDOW_S
from streetbump.geo import local_m
from streetbump.model import P_COLUMNS, Bools, Floats, JoltClass
from streetbump.report.pictures import FAINT, INK, new_figure, round_length, saved
from streetbump.report.trip_story import (
    FALLEN,
    GAP,
    IN_HAND,
    REASONS,
    SLOW,
    STANDING,
    TURNED,
    Story,
    clock,
    clock_name,
    title,
)

WIDTH_IN, HEIGHT_IN, DPI = 14.0, 12.0, 110
COLUMNS = 1500
"""A long signal is drawn as the least and largest value of so many columns: more than a picture of
this width has pixels for."""

LEAST_SCORE = 0.1
"""Lower end of the axis of scores: far below any candidate."""

LEAST_REACH_M = 25.0
"""A map reaches at least this far from its middle, m."""

ZOOM_ROWS, ZOOM_COLUMNS = 3, 4

SPEED, LINE = "#b8860b", "#4d6a78"

CLASS_STYLE: dict[str, tuple[str, str]] = {
    JoltClass.POTHOLE: ("#d55e00", "v"),
    JoltClass.HUMP: ("#0072b2", "^"),
    JoltClass.MARKER: ("#f0e442", "D"),
    JoltClass.CASTING: ("#009e73", "o"),
    JoltClass.JOINT: ("#56b4e9", "s"),
    JoltClass.ROUGH: ("#e69f00", "P"),
    JoltClass.SMOOTH: ("#000000", "*"),
    JoltClass.NOT_ROAD: ("#cc79a7", "X"),
    JoltClass.UNSURE: ("#999999", "h"),
}
"""Colour and marker of each class. The eight colours are those of Okabe and Ito (2008), Color
Universal Design, https://jfly.uni-koeln.de/color/: told apart by colour-blind readers too."""

SHADES = {GAP: "#c8c8c8", FALLEN: "#d6a5a0", TURNED: "#f3cfe0", IN_HAND: "#e0d3f0",
          STANDING: "#e9eef6", SLOW: "#f6e3c5"}  # fmt: skip
"""Shade of each reason for hearing nothing."""


def picture(story: Story, *, kind: str) -> bytes:
    """A picture of one trip as PNG, PDF or SVG; the same bytes for the same trip.

    Parameters
    ----------
    kind : str
        ``png``, ``pdf`` or ``svg``.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    return saved(figure_of(story), kind, dpi=DPI)


def figure_of(story: Story) -> Any:
    """The figure behind :func:`picture`; its axes are labelled ``signal``, ``score``, ``map``.

    A trip without samples, fixes or jolts has panels that say so.
    """
    figure = new_figure(WIDTH_IN, HEIGHT_IN)
    figure.suptitle(_plain_text(title(story)), x=0.01, ha="left", fontsize=13, parse_math=False)
    above, below = figure.subfigures(2, 1, height_ratios=(1, 1))
    jolts = _drawn_jolts(story)
    signal, score = above.subplots(2, 1, sharex=True)
    _draw_signal(signal, story)
    _draw_score(score, story, jolts)
    _draw_time(score, story)
    zooms, place = below.subfigures(1, 2, width_ratios=(1.55, 1))
    _draw_zooms(zooms, story, jolts)
    _draw_map(place.add_subplot(), story, jolts)
    return figure


def _plain_text(text: str) -> str:
    """What matplotlib's own font can write: Latin, Greek and Cyrillic letters."""
    return "".join(c if c.isprintable() and ord(c) < 0x530 else "?" for c in text)


def _drawn_jolts(story: Story) -> pd.DataFrame:
    """All candidates; `number` 1, 2, ... by time of the strongest that are reported, else 0."""
    jolts = story.jolts.copy()
    jolts["p"] = jolts[list(P_COLUMNS)].max(axis=1)
    strongest = jolts[jolts["reported"]].nlargest(ZOOM_ROWS * ZOOM_COLUMNS, "score").index
    shown = jolts.index.isin(strongest)
    jolts["number"] = np.where(shown, np.cumsum(shown), 0)
    return jolts


def _plain(axes: Any, label: str, name: str) -> None:
    axes.set_label(label)
    axes.set_title(name, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=8)


def _say(axes: Any, words: str) -> None:
    """Words in the middle of an empty panel."""
    axes.text(0.5, 0.5, words, transform=axes.transAxes, ha="center", va="center", color="#666666")


# ------------------------------------------------------------------------------- over time


def envelope(t_s: Floats, values: Floats, *, columns: int) -> tuple[Floats, Floats]:
    """A line that looks like a long one: the least and largest value of each column of a picture.

    Parameters
    ----------
    t_s, values : (n,) float64
        Time, increasing, and values; NaN is passed over.
    columns : int
        How many columns of equal time; a line of at most twice as many points stays as it is.

    Returns
    -------
    (t_s, values)
        At most ``2 * columns`` points; NaN (a break in the line) where a column holds nothing.

    >>> t, v = envelope(np.arange(8.0), np.array([0, 5, 1, 2, 9, 3, 4, 4.0]), columns=2)
    >>> v.tolist()
    [0.0, 5.0, 3.0, 9.0]
    """
    if len(t_s) <= 2 * columns:
        return t_s, values
    width_s = (t_s[-1] - t_s[0]) / columns
    column = np.minimum((t_s - t_s[0]) // width_s, columns - 1).astype(np.int64)
    first = np.flatnonzero(np.diff(column, prepend=-1))
    ends = np.full((columns, 2), np.nan)
    ends[column[first], 0] = np.fmin.reduceat(values, first)
    ends[column[first], 1] = np.fmax.reduceat(values, first)
    middle_s = t_s[0] + (np.arange(columns) + 0.5) * width_s
    return np.repeat(middle_s, 2), ends.ravel()


def _inside(story: Story, t_s: Floats, reason: str) -> Bools:
    """Which moments lie in a span in which nothing is heard for one reason."""
    spans = story.lost[story.lost["reason"] == reason]
    begun = np.searchsorted(spans["start_s"], t_s, side="right")
    ended = np.searchsorted(spans["stop_s"], t_s, side="left")
    return np.asarray(begun > ended)


def _draw_line(axes: Any, story: Story, values: Floats, **style: Any) -> None:
    t_s = story.seconds(story.heard.signal.t_ns)
    broken = np.where(_inside(story, t_s, GAP), np.nan, values)
    axes.plot(*envelope(t_s, broken, columns=COLUMNS), **style)


def _shade(axes: Any, story: Story) -> None:
    """The spans in which nothing is heard, a shade for each reason."""
    for reason in REASONS:
        spans = story.lost[story.lost["reason"] == reason]
        if len(spans):
            bars = np.column_stack((spans["start_s"], spans["stop_s"] - spans["start_s"]))
            axes.broken_barh(bars, (0, 1), transform=axes.get_xaxis_transform(), zorder=0,
                             facecolor=SHADES[reason], label=f"not heard: {reason}")  # fmt: skip


def _draw_signal(axes: Any, story: Story) -> None:
    _plain(axes, "signal", "Vertical acceleration, and speed")
    axes.set_ylabel("m/s²", color=LINE)
    _shade(axes, story)
    if len(story.heard.signal.t_ns) == 0:
        axes.set_yticks([])
        _say(axes, "fewer than two samples")
        return
    _draw_line(axes, story, story.heard.signal.vertical_ms2, color=LINE, lw=0.6)
    speeds = axes.twinx()
    speeds.set_label("speed")
    speeds.spines[["top", "left", "bottom"]].set_visible(False)
    speeds.tick_params(colors=SPEED, labelsize=8)
    if np.isfinite(story.heard.speed_ms).any():
        _draw_line(speeds, story, story.heard.speed_ms * 3.6, color=SPEED, lw=1.1, label="speed")
        speeds.set_ylim(0, _usual_top(story.heard.speed_ms * 3.6))
        speeds.set_ylabel("km/h", color=SPEED)
    else:
        speeds.set_yticks([])
        speeds.spines[:].set_visible(False)
        speeds.set_ylabel("speed unknown", color=SPEED)
    if len(story.lost):
        _legend(axes)


def _usual_top(values: Floats) -> float:
    """Upper end of an axis from zero: leaps of the receiver may run out of it."""
    known = values[np.isfinite(values)]
    return max(1.05 * min(float(known.max()), 1.4 * float(np.quantile(known, 0.95))), 1.0)


def _draw_score(axes: Any, story: Story, jolts: pd.DataFrame) -> None:
    settings = story.settings.detect
    _plain(axes, "score", "Score; pale marks are not reported")
    axes.set_yscale("log")
    axes.set_ylim(LEAST_SCORE, 2.2 * max(10.0, jolts["score"].max() if len(jolts) else 0.0))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_ylabel("score")
    _shade(axes, story)
    score = story.heard.score
    _draw_line(axes, story, np.where(score > 0, score, np.nan), color=LINE, lw=0.6)
    axes.axhline(settings.report_score, color=INK, lw=1.0,
                 label=f"reported from {settings.report_score:g}")  # fmt: skip
    axes.axhline(settings.on_ratio, color=INK, lw=0.8, ls=":",
                 label=f"candidate above {settings.on_ratio:g}")  # fmt: skip
    _draw_marks(axes, jolts, jolts["t_s"], jolts["score"], above=True)
    handles, labels = axes.get_legend_handles_labels()
    mine = [k for k, label in enumerate(labels) if not label.startswith("not heard")]
    _legend(axes, [handles[k] for k in mine], [labels[k] for k in mine])


def _legend(axes: Any, *entries: Any) -> None:
    axes.legend(*entries, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=12, frameon=False,
                fontsize=8, handletextpad=0.4, columnspacing=1.2, borderaxespad=0.1)  # fmt: skip


def _draw_marks(axes: Any, jolts: pd.DataFrame, x: pd.Series, y: pd.Series, *, above: bool) -> None:
    """Jolts as marks of their class, pale below the operating point, with their numbers."""
    for name, (colour, marker) in CLASS_STYLE.items():
        style: dict[str, Any] = {"marker": marker, "edgecolor": INK}
        mine, reported = jolts["class"] == str(name), jolts["reported"]
        for keep, alpha, size in ((mine & ~reported, 0.35, 24), (mine & reported, 1.0, 46)):
            axes.scatter(x[keep], y[keep], s=size, facecolor=(colour, alpha), zorder=3 + alpha,
                         linewidth=0.3 + 0.4 * alpha, **style)  # fmt: skip
        if mine.any():  # the legend shows every class as it is when reported
            label = str(name).replace("_", " ")
            axes.scatter([], [], s=40, facecolor=colour, linewidth=0.7, label=label, **style)
    numbered = jolts[jolts["number"] > 0]
    for at, number in numbered["number"].items():  # at most twelve
        odd = number % 2  # neighbours in time stand at two heights
        axes.annotate(str(number), (x[at], y[at]), textcoords="offset points", fontsize=8,
                      xytext=(0, 13 - 8 * odd) if above else (5, 14 * odd - 10), color=INK,
                      ha="center" if above else "left", zorder=5)  # fmt: skip


STEPS_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200)


def _draw_time(axes: Any, story: Story) -> None:
    """One axis of time for both panels, with round times of day."""
    from matplotlib.ticker import FixedLocator, FuncFormatter

    trip = story.trip
    t_s = story.seconds(trip.t_ns)
    lo, hi = (float(t_s[0]), float(t_s[-1])) if len(t_s) > 1 else (0.0, 1.0)
    step = next((s for s in STEPS_S if (hi - lo) / s <= 14), 86400)
    origin = trip.origin_ns / 1e9 if trip.dated else 0.0
    ticks = np.arange(np.ceil((origin + lo) / step), (origin + hi) / step) * step - origin
    axes.set_xlim(lo, max(hi, lo + 1e-3))
    axes.xaxis.set_major_locator(FixedLocator(ticks.tolist()))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _pos: clock(trip, x + 1e-3)))
    axes.set_xlabel(clock_name(trip), fontsize=8, loc="right", labelpad=0)


# ------------------------------------------------------------------------------- the jolts


def _draw_zooms(figure: Any, story: Story, jolts: pd.DataFrame) -> None:
    """The strongest reported jolts as small multiples, by time."""
    shown = jolts[jolts["number"] > 0]
    if len(shown) == 0:
        axes = figure.add_subplot(label="zoom")
        axes.set_axis_off()
        _say(axes, "no jolt is reported")
        return
    n = int(jolts["reported"].sum())
    what = "The reported jolts" if n == len(shown) else f"The strongest {len(shown)} of {n} jolts"
    figure.suptitle(f"{what}: {WINDOW_S:g} s of vertical acceleration, m/s²", x=0.02, ha="left",
                    fontsize=10)  # fmt: skip
    rows = max(2, -(-len(shown) // ZOOM_COLUMNS))
    panels = figure.subplots(rows, ZOOM_COLUMNS).ravel()
    t_s = (np.arange(story.windows.shape[1]) - PEAK_AT) / WINDOW_HZ
    for axes, (at, jolt) in zip(panels, shown.iterrows(), strict=False):
        _draw_zoom(axes, story, jolt, t_s, story.windows[int(str(at))])
    for axes in panels[len(shown) :]:
        axes.set_axis_off()


def _draw_zoom(axes: Any, story: Story, jolt: pd.Series, t_s: Floats, window: Floats) -> None:
    colour, marker = CLASS_STYLE[JoltClass(jolt["class"])]
    speed = (
        f"{jolt['speed_ms'] * 3.6:.0f} km/h" if np.isfinite(jolt["speed_ms"]) else "speed unknown"
    )
    head = f"{jolt['number']}  {jolt['class'].replace('_', ' ')} {jolt['p']:.2f}"
    _plain(axes, "zoom", f"{head}\n{clock(story.trip, jolt['t_s'])}  {speed}")
    axes.title.set_fontsize(8)
    axes.axhline(0, color=FAINT, lw=0.8, zorder=0)
    axes.plot(t_s, window, color=LINE, lw=1.0)
    reach = 1.15 * max(float(np.abs(window).max()), 1e-3)
    axes.set_ylim(-reach, reach)
    axes.set_xlim(t_s[0], t_s[-1])
    axes.scatter([0.94], [1.12], marker=marker, s=46, facecolor=colour, edgecolor=INK,
                 linewidth=0.7, transform=axes.transAxes, clip_on=False)  # fmt: skip
    axes.tick_params(labelsize=7)


# ------------------------------------------------------------------------------- the map


def _draw_map(axes: Any, story: Story, jolts: pd.DataFrame) -> None:
    """The track and the jolts in metres, north up. Nothing is fetched."""
    _plain(axes, "map", "Where: north is up")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    track = story.heard.track
    if len(track.t_ns) == 0:
        _say(axes, "no usable fix: no map")
        return
    origin = {"lat0_deg": float(np.mean(track.lat_deg)), "lon0_deg": float(np.mean(track.lon_deg))}
    east, north = local_m(track.lat_deg, track.lon_deg, **origin)
    cut = np.flatnonzero(~track.joined) + 1
    axes.plot(np.insert(east, cut, np.nan), np.insert(north, cut, np.nan), color="#9fb3bd", lw=1.6,
              zorder=1, solid_capstyle="round")  # fmt: skip
    axes.scatter(east[:1], north[:1], marker="o", s=30, color="white", edgecolor=LINE, zorder=2)
    axes.annotate("start", (east[0], north[0]), textcoords="offset points", xytext=(6, -10),
                  fontsize=8, color=LINE)  # fmt: skip
    at_east, at_north = local_m(jolts["lat_deg"], jolts["lon_deg"], **origin)
    _draw_marks(axes, jolts, at_east, at_north, above=False)
    _draw_frame(axes, east, north)


def _draw_frame(axes: Any, east: Floats, north: Floats) -> None:
    """A square around the track, with a bar of round length below it."""
    middle = [(float(v.min()) + float(v.max())) / 2 for v in (east, north)]
    half = max(float(np.ptp(east)), float(np.ptp(north)), 2 * LEAST_REACH_M) * 0.55
    axes.set_xlim(middle[0] - half, middle[0] + half)
    axes.set_ylim(middle[1] - 1.1 * half, middle[1] + 0.9 * half)
    axes.set_aspect("equal")
    bar_m = round_length(half / 2)
    left, foot = middle[0] - 0.97 * half, middle[1] - 1.02 * half
    axes.plot([left, left + bar_m], [foot, foot], color=INK, lw=2.5, solid_capstyle="butt")
    words = f"{bar_m / 1000:g} km" if bar_m >= 1000 else f"{bar_m:g} m"
    axes.text(left, foot + 0.02 * half, words, fontsize=8, color=INK, va="bottom")
