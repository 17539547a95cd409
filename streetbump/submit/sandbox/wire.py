"""Answers that break the protocol: what a hostile or dying server puts on the wire.

Each function has the connection for itself and writes an answer, or something else, to it.
They end when the client goes away or the city stops; what the client makes of it is its affair.
"""

from __future__ import annotations

import functools
import socket
import struct
import threading
import zlib
from dataclasses import dataclass
from http import HTTPStatus

from streetbump.submit.sandbox.answers import Answer

BOMB_BYTES = 1 << 30
"""What a bomb opens to, and how long the lazy body is: far over any sane limit."""
_PIECE_BYTES = 1 << 20
_BOMB_CHECK = 0x9AC47FA6  # CRC-32 of so many blanks, which takes a second to compute


@dataclass(frozen=True)
class Wire:
    """One connection, and when to let go of it."""

    connection: socket.socket
    stopping: threading.Event

    def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        self.connection.sendall(data)

    def wait(self, seconds: float) -> bool:
        """Do nothing for so long; True when the city stops meanwhile."""
        return self.stopping.wait(seconds)

    def reset(self) -> None:
        """Cut the connection with a reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


@dataclass(frozen=True)
class Pace:
    """How slow: `delay_s` of silence, or `pause_s` between two bytes or lines."""

    delay_s: float
    pause_s: float


def head(answer: Answer, **changes: str | None) -> bytes:
    r"""Status line and headers of an answer; keywords change headers or, by None, leave them out.

    >>> head(Answer(201, b"[]", "application/json"), Content_Length="9").split(b"\r\n")[3]
    b'Content-Length: 9'
    """
    headers = {
        "Server": "practice-city",
        "Content-Type": answer.content_type
        if "charset" in answer.content_type
        else f"{answer.content_type}; charset=utf-8",
        "Content-Length": str(len(answer.body)),
        "Connection": "close",
        **dict(answer.headers),
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    try:
        reason = HTTPStatus(answer.status).phrase
    except ValueError:
        reason = "Practice"
    lines = [f"HTTP/1.1 {answer.status} {reason}"]
    lines += [f"{name}: {_one_line(text)}" for name, text in headers.items() if text is not None]
    return "\r\n".join([*lines, "", ""]).encode("ascii")


def _one_line(text: str) -> str:
    return "".join(c for c in text if c.isascii() and c.isprintable())


def whole(wire: Wire, answer: Answer, pace: Pace) -> None:
    """The answer as it should be."""
    wire.send(head(answer) + answer.body)


def reset(wire: Wire, answer: Answer, pace: Pace) -> None:
    """A reset instead of an answer."""
    wire.reset()


def end(wire: Wire, answer: Answer, pace: Pace) -> None:
    """An orderly end of the connection instead of an answer."""


def silence(wire: Wire, answer: Answer, pace: Pace) -> None:
    """Nothing for `delay_s`, then a reset."""
    wire.wait(pace.delay_s)
    wire.reset()


def drip(wire: Wire, answer: Answer, pace: Pace) -> None:
    """The whole answer, byte by byte."""
    for byte in head(answer) + answer.body:
        wire.send(bytes([byte]))
        if wire.wait(pace.pause_s):
            return


def endless_head(wire: Wire, answer: Answer, pace: Pace) -> None:
    """Headers without an end."""
    wire.send(head(answer)[:-2])
    number = 0
    while not wire.wait(pace.pause_s):
        number += 1
        wire.send(f"X-Practice-{number}: more\r\n".encode())


def truncated(wire: Wire, answer: Answer, pace: Pace) -> None:
    """Half of the body that was promised, then the end."""
    wire.send(head(answer) + answer.body[: len(answer.body) // 2])


def chunk_cut(wire: Wire, answer: Answer, pace: Pace) -> None:
    """A chunk shorter than it says, then the end."""
    start = head(answer, Content_Length=None, Transfer_Encoding="chunked")
    wire.send(start + b"%x\r\n" % (len(answer.body) + 100) + answer.body)


def chunk_garbage(wire: Wire, answer: Answer, pace: Pace) -> None:
    """Chunk sizes that are no numbers."""
    start = head(answer, Content_Length=None, Transfer_Encoding="chunked")
    wire.send(start + b"zz\r\n" + answer.body + b"\r\n-1\r\n\r\n")


def huge(wire: Wire, answer: Answer, pace: Pace) -> None:
    """The answer and then blanks, 1 GiB, made as they are sent."""
    wire.send(head(answer, Content_Length=str(BOMB_BYTES)) + answer.body)
    left = BOMB_BYTES - len(answer.body)
    blanks = b" " * _PIECE_BYTES
    while left > 0 and not wire.wait(0):
        wire.send(blanks[: min(left, len(blanks))])
        left -= len(blanks)


def gzip_bomb(wire: Wire, answer: Answer, pace: Pace) -> None:
    """Blanks compressed a thousandfold: 1 MB that opens to 1 GiB."""
    body = _bomb()
    wire.send(head(answer, Content_Length=str(len(body)), Content_Encoding="gzip"))
    wire.send(body)


@functools.cache
def _bomb() -> bytes:
    """A sound gzip file of `BOMB_BYTES` blanks.

    After a full flush every piece compresses to the same bytes, so one is made and repeated.
    """
    blanks = b" " * _PIECE_BYTES
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    piece = packer.compress(blanks) + packer.flush(zlib.Z_FULL_FLUSH)
    start = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    tail = struct.pack("<II", _BOMB_CHECK, BOMB_BYTES & 0xFFFFFFFF)
    return start + piece * (BOMB_BYTES // _PIECE_BYTES) + packer.flush() + tail


def garbage(wire: Wire, answer: Answer, pace: Pace) -> None:
    """Bytes that are no HTTP."""
    wire.send(b"\x00\xff\x16\x03\x01 practice\r\n\r\n" * 3)
