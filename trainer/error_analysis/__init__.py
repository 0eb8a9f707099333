"""Error analysis: what a predictor gets wrong on annotated reports, and what to annotate next.

    pairing         gold and predicted spans of a report, each in one place
    cases           reports with their pairings, and how they are quoted
    counts          errors by label, source, kind of report; confusion matrix
    patterns        strings and patterns that errors share
    consistency     strings that are annotated in more than one way
    suspects        gold annotations that look wrong
    suggestions     what to annotate or decide next
    analysis        all of it put together; its file in a model folder
    redaction       the analysis without any part of a report
    page            one HTML page to share

Computes from reports and predictions; no model and no Label Studio in here.
"""

from trainer.error_analysis.analysis import analyse, write_analysis
from trainer.error_analysis.page import render
from trainer.error_analysis.redaction import without_texts

__all__ = ["analyse", "render", "without_texts", "write_analysis"]
