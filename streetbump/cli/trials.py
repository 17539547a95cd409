"""How good is it: ``simulate`` makes trips whose truth is known, ``evaluate`` scores them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streetbump.cli.options import a_file, outputs, quiet_options, settings_option, trip_options
from streetbump.cli.words import Output, Words
from streetbump.cli.work import pool, width_for

if TYPE_CHECKING:
    from streetbump.commands.inputs import TripOptions


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--town", required=True, metavar="NAME|FILE.geojson",
              help="hard, sharp, bowls, small, or a file of street centrelines.")  # fmt: skip
@click.option("--trips", required=True, type=click.IntRange(min=1), metavar="N",
              help="How many trips.")  # fmt: skip
@click.option("--seed", required=True, type=click.IntRange(min=0), metavar="S",
              help="The same seed gives the same bytes.")  # fmt: skip
@click.option("--as", "logger", default="plain-csv", show_default=True, metavar="LOGGER",
              help="Whose files to write: plain-csv, jsonl, parquet, physics-toolbox, "
              "physics-toolbox-comma, androsensor, sensor-logger, phyphox, sensorlog-ios, "
              "ios-sensor-data.")  # fmt: skip
@click.option("--minutes", default=10.0, show_default=True, metavar="M",
              type=click.FloatRange(min=0.5, max=120.0), help="Mean length of a trip.")  # fmt: skip
@click.option("--attack", metavar="NAME",
              help="Dishonest phones upload as well: summon-forgery, summon-moved, suppress, "
              "on-off, farm-then-strike, replay, cart, stolen-names, poisoned-list, clock, "
              "flood.")  # fmt: skip
@click.option("--attackers", default=10, show_default=True, type=click.IntRange(1, 1000),
              metavar="N", help="How many dishonest phones.")  # fmt: skip
@quiet_options
def simulate(out: Path, words: Words, **asked: Any) -> None:
    """Make trips through an invented town, and the truth about them, in the folder OUT."""
    from streetbump.commands import simulate as room

    order = room.Order(**asked)
    with pool(width_for(order.trips)) as executor, words.progress("simulate") as tell:
        made = room.simulate(
            out, order, executor=executor, on_trip=lambda n: tell(f"{n} of {order.trips} trips")
        )
    words.say(
        f"{out}: {made.trips} trips and {made.forged} dishonest ones ({made.bytes / 1e6:.1f} MB), "
        f"{made.sites} things in the road, {made.events} felt crossings"
    )


@click.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@a_file("--truth", help="Truth table of all paths; else each folder's own truth.csv.")
@a_file("--dataset", metavar="FILE.toml",
        help="What the folder holds; else its dataset.toml, or by its truth.")  # fmt: skip
@trip_options
@settings_option
@outputs(
    "table jsonl csv",
    format_help="How figures are written; tables on a terminal, else JSON lines.",
    output_help="Write figures to FILE: .csv .jsonl .parquet .txt by ending.",
)
@a_file("--pictures", metavar="DIR",
        help="Draw the figures as PNG files into DIR (needs the extra plot).")  # fmt: skip
@quiet_options
def evaluate(
    paths: tuple[str, ...],
    truth: Path | None,
    dataset: Path | None,
    options: TripOptions,
    settings_path: Path | None,
    out: Output,
    pictures: Path | None,
    words: Words,
) -> None:
    """Score detection and clustering against recordings whose truth is known.

    PATH is a folder with a truth table, or, with --truth, a trip file or a folder.
    """
    from streetbump.commands import evaluate as room
    from streetbump.commands.inputs import trip_files, used_settings
    from streetbump.report.pictures import check
    from streetbump.report.scoreboard import people_text

    settings = used_settings(settings_path)
    if pictures is not None:
        check()
    with pool(width_for(len(trip_files(paths)))) as executor, words.progress("evaluate") as tell:
        result = room.evaluate(
            paths, options, truth=truth, dataset=dataset, settings=settings,
            executor=executor, tell=tell,
        )  # fmt: skip
    words.refused(result.rejected)
    out.write(result.table, text=people_text)
    words.say(*result.words)
    if pictures is not None:
        words.say(*room.draw(result.table, pictures))
    if len(result.rejected):
        sys.exit(1)
