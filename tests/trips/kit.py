"""What the tests of this room share: reading with one call, and made-up plain CSV."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from streetbump.model import Rejected, Trip
from streetbump.trips import ReadOptions, read
from streetbump.trips.door import pseudonym

KEY = b"a key for tests, 32 bytes long.."


def read_all(
    data: bytes | str, name: str = "trip.csv", **options: object
) -> tuple[Trip | Rejected, ...]:
    """What `read` makes of some bytes."""
    raw = data.encode() if isinstance(data, str) else data
    return read(
        raw,
        name=name,
        options=ReadOptions(**options),  # type: ignore[arg-type]
        pseudonym=lambda n: pseudonym(n, key=KEY),
    )


def trip_in(data: bytes | str, name: str = "trip.csv", **options: object) -> Trip:
    """The only trip in some bytes."""
    (got,) = read_all(data, name, **options)
    assert isinstance(got, Trip), got
    return got


def refusal_of(data: bytes | str, name: str = "trip.csv", **options: object) -> Rejected:
    """The only refusal of some bytes."""
    (got,) = read_all(data, name, **options)
    assert isinstance(got, Rejected), got
    return got


def plain_csv(
    *,
    seconds: float = 120.0,
    rate_hz: float = 20.0,
    t0: float = 1_700_000_000.0,
    speed_ms: float = 15.0,
    header: str = "",
) -> str:
    """A drive due north at constant speed with one fix a second, as plain CSV."""
    n = round(seconds * rate_hz)
    i = np.arange(n)
    acc = np.random.default_rng(1).normal(0, 0.3, (n, 3)) + np.array([0.1, 0.2, 9.8])
    lat = 42.0 + i / rate_hz * speed_ms / 111_195
    rows = [
        f"{t0 + k / rate_hz:.3f},{a[0]:.4f},{a[1]:.4f},{a[2]:.4f},"
        + (f"{la:.7f},-71.0,{speed_ms},0,5" if k % round(rate_hz) == 0 else ",,,,")
        for k, a, la in zip(i, acc, lat, strict=True)
    ]
    return header + "t,ax,ay,az,lat,lon,speed,heading,accuracy\n" + "\n".join(rows) + "\n"


FORMATS = Path(__file__).resolve().parents[2] / "fixtures" / "formats"
"""Files typed by hand, one per dialect of a logger."""


def members_of(folder: str) -> dict[str, bytes]:
    """The files of one recording's folder, as the members of a zip."""
    root = FORMATS / folder
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
