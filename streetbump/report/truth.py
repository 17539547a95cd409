"""What is known to be true of some recordings: ``truth.csv``, ``sites.csv``, ``dataset.toml``.

Everything here turns text into checked tables; reading the files is left to the caller
(:mod:`streetbump.commands.evaluate`). The format stands in docs/evaluate.md.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated, Literal

import msgspec
import numpy as np
import pandas as pd
from msgspec import Meta

from streetbump.config import decode_toml
from streetbump.errors import ConfigError, InputError
from streetbump.model import CLASSES, OBSTACLE_CLASS, Floats, JoltClass

KINDS = ("event", "series", "session", "site")
"""What a row of truth may speak of: a moment, a clip, a whole trip, a place."""

DEFAULT_RATE_HZ = 50.0
"""Rate of bare series where nobody says it, Hz. Chosen by us: the usual rate of phone loggers."""
DEFAULT_TOL_S = 1.5
"""How far from an event a detection may lie where the row does not say, s. Chosen by us."""
DEFAULT_TOL_M = 15.0
"""How far from a true place where the row does not say, m. Chosen by us: a phone's usual error."""

LABEL_CLASS: dict[str, JoltClass] = {
    **{c.value: c for c in CLASSES},
    **OBSTACLE_CLASS,
    "speed_bump": JoltClass.HUMP,
    "speed_bump_asphalt": JoltClass.HUMP,
    "speed_bump_metal": JoltClass.MARKER,
    "patch": JoltClass.ROUGH,
    "road_worn": JoltClass.ROUGH,
    "road_bad": JoltClass.ROUGH,
    "road_rough": JoltClass.ROUGH,
    "road_regular": JoltClass.SMOOTH,
    "road_good": JoltClass.SMOOTH,
    "road_smooth": JoltClass.SMOOTH,
}
"""Labels that need no table of their own; ``[labels]`` of a description adds to them."""

ROUGHNESS = {"good": 0, "smooth": 0, "regular": 0, "fair": 1, "bumpy": 1, "worn": 1, "bad": 2,
             "rough": 2, "poor": 2}  # fmt: skip
"""How rough a session is, by the last word of its label; ``[roughness]`` of a description wins."""

_Name = Annotated[str, Meta(min_length=1)]


class Description(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a folder of recordings holds (``dataset.toml``); every key may be left out.

    Attributes
    ----------
    name : str
        For people; else the folder's name.
    trips : tuple of str
        Glob patterns of the recordings, relative to the folder; else every file.
    truth, sites, crossings, obstacles : str
        Files of the folder. ``sites.csv`` is read where there is one; ``crossings`` says which
        trip drove past which site while it was there; obstacles are imported before the trips
        where places are scored.
    columns : str or None
        Column map, relative to this description.
    tz : str or None
        Zone of clocks that name none.
    rate_hz : float or None
        Rate of bare series, Hz: files of numbers without a clock.
    axes : tuple of str
        Columns of bare series: one (vertical, m/s²) or three (x, y, z, m/s², Android sign); else
        the only column.
    trip_id : str
        How a file's id in the truth table is told: ``auto``, ``path`` (without ending), ``stem``,
        ``folder``, or a regular expression whose first group it is.
    device : str or None
        Regular expression whose first group, found in a recording's path, names its phone.
    unlisted : str
        What a recording is that the truth table does not name: ``skip``, or ``no-events``.
    labels : dict
        Label → class, over :data:`LABEL_CLASS`.
    roughness : dict
        Label of a session → how rough it is, any numbers.
    higher_is_better : bool or None
        Whether numeric session scores grow with good roads.
    seen_in_training : bool or None
        Whether the shipped model was trained on these very recordings; None: nobody said.
    hint : str
        What to look at instead, where it was.
    """

    name: str = ""
    trips: tuple[_Name, ...] = ()
    truth: _Name = "truth.csv"
    sites: _Name = "sites.csv"
    crossings: _Name | None = None
    obstacles: _Name | None = None
    columns: _Name | None = None
    tz: _Name | None = None
    rate_hz: Annotated[float, Meta(gt=0, le=1000)] | None = None
    axes: tuple[_Name, ...] = ()
    trip_id: _Name = "auto"
    device: _Name | None = None
    unlisted: Literal["skip", "no-events"] = "skip"
    labels: dict[str, JoltClass] = {}
    roughness: dict[str, float] = {}
    higher_is_better: bool | None = None
    seen_in_training: bool | None = None
    hint: str = ""

    def class_of(self, label: str) -> JoltClass | None:
        """The class that a label means; None when nobody said.

        >>> Description().class_of("manhole").value
        'casting'
        """
        return self.labels.get(label) or LABEL_CLASS.get(label)

    def roughness_of(self, label: str) -> float | None:
        """How rough a session of this label is; None when nobody said.

        >>> Description().roughness_of("road_bad")
        2.0
        """
        if label in self.roughness:
            return self.roughness[label]
        rank = ROUGHNESS.get(label.lower().rsplit("_", 1)[-1])
        return None if rank is None else float(rank)


def parse_description(text: str, *, where: str) -> Description:
    """The description that `text` (TOML) gives; `where` names the file in errors.

    >>> parse_description('rate_hz = 50', where="dataset.toml").rate_hz
    50.0
    >>> parse_description('rate = 50', where="a/dataset.toml")
    Traceback (most recent call last):
    ...
    streetbump.errors.ConfigError: a/dataset.toml: Object contains unknown field `rate`

    Raises
    ------
    ConfigError
        Not TOML, an unknown key, a value out of its range.
    """
    found = decode_toml(text, Description, where=where)
    if len(found.axes) not in (0, 1, 3):
        raise ConfigError(f"{where}: axes: one column (vertical) or three (got {len(found.axes)})")
    if found.trip_id not in _RULES:
        _check_pattern(found.trip_id, f"{where}: trip_id: one of {', '.join(_RULES)}, or else")
    if found.device is not None:
        _check_pattern(found.device, f"{where}: device")
    if JoltClass.UNSURE in found.labels.values():
        raise ConfigError(f"{where}: labels: unsure is no class that a truth may have")
    return found


_RULES = ("auto", "path", "stem", "folder")


def _check_pattern(pattern: str, where: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as exc:
        raise ConfigError(f"{where}: not a regular expression: {exc}") from exc
    if groups != 1:
        raise ConfigError(f"{where}: a regular expression with one group (got {groups})")


# ------------------------------------------------------------------------------- tables

TEXT = ("dataset", "trip_id", "kind", "label", "label_raw", "note")
NUMBERS = ("t_start_s", "t_end_s", "lat", "lon", "tol_lo_s", "tol_hi_s", "tol_m")
NEEDED = ("trip_id", "kind", "label")

SITE_TEXT = ("site_id", "kind", "label")
SITE_NUMBERS = ("lat_deg", "lon_deg", "passes", "felt", "height_m")
SITE_NEEDED = ("site_id", "label", "lat_deg", "lon_deg")


def parse_truth(text: str, *, where: str) -> pd.DataFrame:
    r"""The rows of a truth table: columns ``TEXT`` (str) and ``NUMBERS`` (float64, NaN unknown).

    Tolerances that a row leaves out are the defaults; `t_end_s` is `t_start_s` where it is blank.

    >>> parse_truth("trip_id,kind,label,t_start_s\na,event,pothole,3\n", where="t")["t_end_s"][0]
    np.float64(3.0)

    Raises
    ------
    InputError
        A column is missing, or a row cannot be used; names file and line.
    """
    table = _table(text, text_names=TEXT, numbers=NUMBERS, needed=NEEDED, where=where)
    _refuse_where(~table["kind"].isin(KINDS), f"kind is none of {', '.join(KINDS)}", where)
    _refuse_where((table["kind"] != "site") & (table["trip_id"] == ""), "no trip_id", where)
    placed = table["lat"].notna() & table["lon"].notna()
    timed = table["t_start_s"].notna()
    _refuse_where((table["kind"] == "event") & ~timed & ~placed, "neither time nor place", where)
    _refuse_where((table["kind"] == "site") & ~placed, "a site without a place", where)
    return table.assign(
        t_end_s=table["t_end_s"].fillna(table["t_start_s"]),
        tol_lo_s=table["tol_lo_s"].fillna(-DEFAULT_TOL_S),
        tol_hi_s=table["tol_hi_s"].fillna(DEFAULT_TOL_S),
        tol_m=table["tol_m"].fillna(DEFAULT_TOL_M),
    )


def with_places(truth: pd.DataFrame, sites: pd.DataFrame | None) -> pd.DataFrame:
    r"""The truth table with the place of its site given to every event that has none.

    An event names its site in `note`; sites are rows of the table itself, or of ``sites.csv``.

    >>> t = parse_truth("trip_id,kind,label,t_start_s,lat,lon,note\n"
    ...                 "a,event,pothole,3,,,s\n,site,pothole,,12,-150,s\n", where="t")
    >>> with_places(t, None)["lat"].tolist()
    [12.0, 12.0]
    """
    own = truth[(truth["kind"] == "site") & (truth["note"] != "")].set_index("note")
    lat, lon = (dict(own[c]) for c in ("lat", "lon"))
    if sites is not None:
        by_id = sites.set_index("site_id")
        lat, lon = dict(by_id["lat_deg"]) | lat, dict(by_id["lon_deg"]) | lon
    bare = (truth["kind"] == "event") & truth["lat"].isna()
    return truth.assign(
        lat=truth["lat"].where(~bare, truth["note"].map(lat).astype("float64")),
        lon=truth["lon"].where(~bare, truth["note"].map(lon).astype("float64")),
    )


def parse_sites(text: str, *, where: str) -> pd.DataFrame:
    r"""What is known of each site beyond its place: passes, how many felt it, height.

    >>> parse_sites("site_id,label,lat_deg,lon_deg\ns1,pothole,12,-150\n", where="s")["passes"][0]
    np.float64(nan)
    """
    return _table(text, text_names=SITE_TEXT, numbers=SITE_NUMBERS, needed=SITE_NEEDED, where=where)


def parse_crossings(text: str, *, where: str) -> pd.DataFrame:
    r"""Which trip drove past which site while it was there, and whether it was felt.

    >>> parse_crossings("trip_id,site_id,felt\nt1,s1,1\n", where="c")["felt"].tolist()
    [1.0]
    """
    names = ("trip_id", "site_id")
    return _table(text, text_names=names, numbers=("felt",), needed=names, where=where)


def _table(
    text: str,
    *,
    text_names: Sequence[str],
    numbers: Sequence[str],
    needed: Sequence[str],
    where: str,
) -> pd.DataFrame:
    try:
        raw = pd.read_csv(io.StringIO(text), dtype="str", keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as exc:
        raise InputError(f"{where}: not a table: {exc}") from exc
    missing = [name for name in needed if name not in raw.columns]
    if missing:
        raise InputError(f"{where}: no column {', '.join(missing)}")
    blank = pd.Series([""] * len(raw), dtype="str")
    columns = {name: raw.get(name, blank).fillna("").str.strip() for name in text_names}
    return pd.DataFrame({**columns, **{n: _numbers(raw.get(n, blank), n, where) for n in numbers}})


def _numbers(column: pd.Series, name: str, where: str) -> pd.Series:
    text = column.fillna("").str.strip()
    values = pd.to_numeric(text.where(text != ""), errors="coerce").astype("float64")
    _refuse_where((text != "") & ~np.isfinite(values), f"{name} is not a number", where)
    return values


def _refuse_where(bad: pd.Series, what: str, where: str) -> None:
    lines = np.flatnonzero(bad.to_numpy())
    if len(lines):
        raise InputError(f"{where}: line {int(lines[0]) + 2}: {what}")


# ------------------------------------------------------------------------------- files and ids


def trip_ids(paths: Sequence[str], ids: Sequence[str], *, rule: str) -> dict[str, str]:
    """Which id of the truth table each file has; files with none are left out.

    ``auto`` tries the path without its ending, its name without the ending, and then the longest
    id that this name begins with, up to a ``_``, ``-`` or ``.``.

    Parameters
    ----------
    paths : sequence of str
        Relative to the folder, with ``/``.

    >>> trip_ids(["routes/r1_sensors.csv", "notes.md"], ["r1", "r10"], rule="auto")
    {'routes/r1_sensors.csv': 'r1'}
    >>> trip_ids(["a/accelerometer.csv", "a/gps.csv"], ["a"], rule="(.*)/accelerometer")
    {'a/accelerometer.csv': 'a'}
    """
    known = set(ids)
    found = ((path, _id_of(PurePosixPath(path), known, rule)) for path in paths)
    return {path: trip_id for path, trip_id in found if trip_id}


def _id_of(path: PurePosixPath, known: set[str], rule: str) -> str:
    names = {
        "path": path.with_suffix("").as_posix(), "stem": path.stem, "folder": path.parent.as_posix()
    }  # fmt: skip
    if rule in names:
        return names[rule]
    if rule != "auto":
        match = re.search(rule, path.as_posix())
        return (match.group(1) or "") if match else ""
    for name in (names["path"], names["stem"]):
        if name in known:
            return name
    parts = re.split(r"[_.\-]", path.stem)
    ends = np.cumsum([len(part) + 1 for part in parts]) - 1
    heads = [path.stem[:end] for end in ends[::-1].tolist()]
    return next((head for head in heads if head in known), "")


def classes_of(labels: Sequence[str], description: Description) -> list[JoltClass | None]:
    """The class of each label; None where nobody said.

    >>> [c and c.value for c in classes_of(["pothole", "elephant"], Description())]
    ['pothole', None]
    """
    table: Mapping[str, JoltClass | None] = {
        label: description.class_of(label) for label in set(labels)
    }
    return [table[label] for label in labels]


def is_named(path: str, patterns: Sequence[str]) -> bool:
    """Whether a relative path matches one of some glob patterns, ``**`` for any depth.

    >>> is_named("trips/a.csv", ["trips/*.csv"]), is_named("a.csv", ["**/*.csv"])
    (True, True)
    """
    return any(re.fullmatch(_glob(p), path) is not None for p in patterns)


def _glob(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    means = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(means.get(part, re.escape(part)) for part in parts)


def device_of(path: str, *, rule: str | None) -> str | None:
    """The phone that a file's path names; None when it names none.

    >>> device_of("trips/d017-2026-03-02.csv", rule="(d[0-9]+)-")
    'd017'
    """
    found = re.search(rule, path) if rule else None
    return found.group(1) if found else None


def parse_bare(text: str, *, axes: Sequence[str]) -> Floats:
    r"""The numbers of a file without a clock, (n, 1) or (n, 3), m/s².

    Parameters
    ----------
    axes : sequence of str
        Names of the columns; none: the file has one column, with or without a header.

    >>> parse_bare("acc_z\n9.8\n9.9\n", axes=()).tolist()
    [[9.8], [9.9]]

    Raises
    ------
    InputError
        Other columns, or a cell that is no number.
    """
    first = text.lstrip("\ufeff").split("\n", 1)[0].strip()
    header = None if _is_number(first) else 0
    try:
        raw = pd.read_csv(io.StringIO(text), header=header)
        raw = raw[list(axes)] if axes else raw
        values = raw.astype("float64").to_numpy()
    except pd.errors.ParserError as exc:
        raise InputError("not a bare series: lines have different numbers of cells") from exc
    except (ValueError, KeyError) as exc:
        raise InputError(f"not a bare series: {exc}") from exc
    if values.shape[1] not in (1, 3) or len(values) < 2 or not np.isfinite(values).all():
        raise InputError("not a bare series: numbers in one column, or name the axes")
    return values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
