"""What ``streetbump coverage`` does: what is known of each stretch of street, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from streetbump.cluster.layers import Layer, read_layer
from streetbump.commands.obstacles import GIS_ENDINGS, gis_layer
from streetbump.detect.trigger import reported
from streetbump.errors import InputError, UsageError
from streetbump.geo import bin_centre, cell_of, cells_around
from streetbump.model import PlaceState
from streetbump.pipeline.generations import settings_of
from streetbump.report import coverage as report
from streetbump.report import coverage_map, districts, streets
from streetbump.report.output import People
from streetbump.runtime import write_file
from streetbump.stores import Store
from streetbump.stores.records import Generation

CELLS_AT_ONCE = 200
"""Cells whose passes are held in memory together."""

BIN_HALO_M = 25.0
"""A jolt lies within a bin of the bin's own cell, or just across the border."""

WAITING = (PlaceState.FLAGGED, PlaceState.HELD, PlaceState.REPORTED, PlaceState.CLOSED_CLAIMED,
           PlaceState.STILL_THERE)  # fmt: skip
"""Places that wait for repair; with those seen repaired they are the reports."""

STREET_NAMES = ("street", "name", "street_name", "full_name", "label")
DISTRICT_NAMES = ("name", "district", "neighborhood", "neighbourhood", "ward", "borough", "label")


@dataclass(frozen=True)
class Order:
    """What was asked for.

    `k` is the least number of distinct named devices behind anything that is told.
    """

    streets: Path | None = None
    street_name: str | None = None
    districts: Path | None = None
    district_name: str | None = None
    survey: int | None = None
    k: int = 5
    today: str = ""


@dataclass(frozen=True)
class Covered:
    """The table that was asked for and how people read it, the coverage behind it, and words."""

    table: pd.DataFrame
    people: People
    coverage: pd.DataFrame
    words: tuple[str, ...]


def cover(store: Store, order: Order) -> Covered:
    """Coverage by bin and direction, by stretch of street, by district, or what to survey next.

    Raises
    ------
    UsageError
        A survey without streets.
    """
    if order.survey is not None and order.streets is None:
        raise UsageError("--survey: needs --streets FILE, the street centrelines to choose from")
    names, shapes = _named(order.districts, order.district_name, DISTRICT_NAMES, "--districts")
    every, who = _of_store(store, shapes)
    table = report.shown(every, k=order.k)
    words = []
    if len(every) > len(table):
        words.append(f"{len(every) - len(table)} of {len(every)} stretches, driven by fewer than"
                     f" {order.k} named devices, are not told of")  # fmt: skip
    pieces = None
    if order.streets is not None:
        pieces = _pieces(order.streets, order.street_name)
        table = report.along(pieces, table)
    words += report.summary(table)
    if order.survey is not None and pieces is not None:
        runs = streets.survey(pieces, table, today=order.today, limit=order.survey)
        return Covered(runs, streets.people, table, tuple(words))
    if order.districts is not None:
        rows = districts.districts(
            table, who, _reports(store), names=names, shapes=shapes, today=order.today, k=order.k,
            has_streets=pieces is not None,
        )  # fmt: skip
        return Covered(rows, districts.people, table, tuple(words))
    return Covered(table, report.people, table, tuple(words))


def _of_store(store: Store, shapes: list[object]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coverage of the active generation by bin and direction, and who drove in which district."""
    waiting = _waiting(store)
    active = store.active()
    nothing = report.coverage(pd.DataFrame(), report.Surroundings(pd.DataFrame(), waiting))
    tables = []
    who = [pd.DataFrame({"voter": [], "named": [], "day": [], "district": []})]
    for driven, jolts in _parts(store, active) if active is not None else ():
        tables.append(report.coverage(driven, report.Surroundings(jolts, waiting)))
        who.append(districts.votes(driven, shapes))
    table = pd.concat(tables, ignore_index=True) if tables else nothing
    table = table.sort_values(["lat_deg", "lon_deg", "heading_deg"], ignore_index=True)
    parts = [w for w in who if len(w)] or who
    return table, pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)


def _parts(store: Store, active: Generation) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """Visits and jolts of some cells after others: a bin lies in one cell, so they do not meet."""
    settings = settings_of(active).detect
    cells = store.pass_cells()
    for at in range(0, len(cells), CELLS_AT_ONCE):
        part = cells[at : at + CELLS_AT_ONCE]
        region = store.load_region(active.name, cells_around(part, halo_m=BIN_HALO_M))
        mine = np.isin(cell_of(*bin_centre(region.passes["bin"].to_numpy())), part)
        felt = reported(region.bumps, settings=settings) & (region.bumps["weight"] > 0)
        yield report.visits(region.passes[mine], region.trips), region.bumps[felt]


def _waiting(store: Store) -> pd.DataFrame:
    """Where the clusters of places that wait for repair are, and which way they are felt."""
    ids = [c for p in store.places() if p.state in WAITING for c in p.clusters]
    return store.clusters_by_id(ids)[["lat_deg", "lon_deg", "heading_deg"]]


def _reports(store: Store) -> pd.DataFrame:
    """The places that are or would be reported, once each."""
    states = {*WAITING, PlaceState.REPAIR_SEEN}
    rows = [(p.lat_deg, p.lon_deg) for p in store.places() if p.state in states]
    return pd.DataFrame(rows, columns=["lat_deg", "lon_deg"])


def _layer(path: Path) -> Layer:
    if path.suffix.lower() in GIS_ENDINGS:
        return gis_layer(path, layer=None, crs=None)
    try:
        return read_layer(path.read_bytes())
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror}") from exc


def _pieces(path: Path, name: str | None) -> streets.Pieces:
    layer = _layer(path)
    column = next((n for n in (STREET_NAMES if name is None else (name.lower(),))
                   if n in layer.said), None)  # fmt: skip
    if name is not None and column is None:
        raise InputError(f"{path}: no property {name}: {', '.join(layer.said)}")
    names = [None] * len(layer.shapes) if column is None else layer.said[column].tolist()
    pieces = streets.pieces_of(list(layer.shapes), names)
    if len(pieces.length_m) == 0:
        raise InputError(f"{path}: holds no street centrelines (lines)")
    return pieces


def _named(
    path: Path | None, name: str | None, usual: tuple[str, ...], option: str
) -> tuple[list[str], list[object]]:
    """Polygons of a file with their names; parts of one name are one."""
    import shapely

    if path is None:
        return [], []
    layer = _layer(path)
    column = next(
        (n for n in (usual if name is None else (name.lower(),)) if n in layer.said), None
    )
    if column is None:
        raise InputError(
            f"{path}: no property names the polygons ({', '.join(layer.said)}):"
            f" give {option.rstrip('s')}-name"
        )
    polygons: dict[str, list[object]] = {}
    for shape, label in zip(layer.shapes, layer.said[column], strict=True):
        if shape is not None and shape.geom_type in ("Polygon", "MultiPolygon"):
            polygons.setdefault(label or "(no name)", []).append(shape)
    if not polygons:
        raise InputError(f"{path}: holds no polygons")
    return list(polygons), [shapely.union_all(shapes) for shapes in polygons.values()]


def draw(covered: Covered, path: Path, *, title: str) -> None:
    """Draw the coverage as a map.

    Raises
    ------
    UsageError
        The file cannot be written.
    """
    form = path.suffix.lower()[1:]
    write_file(path, coverage_map.draw(covered.coverage, title=title, form=form))
