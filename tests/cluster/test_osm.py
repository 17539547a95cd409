"""OpenStreetMap extracts: every tag that cars feel is an obstacle, and nothing else is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from streetbump.cluster import osm
from streetbump.cluster.inventory import Inventory, read_inventory
from streetbump.errors import InputError


def extract(*elements: str) -> bytes:
    return f'<?xml version="1.0"?>\n<osm version="0.6">{"".join(elements)}</osm>'.encode()


def node(ref: int, lon: float = -71.0, lat: float = 42.0, **tags: str) -> str:
    return f'<node id="{ref}" lat="{lat}" lon="{lon}">{_tags(tags)}</node>'


def way(ref: int, *nodes: int, **tags: str) -> str:
    refs = "".join(f'<nd ref="{n}"/>' for n in nodes)
    return f'<way id="{ref}">{refs}{_tags(tags)}</way>'


def _tags(tags: dict[str, str]) -> str:
    return "".join(f'<tag k="{k.replace("__", ":")}" v="{v}"/>' for k, v in tags.items())


def read(*elements: str) -> Inventory:
    return read_inventory(extract(*elements), source="osm")


@pytest.mark.parametrize(
    ("tags", "kind", "excuses"),
    [
        ({"traffic_calming": "hump"}, "hump", "hump"),
        ({"traffic_calming": "double_dip"}, "double_dip", "hump"),
        ({"highway": "crossing", "traffic_calming": "table"}, "table", "hump"),
        ({"highway": "crossing", "crossing__raised": "yes"}, "raised_crossing", "hump"),
        ({"railway": "level_crossing"}, "level_crossing", "joint"),
        ({"railway": "tram_level_crossing"}, "tram_level_crossing", "joint"),
        ({"railway": "crossing"}, "crossing", "joint"),
        ({"manhole": "drain"}, "manhole", "casting"),
        ({"man_made": "manhole"}, "manhole", "casting"),
        ({"ford": "yes"}, "ford", "hump"),
        ({"barrier": "cattle_grid"}, "cattle_grid", "joint"),
        ({"barrier": "toll_booth"}, "toll_booth", "hump"),
    ],
    ids=str,
)
def test_tags_that_are_felt(tags: dict[str, str], kind: str, excuses: str) -> None:
    """Each tag is one kind, and the kind excuses one class."""
    (row,) = read(node(7, operator="DPW", **tags)).rows.to_dict("records")
    assert (row["kind"], row["class"], row["owner"]) == (kind, excuses, "DPW")
    assert (row["source_id"], row["wkt"]) == ("node/7", "POINT (-71 42)")


@pytest.mark.parametrize(
    "tags",
    [
        {"highway": "crossing"},
        {"highway": "crossing", "crossing__raised": "no"},
        {"railway": "rail"},
        {"ford": "no"},
        {"barrier": "gate"},
        {"name": "hump"},
    ],
    ids=str,
)
def test_other_tags_are_no_obstacles(tags: dict[str, str]) -> None:
    """What is not felt is no row, not even a dropped one."""
    assert read(node(1, traffic_calming="hump"), node(2, -72.0, **tags)).total == 1


def test_calming_that_is_no_jolt_is_counted() -> None:
    """An island or a choker is dropped, and the element is named."""
    found = read(node(1, traffic_calming="hump"), node(8, -72.0, traffic_calming="island"))
    assert found.dropped.to_dict("records") == [
        {"reason": "kind not known", "rows": 1, "example_row": "node/8"}
    ]


def test_a_cattle_grid_drawn_as_a_line_stays_a_line() -> None:
    """A way with a tag is an obstacle all along."""
    found = read(node(1), node(2, -71.0001), way(5, 1, 2, barrier="cattle_grid"))
    assert found.rows["wkt"].tolist() == ["LINESTRING (-71 42, -71.0001 42)"]


def test_bridges_have_joints_at_their_ends() -> None:
    """A bridge drawn as two ways has two joints, not three; a footbridge has none."""
    nodes = [node(k, -71.0 + k / 1000) for k in range(1, 7)]
    found = read(
        *nodes,
        way(11, 1, 2, 3, bridge="yes", highway="primary"),
        way(12, 3, 4, bridge="viaduct", highway="primary"),
        way(13, 5, 6, bridge="yes", highway="footway"),
        way(14, 2, 5, bridge="no", highway="primary"),
    )
    assert found.rows["kind"].tolist() == ["bridge_joint"] * 2
    assert sorted(found.rows["source_id"]) == ["node/1 bridge", "node/4 bridge"]


def test_a_way_without_its_nodes_has_no_place() -> None:
    """An extract cut at a border names nodes that it does not hold."""
    found = read(node(1, traffic_calming="hump"), way(9, 77, 78, traffic_calming="table"))
    assert found.dropped.to_dict("records") == [
        {"reason": "no geometry", "rows": 1, "example_row": "way/9"}
    ]
    assert len(found.unplaced) == 1


@pytest.mark.parametrize(
    ("data", "said"),
    [
        pytest.param(
            b'<!DOCTYPE osm [<!ENTITY a "b">]><osm version="0.6"><node id="1">&a;</node></osm>',
            "document type or entities is refused",
            id="entities",
        ),
        pytest.param(b'<osm version="0.6"><node id="1"', "not valid OpenStreetMap XML", id="cut"),
        pytest.param(
            b'<osm version="0.6"><node id="x"/></osm>', "not valid OpenStreetMap XML", id="no id"
        ),
    ],
)
def test_hostile_and_broken_extracts_are_refused(data: bytes, said: str) -> None:
    """No document type is obeyed, and what is broken is said."""
    with pytest.raises(InputError, match=said):
        read_inventory(data, source="osm")


def test_pbf_says_what_xml_says(tmp_path: Path) -> None:
    """The same extract in either form gives the same obstacles."""
    osmium: Any = pytest.importorskip(
        "osmium", reason="the extra osm is not installed: .osm.pbf is NOT tested"
    )
    text = extract(
        node(1, -71.0, traffic_calming="hump"), node(2, -71.001), node(3, -71.002, name="x"),
        way(5, 2, 3, bridge="yes", highway="primary"), way(6, 1, 2, traffic_calming="table"),
    )  # fmt: skip
    path = tmp_path / "town.osm.pbf"
    with osmium.SimpleWriter(str(path)) as writer:
        for element in osmium.FileProcessor(osmium.io.FileBuffer(text, "osm")):
            writer.add(element)
    data = path.read_bytes()
    assert osm.recognise(data)
    a, b = read_inventory(text, source="osm").rows, read_inventory(data, source="osm").rows
    assert len(a) == 4
    assert a.equals(b)
    with pytest.raises(InputError, match="not valid OpenStreetMap PBF"):
        read_inventory(data[: len(data) - 9], source="osm")
