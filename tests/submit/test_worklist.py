"""The work list of a city without Open311."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from streetbump.cityprofile import CityProfile
from streetbump.errors import CityError
from streetbump.model import RequestState, ServiceRequest
from streetbump.submit.worklist import COLUMNS, append

Make = Callable[..., CityProfile]
For = Callable[..., ServiceRequest]


def test_each_request_stands_there_once(tmp_path: Path, city: Make, request_for: For) -> None:
    """A reference is written once, however often an unclear outcome is cleared."""
    path = tmp_path / "list.csv"
    first, second = request_for(city()), request_for(city(), place_id="b2")
    for request in (first, second, first):
        receipt = append(path, request)
        assert (receipt.state, receipt.request_id) == (RequestState.ACKED, request.marker)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == list(COLUMNS)
    assert [r[0] for r in rows[1:]] == [first.marker, second.marker]
    assert rows[1][4:] == ["42.360000", "-71.050000", first.description]


def test_formulas_are_defused(tmp_path: Path, city: Make, request_for: For) -> None:
    """A text that a spreadsheet would run is shown as text."""
    request = replace(request_for(city()), description="=HYPERLINK(1)", place_id="@x")
    append(tmp_path / "list.csv", request)
    text = (tmp_path / "list.csv").read_text("utf-8")
    assert "'=HYPERLINK" in text
    assert ",'@x," in text


def test_simulated_trips_are_refused(tmp_path: Path, city: Make, request_for: For) -> None:
    """A real work list gets no simulated place; and an unwritable one says so."""
    with pytest.raises(CityError, match="simulated"):
        append(tmp_path / "list.csv", request_for(city(), synthetic=True))
    with pytest.raises(CityError, match="cannot be written"):
        append(tmp_path / "no" / "list.csv", request_for(city()))
    assert not list(tmp_path.iterdir())
