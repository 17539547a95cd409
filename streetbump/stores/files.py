"""The file system, as far as anything here uses it: one small object that tests can replace."""

from __future__ import annotations

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

        The folder is made where it is missing. `private` files can be read by their owner only.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
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
        """Rename a file within one file system, durably; the folder is made private if missing."""
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.replace(target)
        _sync_folder(target.parent)

    def delete(self, path: Path) -> None:
        """Remove a file; nothing happens when it is not there."""
        path.unlink(missing_ok=True)

    def list(self, folder: Path) -> list[Path]:
        """The files in a folder, by name; none when there is no such folder."""
        return sorted(p for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []


def _sync_folder(folder: Path) -> None:
    """Make renames in a folder durable, where the system knows such a thing."""
    if os.name == "nt":  # a folder cannot be opened there
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
