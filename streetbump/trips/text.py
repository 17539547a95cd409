"""The guard against hostile input: bytes → text that a table reader may be shown.

Everything here is linear in the bytes and allocates at most a few bytes per byte.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streetbump.model import Bools, Ints, Reason
from streetbump.trips.refusal import Refusal

LINE_BYTES = 16 * 1024
"""Longest line taken (design 13)."""
FIELDS = 256
"""Most fields per line (design 13)."""
ROWS = 2_000_000
"""Most rows per file (design 13)."""
CELL_BYTES = 32
"""Longest number taken, in characters (robustness T5); no double needs more than 24."""
HEAD_LINES = 60
"""How many lines from the top are looked at to tell what a file is. Chosen by us."""

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "a zip archive: unpack it and give the CSV"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"\x1f\x8b", "gzip: unpack it and give the CSV"),
    (b"BZh", "bzip2: unpack it and give the CSV"),
    (b"\xfd7zXZ\x00", "xz: unpack it and give the CSV"),
    (b"\x28\xb5\x2f\xfd", "zstd: unpack it and give the CSV"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it and give the CSV"),
    (b"Rar!", "a rar archive: unpack it and give the CSV"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"MZ\x90", "a program"),
    (b"SQLite format 3", "a SQLite database: export CSV"),
    (b"\x89HDF", "an HDF5 file: export CSV"),
    (b"MATLAB 5.0 MAT-file", "a MATLAB file: export CSV"),
    (b"\x93NUMPY", "a NumPy file: export CSV"),
    (b"PAR1", "a Parquet file: export CSV"),
    (b"ARROW1", "an Arrow file: export CSV"),
    (b"\xd0\xcf\x11\xe0", "an old Office document: export CSV"),
    (b"\x80\x02", "a Python pickle, which is never loaded"),
    (b"\x80\x03", "a Python pickle, which is never loaded"),
    (b"\x80\x04", "a Python pickle, which is never loaded"),
    (b"\x80\x05", "a Python pickle, which is never loaded"),
)
Bytes = NDArray[np.uint8]
_BLOCK = LINE_BYTES // 2
_CHUNK = 32 * _BLOCK
_PLUS = ord("+")
_ZIP_END = b"PK\x05\x06"
_ZIP_END_REACH = 65_557  # the end record and the longest comment after it
_HEADER_SIGNS = frozenset("°²³µ±")  # what loggers write in headers outside ASCII
_MINUS = "\N{MINUS SIGN}"
_UNSEEN = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")

# glibc gives back every block larger than the largest it has seen freed, up to 32 MiB. Shown one of
# that size, it keeps the columns' memory for the next columns: a tenth of the time of a trip.
np.empty(31 * 2**20, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Text:
    """Checked text: UTF-8 without a mark, lines end in LF, no control characters.

    Attributes
    ----------
    data : bytes
    signs : int
        Bytes below ``+`` that are no line ends: blanks, quotes and the like.
    head : tuple of str
        The first lines, without their ends.
    offsets : tuple of int
        Where in `data` each line of `head` begins, and one more: where the next line begins.
    warnings : tuple of str
    """

    data: bytes
    signs: int
    head: tuple[str, ...]
    offsets: tuple[int, ...]
    warnings: tuple[str, ...] = ()

    @cached_property
    def lines(self) -> int:
        """Lines that hold something."""
        is_end = np.frombuffer(self.data, dtype=np.uint8) == 10
        return int(np.count_nonzero(is_end[:-1] < is_end[1:])) + (not is_end[-1])


def open_text(data: bytes) -> Text:
    r"""The text in uploaded bytes, or a refusal.

    >>> open_text(b"\xef\xbb\xbft,ax\r1,2\r").head
    ('t,ax', '1,2')

    Raises
    ------
    Refusal
        EMPTY, UNSUPPORTED_TYPE, ENCODING, CONTROL_CHARS, LINE_LIMIT, ROW_LIMIT.
    """
    _refuse_other_kinds(data)
    decoded, warnings = _as_utf8(data)
    unix = decoded
    if b"\r" in decoded:
        unix = decoded.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    ends, signs = _counted(unix)
    if ends == len(unix):
        raise Refusal(Reason.EMPTY, "the file holds nothing: was the recording stopped at once?")
    head, offsets = _head(unix)
    return Text(unix, signs, head, offsets, warnings)


def refuse_markup(data: bytes) -> None:
    """Refuse what is text but no table.

    >>> refuse_markup(b"t,ax,ay,az")

    Raises
    ------
    Refusal
        UNSUPPORTED_TYPE.
    """
    start = data[:1024].removeprefix(codecs.BOM_UTF8).lstrip()
    if start.startswith((b"<", b"{", b"[")):
        raise Refusal(Reason.UNSUPPORTED_TYPE, "this is markup, not a table: export CSV")


def _refuse_other_kinds(data: bytes) -> None:
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            raise Refusal(Reason.UNSUPPORTED_TYPE, f"this is {kind}")
    if _ZIP_END in data[-_ZIP_END_REACH:] or data[257:262] == b"ustar":
        raise Refusal(Reason.UNSUPPORTED_TYPE, "this is an archive: unpack it and give the CSV")


def _as_utf8(data: bytes) -> tuple[bytes, tuple[str, ...]]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return data.decode("utf-16").encode(), ("text was UTF-16",)
        except UnicodeError as exc:
            raise Refusal(Reason.ENCODING, "broken UTF-16: export the file as UTF-8") from exc
    data = data.removeprefix(codecs.BOM_UTF8)
    if data.isascii():
        return data, ()
    try:
        decoded = data.decode()
    except UnicodeDecodeError as exc:
        return _from_cp1252(data, exc)
    if _UNSEEN.search(decoded):
        raise Refusal(Reason.CONTROL_CHARS, "the text holds invisible marks that reorder it")
    if _MINUS in decoded:  # how some languages write negative numbers
        return decoded.replace(_MINUS, "-").encode(), ("minus signs were U+2212",)
    return data, ()


def _from_cp1252(data: bytes, cause: UnicodeDecodeError) -> tuple[bytes, tuple[str, ...]]:
    """Windows text, when all that is not ASCII are signs of units: other text has no proof."""
    line = data.count(b"\n", 0, cause.start) + 1
    refusal = Refusal(Reason.ENCODING, f"line {line} is not UTF-8: export the file as UTF-8")
    try:
        decoded = data.decode("cp1252")
    except UnicodeDecodeError:
        raise refusal from cause
    decoded = re.sub("Â(?=[°²³µ±])", "", decoded)  # signs that were UTF-8 already
    odd = {c for c in set(decoded) if not c.isascii()}
    if not odd <= _HEADER_SIGNS:
        raise refusal from cause
    return decoded.encode(), ("text was in the Windows code page 1252",)


def _counted(data: bytes) -> tuple[int, int]:
    """Line ends and signs; refuses too many or too long lines, and control characters."""
    codes = np.frombuffer(data, dtype=np.uint8)
    ends = signs = 0
    odd, sparse = b"\x7f" in data, False
    for k in range(0, codes.size, _CHUNK):  # a loop over chunks that a processor's cache holds
        part = codes[k : k + _CHUNK]
        is_end = part == 10
        count = int(np.count_nonzero(is_end))
        ends += count
        more = int(np.count_nonzero(part < _PLUS)) - count
        signs += more
        odd |= more > 0 and int(np.count_nonzero(part < 32)) != count
        blocks = is_end[: part.size // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        sparse |= not bool(blocks.any(axis=1).all())
    if odd:
        _refuse_control_characters(codes)
    if ends > ROWS + HEAD_LINES:
        raise Refusal(Reason.ROW_LIMIT, f"more than {ROWS} rows: split the recording")
    if sparse:  # else no line is longer than two blocks
        _refuse_long_lines(codes)
    return ends, signs


def _refuse_control_characters(codes: Bytes) -> None:
    bad = (codes < 32) & (codes != 9) & (codes != 10) | (codes == 127)
    if bad.any():
        line = np.count_nonzero(codes[: int(np.argmax(bad))] == 10) + 1
        raise Refusal(
            Reason.CONTROL_CHARS, f"line {line} holds control characters: not a text table"
        )


def _refuse_long_lines(codes: Bytes) -> None:
    long = _lengths(codes == 10) > LINE_BYTES
    if long.any():
        line = int(np.argmax(long)) + 1
        raise Refusal(Reason.LINE_LIMIT, f"line {line} is longer than {LINE_BYTES} bytes")


def has_long_cells(data: bytes | memoryview, delimiter: str) -> bool:
    r"""Whether some cell is more than `CELL_BYTES` long, and so no number whatever it holds.

    >>> has_long_cells(b"1,2\n", ","), has_long_cells(b"1," + b"2" * 33, ",")
    (False, True)
    """
    codes = np.frombuffer(data, dtype=np.uint8)
    for k in range(0, codes.size, _CHUNK):  # a loop over chunks that a processor's cache holds
        part = codes[k : k + _CHUNK + 2 * CELL_BYTES]
        is_end = (part == ord(delimiter)) | (part == 10)
        words = is_end[: part.size // 8 * 8].view(np.uint64) == 0
        # 33 bytes without a separator hold three aligned words of eight without one
        if (words[:-2] & words[1:-1] & words[2:]).any() and _lengths(is_end).max() > CELL_BYTES:
            return True
    return False


def plain_commas(text: Text, *, begin: int) -> tuple[int, bool] | None:
    r"""How many commas stand between plain numbers from `begin` on, and whether one may be huge.

    A plain number is at most `CELL_BYTES` out of ``0-9 . + - e E`` (and ``/``, which no parser
    takes for one): what passes holds no quote, blank or word. None where anything else stands.
    Only one with an exponent, or in a long row of characters, may be beyond any measurement.

    >>> plain_commas(open_text(b"t\n-1.5,\n"), begin=2)
    (1, False)
    >>> plain_commas(open_text(b"t\n1e5,\n"), begin=2)
    (1, True)
    >>> plain_commas(open_text(b"t\nnan,\n"), begin=2) is None
    True
    """
    codes = np.frombuffer(text.data, dtype=np.uint8)
    head, body = codes[:begin], codes[begin:]
    if text.signs > np.count_nonzero((head < _PLUS) & (head != 10)):
        return None
    commas, long, exponent = 0, False, False
    for k in range(0, body.size, _CHUNK):  # a loop over chunks that a processor's cache holds
        part = body[k : k + _CHUNK + 2 * CELL_BYTES]
        if part.max() > ord("9"):
            if not np.isin(part[part > ord("9")], (ord("e"), ord("E"))).all():
                return None
            exponent = True
        is_comma = part == ord(",")
        commas += int(np.count_nonzero(is_comma[:_CHUNK]))
        words = is_comma[: part.size // 8 * 8].view(np.uint64) == 0
        # 31 bytes without a comma hold three aligned words of eight without one
        long |= bool((words[:-2] & words[1:-1] & words[2:]).any())
    if long and has_long_cells(memoryview(text.data)[begin:], ","):
        return None
    return commas, long or exponent


def _lengths(is_end: Bools) -> Ints:
    """How many bytes stand before, between and after the ends."""
    return np.diff(np.flatnonzero(is_end), prepend=-1, append=is_end.size) - 1


def _head(data: bytes) -> tuple[tuple[str, ...], tuple[int, ...]]:
    offsets = [0]
    while offsets[-1] < len(data) and len(offsets) <= HEAD_LINES:  # a loop over the first lines
        end = data.find(b"\n", offsets[-1])
        offsets.append((len(data) if end < 0 else end) + 1)
    lines = (data[a : b - 1].decode() for a, b in pairwise(offsets))
    return tuple(lines), tuple(offsets)
