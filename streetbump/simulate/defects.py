"""Things in a road that a wheel can feel, with the shapes that standards and manuals give them.

A defect lies in one lane or across the street. Its height is a function of two coordinates: along
the lane, and across it from the middle of the lane (to the right of the way the cars go).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streetbump.model import Floats, JoltClass

OUT, BACK, BOTH = "out", "back", "both"

LANE_OFFSET_M = 1.75
"""From the centreline to the middle of a lane, m: half a lane of 3.5 m. Chosen by us."""

TRACK_HALF_M = 0.75
"""From the middle of the car to a wheel, m: a track of 1.5 m, usual for passenger cars."""

TYRE_M = 0.2
"""Width of a tyre, m: passenger cars roll on 165-225 mm."""

DOME_M, DOMES_APART_M = 0.2, 0.4
"""Length of a raised metal marker and distance between rows of them, m. Chosen by us."""

GAUGE_M = 1.435
"""Between the rails of standard gauge, m."""

WATTS_M, WATTS_HEIGHT_M = 3.658, 0.0762
"""A Watts hump: 12 ft long, 3 in high, round top (TRL LR 597, 1973)."""


@dataclass(frozen=True)
class Defect:
    """One thing in the road.

    Attributes
    ----------
    defect_id : str
        Name within the town.
    kind : str
        A key of `SHAPES`.
    edge : int
        Street it lies in.
    along_m : float
        Its middle, along the street in the direction ``out``, m.
    height_m : float
        Height over the road; negative where it is a dip, m.
    length_m, width_m : float
        Along and across the street, m.
    lane : str
        ``out``, ``back`` or ``both``.
    across_m : float
        Its middle, to the right of the middle of the lane, m.
    edge_m : float
        How long its flanks are, m: a broken edge of asphalt, an iron rim.
    from_day, until_day : float
        Days of the town's calendar between which it is there; a repair ends it.
    growth_per_day : float
        Relative growth of its height per day, from `from_day`.
    """

    defect_id: str
    kind: str
    edge: int
    along_m: float
    height_m: float
    length_m: float
    width_m: float = 3.5
    lane: str = BOTH
    across_m: float = 0.0
    edge_m: float = 0.05
    from_day: float = -np.inf
    until_day: float = np.inf
    growth_per_day: float = 0.0

    def lies_in(self, lane: str) -> bool:
        """Whether cars in that lane can meet it.

        >>> Defect("h", "hump", 0, 100.0, 0.076, 3.66).lies_in("back")
        True
        """
        return self.lane in (BOTH, lane)

    def height_on(self, day: float) -> float:
        """Its height on a day, m; 0 before it was there and after its repair.

        >>> grows = Defect("p", "pothole", 0, 5.0, -0.04, 0.5, from_day=10.0, growth_per_day=0.05)
        >>> grows.height_on(20.0), grows.height_on(9.0)
        (-0.06, 0.0)
        """
        if not self.from_day <= day < self.until_day:
            return 0.0
        age = day - self.from_day if np.isfinite(self.from_day) else 0.0
        return self.height_m * (1 + self.growth_per_day * age)

    @property
    def label(self) -> JoltClass:
        """What a detector should call it."""
        return LABELS[self.kind]


LABELS = {
    "pothole": JoltClass.POTHOLE,
    "hump": JoltClass.HUMP,
    "table": JoltClass.HUMP,
    "cushion": JoltClass.HUMP,
    "marker": JoltClass.MARKER,
    "casting": JoltClass.CASTING,
    "rail": JoltClass.JOINT,
    "joint": JoltClass.JOINT,
    "patch": JoltClass.ROUGH,
    "crack": JoltClass.ROUGH,
}
"""Kind of defect → class of jolt; a rail crossing is a joint, a patch is rough road."""


def plateau(x_m: Floats, length_m: float, edge_m: float) -> Floats:
    """1 inside `length_m`, 0 outside, with cosine flanks of `edge_m` within the length.

    >>> plateau(np.array([0.0, 0.45, 0.6]), 1.0, 0.1).round(3).tolist()
    [1.0, 0.5, 0.0]
    """
    inside = np.clip((length_m / 2 - np.abs(x_m)) / edge_m, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * inside))


def _oval(d: Defect, x: Floats, y: Floats) -> Floats:
    """An ellipse with flanks: a hole or a lid."""
    radius = np.hypot(2 * x[:, None] / d.length_m, 2 * y[None, :] / d.width_m)
    inside = np.clip((1 - radius) * d.length_m / 2 / d.edge_m, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * inside))


def _round_top(d: Defect, x: Floats, y: Floats) -> Floats:
    """A parabola: within 0.2 mm of the circular arc at 3 in over 12 ft."""
    return _across(np.clip(1 - (2 * x / d.length_m) ** 2, 0.0, None), y)


def _slab(d: Defect, x: Floats, y: Floats) -> Floats:
    """Flat on top with straight ramps of `edge_m`."""
    return _across(np.clip((d.length_m / 2 - np.abs(x)) / d.edge_m, 0.0, 1.0), y)


def _cushion(d: Defect, x: Floats, y: Floats) -> Floats:
    """A slab too narrow for the whole lane, with side ramps of 0.3 m (speed lump, 5.5 ft wide)."""
    side = np.clip((d.width_m / 2 - np.abs(y)) / 0.3, 0.0, 1.0)
    return np.asarray(_slab(d, x, y) * side[None, :])


def _rows(d: Defect, x: Floats, y: Floats) -> Floats:
    """Rows of domes across the lane, as many as the length holds."""
    count = max(1, round((d.length_m - DOME_M) / DOMES_APART_M) + 1)
    at = (np.arange(count) - (count - 1) / 2) * DOMES_APART_M
    dome = np.clip(1 - ((x[:, None] - at[None, :]) / (DOME_M / 2)) ** 2, 0.0, None)
    return _across(dome.max(axis=1), y)


def _edges(d: Defect, x: Floats, y: Floats) -> Floats:
    """Two strips of 0.2 m at both ends: a track with its flangeways, a bridge joint's lips."""
    reach = d.length_m / 2 - 0.1
    pair = plateau(x - reach, 0.2, d.edge_m) + plateau(x + reach, 0.2, d.edge_m)
    return _across(np.minimum(pair, 1.0), y)


def _patch(d: Defect, x: Floats, y: Floats) -> Floats:
    """A rectangle with feathered ends."""
    side = np.abs(y) <= d.width_m / 2
    return np.asarray(plateau(x, d.length_m, d.edge_m)[:, None] * side[None, :])


def _strip(d: Defect, x: Floats, y: Floats) -> Floats:
    return _across(plateau(x, d.length_m, d.edge_m), y)


def _across(along: Floats, y: Floats) -> Floats:
    return np.repeat(along[:, None], y.size, axis=1)


SHAPES: dict[str, Callable[[Defect, Floats, Floats], Floats]] = {
    "pothole": _oval,
    "casting": _oval,
    "hump": _round_top,
    "table": _slab,
    "cushion": _cushion,
    "marker": _rows,
    "rail": _edges,
    "joint": _edges,
    "patch": _patch,
    "crack": _strip,
}
"""Kind → shape, 1 at full height: ``(defect, x_m, y_m) -> (n_x, n_y)``."""

STRIPS_M = (np.arange(5) - 2) * TYRE_M / 4
"""Across a tyre the road is looked up at these places, m from its middle."""


def under_tyre(d: Defect, x_m: Floats, *, wheel_m: float, height_m: float) -> Floats:
    """Mean height under a tyre rolling along the lane, (n,), m.

    Parameters
    ----------
    x_m : (n,) float64
        Along the lane from the middle of the defect, m.
    wheel_m : float
        Middle of the tyre to the right of the middle of the lane, m.
    height_m : float
        Height of the defect, m.

    >>> hole = Defect("p", "pothole", 0, 5.0, -0.05, 0.6, 0.5, OUT, across_m=0.75)
    >>> x = np.array([0.0])
    >>> [float(under_tyre(hole, x, wheel_m=w, height_m=-0.05)[0]) + 0.0 for w in (0.75, -0.75)]
    [-0.05, 0.0]
    """
    y = wheel_m - d.across_m + STRIPS_M
    return np.asarray(height_m * SHAPES[d.kind](d, x_m, y).mean(axis=1))


@dataclass(frozen=True)
class Tyre:
    """What of the road a wheel follows.

    Attributes
    ----------
    contact_m : float
        Length over which it averages the road, m: the IRI standard takes 0.25 m (Sayers 1995), a
        passenger tyre's footprint is some 0.15-0.2 m long. Chosen by us, between the two.
    radius_m : float
        Rolling radius, m (a 195/65 R15 tyre has 0.317 unloaded).
    fall_ms2 : float
        How fast it can follow a dip when unloaded, m/s²: pressed down by the weight on it and its
        own, ``g (1 + 1 / 0.15)`` with the golden car's unsprung mass ratio (Sayers 1995).
    """

    contact_m: float = 0.2
    radius_m: float = 0.31
    fall_ms2: float = 75.0


TYRE = Tyre()
"""Of a passenger car."""


def rolled(height_m: Floats, *, step_m: float, speed_ms: float, tyre: Tyre = TYRE) -> Floats:
    """Height that a wheel really takes over a dip or bump, m: it neither fits nor falls at once.

    A wheel of radius R rests on the highest of the circles that touch the road, or leaves an edge
    on a ballistic path where that is higher. Both are a grey dilation by a parabola: over a
    distance s it sinks by ``s² / 2R`` for its roundness, on either side, and by no more than
    ``fall s² / 2v²`` for its fall, ahead. The linear tyre of the car model would pull it down
    instead. That the wheel may already be sinking where it leaves is not in it: behind a hump it
    lands some millimetres late.

    Parameters
    ----------
    height_m : (n,) float64
        Height along the way of travel every `step_m`, 0 far away.

    >>> hole = np.repeat([0.0, -0.1, 0.0], [50, 15, 50])  # 0.3 m long, 0.1 m deep
    >>> round(float(rolled(hole, step_m=0.02, speed_ms=1.0).min()), 3)  # 0.16² / 2R
    -0.041
    >>> round(float(rolled(hole, step_m=0.02, speed_ms=15.0).min()), 3)  # it flies over
    -0.01
    """
    depth = float(height_m.max(initial=0.0) - height_m.min(initial=0.0))
    if depth == 0.0:
        return height_m
    round_ = 1 / tyre.radius_m
    ahead = 1 / max(tyre.radius_m, speed_ms**2 / tyre.fall_ms2)
    reach = int(np.sqrt(2 * depth / ahead) / step_m) + 1
    lag = np.arange(-reach, reach + 1)
    sink = (lag * step_m) ** 2 / 2 * np.where(lag > 0, ahead, round_)
    padded = np.pad(height_m, reach, mode="edge")
    views = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1)
    # views[i, k] is the height at i + k - reach, that is lag = reach - k before i
    return np.asarray((views - sink[::-1]).max(axis=1))
