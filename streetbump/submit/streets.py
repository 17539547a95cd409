"""Where a place is in words: the street it lies on and the nearest cross street."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import numpy as np

from streetbump.errors import ConfigError
from streetbump.geo import MEAN_RADIUS_M
from streetbump.model import Floats

_DEGREE_M = math.radians(1.0) * MEAN_RADIUS_M
_CROSS_M = 120.0
"""A cross street further off helps nobody to find a place. Ours."""
_MEETS_M = 3.0
"""Centre lines that end this near to each other meet. Ours."""
_NAME_CHARS = 60


class StreetLayer:
    """Named centre lines of one city, on a plane whose error is under 1 % across 100 km.

    Parameters
    ----------
    names : list of str
        One for each line; parts of one street share it.
    lines : array of shapely lines
        Longitude and latitude in degrees.
    """

    def __init__(self, names: list[str], lines: Any) -> None:
        import shapely

        west, south, east, north = shapely.total_bounds(lines)
        self._mid = (west + east) / 2, (south + north) / 2
        self._names = np.array(names)
        self._lines = shapely.transform(lines, self._plane)
        self._tree = shapely.STRtree(self._lines)

    def _plane(self, lonlat: Floats) -> Floats:
        lon0, lat0 = self._mid
        east = (lonlat[:, 0] - lon0) * math.cos(math.radians(lat0))
        return np.column_stack((east, lonlat[:, 1] - lat0)) * _DEGREE_M

    def words(self, lat_deg: float, lon_deg: float, *, within_m: float) -> tuple[str, str]:
        """The street at a position and its nearest cross street; each empty when there is none.

        Parameters
        ----------
        lat_deg, lon_deg : float
            Position, degrees; not finite gives no street.
        within_m : float
            A street further off than this is not the one.

        >>> text = '{"type":"Feature","properties":{"name":"%s"},"geometry":{"type":"LineString",'
        >>> main = (text + '"coordinates":[[0,1],[0.01,1]]}}') % "Main St"
        >>> oak = (text + '"coordinates":[[0.001,1],[0.001,1.01]]}}') % "Oak St"
        >>> both = '{"type":"FeatureCollection","features":[' + main + "," + oak + "]}"
        >>> street_layer(both, name_field="name", where="s").words(1.0, 0.0012, within_m=20)
        ('Main St', 'Oak St')
        """
        import shapely

        if not (math.isfinite(lat_deg) and math.isfinite(lon_deg)):
            return "", ""
        ((east, north),) = self._plane(np.array([[lon_deg, lat_deg]]))
        here = shapely.Point(east, north)
        near = self._by_distance(here, _CROSS_M)
        if not near or near[0][0] > within_m:
            return "", ""
        street = near[0][1]
        own = shapely.union_all([line for _, name, line in near if name == street])
        meets = (name for _, name, line in near
                 if name != street and shapely.distance(own, line) <= _MEETS_M)  # fmt: skip
        return street, next(meets, "")

    def _by_distance(self, here: Any, within_m: float) -> list[tuple[float, str, Any]]:
        import shapely

        rows = self._tree.query(here, predicate="dwithin", distance=within_m)
        away_m = shapely.distance(self._lines[rows], here)
        found = zip(away_m.tolist(), self._names[rows].tolist(), self._lines[rows], strict=True)
        return sorted(found, key=lambda row: row[:2])


def street_layer(geojson: str, *, name_field: str, where: str) -> StreetLayer:
    """The named lines of a GeoJSON text; `where` names the file in an error.

    Raises
    ------
    ConfigError
        Not GeoJSON, or no line in it that has a name under `name_field`.
    """
    import shapely

    try:
        document = msgspec.json.decode(geojson)
        features = document.get("features", [document]) if isinstance(document, dict) else []
        named = [(_name(f, name_field), f["geometry"]) for f in features if f.get("geometry")]
        kept = [(name, g) for name, g in named if name and "LineString" in g.get("type", "")]
        lines = shapely.from_geojson([msgspec.json.encode(g) for _, g in kept])
    except (msgspec.DecodeError, shapely.errors.ShapelyError, AttributeError, TypeError) as exc:
        raise ConfigError(f"{where}: not GeoJSON: {exc}") from exc
    if not kept:
        raise ConfigError(f"{where}: no line in it has a name under {name_field!r}")
    return StreetLayer([name for name, _ in kept], lines)


def _name(feature: dict[str, Any], field: str) -> str:
    value = (feature.get("properties") or {}).get(field)
    return " ".join(value.split())[:_NAME_CHARS] if isinstance(value, str) else ""
