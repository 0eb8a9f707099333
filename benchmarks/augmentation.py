"""What is each augmentation policy worth? Each one on its own and the mixes against none, all else equal.

    python -m benchmarks.augmentation [--reports 25] [--seeds 2] [--steps 60] [--copies 3] [--policies NAME …] [--json]

For every seed, a template-disjoint part of the pool is held out, the training reports are drawn from the rest, and each
arm trains on the same reports, with the same seed and the same number of steps. Scored is the network alone, strict
micro F1. The pool is the shipped `gold.json`; the test reports are never touched.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from backend.labelstudio.config import parse_label_config
from backend.ner.scheme import LabelScheme
from backend.predictor import open_model
from backend.rules import EMPTY_MEMORY
from backend.settings import Settings
from trainer.augmentation import DEFAULT, POLICIES, augment
from trainer.base_model import resolve
from trainer.corpus.splits import template_disjoint
from trainer.dataset import Report, freeze
from trainer.evaluation import predict_spans, score
from trainer.recipe import recipe_for
from trainer.training import fine_tune

REPORTS = Path(__file__).resolve().parents[1] / "examples" / "ecg_reports"
HELD_OUT = 0.2
THREADS = 1


def main() -> int:
    """Train and score every arm; the last line is one JSON object with --json."""
    arguments = _arguments()
    config = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
    pool = freeze(json.loads((REPORTS / "gold.json").read_text("utf-8")), config).reports
    base = resolve(Settings.from_env())
    wanted = arms(arguments.policies)
    f1: dict[str, list[float]] = {name: [] for name in wanted}
    held: list[int] = []
    for seed in range(arguments.seeds):
        train, validation = drawn(pool, arguments.reports, seed)
        held.append(len(validation))
        for name, policies in wanted.items():
            start = time.monotonic()
            made = augment(train, policies, arguments.copies, seed)
            f1[name].append(trained_f1([*train, *made], validation, config.labels, base, arguments.steps, seed))
            sys.stderr.write(f"seed {seed} {name}: F1 {f1[name][-1]:.3f}, {len(made)} variants, ")
            sys.stderr.write(f"{time.monotonic() - start:.0f} s\n")
    setting = {name: getattr(arguments, name) for name in ("reports", "seeds", "steps", "copies")}
    result = {**setting, "held_out": held, "arms": {name: _arm(f1[name], f1["none"]) for name in wanted}}
    sys.stdout.write(json.dumps(result) + "\n" if arguments.json else _table(result["arms"]))
    return 0


def arms(policies: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """None, each policy on its own, all of them, and the default mix where that is yet another one."""
    wanted: dict[str, tuple[str, ...]] = {"none": (), **{name: (name,) for name in policies}}
    for name, mix in (("all", tuple(policies)), ("default", DEFAULT)):
        if mix not in wanted.values():
            wanted[name] = mix
    return wanted


def drawn(pool: Sequence[Report], number: int, seed: int) -> tuple[list[Report], list[Report]]:
    """Training reports and validation reports that share no template."""
    rest, validation = template_disjoint(pool, HELD_OUT, seed)
    return random.Random(seed).sample(rest, min(number, len(rest))), validation


def trained_f1(
    train: Sequence[Report], validation: Sequence[Report], labels: tuple[str, ...], base: Path, steps: int, seed: int
) -> float:
    """Strict micro F1 (0..1) of a network fine-tuned on the reports."""
    recipe = recipe_for(len(train), steps=steps, seed=seed, threads=THREADS, minutes=60.0)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        fine_tune([(report.text, report.spans) for report in train], LabelScheme(labels), base, folder, recipe)
        settings = Settings(engine="torch", threads=THREADS)
        predictor = open_model(folder, "arm", "model", labels, labels, EMPTY_MEMORY, settings)
        return score(validation, predict_spans(predictor, validation), labels).micro.f1


def _arm(f1: Sequence[float], without: Sequence[float]) -> dict[str, Any]:
    gains = [round(ours - theirs, 4) for ours, theirs in zip(f1, without, strict=True)]
    return {"f1": [round(value, 4) for value in f1], "mean": round(fmean(f1), 4), "gains": gains}


def _table(rows: dict[str, dict[str, Any]]) -> str:
    lines = [f"{'arm':<12}{'mean F1':>9}  by seed (gain)"]
    for name, row in rows.items():
        seeds = "  ".join(f"{f1:.3f} ({gain:+.3f})" for f1, gain in zip(row["f1"], row["gains"], strict=True))
        lines.append(f"{name:<12}{row['mean']:>9.3f}  {seeds}")
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=25, help="training reports before augmentation")
    parser.add_argument("--seeds", type=int, default=2, help="0, 1, ... of draw, split and training")
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps of every arm")
    parser.add_argument("--copies", type=int, default=3, help="variants of each report")
    parser.add_argument("--policies", nargs="*", choices=list(POLICIES), default=list(POLICIES))
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
