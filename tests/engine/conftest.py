"""A tiny trained model with the files of both engines."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.networks import write_network


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of width 32, random weights, a window of 62 tokens. Not to be written to."""
    characters = "".join(chr(0x4E00 + i) for i in range(96))
    return write_network(tmp_path_factory.mktemp("model") / "tiny", ("HR", "DIAG"), characters)


@pytest.fixture
def model_copy(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))
