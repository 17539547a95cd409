"""How to ask one city: addresses, list filters, dates and forms in its own dialect. Pure.

Only the arguments that a city is known to take are sent: some refuse every request that carries
one they do not know, others ignore it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from streetbump.cityprofile import CityProfile, Dialect, GeoReportChannel
from streetbump.errors import ConfigError
from streetbump.geo import MEAN_RADIUS_M
from streetbump.model import utc_text

Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class Wanted:
    """What a list of requests is asked for, in our words; None and empty: not asked."""

    codes: tuple[str, ...] = ()
    status: str = ""  # open | closed
    since: datetime | None = None
    until: datetime | None = None
    lat_deg: float | None = None
    lon_deg: float | None = None


def channel_of(profile: CityProfile) -> GeoReportChannel:
    """The endpoint of a profile.

    >>> from streetbump.cityprofile import shipped_city
    >>> channel_of(shipped_city("sandbox")).format
    'json'
    """
    if not isinstance(profile.channel, GeoReportChannel):
        raise ConfigError(f"{profile.name}: channel: not a GeoReport endpoint")
    return profile.channel


def read_url(profile: CityProfile, parts: Sequence[str], arguments: Pairs) -> str:
    """The address of a read, its arguments percent-encoded, empty ones left out.

    What a call asks for itself comes before what the profile asks for with each read.

    >>> from streetbump.cityprofile import shipped_city
    >>> read_url(shipped_city("sandbox"), ["services", "a:b/c"], [("x", "")])
    'http://127.0.0.1:8311/services/a%3Ab%2Fc.json'
    """
    channel = channel_of(profile)
    fixed = {"jurisdiction_id": channel.jurisdiction_id, **profile.dialect.read_arguments}
    query = {**fixed, **dict(arguments)}
    return _url(channel, profile.dialect, parts, list(query.items()), channel.format)


def post_url(profile: CityProfile) -> str:
    """The address that a request is posted to.

    >>> from streetbump.cityprofile import shipped_city
    >>> post_url(shipped_city("sandbox"))
    'http://127.0.0.1:8311/requests.json'
    """
    channel = channel_of(profile)
    in_query = channel.jurisdiction_in in {"query", "both"}
    arguments = [("jurisdiction_id", channel.jurisdiction_id)] if in_query else []
    arguments += profile.dialect.post_arguments.items()
    return _url(
        channel, profile.dialect, ["requests"], arguments, channel.post_format or channel.format
    )


def _url(
    channel: GeoReportChannel, dialect: Dialect, parts: Sequence[str], query: Pairs, kind: str
) -> str:
    path = "/".join(quote(part, safe="") for part in parts)
    path += f".{kind}" if dialect.path_suffix else ""
    path += "/" if dialect.trailing_slash else ""
    text = urlencode([(k, v) for k, v in query if v], encoding="utf-8", errors="replace")
    return f"{channel.endpoint.rstrip('/')}/{path}" + (f"?{text}" if text else "")


def one_url(profile: CityProfile, request_id: str) -> str:
    """The address of one request.

    >>> from streetbump.cityprofile import shipped_city
    >>> one_url(shipped_city("sandbox"), "7")
    'http://127.0.0.1:8311/requests/7.json'
    """
    if profile.dialect.by_id == "path":
        return read_url(profile, ["requests", request_id], [])
    return read_url(profile, ["requests"], [("service_request_id", request_id)])


def list_arguments(profile: CityProfile, wanted: Wanted) -> dict[str, str]:
    """The query arguments of a list, under the city's names, as far as it can filter.

    >>> from streetbump.cityprofile import shipped_city
    >>> list_arguments(shipped_city("sandbox"), Wanted(codes=("A", "B"), status="open"))
    {'service_code': 'A,B', 'status': 'open'}
    """
    zone = ZoneInfo(profile.timezone)
    dialect = profile.dialect
    until = wanted.until
    if until is not None and dialect.date_style == "date":
        until += timedelta(days=1)  # a day may mean its first second: today is not to be lost
    values = {
        "service_code": ",".join(wanted.codes),
        "status": dialect.status_values.get(wanted.status, wanted.status),  # type: ignore[call-overload]
        "start_date": _stamp_or_none(wanted.since, dialect.date_style, zone),
        "end_date": _stamp_or_none(until, dialect.date_style, zone),
        **_around(profile, wanted),
    }
    return {dialect.filters[k]: v for k, v in values.items() if v and k in dialect.filters}


def page_arguments(profile: CityProfile, index: int) -> dict[str, str]:
    """The query arguments of one page of a list, counted from 0; none where there are no pages.

    >>> from streetbump.cityprofile import shipped_city
    >>> page_arguments(shipped_city("example-mark-a-spot"), 1)
    {'page': '1', 'limit': '25'}
    """
    dialect, limit = profile.dialect, profile.limits.page_limit
    by_row = dialect.page_by == "row"
    number = index * (limit or 0) if by_row else dialect.first_page + index
    pages = {dialect.page: str(number), dialect.page_size: str(limit)}
    return {name: value for name, value in pages.items() if name and limit is not None}


def _around(profile: CityProfile, wanted: Wanted) -> dict[str, str]:
    if wanted.lat_deg is None or wanted.lon_deg is None:
        return {}
    places = profile.dialect.decimals
    radius_m = profile.limits.search_radius_m
    north = math.degrees(radius_m / MEAN_RADIUS_M)
    east = north / max(0.01, math.cos(math.radians(wanted.lat_deg)))
    box = (wanted.lon_deg - east, wanted.lat_deg - north, wanted.lon_deg + east,
           wanted.lat_deg + north)  # fmt: skip
    return {
        "lat": format(wanted.lat_deg, f".{places}f"),
        "long": format(wanted.lon_deg, f".{places}f"),
        "radius": format(radius_m, ".0f"),
        "bbox": ",".join(format(side, f".{places}f") for side in box),
    }


def _stamp_or_none(when: datetime | None, style: str, zone: ZoneInfo) -> str:
    return "" if when is None else stamp(when, style=style, zone=zone)


def stamp(when: datetime, *, style: str, zone: ZoneInfo) -> str:
    """A moment as a city's date filter takes it, in whole seconds.

    Parameters
    ----------
    when : datetime
        With a zone.
    style : str
        ``z`` (UTC), ``offset`` and ``naive`` (the city's clock with and without its offset),
        ``sql`` (as naive, with a blank for the T), or ``date``.
    zone : ZoneInfo
        The city's.

    >>> noon = datetime.fromisoformat("2026-03-01T12:00:00Z")
    >>> [stamp(noon, style=s, zone=ZoneInfo("Europe/Berlin")) for s in ("z", "offset")]
    ['2026-03-01T12:00:00Z', '2026-03-01T13:00:00+01:00']
    >>> [stamp(noon, style=s, zone=ZoneInfo("Europe/Berlin")) for s in ("naive", "date")]
    ['2026-03-01T13:00:00', '2026-03-01']
    >>> stamp(noon, style="sql", zone=ZoneInfo("UTC"))
    '2026-03-01 12:00:00'
    """
    if style == "z":
        return utc_text(when)
    local = when.astimezone(zone).replace(microsecond=0)
    if style == "date":
        return local.date().isoformat()
    shown = local if style == "offset" else local.replace(tzinfo=None)
    return shown.isoformat(sep=" " if style == "sql" else "T")


def form(pairs: Sequence[tuple[str, str]]) -> bytes:
    """The body of a form: UTF-8, what cannot be encoded as a question mark.

    >>> form([("a[b]", "é ü")])
    b'a%5Bb%5D=%C3%A9+%C3%BC'
    """
    # Lone surrogates cannot be sent as UTF-8; a "?" may stand in their place.
    return urlencode(list(pairs), encoding="utf-8", errors="replace").encode("ascii")


def json_body(pairs: Sequence[tuple[str, str]]) -> bytes:
    """The same arguments as a JSON object: brackets nest, `lat` and `long` are numbers.

    >>> json_body([("lat", "1.50"), ("attribute[A]", "x"), ("b[]", "y"), ("c", "z"), ("c", "z")])
    b'{"lat": 1.5, "attribute": {"A": "x"}, "b": ["y"], "c": ["z", "z"]}'
    """
    whole: dict[str, Any] = {}
    places = {value for name, value in pairs if name in {"lat", "long"}}
    for name, value in pairs:
        head, *inner = name.replace("]", "").split("[")
        many, inside = inner[-1:] == [""], whole
        *path, last = [head, *(inner[:-1] if many else inner)]
        for part in path:
            inside = inside.setdefault(part, {})
            if not isinstance(inside, dict):  # the name says something itself: kept as it stands
                inside, last, many = whole, name, False
                break
        said = float(value) if value in places else value
        before = inside.get(last, [])
        before = before if isinstance(before, list) else [before]
        inside[last] = [*before, said] if many or before else said
    return json.dumps(whole).encode()
