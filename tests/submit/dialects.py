"""Small cities on loopback, each with the habits of one family of servers; see docs/cities.md."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit
from xml.sax.saxutils import escape

Row = dict[str, Any]
JSON, XML, HTML = "application/json", "text/xml", "text/html"
SECOND = "%Y-%m-%dT%H:%M:%SZ"


@dataclass
class Call:
    """One call as the city hears it."""

    method: str
    path: str
    query: dict[str, str]
    form: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def args(self) -> dict[str, str]:
        return dict(self.form) if self.method == "POST" else self.query


@dataclass
class Answer:
    status: int
    body: str | bytes
    kind: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


def as_json(value: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(value), JSON)


def as_xml(root: str, name: str, rows: list[Row], status: int = 200) -> Answer:
    inner = "".join(
        f"<{name}>{''.join(f'<{k}>{escape(str(v))}</{k}>' for k, v in r.items())}</{name}>"
        for r in rows
    )
    return Answer(status, f'<?xml version="1.0" encoding="utf-8"?>\n<{root}>{inner}</{root}>', XML)


HTML_PAGE = "<!DOCTYPE html><html><title>Server Error (500)</title></html>"


class City:
    """What they share: a store, the filters of the standard, and what they heard."""

    code, name = "7", "Pothole"
    first_id = 1
    suffix = ".json"

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.heard: list[Call] = []
        self.url = ""
        for number in range(3):  # what others reported long ago: far away, one of them closed
            self.add({"service_code": "9" if number == 1 else self.code, "description": "old",
                      "lat": 10.0 + number, "long": 10.0},
                     when=f"2026-0{number + 6}-01T00:00:00Z",
                     status="closed" if number == 2 else "open")  # fmt: skip

    def add(self, args: Row, *, when: str = "", status: str = "open") -> Row:
        row = {
            "service_request_id": self.first_id + len(self.rows), "status": status,
            "service_code": args["service_code"], "service_name": self.name,
            "description": args.get("description", ""), "lat": args.get("lat", ""),
            "long": args.get("long", ""),
            "requested_datetime": when or datetime.now(UTC).strftime(SECOND),
        }  # fmt: skip
        self.rows.append(row)
        return row

    def ours(self) -> list[Row]:
        return [r for r in self.rows if "Ref SB-" in r["description"]]

    def listed(self, query: dict[str, str], *without: str) -> list[Row]:
        """The rows that pass the filters of the standard, but for those this city ignores."""
        asked = {k: v for k, v in query.items() if k not in without}
        codes = asked["service_code"].split(",") if "service_code" in asked else None
        return [
            r for r in self.rows
            if (codes is None or r["service_code"] in codes)
            and asked.get("status", r["status"]) == r["status"]
            and asked.get("start_date", "") <= r["requested_datetime"]
            and r["requested_datetime"] <= asked.get("end_date", "9")
        ]  # fmt: skip

    def by_id(self, text: str) -> list[Row]:
        return [r for r in self.rows if str(r["service_request_id"]) == text]

    def asked_for(self, path: str, query: dict[str, str]) -> list[Row]:
        return self.listed(query) if path == "requests" else self.by_id(path[9:])

    def services(self) -> list[Row]:
        return [
            {"service_code": "9", "service_name": "Graffiti", "metadata": False},
            {"service_code": self.code, "service_name": self.name, "metadata": False},
        ]

    def answer(self, call: Call) -> Answer:
        raise NotImplementedError

    @contextmanager
    def running(self) -> Iterator[str]:
        """Answer calls on loopback; the address."""
        city = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                form = parse_qsl(sent.decode(), keep_blank_values=True)
                heads = {k.lower(): v for k, v in self.headers.items()}
                call = Call(self.command, unquote(parts.path), dict(parse_qsl(parts.query)), form,
                            heads, sent)  # fmt: skip
                city.heard.append(call)
                said = city.answer(call)
                body = said.body.encode() if isinstance(said.body, str) else said.body
                self.send_response(said.status)
                head = {"Content-Type": said.kind, "Content-Length": str(len(body)), **said.headers}
                for name, value in head.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_GET  # noqa: N815

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            self.url = f"http://127.0.0.1:{server.server_address[1]}/v2/"
            yield self.url
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


class DjangoLike(City):
    """Slashes at the end, else 301; ids from 0; 500 for ever without a key or a place."""

    first_id = 0
    toml = """
[channel]
key_env = "KEY"
[dialect]
path_suffix = false
trailing_slash = true
[[dialect.answers]]
status = 500
text = "server error"
means = "key"
"""

    def answer(self, call: Call) -> Answer:
        if not call.path.endswith("/"):
            return Answer(301, "", HTML, {"Location": call.path + "/"})
        parts = call.path.removeprefix("/v2/").strip("/").split("/")
        if parts == ["services"]:
            return as_json(self.services())
        if parts == ["requests"] and call.method == "POST":
            return self.create(call)
        if parts == ["requests"]:
            return as_json(self.listed(call.query))
        if parts[0] == "requests" and self.by_id(parts[1]):
            return as_json(self.by_id(parts[1]))
        return as_json({"detail": "Not found."}, 404)

    def create(self, call: Call) -> Answer:
        if not {"api_key", "lat", "long"} <= set(call.args):
            return Answer(500, HTML_PAGE, HTML)
        if call.args["service_code"] not in {"7", "9"}:
            return as_json({"service_code": ["is invalid"]}, 400)
        return as_json([self.add(call.args)], 201)


class PerlLike(City):
    """Refuses arguments it does not know; keeps its wrapper; one bad record spoils a list."""

    toml = """
[channel]
key_env = "KEY"
post_format = "xml"
[services.pothole.attributes]
WHERE = ["lane", "kerb"]
[dialect]
multivalue = "repeated"
status_words = { fixed = "closed" }
"""
    known = frozenset({"service_code", "status", "start_date", "end_date", "service_request_id"})
    poison = ""  # a time: every window around it is spoilt

    def services(self) -> list[Row]:
        return [{**s, "metadata": "true" if s["service_code"] == "7" else "false"}
                for s in super().services()]  # fmt: skip

    def said(self, call: Call, name: str, rows: list[Row], status: int = 200) -> Answer:
        if call.path.endswith(".xml"):
            return as_xml(f"{name}s", name.removeprefix("service_"), rows, status)
        return as_json({f"{name}s": rows}, status)

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").rpartition(".")[0]
        if path == "services":
            return self.said(call, "service", self.services())
        if path == "services/7":
            asks = {
                "code": "WHERE",
                "required": "true",
                "variable": "true",
                "datatype": "multivaluelist",
                "values": [{"key": "lane", "name": "Lane"}, {"key": "kerb", "name": "Kerb"}],
            }
            return as_json({"service_definition": {"service_code": "7", "attributes": [asks]}})
        if path == "requests" and call.method == "POST":
            return self.create(call)
        if path == "requests":
            unknown = set(call.query) - self.known
            if unknown or not all(v.endswith("Z") for k, v in call.query.items() if "date" in k):
                return self.said(call, "error", [{"code": 400, "description": "bad args"}], 400)
            q = call.query
            if self.poison and q.get("start_date", "") <= self.poison <= q.get("end_date", "9"):
                return Answer(500, "Can't call method", "text/plain")
            return self.said(call, "service_request", self.listed(q))
        rows = self.by_id(path.rpartition("/")[2])
        return self.said(call, "service_request", rows, 200 if rows else 404)

    def create(self, call: Call) -> Answer:
        known = {"api_key", "service_code", "lat", "long", "description", "attribute[WHERE]"}
        where = [v for k, v in call.form if k == "attribute[WHERE]"]
        if set(call.args) - known or call.args.get("api_key") != "s3cret-key" or not where:
            return self.said(call, "error", [{"code": 400, "description": "bad args"}], 400)
        row = self.add(call.args)
        return self.said(call, "service_request", [{"service_request_id":
                                                    row["service_request_id"]}])  # fmt: skip


class PhpLike(City):
    """Takes a POST without a code for a search; one code per list; 400 when it is busy."""

    toml = """
[channel]
key_env = "KEY"
[dialect]
codes_together = false
filters = { service_code = "service_code", start_date = "start_date", end_date = "end_date" }
[[dialect.answers]]
status = 400
text = "Deadlock"
means = "retry"
"""
    deadlocks = 0
    poisoned = False

    def answer(self, call: Call) -> Answer:
        path, dot, kind = call.path.removeprefix("/v2/").rpartition(".")
        path = path if dot else kind
        if path == "services":
            return as_json(self.services())
        if path == "requests" and call.method == "POST" and "service_code" in call.args:
            return self.create(call)
        if path == "requests":
            if call.query.get("service_code", "7") not in {"7", "9"}:
                return as_json([{"code": 404, "description": "unknownService"}], 404)
            return Answer(200, "") if self.poisoned else as_json(self.listed(call.query, "status"))
        rows = self.by_id(path.rpartition("/")[2])
        return as_json(rows, 200 if rows else 404)

    def create(self, call: Call) -> Answer:
        if call.args.get("api_key") != "s3cret-key":
            return as_json([{"code": 403, "description": "clients/unknownClient"}], 403)
        if self.deadlocks:
            self.deadlocks -= 1
            said = "SQLSTATE[40001]: Deadlock found when trying to get lock"
            return as_json([{"code": 400, "description": said}], 400)
        row = self.add(call.args)
        if "." not in call.path.rpartition("/")[2]:
            return Answer(200, HTML_PAGE, HTML)
        return as_json([{"service_request_id": row["service_request_id"]}])


class DrupalLike(City):
    """An empty list is a 404; other names; pages from 0."""

    toml = """
[dialect]
page = "page"
page_size = "limit"
first_page = 0
aliases = { nid = "service_request_id" }
[[dialect.answers]]
status = 404
text = "no service requests found"
means = "none"
[limits]
page_limit = 2
"""

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return as_json(self.services())
        if path == "requests" and call.method == "POST":
            row = self.add(call.args)
            return as_json({"service_requests": {"request": self.shown(row)}}, 201)
        rows = self.asked_for(path, call.query)
        page, limit = int(call.query.get("page", 0)), int(call.query.get("limit", 25))
        rows = rows[page * limit : (page + 1) * limit]
        if not rows:
            said = {"code": 404, "message": "No Service requests found"}
            return as_json({"error": said}, 404)
        return as_json([self.shown(r) for r in rows])

    def shown(self, row: Row) -> Row:
        return {("nid" if k == "service_request_id" else k): v for k, v in row.items()}


class TokenXml(City):
    """XML only; a token at first, a number once somebody asks a second time."""

    toml = """
[channel]
format = "xml"
key_env = "KEY"
key_place = "bearer"
key_on_reads = true
jurisdiction_id = "city.example"
jurisdiction_in = "query"
"""
    asked = 0

    def answer(self, call: Call) -> Answer:
        if call.headers.get("authorization") != "Bearer s3cret-key":
            return as_xml("errors", "error", [{"code": 403, "description": "key"}], 403)
        if call.query.get("jurisdiction_id") != "city.example" or not call.path.endswith(".xml"):
            return as_xml("errors", "error", [{"code": 400, "description": "jurisdiction"}], 400)
        path = call.path.removeprefix("/v2/").removesuffix(".xml")
        if path == "services":
            return as_xml("services", "service", self.services())
        if path == "requests" and call.method == "POST":
            row = self.add(call.args)
            return as_xml("service_requests", "request", [{"token": f"t-{row['lat']}"}])
        if path.startswith("tokens/"):
            self.asked += 1
            if self.asked == 1:
                return as_xml("errors", "error", [{"code": 404, "description": "not yet"}], 404)
            named = {"token": path[7:], "service_request_id": len(self.rows)}
            return as_xml("service_requests", "request", [named])
        rows = self.asked_for(path, call.query)
        return as_xml("service_requests", "request", rows, 200)


class NestedLists(City):
    """A list in a list in an object, each value alone in a list; no jurisdiction: an HTML page."""

    toml = """
[channel]
jurisdiction_id = "city.example"
jurisdiction_in = "both"
"""

    def answer(self, call: Call) -> Answer:
        if call.query.get("jurisdiction_id") != "city.example":
            return Answer(200, HTML_PAGE, HTML)
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return as_json({"services": [{"service": [self.alone(s) for s in self.services()]}]})
        if path == "requests" and call.method == "POST":
            rows = [self.add(call.args)]
        else:
            rows = self.asked_for(path, call.query)
        return as_json({"requests": [{"request": [self.alone(r) for r in rows]}]})

    def alone(self, row: Row) -> Row:
        return {k: [v] for k, v in row.items()}


class GoLike(City):
    """Takes a POST in JSON alone, with numbers for the place; `null` where a list is empty."""

    toml = """
[channel]
key_env = "KEY"
key_place = "header"
key_header = "X-API-Key"
post_body = "json"
[services.pothole.attributes]
WHERE = ["lane", "kerb"]
[dialect]
path_suffix = false
multivalue = "comma"
[[dialect.answers]]
status = 200
text = "null"
means = "none"
"""

    def services(self) -> list[Row]:
        return [{**s, "metadata": s["service_code"] == "7"} for s in super().services()]

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/")
        if path == "services":
            return as_json(self.services())
        if path == "services/7":
            values = [{"key": k, "name": k} for k in ("lane", "kerb")]
            asks = {"code": "WHERE", "required": True, "variable": True, "values": values}
            return as_json({"service_code": "7", "attributes": [asks]})
        if path == "requests" and call.method == "POST":
            return self.create(call)
        if path == "requests":
            return as_json(self.listed(call.query) or None)
        rows = self.by_id(path[9:])
        return as_json(rows[0]) if rows else Answer(404, "Not Found", "text/plain")

    def create(self, call: Call) -> Answer:
        if call.headers.get("x-api-key") != "s3cret-key":
            return Answer(401, "Unauthorized", "text/plain")
        if call.headers.get("content-type") != "application/json":
            return Answer(415, "Unsupported Media Type", "text/plain")
        asked = json.loads(call.body)
        at = (asked.get("lat"), asked.get("long"))
        if not all(isinstance(v, float) for v in at) or asked["attribute"] != {
            "WHERE": "lane,kerb"
        }:
            return Answer(422, "Unprocessable Entity", "text/plain")
        return as_json({"service_request_id": self.add(asked)["service_request_id"]}, 201)


class LaravelLike(City):
    """Its lists are under `data`; fifteen rows a page; what is wrong stands under its field."""

    toml = """
[channel]
key_env = "KEY"
fields = { title = "Pothole {ref}" }
[dialect]
wrappers = ["data"]
page = "page"
codes_together = false
[limits]
page_limit = 15
"""

    def __init__(self) -> None:
        super().__init__()
        for number in range(30):  # enough for pages
            self.add({"service_code": "7", "lat": 20.0 + number, "long": 20.0},
                     when=f"2026-09-{number + 1:02}T08:00:00+00:00")  # fmt: skip

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return as_json({"data": self.services()})
        if path == "requests" and call.method == "POST":
            return self.create(call)
        if path == "requests":
            page, rows = int(call.query.get("page", 1)), self.listed(call.query)
            return as_json({"data": rows[page * 15 - 15 : page * 15], "total": len(rows)})
        rows = self.by_id(path[9:])
        return as_json(
            {"data": rows[0]} if rows else {"message": "No results"}, 200 if rows else 404
        )

    def create(self, call: Call) -> Answer:
        missing = [n for n in ("api_key", "title", "lat") if n not in call.args]
        if missing:
            return as_json({n: [f"The {n} field is required."] for n in missing}, 422)
        row = self.add(call.args)
        return as_json({"service_request_id": str(row["service_request_id"]), "service_notice": ""})


class NodeLike(City):
    """Ten rows a call, from a row on; no filter by code; its own words for a status."""

    toml = """
[dialect]
filters = { start_date = "start_date", end_date = "end_date" }
status_words = { received = "open", done = "closed" }
page = "skip"
page_by = "row"
page_size = "limit"
[limits]
page_limit = 4
"""

    def __init__(self) -> None:
        super().__init__()
        for number in range(8):
            self.add({"service_code": "9", "lat": 20.0 + number, "long": 20.0},
                     when=f"2026-09-{number + 1:02}T08:00:00.123Z")  # fmt: skip

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return as_json(self.services())
        if path == "requests" and call.method == "POST":
            row = self.add(call.args)
            return as_json([{"service_request_id": row["service_request_id"]}], 201)
        if path == "requests":
            rows = self.listed(call.query, "service_code", "status")
            skip, limit = int(call.query.get("skip", 0)), int(call.query.get("limit", 10))
            return as_json([self.shown(r) for r in rows[skip : skip + limit]])
        rows = self.by_id(path[9:])
        said = {"error": {"message": "Not Found"}}
        return as_json([self.shown(r) for r in rows]) if rows else as_json(said, 404)

    def shown(self, row: Row) -> Row:
        words = {"open": "Received", "closed": "Done"}
        return {**row, "status": words[row["status"]]}


class JavaLike(City):
    """A missing jurisdiction is a 404; statuses in capitals; no dates after today; nanoseconds."""

    toml = """
[channel]
jurisdiction_id = "city.example"
jurisdiction_in = "query"
[dialect]
filters = { service_code = "service_code", status = "status", start_date = "start_date" }
status_values = { open = "OPEN", closed = "CLOSED" }
codes_together = false
"""

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if call.query.get("jurisdiction_id") != "city.example":
            return self.wrong(404, "Page Not Found")
        if path == "services":
            return as_json(self.services())
        if path == "requests" and call.method == "POST":
            if "jurisdiction_id" in call.args:
                return self.wrong(400, "Unknown property")
            row = self.add(call.args)
            return as_json([{"id": row["service_request_id"], "service_request_id":
                             row["service_request_id"], "token": None}])  # fmt: skip
        if path == "requests":
            late = call.query.get("end_date", "") > datetime.now(UTC).strftime(SECOND)
            if late or call.query.get("status", "OPEN") not in {"OPEN", "CLOSED"}:
                return self.wrong(400, "Failed to convert argument")
            query = {k: v.lower() if k == "status" else v for k, v in call.query.items()}
            return as_json([self.shown(r) for r in self.listed(query)])
        rows = self.by_id(path[9:])
        return as_json([self.shown(r) for r in rows]) if rows else self.wrong(404, "Not Found")

    def wrong(self, status: int, said: str) -> Answer:
        return as_json({"message": said, "_embedded": {"errors": [{"message": said}]}}, status)

    def shown(self, row: Row) -> Row:
        when = row["requested_datetime"].replace("Z", ".123456789Z")
        return {**row, "status": row["status"].upper(), "requested_datetime": when}


class SharpLike(City):
    """XML with a mark before it and namespaces in it; JSON in UTF-16; a 400 beyond 30 days."""

    toml = """
[channel]
format = "xml"
post_format = "json"
[limits]
lookback_days = 30
"""

    def answer(self, call: Call) -> Answer:
        path, _, kind = call.path.removeprefix("/v2/").rpartition(".")
        if path == "requests" and call.method == "POST":
            said = json.dumps(
                [{"service_request_id": float(self.add(call.args)["service_request_id"])}]
            )
            return Answer(200, said.encode("utf-16"), "application/json; charset=utf-16")
        if kind != "xml":
            return Answer(406, "")
        if path == "services":
            return self.marked("services", "service", self.services())
        since, until = (call.query.get(n) for n in ("start_date", "end_date"))
        if since and until and self.days(since, until) > 31:
            said = [{"code": 400, "description": "The range of dates is too long."}]
            return self.marked("errors", "error", said, 400)
        rows = self.asked_for(path, call.query)
        if path != "requests" and not rows:
            return self.marked("errors", "error", [{"code": 404, "description": "not found"}], 404)
        return self.marked("service_requests", "request", rows)

    def days(self, since: str, until: str) -> int:
        return (datetime.fromisoformat(until) - datetime.fromisoformat(since)).days

    def marked(self, root: str, name: str, rows: list[Row], status: int = 200) -> Answer:
        said = as_xml(root, name, rows, status)
        spaced = str(said.body).replace(f"<{root}>", f'<{root} xmlns="urn:x" xmlns:i="urn:y">')
        return Answer(status, b"\xef\xbb\xbf" + spaced.encode(), XML + "; charset=utf-8")


class ByHand(City):
    """JSON from a template, in Latin-1: codes as 007, a comma at the end; 204 for an empty list."""

    code, name = "007", "Schlaglöcher"
    toml = """
[services.pothole]
code = "007"
name = "Schlaglöcher"
[dialect]
[[dialect.answers]]
status = 204
means = "none"
[limits]
description_max = 140
"""

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return self.written(self.services())
        if path == "requests" and call.method == "POST":
            if len(call.args["description"]) > 140:
                return self.written([{"code": 400, "description": "zu lang"}], 400)
            return self.written([{"service_request_id": self.add(call.args)["service_request_id"]}])
        rows = self.asked_for(path, call.query)
        return self.written(rows) if rows else Answer(204, "")

    def written(self, rows: list[Row], status: int = 200) -> Answer:
        text = json.dumps(rows, ensure_ascii=False).replace('"007"', "007").replace("}]", "},\n]")
        text = text.replace("\\n", "\n")  # line ends stand in texts as they are
        return Answer(status, text.encode("latin-1"), JSON)


class Capitals(City):
    """Names in capitals; a list without filters, and no other way to see a request."""

    toml = """
[channel]
key_env = "KEY"
post_body = "json"
[services.pothole.attributes]
WHERE = "lane"
[dialect]
by_id = "query"
filters = {}
wrappers = ["data"]
"""

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return as_json([self.loud(s) for s in self.services()])
        if path == "requests" and call.method == "POST":
            asked = json.loads(call.body)
            if asked["api_key"] != "s3cret-key":
                return as_json({"data": None, "success": False}, 403)
            return as_json({"data": self.loud(self.add(asked)), "success": True})
        if path == "requests":
            return as_json([self.loud(r) for r in self.rows])
        return Answer(501, "501 Not Implemented", HTML)

    def loud(self, row: Row) -> Row:
        return {k.upper(): v.upper() if k == "status" else v for k, v in row.items()}


class RailsLike(City):
    """XML whose empty list has another name; 500 for a bad key; the list shows what is open."""

    toml = """
[channel]
format = "xml"
key_env = "KEY"
fields = { email = "streets@example.org", lon = "{long}" }
[dialect]
codes_together = false
lists = "open"
wrappers = ["nil_classes"]
status_words = { pending = "open" }
[[dialect.answers]]
status = 500
text = "api-key"
means = "key"
"""

    def answer(self, call: Call) -> Answer:
        path = call.path.removeprefix("/v2/").removesuffix(".xml")
        if path == "services":
            return self.dashed("services", "service", self.services())
        if path == "requests" and call.method == "POST":
            return self.create(call)
        query = call.query if path.startswith("requests/") else {"status": "open", **call.query}
        rows = self.listed(query) if path == "requests" else self.by_id(path[9:])
        if path != "requests" and not rows:
            return self.wrong(404, "record_not_found")
        return self.dashed("service-requests", "request", rows)

    def create(self, call: Call) -> Answer:
        if call.args.get("api_key") != "s3cret-key":
            return self.wrong(500, "api-key is not valid")
        if "email" not in call.args or "lon" not in call.args:
            return self.wrong(422, "Validation failed: email")
        row = self.add(call.args)
        return self.dashed("request", "", [{"service_request_id": row["service_request_id"]}], 201)

    def wrong(self, status: int, said: str) -> Answer:
        rows = [{"code": status, "description": said}]
        return self.dashed("error-messages", "error-message", rows, status)

    def dashed(self, root: str, name: str, rows: list[Row], status: int = 200) -> Answer:
        if not rows:
            return Answer(status, '<?xml version="1.0"?><nil-classes type="array"/>', XML)
        shown = [{k.replace("_", "-"): v for k, v in r.items()} for r in rows]
        said = as_xml(root, name, shown, status)
        return replace(said, body=str(said.body).replace("<>", "").replace("</>", ""))


FAMILIES: dict[str, type[City]] = {
    "django": DjangoLike, "perl": PerlLike, "php": PhpLike, "drupal": DrupalLike,
    "token": TokenXml, "nested": NestedLists, "go": GoLike, "laravel": LaravelLike,
    "node": NodeLike, "java": JavaLike, "sharp": SharpLike, "by-hand": ByHand,
    "capitals": Capitals, "rails": RailsLike,
}  # fmt: skip
