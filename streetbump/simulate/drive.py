"""How fast a car drives along its way, where in its lane, and where it is when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.roads import WAY_STEP_M, Way

HUMP_SPEED_MS = 6.7
"""Speed over a hump, m/s: 15 mph, what a Watts hump is built for."""
TURN_WITHIN_M = 4.0
"""How long the car is slow around a hump, m to either side: both axles."""
CREEP_MS = 0.05
"""Least mean speed over a quarter of a metre, m/s: below any that starting from rest gives."""
_GRID_M = 0.25
_SWAY_M = 25.0  # a driver corrects the wheel over some 25 m: chosen by us


@dataclass(frozen=True)
class Driver:
    """How somebody drives. The ranges are those of unhurried town driving; chosen by us.

    Attributes
    ----------
    pace : float
        Speed over that of free traffic.
    pull_ms2 : float
        Speeding up and slowing down, m/s².
    corner_ms2 : float
        Sideways acceleration taken in a bend, m/s².
    hump_ms : float
        Speed over humps, m/s.
    side_m, sway_m : float
        Where in the lane: usual distance to the right of its middle, and its standard
        deviation along a way, m.
    avoids : float
        Chance of steering round a pothole that can be seen, 0 to 1.
    brakes : float
        Chance of slowing down for one instead, 0 to 1.
    hole_ms : float
        Speed over a pothole that was slowed down for, m/s.
    stops : float
        Chance of having to stop at a junction, 0 to 1.
    """

    pace: float = 1.0
    pull_ms2: float = 1.2
    corner_ms2: float = 2.0
    hump_ms: float = HUMP_SPEED_MS
    side_m: float = 0.0
    sway_m: float = 0.12
    avoids: float = 0.0
    brakes: float = 0.0
    hole_ms: float = 4.5
    stops: float = 0.0


@dataclass(frozen=True)
class Stop:
    """A stop on the way, m, and how long the car stands, s."""

    s_m: float
    stand_s: float


@dataclass(frozen=True, eq=False)
class Drive:
    """Where the front axle is, sample by sample.

    Attributes
    ----------
    t_s, s_m, speed_ms, pull_ms2 : (n,) float64
        Time from the start (s), distance driven (m), speed (m/s) and its change (m/s²).
    """

    t_s: Floats
    s_m: Floats
    speed_ms: Floats
    pull_ms2: Floats

    def reaches(self, s_m: Floats | float) -> Floats:
        """Time when the front axle is at `s_m`, s; NaN where it never gets there.

        >>> d = Drive(np.array([0.0, 1, 2, 3]), np.array([0.0, 0, 5, 10]), *np.zeros((2, 4)))
        >>> d.reaches(np.array([7.5, 11.0])).tolist()
        [2.5, nan]
        """
        moving = np.concatenate(([True], np.diff(self.s_m) > 0))
        at = np.interp(s_m, self.s_m[moving], self.t_s[moving])
        goal = np.asarray(s_m)
        return np.where((goal > self.s_m[0]) & (goal < self.s_m[-1]), at, np.nan)


def wished_speed(
    way: Way, cruise_ms: Floats, *, slow: Sequence[tuple[float, float]], driver: Driver
) -> Floats:
    """Speed the driver would like at each point of the way, m/s.

    Parameters
    ----------
    cruise_ms : (n,) float64
        Speed of free traffic at each point.
    slow : sequence of (s_m, speed_ms)
        Places taken slowly, as humps.

    >>> from streetbump.simulate.roads import Edge, Network, way_along
    >>> e = Edge(0, 1, np.array([0.0, 300.0]), np.zeros(2))
    >>> w = way_along(Network(0.0, 0.0, (e,)), [(0, "out")])
    >>> v = wished_speed(w, np.full(301, 12.0), slow=[(150.0, 6.7)], driver=Driver())
    >>> v[[20, 150]].tolist()
    [12.0, 6.7]
    """
    bend = np.abs(curvature(way))
    limit = np.minimum(cruise_ms * driver.pace, np.sqrt(driver.corner_ms2 / np.maximum(bend, 1e-3)))
    for s_m, speed_ms in slow:  # a handful
        near = np.abs(way.s_m - s_m) <= TURN_WITHIN_M
        limit = np.where(near, np.minimum(limit, speed_ms), limit)
    return np.asarray(limit)


def curvature(way: Way) -> Floats:
    """Change of heading per metre at each point of the way, rad/m; positive to the right."""
    return np.gradient(way.heading_rad, WAY_STEP_M) if len(way.s_m) > 1 else np.zeros(1)


def _reachable(limit_ms: Floats, *, pull_ms2: float) -> Floats:
    """The fastest speeds under `limit_ms` that start and stop at rest and never pull harder.

    v² may grow by 2·a·Δs per step, so subtracting that ramp turns "never grow faster" into a
    running minimum, once forwards and once backwards.
    """
    square = limit_ms**2
    square[[0, -1]] = 0.0
    ramp = 2 * pull_ms2 * _GRID_M * np.arange(square.size)
    square = np.minimum.accumulate(square - ramp) + ramp
    square = (np.minimum.accumulate((square - ramp[::-1])[::-1]) + ramp)[::-1]
    return np.sqrt(np.maximum(square, 0.0))


def _wander(count: int, *, rng: np.random.Generator) -> Floats:
    """A slowly varying factor around 1 (sd 0.04, over some 100 m): nobody holds a speed."""
    knots = 1 + 0.04 * rng.standard_normal(count // 400 + 4)
    return np.asarray(np.interp(np.arange(count) / 400, np.arange(knots.size), knots))


def random_stops(way: Way, driver: Driver, *, rng: np.random.Generator) -> tuple[Stop, ...]:
    """Where the lights are red: some metres before a junction, for 2 to 45 s.

    >>> from streetbump.simulate.roads import Edge, Network, way_along
    >>> e = Edge(0, 1, np.array([0.0, 300.0]), np.zeros(2))
    >>> w = way_along(Network(0.0, 0.0, (e,)), [(0, "out")])
    >>> random_stops(w, Driver(stops=1.0), rng=np.random.default_rng(0))
    ()
    """
    red = rng.random(len(way.enter_m)) < driver.stops
    stand = rng.uniform(2.0, 45.0, len(way.enter_m))
    place = way.enter_m - rng.uniform(6.0, 20.0, len(way.enter_m))
    good = red & (place > 30.0) & (place < way.length_m - 30.0)
    return tuple(Stop(float(s), float(t)) for s, t in zip(place[good], stand[good], strict=True))


def drive(
    way: Way, wished_ms: Floats, *, driver: Driver, rate_hz: float, rng: np.random.Generator,
    stops: Sequence[Stop] = (), stand_s: float = 4.0,
) -> Drive:  # fmt: skip
    """Where the front axle is and how fast, from standing start to stop.

    Parameters
    ----------
    wished_ms : (n,) float64
        As :func:`wished_speed` gives it, per point of the way.
    stand_s : float
        How long the car stands before and after, s.

    >>> from streetbump.simulate.roads import Edge, Network, way_along
    >>> e = Edge(0, 1, np.array([0.0, 300.0]), np.zeros(2))
    >>> w = way_along(Network(0.0, 0.0, (e,)), [(0, "out")])
    >>> d = drive(w, np.full(301, 10.0), driver=Driver(), rate_hz=100.0,
    ...           rng=np.random.default_rng(1))
    >>> float(d.s_m[0]), round(float(d.s_m[-1]), 6), float(d.speed_ms[0])
    (0.0, 300.0, 0.0)
    """
    total = way.length_m
    done = np.linspace(0.0, total, int(np.ceil(total / _GRID_M)) + 1)
    limit = np.interp(done, way.s_m, wished_ms) * _wander(done.size, rng=rng)
    halt = np.array([round(stop.s_m / total * (done.size - 1)) for stop in stops], dtype=np.int64)
    limit[halt] = 0.0
    speed = _reachable(limit, pull_ms2=driver.pull_ms2)
    # Constant pull within a step of the grid: its time is exactly Δs over the mean speed.
    # Between two stops on neighbouring points it creeps.
    step_s = np.diff(done) / np.maximum((speed[:-1] + speed[1:]) / 2, CREEP_MS)
    wait_s = np.zeros(done.size)
    wait_s[0] = stand_s
    np.add.at(wait_s, halt, [stop.stand_s for stop in stops])
    leave = np.cumsum(wait_s) + np.concatenate(([0.0], np.cumsum(step_s)))
    clock = np.sort(np.concatenate((leave, leave[halt] - wait_s[halt])))
    at = np.sort(np.concatenate((done, done[halt])))
    t = np.arange(0.0, clock[-1] + stand_s, 1 / rate_hz)
    s = np.interp(t, clock, at)
    speed_t = _eased(np.gradient(s, 1 / rate_hz), rate_hz=rate_hz)
    way_t = np.concatenate(([0.0], np.cumsum((speed_t[:-1] + speed_t[1:]) / 2 / rate_hz)))
    way_t *= total / way_t[-1]  # easing moves the end by some millimetres
    return Drive(t, way_t, speed_t, np.gradient(speed_t, 1 / rate_hz))


def _eased(speed_ms: Floats, *, rate_hz: float) -> Floats:
    """The speeds averaged over 0.8 s, twice: a foot presses a pedal, it does not kick it."""
    from scipy.ndimage import uniform_filter1d

    width = int(0.8 * rate_hz) | 1
    once = uniform_filter1d(speed_ms, width, mode="constant")
    twice = np.asarray(uniform_filter1d(once, width, mode="constant"))
    return np.where(twice < 1e-9, 0.0, twice)  # what the running sums leave is no speed


def lane_position(
    way: Way, driver: Driver, *, dodge: Sequence[tuple[float, float]], rng: np.random.Generator
) -> Floats:
    """Where in its lane the car is at each point of the way, m to the right of the middle.

    Parameters
    ----------
    dodge : sequence of (s_m, right_m)
        Places where the driver steers aside by so much, over some 25 m.

    >>> from streetbump.simulate.roads import Edge, Network, way_along
    >>> e = Edge(0, 1, np.array([0.0, 300.0]), np.zeros(2))
    >>> w = way_along(Network(0.0, 0.0, (e,)), [(0, "out")])
    >>> still = Driver(side_m=0.2, sway_m=0.0)
    >>> y = lane_position(w, still, dodge=[(150.0, 0.5)], rng=np.random.default_rng(0))
    >>> y[[20, 150]].tolist()
    [0.2, 0.7]
    """
    from scipy.interpolate import CubicSpline

    knots = driver.sway_m * rng.standard_normal(int(way.length_m / _SWAY_M) + 3)
    side = driver.side_m + CubicSpline(np.arange(knots.size) * _SWAY_M, knots)(way.s_m)
    for s_m, right_m in dodge:  # a handful
        reach = np.clip(np.abs(way.s_m - s_m) / 12.0, 0.0, 1.0)
        side = side + right_m * (0.5 + 0.5 * np.cos(np.pi * reach))
    return np.asarray(side)
