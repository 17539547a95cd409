"""Answers of the practice city, written in its dialect: values in, bytes out, nothing else."""

from __future__ import annotations

import html
import json
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from xml.sax.saxutils import escape

from streetbump.submit.sandbox.dialect import ALIASES, Dialect
from streetbump.submit.sandbox.ledger import OWN, Row

HTML = "text/html"
JSON = "application/json"
ID_FIELDS = ("service_request_id", "servicerequest_id")
"""The names an id goes by."""


@dataclass(frozen=True)
class Answer:
    """What goes over the wire."""

    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Records:
    """An answer before it is written: a list of things, named in the plural and singular."""

    status: int
    plural: str
    single: str
    rows: tuple[Row, ...]


Reply = Answer | Records


class Refusal(Exception):
    """An answer other than success, from wherever the reason was found."""

    def __init__(
        self, status: int, description: str, headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(description)
        self.status, self.description, self.headers = status, description, headers


def write(reply: Reply, dialect: Dialect, fmt: str) -> Answer:
    """The bytes of a reply in a format, ``json`` or ``xml``.

    >>> rows = ({"token": "T-1"},)
    >>> write(Records(201, "service_requests", "request", rows), Dialect(), "json").body
    b'[{"token": "T-1"}]'
    """
    if isinstance(reply, Answer):
        return reply
    if fmt == "json":
        return as_json(reply.status, _json_shape(reply, dialect))
    inner = "".join(_element(reply.single, row, dialect) for row in reply.rows)
    return as_xml(reply.status, _under_root(reply, inner, dialect), dialect)


def refused(refusal: Refusal, dialect: Dialect, fmt: str) -> Answer:
    """An error in the dialect's shape.

    >>> refused(Refusal(404, "no"), Dialect(errors="messages"), "json").body
    b'{"error_messages": ["no"]}'
    """
    code, text = refusal.status, refusal.description
    if dialect.errors == "html":
        return page(code, text, refusal.headers)
    error = {"code": code, "description": text}
    shape: Any = {
        "array": [error],
        "wrapped": {"errors": [error]},
        "object": {"error": {"code": code, "message": text}},
        "messages": {"error_messages": [text]},
    }[dialect.errors]
    if fmt == "json":
        return as_json(code, shape, refusal.headers)
    ((root, inside),) = ({"errors": shape} if dialect.errors == "array" else shape).items()
    return as_xml(code, _element(root, inside, dialect), dialect, refusal.headers)


def page(status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A page for people where a program expected data."""
    said = html.escape(text)
    body = f"<!doctype html><html><title>{said}</title><p>{said}</p></html>"
    return Answer(status, body.encode(errors="replace"), HTML, headers)


def as_json(status: int, value: Any, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """A value as JSON."""
    return Answer(status, json.dumps(value).encode(), JSON, headers)


def as_xml(
    status: int, text: str, dialect: Dialect, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """An element as an XML document."""
    body = f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode()
    return Answer(status, body, dialect.xml_type, headers)


def definition(code: str, dialect: Dialect, fmt: str) -> Answer:
    """The definition of a service: its questions."""
    questions = [
        {
            "variable": True, "code": a.code, "datatype": a.datatype, "required": a.required,
            "order": order, "description": a.code, "datatype_description": "",
            "values": [
                {"key": number if dialect.odd_types else key, "name": key}
                for number, key in enumerate(a.values)
            ],
        }
        for order, a in enumerate(dialect.attributes, start=1)
    ]  # fmt: skip
    value = {"service_code": code, "attributes": questions}
    if fmt == "json":
        return as_json(200, value)
    return as_xml(200, _element("service_definition", value, dialect), dialect)


def shown(row: Row, dialect: Dialect, *, extended: bool = False) -> Row:
    """A row of the ledger as a list shows it."""
    seen = {name: value for name, value in row.items() if name not in OWN}
    if dialect.unknown_arguments == "taken":
        seen |= {k: v for k, v in row.get("arguments", {}).items() if k not in seen}
    seen["service_request_id"] = typed_id(row["service_request_id"], dialect)
    for name in ("requested_datetime", "updated_datetime"):
        seen[name] = _dated(seen[name], dialect)
    if dialect.coordinates == "string":
        seen |= {n: None if seen[n] is None else f"{seen[n]:.6f}" for n in ("lat", "long")}
    if not dialect.named_rows:
        seen["service_name"] = ""
    if dialect.odd_types:
        seen["agency_responsible"] = {"name": "Practice", "code": 1}
        seen["media_url"] = [{"id": 1, "url": seen.get("media_url", "")}]
    if extended:
        parent = row.get("parent_id", "")
        seen["extended_attributes"] = {"parent_service_request_id": parent} if parent else {}
    names = {standard: alias for alias, standard in ALIASES.items() if alias in dialect.aliases}
    return {names.get(name, name): value for name, value in seen.items()}


def typed_id(request_id: str, dialect: Dialect) -> str | int:
    """An id as the dialect has it: text, or a number."""
    return int(request_id) if dialect.ids == "number" and request_id.isdigit() else request_id


def _dated(text: str, dialect: Dialect) -> str:
    when = datetime.fromisoformat(text)
    match dialect.dates:
        case "no_zone":
            return when.strftime("%Y-%m-%dT%H:%M:%S")
        case "milliseconds":
            return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        case "offset":
            return when.astimezone(timezone(timedelta(hours=-5))).isoformat(timespec="seconds")
        case _:
            return text


def _json_shape(reply: Records, dialect: Dialect) -> Any:
    rows = list(reply.rows)
    match dialect.json_shape:
        case "wrapped":
            return {reply.plural: rows}
        case "single":
            return {reply.plural: {reply.single: rows[0] if len(rows) == 1 else rows}}
        case "named":
            return [{reply.single: row} for row in rows]
        case _:
            return rows


def _under_root(reply: Records, inner: str, dialect: Dialect) -> str:
    name = reply.plural
    match dialect.xml_root:
        case "array":
            return f'<{name} type="array">{inner}</{name}>'
        case "dashed":
            name = name.replace("_", "-")
        case "response":
            name = "response"
    return f"<{name}>{inner}</{name}>"


def _element(name: str, value: Any, dialect: Dialect) -> str:
    if isinstance(value, dict):
        inner = "".join(_element(n, v, dialect) for n, v in value.items())
    elif isinstance(value, list):
        inner = "".join(_element(_singular(name), v, dialect) for v in value)
    else:
        inner = escape(_xml_text(value))
        inner = escape(inner) if dialect.xml_escaped_twice else inner
    name = (
        name if name.isidentifier() and name.isascii() else "field"
    )  # an argument taken as it came
    return f"<{name}>{inner}</{name}>"


def _singular(name: str) -> str:
    """The element inside a list: ``errors`` holds ``error``."""
    return name.removesuffix("s") if name.endswith("s") else "item"


def _xml_text(value: Any) -> str:
    """A value as XML text; XML 1.0 cannot hold most control characters in any form."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    return "".join(c for c in text if c in "\n\t" or c.isprintable())
