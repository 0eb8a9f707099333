"""Text files that are read or replaced as a whole."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def read_text(path: Path) -> str | None:
    """The text of the file, or None when there is none."""
    try:
        return path.read_text("utf-8")
    except FileNotFoundError:
        return None


def check_writable(folder: Path) -> None:
    """Make the folder where it is missing; raises OSError when nothing can be kept in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def write_atomic(path: Path, text: str, mode: int = 0o644) -> None:
    """Write aside, flush to disk, rename: readers see the old text or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with open(handle, "w", encoding="utf-8") as file:  # noqa: PTH123 - a file descriptor, not a path
            os.fchmod(handle, mode)
            file.write(text)
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
