"""The HTTP client on real sockets: whatever a server does, one Reply comes back, in time."""

from __future__ import annotations

import gzip
import logging
import math
import pickle
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from streetbump.cityprofile import CityProfile, Contact
from streetbump.errors import CityError, ConfigError
from streetbump.model import Reply, ServiceRequest
from streetbump.submit.georeport import GeoReport
from streetbump.submit.sandbox import Faults, Sandbox
from streetbump.submit.secret import Secret, load_key

Make = Callable[..., CityProfile]
For = Callable[..., ServiceRequest]
Open = Callable[..., GeoReport]
Script = Callable[[socket.socket], None]
CANARY = "CANARY-k3y/+= 7f3a"


@pytest.fixture
def post(
    scripted: Callable[[Script], Any], city: Make, request_for: For, client: Open
) -> Callable[..., tuple[Reply, Any]]:
    """Post one request to a scripted server; the reply, and the server."""

    def do(script: Script, key: Secret | None = None, **changes: Any) -> tuple[Reply, Any]:
        server = scripted(script)
        profile = city(endpoint=server.url, **changes)
        return client(profile, key=key).create(request_for(profile)), server

    return do


Post = Callable[..., tuple[Reply, Any]]
Answer = Callable[..., Script]


def test_post_is_a_plain_form(post: Post, answer: Answer) -> None:
    """One POST to requests.json: a UTF-8 form, no cookies, no compression, who we are."""
    contact = Contact(agent="streets@example.org")
    reply, server = post(answer("201 Created", b'[{"service_request_id": 1}]'), contact=contact)
    assert (reply.status, reply.failure) == (201, "")
    (heard,) = server.heard
    head, _, body = heard.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /requests.json HTTP/1.1\r\n")
    lines = head.lower().split(b"\r\n")
    assert b"content-type: application/x-www-form-urlencoded; charset=utf-8" in lines
    assert b"accept-encoding: identity" in lines
    assert any(b"user-agent: streetbump/" in h and b"(streets@example.org)" in h for h in lines)
    assert not [h for h in lines if h.startswith(b"cookie")]
    assert body.startswith(
        b"service_code=POTHOLE&lat=42.360000&long=-71.050000&description=Pothole"
    )
    assert b"%C2%B1" in body


def test_reads_ask_what_they_are_told(
    scripted: Callable[[Script], Any], city: Make, client: Open, answer: Answer
) -> None:
    """Codes are opaque and percent-encoded; empty filters are left out; jurisdiction goes along."""
    server = scripted(answer("200 OK", b"[]"))
    api = client(city(endpoint=server.url + "v2", jurisdiction_id="a.b", format="xml"))
    api.services()
    api.service("Public Works:Pot/hole?")
    api.requests(status="open", service_code="", start_date="2026-01-01T00:00:00Z")
    api.request("../a")
    api.token("t")
    assert [h.split(b" ")[1] for h in server.heard] == [
        b"/v2/services.xml?jurisdiction_id=a.b",
        b"/v2/services/Public%20Works%3APot%2Fhole%3F.xml?jurisdiction_id=a.b",
        b"/v2/requests.xml?jurisdiction_id=a.b&status=open&start_date=2026-01-01T00%3A00%3A00Z",
        b"/v2/requests/..%2Fa.xml?jurisdiction_id=a.b",
        b"/v2/tokens/t.xml?jurisdiction_id=a.b",
    ]


def test_refused_connection_is_not_connected(city: Make, request_for: For, client: Open) -> None:
    """A closed port, a name that does not resolve: provably nothing was accepted."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for endpoint in (f"http://127.0.0.1:{port}/", "https://no-such-host.invalid/"):
        profile = city(endpoint=endpoint)
        reply = client(profile).create(request_for(profile))
        assert (reply.status, reply.failure) == (None, "not_connected")


def test_tls_to_a_server_without_tls(
    scripted: Callable[[Script], Any], city: Make, request_for: For, client: Open, answer: Answer
) -> None:
    """A failed TLS handshake sends no byte of the request."""
    server = scripted(lambda conn: conn.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    profile = city(endpoint=server.url.replace("http:", "https:"), deadline_s=2.0)
    reply = client(profile).create(request_for(profile))
    assert reply.failure == "not_connected"
    assert not [h for h in server.heard if b"POTHOLE" in h]


def test_certificate_that_nobody_vouches_for(city: Make, request_for: For, client: Open) -> None:
    """A self-signed certificate ends the call before a byte of the request or of the key."""
    pem = Path(__file__).with_name("self-signed.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        conn, _ = listener.accept()
        with conn, suppress(OSError), context.wrap_socket(conn, server_side=True) as secure:
            heard.append(secure.recv(65536))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        profile = city(endpoint=f"https://localhost:{listener.getsockname()[1]}/", deadline_s=5.0)
        reply = client(profile, key=Secret(CANARY)).create(request_for(profile))
        thread.join()
    assert (reply.status, reply.failure) == (None, "not_connected")
    assert not [h for h in heard if h]


def test_lost_answers_are_told_apart(post: Post, reset: Script) -> None:
    """Lost before the head is broken, inside the body truncated; never not_connected."""
    head = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
    cases: list[tuple[Script, int | None, str]] = [
        (reset, None, "broken"),
        (lambda conn: None, None, "broken"),
        (lambda conn: conn.sendall(b"HTTP/1.1 20"), None, "broken"),
        (lambda conn: conn.sendall(b"SSH-2.0\r\n\r\n"), None, "broken"),
        (lambda conn: conn.sendall(head + b"Content-Length: 99\r\n\r\n[{"), 201, "truncated"),
        (
            lambda conn: conn.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[{"),
            201, "truncated",
        ),
        (
            lambda conn: conn.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
            201, "truncated",
        ),
    ]  # fmt: skip
    for script, status, failure in cases:
        reply, _ = post(script)
        assert (reply.status, reply.failure) == (status, failure), reply


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"HTTP/1.1 201 Created\r\nX-Endless: ",
        b"HTTP/1.1 201 Created\r\nContent-Length: 100000\r\n\r\n",
        b"HTTP/1.1 201 Created\r\n\r\n",
    ],
    ids=["status", "header", "body", "endless"],
)
def test_dripping_server_meets_the_deadline(
    post: Post, drip: Callable[[bytes], Script], first: bytes
) -> None:
    """A byte now and then, in head or body, does not outlive the deadline."""
    before = time.monotonic()
    reply, _ = post(drip(first), deadline_s=0.4)
    assert reply.failure == "deadline"
    assert time.monotonic() - before < 3


def test_silent_server_meets_the_deadline(post: Post) -> None:
    """A server that accepts and says nothing is given up in time."""
    before = time.monotonic()
    reply, _ = post(lambda conn: time.sleep(1.5), deadline_s=0.3)
    assert (reply.status, reply.failure) == (None, "deadline")
    assert time.monotonic() - before < 3


def test_body_is_capped(post: Post, answer: Answer) -> None:
    """A body over the cap is too large, as it is and unpacked; under it, it is read."""
    bomb = gzip.compress(b" " * 10_000_000)
    assert post(answer("201 Created", b" " * 5000), body_limit_bytes=4096)[0].failure == "too_large"
    reply, _ = post(answer("201 Created", bomb, Content_Encoding="gzip"), body_limit_bytes=65536)
    assert (reply.status, reply.failure, reply.body) == (201, "too_large", b"")
    assert post(answer("201 Created", b" " * 4096), body_limit_bytes=4096)[0].failure == ""


def test_unasked_compression_is_undone(post: Post, answer: Answer) -> None:
    """Some servers compress though asked not to; unknown and torn codings are failures."""
    body = b'[{"service_request_id": 1}]'
    bare = zlib.compress(body)[2:-4]  # as some servers send it
    for coding, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body)),
                           ("deflate", bare)):  # fmt: skip
        assert post(answer("200 OK", packed, Content_Encoding=coding))[0].body == body
    torn = gzip.compress(body)[:-9]
    assert post(answer("200 OK", torn, Content_Encoding="gzip"))[0].failure == "truncated"
    assert post(answer("200 OK", b"x", Content_Encoding="gzip"))[0].failure == "truncated"
    assert post(answer("200 OK", bare[:-9], Content_Encoding="deflate"))[0].failure == "truncated"
    assert post(answer("200 OK", b"x", Content_Encoding="br"))[0].failure == "broken"


@pytest.mark.parametrize("status", ["301 a", "302 b", "303 c", "307 d", "308 e"])
@pytest.mark.parametrize("place", ["form", "header"])
def test_redirects_are_never_followed(
    post: Post, scripted: Callable[[Script], Any], answer: Answer, status: str, place: str
) -> None:
    """No status makes the client call another host: its log stays empty."""
    other = scripted(answer("200 OK", b"[]"))
    changes = {"key_place": place, "key_header": "X-Api-Key" if place == "header" else ""}
    reply, server = post(answer(status, Location=other.url + "requests.json"),
                         key=Secret(CANARY), **changes)  # fmt: skip
    assert reply.status == int(status[:3])
    assert reply.headers["location"] == other.url + "requests.json"
    assert (len(server.heard), other.heard) == (1, [])


def test_cookies_are_not_kept(
    scripted: Callable[[Script], Any], city: Make, client: Open, answer: Answer
) -> None:
    """A cookie that a city sets is never sent back."""
    server = scripted(answer("200 OK", b"[]", Set_Cookie="id=1; Path=/"))
    api = client(city(endpoint=server.url))
    api.services()
    api.services()
    assert len(server.heard) == 2
    assert b"cookie" not in b"".join(server.heard).lower()


def test_proxies_of_the_environment_are_ignored(
    post: Post, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy or a .netrc in the environment does not get to see a request."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    assert post(answer("200 OK", b"[]"))[0].status == 200


def test_key_stands_where_the_profile_says(post: Post, answer: Answer) -> None:
    """In the form or in a header, once, and never in the request line."""
    ok = answer("200 OK", b"[]")
    _, server = post(ok, key=Secret(CANARY))
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    assert body.startswith(b"api_key=CANARY-k3y%2F%2B%3D+7f3a&")
    assert b"CANARY" not in head
    options = {"key_place": "header", "key_header": "Authorization", "key_prefix": "Bearer "}
    _, server = post(ok, key=Secret(CANARY), **options)
    head, _, body = server.heard[0].partition(b"\r\n\r\n")
    assert b"Authorization: Bearer " + CANARY.encode() in head
    assert b"CANARY" not in head.split(b"\r\n")[0] + body


def test_key_goes_with_reads_only_when_asked(
    scripted: Callable[[Script], Any], city: Make, client: Open, answer: Answer
) -> None:
    """Reading needs no key by the standard; a city that wants one gets it in the header."""
    server = scripted(answer("200 OK", b"[]"))
    options = {"key_place": "header", "key_header": "X-Api-Key"}
    client(city(endpoint=server.url, **options), key=Secret(CANARY)).services()
    assert b"CANARY" not in server.heard[0]
    client(city(endpoint=server.url, key_on_reads=True, **options), key=Secret(CANARY)).services()
    assert b"x-api-key: canary" in server.heard[1].lower()


def test_key_is_nowhere_else(
    post: Post, answer: Answer, city: Make, client: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in a repr, a log, a reply that echoes it, an error, or a pickle."""
    caplog.set_level(logging.DEBUG)
    key = Secret(CANARY)
    body = f'[{{"code": 403, "description": "bad key {CANARY}"}}]'.encode()
    echo, _ = post(answer("403 Forbidden", body, Location=f"/x?api_key={CANARY}"), key=key)
    lost, _ = post(lambda conn: None, key=key)
    api = client(city(), key=key)
    shown = [repr(key), str(key), f"{key}", repr(vars(api)), repr(api), repr(echo), repr(lost)]
    assert "CANARY" not in " ".join(shown)
    assert "CANARY" not in caplog.text
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(key)


@pytest.mark.parametrize("bad", ["", "a\nb", "ключ", "a\x00b"])
def test_what_is_no_key(bad: str) -> None:
    """A key that could break a header is refused, and not shown."""
    with pytest.raises(ConfigError, match="printable ASCII"):
        Secret(bad)


def test_key_comes_from_environment_or_file(city: Make, tmp_path: Path) -> None:
    """A named key must be there; a profile without one has none."""
    assert load_key(city(), environ={}, folder=tmp_path) is None
    named = city(key_env="THE_KEY")
    key = load_key(named, environ={"THE_KEY": " abc\n"}, folder=tmp_path)
    assert key is not None
    assert key.reveal() == "abc"
    with pytest.raises(ConfigError, match="THE_KEY"):
        load_key(named, environ={}, folder=tmp_path)
    (tmp_path / "k").write_text("xyz\n")
    key = load_key(city(key_file="k"), environ={}, folder=tmp_path)
    assert key is not None
    assert key.reveal() == "xyz"
    with pytest.raises(ConfigError, match="No such file"):
        load_key(city(key_file="missing"), environ={}, folder=tmp_path)
    (tmp_path / "k").write_bytes(b"CANARY\xff")
    with pytest.raises(ConfigError, match="not text") as caught:
        load_key(city(key_file="k"), environ={}, folder=tmp_path)
    assert "CANARY" not in repr(caught.value.__cause__)


def test_nothing_is_sent_that_must_not_be(city: Make, request_for: For, client: Open) -> None:
    """Not to a city that is not live, not another city's, not simulated beyond this machine."""
    calls: list[httpx.Request] = []
    transport = httpx.MockTransport(lambda r: calls.append(r) or httpx.Response(200))  # type: ignore[func-returns-value]
    real = city(endpoint="https://311.example/", name="real")
    cases = [
        (city(live=False), request_for(city()), "not live"),
        (real, request_for(city()), "must not go to real"),
        (real, request_for(real, synthetic=True), "simulated"),
        (real, request_for(real, lat_deg=0.0, lon_deg=0.0), "0, 0"),
        (real, replace(request_for(real), lat_deg=math.nan), "unknown"),
        (real, replace(request_for(real), lon_deg=200.0), "not on Earth"),
    ]
    for profile, request, said in cases:
        with pytest.raises(CityError, match=said):
            client(profile, transport=transport).create(request)
    assert calls == []
    assert client(real, transport=transport).create(request_for(real)).status == 200


def test_calls_are_spaced(city: Make, client: Open) -> None:
    """One call at a time, and never two within the city's interval."""
    clock = [0.0]
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        clock[0] += seconds

    transport = httpx.MockTransport(lambda r: httpx.Response(200))
    api = client(city(min_interval_s=6.0), transport=transport, clock=lambda: clock[0], sleep=sleep)
    for _ in range(3):
        api.services()
        clock[0] += 1.0
    assert waited == [0.0, 5.0, 5.0]


def test_file_channel_has_no_client(city: Make) -> None:
    """A city without an endpoint has no client."""
    from streetbump.cityprofile import FileChannel, parse_city  # the profile is built as text

    text = (
        'schema_version = 1\nname = "f"\ntitle = "F"\ntimezone = "UTC"\n[channel]\nkind = "file"\n'
        'path = "list.csv"\n[boundary]\nkind = "radius"\nlat_deg = 0\nlon_deg = 0\nradius_m = 9\n'
        '[services.pothole]\ncode = "1"\nname = "P"\n'
    )
    profile = parse_city(text, where="f.toml")
    assert profile.channel == FileChannel(path="list.csv")
    with pytest.raises(ConfigError, match="not a GeoReport"):
        GeoReport(profile)


def test_client_and_practice_city_agree(
    sandbox: Sandbox, city: Make, request_for: For, client: Open
) -> None:
    """What is posted is what the city holds; and the city, like real ones, takes it twice."""
    profile = city(endpoint=sandbox.url)
    request = request_for(profile)
    api = client(profile)
    assert api.create(request).status == 201
    sandbox.set_faults(Faults(fault="500_stored", times=1))
    assert api.create(request).status == 500
    assert [r["description"] for r in sandbox.ledger()] == [request.description] * 2
    assert sandbox.ledger()[0]["lat"] == 42.36
