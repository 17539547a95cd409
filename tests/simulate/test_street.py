"""Claims about simulated streets."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.simulate.street import (
    BACK,
    OUT,
    STEP_M,
    Street,
    casting,
    draw_hits,
    heading_rad,
    hump,
    make_street,
    place,
    pothole,
    profile,
    rail,
    roughness,
)


def straight(*defects, gd_m3=0.0, length_m=400.0, seed=1) -> Street:
    return make_street(
        np.zeros(2), np.array([0.0, length_m]), lat0_deg=12.0, lon0_deg=-150.0, gd_m3=gd_m3,
        defects=defects, rng=np.random.default_rng(seed),
    )  # fmt: skip


def test_roughness_has_the_density_of_iso_8608():
    """The road's displacement density is ``Gd0 (n / 0.1)^-2``: at 0.1 c/m it is Gd0 itself.

    Variance between 0.05 and 0.2 c/m: ∫ Gd0 (n/0.1)^-2 dn = Gd0 · 0.01 · (1/0.05 - 1/0.2)
    = 0.15 Gd0.
    """
    height = roughness(20_000.0, gd_m3=16e-6, rng=np.random.default_rng(5))
    n = np.fft.rfftfreq(height.size, STEP_M)
    power = 2 * np.abs(np.fft.rfft(height)) ** 2 / height.size**2
    assert power[(n > 0.05) & (n < 0.2)].sum() == pytest.approx(0.15 * 16e-6, rel=0.1)


@pytest.mark.parametrize(
    ("defect", "lowest_m", "highest_m"),
    [
        pytest.param(pothole("d", 200.0, depth_m=0.06, length_m=0.6), -0.03, 0.0, id="one wheel"),
        pytest.param(casting("d", 200.0, height_m=0.02), 0.0, 0.01, id="raised lid"),
        pytest.param(hump("d", 200.0), 0.0, 0.0762, id="both wheels"),
        pytest.param(rail("d", 200.0, height_m=0.02), 0.0, 0.02, id="two rails"),
    ],
)
def test_an_axle_feels_half_of_what_one_wheel_meets(defect, lowest_m, highest_m):
    """A defect in one wheel path lifts the middle of the axle by half its height."""
    height = profile(straight(defect), OUT, hit=["d"])
    assert height.min() == pytest.approx(lowest_m, abs=1e-6)
    assert height.max() == pytest.approx(highest_m, abs=1e-6)


def test_a_missed_defect_leaves_the_road_as_it_is():
    """What the wheels miss does not show, nor what lies in the other lane."""
    hole = pothole("d", 200.0, depth_m=0.06, length_m=0.6)
    assert not profile(straight(hole), OUT, hit=[]).any()
    assert not profile(straight(hole), BACK, hit=["d"]).any()


def test_hits_follow_their_probability():
    """A pothole with a chance of 0.8 is hit on 0.8 of the passes, a hump on all, as drawn."""
    street = straight(
        pothole("p", 200.0, depth_m=0.06, length_m=0.6, hit_probability=0.8), hump("h", 300.0)
    )
    rng = np.random.default_rng(3)
    hits = [draw_hits(street, OUT, rng=rng) for _ in range(2000)]
    assert all("h" in h for h in hits)
    # sd = sqrt(0.8 · 0.2 / 2000) = 0.009
    assert np.mean(["p" in h for h in hits]) == pytest.approx(0.8, abs=0.03)


def test_right_of_a_street_to_the_north_is_east():
    """On a street to the north, the right lane lies east; the way back heads south."""
    street = straight()
    _, lon = place(street, np.array([200.0]), 10.0)
    assert lon[0] > -150.0
    turned = np.degrees(heading_rad(street, np.array([200.0]), direction=BACK))
    assert turned[0] == pytest.approx(180.0, abs=1e-9)
