"""The practice city: it speaks GeoReport v2, forgets nothing, and goes wrong on request."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from streetbump.errors import ConfigError, InputError, UsageError
from streetbump.submit.reading import read_requests, read_services
from streetbump.submit.sandbox import Faults, Sandbox, read_setup

FORM = {"service_code": "POTHOLE", "lat": "42.5", "long": "-71.25", "description": "a <b> & ö\x0b"}


def ask(city: Sandbox, method: str, path: str, **options: Any) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=10) as client:
        return client.request(method, city.url + path, **options)


def create(city: Sandbox, fmt: str = "json", **changes: str) -> httpx.Response:
    return ask(city, "POST", f"requests.{fmt}", data={**FORM, **changes})


@pytest.mark.parametrize("fmt", ["json", "xml"])
def test_request_is_created_listed_and_closed(sandbox: Sandbox, fmt: str) -> None:
    """The walk of a request: services, create, list, read by id, close."""
    services = ask(sandbox, "GET", f"services.{fmt}")
    assert [s.code for s in read_services(services.content, services.headers["content-type"])] == [
        "POTHOLE"
    ]
    assert ask(sandbox, "GET", f"services/POTHOLE.{fmt}").status_code == 200
    made = create(sandbox, fmt)
    assert made.status_code == 201
    assert read_requests(made.content, made.headers["content-type"])[0].request_id == "PC-1"
    assert ask(sandbox, "POST", "practice/close/PC-1").status_code == 200
    one = ask(sandbox, "GET", f"requests/PC-1.{fmt}")
    (row,) = read_requests(one.content, one.headers["content-type"])
    assert (row.status, row.lat_deg, row.lon_deg) == ("closed", 42.5, -71.25)
    assert row.description == "a <b> & ö"
    assert ask(sandbox, "GET", f"discovery.{fmt}").status_code == 200


def test_same_post_twice_is_two_requests(sandbox: Sandbox) -> None:
    """Like real cities it is not idempotent."""
    assert [create(sandbox).status_code for _ in range(2)] == [201, 201]
    ids = [r["service_request_id"] for r in sandbox.ledger()]
    assert ids == ["PC-1", "PC-2"]
    assert ask(sandbox, "GET", "practice/ledger").json() == sandbox.ledger()


FILTERS = [
    ("", ["PC-2", "PC-1"]),
    ("?status=open", ["PC-2"]),
    ("?status=closed", ["PC-1"]),
    ("?status=open,closed&service_code=POTHOLE,TREE", ["PC-2", "PC-1"]),
    ("?service_code=TREE", []),
    ("?service_request_id=PC-1,PC-9&status=open", ["PC-1"]),
    ("?start_date=2100-01-01T00:00:00Z", []),
    ("?end_date=2000-01-01T00:00:00Z", []),
]


@pytest.mark.parametrize(("query", "ids"), FILTERS)
def test_lists_are_filtered(sandbox: Sandbox, query: str, ids: list[str]) -> None:
    """Status, codes, dates and ids, by the standard."""
    create(sandbox)
    create(sandbox)
    sandbox.close_request("PC-1")
    rows = ask(sandbox, "GET", f"requests.json{query}").json()
    assert [r["service_request_id"] for r in rows] == ids


BAD_FORMS = [
    ({"service_code": ""}, 400),
    ({"service_code": "TREE"}, 404),
    ({"lat": ""}, 400),
    ({"lat": "4e1"}, 400),
    ({"lat": "91"}, 400),
    ({"lat": "nan"}, 400),
    ({"description": "x" * 4001}, 400),
    ({"lat": "", "address_string": "120 Main St"}, 201),
]


@pytest.mark.parametrize(("changes", "status"), BAD_FORMS, ids=lambda v: str(v)[:40])
def test_bad_forms_are_refused(sandbox: Sandbox, changes: dict[str, str], status: int) -> None:
    """Errors are arrays of code and description; nothing is stored."""
    answer = create(sandbox, **changes)
    assert answer.status_code == status
    assert len(sandbox.ledger()) == (status == 201)
    if status != 201:
        assert answer.json()[0]["code"] == status
        assert b"<errors><error>" in create(sandbox, "xml", **changes).content


def test_unknown_things_are_404(sandbox: Sandbox) -> None:
    """What does not exist is not found, in each resource."""
    for path in ("x", "requests", "requests/PC-9.json", "services/x.xml", "tokens/T-1.json", "a.b"):
        assert ask(sandbox, "GET", path).status_code == 404
    for path in ("services.json", "practice/x", "practice/close/PC-1"):
        assert ask(sandbox, "POST", path).status_code == 404


def test_key_is_asked_for_when_set() -> None:
    """With a key set, creating needs it, in the form or as a bearer token; reading does not."""
    with Sandbox(0, api_key="k3y") as city:
        assert create(city).status_code == 403
        assert create(city, api_key="k3y").status_code == 201
        header = {"Authorization": "Bearer k3y"}
        assert ask(city, "POST", "requests.json", data=FORM, headers=header).status_code == 201
        assert "k3y" not in json.dumps(city.ledger())


STORED = [("500_stored", 500, 1), ("500_not_stored", 500, 0), ("429", 429, 0), ("html_200", 200, 0),
          ("redirect", 307, 0), ("token", 201, 1)]  # fmt: skip


@pytest.mark.parametrize(("fault", "status", "held"), STORED)
def test_faults_go_as_often_as_asked(sandbox: Sandbox, fault: str, status: int, held: int) -> None:
    """A fault holds for so many POSTs, then the city works again."""
    switched = ask(sandbox, "POST", "practice/faults", json={"fault": fault, "times": 1})
    assert switched.status_code == 200
    assert create(sandbox).status_code == status
    assert len(sandbox.ledger()) == held
    assert create(sandbox).status_code == 201
    assert len(sandbox.ledger()) == held + 1


@pytest.mark.parametrize(("fault", "held"), [("drop", 0), ("drop_stored", 1)])
def test_connections_are_dropped(sandbox: Sandbox, fault: str, held: int) -> None:
    """A dropped connection, with and without the request stored."""
    sandbox.set_faults(Faults(fault=fault))  # type: ignore[arg-type]
    with pytest.raises(httpx.TransportError):
        create(sandbox)
    assert len(sandbox.ledger()) == held


def test_silent_city_can_be_stopped() -> None:
    """Stopping does not wait for an answer that is being withheld."""
    city = Sandbox(0, faults=Faults(fault="timeout_after_accept", delay_s=600)).start()
    with httpx.Client(trust_env=False, timeout=0.3) as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(city.url + "requests.json", data=FORM)
        city.stop()
    assert len(city.ledger()) == 1


def test_faults_file() -> None:
    """The same switches as TOML; unknown ones are refused by name."""
    text = 'fault = "429"\ntimes = 3\nretry_after_s = 9\n'
    (rule,) = read_setup(text, where="f").faults
    assert rule == Faults(fault="429", times=3, retry_after_s=9)
    with pytest.raises(ConfigError, match="fault"):
        read_setup('fault = "fire"', where="f.toml")


def test_unknown_fault_names_the_known(sandbox: Sandbox) -> None:
    """A fault that does not exist is refused with the list of those that do."""
    answer = ask(sandbox, "POST", "practice/faults", json={"fault": "fire"})
    assert answer.status_code == 400
    assert "drop_stored" in answer.json()[0]["description"]


def test_reset_forgets_but_does_not_count_again(sandbox: Sandbox) -> None:
    """After a reset the ledger is empty, the faults are off, and no id is given twice."""
    create(sandbox)
    sandbox.set_faults(Faults(fault="429"))
    ask(sandbox, "POST", "practice/reset")
    assert sandbox.ledger() == []
    create(sandbox)
    assert [r["service_request_id"] for r in sandbox.ledger()] == ["PC-2"]


def test_ledger_survives_a_restart(tmp_path: Path) -> None:
    """With a ledger file the city remembers, even when its last line was torn."""
    path = tmp_path / "ledger.jsonl"
    with Sandbox(0, ledger_path=path) as city:
        create(city)
        create(city)
        city.close_request("PC-1")
        before = city.ledger()
    with path.open("ab") as file:
        file.write(b'{"event": "create", "requ')
    with Sandbox(0, ledger_path=path) as city:
        assert city.ledger() == before
        city.reset()
        create(city)
    with Sandbox(0, ledger_path=path) as city:
        assert [r["service_request_id"] for r in city.ledger()] == ["PC-3"]
    path.write_text("hello\n")
    with pytest.raises(InputError, match=r"ledger\.jsonl:1"):
        Sandbox(0, ledger_path=path)


def test_parallel_posts_are_all_kept(sandbox: Sandbox) -> None:
    """Requests that arrive together each get an id of their own."""
    threads = [threading.Thread(target=create, args=(sandbox,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(r["service_request_id"] for r in sandbox.ledger()) == sorted(
        f"PC-{i}" for i in range(1, 9)
    )


def test_page_for_people_is_escaped(sandbox: Sandbox) -> None:
    """The page shows what was sent as text, never as markup."""
    create(sandbox, description="<script>alert(1)</script>")
    page = ask(sandbox, "GET", "")
    assert page.headers["content-type"].startswith("text/html")
    assert "&lt;script&gt;" in page.text
    assert "<script>" not in page.text


def test_only_this_machine_is_answered(sandbox: Sandbox) -> None:
    """A name that merely points here, as a page in a browser could use, is refused."""
    answer = ask(sandbox, "POST", "practice/reset", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert sandbox.url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: 99999999", b"413"),
        ("Transfer-Encoding: chunked", b"411"),
        ("X: y", b"411"),
    ],
)
def test_body_is_bounded(sandbox: Sandbox, header: str, status: bytes) -> None:
    """A body of unknown or great length is refused unread."""
    port = int(sandbox.url.rstrip("/").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=5) as conn:
        head = f"POST /requests.json HTTP/1.1\r\nHost: 127.0.0.1\r\n{header}\r\n\r\n"
        conn.sendall(head.encode())
        assert conn.recv(100).split(b" ")[1] == status


def test_taken_port_says_so(sandbox: Sandbox) -> None:
    """A port in use is a usage error that names it."""
    port = int(sandbox.url.rstrip("/").rpartition(":")[2])
    with pytest.raises(UsageError, match=str(port)):
        Sandbox(port)


def test_clock_is_the_callers(now: Any) -> None:
    """The city's time is an argument."""
    with Sandbox(0, clock=lambda: now) as city:
        create(city)
        assert city.ledger()[0]["requested_datetime"] == "2026-03-01T12:00:00Z"


def test_serve_forever_ends_when_stopped() -> None:
    """Serving in the foreground ends and frees the port."""
    city = Sandbox(0)
    thread = threading.Thread(target=city.serve_forever)
    thread.start()
    assert create(city).status_code == 201
    city.stop()
    thread.join(timeout=5)
    assert not thread.is_alive()
