"""What a reply means: the tables of the outbox."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from streetbump.cityprofile import Answer, CityProfile
from streetbump.model import CityRequest, Receipt, Reply, RequestState, ServiceRequest
from streetbump.submit.outcome import duplicates, is_open, match, outcome, retry_after_s

Make = Callable[..., CityProfile]
For = Callable[..., ServiceRequest]
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
S = RequestState


def reply(status: int | None, body: bytes | str = b"", failure: str = "", **headers: str) -> Reply:
    raw = body.encode() if isinstance(body, str) else body
    head = {"content-type": "application/json"}
    return Reply(
        status, raw, {**head, **{k.replace("_", "-"): v for k, v in headers.items()}}, failure
    )


OURS = "Pothole Ref SB-H9EJWE7FGY."
CASES = [
    # reply, state, request id, token, breaker
    (reply(201, '[{"service_request_id": 17}]'), S.ACKED, "17", None, False),
    (reply(200, '[{"service_request_id": "17"}]'), S.ACKED, "17", None, False),
    (reply(200, '[{"service_request_id": 0}]'), S.ACKED, "0", None, False),
    (reply(201, '[{"token": "t"}]'), S.TOKEN, None, "t", False),
    (reply(201, '[{"service_request_id": 17, "token": "t"}]'), S.ACKED, "17", "t", False),
    (reply(200, '[{"service_request_id": "", "token": "t"}]'), S.TOKEN, None, "t", False),
    (reply(201, '[{"service_request_id": "old"}]'), S.LINKED, "old", None, False),
    (reply(201, f'[{{"token": "t", "description": "{OURS}"}}]'), S.TOKEN, None, "t", False),
    (
        reply(201, '[{"service_request_id": 1, "description": "x", "lat": 42.36, "long": -71.05}]'),
        S.DUPLICATE, "1", None, False,
    ),
    (reply(201, '[{"service_request_id": 1, "description": "x"}]'), S.UNKNOWN, None, None, False),
    (reply(200, '[{"token": "t", "lat": 42.4, "long": -71}]'), S.UNKNOWN, None, None, False),
    (reply(200, '[{"token": "t"}, {"token": "u"}]'), S.UNKNOWN, None, None, False),
    (reply(200, "[]"), S.UNKNOWN, None, None, False),
    (reply(200, '[{"service_request_id": null, "token": null}]'), S.UNKNOWN, None, None, False),
    (reply(201, ""), S.UNKNOWN, None, None, False),
    (reply(202, ""), S.UNKNOWN, None, None, False),
    (reply(200, "<html>thanks</html>"), S.UNKNOWN, None, None, False),
    (reply(200, '[{"code": 400, "description": "no"}]'), S.UNKNOWN, None, None, False),
    (reply(200, '[{"service_req'), S.UNKNOWN, None, None, False),
    (reply(201, "", "truncated"), S.UNKNOWN, None, None, False),
    (reply(201, "", "too_large"), S.UNKNOWN, None, None, False),
    (reply(201, "", "deadline"), S.UNKNOWN, None, None, False),
    (reply(None, "", "broken"), S.UNKNOWN, None, None, False),
    (reply(None, "", "deadline"), S.UNKNOWN, None, None, False),
    (reply(None, "", "not_connected"), S.SAFE_RETRY, None, None, False),
    *((reply(status, ""), S.UNKNOWN, None, None, True) for status in (300, 301, 302, 303)),
    *((reply(status, ""), S.UNKNOWN, None, None, True) for status in (307, 308)),
    (reply(401, ""), S.SAFE_RETRY, None, None, True),
    (reply(403, '[{"code": 403, "description": "key"}]'), S.SAFE_RETRY, None, None, True),
    (reply(403, "<html>blocked</html>"), S.SAFE_RETRY, None, None, True),
    (reply(403, "", "truncated"), S.SAFE_RETRY, None, None, True),
    (reply(400, '[{"code": 400, "description": "no"}]'), S.REFUSED, None, None, False),
    (reply(422, ""), S.REFUSED, None, None, False),
    (reply(413, ""), S.REFUSED, None, None, False),
    (reply(404, '[{"code": 404, "description": "no"}]'), S.REFUSED, None, None, True),
    (reply(405, ""), S.REFUSED, None, None, True),
    (reply(408, ""), S.UNKNOWN, None, None, False),
    (reply(409, ""), S.UNKNOWN, None, None, False),
    (reply(429, ""), S.SAFE_RETRY, None, None, False),
    *((reply(status, ""), S.UNKNOWN, None, None, False) for status in (500, 502, 503, 504, 599)),
    (reply(101, ""), S.UNKNOWN, None, None, False),
]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "state", "request_id", "token", "breaker"),
    CASES,
    ids=[f"{c[0].status}-{c[0].failure}-{c[0].body[:30]!r}" for c in CASES],
)
def test_reply_becomes_a_state(
    city: Make, request_for: For, answer: Reply, state: RequestState,
    request_id: str | None, token: str | None, breaker: bool,
) -> None:  # fmt: skip
    """Each kind of answer has one meaning, and a doubt always means unknown."""
    profile = city()
    receipt = outcome(
        answer, request=request_for(profile), profile=profile, known_ids={"old"}, now_utc=NOW
    )
    assert (receipt.state, receipt.request_id, receipt.token) == (state, request_id, token)
    assert receipt.open_breaker is breaker


def test_only_a_fresh_2xx_is_an_ack() -> None:
    """Read the table itself: no row outside 2xx is acked, and no 5xx is retried."""
    for answer, state, *_ in CASES:
        if state in {S.ACKED, S.TOKEN, S.LINKED, S.DUPLICATE}:
            assert answer.status in {200, 201}
        if state is S.SAFE_RETRY:
            assert answer.failure == "not_connected" or answer.status in {401, 403, 429}


def receipt_of(profile: CityProfile, request: ServiceRequest, answer: Reply) -> Receipt:
    return outcome(answer, request=request, profile=profile, known_ids=(), now_utc=NOW)


def test_profile_may_list_503_as_safe(city: Make, request_for: For) -> None:
    """503 is unknown unless the city documents it as not processed."""
    profile = city(answers=(Answer(status=503, means="retry"),))
    receipt = receipt_of(profile, request_for(profile), reply(503, "", retry_after="90"))
    assert (receipt.state, receipt.retry_after_s) == (S.SAFE_RETRY, 90.0)


TOOK_NOTHING = [
    ('{"success": false, "message": "Invalid key"}', S.SAFE_RETRY, True),
    ('[{"code": 403, "description": "invalid key"}]', S.SAFE_RETRY, True),
    ('{"success": false, "message": "too busy"}', S.SAFE_RETRY, False),
    ('{"success": false, "message": "outside the city"}', S.REFUSED, False),
    ('{"success": false, "message": "who knows"}', S.UNKNOWN, False),
    ('[{"service_request_id": 7, "service_notice": "too busy? invalid key"}]', S.ACKED, False),
    ("[]", S.UNKNOWN, False),
]


@pytest.mark.parametrize(("body", "state", "stops"), TOOK_NOTHING)
def test_a_success_that_took_nothing_is_what_the_profile_calls_it(
    city: Make, request_for: For, body: str, state: S, stops: bool
) -> None:
    """200 with an error in it: by its text, where no request is in it; else it stays unclear."""
    said = {"invalid key": "key", "too busy": "retry", "outside": "refused"}
    answers = tuple(Answer(status=200, text=t, means=m) for t, m in said.items())  # type: ignore[arg-type]
    profile = city(answers=answers)
    receipt = receipt_of(profile, request_for(profile), reply(200, body))
    assert (receipt.state, receipt.open_breaker) == (state, stops)
    assert receipt_of(city(), request_for(city()), reply(200, body)).state in {S.UNKNOWN, S.ACKED}


WAITS = [
    ("120", 120.0), ("0", 1.0), ("-5", 1.0), ("1000000000", 86_400.0), ("9" * 400, 86_400.0),
    ("", 60.0), ("soon", 60.0), ("1.5", 60.0), ("１２", 60.0), ("nan", 60.0),
    ("Sun, 01 Mar 2026 12:10:00 GMT", 600.0), ("Sun, 01 Mar 2020 12:10:00 GMT", 1.0),
    ("Sun, 01 Mar 2099 12:10:00 GMT", 86_400.0), ("Sun, 99 Mar 2026 12:10:00 GMT", 60.0),
    ("Sun, 01 Mar 2026 12:10:00 -0000", 600.0),
]  # fmt: skip


@pytest.mark.parametrize(("value", "seconds"), WAITS)
def test_retry_after_is_clamped(value: str, seconds: float) -> None:
    """Seconds or an HTTP date, between a second and a day; garbage is a minute."""
    assert retry_after_s(value, now_utc=NOW) == seconds


def listed(request_id: str | None, **changes: object) -> CityRequest:
    fields = {
        "request_id": request_id, "token": None, "status": "open", "service_code": "POTHOLE",
        "service_name": "Pothole", "description": "", "lat_deg": 42.36, "lon_deg": -71.05,
        "requested_utc": None, "status_notes": "", **changes,
    }  # fmt: skip
    return CityRequest(**fields)  # type: ignore[arg-type]


def test_reference_matches_before_place(city: Make, request_for: For) -> None:
    """Our own request is found by its reference, wherever the city put it, closed or not."""
    profile = city()
    rows = [listed("near"), listed("ours", description=OURS.lower(), lat_deg=0.0, status="closed")]
    found = match(rows, request=request_for(profile), profile=profile)
    assert found is not None
    assert found.request_id == "ours"


def test_duplicates_are_open_near_and_of_our_code(city: Make, request_for: For) -> None:
    """Only an open request of our code near the place is a duplicate; the nearest comes first."""
    rows = [
        listed("far", lat_deg=42.37),
        listed("closed", status="closed"),
        listed("other", service_code="GRAFFITI"),
        listed("nowhere", lat_deg=None),
        listed(None),
        listed("ten", lat_deg=42.36 + 10 / 111_195),
        listed("five", lat_deg=42.36 + 5 / 111_195, service_code=""),
        listed("odd", lat_deg=42.36 + 12 / 111_195, status="in_progress"),
    ]
    profile = city()
    found = duplicates(rows, request=request_for(profile), profile=profile)
    assert [r.request_id for r in found] == ["five", "ten", "odd"]


def test_no_status_word_is_guessed_as_closed() -> None:
    """Only "closed" means closed."""
    words = ("open", "", "resolved", "archived", "closed")
    assert [is_open(listed("1", status=w)) for w in words] == [True, True, True, True, False]
