"""The console in Chromium: what a person does there, at 1280 pixels, cut off from the rest of the world.

Pictures of all screens, light and dark, are kept in build/screenshots/console.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from console.api import Backend
from tests.console import site
from tests.console.conftest import Site
from tests.console.site import ROOT

pytestmark = pytest.mark.slow

MILLISECONDS = 60_000
expect.set_options(timeout=MILLISECONDS)
REPORT = "24小时动态心电图：平均心率 71次/分，最快心率 133次/分（14:05），最慢心率 44次/分（03:12），室性早搏 1254 次。"
MARKS = "mark[data-label]"
KEY = "k-1"


@pytest.fixture(scope="module")
def url(running: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The console as a process."""
    port = site.free_port()
    process = site.console(tmp_path_factory.mktemp("log") / "console.log", port, **running.environment)
    yield f"http://127.0.0.1:{port}"
    process.stop()
    # Two lines when it starts; whatever else it says is a complaint.
    said = [line for line in process.log.read_text().splitlines() if line.strip()]
    assert not [line for line in said if not re.search(r"server started|view your Streamlit|URL:|Stopping", line)]


@pytest.fixture
def visit(browser: Browser, url: str, backend: Site) -> Iterator[Callable[..., Page]]:
    """Opens the console; a request to any other place, or an error in the page, fails the test."""
    complaints: list[str] = []
    tabs: list[Page] = []

    def open_page(path: str = "/", scheme: str = "light", base: str = url) -> Page:
        tab = browser.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme, locale="zh-CN")  # type: ignore[arg-type]
        tab.set_default_timeout(MILLISECONDS)
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        foreign = (base, base.replace("http", "ws", 1), "data:", "blob:")
        tab.on("request", lambda request: complaints.extend([request.url] * (not request.url.startswith(foreign))))
        tab.goto(base + path)
        tabs.append(tab)
        return tab

    yield open_page
    for tab in tabs:
        tab.close()
    assert not complaints


def downloaded(page: Page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=name).click()
    return Path(download.value.path()).read_bytes()


def figure(page: Page, name: str) -> Locator:
    """The number under a name."""
    return page.get_by_test_id("stMetric").filter(has_text=name).get_by_test_id("stMetricValue")


def test_a_pasted_report_is_parsed_and_downloaded(visit: Callable[..., Page]) -> None:
    page = visit()
    page.get_by_label("报告文本").fill(REPORT)
    page.get_by_role("button", name="解析").click()
    expect(page.locator(MARKS).first).to_be_visible()
    for name, value in (("平均心率", "71 次/分"), ("最快心率", "133 次/分"), ("最慢心率", "44 次/分")):
        expect(figure(page, name)).to_have_text(value)
    report = page.locator(".ecg-report")
    assert report.evaluate("e => e.textContent") == REPORT
    # Selected and copied, a report is the report: labels are drawn, not written.
    assert json.loads(downloaded(page, "下载 JSON"))["heart_rates"][0]["value"] == 71
    raw = downloaded(page, "下载 CSV")
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert {row["value"] for row in rows if row["item"] == "heart_rate"} == {"71", "133", "44"}


def test_both_downloads_are_the_result_on_the_page_whatever_serves_meanwhile(
    visit: Callable[..., Page], backend: Site
) -> None:
    page = visit()
    page.get_by_label("报告文本").fill(REPORT)
    page.get_by_role("button", name="解析").click()
    expect(page.locator(MARKS).first).to_be_visible()
    backend.registry.promote("1", site.OLDER)
    assert Backend(backend.url).parse(REPORT, "1")["version"] == site.OLDER
    rows = csv.DictReader(io.StringIO(downloaded(page, "下载 CSV").decode("utf-8-sig"), newline=""))
    assert {row["version"] for row in rows} == {site.SERVING}
    assert json.loads(downloaded(page, "下载 JSON"))["version"] == site.SERVING


def test_a_word_document_is_read(visit: Callable[..., Page], tmp_path: Path) -> None:
    import docx

    document = docx.Document()
    document.add_paragraph("平均心率 71次/分")
    document.add_table(1, 2).rows[0].cells[0].text = "室性早搏 1254 次"
    document.save(str(tmp_path / "报告.docx"))
    page = visit()
    page.set_input_files("input[type=file]", tmp_path / "报告.docx")
    expect(page.locator(MARKS).first).to_be_visible()
    expect(page.get_by_label("报告文本")).to_have_value(re.compile("室性早搏 1254 次"))
    expect(figure(page, "平均心率")).to_have_text("71 次/分")


def test_a_hospital_export_in_gb18030_is_read(visit: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "report.txt").write_bytes(REPORT.encode("gb18030"))
    page = visit()
    page.set_input_files("input[type=file]", tmp_path / "report.txt")
    expect(page.locator(MARKS).first).to_be_visible()
    assert page.locator(".ecg-report").evaluate("e => e.textContent") == REPORT


def test_a_file_that_is_no_document_is_refused_in_words(visit: Callable[..., Page], tmp_path: Path) -> None:
    (tmp_path / "bad.docx").write_bytes(b"PK\x03\x04 no archive")
    page = visit()
    page.set_input_files("input[type=file]", tmp_path / "bad.docx")
    expect(page.get_by_test_id("stAlert")).to_contain_text("不是 Word 文件")


def test_the_language_is_switched_and_kept(visit: Callable[..., Page]) -> None:
    page = visit()
    expect(page.get_by_role("heading", name="解析")).to_be_visible()
    page.get_by_text("English").click()
    expect(page.get_by_role("heading", name="Parse")).to_be_visible()
    page.get_by_role("link", name="Training").click()
    expect(page.get_by_role("heading", name="Learning curve")).to_be_visible()
    expect(visit("/?lang=en").get_by_role("heading", name="Parse")).to_be_visible()


def test_a_row_of_the_queue_leads_to_its_task(visit: Callable[..., Page], backend: Site) -> None:
    page = visit("/queue")
    expect(page.get_by_test_id("stDataFrame")).to_be_visible()
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "导出 CSV").decode("utf-8-sig"))))
    assert len(rows) == 50
    select_first(page)
    link = page.get_by_role("link", name=f"任务 {rows[0]['task_id']}")
    expect(link).to_have_attribute("href", f"{site.LABEL_STUDIO}/projects/1/data?task={rows[0]['task_id']}")
    expect(page.get_by_text("规则没有逐字的不确定度")).to_be_visible()


def select_first(page: Page) -> None:
    """The box in front of the first row; the table is a canvas."""
    box = page.get_by_test_id("stDataFrame").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 18, box["y"] + 55)


def test_a_row_of_the_queue_shows_how_unsure_the_network_is_of_each_character(
    visit: Callable[..., Page], with_network: Site, tmp_path: Path
) -> None:
    backend, port = Backend(with_network.url), site.free_port()
    (first,) = backend.queue("1", 1)
    tokens = backend.tokens("1", first["preview"])
    process = site.console(tmp_path / "console.log", port, **with_network.environment)
    try:
        page = visit("/queue", base=f"http://127.0.0.1:{port}")
        expect(page.get_by_test_id("stDataFrame")).to_be_visible()
        select_first(page)
        marks = page.locator(".ecg-report mark")
        expect(marks).to_have_count(len(tokens))
        assert marks.all_text_contents() == [first["preview"][token["start"] : token["end"]] for token in tokens]
        titles = [mark.get_attribute("title") for mark in marks.all()]
        assert titles == [f"{token['tag']} · {token['entropy']:.2f}" for token in tokens]
        # Darker is less sure.
        opacity = "e => Number(getComputedStyle(e).backgroundColor.split(/[,)]/)[3])"
        grounds = [mark.evaluate(opacity) for mark in marks.all()]
        assert grounds == pytest.approx([0.8 * token["entropy"] for token in tokens], abs=0.01)
        assert max(grounds) - min(grounds) > 0.2
        mean = sum(token["entropy"] for token in tokens) / len(tokens)
        expect(page.get_by_text(f"{mean:.3f}", exact=False)).to_be_visible()
        page.mouse.move(0, 0)
        page.get_by_text(f"{mean:.3f}", exact=False).scroll_into_view_if_needed()
        page.screenshot(path=pictures() / "queue_tokens_light.png")
    finally:
        process.stop()


def test_a_version_is_promoted_after_a_confirmation_only(visit: Callable[..., Page], backend: Site) -> None:
    page = visit("/training")
    page.get_by_role("button", name="启用此版本").click()
    # By its text: Streamlit's own cross has the same name, and is there before the buttons are.
    page.get_by_text("取消", exact=True).click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert backend.registry.target("1") == site.SERVING
    page.get_by_role("button", name="启用此版本").click()
    expect(page.get_by_role("dialog")).to_contain_text(site.REJECTED)
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_text(f"正在切换到 {site.REJECTED}。")).to_be_visible()
    assert backend.registry.target("1") == site.REJECTED


def test_a_roll_back_goes_to_the_version_promoted_before(visit: Callable[..., Page], backend: Site) -> None:
    page = visit("/training")
    page.get_by_role("button", name="回退到上一版本").click()
    page.get_by_role("textbox", name="原因").fill("药名标错")
    page.get_by_role("textbox", name="原因").press("Tab")
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_text(f"正在切换到 {site.OLDER}。")).to_be_visible()
    assert backend.registry.target("1") == site.OLDER
    expect(page.get_by_text("：药名标错。", exact=False)).to_be_visible()
    page.get_by_role("button", name="解除锁定").click()
    page.get_by_role("button", name="确认").click()
    expect(page.get_by_text("已解除锁定。")).to_be_visible()
    assert backend.registry.hold("1") is None


def test_a_running_round_moves_and_a_new_version_appears_without_a_click(
    visit: Callable[..., Page], backend: Site
) -> None:
    backend.run_round(step=20)
    page = visit("/training")
    expect(page.get_by_text("第 20 / 80 步", exact=False)).to_be_visible()
    backend.run_round(step=40)
    expect(page.get_by_text("第 40 / 80 步", exact=False)).to_be_visible()
    backend.registry.promote("1", site.OLDER)
    backend.registry.aim("1", site.OLDER)
    expect(page.get_by_test_id("stMetricValue").first).to_have_text(site.OLDER)


def test_the_key_is_asked_for(browser: Browser, visit: Callable[..., Page], backend: Site, tmp_path: Path) -> None:
    port = site.free_port()
    process = site.console(tmp_path / "log", port, **backend.environment, ECG_API_KEY=KEY)
    try:
        page = visit(base=f"http://127.0.0.1:{port}")
        field = page.get_by_label("访问密钥", exact=False)
        field.fill("wrong")
        page.get_by_role("button", name="进入").click()
        expect(page.get_by_text("密钥不正确")).to_be_visible()
        expect(page.get_by_role("link", name="训练")).to_have_count(0)
        field.fill(KEY)
        page.get_by_role("button", name="进入").click()
        expect(page.get_by_role("heading", name="解析")).to_be_visible()
    finally:
        process.stop()


def pictures() -> Path:
    folder = ROOT / "build" / "screenshots" / "console"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


SCREENS = {
    "": MARKS,
    "queue": "[data-testid=stDataFrame]",
    "training": "[data-testid=stVegaLiteChart]",
    "errors": "table",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_screen_fits_1280_pixels_and_follows_the_colour_scheme(
    visit: Callable[..., Page], backend: Site, scheme: str
) -> None:
    backend.run_round(step=52)
    for name, piece in SCREENS.items():
        page = visit(f"/{name}", scheme)
        if not name:
            page.get_by_role("button", name="示例").click()
        expect(page.locator(piece).first).to_be_visible()
        expect(page.get_by_test_id("stSkeleton")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= 1280")
        ground, ink = (
            page.locator("[data-testid=stApp]").evaluate(
                f"e => getComputedStyle(e).{style}.match(/[0-9]+/g).map(Number)[1]"
            )
            for style in ("backgroundColor", "color")
        )
        assert (ground > ink) == (scheme == "light")
        page.screenshot(path=pictures() / f"{name or 'parse'}_{scheme}.png")
