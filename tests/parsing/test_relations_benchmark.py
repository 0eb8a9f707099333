import json
import subprocess
import sys

import pytest

from backend.parsing import parse
from benchmarks.relations import MISSING, REPORTS, judge, judge_all, load, summary

DEMANDED = {"heart_rate_kind": 0.95, "event_count": 0.90, "certainty": 0.90}


@pytest.fixture(scope="module")
def results():
    return {source: summary(judge_all(source)) for source in ("gold", "rules")}


@pytest.mark.parametrize("source", ["gold", "rules"])
@pytest.mark.parametrize("part", ["development", "held_out", "all"])
@pytest.mark.parametrize(("relation", "least"), DEMANDED.items())
def test_relations_are_as_accurate_as_demanded(results, source, part, relation, least):
    found = results[source][part][relation]
    assert found["accuracy"] >= least
    assert found["by_report"] >= least


@pytest.mark.parametrize("source", ["gold", "rules"])
def test_doubt_and_denial_are_told_from_statements(results, source):
    for part, kind in (("doubt", "possible"), ("doubt", "stated"), ("all", "excluded"), ("all", "stated")):
        assert results[source][part][kind]["accuracy"] >= 0.90, kind
    assert all(results[source][part]["false_exclusions"] == 0 for part in ("all", "doubt"))


def test_the_annotation_covers_all_gold_spans_of_forty_reports():
    parts = [(part, annotated) for part, annotated in load() if part != "doubt"]
    assert sorted(part for part, _ in parts) == ["development"] * 20 + ["held_out"] * 20
    for _, annotated in parts:
        for key, label in (("heart_rates", "HR"), ("events", "EVENT"), ("diagnoses", "DIAG")):
            entries = [(entry["start"], entry["text"]) for entry in annotated.relations[key]]
            spans = [span for span in annotated.spans if span.label == label]
            assert entries == [(span.start, annotated.text[span.start : span.end]) for span in spans]
        for entry in annotated.relations["excluded"]:
            assert annotated.text.startswith(entry["text"], entry["start"])


def test_the_reports_are_from_the_pool_and_none_from_the_test_set():
    def ids(name: str) -> set[str]:
        return {task["data"]["report_id"] for task in json.loads((REPORTS / name).read_text("utf-8"))}

    named = {annotated.relations["report_id"] for _, annotated in load()}
    assert named <= ids("gold.json")
    assert not named & ids("test.json")


def test_a_missing_span_and_a_wrong_relation_count_as_wrong():
    annotated = next(a for _, a in load() if a.relations["report_id"] == "ECG-0012")
    nothing = list(judge(annotated.relations, parse(annotated.text, [], "none")))
    assert {v.said for v in nothing if v.relation == "heart_rate_kind"} == {MISSING}
    swapped = json.loads(json.dumps(annotated.relations))
    swapped["heart_rates"][0]["kind"] = "slowest"
    swapped["events"][0]["count"] = 7
    verdicts = list(judge(swapped, parse(annotated.text, annotated.spans, "gold")))
    assert [(v.relation, v.expected, v.said) for v in verdicts if not v.right] == [
        ("heart_rate_kind", "slowest", "mean"),
        ("event_count", 7, 101),
    ]


def test_the_last_line_of_the_command_is_one_json_object():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.relations", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=REPORTS.parents[1],
    )
    found = json.loads(run.stdout.splitlines()[-1])
    assert set(found) == {"gold", "rules"}
    assert set(found["gold"]) == {"development", "held_out", "doubt", "all"}
