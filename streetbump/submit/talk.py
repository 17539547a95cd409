"""The conversation with one city: small steps, each a few calls and one decision.

Nothing here raises for what a city does; a step that cannot be sure says so, and the caller
neither sends nor gives up.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

from streetbump.cityprofile import CityProfile
from streetbump.errors import CityError
from streetbump.model import CityRequest, Receipt, Reply, RequestState, ServiceRequest
from streetbump.submit.outcome import (
    carries_marker,
    duplicates,
    is_open,
    listed_codes,
    match,
    outcome,
    retry_after_s,
    what_it_says,
)
from streetbump.submit.reading import read_requests, read_required, read_services

_PAGE_SIZES = frozenset({10, 20, 25, 50, 100, 200, 250, 500, 1000})
"""Lengths at which known servers cut a list, silently. A list this long may have been cut."""
_LIST_MAX = 1000
"""GeoReport v2: a list holds at most 1,000 requests."""
_HALVINGS = 3
"""How often a window is halved to see past a page limit: at most 15 calls."""
_CLOCK_SLACK = timedelta(hours=1)
"""How far a city's clock may be from ours."""
_GIVE_UP = 7
"""After this many times `lookup_hours` a list that cannot be read is for a person."""


class CityClient(Protocol):
    """What a conversation needs; :class:`streetbump.submit.georeport.GeoReport` is one."""

    def services(self) -> Reply:
        """The service list."""
        ...

    def service(self, code: str) -> Reply:
        """The definition of one service."""
        ...

    def requests(self, **filters: str) -> Reply:
        """Requests by the filters of GeoReport v2."""
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
    problem = _problem(reply)
    if problem:
        return Check(f"service list: {problem}", _is_passing(reply), _wait(reply, now_utc))
    try:
        listed = {s.code: s for s in read_services(reply.body, _type(reply))}
    except CityError as exc:
        return Check(f"service list: {exc}", try_again=True)
    row = listed.get(service.code)
    if row is None:
        return Check(f"service code {service.code!r} is not in the city's list")
    if _folded(row.name) != _folded(service.name):
        return Check(f"service {service.code!r} is now called {row.name!r}, not {service.name!r}")
    return _check_answers(client, service.code, service.attributes) if row.metadata else Check()


def _check_answers(client: CityClient, code: str, answers: Collection[str]) -> Check:
    reply = client.service(code)
    try:
        required = read_required(reply.body, _type(reply)) if not _problem(reply) else ()
    except CityError:
        required = ()  # some cities list services whose definition they cannot show
    missing = [c for c in required if c not in answers]
    if missing:
        return Check(f"service {code!r} asks for {', '.join(missing)}: add it under attributes")
    return Check()


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
    listing = _list(client, request, profile, status="open", since=since, until=until)
    if listing.problem:
        return Existing(None, ours=False, certain=False, why=listing.problem)
    own = next((r for r in listing.rows if carries_marker(r, request.marker)), None)
    if own is not None:
        return Existing(own, ours=True, certain=True, why="the city holds our own request")
    near = duplicates(listing.rows, request=request, profile=profile)
    if near:
        return Existing(near[0], ours=False, certain=True, why=_named(near[0]))
    if listing.cut:
        return Existing(None, ours=False, certain=False, why=listing.cut)
    return Existing(None, ours=False, certain=True, why=listing.ignored)


def _named(row: CityRequest) -> str:
    return f"open request {row.request_id or row.token} covers the place"


@dataclass(frozen=True)
class _Listing:
    """A city's list of requests, and what is to be said of it; each text is empty when fine."""

    rows: tuple[CityRequest, ...] = ()
    problem: str = ""  # why it cannot be read at all
    cut: str = ""  # why it may not be the whole list
    ignored: str = ""  # which filter the city did not apply


def _list(
    client: CityClient,
    request: ServiceRequest,
    profile: CityProfile,
    *,
    status: str,
    since: datetime,
    until: datetime,
    halvings: int = _HALVINGS,
) -> _Listing:
    """The city's requests of our codes in a window of time.

    GeoReport has no paging, so a list that may be cut is asked for again in two halves of its
    window, a few times over.
    """
    listing = _list_once(client, request, profile, status=status, since=since, until=until)
    if not listing.cut or listing.problem or "start_date" in listing.ignored or not halvings:
        return listing
    middle = since + (until - since) / 2
    halves = [
        _list(client, request, profile, status=status, since=a, until=b, halvings=halvings - 1)
        for a, b in ((since, middle), (middle, until))
    ]
    return _Listing(
        rows=halves[0].rows + halves[1].rows,
        problem=halves[0].problem or halves[1].problem,
        cut=halves[0].cut or halves[1].cut,
        ignored=halves[0].ignored or halves[1].ignored,
    )


def _list_once(
    client: CityClient,
    request: ServiceRequest,
    profile: CityProfile,
    *,
    status: str,
    since: datetime,
    until: datetime,
) -> _Listing:
    codes = listed_codes(request, profile)
    reply = client.requests(
        service_code=",".join(codes),
        status=status,
        start_date=_stamp(since),
        end_date=_stamp(until),
    )
    problem = _problem(reply)
    if problem:
        return _Listing(problem=f"list of requests: {problem}")
    try:
        rows = read_requests(reply.body, _type(reply))
    except CityError as exc:
        return _Listing(problem=f"list of requests: {exc}")
    ignored = _ignored(rows, codes=codes, status=status, since=since)
    return _Listing(rows, cut=_cut(len(rows), profile.limits.page_limit), ignored=ignored)


def _cut(count: int, page_limit: int | None) -> str:
    """Why a list of this length may be cut; empty when it is whole."""
    full = count >= page_limit if page_limit else count in _PAGE_SIZES or count > _LIST_MAX
    return f"the list of {count} requests may be cut at a page limit" if full else ""


def _ignored(
    rows: Sequence[CityRequest], *, codes: Collection[str], status: str, since: datetime
) -> str:
    """Which filters the rows prove to have been ignored; empty for none."""
    earliest = _stamp(since - _CLOCK_SLACK)
    wrong = {
        "status": any(is_open(r) != (status == "open") for r in rows if r.status),
        "service_code": any(r.service_code not in codes for r in rows if r.service_code),
        "start_date": any(r.requested_utc < earliest for r in rows if r.requested_utc),
    }
    names = [name for name, is_wrong in wrong.items() if is_wrong]
    return f"the city ignored the filter {', '.join(names)}" if names else ""


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
    since, until = sent_utc - _CLOCK_SLACK, now_utc + _CLOCK_SLACK
    listings = []
    for status in ("open", "closed"):  # without a status some servers show open requests only
        listing = _list(client, request, profile, status=status, since=since, until=until)
        row = match(listing.rows, request=request, profile=profile)
        if row is not None:
            return _looked_up(row, request)
        listings.append(listing)
    problem = next((t for ls in listings for t in (ls.problem, ls.cut) if t), "")
    return _not_found(problem, waited=now_utc - sent_utc, profile=profile)


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
    return Receipt(RequestState.HELD, note=f"sent with an unclear outcome, and {why}")


def exchange(client: CityClient, token: str, *, known_ids: Collection[str]) -> Receipt:
    """The receipt for a token: the id it stands for, or the token state again."""
    reply = client.token(token)
    waiting = Receipt(RequestState.TOKEN, token=token, note="the city has given no number yet")
    if _problem(reply):
        return waiting
    try:
        rows = read_requests(reply.body, _type(reply))
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
    row = read_status(client, receipt.request_id).row
    if row is None or not row.description or carries_marker(row, request.marker):
        return receipt
    if duplicates((row,), request=request, profile=profile):
        note = f"request {row.request_id} is somebody else's"
        return Receipt(RequestState.DUPLICATE, row.request_id, note=note)
    return Receipt(RequestState.UNKNOWN, note=f"request {row.request_id} is not ours")


def read_status(client: CityClient, request_id: str) -> Status:
    """What the city says of one request. A 404 means gone or hidden, never closed."""
    reply = client.request(request_id)
    if reply.status in {404, 410} and not reply.failure:
        return Status(None, gone=True, certain=True, why="the city does not show it")
    problem = _problem(reply)
    if problem:
        return Status(None, gone=False, certain=False, why=problem)
    try:
        rows = read_requests(reply.body, _type(reply))
    except CityError as exc:
        return Status(None, gone=False, certain=False, why=str(exc))
    own = [r for r in rows if r.request_id == request_id]
    if len(own) == 1:
        return Status(own[0], gone=False, certain=True)
    return Status(None, gone=not rows, certain=not rows, why=f"{len(rows)} requests for one id")


# ------------------------------------------------------------------------------------------ replies


def _type(reply: Reply) -> str:
    return reply.headers.get("content-type", "")


def _problem(reply: Reply) -> str:
    """Why a reply to a GET cannot be used; empty when it may be read."""
    if reply.failure:
        return f"{reply.failure} {reply.detail}".strip()
    if reply.status != 200:
        return f"status {reply.status}: {what_it_says(reply)}"
    return ""


def _is_passing(reply: Reply) -> bool:
    """Whether trouble with a GET may pass by itself, unlike a bad key or a wrong address."""
    return (
        bool(reply.failure)
        or reply.status is None
        or reply.status in {408, 425, 429}
        or (reply.status >= 500)
    )


def _wait(reply: Reply, now_utc: datetime) -> float | None:
    value = reply.headers.get("retry-after")
    return None if value is None else retry_after_s(value, now_utc=now_utc)


def _stamp(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
