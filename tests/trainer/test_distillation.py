from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.engine import open_engine
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import load_classifier
from backend.errors import Conflict, ModelError
from backend.merging import Trust
from backend.model_card import ModelCard, TrainingSummary
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.registry import CARD, MEMORY
from backend.rules import SpanMemory
from backend.settings import Settings
from tests.cards import card
from trainer.chunks import IGNORED
from trainer.dataset import FrozenDataset, Report
from trainer.distillation import GOLD_SHARE, distill, soft_loss
from trainer.export.smaller import first_layers
from trainer.offline import open_saved
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.student import Lesson, teach
from trainer.training import fine_tune

pytestmark = pytest.mark.slow

LABELS = ("HR", "DIAG")
SCHEME = LabelScheme(LABELS)
# A learning rate for two layers of random weights.
RECIPE = Recipe(steps=150, seed=1, threads=1, minutes=10, encoder_rate=5e-3, bf16=False)
SETTINGS = Settings(threads=1, precision="f32", engine="torch", holdout_share=0.25)


def report(number: int) -> Report:
    diagnosis = ("窦性心律", "房颤", "左束支阻滞", "房性早搏")[number % 4]
    text = f"心率{50 + number}次/分，{diagnosis}。"
    start = text.index(diagnosis)
    return Report(number, number, text, (Span(2, 7, "HR"), Span(start, start + len(diagnosis), "DIAG")))


REPORTS = [report(number) for number in range(48)]
TEXTS = [f"{diagnosis}，平均心率{n}次/分。" for n in range(60, 90) for diagnosis in ("房颤", "窦性心律伴早搏")]

CARD_OF = card(version="ecg-r0003-0badcafe", round=3, training=TrainingSummary(steps=1, tasks=[0, 1]))


def unheard(_progress: Progress) -> None:
    pass


@pytest.fixture(scope="module")
def teacher(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "model"
    fine_tune([(r.text, r.spans) for r in REPORTS[:24]], SCHEME, tiny_base, folder, RECIPE)
    (folder / CARD).write_text(CARD_OF.model_dump_json())
    (folder / MEMORY).write_text(SpanMemory.from_reports((r.text, r.spans) for r in REPORTS).to_json(), "utf-8")
    return folder


def logits(*rows: tuple[float, ...]) -> object:
    import torch

    return torch.tensor(rows)


def cost(student: object, teacher: object, *gold: int) -> float:
    import torch

    return float(soft_loss(student, teacher, torch.tensor(gold)))


def test_a_student_that_says_what_the_teacher_says_costs_nothing_without_gold() -> None:
    said = logits((1.0, 2.0, -1.0), (0.0, 5.0, 0.0))
    assert cost(said, said, IGNORED, IGNORED) == pytest.approx(0, abs=1e-6)
    other = logits((1.0, 2.0, -1.0), (5.0, 0.0, 0.0))
    assert cost(other, said, IGNORED, IGNORED) > 1


def test_gold_counts_where_there_is_some_and_only_there() -> None:
    said = logits((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    assert cost(said, said, 1, IGNORED) == pytest.approx(GOLD_SHARE * np.log(3) / 2)
    sure = logits((0.0, 9.0, 0.0), (0.0, 0.0, 0.0))
    assert cost(sure, said, 1, IGNORED) != cost(sure, said, 2, IGNORED)


def test_the_order_of_unlikely_tags_is_learned_too() -> None:
    teacher = logits((9.0, 3.0, 0.0))
    assert cost(logits((9.0, 0.0, 3.0)), teacher, IGNORED) > cost(logits((9.0, 2.9, 0.0)), teacher, IGNORED) + 0.01


def agreement(folder: Path, network: object, texts: list[str]) -> float:
    """Share of the tokens that a network tags as the teacher in `folder` does."""
    import torch

    tokenizer, ours = TextTokenizer.from_folder(folder), load_classifier(folder)
    same = []
    for text in texts:
        ids = torch.tensor([[tokenizer.cls_id, *tokenizer.encode(text).input_ids, tokenizer.sep_id]])
        with torch.inference_mode():
            left, right = (n(input_ids=ids).logits.argmax(-1)[0, 1:-1] for n in (ours, network))  # type: ignore[operator]
        same += (left == right).tolist()
    return float(np.mean(same))


def test_a_student_learns_from_texts_that_nobody_annotated(teacher: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    result = distill(teacher, SCHEME, [], TEXTS[:40], 1, tmp_path / "student", RECIPE, told.append)
    cut = agreement(teacher, first_layers(teacher, 1), TEXTS[40:])
    taught = agreement(teacher, load_classifier(tmp_path / "student"), TEXTS[40:])
    assert taught > 0.95
    assert taught > cut
    assert (result.steps, told[-1].step) == (150, 150)
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
    config = json.loads((tmp_path / "student" / "config.json").read_text())
    assert (config["num_hidden_layers"], config["trained_tokens"]) == (1, 128)
    assert (tmp_path / "student" / "LICENSE").exists()


def test_the_same_seed_gives_the_same_student(teacher: Path, tmp_path: Path) -> None:
    few = replace(RECIPE, steps=5)
    for name in "ab":
        distill(teacher, SCHEME, [(r.text, r.spans) for r in REPORTS], TEXTS, 1, tmp_path / name, few, unheard)
    first, second = ((tmp_path / name / "model.safetensors").read_bytes() for name in "ab")
    assert first == second


def test_a_distillation_that_fails_leaves_what_is_there(teacher: Path, tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "old").write_text("")
    with pytest.raises(ModelError, match="has 2 layers"):
        distill(teacher, SCHEME, [], TEXTS, 3, tmp_path / "student", RECIPE, unheard)
    wild = replace(RECIPE, steps=5, encoder_rate=1e35, head_rate=1e35)
    with pytest.raises(ModelError, match="diverged"):
        distill(teacher, SCHEME, [], TEXTS, 1, tmp_path / "student", wild, unheard)
    with pytest.raises(ValueError, match="none of 0 reports and 1 texts"):
        distill(teacher, SCHEME, [], [""], 1, tmp_path / "student", RECIPE, unheard)
    assert [path.name for path in tmp_path.rglob("*")] == ["student", "old"]


# ---- a student as a version


def lesson(teacher: Path, card: ModelCard = CARD_OF, steps: int = 60) -> Lesson:
    return Lesson(teacher, card, FrozenDataset(LABELS, tuple(REPORTS), (), "cafe"), TEXTS, layers=1, steps=steps)


def test_a_student_is_a_model_folder_that_says_where_it_comes_from(teacher: Path, tmp_path: Path) -> None:
    student = teach(lesson(teacher), tmp_path / "student", SETTINGS, unheard)
    saved = open_saved(tmp_path / "student", SETTINGS)
    card = saved.card
    assert card == student.card
    assert card.version == "ecg-r0003-0badcafe-distilled1"
    assert card.base_model == "distilled from ecg-r0003-0badcafe, 1 layers"
    assert (card.training.steps, card.decision.promote) == (60, False)
    held = card.dataset.holdout_tasks
    assert card.evaluation.tasks == held
    assert sorted([*held, *card.training.tasks]) == [r.task_id for r in REPORTS]
    assert saved.predictor.predict([REPORTS[0].text])[0].version == card.version
    assert student.comparison is not None
    first, second = student.comparison.rows
    assert (first.name, second.name, student.comparison.reports) == ("teacher", "student", len(held))
    assert second.bytes < first.bytes
    assert card.evaluation.modes["model"].micro.f1 == second.f1


def test_the_teachers_holdout_stays_out_of_the_students_training(teacher: Path, tmp_path: Path) -> None:
    dataset = CARD_OF.dataset.model_copy(update={"holdout_tasks": [5, 6, 7, 1000]})
    asked = lesson(teacher, CARD_OF.model_copy(update={"dataset": dataset}), steps=2)
    student = teach(asked, tmp_path / "student", SETTINGS, unheard)
    assert student.card.dataset.holdout_tasks == [5, 6, 7]
    assert not {5, 6, 7} & set(student.card.training.tasks)


def test_what_the_teacher_learned_does_not_judge_the_student(teacher: Path, tmp_path: Path) -> None:
    everything = CARD_OF.training.model_copy(update={"tasks": [report.task_id for report in REPORTS]})
    asked = lesson(teacher, CARD_OF.model_copy(update={"training": everything}), steps=2)
    student = teach(asked, tmp_path / "student", SETTINGS, unheard)
    assert (student.card.dataset.holdout_tasks, student.card.evaluation.modes, student.comparison) == ([], {}, None)


def test_the_students_merge_goes_by_what_was_measured_of_the_student(teacher: Path, tmp_path: Path) -> None:
    card_of = CARD_OF.model_copy(update={"trust": Trust({"network alone": (500, 500)})})
    trust = teach(lesson(teacher, card_of, steps=2), tmp_path / "student", SETTINGS, unheard).card.trust
    assert trust.groups
    assert max(seen for _, seen in trust.groups.values()) < 500


def test_a_student_takes_nobodys_place(teacher: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for place in (tmp_path, teacher):
        with pytest.raises(Conflict, match="something already"):
            teach(lesson(teacher, steps=2), place, SETTINGS, unheard)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_student_for_openvino_brings_its_files(teacher: Path, tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"engine": "openvino"})
    teach(lesson(teacher, steps=2), tmp_path / "student", settings, unheard)
    assert open_engine(tmp_path / "student", kind="openvino", precision="f32", threads=1).window == 126


def test_nothing_to_learn_from_is_an_error(teacher: Path, tmp_path: Path) -> None:
    empty = replace(lesson(teacher), data=FrozenDataset(LABELS, (), (), ""), texts=[])
    with pytest.raises(ModelError, match="Nothing to distil from"):
        teach(empty, tmp_path / "student", SETTINGS, unheard)
    assert list(tmp_path.iterdir()) == []


def test_a_teacher_without_memory_is_an_error_and_leaves_nothing(teacher: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in teacher.iterdir():
        if path.is_file() and path.name != MEMORY:
            (bare / path.name).write_bytes(path.read_bytes())
    with pytest.raises(ModelError, match="cannot be written"):
        teach(replace(lesson(bare), steps=2), tmp_path / "student", SETTINGS, unheard)
    assert [path.name for path in tmp_path.iterdir()] == ["bare"]
