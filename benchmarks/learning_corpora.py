"""The corpora of `benchmarks.label_efficiency`: where they are, what is drawn from, what is scored."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from backend.labelstudio.config import LabelConfig, parse_label_config
from trainer.corpus import read
from trainer.dataset import Report

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES = (REPOSITORY / "examples", REPOSITORY / "data", REPOSITORY.parent / "shared" / "data")


@dataclass(frozen=True)
class Files:
    """Files of a corpus: what is drawn from, test files by name of the test set, usual numbers of reports."""

    train: str
    tests: Mapping[str, str]
    sizes: tuple[int, ...] = (50, 200, 1000)


def _public(name: str) -> Files:
    return Files(f"{name}/train.json.gz", {name: f"{name}/test.json.gz"})


CORPORA = {
    "ecg_reports": Files(
        "ecg_reports/gold.json",
        {"ecg_reports": "ecg_reports/test.json", "ecg_real": "ecg_real/real60.json"},
        (10, 25, 50, 100, 250),
    ),
    "resume_ner": _public("resume_ner"),
    "cmedqaner": _public("cmedqaner"),
    "ccks2017_emr": replace(_public("ccks2017_emr"), sizes=(50,)),  # it has 70 reports
    "cluener2020": _public("cluener2020"),
}


@dataclass(frozen=True)
class Corpus:
    """Reports to draw from, and the test sets that were found."""

    config: LabelConfig
    pool: list[Report]
    tests: dict[str, list[Report]]
    sizes: tuple[int, ...]


def load(name: str, data: Path | None) -> Corpus | None:
    """The corpus, or None where its files are not."""
    files = CORPORA[name]
    train = _find(files.train, data)
    if train is None:
        return None
    config = parse_label_config((train.parent / "label_config.xml").read_text("utf-8"))
    tests = {test: path for test, place in files.tests.items() if (path := _find(place, data))}
    return Corpus(
        config,
        list(read(train, config).dataset.reports),
        {test: list(read(path, config).dataset.reports) for test, path in tests.items()},
        files.sizes,
    )


def _find(file: str, data: Path | None) -> Path | None:
    return next((path for place in (*([data] if data else []), *PLACES) if (path := place / file).is_file()), None)


def draw(pool: Sequence[Report], n: int, seed: int) -> list[Report]:
    """`n` reports of the pool, or all; the draws of one seed contain each other."""
    order = list(pool)
    random.Random(seed).shuffle(order)
    return sorted(order[:n], key=lambda report: report.task_id)
