"""A network of streets, and the way of a trip through it.

Streets are polylines in metres east and north of an origin. A street's own direction is called
``out``, the other one ``back``; cars keep to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from streetbump.geo import from_local_m
from streetbump.model import Floats, Ints
from streetbump.simulate.defects import BACK, LANE_OFFSET_M, OUT

WAY_STEP_M = 1.0
"""Spacing of the points of a way, m."""

JUNCTION_M = 1.0
"""Ends of surveyed lines nearer than this are one junction, m. Chosen by us."""

CORNER_M = 13
"""A car rounds corners over this length, m: a 90° corner becomes a bend of some 8 m radius, the
usual one of a residential junction. Chosen by us."""


@dataclass(frozen=True, eq=False)
class Edge:
    """One street between two junctions.

    Attributes
    ----------
    start, end : int
        Junctions.
    east_m, north_m : (k,) float64
        Its centreline, from start to end.
    name : str
    cruise_ms : float
        Speed of free traffic, m/s.
    gd_m3 : (float, float)
        Roughness of the lanes ``out`` and ``back`` at 0.1 cycles/m, m³.
    canyon : float
        How much of the sky the houses hide, 0 to 1; 2 in a tunnel.
    district : int
    traffic : float
        How readily drivers take it, relative to others.
    """

    start: int
    end: int
    east_m: Floats
    north_m: Floats
    name: str = ""
    cruise_ms: float = 12.0
    gd_m3: tuple[float, float] = (64e-6, 64e-6)
    canyon: float = 0.0
    district: int = 0
    traffic: float = 1.0

    @cached_property
    def corner_m(self) -> Floats:
        """Distance of each corner from the start, m."""
        steps = np.hypot(np.diff(self.east_m), np.diff(self.north_m))
        return np.concatenate(([0.0], np.cumsum(steps)))

    @property
    def length_m(self) -> float:
        """Length of the centreline, m."""
        return float(self.corner_m[-1])

    def gd_of(self, lane: str) -> float:
        """Roughness of a lane at 0.1 cycles/m, m³."""
        return self.gd_m3[0 if lane == OUT else 1]


@dataclass(frozen=True, eq=False)
class Network:
    """Junctions and streets around an origin.

    Attributes
    ----------
    lat0_deg, lon0_deg : float
        The origin.
    edges : tuple of Edge
    """

    lat0_deg: float
    lon0_deg: float
    edges: tuple[Edge, ...]

    @cached_property
    def turns(self) -> dict[int, tuple[tuple[int, str, int], ...]]:
        """Junction → what leaves it: ``(edge, lane, next junction)``."""
        leaving: dict[int, list[tuple[int, str, int]]] = {}
        for k, e in enumerate(self.edges):
            leaving.setdefault(e.start, []).append((k, OUT, e.end))
            leaving.setdefault(e.end, []).append((k, BACK, e.start))
        return {node: tuple(found) for node, found in leaving.items()}

    def place(
        self, edge: int, along_m: Floats | float, right_m: Floats | float = 0.0
    ) -> tuple[Floats, Floats]:
        """Latitude and longitude, degrees, of points of a street, `right_m` of ``out``."""
        e = self.edges[edge]
        at = np.atleast_1d(np.asarray(along_m, dtype=np.float64))
        psi = heading_rad(e, at)
        return self.degrees(
            np.interp(at, e.corner_m, e.east_m) + right_m * np.cos(psi),
            np.interp(at, e.corner_m, e.north_m) - right_m * np.sin(psi),
        )

    def degrees(self, east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
        """Latitude and longitude, degrees, of points in metres from the origin."""
        return from_local_m(
            np.asarray(east_m), np.asarray(north_m), lat0_deg=self.lat0_deg, lon0_deg=self.lon0_deg
        )


def heading_rad(edge: Edge, along_m: Floats) -> Floats:
    """Direction ``out`` of a street at its points, radians clockwise from north.

    >>> e = Edge(0, 1, np.array([0.0, 100.0]), np.zeros(2))
    >>> np.degrees(heading_rad(e, np.array([5.0]))).tolist()
    [90.0]
    """
    leg = np.clip(np.searchsorted(edge.corner_m, along_m, side="right") - 1, 0, None)
    leg = np.minimum(leg, len(edge.corner_m) - 2)
    return np.asarray(np.arctan2(np.diff(edge.east_m), np.diff(edge.north_m))[leg])


Leg = tuple[int, str]
"""A street and the lane it is driven in."""


@dataclass(frozen=True, eq=False)
class Way:
    """The course of a trip: points every `WAY_STEP_M` from its first to its last metre.

    Attributes
    ----------
    s_m : (n,) float64
        Distance driven, m.
    east_m, north_m, heading_rad : (n,) float64
        Middle of the lane, corners rounded; heading unwrapped, clockwise from north.
    leg : (n,) int64
        Which of `legs` it is on.
    along_m : (n,) float64
        Where on that street, from its start, m.
    legs : tuple of (edge, lane)
    enter_m : (len(legs),) float64
        Distance driven at which each leg begins, m.
    into_m : (len(legs),) float64
        How far into its street a leg begins, m as driven: 0 but for the first.
    """

    s_m: Floats
    east_m: Floats
    north_m: Floats
    heading_rad: Floats
    leg: Ints
    along_m: Floats
    legs: tuple[Leg, ...]
    enter_m: Floats
    into_m: Floats

    @property
    def length_m(self) -> float:
        """How long the way is, m."""
        return float(self.s_m[-1])


def way_along(
    network: Network, legs: Sequence[Leg], *, start_m: float = 0.0, end_m: float | None = None
) -> Way:
    """The way along consecutive legs.

    Parameters
    ----------
    start_m, end_m : float
        How far into the first leg it starts, and into the last leg it ends (default: its whole
        length), m in the direction driven.

    >>> e = Edge(0, 1, np.array([0.0, 100.0]), np.zeros(2))
    >>> w = way_along(Network(0.0, 0.0, (e,)), [(0, "back")], start_m=10.0, end_m=60.0)
    >>> w.length_m, float(w.along_m[0]), round(float(w.north_m[0]), 3)  # right of going west
    (50.0, 90.0, 1.75)
    """
    edges = [network.edges[k] for k, _ in legs]
    into = np.array([start_m] + [0.0] * (len(legs) - 1))
    last = [e.length_m for e in edges]
    if end_m is not None:
        last[-1] = end_m
    part = np.asarray(last) - into
    enter = np.concatenate(([0.0], np.cumsum(part)))
    s = np.arange(0.0, enter[-1] + 1e-6, WAY_STEP_M)
    leg = np.clip(np.searchsorted(enter, s, side="right") - 1, 0, len(legs) - 1)
    driven = s - enter[leg] + into[leg]
    out = np.array([lane == OUT for _, lane in legs])[leg]
    along = np.where(out, driven, np.array([e.length_m for e in edges])[leg] - driven)
    east, north = np.empty(s.size), np.empty(s.size)
    for k, edge in enumerate(edges):  # legs, some tens
        on = leg == k
        sign = 1.0 if legs[k][1] == OUT else -1.0
        psi = heading_rad(edge, along[on])
        shift = sign * LANE_OFFSET_M
        east[on] = np.interp(along[on], edge.corner_m, edge.east_m) + shift * np.cos(psi)
        north[on] = np.interp(along[on], edge.corner_m, edge.north_m) - shift * np.sin(psi)
    x, y = _rounded(east), _rounded(north)
    heading = np.unwrap(np.arctan2(np.gradient(x), np.gradient(y)))
    return Way(s, x, y, heading, leg, along, tuple(legs), enter[:-1], into)


def _rounded(values: Floats) -> Floats:
    """Averaged over `CORNER_M`, mirrored through its ends so that they stay."""
    half = min(CORNER_M // 2, (len(values) - 1) // 2)
    if half < 1:
        return values
    before = 2 * values[0] - values[half:0:-1]
    after = 2 * values[-1] - values[-2 : -half - 2 : -1]
    padded = np.concatenate((before, values, after))
    return np.convolve(padded, np.full(2 * half + 1, 1 / (2 * half + 1)), mode="valid")


def random_legs(
    network: Network, *, start: int, length_m: float, rng: np.random.Generator
) -> tuple[Leg, ...]:
    """A drive of at least `length_m` from a junction: no U-turns, busy streets preferred.

    At each junction the driver takes a street with chances by its traffic; going straight on
    counts double. A dead end turns round.

    >>> net = grid_network(2, 2, block_m=100.0, rng=np.random.default_rng(0))
    >>> len(random_legs(net, start=0, length_m=250.0, rng=np.random.default_rng(1)))
    3
    """
    legs: list[Leg] = []
    node, came, done = start, -1, 0.0
    while done < length_m:  # junctions, some tens
        turns = [t for t in network.turns[node] if t[0] != came] or list(network.turns[node])
        weight = np.array([network.edges[k].traffic for k, _, _ in turns])
        if legs:
            course = _course(network, *legs[-1], at_end=True)
            onto = np.array([_course(network, k, lane, at_end=False) for k, lane, _ in turns])
            weight = weight * np.where(np.cos(onto - course) > 0.8, 2.0, 1.0)
        chosen = turns[int(rng.choice(len(turns), p=weight / weight.sum()))]
        legs.append((chosen[0], chosen[1]))
        came, node = chosen[0], chosen[2]
        done += network.edges[came].length_m
    return tuple(legs)


def _course(network: Network, edge: int, lane: str, *, at_end: bool) -> float:
    e = network.edges[edge]
    at = e.length_m if at_end == (lane == OUT) else 0.0
    return float(heading_rad(e, np.array([at]))[0]) + (0.0 if lane == OUT else np.pi)


def grid_network(
    columns: int, rows: int, *, block_m: float, rng: np.random.Generator,
    lat0_deg: float = 12.0, lon0_deg: float = -150.0,
) -> Network:  # fmt: skip
    """A grid of `columns` by `rows` blocks; junctions are moved by some metres.

    Each third street is an arterial. It lies in an ocean unless told otherwise.

    >>> net = grid_network(3, 2, block_m=120.0, rng=np.random.default_rng(0))
    >>> len(net.edges), 100 < net.edges[0].length_m < 140
    (17, True)
    """
    across, up = columns + 1, rows + 1
    node = np.arange(across * up)
    moved = rng.normal(0.0, 0.04 * block_m, (2, node.size))
    east = (node % across - columns / 2) * block_m + moved[0]
    north = (node // across - rows / 2) * block_m + moved[1]
    right = [(i, i + 1) for i in node if i % across < columns]
    above = [(i, i + across) for i in node if i // across < rows]
    edges = tuple(
        _grid_edge(int(a), int(b), east, north, across=across, rng=rng) for a, b in right + above
    )
    return Network(lat0_deg, lon0_deg, edges)


def _grid_edge(
    a: int, b: int, east: Floats, north: Floats, *, across: int, rng: np.random.Generator
) -> Edge:
    level = a // across if b == a + 1 else a % across
    arterial = level % 3 == 1
    bow = rng.normal(0.0, 3.0, 2)  # streets are rarely straight
    return Edge(
        a, b,
        np.array([east[a], (east[a] + east[b]) / 2 + bow[0], east[b]]),
        np.array([north[a], (north[a] + north[b]) / 2 + bow[1], north[b]]),
        name=f"{'Avenue' if b == a + 1 else 'Street'} {level + 1}",
        cruise_ms=14.0 if arterial else 10.0,
        traffic=5.0 if arterial else 1.0,
    )  # fmt: skip


def network_of_lines(
    lines: Sequence[tuple[Floats, Floats]], *, lat0_deg: float, lon0_deg: float,
    names: Sequence[str] = (),
) -> Network:  # fmt: skip
    """The largest connected network of surveyed centrelines.

    Ends within a metre are one junction. Lines shorter than 15 m are left out with what they
    alone connect.

    Parameters
    ----------
    lines : sequence of ((k,), (k,)) float64
        Longitude and latitude of the corners of each line, degrees.
    names : sequence of str
        Street names, one per line, or none.

    >>> lon = np.array([0.0, 0.001]); zero = np.zeros(2)
    >>> net = network_of_lines([(lon, zero), (lon + 0.001, zero), (lon + 1, zero)],
    ...                        lat0_deg=0.0, lon0_deg=0.0)
    >>> len(net.edges), net.edges[0].end == net.edges[1].start
    (2, True)
    """
    from scipy.spatial import KDTree

    from streetbump.geo import local_m

    local = [
        _distinct(*local_m(lat, lon, lat0_deg=lat0_deg, lon0_deg=lon0_deg)) for lon, lat in lines
    ]
    ends = np.array([[(e[0], n[0]), (e[-1], n[-1])] for e, n in local]).reshape(-1, 2)
    long = np.array([np.hypot(np.diff(e), np.diff(n)).sum() >= 15.0 for e, n in local], np.bool_)
    if not long.any():
        return Network(lat0_deg, lon0_deg, ())
    near = KDTree(ends).query_pairs(JUNCTION_M, output_type="ndarray")
    start, end = _components(near, len(ends)).reshape(-1, 2).T
    keep = np.flatnonzero(long & (start != end))
    part = _components(np.column_stack((start[keep], end[keep])), len(ends))
    largest = np.bincount(part[start[keep]], minlength=1).argmax()
    edges = tuple(
        Edge(int(start[k]), int(end[k]), local[k][0], local[k][1], names[k] if names else "")
        for k in keep[part[start[keep]] == largest]
    )
    return Network(lat0_deg, lon0_deg, edges)


def _distinct(east_m: Floats, north_m: Floats) -> tuple[Floats, Floats]:
    """Corners without those that repeat the one before: a leg without length has no direction."""
    new = np.hypot(np.diff(east_m), np.diff(north_m)) > 1e-3
    keep = np.concatenate(([True], new))
    return east_m[keep], north_m[keep]


def _components(pairs: Ints, count: int) -> Ints:
    """Which of the connected components each of `count` things belongs to, (count,)."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    return np.asarray(connected_components(links, directed=False)[1])
