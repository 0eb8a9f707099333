"""How often the gate calls equal versions different, and sees real differences: `python -m benchmarks.gate [--json]`.

Counts are simulated report by report: lengths are skewed, reports differ in difficulty, and both versions meet the same
ones. An effect is the recall that the second version loses on every report.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import click
import numpy as np
from numpy.typing import NDArray

from trainer.bootstrap import f1, resample
from trainer.promotion import TOLERANCE, Contest, decide

SIZES = (10, 20, 50)
EFFECTS = (0.0, 0.03, 0.08)
PAIRS = 400


@dataclass(frozen=True)
class Rates:
    """Shares (0..1) of verdicts on pairs of versions; `plain_*` are those of a percentile interval that excludes 0.

    `worse_sure` is lower with evidence; `kept` counts also what is lower by more than the tolerance without it.
    """

    reports: int
    effect: float
    better: float
    worse_sure: float
    kept: float
    plain_better: float
    plain_worse: float


def pair(reports: int, effect: float, random: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts [reports, 1, 3] of two versions on the same reports; the second is worse by `effect` in recall."""
    gold = np.maximum(1, random.lognormal(2.0, 0.8, reports).astype(np.int64))
    ease = random.beta(4, 1, reports)

    def version(recall: float) -> NDArray[np.int64]:
        own = np.clip(ease * recall / 0.8 * random.beta(12, 1.2, reports) / 0.91, 0, 1)
        found = random.binomial(gold, own)
        wrong = random.binomial(np.maximum(gold - found, 1), 0.6)
        return np.stack([found, wrong, gold - found], axis=1)[:, None, :]

    return version(0.8), version(0.8 - effect)


def measure(reports: int, effect: float, pairs: int = PAIRS, seed: int = 1) -> Rates:
    """Rates of the gate's verdicts on simulated pairs."""
    random = np.random.default_rng(seed)
    seen = np.array([_verdicts(*pair(reports, effect, random)) for _ in range(pairs)], dtype=np.float64)
    return Rates(reports, effect, *(float(share) for share in seen.mean(axis=0).round(4)))


def _verdicts(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> tuple[bool, bool, bool, bool, bool]:
    decision = decide(Contest("serving", "model", "holdout", ("X",), ours, theirs))
    drawn = f1(resample(np.stack([ours[:, 0], theirs[:, 0]], axis=1)))
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [0.025, 0.975])
    # The other way round a loss with evidence is a gain with evidence.
    sure = decide(Contest("serving", "model", "holdout", ("X",), theirs, ours)).state == "better"
    return decision.state == "better", sure, not decision.promote, bool(low > 0), bool(high < 0)


@click.command()
@click.option("--json", "as_json", is_flag=True)
def main(as_json: bool) -> None:
    """Print the table of rates."""
    rates = [measure(reports, effect) for reports in SIZES for effect in EFFECTS]
    if as_json:
        click.echo(
            json.dumps({"pairs": PAIRS, "tolerance": TOLERANCE, "rates": [asdict(one) for one in rates]}, indent=1)
        )
        return
    click.echo("reports  effect  better  worse, sure   kept   percentile: better  worse")
    for one in rates:
        click.echo(
            f"{one.reports:7}  {one.effect:6.2f}  {one.better:6.1%}  {one.worse_sure:11.1%}  {one.kept:5.1%}"
            f"   {one.plain_better:18.1%}  {one.plain_worse:5.1%}"
        )


if __name__ == "__main__":
    main()
