"""The network in 8 bits as a candidate: what lets it pass, what it leaves, and what serves."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from redis import Redis

from backend.engine import POOL_STREAMS, cores
from backend.engine.openvino import INT8_FILES
from backend.errors import Unavailable
from backend.model_card import ModelCard, Quantisation
from backend.predictor import ModelPredictor, load_predictor
from backend.settings import Settings
from tests.trainer.test_promotion_in_rounds import CONFIG, TASKS
from trainer.corpus import Corpus
from trainer.dataset import Report, freeze, split
from trainer.offline import read_card, train_model
from trainer.parts import WorkerParts
from trainer.plan import Plan
from trainer.quantisation import (
    FEWEST_TEXTS,
    MEASURED,
    MEASURED_CHARACTERS,
    RANKED_CHARACTERS,
    Evidence,
    offer,
)
from trainer.rival import open_version
from trainer.rounds import Round

pytestmark = pytest.mark.slow

FILES = set(INT8_FILES)
EASY = Settings(ECG_THREADS=1, ECG_INT8_LOSS=1, ECG_INT8_SPEARMAN=-1, ECG_INT8_SPEEDUP=0)
REPORTS = freeze(TASKS[:40], CONFIG).reports
TEXTS = [report.text for report in REPORTS]


@pytest.fixture(scope="module")
def learned_folder(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny network with the files of OpenVINO."""
    folder = tmp_path_factory.mktemp("quantisation") / "model"
    settings = Settings(ECG_BASE_MODEL=str(tiny_base), ECG_THREADS=1, ECG_TRAIN_STEPS=12, ECG_PRECISION="f32")
    train_model(Corpus(CONFIG, freeze(TASKS[10:40], CONFIG)), folder, settings, Plan(), lambda **_: None, REPORTS[:10])
    return folder


@pytest.fixture
def folder(learned_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned_folder, tmp_path / "model"))


def loaded(folder: Path, quantisation: Quantisation | None = None, settings: Settings = EASY) -> ModelPredictor:
    card = read_card(folder).model_copy(update={"quantisation": quantisation})
    predictor = load_predictor(folder, card, CONFIG.labels, settings)
    assert isinstance(predictor, ModelPredictor)
    return predictor


def offered(
    folder: Path, settings: Settings = EASY, reports: Sequence[Report] = REPORTS, pool: Sequence[str] = TEXTS
) -> Quantisation:
    return offer(folder, loaded(folder), Evidence(reports, "holdout", TEXTS, lambda: pool), settings)


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "int8" in path.name}


def test_what_passes_stays_and_serves(folder: Path) -> None:
    found = offered(folder)
    assert found.passed
    assert files(folder) == FILES
    assert loaded(folder, found).engine.precision == "int8"
    assert (found.reports, found.texts, found.unlabelled) == (len(REPORTS), len(set(TEXTS)), len(set(TEXTS)))
    assert found.loss is not None
    assert abs(found.loss) < 0.2
    assert found.spearman is not None
    assert found.spearman > 0.5
    assert found.reason.startswith("Serves in 8 bits: F1 ")


@pytest.mark.parametrize("limits", [{"int8_spearman": 1.0}, {"int8_loss": 0.0, "int8_spearman": 1.0}])
def test_what_does_not_pass_leaves_nothing_but_its_reason(folder: Path, limits: dict[str, float]) -> None:
    found = offered(folder, EASY.model_copy(update=limits))
    assert not found.passed
    assert found.spearman is not None
    assert found.spearman < 1
    assert found.reason.startswith("Does not serve in 8 bits: F1 ")
    assert files(folder) == set()
    assert loaded(folder, found).engine.precision in ("bf16", "f32")


def test_8_bits_that_are_not_faster_are_not_judged_any_further(folder: Path) -> None:
    assert offered(folder).speedup
    slow = offered(folder, EASY.model_copy(update={"int8_speedup": 1000.0}))
    assert (slow.passed, slow.f1, slow.spearman) == (False, None, None)
    assert slow.speedup is not None
    assert f"{slow.speedup:g} times as fast as " in slow.reason
    assert "at least 1000 is asked for" in slow.reason
    assert files(folder) == set()


def test_a_loss_of_f1_alone_is_enough_to_fail(folder: Path) -> None:
    loss = offered(folder).loss
    assert loss is not None
    assert not offered(folder, EASY.model_copy(update={"int8_loss": loss - 1e-4})).passed


def test_texts_that_have_no_order_let_nothing_pass(folder: Path) -> None:
    found = offered(folder, reports=REPORTS[:1], pool=TEXTS[:1])
    assert (found.passed, found.spearman, found.texts) == (False, None, 1)
    assert "rank correlation of 1 uncertainties cannot be told" in found.reason


@pytest.mark.parametrize("pool", [[], ["窦性心律"]])
def test_with_little_or_no_pool_the_annotated_reports_are_ranked(folder: Path, pool: list[str]) -> None:
    found = offered(folder, pool=pool)
    assert (found.texts, found.unlabelled) == (len({*TEXTS, *pool}), len(pool))


def test_only_a_bounded_part_of_a_pool_is_computed(folder: Path) -> None:
    many = offered(folder, pool=[f"{number}，窦性心律" for number in range(3 * MEASURED)])
    assert many.texts == MEASURED
    long = offered(folder, pool=[str(number) + "窦性心律，" * 2000 for number in range(4 * FEWEST_TEXTS)])
    assert long.texts == long.unlabelled == MEASURED_CHARACTERS // RANKED_CHARACTERS


def test_a_label_studio_that_is_away_costs_no_8_bits(folder: Path) -> None:
    def gone() -> Sequence[str]:
        raise Unavailable("Label Studio does not answer", "http://x", "")

    evidence = Evidence(REPORTS, "holdout", TEXTS, gone)
    found = offer(folder, loaded(folder), evidence, EASY)
    assert found.passed
    assert (found.texts, found.unlabelled) == (len(set(TEXTS)), 0)


def test_a_failure_costs_the_round_nothing_and_is_told(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    reason = offered(folder).reason
    assert "Torch cannot load the model" in reason
    assert reason.endswith("train it again.")
    assert files(folder) == set()
    assert TEXTS[0] not in caplog.text


def test_an_older_card_and_a_chosen_precision_serve_as_before(folder: Path) -> None:
    found = offered(folder)
    assert loaded(folder).engine.precision in ("bf16", "f32")
    assert loaded(folder, found, EASY.model_copy(update={"precision": "f32"})).engine.precision == "f32"
    assert ModelCard.model_validate_json((folder / "card.json").read_text()).quantisation is None


@pytest.mark.parametrize("name", sorted(FILES))
@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_damaged_8_bits_do_not_stop_a_version_from_serving(
    folder: Path, name: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    found = offered(folder)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    if damage == "cut short":
        (folder / name).write_bytes(content[: len(content) // 2])
    with caplog.at_level(logging.WARNING):
        predictor = loaded(folder, found)
    assert predictor.engine.precision in ("bf16", "f32")
    assert "does not serve in 8 bits" in caplog.text
    assert len(predictor.predict(TEXTS[:3])) == 3


@pytest.mark.parametrize("passes", [True, False])
def test_a_promoted_version_is_published_with_what_came_of_8_bits(
    redis: Redis,
    valkey_socket: Path,
    tiny_base: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    passes: bool,
) -> None:
    values = {
        "home": tmp_path,
        "redis_url_setting": f"unix://{valkey_socket}",
        "base_model": str(tiny_base),
        "label_studio_url": "http://127.0.0.1:1",
        "label_studio_token": "never used",
        "threads": 1,
        "train_steps": 8,
        "deep": "always",
        "int8_loss": 1.0,
        "int8_spearman": -1.0 if passes else 1.0,
        "int8_speedup": 0.0,
    }
    parts = WorkerParts.open(Settings.model_validate(values))
    client = parts.client("1")
    pool = [{"id": task["id"], "data": task["data"]} for task in TASKS[60:90]]
    client.unlabelled_tasks = lambda project, after=0: iter(pool)  # type: ignore[method-assign]
    folder = parts.registry.new_folder("1")
    version = "ecg-r0001-00000001"
    running = Round(parts, "1", 1, client)
    card = running.judge(running.learn(CONFIG, freeze(TASKS[:60], CONFIG), version, folder))
    parts.registry.publish(card, folder)
    published = parts.registry.card("1", version)
    found = published.quantisation
    assert published.decision.promote
    assert found
    assert (found.passed, found.judged_on) == (passes, "holdout")
    assert found.reports == len(split(freeze(TASKS[:60], CONFIG).reports, parts.settings.holdout_share)[1])
    assert found.unlabelled == len({task["data"]["text"] for task in pool})
    assert (set(published.files) & FILES == FILES) == passes
    assert published.engine["precision"] == ("int8" if passes else "auto")
    served = load_predictor(parts.registry.model_folder("1", version), published, CONFIG.labels, parts.settings)
    assert isinstance(served, ModelPredictor)
    assert (served.engine.precision == "int8") == passes
    caplog.set_level("INFO", "backend.engine.openvino")
    two = parts.settings.model_copy(update={"threads": 2})
    judged = open_version(parts.registry, two, "1", version, CONFIG, in_8_bits=False)[0]
    assert f"in {min(POOL_STREAMS, cores())} streams" in caplog.text
    assert isinstance(judged, ModelPredictor)
    assert judged.engine.precision in ("bf16", "f32")
