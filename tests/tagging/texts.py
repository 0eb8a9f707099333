"""Texts of every kind that the product lets in: valid Unicode of any script, with or without anything to see."""

from __future__ import annotations

from hypothesis import strategies as st

from backend.ner.spans import Span
from backend.rules import SpanMemory

MEMORY = SpanMemory.from_reports(
    [("可见怪异搏动，心率72次/分", [Span(2, 6, "EVENT")]), ("张三任总经理", [Span(0, 2, "NAME")])]
)
REPORT = "窦性心律，心率７２次/分，QTc 1.68s。未见房颤，可见怪异搏动"
ODD = ["", " ", "\u3000\n\t \u200b", "𠀀𝟗🫀", "e\u0301", "İß", "\x00\ufeff", "1.", "...", "\r\n\r\n"]

_PIECES = [
    "窦性心律",
    "未见",
    "房颤",
    "怪异搏动",
    "张三",
    "，",
    "。",
    "\n",
    " ",
    "72",
    "１２：３０",
    "次/分",
    "1.68",
    "s",
    "QTc",
    "𠀀",
    "a\u0301",
]
TEXT = st.one_of(
    st.text(max_size=40), st.lists(st.sampled_from(_PIECES), max_size=12).map("".join), st.sampled_from(ODD)
)
TEXTS = st.lists(TEXT, max_size=5)
