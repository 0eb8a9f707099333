"""Strict span F1 per label of the rules without any annotation, and of rules, network and merge after some.

    python -m benchmarks.rules [--reports 50] [--seed 0] [--data FILE.json ...] [--json]

`rules alone` has seen no label. The other rows come from one learning of so many reports of the example pool, as a
round does it: `rules` with span memory, `model`, `merged`, and `serving`, what the round would let serve. `--reports 0`
leaves them out. Scored are `test.json` and, where it is found, the second ECG test set (see
benchmarks.label_efficiency), or
the given files of Label Studio tasks. The rules were developed on the pool: only wording they have not seen says how
good they are. With --json the last line is one JSON object, `{test set: {row: scores}}`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from backend.predictor import RulesPredictor
from backend.registry import RULES_VERSION
from backend.settings import Settings
from benchmarks.learning_corpora import Corpus, draw, load
from benchmarks.learning_runs import Runs
from trainer.corpus import read
from trainer.dataset import Report
from trainer.evaluation import predict_spans, score


def main() -> int:
    """Score each test set; 1 when the example pool is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reports", type=int, default=50, help="annotated reports to learn from; 0: none")
    parser.add_argument("--seed", type=int, default=0, help="which reports")
    parser.add_argument("--data", nargs="*", type=Path, default=[], help="files to score instead of the test sets")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    corpus = load("ecg_reports", None)
    if corpus is None:
        sys.stderr.write("examples/ecg_reports is not there\n")
        return 1
    given = {path.name: list(read(path, corpus.config).dataset.reports) for path in arguments.data}
    results = measure(corpus, given or corpus.tests, arguments.reports, arguments.seed)
    sys.stdout.write((json.dumps(results) if arguments.json else table(results, corpus.config.labels)) + "\n")
    return 0


def measure(corpus: Corpus, tests: dict[str, list[Report]], n: int, seed: int) -> dict[str, Any]:
    """Scores by test set and row."""
    labels = corpus.config.labels
    bare = RulesPredictor(RULES_VERSION, labels)
    found = {name: {"rules alone": predict_spans(bare, reports)} for name, reports in tests.items()}
    if n:
        with tempfile.TemporaryDirectory() as scratch:
            runs = Runs(Path(scratch) / "model", Settings.from_env().model_copy(update={"seed": seed}))
            run = runs.round(draw(corpus.pool, n, seed), corpus.config, tests)
        for name, rows in run["found"].items():
            found[name] |= rows
    return {
        name: {row: score(tests[name], spans, labels).model_dump() for row, spans in rows.items()}
        for name, rows in found.items()
    }


def table(results: dict[str, Any], labels: tuple[str, ...]) -> str:
    """One line a row."""
    lines = []
    for name, rows in results.items():
        for row, found in rows.items():
            cells = "".join(f"{label} {found['by_label'][label]['f1']:.3f}  " for label in labels)
            lines.append(f"{name:<14} {row:<12} {cells}all {found['micro']['f1']:.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
