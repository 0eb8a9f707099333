"""解析: a report becomes structured data, beside the report itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import streamlit as st

from backend.errors import BackendError
from backend.parsing import StructuredReport
from backend.parsing.documents import read
from backend.parsing.formats import to_csv
from console import highlight, tables
from console.api import ApiError
from console.desk import Desk, problem
from console.words import Words

EXAMPLE = (
    "24小时动态心电图：窦性心律，全天总心搏数 103450 次，平均心率 72次/分，最慢心率 45次/分（03:12），"
    "最快心率 132次/分（14:05）。室性早搏 1254 次，占总心搏 1.2%，成对室性早搏 3 次，未见室性心动过速。"
    "房性早搏 86 次。PR间期 226 ms，QRS时限 97 ms，QTc 431 ms。\n"
    "结论：1、窦性心律 2、频发室性早搏 3、一度房室传导阻滞 4、ST-T改变，考虑心肌缺血可能"
)
FIGURES_IN_A_ROW = 4
UPLOADER = """<style>
[data-testid=stFileUploaderDropzone] button p, [data-testid=stFileUploaderDropzoneInstructions] span {{font-size: 0}}
[data-testid=stFileUploaderDropzone] button p::after {{content: "{upload}"; font-size: .875rem}}
[data-testid=stFileUploaderDropzoneInstructions] span::after {{content: "{limit}"; font-size: .875rem}}
</style>"""
"""Streamlit writes these two in English only."""
LISTS = {
    "diagnoses": tables.diagnoses,
    "events": tables.events,
    "heart_rates": tables.heart_rates,
    "measurements": tables.measurements,
}


@dataclass(frozen=True)
class Parsed:
    """A report as it was parsed last, and for which project: for another the same text can give another result."""

    text: str
    report: dict[str, Any]
    project: str


def show(desk: Desk) -> None:
    """Input above, result below; the last result stays while other screens are looked at."""
    st.title(desk.say("page.parse"))
    _input(desk)
    if "parse_problem" in st.session_state:
        _complain(desk, st.session_state["parse_problem"])
    elif (parsed := st.session_state.get("parsed")) and parsed.project == desk.project:
        _result(desk.say, parsed)


def _input(desk: Desk) -> None:
    say, state = desk.say, st.session_state
    if "draft" not in state:  # Streamlit forgets the text of a screen that is left
        state["draft"] = state["parsed"].text if "parsed" in state else ""
    written, file = st.columns([2, 1], gap="large")
    with written:
        st.text_area(say("parse.text"), key="draft", height=130, placeholder=say("parse.hint"))
        run, example, clear, _ = st.columns([1.2, 1, 1, 3])
        run.button(
            say("parse.run"),
            type="primary",
            width="stretch",
            on_click=_parse,
            args=(desk,),
            icon=":material/play_arrow:",
        )
        example.button(say("parse.example"), width="stretch", on_click=_put, args=(desk, EXAMPLE))
        clear.button(say("parse.clear"), width="stretch", on_click=_put, args=(desk, ""))
    with file:
        st.html(UPLOADER.format(upload=say("parse.upload"), limit=say("parse.limit")))
        st.file_uploader(
            say("parse.file"),
            type=["txt", "docx", "docm", "rtf", "doc"],
            key="upload",
            on_change=_read,
            args=(desk,),
            max_upload_size=5,
        )


def _put(desk: Desk, text: str) -> None:
    st.session_state["draft"] = text
    if text:
        _parse(desk)
        return
    for key in ("parsed", "parse_problem"):
        st.session_state.pop(key, None)


def _read(desk: Desk) -> None:
    """The text of a new file goes where a pasted one would be, and is parsed at once."""
    state = st.session_state
    if state["upload"] is None:
        return
    try:
        contents = read(state["upload"].getvalue(), state["upload"].name)
    except BackendError as error:
        state["parse_problem"] = error
    else:
        state["draft"] = "\n".join(row for row in contents.texts if isinstance(row, str))
        _parse(desk)
        state["left_out"] = contents.left_out


def _parse(desk: Desk) -> None:
    state = st.session_state
    text = state["draft"]
    state.pop("parse_problem", None)
    state.pop("parsed", None)
    state.pop("left_out", None)
    try:
        if text.strip():
            state["parsed"] = Parsed(text, desk.backend.parse(text, desk.project), desk.project)
        else:
            state["parse_problem"] = None
    except ApiError as error:
        state["parse_problem"] = error


def _complain(desk: Desk, error: BackendError | ApiError | None) -> None:
    if error is None:
        st.warning(desk.say("parse.empty"))
        return
    status = error.status if isinstance(error, ApiError) else 400
    problem(desk.say, ApiError(status, error.what, error.value, error.hint))


def _result(say: Words, parsed: Parsed) -> None:
    report = parsed.report
    if left_out := st.session_state.get("left_out"):
        st.warning(say("parse.left_out", what=", ".join(map(say.said, left_out))))
    _figures(report, say)
    left, right = st.columns(2, gap="medium")
    with left:
        st.subheader(say("parse.report"))
        st.html(highlight.legend_html({label: say.label(label) for label in _labels(report)}))
        with st.container(border=True):
            st.html(highlight.report_html(parsed.text, _named(report["spans"], say)))
        st.caption(say("parse.version", version=report["version"]))
    with right:
        st.subheader(say("parse.result"))
        _lists(report, say)
        _downloads(report, say)


def _named(spans: list[dict[str, Any]], say: Words) -> list[dict[str, Any]]:
    return [{**span, "source": say.source(span["source"])} for span in spans]


def _labels(report: dict[str, Any]) -> list[str]:
    found = {span["label"] for span in report["spans"]}
    return [*(label for label in highlight.COLOURS if label in found), *sorted(found - set(highlight.COLOURS))]


def _figures(report: dict[str, Any], say: Words) -> None:
    figures = tables.key_figures(report, say)
    for first in range(0, len(figures), FIGURES_IN_A_ROW):
        row = figures[first : first + FIGURES_IN_A_ROW]
        for column, figure in zip(st.columns(FIGURES_IN_A_ROW), row, strict=False):
            note: dict[str, Any] = {"delta_color": "off", "delta_arrow": "off"}
            column.metric(figure.name, figure.value, figure.note or None, border=True, height="stretch", **note)


def _lists(report: dict[str, Any], say: Words) -> None:
    columns = {say("column.confidence"): st.column_config.NumberColumn(format="%.2f", width=60)}
    names = [f"{say(f'list.{name}')} {len(report[name])}" for name in LISTS]
    for tab, rows in zip(st.tabs(names), LISTS.values(), strict=True):
        with tab:
            if found := rows(report, say):
                st.dataframe(found, hide_index=True, width="stretch", column_config=columns)
            else:
                st.caption(say("parse.none"))


def _downloads(report: dict[str, Any], say: Words) -> None:
    first, second = st.columns(2)
    body = json.dumps(report, ensure_ascii=False, indent=1).encode("utf-8", "replace")
    first.download_button(
        say("parse.json"),
        body,
        "report.json",
        "application/json",
        on_click="ignore",
        width="stretch",
        icon=":material/data_object:",
    )
    second.download_button(
        say("parse.csv"),
        to_csv([("1", StructuredReport.model_validate(report))]),
        "report.csv",
        "text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/table:",
    )
