import pytest


@pytest.mark.parametrize(
    ("text", "name", "value", "unit"),
    [
        ("P-R间期156毫秒", "PR间期", 156, "ms"),
        ("PR 156", "PR间期", 156, None),
        ("P-R间期固定为0.14s", "PR间期", 0.14, "s"),
        ("P-R间其：135ms", "PR间期", 135, "ms"),
        ("QRS波群时间0.09秒", "QRS时限", 0.09, "s"),
        ("ＱＲＳ时限：９２ｍｓ", "QRS时限", 92, "ms"),
        ("额面QRS电轴-41°", "电轴", -41, "°"),
        ("RV5+SV1=4.75mV", "RV5+SV1", 4.75, "mV"),
        ("总心搏102,345次", "总心搏数", 102345, "次"),
        ("最长R-R间期2.8s", "最长RR间期", 2.8, "s"),
        ("PR正常、QRS 92ms", "QRS时限", 92, "ms"),
        ("RMSSD 31ms", "RMSSD", 31, "ms"),
        ("PNN50：11.8%", "PNN50", 11.8, "%"),
    ],
)
def test_names_numbers_and_units(structured, text, name, value, unit):
    (found,) = structured(text).measurements
    assert (found.canonical, found.value, found.unit) == (name, value, unit)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("QT/QTc 446/419ms", [("QT间期", 446), ("QTc间期", 419)]),
        ("RV5/SV1：1.70/1.16mV", [("RV5", 1.7), ("SV1", 1.16)]),
        ("P-R-T轴38 -47 47", [("P轴", 38), ("QRS轴", -47), ("T轴", 47)]),
        ("PR/QRS 160/92ms", [("PR间期", 160), ("QRS时限", 92)]),
        ("血压117/83mmHg", [("收缩压", 117), ("舒张压", 83)]),
    ],
)
def test_chains_are_split_where_they_have_as_many_names(structured, text, parts):
    found = structured(text).measurements
    assert [(part.canonical, part.value) for part in found] == parts
    assert [text[part.start : part.end] for part in found] == [part.text for part in found]


def test_a_value_of_an_event_names_it(structured):
    count, share, most = structured("室性早搏共28次，占1.2%，最多每小时9次（13:00-14:00）").measurements
    assert [(found.canonical, found.of) for found in (count, share, most)] == [
        ("总数", "室性早搏"),
        ("占比", "室性早搏"),
        ("每小时最多", "室性早搏"),
    ]
    assert most.time.text == "13:00-14:00"


def test_a_value_with_a_name_of_its_own_is_of_no_finding(structured):
    (found,) = structured("窦性心律，PR间期160ms").measurements
    assert found.of is None


def test_an_unknown_name_is_kept_as_written(structured):
    (found,) = structured("总心搏见附图。患者按键事件2次").measurements
    assert (found.name, found.canonical) == ("患者按键事件", None)
    (share,) = structured("为目标心率的85%").measurements
    assert (share.name, share.value) == ("目标心率", 85)


def test_a_range_and_a_ratio(structured):
    depth, ratio = structured("ST段压低0.05-0.1mV，房室传导比例5:4").measurements
    assert (depth.low, depth.high, depth.value, depth.of) == (0.05, 0.1, None, "ST段压低")
    assert (ratio.canonical, ratio.text, ratio.value) == ("房室传导比例", "5:4", None)
