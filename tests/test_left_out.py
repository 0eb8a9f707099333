"""What a round did not use is summed up by reason, in sentences, and outlives a round that publishes nothing."""

from __future__ import annotations

from pathlib import Path

from backend import left_out
from backend.left_out import LeftOut, Reading
from backend.model_card import DatasetSummary, RejectedAnnotation
from backend.registry import Registry
from cli import tables
from tests.cards import card

REJECTS = [
    RejectedAnnotation(task=261, reason="region a: its label 'EDU' is not in the labelling configuration", regions=1),
    RejectedAnnotation(task=261, reason="region b: its label 'EDU' is not in the labelling configuration", regions=1),
    RejectedAnnotation(task=7, reason="region c: its offsets 5..99 do not fit a text of 9 characters", regions=1),
    RejectedAnnotation(task=8, reason="another annotation of the task was taken", annotations=1, regions=3),
    RejectedAnnotation(task=9, reason=left_out.NOT_SUBMITTED),
]


def test_rejects_are_summed_up_by_reason_in_sentences() -> None:
    told = left_out.to_json(REJECTS)
    assert [row["sentence"] for row in told["reasons"]] == [
        "1 annotation with 3 regions of task 8 was not used: another annotation of the task was taken",
        "2 regions of task 261 were not used: their label 'EDU' is not in the labelling configuration",
        "1 region of task 7 was not used: its offsets do not fit the text",
    ]
    assert (told["regions"], told["annotations"], told["not_submitted"]) == (6, 1, 1)


def test_a_sentence_names_a_few_tasks_and_counts_the_others() -> None:
    several = LeftOut(reason="overlaps another region", regions=9, tasks=list(range(1, 9)))
    assert several.sentence == "9 regions of tasks 1, 2, 3, 4, 5 and 3 more were not used: they overlap another region"
    empty = LeftOut(reason="it has no list of regions", annotations=1, tasks=[4])
    assert empty.sentence == "1 annotation of task 4 was not used: it has no list of regions"


def test_copies_that_were_annotated_differently_are_one_line() -> None:
    said = [(9, "same text as task 3, annotated differently"), (12, "same text as task 4, annotated differently")]
    told = left_out.summary(RejectedAnnotation(task=task, reason=reason, annotations=1) for task, reason in said)
    assert [row.sentence for row in told] == [
        "2 annotations of tasks 9, 12 were not used: same text as another task, annotated differently"
    ]


def test_the_newest_round_is_told_also_when_it_published_nothing(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    assert left_out.newest(registry, "1") == Reading()
    dataset = DatasetSummary(
        hash="", reports=1, spans=0, tasks=[1], annotations=[1], holdout_tasks=[], rejects=REJECTS[:1]
    )
    registry.publish(card(dataset=dataset), registry.new_folder("1"))
    assert left_out.newest(registry, "1") == Reading(round=1, rejects=REJECTS[:1])
    left_out.save(registry, "1", Reading(round=2, rejects=REJECTS[2:3]))
    assert left_out.newest(registry, "1") == Reading(round=2, rejects=REJECTS[2:3])
    left_out.save(registry, "1", Reading(round=3))
    assert left_out.newest(registry, "1").rejects == []


def test_a_damaged_record_counts_as_none(tmp_path: Path) -> None:
    registry = Registry(tmp_path)
    left_out.save(registry, "1", Reading(round=2, rejects=REJECTS))
    (registry.folder("1") / left_out.FILE).write_text("{")
    assert left_out.newest(registry, "1") == Reading()


def test_an_older_card_counts_a_region_for_each_reject_of_one() -> None:
    old = RejectedAnnotation.model_validate({"task": 3, "reason": "region x: it has no label"})
    assert left_out.to_json([old])["regions"] == 1
    assert left_out.to_json([RejectedAnnotation(task=3, reason=left_out.NOT_SUBMITTED)])["reasons"] == []


def test_the_status_has_a_line_for_each_reason_with_links_below() -> None:
    told = {"round": 3, **left_out.to_json(REJECTS[:2] + REJECTS[4:])}
    told["reasons"][0]["urls"] = [f"http://ls.example/{number}" for number in range(7)]
    assert tables.left_out(told) == [
        "not used  2 regions of task 261 were not used: their label 'EDU' is not in the labelling configuration",
        *(f"          http://ls.example/{number}" for number in range(5)),
        "          and 2 more with --json",
        "skipped   1 task (or drafts only)",
    ]
