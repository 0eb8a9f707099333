"""Findings: modifiers, synonyms, abbreviations, typing errors, coordination, context."""

import pytest

from backend.rules.lexicon import expand

FINDINGS = [
    # synonyms and abbreviations
    "[频发PVC|EVENT]，[PACs|EVENT]，[室上早|EVENT]，[交界性期前收缩|EVENT]，[多源性室性异位搏动|EVENT]",
    "[完右|DIAG]，[不完右|DIAG]，[IRBBB|DIAG]，[左前分支阻滞|DIAG]，[Ⅰ°房室传导阻滞|DIAG]，[II度II型AVB|DIAG]",
    "[窦速|DIAG] [窦缓|DIAG] [窦律|DIAG] [房颤律|DIAG] [Af|DIAG] [WPW综合征|DIAG] [早复极|DIAG]",
    "[Sinus rhythm|DIAG], [couplet|EVENT], [ventricular premature beats|EVENT], [left axis deviation|DIAG]",
    "[ＣＲＢＢＢ|DIAG]，[ｓｔ－ｔ改变|DIAG]",
    # typing errors
    "[单源性室性早博|EVENT]，[左前分支阻制|DIAG]，[高度房室传到阻滞|DIAG]，[ST段压底|DIAG]，[窦性心率|DIAG]",
    "窦性心率72次/分".replace("72次/分", "[72次/分|HR]"),
    # modifiers
    "[短阵加速性交界性心动过速|EVENT]",
    "[间歇性二度Ⅰ型房室传导阻滞|DIAG]",
    "[轻度ST-T改变|DIAG]，[继发性ST-T改变|DIAG]，[电轴轻度左偏|DIAG]，[T波轻度改变|DIAG]",
    "可见[成对房早|EVENT]，有时呈[房性二联律|EVENT]，部分[成对|EVENT]",
    "[频发室早|EVENT]，部分呈[二、三联律|EVENT]",
    "[陈旧性前间壁心肌梗死|DIAG]，[超急性期广泛前壁心肌梗死|DIAG]，[急性下壁心梗|DIAG]",
    "可疑[下壁心梗|DIAG]",
    # fixed names and coordination
    "[左室肥厚伴劳损|DIAG]，[右心房肥大|DIAG]及[左室面高电压|DIAG]",
    "[偶发房性|EVENT]及[室性早搏|EVENT]",
    "[窦律|DIAG]/[ST-T改变|DIAG]+[偶发房早|EVENT]",
    # leads
    "I、aVL[T波倒置|DIAG]，IIT波".replace("IIT波", "II[T波低平|DIAG]"),
    "aVF[一过性ST段压低|EVENT] [0.10mV|VALUE]",
    # paroxysmal or lasting
    "[心房扑动|DIAG]（[4:1|VALUE]下传）",
    "[阵发性心房扑动|EVENT][2阵|VALUE]",
    "[房颤|EVENT] [3阵|VALUE]，[房颤|EVENT]发作",
    "[心房颤动|EVENT]，持续[3小时|TIME]",
    "[房颤|DIAG] 心室率[88次/分|HR]",
    "[三度房室传导阻滞|DIAG]，[室性逸搏心律|DIAG]，[室性逸搏|EVENT]",
    # names of measurements are no findings
    "最长R-R间期，最长间歇，最慢心室率，最快心室率",
    "平均心室率[88次/分|HR]，[快速心室率|DIAG]",
    "室上性心律失常",
    "脑梗死，腔隙性脑梗塞",
    # pacing
    "[双腔起搏心律|DIAG]，[VVI起搏心律|DIAG]，间歇[感知不良|EVENT]".replace("间歇[感", "偶见[感"),
    # exercise tests
    "平板运动试验：静息心电图[ST段压低|DIAG]；运动中[ST段下移|EVENT][0.1mV|VALUE]。结论：[可疑阳性|DIAG]。",
    "踏车试验，未诱发心绞痛，阴性。".replace("阴性", "[阴性|DIAG]"),
]


@pytest.mark.parametrize("marked", FINDINGS)
def test_findings_are_the_longest_noun_phrase(proposes, marked):
    proposes(marked)


def test_every_term_of_the_public_vocabulary_is_one_finding(proposes):
    for term in [
        "非特异性ST段与T波异常",
        "短串房性心动过速",
        "未下传的房性早搏",
        "非特异性室内传导延迟",
        "肺心病型",
        "QRS低电压",
    ]:
        label = "EVENT" if "早搏" in term or "过速" in term else "DIAG"
        proposes(f"[{term}|{label}]")


def test_an_unknown_part_is_an_error():
    with pytest.raises(KeyError):
        list(expand(["{nowhere}早搏"], {}))


def test_an_optional_part_may_be_absent():
    assert list(expand(["{x?}早搏"], {"x": ["成对"]})) == ["成对早搏", "早搏"]
