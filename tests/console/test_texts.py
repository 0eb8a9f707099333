"""Both languages say everything, and nothing is said that is in no table."""

from __future__ import annotations

import re
from string import Formatter
from typing import get_args

import pytest

from backend.error_analysis import ErrorKind, Shape
from backend.model_card import Method, Mode, Verdict
from backend.parsing.report import Certainty, Kind
from console.texts import LANGUAGES, TEXTS
from console.words import Words
from tests.console.site import LABELS, ROOT

SOURCES = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "console").rglob("*.py")))


@pytest.mark.parametrize("key", TEXTS)
def test_both_languages_say_it_with_the_same_values(key: str) -> None:
    chinese, english = TEXTS[key]
    assert chinese.strip()
    assert english.strip()
    names = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in (chinese, english)]
    assert names[0] == names[1]
    assert not re.search("[\u4e00-\u9fff]", english)


def test_every_key_that_is_used_is_there() -> None:
    used = set(re.findall(r'"((?:app|login|problem|page|parse|queue|training|chart|errors)\.[a-z_.]+)"', SOURCES))
    assert used - {"app.py", "queue.csv"} <= set(TEXTS)


def test_every_key_that_is_there_is_used() -> None:
    prefixes = set(re.findall(r'f"([a-z]+)\.\{', SOURCES))
    assert not {key for key in TEXTS if f'"{key}"' not in SOURCES and key.partition(".")[0] not in prefixes}


def test_what_the_backend_says_in_fixed_words_is_translated() -> None:
    for words in (*get_args(Mode), *get_args(Method), *get_args(Verdict), *filter(None, get_args(Shape))):
        assert f"said.{words}" in TEXTS
    for group, words in (("errors", ErrorKind), ("kind", Kind), ("certainty", Certainty)):
        assert {f"{group}.{word}" for word in get_args(words)} <= set(TEXTS)
    assert {f"label.{label}" for label in LABELS} <= set(TEXTS)


def test_an_unknown_word_is_shown_as_it_is() -> None:
    for language in LANGUAGES:
        assert Words(language).label("LEAD") == "LEAD"
        assert Words(language).said("something new") == "something new"
        assert Words(language).said(None) == ""
