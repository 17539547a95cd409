"""A thin slice of the long trials of sending (scripts/campaign; docs/results/sending.md)."""

from __future__ import annotations

import os

import pytest

from campaigns import crashes, faults


def test_no_fault_of_a_city_doubles_or_loses_a_report() -> None:
    """Each fault alone and in random pairs: the city's ledger holds each place at most once."""
    tally = faults.campaign(60, seed=1)
    assert (tally.doubled, tally.lost, tally.restless) == ([], [], [])
    assert tally.runs == 60
    assert tally.acknowledged >= 0.99


@pytest.mark.alone
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_no_crash_doubles_or_loses_a_report() -> None:
    """SIGKILL at every named step, many in a row, whether the city took the request or not."""
    seen = crashes.campaign(40, seed=1)
    assert (seen.doubled, seen.lost) == ([], [])
    assert seen.crashes >= 40
    assert {"intent committed", "sending committed", "answer received", "receipt committed"} <= {
        name for name, n in seen.at.items() if n
    }
