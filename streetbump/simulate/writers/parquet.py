"""Our Parquet: the plain CSV's columns; marks and device in the metadata of the schema."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from streetbump.model import Floats, Ints
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers.rows import About, merged


def write(trip: SimulatedTrip, *, about: About) -> bytes:
    """The Parquet file of a trip; an empty cell is null.

    >>> from streetbump.simulate.writers.rows import standing
    >>> data = write(standing(), about=About("d", 5.0, "ios", "UTC"))
    >>> table = pq.read_table(pa.BufferReader(data))
    >>> table.column("t").to_pylist(), table.column("lat").to_pylist()
    ([5.0, 5.02], [None, 12.0])
    >>> table.schema.metadata[b"synthetic"]
    b'yes'
    """
    rows, fixes = merged(trip, about, step_us=1), trip.fixes
    of_samples = dict(zip(("ax", "ay", "az"), trip.acc_ms2.T, strict=True))
    of_fixes = {
        "lat": fixes.lat_deg,
        "lon": fixes.lon_deg,
        "speed": fixes.speed_ms,
        "heading": fixes.heading_deg,
        "accuracy": fixes.accuracy_m,
    }
    columns = {
        "t": rows.t_us / 1e6,
        **{name: _at(column, rows.sample) for name, column in of_samples.items()},
        **{name: _at(column, rows.fix) for name, column in of_fixes.items()},
    }
    table = pa.table(
        {name: pa.array(column, from_pandas=True) for name, column in columns.items()},
        metadata={"streetbump-parquet": "1", "device": about.device, "synthetic": "yes"},
    )
    out = pa.BufferOutputStream()
    pq.write_table(table, out, compression="zstd")
    data: bytes = out.getvalue().to_pybytes()
    return data


def _at(column: Floats, which: Ints) -> Floats:
    """The column's values by number, NaN where it is -1."""
    return np.append(column, np.nan)[which]
