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

from backend.errors import LabelConfigError, UnreadableLabelConfig
from backend.ner.scheme import LabelScheme

EXAMPLE = (
    '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$text"/></View>'
)
HINT = f"a configuration looks like {EXAMPLE}"
OTHER_OBJECTS = ("HyperText", "Paragraphs", "Image", "Audio", "Video", "TimeSeries", "Table", "Chat", "Pdf")
OTHER_CONTROLS = ("Choices", "Taxonomy", "HyperTextLabels", "ParagraphLabels", "RectangleLabels", "TextArea", "Rating")
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
    texts = {tag.attrib["name"]: tag for tag in tree.iter("Text") if tag.get("name")}
    controls = _controls(tree, xml)
    bound = [(name, target, control) for name, control in controls for target in control["to_name"] if target in texts]
    faults = []
    for name, target, control in bound:
        fault = _text_fault(texts[target]) or _labels_fault(tree, name, control["labels"])
        if not fault:
            return LabelConfig(name, target, _data_key(texts[target]), tuple(control["labels"]))
        faults.append(fault)
    raise faults[0] if faults else _nothing_bound(tree, texts, controls)


def _read(xml: str) -> Element:
    """The tree; document types are refused whole, so that no entity is ever expanded."""
    if not isinstance(xml, str) or not xml.strip():
        raise UnreadableLabelConfig("The labelling configuration is empty", hint=HINT)
    try:
        return ElementTree.fromstring(_undeclared(xml), forbid_dtd=True)  # type: ignore[no-any-return]
    except DefusedXmlException as error:
        raise LabelConfigError("The labelling configuration has a document type", type(error).__name__, HINT) from None
    except (ParseError, ValueError) as error:
        raise UnreadableLabelConfig("The labelling configuration is not XML", error, HINT) from None


def _undeclared(xml: str) -> str:
    """Without `<?xml … encoding=…?>`: the string is decoded already, and lxml refuses the declaration."""
    return DECLARATION.sub("", xml).strip()


def _text_fault(tag: Element) -> LabelConfigError | None:
    """Why no report can be read through a Text tag; None when it can."""
    name, value = tag.attrib["name"], tag.get("value", "")
    if tag.get("valueType") == "url":
        what, hint = 'valueType="url"', "import the text itself and remove valueType"
    elif tag.get("encoding", "none") not in ("", "none"):
        # Label Studio decodes it in the browser: offsets would be those of a text that the data does not hold.
        what, hint = f'encoding="{tag.get("encoding")}"', "import the text as it is and remove encoding"
    elif not value.strip().startswith("$") and not value.count("$"):
        what, hint = f'value="{value[:40]}"', 'value has to name a field of the data, as value="$text"'
    elif not _data_key(tag):
        what, hint = f'value="{value[:40]}"', 'value has to be one field of the data and nothing else, as value="$text"'
    else:
        return None
    return LabelConfigError(f'The Text tag "{name}" cannot be read', what, hint)


def _data_key(tag: Element) -> str:
    """`$text` -> `text`; "" for literal text, for text composed of several values and for items of a list."""
    key = tag.get("value", "").strip()
    return key[1:] if re.fullmatch(r"\$[^$\[\]{}]+", key) else ""


def _labels_fault(tree: Element, name: str, labels: list[str]) -> LabelConfigError | None:
    """Why the labels of a Labels tag are not known; None when they are."""
    tag = next(tag for tag in tree.iter("Labels") if tag.get("name") == name)
    hint = 'list the labels as <Label value="HR"/> inside the tag'
    if not labels and tag.get("value"):
        return LabelConfigError(
            f'The Labels tag "{name}" takes its labels from each task', f'value="{tag.get("value")}"', hint
        )
    if not labels:
        return LabelConfigError("The Labels tag has no Label inside", name, HINT)
    dynamic = next((label for label in labels if label.startswith("$")), "")
    if dynamic:
        return LabelConfigError(f'The Labels tag "{name}" takes a label from each task', f'value="{dynamic}"', hint)
    return None


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


def _nothing_bound(
    tree: Element, texts: dict[str, Element], controls: list[tuple[str, dict[str, list[str]]]]
) -> LabelConfigError:
    """The error that names the first missing piece, and the tag that stands in its place."""
    if not texts:
        what = 'The labelling configuration has no Text tag with name and value="$key"'
        return LabelConfigError(what, _instead(tree, OTHER_OBJECTS), HINT)
    if not controls:
        what = "The labelling configuration has no Labels tag with name and toName"
        return LabelConfigError(what, _instead(tree, OTHER_CONTROLS), HINT)
    targets = ", ".join(f'{name} (toName="{",".join(control["to_name"])}")' for name, control in controls)
    return LabelConfigError("No Labels tag names a Text tag in toName", targets, HINT)


def _instead(tree: Element, tags: tuple[str, ...]) -> str:
    """`it has HyperText` for the tags that are there; "" for none."""
    found = [tag for tag in tags if tree.find(f".//{tag}") is not None]
    return f"it has {', '.join(found)}" if found else ""
