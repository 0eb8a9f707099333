"""Groups of reports that one F1 hides: by length, and by the kind of recording that the text tells of.

The kinds are told by words and are meant for tables, not for decisions; other texts than ECG reports are `other`.
"""

from __future__ import annotations

import re
from typing import Literal

Length = Literal["up to 100", "101 to 600", "over 600"]
"""Characters (code points) of a report."""
Kind = Literal["resting", "Holter", "exercise", "other"]

LENGTHS: tuple[Length, ...] = ("up to 100", "101 to 600", "over 600")
KINDS: tuple[Kind, ...] = ("resting", "Holter", "exercise", "other")

_EXERCISE = re.compile(r"平板|踏车|运动(试验|负荷|诱发|至第)|bruce|\bmets\b", re.IGNORECASE)
# A Holter that is only recommended (建议行动态心电图) makes no Holter report.
_HOLTER = re.compile(
    r"(?<![行查做])动态心电|holter|全程|总心搏|监测时间|监测\s*[\d.]+\s*(h|小时)|24\s*(h|小时)|负荷\s*[\d.]+\s*%",
    re.IGNORECASE,
)
_RESTING = re.compile(r"窦性|窦律|心律|心率|心室率|心电|房颤|电轴|早搏|传导阻滞|QRS|\bST\b|ST-?T|ST段")


def length_of(text: str) -> Length:
    """The length class of a report."""
    return "up to 100" if len(text) <= 100 else "101 to 600" if len(text) <= 600 else "over 600"


def kind_of(text: str) -> Kind:
    """Exercise test, Holter, resting ECG, in this order, else other.

    >>> [kind_of(text) for text in ("24小时动态心电图：窦性心律", "窦性心律，建议行动态心电图", "本科学历")]
    ['Holter', 'resting', 'other']
    """
    if _EXERCISE.search(text):
        return "exercise"
    if _HOLTER.search(text):
        return "Holter"
    return "resting" if _RESTING.search(text) else "other"
