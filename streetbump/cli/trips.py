"""Trips and their jolts: ``run``, ``detect``, ``classify``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from streetbump.cli.options import (
    a_file,
    city_option,
    common_options,
    outputs,
    quiet_options,
    send_option,
    settings_option,
    stdin,
    trip_options,
)
from streetbump.cli.words import Output, Words, only
from streetbump.cli.work import Shop, say_if_empty, steps, width_for

if TYPE_CHECKING:
    from streetbump.commands.inputs import TripOptions


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@trip_options
@city_option
@a_file("--obstacles", help="Inventory of known obstacles to import first.")
@click.option("--kind", metavar="KIND", help="Kind of all rows of --obstacles.")
@send_option
@common_options
def run(
    shop: Shop,
    paths: tuple[str, ...],
    options: TripOptions,
    cities: tuple[str, ...],
    obstacles: Path | None,
    kind: str | None,
    send: bool,
) -> None:
    """Read trips, cluster their jolts, and report what needs repair (dry run unless --send).

    PATH is a trip file, a folder, or - for standard input.
    """
    from streetbump.commands import run as room
    from streetbump.commands.inputs import STDIN, trip_files
    from streetbump.commands.obstacles import import_obstacles
    from streetbump.commands.requests import check_live
    from streetbump.report.rows import cluster_people

    files = trip_files(p for p in paths if p != STDIN)
    with shop.session(cities=cities, width=width_for(len(files))) as session:
        if send:
            check_live(session.work.desks)
        if obstacles is not None:
            shop.words.say(*import_obstacles(session, obstacles, kind=kind).words)
        with shop.words.progress("run") as tell:
            result = room.run(
                session, paths, options, allow_send=send, stdin=stdin, on_progress=steps(tell)
            )
    shop.words.refused(result.rejected)
    shop.out.write(
        shop.out.first(result.clusters, shop.words, "streetbump cluster has all"),
        people=cluster_people,
    )
    shop.words.say(*result.words)
    if result.waiting is not None:
        shop.words.unfinished(result.waiting)
    if len(result.rejected):
        sys.exit(1)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@trip_options
@click.option("--all", "everything", is_flag=True, help="Every candidate, not only sure jolts.")
@common_options
def detect(shop: Shop, paths: tuple[str, ...], options: TripOptions, everything: bool) -> None:
    """Print the jolts of trips. Stores nothing.

    PATH is a trip file, a folder, or - for standard input.
    """
    from streetbump.commands.detect import detect_files

    settings = shop.settings()
    with shop.words.progress("detect") as tell:
        found = detect_files(
            paths, options, settings=settings, everything=everything, stdin=stdin, on_file=tell
        )
    say_if_empty(shop.words, paths)
    shop.words.refused(found.rejected)
    shown = ("t_s", "lat_deg", "lon_deg", "pos_err_m", "speed_ms", "peak_ms2", "score", "class")
    shop.out.write(found.rows, people=only(*shown))
    if len(found.rejected):
        sys.exit(1)


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option("--rate-hz", type=click.FloatRange(min=2, max=10_000), required=True,
              help="Samples per second of the files.")  # fmt: skip
@settings_option
@outputs("table jsonl csv", output_help="Write data to FILE: .csv .jsonl .parquet by ending.")
@quiet_options
def classify(
    paths: tuple[str, ...], rate_hz: float, settings_path: Path | None, out: Output, words: Words
) -> None:
    """Say what kind of jolt each file holds.

    FILE has one column, with or without a header: vertical acceleration in m/s². The jolt is
    its strongest moment; 1.2 s around it are looked at.
    """
    from streetbump.commands.classify import classify_files
    from streetbump.commands.inputs import used_settings

    settings = used_settings(settings_path)
    with words.progress("classify") as tell:
        found = classify_files(paths, rate_hz=rate_hz, settings=settings, on_file=tell)
    words.refused(found.rejected)
    out.write(found.rows)
    if len(found.rejected):
        sys.exit(1)
