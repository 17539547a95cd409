"""The command line: each command parses, calls one library function, prints.

Data goes to standard output, words and progress to standard error. Nothing heavy is imported
before a command that needs it runs.
"""

from __future__ import annotations

import click

from streetbump import __version__
from streetbump.cli import cities, obstacles, places, trials, trips, upkeep
from streetbump.cli.group import EXIT_CODES, Group


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streetbump")
def main() -> None:
    """Find potholes in trips that phones recorded, and report them to the right city."""


for _command in (
    trips.run, trips.detect, trips.classify,
    places.cluster, places.roughness, places.coverage, places.explain,
    obstacles.obstacles,
    cities.submit, cities.sync, upkeep.worker, cities.sandbox, cities.review,
    upkeep.reprocess, upkeep.compare, upkeep.promote,
    trials.simulate, trials.evaluate,
    upkeep.doctor,
):  # fmt: skip
    main.add_command(_command)  # in the order of work
