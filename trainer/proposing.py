"""What an annotator just labelled, in the predictions that Label Studio shows next.

Label Studio stores predictions and shows them when a task is opened; it asks for a new one only where the serving
version has none. So after each annotation the stored predictions of the next tasks are completed in place with what
memory says now. A thread of the reconciler's process does it, because that is always there with the SDK imported: a
job in a process of its own takes longer to start than an annotator to open the next report.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.errors import BackendError
from backend.labelstudio import stored
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.session import Session
from backend.labelstudio.wire import annotation_spans, prediction_json, task_text
from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.predictor import complete, read_memory, remembered
from backend.records import Connection
from backend.registry import RULES_VERSION
from backend.rules import EMPTY_MEMORY, SpanMemory, propose
from trainer.parts import WorkerParts, reason_of

logger = logging.getLogger(__name__)

HEAD = 10
"""Tasks of the queue whose stored predictions are kept up to date; reading them is one request, changing one 70 ms."""
ELSEWHERE = 30
"""Other tasks that are looked at for terms which are new; people also open tasks that are not next."""
TERMS = 50
"""Terms of one search."""
WAIT = 1.0
"""Seconds after which a thread that waits looks whether it shall stop."""
MARK = "memory-"
"""Begins the ids of regions that are from the live memory, so that they go when an annotation is taken back."""


@dataclass(frozen=True)
class Proposals:
    """What the serving version and the live memory say about a text whose stored prediction is known.

    `memory` is all that is remembered, `fresh` what the version does not know of it. `rules` says that the version
    has no network: then its prediction is made anew. `terms` are the strings that only annotators know,
    as they stand in reports.
    """

    version: str
    config: LabelConfig
    memory: SpanMemory
    fresh: SpanMemory
    rules: bool
    terms: frozenset[str] = frozenset()

    @classmethod
    def of(cls, parts: WorkerParts, project: str) -> Proposals:
        """Of the version that serves the project; raises LabelConfigError, ModelError, Unavailable."""
        version, registry = parts.registry.serving(project), parts.registry
        config = parse_label_config(registry.label_config(project) or "")
        card = None if version == RULES_VERSION else registry.card(project, version)
        known = read_memory(registry.model_folder(project, version)) if card else EMPTY_MEMORY
        reports = [(report.text, report.spans) for report in parts.live.reports(project, card)]
        memory = known.extended(reports)
        fresh = memory.beyond(known)
        said = {text[span.start : span.end] for text, spans in reports for span in spans}
        rules = card is None or card.mode == "rules" or not card.training.steps
        terms = frozenset(term for term in said if _is_news(term, config.labels, fresh))
        return cls(version, config, memory, fresh, rules, terms)

    def changes(self, task: Mapping[str, Any]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
        """Ids of the task's predictions of the version that need other regions, and those regions."""
        text = task_text(task, self.config)
        for prediction in task.get("predictions") or ():
            if text is not None and prediction["model_version"] == self.version:
                result = self.result(text, prediction["result"])
                if result != prediction["result"]:
                    yield prediction["id"], result

    def result(self, text: str, regions: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """The regions as they should be; those that stay are left as they are, in order of the text."""
        own = [region for region in regions if not str(region.get("id", "")).startswith(MARK)]
        placed = {spans[0]: region for region in own if (spans := self._spans([region], text))}
        wanted = self._wanted(text, sorted(placed))
        added = [span for span in wanted if span not in placed]
        made = prediction_json(Prediction(tuple(added), 0.0, 0.0, self.version), text, self.config)["result"]
        marked = [{**region, "id": f"{MARK}{region['id']}"} for region in made]
        kept = [region for span, region in placed.items() if span in wanted]
        foreign = [region for region in own if region not in placed.values()]
        return [*foreign, *sorted([*kept, *marked], key=lambda region: int(region["value"]["start"]))]

    def _wanted(self, text: str, found: Sequence[Span]) -> list[Span]:
        if self.rules:
            return propose(text, self.config.labels, self.memory)
        return complete(found, remembered(text, self.config.labels, self.fresh))

    def _spans(self, regions: Sequence[dict[str, Any]], text: str) -> list[Span]:
        return annotation_spans({"result": list(regions)}, text, self.config)[0]


def _is_news(term: str, labels: Sequence[str], fresh: SpanMemory) -> bool:
    """Whether memory proposes the term where the rules would not."""
    whole = (0, len(term))
    by_memory = [(span.start, span.end) for span in remembered(term, labels, fresh)]
    return whole in by_memory and whole not in [(span.start, span.end) for span in propose(term, labels)]


class Proposer:
    """Completes stored predictions, project by project as they ask for it."""

    def __init__(self, parts: WorkerParts) -> None:
        self.parts = parts
        self._clients: dict[str, tuple[Connection, LabelStudioClient]] = {}
        self._sought: dict[str, tuple[tuple[str, str], set[str]]] = {}
        self._outage = ""

    def run(self, stopped: Callable[[float], bool]) -> None:
        """Serve projects until `stopped(seconds)`, which waits for that long, says so."""
        while not stopped(0.0 if self.serve(WAIT) else WAIT):
            pass

    def serve(self, seconds: float) -> bool:
        """Wait that long for a project at most and complete its predictions; an outage is logged once."""
        try:
            project = self.parts.live.next_project(seconds)
            if project is not None and self.parts.registry.connection(project) is not None:
                self.project(project)
                self._outage = ""
        except Exception as error:
            self._log_once(error)
            return False
        return True

    def project(self, project: str) -> int:
        """Complete the predictions of the next tasks, then of others that hold a new term; returns how many changed.

        Raises what Label Studio raises.
        """
        proposals = Proposals.of(self.parts, project)
        head = [row.task_id for row in self.parts.index.top(project, proposals.version, HEAD)]
        session = self._client(project).session
        found = {task["id"]: task for task in stored.tasks(session, project, head)}
        changed = self._complete(session, proposals, [found[number] for number in head if number in found])
        others = [task for task in self._elsewhere(session, project, proposals) if task["id"] not in found]
        changed += self._complete(session, proposals, others)
        logger.info(
            "project %s: %d predictions completed, of the next %d tasks and %d others",
            project,
            changed,
            len(found),
            len(others),
        )
        return changed

    def _complete(self, session: Session, proposals: Proposals, tasks: Sequence[dict[str, Any]]) -> int:
        changes = [change for task in tasks for change in proposals.changes(task)]
        for prediction, result in changes:
            stored.change(session, prediction, result)
        return len(changes)

    def _elsewhere(self, session: Session, project: str, proposals: Proposals) -> list[dict[str, Any]]:
        """Tasks that hold a term which was not sought since the pool was ranked."""
        ranking = self.parts.registry.ranking(project)
        state = (proposals.version, ranking.finished if ranking else "")
        since, known = self._sought.get(project, (state, set()))
        known = known if since == state else set()
        self._sought[project] = (state, known)
        terms = sorted(proposals.terms - known)[:TERMS]
        known.update(terms)
        key = proposals.config.text_key
        # A nested key is none that Label Studio can search.
        return stored.holding(session, project, key, terms, ELSEWHERE) if "." not in key else []

    def _client(self, project: str) -> LabelStudioClient:
        """The client of the project's connection as it is now."""
        connection = self.parts.connection(project)
        known = self._clients.get(project)
        if known is None or known[0] != connection:
            self._clients[project] = (connection, self.parts.client(project))
        return self._clients[project][1]

    def _log_once(self, error: Exception) -> None:
        reason = reason_of(error)
        if reason != self._outage:
            self._outage = reason
            logger.warning(
                "stored predictions are not completed: %s", reason, exc_info=not isinstance(error, BackendError)
            )
