"""Every word of the interface, Chinese and English side by side.

What the backend says in words of its own (reasons, hints) is English; of those with a fixed wording there is a
Chinese form under `said.`, the others are shown as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]
LANGUAGES: dict[Language, str] = {"zh": "中文", "en": "English"}

TEXTS: dict[str, tuple[str, str]] = {
    "app.title": ("心电报告主动学习", "ECG active learning"),
    "app.project": ("项目", "Project"),
    "app.language": ("语言", "Language"),
    "app.label_studio": ("打开 Label Studio", "Open Label Studio"),
    "app.unexpected": ("出现内部错误", "Internal error"),
    "app.unexpected.hint": ("日志 console.log 中记有位置", "console.log names the place"),
    "login.title": ("登录", "Sign in"),
    "login.key": ("访问密钥 (ECG_API_KEY)", "Key (ECG_API_KEY)"),
    "login.enter": ("进入", "Enter"),
    "login.wrong": ("密钥不正确", "Wrong key"),
    "problem.down": (
        "后端没有应答（{value}）。请启动 `ecgal up`，本页会在下一次操作时重试。",
        "The backend does not answer ({value}). Start `ecgal up`; this page tries again at the next action.",
    ),
    "problem.redis": ("队列存储（Redis）不可用", "The job store (Redis) is down"),
    "problem.key": ("后端不接受此密钥", "The backend does not accept the key"),
    "problem.no_project": (
        "还没有连接项目。请在另一个终端运行 `ecgal connect --project 1 --url http://localhost:8080 --token …`。",
        "No project is connected yet. Call `ecgal connect --project 1 --url http://localhost:8080 --token …`.",
    ),
    "problem.untrained": (
        "还没有训练过模型：当前由规则提供预标注。标注几份报告后会自动开始第一轮训练。",
        "Nothing is trained yet: the rules serve. The first round starts after a few annotated reports.",
    ),
    "problem.no_analysis": (
        "当前版本还没有错误分析：下一轮训练会生成。",
        "The serving version has no error analysis yet: the next round writes one.",
    ),
    "page.parse": ("解析", "Parse"),
    "page.queue": ("队列", "Queue"),
    "page.training": ("训练", "Training"),
    "page.errors": ("错误", "Errors"),
    # Parse
    "parse.text": ("报告文本", "Report text"),
    "parse.hint": ("把一份心电报告粘贴到这里", "Paste an ECG report here"),
    "parse.file": ("或上传一份文件（txt、docx、rtf）", "or upload a file (txt, docx, rtf)"),
    "parse.left_out": (
        "文件中以下内容未读入，请核对原件：{what}",
        "The file also holds what was not read; check the original: {what}",
    ),
    "parse.run": ("解析", "Parse"),
    "parse.example": ("示例", "Example"),
    "parse.clear": ("清空", "Clear"),
    "parse.empty": ("请先粘贴或上传一份报告。", "Paste or upload a report first."),
    "parse.report": ("报告", "Report"),
    "parse.result": ("结构化结果", "Structured result"),
    "parse.version": ("由 {version} 识别", "Found by {version}"),
    "parse.json": ("下载 JSON", "Download JSON"),
    "parse.csv": ("下载 CSV", "Download CSV"),
    "parse.none": ("没有找到。", "None found."),
    "parse.figures": ("关键数值", "Key figures"),
    "list.diagnoses": ("诊断", "Diagnoses"),
    "list.events": ("事件", "Events"),
    "list.heart_rates": ("心率", "Heart rates"),
    "list.measurements": ("测量值", "Measurements"),
    "kind.mean": ("平均心率", "Mean rate"),
    "kind.fastest": ("最快心率", "Fastest rate"),
    "kind.slowest": ("最慢心率", "Slowest rate"),
    "kind.other": ("其他频率", "Other rate"),
    "certainty.stated": ("肯定", "stated"),
    "certainty.possible": ("可疑", "possible"),
    "certainty.excluded": ("排除", "excluded"),
    "label.HR": ("HR 心率", "HR heart rate"),
    "label.VALUE": ("VALUE 数值", "VALUE"),
    "label.TIME": ("TIME 时间", "TIME"),
    "label.EVENT": ("EVENT 事件", "EVENT"),
    "label.DIAG": ("DIAG 诊断", "DIAG diagnosis"),
    "column.name": ("名称", "Name"),
    "column.text": ("原文", "Text"),
    "column.value": ("数值", "Value"),
    "column.unit": ("单位", "Unit"),
    "column.kind": ("类别", "Kind"),
    "column.certainty": ("确定性", "Certainty"),
    "column.count": ("次数", "Count"),
    "column.percent": ("占比 %", "Share %"),
    "column.of": ("属于", "Of"),
    "column.time": ("时间", "Time"),
    "column.confidence": ("置信度", "Confidence"),
    "column.source": ("来源", "Source"),
    # Queue
    "queue.batch": ("批量大小", "Batch size"),
    "queue.search": ("预览中包含", "Preview contains"),
    "queue.least": ("不确定度不低于", "Uncertainty at least"),
    "queue.reason": ("原因", "Reason"),
    "queue.all": ("全部", "all"),
    "queue.shown": ("显示 {shown} / {total} 份待标注报告", "{shown} of {total} waiting reports"),
    "queue.export": ("导出 CSV", "Export CSV"),
    "queue.empty": (
        "队列为空：全部已标注，或还没有排序。",
        "The queue is empty: everything is annotated, or the pool is not ranked yet.",
    ),
    "queue.no_match": ("没有符合筛选条件的报告。", "No report matches the filters."),
    "queue.rank": ("序", "#"),
    "queue.task": ("任务", "Task"),
    "queue.priority": ("优先级", "Priority"),
    "queue.uncertainty": ("不确定度", "Uncertainty"),
    "queue.link": ("打开", "Open"),
    "queue.preview": ("预览", "Preview"),
    "queue.select": (
        "选中一行，可查看每个字的不确定度。",
        "Select a row to see the uncertainty of each character.",
    ),
    "queue.tokens": ("任务 {task} 逐字不确定度", "Task {task}: uncertainty per character"),
    "queue.tokens.text": (
        "文本（列表只有开头，可粘贴全文）",
        "Text (the list holds the beginning; paste the whole report)",
    ),
    "queue.tokens.mean": ("所示文本的平均熵", "Mean entropy of this text"),
    "queue.tokens.scale": ("颜色越深越不确定；悬停可看标签和数值。", "Darker is less sure; hover for tag and value."),
    "queue.tokens.rules": (
        "规则没有逐字的不确定度：第一次训练神经网络之后才有。",
        "The rules have no uncertainty per character: the first trained network brings it.",
    ),
    "queue.open": ("在 Label Studio 中打开任务 {task}", "Open task {task} in Label Studio"),
    # Training
    "training.serving": ("当前版本", "Serving version"),
    "training.f1": ("严格 F1", "Strict F1"),
    "training.labelled": ("已学习报告", "Reports learned"),
    "training.pending": ("待训练标注", "New annotations"),
    "training.pool": ("待标注报告", "Waiting reports"),
    "training.target": (
        "正在切换到 {target}：报告池重新排序后生效。",
        "Switching to {target}: it serves when the pool is ranked with it.",
    ),
    "training.jobs": ("正在运行", "Running"),
    "training.idle": ("没有正在运行或等待的任务。", "Nothing runs or waits."),
    "training.waiting": ("等待中", "waiting"),
    "training.step": ("第 {step} / {steps} 步", "step {step} of {steps}"),
    "training.eta": ("约剩 {time}", "about {time} left"),
    "training.failed": ("上一次{kind}失败（{times} 次）：{reason}", "The last {kind} failed ({times}x): {reason}"),
    "training.retrain": ("立即训练", "Train now"),
    "training.queued": ("已排入队列：{job}", "Queued: {job}"),
    "training.curve": ("学习曲线", "Learning curve"),
    "training.curve.note": (
        "竖线：F1 的 95 % 区间（按报告重抽样）。",
        "Vertical line: 95 % interval of F1, by resampling reports.",
    ),
    "training.labels": ("{version} 的各标签 F1", "F1 by label of {version}"),
    "training.labels.none": ("当前版本没有各标签得分。", "The serving version has no scores by label."),
    "training.history": ("历次训练", "Rounds"),
    "training.switch": ("切换版本", "Switch versions"),
    "training.version": ("版本", "Version"),
    "training.promote": ("启用此版本", "Promote"),
    "training.rollback": ("回退到上一版本", "Roll back"),
    "training.confirm": ("请确认", "Please confirm"),
    "training.confirm.promote": (
        "启用 {version}，替换 {serving}？报告池会重新排序，完成后生效。",
        "Promote {version} in place of {serving}? The pool is ranked anew first.",
    ),
    "training.confirm.rollback": (
        "放弃 {serving}，回退到之前启用的版本？报告池会重新排序，完成后生效。",
        "Leave {serving} and go back to the version promoted before? The pool is ranked anew first.",
    ),
    "training.confirm.retrain": ("立即用现有标注训练一轮？", "Train a round on the present annotations now?"),
    "training.yes": ("确认", "Confirm"),
    "training.no": ("取消", "Cancel"),
    "training.done": ("正在切换到 {version}。", "Switching to {version}."),
    "training.one": ("没有其他可用版本。", "There is no other version to promote."),
    "training.round": ("轮次", "Round"),
    "training.created": ("时间", "Time"),
    "training.reports": ("报告数", "Reports"),
    "training.mode": ("方式", "Mode"),
    "training.decision": ("结论", "Decision"),
    "training.promoted": ("启用", "promoted"),
    "training.kept": ("未启用", "not promoted"),
    "training.why": ("理由", "Reason"),
    "training.method": ("评估", "Judged by"),
    "training.gain": ("差值 (95 %)", "Gain (95 %)"),
    "chart.label": ("标签", "Label"),
    "chart.precision": ("精确率", "Precision"),
    "chart.recall": ("召回率", "Recall"),
    "chart.support": ("标注数", "Gold spans"),
    "chart.interval": ("95 % 区间", "95 % interval"),
    # Errors
    "errors.version": ("版本 {version}，{reports} 份评估报告", "{version}, {reports} evaluation reports"),
    "errors.f1": ("严格 F1", "Strict F1"),
    "errors.faulty": ("有错报告", "Faulty reports"),
    "errors.label": ("标签", "Label"),
    "errors.limit": ("最多显示", "At most"),
    "errors.missed": ("漏识别", "Missed"),
    "errors.spurious": ("误识别", "Spurious"),
    "errors.boundary": ("边界", "Boundary"),
    "errors.wrong-label": ("错标签", "Wrong label"),
    "errors.wrong-label-and-boundary": ("标签与边界均错", "Wrong label and boundary"),
    "errors.confusion": ("混淆矩阵", "Confusion"),
    "errors.suspects": ("可疑标注", "Suspects"),
    "errors.shown": ("显示 {shown} / {total}", "{shown} of {total}"),
    "errors.none": ("没有此类错误。", "No such errors."),
    "errors.unsuspected": ("没有可疑标注。", "No suspects."),
    "errors.key": (
        "下划线：人工标注；底色：模型预测。",
        "Underlined: annotated. Coloured ground: predicted.",
    ),
    "errors.task": ("任务", "Task"),
    "errors.excerpt": ("报告片段", "Excerpt"),
    "errors.gold": ("标注", "Annotated"),
    "errors.predicted": ("预测", "Predicted"),
    "errors.expected": ("应为", "Expected"),
    "errors.shape": ("偏差", "Deviation"),
    "errors.strength": ("强度", "Strength"),
    "errors.nothing": ("无", "none"),
    "errors.count": ("数目", "Count"),
    "errors.share": ("占该标注标签", "Share of the label"),
    "errors.inconsistent": ("标注不一致的字串", "Strings annotated in more than one way"),
    "errors.uses": ("标注方式（次数）", "Uses (count)"),
    # What the backend says in fixed words
    "said.page header": ("页眉", "page header"),
    "said.page footer": ("页脚", "page footer"),
    "said.footnotes": ("脚注", "footnotes"),
    "said.endnotes": ("尾注", "endnotes"),
    "said.comments": ("批注", "comments"),
    "said.embedded document": ("嵌入的文档", "embedded document"),
    "said.embedded object": ("嵌入的对象", "embedded object"),
    "said.text box": ("文本框", "text box"),
    "said.picture": ("图片", "picture"),
    "said.chart": ("图表", "chart"),
    "said.diagram": ("示意图", "diagram"),
    "said.ink": ("墨迹", "ink"),
    "said.phonetic guide": ("拼音指南", "phonetic guide"),
    "said.hidden text": ("隐藏文字", "hidden text"),
    "said.a symbol of a special font": ("特殊字体的符号", "a symbol of a special font"),
    "said.a damaged part": ("已损坏的部分", "a damaged part"),
    "said.control share: a random place": ("对照样本：随机位置", "control share: a random place"),
    "said.token entropy": ("逐字熵", "token entropy"),
    "said.unexplained by the rules": ("规则未能解释", "unexplained by the rules"),
    "said.rules": ("规则", "rules"),
    "said.model": ("模型", "model"),
    "said.merged": ("规则 + 模型", "rules + model"),
    "said.holdout": ("留出集", "holdout"),
    "said.cross-validation": ("交叉验证", "cross-validation"),
    "said.better": ("更好", "better"),
    "said.not worse": ("不更差", "not worse"),
    "said.worse": ("更差", "worse"),
    "said.label lost": ("丢失标签", "label lost"),
    "said.losses add up": ("累计退步", "losses add up"),
    "said.too few reports": ("报告太少", "too few reports"),
    "said.retrain": ("训练", "round"),
    "said.rank": ("排序", "ranking"),
    "said.too long": ("过长", "too long"),
    "said.too short": ("过短", "too short"),
    "said.shifted": ("偏移", "shifted"),
    "said.reading annotations": ("读取标注", "reading annotations"),
    "said.pre-training": ("继续预训练", "pre-training"),
    "said.training": ("训练", "training"),
    "said.evaluating": ("评估", "evaluating"),
    "said.exporting": ("导出", "exporting"),
    "said.ranking": ("排序", "ranking"),
}


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
        return self(key) if key in TEXTS else str(words or "")

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
