"""What the backend says in English sentences, in Chinese.

Decisions and suspects are composed from their figures. Errors and stages are known by how they begin; what is not known
gets a Chinese heading and is quoted as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]

STAGES = (
    (r"cross-validation, fold (\d+)", "交叉验证第 {} 折"),
    (r"fetching (.+) from the Hugging Face hub", "从 Hugging Face 下载 {}"),
    (r"fetching (.+)", "下载 {}"),
    (r"converting the weights", "转换权重"),
    (r"same text as task (\d+)", "与任务 {} 文本相同"),
)
"""Stages and reasons whose wording has parts that change; the others are in `console.texts`."""

HOLDS = (
    (r"rolled back from (\S+)", "从 {} 回退"),
    (r"(\S+) chosen by hand", "人工选择 {}"),
    (r"hold\.json is damaged", "`hold.json` 已损坏"),
)
"""Reasons of a hold that nobody gave in words of their own."""
OVERRIDES = {
    "held": "保留 {before}，当前版本已锁定",
    "superseded": "保留人工选择的版本（在与 {before} 比较之后启用）",
    "promoted": "人工启用",
    "rolled back": "人工回退",
}
"""What a person chose instead of the gate."""
NAMES = {"console": "控制台", "unknown": "未知", "API": "接口"}
"""Who chose, where that is no person's name."""

ERRORS = {
    "No such project": ("没有这个项目", "Label Studio 尚未调用过它：请运行 `ecgal connect`。"),
    "No such version": ("没有这个版本，或其权重已清理", "`ecgal models` 列出所有版本。"),
    "No such label": ("没有这个标签", "请选择标注配置中的标签。"),
    "No such job": ("没有这个任务", ""),
    "Nothing is held": ("没有锁定", "新版本本来就可以启用。"),
    "A reason or name is one line": ("原因须为一行文字", "最多 500 个字符。"),
    "Nothing to roll back to": ("没有可回退的版本", "当前由规则提供预标注，之前没有其他版本。"),
    "No error analysis for": ("还没有错误分析", "下一轮训练会生成：点击“立即训练”。"),
    "Unreadable": ("文件无法读取", "请用 `ecgal rollback` 回退到之前的版本。"),
    "Damaged files of": ("版本文件已损坏", "请用 `ecgal rollback` 回退到之前的版本。"),
    "Redis does not answer": ("Redis 没有应答", "请启动 Redis，或检查 `REDIS_URL`。"),
    "The job could not be queued": ("任务无法排入队列", "请确认 Redis 正在运行。"),
    "The hint could not be stored": ("标注通知无法保存", "请确认 Redis 正在运行。"),
    "The queue cannot be reached": ("队列无法访问", "请确认 Redis 正在运行。"),
    "The annotated texts cannot be reached": ("已标注文本的记录无法访问", "请确认 Redis 正在运行。"),
    "The live memory cannot be reached": ("实时记忆无法访问", "请确认 Redis 正在运行。"),
    "Internal error": ("后端内部错误", "网页进程的日志中记有位置。"),
    "This is not the backend": ("应答的不是后端", "请检查 `ECG_PORT`。"),
    "A report is needed": ("缺少报告文本", "请粘贴或上传一份报告。"),
    "There is no report": ("缺少报告文本", "请粘贴或上传一份报告。"),
    "The report is too long": ("报告过长", "请分成几份较短的报告。"),
    "The body is too large": ("内容过大", "请分成几份较短的报告。"),
    "The rules have no uncertainty": ("规则没有逐字的不确定度", "第一次训练神经网络之后才有。"),
    "This kind of document": ("不支持这种文件", "请上传 txt、docx 或 rtf 文件。"),
    "The document has no text in its body": ("文件正文中没有文本，文字在文本框、页眉等处", "请把文字移到正文中。"),
    "The document has no text": ("文件中没有文本", "请上传有内容的报告。"),
    "The document is too large": ("文件过大", "请分成几份较小的文件。"),
    "The document's text is too large": ("文件中的文本过长", "请分成几份较短的报告。"),
    "The document unpacks to too much": ("文件解压后过大", "请删去图片等内容，或另存为 txt。"),
    "The RTF document is damaged": ("RTF 文件已损坏", "请另存为 .docx。"),
    "The document is encrypted": ("文件已加密，或是旧版 .doc", "请去掉密码，或另存为 .docx。"),
    "This is no text file": ("这不是文本文件", "请上传 txt、docx 或 rtf 文件。"),
    "The text is neither UTF-8": ("文本编码无法识别", "请另存为 UTF-8 后再上传。"),
    "This is no Word document": ("这不是 Word 文件", "请在文字处理软件中另存为 .docx。"),
    "disconnected by": ("项目已断开连接", "请用 `ecgal connect` 重新连接。"),
    "Label Studio no longer has it": (
        "Label Studio 中已没有这个项目，或令牌无权查看",
        "请用 `ecgal connect` 重新连接。",
    ),
    "Label Studio cannot be reached": ("无法连接 Label Studio", "请确认它在运行，`ecgal doctor` 检查连接。"),
    "Label Studio": ("Label Studio 拒绝了请求，或没有正常应答", "`ecgal doctor` 检查连接。"),
    "The access token": ("访问令牌不可用", "请用 `ecgal connect` 换一个令牌。"),
    "The labelling configuration": ("标注配置不可用", "`ecgal doctor` 说明原因。"),
    "The Text tag": ("标注配置不可用：读不到报告文本，不做预测", "`ecgal doctor` 说明原因。"),
    "The Labels tag": ("标注配置不可用：没有固定的标签，不做预测", "`ecgal doctor` 说明原因。"),
    "No Labels tag": ("标注配置不可用：没有标注文本的 Labels，不做预测", "`ecgal doctor` 说明原因。"),
    "The training diverged": ("训练发散", "请换一个随机种子，或减少步数。"),
    "The project is not connected": ("项目未连接 Label Studio", "请用 `ecgal connect` 连接。"),
    "Project ": ("项目已结束", "请用 `ecgal connect` 重新连接。"),
    "round ": ("训练进程每次运行都被终止", "可能内存不足，训练进程的日志中记有原因。"),
    "rank-": ("排序进程每次运行都被终止", "可能内存不足，排序进程的日志中记有原因。"),
    "shard-": ("排序进程每次运行都被终止", "可能内存不足，排序进程的日志中记有原因。"),
    "unexpected": ("出现意外错误", "训练进程的日志中记有位置。"),
}
"""How an error of the backend begins -> what it says, and what to do."""

KINDS = {
    400: "请求有误",
    401: "后端不接受此密钥",
    404: "没有找到",
    409: "当前状态不允许此操作",
    413: "内容过大",
    422: "内容不可用",
    502: "Label Studio 没有正常应答",
    503: "服务暂不可用",
}
MODES = {"tagger": "标注器", "rules": "规则", "model": "模型", "merged": "规则 + 模型"}
FEWEST = 10
"""Reports that a comparison needs (`trainer.promotion.MIN_COMPARED`)."""
METHODS = {"holdout": "留出集", "cross-validation": "交叉验证"}


def stage(words: str) -> str:
    """The stage, or the words themselves where they are not known.

    >>> stage("cross-validation, fold 2")
    '交叉验证第 2 折'
    """
    return _of(STAGES, words)


def error(what: str, value: str = "", status: int = 0) -> tuple[str, str]:
    """Of an error: what it says, with the value as it is in backquotes, and what to do.

    >>> error("No such label", "LEAD")
    ('没有这个标签：`LEAD`', '请选择标注配置中的标签。')
    >>> error("Something new", "7", 409)
    ('当前状态不允许此操作', '原文：`Something new: 7`')
    """
    for begin, (chinese, hint) in ERRORS.items():
        if what.startswith(begin):
            return chinese + (f"：`{_code(value)}`" if value else ""), hint
    original = f"{what}: {value}" if value else what
    return KINDS.get(status, "后端报告了错误"), f"原文：`{_code(original)}`"


def sentence(words: str) -> str:
    """An error that came as one sentence: what it says and what to do, else the sentence quoted.

    >>> sentence("Redis does not answer: ConnectionError. start it")
    'Redis 没有应答。请启动 Redis，或检查 `REDIS_URL`。'
    """
    what, hint = error(words)
    return f"{what}。{hint}"


def decision(model: Row) -> str:
    """Why a version was promoted or not, from the figures of its card; the card's own sentence where it has none."""
    state, before = model.get("state"), model.get("compared_with", "")
    if not state:
        return str(model.get("reason", ""))
    parts = "；".join(part for part in (_difference(model), *_losses(model)) if part)
    if override := model.get("override"):
        return f"{_by_hand(override, before)}。自动评估：{parts}。"
    head = f"启用（{MODES[model['mode']]}）" if model["promoted"] else f"保留 {before}"
    return f"{head}：{parts}。"


def suspect(row: Row) -> str:
    """Why an annotation looks wrong, from what is annotated and what is expected."""
    label, expected = row["label"], row["expected"]
    if not label:
        return f"此处未标注，预期为 {expected}"
    if not expected:
        return f"此处标为 {label}，相同文字在别处多未标注"
    return f"此处标为 {label}，预期为 {expected}" if label != expected else f"{label} 的范围与预期不同"


def hold_reason(words: str) -> str:
    """Why a version is held: what the backend says where nobody gave a reason, else a person's own words.

    >>> hold_reason("rolled back from ecg-r0002-0badcafe"), hold_reason("wrong drug names")
    ('从 ecg-r0002-0badcafe 回退', 'wrong drug names')
    """
    return _of(HOLDS, words)


def interval(ends: Any) -> tuple[float, float] | None:
    """The interval of a difference; None where there is none, or its ends coincide and so it says nothing.

    >>> interval([0.1, 0.2]), interval([0.1, 0.1]), interval(None)
    ((0.1, 0.2), None, None)
    """
    return (ends[0], ends[1]) if ends and ends[0] != ends[1] else None


def _by_hand(override: Row, before: str) -> str:
    """What a person chose instead of the gate; who, when and why where that is known."""
    action = OVERRIDES[override["action"]].format(before=before)
    by, reason = NAMES.get(override["by"], override["by"]), hold_reason(override["reason"])
    since = "" if override["since"] == "unknown" else override["since"]
    told = "，".join(part for part in (since, by) if part)
    return "：".join(part for part in (f"{action}（{told}）" if told else action, reason) if part)


def _of(patterns: Iterable[tuple[str, str]], words: str) -> str:
    for pattern, chinese in patterns:
        if found := re.fullmatch(pattern, words):
            return chinese.format(*found.groups())
    return words


def _difference(model: Row) -> str:
    before, few = model["compared_with"], model["state"] == "too few reports"
    count = model.get("compared_reports")
    on = "" if count is None else _few(count) if few else f"{count} 份报告"
    gain = model.get("difference")
    if gain is None:
        return f"与 {before} 相比，{on or '可比较的报告太少'}"
    side = f"F1 与 {before} 持平" if gain == 0 else f"F1 比 {before} {'高' if gain > 0 else '低'} {abs(gain):.3f}"
    ends = interval(model.get("interval"))
    about = [f"95 % 区间 {ends[0]:+.3f} 至 {ends[1]:+.3f}"] if ends else []
    about += [] if few else [METHODS.get(model.get("method", ""), "")]
    told = "，".join(part for part in (*about, on or ("可比较的报告太少" if few else "")) if part)
    return f"{side}（{told}）" if told else side


def _few(count: int) -> str:
    """How many reports there are for a comparison that needs more."""
    return (
        f"直接比较需要 {FEWEST} 份报告，目前只有 {count} 份" if count else f"直接比较需要 {FEWEST} 份报告，目前还没有"
    )


def _losses(model: Row) -> list[str]:
    labels = "、".join(model.get("labels_lost") or [])
    debt, ends = model.get("debt") or 0.0, model.get("interval")
    losses = [f"标签 {labels} 明显变差"] if labels else []
    if model["state"] == "worse" and ends and ends[1] >= 0:
        losses += ["降幅超出允许范围，但报告较少，可能出于偶然"]
    return [*losses, *([f"累计将比最好的版本低 {debt:.3f}"] if model["state"] == "losses add up" and debt else [])]


def _code(text: str) -> str:
    return text.replace("`", "'")
