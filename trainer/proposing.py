"""What an annotator just labelled, in the predictions that Label Studio shows next.

Label Studio stores predictions and shows them when a task is opened; it asks for a new one only where the serving
version has none. So after each annotation the stored predictions of the next tasks are completed in place with what
memory says now. A thread of the reconciler's process does it, because that is always there with the SDK imported: a
job in a process of its own takes longer to start than an annotator to open the next report.

A copy of an annotated report says what that annotation says, and nothing else. When the annotation is taken back, the
predictions of its copies are deleted: Label Studio asks for another, and so does the next ranking.

Only predictions of unlabelled tasks change, each by its own number and if it was of the serving version when it was
read: a ranking that lets another version serve meanwhile deletes it, and asks for proposals itself when it is done.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from backend.annotated_texts import Answer
from backend.errors import BackendError
from backend.labelstudio import stored
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.session import Session
from backend.labelstudio.wire import JsonObject, annotation_spans, prediction_json, task_text
from backend.live_memory import without_replaced
from backend.logs import type_and_place
from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.predictor import complete, read_memory, remembered
from backend.records import Connection
from backend.registry import RULES_VERSION
from backend.rules import EMPTY_MEMORY, SpanMemory, propose
from trainer.parts import WorkerParts

logger = logging.getLogger(__name__)

HEAD = 10
"""Tasks of the queue whose stored predictions are kept up to date; reading them is one request, changing one 70 ms."""
ELSEWHERE = 30
"""Other tasks in which a new term is completed; people also open tasks that are not next.

After as many changes the next project has its turn, and this one's next tasks, before more terms are sought.
"""
COPIES = 50
"""Copies of a text that are kept up to date; each change takes 70 ms."""
CHANGED = 500
"""Texts whose annotation changed that are looked at in a turn; only those with copies cost requests."""
TERMS = 10
"""Terms sought at a turn at most, one request each."""
LONGEST_TERM = 100
"""Characters of a term that is sought; it stands in the address of a request."""
WAIT = 1.0
"""Seconds after which a thread that waits looks whether it shall stop."""
MARK = "memory-"
"""Begins the ids of regions that are from the live memory, so that they go when an annotation is taken back."""
DISPLACED = "displaced"
"""Key of such a region for those that it displaced, so that they come back; Label Studio stores it unread."""


@dataclass(frozen=True)
class Proposals:
    """What the serving version and the live memory say about a text whose stored prediction is known.

    `memory` is all that is remembered, `fresh` what the version does not know of it. `rules` says that rules
    and memory answer alone: then the prediction is made anew. `terms` are the strings that only annotators know,
    as they stand in reports, with their labels; the latest first.
    """

    version: str
    config: LabelConfig
    memory: SpanMemory
    fresh: SpanMemory
    rules: bool
    terms: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, parts: WorkerParts, project: str) -> Proposals:
        """Of the version that serves the project; raises LabelConfigError, ModelError, Unavailable."""
        version, registry = parts.registry.serving(project), parts.registry
        config = parse_label_config(registry.label_config(project) or "")
        card = None if version == RULES_VERSION else registry.card(project, version)
        known = read_memory(registry.model_folder(project, version)) if card else EMPTY_MEMORY
        reports = parts.live.reports(project, card)
        known = without_replaced(known, reports)
        memory = known.extended((report.text, report.spans) for report in reports)
        fresh = memory.beyond(known)
        said = [report.text[span.start : span.end] for report in reversed(reports) for span in report.spans]
        rules = card is None or card.mode == "rules" or not card.learned
        return cls(version, config, memory, fresh, rules, _news(said, config.labels, fresh))

    def changes(self, task: Mapping[str, Any], said: Answer | None) -> Iterator[tuple[int, list[JsonObject]]]:
        """Ids of the task's predictions of the version that need other regions, and those regions.

        `said` is what was annotated of the text, in whichever task.
        """
        text = task_text(task, self.config)
        for prediction in self.stored(task):
            if text is None:
                return
            other = said if said and said.task != task["id"] else None
            result = self.copied(text, other) if other else self.result(text, prediction["result"])
            if result != prediction["result"]:
                yield prediction["id"], result

    def stored(self, task: Mapping[str, Any]) -> list[JsonObject]:
        """The task's predictions of the version."""
        found: list[JsonObject] = task.get("predictions") or []
        return [one for one in found if one["model_version"] == self.version]

    def copied(self, text: str, said: Answer) -> list[JsonObject]:
        """The regions of a copy of an annotated report."""
        found = said.fill(Prediction((), 0.0, 0.0, self.version), said.task, text, self.config.labels)
        result: list[JsonObject] = prediction_json(found, text, self.config)["result"]
        return result

    def result(self, text: str, regions: Sequence[JsonObject]) -> list[JsonObject]:
        """The regions as they should be; those that stay are left as they are, in order of the text."""
        own = list(_as_found(regions))
        placed = {spans[0]: region for region in own if (spans := self._spans([region], text))}
        wanted = self._wanted(text, sorted(placed))
        added = [span for span in wanted if span not in placed]
        made = prediction_json(Prediction(tuple(added), 0.0, 0.0, self.version), text, self.config)["result"]
        kept = [region for span, region in placed.items() if span in wanted]
        # What rules found is found again.
        lost = [] if self.rules else [region for span, region in placed.items() if span not in wanted]
        marked = [_marked(region, lost) for region in made]
        foreign = [region for region in own if region not in placed.values()]
        return [*foreign, *sorted([*kept, *marked], key=lambda region: int(region["value"]["start"]))]

    def _wanted(self, text: str, found: Sequence[Span]) -> list[Span]:
        if self.rules:
            return propose(text, self.config.labels, self.memory)
        return complete(found, remembered(text, self.config.labels, self.fresh))

    def _spans(self, regions: Sequence[JsonObject], text: str) -> list[Span]:
        return annotation_spans({"result": list(regions)}, text, self.config)[0]


def _as_found(regions: Sequence[JsonObject]) -> Iterator[JsonObject]:
    """The regions as they were before the live memory changed them."""
    for region in regions:
        if str(region.get("id", "")).startswith(MARK):
            yield from region.get(DISPLACED) or ()
        else:
            yield region


def _marked(region: JsonObject, lost: Sequence[JsonObject]) -> JsonObject:
    """The region as one of the live memory, with those of the lost ones that it displaces."""
    start, end = region["value"]["start"], region["value"]["end"]
    under = [old for old in lost if old["value"]["start"] < end and start < old["value"]["end"]]
    return {**region, "id": f"{MARK}{region['id']}", **({DISPLACED: under} if under else {})}


def _news(said: Iterable[str], labels: Sequence[str], fresh: SpanMemory) -> dict[str, str]:
    """The strings that memory proposes where the rules would not, with their labels."""
    news = {}
    for term in dict.fromkeys(said):
        found = [span for span in remembered(term, labels, fresh) if (span.start, span.end) == (0, len(term))]
        if found and found[0] not in propose(term, labels):
            news[term] = found[0].label
    return news


class Proposer:
    """Completes stored predictions, project by project as they ask for it."""

    def __init__(self, parts: WorkerParts) -> None:
        self.parts = parts
        self._clients: dict[str, tuple[Connection, LabelStudioClient]] = {}
        self._sought: dict[str, tuple[tuple[str, str], dict[str, str]]] = {}
        self._outages: dict[str, str] = {}
        self._owed: set[str] = set()

    def run(self, stopped: Callable[[float], bool]) -> None:
        """Serve projects until `stopped(seconds)`, which waits for that long, says so."""
        # The request that a killed process was working on is in Redis no more.
        self._owed.update(self.parts.registry.projects())
        while not stopped(0.0 if self.serve(WAIT) else WAIT):
            pass

    def serve(self, seconds: float) -> bool:
        """Wait that long for a project at most and complete its predictions; one that fails asks again the next time.

        False when something failed; an outage is logged once.
        """
        project = None
        try:
            self._ask_again()
            project = self.parts.live.next_project(seconds)
            if project is not None and self.parts.registry.connection(project) is not None:
                self.project(project)
        except Exception as error:
            self._owed.update([project] if project else [])
            self._log_once(project, error)
            return False
        for answering in ("", project or ""):
            self._outages.pop(answering, None)
        return True

    def project(self, project: str) -> int:
        """Complete the predictions of the next tasks, then of others that hold a new term; returns how many changed.

        Raises what Label Studio raises.
        """
        proposals = Proposals.of(self.parts, project)
        head = [row.task_id for row in self.parts.index.top(project, proposals.version, HEAD)]
        if not head:
            return 0  # Nothing is ranked. Label Studio cannot order a project without tasks (it answers 500).
        session = self._client(project).session
        found = {task["id"]: task for task in stored.tasks(session, project, head)}
        ordered = [found[number] for number in head if number in found]
        next_ones = self._complete(session, project, proposals, ordered)
        copies = self._copies(session, project, proposals)
        others = self._elsewhere(session, project, proposals)
        logger.info(
            "project %s: predictions of %d of the next tasks, %d copies and %d others completed",
            project,
            next_ones,
            copies,
            others,
        )
        return next_ones + copies + others

    def _copies(self, session: Session, project: str, proposals: Proposals) -> int:
        """Bring the copies of texts up to date whose annotation is new, changed, or was taken back."""
        annotated, changed = self.parts.annotated, 0
        keys = annotated.take_changed(project, CHANGED)
        left = list(keys)
        try:
            while left and changed < ELSEWHERE:
                copies = self.parts.index.tasks_of(project, proposals.version, left[0], COPIES)
                tasks = stored.tasks(session, project, copies)
                changed += self._complete(session, project, proposals, tasks, taken_back=True)
                left.pop(0)
        finally:
            annotated.tell_changed(project, left)
        if left or len(keys) == CHANGED:
            self.parts.live.request_proposing(project)
        return changed

    def _complete(
        self,
        session: Session,
        project: str,
        proposals: Proposals,
        tasks: Sequence[JsonObject],
        *,
        taken_back: bool = False,
    ) -> int:
        """Change the predictions of the tasks that need it; returns how many there still were.

        With `taken_back` those of a text that nobody says anything of any more are deleted, to be predicted anew.
        """
        texts = [task_text(task, proposals.config) or "" for task in tasks]
        done = 0
        for task, said in zip(tasks, self.parts.annotated.of(project, texts), strict=True):
            if taken_back and said is None:
                done += sum(stored.delete(session, prediction["id"]) for prediction in proposals.stored(task))
                self.parts.queue.request_rank(project)
            else:
                done += sum(stored.change(session, number, result) for number, result in proposals.changes(task, said))
        return done

    def _elsewhere(self, session: Session, project: str, proposals: Proposals) -> int:
        """Complete the tasks that hold a term which was not sought since it changed or the pool was ranked."""
        sought, key = self._sought_of(project, proposals), proposals.config.text_key
        if "." in key:
            return 0  # A nested key is none that Label Studio can search.
        changed = 0
        for term in _to_seek(proposals.terms, sought)[:TERMS]:
            # The next tasks have the lowest scores.
            tasks = stored.holding(session, project, key, term, HEAD + ELSEWHERE)
            changed += self._complete(session, project, proposals, tasks)
            sought.pop(term, None)
            sought.update({term: proposals.terms[term]} if term in proposals.terms else {})
            if changed >= ELSEWHERE:
                break
        if _to_seek(proposals.terms, sought):
            self.parts.live.request_proposing(project)
        return changed

    def _sought_of(self, project: str, proposals: Proposals) -> dict[str, str]:
        """The terms that were sought since the pool was ranked, with the labels they had then; add what is sought."""
        ranking = self.parts.registry.ranking(project)
        state = (proposals.version, ranking.finished if ranking else "")
        if self._sought.get(project, (None, {}))[0] != state:
            self._sought[project] = (state, {})
        return self._sought[project][1]

    def _ask_again(self) -> None:
        while self._owed:
            self.parts.live.request_proposing(min(self._owed))
            self._owed.discard(min(self._owed))

    def _client(self, project: str) -> LabelStudioClient:
        """The client of the project's connection as it is now."""
        connection = self.parts.connection(project)
        known = self._clients.get(project)
        if known is None or known[0] != connection:
            if known:
                known[1].close()
            self._clients[project] = (connection, self.parts.client(project))
        return self._clients[project][1]

    def _log_once(self, project: str | None, error: Exception) -> None:
        reason = str(error) if isinstance(error, BackendError) else f"unexpected {type_and_place(error)}"
        if reason != self._outages.get(project or ""):
            self._outages[project or ""] = reason
            logger.warning("project %s: stored predictions are not completed: %s", project or "-", reason)


def _to_seek(terms: Mapping[str, str], sought: Mapping[str, str]) -> list[str]:
    """The terms that are new or have another label than when they were sought, then those that are gone."""
    new = [term for term, label in terms.items() if sought.get(term) != label]
    return [term for term in (*new, *(sought.keys() - terms.keys())) if len(term) <= LONGEST_TERM]
