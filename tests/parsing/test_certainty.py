import pytest

from backend.ner.spans import Span
from backend.parsing import parse
from backend.rules import propose


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("考虑陈旧性下壁心肌梗死，请结合临床", "陈旧性下壁心肌梗死"),
        ("提示低血钾心电图改变可能，HR78次/分", "低钾血症"),
        ("不除外急性肺栓塞", "急性肺栓塞"),
        ("心肌缺血待排。", "心肌缺血"),
        ("①左室肥厚待排②建议复查", "左心室肥厚"),
        ("二度Ⅱ型AVB？", "二度II型房室传导阻滞"),
        ("室性早搏(?)", "室性早搏"),
        ("病窦综合征可能性大", "病态窦房结综合征"),
        ("ST-T改变无法评估，请结合临床", "ST-T改变"),
        ("Possible old inferior infarct.", "old inferior infarct"),
        ("房颤未除外", "心房颤动"),
        ("房颤尚不能完全排除。", "心房颤动"),
        ("房颤难以排除", "心房颤动"),
        ("房颤可能性不大", "心房颤动"),
        ("房颤诊断依据不足", "心房颤动"),
        ("房颤待定", "心房颤动"),
        ("尚不能诊断房颤", "心房颤动"),
        ("不太支持房颤", "心房颤动"),
        ("Atrial fibrillation cannot be ruled out.", "心房颤动"),
        ("Atrial fibrillation is not excluded", "心房颤动"),
        ("Atrial fibrillation unlikely", "心房颤动"),
        ("Cannot exclude atrial fibrillation", "心房颤动"),
        ("Can't rule out atrial fibrillation", "心房颤动"),
    ],
)
def test_doubt_makes_possible(certainties, text, name):
    assert certainties(text) == {name: "possible"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("未见房颤", "心房颤动"),
        ("无ST-T改变", "ST-T改变"),
        ("早搏：无", "早搏"),
        ("ST-T改变(-)", "ST-T改变"),
        ("未见大于２．０秒的停搏", "大于２．０秒的停搏"),
        ("未见二度及以上房室传导阻滞", "二度及以上房室传导阻滞"),
        ("ST段无明显偏移", "ST段偏移"),
        ("T波未见倒置", "T波倒置"),
        ("未见明显ST段压低", "ST段压低"),
        ("房颤？未见。", "心房颤动"),
        ("房颤？(-)", "心房颤动"),
        ("早搏？否", "早搏"),
        ("未构成室速", "室性心动过速"),
        ("Atrial fibrillation is ruled out", "心房颤动"),
    ],
)
def test_denied_findings_are_reported_as_excluded(structured, text, name):
    report = structured(text)
    (finding,) = (*report.events, *report.diagnoses)
    assert (finding.canonical, finding.certainty) == (name, "excluded")
    assert text[finding.start : finding.end] == finding.text
    assert finding.source == "lexicon:denied"
    assert report.spans == ()  # what the predictor said stays what it said


@pytest.mark.parametrize(
    "text",
    [
        "建议动态心电图检查除外窦房结功能障碍",
        "必要时复查以除外心肌缺血",
        "起搏器功能未见异常",
        "既往史：否认心肌梗死",
        "说明：单次检查正常不能完全排除心肌缺血",
        "停用可能延长QT的药物",
    ],
)
def test_advice_history_and_boilerplate_exclude_nothing(certainties, text):
    assert certainties(text) == {}


@pytest.mark.parametrize(
    "text", ["T波低平可能与电解质有关", "T波低平，考虑与电解质有关", "考虑早复极。T波低平", "未见早搏，可见T波低平"]
)
def test_doubt_about_something_else_leaves_a_finding_stated(certainties, text):
    assert certainties(text)["T波低平"] == "stated"


@pytest.mark.parametrize("text", ["除外急性心肌梗死", "急性心肌梗死除外。"])
def test_what_the_report_rules_out_is_excluded(certainties, text):
    assert certainties(text) == {"急性心肌梗死": "excluded"}


@pytest.mark.parametrize(
    "text", ["并非无室早", "不是没有室早", "无明显变化的室早", "无动态改变的室早", "室早？房早未见", "室早未消失"]
)
def test_a_word_of_negation_that_denies_something_else_leaves_a_finding(structured, text):
    events = {event.text: event.certainty for event in structured(text).events}
    assert events["室早"] == ("possible" if "？" in text else "stated")


def test_a_negation_ends_where_a_new_statement_opens(certainties):
    assert certainties("未发现房颤及房扑但可见室早") == {
        "室性早搏": "stated",
        "心房颤动": "excluded",
        "心房扑动": "excluded",
    }


def test_a_sentence_in_english_ends_at_its_full_stop(certainties):
    assert certainties("No ST-T changes. Sinus rhythm")["ST-T改变"] == "excluded"


def test_the_word_behind_a_finding_concerns_the_next_one_when_that_follows(certainties):
    assert certainties("窦性心律 除外心肌缺血") == {"窦性心律": "stated", "心肌缺血": "excluded"}


def test_a_span_that_a_model_puts_on_a_denied_finding_is_excluded():

    (finding,) = parse("未见房颤", [Span(2, 4, "DIAG", 0.91234, "model")], "3").diagnoses
    assert (finding.certainty, finding.source, finding.confidence) == ("excluded", "model", 0.9123)


@pytest.mark.parametrize(
    ("text", "excluded"),
    [
        ("室早、房早、室速均未见。", ["室早", "房早", "室速"]),
        ("窦性心律，房颤、房扑均未记录到。", ["房颤", "房扑"]),
        ("室早、房早都没有", ["室早", "房早"]),
        ("房颤 | 无 | 室早 | 未见", ["房颤", "室早"]),
        ("房颤（已排除）", ["房颤"]),
        ("室速（阴性）", ["室速"]),
        ("未见室性早搏、\n房性早搏及\n停搏。", ["室性早搏", "房性早搏", "停搏"]),
        ("房早为0。", ["房早"]),
        ("室早数 0", ["室早"]),
        ("室早: 0/24h", ["室早"]),
        ("室早占0.00%", ["室早"]),
        ("室早占0.05%", []),
        ("室早均为单发", []),
        ("房颤、房扑均可见", []),
        ("心包积液：无\n室早", []),
    ],
)
def test_a_denial_reaches_what_it_is_said_of(text: str, excluded: list[str]) -> None:
    report = parse(text, propose(text, ("HR", "VALUE", "TIME", "EVENT", "DIAG")), "rules-1")
    found = [item for item in (*report.events, *report.diagnoses) if item.certainty == "excluded"]
    assert [item.text for item in sorted(found, key=lambda item: item.start) if item.text != "心包积液"] == excluded


FOUND_AND_EXCLUDED = {
    "a denial behind a list is of each item": [
        ("室早、房早未见", [], ["室早", "房早"]),
        ("室早、房早、室速未见。", [], ["室早", "房早", "室速"]),
        ("室早及房早未检出，房颤阴性", [], ["室早", "房早", "房颤"]),
        ("窦性心律，房颤、房扑(-)", ["窦性心律"], ["房颤", "房扑"]),
        ("室早/房早：无", [], ["室早", "房早"]),
        ("AF and VT not seen. PVC", ["PVC"], ["AF", "VT"]),
        ("AF or VT: none. PVC present", ["PVC"], ["AF", "VT"]),
    ],
    "it leaves what no list denies, counts, new statements and other clauses": [
        ("窦性心律、房早未见", ["窦性心律"], ["房早"]),
        ("室早3次、房早未见", ["室早"], ["房早"]),
        ("室早、房早3次，室速未见", ["室早", "房早"], ["室速"]),
        ("室早、可见房早，室速未见", ["室早", "房早"], ["室速"]),
        ("室早、未见房早", ["室早"], ["房早"]),
        ("室早、房早可见", ["室早", "房早"], []),
        ("室早、房早未见明显增多", ["室早", "房早"], []),
        ("未见室早，可见房早", ["房早"], ["室早"]),
        ("室早未见，房早可见", ["房早"], ["室早"]),
        ("房颤，未见室早", ["房颤"], ["室早"]),
        ("无胸痛。室速", ["室速"], []),
    ],
    "an empty box in front": [
        ("☐房颤", [], ["房颤"]),
        ("[ ]房颤", [], ["房颤"]),
        ("□房颤 ■房扑", ["房扑"], ["房颤"]),
        ("（ ）房颤 （√）房扑", ["房扑"], ["房颤"]),
        ("（）房颤", [], ["房颤"]),
        ("○房颤 ●房扑", ["房扑"], ["房颤"]),
        ("☐房颤☑房扑☐室早", ["房扑"], ["房颤", "室早"]),
        ("诊断： ☐ 房颤 ☒ 房扑", ["房扑"], ["房颤"]),
        ("诊断：1.☐房颤 2.☑房扑", ["房扑"], ["房颤"]),
        ("☐可见V1-V3导联T波改变", [], ["T波改变"]),
        ("[ ] Atrial fibrillation [x] Sinus rhythm", ["Sinus rhythm"], ["Atrial fibrillation"]),
        ("| ☐ | 房颤 | ☑ | 房扑 |", ["房扑"], ["房颤"]),
        ("☐考虑房颤", [], ["房颤"]),
        ("☐未见异常 ☑房颤", ["房颤"], []),
    ],
    "an empty box behind": [
        ("房颤□", [], ["房颤"]),
        ("房扑 ×", [], ["房扑"]),
        ("房扑 ×，室早3次", ["室早"], ["房扑"]),
        ("窦性心律 房扑×", ["窦性心律"], ["房扑"]),
        ("房颤☐ 房扑☑ 室早☐", ["房扑"], ["房颤", "室早"]),
        ("房颤☐房扑☑室早☐", ["房扑"], ["房颤", "室早"]),
        ("房颤：□ 房扑：√", ["房扑"], ["房颤"]),
        ("AF:□ VT:√ PVC: 3", ["VT", "PVC"], ["AF"]),
        ("房颤（）房扑（√）", ["房扑"], ["房颤"]),
        ("| 房颤 | ☐ | 房扑 | ☑ |", ["房扑"], ["房颤"]),
        ("心房颤动 ☐\n室性早搏 ☑", ["室性早搏"], ["心房颤动"]),
    ],
    "a tick, and signs that are no box": [
        ("☑房颤", ["房颤"], []),
        ("√房颤", ["房颤"], []),
        ("[x]房颤", ["房颤"], []),
        ("■房颤", ["房颤"], []),
        ("☒房颤", ["房颤"], []),
        ("房颤☑", ["房颤"], []),
        ("○窦性心律\n○室早", ["窦性心律", "室早"], []),
        ("室早×3", ["室早"], []),
        ("3×室早", ["室早"], []),
        ("ST-T改变（II、III）", ["ST-T改变"], []),
    ],
    "a choice": [
        ("房颤：☐有 ☑无", [], ["房颤"]),
        ("房颤：☑有 ☐无", ["房颤"], []),
        ("房颤（□有 ☑无）", [], ["房颤"]),
        ("房颤：有□无√；室早：有√无□", ["室早"], ["房颤"]),
        ("房颤 ☑有 ☐无 室早 ☐有 ☑无", ["房颤"], ["室早"]),
    ],
    "an answer": [
        ("房扑：N", [], ["房扑"]),
        ("房扑：Y", ["房扑"], []),
        ("房扑：无", [], ["房扑"]),
        ("房扑：(-)", [], ["房扑"]),
        ("房扑：（+）", ["房扑"], []),
        ("AF negative", [], ["AF"]),
        ("AF: no, PVC: yes", ["PVC"], ["AF"]),
        ("AF - no", [], ["AF"]),
        ("房颤：无 房扑：有", ["房扑"], ["房颤"]),
        ("房颤：0 房扑：1", ["房扑"], ["房颤"]),
        ("房颤【无】，AF [no]", [], ["房颤", "AF"]),
        ("早搏：\n无\n室早3次", ["室早"], ["早搏"]),
    ],
    "a count of zero": [
        ("R on T 0次", [], ["R on T"]),
        ("R on T：0", [], ["R on T"]),
        ("R on T 3次", ["R on T"], []),
        ("零次房早", [], ["房早"]),
        ("0次房早", [], ["房早"]),
        ("共0次房早", [], ["房早"]),
        ("室早[0]次", [], ["室早"]),
        ("室早 0 个", [], ["室早"]),
        ("室早（0）", [], ["室早"]),
        ("房早3次，室早0次", ["房早"], ["室早"]),
        ("室速0次 房早5次", ["房早"], ["室速"]),
        ("室速零次房早5次", ["房早"], ["室速"]),
        ("0-3次房早", ["房早"], []),
        ("室早10次", ["室早"], []),
        ("室早0.5次/小时", ["室早"], []),
    ],
    "non-": [
        ("非房颤心律", [], ["房颤心律"]),
        ("非房颤，为房扑", ["房扑"], ["房颤"]),
        ("不是房颤，为房扑", ["房扑"], ["房颤"]),
        ("非窦性心律", [], ["窦性心律"]),
        ("非持续性室速", ["非持续性室速"], []),
        ("非特异性T波改变", ["非特异性T波改变"], []),
        ("非ST段抬高型心肌梗死", ["非ST段抬高型心肌梗死"], []),
        ("非缺血性ST-T改变", ["缺血性ST-T改变"], []),
    ],
    "an artefact": [
        ("室速（伪差）", [], ["室速"]),
        ("室速为伪差", [], ["室速"]),
        ("伪差所致室速，房早可见", ["房早"], ["室速"]),
        ("伪室速", [], ["室速"]),
        ("室速样伪差", [], ["室速"]),
        ("肌电干扰，室早", ["室早"], []),
        ("干扰性房室分离", ["干扰性房室分离"], []),
    ],
    "what is over": [
        ("房颤已消失", [], ["房颤"]),
        ("室早已消失，房早可见", ["房早"], ["室早"]),
        ("房颤已转为窦性心律", ["窦性心律"], ["房颤"]),
        ("房颤消失后见长间歇", ["房颤", "长间歇"], []),
        ("P波消失，房颤", ["房颤"], []),
        ("房早，恢复期1min消失", ["房早"], []),
    ],
    "history is left out": [
        ("既往房颤史", [], []),
        ("房颤病史", [], []),
        ("房颤史", [], []),
        ("房颤、室早病史", [], []),
        ("既往有房颤，现窦性心律", ["窦性心律"], []),
        ("既往房颤病史，现仍为房颤", ["房颤"], []),
        ("既往房颤史 室早3次", ["室早"], []),
        ("既往心梗史、现T波倒置", ["T波倒置"], []),
        ("窦性心律、房颤病史", ["窦性心律"], []),
        ("房颤、有高血压病史", ["房颤"], []),
        ("房颤、家族史", ["房颤"], []),
        ("history of AF. PVC", ["PVC"], []),
        ("与既往心电图比较，房颤", ["房颤"], []),
    ],
    "a wave has more than one shape": [
        ("无明显ST段抬高、压低", [], ["明显ST段抬高", "压低"]),
        ("无ST段抬高及明显压低、T波倒置", [], ["ST段抬高", "压低", "T波倒置"]),
        ("ST段抬高、压低均未见", [], ["ST段抬高", "压低"]),
        ("no ST elevation or depression", [], ["ST elevation", "depression"]),
        ("无ST段抬高，可见压低", [], ["ST段抬高"]),
        ("无ST段抬高、压低0.1mV", [], ["ST段抬高"]),
        ("无ST段抬高、T波改变", [], ["ST段抬高", "T波改变"]),
    ],
    "a denial at the end of a line": [
        ("未见\n室性早搏", [], ["室性早搏"]),
        ("未见：\r\n室性早搏", [], ["室性早搏"]),
        ("监测期间未见明显\n室性早搏", [], ["室性早搏"]),
        ("窦性心律，未见\n室早，房早可见", ["窦性心律", "房早"], ["室早"]),
        ("未见\n室性早搏\n房性早搏", ["房性早搏"], ["室性早搏"]),
        ("未见异常\n室性早搏", ["室性早搏"], []),
        ("早搏：未见\n室早3次", ["室早"], ["早搏"]),
        ("房早未见\n室早", ["室早"], ["房早"]),
        ("症状：无\n室早", ["室早"], []),
        ("未见\n结论：室早", ["室早"], []),
        ("未见\n可见室早", ["室早"], []),
    ],
}


@pytest.mark.parametrize(
    ("text", "stated", "excluded"),
    [pytest.param(*case, id=f"{kind}: {case[0]!r}") for kind, cases in FOUND_AND_EXCLUDED.items() for case in cases],
)
def test_each_finding_is_stated_or_excluded(structured, text: str, stated: list[str], excluded: list[str]) -> None:
    report = structured(text)
    found = sorted((*report.events, *report.diagnoses), key=lambda item: item.start)
    by_certainty = {name: [item.text for item in found if item.certainty == name] for name in ("stated", "excluded")}
    assert by_certainty == {"stated": stated, "excluded": excluded}


@pytest.mark.parametrize("text", ["室速，考虑伪差", "室速（伪差可能）", "室速伪差不除外"])
def test_a_suspected_artefact_makes_possible(certainties, text):
    assert certainties(text) == {"室性心动过速": "possible"}


def test_a_further_shape_has_the_name_of_its_wave(certainties):
    assert certainties("无ST段抬高、压低") == {"ST段抬高": "excluded", "ST段压低": "excluded"}


@pytest.mark.parametrize("text", ["既往史：房颤", "既往房颤史", "房颤史", "☐房颤"])
def test_a_span_that_a_model_puts_on_history_or_an_empty_box_is_excluded(text):
    start = text.index("房颤")
    (finding,) = parse(text, [Span(start, start + 2, "DIAG", 0.9, "model")], "3").diagnoses
    assert finding.certainty == "excluded"
