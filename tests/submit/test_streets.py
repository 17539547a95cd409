"""Where a place is in words."""

from __future__ import annotations

import json
import math

import pytest

from streetbump.errors import ConfigError
from streetbump.submit.streets import street_layer
from tests.conftest import shared_data

METRE_DEG = 1 / 111_195


def layer_of(*streets: tuple[str | None, list[list[float]]]) -> str:
    features = [
        {"type": "Feature", "properties": {"name": name},
         "geometry": {"type": "LineString", "coordinates": line}}
        for name, line in streets
    ]  # fmt: skip
    return json.dumps({"type": "FeatureCollection", "features": features})


TOWN = layer_of(
    ("Main St", [[0, 0], [0.002, 0]]),
    ("Main St", [[0.002, 0], [0.004, 0]]),
    ("Oak St", [[0.001, -0.001], [0.001, 0.001]]),
    ("Elm St", [[0.003, 0], [0.003, 0.001]]),
    ("Bridge", [[0.002, 0.0001], [0.0022, 0.0001]]),  # over it: near, but it does not meet
    (None, [[0, 0], [0, 1]]),
)


@pytest.mark.parametrize(
    ("lat", "lon", "words"),
    [
        (3 * METRE_DEG, 0.0012, ("Main St", "Oak St")),
        (-3 * METRE_DEG, 0.0028, ("Main St", "Elm St")),
        (-3 * METRE_DEG, 0.0021, ("Main St", "Elm St")),  # not the bridge
        (60 * METRE_DEG, 0.001, ("Oak St", "Main St")),
        (-40 * METRE_DEG, 0.002, ("", "")),  # on no street
        (math.nan, 0.0, ("", "")),
    ],
)
def test_street_and_cross_street(lat: float, lon: float, words: tuple[str, str]) -> None:
    """The nearest street, and the nearest one that meets it; none from afar."""
    assert street_layer(TOWN, name_field="name", where="s").words(lat, lon, within_m=30) == words


@pytest.mark.parametrize(
    ("text", "said"),
    [("{", "not GeoJSON"), ("[]", "no line"), (TOWN.replace("name", "label"), "no line in it"),
     ('{"features": [7]}', "not GeoJSON"),
     ('{"type": "Feature", "properties": {"name": "a"}, "geometry": {"type": "LineString",'
      ' "coordinates": "x"}}', "not GeoJSON")],
)  # fmt: skip
def test_bad_layer_is_refused_with_its_file(text: str, said: str) -> None:
    """A layer that cannot name a street is refused when the profile is read."""
    with pytest.raises(ConfigError, match=f"s.geojson: {said}"):
        street_layer(text, name_field="name", where="s.geojson")


def test_a_real_citys_centre_lines() -> None:
    """The published centre lines of a city are read as they come (development data)."""
    path = shared_data("cambridge_open_data", "TRANS_Centerlines.geojson")
    layer = street_layer(path.read_text("utf-8"), name_field="Label", where="c")
    assert layer.words(42.373587, -71.09974, within_m=30)[0] == "Cambridge St"
