"""What an RQ worker runs. The dotted paths are stored in Redis: renaming orphans queued jobs.

A job that fails by itself is finished for RQ: its hints go back and a later round tries again after a
pause. RQ's own retries are for jobs that were killed, which then run again from the start.
"""

from __future__ import annotations

import logging
import os
import time

from backend.logs import configure, type_and_place
from backend.rank_shards import Shard
from backend.settings import Settings
from trainer.disconnection import drop_hints
from trainer.parts import NotConnected, WorkerParts, reason_of
from trainer.reranking import Outdated, Reranking
from trainer.rounds import Round

logger = logging.getLogger(__name__)


def retrain(project: str, number: int) -> str:
    """Round `number` of the project; returns a sentence for RQ's dashboard."""
    parts = _open()
    with parts.registry.lock(project, "round"):
        parts.queue.take(project, number)
        newest = parts.registry.last_round(project)
        if newest > number:
            # It was killed, and a later round was faster: its version would look older than it is.
            parts.queue.give_back(project, number, time.time())
            return f"left to the round after {newest}"
        try:
            message = _round(parts, project, number)
        except Exception as error:
            return _failed(parts, project, number, error)
        parts.queue.done(project, number)
        parts.queue.succeeded(project, "retrain", message, time.time())
    return message


def rank(project: str, number: int) -> str:
    """Rank the pool with the target version and let it serve; `number` only makes the job's id."""
    parts = _open()
    with parts.registry.lock(project, "rank"):
        try:
            record = Reranking(parts, project, parts.client(project)).run()
        except Outdated as outdated:
            return str(outdated)
        except Exception as error:
            return _ranking_failed(parts, project, f"ranking {project}-{number}", error)
        if record is None:
            return "shared out; whoever ends the last shard asks for the rest"
        message = f"{record.version} serves, {record.tasks} tasks ranked in {record.seconds} s"
        parts.queue.succeeded(project, "rank", message, time.time())
        # The version was trained before its predictions were made: annotations that came since are not in them.
        parts.live.request_proposing(project)
    return message


def rank_shard(project: str, version: str, number: int, after: int, upto: int, plan: str = "") -> str:
    """Rank the tasks of the pool with ids in (after, upto]; the last shard asks for the switch."""
    parts = _open()
    # A worker that was given up may still be at it.
    with parts.registry.lock(project, f"shard-{number}"):
        try:
            shard = Shard(number, after, upto, plan)
            last = Reranking(parts, project, parts.client(project)).run_shard(version, shard)
        except Outdated as outdated:
            return str(outdated)
        except Exception as error:
            return _ranking_failed(parts, project, f"shard {project}-{number}", error)
        if last:
            parts.queue.request_rank(project)
    return f"shard {number} of {version} ranked"


def _open() -> WorkerParts:
    # Before torch is imported: with threads that spin at barriers a fine-tuning on two shared cores takes
    # four times as long as with threads that sleep (42 s against 11 s for ten steps beside other work).
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    settings = Settings.from_env()
    configure(settings.log_level)
    return WorkerParts.open(settings)


def _round(parts: WorkerParts, project: str, number: int) -> str:
    client = parts.client(project)
    fingerprint, annotated = client.fingerprint(project), client.counts(project).annotated
    outcome = Round(parts, project, number, client).run()
    card = outcome.card
    if card is not None and card.version == parts.registry.target(project) != parts.registry.serving(project):
        parts.queue.request_rank(project)
    parts.registry.prune(project, parts.settings.keep_versions)
    parts.registry.save_trained_fingerprint(project, fingerprint, annotated)
    return outcome.message


def _failed(parts: WorkerParts, project: str, number: int, error: Exception) -> str:
    reason = reason_of(error)
    if isinstance(error, NotConnected):
        drop_hints(parts.queue, project)
        parts.queue.failed(project, "retrain", reason, time.time())
        logger.warning("round %s-%d is not tried again: %s", project, number, reason)
        return f"not tried again: {reason}"
    logger.error("round %s-%d failed: %s (%s)", project, number, reason, type_and_place(error))
    parts.queue.give_back(project, number, time.time())
    parts.queue.failed(project, "retrain", reason, time.time())
    return f"failed: {reason}"


def _ranking_failed(parts: WorkerParts, project: str, what: str, error: Exception) -> str:
    reason = reason_of(error)
    logger.error("%s failed: %s (%s)", what, reason, type_and_place(error))
    parts.queue.failed(project, "rank", reason, time.time())
    return f"failed: {reason}"
