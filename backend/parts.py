"""What every process is made of: settings, files, Redis. Web process and workers add their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from redis import Redis

from backend.annotated_texts import AnnotatedTexts
from backend.job_queue import JobQueue
from backend.live_memory import LiveMemory
from backend.ranking_index import RankingIndex
from backend.registry import Registry
from backend.settings import Settings


@dataclass(frozen=True)
class Parts:
    """Opened once per process; Redis is reached at first use."""

    settings: Settings
    registry: Registry
    redis: Redis
    queue: JobQueue
    index: RankingIndex

    @cached_property
    def live(self) -> LiveMemory:
        """What annotators said since the serving versions were trained."""
        return LiveMemory(self.redis)

    @cached_property
    def annotated(self) -> AnnotatedTexts:
        """What annotators said of each text, for its copies."""
        return AnnotatedTexts(self.redis)
