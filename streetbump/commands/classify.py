"""``streetbump classify``: bare series of vertical acceleration → what kind of jolt each holds.

The files are read here; what is computed from them is the path that labelled clips take in
``streetbump evaluate``, except that probabilities and word are under the prior of bare series
(:data:`~streetbump.detect.classify.BARE_PRIOR`), not under the equal one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from streetbump.config import Settings
from streetbump.detect.classify import BARE_PRIOR, class_probabilities, load_model, under_prior
from streetbump.errors import InputError
from streetbump.model import P_COLUMNS, Floats, JoltClass, Reason, Rejected, classify_rows
from streetbump.report.hearing import bare_trip
from streetbump.report.rows import rejected_rows
from streetbump.report.series import Clip, clip_of
from streetbump.report.truth import parse_bare

CLASSIFY_COLUMNS = ("path", "class", *P_COLUMNS)
"""Columns of the command, in order."""


@dataclass(frozen=True)
class Classified:
    """One row per file that could be read, in the order given, and what was refused."""

    rows: pd.DataFrame
    rejected: pd.DataFrame


def classify_files(
    paths: Sequence[str],
    *,
    rate_hz: float,
    settings: Settings,
    on_file: Callable[[str], None] = lambda _name: None,
) -> Classified:
    """The class of the strongest jolt of each file.

    A file with fewer than two numbers, or with anything that is none, is refused; what a short
    series lacks of 1.2 s around its strongest moment is mirrored.

    Parameters
    ----------
    paths : sequence of str
        Files of one column: vertical acceleration at an even rate, m/s², with or without
        gravity, with or without a header.
    rate_hz : float
        Their sampling rate, Hz.
    """
    clips: list[Clip] = []
    refused: list[tuple[str, Rejected]] = []
    for name in paths:
        on_file(name)
        found = _clip(name, rate_hz=rate_hz, settings=settings)
        if isinstance(found, Rejected):
            refused.append((name, found))
        else:
            clips.append(found)
    return Classified(
        _rows(clips, unsure_below=settings.detect.unsure_below), rejected_rows(refused)
    )


def _clip(name: str, *, rate_hz: float, settings: Settings) -> Clip | Rejected:
    """The window around the strongest moment of a file, or why there is none."""
    try:
        values = _column(Path(name).read_bytes())
    except OSError as exc:
        return Rejected("", Reason.UNREADABLE, exc.strerror or str(exc))
    except UnicodeDecodeError:
        return Rejected("", Reason.ENCODING, "not text; save it as UTF-8")
    except InputError as exc:
        return Rejected("", Reason.SCHEMA, str(exc))
    if float(np.abs(values).max()) > _MOST_MS2:
        return Rejected("", Reason.PHYSICS_ACCEL, "beyond any phone's sensor; is it in m/s²?")
    trip = bare_trip(values, rate_hz=rate_hz)
    return clip_of(trip, trip_id=name, label=JoltClass.UNSURE, settings=settings.detect)


_MOST_MS2 = 400.0
"""Phones measure up to 16 g, some 32; more is another unit."""


def _column(data: bytes) -> Floats:
    values = parse_bare(data.decode("utf-8"), axes=())
    if values.shape[1] != 1:
        raise InputError(f"{values.shape[1]} columns; one of vertical acceleration is read")
    return values


def _rows(clips: Sequence[Clip], *, unsure_below: float) -> pd.DataFrame:
    model = load_model()
    one_each = [class_probabilities(c.window_ms2, rate_hz=c.rate_hz, model=model) for c in clips]
    p = under_prior(np.concatenate([np.empty((0, len(P_COLUMNS))), *one_each]), BARE_PRIOR)
    words = classify_rows(p, unsure_below=unsure_below)
    columns: dict[str, object] = {
        "path": pd.Series([c.trip_id for c in clips], dtype="str"),
        "class": pd.Series([word.value for word in words], dtype="str"),
        **{name: np.round(p[:, k], 4) for k, name in enumerate(P_COLUMNS)},
    }
    return pd.DataFrame({name: columns[name] for name in CLASSIFY_COLUMNS})
