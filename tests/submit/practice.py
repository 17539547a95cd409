"""A plain caller for the practice city, without our client's rules."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from streetbump.submit.sandbox import Sandbox

FORM = {"service_code": "POTHOLE", "lat": "42.5", "long": "-71.25", "description": "a hole"}


@dataclass(frozen=True)
class Heard:
    """A reply, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def first(self) -> Any:
        """The first of a plain list."""
        return self.json()[0]

    @property
    def ids(self) -> list[str]:
        """The ids of a plain list."""
        return [row.get("service_request_id") for row in self.json()]


@dataclass(frozen=True)
class Caller:
    """Calls one practice city."""

    city: Sandbox
    timeout_s: float = 10.0

    def ask(
        self, method: str, path: str, body: str = "", headers: dict[str, str] | None = None
    ) -> Heard:
        link = http.client.HTTPConnection("127.0.0.1", self.city.port, timeout=self.timeout_s)
        try:
            link.request(method, f"/{path}", body or None, headers or {})
            reply = link.getresponse()
            named = {name.lower(): text for name, text in reply.getheaders()}
            return Heard(reply.status, named, reply.read())
        finally:
            link.close()

    def get(self, path: str, **headers: str) -> Heard:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.ask("GET", path, headers=named)

    def post(
        self,
        path: str = "requests.json",
        *,
        extra: list[tuple[str, str]] | None = None,
        **changes: str,
    ) -> Heard:
        """Post a request; keywords change the form, an empty text takes a field out of it."""
        form = {name: text for name, text in {**FORM, **changes}.items() if text}
        return self.ask("POST", path, urlencode([*form.items(), *(extra or [])]))

    def practice(self, path: str, **values: Any) -> Heard:
        """A control call."""
        return self.ask("POST", f"practice/{path}", json.dumps(values))

    def raw(self, fmt: str = "json", *, at_most: int = 1 << 20) -> bytes:
        """What is on the wire after a POST: until it ends, breaks, pauses or is long enough."""
        body = urlencode(FORM).encode()
        head = f"POST /requests.{fmt} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        head += f"Content-Length: {len(body)}\r\n\r\n"
        heard = b""
        with socket.create_connection(("127.0.0.1", self.city.port), self.timeout_s) as link:
            link.sendall(head.encode() + body)
            try:
                while len(heard) < at_most and (more := link.recv(65536)):
                    heard += more
            except TimeoutError:
                return heard + b"<silence>"
            except ConnectionResetError:
                return heard + b"<reset>"
        return heard
