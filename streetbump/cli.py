"""The command line: each command parses, calls one library function, prints.

Data goes to standard output, words and progress to standard error. Nothing heavy is imported
before a command that needs it runs.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streetbump import __version__
from streetbump.errors import StreetbumpError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from streetbump.commands.inputs import TripOptions
    from streetbump.commands.session import Session
    from streetbump.executors import Executor
    from streetbump.pipeline import Progress

DEFAULT_STORE = "sqlite:///streetbump.db"
PROGRESS_AFTER_S = 2.0
TRACEBACK_VARIABLE = "STREETBUMP_TRACEBACK"

F = TypeVar("F", bound=Callable[..., Any])

EXIT_CODES = """\b
Exit codes: 0 done, 1 some input was refused, 2 usage, 3 try again (locked, city busy),
4 failed, 130 interrupted."""


# ------------------------------------------------------------------------------- options


def _stacked(*options: Callable[[Any], Any]) -> Callable[[F], F]:
    def apply(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


store_option = click.option(
    "--store", "url", metavar="URL", envvar="STREETBUMP_STORE", default=DEFAULT_STORE,
    show_default=True, help="Where the store is; $STREETBUMP_STORE says it too.",
)  # fmt: skip
settings_option = click.option(
    "--settings", "settings_path", metavar="FILE", type=click.Path(path_type=Path),
    help="Thresholds (TOML) laid over the shipped ones.",
)  # fmt: skip
output_options = _stacked(
    click.option("--format", "kind", type=click.Choice(["table", "jsonl", "csv", "geojson"]),
                 help="How data is written; a table on a terminal, else JSON lines."),
    click.option("-o", "--output", "output", metavar="FILE", type=click.Path(path_type=Path),
                 help="Write data to FILE: .csv .jsonl .geojson .parquet by ending."),
)  # fmt: skip
quiet_options = _stacked(
    click.option("-q", "--quiet", is_flag=True, help="No words and no progress."),
    click.option("-v", "--verbose", is_flag=True, help="Say each step, as JSON lines."),
)
common_options = _stacked(store_option, settings_option, output_options, quiet_options)
trip_options = _stacked(
    click.option("--columns", metavar="MAP.toml", type=click.Path(path_type=Path),
                 help="Column map for a CSV that no reader knows."),
    click.option("--device", metavar="NAME", help="Name of the phone; kept as a pseudonym."),
    click.option("--tz", metavar="ZONE", help="Time zone of clocks that name none."),
    click.option("--date", metavar="YYYY-MM-DD", help="Day of clocks that name none."),
    click.option("--gps", metavar="FILE", type=click.Path(path_type=Path),
                 help="Positions, where they lie in a file of their own."),
    click.option("--trust-unnamed", is_flag=True,
                 help="Count each trip that names no device as a device of its own."),
)  # fmt: skip
city_option = click.option(
    "--city", "cities", metavar="FILE|FOLDER|sandbox", multiple=True,
    help="City profile (TOML), a folder of them, or the shipped practice city. May be repeated.",
)  # fmt: skip
send_option = click.option(
    "--send", is_flag=True, help="Really send. Without it nothing leaves this machine."
)


def _trip_options(values: dict[str, Any]) -> TripOptions:
    from streetbump.commands.inputs import TripOptions

    names = ("columns", "device", "tz", "date", "gps", "trust_unnamed")
    return TripOptions(**{name: values.pop(name) for name in names})


# ------------------------------------------------------------------------------- printing


class Words:
    """Words for people, on standard error; silent when asked."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self.quiet = quiet
        if verbose:
            import logging

            logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
            logging.getLogger("streetbump").setLevel(logging.INFO)

    def say(self, *lines: str) -> None:
        """Print lines, unless quiet; control characters are shown, not obeyed."""
        if not self.quiet:
            for line in lines:
                click.echo(_printable(line), err=True)

    def refused(self, rows: pd.DataFrame) -> None:
        """Print which files were refused, and why."""
        for row in rows.to_dict("records"):
            part = f" ({row['part']})" if row["part"] else ""
            self.say(f"refused {row['file']}{part}: {row['reason']}: {row['hint']}")

    @contextmanager
    def progress(self, title: str) -> Iterator[Callable[[str], None]]:
        """A line that tells what is going on, on a terminal, once it takes a while."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda _what: None
            return
        import time

        from rich.console import Console

        began = time.monotonic()
        with Console(stderr=True).status("") as status:

            def tell(what: str) -> None:
                if time.monotonic() - began > PROGRESS_AFTER_S:
                    status.update(f"{title}: {what}")

            yield tell


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


def _emit(
    frame: pd.DataFrame,
    kind: str | None,
    output: Path | None,
    *,
    people: Any = None,
    text: Callable[..., str] | None = None,
) -> None:
    """Write a table where and how it was asked for; `text` makes the page that people read."""
    from streetbump.report.output import ENDINGS

    if output is not None:
        ending = ENDINGS.get(output.suffix.lower())
        if kind is None and ending is None:
            raise UsageError(f"-o {output}: which format? one of {' '.join(ENDINGS)}")
        try:
            output.write_bytes(_rendered(frame, kind or ending or "", people, text))
        except OSError as exc:
            raise UsageError(f"-o {output}: {exc.strerror}") from exc
        return
    chosen = kind or ("table" if sys.stdout is not None and sys.stdout.isatty() else "jsonl")
    click.echo(_rendered(frame, chosen, people, text), nl=False)


def _rendered(
    frame: pd.DataFrame, kind: str, people: Any, text: Callable[..., str] | None
) -> bytes:
    from streetbump.report.output import render

    if kind == "table" and text is not None:
        return text(frame, width=_width()).encode()
    return render(frame, kind, people=people, width=_width())


def _only(*names: str) -> Callable[[Any], Any]:
    """Shows people these columns."""
    return lambda frame: frame[list(names)]


def _emit_jolts(rows: pd.DataFrame, values: dict[str, Any]) -> None:
    """Write jolts in the columns of ``detect``, of which people see the first."""
    shown = _only(
        "t_s", "lat_deg", "lon_deg", "pos_err_m", "speed_ms", "peak_ms2", "score", "class"
    )
    _emit(rows, values["kind"], values["output"], people=shown)


def _width() -> int:
    import shutil

    return max(shutil.get_terminal_size((120, 24)).columns, 80)


def _stdin() -> bytes:
    return sys.stdin.buffer.read()


class Group(click.Group):
    """Commands in the order of work, and our errors as one line with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order they were defined in."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; translate what went wrong."""
        try:
            return super().invoke(ctx)
        except StreetbumpError as exc:
            click.echo(f"streetbump: {_printable(str(exc))}", err=True)
            ctx.exit(exc.exit_code)
        except KeyboardInterrupt:
            ctx.exit(130)
        except BrokenPipeError:
            # The reader of our output has gone (head, less): not a fault.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except OSError as exc:
            where = f"{exc.filename}: " if exc.filename else ""
            click.echo(f"streetbump: {_printable(f'{where}{exc.strerror or exc}')}", err=True)
            ctx.exit(4)
        except Exception as exc:
            # A fault of ours: nobody at a city's desk can use a traceback, a developer asks for it.
            if os.environ.get(TRACEBACK_VARIABLE):
                raise
            what = _printable(f"{type(exc).__name__}: {exc}")
            click.echo(f"streetbump: internal error: {what}", err=True)
            click.echo(f"please report it; {TRACEBACK_VARIABLE}=1 shows where", err=True)
            ctx.exit(4)


@click.group(cls=Group, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="streetbump")
def main() -> None:
    """Find potholes in trips that phones recorded, and report them to the right city."""


# ------------------------------------------------------------------------------- trips

# Written out, because the table of classes imports numpy and help must not; a test compares.
CLASS_NAMES = ("pothole", "hump", "marker", "casting", "joint", "rough", "smooth", "not_road",
               "unsure")  # fmt: skip
STATE_NAMES = ("candidate", "flagged", "held", "reported", "closed_claimed", "repair_seen",
               "still_there", "rejected", "known_obstacle", "faded")  # fmt: skip

TABLE_ROWS = 40
"""Rows shown to people by ``run`` and ``submit``; programs get all."""


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@trip_options
@city_option
@click.option("--obstacles", metavar="FILE", type=click.Path(path_type=Path),
              help="Inventory of known obstacles to import first.")  # fmt: skip
@click.option("--kind", "obstacle_kind", metavar="KIND", help="Kind of all rows of --obstacles.")
@send_option
@common_options
def run(paths: tuple[str, ...], **values: Any) -> None:
    """Read trips, cluster their jolts, and report what needs repair (dry run unless --send).

    PATH is a trip file, a folder, or - for standard input.
    """
    from streetbump.commands import obstacles as room
    from streetbump.commands import run as lib
    from streetbump.commands.inputs import STDIN, trip_files
    from streetbump.commands.requests import check_live
    from streetbump.report.rows import cluster_people

    options = _trip_options(values)
    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    trip_files(p for p in paths if p != STDIN)
    with _session(values, cities=values["cities"], files=len(paths)) as session:
        if values["send"]:
            check_live(session.work.desks)
        if values["obstacles"] is not None:
            done = room.import_obstacles(session, values["obstacles"], kind=values["obstacle_kind"])
            words.say(*done.words)
        with words.progress("run") as tell:
            result = lib.run(
                session, paths, options, allow_send=values["send"], stdin=_stdin,
                on_progress=_tell(tell),
            )  # fmt: skip
    words.refused(result.rejected)
    table = _first(result.clusters, values, words, "streetbump cluster has all")
    _emit(table, values["kind"], values["output"], people=cluster_people)
    words.say(*result.words)
    if result.waiting is not None:
        words.say(f"not finished: {result.waiting.what or 'a city asked for patience'}; try again")
        sys.exit(3)
    if len(result.rejected):
        sys.exit(1)


def _first(table: pd.DataFrame, values: dict[str, Any], words: Words, more: str) -> pd.DataFrame:
    """What people see of a long table on a terminal; programs and files get all of it."""
    for_people = values["output"] is None and values["kind"] in {None, "table"}
    if not (for_people and sys.stdout.isatty() and len(table) > TABLE_ROWS):
        return table
    words.say(f"the first {TABLE_ROWS} of {len(table)} rows; {more}")
    return table.head(TABLE_ROWS)


def _tell(tell: Callable[[str], None]) -> Callable[[Progress], None]:
    return lambda progress: tell(progress.what)


@contextmanager
def _session(
    values: dict[str, Any],
    *,
    cities: Sequence[str] = (),
    files: int = 0,
    width: int | None = None,
    strangers: bool = False,
) -> Iterator[Session]:
    """An open store with its generation, desks and executor; closed at the end.

    Uploads of `strangers` are read in a child process under limits.
    """
    from streetbump import pipeline, runtime
    from streetbump.commands.inputs import load_settings
    from streetbump.commands.session import open_session
    from streetbump.executors import Limited, Processes, Serial
    from streetbump.observe import log, silent

    settings = load_settings(values["settings_path"])
    pool = width if width is not None else (os.cpu_count() or 1 if files > _MANY_FILES else 1)
    with ExitStack() as stack:
        desks = runtime.open_desks(cities, environ=os.environ, stack=stack)
        executor: Executor = Serial()
        if strangers and sys.platform == "linux":
            executor = stack.enter_context(Limited(warm=pipeline.warm_up))
        elif pool > 1:
            executor = stack.enter_context(Processes(pool))
        session = open_session(
            values["url"],
            settings=settings,
            desks=desks,
            executor=executor,
            observe=log if values["verbose"] else silent,
        )
        stack.enter_context(session.store)
        yield session


_MANY_FILES = 24
"""From here on a pool of processes pays for its start."""


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@trip_options
@click.option("--all", "everything", is_flag=True, help="Every candidate, not only sure jolts.")
@common_options
def detect(paths: tuple[str, ...], **values: Any) -> None:
    """Print the jolts of trips. Stores nothing.

    PATH is a trip file, a folder, or - for standard input.
    """
    from streetbump.commands.detect import detect_files
    from streetbump.commands.inputs import load_settings
    from streetbump.config import shipped_settings

    options = _trip_options(values)
    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    settings = load_settings(values["settings_path"]) or shipped_settings()
    with words.progress("detect") as tell:
        found = detect_files(
            paths, options, settings=settings, everything=values["everything"], stdin=_stdin,
            on_file=tell,
        )  # fmt: skip
    words.refused(found.rejected)
    _emit_jolts(found.rows, values)
    if len(found.rejected):
        sys.exit(1)


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option("--rate-hz", type=click.FloatRange(min=2, max=10_000), required=True,
              help="Samples per second of the files.")  # fmt: skip
@settings_option
@click.option("--format", "kind", type=click.Choice(["table", "jsonl", "csv"]),
              help="How data is written; a table on a terminal, else JSON lines.")  # fmt: skip
@click.option("-o", "--output", "output", metavar="FILE", type=click.Path(path_type=Path),
              help="Write data to FILE: .csv .jsonl .parquet by ending.")  # fmt: skip
@quiet_options
def classify(paths: tuple[str, ...], rate_hz: float, **values: Any) -> None:
    """Say what kind of jolt each file holds.

    FILE has one column, with or without a header: vertical acceleration in m/s². The jolt is
    its strongest moment; 1.2 s around it are looked at.
    """
    from streetbump.commands.classify import classify_files
    from streetbump.commands.inputs import load_settings
    from streetbump.config import shipped_settings

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    settings = load_settings(values["settings_path"]) or shipped_settings()
    with words.progress("classify") as tell:
        found = classify_files(paths, rate_hz=rate_hz, settings=settings, on_file=tell)
    words.refused(found.rejected)
    _emit(found.rows, values["kind"], values["output"])
    if len(found.rejected):
        sys.exit(1)


@main.command()
@click.option("--bbox", metavar="W,S,E,N", help="Only within west,south,east,north (degrees).")
@click.option(
    "--class",
    "classes",
    multiple=True,
    type=click.Choice(CLASS_NAMES),
    help="Only this class. May be repeated.",
)
@click.option("--state", "states", multiple=True, type=click.Choice(STATE_NAMES),
              help="Only this state. May be repeated.")  # fmt: skip
@click.option("--min-trips", type=click.IntRange(min=1), default=1, show_default=True,
              help="Only clusters hit by at least so many trips.")  # fmt: skip
@common_options
def cluster(**values: Any) -> None:
    """List what many passes say together, what to look at first on top."""
    from streetbump.commands.places import cluster_table, narrow
    from streetbump.commands.session import existing_store
    from streetbump.report.rows import cluster_people

    box = _bbox(values["bbox"]) if values["bbox"] else None
    with existing_store(values["url"]) as store:
        table = narrow(
            cluster_table(store), bbox=box, classes=values["classes"],
            states=values["states"], min_trips=values["min_trips"],
        )  # fmt: skip
    _emit(table, values["kind"], values["output"], people=cluster_people)


def _bbox(text: str) -> tuple[float, float, float, float]:
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as exc:
        raise UsageError(f"--bbox {text}: four numbers, west,south,east,north") from exc
    return west, south, east, north


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@trip_options
@click.option("--bbox", metavar="W,S,E,N", help="Only within west,south,east,north (degrees).")
@common_options
def roughness(paths: tuple[str, ...], **values: Any) -> None:
    """Say how rough each 20 m of street is, and how sure that is; the roughest on top.

    PATH is a trip file, a folder, or - for standard input; without it the store's trips count.
    """
    from streetbump.commands import roughness as room
    from streetbump.commands.inputs import load_settings
    from streetbump.commands.session import existing_store
    from streetbump.config import shipped_settings
    from streetbump.report.roughness import people

    options = _trip_options(values)
    box = _bbox(values["bbox"]) if values["bbox"] else None
    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    with words.progress("roughness") as tell:
        if paths:
            settings = load_settings(values["settings_path"]) or shipped_settings()
            found = room.roughness_of_files(
                paths, options, settings=settings, stdin=_stdin, on_file=tell
            )
            table, refused = found.rows, len(found.rejected)
            words.refused(found.rejected)
        else:
            with existing_store(values["url"]) as store:
                table, refused = room.roughness_of_store(store), 0
    table = table if box is None else room.within(table, box)
    _emit(table, values["kind"], values["output"], people=people)
    if refused:
        sys.exit(1)


@main.command()
@click.option("--streets", metavar="FILE", type=click.Path(path_type=Path),
              help="Street centrelines (GeoJSON); they tell what was not driven.")  # fmt: skip
@click.option("--street-name", metavar="PROPERTY", help="Property of a street's name.")
@click.option("--districts", metavar="FILE", type=click.Path(path_type=Path),
              help="Polygons (GeoJSON): one row per district instead.")  # fmt: skip
@click.option("--district-name", metavar="PROPERTY", help="Property of a district's name.")
@click.option("--survey", type=click.IntRange(min=1), metavar="N",
              help="The N runs a city vehicle should drive next instead.")  # fmt: skip
@click.option("--min-devices", "k", type=click.IntRange(min=1), default=5, show_default=True,
              metavar="K", help="Nothing is told that fewer named devices drove.")  # fmt: skip
@common_options
def coverage(**values: Any) -> None:
    """Say what is known of each 20 m of street: unknown, driven, smooth, rough, has places.

    -o FILE.png, .pdf or .svg draws a map.
    """
    from datetime import UTC, datetime

    from streetbump import runtime
    from streetbump.commands import coverage as room
    from streetbump.commands.explain import is_picture
    from streetbump.commands.session import existing_store

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    names = ("streets", "street_name", "districts", "district_name", "survey", "k")
    today = datetime.fromtimestamp(runtime.now_ns() / 1e9, UTC).date().isoformat()
    order = room.Order(**{name: values[name] for name in names}, today=today)
    output, kind = values["output"], values["kind"]
    with (
        existing_store(values["url"]) as store,
        words.progress("coverage") as tell,
    ):
        tell("reading passes")
        found = room.cover(store, order)
    if kind is None and is_picture(output):
        room.draw(found, output, title=f"What is known of each street, {today}")
    else:
        _emit(found.table, kind, output, people=found.people)
    words.say(*found.words)


@main.command()
@click.argument("place_id", required=False)
@click.option("--trip", "trip", metavar="FILE", help="Explain a trip file instead.")
@trip_options
@common_options
def explain(place_id: str | None, trip: str | None, **values: Any) -> None:
    """Say why the system says what it says of a place, a cluster, or a trip file.

    With --trip, -o FILE.png, .pdf or .svg draws the trip.
    """
    from streetbump.commands import explain as room
    from streetbump.commands.session import existing_store

    options = _trip_options(values)
    if (place_id is None) == (trip is None):
        raise UsageError("explain: give either a place (or cluster) id, or --trip FILE")
    if trip is None:
        with existing_store(values["url"]) as store:
            click.echo(room.explain(store, place_id or ""), nl=False)
        return
    _explain_trip(trip, options, values)


def _explain_trip(trip: str, options: TripOptions, values: dict[str, Any]) -> None:
    from streetbump.commands import explain as room
    from streetbump.commands.inputs import load_settings
    from streetbump.config import shipped_settings
    from streetbump.report.trip_story import facts, jolt_people

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    output, kind = values["output"], values["kind"]
    drawn = kind is None and room.is_picture(output)
    settings = load_settings(values["settings_path"]) or shipped_settings()
    found = room.explain_trip(trip, options, settings=settings, stdin=_stdin)
    for story in found.stories:
        words.say(*(f"{name}: {value}" for name, value in facts(story).items()), "")
    words.refused(found.rejected)
    if drawn:
        words.say(*room.draw(found.stories, output))
    else:
        _emit(found.jolts, kind, output, people=jolt_people)
    if len(found.rejected):
        sys.exit(1)


# ------------------------------------------------------------------------------- obstacles


@main.group(cls=Group)
def obstacles() -> None:
    """Known obstacles: humps, castings, crossings, joints."""


@obstacles.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--kind", "obstacle_kind", metavar="KIND",
              help="Kind of every row, unless the file has a column that says.")  # fmt: skip
@click.option("--owner", metavar="NAME", help="Who maintains them, where the file does not say.")
@click.option("--source", metavar="NAME", help="Name of the inventory; the file's name by default.")
@click.option("--columns", metavar="MAP.toml", type=click.Path(path_type=Path),
              help="Which column says what, where the usual names do not.")  # fmt: skip
@click.option("--shrink", is_flag=True,
              help="The list may have lost more than half of its rows.")  # fmt: skip
@common_options
def import_(path: Path, **values: Any) -> None:
    """Read an inventory into the store, and say which rows were not used, and why.

    FILE is GeoJSON, CSV, OpenStreetMap (.osm; .osm.pbf with the extra osm), or Shapefile,
    GeoPackage and the like (extra gis). Importing it again changes nothing; what a newer file of
    the same source does not list any more is retired.
    """
    from streetbump.commands import obstacles as room

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    names = ("owner", "source", "columns", "shrink")
    with _session(values) as session:
        done = room.import_obstacles(
            session, path, kind=values["obstacle_kind"], **{name: values[name] for name in names}
        )
    if len(done.found.dropped) or values["output"]:
        _emit(done.found.dropped, values["kind"], values["output"])
    words.say(*done.words)


@obstacles.command("list")
@click.option("--counts", is_flag=True, help="How many there are by source, kind and owner.")
@common_options
def list_(counts: bool, **values: Any) -> None:
    """List the known obstacles."""
    from streetbump.commands import obstacles as room
    from streetbump.commands.session import existing_store

    with existing_store(values["url"]) as store:
        table = room.obstacle_counts(store) if counts else room.obstacle_table(store)
    shown = None if counts else _only(
        "obstacle_id", "source", "source_id", "kind", "wkt", "owner", "valid_to", "same_as"
    )  # fmt: skip
    _emit(table, values["kind"], values["output"], people=shown)


@obstacles.command()
@click.option("--doubts", is_flag=True,
              help="Instead: listed obstacles that nobody feels, or not as listed.")  # fmt: skip
@click.option("--min-devices", type=click.IntRange(min=1), metavar="N",
              help="Least distinct named devices (5).")  # fmt: skip
@click.option("--min-passes", type=click.IntRange(min=1), metavar="N",
              help="Least passes, in each direction (10).")  # fmt: skip
@click.option("--min-hit-rate", type=click.FloatRange(0, 1), metavar="P",
              help="Least lower end of the hit rate's interval (0.6).")  # fmt: skip
@click.option("--min-class-p", type=click.FloatRange(0, 1), metavar="P",
              help="Least probability of the class (0.6).")  # fmt: skip
@click.option("--min-span-days", type=click.FloatRange(min=0), metavar="D",
              help="Least days from the first to the last hit (60).")  # fmt: skip
@common_options
def propose(doubts: bool, **values: Any) -> None:
    """Propose obstacles that no list holds: felt alike on nearly every pass, for a long time.

    The GeoJSON (-o x.geojson) can be looked through and imported.
    """
    from streetbump.cluster.propose import Bar
    from streetbump.commands import obstacles as room
    from streetbump.commands.session import existing_store

    options = {"devices": "min_devices", "passes": "min_passes", "hit_rate_lo": "min_hit_rate",
               "class_p": "min_class_p", "span_days": "min_span_days"}  # fmt: skip
    said = {name: values[option] for name, option in options.items()}
    bar = Bar(**{name: value for name, value in said.items() if value is not None})
    with existing_store(values["url"]) as store:
        table = room.doubt(store, bar=bar) if doubts else room.propose(store, bar=bar)
    shown = _only(
        *(("obstacle_id", "source_id", "kind", "owner", "finding", "passes", "devices", "felt",
           "last_day_utc") if doubts else
          ("kind", "lat_deg", "lon_deg", "directions", "hits", "passes", "hit_rate_lo", "devices",
           "span_days", "p_class", "nearest_kind", "nearest_m"))
    )  # fmt: skip
    _emit(table, values["kind"], values["output"], people=shown)


# ------------------------------------------------------------------------------- reports


@main.command()
@city_option
@send_option
@common_options
def submit(**values: Any) -> None:
    """Show what would be reported to which city, and why the rest would not; --send sends."""
    from streetbump.commands.requests import check_live, outbox_table, plan_people, plan_table
    from streetbump.commands.session import existing_store
    from streetbump.pipeline import Status

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    existing_store(values["url"]).close()
    if not values["cities"]:
        words.say("no city is given: --city FILE (or --city sandbox) says where reports would go")
    with _session(values, cities=values["cities"]) as session:
        session.until_idle(lanes=("cluster",))
        if not values["send"]:
            table = _first(plan_table(session), values, words, "--format csv has all")
            _emit(table, values["kind"], values["output"], people=plan_people)
            words.say("dry run: nothing was sent")
            return
        check_live(session.work.desks)
        with words.progress("submit") as tell:
            last = session.until_idle(lanes=("submit",), allow_send=True, on_progress=_tell(tell))
        table = outbox_table(session.store)
    _emit(table, values["kind"], values["output"],
          people=_only("place_id", "city", "state", "request_id", "token", "note"))  # fmt: skip
    if last.status is Status.WAIT:
        words.say(f"not finished: {last.what or 'a city asked for patience'}; try again")
        sys.exit(3)


@main.command()
@city_option
@common_options
def sync(**values: Any) -> None:
    """Ask the cities what became of each request; nothing is sent. Closed is not repaired."""
    from streetbump.commands import requests as lib
    from streetbump.commands.requests import sync_table
    from streetbump.commands.session import existing_store
    from streetbump.pipeline import Status

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    existing_store(values["url"]).close()
    if not values["cities"]:
        words.say("no city is given, so none is asked: --city FILE (or --city sandbox)")
    with _session(values, cities=values["cities"]) as session, words.progress("sync") as tell:
        last = lib.sync(session, on_progress=_tell(tell))
        table = sync_table(session.store)
    _emit(table, values["kind"], values["output"],
          people=_only("place_id", "city", "request_id", "state", "city_status", "since_utc",
                       "place_state"))  # fmt: skip
    if last.status is Status.WAIT:
        words.say(f"not finished: {last.what or 'a city asked for patience'}; try again")
        sys.exit(3)


@main.command()
@click.option("--inbox", required=True, metavar="DIR", type=click.Path(path_type=Path),
              help="Watched folder; files are renamed into it when complete.")  # fmt: skip
@city_option
@send_option
@click.option("--drain", is_flag=True, help="End when the inbox is empty and nothing is left.")
@common_options
def worker(**values: Any) -> None:
    """Take in uploads from a folder for ever; SIGTERM ends it after the step under way."""
    from streetbump import worker as room
    from streetbump.commands.requests import check_live

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with _session(values, cities=values["cities"], strangers=True) as session:
        if values["send"]:
            check_live(session.work.desks)
        if not values["verbose"]:  # trouble with files is said in any case
            work = replace(session.work, observe=_tell_of_inbox(words))
            session = replace(session, work=work)
        words.say(f"worker: watching {values['inbox']}")
        room.work(
            session, values["inbox"], allow_send=values["send"], drain=values["drain"], stop=stop,
            on_progress=lambda progress: words.say(progress.what),
        )  # fmt: skip
    words.say("worker: stopped")


def _tell_of_inbox(words: Words) -> Callable[..., None]:
    def observe(event: str, **fields: object) -> None:
        if event == "inbox":
            words.say(f"inbox: {fields['file']}: {fields['problem']}")

    return observe


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8311, show_default=True,
              help="Port on this machine; 0 takes a free one.")  # fmt: skip
@click.option("--faults", metavar="FILE", type=click.Path(path_type=Path),
              help="Faults and dialect to play (TOML), see docs/practice-city.md.")  # fmt: skip
@click.option("--ledger", metavar="FILE", type=click.Path(path_type=Path),
              help="Keep the city's requests in FILE between starts.")  # fmt: skip
@click.option("--write-profile", metavar="FILE", type=click.Path(path_type=Path),
              help="Write a profile of this city, with its port, to FILE.")  # fmt: skip
@quiet_options
def sandbox(
    port: int, faults: Path | None, ledger: Path | None, write_profile: Path | None, **values: Any
) -> None:
    """Play a city that speaks Open311, on this machine only, to practise on."""
    from streetbump.commands.inputs import read_text
    from streetbump.commands.requests import practice_profile
    from streetbump.submit.sandbox import Sandbox, read_setup

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
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


@main.group(cls=Group)
def review() -> None:
    """What a person decides on places before a city hears of them."""


@review.command("list")
@common_options
def review_list(**values: Any) -> None:
    """List the places that wait for a decision, and those that have one."""
    from streetbump.commands.review import review_table
    from streetbump.commands.session import existing_store

    with existing_store(values["url"]) as store:
        table = review_table(store)
    _emit(table, values["kind"], values["output"])


def _decision(name: str, help_text: str) -> None:
    @review.command(name, help=help_text)
    @click.argument("place_id", metavar="ID")
    @click.option("--by", required=True, metavar="NAME", help="Who decides.")
    @click.option("--note", default="", metavar="TEXT", help="Why, for those who ask later.")
    @common_options
    def decide(place_id: str, by: str, note: str, **values: Any) -> None:
        from streetbump import runtime
        from streetbump.commands import review as lib
        from streetbump.commands.session import existing_store

        with existing_store(values["url"]) as store:
            place = lib.review(store, place_id, name, by=by, note=note, now_ns=runtime.now_ns())
        Words(quiet=values["quiet"], verbose=values["verbose"]).say(f"{place_id}: {place.why}")


_decision("approve", "Let a place be reported.")
_decision("hold", "Keep a place back until somebody approves it.")
_decision("reject", "Never report a place.")


@review.command("mark-obstacle")
@click.argument("place_id", metavar="ID")
@click.option("--kind", "obstacle_kind", required=True, metavar="KIND", help="What it is.")
@click.option("--by", required=True, metavar="NAME", help="Who decides.")
@click.option("--note", default="", metavar="TEXT", help="Why, for those who ask later.")
@common_options
def mark_obstacle(place_id: str, obstacle_kind: str, by: str, note: str, **values: Any) -> None:
    """Make a known obstacle of a place; it is never reported again."""
    from streetbump.commands import obstacles as room
    from streetbump.commands.session import existing_store

    existing_store(values["url"]).close()
    with _session(values) as session:
        made = room.mark_obstacle(session, place_id, kind=obstacle_kind, by=by, note=note)
    Words(quiet=values["quiet"], verbose=values["verbose"]).say(
        f"{place_id}: {obstacle_kind} {made}, marked by {by}"
    )


# ------------------------------------------------------------------------------- generations


@main.command()
@click.argument("paths", nargs=-1, metavar="[PATH...]")
@click.option("--generation", "name", required=True, metavar="NAME",
              help="Name of what is computed; the same name goes on where it stopped.")  # fmt: skip
@click.option("--executor", type=click.Choice(["local", "serial"]), default="local",
              show_default=True, help="A pool of local processes, or none.")  # fmt: skip
@common_options
def reprocess(paths: tuple[str, ...], name: str, executor: str, **values: Any) -> None:
    """Compute every archived trip again, beside the active generation."""
    from streetbump.commands import generations as lib
    from streetbump.commands.inputs import STDIN, load_settings, trip_files
    from streetbump.commands.session import existing_store

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    trip_files(p for p in paths if p != STDIN)
    settings = load_settings(values["settings_path"])
    width = (os.cpu_count() or 1) if executor == "local" else 1
    existing_store(values["url"]).close()
    with (
        _session({**values, "settings_path": None}, width=width) as session,
        words.progress("reprocess") as tell,
    ):
        lines = lib.reprocess(
            session, name=name, settings=settings, paths=paths, stdin=_stdin,
            on_progress=_tell(tell),
        )  # fmt: skip
    words.say(*lines)


@main.command()
@click.argument("a")
@click.argument("b")
@common_options
def compare(a: str, b: str, **values: Any) -> None:
    """Show two generations side by side."""
    from streetbump.commands import generations as lib
    from streetbump.commands.session import existing_store

    with existing_store(values["url"]) as store:
        table = lib.compare(store, a, b)
    _emit(table, values["kind"], values["output"])


@main.command()
@click.argument("name")
@common_options
def promote(name: str, **values: Any) -> None:
    """Make a generation the active one; its first plan is held for review."""
    from streetbump import runtime
    from streetbump.commands.session import existing_store

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    with existing_store(values["url"]) as store:
        store.promote(name, now_ns=runtime.now_ns())
    with _session(values) as session:
        session.until_idle(lanes=("cluster",))
    words.say(f"generation {name!r} is active; its first plan is held for review")


# ------------------------------------------------------------------------------- simulate


@main.command()
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--town", required=True, metavar="NAME|FILE.geojson",
              help="hard, small, or a file of street centrelines.")  # fmt: skip
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
def simulate(out: Path, **values: Any) -> None:
    """Make trips through an invented town, and the truth about them, in the folder OUT."""
    from streetbump.commands import simulate as room

    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    names = ("town", "trips", "seed", "logger", "minutes", "attack", "attackers")
    order = room.Order(**{name: values[name] for name in names})
    with _pool(order.trips) as executor, words.progress("simulate") as tell:
        made = room.simulate(
            out, order, executor=executor, on_trip=lambda n: tell(f"{n} of {order.trips} trips")
        )
    words.say(
        f"{out}: {made.trips} trips and {made.forged} dishonest ones ({made.bytes / 1e6:.1f} MB), "
        f"{made.sites} things in the road, {made.events} felt crossings"
    )


# ------------------------------------------------------------------------------- evaluate


@main.command()
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@click.option("--truth", metavar="FILE", type=click.Path(path_type=Path),
              help="Truth table of all paths; else each folder's own truth.csv.")  # fmt: skip
@click.option("--dataset", metavar="FILE.toml", type=click.Path(path_type=Path),
              help="What the folder holds; else its dataset.toml, or by its truth.")  # fmt: skip
@trip_options
@settings_option
@click.option("--format", "kind", type=click.Choice(["table", "jsonl", "csv"]),
              help="How figures are written; tables on a terminal, else JSON lines.")  # fmt: skip
@click.option("-o", "--output", "output", metavar="FILE", type=click.Path(path_type=Path),
              help="Write figures to FILE: .csv .jsonl .parquet .txt by ending.")  # fmt: skip
@click.option("--pictures", metavar="DIR", type=click.Path(path_type=Path),
              help="Draw the figures as PNG files into DIR (needs the extra plot).")  # fmt: skip
@quiet_options
def evaluate(paths: tuple[str, ...], **values: Any) -> None:
    """Score detection and clustering against recordings whose truth is known.

    PATH is a folder with a truth table, or, with --truth, a trip file or a folder.
    """
    from streetbump.commands import evaluate as room
    from streetbump.commands.inputs import load_settings, trip_files
    from streetbump.config import shipped_settings
    from streetbump.report.scoreboard import people_text

    options = _trip_options(values)
    words = Words(quiet=values["quiet"], verbose=values["verbose"])
    settings = load_settings(values["settings_path"]) or shipped_settings()
    if values["pictures"] is not None:
        room.check_pictures()
    with _pool(len(trip_files(paths))) as executor, words.progress("evaluate") as tell:
        result = room.evaluate(
            paths, options, truth=values["truth"], dataset=values["dataset"], settings=settings,
            executor=executor, tell=tell,
        )  # fmt: skip
    words.refused(result.rejected)
    _emit(result.table, values["kind"], values["output"], text=people_text)
    words.say(*result.words)
    if values["pictures"] is not None:
        words.say(*room.draw(result.table, values["pictures"]))
    if len(result.rejected):
        sys.exit(1)


@contextmanager
def _pool(files: int) -> Iterator[Executor]:
    """Processes where there are many files, else this one."""
    from streetbump.executors import Processes, Serial

    width = (os.cpu_count() or 1) if files > _MANY_FILES else 1
    if width == 1:
        yield Serial()
        return
    with Processes(width) as pool:
        yield pool


# ------------------------------------------------------------------------------- doctor


@main.command()
@click.argument("what", required=False, type=click.Choice(["trip", "city"]))
@click.argument("file", required=False)
@click.option("--city", metavar="FILE|sandbox", help="The same as doctor city FILE.")
@trip_options
@common_options
def doctor(what: str | None, file: str | None, city: str | None, **values: Any) -> None:
    """Look at the installation and the store; at a trip FILE; or at a city, through its FILE.

    A city is only read from: nothing is created. The last lines are what would mend its profile.
    """
    from streetbump.commands import doctor as lib
    from streetbump.commands.doctor import doctor_trip
    from streetbump.commands.inputs import load_settings
    from streetbump.config import shipped_settings

    options = _trip_options(values)
    if (what is None) != (file is None) or (city is not None and what is not None):
        raise UsageError("doctor: alone, or doctor trip FILE, or doctor city FILE")
    if city is not None:
        what, file = "city", city
    if what is None or file is None:
        _emit(lib.doctor(values["url"]), values["kind"], values["output"])
    elif what == "trip":
        settings = load_settings(values["settings_path"]) or shipped_settings()
        records = doctor_trip(file, options, settings=settings, stdin=_stdin)
        _print_records(records)
        if any("refused" in record for record in records):
            sys.exit(1)
    else:
        _look_at_city(file, values["kind"], values["output"])


def _look_at_city(file: str, kind: str | None, output: Path | None) -> None:
    """Print what a city shows of its profile, each line as it is found: the pace may be slow."""
    from contextlib import ExitStack

    import pandas as pd

    from streetbump.commands.doctor import doctor_city

    rows = []
    with ExitStack() as stack:
        for row in doctor_city(file, stack=stack):
            rows.append(row)
            if kind is None and output is None:
                lead, gap = f"{row['state']:9}", " "
                if row["asked"] == "to mend":
                    lead, gap = "\n", "\n\n"
                click.echo(_printable(f"{lead}{row['asked']}:{gap}{row['said']}"))
    if kind is not None or output is not None:
        _emit(pd.DataFrame(rows, columns=["asked", "state", "said"]), kind, output)
    if any(row["state"] == "fails" for row in rows):
        sys.exit(1)


def _print_records(records: list[dict[str, Any]]) -> None:
    for record in records:
        for name, value in record.items():
            click.echo(_printable(f"{name}: {value}"))
        click.echo()


if __name__ == "__main__":
    main()
