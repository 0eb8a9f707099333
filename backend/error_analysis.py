"""What a version gets wrong, as it lies beside its weights: written by the round, read by the web process.

The format is read by people, `ecgal errors` and later versions of this package: a new field needs a default.
It quotes report texts, which are patients' data: it is answered to operators, and never logged.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from backend.errors import ModelError, NotFound

ERRORS = "errors.json"
"""File of a model folder that holds its error analysis."""

ErrorKind = Literal["missed", "spurious", "boundary", "wrong-label", "wrong-label-and-boundary"]
"""A gold span without a predicted one, the reverse, the right label on another range, another label on the same
range, another label on an overlapping range."""

Shape = Literal["", "too long", "too short", "shifted"]
"""How a predicted range differs from the gold range it overlaps; "" where it does not."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Mention(_Record):
    """A span with its text; `score` is the probability 0..1 that its source gave it, None where it gave none."""

    start: int
    end: int
    label: str
    text: str = ""
    score: float | None = None
    source: str = ""


class SpanError(_Record):
    """One error; at least one of `gold` and `predicted` is there.

    `left` and `right` are the characters that the prediction takes in too many (> 0) or leaves off (< 0) at that end,
    `left_text` and `right_text` are those characters. `before` and `after` are the text around the error.
    """

    task_id: int
    kind: ErrorKind
    gold: Mention | None = None
    predicted: Mention | None = None
    shape: Shape = ""
    left: int = 0
    right: int = 0
    left_text: str = ""
    right_text: str = ""
    text: str = ""
    before: str = ""
    after: str = ""

    @property
    def mentions(self) -> list[Mention]:
        """The gold span and the predicted one, where they are there."""
        return [mention for mention in (self.gold, self.predicted) if mention]

    @property
    def start(self) -> int:
        """Where the error begins in the report."""
        return min(mention.start for mention in self.mentions)

    @property
    def labels(self) -> set[str]:
        """Labels of the gold and the predicted span."""
        return {mention.label for mention in self.mentions}


class Summary(_Record):
    """All reports together: strict scores 0..1, and the number of errors of each kind."""

    reports: int
    faulty: int
    gold: int
    predicted: int
    correct: int
    precision: float
    recall: float
    f1: float
    kinds: dict[ErrorKind, int]


class Confusion(_Record):
    """Spans by gold label (row) and predicted label (column); the last row and the last column are "none".

    A span with the right label on another range counts on the diagonal, so that rows add up to the gold spans and
    columns to the predicted ones.
    """

    labels: list[str]
    counts: list[list[int]]


class LabelErrors(_Record):
    """One label. gold = correct + missed + boundaries + wrong_label + wrong_label_and_boundary;
    predicted = correct + spurious + boundaries + taken_for (spans of other labels that were predicted as this one).
    """

    label: str
    gold: int
    predicted: int
    correct: int
    precision: float
    recall: float
    f1: float
    missed: int
    spurious: int
    too_long: int
    too_short: int
    shifted: int
    wrong_label: int
    wrong_label_and_boundary: int
    taken_for: int


class SourceErrors(_Record):
    """Predicted spans by what proposed them (a rule's name, `memory`, `model`)."""

    source: str
    predicted: int
    correct: int
    precision: float
    spurious: int
    boundary: int
    wrong_label: int
    wrong_label_and_boundary: int


class StringErrors(_Record):
    """A string in errors of one kind and label: the whole mention, or what a boundary leaves off or takes in."""

    kind: ErrorKind
    label: str
    text: str
    change: Literal["", "left off", "taken in"] = ""
    side: Literal["", "left", "right"] = ""
    count: int
    tasks: list[int]


class Pattern(_Record):
    """Errors that are alike but for digits (`#`) and width of characters.

    `text` is the gold mention (of a spurious span the predicted one); of a boundary it is what is taken in (+) and left
    off (-) before and after the mention (…): `…-次/分`.
    """

    kind: ErrorKind
    shape: Shape
    gold: str
    predicted: str
    text: str
    count: int
    tasks: list[int]


class ReportErrors(_Record):
    """A report with errors; `kind` is the kind of report."""

    task_id: int
    kind: str
    characters: int
    gold: int
    predicted: int
    correct: int
    errors: int


class ReportKind(_Record):
    """Reports of one kind together; `f1` is strict, 0..1."""

    kind: str
    reports: int
    faulty: int
    gold: int
    errors: int
    f1: float


class Use(_Record):
    """How a string is annotated in some places; the label is "" where it is not."""

    label: str
    count: int
    tasks: list[int]


class Inconsistency(_Record):
    """A string that is annotated in more than one way, the most frequent way first."""

    text: str
    uses: list[Use]


class Suspect(_Record):
    """A gold annotation that looks wrong; label "" where none is but one is expected, and the reverse.

    `strength` 0..1 is for ordering. The reason quotes no report text.
    """

    task_id: int
    start: int
    end: int
    label: str
    expected: str
    text: str = ""
    before: str = ""
    after: str = ""
    strength: float
    reason: str


class Suggestion(_Record):
    """What to annotate or decide next: `target` is a label, a string or a kind of report; `figures` make the case."""

    kind: Literal["label", "string", "report-kind"]
    target: str
    reason: str
    figures: dict[str, float]
    tasks: list[int] = []
    examples: list[str] = []


class ErrorAnalysis(_Record):
    """The errors of one predictor on annotated reports; errors are in order of task and offset.

    `annotated` counts the reports in which inconsistent annotations were sought. Without `texts`, no part of a report
    is quoted anywhere.
    """

    version: str = ""
    labels: list[str]
    annotated: int
    texts: bool = True
    summary: Summary
    confusion: Confusion
    by_label: list[LabelErrors]
    by_source: list[SourceErrors]
    by_report_kind: list[ReportKind]
    strings: list[StringErrors]
    patterns: list[Pattern]
    reports: list[ReportErrors]
    errors: list[SpanError]
    inconsistencies: list[Inconsistency]
    suspects: list[Suspect]
    suggestions: list[Suggestion]


def read_analysis(folder: Path) -> ErrorAnalysis:
    """The analysis in a model folder; raises NotFound when there is none, ModelError when it cannot be read."""
    try:
        return ErrorAnalysis.model_validate_json((folder / ERRORS).read_text("utf-8"))
    except FileNotFoundError:
        hint = "a round writes one: `ecgal retrain`; `ecgal errors --data FILE` analyses an export"
        raise NotFound("No error analysis for", folder.name, hint) from None
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise ModelError("Unreadable error analysis of", folder.name, type(error).__name__) from None
