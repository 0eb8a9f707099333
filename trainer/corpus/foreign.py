"""Rows of other annotation tools as rows of `ecgal convert`: `{"task_id", "text", "spans"}`.

    doccano   {"text", "entities": [{"start_offset", "end_offset", "label"}]},
              {"text" or "data", "label": [[start, end, label]]}
    CLUENER   {"text", "label": {label: {mention: [[start, end]]}}}, the end inclusive
    CMeEE     {"text", "entities": [{"start_idx", "end_idx", "type", "entity"}]}
    CCKS      {"originalText", "entities": [{"start_pos", "end_pos", "label_type"}]}
    spaCy     [text, {"entities": [[start, end, label]]}], also under {"classes", "annotations": [...]}
    Prodigy   {"text", "spans": [{"start", "end", "label"}], "answer"}

Ends are exclusive, except where the mention beside them shows that they are not. A row that may be annotated in a way
not known here is lost, with the name of its key: kept as a report without entities it would teach the wrong thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from trainer.corpus.files import Lost
from trainer.corpus.tasks import MENTIONS, is_flat_row, is_span_row

Row = dict[str, Any]

TEXTS = ("text", "data", "originalText", "content", "sentence")
ENTITIES = ("entities", "label", "labels", "spans", "annotations", "ner", "entity")
STARTS = ("start", "start_offset", "start_idx", "start_pos", "begin")
ENDS = ("end", "end_offset", "end_idx", "end_pos")
LABELS = ("label", "type", "label_type", "entity_type", "tag")
SUSPECTS = {*ENTITIES, "tags", "ner_tags", "bio", "bio_tags", "bio tags", "paragraphs", "tag", "cats", "relations"}
HARMLESS = {"relations", "comments", "meta", "metadata", "tokens"}
"""Keys of a row with entities, or of one nobody annotated, whose lists and objects are no entities."""


def rows_of(values: Sequence[Any]) -> list[Any]:
    """The rows in the values of one file of spaCy, those of any other file as they are."""
    if len(values) == 2 and isinstance(values[0], str) and isinstance(values[1], dict):
        values = [list(values)]
    if len(values) == 1 and isinstance(values[0], dict) and {"classes", "annotations"} <= set(values[0]):
        values = [value for value in values[0]["annotations"] or () if value is not None]
    return [_row(value) for value in values]


def _row(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], dict):
        return {"text": value[0], **value[1]}
    return value


def adopt(values: Sequence[Any]) -> list[Any]:
    """The values with the rows of other tools as rows of ours, a `Lost` for each that cannot be read."""
    return [_attempt(value, f"row {place}") for place, value in enumerate(values, start=1)]


def _attempt(value: Any, place: str) -> Any:
    try:
        return _adopted(value)
    except ValueError as error:
        return Lost(place, str(error))


def _adopted(value: Any) -> Any:
    """The value as a row of ours; raises ValueError that says why it cannot be."""
    if not isinstance(value, dict) or isinstance(value.get("data"), dict):
        return value
    if is_span_row(value) or is_flat_row(value):
        return value
    text = next((value[key] for key in TEXTS if isinstance(value.get(key), str)), None)
    known = {key: spans for key in ENTITIES if (spans := _spans(value.get(key), text or "")) is not None}
    filled = [key for key in known if known[key]]
    _check_keys(value, filled or list(known))
    if text is None or (not known and "answer" not in value):
        return value
    if not filled and known and _is_doccano(value):
        return {"id": value.get("id"), "text": text}
    spans = known[filled[0]] if filled else []
    answer, relations = value.get("answer"), value.get("relations")
    return {"task_id": value.get("id"), "text": text, "spans": spans, "answer": answer, "relations": relations}


def _is_doccano(row: Row) -> bool:
    """Whether the row is one of doccano, which exports what nobody annotated with an empty list."""
    return isinstance(row.get("label"), list) or not {"comments", "relations"}.isdisjoint(map(str.lower, row))


def _check_keys(row: Row, known: Sequence[str]) -> None:
    """Raise ValueError for a row in which another key than the known one may hold annotations."""
    if "audio_filepath" in row:
        raise ValueError("it is of an ASR manifest, which holds no spans")
    if {"images", "categories"} <= row.keys():
        raise ValueError("it is COCO, which holds no spans of a text")
    if {"prompt", "result_list"} <= row.keys():
        raise ValueError("it is of UIE, which has a row for each label: give the export of doccano that it was made of")
    for key, value in row.items():
        if key in known[:1] or value in (None, "", [], {}) or (known and key.lower() in HARMLESS):
            continue
        listed = isinstance(value, list | dict) and not known and key.lower() not in HARMLESS
        if listed or key.lower() in SUSPECTS:
            shown = key if re.fullmatch(r"[\w .-]{1,30}", key) else f"{key[:1]}…"  # it may be text of a report
            raise ValueError(f'it may be annotated in a form not known, under the key "{shown}"')


def _spans(value: Any, text: str) -> list[Row] | None:
    """The entities as spans with exclusive ends, None when the value has no known form."""
    if isinstance(value, dict):
        entities = _cluener(value)
    elif isinstance(value, list):
        entities = [entity for one in value if (entity := _entity(one))]
        entities = entities if len(entities) == len(value) else None
    else:
        return None
    return None if entities is None else [_fitted(entity, text) for entity in entities]


def _cluener(value: Row) -> list[Row] | None:
    if not all(isinstance(mentions, dict) for mentions in value.values()):
        return None
    return list(_mentions(value)) if all(_is_pairs(p) for m in value.values() for p in m.values()) else None


def _mentions(value: Row) -> Iterator[Row]:
    for label, mentions in value.items():
        for mention, pairs in mentions.items():
            yield from ({"start": s, "end": e, "label": label, "mention": mention} for s, e in pairs)


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(p, list) and [type(n) for n in p] == [int, int] for p in value)


def _entity(value: Any) -> Row | None:
    """Start, end, label and where given the mention of an entity; None when it lacks one of the three."""
    if isinstance(value, list) and [type(part) for part in value[:3]] == [int, int, str]:
        return dict(zip(("start", "end", "label"), value, strict=False))  # spaCy may put an id behind
    if not isinstance(value, dict):
        return None
    keys = {"start": STARTS, "end": ENDS, "label": LABELS, "mention": MENTIONS}
    found = {name: next((value[key] for key in known if key in value), None) for name, known in keys.items()}
    whole = type(found["start"]) is type(found["end"]) is int and isinstance(found["label"], str)
    unclear = "end_idx" in value and not isinstance(found["mention"], str)
    return found if whole and not unclear else None


def _fitted(entity: Row, text: str) -> Row:
    """The entity with an exclusive end, which its mention tells from an inclusive one; raises ValueError."""
    start, end, mention = entity["start"], entity["end"], entity.get("mention")
    if isinstance(mention, str) and text[start:end] != mention:
        if text[start : end + 1] != mention:
            raise ValueError(f"the mention at {start}..{end} is not what the text holds there")
        end += 1
    return {"start": start, "end": end, "label": entity["label"]}
