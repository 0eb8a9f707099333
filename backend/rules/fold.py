"""A folded copy of the text for matching: same length, so every offset is an offset of the raw text.

Reports mix full-width and half-width digits, letters and punctuation, upper and lower case, and some are written in
traditional characters. Rules match
on the folded copy and return offsets into the text as written; the text itself never changes.
"""

from __future__ import annotations

import unicodedata

# Signs that devices and input methods use for the same thing; each maps one code point to one code point.
_SIGNS = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "﹣": "-",
    "〜": "~",
    "∼": "~",
    "∶": ":",
    "º": "°",
    "˚": "°",
    "｡": "。",
    "．": ".",
    "【": "[",
    "】": "]",
    "〔": "[",
    "〕": "]",
    "®": "®",
}

# Traditional characters of ECG reports and their simplified forms.
_TRADITIONAL = (
    "竇傳導間時長鐘鍾顫動過緩電軸異壓縮擴張負滯連聯結發陣單雙對個處側後變狀態診斷論見圖檢驗測監護總數頻續"
    "歲號級範圍與於為無會應當並復複極顯輕減規則齊類樣際餘兩點鉀鈣藥醫師陳舊廣損傷勞預徵綜癥臟內運試陽陰靜"
    "脈節關係請議臨觀覺標準亂撲纖維縱橫錯誤離補償區實現記錄達僅來從產質強線雜訊氣壞擬層給據稱終隱戶頂寬縫"
    "萬億遞進瀰彌"
)
_SIMPLIFIED = (
    "窦传导间时长钟钟颤动过缓电轴异压缩扩张负滞连联结发阵单双对个处侧后变状态诊断论见图检验测监护总数频续"
    "岁号级范围与于为无会应当并复复极显轻减规则齐类样际余两点钾钙药医师陈旧广损伤劳预征综症脏内运试阳阴静"
    "脉节关系请议临观觉标准乱扑纤维纵横错误离补偿区实现记录达仅来从产质强线杂讯气坏拟层给据称终隐户顶宽缝"
    "万亿递进弥弥"
)
_SIGNS |= dict(zip(_TRADITIONAL, _SIMPLIFIED, strict=True))


class _FoldTable(dict[int, str]):
    """Code point -> folded character, filled on demand."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = _SIGNS.get(char) or _fold_char(char)
        self[code] = folded
        return folded


def _fold_char(char: str) -> str:
    # Circled and superscript numbers (category No) number paragraphs or belong to units: they are not digits here.
    normal = char if unicodedata.category(char) == "No" else unicodedata.normalize("NFKC", char)
    if len(normal) != 1:
        normal = char
    lower = normal.casefold()
    return lower if len(lower) == 1 else normal


_TABLE = _FoldTable()


def fold(text: str) -> str:
    """Return the folded copy: NFKC, lower case, simplified, each only where one code point stays one.

    >>> fold("ＨＲ：７２次／分")
    'hr:72次/分'
    >>> len(fold("ﬁ①㎜ß")) == len("ﬁ①㎜ß")
    True
    """
    return text.translate(_TABLE)
