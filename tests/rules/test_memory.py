"""What annotators labelled comes back as proposals, with their label and without their exceptions."""

import pytest

from backend.ner.spans import Span
from backend.rules import EMPTY_MEMORY, SpanMemory, propose

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")


def memory_of(unmark, *reports):
    return SpanMemory.from_reports([unmark(marked) for marked in reports])


def proposals(text, memory, labels=LABELS):
    return [(text[s.start : s.end], s.label, s.source) for s in propose(text, labels, memory)]


def test_a_labelled_string_is_proposed_elsewhere(unmark):
    memory = memory_of(unmark, "可见[怪异搏动|EVENT]")
    assert proposals("又见怪异搏动一次", memory) == [("怪异搏动", "EVENT", "memory")]


def test_an_empty_memory_proposes_nothing():
    assert propose("又见怪异搏动", LABELS, EMPTY_MEMORY) == []


def test_other_label_sets_get_memory_only():
    memory = SpanMemory.from_reports([("张三任总经理", [Span(0, 2, "NAME"), Span(3, 6, "TITLE")])])
    text = "总经理张三，心率72次/分"
    assert proposals(text, memory, ("NAME", "TITLE")) == [("总经理", "TITLE", "memory"), ("张三", "NAME", "memory")]


def test_a_label_that_is_gone_is_not_proposed(unmark):
    assert proposals("怪异搏动", memory_of(unmark, "[怪异搏动|EVENT]"), ("DIAG",)) == []


def test_what_annotators_mostly_leave_out_is_not_proposed(unmark):
    memory = memory_of(unmark, "[怪异搏动|EVENT]，怪异搏动，怪异搏动")
    assert proposals("怪异搏动", memory) == []


def test_occurrences_inside_a_longer_labelled_span_count_neither_way(unmark):
    memory = memory_of(unmark, "[怪异搏动|EVENT]，[多见怪异搏动|EVENT]，[多见怪异搏动|EVENT]")
    assert memory.unlabelled == {}


def test_negated_occurrences_do_not_count_against_a_finding(unmark):
    memory = memory_of(unmark, "[怪异搏动|EVENT]", "未见怪异搏动", "无怪异搏动")
    assert proposals("怪异搏动", memory) == [("怪异搏动", "EVENT", "memory")]


def test_negation_silences_remembered_findings(unmark):
    assert proposals("未见怪异搏动", memory_of(unmark, "[怪异搏动|EVENT]")) == []


def test_negation_does_not_touch_other_labels():
    memory = SpanMemory.from_reports([("张三", [Span(0, 2, "NAME")])])
    assert proposals("无张三", memory, ("NAME",)) == [("张三", "NAME", "memory")]


def test_memory_beats_the_lexicon_on_the_same_range(unmark):
    assert proposals("可见房速", memory_of(unmark, "[房速|DIAG]")) == [("房速", "DIAG", "memory")]


def test_the_longest_span_wins_otherwise(unmark):
    text = "频发室性早搏"
    assert [said for said, _, _ in proposals(text, memory_of(unmark, "[早搏|DIAG]"))] == ["频发室性早搏"]
    assert [said for said, _, _ in proposals("甲频发室性早搏乙", memory_of(unmark, "[甲频发室性早搏乙|DIAG]"))] == [
        "甲频发室性早搏乙"
    ]


def test_context_beats_memory(unmark):
    memory = memory_of(unmark, "[ST段下移|DIAG]")
    assert proposals("平板运动试验：运动中ST段下移", memory) == [("ST段下移", "EVENT", "lexicon:context")]


def test_memory_does_not_override_the_conditions_of_the_lexicon_until_proven(unmark):
    text = "最慢心室率55次/分"
    once = memory_of(unmark, "[慢心室率|DIAG]")
    often = memory_of(unmark, *["[慢心室率|DIAG]"] * 20)
    assert ("慢心室率", "DIAG", "memory") not in proposals(text, once)
    assert ("慢心室率", "DIAG", "memory") in proposals(text, often)


def test_numbers_are_not_remembered(unmark):
    assert proposals("24小时动态心电图", memory_of(unmark, "[24小时|TIME]平均心率")) == []


def test_single_characters_and_bare_numbers_are_not_remembered():
    memory = SpanMemory.from_reports([("早12、3", [Span(0, 1, "EVENT"), Span(1, 3, "EVENT"), Span(1, 5, "EVENT")])])
    assert memory.labelled == {}


def test_width_and_case_do_not_matter(unmark):
    assert proposals("Ｘ－ｗａｖｅ现象", memory_of(unmark, "[x-Wave现象|DIAG]")) == [
        ("Ｘ－ｗａｖｅ现象", "DIAG", "memory")
    ]


def test_words_are_not_cut():
    memory = SpanMemory.from_reports([("abc", [Span(0, 3, "NAME")])])
    assert proposals("xabc abcx abc", memory, ("NAME",)) == [("abc", "NAME", "memory")]


def test_the_label_given_most_often_wins(unmark):
    memory = memory_of(unmark, *["[怪异搏动|EVENT]"] * 9, "[怪异搏动|DIAG]")
    assert proposals("怪异搏动", memory) == [("怪异搏动", "EVENT", "memory")]


def test_json_round_trip_keeps_the_bytes(unmark):
    memory = memory_of(unmark, "[怪异搏动|EVENT]，怪异搏动", "[窦律|DIAG]")
    again = SpanMemory.from_json(memory.to_json())
    assert again == memory
    assert again.to_json() == memory.to_json()
    assert memory_of(unmark, "[窦律|DIAG]", "[怪异搏动|EVENT]，怪异搏动").to_json() == memory.to_json()


@pytest.mark.parametrize("content", ["[]", "{}", '{"format":0}'])
def test_foreign_json_is_refused(content):
    with pytest.raises(ValueError, match="must have format 1"):
        SpanMemory.from_json(content)


def test_further_reports_bring_new_strings(unmark):
    memory = memory_of(unmark, "可见[怪异搏动|EVENT]").extended([unmark("可见[龘靐现象|EVENT]")])
    assert proposals("怪异搏动，龘靐现象", memory) == [
        ("怪异搏动", "EVENT", "memory"),
        ("龘靐现象", "EVENT", "memory"),
    ]


def test_further_reports_count_against_strings_they_leave_out(unmark):
    memory = memory_of(unmark, "可见[怪异搏动|EVENT]")
    assert proposals("怪异搏动", memory.extended([unmark("怪异搏动")])) == []
    assert proposals("怪异搏动", memory.extended([unmark("未见怪异搏动")])) != [], "negated: says nothing"


def test_a_memory_extended_by_all_later_reports_equals_one_of_all_unless_a_string_stood_there_before_it_was_labelled(
    unmark,
):
    first, later = ["[怪异搏动|EVENT]，[窦律|DIAG]"], ["窦律，[怪异搏动|DIAG]", "[窦律|DIAG]"]
    extended = memory_of(unmark, *first).extended([unmark(marked) for marked in later])
    assert extended.to_json() == memory_of(unmark, *first, *later).to_json()


def test_beyond_another_memory_are_the_strings_it_never_saw_labelled(unmark):
    known = memory_of(unmark, "[怪异搏动|EVENT]")
    extended = known.extended([unmark("[怪异搏动|EVENT]，[龘靐现象|EVENT]，龘靐现象")])
    fresh = extended.beyond(known)
    assert fresh.labelled == {"龘靐现象": {"EVENT": 1}}
    assert fresh.unlabelled == {"龘靐现象": 1}
    assert extended.beyond(extended) == EMPTY_MEMORY
