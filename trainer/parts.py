"""Opening the parts a job or command needs: Redis, registry, job queue, a project's Label Studio."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import SecretStr
from redis import Redis

from backend.errors import CONNECT, BackendError, Conflict
from backend.job_queue import JobQueue
from backend.labelstudio.client import LabelStudioClient
from backend.parts import Parts
from backend.ranking_index import RankingIndex
from backend.records import Connection
from backend.registry import Registry
from backend.settings import Settings


class NotConnected(Conflict):
    """The project was never connected, or has ended: repeating a job does not help."""


@dataclass(frozen=True)
class WorkerParts(Parts):
    """The parts of a worker or a command, which also talk to Label Studio."""

    @classmethod
    def open(cls, settings: Settings) -> WorkerParts:
        """Open without connecting: Redis is reached at first use."""
        registry = Registry(settings.home)
        redis = Redis.from_url(settings.redis_url)
        return cls(settings, registry, redis, JobQueue(redis, registry, settings), RankingIndex(redis))

    def connection(self, project: str) -> Connection:
        """URL and token of the project's Label Studio; settings win over what `ecgal connect` stored."""
        settings = self.settings
        stored = self.registry.connection(project)
        url = settings.label_studio_url or (stored.url if stored else "")
        token = settings.label_studio_token.get_secret_value() or (stored.token.get_secret_value() if stored else "")
        if ended := self.registry.ended(project):
            raise NotConnected(f"Project {project} has ended ({ended})", hint=f"take it up with `{CONNECT} {project}`")
        if not url or not token:
            raise NotConnected("The project is not connected to a Label Studio", project, f"run `{CONNECT} {project}`")
        return Connection(url=url, token=SecretStr(token), backend_url=(stored and stored.backend_url) or settings.url)

    def client(self, project: str) -> LabelStudioClient:
        """A client of the project's Label Studio; raises Conflict when it is not connected."""
        connection = self.connection(project)
        return LabelStudioClient(
            connection.url, connection.token.get_secret_value(), backend_url=connection.backend_url
        )


def reason_of(error: Exception) -> str:
    """What went wrong, fit for people and logs: our own errors in full, of others the type alone."""
    return str(error) if isinstance(error, BackendError) else f"unexpected {type(error).__name__}, see the log"
