"""From report text to a prediction: the one path that serves, ranks and is evaluated.

Three kinds: rules with span memory (before anything is learned), a tagger, and a fine-tuned network in the mode that
its card names. All answer in input order; identical texts are computed once.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.engine import Engine, open_engine
from backend.engine.batching import softmax
from backend.engine.cache import CachedEngine
from backend.engine.tokenizer import Encoding, TextTokenizer
from backend.errors import ModelError
from backend.merging import Trust, merge
from backend.model_card import Mode, ModelCard
from backend.ner.alignment import merge_windows, tags_to_spans, windows
from backend.ner.decoding import viterbi
from backend.ner.prediction import Prediction
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.ner.uncertainty import doubted, report_entropy, token_entropy
from backend.registry import MEMORY
from backend.rules import EMPTY_MEMORY, SpanMemory, propose, uncertainty
from backend.rules.fold import fold
from backend.settings import Settings
from backend.tagging.tagger import FILE as TAGGER
from backend.tagging.tagger import Tagged as TaggedCharacters
from backend.tagging.tagger import Tagger

logger = logging.getLogger(__name__)

OVERLAP = 4
"""Neighbouring windows share a quarter, so that every token of a long report has context on both sides."""
TINY = 1e-12
"""Keeps the logarithm of a probability finite."""


class Predictor(Protocol):
    """Anything that predicts."""

    @property
    def version(self) -> str:
        """What Label Studio is told."""

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order."""

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of each prediction; their scores are those of their sources, which know nothing of the report."""


@dataclass(frozen=True)
class RulesPredictor:
    """Rules and span memory, no network: the cold start."""

    version: str
    labels: tuple[str, ...]
    memory: SpanMemory = EMPTY_MEMORY

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order; the uncertainty is what the rules leave unexplained."""
        return [self._one(text, spans) for text, spans in zip(texts, self.find(texts), strict=True)]

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of each text, in order."""
        return [propose(text, self.labels, self.memory) for text in texts]

    def _one(self, text: str, spans: Sequence[Span]) -> Prediction:
        doubt = uncertainty(text, spans)
        return Prediction(tuple(doubted(spans, doubt)), doubt, doubt, self.version)


@dataclass(frozen=True)
class TaggerPredictor:
    """A tagger, which takes rules and span memory as evidence.

    `labels` are the project's at this moment: spans of labels that vanished are dropped. `memory` is all that is
    remembered, `fresh` what the tagger was not trained on.
    """

    version: str
    labels: tuple[str, ...]
    tagger: Tagger
    memory: SpanMemory = EMPTY_MEMORY
    fresh: SpanMemory = EMPTY_MEMORY
    mode: ClassVar[Mode] = "tagger"

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order; the uncertainty is that of its token entropies."""
        found = {tagged.text: self._decode(tagged) for tagged in self.tag(texts)}
        return [found[text] for text in texts]

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of each text, in order."""
        found = {tagged.text: self._spans(tagged) for tagged in self.tag(texts)}
        return [found[text] for text in texts]

    def tag(self, texts: Sequence[str]) -> Iterator[TaggedCharacters]:
        """What the tagger says about each different text."""
        return self.tagger.tag(list(dict.fromkeys(texts)), self.memory)

    def _spans(self, tagged: TaggedCharacters) -> list[Span]:
        known = [span for span in self.tagger.spans(tagged) if span.label in self.labels]
        return complete(known, remembered(tagged.text, self.labels, self.fresh))

    def _decode(self, tagged: TaggedCharacters) -> Prediction:
        doubt = report_entropy(tagged.entropies)
        found = doubted(self._spans(tagged), doubt, tagged.offsets, tagged.entropies)
        return Prediction(tuple(found), doubt, doubt, self.version)


@dataclass(frozen=True)
class Tagged:
    """A text as the network sees it: its tokens, and the probabilities [tokens, tags] before any temperature."""

    text: str
    encoding: Encoding
    probabilities: NDArray[np.float32]


@dataclass(frozen=True)
class ModelPredictor:
    """A trained network, alone or together with rules.

    `labels` are the project's at this moment: spans of labels that vanished are dropped, labels the network was not
    trained on come from rules and memory. `temperature` makes its probabilities honest: it changes uncertainties and
    scores, never the spans. `trust` says what wins where both propose. `fresh`: strings labelled since, for every mode.
    """

    version: str
    mode: Mode
    scheme: LabelScheme
    labels: tuple[str, ...]
    tokenizer: TextTokenizer
    engine: Engine
    memory: SpanMemory = EMPTY_MEMORY
    temperature: float = 1.0
    trust: Trust = field(default_factory=Trust)
    fresh: SpanMemory = EMPTY_MEMORY

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order; the uncertainty is the network's mean token entropy."""
        distinct = list(dict.fromkeys(texts))
        found = {tagged.text: self.decode(tagged) for tagged in self.tag(distinct)}
        return [found[text] for text in texts]

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of each text, in order, those of `predict`; in the mode of the rules the network is not asked."""
        distinct = list(dict.fromkeys(texts))
        if self.mode == "rules":
            found = {text: self._with_fresh(text, propose(text, self.labels, self.memory)) for text in distinct}
        else:
            found = {tagged.text: self._with_fresh(tagged.text, self.spans(tagged)) for tagged in self.tag(distinct)}
        return [found[text] for text in texts]

    def tag(self, texts: Sequence[str]) -> list[Tagged]:
        """What the network says about each text, in order."""
        encodings = [self.tokenizer.encode(text) for text in texts]
        probabilities = self.probabilities([encoding.input_ids for encoding in encodings])
        return [Tagged(*fields) for fields in zip(texts, encodings, probabilities, strict=True)]

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Tag probabilities [tokens, tags] of each sequence; long ones are computed in overlapping windows."""
        plan = [cuts(len(ids), self.engine) for ids in sequences]
        parts = [ids[start:end] for ids, ranges in zip(sequences, plan, strict=True) for start, end in ranges]
        computed = iter(self.engine.probabilities(parts) if parts else [])
        empty = np.zeros((0, len(self.scheme.tags)), dtype=np.float32)
        return [
            merge_windows([(cut, next(computed)) for cut in ranges], len(ids)) if ranges else empty
            for ids, ranges in zip(sequences, plan, strict=True)
        ]

    def decode(self, tagged: Tagged) -> Prediction:
        """Spans in this version's mode, their scores lowered by the network's doubt, with the uncertainty."""
        entropies = token_entropy(temper(tagged.probabilities, self.temperature))
        doubt = float(entropies.mean()) if len(entropies) else 0.0
        spans = self._with_fresh(tagged.text, self.spans(tagged))
        found = doubted(spans, doubt, tagged.encoding.offsets, entropies)
        return Prediction(tuple(found), doubt, doubt, self.version)

    def _with_fresh(self, text: str, spans: Sequence[Span]) -> list[Span]:
        return complete(spans, remembered(text, self.labels, self.fresh))

    def spans(self, tagged: Tagged) -> list[Span]:
        """What the text holds by the version's mode, with the project's present labels."""
        if self.mode == "rules":
            return propose(tagged.text, self.labels, self.memory)
        if self.mode == "merged":
            # Before the temperature, as the trust was measured.
            return merge(propose(tagged.text, self.labels, self.memory), self.network_spans(tagged), self.trust)
        found = self.network_spans(tagged, self.temperature)
        unknown = set(self.labels) - set(self.scheme.labels)
        return overlay(found, propose(tagged.text, unknown, self.memory)) if unknown else found

    def network_spans(self, tagged: Tagged, temperature: float = 1.0) -> list[Span]:
        """What the network alone finds of the present labels, whatever the mode."""
        # The best sequence can change with the temperature, because it adds up tokens: it is sought at 1.
        tags = viterbi(np.log(tagged.probabilities + TINY), self.scheme)
        honest = temper(tagged.probabilities, temperature)
        spans = tags_to_spans(tags, tagged.encoding.offsets, self.scheme, honest, source="model")
        return [span for span in spans if span.label in self.labels]


def cuts(n_tokens: int, engine: Engine) -> list[tuple[int, int]]:
    """Half-open ranges of the sequences that a text of so many tokens is computed in."""
    return windows(n_tokens, engine.window, engine.window // OVERLAP, whole=engine.max_tokens)


def temper(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Probabilities [n, tags] with their logits divided by the temperature; above 1 they become less sure.

    >>> temper(np.array([[0.9, 0.1]], dtype=np.float32), 2.0).round(3).tolist()
    [[0.75, 0.25]]
    """
    if temperature == 1.0:
        return probabilities
    # TINY would weigh too much at high temperatures: its tenth root is 0.06.
    return softmax(np.log(np.maximum(probabilities, np.finfo(np.float32).tiny)) / np.float32(temperature))


def overlay(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """All spans of `first`, and those of `second` that overlap none of them; sorted.

    >>> [s.label for s in overlay([Span(0, 4, "HR")], [Span(3, 6, "VALUE"), Span(8, 9, "TIME")])]
    ['HR', 'TIME']
    """
    return sorted([*first, *(span for span in second if not any(span.overlaps(other) for other in first))])


def remembered(text: str, labels: Sequence[str], memory: SpanMemory) -> list[Span]:
    """What memory alone proposes, under the conditions of the rules."""
    found = propose(text, labels, memory) if memory.labelled and memory.find(fold(text), frozenset(labels)) else []
    return [span for span in found if span.source == "memory"]


def complete(found: Sequence[Span], terms: Sequence[Span]) -> list[Span]:
    """What was found, and those terms that overlap nothing or reach beyond all that they overlap; sorted.

    A network that does not know a term often labels a part of it.

    >>> found = [Span(0, 4, "DIAG"), Span(5, 6, "DIAG")]
    >>> [(span.start, span.end, span.label) for span in complete(found, [Span(0, 4, "EVENT"), Span(5, 8, "EVENT")])]
    [(0, 4, 'DIAG'), (5, 8, 'EVENT')]
    """
    kept = [term for term in terms if all(_holds(term, other) for other in found if term.overlaps(other))]
    return sorted([*(span for span in found if not any(span.overlaps(term) for term in kept)), *kept])


def _holds(term: Span, other: Span) -> bool:
    """Whether `other` is a part of the term, and not all of it."""
    return term.start <= other.start and other.end <= term.end and term.end - term.start > other.end - other.start


def extend(predictor: Predictor, reports: Iterable[tuple[str, Sequence[Span]]]) -> Predictor:
    """The predictor with a memory that knows further annotated reports as well."""
    if not isinstance(predictor, RulesPredictor | TaggerPredictor | ModelPredictor):
        return predictor
    memory = predictor.memory.extended(reports)
    if isinstance(predictor, RulesPredictor):
        return replace(predictor, memory=memory)
    return replace(predictor, memory=memory, fresh=memory.beyond(predictor.memory))


def open_model(
    folder: Path,
    version: str,
    mode: Mode,
    trained: Sequence[str],
    labels: Sequence[str],
    memory: SpanMemory,
    settings: Settings,
    temperature: float = 1.0,
    trust: Trust | None = None,
    quantised: bool = False,
    streams: int = 1,
) -> ModelPredictor:
    """The network in `folder`, which knows the `trained` labels; raises ModelError, also when it knows others.

    `quantised`: there is one in 8 bits that may serve, unless the settings name a precision.
    """
    scheme, tokenizer = LabelScheme(tuple(trained)), TextTokenizer.from_folder(folder)
    engine = _open_engine(folder, settings, quantised, streams)
    _check_tags(folder, scheme)
    return ModelPredictor(
        version, mode, scheme, tuple(labels), tokenizer, engine, memory, temperature, trust or Trust()
    )


def _open_engine(folder: Path, settings: Settings, quantised: bool, streams: int) -> Engine:
    """In 8 bits where that may serve and can be loaded."""
    kind, precision, threads = settings.engine, settings.precision, settings.threads
    if quantised and (kind, precision) == ("openvino", "auto"):
        try:
            return open_engine(folder, kind=kind, precision="int8", threads=threads, streams=streams)
        except ModelError as error:
            logger.warning("%s does not serve in 8 bits: %s", folder.name, error)
    return open_engine(folder, kind=kind, precision=precision, threads=threads, streams=streams)


def _check_tags(folder: Path, scheme: LabelScheme) -> None:
    """Refuse a network whose columns are not the tags of the scheme, in its order."""
    names = json.loads((folder / "config.json").read_text("utf-8"))["id2label"]
    tags = [name for _, name in sorted(names.items(), key=lambda item: int(item[0]))]
    if tags != list(scheme.tags):
        knows = ", ".join(dict.fromkeys(tag.partition("-")[2] for tag in tags if tag != "O"))
        what = f"The model card names the labels {', '.join(scheme.labels)}, but the network of {folder.name} knows"
        raise ModelError(what, knows, "give it the card.json it was trained with, or train it again")


def load_predictor(
    folder: Path, card: ModelCard, labels: Sequence[str], settings: Settings, streams: int = 1
) -> Predictor:
    """The predictor of a published version, for the project's present labels; raises ModelError.

    It keeps what it has computed: it belongs to one version. `streams` is for `backend.engine.open_engine`.
    """
    memory = read_memory(folder)
    if card.mode == "tagger":
        return TaggerPredictor(card.version, tuple(labels), read_tagger(folder), memory)
    if not card.training.steps:
        return RulesPredictor(card.version, tuple(labels), memory)
    heat, passed = card.calibration.temperature, bool(card.quantisation and card.quantisation.passed)
    opened = open_model(
        folder, card.version, card.mode, card.labels, labels, memory, settings, heat, card.trust, passed, streams
    )
    return replace(opened, engine=CachedEngine(opened.engine))


def read_tagger(folder: Path) -> Tagger:
    """The tagger in a version's folder; raises ModelError."""
    try:
        return Tagger.from_bytes((folder / TAGGER).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelError("Unreadable tagger", folder.name, type(error).__name__) from None


def read_memory(folder: Path) -> SpanMemory:
    """The span memory in a version's folder; raises ModelError."""
    try:
        return SpanMemory.from_json((folder / MEMORY).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError("Unreadable span memory", folder.name, type(error).__name__) from None
