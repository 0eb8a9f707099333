"""Fine-tune an encoder to tag the tokens of reports, with transformers' Trainer.

No checkpoint and no log file is written; the finished model appears at once or not at all.
"""

from __future__ import annotations

import logging
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from backend.engine.batching import softmax
from backend.engine.model_folder import TRAINED_TOKENS
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import computes_bf16, quiet_transformers
from backend.errors import BaseModelError, ModelError
from backend.ner.decoding import viterbi
from backend.ner.scheme import LabelScheme
from trainer import chunks
from trainer.base_model import tokenizer_json
from trainer.chunks import AnnotatedText, Collator, Row
from trainer.progress import Progress, watcher
from trainer.recipe import Recipe

logger = logging.getLogger(__name__)

DROPOUTS = {
    "hidden_dropout_prob": 0.1,
    "hidden_dropout": 0.1,
    # Attention dropout rules out the fast attention kernel on CPUs: 442 against 658 tokens a second.
    "attention_probs_dropout_prob": 0.0,
    "attention_dropout": 0.0,
}
"""By the names that the configurations of different models have."""
HEAD_DROPOUT = 0.1

TINY = 1e-12
"""Keeps the logarithm of a probability finite."""

COPIED = ("ATTRIBUTION*", "LICENSE*", "NOTICE*")
"""What goes with the weights wherever they go."""


@dataclass(frozen=True)
class TrainingResult:
    """What a fine-tuning came to: loss of the last steps, wall seconds, steps made, strict F1 if it was measured.

    `validation_f1` is strict span F1 (0..1) by seqeval after Viterbi decoding, over chunks; None without reports.
    """

    loss: float
    seconds: float
    steps: int
    validation_f1: float | None


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
) -> TrainingResult:
    """Train on the reports and write a token-classification folder to `output`, replacing one that is there.

    The same reports, recipe and number of threads give the same weights on the same machine. Seeds torch's
    global random state and sets its threads. Raises ValueError when no report has text or a span cannot be
    expressed, BaseModelError when `base` cannot be used, ModelError when the training diverges.
    """
    start = time.monotonic()
    with tempfile.TemporaryDirectory(dir=_parent(output), prefix=f".{output.name}-") as scratch, quiet_transformers():
        aside = Path(scratch) / "model"
        aside.mkdir()
        (aside / "tokenizer.json").write_text(tokenizer_json(base), encoding="utf-8")
        data = _Data.prepare(reports, validation, TextTokenizer.from_folder(aside), scheme, recipe)
        trainer = _trainer(
            _network(base, scheme, recipe), data, recipe, Path(scratch), watcher(on_progress, recipe.minutes)
        )
        loss, steps = _train(trainer)
        f1 = float(trainer.evaluate()["eval_f1"]) if data.validation else None
        _save(trainer.model, base, aside)
        _replace(aside, output, Path(scratch))
    result = TrainingResult(loss, time.monotonic() - start, steps, f1)
    logger.info("Fine-tuned on %s reports: %s steps, loss %.4f, %.1f s", len(reports), steps, loss, result.seconds)
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
        tokenizer: TextTokenizer,
        scheme: LabelScheme,
        recipe: Recipe,
    ) -> _Data:
        size = recipe.chunk - 2
        training = chunks.repeated(chunks.rows(reports, tokenizer, scheme), size, recipe.chunks_per_report)
        if not training:
            raise ValueError(f"none of {len(reports)} reports has any text")
        held_out = chunks.cut(chunks.rows(validation, tokenizer, scheme), size)
        return cls(training, held_out, Collator(tokenizer, size, recipe.seed), scheme)


def _network(base: Path, scheme: LabelScheme, recipe: Recipe) -> Any:
    """The encoder with a new head; its random weights come from the seed."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, set_seed

    torch.set_num_threads(recipe.threads)
    set_seed(recipe.seed)
    try:
        config = AutoConfig.from_pretrained(base, local_files_only=True)
        config.id2label = dict(enumerate(scheme.tags))
        config.label2id = {tag: i for i, tag in enumerate(scheme.tags)}
        for name in DROPOUTS.keys() & config.to_dict().keys():
            setattr(config, name, DROPOUTS[name])
        config.classifier_dropout = HEAD_DROPOUT
        setattr(config, TRAINED_TOKENS, recipe.chunk)
        return AutoModelForTokenClassification.from_pretrained(
            base, config=config, local_files_only=True, dtype=torch.float32
        )
    except Exception as error:  # safetensors and transformers raise what they like
        raise BaseModelError("The base model cannot be loaded", base, type(error).__name__) from error


def _trainer(network: Any, data: _Data, recipe: Recipe, folder: Path, watch: Any) -> Any:
    import transformers
    from datasets import Dataset  # type: ignore[import-untyped]

    optimizer = _optimizer(network, recipe)
    linear: Any = transformers.get_linear_schedule_with_warmup
    trainer = transformers.Trainer(
        model=network,
        args=_arguments(recipe, folder),
        data_collator=data.collator,
        train_dataset=Dataset.from_dict(chunks.columns(data.training, data.collator.size)),
        eval_dataset=Dataset.from_dict(chunks.columns(data.validation, data.collator.size)),
        compute_metrics=lambda outputs: {"f1": _strict_f1(outputs.predictions, outputs.label_ids, data.scheme)},
        optimizers=(optimizer, linear(optimizer, math.ceil(recipe.warmup_share * recipe.steps), recipe.steps)),
        callbacks=[watch],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer


def _arguments(recipe: Recipe, folder: Path) -> Any:
    import torch
    from transformers import TrainingArguments

    return TrainingArguments(
        output_dir=str(folder),
        max_steps=recipe.steps,
        per_device_train_batch_size=recipe.batch,
        per_device_eval_batch_size=recipe.batch,
        max_grad_norm=recipe.clip,
        bf16=computes_bf16() if recipe.bf16 is None else recipe.bf16,
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length",
        seed=recipe.seed,
        save_strategy="no",
        logging_strategy="no",  # trainer.progress says when
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
    )


def _optimizer(network: Any, recipe: Recipe) -> Any:
    """AdamW with two learning rates; biases and layer norms, which have one dimension, do not decay."""
    import torch

    encoder = set(network.base_model.parameters())
    groups = []
    for rate, members in (
        (recipe.encoder_rate_for(network.config.hidden_size), encoder),
        (recipe.head_rate, set(network.parameters()) - encoder),
    ):
        ordered = [parameter for parameter in network.parameters() if parameter in members]
        matrices = [parameter for parameter in ordered if parameter.ndim > 1]
        vectors = [parameter for parameter in ordered if parameter.ndim <= 1]
        groups += [
            {"params": matrices, "lr": rate, "weight_decay": recipe.weight_decay},
            {"params": vectors, "lr": rate, "weight_decay": 0.0},
        ]
    return torch.optim.AdamW(groups, betas=recipe.betas, fused=True)


def _train(trainer: Any) -> tuple[float, int]:
    """Loss of the last steps, and the number of steps."""
    trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if not losses or not math.isfinite(losses[-1]):
        raise ModelError("The training diverged", f"loss {losses[-1:]}", "another seed or fewer steps may help")
    return float(losses[-1]), int(trainer.state.global_step)


def _strict_f1(logits: Any, labels: Any, scheme: LabelScheme) -> float:
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2

    gold, predicted = [], []
    for scores, tags in zip(logits, labels, strict=True):
        real = tags != chunks.IGNORED
        gold.append([scheme.tags[tag] for tag in tags[real]])
        predicted.append([scheme.tags[tag] for tag in viterbi(np.log(softmax(scores[real]) + TINY), scheme)])
    return float(f1_score(gold, predicted, mode="strict", scheme=IOB2, zero_division=0))


def _save(network: Any, base: Path, folder: Path) -> None:
    network.save_pretrained(folder)
    # safetensors makes files only their owner can read; the web process may be another user.
    for weights in folder.glob("*.safetensors"):
        weights.chmod(0o644)
    for name in sorted({path for pattern in COPIED for path in base.glob(pattern)}):
        shutil.copy(name, folder)


def _parent(output: Path) -> Path:
    output.parent.mkdir(parents=True, exist_ok=True)
    return output.parent


def _replace(aside: Path, output: Path, scratch: Path) -> None:
    if output.exists():
        output.rename(scratch / "replaced")
    aside.rename(output)
