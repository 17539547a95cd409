"""``streetbump detect``: the jolts of trip files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from streetbump.commands.inputs import TripOptions, read_trips
from streetbump.config import Settings
from streetbump.detect.trigger import reported
from streetbump.model import BUMPS, Rejected
from streetbump.pipeline.intake import detect_trip
from streetbump.report.rows import DETECT_COLUMNS, detect_rows, rejected_rows


@dataclass(frozen=True)
class Detected:
    """Jolts of some files, and what was refused."""

    rows: pd.DataFrame
    rejected: pd.DataFrame


def detect_files(
    paths: Sequence[str],
    options: TripOptions,
    *,
    settings: Settings,
    everything: bool,
    stdin: Callable[[], bytes],
    on_file: Callable[[str], None] = lambda _name: None,
) -> Detected:
    """The jolts of trip files. Nothing is stored, so nothing is trimmed.

    Parameters
    ----------
    everything : bool
        All candidates, not only those at the operating point.
    """
    tables, refused = [], []
    for name, row in read_trips(paths, options, stdin=stdin, on_file=on_file):
        if isinstance(row, Rejected):
            refused.append((name, row))
            continue
        bumps = detect_trip(row, settings).bumps
        if not everything:
            bumps = bumps[reported(bumps, settings=settings.detect)]
        tables.append(
            detect_rows(
                row,
                bumps.reset_index(drop=True),
                unsure_below=settings.detect.unsure_below,
            )
        )
    rows = pd.concat(tables, ignore_index=True) if tables else _no_jolts()
    return Detected(rows, rejected_rows(refused))


def _no_jolts() -> pd.DataFrame:
    empty = BUMPS.empty()
    text = pd.Series([], dtype="str")
    more = {"trip_id": text, "class": text, "t_utc_s": pd.Series([], dtype="float64")}
    return pd.DataFrame({c: more[c] if c in more else empty[c] for c in DETECT_COLUMNS})
