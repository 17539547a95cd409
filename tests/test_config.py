"""Settings: every threshold in one released file, and nothing wrong gets through."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path

import msgspec
import pytest

from streetbump.config import (
    BIN_HALF_DIAGONAL_M,
    ROUNDS,
    SHIPPED_SETTINGS,
    DetectSettings,
    Settings,
    decode_toml,
    generation_key,
    parse_settings,
    shipped_settings,
)
from streetbump.errors import ConfigError

ROOT = Path(__file__).parents[1]
SHIPPED = shipped_settings()


def test_the_released_file_holds_every_field():
    """The file that ships names every section and field once, and nothing else."""
    text = resources.files("streetbump.data").joinpath(SHIPPED_SETTINGS).read_text("utf-8")
    table = tomllib.loads(text)
    sections = {
        f.name: f.type for f in msgspec.structs.fields(Settings) if isinstance(f.type, type)
    }
    sections.pop("version", None)
    assert set(table) == {"version", *sections}
    for name, kind in sections.items():
        assert set(table[name]) == {f.name for f in msgspec.structs.fields(kind)}
    assert decode_toml(text, Settings, where="x") == SHIPPED


def test_no_threshold_has_a_default_in_code():
    """Numbers stand in the released file only."""
    for section in (SHIPPED.door, SHIPPED.detect, SHIPPED.cluster, SHIPPED.flag):
        assert all(f.required for f in msgspec.structs.fields(section))


def test_nothing_said_is_what_ships():
    """An empty settings file is the shipped settings."""
    assert parse_settings("", where="x") == SHIPPED
    assert parse_settings("[detect]\n[flag]\n", where="x") == SHIPPED


def test_what_is_said_is_laid_over_what_ships():
    """A settings file names what it changes; the rest stays."""
    mine = parse_settings("[flag]\nmin_devices = 5\n[detect]\non_ratio = 3.5", where="x")
    assert (mine.flag.min_devices, mine.detect.on_ratio) == (5, 3.5)
    assert mine.cluster == SHIPPED.cluster
    assert mine.flag.min_days == SHIPPED.flag.min_days


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("[detect]\non_rate = 3", "unknown field `on_rate` - at `detect`", id="typo"),
        pytest.param("[detector]\non_ratio = 3", "unknown field `detector`", id="unknown section"),
        pytest.param("eps_m = 3", "unknown field `eps_m`", id="outside its section"),
        pytest.param("[cluster]\neps_m = 'far'", "Expected `float`.*at `cluster.eps_m`", id="word"),
        pytest.param("[cluster]\ncore_trips = 2.5", "Expected `int`.*`cluster.core_trips`",
                     id="fraction of a trip"),
        pytest.param("[cluster]\neps_m = 0", "> 0.*at `cluster.eps_m`", id="below its range"),
        pytest.param("[cluster]\neps_m = 101", "<= 100.*at `cluster.eps_m`", id="above its range"),
        pytest.param("[cluster]\ncore_trips = 1", ">= 2.*at `cluster.core_trips`",
                     id="one car proves nothing"),
        pytest.param("[cluster]\ncredible = 1", "< 1.*at `cluster.credible`", id="certainty"),
        pytest.param("detect = 3", "Expected `object`.*at `detect`", id="number for a section"),
        pytest.param("[detect\n", "not valid TOML", id="not TOML"),
        pytest.param("version = 0", ">= 1.*at `version`", id="version"),
        pytest.param("[cluster]\neps_m = nan", "at `cluster.eps_m`", id="not a number"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(text, said):
    """A wrong settings file is refused with its name, the key, and what was expected."""
    with pytest.raises(ConfigError, match=f"(?s)^my.toml: .*{said}"):
        parse_settings(text, where="my.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[detect]\noff_ratio = 5.0\non_ratio = 4.0",
         r"detect.off_ratio: must not be above detect.on_ratio \(got 5.0 > 4.0\)"),
        ("[door]\ntrim_min_m = 600.0", r"door.trim_min_m: must not be above door.trim_max_m"),
        ("[cluster]\njoin_m = 5.0", r"cluster.eps_m: must not be above cluster.join_m"),
    ],
    ids=["hysteresis", "trimming", "extent"],
)  # fmt: skip
def test_thresholds_that_contradict_each_other_are_named(text, said):
    """Two thresholds in the wrong order are refused, with both names and values."""
    with pytest.raises(ConfigError, match=f"^my.toml: {said}"):
        parse_settings(text, where="my.toml")


def test_equal_thresholds_are_allowed():
    """A trigger without hysteresis is a choice."""
    assert parse_settings("[detect]\noff_ratio = 3.0\non_ratio = 3.0", where="x").detect.on_ratio


def test_a_released_file_lacks_nothing():
    """A file that is read on its own must hold every field."""
    with pytest.raises(ConfigError, match=r"old\.toml: .*missing required field"):
        decode_toml("on_ratio = 3.0", DetectSettings, where="old.toml")


def test_settings_are_frozen():
    """Nobody changes a threshold while the program runs."""
    with pytest.raises(AttributeError, match="immutable"):
        SHIPPED.detect.on_ratio = 9.0  # type: ignore[misc]


def test_the_halo_covers_what_a_cluster_depends_on():
    """The halo holds a bin, the cluster of a jolt in it, all that decides it, and its passes."""
    c = SHIPPED.cluster
    owner = BIN_HALF_DIAGONAL_M + c.join_m + c.halves_m
    other_halves_jolt = 3 * c.halves_m + c.join_m
    assert c.halo_m >= owner + other_halves_jolt + ROUNDS * (c.join_m + 2 * c.eps_m)
    assert c.halo_m >= owner + c.reach_m
    assert c.reach_m >= c.pass_radius_m


KEY = generation_key(SHIPPED, algorithm="1", model="m")


@pytest.mark.parametrize(
    ("text", "algorithm", "model", "same"),
    [
        pytest.param("", "1", "m", True, id="the same"),
        pytest.param("[door]\nage_limit_days = 5.0", "1", "m", True, id="the door"),
        pytest.param("[flag]\nmin_devices = 5", "1", "m", True, id="what is flagged"),
        pytest.param("[detect]\non_ratio = 3.5", "1", "m", False, id="a detection threshold"),
        pytest.param("[cluster]\neps_m = 9.0", "1", "m", False, id="a clustering threshold"),
        pytest.param("", "2", "m", False, id="another algorithm"),
        pytest.param("", "1", "n", False, id="another model"),
    ],
)
def test_a_generation_is_what_turns_trips_into_clusters(text, algorithm, model, same):
    """The key of a generation changes with thresholds, algorithm and model, and nothing else."""
    key = generation_key(parse_settings(text, where="x"), algorithm=algorithm, model=model)
    assert (key == KEY) is same
    assert len(key) == 16


def test_an_endless_threshold_is_refused() -> None:
    """TOML can say inf and nan; a threshold cannot be either."""
    with pytest.raises(ConfigError, match=r"x: cluster\.max_extent_m: must be a finite number"):
        parse_settings("[cluster]\nmax_extent_m = inf\n", where="x")
