"""What ``streetbump roughness`` does: the stretches of trip files, or of a store."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from streetbump.commands.detect import Detected
from streetbump.commands.inputs import TripOptions, read_trips
from streetbump.config import Settings
from streetbump.geo import in_bbox
from streetbump.model import PASSES, Rejected
from streetbump.pipeline.intake import detect_trip
from streetbump.report.roughness import stretches
from streetbump.report.rows import rejected_rows
from streetbump.stores import Store

CELLS_AT_ONCE = 200
"""Cells whose passes are held in memory together: a bin lies in one cell, so they do not meet."""


def roughness_of_files(
    paths: Sequence[str],
    options: TripOptions,
    *,
    settings: Settings,
    stdin: Callable[[], bytes],
    on_file: Callable[[str], None] = lambda _name: None,
) -> Detected:
    """The stretches that trip files drove over, the roughest first, and what was refused.

    Nothing is stored, so nothing is trimmed. A trip that comes twice counts once.
    """
    found: dict[str, tuple[pd.DataFrame, bool]] = {}
    refused = []
    for name, row in read_trips(paths, options, stdin=stdin, on_file=on_file):
        if isinstance(row, Rejected):
            refused.append((name, row))
        elif row.trip_id not in found:
            found[row.trip_id] = (detect_trip(row, settings).passes, row.dated)
    dated = [np.full(len(passes), known) for passes, known in found.values()]
    rows = stretches(
        pd.concat([PASSES.empty(), *(p for p, _ in found.values())], ignore_index=True),
        np.concatenate([np.empty(0, np.bool_), *dated]),
    )
    return Detected(_roughest_first(rows), rejected_rows(refused))


def roughness_of_store(store: Store) -> pd.DataFrame:
    """The stretches that the active generation's trips drove over, the roughest first."""
    cells = store.pass_cells()
    parts = [cells[i : i + CELLS_AT_ONCE] for i in range(0, len(cells), CELLS_AT_ONCE)]
    tables = [stretches(*store.passes(part)) for part in parts or [cells]]
    return _roughest_first(pd.concat(tables, ignore_index=True))


def _roughest_first(table: pd.DataFrame) -> pd.DataFrame:
    """By what a stretch surely reaches: one wild pass is not the first thing to look at."""
    least = table["roughness_err_ms2"] - table["roughness_ms2"]
    order = np.lexsort((table["heading_deg"], table["lon_deg"], table["lat_deg"], least))
    return table.iloc[order].reset_index(drop=True)


def within(table: pd.DataFrame, bbox: tuple[float, float, float, float]) -> pd.DataFrame:
    """The stretches whose middle lies in a box: west, south, east, north."""
    west, south, east, north = bbox
    lat, lon = table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy()
    return table[in_bbox(lat, lon, west=west, south=south, east=east, north=north)]
