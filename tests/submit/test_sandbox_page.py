"""The practice city's page in a real browser. Needs chromium; says so where there is none."""

from __future__ import annotations

import shutil
import struct
import subprocess
import threading
import zlib
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from practice import Caller

from streetbump.submit.sandbox import Sandbox

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="NO CHROMIUM HERE: the practice city's page was not seen in a browser"
)
QUIET = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run",
]  # fmt: skip

Browse = Callable[..., str]


@pytest.fixture
def browse(tmp_path: Path) -> Browse:
    """Open an address in a browser with a new profile; what it prints."""

    def run(url: str, *options: str) -> str:
        command = [CHROMIUM or "", *QUIET, f"--user-data-dir={tmp_path / 'user'}", *options, url]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return done.stdout

    return run


class Elements(HTMLParser):
    """Every element of a page, with its attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.found if name == tag]


def shades(png: bytes) -> int:
    """How many different bytes the pixels of a picture have: few when it is blank."""
    data, at = b"", 8
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data += png[at + 8 : at + 8 + size] if kind == b"IDAT" else b""
        at += size + 12
    return len(set(zlib.decompress(data)))


def test_page_in_a_browser(sandbox: Sandbox, browse: Browse, tmp_path: Path) -> None:
    """Each request is a row with its number, a state and one button; words stay words."""
    caller = Caller(sandbox)
    caller.post(description="<script>document.title='taken'</script><img src=x onerror=alert(1)>")
    caller.post(description="closed one", address_string="120 Main St")
    caller.practice("close/PC-2", reason="duplicate", parent="PC-1")
    seen = browse(sandbox.url, "--dump-dom")
    page = Elements(seen)
    assert [row["id"] for row in page.named("tr") if "id" in row] == ["PC-2", "PC-1"]
    assert [form["action"] for form in page.named("form")] == [
        "/practice/reopen/PC-2",
        "/practice/close/PC-1",
    ]
    assert not page.named("script")
    assert not page.named("img")
    assert "taken</title>" not in seen
    assert "Duplicate of another request. See PC-1." in seen
    picture = tmp_path / "page.png"
    browse(sandbox.url, f"--screenshot={picture}", "--window-size=1000,700")
    assert shades(picture.read_bytes()) > 50


class Evil(BaseHTTPRequestHandler):
    """Another site, whose page posts to the practice city and to itself."""

    goals: tuple[str, ...] = ()
    heard: list[str]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""

    def do_GET(self) -> None:
        posts = "".join(
            f"await fetch('{goal}', {{method: 'POST', mode: 'no-cors', body: new URLSearchParams("
            "{back: 'page', service_code: 'POTHOLE', lat: '1', long: '2'})}).catch(() => 0);"
            for goal in (*self.goals, "/heard")
        )
        self.answer(
            f"<!doctype html><title>evil</title><script>(async () => {{{posts}}})()</script>"
        )

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(self.path)
        self.answer("")

    def answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@pytest.fixture
def evil(sandbox: Sandbox) -> Iterator[tuple[str, list[str]]]:
    """The address of a hostile page, and what its own posts reached."""
    goals = tuple(
        sandbox.url + p for p in ("practice/close/PC-1", "practice/reset", "requests.json")
    )
    heard: list[str] = []
    site = type("Site", (Evil,), {"goals": goals, "heard": heard})
    server = ThreadingHTTPServer(("127.0.0.1", 0), site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}/", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_hostile_page_changes_nothing(
    sandbox: Sandbox, browse: Browse, evil: tuple[str, list[str]]
) -> None:
    """A real browser carries a foreign page's posts to the city, and the city refuses them all."""
    url, heard = evil
    Caller(sandbox).post()
    before = sandbox.ledger()
    browse(url, "--dump-dom", "--virtual-time-budget=20000")
    assert heard == ["/heard"]  # the page ran to its end
    assert sandbox.ledger() == before
