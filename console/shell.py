"""Around the screens: the key, the language, the project, and the menu."""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable

import streamlit as st

from backend.settings import Settings
from console.api import ApiError, Backend, Row, backend_url
from console.desk import Desk, problem, show
from console.screens import errors, parse, queue, training
from console.texts import LANGUAGES, Language
from console.words import Words

WRONG_KEY_SECONDS = 1.0
"""A wrong key costs its session this long."""
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="6" fill="#12a26b"/>'
    '<path d="M3 17h6l3-8 5 15 4-11 2 4h6" fill="none" stroke="#fff" stroke-width="2.4" stroke-linejoin="round"/></svg>'
)
STYLE = """<style>
.stMainBlockContainer {padding: 2.6rem 2.4rem 3rem}
h1 {font-size: 1.9rem !important; padding: .2rem 0 .4rem !important}
h3 {font-size: 1.25rem !important; padding: .3rem 0 !important}
[data-testid=stMetricValue] {font-size: 1.45rem}
</style>"""
"""Streamlit is made for few large things on a page; a desk of 1280 pixels holds more."""
SIDEBAR_PIXELS = 230
SCREENS: dict[str, tuple[Callable[[Desk], None], str]] = {
    "parse": (parse.show, ":material/description:"),
    "queue": (queue.show, ":material/format_list_numbered:"),
    "training": (training.show, ":material/monitoring:"),
    "errors": (errors.show, ":material/rule:"),
}


def main() -> None:
    """One run of the script."""
    settings = settings_of_process()
    st.set_page_config(page_title="ECG", page_icon=ICON, layout="wide", initial_sidebar_state=SIDEBAR_PIXELS)
    st.html(STYLE)
    say = Words(_language())
    if not _entered(settings, say):
        return
    desk = _desk(connected(settings), say)
    pages = [
        st.Page(_runner(desk, screen), title=say(f"page.{name}"), icon=icon, url_path=name, default=name == "parse")
        for name, (screen, icon) in SCREENS.items()
    ]
    st.navigation(pages).run()


@st.cache_resource(show_spinner=False)
def settings_of_process() -> Settings:
    """The settings, read once."""
    return Settings.from_env()


@st.cache_resource(show_spinner=False)
def connected(_settings: Settings) -> Backend:
    """The one client of all sessions; those have given the key that it sends."""
    return Backend(backend_url(_settings), _settings.api_key.get_secret_value())


def _runner(desk: Desk, screen: Callable[[Desk], None]) -> Callable[[], None]:
    return lambda: show(desk, screen)


def _language() -> Language:
    """The choice in the side bar; an address with ?lang=en begins in English."""
    codes = list(LANGUAGES)
    asked = st.query_params.get("lang", "zh")
    begin = codes.index(asked) if asked in codes else 0
    with st.sidebar:
        chosen = st.radio(
            "语言 / Language", codes, begin, format_func=lambda code: LANGUAGES[code], horizontal=True, key="language"
        )
    return chosen or "zh"


def _entered(settings: Settings, say: Words) -> bool:
    """Whether this session has given the key, or none is asked for; draws the form where not."""
    key = settings.api_key.get_secret_value()
    if not key or st.session_state.get("entered"):
        return True
    _, middle, _ = st.columns([1, 2, 1])
    with middle, st.form("login"):
        st.subheader(say("login.title"))
        given = st.text_input(say("login.key"), type="password")
        asked = st.form_submit_button(say("login.enter"), type="primary")
    if not asked:
        return False
    if hmac.compare_digest(given.strip().encode("utf-8", "replace"), key.encode()):
        st.session_state["entered"] = True
        st.rerun()
    time.sleep(WRONG_KEY_SECONDS)
    middle.error(say("login.wrong"))
    return False


def _desk(backend: Backend, say: Words) -> Desk:
    """With the project chosen in the side bar; while the backend does not list them, the one chosen last."""
    try:
        projects = {row["project"]: row for row in backend.projects()}
    except ApiError as error:
        with st.sidebar:
            problem(say, error)
        return Desk(backend, say, st.session_state.get("chosen", ""), error)
    with st.sidebar:
        st.session_state["chosen"] = _chosen(projects, say) if projects else ""
    return Desk(backend, say, st.session_state["chosen"])


def _chosen(projects: dict[str, Row], say: Words) -> str:
    # Streamlit forgets the choice of a box that was not drawn once.
    if "project" not in st.session_state and st.session_state.get("chosen") in projects:
        st.session_state["project"] = st.session_state["chosen"]
    project = st.selectbox(say("app.project"), list(projects), key="project")
    if projects[project]["url"]:
        st.link_button(say("app.label_studio"), projects[project]["url"], width="stretch")
    return str(project)
