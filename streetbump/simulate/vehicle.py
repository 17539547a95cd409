"""A car as a linear half car: bounce and pitch of the body, and two wheels.

All constants are per unit of the sprung mass that rests on the axle, as in the quarter car of
the International Roughness Index (Sayers 1995, Transportation Research Record 1501, the "golden
car"), of which this is the two-axle form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.street import STEP_M

CONTACT_M = 0.2
"""Length over which a tyre averages the road, m: the IRI standard takes 0.25 m (Sayers 1995), a
passenger tyre's footprint is some 0.15-0.2 m long. Chosen by us, between the two."""


@dataclass(frozen=True)
class Car:
    """A linear two-axle car.

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
    """

    name: str
    wheelbase_m: float
    front_share: float
    spring_s2: tuple[float, float]
    damper_s1: tuple[float, float]
    tyre_s2: float
    wheel_ratio: float
    pitch_ratio: float

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
# a little stiffer than front (flat ride), pitch ratio 0.8-1. Wheelbases and shares chosen by us.
GOLDEN = Car("golden", 2.7, 0.56, (63.3, 68.0), (6.0, 6.0), 653.0, 0.15, 0.92)
STIFF = Car("stiff", 2.6, 0.60, (92.0, 104.0), (7.4, 7.4), 760.0, 0.14, 0.88)
SOFT = Car("soft", 2.8, 0.53, (45.0, 50.0), (4.4, 4.4), 600.0, 0.16, 0.95)
CARS = {c.name: c for c in (GOLDEN, STIFF, SOFT)}


@dataclass(frozen=True, eq=False)
class Ride:
    """What the body does: bounce at the centre of mass, and pitch (nose up is positive).

    Attributes
    ----------
    bounce_ms2, pitch_rads2, pitch_rad : (n,) float64
        Vertical acceleration (m/s²), pitch acceleration (rad/s²), pitch angle (rad).
    """

    bounce_ms2: Floats
    pitch_rads2: Floats
    pitch_rad: Floats


def state_matrices(car: Car) -> tuple[Floats, Floats]:
    """Matrices A (8, 8) and B (8, 2) of ``x' = A x + B y``.

    The state is bounce, pitch, front wheel, rear wheel (m, rad, m, m) and their rates; `y` the
    road height under the front and rear axle, m.

    >>> a, b = state_matrices(GOLDEN)
    >>> rest = np.linalg.solve(a, -b @ np.array([0.01, 0.01]))  # both axles on a step of 1 cm
    >>> (np.round(rest[:4], 6) + 0.0).tolist()
    [0.01, 0.0, 0.01, 0.01]
    """
    share = np.array([car.front_share, 1 - car.front_share])
    arm = np.array([car.front_arm_m, -car.rear_arm_m])
    inertia = car.pitch_ratio * car.front_arm_m * car.rear_arm_m
    # Stretch of each suspension: body above the axle minus wheel.
    stretch = np.column_stack((np.ones(2), arm, -np.eye(2)))
    pull = np.vstack((-share, -share * arm / inertia, np.eye(2) / car.wheel_ratio))
    a = np.zeros((8, 8))
    a[:4, 4:] = np.eye(4)
    a[4:, :4] = pull @ (np.array(car.spring_s2)[:, None] * stretch)
    a[4:, 4:] = pull @ (np.array(car.damper_s1)[:, None] * stretch)
    a[[6, 7], [2, 3]] -= car.tyre_s2 / car.wheel_ratio
    b = np.zeros((8, 2))
    b[[6, 7], [0, 1]] = car.tyre_s2 / car.wheel_ratio
    return a, b


def ride(car: Car, front_m: Floats, rear_m: Floats, *, rate_hz: float) -> Ride:
    """What the body does on the road heights under its two axles, starting at rest on them.

    Exact for heights that are straight between samples (first-order hold): the equations are
    split into their eight modes and each is a one-pole recursion.

    Parameters
    ----------
    front_m, rear_m : (n,) float64
        Road height under each axle, m.
    rate_hz : float
        Samples per second; at least 500 for edges at city speeds.

    >>> flat = np.zeros(100)
    >>> bool(ride(GOLDEN, flat, flat, rate_hz=500.0).bounce_ms2.any())
    False
    """
    from scipy.signal import lfilter

    a, b = state_matrices(car)
    poles, modes = np.linalg.eig(a)
    road = np.vstack((front_m - front_m[:1], rear_m - rear_m[:1]))
    drive = np.linalg.solve(modes, b.astype(complex)) @ road
    dt = 1 / rate_hz
    grow = np.exp(poles * dt)
    held = (grow - 1) / poles
    ramp = (grow - 1 - poles * dt) / (poles**2 * dt)
    state = np.zeros((8, road.shape[1]), dtype=complex)
    for k in range(8):  # modes, not samples
        state[k] = lfilter([ramp[k], held[k] - ramp[k]], [1.0, -grow[k]], drive[k])
    out = np.vstack((a[4:6], np.eye(8)[1:2])) @ modes
    bounce, pitch_acc, pitch = np.real(out @ state)
    return Ride(bounce, pitch_acc, pitch)


def through_tyre(height_m: Floats) -> Floats:
    """A height profile (every `STEP_M`) averaged over the tyre's contact patch, m.

    >>> edge = np.repeat([0.0, 1.0], 20)
    >>> float(np.diff(through_tyre(edge)).max()) <= 0.1  # no longer a step
    True
    """
    width = round(CONTACT_M / STEP_M) | 1  # odd, so that nothing is shifted
    total = np.cumsum(np.pad(height_m, (width // 2 + 1, width // 2), mode="edge"))
    return (total[width:] - total[:-width]) / width
