"""Exactly one city, or none and a person decides."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from streetbump.cityprofile import BBox, BoundaryFile, CityProfile, Radius
from streetbump.errors import ConfigError
from streetbump.submit.routing import City, OtherArea, polygon_wkb, route, shapes_wkb

Make = Callable[..., CityProfile]
SQUARE = (
    '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry":'
    '{"type": "Polygon", "coordinates": [[[-72,42],[-71,42],[-71,43],[-72,43],[-72,42]]]}}]}'
)
METRE_DEG = 1 / 111_195


def boxed(city: Make, name: str, west: float, south: float, east: float, north: float) -> City:
    return City(city(name=name, boundary=BBox(west=west, south=south, east=east, north=north)))


@pytest.mark.parametrize(
    ("metres", "said"),
    [(10, "b"), (6, "b"), (4, None), (0, None), (-4, None), (-6, "outside")],
)
@pytest.mark.parametrize("shape", ["box", "circle", "polygon"])
def test_border_is_as_wide_as_the_position_error(
    city: Make, shape: str, metres: float, said: str | None
) -> None:
    """Nearer to the border than the position error: for a person; else in or out."""
    north = 42.5 if shape != "polygon" else 43.0
    one = {
        "box": City(city(name="b", boundary=BBox(west=-72, south=42, east=-71, north=42.5))),
        "circle": City(
            city(name="b", boundary=Radius(lat_deg=42.4, lon_deg=-71.5, radius_m=0.1 / METRE_DEG))
        ),
        "polygon": City(
            city(name="b", boundary=BoundaryFile(path="x")), polygon_wkb(SQUARE, where="x")
        ),
    }[shape]
    routed = route(north - metres * METRE_DEG, -71.5, pos_err_m=5.0, cities=[one])
    assert routed.city == (said if said == "b" else None)
    assert routed.for_person == (said is None)


@pytest.mark.parametrize("seed", range(50))
def test_a_drive_over_the_border_is_the_citys_within_it_only(city: Make, seed: int) -> None:
    """Of places along a street that crosses the border, those inside are the city's.

    Places nearer to the border than their error, by up to 1 %, are for a person; farther ones not.
    """
    rng = np.random.default_rng(seed)
    edge, err_m = rng.uniform(-60, 60), rng.uniform(1, 30)
    one = boxed(city, "b", -72, edge - 1, -71, edge)
    inside_m = rng.uniform(1, 500, 40) * rng.choice((-1, 1), 40)
    inside_m[:4] = np.array([1.01, -1.01, 0.99, -0.99]) * err_m  # near misses, on both sides
    for metres in inside_m:
        routed = route(edge - metres * METRE_DEG, -71.5, pos_err_m=err_m, cities=[one])
        assert (routed.city == "b") == (metres > err_m)
        assert routed.for_person == (abs(metres) < err_m)


def test_overlapping_cities_are_for_a_person(city: Make) -> None:
    """Inside two cities is inside none."""
    both = [boxed(city, "a", -72, 42, -71, 43), boxed(city, "b", -71.5, 42, -70, 43)]
    routed = route(42.5, -71.2, pos_err_m=2.0, cities=both)
    assert (routed.city, routed.for_person) == (None, True)
    assert "a or b" in routed.why
    assert route(42.5, -71.8, pos_err_m=2.0, cities=both).city == "a"
    assert route(42.5, -71.8, pos_err_m=2.0, cities=both[::-1]).city == "a"


@pytest.mark.parametrize(
    ("lat", "lon", "err"),
    [
        (math.nan, 1.0, 1.0), (1.0, math.inf, 1.0), (1.0, 1.0, math.nan), (91.0, 0.0, 1.0),
        (1.0, 181.0, 1.0), (0.0, 0.0, 1.0), (1.0, 1.0, -1.0),
    ],
)  # fmt: skip
def test_impossible_position_has_no_city(city: Make, lat: float, lon: float, err: float) -> None:
    """Not finite, not on Earth, or exactly 0, 0: nobody's, though a city spans the whole world."""
    assert route(lat, lon, pos_err_m=err, cities=[City(city())]).city is None


def test_box_across_the_antimeridian(city: Make) -> None:
    """A box may run over the date line; its other side is outside."""
    fiji = [boxed(city, "fiji", 177, -20, -178, -15)]
    assert route(-17, 179.99, pos_err_m=2, cities=fiji).city == "fiji"
    assert route(-17, -179.99, pos_err_m=2, cities=fiji).city == "fiji"
    assert route(-17, 176.9, pos_err_m=2, cities=fiji).city is None
    assert route(-17, 0.0, pos_err_m=2, cities=fiji).city is None


def test_whole_world_has_no_border(city: Make) -> None:
    """The box of the whole world is entered nowhere: even 180° is inside."""
    assert route(42.0, 180.0, pos_err_m=50, cities=[City(city())]).city == "sandbox"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not GeoJSON"),
        ("[]", "not a GeoJSON object"),
        ('{"type": "FeatureCollection", "features": []}', "no polygon"),
        ('{"type": "Point", "coordinates": [0, 0]}', "made of polygons"),
        ('{"type": "Polygon", "coordinates": [[[0,0],[1,1],[0,1],[1,0],[0,0]]]}', "not simple"),
        ('{"type": "Polygon", "coordinates": [[[0,0],[9e5,0],[9e5,9e5],[0,0]]]}', "in degrees"),
        ('{"type": "Feature", "geometry": null}', "not a GeoJSON object"),
        ('{"type": "Polygon", "coordinates": "x"}', "x.json"),
    ],
)
def test_bad_boundary_file_is_refused(text: str, said: str) -> None:
    """A boundary that is not one simple area in degrees is refused with its file."""
    with pytest.raises(ConfigError, match=said):
        polygon_wkb(text, where="x.json")


def test_boundary_file_must_have_been_read(city: Make) -> None:
    """A file boundary without its polygon is an error, not an empty city."""
    profile = msgspec.structs.replace(city(), boundary=BoundaryFile(path="x"))
    with pytest.raises(ConfigError, match="was not read"):
        route(1.0, 1.0, pos_err_m=1.0, cities=[City(profile)])


STATE_ROAD = '{"type": "LineString", "coordinates": [[-71.9, 42.5], [-71.1, 42.5]]}'
PARK = '{"type": "Polygon", "coordinates": [[[-71.6,42.1],[-71.5,42.1],[-71.5,42.2],[-71.6,42.1]]]}'


@pytest.mark.parametrize(
    ("lat", "lon", "said"),
    [
        (42.5, -71.5, "the State"),  # on the road
        (42.5 + 18 * METRE_DEG, -71.5, "the State"),  # within its width and our error
        (42.5 + 25 * METRE_DEG, -71.5, None),
        (42.11, -71.51, "Parks"),
        (42.11, -71.4, None),
    ],
)
def test_ground_of_another_owner_is_for_a_person(
    city: Make, lat: float, lon: float, said: str | None
) -> None:
    """A state road or a park inside a city is not the city's: a person decides."""
    profile = city(name="b", boundary=BoundaryFile(path="x"))
    others = (
        OtherArea("the State", shapes_wkb(STATE_ROAD, where="r"), 15.0),
        OtherArea("Parks", shapes_wkb(PARK, where="p"), 0.0),
    )
    one = City(profile, polygon_wkb(SQUARE, where="x"), others)
    routed = route(lat, lon, pos_err_m=5.0, cities=[one])
    assert (routed.city, routed.for_person) == (None if said else "b", said is not None)
    assert said is None or said in routed.why


def test_hole_in_a_polygon_is_outside(city: Make) -> None:
    """A town inside a city's ring is not the city."""
    ring = "[[-72,42],[-71,42],[-71,43],[-72,43],[-72,42]]"
    hole = "[[-71.6,42.4],[-71.4,42.4],[-71.4,42.6],[-71.6,42.6],[-71.6,42.4]]"
    wkb = polygon_wkb(f'{{"type":"Polygon","coordinates":[{ring},{hole}]}}', where="x")
    one = City(city(name="b", boundary=BoundaryFile(path="x")), wkb)
    assert route(42.5, -71.5, pos_err_m=5.0, cities=[one]).why == "outside the area of every city"
    assert route(42.3, -71.5, pos_err_m=5.0, cities=[one]).city == "b"
    assert route(42.4, -71.5, pos_err_m=5.0, cities=[one]).for_person
