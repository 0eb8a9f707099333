"""The pool, predicted by the target version, into Label Studio; then the switch.

Predictions of the new version are imported while the old one still serves. Then pointer and title change
together and the old predictions go. Killed at any point and run again it goes on where Label Studio's own
data says it stopped: tasks that hold a prediction of the version are not imported again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.wire import prediction_json, task_text
from backend.ner.prediction import Prediction
from backend.predictor import Predictor
from backend.ranking.control import is_holdout, priority, quantiles
from backend.ranking_index import RankedTask, preview
from backend.records import RankingRecord
from backend.registry import RULES_VERSION, VERSION
from trainer.parts import WorkerParts
from trainer.rival import open_version

logger = logging.getLogger(__name__)

BATCH = 256
"""Reports predicted at a time."""
DELETED_AT_ONCE = 500
"""Predictions that may be deleted while people annotate: 6 ms each (Label Studio 1.23.2, SQLite)."""
QUIET = 120.0
"""Seconds without an annotation after which any number may."""
CHECKED = 20
"""Places at the head of the queue that are read back from Label Studio."""


IMPORTED = 5000
"""Predictions imported at a time: each import makes Label Studio count all tasks of the project."""

Found = tuple[dict[str, Any], str, Prediction]
"""A task, its report and what the version predicts."""


@dataclass
class Ranked:
    """The new ranking as it grows: rows, predictions to import, holdout tasks that wait for their place."""

    rows: list[RankedTask] = field(default_factory=list)
    to_import: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[Found] = field(default_factory=list)
    without_text: int = 0


class Reranking:
    """One ranking of one project's pool; `run` does all of it."""

    def __init__(self, parts: WorkerParts, project: str, client: LabelStudioClient) -> None:
        self.settings = parts.settings
        self.registry = parts.registry
        self.queue = parts.queue
        self.index = parts.index
        self.client = client
        self.project = project

    def run(self) -> RankingRecord:
        """Predict, import, switch, clean up, read back; call it with the project's rank lock held."""
        started = time.monotonic()
        version = self.registry.target(self.project)
        config = parse_label_config(self.client.project(self.project).label_config)
        predictor, _ = open_version(self.registry, self.settings, self.project, version, config)
        self.forget_other_labels(version, config)
        ranked = self.predict_pool(predictor, config)
        distribution = self.distribution(version, config, ranked)
        self.place(ranked, ranked.waiting, config, distribution)
        self.flush(ranked, at_least=1)
        self.switch(version, ranked.rows)
        record = RankingRecord(
            version=version,
            labels=config.labels,
            tasks=len(ranked.rows),
            seconds=round(time.monotonic() - started, 1),
            finished=datetime.now(UTC).isoformat(timespec="seconds"),
            without_text=ranked.without_text,
            distribution=distribution,
        )
        self.registry.save_ranking(self.project, record)
        self.clean_up(version)
        record = self.read_back(record)
        self.registry.save_ranking(self.project, record)
        return record

    def forget_other_labels(self, version: str, config: LabelConfig) -> None:
        """Delete what the version predicted for other labels than the project has now: it is predicted anew."""
        last = self.registry.ranking(self.project)
        if last and last.version == version and last.labels not in ((), config.labels):
            self.client.delete_predictions(self.project, version)
            self.index.drop(self.project, version)

    def distribution(self, version: str, config: LabelConfig, ranked: Ranked) -> tuple[float, ...]:
        """Uncertainties of the pool; of one version always the same, so that places once given stay."""
        last = self.registry.ranking(self.project)
        if last and last.version == version and last.distribution:
            return last.distribution
        distribution = quantiles([row.uncertainty for row in ranked.rows])
        # Before any place is drawn from it: a repetition after a kill must draw the same ones.
        begun = RankingRecord(
            version=version, labels=config.labels, tasks=0, seconds=0.0, finished="", distribution=distribution
        )
        self.registry.save_ranking(self.project, begun)
        return distribution

    def predict_pool(self, predictor: Predictor, config: LabelConfig) -> Ranked:
        """Predict every unlabelled task that this version has not ranked yet; import as it goes."""
        ranked = Ranked()
        version, total = predictor.version, self.client.counts(self.project).unlabelled
        known = {row.task_id: row for row in self.index.top(self.project, version, 10**9)}
        started = time.monotonic()
        for batch in batches(self.client.unlabelled_tasks(self.project), BATCH):
            done = [known[t["id"]] for t in batch if t["id"] in known and version in t["versions"]]
            ranked.rows += done
            new = [t for t in batch if not (t["id"] in known and version in t["versions"])]
            pairs = [(task, text) for task in new if (text := task_text(task, config)) is not None]
            ranked.without_text += len(new) - len(pairs)
            predictions = predictor.predict([text for _, text in pairs])
            found = [(task, text, p) for (task, text), p in zip(pairs, predictions, strict=True)]
            ranked.waiting += [entry for entry in found if self.holdout(entry[0]["id"])]
            self.place(ranked, [entry for entry in found if not self.holdout(entry[0]["id"])], config, ())
            self.flush(ranked, IMPORTED)
            self.report(version, len(ranked.rows) + len(ranked.waiting), total, started)
        return ranked

    def place(self, ranked: Ranked, found: Sequence[Found], config: LabelConfig, distribution: Sequence[float]) -> None:
        """Add rows, and predictions that Label Studio does not hold yet."""
        share = self.settings.holdout_share
        for task, text, prediction in found:
            placed = replace(prediction, priority=priority(task["id"], prediction.uncertainty, share, distribution))
            ranked.rows.append(self.row(task["id"], text, placed))
            if prediction.version not in task["versions"]:
                answer = prediction_json(placed, text, config, placed.priority)
                ranked.to_import.append({"task": task["id"], **answer})

    def flush(self, ranked: Ranked, at_least: int) -> None:
        """Import what has gathered, once it is worth a request."""
        if len(ranked.to_import) >= at_least:
            self.client.import_predictions(self.project, ranked.to_import)
            ranked.to_import = []

    def row(self, task_id: int, text: str, prediction: Prediction) -> RankedTask:
        """The task as the queue shows it."""
        measure = "unexplained by the rules" if prediction.version == RULES_VERSION else "token entropy"
        reason = "control share: a random place" if self.holdout(task_id) else measure
        return RankedTask(task_id, prediction.priority, prediction.uncertainty, reason, preview(text))

    def holdout(self, task_id: int) -> bool:
        """Whether the task is held out."""
        return is_holdout(task_id, self.settings.holdout_share)

    def switch(self, version: str, rows: Sequence[RankedTask]) -> None:
        """Let the version serve: index, pointer, title; then drop what was annotated meanwhile."""
        self.index.replace(self.project, version, rows)
        self.registry.promote(self.project, version)
        self.client.switch_title(self.project, version)
        still = set(self.client.unlabelled_ids(self.project))
        self.index.remove(self.project, version, [row.task_id for row in rows if row.task_id not in still])
        logger.info("serving project=%s version=%s ranked=%d", self.project, version, len(rows))

    def clean_up(self, version: str) -> None:
        """Delete predictions and rankings of other versions, and weights of old ones."""
        stored = self.client.model_versions(self.project)
        for old in deletable(self.client, self.project, stored, version):
            self.client.delete_predictions(self.project, old)
        for old in stored.keys() - {version}:
            self.index.drop(self.project, old)
        self.client.drop_repeated(self.project, version)
        self.registry.prune(self.project, self.settings.keep_versions)

    def read_back(self, record: RankingRecord) -> RankingRecord:
        """Compare the head of Label Studio's order with the index."""
        theirs = [task for task, _ in self.client.lowest_scores(self.project, CHECKED)]
        ours = [row.task_id for row in self.index.top(self.project, record.version, CHECKED)]
        equal = sum(a == b for a, b in zip(theirs, ours, strict=False))
        if equal < len(ours):
            logger.warning(
                "project %s: Label Studio's order equals ours in %d of %d places", self.project, equal, len(ours)
            )
        return record.model_copy(update={"order_checked": len(ours), "order_equal": equal})

    def report(self, version: str, done: int, total: int, started: float) -> None:
        """Publish the progress."""
        spent = time.monotonic() - started
        eta = spent / done * (total - done) if done else 0.0
        fields = {
            "stage": "ranking",
            "version": version,
            "step": done,
            "steps": total,
            "eta_seconds": round(max(0.0, eta), 1),
        }
        self.queue.set_progress(self.project, "rank", {**fields, "updated": time.time()})


def deletable(client: LabelStudioClient, project: str, stored: Mapping[str, int], serving: str) -> list[str]:
    """Our versions other than `serving` whose stored predictions can go now; until then they do no harm.

    Deleting thousands locks Label Studio's SQLite for so long that submissions fail, so many are deleted only
    when nobody has annotated for a while.
    """
    others = {version: count for version, count in stored.items() if version != serving and VERSION.fullmatch(version)}
    few = sum(others.values()) <= DELETED_AT_ONCE
    return sorted(others) if few or client.quiet_seconds(project, datetime.now(UTC)) >= QUIET else []


def batches(items: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Lists of at most `size` items.

    >>> [len(b) for b in batches(({} for _ in range(5)), 2)]
    [2, 2, 1]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
