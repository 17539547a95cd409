"""The practice city's door: sockets, threads, and who may come in. Loopback only.

A page in the user's browser could reach a server on this machine. So the name in ``Host`` must be
this machine's, and what changes anything must not come from a page of another site (``Origin``,
``Sec-Fetch-Site``); programs other than browsers send neither.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler
from typing import Any, Literal, Self
from urllib.parse import SplitResult, parse_qs, unquote, urlencode, urlsplit

import msgspec

from streetbump.errors import UsageError
from streetbump.submit.sandbox import answers, calls, openapi, page, tls, wire
from streetbump.submit.sandbox.answers import HTML, Answer, Refusal
from streetbump.submit.sandbox.calls import NOT_FOUND, Call
from streetbump.submit.sandbox.city import City, utc_now
from streetbump.submit.sandbox.control import control, look
from streetbump.submit.sandbox.dialect import Dialect
from streetbump.submit.sandbox.faults import TROUBLES, Faults
from streetbump.submit.sandbox.tls import CertificateKind

HOST = "127.0.0.1"
PORT = 8311
_BODY_BYTES = 1 << 20
_PAGE_HEADERS = (
    ("Content-Security-Policy",
     "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"),
    ("X-Content-Type-Options", "nosniff"),
)  # fmt: skip


class Sandbox(City):
    """The practice city on ``http://127.0.0.1:PORT``.

    Parameters
    ----------
    port : int
        0 takes any free port; see `url`.
    ledger_path : Path or None
        Where requests are kept between runs; None keeps them in memory.
    faults : Faults, sequence of Faults, or None
        What goes wrong from the start.
    api_key : str or None
        Short for the dialect's `api_key`.
    clock : callable
        What the city's own clock goes by.
    dialect : Dialect
        How it speaks from the start.
    seed : int
        Of all its chances.
    """

    def __init__(
        self,
        port: int = PORT,
        *,
        ledger_path: Path | None = None,
        faults: Faults | Sequence[Faults] | None = None,
        api_key: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        dialect: Dialect | None = None,
        seed: int = 0,
    ) -> None:
        dialect = dialect or Dialect()
        if api_key is not None:
            dialect = msgspec.structs.replace(dialect, api_key=api_key)
        super().__init__(
            ledger_path=ledger_path, faults=faults, dialect=dialect, clock=clock, seed=seed
        )
        self._thread: threading.Thread | None = None
        self._serving, self._over = threading.Event(), threading.Event()
        self._away_s = 0.0
        self._tls_doors: dict[str, _TlsDoor] = {}
        self._tls_lock = threading.Lock()
        try:
            self._server = _Server((HOST, port), self)
        except OSError as exc:
            raise UsageError(f"port {port} is taken: choose another with --port") from exc
        self.port = self._server.server_address[1]
        self.url = f"http://{HOST}:{self.port}/"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """Serve in a thread."""
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()
        self._serving.wait()
        return self

    def stop(self) -> None:
        """End serving, from any other thread, and free the port."""
        self.stopping.set()
        if self._serving.is_set():
            self._over.wait()
        if self._thread is not None:
            self._thread.join()
        self._server.server_close()
        self._shut_tls()

    def serve_forever(self) -> None:
        """Serve until stopped or interrupted."""
        self._serving.set()
        try:
            while not self.stopping.is_set():
                self._server.handle_request()  # or none, within the server's timeout
                if self._away_s:
                    self._be_away()
        finally:
            self.stopping.set()
            self._server.server_close()
            self._shut_tls()
            self._over.set()

    def shut_door(self, seconds: float) -> None:
        """Refuse connections for a while of real time, then serve on the same port again."""
        self._away_s = seconds

    def _be_away(self) -> None:
        seconds, self._away_s = self._away_s, 0.0
        self._server.socket.close()  # and not server_close(), which waits for slow answers
        self.stopping.wait(seconds)
        self._server = _Server((HOST, self.port), self)

    def open_tls(self, kind: CertificateKind | Literal["cut"]) -> tuple[str, str]:
        """Open a second door, with TLS that must be refused; its address and certificate (PEM).

        `cut` ends every connection in the middle of the handshake. There is one door of each kind,
        and it stays open until the city stops.
        """
        with self._tls_lock:
            if kind not in self._tls_doors:
                self._tls_doors[kind] = _TlsDoor(self, kind)
            door = self._tls_doors[kind]
        return door.url, door.certificate

    def _shut_tls(self) -> None:
        with self._tls_lock:
            for door in self._tls_doors.values():
                door.shut()
            self._tls_doors.clear()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the answers under way
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port
    request_queue_size = 128
    timeout = 0.05  # s; how soon the city notices that it is to stop

    def __init__(
        self,
        address: tuple[str, int],
        city: Sandbox,
        handler: type[BaseRequestHandler] | None = None,
    ) -> None:
        self.city = city
        super().__init__(address, handler or _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not an error of the city; anything else is."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _TlsDoor:
    """A server of the same city behind TLS, in a thread of its own."""

    def __init__(self, city: Sandbox, kind: CertificateKind | Literal["cut"]) -> None:
        self._server = _Server((HOST, 0), city, _Cut if kind == "cut" else _Handler)
        self.url = f"https://{HOST}:{self._server.server_address[1]}/"
        self.certificate = ""
        if kind != "cut":
            context, self.certificate = tls.context(kind)
            # The handshake comes with the first read, in the connection's own thread.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def shut(self) -> None:
        """End serving and free the port."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Cut(BaseRequestHandler):
    """Hears the first words of a handshake and hangs up."""

    def handle(self) -> None:
        self.request.settimeout(5.0)
        self.request.recv(100)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5.0
    server_version = "practice-city"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Say nothing: the city keeps its own record."""

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answer what the base class refuses, such as an unknown method, as the city would."""
        self._write(answers.as_json(405 if code == 501 else code, [{"code": code}]))

    def do_GET(self) -> None:
        self._respond()

    def do_POST(self) -> None:
        self._respond()

    def _respond(self) -> None:
        headers = {name.lower(): text for name, text in self.headers.items()}
        path = self.path.partition("?")[0]
        try:
            self._check_who(headers)
            parts = _split(self.path)
            call = calls.parse(self.command, parts.path, parts.query, headers)
            if call is not None:
                self._play(call)
                return
            answer = self._practice(unquote(parts.path))
        except Refusal as refusal:
            fmt = "xml" if path.endswith(".xml") else "json"
            answer = answers.refused(refusal, self.server.city.dialect, fmt)
        self._write(answer)

    def _check_who(self, headers: dict[str, str]) -> None:
        host = headers.get("host", "")
        try:
            name = urlsplit(f"//{host}").hostname
        except ValueError:
            name = None
        if name not in {HOST, "localhost"}:
            raise Refusal(403, "the practice city answers to 127.0.0.1 and localhost only")
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = origin not in {None, f"http://{host}"} or site not in {"same-origin", "none"}
        if self.command == "POST" and foreign:
            raise Refusal(403, "a page of another site may not change anything here")

    def _write(self, answer: Answer) -> None:
        wire.whole(self._wire(), answer, wire.Pace(0, 0))

    def _wire(self) -> wire.Wire:
        self.close_connection = True
        return wire.Wire(self.connection, self.server.city.stopping)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise Refusal(411, "Content-Length is needed")
        if len(length) > 9 or int(length) > _BODY_BYTES:
            raise Refusal(413, "the request is too large")
        return self.rfile.read(int(length))

    # --------------------------------------------------------------------------------- GeoReport

    def _play(self, call: Call) -> None:
        """Answer a call of GeoReport, with whatever goes wrong with it."""
        city = self.server.city
        with city.under_way(call.kind) as parallel:
            city.stopping.wait(city.dialect.latency_s)
            fault = city.strike(call.kind, parallel=parallel())
            trouble = TROUBLES[fault.fault]
            answer, body = Answer(0, b"", HTML), b""
            if trouble.reads is not None:
                self.rfile.read1(trouble.reads if call.kind == "create" else 0)
            else:
                body = self._body() if call.kind == "create" else b""
                answer = city.answer(replace(call, body=body), fault)
            self._note(call.kind, fault.fault, answer.status, body, parallel())
            trouble.wire(self._wire(), answer, wire.Pace(fault.delay_s, fault.pause_s))

    def _note(self, kind: str, fault: str, status: int, body: bytes, parallel: int) -> None:
        """Write the call down: where its key was, but not the key."""
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, errors="replace", keep_blank_values=True)
        form = parse_qs(body.decode("ascii", "replace"), errors="replace") if body else {}
        named = {"query": "api_key" in query, "form": "api_key" in form,
                 "header": bool({"authorization", self.server.city.dialect.key_header.lower()}
                                & {name.lower() for name in self.headers})}  # fmt: skip
        query.pop("api_key", None)
        self.server.city.note(
            method=self.command, path=parts.path, query=urlencode(query, doseq=True), kind=kind,
            fault=fault, status=status, body_bytes=len(body), parallel=parallel,
            key=[place for place, there in named.items() if there],
            agent=self.headers.get("User-Agent", ""),
        )  # fmt: skip

    # ------------------------------------------------------------------------- everything else

    def _practice(self, path: str) -> Answer:
        city, what = self.server.city, path.removeprefix("/practice/")
        if self.command == "POST":
            body = self._body()
            if path == what:
                self._note("", "", 404, body, 1)
                raise Refusal(404, NOT_FOUND)
            done = control(city, what, body)
            if b"back=page" in body.split(b"&"):
                return Answer(303, b"", HTML, (("Location", "/"),))
            return answers.as_json(200, done)
        if path == "/":
            return Answer(200, self._page().encode(errors="replace"), HTML, _PAGE_HEADERS)
        if path == "/openapi.json":
            return answers.as_json(200, openapi.description(city.url))
        if path == what:
            self._note("", "", 404, b"", 1)
            raise Refusal(404, NOT_FOUND)
        return answers.as_json(200, look(city, what))

    def _page(self) -> str:
        city = self.server.city
        rules = [rule for rule in city.faults() if rule.times]
        names = [rule.fault or "one of several" for rule in rules if rule.fault or rule.among]
        usual = Dialect()
        switched = [
            n for n in usual.__struct_fields__ if getattr(city.dialect, n) != getattr(usual, n)
        ]
        return page.render(city.ledger(), now=city.clock.now(), faults=names, switches=switched)


def _split(address: str) -> SplitResult:
    try:
        return urlsplit(address)
    except ValueError as exc:
        raise Refusal(400, "not an address") from exc
