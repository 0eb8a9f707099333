from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr
from tokenizers import Tokenizer, models

from backend.batches import Item, parse_items
from backend.engine.tokenizer import TextTokenizer
from backend.errors import ModelError
from backend.merging import Trust
from backend.model_card import Mode
from backend.ner.prediction import Prediction
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.predictor import ModelPredictor, RulesPredictor, extend, open_model, overlay, temper
from backend.rules import EMPTY_MEMORY, SpanMemory
from backend.settings import Settings
from tests.networks import write_network
from trainer.corpus import read

SCHEME = LabelScheme(("HR", "EVENT"))
ALPHABET = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", *"心率次分甲乙丙丁0123456789/，"]


@dataclass
class DigitsAreHeartRates:
    """An engine that tags every run of digits HR, sure of all but the digit 5; remembers what it was asked."""

    vocabulary: list[str]
    max_tokens: int = 510
    window: int = 510
    precision: str = "f32"
    asked: list[list[int]] = field(default_factory=list)

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        self.asked += [list(map(int, ids)) for ids in sequences]
        return [self._one(ids) for ids in sequences]

    def _one(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = np.zeros((len(ids), 5), dtype=np.float32)
        for i, token in enumerate(ids):
            digit = self.vocabulary[token].isdigit()
            before = i > 0 and self.vocabulary[ids[i - 1]].isdigit()
            rows[i, (2 if before else 1) if digit else 0] = 1.0
            if self.vocabulary[token] == "5":
                rows[i] = 0.2
        return rows


@pytest.fixture
def engine() -> DigitsAreHeartRates:
    return DigitsAreHeartRates(ALPHABET)


@pytest.fixture
def predictor(engine: DigitsAreHeartRates) -> ModelPredictor:
    vocabulary = {piece: i for i, piece in enumerate(ALPHABET)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]"])
    return ModelPredictor("v1", "model", SCHEME, SCHEME.labels, TextTokenizer(tokenizer), engine)


def spans(predictor: ModelPredictor, text: str) -> list[Span]:
    return list(predictor.predict([text])[0].spans)


def test_spans_are_code_points_of_the_text(predictor: ModelPredictor) -> None:
    assert spans(predictor, "心率72，甲8") == [Span(2, 4, "HR"), Span(6, 7, "HR")]
    assert spans(predictor, "心率72，甲8")[0].source == "model"


def test_an_empty_text_has_no_span_and_nothing_to_ask(predictor: ModelPredictor) -> None:
    (empty,) = predictor.predict([""])
    assert (empty.spans, empty.uncertainty) == ((), 0.0)
    assert predictor.predict([]) == []


def test_the_uncertainty_is_the_mean_token_entropy(predictor: ModelPredictor) -> None:
    sure, unsure = predictor.predict(["心率72", "心率75"])
    assert sure.uncertainty == pytest.approx(0, abs=1e-6)
    assert unsure.uncertainty == pytest.approx(1 / 4, abs=1e-6)
    assert unsure.priority == unsure.uncertainty


def test_the_same_text_is_computed_once(predictor: ModelPredictor, engine: DigitsAreHeartRates) -> None:
    first, _, third = predictor.predict(["心率72", "甲", "心率72"])
    assert first == third
    assert len(engine.asked) == 2


def test_a_long_text_is_computed_in_windows_and_gives_the_same(
    predictor: ModelPredictor, engine: DigitsAreHeartRates
) -> None:
    text = "心率72，甲乙" * 120
    whole = spans(predictor, text)
    assert len(engine.asked) > 1
    assert len(whole) == 120
    small = DigitsAreHeartRates(ALPHABET, max_tokens=16, window=16)
    assert spans(replace(predictor, engine=small), text) == whole
    assert max(map(len, small.asked)) == 16


def test_a_text_that_is_not_much_longer_than_a_window_is_computed_whole(predictor: ModelPredictor) -> None:
    engine = DigitsAreHeartRates(ALPHABET, max_tokens=24, window=16)
    replace(predictor, engine=engine).predict(["甲乙" * 12])
    assert [len(part) for part in engine.asked] == [24]
    engine.asked.clear()
    replace(predictor, engine=engine).predict(["甲乙" * 12 + "甲"])
    assert [len(part) for part in engine.asked] == [16, 16]


def test_labels_that_vanished_are_dropped(predictor: ModelPredictor) -> None:
    assert spans(replace(predictor, labels=("EVENT",)), "心率72") == []


def test_labels_the_network_does_not_know_come_from_rules_and_memory(predictor: ModelPredictor) -> None:
    memory = SpanMemory.from_reports([("甲乙，丙", [Span(0, 2, "新")])] * 3)
    wider = replace(predictor, labels=("HR", "EVENT", "新"), memory=memory)
    assert spans(wider, "甲乙，心率72") == [Span(0, 2, "新"), Span(5, 7, "HR")]


def test_rules_mode_asks_the_network_for_the_uncertainty_alone(predictor: ModelPredictor) -> None:
    (found,) = replace(predictor, mode="rules").predict(["心率75次/分"])
    assert list(found.spans) == [Span(2, 7, "HR")]
    assert found.uncertainty > 0.1


@pytest.mark.parametrize("mode", ["rules", "model", "merged"])
def test_what_is_found_is_what_is_predicted_with_what_annotators_labelled_since(
    predictor: ModelPredictor, mode: Mode
) -> None:
    texts = ["心率75次/分，甲8", "甲乙丙，丁", "", "心率75次/分，甲8"]
    bare = replace(predictor, mode=mode)
    extended = extend(bare, [("甲乙丙，丁", [Span(0, 3, "EVENT")])])
    for version in (bare, extended):
        assert version.find(texts) == [list(prediction.spans) for prediction in version.predict(texts)]
    assert extended.find(texts)[1] == [Span(0, 3, "EVENT")]
    assert bare.find(texts)[1] == []


def test_the_network_is_asked_for_spans_only_where_its_mode_needs_it(
    predictor: ModelPredictor, engine: DigitsAreHeartRates
) -> None:
    items = [Item(1, "心率75次/分")]
    (parsed,) = parse_items(replace(predictor, mode="rules"), ("HR",), items)
    assert '"value":75' in parsed.to_json()
    assert engine.asked == []
    parse_items(replace(predictor, mode="merged"), ("HR",), items)
    assert len(engine.asked) == 1


def test_merged_takes_what_was_right_more_often(predictor: ModelPredictor) -> None:
    text = "心率72次/分，甲8"
    for trust, found in (
        ({"rules against": (50, 50), "network alone": (50, 50)}, [Span(2, 7, "HR"), Span(9, 10, "HR")]),
        ({"rules against": (50, 50), "network alone": (0, 50)}, [Span(2, 7, "HR")]),
        (
            {"rules against": (0, 50), "network against": (50, 50), "network alone": (50, 50)},
            [Span(2, 4, "HR"), Span(9, 10, "HR")],
        ),
    ):
        assert spans(replace(predictor, mode="merged", trust=Trust(trust)), text) == found


@dataclass
class SaysAnything(DigitsAreHeartRates):
    """Random probabilities, the same for the same tokens."""

    def _one(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        logits = np.random.default_rng(int(ids.sum())).normal(scale=2.0, size=(len(ids), 5))
        return np.asarray(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), dtype=np.float32)


@pytest.mark.parametrize("mode", ["model", "merged"])
def test_a_temperature_changes_doubt_and_scores_but_no_span(predictor: ModelPredictor, mode: Mode) -> None:
    texts = ["心率72次/分，甲乙", "甲乙丙丁0123", "心率" * 20]
    plain = replace(predictor, engine=SaysAnything(ALPHABET), mode=mode)
    for cold, mild, hot in zip(*(replace(plain, temperature=t).predict(texts) for t in (0.5, 1.0, 4.0)), strict=True):
        assert cold.spans == mild.spans == hot.spans
        assert cold.uncertainty < mild.uncertainty < hot.uncertainty
        assert hot.priority == hot.uncertainty
        assert all(c.score > h.score for c, h in zip(cold.spans, hot.spans, strict=True))


@pytest.mark.parametrize("temperature", [0.25, 0.9, 2.0, 10.0])
def test_tempered_probabilities_stay_probabilities_in_the_same_order(temperature: float) -> None:
    given = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [1e-30, 0.4, 0.6]], dtype=np.float32)
    tempered = temper(given, temperature)
    assert np.isfinite(tempered).all()
    assert tempered.sum(axis=1) == pytest.approx(1.0, abs=1e-6)
    assert (tempered.argmax(axis=1) == given.argmax(axis=1)).all()
    assert tempered[1, 0] > 0.999
    assert (tempered[0, 0] > 0.7) == (temperature < 1)


POOL = Path(__file__).parents[1] / "examples" / "ecg_reports" / "gold.json"


def agreement(predictions: Sequence[Prediction]) -> tuple[float, float]:
    """Rank correlation of the uncertainty with the lowest and with the mean region score of each report."""
    shown = [found for found in predictions if found.spans]
    doubts = [found.uncertainty for found in shown]
    scores = [[span.score for span in found.spans] for found in shown]
    lowest, middle = [min(row) for row in scores], [sum(row) / len(row) for row in scores]
    return spearmanr(doubts, lowest)[0], spearmanr(doubts, middle)[0]


def test_region_scores_of_the_rules_fall_as_the_uncertainty_that_ranks_rises() -> None:
    corpus = read(POOL).dataset
    memory = SpanMemory.from_reports((report.text, report.spans) for report in corpus.reports[:100])
    rules = RulesPredictor("rules-1", corpus.labels, memory)
    predictions = rules.predict([report.text for report in corpus.reports[100:]])
    assert max(agreement(predictions)) < -0.5
    first = sorted(predictions, key=lambda found: -found.uncertainty)[:20]
    assert all(span.score < 0.9 for found in first for span in found.spans)


@pytest.mark.parametrize("mode", ["rules", "model", "merged"])
def test_no_region_is_surer_than_the_network_that_ranks_whatever_proposed_it(
    predictor: ModelPredictor, mode: Mode
) -> None:
    memory = SpanMemory.from_reports([("甲乙，丙", [Span(0, 2, "EVENT")])] * 9)
    known = replace(predictor, mode=mode, memory=memory, fresh=memory)
    sure, unsure = known.predict(["甲乙，心率72次/分", "甲乙，心率55次/分"])
    assert min(span.score for span in sure.spans) > 0.7
    assert Span(0, 2, "EVENT") in unsure.spans
    assert all(span.score <= 1 - unsure.uncertainty < 1 for span in unsure.spans)
    rates = [span.score for span in unsure.spans if span.label == "HR"]
    assert all(score < 0.61 for score in rates), "two of its five characters are a guess"


def test_what_is_evaluated_keeps_the_scores_of_its_sources(predictor: ModelPredictor) -> None:
    rules = replace(predictor, mode="rules")
    (found,), (shown,) = rules.find(["心率55次/分"]), rules.predict(["心率55次/分"])
    assert list(shown.spans) == found
    assert found[0].score > 0.9 > shown.spans[0].score


def test_rules_predict_without_a_network() -> None:
    (found,) = RulesPredictor("rules-1", ("HR",)).predict(["心率72次/分"])
    assert list(found.spans) == [Span(2, 7, "HR")]
    assert 0 <= found.uncertainty <= 1
    assert found.version == "rules-1"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network of HR and EVENT, for torch."""
    return write_network(tmp_path_factory.mktemp("network"), ("HR", "EVENT"), "心率次分0123456789", openvino=False)


def opened(folder: Path, *trained: str) -> ModelPredictor:
    settings = Settings(engine="torch", precision="f32", threads=1)
    return open_model(folder, "v", "model", trained, ("HR", "EVENT"), EMPTY_MEMORY, settings)


def test_a_network_is_opened_with_the_labels_it_was_trained_on(network: Path) -> None:
    (prediction,) = opened(network, "HR", "EVENT").predict(["心率75次/分"])
    assert 0 < prediction.uncertainty <= 1


@pytest.mark.parametrize("trained", [("HR",), ("HR", "EVENT", "DIAG"), ("HR", "DIAG"), ("EVENT", "HR")])
def test_a_card_with_other_labels_than_the_network_is_refused_at_once(network: Path, trained: tuple[str, ...]) -> None:
    with pytest.raises(ModelError) as caught:
        opened(network, *trained)
    assert ", ".join(trained) in caught.value.what
    assert caught.value.value == "HR, EVENT"
    assert "train it again" in caught.value.hint


def test_an_overlay_keeps_the_first_and_fills_the_gaps() -> None:
    first, second = [Span(2, 4, "A")], [Span(0, 3, "B"), Span(4, 6, "B")]
    assert overlay(first, second) == [Span(2, 4, "A"), Span(4, 6, "B")]
