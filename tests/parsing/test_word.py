"""What Word shows finally is read, whatever element it stands in; the rest is named."""

import io
import zipfile

import pytest

from backend.errors import BadRequest
from backend.parsing.documents import read

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"
SPACES = (
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" xmlns:v="urn:schemas-microsoft-com:vml" '
    'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" xmlns:x="urn:unknown" '
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
)
NOT, VT = "<w:r><w:t>未见</w:t></w:r>", "<w:r><w:t>室速</w:t></w:r>"


def package(body: str, main: str = "word/document.xml", space: str = W, **parts: str) -> bytes:
    file = io.BytesIO()
    relation = f'<Relationship Type="x/officeDocument" Target="/{main}"/>'
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("_rels/.rels", f"<Relationships>{relation}</Relationships>")
        archive.writestr(main, f'<w:document xmlns:w="{space}" {SPACES}><w:body>{body}</w:body></w:document>')
        for name, content in parts.items():
            root = name.rpartition("/")[2]
            archive.writestr(f"word/{name}.xml", f'<w:{root} xmlns:w="{space}">{content}</w:{root}>')
    return file.getvalue()


def p(inside: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{inside}</w:p>"


def said(body: str) -> str:
    return read(package(body), "a.docx").texts[0]


def char(kind: str) -> str:
    return f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>'


SHOWN = {
    "insertion": f"<w:ins>{NOT}</w:ins>",
    "moved to": f"<w:moveTo>{NOT}</w:moveTo>",
    "control": f"<w:sdt><w:sdtPr/><w:sdtContent>{NOT}</w:sdtContent></w:sdt>",
    "smart tag": f"<w:smartTag>{NOT}</w:smartTag>",
    "custom XML": f"<w:customXml>{NOT}</w:customXml>",
    "link": f"<w:hyperlink>{NOT}</w:hyperlink>",
    "simple field": f"<w:fldSimple>{NOT}</w:fldSimple>",
    "field": f"{char('begin')}<w:r><w:instrText>IF</w:instrText></w:r>{char('separate')}{NOT}{char('end')}",
    "nested field": f"{char('begin')}{char('begin')}{VT}{char('end')}{char('separate')}{NOT}{char('end')}",
    "field without an end": f"{char('begin')}{NOT}",
    "unknown element": f"<x:any><x:more>{NOT}</x:more></x:any>",
    "ruby": f"<w:r><w:ruby><w:rt>{VT}</w:rt><w:rubyBase>{NOT}</w:rubyBase></w:ruby></w:r>",
    "one branch": f"<mc:AlternateContent><mc:Choice>{NOT}</mc:Choice>"
    f"<mc:Fallback>{VT}</mc:Fallback></mc:AlternateContent>",
    "bidirectional": f'<w:dir w:val="ltr">{NOT}</w:dir>',
    "hidden beside": f'{NOT}<w:r><w:rPr><w:vanish/></w:rPr><w:t>室速</w:t></w:r>',
    "deletion beside": f"{NOT}<w:del><w:r><w:delText>大量</w:delText></w:r></w:del>",
    "moved away beside": f"{NOT}<w:moveFrom>{VT}</w:moveFrom>",
    "drop-down": '<w:r><w:fldChar w:fldCharType="begin"><w:ffData><w:ddList><w:result w:val="1"/>'
    '<w:listEntry w:val="可见"/>'
    f'<w:listEntry w:val="未见"/></w:ddList></w:ffData></w:fldChar></w:r>{char("separate")}{char("end")}',
}  # fmt: skip


@pytest.mark.parametrize("inside", SHOWN.values(), ids=SHOWN)
def test_a_negation_is_read_wherever_word_shows_it(inside: str) -> None:
    assert said(p(f"{inside}{VT}")) == "未见室速"


def test_controls_around_blocks_rows_and_cells_are_read_and_deleted_ones_are_not() -> None:
    def control(inside: str) -> str:
        return f"<w:sdt><w:sdtContent>{inside}</w:sdtContent></w:sdt>"

    def cell(text: str, properties: str = "") -> str:
        return f"<w:tc><w:tcPr>{properties}</w:tcPr>{p(f'<w:r><w:t>{text}</w:t></w:r>')}</w:tc>"

    rows = (
        f"<w:tr>{control(cell('一'))}{cell('二')}{cell('三', '<w:cellDel/>')}</w:tr>"
        f"{control(f'<w:tr>{cell(chr(0x56DB))}</w:tr>')}<w:tr><w:trPr><w:del/></w:trPr>{cell('五')}</w:tr>"
    )
    assert said(f"{control(p(NOT))}<w:tbl>{rows}</w:tbl>{p(VT)}") == "未见\n一\t二\n四\n室速"


def test_a_deleted_paragraph_mark_joins_paragraphs_and_a_text_box_follows_its_paragraph() -> None:
    assert said(p(NOT, "<w:rPr><w:del/></w:rPr>") + p(VT)) == "未见室速"
    box = f"<w:r><w:pict><v:textbox><w:txbxContent>{p(VT)}</w:txbxContent></v:textbox></w:pict></w:r>"
    assert said(p(f"{box}{NOT}")) == "未见\n室速"


def test_signs_are_read_as_word_shows_them() -> None:
    signs = (
        '<w:noBreakHyphen/><w:softHyphen/><w:tab/><w:sym w:font="Symbol" w:char="F0B1"/><w:t>2</w:t><w:br/><w:ptab/>'
    )
    assert said(p(f"<w:r><w:t>1</w:t>{signs}<w:t>3</w:t></w:r>")) == "1-\t±2\n\t3"
    half = "<m:f><m:num><m:r><m:t>1</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den></m:f>"
    assert said(p(f"<m:oMath>{half}</m:oMath>")) == "1/2"


def in_font(font: str, text: str) -> str:
    return f'<w:r><w:rPr><w:rFonts w:ascii="{font}"/></w:rPr><w:t>{text}</w:t></w:r>'


@pytest.mark.parametrize(
    ("run", "sign"),
    [
        ('<w:r><w:sym w:font="Wingdings" w:char="F0A8"/></w:r>', "□"),
        ('<w:r><w:sym w:font="Wingdings 2" w:char="F052"/></w:r>', "☑"),
        (in_font("Wingdings", "\uf0fe"), "☑"),
        (in_font("Wingdings", "¨"), "□"),
        (in_font("Wingdings 2", "\uf0a3"), "□"),
        (in_font("Symbol", "m 72"), "μ 72"),
        (in_font("SimSun", "þ"), "þ"),
        (in_font("Wingdings", "室"), "室"),
    ],
)
def test_signs_of_symbol_fonts_are_read_as_they_are_shown(run: str, sign: str) -> None:
    found = read(package(p(run + VT)), "a.docx")
    assert (found.texts[0], found.left_out) == (f"{sign}室速", ())


@pytest.mark.parametrize("run", ['<w:r><w:sym w:font="Marlett" w:char="F041"/></w:r>', in_font("Wingdings", "J")])
def test_a_sign_that_is_not_known_is_named(run: str) -> None:
    found = read(package(p(run + VT)), "a.docx")
    assert (found.texts[0], found.left_out) == ("\ufffd室速", ("a symbol of a special font",))


def test_what_is_not_read_is_named() -> None:
    hidden = "<w:r><w:rPr><w:vanish/></w:rPr><w:t>x</w:t></w:r>"
    body = p(f"{NOT}<w:r><w:drawing><a:blip/></w:drawing></w:r>{hidden}") + "<w:altChunk/>"
    found = read(package(body, hdr=p(VT), footnotes=p(VT), ftr=p("")), "a.docx")
    assert found.left_out == ("embedded document", "footnotes", "hidden text", "page header", "picture")


def test_strict_files_other_endings_and_another_main_part_are_read() -> None:
    for name in ("a.docx", "a.doc", "a.txt", "a"):
        assert read(package(p(NOT), "doc/main.xml", STRICT), name).texts == ["未见"]


STYLES = (
    '<w:style w:styleId="Hidden"><w:rPr><w:vanish/></w:rPr></w:style>'
    '<w:style w:styleId="Child"><w:basedOn w:val="Hidden"/></w:style>'
    '<w:style w:styleId="Shown"><w:basedOn w:val="Hidden"/><w:rPr><w:vanish w:val="0"/></w:rPr></w:style>'
    '<w:style w:styleId="Loop"><w:basedOn w:val="Loop"/></w:style>'
)


TAKEN_BACK = [("vanish", "hidden text"), ("strike", "struck-out text"), ("dstrike", "struck-out text")]


def styled(kind: str, style: str, more: str = "") -> str:
    """室速 in a run of the style, or in a paragraph of it."""
    own = f'<w:rStyle w:val="{style}"/>' if kind == "run" else ""
    run = f"<w:r><w:rPr>{own}{more}</w:rPr><w:t>室速</w:t></w:r>"
    return p(f"{NOT}{run}") if kind == "run" else p(NOT) + p(run, f'<w:pStyle w:val="{style}"/>')


@pytest.mark.parametrize(("name", "said"), TAKEN_BACK)
@pytest.mark.parametrize("kind", ["run", "paragraph"])
@pytest.mark.parametrize(
    ("style", "more", "shown"),
    [
        ("Hidden", "", False),
        ("Child", "", False),
        ("Shown", "", True),
        ("Loop", "", True),
        ("Missing", "", True),
        ("Hidden", '<w:vanish w:val="false"/>', True),
        ("Shown", "<w:vanish/>", False),
    ],
)
def test_text_that_a_style_takes_back_is_named_and_not_read(
    kind: str, style: str, more: str, shown: bool, name: str, said: str
) -> None:
    body, styles = (part.replace("w:vanish", f"w:{name}") for part in (styled(kind, style, more), STYLES))
    found = read(package(body, styles=styles), "a.docx")
    assert ("室速" in found.texts[0], found.left_out) == (shown, () if shown else (said,))


@pytest.mark.parametrize(("name", "text"), [("vanish", "未见室速"), ("strike", "未见室速"), ("dstrike", "未见")])
def test_two_styles_toggle_a_property_where_word_says_so(name: str, text: str) -> None:
    run = '<w:r><w:rPr><w:rStyle w:val="Hidden"/></w:rPr><w:t>室速</w:t></w:r>'
    body = p(f'<w:r><w:rPr><w:{name} w:val="0"/></w:rPr><w:t>未见</w:t></w:r>{run}', '<w:pStyle w:val="Hidden"/>')
    assert read(package(body, styles=STYLES.replace("w:vanish", f"w:{name}")), "a.docx").texts[0].strip() == text


def struck(inside: str, name: str = "strike") -> str:
    return inside.replace("<w:r>", f"<w:r><w:rPr><w:{name}/></w:rPr>")


@pytest.mark.parametrize(
    "inside",
    [
        struck(NOT),
        f"<w:ins>{struck(NOT, 'dstrike')}</w:ins>",
        "<m:oMath><m:r><w:rPr><w:strike/></w:rPr><m:t>1</m:t></m:r></m:oMath>",
    ],
)
def test_text_that_its_writer_struck_out_turns_no_finding_around(inside: str) -> None:
    found = read(package(p(f"{inside}{VT}")), "a.docx")
    assert (found.texts, found.left_out) == (["室速"], ("struck-out text",))
    assert said(p(inside, "<w:rPr><w:strike/></w:rPr>") + p(VT)) == "\n室速"


def prompt(inside: str, flag: str = "<w:showingPlcHdr/>") -> str:
    return f"<w:sdt><w:sdtPr>{flag}</w:sdtPr><w:sdtContent>{inside}</w:sdtContent></w:sdt>"


CELL = f"<w:tc>{p(VT)}</w:tc>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (p(f"{NOT}{prompt(VT)}"), "未见"),
        (p(NOT) + prompt(p(VT)), "未见"),
        (p(NOT) + prompt(p(prompt(VT, ""))), "未见"),
        (f"<w:tbl><w:tr>{prompt(CELL)}<w:tc>{p(NOT)}</w:tc></w:tr></w:tbl>", "\t未见"),
    ],
)
def test_the_prompt_of_an_empty_control_is_named_and_not_read(body: str, text: str) -> None:
    found = read(package(body), "a.docx")
    assert (found.texts[0].rstrip(), found.left_out) == (text, ("placeholder text",))
    filled = read(package(body.replace("<w:showingPlcHdr/>", '<w:showingPlcHdr w:val="0"/>')), "a.docx")
    assert ("室速" in filled.texts[0], filled.left_out) == (True, ())


WPS = "http://schemas.microsoft.com/office/word/2010/wordprocessingShape"


def branches(requires: str, last: str = f"<mc:Fallback>{VT}</mc:Fallback>") -> str:
    spaces = f'xmlns:wps="{WPS}" xmlns:new="urn:new" xmlns:again="{WPS}"'
    choice = f'<mc:Choice Requires="{requires}">{NOT}</mc:Choice>'
    return p(f'<mc:AlternateContent {spaces}>{choice}{last}</mc:AlternateContent><x:y xmlns:again="urn:other"/>')


@pytest.mark.parametrize(
    ("requires", "text"),
    [
        ("wps", "未见"),
        ("wps again w", "未见"),
        ("new", "室速"),
        ("wps new", "室速"),
        ("x", "室速"),
        ("nowhere", "室速"),
    ],
)
def test_a_branch_that_needs_a_namespace_that_word_lacks_loses(requires: str, text: str) -> None:
    assert said(branches(requires)) == text


def test_content_without_a_branch_for_word_is_named() -> None:
    found = read(package(p(VT) + branches("new", "")), "a.docx")
    assert (found.texts[0].strip(), found.left_out) == ("室速", ("content for other programs",))


def test_a_hidden_paragraph_mark_joins_paragraphs() -> None:
    assert said(p(NOT, "<w:rPr><w:vanish/></w:rPr>") + p(VT)) == "未见室速"


def test_smart_art_charts_and_headers_of_any_folder_are_named() -> None:
    drawing = "<w:r><w:drawing><x:relIds/></w:drawing></w:r><w:r><w:drawing><x:chart/></w:drawing></w:r>"
    found = read(package(p(f"{NOT}{drawing}"), **{"parts/hdr": p(VT)}), "a.docx")
    assert found == (["未见"], ("chart", "diagram", "page header"), True)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"<html><body>x", "web page"),
        ("\ufeff\r\n<!DOCTYPE HTML><html>窦性心律".encode("utf-16"), "web page"),
        ("<!-- saved from url=(0014)about:internet -->\n<HTML><body>窦性心律".encode("gbk"), "web page"),
        ("<head><title>心电图</title></head>窦性心律".encode(), "web page"),
        ("<?xml version='1.0'?><a>窦性心律</a>".encode("utf-16"), "XML"),
        (b"MIME-Version: 1.0\n", "MHTML"),
        (bytes.fromhex("d0cf11e0a1b11ae1"), "old"),
        (package("", "xl/workbook.xml"), "Excel"),
        (b"{\\rtf1\\ansi {\\deleted x}}", "no text"),
        (b"{\\rtf1\\ansi {\\v x}}", "holds only: hidden text"),
        (b"{\\rtf1\\ansi {\\upr{x}{\\*\\ud{\\u26410?\\u35265?}}}\\u25151?}", "alternative text"),
        (
            b"{\\rtf1\\ansi\\ansicpg1252 \\'ce\\'b4\\'bc\\'fb\\'ca\\'d2\\'cb\\'d9}",
            "does not say how its text is encoded",
        ),
        (package(p("")), "no text"),
        (package("", comments=p(VT)), "comments"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.docx"])
def test_other_documents_are_refused_by_name(data: bytes, why: str, name: str) -> None:
    with pytest.raises(BadRequest, match=why):
        read(data, name)


def test_rtf_is_read_whatever_its_name() -> None:
    gbk = "".join(f"\\'{byte:02x}" for byte in "窦性心律".encode("gbk"))
    for body in (gbk.encode(), "窦性心律".encode("gbk"), b"\\uc1\\u31398?\\u24615?\\u24515?\\u24459?"):
        for name in ("a.rtf", "a.txt", "a.doc"):
            found = read(b"{\\rtf1\\ansi\\ansicpg936 " + body + b"{\\header x}\\par}", name)
            assert (found.texts[0].strip(), found.left_out) == ("窦性心律", ("page header",))


def rtf(body: bytes) -> tuple[str, tuple[str, ...]]:
    text, left_out = read(b"{\\rtf1\\ansi\\ansicpg936 " + body + b"}", "a.rtf")[:2]
    return text[0], left_out


AF, NSR = "房颤".encode("gbk"), b"".join(b"\\'%02x" % byte for byte in "窦律".encode("gbk"))
U = b"\\u31398?\\u24615?"


@pytest.mark.parametrize(
    ("word", "left_out"),
    [
        (b"v", ("hidden text",)),
        (b"strike", ("struck-out text",)),
        (b"striked1", ("struck-out text",)),
        (b"deleted", ()),
        (b"strike\\deleted", ()),
        (b"strike\\v", ("hidden text", "struck-out text")),
    ],
)
@pytest.mark.parametrize("hidden", [AF, NSR, U, b"1\\{2\\'30", b"1\\tab2\\emdash 3", b"{\\b 1}{2\r\n3}"])
def test_what_rtf_does_not_show_is_read_as_little_as_in_word(
    hidden: bytes, word: bytes, left_out: tuple[str, ...]
) -> None:
    off = word.replace(b"\\", b"0\\").removesuffix(b"1") + b"0"
    for body in (b"{\\%s %s}" % (word, hidden), b"\\%s %s\\%s " % (word, hidden, off)):
        assert rtf(b"a" + body + NSR + b"\\u-24439?b" + AF) == ("a窦律ꂉb房颤", left_out)
    assert rtf(b"\\%s %s\\plain b" % (word, hidden)) == ("b", left_out)


WINGDINGS = b"{\\fonttbl{\\f0\\fcharset134 SimSun;}{\\f2\\fcharset2{\\*\\panose 05}Wingdings;}}"


@pytest.mark.parametrize(
    ("body", "text", "left_out"),
    [
        (b"{\\f2\\'a8}", "□房颤", ()),
        (b"\\f2\\u-3842?\\f0 ", "☑房颤", ()),
        (b"\\f2 o \\plain\\f0 ", "□ 房颤", ()),
        (b"{\\f2 J}", "\ufffd房颤", ("a symbol of a special font",)),
        (
            b'{\\field{\\*\\fldinst SYMBOL 168 \\\\f "Wingdings"}{\\fldrslt\\f2}}',
            "房颤",
            ("a symbol of a special font",),
        ),
        (b"{\\f0 o}", "o房颤", ()),
    ],
)
def test_signs_of_symbol_fonts_in_rtf_are_read_or_named(body: bytes, text: str, left_out: tuple[str, ...]) -> None:
    assert rtf(WINGDINGS + body + AF) == (text, left_out)


def test_ends_of_paragraphs_go_with_hidden_text_and_stay_with_struck_out_text() -> None:
    assert rtf(b"a{\\v x\\par y}b")[0] == "ab"
    assert rtf(b"a{\\strike x\\par y}b")[0] == "a\nb"
    assert rtf(b"a{\\v b\\cell}c\\cell\\row")[0] == "a|c|\n"
    assert rtf(b"{\\stylesheet{\\s1\\v Hidden;}}a") == ("a", ())
    assert rtf(b"a\\\\v b\\\\bin9 c") == ("a\\v b\\bin9 c", ())


BYTES = b"{}\\v x\x00\xff\\upr "


@pytest.mark.parametrize(
    ("before", "left_out"),
    [
        (b"{\\pict\\wmetafile8", ("picture",)),
        (b"{\\object{\\*\\objdata", ("embedded object",)),
        (b"{", ("binary data",)),
    ],
)
def test_binary_data_of_rtf_is_no_text(before: bytes, left_out: tuple[str, ...]) -> None:
    body = before + b"\\bin%d %s" % (len(BYTES), BYTES) + b"}" * before.count(b"{")
    assert rtf(b"a" + body + NSR) == ("a窦律", left_out)
    with pytest.raises(BadRequest, match="ends too early"):
        rtf(body.replace(b"bin", b"bin9"))


def test_an_rtf_document_that_ends_too_early_is_refused() -> None:
    with pytest.raises(BadRequest, match="ends too early"):
        read(b"{\\rtf1\\ansi\\ansicpg936 sinus \\par \\'ca\\'d2", "a.rtf")
    assert read(b"{\\rtf1 a\\{b\\\\}", "a.rtf").texts == ["a{b\\"]
