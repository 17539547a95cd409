"""Any upload that the door takes costs memory and time in proportion to its bytes, and no more.

Each upload is read and its jolts are detected in the limited child as the worker runs it: with
256 MiB of address space over what the child has when it is warm.
"""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from streetbump.config import shipped_settings
from streetbump.executors import Limited, Limits, Lost
from streetbump.model import Trip
from streetbump.pipeline.intake import detect_trip, warm_up
from streetbump.trips import ReadOptions, read
from streetbump.trips.bundle import packed

from .trips.cases import CASES

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(sys.platform != "linux", reason="the worker runs on Linux"),
]

SIZES = (20_000, 200_000, 2_000_000, 20_000_000)
ALLOWED_S = 30.0
MEASURABLE_S = 0.02
"""Below this the clock of the processor says little."""
STEEPEST = 1.35
"""Largest slope of log time over log bytes between two sizes: 1 is linear, 2 is a square; room
for a busy machine."""
SETTINGS = shipped_settings()
HEAD = b"t,ax,ay,az\n"


def taken_in(data: bytes) -> tuple[float, str]:
    """Seconds of the processor for bytes → jolts, and what became of them."""
    start_s = time.process_time()
    rows = read(data, name="upload", options=ReadOptions(), pseudonym=str)
    for row in rows:
        if isinstance(row, Trip):
            detect_trip(row, SETTINGS)
    said = ",".join("trip" if isinstance(row, Trip) else row.reason.value for row in rows)
    return time.process_time() - start_s, said


def lost(_item: bytes, why: Lost) -> tuple[float, str]:
    """What stands for an upload that the child did not survive."""
    return float("nan"), why.what


@pytest.fixture(scope="module")
def limited() -> Iterator[Limited]:
    """The child with the limits it ships with; the time is judged here."""
    with Limited(Limits(), warm=warm_up) as executor:
        yield executor


def again(piece: bytes, head: bytes = b"") -> Callable[[int], bytes]:
    """Uploads of one piece repeated."""
    return lambda size: (head + piece * (size // len(piece) + 1))[:size]


def samples(size: int) -> np.ndarray:
    """A drive at 100 Hz of about so many bytes of text, (n, 4)."""
    n = size // 44
    acc = np.random.default_rng(1).normal(0, 0.5, (n, 3)) + np.array([0, 0, 9.81])
    return np.column_stack((1.7e9 + np.arange(n) / 100, acc))


def plain(size: int) -> bytes:
    """A plain CSV with a fix a second."""
    rows = "".join(
        f"{t:.2f},{x:.6f},{y:.6f},{z:.6f},"
        + (f"{42 + k * 1e-6:.6f},-71.0,12,0,5\n" if k % 100 == 0 else ",,,,\n")
        for k, (t, x, y, z) in enumerate(samples(size).tolist())
    )
    return b"t,ax,ay,az,lat,lon,speed,heading,accuracy\n" + rows.encode()


def lines(size: int) -> bytes:
    """JSON lines."""
    return "".join(
        f'{{"t":{t:.2f},"ax":{x:.6f},"ay":{y:.6f},"az":{z:.6f}}}\n'
        for t, x, y, z in samples(size * 2 // 3).tolist()
    ).encode()


SHAPES: list[tuple[str, Callable[[int], bytes]]] = [
    ("plain CSV", plain),
    ("plain CSV as UTF-16", lambda size: plain(size // 2).decode().encode("utf-16")),
    ("plain CSV as gzip", lambda size: gzip.compress(plain(2 * size), 1)),
    ("JSON lines", lines),
    ("one line", again(b"x")),
    ("one line of digits", again(b"9")),
    ("one line of UTF-8", again("é".encode())),
    ("only delimiters", again(b",")),
    ("only line ends", again(b"\n")),
    ("only line ends of DOS", again(b"\r\n")),
    ("only quotes", again(b'"')),
    ("only blanks", again(b" ")),
    ("only NUL", again(b"\0")),
    ("only openings of JSON", again(b"{")),
    ("only openings of XML", again(b"<")),
    ("empty rows", again(b",,,\n", HEAD)),
    ("short rows", again(b"1\n", HEAD)),
    ("rows of quoted cells", again(b'"1","2","3","4"\n', HEAD)),
    ("quotes in rows", again(b'"""","""",1,1\n', HEAD)),
    ("rows of words", again(b"a,b,c,d\n", HEAD)),
    ("numbers of 5,000 digits", again(b"1," + b"9" * 5000 + b",1,1\n", HEAD)),
    ("fractions of 5,000 digits", again(b"1,0." + b"1" * 5000 + b",1,1\n", HEAD)),
    ("objects without a key", again(b"{}\n")),
    ("objects that are deep", again(b'{"a":' + b"[" * 8000 + b"]" * 8000 + b"}\n")),
    ("objects that are broken", again(b'{"t":}\n', b'{"t":1}\n')),
    ("rows of 250 columns", again(b",".join([b"1"] * 250) + b"\n",
                                  b"t,ax,ay,az," + b",".join([b"c"] * 246) + b"\n")),
    ("GPX points", again(b'<trkpt lat="42" lon="-71"><time>2026-01-01T00:00:00Z</time></trkpt>',
                         b"<gpx><trk><trkseg>")),
    ("GPX of one attribute", again(b"x", b'<gpx creator="')),
    ("GPX of empty elements", again(b"<a/>", b"<gpx>")),
    ("GPX that is deep", again(b"<a>", b"<gpx>")),
]  # fmt: skip


def zipped(size: int) -> bytes:
    """Sensor Logger's zip, not compressed: with and without gravity, and positions."""
    table = "".join(
        f"{round(t * 1e9)},{t - 1.7e9:.4f},{z:.6f},{y:.6f},{x:.6f}\n"
        for t, x, y, z in samples(size * 2 // 3).tolist()
    )
    data = b"time,seconds_elapsed,z,y,x\n" + table.encode()
    return packed({"TotalAcceleration.csv": data, "Metadata.csv": b"platform\nandroid\n"})


def exported(size: int) -> bytes:
    """Sensor Logger's JSON, every value a text."""
    return b"[%s]" % b",".join(
        b'{"sensor":"TotalAcceleration","time":"%d","seconds_elapsed":"%.4f",'
        b'"z":"%.6f","y":"%.6f","x":"%.6f"}' % (round(t * 1e9), t - 1.7e9, z, y, x)
        for t, x, y, z in samples(size * 2 // 5).tolist()
    )


@pytest.mark.parametrize("make", [plain, zipped, lines, exported])
def test_a_trip_costs_time_in_proportion_to_its_bytes(
    limited: Limited, make: Callable[[int], bytes]
) -> None:
    """From 20 KB to 20 MB a straight line explains 98 % of the processor's time, and all are taken.

    The quickest of ten goes counts, and the sizes take turns: others use this machine, too.
    """
    uploads = [
        make(size) for size in (20_000, 200_000, 2_000_000, 6_000_000, 12_000_000, 20_000_000)
    ]
    size = np.array([len(data) for data in uploads], dtype=np.float64)
    spent_s = np.full(len(uploads), np.inf)
    for _ in range(10):  # so many whatever they show: who stops when it fits finds what he wants
        found = list(limited.map(taken_in, uploads, instead=lost))
        assert {said for _, said in found} == {"trip"}
        spent_s = np.minimum(spent_s, [s for s, _ in found])
    assert np.corrcoef(size, spent_s)[0, 1] ** 2 >= 0.98, spent_s


HOSTILE = [case for case in CASES if case.number in range(5, 12)]
HOSTILE_BYTES, HOSTILE_S = 16 * 1024 * 1024, 0.5


def test_a_hostile_archive_is_refused_at_once() -> None:
    """Bombs, archives in archives, members that overlap or lie: within 16 MiB and half a second."""
    wanted, uploads = [], []
    for case in HOSTILE:
        for k in range(10):
            given = case.make(np.random.default_rng([case.number, k]), k)
            uploads.append(given.data)
            wanted.append(str(given.want))
    with Limited(Limits(memory_bytes=HOSTILE_BYTES), warm=warm_up) as small:
        spent_s, said = zip(*small.map(taken_in, uploads, instead=lost), strict=True)
    assert list(said) == wanted
    assert max(spent_s) <= HOSTILE_S


@pytest.mark.parametrize("shape", [pytest.param(s, id=i) for i, s in SHAPES])
def test_an_upload_costs_what_its_bytes_allow(
    limited: Limited, shape: Callable[[int], bytes]
) -> None:
    """Over three decades of size: within the child's memory, within 30 s, and linear in bytes.

    An upload may be refused for asking too much, but never takes it.
    """
    uploads = [shape(size) for size in SIZES]
    spent_s, said = zip(*limited.map(taken_in, uploads, instead=lost), strict=True)
    known = np.isfinite(spent_s)
    assert known[:-1].all(), said
    assert (np.array(spent_s)[known] < ALLOWED_S).all()
    steps = zip(SIZES[:-1], SIZES[1:], spent_s[:-1], spent_s[1:], strict=True)
    slopes = [
        np.log(after / max(before, MEASURABLE_S)) / np.log(large / small)
        for small, large, before, after in steps
        if after > MEASURABLE_S
    ]
    assert max(slopes, default=0.0) <= STEEPEST
