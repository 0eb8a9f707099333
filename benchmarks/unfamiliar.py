"""What a project with unfamiliar wording gains from its first annotated reports, and what its queue is worth.

    python -m benchmarks.unfamiliar --data FILE --label-config XML [--train 10,30] [--seeds 4] [--json]

For each seed the annotated reports of the file are split in halves. So many of one half are learned exactly as a round
learns them, with its choice of what serves; the other half, which took no part, is scored: strict micro F1 of the rules
alone and of what serves, Spearman's rank correlation of each report's uncertainty with the number of wrong spans in it
(missed or too many), AUROC of the uncertainty for "something is wrong in it", and the seconds of learning and judging.

With --json the last line is one JSON object: {"10": {"rules": F1, "serving": F1, "spearman": ..., "auroc": ...,
"seconds": ..., "per_seed": [...]}, ...}, means over the seeds. F1 is in per cent; a correlation that is not defined
(no error, or nothing but errors) is null and takes no part in the mean.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import click
from scipy.stats import rankdata, spearmanr  # type: ignore[import-untyped]

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.predictor import Predictor, RulesPredictor
from backend.settings import Settings
from trainer.copies import once
from trainer.corpus import read
from trainer.dataset import Report, split
from trainer.evaluation import predict_spans, score, score_modes
from trainer.learning import Learner
from trainer.promotion import best_mode

FIGURES = ("rules", "serving", "spearman", "auroc", "seconds")


@click.command(help=__doc__.partition("\n")[0])
@click.option("--data", required=True, type=click.Path(exists=True, path_type=Path), help="file of annotated reports")
@click.option("--label-config", type=click.Path(exists=True, path_type=Path), help="default: read off the file")
@click.option("--train", default="10,30", show_default=True, help="numbers of reports to learn")
@click.option("--seeds", default=4, show_default=True, type=click.IntRange(1))
@click.option("--json", "as_json", is_flag=True, help="print one JSON object as the last line")
def main(data: Path, label_config: Path | None, train: str, seeds: int, as_json: bool) -> None:
    """Measure and print."""
    try:
        sizes = [int(size) for size in train.split(",")]
    except ValueError:
        raise click.BadParameter(f"{train!r} is no list of numbers like 10,30", param_hint="--train") from None
    config = parse_label_config(label_config.read_text("utf-8")) if label_config else None
    try:
        corpus = read(data, config)
    except CorpusError as error:
        raise click.ClickException(str(error)) from None
    reports = list(once(corpus.dataset).reports)  # no copy on both sides
    if len(reports) < 2 * max(sizes):
        raise click.ClickException(f"--train {max(sizes)} needs {2 * max(sizes)} reports, the file has {len(reports)}")
    results = {str(size): measure(reports, corpus.config, size, seeds) for size in sizes}
    for size, row in results.items():
        gains = ", ".join(f"{seed['serving'] - seed['rules']:+.1f}" for seed in row["per_seed"])
        figures = "  ".join(f"{name} {row[name]:.2f}" for name in FIGURES if row[name] is not None)
        click.echo(f"{size:>5} reports  {figures}  (gains {gains})")
    if as_json:
        click.echo(json.dumps(results))


def measure(reports: Sequence[Report], config: LabelConfig, size: int, seeds: int) -> dict[str, Any]:
    """The figures of one number of reports, by seed and their means."""
    rows = [one(reports, config, size, seed) for seed in range(seeds)]
    means = {name: [row[name] for row in rows if row[name] is not None] for name in FIGURES}
    return {name: fmean(values) if values else None for name, values in means.items()} | {"per_seed": rows}


def one(reports: Sequence[Report], config: LabelConfig, size: int, seed: int) -> dict[str, Any]:
    """One draw of halves and of reports to learn."""
    drawn = random.Random(seed).sample(list(reports), len(reports))
    half = len(drawn) // 2
    started = time.monotonic()
    serving, mode = learn(drawn[:half][:size], config, seed)
    seconds = time.monotonic() - started
    held = drawn[half:]
    rules = predict_spans(RulesPredictor("rules", config.labels), held)
    found = predict_spans(serving, held)
    errors = [len(set(report.spans) ^ set(found[report.task_id])) for report in held]
    doubts = [prediction.uncertainty for prediction in serving.predict([report.text for report in held])]
    return {
        "rules": 100 * score(held, rules, config.labels).micro.f1,
        "serving": 100 * score(held, found, config.labels).micro.f1,
        "spearman": spearman(doubts, errors),
        "auroc": auroc(doubts, [count > 0 for count in errors]),
        "seconds": seconds,
        "mode": mode,
    }


def learn(reports: Sequence[Report], config: LabelConfig, seed: int) -> tuple[Predictor, str]:
    """What would serve after a round on the reports, and its mode."""
    settings = Settings.from_env().model_copy(update={"seed": seed})
    train, holdout = split(reports, settings.holdout_share)
    if len(holdout) < settings.holdout_min:
        train, holdout = list(reports), []
    with tempfile.TemporaryDirectory() as scratch:
        learned = Learner(settings, config, Path(scratch), "benchmark", lambda **_: None).learn(train, holdout)
    mode = best_mode(score_modes(learned.judged, config.labels))
    if mode == "tagger" and learned.tagger:
        return learned.tagger, mode
    return learned.predictor, mode


def spearman(doubts: Sequence[float], errors: Sequence[int]) -> float | None:
    """Rank correlation; None where one side is the same for all reports."""
    return float(spearmanr(doubts, errors).statistic) if len(set(doubts)) > 1 and len(set(errors)) > 1 else None


def auroc(doubts: Sequence[float], wrong: Sequence[bool]) -> float | None:
    """Chance that a wrong report is more uncertain than a right one; None where all are wrong, or right."""
    bad = sum(wrong)
    if bad in (0, len(wrong)):
        return None
    ranks = sum(rank for rank, is_wrong in zip(rankdata(doubts), wrong, strict=True) if is_wrong)
    return float(ranks - bad * (bad + 1) / 2) / (bad * (len(wrong) - bad))


if __name__ == "__main__":
    main()
