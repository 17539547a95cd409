"""The work list: the channel of a city without Open311. People take it further from there."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

from streetbump.errors import CityError
from streetbump.model import Receipt, RequestState, ServiceRequest

COLUMNS = ("reference", "place_id", "episode", "service_code", "lat_deg", "lon_deg", "description")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def append(path: Path, request: ServiceRequest) -> Receipt:
    """Add one request to the list at `path`, durably; the reference serves as its id.

    A reference that stands there already is not written again, so an unclear outcome is cleared
    by calling this once more.

    Raises
    ------
    CityError
        The request comes from simulated trips, or the file cannot be written.
    """
    if request.synthetic:
        raise CityError(f"{path}: simulated trips are not for a real work list")
    try:
        if not _holds(path, request.marker):
            _write(path, request)
    except (OSError, UnicodeDecodeError, csv.Error) as exc:
        raise CityError(f"{path}: the work list cannot be written: {exc}") from exc
    return Receipt(RequestState.ACKED, request_id=request.marker, note=f"on the work list {path}")


def _holds(path: Path, marker: str) -> bool:
    if not path.exists():
        return False
    with path.open(encoding="utf-8", newline="") as file:
        return any(row and row[0] == marker for row in csv.reader(file))


def _write(path: Path, request: ServiceRequest) -> None:
    text = io.StringIO()
    lines = csv.writer(text)
    if not path.exists() or path.stat().st_size == 0:
        lines.writerow(COLUMNS)
    place = (format(request.lat_deg, ".6f"), format(request.lon_deg, ".6f"))
    about = (request.marker, request.place_id, str(request.episode), request.service_code)
    lines.writerow((*map(_cell, about), *place, _cell(request.description)))
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(text.getvalue())
        file.flush()
        os.fsync(file.fileno())


def _cell(text: str) -> str:
    """`text` such that a spreadsheet shows it, and does not run it as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
