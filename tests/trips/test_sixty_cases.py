"""Sixty kinds of bad trip files: each has its answer, and what only looks like one is accepted."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streetbump.config import shipped_settings
from streetbump.model import Reason, Rejected, Trip
from streetbump.pipeline.intake import detect_trip
from streetbump.trips.door import admit

from .cases import (
    CASES,
    ELSEWHERE,
    Case,
    Given,
    extreme,
    nearly_replayed,
    replayed,
    two_places,
)
from .kit import KEY, read_all

INSTANCES = int(os.environ.get("STREETBUMP_CASES", "50"))
DOOR = msgspec.structs.replace(shipped_settings().door, trim_min_m=0, trim_max_m=0, trim_floor_m=0)
ROOT = Path(__file__).parents[2]


def answer(given: Given) -> Trip | Rejected:
    """What becomes of an instance."""
    (got,) = read_all(given.data, **given.options)
    if isinstance(got, Rejected) or not given.door:
        return got
    received_ns = None if given.received_s is None else round(given.received_s * 1e9)
    return admit(got, key=KEY, settings=DOOR, received_ns=received_ns)


def agrees(got: Trip | Rejected, given: Given) -> bool:
    """Whether an answer is the wanted one."""
    if isinstance(given.want, Reason):
        return isinstance(got, Rejected) and got.reason is given.want
    return isinstance(got, Trip) and (given.want or "") in "; ".join(got.warnings)


def wrong(case: Case, kind: str) -> list[str]:
    """The instances whose answer is another, in words."""
    found = []
    for k in range(INSTANCES):
        rng = np.random.default_rng([case.number, k, kind == "near"])
        given = (case.near if kind == "near" else case.make)(rng, k)
        got = answer(given)
        if not agrees(got, given):
            said = f"{got.reason}: {got.hint}" if isinstance(got, Rejected) else got.warnings
            found.append(f"{k}: wanted {given.want}, got {said}")
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.number}-{c.name}")
def test_each_kind_of_bad_file_has_its_answer(case: Case) -> None:
    """Every instance is refused with the case's reason, or accepted with its warning."""
    assert wrong(case, "bad") == []


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.number}-{c.name}")
def test_a_near_miss_is_accepted(case: Case) -> None:
    """What stays on the good side of the limit is a trip."""
    assert wrong(case, "near") == []


def trips_of(*files: bytes) -> list[Trip]:
    """The only trip in each file."""
    rows = [row for data in files for row in read_all(data)]
    assert len(rows) == len(files)
    assert all(isinstance(row, Trip) for row in rows), rows
    return [row for row in rows if isinstance(row, Trip)]


def test_an_exact_replay_is_the_same_trip() -> None:
    """Packed, reordered, in other units, of another phone's name: one drive has one id."""
    for k in range(INSTANCES):
        first, second = trips_of(*replayed(np.random.default_rng([56, k]), k))
        assert first.trip_id == second.trip_id, k


def test_a_drive_made_of_another_is_a_trip_of_its_own() -> None:
    """Shifted, noisy, thinned or mirrored it cannot be told from a second drive by itself.

    What it may do is bounded where trips meet: one phone has one vote per place and day.
    """
    for k in range(INSTANCES):
        first, second = trips_of(*nearly_replayed(np.random.default_rng([56, k, True]), k))
        assert first.trip_id != second.trip_id, k


def test_two_places_at_once_are_two_trips_of_one_phone() -> None:
    """Neither file is wrong by itself, and which of them is cannot hang on which came first.

    docs/decisions/what-the-door-cannot-know.md says where such phones are bounded.
    """
    for k in range(INSTANCES):
        first, second = trips_of(*two_places(np.random.default_rng([58, k]), k))
        assert first.device == second.device is not None
        assert first.trip_id != second.trip_id, k


def test_what_comes_of_the_hardest_jolts_is_finite() -> None:
    """As many jolts of nearly 100 g as fit into a drive: every figure of them is a number."""
    found = 0
    for k in range(INSTANCES):
        (trip,) = trips_of(extreme(np.random.default_rng([60, k]), k))
        detection = detect_trip(trip, shipped_settings())
        for table in (detection.bumps, detection.passes):
            numbers = table.select_dtypes("number").to_numpy(dtype=np.float64, na_value=np.nan)
            assert not np.isinf(numbers).any()
        assert np.isfinite(detection.bumps["peak_ms2"]).all()
        found += len(detection.bumps)
    assert found > INSTANCES


def test_instances_differ() -> None:
    """Fifty instances are fifty files, but where there are not so many ways to be wrong."""
    for case in CASES:
        made = {
            case.make(np.random.default_rng([case.number, k, False]), k).data for k in range(50)
        }
        assert len(made) >= 40, case.name


def test_no_case_is_forgotten() -> None:
    """All sixty are decided, here or by tests that exist."""
    here = [case.number for case in CASES]
    assert sorted([*here, *ELSEWHERE]) == list(range(1, 61))
    for where in ELSEWHERE.values():
        path, _, name = where.partition("::")
        assert f"def {name}(" in (ROOT / path).read_text("utf-8")


def test_each_refusal_is_one_of_the_documented_reasons() -> None:
    """Whatever the cases are refused for stands in docs/reasons.md."""
    page = (ROOT / "docs" / "reasons.md").read_text("utf-8")
    given = [
        c.make(np.random.default_rng([c.number, k, False]), k) for c in CASES for k in range(4)
    ]
    wanted = {g.want for g in given if isinstance(g.want, Reason)}
    assert len(wanted) > 30
    assert {r for r in wanted if f"`{r.value}`" not in page} == set()
