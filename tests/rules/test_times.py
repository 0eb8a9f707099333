"""Clock times, dates, durations, parts of the day."""

import pytest

from backend.rules import propose

TIMES = [
    "[2024-09-15 10:44|TIME]至[2024-09-16 09:32|TIME]",
    "[2023.01.09 09:20|TIME]起",
    "[2023/05/13 07:52:32|TIME]",
    "[2024年7月1日17:14|TIME]",
    "[２０２５年３月７日|TIME]",
    "[2022年3月|TIME]心电图",
    "[2月23日5时33分|TIME]",
    "[04-25 09:05-04-26 08:37|TIME]",
    "[2023-09-12 10:24-2023-09-13 10:05|TIME]",
    "[１１：２８|TIME]",
    "[凌晨3:27|TIME]",
    "[上午10时|TIME]至[12时|TIME]",
    "[3:20pm|TIME]",
    "[d2 04:10|TIME]",
    "时长：[22:52|TIME]",
    "[22小时|TIME].",
    "[1h20min|TIME]，[23.1h|TIME]，[5min|TIME]",
    "[23 小时 30 分 12 秒|TIME]",
    "[16分38秒|TIME]",
    "持续[27分|TIME]",
    "持续[3-5分钟|TIME]",
    "胸闷[半小时|TIME]，[10余分钟|TIME]，[3个月|TIME]",
    "[五年|TIME]前",
    "[72小时|TIME]总心搏",
    "[夜间|TIME]可见",
    "Holter于[1:05|TIME]",
    "[23:59:59|TIME]，[24:00|TIME]，[24时00分|TIME]，[24:00:00|TIME]，[03时05分10秒|TIME]",
    "[10:20/11:30|TIME]，[03:25|TIME] 阵发性房速",
    "时长：[26:10|TIME]，记录时间：[48:00|TIME]，记录时长 [47:52:10|TIME]",
    "持续[59分60秒|TIME]",
]
NO_TIMES = [
    "72小时动态心电图",
    "48h DCG",
    "6分钟步行试验",
    "最多一小时",
    "每小时",
    "男，5个月",
    "3月龄",
    "孕28周",
    "全程、全天",
    "mean, min, max",
    "第一阵",
]


NO_CLOCK_TIMES = [
    "24:30",
    "25:61",
    "12:60",
    "99:99",
    "24:00:01",
    "23:59:60",
    "23时59分60秒",
    "12时75分",
    "25时",
    "26点半",
    "08:00-25:00",
    "2024-01-05 24:30",
]


@pytest.mark.parametrize("said", NO_CLOCK_TIMES)
@pytest.mark.parametrize(
    "marked", ["[房速|EVENT]（{}）", "最快心率[118次/分|HR]，发生于{}", "[室早|EVENT] {}", "最快 {}", "记录于{}"]
)
def test_no_time_and_no_reading_is_made_of_a_clock_time_that_does_not_exist(proposes, marked, said):
    proposes(marked.format(said))


def test_what_has_a_unit_is_no_clock_time(proposes):
    proposes("最慢:平均:最快 [45:72:98次/分|HR]，[14时|TIME] [72次/分|HR]")


@pytest.mark.parametrize("marked", TIMES + NO_TIMES)
def test_times_are_found_as_written(unmark, mark, marked):
    raw, _ = unmark(marked)
    assert mark(raw, propose(raw, ["TIME"])) == marked


@pytest.mark.parametrize(
    "marked",
    [
        "[短阵室速|EVENT]，持续[4.6秒|TIME]",
        "[窦性停搏|EVENT][3.1秒|VALUE]",
        "QRS时间[0.09s|VALUE]",
        "[房颤|EVENT]发作[3次|VALUE]，最长[45秒|TIME]",
        "mean [72|HR] min [48|HR] max [130|HR]",
    ],
)
def test_seconds_and_min_are_told_apart_by_the_words_before(proposes, marked):
    proposes(marked)
