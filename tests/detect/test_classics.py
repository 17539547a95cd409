"""The classic threshold rules, each on signals small enough to work out by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streetbump.detect.classics import CLASSICS, MERGE_S, SLOW_MS, Classic, Given
from streetbump.model import STANDARD_GRAVITY_MS2 as G

EVALUATE_MD = Path(__file__).parents[2] / "docs" / "evaluate.md"
RULES = {c.name: c for c in CLASSICS}
every_classic = pytest.mark.parametrize("classic", CLASSICS, ids=lambda c: c.name)


def given(signal, speed_ms: float = 10.0) -> Given:
    return Given(signal, np.full(len(signal.t_ns), speed_ms))


def times(name: str, to: Given, *thresholds: float) -> np.ndarray:
    """What a rule hears, at its quoted thresholds unless others are given."""
    rule = RULES[name]
    return rule.times(to, np.array([thresholds or rule.quoted]))[0]


def samples(n: int = 1000, **at: float) -> np.ndarray:
    """Silence, but for some samples: ``samples(s500=2.0)``."""
    z = np.zeros(n)
    for key, value in at.items():
        z[int(key[1:])] = value
    return z


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


# ------------------------------------------------------------------------------- all of them


@every_classic
@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_no_rule_fires_on_silence(series, classic: Classic, n: int) -> None:
    """Silence of any length gives no event as quoted; an empty signal gives none either."""
    settings = np.array([classic.quoted or classic.grid[0]])
    (found,) = classic.times(given(series(np.zeros(n), 100.0)), settings)
    assert found.tolist() == []


@every_classic
def test_nothing_is_heard_near_gaps(series, classic: Classic) -> None:
    """Samples that are not usable fire no rule, though they would."""
    signal = series(buzz(5.0) - samples(s499=3 * G), 100.0)
    assert any(map(len, classic.times(given(signal), classic.grid)))
    signal.usable[:] = False
    assert not any(map(len, classic.times(given(signal), classic.grid)))


@every_classic
def test_a_record_says_what_its_rule_needs(series, classic: Classic) -> None:
    """Without speed some rules hear nothing; the others mind neither speed nor other axes."""
    signal = series(buzz(2.0), 100.0)
    known, unknown = given(signal), given(replace(signal, axes_ms2=signal.axes_ms2 * 7), np.nan)
    was, now = (classic.times(g, classic.grid) for g in (known, unknown))
    assert any(map(len, was))
    if classic.vertical_only:
        assert [t.tolist() for t in now] == [t.tolist() for t in was]
    else:
        assert not any(map(len, now))


@every_classic
def test_a_record_is_complete(classic: Classic) -> None:
    """A source, a unit per threshold, and its quoted thresholds, if any, inside the grid."""
    n = classic.grid.shape[1]
    assert classic.source
    assert len(classic.unit.split(", ")) == n
    assert len(classic.quoted) in (0, n)
    lowest, highest = classic.grid.min(axis=0), classic.grid.max(axis=0)
    quoted = np.array(classic.quoted or lowest)
    assert np.all((lowest <= quoted) & (quoted <= highest))


def test_the_documentation_lists_exactly_the_classics() -> None:
    """docs/evaluate.md has one row per classic, with its quoted thresholds and its source."""
    section = EVALUATE_MD.read_text().split("## The classics")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]
    assert [row[0] for row in rows] == [c.name for c in CLASSICS]
    for (_, _, quoted, source, verified), classic in zip(rows, CLASSICS, strict=True):
        assert quoted.split(" ")[0] == ("/".join(f"{q:g}" for q in classic.quoted) or "none")
        assert source == classic.source
        assert verified.startswith(("yes", "no", "in part"))


@pytest.mark.parametrize(
    ("apart_s", "events"),
    [
        pytest.param(0.5, 1, id="near"),
        pytest.param(MERGE_S, 1, id="exactly as near"),
        pytest.param(MERGE_S + 0.01, 2, id="further apart"),
    ],
)
def test_detections_within_a_second_are_one_event(series, apart_s: float, events: int) -> None:
    """Detections no further apart than MERGE_S are one event, at the time of the first."""
    z = np.zeros(1000)
    z[[300, 300 + round(apart_s * 100)]] = G
    signal = series(z, 100.0)
    found = times("Z-THRESH", given(signal))
    assert len(found) == events
    assert found[0] == signal.t_ns[300]


def test_a_chain_of_detections_is_one_event(series) -> None:
    """What follows within a second of the last detection belongs to the same event."""
    z = np.zeros(1000)
    z[100:900:90] = G
    assert len(times("Z-THRESH", given(series(z, 100.0)))) == 1


# ------------------------------------------------------------------------------- Mednis 2011

FIRES = [
    # rule, signal, whether it fires
    ("Z-THRESH", spike(0.45), True, "a peak over 0.4 g"),
    ("Z-THRESH", spike(-0.45), True, "a drop below -0.4 g"),
    ("Z-THRESH", spike(0.35), False, "a lower peak"),
    ("Z-THRESH", swell(0.5), True, "a smooth swell over 0.4 g"),
    ("Z-DIFF", spike(0.25), True, "a step over 0.2 g"),
    ("Z-DIFF", spike(0.15), False, "a smaller step"),
    ("Z-DIFF", swell(0.5), False, "no step in a swell"),
    ("STDEV(Z)", buzz(0.4), True, "shaking of 0.28 g rms"),
    ("STDEV(Z)", buzz(0.1), False, "weaker shaking"),
    ("STDEV(Z)", swell(0.5), False, "no shaking in a swell"),
    ("G-ZERO", swell(-0.9), True, "nearly weightless"),
    ("G-ZERO", spike(-0.15), False, "hardly lighter"),
    ("G-ZERO", swell(0.9), False, "heavier"),
]


@pytest.mark.parametrize(
    ("name", "z", "fires"), [f[:3] for f in FIRES], ids=[f"{f[0]}: {f[3]}" for f in FIRES]
)
def test_mednis_on_textbook_cases(series, name: str, z: np.ndarray, fires: bool) -> None:
    """A rule fires on what it was made for, once, and not on what it was not."""
    signal = series(z, 100.0)
    found = times(name, given(signal))
    assert len(found) == fires
    assert np.all(np.abs(found - signal.t_ns[500]) < 1_000_000_000)


# ------------------------------------------------------------------------------- Pothole Patrol


@pytest.mark.parametrize(
    ("thresholds", "speed_ms", "across_at", "fires"),
    [
        pytest.param((0.0, 0.0, 0.9), 10.0, 500, True, id="1 g reaches 0.9 g"),
        pytest.param((0.0, 0.0, 1.1), 10.0, 500, False, id="1 g does not reach 1.1 g"),
        pytest.param((0.3, 0.0, 0.9), 10.0, 500, True, id="0.5 g across is 0.3 of 1 g and more"),
        pytest.param((0.6, 0.0, 0.9), 10.0, 500, False, id="0.5 g across is not 0.6 of 1 g"),
        pytest.param((0.3, 0.0, 0.9), 10.0, 508, True, id="across 80 ms later is near"),
        pytest.param((0.3, 0.0, 0.9), 10.0, 510, False, id="across 100 ms later is not"),
        pytest.param((0.0, 0.09, 0.9), 10.0, 500, True, id="1 g at 10 m/s is 0.1 and reaches 0.09"),
        pytest.param((0.0, 0.11, 0.9), 10.0, 500, False, id="1 g at 10 m/s does not reach 0.11"),
        pytest.param((0.0, 0.11, 0.9), 5.0, 500, True, id="at 5 m/s it does"),
        pytest.param((0.0, 0.0, 0.9), np.nan, 500, False, id="no speed, no detection"),
    ],
)
def test_pothole_patrol(
    series, thresholds: tuple[float, ...], speed_ms: float, across_at: int, fires: bool
) -> None:
    """A drop of 1 g at 500 with 0.5 g across the vertical: every filter passes or stops it.

    The high-pass of a second takes a hundredth of both, which leaves 0.475 g across.
    """
    signal = series(samples(s500=-G), 100.0)
    signal.axes_ms2[across_at, 0] = 0.5 * G
    found = times("Pothole Patrol", given(signal, speed_ms), *thresholds)
    assert found.tolist() == signal.t_ns[[500] * fires].tolist()


def test_pothole_patrol_takes_the_highest_peak_of_a_window(series) -> None:
    """0.8 g and 1 g within the window of 0.67 s: only the higher counts, not the first."""
    signal = series(samples(s470=0.8 * G, s500=G), 100.0)
    found = times("Pothole Patrol", given(signal), 0.0, 0.0, 0.5)
    assert found.tolist() == [signal.t_ns[500]]


# ------------------------------------------------------------------------------- Nericell


@pytest.mark.parametrize(
    ("z_g", "speed_ms", "fires"),
    [
        pytest.param((-0.25, -0.25), 5.0, True, id="slow: 0.75 g for 20 ms"),
        pytest.param((-0.25, 0.0), 5.0, False, id="slow: 0.75 g for 10 ms"),
        pytest.param((-0.15, -0.15), 5.0, False, id="slow: 0.85 g is no dip"),
        pytest.param((0.5, 0.5), 5.0, False, id="slow: a peak is no dip"),
        pytest.param((0.5, 0.0), 10.0, True, id="fast: a peak of 1.5 g"),
        pytest.param((0.4, 0.0), 10.0, False, id="fast: 1.4 g is no peak"),
        pytest.param((-0.9, -0.9), 10.0, False, id="fast: a dip is no peak"),
        pytest.param((0.5, 0.0), SLOW_MS, True, id="25 km/h is fast"),
        pytest.param((0.5, 0.5), np.nan, False, id="unknown speed: no peak"),
        pytest.param((-0.9, -0.9), np.nan, False, id="unknown speed: no dip"),
    ],
)
def test_nericell(series, z_g: tuple[float, float], speed_ms: float, fires: bool) -> None:
    """Two samples at 100 Hz: below 25 km/h under 0.8 g for 20 ms, from there on over 1.45 g."""
    signal = series(samples(s500=z_g[0] * G, s501=z_g[1] * G), 100.0)
    found = times("Nericell", given(signal, speed_ms))
    assert found.tolist() == signal.t_ns[[500] * fires].tolist()


def test_a_dip_that_the_end_cuts_off_is_not_sustained(series) -> None:
    """The last sample alone is 10 ms of a dip, and nothing is known of the next."""
    signal = series(samples(s999=-0.9 * G), 100.0)
    assert times("Nericell", given(signal, 5.0)).tolist() == []


# ------------------------------------------------------------------------------- the 2011 entries


@pytest.mark.parametrize(
    ("z", "rate_hz", "fires"),
    [
        pytest.param(samples(100, s49=-3, s50=10), 5.0, True, id="down, up"),
        pytest.param(samples(100, s50=10), 5.0, False, id="up alone"),
        pytest.param(samples(100, s48=-3, s49=-3, s50=10), 5.0, False, id="long down, up"),
        pytest.param(samples(100, s49=-3, s50=10, s51=8), 5.0, False, id="down, long up"),
        pytest.param(samples(100, s50=-10, s51=3), 5.0, True, id="strong down, up"),
        pytest.param(samples(100, s50=-10), 5.0, False, id="down alone"),
        pytest.param(samples(100, s50=-10, s51=3, s52=1), 5.0, False, id="strong down, long up"),
        pytest.param(samples(100, s40=-3, s50=10), 50.0, True, id="down, 0.2 s, up at 50 Hz"),
        pytest.param(samples(100, s49=-3, s50=10), 50.0, False, id="down, 20 ms, up at 50 Hz"),
        pytest.param(samples(100, s49=-3, s50=10), 1.0, True, id="a second apart is paired"),
        pytest.param(samples(100, s50=10), 1.0, False, id="a second apart must be paired"),
        pytest.param(samples(100, s50=10), 0.5, True, id="two seconds apart need no pair"),
    ],
)
def test_an_street_bump_pairs_down_and_up(
    series, z: np.ndarray, rate_hz: float, fires: bool
) -> None:
    """Of 100 samples with one of 10 m/s², sigma is 1.0 to 1.3: 10 is beyond 2.9 sigma, 3 is not."""
    signal = series(z, rate_hz)
    assert times("AnStreetBump", given(signal)).tolist() == signal.t_ns[[50] * fires].tolist()


def test_an_street_bump_counts_a_hit_without_neighbours(series) -> None:
    """The first sample has nothing before it to be paired with."""
    signal = series(samples(100, s0=10), 5.0)
    assert times("AnStreetBump", given(signal)).tolist() == [signal.t_ns[0]]


@pytest.mark.parametrize("n_sigma", [9.89, 9.91])
@pytest.mark.parametrize("size_ms2", [0.01, -30.0])
@pytest.mark.parametrize("level_ms2", [0.0, 5.0])
def test_sprout_counts_in_sigma_about_the_mean(
    series, n_sigma: float, size_ms2: float, level_ms2: float
) -> None:
    """One sample of a among 99 of none: mean a / 100, sigma a / 10, so a is 9.9 sigma off."""
    signal = series(level_ms2 + samples(100, s50=size_ms2), 5.0)
    found = times("Sprout", given(signal), n_sigma)
    assert found.tolist() == signal.t_ns[[50] * (n_sigma < 9.9)].tolist()


@pytest.mark.parametrize("name", ["AnStreetBump", "Sprout"])
def test_sigma_is_that_of_what_is_heard(series, name: str) -> None:
    """A shock while deaf raises no threshold: the same events as without it."""
    calm, loud = (series(samples(200, s49=-3, s50=10, s150=x), 5.0) for x in (0.0, 900.0))
    for signal in (calm, loud):
        signal.usable[140:160] = False
    assert len(times(name, given(calm))) == 1
    assert times(name, given(loud)).tolist() == times(name, given(calm)).tolist()


@every_classic
@pytest.mark.parametrize("n", [1, 2])
def test_very_short_signals_raise_nothing(series, classic: Classic, n: int) -> None:
    """One or two samples of anything: at most one event in every setting, and no warning."""
    found = classic.times(given(series(np.full(n, -20.0), 100.0)), classic.grid)
    assert all(len(t) <= 1 for t in found)
