"""The same report as another device or typist would write it: units, punctuation, width, line ends, case.

A style is chosen for the whole report, because devices and people are consistent.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from random import Random

from trainer.augmentation.material import Material, some
from trainer.augmentation.segments import Segment, Segments

Style = Callable[[Segment], str]
"""The text of a segment in another style; never empty for a mention."""

SHARE = 0.25

_UNITS = (
    ("次/分", "次/min", "bpm", "次／分", "次/分钟", "BPM"),
    ("ms", "毫秒"),
    ("mV", "毫伏", "mv"),
    ("°", "度"),
    ("%", "％"),
    ("小时", "h"),
    ("分钟", "min"),
)
_TO_HALF = str.maketrans("，；：（）？！、。", ",;:()?!,.")
_TO_FULL = dict(zip(",;:()?!.", "，；：（）？！。", strict=True))
_LONE_SIGN = re.compile(r"(?<![A-Za-z0-9.])[,;:()?!.](?![A-Za-z0-9.])")
"""Half-width punctuation that neither joins nor ends letters or figures: 10:44, V1,V2, 1. and (n=3) stay."""
_FIGURES = "0123456789%/.:"
_WIDE_FIGURES = "０１２３４５６７８９％／．："
_TO_WIDE = str.maketrans(_FIGURES, _WIDE_FIGURES)
_NARROW_FIGURE = re.compile(r"[0-9%/]|(?<=[0-9])[.:](?=[0-9])")
_TO_NARROW = str.maketrans(_WIDE_FIGURES, _FIGURES)


def surface(segments: Segments, _material: Material, rng: Random) -> Segments:
    """Write the whole report in one or more other styles that change it."""
    changing = [style for style in _styles(rng) if any(style(segment) != segment.text for segment in segments)]
    for style in some(rng, changing, SHARE):
        segments = tuple(replace(segment, text=style(segment)) for segment in segments)
    return segments


def _styles(rng: Random) -> list[Style]:
    """Every style; which unit becomes which is drawn here, once for the report."""
    swaps = [_unit_style(group, rng.choice(group)) for group in _UNITS]
    ranges = _range_style(rng.choice("-~～"))
    return [
        *swaps,
        ranges,
        _half_width,
        _full_width,
        _wide_figures,
        _narrow_figures,
        _spaced,
        _unspaced,
        _lines,
        _lower,
    ]


def _unit_style(group: tuple[str, ...], unit: str) -> Style:
    ordered = sorted(group, key=lambda word: (-len(word), word))
    pattern = re.compile(rf"(?<=[0-9０-９])([ \t]?)(?:{'|'.join(map(re.escape, ordered))})(?![A-Za-z/／每钟²])")
    return lambda segment: pattern.sub(lambda match: match[1] + unit, segment.text)


def _range_style(sign: str) -> Style:
    """49-108次/分 as 49~108次/分: only in mentions with a unit, so that no date is taken for a range."""
    pattern = re.compile(r"^([0-9.]+)[-~～]([0-9.]+(?:次|bpm|BPM|ms|mV))")
    return lambda segment: pattern.sub(rf"\1{sign}\2", segment.text) if segment.label else segment.text


def _half_width(segment: Segment) -> str:
    return segment.text if segment.label else segment.text.translate(_TO_HALF)


def _full_width(segment: Segment) -> str:
    return segment.text if segment.label else _LONE_SIGN.sub(lambda match: _TO_FULL[match[0]], segment.text)


def _wide_figures(segment: Segment) -> str:
    return _NARROW_FIGURE.sub(lambda match: match[0].translate(_TO_WIDE), segment.text)


def _narrow_figures(segment: Segment) -> str:
    return segment.text.translate(_TO_NARROW)


def _spaced(segment: Segment) -> str:
    """72次/分 as 72 次/分."""
    pattern = r"(?<=[0-9])(?=(?:次/|bpm|ms|mV|s$|秒$))"
    return re.sub(pattern, " ", segment.text) if segment.label else segment.text


def _unspaced(segment: Segment) -> str:
    return re.sub(r"(?<=[0-9])[ \t]+(?=[^\s\d+\-−/~(])", "", segment.text) if segment.label else segment.text


def _lines(segment: Segment) -> str:
    r"""Line ends of the other operating system: \n as \r\n and back."""
    text = segment.text
    return text.replace("\r\n", "\n") if "\r\n" in text else text.replace("\n", "\r\n")


def _lower(segment: Segment) -> str:
    """Latin letters in lower case, length kept; roman numerals and full-width letters stay."""
    return "".join(char.lower() if char.isascii() else char for char in segment.text)
