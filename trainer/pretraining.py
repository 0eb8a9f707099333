"""Continued pre-training: a base model reads unlabelled reports, guessing tokens that were masked out.

Done once for a base model and a set of texts; what comes out is a base model folder like any other.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock
from pydantic import Field
from pydantic.dataclasses import dataclass

from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import quiet_transformers
from backend.errors import BaseModelError, ModelError
from trainer import base_model
from trainer.chunks import Row
from trainer.fine_tuning.arguments import arguments
from trainer.fine_tuning.folder import put_in_place, save
from trainer.fine_tuning.guessing import guesser
from trainer.fine_tuning.optimizer import rising_and_falling
from trainer.masking import Masker, TokenRow, mask_id, to_measure, to_read, token_rows
from trainer.progress import Progress, watcher
from trainer.recipe import WIDE

logger = logging.getLogger(__name__)

FORMAT = 1
"""Part of a folder's name; raise it when the training changes."""

MARKER = "pretraining.json"
"""Written into the folder last: what was done, and what it gave."""

HELD_OUT = 20
"""One text in so many is not read but measured."""

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")

CLIP = 1.0
BETAS = (0.9, 0.98)


@dataclass(frozen=True, kw_only=True)
class Pretraining:
    """How long and how fast a base model reads; values out of range raise pydantic's ValidationError."""

    seed: int = Field(ge=0, description="Seed of every random choice.")
    threads: int = Field(ge=1, le=256, description="Threads that compute.")
    minutes: float = Field(gt=0, description="Wall minutes after which it stops.")
    steps: int = Field(default=200, ge=1, description="Optimiser steps.")
    rate: float = Field(default=0.0, ge=0, description="Peak learning rate; 0: by the encoder's width.")
    batch: int = Field(default=8, ge=1, le=1024, description="Rows computed at once.")
    chunk: int = Field(default=128, ge=8, le=512, description="Tokens of a row at most, with the two special ones.")
    masked_share: float = Field(default=0.2, gt=0, lt=1, description="Share of the tokens to guess.")
    warmup_share: float = Field(default=0.1, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="AdamW's decay of matrices.")
    bf16: bool | None = Field(default=None, description="Compute in bf16; None: where the processor does so natively.")

    def rate_for(self, hidden_size: int) -> float:
        """The peak learning rate."""
        return self.rate or (5e-5 if hidden_size >= WIDE else 5e-4)


@dataclass(frozen=True)
class Adaptation:
    """What a pre-training came to; losses are mean cross-entropies (nats) of masked tokens in held-out texts."""

    texts: int
    steps: int
    seconds: float
    loss_before: float
    loss_after: float


def _unheard(_progress: Progress) -> None:
    pass


def pretrain(
    texts: Sequence[str],
    base: Path,
    cache: Path,
    options: Pretraining,
    on_progress: Callable[[Progress], None] = _unheard,
) -> Path:
    """Folder under `cache` with the base model after it has read the texts; at once where it was made before.

    Its name is made from the base model's files, the texts in any order, and all options but the threads. Safe to
    call from several processes: one trains, the others wait. Written aside and renamed. Raises ValueError for fewer
    than two different texts with tokens, BaseModelError when `base` cannot be used, ModelError when it diverges.
    """
    distinct = sorted({text for text in texts if text.strip()})
    if len(distinct) < 2:
        raise ValueError(f"pre-training needs at least 2 different texts, got {len(distinct)}")
    folder = cache / f"adapted-{_key(base, distinct, options)}"
    if not (folder / MARKER).is_file():
        try:
            cache.mkdir(parents=True, exist_ok=True)
            with FileLock(folder.with_name(f".{folder.name}.lock")):
                if not (folder / MARKER).is_file():
                    _write(distinct, base, folder, options, on_progress)
        except OSError as error:
            raise BaseModelError("The adapted base model cannot be written", folder, error.strerror or "") from error
    return folder


def adaptation(folder: Path) -> Adaptation:
    """What was written down of the pre-training that made the folder; raises BaseModelError."""
    try:
        return Adaptation(**json.loads((folder / MARKER).read_text("utf-8"))["adaptation"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BaseModelError("The folder was not made by pre-training", folder, type(error).__name__) from error


def _key(base: Path, texts: Sequence[str], options: Pretraining) -> str:
    """Sixteen hex digits of all that the weights depend on; threads change them in the last bits only."""
    chosen = {name: value for name, value in asdict(options).items() if name != "threads"}
    digest = hashlib.sha256(json.dumps([FORMAT, chosen, texts]).encode())
    files = {path for pattern in ("config.json", *WEIGHT_FILES) for path in base.glob(pattern)}
    for path in sorted(files):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    digest.update(base_model.tokenizer_json(base).encode())
    return digest.hexdigest()[:16]


def _write(
    texts: Sequence[str], base: Path, folder: Path, options: Pretraining, on_progress: Callable[[Progress], None]
) -> None:
    """Train, and put the folder in place."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch, quiet_transformers():
        aside = Path(scratch) / "model"
        aside.mkdir()
        (aside / "tokenizer.json").write_text(base_model.tokenizer_json(base), encoding="utf-8")
        network, done = _adapt(texts, base, aside, options, on_progress)
        save(network, base, aside)
        marker = {"format": FORMAT, "options": asdict(options), "adaptation": asdict(done)}
        (aside / MARKER).write_text(json.dumps(marker), encoding="utf-8")
        base_model.check(aside)
        put_in_place(aside, folder, Path(scratch))
    logger.info(
        "Pre-trained on %s texts: %s steps, loss of held-out texts %.3f -> %.3f, %.1f s",
        *(done.texts, done.steps, done.loss_before, done.loss_after, done.seconds),
    )


def _adapt(
    texts: Sequence[str], base: Path, aside: Path, options: Pretraining, on_progress: Callable[[Progress], None]
) -> tuple[Any, Adaptation]:
    """The encoder after it has read the texts but those held out."""
    import torch
    from transformers import set_seed

    start = time.monotonic()
    torch.set_num_threads(options.threads)
    set_seed(options.seed)
    network = guesser(base)
    trainer = _trainer(network, _rows(texts, aside, network.vocabulary, options), options, aside.parent, on_progress)
    before = float(trainer.evaluate()["eval_loss"])
    trainer.train()
    after = float(trainer.evaluate()["eval_loss"])
    if not math.isfinite(after):
        raise ModelError("The pre-training diverged", f"loss {after}", "a smaller learning rate may help")
    seconds = round(time.monotonic() - start, 1)
    return network.encoder, Adaptation(len(texts), trainer.state.global_step, seconds, before, after)


class _Rows(NamedTuple):
    read: list[TokenRow]
    held_out: list[Row]
    masker: Masker


def _rows(texts: Sequence[str], aside: Path, vocabulary: int, options: Pretraining) -> _Rows:
    tokenizer = TextTokenizer.from_folder(aside)
    mask = mask_id((aside / "tokenizer.json").read_text("utf-8"), tokenizer.unk_id)
    masker = Masker(tokenizer, mask, vocabulary, options.masked_share, options.seed)
    shuffled = list(texts)
    random.Random(options.seed).shuffle(shuffled)
    cut, size = math.ceil(len(texts) / HELD_OUT), options.chunk - 2
    held_out = [masker.masked(row) for row in token_rows(shuffled[:cut], tokenizer, size)]
    return _Rows(token_rows(shuffled[cut:], tokenizer, size), held_out, masker)


def _trainer(
    network: Any, rows: _Rows, options: Pretraining, folder: Path, on_progress: Callable[[Progress], None]
) -> Any:
    import torch
    import transformers
    from datasets import Dataset  # type: ignore[import-untyped]

    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=options.rate_for(network.encoder.config.hidden_size),
        betas=BETAS,
        weight_decay=options.weight_decay,
        fused=True,
    )
    trainer = transformers.Trainer(
        model=network,
        args=arguments(
            folder,
            steps=options.steps,
            batch=options.batch,
            seed=options.seed,
            bf16=options.bf16,
            max_grad_norm=CLIP,
            prediction_loss_only=True,
        ),
        data_collator=rows.masker,
        train_dataset=Dataset.from_dict(to_read(rows.read)),
        eval_dataset=Dataset.from_dict(to_measure(rows.held_out)),
        optimizers=(optimizer, rising_and_falling(optimizer, options.warmup_share, options.steps)),
        callbacks=[watcher(on_progress, options.minutes)],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    return trainer
