"""Obstacle inventories as cities publish them: GeoJSON and CSV → the table of known obstacles.

Rows that cannot be used are dropped, counted and reasoned, never guessed at.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from streetbump.errors import InputError
from streetbump.geo import to_e7
from streetbump.model import OBSTACLE_CLASS, OBSTACLES

RADIUS_M = {"hump": 12.0, "joint": 10.0, "casting": 6.0, "marker": 6.0}
"""How far from its drawn place an obstacle of each class is felt, m. Chosen by us: city lists put
humps at addresses, 10 to 30 m along the street; castings are surveyed."""

_LAT = ("latitude", "lat", "y")
_LON = ("longitude", "lon", "lng", "long", "x")
_ID = ("id", "objectid", "assetid", "globalid", "hump_id", "source_id")
_KIND = ("kind", "type", "traffic_calming", "class")


def _is_day(text: str) -> bool:
    """Whether a text is a day as YYYY-MM-DD; week dates are ISO 8601 as well, and are not."""
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_UNUSABLE: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "validity is not a day (YYYY-MM-DD)": lambda t: (
        ~(t[["valid_from", "valid_to"]].fillna("2000-01-01").map(_is_day).all(axis=1))
    ),
    "kind not known": lambda t: ~t["kind"].isin(list(OBSTACLE_CLASS)),
    "same place as another row": lambda t: t.duplicated(["kind", "wkt"]),
    "same id as another row": lambda t: t["id"].notna() & t.duplicated(["id"]),
}


@dataclass(frozen=True)
class Inventory:
    """An inventory that was read.

    Attributes
    ----------
    rows : DataFrame
        Table ``OBSTACLES``, one row per distinct obstacle.
    total : int
        Rows in the file.
    dropped : dict
        Reason → how many rows were not used.
    notes : tuple of str
        What was assumed.
    """

    rows: pd.DataFrame
    total: int
    dropped: dict[str, int]
    notes: tuple[str, ...]


def read_inventory(
    data: bytes, *, source: str, kind: str | None = None, owner: str | None = None
) -> Inventory:
    r"""The obstacles of a GeoJSON or CSV file.

    Parameters
    ----------
    data : bytes
        The file.
    source : str
        What the inventory is called; with the row's id (or place) it makes the obstacle's id.
    kind : str or None
        Kind of every row; None when the file has a column (or property) that says.
    owner : str or None
        Who maintains them, where the file does not say.

    Raises
    ------
    InputError
        Neither format, no positions, or an unknown kind.

    >>> found = read_inventory(b"id,lat,lon\n7,42.0,-71.0\n8,0,0\n", source="x", kind="hump")
    >>> len(found.rows), found.dropped
    (1, {'position 0, 0': 1})
    """
    if kind is not None and kind not in OBSTACLE_CLASS:
        raise InputError(f"--kind {kind}: not known; one of {', '.join(sorted(OBSTACLE_CLASS))}")
    data = data.removeprefix(codecs.BOM_UTF8)
    is_json = data.lstrip()[:1] == b"{"
    table, dropped, notes = _from_geojson(data) if is_json else _from_csv(data)
    total = len(table) + sum(dropped.values())
    table["kind"] = kind if kind is not None else table["kind"]
    if kind is None and table["kind"].isna().all():
        raise InputError(f"{source}: no column says what kind the obstacles are: give --kind")
    table["owner"] = table["owner"].where(table["owner"].notna(), owner)
    for reason, is_bad in _UNUSABLE.items():
        bad = is_bad(table)
        if bad.any():
            dropped[reason] += int(bad.sum())
        table = table[~bad]
    table = table.reset_index(drop=True)
    return Inventory(_rows(table, source), total, dict(dropped), tuple(notes))


def _rows(table: pd.DataFrame, source: str) -> pd.DataFrame:
    # Without an id a row is known by its place; two kinds at one place are two obstacles.
    places = [f"{k} {w}" for k, w in zip(table["kind"], table["wkt"], strict=True)]
    ids = table["id"].where(table["id"].notna(), places).tolist()
    classes = table["kind"].map(lambda k: OBSTACLE_CLASS[k].value).tolist()
    return OBSTACLES.build(
        {
            "obstacle_id": [_obstacle_id(source, str(i)) for i in ids],
            "source": [source] * len(table),
            "source_id": [str(i) for i in ids],
            "kind": table["kind"].tolist(),
            "class": classes,
            "wkt": table["wkt"].tolist(),
            "radius_m": [RADIUS_M[c] for c in classes],
            "owner": table["owner"].tolist(),
            "valid_from": table["valid_from"].tolist(),
            "valid_to": table["valid_to"].tolist(),
            "revision": np.ones(len(table), np.int64),
        }
    )


def _obstacle_id(source: str, source_id: str) -> str:
    return "O-" + hashlib.sha256(f"{source}\0{source_id}".encode()).hexdigest()[:12]


_COLUMNS = ("id", "kind", "owner", "valid_from", "valid_to", "wkt")


# ------------------------------------------------------------------------------- CSV


def _from_csv(data: bytes) -> tuple[pd.DataFrame, Counter[str], list[str]]:
    text = _text(data)
    first = text.lstrip().split("\n", 1)[0].strip()
    separator = max(";,\t|", key=first.count)
    has_header = not _is_number(first.split(separator)[0])
    records = _records(text, separator)
    if not records:
        raise InputError("the file is empty: there is nothing to import")
    width = len(records[0])
    body = [_fitted(r, width) for r in records[has_header:]]
    rows = [r for r in body if len(r) == width]
    notes: list[str] = []
    dropped: Counter[str] = Counter()
    if len(rows) < len(body):
        dropped["wrong number of fields"] = len(body) - len(rows)
    raw = pd.DataFrame(rows, columns=range(width), dtype=object)
    columns: dict[str, Any] = {}
    for k, name in enumerate(records[0] if has_header else []):
        columns.setdefault(name.strip().lower(), k)  # of two alike the first
    lat_name, lon_name = _position_columns(raw, columns, notes, has_header=has_header)
    lat = pd.to_numeric(raw[lat_name].str.strip(), errors="coerce").to_numpy()
    lon = pd.to_numeric(raw[lon_name].str.strip(), errors="coerce").to_numpy()
    keep = _narrow(lat, lon, dropped)

    def said(names: tuple[str, ...]) -> Any:
        name = next((columns[n] for n in names if n in columns), None)
        if name is None or not has_header:
            return np.full(len(raw), None, dtype=object)
        return raw[name].str.strip().replace("", None).to_numpy(object)

    table = pd.DataFrame(
        {
            "id": said(_ID),
            "kind": said(_KIND),
            "owner": said(("owner",)),
            "valid_from": said(("valid_from",)),
            "valid_to": said(("valid_to",)),
        },
        dtype=object,
    )[keep]
    table["wkt"] = _point_wkt(lat[keep], lon[keep])
    return table.reset_index(drop=True), dropped, notes


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


def _text(data: bytes) -> str:
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
    raw: pd.DataFrame, columns: dict[str, Any], notes: list[str], *, has_header: bool
) -> tuple[Any, Any]:
    """Which columns hold latitude and longitude."""
    if has_header:
        lat = next((columns[n] for n in _LAT if n in columns), None)
        lon = next((columns[n] for n in _LON if n in columns), None)
        if lat is None or lon is None:
            raise InputError(
                f"no position columns among {', '.join(columns)}: name them latitude and longitude"
            )
        return lat, lon
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


def _narrow(lat: Any, lon: Any, dropped: Counter[str]) -> Any:
    """Which positions can be used; the others are counted by reason."""
    keep = np.ones(len(lat), np.bool_)
    with np.errstate(invalid="ignore"):
        for reason, bad in (
            ("position is not a number", ~(np.isfinite(lat) & np.isfinite(lon))),
            ("position 0, 0", (lat == 0) & (lon == 0)),
            ("position out of range", (np.abs(lat) > 90) | (np.abs(lon) > 180)),
        ):
            count = int((keep & bad).sum())
            if count:
                dropped[reason] += count
            keep &= ~bad
    return keep


def _point_wkt(lat: Any, lon: Any) -> list[str]:
    """Points as text, whole 1e-7 degrees."""
    pairs = zip(to_e7(lon).tolist(), to_e7(lat).tolist(), strict=True)
    return [f"POINT ({x / 1e7:.7f} {y / 1e7:.7f})" for x, y in pairs]


# ------------------------------------------------------------------------------- GeoJSON


def _from_geojson(data: bytes) -> tuple[pd.DataFrame, Counter[str], list[str]]:
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InputError(f"not valid GeoJSON: {exc}") from exc
    features = decoded.get("features") if isinstance(decoded, dict) else None
    if not isinstance(features, list):
        raise InputError("not a GeoJSON FeatureCollection: it has no list of features")
    dropped: Counter[str] = Counter()
    rows = []
    for feature in features:  # one step per obstacle
        row, reason = _from_feature(feature)
        if row is None:
            dropped[reason] += 1
        else:
            rows.append(row)
    return pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object), dropped, []


def _from_feature(feature: Any) -> tuple[dict[str, Any] | None, str]:
    """One feature as a row, or the reason why not."""
    import shapely

    if not isinstance(feature, dict) or not feature.get("geometry"):
        return None, "no geometry"
    try:
        shape = shapely.from_geojson(json.dumps(feature["geometry"]))
    except (shapely.GEOSException, TypeError, ValueError):
        return None, "geometry cannot be read"
    shape = shapely.force_2d(shape)
    if shape.is_empty:
        return None, "no geometry"
    if shape.geom_type not in {"Point", "LineString", "MultiPoint", "MultiLineString"}:
        return None, f"geometry {shape.geom_type} is not a point or line"
    west, south, east, north = shape.bounds
    if min(west + 180, 180 - east, south + 90, 90 - north) < 0:
        return None, "position out of range"
    if shape.bounds == (0.0, 0.0, 0.0, 0.0):
        return None, "position 0, 0"
    given = feature.get("properties")
    properties = {k.lower(): v for k, v in given.items()} if isinstance(given, dict) else {}
    own_id = feature.get("id")

    def said(names: tuple[str, ...]) -> str | None:
        value = next((properties[n] for n in names if properties.get(n) not in (None, "")), None)
        return None if value is None else str(value)

    return {
        "id": str(own_id) if own_id is not None else said(_ID),
        "kind": said(_KIND),
        "owner": said(("owner",)),
        "valid_from": said(("valid_from",)),
        "valid_to": said(("valid_to",)),
        "wkt": shapely.to_wkt(shape, rounding_precision=7),
    }, ""
