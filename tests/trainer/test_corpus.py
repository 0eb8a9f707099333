"""Every form of an export is read; nothing is lost without a reason, and what is written comes back."""

from __future__ import annotations

import gzip
import json
import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import BackendError, CorpusError
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.ner.spans import Span, resolve_overlaps, trimmed
from trainer.corpus import Corpus, Form, Tally, read, write
from trainer.corpus.conll import escape, unescape
from trainer.dataset import Report, freeze, frozen

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "examples" / "ecg_reports"
CAPTURES = ROOT / "tests" / "captures"
CONFIG = LabelConfig("label", "text", "text", ("HR", "TIME"))
TEXT = "心率72次/分"
FORMS: dict[Form, str] = {"label-studio": "a.json", "json-lines": "a.jsonl", "conll": "a.conll", "dataset": "a"}

Json = dict[str, Any]


def region(start: Any, end: Any, label: str = "HR", text: str = TEXT, control: str = "label") -> Json:
    value = {"start": start, "end": end, "labels": [label]}
    value |= {"text": text[start:end]} if type(start) is type(end) is int else {}
    return {"id": f"r{start}", "from_name": control, "to_name": "text", "type": "labels", "value": value}


def annotation(number: int, *regions: Any, **fields: Any) -> Json:
    return {"id": number, "updated_at": f"2026-01-{number:02d}", "result": list(regions), **fields}


def task(number: int, *annotations: Any, **fields: Any) -> Json:
    return {"id": number, "data": {"text": TEXT}, "annotations": list(annotations), **fields}


def saved(folder: Path, value: Any) -> Path:
    path = folder / "export.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def balanced(corpus: Corpus) -> bool:
    tallies = (corpus.ledger.tasks, corpus.ledger.annotations, corpus.ledger.spans)
    return all(tally.found == tally.kept + tally.rejected for tally in tallies)


def reasons(corpus: Corpus) -> list[str]:
    return [reject.reason for reject in corpus.dataset.rejects]


# Accounts ---------------------------------------------------------------------------------------


def wild_regions() -> st.SearchStrategy[Any]:
    place = st.one_of(st.integers(-2, 9), st.just(2.0), st.just("3"), st.none())
    label = st.lists(st.sampled_from(["HR", "TIME", "GONE", "\ud800"]), max_size=3)
    text = st.sampled_from([{}, {"text": "心率"}, {"text": 7}])
    value = st.builds(lambda s, e, ls, t: {"start": s, "end": e, "labels": ls, **t}, place, place, label, text)
    names = st.sampled_from([("label", "text"), ("other", "text")])
    kind = st.sampled_from(["labels", "labels", "labels", "choices", 5])
    whole = st.builds(lambda n, k, v: {"from_name": n[0], "to_name": n[1], "type": k, "value": v}, names, kind, value)
    return st.one_of(
        whole, whole, whole, st.sampled_from([None, 3, {}, {"type": "labels"}, {"type": "labels", "value": 1}])
    )


def wild_tasks() -> st.SearchStrategy[Any]:
    flags = st.fixed_dictionaries(
        {"result": st.one_of(st.lists(wild_regions(), max_size=4), st.none())},
        optional={
            "id": st.sampled_from([1, 2, 3, None, "x"]),
            "was_cancelled": st.booleans(),
            "ground_truth": st.booleans(),
            "was_postponed": st.booleans(),
            "completed_by": st.sampled_from([1, 2, {"id": 1}, None]),
            "updated_at": st.sampled_from(["2026", "2025", 5, None]),
        },
    )
    annotations = st.lists(st.one_of(flags, flags, st.sampled_from([7, None])), max_size=4)
    data = st.sampled_from(
        [{"text": TEXT}, {"text": TEXT}, {"text": ""}, {"text": "\ud800"}, {"text": 5}, {}, {"x": [1]}]
    )
    number = st.sampled_from([1, 2, 3, None, -1, True, "4", 2**70])
    keys = st.sampled_from(["annotations", "annotations", "completions", "drafts"])
    return st.builds(
        lambda i, d, k, a: {"id": i, "data": d, k: a, "predictions": [{}]}, number, data, keys, annotations
    )


@given(
    tasks=st.lists(wild_tasks(), min_size=1, max_size=6),
    annotators=st.sampled_from(["ground-truth", "latest", "majority"]),
)
@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_kept_and_rejected_are_all_whatever_the_export_holds(
    tmp_path: Path, tasks: list[Json], annotators: Any
) -> None:
    corpus = read(saved(tmp_path, tasks), CONFIG, annotators)
    assert balanced(corpus)
    lists = [t.get(key, []) for t in tasks for key in ("annotations", "completions", "drafts")]
    assert corpus.ledger.annotations.found == sum(map(len, lists))
    assert corpus.ledger.ignored["prediction"] == len(tasks)
    assert len({report.task_id for report in corpus.dataset.reports}) == len(corpus.dataset.reports)
    assert not any(TEXT in reason for reason in reasons(corpus))
    for report in corpus.dataset.reports:
        assert resolve_overlaps(report.spans) == (list(report.spans), [])
        assert all(0 <= s.start < s.end <= len(report.text) and s.label in CONFIG.labels for s in report.spans)


@given(tasks=st.lists(wild_tasks(), min_size=1, max_size=6))
@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_without_a_configuration_a_file_is_read_or_refused_in_one_sentence(tmp_path: Path, tasks: list[Json]) -> None:
    path = saved(tmp_path, tasks)
    try:
        corpus = read(path)
    except CorpusError as error:
        told = str(error)
    else:
        told = ""
        assert balanced(corpus)
    assert TEXT not in told


@pytest.mark.parametrize("name", ["gold", "seed10", "test"])
def test_the_example_reports_are_kept_whole(name: str) -> None:
    corpus = read(REPORTS / f"{name}.json")
    assert corpus.config.labels == ("DIAG", "EVENT", "HR", "TIME", "VALUE")
    assert (corpus.config.from_name, corpus.config.to_name, corpus.config.text_key) == ("label", "text", "text")
    assert balanced(corpus)
    assert not corpus.dataset.rejects
    tasks = json.loads((REPORTS / f"{name}.json").read_text("utf-8"))
    assert corpus.ledger.spans.found == sum(len(t["annotations"][0]["result"]) for t in tasks)


def test_a_round_and_a_conversion_see_the_same_data() -> None:
    config = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
    tasks = json.loads((REPORTS / "gold.json").read_text("utf-8"))
    assert freeze(iter(tasks), config) == read(REPORTS / "gold.json", config).dataset


# Forms of exports -------------------------------------------------------------------------------


def body(name: str) -> Json:
    capture = json.loads((CAPTURES / f"{name}.json").read_text("utf-8"))
    return next(r["body"] for r in capture["requests_seen_by_backend"] if "annotation" in (r["body"] or {}))


def test_recorded_tasks_annotations_skips_and_drafts(tmp_path: Path) -> None:
    submitted, skipped = body("webhook_ANNOTATION_CREATED"), body("webhook_ANNOTATION_CREATED_skip")
    draft = json.loads((CAPTURES / "draft_create.json").read_text("utf-8"))["trigger"]["response"]
    opened = json.loads((CAPTURES / "task_open_without_prediction.json").read_text("utf-8"))["trigger"]["response"]
    export = [
        {**submitted["task"], "annotations": [submitted["annotation"]], "drafts": [draft]},
        {**skipped["task"], "annotations": [skipped["annotation"]]},
        opened,
    ]
    corpus = read(saved(tmp_path, export))
    assert corpus.config.text_key == "text"
    assert [report.task_id for report in corpus.dataset.reports] == [submitted["task"]["id"]]
    assert sorted(reasons(corpus)) == ["draft", "not annotated", "skipped"]
    assert corpus.ledger.ignored == {"prediction": len(opened["predictions"])}
    assert corpus.ledger.annotations == Tally(3, 1, 2)


def test_json_min_as_label_studio_writes_it(tmp_path: Path) -> None:
    from label_studio_sdk.converter import Converter

    xml = (
        '<View><Labels name="ner" toName="doc"><Label value="心率" alias="HR"/></Labels>'
        '<Text name="doc" value="$body"/></View>'
    )
    regions = [{**region(2, 7, control="ner"), "to_name": "doc"}]
    rows = [annotation(n, *regions, completed_by=n, created_at="", lead_time=1.0, was_cancelled=False) for n in (1, 2)]
    export = [
        {"id": 3, "data": {"body": TEXT, "hospital": "A"}, "annotations": rows},
        {"id": 4, "data": {"body": "窦性心律", "hospital": "B"}, "annotations": [{**rows[0], "id": 9, "result": []}]},
    ]
    whole = saved(tmp_path, export)
    Converter(xml, str(tmp_path)).convert_to_json_min(str(whole), str(tmp_path / "min"), is_dir=False)
    flat = tmp_path / "min" / "result.json"
    for config in (None, parse_label_config(xml)):
        corpus = read(flat, config)
        assert corpus.dataset.reports == read(whole, config).dataset.reports
        assert corpus.config.text_key == "body"
        assert corpus.ledger.annotations == Tally(3, 2, 1)
        assert corpus.ledger.spans == Tally(2, 1, 1)


def test_drafts_beside_the_annotations_are_rejects(tmp_path: Path) -> None:
    drafts = [{"id": 5, "result": [region(2, 4), region(0, 2)]}, 6]
    corpus = read(saved(tmp_path, [task(1, annotation(1, region(2, 7)), drafts=drafts)]))
    assert corpus.dataset.reports[0].annotation_id == 1
    rejects = [(r.annotation_id, r.reason, r.annotations, r.spans) for r in corpus.dataset.rejects]
    assert rejects == [(5, "draft", 1, 2), (6, "draft", 1, 0)]
    assert balanced(corpus)


def test_completions_of_old_versions_are_annotations(tmp_path: Path) -> None:
    done = {"id": 5, "result": [region(2, 7)], "honeypot": True, "created_at": 1}
    later = {"id": 6, "result": [region(2, 4)], "created_at": 2}
    old = {"id": 1, "data": {"text": TEXT}, "completions": [done, later, {"id": 7, "result": [], "skipped": True}]}
    corpus = read(saved(tmp_path, [old]))
    assert corpus.dataset.reports[0].annotation_id == 5
    assert sorted(reasons(corpus)) == ["another annotation of the task was taken", "skipped"]


def test_predictions_are_never_taken_for_annotations(tmp_path: Path) -> None:
    guess = {"result": [region(0, 2)], "score": 0.9}
    corpus = read(
        saved(tmp_path, [task(1, annotation(1, region(2, 7)), predictions=[guess]), task(2, predictions=[guess])])
    )
    assert [report.spans for report in corpus.dataset.reports] == [(Span(2, 7, "HR"),)]
    assert reasons(corpus) == ["not annotated"]
    assert corpus.ledger.ignored == {"prediction": 2}


@pytest.mark.parametrize(
    "dress",
    [
        lambda text: b"\xef\xbb\xbf" + text.encode(),
        lambda text: gzip.compress(text.encode()),
        lambda text: "\n".join(json.dumps(t, ensure_ascii=False) for t in json.loads(text)).encode(),
        lambda text: b"\r\n\r\n".join(json.dumps(t).encode() for t in json.loads(text)),
    ],
    ids=["byte order mark", "gzip", "json lines", "json lines with CRLF"],
)
def test_the_same_export_in_other_clothes(tmp_path: Path, dress: Any) -> None:
    tasks = [task(n, annotation(n, region(2, 7))) for n in (1, 2)]
    tasks[1]["data"]["text"] = f"{TEXT}\r\n\u2028𠮷"
    path = tmp_path / "any.name"
    path.write_bytes(dress(json.dumps(tasks, ensure_ascii=False)))
    assert read(path).dataset == read(saved(tmp_path, tasks)).dataset
    assert read(path).dataset.reports[1].text == f"{TEXT}\r\n\u2028𠮷"


def test_a_region_with_two_labels_gives_the_first_and_loses_the_second(tmp_path: Path) -> None:
    both = region(2, 7)
    both["value"]["labels"] = ["HR", "TIME"]
    corpus = read(saved(tmp_path, [task(1, annotation(1, both))]))
    assert corpus.dataset.reports[0].spans == (Span(2, 7, "HR"),)
    assert corpus.ledger.spans == Tally(2, 1, 1)


def test_what_is_no_labelled_span_is_counted_apart(tmp_path: Path) -> None:
    relation, choice = {"type": "relation", "from_id": "a"}, {"type": "choices", "value": {"choices": ["x"]}}
    corpus = read(saved(tmp_path, [task(1, annotation(1, region(2, 7), relation, choice, choice))]))
    assert corpus.ledger.ignored == {"choices": 2, "relation": 1}
    assert corpus.ledger.spans == Tally(1, 1, 0)


# Identity ---------------------------------------------------------------------------------------


def test_tasks_without_an_id_are_numbered_above_the_others(tmp_path: Path) -> None:
    tasks = [
        task(7, annotation(1, region(2, 7))),
        *({"data": {"text": f"{TEXT}{n}"}, "annotations": [annotation(n)]} for n in (1, 2)),
    ]
    assert [report.task_id for report in read(saved(tmp_path, tasks)).dataset.reports] == [7, 8, 9]


def test_one_id_on_two_reports_gives_both_an_identity(tmp_path: Path) -> None:
    other = task(1, annotation(2, region(0, 2)))
    other["data"] = {"text": f"{TEXT}。"}
    corpus = read(saved(tmp_path, [task(1, annotation(1, region(2, 7))), other]))
    assert [(r.task_id, r.text) for r in corpus.dataset.reports] == [(1, TEXT), (2, f"{TEXT}。")]


def test_the_same_task_twice_is_one_report(tmp_path: Path) -> None:
    corpus = read(saved(tmp_path, [task(1, annotation(1, region(2, 7))), task(1, annotation(2, region(2, 4)))]))
    assert [report.annotation_id for report in corpus.dataset.reports] == [2]
    assert corpus.ledger.annotations == Tally(2, 1, 1)


# Several annotators -----------------------------------------------------------------------------

OPINIONS = task(
    1,
    annotation(1, region(2, 7), region(0, 2, "TIME"), ground_truth=True, completed_by=1),
    annotation(2, region(2, 7), completed_by=2),
    annotation(3, region(2, 4), completed_by={"id": 3, "email": "a"}),
)


@pytest.mark.parametrize(
    ("annotators", "chosen", "spans"),
    [
        ("ground-truth", 1, (Span(0, 2, "TIME"), Span(2, 7, "HR"))),
        ("latest", 3, (Span(2, 4, "HR"),)),
        ("majority", 3, (Span(2, 7, "HR"),)),
    ],
)
def test_whose_annotation_counts(tmp_path: Path, annotators: Any, chosen: int, spans: tuple[Span, ...]) -> None:
    corpus = read(saved(tmp_path, [OPINIONS]), annotators=annotators)
    assert corpus.dataset.reports == (Report(1, chosen, TEXT, spans),)
    assert balanced(corpus)


def test_the_majority_names_the_votes_that_were_not_enough(tmp_path: Path) -> None:
    corpus = read(saved(tmp_path, [OPINIONS]), annotators="majority")
    assert sorted(reasons(corpus)) == [
        "region at 0..2: marked by 1 of 3 annotators",
        "region at 2..4: marked by 1 of 3 annotators",
    ]
    assert corpus.ledger.spans == Tally(4, 2, 2)


def test_one_of_two_is_no_majority(tmp_path: Path) -> None:
    both = [annotation(1, region(2, 7), region(0, 2)), annotation(2, region(2, 7))]
    assert read(saved(tmp_path, [task(1, *both)]), annotators="majority").dataset.reports[0].spans == (
        Span(2, 7, "HR"),
    )


def test_an_annotator_has_one_vote_the_last_one(tmp_path: Path) -> None:
    rows = [annotation(1, region(2, 7), completed_by=1), annotation(2, region(2, 7), completed_by=1)]
    corpus = read(saved(tmp_path, [task(1, *rows, annotation(3, completed_by=2))]), annotators="majority")
    assert corpus.dataset.reports[0].spans == ()
    assert corpus.ledger.annotations == Tally(3, 2, 1)


# Configurations ---------------------------------------------------------------------------------


def test_the_order_of_the_tasks_changes_no_label(tmp_path: Path) -> None:
    tasks = [task(n, annotation(n, region(2, 7, label))) for n, label in enumerate("BAC", 1)]
    first = read(saved(tmp_path, tasks)).dataset
    assert first.labels == ("A", "B", "C")
    assert read(saved(tmp_path, tasks[::-1])).dataset == first


def test_the_report_is_found_among_other_strings(tmp_path: Path) -> None:
    one = task(1, annotation(1, region(2, 7)))
    one["data"] = {"id": "ECG-1", "report": {"body": TEXT, "note": "无"}}
    assert read(saved(tmp_path, [one])).config.text_key == "report.body"


def test_two_possible_reports_are_named(tmp_path: Path) -> None:
    one = task(1, annotation(1, region(2, 7)))
    one["data"] = {"findings": TEXT, "copy": TEXT}
    with pytest.raises(CorpusError, match=r"copy, findings.*--label-config"):
        read(saved(tmp_path, [one]))
    xml = (
        '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$copy"/></View>'
    )
    assert read(saved(tmp_path, [one]), parse_label_config(xml)).dataset.reports[0].spans == (Span(2, 7, "HR"),)


def test_two_controls_are_named_and_one_can_be_chosen(tmp_path: Path) -> None:
    path = saved(tmp_path, [task(1, annotation(1, region(2, 7), region(0, 2, control="other")))])
    with pytest.raises(CorpusError, match=r"label on text \(1\), other on text \(1\).*--label-config"):
        read(path)
    corpus = read(path, CONFIG)
    assert corpus.dataset.reports[0].spans == (Span(2, 7, "HR"),)
    assert corpus.ledger.spans == Tally(2, 1, 1)


# Bad files --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "empty"),
        (b"\n \n", "empty"),
        (b"hello", "plain text"),
        (b'[{"id": 1,', "Not JSON"),
        (b'"a"', "list of tasks"),
        (b"null", "list of tasks"),
        (b"[]", "No tasks"),
        (b"[1, 2]", "No task has any text"),
        (b'{"a": 1}', "No task has any text"),
        (b'[{"data": {"text": "abc"}}]', "Nothing is marked"),
        (
            b'[{"data": {"text": "abc"}, "annotations": [{"result": [{"type": "paragraphlabels", "value": {}}]}]}]',
            "only paragraphlabels in",
        ),
        (b'{"data": {}}\n{"data": ', "No task has any text"),
        (b'{"data": \n{"data": ', "Not JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (bytes(range(256)), "Neither UTF-8 nor GB18030"),
        (b"\x1f\x8b\x08 no gzip", "Cannot read"),
        (b"# labels = HR\n# task_id = 1 annotation_id = 1\nab\tO\n", "line 3"),
        (b"# labels = HR\na\tO\nb\tI-HR\n", "line 3"),
        (b"# labels = HR\na\tS-HR\n", "Line 2"),
        (b"# labels = HR\na\n", "line 2"),
    ],
)
def test_a_file_that_is_no_corpus_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "file.json"
    path.write_bytes(content)
    with pytest.raises(BackendError, match=told):
        read(path)


def test_a_place_that_is_no_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no file"):
        read(tmp_path / "missing.json")
    with pytest.raises(CorpusError, match="No dataset in the folder"):
        read(tmp_path)
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(CorpusError, match="Not a dataset"):
        read(tmp_path)


# Regions of other tools ---------------------------------------------------------------------------


def drawn(start: int, end: int, label: str, text: str) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label], "text": text}
    return {"id": f"r{start}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def test_labels_that_look_like_tags_are_labels_like_others(tmp_path: Path) -> None:
    texts = {1: "窦性心律，心率72次/分", 2: "室性早搏"}
    marked = {
        1: [drawn(0, 4, "B-anatomy", "窦性心律"), drawn(5, 12, "O", "心率72次/分")],
        2: [drawn(0, 4, "[PAD]", "室性早搏")],
    }
    tasks = [
        {"id": n, "data": {"text": texts[n]}, "annotations": [{"id": 100 + n, "result": marked[n]}]} for n in texts
    ]
    corpus = read(saved(tmp_path, tasks))
    assert corpus.config.labels == ("B-anatomy", "O", "[PAD]")
    assert [report.spans for report in corpus.dataset.reports] == [
        (Span(0, 4, "B-anatomy"), Span(5, 12, "O")),
        (Span(0, 4, "[PAD]"),),
    ]
    assert read(write(corpus, tmp_path / "again.conll")).dataset == corpus.dataset


def test_relations_and_predictions_by_number_are_no_spans(tmp_path: Path) -> None:
    relation = {"type": "relation", "from_id": "r0", "to_id": "r5", "direction": "right", "labels": []}
    result = [drawn(0, 4, "DIAG", "窦性心律"), drawn(5, 12, "HR", "心率72次/分"), relation]
    annotation = {"id": 5, "completed_by": {"id": 1}, "was_cancelled": False, "result": result}
    tasks = [
        {"id": 1, "data": {"text": "窦性心律，心率72次/分"}, "predictions": [286, 287], "annotations": [annotation]},
        {"id": 2, "data": {"text": "空"}, "predictions": [], "annotations": []},
    ]
    corpus = read(saved(tmp_path, tasks))
    assert [report.spans for report in corpus.dataset.reports] == [(Span(0, 4, "DIAG"), Span(5, 12, "HR"))]
    assert reasons(corpus) == ["not annotated"]
    assert corpus.ledger.ignored == {"prediction": 2, "relation": 1}


@pytest.mark.parametrize("said", ["心率 72", "...", ""])
def test_the_key_of_the_report_is_found_whatever_rendering_the_text_is(tmp_path: Path, said: str) -> None:
    data = {"who": "甲", "report": "窦性，心率  72"}
    task = {"id": 1, "data": data, "annotations": [{"id": 1, "result": [drawn(3, 9, "HR", said)]}]}
    corpus = read(saved(tmp_path, [task]))
    assert corpus.config.text_key == "report"
    assert corpus.dataset.reports[0].spans == (Span(3, 9, "HR"),)


# Round trips ------------------------------------------------------------------------------------


def random_corpus(seed: int) -> Corpus:
    """Reports of any characters, with white space, controls and characters outside the BMP, fully or not annotated."""
    dice = random.Random(seed)
    letters = "窦律72 \t\r\n\u3000\u2028\x85\x00\\#u{a}-_𠮷é́\u200d\ufeffBO"
    labels = ("HR", "心 率", "B-\\x\t", "#")
    reports = []
    for number in range(dice.randint(1, 6)):
        text = "".join(dice.choices(letters, k=dice.randint(0, 30)))
        cuts = sorted(dice.sample(range(len(text) + 1), k=min(len(text) + 1, dice.randint(0, 8))))
        ranges = [trimmed(text, a, b) for a, b in pairwise(cuts)]
        pairs = [(a, b) for a, b in ranges if a < b and dice.random() < 0.7]
        spans = tuple(Span(a, b, dice.choice(labels)) for a, b in pairs)
        reports.append(Report(number * 3, dice.randint(0, 99), text, spans))
    config = LabelConfig("ner", "doc", "report.body", labels)
    return Corpus(config, frozen(reports, (), labels))


@pytest.mark.parametrize("form", FORMS)
@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_comes_back(tmp_path: Path, form: Form, seed: int) -> None:
    corpus = random_corpus(seed)
    path = write(corpus, tmp_path / FORMS[form])
    again = read(path, corpus.config)
    assert again.dataset == corpus.dataset
    assert not again.dataset.rejects
    if form in ("conll", "dataset"):
        assert read(path).dataset == corpus.dataset


@pytest.mark.parametrize("form", FORMS)
def test_real_reports_survive_all_forms_and_the_way_back(tmp_path: Path, form: Form) -> None:
    corpus = read(REPORTS / "gold.json")
    there = read(write(corpus, tmp_path / FORMS[form]))
    assert there.dataset == corpus.dataset
    back = read(write(there, tmp_path / "back.json.gz"))
    assert back.dataset.hash == corpus.dataset.hash


@given(text=st.text())
def test_an_escaped_text_has_nothing_that_ends_a_line(text: str) -> None:
    assert len(escape(text).split()) == bool(text)
    assert len(escape(text).splitlines()) == bool(text)
    assert unescape(escape(text)) == text


def test_a_file_of_others_without_comments_is_read(tmp_path: Path) -> None:
    path = tmp_path / "others.bio"
    path.write_text("心 B-HR\r\n率 I-HR\r\n\r\n\r\n窦 O\r\n", encoding="utf-8", newline="")
    corpus = read(path)
    assert [(r.task_id, r.text, r.spans) for r in corpus.dataset.reports] == [
        (1, "心率", (Span(0, 2, "HR"),)),
        (2, "窦", ()),
    ]


def test_a_stored_dataset_is_one_for_other_programs(tmp_path: Path) -> None:
    from datasets import load_from_disk

    corpus = read(REPORTS / "seed10.json")
    dataset = load_from_disk(str(write(corpus, tmp_path / "set")))
    names = dataset.features["ner_tags"].feature.names
    report = corpus.dataset.reports[0]
    assert dataset[0]["tokens"] == list(report.text)
    assert [names[tag] for tag in dataset[0]["ner_tags"]][report.spans[0].start] == f"B-{report.spans[0].label}"


def test_what_was_there_is_replaced_whole_or_left(tmp_path: Path) -> None:
    small, corpus = random_corpus(1), read(REPORTS / "seed10.json")
    for name in ("a", "a.json"):
        write(small, tmp_path / name)
        assert read(write(corpus, tmp_path / name)).dataset == corpus.dataset
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis").write_text("years")
    with pytest.raises(CorpusError, match="no dataset"):
        write(corpus, tmp_path / "papers")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.json", "papers"]
