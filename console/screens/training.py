"""训练: what serves, what runs, how rounds went, and the switch to another version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from console import charts, tables
from console.api import ApiError
from console.desk import Desk, has_project, plain, problem
from console.reasons import reason

Row = dict[str, Any]
REFRESH_SECONDS = 3.0


def show(desk: Desk) -> None:
    """The live part refreshes by itself; the rest follows when something in it changed."""
    st.title(desk.say("page.training"))
    if not has_project(desk):
        return
    status, models = desk.backend.status(desk.project), desk.backend.models(desk.project)
    st.session_state["training_seen"] = _state(status)
    if notice := st.session_state.pop("training_notice", ""):
        st.success(notice, icon=":material/check:")
    serving = next((model for model in models if model["serving"]), {})
    _head(desk, status, serving)
    st.fragment(_live, run_every=REFRESH_SECONDS)(desk)
    trained = [model for model in models if model["round"]]
    if not trained:
        st.info(desk.say("problem.untrained"), icon=":material/model_training:")
    else:
        _charts(desk, models, serving)
        _history(desk, trained)
    _switch(desk, models, status)


def _head(desk: Desk, status: Row, serving: Row) -> None:
    say, f1 = desk.say, serving.get("f1")
    name, *numbers = st.columns([2, 1, 1, 1, 1])
    name.metric(say("training.serving"), status["serving"], border=True)
    figures = ("–" if f1 is None else f"{f1:.3f}", status["labelled"], status["pending"], status["pool"])
    keys = ("training.f1", "training.labelled", "training.pending", "training.pool")
    for column, key, figure in zip(numbers, keys, figures, strict=True):
        column.metric(say(key), figure, border=True)
    if status["hold"]:
        _held(desk, status["hold"])
    for trouble in filter(None, (status[key] for key in ("damage", "ended", "label_config_fault"))):
        st.error(desk.say.sentence(trouble))
    _left_out(desk, status["left_out"])
    if status["target"] != status["serving"]:
        st.info(say("training.target", target=status["target"]), icon=":material/sync:")


def _left_out(desk: Desk, found: Row) -> None:
    """What people annotated and the newest round did not use, with links to the tasks."""
    say = desk.say
    lines = [f"- {_not_used(desk, row)}" for row in found["reasons"]]
    if lines:
        head = f"**{say('training.left_out', round=found['round'])}**"
        st.warning("\n".join([head, "", *lines]), icon=":material/warning:")
    if found["not_submitted"]:
        st.caption(say("training.not_submitted", tasks=found["not_submitted"]))


def _not_used(desk: Desk, row: Row) -> str:
    say = desk.say
    key = "training.left_out.annotations" if row["annotations"] else "training.left_out.regions"
    names = [say("training.left_out.task", task=task) for task in row["tasks"]]
    links = [f"[{name}]({url})" for name, url in zip(names, row["urls"], strict=False)] or names[:1]
    if len(row["tasks"]) > len(links):
        links.append(say("training.left_out.more", tasks=len(row["tasks"])))
    what = say(key, annotations=row["annotations"], regions=row["regions"])
    return say("training.left_out.row", what=what, tasks=", ".join(links), reason=plain(reason(row["reason"], say)))


def _held(desk: Desk, hold: Row) -> None:
    """Who holds the version and why, and the button that ends it."""
    say = desk.say
    notice, button = st.columns([5, 1], vertical_alignment="center")
    words = say("training.held", **{name: plain(told) for name, told in say.hold(hold).items()})
    candidate = say("training.candidate", version=hold["candidate"]) if hold["candidate"] else ""
    notice.warning(f"{words} {candidate}", icon=":material/lock:")
    if button.button(say("training.resume"), width="stretch", icon=":material/lock_open:"):
        _ask(desk, say("training.confirm.resume"), lambda _: _resumed(desk))


def _live(desk: Desk) -> None:
    """Jobs with their progress, asked for again every few seconds."""
    try:
        status = desk.backend.status(desk.project)
    except ApiError as error:
        problem(desk.say, error)
        return
    if _state(status) != st.session_state.get("training_seen"):
        st.rerun()
    title, button = st.columns([5, 1], vertical_alignment="center")
    title.subheader(desk.say("training.jobs"))
    if button.button(desk.say("training.retrain"), width="stretch", icon=":material/model_training:"):
        _ask(desk, desk.say("training.confirm.retrain"), lambda _: _queued(desk))
    for job in status["jobs"]:
        _job(desk, job)
    if not status["jobs"]:
        st.caption(desk.say("training.idle"))
    for kind, failure in status["failures"].items():
        words = {
            "kind": desk.say.said(kind),
            "times": failure["failures"],
            "reason": desk.say.sentence(failure["reason"]),
        }
        st.warning(desk.say("training.failed", **words), icon=":material/warning:")


def _state(status: Row) -> tuple[Any, ...]:
    """What makes the whole screen worth drawing again."""
    newest = status["rounds"][0]["version"] if status["rounds"] else ""
    seen = (status[key] for key in ("serving", "target", "hold", "labelled", "pending", "pool", "left_out"))
    return newest, *seen


def _job(desk: Desk, job: Row) -> None:
    say, progress = desk.say, job["progress"]
    name = f"{say.said(job['kind'])} · `{job['id']}`"
    if job["state"] != "started":
        st.markdown(f"{name} — {_waits(desk, job)}")
        return
    step, steps, eta = (progress.get(key) for key in ("step", "steps", "eta_seconds"))
    parts = [name, say.said(progress.get("stage"))]
    if job["signal"]:
        parts.append(say("training.signal", signal=job["signal"]))
    if "stages" in progress:
        parts.append(say("training.stage", number=progress["stage_number"], count=progress["stages"]))
    if steps:
        parts.append(say("training.step", step=step, steps=steps))
    if eta is not None:
        parts.append(say("training.eta", time=say.duration(eta)))
    done = progress.get("share", (step or 0) / steps if steps else 0.0)
    st.progress(min(1.0, done), " — ".join(part for part in parts if part))


def _waits(desk: Desk, job: Row) -> str:
    """That the job waits, and behind what."""
    say, behind = desk.say, job["behind"]
    if not behind:
        return say("training.waiting")
    key = "training.behind" if job["kind"] == "retrain" else "training.behind.ranking"
    eta = behind["eta_seconds"]
    left = [] if eta is None else [say("training.eta", time=say.duration(eta))]
    return " — ".join([say("training.waiting"), say(key, **behind), *left])


def _charts(desk: Desk, models: list[Row], serving: Row) -> None:
    say = desk.say
    left, right = st.columns([3, 2], gap="large")
    with left:
        st.subheader(say("training.curve"))
        st.altair_chart(charts.learning_curve(models, say), width="stretch")
        if any(model.get("f1_interval") for model in models):
            st.caption(say("training.curve.note"))
    with right:
        st.subheader(say("training.labels", version=serving.get("version", "")))
        scores = (serving.get("scores") or {}).get("by_label")
        if scores:
            st.altair_chart(charts.label_scores(scores, say), width="stretch")
        else:
            st.caption(say("training.labels.none"))


def _history(desk: Desk, models: list[Row]) -> None:
    say = desk.say
    st.subheader(say("training.history"))
    columns = {
        "F1": st.column_config.NumberColumn(format="%.3f", width="small"),
        say("training.round"): st.column_config.NumberColumn(width=50),
        say("training.reports"): st.column_config.NumberColumn(width=70),
        say("training.created"): st.column_config.DatetimeColumn(format="MM-DD HH:mm", width=95),
        say("training.why"): st.column_config.TextColumn(width="large"),
    }
    st.dataframe(tables.history(models, say), hide_index=True, width="stretch", column_config=columns)


def _switch(desk: Desk, models: list[Row], status: Row) -> None:
    say, serving = desk.say, status["serving"]
    rules = {model["version"] for model in models if not model["round"]}
    left = next((version for version in (serving, status["target"]) if version not in rules), "")
    st.subheader(say("training.switch"))
    others = [model["version"] for model in models if model["usable"] and not model["serving"]]
    if not others:
        st.caption(say("training.one"))
        return
    choice, promote, back, _ = st.columns([2, 1, 1, 1], vertical_alignment="bottom")
    version = choice.selectbox(say("training.version"), others, key="training_version")
    if promote.button(say("training.promote"), width="stretch", icon=":material/publish:"):
        question = say("training.confirm.promote", version=version, serving=serving)
        _ask(desk, question, lambda _: _switched(desk, desk.backend.promote(desk.project, version)))
    if back.button(say("training.rollback"), width="stretch", icon=":material/undo:", disabled=not left):
        question = say("training.confirm.rollback", serving=left)
        roll_back = lambda reason: _switched(desk, desk.backend.roll_back(desk.project, reason))  # noqa: E731
        _ask(desk, question, roll_back, reason=True)


def _switched(desk: Desk, answer: Row) -> str:
    return desk.say("training.done", version=answer["version"])


def _resumed(desk: Desk) -> str:
    desk.backend.resume(desk.project)
    return desk.say("training.resumed")


def _queued(desk: Desk) -> str:
    return desk.say("training.queued", job=desk.backend.retrain(desk.project)["job"])


def _ask(desk: Desk, question: str, act: Callable[[str], str], *, reason: bool = False) -> None:
    """A dialog; only its "yes" acts, on the `reason` where one is asked for; what `act` returns is shown."""
    st.dialog(desk.say("training.confirm"))(_confirm)(desk, question, act, reason)


def _confirm(desk: Desk, question: str, act: Callable[[str], str], reason: bool) -> None:
    st.write(question)
    given = st.text_input(desk.say("training.reason"), max_chars=500) if reason else ""
    yes, no = st.columns(2)
    if yes.button(desk.say("training.yes"), type="primary", width="stretch"):
        try:
            st.session_state["training_notice"] = act(given)
        except ApiError as error:
            problem(desk.say, error)
            return
        st.rerun()
    if no.button(desk.say("training.no"), width="stretch"):
        st.rerun()
