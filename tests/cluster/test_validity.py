"""An obstacle excuses only what was felt while it stood there."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.cluster.inventory import read_inventory
from streetbump.cluster.match import Matches, in_force

DAY_NS = 86_400_000_000_000
JAN_10, JAN_20 = 19_732 * DAY_NS, 19_742 * DAY_NS  # 2024, days since 1970


@pytest.mark.parametrize(
    ("valid_from", "valid_to", "stands"),
    [
        ("", "", True),  # always
        ("2024-01-20", "", True),  # built on the day of the last hit
        ("2024-01-21", "", False),  # built afterwards
        ("", "2024-01-10", True),  # taken away at the end of the day of the first hit
        ("", "2024-01-09", False),  # taken away before
        ("2024-01-12", "2024-01-15", True),  # stood in between
    ],
)
def test_the_days_of_an_obstacle_count(valid_from: str, valid_to: str, stands: bool) -> None:
    """Hits from 10 to 20 January: both ends of the validity are days that count."""
    text = f"lat,lon,valid_from,valid_to\n42,-71,{valid_from},{valid_to}\n"
    rows = read_inventory(text.encode(), source="x", kind="hump").rows
    one = np.zeros(1, np.int64)
    found = in_force(
        Matches(one, one, np.ones(1)), rows, first_ns=one + JAN_10, last_ns=one + JAN_20
    )
    assert len(found.cluster) == stands
    undated = in_force(Matches(one, one, np.ones(1)), rows, first_ns=one - 1, last_ns=one - 1)
    assert len(undated.cluster) == 1


def test_a_validity_that_is_no_day_is_a_reason() -> None:
    """Rows with an unreadable day are dropped and counted, not taken for always."""
    text = (
        b"lat,lon,valid_from\n42,-71,soon\n43,-71,20240101\n44,-71,2024-01-01\n45,-71,2024-W01-1\n"
    )
    found = read_inventory(text, source="x", kind="hump")
    assert len(found.rows) == 1
    assert found.dropped.to_dict("records") == [
        {"reason": "validity is not a day (YYYY-MM-DD)", "rows": 3, "example_row": "1"}
    ]
