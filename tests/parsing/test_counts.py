import pytest


def test_counts_in_a_list(counts):
    assert counts("室早1,234次，占1.2%，成对3次，二联律5阵；房早20次") == [
        ("室性早搏", 1234),
        ("成对室性早搏", 3),
        ("室性早搏二联律", 5),
        ("房性早搏", 20),
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("室早共5次", 5),
        ("室性早搏：总数124次", 124),
        ("偶发房性早搏（111次/22.7h）", 111),
        ("PVC 517", 517),
        ("房性早搏 2367 次/24h（占 2.3%）", 2367),
        ("室早1.2万次", 12_000),
        ("可见3阵短阵室速", 3),
        ("一过性ST段压低：V1-V4导联0.05-0.1mV，3阵", 3),
        ("窦性停搏2次，最长2.6s", 2),
        ("室性早搏\n  总数: 1293 (1.12%)", 1293),
        ("频发室早，2150次", 2150),
        ("频发室早（5次/分）", None),
        ("室性早搏平均每小时28次", None),
        ("室早最多每小时71次", None),
        ("短阵房速，最长一阵9个", None),
        ("可见室早，最快心率118次/分，RR>2.0s 3次", None),
        ("可见室早。患者按键事件2次", None),
        ("短阵室速20跳", None),
        ("短阵室速（20跳）", None),
        ("20跳短阵室速", None),
        ("短阵房速12搏", None),
        ("室上速12 beats", None),
        ("短阵房速20连发", None),
        ("成对室早20跳", None),
        ("短阵室速3阵，最长20跳", 3),
        ("短阵室速20次", 20),
        ("短阵房速5个", 5),
        ("室早20跳", 20),
        ("室性逸搏20搏", 20),
        ("室早3至5次", None),
        ("室早三到五次", None),
    ],
)
def test_what_counts_an_event_and_what_does_not(counts, text, count):
    assert [found for _, found in counts(text)] == [count]


@pytest.mark.parametrize("text", ["短阵室速20跳", "短阵室速1阵，20搏", "20跳短阵室速", "室速由20跳组成"])
def test_a_number_of_beats_is_the_length_of_a_run(structured, text):
    *_, beats = structured(text).measurements
    assert (beats.canonical, beats.value, beats.of) == ("最长一阵", 20, "室性心动过速")


def test_a_count_between_two_events_belongs_to_the_one_that_it_follows(counts):
    assert counts("室早123 室上早113") == [("室性早搏", 123), ("室上性早搏", 113)]
    assert counts("可见室早，3阵短阵房速") == [("室性早搏", None), ("房性心动过速", 3)]


def test_an_event_keeps_its_first_count(counts):
    assert counts("室早5次，合计7次") == [("室性早搏", 5)]


def test_the_share_of_an_event(structured):
    report = structured("房颤负荷12.5%；室性早搏共28次，占总心搏的1.30%，其中成对2次")
    assert [(event.canonical, event.percent) for event in report.events] == [
        ("心房颤动", 12.5),
        ("室性早搏", 1.3),
        ("成对室性早搏", None),
    ]


def test_the_share_behind_a_total_below_its_heading(structured):
    report = structured("室性异位搏动\n  总数: 1293 (1.12%)\n  成对: 8\n室上性异位搏动\n  总数: 266 (0.23%)")
    assert [(event.count, event.percent) for event in report.events] == [(1293, 1.12), (8, None), (266, 0.23)]
    assert [value.of for value in report.measurements[:2]] == ["室性早搏", "室性早搏"]


def test_beats_are_counted_by_the_hour_and_not_their_couplets(structured):
    *_, most = structured("【室早】单发 6779 次 | 成对 59 对 | 最多每小时 757 次（18:00-19:00）").measurements
    assert (most.canonical, most.value, most.of) == ("每小时最多", 757, "室性早搏")


def test_a_share_of_something_else_is_none(structured):
    (event,) = structured("可见室早5次，达预测最大心率的88%").events
    assert event.percent is None


def test_the_row_of_totals_counts_the_events_in_the_header(counts):
    table = "时间 平均 室早 房早\n08:00 78 12 3\n09:00 80 0 5\n合计 79 12 8"
    assert counts(table) == [("室性早搏", 12), ("房性早搏", 8)]


def test_a_table_without_totals_counts_nothing(counts):
    assert counts("时间 平均 室早 房早\n08:00 78 12 3\n09:00 80 0 5") == [("室性早搏", None), ("房性早搏", None)]


def test_the_only_row_of_a_table_counts(counts):
    assert counts("项目 | 室早 | 房早 | 成对\n结果 | 120 | 30 | 2")[:2] == [("室性早搏", 120), ("房性早搏", 30)]


def test_what_is_counted_zero_is_excluded(certainties):
    assert certainties("室性：总数128次，室速0阵") == {"室性早搏": "stated", "室性心动过速": "excluded"}
