"""Sample times made strictly increasing: bunches spread, equal stamps brought together."""

from __future__ import annotations

import numpy as np

from streetbump.model import Floats, Ints

BUNCH_STEP = 0.125
"""A step shorter than this share of the mean step belongs to a bunch. Chosen by us: loggers that
poll a sensor at 6 Hz write the odd extra row at 1/7 of the mean, bunches come within 1/15."""
BUNCH_SHARE = 0.2
"""With at least this share of such steps a recording arrived in bunches. Chosen by us: 12 to 75 %
apart in the recordings looked at, 5 % where rows only jitter."""
BUNCH_STEPS = 20
"""With fewer steps there is no rate to spread at. Chosen by us."""
PAUSE_US = 1_000_000
"""Longer steps are pauses and say nothing about the rate."""


def increasing(t_us: Ints, acc_ms2: Floats) -> tuple[Ints, Floats, tuple[str, ...]]:
    """Times, samples and warnings, with every time later than the one before.

    Samples that a logger received in bunches, nearly at one time, are spread back from the
    bunch's last stamp at the mean rate, and never into the bunch before; other samples of equal
    time become their mean.

    Parameters
    ----------
    t_us : (n,) int64
        Not decreasing, µs.
    acc_ms2 : (n, 3) float64

    >>> t, a, said = increasing(np.array([0, 10, 10, 20]), np.array([[0.0], [1.0], [3.0], [4.0]]))
    >>> t.tolist(), a.ravel().tolist(), said
    ([0, 10, 20], [0.0, 2.0, 4.0], ('1 samples shared a time with others: averaged',))
    """
    running = np.diff(t_us)
    if running.max(initial=0) > PAUSE_US:
        running = running[running <= PAUSE_US]
    if running.size == 0:
        return t_us, acc_ms2, ()
    mean_us = float(running.mean())
    short = np.count_nonzero(running < BUNCH_STEP * mean_us)
    if short == 0 and mean_us > 0:
        return t_us, acc_ms2, ()
    said: tuple[str, ...] = ()
    if mean_us > 0 and running.size >= BUNCH_STEPS and short >= BUNCH_SHARE * running.size:
        t_us, acc_ms2, said = _spread(t_us, acc_ms2, mean_us)
    t_us, acc_ms2, more = _averaged(t_us, acc_ms2)
    return t_us, acc_ms2, said + more


def _spread(t_us: Ints, acc_ms2: Floats, mean_us: float) -> tuple[Ints, Floats, tuple[str, ...]]:
    """Samples moved back from the end of their bunch.

    A row that repeats the sample before it was written for a new position, not for a new sample.
    """
    fresh = np.ones(t_us.size, dtype=np.bool_)
    fresh[1:] = (acc_ms2[1:] != acc_ms2[:-1]).any(axis=1)
    t_us, acc_ms2 = t_us[fresh], acc_ms2[fresh]
    bunch = np.concatenate(([0], np.cumsum(np.diff(t_us) > mean_us / 2)))
    count = np.bincount(bunch)
    last = np.cumsum(count) - 1
    end_us = t_us[last]
    mean_us = _mean_step(end_us, count, mean_us)
    since_us = np.diff(end_us, prepend=end_us[:1] - round(mean_us * count[0]))
    step_us = np.minimum(since_us / count, mean_us)
    after = last[bunch] - np.arange(t_us.size)
    spread = end_us[bunch] - np.floor(after * step_us[bunch]).astype(np.int64)
    said = (
        f"samples came in bunches: spread at {1e6 / mean_us:.0f} Hz"
        + f", {fresh.size - t_us.size} repeated samples dropped" * (fresh.size > t_us.size),
    )
    return spread, acc_ms2, said


def _mean_step(end_us: Ints, count: Ints, otherwise_us: float) -> float:
    """Mean time per sample over the bunches that do not follow a pause."""
    since_us = np.diff(end_us)
    running = since_us <= PAUSE_US
    if not running.any():
        return otherwise_us
    return float(since_us[running].sum() / count[1:][running].sum())


def _averaged(t_us: Ints, acc_ms2: Floats) -> tuple[Ints, Floats, tuple[str, ...]]:
    new = np.diff(t_us, prepend=t_us[0] - 1) > 0
    if new.all():
        return t_us, acc_ms2, ()
    starts = np.flatnonzero(new)
    count = np.diff(starts, append=t_us.size)
    mean = np.add.reduceat(acc_ms2, starts, axis=0) / count[:, None]
    shared = t_us.size - starts.size
    return t_us[starts], mean, (f"{shared} samples shared a time with others: averaged",)
