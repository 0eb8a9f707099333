"""The files in a zip archive, with a bound on what it unpacks to."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from backend.errors import CorpusError

ZIP = b"PK\x03\x04"
LIMIT = 512 * 1024 * 1024
"""Bytes that all files may unpack to; zipfile never unpacks more of one than the archive declares."""
MOST = 2_000
READ = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".conll", ".bio", ".bmes", ".txt")
_DAMAGED = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, OSError, EOFError, zlib.error)
HINT = "export JSON from Label Studio"


def members(content: bytes, path: Path) -> list[tuple[str, bytes]]:
    """Name and content of each file in the archive, by name; raises CorpusError."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = [part for part in archive.infolist() if not part.is_dir() and not _is_litter(part.filename)]
            size = sum(part.file_size for part in parts)
            if size > LIMIT or len(parts) > MOST:
                raise CorpusError(f"The archive unpacks to {size} bytes in {len(parts)} files", path, HINT)
            _check_names([part.filename for part in parts], path)
            return sorted((part.filename, _content(archive, part, path)) for part in parts)
    except _DAMAGED:
        raise CorpusError("The zip archive is damaged", path, HINT) from None


def _content(archive: zipfile.ZipFile, part: zipfile.ZipInfo, path: Path) -> bytes:
    try:
        return archive.read(part)
    except _DAMAGED:
        raise CorpusError("The file in the zip archive is damaged or encrypted", path / part.filename, HINT) from None


def _is_litter(name: str) -> bool:
    return name.startswith("__MACOSX/") or PurePosixPath(name).name.startswith(".")


def _check_names(names: list[str], path: Path) -> None:
    suffixes = {PurePosixPath(name).suffix.lower() for name in names}
    if not names:
        raise CorpusError("The zip archive is empty", path, HINT)
    if "[Content_Types].xml" in names:
        raise CorpusError("The file is an Office document (Excel, Word), which is not read", path, HINT)
    if ".ann" in suffixes:
        raise CorpusError("The archive is a BRAT export, which is not read", path, HINT)
    if unread := sorted(suffixes - set(READ)):
        raise CorpusError(f"The archive holds files that are not read ({', '.join(unread) or 'no suffix'})", path, HINT)
