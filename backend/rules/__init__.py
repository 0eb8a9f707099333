"""Rules for ECG reports: what can be pre-annotated with no annotation at all, and what annotators' strings add.

    mending      copy of the text without what tore words and numbers apart, with the way back
    fold         same-length folded copy of the text, matched instead of it
    lexicon      findings (EVENT, DIAG) by modifiers + term        lexicon.toml
    times        clock times, dates, durations (TIME)              patterns.toml
    readings     rates and other values (HR, VALUE)                patterns.toml
    names        what the name before a number makes of it         patterns.toml
    numerals     numbers in Chinese numerals
    plausibility what a reading can be at all                      patterns.toml
    torn         numbers that are parts of one
    tables       bare numbers in columns
    negation     where findings do not count                       context.toml
    boxes        check boxes of forms: what is not ticked          context.toml
    exercise     which ST changes exercise induced                 context.toml
    memory       strings that annotators labelled
    proposals    all of it put together into disjoint spans
    unexplained  the uncertainty of a report without a model       context.toml

Pure: no I/O but reading the data files of this package, once.
"""

from backend.rules.memory import EMPTY_MEMORY, SpanMemory
from backend.rules.proposals import LABELS, SOURCES, propose
from backend.rules.unexplained import uncertainty

__all__ = ["EMPTY_MEMORY", "LABELS", "SOURCES", "SpanMemory", "propose", "uncertainty"]
