"""The shared page, as text and in a real browser that is cut off from everything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from backend.ner.spans import Span
from trainer.dataset import Report
from trainer.error_analysis import analyse, render, without_texts
from trainer.evaluation import Found

ATTACK = '<script>document.title = "taken"</script><img src=x onerror="document.title = \'taken\'">'
REPORTS = (
    Report(1, 1, "窦性心律，心率48次/分。", (Span(0, 4, "DIAG"), Span(7, 12, "HR"))),
    Report(2, 2, f"{ATTACK}房颤", (Span(len(ATTACK), len(ATTACK) + 2, "DIAG"),)),
    Report(3, 3, "房颤", (Span(0, 2, "DIAG"),)),
)
FOUND: Found = {
    1: [Span(0, 4, "HR", score=0.8, source="model"), Span(7, 9, "HR", score=0.9, source="model")],
    2: [Span(0, len(ATTACK), "HR", score=0.7, source="model")],
    3: [Span(0, 2, "DIAG", score=0.9, source="model")],
}
LABELS = ("HR", "DIAG")


class References(HTMLParser):
    """Collects what a page refers to outside itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            str(value) for name, value in attrs if name in ("src", "href", "action") and not str(value).startswith("#")
        ]


@pytest.fixture
def show(browser: Browser, tmp_path: Path) -> Iterator[Callable[[str], Page]]:
    """Opens a page as a file, without network; whatever it complains of fails the test."""
    tab = browser.new_page(viewport={"width": 1280, "height": 2000}, offline=True)
    complaints: list[str] = []
    tab.on("console", lambda message: complaints.append(message.text))
    tab.on("pageerror", lambda error: complaints.append(str(error)))
    tab.on("request", lambda request: complaints.extend([request.url] * (not request.url.startswith("file:"))))

    def open_page(html: str) -> Page:
        path = tmp_path / "page.html"
        path.write_text(html, "utf-8")
        tab.goto(path.as_uri())
        return tab

    yield open_page
    tab.close()
    assert not complaints


def page() -> str:
    return render(analyse(REPORTS, FOUND, LABELS, version="ecg-r0001-00000000"), REPORTS, FOUND, title="demo.json")


def box(piece: Locator, inside: str) -> dict[str, float]:
    """Where something in a piece of a report lies on the page."""
    found = piece.locator(inside).bounding_box()
    assert found is not None
    return {"y": found["y"], "height": found["height"]}


def visible(tab: Page) -> tuple[list[str], int]:
    """Ids of the reports shown, and the number of their errors."""
    articles = tab.locator("article:visible")
    return [str(a.get_attribute("id")) for a in articles.all()], tab.locator("article tr[data-kind]:visible").count()


def test_the_page_refers_to_nothing_outside_itself() -> None:
    references = References()
    references.feed(page())
    assert references.found == []


def test_markup_in_a_report_is_text(show: Callable[[str], Page]) -> None:
    tab = show(page())
    assert "demo.json" in tab.title()
    assert ATTACK in tab.locator("#task-2 .report").inner_text()
    assert tab.locator("#task-2 img, #task-2 script").count() == 0


def test_every_faulty_report_is_shown_whole_with_gold_above_and_predicted_below(show: Callable[[str], Page]) -> None:
    tab = show(page())
    assert visible(tab) == (["task-1", "task-2"], 4)
    report = tab.locator("#task-1 .report")
    assert [piece.evaluate("e => e.lastChild.textContent") for piece in report.locator(".piece").all()] == [
        "窦性心律",
        "48",
        "次/分",
    ]
    text = report.evaluate("e => [...e.childNodes].map(n => n.lastChild ? n.lastChild.textContent : n.data).join('')")
    assert text.endswith(REPORTS[0].text)
    first = report.locator(".piece").first
    above, middle, below = (box(first, inside) for inside in ("i.g", "xpath=self::*", "i.p"))
    assert above["y"] + above["height"] <= middle["y"]
    assert below["y"] >= middle["y"] + middle["height"]
    assert [first.locator(i).inner_text() for i in ("i.g", "i.p")] == ["DIAG", "HR"]


def test_errors_can_be_filtered_by_kind_and_label(show: Callable[[str], Page]) -> None:
    tab = show(page())
    tab.get_by_role("button", name="boundary", exact=False).first.click()
    assert visible(tab) == (["task-1"], 1)
    tab.get_by_role("button", name="missed").click()
    assert visible(tab) == (["task-1", "task-2"], 2)
    tab.select_option("#label", label="DIAG")
    assert visible(tab) == (["task-2"], 1)
    assert tab.locator("#shown").inner_text() == "1 / 1"
    tab.locator("button[data-kind=boundary], button[data-kind=missed]").evaluate_all("all => all.map(b => b.click())")
    tab.select_option("#label", label="全部 all")
    assert visible(tab) == (["task-1", "task-2"], 4)


def test_a_click_on_an_error_marks_its_place_in_the_report(show: Callable[[str], Page]) -> None:
    tab = show(page())
    tab.locator("#task-1 tr[data-kind=boundary]").click()
    assert tab.locator(".found").evaluate_all("found => found.map(e => e.lastChild.textContent)") == ["48"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_1280_pixels_and_follows_the_colour_scheme(show: Callable[[str], Page], scheme: str) -> None:
    tab = show(page())
    tab.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    assert tab.evaluate("document.documentElement.scrollWidth <= 1280")
    ground, ink = (
        tab.evaluate(f"getComputedStyle(document.body).{name}.match(/[0-9]+/g).map(Number)[1]")
        for name in ("backgroundColor", "color")
    )
    assert (ground > ink) == (scheme == "light")


def test_a_page_without_texts_shows_the_errors_and_no_report(show: Callable[[str], Page]) -> None:
    html = render(without_texts(analyse(REPORTS, FOUND, LABELS)), REPORTS, FOUND, title="demo.json")
    assert not [part for part in ("窦性", "房颤", "次/分", "onerror") if part in html]
    tab = show(html)
    assert visible(tab) == (["task-1", "task-2"], 4)
    assert "[7, 12)" in tab.locator("#task-1").inner_text()


def test_an_analysis_without_errors_is_a_page_too(show: Callable[[str], Page]) -> None:
    tab = show(render(analyse([], {}, LABELS), title="empty"))
    assert "no errors" in tab.locator("main").inner_text()
