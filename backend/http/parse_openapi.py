"""What /openapi.json says of /api/parse: the forms of its body and of its answer, with examples.

The answers are what the rules say of the texts in the requests; a test holds them to that.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from backend.batches import Id
from backend.http.bodies_to_parse import DOCX
from backend.parsing.report import StructuredReport

TEXT = "平均心率72次/分，室性早搏12次。"

REPORT = {
    "version": "rules-1",
    "heart_rates": [
        {"text": "72次/分", "start": 4, "end": 9, "confidence": 0.97, "source": "rate", "kind": "mean", "value": 72,
         "low": None, "high": None, "unit": "次/分", "of": None, "time": None},
    ],
    "measurements": [
        {"text": "12次", "start": 14, "end": 17, "confidence": 0.93, "source": "unit", "name": None, "canonical": None,
         "of": "室性早搏", "value": 12, "low": None, "high": None, "unit": "次", "time": None},
    ],
    "events": [
        {"text": "室性早搏", "start": 10, "end": 14, "confidence": 0.93, "source": "lexicon:EVENT",
         "canonical": "室性早搏", "certainty": "stated", "times": [], "count": 12, "unit": "次", "percent": None},
    ],
    "diagnoses": [],
    "spans": [
        {"start": 4, "end": 9, "label": "HR", "text": "72次/分", "confidence": 0.97, "source": "rate"},
        {"start": 10, "end": 14, "label": "EVENT", "text": "室性早搏", "confidence": 0.93, "source": "lexicon:EVENT"},
        {"start": 14, "end": 17, "label": "VALUE", "text": "12次", "confidence": 0.93, "source": "unit"},
    ],
}  # fmt: skip
FAILED = {"id": "H-2", "error": "The report has no text", "value": "0 blank characters", "hint": "send a report"}
CSV = (
    "report,item,canonical,text,value,low,high,unit,kind,certainty,count,percent,of,time,clock,confidence,source,"
    "start,end,version\r\n"
    "1,heart_rate,,72次/分,72,,,次/分,mean,,,,,,,0.97,rate,4,9,rules-1\r\n"
    "1,measurement,,12次,12,,,次,,,,,室性早搏,,,0.93,unit,14,17,rules-1\r\n"
    "1,event,室性早搏,室性早搏,,,,次,,stated,12,,,,,0.93,lexicon:EVENT,10,14,rules-1\r\n"
)


class DocumentReport(StructuredReport):
    """The report of a document; the keys of its own are there only for Word and RTF documents."""

    left_out: list[str] | None = Field(None, description="What the document holds besides the text, by name.")
    document_text: str | None = Field(None, description="The text that was read; offsets are those of it.")


class ParsedReport(BaseModel):
    """A report of a batch, under the id it was sent with, else its place counted from 1."""

    id: Id
    report: StructuredReport
    left_out: list[str] | None = Field(None, description="What the document holds besides the text, by name.")
    document_text: str | None = Field(None, description="The text read from a Word or RTF document.")


class Problem(BaseModel):
    """An error: what is wrong, which value, what to do."""

    error: str
    value: str
    hint: str


class FailedReport(Problem):
    """A report of a batch that could not be parsed; `value` names the line of a row that could not be read."""

    id: Id


Batch = list[ParsedReport | FailedReport]

_ITEM = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "required": ["text"], "properties": {
            "id": {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 200}]}, "text": {"type": "string"}}},
    ],
}  # fmt: skip
_TEXTS = {"type": "array", "minItems": 1, "items": _ITEM}
_BODY = {
    "anyOf": [
        {"type": "object", "properties": {
            "text": {"type": "string"}, "texts": _TEXTS, "project": {"type": "string"},
            "format": {"enum": ["json", "csv", "ndjson"]}}},
        _TEXTS,
    ],
}  # fmt: skip
_FILE = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
}
_REQUEST = {
    "required": True,
    "content": {
        "application/json": {
            "schema": _BODY,
            "examples": {
                "one": {"summary": "One report", "value": {"text": TEXT}},
                "several": {"summary": "Several reports", "value": {"texts": [TEXT, "窦性心律"], "project": "1"}},
                "ids": {"summary": "With ids", "value": [{"id": "H-1", "text": TEXT}, {"id": "H-2", "text": ""}]},
            },
        },
        "text/plain": {**_FILE, "example": TEXT},
        "text/csv": {**_FILE, "example": f"text\r\n{TEXT}\r\n"},
        "application/x-ndjson": {**_FILE, "example": f'{{"text": "{TEXT}"}}\n'},
        DOCX: _FILE,
        "application/msword": _FILE,
        "application/rtf": _FILE,
        "multipart/form-data": {"schema": _FORM},
    },
}
BATCH_EXAMPLE = [{"id": "H-1", "report": REPORT}, FAILED]
_ANSWER: dict[str, Any] = {
    "model": DocumentReport | Batch,
    "description": "One report for one text, text file, Word or RTF document; else a list. The same input gives the "
    "same bytes. What a document holds besides its text is named in `left_out`, in CSV as rows of that item.",
    "content": {
        "application/json": {"examples": {"one": {"value": REPORT}, "several": {"value": BATCH_EXAMPLE}}},
        "text/csv": {"schema": {"type": "string"}, "example": CSV},
        "application/x-ndjson": {"schema": {"$ref": "#/components/schemas/ParsedReport"}, "example": BATCH_EXAMPLE[0]},
    },
}
_REFUSED = {
    400: "The body cannot be understood, or the only report in it has no text.",
    401: "The API key is missing or wrong.",
    404: "Label Studio has not called for the project yet.",
    413: "The body, document or report is too large, or too many reports for one answer.",
    415: "The content type is none of the above.",
    422: "The project has no usable labelling configuration.",
}
DOCUMENTATION: dict[str, Any] = {
    "openapi_extra": {"requestBody": _REQUEST},
    "responses": {200: _ANSWER, **{code: {"model": Problem, "description": why} for code, why in _REFUSED.items()}},
}
