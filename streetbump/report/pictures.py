"""The scoreboard as pictures: bars with intervals, confusion, reliability, curves over passes.

matplotlib comes with the extra ``plot`` and is imported on first use; pictures are PNG bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from streetbump.errors import MissingExtra
from streetbump.report import events, series, sessions, sites, stated
from streetbump.report.scoreboard import OURS

INK, OUR_COLOUR, THEIR_COLOUR, FAINT = "#222222", "#0b6e99", "#b0b0b0", "#dddddd"
LINES = (
    "#0b6e99", "#7fb7cc", "#d1495b", "#edae49", "#66a182", "#8d6a9f", "#555555",
    "#3d2c2e", "#b5c99a", "#7f5539",
)  # fmt: skip
"""Ours in blue, peers in other hues; all differ in lightness as well."""


def check() -> None:
    """Refuse when matplotlib is not installed.

    Raises
    ------
    MissingExtra
        Says what to install.
    """
    new_figure(1.0, 1.0)


def new_figure(width: float, height: float) -> Any:
    """A figure of a width and height in inches, without a display or a global state.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise MissingExtra.of("matplotlib", "plot") from exc
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)  # no display, and no global state
    return figure


_UNDATED: dict[str, dict[str, None]] = {
    "png": {"Software": None}, "pdf": {"CreationDate": None}, "svg": {"Date": None},
}  # fmt: skip


def saved(figure: Any, form: str = "png", *, dpi: int = 120) -> bytes:
    """A figure as PNG, PDF or SVG; the same bytes for the same figure."""
    from matplotlib import rc_context

    sink = io.BytesIO()
    with rc_context({"svg.hashsalt": "streetbump"}):  # else each SVG has ids of its own
        figure.savefig(sink, format=form, dpi=dpi, metadata=_UNDATED[form])
    return sink.getvalue()


def round_length(most: float) -> float:
    """The longest of 1, 2, 5, 10, 20, ... that is not above `most`.

    >>> round_length(0.7), round_length(200.0)
    (0.5, 200.0)
    """
    decade = 10.0 ** np.floor(np.log10(most))
    return float(max(k * decade for k in (1, 2, 5) if k * decade <= most * (1 + 1e-9)))


def pictures(table: pd.DataFrame) -> dict[str, bytes]:
    """Name → PNG of every picture that the figures allow (columns ``scoreboard.COLUMNS``).

    >>> from streetbump.report.scoreboard import frame_of
    >>> pictures(frame_of([], dataset="town"))
    {}
    """
    drawn: dict[str, bytes] = {}
    for number, (dataset, rows) in enumerate(table.groupby("dataset", sort=False)):
        for name, draw, part in _PICTURES:
            mine = rows[rows["part"] == part]
            if len(mine):
                drawn[f"{number + 1}-{_slug(str(dataset))}-{name}"] = draw(mine, str(dataset))
    return drawn


def _slug(name: str) -> str:
    return re.sub(r"[\W_]+", "-", name).strip("-").lower() or "data"


def _plain(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)


# ------------------------------------------------------------------------------- bars


def _event_bars(rows: pd.DataFrame, dataset: str) -> bytes:
    return _bars(rows, dataset, "F1", "events found and not invented: F1")


def _clip_bars(rows: pd.DataFrame, dataset: str) -> bytes:
    return _bars(rows, dataset, "accuracy", "event or road: accuracy")


def _bars(rows: pd.DataFrame, dataset: str, measure: str, title: str) -> bytes:
    f1 = rows[rows["measure"] == measure].iloc[::-1]
    names = [f"{m}  ({t})" if t else m for m, t in zip(f1["method"], f1["tuning"], strict=True)]
    figure = new_figure(8.5, 1.3 + 0.32 * len(f1))
    axes = figure.subplots()
    y = np.arange(len(f1))
    colours = [OUR_COLOUR if m == OURS else THEIR_COLOUR for m in f1["method"]]
    reach = np.abs(f1[["lo", "hi"]].to_numpy().T - f1["value"].to_numpy())
    axes.barh(y, f1["value"], color=colours, height=0.66)
    axes.errorbar(f1["value"], y, xerr=np.nan_to_num(reach), fmt="none", ecolor=INK, capsize=3)
    floor = rows[rows["measure"] == f"{measure} by chance"].set_index(["method", "tuning"])["value"]
    at = [floor.get((m, t), np.nan) for m, t in zip(f1["method"], f1["tuning"], strict=True)]
    if np.isfinite(at).any():
        axes.scatter(at, y, marker="|", s=160, color="#d1495b", label="by chance", zorder=3)
        axes.legend(loc="lower right", frameon=False)
    axes.set_yticks(y, names)
    axes.set_xlim(0, 1)
    axes.set_xlabel(f"{measure}, 95 % interval (n = {int(f1['n'].max())})")
    axes.set_title(f"{dataset}: {title}", loc="left")
    _plain(axes)
    return saved(figure)


# ------------------------------------------------------------------------------- classes


def _confusion(rows: pd.DataFrame, dataset: str) -> bytes:
    said, true = list(dict.fromkeys(rows["measure"])), list(dict.fromkeys(rows["at"]))
    share = rows.pivot_table(index="at", columns="measure", values="value", sort=False)
    matrix = share.reindex(index=true, columns=said).to_numpy()
    count = rows.drop_duplicates("at").set_index("at")["n"]
    figure = new_figure(1.8 + 0.95 * len(said), 1.6 + 0.6 * len(true))
    axes = figure.subplots()
    axes.imshow(matrix, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, j in np.ndindex(*matrix.shape):
        axes.text(j, i, f"{matrix[i, j]:.2f}", ha="center", va="center",
                  color="white" if matrix[i, j] > 0.55 else INK)  # fmt: skip
    axes.set_xticks(range(len(said)), said)
    axes.set_yticks(range(len(true)), [f"{t}  (n = {count[t]})" for t in true])
    axes.set_xlabel("called (likeliest of all eight)")
    axes.set_ylabel("truth")
    axes.set_title(f"{dataset}: what each class was called", loc="left")
    return saved(figure)


def _reliability(rows: pd.DataFrame, dataset: str) -> bytes:
    stated = rows[rows["measure"] == "stated"].set_index("at")
    seen = rows[rows["measure"] == "observed"].set_index("at").loc[stated.index]
    figure = new_figure(5.6, 5.6)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=FAINT, zorder=0)
    reach = np.abs(seen[["lo", "hi"]].to_numpy().T - seen["value"].to_numpy())
    axes.errorbar(stated["value"], seen["value"], yerr=np.nan_to_num(reach), fmt="o-",
                  color=OUR_COLOUR, ecolor=THEIR_COLOUR, capsize=3)  # fmt: skip
    for x, y, n in zip(stated["value"], seen["value"], stated["n"], strict=True):
        axes.annotate(str(n), (x, y), textcoords="offset points", xytext=(7, -11), color=INK)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.05)
    axes.set_xlabel("stated probability")
    axes.set_ylabel("share that came true, 95 % interval")
    axes.set_title(f"{dataset}:\nstated and observed (numbers: n)", loc="left")
    _plain(axes)
    return saved(figure)


# ------------------------------------------------------------------------------- passes


def _curves(rows: pd.DataFrame, dataset: str) -> bytes:
    figure = new_figure(13, 4.6)
    order = list(dict.fromkeys(rows["at"]))
    bins = sorted(order, key=lambda text: int(text.split("-")[0].rstrip("+")))
    for axes, measure in zip(
        figure.subplots(1, 3), ("precision", "recall", "off by, median"), strict=True
    ):
        drawn = list(zip(LINES, _methods(rows, measure), strict=False))
        for k, (colour, (method, mine)) in enumerate(drawn):
            aside = (k - (len(drawn) - 1) / 2) * 0.09  # so that intervals do not hide each other
            x = np.array([bins.index(at) + aside for at in mine["at"]])
            reach = np.abs(mine[["lo", "hi"]].to_numpy().T - mine["value"].to_numpy())
            axes.errorbar(x, mine["value"], yerr=np.nan_to_num(reach), fmt="o-", color=colour,
                          label=method, capsize=2, elinewidth=0.8)  # fmt: skip
        axes.set_xticks(range(len(bins)), bins)
        axes.set_xlim(-0.6, len(bins) - 0.4)
        axes.set_xlabel("true passes")
        axes.set_ylim(bottom=0, top=None if measure.startswith("off") else 1.05)
        axes.set_title(f"{measure} (m)" if measure.startswith("off") else measure, loc="left")
        _plain(axes)
    handles, labels = figure.axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    figure.suptitle(f"{dataset}: potholes reported, by true passes")
    return saved(figure)


def _methods(rows: pd.DataFrame, measure: str) -> Iterator[tuple[str, pd.DataFrame]]:
    for method, mine in rows.groupby("method", sort=False):
        yield str(method), mine[(mine["measure"] == measure) & mine["value"].notna()]


def _scores(rows: pd.DataFrame, dataset: str) -> bytes:
    """The sessions' index against the score that people gave."""
    by = rows.pivot_table(index="at", columns="measure", values="value", sort=False)
    figure = new_figure(6.4, 4.6)
    axes = figure.subplots()
    axes.scatter(by["score"], by["index"], s=60, color=OUR_COLOUR, zorder=3)
    for name, x, y in zip(by.index, by["score"], by["index"], strict=True):
        axes.annotate(str(name), (x, y), textcoords="offset points", xytext=(0, 8), ha="center",
                      size=8, color=INK)  # fmt: skip
    axes.margins(x=0.2)
    axes.set_ylim(0, 1.15 * by["index"].max())
    axes.grid(color=FAINT, zorder=0)
    axes.set_xlabel("score that people gave")
    axes.set_ylabel("roughness (m/s²)")
    axes.set_title(f"{dataset} (n = {len(by)})\n{rows['note'].iloc[0]}", loc="left")
    _plain(axes)
    return saved(figure)


_PICTURES: tuple[tuple[str, Callable[[pd.DataFrame, str], bytes], str], ...] = (
    ("events-f1", _event_bars, events.PART),
    ("clips-event-or-road", _clip_bars, series.EVENT_PART),
    ("clips-confusion", _confusion, series.CONFUSION_PART),
    ("clips-reliability", _reliability, series.RELIABILITY_PART),
    ("sessions", _scores, sessions.EACH),
    ("places-by-passes", _curves, sites.BY_PASSES),
    ("places-reliability", _reliability, stated.RELIABILITY),
)
"""Name, how it is drawn, and the part of the scoreboard it shows."""
