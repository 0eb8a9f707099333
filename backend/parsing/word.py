"""The text of a Word document (.docx, .docm, .dotx), as Word shows it finally.

Every element of the main part is walked, and an element that is not known is walked like any other, so that no text in
it can vanish. Tracked insertions and moved-to text are in, deletions and moved-from text are out; content controls,
custom XML, smart tags, links, text boxes and the results of fields are read. What is not read is named, and so is what
its writer took back or hid: text that is struck out or hidden, and the prompt of an empty content control.

Terms are those of ECMA-376 part 1, chapter 17; Strict files (ISO/IEC 29500) differ in their namespaces alone.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException, ElementTree  # type: ignore[import-untyped]

from backend.errors import BadRequest
from backend.parsing import symbols

_W = (
    "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}",
    "{http://purl.oclc.org/ooxml/wordprocessingml/main}",
)
_MICROSOFT = re.compile(
    r"http://schemas\.(microsoft|openxmlformats)\.|http://purl\.oclc\.org/ooxml/|urn:schemas-microsoft-com:"
)
"""How the namespaces begin that Word knows."""
HIDDEN, STRUCK, PROMPT = "hidden text", "struck-out text", "placeholder text"
FOREIGN = "content for other programs"
_TAKEN_BACK = {"vanish": HIDDEN, "strike": STRUCK, "dstrike": STRUCK}
"""Property of a run -> what its text is called."""
_STORIES = {
    "hdr": "page header", "ftr": "page footer", "footnotes": "footnotes", "endnotes": "endnotes",
    "comments": "comments",
}  # fmt: skip
_NAMED = {
    "w:altChunk": "embedded document", "w:subDoc": "embedded document", "OLEObject": "embedded object",
    "w:control": "embedded object", "blip": "picture", "imagedata": "picture", "chart": "chart", "relIds": "diagram",
    "contentPart": "ink", "w:rt": "phonetic guide",
}  # fmt: skip
"""Element -> what is left out where it stands."""
_SKIPPED = {
    "w:del", "w:moveFrom", "w:delText", "w:instrText", "w:delInstrText", "w:fldData", "w:ffData", "w:tblGrid",
    "w:pPr", "w:rPr", "w:sectPr", "w:sdtPr", "w:sdtEndPr", "w:tblPr", "w:tblPrEx", "w:trPr", "w:tcPr", "w:rubyPr",
    "w:smartTagPr", "w:customXmlPr",
}  # fmt: skip
"""Deleted text, instructions and properties: nothing that Word shows."""
_SIGNS = {
    "w:tab": "\t", "w:ptab": "\t", "w:br": "\n", "w:cr": "\n", "w:noBreakHyphen": "-", "w:softHyphen": "",
}  # fmt: skip
_OFF = ("0", "false", "off", "none")
_DEPTH = 150  # nested elements; Word's own limit is far below


class Reading(NamedTuple):
    """The text, and what the document holds beside it, named."""

    text: str
    left_out: tuple[str, ...]


def read(archive: zipfile.ZipFile) -> Reading:
    """The text of a document; raises BadRequest for an archive that is none."""
    main = _main_part(archive)
    root = _parsed(archive, main)
    if _name(root) != "w:document":
        raise refusal("its main part is no Word text")
    styles = _styles(archive, main)
    walk = _Walk(hide_codes=True, styles=styles)
    text = walk.story(root)
    if walk.fields or walk.unbalanced:  # a field that never ends would hide the rest of the document
        walk = _Walk(hide_codes=False, styles=styles)
        text = walk.story(root)
    left_out = {*walk.left_out, *_other_stories(archive, main)}
    return Reading(text, tuple(sorted(left_out)))


def refusal(why: str) -> BadRequest:
    """What is said of a file that is no Word document."""
    return BadRequest("This is no Word document", why, "save it as .docx in a word processor")


def _main_part(archive: zipfile.ZipFile) -> str:
    """By the relation of the package, else by its content type, else by its usual name."""
    names = {part.filename.lower(): part.filename for part in archive.infolist()}
    found = [*_related(archive, names), *_typed(archive, names), "word/document.xml"]
    for name in found:
        if name.lower() in names:
            return names[name.lower()]
    raise refusal("no word/document.xml inside")


def _related(archive: zipfile.ZipFile, names: dict[str, str]) -> Iterator[str]:
    if "_rels/.rels" in names:
        for relation in _parsed(archive, names["_rels/.rels"]):
            if relation.get("Type", "").endswith("/officeDocument"):
                yield posixpath.normpath(relation.get("Target", "").lstrip("/"))


def _typed(archive: zipfile.ZipFile, names: dict[str, str]) -> Iterator[str]:
    if "[content_types].xml" in names:
        for part in _parsed(archive, names["[content_types].xml"]):
            kind = part.get("ContentType", "")
            if kind.endswith(".main+xml") and ("wordprocessingml" in kind or "ms-word" in kind):
                yield part.get("PartName", "").lstrip("/")


def _parsed(archive: zipfile.ZipFile, name: str) -> Element:
    """A part as XML. A branch for certain programs names their namespaces, no prefixes, under `Requires`."""
    source = io.BytesIO(archive.read(name))
    spaces: list[tuple[str, str]] = []
    root: Element | None = None
    try:
        for event, found in ElementTree.iterparse(source, ("start-ns", "end-ns", "start"), forbid_dtd=True):
            if event == "start-ns":
                spaces.append(found)
            elif event == "end-ns":
                spaces.pop()
            else:
                root = found if root is None else root
                if requires := found.get("Requires"):
                    known = dict(spaces)
                    found.set("Requires", " ".join(known.get(prefix, prefix) for prefix in requires.split()))
    except (ParseError, DefusedXmlException, ValueError, LookupError):
        raise refusal(f"{posixpath.basename(name)} is damaged") from None
    if root is None:
        raise refusal(f"{posixpath.basename(name)} is empty")
    return root


def _styles(archive: zipfile.ZipFile, main: str) -> dict[str, frozenset[str]]:
    """Property -> the styles that take back their text by it, by themselves or by the style that they are based on."""
    name = posixpath.join(posixpath.dirname(main), "styles.xml")
    if name not in archive.namelist():
        return {}
    styles = {_value(style, "styleId"): style for style in _parsed(archive, name) if _name(style) == "w:style"}

    def takes(style: str, name: str, seen: tuple[str, ...] = ()) -> bool:
        if style not in styles or style in seen:
            return False
        own = _child(styles[style], "rPr", name)
        return _is_on(own) if own is not None else takes(_value(_child(styles[style], "basedOn")), name, (*seen, style))

    return {name: frozenset(style for style in styles if takes(style, name)) for name in _TAKEN_BACK}


def _other_stories(archive: zipfile.ZipFile, main: str) -> Iterator[str]:
    """Headers, notes and comments that hold text, named by their root, so that a missing relation hides none."""
    folder = posixpath.dirname(main)
    for name in archive.namelist():
        if name == main or not name.lower().endswith(".xml"):
            continue
        try:
            root = _parsed(archive, name)
        except BadRequest:
            if posixpath.dirname(name) == folder:
                yield "a damaged part"
            continue
        story = _STORIES.get(_name(root).removeprefix("w:"))
        if story and _Walk(hide_codes=False).story(root).strip():
            yield story


def _name(element: Element) -> str:
    """`w:` and the local name; the local name alone in other namespaces."""
    tag = str(element.tag)
    for namespace in _W:
        if tag.startswith(namespace):
            return f"w:{tag[len(namespace) :]}"
    return tag.rpartition("}")[2]


def _child(element: Element | None, *path: str) -> Element | None:
    for name in path:
        if element is not None:
            element = next((child for child in element if _name(child) == f"w:{name}"), None)
    return element


def _value(element: Element | None, name: str = "val") -> str:
    return (
        ""
        if element is None
        else next((element.get(f"{space}{name}") or "" for space in _W if element.get(f"{space}{name}")), "")
    )


def _is_on(element: Element | None) -> bool:
    return element is not None and _value(element).lower() not in _OFF


class _Walk:
    """One pass over a story. `fields` holds, for each open field, whether its result has begun."""

    def __init__(self, hide_codes: bool, styles: Mapping[str, frozenset[str]] = MappingProxyType({})) -> None:
        self.hide_codes = hide_codes
        self.styles = styles
        """Property -> styles that take back their text by it."""
        self.fields: list[bool] = []
        self.unbalanced = False
        self.left_out: set[str] = set()
        self._boxes: list[str] = []
        self._paragraph_style = ""
        self._prompts = False
        self._font = ""
        self._depth = 0

    def story(self, root: Element) -> str:
        return self._inside(root).removesuffix("\n")

    def _inside(self, element: Element) -> str:
        return "".join([self._text(child) for child in element])

    def _text(self, element: Element) -> str:
        self._depth += 1
        if self._depth > _DEPTH:
            raise refusal(f"more than {_DEPTH} elements in one another")
        try:
            return self._said(element, _name(element))
        finally:
            self._depth -= 1

    def _said(self, element: Element, name: str) -> str:
        if name in _NAMED:
            self.left_out.add(_NAMED[name])
        if name in _SKIPPED or name == "w:rt":
            return ""
        if name in _SIGNS:
            return self._shown(_SIGNS[name])
        if name in ("w:t", "t"):
            return self._shown(self._signs(self._font, "".join(element.itertext())))
        read = _SPECIAL.get(name)
        return read(self, element) if read else self._inside(element)

    def _shown(self, text: str) -> str:
        """Nothing within the code of a field: its instruction may hold other fields, which are not shown."""
        if self._prompts and text.strip():
            self.left_out.add(PROMPT)
        return "" if self._prompts or (self.hide_codes and not all(self.fields)) else text

    def _paragraph(self, element: Element) -> str:
        before, self._boxes = self._boxes, []
        outer, self._paragraph_style = self._paragraph_style, _value(_child(element, "pPr", "pStyle"))
        text = self._inside(element)
        mark = _child(element, "pPr", "rPr")
        hidden = self._takes_back(mark, "vanish")
        self._paragraph_style = outer
        boxes, self._boxes = self._boxes, before
        removed = _child(mark, "del") is not None or _child(mark, "moveFrom") is not None
        return f"{text}{'' if (removed or hidden) and not boxes else chr(10)}{''.join(boxes)}"

    def _takes_back(self, properties: Element | None, name: str) -> bool:
        """Whether a run, or the mark of a paragraph, has the property, by itself or by its styles."""
        own = _child(properties, name)
        if own is not None:
            return _is_on(own)
        styles = self.styles.get(name, frozenset())
        both = [style in styles for style in (_value(_child(properties, "rStyle")), self._paragraph_style)]
        # The two styles toggle: hidden text in a hidden style is shown (ECMA-376 part 1, 17.7.3).
        return any(both) if name == "dstrike" else both[0] != both[1]

    def _run(self, element: Element) -> str:
        properties = _child(element, "rPr")
        outer, self._font = self._font, _value(_child(properties, "rFonts"), "ascii")
        text = self._inside(element)
        self._font = outer
        names = {said for name, said in _TAKEN_BACK.items() if self._takes_back(properties, name)}
        if names and text.strip():
            self.left_out |= names
        return "" if names else text

    @contextmanager
    def _in_control(self, element: Element) -> Iterator[None]:
        """Within a content control that shows its prompt, no text is one of the report."""
        outer = self._prompts
        self._prompts = outer or _is_on(_child(element, "sdtPr", "showingPlcHdr"))
        yield
        self._prompts = outer

    def _control(self, element: Element) -> str:
        with self._in_control(element):
            return self._inside(element)

    def _box(self, element: Element) -> str:
        """Text boxes follow the paragraph that they hang on."""
        text = self._inside(element)
        if text.strip():
            self._boxes.append(text if text.endswith("\n") else f"{text}\n")
        return ""

    def _row(self, element: Element) -> str:
        if _child(element, "trPr", "del") is not None:
            return ""
        return "\t".join(self._cells(element)) + "\n"

    def _cells(self, element: Element) -> Iterator[str]:
        for child in element:
            if _name(child) == "w:tc":
                if _child(child, "tcPr", "cellDel") is None:
                    yield " ".join(line.strip() for line in self._text(child).split("\n") if line.strip())
            elif _name(child) not in _SKIPPED:  # a content control or custom XML around cells
                with self._in_control(child):
                    yield from self._cells(child)

    def _alternate(self, element: Element) -> str:
        """The first branch that says something and needs nothing that Word lacks; the others say the same otherwise."""
        lacking = [branch for branch in element if not all(map(_MICROSOFT.match, branch.get("Requires", "").split()))]
        for branch in element:
            boxes, known = len(self._boxes), len(self.left_out)
            text = "" if branch in lacking else self._text(branch)
            if text or len(self._boxes) > boxes or len(self.left_out) > known:
                return text
        if any("".join(branch.itertext()).strip() for branch in lacking):
            self.left_out.add(FOREIGN)
        return ""

    def _field(self, element: Element) -> str:
        kind = _value(element, "fldCharType")
        if kind == "begin":
            shown = self._shown(_form_field(_child(element, "ffData")))
            self.fields.append(False)
            return shown
        if not self.fields:
            self.unbalanced = True
        elif kind == "separate":
            self.fields[-1] = True
        elif kind == "end":
            self.fields.pop()
        return ""

    def _symbol(self, element: Element) -> str:
        code = int(_value(element, "char") or "0", 16)
        return self._shown(self._signs(_value(element, "font"), chr(code))) if code else ""

    def _signs(self, font: str, text: str) -> str:
        said, known = symbols.read(font, text)
        if not known:
            self.left_out.add(symbols.UNREAD)
        return said

    def _fraction(self, element: Element) -> str:
        return "/".join(self._text(child) for child in element if _name(child) in ("num", "den"))

    def _raised(self, element: Element) -> str:
        return f"^{self._inside(element)}"

    def _art(self, element: Element) -> str:
        return self._shown(element.get("string", ""))


def _form_field(data: Element | None) -> str:
    """What a check box or a list of an old form shows: it stands in the properties of the field alone."""
    box, choices = _child(data, "checkBox"), _child(data, "ddList")
    if box is not None:
        checked = _child(box, "checked")
        return "☒" if _is_on(checked if checked is not None else _child(box, "default")) else "☐"
    if choices is None:
        return ""
    entries = [_value(entry) for entry in choices if _name(entry) == "w:listEntry"]
    chosen = _value(_child(choices, "result")) or _value(_child(choices, "default")) or "0"
    return entries[int(chosen)] if chosen.isdecimal() and int(chosen) < len(entries) else ""


_SPECIAL = {
    "w:p": _Walk._paragraph, "w:r": _Walk._run, "r": _Walk._run, "w:sdt": _Walk._control,
    "w:txbxContent": _Walk._box, "w:tr": _Walk._row, "AlternateContent": _Walk._alternate,
    "w:fldChar": _Walk._field, "w:sym": _Walk._symbol, "f": _Walk._fraction, "sup": _Walk._raised,
    "textpath": _Walk._art,
}  # fmt: skip
