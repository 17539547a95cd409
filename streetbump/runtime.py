"""What comes from the machine: the clock, who we are, the secret of the door, city profiles.

The effects at the edge, gathered, so that everything else is handed them as arguments.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streetbump.cityprofile import BoundaryFile, CityProfile, parse_city, shipped_city
from streetbump.errors import ConfigError, StoreError, UsageError
from streetbump.sending import Desk
from streetbump.stores.files import Files
from streetbump.submit.routing import City, OtherArea, polygon_wkb, shapes_wkb
from streetbump.submit.secret import Secret, load_key
from streetbump.submit.streets import street_layer
from streetbump.submit.talk import CityClient

if TYPE_CHECKING:
    from streetbump.submit.georeport import Pace
    from streetbump.submit.probe import Finding

KEY_FILE_VARIABLE = "STREETBUMP_KEY_FILE"
_KEY_BYTES = 32


def now_ns() -> int:
    """The time, ns since 1970 UTC."""
    return time.time_ns()


# --------------------------------------------------------------------------- who we are


def owner() -> str:
    """The name of this process, in words that another one on this machine can check."""
    return "|".join((socket.gethostname(), _boot(), str(os.getpid()), _start_of(os.getpid())))


def gone(name: str) -> bool:
    """Whether the process of that name certainly runs no more.

    Only a process of this machine can be known to be gone; of others the lease must run out.
    """
    parts = name.split("|")
    if len(parts) != 4 or parts[0] != socket.gethostname() or not _boot():
        return False
    if parts[1] != _boot():
        return True  # before the last restart of this machine
    return _start_of(int(parts[2])) != parts[3]


def _boot() -> str:
    """Identity of this start of the machine; empty where the system tells none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def _start_of(pid: int) -> str:
    """When a process began, in clock ticks since boot; empty when there is none such.

    A zombie counts as gone: it holds nothing any more.
    """
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2]
    except OSError:
        return ""
    fields = after_name.split()
    return "" if fields[0] in {"Z", "X"} else fields[19]


# --------------------------------------------------------------------------- the door's key


def key_path(environ: Mapping[str, str]) -> Path:
    """Where the secret behind pseudonyms and trimming lies: beside no database.

    ``$STREETBUMP_KEY_FILE``, else ``streetbump/door.key`` in the user's configuration folder.
    """
    said = environ.get(KEY_FILE_VARIABLE)
    if said:
        return Path(said)
    base = environ.get("XDG_CONFIG_HOME") or environ.get("APPDATA")
    return (Path(base) if base else Path.home() / ".config") / "streetbump" / "door.key"


def door_key(environ: Mapping[str, str]) -> bytes:
    """The secret behind pseudonyms and trimming; made on first use, readable by its owner only.

    Whoever loses it cannot tell returning devices from new ones any more.

    Raises
    ------
    StoreError
        The file cannot be made or read, or does not hold a key.
    """
    path = key_path(environ)
    try:
        if not path.exists():
            _make_key(path)
        text = path.read_text("ascii").strip()
        key = bytes.fromhex(text)
    except (OSError, RuntimeError) as exc:
        reason = getattr(exc, "strerror", None) or str(exc)
        raise StoreError(
            f"door key {path}: {reason}; set {KEY_FILE_VARIABLE} to a file that can be kept"
        ) from exc
    except (ValueError, UnicodeDecodeError) as exc:
        raise StoreError(f"door key {path}: does not hold a key (64 hexadecimal digits)") from exc
    if len(key) != _KEY_BYTES:
        raise StoreError(f"door key {path}: does not hold a key (64 hexadecimal digits)")
    return key


def _make_key(path: Path) -> None:
    """Write a new key so that two processes starting together end up with the same one."""
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    Files().write(fresh, secrets.token_hex(_KEY_BYTES).encode(), private=True)
    try:
        os.link(fresh, path)
    except FileExistsError:
        pass  # the other process was first; its key counts
    finally:
        fresh.unlink()


# --------------------------------------------------------------------------- cities


def load_city(name: str) -> tuple[City, Path]:
    """A city from a profile file (or a shipped profile by name), and the folder of the file.

    Raises
    ------
    ConfigError
        The profile or its boundary file cannot be read, or is wrong.
    """
    path = Path(name)
    if not path.exists() and "." not in name and "/" not in name:
        return City(shipped_city(name)), Path()
    profile = parse_city(read_text(path), where=str(path))
    folder = path.parent
    boundary, streets = profile.boundary, profile.streets
    outline = None
    if isinstance(boundary, BoundaryFile):
        outline = polygon_wkb(read_text(folder / boundary.path), where=str(folder / boundary.path))
    others = tuple(
        OtherArea(o.owner, shapes_wkb(read_text(folder / o.path), where=o.path), o.buffer_m)
        for o in profile.other_owners
    )
    layer = None
    if streets is not None:
        text = read_text(folder / streets.path)
        layer = street_layer(text, name_field=streets.name_field, where=str(folder / streets.path))
    return City(profile, outline, others, layer), folder


def read_text(path: Path, option: str = "") -> str:
    """The text of a file, named by an option of the command line or by another file.

    Raises
    ------
    ConfigError
        It cannot be read, or is not text.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "is not UTF-8 text"
        raise ConfigError(f"{option} {path}: {reason}".lstrip()) from exc


def write_file(path: Path, data: bytes) -> None:
    """Write what ``-o`` asked for.

    Raises
    ------
    UsageError
        It cannot be written there.
    """
    try:
        path.write_bytes(data)
    except OSError as exc:
        raise UsageError(f"-o {path}: {exc.strerror}") from exc


def open_desks(names: Sequence[str], *, environ: Mapping[str, str], stack: ExitStack) -> list[Desk]:
    """The desks of several cities; a folder stands for every profile (``*.toml``) in it.

    Raises
    ------
    ConfigError
        A folder without profiles, or two profiles of one name.
    """
    files = [file for name in names for file in _profiles_in(name)]
    desks = [open_desk(file, environ=environ, stack=stack) for file in files]
    count = Counter(desk.city.name for desk in desks)
    twice = next((name for name, n in count.items() if n > 1), None)
    if twice is not None:
        raise ConfigError(f"--city: two profiles have the name {twice}")
    return desks


def _profiles_in(name: str) -> list[str]:
    path = Path(name)
    if not path.is_dir():
        return [name]
    files = sorted(str(file) for file in path.glob("*.toml"))
    if not files:
        raise ConfigError(f"--city {name}: no profile (*.toml) in this folder")
    return files


def open_desk(name: str, *, environ: Mapping[str, str], stack: ExitStack) -> Desk:
    """The desk of a city: its profile, and the one client that keeps its pace.

    The client is opened when something is due, and closed with `stack`. Cities behind one host
    share its pace.
    """
    city, folder = load_city(name)
    key = load_key(city.profile, environ=environ, folder=folder)

    @cache
    def connect() -> CityClient:
        return _client(city.profile, key, stack)

    return Desk(city, connect, folder)


def _client(profile: CityProfile, key: Secret | None, stack: ExitStack) -> CityClient:
    from streetbump.submit.georeport import GeoReport

    host = urlsplit(getattr(profile.channel, "endpoint", "")).netloc.lower()
    return stack.enter_context(GeoReport(profile, key=key, pace=_pace_of(host)))


@cache
def _pace_of(host: str) -> Pace:
    from streetbump.submit.georeport import Pace

    return Pace()


def probe_city(
    name: str, *, environ: Mapping[str, str], stack: ExitStack
) -> tuple[CityProfile, Iterator[Finding]]:
    """A city's profile, and what its endpoint shows of it, read by read. Creates nothing.

    A key that the profile names and that is not there is a finding, as most reads need none.
    """
    from streetbump.submit.probe import Finding, probe

    city, folder = load_city(name)

    def findings() -> Iterator[Finding]:
        key = None
        try:
            key = load_key(city.profile, environ=environ, folder=folder)
            yield Finding("key", "ok", "found" if key else "the profile names none")
        except ConfigError as exc:
            yield Finding("key", "fails", str(exc))
        now_utc = datetime.fromtimestamp(now_ns() / 1e9, UTC)
        yield from probe(lambda p: _client(p, key, stack), city, now_utc=now_utc)

    return city.profile, findings()
