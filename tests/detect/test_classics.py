"""The classic threshold rules, each on its textbook case."""

from __future__ import annotations

import numpy as np
import pytest

from streetbump.detect.classics import CLASSICS, MERGE_S, g_zero, stdev_z, z_diff, z_thresh
from streetbump.model import STANDARD_GRAVITY_MS2 as G


def quiet(n: int = 1000) -> np.ndarray:
    return np.random.default_rng(2).normal(0, 0.05, n)


def spike(size_g: float) -> np.ndarray:
    """A single sample."""
    z = quiet()
    z[500] = size_g * G
    return z


def swell(size_g: float) -> np.ndarray:
    """Up and down within two seconds: high, and smooth."""
    z = quiet() * 0
    z[400:601] = size_g * G * np.sin(np.linspace(0, np.pi, 201))
    return z


def buzz(size_g: float) -> np.ndarray:
    """A quarter of a second of shaking."""
    z = quiet()
    z[500:526] += size_g * G * np.sin(2 * np.pi * 12 * np.arange(26) / 100)
    return z


FIRES = [
    # rule, signal, whether it fires
    (z_thresh, spike(0.45), True, "a peak over 0.4 g"),
    (z_thresh, spike(-0.45), True, "a drop below -0.4 g"),
    (z_thresh, spike(0.35), False, "a lower peak"),
    (z_thresh, swell(0.5), True, "a smooth swell over 0.4 g"),
    (z_diff, spike(0.25), True, "a step over 0.2 g"),
    (z_diff, spike(0.15), False, "a smaller step"),
    (z_diff, swell(0.5), False, "no step in a swell"),
    (stdev_z, buzz(0.4), True, "shaking of 0.28 g rms"),
    (stdev_z, buzz(0.1), False, "weaker shaking"),
    (stdev_z, swell(0.5), False, "no shaking in a swell"),
    (g_zero, swell(-0.9), True, "nearly weightless"),
    (g_zero, spike(-0.15), False, "hardly lighter"),
    (g_zero, swell(0.9), False, "heavier"),
]


@pytest.mark.parametrize(
    ("rule", "z", "fires"), [f[:3] for f in FIRES], ids=[f"{f[0].__name__}: {f[3]}" for f in FIRES]
)
def test_each_rule_on_its_textbook_case(series, rule, z, fires):
    """A rule fires on what it was made for, once, and not on what it was not."""
    signal = series(z, 100.0)
    found = rule(signal)
    assert len(found) == fires
    assert np.all(np.abs(found - signal.t_ns[500]) < 1_000_000_000)


@pytest.mark.parametrize("name", CLASSICS)
@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_no_rule_fires_on_silence(series, name, n):
    """Silence of any length gives no event; an empty signal gives none either."""
    found = CLASSICS[name](series(np.zeros(n), 100.0))
    assert found.tolist() == []


@pytest.mark.parametrize("name", CLASSICS)
def test_thresholds_are_arguments(series, name):
    """Every rule takes its threshold: a loose one fires on what a strict one lets pass."""
    z = buzz(0.5) if name != "G-ZERO" else swell(-0.5)
    loose, strict = (0.1, 3.0) if name != "G-ZERO" else (0.9, 0.1)
    assert len(CLASSICS[name](series(z, 100.0), threshold_g=loose)) > 0
    assert len(CLASSICS[name](series(z, 100.0), threshold_g=strict)) == 0


@pytest.mark.parametrize(
    ("apart_s", "events"),
    [
        pytest.param(0.5, 1, id="near"),
        pytest.param(MERGE_S, 1, id="exactly as near"),
        pytest.param(MERGE_S + 0.01, 2, id="further apart"),
    ],
)
def test_detections_within_a_second_are_one_event(series, apart_s, events):
    """Detections no further apart than MERGE_S are one event, at the time of the first."""
    z = np.zeros(1000)
    z[[300, 300 + round(apart_s * 100)]] = G
    signal = series(z, 100.0)
    found = z_thresh(signal)
    assert len(found) == events
    assert found[0] == signal.t_ns[300]


def test_a_chain_of_detections_is_one_event(series):
    """What follows within a second of the last detection belongs to the same event."""
    z = np.zeros(1000)
    z[100:900:90] = G
    assert len(z_thresh(series(z, 100.0))) == 1


def test_nothing_is_heard_near_gaps(series):
    """Samples that are not usable fire no rule."""
    signal = series(spike(2.0), 100.0)
    signal.usable[480:520] = False
    assert all(len(rule(signal)) == 0 for rule in CLASSICS.values())
