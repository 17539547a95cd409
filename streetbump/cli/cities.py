"""Requests and the cities they go to: ``submit``, ``sync``, ``review``, ``sandbox``."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from streetbump.cli.group import Group
from streetbump.cli.options import a_file, city_option, common_options, quiet_options, send_option
from streetbump.cli.words import Words, only
from streetbump.cli.work import Shop, steps


@click.command()
@city_option
@send_option
@common_options
def submit(shop: Shop, cities: tuple[str, ...], send: bool) -> None:
    """Show what would be reported to which city, and why the rest would not; --send sends."""
    from streetbump.commands.requests import check_live, outbox_table, plan_people, plan_table
    from streetbump.pipeline import Status

    shop.store().close()
    if not cities:
        shop.words.say(
            "no city is given: --city FILE (or --city sandbox) says where reports would go"
        )
    with shop.session(cities=cities) as session:
        session.until_idle(lanes=("cluster",))
        if not send:
            table = shop.out.first(plan_table(session), shop.words, "--format csv has all")
            shop.out.write(table, people=plan_people)
            shop.words.say("dry run: nothing was sent")
            return
        check_live(session.work.desks)
        with shop.words.progress("submit") as tell:
            last = session.until_idle(lanes=("submit",), allow_send=True, on_progress=steps(tell))
        table = outbox_table(session.store)
    shop.out.write(table, people=only("place_id", "city", "state", "request_id", "token", "note"))
    if last.status is Status.WAIT:
        shop.words.unfinished(last)


@click.command()
@city_option
@common_options
def sync(shop: Shop, cities: tuple[str, ...]) -> None:
    """Ask the cities what became of each request; nothing is sent. Closed is not repaired."""
    from streetbump.commands import requests as room
    from streetbump.pipeline import Status

    shop.store().close()
    if not cities:
        shop.words.say("no city is given, so none is asked: --city FILE (or --city sandbox)")
    with shop.session(cities=cities) as session, shop.words.progress("sync") as tell:
        last = room.sync(session, on_progress=steps(tell))
        table = room.sync_table(session.store)
    shown = ("place_id", "city", "request_id", "state", "city_status", "since_utc", "place_state")
    shop.out.write(table, people=only(*shown))
    if last.status is Status.WAIT:
        shop.words.unfinished(last)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8311, show_default=True,
              help="Port on this machine; 0 takes a free one.")  # fmt: skip
@a_file("--faults", help="Faults and dialect to play (TOML), see docs/practice-city.md.")
@a_file("--ledger", help="Keep the city's requests in FILE between starts.")
@a_file("--write-profile", help="Write a profile of this city, with its port, to FILE.")
@quiet_options
def sandbox(
    port: int, faults: Path | None, ledger: Path | None, write_profile: Path | None, words: Words
) -> None:
    """Play a city that speaks Open311, on this machine only, to practise on."""
    from streetbump.commands.requests import practice_profile
    from streetbump.runtime import read_text
    from streetbump.submit.sandbox import Sandbox, read_setup

    city = Sandbox(port, ledger_path=ledger)
    if faults is not None:
        city.prepare(read_setup(read_text(faults, "--faults"), where=str(faults)))
    if write_profile is not None:
        write_profile.write_text(practice_profile(city.url), "utf-8")
    words.say(f"practice city at {city.url} (its requests: {city.url}practice/ledger)")

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    try:
        city.serve_forever()
    except KeyboardInterrupt:
        words.say("practice city: closed")
    finally:
        city.stop()


@click.group(cls=Group)
def review() -> None:
    """What a person decides on places before a city hears of them."""


by_option = click.option("--by", required=True, metavar="NAME", help="Who decides.")
note_option = click.option("--note", default="", metavar="TEXT",
                           help="Why, for those who ask later.")  # fmt: skip


@review.command("list")
@common_options
def review_list(shop: Shop) -> None:
    """List the places that wait for a decision, and those that have one."""
    from streetbump.commands.review import review_table

    with shop.store() as store:
        table = review_table(store)
    shop.out.write(table)


def _decision(name: str, help_text: str) -> None:
    @review.command(name, help=help_text)
    @click.argument("place_id", metavar="ID")
    @by_option
    @note_option
    @common_options
    def decide(shop: Shop, place_id: str, by: str, note: str) -> None:
        from streetbump import runtime
        from streetbump.commands.review import review

        with shop.store() as store:
            place = review(store, place_id, name, by=by, note=note, now_ns=runtime.now_ns())
        shop.words.say(f"{place_id}: {place.why}")


_decision("approve", "Let a place be reported.")
_decision("hold", "Keep a place back until somebody approves it.")
_decision("reject", "Never report a place.")


@review.command("mark-obstacle")
@click.argument("place_id", metavar="ID")
@click.option("--kind", required=True, metavar="KIND", help="What it is.")
@by_option
@note_option
@common_options
def mark_obstacle(shop: Shop, place_id: str, kind: str, by: str, note: str) -> None:
    """Make a known obstacle of a place; it is never reported again."""
    from streetbump.commands import obstacles as room

    shop.store().close()
    with shop.session() as session:
        made = room.mark_obstacle(session, place_id, kind=kind, by=by, note=note)
    shop.words.say(f"{place_id}: {kind} {made}, marked by {by}")
