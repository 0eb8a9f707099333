"""What the tagger learns from how many reports, and that its training is what it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from backend.labelstudio.config import parse_label_config
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.rules import EMPTY_MEMORY, LABELS, SpanMemory, propose
from backend.tagging.evidence import gather
from backend.tagging.tagger import Tagger
from trainer.corpus import read
from trainer.tagging.fitting import ITERATIONS, AnnotatedText, Examples, Objective, fit, held_out_memories, priors

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
SECOND = (*LABELS, "LEAD", "PLACE")
SMALL: list[AnnotatedText] = [
    ("心率72次/分，窦律", [Span(2, 7, "HR"), Span(8, 10, "DIAG")]),
    ("", []),
    ("偶发室早,心率80次/分", [Span(2, 4, "EVENT"), Span(7, 9, "HR")]),
]


@cache
def reports(pool: str, name: str) -> list[AnnotatedText]:
    config = parse_label_config((EXAMPLES / pool / "label_config.xml").read_text("utf-8"))
    return [(report.text, report.spans) for report in read(EXAMPLES / pool / f"{name}.json", config).dataset.reports]


def proposed(tagger: Tagger, texts: Sequence[str], memory: SpanMemory = EMPTY_MEMORY) -> list[list[Span]]:
    return [tagger.spans(tagged) for tagged in tagger.tag(texts, memory)]


def f1(found: Sequence[Sequence[Span]], gold: Sequence[Sequence[Span]], *labels: str) -> float:
    """Strict F1 of these labels."""
    ours, theirs = ([{span for span in spans if span.label in labels} for spans in side] for side in (found, gold))
    right = sum(len(f & g) for f, g in zip(ours, theirs, strict=True))
    return 2 * right / sum(map(len, ours + theirs))


@pytest.mark.parametrize("part", [slice(None), slice(-100, -12), slice(-12, None)], ids=["all", "pairs", "kinds"])
def test_the_gradient_is_that_of_the_value(part: slice) -> None:
    scheme, draw = LabelScheme(LABELS), np.random.default_rng(3)
    evidence = gather([text for text, _ in SMALL], held_out_memories(SMALL), LABELS)
    objective = Objective(Examples.of(evidence, [spans for _, spans in SMALL], scheme), *priors(scheme))
    place = objective.start + draw.normal(scale=0.3, size=len(objective.start))
    gradient = objective(place)[1].copy()
    for _ in range(5):
        step = np.zeros(len(place))
        step[part] = draw.normal(size=len(step[part]))
        step *= 1e-4 / np.linalg.norm(step)
        slope = (objective(place + step)[0] - objective(place - step)[0]) / 2
        assert slope == pytest.approx(gradient @ step, rel=1e-5)


def test_without_a_report_it_proposes_what_the_rules_propose() -> None:
    texts = [text for text, _ in reports("ecg_reports", "test")]
    rules = [propose(text, LABELS) for text in texts]
    assert sum(map(len, rules)) > 1000
    assert f1(proposed(fit([], LABELS), texts), rules, *LABELS) >= 0.98


def test_a_report_without_a_span_says_that_nothing_is_there() -> None:
    text = "窦性心律，心率72次/分"
    assert propose(text, LABELS)
    assert proposed(fit([(text, [])] * 3, LABELS), [text]) == [[]]


@pytest.mark.parametrize(
    ("annotated", "labels", "used"),
    [
        ([], ("HR", "NAME", "DIAG"), ("HR", "DIAG")),
        ([("张三", [Span(0, 2, "NAME")])], ("NAME", "TITLE", "HR"), ("NAME", "HR")),
        ([("张三", [])], ("NAME",), ()),
        ([], (), ()),
    ],
)
def test_a_label_that_no_report_holds_and_no_rule_knows_is_left_out(
    annotated: list[AnnotatedText], labels: tuple[str, ...], used: tuple[str, ...]
) -> None:
    tagger = fit(annotated, labels)
    assert tagger.scheme.labels == used
    assert len(proposed(tagger, ["张三心率72次/分", ""])) == 2


@pytest.mark.parametrize("pool", ["ecg_reports", "second_hospital"])
@pytest.mark.parametrize(
    ("once", "text", "span"),
    [
        (
            ("可见怪异搏动，窦律", [Span(2, 6, "EVENT"), Span(7, 9, "DIAG")]),
            "窦律,又见怪异搏动一次",
            Span(5, 9, "EVENT"),
        ),
        (("x-Wave征阳性", [Span(0, 7, "DIAG")]), "心率72次/分，X-WAVE征", Span(8, 15, "DIAG")),
        (("甲位点传导慢", [Span(0, 3, "PLACE")]), "窦律,起自甲位点,下壁可见", Span(5, 8, "PLACE")),
    ],
)
def test_a_term_annotated_once_is_proposed(pool: str, once: AnnotatedText, text: str, span: Span) -> None:
    annotated = [*reports(pool, "seed10"), once]
    assert span in proposed(fit(annotated, SECOND), [text], SpanMemory.from_reports(annotated))[0]


def test_a_report_is_told_only_what_the_others_remember() -> None:
    annotated = [(f"{name}见怪异搏动", [Span(0, 2, "NAME")]) for name in ("张三", "李四", "张三")]
    found = [
        memory.find(text, frozenset({"NAME"}))
        for memory, (text, _) in zip(held_out_memories(annotated), annotated, strict=True)
    ]
    assert found == [[Span(0, 2, "NAME")], [], [Span(0, 2, "NAME")]]


def test_training_again_gives_the_same_weights() -> None:
    annotated = reports("second_hospital", "seed10")[:3]
    assert fit(annotated, SECOND).to_bytes() == fit(annotated, SECOND).to_bytes()


def test_ten_reports_teach_that_units_stay_outside() -> None:
    ten, unseen = reports("second_hospital", "seed10"), reports("second_hospital", "gold")[:60]
    tagger, memory = fit(ten, SECOND), SpanMemory.from_reports(ten)
    text = "心率88次/分,PR 166ms,QTc 0.43s"
    assert {text[s.start : s.end] for s in propose(text, LABELS)} == {"88次/分", "166ms", "0.43s"}
    assert {text[s.start : s.end] for s in proposed(tagger, [text], memory)[0]} == {"88", "166", "0.43"}
    texts, gold = [text for text, _ in unseen], [spans for _, spans in unseen]
    rules = f1([propose(text, LABELS) for text in texts], gold, "HR", "VALUE")
    assert f1(proposed(tagger, texts, memory), gold, "HR", "VALUE") > rules + 0.4


def test_ten_reports_teach_another_name_of_a_label() -> None:
    def renamed(annotated: Sequence[AnnotatedText]) -> list[AnnotatedText]:
        return [(t, [replace(s, label="心率") if s.label == "HR" else s for s in spans]) for t, spans in annotated]

    ten, unseen = renamed(reports("ecg_reports", "seed10")), renamed(reports("ecg_reports", "gold")[:60])
    found = proposed(fit(ten, ("心率", *LABELS[1:])), [text for text, _ in unseen], SpanMemory.from_reports(ten))
    assert f1(found, [spans for _, spans in unseen], "心率") > 0.9


def test_training_keeps_to_one_thread() -> None:
    threads: set[int] = set()
    fit(
        SMALL,
        LABELS,
        lambda _: threads.update(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"),
    )
    assert threads == {1}


def test_each_iteration_is_told() -> None:
    heard: list[int] = []
    tagger = fit(SMALL, LABELS, heard.append)
    assert heard == list(range(1, tagger.iterations + 1))
    assert 1 < tagger.iterations <= ITERATIONS


def test_what_is_raised_when_told_ends_the_training() -> None:
    class Cancelled(Exception):
        pass

    heard: list[int] = []

    def told(iteration: int) -> None:
        heard.append(iteration)
        if iteration == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        fit(SMALL, LABELS, told)
    assert heard == [1, 2]
