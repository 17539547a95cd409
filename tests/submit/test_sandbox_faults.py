"""Every fault of the practice city puts on the wire what docs/practice-city.md says."""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import urlencode

import pytest
from practice import FORM, Caller

from streetbump.submit.sandbox import DEADLOCKS, TROUBLES, FaultName, Faults, Sandbox

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
RESET, SILENCE = b"<reset>", b"<silence>"


@pytest.fixture
def caller() -> Iterator[Caller]:
    """A caller of a city whose clock stands at noon."""
    with Sandbox(0, clock=lambda: NOON) as city:
        yield Caller(city)


def head(heard: bytes) -> bytes:
    return heard.partition(b"\r\n\r\n")[0]


def body(heard: bytes) -> bytes:
    return heard.partition(b"\r\n\r\n")[2]


def length(heard: bytes) -> int:
    """What the head promises."""
    return int(head(heard).lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])


def with_id(text: bytes) -> Callable[[bytes], bool]:
    return lambda heard: body(heard).startswith(b'[{"service_request_id": ' + text)


def status(code: int, text: bytes = b"") -> Callable[[bytes], bool]:
    return lambda heard: heard.split(b" ")[1] == b"%d" % code and text in heard


WIRE: dict[FaultName, Callable[[bytes], bool]] = {
    "": with_id(b'"PC-'),
    "status": status(503),
    "500_stored": status(500),
    "500_not_stored": status(500),
    "429": status(429, b"Retry-After: 1\r\n"),
    "deadlock": status(400, b"Deadlock"),
    "blocked": status(403, b"text/html"),
    "redirect": status(307, b"Location: /elsewhere/requests.json\r\n"),
    "html_200": status(200, b"<!doctype html>"),
    "empty_200": lambda h: status(200)(h) and body(h) == b"",
    "empty_list": lambda h: status(201)(h) and body(h) == b"[]",
    "token": lambda h: body(h).startswith(b'[{"token": "T-PC-'),
    "id_and_token": lambda h: with_id(b'"PC-')(h) and b'"token"' in h,
    "blank_id": with_id(b'""'),
    "null_id": with_id(b"null"),
    "no_id": lambda h: body(h) == b'[{"service_notice": "practice only: nobody comes"}]',
    "long_id": lambda h: length(h) > 10 << 20 and with_id(b'"9999999999')(h),
    "twice": lambda h: h.count(b"service_request_id") == 2,
    "others": lambda h: status(200)(h) and h.count(b"Somebody") == 2,
    "other_id": lambda h: b"Somebody" in h and with_id(b'"PC-1"')(h),
    "other_token": with_id(b'"PC-other"'),
    "lost": with_id(b'"PC-'),
    "malformed": lambda h: length(h) == len(body(h)) and not body(h).endswith(b"]"),
    "nan": with_id(b"NaN"),
    "deep": lambda h: body(h).startswith(b"[" * 100_000),
    "bom": lambda h: body(h).startswith(b"\xef\xbb\xbf["),
    "utf16": lambda h: "service_request_id" in body(h).decode("utf-16"),
    "wrong_type": lambda h: b"Content-Type: text/xml" in h and with_id(b'"PC-')(h),
    "dtd": lambda h: b"<!DOCTYPE" in h and b"<!ENTITY" not in h,
    "xml_bomb": lambda h: h.count(b"<!ENTITY") == 10 and h.count(b"&a8;") == 10,
    "xxe": lambda h: b'SYSTEM "file:///' in h,
    "broken_deflate": lambda h: b"Content-Encoding: deflate" in h and with_id(b'"PC-')(h),
    "drop": lambda h: h == RESET,
    "drop_stored": lambda h: h == RESET,
    "drop_unread": lambda h: h == RESET,
    "drop_mid_body": lambda h: h == RESET,
    "end": lambda h: h == b"",
    "timeout_after_accept": lambda h: h == SILENCE,
    "timeout_not_stored": lambda h: h == SILENCE,
    "drip": lambda h: h == b"HTTP<silence>"[: len(h) - len(SILENCE)] + SILENCE,
    "endless_head": lambda h: h.endswith(SILENCE) and b"\r\n\r\n" not in h,
    "truncated": lambda h: status(201)(h) and 0 < len(body(h)) < length(h),
    "chunk_cut": lambda h: b"Transfer-Encoding: chunked" in h and not h.endswith(b"0\r\n\r\n"),
    "chunk_garbage": lambda h: body(h).startswith(b"zz\r\n"),
    "huge": lambda h: length(h) == 1 << 30 and len(h) >= 1 << 20,
    "gzip_bomb": lambda h: length(h) < 3 << 20 and b"Content-Encoding: gzip" in h,
    "garbage": lambda h: not h.startswith(b"HTTP"),
}


def test_every_fault_is_known_to_all() -> None:
    """The names, the table and the cases here are the same."""
    assert set(TROUBLES) == set(get_args(FaultName)) == set(WIRE)


@pytest.mark.parametrize("fault", WIRE)
def test_fault_on_the_wire(caller: Caller, fault: FaultName) -> None:
    """The bytes are the fault's, and the ledger holds the request or not as the table says."""
    caller.practice("fill", n=2)
    # A drip that pauses longer than the caller waits shows its first byte and then silence.
    assert caller.practice("faults", fault=fault, pause_s=5).status == 200
    heard = Caller(caller.city, timeout_s=1.0).raw()
    assert WIRE[fault](heard), heard[:500]
    assert len(caller.city.ledger()) == 2 + TROUBLES[fault].stored


def test_bombs_are_what_they_say(caller: Caller) -> None:
    """The gzip bomb is sound, and opens to 1 GiB."""
    caller.practice("faults", fault="gzip_bomb")
    packed = body(caller.raw(at_most=1 << 30))
    opener, opened = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), 0
    while packed and not opener.eof:
        opened += len(opener.decompress(packed, 1 << 24))
        packed = opener.unconsumed_tail
    assert (opener.eof, opened) == (True, 1 << 30)


def test_slow_answers_come_whole(caller: Caller) -> None:
    """A drip is the answer, only slowly; endless headers go on as long as somebody listens."""
    caller.practice("faults", fault="drip", pause_s=0.001)
    assert caller.post().status == 201
    caller.practice("faults", fault="endless_head", pause_s=0)
    assert caller.raw(at_most=200_000).count(b"X-Practice-") > 1000


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("stored", [True, False])
def test_redirects_to_anywhere(caller: Caller, code: int, *, stored: bool) -> None:
    """A redirect of each kind, before or after the request was taken; the other city sees all."""
    with Sandbox(0) as other:
        goal = f"{other.url}requests.json"
        caller.practice("faults", fault="redirect", status=code, location=goal, stored=stored)
        reply = caller.post(api_key="s3cret")
        assert (reply.status, reply.headers["location"]) == (code, goal)
        assert len(caller.city.ledger()) == stored
        assert Caller(other).get("practice/calls").json() == []
        Caller(other).post("elsewhere", api_key="s3cret")  # what a client that follows would do
        (call,) = Caller(other).get("practice/calls").json()
    assert (call["path"], call["key"]) == ("/elsewhere", ["form"])


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("code", [400, 403, 409, 502, 504])
def test_any_status_stored_or_not(caller: Caller, code: int, *, stored: bool) -> None:
    """An error of any status, with the request held or not."""
    caller.practice("faults", fault="status", status=code, stored=stored)
    assert caller.post().status == code
    assert len(caller.city.ledger()) == stored


@pytest.mark.parametrize(
    "said", ["120", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "1e9", "soon", "a\r\nSet-Cookie: b"]
)
def test_retry_after_says_anything(caller: Caller, said: str) -> None:
    """Seconds, a date, nonsense; on one line whatever it is."""
    for fault in ("429", "status"):
        caller.practice("faults", fault=fault, retry_after=said)
        assert caller.post().headers["retry-after"] == said.replace("\r\n", "")


def test_faults_on_reading(caller: Caller) -> None:
    """A fault strikes the calls it is for, and no others."""
    caller.post()
    caller.practice("faults", fault="xml_bomb", on="list")
    assert b"<!ENTITY" in caller.get("requests.json").body
    assert caller.get("requests/PC-1.json").ids == ["PC-1"]
    caller.practice("faults", fault="status", status=502, on="read")
    for path in ("requests.json", "requests/PC-1.json", "services.xml", "tokens/T-PC-1.json"):
        assert caller.get(path).status == 502
    assert caller.post().status == 201
    caller.practice("faults", fault="other_token", on="token")
    assert caller.get("tokens/T-PC-1.json").first["token"] == "T-other"
    caller.practice("faults", fault="status", on="all")
    assert (caller.post().status, caller.get("requests.json").status) == (503, 503)
    assert caller.get("practice/ledger").status == 200


def test_first_rule_that_fits_strikes(caller: Caller) -> None:
    """Several rules at once, each with its own calls and count; what is left can be looked at."""
    rules = [{"fault": "429", "times": 1}, {"fault": "500_stored", "times": 1},
             {"fault": "status", "on": "list"}]  # fmt: skip
    caller.ask("POST", "practice/faults", json.dumps(rules))
    assert [caller.post().status for _ in range(3)] == [429, 500, 201]
    assert caller.get("requests.json").status == 503
    assert [rule["times"] for rule in caller.get("practice/faults").json()] == [0, 0, -1]


def flapping(seed: int) -> list[int]:
    rule = Faults(share=0.5, among=("500_stored", "429", "html_200"))
    with Sandbox(0, faults=rule, seed=seed, clock=lambda: NOON) as city:
        return [Caller(city).post().status for _ in range(60)]


def test_same_seed_same_chances() -> None:
    """A city that flaps does so by its seed, about as often as asked."""
    one, again, other = flapping(1), flapping(1), flapping(2)
    assert one == again != other
    assert set(one) == {201, 500, 429, 200}
    assert 15 <= one.count(201) <= 45


def test_deadlocks_come_with_company(caller: Caller) -> None:
    """Alone every POST works; four at once meet deadlocks, and what was refused is not held."""
    caller.practice("dialect", latency_s=0.02)
    caller.city.set_faults(DEADLOCKS)
    assert [caller.post().status for _ in range(8)] == [201] * 8
    statuses: list[int] = []

    def post_often() -> None:
        for _ in range(15):
            statuses.append(caller.post().status)  # noqa: PERF401  # other threads append, too

    threads = [threading.Thread(target=post_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) == {201, 400}
    assert 3 <= statuses.count(400) <= 40
    assert len(caller.city.ledger()) == 8 + statuses.count(201)


def test_what_goes_wrong_as_a_form(caller: Caller) -> None:
    """A form does what JSON does; nonsense is refused and changes nothing."""
    assert caller.ask("POST", "practice/faults", "fault=429&times=2&share=1").status == 200
    assert [caller.post().status for _ in range(3)] == [429, 429, 201]
    for wrong in ("fault=fire", "times=-2", "fault=429&oops=1", "{", '{"among": "429"}', "[1]", "ü",
                  "[" * 100_000, "share=2"):  # fmt: skip
        assert caller.ask("POST", "practice/faults", wrong.encode().decode("latin-1")).status == 400
    assert len(caller.get("practice/faults").json()) == 1


# ------------------------------------------------------------------------------- running the city


def test_clock_is_set_moved_and_stopped(caller: Caller) -> None:
    """The city's time is its own, and new requests carry it."""
    assert caller.practice("clock", set="2030-01-01T00:00:00Z").json() == {
        "now": "2030-01-01T00:00:00Z"
    }
    assert caller.practice("clock", advance_s=90).json() == {"now": "2030-01-01T00:01:30Z"}
    caller.post()
    assert caller.get("requests.json").first["requested_datetime"] == "2030-01-01T00:01:30Z"
    for wrong in ({"set": "2030-01-01T00:00:00"}, {"set": "soon"}, {"advance_s": 1e12}):
        assert caller.practice("clock", **wrong).status == 400
    caller.practice("reset")
    assert caller.get("practice/clock").json() == {"now": "2026-03-01T12:00:00Z"}


def test_frozen_clock_stands_still() -> None:
    """Frozen it does not run; let go it runs on from there."""
    with Sandbox(0) as city:
        caller = Caller(city)
        caller.practice("clock", set="2030-01-01T00:00:00Z", frozen=True)
        time.sleep(1.1)
        assert caller.get("practice/clock").json() == {"now": "2030-01-01T00:00:00Z"}
        assert caller.practice("clock", advance_s=5).json() == {"now": "2030-01-01T00:00:05Z"}
        caller.practice("clock", frozen=False)
        time.sleep(1.1)
        assert caller.get("practice/clock").json()["now"] >= "2030-01-01T00:00:06Z"


@pytest.mark.parametrize(
    ("how", "status", "notes"),
    [
        ({}, "closed", "The pothole was repaired."),
        ({"reason": "referred"}, "closed", "Passed on to the agency in charge."),
        ({"reason": "scheduled_later"}, "closed", "The repair is planned for later."),
        ({"reason": "no_pothole_found"}, "closed", "No pothole was found at this place."),
        ({"reason": "duplicate", "parent": "PC-7"}, "closed", "Duplicate of another request."),
        ({"status": "no_further_action", "notes": "Enough."}, "no_further_action", "Enough."),
    ],
)
def test_closing_and_reopening(
    caller: Caller, how: dict[str, Any], status: str, notes: str
) -> None:
    """A request is closed for a reason, says when, and can be opened again."""
    caller.post()
    caller.practice("clock", advance_s=3600)
    assert caller.practice("close/PC-1", **how).status == 200
    row = caller.get("requests/PC-1.json").first
    assert (row["status"], row["status_notes"]) == (status, notes)
    assert row["updated_datetime"] == "2026-03-01T13:00:00Z"
    assert caller.city.ledger()[0]["parent_id"] == how.get("parent", "")
    assert caller.practice("reopen/PC-1").status == 200
    assert caller.get("requests/PC-1.json").first["status"] == "open"
    assert caller.practice("close/PC-1", reason="magic").status == 400
    assert caller.practice("reopen/PC-9").status == 404


def test_removed_request_is_gone(caller: Caller) -> None:
    """A request the city removes is 404 and in no list; the ledger knows it still."""
    caller.post()
    caller.practice("remove/PC-1")
    assert (caller.get("requests/PC-1.json").status, caller.get("requests.json").json()) == (
        404,
        [],
    )
    assert len(caller.city.ledger()) == 1


def test_other_people_report_too(caller: Caller) -> None:
    """Requests of others lie where and when they were asked for, the same for the same seed."""
    asked = {"n": 40, "lat": 42.5, "long": -71.25, "radius_m": 500, "days": 10, "code": "LIGHT"}
    assert caller.practice("fill", **asked).json() == {"made": 40}
    rows = caller.city.ledger()
    assert all(abs(r["lat"] - 42.5) < 0.0046 and abs(r["long"] + 71.25) < 0.0062 for r in rows)
    assert min(r["requested_datetime"] for r in rows) >= "2026-02-19T12:00:00Z"
    assert caller.get("requests.json?service_code=POTHOLE").json() == []
    with Sandbox(0, clock=lambda: NOON) as twin:
        Caller(twin).practice("fill", **asked)
        assert twin.ledger() == rows


def test_door_is_shut_for_a_while(caller: Caller) -> None:
    """Away, connections are refused; back on the same port, nothing is forgotten."""
    caller.post()
    caller.practice("away", seconds=0.6)
    deadline, refused = time.monotonic() + 5, False
    while time.monotonic() < deadline:
        try:
            if caller.get("requests.json").ids == ["PC-1"] and refused:
                break
        except ConnectionRefusedError:
            refused = True
        except (http.client.HTTPException, OSError):
            pass  # the door closes while somebody stands in it
        time.sleep(0.02)
    assert refused
    assert caller.post().ids == ["PC-2"]


def test_calls_are_written_down_without_the_key(caller: Caller) -> None:
    """What was heard, when, with which fault, and where a key was: never the key."""
    caller.practice("faults", fault="429", times=1)
    caller.post(api_key="s3cret")
    caller.get("requests.json?api_key=s3cret&status=open", X_API_Key="s3cret")
    caller.get("nowhere")
    reply = caller.get("practice/calls")
    assert b"s3cret" not in reply.body
    calls = [(c["method"], c["path"], c["fault"], c["status"], c["key"]) for c in reply.json()]
    assert calls == [
        ("POST", "/requests.json", "429", 429, ["form"]),
        ("GET", "/requests.json", "", 200, ["query", "header"]),
        ("GET", "/nowhere", "", 404, []),
    ]
    assert reply.json()[1]["query"] == "status=open"


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "[::"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_pages_of_other_sites_change_nothing(caller: Caller, headers: dict[str, str]) -> None:
    """A page of another site can neither run the city nor file a request."""
    caller.post()
    for path in ("practice/close/PC-1", "practice/reset", "requests.json"):
        assert caller.ask("POST", path, "back=page", headers).status == 403
    assert [r["status"] for r in caller.city.ledger()] == ["open"]


def test_buttons_of_the_page_work(caller: Caller) -> None:
    """What a browser sends for a button closes or reopens, and leads back to the page."""
    caller.post(description="<b>deep</b>")
    page = caller.get("")
    assert "action='/practice/close/PC-1'" in page.body.decode()
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    own = {"Origin": caller.city.url.rstrip("/"), "Sec-Fetch-Site": "same-origin",
           "Content-Type": "application/x-www-form-urlencoded"}  # fmt: skip
    for action, state in (("close", "closed"), ("reopen", "open")):
        reply = caller.ask("POST", f"practice/{action}/PC-1", "back=page", own)
        assert (reply.status, reply.headers["location"]) == (303, "/")
        assert caller.city.ledger()[0]["status"] == state


# --------------------------------------------------------------------------------------------- TLS


def shake_hands(url: str, trusted: str) -> str:
    """What becomes of a careful client that trusts this certificate: `ok`, or why not."""
    context = ssl.create_default_context(cadata=trusted or None)
    port = int(url.rstrip("/").rpartition(":")[2])
    link = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context)
    try:
        link.request("POST", "/requests.json", urlencode(FORM))
        return "ok" if link.getresponse().status == 201 else "refused"
    except ssl.SSLCertVerificationError as exc:
        return str(exc.verify_message)
    except (ssl.SSLError, OSError) as exc:
        return type(exc).__name__
    finally:
        link.close()


@pytest.mark.parametrize(
    ("kind", "trusts", "said"),
    [
        ("self_signed", False, "self-signed certificate"),
        ("self_signed", True, "ok"),  # so that each of the others fails for its own reason
        ("expired", True, "certificate has expired"),
        ("wrong_host", True, "IP address mismatch, certificate is not valid for '127.0.0.1'."),
    ],
)
def test_tls_that_must_be_refused(caller: Caller, kind: str, *, trusts: bool, said: str) -> None:
    """A certificate is wrong in one way only, and whoever refuses it has sent nothing."""
    door = caller.practice("tls", certificate=kind).json()
    heard = shake_hands(door["url"], door["certificate"] if trusts else "")
    assert heard.replace("self signed", "self-signed") == said
    assert len(caller.city.ledger()) == (said == "ok")


def test_tls_that_is_cut_short(caller: Caller) -> None:
    """A handshake that ends in the middle takes no request."""
    door = caller.practice("tls", certificate="cut").json()
    assert shake_hands(door["url"], "") in {"SSLEOFError", "ConnectionResetError", "SSLError"}
    assert caller.city.ledger() == []
