"""Cars, drivers and phones: the populations that every simulated drive is drawn from.

One population for everything: towns, calibration against recordings, training of the classifier.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from streetbump.simulate.defects import TYRE, Tyre
from streetbump.simulate.drive import HUMP_SPEED_MS, Driver
from streetbump.simulate.gps import Receiver, random_receiver
from streetbump.simulate.phone import Phone, random_phone
from streetbump.simulate.vehicle import Car

HARDWARE_S = 600.0
"""Length of the drive that a phone's hardware is drawn for, s; its handling is drawn per trip."""


@dataclass(frozen=True)
class Population:
    """What cars and drivers are like; ranges are drawn from evenly.

    Attributes
    ----------
    friction_ms2 : (float, float)
        Dry friction of suspensions over the sprung mass, m/s².
    buzz : (float, float)
        How loudly cars rattle, as a share of the jolting.
    most_wear : float
        What the oldest dampers have lost of their force, as a share.
    tyre : Tyre
    heedful : bool
        Whether drivers steer round holes that can be seen, and slow down for them.
    """

    friction_ms2: tuple[float, float]
    buzz: tuple[float, float]
    most_wear: float
    tyre: Tyre
    heedful: bool


USUAL = Population((0.2, 0.7), (0.2, 0.65), 0.6, TYRE, heedful=True)
"""Cars on the road, 0 to 25 years old. Friction, buzz, wear calibrated (docs/simulator.md)."""

SHARP = Population((0.0, 0.0), (0.0, 0.0), 0.2, Tyre(0.1, 0.12, 400.0), heedful=False)
"""Cars of another kind than any recording was compared with: without friction, rattle and wear,
their tyres follow every edge, and nobody heeds a hole. What is learnt from towns shall not hang on
how one population feels a hole. Chosen by us."""


def random_car(
    rng: np.random.Generator, *, name: str = "car", population: Population = USUAL
) -> Car:
    """A passenger car within the ranges that :mod:`~streetbump.simulate.vehicle` cites.

    >>> 2.3 < random_car(np.random.default_rng(0)).wheelbase_m < 3.1
    True
    """
    stiffness = rng.uniform(50.0, 135.0)  # body bounce at 1.1-1.8 Hz
    worn = 1 - population.most_wear * rng.beta(1.0, 2.0)
    damping = 2 * worn * rng.uniform(0.2, 0.42) * np.sqrt(stiffness)
    rear = rng.uniform(1.0, 1.2)
    return Car(
        name,
        wheelbase_m=float(rng.uniform(2.4, 2.95)),
        front_share=float(rng.uniform(0.5, 0.63)),
        spring_s2=(float(stiffness), float(stiffness * rear)),
        damper_s1=(float(damping), float(damping * np.sqrt(rear))),
        tyre_s2=float(rng.uniform(520.0, 800.0)),
        wheel_ratio=float(rng.uniform(0.11, 0.19)),
        pitch_ratio=float(rng.uniform(0.8, 1.0)),
        roll_ratio=float(rng.uniform(0.55, 0.85)),
        antiroll=float(rng.uniform(0.2, 1.0)),
        buzz=float(rng.uniform(*population.buzz)),
        friction_ms2=float(rng.uniform(*population.friction_ms2)),
        tyre=population.tyre,
    )


def random_driver(rng: np.random.Generator, *, population: Population = USUAL) -> Driver:
    """A driver; the ranges are chosen by us.

    >>> 0.7 < random_driver(np.random.default_rng(0)).pace < 1.4
    True
    """
    driver = Driver(
        pace=float(np.clip(rng.normal(1.0, 0.12), 0.75, 1.35)),
        pull_ms2=float(rng.uniform(0.8, 1.8)),
        corner_ms2=float(rng.uniform(1.5, 3.0)),
        hump_ms=float(HUMP_SPEED_MS * rng.uniform(0.75, 1.4)),
        side_m=float(rng.normal(0.0, 0.15)),
        sway_m=float(rng.uniform(0.08, 0.2)),
        avoids=float(rng.uniform(0.0, 0.4)),
        brakes=float(rng.uniform(0.45, 0.85)),
        hole_ms=float(rng.uniform(2.2, 4.8)),
        stops=float(rng.uniform(0.05, 0.3)),
    )
    return driver if population.heedful else replace(driver, avoids=0.0, brakes=0.0)


@dataclass(frozen=True)
class Device:
    """One phone with its car and driver.

    Attributes
    ----------
    name : str
        What its trips call themselves.
    home : int
        Junction where its drives begin.
    """

    name: str
    car: Car
    driver: Driver
    phone: Phone
    receiver: Receiver
    home: int

    def phone_for(self, length_s: float, *, rng: np.random.Generator) -> Phone:
        """The phone as it lies in the car today: the same hardware, set down anew.

        >>> one = random_device("a", home=0, rng=np.random.default_rng(0))
        >>> one.phone_for(60.0, rng=np.random.default_rng(1)).rate_hz == one.phone.rate_hz
        True
        """
        today = random_phone(rng, length_s=length_s)
        turn = tuple(float(a + rng.normal(0.0, 3.0)) for a in self.phone.turn_deg)
        return replace(self.phone, turn_deg=(turn[0], turn[1], turn[2]), events=today.events)


def random_device(
    name: str, *, home: int, rng: np.random.Generator, population: Population = USUAL
) -> Device:
    """A phone, its car, its driver.

    >>> random_device("a", home=3, rng=np.random.default_rng(0)).home
    3
    """
    phone = replace(random_phone(rng, length_s=HARDWARE_S), events=())
    return Device(
        name, random_car(rng, name=f"car of {name}", population=population),
        random_driver(rng, population=population), phone, random_receiver(rng), home,
    )  # fmt: skip
