from typing import Any

import pytest

from backend.labelstudio.config import parse_label_config
from backend.ner.spans import Span
from backend.ranking.control import is_holdout
from backend.ranking.copies import report_key
from trainer.dataset import freeze, split, take

CONFIG = parse_label_config(
    '<View><Labels name="label" toName="text"><Label value="心率" alias="HR"/><Label value="TIME"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
TEXT = "心率72次/分"


def region(start: int, end: int, label: str = "HR", text: str = TEXT) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": text[start:end], "labels": [label]}
    return {"id": f"r{start}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def annotation(number: int, *regions: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "id": number,
        "result": list(regions),
        "was_cancelled": False,
        "updated_at": f"2026-01-{number:02d}",
        **fields,
    }


def task(number: int, *annotations: dict[str, Any], data: Any = None) -> dict[str, Any]:
    return {"id": number, "data": {"text": TEXT} if data is None else data, "annotations": list(annotations)}


def test_kept_and_rejected_are_all() -> None:
    tasks = [
        task(3, annotation(1, region(2, 7))),
        task(1, annotation(2, was_cancelled=True)),
        task(2, annotation(3), data={"other": "x"}),
        task(4),
    ]
    dataset = freeze(tasks, CONFIG)
    assert [r.task_id for r in dataset.reports] == [3]
    assert {r.task_id: r.reason for r in dataset.rejects} == {
        1: "skipped or draft",
        2: "no usable text under data.text",
        4: "skipped or draft",
    }


def test_an_empty_submission_is_an_example_without_spans() -> None:
    dataset = freeze([task(1, annotation(1))], CONFIG)
    assert dataset.reports[0].spans == ()


def test_the_ground_truth_wins_then_the_last_update() -> None:
    old, new = annotation(1, region(2, 4)), annotation(2, region(2, 7))
    assert freeze([task(1, old, new)], CONFIG).reports[0].annotation_id == 2
    truth = annotation(1, region(2, 4), ground_truth=True)
    assert freeze([task(1, truth, new)], CONFIG).reports[0].annotation_id == 1


def test_a_region_that_does_not_fit_is_rejected_alone() -> None:
    dataset = freeze([task(1, annotation(1, region(2, 7), region(0, 2, "GONE"), region(0, 99)))], CONFIG)
    assert dataset.reports[0].spans == (Span(2, 7, "HR"),)
    assert len(dataset.rejects) == 2
    assert not any(TEXT in reject.reason for reject in dataset.rejects)


def test_overlapping_spans_are_resolved_and_counted() -> None:
    dataset = freeze([task(1, annotation(1, region(2, 7), region(2, 4, "TIME")))], CONFIG)
    assert dataset.reports[0].spans == (Span(2, 7, "HR"),)
    assert len(dataset.rejects) == 1


def test_the_hash_changes_with_what_is_learnt_and_with_nothing_else() -> None:
    base = freeze([task(1, annotation(1, region(2, 7))), task(2, annotation(2))], CONFIG).hash
    swapped = freeze([task(2, annotation(9)), task(1, annotation(8, region(2, 7)))], CONFIG).hash
    assert base == swapped
    assert base != freeze([task(1, annotation(1, region(2, 4))), task(2, annotation(2))], CONFIG).hash
    assert base != freeze([task(1, annotation(1, region(2, 7)))], CONFIG).hash


def test_the_split_follows_the_texts() -> None:
    texts = {i: f"心率{i}次/分" for i in range(50, 100)}
    reports = freeze([task(i, annotation(i), data={"text": text}) for i, text in texts.items()], CONFIG).reports
    train, holdout = split(reports, 0.2)
    assert len(train) + len(holdout) == 50
    assert 0 < len(holdout) < len(train)
    assert [is_holdout(report_key(report.text), 0.2) for report in reports] == [report in holdout for report in reports]


def test_regions_that_are_the_same_without_their_blank_edges_are_one_and_nobody_is_warned() -> None:
    text = "心率  72次/分 。"
    wide, bare = region(3, 10, text=text), region(4, 9, text=text)
    dataset = freeze([task(1, annotation(1, wide, bare, bare), data={"text": text})], CONFIG)
    assert dataset.reports[0].spans == (Span(4, 9, "HR"),)
    assert dataset.rejects == ()


def test_annotators_who_differ_in_blank_edges_only_agree() -> None:
    text = "心率  72次/分 。"
    marked = [annotation(n, region(start, end, text=text), completed_by=n) for n, start, end in ((1, 3, 10), (2, 4, 9))]
    taken = take(task(1, *marked, data={"text": text}), CONFIG, "majority")
    assert taken.report is not None
    assert taken.report.spans == (Span(4, 9, "HR"),)
    assert (taken.spans, taken.rejects) == (2, ())


def test_a_report_is_not_learned_as_empty_when_no_region_can_be_placed() -> None:
    dataset = freeze([task(5, annotation(1, region(0, 99)))], CONFIG)
    assert dataset.reports == ()
    assert [(r.annotations, r.spans, r.reason) for r in dataset.rejects] == [
        (0, 1, f"region r0: its offsets 0..99 do not fit a text of {len(TEXT)} characters"),
        (1, 0, "none of its regions can be placed in the report"),
    ]


def test_a_region_may_have_any_id() -> None:
    """Its place in the report is not known, whatever its id looks like: the report is not one without entities."""
    dataset = freeze([task(5, annotation(1, {**region(0, 99), "id": "rule 7: rate"}))], CONFIG)
    assert dataset.reports == ()


@pytest.mark.parametrize("kind", ["hypertextlabels", "paragraphlabels"])
def test_spans_of_another_kind_of_text_are_told_and_do_not_make_the_report_empty(kind: str) -> None:
    value = {"start": "0", "end": "0", "startOffset": 2, "endOffset": 4, "text": "72", kind: ["HR", "TIME"]}
    other = {"id": "a", "from_name": "label", "to_name": "text", "type": kind, "value": value}
    said = f"region a: its type is {kind}, not labels"
    beside = freeze([task(5, annotation(1, other, region(2, 7)))], CONFIG)
    assert beside.reports[0].spans == (Span(2, 7, "HR"),)
    assert [(r.spans, r.reason) for r in beside.rejects] == [(2, said)]
    alone = freeze([task(5, annotation(1, other))], CONFIG)
    assert alone.reports == ()
    assert [r.reason for r in alone.rejects] == [said, "none of its regions can be placed in the report"]


def test_spans_of_a_second_control_are_told_and_leave_the_report_as_it_is() -> None:
    value = {"start": "/p[1]/text()[1]", "startOffset": 2, "endOffset": 4, "hypertextlabels": ["HR"]}
    other = {"id": "a", "from_name": "html", "to_name": "page", "type": "hypertextlabels", "value": value}
    dataset = freeze([task(5, annotation(1, other))], CONFIG)
    assert dataset.reports[0].spans == ()
    assert [r.reason for r in dataset.rejects] == ["region a: it belongs to another control than label on text"]


def test_a_label_that_is_gone_leaves_a_report_without_it() -> None:
    assert freeze([task(5, annotation(1, region(0, 2, "GONE")))], CONFIG).reports[0].spans == ()


def test_another_annotation_with_work_in_it_is_told_a_skipped_one_is_not() -> None:
    skipped = annotation(3, region(2, 4), was_cancelled=True)
    dataset = freeze([task(1, annotation(1, region(2, 4)), annotation(2, region(2, 7)), skipped)], CONFIG)
    assert [(r.annotation_id, r.annotations, r.spans, r.reason) for r in dataset.rejects] == [
        (1, 1, 1, "another annotation of the task was taken")
    ]
