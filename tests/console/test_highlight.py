"""Whatever a report holds, its HTML is the report, and nothing in it is markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from console import highlight

ATTACK = "<script>alert(1)</script><img src=x onerror=\"alert(1)\">' onmouseover='x"
PIECES = st.one_of(
    st.text(max_size=20), st.sampled_from([ATTACK, "&lt;", "&#13;", "\r\n", "\x00", "</div>", '"', "室早"])
)
TEXTS = st.lists(PIECES, max_size=5).map("".join)


class Content(HTMLParser):
    """The text and the tags of a piece of HTML, its style sheet left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text, self.tags, self.attributes = "", [], []
        self.feed(html.removeprefix(highlight.STYLE))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


@st.composite
def reports(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    text = draw(TEXTS)
    ends = st.integers(-2, len(text) + 2)
    fields = {"start": ends, "end": ends, "label": TEXTS, "confidence": st.floats(0, 1), "source": TEXTS}
    return text, draw(st.lists(st.fixed_dictionaries(fields), max_size=5))


def readable(text: str) -> str:
    """What HTML can hold of a text."""
    return re.sub("[\x00\ud800-\udfff]", "\ufffd", text)


@given(reports())
@example((ATTACK, [{"start": 0, "end": 8, "label": ATTACK, "confidence": 1.0, "source": ATTACK}]))
@example(("a\r\nb\r", [{"start": 1, "end": 2, "label": "HR", "confidence": 1.0, "source": ""}]))
def test_the_content_is_the_report_whatever_the_spans(report: tuple[str, list[dict[str, Any]]]) -> None:
    text, spans = report
    content = Content(highlight.report_html(text, spans))
    assert content.text == readable(text)
    assert set(content.tags) <= {"div", "mark"}
    assert set(content.attributes) <= {"class", "style", "title", "data-label"}


@given(TEXTS, st.data())
def test_the_tokens_are_the_report_too(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    tokens = [{"start": a, "end": b, "entropy": 0.5, "tag": "O"} for a, b in pairwise(cuts)]
    assert Content(highlight.tokens_html(text, tokens)).text == readable(text)


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 5), st.integers(0, 5))
def test_an_excerpt_keeps_every_character(before: str, text: str, after: str, cut: int, start: int) -> None:
    gold = {"start": start, "end": start + len(text), "label": "HR"}
    predicted = {"start": start, "end": start + max(1, len(text) - cut), "label": ATTACK}
    row = {"before": before, "text": text, "after": after, "gold": gold, "predicted": predicted}
    content = Content(highlight.error_html(row))
    assert content.text == readable(before + text + after)
    assert set(content.tags) <= {"mark"}


def test_marked_are_exactly_the_spans_and_of_overlapping_ones_the_first() -> None:
    spans = [
        {"start": 5, "end": 9, "label": "HR", "confidence": 0.9, "source": "rate"},
        {"start": 7, "end": 10, "label": "VALUE", "confidence": 0.9, "source": ""},
        {"start": 0, "end": 4, "label": "DIAG", "confidence": 0.5, "source": "model"},
    ]
    html = highlight.report_html("窦性心律，心率48次", spans)
    assert re.findall(r'data-label="(\w+)" title="([^"]+)"[^>]*>(.*?)<', html) == [
        ("DIAG", "DIAG · 0.50 · model", "窦性心律"),
        ("HR", "HR · 0.90 · rate", "心率48"),
    ]


def test_in_an_error_the_gold_span_is_underlined_and_the_predicted_one_has_a_ground() -> None:
    row = {
        "before": "心率",
        "text": "48次/分",
        "after": "。",
        "gold": {"start": 7, "end": 12, "label": "HR"},
        "predicted": {"start": 7, "end": 9, "label": "VALUE"},
    }
    html = highlight.error_html(row)
    blue, red = highlight.COLOURS["VALUE"], highlight.COLOURS["HR"]
    assert f"background: {blue}{highlight.LAYER}; box-shadow: inset 0 -2px {red}" in html.partition(">48<")[0]
    assert f"background: none; box-shadow: inset 0 -2px {red}" in html.partition(">48<")[2].partition(">次/分<")[0]


def test_a_surer_token_is_lighter() -> None:
    tokens = [{"start": i, "end": i + 1, "entropy": entropy, "tag": "O"} for i, entropy in enumerate((0.1, 0.9))]
    low, high = re.findall(r"rgba\(229, 72, 77, ([0-9.]+)\)", highlight.tokens_html("ab", tokens))
    assert float(low) < float(high)


def test_only_web_addresses_become_links() -> None:
    assert "href" not in highlight.link_html("javascript:alert(1)", "x")
    assert 'href="http://ls/?a=1&amp;b=&quot;"' in highlight.link_html('http://ls/?a=1&b="', "x")
