"""What ten, fifty, two hundred annotated reports give: strict F1 on held-out test reports, by number of reports.

    python -m benchmarks.label_efficiency [--corpus NAME ...] [--sizes 10,50,250] [--seeds 3] [--plain] [--json]

For each number n and seed, n reports are drawn from the training file and learned exactly as a round learns them
(holdout or cross-validation, choice of mode); what would serve and each mode are then scored on test reports that took
no part. `--plain` fine-tunes plainly on the same reports beside it: learning rate 2e-5, 10 epochs, no warm-up, best tag
of each token. `--ablation` repeats the learning with one technique changed at a time, network alone.

`ecg_reports` is in this repository. The others are looked for in `--data`, `data` and `../shared/data`; what is not
there is left out. With --json the last line is one JSON object, `{test set: {number of reports: figures}}`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from backend.settings import Settings
from benchmarks.learning_corpora import CORPORA, Corpus, draw, load
from benchmarks.learning_runs import Runs
from benchmarks.learning_scores import figures, mean_seconds, plot, table


def main() -> int:
    """Measure and print; 1 when no corpus was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", nargs="*", default=["ecg_reports"], choices=[*CORPORA, "all"])
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",")], default=None)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", type=Path, default=None, help="folder that holds the folders of the corpora")
    parser.add_argument("--plain", action="store_true", help="plain fine-tuning beside it")
    parser.add_argument("--ablation", action="store_true", help="one technique changed at a time")
    parser.add_argument("--plot", type=Path, help="write the curves to this PNG or SVG file")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    for name in CORPORA if "all" in arguments.corpus else arguments.corpus:
        corpus = load(name, arguments.data)
        if corpus is None:
            sys.stderr.write(f"{name} is not there; give the folder that holds it with --data\n")
            continue
        results |= measure(corpus, arguments.sizes or corpus.sizes, arguments)
    if arguments.plot and results:
        plot(results, arguments.plot)
    sys.stdout.write((json.dumps(results) if arguments.json else table(results)) + "\n")
    return 0 if results else 1


def measure(corpus: Corpus, sizes: list[int], arguments: argparse.Namespace) -> dict[str, Any]:
    """All numbers of reports of one corpus, by test set; where it has fewer than asked for, all it has."""
    results: dict[str, Any] = {test: {} for test in corpus.tests}
    for n in dict.fromkeys(min(n, len(corpus.pool)) for n in sizes):
        runs = [one(corpus, n, seed, arguments) for seed in range(arguments.seeds)]
        for test, reports in corpus.tests.items():
            row = figures(reports, [run["found"][test] for run in runs], corpus.config.labels)
            row |= {"modes": [run["mode"] for run in runs], "seconds": mean_seconds(runs)}
            results[test][str(n)] = row
            sys.stderr.write(table({test: {str(n): row}}) + "\n")
    return results


def one(corpus: Corpus, n: int, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """One draw of reports, learned in all the ways that were asked for."""
    reports = draw(corpus.pool, n, seed)
    with tempfile.TemporaryDirectory() as scratch:
        runs = Runs(Path(scratch) / "model", Settings.from_env().model_copy(update={"seed": seed}))
        run = runs.round(reports, corpus.config, corpus.tests)
        ways = list(runs.ablation(reports, corpus.config, corpus.tests)) if arguments.ablation else []
        if arguments.plain:
            ways.append(("plain", runs.plain(reports, corpus.config, corpus.tests)))
    for way, found in ways:
        for test, spans in found.items():
            run["found"][test][way] = spans
    return run


if __name__ == "__main__":
    sys.exit(main())
