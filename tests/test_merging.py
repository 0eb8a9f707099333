"""Rules and network together: measured precision decides."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backend.merging import PRIOR_WEIGHT, Trust, measure, merge
from backend.ner.spans import Span, resolve_overlaps

RATE = Span(0, 6, "HR", 0.97, "rate")
NETWORK = Span(0, 4, "HR", 0.99, "model")
MANY = 40


@st.composite
def proposals(draw: st.DrawFn, sources: tuple[str, ...]) -> list[Span]:
    """Disjoint spans of a short text."""
    raw = draw(
        st.lists(
            st.builds(
                lambda start, length, label, score, source: Span(start, start + length, label, score, source),
                st.integers(0, 30),
                st.integers(1, 6),
                st.sampled_from(["HR", "VALUE"]),
                st.floats(0, 1),
                st.sampled_from(sources),
            ),
            max_size=6,
        )
    )
    return resolve_overlaps(raw)[0]


RULES, MODEL = proposals(("rate", "memory")), proposals(("model",))


def known(history: list[tuple[list[Span], tuple[list[Span], list[Span]]]]) -> Trust:
    return Trust(measure(history))


def reports(
    gold: list[Span], rules: list[Span], network: list[Span]
) -> list[tuple[list[Span], tuple[list[Span], list[Span]]]]:
    return [(gold, (rules, network))] * MANY


def test_the_side_that_was_right_where_they_disagreed_wins() -> None:
    for right in (RATE, NETWORK):
        trust = known(reports([right], [RATE], [NETWORK]))
        assert merge([RATE], [NETWORK], trust) == [right]


def test_a_rule_that_was_mostly_wrong_is_dropped_and_another_one_is_not() -> None:
    count = Span(10, 12, "VALUE", 0.9, "bare-count")
    trust = known(reports([RATE], [RATE, count], []))
    assert merge([RATE, count], [], trust) == [RATE]


def test_a_find_of_the_network_alone_counts_where_such_finds_were_right() -> None:
    lone = Span(10, 14, "EVENT", 0.99, "model")
    assert merge([], [lone], known(reports([lone], [], [lone]))) == [lone]
    assert merge([], [lone], known(reports([], [], [lone]))) == []


def test_an_unseen_label_takes_the_precision_of_its_kind() -> None:
    seen, unseen = Span(10, 14, "EVENT", 0.99, "model"), Span(20, 24, "DIAG", 0.99, "model")
    assert merge([], [unseen], known(reports([seen], [], [seen]))) == [unseen]
    assert merge([], [unseen], known(reports([], [], [seen]))) == []


def test_before_anything_is_measured_rules_win_over_a_contradiction() -> None:
    assert merge([RATE], [NETWORK], Trust()) == [RATE]


def test_the_score_is_the_precision_that_was_measured() -> None:
    trust = known([([RATE], ([RATE], []))] * 30 + [([], ([RATE], []))] * 10)
    assert abs(merge([RATE], [], trust)[0].score - 0.75) < 0.01


@given(RULES, MODEL, st.lists(st.tuples(RULES, st.tuples(RULES, MODEL)), max_size=4), st.floats(0, 1))
def test_a_merge_is_sorted_disjoint_and_made_of_candidates(
    rules: list[Span],
    network: list[Span],
    history: list[tuple[list[Span], tuple[list[Span], list[Span]]]],
    threshold: float,
) -> None:
    merged = merge(rules, network, Trust(measure(history), threshold))
    assert merged == sorted(merged)
    assert resolve_overlaps(merged)[1] == []
    assert set(merged) <= {*rules, *network}
    assert all(threshold <= span.score <= 1 for span in merged)


@given(RULES, MODEL)
def test_what_was_always_right_is_kept_whole(rules: list[Span], network: list[Span]) -> None:
    right = resolve_overlaps([*rules, *network])[0]
    trust = known([(right, (rules, network))] * (3 * PRIOR_WEIGHT))
    if set(right) == {*rules, *network}:
        assert merge(rules, network, trust) == right
