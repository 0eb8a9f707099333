"""Strict span F1 of the rules alone, without any annotation, per label.

    python -m benchmarks.rules [--data FILE.json ...] [--json]

FILE holds Label Studio tasks with annotations in the labels of the shipped configuration. The rules were
developed on `gold.json`: only files whose wording they have not seen, as `test.json`, say how good they are.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from backend.labelstudio.config import parse_label_config
from backend.predictor import RulesPredictor
from trainer.dataset import freeze
from trainer.evaluation import predict_spans, score

REPORTS = Path(__file__).resolve().parents[1] / "examples" / "ecg_reports"


def main() -> int:
    """Score each file; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", type=Path, default=[REPORTS / "test.json"])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    config = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
    predictor = RulesPredictor("rules-1", config.labels)
    results = {}
    for path in arguments.data:
        reports = freeze(json.loads(path.read_text("utf-8")), config).reports
        results[path.name] = score(reports, predict_spans(predictor, reports), config.labels).model_dump()
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
        return 0
    for name, found in results.items():
        cells = "".join(f"{label} {found['by_label'][label]['f1']:.3f}  " for label in config.labels)
        sys.stdout.write(f"{name:<20} {cells}all {found['micro']['f1']:.3f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
