"""One report, one prediction: alone, among others, in any order, through HTTP, in every precision; and the hot switch.

The network is the built-in encoder, briefly trained on ECG reports: sure of some tokens, unsure of others.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.engine import POOL_STREAMS
from backend.engine.openvino import INT8_FILE
from backend.http.app import create_app
from backend.labelstudio.config import parse_label_config
from backend.model_card import ModelCard, Quantisation, TrainingSummary
from backend.ner.prediction import Prediction
from backend.ner.scheme import LabelScheme
from backend.predictor import ModelPredictor, load_predictor
from backend.registry import MEMORY, Registry
from backend.rules import EMPTY_MEMORY
from backend.serving import Serving
from backend.settings import Settings
from tests.cards import card
from trainer.corpus import read
from trainer.export import export_openvino, int8
from trainer.recipe import Recipe
from trainer.training import fine_tune

pytestmark = pytest.mark.slow

DATA = Path(__file__).resolve().parents[1] / "examples" / "ecg_reports"
XML = (DATA / "label_config.xml").read_text("utf-8")
CONFIG = parse_label_config(XML)
REPORTS = read(DATA / "gold.json", CONFIG).dataset.reports
TRAINED, UNSEEN = REPORTS[:40], [report.text for report in REPORTS[40:76]]
TEXTS = [*UNSEEN, "\n".join(UNSEEN[:6]), UNSEEN[0], "心"]
"""Reports of many lengths, one that takes many windows, one twice, one of a single character."""
PRECISIONS = ("f32", "bf16", "int8")
CHUNK = 7


@pytest.fixture(scope="module")
def network(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with everything that can serve."""
    folder = tmp_path_factory.mktemp("identity") / "model"
    recipe = Recipe(steps=25, seed=1, threads=1, minutes=10, encoder_rate=2e-4)
    fine_tune([(r.text, r.spans) for r in TRAINED], LabelScheme(CONFIG.labels), base_model, folder, recipe)
    export_openvino(folder)
    int8.quantise(folder, [report.text for report in TRAINED], folder, INT8_FILE)
    (folder / MEMORY).write_text(EMPTY_MEMORY.to_json(), "utf-8")
    return folder


def card_of(precision: str, number: int = 1) -> ModelCard:
    return card(
        project="1",
        version=f"ecg-r{number:04d}-0000000{number}",
        round=number,
        mode="model",
        labels=list(CONFIG.labels),
        training=TrainingSummary(steps=25),
        quantisation=Quantisation(passed=precision == "int8", reason=""),
    )


def settings_of(precision: str, home: Path) -> Settings:
    chosen = "auto" if precision == "int8" else precision
    return Settings.model_validate({"home": home, "precision": chosen, "threads": 2})


def predictor_of(network: Path, precision: str, streams: int = 1) -> ModelPredictor:
    """A new one, which has computed nothing yet."""
    opened = load_predictor(network, card_of(precision), CONFIG.labels, settings_of(precision, network), streams)
    assert isinstance(opened, ModelPredictor)
    if opened.engine.precision != precision:
        pytest.skip(f"this processor computes {opened.engine.precision} in place of {precision}")
    return opened


def spans_of(prediction: Prediction) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in prediction.spans]


def assert_same(found: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
    assert [spans_of(one) for one in found] == [spans_of(one) for one in expected]
    assert [one.uncertainty for one in found] == pytest.approx([one.uncertainty for one in expected], abs=1e-3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_report_is_predicted_the_same_alone_among_others_and_in_any_order(network: Path, precision: str) -> None:
    alone = predictor_of(network, precision)
    expected = [alone.predict([text])[0] for text in TEXTS]
    assert sum(len(one.spans) for one in expected) > 50, "the network says something"
    together = predictor_of(network, precision, POOL_STREAMS)
    assert_same(together.predict(TEXTS), expected)
    order = list(range(len(TEXTS)))
    random.Random(0).shuffle(order)
    shuffled = predictor_of(network, precision, POOL_STREAMS).predict([TEXTS[i] for i in order])
    assert_same([shuffled[order.index(i)] for i in range(len(TEXTS))], expected)
    in_chunks = predictor_of(network, precision)
    chunks = [TEXTS[i : i + CHUNK] for i in range(0, len(TEXTS), CHUNK)]
    assert_same([one for chunk in chunks for one in in_chunks.predict(chunk)], expected)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_same_probabilities_bit_by_bit_whatever_the_batch(network: Path, precision: str) -> None:
    predictor = predictor_of(network, precision)
    sequences = [predictor.tokenizer.encode(text).input_ids[: predictor.engine.max_tokens] for text in UNSEEN]
    fresh = predictor_of(network, precision).engine
    together = fresh.probabilities(sequences)
    for sequence, rows in zip(sequences, together, strict=True):
        assert (predictor.engine.probabilities([sequence])[0] == rows).all()


def installed(network: Path, home: Path, precision: str, number: int = 1) -> str:
    """Publish the network as a version of project 1."""
    registry, made = Registry(home), card_of(precision, number)
    folder = registry.new_folder("1")
    shutil.copytree(network, folder, dirs_exist_ok=True)
    registry.publish(made, folder)
    registry.remember_label_config("1", XML)
    return made.version


def ask(client: TestClient, texts: Sequence[str]) -> dict[str, Any]:
    body = {"project": "1.1", "label_config": XML, "tasks": [{"data": {"text": text}} for text in texts]}
    answer: dict[str, Any] = client.post("/predict", content=json.dumps(body)).raise_for_status().json()
    assert len(answer["results"]) == len(texts)
    return answer


def told(result: dict[str, Any]) -> list[tuple[int, int, str]]:
    values = [region["value"] for region in result["result"] if region["type"] == "labels"]
    return sorted((value["start"], value["end"], value["labels"][0]) for value in values)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_concurrent_requests_get_what_the_rank_job_stores(network: Path, tmp_path: Path, precision: str) -> None:
    expected = predictor_of(network, precision).predict(TEXTS)
    Registry(tmp_path).promote("1", installed(network, tmp_path, precision))
    with TestClient(create_app(settings_of(precision, tmp_path))) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda text: ask(client, [text])["results"][0], TEXTS))
    assert [told(answer) for answer in answers] == [spans_of(one) for one in expected]
    scores = [1 - one.priority for one in expected]
    assert [answer["score"] for answer in answers] == pytest.approx(scores, abs=1e-3)


def test_no_request_is_dropped_or_mixed_while_versions_change(network: Path, tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    versions = [installed(network, tmp_path, precision, n) for n, precision in enumerate(("f32", "int8"), 1)]
    registry.promote("1", versions[0])
    texts, stop = UNSEEN[:6], Event()
    with TestClient(create_app(settings_of("int8", tmp_path))) as client, ThreadPoolExecutor(4) as pool:

        def keep_asking(_: int) -> list[dict[str, Any]]:
            found = []
            while not stop.is_set():
                found.append(ask(client, texts))
            return found

        asking = [pool.submit(keep_asking, n) for n in range(4)]
        for number in range(6):
            registry.promote("1", versions[(number + 1) % 2])
            assert ask(client, texts)["model_version"] == versions[(number + 1) % 2]
        stop.set()
        answers = [answer for one in asking for answer in one.result()]
        said = {}
        for version in versions:
            registry.promote("1", version)
            said[version] = ask(client, texts)["results"]
    assert {answer["model_version"] for answer in answers} == set(versions)
    for answer in answers:
        assert answer["results"] == said[answer["model_version"]]


def test_memory_comes_back_after_a_switch(network: Path, tmp_path: Path) -> None:
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("resident memory is read from /proc")
    registry, serving = Registry(tmp_path), Serving(settings_of("f32", tmp_path), Registry(tmp_path))
    versions = [installed(network, tmp_path, "f32", number) for number in (1, 2)]
    pages = []
    for number in range(16):
        registry.promote("1", versions[number % 2])
        serving.predictor("1", CONFIG.labels).predict(UNSEEN[:8])
        pages.append(int(status.read_text().split()[1]))
    kept = (max(pages[8:]) - max(pages[2:5])) * 4096
    weights = (network / "openvino.bin").stat().st_size
    assert kept < weights / 2, "eleven more switches keep less than half of one network"
