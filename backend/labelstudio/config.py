"""What a labelling configuration says about named-entity recognition.

A configuration is XML from a project's users: it is read without expanding entities, and whatever
cannot be used raises LabelConfigError that names what is missing. No I/O.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree  # type: ignore[import-untyped]
from label_studio_tools.core.label_config import parse_config
from label_studio_tools.core.utils.exceptions import LabelStudioXMLSyntaxErrorSentryIgnored

from backend.errors import LabelConfigError
from backend.ner.scheme import LabelScheme

EXAMPLE = (
    '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$text"/></View>'
)
HINT = f"a configuration looks like {EXAMPLE}"
DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")


@dataclass(frozen=True)
class LabelConfig:
    """The Labels tag that is predicted, and the Text tag it labels.

    `text_key` is the path of the report in a task's data: `text`, or `report.body` for nested data.
    `labels` are what regions carry: a label's alias before its value, in the order of the configuration.
    """

    from_name: str
    to_name: str
    text_key: str
    labels: tuple[str, ...]

    @cached_property
    def scheme(self) -> LabelScheme:
        """The BIO tags of the labels."""
        return LabelScheme(self.labels)


@lru_cache(maxsize=64)
def parse_label_config(xml: str) -> LabelConfig:
    """The first Labels tag bound to a Text tag; raises LabelConfigError when there is none.

    >>> parse_label_config(EXAMPLE)
    LabelConfig(from_name='label', to_name='text', text_key='text', labels=('HR',))
    """
    tree = _read(xml)
    texts = _text_keys(tree)
    controls = _controls(tree, xml)
    bound = [(name, target, control) for name, control in controls for target in control["to_name"] if target in texts]
    for name, target, control in bound:
        if control["labels"]:
            return LabelConfig(name, target, texts[target], tuple(control["labels"]))
    raise _nothing_usable(texts, [name for name, _ in controls], [name for name, _, _ in bound])


def _read(xml: str) -> Element:
    """The tree; document types are refused whole, so that no entity is ever expanded."""
    if not isinstance(xml, str) or not xml.strip():
        raise LabelConfigError("The labelling configuration is empty", hint=HINT)
    try:
        return ElementTree.fromstring(_undeclared(xml), forbid_dtd=True)  # type: ignore[no-any-return]
    except DefusedXmlException as error:
        raise LabelConfigError("The labelling configuration has a document type", type(error).__name__, HINT) from None
    except (ParseError, ValueError) as error:
        raise LabelConfigError("The labelling configuration is not XML", error, HINT) from None


def _undeclared(xml: str) -> str:
    """Without `<?xml … encoding=…?>`: the string is decoded already, and lxml refuses the declaration."""
    return DECLARATION.sub("", xml).strip()


def _text_keys(tree: Element) -> dict[str, str]:
    """Name -> data key of the Text tags that show one value of the task's data."""
    tags = [tag for tag in tree.iter("Text") if tag.get("name") and tag.get("valueType") != "url"]
    keys = {tag.attrib["name"]: _data_key(tag.get("value", "")) for tag in tags}
    return {name: key for name, key in keys.items() if key}


def _data_key(value: str) -> str:
    """`$text` -> `text`; "" for literal text and for text composed of several values.

    >>> _data_key("$report.body"), _data_key("Report: $text")
    ('report.body', '')
    """
    key = value.strip()
    return key[1:] if key.startswith("$") and key.count("$") == 1 else ""


def _controls(tree: Element, xml: str) -> list[tuple[str, dict[str, list[str]]]]:
    """Name and `{"to_name", "labels"}` of the Labels tags, in the order of the configuration."""
    if not any(tag.get("name") and tag.get("toName") for tag in tree.iter("Labels")):
        return []
    try:
        parsed = parse_config(_undeclared(xml))
    except (LabelStudioXMLSyntaxErrorSentryIgnored, ValueError, KeyError) as error:
        raise LabelConfigError("The labelling configuration cannot be read", error, HINT) from None
    controls = [(name, control) for name, control in parsed.items() if control["type"] == "Labels"]
    return [
        (name, {"to_name": [target.strip() for target in control["to_name"]], "labels": control["labels"]})
        for name, control in controls
    ]


def _nothing_usable(texts: dict[str, str], controls: list[str], bound: list[str]) -> LabelConfigError:
    """The error that names the first missing piece."""
    if not texts:
        return LabelConfigError('The labelling configuration has no Text tag with name and value="$key"', hint=HINT)
    if not controls:
        return LabelConfigError("The labelling configuration has no Labels tag with name and toName", hint=HINT)
    if not bound:
        return LabelConfigError("No Labels tag names a Text tag in toName", ", ".join(controls), HINT)
    return LabelConfigError("The Labels tag has no Label inside", ", ".join(bound), HINT)
