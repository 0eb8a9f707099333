import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.ner.alignment import merge_windows, spans_to_tags, tags_to_spans, windows
from backend.ner.pieces import cut
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span, resolve_overlaps

REPORTS = Path(__file__).parents[2] / "examples" / "ecg_reports"
SCHEME = LabelScheme(("HR", "VALUE", "TIME"))
AWKWARD = st.sampled_from(
    [*"窦律7 \t\r\n", "７", "／", "😀", "\u200d", "\u200b", "\ufeff", "\u0301", "e", "𠀀", "𫝆", "℃", "½"]
)
TEXTS = st.text(AWKWARD, max_size=40) | st.text(max_size=40)


def character_offsets(text: str) -> NDArray[np.int64]:
    return np.array(cut(text), dtype=np.int64).reshape(-1, 2)


@st.composite
def texts_with_spans(draw: st.DrawFn) -> tuple[str, list[Span]]:
    text = draw(TEXTS)
    if not text:
        return text, []
    ranges = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text)), st.sampled_from(SCHEME.labels))
    spans = [Span(start, end, label) for start, end, label in draw(st.lists(ranges)) if start < end]
    return text, resolve_overlaps(spans)[0]


@st.composite
def offsets_with_gaps_and_empty_tokens(draw: st.DrawFn) -> NDArray[np.int64]:
    """Tokens of 1 to 3 characters, some followed by empty ones, white space between them left out."""
    offsets, position = [], 0
    for gap, width, empties in draw(st.lists(st.tuples(st.integers(0, 1), st.integers(1, 3), st.integers(0, 2)))):
        position += gap
        offsets += [(position, position + width)] + [(position + width, position + width)] * empties
        position += width
    return np.array(offsets, dtype=np.int64).reshape(-1, 2)


@st.composite
def legal_tags(draw: st.DrawFn, max_size: int = 40) -> list[int]:
    tags: list[int] = []
    for choice in draw(st.lists(st.integers(0, 100), max_size=max_size)):
        legal = np.flatnonzero(SCHEME.allowed[tags[-1]] if tags else SCHEME.allowed_first)
        tags.append(int(legal[choice % len(legal)]))
    return tags


def round_trip(spans: list[Span], offsets: NDArray[np.int64]) -> list[Span]:
    return tags_to_spans(spans_to_tags(spans, offsets, SCHEME), offsets, SCHEME)


@given(texts_with_spans())
@example(("", []))
@example(("7", [Span(0, 1, "HR")]))
@example((" \r\n72 \r\n", [Span(0, 3, "HR"), Span(5, 8, "TIME")]))
@example(("７２次" * 2000, [Span(0, 3, "HR"), Span(3, 6, "HR"), Span(5997, 6000, "HR")]))
def test_any_disjoint_spans_of_any_text_come_back_exactly(case: tuple[str, list[Span]]) -> None:
    text, spans = case
    assert round_trip(spans, character_offsets(text)) == spans


@given(legal_tags())
def test_every_legal_tag_sequence_comes_back_exactly(tags: list[int]) -> None:
    offsets = character_offsets("心" * len(tags))
    spans = tags_to_spans(np.array(tags, dtype=np.int64), offsets, SCHEME)
    assert spans_to_tags(spans, offsets, SCHEME).tolist() == tags


@given(offsets_with_gaps_and_empty_tokens(), st.data())
def test_tokens_of_several_characters_and_several_tokens_for_one_character_come_back(
    offsets: NDArray[np.int64], data: st.DataObject
) -> None:
    filled = offsets[offsets[:, 1] > offsets[:, 0]]
    ends = st.integers(0, max(len(filled) - 1, 0))
    ranges = data.draw(st.lists(st.tuples(ends, ends, st.sampled_from(SCHEME.labels)))) if len(filled) else []
    spans = [Span(int(filled[a, 0]), int(filled[b, 1]), label) for a, b, label in ranges if a <= b]
    kept = resolve_overlaps(spans)[0]
    tags = spans_to_tags(kept, offsets, SCHEME)
    assert tags_to_spans(tags, offsets, SCHEME) == kept
    assert all(SCHEME.allowed[a, b] for a, b in pairwise(tags))


@pytest.mark.parametrize("name", ["seed10", "gold", "test"])
def test_all_gold_spans_of_the_shipped_reports_come_back(name: str) -> None:
    scheme = LabelScheme(("HR", "VALUE", "TIME", "EVENT", "DIAG"))
    for task in json.loads((REPORTS / f"{name}.json").read_bytes()):
        regions = [region["value"] for region in task["annotations"][0]["result"]]
        gold = [Span(v["start"], v["end"], v["labels"][0]) for v in regions]
        offsets = character_offsets(task["data"]["text"])
        assert tags_to_spans(spans_to_tags(gold, offsets, scheme), offsets, scheme) == sorted(gold)


def test_two_mentions_of_one_label_with_a_gap_stay_two() -> None:
    spans = [Span(0, 2, "HR"), Span(3, 5, "HR")]
    assert round_trip(spans, character_offsets("72、85")) == spans


def test_adjacent_mentions_of_one_label_stay_two() -> None:
    spans = [Span(0, 2, "HR"), Span(2, 4, "HR")]
    assert round_trip(spans, character_offsets("7285")) == spans


def test_spans_in_any_order_give_the_same_tags() -> None:
    offsets = character_offsets("72、85")
    spans = [Span(3, 5, "HR"), Span(0, 2, "TIME")]
    assert spans_to_tags(spans, offsets, SCHEME).tolist() == spans_to_tags(spans[::-1], offsets, SCHEME).tolist()


def test_empty_tokens_carry_the_tag_of_their_character_on() -> None:
    offsets = np.array([[0, 1], [1, 1], [1, 2], [2, 2]])
    assert spans_to_tags([Span(0, 1, "HR")], offsets, SCHEME).tolist() == [1, 2, 0, 0]
    assert spans_to_tags([Span(1, 2, "HR")], offsets, SCHEME).tolist() == [0, 0, 1, 2]


def test_a_span_of_empty_tokens_only_is_left_out() -> None:
    assert tags_to_spans(np.array([0, 1]), np.array([[0, 1], [1, 1]]), SCHEME) == []


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (Span(1, 4, "HR"), "begin and end"),
        (Span(0, 3, "HR"), "begin and end"),
        (Span(2, 2, "HR"), "begin and end"),
        (Span(4, 5, "HR"), "begin and end"),
        (Span(9, 12, "HR"), "begin and end"),
        (Span(-2, 2, "HR"), "begin and end"),
        (Span(0, 2, "DRUG"), "not one of HR, VALUE, TIME"),
    ],
)
def test_a_span_that_tags_cannot_express_is_named(span: Span, reason: str) -> None:
    offsets = np.array([[0, 2], [2, 4], [5, 6]])
    with pytest.raises(ValueError, match=rf"span {span.start}:{span.end} {span.label}: .*{reason}"):
        spans_to_tags([span], offsets, SCHEME)


def test_overlapping_spans_are_refused() -> None:
    with pytest.raises(ValueError, match="span 1:3 TIME: it overlaps"):
        spans_to_tags([Span(0, 2, "HR"), Span(1, 3, "TIME")], character_offsets("72次"), SCHEME)


def test_a_span_of_a_text_without_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="span 0:1 HR"):
        spans_to_tags([Span(0, 1, "HR")], character_offsets(""), SCHEME)


@pytest.mark.parametrize(
    ("tags", "ranges"),
    [
        ([2, 2, 0], [(0, 2, "HR")]),
        ([0, 2, 4], [(1, 2, "HR"), (2, 3, "VALUE")]),
        ([1, 4, 4], [(0, 1, "HR"), (1, 3, "VALUE")]),
        ([3, 0, 4], [(0, 1, "VALUE"), (2, 3, "VALUE")]),
    ],
)
def test_an_inside_tag_that_continues_nothing_begins_a_span(
    tags: list[int], ranges: list[tuple[int, int, str]]
) -> None:
    spans = tags_to_spans(np.array(tags), character_offsets("abc"), SCHEME)
    assert [(s.start, s.end, s.label) for s in spans] == ranges


def test_a_span_scores_the_mean_probability_of_its_tags() -> None:
    probabilities = np.zeros((3, len(SCHEME.tags)), dtype=np.float32)
    probabilities[[0, 1, 2], [1, 2, 3]] = [1.0, 0.5, 0.25]
    spans = tags_to_spans(np.array([1, 2, 3]), character_offsets("72b"), SCHEME, probabilities, source="model")
    assert [(s.score, s.source) for s in spans] == [(0.75, "model"), (0.25, "model")]
    assert type(spans[0].score) is float
    assert type(spans[0].start) is int


def test_a_span_without_probabilities_scores_one() -> None:
    assert tags_to_spans(np.array([1]), character_offsets("7"), SCHEME)[0].score == 1.0


@given(st.integers(0, 300), st.integers(1, 60), st.data())
def test_windows_cover_all_tokens_have_full_size_and_share_the_overlap(n: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    ranges = windows(n, size, overlap)
    assert {i for start, end in ranges for i in range(start, end)} == set(range(n))
    assert all(end - start == min(size, n) for start, end in ranges)
    assert all(first[1] - second[0] >= overlap and first[0] < second[0] for first, second in pairwise(ranges))


@given(st.integers(0, 300), st.integers(1, 60), st.data())
def test_windows_merged_are_the_whole(n: int, size: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, size - 1))
    whole = np.arange(n * 3, dtype=np.float32).reshape(n, 3)
    parts = [((start, end), whole[start:end]) for start, end in windows(n, size, overlap)]
    merged = merge_windows(data.draw(st.permutations(parts)), n)
    assert merged.shape[0] == n
    assert np.array_equal(merged, whole) or n == 0


@given(st.integers(1, 200), st.integers(1, 40), st.data())
def test_each_token_comes_from_the_window_where_it_is_farthest_from_an_edge(
    n: int, size: int, data: st.DataObject
) -> None:
    ranges = windows(n, size, data.draw(st.integers(0, size - 1)))
    parts = [((start, end), np.full((end - start, 1), i)) for i, (start, end) in enumerate(ranges)]

    def margin(token: int, window: tuple[int, int]) -> int:
        left = token - window[0] if window[0] > 0 else n
        right = window[1] - 1 - token if window[1] < n else n
        return min(left, right)

    for token, (source,) in enumerate(merge_windows(parts, n)):
        margins = [margin(token, w) if w[0] <= token < w[1] else -1 for w in ranges]
        assert source == margins.index(max(margins))


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (4, 4), (4, -1), (4, 5)])
def test_windows_that_would_not_advance_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError, match=f"got {overlap} of {size}"):
        windows(10, size, overlap)


def test_a_token_without_a_window_is_an_error() -> None:
    with pytest.raises(ValueError, match="token 1 of 2"):
        merge_windows([((0, 1), np.zeros((1, 3)))], 2)
    with pytest.raises(ValueError, match="token 0 of 1"):
        merge_windows([], 1)


def test_a_window_with_a_wrong_number_of_rows_is_an_error() -> None:
    with pytest.raises(ValueError, match="window 0:2 has 3 rows"):
        merge_windows([((0, 2), np.zeros((3, 3)))], 2)
