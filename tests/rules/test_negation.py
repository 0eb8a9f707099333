"""Negated findings and silent parts are not labelled; uncertain findings are."""

import pytest

NEGATED = [
    "未见早搏、ST-T改变及房室传导阻滞，但可见[偶发室性早搏|EVENT]。",
    "未发现房早和室早",
    "否认房颤",
    "无停搏,无房室传导阻滞,无室速.",
    "未诱发心律失常及ST段压低",
    "早搏：无；ST-T改变（-）；房颤：未见；室速 阴性",
    "排除急性心肌梗死",
    "T波电交替(TWA)阴性",
    "no ST depression",
    "未捕捉到心动过速发作",
    "除外急性心肌梗死，[窦性心律|DIAG]",
    "室早、房早未见；[窦性心律|DIAG]、室速未见",
    "☐房颤 ☑[房扑|DIAG] ☐室早",
    "房颤：☐有 ☑无",
    "AF: no",
    "非房颤心律",
    "室速（伪差），伪差所致房颤",
    "房颤已消失",
    "未见\n室性早搏",
]
AFFIRMED = [
    "不能排除[心肌缺血|DIAG]，不除外[肺栓塞|DIAG]，不排除[心包炎|DIAG]",
    "[房早未下传|EVENT]",
    "未见早搏。[窦性心律|DIAG]",
    "未见早搏,[窦性心律|DIAG]",
    "未见早搏 2.[窦性心律|DIAG]",
    "无痛性[心肌缺血|DIAG]",
    "不能完全除外[肺栓塞|DIAG]，难以除外[心包炎|DIAG]，需除外[心肌缺血|DIAG]",
    "No ST-T changes. [PVC|EVENT]",
    "未见早搏.[窦性心律|DIAG]",
    "No pause of [2.5 s|VALUE] or atrial fibrillation. [Sinus rhythm|DIAG]",
    "除[偶发室早|EVENT]外未见异常",
    "P波消失，[心房颤动|DIAG]",
    "[运动试验阴性|DIAG]",
    "[室速|EVENT]，考虑伪差",
    "[室早|EVENT]、[房早|EVENT]未见明显增多",
    "[房早|EVENT][0次|VALUE]",
    "[早搏|EVENT]未见".replace("[早搏|EVENT]未见", "早搏未见"),
]
SILENT = [
    "建议动态心电图检查除外窦房结功能障碍",
    "临床诊断：冠心病 心房颤动。[窦性心律|DIAG]",
    "说明：早搏和房颤可见于正常人，不能排除心肌缺血。\n[窦性心律|DIAG]",
    "四、停搏及传导\n[停搏|EVENT]",
    "停用可能延长QT的药物",
    "既往房颤史，现[窦性心律|DIAG]",
    "房颤、室早病史",
]


@pytest.mark.parametrize("marked", NEGATED + AFFIRMED + SILENT)
def test_only_affirmed_findings_are_marked(proposes, marked):
    proposes(marked)


def test_numbers_stay_where_findings_are_denied(proposes):
    proposes("未见早搏（共[0次|VALUE]）")
