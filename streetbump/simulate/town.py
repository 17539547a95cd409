"""Towns: streets with everything in them, the city's faulty list of it, and who drives when.

A town is drawn from one seed. Its calendar counts days from 0; defects come, grow and are repaired
on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from streetbump.model import Floats
from streetbump.simulate.defects import (
    BACK,
    BOTH,
    DOME_M,
    DOMES_APART_M,
    GAUGE_M,
    LANE_OFFSET_M,
    OUT,
    TRACK_HALF_M,
    WATTS_HEIGHT_M,
    WATTS_M,
    Defect,
)
from streetbump.simulate.drive import random_stops
from streetbump.simulate.fleet import SHARP, USUAL, Device, Population, random_device
from streetbump.simulate.roads import Network, grid_network, random_legs, way_along
from streetbump.simulate.surface import ISO_GD
from streetbump.simulate.trip import Scene, SimulatedTrip, simulate_trip

FIRST_DAY_UTC_S = 1_772_409_600
"""Midnight before the first day of every town, seconds since 1970: 2026-03-02, a Monday."""

DAY_S = 86_400.0


@dataclass(frozen=True)
class Listed:
    """A row of the city's inventory: what it believes, right or wrong."""

    source_id: str
    kind: str
    lat_deg: float
    lon_deg: float
    owner: str
    defect_id: str = ""


@dataclass(frozen=True, eq=False)
class Town:
    """Streets and defects, the inventory, the fleet and the calendar."""

    name: str
    scene: Scene
    inventory: tuple[Listed, ...]
    fleet: tuple[Device, ...]
    days: int
    seed: int


Maker = Callable[[str, int, float, np.random.Generator], Defect]


@dataclass(frozen=True)
class Plan:
    """What a town is made of, per kilometre of street where nothing else is said.

    Attributes
    ----------
    potholes, castings, patches, cracks : float
        Per km.
    humps, cushions, markers, joints, rails : float
        Per km.
    neighbours : float
        Share of the potholes that have a casting or hump 3 to 12 m away.
    listed : float
        Share of the obstacles that the inventory knows.
    phantom : float
        Rows of the inventory with nothing behind them, as a share.
    devices : int
    days : int
    population : Population
        Who drives there, and in what.
    makers : mapping
        Kind → what draws it, where that is not what :data:`MAKERS` says.
    """

    potholes: float = 6.0
    castings: float = 7.0
    patches: float = 7.0
    cracks: float = 10.0
    humps: float = 1.2
    cushions: float = 0.3
    markers: float = 0.4
    joints: float = 0.6
    rails: float = 0.15
    neighbours: float = 0.2
    listed: float = 0.75
    phantom: float = 0.08
    devices: int = 60
    days: int = 60
    population: Population = USUAL
    makers: Mapping[str, Maker] = field(default_factory=dict)


HARD = Plan()
"""The town of the published curve: as nasty as streets are."""

SMALL = Plan(devices=12, days=14)


def make_town(name: str, network: Network, plan: Plan, *, seed: int) -> Town:
    """A town on a network; the same seed gives the same town.

    >>> town = named_town("small", seed=1)
    >>> len(town.fleet), len(town.scene.defects) > 50
    (12, True)
    """
    rng = np.random.default_rng([seed, 0])
    surfaced = _surfaced(network, rng=rng)
    defects = _defects(surfaced, plan, rng=rng)
    scene = Scene(surfaced, defects, seed)
    homes = _homes(surfaced, plan.devices, rng=rng)
    fleet = tuple(
        random_device(
            f"phone-{k:03d}",
            home=int(home),
            rng=np.random.default_rng([seed, 1, k]),
            population=plan.population,
        )
        for k, home in enumerate(homes)
    )
    return Town(name, scene, _inventory(scene, plan, rng=rng), fleet, plan.days, seed)


def named_town(name: str, *, seed: int) -> Town:
    """One of `TOWNS`.

    >>> named_town("small", seed=1).days
    14
    """
    plan, columns, rows = TOWNS[name]
    rng = np.random.default_rng([seed, 2])
    return make_town(name, grid_network(columns, rows, block_m=140.0, rng=rng), plan, seed=seed)


# ------------------------------------------------------------------------------- streets

GD_MIDDLE_M3, GD_SPREAD = 45e-6, 1.1
"""Median roughness of asphalt streets at 0.1 cycles/m, m³, and the standard deviation of its
logarithm. Calibrated (docs/simulator.md)."""


def street_roughness(count: int, *, rng: np.random.Generator) -> Floats:
    """Density at 0.1 cycles/m of asphalt streets, m³, (count,): classes A to D of ISO 8608.

    The middle and the spread are calibrated (docs/simulator.md).

    >>> bool((street_roughness(9, rng=np.random.default_rng(0)) >= ISO_GD["A"]).all())
    True
    """
    level = np.exp(rng.normal(np.log(GD_MIDDLE_M3), GD_SPREAD, count))
    return np.clip(level, ISO_GD["A"], 2 * ISO_GD["D"])


def _surfaced(network: Network, *, rng: np.random.Generator) -> Network:
    """Streets with a surface, a district (a quarter of the map), houses, and perhaps a tunnel.

    Roughness classes A to D, worse in some districts; the innermost streets are canyons.
    """
    middle = np.array([[np.mean(e.east_m), np.mean(e.north_m)] for e in network.edges])
    middle = middle - np.median(middle, axis=0)
    size = np.maximum(np.abs(middle).max(axis=0), 1.0)
    district = (middle[:, 0] > 0) + 2 * (middle[:, 1] > 0)
    worse = rng.permutation([0.7, 1.0, 1.3, 1.8])[district]
    level = street_roughness(len(middle), rng=rng)[:, None]
    lanes = level * np.exp(rng.normal(0.0, 0.25, (len(middle), 2))) * worse[:, None]
    inner = np.abs(middle / size).max(axis=1) < 0.3
    deep, shallow = rng.uniform(0.5, 1.0, len(middle)), rng.choice([0.0, 0.2], len(middle))
    canyon = np.where(inner, deep, shallow)
    if len(middle) > 100:
        canyon[rng.integers(len(middle))] = 2.0
    edges = tuple(
        replace(
            e, gd_m3=(float(lane[0]), float(lane[1])), district=int(d), canyon=float(c),
            traffic=e.traffic * (0.25 if d == 3 else 1.0),
        )
        for e, lane, d, c in zip(network.edges, lanes, district, canyon, strict=True)
    )  # fmt: skip
    return replace(network, edges=edges)


def _homes(network: Network, count: int, *, rng: np.random.Generator) -> np.ndarray:
    """Where drives begin: hardly any in district 3, where few people own such phones."""
    ends = np.array([(e.start, e.district) for e in network.edges])
    weight = np.where(ends[:, 1] == 3, 0.1, 1.0)
    return rng.choice(ends[:, 0], size=count, p=weight / weight.sum())


# ------------------------------------------------------------------------------- what lies in them

CLEAR_M = 12.0
"""Nothing is placed nearer to a junction than this, m: no two streets share a jolt."""


def _lane(rng: np.random.Generator) -> str:
    return OUT if rng.random() < 0.5 else BACK


def _wheel_path(rng: np.random.Generator) -> float:
    """Somewhere about one of the wheel paths, m from the middle of the lane."""
    return float(rng.choice([-1.0, 1.0]) * TRACK_HALF_M + rng.normal(0.0, 0.18))


def pothole(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A hole in or near one wheel path.

    Depths spread over the bands of the LTPP distress manual (FHWA-RD-03-031): low under 25 mm,
    moderate to 50 mm, high above; plan size 0.25 to 3 m (ASTM D6433 bands start at 0.1 m).
    Medians and spreads are calibrated (docs/simulator.md).

    >>> pothole("p", 0, 50.0, np.random.default_rng(0)).height_m < -0.015
    True
    """
    depth = float(np.clip(rng.lognormal(np.log(0.065), 0.4), 0.018, 0.15))
    length = float(np.clip(rng.lognormal(np.log(1.25), 0.5), 0.25, 3.0))
    return Defect(
        name, "pothole", edge, along_m, -depth, length, float(length * rng.uniform(0.7, 1.3)),
        _lane(rng), _wheel_path(rng), edge_m=float(length * rng.uniform(0.04, 0.33)),
    )  # fmt: skip


def casting(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A manhole cover of 0.6-0.7 m, somewhere in the lane; most nearly level, some sunk or raised.

    Steps of 10 to 50 mm are what gets complaints (field practice; spread chosen by us).

    >>> 0.6 <= casting("c", 0, 50.0, np.random.default_rng(0)).length_m <= 0.7
    True
    """
    height = np.clip(rng.lognormal(np.log(0.013), 0.6), 0.003, 0.05)
    step = float(rng.choice([-1.0, -1.0, 1.0]) * height)
    size = float(rng.uniform(0.6, 0.7))
    return Defect(
        name, "casting", edge, along_m, step, size, size, _lane(rng),
        float(rng.uniform(-1.0, 1.0)), edge_m=float(rng.uniform(0.03, 0.08)),
    )  # fmt: skip


BOWL_EDGE = (0.1, 0.45)
"""What of a bowl's length its edge takes. Chosen by us."""


def bowl(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A short round hole, half as long as those of :func:`pothole`. Sizes chosen by us.

    >>> bowl("p", 0, 50.0, np.random.default_rng(0)).length_m <= 1.5
    True
    """
    depth = float(np.clip(rng.lognormal(np.log(0.05), 0.45), 0.018, 0.13))
    length = float(np.clip(rng.lognormal(np.log(0.65), 0.4), 0.25, 1.5))
    return Defect(
        name, "pothole", edge, along_m, -depth, length, float(length * rng.uniform(0.7, 1.3)),
        _lane(rng), _wheel_path(rng), edge_m=float(length * rng.uniform(*BOWL_EDGE)),
    )  # fmt: skip


def sunk(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A casting whose edge is that of a :func:`bowl`: only its depth tells it from one.

    >>> sunk("c", 0, 50.0, np.random.default_rng(0)).kind
    'casting'
    """
    cover = casting(name, edge, along_m, rng)
    return replace(cover, edge_m=float(cover.length_m * rng.uniform(*BOWL_EDGE)))


LOCAL_SHARE = 0.5
LOCAL_M, LOCAL_HEIGHT_M = (1.2, 3.0), (0.07, 0.13)
"""Share, length and height of humps that no standard describes, m. Calibrated
(docs/simulator.md)."""


def hump(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A hump across the street, of one of four builds.

    A Watts hump, a longer parabola (14 ft, Seminole County), a flat-topped table (22 ft), or an
    asphalt bump of 1.2 to 3 m as local crews lay them (sizes and shares calibrated).

    >>> hump("h", 0, 50.0, np.random.default_rng(0)).lane
    'both'
    """
    height = float(WATTS_HEIGHT_M * rng.uniform(0.85, 1.2))
    build = rng.random()
    if build < LOCAL_SHARE:
        length = float(rng.uniform(*LOCAL_M))
        return Defect(name, "hump", edge, along_m, float(rng.uniform(*LOCAL_HEIGHT_M)), length)
    if build > 0.85:
        return Defect(name, "table", edge, along_m, height, 6.7, edge_m=1.83)
    return Defect(name, "hump", edge, along_m, height, float(rng.choice([WATTS_M, WATTS_M, 4.27])))


def cushion(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A speed cushion, 5.5 ft wide and 75 mm high, in each lane.

    >>> cushion("u", 0, 50.0, np.random.default_rng(0)).width_m
    1.68
    """
    return Defect(name, "cushion", edge, along_m, 0.075, 3.0, 1.68, BOTH, 0.0, edge_m=0.6)


MARKER_ROWS = (0.96, 0.03, 0.01)
MARKER_HEIGHT_M = (0.03, 0.075)
"""Shares of one, two and three rows of markers, and their height, m. Calibrated
(docs/simulator.md)."""


def marker(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """One to three rows of raised metal markers across the street, 30 to 75 mm high.

    Cast or pressed domes of some 0.2 m; heights calibrated (docs/simulator.md).

    >>> marker("m", 0, 50.0, np.random.default_rng(0)).kind
    'marker'
    """
    rows = int(rng.choice([1, 2, 3], p=MARKER_ROWS))
    length = DOME_M + DOMES_APART_M * (rows - 1)
    return Defect(name, "marker", edge, along_m, float(rng.uniform(*MARKER_HEIGHT_M)), length)


def joint(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A bridge joint: two lips across the street, raised or sunk by 8 to 30 mm.

    >>> joint("j", 0, 50.0, np.random.default_rng(0)).lane
    'both'
    """
    step = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.008, 0.03))
    return Defect(name, "joint", edge, along_m, step, float(rng.uniform(0.3, 0.7)), edge_m=0.03)


def rail(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A level crossing: two rails 1.435 m apart, 8 to 25 mm over or under the road.

    >>> round(rail("r", 0, 50.0, np.random.default_rng(0)).length_m, 3)
    1.635
    """
    step = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.008, 0.025))
    return Defect(name, "rail", edge, along_m, step, GAUGE_M + 0.2, edge_m=0.04)


def patch(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A utility patch, a few millimetres high or low, 1 to 4 m long.

    >>> abs(patch("a", 0, 50.0, np.random.default_rng(0)).height_m) < 0.016
    True
    """
    step = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.003, 0.015))
    return Defect(
        name, "patch", edge, along_m, step, float(rng.uniform(1.0, 4.0)),
        float(rng.uniform(0.8, 3.0)), _lane(rng), float(rng.uniform(-0.8, 0.8)),
        edge_m=float(rng.uniform(0.08, 0.5)),
    )  # fmt: skip


def crack(name: str, edge: int, along_m: float, rng: np.random.Generator) -> Defect:
    """A sunken transverse crack or trench, 3 to 12 mm deep.

    >>> crack("k", 0, 50.0, np.random.default_rng(0)).height_m < 0
    True
    """
    return Defect(
        name, "crack", edge, along_m, -float(rng.uniform(0.003, 0.012)),
        float(rng.uniform(0.1, 0.6)), edge_m=0.05,
    )  # fmt: skip


MAKERS: dict[str, Maker] = {
    "pothole": pothole,
    "casting": casting,
    "patch": patch,
    "crack": crack,
    "hump": hump,
    "cushion": cushion,
    "marker": marker,
    "joint": joint,
    "rail": rail,
}
"""Kind → drawn from its population: ``(name, edge, along_m, rng) -> Defect``."""

UNLIKE = Plan(population=SHARP)
"""The hard town's streets and holes, driven by cars unlike those of any recording."""
BOWLS = Plan(population=SHARP, makers={"pothole": bowl, "casting": sunk})
"""And of other holes: short bowls, and castings of the same form that lie less deep."""

TOWNS: dict[str, tuple[Plan, int, int]] = {
    "hard": (HARD, 14, 13), "sharp": (UNLIKE, 14, 13), "bowls": (BOWLS, 14, 13),
    "small": (SMALL, 4, 3),
}  # fmt: skip
"""Name → what it is made of, and how many blocks of 140 m it has across and up."""


def _defects(network: Network, plan: Plan, *, rng: np.random.Generator) -> tuple[Defect, ...]:
    length = np.array([e.length_m for e in network.edges])
    km = length.sum() / 1000
    counts = {
        "pothole": plan.potholes, "casting": plan.castings, "patch": plan.patches,
        "crack": plan.cracks, "hump": plan.humps, "cushion": plan.cushions,
        "marker": plan.markers, "joint": plan.joints, "rail": plan.rails,
    }  # fmt: skip
    makers = {**MAKERS, **plan.makers}
    found: list[Defect] = []
    for kind, per_km in counts.items():
        count = max(1, round(per_km * km))
        edges = rng.choice(len(length), size=count, p=length / length.sum())
        for k, edge in enumerate(edges.tolist()):
            clear = min(CLEAR_M, length[edge] / 3)  # a short street has room in its middle only
            along = float(rng.uniform(clear, length[edge] - clear))
            found.append(makers[kind](f"{kind}-{k:04d}", edge, along, rng))
    found += _neighbours(found, network, plan, makers, rng=rng)
    return tuple(stage for d in found for stage in _life(d, plan.days, rng=rng))


def _neighbours(
    found: list[Defect],
    network: Network,
    plan: Plan,
    makers: Mapping[str, Maker],
    *,
    rng: np.random.Generator,
) -> list[Defect]:
    """Castings and humps within GPS error of potholes."""
    more = []
    holes = [d for d in found if d.kind == "pothole"]
    for k, d in enumerate(h for h in holes if rng.random() < plan.neighbours):
        shift = float(rng.choice([-1.0, 1.0]) * rng.uniform(3.0, 12.0))
        along = float(np.clip(d.along_m + shift, 2.0, network.edges[d.edge].length_m - 2.0))
        kind = "casting" if rng.random() < 0.7 else "hump"
        near = makers[kind](f"{kind}-n{k:03d}", d.edge, along, rng)
        more.append(replace(near, lane=d.lane) if kind == "casting" else near)
    return more


BADLY = 0.3
"""Share of the repairs that leave something to be felt. Chosen by us."""


def _life(d: Defect, days: int, *, rng: np.random.Generator) -> tuple[Defect, ...]:
    """A defect with the days on which it comes and goes, and what a bad repair makes of it.

    A third of the potholes open during the calendar and grow, one in six is repaired; one hump in
    twenty is new.
    """
    if d.kind == "pothole":
        opened = float(rng.uniform(0, days * 0.7)) if rng.random() < 0.33 else -np.inf
        from_day = opened if np.isfinite(opened) else 0.0
        mended = rng.random() < 1 / 6
        until = float(rng.uniform(max(from_day, days * 0.4), days)) if mended else np.inf
        growth = float(rng.uniform(0.0, 0.015)) if np.isfinite(opened) else 0.0
        hole = replace(d, from_day=opened, until_day=until, growth_per_day=growth)
        badly = mended and rng.random() < BADLY
        return (hole, repaired_badly(hole, rng=rng)) if badly else (hole,)
    if d.kind in ("hump", "table") and rng.random() < 0.05:
        return (replace(d, from_day=float(rng.uniform(0.0, days * 0.5))),)
    return (d,)


def repaired_badly(d: Defect, *, rng: np.random.Generator) -> Defect:
    """What a poor repair leaves: a lump or a shallow dip in the hole's place, from its last day.

    >>> hole = replace(pothole("p", 0, 50.0, np.random.default_rng(0)), until_day=10.0)
    >>> repaired_badly(hole, rng=np.random.default_rng(1)).from_day
    10.0
    """
    return replace(
        d, defect_id=f"{d.defect_id}-patch", kind="patch", growth_per_day=0.0,
        height_m=float(rng.choice([-0.35, 0.3]) * abs(d.height_m)), length_m=d.length_m + 0.3,
        width_m=d.width_m + 0.3, from_day=d.until_day, until_day=np.inf,
    )  # fmt: skip


# ------------------------------------------------------------------------------- the inventory

OWNERS = {"casting": "Example Water", "rail": "Example Rail"}
LISTED_KINDS = {
    "hump": "hump", "table": "hump", "cushion": "hump", "casting": "casting",
    "rail": "rail_crossing", "joint": "bridge_joint", "marker": "marker",
}  # fmt: skip
"""Kind of defect → kind in the city's list. Potholes, patches and cracks are in no list."""


def _inventory(scene: Scene, plan: Plan, *, rng: np.random.Generator) -> tuple[Listed, ...]:
    """The city's list: some things missing or misplaced, some of the wrong kind, some not there.

    What was built during the calendar is not in it yet.
    """
    rows = []
    obstacles = [d for d in scene.defects if d.kind in LISTED_KINDS]
    for k, d in enumerate(obstacles):
        if rng.random() >= plan.listed or np.isfinite(d.from_day):
            continue
        lat, lon = scene.place_of(d)
        spread = 15.0 if rng.random() < 0.05 else 2.5
        shift = rng.normal(0.0, spread, 2)
        kind = LISTED_KINDS[d.kind] if rng.random() > 0.03 else "hump"
        rows.append(
            Listed(
                f"asset-{k:04d}", kind, lat + float(shift[1]) / 111_195.0,
                lon + float(shift[0]) / (111_195.0 * float(np.cos(np.radians(lat)))),
                OWNERS.get(d.kind, "Example Public Works"), d.defect_id,
            )
        )  # fmt: skip
    return (*rows, *_phantoms(scene, rows, plan, rng=rng))


def _phantoms(
    scene: Scene, rows: list[Listed], plan: Plan, *, rng: np.random.Generator
) -> list[Listed]:
    """Rows for things that were taken away long ago: like the others, somewhere in a street."""
    length = np.array([e.length_m for e in scene.network.edges])
    found = []
    for k in range(round(plan.phantom * len(rows))):
        like = rows[int(rng.integers(len(rows)))]
        edge = int(rng.choice(len(length), p=length / length.sum()))
        right = float(rng.uniform(-LANE_OFFSET_M, LANE_OFFSET_M))
        lat, lon = scene.network.place(edge, float(rng.uniform(0.0, length[edge])), right)
        found.append(Listed(f"asset-g{k:03d}", like.kind, float(lat[0]), float(lon[0]), like.owner))
    return found


# ------------------------------------------------------------------------------- who drives when


@dataclass(frozen=True)
class Outing:
    """One trip to be made: all its chances come from (town seed, index).

    Attributes
    ----------
    index : int
    device : int
        Which of the fleet.
    day : float
        Day of the calendar with its fraction.
    length_m : float
    """

    index: int
    device: int
    day: float
    length_m: float

    @property
    def start_utc_s(self) -> float:
        """When it starts, seconds since 1970, whole milliseconds."""
        return round(FIRST_DAY_UTC_S + self.day * DAY_S, 3)


def plan_outings(town: Town, *, trips: int, seed: int, minutes: float = 10.0) -> tuple[Outing, ...]:
    """Trips over the calendar in order of time: mornings, evenings, some days off.

    >>> town = named_town("small", seed=1)
    >>> outings = plan_outings(town, trips=5, seed=2)
    >>> len(outings), outings[0].day <= outings[1].day
    (5, True)
    """
    rng = np.random.default_rng([seed, 3])
    hour = rng.choice([7.8, 12.5, 17.2], size=trips, p=[0.4, 0.2, 0.4]) + rng.normal(0, 1.2, trips)
    day = np.sort(rng.integers(0, town.days, trips) + np.clip(hour, 5.0, 23.0) / 24.0)
    keen = rng.lognormal(0.0, 0.8, len(town.fleet))  # some upload daily, some once
    who = rng.choice(len(town.fleet), size=trips, p=keen / keen.sum())
    length = MEAN_SPEED_MS * 60.0 * minutes * rng.lognormal(0.0, 0.15, trips)
    free = np.zeros(len(town.fleet))
    for k in range(trips):  # nobody drives two cars at once: twice the mean time is enough
        day[k] = max(day[k], free[who[k]])
        free[who[k]] = day[k] + 2 * length[k] / MEAN_SPEED_MS / DAY_S
    order = np.argsort(day, kind="stable")
    rows = zip(who[order].tolist(), day[order].tolist(), length[order].tolist(), strict=True)
    return tuple(Outing(k, *row) for k, row in enumerate(rows))


MEAN_SPEED_MS = 7.6
"""Mean speed of a simulated town drive with its stops, m/s; makes minutes into metres."""


def drive_outing(town: Town, outing: Outing, *, seed: int) -> SimulatedTrip:
    """The trip of an outing.

    >>> town = named_town("small", seed=1)
    >>> (outing,) = plan_outings(town, trips=1, seed=2, minutes=1.0)
    >>> trip = drive_outing(town, outing, seed=2)
    >>> bool(20 < trip.t_s[-1] < 300)
    True
    """
    rng = np.random.default_rng([seed, 4, outing.index])
    device = town.fleet[outing.device]
    network = town.scene.network
    legs = random_legs(network, start=device.home, length_m=outing.length_m, rng=rng)
    way = way_along(network, legs, start_m=float(rng.uniform(5.0, 15.0)))
    return simulate_trip(
        town.scene, way, car=device.car, driver=device.driver,
        phone=device.phone_for(outing.length_m / MEAN_SPEED_MS, rng=rng),
        receiver=device.receiver, rng=rng, day=outing.day,
        stops=random_stops(way, device.driver, rng=rng),
    )  # fmt: skip
