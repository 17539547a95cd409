"""The records that pass through the store's doors, and the digests of what they hold."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from streetbump.model import Detection, Rejected, Trip
from streetbump.stores.archive import to_bytes


@dataclass(frozen=True)
class Generation:
    """One way of turning trips into clusters; the store has one that is active."""

    name: str
    content: str
    settings: str
    algorithm: str
    model: str
    active: bool
    review_first: bool


@dataclass(frozen=True)
class Upload:
    """A row of the upload table: the queue."""

    upload_id: str
    name: str
    source: str
    options: str
    live: bool
    attempts: int
    received_ns: int


@dataclass(frozen=True)
class Offer:
    """A file that is to be queued.

    Attributes
    ----------
    source : str
        Where its bytes are.
    options : str
        What the caller said of it; other options are another offer.
    live : bool
        Whether it came in through a live door.
    """

    upload_id: str
    name: str
    source: str
    options: str
    live: bool = False


@dataclass(frozen=True)
class Taken:
    """One trip that came out of an upload, as it is stored.

    Attributes
    ----------
    row : dict
        What the table of trips says of it, but for its handle.
    file : bytes
        What the archive holds of it.
    """

    row: dict[str, Any]
    file: bytes
    detection: Detection

    @classmethod
    def of(cls, trip: Trip, detection: Detection) -> Self:
        """A trip made ready: what takes time is done here, by whoever read the upload."""
        row = {
            "trip_key": trip.key,
            "trip_id": trip.trip_id,
            "device": trip.device,
            "format": trip.format,
            "time_basis": trip.time_basis.value,
            "dated": trip.dated,
            "synthetic": trip.synthetic,
            "rate_hz": trip.rate_hz,
            "samples": len(trip.t_ns),
            "fixes": len(trip.fix_t_ns),
            "warnings": json.dumps(trip.warnings),
        }
        return cls(row, to_bytes(trip), detection)

    @property
    def key(self) -> int:
        """The number that stands for the trip in the tables."""
        return int(self.row["trip_key"])

    @property
    def trip_id(self) -> str:
        """The trip's name, by its content."""
        return str(self.row["trip_id"])


@dataclass(frozen=True)
class Outcome:
    """What became of an upload: its trips, or the reasons why there are none, or both."""

    upload: Upload
    taken: Sequence[Taken] = ()
    rejected: Sequence[Rejected] = ()


@dataclass(frozen=True)
class Region:
    """What clustering needs of some cells and their halo."""

    bumps: pd.DataFrame
    passes: pd.DataFrame
    trips: pd.DataFrame
    obstacles: pd.DataFrame


@dataclass(frozen=True)
class PlaceRow:
    """A place as stored, with the clusters it is linked with now."""

    place_id: str
    jolt_class: str
    lat_deg: float
    lon_deg: float
    state: str
    episode: int
    why: str
    review: str | None
    clusters: tuple[str, ...]


@dataclass(frozen=True)
class LinkRow:
    """One cluster as part of one place, from a time on and, unless it still is, until another."""

    place_id: str
    cluster_id: str
    since_ns: int
    until_ns: int | None


@dataclass(frozen=True)
class OutboxRow:
    """A request as the outbox holds it; `request` is JSON."""

    place_id: str
    episode: int
    city: str
    marker: str
    state: str
    request: str
    request_id: str | None
    token: str | None
    attempts: int
    note: str
    next_ns: int | None
    sent_ns: int | None
    created_ns: int
    city_status: str | None = None
    city_words: str | None = None
    status_ns: int | None = None
    closed_ns: int | None = None
    parent_id: str | None = None


def digest_of(*parts: object) -> int:
    """A signed 64-bit hash of some words and numbers.

    >>> digest_of("a", 1) == digest_of("a", 1) != digest_of("a", 2)
    True
    """
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)


def trip_digest(trip_key: int, device: str | None, synthetic: bool) -> int:
    """What a trip adds to the digest of the cells it touches."""
    return digest_of("trip", trip_key, device, synthetic)


def obstacle_digest(obstacle_id: str, revision: int) -> int:
    """What a known obstacle adds to the digest of each cell that depends on it, once."""
    return digest_of("obstacle", obstacle_id, revision)
