"""What to look at first, whoever has the phones: the order of places (docs/decisions)."""

from __future__ import annotations

import numpy as np

from streetbump.model import Floats

VOTES = 3.0
"""Votes beyond these say no more for the order: as many as a place needs to be flagged at all."""


def priority(
    voted: Floats, passed: Floats, level: Floats, level_lo: Floats, jolts: Floats,
    *, credible: float,
) -> Floats:  # fmt: skip
    """Hit rate and severity as three cars would make sure of them, multiplied, m/s².

    The lower end of an interval rises with every further car, so an order by it follows phones.
    Here a place that many drove over counts as if only ``VOTES`` had, at the same rate; one that
    fewer drove over counts as it is. So further passes move a place only where they change the
    rate or the severity, and passes without a jolt always move it down.

    Parameters
    ----------
    voted, passed : (n,) float64
        Votes of cars that hit, and of all: one per car, place and day, by weight.
    level, level_lo : (n,) float64
        Severity and the lower end of its interval, which narrows as 1 / sqrt(`jolts`).
    jolts : (n,) float64
        How many jolts the severity rests on, at least 1.
    credible : float
        Of the intervals.

    >>> n = np.array([3.0, 300.0])
    >>> order = priority(n, n, np.ones(2), np.array([0.8, 0.8**0.1]), n, credible=0.9)
    >>> bool(abs(order[0] - order[1]) < 1e-9)
    True
    """
    from scipy.special import betaincinv

    share = np.divide(voted, passed, out=np.zeros_like(passed), where=passed > 0)
    n = np.minimum(passed, VOTES)
    rate = betaincinv(0.5 + n * share, 0.5 + n * (1 - share), (1 - credible) / 2)
    return rate * level * (level_lo / level) ** np.sqrt(np.maximum(jolts / VOTES, 1.0))
