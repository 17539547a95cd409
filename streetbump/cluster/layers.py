"""Tables with places in them, as cities publish them: CSV and GeoJSON → a :class:`Layer`.

A layer is what a file says, before anybody asks what it means: one row per record with its shape
in degrees, its attributes as text, and the problem of those that cannot be placed.
"""

from __future__ import annotations

import codecs
import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from streetbump.errors import InputError
from streetbump.model import Floats

LAT = ("latitude", "lat", "lat_deg", "y", "point_y")
LON = ("longitude", "lon", "lng", "long", "lon_deg", "x", "point_x")
WKT = ("wkt", "the_geom", "geom")

_DEGREES = {"urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326", "OGC:CRS84"}


@dataclass(frozen=True, eq=False)
class Layer:
    """The records of a file.

    Attributes
    ----------
    names : (n,) str
        What each record is called for people: its number in the file, or an OSM element.
    shapes : (n,) object
        Shapely geometries, longitude and latitude in degrees; None where there is none.
    problems : (n,) object
        Why a record has no usable place; empty where it has.
    said : DataFrame
        Attributes as text, None where empty; column names in lower case.
    notes : tuple of str
        What was assumed.
    """

    names: np.ndarray
    shapes: np.ndarray
    problems: np.ndarray
    said: pd.DataFrame
    notes: tuple[str, ...] = ()


def read_layer(
    data: bytes, *, crs: str | None = None, lat: str | None = None, lon: str | None = None
) -> Layer:
    r"""The records of a GeoJSON or CSV file.

    Parameters
    ----------
    crs : str or None
        Reference system of the coordinates, as ``EPSG:2264``; None means degrees (WGS 84), or what
        the GeoJSON says of itself.
    lat, lon : str or None
        Columns of the position in a CSV; None finds them by their usual names.

    Raises
    ------
    InputError
        Neither format, no positions, or an unknown reference system.

    >>> layer = read_layer(b"Ref,lat,lon\n7,42,-71\n8,x,-71\n")
    >>> layer.said["ref"].tolist(), layer.problems.tolist()
    (['7', '8'], ['', 'position is not a number'])
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.lstrip()[:1] == b"{":
        return from_geojson(data, crs=crs)
    return from_csv(data, crs=crs, lat=lat, lon=lon)


def layer_of(
    shapes: Sequence[Any],
    said: pd.DataFrame,
    *,
    problems: Sequence[str] | None = None,
    names: Sequence[str] | None = None,
    crs: str | None = None,
    notes: Sequence[str] = (),
) -> Layer:
    """Records as a layer in degrees, with the problems of their places.

    Parameters
    ----------
    problems : sequence or None
        What is known to be wrong already; the record's shape is not looked at then.
    names : sequence or None
        None numbers the records from 1.
    """
    import shapely

    placed = np.array([None, *shapes], dtype=object)[1:]
    reasons = np.array(problems or [""] * len(placed), dtype=object)
    placed = in_degrees(shapely.force_2d(placed), crs)
    west, south, east, north = shapely.bounds(placed).T
    with np.errstate(invalid="ignore"):
        for reason, bad in (
            ("no geometry", shapely.is_missing(placed) | shapely.is_empty(placed)),
            ("position is not a number", ~np.isfinite(west + south + east + north)),
            ("position 0, 0", (west == 0) & (south == 0) & (east == 0) & (north == 0)),
            ("position out of range", (west < -180) | (east > 180) | (south < -90) | (north > 90)),
        ):
            reasons[bad & (reasons == "")] = reason
    placed[reasons != ""] = None
    called = [str(k + 1) for k in range(len(placed))] if names is None else names
    return Layer(np.array(called, dtype=object), placed, reasons, said, tuple(notes))


def in_degrees(shapes: np.ndarray, crs: str | None) -> np.ndarray:
    """Shapes of a reference system in degrees of WGS 84, longitude first.

    Raises
    ------
    InputError
        The system is not known.
    """
    if crs is None or crs in _DEGREES:
        return shapes
    import shapely
    from pyproj import Transformer
    from pyproj.exceptions import CRSError

    try:
        transform = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform
    except CRSError as exc:
        raise InputError(f"crs {crs}: not a known reference system (as EPSG:2264)") from exc

    def moved(xy: Floats) -> Floats:
        return np.column_stack(transform(xy[:, 0], xy[:, 1]))

    return shapely.transform(shapes, moved)


def text_of(value: Any) -> str | None:
    """An attribute as text; None for nothing. Whole numbers have no decimal point.

    >>> [text_of(v) for v in (7.0, "", None, " a ", float("nan"))]
    ['7', None, None, 'a', None]
    """
    if value is None or value != value:  # NaN and NaT are nothing
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or None


# ------------------------------------------------------------------------------- CSV


def from_csv(
    data: bytes, *, crs: str | None = None, lat: str | None = None, lon: str | None = None
) -> Layer:
    """The records of CSV text with any separator; without a header two columns are numbers."""
    text = _decoded(data)
    first = text.lstrip().split("\n", 1)[0].strip()
    separator = max(";,\t|", key=first.count)
    has_header = not _is_number(first.split(separator)[0])
    records = _records(text, separator)
    if not records:
        raise InputError("the file is empty: there is nothing to import")
    width = len(records[0])
    body = [_fitted(r, width) for r in records[has_header:]]
    long = np.array([len(r) > width for r in body], dtype=np.bool_)
    raw = pd.DataFrame([r[:width] for r in body], columns=range(width), dtype=object)
    columns: dict[str, Any] = {}
    for k, name in enumerate(records[0] if has_header else []):
        columns.setdefault(name.strip().lower(), k)  # of two alike the first
    notes: list[str] = []
    problems = np.where(long, "wrong number of fields", "")
    shape_column = next((columns[n] for n in WKT if n in columns), None)
    if shape_column is not None and lat is None:
        shapes, wrong = _from_wkt(raw[shape_column])
    else:
        shapes, wrong = _from_numbers(
            raw, *_position_columns(raw, columns, notes, has_header=has_header, lat=lat, lon=lon)
        )
    problems = np.where(problems == "", wrong, problems)
    said = pd.DataFrame(
        {n: [text_of(v) for v in raw[k]] for n, k in columns.items()},
        index=range(len(raw)), dtype=object,
    )  # fmt: skip
    return layer_of(shapes, said, problems=problems.tolist(), crs=crs, notes=notes)


def _from_numbers(raw: pd.DataFrame, lat: Any, lon: Any) -> tuple[list[Any], np.ndarray]:
    import shapely

    y = pd.to_numeric(raw[lat].str.strip(), errors="coerce").to_numpy(np.float64)
    x = pd.to_numeric(raw[lon].str.strip(), errors="coerce").to_numpy(np.float64)
    known = np.isfinite(x) & np.isfinite(y)
    shapes = shapely.points(np.where(known, x, 0.0), np.where(known, y, 0.0))
    return list(shapes), np.where(known, "", "position is not a number")


def _from_wkt(column: pd.Series) -> tuple[list[Any], np.ndarray]:
    import shapely

    shapes = shapely.from_wkt([v.strip() or None for v in column], on_invalid="ignore")
    empty = np.array([not v.strip() for v in column], dtype=np.bool_)
    wrong = np.where(shapely.is_missing(shapes) & ~empty, "geometry cannot be read", "")
    return list(shapes), wrong


def _records(text: str, separator: str) -> list[list[str]]:
    """The records of CSV text, a quoted line break inside one or not; blank lines are none."""
    try:
        found = list(csv.reader(StringIO(text, newline=""), delimiter=separator))
    except csv.Error as exc:
        raise InputError(f"not valid CSV: {exc}") from exc
    if text.count('"') % 2 and found and "\n" in found[-1][-1]:
        raise InputError("not valid CSV: a quote is opened and never closed")
    return [r for r in found if len(r) > 1 or "".join(r).strip()]


def _fitted(record: list[str], width: int) -> list[str]:
    """The record at the width of the first one, as far as only empty fields decide."""
    while len(record) > width and not record[-1].strip():
        record = record[:-1]
    return record + [""] * (width - len(record))


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _is_number(text: str) -> bool:
    try:
        float(text.strip().strip('"'))
    except ValueError:
        return False
    return True


def _position_columns(
    raw: pd.DataFrame,
    columns: dict[str, Any],
    notes: list[str],
    *,
    has_header: bool,
    lat: str | None,
    lon: str | None,
) -> tuple[Any, Any]:
    """Which columns hold latitude and longitude."""
    if has_header:
        found = [
            next((columns[n] for n in names if n in columns), None)
            for names in ((lat.lower(),) if lat else LAT, (lon.lower(),) if lon else LON)
        ]
        if None in found:
            raise InputError(
                f"no position columns among {', '.join(columns)}: name them latitude and longitude,"
                " or say in --columns which they are (lat, lon)"
            )
        return found[0], found[1]
    numeric = [c for c in raw.columns if raw[c].map(_is_number).mean() > 0.9]
    if len(numeric) != 2:
        raise InputError(
            "a table without header needs exactly two columns of numbers, latitude and longitude "
            f"(got {len(numeric)}): add a header"
        )
    first = pd.to_numeric(raw[numeric[0]], errors="coerce").abs().median()
    notes.append("no header: columns taken as " + ("longitude, latitude" if first > 90 else
                                                   "latitude, longitude"))  # fmt: skip
    return (numeric[1], numeric[0]) if first > 90 else (numeric[0], numeric[1])


# ------------------------------------------------------------------------------- GeoJSON


def from_geojson(data: bytes, *, crs: str | None = None) -> Layer:
    """The features of a GeoJSON FeatureCollection; its ``id`` counts before its properties."""
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"not valid GeoJSON: {exc}") from exc
    features = decoded.get("features") if isinstance(decoded, dict) else None
    if not isinstance(features, list):
        raise InputError("not a GeoJSON FeatureCollection: it has no list of features")
    read = [_from_feature(feature) for feature in features]  # one step per feature
    return layer_of(
        [shape for shape, _, _ in read],
        pd.DataFrame([said for _, _, said in read], dtype=object, index=range(len(read))).astype(
            object
        ),
        problems=[problem for _, problem, _ in read],
        crs=crs or _own_crs(decoded),
    )


def _from_feature(feature: Any) -> tuple[Any, str, dict[str, str | None]]:
    """One feature: its shape, what is wrong with that, and its attributes."""
    import shapely

    if not isinstance(feature, dict):
        return None, "no geometry", {}
    given = feature.get("properties")
    said = {k.lower(): text_of(v) for k, v in given.items()} if isinstance(given, dict) else {}
    if feature.get("id") is not None:
        said["id"] = text_of(feature["id"])
    if not feature.get("geometry"):
        return None, "no geometry", said
    try:
        return shapely.from_geojson(json.dumps(feature["geometry"])), "", said
    except (shapely.GEOSException, TypeError, ValueError):
        return None, "geometry cannot be read", said


def _own_crs(decoded: dict[str, Any]) -> str | None:
    """The reference system that a GeoJSON of before 2016 may name."""
    said = decoded.get("crs")
    properties = said.get("properties") if isinstance(said, dict) else None
    name = properties.get("name") if isinstance(properties, dict) else None
    return name if isinstance(name, str) else None
