"""Claims about the half car, each against a closed form."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.simulate.vehicle import CARS, GOLDEN, Car, ride, state_matrices, through_tyre


def test_the_golden_car_bounces_at_its_closed_form_frequency():
    """With uncoupled axles and no damping each axle is the golden quarter car.

    Its frequencies solve μ x² - (μ ks + kt + ks) x + ks kt = 0 with x = ω²:
    0.15 x² - (9.495 + 653 + 63.3) x + 63.3 · 653 = 0, 725.795² - 0.6 · 41334.9 = 501977.4,
    root 708.504, so x = (725.795 ∓ 708.504) / 0.3 = 57.64 and 4781.0,
    that is 1.208 Hz (body) and 11.005 Hz (wheel hop).
    """
    car = Car("plain", 2.7, 0.5, (63.3, 63.3), (0.0, 0.0), 653.0, 0.15, 1.0)
    hz = np.sort(np.abs(np.linalg.eigvals(state_matrices(car)[0]))) / (2 * np.pi)
    assert hz == pytest.approx(np.repeat([1.208, 11.005], 4), abs=2e-3)


@pytest.mark.parametrize("car", CARS.values(), ids=CARS)
def test_lifting_the_front_axle_moves_the_centre_by_its_share(car):
    """A rigid beam on two supports, whatever the springs.

    With the front axle 1 cm up and the rear at rest, the centre of mass rises by
    1 cm · rear_arm / wheelbase = 1 cm · front_share, and the body turns by 1 cm / wheelbase.
    """
    a, b = state_matrices(car)
    rest = np.linalg.solve(a, -b @ np.array([0.01, 0.0]))
    assert rest[0] == pytest.approx(0.01 * car.front_share, abs=1e-9)
    assert rest[1] == pytest.approx(0.01 / car.wheelbase_m, abs=1e-9)


@pytest.mark.parametrize("car", CARS.values(), ids=CARS)
def test_every_car_comes_to_rest(car):
    """All modes decay, and the body's ride lies at 0.9-1.9 Hz as for passenger cars."""
    poles = np.linalg.eigvals(state_matrices(car)[0])
    assert poles.real.max() < 0
    assert 0.9 < np.abs(poles).min() / (2 * np.pi) < 1.9


def test_the_solution_agrees_with_a_fine_step_by_step_one():
    """The modal solution equals a fourth-order Runge-Kutta one with a tenth of its step."""
    n, hz = 200, 500.0
    front = 0.02 * np.hanning(n)
    rear = np.concatenate((np.zeros(20), front[:-20]))
    a, b = state_matrices(GOLDEN)
    fine = np.arange((n - 1) * 10 + 1) / 10
    road = np.column_stack([np.interp(fine, np.arange(n), r) for r in (front, rear)])
    x, bounce = np.zeros(8), [0.0]
    h = 0.2 / hz  # two fine steps: start, middle and end are known
    for k in range(0, len(fine) - 2, 2):
        slopes = [a @ x + b @ road[k]]
        slopes.append(a @ (x + h / 2 * slopes[0]) + b @ road[k + 1])
        slopes.append(a @ (x + h / 2 * slopes[1]) + b @ road[k + 1])
        slopes.append(a @ (x + h * slopes[2]) + b @ road[k + 2])
        x = x + h / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
        bounce.append(float((a @ x)[4]))
    ours = ride(GOLDEN, front, rear, rate_hz=hz).bounce_ms2
    assert ours == pytest.approx(np.array(bounce)[::5], abs=1e-4)


def test_the_tyre_keeps_the_volume_of_a_bump():
    """Averaging over the contact patch spreads a bump and keeps its area, and shifts nothing."""
    bump = np.zeros(201)
    bump[90:111] = 1.0
    felt = through_tyre(bump)
    assert felt.sum() == pytest.approx(21.0, abs=1e-9)
    assert felt == pytest.approx(felt[::-1], abs=1e-12)
