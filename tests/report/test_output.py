"""What `-o` writes: the same rows, whatever reads them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from streetbump.report.output import render

TABLE = pd.DataFrame(
    {
        "place_id": pd.array(["P-1", None], dtype="str"),
        "hits": np.array([3, 4]),
        "lat_deg": [42.36, np.nan],
        "lon_deg": [-71.06, np.nan],
        "held": [True, False],
    }
)


def test_a_geopackage_holds_every_row_and_its_place(tmp_path: Path) -> None:
    """Two rows, one without a position: both are there, unknown is null, the place is WGS 84."""
    pyogrio = pytest.importorskip("pyogrio")
    raw = pytest.importorskip("pyogrio.raw")
    path = tmp_path / "x.gpkg"
    path.write_bytes(render(TABLE, "gpkg"))
    info = pyogrio.read_info(path)
    assert (info["layer_name"], info["crs"], info["features"]) == ("streetbump", "EPSG:4326", 2)
    meta, _, points, columns = raw.read(path)
    row = dict(zip(meta["fields"], columns, strict=True))
    assert row["place_id"].tolist() == ["P-1", None]
    assert row["hits"].tolist() == [3, 4]
    assert points[1] is None
    import shapely

    assert shapely.from_wkb(points[0]).equals(shapely.Point(-71.06, 42.36))


def test_a_geopackage_without_places_is_a_table(tmp_path: Path) -> None:
    """Rows that have no position at all, and no rows, are a table as well."""
    pyogrio = pytest.importorskip("pyogrio")
    path = tmp_path / "x.gpkg"
    for rows in (TABLE[["place_id", "hits"]], TABLE.iloc[:0]):
        path.write_bytes(render(rows, "gpkg"))
        assert pyogrio.read_info(path)["features"] == len(rows)
