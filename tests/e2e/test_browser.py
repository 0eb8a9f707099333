"""What an annotator sees in Chromium: prefilled regions, a correction, and the next version's regions.

A picture of a prefilled report is kept in build/screenshots/prefilled.png.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.e2e.stack import REPORTS, LabelProject, Stack, wait_for
from tests.label_studio import ROOT, LabelStudio
from trainer.connection import VIEW_TITLE

pytestmark = pytest.mark.e2e

SECONDS = 1000.0
"""In Playwright's milliseconds."""
SHOWN = "ECG-0012"
"""Report of the picture: a day's recording with every label."""
ATTEMPTS = 6
"""To draw a region."""
REGION = "[class*=htx-highlight]"
VERSION = ".lsf-annotation-button__name"
"""Names on the tabs above the report: the annotator, and the version of the prediction, shortened in the middle."""
DRAWN = "今日  复查完成，结论\n平稳在家。 随访观察 ，完毕"
"""No rule finds anything in it: all its regions are drawn by hand."""
TO_DRAW = ["今日  复查", "结论\n平稳", " 随访观察 "]
"""What the mouse goes over: two blanks, a line end, blank edges."""
EDGES = """([first, last]) => {
  const rect = place => {
    const walker = document.createTreeWalker(document.querySelector("[class*=richtext]"), NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const at = node.data.indexOf(place);
      if (at < 0) continue;
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + place.length);
      return range.getBoundingClientRect();
    }
  };
  const from = rect(first[0]), to = rect(last[0]);
  return [from[first[1]], (from.top + from.bottom) / 2, to[last[1]], (to.top + to.bottom) / 2];
}"""
"""Where on the page the mouse is pressed and released: an edge of one character each."""
NEXT = re.compile(r"/api/dm/actions\?id=next_task")


@pytest.fixture(scope="module")
def page(browser: Browser, label_studio: LabelStudio) -> Iterator[Page]:
    """A logged-in annotator's browser; nothing leaves the machine."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=1, locale="zh-CN")
    tab.set_default_timeout(120 * SECONDS)
    tab.goto(f"{label_studio.url}/user/login/")
    tab.fill("input[name=email]", label_studio.email)
    tab.fill("input[name=password]", label_studio.password)
    tab.click("button[type=submit]")
    tab.wait_for_url(lambda url: "/user/login" not in url)
    yield tab
    tab.close()


def open_task(page: Page, project: LabelProject, task: int) -> list[str]:
    """Open the task in the Data Manager; the texts of the regions it shows, in the report's order."""
    page.goto(f"{project.stack.label_studio.url}/projects/{project.id}/data?task={task}")
    page.wait_for_selector(REGION)
    return list(page.eval_on_selector_all(REGION, "spans => spans.map(span => span.textContent)"))


def shows(page: Page, version: str) -> bool:
    """Whether a tab above the report names the version."""
    names = page.locator(VERSION).all_inner_texts()
    return any(
        start and version.startswith(start) and version.endswith(end)
        for start, _, end in (n.partition("...") for n in names)
    )


def prediction_of(project: LabelProject, task: int) -> dict[str, Any]:
    """The one stored prediction of the task, its regions in the report's order."""
    (prediction,) = (p for p in project.predictions() if p["task"] == task)
    return {**prediction, "result": sorted(prediction["result"], key=lambda region: region["value"]["start"])}


def texts(result: list[dict[str, Any]]) -> list[str]:
    return [region["value"]["text"] for region in result]


def with_regions(project: LabelProject, least: int) -> int:
    """The most uncertain task with that many predicted regions."""
    counts = {p["task"]: len(p["result"]) for p in project.predictions()}
    return next(task for task in project.queue(100) if counts[task] >= least)


def test_a_report_is_prefilled_with_the_predicted_regions(page: Page, ecg: LabelProject) -> None:
    serving = ecg.wait_settled()["serving"]
    task = next(task for task, data in ecg.data().items() if data.get("report_id") == SHOWN)
    assert open_task(page, ecg, task) == texts(prediction_of(ecg, task)["result"])
    assert shows(page, serving)
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / "prefilled.png")


def test_the_stream_hands_out_the_queue(page: Page, ecg: LabelProject) -> None:
    ecg.wait_settled()
    first, second = ecg.queue(2)
    page.goto(f"{ecg.stack.label_studio.url}/projects/{ecg.id}/data")
    with page.expect_response(NEXT) as answer:
        page.get_by_role("button", name="Label All Tasks").click()
    assert answer.value.json()["id"] == first
    with page.expect_response(NEXT) as answer:
        page.get_by_label("skip-task").click()
    assert answer.value.json()["id"] == second
    # It is reserved for this annotator now, and would come first in every later stream.
    ecg.annotate(second, [], was_cancelled=True)
    assert not {first, second} & set(ecg.queue(1000))


def test_the_tab_of_the_queue_hands_it_out_too(page: Page, ecg: LabelProject) -> None:
    ecg.wait_settled()
    (first,) = ecg.queue(1)
    (tab,) = (view["id"] for view in ecg.client.views(ecg.id) if view["data"]["title"] == VIEW_TITLE)
    with page.expect_response(NEXT) as answer:
        page.goto(f"{ecg.stack.label_studio.url}/projects/{ecg.id}/data?tab={tab}&labeling=1")
    assert answer.value.json()["id"] == first
    ecg.annotate(first, [], was_cancelled=True)


def test_a_correction_trains_the_version_that_fills_the_next_report(page: Page, ecg: LabelProject) -> None:
    ecg.wait_settled()
    task = with_regions(ecg, 2)
    prediction = prediction_of(ecg, task)
    relabelled, _deleted, *others = prediction["result"]
    assert open_task(page, ecg, task) == texts(prediction["result"])
    label, hotkey = ("TIME", "3") if relabelled["value"]["labels"] != ["TIME"] else ("DIAG", "5")
    page.locator(REGION).nth(0).click()
    page.keyboard.press(hotkey)
    page.keyboard.press("Escape")
    page.locator(REGION).nth(1).click()
    page.keyboard.press("Backspace")
    page.get_by_label("Submit current annotation").click()

    (annotation,) = wait_for(
        lambda: ecg.http.get(f"/api/tasks/{task}/annotations/").raise_for_status().json(), "the annotation"
    )
    stored = sorted(annotation["result"], key=lambda region: region["value"]["start"])
    assert annotation["parent_prediction"] == prediction["id"]
    assert texts(stored) == texts([relabelled, *others])
    assert stored[0]["value"]["labels"] == [label]
    assert [r["value"]["labels"] for r in stored[1:]] == [r["value"]["labels"] for r in others]

    version = ecg.wait_trained({annotation["id"]})["version"]
    if ecg.status()["serving"] != version:
        ecg.serve(version)
    another = with_regions(ecg, 1)
    assert open_task(page, ecg, another) == texts(prediction_of(ecg, another)["result"])
    assert prediction_of(ecg, another)["model_version"] == version
    assert shows(page, version)


def draw(page: Page, hotkey: str, start: tuple[str, str], end: tuple[str, str]) -> None:
    """Choose the label and draw a region with the mouse, from an edge of a character to an edge of another.

    Label Studio takes no label key while it still makes the annotation, and shows nobody when it is ready: so a person
    who sees no region tries again.
    """
    before = page.locator(REGION).count()
    for _ in range(ATTEMPTS):
        page.keyboard.press(hotkey)
        x1, y1, x2, y2 = page.evaluate(EDGES, [start, end])
        page.mouse.move(x1 + (1 if start[1] == "left" else -1), y1)
        page.mouse.down()
        page.mouse.move(x2 + (1 if end[1] == "left" else -1), y2, steps=10)
        page.mouse.up()
        with suppress(PlaywrightTimeoutError):
            grown = "([css, n]) => document.querySelectorAll(css).length > n"
            page.wait_for_function(grown, arg=[REGION, before], timeout=10_000)
            break
    assert page.locator(REGION).count() > before, "nothing was drawn"
    page.keyboard.press("Escape")


@pytest.fixture(scope="module")
def drawn(stack: Stack) -> LabelProject:
    """A project of reports in which no rule finds anything."""
    config = (REPORTS / "label_config.xml").read_text("utf-8")
    texts = [DRAWN, *(f"{DRAWN}，{sign}" for sign in "甲乙丙")]  # no copies: those share one annotation
    project = LabelProject.create(stack, "手工标注", config, [{"data": {"text": text}} for text in texts])
    project.wait_settled()
    return project


def test_regions_drawn_over_blanks_and_line_ends_are_all_learned(page: Page, drawn: LabelProject) -> None:
    task = min(drawn.data())
    page.goto(f"{drawn.stack.label_studio.url}/projects/{drawn.id}/data?task={task}")
    page.locator("[class*=richtext]").filter(has_text="复查完成").first.wait_for()
    submit = page.get_by_label("Submit current annotation")
    submit.wait_for()  # the report is shown before the annotation, and label keys with it, are there
    draw(page, "4", ("今", "left"), ("查", "right"))
    draw(page, "4", ("结", "left"), ("稳", "right"))
    draw(page, "5", ("。", "right"), ("，完", "left"))
    submit.click()

    (annotation,) = wait_for(
        lambda: drawn.http.get(f"/api/tasks/{task}/annotations/").raise_for_status().json(), "the annotation"
    )
    stored = sorted((region["value"] for region in annotation["result"]), key=lambda value: value["start"])
    assert [DRAWN[value["start"] : value["end"]] for value in stored] == TO_DRAW
    assert [value["text"] for value in stored[:2]] == ["今日 复查", "结论\\n平稳"]

    card = drawn.wait_trained({annotation["id"]})
    assert (card["dataset"]["spans"], card["dataset"]["rejects"], card["dataset"]["left_out"]) == (3, [], [])
    memory = json.loads(drawn.file(card["version"], "memory.json"))
    assert memory["labelled"] == {"今日  复查": {"EVENT": 1}, "结论\n平稳": {"EVENT": 1}, "随访观察": {"DIAG": 1}}
    assert "not used" not in drawn.stack.ecgal("status", "--project", drawn.id)


def test_what_a_round_left_out_is_told_where_people_look(drawn: LabelProject) -> None:
    task = max(drawn.data())
    elsewhere = {"start": 9, "end": 14, "text": "随访观察", "labels": ["DIAG"]}
    fine = {"start": 18, "end": 22, "text": "...", "labels": ["DIAG"]}
    shape = {"from_name": "label", "to_name": "text", "type": "labels"}
    result = [{"id": name, **shape, "value": value} for name, value in (("a", elsewhere), ("b", fine))]
    card = drawn.wait_trained({drawn.annotate(task, result)["id"]})
    said = f"1 region of task {task} was not used: its text is not what the report holds"
    url = f"{drawn.stack.label_studio.url}/projects/{drawn.id}/data?task={task}"
    assert [line.startswith(said) for line in card["dataset"]["left_out"]] == [True]
    for command in ("status", "models", "doctor"):
        assert said in " ".join(drawn.stack.ecgal(command, "--project", drawn.id).split())
    assert url in drawn.stack.ecgal("status", "--project", drawn.id)
    told = drawn.status()["left_out"]
    assert (told["round"], told["regions"], told["reasons"][0]["tasks"]) == (card["round"], 1, [task])
    assert told["reasons"][0]["urls"] == [url]
