"""What an annotator sees in Chromium: prefilled regions, a correction, and the next version's regions.

A picture of a prefilled report is kept in build/screenshots/prefilled.png.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.e2e.stack import LabelProject
from tests.label_studio import ROOT, LabelStudio

pytestmark = pytest.mark.e2e

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 1000.0
"""In Playwright's milliseconds."""
SHOWN = "ECG-0012"
"""Report of the picture: a day's recording with every label."""
REGION = "[class*=htx-highlight]"


@pytest.fixture(scope="module")
def page(label_studio: LabelStudio) -> Iterator[Page]:
    """A logged-in annotator's browser; nothing leaves the machine."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: `make browser` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        tab = browser.new_page(viewport={"width": 1440, "height": 900}, device_scale_factor=1, locale="zh-CN")
        tab.set_default_timeout(120 * SECONDS)
        tab.goto(f"{label_studio.url}/user/login/")
        tab.fill("input[name=email]", label_studio.email)
        tab.fill("input[name=password]", label_studio.password)
        tab.click("button[type=submit]")
        tab.wait_for_url(lambda url: "/user/login" not in url)
        yield tab
        browser.close()


def open_task(page: Page, project: LabelProject, task: int) -> Counter[str]:
    """Open the task in the Data Manager; the texts of the regions it shows."""
    page.goto(f"{project.stack.label_studio.url}/projects/{project.id}/data?task={task}")
    return shown(page)


def shown(page: Page) -> Counter[str]:
    """The texts of the regions in the open report."""
    page.wait_for_selector("[class*=richtext]")
    page.wait_for_selector(REGION)
    return Counter(page.eval_on_selector_all(REGION, "spans => spans.map(span => span.textContent)"))


def predicted(project: LabelProject, task: int) -> Counter[str]:
    """The texts of the stored prediction, as a browser shows them."""
    (prediction,) = (p for p in project.predictions() if p["task"] == task)
    return Counter(region["value"]["text"].replace("\r\n", "\n") for region in prediction["result"])


def test_a_report_is_prefilled(page: Page, ecg: LabelProject) -> None:
    ecg.wait_settled()
    task = next(task for task, data in ecg.data().items() if data.get("report_id") == SHOWN)
    assert open_task(page, ecg, task) == predicted(ecg, task)
    folder = ROOT / "build" / "screenshots"
    folder.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=folder / "prefilled.png")
