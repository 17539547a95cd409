"""A table for people, or as JSON lines, CSV, GeoJSON, Parquet, GeoPackage: unknown is null."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd

from streetbump.errors import MissingExtra, UsageError

People = Callable[[pd.DataFrame], pd.DataFrame]
"""Makes the few columns that people see of a table."""

FORMATS = ("table", "jsonl", "csv", "geojson")
ENDINGS = {".csv": "csv", ".jsonl": "jsonl", ".geojson": "geojson", ".json": "geojson",
           ".parquet": "parquet", ".gpkg": "gpkg", ".txt": "table"}  # fmt: skip


def render(
    frame: pd.DataFrame, kind: str, *, people: People | None = None, width: int = 100
) -> bytes:
    r"""A table in one of the formats.

    Parameters
    ----------
    kind : str
        ``table``, ``jsonl``, ``csv``, ``geojson``, ``parquet`` or ``gpkg``.
    people : callable or None
        Makes of the table what people see, who have less room; None shows all.

    >>> render(pd.DataFrame({"a": [1.0, float("nan")]}), "jsonl")
    b'{"a":1.0}\n{"a":null}\n'
    """
    if kind == "jsonl":
        return "".join(f"{_json(row)}\n" for row in records(frame)).encode()
    if kind == "csv":
        return _escaped(frame).to_csv(index=False, lineterminator="\n").encode()
    if kind == "geojson":
        return _json(geojson(frame)).encode() + b"\n"
    if kind == "parquet":
        return _parquet(frame)
    if kind == "gpkg":
        return _geopackage(frame)
    if kind == "table":
        return text_table(frame if people is None else people(frame), width=width).encode()
    raise UsageError(f"--format {kind}: one of {', '.join(FORMATS)}")


def records(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows as plain values, unknown as None."""
    columns = {name: _values(frame[name]) for name in frame.columns}
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))


def _values(column: pd.Series) -> list[Any]:
    unknown = column.isna().tolist()
    return [None if u else v for v, u in zip(column.tolist(), unknown, strict=True)]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def geojson(frame: pd.DataFrame) -> dict[str, Any]:
    """A FeatureCollection (RFC 7946); a row without a position keeps its row, geometry null.

    A column ``wkt`` is the shape and no property; else ``lat_deg`` and ``lon_deg`` make a point.
    """
    features = []
    for row in records(frame):
        shape = _shape(row.pop("wkt", None))
        lat, lon = row.get("lat_deg"), row.get("lon_deg")
        if shape is None and lat is not None and lon is not None:
            shape = {"type": "Point", "coordinates": [round(lon, 7), round(lat, 7)]}
        features.append({"type": "Feature", "geometry": shape, "properties": row})
    return {"type": "FeatureCollection", "features": features}


def _shape(wkt: str | None) -> dict[str, Any] | None:
    """A shape in well-known text as GeoJSON has it."""
    if wkt is None:
        return None
    import shapely

    shape: dict[str, Any] = json.loads(shapely.to_geojson(shapely.from_wkt(wkt)))
    return shape


def _escaped(frame: pd.DataFrame) -> pd.DataFrame:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it."""
    copy = frame.copy()
    for name in copy.columns:
        if copy[name].dtype.kind not in "iufb":
            copy[name] = [
                f"'{v}" if isinstance(v, str) and v[:1] in ("=", "+", "-", "@", "\t", "\r") else v
                for v in copy[name].tolist()
            ]
    return copy


def _parquet(frame: pd.DataFrame) -> bytes:
    """Parquet; with positions it is GeoParquet 1.1 (points as WKB)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    if _has_places(frame):
        table = table.append_column("geometry", pa.array(_points_wkb(frame), type=pa.binary()))
        geo = {
            "version": "1.1.0",
            "primary_column": "geometry",
            "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
        }
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), "geo": _json(geo)})
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="snappy")
    return sink.getvalue()


def _has_places(frame: pd.DataFrame) -> bool:
    return {"lat_deg", "lon_deg"} <= set(frame.columns)


def _points_wkb(frame: pd.DataFrame) -> list[bytes | None]:
    """Each row's position as well-known binary; None where it has none."""
    import shapely

    points = shapely.points(frame["lon_deg"].to_numpy(), frame["lat_deg"].to_numpy())
    known = (frame["lon_deg"].notna() & frame["lat_deg"].notna()).to_numpy()
    return [w if k else None for w, k in zip(shapely.to_wkb(points), known, strict=True)]


def _geopackage(frame: pd.DataFrame) -> bytes:
    """A GeoPackage with one layer, ``streetbump``; without positions a table in one."""
    try:
        from pyogrio.raw import write
    except ImportError as exc:
        raise MissingExtra.of("pyogrio", "gis") from exc
    wkb = _points_wkb(frame) if _has_places(frame) else [None] * len(frame)
    kinds = [frame[name].dtype.kind for name in frame.columns]
    fields = [
        frame[name].to_numpy() if kind in "iufb" else np.array(_values(frame[name]), dtype=object)
        for name, kind in zip(frame.columns, kinds, strict=True)
    ]
    sink = io.BytesIO()
    write(
        sink, np.array([*wkb, None], dtype=object)[:-1], fields, np.array(frame.columns, object),
        driver="GPKG", layer="streetbump", geometry_type="Point", crs="EPSG:4326",
    )  # fmt: skip
    return sink.getvalue()


def text_table(frame: pd.DataFrame, *, width: int) -> str:
    """A table for people; every cell is printed as it is, nothing is cut."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    rows = [[_cell(v) for v in row.values()] for row in records(frame)]
    widths = _widths([[str(name) for name in frame.columns], *rows], width=width)
    for name, characters in zip(frame.columns, widths, strict=True):
        numeric = frame[name].dtype.kind in "iuf"
        justify: Literal["left", "right"] = "right" if numeric else "left"
        table.add_column(name, justify=justify, overflow="fold", width=characters)
    for row in rows:
        table.add_row(*map(Text, row))
    sink = io.StringIO()
    Console(file=sink, width=width, color_system=None, highlight=False).print(table)
    return sink.getvalue()


def _widths(rows: list[list[str]], *, width: int) -> list[int]:
    """How wide the columns are, so that as few words as possible are broken.

    Every column gets a little; then the columns on the left, where a row's name stands, get what
    their words need; what is left goes to the column whose cells are the tallest.
    """
    columns = list(zip(*rows, strict=True))
    words = [max(len(w) for cell in c for w in (cell.split() or [""])) for c in columns]
    cells = [max(map(len, c)) for c in columns]
    widths = [max(1, min(n, LEAST_CHARACTERS)) for n in words]
    room = width - 2 * len(widths) - sum(widths)
    for k, n in enumerate(words):
        if n - widths[k] <= room:
            room -= max(0, n - widths[k])
            widths[k] = max(n, widths[k])
    while room > 0:
        lines, k = max((n / w, k) for k, (n, w) in enumerate(zip(cells, widths, strict=True)))
        if lines <= 1:
            break
        widths[k] += 1
        room -= 1
    return widths


LEAST_CHARACTERS = 6
"""What each column gets, however narrow the terminal is."""


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.6f}".rstrip("0").rstrip(".") if math.isfinite(value) else "–"
    # Control characters of a file's name or a city's words must not reach the terminal.
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in str(value))
