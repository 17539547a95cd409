"""Every record, enum and table of streetbump, with its name, unit and meaning.

Rooms share these types and nothing else. A table is a pandas DataFrame whose columns are declared
here once (:class:`Table`) and checked at every door; single things are frozen dataclasses.
SI units, degrees for positions only, UTC for time, the unit in the name.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

Ints = npt.NDArray[np.signedinteger[Any]]
Ints32 = npt.NDArray[np.int32]
Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]

DAY_NS = 86_400_000_000_000
"""One day, ns."""

STANDARD_GRAVITY_MS2 = 9.80665
"""Standard gravity, m/s² (ISO 80000-3)."""

ACC_LSB_MS2 = 1e-4
"""One unit of the canonical acceleration, m/s². Chosen by us: below any phone's noise."""

DEG_LSB = 1e-7
"""One unit of a canonical position, degrees (1.1 cm of latitude)."""

UNKNOWN = -1
"""What a canonical speed, heading or accuracy holds when the logger gave none."""


class TimeBasis(StrEnum):
    """Where a trip's clock comes from."""

    ABSOLUTE = "absolute"  # the file says when, with a zone or since an epoch
    DATE_GIVEN = "date_given"  # a clock time in the file, the date or zone from the caller
    RELATIVE = "relative"  # seconds since the start of something: no days, no life


class Gravity(StrEnum):
    """Whether the accelerations still hold gravity."""

    KEPT = "kept"
    REMOVED = "removed"


class JoltClass(StrEnum):
    """What one jolt, or one cluster, most likely is."""

    POTHOLE = "pothole"
    HUMP = "hump"  # speed hump, bump, cushion or table
    MARKER = "marker"  # raised metal road marker
    CASTING = "casting"  # manhole or utility cover
    JOINT = "joint"  # bridge joint; a rail crossing too
    ROUGH = "rough"
    SMOOTH = "smooth"
    NOT_ROAD = "not_road"  # the phone, a door, a hand
    UNSURE = "unsure"  # the probabilities do not allow a word


CLASSES: tuple[JoltClass, ...] = tuple(c for c in JoltClass if c is not JoltClass.UNSURE)
"""The eight classes that have a probability, in the order of their columns."""

P_COLUMNS: tuple[str, ...] = tuple(f"p_{c.value}" for c in CLASSES)

OBSTACLE_CLASS: dict[str, JoltClass] = {
    **dict.fromkeys(
        ("hump", "bump", "cushion", "table", "mini_bumps", "dip", "double_dip", "rumble_strip",
         "dynamic_bump", "raised_crossing", "ford", "toll_booth"),
        JoltClass.HUMP,
    ),
    **dict.fromkeys(("casting", "manhole", "utility_cover", "drain", "valve"), JoltClass.CASTING),
    **dict.fromkeys(
        ("joint", "rail", "rail_crossing", "level_crossing", "tram_level_crossing", "crossing",
         "bridge_joint", "cattle_grid"),
        JoltClass.JOINT,
    ),
    **dict.fromkeys(("marker", "raised_marker", "cats_eye"), JoltClass.MARKER),
}  # fmt: skip
"""Inventory kind → the one class it excuses."""


class PlaceState(StrEnum):
    """The life of a place."""

    CANDIDATE = "candidate"  # was flagged, no longer reaches the quorum
    FLAGGED = "flagged"  # enough evidence to be reported
    HELD = "held"  # a person decides
    REPORTED = "reported"  # a city holds a request for it
    CLOSED_CLAIMED = "closed_claimed"  # the city says closed; nobody has driven there since
    REPAIR_SEEN = "repair_seen"
    STILL_THERE = "still_there"
    REJECTED = "rejected"  # a person said no
    KNOWN_OBSTACLE = "known_obstacle"
    FADED = "faded"


class RequestState(StrEnum):
    """The life of one request to one city (a row of the outbox)."""

    PLANNED = "planned"
    INTENT = "intent"  # committed before the first byte
    SENDING = "sending"  # an attempt is on the wire, or was when the sender died
    ACKED = "acked"  # the city gave a fresh request id
    TOKEN = "token"  # the city gave a token to be exchanged later
    LINKED = "linked"  # the city answered with a request we already hold
    DUPLICATE = "duplicate"  # somebody else's open request covers it
    REFUSED = "refused"  # the city said no, and means it
    UNKNOWN = "unknown"  # nobody knows whether it was accepted: look, never send again
    HELD = "held"  # a person decides
    SAFE_RETRY = "safe_retry"  # provably not accepted: may be sent again


class Reason(StrEnum):
    """Why a file, or one trip in it, was refused. The codes are stable."""

    EMPTY = "EMPTY"
    TOO_LARGE = "TOO_LARGE"
    UNREADABLE = "UNREADABLE"
    UNSUPPORTED_TYPE = "UNSUPPORTED_TYPE"
    TRUNCATED = "TRUNCATED"
    CORRUPT = "CORRUPT"
    DECOMPRESS_LIMIT = "DECOMPRESS_LIMIT"
    ARCHIVE_HOSTILE = "ARCHIVE_HOSTILE"
    ARCHIVE_NESTED = "ARCHIVE_NESTED"
    ARCHIVE_AMBIGUOUS = "ARCHIVE_AMBIGUOUS"
    JSON_INVALID = "JSON_INVALID"
    XML_HOSTILE = "XML_HOSTILE"
    ENCODING = "ENCODING"
    CONTROL_CHARS = "CONTROL_CHARS"
    LINE_LIMIT = "LINE_LIMIT"
    ROW_LIMIT = "ROW_LIMIT"
    SCHEMA = "SCHEMA"
    VERSION = "VERSION"
    NO_ACCEL = "NO_ACCEL"
    NO_FIX = "NO_FIX"
    UNIT = "UNIT"
    COORD_RANGE = "COORD_RANGE"
    LATLON_SWAPPED = "LATLON_SWAPPED"
    COARSE_LOCATION = "COARSE_LOCATION"
    TIME_UNIT = "TIME_UNIT"
    TIME_RANGE = "TIME_RANGE"
    TIME_ORDER = "TIME_ORDER"
    TIME_ZONE = "TIME_ZONE"
    CLOCK_SKEW = "CLOCK_SKEW"
    TIME_FUTURE = "TIME_FUTURE"
    TOO_OLD = "TOO_OLD"
    TOO_SHORT = "TOO_SHORT"
    TOO_LONG = "TOO_LONG"
    TOO_LITTLE_USABLE = "TOO_LITTLE_USABLE"
    SENSOR_DEAD = "SENSOR_DEAD"
    PHYSICS_ACCEL = "PHYSICS_ACCEL"
    PHYSICS_SPEED = "PHYSICS_SPEED"
    STATIONARY = "STATIONARY"
    NOT_VEHICLE = "NOT_VEHICLE"
    SYNTHETIC = "SYNTHETIC"
    MOCK = "MOCK"
    POISON = "POISON"
    RESOURCE = "RESOURCE"


@dataclass(frozen=True, eq=False)
class Trip:
    """One drive in canonical form 1: integers, quantised once at the door.

    Attributes
    ----------
    t_ns : (n,) int64
        Time of each acceleration sample, strictly increasing: nanoseconds since 1970 UTC, or
        since the file's first sample when `time_basis` is relative.
    acc : (n, 3) int32
        Acceleration in device axes, units of 1e-4 m/s², Android sign.
    fix_t_ns, lat_e7, lon_e7 : (m,) int64, int32, int32
        True position fixes (a repeated fix counts once), time increasing, 1e-7 degrees.
    speed_mms, heading_cdeg, accuracy_mm : (m,) int32
        Speed (mm/s), heading (1/100 degree clockwise from north), horizontal accuracy (mm);
        ``UNKNOWN`` (-1) where the logger gave none.
    origin_ns : int
        Time of the first acceleration sample in the file, before any trimming.
    device : str or None
        Keyed pseudonym; None when the trip names no device.
    gyro : (n, 3) int32 or None
        Turn rate in device axes, units of 1e-4 rad/s.
    """

    upload_id: str
    trip_id: str
    format: str
    t_ns: Ints
    acc: Ints32
    fix_t_ns: Ints
    lat_e7: Ints32
    lon_e7: Ints32
    speed_mms: Ints32
    heading_cdeg: Ints32
    accuracy_mm: Ints32
    origin_ns: int
    gravity: Gravity
    time_basis: TimeBasis
    device: str | None = None
    synthetic: bool = False
    gyro: Ints32 | None = None
    warnings: tuple[str, ...] = ()

    @property
    def key(self) -> int:
        """The first 8 bytes of `trip_id` as a signed integer: what rows are sorted by."""
        return trip_key(self.trip_id)

    @property
    def dated(self) -> bool:
        """Whether the trip's clock names days."""
        return self.time_basis is not TimeBasis.RELATIVE

    @cached_property
    def rate_hz(self) -> float:
        """Median sampling rate, Hz; 0 with fewer than two samples."""
        if len(self.t_ns) < 2:
            return 0.0
        return float(1e9 / np.median(np.diff(self.t_ns)))


@dataclass(frozen=True)
class Rejected:
    """A file, or one trip in it, that is not taken: data, not a crash.

    `part` tells the trips of one file apart (empty for the file as a whole).
    """

    upload_id: str
    reason: Reason
    hint: str
    part: str = ""


def utc_text(when: datetime) -> str:
    """A time as ``YYYY-MM-DDTHH:MM:SSZ``, fractions of a second cut off.

    >>> utc_text(datetime.fromisoformat("2026-03-01T12:00:00.9+01:00"))
    '2026-03-01T11:00:00Z'
    """
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def upload_id_of(data: bytes) -> str:
    """The identity of uploaded bytes: their SHA-256 as 64 hex digits.

    >>> upload_id_of(b"")[:8]
    'e3b0c442'
    """
    return hashlib.sha256(data).hexdigest()


def trip_key(trip_id: str) -> int:
    """A trip's 64-bit key, from its id: content-derived, so no order of arrival shows in it.

    >>> trip_key("00" * 31 + "01"), trip_key("ff" * 32)
    (0, -1)
    """
    return int.from_bytes(bytes.fromhex(trip_id[:16]), "big", signed=True)


# ---------------------------------------------------------------------------------------- tables


@dataclass(frozen=True)
class Column:
    """One column of a table.

    `dtype` is ``int64``, ``float64``, ``bool`` or ``str``; floats are unknown as NaN, strings as
    None. `resolution` is what the value is rounded to in :meth:`Table.quantise`, the one place
    where results are rounded.
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    resolution: float | None = None


@dataclass(frozen=True)
class Table:
    """The declared columns of one table, and the checks at its doors."""

    name: str
    columns: tuple[Column, ...]
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(c.name for c in self.columns))

    def empty(self) -> pd.DataFrame:
        """A table with these columns and no row.

        >>> len(BUMPS.empty()), BUMPS.empty()["score"].dtype.name
        (0, 'float64')
        """
        return self.build({c.name: [] for c in self.columns})

    def build(self, columns: dict[str, Any]) -> pd.DataFrame:
        """A checked table from one array (or list) per declared column, rounded once.

        Raises
        ------
        ValueError
            A column is missing, unknown, or cannot take its declared type.
        """
        import pandas as pd

        if set(columns) != set(self.names):
            missing = sorted(set(self.names) - set(columns))
            extra = sorted(set(columns) - set(self.names))
            raise ValueError(f"table {self.name}: missing {missing}, unknown {extra}")
        data = {c.name: _column(columns[c.name], c) for c in self.columns}
        lengths = {name: len(column) for name, column in data.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"table {self.name}: columns of different lengths: {lengths}")
        return pd.DataFrame(data)

    def check(self, frame: pd.DataFrame) -> pd.DataFrame:
        """`frame` itself, when its columns are the declared ones in the declared types.

        Raises
        ------
        ValueError
            Names which column is missing or of the wrong type.
        """
        if tuple(frame.columns) != self.names:
            raise ValueError(f"table {self.name}: columns are {list(frame.columns)}")
        for c in self.columns:
            if frame[c.name].dtype.name != c.dtype:
                raise ValueError(
                    f"table {self.name}: {c.name} is {frame[c.name].dtype}, not {c.dtype}"
                )
        return frame


def _column(values: Any, column: Column) -> Any:
    import pandas as pd

    if column.dtype == "str":
        return pd.array(values, dtype="str")
    array = np.array(values, dtype=column.dtype)  # a copy: the table is its own
    if column.resolution is not None:
        per_unit = round(1 / column.resolution)
        array = np.rint(array * per_unit) / per_unit + 0.0  # + 0.0: no negative zero
    return array


def _p_columns() -> tuple[Column, ...]:
    return tuple(
        Column(p, "float64", "1", f"probability of class {c.value}", 1e-4)
        for p, c in zip(P_COLUMNS, CLASSES, strict=True)
    )


BUMPS = Table(
    "bumps",
    (
        Column("trip_key", "int64", "", "first 8 bytes of the trip's id"),
        Column("seq", "int64", "", "number of the jolt within its trip, by time"),
        Column("t_utc_ns", "int64", "ns", "time of the peak (from the trip's start if relative)"),
        Column("t_s", "float64", "s", "time of the peak since the file's first sample", 1e-3),
        Column("lat_deg", "float64", "°", "latitude, WGS 84; NaN without fixes", 1e-7),
        Column("lon_deg", "float64", "°", "longitude, WGS 84; NaN without fixes", 1e-7),
        Column("pos_err_m", "float64", "m", "standard error of the position", 1e-2),
        Column("heading_deg", "float64", "°", "direction of travel, clockwise from north", 1e-2),
        Column("speed_ms", "float64", "m/s", "speed over ground at the peak", 1e-2),
        Column("peak_ms2", "float64", "m/s²", "largest |vertical acceleration| in the jolt", 1e-3),
        Column("energy_m2s3", "float64", "m²/s³", "vertical acceleration squared, over time", 1e-3),
        Column("duration_s", "float64", "s", "from trigger onset to trigger off", 1e-3),
        Column("alone", "bool", "", "whether no moment within ``merge_s`` has a higher score"),
        Column("score", "float64", "1", "largest characteristic function in the jolt", 1e-3),
        Column("weight", "float64", "1", "what the jolt counts, 0 to 1, by rate and accuracy", 1e-3),
        *_p_columns(),
    ),
)  # fmt: skip
"""Jolts of trips: what `detect` returns and the store keeps (key: trip_key, seq)."""

PASSES = Table(
    "passes",
    (
        Column("trip_key", "int64", "", "first 8 bytes of the trip's id"),
        Column("seq", "int64", "", "number of the visit within its trip, by time"),
        Column("bin", "int64", "", "the ~20 m bin, see geo.bin_of"),
        Column("t_utc_ns", "int64", "ns", "middle of the visit (from the start if relative)"),
        Column("heading_deg", "float64", "°", "direction of travel through the bin", 1e-2),
        Column("speed_ms", "float64", "m/s", "mean speed through the bin", 1e-2),
        Column("weight", "float64", "1", "what the pass counts, 0 to 1, by rate and accuracy", 1e-3),
        Column("roughness_ms2", "float64", "m/s²", "shaking between jolts, at 40 km/h", 1e-3),
        Column("roughness_err_ms2", "float64", "m/s²", "standard error of it, of this drive", 1e-4),
        Column("aside_m", "float64", "m", "how far right of the bin's middle the car's line ran", 1e-2),
    ),
)  # fmt: skip
"""Which bins trips drove through: the denominator of every rate (key: trip_key, seq)."""

TRIPS = Table(
    "trips",
    (
        Column("trip_key", "int64", "", "first 8 bytes of the trip's id"),
        Column("device", "str", "", "keyed pseudonym; None: names no device, counts in no quorum"),
        Column("dated", "bool", "", "whether the trip's clock names days"),
        Column("synthetic", "bool", "", "made by a simulator: never sent beyond loopback"),
    ),
)
"""What clustering must know of the trips behind bumps and passes."""

OBSTACLES = Table(
    "obstacles",
    (
        Column("obstacle_id", "str", "", "hash of source and id at the source"),
        Column("source", "str", "", "where the row came from"),
        Column("source_id", "str", "", "the row's id there"),
        Column("kind", "str", "", "kind as a key of OBSTACLE_CLASS"),
        Column("class", "str", "", "the one class that this obstacle excuses"),
        Column("wkt", "str", "", "POINT or LINESTRING, longitude latitude, degrees"),
        Column("radius_m", "float64", "m", "how far its jolts are felt from its drawn place", 1e-2),
        Column("owner", "str", "", "who maintains it; None: not said"),
        Column("valid_from", "str", "", "first day, YYYY-MM-DD; None: always"),
        Column("valid_to", "str", "", "last day, YYYY-MM-DD; None: still there"),
        Column("revision", "int64", "", "counts the changes of this row"),
    ),
)
"""Known obstacles (key: obstacle_id)."""

CLUSTERS = Table(
    "clusters",
    (
        Column("cluster_id", "str", "", "hash of the generation and the member jolts"),
        Column("cell", "int64", "", "storage cell of the cluster's owner jolt"),
        Column("lat_deg", "float64", "°", "weighted mean position", 1e-7),
        Column("lon_deg", "float64", "°", "weighted mean position", 1e-7),
        Column("pos_err_m", "float64", "m", "standard error of the position", 1e-2),
        Column("heading_deg", "float64", "°", "mean direction of travel", 1e-1),
        Column("n_trips", "int64", "", "distinct trips among the hits"),
        Column("n_devices", "int64", "", "distinct named devices among the hits"),
        Column("n_days", "int64", "", "distinct local days among the hits of named devices"),
        Column("hits", "int64", "", "passes with a jolt"),
        Column("passes", "int64", "", "passes in this direction, with or without a jolt"),
        Column("hit_rate", "float64", "1", "share of passes that hit, posterior mean", 1e-4),
        Column("hit_rate_lo", "float64", "1", "lower end of the 90 % credible interval", 1e-4),
        Column("hit_rate_hi", "float64", "1", "upper end of the 90 % credible interval", 1e-4),
        Column("class", "str", "", "the likeliest class, or unsure"),
        *_p_columns(),
        Column("severity", "float64", "m/s²", "jolt of the reference car at 40 km/h", 1e-3),
        Column("severity_lo", "float64", "m/s²", "lower end of the 90 % interval", 1e-3),
        Column("severity_hi", "float64", "m/s²", "upper end of the 90 % interval", 1e-3),
        Column("priority", "float64", "m/s²", "rate × severity, as three cars would be sure of it", 1e-4),
        Column("obstacle_id", "str", "", "known obstacle of the same class that explains it"),
        Column("obstacle_revision", "int64", "", "revision of that obstacle's row; 0 without one"),
        Column("synthetic", "bool", "", "whether any hit comes from a simulated trip"),
        Column("first_seen_utc_ns", "int64", "ns", "first hit of a dated trip; -1: none"),
        Column("last_seen_utc_ns", "int64", "ns", "last hit of a dated trip; -1: none"),
    ),
)  # fmt: skip
"""What many passes say together: a pure function of trips and obstacles (key: cluster_id)."""

MEMBERS = Table(
    "members",
    (
        Column("cluster_id", "str", "", "the cluster"),
        Column("trip_key", "int64", "", "of the member jolt"),
        Column("seq", "int64", "", "of the member jolt"),
        Column("core", "bool", "", "whether the jolt is a core of the density clustering"),
    ),
)
"""Which jolts a cluster is made of (key: cluster_id, trip_key, seq)."""

STRETCHES = Table(
    "stretches",
    (
        Column("cell", "int64", "", "storage cell of the bin's middle"),
        Column("bin", "int64", "", "the ~20 m bin"),
        Column("heading_sector", "int64", "", "direction of travel in eighths of a turn, 0 = north"),
        Column("n_trips", "int64", "", "distinct trips that jolted here"),
        Column("jolts", "int64", "", "jolts in this bin that belong to a long chain"),
        Column("severity", "float64", "m/s²", "median jolt of the reference car", 1e-3),
    ),
)  # fmt: skip
"""Rough stretches: chains of jolts too long to be one defect (key: bin, heading_sector)."""


@dataclass(frozen=True)
class Detection:
    """What one trip gave: its jolts and its passes."""

    bumps: pd.DataFrame
    passes: pd.DataFrame


@dataclass(frozen=True)
class Clustering:
    """What a region's trips and obstacles say together."""

    clusters: pd.DataFrame
    members: pd.DataFrame
    stretches: pd.DataFrame


def classify_rows(p: Floats, *, unsure_below: float) -> list[JoltClass]:
    """The likeliest class of each row of probabilities, or `unsure`.

    Parameters
    ----------
    p : (n, 8) float64
        Probabilities in the order of ``CLASSES``; a row of NaN is unsure.
    unsure_below : float
        The largest probability must reach this (0 to 1).

    >>> rows = np.array([[0.7, 0.1, 0.1, 0.1, 0, 0, 0, 0], [0.125] * 8])
    >>> [c.value for c in classify_rows(rows, unsure_below=0.5)]
    ['pothole', 'unsure']
    """
    filled = np.nan_to_num(p, nan=0.0)
    best = np.argmax(filled, axis=1)
    sure = filled[np.arange(len(p)), best] >= unsure_below
    return [CLASSES[int(b)] if s else JoltClass.UNSURE for b, s in zip(best, sure, strict=True)]


# ------------------------------------------------------------------------- reports to a city


@dataclass(frozen=True)
class ServiceRequest:
    """What would be sent to one city for one place: public text, no driver in it.

    `fields` are the GeoReport arguments in sending order, without the key.
    """

    place_id: str
    episode: int
    city: str
    marker: str
    service_code: str
    lat_deg: float
    lon_deg: float
    description: str
    fields: tuple[tuple[str, str], ...]
    synthetic: bool


@dataclass(frozen=True)
class Reply:
    """What came back from a city for one call, or how the call failed.

    Attributes
    ----------
    status : int or None
        HTTP status; None when no complete reply head arrived.
    body : bytes
        At most the client's cap.
    headers : dict
        Lower-case names; only those a decision needs (content-type, retry-after, location).
    failure : str
        Empty, or ``not_connected`` (no byte of the body can have been accepted), ``broken``
        (it may have been), ``too_large``, ``deadline``, ``truncated``.
    detail : str
        For people; never holds a key.
    """

    status: int | None
    body: bytes
    headers: dict[str, str]
    failure: str = ""
    detail: str = ""


@dataclass(frozen=True)
class Receipt:
    """What one reply to a POST means for the outbox."""

    state: RequestState
    request_id: str | None = None
    token: str | None = None
    retry_after_s: float | None = None
    open_breaker: bool = False
    note: str = ""


@dataclass(frozen=True)
class CityRequest:
    """One service request as a city lists it, read into one shape."""

    request_id: str | None
    token: str | None
    status: str
    service_code: str
    service_name: str
    description: str
    lat_deg: float | None
    lon_deg: float | None
    requested_utc: str | None
    status_notes: str
    parent_id: str | None = None  # the request it is a duplicate of


@dataclass(frozen=True)
class CityService:
    """One row of a city's service list."""

    code: str
    name: str
    metadata: bool
    type: str
