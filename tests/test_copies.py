"""The same report again: which texts are one report, and what a ranking and an annotation say of its copies."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from redis import Redis

from backend.annotated_texts import AnnotatedTexts, Answer
from backend.ner.spans import Span
from backend.ranking.copies import bare_spans, report_key, spans_in
from backend.registry import Registry
from backend.serving import Serving
from backend.settings import Settings

TEXT = "心率72次/分，窦性心律"
XML = '<View><Labels name="l" toName="t"><Label value="HR"/></Labels><Text name="t" value="$text"/></View>'


@pytest.mark.parametrize(
    "copy", ["心率 72 次/分，窦性心律", "心率７２次／分,窦性心律\n", "\ufeff心率72\u200b次/分，\u00a0窦性\u3000心律"]
)
def test_white_space_and_width_make_no_other_report(copy: str) -> None:
    assert report_key(copy) == report_key(TEXT)


@pytest.mark.parametrize("other", ["心率73次/分，窦性心律", "心率72次/分。窦性心律", "心率7²次/分，窦性心律", ""])
def test_another_number_or_sign_is_another_report(other: str) -> None:
    assert report_key(other) != report_key(TEXT)


def test_spans_move_over_the_white_space_of_a_copy() -> None:
    copy = "  心率 ７２\u200b次／分 ，窦性心律"
    (span,) = spans_in(copy, bare_spans(TEXT, [Span(2, 7, "HR")]))
    assert copy[span.start : span.end] == "７２\u200b次／分"


def test_an_answer_that_is_taken_back_leaves_that_of_another_copy(redis: Redis) -> None:
    texts = AnnotatedTexts(redis)
    first, second = Answer.of(1, 11, TEXT, [Span(2, 7, "HR")]), Answer.of(2, 12, f" {TEXT}", [])
    texts.put("1", [first, second])
    assert texts.of("1", [f"{TEXT} "]) == [second]
    texts.forget("1", [2])
    assert texts.of("1", [TEXT, "无"]) == [first, None]
    texts.forget_tasks("1", [11])
    assert texts.of("1", [TEXT]) == [None]


def test_an_annotation_whose_report_was_edited_says_nothing_of_the_text_before(redis: Redis) -> None:
    texts = AnnotatedTexts(redis)
    texts.put("1", [Answer.of(1, 11, TEXT, [Span(2, 7, "HR")])])
    edited = Answer.of(1, 11, f"复查，{TEXT}", [Span(5, 10, "HR")])
    texts.put("1", [edited])
    assert texts.of("1", [TEXT, f"复查，{TEXT}"]) == [None, edited]


def test_a_report_that_was_edited_leaves_its_text_before_to_the_answer_of_a_copy(redis: Redis) -> None:
    texts = AnnotatedTexts(redis)
    first, second = Answer.of(1, 11, TEXT, []), Answer.of(2, 12, TEXT, [Span(2, 7, "HR")])
    texts.put("1", [first, second])
    texts.take_changed("1", 9)
    texts.put("1", [Answer.of(2, 12, "复查", [])])
    assert texts.of("1", [TEXT]) == [first]
    assert sorted(texts.take_changed("1", 9)) == sorted([report_key(TEXT), report_key("复查")])


@pytest.mark.parametrize("told", [None, Answer.of(2, 12, TEXT, [Span(8, 12, "HR")])])
def test_what_was_read_before_a_webhook_does_not_undo_it(redis: Redis, told: Answer | None) -> None:
    texts = AnnotatedTexts(redis)
    first, second = Answer.of(1, 11, TEXT, []), Answer.of(2, 12, TEXT, [Span(2, 7, "HR")])
    texts.put("1", [second])
    before = texts.known("1")
    if told:
        texts.put("1", [told])
    else:
        texts.forget("1", [2])
    texts.renew("1", [first, second], before)
    assert texts.of("1", [TEXT]) == [told or first]
    assert texts.known("1") == ({1: first, 2: told} if told else {1: first})


def test_writers_at_once_lose_nothing_and_bring_nothing_back(redis: Redis) -> None:
    texts, start = AnnotatedTexts(redis), Barrier(4)
    stay, go = Answer.of(1, 11, TEXT, []), [Answer.of(n, n, TEXT, []) for n in (2, 3)]

    def write(change: Callable[[], None]) -> None:
        start.wait()
        change()

    with ThreadPoolExecutor(4) as pool:
        for _ in range(100):
            redis.flushall()
            texts.put("1", go)
            known = texts.known("1")
            changes: list[Callable[[], None]] = [
                partial(texts.put, "1", [stay]),
                partial(texts.forget, "1", [2]),
                partial(texts.forget, "1", [3]),
                partial(texts.renew, "1", go, known),
            ]
            list(pool.map(write, changes))
            assert texts.of("1", [TEXT]) == [stay]
            assert texts.known("1") == {1: stay}


def test_a_copy_of_an_annotated_report_is_prefilled_until_the_annotation_goes(redis: Redis, tmp_path: Path) -> None:
    settings, texts = Settings(ECG_HOME=tmp_path), AnnotatedTexts(redis)
    serving = Serving(settings, Registry(tmp_path), None, texts)
    (plain,) = serving.predict_tasks("1", XML, [{"id": 5, "data": {"text": f" {TEXT}"}}])
    texts.put("1", [Answer.of(1, 12, TEXT, [Span(8, 12, "HR")])])
    (filled,) = serving.predict_tasks("1", XML, [{"id": 5, "data": {"text": f" {TEXT}"}}])
    assert [region["value"]["text"] for region in filled["result"]] == ["窦性心律"]
    assert filled["score"] == pytest.approx(1.0, abs=1e-6)
    texts.forget("1", [1])
    assert serving.predict_tasks("1", XML, [{"id": 5, "data": {"text": f" {TEXT}"}}]) == [plain]
