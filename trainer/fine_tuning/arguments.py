"""transformers' TrainingArguments as every training here has them: no checkpoints, no logs, one device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from backend.engine.torch import computes_bf16


def arguments(folder: Path, *, steps: int, batch: int, seed: int, bf16: bool | None, **more: Any) -> Any:
    """TrainingArguments for rows with a `length`; `bf16` None is where the processor computes it natively."""
    import torch
    from transformers import TrainingArguments

    made = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=batch,
        per_device_eval_batch_size=batch,
        bf16=computes_bf16() if bf16 is None else bf16,
        use_cpu=not torch.cuda.is_available(),
        train_sampling_strategy="group_by_length",
        seed=seed,
        save_strategy="no",
        logging_strategy="no",  # trainer.progress says when
        logging_nan_inf_filter=False,
        report_to="none",
        disable_tqdm=True,
        remove_unused_columns=False,
        **more,
    )
    # Each further GPU would multiply the batch, and with it change what a recipe gives.
    made._n_gpu = min(1, made.n_gpu)
    return made
