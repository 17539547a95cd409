"""What ``streetbump obstacles`` and ``review mark-obstacle`` do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from streetbump.cluster.inventory import (
    ColumnMap,
    Inventory,
    inventory_of,
    looks_broken,
    obstacle_at,
    parse_map,
    read_inventory,
    retired,
)
from streetbump.cluster.layers import Layer, layer_of, text_of
from streetbump.cluster.match import points_of, twins
from streetbump.cluster.propose import DOUBT_COLUMNS, Bar, doubts, proposals
from streetbump.commands.session import Session
from streetbump.errors import InputError, MissingExtra
from streetbump.geo import cell_of, cells_around
from streetbump.model import JoltClass, PlaceState
from streetbump.pipeline.clusters import put_obstacles
from streetbump.pipeline.generations import settings_of
from streetbump.runtime import read_text
from streetbump.stores import Store

GIS_ENDINGS = (".shp", ".gpkg", ".fgb", ".gdb", ".zip")
"""Files that GDAL reads (extra ``gis``)."""

OBSTACLES_AT_ONCE = 300
"""Listed obstacles whose surroundings are held in memory together. Chosen by us."""


@dataclass(frozen=True)
class Imported:
    """What became of an inventory: what was read, and what changed in the store."""

    found: Inventory
    new: int
    changed: int
    retired: int
    twins: int

    @property
    def words(self) -> list[str]:
        """For people."""
        found = self.found
        same = len(found.rows) - self.new - self.changed
        words = [
            f"{len(found.rows)} distinct obstacles in {found.total} rows: {self.new} new,"
            f" {self.changed} changed, {same} known already, {self.retired} retired"
        ]
        if len(found.dropped):
            words.append(f"{found.dropped['rows'].sum()} rows not used: " + "; ".join(
                f"{r.rows} {r.reason} (as {r.example_row})" for r in found.dropped.itertuples()
            ))  # fmt: skip
        if self.twins:
            words.append(f"{self.twins} may stand in another list as well: column same_as of"
                         " streetbump obstacles list")  # fmt: skip
        return [*words, *found.notes]


def import_obstacles(
    session: Session,
    path: Path,
    *,
    kind: str | None = None,
    owner: str | None = None,
    source: str | None = None,
    columns: Path | None = None,
    shrink: bool = False,
) -> Imported:
    """Read an inventory into the store; what its source does not list any more is retired.

    Parameters
    ----------
    columns : Path or None
        A column map (TOML).
    shrink : bool
        Whether the list may be less than half of what it was.

    Raises
    ------
    InputError
        The file is no inventory, or has lost most of its source's rows.
    """
    name = source or path.stem
    at = ColumnMap() if columns is None else parse_map(read_text(columns, "--columns"),
                                                       where=str(columns))  # fmt: skip
    given: dict[str, Any] = {"source": name, "kind": kind, "owner": owner, "columns": at}
    if path.suffix.lower() in GIS_ENDINGS:
        found = inventory_of(gis_layer(path, layer=at.layer, crs=at.crs), **given)
    else:
        try:
            found = read_inventory(path.read_bytes(), **given)
        except OSError as exc:
            raise InputError(f"{path}: {exc.strerror}") from exc
    now_ns = session.clock()
    day = datetime.fromtimestamp(now_ns / 1e9, UTC).date().isoformat()
    listed = session.store.obstacles()
    known = listed[listed["source"] == name].reset_index(drop=True)
    gone = retired(found, known, day=day)
    if looks_broken(gone, known, day=day) and not shrink:
        raise InputError(
            f"{path}: {len(gone)} of the obstacles of {name} are not in it any more: is the file"
            " whole? --shrink says that it is; --source names another list"
        )
    rows = pd.concat([found.rows, gone], ignore_index=True)
    new, changed = put_obstacles(session.store, rows, settings=session.settings, now_ns=now_ns)
    session.until_idle(lanes=("cluster",))
    both = twins(session.store.obstacles())
    mine = session.store.obstacles()["obstacle_id"].isin(list(found.rows["obstacle_id"]))
    doubled = sum(t is not None and m for t, m in zip(both, mine, strict=True))
    return Imported(found, new, changed - len(gone), len(gone), doubled)


def gis_layer(path: Path, *, layer: str | None, crs: str | None) -> Layer:
    """The features of a Shapefile, GeoPackage or anything else GDAL reads, in degrees.

    Raises
    ------
    MissingExtra
        pyogrio is not installed.
    InputError
        It cannot be read, has several layers, or does not say where on Earth it is.
    """
    try:
        import pyogrio
    except ImportError as exc:
        raise MissingExtra.of("pyogrio", "gis") from exc
    import shapely

    try:
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is None and len(names) > 1:
            raise InputError(f"{path}: layers {', '.join(names)}: say which in --columns (layer)")
        meta, _, shapes, fields = pyogrio.raw.read(
            path, layer=layer or (names[0] if names else None)
        )
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError, OSError) as exc:
        raise InputError(f"{path}: {exc}") from exc
    system = crs or meta["crs"]
    if system is None:
        raise InputError(f"{path}: does not say its reference system: give crs in --columns")
    said = pd.DataFrame(
        {str(n).lower(): [text_of(v) for v in f]
         for n, f in zip(meta["fields"], fields, strict=True)},
        index=range(len(shapes)), dtype=object,
    )  # fmt: skip
    return layer_of(shapely.from_wkb(shapes), said, crs=system)


# ------------------------------------------------------------------------------- looking


def obstacle_table(store: Store) -> pd.DataFrame:
    """Every known obstacle, and the one of another list that may be the same."""
    table = store.obstacles()
    return table.assign(same_as=pd.array(twins(table), dtype="str"))


def obstacle_counts(store: Store) -> pd.DataFrame:
    """How many obstacles there are by source, kind and owner."""
    table = obstacle_table(store)
    by = table.groupby(["source", "kind", "owner"], dropna=False, sort=True)
    counts = by.agg(
        obstacles=("obstacle_id", "size"),
        ended=("valid_to", lambda d: int(d.notna().sum())),
        in_another_list=("same_as", lambda s: int(s.notna().sum())),
    )
    return counts.reset_index()


def propose(store: Store, *, bar: Bar) -> pd.DataFrame:
    """Places that are felt as an obstacle and stand in no list (``PROPOSED_COLUMNS``)."""
    return proposals(store.clusters(), store.obstacles(), bar=bar)


def doubt(store: Store, *, bar: Bar) -> pd.DataFrame:
    """Listed obstacles that the passes contradict (``DOUBT_COLUMNS``)."""
    active, known = store.active(), store.obstacles()
    driven = store.pass_cells()
    tables = [pd.DataFrame(columns=list(DOUBT_COLUMNS))]
    if active is None or len(known) == 0:
        return tables[0]
    settings = settings_of(active).cluster
    xy, owner = points_of(known)
    cell = cell_of(xy[:, 1], xy[:, 0])
    asked = np.unique(owner[np.isin(cell, driven)])
    asked = asked[np.argsort(cell[np.searchsorted(owner, asked)], kind="stable")]
    clusters = store.clusters()
    for at in range(0, len(asked), OBSTACLES_AT_ONCE):
        part = asked[at : at + OBSTACLES_AT_ONCE]
        around = cells_around(np.unique(cell[np.isin(owner, part)]), halo_m=settings.reach_m)
        region = store.load_region(active.name, around)
        tables.append(
            doubts(known.iloc[part], clusters, region.bumps, region.passes, region.trips,
                   bar=bar, settings=settings)
        )  # fmt: skip
    full = [t for t in tables if len(t)] or tables[:1]
    return pd.concat(full, ignore_index=True).sort_values(
        ["passes", "obstacle_id"], ascending=[False, True], ignore_index=True
    )


# ------------------------------------------------------------------------------- reviewing


def mark_obstacle(session: Session, place_id: str, *, kind: str, by: str, note: str) -> str:
    """Make a known obstacle of a place, and note who did so and why; returns its id.

    The place is never reported again, even where jolts there look like another class.

    Raises
    ------
    InputError
        There is no such place, or no such kind.
    """
    place = session.store.place(place_id)
    if place is None:
        raise InputError(f"{place_id}: no such place; streetbump review list shows them")
    row = obstacle_at(place_id, kind=kind, lat_deg=place.lat_deg, lon_deg=place.lon_deg)
    put_obstacles(session.store, row, settings=session.settings, now_ns=session.clock())
    state = place.state
    if state in {s.value for s in _UNREPORTED}:
        own = JoltClass(place.jolt_class) == row["class"].iloc[0]
        state = (PlaceState.KNOWN_OBSTACLE if own else PlaceState.REJECTED).value
    why = f"{kind}, marked by {by}" + (f": {note}" if note else "")
    decided = replace(place, state=state, review="rejected", why=why)
    session.store.review(place, decided, by=by, note=note, now_ns=session.clock())
    session.until_idle(lanes=("cluster",))
    return str(row["obstacle_id"].iloc[0])


_UNREPORTED = (PlaceState.CANDIDATE, PlaceState.FLAGGED, PlaceState.HELD, PlaceState.REJECTED,
               PlaceState.KNOWN_OBSTACLE, PlaceState.FADED)  # fmt: skip
