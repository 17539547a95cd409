"""Sessions that people scored: each stands beside its index, in the table and in a picture."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.config import shipped_settings
from streetbump.detect.classify import load_model
from streetbump.report import sessions
from streetbump.report.hearing import Heard, bare_trip, hear
from streetbump.report.scoreboard import OURS, Figure, frame_of
from streetbump.report.truth import Description, parse_truth

SIZES_MS2 = {"a": 0.2, "b": 0.5, "c": 1.1, "d": 1.6}


def heard(trip_id: str, seconds: float = 60.0) -> Heard:
    """A minute of noise of the session's size."""
    noise = np.random.default_rng(3).normal(0, SIZES_MS2[trip_id], (round(50 * seconds), 1))
    return hear(
        bare_trip(noise, rate_hz=50.0), trip_id=trip_id, settings=shipped_settings().detect,
        model=load_model(), with_peers=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def scored() -> list[Figure]:
    rows = [f"{name},session,road_score,{9 - k}" for k, name in enumerate(SIZES_MS2)]
    truth = parse_truth("\n".join(["trip_id,kind,label,label_raw", *rows]), where="t")
    trips = [heard(name) for name in SIZES_MS2]
    return sessions.score_sessions(trips, truth, description=Description(higher_is_better=True))


def test_every_index_ranks_noise_by_its_size(scored: list[Figure]) -> None:
    """Four sizes, four scores, nothing in between: Spearman 1 for ours and for each peer."""
    ranked = {f.method: f.value for f in scored if f.part == sessions.PART}
    assert set(ranked) == set(sessions.SCORES)
    assert set(ranked.values()) == {1.0}


def test_each_session_stands_beside_its_score(scored: list[Figure]) -> None:
    """Index and score of every session, and a note with the correlation."""
    each = [f for f in scored if f.part == sessions.EACH]
    index = {f.at: f.value for f in each if f.measure == "index"}
    assert {f.at: f.value for f in each if f.measure == "score"} == dict(
        zip(SIZES_MS2, (9, 8, 7, 6), strict=True)
    )
    assert index == pytest.approx(SIZES_MS2, rel=0.15)
    assert {(f.method, f.note[:13]) for f in each} == {(OURS, "Spearman 1.00")}


def test_the_sessions_are_drawn(scored: list[Figure]) -> None:
    """One picture, a PNG."""
    pytest.importorskip("matplotlib")
    from streetbump.report.pictures import pictures

    drawn = pictures(frame_of(scored, dataset="rides"))
    assert list(drawn) == ["1-rides-sessions"]
    assert drawn["1-rides-sessions"][:8] == b"\x89PNG\r\n\x1a\n"
