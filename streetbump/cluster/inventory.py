"""Obstacle inventories as cities publish them → the table of known obstacles.

Rows that cannot be used are dropped, counted and reasoned, never guessed at. Which row of two
alike stays depends on what they say, not on their order.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

import msgspec
import numpy as np
import pandas as pd

from streetbump.cluster import osm
from streetbump.cluster.layers import Layer, read_layer
from streetbump.config import decode_toml
from streetbump.errors import ConfigError, InputError, UsageError
from streetbump.model import OBSTACLE_CLASS, OBSTACLES, Bools, JoltClass

RADIUS_M = {"hump": 4.0, "joint": 4.0, "casting": 2.0, "marker": 2.0}
"""How far from its true place an obstacle of each class is felt, m: half a wheelbase and half its
own length. How far the drawn place is off is another matter (``match.PLACED_M``). Ours."""

LONG_RADIUS_M = {"table": 8.0, "raised_crossing": 8.0, "rumble_strip": 15.0, "ford": 8.0,
                 "toll_booth": 15.0}  # fmt: skip
"""The same for kinds that are long along the street, m. Chosen by us."""

_ID = ("id", "objectid", "assetid", "globalid", "hump_id", "source_id")
_KIND = ("kind", "type", "traffic_calming", "class")
_AT_GRADE = {"at-grade", "at grade", "atgrade", "ground", "surface", "level", "0"}
_DAY = re.compile(r"(\d{4})(?:[-/](\d\d)(?:[-/](\d\d)(?:[T ].*)?)?)?")
_UNREADABLE = "validity is not a day (YYYY-MM-DD)"

DROPPED_COLUMNS = ("reason", "rows", "example_row")
KEEP_SHARE = 0.5
"""A list that would retire more than this share of its source is taken for a broken one. Ours."""


class ColumnMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which column of a file says what, where the usual names do not (``--columns MAP.toml``).

    `kinds` translates the file's words to kinds; `only` lists, per column, the words of the rows
    that are wanted; `crs` is the reference system of the coordinates; `layer` one of several.
    """

    id: str | None = None
    kind: str | None = None
    owner: str | None = None
    valid_from: str | None = None
    valid_to: str | None = None
    grade: str | None = None
    lat: str | None = None
    lon: str | None = None
    crs: str | None = None
    layer: str | None = None
    kinds: dict[str, str] = {}
    only: dict[str, list[str]] = {}


@dataclass(frozen=True)
class Inventory:
    """An inventory that was read.

    Attributes
    ----------
    rows : DataFrame
        Table ``OBSTACLES``, one row per distinct obstacle, by id.
    total : int
        Rows in the file.
    dropped : DataFrame
        Columns `DROPPED_COLUMNS`: why rows were not used, how many, and the first of them.
    unplaced : frozenset of str
        Ids of obstacles that the file lists without a usable place: they are not gone.
    notes : tuple of str
        What was assumed.
    """

    rows: pd.DataFrame
    total: int
    dropped: pd.DataFrame
    unplaced: frozenset[str]
    notes: tuple[str, ...]


def parse_map(text: str, *, where: str) -> ColumnMap:
    """A column map from TOML text.

    Raises
    ------
    ConfigError
        An unknown key, or a word for a kind that is not known.

    >>> parse_map('id = "Ref"', where="map.toml").id
    'Ref'
    """
    found = decode_toml(text, ColumnMap, where=where)
    for word, kind in found.kinds.items():
        if kind not in OBSTACLE_CLASS:
            raise ConfigError(f"{where}: kinds.{word}: {kind} is not a kind")
    return found


def read_inventory(
    data: bytes,
    *,
    source: str,
    kind: str | None = None,
    owner: str | None = None,
    columns: ColumnMap | None = None,
) -> Inventory:
    r"""The obstacles of a GeoJSON, CSV or OpenStreetMap file.

    Parameters
    ----------
    data : bytes
        The file.
    source : str
        What the inventory is called; with the row's id (or place) it makes the obstacle's id.
    kind : str or None
        Kind of every row; where `columns` name a kind column, of the rows that leave it empty.
    owner : str or None
        Who maintains them, where the file does not say.

    Raises
    ------
    InputError
        No known format, no positions, or an unknown kind.

    >>> found = read_inventory(b"id,lat,lon\n7,42.0,-71.0\n8,0,0\n", source="x", kind="hump")
    >>> len(found.rows), found.dropped.to_dict("records")
    (1, [{'reason': 'position 0, 0', 'rows': 1, 'example_row': '2'}])
    """
    check_kind(kind)  # what the caller got wrong is said before what the file has wrong
    at = columns or ColumnMap()
    if osm.recognise(data):
        layer = osm.from_osm(data)
    else:
        layer = read_layer(data, crs=at.crs, lat=at.lat, lon=at.lon)
    return inventory_of(layer, source=source, kind=kind, owner=owner, columns=at)


def inventory_of(
    layer: Layer,
    *,
    source: str,
    kind: str | None = None,
    owner: str | None = None,
    columns: ColumnMap | None = None,
) -> Inventory:
    """The obstacles of a layer, as :func:`read_inventory` reads them."""
    check_kind(kind)
    at = columns or ColumnMap()
    table = _understood(layer, at, kind=kind, owner=owner)
    if kind is None and table["kind"].isna().all():
        raise InputError(f"{source}: no column says what kind the obstacles are: give --kind")
    problem = _problems(layer, table, at)
    good = table[problem == ""]
    unplaced = table[(layer.problems != "") & table["id"].notna()]
    return Inventory(
        rows=_rows(good, source),
        total=len(table),
        dropped=_tally(problem, layer.names),
        unplaced=frozenset(_obstacle_id(source, i) for i in unplaced["id"]),
        notes=layer.notes,
    )


def check_kind(kind: str | None) -> None:
    """Refuse a kind that is none.

    Raises
    ------
    UsageError
        Lists those that are known.
    """
    if kind is not None and kind not in OBSTACLE_CLASS:
        raise UsageError(f"--kind {kind}: not known; one of {', '.join(sorted(OBSTACLE_CLASS))}")


def _understood(
    layer: Layer, at: ColumnMap, *, kind: str | None, owner: str | None
) -> pd.DataFrame:
    """What the rows say of themselves, in our words."""
    import shapely

    said = layer.said
    for name in (at.id, at.kind, at.owner, at.valid_from, at.valid_to, at.grade, *at.only):
        if name is not None and name.lower() not in said:
            raise ConfigError(f"--columns: the file has no column {name}: {', '.join(said)}")

    def column(own: str | None, *usual: str) -> pd.Series:
        names = (own.lower(),) if own else [n for n in usual if n in said]
        found = pd.Series([None] * len(said), dtype=object)
        for name in names:  # a row that leaves the first empty may fill the second
            found = found.where(found.notna(), said[name])
        return found.astype(object).where(found.notna(), None)

    words = {w.strip().lower(): k for w, k in at.kinds.items()}
    kinds = column(at.kind, *_KIND)
    kinds = kinds.map(lambda w: None if w is None else words.get(w.lower(), _plain(w)))
    if kind is not None:
        kinds = kinds.where(kinds.notna(), kind) if at.kind else kinds.map(lambda _: kind)
    who = column(at.owner, "owner", "operator")
    return pd.DataFrame(
        {
            "id": column(at.id, *_ID),
            "kind": kinds,
            "owner": who.where(who.notna(), owner),
            "valid_from": column(at.valid_from, "valid_from").map(lambda d: _day(d, "01-01")),
            "valid_to": column(at.valid_to, "valid_to").map(lambda d: _day(d, "12-31")),
            "grade": column(at.grade, "grade"),
            "wkt": pd.Series(shapely.to_wkt(layer.shapes, rounding_precision=7), dtype=object),
        },
        dtype=object,
    )


def _plain(word: str) -> str:
    """A kind as it is usually worded.

    >>> _plain("Speed Hump")
    'hump'
    """
    return word.strip().lower().replace(" ", "_").replace("-", "_").removeprefix("speed_")


def _day(text: str | None, rest: str) -> str | None:
    """A day as YYYY-MM-DD; of a year or month its first or last day; what is none as it is.

    >>> _day("2010", "01-01"), _day("2010/05/03 00:00:00+00", "01-01"), _day("2010-02", "12-31")
    ('2010-01-01', '2010-05-03', '2010-02-28')
    """
    found = _DAY.fullmatch(text) if text is not None else None
    if found is None:
        return text
    year, month, day = found.groups()
    if month is None:
        return f"{year}-{rest}"
    try:
        first = np.datetime64(f"{year}-{month}", "M")
    except ValueError:
        return text
    last = str((first + 1).astype("datetime64[D]") - 1)
    return f"{year}-{month}-{day or (last[-2:] if rest == '12-31' else '01')}"


def _is_day(text: str) -> bool:
    try:
        return str(np.datetime64(text, "D")) == text
    except ValueError:
        return False


def _problems(layer: Layer, table: pd.DataFrame, at: ColumnMap) -> np.ndarray:
    """Why each row is not used; empty where it is."""
    problem = layer.problems.copy()

    def say(reason: str, bad: Bools) -> None:
        problem[(problem == "") & np.asarray(bad, dtype=np.bool_)] = reason

    types = np.array([s.geom_type if s is not None else "" for s in layer.shapes], dtype=object)
    drawn = ("", "Point", "LineString", "MultiPoint", "MultiLineString")
    for name in sorted(set(types.tolist()).difference(drawn)):
        say(f"geometry {name} is not a point or line", types == name)
    for name, wanted in at.only.items():
        say(f"{name} is not one that is wanted", ~layer.said[name.lower()].isin(wanted))
    days = table[["valid_from", "valid_to"]].fillna("2000-01-01")
    say(_UNREADABLE, ~days.map(_is_day).all(axis=1))
    say("kind not known", ~table["kind"].isin(list(OBSTACLE_CLASS)))
    rail = table["kind"].map(OBSTACLE_CLASS) == JoltClass.JOINT
    if table["grade"].notna().any():
        level = table["grade"].fillna("").str.strip().str.lower()
        say("grade is not said", rail & (level == ""))
        say("not at grade: no street crosses it", rail & ~level.isin(_AT_GRADE))
    good = table[problem == ""].fillna("")
    content = [c for c in good.columns if c != "wkt"]
    good = good.sort_values(["kind", "wkt", *content], kind="stable")
    for reason, key in (("same place as another row", ["kind", "wkt"]),
                        ("same id as another row", ["id"])):  # fmt: skip
        twice = good.duplicated(key) & ((key != ["id"]) | (good["id"] != ""))
        problem[good.index[twice]] = reason
        good = good[~twice]
    return problem


def _tally(problem: np.ndarray, names: np.ndarray) -> pd.DataFrame:
    """How many rows each reason dropped, most first, and the first of them."""
    bad = pd.DataFrame({"reason": problem, "name": names})[problem != ""]
    found = bad.groupby("reason", sort=True)["name"].agg(["size", "first"]).reset_index()
    found.columns = pd.Index(DROPPED_COLUMNS)
    return found.sort_values(["rows", "reason"], ascending=[False, True], ignore_index=True)


def _rows(table: pd.DataFrame, source: str) -> pd.DataFrame:
    # Without an id a row is known by its place; two kinds at one place are two obstacles.
    places = pd.Series(
        [f"{k} {w}" for k, w in zip(table["kind"], table["wkt"], strict=True)],
        index=table.index, dtype=object,
    )  # fmt: skip
    ids = table["id"].where(table["id"].notna(), places)
    rows = OBSTACLES.build(
        {
            "obstacle_id": [_obstacle_id(source, i) for i in ids],
            "source": [source] * len(table),
            "source_id": ids.tolist(),
            "kind": table["kind"].tolist(),
            "class": [OBSTACLE_CLASS[k].value for k in table["kind"]],
            "wkt": table["wkt"].tolist(),
            "radius_m": [radius_of(k) for k in table["kind"]],
            "owner": table["owner"].tolist(),
            "valid_from": table["valid_from"].tolist(),
            "valid_to": table["valid_to"].tolist(),
            "revision": np.ones(len(table), np.int64),
        }
    )
    return rows.sort_values("obstacle_id", ignore_index=True)


def obstacle_at(place_id: str, *, kind: str, lat_deg: float, lon_deg: float) -> pd.DataFrame:
    """The obstacle that a person says a place is: one row of ``OBSTACLES``, source ``review``.

    >>> obstacle_at("P-1", kind="hump", lat_deg=42.0, lon_deg=-71.0)["wkt"].tolist()
    ['POINT (-71 42)']
    """
    text = f"id,kind,lat,lon\n{place_id},{kind},{lat_deg!r},{lon_deg!r}\n"
    return read_inventory(text.encode(), source="review", kind=kind).rows


def radius_of(kind: str) -> float:
    """How far from its true place an obstacle of a kind is felt, m.

    >>> radius_of("hump"), radius_of("table")
    (4.0, 8.0)
    """
    return LONG_RADIUS_M.get(kind, RADIUS_M[OBSTACLE_CLASS[kind].value])


def _obstacle_id(source: str, source_id: str) -> str:
    return "O-" + hashlib.sha256(f"{source}\0{source_id}".encode()).hexdigest()[:12]


# ------------------------------------------------------------------------------- revisions


def retired(found: Inventory, known: pd.DataFrame, *, day: str) -> pd.DataFrame:
    """Rows of `known` that the new list does not hold any more, valid until `day`.

    Parameters
    ----------
    known : DataFrame
        Rows of ``OBSTACLES`` of the same source; those retired before are left as they are.
    day : str
        Last day on which they count, YYYY-MM-DD: nobody says when they really went.
    """
    standing = known["valid_to"].isna() | (known["valid_to"] > day)
    listed = known["obstacle_id"].isin(list(found.rows["obstacle_id"]))
    gone = known[standing & ~listed & ~known["obstacle_id"].isin(list(found.unplaced))]
    return gone.assign(valid_to=pd.array([day] * len(gone), dtype="str")).reset_index(drop=True)


def looks_broken(gone: pd.DataFrame, known: pd.DataFrame, *, day: str) -> bool:
    """Whether a list lacks so much of its source that the file is more likely cut short."""
    standing = int((known["valid_to"].isna() | (known["valid_to"] > day)).sum())
    return len(gone) > KEEP_SHARE * standing
