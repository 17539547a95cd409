"""A small world for trials: places that deserve a report, a practice city, and one clock."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pandas as pd

from streetbump import runtime
from streetbump.commands.requests import practice_profile
from streetbump.commands.session import Session, open_session
from streetbump.geo import bin_of
from streetbump.model import BUMPS, PASSES, Detection, Gravity, TimeBasis, Trip
from streetbump.pipeline import Progress, Status
from streetbump.sending import Desk
from streetbump.stores import Offer, Outcome, Taken
from streetbump.submit.sandbox import Sandbox
from streetbump.submit.secret import Secret

HOUR_NS = 3_600_000_000_000
DAY_NS = 24 * HOUR_NS
BEGIN_NS = 1_773_600_000_000_000_000  # noon in the middle of March 2026
CORNER = (42.30, -71.10)
APART_DEG = 0.0015  # some 170 m: no place is near another
CARS = 4

SURE = {"p_pothole": 0.93, **{f"p_{c}": 0.01 for c in (
    "hump", "marker", "casting", "joint", "rough", "smooth", "not_road")}}  # fmt: skip


def spots(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of so many places, in rows of 50."""
    k = np.arange(n)
    return CORNER[0] + k // 50 * APART_DEG, CORNER[1] + k % 50 * APART_DEG


def drive(session: Session, *, day: int, device: str, n: int = 1, felt: bool = True) -> None:
    """One trip past `n` places on a day after the beginning, with a jolt at each or at none."""
    number = len(session.store.uploads()) + 1
    t_ns = BEGIN_NS + day * DAY_NS
    none = np.empty(0, np.int64)
    few = none.astype(np.int32)
    trip = Trip(
        f"{number:064x}", f"{number:064x}"[::-1], "plain-csv", none, np.empty((0, 3), np.int32),
        none, few, few, few, few, few, t_ns, Gravity.KEPT, TimeBasis.ABSOLUTE, device=device,
        synthetic=True,
    )  # fmt: skip
    found = Detection(_jolts(trip.key, t_ns, n if felt else 0), _passes(trip.key, t_ns, n))
    store, owner = session.store, session.work.owner
    store.offer([Offer(trip.upload_id, "n", "s", "{}")], now_ns=t_ns)
    (upload,) = store.claim_uploads(owner=owner, now_ns=t_ns, lease_ns=10, limit=1)
    store.commit_uploads(
        [Outcome(upload, [Taken.of(trip, found)])], generation=session.work.generation.name,
        halo_m=session.settings.cluster.halo_m, owner=owner, now_ns=t_ns,
    )  # fmt: skip


def _jolts(trip_key: int, t_ns: int, n: int) -> pd.DataFrame:
    lat, lon = spots(n)
    values = {
        "trip_key": trip_key, "seq": np.arange(n), "t_utc_ns": t_ns, "t_s": 100.0 + np.arange(n),
        "lat_deg": lat, "lon_deg": lon, "pos_err_m": 4.0, "heading_deg": 0.0, "speed_ms": 11.0,
        "peak_ms2": 7.0, "energy_m2s3": 2.0, "duration_s": 0.2, "alone": True,
        "score": 9.0, "weight": 1.0, **SURE,
    }  # fmt: skip
    return BUMPS.build({name: np.broadcast_to(values[name], n) for name in BUMPS.names})


def _passes(trip_key: int, t_ns: int, n: int) -> pd.DataFrame:
    values = {
        "trip_key": trip_key, "seq": np.arange(n), "bin": bin_of(*spots(n)), "t_utc_ns": t_ns,
        "heading_deg": 0.0, "speed_ms": 11.0, "weight": 1.0, "roughness_ms2": np.nan,
        "roughness_err_ms2": np.nan, "aside_m": np.nan,
    }  # fmt: skip
    return PASSES.build({name: np.broadcast_to(values[name], n) for name in PASSES.names})


@dataclass
class Clock:
    """The one time of a world."""

    now_ns: int = BEGIN_NS + 10 * DAY_NS

    def utc(self) -> datetime:
        """As a datetime: the city's clock."""
        return datetime.fromtimestamp(self.now_ns / 1e9, UTC)

    def sleep(self, seconds: float) -> None:
        """Let it run on."""
        self.now_ns += round(seconds * 1e9)

    def follow(self, progress: Progress) -> None:
        """Let it run on until there may be something to do again: an hour if nobody says when."""
        if progress.status is not Status.DONE:
            soon_ns = progress.wait_until_ns or self.now_ns + HOUR_NS
            self.now_ns = max(soon_ns, self.now_ns + HOUR_NS // 3600)


def environment(folder: Path) -> dict[str, str]:
    """Where the door's key of this world lies; made when it is not there."""
    key = folder / "door.key"
    if not key.exists():
        key.write_text("22" * 32)
    return {"STREETBUMP_KEY_FILE": str(key)}


def with_places(folder: Path, n: int) -> Path:
    """A store in which `n` places are flagged and nothing was sent."""
    path = folder / f"flagged-{n}.db"
    session = open_session(f"sqlite:///{path}", settings=None, environ=environment(folder))
    with session.store:
        for k in range(CARS):
            drive(session, day=k, device=f"car {k}", n=n)
        session.until_idle(lanes=("cluster",))
        flagged = Counter(place.state for place in session.store.places())
    if flagged != {"flagged": n}:
        raise AssertionError(f"{n} places should be flagged: {dict(flagged)}")
    return path


def desk_of(
    city: Sandbox,
    folder: Path,
    *,
    stack: ExitStack,
    deadline_s: float,
    key: Secret | None = None,
    channel: str = "",
    dialect: str = "",
) -> Desk:
    """The desk of a practice city that is impatient, and has no daily limit.

    `channel` and `dialect` are TOML that the profile's tables of that name hold besides.
    """
    profile = folder / f"city-{city.port}.toml"
    kind = 'kind = "georeport"'
    text = practice_profile(city.url).replace(kind, f"{kind}\n{channel}")
    profile.write_text(f"{text}\n[dialect]\n{dialect}\n", "utf-8")
    desk = runtime.open_desk(str(profile), environ=os.environ, stack=stack)
    limits = msgspec.structs.replace(
        desk.profile.limits, deadline_s=deadline_s, daily_budget=10_000, body_limit_bytes=1 << 20
    )
    changed = msgspec.structs.replace(desk.profile, limits=limits)
    from streetbump.submit.georeport import GeoReport

    client = stack.enter_context(GeoReport(changed, key=key))
    return Desk(replace(desk.city, profile=changed), lambda: client, folder)


def session_at(
    path: Path,
    folder: Path,
    *,
    desks: Sequence[Desk],
    clock: Clock,
    checkpoint: Callable[[str], None] = lambda _name: None,
) -> Session:
    """A session on a store of this world, by its clock."""
    session = open_session(
        f"sqlite:///{path}", settings=None, desks=desks, environ=environment(folder)
    )
    work = replace(session.work, checkpoint=checkpoint)
    return replace(session, work=work, clock=lambda: clock.now_ns, sleep=clock.sleep)
