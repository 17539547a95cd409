"""Every switch of the practice city's dialect does what docs/practice-city.md says."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from practice import FORM, Caller

from streetbump.errors import ConfigError
from streetbump.submit.reading import read_requests
from streetbump.submit.sandbox import LIKE, Dialect, Sandbox, read_setup

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def caller() -> Iterator[Caller]:
    """A caller of a city whose clock stands at noon."""
    with Sandbox(0, clock=lambda: NOON) as city:
        yield Caller(city)


def text_of(reply: Any) -> str:
    return str(reply.body.decode())


def posted_twice(c: Caller) -> Any:
    return [c.post().status, c.post().status, c.get("requests.json").ids]


def key(place: str, **kwargs: Any) -> Callable[[Caller], Any]:
    """Statuses without a key, with a wrong one, with the right one, and of a read without."""

    def ask(c: Caller) -> list[int]:
        body = "&".join(f"{k}={v}" for k, v in FORM.items())
        tries = []
        for said in ("", "wrong", "k3y"):
            basic = base64.b64encode(f"x:{said}".encode()).decode()
            given = {"form": {}, "header": {"X-API-Key": said},
                     "bearer": {"Authorization": f"Bearer {said}"},
                     "basic": {"Authorization": f"Basic {basic}"}}[place]  # fmt: skip
            form = f"{body}&api_key={said}" if place == "form" else body
            tries.append(c.ask("POST", "requests.json", form, given if said else {}).status)
        return [*tries, c.get("requests.json").status]

    return ask


def later(seconds: float, ask: Callable[[Caller], Any]) -> Callable[[Caller], Any]:
    """Ask now and after so much of the city's time."""

    def twice(c: Caller) -> list[Any]:
        c.post()
        first = ask(c)
        c.practice("clock", advance_s=seconds)
        return [first, ask(c)]

    return twice


def crowd(c: Caller, n: int = 7) -> Caller:
    c.practice("fill", n=n, days=0)
    return c


def poisoned(c: Caller) -> tuple[int, bytes]:
    crowd(c, 2).practice("poison/PC-1")
    reply = c.get("requests.json")
    return reply.status, reply.body


def questions(style: str) -> Callable[[Caller], Any]:
    def ask(c: Caller) -> list[int]:
        names = ("attribute[W]", "attribute[W][]")
        return [c.post(extra=[(n, "A"), (n, "B")]).status for n in names]

    return ask


WHERE = {"code": "W", "datatype": "multivaluelist", "values": ["A", "B"]}
MISSING = [{"code": 404, "description": "service_request_id was not found"}]

Case = tuple[dict[str, Any], Callable[[Caller], Any], Any]
CASES: list[Case] = [
    # switches, what is asked, what comes back
    ({}, lambda c: c.post().status, 201),
    ({"success": 200}, lambda c: c.post().status, 200),
    ({"ids": "number"}, lambda c: c.post().first["service_request_id"], 1),
    ({"ids": "number", "first_id": 0}, lambda c: (c.post().ids, c.get("requests/0.json").ids),
     ([0], [0])),
    ({"errors": "array"}, lambda c: c.get("requests/7.json").json(), MISSING),
    ({"errors": "wrapped"}, lambda c: c.get("requests/7.json").json(), {"errors": MISSING}),
    ({"errors": "object"}, lambda c: c.get("requests/7.json").json(),
     {"error": {"code": 404, "message": MISSING[0]["description"]}}),
    ({"errors": "messages"}, lambda c: c.get("requests/7.json").json(),
     {"error_messages": [MISSING[0]["description"]]}),
    ({"errors": "messages"}, lambda c: "<error_messages><error_message>service" in text_of(
        c.get("requests/7.xml")), True),
    ({"errors": "html"}, lambda c: c.get("requests/7.json").headers["content-type"],
     "text/html; charset=utf-8"),
    ({"formats": "xml"}, lambda c: (c.post().status, c.post("requests.xml").status), (404, 201)),
    ({"json_shape": "wrapped"}, lambda c: c.get("requests.json").json(), {"service_requests": []}),
    ({"json_shape": "single"}, lambda c: list(c.post().json()["service_requests"]), ["request"]),
    ({"json_shape": "named"}, lambda c: list(c.post().first), ["request"]),
    ({"xml_root": "array"}, lambda c: '<service_requests type="array"><request>' in text_of(
        c.post("requests.xml")), True),
    ({"xml_root": "dashed"}, lambda c: "<service-requests><request>" in text_of(
        c.post("requests.xml")), True),
    ({"xml_root": "response"}, lambda c: "<response><request>" in text_of(c.post("requests.xml")),
     True),
    ({"xml_type": "application/xml"}, lambda c: c.get("requests.xml").headers["content-type"],
     "application/xml; charset=utf-8"),
    ({"xml_escaped_twice": True}, lambda c: (c.post(description="a<b"), "a&amp;lt;b" in text_of(
        c.get("requests.xml")))[1], True),
    ({"aliases": ["servicerequest_id", "latitude"]}, lambda c: (c.post(), {
        "servicerequest_id", "latitude"} <= set(c.get("requests.json").first))[1], True),
    ({"coordinates": "string"}, lambda c: (c.post(), c.get("requests.json").first["lat"])[1],
     "42.500000"),
    *(({"dates": style}, lambda c: (c.post(), c.get("requests.json").first[
        "requested_datetime"])[1], shown)
      for style, shown in (("utc", "2026-03-01T12:00:00Z"), ("no_zone", "2026-03-01T12:00:00"),
                           ("milliseconds", "2026-03-01T12:00:00.000Z"),
                           ("offset", "2026-03-01T07:00:00-05:00"))),
    ({"odd_types": True}, lambda c: (c.post(), c.get("requests.json").first["media_url"])[1],
     [{"id": 1, "url": ""}]),
    ({"named_rows": False}, lambda c: (c.post(), c.get("requests.json").first["service_name"])[1],
     ""),
    ({"latency_s": 0.01}, lambda c: c.post().status, 201),
    # services
    ({"service_code": "a: b's (c/d)"}, lambda c: (
        c.get("services.json").first["service_code"],
        c.get("services/a%3A%20b%27s%20%28c%2Fd%29.json").status,
        c.post(service_code="a: b's (c/d)").status), ("a: b's (c/d)", 200, 201)),
    ({"service_name": "Hole"}, lambda c: c.get("services.json").first["service_name"], "Hole"),
    ({"stored_code": "input.P"}, lambda c: (c.post(), c.get(
        "requests.json?service_code=POTHOLE").ids, c.get("requests.json?service_code=input.P").ids
        )[1:], ([], ["PC-1"])),
    ({"services": "incomplete"}, lambda c: (c.get("services.json").json(), c.post().status),
     ([], 201)),
    ({"services": "vanished"}, lambda c: (c.get("services.json").json(), c.post().status),
     ([], 404)),
    ({"services": "other_only"}, lambda c: c.get("services.json").first["service_code"], "OTHER"),
    ({"services": "xxx"}, lambda c: {s["service_code"] for s in c.get("services.json").json()},
     {"XXX"}),
    ({"metadata": "true"}, lambda c: c.get("services.json").first["metadata"], True),
    ({"attributes": [WHERE], "metadata": "false"}, lambda c: c.get("services.json").first[
        "metadata"], False),
    ({"definition": "404"}, lambda c: c.get("services/POTHOLE.json").status, 404),
    ({"definition": "400"}, lambda c: c.get("services/POTHOLE.json").status, 400),
    ({"attributes": [WHERE]}, lambda c: (
        [v["key"] for v in c.get("services/POTHOLE.json").json()["attributes"][0]["values"]],
        "<values><value><key>A</key>" in text_of(c.get("services/POTHOLE.xml")),
        c.post().status, c.post(extra=[("attribute[W]", "C")]).status),
     (["A", "B"], True, 400, 400)),
    ({"attributes": [WHERE]}, questions("both"), [201, 201]),
    ({"attributes": [WHERE], "multivalue": "brackets"}, questions("brackets"), [400, 201]),
    ({"attributes": [WHERE], "multivalue": "repeated"}, questions("repeated"), [201, 400]),
    ({"discovery": "missing"}, lambda c: c.get("discovery.json").status, 404),
    ({"discovery": "other_host"}, lambda c: c.get("discovery.json").first["url"],
     "http://elsewhere.example/"),
    ({"discovery": "odd_changeset"}, lambda c: c.get("discovery.json").first["changeset"],
     "2012-09-18T15:37-05"),
    # creating
    ({"post_body": "json"}, lambda c: (
        c.post().status, c.ask("POST", "requests.json", json.dumps({**FORM, "lat": 42.5})).status),
     (400, 201)),
    ({"bare_post": "redirect"}, lambda c: (c.post("requests").status, c.post("requests").headers[
        "location"][-14:], c.city.ledger()), (301, "/requests.json", [])),
    ({"bare_post": "html_created"}, lambda c: (c.post("requests").status, len(c.city.ledger())),
     (200, 1)),
    ({"unknown_arguments": "ignored"}, lambda c: (c.post(colour="red").status, "colour" in c.get(
        "requests.json").first), (201, False)),
    ({"unknown_arguments": "taken"}, lambda c: (c.post(colour="red"), c.get("requests.json").first[
        "colour"])[1], "red"),
    ({"unknown_arguments": "refused"}, lambda c: (c.post(colour="red").status, c.post().status),
     (400, 201)),
    ({"required": ["email", "lat", "address_string"]}, lambda c: (
        c.post().status, c.post(email="a@b.c").status, c.post(email="a@b.c", address_string="x"
        ).status), (400, 400, 201)),
    ({"incomplete": "500"}, lambda c: c.post(service_code="").status, 500),
    ({"incomplete": "list_200"}, lambda c: (crowd(c, 3).post(service_code="").status, len(
        c.post(service_code="").json()), len(c.city.ledger())), (200, 3, 3)),
    ({"description_min": 10}, lambda c: c.post(description="short").status, 400),
    ({"description_max": 10}, lambda c: c.post(description="far too long").status, 400),
    ({"captcha": True}, lambda c: c.post(g_recaptcha_response="x").status, 400),
    ({"boundary": [-72.0, 42.0, -71.0, 43.0]}, lambda c: (c.post().status, c.post(lat="41").status),
     (201, 400)),
    ({"read_only": True}, lambda c: c.post().status, 405),
    ({"tokens": "yes"}, lambda c: list(c.post().first), ["token", "service_notice"]),
    ({"tokens": "both"}, lambda c: list(c.post().first)[:2], ["service_request_id", "token"]),
    ({"tokens": "neither"}, lambda c: list(c.post().first), ["service_notice"]),
    ({"tokens": "yes", "token_after_s": 60.0}, later(61, lambda c: c.get("tokens/T-PC-1.json").ids),
     [[None], ["PC-1"]]),
    ({"tokens": "yes", "token_after_s": 60.0}, later(61, lambda c: c.get("requests.json").ids),
     [[None], ["PC-1"]]),
    ({"tokens": "yes", "token_after_s": 60.0, "token_rows": False},
     later(61, lambda c: c.get("requests.json").ids), [[], ["PC-1"]]),
    ({"tokens": "yes", "token_after_s": 60.0, "exchange_early": "404"},
     later(61, lambda c: c.get("tokens/T-PC-1.json").status), [404, 200]),
    ({}, posted_twice, [201, 201, ["PC-2", "PC-1"]]),
    ({"dedupe": "older_id"}, posted_twice, [201, 201, ["PC-1"]]),
    ({"dedupe": "refused"}, posted_twice, [201, 400, ["PC-1"]]),
    ({"dedupe": "older_id", "dedupe_m": 100.0}, lambda c: (
        c.post().ids, c.post(lat="42.5008").ids, c.post(lat="42.51").ids),
     (["PC-1"], ["PC-1"], ["PC-2"])),
    ({"client_request_id": True}, lambda c: (c.post(client_request_id="a").ids, c.post(
        client_request_id="a").ids, c.post(client_request_id="b").ids),
     (["PC-1"], ["PC-1"], ["PC-2"])),
    # reading
    ({"filters_ignored": ["status", "service_request_id"]}, lambda c: len(crowd(c).get(
        "requests.json?status=closed&service_request_id=PC-1").json()), 7),
    ({"zoned_dates": "refused"}, lambda c: (
        c.get("requests.json?start_date=2026-01-01T00:00:00Z").status,
        c.get("requests.json?start_date=2026-01-01T00:00:00").status), (400, 200)),
    ({"place_filter": True}, lambda c: (
        c.post(), c.post(lat="42.6"), c.get("requests.json?lat=42.5&long=-71.25").ids)[2],
     ["PC-1"]),
    ({"extensions": True}, lambda c: (
        c.post(), c.post(description="other"), c.practice("clock", advance_s=60),
        c.practice("close/PC-1", reason="duplicate", parent="PC-2"),
        c.get("requests.json?updated_after=2026-03-01T12:00:30Z").ids,
        c.get("requests.json?q=OTHER").ids,
        c.get("requests.json?status=closed&extensions=true").first["extended_attributes"])[4:],
     (["PC-1"], ["PC-2"], {"parent_service_request_id": "PC-2"})),
    ({"default_status": "open"}, lambda c: (
        crowd(c, 2).practice("close/PC-1"), c.get("requests.json").ids)[1], ["PC-2"]),
    ({"empty_list": "404"}, lambda c: c.get("requests.json").status, 404),
    ({"list_limit": 3}, lambda c: len(crowd(c).get("requests.json").json()), 3),
    ({"page_size": 3}, lambda c: [crowd(c).get("requests.json").ids, c.get(
        "requests.json?page=3").ids, c.get("requests.json?page=4").ids],
     [["PC-7", "PC-6", "PC-5"], ["PC-1"], []]),
    ({"page_size": 3, "page_size_max": 4}, lambda c: len(crowd(c).get(
        "requests.json?page_size=50").json()), 4),
    ({"page_size": 3, "first_page": 0}, lambda c: crowd(c).get("requests.json?page=1").ids,
     ["PC-4", "PC-3", "PC-2"]),
    ({"poison": "empty_200"}, poisoned, (200, b"")),
    ({"poison": "500"}, lambda c: poisoned(c)[0], 500),
    ({"listed_after_s": 3600.0}, later(3601, lambda c: c.get("requests.json").ids), [[], ["PC-1"]]),
    ({"listed_after_s": 3600.0}, later(3601, lambda c: c.get("requests/PC-1.json").status),
     [200, 200]),
    ({"listed_after_s": 3600.0, "readable_at_once": False},
     later(3601, lambda c: c.get("requests/PC-1.json").status), [404, 200]),
    ({"listed_after_s": -1.0}, lambda c: (c.post(), c.get("requests.json").ids, c.practice(
        "publish/PC-1"), c.get("requests.json").ids)[1::2], ([], ["PC-1"])),
    ({"gone_after_s": 60.0}, later(61, lambda c: (c.get("requests/PC-1.json").status, c.get(
        "requests.json").ids)), [(200, ["PC-1"]), (404, [])]),
    # jurisdiction and key
    ({"jurisdiction": "j"}, lambda c: [c.get(f"requests.json{q}").status for q in (
        "", "?jurisdiction_id=x", "?jurisdiction_id=j")], [400, 404, 200]),
    ({"jurisdiction": "j", "jurisdiction_missing": "404"}, lambda c: c.post().status, 404),
    ({"jurisdiction": "j", "jurisdiction_missing": "taken"}, lambda c: c.post().status, 201),
    ({"jurisdiction": "j", "jurisdiction_missing": "html_200"}, lambda c: (
        c.get("requests.json").status, c.get("requests.json").headers["content-type"]),
     (200, "text/html; charset=utf-8")),
    ({"jurisdiction": "j", "jurisdiction_unknown": "empty_200"}, lambda c: crowd(c).get(
        "requests.json?jurisdiction_id=x").json(), []),
    ({"jurisdiction": "j", "jurisdiction_in_query": True}, lambda c: (
        c.post(jurisdiction_id="j").status, c.post("requests.json?jurisdiction_id=j").status),
     (400, 201)),
    ({"api_key": "k3y", "key_place": "form"}, key("form"), [403, 403, 201, 200]),
    ({"api_key": "k3y", "key_place": "form"}, key("bearer"), [403, 403, 403, 200]),
    ({"api_key": "k3y", "key_place": "bearer"}, key("bearer"), [403, 403, 201, 200]),
    ({"api_key": "k3y", "key_place": "basic"}, key("basic"), [403, 403, 201, 200]),
    ({"api_key": "k3y", "key_place": "header", "key_header": "X-API-Key"}, key("header"),
     [403, 403, 201, 200]),
    ({"api_key": "k3y", "key_on_reads": True}, key("form"), [403, 403, 201, 403]),
    ({"api_key": "k3y", "key_missing": 400, "key_wrong": 401}, key("form"), [400, 401, 201, 200]),
    ({"calls_per_minute": 2}, lambda c: [
        *(c.get("services.json").status for _ in range(3)), c.get("services.json").headers[
            "retry-after"], c.practice("clock", advance_s=60), c.get("services.json").status][:4],
     [200, 200, 429, "60"]),
    ({"calls_per_minute": 1}, later(60, lambda c: c.get("services.json").status), [429, 200]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("switches", "ask", "expected"), CASES, ids=lambda v: "" if callable(v) else str(v)[:70]
)
def test_switch(
    caller: Caller, switches: dict[str, Any], ask: Callable[[Caller], Any], expected: Any
) -> None:
    """A switch changes what it says."""
    assert caller.practice("dialect", **switches).status == 200
    assert ask(caller) == expected


def test_every_switch_has_a_case() -> None:
    """No switch is documented that nothing here tries."""
    tried = {name for switches, _, _ in CASES for name in switches}
    assert tried == {field.name for field in msgspec.structs.fields(Dialect)}


@pytest.mark.parametrize("like", LIKE)
def test_known_servers_hold_what_they_took(caller: Caller, like: str) -> None:
    """In the ways of every known server: what was answered with success is in the ledger, once."""
    assert caller.practice("dialect", like=like).status == 200
    dialect = LIKE[like]
    fmt = "xml" if dialect.formats == "xml" else "json"
    extra = {"service_code": dialect.service_code, "email": "a@b.example", "first_name": "A",
             "last_name": "B", "address_string": "1 Main St", "attribute[WHEREIST]": "CURB",
             "jurisdiction_id": dialect.jurisdiction, "api_key": dialect.api_key,
             "description": "a hole in the road"}  # fmt: skip
    if dialect.post_body == "json":
        body = json.dumps({**FORM, **extra})
        made = caller.ask("POST", "requests.json", body, {"X-API-Key": "practice"})
    elif dialect.key_place == "basic":
        basic = base64.b64encode(b"x:practice").decode()
        form = "&".join(f"{k}={v}".replace(" ", "+") for k, v in FORM.items())
        made = caller.ask("POST", "requests.json", form, {"Authorization": f"Basic {basic}"})
    else:
        made = caller.post(f"requests.{fmt}?jurisdiction_id={dialect.jurisdiction}", **extra)
    taken = made.status == dialect.success
    assert taken == (like not in {"fixmystreet", "libre311", "ureport", "seeclickfix"}), made.body
    assert len(caller.city.ledger()) == taken
    if taken:
        (row,) = read_requests(made.body, made.headers["content-type"])
        assert row.request_id or row.token


def test_like_and_more_in_one_call(caller: Caller) -> None:
    """A form may name a server and switches over it; what it does not know is refused by name."""
    said = "like=helsinki&list_limit=7&aliases[]=status_note&odd_types=true"
    assert caller.ask("POST", "practice/dialect", said).status == 200
    shown = caller.get("practice/dialect").json()
    assert (shown["list_limit"], shown["aliases"], shown["odd_types"]) == (7, ["status_note"], True)
    assert shown["description_min"] == 10
    for wrong in ("like=atlantis", "succes=200", "success=204", "page_size=-1", "page_size=x"):
        reply = caller.ask("POST", "practice/dialect", wrong)
        assert reply.status == 400
        assert wrong.partition("=")[0] in reply.first["description"]
    for body in ("[1]", '{"like": ["helsinki"]}', "[[1]]", "{"):
        assert caller.ask("POST", "practice/dialect", body).status == 400
    assert caller.get("practice/dialect").json() == shown


def test_setup_file() -> None:
    """The same switches as TOML, beside faults, seed and clock; unknown ones are named."""
    setup = read_setup(
        'seed = 3\n[dialect]\nlike = "django"\nlist_limit = 2\n'
        "[clock]\nset = 2026-03-01T12:00:00Z\n"
        '[[faults]]\nfault = "drop"\n[[faults]]\non = "list"\nfault = "429"\n',
        where="f.toml",
    )
    assert (setup.seed, setup.dialect.list_limit, setup.dialect.first_id) == (3, 2, 0)
    assert [rule.fault for rule in setup.faults] == ["drop", "429"]
    with Sandbox(0, clock=lambda: NOON) as city:
        city.prepare(setup)
        assert city.dialect == setup.dialect
    wrong = [
        ("[dialect]\nlist = 1", "list"),
        ('seed = "x"', "seed"),
        ('[[faults]]\nfault = "fire"', "fire"),
        ("[clock]\nsets = 1", "sets"),
        ("dialect = [1]", "dialect"),
        ("dialect = {like = [1]}", "like"),
        ("faults = 3", "array"),
    ]
    for text, said in wrong:
        with pytest.raises(ConfigError, match=rf"f\.toml.*{said}"):
            read_setup(text, where="f.toml")
