"""A student as a version of its own: distilled, exported, and judged beside its teacher."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from backend.engine.torch import TorchEngine
from backend.errors import Conflict, ModelError
from backend.merging import Trust
from backend.model_card import Calibration, DatasetSummary, Decision, Evaluation, ModelCard, TrainingSummary
from backend.ner.scheme import LabelScheme
from backend.predictor import ModelPredictor, load_predictor
from backend.ranking.copies import report_key
from backend.registry import CARD, MEMORY
from backend.settings import Settings
from trainer.copies import learned_by, once
from trainer.dataset import FrozenDataset, Report, split
from trainer.distillation import distill
from trainer.evaluation import compare as compare_modes
from trainer.evaluation import judge, score_modes, weigh
from trainer.export import export_openvino
from trainer.export.comparison import Candidate, Comparison, compare, reference, torch_bytes
from trainer.progress import Progress
from trainer.promotion import best_mode
from trainer.recipe import recipe_for
from trainer.training import TrainingResult


@dataclass(frozen=True)
class Student:
    """The card of a finished student, and how it compares with its teacher; None without held-out reports."""

    card: ModelCard
    comparison: Comparison | None


@dataclass(frozen=True)
class Lesson:
    """What a student learns from, and how deep it shall be; `steps` 0 is by the number of reports and texts."""

    teacher: Path
    card: ModelCard
    data: FrozenDataset
    texts: Sequence[str]
    layers: int
    steps: int = 0

    def reports(self, share: float) -> tuple[list[Report], list[Report]]:
        """Reports to learn from, and held-out ones: the teacher's, else by hash, and only those it did not learn from.

        What a teacher was trained on judges no student: it hands on what it knows of these reports.
        """
        theirs = set(self.card.dataset.holdout_tasks)
        ours = {report.task_id for report in self.data.reports if not theirs.isdisjoint(report.tasks)}
        held = ours or {r.task_id for r in split(self.data.reports, share)[1]}
        held -= {report.task_id for report in learned_by(self.data.reports, self.card.training)}
        return (
            [report for report in self.data.reports if report.task_id not in held],
            [report for report in self.data.reports if report.task_id in held],
        )


def teach(lesson: Lesson, output: Path, settings: Settings, on_progress: Callable[[Progress], None]) -> Student:
    """Distil a student into the model folder `output`.

    Raises Conflict when something is at `output`, ModelError when the teacher has no network or too few layers, or
    when there is nothing to learn from.
    """
    if output.exists():
        raise Conflict("There is something already at", output, "name another folder, or move it away")
    lesson = replace(lesson, data=once(lesson.data))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
            student = _taught(lesson, Path(scratch) / "student", settings, on_progress)
            (Path(scratch) / "student").rename(output)
    except OSError as error:
        raise ModelError("The student cannot be written", output, error.strerror or str(error)) from error
    return student


def _taught(lesson: Lesson, folder: Path, settings: Settings, on_progress: Callable[[Progress], None]) -> Student:
    labels = lesson.data.labels
    teacher = reference(lesson.teacher, lesson.card, labels, settings.threads)
    train, held = lesson.reports(settings.holdout_share)
    result = _distill(lesson, train, folder, settings, on_progress)
    if settings.engine == "openvino":
        export_openvino(folder)
    shutil.copyfile(lesson.teacher / MEMORY, folder / MEMORY)
    card = _card(lesson, train, held, result, settings)
    if held:
        judged, trust = weigh(judge(load_predictor(folder, card, labels, settings), held))
        modes = score_modes(judged, labels)
        mode = best_mode(modes, card.mode)
        evaluation = compare_modes(modes, mode, "holdout", judged, labels)
        card = card.model_copy(update={"evaluation": evaluation, "mode": mode, "trust": trust})
    (folder / CARD).write_text(card.model_dump_json(indent=1), encoding="utf-8")
    return Student(card, _compared(lesson, teacher, held, folder, settings.threads) if held else None)


def _compared(
    lesson: Lesson, teacher: ModelPredictor, held: Sequence[Report], folder: Path, threads: int
) -> Comparison:
    """Both in float32 by torch."""
    networks = [
        Candidate("teacher", teacher.engine, torch_bytes(lesson.teacher)),
        Candidate("student", TorchEngine(folder, "f32", threads), torch_bytes(folder)),
    ]
    return compare(teacher, held, networks, threads, lesson.card.training)


def _distill(
    lesson: Lesson,
    train: Sequence[Report],
    folder: Path,
    settings: Settings,
    on_progress: Callable[[Progress], None],
) -> TrainingResult:
    scheme = LabelScheme(tuple(lesson.card.labels))
    recipe = recipe_for(
        len(train) + len(lesson.texts),
        steps=lesson.steps,
        seed=settings.seed,
        threads=settings.threads,
        minutes=settings.train_minutes,
    )
    known = [(report.text, [span for span in report.spans if span.label in scheme.labels]) for report in train]
    try:
        return distill(lesson.teacher, scheme, known, lesson.texts, lesson.layers, folder, recipe, on_progress)
    except ValueError as error:
        raise ModelError("Nothing to distil from", str(error), "give annotated reports or --unlabelled") from error


def _card(
    lesson: Lesson, train: Sequence[Report], held: Sequence[Report], result: TrainingResult, settings: Settings
) -> ModelCard:
    """The student's card before it is judged."""
    teacher, data = lesson.card, lesson.data
    return teacher.model_copy(
        update={
            "version": f"{teacher.version}-distilled{lesson.layers}",
            "quantisation": None,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "base_model": f"distilled from {teacher.version}, {lesson.layers} layers",
            "seed": settings.seed,
            "dataset": DatasetSummary(
                hash=data.hash,
                reports=len(data.reports),
                spans=sum(len(report.spans) for report in data.reports),
                tasks=[report.task_id for report in data.reports],
                annotations=[report.annotation_id for report in data.reports],
                holdout_tasks=[report.task_id for report in held],
            ),
            "training": TrainingSummary(
                steps=result.steps,
                seconds=round(result.seconds, 1),
                loss=round(result.loss, 4),
                tasks=[report.task_id for report in train],
                texts=[report_key(report.text) for report in train],
            ),
            "evaluation": Evaluation(method="holdout"),
            "decision": Decision(promote=False, reason=f"distilled from {teacher.version}, no gate asked", serving=""),
            "calibration": Calibration(note="a distilled network is not calibrated"),
            "trust": Trust(),
            "engine": {"engine": settings.engine, "precision": settings.precision},
            "files": {},
        }
    )
