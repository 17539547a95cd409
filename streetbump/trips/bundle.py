"""The guard in front of archives: one zip or gzip → members or bytes, under limits.

A zip is believed in nothing. Its directory is read here, not by the standard library, because
what that refuses depends on its version: overlapping members (https://www.bamsoftware.com/hacks/zipbomb/)
were taken by most builds of Python we tried. Every member must have a header of its own that
agrees with the directory, lie apart from all others, and unpack to the size and checksum stated.
Nothing is ever written to disk. Layout of the records: PKWARE's APPNOTE.TXT 6.3.10.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from streetbump.model import Reason
from streetbump.trips.refusal import Refusal, quoted

ENTRIES = 64
"""Most members of an archive (robustness T2); a logger writes one per sensor."""
UNPACKED_BYTES = 256 * 1024 * 1024
"""Most bytes that are unpacked from one upload (design 13)."""
RATIO = 200
"""Most bytes that one packed byte may become (robustness T2); text of sensors reaches about 20."""
NAME_BYTES = 255
"""Longest name of a member, as file systems have it."""
HEAD_BYTES = 1024
"""So much of a member is shown to who asks what it is: a header. Chosen by us."""

_PIECE = 8 * 1024  # packed bytes at one time; with RATIO, at most 1.6 MB unpacked
_END = struct.Struct("<4s4H2LH")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_END_REACH = _END.size + 0xFFFF  # the end record and the longest comment after it
_SAID_ELSEWHERE = 0xFFFFFFFF  # zip64: only archives far beyond our limits need it
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_SIZES_BEHIND = 0x8
_PACKED = (
    b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd",
    b"7z\xbc\xaf\x27\x1c", b"Rar!",
)  # fmt: skip
_PACKED_ENDINGS = (
    ".zip", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".jar", ".apk",
)  # fmt: skip
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db")  # what desktops add when they pack a folder


class Inflater(Protocol):
    """What ``zlib.decompressobj`` gives."""

    @property
    def eof(self) -> bool:
        """Whether the end was reached."""

    @property
    def unconsumed_tail(self) -> bytes:
        """What was not taken because the output was full."""

    @property
    def unused_data(self) -> bytes:
        """What stands behind the end."""

    def decompress(self, data: memoryview, max_length: int, /) -> bytes:
        """Some bytes, unpacked."""


@dataclass(frozen=True)
class _Member:
    """One entry of the directory."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    mode: int
    at: int


class Bundle:
    """The members of an archive; they are unpacked one by one, when they are asked for.

    Attributes
    ----------
    names : tuple of str
        Paths with ``/``, folders left out, in the order of the archive.
    """

    def __init__(self, data: bytes, members: tuple[_Member, ...], starts: Mapping[str, int]):
        self.names = tuple(m.name for m in members)
        self._members = {m.name: m for m in members}
        self._starts = starts
        self._data = data
        self._left = UNPACKED_BYTES

    def head(self, name: str) -> bytes:
        r"""The first bytes of a member, unchecked, at most `HEAD_BYTES`: to tell what it is.

        >>> open_bundle(packed({"a.csv": b"time,x\n" * 999})).head("a.csv")[:7]
        b'time,x\n'
        """
        member, start = self._members[name], self._starts[name]
        packed = self._data[start : start + min(member.packed, HEAD_BYTES)]
        if member.method == _STORED:
            return packed
        try:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, HEAD_BYTES)
        except zlib.error:  # said when it is read
            return b""

    def read(self, name: str) -> bytes:
        """The bytes of one member, by its name in `names`.

        Raises
        ------
        Refusal
            ARCHIVE_HOSTILE, ARCHIVE_NESTED, CORRUPT, DECOMPRESS_LIMIT.
        """
        member = self._members[name]
        if member.size > self._left:
            raise Refusal(Reason.DECOMPRESS_LIMIT, _TOO_MUCH)
        self._left -= member.size
        start = self._starts[name]
        packed = memoryview(self._data)[start : start + member.packed]
        found = bytes(packed) if member.method == _STORED else _inflate_member(packed, member)
        if len(found) != member.size or zlib.crc32(found) != member.crc:
            raise Refusal(
                Reason.CORRUPT, f"{quoted(name)} in the zip is damaged: export the trip again"
            )
        refuse_nested(found)
        return found


_TOO_MANY = (
    f"the zip holds more than {ENTRIES} files: leave out pictures and Bluetooth devices, or unpack "
    "it and give the folder"
)
_TOO_MUCH = f"it unpacks to more than {UNPACKED_BYTES} bytes: split the recording"


def is_zip(data: bytes) -> bool:
    r"""Whether the bytes begin as a zip archive.

    >>> is_zip(b"PK\x03\x04"), is_zip(b"t,ax")
    (True, False)
    """
    return data.startswith((b"PK\x03\x04", b"PK\x05\x06"))


def is_gzip(data: bytes) -> bool:
    r"""Whether the bytes begin as gzip.

    >>> is_gzip(b"\x1f\x8b\x08"), is_gzip(b"t,ax")
    (True, False)
    """
    return data.startswith(b"\x1f\x8b")


def packed(members: Mapping[str, bytes]) -> bytes:
    """A zip of these members, not compressed: the same bytes for the same members everywhere.

    >>> open_bundle(packed({"b.csv": b"2", "a.csv": b"1"})).names
    ('a.csv', 'b.csv')
    """
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in sorted(members):
            info = zipfile.ZipInfo(name)  # its time is the beginning of 1980
            info.create_system = 3
            archive.writestr(info, members[name])
    return out.getvalue()


def unzipped(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    r"""What a gzip file holds, and warnings: one member, and nothing after it.

    How long it was to be stands in its last bytes. Of one that is cut off, the whole lines that
    can be read are given, with a warning (docs/decisions/cut-files.md).

    >>> import gzip
    >>> unzipped(gzip.compress(b"t,ax\n"))
    (b't,ax\n', ())
    >>> unzipped(gzip.compress(b"t,ax\n1,2\n3,4")[:-9])[0]
    b't,ax\n1,2\n'

    Raises
    ------
    Refusal
        TRUNCATED (cut off, and no line can be read), CORRUPT, DECOMPRESS_LIMIT (too much, or
        several members), ARCHIVE_NESTED.
    """
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        found, rest = _inflate(memoryview(data), unpack, UNPACKED_BYTES, _gzip_too_large)
    except zlib.error as exc:
        raise Refusal(Reason.CORRUPT, "the gzip is damaged: export the trip again") from exc
    if not unpack.eof:
        return _whole_lines(found, stated=int.from_bytes(data[-4:], "little"))
    if is_gzip(rest):
        raise Refusal(
            Reason.DECOMPRESS_LIMIT, "several gzip files are joined in one: upload one by one"
        )
    if rest:
        raise Refusal(Reason.CORRUPT, "something stands behind the end of the gzip")
    refuse_nested(found)
    return found, ()


def _whole_lines(found: bytes, *, stated: int) -> tuple[bytes, tuple[str, ...]]:
    """What can be read of a gzip that is cut off, up to its last line end.

    Where the last bytes `stated` about the size that was found, nothing is cut off: the codes
    before them are damaged, and nobody knows from where on.
    """
    if len(found) <= 3 * stated <= 9 * len(found):
        raise Refusal(Reason.CORRUPT, "the gzip is damaged: export the trip again")
    refuse_nested(found)
    end = found.rfind(b"\n") + 1
    if end == 0:
        raise Refusal(Reason.TRUNCATED, "the gzip is cut off: upload it again")
    return found[:end], (
        "TRUNCATED: the gzip is cut off, its whole lines were read: upload it again for the rest",
    )


def refuse_nested(data: bytes) -> None:
    r"""Refuse bytes out of an archive that are an archive themselves.

    >>> refuse_nested(b"t,ax,ay,az\n")

    Raises
    ------
    Refusal
        ARCHIVE_NESTED.
    """
    if data.startswith(_PACKED):
        raise Refusal(
            Reason.ARCHIVE_NESTED, "there is an archive inside the archive: unpack it once"
        )


def open_bundle(data: bytes) -> Bundle:
    """The members of a zip archive, nothing of them unpacked.

    Raises
    ------
    Refusal
        TRUNCATED (it has no end), CORRUPT (a broken directory), EMPTY, UNSUPPORTED_TYPE (a
        method that is not read), ARCHIVE_HOSTILE, ARCHIVE_NESTED, ARCHIVE_AMBIGUOUS.
    """
    members, directory_at = _directory(data)
    for member in members:
        _refuse_name(member)
    files = tuple(m for m in members if not _is_folder(m) and not _is_litter(m.name))
    if not files:
        raise Refusal(Reason.EMPTY, "the zip holds no file")
    if len(files) > ENTRIES:
        raise Refusal(Reason.ARCHIVE_HOSTILE, _TOO_MANY)
    for member in files:
        if member.name.lower().endswith(_PACKED_ENDINGS):
            raise Refusal(
                Reason.ARCHIVE_NESTED, f"{quoted(member.name)} is an archive inside the archive: "
                "unpack it once",
            )  # fmt: skip
    for member in members:
        _refuse_kind(member)
    starts = _starts(data, members, directory_at)
    if len({m.name.casefold() for m in files}) < len(files):
        raise Refusal(
            Reason.ARCHIVE_AMBIGUOUS, "two files in the zip have one name: export the trip again"
        )
    return Bundle(data, files, starts)


def _hostile(what: str) -> Refusal:
    return Refusal(Reason.ARCHIVE_HOSTILE, f"no logger writes such a zip: {what}")


# ------------------------------------------------------------------------- the directory


def _directory(data: bytes) -> tuple[list[_Member], int]:
    """The entries of the directory at the end of a zip, and where it begins."""
    end_at = _end_of(data)
    (_, disk, first_disk, here, count, size, at, _) = _END.unpack_from(data, end_at)
    if 0xFFFF in (here, count) or _SAID_ELSEWHERE in (size, at):
        raise _hostile("it has sizes that only zip64 could state")
    if (disk, first_disk) != (0, 0) or here != count:
        raise _hostile("it says that it is one part of several")
    if count > 2 * ENTRIES:  # twice: desktops may add one entry for each file
        raise Refusal(Reason.ARCHIVE_HOSTILE, _TOO_MANY)
    if at + size != end_at:
        raise _hostile("its directory does not end where the end record begins")
    members = []
    place = at
    for _ in range(count):  # at most 128 entries
        if place + _ENTRY.size > end_at:
            raise Refusal(Reason.CORRUPT, "the zip's directory is damaged: export the trip again")
        member, place = _entry(data, place)
        members.append(member)
    if place != end_at:
        raise _hostile("its directory holds more than it says")
    return members, at


def _end_of(data: bytes) -> int:
    """Where the end record stands: its comment reaches exactly to the end of the bytes."""
    tail_at = max(len(data) - _END_REACH, 0)
    tail = data[tail_at:]
    at = tail.rfind(b"PK\x05\x06")
    if at < 0:
        raise Refusal(Reason.TRUNCATED, "the zip is cut off: upload it again")
    if len(tail) - at < _END.size:
        raise Refusal(Reason.TRUNCATED, "the zip is cut off in its last bytes: upload it again")
    comment = _END.unpack_from(tail, at)[-1]
    if at + _END.size + comment > len(tail):
        raise Refusal(Reason.TRUNCATED, "the zip is cut off in its comment: upload it again")
    if at + _END.size + comment < len(tail):
        raise Refusal(Reason.CORRUPT, "something stands behind the end of the zip")
    return tail_at + at


def _entry(data: bytes, place: int) -> tuple[_Member, int]:
    """One entry of the directory, and where the next one begins."""
    (magic, _, _, flags, method, _, _, crc, packed_size, size, name_length, extra, comment,
     disk, _, attributes, at) = _ENTRY.unpack_from(data, place)  # fmt: skip
    if magic != b"PK\x01\x02":
        raise Refusal(Reason.CORRUPT, "the zip's directory is damaged: export the trip again")
    if _SAID_ELSEWHERE in (packed_size, size, at) or disk:
        raise _hostile("it has sizes that only zip64 could state")
    name_at = place + _ENTRY.size
    raw = data[name_at : name_at + name_length]
    mode = attributes >> 16
    member = _Member(raw, _text(raw), flags, method, crc, packed_size, size, mode, at)
    return member, name_at + name_length + extra + comment


def _text(raw: bytes) -> str:
    """A name as text; the flag that tells its encoding is wrong too often to be asked."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("cp437")


def _is_folder(member: _Member) -> bool:
    return member.name.endswith("/")


def _is_litter(name: str) -> bool:
    return name.startswith(_LITTER[0]) or name.rsplit("/", 1)[-1] in _LITTER[1:]


def _refuse_name(member: _Member) -> None:
    """Refuse a name that would lead anywhere but down, though nothing is ever unpacked to disk."""
    name = member.name
    parts = name.removesuffix("/").split("/")
    if len(member.raw_name) > NAME_BYTES:
        raise _hostile(f"the name {quoted(name)} is longer than {NAME_BYTES} bytes")
    if "\\" in name or ":" in name or not name.isprintable() or {"", ".", ".."} & set(parts):
        raise _hostile(f"the name {quoted(name)} is no plain path inside a folder")


def _refuse_kind(member: _Member) -> None:
    """Refuse what is no plain file or folder, or not packed in one of the two common ways."""
    name = quoted(member.name)
    if member.flags & _ENCRYPTED:
        raise _hostile(f"{name} is encrypted")
    if stat.S_IFMT(member.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _hostile(f"{name} is a link or a device")
    if member.method not in (_STORED, _DEFLATED):
        raise Refusal(
            Reason.UNSUPPORTED_TYPE, f"{name} is packed by method {member.method}, which is not "
            "read: pack it with deflate",
        )  # fmt: skip
    if member.method == _STORED and member.packed != member.size:
        raise _hostile(f"{name} is said to be stored, in another size than its own")
    if _is_folder(member) and member.size:
        raise _hostile(f"the folder {name} is said to hold bytes")


def _starts(data: bytes, members: list[_Member], directory_at: int) -> dict[str, int]:
    """Where each member's packed bytes begin; refuses headers that disagree, and overlap."""
    starts: dict[str, int] = {}
    free_from = 0
    for member in sorted(members, key=lambda m: m.at):
        if member.at < free_from:
            raise _hostile("members overlap")
        if not starts and member.at != 0:
            raise _hostile("something stands before the first member")
        start = _start(data, member, directory_at)
        free_from = start + member.packed
        if free_from > directory_at:
            raise _hostile(f"{quoted(member.name)} reaches into the directory")
        starts[member.name] = start
    return starts


def _start(data: bytes, member: _Member, directory_at: int) -> int:
    """Where a member's packed bytes begin, from its own header, which must agree."""
    name = quoted(member.name)
    if member.at + _LOCAL.size > directory_at:
        raise _hostile(f"{name} lies outside the archive")
    (magic, _, flags, method, _, _, crc, packed_size, size, name_length, extra) = (
        _LOCAL.unpack_from(data, member.at)
    )
    name_at = member.at + _LOCAL.size
    agrees = (
        magic == b"PK\x03\x04"
        and data[name_at : name_at + name_length] == member.raw_name
        and method == member.method
        and not (flags ^ member.flags) & (_ENCRYPTED | _SIZES_BEHIND)
    )
    said = (crc, packed_size, size)
    unsaid = flags & _SIZES_BEHIND or _SAID_ELSEWHERE in said
    if not agrees or not (unsaid or said == (member.crc, member.packed, member.size)):
        raise _hostile(f"the header of {name} and the directory disagree")
    return name_at + name_length + extra


# --------------------------------------------------------------------------- unpacking


def _gzip_too_large() -> Refusal:
    return Refusal(Reason.DECOMPRESS_LIMIT, _TOO_MUCH)


def _inflate_member(packed_bytes: memoryview, member: _Member) -> bytes:
    name = quoted(member.name)
    unpack = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found, rest = _inflate(
            packed_bytes, unpack, member.size, lambda: _hostile(f"{name} is larger than it says")
        )
    except zlib.error as exc:
        raise Refusal(
            Reason.CORRUPT, f"{name} in the zip is damaged: export the trip again"
        ) from exc
    if rest or not unpack.eof:
        raise Refusal(Reason.CORRUPT, f"{name} in the zip is damaged: export the trip again")
    return found


def _inflate(
    data: memoryview, unpack: Inflater, limit: int, too_large: Callable[[], Refusal]
) -> tuple[bytes, bytes]:
    """What the bytes unpack to, and up to a piece of what stands behind their end.

    The ratio is held for every piece, not only in total, so that a bomb is stopped at its first
    piece, whatever stands before it.
    """
    out = io.BytesIO()  # hands its bytes over without a copy
    for k in range(0, len(data), _PIECE):  # a loop over pieces
        found = unpack.decompress(data[k : k + _PIECE], RATIO * _PIECE)
        if out.tell() + len(found) > limit:
            raise too_large()
        if unpack.unconsumed_tail:
            raise Refusal(
                Reason.DECOMPRESS_LIMIT, f"it unpacks to more than {RATIO} times its size"
            )
        out.write(found)
        if unpack.eof:
            return out.getvalue(), unpack.unused_data or bytes(data[k + _PIECE : k + _PIECE + 2])
    return out.getvalue(), b""
