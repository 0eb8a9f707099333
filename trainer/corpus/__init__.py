"""Annotated reports in files: every export of Label Studio, and what `ecgal convert` writes.

    file -> files | conll | stored -> tasks (one shape, unique ids) -> inference (configuration) -> trainer.dataset

Nothing is silently lost: a corpus carries the rejects with their reasons, and a ledger in which kept and rejected add
up to what was found. Splits of a corpus are in `trainer.corpus.splits`. docs/corpora.md describes the forms.
"""

from trainer.corpus.model import Corpus, Ledger, Tally
from trainer.corpus.reading import read, texts_of
from trainer.corpus.writing import FORMS, Form, form_of, write

__all__ = ["FORMS", "Corpus", "Form", "Ledger", "Tally", "form_of", "read", "texts_of", "write"]
