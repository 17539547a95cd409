"""Versioned settings (thresholds) and city profiles, validated while they are read.

Every threshold is a field with its unit in the name, a range and a line of why. The numbers
themselves stand in one place, the released file ``data/settings-1.toml``; released files are
never edited, a change is a new file. Nothing here reads the clock or the environment.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import re
import tomllib
from importlib import resources
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from streetbump.errors import ConfigError
from streetbump.model import JoltClass

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
    noise_floor_ms2: Annotated[float, Meta(gt=0)]  # noise is never taken for less than this
    noise_power: Annotated[float, Meta(ge=0, le=1)]  # 0: plain size, 1: ratio to the own noise
    usual_noise_ms2: Annotated[float, Meta(gt=0)]  # where the score is that ratio
    speed_power: Annotated[float, Meta(ge=0, le=1)]  # jolts of the road grow with speed to this
    usual_speed_ms: Annotated[float, Meta(gt=0)]  # where the score is not changed by speed
    on_ratio: Annotated[float, Meta(gt=1)]  # least score of a candidate that is kept
    off_ratio: Annotated[float, Meta(gt=0)]  # a jolt has ended below this score
    merge_s: Annotated[float, Meta(ge=0)]  # two axles and a rebound are one jolt
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
    max_extent_m: Annotated[float, Meta(gt=0)]  # a stretch: jolts of one trip this near each other
    rough_jolts: Annotated[int, Meta(ge=2)]  # so many within that, ahead and behind
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
        """How far beyond a cell its clusters can depend on anything, m (docs/decisions)."""
        labels = ROUNDS * (self.join_m + 2 * self.eps_m)
        return self.join_m + max(labels, self.join_m + self.reach_m, self.max_extent_m)


class FlagSettings(_Strict, frozen=True):
    """From clusters to places that deserve a report."""

    min_devices: Annotated[int, Meta(ge=1)]  # quorum of distinct named devices
    min_days: Annotated[int, Meta(ge=1)]  # on distinct local days
    min_hit_rate_lo: Annotated[float, Meta(ge=0, le=1)]  # lower end of the interval
    min_class_p: Annotated[float, Meta(ge=0, le=1)]  # of the class that is reported
    same_place_m: Annotated[float, Meta(gt=0)]  # both directions within this are one place


class Settings(_Strict, frozen=True):
    """All thresholds of one generation."""

    version: Annotated[int, Meta(ge=1)]
    door: DoorSettings
    detect: DetectSettings
    cluster: ClusterSettings
    flag: FlagSettings


_T = TypeVar("_T")


def decode_toml(text: str, kind: type[_T], *, where: str) -> _T:
    """A record of type `kind` from TOML text.

    Raises
    ------
    ConfigError
        Not TOML, an unknown or missing key, a value out of its range; names the key.
    """
    return convert(_parse_toml(text, where=where), kind, where=where)


def convert(value: Any, kind: type[_T], *, where: str) -> _T:
    """A record of type `kind` from plain dicts and lists; errors name `where` and the key."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{where}: {str(exc).replace('`$.', '`')}") from exc


def _parse_toml(text: str, *, where: str) -> dict[str, Any]:
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
    shipped = resources.files("streetbump.data").joinpath(SHIPPED_SETTINGS).read_text("utf-8")
    merged = _overlay(_parse_toml(shipped, where=SHIPPED_SETTINGS), _parse_toml(text, where=where))
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


# --------------------------------------------------------------------------- city profiles

Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Text = Annotated[str, Meta(min_length=1, max_length=300)]

_SLUG = r"^[a-z0-9][a-z0-9-]{0,39}$"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, a token
_FRAMING = {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie"}
_RESERVED_ZONES = {"localtime", "posixrules", "Factory"}  # not places, or not the same everywhere


class BBox(_Strict, frozen=True, tag_field="kind", tag="bbox"):
    """A city's area as a box in degrees; it may cross the antimeridian (west > east)."""

    west: Longitude
    south: Latitude
    east: Longitude
    north: Latitude

    def __post_init__(self) -> None:
        if self.south >= self.north:
            raise ValueError(f"south: must be below north (got {self.south} >= {self.north})")
        if self.west == self.east:
            raise ValueError(f"west: must differ from east (got {self.west})")


class Radius(_Strict, frozen=True, tag_field="kind", tag="radius"):
    """A city's area as a circle."""

    lat_deg: Latitude
    lon_deg: Longitude
    radius_m: Annotated[float, Meta(gt=0, le=200_000)]


class BoundaryFile(_Strict, frozen=True, tag_field="kind", tag="file"):
    """A city's area as a polygon in a GeoJSON file; whoever opens files resolves the path."""

    path: Text


class ServiceCode(_Strict, frozen=True):
    """What one class of defect is called in one city."""

    code: Text  # sent as service_code; opaque
    name: Text  # must still be the code's name in the city's live list
    attributes: dict[str, str | list[str]] = {}  # answers to the city's questions
    search_codes: tuple[Text, ...] = ()  # what listings call it, where that differs

    @property
    def listed_as(self) -> tuple[str, ...]:
        """The codes under which the city lists such requests."""
        return self.search_codes or (self.code,)


class GeoReportChannel(_Strict, frozen=True, tag_field="kind", tag="georeport"):
    """An Open311 GeoReport v2 endpoint."""

    endpoint: Text  # what stands before /services.json
    format: Literal["json", "xml"] = "json"
    jurisdiction_id: str = ""
    key_env: str = ""  # name of the environment variable that holds the key
    key_file: str = ""  # or a file that holds it
    key_place: Literal["form", "header"] = "form"
    key_header: str = ""  # name of the header, for key_place = "header"
    key_prefix: str = ""  # what stands before the key in the header, as "Bearer "
    key_on_reads: bool = False  # some cities want the key on GET as well; in the header only
    fields: dict[
        Literal["email", "first_name", "last_name", "phone", "account_id"], Text
    ] = {}  # fixed arguments of each request  # fmt: skip
    safe_retry_statuses: tuple[Annotated[int, Meta(ge=400, le=599)], ...] = ()

    def __post_init__(self) -> None:
        _check_endpoint(self.endpoint)
        if self.key_env and self.key_file:
            raise ValueError("key_env: give this or key_file, not both")
        self._check_header()

    def _check_header(self) -> None:
        in_header = self.key_place == "header"
        if in_header != bool(self.key_header):
            raise ValueError('key_header: give it with key_place = "header", and only then')
        if in_header and not _HEADER_NAME.fullmatch(self.key_header):
            raise ValueError(f"key_header: not the name of a header (got {self.key_header!r})")
        if self.key_header.lower() in _FRAMING:
            raise ValueError(f"key_header: {self.key_header} has another purpose")
        if not (self.key_prefix.isascii() and self.key_prefix.isprintable()):
            raise ValueError("key_prefix: plain printable ASCII only")
        if self.key_on_reads and not in_header:
            raise ValueError('key_on_reads: needs key_place = "header": no key goes into a URL')

    @property
    def host(self) -> str:
        """The host of the endpoint, lower case."""
        return urlsplit(self.endpoint).hostname or ""


class FileChannel(_Strict, frozen=True, tag_field="kind", tag="file"):
    """A work list for a city without Open311: a CSV file that people take further."""

    path: Text


class Limits(_Strict, frozen=True):
    """What one city is asked for at most. The defaults are chosen by us, to be polite."""

    daily_budget: Annotated[int, Meta(ge=0, le=10_000)] = 10  # new requests per local day
    min_interval_s: Annotated[float, Meta(ge=0, le=3600)] = 6.0  # Boston allows 10 calls a minute
    description_max: Annotated[int, Meta(ge=250, le=4000)] = 1000  # characters; 4,000 by the spec
    lookup_hours: Annotated[float, Meta(gt=0, le=720)] = 24.0  # until a request must be listed
    lookback_days: Annotated[int, Meta(ge=1, le=90)] = 90  # of a duplicate search; 90 by the spec
    duplicate_radius_m: Annotated[float, Meta(gt=0, le=200)] = 15.0
    deadline_s: Annotated[float, Meta(gt=0, le=300)] = 60.0  # of one call, all in all
    body_limit_bytes: Annotated[int, Meta(ge=1024, le=1 << 26)] = 1 << 20
    page_limit: Annotated[int, Meta(ge=1, le=100_000)] | None = None  # rows of a full listing


class Contact(_Strict, frozen=True):
    """Who answers for these requests."""

    email: Annotated[str, Meta(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""  # in the text
    agent: Annotated[str, Meta(max_length=200, pattern=r"^[ -~]*$")] = ""  # in the User-Agent


class CityProfile(_Strict, frozen=True):
    """How to report to one city.

    `live` alone sends nothing: sending needs it *and* ``--send``.
    """

    schema_version: Literal[1]
    name: Annotated[str, Meta(pattern=_SLUG)]
    title: Text
    timezone: str  # IANA name; what a "day" is
    boundary: BBox | Radius | BoundaryFile
    channel: GeoReportChannel | FileChannel
    services: dict[JoltClass, ServiceCode]
    contact: Contact = Contact()
    limits: Limits = Limits()
    units: Literal["si", "us"] = "si"
    live: bool = False
    severity_cuts_ms2: tuple[float, float] = (4.0, 8.0)  # LOW | MEDIUM | HIGH; chosen by us

    def __post_init__(self) -> None:
        _check_zone(self.timezone)
        if not self.services:
            raise ValueError("services: name at least one class")
        if JoltClass.UNSURE in self.services:
            raise ValueError("services: `unsure` is never reported")
        low, high = self.severity_cuts_ms2
        if not 0 < low < high < float("inf"):
            raise ValueError(f"severity_cuts_ms2: must be 0 < low < high (got {low}, {high})")

    @property
    def loopback(self) -> bool:
        """Whether requests go to this very machine, and nowhere else."""
        return isinstance(self.channel, GeoReportChannel) and is_loopback(self.channel.host)

    def service_for(self, jolt_class: str) -> ServiceCode | None:
        """What this city calls such a defect; None when it does not take them."""
        return next((s for c, s in self.services.items() if c == jolt_class), None)


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine itself.

    >>> is_loopback("127.0.0.2"), is_loopback("::1"), is_loopback("127.0.0.1.example.org")
    (True, True, False)
    """
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_endpoint(endpoint: str) -> None:
    if not (endpoint.isascii() and endpoint.isprintable()) or " " in endpoint:
        raise ValueError("endpoint: plain ASCII without blanks only")
    parts = urlsplit(endpoint)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        raise ValueError("endpoint: must be an https address")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError(f"endpoint: must be https; http only to this machine (got {endpoint!r})")
    if parts.username is not None or parts.password is not None:
        raise ValueError("endpoint: no name or password in it; a key goes into key_env")
    if "?" in endpoint or "#" in endpoint:
        raise ValueError("endpoint: nothing from ? or # on; jurisdiction_id has its own key")
    if re.search(r"\.(json|xml)/?$", parts.path):
        raise ValueError("endpoint: what stands before /services.json, without a file name")
    if any(len(label) > 63 for label in parts.hostname.split(".")):
        raise ValueError("endpoint: not the name of a host")
    _ = parts.port  # a port out of range raises ValueError here, not while sending


def _check_zone(name: str) -> None:
    try:
        known = ZoneInfo(name).key == name and name not in _RESERVED_ZONES
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        known = False
    if not known:
        raise ValueError(f"timezone: not an IANA zone such as America/New_York (got {name!r})")


def parse_city(text: str, *, where: str) -> CityProfile:
    r"""A city profile from TOML text.

    Raises
    ------
    ConfigError
        Names `where` and the key that is missing, unknown or wrong.

    >>> parse_city("schema_version = 1", where="my.toml")
    Traceback (most recent call last):
    ...
    streetbump.errors.ConfigError: my.toml: Object missing required field `name`
    """
    return decode_toml(text, CityProfile, where=where)


def shipped_city(name: str) -> CityProfile:
    """A city profile that comes with the package.

    >>> shipped_city("sandbox").title
    'The practice city'
    """
    folder = resources.files("streetbump.data").joinpath("cities")
    names = sorted(f.name.removesuffix(".toml") for f in folder.iterdir())
    if name not in names:
        raise ConfigError(f"no city profile {name!r} is shipped; there is {', '.join(names)}")
    return parse_city(folder.joinpath(f"{name}.toml").read_text("utf-8"), where=f"{name}.toml")
