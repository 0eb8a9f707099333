"""Reports as hospital systems write them: numbers torn, in entities, in Chinese numerals; numbers that cannot be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.ner.spans import Span
from backend.parsing import parse
from backend.rules import propose

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")

SAMPLES = [
    ("心率每分钟七十二次，室性早搏五次", "每分钟七十二次"),
    ("心率：\u200b72\u200b次/分，室性\u200b早搏5次", "72\u200b次/分"),
    ("心率：\xa072\xa0次/分，室性早搏\xa05\xa0次", "72\xa0次/分"),
    ("心率：\u300072\u3000次/分，室性早搏\u30005\u3000次", "72\u3000次/分"),
    ("心率72次/分<br>室性早搏5次<br/>PR间期160ms", "72次/分"),
    ("心率72次/分\\.br\\室性早搏5次\\.br\\PR间期160ms", "72次/分"),
    ("心率&nbsp;72&nbsp;次/分，ST段&lt;0.1mV", "72&nbsp;次/分"),
    ("竇性心律，心率72次/分，室性早搏5次，完全性右束支傳導阻滯", "72次/分"),
    ("HR 72bpm，PR 160ms，QRS 97ms，QT/QTc 380/410ms", "72bpm"),
    ("心率7\u200b2次/分，室性早搏5次", "7\u200b2次/分"),
    ("心率72\r\n次/分，室性早搏五\u00ad次", "72\r\n次/分"),
    ("心率&#x37;&#50;次/分", "&#x37;&#50;次/分"),
]


@pytest.mark.parametrize(("text", "said"), SAMPLES)
def test_the_rate_is_read_whole_at_its_place_in_the_raw_text(structured, text, said):
    report = structured(text)
    (rate,) = report.heart_rates
    assert (rate.value, rate.text, text[rate.start : rate.end]) == (72, said, said)
    if "早搏" in text:
        (event,) = report.events
        assert (event.canonical, event.count) == ("室性早搏", 5)
        assert text[event.start : event.end] == event.text


def test_every_reading_behind_an_entity_keeps_its_raw_offsets(structured):
    text = "心率&nbsp;72&nbsp;次/分（&nbsp;14:05）<br>QT/QTc&nbsp;380/410ms<br>室早\u200b12次，未见&nbsp;房颤"
    report = structured(text)
    assert [(rate.value, rate.time.text) for rate in report.heart_rates] == [(72, "14:05")]
    values = [(value.canonical, value.value) for value in report.measurements]
    assert values[:2] == [("QT间期", 380), ("QTc间期", 410)]
    assert [(event.canonical, event.count) for event in report.events] == [("室性早搏", 12)]
    assert [(diagnosis.canonical, diagnosis.certainty) for diagnosis in report.diagnoses] == [("心房颤动", "excluded")]
    assert all(text[item.start : item.end] == item.text for _, item in report.items())
    times = [rate.time for rate in report.heart_rates]
    assert all(text[time.start : time.end] == time.text for time in times)


def test_a_threshold_in_an_entity_is_no_value(structured):
    assert not structured("ST段&lt;0.1mV").measurements


def test_a_span_of_which_nothing_is_seen_is_passed_on_without_an_item():
    report = parse("心率\u200b\u200b", [Span(2, 4, "HR")], "1")
    assert not report.heart_rates
    assert [(span.start, span.end) for span in report.spans] == [(2, 4)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("心率720次/分", "720次/分"),
        ("心率7次/分", "7次/分"),
        ("心率60-1000次/分", "60-1000次/分"),
        ("心率7 2次/分", "2次/分"),
        ("心率1 20次/分", "20次/分"),
        ("心率1\n20次/分", "20次/分"),
        ("心率l20次/分", "20次/分"),
        ("心率l20次/分", "l20次/分"),
        ("心率1O0次/分", "1O0次/分"),
        ("心率一百20次/分", "一百20次/分"),
        ("心率一百二次/分", "一百二次/分"),
        ("心率七十-八十次/分", "七十-八十次/分"),
        ("心率六、七十次/分", "六、七十次/分"),
        ("心率六、七十次/分", "七十次/分"),
        ("心率六七十次/分", "六七十次/分"),
        ("心率60、70次/分", "60、70次/分"),
        ("心率72次/分（正常60-100次/分）", "60-100次/分"),
        ("参考范围：60-100次/分", "60-100次/分"),
        ("项目 结果 参考值\n心率 72次/分 60-100次/分", "60-100次/分"),
    ],
)
def test_no_predictor_makes_a_rate_of_what_is_none(text, said):
    start = text.index(said)
    (rate,) = parse(text, [Span(start, start + len(said), "HR", 0.97, "model")], "1").heart_rates
    assert (rate.value, rate.low, rate.high, rate.text) == (None, None, None, said)


@pytest.mark.parametrize(
    ("text", "said", "values"),
    [
        ("QTc 4400ms", "4400ms", [None]),
        ("PR间期1.6s", "1.6s", [None]),
        ("PR间期160ms", "160ms", [160]),
        ("QRS 970ms", "970ms", [None]),
        ("QT/QTc 380/4100ms", "380/4100ms", [380, None]),
        ("电轴450°", "450°", [None]),
        ("ST段压低0。1mV", "1mV", [None]),
        ("V5 0.1mV", "0.1mV", [0.1]),
        ("PR间期1\n60ms", "60ms", [None]),
        ("室早1 254次", "254次", [None]),
        ("室早5百次", "5百次", [None]),
        ("占总心搏120%", "120%", [None]),
        ("达预测最大心率的105%", "105%", [105]),
        ("室早-5次", "-5次", [None]),
        ("室早99999999次", "99999999次", [None]),
        ("24小时动态心电图，室早400000次", "400000次", [None]),
        ("48小时动态心电图，总心搏400000次", "400000次", [400000]),
        ("室早最多每小时99999次", "99999次", [None]),
        ("平均心房率720次/分", "720次/分", [None]),
        ("室早3、5次", "3、5次", [None]),
        ("室早3、5次", "3", [None]),
        ("室早3、5次", "5次", [None]),
        ("正常值：PR间期120-200ms", "120-200ms", [None]),
        ("参考范围 QTc<440ms", "440ms", [None]),
        ("总心搏十二次/24小时", "十二次/24小时", [12]),
    ],
)
def test_no_predictor_makes_a_value_of_what_is_none(text, said, values):
    start = text.index(said)
    found = parse(text, [Span(start, start + len(said), "VALUE", 0.9, "model")], "1").measurements
    assert [value.value for value in found] == values


@pytest.mark.parametrize(
    "text",
    [
        "最慢心率132次/分，最快心率45次/分",
        "最快心率45次/分。\n最慢心率132次/分。",
        "平均心率172次/分，最快心率132次/分，最慢心率45次/分",
        "最慢/平均/最快心率：118/72/45次/分",
    ],
)
def test_rates_that_contradict_their_kinds_have_none(rates, text):
    assert {kind for _, kind, _ in rates(text)} == {"other"}


def test_rates_of_other_hours_do_not_contradict(rates):
    table = "时间 最慢 平均 最快\n08:00 85 90 110\n03:00 52 60 80"
    assert [kind for _, kind, _ in rates(table)] == ["slowest", "mean", "fastest"] * 2


def test_no_count_exceeds_the_number_of_all_beats(counts):
    assert counts("总心搏102345次，室早200000次，房早102345次") == [("室性早搏", None), ("房性早搏", 102345)]
    assert counts("时间 总心搏 平均心率\n08:00 4500 75\n09:00 4600 76\n室早共8000次") == [("室性早搏", 8000)]


PIECES = [
    "心率",
    "72次/分",
    "\u200b",
    "&nbsp;",
    "<br>",
    "，",
    "室早",
    "五次",
    "PR间期",
    "160",
    "\n",
    "ms",
    "14:05",
    "未见",
    "房颤",
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_all_that_is_told_stands_in_the_raw_text(text):
    report = parse(text, propose(text, LABELS), "1")
    told = [item for _, item in report.items()]
    told += [item.time for item in (*report.heart_rates, *report.measurements) if item.time]
    told += [time for item in (*report.events, *report.diagnoses) for time in item.times]
    assert all(text[item.start : item.end] == item.text for item in told)


TEARS = [
    *" \u3000\xa0\u2009\n\u200b\xad\u2060oOlI'’·\ufffd\ue000",
    "\r\n",
    "  ",
    "&nbsp;",
    "&#8203;",
    "<br>",
    " \n ",
    ". ",
    "。",
]
READINGS = [
    ("心率{}次/分", 132),
    ("最快心率{} bpm", 132),
    ("HR {}", 87),
    ("PR间期{}ms", 160),
    ("QTc {}毫秒", 412),
    ("室性早搏{}次", 1254),
    ("总心搏{}", 103256),
    ("ST段压低{}mV", 0.15),
]


@pytest.mark.parametrize(("template", "value"), READINGS)
@pytest.mark.parametrize("tear", TEARS)
def test_a_tear_anywhere_leaves_the_number_or_nothing(structured, template, value, tear):
    digits = str(value)
    for at in range(1, len(digits)):
        report = structured(template.format(digits[:at] + tear + digits[at:]))
        found = [item.value for item in (*report.heart_rates, *report.measurements) if item.value is not None]
        assert found in ([], [value]), (digits[:at], digits[at:])
        assert [event.count for event in report.events if event.count is not None] in ([], [value])


@pytest.mark.parametrize(
    "text",
    ["心率增加30次/分", "心率下降约40次/分", "心率较前减慢20次/分", "最快与最慢心率相差80次/分", "心率 1,32次/分"],
)
def test_a_change_or_a_number_that_is_set_off_wrongly_is_no_rate(structured, text):
    assert not structured(text).heart_rates


def test_a_rate_that_is_called_fast_stays_one(structured):
    assert [rate.value for rate in structured("心率增快，约110次/分").heart_rates] == [110]
