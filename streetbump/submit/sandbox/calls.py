"""What the practice city answers to each call of GeoReport v2, by its ledger, clock and dialect."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote

from streetbump.geo import distance_m
from streetbump.model import utc_text
from streetbump.submit.sandbox import answers
from streetbump.submit.sandbox.answers import Answer, Records, Refusal, Reply, shown, typed_id
from streetbump.submit.sandbox.dialect import Attribute, Dialect
from streetbump.submit.sandbox.faults import CallKind
from streetbump.submit.sandbox.ledger import Ledger, Row

NOT_FOUND = "there is nothing here"
_NEVER = "9999-12-31T23:59:59Z"
_BOX_HALF_M = 375.0  # a box of about 750 m, as one city's list takes a place
_KNOWN = {
    "api_key", "jurisdiction_id", "service_code", "lat", "long", "address_string", "address_id",
    "email", "device_id", "account_id", "first_name", "last_name", "phone", "description",
    "media_url", "client_request_id", "g_recaptcha_response",
}  # fmt: skip
"""Arguments of a POST by the standard, and two that a dialect may ask for."""
_KEPT = ("media_url", "address_id", "account_id")
_PLACES = {"lat", "long", "address_string", "address_id"}


@dataclass(frozen=True)
class Call:
    """One call, taken apart.

    Attributes
    ----------
    kind : CallKind
        Which resource, and whether it is created or read.
    name : str
        What stands behind the resource in the path: an id, a code, a token.
    fmt : str
        ``json``, ``xml``, or empty where the path names none.
    query, headers : mapping
        The first value of each argument; headers by lower-case name.
    """

    kind: CallKind
    name: str
    fmt: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def written(self) -> str:
        """The format of the answer."""
        return self.fmt or "json"


_KINDS: dict[tuple[str, str, bool], CallKind] = {
    ("POST", "requests", False): "create",
    ("GET", "requests", False): "list",
    ("GET", "requests", True): "one",
    ("GET", "tokens", True): "token",
    ("GET", "services", False): "services",
    ("GET", "services", True): "definition",
    ("GET", "discovery", False): "discovery",
}
"""Method, resource, and whether something stands behind it."""


def parse(method: str, path: str, query: str, headers: Mapping[str, str]) -> Call | None:
    """A call of GeoReport; None when it is none.

    >>> parse("GET", "/requests/PC-1.json", "", {}).kind
    'one'
    """
    stem, dot, fmt = path.lstrip("/").rpartition(".")
    if not dot or fmt not in {"json", "xml"}:
        if (method, path) != ("POST", "/requests"):
            return None
        stem, fmt = "requests", ""
    resource, _, name = stem.partition("/")
    kind = _KINDS.get((method, resource, bool(name)))
    if kind is None:
        return None
    values = parse_qs(query, errors="replace", keep_blank_values=True)
    return Call(kind, unquote(name), fmt, {k: v[0] for k, v in values.items()}, headers)


@dataclass(frozen=True)
class Books:
    """What an answer is made from."""

    ledger: Ledger
    dialect: Dialect
    now: datetime
    url: str


def reply(call: Call, books: Books, *, store: bool = True) -> Reply:
    """The answer to a call.

    Parameters
    ----------
    store : bool
        False answers a POST without keeping anything.

    Raises
    ------
    Refusal
        Any answer that is an error.
    """
    dialect = books.dialect
    if dialect.formats not in {"both", call.written}:
        raise Refusal(404, f"{call.written} is not spoken here")
    if call.kind == "create":
        return _create(call, books, store=store)
    if dialect.key_on_reads:
        _check_key(call.query.get("api_key", ""), call, dialect)
    instead = _jurisdiction(call.query, dialect)
    return instead or _READERS[call.kind](call, books)


# --------------------------------------------------------------------------------------- services


def _discovery(call: Call, books: Books) -> Reply:
    what = books.dialect.discovery
    if what == "missing":
        raise Refusal(404, NOT_FOUND)
    row = {
        "changeset": "2012-09-18T15:37-05" if what == "odd_changeset" else "2026-01-01T00:00:00Z",
        "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": "http://elsewhere.example/" if what == "other_host" else books.url,
        "type": "test", "formats": "text/xml application/json",
    }  # fmt: skip
    return Records(200, "discovery", "endpoint", (row,))


def _services(call: Call, books: Books) -> Reply:
    dialect = books.dialect
    pothole = (dialect.service_code, dialect.service_name, "A hole in the road surface")
    listed = {
        "listed": [pothole],
        "incomplete": [],
        "vanished": [],
        "other_only": [("OTHER", "Other", "Anything else")],
        "xxx": [("XXX", word, "") for word in ("This", "key", "is", "retired")],
    }[dialect.services]
    metadata = {"as_is": bool(dialect.attributes), "true": True, "false": False}[dialect.metadata]
    kind = {"yes": "batch", "neither": "blackbox"}.get(dialect.tokens, "realtime")
    rows = tuple(
        {"service_code": code, "service_name": name, "description": text, "metadata": metadata,
         "type": kind, "keywords": "", "group": "Streets"}
        for code, name, text in listed
    )  # fmt: skip
    return Records(200, "services", "service", rows)


def _definition(call: Call, books: Books) -> Reply:
    dialect = books.dialect
    if dialect.definition != "given":
        raise Refusal(int(dialect.definition), "definitions are not supported")
    if not _takes(call.name, dialect):
        raise Refusal(404, "service_code was not found")
    return answers.definition(call.name, dialect, call.written)


def _takes(code: str, dialect: Dialect) -> bool:
    return code == dialect.service_code and dialect.services in {"listed", "incomplete"}


# ---------------------------------------------------------------------------------------- reading


def _listing(call: Call, books: Books) -> Reply:
    dialect, query = books.dialect, call.query
    wish = _wish(query, dialect)
    rows = [row for row in _in_sight(books.ledger.all(), books) if _wanted(row, wish)]
    if any(row.get("poisoned") for row in rows):
        if dialect.poison == "500":
            raise Refusal(500, "something went wrong")
        if dialect.poison == "empty_200":
            return Answer(200, b"", answers.JSON)
    rows = _page(rows[::-1], query, dialect)
    if not rows and dialect.empty_list == "404":
        raise Refusal(404, "No Service requests found")
    extended = _extended(query, dialect)
    return _records([_row_shown(row, books, extended=extended) for row in rows])


def _in_sight(held: Sequence[Row], books: Books) -> list[Row]:
    """What lists may show by now."""
    now = utc_text(books.now)
    return [
        row for row in held
        if _is_there(row, books) and row.get("listed_from", "") <= now
        and (_has_id(row, now) or books.dialect.token_rows)
    ]  # fmt: skip


def _is_there(row: Row, books: Books) -> bool:
    age = books.now - datetime.fromisoformat(row["requested_datetime"])
    gone = 0 < books.dialect.gone_after_s < age.total_seconds()
    return not (gone or row.get("removed"))


def _has_id(row: Row, now: str) -> bool:
    return row.get("token_due", "") <= now


def _row_shown(row: Row, books: Books, *, extended: bool = False) -> Row:
    seen = shown(row, books.dialect, extended=extended)
    if _has_id(row, utc_text(books.now)):
        return seen
    unnamed = {k: v for k, v in seen.items() if k not in answers.ID_FIELDS}
    return {"token": token_of(row), **unnamed}


def token_of(row: Row) -> str:
    """The token of a request."""
    return f"T-{row['service_request_id']}"


_DATES = {"start_date": "requested_datetime", "end_date": "requested_datetime"}
_MORE_DATES = {"updated_after": "updated_datetime", "updated_before": "updated_datetime"}
_UPPER = {"end_date", "updated_before"}


@dataclass(frozen=True)
class _Wish:
    """What a list call asks for; an empty collection asks for everything."""

    ids: Sequence[str]
    statuses: Sequence[str]
    codes: Sequence[str]
    times: Mapping[str, datetime]
    place: tuple[float, float] | None
    words: str


def _wish(query: Mapping[str, str], dialect: Dialect) -> _Wish:
    query = {k: v for k, v in query.items() if v and k not in dialect.filters_ignored}
    dates = {**_DATES, **(_MORE_DATES if dialect.extensions else {})}
    place = place_of(query)
    usual = "open" if dialect.default_status == "open" else ""
    return _Wish(
        ids=_listed(query.get("service_request_id", "")),
        statuses=_listed(query.get("status", usual)),
        codes=_listed(query.get("service_code", "")),
        times={name: _time(query[name], dialect) for name in dates if name in query},
        place=place if dialect.place_filter else None,
        words=query.get("q", "").casefold() if dialect.extensions else "",
    )


def _listed(text: str) -> list[str]:
    return text.split(",") if text else []


def _wanted(row: Row, wish: _Wish) -> bool:
    """Whether a list call asks for this row."""
    if wish.ids:  # overrides all other arguments, by the standard
        return row["service_request_id"] in wish.ids
    return (
        (not wish.statuses or row["status"] in wish.statuses)
        and (not wish.codes or row["service_code"] in wish.codes)
        and all(_in_time(row, name, limit) for name, limit in wish.times.items())
        and (wish.place is None or _in_box(row, *wish.place))
        and wish.words in row["description"].casefold()
    )


def _in_time(row: Row, name: str, limit: datetime) -> bool:
    at = datetime.fromisoformat(row[{**_DATES, **_MORE_DATES}[name]])
    return at <= limit if name in _UPPER else at >= limit


def _time(text: str, dialect: Dialect) -> datetime:
    try:
        when = datetime.fromisoformat(text.strip().replace(" ", "+"))
        if when.tzinfo is not None and dialect.zoned_dates == "refused":
            raise Refusal(400, "dates are written without a zone here")
        return when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise Refusal(400, "not a date: YYYY-MM-DDTHH:MM:SSZ is meant") from exc


def _in_box(row: Row, lat: float, lon: float) -> bool:
    if row["lat"] is None or row["long"] is None:
        return False
    north = float(distance_m(lat, lon, row["lat"], lon))
    east = float(distance_m(lat, lon, lat, row["long"]))
    return max(north, east) <= _BOX_HALF_M


def _page(rows: list[Row], query: Mapping[str, str], dialect: Dialect) -> list[Row]:
    if dialect.page_size:
        size = _whole(query.get("page_size", query.get("per_page", "")), dialect.page_size)
        size = min(max(size, 1), dialect.page_size_max)
        at = max(_whole(query.get("page", ""), dialect.first_page) - dialect.first_page, 0)
        rows = rows[at * size : (at + 1) * size]
    return rows[: dialect.list_limit or None]


def _whole(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default


def _one(call: Call, books: Books) -> Reply:
    row, now = books.ledger.get(call.name), utc_text(books.now)
    if row is None or not _is_there(row, books) or not _has_id(row, now):
        raise Refusal(404, "service_request_id was not found")
    if row.get("listed_from", "") > now and not books.dialect.readable_at_once:
        raise Refusal(404, "service_request_id was not found")
    extended = _extended(dict(call.query), books.dialect)
    return _records([_row_shown(row, books, extended=extended)])


def _extended(query: Mapping[str, str], dialect: Dialect) -> bool:
    return dialect.extensions and query.get("extensions") == "true"


def _token(call: Call, books: Books) -> Reply:
    # Every request answers to T-ID, so that a reply lost on its way can be practised on, too.
    row, now = books.ledger.get(call.name.removeprefix("T-")), utc_text(books.now)
    if row is None or token_of(row) != call.name or not _is_there(row, books):
        raise Refusal(404, "token was not found")
    if _has_id(row, now):
        given = typed_id(row["service_request_id"], books.dialect)
        return _records([{"service_request_id": given, "token": call.name}])
    if books.dialect.exchange_early == "404":
        raise Refusal(404, "token was not found")
    return _records([{"token": call.name}])


def _records(rows: Sequence[Row], status: int = 200) -> Records:
    return Records(status, "service_requests", "request", tuple(rows))


_READERS = {
    "list": _listing, "one": _one, "token": _token, "services": _services,
    "definition": _definition, "discovery": _discovery,
}  # fmt: skip


# --------------------------------------------------------------------------------------- creating

Form = dict[str, list[str]]


def _create(call: Call, books: Books, *, store: bool) -> Reply:
    dialect = books.dialect
    if dialect.read_only:
        raise Refusal(405, "this city only shows its requests")
    if not call.fmt and dialect.bare_post != "html_created":
        raise _bare(books)
    form = form_of(call.body, dialect)
    first = {name: values[0] for name, values in form.items()}
    _check_key(first.get("api_key", ""), call, dialect)
    instead = _jurisdiction(call.query if dialect.jurisdiction_in_query else first, dialect)
    if instead is not None:
        return instead
    missing = _missing(form, dialect)
    if missing and dialect.incomplete == "list_200":
        return _records([_row_shown(r, books) for r in _in_sight(books.ledger.all(), books)])
    if missing:
        raise Refusal(int(dialect.incomplete), f"{missing} is missing")
    _check_form(first, form, dialect)
    made = _stored(first, form, books, store=store)
    if not call.fmt:
        return answers.page(200, "Thank you")
    return _records([_created(made, dialect)], dialect.success)


def _bare(books: Books) -> Refusal:
    if books.dialect.bare_post == "redirect":
        return Refusal(301, "moved", (("Location", f"{books.url}requests.json"),))
    return Refusal(404, NOT_FOUND)


def form_of(body: bytes, dialect: Dialect) -> Form:
    """The arguments of a POST."""
    try:
        if dialect.post_body == "json":
            return _json_form(body)
        return parse_qs(body.decode("ascii"), errors="strict", max_num_fields=100)
    except (ValueError, RecursionError) as exc:
        raise Refusal(400, f"the body is no {dialect.post_body} in UTF-8, or has too much in it"
                      ) from exc  # fmt: skip


def _json_form(body: bytes) -> Form:
    value = json.loads(body)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    lists = {k: v if isinstance(v, list) else [v] for k, v in value.items()}
    return {k: [str(item) for item in v] for k, v in lists.items() if v}


def _check_key(given: str, call: Call, dialect: Dialect) -> None:
    if not dialect.api_key:
        return
    scheme, _, said = call.headers.get("authorization", "").partition(" ")
    bearer = said if scheme.lower() == "bearer" else ""
    keys = {
        "form": given,
        "header": call.headers.get(dialect.key_header.lower(), ""),
        "bearer": bearer,
        "basic": _basic(said) if scheme.lower() == "basic" else "",
        "form_or_bearer": given or bearer,
    }
    key = keys[dialect.key_place]
    if key != dialect.api_key:
        status = dialect.key_wrong if key else dialect.key_missing
        raise Refusal(status, "the api_key is missing or wrong")


def _basic(said: str) -> str:
    """The password of basic authorisation."""
    try:
        return base64.b64decode(said, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _jurisdiction(arguments: Mapping[str, str], dialect: Dialect) -> Reply | None:
    """What is answered instead when the jurisdiction is missing or another; None: go on."""
    given = arguments.get("jurisdiction_id", "")
    if not dialect.jurisdiction or given == dialect.jurisdiction:
        return None
    if not given:
        if dialect.jurisdiction_missing == "taken":
            return None
        if dialect.jurisdiction_missing == "html_200":
            return answers.page(200, "Choose a council")
        raise Refusal(int(dialect.jurisdiction_missing), "jurisdiction_id is missing")
    if dialect.jurisdiction_unknown == "empty_200":
        return _records([])
    raise Refusal(404, "jurisdiction_id was not found")


def _missing(form: Form, dialect: Dialect) -> str:
    """The first argument that is needed and not given; empty when there is none."""
    if not form.get("service_code"):
        return "service_code"
    needed = [n for n in dialect.required if not form.get(n)]
    if "lat" in dialect.required and not form.get("long"):
        needed.append("long")
    needed += [f"attribute[{a.code}]" for a in dialect.attributes
               if a.required and not _answers_to(a, form, dialect)]  # fmt: skip
    if not needed and not any(form.get(name) for name in _PLACES):
        needed = ["a place, lat and long or address_string,"]
    return needed[0] if needed else ""


def _answers_to(attribute: Attribute, form: Form, dialect: Dialect) -> list[str]:
    plain = form.get(f"attribute[{attribute.code}]", [])
    listed = form.get(f"attribute[{attribute.code}][]", [])
    if attribute.datatype != "multivaluelist":
        return plain
    return {"both": plain + listed, "brackets": listed, "repeated": plain}[dialect.multivalue]


def _check_form(first: dict[str, str], form: Form, dialect: Dialect) -> None:
    if not _takes(first["service_code"], dialect):
        raise Refusal(404, "service_code was not found")
    _check_place(first, dialect)
    length = len(first.get("description", ""))
    if not dialect.description_min <= length <= dialect.description_max:
        raise Refusal(400, f"the description is to have {dialect.description_min} to "
                           f"{dialect.description_max:,} characters")  # fmt: skip
    for attribute in dialect.attributes:
        wrong = set(_answers_to(attribute, form, dialect)) - set(attribute.values)
        if attribute.values and wrong:
            raise Refusal(400, f"attribute[{attribute.code}]: no such value")
    unknown = {n for n in form if not n.startswith("attribute[")} - _KNOWN - {*dialect.required}
    if unknown and dialect.unknown_arguments == "refused":
        raise Refusal(400, f"unknown argument: {min(unknown)[:100]}")
    if dialect.captcha:
        raise Refusal(400, "g_recaptcha_response: the captcha was not solved")


def _check_place(first: dict[str, str], dialect: Dialect) -> None:
    place = place_of(first)
    if place is None and not (first.get("address_string") or first.get("address_id")):
        raise Refusal(400, "a place is missing: lat and long as plain degrees, or address_string")
    if dialect.boundary is not None and place is not None:
        west, south, east, north = dialect.boundary
        if not (west <= place[1] <= east and south <= place[0] <= north):
            raise Refusal(400, "the place is outside of this city")


def place_of(arguments: Mapping[str, str]) -> tuple[float, float] | None:
    """Latitude and longitude that are given and on Earth, degrees; else None."""
    lat, lon = number(arguments.get("lat", "")), number(arguments.get("long", ""))
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None
    return lat, lon


def number(text: str) -> float | None:
    """A plain decimal number, as GeoReport has them; None for anything else.

    >>> number("-71.25"), number("4e1"), number("")
    (-71.25, None, None)
    """
    if not text.removeprefix("-").replace(".", "", 1).isdecimal() or not text.isascii():
        return None
    return float(text)


def _stored(first: dict[str, str], form: Form, books: Books, *, store: bool) -> Row:
    dialect = books.dialect
    code = dialect.stored_code or first["service_code"]
    row = {
        **new_row(books.now, dialect, code=code, place=place_of(first)),
        "description": first.get("description", ""),
        "address": first.get("address_string", ""),
        **{name: first[name] for name in _KEPT if name in first},
        "client_request_id": first.get("client_request_id", ""),
        "arguments": {n: v[0] if len(v) == 1 else v for n, v in form.items() if n not in _KNOWN},
    }
    (made,) = books.ledger.create(
        [row],
        named=id_pattern(dialect),
        first=dialect.first_id,
        instead=lambda held: _already(row, held, dialect),
        store=store,
    )
    return made


def new_row(
    now: datetime, dialect: Dialect, *, code: str, place: tuple[float, float] | None
) -> Row:
    """A request that has just come in, without its words; `place` is latitude and longitude."""
    at, wait = utc_text(now), dialect.listed_after_s
    lat, lon = place or (None, None)
    row = {
        "status": "open",
        "status_notes": "",
        "service_name": dialect.service_name,
        "service_code": code,
        "description": "",
        "requested_datetime": at,
        "updated_datetime": at,
        "address": "",
        "lat": lat,
        "long": lon,
        "listed_from": _NEVER if wait < 0 else _later(now, wait),
    }
    if dialect.tokens in {"yes", "both"}:
        row["token_due"] = _later(now, dialect.token_after_s if dialect.tokens == "yes" else 0)
    return row


def _later(now: datetime, seconds: float) -> str:
    return utc_text(now + timedelta(seconds=seconds))


def id_pattern(dialect: Dialect) -> str:
    """How ids are written, with ``{}`` for the number."""
    return "{}" if dialect.ids == "number" else "PC-{}"


def _already(row: Row, held: Sequence[Row], dialect: Dialect) -> Row | None:
    """The request held that this one is, by the dialect."""
    wanted = row["client_request_id"]
    if dialect.client_request_id and wanted:
        for other in held:
            if other.get("client_request_id") == wanted:
                return other
    if dialect.dedupe == "no":
        return None
    near = next((r for r in held if r["status"] == "open" and _near(r, row, dialect)), None)
    if near is not None and dialect.dedupe == "refused":
        raise Refusal(400, f"reference already exists: {near['service_request_id']}")
    return near


def _near(one: Row, other: Row, dialect: Dialect) -> bool:
    places = (one["lat"], one["long"], other["lat"], other["long"])
    return None not in places and float(distance_m(*places)) <= dialect.dedupe_m


def _created(row: Row, dialect: Dialect) -> dict[str, Any]:
    given = {
        "service_request_id": typed_id(row["service_request_id"], dialect),
        "token": token_of(row),
        "service_notice": "practice only: nobody comes",
    }
    left_out = {"no": {"token"}, "yes": {"service_request_id"}, "both": set(),
                "neither": {"token", "service_request_id"}}[dialect.tokens]  # fmt: skip
    return {name: value for name, value in given.items() if name not in left_out}
