"""The conversation with one city: small steps, each a few calls and one decision.

Nothing here raises for what a city does; a step that cannot be sure says so, and the caller
neither sends nor gives up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from streetbump.cityprofile import CityProfile, Dialect, ServiceCode
from streetbump.errors import CityError
from streetbump.geo import distance_m
from streetbump.model import CityRequest, Receipt, Reply, RequestState, ServiceRequest, utc_text
from streetbump.submit.dialect import Wanted, list_arguments, page_arguments
from streetbump.submit.outcome import (
    carries_marker,
    duplicates,
    is_open,
    listed_codes,
    match,
    means,
    outcome,
    retry_after_s,
    rows_of,
    status_of,
    what_it_says,
)
from streetbump.submit.reading import Question, read_questions, read_services

PAGE_SIZES = frozenset({10, 15, 20, 25, 30, 50, 100, 200, 250, 500, 1000})
"""Lengths at which known servers cut a list, silently. A list this long may have been cut."""
_LIST_MAX = 1000
"""GeoReport v2: a list holds at most 1,000 requests."""
_HALVINGS = 3
"""How often a window is halved to see past a page limit: at most 15 calls."""
_PAGES = 20
"""How many pages of a list are turned before it counts as cut."""
_CLOCK_SLACK = timedelta(hours=1)
"""How far a city's clock may be from ours."""
_GIVE_UP = 7
"""After this many times `lookup_hours` a list that cannot be read is for a person."""


class CityClient(Protocol):
    """What a conversation needs; :class:`streetbump.submit.georeport.GeoReport` is one."""

    def discovery(self) -> Reply:
        """What the city says of its endpoints."""
        ...

    def services(self) -> Reply:
        """The service list."""
        ...

    def service(self, code: str) -> Reply:
        """The definition of one service."""
        ...

    def requests(self, **filters: str) -> Reply:
        """Requests by filters under the city's own names."""
        ...

    def request(self, request_id: str) -> Reply:
        """One request by its id."""
        ...

    def token(self, token: str) -> Reply:
        """What became of a token."""
        ...

    def create(self, request: ServiceRequest) -> Reply:
        """Post one request."""
        ...


@dataclass(frozen=True)
class Check:
    """Whether a service may be used: fine when `why` is empty.

    `try_again` tells a city that is away or busy from one whose code or name has changed; the
    latter stops all sending of the class until a person has looked.
    """

    why: str = ""
    try_again: bool = False
    retry_after_s: float | None = None

    @property
    def ok(self) -> bool:
        """Whether requests of this class may be sent."""
        return not self.why


@dataclass(frozen=True)
class Existing:
    """What a city already has at a place.

    Attributes
    ----------
    found : CityRequest or None
        An open request that covers the place, or our own.
    ours : bool
        Whether it carries our reference.
    certain : bool
        Whether the city's list could be trusted; False: do not send now.
    why : str
        For people; says so when the city ignored the filter.
    """

    found: CityRequest | None
    ours: bool
    certain: bool
    why: str = ""


@dataclass(frozen=True)
class Status:
    """What a city says of one request now. `gone`: the city does not show it (any more)."""

    row: CityRequest | None
    gone: bool
    certain: bool
    why: str = ""


def check_service(
    client: CityClient, profile: CityProfile, cls: str, *, now_utc: datetime
) -> Check:
    """Whether the city still takes this class, under the code *and* the name of the profile.

    Required questions of the service must have an answer in the profile.
    """
    service = profile.service_for(cls)
    if service is None:
        return Check(f"{profile.name} takes no reports of class {cls}")
    reply = client.services()
    problem = problem_of(reply, profile.dialect)
    if problem:
        passing = _is_passing(reply, profile.dialect)
        return Check(f"service list: {problem}", passing, _wait(reply, now_utc))
    try:
        services = read_services(reply.body, type_of(reply), dialect=profile.dialect)
    except CityError as exc:
        return Check(f"service list: {exc}", try_again=True)
    row = next((s for s in services if s.code == service.code), None)
    if row is None:
        return Check(f"service code {service.code!r} is not in the city's list")
    if _folded(row.name) != _folded(service.name):
        return Check(f"service {service.code!r} is now called {row.name!r}, not {service.name!r}")
    if not (row.metadata or service.attributes):
        return Check()
    return _check_answers(client.service(service.code), service, profile.dialect)


def _check_answers(reply: Reply, service: ServiceCode, dialect: Dialect) -> Check:
    problem = problem_of(reply, dialect)
    if problem and _is_passing(reply, dialect):
        return Check(f"definition of {service.code!r}: {problem}", try_again=True)
    try:
        questions = read_questions(reply.body, type_of(reply), dialect=dialect)
    except CityError:
        return Check()  # some cities list services whose definition they cannot show
    wrong = [] if problem else answers_problem(questions, service)
    return Check(f"service {service.code!r}: {'; '.join(wrong)}" if wrong else "")


def answers_problem(questions: Sequence[Question], service: ServiceCode) -> list[str]:
    """What is wrong with the profile's answers to the questions that a service asks now.

    >>> asked = Question("DEPTH", True, True, "singlevaluelist", "How deep?", (("1", "shallow"),))
    >>> answers_problem([asked], ServiceCode(code="9", name="Pothole"))
    ['it asks for DEPTH (one of 1): add it under attributes']
    """
    asked = {q.code: q for q in questions if q.asked}
    wrong = [
        f"it asks for {q.code}{_choices(q)}: add it under attributes"
        for q in asked.values() if q.required and q.code not in service.attributes
    ]  # fmt: skip
    for code, answer in service.attributes.items():
        if code not in asked:
            wrong.append(f"it does not ask for {code}")
            continue
        keys = {key for key, _ in asked[code].values}
        given = answer.values() if isinstance(answer, dict) else answer
        values = [given] if isinstance(given, str) else list(given)
        unknown = [v for v in values if keys and v not in keys and "{" not in v]
        wrong += [f"{code} does not take {v!r}{_choices(asked[code])}" for v in unknown]
    return wrong


def _choices(question: Question) -> str:
    keys = ", ".join(key for key, _ in question.values[:20])
    return f" (one of {keys})" if keys else ""


def _folded(name: str) -> str:
    return " ".join(name.split()).casefold()


def find_existing(
    client: CityClient, request: ServiceRequest, profile: CityProfile, *, now_utc: datetime
) -> Existing:
    """Whether the city already has an open request at the place: to be asked before sending.

    The city is asked for open requests of our codes within `lookback_days`; its rows are filtered
    again here, as many servers ignore filters. A reply that proves nothing is not certain.
    """
    until = now_utc + _CLOCK_SLACK
    since = until - timedelta(days=profile.limits.lookback_days)
    wanted = Wanted(listed_codes(request, profile), "open", since, until, request.lat_deg,
                    request.lon_deg)  # fmt: skip
    listing = _list(client, profile, wanted)
    own = next((r for r in listing.rows if carries_marker(r, request.marker)), None)
    if own is not None:
        return Existing(own, ours=True, certain=True, why="the city holds our own request")
    near = duplicates(listing.rows, request=request, profile=profile)
    if near:
        return Existing(near[0], ours=False, certain=True, why=_named(near[0]))
    doubt = listing.problem or listing.cut
    return Existing(None, ours=False, certain=not doubt, why=doubt or listing.ignored)


def _named(row: CityRequest) -> str:
    return f"open request {row.request_id or row.token} covers the place"


@dataclass(frozen=True)
class _Listing:
    """A city's list of requests, and what is to be said of it; each text is empty when fine."""

    rows: tuple[CityRequest, ...] = ()
    problem: str = ""  # why it cannot be read at all
    cut: str = ""  # why it may not be the whole list
    ignored: str = ""  # which filter the city did not apply
    poisoned: bool = False  # whether one bad record may have spoilt the rest

    def __add__(self, other: _Listing) -> _Listing:
        return _Listing(
            rows=self.rows + other.rows,
            problem=self.problem or other.problem,
            cut=self.cut or other.cut,
            ignored=self.ignored or other.ignored,
            poisoned=self.poisoned or other.poisoned,
        )


def _list(
    client: CityClient, profile: CityProfile, wanted: Wanted, halvings: int = _HALVINGS
) -> _Listing:
    """The city's requests of our codes in a window of time.

    A list that may be cut, or was spoilt by one bad record, is asked for again in two halves of
    its window, a few times over. What stays unread stays a problem.
    """
    listing = _list_once(client, profile, wanted)
    windowed = {"start_date", "end_date"} <= set(profile.dialect.filters)
    if not (listing.cut or listing.poisoned) or "start_date" in listing.ignored:
        return listing
    if not (halvings and windowed and wanted.since and wanted.until):
        return listing
    middle = wanted.since + (wanted.until - wanted.since) / 2
    early = _list(client, profile, replace(wanted, until=middle), halvings - 1)
    return early + _list(client, profile, replace(wanted, since=middle), halvings - 1)


def _list_once(client: CityClient, profile: CityProfile, wanted: Wanted) -> _Listing:
    """One window; code by code and page by page where the city wants it so."""
    apart = not profile.dialect.codes_together and "service_code" in profile.dialect.filters
    groups = [(code,) for code in wanted.codes] if apart else [wanted.codes]
    found = _Listing()
    for codes in groups:
        found += _pages(client, profile, replace(wanted, codes=codes))
    return replace(found, ignored=_ignored(found.rows, profile=profile, wanted=wanted))


def _pages(client: CityClient, profile: CityProfile, wanted: Wanted) -> _Listing:
    dialect, limit = profile.dialect, profile.limits.page_limit
    arguments = list_arguments(profile, wanted)
    if not dialect.page or limit is None:
        found = _one_list(client, profile, arguments)
        return replace(found, cut=_cut(len(found.rows), limit))
    rows: tuple[CityRequest, ...] = ()
    for index in range(_PAGES):
        found = _one_list(client, profile, {**arguments, **page_arguments(profile, index)})
        seen = {r.request_id for r in rows}
        if found.rows and all(r.request_id in seen for r in found.rows):
            return _Listing(rows, cut="the city shows the same page again: it may have no pages")
        rows += found.rows
        if found.problem or len(found.rows) < limit:
            return replace(found, rows=rows)
    return _Listing(rows, cut=f"the list has more than {_PAGES} pages of {limit}")


def _one_list(client: CityClient, profile: CityProfile, arguments: dict[str, str]) -> _Listing:
    reply = client.requests(**arguments)
    if means(reply, profile.dialect) == "none" and not reply.failure:
        return _Listing()
    problem = problem_of(reply, profile.dialect)
    if problem:
        return _Listing(problem=f"list of requests: {problem}", poisoned=reply.status == 500)
    try:
        return _Listing(rows_of(reply, profile))
    except CityError as exc:
        return _Listing(problem=f"list of requests: {exc}", poisoned=not reply.body.strip())


def _cut(count: int, page_limit: int | None) -> str:
    """Why a list of this length may be cut; empty when it is whole."""
    full = count >= page_limit if page_limit else count in PAGE_SIZES or count > _LIST_MAX
    return f"the list of {count} requests may be cut at a page limit" if full else ""


def _ignored(rows: Sequence[CityRequest], *, profile: CityProfile, wanted: Wanted) -> str:
    """Which filters the rows prove to have been ignored; empty for none."""
    dialect = profile.dialect
    slack = timedelta(days=1) if dialect.date_style == "date" else _CLOCK_SLACK
    earliest = "" if wanted.since is None else utc_text(wanted.since - slack)
    far_m = 10 * profile.limits.search_radius_m  # a city may round generously, and use boxes
    wrong = {
        "status": any(
            is_open(r, dialect) != (wanted.status == "open")
            for r in rows if wanted.status and status_of(r, dialect)
        ),
        "service_code": any(r.service_code not in wanted.codes for r in rows if r.service_code),
        "start_date": any(r.requested_utc < earliest for r in rows if r.requested_utc),
        "lat": any(_away_m(r, wanted) > far_m for r in rows),
    }  # fmt: skip
    names = [name for name, is_wrong in wrong.items() if is_wrong and name in dialect.filters]
    return f"the city ignored the filter {', '.join(names)}" if names else ""


def _away_m(row: CityRequest, wanted: Wanted) -> float:
    if None in (row.lat_deg, row.lon_deg, wanted.lat_deg, wanted.lon_deg):
        return 0.0
    here = (wanted.lat_deg or 0.0, wanted.lon_deg or 0.0)
    return float(distance_m(row.lat_deg or 0.0, row.lon_deg or 0.0, *here))


def send(
    client: CityClient,
    request: ServiceRequest,
    profile: CityProfile,
    *,
    known_ids: Collection[str],
    now_utc: datetime,
) -> Receipt:
    """Post one request, once. The caller has committed the intent before."""
    reply = client.create(request)
    return outcome(reply, request=request, profile=profile, known_ids=known_ids, now_utc=now_utc)


def look_up(
    client: CityClient,
    request: ServiceRequest,
    profile: CityProfile,
    *,
    sent_utc: datetime,
    now_utc: datetime,
) -> Receipt:
    """What became of a request whose outcome is unknown. Never sends.

    Parameters
    ----------
    sent_utc, now_utc : datetime
        When it was sent, and now.

    Returns
    -------
    Receipt
        ``acked`` when the city lists our reference, ``duplicate`` when it lists another open
        request there, ``unknown`` to look again later, and ``held`` once the city's window
        (`lookup_hours`) has passed.
    """
    row, problem = _search(client, request, profile, sent_utc=sent_utc, now_utc=now_utc)
    if row is not None:
        return _looked_up(row, request)
    return _not_found(problem, waited=now_utc - sent_utc, profile=profile)


def look_again(
    client: CityClient,
    request: ServiceRequest,
    profile: CityProfile,
    *,
    sent_utc: datetime,
    now_utc: datetime,
) -> Receipt:
    """One more look for a request that is held, before its place may be reported anew.

    Returns
    -------
    Receipt
        What :func:`look_up` gives for a request that is found; ``refused`` when the list proves
        that the city does not have it; ``held`` when it proves nothing.
    """
    row, problem = _search(client, request, profile, sent_utc=sent_utc, now_utc=now_utc)
    if row is not None:
        return _looked_up(row, request)
    days = (now_utc - sent_utc).days
    if not problem and days >= profile.limits.lookback_days:
        problem = f"it was sent {days} days ago, and lists reach {profile.limits.lookback_days}"
    if not problem and _open_only(profile):
        problem = "the list shows open requests only"
    if problem:
        return Receipt(RequestState.HELD, note=f"whether the city has it is not known: {problem}")
    return Receipt(RequestState.REFUSED, note="looked up again: the city does not have it")


def _search(
    client: CityClient,
    request: ServiceRequest,
    profile: CityProfile,
    *,
    sent_utc: datetime,
    now_utc: datetime,
) -> tuple[CityRequest | None, str]:
    """The row that is, or covers, a request that was sent; or else why the list proves nothing."""
    since, until = sent_utc - _CLOCK_SLACK, now_utc + _CLOCK_SLACK
    filters = profile.dialect.filters
    # Where a window of time can be asked for, the place is left out: a city may move its marker.
    place = (None, None) if "start_date" in filters else (request.lat_deg, request.lon_deg)
    found = _Listing()
    # Without a status some servers show open requests only.
    for status in ("open", "closed") if "status" in filters else ("",):
        wanted = Wanted(listed_codes(request, profile), status, since, until, *place)
        listing = _list(client, profile, wanted)
        row = match(listing.rows, request=request, profile=profile)
        if row is not None:
            return row, ""
        found += listing
    return None, found.problem or found.cut


def _looked_up(row: CityRequest, request: ServiceRequest) -> Receipt:
    if not carries_marker(row, request.marker):
        return Receipt(RequestState.DUPLICATE, row.request_id, row.token, note=_named(row))
    state = RequestState.TOKEN if row.request_id is None else RequestState.ACKED
    return Receipt(state, row.request_id, row.token, note="found by its reference")


def _not_found(problem: str, *, waited: timedelta, profile: CityProfile) -> Receipt:
    window = timedelta(hours=profile.limits.lookup_hours)
    if problem and waited < _GIVE_UP * window:
        return Receipt(RequestState.UNKNOWN, note=f"could not be looked up: {problem}")
    if waited < window:
        return Receipt(RequestState.UNKNOWN, note="not in the city's list yet")
    why = f"could not be looked up: {problem}" if problem else "is not in the city's list"
    if _open_only(profile):
        why += ", which shows open requests only"
    return Receipt(RequestState.HELD, note=f"sent with an unclear outcome, and {why}")


def _open_only(profile: CityProfile) -> bool:
    """Whether a request that was closed cannot be found in the city's list."""
    return profile.dialect.lists == "open" and "status" not in profile.dialect.filters


def exchange(
    client: CityClient, token: str, profile: CityProfile, *, known_ids: Collection[str]
) -> Receipt:
    """The receipt for a token: the id it stands for, or the token state again."""
    reply = client.token(token)
    waiting = Receipt(RequestState.TOKEN, token=token, note="the city has given no number yet")
    if problem_of(reply, profile.dialect):
        return waiting
    try:
        rows = rows_of(reply, profile)
    except CityError:
        return waiting
    ids = {r.request_id for r in rows if r.request_id is not None and r.token in (None, token)}
    if len(ids) != 1:
        return waiting
    (request_id,) = ids
    state = RequestState.LINKED if request_id in known_ids else RequestState.ACKED
    return Receipt(state, request_id, token)


def confirm(
    client: CityClient, request: ServiceRequest, profile: CityProfile, receipt: Receipt
) -> Receipt:
    """`receipt`, corrected when reading the id back shows a request that is not ours.

    To be called after the receipt was committed. A city that does not show the request (many
    moderate first), or shows no description, proves nothing either way.
    """
    if receipt.state is not RequestState.ACKED or receipt.request_id is None:
        return receipt
    row = read_status(client, receipt.request_id, profile).row
    if row is None or not row.description or carries_marker(row, request.marker):
        return receipt
    if duplicates((row,), request=request, profile=profile):
        note = f"request {row.request_id} is somebody else's"
        return Receipt(RequestState.DUPLICATE, row.request_id, note=note)
    return Receipt(RequestState.UNKNOWN, note=f"request {row.request_id} is not ours")


def read_status(client: CityClient, request_id: str, profile: CityProfile) -> Status:
    """What the city says of one request. A 404 means gone or hidden, never closed."""
    reply = client.request(request_id)
    absent = reply.status in {404, 410} or means(reply, profile.dialect) == "none"
    if absent and not reply.failure:
        return Status(None, gone=True, certain=True, why="the city does not show it")
    problem = problem_of(reply, profile.dialect)
    if problem:
        return Status(None, gone=False, certain=False, why=problem)
    try:
        rows = rows_of(reply, profile)
    except CityError as exc:
        return Status(None, gone=False, certain=False, why=str(exc))
    own = [r for r in rows if r.request_id == request_id]
    if len(own) == 1:
        return Status(own[0], gone=False, certain=True)
    return Status(None, gone=not rows, certain=not rows, why=f"{len(rows)} requests for one id")


# ------------------------------------------------------------------------------------------ replies


def type_of(reply: Reply) -> str:
    """The content type of a reply; empty when it names none."""
    return reply.headers.get("content-type", "")


def problem_of(reply: Reply, dialect: Dialect) -> str:
    """Why a reply to a GET cannot be used; empty when it may be read."""
    if reply.failure:
        return f"{reply.failure} {reply.detail}".strip()
    if reply.status != 200:
        where = reply.headers.get("location", "")
        said = f"redirects to {where}" if where else what_it_says(reply)
        hint = " (our key, by the profile)" if means(reply, dialect) == "key" else ""
        return f"status {reply.status}: {said}{hint}"
    return ""


def _is_passing(reply: Reply, dialect: Dialect) -> bool:
    """Whether trouble with a GET may pass by itself, unlike a bad key or a wrong address."""
    meaning = means(reply, dialect)
    if reply.failure or reply.status is None or meaning:
        return not meaning or meaning == "retry"
    # 501 is for good: some servers have no definitions at all.
    return reply.status in {408, 425, 429} or (reply.status >= 500 and reply.status != 501)


def _wait(reply: Reply, now_utc: datetime) -> float | None:
    value = reply.headers.get("retry-after")
    return None if value is None else retry_after_s(value, now_utc=now_utc)
