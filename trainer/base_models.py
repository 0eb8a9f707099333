"""Encoders that are known to fit, with what is known of them; any other Hugging Face id or folder may fit as well.

Sizes are those of the files on the Hugging Face hub, licences those the model's page states. Only the built-in one
was measured on ECG reports in this project: a larger general encoder may well be better, nobody has shown it here.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.base_model import BUILT_IN

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """An encoder: millions of parameters, megabytes of weights, layers, width; None where it is not known."""

    name: str
    parameters: int | None
    megabytes: int | None
    layers: int | None
    width: int | None
    licence: str
    notes: str


KNOWN: tuple[KnownModel, ...] = (
    KnownModel(
        BUILT_IN,
        20,
        81,
        6,
        384,
        "MIT (weights: intfloat/multilingual-e5-small)",
        "first 6 of 12 layers, one token per Chinese character, no hub needed; measured here",
    ),
    KnownModel(
        "bert-base-chinese",
        102,
        412,
        12,
        768,
        "Apache-2.0",
        "Google's BERT for Chinese, one token per character, general text; not measured here",
    ),
    KnownModel(
        "hfl/chinese-roberta-wwm-ext",
        102,
        412,
        12,
        768,
        "Apache-2.0",
        "BERT architecture, whole words masked, 5.4 billion words of general text; not measured here",
    ),
    KnownModel(
        "hfl/chinese-macbert-base",
        102,
        412,
        12,
        768,
        "Apache-2.0",
        "masked with similar words instead of [MASK], otherwise like chinese-roberta-wwm-ext; not measured here",
    ),
    KnownModel(
        "hfl/rbt3",
        38,
        156,
        3,
        768,
        "Apache-2.0",
        "three layers of chinese-roberta-wwm-ext, the fastest of the wide ones; not measured here",
    ),
    KnownModel(
        "GanjinZero/UMLSBert_zh",
        None,
        None,
        None,
        None,
        UNKNOWN,
        "medical terms (UMLS, the CODER papers); could not be confirmed to be on the hub, whose pages list "
        "GanjinZero/coder_all as the multilingual one; not measured here",
    ),
)
"""The built-in one first."""
