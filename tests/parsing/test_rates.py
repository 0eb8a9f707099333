import pytest


def test_each_rate_has_the_kind_of_the_word_before_it(rates):
    assert rates("平均心率72次/分，最快心率118次/分（14:02），最慢心率45次/分，发生于02:13。") == [
        (72, "mean", None),
        (118, "fastest", "14:02"),
        (45, "slowest", "02:13"),
    ]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("最高心率 125 bpm", "fastest"),
        ("峰值心率154次/分", "fastest"),
        ("minimum heart rate 45 bpm", "slowest"),
        ("心率：avg 65", "mean"),
        ("心率72次/分（平均）", "mean"),
        ("目标心率162次/分", "other"),
        ("预测最大心率170次/分", "other"),
        ("静息心率75次/分", "other"),
        ("窦性心律，心率72次/分", "other"),
        ("平均心率以外最快心率118次/分", "fastest"),
        ("平均心率正常，心室率90次/分", "other"),
    ],
)
def test_kinds(rates, text, kind):
    assert [found for _, found, _ in rates(text)] == [kind]


def test_a_word_of_kind_does_not_reach_over_a_sentence(rates):
    assert rates("平均心率见下表。心率72次/分") == [(72, "other", None)]


@pytest.mark.parametrize(
    "text",
    [
        "最快心率和最慢心率分别为118次/分（14:02）和45次/分（02:13）",
        "最快、最慢心率：118次/分（14:02）、45次/分（02:13）",
    ],
)
def test_listed_words_are_dealt_out_in_order(rates, text):
    assert rates(text) == [(118, "fastest", "14:02"), (45, "slowest", "02:13")]


def test_a_chain_of_numbers_is_split_under_a_chain_of_words(structured):
    text = "最慢/平均/最快心率：45/72/118次/分"
    found = structured(text).heart_rates
    assert [(rate.value, rate.kind) for rate in found] == [(45, "slowest"), (72, "mean"), (118, "fastest")]
    assert [text[rate.start : rate.end] for rate in found] == ["45", "72", "118"]


def test_a_range_has_two_ends_and_no_value(structured):
    (rate,) = structured("心率４９－１１４次／分").heart_rates
    assert (rate.value, rate.low, rate.high, rate.kind) == (None, 49, 114, "other")


def test_a_range_is_not_named_by_the_reading_in_brackets_behind_it(rates):
    assert rates("心率：60-100次/分（平均72次/分）") == [((60, 100), "other", None), (72, "mean", None)]


def test_the_fastest_rate_of_a_run_is_not_that_of_the_heart(structured):
    text = "最快心率118次/分，短阵室速2阵，最长一阵8个，最快频率145次/分，发生于15:11"
    heart, run = structured(text).heart_rates
    assert (heart.kind, heart.of) == ("fastest", None)
    assert (run.kind, run.of, run.time.text) == ("other", "室性心动过速", "15:11")


def test_a_rate_named_heart_rate_after_a_run_is_that_of_the_heart(structured):
    (rate,) = structured("偶发短阵室速，最快心率118次/分").heart_rates
    assert (rate.kind, rate.of) == ("fastest", None)


def test_the_columns_of_a_table_name_kinds_and_its_rows_the_hour(rates):
    table = "时间 平均心率 最慢 最快\n08:00 78 60 110\n09:00 80 62 112\n合计 79 60 112"
    assert rates(table) == [
        (78, "mean", "08:00"),
        (60, "slowest", "08:00"),
        (110, "fastest", "08:00"),
        (80, "mean", "09:00"),
        (62, "slowest", "09:00"),
        (112, "fastest", "09:00"),
        (79, "mean", None),
        (60, "slowest", None),
        (112, "fastest", None),
    ]


def test_lines_of_a_listing_keep_their_hour(rates):
    assert rates("10:00 平均86 最慢75 最快95\n11:00 平均89 最慢84 最快110")[3:] == [
        (89, "mean", "11:00"),
        (84, "slowest", "11:00"),
        (110, "fastest", "11:00"),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_part_readings_from_the_times_of_the_next_line(rates, end):
    assert rates(f"最快心率118次/分{end}02:13 窦性停搏") == [(118, "fastest", None)]


def test_a_rate_of_that_moment_has_the_time_named_before(rates):
    assert rates("患者日记记录23:30心悸，此时心率103次/分") == [(103, "other", "23:30")]


def test_parts_of_the_day_are_times_of_their_means(rates):
    assert rates("白天平均心率80次/分，夜间平均心率65次/分") == [(80, "mean", "白天"), (65, "mean", "夜间")]


def test_the_time_of_one_reading_is_not_that_of_the_next(rates):
    assert rates("最快 127 15:10 最慢 50 平均 70")[1:] == [(50, "slowest", None), (70, "mean", None)]


def test_the_time_of_the_tracing_belongs_to_no_reading(rates):
    assert rates("检查时间：2024-05-01 10:31 心率72次/分") == [(72, "other", None)]
    assert rates("记录23小时44分，心率72次/分") == [(72, "other", None)]


@pytest.mark.parametrize(
    ("text", "name", "value", "heart"),
    [
        ("平均心房率300次/分", "心房率", 300, []),
        ("最快心房率300次/分，最慢心室率45次/分", "心房率", 300, [(45, "slowest")]),
        ("房率约300次/分", "心房率", 300, []),
        ("心房率每分钟三百次，心室率75次/分", "心房率", 300, [(75, "other")]),
        ("心房率(次/分)：300 心室率(次/分)：75", "心房率", 300, [(75, "other")]),
        ("Atrial rate 300 bpm, ventricular rate 75 bpm", "心房率", 300, [(75, "other")]),
        ("F波频率300次/分，心室率150次/分", "f波频率", 300, [(150, "other")]),
        ("代之以f波，频率约420次/分，平均心室率98次/分", "f波频率", 420, [(98, "mean")]),
        ("可见F波（300次/分）", "f波频率", 300, []),
        ("心房率、心室率分别为300次/分、75次/分", "心房率", 300, [(75, "other")]),
        ("心室率和心房率分别为75次/分和300次/分", "心房率", 300, [(75, "other")]),
        ("项目 心房率 心室率\n结果 300 75", "心房率", 300, [(75, "other")]),
        ("短阵房速，心房率300次", "心房率", 300, []),
    ],
)
def test_a_rate_of_the_atria_is_a_measurement_and_no_heart_rate(structured, text, name, value, heart):
    report = structured(text)
    assert [(found.canonical, found.value) for found in report.measurements] == [(name, value)]
    assert [(rate.value, rate.kind) for rate in report.heart_rates] == heart
    assert [event.count for event in report.events if event.count is not None] == []


@pytest.mark.parametrize(
    "text",
    [
        "平均心室率98次/分",
        "代之以f波，平均98次/分",
        "窦性P波，频率98次/分",
        "房颤，平均98次/分",
        "心室率和心房率均为98次/分",
    ],
)
def test_the_rate_of_the_ventricles_stays_a_heart_rate(structured, text):
    assert [rate.value for rate in structured(text).heart_rates] == [98]


def test_the_waves_alone_name_no_amplitude(structured):
    assert [(found.name, found.canonical) for found in structured("f波0.1mV").measurements] == [("f波", None)]
