"""The texts of the interface in one language, called with a key."""

from __future__ import annotations

from dataclasses import dataclass

from console import sentences
from console.texts import TEXTS, Language


@dataclass(frozen=True)
class Words:
    """The texts in one language, called with a key; raises KeyError for an unknown one."""

    language: Language = "zh"

    def __call__(self, key: str, **values: object) -> str:
        """The text, its {names} filled in."""
        text = TEXTS[key][0 if self.language == "zh" else 1]
        return text.format(**values) if values else text

    def said(self, words: object) -> str:
        """What the backend said, translated where its wording is fixed.

        >>> Words("zh").said("token entropy"), Words("zh").said("something new")
        ('逐字熵', 'something new')
        """
        key = f"said.{words}"
        if key in TEXTS:
            return self(key)
        return sentences.stage(str(words or "")) if self.language == "zh" else str(words or "")

    def source(self, source: str) -> str:
        """What found a span; of rules English keeps the name.

        >>> Words("zh").source("lexicon:DIAG"), Words("zh").source("rate"), Words("en").source("rate")
        ('词典', '数值规则', 'rate')
        """
        kind = source.partition(":")[0]
        known = f"source.{kind}" in TEXTS
        return self(f"source.{kind if known else 'rule'}") if self.language == "zh" and source else source

    def sentence(self, words: str) -> str:
        """An error that the backend told as one sentence."""
        return sentences.sentence(words) if self.language == "zh" else words

    def decision(self, model: sentences.Row) -> str:
        """Why a version was promoted or not."""
        return sentences.decision(model) if self.language == "zh" else str(model["reason"])

    def hold(self, hold: sentences.Row) -> dict[str, str]:
        """Since when, by whom and why a version is held."""
        told = {name: str(hold[name]) for name in ("since", "by", "reason")}
        if self.language == "en":
            return told
        names = {name: sentences.NAMES.get(told[name], told[name]) for name in ("since", "by")}
        return {**names, "reason": sentences.hold_reason(told["reason"])}

    def suspect(self, row: sentences.Row) -> str:
        """Why an annotation looks wrong."""
        return sentences.suspect(row) if self.language == "zh" else str(row["reason"])

    def label(self, label: str) -> str:
        """What a label is called; labels of other projects by themselves."""
        key = f"label.{label}"
        return self(key) if key in TEXTS else label

    def duration(self, seconds: float) -> str:
        """Minutes and seconds.

        >>> Words("en").duration(75)
        '1:15'
        """
        minutes, rest = divmod(max(0, round(seconds)), 60)
        return f"{minutes}:{rest:02d}"
