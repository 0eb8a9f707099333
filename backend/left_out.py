"""What a round did not use of what people annotated, in words for those who can mend it.

A round that publishes nothing has left something out as well: so the rejects of the newest round lie beside the
versions, in `left_out.json`, and the card of a version keeps those of its own round. No report text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from backend.files import write_atomic
from backend.model_card import RejectedAnnotation
from backend.ner.spans import Span
from backend.registry import Registry

FILE = "left_out.json"
NOT_SUBMITTED = "skipped or draft"
"""Reason of a task that nobody has submitted an annotation of: it is counted, nobody is warned."""
SKIPPED, DRAFT, UNTOUCHED, SAME = "skipped", "draft", "not annotated", "the same as another region"
NO_LOSS = {NOT_SUBMITTED, SKIPPED, DRAFT, UNTOUCHED, SAME}
"""Reasons that take nothing away from a person who submitted."""
UNPLACED = ("its offsets ", "its text ", "its type ")
"""What reasons of regions begin with whose place in the report is not known."""
NAMED = 5
"""Tasks that a sentence names; more are counted."""

_FORMS = (
    ("it is ", "they are "),
    ("it has ", "they have "),
    ("it covers ", "they cover "),
    ("it belongs ", "they belong "),
    ("it overlaps ", "they overlap "),
    ("its ", "their "),
)
"""The beginning of a reason, for one and for several."""


class LeftOut(BaseModel):
    """What was not used for one reason: whole annotations, and regions (those of whole annotations counted too)."""

    model_config = ConfigDict(frozen=True)

    reason: str
    regions: int = 0
    annotations: int = 0
    tasks: list[int] = []

    @property
    def sentence(self) -> str:
        """One sentence.

        >>> LeftOut(reason="its offsets do not fit the text", regions=2, tasks=[261]).sentence
        '2 regions of task 261 were not used: their offsets do not fit the text'
        """
        regions, annotations = _counted(self.regions, "region"), _counted(self.annotations, "annotation")
        what = f"{annotations} with {regions}" if self.annotations and self.regions else annotations or regions
        number = self.annotations or self.regions
        of = f"task{'s' if len(self.tasks) > 1 else ''} {', '.join(map(str, self.tasks[:NAMED]))}"
        more = f" and {len(self.tasks) - NAMED} more" if len(self.tasks) > NAMED else ""
        return f"{what} of {of}{more} {'was' if number == 1 else 'were'} not used: {_form(self.reason, number)}"


class Reading(BaseModel):
    """What round `round` left out of the annotations that it read; 0 before the first."""

    model_config = ConfigDict(frozen=True)

    round: int = 0
    rejects: list[RejectedAnnotation] = []


def save(registry: Registry, project: str, reading: Reading) -> None:
    """Keep the reading of the newest round."""
    write_atomic(registry.folder(project) / FILE, reading.model_dump_json())


def newest(registry: Registry, project: str) -> Reading:
    """The reading of the newest round, whether or not it published a version; of an older home the newest card's."""
    try:
        return Reading.model_validate_json((registry.folder(project) / FILE).read_bytes())
    except (FileNotFoundError, ValidationError):
        cards = registry.versions(project, 1)
        return Reading(round=cards[0].round, rejects=cards[0].dataset.rejects) if cards else Reading()


def summary(rejects: Iterable[RejectedAnnotation]) -> list[LeftOut]:
    """What was left out by reason, the most regions first; reasons that take nothing away are not in it."""
    found: dict[str, list[RejectedAnnotation]] = {}
    for reject in rejects:
        reason = kind(reject.reason)
        if reason not in NO_LOSS and (reject.regions or reject.annotations):
            found.setdefault(reason, []).append(reject)
    rows = [
        LeftOut(
            reason=reason,
            regions=sum(reject.regions for reject in of),
            annotations=sum(reject.annotations for reject in of),
            tasks=sorted({reject.task for reject in of}),
        )
        for reason, of in found.items()
    ]
    return sorted(rows, key=lambda row: (-row.regions, -row.annotations, row.reason))


def to_json(rejects: list[RejectedAnnotation]) -> dict[str, Any]:
    """The counts and the reasons, each with its sentence, for answers."""
    rows = summary(rejects)
    return {
        "regions": sum(row.regions for row in rows),
        "annotations": sum(row.annotations for row in rows),
        "not_submitted": sum(reject.reason == NOT_SUBMITTED for reject in rejects),
        "reasons": [{**row.model_dump(), "sentence": row.sentence} for row in rows],
    }


def says_nothing(spans: Sequence[Span], reasons: Iterable[str]) -> bool:
    """Whether an annotation is left out as a whole: no span of it is left, and of some region the place is not known.

    That it marks no entity would be wrong. `reasons` are those of its regions.

    >>> says_nothing([], ["region a: its offsets are not whole numbers"]), says_nothing([], [])
    (True, False)
    """
    return not spans and any(kind(reason).startswith(UNPLACED) for reason in reasons)


def kind(reason: str) -> str:
    """The reason without the region's name and offsets, and without the task that a copy names.

    >>> kind("region a: its offsets 5..99 do not fit a text of 9 characters"), kind("region at 3..5: overlaps another")
    ('its offsets do not fit the text', 'overlaps another')
    >>> kind("same text as task 12, annotated differently")
    'same text as another task, annotated differently'
    """
    said = re.sub(r"^region .*?: ", "", reason, flags=re.DOTALL)
    said = re.sub(r"^same text as task \d+", "same text as another task", said)
    return re.sub(r" (at )?-?\d+\.\.-?\d+( do not fit a text of \d+ characters)?", _place, said)


def _place(found: re.Match[str]) -> str:
    return " do not fit the text" if found[2] else ""


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}" if number else ""


def _form(reason: str, number: int) -> str:
    """The reason as the end of a sentence about so many."""
    said = f"it {reason}" if reason.startswith("overlaps ") else reason
    for one, several in _FORMS:
        if number > 1 and said.startswith(one):
            return several + said.removeprefix(one)
    return said
