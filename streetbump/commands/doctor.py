"""``streetbump doctor``: what an installation, a store, a trip file or a city looks like."""

from __future__ import annotations

import json
import os
import platform
import pyexpat
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from streetbump import runtime
from streetbump.cityprofile import FileChannel
from streetbump.commands.inputs import NO_KEY, TripOptions, contents
from streetbump.config import Settings
from streetbump.detect.trigger import reported
from streetbump.model import Rejected, Trip
from streetbump.pipeline.generations import outdated
from streetbump.pipeline.intake import detect_trip
from streetbump.report.trip_story import placed_words
from streetbump.stores import Store
from streetbump.stores.engine import sqlite_path
from streetbump.submit.probe import mended
from streetbump.trips import explained
from streetbump.trips.describe import describe
from streetbump.trips.door import admit
from streetbump.trips.notes import by_topic

_COLUMNS = ["what", "state", "detail"]


def doctor(url: str, *, environ: Mapping[str, str] = os.environ) -> pd.DataFrame:
    """What this installation and this store look like: one row per thing looked at."""
    packages = ("numpy", "scipy", "pandas", "pyarrow", "sqlalchemy", "httpx", "shapely")
    rows = [("python", "ok", platform.python_version())]
    rows += [(name, "ok", metadata.version(name)) for name in packages]
    rows += [
        ("sqlite", "ok", sqlite3.sqlite_version),
        ("expat", "ok" if pyexpat.version_info >= (2, 6) else "old",
         f"{'.'.join(map(str, pyexpat.version_info))}: XML with a DTD is refused in any case"),
    ]  # fmt: skip
    key = runtime.key_path(environ)
    rows.append(("door key", "ok" if key.is_file() else "none yet", str(key)))
    path = sqlite_path(url)
    if not path.is_file():
        return pd.DataFrame([*rows, ("store", "none yet", str(path))], columns=_COLUMNS)
    with Store(url) as store:
        n = store.counts()
        rows.append(("store", "ok", f"{path}: {json.dumps(n)}"))
        active = store.active()
        if active is not None:
            said = outdated(active)
            state, detail = ("ok", f"({active.algorithm})") if said is None else ("old", said)
            rows.append(("generation", state, f"{active.name} {detail}"))
        rows += [("lease", "held", f"{r} by {o}") for r, o, _ in store.leases()]
        if n["uploads_queued"]:
            rows.append(("uploads", "waiting", f"{n['uploads_queued']} queued"))
    return pd.DataFrame(rows, columns=_COLUMNS)


def doctor_trip(
    path: str, options: TripOptions, *, settings: Settings, stdin: Callable[[], bytes]
) -> list[dict[str, Any]]:
    """What was seen in a trip file, what was assumed and why: one record per trip or refusal."""
    records: list[dict[str, Any]] = []
    how = options.for_reading()
    for name, _, data in contents([path], stdin):
        for row, notes in explained(data, name=Path(name).name, options=how):
            if isinstance(row, Trip):
                found = detect_trip(row, settings)
                shown = found.bumps[reported(found.bumps, settings=settings.detect)]
                placed = placed_words(shown, settings=settings.detect)
                said = {**describe(row), "jolts": len(shown), "placed": placed,
                        "passes": len(found.passes)}  # fmt: skip
                notes = (*notes, ("at_the_door", _at_the_door(row, settings)))
            else:
                said = {"part": row.part, "refused": row.reason.value, "hint": row.hint}
            records.append({"file": name, **said, **by_topic(notes)})
    return records


def _at_the_door(trip: Trip, settings: Settings) -> str:
    """Whether a store would take the trip, as far as no key is needed to know it."""
    taken = admit(trip, key=NO_KEY, settings=settings.door)
    if isinstance(taken, Rejected):
        return f"not taken by a store: {taken.reason}: {taken.hint}"
    more = "".join(f"; {w}" for w in taken.warnings if w not in trip.warnings)
    return f"taken by a store, without its ends, which differ from store to store{more}"


def doctor_city(name: str, *, stack: ExitStack) -> Iterator[dict[str, Any]]:
    """What a city profile says, what its endpoint shows of it, and what would mend it.

    Each row has `asked`, `state` (ok, note, deviates, fails) and `said`; the last, `to mend`, is
    TOML for the profile. Reads only: nothing is created.
    """
    profile, findings = runtime.probe_city(name, environ=os.environ, stack=stack)
    services = ", ".join(f"{k} → {s.code}" for k, s in sorted(profile.services.items()))
    live = "yes" if profile.live else "no: nothing is sent"
    for asked, said in (("profile", f"{profile.name} ({profile.title})"), ("services", services),
                        ("live", live)):  # fmt: skip
        yield {"asked": asked, "state": "note", "said": said}
    if isinstance(profile.channel, FileChannel):
        yield {"asked": "work list", "state": "ok", "said": profile.channel.path}
        return
    seen = []
    for finding in findings:
        seen.append(finding)
        yield {"asked": finding.asked, "state": finding.state, "said": finding.said}
    if text := mended(seen):
        yield {"asked": "to mend", "state": "note", "said": text}
