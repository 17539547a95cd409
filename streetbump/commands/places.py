"""``streetbump cluster``: what many passes say together, narrowed to what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from streetbump.report.rows import cluster_rows
from streetbump.stores import Store


def cluster_table(store: Store) -> pd.DataFrame:
    """Every cluster of the active generation in the columns of the contract."""
    places = store.places()
    place_of = {c: (p.place_id, p.state) for p in places for c in p.clusters}
    city_of = {row.place_id: row.city for row in store.outbox()}
    return cluster_rows(store.clusters(), place_of=place_of, city_of=city_of)


def narrow(
    table: pd.DataFrame,
    *,
    bbox: tuple[float, float, float, float] | None,
    classes: Sequence[str],
    states: Sequence[str],
    min_trips: int,
) -> pd.DataFrame:
    """The rows of a cluster table that were asked for. `bbox` is west, south, east, north."""
    keep = table["n_trips"] >= min_trips
    if bbox is not None:
        from streetbump.geo import in_bbox

        west, south, east, north = bbox
        keep &= in_bbox(
            table["lat_deg"].to_numpy(), table["lon_deg"].to_numpy(),
            west=west, south=south, east=east, north=north,
        )  # fmt: skip
    if classes:
        keep &= table["class"].isin(list(classes))
    if states:
        keep &= table["state"].isin(list(states))
    return table[keep].reset_index(drop=True)
