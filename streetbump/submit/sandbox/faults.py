"""What goes wrong at the practice city: one table of faults, and the rules that say when.

A fault changes an answer at one of four places: the dialect it is made in, its rows, its bytes, or
the way it goes over the wire. Nothing else in the city knows a fault by name.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal
from xml.sax.saxutils import quoteattr

import msgspec
from msgspec import Meta

from streetbump.submit.sandbox import wire
from streetbump.submit.sandbox.answers import HTML, ID_FIELDS, JSON, Answer, page
from streetbump.submit.sandbox.dialect import Dialect
from streetbump.submit.sandbox.ledger import Row

FaultName = Literal[
    "", "status", "500_stored", "500_not_stored", "429", "deadlock", "blocked", "redirect",
    "html_200", "empty_200", "empty_list",
    "token", "id_and_token", "blank_id", "null_id", "no_id", "long_id", "twice", "others",
    "other_id", "other_token", "lost",
    "malformed", "nan", "deep", "bom", "utf16", "wrong_type", "dtd", "xml_bomb", "xxe",
    "broken_deflate",
    "drop", "drop_stored", "drop_unread", "drop_mid_body", "end", "timeout_after_accept",
    "timeout_not_stored", "drip", "endless_head", "truncated", "chunk_cut", "chunk_garbage",
    "huge", "gzip_bomb", "garbage",
]  # fmt: skip
CallKind = Literal["create", "list", "one", "token", "services", "definition", "discovery"]
Occasion = Literal["create", "read", "all", "list", "one", "token", "services", "definition"]


def _says(meaning: str, **limits: Any) -> Meta:
    return Meta(description=meaning, **limits)


class Faults(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule: what goes wrong, with which calls, how often.

    >>> Faults(fault="500_not_stored", on="all", share=0.5).times
    -1
    """

    fault: Annotated[FaultName, _says("what goes wrong; empty: nothing")] = ""
    among: Annotated[
        tuple[FaultName, ...], _says("one of these instead, drawn anew each time")
    ] = ()
    on: Annotated[
        Occasion, _says("with which calls; `read` is every call but the POST of a request")
    ] = "create"
    times: Annotated[int, _says("how often; -1 is until switched", ge=-1)] = -1
    share: Annotated[float, _says("share of the calls it strikes, drawn by the city's seed",
                                  ge=0, le=1)] = 1.0  # fmt: skip
    min_parallel: Annotated[
        int, _says("only while so many calls of the kind are under way", ge=1)
    ] = 1
    stored: Annotated[
        bool | None, _says("whether the POST is stored, other than in the table below")
    ] = None
    status: Annotated[
        int,
        _says("another status than the usual 503, 500, 429, 400 or 307; 0: as usual", ge=0, le=599),
    ] = 0
    retry_after_s: Annotated[int, _says("Retry-After of `429`, s")] = 1
    retry_after: Annotated[
        str, _says("Retry-After as it is to stand there: a date, -5, 1e9, soon; with `status` too")
    ] = ""
    delay_s: Annotated[float, _says("how long a silence is", ge=0, le=3600)] = 120.0
    pause_s: Annotated[
        float, _says("between two bytes of `drip`, two lines of `endless_head`", ge=0, le=60)
    ] = 0.9
    location: Annotated[
        str, _says("where `redirect` points, and the entity of `xxe` if it is a full address")
    ] = "/elsewhere/requests.json"


DEADLOCKS = (
    Faults(fault="deadlock", min_parallel=4, share=0.35),
    Faults(fault="deadlock", min_parallel=2, share=0.1),
)
"""As often as a server in PHP was seen to give up, at four and at two POSTs in parallel."""


@dataclass(frozen=True)
class Scene:
    """What a change may look at: the rule, and the city's other requests, as it shows them."""

    fault: Faults
    others: tuple[Row, ...] = ()


@dataclass(frozen=True)
class Trouble:
    """What a fault is.

    Attributes
    ----------
    meaning : str
        For people.
    stored : bool
        Whether the request of a POST is held afterwards.
    dialect : dict
        Switches of the dialect for this call.
    rows, answer : callable or None
        Change the rows of the answer, or its bytes.
    wire : callable
        Puts the answer on the wire.
    reads : int or None
        How much of a body is read first: 0 nothing, None all of it.
    """

    meaning: str
    stored: bool = True
    dialect: dict[str, Any] = field(default_factory=dict)
    rows: Callable[[Sequence[Row], Scene], Sequence[Row]] | None = None
    answer: Callable[[Answer, Scene], Answer] | None = None
    wire: Callable[[wire.Wire, Answer, wire.Pace], None] = wire.whole
    reads: int | None = None


# ------------------------------------------------------------------------------------------- rows


def _with(**values: Any) -> Callable[[Sequence[Row], Scene], Sequence[Row]]:
    return lambda rows, scene: [{**row, **values} for row in rows]


def _without_id(rows: Sequence[Row], scene: Scene) -> Sequence[Row]:
    return [{k: v for k, v in row.items() if k not in ID_FIELDS} for row in rows]


# ---------------------------------------------------------------------------------------- answers


def _status(default: int, text: str, *, patient: bool = False) -> Callable[[Answer, Scene], Answer]:
    """An error in the standard's shape, and a Retry-After where asked for."""

    def change(answer: Answer, scene: Scene) -> Answer:
        fault = scene.fault
        status = fault.status or default
        wait = fault.retry_after or (str(fault.retry_after_s) if patient else "")
        headers = (("Retry-After", wait),) if wait else ()
        error = msgspec.json.encode([{"code": status, "description": text}])
        return Answer(status, error, JSON, headers)

    return change


def _redirect(answer: Answer, scene: Scene) -> Answer:
    status = scene.fault.status or 307
    return Answer(status, b"", HTML, (("Location", scene.fault.location),))


def _body(change: Callable[[bytes], bytes], *, type: str = "") -> Callable[[Answer, Scene], Answer]:  # noqa: A002  # a content type
    return lambda answer, scene: replace(
        answer, body=change(answer.body), content_type=type or answer.content_type
    )


def _wrong_type(answer: Answer, scene: Scene) -> Answer:
    said = "text/xml" if answer.content_type == JSON else JSON
    return replace(answer, content_type=said)


def _utf16(answer: Answer, scene: Scene) -> Answer:
    text = answer.body.decode().replace('encoding="utf-8"', 'encoding="utf-16"')
    return replace(
        answer, body=text.encode("utf-16"), content_type=f"{answer.content_type}; charset=utf-16"
    )


def _document(declared: str, text: str) -> bytes:
    return (
        f'<?xml version="1.0"?><!DOCTYPE service_requests [{declared}]><service_requests><request>'
        f"<service_request_id>{text}</service_request_id></request></service_requests>"
    ).encode()


def _laughs(body: bytes) -> bytes:
    """Ten entities of ten, nine deep: a thousand million words."""
    levels = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return _document(f'<!ENTITY a0 "ha">{levels}', "&a9;")


def _xxe(answer: Answer, scene: Scene) -> Answer:
    where = scene.fault.location if "://" in scene.fault.location else "file:///etc/hostname"
    return replace(
        answer,
        body=_document(f"<!ENTITY x SYSTEM {quoteattr(where)}>", "&x;"),
        content_type="text/xml",
    )


def _with_header(name: str, value: str) -> Callable[[Answer, Scene], Answer]:
    return lambda answer, scene: replace(answer, headers=(*answer.headers, (name, value)))


def _page(status: int, text: str) -> Callable[[Answer, Scene], Answer]:
    return lambda answer, scene: page(status, text)


TROUBLES: dict[FaultName, Trouble] = {
    "": Trouble("nothing"),
    # statuses
    "status": Trouble("`status`, such as 502, 503, 409", stored=False,
                      answer=_status(503, "not now")),
    "500_stored": Trouble("500, although the request was taken",
                          answer=_status(500, "something went wrong")),
    "500_not_stored": Trouble("500", stored=False, answer=_status(500, "something went wrong")),
    "429": Trouble("429 with Retry-After", stored=False,
                   answer=_status(429, "too many requests", patient=True)),
    "deadlock": Trouble("400 that would not come again", stored=False,
                        answer=_status(400, "Deadlock found; try restarting transaction")),
    "blocked": Trouble("403 with a page, as bot protection gives", stored=False,
                       answer=_page(403, "Checking your browser")),
    "redirect": Trouble("a redirect to `location`", stored=False, answer=_redirect),
    "html_200": Trouble("a page for people with status 200", stored=False,
                        answer=_page(200, "Maintenance")),
    "empty_200": Trouble("200 without a body", answer=lambda a, s: Answer(200, b"", JSON)),
    "empty_list": Trouble("success with no request in it", rows=lambda rows, s: []),
    # ids
    "token": Trouble("a token instead of an id", dialect={"tokens": "yes"}),
    "id_and_token": Trouble("an id and a token", dialect={"tokens": "both"}),
    "blank_id": Trouble("an empty id", rows=_with(service_request_id="")),
    "null_id": Trouble("null for an id", rows=_with(service_request_id=None)),
    "no_id": Trouble("a request without an id", rows=_without_id),
    "long_id": Trouble("an id of 10 MiB", rows=lambda rows, s: _with(
        service_request_id="9" * (10 << 20))(rows, s)),
    "twice": Trouble("the same request twice in the answer", rows=lambda rows, s: [*rows, *rows]),
    "others": Trouble("200 with everybody's other requests", stored=False,
                      dialect={"success": 200}, rows=lambda rows, s: s.others),
    "other_id": Trouble("the id of somebody else's request, where there is one", stored=False,
                        rows=lambda rows, s: s.others[:1] or rows),
    "other_token": Trouble("another token than was asked for",
                           rows=_with(token="T-other", service_request_id="PC-other")),  # noqa: S106
    "lost": Trouble("success, and nothing was taken", stored=False),
    # bytes
    "malformed": Trouble("half of the document",
                         answer=_body(lambda body: body[: len(body) // 2])),
    "nan": Trouble("JSON with NaN and 1e999 for numbers",
                   answer=_body(lambda body: b'[{"service_request_id": NaN, "lat": 1e999}]',
                                type=JSON)),
    "deep": Trouble("JSON nested 100,000 deep",
                    answer=_body(lambda body: b"[" * 100_000 + b"]" * 100_000, type=JSON)),
    "bom": Trouble("a byte order mark first", answer=_body(lambda body: b"\xef\xbb\xbf" + body)),
    "utf16": Trouble("UTF-16", answer=_utf16),
    "wrong_type": Trouble("JSON called XML, or XML called JSON", answer=_wrong_type),
    "dtd": Trouble("XML with a document type of its own", answer=_body(
        lambda body: _document("<!ELEMENT request ANY>", "1"), type="text/xml")),
    "xml_bomb": Trouble("XML whose entities open to 2 GB", answer=_body(_laughs, type="text/xml")),
    "xxe": Trouble("XML that wants a file, or an address, read into it", answer=_xxe),
    "broken_deflate": Trouble("said to be deflated, and is not",
                              answer=_with_header("Content-Encoding", "deflate")),
    # the wire
    "drop": Trouble("a reset after the request was read", stored=False, wire=wire.reset),
    "drop_stored": Trouble("a reset after it was taken", wire=wire.reset),
    "drop_unread": Trouble("a reset before the body is read", stored=False, wire=wire.reset,
                           reads=0),
    "drop_mid_body": Trouble("a reset after ten bytes of the body", stored=False, wire=wire.reset,
                             reads=10),
    "end": Trouble("the connection ends without an answer", stored=False, wire=wire.end),
    "timeout_after_accept": Trouble("nothing is said", wire=wire.silence),
    "timeout_not_stored": Trouble("nothing is said", stored=False, wire=wire.silence),
    "drip": Trouble("one byte every `pause_s`", wire=wire.drip),
    "endless_head": Trouble("a header every `pause_s`, without an end", wire=wire.endless_head),
    "truncated": Trouble("half of the body that was promised", wire=wire.truncated),
    "chunk_cut": Trouble("a chunk shorter than it says", wire=wire.chunk_cut),
    "chunk_garbage": Trouble("chunk sizes that are no numbers", wire=wire.chunk_garbage),
    "huge": Trouble("a body of 1 GiB", wire=wire.huge),
    "gzip_bomb": Trouble("1 MB of gzip that opens to 1 GiB", wire=wire.gzip_bomb),
    "garbage": Trouble("bytes that are no HTTP", stored=False, wire=wire.garbage),
}  # fmt: skip


def switches(fault: Faults, dialect: Dialect) -> Dialect:
    """The dialect in which the answer with this fault is made."""
    return msgspec.structs.replace(dialect, **TROUBLES[fault.fault].dialect)


# ------------------------------------------------------------------------------------------ rules


class Mishaps:
    """The rules in force, and the chance they go by.

    >>> mishaps = Mishaps(seed=1)
    >>> mishaps.set((Faults(fault="429", times=1),))
    >>> [mishaps.strike("create", parallel=1).fault for _ in range(2)]
    ['429', '']
    """

    def __init__(self, seed: int = 0) -> None:
        self._lock = threading.Lock()
        self._rules: list[Faults] = []
        self.seed(seed)

    def seed(self, seed: int) -> None:
        """Begin the same chances again."""
        self._chance = random.Random(seed)  # noqa: S311  # play, not secrecy

    def set(self, rules: Sequence[Faults]) -> None:
        """What goes wrong from now on."""
        with self._lock:
            self._rules = list(rules)

    def rules(self) -> tuple[Faults, ...]:
        """The rules, with what is left of their `times`."""
        with self._lock:
            return tuple(self._rules)

    def strike(self, kind: CallKind, *, parallel: int) -> Faults:
        """The rule that strikes this call, counted; one without a fault when none does.

        Parameters
        ----------
        parallel : int
            Calls of this kind under way, this one included.
        """
        with self._lock:
            for i, rule in enumerate(self._rules):
                if self._strikes(rule, kind, parallel):
                    if rule.times > 0:
                        self._rules[i] = msgspec.structs.replace(rule, times=rule.times - 1)
                    name = self._chance.choice(rule.among) if rule.among else rule.fault
                    return msgspec.structs.replace(rule, fault=name)
        return Faults()

    def _strikes(self, rule: Faults, kind: CallKind, parallel: int) -> bool:
        meant = {kind, "all", "create" if kind == "create" else "read"}
        if rule.times == 0 or rule.on not in meant or parallel < rule.min_parallel:
            return False
        return rule.share >= 1 or self._chance.random() < rule.share
