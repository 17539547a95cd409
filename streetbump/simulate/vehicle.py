"""A car on four wheels: bounce, pitch and roll of the body, and four wheels that hop.

All constants are per unit of the sprung mass that rests on the axle, as in the quarter car of
the International Roughness Index (Sayers 1995, Transportation Research Record 1501, the "golden
car"), of which this is the two-axle, two-sided form. It is linear; what is not - a wheel that
leaves the road or does not fit into a hole - is done to the road beforehand
(:func:`streetbump.simulate.defects.rolled`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.defects import TRACK_HALF_M
from streetbump.simulate.surface import STEP_M

CONTACT_M = 0.2
"""Length over which a tyre averages the road, m: the IRI standard takes 0.25 m (Sayers 1995), a
passenger tyre's footprint is some 0.15-0.2 m long. Chosen by us, between the two."""


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

BODY = ("bounce", "pitch", "roll")
WHEELS = ("front left", "front right", "rear left", "rear right")


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

    The state is `BODY` and `WHEELS` (m, rad, rad, 4 × m) and their rates; `y` is the road height
    under each wheel, m.

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


def ride(car: Car, wheels_m: Floats, *, rate_hz: float) -> Ride:
    """What the body does on the road heights under its wheels, starting at rest on them.

    Exact for heights that are straight between samples (first-order hold): the equations are
    split into their modes and each is a one-pole recursion; of a conjugate pair one is enough.

    Parameters
    ----------
    wheels_m : (4, n) float64
        Road height under each of `WHEELS`, m.
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


def through_tyre(height_m: Floats) -> Floats:
    """Height profiles (..., n), every `STEP_M`, averaged over the tyre's contact patch, m.

    >>> edge = np.repeat([0.0, 1.0], 20)
    >>> float(np.diff(through_tyre(edge)).max()) <= 0.1  # no longer a step
    True
    """
    from scipy.ndimage import uniform_filter1d

    width = round(CONTACT_M / STEP_M) | 1  # odd, so that nothing is shifted
    return np.asarray(uniform_filter1d(height_m, width, axis=-1, mode="nearest"))
