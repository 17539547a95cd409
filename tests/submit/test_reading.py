"""Every dialect of a reply is read into one shape; what is no reply is refused."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streetbump.cityprofile import Dialect
from streetbump.errors import CityError
from streetbump.submit.reading import read_error, read_questions, read_requests, read_services

XML = (
    b"<service_requests%s><request><service_request_id%s>17</service_request_id></request>"
    b"</service_requests>"
)
XML_NAMES = (
    b'<r:service-requests xmlns:r="urn:x"><r:request><r:service-request-id>17'
    b"</r:service-request-id></r:request></r:service-requests>"
)
ONE = [
    # body, content type: each holds the one request 17
    (b'[{"service_request_id": "17"}]', "application/json"),
    (b'[{"service_request_id": 17}]', "application/json"),
    (b'{"service_request_id": 17}', "application/json"),
    (b'{"service_requests": [{"service_request_id": 17}]}', "application/json"),
    (b'{"service_requests": {"request": {"service_request_id": 17}}}', "application/json"),
    (b'{"service_requests": {"request": [{"service_request_id": 17}]}}', "application/json"),
    (b'{"service_requests": [{"request": {"service_request_id": 17}}]}', "application/json"),
    (b'{"requests": [{"servicerequest_id": "17"}]}', "text/plain"),
    (b'\xef\xbb\xbf [{"service_request_id": " 17 "}]\n', "text/json; charset=utf-8"),
    (b'[{"service_request_id": 17, "agency_responsible": {"recipient": ["x"]}}]', ""),
    (XML % (b"", b""), "text/xml"),
    (
        b'<?xml version="1.0" encoding="utf-8"?>\n' + XML % (b' type="array"', b' type="integer"'),
        "",
    ),
    (XML_NAMES, "application/xml"),
    (b"<request><service_request_id>17</service_request_id></request>", "text/xml"),
    (b'{"requests": [{"request": [{"service_request_id": [17]}]}]}', "application/json"),
    (b'{"error": null, "errors": [], "service_request_id": 17}', "application/json"),
    (b'{"ServiceRequests": [{"serviceRequestId": 17}]}', "application/json"),
    (b'[{"SERVICE_REQUEST_ID": 17, "STATUS": ""}]', "application/json"),
    (b"<ServiceRequests><Request><ServiceRequestId>17</ServiceRequestId></Request>"
     b"</ServiceRequests>", "text/xml"),
    (b'[{"service_request_id": 17.0, "service_code": 001, "a": "01, ]",},\n]', "application/json"),
    (b'[{"service_request_id": 17, "description": "two\nlines"}]', "application/json"),
    ('[{"service_request_id": 17}]'.encode("utf-16"), "application/json; charset=utf-16"),
    ('[{"service_request_id": 17, "service_name": "Schlaglöcher"}]'.encode("latin-1"), ""),
    ('<?xml version="1.0"?><a><service_request_id>17</service_request_id><service_name>ö'
     "</service_name></a>".encode("cp1252"), "text/xml; charset=windows-1252"),
    ('<?xml version="1.0" encoding="UTF-16"?><a><service_request_id>17</service_request_id></a>'
     .encode("utf-16"), "text/xml"),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), ONE, ids=lambda v: str(v)[:40])
def test_dialects_are_one_request(body: bytes, kind: str) -> None:
    """Wrapper or none, one or many, number or text: the same request."""
    (row,) = read_requests(body, kind)
    assert row.request_id == "17"


EMPTY = [b"[]", b'{"requests": [{"request": []}]}', b'{"service_requests": []}',
         b"<service_requests/>", b"<service_requests>\n</service_requests>"]  # fmt: skip


@pytest.mark.parametrize("body", EMPTY)
def test_empty_list_is_no_request(body: bytes) -> None:
    """A well-formed empty list says that there is nothing."""
    assert read_requests(body, "application/json") == ()


UNREADABLE = [
    (b"", "application/json"),
    (b"  \n", "text/xml"),
    (b"null", "application/json"),
    (b"17", "application/json"),
    (b'"ok"', "application/json"),
    (b"{}", "application/json"),
    (b"[{}]", "application/json"),
    (b"[null]", "application/json"),
    (b"[[]]", "application/json"),
    (b'{"status": "ok"}', "application/json"),
    (b'[{"service_request_id": 1e400}]', "application/json"),
    (b'[{"service_request_id": NaN}]', "application/json"),
    (b'[{"service_request_id": "17"', "application/json"),
    (b"[" * 200_000, "application/json"),
    (b'[{"service_request_id": 17}}]', "application/json"),
    (b'[{"service_request_id": 17,, "token": "x"}]', "application/json"),
    ("[{}]".encode("utf-16"), "application/json"),
    (b"[]\xff\xfe", "application/json"),
    (b"[{'service_request_id': 17}]", "application/json"),
    (b'[{"service_request_id": 17}]', "text/html"),
    (b"<!DOCTYPE html><html></html>", "application/json"),
    (b"<html><body>Maintenance</body></html>", "text/xml"),
    (b"<service_requests><request>", "text/xml"),
    (b"<rss><channel/></rss>", "text/xml"),
    (b'<?xml version="1.0" encoding="klingon"?><service_requests/>', "text/xml"),
    (b'[{"code": 404, "description": "jurisdiction_id was not found"}]', "application/json"),
    (b'{"errors": [{"code": 400, "description": "no"}]}', "application/json"),
    (b'{"service_request_id": 17, "error": "not stored"}', "application/json"),
    (b'{"errors": []}', "application/json"),
    (b'{"error": null}', "application/json"),
    (b'{"error": {"code": 400, "message": "no"}}', "application/json"),
    (b"<errors><error><code>404</code><description>no</description></error></errors>", "text/xml"),
    (b'<!DOCTYPE a [<!ENTITY b "c">]><service_requests/>', "text/xml"),
    (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><service_requests/>', "text/xml"),
]


@pytest.mark.parametrize(("body", "kind"), UNREADABLE, ids=lambda v: str(v)[:40])
def test_unreadable_is_never_an_empty_list(body: bytes, kind: str) -> None:
    """What is not a list of requests is refused: it must not look like "nothing there"."""
    with pytest.raises(CityError):
        read_requests(body, kind)


READERS = (read_requests, read_services, read_questions, read_error)
WORDS = st.sampled_from([
    "service_requests", "request", "service_request_id", "service_code", "attributes", "attribute",
    "code", "values", "value", "required", "errors", "error", "description", "token", "lat", "x",
])  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=12,
)


def xml_of(value: object) -> str:
    if isinstance(value, dict):
        return "".join(f"<{k}>{xml_of(v)}</{k}>" for k, v in value.items())
    return "".join(map(xml_of, value)) if isinstance(value, list) else str(value)


def is_read_or_refused(body: bytes, kind: str) -> None:
    for reader in READERS:
        try:
            assert isinstance(reader(body, kind), tuple | str)
        except CityError:
            continue


@given(st.binary(max_size=300), st.sampled_from(["application/json", "text/xml", ""]))
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    """No bytes do anything but give records or a CityError."""
    is_read_or_refused(body, kind)


@given(VALUES)
def test_any_document_is_read_or_refused(value: object) -> None:
    """Whatever stands where in a well-formed document, JSON or XML, the same holds."""
    is_read_or_refused(json.dumps(value).encode(), "application/json")
    is_read_or_refused(f"<root>{xml_of(value)}</root>".encode(), "text/xml")


@pytest.mark.parametrize("depth", [100, 900, 5000, 100_000])
@pytest.mark.parametrize(("left", "right"), [("[", "]"), ('{"error":', "}"), ("<a>", "</a>")])
def test_nesting_ends_in_a_refusal(left: str, right: str, depth: int) -> None:
    """A reply nested as deep as its size allows is refused like any other."""
    middle = "1" if left != "[" else ""
    is_read_or_refused((left * depth + middle + right * depth).encode(), "")


@pytest.mark.parametrize("piece", ['"', '"\\\\"', ", ", ",\n", "0", "00,", '{"a": 01,'])
def test_what_is_no_json_is_refused_in_linear_time(piece: str) -> None:
    """A reply as long as its limit, made to be searched again and again, takes a moment."""
    begun = time.process_time()
    is_read_or_refused(("[" + piece * (2**20 // len(piece))).encode(), "application/json")
    assert time.process_time() - begun < 5


def test_latin_1_is_read_as_it_is_labelled_or_guessed() -> None:
    """A name in an old charset is told as people write it."""
    body = '[{"service_code": "7", "service_name": "Schlaglöcher €"}]'
    for kind, coding in (("; charset=windows-1252", "cp1252"), ("; charset=utf-8", "utf-8")):
        (row,) = read_services(body.encode(coding), f"application/json{kind}")
        assert row.name == "Schlaglöcher €"
    (row,) = read_services(body.replace("€", "").encode("latin-1"), "application/json")
    assert row.name == "Schlaglöcher"


def test_capitals_need_no_alias() -> None:
    """Names in capitals or run together are those of the standard, in lists and in questions."""
    body = b'[{"SERVICE_CODE": 7, "ATTRIBUTES": [{"CODE": "D", "REQUIRED": true, "VARIABLE": true, \
"VALUES": [{"KEY": 790, "NAME": "deep"}]}]}]'
    (question,) = read_questions(body, "application/json")
    assert (question.code, question.required, question.values) == ("D", True, (("790", "deep"),))
    (service,) = read_services(b'[{"serviceCode": "7", "serviceName": "Pothole"}]', "")
    assert (service.code, service.name) == ("7", "Pothole")
    assert read_questions(b'{"serviceCode": "7", "attributes": null}', "") == ()


@pytest.mark.parametrize("values", ['{"value": {"key": 1, "name": "x"}}', '{"key": 1, "name": "x"}',
                                    '{"value": [{"key": 1, "name": "x"}]}'])  # fmt: skip
def test_the_one_choice_of_a_question(values: str) -> None:
    """A converter from XML writes a list of one as that one: it is still the only choice."""
    body = f'{{"service_code": 1, "attributes": [{{"code": "D", "values": {values}}}]}}'
    (question,) = read_questions(body.encode(), "")
    assert question.values == (("1", "x"),)


def test_an_alias_reaches_into_a_list_by_number() -> None:
    """Coordinates of a GeoJSON point are a place, longitude first."""
    body = b'[{"id": 1, "geometry": {"coordinates": [8.5, 47.25]}}]'
    aliases = {"geometry.coordinates.0": "long", "geometry.coordinates.1": "lat",
               "geometry.coordinates.9": "status"}  # fmt: skip
    (row,) = read_requests(body, "", dialect=Dialect(aliases=aliases))
    assert (row.lat_deg, row.lon_deg, row.status) == (47.25, 8.5, "")


def one(text: str) -> object:
    return read_requests(f'[{{"service_request_id": 1, {text}}}]'.encode(), "application/json")[0]


FIELDS = [
    ('"lat": "42.5", "long": -71', {"lat_deg": 42.5, "lon_deg": -71.0}),
    ('"lat": "", "long": null', {"lat_deg": None, "lon_deg": None}),
    ('"lat": 91, "long": "nan"', {"lat_deg": None, "lon_deg": None}),
    ('"lat": "42,5", "long": "-7,1,0"', {"lat_deg": 42.5, "lon_deg": None}),
    ('"latitude": 1, "lng": 2', {"lat_deg": 1.0, "lon_deg": 2.0}),
    ('"status": "Closed"', {"status": "closed"}),
    ('"status_note": "done"', {"status_notes": "done"}),
    ('"service_code": 171', {"service_code": "171"}),
    ('"requested_datetime": "2026-01-01T10:00:00+02:00"',
     {"requested_utc": "2026-01-01T08:00:00Z"}),
    ('"requested_datetime": "2026-01-01T10:00:00.123Z"', {"requested_utc": "2026-01-01T10:00:00Z"}),
    ('"requested_datetime": "2026-01-01T10:00:00"', {"requested_utc": None}),
    ('"requested_datetime": "yesterday"', {"requested_utc": None}),
    ('"requested_datetime": 17', {"requested_utc": None}),
    ('"description": "a\\u001b[31m\\u202eb"', {"description": "a [31m b"}),
    ('"description": ["x"]', {"description": "x"}),
    ('"description": ["x", "y"]', {"description": ""}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "fields"), FIELDS, ids=[f[0][:40] for f in FIELDS])
def test_fields_are_read_leniently(text: str, fields: dict[str, object]) -> None:
    """Numbers from text, times with a zone, no control characters; nothing is guessed."""
    row = one(text)
    assert {name: getattr(row, name) for name in fields} == fields


@pytest.mark.parametrize(
    "bad", ['""', '"  "', "null", "true", "[1, 2]", "[[1]]", '"' + "9" * 129 + '"', "1.5"]
)
def test_what_is_no_id(bad: str) -> None:
    """Blank, too long, or not text or a whole number: no id. 0 is one."""
    body = f'[{{"service_request_id": {bad}}}]'.encode()
    assert read_requests(body, "application/json")[0].request_id is None
    assert read_requests(b'[{"service_request_id": 0}]', "")[0].request_id == "0"


def test_service_lists() -> None:
    """A service list in its two forms; rows without a code are not services."""
    xml = (
        b"<services><service><service_code>1</service_code><service_name>Pothole</service_name>"
        b"<metadata>true</metadata><type>batch</type></service></services>"
    )
    json = (
        b'{"services": [{"service_code": 1, "service_name": "Pothole", "metadata": "true",'
        b' "type": "batch"}, {"service_code": ""}]}'
    )
    assert read_services(xml, "text/xml") == read_services(json, "application/json")


def test_required_attributes() -> None:
    """Which questions must be answered, in JSON and XML."""
    json = b'{"service_definition": {"service_code": 1, "attributes": [{"code": "A", "required":'
    json += b' true}, {"code": "B", "required": "false"}]}}'
    xml = b"<service_definition><service_code>1</service_code><attributes><attribute><code>A</code>"
    xml += b"<required>true</required></attribute></attributes></service_definition>"
    for body in (json, b"[" + json + b"]", xml):
        asked = read_questions(body, "")
        assert [q.code for q in asked if q.required] == ["A"]
    assert read_questions(b'{"service_code": 1, "attributes": []}', "") == ()


def test_choices_of_a_question() -> None:
    """What may be chosen, from a list, from a wrapper and from XML; odd types are no choice."""
    plain = b'{"attributes": [{"code": "A", "datatype": "x", "values": [{"key": 1, "name": "b"}]}]}'
    spark = plain.replace(b'[{"key"', b'{"value": [{"key"').replace(b"}]}]}", b"}]}}]}")
    xml = (
        b"<service_definition><attributes><attribute><code>A</code><datatype>x</datatype><values>"
        b"<value><key>1</key><name>b</name></value></values></attribute></attributes>"
        b"</service_definition>"
    )
    for body in (plain, spark, xml):
        assert [q.values for q in read_questions(body, "")] == [(("1", "b"),)], body
    odd = plain.replace(b'[{"key": 1, "name": "b"}]', b"7")
    assert [q.values for q in read_questions(odd, "")] == [()]
    for body in (b'{"service_code": 1, "attributes": null}', b'[{"service_code": "1"}]'):
        assert read_questions(body, "") == ()


def test_aliases_and_wrappers_of_a_dialect() -> None:
    """Names that no rule foresees come from the profile, in objects and lists as well."""
    dialect = Dialect(
        wrappers=("results",),
        aliases={"nid": "service_request_id", "geo.y": "lat", "geo.x": "long",
                 "notes.extended.parent": "parent_service_request_id"},
        zone_of_naive=True,
    )  # fmt: skip
    body = (
        b'{"results": [{"nid": 7, "geo": {"x": "2", "y": 1}, "notes": [{"extended": {"parent": 3}}]'
        b', "requested_datetime": "2026-01-01 10:00:00"}], "count": 1}'
    )
    (row,) = read_requests(body, "", dialect=dialect, zone="Europe/Berlin")
    assert (row.request_id, row.lat_deg, row.lon_deg, row.parent_id) == ("7", 1.0, 2.0, "3")
    assert row.requested_utc == "2026-01-01T09:00:00Z"
    with pytest.raises(CityError):
        read_requests(body, "")
    xml = b"<results><item><nid>7</nid><geo><y>1</y><x>2</x></geo></item></results>"
    assert read_requests(xml, "", dialect=dialect)[0].request_id == "7"
    assert read_requests(b"<results></results>", "", dialect=dialect) == ()


ERRORS = [
    (b'{"lat": ["is missing"], "code": 400}', "lat: is missing"),
    (b'{"error": {"code": 404, "message": "No requests"}}', "No requests"),
    (b'{"error_messages": ["a", "b"]}', "a"),
    (b'[{"code": 400, "description": "no"}]', "no"),
    (b"<errors><error><description>no</description></error></errors>",
     "the city answered with an error: no"),
    (b"Bad api\x1b[31m key", "Bad api [31m key"),
    (b"", "no error text"),
    (b"<html>", "the body is an HTML page"),
    (b"[" * 100_000, None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "said"), ERRORS, ids=lambda v: str(v)[:30])
def test_error_documents_of_every_shape_are_told(body: bytes, said: str | None) -> None:
    """A person reads what the city said, short and without control characters."""
    told = read_error(body, "")
    assert len(told) <= 300
    assert said is None or told == said
