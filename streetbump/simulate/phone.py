"""A phone in a car: how it lies, how often it samples, and what its sensor adds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streetbump.model import STANDARD_GRAVITY_MS2, Floats
from streetbump.simulate.vehicle import Ride

SENSOR_AVERAGE_S = 0.02
"""Longest time a sensor averages over, s. Chosen by us: the chips run at 50 Hz or more and a
slower logger keeps every n-th value, so slow trips alias as real ones do."""


@dataclass(frozen=True)
class Phone:
    """One phone and the way it is mounted.

    Attributes
    ----------
    rate_hz : float
        Nominal sampling rate, Hz.
    turn_deg : (float, float, float)
        Mounting: turned about its z, then x, then y axis, degrees. All zero means flat on its
        back with the top forward, so device axes are right, forward, up.
    ahead_m, above_m : float
        Where it is in the car, from the centre of mass, m.
    jitter : float
        Standard deviation of the sampling interval over the interval.
    noise_ms2 : float
        White noise of sensor, mount and engine, m/s². Sensors alone add 0.01 m/s² by
        their makers' data sheets; a running engine and a plastic mount add several times that.
    offset_ms2 : (float, float, float)
        Zero-g offset, m/s² (vendor tables: ± 0.4-0.6; most phones are calibrated to less).
    lsb_ms2 : float
        Quantisation step, m/s².
    """

    rate_hz: float
    turn_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    ahead_m: float = 0.5
    above_m: float = 0.3
    jitter: float = 0.03
    noise_ms2: float = 0.06
    offset_ms2: tuple[float, float, float] = (0.0, 0.0, 0.0)
    lsb_ms2: float = 0.0024  # 16 bit over ± 8 g


def mount_rotation(turn_deg: tuple[float, float, float]) -> Floats:
    """Rotation matrix (3, 3) from car axes (right, forward, up) to device axes.

    >>> np.round(mount_rotation((0.0, 90.0, 0.0)) @ np.array([0, 0, 9.81]), 2).tolist()
    [0.0, 9.81, 0.0]
    """
    z, x, y = np.radians(turn_deg)
    about_z = np.array([[np.cos(z), np.sin(z), 0], [-np.sin(z), np.cos(z), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), np.sin(x)], [0, -np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    return np.asarray(about_y @ about_x @ about_z)


def specific_force(body: Ride, phone: Phone, *, pull_ms2: Floats, side_ms2: Floats) -> Floats:
    """What an ideal sensor at the phone's place feels in car axes, (n, 3), m/s².

    Android's sign: a car at rest reads +9.81 upwards. Small angles; roll is left out.

    Parameters
    ----------
    pull_ms2, side_ms2 : (n,) float64
        Acceleration of the car forwards and to the right, m/s².

    >>> still = Ride(np.zeros(1), np.zeros(1), np.zeros(1))
    >>> specific_force(still, Phone(50.0), pull_ms2=np.zeros(1), side_ms2=np.zeros(1)).tolist()
    [[0.0, 0.0, 9.80665]]
    """
    forward = pull_ms2 - phone.above_m * body.pitch_rads2 + STANDARD_GRAVITY_MS2 * body.pitch_rad
    up = STANDARD_GRAVITY_MS2 + body.bounce_ms2 + phone.ahead_m * body.pitch_rads2
    return np.column_stack((side_ms2, forward, up))


def sample_times(duration_s: float, phone: Phone, *, rng: np.random.Generator) -> Floats:
    """Times of the samples, s, strictly increasing, with the phone's jitter.

    >>> t = sample_times(1.0, Phone(100.0), rng=np.random.default_rng(0))
    >>> t.size, bool((np.diff(t) > 0).all())
    (100, True)
    """
    count = int(duration_s * phone.rate_hz)
    late = np.clip(phone.jitter * rng.standard_normal(count), -0.4, 0.4)
    late[:1] = np.maximum(late[:1], 0.0)
    return np.asarray((np.arange(count) + late) / phone.rate_hz)


def sense(
    force_ms2: Floats, t_s: Floats, phone: Phone, *, rate_hz: float, rng: np.random.Generator
) -> Floats:
    """Samples of the phone, (m, 3), m/s² in device axes: averaged, turned, noisy, quantised.

    Parameters
    ----------
    force_ms2 : (n, 3) float64
        Specific force in car axes at `rate_hz`, from time 0.
    t_s : (m,) float64
        Sample times, s.

    >>> up = np.tile([0.0, 0.0, 9.80665], (100, 1))
    >>> quiet = Phone(50.0, noise_ms2=0.0, lsb_ms2=0.001)
    >>> sense(up, np.array([0.1]), quiet, rate_hz=500.0, rng=np.random.default_rng(0)).tolist()
    [[0.0, 0.0, 9.807]]
    """
    width = max(round(min(1 / phone.rate_hz, SENSOR_AVERAGE_S) * rate_hz), 1) | 1
    padded = np.pad(force_ms2, ((width // 2 + 1, width // 2), (0, 0)), mode="edge")
    total = np.cumsum(padded, axis=0)
    averaged = (total[width:] - total[:-width]) / width
    grid = np.arange(force_ms2.shape[0]) / rate_hz
    felt = np.column_stack([np.interp(t_s, grid, averaged[:, k]) for k in range(3)])
    turned = felt @ mount_rotation(phone.turn_deg).T + np.asarray(phone.offset_ms2)
    noisy = turned + phone.noise_ms2 * rng.standard_normal(turned.shape)
    return np.asarray(np.rint(noisy / phone.lsb_ms2) * phone.lsb_ms2 + 0.0)
