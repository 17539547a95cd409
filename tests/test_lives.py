"""From the first jolt to the repair and back: a place, its city and its passes, on the whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from campaigns.world import DAY_NS, desk_of, drive
from streetbump.commands.explain import explain
from streetbump.commands.requests import plan_table, sync
from streetbump.commands.review import review, review_table
from streetbump.commands.session import Session
from streetbump.model import CLUSTERS, RequestState
from streetbump.report.explain import Life, explain_place
from streetbump.stores import LinkRow as Link
from streetbump.submit.sandbox import Faults, Sandbox
from streetbump.submit.sandbox.city import Closing, Filling
from streetbump.submit.sandbox.dialect import Dialect

from .conftest import Workshop

NO_CLUSTERS = CLUSTERS.empty()


@pytest.fixture
def town(workshop: Workshop) -> Iterator[tuple[Workshop, Session, Sandbox]]:
    """A practice city whose clock is the workshop's, and a session with its desk."""
    speaks = Dialect(extensions=True)
    with Sandbox(0, clock=workshop.utc, dialect=speaks) as city, ExitStack() as stack:
        desk = desk_of(city, workshop.folder, stack=stack, deadline_s=10.0,
                       dialect='read_arguments = { extensions = "true" }')  # fmt: skip
        yield workshop, workshop.open(desks=[desk]), city


def felt_by_many(session: Session, *, day: int, felt: bool = True, cars: int = 5) -> None:
    for k in range(cars):
        drive(session, day=day + k, device=f"car {k}", felt=felt)


def pass_days(shop: Workshop, days: int) -> None:
    shop.now_ns += days * DAY_NS


def settle(session: Session) -> None:
    session.until_idle(lanes=("cluster", "sync", "submit"), allow_send=True)


def reported(town: tuple[Workshop, Session, Sandbox]) -> tuple[Workshop, Session, Sandbox]:
    """The town, six days on: a place that five cars felt, and the city's request for it."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    return shop, session, city


def states(session: Session) -> list[str]:
    (place,) = session.store.places()
    return [h["state"] for h in session.store.history(place.place_id)]


def test_a_repair_is_seen_and_a_failed_patch_is_reported_anew(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Flagged, reported, closed, repair seen; felt again: a new episode, sent after the pause."""
    shop, session, city = reported(town)
    (row,) = city.ledger()
    assert states(session) == ["flagged", "reported"]

    city.close_request(row["service_request_id"])
    pass_days(shop, 1)
    sync(session)
    assert states(session)[-1] == "closed_claimed"

    felt_by_many(session, day=10, felt=False, cars=8)
    pass_days(shop, 12)
    settle(session)
    assert states(session)[-1] == "repair_seen"
    assert len(city.ledger()) == 1

    felt_by_many(session, day=20)
    pass_days(shop, 8)
    settle(session)
    (place,) = session.store.places()
    assert states(session)[-2:] == ["still_there", "reported"]
    assert place.episode == 2
    old, new = session.store.outbox()
    assert (old.state, new.state) == (RequestState.ACKED, RequestState.ACKED)
    assert len(city.ledger()) == 2


def test_a_closing_without_a_repair_waits_for_the_pause(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Still felt after the city closed it: still there at once, a new request 14 days later."""
    shop, session, city = reported(town)
    city.close_request(city.ledger()[0]["service_request_id"])
    pass_days(shop, 1)
    sync(session)
    felt_by_many(session, day=8)
    pass_days(shop, 6)
    settle(session)
    assert states(session)[-1] == "still_there"
    assert len(city.ledger()) == 1
    assert any("14 days" in why for why in plan_table(session)["why"])
    pass_days(shop, 14)
    settle(session)
    assert len(city.ledger()) == 2


def test_sync_sends_nothing(town: tuple[Workshop, Session, Sandbox]) -> None:
    """Asking what became of requests creates none, however much is ready to go."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    session.until_idle(lanes=("cluster",))
    sync(session)
    assert city.ledger() == []
    assert session.store.outbox() == ()


def test_a_late_trip_does_not_rewrite_what_was_sent(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """A trip of last week that arrives after the report changes clusters, not the request."""
    _, session, city = reported(town)
    (before,) = session.store.outbox()
    drive(session, day=2, device="late car")
    settle(session)
    (after,) = session.store.outbox()
    assert (after.request, after.request_id) == (before.request, before.request_id)
    assert len(city.ledger()) == 1
    assert states(session) == ["flagged", "reported"]


def test_what_faded_before_it_was_sent_is_not_sent(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Years of trips read at once: a hole that was mended in between is no report."""
    shop, session, city = town
    felt_by_many(session, day=0)
    felt_by_many(session, day=30, felt=False, cars=12)
    pass_days(shop, 60)
    settle(session)
    assert states(session)[-1] == "faded"
    assert city.ledger() == []


def test_a_request_that_the_city_hides_is_not_closed(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """A 404 on the number is said in the history, and closes nothing."""
    shop, session, city = reported(town)
    city.reset()
    pass_days(shop, 1)
    sync(session)
    (place,) = session.store.places()
    (row,) = session.store.outbox()
    assert (place.state, row.city_status, row.closed_ns) == ("reported", "gone", None)
    assert "gone" in session.store.history(place.place_id)[-1]["why"]


def test_a_duplicate_is_followed_to_what_it_was_merged_into(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Closed in favour of another request, ours stays reported until that one is closed."""
    shop, session, city = reported(town)
    ours = city.ledger()[0]["service_request_id"]
    city.fill(Filling(n=1))
    ids = {r["service_request_id"] for r in city.ledger()}
    (parent,) = ids - {ours}
    city.close_request(ours, Closing(reason="duplicate", parent=parent))
    pass_days(shop, 1)
    sync(session)
    (row,) = session.store.outbox()
    assert (row.city_status, row.parent_id, row.closed_ns) == ("duplicate", parent, None)
    assert states(session)[-1] == "reported"

    city.close_request(parent)
    pass_days(shop, 1)
    sync(session)
    assert states(session)[-1] == "closed_claimed"


def test_a_new_episode_names_the_request_before(town: tuple[Workshop, Session, Sandbox]) -> None:
    """What is reported anew says which request of the city's was closed without a repair."""
    shop, session, city = reported(town)
    first = city.ledger()[0]["service_request_id"]
    city.close_request(first)
    pass_days(shop, 1)
    sync(session)
    felt_by_many(session, day=8)
    pass_days(shop, 30)
    settle(session)
    assert f"after request {first} was closed" in city.ledger()[-1]["description"]


def held(town: tuple[Workshop, Session, Sandbox], fault: str) -> str:
    """The place whose request had an unclear outcome and was not found within the city's window."""
    shop, session, city = town
    city.set_faults(Faults(fault=fault, times=1))  # type: ignore[arg-type]
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    pass_days(shop, 2)
    settle(session)
    (row,) = session.store.outbox()
    assert row.state == RequestState.HELD
    return row.place_id


def decide(town: tuple[Workshop, Session, Sandbox], place_id: str, decision: str) -> None:
    shop, session, _ = town
    review(session.store, place_id, decision, by="Ann", note="", now_ns=shop.now_ns)


def test_a_held_request_that_never_arrived_is_sent_anew_once_a_person_says_so(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Held stays held by itself; approved and proven absent, the next episode goes out, once."""
    shop, session, city = town
    place_id = held(town, "drop")
    (listed,) = review_table(session.store).to_dict("records")
    assert listed["request"].startswith("held: sent with an unclear outcome")
    pass_days(shop, 3)
    settle(session)
    assert city.ledger() == []

    decide(town, place_id, "approve")
    for _ in range(3):
        settle(session)
        pass_days(shop, 1)
    old, new = session.store.outbox()
    assert (old.state, old.episode) == (RequestState.REFUSED, 1)
    assert (new.state, new.episode) == (RequestState.ACKED, 2)
    assert old.marker != new.marker
    assert len(city.ledger()) == 1


def test_a_held_request_that_arrived_after_all_is_found_and_not_sent_anew(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """The city listed it late: approving it finds it by its reference, and sends nothing."""
    shop, session, city = town
    city.dialect = Dialect(listed_after_s=5 * 86_400.0)
    place_id = held(town, "drop_stored")
    pass_days(shop, 5)
    decide(town, place_id, "approve")
    settle(session)
    (row,) = session.store.outbox()
    assert (row.state, row.note) == (RequestState.ACKED, "found by its reference")
    assert len(city.ledger()) == 1


def test_a_held_request_stays_held_while_the_city_proves_nothing(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """An unreadable list is no proof of absence: nothing is sent, and the row says why."""
    _, session, city = town
    place_id = held(town, "drop")
    city.set_faults(Faults(fault="malformed", on="list"))
    decide(town, place_id, "approve")
    settle(session)
    (row,) = session.store.outbox()
    assert row.state == RequestState.HELD
    assert "is not known" in row.note
    assert city.ledger() == []


def test_what_a_city_refused_is_sent_anew_once_a_person_says_so(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """A refusal was no acceptance: approving begins the next episode, rejecting ends the matter."""
    shop, session, city = town
    city.set_faults(Faults(fault="status", status=400, times=1))
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    (row,) = session.store.outbox()
    assert row.state == RequestState.REFUSED
    decide(town, row.place_id, "reject")
    settle(session)
    assert city.ledger() == []
    decide(town, row.place_id, "approve")
    decide(town, row.place_id, "approve")
    settle(session)
    assert [r.episode for r in session.store.outbox()] == [1, 2]
    assert len(city.ledger()) == 1


def test_a_place_that_is_still_there_can_be_held_before_it_is_reported_anew(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """The second report of a hole waits for a person as the first does."""
    shop, session, city = reported(town)
    city.close_request(city.ledger()[0]["service_request_id"])
    pass_days(shop, 1)
    sync(session)
    felt_by_many(session, day=8)
    pass_days(shop, 6)
    settle(session)
    (listed,) = review_table(session.store).to_dict("records")
    assert listed["state"] == "still_there"
    decide(town, listed["place_id"], "hold")
    pass_days(shop, 20)
    settle(session)
    assert len(city.ledger()) == 1
    decide(town, listed["place_id"], "approve")
    settle(session)
    assert len(city.ledger()) == 2


def test_explain_tells_the_life_of_a_place(town: tuple[Workshop, Session, Sandbox]) -> None:
    """What passes say now, each episode's request with the city's words, and clusters over time."""
    shop, session, city = reported(town)
    number = city.ledger()[0]["service_request_id"]
    city.close_request(number)
    pass_days(shop, 1)
    sync(session)
    felt_by_many(session, day=8)
    pass_days(shop, 20)
    settle(session)
    (place,) = session.store.places()
    said = explain(session.store, place.place_id)
    assert "there with probability above 0.999: 5 named devices on 10 days agree" in said
    assert f"episode 1  sandbox: acked as {number}" in said
    assert "the city says closed" in said
    assert "episode 2" in said.split("Requests")[1].split("History")[0]
    assert "still there" in said.split("History")[1]
    assert "since 2026-03-21: 1 cluster\n  2 clusters in all" in said


def test_a_cluster_that_moved_to_another_place_is_told_of_both() -> None:
    """Explain names the place that a cluster went to, and the one it came from."""
    moved = [Link("P-A", "c1", 10, 20), Link("P-B", "c1", 20, None)]

    def said(place_id: str, *more: Link) -> str:
        life = Life(None, [], [], [*moved, *more])
        return explain_place("", NO_CLUSTERS, NO_CLUSTERS, handles={}, place_id=place_id, life=life)

    a, b = said("P-A", Link("P-A", "c2", 15, None)), said("P-B")
    assert "shared with place P-B: 1 cluster went to it" in a
    assert "shared with place P-A: 1 cluster came from it" in b
    assert "since 1970-01-01: 2 clusters" in a
