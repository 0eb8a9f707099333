"""No wrong number: what is implausible, torn or misread is left out, and numbers are read in any spelling."""

import pytest

from backend.rules import propose

NUMBERS = ("HR", "VALUE", "TIME")

IMPLAUSIBLE = [
    "心率720次/分",
    "心率7次/分",
    "心率0次/分",
    "心率7.2次/分",
    "心率：720",
    "心率60-1000次/分",
    "心室率480次/分",
    "心率720次",
    "每分钟720次",
    "QTc 4400ms",
    "QT/QTc 380/4100ms",
    "PR 1.6s",
    "PR 0",
    "QRS 970ms",
    "电轴 450°",
    "RV5 52mV",
    "占680%",
    "占总心搏120%",
    "室早占101%",
    "室早120%",
    "占百分之一百二十",
    "室早99999999次",
    "室早 9999999",
    "室早1000万次",
    "室早99999次/小时",
    "24小时动态心电图：总心搏400000次",
    "48h DCG，总心搏：800000",
    "72小时动态心电图，室早1100000次",
    "时间 心率 室早 QTc\n结果 480 9999999 4100",
]
TORN = [
    "心率7 2次/分",
    "心率７　２次／分",
    "心率7\n2次/分",
    "心率7\u20092次/分",
    "心率1 20",
    "室早1 254次",
    "室早1\n254次",
    "室早1, 254次",
    "室早1'254次",
    "室早1.254次",
    "总心搏103 256次",
    "PR间期1\n60ms",
    "PR 0.1 6s",
    "ST段压低0. 1mV",
    "ST段压低0。1mV",
    "ST段压低0，1mV",
    "RV5 1。52mV",
    "RV5 1 .52mV",
    "QT/QTc 380/4 10ms",
    "心率7O次/分",
    "心率l20次/分",
    "HRl20次/分",
    "心率I20次/分",
    "心率1O0次/分",
    "心率1О0次/分",
    "心率6O-100次/分",
    "心率60-l00次/分",
    "心率1\ufffd20次/分",
    "心率1\ue0002次/分",
    "室早三百20次",
    "室早5百余次",
    "室早1万2千次",
    "心率18〇次/分",
    "心率一百 二十次/分",
    "心率一百\n二十次/分",
    "心率1十二次/分",
    "1 4:05",
    "持续一百二十分钟",
]
ABOUT = [
    "心率六、七十次/分",
    "心率六，七十次/分",
    "心率六七十次/分",
    "心率六至七十次/分",
    "心率一百二、三十次/分",
    "心率60、70次/分",
    "平均心率6、70次/分",
    "室早3、5次",
    "室早3，5次",
    "室早三、五次",
    "室早二十三、四次",
    "短阵房速2、3阵",
    "持续三、四秒",
    "持续3、4秒",
]
POSSIBLE = [
    "占总心搏[100%|VALUE]",
    "达预测最大心率的[105%|VALUE]，达目标心率([162次/分|HR])的[110%|VALUE]",
    "总心搏[300000次|VALUE]，室早[10.2万次|VALUE]",
    "48h DCG，总心搏：[208000|VALUE]",
    "7天动态心电图，总心搏[1200000次|VALUE]",
    "房颤，最长持续[2小时|TIME]，总心搏[102345次|VALUE]",
]
LISTS = [
    "最快、最慢心率[90|HR]、[70次/分|HR]",
    "最慢、最快心率[60|HR]、[80次/分|HR]",
    "心率[72|HR]、[75次/分|HR]",
    "室早[3次|VALUE]、房早[5次|VALUE]",
    "室早[三次|VALUE]、房早[五次|VALUE]",
    "一、心率[七十次/分|HR]\n2、[72次/分|HR]",
    "V3、V5 [0.1mV|VALUE]",
    "室早[3~5次|VALUE]",
]
REFERENCES = [
    "正常值：PR间期120-200ms",
    "参考范围 QTc<440ms",
    "正常：PR间期120-200ms，QRS 60-100ms，QT 320-440ms",
    "正常成人PR间期为120-200ms",
    "成人正常心率为60-100次/分",
    "正常心率范围60至100次/分",
    "正常值六十至一百次/分",
    "Normal HR 60-100 bpm",
    "心率：[72次/分|HR]（正常60-100次/分）",
    "心率：[72次/分|HR]（正常：60-100次/分）",
    "心率[72次/分|HR]【正常60-100bpm】",
    "HR [72 bpm|HR] (normal 60-100 bpm)",
    "PR间期[160ms|VALUE]（正常值120-200ms）",
    "PR间期[160ms|VALUE]，正常范围：120~200ms",
    "QTc [410ms|VALUE]（参考值：350-440ms，女性350-460ms）",
    "QTc [410ms|VALUE]（参考值：男<430ms，女460ms）",
    "项目 结果 参考值\nPR间期 [160ms|VALUE] 120-200ms\n心率 [72次/分|HR] 60-100次/分",
    "项目 | 结果 | 正常范围 | 单位\nPR间期 | [160 ms|VALUE] | 120 - 200 ms | ms\n\n心率[62-98次/分|HR]",
    "心率在正常范围（60-100次/分）",
    "心率[72次/分|HR]\n\n【参考值】\n心率60-100次/分\nPR间期120-200ms",
    "正常值：PR间期120-200ms，QRS 60-100ms，实测PR [160ms|VALUE]",
]
MEASURED = [
    "心率正常，[72次/分|HR]",
    "心率在正常范围（[72次/分|HR]）",
    "PR间期正常（[160ms|VALUE]）",
    "节律正常，[62-98次/分|HR]",
    "电轴正常 心率[62-98次/分|HR]",
    "平均心率[59次/分|HR]（[42-78次/分|HR]）",
    "正常窦性心律，心率[60-100次/分|HR]",
    "正常心电图：心率[62-98次/分|HR]",
    "参考值：\n心率60-100次/分\n\n心率[62-98次/分|HR]",
    "normal sinus rhythm [62-98 bpm|HR]",
]
WHOLE = [
    "心率[7\u200b2次/分|HR]",
    "HR [72|HR] 80",
    "心率 [72|HR] [80 次/分|HR]",
    "V4 5 [0.1mV|VALUE]",
    "[14:05|TIME] [72次/分|HR]",
    "3. [72次/分|HR]",
    "otherwise normal\n[72次/分|HR]",
    "II[0.1mV|VALUE]",
    "F波频率[500次/分|HR]",
    "PR[0.17|VALUE]，QT [380\nms|VALUE]",
    "QT/QTc [380/\n410ms|VALUE]",
    "心率[72\n次/分|HR]，[60-\n100次/分|HR]",
    "心率&nbsp;[72&nbsp;次/分|HR]，ST段&lt;0.1mV",
    "心率[&#x37;2次/分|HR]",
    "心率<b>[72</b>次/分|HR]<br>最快[120|HR]",
    "心率\\.br\\[72次/分|HR]",
    "心率[72次|HR]，心率[每分72次|HR]，每分钟心率[80次|HR]",
    "心率[72次/分鐘|HR]，PR間期[160ms|VALUE]",
]
NUMERALS = [
    "心率[七十二次/分|HR]，心室率约[一百一十次/分|HR]，心率[一二〇次／分|HR]",
    "心率[每分钟七十二次|HR]，心率為[每分鐘八十次|HR]",
    "心率[七十|HR]至[八十次/分|HR]",
    "占总心搏[百分之五|VALUE]，占[百分之12.5|VALUE]",
    "最长RR间期[零点四秒|VALUE]，PR间期[一百六十毫秒|VALUE]",
    "总心搏[十万三千二百五十六次|VALUE]，共[三次|VALUE]",
]
NO_NUMERALS = [
    "一度，Ⅱ度，二联律，三联律，第一导联，一过性，一侧，双",
    "心率一百二次/分，心率七二次/分，心率一百多次/分，心率近百次/分，心率数十次/分",
    "心率七十-八十次/分",
    "一对，两个导联，第十二次，一次性，复查三次，又见一次，可见两次",
    "最长一阵，三分之一",
    "大于二秒，超过一百次/分",
    "呼吸每分钟十八次，呼吸每分钟18次",
]


@pytest.mark.parametrize("text", IMPLAUSIBLE + TORN + ABOUT)
def test_what_cannot_be_or_is_a_part_is_no_reading(text):
    assert [text[s.start : s.end] for s in propose(text, NUMBERS)] == []


@pytest.mark.parametrize("marked", REFERENCES + MEASURED)
def test_a_reference_range_is_no_reading_and_what_is_called_normal_is_one(unmark, mark, marked):
    raw, _ = unmark(marked)
    assert mark(raw, propose(raw, NUMBERS)) == marked


@pytest.mark.parametrize("marked", POSSIBLE + LISTS + WHOLE + NUMERALS + NO_NUMERALS)
def test_whole_numbers_are_read_in_any_spelling(unmark, mark, marked):
    raw, _ = unmark(marked)
    assert mark(raw, propose(raw, NUMBERS)) == marked


def test_numerals_count_the_finding_before_them(proposes):
    proposes(
        "[室早|EVENT][两次|VALUE]，[房早|EVENT][一千二百五十四次|VALUE]，[成对|EVENT][两对|VALUE]，[房颤|DIAG]一次性"
    )
    proposes("[室性早搏|EVENT][每分钟五次|VALUE]")


@pytest.mark.parametrize("value", [1, 7, 14, 351, 601, 720, 9999])
@pytest.mark.parametrize(
    "template",
    ["心率{}次/分", "心率{}bpm", "平均心率{}", "心率（次/分）：{}", "心率每分钟{}次", "HR {}~{}次/分", "心率{}次"],
)
def test_no_spelling_makes_a_rate_of_what_is_none(template, value):
    text = template.replace("{}", str(value))
    assert [s for s in propose(text, NUMBERS) if s.label == "HR"] == []
