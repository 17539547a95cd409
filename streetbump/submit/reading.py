"""A city's replies, JSON or XML in any of their dialects, read into one shape.

Servers agree on little beyond the URLs: wrapper or none, one object or a list, ids as numbers,
numbers as strings, other names for the same field; what no rule foresees, a profile's dialect
names. What cannot be read is a :class:`~streetbump.errors.CityError`, never an empty list: "no
requests" must mean that.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from streetbump.cityprofile import PLAIN, Dialect
from streetbump.errors import CityError
from streetbump.model import CityRequest, CityService, utc_text

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element  # the type only; defusedxml parses

_ID_CHARS = 128  # a longer id is no id
_TEXT_CHARS = 10_000

_Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One attribute of a service definition.

    Attributes
    ----------
    values : tuple of (key, name)
        What may be chosen; empty when anything may be said.
    asked : bool
        False for one that only tells something (``variable`` is false).
    """

    code: str
    required: bool
    asked: bool
    datatype: str
    text: str
    values: tuple[tuple[str, str], ...]


def read_requests(
    body: bytes, content_type: str, *, dialect: Dialect = PLAIN, zone: str = "UTC"
) -> tuple[CityRequest, ...]:
    """The service requests in a reply body; rows without id and token are kept as such.

    Parameters
    ----------
    dialect : Dialect
        Its wrappers, aliases and ``zone_of_naive`` count here.
    zone : str
        IANA zone of times without one, where the dialect says that they are the city's.

    Raises
    ------
    CityError
        Empty, HTML, not JSON or XML, a DTD, or an error document instead of requests.

    >>> read_requests(b'[{"service_request_id": 0, "lat": "1.5"}]', "application/json")[0].lat_deg
    1.5
    """
    rows = _rows(body, content_type, _REQUESTS, dialect)
    naive = ZoneInfo(zone) if dialect.zone_of_naive else None
    return tuple(_request(_aliased(row, dialect), naive) for row in rows)


def read_services(
    body: bytes, content_type: str, *, dialect: Dialect = PLAIN
) -> tuple[CityService, ...]:
    """The rows of a service list that have a code. Raises as :func:`read_requests`.

    >>> xml = b"<services><service><service_code>7</service_code></service></services>"
    >>> read_services(xml, "text/xml")[0].code
    '7'
    """
    rows = _rows(body, content_type, _SERVICES, dialect)
    services = (_service(_aliased(row, dialect)) for row in rows)
    return tuple(s for s in services if s.code)


def read_questions(
    body: bytes, content_type: str, *, dialect: Dialect = PLAIN
) -> tuple[Question, ...]:
    """The attributes of a service definition that have a code. Raises as above.

    >>> body = b'{"attributes": [{"code": "DEPTH", "required": "true", "values": []}]}'
    >>> [(q.code, q.required) for q in read_questions(body, "application/json")]
    [('DEPTH', True)]
    """
    rows = _rows(body, content_type, _ATTRIBUTES, dialect)
    questions = (_question(_aliased(row, dialect)) for row in rows)
    return tuple(q for q in questions if q.code)


def fields_of(body: bytes, content_type: str, *, dialect: Dialect = PLAIN) -> tuple[_Row, ...]:
    """The listed requests as they stand, for people who look for a name in them. Raises as above.

    >>> fields_of(b'[{"nid": 7, "service_code": "1"}]', "")
    ({'nid': 7, 'service_code': '1'},)
    """
    return tuple(_rows(body, content_type, _REQUESTS, dialect))


# ------------------------------------------------------------------------------------- documents


@dataclass(frozen=True)
class _Kind:
    """How a list of one kind is wrapped, and what every record of the kind holds one of."""

    wrappers: tuple[str, ...]
    single: str
    fields: frozenset[str]


_REQUESTS = _Kind(
    ("service_requests", "requests", "service_request", "request"), "request",
    frozenset({"service_request_id", "servicerequest_id", "id", "token", "service_code", "lat"}),
)  # fmt: skip
_SERVICES = _Kind(("services", "service"), "service", frozenset({"service_code"}))
_ATTRIBUTES = _Kind(
    ("service_definition", "attributes", "service_attribute", "attribute"), "attribute",
    frozenset({"variable", "datatype", "required", "values"}),
)  # fmt: skip


def _rows(body: bytes, content_type: str, kind: _Kind, dialect: Dialect) -> list[_Row]:
    text = _utf8(body, content_type)
    if not text:
        raise CityError("the body is empty")
    head = text[:64].lower()
    labelled = "html" in content_type.lower() and not dialect.mislabelled
    if labelled or head.startswith((b"<!doctype html", b"<html")):
        raise CityError("the body is an HTML page")
    # By content: not every server labels its JSON or XML as such.
    read = _xml_rows if text.startswith(b"<") else _json_rows
    own = {name.partition(".")[0] for name in dialect.aliases}
    wanted = replace(kind, fields=kind.fields | own)
    return _checked(read(text, wanted, (*dialect.wrappers, *kind.wrappers)), wanted.fields)


_CHARSET = re.compile(r"(?:charset|encoding)=[\"']?(iso-?8859-\d+|latin-?\d|windows-\d+|cp\d+)\b")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*>")


def _utf8(body: bytes, content_type: str) -> bytes:
    """`body` in UTF-8 without its byte order mark.

    Many servers send UTF-8 whatever they call it, so the charset that is named (in the label,
    else in the XML) counts only where the body is none; Latin-1 where none is named.

    >>> _utf8("<?xml version='1.0' encoding='ISO-8859-1'?><a>é</a>".encode("latin-1"), "").decode()
    '<a>é</a>'
    """
    wide = body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = body.decode("utf-16" if wide else "utf-8-sig")
        if not wide:
            return text.strip().encode()
    except UnicodeDecodeError:
        head = content_type + body[:200].decode("ascii", "replace")
        named = _CHARSET.search(head.lower())
        text = _decoded(body, named[1] if named else "latin-1")
    return _DECLARATION.sub("", text).strip().encode()  # what it declares is no longer so


def _decoded(body: bytes, coding: str) -> str:
    try:
        return body.decode(coding, "replace")
    except LookupError:
        return body.decode("latin-1")


def _checked(rows: list[_Row], known: Collection[str]) -> list[_Row]:
    """`rows`, when they are records; an error list has the shape of a list too."""
    for row in rows:
        if not set(known) & {*row, *map(_standard, row)}:
            raise CityError(f"the city answered with an error: {_said(row)}")
    return rows


def _aliased(row: _Row, dialect: Dialect) -> _Row:
    """`row` with the city's own names of fields put under those of the standard.

    Names in capitals, with dashes or run together (``serviceRequestId``) need no alias.
    A dotted name reaches into an object, and into the first one of a list or the one of a number.
    """
    found = {ours: _reach(row, theirs) for theirs, ours in dialect.aliases.items()}
    named = {name: value for name, value in found.items() if value is not None}
    return {**_standardly(row), **row, **named}


_BORDER = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def _standard(name: str) -> str:
    """A name as the standard would write it.

    >>> [_standard(n) for n in ("serviceRequestId", "SERVICE_CODE", "service-code")]
    ['service_request_id', 'service_code', 'service_code']
    """
    return _BORDER.sub("_", name).lower().replace("-", "_")


def _standardly(row: _Row) -> _Row:
    return {_standard(name): value for name, value in row.items()}


def _reach(value: Any, path: str) -> Any:
    for name in path.split("."):
        if isinstance(value, list) and name.isdecimal():
            value = value[int(name)] if int(name) < len(value) else None
            continue
        value = value[0] if isinstance(value, list) and value else value
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _json_rows(text: bytes, kind: _Kind, wrappers: Collection[str]) -> list[_Row]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        try:
            value = _lenient(text.decode())
        except (ValueError, RecursionError):
            raise CityError(f"the body is not JSON: {str(exc)[:100]}") from exc
    return _unwrapped(value, kind, wrappers)


# A text (up to the end, when nothing ends it), a number with zeros before it, a last comma.
_ODD = re.compile(r'"(?:\\.|[^"\\])*+"?|(?<![\w.+-])0\d+(?![\w.])|,(?=\s*+[\]}])', re.DOTALL)


def _lenient(text: str) -> Any:
    """JSON as templates write it, and the standard's own examples.

    Codes with zeros before them, a comma after the last element, line ends inside a text.

    >>> _lenient('[{"service_code": 001, "lat": 1.05,}]')
    [{'service_code': '001', 'lat': 1.05}]
    """
    mend = {'"': "{}", ",": "", "0": '"{}"'}
    mended = _ODD.sub(lambda m: mend[m[0][0]].replace("{}", m[0]), text)
    return json.loads(mended, strict=False, parse_float=_finite, parse_constant=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no number")
    return number


def _unwrapped(value: Any, kind: _Kind, wrappers: Collection[str]) -> list[_Row]:
    """The list of objects inside the wrappers that servers put around it.

    ``[…]``, ``{"service_requests": […]}``, ``{"service_requests": {"request": {…}}}``,
    ``{"request": […]}`` and a bare object all occur.
    """
    if kind.single == "attribute" and isinstance(value, list) and len(value) == 1:
        inner = value[0]  # [{"service_code": …, "attributes": […]}]
        hints = {*wrappers, "service_code"}
        value = inner if isinstance(inner, dict) and hints & set(_standardly(inner)) else value
    for name in wrappers:
        inside = {**_standardly(value), **value} if isinstance(value, dict) else {}
        value = inside[name] if isinstance(inside.get(name), dict | list) else value
    named = _standardly(value) if isinstance(value, dict) else {}
    if kind.single == "attribute" and "service_code" in named:
        return []  # a definition that asks nothing still names its service
    if named.get("errors") or named.get("error"):
        raise CityError(f"the city answered with an error: {_said(value)}")
    rows = value if isinstance(value, list) else [value]
    # A list may still name its elements: [{"request": {…}}, …], or [{"request": [{…}, …]}].
    rows = [inner for row in rows for inner in _named(row, {kind.single, *wrappers})]
    if not all(isinstance(r, dict) and r for r in rows):
        raise CityError("the body holds something else than objects")
    return rows


def _named(row: Any, names: Collection[str]) -> list[Any]:
    """What is under the one name of an element, when that is all that it holds."""
    if isinstance(row, dict) and len(row) == 1 and set(_standardly(row)) <= set(names):
        (row,) = row.values()
        return row if isinstance(row, list) else [row]
    return [row]


def _said(value: Any) -> str:
    """The first words of an error document, whatever its shape: for people."""
    return next(_sentences(value), "no description")[:200]


_ERROR_NAMES = ("description", "message", "detail", "errors", "error", "error_messages")


def _sentences(value: Any, depth: int = 6) -> Iterator[str]:
    """The texts in a document, the likeliest first, not deeper than anybody writes them."""
    if depth and isinstance(value, dict):
        for name in (n for n in _ERROR_NAMES if n in value):
            yield from _sentences(value[name], depth - 1)
        for name in sorted(set(value) - {*_ERROR_NAMES, "code"}):  # {"lat": ["is missing"]}
            yield from (f"{_text(name)}: {said}" for said in _sentences(value[name], depth - 1))
    elif depth and isinstance(value, list):
        for item in value:
            yield from _sentences(item, depth - 1)
    elif isinstance(value, str) and _text(value):
        yield _text(value)


def read_error(body: bytes, content_type: str) -> str:
    """What an error document says, for people; never fails.

    >>> read_error(b'{"lat": ["is missing"]}', "application/json")
    'lat: is missing'
    """
    text = _utf8(body, content_type)
    if not text:
        return "no error text"
    if text.startswith(b"<"):
        try:
            _rows(body, content_type, _REQUESTS, PLAIN)
        except CityError as exc:
            return str(exc)
        return "no error text"
    try:
        return _said(msgspec.json.decode(text))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _text(text.decode("utf-8", "replace"))[:200]


def _xml_rows(text: bytes, kind: _Kind, wrappers: Collection[str]) -> list[_Row]:
    from defusedxml import ElementTree
    from defusedxml.common import DefusedXmlException

    try:
        root = ElementTree.fromstring(text, forbid_dtd=True)
    except DefusedXmlException as exc:
        raise CityError("the XML holds a DTD or an entity, which is refused") from exc
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise CityError(f"the body is not XML: {str(exc)[:100]}") from exc
    if _name(root) in {"errors", "error", "html"}:
        raise CityError(f"the city answered with an error: {_first_text(root, 'description')}")
    try:
        # By what they hold, not by their names: roots and element names differ between servers.
        rows = [_fields(e) for e in _outermost(root, kind)]
    except RecursionError as exc:
        raise CityError("the XML is nested too deep") from exc
    if not rows and not _is_empty_list(root, wrappers):
        raise CityError(f"the XML holds no {kind.single} (root element {_name(root)[:40]})")
    return rows


def _outermost(element: Element, kind: _Kind) -> Iterator[Element]:
    """The elements that are records, not looking inside them."""
    leaves = {_name(child) for child in element if not len(child)}
    named_so = _name(element) == kind.single and leaves and len(leaves) == len(element)
    if kind.fields & leaves or named_so:
        yield element
    else:
        for child in element:
            yield from _outermost(child, kind)


def _fields(element: Element) -> _Row:
    """The children of an element by name: text, or what they hold in turn."""
    return {
        _name(c): [_fields(e) or (e.text or "") for e in c] if len(c) else (c.text or "")
        for c in element
    }


def _is_empty_list(root: Element, wrappers: Collection[str]) -> bool:
    """Whether an XML document is a list of ours with nothing in it."""
    names = {*wrappers, "response"}
    inner = {"service_code"}  # a definition without attributes still names its service
    return _name(root) in names and all(_name(e) in names | inner for e in root.iter())


def _name(element: Element) -> str:
    """The element's name without its namespace, as the standard would write it."""
    return _standard(str(element.tag).rpartition("}")[2])


def _first_text(root: Element, name: str) -> str:
    return next((_text(e.text)[:200] for e in root.iter() if _name(e) == name), "no description")


# ---------------------------------------------------------------------------------------- records


def _request(row: _Row, naive: ZoneInfo | None) -> CityRequest:
    return CityRequest(
        request_id=_id(_first(row, "service_request_id", "servicerequest_id", "id")),
        token=_id(_first(row, "token")),
        status=_text(_first(row, "status")).lower(),
        service_code=_text(_first(row, "service_code")),
        service_name=_text(_first(row, "service_name")),
        description=_text(_first(row, "description")),
        lat_deg=_degrees(_first(row, "lat", "latitude"), 90.0),
        lon_deg=_degrees(_first(row, "long", "lon", "lng", "longitude"), 180.0),
        requested_utc=_utc(_first(row, "requested_datetime"), naive),
        status_notes=_text(_first(row, "status_notes", "status_note")),
        parent_id=_id(_first({**_inner(row), **row}, "parent_service_request_id")),
    )


def _inner(row: _Row) -> _Row:
    """What a city that speaks extensions (Chicago, 2013 on) puts under a name of their own."""
    more = row.get("extended_attributes")
    return more if isinstance(more, dict) else {}


def _service(row: _Row) -> CityService:
    return CityService(
        code=_text(_first(row, "service_code")),
        name=_text(_first(row, "service_name")),
        metadata=_truth(_first(row, "metadata")),
        type=_text(_first(row, "type")).lower(),
    )


def _question(row: _Row) -> Question:
    values = row.get("values")
    values = values.get("value", values) if isinstance(values, dict) else values
    values = values if isinstance(values, list) else [values]
    pairs = [_standardly(v) for v in values if isinstance(v, dict)]
    return Question(
        code=_text(_first(row, "code")),
        required=_truth(_first(row, "required")),
        asked=not _text_of_truth(_first(row, "variable")).startswith(("f", "n", "0")),
        datatype=_text(_first(row, "datatype")).lower(),
        text=_text(_first(row, "description", "datatype_description")),
        values=tuple((_text(_first(v, "key")), _text(_first(v, "name"))) for v in pairs),
    )


def _text_of_truth(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else _text(value).lower()


def _first(row: _Row, *names: str) -> Any:
    """The first of these fields that says anything; what stands alone in a list counts as it is.

    >>> _first({"id": [7]}, "service_request_id", "id")
    7
    """
    values = (row.get(n) for n in names)
    alone = (v[0] if isinstance(v, list) and len(v) == 1 else v for v in values)
    return next((v for v in alone if v not in (None, "")), None)


def _text(value: Any) -> str:
    """Plain text: no control, escape or bidi characters, which would act on a terminal."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    kept = (c if c.isprintable() else " " for c in str(value)[:_TEXT_CHARS])
    return "".join(kept).strip()


def _id(value: Any) -> str | None:
    """An id as text; 0 is one, and 7.0 is 7. None for what cannot be an id."""
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text and len(text) <= _ID_CHARS and text.isprintable() else None


def _degrees(value: Any, limit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:  # a comma cannot part thousands here
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= limit else None


def _truth(value: Any) -> bool:
    return value is True or _text(value).lower() in {"true", "1", "yes"}


def _utc(value: Any, naive: ZoneInfo | None) -> str | None:
    """A time as ``YYYY-MM-DDTHH:MM:SSZ``; None for one without a zone, which could be any.

    `naive` is the zone of a time without one, where the city is known to mean its own.
    """
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        if when.tzinfo is None:
            if naive is None:
                return None
            when = when.replace(tzinfo=naive)
        return utc_text(when)
    except (ValueError, OverflowError):
        return None
