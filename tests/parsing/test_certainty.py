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
