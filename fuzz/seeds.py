"""What fuzzing begins with: files as our writers make them, and words of the grammars."""

from __future__ import annotations

import gzip

import numpy as np

from streetbump.simulate.gps import Fixes
from streetbump.simulate.trip import SimulatedTrip
from streetbump.simulate.writers import WRITERS, About, write

_ABOUT = {p: About("phone 7", 1_700_000_000.0, p, "Europe/Tallinn") for p in ("android", "ios")}
WORDS = (
    "nan", "inf", "1e999", "-1e308", "1e-999", "0x1p3", "1_000", "-0.0", "\uff11\uff12", "23:59:60",
    "24:00:00:000", "2018-02-30 00:00:00", "9999-12-31T23:59:59.999999999+99:99", "+02:00", "UTC",
    "0000-00-00 00:00:00", "sep=;", "# synthetic: yes", "# streetbump-csv 1", "# device: a", "\"",
    "t,ax,ay,az,lat,lon", "time,gFx,gFy,gFz,", "latitude", "accelerometerX", "timestamp", "null",
    "true", "{\"t\":", "\"ax\":", "<trkpt lat=", "<time>", "<!ENTITY", "]]>", "<![CDATA[", "&#0;",
    "\xb2", "\ufeff", "\r\n", "\t", ";", "99999999999999999999", "1700000000.123",
)  # fmt: skip
"""Tokens that the fuzzer may put anywhere."""
_NUMBERS = (
    "1", "-1.5", "+.5e-3", "1.", ".", "1e", "1e5", "007", "1e999", "-0.0", " 3 ", "1,5", "nan",
    "9" * 40, "0." + "0" * 330 + "1", "1.7976931348623157e308", "2.2250738585072011e-308",
)  # fmt: skip
_CLOCKS = (
    "2023-11-15T00:13:20.020+02:00\n2023-11-15T00:13:20.040+02:00",
    "16:22:42:557\n16:22:42:657\n23:59:60:000\n00:00:00:100",
    "2018-02-17 23:30:00.5\n2018-02-17 23:30:00.6",
    "2021-12-05 19:36:43:867\n2021-12-05 19:36:43:887",
)
_MAP = """missing = [-100.0]
time = {column = "ts", unit = "ms", epoch = "start"}
acceleration = {x = "a", y = "b", z = "c", unit = "g", sign = "ios", gravity = "kept"}
position = {lat = "d", lon = "e", speed = "f", speed_unit = "km/h"}
"""
_MAPPED = "ts,a,b,c,d,e,f\n" + "".join(f"{20 * k},0.0{k},0,-1,42.000{k},-71,36\n" for k in range(9))
_GPX = (
    " version='1.1' creator='x'><trk><trkseg>"
    + "".join(
        f"<trkpt lat='42.000{k}' lon='-71'><ele>3</ele><time>2023-11-14T22:13:2{k}Z</time></trkpt>"
        for k in range(6)
    )
    + "</trkseg></trk></gpx>"
)


def _drive() -> SimulatedTrip:
    """A second of shaking at 20 Hz and a fix every 0.2 s, 400 m apart: short, and long enough."""
    k, m = np.arange(20.0), np.arange(5.0)
    acc = np.column_stack((np.sin(k), np.cos(k), 9.81 + np.sin(2 * k)))
    fixes = Fixes(m * 0.2, 42 + m * 4e-3, -71 + 0 * m, 30 + m, np.where(m == 1, np.nan, 0.0), 5 + m)
    return SimulatedTrip(k * 0.05, acc, np.tile((0.0, 0.0, 9.81), (20, 1)), fixes)


def files() -> dict[str, bytes]:
    """Logger → its file of a very short drive.

    >>> "plain-csv" in files()
    True
    """
    return {
        name: write(_drive(), about=_ABOUT["ios" if "ios" in name else "android"], logger=name)
        for name in WRITERS
    }


def seeds(target: str) -> list[bytes]:
    """The inputs that a target begins with.

    >>> len(seeds("clock")) >= 4
    True
    """
    made = files()
    texts = [d for n, d in made.items() if n not in ("parquet", "sensor-logger", "phyphox")]
    if target == "numbers":
        return [n.encode() for n in _NUMBERS] + ["\n".join(_NUMBERS).encode()]
    if target == "clock":
        steps = np.full(16, 2, dtype=np.int16).tobytes()
        civil = [bytes([4 * k]) + c.encode() for c in _CLOCKS for k in range(4)]
        return civil + [bytes([1 + 16 * k]) + steps for k in range(8)]
    if target == "archive":
        zips = [b"\0" + made[n] for n in ("sensor-logger", "phyphox")]
        return [
            *zips,
            b"\1" + gzip.compress(texts[0], mtime=0),
            *(bytes([k, 0, 9, 9]) for k in (2, 3)),
        ]
    if target == "jsonl":
        return [made["jsonl"]]
    if target == "column-map":
        return [_MAP.encode() + b"\0" + _MAPPED.encode()]
    if target == "markup":
        return [bytes([k]) + _GPX.encode() for k in range(2)]
    if target == "read":
        whole = [bytes([k]) + d for k in range(3) for d in made.values()]
        return whole + [b"\x08" + d + b"\0" + d for d in texts]
    return texts
