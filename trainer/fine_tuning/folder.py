"""Model folders: written aside, with what belongs to the weights, then put in place at once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

COPIED = ("ATTRIBUTION*", "LICENSE*", "NOTICE*")
"""What goes with the weights wherever they go."""


def save(network: Any, source: Path, folder: Path) -> None:
    """Write weights and configuration into `folder`, and the notices of the model in `source` that it came from."""
    network.save_pretrained(folder)
    # safetensors makes files only their owner can read; the web process may be another user.
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o644)
    for name in sorted({path for pattern in COPIED for path in source.glob(pattern)}):
        shutil.copy(name, folder)


def put_in_place(aside: Path, folder: Path, scratch: Path) -> None:
    """Rename `aside` to `folder`; one that is there goes to `scratch`, on the same file system."""
    if folder.exists():
        folder.rename(scratch / "replaced")
    aside.rename(folder)
