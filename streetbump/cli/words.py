"""What goes out: words for people on standard error, tables on standard output or in a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streetbump.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from streetbump.pipeline import Progress

PROGRESS_AFTER_S = 2.0

PICTURES = (".png", ".pdf", ".svg")
"""Endings of files that are drawn."""

TABLE_ROWS = 40
"""Rows shown to people by ``run`` and ``submit``; programs get all."""


class Words:
    """Words for people, on standard error; silent when asked."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self.quiet = quiet
        self.verbose = verbose
        if verbose:
            import logging

            logging.basicConfig(stream=sys.stderr, format="%(message)s", level=logging.WARNING)
            logging.getLogger("streetbump").setLevel(logging.INFO)

    def say(self, *lines: str) -> None:
        """Print lines, unless quiet; control characters are shown, not obeyed."""
        if not self.quiet:
            for line in lines:
                click.echo(printable(line), err=True)

    def refused(self, rows: pd.DataFrame) -> None:
        """Print which files were refused, and why."""
        for row in rows.to_dict("records"):
            part = f" ({row['part']})" if row["part"] else ""
            self.say(f"refused {row['file']}{part}: {row['reason']}: {row['hint']}")

    def unfinished(self, waiting: Progress) -> None:
        """Print what is waited for; the command ends here, with the exit code for trying again."""
        self.say(f"not finished: {waiting.what or 'a city asked for patience'}; try again")
        sys.exit(3)

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


def printable(text: str) -> str:
    """A text whose control characters a terminal shows instead of obeying."""
    return "".join(c if c.isprintable() or c == "\n" else "\ufffd" for c in text)


@dataclass(frozen=True)
class Output:
    """Where tables go and how they are written, as far as somebody said so."""

    form: str | None
    path: Path | None

    def check(self, *, draws: bool) -> None:
        """Whether a file of that ending can be written there, as far as that can be known before.

        Raises
        ------
        UsageError
            It cannot.
        """
        from streetbump.report.output import ENDINGS

        if self.path is None:
            return
        endings = (*ENDINGS, *(PICTURES if draws else ()))
        if self.form is None and self.path.suffix.lower() not in endings:
            raise UsageError(f"-o {self.path}: which format? one of {' '.join(endings)}")
        if not self.path.parent.is_dir():
            raise UsageError(f"-o {self.path}: there is no folder {self.path.parent}")

    def write(
        self, frame: pd.DataFrame, *, people: Any = None, text: Callable[..., str] | None = None
    ) -> None:
        """Write a table where and how it was asked for; `text` makes the page that people read."""
        from streetbump.report.output import ENDINGS
        from streetbump.runtime import write_file

        if self.path is not None:
            kind = self.form or ENDINGS[self.path.suffix.lower()]
            write_file(self.path, _rendered(frame, kind, people, text))
            return
        chosen = self.form or ("table" if _on_terminal() else "jsonl")
        click.echo(_rendered(frame, chosen, people, text), nl=False)

    def tell(self, story: str) -> None:
        """Print what is told in words and has no rows, or write it to a .txt file.

        Raises
        ------
        UsageError
            Rows were asked for.
        """
        from streetbump.runtime import write_file

        ending = ".txt" if self.path is None else self.path.suffix.lower()
        if self.form not in {None, "table"} or ending != ".txt":
            raise UsageError("this is told in words: without --format, and -o FILE.txt at most")
        text = printable(story)
        if self.path is None:
            click.echo(text, nl=False)
        else:
            write_file(self.path, text.encode())

    def picture(self) -> Path | None:
        """The file to draw instead, where its ending says so."""
        if self.form or self.path is None or self.path.suffix.lower() not in PICTURES:
            return None
        from streetbump.report.pictures import check

        check()  # before an hour of work
        return self.path

    def first(self, table: pd.DataFrame, words: Words, more: str) -> pd.DataFrame:
        """What people see of a long table on a terminal; programs and files get all of it."""
        for_people = self.path is None and self.form in {None, "table"}
        if not (for_people and _on_terminal() and len(table) > TABLE_ROWS):
            return table
        words.say(f"the first {TABLE_ROWS} of {len(table)} rows; {more}")
        return table.head(TABLE_ROWS)


def _on_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


def _rendered(
    frame: pd.DataFrame, kind: str, people: Any, text: Callable[..., str] | None
) -> bytes:
    from streetbump.report.output import render

    if kind == "table" and text is not None:
        return text(frame, width=_width()).encode()
    return render(frame, kind, people=people, width=_width())


def _width() -> int:
    import shutil

    return max(shutil.get_terminal_size((120, 24)).columns, 80)


def only(*names: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    """Shows people these columns."""
    return lambda frame: frame[list(names)]
