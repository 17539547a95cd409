"""How well a profile fits its city: asked by reads alone, with the key of the profile to mend it.

Nothing is created. What a list proves about a filter is kept apart from what it leaves open: a
city without requests proves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec

from streetbump.cityprofile import (
    REQUEST_FIELDS,
    Answer,
    CityProfile,
    Dialect,
    GeoReportChannel,
    ServiceCode,
)
from streetbump.errors import CityError
from streetbump.model import (
    CityRequest,
    CityService,
    JoltClass,
    PlaceState,
    Reply,
    ServiceRequest,
    utc_text,
)
from streetbump.submit.compose import compose, marker
from streetbump.submit.dialect import Wanted, list_arguments, page_arguments, post_url
from streetbump.submit.outcome import is_open, means, rows_of, status_of, what_it_says
from streetbump.submit.plan import PlaceFacts
from streetbump.submit.reading import Question, fields_of, read_questions, read_services
from streetbump.submit.routing import City, middle
from streetbump.submit.talk import (
    PAGE_SIZES,
    CityClient,
    Existing,
    answers_problem,
    find_existing,
    problem_of,
    read_status,
    type_of,
)

State = Literal["ok", "note", "deviates", "fails"]

_LIKELY_NAMES = {
    JoltClass.POTHOLE: (
        "pothole",
        "pot hole",
        "schlagloch",
        "schlaglöch",
        "bache",
        "road surface",
        "fahrbahn",
    ),
    JoltClass.CASTING: ("manhole", "utility cover", "iron", "schacht", "tapa", "arqueta"),
    JoltClass.HUMP: ("speed hump", "speed bump", "schwelle", "reductor"),
}
"""Words in a service's name that make it a candidate for a class; a person decides."""

_SHORT = 200
"""Characters of an answer that may be all that a city says of an empty list. Ours."""

_DAY = timedelta(days=1)
_Holds = Callable[[CityRequest], bool]


@dataclass(frozen=True)
class Finding:
    """What one question to the city showed.

    Attributes
    ----------
    asked, said : str
        What was looked at, and what came of it.
    mend : tuple of (table, line)
        Lines of TOML for tables of the profile that would mend it; empty when nothing would.
    """

    asked: str
    state: State
    said: str
    mend: tuple[tuple[str, str], ...] = ()


def probe(
    connect: Callable[[CityProfile], CityClient], city: City, *, now_utc: datetime
) -> Iterator[Finding]:
    """Each finding about a city, as it is made. Reads only: nothing is created.

    Parameters
    ----------
    connect : callable
        A client for a profile; called again for variants of it, which must share one pace.
    """
    probing = _Probe(connect, city.profile, now_utc, middle(city))
    for part in (probing.services, probing.discovery, probing.classes, probing.listing,
                 probing.filters, probing.search, probing.one, probing.sample):  # fmt: skip
        yield from part()
        if probing.stopped:
            return


def mended(findings: Iterable[Finding]) -> str:
    """The lines of all findings as TOML, table by table; empty when there are none.

    A table whose name is in brackets already is one of a list, as ``[[dialect.answers]]``. Of two
    lines for one key the later counts: it was found with the earlier in place.

    >>> print(mended([Finding("list", "deviates", "", (("dialect", "page = 'page'"),))]))
    [dialect]
    page = 'page'
    """
    tables: dict[tuple[str, int], dict[str, str]] = {}
    for number, finding in enumerate(findings, 1):
        for table, line in finding.mend:
            block = (table, number if table.startswith("[") else 0)
            tables.setdefault(block, {})[line.partition(" = ")[0]] = line
    return "\n\n".join("\n".join([f"[{t}]", *lines.values()]) for (t, _), lines in tables.items())


@dataclass
class _Probe:
    """One look at one city. `profile` is mended on the way, so that later parts can go on."""

    connect: Callable[[CityProfile], CityClient]
    profile: CityProfile
    now_utc: datetime
    here: tuple[float, float]  # latitude and longitude of the sample
    stopped: bool = False
    _listed: dict[str, CityService] = field(default_factory=dict)
    _rows: tuple[CityRequest, ...] = ()
    _window: Wanted = field(default_factory=Wanted)  # the time that a list must be asked for

    @property
    def _client(self) -> CityClient:
        return self.connect(self.profile)

    # ----------------------------------------------------------------------- services

    def services(self) -> Iterator[Finding]:
        """The service list, under the profile's address or a likely variant of it."""
        first, reply = self._services_of(self.profile)
        if not first:
            yield Finding("service list", "ok", f"{len(self._listed)} services")
            return
        if reply.status not in {401, 403} and reply.failure != "not_connected":
            own = self.profile
            labels = (_with_dialect(own, mislabelled=True), (("dialect", "mislabelled = true"),))
            for variant, mend in (labels, *_wrapped(own, reply), *_variants(own)):
                if not self._services_of(variant)[0]:
                    self.profile = variant
                    yield Finding("service list", "deviates", first, mend)
                    return
        self.stopped = True
        hint = "; if it wants the key: channel.key_on_reads" if reply.status in {401, 403} else ""
        yield Finding("service list", "fails", first + hint)

    def _services_of(self, profile: CityProfile) -> tuple[str, Reply]:
        reply = self.connect(profile).services()
        problem = problem_of(reply, profile.dialect)
        if problem:
            return problem, reply
        try:
            services = read_services(reply.body, type_of(reply), dialect=profile.dialect)
        except CityError as exc:
            return str(exc), reply
        self._listed = {s.code: s for s in services}
        return ("" if services else "the list is empty"), reply

    def discovery(self) -> Iterator[Finding]:
        """What the city says of itself; nothing depends on it."""
        reply = self._client.discovery()
        if problem_of(reply, self.profile.dialect):
            yield Finding("discovery", "note", "none; it is not needed")
            return
        text = reply.body.decode("utf-8", "replace")
        host = urlsplit(getattr(self.profile.channel, "endpoint", "")).hostname or ""
        elsewhere = "" if host in text else "; it names other addresses: ask the city which counts"
        yield Finding("discovery", "note", f"{len(reply.body)} bytes{elsewhere}")

    # ----------------------------------------------------------------------- classes

    def classes(self) -> Iterator[Finding]:
        """Every class of the profile: its code, its name, its questions."""
        for cls, service in self.profile.services.items():
            row = self._listed.get(service.code)
            if row is None:
                yield from self._unlisted(cls, service)
            elif " ".join(row.name.split()).casefold() != " ".join(service.name.split()).casefold():
                said = f"{service.code} is called {row.name!r}, not {service.name!r}"
                mend = ((f"services.{cls.value}", f"name = {_quoted(row.name)}"),)
                yield Finding(f"service of {cls.value}", "fails", said, mend)
            else:
                yield Finding(
                    f"service of {cls.value}", "ok", f"{row.code} {row.name!r}{_kind(row)}"
                )
                yield from self._questions(cls, service, row)

    def _unlisted(self, cls: JoltClass, service: ServiceCode) -> Iterator[Finding]:
        """A code that is not listed; with the likeliest one in its place, its questions."""
        words = _LIKELY_NAMES.get(cls, ())
        listed = list(self._listed.values())
        likely = [s for s in listed if any(word in s.name.casefold() for word in words)]
        named = ", ".join(f"{s.code} {s.name!r}" for s in (likely or listed)[:8])
        said = f"code {service.code!r} is not in the list; there is {named}"
        table = f"services.{cls.value}"
        if not likely:
            yield Finding(f"service of {cls.value}", "fails", said)
            return
        row = likely[0]
        mend = ((table, f"code = {_quoted(row.code)}"), (table, f"name = {_quoted(row.name)}"))
        yield Finding(f"service of {cls.value}", "fails", said, mend)
        likeliest = msgspec.structs.replace(service, code=row.code, name=row.name)
        yield from self._questions(cls, likeliest, row)

    def _questions(
        self, cls: JoltClass, service: ServiceCode, row: CityService
    ) -> Iterator[Finding]:
        if not (row.metadata or service.attributes):
            return
        asked = f"questions of {cls.value}"
        reply = self._client.service(service.code)
        problem = problem_of(reply, self.profile.dialect)
        try:
            body = b"[]" if problem else reply.body
            questions = read_questions(body, type_of(reply), dialect=self.profile.dialect)
        except CityError as exc:
            problem = str(exc)
        if problem:
            said = f"{problem}; requests go out with the profile's answers, unchecked"
            yield Finding(asked, "deviates", said)
            return
        wrong = answers_problem(questions, service)
        if not wrong:
            yield Finding(asked, "ok", f"{len(questions)} questions, what is required is answered")
            return
        lines = [_answer_line(q) for q in questions
                 if q.asked and q.required and q.code not in service.attributes]  # fmt: skip
        mend = tuple((f"services.{cls.value}.attributes", line) for line in lines)
        yield Finding(asked, "fails", "; ".join(wrong), mend)

    # ----------------------------------------------------------------------- the list

    def listing(self) -> Iterator[Finding]:
        """The list of requests without any filter: whether it can be read, and how it looks."""
        reply = self._client.requests(**page_arguments(self.profile, 0))
        if means(reply, self.profile.dialect) == "none":
            yield Finding("list", "ok", "there are no requests, as this city says it")
            return
        problem, self._rows = _read(reply, self.profile)
        if problem:
            for variant, mend in _wrapped(self.profile, reply):
                said, rows = _read(reply, variant)
                if not said:
                    yield Finding("list", "deviates", problem, mend)
                    self.profile, self._rows, problem = variant, rows, ""
                    break
        if problem:
            yield self._bad_list(reply, problem)
            return
        yield Finding("list", "ok", f"{len(self._rows)} requests")
        yield from self._shape(reply)
        yield from self._words()
        size, limit = len(self._rows), self.profile.limits.page_limit
        if limit is None and (size in PAGE_SIZES or size > 1000):
            said = f"{size} requests look like a page; has the list more?"
            yield Finding("length of the list", "deviates", said,
                          (("limits", f"page_limit = {size}"),))  # fmt: skip

    def _bad_list(self, reply: Reply, problem: str) -> Finding:
        none = self._none("list", reply, problem)
        if none is not None:
            return none
        if reply.failure == "too_large":
            line = ("limits", "body_limit_bytes = 16777216")
            return Finding("list", "fails", f"{problem}: its pages, or a higher limit", (line,))
        days = self.profile.limits.lookback_days
        window = Wanted(since=self.now_utc - days * _DAY, until=self.now_utc)
        said, rows = self._asked(self.profile, window)
        if 400 <= (reply.status or 0) < 500 and not said:
            self._rows, self._window = rows, window
            return Finding("list", "note", f"{problem}; a window of {days} days can be read")
        week = Wanted(since=self.now_utc - 7 * _DAY, until=self.now_utc + _DAY)
        self._rows = self._asked(self.profile, week)[1]
        if self._rows:
            said = f"{problem}: one bad record may spoil it; the last 7 days can be read"
            return Finding("list", "fails", said, (("limits", "lookback_days = 7"),))
        return Finding("list", "fails", problem)

    def _none(self, asked: str, reply: Reply, problem: str) -> Finding | None:
        """The finding that this is how the city says "none", which the profile then knows."""
        whole = reply.body.decode("utf-8", "replace").strip()
        texts = {404: what_it_says(reply)[:60] if whole else "", 200: whole, 204: whole}
        text = texts.get(reply.status or 0, "")
        if reply.failure or "html" in type_of(reply) or len(text) > _SHORT:
            return None
        if bool(text) == (reply.status == 204) or (reply.status == 200 and "error" in text.lower()):
            return None
        status = reply.status or 0
        answers = (*self.profile.dialect.answers, Answer(status=status, text=text, means="none"))
        self.profile = _with_dialect(self.profile, answers=answers)
        lines = [f"status = {status}", 'means = "none"  # if it says so']
        lines[1:1] = [f"text = {_quoted(text)}"] if text else []
        said = f"{problem}: an empty list, if that is what it says"
        return Finding(asked, "deviates", said, tuple(("[dialect.answers]", ln) for ln in lines))

    def _shape(self, reply: Reply) -> Iterator[Finding]:
        raw = fields_of(reply.body, type_of(reply), dialect=self.profile.dialect)
        if not raw or not self._rows:
            return
        names = sorted({name for row in raw for name in row})
        shown = f"the fields are {', '.join(names[:30])}"
        if not any(r.request_id or r.token for r in self._rows):
            likely = next((n for n in names if n.endswith("id") and n not in REQUEST_FIELDS), "")
            mend = (("dialect.aliases", f'{likely} = "service_request_id"'),) if likely else ()
            yield Finding("ids", "fails", f"no request has an id; {shown}", mend)
        if not any(r.lat_deg is not None for r in self._rows):
            yield Finding("places", "fails", f"no request has a place; {shown}",
                          (("dialect.aliases", '"NAME" = "lat"'),))  # fmt: skip
        timed = any(str(row.get("requested_datetime") or "") for row in raw)
        if timed and not any(r.requested_utc for r in self._rows):
            yield Finding("times", "deviates", "have no zone",
                          (("dialect", "zone_of_naive = true"),))  # fmt: skip

    def _words(self) -> Iterator[Finding]:
        words = Counter(r.status for r in self._rows if r.status)
        unknown = [w for w in words if not status_of(self._rows_with(w)[0], self.profile.dialect)]
        if unknown:
            said = f"{', '.join(sorted(unknown))}: taken for open until the profile says otherwise"
            mend = tuple(("dialect.status_words", f'{_quoted(w)} = "open"  # or closed, duplicate, '
                          "referred: ask the city") for w in sorted(unknown))  # fmt: skip
            yield Finding("status words", "deviates", said, mend)

    def _rows_with(self, status: str) -> Sequence[CityRequest]:
        return [r for r in self._rows if r.status == status]

    # ----------------------------------------------------------------------- filters

    def filters(self) -> Iterator[Finding]:
        """Each filter of the profile alone: kept to, ignored, refused, or not to be told."""
        yield from self._empty()
        dialect, bad = self.profile.dialect, []
        for name, (wanted, keeps, fits) in self._trials().items():
            if name not in dialect.filters:
                continue
            sure = [r.request_id or r.token for r in self._rows if fits(r)]
            problem, rows = self._tried(self.profile, wanted, sure)
            if name == "status":
                problem = problem or self._lost_by_open()
            if problem and name in {"start_date", "end_date"}:
                others = (self._styled(style) for style in ("offset", "naive", "sql", "date"))
                other = next((p for p in others if not self._tried(p, wanted, sure)[0]), None)
                if other is not None:
                    self.profile = other
                    mend = (("dialect", f'date_style = "{other.dialect.date_style}"'),)
                    yield Finding(f"filter {name}", "deviates", problem, mend)
                    problem, rows = self._tried(other, wanted, sure)
            if problem:
                bad.append(name)
                yield Finding(f"filter {name}", "deviates", problem)
            elif not all(keeps(r) for r in rows):
                bad.append(name)
                yield Finding(f"filter {name}", "deviates", "ignored: rows outside it came back")
            elif all(keeps(r) for r in self._rows):
                yield Finding(f"filter {name}", "note", "not to be told by what the city holds")
            else:
                yield Finding(f"filter {name}", "ok", f"kept to, {len(rows)} requests")
        if bad:
            kept = {k: v for k, v in dialect.filters.items() if k not in bad}
            self.profile = _with_dialect(self.profile, filters=kept)
            said = f"left without {', '.join(bad)}: rows are filtered again here in any case"
            yield Finding("filters", "deviates", said, (_filters_line(kept),))

    def _lost_by_open(self) -> str:
        """What asking for open requests leaves out: a city may have another word for them."""
        dialect = self.profile.dialect
        wanted = Wanted(status="open")
        sure = [r.request_id or r.token for r in self._rows if status_of(r, dialect) == "open"]
        problem, rows = self._tried(self.profile, wanted, sure)
        maybe = [r for r in self._rows if r.status and is_open(r, dialect)]
        if maybe and not (problem or rows):
            asked = list_arguments(self.profile, wanted)[dialect.filters["status"]]
            return f"nothing came back for {asked!r}, though {len(maybe)} listed may be open"
        return problem

    def _empty(self) -> Iterator[Finding]:
        """How the city says that there is nothing: asked for a day before there was any city."""
        day = datetime(1990, 1, 1, tzinfo=UTC)
        arguments = list_arguments(self.profile, Wanted(since=day, until=day + _DAY))
        reply = self._client.requests(**arguments, **page_arguments(self.profile, 0))
        if means(reply, self.profile.dialect) == "none":
            return
        problem, _ = _read(reply, self.profile)
        none = self._none("empty list", reply, problem) if problem else None
        if none is not None:
            yield none

    def _trials(self) -> dict[str, tuple[Wanted, _Holds, _Holds]]:
        """A question for each filter, what all rows of an honest answer are, what must be in it."""
        dialect = self.profile.dialect
        codes = Counter(r.service_code for r in self._rows if r.service_code)
        own = self._own_code()
        rarest = min(codes, key=lambda c: (codes[c], c), default=own)
        code = own if 0 < codes[own] < len(self._rows) else rarest
        times = sorted(r.requested_utc for r in self._rows if r.requested_utc)
        middle = datetime.fromisoformat(times[len(times) // 2]) if times else self.now_utc
        at, before, after = (utc_text(middle + d) for d in (0 * _DAY, -_DAY, _DAY))
        hour = timedelta(hours=1)
        return {
            "service_code": (
                Wanted((code,)),
                lambda r: r.service_code in {"", code},
                lambda r: r.service_code == code,
            ),
            "status": (
                Wanted(status="closed"),
                lambda r: status_of(r, dialect) != "open",
                lambda r: status_of(r, dialect) == "closed",
            ),
            "start_date": (
                Wanted(since=middle - hour),
                lambda r: r.requested_utc is None or r.requested_utc > before,
                lambda r: r.requested_utc is not None and r.requested_utc >= at,
            ),
            "end_date": (
                Wanted(until=middle + hour),
                lambda r: r.requested_utc is None or r.requested_utc < after,
                lambda r: r.requested_utc is not None and r.requested_utc <= at,
            ),
        }

    def _own_code(self) -> str:
        return next(iter(self.profile.services.values())).listed_as[0]

    def _asked(self, profile: CityProfile, wanted: Wanted) -> tuple[str, tuple[CityRequest, ...]]:
        since, until = wanted.since or self._window.since, wanted.until or self._window.until
        asked = replace(wanted, since=since, until=until)
        arguments = {**list_arguments(profile, asked), **page_arguments(profile, 0)}
        reply = self.connect(profile).requests(**arguments)
        return ("", ()) if means(reply, profile.dialect) == "none" else _read(reply, profile)

    def _tried(
        self, profile: CityProfile, wanted: Wanted, sure: Sequence[str | None]
    ) -> tuple[str, tuple[CityRequest, ...]]:
        """The answer to a filter; a problem where it lacks listed requests that fit."""
        problem, rows = self._asked(profile, wanted)
        limit = profile.limits.page_limit
        full = len(rows) >= limit if limit else len(rows) in PAGE_SIZES
        missing = set(sure) - {r.request_id or r.token for r in rows}
        if problem:
            return f"refused: {problem}", rows
        if sure and not rows:
            return f"nothing came back, though {len(sure)} listed requests fit it", rows
        if missing and not full:
            said = f"{len(missing)} of {len(sure)} listed requests that fit it did not come back"
            return said, rows
        return "", rows

    def _styled(self, style: str) -> CityProfile:
        return _with_dialect(self.profile, date_style=style)

    # ----------------------------------------------------------------------- the search

    def search(self) -> Iterator[Finding]:
        """The search for an open request nearby, just as it comes before each request."""
        asked = "search before sending"
        found = self._found(self.profile)
        if found.certain:
            yield Finding(asked, "ok", found.why or "an empty answer can be trusted")
            return
        without = {k: v for k, v in self.profile.dialect.filters.items() if k != "end_date"}
        month = msgspec.structs.replace(self.profile.limits, lookback_days=30)
        for variant, line in (
            (_with_dialect(self.profile, filters=without), _filters_line(without)),
            (msgspec.structs.replace(self.profile, limits=month), ("limits", "lookback_days = 30")),
        ):
            if self._found(variant).certain:
                self.profile = variant
                yield Finding(asked, "deviates", found.why, (line,))
                return
        yield Finding(asked, "fails", f"nothing would be sent: {found.why}")

    def _found(self, profile: CityProfile) -> Existing:
        request = self._composed()
        return find_existing(self.connect(profile), request, profile, now_utc=self.now_utc)

    # ----------------------------------------------------------------------- one request

    def one(self) -> Iterator[Finding]:
        """One listed request by its id."""
        request_id = next((r.request_id for r in self._rows if r.request_id is not None), None)
        if request_id is None:
            yield Finding("one request", "note", "the list shows none to ask for")
            return
        status = read_status(self._client, request_id, self.profile)
        if status.row is not None:
            yield Finding("one request", "ok", f"{request_id} is {status.row.status or 'there'}")
            return
        by_query = _with_dialect(self.profile, by_id="query")
        if read_status(self.connect(by_query), request_id, by_query).row is not None:
            self.profile = by_query
            yield Finding("one request", "deviates", status.why, (("dialect", 'by_id = "query"'),))
            return
        said = f"{request_id}: {status.why}; what became of a report could not be read"
        yield Finding("one request", "fails", said)

    # ----------------------------------------------------------------------- what would be sent

    def sample(self) -> Iterator[Finding]:
        """What would be posted for a pothole, without the key."""
        if self.profile.needs_address and self.profile.streets is None:
            said = "this city wants one: without a street layer every place is for a person"
            yield Finding("address", "fails", said, (("streets", 'path = "streets.geojson"'),))
        yield Finding("would post to", "note", post_url(self.profile))
        for name, value in self._composed().fields:
            yield Finding(f"would post {name}", "note", value.replace("\n", " / "))

    def _composed(self) -> ServiceRequest:
        cls = next(iter(self.profile.services))
        lat_deg, lon_deg = self.here
        day = self.now_utc.date().isoformat()
        facts = PlaceFacts(
            place_id="sample", episode=1, state=PlaceState.FLAGGED, lat_deg=lat_deg,
            lon_deg=lon_deg, pos_err_m=3.0, headings_deg=(0.0,), jolt_class=cls, class_p=0.9,
            severity=6.0, hit_rate=0.7, hits=12, passes=18,
            n_devices=4, n_days=3, first_day=day, last_day=day, priority=4.0, synthetic=False,
        )  # fmt: skip
        return compose(facts, self.profile, marker=marker("sample", 1))


def _read(reply: Reply, profile: CityProfile) -> tuple[str, tuple[CityRequest, ...]]:
    """The requests in a reply, or why they cannot be read."""
    problem = problem_of(reply, profile.dialect)
    try:
        return problem, () if problem else rows_of(reply, profile)
    except CityError as exc:
        return str(exc), ()


def _filters_line(filters: dict[str, str]) -> tuple[str, str]:
    line = ", ".join(f"{k} = {_quoted(v)}" for k, v in filters.items())
    return "dialect", f"filters = {{ {line} }}"


def _wrapped(
    profile: CityProfile, reply: Reply
) -> Iterator[tuple[CityProfile, tuple[tuple[str, str], ...]]]:
    """The profile with a wrapper that a reply of JSON has around a list; how it is written."""
    try:
        value = msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, RecursionError):
        return
    for name in profile.dialect.wrappers:
        value = value[name] if isinstance(value, dict) and name in value else value
    inside = value if isinstance(value, dict) else {}
    for name in [k for k, v in inside.items() if isinstance(v, list | dict)][:3]:
        if re.fullmatch(r"[A-Za-z_]\w{0,79}", name):
            wrappers = (*profile.dialect.wrappers, name)
            names = ", ".join(map(_quoted, wrappers))
            yield _with_dialect(profile, wrappers=wrappers), (("dialect", f"wrappers = [{names}]"),)


def _variants(
    profile: CityProfile,
) -> Iterator[tuple[CityProfile, tuple[tuple[str, str], ...]]]:
    """The profile with other addresses and formats, the likeliest first; how each is written."""
    channel = profile.channel
    if not isinstance(channel, GeoReportChannel):
        return
    dialect = profile.dialect
    for kind in (channel.format, "xml" if channel.format == "json" else "json"):
        for suffix, slash in ((True, False), (False, True), (False, False), (True, True)):
            lines = []
            if kind != channel.format:
                lines.append(("channel", f'format = "{kind}"'))
            if suffix != dialect.path_suffix:
                lines.append(("dialect", f"path_suffix = {str(suffix).lower()}"))
            if slash != dialect.trailing_slash:
                lines.append(("dialect", f"trailing_slash = {str(slash).lower()}"))
            if lines:
                other = msgspec.structs.replace(
                    profile, channel=msgspec.structs.replace(channel, format=kind)
                )
                yield _with_dialect(other, path_suffix=suffix, trailing_slash=slash), tuple(lines)


def _with_dialect(profile: CityProfile, **changes: Any) -> CityProfile:
    dialect: Dialect = msgspec.structs.replace(profile.dialect, **changes)
    return msgspec.structs.replace(profile, dialect=dialect)


def _kind(row: CityService) -> str:
    return f", answers with a {'token' if row.type == 'batch' else row.type}" * (
        row.type in {"batch", "blackbox"}
    )


def _answer_line(question: Question) -> str:
    keys = [key for key, _ in question.values]
    choice = f"  # one of {', '.join(keys[:20])}" if keys else f"  # {question.datatype}"
    first = keys[0] if keys else ""  # which a profile refuses: somebody must fill it in
    text = f", {question.text[:80]}" if question.text else ""
    return f"{_quoted(question.code)} = {_quoted(first)}{choice}{text}"


def _quoted(text: str) -> str:
    """Text as a TOML string; JSON's is one, as no control character is in it."""
    return msgspec.json.encode(text).decode()
