"""Certificates that a careful client must refuse, made on this machine when they are asked for.

The standard library can use certificates but not make them, so the few structures of X.509
(RFC 5280) and PKCS #1 (RFC 8017) that are needed are written here. The keys serve the practice
city's TLS door and nothing else; they are made anew in each process and never leave it.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import math
import secrets
import ssl
import tempfile
from pathlib import Path
from typing import Literal

CertificateKind = Literal["self_signed", "expired", "wrong_host"]
_BITS = 2048
_E = 65537
_SMALL_PRIMES = tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, n, 2)))
_LOOPBACK = b"\x87\x04\x7f\x00\x00\x01"  # subjectAltName: iPAddress 127.0.0.1
_ELSEWHERE = b"\x82\x11elsewhere.example"  # subjectAltName: dNSName
_SHA256_RSA, _RSA, _SHA256 = "2a864886f70d01010b", "2a864886f70d010101", "608648016503040201"
_COMMON_NAME, _ALT_NAME, _BASIC = "550403", "551d11", "551d13"


def context(kind: CertificateKind) -> tuple[ssl.SSLContext, str]:
    """What a server needs to show a certificate of this kind, and the certificate (PEM)."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shown, key = certificate(kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "practice.pem"
        path.write_text(shown + key)
        made.load_cert_chain(path)
    return made, shown


def certificate(kind: CertificateKind) -> tuple[str, str]:
    """A certificate for 127.0.0.1 that vouches for itself, and its private key, both PEM.

    `expired` ended in 2001; `wrong_host` is for elsewhere.example.
    """
    n, d, p, q = _key()
    until = b"010101000000Z" if kind == "expired" else b"491231235959Z"
    name = _seq(_der(0x31, _seq(_oid(_COMMON_NAME), _der(0x0C, b"practice city"))))
    public = _seq(_seq(_oid(_RSA), b"\x05\x00"), _bits(_seq(_int(n), _int(_E))))
    names = _seq(_ELSEWHERE if kind == "wrong_host" else _LOOPBACK)
    more = _seq(
        _seq(_oid(_ALT_NAME), _der(0x04, names)),
        _seq(_oid(_BASIC), b"\x01\x01\xff", _der(0x04, _seq(b"\x01\x01\xff"))),
    )
    signed_how = _seq(_oid(_SHA256_RSA), b"\x05\x00")
    valid = _seq(_der(0x17, b"000101000000Z"), _der(0x17, until))
    version, serial = _der(0xA0, _int(2)), _int(secrets.randbits(63))
    inner = _seq(version, serial, signed_how, name, valid, name, public, _der(0xA3, more))
    whole = _seq(inner, signed_how, _bits(_signature(inner, n, d)))
    parts = (0, n, _E, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    return _pem("CERTIFICATE", whole), _pem("RSA PRIVATE KEY", _seq(*map(_int, parts)))


@functools.cache
def _key() -> tuple[int, int, int, int]:
    """An RSA key: modulus, private exponent, and the two primes."""
    p, q = _prime(_BITS // 2), _prime(_BITS // 2)
    return p * q, pow(_E, -1, math.lcm(p - 1, q - 1)), p, q


def _prime(bits: int) -> int:
    while True:
        n = secrets.randbits(bits) | (3 << (bits - 2)) | 1
        if all(n % small for small in _SMALL_PRIMES) and n % _E != 1 and _is_prime(n):
            return n


def _is_prime(n: int) -> bool:
    """By Miller and Rabin, twenty times: wrong once in 10¹² at most."""
    twos = (n - 1 & -(n - 1)).bit_length() - 1
    return all(_passes(secrets.randbelow(n - 3) + 2, n, twos) for _ in range(20))


def _passes(base: int, n: int, twos: int) -> bool:
    x = pow(base, n - 1 >> twos, n)
    if x in {1, n - 1}:
        return True
    return any((x := x * x % n) == n - 1 for _ in range(twos - 1))


def _signature(text: bytes, n: int, d: int) -> bytes:
    """PKCS #1 v1.5 with SHA-256."""
    digest = hashlib.sha256(text).digest()
    info = _seq(_seq(_oid(_SHA256), b"\x05\x00"), _der(0x04, digest))
    size = _BITS // 8
    padded = b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info
    return pow(int.from_bytes(padded, "big"), d, n).to_bytes(size, "big")


def _der(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def _seq(*parts: bytes) -> bytes:
    return _der(0x30, *parts)


def _int(value: int) -> bytes:
    return _der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(encoded: str) -> bytes:
    return _der(0x06, bytes.fromhex(encoded))


def _bits(body: bytes) -> bytes:
    return _der(0x03, b"\x00", body)


def _pem(label: str, der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN {label}-----\n{text}-----END {label}-----\n"
