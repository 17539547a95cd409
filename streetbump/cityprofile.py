"""City profiles: how to report to one city, as data, with every fault named at once.

A profile is one TOML file. What the standard (Open311 GeoReport v2) leaves open, or a server does
otherwise, is a key of the ``dialect`` table, whose defaults mean plain GeoReport v2. Nothing here
reads a file beside the shipped profiles, the clock or the environment.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
import string
from collections.abc import Callable, Iterator
from functools import cache
from importlib import resources
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from streetbump.config import parse_toml
from streetbump.errors import ConfigError
from streetbump.model import JoltClass

Latitude = Annotated[float, Meta(ge=-90, le=90)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Text = Annotated[str, Meta(min_length=1, max_length=300)]
Name = Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.\[\]-]{0,79}$")]

Check = Callable[[Any], str]
"""What is wrong with one value; empty when nothing is."""

_SLUG = r"^[a-z0-9][a-z0-9-]{0,39}$"
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110, a token
_FRAMING = {"host", "content-length", "content-type", "transfer-encoding", "connection", "cookie"}
_RESERVED_ZONES = {"localtime", "posixrules", "Factory"}  # not places, or not the same everywhere
_COMPOSED = {"service_code", "lat", "long", "description", "jurisdiction_id", "api_key"}
_STANDARD_FILTERS = ("service_code", "status", "start_date", "end_date")
_FILTERS = frozenset({*_STANDARD_FILTERS, "lat", "long", "radius", "bbox"})
REQUEST_FIELDS = frozenset(
    {
        "service_request_id", "token", "status", "service_code", "service_name", "description",
        "lat", "long", "requested_datetime", "updated_datetime", "status_notes",
        "parent_service_request_id",
    }
)  # fmt: skip
"""The fields of a listed request that we read, under their names in the standard."""
PLACEHOLDERS = frozenset({"ref", "lat", "long", "address", "severity", "first_day", "last_day"})
"""What an attribute or a fixed field may take from the place: ``{ref}`` and the like."""


class _Checked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A frozen record that refuses unknown keys and names what is wrong with each value."""

    CHECKS: ClassVar[dict[str, Check]] = {}

    def __post_init__(self) -> None:
        wrong = [f"{k}: {w}" for k, check in self.CHECKS.items() if (w := check(getattr(self, k)))]
        wrong += self.conflicts()
        if wrong:
            raise ValueError("; ".join(wrong))

    def conflicts(self) -> Iterator[str]:
        """What does not go together, each as ``key: what is wrong``."""
        yield from ()


# ------------------------------------------------------------------------------------- where


class BBox(_Checked, frozen=True, tag_field="kind", tag="bbox"):
    """A city's area as a box in degrees; it may cross the antimeridian (west > east)."""

    west: Longitude
    south: Latitude
    east: Longitude
    north: Latitude

    def conflicts(self) -> Iterator[str]:
        """South of north, and some width."""
        if self.south >= self.north:
            yield f"south: must be below north (got {self.south} >= {self.north})"
        if self.west == self.east:
            yield f"west: must differ from east (got {self.west})"


class Radius(_Checked, frozen=True, tag_field="kind", tag="radius"):
    """A city's area as a circle."""

    lat_deg: Latitude
    lon_deg: Longitude
    radius_m: Annotated[float, Meta(gt=0, le=200_000)]


class BoundaryFile(_Checked, frozen=True, tag_field="kind", tag="file"):
    """A city's area as a polygon in a GeoJSON file; whoever opens files resolves the path."""

    path: Text


class OtherOwner(_Checked, frozen=True):
    """Polygons or lines inside the city that somebody else looks after: state roads, parks."""

    path: Text  # GeoJSON
    owner: Text
    buffer_m: Annotated[float, Meta(ge=0, le=200)] = 15.0  # half the width of a road, and doubt


class Streets(_Checked, frozen=True):
    """Centre lines with names, to say in words where a place is."""

    path: Text  # GeoJSON
    name_field: Text = "name"
    within_m: Annotated[float, Meta(gt=0, le=200)] = 30.0  # a place further off is on none of them


# ----------------------------------------------------------------------------------- the service


class ServiceCode(_Checked, frozen=True):
    """What one class of defect is called in one city."""

    code: Text  # sent as service_code; opaque
    name: Text  # must still be the code's name in the city's live list
    attributes: dict[str, str | list[str] | dict[Literal["LOW", "MEDIUM", "HIGH"], str]] = {}
    search_codes: tuple[Text, ...] = ()  # what listings call it, where that differs

    CHECKS: ClassVar[dict[str, Check]] = {"attributes": lambda value: _attribute_fault(value)}

    @property
    def listed_as(self) -> tuple[str, ...]:
        """The codes under which the city lists such requests."""
        return self.search_codes or (self.code,)


def _attribute_fault(attributes: dict[str, Any]) -> str:
    for code, value in attributes.items():
        if isinstance(value, dict) and set(value) != {"LOW", "MEDIUM", "HIGH"}:
            return f"{code}: by severity it needs LOW, MEDIUM and HIGH"
        values = value.values() if isinstance(value, dict) else value
        for text in [values] if isinstance(values, str) else values:
            if not text:
                return f"{code}: an empty answer is no answer"
            if fault := placeholder_fault(text, PLACEHOLDERS):
                return f"{code}: {fault}"
    return ""


def placeholder_fault(template: str, known: frozenset[str]) -> str:
    """What is wrong with the ``{placeholders}`` of a template; empty when nothing is.

    >>> placeholder_fault("{ref} in {street}", frozenset({"ref"}))
    'there is no {street}; there is {ref}'
    """
    try:
        names = {n for _, n, spec, conv in string.Formatter().parse(template) if n is not None}
    except ValueError as exc:
        return str(exc)
    unknown = sorted(names - known)
    if unknown:
        return (
            f"there is no {{{unknown[0]}}}; there is {', '.join(f'{{{k}}}' for k in sorted(known))}"
        )
    return ""


# ----------------------------------------------------------------------------------- the channel


class GeoReportChannel(_Checked, frozen=True, tag_field="kind", tag="georeport"):
    """An Open311 GeoReport v2 endpoint."""

    endpoint: Text  # what stands before /services.json
    format: Literal["json", "xml"] = "json"  # of replies to reads
    post_format: Literal["", "json", "xml"] = ""  # of replies to the POST; empty: as `format`
    post_body: Literal["form", "json"] = "form"  # how the POST itself is written
    jurisdiction_id: str = ""
    jurisdiction_in: Literal["form", "query", "both"] = "form"  # of the POST; reads: the query
    key_env: str = ""  # name of the environment variable that holds the key
    key_file: str = ""  # or a file that holds it
    key_place: str = "form"  # form | header | bearer
    key_header: str = ""  # name of the header, for key_place = "header"
    key_prefix: str = ""  # what stands before the key in the header, as "Token "
    key_on_reads: bool = False  # some cities want the key on GET as well; in a header only
    headers: dict[str, str] = {}  # further request headers
    fields: dict[str, Text] = {}  # fixed arguments of each request, as email

    CHECKS: ClassVar[dict[str, Check]] = {
        "endpoint": lambda value: _endpoint_fault(value),
        "key_place": lambda value: _key_place_fault(value),
        "key_header": lambda value: _header_fault(value) if value else "",
        "key_prefix": lambda value: _ascii_fault(value),
        "headers": lambda value: _headers_fault(value),
        "fields": lambda value: _fields_fault(value),
    }

    def conflicts(self) -> Iterator[str]:
        """One source of the key, one place for it."""
        if self.key_env and self.key_file:
            yield "key_env: give this or key_file, not both"
        if (self.key_place == "header") != bool(self.key_header):
            yield 'key_header: give it with key_place = "header", and only then'
        if self.key_on_reads and self.key_place == "form":
            yield 'key_on_reads: needs key_place = "header" or "bearer": no key goes into a URL'
        if self.key_header.lower() in {name.lower() for name in self.headers}:
            yield f"headers: {self.key_header} holds the key"

    @property
    def host(self) -> str:
        """The host of the endpoint, lower case."""
        return urlsplit(self.endpoint).hostname or ""


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


def _endpoint_fault(endpoint: str) -> str:
    if not (endpoint.isascii() and endpoint.isprintable()) or " " in endpoint:
        return "plain ASCII without blanks only"
    try:
        parts = urlsplit(endpoint)
        _ = parts.port  # a port out of range raises ValueError here, not while sending
    except ValueError as exc:
        return str(exc)
    if parts.scheme not in {"https", "http"} or not parts.hostname:
        return "must be an https address"
    if parts.username is not None or parts.password is not None:
        return "no name or password in it; a key goes into key_env"
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        return f"must be https; http only to this machine (got {endpoint!r})"
    if "?" in endpoint or "#" in endpoint:
        return "nothing from ? or # on; jurisdiction_id has its own key"
    if re.search(r"\.(json|xml)/?$", parts.path):
        return "what stands before /services.json, without a file name"
    if any(len(label) > 63 for label in parts.hostname.split(".")):
        return "not the name of a host"
    return ""


def _key_place_fault(place: str) -> str:
    if place in {"form", "header", "bearer"}:
        return ""
    if place == "query":
        return "no key goes into a URL, where every log on the way keeps it; form, header or bearer"
    return f"form, header or bearer (got {place!r})"


def _ascii_fault(text: str) -> str:
    return "" if text.isascii() and (not text or text.isprintable()) else "plain printable ASCII"


def _header_fault(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        return f"not the name of a header (got {name!r})"
    return f"{name} has another purpose" if name.lower() in _FRAMING else ""


def _headers_fault(headers: dict[str, str]) -> str:
    for name, value in headers.items():
        if fault := _header_fault(name) or _ascii_fault(value):
            return f"{name}: {fault}"
        if name.lower() == "authorization":
            return "Authorization: a key goes into key_env, with key_place"
    return ""


def _fields_fault(fields: dict[str, str]) -> str:
    for name, value in fields.items():
        if name in _COMPOSED or name.startswith("attribute"):
            return f"{name}: is composed for each request"
        if name == "device_id":
            return "device_id: no request names a device"
        if fault := placeholder_fault(value, PLACEHOLDERS):
            return f"{name}: {fault}"
    return ""


class FileChannel(_Checked, frozen=True, tag_field="kind", tag="file"):
    """A work list for a city without Open311: a CSV file that people take further."""

    path: Text


# ----------------------------------------------------------------------------------- the dialect


class Answer(_Checked, frozen=True):
    """What one kind of answer means in this city, where the standard leaves it open."""

    status: Annotated[int, Meta(ge=200, le=599)]
    means: Literal["retry", "refused", "key", "none"]
    text: str = ""  # only where the body holds this, in capitals or not

    def conflicts(self) -> Iterator[str]:
        """No list is empty and no success is none by its status alone, but for a 204."""
        if 300 <= self.status < 400:
            yield "status: a redirect stops sending, whatever it says"
        if not self.text and (self.means, self.status) != ("none", 204):
            if self.means == "none":
                yield "text: an empty list must be told from an error by its text"
            elif self.status < 300:
                yield "text: a success that took nothing must be told by its text"


StatusWord = Literal["open", "closed", "duplicate", "referred"]


class Dialect(_Checked, frozen=True):
    """Where a server departs from plain GeoReport v2; the defaults are the standard."""

    path_suffix: bool = True  # /requests.json, or /requests
    trailing_slash: bool = False  # /requests.json/
    read_arguments: dict[Name, str] = {}  # fixed query arguments of each read, as extensions
    post_arguments: dict[Name, str] = {}  # and of the POST, as format
    by_id: Literal["path", "query"] = "path"  # /requests/7.json, or ?service_request_id=7
    success_statuses: tuple[Annotated[int, Meta(ge=200, le=299)], ...] = ()  # empty: every 2xx
    answers: tuple[Answer, ...] = ()
    mislabelled: bool = False  # its JSON or XML may be labelled as HTML
    wrappers: tuple[Name, ...] = ()  # further names of the object or element around a list
    aliases: dict[str, str] = {}  # its name of a field → the standard's; dots reach into objects
    status_words: dict[str, StatusWord] = {}  # its word → ours; a word not here may be open
    filters: dict[str, Name] = msgspec.field(
        default_factory=lambda: {name: name for name in _STANDARD_FILTERS}
    )  # the filters its list has, and what it calls them
    status_values: dict[Literal["open", "closed"], Text] = {}  # instead of the words themselves
    codes_together: bool = True  # service_code=A,B; else one call for each code
    lists: Literal["all", "open"] = "all"  # what a list without a status filter shows
    date_style: Literal["z", "offset", "naive", "sql", "date"] = "z"  # of the date filters
    decimals: Annotated[int, Meta(ge=4, le=9)] = 6  # of degrees
    page: str = ""  # name of the argument for the page number; empty: no paging
    page_by: Literal["page", "row"] = "page"  # it counts pages, or the rows to leave out
    page_size: str = ""  # name of the argument for the rows of a page
    first_page: Literal[0, 1] = 1
    # attribute[A][]=x&attribute[A][]=y, attribute[A]=x&attribute[A]=y, attribute[A]=x,y
    multivalue: Literal["brackets", "repeated", "comma"] = "brackets"
    idempotency_field: str = ""  # form field that takes our reference, as client_request_id
    address_field: str = "address_string"  # of an address; empty: none is sent
    address_required: bool = False  # then a place without one is for a person
    zone_of_naive: bool = False  # times without a zone are the city's; else they are not read

    CHECKS: ClassVar[dict[str, Check]] = {
        "aliases": lambda value: _subset_fault(set(value.values()), REQUEST_FIELDS),
        "filters": lambda value: _subset_fault(set(value), _FILTERS),
        "status_words": lambda value: _lower_fault(value),
    }

    def conflicts(self) -> Iterator[str]:
        """Halves of a pair."""
        if self.page_size and not self.page:
            yield "page_size: goes with page"
        if ("lat" in self.filters) != ("long" in self.filters):
            yield "filters: lat and long go together"
        if self.address_required and not self.address_field:
            yield "address_field: needed where an address is required"


def _subset_fault(names: set[str], known: frozenset[str]) -> str:
    unknown = sorted(names - known)
    return f"there is no {unknown[0]}; there is {', '.join(sorted(known))}" if unknown else ""


def _lower_fault(words: dict[str, str]) -> str:
    wrong = next((w for w in words if w != w.lower().strip()), "")
    return f"{wrong}: in small letters, as it is compared" if wrong else ""


PLAIN = Dialect()
"""Plain GeoReport v2."""


class Limits(_Checked, frozen=True):
    """What one city is asked for at most. The defaults are chosen by us, to be polite."""

    daily_budget: Annotated[int, Meta(ge=0, le=10_000)] = 10  # new requests per local day
    min_interval_s: Annotated[float, Meta(ge=0, le=3600)] = 6.0  # Boston allows 10 calls a minute
    description_max: Annotated[int, Meta(ge=100, le=4000)] = 1000  # characters; 4,000 by the spec
    description_min: Annotated[int, Meta(ge=0, le=60)] = 0  # our shortest text is longer
    lookup_hours: Annotated[float, Meta(gt=0, le=720)] = 24.0  # until listed; with moderation
    reopen_days: Annotated[int, Meta(ge=0, le=3650)] = 14  # after closing, before a new request
    lookback_days: Annotated[int, Meta(ge=1, le=90)] = 90  # of a duplicate search; 90 by the spec
    duplicate_radius_m: Annotated[float, Meta(gt=0, le=200)] = 15.0
    search_radius_m: Annotated[float, Meta(gt=0, le=2000)] = 100.0  # of filters by place
    deadline_s: Annotated[float, Meta(gt=0, le=300)] = 60.0  # of one call, all in all
    body_limit_bytes: Annotated[int, Meta(ge=1024, le=1 << 26)] = 1 << 20
    page_limit: Annotated[int, Meta(ge=1, le=100_000)] | None = None  # rows of a full list or page


class Contact(_Checked, frozen=True):
    """Who answers for these requests."""

    email: Annotated[str, Meta(max_length=254, pattern=r"^([^@\s]+@[^@\s]+)?$")] = ""  # in the text
    agent: Annotated[str, Meta(max_length=200, pattern=r"^[ -~]*$")] = ""  # in the User-Agent


# ----------------------------------------------------------------------------------- the profile


class CityProfile(_Checked, frozen=True, rename={"other_owners": "except"}):
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
    dialect: Dialect = PLAIN
    contact: Contact = Contact()
    limits: Limits = Limits()
    other_owners: tuple[OtherOwner, ...] = ()  # `except` in the file
    streets: Streets | None = None
    units: Literal["si", "us"] = "si"
    language: Literal["en", "de", "es"] = "en"
    words: dict[str, str] = {}  # instead of those of the language
    live: bool = False
    severity_cuts_ms2: tuple[float, float] = (4.0, 8.0)  # LOW | MEDIUM | HIGH; chosen by us

    CHECKS: ClassVar[dict[str, Check]] = {
        "timezone": lambda value: _zone_fault(value),
        "services": lambda value: _services_fault(value),
        "severity_cuts_ms2": lambda value: _cuts_fault(value),
        "words": lambda value: _words_fault(value),
    }

    def conflicts(self) -> Iterator[str]:
        """What one table says and another denies."""
        if self.dialect.page and self.limits.page_limit is None:
            yield "limits.page_limit: needed with dialect.page: when is a page full?"

    @property
    def loopback(self) -> bool:
        """Whether requests go to this very machine, and nowhere else."""
        return isinstance(self.channel, GeoReportChannel) and is_loopback(self.channel.host)

    @property
    def needs_address(self) -> bool:
        """Whether no request goes out without an address."""
        answers = str([s.attributes for s in self.services.values()])
        return self.dialect.address_required or "{address}" in answers

    def service_for(self, jolt_class: str) -> ServiceCode | None:
        """What this city calls such a defect; None when it does not take them."""
        return next((s for c, s in self.services.items() if c == jolt_class), None)


def _zone_fault(name: str) -> str:
    try:
        known = ZoneInfo(name).key == name and name not in _RESERVED_ZONES
    except (OSError, ValueError, KeyError):  # ZoneInfoNotFoundError is a KeyError
        known = False
    return "" if known else f"not an IANA zone such as America/New_York (got {name!r})"


def _services_fault(services: dict[JoltClass, ServiceCode]) -> str:
    if not services:
        return "name at least one class"
    return "`unsure` is never reported" if JoltClass.UNSURE in services else ""


def _cuts_fault(cuts: tuple[float, float]) -> str:
    low, high = cuts
    return "" if 0 < low < high < float("inf") else f"must be 0 < low < high (got {low}, {high})"


def _words_fault(words: dict[str, str]) -> str:
    shipped = language("en")
    for name, text in words.items():
        if name not in shipped:
            return f"there is no {name}; there is {', '.join(sorted(shipped))}"
        known = frozenset(n for _, n, _, _ in string.Formatter().parse(shipped[name]) if n)
        if fault := placeholder_fault(text, known):
            return f"{name}: {fault}"
        if not text.isprintable():
            return f"{name}: on one line, and printable"
        if name == "ref" and "{ref}" not in text:
            return f"{name}: without {{ref}} no request would be found again"
    return ""


@cache
def language(name: str) -> dict[str, str]:
    """The words of a shipped language, by what they say.

    >>> language("de")["pothole"]
    'Schlagloch'
    """
    file = resources.files("streetbump.data").joinpath("words", f"{name}.toml")
    table: dict[str, str] = parse_toml(file.read_text("utf-8"), where=file.name)
    return table


# ----------------------------------------------------------------------------------- reading


def parse_city(text: str, *, where: str) -> CityProfile:
    r"""A city profile from TOML text.

    Raises
    ------
    ConfigError
        Names `where` and every key that is missing, unknown or wrong, with its path.

    >>> parse_city("schema_version = 1\nname = 7", where="my.toml")
    Traceback (most recent call last):
    ...
    streetbump.errors.ConfigError: my.toml: 6 faults
      name: Expected `str`, got `int`
      title: is missing
      timezone: is missing
      boundary: is missing
      channel: is missing
      services: is missing
    """
    return city_of(parse_toml(text, where=where), where=where)


def city_of(value: dict[str, Any], *, where: str) -> CityProfile:
    """A city profile from the tables of a TOML text. Raises as :func:`parse_city`."""
    wrong: list[str] = []
    profile = _read(CityProfile, value, "", wrong)
    if wrong or profile is None:
        count = f"{len(wrong)} faults\n  " if len(wrong) > 1 else ""
        raise ConfigError(f"{where}: {count}" + "\n  ".join(wrong))
    return profile


_S = TypeVar("_S", bound=_Checked)


def _read(kind: type[_S], value: Any, path: str, wrong: list[str]) -> _S | None:
    """A record from plain tables, its faults added to `wrong` with their paths."""
    if not isinstance(value, dict):
        wrong.append(f"{path.rstrip('.')}: must be a table")
        return None
    tag = kind.__struct_config__.tag_field
    fields = {f.encode_name: f for f in msgspec.structs.fields(kind)}
    for key in value:
        if key not in fields and key != tag:
            near = difflib.get_close_matches(key, fields, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            wrong.append(f"{path}{key}: unknown key{hint}")
    hints = get_type_hints(kind, include_extras=True)
    good, missed = {}, False
    for key, field in fields.items():
        if key not in value:
            if field.required:
                wrong.append(f"{path}{key}: is missing")
                missed = True
            continue
        before = len(wrong)
        read = _read_value(hints[field.name], value[key], f"{path}{key}", wrong)
        if len(wrong) == before:
            fault = kind.CHECKS.get(field.name, lambda _: "")(read)
            wrong += [f"{path}{key}: {fault}"] if fault else []
        if len(wrong) == before:
            good[field.name] = read
        else:
            missed = missed or field.required
    if missed:
        return None
    try:
        return kind(**good)
    except ValueError as exc:  # what does not go together
        wrong += [f"{path}{fault}" for fault in str(exc).split("; ")]
        return None


def _read_value(hint: Any, value: Any, path: str, wrong: list[str]) -> Any:
    """A value of a field: tables are read key by key, so that each fault is found."""
    records = [
        k for k in (hint, *get_args(hint)) if isinstance(k, type) and issubclass(k, _Checked)
    ]
    origin = get_origin(hint)
    if origin is dict and records:
        return _read_tables(get_args(hint), value, path, wrong)
    if origin is tuple and records and isinstance(value, list):
        return tuple(_read(records[0], v, f"{path}[{i}].", wrong) for i, v in enumerate(value))
    if len(records) == 1:
        return _read(records[0], value, f"{path}.", wrong)
    if records:
        tags = {k.__struct_config__.tag: k for k in records}
        said = value.get("kind") if isinstance(value, dict) else None
        if said in tags:
            return _read(tags[said], value, f"{path}.", wrong)
        wrong.append(f"{path}.kind: one of {', '.join(map(str, tags))} (got {said!r})")
        return None
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as exc:
        said, _, deeper = str(exc).partition(" - at `$")
        wrong.append(f"{path}{deeper.rstrip('`')}: {said}")
        return None


def _read_tables(kinds: tuple[Any, ...], value: Any, path: str, wrong: list[str]) -> Any:
    key_kind, row_kind = kinds
    if not isinstance(value, dict):
        wrong.append(f"{path}: must be a table")
        return None
    read = {}
    for name, row in value.items():
        key = _read_value(key_kind, name, f"{path}.{name}", wrong)
        read[key] = _read(row_kind, row, f"{path}.{name}.", wrong)
    return read


def shipped_cities() -> tuple[str, ...]:
    """The names of the profiles that come with the package.

    >>> "sandbox" in shipped_cities()
    True
    """
    folder = resources.files("streetbump.data").joinpath("cities")
    return tuple(sorted(f.name.removesuffix(".toml") for f in folder.iterdir()
                        if f.name.endswith(".toml")))  # fmt: skip


def shipped_city(name: str) -> CityProfile:
    """A city profile that comes with the package.

    >>> shipped_city("sandbox").title
    'The practice city'
    """
    if name not in shipped_cities():
        raise ConfigError(
            f"no city profile {name!r} is shipped; there is {', '.join(shipped_cities())}"
        )
    file = resources.files("streetbump.data").joinpath("cities", f"{name}.toml")
    return parse_city(file.read_text("utf-8"), where=f"{name}.toml")
