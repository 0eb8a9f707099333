from collections import defaultdict

import pytest

from backend.parsing.canonical import canonical
from backend.parsing.resources import by_synonym, names
from backend.rules.lexicon import expand
from backend.rules.resources import table


@pytest.mark.parametrize(
    ("name", "wordings"),
    [
        (
            "室性早搏",
            ["室早", "室性早博", "频发室性期前收缩", "室早博", "频发室早搏", "ＰＶＣ", "偶发PVCs", "室性异位搏动"],
        ),
        ("成对室性早搏", ["成对室早", "室早成对", "成对PVC"]),
        ("室性早搏二联律", ["室性二联律", "室早二联律"]),
        ("室性心动过速", ["短阵室速", "非持续性室速", "NSVT"]),
        ("心房颤动", ["房颤", "Af", "阵发性心房颤动", "房颤心律"]),
        ("一度房室传导阻滞", ["I°AVB", "Ⅰ°房室传导阻滞", "一度房室传到阻滞"]),
        ("二度I型房室传导阻滞", ["二度Ⅰ型房室传导阻滞", "二度文氏型房室传导阻滞"]),
        ("完全性右束支传导阻滞", ["CRBBB", "完右", "完全性右束支阻制", "间歇性完全性右束支传导阻滞", "完全右束支阻滞"]),
        ("不完全性左束支传导阻滞", ["不完左", "不完全左", "间歇性不完全左束支阻滞", "不完全左束支传导延迟"]),
        ("ST段压低", ["ST段下移", "ＳＴ段下底"]),
        ("陈旧性下壁心肌梗死", ["陈旧性下壁心梗", "陈旧下壁心肌梗塞"]),
        ("正常心电图", ["正常ECG", "正常动态心电图", "心电图正常"]),
    ],
)
def test_synonyms_have_one_name(name, wordings):
    assert {canonical(wording) for wording in wordings} == {name}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("完全性右束支传导阻滞", "不完全性右束支传导阻滞"),
        ("急性下壁心肌梗死", "陈旧性下壁心肌梗死"),
        ("左室高电压", "左室肥厚"),
        ("室性早搏", "房性早搏"),
        ("非阵发性交界性心动过速", "交界性心动过速"),
        ("一过性ST段压低", "ST段压低"),
        ("单发室早", "室早"),
    ],
)
def test_different_findings_keep_different_names(one, other):
    assert canonical(one) != canonical(other)


def test_every_term_of_the_lexicon_has_a_name_whose_name_is_itself():
    lexicon = table("lexicon.toml")
    terms = [term for family in lexicon["family"] for term in expand(family["terms"], lexicon["parts"])]
    unstable = [term for term in terms if not canonical(term) or canonical(canonical(term)) != canonical(term)]
    assert len(terms) > 10_000
    assert not unstable


def test_every_wording_leads_to_the_name_that_lists_it():
    parts = table("lexicon.toml")["parts"]
    wrong = defaultdict(list)
    for written, name in by_synonym("wordings"):
        for term in expand([written], parts):
            # Names that another section drops or completes (二度文氏型 ...) still end at one name.
            if canonical(term) != canonical(name):
                wrong[name].append(term)
    assert not wrong


def test_no_wording_is_listed_under_two_names():
    seen = defaultdict(set)
    for written, name in by_synonym("wordings", key_itself=False):
        for term in expand([written], table("lexicon.toml")["parts"]):
            seen[term].add(name)
    assert not {term: found for term, found in seen.items() if len(found) > 1}


def test_no_measurement_is_listed_under_two_names():
    listed = [written for written, _ in by_synonym("measurements")]
    assert len(listed) == len(set(listed))
    assert set(names()["counting"]["relative"]) <= set(names()["measurements"])


def test_what_only_names_a_half_is_completed(structured):
    def found(text: str) -> list[str]:
        report = structured(text)
        return [finding.canonical for finding in (*report.events, *report.diagnoses)]

    assert found("室性早搏 总73 成对1") == ["室性早搏", "成对室性早搏"]
    assert found("房性早搏共88次，二联律2阵") == ["房性早搏", "房性早搏二联律"]
    assert found("频发房早，部分呈二、三联律") == ["房性早搏", "房性早搏二、三联律"]
    assert found("房性、室性早搏") == ["房性早搏", "室性早搏"]
    assert found("室上性：总数364次") == ["室上性早搏"]
    assert found("室性早搏 单发120 短阵3") == ["室性早搏", "单发室性早搏", "室性心动过速"]
    assert found("有时成对 8") == ["成对早搏"]
    assert found("右束支及左前分支传导阻滞") == ["右束支传导阻滞", "左前分支传导阻滞"]
