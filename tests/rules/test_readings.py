"""Heart rates and other values, by unit, by name, by finding, by table."""

import pytest

from backend.rules import propose

NUMBERS = ("HR", "VALUE", "TIME")

RATES = [
    "心率[75次/分|HR]",
    "心率[75 次／分钟|HR]",
    "HR:[75BPM|HR]",
    "心率[７５次／ｍｉｎ|HR]",
    "心率[111次每分|HR]",
    "心率范围[47~129bpm|HR]，均值[71bpm|HR]",
    "心率[50至|HR]".replace("[50至|HR]", "[50|HR]至[120次/分|HR]"),
    "F波频率[320次/分|HR]",
    "心率:最快[113|HR]最慢[56|HR]平均[74|HR]",
    "平均 [72|HR] 最慢 [48|HR]",
    "心率(次/分): [72|HR]",
    "V rate: mean [86|HR], max [135|HR], min [51|HR]",
    "HR [58/82/144|HR]",
    "心率[52|HR]([04:37|TIME])-[128|HR]([15:58|TIME])",
    "hr[90|HR].",
    "心率-[72次/分|HR]",
]
VALUES = [
    "QT/QTc：[377 / 438 ms|VALUE]",
    "PR[0.17|VALUE] QRS[0.09|VALUE]",
    "RV5：[1.43 mV|VALUE] SV1：[0.53 mV|VALUE] RV5+SV1：[1.96 mV|VALUE]",
    "rv5/sv1 [1.61/0.67|VALUE] p/qrs/t轴 [36/36/44|VALUE]",
    "P-R-T 轴 [28° / -20° / 32°|VALUE]",
    "P-R-T axes [45 30 28|VALUE]",
    "电轴[+118°|VALUE]，电轴[15度|VALUE]",
    "总心搏[94,649次|VALUE]",
    "PNN50：[11．8％|VALUE] LF：[239.1ms²|VALUE] LF／HF：[0.85|VALUE]",
    "静息血压[119/80mmHg|VALUE]，达[9.8METs|VALUE]，Duke评分[-5.7分|VALUE]",
    "占总心搏的[0.5%|VALUE]（[20107/110888|VALUE]）".replace("（", "(").replace("）", ")"),
    "房室传导比例[5:4|VALUE]，（[3：2-4：3|VALUE]传导）",
    "P/QRS/T [52/34/41°|VALUE]",
    "总心搏数： [103256|VALUE] 分析时间：[24小时|TIME]",
    "PR [0.16″|VALUE]",
    "平均[5个/小时|VALUE]，共[23个/24h|VALUE]",
    "室早[2367 次/24h|VALUE]（占[2.3%|VALUE]），房早[156次 / 24 h|VALUE]，成对[8 对/24小时|VALUE]",
    "总心搏数约[10.2万次|VALUE]，室早共[1.2 万个|VALUE]，房早[1万余次|VALUE]",
    "最长R-R间期[2.4s|VALUE]",
    "窦性停搏，持续[3.2s|VALUE]",
    "ST段：V5导联下移[0.1mV|VALUE]，最大[-1.5mm|VALUE]",
]
NO_READINGS = [
    "参考值：102-180ms",
    "大于或等于2.5秒",
    ">2.0s",
    "100次/分以上",
    "呼吸18次/分，体温36.5",
    "12导联心电图，25mm/s，10mm/mV",
    "住院号75201，23床，电话13800000000",
    "第3级，第2次",
    "1.\n2、\n（3）",
    "V1、V3R、V4-V6",
    "阿司匹林100mg，0.35g",
    "押金1万元，编号12万",
]


@pytest.mark.parametrize("marked", RATES + VALUES + NO_READINGS)
def test_numbers_are_read_by_unit_and_name(unmark, mark, marked):
    raw, _ = unmark(marked)
    assert mark(raw, propose(raw, NUMBERS)) == marked


COUNTS = [
    "[室早|EVENT][33|VALUE]，[房早|EVENT] [161|VALUE]",
    "[室性早搏|EVENT] [6次/分|VALUE]",
    "[室性早搏|EVENT]（[1-3个/分|VALUE]）",
    "[短阵房速|EVENT]，频率[130次/分|HR]",
    "[室速|EVENT] [150次/分|HR]",
    "[室早|EVENT]负荷[18.1%|VALUE]([20107/110888|VALUE])",
    "最快 [104|HR] 最慢 [44|HR] [室早|EVENT] [77|VALUE]",
]


@pytest.mark.parametrize("marked", COUNTS)
def test_a_bare_number_counts_the_finding_before_it(proposes, marked):
    proposes(marked)


def test_columns_of_a_table_are_read_by_their_header(proposes):
    proposes(
        "时间   平均心率 最慢 最快 [室早|EVENT] [房早|EVENT]\n"
        "[01:00|TIME]  [62|HR] [55|HR] [70|HR] [12|VALUE] [3|VALUE]\n"
        "[02:00|TIME]  [60|HR] [52|HR] [68|HR] [8|VALUE] [1|VALUE]\n"
        "备注 1 2"
    )


def test_rows_that_do_not_fit_the_header_are_left_alone(proposes):
    proposes("小时 平均 最大 [成对|EVENT]\n1 2\n病区 床 姓名 科室\n3 4 5 6")


def test_only_the_labels_asked_for_are_proposed():
    assert [span.label for span in propose("心率72次/分，03:15，2阵", ["HR"])] == ["HR"]
