"""Report text and spans as HTML that shows nothing but the report: every character of it is escaped.

The text content of what comes out is the report itself, so that it can be selected and copied; labels stand in
attributes and are drawn by CSS. Colours are transparent layers over the theme's ground, so that they are right in light
and dark. Offsets are half-open code points.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

Span = Mapping[str, Any]

COLOURS = {"HR": "#e5484d", "VALUE": "#3b82f6", "TIME": "#8b5cf6", "EVENT": "#e08700", "DIAG": "#12a26b"}
"""In the middle of the brightness scale: to be seen on white and on black."""
OTHERS = ("#d6409f", "#0d9ba5", "#7c9a00", "#c2571a", "#5b6ee1")
LAYER = "33"
"""Opacity of a span's ground, hexadecimal."""

STYLE = r"""<style>
.ecg-report {white-space: pre-wrap; overflow-wrap: anywhere; line-height: 2.15; font-size: 1rem}
.ecg-report mark {color: inherit; border-radius: 3px; padding: 1px 2px}
.ecg-report mark[data-label]::after {content: "\2060" attr(data-label); font-size: .6em; font-weight: 600; opacity: .75;
  margin-left: 3px; vertical-align: super; letter-spacing: .02em}
.ecg-legend {display: flex; flex-wrap: wrap; gap: .4rem 1rem; margin-bottom: .4rem; font-size: .85rem}
.ecg-legend i {display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .35em}
.ecg-errors {width: 100%; border-collapse: collapse; font-size: .92rem}
.ecg-errors td, .ecg-errors th {padding: .4rem .6rem; border: 0; border-bottom: 1px solid rgba(128,128,128,.25);
  text-align: left; vertical-align: top}
.ecg-errors td:first-child {white-space: nowrap}
.ecg-errors a {color: inherit}
</style>"""

_UNFIT = re.compile("[\x00\ud800-\udfff]")


def colour(label: str) -> str:
    """The colour of a label, always the same; labels of other projects share five."""
    return COLOURS.get(label) or OTHERS[sum(map(ord, label)) % len(OTHERS)]


def escape(text: object) -> str:
    r"""Text for HTML and for attributes; NUL and lone surrogates, which HTML cannot hold, become U+FFFD.

    >>> escape('<b>"1"</b>\r\n')
    '&lt;b&gt;&quot;1&quot;&lt;/b&gt;&#13;\n'
    """
    return html.escape(_UNFIT.sub("\ufffd", str(text))).replace("\r", "&#13;")


def report_html(text: str, spans: Iterable[Span]) -> str:
    """The report with its spans marked; of overlapping spans the first counts, one outside the text is left out."""
    pieces, at = [], 0
    for span in sorted(spans, key=lambda span: (span["start"], span["end"])):
        start, end = span["start"], span["end"]
        if at <= start < end <= len(text):
            pieces += [escape(text[at:start]), _mark(text[start:end], span)]
            at = end
    return f'{STYLE}<div class="ecg-report">{"".join(pieces)}{escape(text[at:])}</div>'


def legend_html(labels: Mapping[str, str]) -> str:
    """The colours of labels; label -> what it is called."""
    entries = (
        f'<span><i style="background: {colour(label)}"></i>{escape(name)}</span>' for label, name in labels.items()
    )
    return f'{STYLE}<div class="ecg-legend">{"".join(entries)}</div>'


def tokens_html(text: str, tokens: Iterable[Span]) -> str:
    """The report with each token the darker the higher its entropy (0..1)."""
    pieces, at = [], 0
    for token in tokens:
        start, end = token["start"], token["end"]
        if at <= start < end <= len(text):
            pieces += [escape(text[at:start]), _token(text[start:end], token)]
            at = end
    return f'{STYLE}<div class="ecg-report">{"".join(pieces)}{escape(text[at:])}</div>'


def error_html(row: Mapping[str, Any]) -> str:
    """An excerpt around an error: what is annotated is underlined, what is predicted has a coloured ground."""
    gold, predicted = row.get("gold"), row.get("predicted")
    mentions = [mention for mention in (gold, predicted) if mention]
    text = str(row["text"])
    first = min(mention["start"] for mention in mentions)
    cuts = sorted({0, len(text), *(_within(m[end] - first, text) for m in mentions for end in ("start", "end"))})
    pieces = [_piece(text[a:b], first + a, gold, predicted) for a, b in pairwise(cuts)]
    return f"{escape(row['before'])}{''.join(pieces)}{escape(row['after'])}"


def excerpt_html(row: Mapping[str, Any], label: str) -> str:
    """An excerpt with one place marked in the colour of a label."""
    return f"{escape(row['before'])}{_mark(str(row['text']), {'label': label})}{escape(row['after'])}"


def table_html(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of cells that are HTML already; the head is text."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'{STYLE}<table class="ecg-errors ecg-report"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def link_html(url: str, name: str) -> str:
    """A link to a web page; only the name where the address is no web address."""
    if not url.startswith(("http://", "https://")):
        return escape(name)
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(name)}</a>'


def label_html(label: str) -> str:
    """The label on its colour; a dash where there is none."""
    return f'<mark style="background: {colour(label)}{LAYER}">{escape(label)}</mark>' if label else "–"


def _mark(text: str, span: Span) -> str:
    label = str(span["label"])
    found = [f"{span['confidence']:.2f}"] if "confidence" in span else []
    title = " · ".join([label, *found, *([str(span["source"])] if span.get("source") else [])])
    style = f"background: {colour(label)}{LAYER}; box-shadow: inset 0 -2px {colour(label)}"
    return f'<mark data-label="{escape(label)}" title="{escape(title)}" style="{style}">{escape(text)}</mark>'


def _token(text: str, token: Span) -> str:
    strength = min(max(float(token["entropy"]), 0.0), 1.0)
    title = f"{token['tag']} · {strength:.2f}"
    ground = f"background: rgba(229, 72, 77, {strength * 0.8:.2f}); padding: 1px 0; border-radius: 0"
    return f'<mark title="{escape(title)}" style="{ground}">{escape(text)}</mark>'


def _within(place: int, text: str) -> int:
    return min(max(place, 0), len(text))


def _piece(text: str, start: int, gold: Span | None, predicted: Span | None) -> str:
    taken = predicted and predicted["start"] <= start < predicted["end"]
    meant = gold and gold["start"] <= start < gold["end"]
    ground = f"{colour(predicted['label'])}{LAYER}" if predicted and taken else "none"
    line = f"; box-shadow: inset 0 -2px {colour(gold['label'])}" if gold and meant else ""
    return f'<mark style="padding: 1px 0; border-radius: 0; background: {ground}{line}">{escape(text)}</mark>'
