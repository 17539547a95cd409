"""What a city's reply means for the outbox.

The rule behind every row: only what was provably not accepted may be sent again. A reply that
leaves a doubt makes the request *unknown*, and an unknown request is looked up, never re-sent.

====================================  ============================================================
reply to a POST                       state
====================================  ============================================================
not connected                         safe_retry
head or body lost, late, too large    unknown
2xx with one fresh id                 acked (a token beside it is kept)
2xx with a token only                 token
2xx with an id we already hold        linked
2xx with another's request, near      duplicate
any other 2xx                         unknown
3xx                                   unknown, and the breaker opens: the endpoint is wrong
401, 403                              safe_retry, and the breaker opens: the key is wrong
429                                   safe_retry after Retry-After
404, 405, 410                         refused, and the breaker opens: the endpoint or code is gone
408, 409, 425                         unknown
other 4xx                             refused
5xx                                   unknown
====================================  ============================================================

What the profile's dialect says of an answer (`dialect.answers`) comes before this table: some
cities say 400 for a fault that passes, others 500, or 200, for a key that is missing. Of a 2xx it
counts only where the body holds no request.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from streetbump.cityprofile import PLAIN, CityProfile, Dialect, ServiceCode
from streetbump.errors import CityError
from streetbump.geo import distance_m
from streetbump.model import CityRequest, Receipt, Reply, RequestState, ServiceRequest
from streetbump.submit.reading import read_error, read_requests

RETRY_MIN_S, RETRY_MAX_S = 1.0, 86_400.0
"""What a city's Retry-After is clamped to: a second, a day."""
RETRY_DEFAULT_S = 60.0
"""How long to wait when the city does not say."""


def outcome(
    reply: Reply,
    *,
    request: ServiceRequest,
    profile: CityProfile,
    known_ids: Collection[str],
    now_utc: datetime,
) -> Receipt:
    """The state of a request after the reply to its POST; see the table above.

    Parameters
    ----------
    known_ids : collection of str
        Every request id and token of this city in our outbox.
    now_utc : datetime
        With a zone; what a Retry-After date is measured from.

    >>> from streetbump.cityprofile import shipped_city
    >>> from streetbump.model import ServiceRequest
    >>> sent = ServiceRequest("p", 1, "sandbox", "SB-0", "POTHOLE", 1.0, 2.0, "", (), False)
    >>> reply = Reply(201, b'[{"service_request_id": 17}]', {"content-type": "application/json"})
    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> city = shipped_city("sandbox")
    >>> outcome(reply, request=sent, profile=city, known_ids=(), now_utc=now).request_id
    '17'
    """
    if reply.failure == "not_connected":
        return Receipt(RequestState.SAFE_RETRY, note=f"not connected: {reply.detail}")
    if reply.status is None:
        return Receipt(RequestState.UNKNOWN, note=f"no answer: {reply.failure} {reply.detail}")
    meaning = means(reply, profile.dialect)
    taken = 200 <= reply.status < 300
    if (
        meaning
        and taken
        and (reply.failure or meaning == "none" or _holds_requests(reply, profile))
    ):
        meaning = ""
    if meaning == "retry" or (not meaning and reply.status == 429):
        wait = retry_after_s(reply.headers.get("retry-after", ""), now_utc=now_utc)
        note = f"the city asks for patience ({reply.status}): {what_it_says(reply)}"
        return Receipt(RequestState.SAFE_RETRY, retry_after_s=wait, note=note)
    if meaning or not taken:
        return _not_success(reply, meaning)
    if profile.dialect.success_statuses and reply.status not in profile.dialect.success_statuses:
        return _unknown(f"{reply.status} is not how this city says that it took a request")
    if reply.failure:
        return _unknown(f"the answer was lost on the way: {reply.failure} {reply.detail}")
    return _success(reply, request=request, profile=profile, known_ids=known_ids)


def means(reply: Reply, dialect: Dialect) -> str:
    """What an answer means by the profile: retry, refused, key, none; empty: not said.

    A part of the text is enough, but for a success that means an empty list: it holds no more.

    >>> from streetbump.cityprofile import Answer
    >>> said = Answer(status=400, text="deadlock", means="retry")
    >>> means(Reply(400, b"Deadlock found", {}), Dialect(answers=(said,)))
    'retry'
    """
    body = reply.body.decode("utf-8", "replace").casefold().strip()
    known = ((a, a.text.casefold().strip()) for a in dialect.answers if a.status == reply.status)
    whole = 200 <= (reply.status or 0) < 300
    fits = (a.means for a, text in known
            if (text == body if whole and a.means == "none" else text in body))  # fmt: skip
    return next(fits, "")


def _holds_requests(reply: Reply, profile: CityProfile) -> bool:
    try:
        return bool(rows_of(reply, profile))
    except CityError:
        return False


def _unknown(note: str) -> Receipt:
    return Receipt(RequestState.UNKNOWN, note=note)


def _not_success(reply: Reply, meaning: str) -> Receipt:
    """The receipt for a status that is neither 2xx nor a plea for patience.

    The head decides: it is complete even where the body was lost.
    """
    status, said = reply.status or 0, what_it_says(reply)
    if 300 <= status < 400:
        # Not followed. A 303 usually comes *after* the form was taken, so it is not safe to retry.
        note = f"the endpoint redirects ({status}) to {reply.headers.get('location', 'nowhere')}"
        return Receipt(RequestState.UNKNOWN, open_breaker=True, note=note)
    if meaning == "key" or (not meaning and status in {401, 403}):
        # The place is not at fault: it is sent once somebody has mended the key.
        note = f"the city refuses our key or blocks us ({status}): {said}"
        return Receipt(RequestState.SAFE_RETRY, open_breaker=True, note=note)
    if meaning == "refused":
        return Receipt(RequestState.REFUSED, note=f"the city refused ({status}): {said}")
    if status in {404, 405, 410}:
        note = f"the endpoint, jurisdiction or service code is gone ({status}): {said}"
        return Receipt(RequestState.REFUSED, open_breaker=True, note=note)
    if status in {408, 409, 425} or not 400 <= status < 500:
        return _unknown(f"unclear answer ({status}): {said}")
    return Receipt(RequestState.REFUSED, note=f"the city refused ({status}): {said}")


def what_it_says(reply: Reply) -> str:
    """What an error reply says, for people: short, plain, without markup.

    >>> what_it_says(Reply(400, b'[{"code": 400, "description": "no place"}]', {}))
    'no place'
    """
    return read_error(reply.body, reply.headers.get("content-type", ""))


def rows_of(reply: Reply, profile: CityProfile) -> tuple[CityRequest, ...]:
    """The requests in a reply, read in the city's dialect. Raises CityError as the reader does.

    >>> from streetbump.cityprofile import shipped_city
    >>> rows_of(Reply(200, b"[]", {}), shipped_city("sandbox"))
    ()
    """
    kind = reply.headers.get("content-type", "")
    return read_requests(reply.body, kind, dialect=profile.dialect, zone=profile.timezone)


def _success(
    reply: Reply, *, request: ServiceRequest, profile: CityProfile, known_ids: Collection[str]
) -> Receipt:
    try:
        rows = rows_of(reply, profile)
    except CityError as exc:
        return _unknown(f"{reply.status}, but {exc}")
    if len(rows) != 1:
        return _unknown(f"{reply.status} with {len(rows)} requests instead of one")
    (row,) = rows
    if row.request_id is None and row.token is None:
        return _unknown(f"{reply.status} without a request id or token")
    known = next((i for i in (row.request_id, row.token) if i in known_ids), None)
    if known is not None:
        note = f"the city answered with {known}, which we already hold"
        return Receipt(RequestState.LINKED, row.request_id, row.token, note=note)
    return _fresh(row, request=request, profile=profile)


def _fresh(row: CityRequest, *, request: ServiceRequest, profile: CityProfile) -> Receipt:
    """The receipt for one row with an id that is new to us: ours, unless the row says otherwise."""
    near = _within(row, request, profile.limits.duplicate_radius_m)
    if row.description and not carries_marker(row, request.marker):
        if near:
            note = "the city answered with somebody else's request here"
            return Receipt(RequestState.DUPLICATE, row.request_id, row.token, note=note)
        return _unknown("the city answered with a request that is not ours")
    if near is False and not row.description:
        return _unknown("the city answered with a request at another place")
    state = RequestState.TOKEN if row.request_id is None else RequestState.ACKED
    return Receipt(state, row.request_id, row.token)


def retry_after_s(value: str, *, now_utc: datetime) -> float:
    """Seconds to wait by a Retry-After header, between a second and a day; 60 when unreadable.

    Parameters
    ----------
    value : str
        Whole seconds or an HTTP date (RFC 9110).

    >>> now = datetime(2026, 1, 1, tzinfo=UTC)
    >>> [retry_after_s(v, now_utc=now) for v in ("120", "-5", "soon")]
    [120.0, 1.0, 60.0]
    >>> retry_after_s("Thu, 01 Jan 2026 00:10:00 GMT", now_utc=now)
    600.0
    """
    seconds = _seconds(value.strip(), now_utc)
    return min(max(seconds, RETRY_MIN_S), RETRY_MAX_S)


def _seconds(value: str, now_utc: datetime) -> float:
    if value.isascii() and value.removeprefix("-").isdigit():
        return float(value[:20])
    try:
        when = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return RETRY_DEFAULT_S
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return (when - now_utc).total_seconds()


# ---------------------------------------------------------------------------------------- listings


def status_of(row: CityRequest, dialect: Dialect) -> str:
    """The status of a request in our words: open, closed, duplicate, referred; empty: unknown.

    Only the standard's own two words and those that the profile names are understood: no word is
    guessed to mean closed.

    >>> row = read_requests(b'[{"service_request_id": 1, "status": "Fixed"}]', "")[0]
    >>> status_of(row, Dialect()), status_of(row, Dialect(status_words={"fixed": "closed"}))
    ('', 'closed')
    """
    plain = {"open": "open", "closed": "closed"}
    return {**plain, **dialect.status_words}.get(row.status, "")


def is_open(row: CityRequest, dialect: Dialect = PLAIN) -> bool:
    """Whether a request may still be open: unless its status is known to mean that it is not.

    >>> is_open(read_requests(b'[{"service_request_id": 1, "status": "archived"}]', "")[0])
    True
    """
    return status_of(row, dialect) in {"", "open"}


def carries_marker(row: CityRequest, marker: str) -> bool:
    """Whether a listed request carries our reference in its text, in capitals or not.

    >>> row = read_requests(b'[{"service_request_id": 1, "description": "ref sb-0"}]', "")[0]
    >>> carries_marker(row, "SB-0")
    True
    """
    return marker.casefold() in row.description.casefold()


def match(
    requests: Sequence[CityRequest], *, request: ServiceRequest, profile: CityProfile
) -> CityRequest | None:
    """The row that is, or covers, our request: by reference, else open and near; else None.

    >>> from streetbump.cityprofile import shipped_city
    >>> sent = ServiceRequest("p", 1, "sandbox", "SB-0", "POTHOLE", 1.0, 2.0, "", (), False)
    >>> match((), request=sent, profile=shipped_city("sandbox")) is None
    True
    """
    marked = (r for r in requests if _has_id(r) and carries_marker(r, request.marker))
    near = duplicates(requests, request=request, profile=profile)
    return next(marked, near[0] if near else None)


def duplicates(
    requests: Sequence[CityRequest], *, request: ServiceRequest, profile: CityProfile
) -> tuple[CityRequest, ...]:
    """Open requests of our service codes within the city's duplicate radius, nearest first.

    >>> from streetbump.cityprofile import shipped_city
    >>> sent = ServiceRequest("p", 1, "sandbox", "SB-0", "POTHOLE", 1.0, 2.0, "", (), False)
    >>> rows = read_requests(b'[{"service_request_id": 7, "lat": 1.0001, "long": 2.0}]', "")
    >>> [r.request_id for r in duplicates(rows, request=sent, profile=shipped_city("sandbox"))]
    ['7']
    """
    codes = {request.service_code, *listed_codes(request, profile)}
    radius_m = profile.limits.duplicate_radius_m
    found = [
        r for r in requests
        if _has_id(r) and is_open(r, profile.dialect) and _within(r, request, radius_m)
        and (not r.service_code or r.service_code in codes)
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda r: (_distance_m(r, request), r.request_id or "")))


def listed_codes(request: ServiceRequest, profile: CityProfile) -> tuple[str, ...]:
    """The codes to search this city's listings for.

    >>> from streetbump.cityprofile import shipped_city
    >>> sent = ServiceRequest("p", 1, "sandbox", "SB-0", "POTHOLE", 1.0, 2.0, "", (), False)
    >>> listed_codes(sent, shipped_city("sandbox"))
    ('POTHOLE',)
    """
    services: list[ServiceCode] = list(profile.services.values())
    found = [c for s in services if s.code == request.service_code for c in s.listed_as]
    return tuple(dict.fromkeys(found)) or (request.service_code,)


def _has_id(row: CityRequest) -> bool:
    return row.request_id is not None or row.token is not None


def _distance_m(row: CityRequest, request: ServiceRequest) -> float:
    if row.lat_deg is None or row.lon_deg is None:
        return math.inf
    return float(distance_m(row.lat_deg, row.lon_deg, request.lat_deg, request.lon_deg))


def _within(row: CityRequest, request: ServiceRequest, radius_m: float) -> bool | None:
    """Whether a row lies near our place; None when it names no place."""
    away = _distance_m(row, request)
    return None if math.isinf(away) else away <= radius_m
