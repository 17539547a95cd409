"""Options that several commands share, each defined once.

Groups of options hand their command one value each: `quiet_options` its `words`, `outputs` its
`out`, `common_options` its `shop`, `trip_options` its `options`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial, wraps
from pathlib import Path
from typing import Any

import click

from streetbump.cli.words import Output, Words
from streetbump.cli.work import Shop
from streetbump.errors import UsageError

DEFAULT_STORE = "sqlite:///streetbump.db"

Command = Callable[..., Any]


def _stacked(*options: Callable[[Any], Any]) -> Callable[[Command], Command]:
    def apply(function: Command) -> Command:
        for option in reversed(options):
            function = option(function)
        return function

    return apply


def a_file(*names: str, metavar: str = "FILE", **more: Any) -> Callable[[Any], Any]:
    """An option that names a file or folder."""
    return click.option(*names, metavar=metavar, type=click.Path(path_type=Path), **more)


store_option = click.option(
    "--store", "url", metavar="URL", envvar="STREETBUMP_STORE", default=DEFAULT_STORE,
    show_default=True, help="Where the store is; $STREETBUMP_STORE says it too.",
)  # fmt: skip
settings_option = a_file(
    "--settings", "settings_path", help="Thresholds (TOML) laid over the shipped ones."
)
city_option = click.option(
    "--city", "cities", metavar="FILE|FOLDER|sandbox", multiple=True,
    help="City profile (TOML), a folder of them, or the shipped practice city. May be repeated.",
)  # fmt: skip
send_option = click.option(
    "--send", is_flag=True, help="Really send. Without it nothing leaves this machine."
)
bbox_option = click.option(
    "--bbox", metavar="W,S,E,N", help="Only within west,south,east,north (degrees)."
)


def quiet_options(function: Command) -> Command:
    """``-q`` and ``-v``: `words`."""

    @wraps(function)
    def with_words(*, quiet: bool, verbose: bool, **values: Any) -> Any:
        return function(words=Words(quiet=quiet, verbose=verbose), **values)

    return _stacked(
        click.option("-q", "--quiet", is_flag=True, help="No words and no progress."),
        click.option("-v", "--verbose", is_flag=True, help="Say each step, as JSON lines."),
    )(with_words)


def outputs(
    forms: str = "table jsonl csv geojson",
    *,
    format_help: str = "How data is written; a table on a terminal, else JSON lines.",
    output_help: str = "Write data to FILE: .csv .jsonl .geojson .parquet .gpkg by ending.",
    draws: bool = False,
) -> Callable[[Command], Command]:
    """``--format`` and ``-o``: `out`, of which pictures are asked where the command `draws`."""

    def apply(function: Command) -> Command:
        @wraps(function)
        def with_out(*, form: str | None, output: Path | None, **values: Any) -> Any:
            out = Output(form, output)
            out.check(draws=draws)  # before the work, and before anything is sent
            return function(out=out, **values)

        return _stacked(
            click.option("--format", "form", type=click.Choice(forms.split()), help=format_help),
            a_file("-o", "--output", "output", help=output_help),
        )(with_out)

    return apply


def trip_options(function: Command) -> Command:
    """What may be said about trip files: `options`."""

    @wraps(function)
    def with_options(
        *, columns: Path | None, device: str | None, tz: str | None, date: str | None,
        gps: Path | None, trust_unnamed: bool, **values: Any,
    ) -> Any:  # fmt: skip
        from streetbump.commands.inputs import TripOptions

        said = TripOptions(columns, device, tz, date, gps, trust_unnamed)
        return function(options=said, **values)

    return _stacked(
        a_file("--columns", metavar="MAP.toml", help="Column map for a CSV that no reader knows."),
        click.option("--device", metavar="NAME", help="Name of the phone; kept as a pseudonym."),
        click.option("--tz", metavar="ZONE", help="Time zone of clocks that name none."),
        click.option("--date", metavar="YYYY-MM-DD", help="Day of clocks that name none."),
        a_file("--gps", help="Positions, where they lie in a file of their own."),
        click.option("--trust-unnamed", is_flag=True,
                     help="Count each trip that names no device as a device of its own."),
    )(with_options)  # fmt: skip


def common_options(function: Command, *, draws: bool = False) -> Command:
    """Store, settings, what goes out: `shop`."""

    @wraps(function)
    def with_shop(
        *, url: str, settings_path: Path | None, out: Output, words: Words, **values: Any
    ) -> Any:
        return function(shop=Shop(url, settings_path, out, words), **values)

    return _stacked(store_option, settings_option, outputs(draws=draws), quiet_options)(with_shop)


drawing_options = partial(common_options, draws=True)
"""The same for a command that draws where ``-o`` ends in .png, .pdf or .svg."""


def box_of(text: str | None) -> tuple[float, float, float, float] | None:
    """West, south, east and north of ``--bbox``; None where it was not given."""
    if not text:
        return None
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError as exc:
        raise UsageError(f"--bbox {text}: four numbers, west,south,east,north") from exc
    if not -90 <= south <= north <= 90:
        raise UsageError(f"--bbox {text}: west,south,east,north: no latitudes from south to north")
    return west, south, east, north


def stdin() -> bytes:
    """All of standard input."""
    return sys.stdin.buffer.read()
