import pytest

from backend.parsing.moments import clock_of


@pytest.mark.parametrize(
    ("said", "clock"),
    [
        ("07-09 14:21", "14:21"),
        ("03:25:10", "03:25:10"),
        ("次日02:07", "02:07"),
        ("下午5:08", "17:08"),
        ("下午12:10", "12:10"),
        ("凌晨12:10", "00:10"),
        ("5:08 pm", "17:08"),
        ("2点半", "02:30"),
        ("3点25分", "03:25"),
        ("14时", "14:00"),
        ("08:00-09:00", "08:00"),
        ("26:10", None),
        ("24:00", "24:00"),
        ("24:30", None),
        ("24:00:01", None),
        ("25:61", None),
        ("12:60", None),
        ("23:59:60", None),
        ("23时59分60秒", None),
        ("12时75分", None),
        ("23时59分59秒", "23:59:59"),
        ("2024-01-10", None),
        ("夜间", None),
        ("23小时15分", None),
        ("4.6秒", None),
    ],
)
def test_clock_times_are_read_in_24_hours(said, clock):
    assert clock_of(said) == clock


def test_several_times_belong_to_one_finding(structured):
    (block,) = structured("夜间可见二度I型房室传导阻滞（00:28、04:13），考虑与迷走张力增高有关").diagnoses
    assert [moment.text for moment in block.times] == ["夜间", "00:28", "04:13"]


def test_the_time_before_an_event_on_its_line_is_its_own(structured):
    first, second = structured("1) 10:39:25 成对室早 心率87次/分\n2) 11:00:37 单发室早").events
    assert [moment.clock for moment in first.times] == ["10:39:25"]
    assert [moment.clock for moment in second.times] == ["11:00:37"]


def test_the_time_behind_the_count_of_an_event_is_its_own(structured):
    (event,) = structured("窦性停搏3次（03:25）").events
    assert [moment.clock for moment in event.times] == ["03:25"]


def test_times_are_dealt_out_to_as_many_findings(structured):
    report = structured("佩戴期间诉23:23“黑矇”、15:23“乏力”，同步心电图分别为窦性心动过速（109次/分）及房性早搏。")
    assert [moment.clock for moment in report.diagnoses[0].times] == ["23:23"]
    assert [moment.clock for moment in report.events[0].times] == ["15:23"]
    assert report.heart_rates[0].time.clock == "23:23"


def test_the_date_of_an_older_tracing_is_the_time_of_no_finding(structured):
    (finding,) = structured("与前次（2023-07-17）心电图比较：ST-T改变较前好转").diagnoses
    assert finding.times == ()


def test_the_time_before_a_numbered_list_belongs_to_none_of_its_items(structured):
    report = structured("16:42 床旁心电图（15床）：①窦性心律②II导联ST段下移0.05mV。心率82")
    assert [finding.times for finding in report.diagnoses] == [(), ()]


def test_a_time_points_to_where_it_stands(structured):
    text = "最快心率１３７次／分，发生于０３-３１ １２：０６"
    (rate,) = structured(text).heart_rates
    assert text[rate.time.start : rate.time.end] == rate.time.text == "０３-３１ １２：０６"
    assert rate.time.clock == "12:06"


@pytest.mark.parametrize("said", ["24:30", "25:61", "23时59分60秒"])
def test_a_clock_time_that_does_not_exist_is_none(structured, said):
    report = structured(f"最快心率118次/分（{said}）")
    assert [(rate.value, rate.time) for rate in report.heart_rates] == [(118, None)]
    assert not report.measurements
