"""Exactly one city, or none and a person decides."""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
import pytest

from streetbump.cityprofile import BBox, BoundaryFile, CityProfile, Radius
from streetbump.errors import ConfigError
from streetbump.submit.routing import City, polygon_wkb, route

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
