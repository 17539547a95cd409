"""Coverage as a picture: every stretch in the colour of its state.

matplotlib comes with the extra ``plot`` and is imported on first use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from streetbump.report.coverage import STATES
from streetbump.report.pictures import INK, new_figure, round_length, saved

COLOURS = {
    "unknown": "#8c8c8c", "driven": "#9ecae1", "smooth": "#0072b2", "rough": "#e69f00",
    "places": "#a50026",
}  # fmt: skip
"""Told apart by eyes that see no red or no green, and by lightness in grey print."""

WIDTH_IN = 9.0
WIDTHS = {"unknown": 1.0, "driven": 1.5, "smooth": 1.5, "rough": 2.4, "places": 3.2}
MEANING = {
    "unknown": "unknown: nobody, or too few to tell", "driven": "driven, but seldom or not smooth",
    "smooth": "smooth: hardly anything felt", "rough": "rough", "places": "has places to mend",
}  # fmt: skip


def draw(table: pd.DataFrame, *, title: str, form: str = "png") -> bytes:
    """A map of coverage rows (``coverage.COLUMNS``) as PNG, PDF or SVG bytes.

    Stretches of street are lines; bins are short strokes along their direction. The same table
    gives the same bytes. An empty one gives an empty map.

    Raises
    ------
    MissingExtra
        matplotlib is not installed.
    """
    lines = _lines(table)
    figure = new_figure(WIDTH_IN, _height_in(lines))
    axes = figure.subplots()
    state = table["state"].to_numpy(object)
    km = {s: table.loc[state == s, "length_m"].sum() / 1000 for s in STATES}
    for s in STATES:  # what matters most is drawn last
        _stroke(axes, lines[state == s], COLOURS[s], WIDTHS[s], f"{MEANING[s]} ({km[s]:.1f} km)")
    if len(table):
        west, south = lines.reshape(-1, 2).min(axis=0)
        east, north = lines.reshape(-1, 2).max(axis=0)
        axes.set_aspect(1 / np.cos(np.radians((south + north) / 2)))
        axes.set_xlim(west - 0.02 * (east - west), east + 0.02 * (east - west))
        axes.set_ylim(south - 0.02 * (north - south), north + 0.02 * (north - south))
        _scale(axes, west, south, east, north)
    axes.set_axis_off()
    figure.suptitle(title, color=INK, x=0.02, ha="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return saved(figure, form, dpi=130)


def _height_in(lines: np.ndarray) -> float:
    """Height of the picture, so that the map fills it: neither a strip nor a tower."""
    if len(lines) == 0:
        return WIDTH_IN / 2
    reach = np.ptp(lines.reshape(-1, 2), axis=0) * (np.cos(np.radians(lines[..., 1].mean())), 1.0)
    return float(np.clip(WIDTH_IN * reach[1] / max(reach[0], 1e-9), 4.0, 12.0)) + 1.2


def _lines(table: pd.DataFrame) -> np.ndarray:
    """Both ends of each row, shape (n, 2, 2), degrees."""
    import shapely

    if table["wkt"].notna().all() and len(table):
        ends = shapely.get_coordinates(shapely.from_wkt(table["wkt"].to_numpy(object)))
        return ends.reshape(-1, 2, 2)
    lat, lon = table["lat_deg"].to_numpy(float), table["lon_deg"].to_numpy(float)
    course = np.radians(table["heading_deg"].to_numpy(float))
    # Half a bin to either side, and a little to the right: the other direction lies beside it.
    half, beside = 1.0e-4, 3.0e-5
    wide = 1 / np.cos(np.radians(lat))
    east, north = np.sin(course), np.cos(course)
    x, y = lon + beside * north * wide, lat - beside * east
    return np.stack(
        [np.column_stack((x + sign * half * east * wide, y + sign * half * north))
         for sign in (-1, 1)], axis=1,
    )  # fmt: skip


def _stroke(axes: Any, lines: np.ndarray, colour: str, width: float, label: str) -> None:
    from matplotlib.collections import LineCollection

    dashes = (0, (2, 3)) if colour == COLOURS["unknown"] else "solid"
    axes.add_collection(
        LineCollection(
            list(lines), colors=colour, linewidths=width, linestyles=[dashes], label=label,
            capstyle="butt" if dashes != "solid" else "round",
        )
    )  # fmt: skip


def _scale(axes: Any, west: float, south: float, east: float, north: float) -> None:
    """A bar of a round length in the lower left corner."""
    per_degree = 111_195.0 * np.cos(np.radians((south + north) / 2))
    wanted = (east - west) * per_degree / 5
    if not wanted > 0:
        return
    metres = round_length(wanted)
    y = south - 0.01 * (north - south)
    axes.plot([west, west + metres / per_degree], [y, y], color=INK, lw=2)
    axes.text(west, y, f"{metres:g} m", color=INK, va="bottom", fontsize=9)
