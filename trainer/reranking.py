"""The pool, predicted by the target version, into Label Studio; then the switch.

Predictions of the new version are imported while the old one still serves. Then pointer and title change
together and the old predictions go. Killed at any point and run again it goes on where Label Studio's own
data says it stopped: tasks that hold a prediction of the version are not imported again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.wire import prediction_json, task_text
from backend.ner.prediction import Prediction
from backend.predictor import Predictor, RulesPredictor, load_predictor
from backend.ranking.control import is_holdout, priority, quantiles
from backend.ranking_index import RankedTask, preview
from backend.registry import RULES_VERSION, RankingRecord
from trainer.parts import WorkerParts

logger = logging.getLogger(__name__)

BATCH = 256
"""Reports predicted at a time."""
CHECKED = 20
"""Places at the head of the queue that are read back from Label Studio."""


@dataclass
class Ranked:
    """Rows of the new ranking, and holdout tasks that wait for the distribution of the others."""

    rows: list[RankedTask] = field(default_factory=list)
    waiting: list[tuple[dict[str, Any], str, Prediction]] = field(default_factory=list)
    imported: int = 0
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
        predictor = self.predictor(version, config)
        ranked = self.predict_pool(predictor, config)
        distribution = self.distribution(version, ranked)
        self.place_holdout(ranked, config, distribution)
        self.switch(version, ranked.rows)
        record = RankingRecord(
            version=version,
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

    def distribution(self, version: str, ranked: Ranked) -> tuple[float, ...]:
        """Uncertainties of the pool; of one version always the same, so that places once given stay."""
        last = self.registry.ranking(self.project)
        if last and last.version == version and last.distribution:
            return last.distribution
        return quantiles([row.uncertainty for row in ranked.rows])

    def predictor(self, version: str, config: LabelConfig) -> Predictor:
        """The predictor of the target version."""
        if version == RULES_VERSION:
            return RulesPredictor(version, config.labels)
        card = self.registry.card(self.project, version)
        return load_predictor(self.registry.model_folder(self.project, version), card, config.labels, self.settings)

    def predict_pool(self, predictor: Predictor, config: LabelConfig) -> Ranked:
        """Predict every unlabelled task; import at once what needs no distribution."""
        ranked = Ranked()
        total = self.client.counts(self.project).unlabelled
        started = time.monotonic()
        for batch in batches(self.client.unlabelled_tasks(self.project), BATCH):
            pairs = [(task, text) for task in batch if (text := task_text(task, config)) is not None]
            ranked.without_text += len(batch) - len(pairs)
            predictions = predictor.predict([text for _, text in pairs])
            found = [(task, text, p) for (task, text), p in zip(pairs, predictions, strict=True)]
            ranked.waiting += [entry for entry in found if self.holdout(entry[0])]
            self.import_batch(ranked, [entry for entry in found if not self.holdout(entry[0])], config, ())
            done = len(ranked.rows) + len(ranked.waiting)
            self.report(predictor.version, done, total, started)
        return ranked

    def place_holdout(self, ranked: Ranked, config: LabelConfig, distribution: Sequence[float]) -> None:
        """Give the holdout tasks random places among the others and import them."""
        self.import_batch(ranked, ranked.waiting, config, distribution)
        ranked.waiting = []

    def import_batch(
        self,
        ranked: Ranked,
        found: Sequence[tuple[dict[str, Any], str, Prediction]],
        config: LabelConfig,
        distribution: Sequence[float],
    ) -> None:
        """Import predictions that Label Studio does not hold yet, and add the rows."""
        share = self.settings.holdout_share
        missing = []
        for task, text, prediction in found:
            placed = replace(prediction, priority=priority(task["id"], prediction.uncertainty, share, distribution))
            ranked.rows.append(self.row(task["id"], text, placed))
            if prediction.version not in task["versions"]:
                missing.append({"task": task["id"], **prediction_json(placed, text, config, placed.priority)})
        if missing:
            ranked.imported += self.client.import_predictions(self.project, missing)

    def row(self, task_id: int, text: str, prediction: Prediction) -> RankedTask:
        """The task as the queue shows it."""
        reason = "control share: a random place" if self.holdout({"id": task_id}) else "token entropy"
        return RankedTask(task_id, prediction.priority, prediction.uncertainty, reason, preview(text))

    def holdout(self, task: dict[str, Any]) -> bool:
        """Whether the task is held out."""
        return is_holdout(task["id"], self.settings.holdout_share)

    def switch(self, version: str, rows: Sequence[RankedTask]) -> None:
        """Let the version serve: index, pointer, title; then drop what was annotated meanwhile."""
        self.index.replace(self.project, version, rows)
        self.registry.promote(self.project, version)
        self.client.switch_title(self.project, version)
        still = set(self.client.unlabelled_ids(self.project))
        self.index.remove(self.project, version, [row.task_id for row in rows if row.task_id not in still])
        logger.info("serving project=%s version=%s ranked=%d", self.project, version, len(rows))

    def clean_up(self, version: str) -> None:
        """Delete predictions and rankings of other versions."""
        for old in self.client.model_versions(self.project):
            if old != version:
                self.client.delete_predictions(self.project, old)
                self.index.drop(self.project, old)

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


def batches(items: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Lists of at most `size` items.

    >>> [len(b) for b in batches(({} for _ in range(5)), 2)]
    [2, 2, 1]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
