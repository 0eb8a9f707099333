"""An analysis without any part of a report: figures, labels, sources, task ids and offsets are left."""

from __future__ import annotations

from backend.error_analysis import ErrorAnalysis, Mention, SpanError
from trainer.error_analysis.patterns import frequent_patterns

_NOTHING = {"text": "", "before": "", "after": ""}


def without_texts(analysis: ErrorAnalysis) -> ErrorAnalysis:
    """The analysis quoting nothing; strings and inconsistencies, which are quotations, are left out."""
    errors = [_silent(error) for error in analysis.errors]
    suggestions = [s.model_copy(update={"examples": []}) for s in analysis.suggestions if s.kind != "string"]
    return analysis.model_copy(
        update={
            "texts": False,
            "errors": errors,
            "patterns": frequent_patterns(errors),
            "strings": [],
            "inconsistencies": [],
            "suspects": [suspect.model_copy(update=_NOTHING) for suspect in analysis.suspects],
            "suggestions": suggestions,
        }
    )


def _silent(error: SpanError) -> SpanError:
    mentions = {"gold": _unnamed(error.gold), "predicted": _unnamed(error.predicted)}
    return error.model_copy(update={**_NOTHING, "left_text": "", "right_text": "", **mentions})


def _unnamed(mention: Mention | None) -> Mention | None:
    return mention.model_copy(update={"text": ""}) if mention else None
