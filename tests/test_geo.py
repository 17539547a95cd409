"""Degrees and metres, storage cells, pass bins and headings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from streetbump.config import BIN_HALF_DIAGONAL_M, shipped_settings
from streetbump.geo import (
    BIN_E7,
    CELL_E7,
    bearing_deg,
    bin_centre,
    bin_of,
    cell_of,
    cells_around,
    distance_m,
    ecef_mm,
    from_local_m,
    heading_difference_deg,
    in_bbox,
    local_m,
    to_e7,
)

LAT = st.floats(-85, 85)
LON = st.one_of(st.floats(-180, 180), st.sampled_from([-180.0, 179.9999999, 0.0, 180.0]))
quick = settings(max_examples=300, deadline=None, derandomize=True)
WGS84 = Geod(ellps="WGS84")


def one(x: float) -> np.ndarray:
    return np.array([x])


def straight_m(a: tuple[float, float], b: tuple[float, float]) -> float:
    """The length between two points that the clustering sees."""
    p, q = ecef_mm(one(a[0]), one(a[1])), ecef_mm(one(b[0]), one(b[1]))
    return float(np.linalg.norm((p - q).astype(float))) / 1000


# ------------------------------------------------------------------------ degrees, metres


@quick
@given(lat=LAT, lon=LON, east=st.floats(-5000, 5000), north=st.floats(-5000, 5000))
def test_metres_and_back(lat, lon, east, north):
    """Metres from an origin become degrees and the same metres again, over any meridian."""
    there = from_local_m(one(east), one(north), lat0_deg=lat, lon0_deg=lon)
    back = local_m(*there, lat0_deg=lat, lon0_deg=lon)
    assert back[0][0] == pytest.approx(east, abs=1e-4)
    assert back[1][0] == pytest.approx(north, abs=1e-6)
    assert -180 <= there[1][0] < 180


@quick
@given(e7=st.integers(-1_800_000_000, 1_800_000_000))
def test_whole_units_of_a_degree_survive(e7):
    """A canonical position becomes degrees and the same integer again."""
    assert to_e7(one(e7 * 1e-7))[0] == e7
    assert to_e7(one(e7 / 1e7))[0] == e7


@quick
@given(lat=LAT, lon=LON, azimuth=st.floats(0, 359.9), metres=st.floats(1, 5000))
def test_distance_is_the_ellipsoids_within_half_a_percent(lat, lon, azimuth, metres):
    """The haversine length is that of the ellipsoid within 0.6 %."""
    lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, metres)
    assert distance_m(lat, lon, lat2, lon2) == pytest.approx(metres, rel=0.006, abs=1e-3)


@quick
@given(lat=LAT, lon=LON, azimuth=st.floats(0, 359.9), metres=st.floats(1, 200))
def test_straight_lines_have_one_length_everywhere(lat, lon, azimuth, metres):
    """Between points in whole millimetres the straight line is the true length to 2 mm."""
    lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, metres)
    assert straight_m((lat, lon), (lat2, lon2)) == pytest.approx(metres, abs=2e-3)


@quick
@given(lat=st.floats(-90, 90), lon=LON)
def test_earth_centred_coordinates_are_those_of_proj(lat, lon):
    """Our formula gives the coordinates that PROJ gives, to the millimetre."""
    proj = Transformer.from_crs("EPSG:4979", "EPSG:4978", always_xy=True)
    expected = np.array(proj.transform(lon, lat, 0.0)) * 1000
    assert ecef_mm(one(lat), one(lon))[0] == pytest.approx(expected, abs=1.0)


@pytest.mark.parametrize("azimuth", [0.0, 37.0, 90.0, 180.0, 271.0, 359.9])
@pytest.mark.parametrize("at", [(0.0, 0.0), (42.0, -71.0), (-54.8, 180.0), (69.7, 18.9)], ids=str)
def test_bearing_is_the_direction_of_travel(at, azimuth):
    """The bearing between neighbouring fixes is the ellipsoid's within a third of a degree."""
    lon2, lat2, _ = WGS84.fwd(at[1], at[0], azimuth, 20.0)
    found = bearing_deg(one(at[0]), one(at[1]), one(lat2), one(lon2))
    assert 0 <= found[0] < 360
    assert heading_difference_deg(found, azimuth)[0] < 0.34


@quick
@given(a=st.floats(0, 360), b=st.floats(0, 360), turns=st.integers(-2, 2))
def test_heading_difference_is_symmetric_and_at_most_half_a_turn(a, b, turns):
    """Which heading comes first does not matter, nor do whole turns."""
    d = heading_difference_deg(a, b)
    assert 0 <= d <= 180
    assert d == pytest.approx(heading_difference_deg(b, a), abs=1e-9)
    assert d == pytest.approx(heading_difference_deg(a + 360 * turns, b), abs=1e-9)


def test_unknown_stays_unknown():
    """NaN gives NaN, and the cell of nowhere."""
    assert np.isnan(distance_m(np.nan, 0.0, 0.0, 0.0))
    assert np.isnan(heading_difference_deg(np.nan, 0.0))
    assert cell_of(np.array([np.nan, 0.0]), np.array([0.0, np.nan])).tolist() == [-1, -1]


# --------------------------------------------------------------------------------- cells


@quick
@given(lat=LAT, lon=LON, azimuth=st.floats(0, 359.9), share=st.floats(0, 0.9999),
       halo_m=st.sampled_from([1.0, 76.0, 300.0, 553.5, 1200.0]))  # fmt: skip
def test_cells_around_hold_everything_within_the_halo(lat, lon, azimuth, share, halo_m):
    """A point within the halo of another lies in the cells around the other's cell."""
    lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, share * halo_m)
    around = cells_around(cell_of(one(lat), one(lon)), halo_m=halo_m)
    assert cell_of(one(lat2), one(lon2))[0] in around


@quick
@given(row=st.integers(-16_900, 16_900), col=st.integers(-36_000, 35_999),
       azimuth=st.sampled_from([0.0, 90.0, 180.0, 270.0, 45.0]),
       halo_m=st.sampled_from([76.0, 553.0, 1106.0]))  # fmt: skip
def test_cells_around_hold_what_is_within_the_halo_of_a_corner(row, col, azimuth, halo_m):
    """The same from the very corners of a cell, where a length that is a little short shows."""
    for corner in ((0, 0), (1, 0), (0, 1), (1, 1)):
        inner = np.where(np.array(corner) == 1, CELL_E7 - 1, 0)
        lat, lon = (np.array([row, col]) * CELL_E7 + inner) / 1e7
        lon2, lat2, _ = WGS84.fwd(lon, lat, azimuth, halo_m * 0.99999)
        around = cells_around(cell_of(one(lat), one(lon)), halo_m=halo_m)
        assert cell_of(one(lat2), one(lon2))[0] in around


@quick
@given(lat=LAT, lon=LON)
def test_cells_around_are_few(lat, lon):
    """With the shipped halo a cell has 8 neighbours; towards the poles cells narrow: more."""
    around = cells_around(cell_of(one(lat), one(lon)), halo_m=shipped_settings().cluster.halo_m)
    assert len(around) == len(np.unique(around)) >= 9
    most = {62: 9, 79: 21, 85: 39}  # no town lies beyond 79 degrees
    assert len(around) <= next(n for up_to, n in most.items() if abs(lat) <= up_to)
    assert (np.diff(around) > 0).all()


def test_cells_around_many_are_those_around_each():
    """The halo of several cells is the union of their halos; none has none."""
    cells = cell_of(np.array([42.0, 42.0, -1.0]), np.array([-71.0, -70.99, 180.0]))
    each = [cells_around(cells[[k]], halo_m=76.0) for k in range(3)]
    assert cells_around(cells, halo_m=76.0).tolist() == np.unique(np.concatenate(each)).tolist()
    assert len(cells_around(cells[:0], halo_m=76.0)) == 0


def test_the_antimeridian_has_one_cell():
    """180° east is 180° west."""
    assert cell_of(one(5.0), one(180.0)) == cell_of(one(5.0), one(-180.0))


# ---------------------------------------------------------------------------------- bins


@quick
@given(lat=st.floats(-90, 90), lon=LON)
def test_a_bin_holds_its_centre(lat, lon):
    """The middle of a bin lies in the bin, and every point of it within half a diagonal."""
    bins = bin_of(one(lat), one(lon))
    centre = bin_centre(bins)
    assert bin_of(*centre)[0] == bins[0]
    if abs(lat) <= 85:
        apart = straight_m((lat, lon), (float(centre[0][0]), float(centre[1][0])))
        assert apart <= BIN_HALF_DIAGONAL_M


@quick
@given(lat=st.floats(-89.99, 89.99), lon=LON)
def test_bins_are_15_to_30_m_wide_at_every_latitude(lat, lon):
    """A bin is 15 to 30 m wide and high, in Quito as in Tromsø."""
    lat0, lon0 = (float(x[0]) for x in bin_centre(bin_of(one(lat), one(lon))))
    columns = {int(bin_of(one(lat0), one(x))[0]) & (2**32 - 1) for x in (-180.0, 179.9999999)}
    assert min(columns) == 0
    width = 2 * np.pi * 6_371_008.8 * np.cos(np.radians(lat0)) / (max(columns) + 1)
    height = straight_m((lat0 - BIN_E7 / 2e7, lon0), (lat0 + BIN_E7 / 2e7, lon0))
    assert 15 <= width <= 30
    assert 15 <= height <= 30


def test_bins_of_the_poles_and_the_antimeridian_exist():
    """The ends of the map are in bins as everything else is."""
    bins = bin_of(np.array([90.0, -90.0, 5.0, 5.0]), np.array([0.0, 0.0, 180.0, -180.0]))
    assert (bins >= 0).all()
    assert bins[2] == bins[3]
    lat, lon = bin_centre(bins)
    assert (np.abs(lat) <= 90).all()
    assert (np.abs(lon) <= 180).all()


# ---------------------------------------------------------------------------------- boxes

BOSTON = {"west": -71.2, "south": 42.2, "east": -70.9, "north": 42.4}
FIJI = {"west": 177.0, "south": -20.0, "east": -178.0, "north": -15.0}


@pytest.mark.parametrize(
    ("lat", "lon", "box", "inside"),
    [
        (42.3, -71.0, BOSTON, True),
        (42.2, -71.2, BOSTON, True),  # the edge belongs to it
        (42.5, -71.0, BOSTON, False),
        (42.3, 71.0, BOSTON, False),
        (-17.0, 179.5, FIJI, True),
        (-17.0, -179.5, FIJI, True),
        (-17.0, 180.0, FIJI, True),
        (-17.0, 0.0, FIJI, False),
        (np.nan, -71.0, BOSTON, False),
        (42.3, np.nan, BOSTON, False),
    ],
)
def test_boxes_may_cross_the_antimeridian(lat, lon, box, inside):
    """A box holds its edges, may cross the antimeridian, and holds nothing unknown."""
    assert in_bbox(one(lat), one(lon), **box).tolist() == [inside]
