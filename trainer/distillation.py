"""A smaller student that learns from a trained model: what the teacher says about each token, and gold where it is.

The teacher's probabilities tell more than the tags, and it says them about reports that nobody annotated, too. The
student starts as the teacher's lowest layers with its head.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.engine.model_folder import ModelFolder
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import load_classifier, quiet_transformers
from backend.errors import ModelError
from backend.ner.scheme import LabelScheme
from trainer import chunks
from trainer.chunks import IGNORED, AnnotatedText, Collator, Row
from trainer.export.smaller import first_layers
from trainer.fine_tuning.arguments import arguments
from trainer.fine_tuning.folder import put_in_place, save
from trainer.fine_tuning.optimizer import optimizer_and_schedule
from trainer.fine_tuning.tokenizer_files import copy_tokenizer
from trainer.progress import Progress, watcher
from trainer.recipe import Recipe
from trainer.training import TrainingResult

logger = logging.getLogger(__name__)

TEMPERATURE = 2.0
"""Softens both sides, so that the order of the unlikely tags counts as well (Hinton et al. 2015)."""
GOLD_SHARE = 0.5
"""Weight of gold beside the teacher, on annotated tokens."""


def distill(
    teacher: Path,
    scheme: LabelScheme,
    reports: Sequence[AnnotatedText],
    texts: Sequence[str],
    layers: int,
    output: Path,
    recipe: Recipe,
    on_progress: Callable[[Progress], None],
) -> TrainingResult:
    """Train a student of so many layers on annotated reports and other texts; a model folder, replaced if there.

    Reproducible like a fine-tuning. Raises ValueError when no report or text has any text or a span cannot be
    expressed, ModelError when the teacher cannot be loaded, has fewer layers, or when the training diverges.
    """
    start = time.monotonic()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch, quiet_transformers():
        aside = Path(scratch) / "model"
        aside.mkdir()
        copy_tokenizer(teacher, aside)
        rows, collator = _rows(teacher, scheme, reports, texts, recipe)
        trainer = _trainer(teacher, layers, rows, collator, recipe, Path(scratch))
        trainer.add_callback(watcher(on_progress, recipe.minutes))
        loss, steps = _train(trainer)
        save(trainer.model, teacher, aside)
        put_in_place(aside, output, Path(scratch))
    seconds = time.monotonic() - start
    logger.info("Distilled %s layers: %s steps, loss %.4f, %.1f s", layers, steps, loss, seconds)
    return TrainingResult(loss, seconds, steps, None)


def _rows(
    teacher: Path, scheme: LabelScheme, reports: Sequence[AnnotatedText], texts: Sequence[str], recipe: Recipe
) -> tuple[list[Row], Collator]:
    """Rows to learn from; those without gold have no tags."""
    tokenizer, size = TextTokenizer.from_folder(teacher), ModelFolder.read(teacher).window
    annotated = {text for text, _ in reports}
    encoded = [tokenizer.encode(text).input_ids for text in dict.fromkeys(texts) if text not in annotated]
    plain = [Row(ids, np.full(len(ids), IGNORED, dtype=np.int64)) for ids in encoded if len(ids)]
    rows = chunks.repeated([*chunks.rows(reports, tokenizer, scheme), *plain], size, recipe.chunks_per_report)
    if not rows:
        raise ValueError(f"none of {len(reports)} reports and {len(texts)} texts has any text")
    return rows, Collator(tokenizer, size, recipe.seed)


def _trainer(teacher: Path, layers: int, rows: Sequence[Row], collator: Collator, recipe: Recipe, folder: Path) -> Any:
    import torch
    import transformers
    from datasets import Dataset  # type: ignore[import-untyped]

    torch.set_num_threads(recipe.threads)
    transformers.set_seed(recipe.seed)
    student, steps = first_layers(teacher, layers), recipe.steps_for(len(rows))
    trainer = _distiller(load_classifier(teacher), collator.tokenizer)(
        model=student,
        args=arguments(
            folder, steps=steps, batch=recipe.batch, seed=recipe.seed, bf16=recipe.bf16, max_grad_norm=recipe.clip
        ),
        data_collator=collator,
        train_dataset=Dataset.from_dict(chunks.columns(rows, collator.size)),
        optimizers=optimizer_and_schedule(student, recipe, steps),
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _distiller(teacher: Any, tokenizer: TextTokenizer) -> Any:
    """A Trainer that compares the student with this teacher on every batch."""
    import torch
    import transformers

    class Distiller(transformers.Trainer):
        """The student is its model."""

        def compute_loss(
            self,
            model: Any,
            inputs: Any,
            return_outputs: bool = False,
            num_items_in_batch: Any = None,  # noqa: ARG002 - every step is one batch
        ) -> Any:
            """See Trainer."""
            gold = inputs.pop("labels")
            seen = {name: inputs[name] for name in ("input_ids", "attention_mask")}
            with torch.no_grad():
                wanted = teacher.to(gold.device)(**seen).logits
            outputs = model(**seen)
            real = _real(seen, tokenizer)
            cost = soft_loss(outputs.logits[real].float(), wanted[real].float(), gold[real])
            return (cost, outputs) if return_outputs else cost

    return Distiller


def _real(seen: dict[str, Any], tokenizer: TextTokenizer) -> Any:
    """Where a token stands for text; the special ones cannot come out of a text."""
    ids, mask = seen["input_ids"], seen["attention_mask"]
    return (mask > 0) & (ids != tokenizer.cls_id) & (ids != tokenizer.sep_id)


def soft_loss(student: Any, teacher: Any, gold: Any) -> Any:
    """What a student's logits [tokens, tags] cost beside the teacher's; gold [tokens] is IGNORED where there is none.

    The mean over the tokens of the divergence from the teacher, averaged with cross-entropy where there is gold.
    """
    import torch
    from torch.nn.functional import cross_entropy, kl_div

    ours, theirs = ((logits / TEMPERATURE).log_softmax(-1) for logits in (student, teacher))
    # Times the square, because softened logits have gradients smaller by that.
    soft = kl_div(ours, theirs, reduction="none", log_target=True).sum(-1) * TEMPERATURE**2
    hard = cross_entropy(student, gold, ignore_index=IGNORED, reduction="none")
    return torch.where(gold == IGNORED, soft, (1 - GOLD_SHARE) * soft + GOLD_SHARE * hard).mean()


def _train(trainer: Any) -> tuple[float, int]:
    """Loss of the last steps, and the number of steps."""
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if not losses or not math.isfinite(losses[-1]):
        raise ModelError("The distillation diverged", f"loss {losses[-1:]}", "another seed or fewer steps may help")
    return float(losses[-1]), int(trainer.state.global_step)
