"""How fast a car drives along a street, and where it is when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.street import OUT, Street, heading_rad

PULL_MS2 = 1.2
"""Speeding up and slowing down, m/s²: an unhurried driver. Chosen by us."""
HUMP_SPEED_MS = 6.7
"""Speed over a hump, m/s: 15 mph, what a Watts hump is built for."""
CORNER_MS2 = 2.0
"""Sideways acceleration in a bend, m/s²: comfortable. Chosen by us."""
_GRID_M = 0.25


@dataclass(frozen=True)
class DrivePlan:
    """What the driver wants.

    Attributes
    ----------
    direction : str
        ``out`` or ``back``.
    cruise_ms : float
        Speed on the open street, m/s.
    start_m, end_m : float
        Where the front axle starts and stops, along the street, m (any order; the direction
        says which comes first).
    stand_s : float
        How long the car stands at either end, s.
    hump_ms : float
        Speed over humps, m/s.
    """

    direction: str
    cruise_ms: float
    start_m: float
    end_m: float
    stand_s: float = 4.0
    hump_ms: float = HUMP_SPEED_MS


@dataclass(frozen=True, eq=False)
class Drive:
    """Where the front axle is, sample by sample.

    Attributes
    ----------
    t_s, along_m, speed_ms, pull_ms2 : (n,) float64
        Time from the start (s), place along the street (m), speed (m/s) and its change (m/s²).
    """

    direction: str
    t_s: Floats
    along_m: Floats
    speed_ms: Floats
    pull_ms2: Floats

    def reaches(self, along_m: float) -> float:
        """Time when the front axle is at `along_m`, s; NaN when it never gets there."""
        sign = 1.0 if self.direction == OUT else -1.0
        way, goal = sign * self.along_m, sign * along_m
        if not way[0] < goal < way[-1]:
            return float("nan")
        moving = np.concatenate(([True], np.diff(way) > 0))
        return float(np.interp(goal, way[moving], self.t_s[moving]))


def speed_limit(street: Street, plan: DrivePlan, way_m: Floats) -> Floats:
    """Speed the driver would like at each point, m/s: cruise, less at humps and in bends.

    >>> from streetbump.simulate.street import hump, make_street
    >>> s = make_street(np.array([0.0, 300.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...                 gd_m3=0.0, defects=[hump("h", 150.0)], rng=np.random.default_rng(0))
    >>> speed_limit(s, DrivePlan("out", 12.0, 0.0, 300.0), np.array([20.0, 150.0])).tolist()
    [12.0, 6.7]
    """
    limit = np.full(way_m.shape, plan.cruise_ms)
    grid = np.arange(0.0, street.length_m, 1.0)
    bend = np.abs(np.gradient(heading_rad(street, grid, direction=OUT), 1.0))
    limit = np.minimum(limit, np.sqrt(CORNER_MS2 / np.maximum(np.interp(way_m, grid, bend), 1e-3)))
    for d in street.defects:  # a handful
        if d.kind == "hump" and d.lies_in(plan.direction):
            near = np.abs(way_m - d.along_m) <= 4.0  # both axles
            limit = np.where(near, np.minimum(limit, plan.hump_ms), limit)
    return limit


def _reachable(limit_ms: Floats) -> Floats:
    """The fastest speeds under `limit_ms` that start and stop at rest and never pull harder.

    v² may grow by 2·a·Δs per step, so subtracting that ramp turns "never grow faster" into a
    running minimum, once forwards and once backwards.
    """
    square = limit_ms**2
    square[[0, -1]] = 0.0
    ramp = 2 * PULL_MS2 * _GRID_M * np.arange(square.size)
    square = np.minimum.accumulate(square - ramp) + ramp
    square = (np.minimum.accumulate((square - ramp[::-1])[::-1]) + ramp)[::-1]
    return np.sqrt(np.maximum(square, 0.0))


def _wander(count: int, *, rng: np.random.Generator) -> Floats:
    """A slowly varying factor around 1 (sd 0.03, over some 100 m): nobody holds a speed."""
    knots = 1 + 0.03 * rng.standard_normal(count // 400 + 4)
    return np.asarray(np.interp(np.arange(count) / 400, np.arange(knots.size), knots))


def drive(street: Street, plan: DrivePlan, *, rate_hz: float, rng: np.random.Generator) -> Drive:
    """Where the front axle is and how fast, from standing start to stop.

    >>> from streetbump.simulate.street import make_street
    >>> s = make_street(np.array([0.0, 300.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...                 gd_m3=0.0, defects=(), rng=np.random.default_rng(0))
    >>> d = drive(s, DrivePlan("back", 10.0, 10.0, 290.0), rate_hz=100.0,
    ...           rng=np.random.default_rng(1))
    >>> float(d.along_m[0]), round(float(d.along_m[-1]), 6), float(d.speed_ms[0])
    (290.0, 10.0, 0.0)
    """
    low, high = sorted((plan.start_m, plan.end_m))
    done = np.arange(0.0, high - low + _GRID_M, _GRID_M)
    done[-1] = high - low
    sign, first = (1.0, low) if plan.direction == OUT else (-1.0, high)
    limit = speed_limit(street, plan, first + sign * done) * _wander(done.size, rng=rng)
    speed = _reachable(limit)
    # Constant pull within a step of the grid: its time is exactly Δs over the mean speed.
    clock = np.concatenate(([0.0], np.cumsum(2 * np.diff(done) / (speed[:-1] + speed[1:]))))
    clock += plan.stand_s
    t = np.arange(0.0, clock[-1] + plan.stand_s, 1 / rate_hz)
    speed_t = _eased(np.interp(t, clock, speed, left=0.0, right=0.0), rate_hz=rate_hz)
    way = np.concatenate(([0.0], np.cumsum((speed_t[:-1] + speed_t[1:]) / 2 / rate_hz)))
    way *= (high - low) / way[-1]  # easing moves the end by some millimetres
    return Drive(plan.direction, t, first + sign * way, speed_t, np.gradient(speed_t, 1 / rate_hz))


def _eased(speed_ms: Floats, *, rate_hz: float) -> Floats:
    """The speeds averaged over 0.8 s, twice: a foot presses a pedal, it does not kick it."""
    width = int(0.8 * rate_hz) | 1
    kernel = np.full(width, 1 / width)
    once = np.convolve(np.pad(speed_ms, width - 1), kernel, mode="valid")
    return np.asarray(np.convolve(once, kernel, mode="valid"))
