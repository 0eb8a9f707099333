"""Training the tagger: regularised maximum likelihood from annotated reports.

The regulariser does not pull the weights to zero but to what rules and memory propose. So with no annotation the tagger
is the rules with span memory, with few it departs from them where annotators did, and what the rules know is not
forgotten for want of examples. Measured against weights around zero, in F1 after ten reports: see docs/learning.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse  # type: ignore[import-untyped]
from scipy.optimize import minimize  # type: ignore[import-untyped]
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from backend.ner.alignment import spans_to_tags
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.rules import LABELS, SOURCES, SpanMemory
from backend.tagging.crf import Floats, Packing, marginals
from backend.tagging.evidence import KINDS, SHARES, Evidence, gather, named, share_id, tag_id
from backend.tagging.features import ALWAYS, KIND_HERE, MEMORY, RULE, TEMPLATES, feature_number, feature_numbers
from backend.tagging.tagger import Tagger

AnnotatedText = tuple[str, Sequence[Span]]

MEMORY_FOLDS = 10
"""In training each report is told what a memory of the reports of the other folds proposes."""
PENALTY = 0.1
"""Of a weight's squared distance from where it is pulled to."""
TRANSITION_PENALTY = 3.0
"""The same of how far a label's transitions are from those of all labels."""
ITERATIONS = 300
"""Of L-BFGS, at most; it ends where the objective falls by less than ENOUGH of it."""
ENOUGH = 1e-4
REMEMBERED_STEPS = 12
"""Steps that L-BFGS remembers: with 6 it took half as many iterations again."""
TRUST_FIRST, TRUST_INSIDE, TRUST_MEMORY, TRUST_MARK, TRUST_SILENCE = 7.5, 5.0, 4.0, 2.0, 2.0
"""Scores that the proposals begin with: a rule's for the first and the other characters of a span, memory's, and those
of O for marks between clauses and for every character."""
LIMIT = 50.0
"""Scores of transitions beyond which the exponential is not taken."""


def fit(reports: Sequence[AnnotatedText], labels: Sequence[str], told: Callable[[int], None] | None = None) -> Tagger:
    """The tagger of the reports, for those of the labels that they hold or that rules know.

    `told` hears the number of each iteration; what it raises ends the training. The steps are too small for threads:
    with those of OpenBLAS ten reports took 17 times as long on two busy cores (10.6 s and 0.6 s).
    """
    used = {span.label for _, spans in reports for span in spans}.union(LABELS)
    scheme = LabelScheme(tuple(label for label in labels if label in used))
    evidence = gather([text for text, _ in reports], held_out_memories(reports), scheme.labels)
    examples = Examples.of(evidence, [spans for _, spans in reports], scheme)
    objective = Objective(examples, *priors(scheme))
    iterations = iter(range(1, ITERATIONS + 1))
    with threadpool_limits(1, "blas"):
        found = minimize(
            objective,
            objective.start,
            jac=True,
            method="L-BFGS-B",
            callback=(lambda _: told(next(iterations))) if told else None,
            options={"maxiter": ITERATIONS, "maxcor": REMEMBERED_STEPS, "ftol": ENOUGH},
        )
    return objective.tagger(found.x, int(found.nit))


def held_out_memories(reports: Sequence[AnnotatedText]) -> list[SpanMemory]:
    """For each report a memory of the others, fold by fold: one that knows the report would be trusted blindly."""
    folds = [
        SpanMemory.from_reports(report for i, report in enumerate(reports) if i % MEMORY_FOLDS != fold)
        for fold in range(min(MEMORY_FOLDS, len(reports)))
    ]
    return [folds[i % MEMORY_FOLDS] for i in range(len(reports))]


def priors(scheme: LabelScheme) -> tuple[NDArray[np.int32], Floats]:
    """Features [n] whose weights do not begin at zero, and where they begin [n, tags]."""
    weights: dict[int, Floats] = {}

    def trust(number: int, tag: int, score: float) -> None:
        weights.setdefault(number, np.zeros(len(scheme.tags)))[tag] = score

    for label, place in scheme.label_ids.items():
        for first, score in ((True, TRUST_FIRST), (False, TRUST_INSIDE)):
            tag = 1 + 2 * place + (not first)
            for source in SOURCES.get(label, ()):
                number = feature_number(RULE, (tag_id(label, first), named(source)))
                trust(number, tag, score / RULE.scale)
            for share in range(SHARES + 1):
                number = feature_number(MEMORY, (tag_id(label, first), share_id(share / SHARES)))
                trust(number, tag, TRUST_MEMORY / MEMORY.scale)
    for kind in ("stop", "comma", "blank"):
        trust(feature_number(KIND_HERE, (1 + KINDS.index(kind),)), 0, TRUST_MARK / KIND_HERE.scale)
    trust(feature_number(ALWAYS, ()), 0, TRUST_SILENCE / ALWAYS.scale)
    numbers = np.array(sorted(weights), dtype=np.int32)
    return numbers, np.stack([weights[number] for number in numbers.tolist()])


@dataclass(frozen=True, eq=False)
class Examples:
    """Packed tokens of annotated reports: the numbers of their features [tokens, templates] and their tags [tokens]."""

    scheme: LabelScheme
    packing: Packing
    numbers: NDArray[np.int32]
    tags: NDArray[np.int64]

    @classmethod
    def of(cls, evidence: Evidence, spans: Sequence[Sequence[Span]], scheme: LabelScheme) -> Examples:
        """The evidence on the reports with their gold spans."""
        packing = Packing(evidence.lengths)
        tags = [
            spans_to_tags(found, np.arange(length, dtype=np.int64)[:, None] + np.array([0, 1]), scheme)
            for found, length in zip(spans, evidence.lengths, strict=True)
        ]
        return cls(
            scheme, packing, feature_numbers(evidence)[packing.rows], np.concatenate([_NONE, *tags])[packing.rows]
        )

    @cached_property
    def pairs(self) -> Floats:
        """How often each tag follows each other one: [tags, tags]."""
        counts = np.zeros(self.scheme.allowed.shape)
        for here, there in zip(self.packing.steps[:-1], self.packing.steps[1:], strict=True):
            before = self.tags[here][: there.stop - there.start]
            np.add.at(counts, (before, self.tags[there]), 1.0)
        return counts


class Objective:
    """The penalised negative log-likelihood and its gradient, as a function of one vector.

    The vector holds the weights of the pairs of feature and tag that the examples or the priors hold, then the scores
    of legal transitions, then one score for each kind of transition that all labels share: so a label with few
    examples begins and ends as the others do.
    """

    def __init__(self, examples: Examples, known: NDArray[np.int32], priors: Floats) -> None:
        self.examples, scheme = examples, examples.scheme
        flat = examples.numbers.ravel()
        self.numbers = np.union1d(flat[flat >= 0], known).astype(np.int32)
        self._features = self._matrix()
        self._transposed = self._features.T.tocsr()
        self._gold = np.eye(len(scheme.tags))[examples.tags]
        begin = np.zeros((len(self.numbers), len(scheme.tags)))
        begin[np.searchsorted(self.numbers, known)] = priors
        self._pairs = np.flatnonzero(((self._transposed @ self._gold) > 0) | (begin != 0))
        self._legal = np.flatnonzero(scheme.allowed)
        self._kinds = _transition_kinds(len(scheme.tags)).ravel()[self._legal]
        self._begin = begin.ravel()[self._pairs]
        self._weights = np.zeros_like(begin)
        self._transitions = np.zeros(scheme.allowed.shape)
        rest = len(self._legal) + int(self._kinds.max()) + 1
        self.start = np.concatenate([self._begin, np.zeros(rest)])
        penalties = [
            (len(self._begin), PENALTY),
            (len(self._legal), TRANSITION_PENALTY),
            (rest - len(self._legal), PENALTY),
        ]
        self._penalty = np.concatenate([np.full(count, weight) for count, weight in penalties])

    def __call__(self, vector: Floats) -> tuple[float, Floats]:
        """The value at the vector, and the gradient there."""
        examples = self.examples
        self._set(vector)
        scores = np.asarray(self._features @ self._weights)
        found = marginals(scores, self._transitions, examples.scheme, examples.packing)
        surprise = found.log_norm.sum() - scores[np.arange(len(scores)), examples.tags].sum()
        surprise -= (self._transitions * examples.pairs).sum()
        moves = np.where(examples.scheme.allowed, np.exp(self._transitions), 0.0)
        expected = (found.ahead.T @ found.behind) * moves - examples.pairs
        legal = expected.ravel()[self._legal]
        apart = vector - self.start
        gradient = np.concatenate(
            [
                (self._transposed @ (found.tags - self._gold)).ravel()[self._pairs],
                legal,
                np.bincount(self._kinds, legal, minlength=int(self._kinds.max()) + 1),
            ]
        )
        return float(surprise + self._penalty @ apart**2), gradient + 2 * self._penalty * apart

    def tagger(self, vector: Floats, iterations: int) -> Tagger:
        """The tagger with these weights."""
        self._set(vector)
        rows = np.vstack([self._weights, np.zeros((1, self._weights.shape[1]))]).astype(np.float32)
        return Tagger(self.examples.scheme, self.numbers, rows, self._transitions.copy(), iterations)

    def _set(self, vector: Floats) -> None:
        """Put the vector into weights and transitions."""
        pairs, legal = len(self._pairs), len(self._legal)
        self._weights.ravel()[self._pairs] = vector[:pairs]
        shared = vector[pairs + legal :][self._kinds]
        self._transitions.ravel()[self._legal] = np.clip(vector[pairs : pairs + legal] + shared, -LIMIT, LIMIT)

    def _matrix(self) -> sparse.csr_matrix:
        """The features of each token on the scales of their templates: [tokens, features]."""
        tokens, templates = self.examples.numbers.shape
        given = self.examples.numbers >= 0
        columns = np.searchsorted(self.numbers, self.examples.numbers[given])
        values = np.broadcast_to([template.scale for template in TEMPLATES], (tokens, templates))[given]
        ends = np.concatenate([[0], np.cumsum(given.sum(axis=1))])
        return sparse.csr_matrix((values, columns, ends), shape=(tokens, len(self.numbers)))


def _transition_kinds(tags: int) -> NDArray[np.int64]:
    """The kind of each transition [tags, tags]: from O, B or I, to O, to a B of the same or another label, or to I."""
    before, after = np.arange(tags)[:, None], np.arange(tags)[None, :]
    start = np.where(before == 0, 0, 1 + (before % 2 == 0))
    same = (before + 1) // 2 == (after + 1) // 2
    goal = np.where(after == 0, 0, np.where(after % 2 == 0, 3, 1 + same))
    return np.asarray(4 * start + goal, dtype=np.int64)


_NONE: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
