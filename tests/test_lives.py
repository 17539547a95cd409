"""From the first jolt to the repair and back: a place, its city and its passes, on the whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from campaigns.world import DAY_NS, desk_of, drive
from streetbump import commands
from streetbump.commands import Session
from streetbump.model import RequestState
from streetbump.submit.sandbox import Sandbox
from streetbump.submit.sandbox.city import Closing, Filling
from streetbump.submit.sandbox.dialect import Dialect

from .conftest import Workshop


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


def states(session: Session) -> list[str]:
    (place,) = session.store.places()
    return [h["state"] for h in session.store.history(place.place_id)]


def test_a_repair_is_seen_and_a_failed_patch_is_reported_anew(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Flagged, reported, closed, repair seen; felt again: a new episode, sent after the pause."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    (row,) = city.ledger()
    assert states(session) == ["flagged", "reported"]

    city.close_request(row["service_request_id"])
    pass_days(shop, 1)
    commands.sync(session)
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
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    city.close_request(city.ledger()[0]["service_request_id"])
    pass_days(shop, 1)
    commands.sync(session)
    felt_by_many(session, day=8)
    pass_days(shop, 6)
    settle(session)
    assert states(session)[-1] == "still_there"
    assert len(city.ledger()) == 1
    assert any("14 days" in why for why in commands.plan_table(session)["why"])
    pass_days(shop, 14)
    settle(session)
    assert len(city.ledger()) == 2


def test_sync_sends_nothing(town: tuple[Workshop, Session, Sandbox]) -> None:
    """Asking what became of requests creates none, however much is ready to go."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    session.until_idle(lanes=("cluster",))
    commands.sync(session)
    assert city.ledger() == []
    assert session.store.outbox() == ()


def test_a_late_trip_does_not_rewrite_what_was_sent(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """A trip of last week that arrives after the report changes clusters, not the request."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
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
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    city.reset()
    pass_days(shop, 1)
    commands.sync(session)
    (place,) = session.store.places()
    (row,) = session.store.outbox()
    assert (place.state, row.city_status, row.closed_ns) == ("reported", "gone", None)
    assert "gone" in session.store.history(place.place_id)[-1]["why"]


def test_a_duplicate_is_followed_to_what_it_was_merged_into(
    town: tuple[Workshop, Session, Sandbox],
) -> None:
    """Closed in favour of another request, ours stays reported until that one is closed."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    ours = city.ledger()[0]["service_request_id"]
    city.fill(Filling(n=1))
    ids = {r["service_request_id"] for r in city.ledger()}
    (parent,) = ids - {ours}
    city.close_request(ours, Closing(reason="duplicate", parent=parent))
    pass_days(shop, 1)
    commands.sync(session)
    (row,) = session.store.outbox()
    assert (row.city_status, row.parent_id, row.closed_ns) == ("duplicate", parent, None)
    assert states(session)[-1] == "reported"

    city.close_request(parent)
    pass_days(shop, 1)
    commands.sync(session)
    assert states(session)[-1] == "closed_claimed"


def test_a_new_episode_names_the_request_before(town: tuple[Workshop, Session, Sandbox]) -> None:
    """What is reported anew says which request of the city's was closed without a repair."""
    shop, session, city = town
    felt_by_many(session, day=0)
    pass_days(shop, 6)
    settle(session)
    first = city.ledger()[0]["service_request_id"]
    city.close_request(first)
    pass_days(shop, 1)
    commands.sync(session)
    felt_by_many(session, day=8)
    pass_days(shop, 30)
    settle(session)
    assert f"after request {first} was closed" in city.ledger()[-1]["description"]
