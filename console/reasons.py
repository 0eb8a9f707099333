"""Why a region or an annotation was not used, in Chinese: the backend's reasons are English."""

from __future__ import annotations

import re

from console.words import Words

REASONS = {
    "it is not an object": "区域数据格式不正确",
    "it belongs to another control than …": "属于另一个标注控件",
    "its type is …, not labels": "区域类型为 {value}，不是 labels",
    "it has no label": "没有标签",
    "its label … is not in the labelling configuration": "标签 {value} 不在标注配置中",
    "its offsets are not whole numbers": "位置不是整数",
    "its offsets do not fit the text": "位置超出报告范围",
    "its text is not what the report holds, but stands elsewhere in the report": "位置有偏移：所标文字在报告的另一处",
    "its text shows an inclusive end (ends are exclusive: add 1)": "结束位置少 1：应为最后一个字之后的位置",
    "it covers only white space": "只包含空白",
    "overlaps another region": "与另一个区域重叠（保留较长的）",
    "it has several labels, the first is used": "有多个标签，只采用第一个",
    "the export holds only its number": "只有编号，没有内容",
    "it has no list of regions": "没有区域列表",
    "another annotation of the task was taken": "同一任务采用了另一份标注",
    "same text as another task, annotated differently": "与另一任务文本相同但标注不同（采用了另一份）",
    "none of its regions can be placed in the report": "没有一个区域能在报告中定位",
    "no usable text under …: over 20000 characters": "{value} 下的文本超过 20000 字",
    "no usable text under …: not valid Unicode (a lone surrogate)": "{value} 下的文本不是有效的 Unicode",
    "no usable text under …": "{value} 下没有可用文本",
}
"""The reason, with … for what it names -> Chinese."""

_NAMED = re.compile(r"""'.*'|".*"|data\.[^ :]+|(?<=than )\S+ on \S+|(?<=type is )\w+""")
"""A label, a key of the data, a control or a type of regions."""


def reason(words: str, say: Words) -> str:
    """The reason in the language of the interface; what it names stays as it is, and so does an unknown reason.

    >>> reason("its label 'EDU' is not in the labelling configuration", Words("zh"))
    "标签 'EDU' 不在标注配置中"
    """
    named = _NAMED.search(words)
    chinese = REASONS.get(_NAMED.sub("…", words, count=1)) if say.language == "zh" else None
    return words if chinese is None else chinese.format(value=named[0] if named else "")
