"""The HTTP client for Open311 GeoReport v2, and the only module that knows httpx.

It never decides what a reply means, and never raises for trouble on the network: what happened
comes back as a :class:`streetbump.model.Reply`. No cookies, no redirects, no proxies from the
environment, TLS always verified, one call in flight, one total deadline per call, a cap on the
body. The key is in the form or in a header, never in a URL, and so never in a log.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from itertools import product
from typing import TYPE_CHECKING, Any, Self

import streetbump
from streetbump.cityprofile import CityProfile
from streetbump.errors import CityError
from streetbump.model import Reply, ServiceRequest
from streetbump.submit.dialect import channel_of, form, json_body, one_url, post_url, read_url
from streetbump.submit.routing import position_problem
from streetbump.submit.secret import Secret

if TYPE_CHECKING:
    import httpx

_BODIES = {
    "form": ("application/x-www-form-urlencoded; charset=utf-8", form),
    "json": ("application/json", json_body),
}
_CONNECT_S = 15.0  # a host that does not even answer the knock is not there
_KEPT_HEADERS = ("content-type", "retry-after", "location")
_HEADER_CHARS = 500
_KEY_CHARS = 6  # masking a shorter key in a reply would only garble the reply
_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11")
_ACCEPT = {"json": "application/json", "xml": "text/xml, application/xml"}


class Pace:
    """One call at a time, and a pause between two; shared by the clients of one host."""

    def __init__(self) -> None:
        self.one_call = threading.Lock()
        self.free_at = 0.0  # monotonic seconds


class GeoReport:
    """One city's endpoint. Keep one per city: it spaces its own calls by `min_interval_s`.

    Parameters
    ----------
    profile : CityProfile
        Its channel must be a GeoReport endpoint.
    key : Secret or None
        What :func:`streetbump.submit.secret.load_key` found.
    transport : httpx.BaseTransport or None
        Replaces the network in tests.
    clock, sleep : callable
        Monotonic seconds, and how to wait for them to pass.
    pace : Pace or None
        Give the same one to all clients of a host; else this client keeps its own.
    """

    def __init__(
        self,
        profile: CityProfile,
        *,
        key: Secret | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        pace: Pace | None = None,
    ) -> None:
        self._profile, self._channel, self._key = profile, channel_of(profile), key
        self._clock, self._sleep = clock, sleep
        self._pace = Pace() if pace is None else pace
        self._client = _new_client(profile, transport)
        self._log_filters = (_NoKey(key),) if key is not None else ()
        for name, no_key in product(_LOGGERS, self._log_filters):
            logging.getLogger(name).addFilter(no_key)

    def __repr__(self) -> str:
        return f"GeoReport({self._profile.name!r}, {self._channel.endpoint!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the client."""
        self._client.close()
        for name, no_key in product(_LOGGERS, self._log_filters):
            logging.getLogger(name).removeFilter(no_key)

    def discovery(self) -> Reply:
        """What the city says of its endpoints."""
        return self._get(["discovery"])

    def services(self) -> Reply:
        """The city's service list."""
        return self._get(["services"])

    def service(self, code: str) -> Reply:
        """The definition of one service: its questions."""
        return self._get(["services", code])

    def requests(self, **filters: str) -> Reply:
        """The city's requests, by filters under the city's own names; an empty one is left out."""
        return self._get(["requests"], **filters)

    def request(self, request_id: str) -> Reply:
        """One request by its id."""
        return self._read(one_url(self._profile, request_id))

    def token(self, token: str) -> Reply:
        """What became of a token."""
        return self._get(["tokens", token])

    def create(self, request: ServiceRequest) -> Reply:
        """Post one request: the only call that changes anything.

        Raises
        ------
        CityError
            Before anything is sent: the profile is not live, is another city's, the request has
            no position on Earth, or it comes from simulated trips and the endpoint is not on this
            machine.
        """
        self._refuse(request)
        fields = list(request.fields)
        if self._key is not None and self._channel.key_place == "form":
            fields.insert(0, ("api_key", self._key.reveal()))
        kind = self._channel.post_format or self._channel.format
        label, written = _BODIES[self._channel.post_body]
        headers = {"Accept": _ACCEPT[kind], **self._channel.headers, "Content-Type": label,
                   **self._key_header(reading=False)}  # fmt: skip
        return self._call("POST", post_url(self._profile), headers, written(fields))

    def _refuse(self, request: ServiceRequest) -> None:
        name = self._profile.name
        if request.city != name:
            raise CityError(f"a request for {request.city} must not go to {name}")
        if not self._profile.live:
            raise CityError(f"{name} is not live: set `live = true` in its profile to send")
        problem = position_problem(request.lat_deg, request.lon_deg, 0.0)
        if problem:
            raise CityError(f"{name}: {problem}")
        if request.synthetic and not self._profile.loopback:
            raise CityError(f"{name}: simulated trips are only sent to this machine")

    def _get(self, parts: Sequence[str], **arguments: str) -> Reply:
        return self._read(read_url(self._profile, parts, list(arguments.items())))

    def _read(self, url: str) -> Reply:
        headers = {"Accept": _ACCEPT[self._channel.format], **self._channel.headers,
                   **self._key_header(reading=True)}  # fmt: skip
        return self._call("GET", url, headers, None)

    def _key_header(self, *, reading: bool) -> dict[str, str]:
        channel = self._channel
        if self._key is None or channel.key_place == "form":
            return {}
        if reading and not channel.key_on_reads:
            return {}
        if channel.key_place == "bearer":
            return {"Authorization": f"Bearer {self._key.reveal()}"}
        return {channel.key_header: channel.key_prefix + self._key.reveal()}

    def _call(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Reply:
        with self._pace.one_call:
            self._sleep(max(0.0, self._pace.free_at - self._clock()))
            try:
                reply = _exchange(self._client, self._profile, method, url, headers, body)
            finally:
                self._pace.free_at = self._clock() + self._profile.limits.min_interval_s
        return self._without_key(reply)

    def _without_key(self, reply: Reply) -> Reply:
        """`reply`, with the key masked should the city or a library have echoed it."""
        if self._key is None or len(self._key.reveal()) < _KEY_CHARS:
            return reply
        shown, mask = self._key.reveal(), str(self._key)
        headers = {name: value.replace(shown, mask) for name, value in reply.headers.items()}
        body = reply.body.replace(shown.encode(), mask.encode())
        detail = reply.detail.replace(shown, mask)
        return Reply(reply.status, body, headers, reply.failure, detail)


def _new_client(profile: CityProfile, transport: httpx.BaseTransport | None) -> httpx.Client:
    import httpx

    agent = profile.contact.agent or profile.contact.email
    deadline_s = profile.limits.deadline_s
    return httpx.Client(
        transport=transport,
        follow_redirects=False,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
        timeout=httpx.Timeout(deadline_s, connect=min(_CONNECT_S, deadline_s)),
        # No connection is used twice: one that died while idle would leave a POST in doubt.
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
        headers={
            "User-Agent": f"streetbump/{streetbump.__version__}" + (f" ({agent})" if agent else ""),
            "Accept-Encoding": "identity",
            "Connection": "close",
        },
    )


class _NoKey(logging.Filter):
    """Keeps the libraries' log lines with a key in them out: a city may echo it in a header."""

    def __init__(self, key: Secret) -> None:
        super().__init__()
        self._key = key

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line may be logged."""
        shown = self._key.reveal()
        text = record.getMessage()
        return shown not in text and repr(shown)[1:-1] not in text


class _Watchdog:
    """Shuts the connection of one call at its deadline, whatever the call is waiting for.

    A read timeout does not help against a server that sends one byte now and then, in the head
    or in the body. Every socket of the call is learnt from httpx's documented trace hook.
    """

    def __init__(self) -> None:
        self.fired = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Take note of the sockets as they are opened."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            sock = info["return_value"].get_extra_info("socket")
            with self._lock:
                self._sockets.append(sock)
                if self.fired:
                    _shut(sock)

    def fire(self) -> None:
        """End the call."""
        with self._lock:
            self.fired = True
            for sock in self._sockets:
                _shut(sock)

    @contextmanager
    def watching(self, deadline_s: float) -> Iterator[None]:
        """Fire when the block takes longer than this."""
        timer = threading.Timer(deadline_s, self.fire)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


def _shut(sock: socket.socket) -> None:
    # The plain socket's method: a TLS socket's own would take state from under a reading thread.
    with suppress(OSError, AttributeError, TypeError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _exchange(
    client: httpx.Client,
    profile: CityProfile,
    method: str,
    url: str,
    headers: dict[str, str],
    body: bytes | None,
) -> Reply:
    """One request and its reply, or how it failed."""
    import httpx

    dog, heard = _Watchdog(), _Heard()
    extensions = {"trace": dog.trace}
    try:
        with (
            dog.watching(profile.limits.deadline_s),
            client.stream(method, url, headers=headers, content=body, extensions=extensions) as r,
        ):
            heard.head(r.status_code, dict(r.headers))
            # A transport in a test may hand over a whole reply instead of a stream.
            for chunk in (r.content,) if r.is_stream_consumed else r.iter_raw():
                if heard.body(chunk) > profile.limits.body_limit_bytes:
                    return heard.reply("too_large", "the body is longer than body_limit_bytes")
    except httpx.InvalidURL as exc:
        return heard.reply("not_connected", f"no address for the endpoint: {exc}"[:300])
    except httpx.HTTPError as exc:
        return heard.reply(*_failure(exc, late=dog.fired, headed=heard.status is not None))
    if dog.fired:  # a body without a declared length looks complete when it was cut
        return heard.reply("deadline", f"not complete after {profile.limits.deadline_s:g} s")
    return heard.decoded(profile.limits.body_limit_bytes)


def _failure(exc: httpx.HTTPError, *, late: bool, headed: bool) -> tuple[str, str]:
    """The failure word of an exception, and what to tell people. Doubt counts against us."""
    import httpx

    detail = f"{type(exc).__name__}: {exc}"[:300]
    if isinstance(exc, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
        return "not_connected", detail  # raised only before the first byte of a request
    if late or isinstance(exc, httpx.TimeoutException):
        return "deadline", detail
    return ("truncated" if headed else "broken"), detail


class _Heard:
    """What has arrived of a reply so far."""

    def __init__(self) -> None:
        self.status: int | None = None
        self._headers: dict[str, str] = {}
        self._body = bytearray()

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Take the status and headers (lower-case names)."""
        self.status, self._headers = status, headers

    def body(self, chunk: bytes) -> int:
        """Take a piece of the body; how long it is by now."""
        self._body += chunk
        return len(self._body)

    def reply(self, failure: str, detail: str) -> Reply:
        """A reply that failed on its way; what arrived of the body is not worth reading."""
        return Reply(self.status, b"", self._kept(), failure, detail)

    def decoded(self, limit: int) -> Reply:
        """A complete reply, its content coding undone within `limit` bytes."""
        coding = self._headers.get("content-encoding", "identity").strip().lower()
        try:
            body = _undo(bytes(self._body), coding, limit)
        except zlib.error as exc:
            return self.reply("truncated", f"the compressed body cannot be read: {exc}")
        if body is None:
            return self.reply("broken", f"unknown content encoding {coding[:40]!r}")
        if len(body) > limit:
            return self.reply("too_large", "the decoded body is longer than body_limit_bytes")
        return Reply(self.status, body, self._kept())

    def _kept(self) -> dict[str, str]:
        kept = {name: self._headers.get(name, "")[:_HEADER_CHARS] for name in _KEPT_HEADERS}
        return {name: value for name, value in kept.items() if value}


def _undo(body: bytes, coding: str, limit: int) -> bytes | None:
    """`body` without its content coding, at most one byte over `limit`; None: unknown coding.

    We ask for no coding; some servers compress all the same.
    """
    if coding in {"", "identity"}:
        return body
    if coding not in {"gzip", "x-gzip", "deflate"}:
        return None
    head = zlib.MAX_WBITS | 32  # gzip or zlib, by its head
    try:
        return _inflated(body, head, limit)
    except zlib.error:
        if coding != "deflate":
            raise
        return _inflated(body, -zlib.MAX_WBITS, limit)  # many send it without its head


def _inflated(body: bytes, wbits: int, limit: int) -> bytes:
    undo = zlib.decompressobj(wbits=wbits)
    plain = undo.decompress(body, limit + 1)
    if not undo.eof and len(plain) <= limit:
        raise zlib.error("cut short")
    return plain
