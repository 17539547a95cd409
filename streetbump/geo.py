"""Degrees ↔ metres, storage cells, pass bins, headings.

Distances between jolts are straight lines between points of the WGS 84 ellipsoid in whole
millimetres: one length for a pair everywhere, no seam at a zone border or the antimeridian.
"""

from __future__ import annotations

import numpy as np

from streetbump.model import Bools, Floats, Ints

WGS84_A_M = 6378137.0
"""Semi-major axis of WGS 84, m (NIMA TR8350.2)."""
WGS84_F = 1 / 298.257223563
"""Flattening of WGS 84 (NIMA TR8350.2)."""
MEAN_RADIUS_M = 6371008.8
"""Mean Earth radius R1, m (IUGG; Moritz 2000, doi 10.1007/s001900050278)."""
_LEAST_RADIUS_M = WGS84_A_M * (1 - WGS84_F) ** 2  # of curvature: a degree is nowhere shorter

CELL_E7 = 50_000
"""Side of a storage cell, 1e-7°: 0.005°, some 550 m of latitude. Chosen by us: a ten-minute trip
touches about a dozen, and each is two halos wide. Cells never show in an output."""
_CELL_COLUMNS = 3_600_000_000 // CELL_E7

BIN_E7 = 2_000
"""Side of a pass bin in latitude, 1e-7°: 22 m. Chosen by us: as fine as single fixes allow."""
_BIN_ROWS = 1_800_000_000 // BIN_E7


def to_e7(deg: Floats) -> Ints:
    """Degrees as whole 1e-7 degrees. NaN is not allowed.

    >>> to_e7(np.array([-0.00000005, 12.5])).tolist()
    [0, 125000000]
    """
    return np.rint(np.asarray(deg, dtype=np.float64) * 1e7).astype(np.int64)


def ecef_mm(lat_deg: Floats, lon_deg: Floats) -> Ints:
    """Earth-centred coordinates of points on the ellipsoid, shape (n, 3), whole millimetres.

    >>> ecef_mm(np.array([0.0]), np.array([0.0])).tolist()
    [[6378137000, 0, 0]]
    """
    lat = np.radians(np.asarray(lat_deg, dtype=np.float64))
    lon = np.radians(np.asarray(lon_deg, dtype=np.float64))
    e2 = WGS84_F * (2 - WGS84_F)
    sin_lat = np.sin(lat)
    n = WGS84_A_M / np.sqrt(1 - e2 * sin_lat**2)
    from_axis = n * np.cos(lat)
    xyz = np.column_stack(
        (from_axis * np.cos(lon), from_axis * np.sin(lon), n * (1 - e2) * sin_lat)
    )
    return np.rint(xyz * 1000).astype(np.int64)


def ecef_m(lat_deg: Floats, lon_deg: Floats) -> Floats:
    """:func:`ecef_mm` in metres, shape (n, 3)."""
    return ecef_mm(lat_deg, lon_deg) / 1000.0


def distance_m(
    lat1_deg: Floats | float, lon1_deg: Floats | float,
    lat2_deg: Floats | float, lon2_deg: Floats | float,
) -> Floats:  # fmt: skip
    """Great-circle distance by the haversine formula, m (0.5 % of the ellipsoid's). NaN stays NaN.

    >>> round(float(distance_m(0.0, 179.9999, 0.0, -179.9999)), 1)
    22.2
    """
    p1, p2 = np.radians(lat1_deg), np.radians(lat2_deg)
    dl = np.radians(np.asarray(lon2_deg) - np.asarray(lon1_deg))
    h = np.sin((p2 - p1) / 2) ** 2 + np.cos(p1) * np.cos(p2) * np.sin(dl / 2) ** 2
    return np.asarray(2 * MEAN_RADIUS_M * np.arcsin(np.sqrt(h)))


def local_m(
    lat_deg: Floats, lon_deg: Floats, *, lat0_deg: Floats | float, lon0_deg: Floats | float
) -> tuple[Floats, Floats]:
    """East and north of points in metres from an origin nearby (good to 1e-3 within 10 km).

    One origin for all, or one for each.

    >>> e, n = local_m(np.array([0.001]), np.array([-180.0]), lat0_deg=0.0, lon0_deg=180.0)
    >>> round(float(e[0]), 3), round(float(n[0]), 1)
    (0.0, 111.2)
    """
    dlon = (np.asarray(lon_deg) - lon0_deg + 540.0) % 360.0 - 180.0
    east = np.radians(dlon) * MEAN_RADIUS_M * np.cos(np.radians(lat0_deg))
    north = np.radians(np.asarray(lat_deg) - lat0_deg) * MEAN_RADIUS_M
    return east, north


def from_local_m(
    east_m: Floats, north_m: Floats, *, lat0_deg: Floats | float, lon0_deg: Floats | float
) -> tuple[Floats, Floats]:
    """Latitude and longitude, degrees, of what :func:`local_m` gave."""
    lat: Floats = lat0_deg + np.degrees(np.asarray(north_m) / MEAN_RADIUS_M)
    lon = np.asarray(lon0_deg) + np.degrees(
        np.asarray(east_m) / (MEAN_RADIUS_M * np.cos(np.radians(lat0_deg)))
    )
    return lat, np.asarray((lon + 540.0) % 360.0 - 180.0)


def right_of_m(
    lat_deg: Floats, lon_deg: Floats, course_deg: Floats, *, lat0_deg: Floats, lon0_deg: Floats
) -> Floats:
    """How far right of an origin each point lies for who drives on a course past it, m.

    >>> here = {"lat0_deg": np.zeros(1), "lon0_deg": np.zeros(1)}
    >>> right_of_m(np.zeros(1), np.array([1e-4]), np.array([0.0]), **here).round(1).tolist()
    [11.1]
    """
    east, north = local_m(lat_deg, lon_deg, lat0_deg=lat0_deg, lon0_deg=lon0_deg)
    psi = np.radians(course_deg)
    return np.asarray(east * np.cos(psi) - north * np.sin(psi))


def bearing_deg(lat1_deg: Floats, lon1_deg: Floats, lat2_deg: Floats, lon2_deg: Floats) -> Floats:
    """Direction from point 1 to point 2 nearby, degrees clockwise from north in [0, 360).

    >>> bearing_deg(np.array([0.0]), np.array([0.0]), np.array([0.0]), np.array([0.1])).tolist()
    [90.0]
    """
    dlon = (np.asarray(lon2_deg) - lon1_deg + 540.0) % 360.0 - 180.0
    east = dlon * np.cos(np.radians((np.asarray(lat1_deg) + lat2_deg) / 2))
    return np.asarray(np.degrees(np.arctan2(east, np.asarray(lat2_deg) - lat1_deg)) % 360.0)


def heading_difference_deg(a_deg: Floats | float, b_deg: Floats | float) -> Floats:
    """Smallest angle between two headings, degrees in [0, 180]. NaN stays NaN.

    >>> heading_difference_deg(np.array([350.0, 0.0]), np.array([20.0, 180.0])).tolist()
    [30.0, 180.0]
    """
    return np.abs((np.asarray(a_deg) - np.asarray(b_deg) + 180.0) % 360.0 - 180.0)


def cell_of(lat_deg: Floats, lon_deg: Floats) -> Ints:
    """Storage cell of each position; -1 where the position is NaN.

    >>> cell_of(np.array([0.0, np.nan]), np.array([0.0, 0.0])).tolist()
    [1296036000, -1]
    """
    lat, lon = np.asarray(lat_deg, dtype=np.float64), np.asarray(lon_deg, dtype=np.float64)
    known = np.isfinite(lat) & np.isfinite(lon)
    row = (to_e7(np.where(known, lat, 0.0)) + 900_000_000) // CELL_E7
    col = (to_e7(np.where(known, lon, 0.0)) + 1_800_000_000) // CELL_E7 % _CELL_COLUMNS
    return np.asarray(np.where(known, row * _CELL_COLUMNS + col, -1))


def cells_around(cells: Ints, *, halo_m: float) -> Ints:
    """The given cells and every cell within `halo_m` of one of them, sorted, without repeats.

    >>> len(cells_around(cell_of(np.array([42.0]), np.array([-71.0])), halo_m=50.0))
    9
    """
    found: set[int] = set()
    lat_step_m = np.radians(CELL_E7 * 1e-7) * _LEAST_RADIUS_M
    for cell in np.unique(cells).tolist():  # a loop over cells, not over rows
        row, col = divmod(cell, _CELL_COLUMNS)
        rows = int(np.ceil(halo_m / lat_step_m))
        for r in range(row - rows, row + rows + 1):
            edge = max(abs(r * CELL_E7 - 900_000_000), abs((r + 1) * CELL_E7 - 900_000_000)) * 1e-7
            width_m = lat_step_m * np.cos(np.radians(min(edge, 89.99)))
            cols = min(int(np.ceil(halo_m / width_m)), _CELL_COLUMNS // 2)
            found.update(
                r * _CELL_COLUMNS + (c % _CELL_COLUMNS) for c in range(col - cols, col + cols + 1)
            )
    return np.array(sorted(found), dtype=np.int64)


def _bin_columns(row: Ints) -> Ints:
    """How many bins go round the Earth in a row of bins, so that each is some 22 m wide."""
    middle = (row * BIN_E7 + BIN_E7 // 2 - 900_000_000) * 1e-7
    return np.maximum(np.floor(360e7 / BIN_E7 * np.cos(np.radians(middle))), 1).astype(np.int64)


def bin_of(lat_deg: Floats, lon_deg: Floats) -> Ints:
    """Pass bin of each position: about 22 m square at every latitude. NaN is not allowed.

    >>> a, b = bin_of(np.array([42.0, 42.0]), np.array([-71.0, -70.9]))
    >>> int(b - a) * 22 // 1000  # some 8 km apart
    8
    """
    row = np.minimum((to_e7(lat_deg) + 900_000_000) // BIN_E7, _BIN_ROWS - 1)
    n = _bin_columns(row)
    col = (to_e7(lon_deg) + 1_800_000_000) * n // 3_600_000_000 % n
    return np.asarray(row * (1 << 32) + col)


def bin_centre(bins: Ints) -> tuple[Floats, Floats]:
    """Latitude and longitude, degrees, of the middle of each bin.

    >>> lat, lon = bin_centre(bin_of(np.array([42.0]), np.array([-71.0])))
    >>> bool(distance_m(lat[0], lon[0], 42.0, -71.0) < 16)
    True
    """
    row, col = np.asarray(bins) >> 32, np.asarray(bins) & ((1 << 32) - 1)
    lat: Floats = (row * BIN_E7 + BIN_E7 / 2 - 900_000_000) * 1e-7
    lon = (col + 0.5) * 360.0 / _bin_columns(row) - 180.0
    return lat, lon


def in_bbox(
    lat_deg: Floats, lon_deg: Floats, *, west: float, south: float, east: float, north: float
) -> Bools:
    """Whether each position lies in a box, which may cross the antimeridian (west > east).

    >>> in_bbox(np.array([0.0]), np.array([179.9]), west=179, south=-1, east=-179, north=1).tolist()
    [True]
    """
    lat, lon = np.asarray(lat_deg), np.asarray(lon_deg)
    inside_lon = (lon >= west) & (lon <= east) if west <= east else (lon >= west) | (lon <= east)
    return np.asarray((lat >= south) & (lat <= north) & inside_lon)
