"""Accepted trips in canonical form, one small Parquet file each, by trip id.

What is stored is what the detector saw: trimmed, pseudonymous, integers. One row, its columns are
lists, so that samples and fixes of different number fit in one table.
"""

from __future__ import annotations

import json
from dataclasses import fields
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from streetbump.errors import StoreError
from streetbump.model import Gravity, TimeBasis, Trip
from streetbump.stores.files import Files

VERSION = "streetbump-trip-1"

_ARRAYS = {
    "t_ns": np.int64, "fix_t_ns": np.int64, "lat_e7": np.int32, "lon_e7": np.int32,
    "speed_mms": np.int32, "heading_cdeg": np.int32, "accuracy_mm": np.int32,
}  # fmt: skip
_TRIPLES = ("acc", "gyro")
_AXES = "xyz"
_ELEMENT = ".list.element"
"""What Parquet calls the numbers in a column of lists."""


class Archive:
    """A folder of canonical trips."""

    def __init__(self, root: Path, files: Files | None = None) -> None:
        self.root = root
        self._files = files or Files()

    def path_of(self, trip_id: str) -> Path:
        """Where a trip lies: spread over 256 folders, so that none grows too large."""
        return self.root / trip_id[:2] / f"{trip_id}.parquet"

    def save(self, trip_id: str, data: bytes) -> None:
        """Keep a trip as :func:`to_bytes` wrote it; durable when this returns.

        A trip already there is left alone.
        """
        path = self.path_of(trip_id)
        if not self._files.exists(path):
            self._files.write(path, data, private=True)

    def load(self, trip_id: str) -> Trip:
        """The trip as it was saved.

        Raises
        ------
        StoreError
            The file is missing or is not what was written.
        """
        path = self.path_of(trip_id)
        try:
            trip = from_bytes(self._files.read(path))
        except FileNotFoundError as exc:
            raise StoreError(f"archive: trip {trip_id[:12]} is missing at {path}") from exc
        if trip.trip_id != trip_id:
            raise StoreError(f"archive: {path} holds another trip")
        return trip

    def delete(self, trip_id: str) -> None:
        """Remove a trip; nothing happens when it is not there."""
        self._files.delete(self.path_of(trip_id))


def to_bytes(trip: Trip) -> bytes:
    """A trip as the bytes of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {}
    for name, dtype in _ARRAYS.items():
        columns[name] = pa.array([getattr(trip, name).astype(dtype)])
    for name in _TRIPLES:
        values = getattr(trip, name)
        for k, axis in enumerate(_AXES):
            column = None if values is None else np.ascontiguousarray(values[:, k])
            columns[f"{name}_{axis}"] = pa.array([column], type=pa.list_(pa.int32()))
    arrays = {*_ARRAYS, *_TRIPLES}
    said = {f.name: getattr(trip, f.name) for f in fields(trip) if f.name not in arrays}
    table = pa.table(columns).replace_schema_metadata(
        {"format": VERSION, "trip": json.dumps(said, sort_keys=True)}
    )
    sink = BytesIO()
    # Differences of samples are small numbers: half as long as the samples zipped, and sooner.
    steps = {field.name + _ELEMENT: "DELTA_BINARY_PACKED" for field in table.schema}
    pq.write_table(table, sink, compression="zstd", use_dictionary=False, column_encoding=steps)
    return sink.getvalue()


def from_bytes(data: bytes) -> Trip:
    """The trip that :func:`to_bytes` wrote.

    Raises
    ------
    StoreError
        The bytes are damaged or of another version.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
        metadata = table.schema.metadata or {}
        if metadata.get(b"format") != VERSION.encode():
            raise StoreError(f"archive: a trip of another version ({metadata.get(b'format')!r})")
        said = json.loads(metadata[b"trip"])
    except (pa.ArrowInvalid, OSError, KeyError, ValueError) as exc:
        raise StoreError(f"archive: a damaged trip file: {exc}") from exc
    arrays = {name: _list(table, name) for name in _ARRAYS}
    for name in _TRIPLES:
        axes = [_list(table, f"{name}_{axis}") for axis in _AXES]
        arrays[name] = None if axes[0] is None else np.column_stack(axes)
    said["gravity"], said["time_basis"] = Gravity(said["gravity"]), TimeBasis(said["time_basis"])
    said["warnings"] = tuple(said["warnings"])
    return Trip(**said, **arrays)


def _list(table: Any, name: str) -> Any:
    scalar = table[name].chunk(0)[0]
    return scalar.values.to_numpy(zero_copy_only=False) if scalar.is_valid else None
