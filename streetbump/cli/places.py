"""What many passes say together: ``cluster``, ``roughness``, ``coverage``, ``explain``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from streetbump.cli.options import (
    a_file,
    bbox_option,
    box_of,
    common_options,
    drawing_options,
    stdin,
    trip_options,
)
from streetbump.cli.work import Shop, say_if_empty
from streetbump.errors import UsageError

if TYPE_CHECKING:
    from streetbump.commands.inputs import TripOptions

# Written out, because the table of classes imports numpy and help must not; a test compares.
CLASS_NAMES = ("pothole", "hump", "marker", "casting", "joint", "rough", "smooth", "not_road",
               "unsure")  # fmt: skip
STATE_NAMES = ("candidate", "flagged", "held", "reported", "closed_claimed", "repair_seen",
               "still_there", "rejected", "known_obstacle", "faded")  # fmt: skip


@click.command()
@bbox_option
@click.option("--class", "classes", multiple=True, type=click.Choice(CLASS_NAMES),
              help="Only this class. May be repeated.")  # fmt: skip
@click.option("--state", "states", multiple=True, type=click.Choice(STATE_NAMES),
              help="Only this state. May be repeated.")  # fmt: skip
@click.option("--min-trips", type=click.IntRange(min=1), default=1, show_default=True,
              help="Only clusters hit by at least so many trips.")  # fmt: skip
@common_options
def cluster(
    shop: Shop, bbox: str | None, classes: tuple[str, ...], states: tuple[str, ...], min_trips: int
) -> None:
    """List what many passes say together, what to look at first on top."""
    from streetbump.commands.places import cluster_table, narrow
    from streetbump.report.rows import cluster_people

    box = box_of(bbox)
    with shop.store() as store:
        table = narrow(
            cluster_table(store), bbox=box, classes=classes, states=states, min_trips=min_trips
        )
    shop.out.write(table, people=cluster_people)


@click.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@trip_options
@bbox_option
@common_options
def roughness(shop: Shop, paths: tuple[str, ...], options: TripOptions, bbox: str | None) -> None:
    """Say how rough each 20 m of street is, and how sure that is; the roughest on top.

    PATH is a trip file, a folder, or - for standard input; without it the store's trips count.
    """
    from streetbump.commands import roughness as room
    from streetbump.report.roughness import people

    box = box_of(bbox)
    refused = False
    with shop.words.progress("roughness") as tell:
        if paths:
            settings = shop.settings()
            found = room.roughness_of_files(
                paths, options, settings=settings, stdin=stdin, on_file=tell
            )
            say_if_empty(shop.words, paths)
            shop.words.refused(found.rejected)
            table, refused = found.rows, len(found.rejected) > 0
        else:
            with shop.store() as store:
                table = room.roughness_of_store(store)
    shop.out.write(table if box is None else room.within(table, box), people=people)
    if refused:
        sys.exit(1)


@click.command()
@a_file("--streets", help="Street centrelines (GeoJSON); they tell what was not driven.")
@click.option("--street-name", metavar="PROPERTY", help="Property of a street's name.")
@a_file("--districts", help="Polygons (GeoJSON): one row per district instead.")
@click.option("--district-name", metavar="PROPERTY", help="Property of a district's name.")
@click.option("--survey", type=click.IntRange(min=1), metavar="N",
              help="The N runs a city vehicle should drive next instead.")  # fmt: skip
@click.option("--min-devices", "k", type=click.IntRange(min=1), default=5, show_default=True,
              metavar="K", help="Nothing is told that fewer named devices drove.")  # fmt: skip
@drawing_options
def coverage(shop: Shop, **asked: Any) -> None:
    """Say what is known of each 20 m of street: unknown, driven, smooth, rough, has places.

    -o FILE.png, .pdf or .svg draws a map.
    """
    from datetime import UTC, datetime

    from streetbump import runtime
    from streetbump.commands import coverage as room

    today = datetime.fromtimestamp(runtime.now_ns() / 1e9, UTC).date().isoformat()
    order = room.Order(**asked, today=today)
    with shop.store() as store, shop.words.progress("coverage") as tell:
        tell("reading passes")
        found = room.cover(store, order)
    if picture := shop.out.picture():
        room.draw(found, picture, title=f"What is known of each street, {today}")
    else:
        shop.out.write(found.table, people=found.people)
    shop.words.say(*found.words)


@click.command()
@click.argument("place_id", required=False)
@click.option("--trip", "trip", metavar="FILE", help="Explain a trip file instead.")
@trip_options
@drawing_options
def explain(shop: Shop, place_id: str | None, trip: str | None, options: TripOptions) -> None:
    """Say why the system says what it says of a place, a cluster, or a trip file.

    With --trip, -o FILE.png, .pdf or .svg draws the trip.
    """
    from streetbump.commands import explain as room

    if (place_id is None) == (trip is None):
        raise UsageError("explain: give either a place (or cluster) id, or --trip FILE")
    if trip is not None:
        _explain_trip(shop, trip, options)
        return
    with shop.store() as store:
        shop.out.tell(room.explain(store, place_id or ""))


def _explain_trip(shop: Shop, trip: str, options: TripOptions) -> None:
    from streetbump.commands import explain as room
    from streetbump.report.trip_story import facts, jolt_people

    picture = shop.out.picture()  # what it needs is looked for before the work
    found = room.explain_trip(trip, options, settings=shop.settings(), stdin=stdin)
    for story in found.stories:
        shop.words.say(*(f"{name}: {value}" for name, value in facts(story).items()), "")
    shop.words.refused(found.rejected)
    if picture:
        shop.words.say(*room.draw(found.stories, picture))
    else:
        shop.out.write(found.jolts, people=jolt_people)
    if len(found.rejected):
        sys.exit(1)
