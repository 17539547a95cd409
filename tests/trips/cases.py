"""The sixty kinds of bad trip files, as generators: nothing is stored, every instance is another.

A case makes what must be refused, or accepted with a warning, and a near miss: the same thing just
on the good side of the limit, which must be accepted.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from streetbump.model import Reason
from streetbump.trips import parse_column_map
from streetbump.trips.bundle import packed

Rng = np.random.Generator
Want = Reason | str | None
"""The reason of a refusal; words of a warning of what is accepted; None: accepted."""

NAMES = ("t", "ax", "ay", "az", "lat", "lon", "speed", "heading", "accuracy")
_DAY_S = 86_400
_ISO = parse_column_map(
    'time = {column = "t", unit = "iso"}\n'
    'acceleration = {x = "ax", y = "ay", z = "az", unit = "m/s2", sign = "android"}',
    where="map",
)


@dataclass(frozen=True)
class Given:
    """One instance: bytes, what the caller says beside them, and what must come of it.

    `door` asks the door as well, without trimming; `received_s` makes it a live one.
    """

    data: bytes
    want: Want = None
    options: dict[str, object] = field(default_factory=dict)
    door: bool = False
    received_s: float | None = None


@dataclass(frozen=True)
class Case:
    """A family of the table: `make` and `near` take a generator and the number of the instance."""

    number: int
    name: str
    make: Callable[[Rng, int], Given]
    near: Callable[[Rng, int], Given]


class Sheet:
    """The columns of a plain CSV before they are text: a drive due north that shakes."""

    def __init__(self, rng: Rng, *, seconds: float = 40.0, rate_hz: float = 10.0) -> None:
        n = max(3, round(seconds * rate_hz))
        t0 = 1.7e9 + int(rng.integers(0, 10**6))
        self.t = t0 + np.arange(n) / rate_hz
        self.acc = rng.normal((0.1, 0.2, 9.8), 0.4, (n, 3))
        speed = rng.uniform(10, 20)
        self.lat = 42 + rng.uniform(-1, 1) + (self.t - t0) * speed / 111_195
        self.lon = np.full(n, -71.0 + rng.uniform(-1, 1))
        self.speed = np.full(n, speed)
        self.heading = np.zeros(n)
        self.accuracy = np.full(n, rng.uniform(3, 9))
        self.fixed = np.arange(n) % max(1, round(rate_hz)) == 0

    def __len__(self) -> int:
        return len(self.t)

    @property
    def fixes(self) -> np.ndarray:
        """Numbers of the rows that hold a fix."""
        return np.flatnonzero(self.fixed)

    def rows(self) -> list[list[str]]:
        """The cells, row by row."""
        places = (self.lat, self.lon, self.speed, self.heading, self.accuracy)
        shown = zip(self.t, *self.acc.T, *places, self.fixed, strict=True)
        return [
            [f"{t:.4f}", f"{x:.4f}", f"{y:.4f}", f"{z:.4f}"]
            + ([f"{la:.7f}", f"{lo:.7f}", f"{v:.2f}", f"{h:.1f}", f"{a:.1f}"] if f else [""] * 5)
            for t, x, y, z, la, lo, v, h, a, f in shown
        ]

    def csv(self, head: str = "") -> bytes:
        """The file."""
        return csv(self.rows(), head=head)


def csv(rows: list[list[str]], *, names: tuple[str, ...] = NAMES, head: str = "") -> bytes:
    """Rows as a table."""
    return (head + "\n".join(map(",".join, [list(names), *rows])) + "\n").encode()


def good(rng: Rng, k: int) -> Given:
    """A trip with nothing wrong."""
    return Given(Sheet(rng).csv())


def pick(k: int, *choices: Callable[[], Given]) -> Given:
    """The k-th of the choices, round and round."""
    return choices[k % len(choices)]()


def some(rng: Rng, n: int, count: int) -> np.ndarray:
    """`count` numbers below n."""
    return rng.choice(n, size=count, replace=False)


# ---------------------------------------------------------------------- files and archives


def empty(rng: Rng, k: int) -> Given:
    ends = "\n" * int(rng.integers(0, 50))
    texts = ("", "\ufeff", ",".join(rng.permutation(NAMES)) + "\n", "# device: a\nt,ax,ay,az")
    return Given((texts[k % 4] + ends).encode(), Reason.EMPTY)


def nearly_empty(rng: Rng, k: int) -> Given:
    return Given(csv(Sheet(rng).rows()[:3]))


def cut(rng: Rng, k: int) -> Given:
    if k % 3 == 0:  # a zip has its directory at its end
        whole = bytes(zipped(rng, k).data)
        return Given(whole[: int(rng.integers(30, len(whole)))], Reason.TRUNCATED)
    whole = gzip.compress(Sheet(rng).csv())
    if k % 3 == 1:  # nothing but the head of the gzip, and some of its codes
        return Given(whole[: int(rng.integers(10, 60))], Reason.TRUNCATED)
    return Given(whole[: int(rng.uniform(0.8, 1) * len(whole))], "TRUNCATED")


def cut_in_a_row(rng: Rng, k: int) -> Given:
    data = Sheet(rng).csv()
    if k % 2:  # only the checksum of the gzip is cut
        return Given(gzip.compress(data)[: -1 - k % 8], "TRUNCATED")
    return Given(data[: len(data) - int(rng.integers(2, 30))])


def corrupt(rng: Rng, k: int) -> Given:
    data = bytearray(gzip.compress(Sheet(rng).csv()))
    if k % 2:
        return Given(bytes(data) + b"x" * int(rng.integers(1, 99)), Reason.CORRUPT)
    data[-int(rng.integers(1, 9))] ^= 1 << int(rng.integers(0, 8))
    return Given(bytes(data), Reason.CORRUPT)


def gzipped(rng: Rng, k: int) -> Given:
    return Given(gzip.compress(Sheet(rng).csv(), compresslevel=1 + k % 9))


@cache
def _zeros(mib: int) -> bytes:
    return gzip.compress(b"\n" * (mib << 20), mtime=0)


def bomb(rng: Rng, k: int) -> Given:
    head = bytearray(_zeros(16 + k % 4))
    head[4:8] = int(rng.integers(0, 2**31)).to_bytes(4, "little")  # another time of making
    return Given(bytes(head), Reason.DECOMPRESS_LIMIT)


def nearly_bomb(rng: Rng, k: int) -> Given:
    table = Sheet(rng, seconds=3).csv()
    blank = 200 * 8192 - len(table) - int(rng.integers(1, 16_000))
    return Given(gzip.compress(table + b"\n" * blank))


def members(rng: Rng, k: int) -> Given:
    parts = [gzip.compress(b"t,ax\n1,2\n" * 9)] * (2 + (9_998 if k == 0 else int(rng.integers(9))))
    return Given(b"".join([gzip.compress(Sheet(rng).csv()), *parts]), Reason.DECOMPRESS_LIMIT)


def _zip(*members: tuple[str, bytes]) -> bytearray:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return bytearray(out.getvalue())


def _entries(data: bytearray) -> list[int]:
    found, at = [], data.find(b"PK\x01\x02")
    while at >= 0:
        found.append(at)
        at = data.find(b"PK\x01\x02", at + 4)
    return found


def zipped(rng: Rng, k: int) -> Given:
    return Given(bytes(_zip((f"trip {k}.csv", Sheet(rng).csv()))))


def overlapping(rng: Rng, k: int) -> Given:
    count = 2 + int(rng.integers(0, 20))
    data = _zip(*((f"{i:02d}.csv", Sheet(rng, seconds=2).csv()) for i in range(count)))
    entries = _entries(data)
    victim = int(rng.integers(1, count))
    data[entries[victim] + 42 : entries[victim] + 46] = data[entries[victim - 1] + 42 :][:4]
    return Given(bytes(data), Reason.ARCHIVE_HOSTILE)


def nested(rng: Rng, k: int) -> Given:
    inner = bytes(_zip(("a.csv", Sheet(rng, seconds=2).csv())))
    for depth in range(k % 5):
        inner = bytes(_zip((f"{depth}.zip", inner)))
    return Given(bytes(_zip(("a.csv" if k % 2 else "a.zip", inner))), Reason.ARCHIVE_NESTED)


def bad_names(rng: Rng, k: int) -> Given:
    depth = 1 + int(rng.integers(0, 8))
    names = ("../" * depth + "x.csv", "/etc/x.csv", "C:\\x.csv", "a\\..\\x.csv",
             "n" * (260 + depth), "a/./x.csv", "a//x.csv", "x\x1b[31m.csv")  # fmt: skip
    data = packed({names[k % len(names)]: Sheet(rng, seconds=2).csv()})
    return Given(data, Reason.ARCHIVE_HOSTILE)


def long_name(rng: Rng, k: int) -> Given:
    return Given(packed({"n" * (250 - k % 3) + ".csv": Sheet(rng).csv()}))


def odd_members(rng: Rng, k: int) -> Given:
    data = _zip(("a.csv", Sheet(rng, seconds=3).csv()))
    (at,) = _entries(data)
    kind = k % 4
    if kind == 0:  # a link or a device
        mode = (0o120777, 0o060600, 0o020600, 0o010600)[k // 4 % 4]
        data[at + 38 : at + 42] = struct.pack("<L", mode << 16)
    elif kind == 1:  # encrypted
        data[at + 8] |= 1
        data[6] |= 1
    elif kind == 2:  # another size in the directory than in the header
        data[at + 24 : at + 28] = struct.pack("<L", int(rng.integers(10, 99)))
    else:  # zip64
        data[at + 24 : at + 28] = b"\xff" * 4
    return Given(bytes(data), Reason.ARCHIVE_HOSTILE)


def doubled_names(rng: Rng, k: int) -> Given:
    one, two = Sheet(rng, seconds=2).csv(), Sheet(rng, seconds=2).csv()
    data = _zip(("aa.csv", one), ("bb.csv", two))
    other = b"aa.csv" if k % 2 else b"AA.csv"
    return Given(bytes(data).replace(b"bb.csv", other), Reason.ARCHIVE_AMBIGUOUS)


def other_archives(rng: Rng, k: int) -> Given:
    table = Sheet(rng, seconds=2).csv()
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo("a.csv")
        info.size = len(table)
        tar.addfile(info, io.BytesIO(table))
    magics = (b"7z\xbc\xaf\x27\x1c", b"Rar!\x1a\x07", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"BZh9")
    data = out.getvalue() if k % 6 == 5 else magics[k % 6] + rng.bytes(200)
    return Given(data, Reason.UNSUPPORTED_TYPE)


def other_kinds(rng: Rng, k: int) -> Given:
    starts = (
        b"\x89PNG\r\n\x1a\n",
        b"\x7fELF\2",
        b"%PDF-1.7\n",
        b"<!DOCTYPE html>",
        b"GIF89a",
    )
    if k % 6 == 5:
        return Given(Sheet(rng).csv() + bytes(_zip(("a.csv", b"1"))), Reason.UNSUPPORTED_TYPE)
    return Given(starts[k % 6] + rng.bytes(300), Reason.UNSUPPORTED_TYPE)


def name_of_another_kind(rng: Rng, k: int) -> Given:
    return Given(Sheet(rng).csv(head=("# %PDF\n", "# PNG\n", "# PK34\n")[k % 3]))


# ----------------------------------------------------------------------------------- text


def encodings(rng: Rng, k: int) -> Given:
    table = Sheet(rng).csv()
    bad = (b"M\xfcller", b"\xc0\xaf", b"\xed\xa0\x80", b"\xff\xfe", b"\xe2\x82")[k % 5]
    utf16 = table.decode().encode("utf-16")
    return pick(
        k,
        lambda: Given(b"# device: " + bad + b"\n" + table, Reason.ENCODING),
        lambda: Given(utf16, "UTF-16"),
        lambda: Given(utf16[:-1], Reason.ENCODING),
    )


def letters(rng: Rng, k: int) -> Given:
    return Given(Sheet(rng).csv(head=f"# device: {'Müller 雪 π 😀'[k % 9 :]}\n"))


def control_characters(rng: Rng, k: int) -> Given:
    bad = ("\0", "\x1b[31m", "\u202e", "\u2066", "\x07", "\x7f", "\x85", "\x0c")[k % 8]
    data = Sheet(rng).csv().decode()
    at = int(rng.integers(0, len(data)))
    return Given((data[:at] + bad + data[at:]).encode(), Reason.CONTROL_CHARS)


def line_ends(rng: Rng, k: int) -> Given:
    data = Sheet(rng).csv().decode()
    return pick(
        k,
        lambda: Given(data.replace("\n", "\r").encode()),
        lambda: Given(data.rstrip().encode()),
        lambda: Given(data.replace("\n", "\r\n").encode()),
        lambda: Given(data.replace("\n", "\r\n", int(rng.integers(1, 300))).encode()),
    )


def long_lines(rng: Rng, k: int) -> Given:
    data = Sheet(rng).csv()
    return pick(
        k,
        lambda: Given(data + b"9" * int(rng.integers(16_500, 10**6)), Reason.LINE_LIMIT),
        lambda: Given(data + b"," * int(rng.integers(257, 900)) + b"\n", Reason.LINE_LIMIT),
        lambda: Given(data.replace(b"\n1", b'\n"1', 1), Reason.LINE_LIMIT),
    )


def nearly_long(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    rows = sheet.rows()
    at = int(rng.integers(0, len(rows)))
    spaces = 16_380 - int(rng.integers(0, 100)) - len(",".join(rows[at]))
    rows[at][4] += " " * spaces
    return Given(csv(rows))


def bad_headers(rng: Rng, k: int) -> Given:
    rows = Sheet(rng).rows()
    twice = (*NAMES[:8], ("t", "AX", " ay ", "Az", "LAT")[k % 5])
    without = {0: "t", 1: "lat", 2: "lon"}[k % 3]
    return pick(
        k,
        lambda: Given(csv(rows[1:], names=tuple(rows[0])), Reason.SCHEMA),
        lambda: Given(csv(rows, names=twice), Reason.SCHEMA),
        lambda: Given(
            csv(rows, names=tuple("other" if n == without else n for n in NAMES)), Reason.SCHEMA
        ),
    )


def odd_headers(rng: Rng, k: int) -> Given:
    rows = np.array(Sheet(rng).rows())
    order = rng.permutation(len(NAMES))
    names = [NAMES[i].upper() if rng.random() < 0.5 else f" {NAMES[i]} " for i in order]
    table = [[*row, "x"] for row in rows[:, order].tolist()]
    return Given(csv(table, names=(*names, f"extra {k}")))


def delimiters(rng: Rng, k: int) -> Given:
    data = Sheet(rng).csv().decode()
    broken = data.splitlines()
    half = len(broken) // 2
    broken[half:] = [line.replace(",", ";") for line in broken[half:]]
    return pick(
        k,
        lambda: Given(data.replace(",", ";").encode()),
        lambda: Given(data.replace(",", "\t").encode()),
        lambda: Given(data.replace(",", ";").replace(".", ",").encode()),
        lambda: Given("\n".join(broken).encode(), Reason.TOO_LITTLE_USABLE),
    )


def _jsonl(rows: list[list[str]]) -> list[str]:
    return [json.dumps({n: float(c) for n, c in zip(NAMES, row, strict=True) if c}) for row in rows]


def bad_json(rng: Rng, k: int) -> Given:
    deep = "[" * int(rng.integers(2_000, 9_000))
    texts = (
        '[{"sensor": "Accelerometer", "x": NaN, "time": "1700000000000000000"}]',
        '[{"sensor": "Accelerometer", "x": 1e4000}]', '[{"sensor": "a"}, {"sensor": ' + deep,
        '[{"sensor": "Accelerometer", "time": ' + "9" * (5000 + k) + "}]", '[{"sensor": "a"',
    )  # fmt: skip
    return Given((texts[k % 5] + " " * k).encode(), Reason.JSON_INVALID)


def odd_json(rng: Rng, k: int) -> Given:
    lines = _jsonl(Sheet(rng).rows())
    lines[5] = ('{"t": NaN}', '{"t": 1e999}', "[" * 5000, '{"t": ' + "9" * 5000 + "}")[k % 4]
    return Given("\n".join(lines).encode())


_GPX = '<gpx version="1.1"><trk><trkseg>{}</trkseg></trk></gpx>'


def _gpx(sheet: Sheet) -> str:
    points = (
        f'<trkpt lat="{sheet.lat[i]:.7f}" lon="{sheet.lon[i]:.7f}"><time>'
        f"{np.datetime64(round(sheet.t[i] * 1000), 'ms')}Z</time></trkpt>"
        for i in sheet.fixes
    )
    return _GPX.format("".join(points))


def bad_xml(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    entity = f"e{int(rng.integers(0, 9999))}"
    dtd = (
        f'<!DOCTYPE gpx [<!ENTITY {entity} "{"x" * 99}">]>',
        f'<!DOCTYPE gpx [<!ENTITY {entity} SYSTEM "file:///etc/hostname">]>',
        f'<!DOCTYPE gpx SYSTEM "http://127.0.0.1/{entity}.dtd">',
    )[k % 3]
    return Given(sheet.csv(), Reason.XML_HOSTILE, {"gps": (dtd + _gpx(sheet)).encode()})


def sound_xml(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    return Given(sheet.csv(), options={"gps": ('<?xml version="1.0"?>' + _gpx(sheet)).encode()})


def no_accelerometer(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    rows = [[row[0], *row[4:]] for row in sheet.rows()]
    return pick(
        k,
        lambda: Given(_gpx(sheet).encode(), Reason.NO_ACCEL),
        lambda: Given(csv(rows, names=(NAMES[0], *NAMES[4:])), Reason.NO_ACCEL),
    )


def never_loaded(rng: Rng, k: int) -> Given:
    starts = (b"\x80\x04\x95", b"SQLite format 3\0", b"\x93NUMPY\1\0", b"\x89HDF\r\n\x1a\n")
    npz = bytes(_zip(("a.npy", b"\x93NUMPY\1\0" + rng.bytes(99))))
    return Given(npz if k % 5 == 4 else starts[k % 5] + rng.bytes(200), Reason.UNSUPPORTED_TYPE)


def formula(rng: Rng, k: int) -> Given:
    note = ("=HYPERLINK(1)", "+1+2", "-cmd", "@SUM(A1)")[k % 4] + str(int(rng.integers(0, 999)))
    return Given(Sheet(rng).csv(head=f"# device: {note}\n"))


def later_version(rng: Rng, k: int) -> Given:
    number = int(rng.integers(2, 100))
    lines = "\n".join([f'{{"streetbump-jsonl": {number}}}', *_jsonl(Sheet(rng).rows())])
    csv_ = Sheet(rng).csv(head=f"# streetbump-csv {number}\n")
    return Given(lines.encode() if k % 2 else csv_, Reason.VERSION)


def this_version(rng: Rng, k: int) -> Given:
    return Given(Sheet(rng).csv(head="# streetbump-csv 1\n"))


def ragged(rng: Rng, k: int, *, share: float = 0.1, want: Want = "could not be read") -> Given:
    rows = Sheet(rng).rows()
    for i in some(rng, len(rows), round(share * len(rows))):
        rows[i] = rows[i][: int(rng.integers(1, 9))] if k % 2 else [*rows[i], "1"]
    return Given(csv(rows), want)


def odd_numbers(rng: Rng, k: int, *, share: float = 0.1, want: Want = "could not be read") -> Given:
    rows = Sheet(rng).rows()
    bad = ("nan", "inf", "1e999", "1_000", "\uff11\uff12", "0x1p3", "--1", "1.2.3")[k % 8]
    for i in some(rng, len(rows), round(share * len(rows))):
        rows[i][int(rng.integers(0, 4))] = bad
    return Given(csv(rows), want)


def minus_zero(rng: Rng, k: int) -> Given:
    if k % 2:
        return odd_numbers(rng, k, share=0.1985)
    rows = Sheet(rng).rows()
    for i in some(rng, len(rows), 30):
        rows[i][1] = ("-0.0", "+.5", "1.", "5e-1", "007")[k % 5]
    return Given(csv(rows))


# -------------------------------------------------------------------------------- positions


def swapped(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lat, sheet.lon = rng.uniform(95, 179) + sheet.lat * 1e-3, sheet.lat
    return Given(sheet.csv(), Reason.LATLON_SWAPPED)


def far_east(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lon = rng.uniform(95, 179) + sheet.lon * 1e-3
    return Given(sheet.csv())


def off_the_earth(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    factor = (1e7, 1e6, 1e5)[k % 3]
    sheet.lat, sheet.lon = sheet.lat * factor, sheet.lon * factor
    if k % 4 == 3:
        sheet.lat = np.full(len(sheet), 91.0) + rng.random(len(sheet))
        sheet.lon = sheet.lat + 100
    return Given(sheet.csv(), Reason.COORD_RANGE)


def edge_of_the_earth(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lat[sheet.fixes[: 1 + k % 5]] = 91
    return Given(sheet.csv(), "outside")


def null_island(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lat, sheet.lon = np.zeros(len(sheet)), np.zeros(len(sheet))
    return Given(sheet.csv(), Reason.NO_FIX, door=True)


def null_island_at_first(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    first = sheet.fixes[: 1 + k % 5]
    sheet.lat[first], sheet.lon[first] = 0, 0
    return Given(sheet.csv(), door=True)


def antimeridian(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    lon = 179.9999 + np.arange(len(sheet)) * 1e-5 * rng.uniform(0.5, 1.5)
    sheet.lat = np.full(len(sheet), rng.uniform(-50, 50))
    sheet.lon = np.where(lon > 180, lon - 360, lon)
    return Given(sheet.csv(), door=True)


def pole(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lat = (89.9 + (sheet.lat - sheet.lat[0])) * (1 if k % 2 else -1)
    return Given(sheet.csv(), door=True)


def coarse(rng: Rng, k: int, *, digits: int = 2, want: Want = Reason.COARSE_LOCATION) -> Given:
    sheet = Sheet(rng, seconds=300, rate_hz=4)
    sheet.lat = np.round(sheet.lat[0], 2) + np.round((sheet.t - sheet.t[0]) * 20 / 111_195, digits)
    sheet.lon = np.round(sheet.lon + np.arange(len(sheet)) // 240 % 2 * 0.01, digits)
    sheet.speed[:] = 20
    return Given(sheet.csv(), want, door=True)


def nearly_coarse(rng: Rng, k: int) -> Given:
    return coarse(rng, k, digits=3, want=None)


def accuracies(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.accuracy[:] = (0, -1, 65, 1e6, np.nan)[k % 5]
    return Given(sheet.csv().replace(b"nan", b""), door=True)


# ------------------------------------------------------------------------------------- time


def units_of_time(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    per_s = (1e3, 1e6, 1e9)[k % 3]
    rows = sheet.rows()
    first = len(rows) // 2 if k % 4 == 3 else 0
    for row, t in list(zip(rows, sheet.t, strict=True))[first:]:
        row[0] = str(round(t * 1e4) * round(per_s) // 10_000)
    return Given(csv(rows), Reason.TIME_UNIT if first else "since 1970, from its size")


def _live(sheet: Sheet, received_s: float, want: Want) -> Given:
    return Given(sheet.csv(), want, door=True, received_s=received_s)


WEEKS_S = 1024 * 7 * _DAY_S


def strange_years(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    if k % 2:
        real_s = sheet.t[-1]
        sheet.t -= WEEKS_S
        return _live(sheet, float(real_s + rng.uniform(1, _DAY_S - 1)), "1,024 weeks")
    start_s = (315_964_800.0, 5e8, 253_402_300_800.0, 1e13)[k // 2 % 4]
    sheet.t = start_s + rng.uniform(0, 1000) + (sheet.t - sheet.t[0])
    return Given(sheet.csv(), Reason.TIME_RANGE)


def first_year(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.t = (946_684_801.0 if k % 2 else 4_102_444_700.0) + (sheet.t - sheet.t[0])
    return Given(sheet.csv())


def wrong_day(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    if k % 2:
        return _live(sheet, float(sheet.t[-1] - rng.uniform(601, 10**6)), Reason.TIME_FUTURE)
    return _live(sheet, float(sheet.t[-1] + 90 * _DAY_S + rng.uniform(1, 1e6)), Reason.TOO_OLD)


def nearly_wrong_day(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    off_s = -rng.uniform(595, 599) if k % 2 else 90 * _DAY_S - rng.uniform(1, 1000)
    return _live(sheet, float(sheet.t[-1] + off_s), None)


def disorder(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    if k % 2:  # a clock that was set back
        at = int(rng.integers(50, len(sheet) - 50))
        sheet.t[at:] -= rng.uniform(2.2, 9)
    else:  # more than 1 % swapped
        for i in rng.choice(np.arange(1, len(sheet), 2), size=20, replace=False):
            sheet.t[[i - 1, i]] = sheet.t[[i, i - 1]]
    return Given(sheet.csv(), Reason.TIME_ORDER)


def slight_disorder(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    for i in rng.choice(np.arange(2, len(sheet), 2), size=4, replace=False):  # of 400: 1 %
        sheet.t[[i - 1, i]] = sheet.t[[i, i - 1]]
    if k % 2:
        at = int(rng.integers(50, 350))
        sheet = Sheet(rng)
        sheet.t[at] -= rng.uniform(1.981, 1.999) - 0.1  # the row before is 0.1 s earlier
    return Given(sheet.csv(), "went back in time")


def bunches(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng, rate_hz=50, seconds=10)
    size = 2 + k % 9
    sheet.t = sheet.t[np.minimum(np.arange(len(sheet)) // size * size, len(sheet) - 1)]
    return Given(sheet.csv(), "bunches")


def jitter(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng, rate_hz=50, seconds=10)
    if k % 2:  # 99 of 499 steps are short, a fifth are 99.8
        steps = np.full(len(sheet) - 1, 0.024)
        steps[some(rng, len(steps), 99)] = 0.002
        sheet.t[1:] = sheet.t[0] + np.cumsum(steps)
        return Given(sheet.csv())
    sheet.t += rng.uniform(-0.4, 0.4, len(sheet)) / 50
    return Given(sheet.csv())


def _iso(sheet: Sheet, local: np.datetime64, ending: str = "") -> bytes:
    times = local + ((sheet.t - sheet.t[0]) * 1000).astype("timedelta64[ms]")
    rows = [[f"{t}{ending}", *row[1:4]] for t, row in zip(times, sheet.rows(), strict=True)]
    return csv(rows, names=NAMES[:4])


def clock_changes(rng: Rng, k: int) -> Given:
    starts = (
        ("America/New_York", "2023-03-12T02:30:00"),
        ("America/New_York", "2023-11-05T01:30:00"),
        ("Europe/Tallinn", "2023-03-26T03:15:00"),
        ("Europe/Tallinn", "2023-10-29T03:15:00"),
    )
    zone, start = starts[k % 4]
    local = np.datetime64(start, "ms") + np.timedelta64(int(rng.integers(0, 1200)), "s")
    options = {"columns": _ISO, "tz": zone}
    return Given(_iso(Sheet(rng), local), Reason.TIME_ZONE, options)


def beside_clock_changes(rng: Rng, k: int) -> Given:
    local = np.datetime64("2023-03-12T03:00:01", "ms") + np.timedelta64(
        int(rng.integers(0, 60)), "s"
    )
    return Given(_iso(Sheet(rng), local), options={"columns": _ISO, "tz": "America/New_York"})


def leap_second(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    local = np.datetime64("2016-12-31T23:59:40", "ms") - np.timedelta64(
        int(rng.integers(0, 9)), "s"
    )
    data = _iso(sheet, local, "Z").replace(b"2016-12-31T23:59:59.9", b"2016-12-31T23:59:60.9")
    return Given(data, options={"columns": _ISO})


def _lively(rng: Rng, late_s: float) -> Sheet:
    """Four minutes of stop and go, whose fixes are `late_s` late."""
    sheet = Sheet(rng, seconds=240, rate_hz=10)
    t = sheet.t - sheet.t[0]
    pull = np.convolve(rng.normal(0, 1, len(t) + 60), np.hanning(61), "valid") * 0.35
    pull -= pull.mean()
    speed = 15 + np.cumsum(pull) / 10
    speed += 1 - min(0.0, float(speed.min()))
    sheet.acc += np.outer(pull, rng.normal((0.8, 0.2, 0), 0.3))
    way_m = np.cumsum(speed) / 10
    then = np.interp(t - late_s, t, way_m)
    sheet.lat = sheet.lat[0] + then / 111_195
    sheet.speed = np.interp(t - late_s, t, speed)
    return sheet


def skewed(rng: Rng, k: int) -> Given:
    late_s = rng.uniform(6, 30) * (1 if k % 2 else -1)
    return Given(_lively(rng, late_s).csv(), "set to one clock")


def slightly_late(rng: Rng, k: int) -> Given:
    return Given(_lively(rng, rng.uniform(0, 2.5)).csv())


def rates(rng: Rng, k: int) -> Given:
    return pick(
        k,
        lambda: Given(
            Sheet(rng, seconds=200, rate_hz=rng.uniform(0.5, 3.9)).csv(), "exposure only"
        ),
        lambda: Given(Sheet(rng, seconds=0.2, rate_hz=5000).csv()),
        lambda: _with_gap(rng),
    )


def _with_gap(rng: Rng) -> Given:
    sheet = Sheet(rng)
    sheet.t[int(rng.integers(50, 300)) :] += 60
    return Given(sheet.csv())


def nearly_slow(rng: Rng, k: int) -> Given:
    return Given(Sheet(rng, seconds=100, rate_hz=4.02).csv())


@cache
def _many_rows() -> bytes:
    return b"t,ax,ay,az\n" + b"1\n" * 2_000_100


def lengths(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    rows = sheet.rows()
    if k == 0:
        return Given(_many_rows(), Reason.ROW_LIMIT)
    if k % 2:
        return Given(csv(rows[: 1 + k % 2]), Reason.TOO_SHORT)
    sheet.t[-1] += 48 * 3600 + rng.uniform(1, 3600)
    return Given(sheet.csv(), Reason.TOO_LONG)


def nearly_too_long(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.t[-1] += 48 * 3600 * rng.uniform(0.991, 0.999)
    return Given(sheet.csv())


# ------------------------------------------------------------------------------ acceleration


def in_g(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    factor = rng.uniform(2, 7.5)
    sheet.acc = sheet.acc / 9.80665 if k % 2 else sheet.acc * factor / 9.81
    return Given(sheet.csv(), "unit taken as g" if k % 2 else Reason.UNIT)


def nearly_g(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.acc *= (9.81 + 0.795 * (1 if k % 2 else -1)) / np.median(
        np.linalg.norm(sheet.acc, axis=1)
    )
    return Given(sheet.csv())


def without_gravity(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.acc -= (0.1, 0.2, 9.8)
    text = 'time = {column = "t", unit = "s"}\nacceleration = {x = "ax", y = "ay", z = "az", '
    text += 'unit = "m/s2", sign = "android", gravity = "kept"}'
    columns = parse_column_map(text, where="map")
    if k % 2:
        return Given(sheet.csv(), Reason.UNIT, {"columns": columns})
    return Given(sheet.csv())


def nearly_with_gravity(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.acc -= (0.1, 0.2, 9.8)
    size = np.median(np.linalg.norm(sheet.acc, axis=1))
    sheet.acc *= rng.uniform(1.981, 1.999) / size  # below 2 gravity was removed
    return Given(sheet.csv())


def turned(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    half = len(sheet) // 2 if k % 2 else 0
    sheet.acc[half:] = sheet.acc[half:] @ turn.T
    return Given(sheet.csv(), door=True)


def dead(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    value = rng.normal(0, 1, 3) * 0.1 + (0, 0, 9.8)
    if k % 3 == 0:
        sheet.acc[:] = value
    elif k % 3 == 1:
        sheet.acc[:] = 0
    else:
        sheet.acc[:, k % 2] = value[0]
    return Given(sheet.csv(), Reason.SENSOR_DEAD, door=True)


def quantised(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.acc = np.round(sheet.acc / 0.15) * 0.15
    return Given(sheet.csv(), door=True)


def clipped(rng: Rng, k: int, *, share: float = 0.02, want: Want = "CLIPPED") -> Given:
    sheet = Sheet(rng)
    end = (2 if k % 2 else 4) * 9.80665
    sheet.acc[some(rng, len(sheet), round(share * len(sheet))), 2] = end
    return Given(sheet.csv(), want, door=True)


def spikes(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    if k % 2:
        sheet.acc[some(rng, len(sheet), 1 + k % 4), k % 3] = rng.uniform(1e3, 1e6)
        return Given(sheet.csv(), "above 100 g")
    sheet.acc[some(rng, len(sheet), int(rng.integers(5, 300))), 2] = 1961.3
    return Given(sheet.csv(), Reason.PHYSICS_ACCEL)


def nearly_spike(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.acc[some(rng, len(sheet), 20), 2] = rng.uniform(990, 999.9)
    return Given(sheet.csv())


# ----------------------------------------------------------------------------------- motion


def leaps(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng, seconds=90)
    if k % 3 == 0:
        sheet.lat = sheet.lat[0] + (sheet.t - sheet.t[0]) * rng.uniform(250, 900) / 111_195
        return Given(sheet.csv(), Reason.PHYSICS_SPEED, door=True)
    if k % 3 == 1:
        sheet.lat[sheet.fixes[1::2]] += rng.uniform(0.01, 0.5)
        return Given(sheet.csv(), Reason.PHYSICS_SPEED, door=True)
    sheet.lat[rng.choice(sheet.fixes[6:-6])] += 5_000 / 111_195
    return Given(sheet.csv(), "leap", door=True)


def fast(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lat = sheet.lat[0] + (sheet.t - sheet.t[0]) * 89.5 / 111_195
    if k % 2:  # in one second at most 90 m, and 100 m that a receiver may be wrong by
        at = int(rng.integers(100, 300))
        sheet.lat[at:] += (rng.uniform(188.2, 189.8) - 89.5) / 111_195
    return Given(sheet.csv(), door=True)


def still(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng)
    sheet.lat = sheet.lat[0] + rng.uniform(-8, 8, len(sheet)) / 111_195
    sheet.speed[:] = rng.uniform(0, 1.5)
    return Given(sheet.csv(), Reason.STATIONARY, door=True)


def slow(rng: Rng, k: int) -> Given:
    sheet = Sheet(rng, seconds=60)
    sheet.lat = sheet.lat[0] + (sheet.t - sheet.t[0]) * 1.02 / 111_195
    sheet.speed[:] = 1.02
    return Given(sheet.csv(), door=True)


def on_foot(rng: Rng, k: int) -> Given:
    pace_hz, speed_ms = rng.uniform(1.6, 2.4), rng.uniform(0.9, 2.2)
    return Given(_walk(rng, pace_hz, speed_ms, stated=k % 2 == 0).csv(), Reason.NOT_VEHICLE,
                 door=True)  # fmt: skip


def nearly_on_foot(rng: Rng, k: int) -> Given:
    if k % 2:  # a car in a yard, as slow as a walker: nothing shakes it at the pace of steps
        sheet = _walk(rng, 2.0, rng.uniform(1.2, 2.2))
        sheet.acc = rng.normal((0.1, 0.2, 9.8), 0.8, (len(sheet), 3))
        return Given(sheet.csv(), door=True)
    return Given(_walk(rng, rng.uniform(1.6, 2.4), 2.5 * rng.uniform(1.001, 1.009)).csv(),
                 door=True)  # fmt: skip


def _walk(rng: Rng, pace_hz: float, speed_ms: float, *, stated: bool = True) -> Sheet:
    """Two minutes on foot: each step is felt, and its overtone."""
    sheet = Sheet(rng, seconds=120, rate_hz=20)
    t = sheet.t - sheet.t[0]
    phase = 2 * np.pi * (pace_hz * t + 0.03 * np.cumsum(rng.normal(0, 0.3, len(t))) / 20)
    sheet.acc[:, 2] += rng.uniform(1.5, 3) * np.sin(phase) + rng.uniform(0.3, 1) * np.sin(2 * phase)
    sheet.lat = sheet.lat[0] + t * speed_ms / 111_195
    sheet.speed[:] = speed_ms if stated else -1.0
    return sheet


def noiseless(rng: Rng, k: int, *, share: float | None = None) -> Given:
    sheet = Sheet(rng, seconds=60, rate_hz=20)
    quiet = some(rng, len(sheet), round((share or rng.uniform(0.51, 0.99)) * len(sheet)))
    sheet.acc[quiet] = np.round(rng.normal((0, 0, 9.8), 0.1), 3)
    return Given(sheet.csv(), None if share else Reason.SYNTHETIC, door=True)


def nearly_noiseless(rng: Rng, k: int) -> Given:
    if k % 2:  # whoever says that it is made up may make it up as he likes
        return Given(b"# synthetic: yes\n" + noiseless(rng, k).data, door=True)
    return noiseless(rng, k, share=rng.uniform(0.4951, 0.4991))


def mocked(rng: Rng, k: int, *, said: tuple[str, ...] = ("true", "1", "TRUE", "yes")) -> Given:
    rows, word = Sheet(rng).rows(), said[k % len(said)]
    which = set(some(rng, len(rows), 1 + k % 40).tolist())
    marked = [[*row, word if i in which else ""] for i, row in enumerate(rows)]
    want = None if said == ("false", "0", "no") else Reason.MOCK
    if k % 3 == 2:
        quoted = word.lower() if word.lower() in ("true", "false") else f'"{word}"'
        lines = [
            line[:-1] + f', "isMock": {quoted}}}' if i in which else line
            for i, line in enumerate(_jsonl(rows))
        ]
        return Given("\n".join(lines).encode(), want)
    name = ("mock", "isMock", "is_from_mock_provider", "Mock location")[k % 4]
    return Given(csv(marked, names=(*NAMES, name)), want)


def not_mocked(rng: Rng, k: int) -> Given:
    return mocked(rng, k, said=("false", "0", "no"))


CASES: tuple[Case, ...] = (
    Case(1, "empty", empty, nearly_empty),
    Case(3, "cut off", cut, cut_in_a_row),
    Case(4, "gzip: wrong checksum, something behind it", corrupt, gzipped),
    Case(5, "gzip bomb", bomb, nearly_bomb),
    Case(6, "gzip files joined", members, gzipped),
    Case(7, "zip: members overlap", overlapping, zipped),
    Case(8, "zip in zip", nested, zipped),
    Case(9, "zip: names that lead elsewhere", bad_names, long_name),
    Case(10, "zip: links, encryption, lies about sizes", odd_members, zipped),
    Case(11, "zip: one name twice", doubled_names, zipped),
    Case(12, "other archives", other_archives, name_of_another_kind),
    Case(13, "other kinds of file", other_kinds, name_of_another_kind),
    Case(14, "encodings", encodings, letters),
    Case(15, "control characters", control_characters, letters),
    Case(16, "line ends", line_ends, line_ends),
    Case(17, "long lines", long_lines, nearly_long),
    Case(18, "headers", bad_headers, odd_headers),
    Case(19, "delimiters and decimal signs", delimiters, good),
    Case(20, "JSON", bad_json, odd_json),
    Case(21, "XML with a document type", bad_xml, sound_xml),
    Case(22, "no accelerometer", no_accelerometer, good),
    Case(23, "pickles, databases, arrays", never_loaded, good),
    Case(24, "formulas in names", formula, formula),
    Case(25, "later versions", later_version, this_version),
    Case(26, "rows of another width", ragged,
         lambda rng, k: ragged(rng, k, share=0.198)),
    Case(27, "words for numbers", odd_numbers, minus_zero),
    Case(28, "latitude and longitude swapped", swapped, far_east),
    Case(29, "positions off the Earth", off_the_earth, edge_of_the_earth),
    Case(30, "null island", null_island, null_island_at_first),
    Case(31, "the antimeridian", antimeridian, antimeridian),
    Case(32, "the poles", pole, pole),
    Case(34, "positions on a grid", coarse, nearly_coarse),
    Case(35, "accuracies", accuracies, good),
    Case(36, "units of time", units_of_time, good),
    Case(37, "strange years", strange_years, first_year),
    Case(38, "tomorrow, last year", wrong_day, nearly_wrong_day),
    Case(39, "order of time", disorder, slight_disorder),
    Case(40, "equal stamps", bunches, jitter),
    Case(41, "clocks that were changed", clock_changes, beside_clock_changes),
    Case(42, "leap second", leap_second, leap_second),
    Case(43, "two clocks", skewed, slightly_late),
    Case(44, "rates", rates, nearly_slow),
    Case(45, "too short, too long, too many", lengths, nearly_too_long),
    Case(46, "g", in_g, nearly_g),
    Case(47, "gravity removed", without_gravity, nearly_with_gravity),
    Case(48, "phone turned", turned, turned),
    Case(49, "dead sensor", dead, quantised),
    Case(50, "cut at the sensor's range", clipped,
         lambda rng, k: clipped(rng, k, share=0.005, want=None)),
    Case(51, "spikes", spikes, nearly_spike),
    Case(52, "leaps", leaps, fast),
    Case(53, "no drive", still, slow),
    Case(54, "on foot", on_foot, nearly_on_foot),
    Case(55, "no noise", noiseless, nearly_noiseless),
    Case(59, "positions of a mock provider", mocked, not_mocked),
)  # fmt: skip
"""The cases that reading and the door decide."""


def replayed(rng: Rng, k: int) -> tuple[bytes, bytes]:
    """A drive and the same drive in other bytes: other rows, columns, units, wrappings."""
    data = Sheet(rng).csv(head=f"# device: phone {k}\n")
    rows = [line.split(",") for line in data.decode().splitlines()[2:]]
    order = rng.permutation(len(NAMES))
    other = (
        lambda: gzip.compress(data),
        lambda: packed({f"{k}.csv": data}),
        lambda: csv(rows, head=f"# device: another {k}\r\n").replace(b"\n", b"\r\n"),
        lambda: csv(
            [[row[i] for i in order] for row in rows], names=tuple(NAMES[i] for i in order)
        ),
        lambda: csv([[str(round(float(row[0]) * 1e6)), *row[1:]] for row in rows]),
        lambda: "\n".join(_jsonl(rows)).encode(),
        lambda: csv([row for row in rows for _ in range(2)]),
    )
    return data, other[k % len(other)]()


def nearly_replayed(rng: Rng, k: int) -> tuple[bytes, bytes]:
    """A drive and one made of it: an hour later, with noise, at half the rate, mirrored."""
    sheet = Sheet(rng)
    data = sheet.csv()
    if k % 4 == 0:
        sheet.t += 3600
    elif k % 4 == 1:
        sheet.acc += rng.normal(0, 0.01, sheet.acc.shape)
    elif k % 4 == 2:
        return data, csv(sheet.rows()[::2])
    else:
        sheet.acc[:, 0] *= -1
    return data, sheet.csv()


def two_places(rng: Rng, k: int) -> tuple[bytes, bytes]:
    """Two drives of one phone in the same minute, 40 km apart."""
    one, two = Sheet(rng), Sheet(rng)
    two.t = one.t + rng.uniform(0, 20)
    two.lat += one.lat[0] - two.lat[0] + 40_000 / 111_195
    head = f"# device: phone {k}\n"
    return one.csv(head), two.csv(head)


def extreme(rng: Rng, k: int) -> bytes:
    """A drive over the hardest jolts that are taken at all, as many as there is room for."""
    sheet = Sheet(rng, seconds=120, rate_hz=50)
    hits = np.arange(25 + k % 25, len(sheet), 25 + k % 60)
    sheet.acc[hits, k % 3] = rng.uniform(900, 999.9) * rng.choice((-1, 1), len(hits))
    return sheet.csv()


ELSEWHERE: dict[int, str] = {
    2: "tests/test_worker.py::test_files_over_the_limit_are_not_read",
    33: "tests/submit/test_routing.py::test_a_drive_over_the_border_is_the_citys_within_it_only",
    56: "tests/trips/test_sixty_cases.py::test_an_exact_replay_is_the_same_trip",
    57: "tests/cluster/test_evidence.py::test_a_car_that_goes_round_the_block_has_one_vote",
    58: "tests/trips/test_sixty_cases.py::test_two_places_at_once_are_two_trips_of_one_phone",
    60: "tests/trips/test_sixty_cases.py::test_what_comes_of_the_hardest_jolts_is_finite",
}
"""Number → the test that decides it, where another room does or a case is no single file."""
