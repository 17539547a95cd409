"""Known obstacles: ``obstacles import``, ``list``, ``propose``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from streetbump.cli.group import Group
from streetbump.cli.options import a_file, common_options
from streetbump.cli.words import only
from streetbump.cli.work import Shop


@click.group(cls=Group)
def obstacles() -> None:
    """Known obstacles: humps, castings, crossings, joints."""


@obstacles.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--kind", metavar="KIND",
              help="Kind of every row, unless the file has a column that says.")  # fmt: skip
@click.option("--owner", metavar="NAME", help="Who maintains them, where the file does not say.")
@click.option("--source", metavar="NAME", help="Name of the inventory; the file's name by default.")
@a_file("--columns", metavar="MAP.toml",
        help="Which column says what, where the usual names do not.")  # fmt: skip
@click.option("--shrink", is_flag=True,
              help="The list may have lost more than half of its rows.")  # fmt: skip
@common_options
def import_(shop: Shop, path: Path, **said: Any) -> None:
    """Read an inventory into the store, and say which rows were not used, and why.

    FILE is GeoJSON, CSV, OpenStreetMap (.osm; .osm.pbf with the extra osm), or Shapefile,
    GeoPackage and the like (extra gis). Importing it again changes nothing; what a newer file of
    the same source does not list any more is retired.
    """
    from streetbump.commands.obstacles import import_obstacles

    with shop.session() as session:
        done = import_obstacles(session, path, **said)
    if len(done.found.dropped) or shop.out.path:
        shop.out.write(done.found.dropped)
    shop.words.say(*done.words)


@obstacles.command("list")
@click.option("--counts", is_flag=True, help="How many there are by source, kind and owner.")
@common_options
def list_(shop: Shop, counts: bool) -> None:
    """List the known obstacles."""
    from streetbump.commands.obstacles import obstacle_counts, obstacle_table

    with shop.store() as store:
        table = obstacle_counts(store) if counts else obstacle_table(store)
    shown = ("obstacle_id", "source", "source_id", "kind", "wkt", "owner", "valid_to", "same_as")
    shop.out.write(table, people=None if counts else only(*shown))


@obstacles.command()
@click.option("--doubts", is_flag=True,
              help="Instead: listed obstacles that nobody feels, or not as listed.")  # fmt: skip
@click.option("--min-devices", "devices", type=click.IntRange(min=1), metavar="N",
              help="Least distinct named devices (5).")  # fmt: skip
@click.option("--min-passes", "passes", type=click.IntRange(min=1), metavar="N",
              help="Least passes, in each direction (10).")  # fmt: skip
@click.option("--min-hit-rate", "hit_rate_lo", type=click.FloatRange(0, 1), metavar="P",
              help="Least lower end of the hit rate's interval (0.6).")  # fmt: skip
@click.option("--min-class-p", "class_p", type=click.FloatRange(0, 1), metavar="P",
              help="Least probability of the class (0.6).")  # fmt: skip
@click.option("--min-span-days", "span_days", type=click.FloatRange(min=0), metavar="D",
              help="Least days from the first to the last hit (60).")  # fmt: skip
@common_options
def propose(shop: Shop, doubts: bool, **least: Any) -> None:
    """Propose obstacles that no list holds: felt alike on nearly every pass, for a long time.

    The GeoJSON (-o x.geojson) can be looked through and imported.
    """
    from streetbump.cluster.propose import Bar
    from streetbump.commands import obstacles as room

    bar = Bar(**{name: value for name, value in least.items() if value is not None})
    with shop.store() as store:
        table = room.doubt(store, bar=bar) if doubts else room.propose(store, bar=bar)
    shown = (
        ("obstacle_id", "source_id", "kind", "owner", "finding", "passes", "devices", "felt",
         "last_day_utc") if doubts else
        ("kind", "lat_deg", "lon_deg", "directions", "hits", "passes", "hit_rate_lo", "devices",
         "span_days", "p_class", "nearest_kind", "nearest_m")
    )  # fmt: skip
    shop.out.write(table, people=only(*shown))
