"""Spans to token tags and back, and long texts to windows and back.

Offsets are [n, 2] half-open code point ranges, in order and disjoint. A token may be empty (start == end): when the
tokenizer needs several tokens for one character, the first has the character's range and the others are empty ranges
at its end. They carry on the tag of the token before them and never change where a span ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span


def spans_to_tags(spans: Sequence[Span], offsets: NDArray[np.int64], scheme: LabelScheme) -> NDArray[np.int64]:
    """Tag ids [n] that express disjoint spans in any order.

    Raises ValueError, naming the span by offsets and label, if an end of it is not the end of a token, if its label is
    not in the scheme, or if it overlaps another one.

    >>> offsets = np.array([[0, 1], [1, 2], [2, 3]])
    >>> spans_to_tags([Span(1, 3, "HR")], offsets, LabelScheme(("HR",))).tolist()
    [0, 1, 2]
    """
    tags = np.zeros(len(offsets), dtype=np.int64)
    filled = np.flatnonzero(offsets[:, 1] > offsets[:, 0]) if len(offsets) else np.zeros(0, dtype=np.int64)
    starts, ends = offsets[filled, 0], offsets[filled, 1]
    firsts = np.append(filled, len(offsets))  # the empty tokens behind a filled one belong to it
    for span in spans:
        name = f"span {span.start}:{span.end} {span.label}"
        if span.label not in scheme.label_ids:
            raise ValueError(f"{name}: the label is not one of {', '.join(scheme.labels)}")
        first, last = int(np.searchsorted(starts, span.start)), int(np.searchsorted(ends, span.end))
        if not (first <= last < len(filled) and starts[first] == span.start and ends[last] == span.end):
            raise ValueError(f"{name}: it does not begin and end where tokens do")
        block = tags[firsts[first] : firsts[last + 1]]
        if block.any():
            raise ValueError(f"{name}: it overlaps another span")
        block[:] = 2 + 2 * scheme.label_ids[span.label]
        block[0] -= 1
    return tags


def tags_to_spans(
    tags: NDArray[np.int64],
    offsets: NDArray[np.int64],
    scheme: LabelScheme,
    probabilities: NDArray[Any] | None = None,
    *,
    source: str = "",
) -> list[Span]:
    """Spans that the tags [n] express, in order and disjoint; the inverse of `spans_to_tags`.

    With probabilities [n, tags] a span's score is the mean probability of its tags, else 1.0. A sequence that BIO
    forbids (`viterbi` yields none) is read as in CoNLL: an I-x that does not continue an x begins a span. A span of
    empty tokens only is left out.

    >>> offsets = np.array([[0, 1], [1, 2], [2, 3]])
    >>> [(s.start, s.end) for s in tags_to_spans(np.array([1, 2, 1]), offsets, LabelScheme(("HR",)))]
    [(0, 2), (2, 3)]
    """
    spans = []
    chosen = [1.0] * len(tags) if probabilities is None else probabilities[np.arange(len(tags)), tags].tolist()
    for first, end in _blocks(np.asarray(tags).tolist()):
        start, stop = int(offsets[first, 0]), int(offsets[end - 1, 1])
        if start == stop:
            continue
        score = sum(chosen[first:end]) / (end - first)
        spans.append(Span(start, stop, scheme.labels[(int(tags[first]) - 1) // 2], score, source))
    return spans


def _blocks(tags: list[int]) -> list[tuple[int, int]]:
    """Half-open token ranges of the spans: a B, or an I that continues nothing, and the I's of its label behind it."""
    blocks: list[tuple[int, int]] = []
    inside = 0  # the I-tag that would continue the open span; 0: none is open
    for i, tag in enumerate(tags):
        if tag and tag == inside:
            blocks[-1] = (blocks[-1][0], i + 1)
        elif tag:
            blocks.append((i, i + 1))
        inside = tag + tag % 2
    return blocks


def windows(n_tokens: int, size: int, overlap: int, whole: int = 0) -> list[tuple[int, int]]:
    """Half-open token ranges that cover a text of n_tokens, neighbours sharing at least `overlap` tokens.

    The last window is moved back, so that every window has `size` tokens if the text has. A text of up to `whole`
    tokens is one window. No window for no tokens. Raises ValueError unless 0 <= overlap < size.

    >>> windows(10, size=6, overlap=2), windows(11, size=6, overlap=2), windows(3, size=6, overlap=2)
    ([(0, 6), (4, 10)], [(0, 6), (4, 10), (5, 11)], [(0, 3)])
    >>> windows(10, size=6, overlap=2, whole=10)
    [(0, 10)]
    """
    if not 0 <= overlap < size:
        raise ValueError(f"window overlap must be at least 0 and below the size, got {overlap} of {size}")
    if n_tokens <= max(size, whole):
        return [(0, n_tokens)] if n_tokens else []
    last = n_tokens - size
    return [(start, start + size) for start in [*range(0, last, size - overlap), last]]


def merge_windows(parts: Sequence[tuple[tuple[int, int], NDArray[Any]]], n_tokens: int) -> NDArray[Any]:
    """One row for each token out of windows that overlap: from the window where it is farthest from an edge.

    An edge is where context was cut off, so the two ends of the text are none. Of two equal windows the first counts.
    No tokens: an array of shape (0, 0). Raises ValueError if a window has too few or many rows, or a token has none.

    >>> left, right = np.array([[1.0], [1.0], [1.0]]), np.array([[2.0], [2.0], [2.0]])
    >>> merge_windows([((0, 3), left), ((1, 4), right)], 4).ravel().tolist()
    [1.0, 1.0, 2.0, 2.0]
    """
    best = np.full(n_tokens, -1, dtype=np.int64)
    merged = np.zeros((n_tokens, *parts[0][1].shape[1:]), dtype=parts[0][1].dtype) if parts else np.zeros((0, 0))
    for (start, end), rows in parts:
        if len(rows) != end - start:
            raise ValueError(f"window {start}:{end} has {len(rows)} rows")
        margin = _margins(start, end, n_tokens)
        better = margin > best[start:end]
        best[start:end][better] = margin[better]
        merged[start:end][better] = rows[better]
    if (best < 0).any():
        raise ValueError(f"token {int(np.argmin(best))} of {n_tokens} is in no window")
    return merged


def _margins(start: int, end: int, n_tokens: int) -> NDArray[np.int64]:
    """Tokens between each token of a window and the nearest edge of it, n_tokens if it has no edge."""
    steps = np.arange(end - start, dtype=np.int64)
    no_edge = np.full_like(steps, n_tokens)
    margins: NDArray[np.int64] = np.minimum(steps if start else no_edge, steps[::-1] if end < n_tokens else no_edge)
    return margins
