"""What each policy does to a report, seen in the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.ner.spans import Span
from backend.rules import lexicon
from backend.rules.fold import fold
from trainer.augmentation import POLICIES
from trainer.augmentation.material import Material
from trainer.augmentation.mentions import _groups, synonyms
from trainer.augmentation.segments import Segment, Segments, cut
from trainer.augmentation.typos import typos
from trainer.dataset import Report

SEEDS = range(30)


def segments_of(marked: str) -> Segments:
    """`心率[72次/分|HR]` as segments."""
    parts = re.split(r"\[([^\[\]|]*)\|([A-Z]+)\]", marked)
    pieces = [Segment(text) for text in parts[:1] if text]
    for mention, label, plain in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pieces += [Segment(mention, label), *([Segment(plain)] if plain else [])]
    return tuple(pieces)


def report_of(number: int, marked: str) -> Report:
    segments, at, spans = segments_of(marked), 0, []
    for segment in segments:
        spans += [(at, at + len(segment.text), segment.label)] if segment.label else []
        at += len(segment.text)
    return Report(number, number, "".join(s.text for s in segments), tuple(Span(*span) for span in spans))


def outcomes(name: str, marked: str, others: Sequence[str] = ()) -> list[Segments]:
    """What the policy makes of the report with many seeds."""
    reports = [report_of(i, text) for i, text in enumerate((marked, *others))]
    material = Material.of(reports)
    source = cut(reports[0].text, reports[0].spans)
    return [POLICIES[name](source, material, Random(seed)) for seed in SEEDS]


def said(outcome: Segments) -> list[str]:
    return [segment.text for segment in outcome if segment.label]


def text_of(outcome: Segments) -> str:
    return "".join(segment.text for segment in outcome)


# ---- mentions


def test_a_mention_is_replaced_by_one_of_the_same_label() -> None:
    made = outcomes("mentions", "[左室面高电压|DIAG]，[长间歇|EVENT]", ["[正常范围|DIAG] [逸搏|EVENT] [夜间|TIME]"])
    assert {said(outcome)[0] for outcome in made} == {"左室面高电压", "正常范围"}
    assert {said(outcome)[1] for outcome in made} == {"长间歇", "逸搏"}


def test_numbers_are_no_vocabulary() -> None:
    made = outcomes("mentions", "[72次/分|HR] [早搏|EVENT]", ["[２度|EVENT] [150ms|HR]"])
    assert {said(outcome)[0] for outcome in made} == {"72次/分"}
    assert "２度" not in {said(outcome)[1] for outcome in made}


def test_a_string_with_two_labels_is_swapped_for_others_but_never_put_in() -> None:
    made = outcomes("mentions", "[左偏|DIAG] [逸搏|EVENT]", ["[夺获|EVENT] [夺获|DIAG]"])
    assert {tuple(said(outcome)) for outcome in made} == {("左偏", "逸搏")}
    swapped = outcomes("mentions", "[夺获|EVENT] [夺获|DIAG]", ["[左偏|DIAG] [逸搏|EVENT]"])
    assert {text for outcome in swapped for text in said(outcome)} == {"夺获", "左偏", "逸搏"}


def test_a_synonym_rewrites_the_term_inside_the_mention() -> None:
    assert {text for text in synonyms("频发室早") if "室" in text} == {
        "频发室性早搏",
        "频发室性期前收缩",
        "频发室性过早搏动",
    }
    assert "间歇性CRBBB" in synonyms("间歇性完全性右束支传导阻滞")
    assert not [text for text in synonyms("不完全性右束支传导阻滞") if text.startswith("不C")]
    assert synonyms("PVCs") == synonyms("张三") == []


def test_synonyms_are_terms_of_the_lexicon_with_one_label() -> None:
    for word, group in _groups()[1].items():
        found = [lexicon.find(fold(term)) for term in group]
        assert all(len(f) == 1 and (f[0].start, f[0].end) == (0, len(t)) for f, t in zip(found, group, strict=True)), (
            word
        )
        assert len({f[0].label for f in found}) == 1, word


# ---- numbers


@given(
    st.integers(30, 60),
    st.integers(0, 60),
    st.integers(0, 80),
    st.integers(0, 1000),
    st.sampled_from(["次/分", "bpm", ""]),
)
@settings(max_examples=60)
def test_the_fastest_stays_above_the_mean_and_the_slowest(
    slow: int, more: int, much_more: int, seed: int, unit: str
) -> None:
    rates = slow + more + much_more, slow + more, slow
    marked = "最快[{}|HR]，平均心率[{}|HR]，最慢[{}|HR]".format(*(f"{rate}{unit}" for rate in rates))
    outcome = POLICIES["numbers"](segments_of(marked), Material((), (), {}), Random(seed))
    fastest, mean, slowest = (int(re.sub(r"\D", "", text)) for text in said(outcome))
    assert 250 >= fastest >= mean >= slowest >= 20


def test_close_readings_are_resampled_too() -> None:
    seen = {
        tuple(said(outcome)) for outcome in outcomes("numbers", "最快[80次/分|HR]，平均[79次/分|HR]，最慢[78次/分|HR]")
    }
    assert len(seen) > len(SEEDS) - 3


def test_rounding_does_not_turn_the_order() -> None:
    source = segments_of("最快[78次/分|HR]，平均[77.9次/分|HR]，最慢[77次/分|HR]")
    for seed in range(2000):
        outcome = POLICIES["numbers"](source, Material((), (), {}), Random(seed))
        fastest, mean, slowest = (float(text.removesuffix("次/分")) for text in said(outcome))
        assert fastest >= mean >= slowest


def test_a_range_with_the_time_between_keeps_its_order() -> None:
    for outcome in outcomes("numbers", "心率[52|HR]([04:37|TIME])-[128|HR]([15:58|TIME])，平均[120次/分|HR]"):
        low, _, high, _, mean = said(outcome)
        assert int(low) <= int(mean.removesuffix("次/分")) <= int(high)


def test_chains_of_numbers_are_resampled_number_by_number() -> None:
    seen = [said(outcome) for outcome in outcomes("numbers", "心率[58/72/109bpm|HR] P/QRS/T轴[36/36/44|VALUE]")]
    assert all(re.fullmatch(r"\d+/\d+/\d+bpm", rates) for rates, _ in seen)
    assert all(sorted(map(int, rates[:-3].split("/"))) == list(map(int, rates[:-3].split("/"))) for rates, _ in seen)
    assert len({rates for rates, _ in seen}) > 5
    assert len({axes for _, axes in seen}) > 5


def test_every_kind_of_reading_is_resampled_within_its_bounds() -> None:
    readings = {
        "P-R间期[156ms|VALUE]": (80, 500),
        "QRS时限[0.09s|VALUE]": (0.05, 0.24),
        "QTc [424|VALUE]": (200, 700),
        "最长R-R间期[2.8秒|VALUE]": (0.24, 12),
        "电轴[65°|VALUE]": (0, 180),
        "V5导联[0.15mV|VALUE]": (0.01, 8),
        "占[98.7%|VALUE]": (0.1, 100),
        "[室早|EVENT][77|VALUE]": (1, 30_000),
        "总心搏[109174次|VALUE]": (30_000, 700_000),
        "F波频率[320次/分|HR]": (250, 600),
        "达[9.8METs|VALUE]": (1, 25),
    }
    for marked, (low, high) in readings.items():
        seen = {said(outcome)[-1] for outcome in outcomes("numbers", marked)}
        numbers = [float(re.sub(r"[^0-9.]", "", text)) for text in seen]
        assert len(seen) > 1, marked
        assert low <= min(numbers) <= max(numbers) <= high, marked


def test_the_way_a_number_is_written_stays() -> None:
    for outcome in outcomes(
        "numbers", "总心搏[９４,６４９次|VALUE]，[１１．８％|VALUE]，[0.12s|VALUE]，[+54°|VALUE]，[28° / -20°|VALUE]"
    ):
        beats, share, interval, axis, axes = said(outcome)
        assert re.fullmatch("[０-９]{2,3},[０-９]{3}次", beats)
        assert re.fullmatch("[０-９]{1,3}．[０-９]％", share)
        assert re.fullmatch(r"0\.[0-9]{2}s", interval)
        assert re.fullmatch(r"\+[0-9]{1,3}°", axis)
        assert re.fullmatch(r"[0-9]{1,3}° / -[0-9]{1,3}°", axes)


@pytest.mark.parametrize(
    "marked",
    [
        "[2:1|VALUE]下传",
        "[S1Q3T3|DIAG]",
        "[2023-01-03|TIME]",
        "[08:25|TIME]",
        "[1周|TIME]",
        "[0阵|VALUE]",
        "[二度|DIAG]",
        "[-5.7分|VALUE]",
    ],
)
def test_what_is_no_reading_is_left_alone(marked: str) -> None:
    assert all(outcome == segments_of(marked) for outcome in outcomes("numbers", marked))


def test_equal_readings_stay_equal() -> None:
    for outcome in outcomes("numbers", "[72次/分|HR]，[72次/分|HR]，[60次/分|HR]"):
        assert said(outcome)[0] == said(outcome)[1]


def test_a_long_mention_of_digits_is_read_in_no_time() -> None:
    segments = (Segment("1 " * 3000 + "x", "VALUE"), Segment("9" * 5000, "HR"), Segment("1," * 3000, "VALUE"))
    assert len(POLICIES["numbers"](segments, Material((), (), {}), Random(0))) == 3


# ---- times


def test_clock_times_stay_valid_and_an_hour_stays_an_hour() -> None:
    for outcome in outcomes("times", "[18:00-19:00|TIME]，[23:59:59|TIME]，[14时21分|TIME]"):
        hours, second, spoken = said(outcome)
        begin, end = (datetime.strptime(clock, "%H:%M") for clock in hours.split("-"))
        assert (end - begin).seconds == 3600
        datetime.strptime(second, "%H:%M:%S")
        datetime.strptime(spoken, "%H时%M分")


def test_dates_stay_valid_in_their_notation() -> None:
    seen = outcomes(
        "times", "[2024-02-29|TIME] [２０２５年３月７日|TIME] [04-25 09:05-04-26 08:37|TIME] [2023.01.09 09:20|TIME]"
    )
    assert len({said(outcome)[0] for outcome in seen}) > 10
    for outcome in seen:
        iso, han, recording, dotted = said(outcome)
        datetime.strptime(iso, "%Y-%m-%d")
        assert re.fullmatch("[０-９]{4}年[０-９]{1,2}月[０-９]{1,2}日", han)
        datetime.strptime("2024-" + recording[:11], "%Y-%m-%d %H:%M")
        datetime.strptime("2024-" + recording[12:], "%Y-%m-%d %H:%M")
        datetime.strptime(dotted, "%Y.%m.%d %H:%M")


def test_an_hour_said_in_words_stays() -> None:
    for outcome in outcomes("times", "[下午5:08|TIME]，[凌晨3:27|TIME]"):
        afternoon, night = said(outcome)
        assert re.fullmatch("下午5:[0-5][0-9]", afternoon)
        assert re.fullmatch("凌晨3:[0-5][0-9]", night)


def test_parts_of_a_duration_stay_below_sixty() -> None:
    for outcome in outcomes("times", "[23小时44分|TIME]，[8分3秒|TIME]，[3h52min|TIME]，[4.6小时|TIME]"):
        hours, minutes, latin, decimal = said(outcome)
        parts = [re.fullmatch(r"\d+小时(\d+)分", hours), re.fullmatch(r"\d+分(\d+)秒", minutes)]
        assert all(part and int(part[1]) < 60 for part in [*parts, re.fullmatch(r"\d+h(\d+)min", latin)])
        assert re.fullmatch(r"\d+\.\d小时", decimal)


@pytest.mark.parametrize(
    "marked", ["[25:10|TIME]", "[2023-13-45|TIME]", "[夜间|TIME]", "[52分厂|ORG]", "08:25", "[16:9999|X]"]
)
def test_what_is_no_time_is_left_alone(marked: str) -> None:
    assert all(outcome == segments_of(marked) for outcome in outcomes("times", marked))


# ---- surface


def test_units_and_punctuation_get_other_forms() -> None:
    seen = {
        text_of(outcome) for outcome in outcomes("surface", "心率[72次/分|HR]，PR间期[156ms|VALUE]；[窦律|DIAG]。\n")
    }
    every = "".join(seen)
    assert all(form in every for form in ("bpm", "毫秒", ";", "７２", "\r\n", "72 次/分", "pr间期"))
    assert all(fold(text).startswith("心率72") for text in seen)


def test_the_style_is_one_for_the_whole_report() -> None:
    for outcome in outcomes("surface", "[77次/分|HR]，[55次/分|HR]，[116次/分|HR]"):
        assert len({re.sub("[0-9０-９]", "", text) for text in said(outcome)}) == 1


def test_signs_between_figures_are_no_punctuation() -> None:
    for outcome in outcomes("surface", "V1,V2 [0.5mV|VALUE] [10:44|TIME] n=1.5, (x)"):
        text = fold(text_of(outcome))
        assert "v1,v2" in text
        assert "10:44" in text
        assert "1.5" in text


def test_compound_units_are_not_taken_apart() -> None:
    seen = {text_of(outcome) for outcome in outcomes("surface", "[239.1ms²|VALUE] [70次/分钟|HR] 10mm/mV")}
    assert not [text for text in seen if "毫秒²" in text or "钟钟" in text or "毫伏" in text or "bpm钟" in text]


# ---- clauses


def test_a_clause_is_replaced_by_one_with_the_same_labels() -> None:
    own = "1.[窦性心律|DIAG]，心率[72次/分|HR]；未见早搏。"
    made = outcomes(
        "clauses",
        own,
        ["[窦性心动过速|DIAG]，平均心率[120bpm|HR]；未见停搏", "[房颤|DIAG]，心室率[66次/分|HR]；未见早搏。"],
    )
    seen = {text_of(outcome) for outcome in made}
    assert "1.窦性心动过速，心室率66次/分；未见早搏。" in seen
    assert all(re.fullmatch("1[.].+，.+；未见早搏。", text) for text in seen)
    assert {tuple(s.label for s in outcome if s.label) for outcome in made} == {("DIAG", "HR")}


def test_clauses_do_not_end_inside_mentions_or_brackets() -> None:
    own, other = "[未下传，房早|EVENT]（共[3次|VALUE]，成对）", "[未下传房早|EVENT]（共[5次|VALUE]，单发）"
    made = outcomes("clauses", own, [other])
    assert {text_of(outcome) for outcome in made} == {text_of(segments_of(other))}


def test_reports_of_another_kind_give_nothing() -> None:
    own = "[窦性心律|DIAG]，心率[72次/分|HR]"
    assert all(outcome == segments_of(own) for outcome in outcomes("clauses", own, ["张三任[总经理|DIAG]"]))


# ---- typos


def test_the_lexicons_typing_errors_are_made() -> None:
    assert "室性早博" in {text_of(outcome) for outcome in outcomes("typos", "[室性早搏|EVENT]")}


def test_characters_are_dropped_and_doubled_outside_mentions_only() -> None:
    seen = outcomes("typos", "记录质量欠佳时[１２|VALUE]")
    assert {len(text_of(outcome)) for outcome in seen} == {8, 10}
    assert {said(outcome)[0] for outcome in seen} == {"１２"}


@given(st.text("未无不非否没心电图早搏3", min_size=1, max_size=12), st.integers(0, 100))
@settings(max_examples=100)
def test_negations_are_never_touched(text: str, seed: int) -> None:
    outcome = typos((Segment(text),), Material((), (), {}), Random(seed))
    kept = "[^未无不非否没]"
    assert re.sub(kept, "", text_of(outcome)) == re.sub(kept, "", text)


def test_one_slip_for_each_segment_at_most() -> None:
    source = segments_of("检查所见图像清晰可读[室性早搏|EVENT]，请结合临床症状考虑")
    for outcome in outcomes("typos", "检查所见图像清晰可读[室性早搏|EVENT]，请结合临床症状考虑"):
        assert all(abs(len(new.text) - len(old.text)) <= 1 for old, new in zip(source, outcome, strict=True))
