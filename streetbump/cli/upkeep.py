"""Always on, all again, and what is wrong: ``worker``, ``reprocess``, ``promote``, ``doctor``."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streetbump.cli.options import (
    a_file,
    city_option,
    common_options,
    send_option,
    stdin,
    trip_options,
)
from streetbump.cli.words import Output, Words, printable
from streetbump.cli.work import Shop, steps
from streetbump.errors import UsageError

if TYPE_CHECKING:
    from streetbump.commands.inputs import TripOptions


@click.command()
@a_file("--inbox", required=True, metavar="DIR",
        help="Watched folder; files are renamed into it when complete.")  # fmt: skip
@city_option
@send_option
@click.option("--drain", is_flag=True, help="End when the inbox is empty and nothing is left.")
@common_options
def worker(shop: Shop, inbox: Path, cities: tuple[str, ...], send: bool, drain: bool) -> None:
    """Take in uploads from a folder for ever; SIGTERM ends it after the step under way."""
    from streetbump import worker as room
    from streetbump.commands.requests import check_live

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with shop.session(cities=cities, strangers=True) as session:
        if send:
            check_live(session.work.desks)
        if not shop.words.verbose:  # trouble with files is said in any case
            work = replace(session.work, observe=_tell_of_inbox(shop.words))
            session = replace(session, work=work)
        shop.words.say(f"worker: watching {inbox}")
        tell = steps(shop.words.say)
        room.work(session, inbox, allow_send=send, drain=drain, stop=stop, on_progress=tell)
    shop.words.say("worker: stopped")


def _tell_of_inbox(words: Words) -> Callable[..., None]:
    def observe(event: str, **fields: object) -> None:
        if event == "inbox":
            words.say(f"inbox: {fields['file']}: {fields['problem']}")

    return observe


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--generation", "name", required=True, metavar="NAME",
              help="Name of what is computed; the same name goes on where it stopped.")  # fmt: skip
@click.option("--executor", type=click.Choice(["local", "serial"]), default="local",
              show_default=True, help="A pool of local processes, or none.")  # fmt: skip
@common_options
def reprocess(shop: Shop, paths: tuple[str, ...], name: str, executor: str) -> None:
    """Compute every archived trip again, beside the active generation."""
    from streetbump.commands import generations as room
    from streetbump.commands.inputs import STDIN, trip_files

    trip_files(p for p in paths if p != STDIN)
    width = (os.cpu_count() or 1) if executor == "local" else 1
    shop.store().close()
    with (
        shop.session(name=name, width=width) as session,
        shop.words.progress("reprocess") as tell,
    ):
        lines = room.reprocess(session, paths=paths, stdin=stdin, on_progress=steps(tell))
    shop.words.say(*lines)


@click.command()
@click.argument("a")
@click.argument("b")
@common_options
def compare(shop: Shop, a: str, b: str) -> None:
    """Show two generations side by side."""
    from streetbump.commands import generations as room

    with shop.store() as store:
        table = room.compare(store, a, b)
    shop.out.write(table)


@click.command()
@click.argument("name")
@common_options
def promote(shop: Shop, name: str) -> None:
    """Make a generation the active one; its first plan is held for review."""
    from streetbump import runtime
    from streetbump.commands import generations as room

    with shop.store() as store:
        room.promote(store, name, now_ns=runtime.now_ns())
    with shop.session() as session:
        session.until_idle(lanes=("cluster",))
    shop.words.say(f"generation {name!r} is active; its first plan is held for review")


@click.command()
@click.argument("what", required=False, type=click.Choice(["trip", "city"]))
@click.argument("file", required=False)
@click.option("--city", metavar="FILE|sandbox", help="The same as doctor city FILE.")
@trip_options
@common_options
def doctor(
    shop: Shop, what: str | None, file: str | None, city: str | None, options: TripOptions
) -> None:
    """Look at the installation and the store; at a trip FILE; or at a city, through its FILE.

    A city is only read from: nothing is created. The last lines are what would mend its profile.
    """
    from streetbump.commands import doctor as room

    if (what is None) != (file is None) or (city is not None and what is not None):
        raise UsageError("doctor: alone, or doctor trip FILE, or doctor city FILE")
    if city is not None:
        what, file = "city", city
    if what is None or file is None:
        shop.out.write(room.doctor(shop.url))
    elif what == "city":
        _look_at_city(file, shop.out)
    else:
        settings = shop.settings()
        records = room.doctor_trip(file, options, settings=settings, stdin=stdin)
        stories = ["".join(f"{k}: {v}\n" for k, v in record.items()) for record in records]
        shop.out.tell("".join(f"{story}\n" for story in stories))
        if any("refused" in record for record in records):
            sys.exit(1)


def _look_at_city(file: str, out: Output) -> None:
    """Print what a city shows of its profile, each line as it is found: the pace may be slow."""
    import pandas as pd

    from streetbump.commands.doctor import doctor_city

    rows = []
    at_once = out.form is None and out.path is None
    with ExitStack() as stack:
        for row in doctor_city(file, stack=stack):
            rows.append(row)
            if at_once:
                lead, gap = f"{row['state']:9}", " "
                if row["asked"] == "to mend":
                    lead, gap = "\n", "\n\n"
                click.echo(printable(f"{lead}{row['asked']}:{gap}{row['said']}"))
    if not at_once:
        out.write(pd.DataFrame(rows, columns=["asked", "state", "said"]))
    if any(row["state"] == "fails" for row in rows):
        sys.exit(1)
