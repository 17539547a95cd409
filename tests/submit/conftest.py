"""What the tests of this room share: a city, a place, and a server that plays a script."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from streetbump.cityprofile import CityProfile, shipped_city
from streetbump.model import JoltClass, PlaceState, ServiceRequest
from streetbump.submit.compose import compose, marker
from streetbump.submit.georeport import GeoReport
from streetbump.submit.plan import PlaceFacts
from streetbump.submit.sandbox import Sandbox

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

PLACE = PlaceFacts(
    place_id="a1", episode=1, state=PlaceState.FLAGGED, lat_deg=42.36, lon_deg=-71.05,
    pos_err_m=2.5, headings_deg=(358.0, 182.0), jolt_class=JoltClass.POTHOLE, class_p=0.9,
    severity=6.0, hit_rate=0.7, hits=12, passes=18,
    n_devices=4, n_days=3, first_day="2026-02-01", last_day="2026-02-09", priority=4.0,
    synthetic=False,
)  # fmt: skip


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def place() -> Callable[..., PlaceFacts]:
    """A place that deserves a report, with what a test changes about it."""
    return lambda **changes: replace(PLACE, **changes)


def adapted(profile: CityProfile, changes: dict[str, Any]) -> CityProfile:
    channel = {k: changes.pop(k) for k in list(changes) if hasattr(profile.channel, k)}
    dialect = {k: changes.pop(k) for k in list(changes) if hasattr(profile.dialect, k)}
    limits = {k: changes.pop(k) for k in list(changes) if hasattr(profile.limits, k)}
    return msgspec.structs.replace(
        profile,
        channel=msgspec.structs.replace(profile.channel, **channel),
        dialect=msgspec.structs.replace(profile.dialect, **dialect),
        limits=msgspec.structs.replace(profile.limits, **limits),
        **changes,
    )


@pytest.fixture
def city() -> Callable[..., CityProfile]:
    """The practice city's profile; keywords change it, its channel, its dialect or its limits."""
    return lambda **changes: adapted(shipped_city("sandbox"), changes)


@pytest.fixture
def request_for() -> Callable[..., ServiceRequest]:
    """The request for the usual place."""

    def make(profile: CityProfile, **changes: Any) -> ServiceRequest:
        facts = replace(PLACE, **changes)
        return compose(facts, profile, marker=marker(facts.place_id, facts.episode))

    return make


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(0) as running:
        yield running


@dataclass
class Scripted:
    """A server on loopback that does with each connection what its script says."""

    script: Callable[[socket.socket], None]
    heard: list[bytes] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/"

    def _serve(self) -> None:
        while not self.stopping.is_set():
            try:
                conn, _ = self._listener.accept()
            except TimeoutError:
                continue
            with conn:
                conn.settimeout(2)
                try:
                    self.heard.append(read_request(conn))
                    self.script(conn)
                except OSError:
                    pass  # the client went away, as some tests want it to

    def stop(self) -> None:
        self.stopping.set()
        self._thread.join()
        self._listener.close()


def read_request(conn: socket.socket) -> bytes:
    """One HTTP request, head and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = conn.recv(65536)
        if not piece:
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [h for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")]
    wanted = int(lengths[0].split(b":")[1]) if lengths else 0
    while len(body) < wanted:
        body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def scripted() -> Iterator[Callable[[Callable[[socket.socket], None]], Scripted]]:
    """Start a scripted server; it is stopped after the test."""
    running: list[Scripted] = []

    def start(script: Callable[[socket.socket], None]) -> Scripted:
        running.append(Scripted(script))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def answer() -> Callable[..., Callable[[socket.socket], None]]:
    """A script that gives one well-formed answer."""

    def make(
        status: str, body: bytes = b"", kind: str = "application/json", **headers: str
    ) -> Callable[[socket.socket], None]:
        lines = [f"HTTP/1.1 {status}", f"Content-Type: {kind}", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join(lines).encode() + b"\r\n\r\n"
        return lambda conn: conn.sendall(head + body)

    return make


@pytest.fixture
def reset() -> Callable[[socket.socket], None]:
    """A script that resets the connection."""

    def script(conn: socket.socket) -> None:
        conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        conn.close()

    return script


@pytest.fixture
def drip() -> Callable[[bytes], Callable[[socket.socket], None]]:
    """A script that says something, and then one byte now and then for ever."""

    def make(first: bytes) -> Callable[[socket.socket], None]:
        def script(conn: socket.socket) -> None:
            conn.sendall(first)
            for _ in range(200):
                conn.sendall(b"x")
                time.sleep(0.05)

        return script

    return make


@pytest.fixture
def client() -> Iterator[Callable[..., GeoReport]]:
    """Open a client; it is closed after the test."""
    opened: list[GeoReport] = []

    def open_client(profile: CityProfile, **options: Any) -> GeoReport:
        opened.append(GeoReport(profile, **options))
        return opened[-1]

    yield open_client
    for one in opened:
        one.close()
