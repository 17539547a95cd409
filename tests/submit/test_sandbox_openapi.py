"""The practice city keeps what /openapi.json promises, whatever is sent to it."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from datetime import UTC
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from practice import FORM, Caller

from streetbump.submit.sandbox import Sandbox

Json = dict[str, Any]
EXAMPLES = settings(
    max_examples=150, deadline=None, derandomize=True, database=None,
    phases=[Phase.generate],  # a failure is not made smaller: that takes minutes over a socket
)  # fmt: skip

with Sandbox(0) as _city:
    DOCUMENT: Json = Caller(_city).get("openapi.json").json()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if path != "/practice/away"  # nobody could ask anything meanwhile
]
SMALL = {"n": 20, "latency_s": 0.001, "seed": 1 << 53, "calls_per_minute": 1 << 20}
"""Upper limits of our own, so that a run ends; what they stand for has tests of its own."""

CHARACTERS = st.characters(exclude_categories=["Cs"])
TEXT = st.text(CHARACTERS, max_size=20)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def caller() -> Iterator[Caller]:
    with Sandbox(0) as city:
        yield Caller(city, timeout_s=60.0)


@pytest.fixture(autouse=True)
def _no_traceback(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    yield
    assert "Traceback" not in capfd.readouterr().err


def values(schema: Json, name: str = "") -> st.SearchStrategy[Any]:
    """Values that a schema of the document allows."""
    if "$ref" in schema:
        return values(SCHEMAS[schema["$ref"].rpartition("/")[2]])
    for many in ("anyOf", "oneOf"):
        if many in schema:
            return st.one_of([values(s, name) for s in schema[many]])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    low, high = schema.get("minimum"), schema.get("maximum")
    high = min(high if high is not None else SMALL.get(name, 1e15), SMALL.get(name, 1e15))
    match schema.get("type"):
        case "string" if schema.get("format") == "date-time":
            return st.datetimes(timezones=st.just(UTC)).map(lambda t: t.isoformat())
        case "string":
            return st.text(CHARACTERS, min_size=schema.get("minLength", 0), max_size=20)
        case "integer":
            return st.integers(low, int(high))
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
        case "array":
            kinds = schema.get("prefixItems")
            if kinds:
                return st.tuples(*[values(k) for k in kinds]).map(list)
            return st.lists(values(schema["items"]), min_size=schema.get("minItems", 0), max_size=3)
        case "object":
            fields = {n: values(s, n) for n, s in schema.get("properties", {}).items()}
            needed = {n: fields.pop(n) for n in schema.get("required", [])}
            return st.fixed_dictionaries(needed, optional=fields)
    raise AssertionError(f"a schema that this test cannot read: {schema}")


def place_or(name: str) -> st.SearchStrategy[str]:
    """An argument: often one that makes sense, so that calls get far."""
    usual = {**FORM, "status": "open", "start_date": "2026-03-01T12:00:00Z", "page": "2",
             "service_request_id": "PC-1", "name": "PC-1"}  # fmt: skip
    return st.just(usual[name]) | TEXT if name in usual else TEXT


@st.composite
def calls(draw: st.DrawFn, *, valid: bool) -> tuple[str, str, str, Json]:
    """Method, address, body and operation, as the document says, or with a body as it comes."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    query = {}
    for parameter in operation.get("parameters", []):
        name = parameter["name"]
        if parameter["in"] == "query":
            if draw(st.booleans()):
                query[name] = draw(place_or(name))
        else:
            kind = parameter["schema"]
            value = draw(values(kind) if "enum" in kind else place_or(name))
            path = path.replace(f"{{{name}}}", quote(value, safe=""))
    content = operation.get("requestBody", {}).get("content", {})
    ((kind, about),) = content.items() or [("", {})]
    if not valid and draw(st.booleans()):
        body = draw(TEXT | ANY_JSON.map(json.dumps))
    elif kind == "application/json":
        body = json.dumps(draw(values(about["schema"])))
    elif kind:
        names = draw(st.lists(st.sampled_from(sorted(about["schema"]["properties"]))))
        form = {name: draw(place_or(name)) for name in {*FORM, *names}}
        body = urlencode({**form, **draw(st.dictionaries(TEXT, TEXT, max_size=2))})
    else:
        body = ""
    address = path.lstrip("/") + (f"?{urlencode(query)}" if query else "")
    return method, address, body, operation


def ask(caller: Caller, call: tuple[str, str, str, Json]) -> int:
    method, address, body, _ = call
    return caller.ask(method, address, body.encode().decode("latin-1")).status


@EXAMPLES
@given(call=calls(valid=False))
def test_promises_hold_in_the_standard(caller: Caller, call: tuple[str, str, str, Json]) -> None:
    """Speaking the standard, every call gets an answer that is promised, and never a 5xx."""
    caller.practice("reset")
    caller.post()
    status = ask(caller, call)
    assert str(status) in call[3]["responses"]
    assert status < 500


@EXAMPLES
@given(
    dialect=values(SCHEMAS["Dialect"]),
    history=st.lists(calls(valid=True), min_size=1, max_size=4),
)
def test_promises_hold_in_every_dialect(
    caller: Caller, dialect: Json, history: list[tuple[str, str, str, Json]]
) -> None:
    """Whatever is switched, answers are the promised ones; 500 only where a switch says so."""
    caller.practice("reset")
    caller.post()
    assert caller.practice("dialect", **dialect).status == 200
    for call in history:
        switched = caller.city.dialect
        may_fail = "500" in {switched.incomplete, switched.poison}
        status = ask(caller, call)
        if switched.errors != "html" or status < 400:
            assert str(status) in call[3]["responses"]
        assert status < 500 or may_fail
    assert caller.get("practice/ledger").status == 200


@EXAMPLES
@given(
    heard=st.binary(max_size=60), words=st.sampled_from([b"GET / ", b"POST /requests.json ", b""])
)
def test_bytes_that_are_no_call(caller: Caller, heard: bytes, words: bytes) -> None:
    """Anything at all on the wire: the city answers or hangs up, and goes on."""
    with socket.create_connection(("127.0.0.1", caller.city.port), 10) as link:
        link.sendall(words + heard + b"\r\n\r\n")
        link.shutdown(socket.SHUT_WR)
        try:
            while link.recv(65536):
                pass
        except ConnectionResetError:
            pass
    assert caller.get("practice/clock").status == 200


@pytest.mark.parametrize("address", ["http://[/requests.json", "//[", "%00", "a" * 60_000])
def test_addresses_that_are_none(caller: Caller, address: str) -> None:
    """An address that cannot be taken apart is refused, not an accident."""
    with socket.create_connection(("127.0.0.1", caller.city.port), 10) as link:
        link.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert link.recv(100).split(b" ")[1] in {b"400", b"404", b"414"}


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW"])
def test_other_methods_are_405(caller: Caller, method: str) -> None:
    """A method that is not there is refused as such."""
    try:
        assert caller.ask(method, "requests.json").status == 405
    except http.client.HTTPException as exc:  # HEAD: the answer has a body all the same
        pytest.fail(repr(exc))


def test_document_names_every_call(caller: Caller) -> None:
    """The description is OpenAPI 3, and every operation in it has a name of its own."""
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert DOCUMENT["openapi"].startswith("3.")
    assert len(names) == len(set(names)) >= 25
    assert DOCUMENT["servers"][0]["url"].startswith("http://127.0.0.1:")
