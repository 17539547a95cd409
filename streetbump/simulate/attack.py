"""Dishonest devices: uploads and list rows that try to make a town report what is not so.

Every attack is carried out on a simulated town by simulated phones, so what the attackers truly
did is known: their trips keep the crossings of the drive that was made. What they do to a
recording is in :mod:`~streetbump.simulate.forgery`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from streetbump.errors import UsageError
from streetbump.simulate.defects import BACK, OUT
from streetbump.simulate.fleet import Device, random_device
from streetbump.simulate.forgery import copied, forged, moved, smoothed, when_at
from streetbump.simulate.roads import Leg, Network, heading_rad, random_legs, way_along
from streetbump.simulate.town import DAY_S, FIRST_DAY_UTC_S, LISTED_KINDS, Listed, Town
from streetbump.simulate.trip import SimulatedTrip, simulate_trip
from streetbump.simulate.writers.rows import About

VISITS = 3
"""Days on which each attacker strikes: what a quorum over days asks for. Chosen by us."""

FARM_VISITS = 6
"""Honest drives of a patient attacker before the strike. Chosen by us."""

FLOOD_VISITS = 10
"""Trips of each attacker on the one day of a flood. Chosen by us."""

LEGS_AROUND = 3
"""Streets driven before and after that of the target: trips of about a kilometre."""


@dataclass(frozen=True)
class Target:
    """The place that an attack is about, and what truly lies there (an id, or nothing)."""

    edge: int
    along_m: float
    lane: str
    lat_deg: float
    lon_deg: float
    defect_id: str = ""


@dataclass(frozen=True)
class Upload:
    """A trip as it reaches the door: what is in it, and what it says about itself."""

    trip: SimulatedTrip
    about: About


@dataclass(frozen=True, eq=False)
class Attack:
    """Who attacks what and when.

    Attributes
    ----------
    name : str
        A key of `ATTACKS`.
    attackers : tuple of Device
        Phones that are not in the town's fleet; their names tell nothing.
    days : tuple of float
        Days of the town's calendar, with their fractions, on which they strike.
    """

    name: str
    town: Town
    target: Target
    attackers: tuple[Device, ...]
    days: tuple[float, ...]
    seed: int

    def rng(self, *key: int) -> np.random.Generator:
        """A generator of its own for every chance of the attack."""
        return np.random.default_rng([self.seed, 8, *key])


@dataclass(frozen=True, eq=False)
class Campaign:
    """What an attack adds: uploads, made as they are asked for, and rows of the city's list."""

    attack: Attack
    uploads: Iterator[Upload]
    inventory_rows: tuple[Listed, ...] = ()


def mount(town: Town, name: str, *, attackers: int, seed: int) -> Campaign:
    """An attack on a town by so many phones; the same seed gives the same attack.

    Raises
    ------
    UsageError
        There is no attack of that name.

    >>> from streetbump.simulate.town import named_town
    >>> town = named_town("small", seed=1)
    >>> campaign = mount(town, "cart", attackers=5, seed=1)
    >>> len(campaign.attack.attackers), next(campaign.uploads).about.device
    (5, 'phone-012')
    """
    if name not in ATTACKS:
        raise UsageError(f"no attack is called {name!r}; there are {', '.join(sorted(ATTACKS))}")
    rng = np.random.default_rng([seed, 7])
    target = _TARGETS.get(name, level_place)(town, rng)
    nodes = list(town.scene.network.turns)
    known = len(town.fleet)
    strangers = tuple(
        random_device(
            f"phone-{known + k:03d}", home=nodes[int(rng.integers(len(nodes)))],
            rng=np.random.default_rng([seed, 7, k]),
        )
        for k in range(attackers)
    )  # fmt: skip
    days = np.sort(rng.choice(town.days, size=min(VISITS, town.days), replace=False))
    hours = rng.uniform(7.0, 20.0, days.size)
    strikes = tuple((days + hours / 24.0).tolist())
    attack = Attack(name, town, target, strangers, strikes, seed)
    rows = poisoned_rows(attack) if name == "poisoned-list" else ()
    return Campaign(attack, ATTACKS[name](attack), rows)


# ------------------------------------------------------------------------------- where


def level_place(town: Town, rng: np.random.Generator) -> Target:
    """Somewhere in a street with nothing near it: the clearest of fifty draws.

    >>> from streetbump.simulate.town import named_town
    >>> level_place(named_town("small", seed=1), np.random.default_rng(0)).defect_id
    ''
    """
    edges = town.scene.network.edges
    open_sky = [k for k, e in enumerate(edges) if e.canyon <= 1.0]
    best, best_m = (0, 0.0, OUT), -1.0
    for _ in range(50):
        edge = open_sky[int(rng.integers(len(open_sky)))]
        length = edges[edge].length_m
        along = float(rng.uniform(0.2, 0.8)) * length
        lane = str(rng.choice([OUT, BACK]))
        others = [d.along_m for d in town.scene.by_edge.get(edge, ())]
        clear = min((abs(o - along) for o in others), default=length)
        if clear > best_m:
            best, best_m = (edge, along, lane), clear
    return _target(town, *best)


def true_hole(town: Town, rng: np.random.Generator) -> Target:
    """A pothole that is there on all days, one of the ten deepest."""
    whole = [
        d for d in town.scene.defects
        if d.kind == "pothole" and not np.isfinite(d.from_day) and not np.isfinite(d.until_day)
    ]  # fmt: skip
    deepest = sorted(whole, key=lambda d: (d.height_m, d.defect_id))[:10]
    d = deepest[int(rng.integers(len(deepest)))]
    return _target(town, d.edge, d.along_m, d.lane, d.defect_id)


def unlisted_bump(town: Town, rng: np.random.Generator) -> Target:
    """A thing that both wheels feel and no city mends; one that the inventory lacks, if any."""
    listed = {row.defect_id for row in town.inventory}
    bumps = [d for d in town.scene.defects if d.kind in ("hump", "table", "marker", "rail")]
    hidden = [d for d in bumps if d.defect_id not in listed and not np.isfinite(d.from_day)]
    found = hidden or bumps
    d = found[int(rng.integers(len(found)))]
    return _target(town, d.edge, d.along_m, OUT, d.defect_id)


def _target(town: Town, edge: int, along_m: float, lane: str, defect_id: str = "") -> Target:
    right = 1.75 if lane == OUT else -1.75
    lat, lon = town.scene.network.place(edge, along_m, right)
    return Target(edge, along_m, lane, float(lat[0]), float(lon[0]), defect_id)


# ------------------------------------------------------------------------------- what is driven


def _stroll(network: Network, node: int, came: int, rng: np.random.Generator) -> list[Leg]:
    """`LEGS_AROUND` legs away from a junction, not back into the street `came`."""
    legs: list[Leg] = []
    for _ in range(LEGS_AROUND):
        turns = [t for t in network.turns[node] if t[0] != came]
        if not turns:
            break
        came, lane, node = turns[int(rng.integers(len(turns)))]
        legs.append((came, lane))
    return legs


def _driven(
    attack: Attack, device: Device, legs: list[Leg], *, day: float, rng: np.random.Generator,
    seat: Device | None = None,
) -> SimulatedTrip:  # fmt: skip
    """A drive of `device`'s car; `seat` is the phone that records it, if not its own.

    The same state of `rng` gives the same drive to any phone; nobody touches it on the way.
    """
    seat = seat or device
    network = attack.town.scene.network
    way = way_along(network, legs, start_m=10.0)
    return simulate_trip(
        attack.town.scene, way, car=device.car, driver=device.driver, phone=seat.phone,
        receiver=seat.receiver, rng=rng, day=day,
    )  # fmt: skip


def _past(
    attack: Attack, device: Device, *, day: float, rng: np.random.Generator,
    seat: Device | None = None,
) -> SimulatedTrip:  # fmt: skip
    """A drive through the target's street, in its lane."""
    target, network = attack.target, attack.town.scene.network
    edge = network.edges[target.edge]
    begin, end = (edge.start, edge.end) if target.lane == OUT else (edge.end, edge.start)
    before = _stroll(network, begin, target.edge, rng)
    before = [(k, BACK if lane == OUT else OUT) for k, lane in reversed(before)]
    legs = [*before, (target.edge, target.lane), *_stroll(network, end, target.edge, rng)]
    return _driven(attack, device, legs, day=day, rng=rng, seat=seat)


def _anywhere(
    attack: Attack, device: Device, *, day: float, rng: np.random.Generator
) -> SimulatedTrip:
    legs = random_legs(attack.town.scene.network, start=device.home, length_m=1200.0, rng=rng)
    return _driven(attack, device, list(legs), day=day, rng=rng)


def _upload(trip: SimulatedTrip, device: Device, *, day: float, name: str = "") -> Upload:
    start = round(FIRST_DAY_UTC_S + day * DAY_S, 3)
    return Upload(trip, About(name or device.name, start, device.phone.platform, "UTC"))


# ------------------------------------------------------------------------------- the attacks


def _each(attack: Attack) -> Iterator[tuple[int, Device, int, float]]:
    """Attackers with their visits: ``(k, device, visit, day)``, by day."""
    for visit, day in enumerate(attack.days):
        for k, device in enumerate(attack.attackers):
            yield k, device, visit, day + k / 1440.0  # a minute apart


def _strike(
    attack: Attack, k: int, visit: int, *, day: float, shift_s: float = 0.0
) -> SimulatedTrip:
    """A true drive past the target with a forged jolt where the fixes come by."""
    device = attack.attackers[k]
    trip = _past(attack, device, day=day, rng=attack.rng(k, visit))
    at = when_at(trip.fixes, attack.target.lat_deg, attack.target.lon_deg) + shift_s
    return forged(trip, at, axle_s=device.car.wheelbase_m / 8.0) if np.isfinite(at) else trip


def summon_forgery(attack: Attack) -> Iterator[Upload]:
    """Everybody really drives there and adds a jolt to the recording."""
    for k, device, visit, day in _each(attack):
        yield _upload(_strike(attack, k, visit, day=day), device, day=day)


def summon_moved(attack: Attack) -> Iterator[Upload]:
    """Everybody drives elsewhere, and the track is moved so that a real jolt lies at the target."""
    target = attack.target
    edge = attack.town.scene.network.edges[target.edge]
    psi = float(np.degrees(heading_rad(edge, np.array([target.along_m]))[0]))
    course = psi if target.lane == OUT else psi + 180.0
    place = {"lat_deg": target.lat_deg, "lon_deg": target.lon_deg}
    for k, device, visit, day in _each(attack):
        trip = _anywhere(attack, device, day=day, rng=attack.rng(k, visit))
        worst = max(trip.crossings, key=lambda c: c.peak_ms2, default=None)
        if worst is not None and worst.felt and trip.fixes.t_s.size > 1:
            yield _upload(moved(trip, worst.t_s, heading_deg=course, **place), device, day=day)


def suppress(attack: Attack) -> Iterator[Upload]:
    """Everybody drives over a true pothole and smooths its jolt away."""
    for k, device, visit, day in _each(attack):
        trip = _past(attack, device, day=day, rng=attack.rng(k, visit))
        for c in trip.crossings:
            if c.defect_id == attack.target.defect_id:
                trip = smoothed(trip, c.t_s, rng=attack.rng(k, visit, 1))
        yield _upload(trip, device, day=day)


def on_off(attack: Attack) -> Iterator[Upload]:
    """Every strike is followed by honest drives past the same place, and elsewhere."""
    for k, device, visit, day in _each(attack):
        yield _upload(_strike(attack, k, visit, day=day), device, day=day)
        for n, drive in enumerate((_past, _anywhere), start=1):
            later = day + 0.04 * n
            honest = drive(attack, device, day=later, rng=attack.rng(k, visit, n))
            yield _upload(honest, device, day=later)


def farm_then_strike(attack: Attack) -> Iterator[Upload]:
    """Weeks of honest drives for a good name, then a strike on the last days."""
    days = np.linspace(0.3, max(attack.town.days - VISITS - 1.0, 1.0), FARM_VISITS)
    for visit, day in enumerate(days.tolist()):
        for k, device in enumerate(attack.attackers):
            trip = _anywhere(attack, device, day=day, rng=attack.rng(k, visit, 2))
            yield _upload(trip, device, day=day)
    for visit in range(VISITS):
        day = attack.town.days - VISITS + visit + 0.5
        for k, device in enumerate(attack.attackers):
            yield _upload(_strike(attack, k, visit, day=day), device, day=day)


def replay(attack: Attack) -> Iterator[Upload]:
    """One honest trip over a thing that no city mends, under many names and on many days."""
    first = attack.attackers[0]
    trip = _past(attack, first, day=attack.days[0], rng=attack.rng(0))
    for k, device, visit, day in _each(attack):
        again = trip if (k, visit) == (0, 0) else copied(trip, rng=attack.rng(k, visit))
        yield _upload(again, first, day=day, name=device.name)


def cart(attack: Attack) -> Iterator[Upload]:
    """All phones in one car over a thing that no city mends: one drive, many recordings."""
    for _, device, visit, _ in _each(attack):
        day, driver = attack.days[visit], attack.attackers[0]
        trip = _past(attack, driver, day=day, rng=attack.rng(visit), seat=device)
        yield _upload(trip, device, day=day)


def stolen_names(attack: Attack) -> Iterator[Upload]:
    """Forged trips under the names of honest phones."""
    fleet = attack.town.fleet
    whose = attack.rng(3).permutation(len(fleet))
    for k, device, visit, day in _each(attack):
        name = fleet[int(whose[k % len(fleet)])].name
        yield _upload(_strike(attack, k, visit, day=day), device, day=day, name=name)


def poisoned_list(attack: Attack) -> Iterator[Upload]:
    """Nothing is uploaded: the city's list is changed (:func:`poisoned_rows`)."""
    return iter(())


def poisoned_rows(attack: Attack) -> tuple[Listed, ...]:
    """One row per attacker that calls a true pothole an obstacle, the target first."""
    scene, rng = attack.town.scene, attack.rng(4)
    holes = [d for d in scene.defects if d.kind == "pothole"]
    order = [holes[k] for k in rng.permutation(len(holes)).tolist()]
    order.sort(key=lambda d: d.defect_id != attack.target.defect_id)  # stable
    kinds = sorted(set(LISTED_KINDS.values()))
    return tuple(
        Listed(f"asset-x{k:03d}", kinds[k % len(kinds)], *scene.place_of(d), "Example Public Works")
        for k, d in enumerate(order[: len(attack.attackers)])
    )


def dodge_by_clock(attack: Attack) -> Iterator[Upload]:
    """Each phone strikes again and again on one day, and says that it was on many."""
    first = attack.days[0]
    for k, device in enumerate(attack.attackers):
        for visit in range(2 * VISITS):
            trip = _strike(attack, k, visit, day=first + visit / 144.0)
            yield _upload(trip, device, day=first + visit)


def flood(attack: Attack) -> Iterator[Upload]:
    """Each phone uploads many trips of one day with jolts all around the target."""
    for visit in range(FLOOD_VISITS):
        for k, device in enumerate(attack.attackers):
            day = attack.days[0] + (visit * len(attack.attackers) + k) / 14_400.0
            shift = float(attack.rng(k, visit, 5).uniform(-2.0, 2.0))
            yield _upload(_strike(attack, k, visit, day=day, shift_s=shift), device, day=day)


ATTACKS: dict[str, Callable[[Attack], Iterator[Upload]]] = {
    "summon-forgery": summon_forgery,
    "summon-moved": summon_moved,
    "suppress": suppress,
    "on-off": on_off,
    "farm-then-strike": farm_then_strike,
    "replay": replay,
    "cart": cart,
    "stolen-names": stolen_names,
    "poisoned-list": poisoned_list,
    "clock": dodge_by_clock,
    "flood": flood,
}
"""Name → what it uploads."""

_TARGETS: dict[str, Callable[[Town, np.random.Generator], Target]] = {
    "suppress": true_hole,
    "poisoned-list": true_hole,
    "replay": unlisted_bump,
    "cart": unlisted_bump,
}
"""What an attack is about; all others summon a crew to where nothing is."""
