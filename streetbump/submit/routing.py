"""Which city a place belongs to: exactly one, or none and a person decides."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from streetbump.cityprofile import BBox, BoundaryFile, CityProfile, Radius
from streetbump.errors import ConfigError
from streetbump.geo import MEAN_RADIUS_M, distance_m, local_m
from streetbump.model import Floats
from streetbump.submit.streets import StreetLayer

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_DEGREE_M = math.radians(1.0) * MEAN_RADIUS_M
_NULL_ISLAND_DEG = 1e-6
"""A position this near to 0, 0 is a receiver's way of saying nothing."""


@dataclass(frozen=True)
class OtherArea:
    """Ground inside a city that somebody else looks after; what :func:`shapes_wkb` made of it."""

    owner: str
    wkb: bytes
    buffer_m: float


@dataclass(frozen=True)
class City:
    """A profile together with what its files hold.

    `polygon_wkb` is what :func:`polygon_wkb` made of the boundary's file.
    """

    profile: CityProfile
    polygon_wkb: bytes | None = None
    others: tuple[OtherArea, ...] = ()
    streets: StreetLayer | None = None

    @property
    def name(self) -> str:
        """The slug of the profile."""
        return self.profile.name


@dataclass(frozen=True)
class Routed:
    """The one city that a position belongs to, or None and why.

    `for_person` is set when the position may belong to a city, but the program must not choose.
    """

    city: str | None
    why: str
    for_person: bool = False


def route(lat_deg: float, lon_deg: float, *, pos_err_m: float, cities: Sequence[City]) -> Routed:
    """The one city whose area holds the position for sure.

    Parameters
    ----------
    lat_deg, lon_deg : float
        Position, degrees; not finite gives no city.
    pos_err_m : float
        Standard error of the position, m: nearer to a border than this is for a person.
    cities : sequence of City
        The profiles in use.

    >>> from streetbump.cityprofile import shipped_city
    >>> route(42.0, -71.0, pos_err_m=3.0, cities=[City(shipped_city("sandbox"))]).city
    'sandbox'
    """
    problem = position_problem(lat_deg, lon_deg, pos_err_m)
    if problem:
        return Routed(None, problem)
    depth = {c.name: _depth_m(lat_deg, lon_deg, c) for c in cities}
    near = sorted(name for name, d in depth.items() if d >= -pos_err_m)
    if not near:
        return Routed(None, "outside the area of every city")
    if len(near) > 1:
        return Routed(None, f"may belong to {' or '.join(near)}: for a person", for_person=True)
    if depth[near[0]] < pos_err_m:
        why = f"within its position error ({pos_err_m:.0f} m) of the border of {near[0]}"
        return Routed(None, f"{why}: for a person", for_person=True)
    owner = _other_owner(lat_deg, lon_deg, pos_err_m, next(c for c in cities if c.name == near[0]))
    if owner:
        why = f"in {near[0]}, but {owner} may look after it: for a person"
        return Routed(None, why, for_person=True)
    return Routed(near[0], f"inside {near[0]}")


def _other_owner(lat_deg: float, lon_deg: float, pos_err_m: float, city: City) -> str:
    """Who else may look after this place; empty for nobody."""
    for area in city.others:
        reach_m = area.buffer_m + pos_err_m
        if _away_m(lat_deg, lon_deg, area.wkb, reach_m) <= reach_m:
            return area.owner
    return ""


def _away_m(lat_deg: float, lon_deg: float, wkb: bytes, reach_m: float) -> float:
    """How far a position is from a shape, m; inf when further than `reach_m` without doubt."""
    import shapely

    shape, here = _geometry(wkb), shapely.Point(lon_deg, lat_deg)
    # A degree is at least this long: cheap, and enough for nearly every place.
    least_m = float(shapely.distance(shape, here)) * _DEGREE_M * math.cos(math.radians(lat_deg))
    if least_m > 1.1 * reach_m:
        return math.inf
    around = shapely.transform(shape, _plane_at(lat_deg, lon_deg))
    return float(shapely.distance(around, shapely.Point(0.0, 0.0)))


def _plane_at(lat_deg: float, lon_deg: float) -> Callable[[Floats], Floats]:
    """Degrees to metres east and north of a position."""

    def plane(lonlat: Floats) -> Floats:
        east, north = local_m(lonlat[:, 1], lonlat[:, 0], lat0_deg=lat_deg, lon0_deg=lon_deg)
        return np.column_stack((east, north))

    return plane


def middle(city: City) -> tuple[float, float]:
    """A position inside a city, degrees: the middle of a box or circle, somewhere in a polygon.

    >>> from streetbump.cityprofile import shipped_city
    >>> middle(City(shipped_city("sandbox")))
    (0.0, 0.0)
    """
    boundary = city.profile.boundary
    if isinstance(boundary, Radius):
        return boundary.lat_deg, boundary.lon_deg
    if isinstance(boundary, BBox):
        width = (boundary.east - boundary.west) % 360 or 360
        lon_deg = (boundary.west + width / 2 + 180) % 360 - 180
        return (boundary.south + boundary.north) / 2, lon_deg
    point = _geometry(_polygon_of(city, boundary)).representative_point()
    return float(point.y), float(point.x)


def position_problem(lat_deg: float, lon_deg: float, pos_err_m: float) -> str:
    """Why a position cannot be sent to anybody; empty when it can.

    >>> position_problem(91.0, 0.0, 2.0)
    'the position is not on Earth'
    """
    if not all(map(math.isfinite, (lat_deg, lon_deg, pos_err_m))) or pos_err_m < 0:
        return "the position is unknown"
    if abs(lat_deg) > 90 or abs(lon_deg) > 180:
        return "the position is not on Earth"
    if abs(lat_deg) < _NULL_ISLAND_DEG and abs(lon_deg) < _NULL_ISLAND_DEG:
        return "the position is 0, 0, which is what a receiver without a fix reports"
    return ""


def _depth_m(lat_deg: float, lon_deg: float, city: City) -> float:
    """How far inside the city a position lies, m; negative outside."""
    boundary = city.profile.boundary
    if isinstance(boundary, BBox):
        return _depth_in_box_m(lat_deg, lon_deg, boundary)
    if isinstance(boundary, Radius):
        away = distance_m(lat_deg, lon_deg, boundary.lat_deg, boundary.lon_deg)
        return boundary.radius_m - float(away)
    return _depth_in_polygon_m(lat_deg, lon_deg, _polygon_of(city, boundary))


def _depth_in_box_m(lat_deg: float, lon_deg: float, box: BBox) -> float:
    # A side on a pole is no border, nor are the sides of a box that goes round the Earth.
    to_north = math.inf if box.north == 90 else (box.north - lat_deg) * _DEGREE_M
    to_south = math.inf if box.south == -90 else (lat_deg - box.south) * _DEGREE_M
    return min(to_north, to_south, _depth_in_longitude_m(lat_deg, lon_deg, box))


def _depth_in_longitude_m(lat_deg: float, lon_deg: float, box: BBox) -> float:
    width = box.east - box.west if box.west < box.east else box.east - box.west + 360
    if width >= 360:
        return math.inf
    from_west = (lon_deg - box.west) % 360
    inside = min(from_west, width - from_west)  # negative beyond the eastern side
    outside = min(from_west - width, 360 - from_west)
    degrees = inside if from_west <= width else -outside
    return degrees * _DEGREE_M * math.cos(math.radians(lat_deg))


def _polygon_of(city: City, boundary: BoundaryFile) -> bytes:
    if city.polygon_wkb is None:
        raise ConfigError(f"{city.name}: boundary.path: {boundary.path} was not read")
    return city.polygon_wkb


@lru_cache(maxsize=64)
def _geometry(wkb: bytes) -> BaseGeometry:
    import shapely

    shape = shapely.from_wkb(wkb)
    shapely.prepare(shape)
    return shape


def _depth_in_polygon_m(lat_deg: float, lon_deg: float, wkb: bytes) -> float:
    import shapely

    shape = _geometry(wkb)
    inside = bool(shapely.contains_xy(shape, lon_deg, lat_deg))

    border = shapely.transform(shapely.boundary(shape), _plane_at(lat_deg, lon_deg))
    to_border = float(shapely.distance(border, shapely.Point(0.0, 0.0)))
    return to_border if inside else -to_border


def polygon_wkb(geojson: str, *, where: str) -> bytes:
    """The area in a GeoJSON text (geometry, feature or collection), as well-known binary.

    Several polygons are joined to one area. `where` names the file in an error.

    Raises
    ------
    ConfigError
        Not GeoJSON, no polygon in it, or one that crosses itself.

    >>> ring = "[[0,0],[1,0],[1,1],[0,0]]"
    >>> len(polygon_wkb('{"type":"Polygon","coordinates":[' + ring + ']}', where="a.geojson"))
    77
    """
    return _wkb(geojson, where, _AREAS)


def shapes_wkb(geojson: str, *, where: str) -> bytes:
    """The polygons and lines in a GeoJSON text, as one well-known binary. Raises as above.

    >>> line = '{"type":"LineString","coordinates":[[0,0],[1,0]]}'
    >>> len(shapes_wkb(line, where="a.geojson"))
    41
    """
    return _wkb(geojson, where, _AREAS | {"LineString", "MultiLineString"})


_AREAS = frozenset({"Polygon", "MultiPolygon"})


def _wkb(geojson: str, where: str, kinds: frozenset[str]) -> bytes:
    import shapely

    try:
        shapes = [_shape(g, kinds) for g in _geometries(msgspec.json.decode(geojson))]
    except (msgspec.DecodeError, shapely.errors.ShapelyError, RecursionError) as exc:
        raise ConfigError(f"{where}: not GeoJSON: {exc}") from exc
    except ValueError as exc:
        raise ConfigError(f"{where}: {exc}") from exc
    if not shapes:
        raise ConfigError(f"{where}: no polygon in it")
    joined = shapely.union_all(shapes)
    west, south, east, north = joined.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise ConfigError(f"{where}: must be in degrees, longitude before latitude (WGS 84)")
    return bytes(shapely.to_wkb(joined))


def _geometries(value: object) -> list[dict[str, object]]:
    """The geometries of a GeoJSON document (RFC 7946), flat."""
    if not isinstance(value, dict):
        raise ValueError("not a GeoJSON object")
    if value.get("type") == "FeatureCollection":
        return [g for f in value.get("features") or () for g in _geometries(f)]
    if value.get("type") == "Feature":
        return _geometries(value.get("geometry"))
    return [value]


def _shape(geometry: dict[str, object], kinds: frozenset[str]) -> BaseGeometry:
    import shapely

    shape = shapely.from_geojson(msgspec.json.encode(geometry))
    if shape.geom_type not in kinds or shape.is_empty:
        wanted = "polygons" if kinds == _AREAS else "polygons and lines"
        raise ValueError(f"a boundary is made of {wanted} (found {shape.geom_type})")
    if not shape.is_valid:
        raise ValueError(f"the polygon is not simple: {shapely.is_valid_reason(shape)}")
    return shape
