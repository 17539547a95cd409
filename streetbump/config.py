"""Versioned settings (thresholds), validated while they are read; cities are in `cityprofile`.

Every threshold is a field with its unit in the name, a range and a line of why. The numbers
themselves stand in one place, the released file ``data/settings-1.toml``; released files are
never edited, a change is a new file. Nothing here reads the clock or the environment.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from importlib import resources
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from streetbump.errors import ConfigError

BIN_HALF_DIAGONAL_M = 16.0
"""From the middle of a pass bin (22 m square) to its corner, m."""

ROUNDS = 3
"""How often a clustering looks for the middles of clusters. Chosen by us: what a third round leaves
is seen by too few. Here, because the halo of a cell depends on it."""

SHIPPED_SETTINGS = "settings-1.toml"


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A frozen record that refuses unknown keys."""


class DoorSettings(_Strict, frozen=True):
    """What happens to a trip before anything is stored."""

    trim_min_m: Annotated[float, Meta(ge=0, le=2000)]  # least length cut from either end
    trim_max_m: Annotated[float, Meta(ge=0, le=2000)]  # most; the length is keyed, not guessable
    trim_floor_m: Annotated[float, Meta(ge=0, le=2000)]  # least length cut from a short drive
    trim_share: Annotated[float, Meta(gt=0, lt=0.5)]  # most of a drive's reach that an end may cost
    original_days: Annotated[int, Meta(ge=0, le=30)]  # how long uploaded bytes are kept
    future_limit_s: Annotated[float, Meta(ge=0)]  # live door only: clocks run a little ahead
    age_limit_days: Annotated[float, Meta(ge=1)]  # live door only
    size_limit_bytes: Annotated[int, Meta(ge=1)]  # live door only


class DetectSettings(_Strict, frozen=True):
    """Jolts of one trip. One setting for every phone, car and city."""

    work_rate_hz: Annotated[float, Meta(ge=5, le=400)]  # faster phones are averaged down to this
    gap_s: Annotated[float, Meta(gt=0)]  # a longer gap between samples splits the trip
    gravity_s: Annotated[float, Meta(gt=0)]  # window of the gravity estimate
    highpass_s: Annotated[float, Meta(gt=0)]  # window of the mean that is taken off
    handling_deg: Annotated[float, Meta(gt=0, le=180)]  # gravity turning more: a hand, not a road
    short_s: Annotated[float, Meta(gt=0)]  # each of two means in a row that make the level, s
    noise_s: Annotated[float, Meta(gt=0)]  # span of the trip's own noise around a moment
    unfelt_ms2: Annotated[float, Meta(gt=0)]  # shaking that nobody minds, rms: added to the noise
    usual_noise_ms2: Annotated[float, Meta(gt=0)]  # where the score is that ratio
    speed_power: Annotated[float, Meta(ge=0, le=1)]  # jolts of the road grow with speed to this
    usual_speed_ms: Annotated[float, Meta(gt=0)]  # where the score is not changed by speed
    on_ratio: Annotated[float, Meta(gt=1)]  # least score of a candidate that is kept
    off_ratio: Annotated[float, Meta(gt=0)]  # a jolt has ended below this score
    merge_m: Annotated[float, Meta(gt=0)]  # jolts so near are one: two axles
    rebound_s: Annotated[float, Meta(ge=0)]  # or so soon: the body swings back
    merge_s: Annotated[float, Meta(ge=0)]  # but never later; and of those within, one is reported
    report_score: Annotated[float, Meta(gt=0)]  # the operating point of `detect`
    min_speed_ms: Annotated[float, Meta(ge=0)]  # slower: parking, hands, doors
    max_fix_gap_s: Annotated[float, Meta(gt=0)]  # no place is interpolated across a longer gap
    lag_prior_s: Annotated[float, Meta(ge=-1, le=5)]  # how late fixes are, until a trip tells
    lag_prior_sd_s: Annotated[float, Meta(gt=0, le=2)]  # how much that differs between trips
    default_accuracy_m: Annotated[float, Meta(gt=0)]  # where the logger gives none
    max_accuracy_m: Annotated[float, Meta(gt=0)]  # worse fixes are not used
    min_rate_hz: Annotated[float, Meta(gt=0)]  # slower trips give exposure only
    unsure_below: Annotated[float, Meta(ge=0, le=1)]  # least probability for a class name


class ClusterSettings(_Strict, frozen=True):
    """Many passes together."""

    eps_m: Annotated[float, Meta(gt=0, le=100)]  # jolts this near may be one defect
    core_trips: Annotated[int, Meta(ge=2)]  # distinct trips around a core, its own included
    max_heading_deg: Annotated[float, Meta(gt=0, le=180)]  # opposite lanes are other evidence
    join_m: Annotated[float, Meta(gt=0, le=100)]  # how far from a cluster's middle its jolts lie
    apart_m: Annotated[float, Meta(gt=0, le=100)]  # two jolts of one visit so far apart are two
    halves_m: Annotated[float, Meta(gt=0, le=100)]  # so near, and felt by none together: one thing
    max_extent_m: Annotated[float, Meta(gt=0)]  # a stretch: jolts of one trip this near each other
    rough_jolts: Annotated[int, Meta(ge=2)]  # so many within that, ahead and behind
    company_m: Annotated[float, Meta(gt=0)]  # ways are compared so far around: one car's phones
    pass_radius_m: Annotated[float, Meta(gt=0)]  # bins this near count as driving past
    visit_gap_s: Annotated[float, Meta(gt=0)]  # a later return to the place is another pass
    max_pos_err_m: Annotated[float, Meta(gt=0)]  # worse placed jolts join no cluster
    min_score: Annotated[float, Meta(gt=0)]  # weaker jolts join no cluster
    credible: Annotated[float, Meta(gt=0, lt=1)]  # of every stated interval
    reference_speed_ms: Annotated[float, Meta(gt=0)]  # of the reference car
    speed_exponent: Annotated[float, Meta(ge=0, le=2)]  # jolt ~ speed to this power
    unsure_below: Annotated[float, Meta(ge=0, le=1)]

    @property
    def reach_m(self) -> float:
        """How far from a cluster anything can still matter to it, m."""
        return max(3 * self.eps_m, self.pass_radius_m + BIN_HALF_DIAGONAL_M)

    @property
    def halo_m(self) -> float:
        """How far beyond a cell what is stored in it can depend on anything, m (docs/decisions)."""
        member = self.join_m + self.halves_m  # from a cluster's owner to its jolts
        labels = self.join_m + 3 * self.halves_m + ROUNDS * (self.join_m + 2 * self.eps_m)
        around = member + max(self.reach_m, self.max_extent_m, self.company_m)
        # A rough stretch is stored where its bin is, and is rough because of its jolts' cluster.
        return BIN_HALF_DIAGONAL_M + member + max(labels, around)


class FlagSettings(_Strict, frozen=True):
    """From clusters to places that deserve a report."""

    min_devices: Annotated[int, Meta(ge=1)]  # quorum of distinct named devices
    min_days: Annotated[int, Meta(ge=1)]  # on distinct local days
    min_hit_rate_lo: Annotated[float, Meta(ge=0, le=1)]  # lower end of the interval
    min_class_p: Annotated[float, Meta(ge=0, le=1)]  # of the class that is reported
    same_place_m: Annotated[float, Meta(gt=0)]  # two lanes within this are one place


class LifeSettings(_Strict, frozen=True):
    """Whether a place is still there: a two-state filter over its votes (cluster/life.py)."""

    present_first: Annotated[float, Meta(gt=0, lt=1)]  # before the first vote
    appears_per_vote: Annotated[float, Meta(gt=0, lt=1)]  # a defect begins between two votes
    repaired_per_vote: Annotated[float, Meta(gt=0, lt=1)]  # it is mended between two votes
    repaired_at_closing: Annotated[float, Meta(gt=0, lt=1)]  # when the city says closed
    stray_rate: Annotated[float, Meta(gt=0, lt=0.1)]  # jolts of other causes, where nothing is
    certainty: Annotated[float, Meta(gt=0.5, lt=1)]  # before a state changes


class Settings(_Strict, frozen=True):
    """All thresholds of one generation."""

    version: Annotated[int, Meta(ge=1)]
    door: DoorSettings
    detect: DetectSettings
    cluster: ClusterSettings
    flag: FlagSettings
    life: LifeSettings


_T = TypeVar("_T")


def decode_toml(text: str, kind: type[_T], *, where: str) -> _T:
    """A record of type `kind` from TOML text.

    Raises
    ------
    ConfigError
        Not TOML, an unknown or missing key, a value out of its range; names the key.
    """
    return convert(parse_toml(text, where=where), kind, where=where)


def convert(value: Any, kind: type[_T], *, where: str) -> _T:
    """A record of type `kind` from plain dicts and lists; errors name `where` and the key."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {str(exc).replace('`$.', '`')}") from exc


def parse_toml(text: str, *, where: str) -> dict[str, Any]:
    """The tables of a TOML text; a ConfigError that names `where` when it is none."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        raise ConfigError(f"{where}: not valid TOML: {exc}") from exc


def shipped_settings() -> Settings:
    """The settings of this release.

    >>> shipped_settings().version
    1
    """
    return parse_settings("", where="shipped settings")


def parse_settings(text: str, *, where: str) -> Settings:
    r"""The shipped settings with what `text` (TOML) says laid over them.

    >>> parse_settings("[cluster]\neps_m = 8.0", where="x").cluster.eps_m
    8.0
    >>> parse_settings("[cluster]\neps = 8.0", where="my.toml")
    Traceback (most recent call last):
    ...
    streetbump.errors.ConfigError: my.toml: Object contains unknown field `eps` - at `cluster`
    """
    return _over_shipped(parse_toml(text, where=where), where=where)


def stored_settings(text: str, *, where: str) -> Settings:
    """The settings in a JSON text that a store kept; what it does not say is as shipped.

    >>> stored_settings('{"cluster": {"eps_m": 8.0}}', where="a generation").cluster.eps_m
    8.0
    """
    return _over_shipped(msgspec.json.decode(text), where=where)


def _over_shipped(values: dict[str, Any], *, where: str) -> Settings:
    shipped = resources.files("streetbump.data").joinpath(SHIPPED_SETTINGS).read_text("utf-8")
    merged = _overlay(parse_toml(shipped, where=SHIPPED_SETTINGS), values)
    settings = convert(merged, Settings, where=where)
    _check_finite(merged, where)
    _check_order(settings, where)
    return settings


def _check_finite(values: dict[str, Any], where: str, path: str = "") -> None:
    for name, value in values.items():
        if isinstance(value, dict):
            _check_finite(value, where, f"{path}{name}.")
        elif isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{where}: {path}{name}: must be a finite number (got {value})")


def _overlay(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        k: _overlay(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
        for k, v in over.items()
    }
    return {**base, **both}


def _check_order(s: Settings, where: str) -> None:
    pairs = (
        ("detect.off_ratio", s.detect.off_ratio, "detect.on_ratio", s.detect.on_ratio),
        ("detect.rebound_s", s.detect.rebound_s, "detect.merge_s", s.detect.merge_s),
        ("door.trim_min_m", s.door.trim_min_m, "door.trim_max_m", s.door.trim_max_m),
        ("door.trim_floor_m", s.door.trim_floor_m, "door.trim_min_m", s.door.trim_min_m),
        ("cluster.eps_m", s.cluster.eps_m, "cluster.join_m", s.cluster.join_m),
    )
    for low_name, low, high_name, high in pairs:
        if low > high:
            raise ConfigError(
                f"{where}: {low_name}: must not be above {high_name} (got {low} > {high})"
            )


def generation_key(settings: Settings, *, algorithm: str, model: str) -> str:
    """Identity of what turns trips into clusters: thresholds, algorithm version, model digest.

    Settings of the door are left out: they act before anything is stored.

    >>> len(generation_key(shipped_settings(), algorithm="1", model="m"))
    16
    """
    parts = (settings.detect, settings.cluster, algorithm, model)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]
