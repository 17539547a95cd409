"""A street as a polyline in metres, its roughness, and the defects in it.

The street is measured along its centreline, `along_m`, in the direction called ``out``. Cars
keep to the right. Heights are relative to a flat road; slopes longer than 90 m are left out, as
no phone feels them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from streetbump.geo import from_local_m
from streetbump.model import Floats

STEP_M = 0.02
"""Spacing of height profiles, m. Chosen by us: a tenth of a tyre's contact patch."""

LANE_OFFSET_M = 1.75
"""From the centreline to the middle of a lane, m: half a lane of 3.5 m. Chosen by us."""

TRACK_HALF_M = 0.75
"""From the middle of the car to a wheel, m: a track of 1.5 m, usual for passenger cars."""

ISO_N0 = 0.1
"""Reference spatial frequency of ISO 8608, cycles/m."""

ISO_BAND = (0.011, 2.83)
"""Spatial frequencies that ISO 8608 covers, cycles/m."""

ISO_GD = {"A": 16e-6, "B": 64e-6, "C": 256e-6}
"""Geometric mean displacement density of the road classes at `ISO_N0`, m³ (ISO 8608)."""

BOTH, OUT, BACK = "both", "out", "back"


@dataclass(frozen=True)
class Defect:
    """One thing in the road that a wheel can feel.

    Attributes
    ----------
    defect_id : str
        Name within the street.
    kind : str
        ``pothole hump casting rail patch joint``: a key of `SHAPES`.
    along_m : float
        Its middle, along the street, m.
    height_m : float
        Height at its middle, m; negative where it is a dip.
    length_m : float
        Length along the street, m.
    direction : str
        Lane it lies in: ``out``, ``back`` or ``both``.
    wheels : int
        2 when it crosses the lane, 1 when it lies in one wheel path.
    hit_probability : float
        Chance that a passing car does not miss it, 0 to 1.
    """

    defect_id: str
    kind: str
    along_m: float
    height_m: float
    length_m: float
    direction: str = BOTH
    wheels: int = 2
    hit_probability: float = 1.0

    def lies_in(self, direction: str) -> bool:
        """Whether cars driving in `direction` can meet it.

        >>> Defect("h", "hump", 100.0, 0.076, 3.66).lies_in("back")
        True
        """
        return self.direction in (BOTH, direction)

    @property
    def right_m(self) -> float:
        """Where it lies across the street, m to the right of the ``out`` direction."""
        if self.direction == BOTH:
            return 0.0
        in_lane = LANE_OFFSET_M + (TRACK_HALF_M if self.wheels == 1 else 0.0)
        return in_lane if self.direction == OUT else -in_lane


def pothole(
    defect_id: str, along_m: float, *, depth_m: float, length_m: float,
    direction: str = OUT, hit_probability: float = 0.85,
) -> Defect:  # fmt: skip
    """A hole in one wheel path.

    Depths above 50 mm are high severity in the LTPP distress manual (FHWA-RD-03-031).

    >>> pothole("p1", 10.0, depth_m=0.06, length_m=0.5).height_m
    -0.06
    """
    return Defect(
        defect_id, "pothole", along_m, -depth_m, length_m, direction, 1, hit_probability
    )  # fmt: skip


def hump(defect_id: str, along_m: float, *, direction: str = BOTH) -> Defect:
    """A Watts speed hump, 3 in high and 12 ft long with a round top (TRL LR 597, 1973).

    >>> round(hump("h1", 10.0).length_m, 2)
    3.66
    """
    return Defect(defect_id, "hump", along_m, 0.0762, 3.658, direction)


def casting(
    defect_id: str, along_m: float, *, height_m: float,
    direction: str = OUT, hit_probability: float = 0.65,
) -> Defect:  # fmt: skip
    """A manhole cover of 0.65 m in one wheel path, raised (or sunk, `height_m` < 0).

    >>> casting("c1", 10.0, height_m=-0.02).wheels
    1
    """
    return Defect(defect_id, "casting", along_m, height_m, 0.65, direction, 1, hit_probability)


def rail(defect_id: str, along_m: float, *, height_m: float = 0.02) -> Defect:
    """A level crossing: two rails of standard gauge (1.435 m), felt by both wheels.

    >>> rail("r1", 10.0).direction
    'both'
    """
    return Defect(defect_id, "rail", along_m, height_m, 1.435 + 0.2)


def patch(
    defect_id: str, along_m: float, *, height_m: float, length_m: float, direction: str = BOTH
) -> Defect:
    """A shallow patch across the lane: felt, but nobody would report it.

    >>> patch("m1", 10.0, height_m=0.01, length_m=1.0).kind
    'patch'
    """
    return Defect(defect_id, "patch", along_m, height_m, length_m, direction)


def joint(
    defect_id: str, along_m: float, *, height_m: float, length_m: float, direction: str = BOTH
) -> Defect:
    """A bridge joint: two narrow edges `length_m` apart, felt by both wheels.

    >>> joint("j1", 10.0, height_m=-0.03, length_m=0.4).wheels
    2
    """
    return Defect(defect_id, "joint", along_m, height_m, length_m, direction)


def _plateau(x_m: Floats, length_m: float, edge_m: float) -> Floats:
    """1 inside `length_m`, 0 outside, with cosine flanks of `edge_m` within the length."""
    inside = np.clip((length_m / 2 - np.abs(x_m)) / edge_m, 0.0, 1.0)
    return np.asarray(0.5 - 0.5 * np.cos(np.pi * inside))


def _hole(x_m: Floats, length_m: float) -> Floats:
    return _plateau(x_m, length_m, 0.12)  # broken edges


def _lid(x_m: Floats, length_m: float) -> Floats:
    return _plateau(x_m, length_m, 0.04)  # an iron rim


def _patch(x_m: Floats, length_m: float) -> Floats:
    return _plateau(x_m, length_m, 0.6)  # feathered asphalt


def _round_top(x_m: Floats, length_m: float) -> Floats:
    """A parabola: within 0.2 mm of the circular arc at 3 in over 12 ft."""
    return np.asarray(np.clip(1 - (2 * x_m / length_m) ** 2, 0.0, None))


def _pair(x_m: Floats, length_m: float) -> Floats:
    """Two strips of 0.2 m (rail with its flangeway, or one side of a joint) at both ends."""
    reach = length_m / 2 - 0.1
    return _plateau(x_m - reach, 0.2, 0.04) + _plateau(x_m + reach, 0.2, 0.04)


SHAPES = {
    "pothole": _hole,
    "hump": _round_top,
    "casting": _lid,
    "rail": _pair,
    "joint": _pair,
    "patch": _patch,
}
"""Kind → shape along the street, with 1 for the full height."""


@dataclass(frozen=True, eq=False)
class Street:
    """A polyline with lanes, roughness and defects.

    Attributes
    ----------
    east_m, north_m : (k,) float64
        Corners of the centreline in metres from the origin.
    lat0_deg, lon0_deg : float
        The origin.
    rough_m : dict of str to (n,) float64
        Per lane (``out``, ``back``) the height of the road under the middle of an axle, every
        `STEP_M` along the street, m.
    defects : tuple of Defect
    """

    east_m: Floats
    north_m: Floats
    lat0_deg: float
    lon0_deg: float
    rough_m: dict[str, Floats]
    defects: tuple[Defect, ...] = ()
    corner_m: Floats = field(init=False)

    def __post_init__(self) -> None:
        steps = np.hypot(np.diff(self.east_m), np.diff(self.north_m))
        object.__setattr__(self, "corner_m", np.concatenate(([0.0], np.cumsum(steps))))

    @property
    def length_m(self) -> float:
        """Length of the centreline, m."""
        return float(self.corner_m[-1])


def make_street(
    east_m: Floats, north_m: Floats, *, lat0_deg: float, lon0_deg: float,
    gd_m3: float, defects: Sequence[Defect], rng: np.random.Generator,
) -> Street:  # fmt: skip
    """A street along the given corners with random roughness of density `gd_m3` at 0.1 cycles/m.

    >>> s = make_street(np.array([0.0, 300.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...                 gd_m3=16e-6, defects=(), rng=np.random.default_rng(1))
    >>> s.length_m, s.rough_m["out"].size
    (300.0, 15001)
    """
    length_m = float(np.sum(np.hypot(np.diff(east_m), np.diff(north_m))))
    rough = {d: axle_roughness(length_m, gd_m3=gd_m3, rng=rng) for d in (OUT, BACK)}
    return Street(east_m, north_m, lat0_deg, lon0_deg, rough, tuple(defects))


def roughness(length_m: float, *, gd_m3: float, rng: np.random.Generator) -> Floats:
    """Height of one wheel path every `STEP_M`, m, with the spectrum of ISO 8608 (waviness 2).

    Gaussian white noise is shaped in the frequency domain to
    ``Gd(n) = gd_m3 * (n / 0.1)**-2`` inside 0.011-2.83 cycles/m.

    >>> roughness(100.0, gd_m3=0.0, rng=np.random.default_rng(0)).any()
    np.False_
    """
    count = round(length_m / STEP_M) + 1
    n = np.fft.rfftfreq(count, STEP_M)
    inside = (n >= ISO_BAND[0]) & (n <= ISO_BAND[1])
    density = np.zeros_like(n)
    density[inside] = gd_m3 * (n[inside] / ISO_N0) ** -2
    white = np.fft.rfft(rng.standard_normal(count))
    # One-sided density S and spacing d: |X|² = S · count / (2 d), white noise has |X|² = count.
    return np.asarray(np.fft.irfft(white * np.sqrt(density / (2 * STEP_M)), count))


def axle_roughness(length_m: float, *, gd_m3: float, rng: np.random.Generator) -> Floats:
    """Mean height of two wheel paths, m: alike below, unlike above 0.2 cycles/m.

    Wheel paths 1.5 m apart share the waves that are much longer than that and not the shorter
    ones; a sharp change at 5 m is the simplest such pair. Chosen by us.

    >>> axle_roughness(10.0, gd_m3=0.0, rng=np.random.default_rng(0)).size
    501
    """
    left = roughness(length_m, gd_m3=gd_m3, rng=rng)
    right = roughness(length_m, gd_m3=gd_m3, rng=rng)
    n = np.fft.rfftfreq(left.size, STEP_M)
    # The mean of two unlike paths has half their density, of two alike paths the whole.
    shared = np.where(n < 0.2, 1.0, np.sqrt(0.5))
    mean = (left + right) / np.sqrt(2.0)
    return np.asarray(np.fft.irfft(np.fft.rfft(mean) * shared, left.size))


def profile(street: Street, direction: str, *, hit: Iterable[str]) -> Floats:
    """Height under an axle every `STEP_M` along the street in the lane of `direction`, m.

    A linear car with equal sides bounces and pitches with the mean of its two wheels, so a defect
    in one wheel path counts half; its roll is left out.

    Parameters
    ----------
    hit : iterable of str
        Ids of the defects that the wheels do not miss.

    >>> s = make_street(np.array([0.0, 50.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...     gd_m3=0.0, defects=[pothole("p", 20.0, depth_m=0.06, length_m=0.6)],
    ...     rng=np.random.default_rng(1))
    >>> float(profile(s, "out", hit=["p"]).min()), float(profile(s, "back", hit=["p"]).min())
    (-0.03, 0.0)
    """
    hit = frozenset(hit)
    height = street.rough_m[direction].copy()
    for d in street.defects:  # a handful of defects, each a short slice
        if d.defect_id in hit and d.lies_in(direction):
            first = max(int((d.along_m - d.length_m) / STEP_M), 0)
            last = int((d.along_m + d.length_m) / STEP_M) + 2
            x = np.arange(first, min(last, height.size)) * STEP_M - d.along_m
            shape = SHAPES[d.kind](x.astype(np.float64), d.length_m)
            height[first:last] += d.height_m * d.wheels / 2 * shape
    return height


def draw_hits(street: Street, direction: str, *, rng: np.random.Generator) -> tuple[str, ...]:
    """Ids of the defects in the lane that one drive does not miss, in order of the street's list.

    >>> s = make_street(np.array([0.0, 50.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...     gd_m3=0.0, defects=[hump("h", 20.0)], rng=np.random.default_rng(1))
    >>> draw_hits(s, "out", rng=np.random.default_rng(2))
    ('h',)
    """
    luck = rng.random(len(street.defects))
    return tuple(
        d.defect_id
        for d, u in zip(street.defects, luck, strict=True)
        if d.lies_in(direction) and u < d.hit_probability
    )


def heading_rad(street: Street, along_m: Floats, *, direction: str) -> Floats:
    """Direction of travel along the street, radians clockwise from north, without wrapping.

    Corners are rounded over 20 m, as a car takes them.

    >>> s = make_street(np.array([0.0, 50.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=0.0,
    ...                 gd_m3=0.0, defects=(), rng=np.random.default_rng(1))
    >>> np.degrees(heading_rad(s, np.array([25.0]), direction="back")).tolist()
    [270.0]
    """
    grid = np.arange(0.0, street.length_m + 1.0)
    legs = np.unwrap(np.arctan2(np.diff(street.east_m), np.diff(street.north_m)))
    leg = np.clip(np.searchsorted(street.corner_m, grid, side="right") - 1, 0, legs.size - 1)
    padded = np.pad(legs[leg], 10, mode="edge")
    smooth = np.convolve(padded, np.full(21, 1 / 21), mode="valid")
    turned = 0.0 if direction == OUT else np.pi
    return np.asarray(np.interp(along_m, grid, smooth) + turned)


def place(street: Street, along_m: Floats, right_m: Floats | float) -> tuple[Floats, Floats]:
    """Latitude and longitude, degrees, of points along the street.

    Parameters
    ----------
    right_m : float or (n,) float64
        Distance from the centreline, m, to the right of the ``out`` direction.

    >>> s = make_street(np.array([0.0, 50.0]), np.zeros(2), lat0_deg=0.0, lon0_deg=10.0,
    ...                 gd_m3=0.0, defects=(), rng=np.random.default_rng(1))
    >>> lat, lon = place(s, np.array([0.0]), 111.2)
    >>> round(float(lat[0]), 4), float(lon[0])
    (-0.001, 10.0)
    """
    east = np.interp(along_m, street.corner_m, street.east_m)
    north = np.interp(along_m, street.corner_m, street.north_m)
    psi = heading_rad(street, along_m, direction=OUT)
    return from_local_m(
        np.asarray(east + right_m * np.cos(psi)),
        np.asarray(north - right_m * np.sin(psi)),
        lat0_deg=street.lat0_deg,
        lon0_deg=street.lon0_deg,
    )
