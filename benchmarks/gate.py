"""How often the gate calls equal versions different, and sees real differences: `python -m benchmarks.gate [--json]`.

Counts are those of the rules on the annotated reports of `examples/ecg_reports`, drawn with replacement; each version
makes errors of its own on them. How many depends on the report, as with real versions: a report is easy or hard.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from backend.labelstudio.config import parse_label_config
from backend.predictor import RulesPredictor
from trainer.bootstrap import f1, resample
from trainer.dataset import freeze
from trainer.evaluation import count, predict_spans
from trainer.promotion import TOLERANCE, Contest, decide

EXAMPLES = Path(__file__).resolve().parent.parent / "examples" / "ecg_reports"
SIZES = (10, 20, 50)
PAIRS = 1000


@dataclass(frozen=True)
class Version:
    """How a version errs: the mean share (0..1) of spans it misses, and of those whose end is wrong.

    `label` is that of one label in place of both, whose spans it misses.
    """

    missed: float
    wrong: float
    label: float | None = None


USUAL = Version(0.075, 0.075)
CASES: dict[str, tuple[Version, Version]] = {
    "equal": (USUAL, USUAL),
    "equal, misses against wrong ends": (Version(0.18, 0.0), Version(0.0, 0.1)),
    "better by 0.03": (Version(0.06, 0.06), Version(0.08, 0.08)),
    "better by 0.06": (Version(0.05, 0.05), Version(0.1, 0.1)),
    "worse by 0.03": (Version(0.08, 0.08), Version(0.06, 0.06)),
    "worse by 0.06": (Version(0.1, 0.1), Version(0.05, 0.05)),
    "misses half of a label": (Version(0.075, 0.075, 0.5), USUAL),
}
"""The candidate and the version that serves."""


@dataclass(frozen=True)
class Rates:
    """Shares (0..1) of verdicts on a candidate; `difference` is its mean gain in micro F1.

    `worse` is lower with evidence, `kept` every refusal: also a loss over the tolerance without evidence. `plain_*` are
    those of a percentile interval alone.
    """

    reports: int
    case: str
    difference: float
    better: float
    worse: float
    label_lost: float
    kept: float
    plain_better: float
    plain_worse: float


@cache
def population() -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Counts [reports, labels, 3] of the rules on all annotated example reports, and the labels."""
    config = parse_label_config((EXAMPLES / "label_config.xml").read_text("utf-8"))
    rules = RulesPredictor("rules", config.labels)
    files = [json.loads((EXAMPLES / name).read_text("utf-8")) for name in ("gold.json", "test.json")]
    sets = [freeze(tasks, config).reports for tasks in files]
    return np.concatenate([count(reports, predict_spans(rules, reports), config.labels) for reports in sets]), (
        config.labels
    )


def predicted(counts: NDArray[np.int64], version: Version, random: np.random.Generator) -> NDArray[np.int64]:
    """Counts [reports, labels, 3] with the version's errors added."""
    hard = random.exponential(1.0, (len(counts), 1))
    missed = np.repeat(np.clip(version.missed * hard, 0, 1), counts.shape[1], axis=1)
    if version.label is not None:
        missed[:, 0] = version.label
    lost = random.binomial(counts[..., 0], missed)
    wrong = random.binomial(counts[..., 0] - lost, np.clip(version.wrong * hard, 0, 1))
    return counts + np.stack([-lost - wrong, wrong, lost + wrong], axis=-1)


def measure(case: str, reports: int, pairs: int = PAIRS, seed: int = 1) -> Rates:
    """Rates of the gate's verdicts on simulated pairs; the same for the same seed."""
    random = np.random.default_rng(seed)
    counts, labels = population()
    candidate, serving = CASES[case]

    def pair() -> tuple[float, ...]:
        drawn = counts[random.integers(0, len(counts), reports)]
        return _verdicts(labels, predicted(drawn, candidate, random), predicted(drawn, serving, random))

    shares = np.array([pair() for _ in range(pairs)]).mean(axis=0).round(4)
    return Rates(reports, case, *(float(share) for share in shares))


def _verdicts(labels: tuple[str, ...], ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> tuple[float, ...]:
    decision = decide(Contest("serving", "model", "holdout", labels, ours, theirs))
    drawn = f1(resample(np.stack([ours.sum(axis=1), theirs.sum(axis=1)], axis=1)))
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
    return (
        decision.difference or 0.0,
        decision.state == "better",
        decision.interval is not None and decision.interval[1] < 0,
        bool(decision.labels_lost),
        not decision.promote,
        low > 0,
        high < 0,
    )


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(as_json: bool) -> None:
    """Print the table of rates."""
    rates = [measure(case, reports) for case in CASES for reports in SIZES]
    if as_json:
        click.echo(
            json.dumps({"pairs": PAIRS, "tolerance": TOLERANCE, "rates": [asdict(one) for one in rates]}, indent=1)
        )
        return
    click.echo(f"{'candidate':<33} reports   F1 diff.  better   worse  label lost    kept   percentile: better   worse")
    for one in rates:
        click.echo(
            f"{one.case:<33} {one.reports:7}  {one.difference:+9.3f}  {one.better:6.1%}  {one.worse:6.1%}"
            f"  {one.label_lost:10.1%}  {one.kept:6.1%}   {one.plain_better:18.1%}  {one.plain_worse:6.1%}"
        )


if __name__ == "__main__":
    main()
