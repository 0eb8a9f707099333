"""Model folders outside a project: what `ecgal train` writes, and what a version of the registry is."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from backend.engine import POOL_STREAMS
from backend.errors import Conflict, CorpusError, ModelError
from backend.model_card import Decision, ModelCard
from backend.predictor import Predictor, load_predictor
from backend.registry import CARD
from backend.settings import Settings
from trainer.cards import card_of
from trainer.copies import learned_by, merged, once, overlap
from trainer.corpus import Corpus
from trainer.corpus.splits import stratified
from trainer.dataset import Report
from trainer.error_analysis import analyse, write_analysis
from trainer.evaluation import compare, score_modes
from trainer.learning import Learner, Tell
from trainer.plan import Plan
from trainer.progress import Timeline, staged
from trainer.promotion import MODE_NAMES, best_mode

FEWEST = 2
"""Reports: one to learn from, one to judge by."""


@dataclass(frozen=True)
class SavedModel:
    """A model folder, its card, and the predictor that serves it."""

    folder: Path
    card: ModelCard
    predictor: Predictor


def open_saved(folder: Path, settings: Settings, labels: Sequence[str] | None = None) -> SavedModel:
    """Open a model folder for the given labels, by default those of its card; raises ModelError."""
    card = read_card(folder)
    return SavedModel(folder, card, load_predictor(folder, card, labels or card.labels, settings, POOL_STREAMS))


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder; raises ModelError."""
    try:
        return ModelCard.model_validate_json((folder / CARD).read_text("utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        hint = "give a folder that `ecgal train` wrote, or a version folder under ECG_HOME"
        raise ModelError("No readable model card in", folder, hint) from error


def train_model(
    corpus: Corpus,
    output: Path,
    settings: Settings,
    plan: Plan,
    tell: Tell,
    validation: Sequence[Report] = (),
) -> ModelCard:
    """Learn the corpus into the model folder `output` as a round would, and judge what would serve.

    Judged is on the `validation` reports; without them on a stratified holdout of the corpus, or by cross-validation
    where that would be too small. The folder appears when all is done. Raises CorpusError for fewer than two reports,
    Conflict when something is at `output`, and what the training raises.
    """
    corpus = replace(corpus, dataset=once(corpus.dataset))
    if len(corpus.dataset.reports) < FEWEST:
        raise CorpusError("Too few annotated reports to learn from", len(corpus.dataset.reports), "give at least 2")
    if output.exists():
        raise Conflict("There is something already at", output, "name another folder, or move it away")
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        folder = Path(scratch) / "model"
        folder.mkdir()
        card = _learn(
            corpus, folder, settings.model_copy(update={"train_min": FEWEST, "deep": "always"}), plan, tell, validation
        )
        (folder / CARD).write_text(card.model_dump_json(indent=1), "utf-8")
        folder.rename(output)
    return card


def _learn(
    corpus: Corpus, folder: Path, settings: Settings, plan: Plan, tell: Tell, validation: Sequence[Report]
) -> ModelCard:
    dataset, config = corpus.dataset, corpus.config
    train, holdout = _split(dataset.reports, merged(validation)[0], settings)
    if plan.start:
        training = read_card(plan.start).training
        # Ids of another file mean nothing: only texts tell whether it has learned these.
        seen = [] if validation and not training.texts else learned_by(holdout, training)
        _check_start(plan.start, len(seen), bool(holdout))
    version = f"trained-{dataset.hash[:8]}"
    timeline = Timeline(["preparing"], {})
    learner = Learner(settings, config, folder, version, staged(tell, timeline), plan, network_only=True)
    timeline.plan(learner.stages(train, holdout))
    learned = learner.learn(train, holdout)
    modes = score_modes(learned.judged, config.labels)
    mode = best_mode(modes)
    found = learned.judged.by_mode[mode]
    evaluation = compare(modes, mode, learned.method, learned.judged, config.labels)
    reason = f"Trained by hand: F1 {modes[mode].micro.f1:.3f} ({MODE_NAMES[mode]}), {learned.method}."
    decision = Decision(promote=True, serving="", reason=reason)
    judged = learned.judged.reports
    write_analysis(folder, analyse(judged, found, config.labels, annotated=dataset.reports, version=version))
    # Validation reports have ids of their own, which mean nothing outside.
    held = [] if validation else holdout
    return card_of(learned, dataset, held, mode, evaluation, decision, settings)


def _check_start(start: Path, known: int, judged: bool) -> None:
    """Refuse a model to start from that nothing could judge fairly; raises Conflict."""
    if known or not judged:
        what = (
            f"The model to start from has learned {known} of the reports that would judge"
            if known
            else ("There are too few reports to hold some out, which a model to start from needs")
        )
        raise Conflict(what, start, "give reports that it has not seen with --validation")


def _split(
    reports: Sequence[Report], validation: Sequence[Report], settings: Settings
) -> tuple[list[Report], list[Report]]:
    """Training and held-out reports; none held out means cross-validation."""
    if validation:
        # Ids of another file may be the same: they are told apart, because what was found is kept by id.
        above = max(report.task_id for report in reports) + 1
        if both := len(overlap(validation, reports)):
            hint = "take them out of one of the files; what was trained on judges nothing"
            raise CorpusError("Reports to train on that are also in the validation file", both, hint)
        return list(reports), [replace(report, task_id=above + i) for i, report in enumerate(validation)]
    train, holdout = stratified(reports, settings.holdout_share, settings.seed)
    return (train, holdout) if len(holdout) >= settings.holdout_min else (list(reports), [])
