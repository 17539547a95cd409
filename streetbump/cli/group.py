"""A group of commands: in the order of work, and with our errors as one line and an exit code."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from streetbump.cli.words import printable
from streetbump.errors import StreetbumpError

TRACEBACK_VARIABLE = "STREETBUMP_TRACEBACK"

EXIT_CODES = """\b
Exit codes: 0 done, 1 some input was refused, 2 usage, 3 try again (locked, city busy),
4 failed, 130 interrupted."""


class Group(click.Group):
    """Commands in the order of work, and our errors as one line with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order they were added in."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; translate what went wrong."""
        try:
            return super().invoke(ctx)
        except StreetbumpError as exc:
            click.echo(f"streetbump: {printable(str(exc))}", err=True)
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
            click.echo(f"streetbump: {printable(f'{where}{exc.strerror or exc}')}", err=True)
            ctx.exit(4)
        except Exception as exc:
            # A fault of ours: nobody at a city's desk can use a traceback, a developer asks for it.
            if os.environ.get(TRACEBACK_VARIABLE):
                raise
            what = printable(f"{type(exc).__name__}: {exc}")
            click.echo(f"streetbump: internal error: {what}", err=True)
            click.echo(f"please report it; {TRACEBACK_VARIABLE}=1 shows where", err=True)
            ctx.exit(4)
