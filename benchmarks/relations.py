"""How often the structured report relates things as a reader does, on examples/ecg_reports/relations.json.

    python -m benchmarks.relations [--json] [--wrong]

Relations: the kind of a heart rate, its clock time, the count of an event, the certainty of an event, a diagnosis
or a denied finding. Read twice: from the gold spans, and from the spans of the rules (there a missing span is wrong
in every relation that it takes part in). `by_report` is the mean over the reports that have the relation, so that
one long table does not decide. `false_exclusions` counts what is called excluded and is not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from backend.labelstudio.config import parse_label_config
from backend.ner.spans import Span
from backend.parsing import StructuredReport, parse
from backend.parsing.report import Item
from backend.predictor import RulesPredictor
from trainer.dataset import freeze

REPORTS = Path(__file__).resolve().parents[1] / "examples" / "ecg_reports"
ItemType = TypeVar("ItemType", bound=Item)
RELATIONS = ("heart_rate_kind", "heart_rate_time", "event_count", "certainty")


class Verdict(NamedTuple):
    """One annotated relation: what was expected, and what the parser said (None: it found no such item)."""

    report_id: str
    relation: str
    text: str
    expected: object
    said: object

    @property
    def right(self) -> bool:
        """Whether the parser agrees."""
        return bool(self.expected == self.said)


@dataclass(frozen=True)
class Annotated:
    """An annotated report with its text and gold spans."""

    relations: dict[str, Any]
    text: str
    spans: tuple[Span, ...]


MISSING = "(missing)"


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--wrong", action="store_true", help="list what is wrong")
    arguments = parser.parse_args()
    verdicts = {source: judge_all(source) for source in ("gold", "rules")}
    if arguments.wrong:
        for source, found in verdicts.items():
            for part, verdict in found:
                if not verdict.right:
                    sys.stdout.write(f"{source} {part} {' '.join(map(str, verdict))}\n")
    results = {source: summary(found) for source, found in verdicts.items()}
    sys.stdout.write(json.dumps(results) + "\n" if arguments.json else table(results))
    return 0


def judge_all(source: str) -> list[tuple[str, Verdict]]:
    """(part of the data, verdict) for every annotated relation, read from the spans of `source`: gold or rules."""
    return [
        (part, verdict)
        for part, annotated in load()
        for verdict in judge(annotated.relations, structured(annotated, source))
    ]


def load() -> Iterator[tuple[str, Annotated]]:
    """The annotated reports with their part: development, held_out or doubt."""
    config = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
    tasks = json.loads((REPORTS / "gold.json").read_text("utf-8"))
    ids = {task["id"]: task["data"]["report_id"] for task in tasks}
    reports = {ids[report.task_id]: report for report in freeze(tasks, config).reports}
    stored = json.loads((REPORTS / "relations.json").read_text("utf-8"))
    for entry in (*stored["reports"], *stored["doubt"]):
        report = reports[entry["report_id"]]
        yield entry.get("split", "doubt"), Annotated(entry, report.text, report.spans)


def structured(annotated: Annotated, source: str) -> StructuredReport:
    """The structured report from the gold spans or from those of the rules."""
    if source == "gold":
        return parse(annotated.text, annotated.spans, "gold")
    labels = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8")).labels
    prediction = RulesPredictor("rules", labels).predict([annotated.text])[0]
    return parse(annotated.text, prediction.spans, prediction.version)


def judge(relations: dict[str, Any], report: StructuredReport) -> Iterator[Verdict]:
    """Compare one structured report with its annotation."""
    findings = [*report.events, *report.diagnoses]

    def verdict(relation: str, entry: dict[str, Any], expected: object, said: object) -> Verdict:
        return Verdict(relations["report_id"], relation, entry["text"], expected, said)

    for entry in relations.get("heart_rates", ()):
        rate, is_none = _match(report.heart_rates, entry), entry["kind"] is None
        yield verdict("heart_rate_kind", entry, MISSING if is_none else entry["kind"], rate.kind if rate else MISSING)
        said = (rate.time.text if rate.time else None) if rate else MISSING
        yield verdict("heart_rate_time", entry, MISSING if is_none else entry["time"], said)
    for entry in relations["events"]:
        if "count" in entry:
            event = _match(report.events, entry)
            yield verdict("event_count", entry, entry["count"], event.count if event else MISSING)
    for entry in (*relations["events"], *relations["diagnoses"]):
        finding = _match(findings, entry)
        yield verdict("certainty", entry, entry["certainty"], finding.certainty if finding else MISSING)
    for entry in relations["excluded"]:
        finding = _match(findings, entry)
        yield verdict("certainty", entry, "excluded", finding.certainty if finding else MISSING)
    yield from _false_exclusions(relations, report)


def _false_exclusions(relations: dict[str, Any], report: StructuredReport) -> Iterator[Verdict]:
    """What the parser excludes although no annotation touches it."""
    known = [entry for key in ("events", "diagnoses", "excluded") for entry in relations[key]]
    for finding in (*report.events, *report.diagnoses):
        if finding.certainty == "excluded" and not any(_touches(finding, entry) for entry in known):
            yield Verdict(relations["report_id"], "certainty", finding.text, None, "excluded")


def _match(items: Sequence[ItemType], entry: dict[str, Any]) -> ItemType | None:
    """The item that begins where the entry does, else the first that touches it."""
    same = (item for item in items if item.start == entry["start"])
    return next(same, next((item for item in items if _touches(item, entry)), None))


def _touches(item: Item, entry: dict[str, Any]) -> bool:
    return bool(item.start < entry["start"] + len(entry["text"]) and entry["start"] < item.end)


def summary(verdicts: Sequence[tuple[str, Verdict]]) -> dict[str, Any]:
    """Accuracy per part and relation; `all` are the 40 reports, `doubt` stands apart."""
    parts = {part: [v for p, v in verdicts if p == part] for part in ("development", "held_out", "doubt")}
    parts["all"] = [*parts["development"], *parts["held_out"]]
    return {part: _accuracies(found) for part, found in parts.items()}


def _accuracies(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    accuracies: dict[str, Any] = {
        relation: _accuracy([v for v in verdicts if v.relation == relation]) for relation in RELATIONS
    }
    certainties = [v for v in verdicts if v.relation == "certainty"]
    for kind in ("stated", "possible", "excluded"):
        accuracies[kind] = _accuracy([v for v in certainties if v.expected == kind])
    accuracies["false_exclusions"] = sum(v.said == "excluded" != v.expected for v in certainties)
    return accuracies


def _accuracy(verdicts: Sequence[Verdict]) -> dict[str, float | int | None]:
    by_report: dict[str, list[bool]] = {}
    for verdict in verdicts:
        by_report.setdefault(verdict.report_id, []).append(verdict.right)
    right = sum(verdict.right for verdict in verdicts)
    shares = [sum(found) / len(found) for found in by_report.values()]
    return {
        "right": right,
        "of": len(verdicts),
        "accuracy": round(right / len(verdicts), 4) if verdicts else None,
        "by_report": round(sum(shares) / len(shares), 4) if shares else None,
    }


def table(results: dict[str, Any]) -> str:
    """The results for people."""
    lines = []
    for source, parts in results.items():
        for part, found in parts.items():
            lines.append(f"{source} spans, {part}; false exclusions {found['false_exclusions']}")
            for name, cell in found.items():
                if isinstance(cell, dict) and cell["of"]:
                    share = f"{cell['accuracy']:.3f}  by report {cell['by_report']:.3f}"
                    lines.append(f"  {name:<16} {cell['right']:>4}/{cell['of']:<4} {share}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
