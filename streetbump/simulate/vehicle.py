"""A car on four wheels: bounce, pitch and roll of the body, and four wheels that hop.

All constants are per unit of the sprung mass that rests on the axle, as in the quarter car of
the International Roughness Index (Sayers 1995, Transportation Research Record 1501, the "golden
car"), of which this is the two-axle, two-sided form. It is linear; what is not - a wheel that
leaves the road or does not fit into a hole - is done to the road beforehand
(:func:`streetbump.simulate.defects.rolled`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.defects import TRACK_HALF_M, TYRE, Tyre
from streetbump.simulate.surface import ISO_N0, STEP_M


@dataclass(frozen=True)
class Car:
    """A linear car with two axles and equal sides.

    Attributes
    ----------
    wheelbase_m : float
        Front to rear axle, m (2.5-2.8 for passenger cars).
    front_share : float
        Share of the sprung mass on the front axle, 0 to 1.
    spring_s2 : (float, float)
        Suspension stiffness over sprung mass, front and rear, 1/s².
    damper_s1 : (float, float)
        Suspension damping over sprung mass, front and rear, 1/s.
    tyre_s2 : float
        Tyre stiffness over sprung mass, 1/s².
    wheel_ratio : float
        Unsprung over sprung mass.
    pitch_ratio : float
        Pitch inertia over (mass · front arm · rear arm); 1 uncouples the axles.
    roll_ratio : float
        Roll inertia over (mass · half track²).
    antiroll : float
        What anti-roll bars add to the springs when the wheels of an axle move apart, as a share.
    buzz : float
        How loudly doors, trim and load rattle, as a share of the jolting; see :func:`buzzing`.
    friction_ms2 : float
        Dry friction of the suspension over sprung mass, m/s²; see :func:`stiffened`.
    tyre : Tyre
    """

    name: str
    wheelbase_m: float
    front_share: float
    spring_s2: tuple[float, float]
    damper_s1: tuple[float, float]
    tyre_s2: float
    wheel_ratio: float
    pitch_ratio: float
    roll_ratio: float = 0.7
    antiroll: float = 0.5
    buzz: float = 0.0
    friction_ms2: float = 0.0
    tyre: Tyre = TYRE

    @property
    def front_arm_m(self) -> float:
        """From the centre of mass to the front axle, m."""
        return (1 - self.front_share) * self.wheelbase_m

    @property
    def rear_arm_m(self) -> float:
        """From the centre of mass to the rear axle, m."""
        return self.front_share * self.wheelbase_m


# The golden car's ratios are the standard's: kt 653, ks 63.3, cs 6.0, mu 0.15. The other cars
# stay within what Gillespie, "Fundamentals of Vehicle Dynamics" (SAE 1992, ch. 5), gives for
# passenger cars: ride at 1-1.5 Hz, damping ratio 0.2-0.4, wheel hop near 10-12 Hz, rear springs
# a little stiffer than front (flat ride), pitch ratio 0.8-1. Wheelbases, shares, roll inertia
# (radius of gyration 0.63 m) and anti-roll bars chosen by us.
GOLDEN = Car("golden", 2.7, 0.56, (63.3, 68.0), (6.0, 6.0), 653.0, 0.15, 0.92)
STIFF = Car("stiff", 2.6, 0.60, (92.0, 104.0), (7.4, 7.4), 760.0, 0.14, 0.88)
SOFT = Car("soft", 2.8, 0.53, (45.0, 50.0), (4.4, 4.4), 600.0, 0.16, 0.95)
CARS = {c.name: c for c in (GOLDEN, STIFF, SOFT)}


@dataclass(frozen=True, eq=False)
class Ride:
    """What the body does: bounce at the centre of mass, pitch (nose up) and roll (right side up).

    Attributes
    ----------
    bounce_ms2, pitch_rads2, roll_rads2, pitch_rad, roll_rad : (n,) float64
        Accelerations (m/s², rad/s²) and angles (rad).
    """

    bounce_ms2: Floats
    pitch_rads2: Floats
    roll_rads2: Floats
    pitch_rad: Floats
    roll_rad: Floats

    def up_ms2(self, *, ahead_m: float, right_m: float) -> Floats:
        """Vertical acceleration of the body at a place, m from the centre of mass.

        >>> still = Ride(*np.array([[1.0], [2.0], [3.0], [0.0], [0.0]]))
        >>> still.up_ms2(ahead_m=0.5, right_m=-1.0).tolist()
        [-1.0]
        """
        return self.bounce_ms2 + ahead_m * self.pitch_rads2 + right_m * self.roll_rads2


def state_matrices(car: Car) -> tuple[Floats, Floats]:
    """Matrices A (14, 14) and B (14, 4) of ``x' = A x + B y``.

    The state is bounce, pitch and roll of the body, the height of each wheel (front left, front
    right, rear left, rear right; m, rad, rad, 4 × m), and their rates; `y` is the road height under
    each wheel, m.

    >>> a, b = state_matrices(GOLDEN)
    >>> rest = np.linalg.solve(a, -b @ np.full(4, 0.01))  # all wheels on a step of 1 cm
    >>> (np.round(rest[:7], 6) + 0.0).tolist()
    [0.01, 0.0, 0.0, 0.01, 0.01, 0.01, 0.01]
    """
    share = np.repeat([car.front_share / 2, (1 - car.front_share) / 2], 2)
    ahead = np.repeat([car.front_arm_m, -car.rear_arm_m], 2)
    right = np.array([-1.0, 1.0, -1.0, 1.0]) * TRACK_HALF_M
    # Stretch of each suspension: body above the wheel minus wheel. A bar feels the difference.
    stretch = np.column_stack((np.ones(4), ahead, right, -np.eye(4)))
    twist = np.array([stretch[1] - stretch[0], stretch[3] - stretch[2]]) / 2
    spring = np.repeat(car.spring_s2, 2) * share
    damper = np.repeat(car.damper_s1, 2) * share
    bar = car.antiroll * 2 * spring[[0, 2]]
    stiffness = (stretch.T * spring) @ stretch + (twist.T * bar) @ twist
    stiffness[3:, 3:] += np.diag(car.tyre_s2 * share)
    damping = (stretch.T * damper) @ stretch
    pitch = car.pitch_ratio * car.front_arm_m * car.rear_arm_m
    roll = car.roll_ratio * TRACK_HALF_M**2
    mass = np.concatenate(([1.0, pitch, roll], car.wheel_ratio * share))
    a = np.zeros((14, 14))
    a[:7, 7:] = np.eye(7)
    a[7:, :7] = -stiffness / mass[:, None]
    a[7:, 7:] = -damping / mass[:, None]
    b = np.zeros((14, 4))
    b[10:, :] = np.diag(car.tyre_s2 / np.full(4, car.wheel_ratio))
    return a, b


def stiffened(car: Car, *, gd_m3: float, speed_ms: float) -> Car:
    """The car as it is on small waves: dry friction holds its springs, and they seem stiffer.

    Equivalent linear form: a friction F that moves by X adds F / X to the stiffness (Gillespie
    1992, ch. 5, on friction and rubber bushings). X is √2 times the standard deviation of the
    suspension's stretch on a road of white slope, ``S / (8 ζ ω)`` with
    ``S = (2π n₀)² Gd(n₀) v``. The damping ratio is kept, as friction damps too.

    >>> stiffened(GOLDEN, gd_m3=64e-6, speed_ms=12.0) == GOLDEN  # without friction
    True
    """
    if car.friction_ms2 <= 0:
        return car
    omega = np.sqrt(np.mean(car.spring_s2))
    ratio = np.mean(car.damper_s1) / (2 * omega)
    slope = (2 * np.pi * ISO_N0) ** 2 * gd_m3 * speed_ms
    moved = np.sqrt(2 * slope / (8 * ratio * omega)) + 1e-4  # 0.1 mm: bushings give way
    front, rear = car.spring_s2
    grown = 1 + car.friction_ms2 / moved / float(np.mean(car.spring_s2))
    by = float(min(grown, STIFFER_MOST))
    soft = np.sqrt(by)
    return replace(
        car, spring_s2=(front * by, rear * by),
        damper_s1=(float(car.damper_s1[0] * soft), float(car.damper_s1[1] * soft)),
    )  # fmt: skip


STIFFER_MOST = 4.0
"""Friction makes springs seem at most so many times as stiff: bushings give way. Chosen by us."""

BUZZ_HZ = (13.0, 30.0)
BUZZ_FROM_HZ = 3.0
BUZZ_S = 0.15
"""A body is not rigid: it bends at 15-30 Hz (Gillespie 1992, ch. 5), and what is loose in it
rattles. Band of that, from which frequency on jolting excites it, and how long it follows.
Calibrated (docs/simulator.md)."""


def buzzing(up_ms2: Floats, *, share: float, rate_hz: float, rng: np.random.Generator) -> Floats:
    """What a body that is not rigid adds to its own vertical acceleration, (n,), m/s².

    Noise in the band `BUZZ_HZ` whose standard deviation is `share` of the running root mean square
    of what lies above `BUZZ_FROM_HZ`.

    >>> buzzing(np.zeros(400), share=0.2, rate_hz=400.0, rng=np.random.default_rng(0)).any()
    np.False_
    """
    from scipy.ndimage import uniform_filter1d
    from scipy.signal import butter, sosfilt

    if share <= 0 or up_ms2.size == 0:
        return np.zeros_like(up_ms2)
    fast = sosfilt(butter(1, BUZZ_FROM_HZ, btype="high", fs=rate_hz, output="sos"), up_ms2)
    level = np.sqrt(np.maximum(uniform_filter1d(fast**2, round(BUZZ_S * rate_hz) | 1), 0.0))
    band = butter(2, BUZZ_HZ, btype="bandpass", fs=rate_hz, output="sos")
    noise = sosfilt(band, rng.standard_normal(up_ms2.size))
    gain = np.sqrt(np.sum(sosfilt(band, np.eye(1, round(rate_hz))[0]) ** 2))
    return np.asarray(share * level * noise / gain)


def ringing_s(car: Car) -> float:
    """How long a jolt rings until a twentieth is left of it, s: three times its slowest decay.

    >>> round(ringing_s(GOLDEN), 1)
    1.2
    """
    return float(-3.0 / np.linalg.eigvals(state_matrices(car)[0]).real.max())


def ride(car: Car, wheels_m: Floats, *, rate_hz: float) -> Ride:
    """What the body does on the road heights under its wheels, starting at rest on them.

    Exact for heights that are straight between samples (first-order hold): the equations are
    split into their modes and each is a one-pole recursion; of a conjugate pair one is enough.

    Parameters
    ----------
    wheels_m : (4, n) float64
        Road height under each wheel, front left first, rear right last, m.
    rate_hz : float
        Samples per second; at least 500 for edges at city speeds.

    >>> bool(ride(GOLDEN, np.zeros((4, 100)), rate_hz=500.0).bounce_ms2.any())
    False
    """
    from scipy.signal import lfilter

    a, b = state_matrices(car)
    poles, modes = np.linalg.eig(a)
    drive = np.linalg.solve(modes, b.astype(complex))
    out = np.vstack((a[7:10], np.eye(14)[1:3])) @ modes
    road = wheels_m - wheels_m[:, :1]
    dt = 1 / rate_hz
    total = np.zeros((5, road.shape[1]))
    for k in np.flatnonzero(poles.imag >= 0):  # modes, not samples
        grow = np.exp(poles[k] * dt)
        held = (grow - 1) / poles[k]
        ramp = (grow - 1 - poles[k] * dt) / (poles[k] ** 2 * dt)
        state = lfilter([ramp, held - ramp], [1.0, -grow], drive[k] @ road)
        weight = 2.0 if poles[k].imag > 0 else 1.0
        total += weight * (
            np.outer(out[:, k].real, state.real) - np.outer(out[:, k].imag, state.imag)
        )
    return Ride(*total)


def through_tyre(height_m: Floats, tyre: Tyre = TYRE) -> Floats:
    """Height profiles (..., n), every `STEP_M`, averaged over the tyre's contact patch, m.

    >>> edge = np.repeat([0.0, 1.0], 20)
    >>> float(np.diff(through_tyre(edge)).max()) <= 0.1  # no longer a step
    True
    """
    from scipy.ndimage import uniform_filter1d

    width = round(tyre.contact_m / STEP_M) | 1  # odd, so that nothing is shifted
    return np.asarray(uniform_filter1d(height_m, width, axis=-1, mode="nearest"))
