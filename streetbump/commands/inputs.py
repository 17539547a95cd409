"""What is named on the command line: settings, trip files, and what is said about them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from streetbump.config import Settings, parse_settings, shipped_settings
from streetbump.errors import InputError, UsageError
from streetbump.model import Rejected, Trip, upload_id_of
from streetbump.pipeline.intake import UploadOptions
from streetbump.runtime import read_text
from streetbump.stores.files import Files
from streetbump.trips import ReadOptions, parse_column_map, read
from streetbump.trips.bundle import packed
from streetbump.trips.door import pseudonym

STDIN = "-"
_DAY = re.compile(r"\d{4}-\d\d-\d\d")

STORE_PART = re.compile(r"\.db(-wal|-shm|\.trips|\.originals|\.spool)?$")
"""Files and folders of a store, as they are named by default."""

_SAMPLES = frozenset(
    ("accelerometer.csv", "totalacceleration.csv", "accelerometeruncalibrated.csv", "raw data.csv",
     "linear acceleration.csv", "linear accelerometer.csv", "acceleration.csv")
)  # fmt: skip
"""Tables of acceleration in the folders that Sensor Logger and phyphox unpack to."""

NO_KEY = b"nothing is stored"
"""For commands that show no pseudonym and store nothing."""


@dataclass(frozen=True)
class TripOptions:
    """What a caller may say about trip files: the options of ``run`` and ``detect``."""

    columns: Path | None = None
    device: str | None = None
    tz: str | None = None
    date: str | None = None
    gps: Path | None = None
    trust_unnamed: bool = False

    def for_upload(self, *, door_key: bytes) -> UploadOptions:
        """As they are kept with an upload: no raw device name, paths made absolute."""
        if self.gps is not None and not self.gps.is_file():
            raise InputError(f"--gps {self.gps}: no such file")
        if self.date is not None and not _DAY.fullmatch(self.date):
            raise UsageError(f"--date {self.date}: not a day as YYYY-MM-DD")
        text = read_text(self.columns, "--columns") if self.columns else None
        if text is not None:
            parse_column_map(text, where=str(self.columns))
        options = UploadOptions(
            tz=self.tz,
            date=self.date,
            columns=text,
            gps=str(self.gps.absolute()) if self.gps else None,
            gps_sha256=upload_id_of(self.gps.read_bytes()) if self.gps else None,
            device=pseudonym(self.device, key=door_key) if self.device else None,
            trust_unnamed=self.trust_unnamed,
        )
        try:  # a wrong zone or date is said before anything is queued
            options.for_reader(Files(), local=True)
        except ValueError as exc:
            raise UsageError(f"--date {self.date}: {exc}") from exc
        return options

    def for_reading(self) -> ReadOptions:
        """As the reader wants them, for commands that store nothing."""
        return self.for_upload(door_key=NO_KEY).for_reader(Files(), local=True)


def load_settings(path: Path | None) -> Settings | None:
    """The settings of a file; None where none was named."""
    return None if path is None else parse_settings(read_text(path, "--settings"), where=str(path))


def used_settings(path: Path | None) -> Settings:
    """The settings of a file; the shipped ones where none was named."""
    return load_settings(path) or shipped_settings()


def trip_files(paths: Iterable[str]) -> list[Path]:
    """The files behind paths: folders recurse, in a fixed order; hidden files are left out.

    A folder that is one recording, as Sensor Logger and phyphox unpack to, stands for itself.

    Raises
    ------
    InputError
        A path does not exist.
    """
    found: list[Path] = []
    for name in paths:
        if not name:
            raise InputError("an empty path: no such file or folder")
        path = Path(name)
        if path.is_dir():
            found += _trips_inside(path)
        elif path.exists():
            found.append(path)
        else:
            raise InputError(f"{name}: no such file or folder")
    return found


def _trips_inside(folder: Path) -> list[Path]:
    if _is_recording(folder):
        return [folder]
    found: list[Path] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or STORE_PART.search(path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            found += _trips_inside(path)
        elif path.is_file():
            found.append(path)
    return found


def _is_recording(folder: Path) -> bool:
    """Whether the files in a folder belong to one recording."""
    names = {path.name.lower() for path in folder.iterdir()}
    about = {"metadata.csv", "location.csv", "locationgps.csv", "meta"} & names
    return bool(about and _SAMPLES & names) or (folder / "meta" / "time.csv").is_file()


def contents_of(path: Path) -> bytes:
    """The bytes of a trip file; of a folder that is one recording, a zip of its tables.

    Raises
    ------
    InputError
        It cannot be read.
    """
    try:
        if not path.is_dir():
            return path.read_bytes()
        tables = [p for p in path.rglob("[!.]*") if p.suffix.lower() in (".csv", ".json")]
        return packed({p.relative_to(path).as_posix(): p.read_bytes() for p in tables})
    except OSError as exc:
        raise InputError(f"{path}: {exc.strerror}") from exc


def contents(
    paths: Iterable[str], stdin: Callable[[], bytes]
) -> Iterator[tuple[str, Path | None, bytes]]:
    """Name, path (None for standard input) and bytes of each trip file, one after another."""
    for name in paths:
        if name == STDIN:
            yield "standard input", None, stdin()
            continue
        for path in trip_files([name]):
            yield str(path), path, contents_of(path)


def read_trips(
    paths: Sequence[str],
    options: TripOptions,
    *,
    stdin: Callable[[], bytes],
    on_file: Callable[[str], None] = lambda _name: None,
) -> Iterator[tuple[str, Trip | Rejected]]:
    """File name and trip, or refusal, one after another; for commands that store nothing."""
    how = options.for_reading()
    for name, _, data in contents(paths, stdin):
        on_file(name)
        for row in read(data, name=Path(name).name, options=how, pseudonym=_nobody):
            yield name, row


def _nobody(_name: str) -> str:
    return "named"
