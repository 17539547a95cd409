"""The conversation with a city: checked, searched, sent once, looked up, never sent again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest

from streetbump.cityprofile import Answer, CityProfile, ServiceCode
from streetbump.model import JoltClass, Receipt, Reply, RequestState, ServiceRequest
from streetbump.submit.georeport import GeoReport
from streetbump.submit.sandbox import TROUBLES, FaultName, Faults, Sandbox
from streetbump.submit.talk import (
    check_service,
    confirm,
    exchange,
    find_existing,
    look_up,
    read_status,
    send,
)

Make = Callable[..., CityProfile]
For = Callable[..., ServiceRequest]
Open = Callable[..., GeoReport]
S = RequestState


class Fake:
    """A city that answers each call with what it was told to, and keeps what it was asked."""

    def __init__(self, **answers: Reply | list[Reply]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, Any]] = []

    def _say(self, name: str, about: Any) -> Reply:
        self.asked.append((name, about))
        said = self.answers[name]
        if not isinstance(said, list):
            return said
        return said.pop(0) if len(said) > 1 else said[0]

    def services(self) -> Reply:
        return self._say("services", None)

    def service(self, code: str) -> Reply:
        return self._say("service", code)

    def requests(self, **filters: str) -> Reply:
        return self._say("requests", filters)

    def request(self, request_id: str) -> Reply:
        return self._say("request", request_id)

    def token(self, token: str) -> Reply:
        return self._say("token", token)

    def create(self, request: ServiceRequest) -> Reply:
        return self._say("create", request)


def ok(value: object, status: int = 200) -> Reply:
    return Reply(status, msgspec.json.encode(value), {"content-type": "application/json"})


def row(request_id: int, **changes: Any) -> dict[str, Any]:
    return {
        "service_request_id": request_id, "status": "open", "service_code": "POTHOLE",
        "description": "a hole", "lat": 10.0, "long": 10.0, **changes,
    }  # fmt: skip


HERE = {"lat": 42.36, "long": -71.05}
MINE = {"description": "Ref SB-H9EJWE7FGY."}
BAD = [
    Reply(200, b"", {"content-type": "application/json"}),
    Reply(200, b"<html>", {"content-type": "text/html"}),
    Reply(200, b"[{", {}),
    Reply(200, b"", {}, "truncated", "cut"),
    Reply(None, b"", {}, "not_connected", "refused"),
    Reply(None, b"", {}, "deadline", "late"),
    Reply(301, b"", {"location": "/x"}),
    Reply(403, b"", {}),
    Reply(404, b"[]", {}),
    Reply(500, b"[]", {}),
    Reply(204, b"", {}),
    ok([{"code": 404, "description": "unknown jurisdiction"}]),
]
BAD_IDS = [f"{r.status}-{r.failure}-{r.body[:6]!r}" for r in BAD]


# ------------------------------------------------------------------------------- the service list


SERVICES = [
    ([{"service_code": "POTHOLE", "service_name": " pothole "}], ""),
    ([{"service_code": "POTHOLE", "service_name": "Graffiti"}], "now called 'Graffiti'"),
    ([{"service_code": "XXX", "service_name": "Pothole"}], "not in the city's list"),
    ([], "not in the city's list"),
]


@pytest.mark.parametrize(("listed", "said"), SERVICES)
def test_code_and_name_must_be_in_the_live_list(
    city: Make, now: datetime, listed: list[dict[str, str]], said: str
) -> None:
    """A code that vanished or changed its name stops sending until a person has looked."""
    check = check_service(Fake(services=ok(listed)), city(), "pothole", now_utc=now)
    assert check.ok == (not said)
    assert said in check.why
    assert not check.try_again


@pytest.mark.parametrize("reply", BAD, ids=BAD_IDS)
def test_service_list_that_cannot_be_read(city: Make, now: datetime, reply: Reply) -> None:
    """Nothing is sent on an unreadable list; only trouble that may pass is tried again."""
    check = check_service(Fake(services=reply), city(), "pothole", now_utc=now)
    assert not check.ok
    assert check.try_again == (reply.status not in {301, 403, 404, 204})


def test_busy_city_is_given_its_time(city: Make, now: datetime) -> None:
    """Retry-After holds for reads too."""
    reply = Reply(429, b"", {"retry-after": "77"})
    check = check_service(Fake(services=reply), city(), "pothole", now_utc=now)
    assert (check.try_again, check.retry_after_s) == (True, 77.0)
    assert not check_service(Fake(), city(), "casting", now_utc=now).ok


def test_required_questions_need_answers(city: Make, now: datetime) -> None:
    """A required attribute without a value stops sending; an unknown definition does not."""
    listed = ok([{"service_code": "1", "service_name": "Pothole", "metadata": True}])
    asks = ok({"service_code": "1", "attributes": [{"code": "WHERE", "required": True}]})
    service = ServiceCode(code="1", name="Pothole")
    profile = city(services={JoltClass.POTHOLE: service})
    check = check_service(Fake(services=listed, service=asks), profile, "pothole", now_utc=now)
    assert "WHERE" in check.why
    answered = msgspec.structs.replace(service, attributes={"WHERE": "LANE"})
    profile = city(services={JoltClass.POTHOLE: answered})
    assert check_service(Fake(services=listed, service=asks), profile, "pothole", now_utc=now).ok
    for gone in (ok([], 404), Reply(200, b"{", {})):
        fake = Fake(services=listed, service=gone)
        assert check_service(fake, profile, "pothole", now_utc=now).ok


# ---------------------------------------------------------------------------- before sending


LISTS = [
    # rows, found id, ours, certain, word of the reason
    ([], None, False, True, ""),
    ([row(1)], None, False, True, ""),
    ([row(1), row(2, **HERE)], "2", False, True, "open request 2"),
    ([row(2, **HERE, status="closed")], None, False, True, "filter status"),
    ([row(2, **HERE, service_code="TREE")], None, False, True, "filter service_code"),
    ([row(1, requested_datetime="2001-01-01T00:00:00Z")], None, False, True, "start_date"),
    ([row(1, **MINE), row(2, **HERE)], "1", True, True, "our own"),
    ([row(i) for i in range(7)], None, False, True, ""),
    ([row(i) for i in range(49)] + [row(50, **HERE)], "50", False, True, "covers"),
]


@pytest.mark.parametrize(
    ("rows", "found", "ours", "certain", "said"), LISTS, ids=[str(i) for i in range(len(LISTS))]
)
def test_open_requests_nearby_are_found(
    city: Make, request_for: For, now: datetime, rows: list[dict[str, Any]],
    found: str | None, ours: bool, certain: bool, said: str,
) -> None:  # fmt: skip
    """The city's list is filtered again by us, and an ignored filter is told."""
    profile = city(page_limit=None)
    result = find_existing(Fake(requests=ok(rows)), request_for(profile), profile, now_utc=now)
    assert (result.found.request_id if result.found else None) == found
    assert (result.ours, result.certain) == (ours, certain)
    assert said in result.why


@pytest.mark.parametrize("reply", BAD, ids=BAD_IDS)
def test_search_fails_closed(city: Make, request_for: For, now: datetime, reply: Reply) -> None:
    """A list that proves nothing is not certain: nothing is sent on it."""
    profile = city()
    result = find_existing(Fake(requests=reply), request_for(profile), profile, now_utc=now)
    assert (result.found, result.certain) == (None, False)
    assert result.why


@pytest.mark.parametrize(("count", "limit"), [(20, None), (50, None), (1001, None), (30, 30)])
def test_list_that_may_be_cut_is_asked_for_in_halves(
    city: Make, request_for: For, now: datetime, count: int, limit: int | None
) -> None:
    """A list as long as a page may hide the hole: smaller windows are asked for."""
    profile = city(page_limit=limit)
    full = [row(i, requested_datetime="2026-02-20T00:00:00Z") for i in range(count)]
    fake = Fake(requests=[ok(full), ok(full[:3]), ok([*full[3:6], row(99, **HERE)])])
    result = find_existing(fake, request_for(profile), profile, now_utc=now)
    assert result.found is not None
    assert result.found.request_id == "99"
    windows = [(a["start_date"], a["end_date"]) for _, a in fake.asked]
    assert windows[0] == (windows[1][0], windows[2][1])
    assert windows[1][1] == windows[2][0]
    assert all(a["status"] == "open" for _, a in fake.asked)
    hopeless = Fake(requests=ok(full))
    result = find_existing(hopeless, request_for(profile), profile, now_utc=now)
    assert (result.found, result.certain) == (None, False)
    assert "cut" in result.why
    assert len(hopeless.asked) <= 15


def test_search_uses_the_codes_of_listings(city: Make, request_for: For, now: datetime) -> None:
    """Where a city lists under other codes than it takes, those are asked for and accepted."""
    service = ServiceCode(code="input.pothole", name="Pothole", search_codes=("P1", "P2"))
    profile = city(services={JoltClass.POTHOLE: service})
    fake = Fake(requests=ok([row(5, **HERE, service_code="P2")]))
    result = find_existing(fake, request_for(profile), profile, now_utc=now)
    assert fake.asked[0][1]["service_code"] == "P1,P2"
    assert result.found is not None


# ------------------------------------------------------------------------ after an unclear answer


def looked_up(
    replies: list[Reply], profile: CityProfile, request: ServiceRequest, hours: float
) -> Receipt:
    sent = datetime(2026, 3, 1, 12, tzinfo=UTC)
    later = sent + timedelta(hours=hours)
    return look_up(Fake(requests=replies), request, profile, sent_utc=sent, now_utc=later)


LOOKS = [
    # open list, closed list, hours since, state, id
    (ok([row(7, **MINE)]), None, 0, S.ACKED, "7"),
    (ok([]), ok([row(7, **MINE, status="closed")]), 30, S.ACKED, "7"),
    (ok([row(8, **HERE)]), None, 0, S.DUPLICATE, "8"),
    (ok([]), ok([]), 1, S.UNKNOWN, None),
    (ok([row(1)]), ok([]), 23.9, S.UNKNOWN, None),
    (ok([]), ok([]), 24, S.HELD, None),
    (BAD[0], BAD[0], 1, S.UNKNOWN, None),
    (BAD[1], ok([]), 25, S.UNKNOWN, None),
    (BAD[0], ok([]), 25, S.HELD, None),  # spoilt as a whole, readable in halves
    (ok([]), BAD[5], 24 * 7, S.HELD, None),
]


@pytest.mark.parametrize(("first", "second", "hours", "state", "request_id"), LOOKS)
def test_unknown_is_looked_up(
    city: Make, request_for: For, first: Reply, second: Reply | None, hours: float,
    state: RequestState, request_id: str | None,
) -> None:  # fmt: skip
    """Found by its reference it is acked; not found in the city's time it is for a person."""
    profile = city()
    replies = [r for r in (first, second) if r is not None]
    receipt = looked_up(replies, profile, request_for(profile), hours)
    assert (receipt.state, receipt.request_id) == (state, request_id)


def test_looking_up_never_sends(city: Make, request_for: For) -> None:
    """No outcome of a look-up can be sent again by anybody."""
    profile = city()
    states = {
        looked_up([reply, reply], profile, request_for(profile), hours).state
        for reply in [*BAD, ok([])]
        for hours in (0, 30, 1000)
    }
    assert states == {S.UNKNOWN, S.HELD}


SENT_AGAIN = {"429", "blocked"}  # provably not taken
LIES = {"lost", "other_id", "other_token"}  # from outside like any other success
REFUSED = {"deadlock"}  # a 400 is taken at its word


@pytest.mark.parametrize("fault", get_args(FaultName))
@pytest.mark.parametrize("fmt", ["json", "xml"])
def test_practice_city_never_holds_a_place_twice(
    sandbox: Sandbox, city: Make, request_for: For, client: Open, fault: FaultName, fmt: str
) -> None:
    """Whatever goes wrong with the POST: looked up and retried by the rules, the city has one.

    Where nothing was stored and nobody can know it, a person is asked and the city has none.
    """
    profile = city(endpoint=sandbox.url, deadline_s=1.0, format=fmt)
    request, api = request_for(profile), client(profile)
    sandbox.set_faults(Faults(fault=fault, times=1))
    now = datetime.now(UTC)
    receipt = send(api, request, profile, known_ids=(), now_utc=now)
    if receipt.state is S.SAFE_RETRY:
        assert not find_existing(api, request, profile, now_utc=now).found
        receipt = send(api, request, profile, known_ids=(), now_utc=now)
    if receipt.state is S.UNKNOWN:
        receipt = look_up(api, request, profile, sent_utc=now, now_utc=now + timedelta(days=2))
    if receipt.state is S.TOKEN:
        receipt = exchange(api, receipt.token or "", profile, known_ids=())
    held = sandbox.ledger()
    stored = TROUBLES[fault].stored or fault in SENT_AGAIN
    state = S.REFUSED if fault in REFUSED else S.ACKED if stored or fault in LIES else S.HELD
    assert (receipt.state, len(held)) == (state, int(stored))
    if not stored or fault in LIES:
        return
    assert [r["service_request_id"] for r in held] == [receipt.request_id]
    assert find_existing(api, request, profile, now_utc=now).ours
    assert confirm(api, request, profile, receipt) == receipt


# ----------------------------------------------------------------------- tokens, status, read-back


def test_token_is_exchanged_or_kept(city: Make) -> None:
    """A token is polled until it names one id, and is never thrown away."""
    kept = Receipt(S.TOKEN, token="t", note="the city has given no number yet")
    for reply in (*BAD, ok([]), ok([{"token": "t"}]), ok([row(1, token="other")])):
        assert exchange(Fake(token=reply), "t", city(), known_ids=()) == kept
    given = Fake(token=ok([{"token": "t", "service_request_id": 0}]))
    assert exchange(given, "t", city(), known_ids=()) == Receipt(S.ACKED, "0", "t")
    assert exchange(given, "t", city(), known_ids={"0"}).state is S.LINKED


def test_status_is_read_by_id(city: Make) -> None:
    """A 404 is gone or hidden, never closed; trouble is not certain."""
    status = read_status(Fake(request=ok([row(5, status="closed")])), "5", city())
    assert status.row is not None
    assert status.row.status == "closed"
    for gone in (ok([], 404), ok([], 410), ok([])):
        assert read_status(Fake(request=gone), "5", city()).gone
    for reply in [r for r in BAD if r.status != 404]:
        status = read_status(Fake(request=reply), "5", city())
        assert (status.row, status.gone, status.certain) == (None, False, False)
    other = read_status(Fake(request=ok([row(6)])), "5", city())
    assert (other.row, other.gone, other.certain) == (None, False, False)


def test_read_back_corrects_a_false_ack(city: Make, request_for: For) -> None:
    """An id that turns out to be somebody else's request is no ack of ours."""
    profile = city()
    request = request_for(profile)
    ack = Receipt(S.ACKED, "5")
    unproven = [ok([], 404), BAD[1], ok([row(5, description="")]), ok([row(5, **MINE)])]
    for reply in unproven:
        assert confirm(Fake(request=reply), request, profile, ack) == ack
    near = confirm(Fake(request=ok([row(5, **HERE)])), request, profile, ack)
    assert near.state is S.DUPLICATE
    assert confirm(Fake(request=ok([row(5)])), request, profile, ack).state is S.UNKNOWN
    token = replace(ack, state=S.TOKEN)
    assert confirm(Fake(), request, profile, token) == token


NOTHING = [
    (Reply(200, b" null\n", {}), True),
    (Reply(200, b"NULL", {}), True),
    (Reply(204, b"", {}), True),
    (Reply(200, b"", {}), False),
    (Reply(200, b'{"error": null, "message": "no database"}', {}), False),
    (Reply(500, b"null", {}), False),
    (Reply(200, b"", {}, "truncated"), False),
]


@pytest.mark.parametrize(("said", "certain"), NOTHING, ids=lambda v: str(v)[:60])
def test_a_success_is_nothing_by_its_whole_body_alone(
    city: Make, request_for: For, now: datetime, said: Reply, certain: bool
) -> None:
    """`null` and 204 are an empty list where the profile says so; what holds the word is not."""
    answers = (Answer(status=200, text="null", means="none"), Answer(status=204, means="none"))
    profile = city(answers=answers)
    fake = Fake(requests=said, request=said)
    found = find_existing(fake, request_for(profile), profile, now_utc=now)
    assert (found.found, found.certain) == (None, certain)
    assert read_status(fake, "7", profile).gone == certain
    assert not find_existing(fake, request_for(city()), city(), now_utc=now).certain


@pytest.mark.parametrize(("status", "fine", "again"), [(501, True, False), (503, False, True)])
def test_a_definition_that_is_not_to_be_had(
    city: Make, now: datetime, status: int, fine: bool, again: bool
) -> None:
    """A server without definitions (501) is sent to unchecked; one that is away is waited for."""
    listed = {"service_code": "POTHOLE", "service_name": "Pothole", "metadata": True}
    fake = Fake(services=ok([listed]), service=Reply(status, b"Not Implemented", {}))
    check = check_service(fake, city(), "pothole", now_utc=now)
    assert (check.ok, check.try_again) == (fine, again)
