"""A project with rounds, errors and a queue, a backend process that serves it, and a console process."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import httpx
from pydantic import SecretStr
from redis import Redis

from backend.model_card import DatasetSummary, Decision, Evaluation, LabelScore, Mode, ModelCard, Score, TrainingSummary
from backend.ner.spans import Span
from backend.ranking_index import RankedTask, RankingIndex, preview
from backend.records import Connection
from backend.registry import RULES_VERSION, Registry
from backend.rules import EMPTY_MEMORY
from tests.networks import write_network
from trainer.corpus import read
from trainer.dataset import Report
from trainer.error_analysis import analyse, write_analysis
from trainer.evaluation import score

ROOT = Path(__file__).resolve().parents[2]
POOL = ROOT / "examples" / "ecg_reports" / "gold.json"
LABEL_CONFIG = (ROOT / "examples" / "ecg_reports" / "label_config.xml").read_text("utf-8")
LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
LABEL_STUDIO = "http://label-studio.example:8080"
CURVE = ((12, 0.62, 0.71), (25, 0.78, 0.80), (40, 0.86, 0.87), (60, 0.85, 0.86), (90, 0.91, 0.92))
"""Reports, F1 of the network and of rules + network; made up."""
SERVING = "ecg-r0005-00000005"
REJECTED = "ecg-r0004-00000004"
OLDER = "ecg-r0003-00000003"


def slips(report: Report, dice: random.Random) -> list[Span]:
    """What a middling predictor finds: some spans are missed, cut, taken for another label, or invented."""
    found = []
    for span in report.spans:
        fate = dice.random()
        if fate < 0.04:
            continue
        if fate < 0.08 and span.end - span.start > 2:
            span = replace(span, end=span.end - 1)
        elif fate < 0.11:
            span = replace(span, label=dice.choice([label for label in LABELS if label != span.label]))
        found.append(replace(span, score=0.8, source="model"))
    free = len(report.text)
    if dice.random() < 0.3 and free > 4 and all(span.end <= free - 3 for span in report.spans):
        found.append(Span(free - 3, free - 1, "DIAG", 0.6, "model"))
    return found


def doubtful(reports: Sequence[Report]) -> list[Report]:
    """The reports, in one of which a diagnosis that the others annotate was forgotten."""
    name = "窦性心律"
    (first, *_) = (r for r in reports if any(r.text[s.start : s.end] == name for s in r.spans))
    spans = tuple(span for span in first.spans if first.text[span.start : span.end] != name)
    return [replace(first, spans=spans) if report is first else report for report in reports]


def card(number: int, scores: Mapping[str, LabelScore], project: str = "1") -> ModelCard:
    """The card of one round; the last but one was not promoted."""
    reports, model, merged = CURVE[number - 1]
    modes: dict[Mode, float] = {"rules": 0.66, "model": model, "merged": merged}
    before = f"ecg-r{number - 1:04d}-0000000{number - 1}" if number > 1 else RULES_VERSION
    gain = merged - (CURVE[number - 2][2] if number > 1 else 0.66)
    return ModelCard(
        version=f"ecg-r{number:04d}-0000000{number}",
        project=project,
        round=number,
        created=f"2026-11-24T10:{10 + 7 * number:02d}:00Z",
        mode="merged",
        labels=list(LABELS),
        base_model="built-in",
        seed=13,
        dataset=DatasetSummary(hash="h", reports=reports, spans=9, tasks=[], annotations=[], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(
            method="holdout" if reports > 50 else "cross-validation",
            modes={
                mode: Score(micro=LabelScore(precision=f1, recall=f1, f1=f1, support=200), by_label=dict(scores))
                for mode, f1 in modes.items()
            },
            interval=(round(modes["merged"] - 0.04, 3), round(modes["merged"] + 0.03, 3)),
        ),
        decision=Decision(
            promote=number != 4,
            reason=f"Promoted (network and rules merged): it is better, F1 {merged:.3f} on 18 reports, held out."
            if number != 4
            else f"Kept {before}: the candidate is worse, F1 {merged:.3f} on 15 reports, held out.",
            reports=18 if number != 4 else 15,
            serving=before,
            state="better" if number != 4 else "worse",
            difference=round(gain, 3),
            interval=(round(gain - 0.03, 3), round(gain + 0.025, 3)),
        ),
    )


def seed(home: Path, redis: Redis, project: str = "1") -> Registry:
    """Five rounds, of which the fifth serves with its error analysis, and a queue of 60 reports."""
    registry = Registry(home)
    registry.remember_label_config(project, LABEL_CONFIG)
    registry.save_connection(project, Connection(url=LABEL_STUDIO, token=SecretStr("t")))
    reports = read(POOL).dataset.reports
    dice = random.Random(13)
    judged = reports[:40]
    found = {report.task_id: slips(report, dice) for report in judged}
    scores = score(judged, found, LABELS).by_label
    for number in range(1, len(CURVE) + 1):
        folder = registry.new_folder(project)
        (folder / "memory.json").write_text(EMPTY_MEMORY.to_json())
        if number == len(CURVE):
            write_analysis(folder, analyse(judged, found, LABELS, version=SERVING, annotated=doubtful(reports[:120])))
        registry.publish(card(number, scores, project), folder)
    registry.promote(project, SERVING)
    registry.aim(project, SERVING)
    RankingIndex(redis).add(project, SERVING, queue(reports[100:160], dice))
    return registry


def seed_network(home: Path, redis: Redis, project: str = "1") -> None:
    """A network of random weights serves, with a queue of 20 reports."""
    registry = Registry(home)
    registry.remember_label_config(project, LABEL_CONFIG)
    reports = read(POOL).dataset.reports[:20]
    folder = registry.new_folder(project)
    write_network(folder, LABELS, "".join(sorted({char for report in reports for char in report.text})))
    (folder / "memory.json").write_text(EMPTY_MEMORY.to_json())
    trained = card(1, {}, project).model_copy(update={"mode": "model", "training": TrainingSummary(steps=1)})
    registry.publish(trained, folder)
    registry.promote(project, trained.version)
    RankingIndex(redis).add(project, trained.version, queue(reports, random.Random(13)))


def queue(reports: Sequence[Report], dice: random.Random) -> list[RankedTask]:
    reasons = ("token entropy", "token entropy", "same text as task 12", "control share: a random place")
    rows = []
    for place, report in enumerate(reports):
        doubt = 0.62 - 0.009 * place
        rows.append(RankedTask(report.task_id, doubt, doubt, dice.choice(reasons), preview(report.text)))
    return rows


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """A program that answers HTTP, ready when the path given does; its output is kept in a file."""

    def __init__(self, command: Sequence[str], log: Path, ready: str, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECG_", "LABEL_STUDIO_"))}
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=ROOT, env={**kept, **environment}, stdout=output, stderr=output
            )
        while not self._answers(ready):
            assert self.process.poll() is None, log.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()

    @staticmethod
    def _answers(url: str) -> bool:
        try:
            return httpx.get(url, trust_env=False, timeout=1).status_code < 500
        except httpx.HTTPError:
            return False


def backend(log: Path, port: int, **environment: str) -> Process:
    """The web process, as `ecgal up` starts it."""
    given = {"ECG_PORT": str(port), **environment}
    return Process(
        ["gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "_wsgi:app"], log, f"http://127.0.0.1:{port}/", **given
    )


def console(log: Path, port: int, **environment: str) -> Process:
    """The console, as `ecgal up` starts it."""
    given = {"ECG_CONSOLE_PORT": str(port), **environment}
    return Process(["console"], log, f"http://127.0.0.1:{port}/_stcore/health", **given)
