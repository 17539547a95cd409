"""The practice city: a GeoReport v2 server on this machine, for first runs, training and tests.

Like real cities it is *not* idempotent: the same POST twice makes two requests. Its faults can be
switched while it runs. Standard library only; it listens on 127.0.0.1 and nowhere else.
"""

from __future__ import annotations

import html
import json
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape, quoteattr

import msgspec

from streetbump.config import decode_toml
from streetbump.errors import InputError, UsageError

HOST = "127.0.0.1"
PORT = 8311
SERVICES = (("POTHOLE", "Pothole", "A hole in the road surface"),)
_BODY_BYTES = 1 << 20
_NOT_FOUND = "there is nothing here"

FaultName = Literal[
    "",  # none: the city works
    "timeout_after_accept",  # stores, then says nothing
    "500_stored",
    "500_not_stored",
    "429",  # with Retry-After
    "drop",  # resets the connection, stores nothing
    "drop_stored",  # stores, then resets the connection
    "html_200",  # a page for people with status 200, stores nothing
    "redirect",  # to `location`, stores nothing
    "token",  # gives a token instead of an id; tokens/{token} has the id
]

_SILENT = {"drop", "drop_stored", "timeout_after_accept"}


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What goes wrong with the next POSTs of requests.

    `times` counts down with each of them; -1 is until something else is asked for.
    """

    fault: FaultName = ""
    times: Annotated[int, msgspec.Meta(ge=-1)] = -1
    retry_after_s: int = 1
    delay_s: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 120.0
    location: str = "/elsewhere/requests.json"


def read_faults(text: str, *, where: str) -> Faults:
    """The faults in a TOML text; the keys are the fields of :class:`Faults`.

    >>> read_faults('fault = "429"', where="faults.toml").fault
    '429'
    """
    return decode_toml(text, Faults, where=where)


_Row = dict[str, Any]


@dataclass
class _Ledger:
    """Every request the practice city holds; on disk one JSON line per event, when asked for."""

    path: Path | None
    clock: Callable[[], datetime]
    rows: dict[str, _Row] = field(default_factory=dict)
    made: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        data = path.read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        if torn:  # the last event was being written when the city died: it was never answered
            with path.open("r+b") as file:
                file.truncate(len(data) - len(torn))
        for number, line in enumerate(whole.splitlines(), start=1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError) as exc:
                raise InputError(f"{path}:{number}: not a ledger of the practice city") from exc

    def _apply(self, event: _Row) -> None:
        if event["event"] == "create":
            row = event["request"]
            self.rows[row["service_request_id"]] = row
            self.made = max(self.made, int(row["service_request_id"].removeprefix("PC-")))
        elif event["event"] == "close":
            self.rows[event["id"]].update(status="closed", updated_datetime=event["at"])
        else:
            self.rows.clear()

    def _record(self, event: _Row) -> None:
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(event) + "\n")
                file.flush()
                os.fsync(file.fileno())
        self._apply(event)

    def create(self, form: dict[str, str]) -> str:
        """Store one request; ids are never used twice, not even after a reset."""
        with self.lock:
            self.made += 1
            now = _stamp(self.clock())
            row = {
                "service_request_id": f"PC-{self.made}",
                "status": "open",
                "status_notes": "",
                "service_name": {c: n for c, n, _ in SERVICES}[form["service_code"]],
                "service_code": form["service_code"],
                "description": form.get("description", ""),
                "requested_datetime": now,
                "updated_datetime": now,
                "address": form.get("address_string", ""),
                "lat": _number(form.get("lat", "")),
                "long": _number(form.get("long", "")),
            }
            self._record({"event": "create", "request": row})
            return f"PC-{self.made}"

    def close(self, request_id: str) -> bool:
        """Say closed, as cities do; False when there is no such request."""
        with self.lock:
            if request_id not in self.rows:
                return False
            self._record({"event": "close", "id": request_id, "at": _stamp(self.clock())})
            return True

    def reset(self) -> None:
        """Forget every request."""
        with self.lock:
            self._record({"event": "reset"})

    def all(self) -> list[_Row]:
        """A copy of every request, in order of arrival."""
        with self.lock:
            return [dict(row) for row in self.rows.values()]


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(text: str) -> float | None:
    """A plain decimal number, as GeoReport has them; None for anything else."""
    if not text.removeprefix("-").replace(".", "", 1).isdecimal() or not text.isascii():
        return None
    return float(text)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Sandbox:
    """The practice city on ``http://127.0.0.1:PORT``.

    Parameters
    ----------
    port : int
        0 takes any free port; see `url`.
    ledger_path : Path or None
        Where requests are kept between runs; None keeps them in memory.
    faults : Faults
        What goes wrong from the start.
    api_key : str or None
        When given, creating needs it, as ``api_key`` in the form or as a bearer token.
    clock : callable
        The city's clock.
    """

    def __init__(
        self,
        port: int = PORT,
        *,
        ledger_path: Path | None = None,
        faults: Faults | None = None,
        api_key: str | None = None,
        clock: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._ledger = _Ledger(ledger_path, clock)
        self._faults = faults or Faults()
        self._faults_lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._serving = threading.Event()
        self.api_key = api_key
        self.stopping = threading.Event()
        try:
            self._server = _Server((HOST, port), self)
        except OSError as exc:
            raise UsageError(f"port {port} is taken: choose another with --port") from exc

    @property
    def url(self) -> str:
        """The endpoint."""
        return f"http://{HOST}:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
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
            self._server.shutdown()
        if self._thread is not None:
            self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Serve until stopped or interrupted."""
        self._serving.set()
        try:
            self._server.serve_forever(poll_interval=0.05)
        finally:
            self.stopping.set()
            self._server.server_close()

    def ledger(self) -> list[_Row]:
        """Every request it holds, in order of arrival."""
        return self._ledger.all()

    def close_request(self, request_id: str) -> bool:
        """Close a request; False when there is none of this id."""
        return self._ledger.close(request_id)

    def reset(self) -> None:
        """Forget every request, and every fault."""
        self._ledger.reset()
        self.set_faults(Faults())

    def set_faults(self, faults: Faults) -> None:
        """What goes wrong from now on."""
        with self._faults_lock:
            self._faults = faults

    def next_fault(self) -> Faults:
        """What is to go wrong with this POST; counts it."""
        with self._faults_lock:
            now = self._faults
            if now.times == 0:
                return Faults()
            if now.times > 0:
                self._faults = msgspec.structs.replace(now, times=now.times - 1)
            return now

    def create(self, form: dict[str, str]) -> str:
        """Store one request and give its id."""
        return self._ledger.create(form)


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for the answers under way
    allow_reuse_address = os.name != "nt"  # on Windows it would let two servers share a port

    def __init__(self, address: tuple[str, int], city: Sandbox) -> None:
        self.city = city
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is not an error of the city."""


@dataclass(frozen=True)
class _Answer:
    status: int
    body: bytes
    content_type: str
    headers: tuple[tuple[str, str], ...] = ()


class _Refusal(Exception):
    """An answer other than success, from wherever the reason was found."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status, self.description = status, description


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = 5.0
    server_version = "practice-city"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base's name
        """Say nothing: the ledger tells what happened."""

    def do_GET(self) -> None:
        self._respond(self._get)

    def do_POST(self) -> None:
        self._respond(self._post)

    def _respond(self, act: Callable[[str], _Answer | None]) -> None:
        path = unquote(urlsplit(self.path).path)
        try:
            self._check_host()
            answer = act(path)
        except _Refusal as refusal:
            answer = _errors(refusal, _format_of(path))
        if answer is not None:
            self._write(answer)

    def _check_host(self) -> None:
        # A web page in the user's browser must not reach us under a name of its own.
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if host not in {HOST, "localhost"}:
            raise _Refusal(403, "the practice city answers to 127.0.0.1 and localhost only")

    def _write(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", f"{answer.content_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        for name, value in answer.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    # ---------------------------------------------------------------------------- what is asked

    def _get(self, path: str) -> _Answer:
        if path == "/":
            return _Answer(200, _page(self.server.city.ledger()).encode(), "text/html")
        if path == "/practice/ledger":
            return _json(200, self.server.city.ledger())
        return self._georeport(path)

    def _georeport(self, path: str) -> _Answer:
        stem, dot, fmt = path.lstrip("/").rpartition(".")
        if not dot or fmt not in {"json", "xml"}:
            raise _Refusal(404, _NOT_FOUND)
        resource, _, name = stem.partition("/")
        query = dict(parse_qsl(urlsplit(self.path).query))
        match resource, name:
            case "discovery", "":
                return _records(200, fmt, "discovery", "endpoint", [_discovery(self.server.city)])
            case "services", "":
                return _records(200, fmt, "services", "service", [_service(*s) for s in SERVICES])
            case "services", code:
                return self._definition(fmt, code)
            case "requests", "":
                return self._listing(fmt, query)
            case "requests", request_id:
                return self._listing(fmt, {"service_request_id": request_id}, found=True)
            case "tokens", token:
                return self._token(fmt, token)
        raise _Refusal(404, _NOT_FOUND)

    def _definition(self, fmt: str, code: str) -> _Answer:
        if code not in {c for c, _, _ in SERVICES}:
            raise _Refusal(404, "service_code was not found")
        if fmt == "json":
            return _json(200, {"service_code": code, "attributes": []})
        inner = f"<service_code>{escape(code)}</service_code><attributes></attributes>"
        return _xml(200, f"<service_definition>{inner}</service_definition>")

    def _listing(self, fmt: str, query: dict[str, str], *, found: bool = False) -> _Answer:
        rows = _filtered(self.server.city.ledger(), query)
        if found and not rows:
            raise _Refusal(404, "service_request_id was not found")
        return _records(200, fmt, "service_requests", "request", rows)

    def _token(self, fmt: str, token: str) -> _Answer:
        request_id = token.removeprefix("T-")
        if not any(r["service_request_id"] == request_id for r in self.server.city.ledger()):
            raise _Refusal(404, "token was not found")
        row = {"service_request_id": request_id, "token": token}
        return _records(200, fmt, "service_requests", "request", [row])

    # --------------------------------------------------------------------------- what is changed

    def _post(self, path: str) -> _Answer | None:
        body = self._body()
        if path.startswith("/practice/"):
            return self._control(path.removeprefix("/practice/"), body)
        if path not in {"/requests.json", "/requests.xml"}:
            raise _Refusal(404, _NOT_FOUND)
        return self._create(_format_of(path), body)

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _Refusal(411, "Content-Length is needed")
        if int(length) > _BODY_BYTES:
            raise _Refusal(413, "the request is too large")
        return self.rfile.read(int(length))

    def _control(self, what: str, body: bytes) -> _Answer:
        city = self.server.city
        if what == "faults":
            try:
                city.set_faults(msgspec.json.decode(body or b"{}", type=Faults))
            except msgspec.DecodeError as exc:
                raise _Refusal(400, f"{exc}; faults are: {', '.join(get_args(FaultName))}") from exc
        elif what == "reset":
            city.reset()
        elif not (what.startswith("close/") and city.close_request(what.removeprefix("close/"))):
            raise _Refusal(404, _NOT_FOUND)
        return _json(200, {"done": True})

    def _create(self, fmt: str, body: bytes) -> _Answer | None:
        form = _form(body)
        _check_key(form, self.headers.get("Authorization", ""), self.server.city.api_key)
        _check_form(form)
        faults = self.server.city.next_fault()
        refused = _refused_by(faults)
        if refused is not None:
            return refused
        request_id = "" if faults.fault == "drop" else self.server.city.create(form)
        if faults.fault == "timeout_after_accept":
            self.server.city.stopping.wait(faults.delay_s)
        if faults.fault in _SILENT:
            self._drop()
            return None
        if faults.fault == "500_stored":
            raise _Refusal(500, "something went wrong")
        row = {"service_request_id": request_id, "service_notice": "practice only: nobody comes"}
        if faults.fault == "token":
            row = {"token": f"T-{request_id}"}
        return _records(201, fmt, "service_requests", "request", [row])

    def _drop(self) -> None:
        """Reset the connection instead of an answer."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qs(body.decode("ascii"), errors="strict", max_num_fields=100)
    except ValueError as exc:
        raise _Refusal(400, "the form is not UTF-8, or has too many fields") from exc
    return {name: values[0] for name, values in pairs.items()}


def _check_key(form: dict[str, str], authorization: str, api_key: str | None) -> None:
    given = form.get("api_key") or authorization.removeprefix("Bearer ")
    if api_key is not None and given != api_key:
        raise _Refusal(403, "the api_key is missing or wrong")


def _check_form(form: dict[str, str]) -> None:
    code = form.get("service_code", "")
    if not code:
        raise _Refusal(400, "service_code is missing")
    if code not in {c for c, _, _ in SERVICES}:
        raise _Refusal(404, "service_code was not found")
    lat, lon = _number(form.get("lat", "")), _number(form.get("long", ""))
    placed = lat is not None and lon is not None and abs(lat) <= 90 and abs(lon) <= 180
    if not placed and not form.get("address_string"):
        raise _Refusal(400, "a place is missing: lat and long as plain degrees, or address_string")
    if len(form.get("description", "")) > 4000:
        raise _Refusal(400, "the description is longer than 4,000 characters")


def _refused_by(faults: Faults) -> _Answer | None:
    """The answer of a fault that stores nothing; None for any other."""
    if faults.fault == "500_not_stored":
        raise _Refusal(500, "something went wrong")
    if faults.fault == "429":
        wait = (("Retry-After", str(faults.retry_after_s)),)
        return _Answer(429, _error_json(429, "too many requests"), "application/json", wait)
    if faults.fault == "html_200":
        return _Answer(200, b"<!doctype html><title>Maintenance</title>", "text/html")
    if faults.fault == "redirect":
        return _Answer(307, b"", "text/html", (("Location", _one_line(faults.location)),))
    return None


def _one_line(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable())


def _filtered(rows: list[_Row], query: dict[str, str]) -> list[_Row]:
    """The rows that a list call asks for, the newest first. The practice city never cuts a list."""
    if "service_request_id" in query:  # overrides all other arguments, by the standard
        wanted = query["service_request_id"].split(",")
        return [r for r in rows if r["service_request_id"] in wanted]
    start, end = query.get("start_date", ""), query.get("end_date", "~")
    codes = query.get("service_code", "").split(",")
    statuses = query.get("status", "open,closed").split(",")
    kept = [
        r for r in rows
        if r["status"] in statuses and (codes == [""] or r["service_code"] in codes)
        and start <= r["requested_datetime"] <= end
    ]  # fmt: skip
    return kept[::-1]


def _service(code: str, name: str, description: str) -> _Row:
    return {
        "service_code": code, "service_name": name, "description": description,
        "metadata": False, "type": "realtime", "keywords": "", "group": "Streets",
    }  # fmt: skip


def _discovery(city: Sandbox) -> _Row:
    return {
        "changeset": "2026-01-01T00:00:00Z", "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": city.url, "type": "test", "formats": "text/xml application/json",
    }  # fmt: skip


# ---------------------------------------------------------------------------------------- answers


def _format_of(path: str) -> str:
    return "xml" if path.endswith(".xml") else "json"


def _json(status: int, value: Any) -> _Answer:
    return _Answer(status, json.dumps(value).encode(), "application/json")


def _xml(status: int, text: str) -> _Answer:
    return _Answer(status, f'<?xml version="1.0" encoding="utf-8"?>{text}'.encode(), "text/xml")


def _records(status: int, fmt: str, plural: str, single: str, rows: list[_Row]) -> _Answer:
    if fmt == "json":
        return _json(status, rows)
    elements = "".join(f"<{single}>{_elements(row)}</{single}>" for row in rows)
    return _xml(status, f"<{plural}>{elements}</{plural}>")


def _elements(row: _Row) -> str:
    return "".join(f"<{name}>{escape(_xml_text(value))}</{name}>" for name, value in row.items())


def _xml_text(value: Any) -> str:
    """A value as XML text; XML 1.0 cannot hold most control characters in any form."""
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    return "".join(c for c in text if c in "\n\t" or c.isprintable())


def _error_json(code: int, description: str) -> bytes:
    return json.dumps([{"code": code, "description": description}]).encode()


def _errors(refusal: _Refusal, fmt: str) -> _Answer:
    if fmt == "json":
        body = _error_json(refusal.status, refusal.description)
        return _Answer(refusal.status, body, "application/json")
    said = escape(refusal.description)
    inner = f"<error><code>{refusal.status}</code><description>{said}</description></error>"
    return _xml(refusal.status, f"<errors>{inner}</errors>")


def _page(rows: list[_Row]) -> str:
    """What the practice city holds, for a browser."""
    lines = "".join(
        f"<tr id={quoteattr(r['service_request_id'])}>"
        + "".join(f"<td>{html.escape(str(r[c]))}</td>" for c in _PAGE_COLUMNS)
        + "</tr>"
        for r in reversed(rows)
    )
    heads = "".join(f"<th>{c}</th>" for c in _PAGE_COLUMNS)
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>The practice city</title>"
        "<style>body{font:16px sans-serif;margin:2em}td,th{text-align:left;padding:.3em .8em;"
        "vertical-align:top}td:last-child{white-space:pre-line}</style>"
        f"<h1>The practice city</h1><p>{len(rows)} requests. Nobody comes, this is practice.</p>"
        f"<table><tr>{heads}</tr>{lines}</table></html>"
    )


_PAGE_COLUMNS = ("service_request_id", "status", "requested_datetime", "service_name",
                 "lat", "long", "description")  # fmt: skip
