"""Real HTTP against the habits of servers that others wrote: each driven by its profile alone.

The first half are the client's eleven rules, one test each by number; the second half are cities.
"""

from __future__ import annotations

import json
import re
import sqlite3
import tomllib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from streetbump import runtime
from streetbump.cityprofile import CityProfile, city_of
from streetbump.model import Receipt, Reply, RequestState, ServiceRequest
from streetbump.submit.dialect import Wanted, list_arguments, read_url
from streetbump.submit.georeport import GeoReport
from streetbump.submit.outcome import is_open, rows_of, status_of
from streetbump.submit.probe import Finding, mended, probe
from streetbump.submit.routing import City as Place
from streetbump.submit.secret import Secret
from streetbump.submit.talk import (
    check_service,
    confirm,
    exchange,
    find_existing,
    look_up,
    read_status,
    send,
)
from tests.conftest import Workshop, import_inventory, take_in
from tests.submit.dialects import (
    FAMILIES,
    HTML_PAGE,
    Answer,
    City,
    DjangoLike,
    PerlLike,
    PhpLike,
    as_json,
)

S = RequestState
For = Callable[..., ServiceRequest]
KEY = Secret("s3cret-key")
PLAIN = """
schema_version = 1
name = "town"
title = "Town"
timezone = "UTC"
live = true
boundary = { kind = "radius", lat_deg = 42.0, lon_deg = -71.0, radius_m = 90000 }
channel = { kind = "georeport", endpoint = "http://127.0.0.1/" }
services.pothole = { code = "7", name = "Pothole" }
limits = { min_interval_s = 0, deadline_s = 10 }
"""


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {k: merged(base[k], v) if isinstance(v, dict) and isinstance(base.get(k), dict) else v
            for k, v in over.items()}  # fmt: skip
    return {**base, **both}


def profile_of(city: City, *texts: str) -> CityProfile:
    """A plain profile of ten lines with further TOML laid over it."""
    tables = tomllib.loads(PLAIN)
    for text in texts:
        tables = merged(tables, tomllib.loads(text))
    tables["channel"]["endpoint"] = city.url
    return city_of(tables, where="town.toml")


class Town:
    """A city that runs, its profile and a client."""

    def __init__(self, city: City, profile: CityProfile, client: GeoReport) -> None:
        self.city, self.profile, self.client = city, profile, client

    def check(self) -> Any:
        return check_service(self.client, self.profile, "pothole", now_utc=datetime.now(UTC))

    def existing(self, request: ServiceRequest) -> Any:
        return find_existing(self.client, request, self.profile, now_utc=datetime.now(UTC))

    def send(self, request: ServiceRequest, known: tuple[str, ...] = ()) -> Receipt:
        now = datetime.now(UTC)
        return send(self.client, request, self.profile, known_ids=known, now_utc=now)

    def look_up(self, request: ServiceRequest, hours: float = 0.0) -> Receipt:
        now = datetime.now(UTC)
        later = now + timedelta(hours=hours)
        return look_up(self.client, request, self.profile, sent_utc=now, now_utc=later)


class Plain(City):
    """A server as the standard has it."""

    toml = ""

    def answer(self, call: Any) -> Any:
        path = call.path.removeprefix("/v2/").removesuffix(".json")
        if path == "services":
            return as_json(self.services())
        if path == "requests" and call.method == "POST":
            return self.create(call)
        return as_json(self.listed(call.query) if path == "requests" else self.by_id(path[9:]))

    def create(self, call: Any) -> Any:
        return as_json([{"service_request_id": self.add(call.args)["service_request_id"]}], 201)


@pytest.fixture
def town() -> Iterator[Callable[..., Town]]:
    """Start a city of a family; its profile is the plain one with the family's TOML and more."""
    with ExitStack() as stack:

        def start(city: City, *texts: str, key: Secret | None = KEY) -> Town:
            if not city.url:
                stack.enter_context(city.running())
            profile = profile_of(city, *(texts or (city.toml,)))  # type: ignore[attr-defined]
            return Town(city, profile, stack.enter_context(GeoReport(profile, key=key)))

        yield start


@pytest.fixture(params=FAMILIES)
def any_town(request: pytest.FixtureRequest, town: Callable[..., Town]) -> Town:
    return town(FAMILIES[request.param]())


# ------------------------------------------------------------------------------ every family


def test_profile_alone_drives_the_city(any_town: Town, request_for: For) -> None:
    """Checked, searched, sent once, found again, read by id, seen closed: without any code."""
    request = request_for(any_town.profile)
    assert any_town.check().why == ""
    before = any_town.existing(request)
    assert (before.found, before.certain) == (None, True), before.why
    receipt = any_town.send(request)
    if receipt.state is S.TOKEN:
        waiting = exchange(any_town.client, receipt.token or "", any_town.profile, known_ids=())
        assert waiting.state is S.TOKEN
        receipt = exchange(any_town.client, receipt.token or "", any_town.profile, known_ids=())
    assert receipt.state is S.ACKED, receipt
    assert confirm(any_town.client, request, any_town.profile, receipt) == receipt
    after = any_town.existing(request)
    assert after.ours, after.why
    assert after.found.request_id == receipt.request_id
    status = read_status(any_town.client, receipt.request_id or "", any_town.profile)
    assert status.row is not None
    assert status_of(status.row, any_town.profile.dialect) == "open"
    (ours,) = any_town.city.ours()
    ours["status"] = "closed"
    status = read_status(any_town.client, receipt.request_id or "", any_town.profile)
    assert status.row is not None
    assert not is_open(status.row, any_town.profile.dialect)
    assert any_town.look_up(request).state is S.ACKED
    assert len(any_town.city.ours()) == 1


def test_a_lost_answer_is_found_and_a_neighbour_covers(any_town: Town, request_for: For) -> None:
    """Taken, but the answer was lost: found by its reference. Somebody else's there: no second."""
    city, request = any_town.city, request_for(any_town.profile)
    told = city.answer
    city.answer = lambda call: (  # type: ignore[method-assign]
        (told(call), Answer(502, HTML_PAGE, "text/html"))[1] if call.method == "POST"
        else told(call)
    )  # fmt: skip
    assert any_town.send(request).state is S.UNKNOWN
    assert any_town.look_up(request).state is S.ACKED
    assert len(city.ours()) == len([c for c in city.heard if c.method == "POST"]) == 1
    city.rows.remove(city.ours()[0])
    assert any_town.look_up(request, hours=25).state is S.HELD
    theirs = city.add({"service_code": city.code, "description": "a hole", "lat": request.lat_deg,
                       "long": request.lon_deg + 0.00005})  # fmt: skip
    seen = any_town.existing(request)
    assert seen.found is not None, seen.why
    assert (seen.ours, seen.certain) == (False, True)
    assert seen.found.request_id == str(theirs["service_request_id"])
    theirs["status"] = "closed"
    after = any_town.existing(request)
    assert (after.found, after.certain) == (None, True), after.why


def test_key_is_in_no_address_and_no_reply(any_town: Town, request_for: For) -> None:
    """No call has the key in its path or query, whatever the family."""
    request = request_for(any_town.profile)
    any_town.check()
    any_town.existing(request)
    any_town.send(request)
    any_town.look_up(request)
    assert len(any_town.city.heard) >= 4
    for call in any_town.city.heard:
        assert "s3cret" not in call.path + str(call.query)
    posts = [c for c in any_town.city.heard if c.method == "POST"]
    needs_key = any_town.profile.channel.key_env  # type: ignore[union-attr]
    assert not needs_key or "s3cret-key" in str(posts[0].form) + str(posts[0].headers)


def test_doctor_finds_what_a_plain_profile_needs(
    any_town: Town, town: Callable[..., Town], request_for: For
) -> None:
    """Ten lines, a key, and what the doctor suggests are enough to be read without a failure."""
    city = any_town.city
    own = tomllib.loads(city.toml).get("channel", {})  # type: ignore[attr-defined]
    keys = {k: v for k, v in own.items() if k.startswith(("key", "juris"))}
    with_key = "[channel]\n" + "".join(f"{k} = {str(v).lower() if v is True else repr(v)}\n"
                                       for k, v in keys.items())  # fmt: skip
    first = town(city, with_key)
    found = findings(first)
    text = mended(found)
    again = town(city, with_key, text) if text else first
    assert [f for f in findings(again) if f.state == "fails"] == []
    posts = [c for c in city.heard if c.method == "POST"]
    assert posts == []
    request = request_for(again.profile)
    assert again.check().why == ""
    assert again.existing(request).certain, again.existing(request).why


def findings(one: Town) -> list[Finding]:
    with ExitStack() as stack:
        return list(
            probe(
                lambda profile: stack.enter_context(GeoReport(profile, key=KEY)),
                Place(one.profile),
                now_utc=datetime.now(UTC),
            )
        )


def test_doctor_asks_the_questions_of_the_code_it_suggests(town: Callable[..., Town]) -> None:
    """One look finds the code, its name and what it asks: enough to be checked without a fault."""
    city = PerlLike()
    text = mended(findings(town(city, "[services.pothole]\ncode = 'P'\n")))
    tables = tomllib.loads(text)
    assert tables["services"]["pothole"] == {
        "code": "7", "name": "Pothole", "attributes": {"WHERE": "lane"},
    }  # fmt: skip
    assert town(city, text).check().why == ""


class Mute(Plain):
    """Says nothing to dates in UTC, and calls its JSON a page."""

    def answer(self, call: Any) -> Any:
        said = super().answer(call)
        if any(v.endswith("Z") for v in call.query.values()):
            said = as_json([])
        return replace(said, kind="text/html; charset=utf-8")


def test_doctor_is_not_content_with_an_empty_answer(town: Callable[..., Town]) -> None:
    """A filter that silences the city is not one that was kept to: another date style is found."""
    city = Mute()
    found = findings(town(city))
    assert 'date_style = "offset"' in mended(found)
    assert "mislabelled = true" in mended(found)
    assert "though" in " ".join(f.said for f in found)
    again = findings(town(city, mended(found)))
    assert {f.state for f in again if f.asked.startswith("filter ")} == {"ok"}


def test_doctor_knows_a_list_that_is_too_long(town: Callable[..., Town]) -> None:
    """A list beyond the limit on a reply: the limit is named, and with it the list is read."""
    city = Plain()
    for number in range(3000):
        city.add({"service_code": "9", "lat": 20.0, "long": number / 100, "description": "x" * 200})
    found = findings(town(city))
    assert "body_limit_bytes = 16777216" in mended(found)
    assert [f for f in findings(town(city, mended(found))) if f.state == "fails"] == []


class OwnWords(Plain):
    """Knows no "open": what is so is new, and a filter that it does not know finds nothing."""

    def add(self, args: Any, *, when: str = "", status: str = "open") -> Any:
        return super().add(args, when=when, status={"open": "new"}.get(status, status))


def test_doctor_sees_that_open_has_another_word(
    town: Callable[..., Town], request_for: For
) -> None:
    """An empty answer to "open" would hide every duplicate: the filter goes, or gets its word."""
    city = OwnWords()
    one = town(city)
    request = request_for(one.profile)
    city.add({"service_code": "7", "lat": request.lat_deg, "long": request.lon_deg})
    found = findings(one)
    assert "nothing came back for 'open', though 3 listed may be open" in [f.said for f in found]
    mends = (
        mended(found),
        "[dialect]\nstatus_values = { open = 'new' }\nstatus_words = { new = 'open' }",
    )
    for text in mends:
        again = town(city, text)
        assert [f for f in findings(again) if f.asked.startswith("filter s") and f.mend] == []
        assert again.existing(request).found is not None


class Wrapped(Plain):
    """Puts a list into an object in an object, beside one that tells how it went."""

    def answer(self, call: Any) -> Any:
        said = super().answer(call)
        name = "services" if "services" in call.path else "items"
        body = {"meta": {"ok": True}, "data": {name: json.loads(said.body)}}
        return said if call.method == "POST" else replace(said, body=json.dumps(body))


def test_doctor_finds_wrappers(town: Callable[..., Town], request_for: For) -> None:
    """What stands around a list is found and named, one name after the other."""
    city = Wrapped()
    text = mended(findings(town(city)))
    one = town(city, text)
    assert 'wrappers = ["data", "items"]' in text
    assert [f for f in findings(one) if f.state == "fails"] == []
    assert one.existing(request_for(one.profile)).certain


class Windowed(Plain):
    """Shows requests only where a window of time is asked for."""

    def answer(self, call: Any) -> Any:
        listing = call.path.endswith("/requests.json") and call.method == "GET"
        if listing and not {"start_date", "end_date"} <= set(call.query):
            return as_json([{"code": 400, "description": "start_date is required"}], 400)
        return super().answer(call)


def test_doctor_asks_for_a_window_where_one_is_wanted(
    town: Callable[..., Town], request_for: For
) -> None:
    """A list that wants dates is no failure: the search before sending always names them."""
    city = Windowed()
    city.add({"service_code": "7", "lat": 1.0, "long": 2.0})
    one = town(city)
    found = findings(one)
    assert {f.state for f in found} <= {"ok", "note"}
    assert "start_date is required" in {f.asked: f.said for f in found}["list"]
    assert one.existing(request_for(one.profile)).certain


class Sqlite(Plain):
    """Compares dates as text, its own with a blank: a day is half lost to what asks with a T."""

    def add(self, args: Any, *, when: str = "", status: str = "open") -> Any:
        row = super().add(args, when=when, status=status)
        row["requested_datetime"] = row["requested_datetime"].replace("T", " ")[:19]
        return row


def test_doctor_misses_what_a_filter_leaves_out(town: Callable[..., Town]) -> None:
    """A filter that keeps some requests and loses one that fits is not kept to."""
    city = Sqlite()
    city.rows.clear()
    for day in (1, 2, 3):
        city.add({"service_code": "7", "lat": 1.0, "long": 2.0}, when=f"2026-09-0{day}T12:00:00Z")
    text = "[dialect]\nzone_of_naive = true\n"
    found = findings(town(city, text))
    assert 'date_style = "sql"' in mended(found)
    assert "1 of 2 listed requests that fit it did not come back" in [f.said for f in found]
    again = findings(town(city, text, mended(found)))
    assert {f.state for f in again if f.asked.startswith("filter ")} <= {"ok", "note"}


# -------------------------------------------------------------------------- the eleven rules


def test_rule_1_the_outbox_knows_before_the_city_hears(workshop: Workshop, tmp_path: Path) -> None:
    """At every POST the outbox holds that very request as sending: no byte goes out before."""
    city = DjangoLike()
    seen: list[set[str]] = []
    create = city.create

    def remember(call: Any) -> Any:
        with sqlite3.connect(tmp_path / "s.db") as store:
            rows = store.execute("select marker from outbox where state = 'sending'")
            seen.append({marker for (marker,) in rows if marker in call.args["description"]})
        return create(call)

    city.create = remember
    world = 'boundary = { kind = "bbox", west = -180, south = -90, east = 180, north = 90 }'
    with city.running(), ExitStack() as stack:
        tables = merged(tomllib.loads(PLAIN), tomllib.loads(city.toml))
        text = "\n".join([PLAIN.replace(PLAIN.splitlines()[6], world), city.toml])
        text = text.replace('channel = { kind = "georeport", endpoint = "http://127.0.0.1/" }', "")
        text = text.replace("[channel]", f'[channel]\nkind = "georeport"\nendpoint = "{city.url}"')
        assert set(tomllib.loads(text)) == set(tables)
        (tmp_path / "town.toml").write_text(text)
        desk = runtime.open_desk(
            str(tmp_path / "town.toml"), environ={"KEY": KEY.reveal()}, stack=stack
        )
        session = workshop.open(desks=[desk])
        import_inventory(session)
        take_in(session, allow_send=True)
        assert len(seen) == len(city.ours()) == 5
        assert all(len(markers) == 1 for markers in seen)


class Says(Plain):
    """A city that answers the POST as it is told, and stores it or not."""

    def __init__(self, status: int, body: str, kind: str = "application/json",
                 stores: bool = False, **headers: str) -> None:  # fmt: skip
        super().__init__()
        self.said = (status, body, kind, headers)
        self.stores = stores

    def create(self, call: Any) -> Any:
        if self.stores:
            self.add(call.args)
        return Answer(*self.said)


OTHERS = '[{"service_request_id": 1}, {"service_request_id": 2}]'
UNSURE = [
    Says(500, "", stores=True), Says(502, "<html>", "text/html"), Says(200, "", stores=True),
    Says(200, "[{"), Says(200, OTHERS), Says(200, "<html>created</html>", "text/html", stores=True),
    Says(301, "", Location="/v2/requests/"), Says(303, "", Location="/v2/requests/9", stores=True),
    Says(204, ""), Says(200, "[]"), Says(409, "", stores=True),
]  # fmt: skip


@pytest.mark.parametrize("city", UNSURE, ids=lambda c: f"{c.said[0]}-{c.said[1][:20]}-{c.stores}")
def test_rule_2_unsure_is_looked_up_and_never_resent(
    town: Callable[..., Town], request_for: For, city: Says
) -> None:
    """Stored or not, an unclear answer makes no second POST: found it is ours, else a person's."""
    one = town(city, key=None)
    request = request_for(one.profile)
    assert one.send(request).state is S.UNKNOWN
    found = one.look_up(request, hours=25)
    assert found.state is (S.ACKED if city.stores else S.HELD)
    assert len([c for c in city.heard if c.method == "POST"]) == 1


NO_SUCCESS = [
    (OTHERS, "2 requests instead of one"),
    ('[{"service_request_id": "known"}]', ""),
    ('[{"service_notice": "thanks", "service_code": "7"}]', "without a request id"),
    ('[{"service_request_id": 5, "description": "a tree", "lat": 1, "long": 1}]', "not ours"),
]


@pytest.mark.parametrize(("body", "said"), NO_SUCCESS)
def test_rule_3_success_needs_one_fresh_request_of_ours(
    town: Callable[..., Town], request_for: For, body: str, said: str
) -> None:
    """A 2xx is not yet a success: exactly one request, an id we did not know, and it is ours."""
    one = town(Says(200, body), key=None)
    receipt = one.send(request_for(one.profile), known=("known",))
    assert receipt.state in {S.UNKNOWN, S.LINKED}
    assert said in receipt.note


def test_rule_3_zero_is_an_id(town: Callable[..., Town], request_for: For) -> None:
    """The first request of a server that counts from 0 has the id 0."""
    city = DjangoLike()
    city.rows.clear()
    one = town(city)
    receipt = one.send(request_for(one.profile))
    assert (receipt.state, receipt.request_id) == (S.ACKED, "0")
    assert read_status(one.client, "0", one.profile).row is not None


def test_rule_3_success_statuses_of_the_profile(
    town: Callable[..., Town], request_for: For
) -> None:
    """A city that says 201 has not taken what it answers with 200."""
    body = '[{"service_request_id": 77}]'
    strict = "[dialect]\nsuccess_statuses = [201]\n"
    one = town(Says(200, body), strict, key=None)
    assert one.send(request_for(one.profile)).state is S.UNKNOWN
    one = town(Says(201, body), strict, key=None)
    assert one.send(request_for(one.profile)).state is S.ACKED


def test_rule_4_only_what_was_not_taken_is_sent_again(
    town: Callable[..., Town], request_for: For
) -> None:
    """A 400 that the profile names as passing is retried; the same text elsewhere is not."""
    city = PhpLike()
    city.deadlocks = 1
    one = town(city)
    request = request_for(one.profile)
    first = one.send(request)
    assert (first.state, first.retry_after_s) == (S.SAFE_RETRY, 60.0)
    assert one.existing(request).found is None
    assert one.send(request).state is S.ACKED
    assert len(city.ours()) == 1
    plain = town(Says(400, '[{"code": 400, "description": "Deadlock"}]'), "", key=None)
    assert plain.send(request_for(plain.profile)).state is S.REFUSED


def test_rule_5_first_403_and_a_lost_code_stop_the_city(
    town: Callable[..., Town], request_for: For
) -> None:
    """A refused key opens the breaker; a list of strange codes (a retired key) stops sending."""
    one = town(PhpLike(), key=Secret("wrong-key"))
    receipt = one.send(request_for(one.profile))
    assert (receipt.state, receipt.open_breaker) == (S.SAFE_RETRY, True)
    retired = PhpLike()
    retired.code = "XXX"
    check = town(retired).check()
    assert not check.ok
    assert not check.try_again


def test_rule_5_a_500_that_means_the_key_stops_the_city(
    town: Callable[..., Town], request_for: For
) -> None:
    """Where a missing key gives 500 for ever, the profile says so, and a person is asked."""
    one = town(DjangoLike(), key=None)
    receipt = one.send(request_for(one.profile))
    assert (receipt.state, receipt.open_breaker) == (S.SAFE_RETRY, True)
    assert one.city.ours() == []


def test_rule_6_redirect_is_not_followed_into_a_list(
    town: Callable[..., Town], request_for: For
) -> None:
    """A 301 that leads to a list of others' requests is no success, and no second call."""
    city = DjangoLike()
    one = town(city, "[dialect]\npath_suffix = false\n")
    receipt = one.send(request_for(one.profile))
    assert (receipt.state, receipt.open_breaker) == (S.UNKNOWN, True)
    assert [c.method for c in city.heard] == ["POST"]


def test_rule_7_numbers_are_plain_and_dates_whole(
    town: Callable[..., Town], request_for: For
) -> None:
    """Degrees without exponents, moments in whole seconds, in the style of the city."""
    styles = {"sql": r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d",
              "z": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "date": r"\d{4}-\d\d-\d\d",
              "naive": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d",
              "offset": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"}  # fmt: skip
    for style, pattern in styles.items():
        text = f"[dialect]\ndate_style = '{style}'\ndecimals = 5\n"
        one = town(Says(201, '[{"service_request_id": 50}]'), text, key=None)
        request = request_for(one.profile, lat_deg=42.0000001, lon_deg=-1e-6)
        one.existing(request)
        one.send(request)
        asked, posted = one.city.heard
        assert re.fullmatch(pattern, asked.query["start_date"])
        assert (posted.args["lat"], posted.args["long"]) == ("42.00000", "-0.00000")


def test_rule_7_a_day_as_the_end_does_not_lose_today() -> None:
    """Where dates have no time, the list is asked for up to tomorrow."""
    city = Plain()
    city.url = "http://127.0.0.1/"
    profile = profile_of(city, "[dialect]\ndate_style = 'date'\n")
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    asked = list_arguments(profile, Wanted(since=now, until=now))
    assert asked == {"start_date": "2026-03-01", "end_date": "2026-03-02"}


def test_rule_8_attributes_follow_the_live_definition(
    town: Callable[..., Town], request_for: For
) -> None:
    """No answer to a required question, an unknown choice, an extra answer: nothing is sent."""
    city = PerlLike()
    cases = [
        ("{}", "asks for WHERE (one of lane, kerb)"),
        ('{ WHERE = "roof" }', "WHERE does not take 'roof'"),
        ('{ WHERE = "lane", SIZE = "1" }', "does not ask for SIZE"),
    ]
    for answers, said in cases:
        one = town(city, f"[services.pothole]\nattributes = {answers}\n")
        assert said in one.check().why
    good = town(city)
    good.send(request_for(good.profile))
    sent = [v for k, v in city.heard[-1].form if k == "attribute[WHERE]"]
    assert sent == ["lane", "kerb"]
    names = {k for k, _ in city.heard[-1].form}
    assert names == {
        "api_key", "service_code", "lat", "long", "description", "attribute[WHERE]",
    }  # fmt: skip


def test_rule_9_search_proves_its_filters_and_fails_closed(
    town: Callable[..., Town], request_for: For
) -> None:
    """An ignored filter is told and made good; an empty-bodied list proves nothing."""
    city = PhpLike()
    one = town(city, "[channel]\nkey_env = 'KEY'\n")  # believes that it can filter by status
    request = request_for(one.profile)
    closed = city.add({"service_code": "7", "description": "x", "lat": request.lat_deg,
                       "long": request.lon_deg}, status="closed")  # fmt: skip
    seen = one.existing(request)
    assert (seen.found, seen.certain) == (None, True)
    assert "ignored the filter status" in seen.why
    closed["status"] = "open"
    assert one.existing(request).found is not None
    city.poisoned = True
    assert not one.existing(request).certain


def test_rule_9_one_bad_record_does_not_hide_our_own_request(
    town: Callable[..., Town], request_for: For
) -> None:
    """A list that one bad record spoils is read in halves: a find counts, a blank does not."""
    city = PerlLike()
    one = town(city)
    request = request_for(one.profile)
    old = datetime.now(UTC) - timedelta(days=40)
    city.poison = old.strftime("%Y-%m-%dT%H:%M:%SZ")
    blank = one.existing(request)
    assert (blank.found, blank.certain) == (None, False)
    one.send(request)
    found = one.existing(request)
    assert found.ours
    assert one.look_up(request).state is S.ACKED


def test_rule_9_pages_are_turned_until_the_end(town: Callable[..., Town], request_for: For) -> None:
    """A duplicate on the third page is found; the same page for ever proves nothing."""
    city = FAMILIES["drupal"]()
    one = town(city)
    request = request_for(one.profile)
    for number in range(4):
        city.add({"service_code": "7", "description": "x", "lat": 10.0 + number, "long": 1.0})
    city.add({"service_code": "7", "description": "x", "lat": request.lat_deg,
              "long": request.lon_deg})  # fmt: skip
    assert one.existing(request).found is not None
    stuck = town(city, city.toml.replace('page = "page"', 'page = "seite"'))  # type: ignore[attr-defined]
    city.rows.pop()
    result = stuck.existing(request)
    assert (result.found, result.certain) == (None, False)
    assert "same page again" in result.why


def test_rule_9_place_filters_go_out_under_the_citys_names(
    town: Callable[..., Town], request_for: For
) -> None:
    """A city that can search around a place is asked so; rows from afar show that it did not."""
    text = """
[dialect]
filters = { lat = "latitude", long = "longitude", radius = "within", bbox = "box" }
by_id = "query"
"""
    one = town(Says(201, "[]"), text, key=None)
    seen = one.existing(request_for(one.profile))
    assert one.city.heard[0].query == {
        "latitude": "42.360000", "longitude": "-71.050000", "within": "100",
        "box": "-71.051217,42.359101,-71.048783,42.360899",
    }  # fmt: skip
    assert (seen.certain, seen.why) == (True, "the city ignored the filter lat")
    read_status(one.client, "1", one.profile)
    assert one.city.heard[-1].query == {"service_request_id": "1"}


def test_rule_9_the_place_of_a_search_goes_before_that_of_the_profile() -> None:
    """A city whose service list is that of a place is asked with one, and a list with its own."""
    city = Plain()
    city.url = "http://127.0.0.1/"
    text = "[dialect]\nread_arguments = { lat = '1', long = '2' }\n"
    profile = profile_of(city, text, "[dialect]\nfilters = { lat = 'lat', long = 'long' }\n")
    around = list_arguments(profile, Wanted(lat_deg=42.5, lon_deg=-71.0))
    assert read_url(profile, ["services"], []).endswith("/services.json?lat=1&long=2")
    asked = read_url(profile, ["requests"], list(around.items()))
    assert asked.endswith("/requests.json?lat=42.500000&long=-71.000000")


def test_rule_10_json_and_xml_are_one_model(town: Callable[..., Town], request_for: For) -> None:
    """The same requests, whichever format is read."""
    city = PerlLike()
    rows = []
    for kind in ("json", "xml"):
        one = town(city, city.toml, f"[channel]\nformat = '{kind}'\n")
        rows.append(rows_of(one.client.requests(), one.profile))
    assert rows[0] == rows[1]
    assert len(rows[0]) == 3


def test_rule_11_status_is_read_by_id_and_404_is_gone(town: Callable[..., Town]) -> None:
    """A request that is not shown is gone or hidden, never closed; other words are not guessed."""
    city = PerlLike()
    one = town(city)
    assert read_status(one.client, "999", one.profile).gone
    city.rows[0]["status"] = "fixed"
    row = read_status(one.client, "1", one.profile).row
    assert row is not None
    assert not is_open(row, one.profile.dialect)  # the profile says that fixed means closed
    assert is_open(row)  # by itself the word says nothing
    assert isinstance(one.client.request("1"), Reply)


def test_post_without_format_that_created_is_found(
    town: Callable[..., Town], request_for: For
) -> None:
    """An HTML page with 200 that did create: unknown, then found by its reference, once."""
    city = PhpLike()
    one = town(city, city.toml, "[dialect]\npath_suffix = false\n")
    request = request_for(one.profile)
    assert one.send(request).state is S.UNKNOWN
    assert one.look_up(request).state is S.ACKED
    assert len(city.ours()) == 1
