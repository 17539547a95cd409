"""The practice city's description of itself in OpenAPI 3, made from the same tables it works by."""

from __future__ import annotations

from typing import Any

import msgspec

import streetbump
from streetbump.submit.sandbox.control import CONTROLS, LOOKS
from streetbump.submit.sandbox.dialect import LIKE

Json = dict[str, Any]

_FORMAT = {"name": "format", "in": "path", "required": True,
           "schema": {"enum": ["json", "xml"]}}  # fmt: skip
_TEXT = {"type": "string"}
_RESOURCES: dict[str, tuple[str, tuple[str, ...]]] = {
    "/discovery.{format}": ("what it is", ()),
    "/services.{format}": ("the services it takes", ()),
    "/services/{name}.{format}": ("the questions of a service", ()),
    "/requests.{format}": (
        "the requests it holds, the newest first",
        ("service_request_id", "service_code", "status", "start_date", "end_date", "lat", "long",
         "page", "page_size", "per_page", "updated_after", "updated_before", "q", "extensions"),
    ),
    "/requests/{name}.{format}": ("one request", ()),
    "/tokens/{name}.{format}": ("the id behind a token", ()),
}  # fmt: skip
"""What can be read: its meaning, and the arguments in the query."""
_FORM = (
    "service_code", "lat", "long", "address_string", "address_id", "description", "email",
    "device_id", "account_id", "first_name", "last_name", "phone", "media_url", "api_key",
    "jurisdiction_id", "client_request_id",
)  # fmt: skip
_REFUSALS = {
    "400": "the dialect or the standard does not take this",
    "401": "the key, where the dialect says so",
    "403": "the key, or a page of another site",
    "404": "there is no such thing",
    "405": "a method that is not there, or a city that only shows",
    "411": "a body without Content-Length",
    "413": "a body over 1 MiB",
    "429": "over `calls_per_minute`",
    "500": "only in a dialect with `incomplete` or `poison` of 500",
}


def description(url: str) -> Json:
    """The document at ``/openapi.json``. It promises the city without faults.

    >>> sorted(description("http://127.0.0.1:8311/")["paths"])[:2]
    ['/', '/discovery.{format}']
    """
    kinds = [control.takes for control in CONTROLS.values()]
    bodies, schemas = msgspec.json.schema_components(
        kinds, ref_template="#/components/schemas/{name}"
    )
    schemas["Dialect"]["properties"]["like"] = {"enum": list(LIKE)}
    paths: Json = {path: {"get": _reading(path, *about)} for path, about in _RESOURCES.items()}
    paths["/requests.{format}"]["post"] = _creating()
    paths |= {
        f"/practice/{name}": {"get": _operation(f"look_{name}", meaning, ["200"])}
        for name, (meaning, _) in LOOKS.items()
    }
    for body, (name, control) in zip(bodies, CONTROLS.items(), strict=True):
        path = f"/practice/{name}" + ("/{name}" if control.whose else "")
        paths.setdefault(path, {})["post"] = {
            **_operation(f"do_{name}", control.meaning, ["200", "400", "403", "404", "411", "413"]),
            "parameters": _parameters(path, ()),
            "requestBody": {"content": {"application/json": {"schema": body}}},
        }
    paths["/"] = {"get": _operation("page", "what it holds, for people", ["200"])}
    paths["/openapi.json"] = {"get": _operation("openapi", "this document", ["200"])}
    return {
        "openapi": "3.1.0",
        "info": {"title": "The practice city: GeoReport v2", "version": streetbump.__version__},
        "servers": [{"url": url.rstrip("/")}],
        "paths": paths,
        "components": {"schemas": schemas},
    }


def _operation(name: str, meaning: str, statuses: list[str]) -> Json:
    said = {"200": "done", "201": "created", "301": "moved", **_REFUSALS}
    return {
        "operationId": name,
        "summary": meaning,
        "responses": {status: {"description": said[status]} for status in statuses},
    }


def _reading(path: str, meaning: str, arguments: tuple[str, ...]) -> Json:
    name = "read" + path.split(".")[0].replace("/", "_").replace("{name}", "one")
    statuses = ["200", "400", "401", "403", "404", "429", "500"]
    arguments = (*arguments, "jurisdiction_id")
    return {**_operation(name, meaning, statuses), "parameters": _parameters(path, arguments)}


def _creating() -> Json:
    form = {"type": "object", "properties": dict.fromkeys(_FORM, _TEXT),
            "additionalProperties": _TEXT}  # fmt: skip
    return {
        **_operation("create_request", "a new request", ["200", "201", *_REFUSALS]),
        "parameters": _parameters("/requests.{format}", ("jurisdiction_id",)),
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
    }


def _parameters(path: str, query: tuple[str, ...]) -> list[Json]:
    named = {"name": "name", "in": "path", "required": True, "schema": _TEXT}
    return [
        *([named] if "{name}" in path else []),
        *([_FORMAT] if "{format}" in path else []),
        *({"name": name, "in": "query", "schema": _TEXT} for name in query),
    ]
