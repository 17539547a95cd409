"""One simulated trip: a car on its way with a phone in it, and what it truly drove over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats
from streetbump.simulate.defects import (
    BOTH,
    LANE_OFFSET_M,
    OUT,
    TRACK_HALF_M,
    WATTS_HEIGHT_M,
    WATTS_M,
    Defect,
    Tyre,
    rolled,
    under_tyre,
)
from streetbump.simulate.drive import (
    Drive,
    Driver,
    Stop,
    curvature,
    drive,
    lane_position,
    wished_speed,
)
from streetbump.simulate.gps import Fixes, Receiver, receive
from streetbump.simulate.phone import Phone, record
from streetbump.simulate.roads import Leg, Network, Way
from streetbump.simulate.surface import STEP_M, wheel_paths
from streetbump.simulate.vehicle import Car, Ride, buzzing, ride, ringing_s, stiffened, through_tyre

SOLVE_HZ = 400.0
"""Rate at which the car is computed, Hz: 4 cm of road at 14 m/s, far below a contact patch."""

TRACK_HZ = 10.0
"""Rate at which the receiver is told where it is, Hz: faster than any phone's fixes."""

FELT_MS2 = 1.0
"""Weaker jolts are not felt, m/s²: 0.1 g, half of what people call a bump. Chosen by us."""

FELT_RATIO = 2.0
"""Nor are those lost in the surface's own shaking. Chosen by us."""

TOUCH_M = 0.002
"""A wheel has met a defect when it moved by more than this, m."""

LEAD_M = 2.0
"""The drive over a defect begins this far before it, m: at rest, after the last one rang out."""

NOISE_S = 3.0
"""The surface's own shaking is taken this far around a crossing, s."""

SEEN_M = 0.5
"""Potholes longer than this can be seen and steered round, m. Chosen by us."""

SLOWED = {"hump": 1.0, "table": 1.15, "cushion": 1.2, "marker": 0.5, "rail": 1.6}
"""Kind → speed over it, as a multiple of the driver's speed over a Watts hump. Markers calibrated
(docs/simulator.md), others chosen by us."""


SLOW_BY = (0.8, 0.5)
CALM = (0.4, 1.2)
"""Powers of length and height, and limits of the factor, in :func:`calm_ms`. Calibrated
(docs/simulator.md)."""


@dataclass(frozen=True)
class Crossing:
    """A car came past a defect in its lane: the truth about one jolt, or none.

    Attributes
    ----------
    defect_id, kind : str
    t_s : float
        When the front axle was over its middle, s from the start of the drive.
    lat_deg, lon_deg : float
        Where the defect lies.
    wheels : int
        How many wheels of an axle met it, 0 to 2; 0 when the car missed it.
    speed_ms : float
    peak_ms2 : float
        Largest vertical acceleration of the body at the phone's place, by this defect alone, m/s².
    noise_ms2 : float
        Root mean square of the same within 3 s by the surface alone, m/s².
    """

    defect_id: str
    kind: str
    t_s: float
    lat_deg: float
    lon_deg: float
    wheels: int
    speed_ms: float
    peak_ms2: float
    noise_ms2: float

    @property
    def felt(self) -> bool:
        """Whether somebody in the car would have noticed it over the road (chosen by us).

        >>> Crossing("p", "pothole", 1.0, 0.0, 0.0, 1, 10.0, 3.0, 0.5).felt
        True
        """
        return self.peak_ms2 >= max(FELT_MS2, FELT_RATIO * self.noise_ms2)


@dataclass(frozen=True, eq=False)
class SimulatedTrip:
    """What the phone recorded, and the truth.

    Attributes
    ----------
    t_s : (n,) float64
        Sample times from the start of the drive, s.
    acc_ms2, gravity_ms2 : (n, 3) float64
        Acceleration in device axes, gravity included, and the phone's own idea of gravity, both
        with Android's sign, m/s².
    fixes : Fixes
    crossings : tuple of Crossing
        By time.
    """

    t_s: Floats
    acc_ms2: Floats
    gravity_ms2: Floats
    fixes: Fixes
    crossings: tuple[Crossing, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class Scene:
    """Streets, what lies in them, and the seed of their surfaces."""

    network: Network
    defects: tuple[Defect, ...]
    seed: int

    @cached_property
    def by_edge(self) -> dict[int, tuple[Defect, ...]]:
        """Street → its defects."""
        found: dict[int, list[Defect]] = {}
        for d in self.defects:
            found.setdefault(d.edge, []).append(d)
        return {edge: tuple(ds) for edge, ds in found.items()}

    @cached_property
    def _surfaces(self) -> dict[Leg, Floats]:
        return {}

    def surface(self, leg: Leg) -> Floats:
        """Heights of the left and right wheel path of a lane as driven, (2, n), m."""
        if leg not in self._surfaces:  # the same for every trip, whoever asks first
            edge, lane = leg
            rng = np.random.default_rng([self.seed, edge, int(lane == OUT)])
            e = self.network.edges[edge]
            self._surfaces[leg] = wheel_paths(e.length_m, gd_m3=e.gd_of(lane), rng=rng)
        return self._surfaces[leg]

    def place_of(self, d: Defect) -> tuple[float, float]:
        """Latitude and longitude of a defect, degrees."""
        right = 0.0
        if d.lane != BOTH:
            right = (LANE_OFFSET_M + d.across_m) * (1.0 if d.lane == OUT else -1.0)
        lat, lon = self.network.place(d.edge, d.along_m, right)
        return float(lat[0]), float(lon[0])


@dataclass(frozen=True, eq=False)
class _Met:
    """A defect on the way: where its middle is, m driven, and its height that day."""

    defect: Defect
    s_m: float
    height_m: float


def _met_on(scene: Scene, way: Way, *, day: float) -> list[_Met]:
    """The defects in the lanes of a way, by distance."""
    met = []
    leave_m = (*way.enter_m[1:], way.length_m)
    for k, (edge, lane) in enumerate(way.legs):  # legs, some tens, with a handful of defects
        length_m = scene.network.edges[edge].length_m
        for d in scene.by_edge.get(edge, ()):
            height = d.height_on(day)
            driven_m = d.along_m if lane == OUT else length_m - d.along_m
            s = way.enter_m[k] + driven_m - way.into_m[k]
            if height and d.lies_in(lane) and way.enter_m[k] < s < leave_m[k]:
                met.append(_Met(d, float(s), height))
    return sorted(met, key=lambda m: m.s_m)


def simulate_trip(
    scene: Scene, way: Way, *, car: Car, driver: Driver, phone: Phone, receiver: Receiver,
    rng: np.random.Generator, day: float = 0.0, stops: Iterable[Stop] = (),
) -> SimulatedTrip:  # fmt: skip
    """One trip along a way; the same generator state gives the same trip.

    >>> from streetbump.simulate.roads import Edge, way_along
    >>> from streetbump.simulate.vehicle import GOLDEN
    >>> net = Network(0.0, 0.0, (Edge(0, 1, np.array([0.0, 300.0]), np.zeros(2)),))
    >>> scene = Scene(net, (Defect("h", "hump", 0, 150.0, 0.0762, 3.658),), seed=1)
    >>> trip = simulate_trip(scene, way_along(net, [(0, "out")]), car=GOLDEN, driver=Driver(),
    ...     phone=Phone(50.0), receiver=Receiver(), rng=np.random.default_rng(1))
    >>> [c.defect_id for c in trip.crossings], trip.acc_ms2.shape[1]
    (['h'], 3)
    """
    met = _met_on(scene, way, day=day)
    dodge, brake = _care(met, driver, rng=rng)
    side = lane_position(way, driver, dodge=dodge, rng=rng)
    cruise = np.array([scene.network.edges[e].cruise_ms for e, _ in way.legs])[way.leg]
    slow = [(m.s_m, calm_ms(m.defect, driver)) for m in met if _slows(m)] + brake
    wished = wished_speed(way, cruise, slow=slow, driver=driver)
    driven = drive(way, wished, driver=driver, rate_hz=SOLVE_HZ, rng=rng, stops=tuple(stops))
    body, crossings = _ridden(scene, way, driven, met, side=side, car=car, phone=phone)
    force = felt_force(
        body, phone, pull_ms2=driven.pull_ms2, side_ms2=_side_ms2(way, driven, side)
    )  # fmt: skip
    force[:, 2] += buzzing(
        force[:, 2] - STANDARD_GRAVITY_MS2, share=car.buzz, rate_hz=SOLVE_HZ, rng=rng
    )  # fmt: skip
    samples = record(force, rate_hz=SOLVE_HZ, phone=phone, rng=rng)
    behind = car.front_arm_m - phone.ahead_m
    fixes = _fixes(scene, way, driven, side, behind_m=behind, receiver=receiver, rng=rng)
    return SimulatedTrip(samples.t_s, samples.acc_ms2, samples.gravity_ms2, fixes, crossings)


def _slows(met: _Met) -> bool:
    return met.defect.kind in SLOWED and met.height_m > 0.01


def calm_ms(d: Defect, driver: Driver) -> float:
    """The driver's speed over a thing across the road, m/s.

    A hump shakes a car by its height times (speed / length)², so drivers are slower over short
    and high ones (the exponents of `SLOW_BY`, calibrated: docs/simulator.md).

    >>> calm_ms(Defect("h", "hump", 0, 9.0, 0.0762, 3.658), Driver())
    6.7
    """
    speed = driver.hump_ms * SLOWED[d.kind]
    if d.kind != "hump":
        return speed
    by_length, by_height = SLOW_BY
    factor = (d.length_m / WATTS_M) ** by_length * (WATTS_HEIGHT_M / d.height_m) ** by_height
    return speed * float(np.clip(factor, *CALM))


def _care(
    met: list[_Met], driver: Driver, *, rng: np.random.Generator
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """What the driver does about potholes that can be seen.

    Where one is steered round, and by how much, m; and where one is slowed down for, and to which
    speed, m/s.
    """
    dodge, brake = [], []
    for m, chance in zip(met, rng.random(len(met)), strict=True):
        d = m.defect
        if d.kind != "pothole" or d.length_m <= SEEN_M:
            continue
        if chance < driver.avoids:
            dodge.append((m.s_m, -0.55 if d.across_m > 0 else 0.55))
        elif chance < driver.avoids + driver.brakes:
            brake.append((m.s_m, driver.hole_ms))
    return dodge, brake


def _side_ms2(way: Way, driven: Drive, side_m: Floats) -> Floats:
    """Acceleration to the right, m/s²: bends, and weaving in the lane."""
    weave = np.gradient(np.gradient(side_m)) if len(side_m) > 1 else np.zeros(1)
    bend = np.interp(driven.s_m, way.s_m, curvature(way) + weave)
    return np.asarray(driven.speed_ms**2 * bend)


def felt_force(body: Ride, phone: Phone, *, pull_ms2: Floats, side_ms2: Floats) -> Floats:
    """What an ideal sensor at the phone's place feels in car axes, (n, 3), m/s².

    Axes right, forward, up; Android's sign: a car at rest reads +9.81 upwards. Small angles.

    Parameters
    ----------
    pull_ms2, side_ms2 : (n,) float64
        Acceleration of the car forwards and to the right, m/s².

    >>> still = Ride(*np.zeros((5, 1)))
    >>> felt_force(still, Phone(50.0), pull_ms2=np.zeros(1), side_ms2=np.zeros(1)).tolist()
    [[0.0, 0.0, 9.80665]]
    """
    g = STANDARD_GRAVITY_MS2
    right = side_ms2 - phone.above_m * body.roll_rads2 + g * body.roll_rad
    forward = pull_ms2 - phone.above_m * body.pitch_rads2 + g * body.pitch_rad
    up = g + body.up_ms2(ahead_m=phone.ahead_m, right_m=phone.right_m)
    return np.column_stack((right, forward, up))


# ------------------------------------------------------------------------------- the road below


def _ridden(
    scene: Scene, way: Way, driven: Drive, met: list[_Met], *, side: Floats, car: Car, phone: Phone
) -> tuple[Ride, tuple[Crossing, ...]]:  # fmt: skip
    """What the body does on the way, and what it went over.

    The car is linear, so the surface and what lies in it are ridden apart and added: the truth
    about a defect is then what it did alone.
    """
    smooth = ride(
        _on_surface(car, scene, way, driven),
        _under_wheels(_surface_along(scene, way, car.tyre), driven, car),
        rate_hz=SOLVE_HZ,
    )
    touches = [
        _touch(driven, m, side_m=float(np.interp(m.s_m, way.s_m, side)), tyre=car.tyre) for m in met
    ]
    jolts = _jolts(driven, touches, car=car)
    at = {"ahead_m": phone.ahead_m, "right_m": phone.right_m}
    ground = smooth.up_ms2(**at)
    total = np.array(_parts(smooth))
    found = []
    for touch, (first, jolt) in zip(touches, jolts, strict=True):  # some tens
        total[:, first : first + jolt.bounce_ms2.size] += _parts(jolt)
        found.append(_crossing(scene, driven, touch, jolt.up_ms2(**at), ground))
    return Ride(*total), tuple(c for c in found if c is not None)


def _on_surface(car: Car, scene: Scene, way: Way, driven: Drive) -> Car:
    """The car as the surface alone finds it, for the way's middle roughness and speed."""
    edges = [(scene.network.edges[e], lane) for e, lane in way.legs]
    gd = np.median([e.gd_of(lane) for e, lane in edges])
    moving = driven.speed_ms[driven.speed_ms > 1.0]
    return stiffened(
        car, gd_m3=float(gd), speed_ms=float(np.median(moving)) if moving.size else 1.0
    )


@dataclass(frozen=True, eq=False)
class _Touch:
    """What the wheels meet at one defect: heights from `first_m` on, (2, n), every `STEP_M`."""

    met: _Met
    wheels: int
    first_m: float
    height_m: Floats


def _parts(body: Ride) -> tuple[Floats, ...]:
    return tuple(getattr(body, name) for name in body.__dataclass_fields__)


def _surface_along(scene: Scene, way: Way, tyre: Tyre) -> Floats:
    """Heights of the two wheel paths along the way every `STEP_M`, (2, n), m."""
    s = np.arange(0.0, way.length_m + STEP_M, STEP_M)
    height = np.zeros((2, s.size))
    bounds = [*way.enter_m, np.inf]
    for k, leg in enumerate(way.legs):  # some tens
        on = slice(*np.searchsorted(s, [bounds[k], bounds[k + 1]]))
        surface = scene.surface(leg)
        at = (s[on] - bounds[k] + way.into_m[k]) / STEP_M
        for wheel in (0, 1):
            height[wheel, on] = np.interp(at, np.arange(surface.shape[1]), surface[wheel])
    return through_tyre(height, tyre)


def _touch(driven: Drive, met: _Met, *, side_m: float, tyre: Tyre) -> _Touch:
    """What the two wheels of an axle meet when the car is `side_m` right of the lane's middle."""
    speed = max(float(np.interp(met.s_m, driven.s_m, driven.speed_ms)), 1.0)
    reach = met.defect.length_m / 2 + 1.0 + 0.02 * speed**2  # where it may land
    x = np.arange(-reach, reach, STEP_M)
    bare = [
        under_tyre(met.defect, x, wheel_m=side_m + right, height_m=met.height_m)
        for right in (-TRACK_HALF_M, TRACK_HALF_M)
    ]
    wheels = sum(bool(np.abs(b).max() > TOUCH_M) for b in bare)
    height = np.array([rolled(b, step_m=STEP_M, speed_ms=speed, tyre=tyre) for b in bare])
    return _Touch(met, wheels, met.s_m - reach, through_tyre(height, tyre))


def _under_wheels(height_m: Floats, driven: Drive, car: Car, *, first_m: float = 0.0) -> Floats:
    """Road height under each wheel at each moment, (4, n), m, of heights from `first_m` on."""
    grid = first_m + np.arange(height_m.shape[1]) * STEP_M
    front, rear = driven.s_m, driven.s_m - car.wheelbase_m
    return np.vstack([np.interp(at, grid, side) for at in (front, rear) for side in height_m])


def _jolts(driven: Drive, touches: list[_Touch], *, car: Car) -> list[tuple[int, Ride]]:
    """What the body does by each defect alone: the sample from which on, and how it moves.

    The short drives over all of them are put one after the other and solved at once; each has
    rung out before the next begins.
    """
    spans, heights = [], []
    ring = int(ringing_s(car) * SOLVE_HZ)
    for touch in touches:
        end_m = touch.first_m + touch.height_m.shape[1] * STEP_M + car.wheelbase_m
        first, last = np.searchsorted(driven.s_m, [touch.first_m - LEAD_M, end_m])
        last = min(int(last) + ring, len(driven.t_s))
        part = Drive(*(column[first:last] for column in _columns(driven)))
        spans.append((int(first), last - int(first)))
        heights.append(_under_wheels(touch.height_m, part, car, first_m=touch.first_m))
    if not spans:
        return []
    body = np.array(_parts(ride(car, np.concatenate(heights, axis=1), rate_hz=SOLVE_HZ)))
    bounds = np.cumsum([0] + [count for _, count in spans])
    return [
        (first, Ride(*body[:, bounds[k] : bounds[k + 1]])) for k, (first, _) in enumerate(spans)
    ]


def _columns(driven: Drive) -> tuple[Floats, ...]:
    return driven.t_s, driven.s_m, driven.speed_ms, driven.pull_ms2


def _crossing(
    scene: Scene, driven: Drive, touch: _Touch, jolt_ms2: Floats, ground_ms2: Floats
) -> Crossing | None:
    met = touch.met
    t = float(driven.reaches(met.s_m))
    if not np.isfinite(t):
        return None
    first, last = (max(round((t + s) * SOLVE_HZ), 0) for s in (-NOISE_S, NOISE_S))
    noise = float(np.sqrt(np.mean(ground_ms2[first:last] ** 2)))
    speed = float(np.interp(t, driven.t_s, driven.speed_ms))
    peak = float(np.abs(jolt_ms2).max(initial=0.0)) if touch.wheels else 0.0
    lat, lon = scene.place_of(met.defect)
    return Crossing(
        met.defect.defect_id, met.defect.kind, t, lat, lon, touch.wheels, speed, peak, noise
    )


def _fixes(
    scene: Scene, way: Way, driven: Drive, side_m: Floats, *, behind_m: float, receiver: Receiver,
    rng: np.random.Generator,
) -> Fixes:  # fmt: skip
    """What the receiver says; it sits `behind_m` behind the front axle."""
    t = np.arange(0.0, driven.t_s[-1], 1 / TRACK_HZ)
    s = np.interp(t, driven.t_s, driven.s_m) - behind_m
    psi = np.interp(s, way.s_m, way.heading_rad)
    side = np.interp(s, way.s_m, side_m)
    back = np.minimum(s, 0.0)  # before the way begins: straight back
    east = np.interp(s, way.s_m, way.east_m) + side * np.cos(psi) + back * np.sin(psi)
    north = np.interp(s, way.s_m, way.north_m) - side * np.sin(psi) + back * np.cos(psi)
    lat, lon = scene.network.degrees(east, north)
    sky = np.array([scene.network.edges[e].canyon for e, _ in way.legs])
    leg = np.clip(np.searchsorted(way.enter_m, s, side="right") - 1, 0, None)
    speed = np.interp(t, driven.t_s, driven.speed_ms)
    return receive(
        t, lat, lon, speed, np.degrees(psi) % 360.0, sky[leg], receiver=receiver, rng=rng
    )
