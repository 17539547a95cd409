"""The file system, as far as anything here uses it: one small object that tests can replace."""

from __future__ import annotations

import errno
import os
from pathlib import Path


class Files:
    """The real file system. What is written is there whole and durable, or not at all."""

    def read(self, path: Path) -> bytes:
        """The bytes of a file."""
        return path.read_bytes()

    def exists(self, path: Path) -> bool:
        """Whether there is a file or folder."""
        return path.exists()

    def write(self, path: Path, data: bytes, *, private: bool = False) -> None:
        """Write `data` so that a crash leaves the old file or the new one, never a part.

        The folder is made where it is missing. `private` files, and the folders made for them,
        can be read by their owner only.
        """
        _make_folder(path.parent, private=private)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        mode = 0o600 if private else 0o666
        try:
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)

    def move(self, path: Path, target: Path) -> None:
        """Move a file, durably; the folder is made private if missing.

        From one file system to another it is copied, and its source deleted when that is done.
        """
        _make_folder(target.parent, private=True)
        try:
            path.replace(target)
        except OSError as exc:
            if exc.errno != errno.EXDEV:
                raise
            self.write(target, self.read(path), private=True)
            self.delete(path)
            return
        _sync_folder(target.parent)

    def touch(self, path: Path, ns: int) -> None:
        """Set the time of a file, ns since 1970 UTC.

        Only its owner may do so: the file of another is replaced by a copy of our own.
        """
        try:
            os.utime(path, ns=(ns, ns))
        except PermissionError:
            self.write(path, self.read(path), private=True)
            os.utime(path, ns=(ns, ns))

    def delete(self, path: Path) -> None:
        """Remove a file; nothing happens when it is not there."""
        path.unlink(missing_ok=True)

    def list(self, folder: Path) -> list[Path]:
        """The files in a folder, by name, no links; none when there is no such folder."""
        try:
            with os.scandir(folder) as entries:  # which knows of each what it is, without a look
                names = [e.name for e in entries if e.is_file(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [folder / name for name in sorted(names)]


def _make_folder(folder: Path, *, private: bool) -> None:
    """Make a folder and those above it, where they are missing."""
    missing = [p for p in (folder, *folder.parents) if not p.exists()]
    for path in reversed(missing):
        path.mkdir(mode=0o700 if private else 0o777, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system knows such a thing."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
