from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.predictor import RulesPredictor
from trainer.self_training import mix, pseudo_label

SPAN = Span(0, 1, "HR")


@dataclass
class Teacher:
    """Finds a span unless the text ends in "-"."""

    version: str = "teacher"
    asked: list[list[str]] = field(default_factory=list)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        self.asked.append(list(texts))
        return [Prediction(() if text.endswith("-") else (SPAN,), 0.1, 0.1, "teacher") for text in texts]


def test_the_spans_of_the_teacher_become_the_annotation() -> None:
    text = "窦性心律，心率75次/分。"
    teacher = RulesPredictor("rules", ("HR", "DIAG"))
    spans = teacher.predict([text])[0].spans
    assert spans
    assert pseudo_label([text], teacher) == [(text, spans)]


def test_a_text_in_which_the_teacher_finds_nothing_is_left_out() -> None:
    assert pseudo_label(["5a", "0-", "6d"], Teacher()) == [("5a", (SPAN,)), ("6d", (SPAN,))]


def test_a_text_that_comes_twice_is_asked_for_and_taken_once() -> None:
    teacher = Teacher()
    assert [text for text, _ in pseudo_label(["1a", "2b", "1a"], teacher)] == ["1a", "2b"]
    assert teacher.asked == [["1a", "2b"]]


@given(gold=st.integers(1, 40), pseudo=st.integers(0, 400), ratio=st.floats(0.1, 10))
def test_pseudo_labelled_reports_count_as_much_in_all_as_was_asked_or_as_they_can(
    gold: int, pseudo: int, ratio: float
) -> None:
    annotated = [(f"g{i}", ()) for i in range(gold)]
    labelled = [(f"p{i}", ()) for i in range(pseudo)]
    mixed = mix(annotated, labelled, ratio)
    assert len(mixed.reports) == len(mixed.weights)
    assert set(mixed.reports) == {*annotated, *labelled}
    weighed = [0.0, 0.0]
    for (text, _), weight in zip(mixed.reports, mixed.weights, strict=True):
        assert 0 < weight <= 1
        weighed[text.startswith("p")] += weight
    assert weighed[1] <= ratio * weighed[0] * (1 + 1e-9)
    if pseudo >= ratio * gold:  # enough of them
        assert weighed[1] == pytest.approx(ratio * weighed[0], rel=1e-9)
    else:
        assert weighed[1] == pytest.approx(pseudo)
    counts = {text: mixed.reports.count((text, ())) for text, _ in annotated}
    assert len(set(counts.values())) == 1
    assert all(mixed.reports.count(report) == 1 for report in labelled)


def test_few_gold_reports_are_repeated_rather_than_drowned() -> None:
    mixed = mix([("gold", ())], [(f"p{i}", ()) for i in range(30)], ratio=1)
    assert mixed.reports.count(("gold", ())) == 30
    assert set(mixed.weights) == {1.0}


def test_an_annotated_text_is_never_taught_as_the_teacher_sees_it() -> None:
    mixed = mix([("a", (SPAN,))], [("a", ()), ("b", ())], ratio=1)
    assert mixed.reports == [("a", (SPAN,)), ("b", ())]


@pytest.mark.parametrize(("gold", "ratio"), [(0, 1.0), (1, 0.0), (1, -1.0), (1, float("nan"))])
def test_a_mixture_needs_gold_and_a_ratio(gold: int, ratio: float) -> None:
    with pytest.raises(ValueError, match="mixing needs annotated reports and a ratio above 0"):
        mix([("g", ())] * gold, [("p", ())], ratio)
