"""The guard: hostile archives are refused early and cheaply, and cut files never crash a reader."""

from __future__ import annotations

import gzip
import io
import re
import stat
import struct
import time
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streetbump.commands.inputs import contents_of, trip_files
from streetbump.model import Reason, Rejected, Trip
from streetbump.trips import bundle
from streetbump.trips.bundle import open_bundle, packed, unzipped
from streetbump.trips.refusal import Refusal
from streetbump.trips.table import Columns, find_layout, read_columns
from streetbump.trips.text import CELL_BYTES, has_long_cells, open_text

from .kit import plain_csv, read_all, refusal_of, trip_in

TABLE = plain_csv(seconds=20).encode()
MEMORY_BYTES = 16 * 2**20
CPU_S = 0.5


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A sound zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def raw_zip(
    *members: tuple[bytes, bytes],
    size: int | None = None,
    flags: int = 0,
    mode: int = 0,
    copies: int = 1,
    local_name: bytes | None = None,
    said: int | None = None,
) -> bytes:
    """A zip whose headers say what they are told to; every member `copies` times in the directory.

    Parameters
    ----------
    size : int
        Unpacked size stated in both headers.
    said : int
        Number of members stated at the end.
    """
    body, directory = b"", b""
    for name, data in members:
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        small = squeeze.compress(data) + squeeze.flush()
        common = struct.pack(
            "<5H3L2H", 20, flags, 8, 0, 33, zlib.crc32(data), len(small),
            len(data) if size is None else size, len(name), 0,
        )  # fmt: skip
        entry = b"PK\1\2\x14\3" + common + struct.pack("<3H2L", 0, 0, 0, mode << 16, len(body))
        directory += (entry + name) * copies
        body += b"PK\3\4" + common + (local_name or name) + small
    count = said if said is not None else copies * len(members)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, count, count, len(directory), len(body), 0)
    return body + directory + end


def bomb(size: int) -> bytes:
    """A gzip of so many zero bytes."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(2**20)
    return b"".join(squeeze.compress(block) for _ in range(size // 2**20)) + squeeze.flush()


def quoting() -> bytes:
    """A zip whose first member holds the second one, header and all, as its own data."""
    inner = zipped(("b.csv", TABLE))
    at = inner.index(b"PK\1\2")
    outer = zipped(("a.csv", inner[:at]), method=zipfile.ZIP_STORED)
    end = outer.index(b"PK\1\2", at)
    entry = bytearray(inner[at : inner.index(b"PK\5\6")])
    entry[42:46] = struct.pack("<L", 30 + len("a.csv"))
    directory = outer[end : outer.index(b"PK\5\6", end)] + bytes(entry)
    stated = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(directory), end, 0)
    return outer[:end] + directory + stated


def with_flag(data: bytes) -> bytes:
    """A sound zip, said to be encrypted in both headers."""
    at = data.index(b"PK\1\2")
    return data[:6] + b"\1" + data[7 : at + 8] + b"\1" + data[at + 9 :]


BIG = bytes(8 * 2**20)
HOSTILE: list[tuple[str, Callable[[], bytes], Reason]] = [
    ("1,000 members over one", lambda: raw_zip((b"a.csv", bytes(1_050_000)), copies=1000),
     Reason.ARCHIVE_HOSTILE),
    ("60 members over one", lambda: raw_zip((b"a.csv", bytes(1_050_000)), copies=60),
     Reason.ARCHIVE_HOSTILE),
    ("a member inside a member", quoting, Reason.ARCHIVE_HOSTILE),
    ("65 members", lambda: zipped(*((f"{k}.csv", b"1") for k in range(65))),
     Reason.ARCHIVE_HOSTILE),
    ("60,000 members", lambda: raw_zip((b"a", b"1"), copies=60_000), Reason.ARCHIVE_HOSTILE),
    ("more members than said", lambda: raw_zip((b"a", b"1"), (b"b", b"1"), said=1),
     Reason.ARCHIVE_HOSTILE),
    ("zips in a zip", lambda: zipped(*((f"lib {k}.zip", zipped(("0.dll", BIG)))
                                       for k in range(16))), Reason.ARCHIVE_NESTED),
    ("a zip under another name", lambda: zipped(("a.csv", zipped(("b.csv", TABLE)))),
     Reason.ARCHIVE_NESTED),
    ("a gzip in a zip", lambda: zipped(("a.csv", gzip.compress(TABLE))), Reason.ARCHIVE_NESTED),
    ("a zip in a gzip", lambda: gzip.compress(zipped(("a.csv", TABLE))), Reason.ARCHIVE_NESTED),
    ("a gzip in a gzip", lambda: gzip.compress(gzip.compress(TABLE)), Reason.ARCHIVE_NESTED),
    ("64 MB of zeros", lambda: raw_zip((b"a.csv", bytes(2**26)), size=2**26),
     Reason.DECOMPRESS_LIMIT),
    ("10 B said, 64 MB there", lambda: raw_zip((b"a.csv", bytes(2**26)), size=10),
     Reason.ARCHIVE_HOSTILE),
    ("257 MiB said", lambda: raw_zip((b"a.csv", TABLE), size=257 * 2**20),
     Reason.DECOMPRESS_LIMIT),
    ("less there than said", lambda: raw_zip((b"a.csv", TABLE), size=len(TABLE) + 1),
     Reason.CORRUPT),
    ("zip64 size", lambda: raw_zip((b"a.csv", TABLE), size=0xFFFFFFFF), Reason.ARCHIVE_HOSTILE),
    ("zip64 count", lambda: raw_zip((b"a.csv", TABLE), said=0xFFFF), Reason.ARCHIVE_HOSTILE),
    ("two names for one member", lambda: raw_zip((b"a.csv", TABLE), local_name=b"b.csv"),
     Reason.ARCHIVE_HOSTILE),
    ("encrypted", lambda: with_flag(zipped(("a.csv", TABLE))), Reason.ARCHIVE_HOSTILE),
    ("link", lambda: raw_zip((b"a.csv", b"/etc/passwd"), mode=stat.S_IFLNK | 0o777),
     Reason.ARCHIVE_HOSTILE),
    ("device", lambda: raw_zip((b"a.csv", b""), mode=stat.S_IFBLK), Reason.ARCHIVE_HOSTILE),
    ("one name twice", lambda: raw_zip((b"a.csv", TABLE), (b"a.csv", TABLE)),
     Reason.ARCHIVE_AMBIGUOUS),
    ("one name twice, in another case", lambda: raw_zip((b"a.csv", TABLE), (b"A.CSV", TABLE)),
     Reason.ARCHIVE_AMBIGUOUS),
    ("something before the zip's first member",
     lambda: b"PK\3\4" + raw_zip((b"a.csv", TABLE)), Reason.ARCHIVE_HOSTILE),
    ("something behind the zip", lambda: zipped(("a.csv", TABLE)) + b"x", Reason.CORRUPT),
    ("lzma in a zip", lambda: zipped(("a.csv", TABLE), method=zipfile.ZIP_LZMA),
     Reason.UNSUPPORTED_TYPE),
    ("no file in the zip", lambda: zipped(("folder/", b"")), Reason.EMPTY),
    ("two unknown files in a zip", lambda: zipped(("a.csv", TABLE), ("b.csv", TABLE)),
     Reason.UNSUPPORTED_TYPE),
    ("gzip bomb", lambda: bomb(2**26), Reason.DECOMPRESS_LIMIT),
    ("gzip bomb of 256 MB", lambda: bomb(2**28), Reason.DECOMPRESS_LIMIT),
    ("a gzip bomb behind noise",
     lambda: gzip.compress(np.random.default_rng(1).bytes(2**20) + bytes(2**26)),
     Reason.DECOMPRESS_LIMIT),
    ("10,000 gzip members", lambda: gzip.compress(b"1,2\n") * 10_000, Reason.DECOMPRESS_LIMIT),
    ("something behind the gzip", lambda: gzip.compress(TABLE) + b"x", Reason.CORRUPT),
    ("wrong checksum of a gzip",
     lambda: gzip.compress(TABLE)[:-8] + b"1234" + gzip.compress(TABLE)[-4:], Reason.CORRUPT),
    ("gzip cut in its first line", lambda: gzip.compress(TABLE)[:25], Reason.TRUNCATED),
    ("cut zip", lambda: zipped(("a.csv", TABLE))[:-30], Reason.TRUNCATED),
    *(
        (f"name {name[:20]!r}", lambda name=name: raw_zip((name, TABLE)), Reason.ARCHIVE_HOSTILE)  # type: ignore[misc]
        for name in (
            b"../../x.csv", b"a/../x.csv", b"/etc/x.csv", b"C:\\x.csv", b"c:x.csv", b"a\\b.csv",
            b"a.csv\0.exe", b"./a.csv", b"a//b.csv", b"n" * 300, b"\x1b[31m.csv", b"",
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("build", "reason"), [pytest.param(b, r, id=i) for i, b, r in HOSTILE])
def test_a_hostile_archive_is_refused_cheaply(build: Callable[[], bytes], reason: Reason) -> None:
    """Within 16 MiB of memory beyond the upload and half a second of processor time."""
    data = build()
    start_s = time.process_time()
    got = refusal_of(data)
    cpu_s = time.process_time() - start_s
    assert got.reason is reason, got.hint
    assert got.hint.isprintable()
    assert cpu_s <= CPU_S
    tracemalloc.start()
    try:
        refusal_of(data)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak_bytes <= MEMORY_BYTES


def _streamed() -> bytes:
    """A zip as it is written to a pipe: sizes stand behind the members."""

    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def tell(self) -> int:
            raise io.UnsupportedOperation

    out = Pipe()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", TABLE)
    return out.getvalue()


def _commented() -> bytes:
    out = io.BytesIO(zipped(("a.csv", TABLE)))
    with zipfile.ZipFile(out, "a") as archive:
        archive.comment = b"made by a phone"
    return out.getvalue()


SOUND = [
    ("gzip", gzip.compress(TABLE)),
    ("gzip with a name", b"\x1f\x8b\x08\x08\0\0\0\0\0\3a.csv\0" + gzip.compress(TABLE)[10:]),
    ("zip", zipped(("trip/a.csv", TABLE))),
    ("stored zip", packed({"a.csv": TABLE})),
    ("zip written to a pipe", _streamed()),
    ("zip with a comment", _commented()),
    ("zip with a folder", zipped(("trip/", b""), ("trip/a.csv", TABLE))),
    ("zip with a desktop's litter", zipped(("a.csv", TABLE), ("__MACOSX/._a.csv", b"\0\5"))),
    ("zip of JSON lines", zipped(("a", b'{"t":1.7e9,"ax":0,"ay":0,"az":9.8}\n'
                                       b'{"t":1700000001,"ax":0,"ay":1,"az":9.8}\n'
                                       b'{"t":1700000002,"ax":1,"ay":0,"az":9.8}\n'))),
]  # fmt: skip


@pytest.mark.parametrize("data", [pytest.param(d, id=i) for i, d in SOUND])
def test_a_sound_archive_is_read(data: bytes) -> None:
    """What is packed once, by whatever tool, is the trip inside."""
    inner = TABLE if b"{" not in unpacked(data)[:1] else unpacked(data)
    assert trip_in(data).trip_id == trip_in(inner).trip_id


def unpacked(data: bytes) -> bytes:
    """The bytes of the first file in an archive."""
    if data.startswith(b"\x1f\x8b"):
        return unzipped(data)[0]
    box = open_bundle(data)
    return box.read(box.names[0])


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(plain_csv(seconds=1).encode(), id="csv"),
        pytest.param(b'{"t":1.7e9,"ax":0,"ay":0,"az":9.8}\n' * 9, id="jsonl"),
        pytest.param(plain_csv(seconds=0.5).encode("utf-16"), id="utf-16"),
        pytest.param(gzip.compress(plain_csv(seconds=1).encode()), id="gzip"),
        pytest.param(zipped(("a.csv", plain_csv(seconds=1).encode())), id="zip"),
    ],
)
def test_a_file_cut_anywhere_is_data(data: bytes) -> None:
    """Cut at any byte, a file is read or refused; no archive is taken without a word."""
    for end in range(len(data)):
        rows = read_all(data[:end])
        assert all(isinstance(row, Trip | Rejected) for row in rows)
        if data.startswith((b"PK", b"\x1f\x8b")) and end > 3:
            assert all(
                isinstance(row, Rejected) or row.warnings[0].startswith("TRUNCATED") for row in rows
            )


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.booleans())
def test_a_changed_byte_of_an_archive_is_data(place: int, value: int, pack: bool) -> None:
    """With any byte changed, an archive gives the same trip or a refusal, never another trip."""
    small = plain_csv(seconds=1).encode()
    data = bytearray(zipped(("a.csv", small)) if pack else gzip.compress(small))
    data[place % len(data)] = value
    for row in read_all(bytes(data)):
        assert isinstance(row, Rejected) or row.trip_id == trip_in(small).trip_id


def test_members_together_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cap on unpacked bytes holds for all members that are read, not for each."""
    monkeypatch.setattr(bundle, "UNPACKED_BYTES", 1000)
    box = open_bundle(zipped(("a", b"1" * 600), ("b", b"2" * 600)))
    assert box.read("a") == b"1" * 600
    with pytest.raises(Refusal, match="DECOMPRESS_LIMIT"):
        box.read("b")


def test_a_folder_is_packed_alike_everywhere() -> None:
    """The same members give the same bytes, in whatever order they come."""
    assert packed({"b": b"2", "a/c": b"1"}) == packed({"a/c": b"1", "b": b"2"})


RECORDINGS = [
    ("Accelerometer.csv", "Location.csv"),
    ("TotalAcceleration.csv", "Metadata.csv", "Gravity.csv"),
    ("Raw Data.csv", "meta/time.csv"),
]


@pytest.mark.parametrize("names", RECORDINGS, ids=lambda names: names[0])
def test_a_folder_that_is_one_recording_is_one_upload(
    tmp_path: Path, names: tuple[str, ...]
) -> None:
    """It stands for itself among other files, and its tables are its content, nothing else."""
    for name in (*names, "photo.jpg", ".hidden.csv"):
        path = tmp_path / "drives" / "monday" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "drives" / "tuesday.csv").write_bytes(TABLE)
    monday, tuesday = trip_files([str(tmp_path / "drives")])
    assert (monday.name, tuesday.name) == ("monday", "tuesday.csv")
    assert trip_files([str(monday)]) == [monday]
    box = open_bundle(contents_of(monday))
    assert {name: box.read(name) for name in box.names} == {n: n.encode() for n in names}
    assert contents_of(tuesday) == TABLE


@pytest.mark.parametrize("names", [("Accelerometer.csv", "trip.csv"), ("Location.csv", "b.csv")])
def test_a_folder_of_many_files_recurses(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Files that are no one recording are uploads of their own; hidden ones are left out."""
    for name in (*names, ".hidden.csv", "x.db"):
        (tmp_path / name).write_bytes(TABLE)
    assert [path.name for path in trip_files([str(tmp_path)])] == sorted(names)


@pytest.mark.parametrize("cell", ["9" * 33, "0." + "1" * 31, "1" * 5000, "1e" + "9" * 40])
def test_a_long_number_is_no_number(cell: str) -> None:
    """More than 32 characters are no number: the row is dropped and counted."""
    trip = trip_in(plain_csv() + f"1700000500,{cell},0,9.8,,,,,\n")
    assert trip.trip_id == trip_in(plain_csv()).trip_id
    assert any("could not be read" in said for said in trip.warnings)


def test_a_number_of_32_characters_is_one() -> None:
    """The limit is far beyond what a logger writes, and 32 are within it."""
    cell = "0." + "1" * 30
    trip = trip_in(plain_csv() + f"1700000500,{cell},0,9.8,,,,,\n")
    assert trip.acc[-1].tolist() == [1111, 0, 98000]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=200),
    st.sampled_from(",;\t"),
    st.integers(0, 2),
)
def test_long_cells_are_found(lengths: list[int], delimiter: str, line: int) -> None:
    """The quick look by words of eight bytes says what cutting into cells would."""
    cells = "".join("1" * n + (delimiter if n % 3 != line else "\n") for n in lengths)
    longest = max(map(len, re.split(f"[{delimiter}\n]", cells)))
    assert has_long_cells(cells.encode(), delimiter) == (longest > CELL_BYTES)


def test_long_cells_are_found_across_chunks() -> None:
    """A cell that lies across the border of two chunks is seen whole."""
    for shift in range(0, 80, 7):
        text = b"1,\n" * ((32 * 8192) // 3) + b"," * (80 - shift)
        assert not has_long_cells(text + b"2" * 32 + b",", ",")
        assert has_long_cells(text + b"2" * 33 + b",", ",")


def read_beside(cells: Sequence[str], other: str) -> tuple[Columns, Columns]:
    """Cells as a column of a table of nothing else, and of one with a last row of some `other`."""
    body = "a,b\n1,1\n" + "".join(f"1,{cell}\n" for cell in cells)
    texts = [open_text(t.encode()) for t in (body, f"{body}1,{other}\n")]
    alone, beside = (read_columns(t, find_layout(t), numbers=[0, 1]) for t in texts)
    return alone, beside


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.text("0123456789.+-eE/", max_size=6)
        | st.floats(allow_nan=False, allow_infinity=False).map(repr)
        | st.text("0123456789", min_size=20, max_size=40),
        max_size=20,
    )
)
@example(["1e400"])
@example(["9" * 31])
@example(["0." + "1" * 31])
def test_what_is_a_number_does_not_hang_on_its_table(cells: list[str]) -> None:
    """A table of plain numbers gives, to the last bit, what it gives beside a row of words."""
    alone, beside = read_beside(cells, '"no"')
    assert alone.rows == len(cells) + 1 == beside.rows - 1
    np.testing.assert_array_equal(alone.numbers[1], beside.numbers[1][:-1])


@pytest.mark.parametrize("row", ["1", "1,2,3", "1,2,"])
def test_misfits_among_plain_numbers_are_lost(row: str) -> None:
    """A row with a field too few or too many is left out of a table of numbers, and counted."""
    text = open_text(f"a,b\n1,2\n{row}\n3,4\n".encode())
    columns = read_columns(text, find_layout(text), numbers=[0, 1])
    assert (columns.rows, columns.lost) == (3, 1)
    assert columns.numbers[1].tolist() == [2.0, 4.0]


def test_misfits_that_even_out_are_lost() -> None:
    """A row with a field too many does not stand in for one too few."""
    text = open_text(b"a,b\n1,2\n3,4,5\n6\n7,8\n")
    columns = read_columns(text, find_layout(text), numbers=[0, 1])
    assert columns.lost == 2
    assert columns.numbers[1].tolist() == [2.0, 8.0]


def test_every_reason_is_explained() -> None:
    """docs/reasons.md has one row for each code, and no other."""
    page = (Path(__file__).parents[2] / "docs" / "reasons.md").read_text("utf-8")
    listed = re.findall(r"^\| `([A-Z_]+)` \|", page, flags=re.MULTILINE)
    assert sorted(listed) == sorted(reason.value for reason in Reason)


def test_every_reason_is_given() -> None:
    """No code is kept that nothing gives."""
    package = Path(__file__).parents[2] / "streetbump"
    text = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    assert {r.name for r in Reason} <= set(re.findall(r"Reason\.([A-Z_]+)", text))
