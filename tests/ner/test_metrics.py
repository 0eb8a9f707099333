import warnings
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from seqeval.metrics import classification_report, f1_score
from seqeval.scheme import IOB2

from backend.ner.alignment import spans_to_tags, tags_to_spans
from backend.ner.decoding import viterbi
from backend.ner.metrics import Counts, Edits, edits, match_counts, scores_of, span_scores
from backend.ner.pieces import cut
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span, resolve_overlaps

SCHEME = LabelScheme(("HR", "TIME"))
LENGTH = 12
OFFSETS = np.array(cut("x" * LENGTH))
RANGES = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 4), st.sampled_from(SCHEME.labels))
REPORT = st.lists(RANGES, max_size=6).map(
    lambda ranges: resolve_overlaps(Span(start, min(start + n, LENGTH), label) for start, n, label in ranges)[0]
)


TAGS = st.integers(0, 2**32).map(
    lambda seed: viterbi(np.random.default_rng(seed).normal(size=(LENGTH, len(SCHEME.tags))), SCHEME).tolist()
)


def read(tags: list[int]) -> list[Span]:
    return tags_to_spans(np.array(tags), OFFSETS, SCHEME)


def tag_names(spans: list[Span]) -> list[str]:
    return [SCHEME.tags[tag] for tag in spans_to_tags(spans, OFFSETS, SCHEME)]


def fewest_actions(gold: list[Span], predicted: list[Span]) -> int:
    """By trying all sets of spans to relabel or move, each at most once, on what is not equal."""
    missing, extra = sorted(set(gold) - set(predicted)), sorted(set(predicted) - set(gold))
    pairs = [
        (i, j)
        for i, g in enumerate(missing)
        for j, p in enumerate(extra)
        if (g.start, g.end) == (p.start, p.end) or (g.label == p.label and g.overlaps(p))
    ]
    for size in range(min(len(missing), len(extra)), 0, -1):
        for chosen in combinations(pairs, size):
            if len({i for i, _ in chosen}) == len({j for _, j in chosen}) == size:
                return len(missing) + len(extra) - size
    return len(missing) + len(extra)


@given(st.lists(st.tuples(REPORT, REPORT), min_size=1, max_size=4))
def test_scores_agree_with_seqeval_in_strict_mode(reports: list[tuple[list[Span], list[Span]]]) -> None:
    gold, predicted = [g for g, _ in reports], [p for _, p in reports]
    scores = span_scores(gold, predicted, SCHEME.labels)
    if not any(gold) and not any(predicted):
        assert scores.micro == Counts()
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # seqeval warns of labels without any span
        report = classification_report(
            [tag_names(g) for g in gold],
            [tag_names(p) for p in predicted],
            mode="strict",
            scheme=IOB2,
            output_dict=True,
            zero_division=0,
        )
    assert scores.macro_f1 == pytest.approx(report["macro avg"]["f1-score"])
    expected = {"micro avg": scores.micro, **scores.by_label}
    for name, counts in expected.items():
        row = report.get(name, {"precision": 0, "recall": 0, "f1-score": 0, "support": 0})
        assert (counts.precision, counts.recall, counts.f1) == pytest.approx(
            (row["precision"], row["recall"], row["f1-score"])
        )
        assert counts.tp + counts.fn == row["support"]


@given(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=4))
def test_tags_of_a_network_score_as_in_seqeval(reports: list[tuple[list[int], list[int]]]) -> None:
    gold, predicted = ([read(pair[side]) for pair in reports] for side in (0, 1))
    ours = span_scores(gold, predicted, SCHEME.labels)
    names = [[[SCHEME.tags[tag] for tag in pair[side]] for pair in reports] for side in (0, 1)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = (
            f1_score(*names, mode="strict", scheme=IOB2, zero_division=0) if any(map(any, [*gold, *predicted])) else 0
        )
    assert ours.micro.f1 == pytest.approx(float(theirs))


def test_relaxed_scores_pair_each_span_once() -> None:
    gold = [[Span(0, 4, "HR"), Span(6, 9, "TIME")]]
    two_halves = [[Span(0, 2, "HR"), Span(3, 5, "HR"), Span(7, 8, "HR")]]
    assert span_scores(gold, two_halves, SCHEME.labels).micro == Counts(fp=3, fn=2)
    relaxed = span_scores(gold, two_halves, SCHEME.labels, relaxed=True)
    assert relaxed.by_label == {"HR": Counts(tp=1, fp=2), "TIME": Counts(fn=1)}


def test_neighbours_do_not_overlap() -> None:
    assert span_scores([[Span(0, 2, "HR")]], [[Span(2, 4, "HR")]], ["HR"], relaxed=True).micro == Counts(fp=1, fn=1)


@given(REPORT, REPORT)
def test_relaxed_scores_pair_as_many_spans_as_can_be(gold: list[Span], predicted: list[Span]) -> None:
    (counts,) = match_counts([gold], [predicted], SCHEME.labels, relaxed=True)
    (strict,) = match_counts([gold], [predicted], SCHEME.labels)
    assert (counts[:, 0] >= strict[:, 0]).all()
    assert counts[:, [0, 2]].sum() == len(gold)
    assert counts[:, [0, 1]].sum() == len(predicted)
    overlaps = np.array([[g.label == p.label and g.overlaps(p) for p in predicted] for g in gold], dtype=bool)
    best = maximum_bipartite_matching(csr_array(overlaps.reshape(len(gold), len(predicted)))) if overlaps.size else []
    assert counts[:, 0].sum() == sum(row >= 0 for row in best)


@given(st.lists(st.tuples(REPORT, REPORT), max_size=4), st.booleans())
def test_counts_of_single_reports_add_up(reports: list[tuple[list[Span], list[Span]]], relaxed: bool) -> None:
    gold, predicted = [g for g, _ in reports], [p for _, p in reports]
    counts = match_counts(gold, predicted, SCHEME.labels, relaxed=relaxed)
    assert counts.shape == (len(reports), 2, 3)
    together = span_scores(gold, predicted, SCHEME.labels, relaxed=relaxed)
    assert together == scores_of(counts.sum(axis=0), SCHEME.labels)
    singly = [span_scores([g], [p], SCHEME.labels, relaxed=relaxed).micro for g, p in reports]
    assert together.micro == sum(singly, Counts())


def test_the_mean_over_labels_leaves_out_those_that_do_not_occur() -> None:
    scores = span_scores([[Span(0, 2, "HR")]], [[Span(0, 2, "HR"), Span(3, 4, "TIME")]], ["HR", "TIME", "DRUG"])
    assert scores.macro_f1 == 0.5
    assert span_scores([[]], [[]], ["HR"]).macro_f1 == 0.0


def test_a_right_range_with_a_wrong_label_is_one_wrong_and_one_missed() -> None:
    scores = span_scores([[Span(0, 2, "HR")]], [[Span(0, 2, "TIME")]], SCHEME.labels)
    assert scores.by_label == {"HR": Counts(fn=1), "TIME": Counts(fp=1)}
    assert scores.micro == Counts(fp=1, fn=1)


def test_labels_that_are_not_asked_for_do_not_count() -> None:
    scores = span_scores([[Span(0, 2, "HR"), Span(3, 4, "DRUG")]], [[Span(0, 2, "HR")]], ["HR"])
    assert scores.micro == Counts(tp=1)
    assert set(scores.by_label) == {"HR"}


def test_the_same_span_in_another_report_is_not_found() -> None:
    assert span_scores([[Span(0, 2, "HR")], []], [[], [Span(0, 2, "HR")]], ["HR"]).micro == Counts(fp=1, fn=1)


def test_reports_must_be_as_many_on_both_sides() -> None:
    with pytest.raises(ValueError, match="argument"):
        span_scores([[]], [], ["HR"])


def test_nothing_at_all_scores_zero_instead_of_dividing_by_it() -> None:
    assert (Counts().precision, Counts().recall, Counts().f1) == (0.0, 0.0, 0.0)
    assert (Counts(fp=2).precision, Counts(fn=2).recall) == (0.0, 0.0)


def test_ratios_of_counts() -> None:
    counts = Counts(tp=3, fp=1, fn=2)
    assert (counts.precision, counts.recall, counts.f1) == pytest.approx((3 / 4, 3 / 5, 6 / 9))


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [
        ([Span(0, 2, "HR")], [Span(0, 2, "HR", score=0.3)], Edits()),
        ([Span(0, 2, "HR")], [], Edits(added=1)),
        ([], [Span(0, 2, "HR")], Edits(removed=1)),
        ([Span(0, 2, "HR")], [Span(0, 2, "TIME")], Edits(relabelled=1)),
        ([Span(0, 2, "HR")], [Span(0, 3, "HR")], Edits(moved=1)),
        ([Span(0, 2, "HR")], [Span(0, 3, "TIME")], Edits(added=1, removed=1)),
        ([Span(0, 2, "HR")], [Span(2, 4, "HR")], Edits(added=1, removed=1)),
        ([Span(0, 6, "HR")], [Span(0, 2, "HR"), Span(4, 6, "HR")], Edits(moved=1, removed=1)),
        ([Span(0, 2, "HR"), Span(4, 6, "HR")], [Span(0, 6, "HR")], Edits(moved=1, added=1)),
        ([Span(0, 3, "HR"), Span(4, 6, "HR")], [Span(2, 5, "HR"), Span(5, 7, "HR")], Edits(moved=2)),
    ],
)
def test_edits(gold: list[Span], predicted: list[Span], expected: Edits) -> None:
    assert edits(gold, predicted) == expected


@given(REPORT, REPORT)
def test_edits_account_for_every_span_and_are_the_fewest(gold: list[Span], predicted: list[Span]) -> None:
    result = edits(gold, predicted)
    changed = result.moved + result.relabelled
    assert result.added + changed == len(set(gold) - set(predicted))
    assert result.removed + changed == len(set(predicted) - set(gold))
    assert result.total == fewest_actions(gold, predicted)


def test_edits_of_several_reports_add_up() -> None:
    assert sum([Edits(1, 2, 3, 4), Edits(added=1)], Edits()) == Edits(2, 2, 3, 4)
    assert Edits(1, 2, 3, 4).total == 10
