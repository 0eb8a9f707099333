"""错误: what the serving version gets wrong, and which annotations look wrong."""

from __future__ import annotations

from typing import Any

import streamlit as st

from console import charts, tables
from console.api import ApiError
from console.desk import Desk, has_project
from console.highlight import error_html, escape, excerpt_html, label_html, link_html, table_html

Row = dict[str, Any]
KINDS = ("missed", "spurious", "boundary", "wrong-label", "wrong-label-and-boundary")
LIMITS = (20, 50, 100, 200)


def show(desk: Desk) -> None:
    """Figures and filters above, a tab for each kind, the confusion matrix, and suspects."""
    st.title(desk.say("page.errors"))
    if not has_project(desk):
        return
    try:
        figures = desk.backend.errors(desk.project, limit=1)
    except ApiError as error:
        if error.status != 404:
            raise
        key = "problem.untrained" if error.value.startswith("rules") else "problem.no_analysis"
        st.info(desk.say(key), icon=":material/rule:")
        return
    _head(desk, figures)
    label, limit = _filters(desk, figures["labels"])
    names = [f"{desk.say(f'errors.{kind}')} {figures['summary']['kinds'].get(kind, 0)}" for kind in KINDS]
    more = [desk.say("errors.confusion"), desk.say("errors.suspects")]
    *kinds, matrix, suspects = st.tabs([*names, *more], key="errors_tab")
    for tab, kind in zip(kinds, KINDS, strict=True):
        with tab:
            _errors(desk, kind, label, limit)
    with matrix:
        ink = "#fafafa" if st.context.theme.type == "dark" else "#1a1c24"
        confusion = figures["confusion"]
        st.altair_chart(charts.confusion(confusion["labels"], confusion["counts"], ink, desk.say), width="stretch")
    with suspects:
        _suspects(desk, label, limit)


def _head(desk: Desk, figures: Row) -> None:
    say, summary = desk.say, figures["summary"]
    st.caption(say("errors.version", version=figures["version"], reports=summary["reports"]))
    cells = {
        say("errors.f1"): f"{summary['f1']:.3f}",
        say("chart.precision"): f"{summary['precision']:.3f}",
        say("chart.recall"): f"{summary['recall']:.3f}",
        say("chart.support"): summary["gold"],
        say("errors.faulty"): f"{summary['faulty']} / {summary['reports']}",
    }
    for column, (name, value) in zip(st.columns(len(cells)), cells.items(), strict=True):
        column.metric(name, value, border=True)


def _filters(desk: Desk, labels: list[str]) -> tuple[str, int]:
    first, second, note = st.columns([1, 1, 3], vertical_alignment="bottom")
    names = {"": desk.say("queue.all"), **{label: desk.say.label(label) for label in labels}}
    label = first.selectbox(
        desk.say("errors.label"), list(names), format_func=lambda name: names[name], key="errors_label"
    )
    limit = second.selectbox(desk.say("errors.limit"), LIMITS, index=1, key="errors_limit")
    note.caption(desk.say("errors.key"))
    return label, limit


def _errors(desk: Desk, kind: str, label: str, limit: int) -> None:
    say, found = desk.say, desk.backend.errors(desk.project, kind, label, limit)
    if not found["errors"]:
        st.caption(say("errors.none"))
        return
    st.caption(say("errors.shown", shown=len(found["errors"]), total=found["total"]))
    head = [say(f"errors.{name}") for name in ("task", "gold", "predicted", "shape", "excerpt")]
    st.html(table_html(head, [_error(desk, row) for row in found["errors"]]))


def _error(desk: Desk, row: Row) -> list[str]:
    gold, predicted = ((row[name] or {}).get("label", "") for name in ("gold", "predicted"))
    place = row["gold"] or row["predicted"]
    excerpt = error_html(row) if row["text"] else escape(f"[{place['start']}, {place['end']})")
    shape = escape(desk.say.said(row["shape"])) or "–"
    return [_task(row), label_html(gold), label_html(predicted), shape, excerpt]


def _task(row: Row) -> str:
    return link_html(row["url"], f"#{row['task_id']} ↗" if row["url"] else f"#{row['task_id']}")


def _suspects(desk: Desk, label: str, limit: int) -> None:
    say, found = desk.say, desk.backend.suspects(desk.project, label, limit)
    if found["suspects"]:
        st.caption(say("errors.shown", shown=len(found["suspects"]), total=found["total"]))
        keys = ("errors.task", "errors.gold", "errors.expected", "errors.strength", "errors.excerpt", "queue.reason")
        st.html(table_html([say(key) for key in keys], [_suspect(desk, row) for row in found["suspects"]]))
    else:
        st.caption(say("errors.unsuspected"))
    if found["inconsistencies"]:
        st.subheader(say("errors.inconsistent"))
        st.dataframe(tables.inconsistencies(found["inconsistencies"], say), hide_index=True, width="stretch")


def _suspect(desk: Desk, row: Row) -> list[str]:
    excerpt = (
        excerpt_html(row, row["label"] or row["expected"]) if row["text"] else escape(f"[{row['start']}, {row['end']})")
    )
    labels = [label_html(row[name]) for name in ("label", "expected")]
    return [_task(row), *labels, f"{row['strength']:.2f}", excerpt, escape(desk.say.suspect(row))]
