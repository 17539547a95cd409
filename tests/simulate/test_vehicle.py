"""Claims about the car on four wheels, each against a closed form or a plain integration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm

from streetbump.simulate.defects import TRACK_HALF_M
from streetbump.simulate.fleet import random_car
from streetbump.simulate.vehicle import CARS, GOLDEN, Car, Ride, ride, state_matrices, through_tyre

PLAIN = Car("plain", 2.7, 0.5, (63.3, 63.3), (6.0, 6.0), 653.0, 0.15, 1.0, 1.0, 0.0)
"""Four golden quarter cars: nothing couples the corners."""

FLEET = [*CARS.values(), *(random_car(np.random.default_rng(k), name=f"car {k}") for k in range(4))]
AHEAD = np.array([1.0, 1.0, -1.0, -1.0])
LEFT = np.array([1.0, 0.0, 1.0, 0.0])

every_car = pytest.mark.parametrize("car", FLEET, ids=lambda car: car.name)


def states(car: Car, wheels_m: np.ndarray, *, hz: float) -> np.ndarray:
    """States (14, n) by one matrix exponential per step of a road that is straight between samples.

    The road and its slope are states of their own, so the exponential of the whole is exact.
    """
    a, b = state_matrices(car)
    whole = np.zeros((22, 22))
    whole[:14, :14], whole[:14, 14:18], whole[14:18, 18:] = a, b, np.eye(4)
    step = expm(whole / hz)[:14]
    slope = np.diff(wheels_m, axis=1) * hz
    x = np.zeros((14, wheels_m.shape[1]))
    for k in range(slope.shape[1]):
        x[:, k + 1] = step @ np.concatenate((x[:, k], wheels_m[:, k], slope[:, k]))
    return x


def rough_road(seconds: float, *, hz: float, seed: int = 3) -> np.ndarray:
    """Four wheels on unlike ground, (4, n), level at first, m."""
    walk = np.random.default_rng(seed).standard_normal((4, round(seconds * hz))) * 1e-3
    walk[:, :5] = 0.0
    return np.cumsum(walk, axis=1)


def doubly_integrated(acceleration: np.ndarray, *, hz: float) -> float:
    """Where something that came to rest ended: ∬ a dt dt = -∫ t a dt once its speed is 0 again."""
    t = np.arange(acceleration.size) / hz
    return float(-np.sum(t * acceleration) / hz)


def test_the_golden_car_bounces_and_hops_at_its_closed_form_frequencies():
    """With uncoupled corners and no damping each corner is the golden quarter car.

    Its frequencies solve μ x² - (μ ks + kt + ks) x + ks kt = 0 with x = ω²:
    0.15 x² - (9.495 + 653 + 63.3) x + 63.3 · 653 = 0, 725.795² - 0.6 · 41334.9 = 501977.4,
    root 708.504, so x = (725.795 ∓ 708.504) / 0.3 = 57.64 and 4781.0,
    that is 1.208 Hz (body) and 11.005 Hz (wheel hop), for bounce, pitch and roll. In the seventh
    mode the wheels warp under a body at rest: √((653 + 63.3) / 0.15) / 2π = 10.998 Hz.
    """
    car = Car("undamped", 2.7, 0.5, (63.3, 63.3), (0.0, 0.0), 653.0, 0.15, 1.0, 1.0, 0.0)
    poles = np.linalg.eigvals(state_matrices(car)[0])
    assert np.abs(poles.real).max() < 1e-5
    hz = np.sort(np.abs(poles)) / (2 * np.pi)
    assert hz == pytest.approx(np.repeat([1.208, 10.998, 11.005], [6, 2, 6]), abs=2e-3)


@every_car
def test_every_car_comes_to_rest_like_a_passenger_car(car):
    """All modes decay; the body moves at 0.9-3.6 Hz (roll is stiffest), the wheels at 8-17 Hz."""
    poles = np.linalg.eigvals(state_matrices(car)[0])
    assert poles.real.max() < -0.3
    hz = np.sort(np.abs(poles)) / (2 * np.pi)
    assert ((hz[:6] > 0.9) & (hz[:6] < 3.6)).all()
    assert ((hz[6:] > 8.0) & (hz[6:] < 17.0)).all()


@every_car
def test_work_of_the_road_is_stored_or_dissipated(car):
    """∫ Σ kt (y - w) ẏ dt = kinetic + elastic energy + ∫ Σ c (suspension speed)² dt, all per mass.

    Kinetic: ½ (ż² + pitch · a b · θ̇² + roll · h² · φ̇² + Σ μ sᵢ ẇᵢ²). Elastic: ½ Σ sᵢ (k uᵢ² +
    kt (yᵢ - wᵢ)²) + ½ Σ bars, a bar of stiffness `antiroll` · 2 k sᵢ turned by half the
    difference of its wheels' travel. s is a wheel's share of the mass, u = z + xᵢ θ + rᵢ φ - wᵢ.
    """
    hz = 2000.0
    road = rough_road(1.5, hz=hz)
    x = states(car, road, hz=hz)
    share = np.repeat([car.front_share, 1 - car.front_share], 2) / 2
    k, c = np.repeat(car.spring_s2, 2) * share, np.repeat(car.damper_s1, 2) * share
    along = np.repeat([car.front_arm_m, -car.rear_arm_m], 2)
    right = np.array([-1, 1, -1, 1]) * TRACK_HALF_M

    def travel(body_and_wheels):
        bounce, pitch, roll = body_and_wheels[:3]
        return bounce + np.outer(along, pitch) + np.outer(right, roll) - body_and_wheels[3:]

    u, u_rate, tyre = travel(x[:7]), travel(x[7:]), road - x[3:7]
    inertia = [
        1,
        car.pitch_ratio * car.front_arm_m * car.rear_arm_m,
        car.roll_ratio * right[1] ** 2,
    ]
    kinetic = (np.array([*inertia, *(car.wheel_ratio * share)]) @ x[7:] ** 2) / 2
    twist = np.array([u[1] - u[0], u[3] - u[2]]) / 2
    elastic = (k @ u**2 + car.tyre_s2 * share @ tyre**2) / 2
    elastic += car.antiroll * 2 * k[::2] @ twist**2 / 2
    mid = (tyre[:, 1:] + tyre[:, :-1]) / 2
    work = np.cumsum(car.tyre_s2 * share @ (mid * np.diff(road, axis=1)))
    lost_rate = c @ u_rate**2
    lost = np.cumsum((lost_rate[1:] + lost_rate[:-1]) / 2 / hz)
    scale = lost[-1]
    assert scale > 0
    assert (kinetic + elastic)[1:] + lost == pytest.approx(work, abs=0.005 * scale)


def test_without_dampers_the_energy_stays():
    """An undamped car that was pushed for half a second keeps its energy on a level road."""
    car = Car("undamped", 2.7, 0.56, (63.3, 68.0), (0.0, 0.0), 653.0, 0.15, 0.92)
    hz = 500.0
    road = rough_road(6.0, hz=hz)
    road[:, 250:] = road[:, 250:251]
    x = states(car, road, hz=hz)[:, 250:]
    a, _ = state_matrices(car)
    share = np.repeat([car.front_share, 1 - car.front_share], 2) / 2
    inertia = [1.0, car.pitch_ratio * car.front_arm_m * car.rear_arm_m]
    mass = np.array([*inertia, car.roll_ratio * TRACK_HALF_M**2, *(car.wheel_ratio * share)])
    stiffness = -a[7:, :7] * mass[:, None]
    assert stiffness == pytest.approx(stiffness.T, abs=1e-9)  # forces come from a potential
    rest = np.linalg.solve(a[7:, :7], -state_matrices(car)[1][7:] @ road[:, -1])
    off = x[:7] - rest[:, None]
    energy = (mass @ x[7:] ** 2 + np.einsum("ik,ij,jk->k", off, stiffness, off)) / 2
    assert energy == pytest.approx(energy[0], rel=1e-6)
    assert energy[0] > 0


def test_the_body_on_a_white_road_shakes_by_the_closed_form():
    """A road whose slope is white noise of intensity Q shakes the body by (kt c + (1+μ) k²/c) Q/2.

    From road speed to body acceleration a quarter car has H(s) = (kt c s² + kt k s) / D(s) with
    D = μ s⁴ + c (1+μ) s³ + (kt + k (1+μ)) s² + c kt s + k kt. The integral of |H|² over all
    frequencies is (b₂² a₁ + b₁² a₃) / 2 (a₁ a₂ a₃ - a₀ a₃² - a₁² a₄) (James, Nichols and Phillips
    1947), whose denominator is 2 c² kt². Golden car: (653 · 6 + 1.15 · 63.3² / 6) / 2 = 2343 1/s³.
    The same is ∫ h² dt of the response to an impulse of road speed, that is to a step.
    """
    hz = 8000.0
    step = np.zeros((4, round(4 * hz)))
    step[:, 2:] = 1.0
    answer = ride(PLAIN, step, rate_hz=hz).bounce_ms2
    assert np.sum(answer**2) / hz == pytest.approx(2343.0, rel=0.01)


@every_car
def test_the_solution_is_that_of_the_step_by_step_integration(car):
    """The modal recursion equals the matrix exponential in all five outputs."""
    road = rough_road(0.8, hz=500.0)
    x = states(car, road, hz=500.0)
    a, _ = state_matrices(car)
    ours = ride(car, road, rate_hz=500.0)
    for name, theirs in zip(
        ("bounce_ms2", "pitch_rads2", "roll_rads2", "pitch_rad", "roll_rad"),
        [*(a[7:10] @ x), *x[1:3]],
        strict=True,
    ):
        assert getattr(ours, name) == pytest.approx(theirs, abs=1e-9)


@every_car
def test_equal_sides_do_not_roll(car):
    """With the same road under left and right wheels there is no roll."""
    front = 0.02 * np.hanning(100)
    both = ride(
        car, np.array([front, front, np.roll(front, 20), np.roll(front, 20)]), rate_hz=500.0
    )
    assert np.abs(both.roll_rads2).max() < 1e-9
    assert np.abs(both.pitch_rads2).max() > 0.1


@every_car
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_lifted_side_rolls_up(car, side):
    """Lifted wheels lift their side of the body: right side up is positive."""
    under = LEFT if side == "left" else 1 - LEFT
    ramp = np.outer(under, np.clip(np.arange(400) / 100, 0.0, 1.0) * 0.02)
    roll = ride(car, ramp, rate_hz=500.0).roll_rad
    sign = -1.0 if side == "left" else 1.0
    assert (sign * roll[20:]).min() > 0
    # A board over two supports 1.5 m apart: 2 cm / 1.5 m = 13.3 mrad when it has come to rest.
    assert 0.008 < sign * roll[-1] < 0.02


@every_car
def test_mirrored_roads_roll_the_other_way(car):
    """Left and right exchanged: the same bounce and pitch, the roll reversed."""
    road = rough_road(0.5, hz=500.0)
    one, other = (ride(car, r, rate_hz=500.0) for r in (road, road[[1, 0, 3, 2]]))
    assert one.bounce_ms2 == pytest.approx(other.bounce_ms2, abs=1e-9)
    assert one.pitch_rads2 == pytest.approx(other.pitch_rads2, abs=1e-9)
    assert one.roll_rads2 == pytest.approx(-other.roll_rads2, abs=1e-9)


@every_car
def test_a_front_wheel_lifts_the_nose(car):
    """A bump under the front axle turns the nose up, one under the rear axle turns it down."""
    ramp = np.clip(np.arange(100) / 50, 0.0, 1.0) * 0.02
    for axle, sign in ((AHEAD > 0, 1.0), (AHEAD < 0, -1.0)):
        assert (sign * ride(car, np.outer(axle, ramp), rate_hz=500.0).pitch_rad[20:]).min() > 0


@every_car
def test_a_step_of_all_wheels_ends_one_to_one(car):
    """A car that climbed 1 cm ends 1 cm higher and level."""
    hz = 1000.0
    step = np.zeros((4, round(12 * hz)))
    step[:, 10:] = 0.01
    body = ride(car, step, rate_hz=hz)
    assert doubly_integrated(body.bounce_ms2, hz=hz) == pytest.approx(0.01, abs=2e-5)
    assert abs(body.pitch_rad[-1]) < 1e-6


@every_car
def test_lifting_the_front_axle_moves_the_centre_by_its_share(car):
    """A rigid beam on two supports, whatever the springs.

    With the front axle 1 cm up and the rear at rest, the centre of mass rises by
    1 cm · rear_arm / wheelbase = 1 cm · front_share, and the body turns by 1 cm / wheelbase.
    """
    hz = 1000.0
    road = np.zeros((4, round(12 * hz)))
    road[:2, 10:] = 0.01
    body = ride(car, road, rate_hz=hz)
    assert doubly_integrated(body.bounce_ms2, hz=hz) == pytest.approx(
        0.01 * car.front_share, abs=2e-5
    )
    assert body.pitch_rad[-1] == pytest.approx(0.01 / car.wheelbase_m, abs=1e-6)


@every_car
def test_antiroll_bars_stiffen_roll_and_nothing_else(car):
    """Without its bars a car rolls more slowly and bounces and pitches as before."""
    bare = replace(car, antiroll=0.0)
    road = rough_road(0.5, hz=500.0)
    one, other = (ride(c, road, rate_hz=500.0) for c in (car, bare))
    assert one.bounce_ms2 == pytest.approx(other.bounce_ms2, abs=1e-9)
    assert one.pitch_rads2 == pytest.approx(other.pitch_rads2, abs=1e-9)
    lean = np.outer(1 - LEFT, np.clip(np.arange(100) / 10, 0.0, 1.0)) * 0.02
    stiff, soft = (ride(c, lean, rate_hz=500.0).roll_rad for c in (car, bare))
    assert stiff.max() > soft.max()


def test_the_car_is_linear():
    """Roads add up, and so do what they do: the truth about a defect is what it did alone."""
    one, other = rough_road(0.4, hz=500.0, seed=1), rough_road(0.4, hz=500.0, seed=2)
    apart = ride(GOLDEN, one, rate_hz=500.0), ride(GOLDEN, other, rate_hz=500.0)
    both = ride(GOLDEN, one + other, rate_hz=500.0)
    added = apart[0].bounce_ms2 + apart[1].bounce_ms2
    assert both.bounce_ms2 == pytest.approx(added, abs=1e-9)


def test_every_place_in_the_car_shakes_by_its_arms():
    """Vertical acceleration at a place: bounce, plus pitch times ahead, plus roll times right."""
    body = Ride(*np.array([[1.0], [0.5], [-2.0], [0.0], [0.0]]))
    assert body.up_ms2(ahead_m=2.0, right_m=0.5).tolist() == [1.0]


def test_the_tyre_keeps_the_volume_of_a_bump():
    """Averaging over the contact patch spreads a bump and keeps its area, and shifts nothing."""
    bump = np.zeros(201)
    bump[90:111] = 1.0
    felt = through_tyre(bump)
    assert felt.sum() == pytest.approx(21.0, abs=1e-9)
    assert felt == pytest.approx(felt[::-1], abs=1e-12)
