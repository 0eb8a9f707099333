"""Which predictor answers for a project right now, and Label Studio's tasks through it.

The serving pointer is a file: it is read at each request, and a new version is loaded when it moved, so
nobody restarts anything. One request is answered by one version. Call from one thread at a time.
"""

from __future__ import annotations

import ctypes
import gc
import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from backend.annotated_texts import AnnotatedTexts, Answer
from backend.errors import BackendError, Unavailable, UnreadableLabelConfig
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.wire import empty_prediction, prediction_json, task_text
from backend.live_memory import LiveMemory, LiveReport, without_replaced
from backend.ner.prediction import Prediction
from backend.predictor import ModelPredictor, Predictor, RulesPredictor, TaggerPredictor, extend, load_predictor
from backend.ranking.control import priority
from backend.ranking.copies import report_key
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings

logger = logging.getLogger(__name__)

LOADED = 8
"""Predictors kept in memory; a small encoder takes about 200 MB."""
PAUSE = 5.0
"""Seconds for which Redis is left alone after it did not answer: asking a Redis that hangs costs up to 4 s."""

Key = tuple[str, str, tuple[str, ...]]
"""Project, version, labels."""


class Serving:
    """Predictors of all projects, loaded on demand."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        live: LiveMemory | None = None,
        annotated: AnnotatedTexts | None = None,
    ) -> None:
        self.settings = settings
        self.registry = registry
        self._loaded: OrderedDict[Key, Predictor] = OrderedDict()
        self._live = live
        self._annotated = annotated
        self._extended: dict[Key, tuple[str, Predictor]] = {}
        self._ask_again = 0.0
        self._helped_out: set[str] = set()

    def version(self, project: str) -> str:
        """The version that serves the project; `rules-1` for an unknown one."""
        return self.registry.serving(project) if project else RULES_VERSION

    def predictor(self, project: str, labels: tuple[str, ...]) -> Predictor:
        """The serving predictor, loaded when the pointer or the labels changed; raises ModelError.

        It knows what annotators labelled until this moment.
        """
        version = self.version(project)
        key = (project, version, labels)
        if key not in self._loaded:
            predictor = self._load(project, version, labels)
            for old in [k for k in self._loaded if k[0] == project]:
                self._unload(old)
            return_memory()
            self._loaded[key] = predictor
        self._loaded.move_to_end(key)
        while len(self._loaded) > LOADED:
            self._unload(next(iter(self._loaded)))
        return self._up_to_date(key)

    def predict_tasks(self, project: str, label_config: str, tasks: list[Any]) -> list[dict[str, Any]]:
        """Label Studio predictions, exactly one per task and in order.

        A task without usable text, or one that cannot be predicted, gets an empty prediction. Raises
        LabelConfigError as `config` does.
        """
        started = time.monotonic()
        config = self.config(project, label_config)
        predictor, version = self._predictor_or_none(project, config)
        texts = [task_text(task, config) for task in tasks]
        known = [text for text in texts if text is not None]
        predictions = iter(self._predict(predictor, known))
        said = iter(self._said(project, known))
        distribution = self._distribution(project, version)
        answers = []
        for task, text in zip(tasks, texts, strict=True):
            found, known_answer = (next(predictions), next(said)) if text is not None else (None, None)
            if found is not None and text is not None and project and isinstance(task.get("id"), int):
                found = self._placed(found, task["id"], text, config, known_answer, distribution)
            answers.append(self._answer(text, config, found, version))
        logger.debug(
            "predicted project=%s version=%s tasks=%d without_text=%d ms=%d",
            project or "-",
            version,
            len(tasks),
            len(tasks) - len(known),
            (time.monotonic() - started) * 1000,
        )
        return answers

    def config(self, project: str, label_config: str) -> LabelConfig:
        """The request's labelling configuration; raises LabelConfigError.

        For a request without one (older servers send none), or with one that is no XML, the project's last one helps
        out. One that can be read and not be predicted is refused: regions would be those of other data.
        """
        try:
            return parse_label_config(label_config)
        except UnreadableLabelConfig as error:
            remembered = self.registry.label_config(project) if project else None
            if remembered is None or remembered == label_config:
                raise
            if project not in self._helped_out:
                self._helped_out.add(project)
                logger.warning("project %s: %s The last one that was seen is used.", project, error)
            return parse_label_config(remembered)

    def _load(self, project: str, version: str, labels: tuple[str, ...]) -> Predictor:
        if version == RULES_VERSION:
            return RulesPredictor(version, labels)
        card = self.registry.card(project, version)
        started = time.monotonic()
        predictor = load_predictor(self.registry.model_folder(project, version), card, labels, self.settings)
        logger.info("loaded project=%s version=%s ms=%d", project, version, (time.monotonic() - started) * 1000)
        return predictor

    def _unload(self, key: Key) -> None:
        del self._loaded[key]
        self._extended.pop(key, None)

    def _up_to_date(self, key: Key) -> Predictor:
        """The loaded predictor with the live memory of this moment; without Redis that of a moment before."""
        project, version, _ = key
        known = self._extended.get(key, ("", self._loaded[key]))
        if not self._live or not project or time.monotonic() < self._ask_again:
            return known[1]
        try:
            stamp = self._live.stamp(project)
            if stamp != known[0]:
                card = None if version == RULES_VERSION else self.registry.card(project, version)
                reports = self._live.reports(project, card)
                known = self._extended[key] = (stamp, _extended(self._loaded[key], reports))
        except Unavailable:
            self._ask_again = time.monotonic() + PAUSE
        return known[1]

    def _predictor_or_none(self, project: str, config: LabelConfig) -> tuple[Predictor | None, str]:
        """The serving predictor and its version; a version that cannot be loaded answers empty, and loudly."""
        try:
            predictor = self.predictor(project, config.labels)
        except Exception as error:
            reason = str(error) if isinstance(error, BackendError) else type(error).__name__
            logger.error("project %s cannot be predicted: %s", project, reason)
            return None, self.version(project)
        return predictor, predictor.version

    def _predict(self, predictor: Predictor | None, texts: list[str]) -> list[Prediction | None]:
        """Predict all at once; when that fails one by one, so that a bad text costs only itself."""
        if predictor is None:
            return [None] * len(texts)
        try:
            return list(predictor.predict(texts))
        except Exception as error:
            logger.error("a batch of %d reports failed (%s)", len(texts), type(error).__name__)
            return [self._one(predictor, text) for text in texts]

    def _one(self, predictor: Predictor, text: str) -> Prediction | None:
        try:
            return predictor.predict([text])[0]
        except Exception as error:
            logger.error("a report of %d characters failed (%s)", len(text), type(error).__name__)
            return None

    def _said(self, project: str, texts: list[str]) -> list[Answer | None]:
        """What annotators said of copies of the texts; nothing where Redis does not answer."""
        nothing: list[Answer | None] = [None] * len(texts)
        if not self._annotated or not project or time.monotonic() < self._ask_again:
            return nothing
        try:
            return self._annotated.of(project, texts)
        except Unavailable:
            self._ask_again = time.monotonic() + PAUSE
            return nothing

    def _placed(
        self,
        found: Prediction,
        task_id: int,
        text: str,
        config: LabelConfig,
        said: Answer | None,
        distribution: Sequence[float],
    ) -> Prediction:
        """The prediction with its place in the order; that of a copy of an annotated report says what it says."""
        if said is not None and said.task != task_id:
            return said.fill(found, task_id, text, config.labels)
        place = priority(report_key(text), found.uncertainty, self.settings.holdout_share, distribution)
        return replace(found, priority=place)

    def _answer(self, text: str | None, config: LabelConfig, found: Prediction | None, version: str) -> dict[str, Any]:
        if found is None or text is None:
            return empty_prediction(version)
        return prediction_json(found, text, config, found.priority)

    def _distribution(self, project: str, version: str) -> tuple[float, ...]:
        """Where the holdout tasks of a project take their random places from."""
        ranking = self.registry.ranking(project) if project else None
        return ranking.distribution_of(version) if ranking else ()


def return_memory() -> None:
    """Give what an unloaded predictor held back to the system, where the C library can.

    A tokenizer and its cache hold each other, and glibc keeps the pieces: without this the process grew from 314 to
    370 MB in 15 switches, with it it stayed at 309.
    """
    gc.collect()
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _extended(predictor: Predictor, reports: Sequence[LiveReport]) -> Predictor:
    """The predictor with what the reports say now, without what it counted of them before they changed."""
    if isinstance(predictor, RulesPredictor | TaggerPredictor | ModelPredictor):
        predictor = replace(predictor, memory=without_replaced(predictor.memory, reports))
    return extend(predictor, [(report.text, report.spans) for report in reports])
