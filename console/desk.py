"""What a screen is given, and how it says that something does not work."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import streamlit as st

from console import sentences
from console.api import ApiError, Backend
from console.words import Words

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Desk:
    """The backend, the words, and the project that is looked at ("" when there is none).

    `lost`: why the backend does not say which projects there are.
    """

    backend: Backend
    say: Words
    project: str
    lost: ApiError | None = None


def show(desk: Desk, screen: Callable[[Desk], None]) -> None:
    """Draw a screen; what goes wrong is said in its place.

    Of an unexpected error the log gets type and place only: its message may quote a report.
    """
    try:
        screen(desk)
    except ApiError as error:
        problem(desk.say, error)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        log.error("Unexpected %s at %s:%s", type(error).__name__, frame.filename, frame.lineno)
        st.error(f"{desk.say('app.unexpected')}: {type(error).__name__}. {desk.say('app.unexpected.hint')}")


def problem(say: Words, error: ApiError) -> None:
    """Say what does not work and what to do."""
    if error.status == 0:
        st.error(say("problem.down", value=error.value), icon=":material/cloud_off:")
        return
    head = {503: say("problem.redis"), 401: say("problem.key")}.get(error.status, "")
    if say.language == "zh":
        lines = list(sentences.error(error.what, error.value, error.status))
    else:
        lines = [plain(f"{error.what}: {error.value}" if error.value else error.what), plain(error.hint)]
    lines = [f"**{head}**"] * bool(head) + [line for line in lines if line]
    st.error("\n\n".join(lines), icon=":material/error:")


def has_project(desk: Desk) -> bool:
    """Whether there is a project; says so where there is none, or why that is not known."""
    if not desk.project and desk.lost:
        problem(desk.say, desk.lost)
    elif not desk.project:
        st.info(desk.say("problem.no_project"), icon=":material/link_off:")
    return bool(desk.project)


def plain(text: str) -> str:
    """Text in Markdown; what stands in backquotes stays code."""
    for sign in "\\*_[]<>$~#:":
        text = text.replace(sign, f"\\{sign}")
    return text
