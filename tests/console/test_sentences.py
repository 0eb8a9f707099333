"""What the backend says in English, in Chinese: all of it is known, and no English is left on any screen."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from streamlit.testing.v1 import AppTest

from backend.annotated_texts import same_text
from backend.model_card import Action, Verdict
from backend.records import Hold
from console import sentences
from console.screens.parse import EXAMPLE
from console.words import Words
from tests.console import site
from tests.console.conftest import Site
from tests.console.test_screens import button, html, screen
from trainer.corpus import read
from trainer.parts import NotConnected
from trainer.promotion import MIN_COMPARED

TRAINER = "\n".join(path.read_text("utf-8") for path in sorted((site.ROOT / "trainer").glob("*.py")))
KNOWN = {
    "HR", "VALUE", "TIME", "EVENT", "DIAG", "F1", "JSON", "CSV", "txt", "docx", "MB", "ms", "Label", "Studio", "Redis",
}  # fmt: skip
"""Names that are the same in Chinese."""


def model(state: str | None = "better", **fields: Any) -> dict[str, Any]:
    given = {
        "state": state, "promoted": True, "mode": "merged", "method": "holdout", "compared_with": "ecg-r1",
        "compared_reports": 18, "difference": 0.031, "interval": [0.01, 0.05], "labels_lost": [], "debt": 0.0,
        "reason": "Promoted: it is better.",
    }  # fmt: skip
    return {**given, **fields}


def latin(text: str) -> set[str]:
    """Latin words outside of what is quoted as code, of versions and of addresses."""
    plain = re.sub(r"`[^`]*`|https?://\S+|ecg-r[0-9a-f-]+|rules-1|:material/\w+:", " ", text)
    return set(re.findall(r"[A-Za-z][A-Za-z]+\d*|F1", plain))


def test_a_decision_is_told_by_its_figures() -> None:
    assert sentences.decision(model()) == (
        "启用（规则 + 模型）：F1 比 ecg-r1 高 0.031（95 % 区间 +0.010 至 +0.050，留出集，18 份报告）。"
    )
    kept = model("worse", promoted=False, difference=-0.2, interval=None, labels_lost=["HR"], method="cross-validation")
    assert sentences.decision(kept) == ("保留 ecg-r1：F1 比 ecg-r1 低 0.200（交叉验证，18 份报告）；标签 HR 明显变差。")
    few = model("too few reports", difference=None, interval=None, compared_reports=0)
    assert sentences.decision(few) == "启用（规则 + 模型）：与 ecg-r1 相比，直接比较需要 10 份报告，目前还没有。"
    some = model("too few reports", difference=-0.02, interval=None, compared_reports=2)
    assert sentences.decision(some) == (
        "启用（规则 + 模型）：F1 比 ecg-r1 低 0.020（直接比较需要 10 份报告，目前只有 2 份）。"
    )
    debt = model("losses add up", promoted=False, difference=-0.006, debt=0.014)
    assert "累计将比最好的版本低 0.014" in sentences.decision(debt)


def test_a_loss_that_may_be_chance_is_told() -> None:
    thin = model("worse", promoted=False, difference=-0.02, interval=[-0.05, 0.01], compared_reports=12)
    assert sentences.decision(thin) == (
        "保留 ecg-r1：F1 比 ecg-r1 低 0.020（95 % 区间 -0.050 至 +0.010，留出集，12 份报告）；"
        "降幅超出允许范围，但报告较少，可能出于偶然。"
    )
    assert "偶然" not in sentences.decision(model("worse", promoted=False, difference=-0.2, interval=[-0.3, -0.1]))


def test_a_comparison_needs_as_many_reports_as_the_gate_says() -> None:
    assert sentences.FEWEST == MIN_COMPARED


def test_the_reason_of_a_copy_is_chinese() -> None:
    assert Words("zh").said(same_text(12)) == "与任务 12 文本相同"
    assert Words("en").said(same_text(12)) == same_text(12)
    assert not latin(Words("zh").said("same text as another task"))


@pytest.mark.parametrize("state", get_args(Verdict))
@pytest.mark.parametrize("difference", [None, 0.0, 0.1, -0.1])
def test_every_decision_is_chinese(state: str, difference: float | None) -> None:
    assert latin(sentences.decision(model(state, difference=difference))) <= {"F1"}


@pytest.mark.parametrize("action", get_args(Action))
@pytest.mark.parametrize("reason", ["", "rolled back from ecg-r2", "ecg-r1 chosen by hand", "hold.json is damaged"])
def test_a_persons_choice_is_told_in_chinese_before_the_gates_figures(action: str, reason: str) -> None:
    override = {"action": action, "by": "console", "since": "2026-01-02T03:04:05+00:00", "reason": reason}
    said = sentences.decision(model(promoted=action == "promoted", override=override))
    assert latin(re.sub(r"\S+T\S+", "", said)) <= {"F1"}
    assert "自动评估：F1 比 ecg-r1 高 0.031" in said


def test_why_a_version_was_kept_in_spite_of_the_gate_is_told() -> None:
    override = {"action": "held", "by": "ana", "since": "2026-01-02", "reason": "药名标错"}
    said = sentences.decision(model(promoted=False, override=override))
    assert said.startswith("保留 ecg-r1，当前版本已锁定（2026-01-02，ana）：药名标错。自动评估：")


def test_an_interval_without_width_is_not_shown() -> None:
    assert "区间" not in sentences.decision(model(difference=0.0, interval=[0.0, 0.0]))


def test_a_card_without_figures_keeps_its_sentence() -> None:
    assert sentences.decision(model(None)) == "Promoted: it is better."


def test_every_stage_of_a_round_and_a_ranking_has_a_chinese_name() -> None:
    said = r'(?:"?stage"?[=:] ?|(?:progress|enter)\()f?"([^"]+)"'
    listed = r"(?:Timeline|plan)\(\[([^\]]+)\]"
    stages = {*re.findall(said, TRAINER), *re.findall(r'"([^"]+)"', " ".join(re.findall(listed, TRAINER)))}
    assert {"training", "quantising", "ranking", "reading annotations", "preparing", "cleaning up"} <= stages
    for stage in stages:
        said = re.sub(r"\{[^}]*\}", "7", stage)
        assert not latin(Words("zh").said(said).replace("Hugging Face", "")), said
        assert Words("en").said(said)


@pytest.mark.parametrize(("label", "expected"), [("", "DIAG"), ("DIAG", ""), ("DIAG", "EVENT"), ("DIAG", "DIAG")])
def test_a_suspect_is_told_by_its_labels(label: str, expected: str) -> None:
    assert latin(sentences.suspect({"label": label, "expected": expected})) <= {"DIAG", "EVENT"}


BACKEND = [site.ROOT / "backend" / name for name in ("parsing/documents.py", "parsing/word.py")]
OUTAGES = re.compile(r'Unavailable\(\s*"([^"]+)"')
SAID = {
    *re.findall(r'(?:BadRequest|TooLarge)\(\s*"([^"]+)"', "\n".join(path.read_text("utf-8") for path in BACKEND)),
    *(what for path in (site.ROOT / "backend").rglob("*.py") for what in OUTAGES.findall(path.read_text("utf-8"))),
}


@pytest.mark.parametrize("what", sorted(SAID))
def test_what_a_document_lacks_and_what_cannot_be_reached_is_chinese(what: str) -> None:
    assert sentences.error(what)[0] != sentences.error("A new thing")[0]


@pytest.mark.parametrize(
    "reason",
    [
        "round 3 was killed whenever it ran (by SIGKILL: too little memory, or somebody stopped it)",
        "rank-7-3 was killed or ended whenever it ran: see the worker's log",
        "shard-7-3-0badcafe was killed or ended whenever it ran: see the worker's log",
        str(NotConnected("The project is not connected to a Label Studio", "7", "run `ecgal connect`")),
        str(NotConnected("Project 7 has ended (disconnected by `ecgal disconnect`)", hint="take it up")),
    ],
)
def test_why_a_job_failed_for_good_is_chinese(reason: str) -> None:
    assert "原文" not in sentences.sentence(reason)


def test_an_error_that_is_not_known_has_a_chinese_heading_and_is_quoted() -> None:
    assert sentences.error("A new thing", "`7`", 400) == ("请求有误", "原文：`A new thing: '7'`")
    assert not latin("".join(sentences.error("A new thing", "x")))


def shown(app: AppTest) -> Iterator[str]:
    """All words on a screen: of elements, cells of tables, charts and what is told when hovering."""
    for kind in ("title", "header", "subheader", "markdown", "caption", "info", "warning", "error", "success"):
        yield from (str(element.value) for element in app.get(kind))
    for kind in ("button", "text_area", "text_input", "number_input", "slider", "selectbox", "multiselect", "tab"):
        yield from (str(element.label) for element in app.get(kind))
    for metric in app.metric:
        yield from (metric.label, str(metric.value), str(metric.delta))
    yield from (option for box in (*app.selectbox, *app.multiselect) for option in box.options)
    yield from (str(bar.proto.text) for bar in app.get("progress"))
    yield re.sub(
        r"<style>.*?</style>|<(?!mark)[^>]*>|(?:style|data-label)=\"[^\"]*\"|\bmark\b|\btitle=",
        " ",
        html(app),
        flags=re.S,
    )
    for table in app.dataframe:
        named = json.loads(table.proto.columns or "{}")
        yield from (str((named.get(name) or {}).get("label") or name) for name in table.value if name != "url")
        kept = table.value.drop(columns=["task", "url"], errors="ignore").astype(object).fillna("")
        yield from (str(cell) for cell in kept.to_numpy().ravel())


def own_words() -> str:
    """Those of the reports themselves; an excerpt may begin or end within one."""
    words = {word for report in read(site.POOL).dataset.reports for word in latin(report.text)} | latin(EXAMPLE)
    return " ".join(sorted(words))


@pytest.mark.parametrize("name", ["parse", "queue", "training", "errors"])
def test_no_english_is_left_on_a_chinese_screen(backend: Site, name: str) -> None:
    backend.run_round(step=20)
    backend.queue.set_progress("1", "retrain", {"stage": "cross-validation, fold 2", "step": 3, "steps": 9})
    backend.registry.save_hold("1", Hold.parse(b""))
    backend.queue.failed("1", "rank", "Redis does not answer: ConnectionError. start it, or check REDIS_URL", now=0.0)
    app = screen(name, backend.url)
    if name == "parse":
        app = button(app, "示例")
    reports = own_words()
    left = {word for text in shown(app) for word in latin(text) if word not in reports} - KNOWN
    assert not left - {"None"}
