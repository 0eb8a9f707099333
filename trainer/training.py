"""Fine-tune an encoder to tag the tokens of reports, with transformers' Trainer.

No checkpoint and no log file is written; the finished model appears at once or not at all.
"""

from __future__ import annotations

import json
import logging
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.engine.batching import softmax
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import quiet_transformers
from backend.errors import ModelError, SettingsError
from backend.ner.decoding import viterbi
from backend.ner.scheme import LabelScheme
from trainer import chunks
from trainer.base_model import tokenizer_json
from trainer.chunks import AnnotatedText, Collator, Row
from trainer.fine_tuning.arguments import arguments
from trainer.fine_tuning.folder import put_in_place, save
from trainer.fine_tuning.loss import TokenLoss
from trainer.fine_tuning.network import Adapter, open_network
from trainer.fine_tuning.optimizer import optimizer_and_schedule
from trainer.fine_tuning.selection import Selection, follower
from trainer.fine_tuning.tokenizer_files import write_tokenizer
from trainer.progress import Progress, watcher
from trainer.recipe import Recipe

logger = logging.getLogger(__name__)

TINY = 1e-12
"""Keeps the logarithm of a probability finite."""


@dataclass(frozen=True)
class TrainingResult:
    """What a fine-tuning came to: loss of the last steps, wall seconds, steps made, strict F1 if it was measured.

    `validation_f1` is strict span F1 (0..1) by seqeval after Viterbi decoding, over chunks, of the weights that were
    kept; None without reports. `evaluations` are steps with the F1 they had, where the recipe asks for the best.
    """

    loss: float
    seconds: float
    steps: int
    validation_f1: float | None
    evaluations: tuple[tuple[int, float], ...] = ()


def _unheard(_progress: Progress) -> None:
    pass


def fine_tune(
    reports: Sequence[AnnotatedText],
    scheme: LabelScheme,
    base: Path,
    output: Path,
    recipe: Recipe,
    on_progress: Callable[[Progress], None] = _unheard,
    validation: Sequence[AnnotatedText] = (),
    weights: Sequence[float] = (),
) -> TrainingResult:
    """Train on the reports and write a token-classification folder to `output`, replacing one that is there.

    `weights`, one above 0 for each report, multiply what its tokens cost. `recipe.start` takes the place of `base`,
    tokenizer included. The same reports, recipe and number of threads give the same weights on the same machine.
    Seeds torch's global random state and sets its threads. Raises ValueError when no report has text or a span
    cannot be expressed, BaseModelError when `base` cannot be used, SettingsError when the recipe asks for what the
    encoder or the validation reports do not allow, ModelError when the training diverges.
    """
    begin = time.monotonic()
    if recipe.patience and not validation:
        raise SettingsError("The training option patience needs validation reports", recipe.patience)
    source = recipe.start or base
    with tempfile.TemporaryDirectory(dir=_parent(output), prefix=f".{output.name}-") as scratch, quiet_transformers():
        aside = Path(scratch) / "model"
        aside.mkdir()
        write_tokenizer(tokenizer_json(source), json.loads((source / "config.json").read_text("utf-8")), aside)
        data = _Data.prepare(reports, validation, weights, TextTokenizer.from_folder(aside), scheme, recipe)
        run = _Run(open_network(source, scheme, recipe), data, recipe, Path(scratch), on_progress)
        result = run.train(begin)
        save(run.network(), source, aside)
        put_in_place(aside, output, Path(scratch))
    logger.info(
        "Fine-tuned on %s reports: %s steps, loss %.4f, %.1f s", len(reports), result.steps, result.loss, result.seconds
    )
    return result


@dataclass(frozen=True)
class _Data:
    training: list[Row]
    validation: list[Row]
    collator: Collator
    scheme: LabelScheme

    @classmethod
    def prepare(
        cls,
        reports: Sequence[AnnotatedText],
        validation: Sequence[AnnotatedText],
        weights: Sequence[float],
        tokenizer: TextTokenizer,
        scheme: LabelScheme,
        recipe: Recipe,
    ) -> _Data:
        size = recipe.chunk - 2
        training = chunks.repeated(chunks.rows(reports, tokenizer, scheme, weights), size, recipe.chunks_per_report)
        if not training:
            raise ValueError(f"none of {len(reports)} reports has any text")
        held_out = chunks.cut(chunks.rows(validation, tokenizer, scheme), size)
        return cls(training, held_out, Collator(tokenizer, size, recipe.seed), scheme)


class _Run:
    """One training: the Trainer, what it keeps of the weights, and the adapter if there is one."""

    def __init__(
        self, network: Any, data: _Data, recipe: Recipe, folder: Path, on_progress: Callable[[Progress], None]
    ) -> None:
        self._adapter = Adapter(network, recipe.lora_rank) if recipe.lora_rank else None
        self._data = data
        steps = recipe.steps_for(len(data.training))
        evaluates = bool(data.validation) and bool(recipe.patience or recipe.evaluate_every)
        self._selection = Selection(evaluates, recipe.interval(steps), recipe.patience, recipe.average)
        planned = math.ceil(steps / self._selection.interval) if evaluates else 0
        self._follower = follower(self._selection)
        callbacks = [watcher(on_progress, recipe.minutes, planned), self._follower]
        self._trainer = _trainer(network, data, recipe, steps, folder, callbacks)

    def train(self, begin: float) -> TrainingResult:
        """All steps, or as many as time and patience allow; the weights to keep are then in the network."""
        trainer, selection = self._trainer, self._selection
        trainer.train()
        trainer.remove_callback(self._follower)
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        if not losses or not math.isfinite(losses[-1]):
            raise ModelError("The training diverged", f"loss {losses[-1:]}", "another seed or fewer steps may help")
        f1 = selection.settle(trainer)
        if f1 is None and self._data.validation:
            f1 = float(trainer.evaluate()["eval_f1"])
        seconds = time.monotonic() - begin
        return TrainingResult(losses[-1], seconds, trainer.state.global_step, f1, tuple(selection.scores))

    def network(self) -> Any:
        """The trained network, without adapters."""
        return self._adapter.merged() if self._adapter else self._trainer.model


def _trainer(network: Any, data: _Data, recipe: Recipe, steps: int, folder: Path, callbacks: list[Any]) -> Any:
    import transformers
    from datasets import Dataset  # type: ignore[import-untyped]

    class WeightedTrainer(transformers.Trainer):
        """Hands the rows' weights to the loss."""

        loss_is_scaled_for_ga = True  # TokenLoss divides by the tokens of all batches of a step

        def compute_loss(
            self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
        ) -> Any:
            """See Trainer."""
            tags, weights = inputs.pop("labels"), inputs.pop("weights")
            outputs = model(**inputs)
            cost = loss(outputs.logits, tags, weights, num_items_in_batch)
            return (cost, outputs) if return_outputs else cost

    loss = TokenLoss.of(recipe, data.training, len(data.scheme.tags))
    trainer = WeightedTrainer(
        model=network,
        args=arguments(
            folder,
            steps=steps,
            batch=recipe.batch,
            seed=recipe.seed,
            bf16=recipe.bf16,
            gradient_accumulation_steps=recipe.accumulation,
            max_grad_norm=recipe.clip,
        ),
        data_collator=data.collator,
        train_dataset=Dataset.from_dict(chunks.columns(data.training, data.collator.size)),
        eval_dataset=Dataset.from_dict(chunks.columns(data.validation, data.collator.size)),
        compute_metrics=lambda outputs: {"f1": _strict_f1(outputs.predictions, outputs.label_ids, data.scheme)},
        compute_loss_func=loss,  # has the tokens of a step counted for any kind of model
        optimizers=optimizer_and_schedule(network, recipe, steps),
        callbacks=callbacks,
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _strict_f1(logits: Any, labels: Any, scheme: LabelScheme) -> float:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    gold, predicted = [], []
    for scores, tags in zip(logits, labels, strict=True):
        real = tags != chunks.IGNORED
        gold.append([scheme.tags[tag] for tag in tags[real]])
        predicted.append([scheme.tags[tag] for tag in viterbi(np.log(softmax(scores[real]) + TINY), scheme)])
    return float(f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0))


def _parent(output: Path) -> Path:
    output.parent.mkdir(parents=True, exist_ok=True)
    return output.parent
