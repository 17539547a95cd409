"""A city's replies, JSON or XML in any of their dialects, read into one shape.

Servers agree on little beyond the URLs: wrapper or none, one object or a list, ids as numbers,
numbers as strings, other names for the same field. What cannot be read is a
:class:`~streetbump.errors.CityError`, never an empty list: "no requests" must mean that.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from streetbump.errors import CityError
from streetbump.model import CityRequest, CityService

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element  # the type only; defusedxml parses

_ID_CHARS = 128  # a longer id is no id
_TEXT_CHARS = 10_000

_Row = dict[str, Any]


def read_requests(body: bytes, content_type: str) -> tuple[CityRequest, ...]:
    """The service requests in a reply body; rows without id and token are kept as such.

    Raises
    ------
    CityError
        Empty, HTML, not JSON or XML, a DTD, or an error document instead of requests.

    >>> read_requests(b'[{"service_request_id": 0, "lat": "1.5"}]', "application/json")[0].lat_deg
    1.5
    """
    return tuple(_request(row) for row in _rows(body, content_type, "service_requests", "request"))


def read_services(body: bytes, content_type: str) -> tuple[CityService, ...]:
    """The rows of a service list that have a code. Raises as :func:`read_requests`.

    >>> xml = b"<services><service><service_code>7</service_code></service></services>"
    >>> read_services(xml, "text/xml")[0].code
    '7'
    """
    services = (_service(row) for row in _rows(body, content_type, "services", "service"))
    return tuple(s for s in services if s.code)


def read_required(body: bytes, content_type: str) -> tuple[str, ...]:
    """The codes of the attributes that a service definition requires. Raises as above.

    >>> read_required(b'{"attributes": [{"code": "DEPTH", "required": true}]}', "application/json")
    ('DEPTH',)
    """
    rows = _rows(body, content_type, "attributes", "attribute")
    return tuple(_text(row.get("code")) for row in rows if _truth(row.get("required")))


# ------------------------------------------------------------------------------------- documents


def _rows(body: bytes, content_type: str, plural: str, single: str) -> list[_Row]:
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise CityError("the body is empty")
    head = text[:64].lower()
    if "html" in content_type.lower() or head.startswith((b"<!doctype html", b"<html")):
        raise CityError("the body is an HTML page")
    # By content: not every server labels its JSON or XML as such.
    if text.startswith(b"<"):
        return _checked(_xml_rows(text, plural, single), single)
    return _checked(_json_rows(text, plural, single), single)


_RECORD_FIELDS = {
    "request": {"service_request_id", "servicerequest_id", "id", "token", "service_code", "lat"},
    "service": {"service_code"},
    "attribute": {"code", "variable", "datatype"},
}
"""One of these at least stands in every record of a kind."""


def _checked(rows: list[_Row], single: str) -> list[_Row]:
    """`rows`, when they are records; an error list has the shape of a list too."""
    for row in rows:
        if not _RECORD_FIELDS[single] & set(row):
            said = _text(row.get("description")) or _text(row.get("message"))
            raise CityError(f"the city answered with an error: {said[:200] or 'no description'}")
    return rows


def _json_rows(text: bytes, plural: str, single: str) -> list[_Row]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise CityError(f"the body is not JSON: {str(exc)[:100]}") from exc
    return _unwrapped(value, plural, single)


def _unwrapped(value: Any, plural: str, single: str) -> list[_Row]:
    """The list of objects inside the wrappers that servers put around it.

    ``[…]``, ``{"service_requests": […]}``, ``{"service_requests": {"request": {…}}}``,
    ``{"request": […]}`` and a bare object all occur.
    """
    wrappers = (plural, plural.removeprefix("service_"), f"service_{single}", single)
    for name in ("service_definition", *wrappers):
        if isinstance(value, dict) and name in value:
            value = value[name]
    if isinstance(value, dict) and ("errors" in value or "error" in value):
        raise CityError(f"the city answered with an error: {_said(value)}")
    rows = value if isinstance(value, list) else [value]
    # Spark lists may still name each element: [{"request": {…}}, …].
    rows = [r[single] if isinstance(r, dict) and set(r) == {single} else r for r in rows]
    if not all(isinstance(r, dict) and r for r in rows):
        raise CityError("the body holds something else than objects")
    return rows


def _said(value: _Row) -> str:
    inner = value.get("errors", value.get("error"))
    first = inner[0] if isinstance(inner, list) and inner else inner
    if isinstance(first, dict):
        first = first.get("description", first.get("message", first.get("error")))
        if isinstance(first, dict):
            first = first.get("description")
    return _text(first)[:200] or "no description"


def _xml_rows(text: bytes, plural: str, single: str) -> list[_Row]:
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
    singles = {single, f"service_{single}"}
    found = [e for e in root.iter() if _name(e) in singles and len(e)]
    if not found and not _is_empty_list(root, plural):
        raise CityError(f"the XML holds no {single} (root element {_name(root)[:40]})")
    return [{_name(child): (child.text or "") for child in e} for e in found]


def _is_empty_list(root: Element, plural: str) -> bool:
    names = {plural, plural.removeprefix("service_"), "service_definition", "response"}
    return _name(root) in names and all(_name(e) in names for e in root.iter())


def _name(element: Element) -> str:
    """The element's name without its namespace, with the dashes of some frameworks undone."""
    return str(element.tag).rpartition("}")[2].lower().replace("-", "_")


def _first_text(root: Element, name: str) -> str:
    return next((_text(e.text)[:200] for e in root.iter() if _name(e) == name), "no description")


# ---------------------------------------------------------------------------------------- records


def _request(row: _Row) -> CityRequest:
    return CityRequest(
        request_id=_id(_first(row, "service_request_id", "servicerequest_id", "id")),
        token=_id(_first(row, "token")),
        status=_text(_first(row, "status")).lower(),
        service_code=_text(_first(row, "service_code")),
        service_name=_text(_first(row, "service_name")),
        description=_text(_first(row, "description")),
        lat_deg=_degrees(_first(row, "lat", "latitude"), 90.0),
        lon_deg=_degrees(_first(row, "long", "lon", "lng", "longitude"), 180.0),
        requested_utc=_utc(_first(row, "requested_datetime")),
        updated_utc=_utc(_first(row, "updated_datetime")),
        status_notes=_text(_first(row, "status_notes", "status_note")),
    )


def _service(row: _Row) -> CityService:
    return CityService(
        code=_text(_first(row, "service_code")),
        name=_text(_first(row, "service_name")),
        metadata=_truth(_first(row, "metadata")),
        type=_text(_first(row, "type")).lower(),
    )


def _first(row: _Row, *names: str) -> Any:
    """The first of these fields that says anything."""
    return next((row[n] for n in names if row.get(n) not in (None, "")), None)


def _text(value: Any) -> str:
    """Plain text: no control, escape or bidi characters, which would act on a terminal."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    kept = (c if c.isprintable() else " " for c in str(value)[:_TEXT_CHARS])
    return "".join(kept).strip()


def _id(value: Any) -> str | None:
    """An id as text; 0 is one. None for what cannot be an id."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value).strip()
    return text if text and len(text) <= _ID_CHARS and text.isprintable() else None


def _degrees(value: Any, limit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) <= limit else None


def _truth(value: Any) -> bool:
    return value is True or _text(value).lower() in {"true", "1", "yes"}


def _utc(value: Any) -> str | None:
    """A time as ``YYYY-MM-DDTHH:MM:SSZ``; None for one without a zone, which could be any."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value.strip())
        if when.tzinfo is None:
            return None
        return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError):
        return None
