"""The records that pass through the store's doors, and the digests of what they hold."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import pandas as pd

from streetbump.model import Detection, Trip


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
class Taken:
    """One trip that came out of an upload, with what was detected in it."""

    trip: Trip
    detection: Detection


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
