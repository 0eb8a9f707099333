"""What no webhook told: Label Studio keeps no retry and stays silent about imports, drafts and edits.

Every few seconds the projects that are connected are compared with Label Studio: annotations that no
round has read become a hint, new tasks are ranked, a ranking that stopped half-way goes on, a title that
is not the serving version is mended.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from backend.errors import BackendError
from backend.job_queue import ended_by, job_id_of
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.pool import count_missing, count_scored
from backend.labelstudio.session import Refusal
from backend.logs import type_and_place
from backend.records import Connection
from trainer.disconnection import end
from trainer.parts import WorkerParts, reason_of
from trainer.upkeep import deletable, may_delete, other_labels, tidy

logger = logging.getLogger(__name__)


GONE_AFTER = 5
"""Answers "404" in a row after which a project counts as deleted: a minute, so that a restart is none."""


class Reconciler:
    """Compares all connected projects with Label Studio, one `tick` at a time."""

    def __init__(self, parts: WorkerParts) -> None:
        self.parts = parts
        self._clients: dict[str, tuple[Connection, LabelStudioClient]] = {}
        self._outages: dict[str, str] = {}
        self._missing: dict[str, int] = {}

    def run(self, stopped: Callable[[float], bool]) -> None:
        """Tick until `stopped(seconds)`, which waits for that long, says so."""
        while not stopped(self.parts.settings.reconcile_seconds):
            self.tick()

    def tick(self) -> None:
        """Reconcile every project; one that fails does not hold up the others and is logged once."""
        for project in self.parts.registry.projects():
            try:
                if self.parts.registry.connection(project) is None:
                    self._forget_client(project)
                    continue
                self.project(project)
            except Exception as error:
                self._log_once(project, error)
                self._end_deleted(project, error)
            else:
                self._missing.pop(project, None)
                if self._outages.pop(project, None):
                    self.parts.queue.retry_now(project)
                    logger.info("project %s can be reconciled again", project)

    def project(self, project: str) -> None:
        """Reconcile one project; raises what Label Studio or Redis raise."""
        client = self._client(project)
        self.hints(project, client)
        self.given_up(project)
        self.target(project)
        self.title(project, client)
        self.pool(project, client)

    def hints(self, project: str, client: LabelStudioClient) -> None:
        """Hint at annotations that no round has read, and give back hints of rounds that are gone."""
        queue, registry, now = self.parts.queue, self.parts.registry, time.time()
        for number in queue.orphans(project):
            queue.give_back(project, number, now)
            how = ended_by(queue.signal(job_id_of(project, "retrain", number)))
            queue.failed(project, "retrain", f"round {number} was killed whenever it ran{how}", now)
        if queue.jobs(project, "retrain") or client.fingerprint(project) == registry.trained_fingerprint(project):
            return
        known = queue.pending(project).count
        queue.hint_unread(project, client.counts(project).annotated - registry.annotated_then(project), now)
        if not known:
            logger.info("project %s: annotations or settings changed that no round has read", project)

    def given_up(self, project: str) -> None:
        """Let a ranking wait whose process ended whenever it ran, as one does that fails by itself."""
        jobs = self.parts.queue.given_up(project, "rank")
        if jobs:
            told = [f"{job}{ended_by(self.parts.queue.signal(job))}" for job in jobs]
            reason = f"{', '.join(told)} was killed or ended whenever it ran: see the worker's log"
            self.parts.queue.failed(project, "rank", reason, time.time())
            logger.warning("project %s: %s", project, reason)

    def target(self, project: str) -> None:
        """Go on with a switch that stopped between decision and ranking."""
        registry = self.parts.registry
        if registry.target(project) != registry.serving(project):
            self._rank(project)

    def title(self, project: str, client: LabelStudioClient) -> None:
        """Title and model version must be the serving version, else Label Studio orders at random."""
        serving = self.parts.registry.serving(project)
        # A project may have been disconnected since this comparison began.
        if self.parts.queue.jobs(project, "rank") or self.parts.registry.ended(project):
            return
        backend = client.backend(project, client.backend_url)
        title = backend["title"] if backend else serving
        if title != serving or client.project(project).model_version != serving:
            client.switch_title(project, serving)
            logger.info("project %s: title mended to %s", project, serving)

    def pool(self, project: str, client: LabelStudioClient) -> None:
        """Rank what came without a webhook or lacks predictions; drop what left, or was left by a killed ranking."""
        registry, index = self.parts.registry, self.parts.index
        serving, record = registry.serving(project), registry.ranking(project)
        unusable = record.without_text if record and record.version == serving else 0
        stored = client.model_versions(project)
        missing = count_missing(client.session, project, serving)
        ranked, held = index.count(project, serving), count_scored(client.session, project, serving)
        strays = deletable(client, project, stored, serving)
        config = parse_label_config(registry.label_config(project) or "")
        other = record and record.version == serving and other_labels(record, config)
        relabelled = other and may_delete(client, project, stored.get(serving, 0))
        stale = record is None or not record.finished or relabelled
        # Not more than are known to have no text, nor fewer: they would hide as many that nothing told of.
        if missing != unusable or ranked < held or strays or stale:
            self._rank(project)
        elif ranked > held:
            tidy(client, index, project, serving)
        # While versions overlap every task has two predictions, rightly.
        repeated = client.drop_repeated(project, serving) if stored.keys() == {serving} else 0
        if repeated:
            logger.info("project %s: %d repeated predictions deleted", project, repeated)

    def _rank(self, project: str) -> None:
        queue = self.parts.queue
        if not queue.jobs(project, "rank") and not queue.paused(project, "rank", time.time()):
            queue.request_rank(project)

    def _client(self, project: str) -> LabelStudioClient:
        """The client of the project's connection as it is now; `ecgal connect` may have changed it."""
        connection = self.parts.connection(project)
        known = self._clients.get(project)
        if known is None or known[0] != connection:
            self._forget_client(project)
            self._clients[project] = (connection, self.parts.client(project))
        return self._clients[project][1]

    def _forget_client(self, project: str) -> None:
        if known := self._clients.pop(project, None):
            known[1].close()

    def _end_deleted(self, project: str, error: Exception) -> None:
        """End a project that Label Studio said it does not have GONE_AFTER times in a row, and nothing else between."""
        gone = isinstance(error, Refusal) and error.code == 404 and error.what.endswith(f": project {project}")
        self._missing[project] = self._missing.get(project, 0) + 1 if gone else 0
        if self._missing[project] >= GONE_AFTER:
            end(self.parts, project, "Label Studio no longer has it, or the token's owner may not see it")
            self._missing.pop(project)

    def _log_once(self, project: str, error: Exception) -> None:
        self._forget_client(project)
        reason = reason_of(error)
        if self._outages.get(project) != reason:
            self._outages[project] = reason
            said = reason if isinstance(error, BackendError) else f"unexpected {type_and_place(error)}"
            logger.warning("project %s cannot be reconciled: %s", project, said)
