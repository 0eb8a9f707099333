"""队列: what to annotate next, why, and where the model is unsure in it."""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from console import highlight, tables
from console.api import ApiError
from console.desk import Desk, has_project, problem

Row = dict[str, Any]
BATCH = 50
LARGEST = 1000


def show(desk: Desk) -> None:
    """Filters, the table, its export, and the tokens of the selected row."""
    st.title(desk.say("page.queue"))
    if not has_project(desk):
        return
    size, search, least, reason = st.columns([1, 2, 2, 2], vertical_alignment="bottom")
    batch = size.number_input(desk.say("queue.batch"), 1, LARGEST, BATCH, step=10, key="queue_batch")
    rows = desk.backend.queue(desk.project, int(batch))
    total = desk.backend.status(desk.project)["pool"]
    if not rows:
        st.info(desk.say("queue.empty"), icon=":material/inbox:")
        return
    wanted = search.text_input(desk.say("queue.search"), key="queue_search")
    floor = least.slider(desk.say("queue.least"), 0.0, 1.0, 0.0, 0.01, key="queue_least")
    reasons = sorted({_kind(row["reason"]) for row in rows})
    chosen = reason.multiselect(
        desk.say("queue.reason"),
        reasons,
        format_func=desk.say.said,
        placeholder=desk.say("queue.all"),
        key="queue_reason",
    )
    shown = [row for row in rows if _fits(row, wanted, floor, chosen)]
    _table(desk, shown, total)


def _fits(row: Row, wanted: str, floor: float, reasons: list[str]) -> bool:
    return (
        wanted.lower() in row["preview"].lower()
        and (row["uncertainty"] or 0.0) >= floor
        and (not reasons or _kind(row["reason"]) in reasons)
    )


def _kind(reason: str) -> str:
    """The reason without the task that it names."""
    return re.sub(r"task \d+", "another task", reason)


def _table(desk: Desk, rows: list[Row], total: int) -> None:
    say = desk.say
    export, note = st.columns([1, 5], vertical_alignment="center")
    note.caption(f"{say('queue.shown', shown=len(rows), total=total)} · {say('queue.select')}")
    if not rows:
        st.info(say("queue.no_match"))
        return
    export.download_button(
        say("queue.export"),
        tables.queue_csv(rows),
        "queue.csv",
        "text/csv",
        on_click="ignore",
        width="stretch",
        icon=":material/table:",
    )
    picked = st.dataframe(
        [_cells(desk, row) for row in rows],
        hide_index=True,
        width="stretch",
        height=min(38 + 35 * len(rows), 460),
        column_config=_columns(desk, linked=any(row["url"] for row in rows)),
        on_select="rerun",
        selection_mode="single-row",
        key="queue_table",
    )
    for index in picked["selection"]["rows"][:1]:
        _tokens(desk, rows[index])


def _cells(desk: Desk, row: Row) -> Row:
    return {**row, "task": row["url"] or None, "reason": desk.say.said(row["reason"])}


def _columns(desk: Desk, linked: bool) -> dict[str, Any]:
    """Without a link there is no column for it: an empty cell of that kind says None."""
    say, columns = desk.say, st.column_config
    scale: dict[str, Any] = {"min_value": 0.0, "max_value": 1.0, "format": "%.3f", "width": 100}
    return {
        "rank": columns.NumberColumn(say("queue.rank"), width=50),
        "task_id": columns.NumberColumn(say("queue.task"), format="%d", width=70),
        "priority": columns.ProgressColumn(say("queue.priority"), **scale),
        "uncertainty": columns.ProgressColumn(say("queue.uncertainty"), **scale),
        "reason": columns.TextColumn(say("queue.reason"), width=150),
        "preview": columns.TextColumn(say("queue.preview"), width=390 if linked else 470),
        "task": columns.LinkColumn(say("queue.link"), display_text=f"{say('queue.link')} ↗", width=80)
        if linked
        else None,
        "url": None,
    }


def _tokens(desk: Desk, row: Row) -> None:
    say = desk.say
    with st.container(border=True):
        st.subheader(say("queue.tokens", task=row["task_id"]))
        if row["url"]:
            st.link_button(say("queue.open", task=row["task_id"]), row["url"], icon=":material/open_in_new:")
        text = st.text_area(say("queue.tokens.text"), row["preview"], key=f"queue_text_{row['task_id']}", height=100)
        if not text.strip():
            return
        try:
            tokens = desk.backend.tokens(desk.project, text)
        except ApiError as error:
            if error.status != 409:
                problem(say, error)
                return
            st.info(say("queue.tokens.rules"))
            return
        st.html(highlight.tokens_html(text, tokens))
        mean = sum(token["entropy"] for token in tokens) / max(1, len(tokens))
        st.caption(f"{say('queue.tokens.mean')} {mean:.3f}. {say('queue.tokens.scale')}")
