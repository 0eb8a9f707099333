"""What a running web process is made of, opened once in the app's lifespan.

Nothing here waits for Redis: the web process starts and predicts without it, hints are refused with 503
until it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.annotated_texts import AnnotatedTexts
from backend.http.micro_batches import MicroBatches
from backend.job_queue import JobQueue
from backend.live_memory import LiveMemory
from backend.parts import Parts
from backend.ranking_index import RankingIndex
from backend.registry import Registry
from backend.serving import Serving
from backend.settings import Settings

REDIS_CONNECT_SECONDS = 0.5
REDIS_ANSWER_SECONDS = 2.0
"""Label Studio waits 1 s for a webhook and never repeats it: better an early 503 than a late one."""

IO_THREADS = 16
"""Threads for files and Redis; enough that a Redis that hangs leaves some for /setup."""

P = ParamSpec("P")
R = TypeVar("R")


def connect_redis(settings: Settings) -> Redis:
    """A client that opens its connection on first use and gives up early; one retry for a stale connection."""
    return Redis.from_url(
        settings.redis_url,
        socket_connect_timeout=REDIS_CONNECT_SECONDS,
        socket_timeout=REDIS_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )


@dataclass(frozen=True)
class WebParts(Parts):
    """Files, Redis and the predictors of the web process.

    `inference` has one thread: the engine uses all of its own, and the event loop stays free (/health has
    one second). `io` is for files and Redis.
    """

    serving: Serving
    predictions: MicroBatches
    inference: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "inference"))
    io: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(IO_THREADS, "io"))

    @classmethod
    def open(cls, settings: Settings) -> WebParts:
        """Build everything; no I/O yet."""
        registry = Registry(settings.home)
        redis = connect_redis(settings)
        queue = JobQueue(redis, registry, settings)
        serving = Serving(settings, registry, LiveMemory(redis), AnnotatedTexts(redis))
        return cls(settings, registry, redis, queue, RankingIndex(redis), serving, MicroBatches(serving.predict_tasks))

    async def infer(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `call` in the inference thread, after the calls before it."""
        return await asyncio.get_running_loop().run_in_executor(self.inference, lambda: call(*args, **kwargs))

    async def work(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `call`, which reads files or Redis, in an I/O thread."""
        return await asyncio.get_running_loop().run_in_executor(self.io, lambda: call(*args, **kwargs))

    def close(self) -> None:
        """Finish running calls, drop waiting ones, disconnect."""
        self.inference.shutdown(cancel_futures=True)
        self.io.shutdown(cancel_futures=True)
        self.redis.close()
