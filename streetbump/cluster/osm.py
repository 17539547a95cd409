"""OpenStreetMap extracts (``.osm`` and ``.osm.pbf``) → the obstacles tagged in them.

Tags as in the OpenStreetMap wiki: traffic_calming, railway crossings, raised crossings, manholes,
fords, cattle grids, toll booths, and the ends of bridges that cars use, where joints are.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pandas as pd

from streetbump.cluster.layers import Layer, layer_of
from streetbump.errors import InputError, MissingExtra

KEYS = ("traffic_calming", "railway", "highway", "manhole", "man_made", "ford", "barrier", "bridge")
"""An element without any of these keys is not looked at."""

_AS_TAGGED = {
    "traffic_calming": {
        "bump", "mini_bumps", "hump", "table", "cushion", "rumble_strip", "dip", "double_dip",
        "dynamic_bump",
    },
    "railway": {"level_crossing", "tram_level_crossing", "crossing"},
    "barrier": {"cattle_grid", "toll_booth"},
}  # fmt: skip
_NO = {"no", "none", "", "boat", "stepping_stones"}
_NOT_FOR_CARS = {
    "footway", "path", "cycleway", "steps", "pedestrian", "bridleway", "corridor", "platform",
    "proposed", "construction", "elevator",
}  # fmt: skip
_START, _XML = b"OSMHeader", b"<"


@dataclass(frozen=True)
class Element:
    """A node, or a way with the nodes it goes through; positions are longitude and latitude."""

    name: str
    tags: Mapping[str, str]
    points: tuple[tuple[int, float, float], ...]
    is_way: bool


def recognise(data: bytes) -> bool:
    """Whether the bytes begin as an OpenStreetMap extract.

    >>> recognise(b'<?xml version="1.0"?><osm version="0.6"/>'), recognise(b"id,lat")
    (True, False)
    """
    start = data[:4096].removeprefix(codecs.BOM_UTF8).lstrip()
    return _START in data[:64] or (start.startswith(_XML) and b"<osm" in start)


def kind_of(tags: Mapping[str, str]) -> str | None:
    """The kind of obstacle that tags name; None where they name none that cars feel.

    >>> kind_of({"traffic_calming": "cushion"}), kind_of({"traffic_calming": "island"})
    ('cushion', None)
    """
    for key, values in _AS_TAGGED.items():
        if tags.get(key) in values:
            return tags[key]
    if tags.get("highway") == "crossing" and any(
        key.startswith("crossing") and "raised" in f"{key} {value}" and value not in _NO
        for key, value in tags.items()
    ):
        return "raised_crossing"
    if tags.get("manhole", "") not in _NO or tags.get("man_made") == "manhole":
        return "manhole"
    return "ford" if tags.get("ford", "") not in _NO else None


def from_osm(data: bytes) -> Layer:
    """The obstacles of an extract; an untagged element is no record.

    Ends of bridges are joints, except where one bridge goes on as the next. Calming that is no
    jolt (islands, chokers) is a record whose kind is not known.

    Raises
    ------
    InputError
        The file cannot be read as what it begins as.
    MissingExtra
        ``.osm.pbf`` needs the extra ``osm``.
    """
    elements = tuple(_from_pbf(data) if _START in data[:64] else _from_xml(data))
    rows = [*_tagged(elements), *_bridge_ends(elements)]
    shapes, said, names = zip(*rows, strict=True) if rows else ((), (), ())
    table = pd.DataFrame(list(said), columns=["id", "kind", "owner"], dtype=object)
    return layer_of(shapes, table, names=list(names))


def _tagged(elements: tuple[Element, ...]) -> Iterator[tuple[Any, tuple[Any, ...], str]]:
    import shapely

    for e in elements:
        kind = kind_of(e.tags)
        told = kind or e.tags.get("traffic_calming")
        if told is None:
            continue
        xy = [(x, y) for _, x, y in e.points]
        shape = None
        if xy:
            shape = shapely.linestrings(xy) if e.is_way and len(xy) > 1 else shapely.points(*xy[0])
        yield shape, (e.name, told, e.tags.get("operator")), e.name


def _bridge_ends(elements: tuple[Element, ...]) -> Iterator[tuple[Any, tuple[Any, ...], str]]:
    import shapely

    ends: Counter[tuple[int, float, float]] = Counter()
    owner: dict[int, str | None] = {}
    for e in elements:
        road = e.tags.get("highway", "")
        if not e.is_way or len(e.points) < 2 or not road or road in _NOT_FOR_CARS:
            continue
        if e.tags.get("bridge", "") in _NO:
            continue
        ends.update((e.points[0], e.points[-1]))
        owner.update(dict.fromkeys((e.points[0][0], e.points[-1][0]), e.tags.get("operator")))
    for (ref, x, y), count in ends.items():
        if count == 1:
            name = f"node/{ref}"
            yield shapely.points(x, y), (f"{name} bridge", "bridge_joint", owner[ref]), name


def _from_xml(data: bytes) -> Iterator[Element]:
    from defusedxml import ElementTree  # slow to import, and few inventories are XML
    from defusedxml.common import DefusedXmlException

    places: dict[int, tuple[float, float]] = {}
    ways: list[tuple[int, list[int], dict[str, str]]] = []
    text = data.removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        for _, node in ElementTree.iterparse(BytesIO(text), events=("end",), forbid_dtd=True):
            if node.tag not in ("node", "way"):
                continue
            tags = {t.get("k", ""): t.get("v", "") for t in node.iter("tag")}
            ref = int(node.get("id", ""))
            if node.tag == "way":
                ways.append((ref, [int(n.get("ref", "")) for n in node.iter("nd")], tags))
            else:
                places[ref] = (float(node.get("lon", "nan")), float(node.get("lat", "nan")))
                if not tags.keys().isdisjoint(KEYS):
                    yield Element(f"node/{ref}", tags, ((ref, *places[ref]),), False)
            node.clear()
    except DefusedXmlException as exc:
        raise InputError("OpenStreetMap XML with a document type or entities is refused") from exc
    except (ElementTree.ParseError, ValueError) as exc:
        raise InputError(f"not valid OpenStreetMap XML: {exc}") from exc
    for ref, nodes, tags in ways:
        if not tags.keys().isdisjoint(KEYS):
            at = tuple((n, *places[n]) for n in nodes if n in places)
            yield Element(f"way/{ref}", tags, at, True)


def _from_pbf(data: bytes) -> Iterator[Element]:
    try:
        import osmium
    except ImportError as exc:
        raise MissingExtra.of("osmium", "osm") from exc
    found = osmium.FileProcessor(osmium.io.FileBuffer(data, "pbf"))
    found = found.with_locations().with_filter(osmium.filter.KeyFilter(*KEYS))
    try:
        for o in found:
            if isinstance(o, osmium.osm.Node):
                place = (o.id, o.location.lon, o.location.lat) if o.location.valid() else None
                yield Element(f"node/{o.id}", dict(o.tags), (place,) if place else (), False)
            elif isinstance(o, osmium.osm.Way):
                at = [(n.ref, n.location.lon, n.location.lat) for n in o.nodes
                      if n.location.valid()]  # fmt: skip
                yield Element(f"way/{o.id}", dict(o.tags), tuple(at), True)
    except (RuntimeError, osmium.InvalidLocationError) as exc:
        raise InputError(f"not valid OpenStreetMap PBF: {exc}") from exc
