#!/usr/bin/env bash
# What three Python readers of Word files return of a valid document with tracked changes, content controls and fields.
#
# Word shows:      未见室性心动过速 (未见 is a tracked insertion), 心率72次/分 (72 stands in a content control),
#                  结论：正常 (a content control around the paragraph), 右束支阻滞 (moved: once, at its new place).
# Expected by us:  each reader returns what Word shows, or says what it left out.
# Seen:            python-docx 1.2.0 returns neither insertions, nor inline or block content controls, nor moved text:
#                  the report states a ventricular tachycardia that it excludes, and has no heart rate.
#                  mammoth 1.13.0 returns all four as shown.
#                  docx2python 3.7.1 returns all four, but the moved text twice: where it went from as well.
# None of them warns. Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder"/venv/bin/pip install --quiet python-docx==1.2.0 mammoth==1.13.0 docx2python==3.7.1 2> "$folder/pip" || { cat "$folder/pip" >&2; exit 1; }
"$folder/venv/bin/python" - "$folder/report.docx" <<'PY'
import sys
import zipfile

OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
# docx2python raises KeyError unless the root declares the prefix r, as Word always does.
W = f'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="{OFFICE}"'
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml"
BY = 'w:author="A" w:date="2026-01-01T00:00:00Z"'


def run(text):
    return f"<w:r><w:t>{text}</w:t></w:r>"


def paragraph(inside):
    return f"<w:p>{inside}</w:p>"


BODY = [
    paragraph(f'<w:ins w:id="1" {BY}>{run("未见")}</w:ins>{run("室性心动过速")}'),
    paragraph(f"{run('心率')}<w:sdt><w:sdtContent>{run('72')}</w:sdtContent></w:sdt>{run('次/分')}"),
    f"<w:sdt><w:sdtContent>{paragraph(run('结论：正常'))}</w:sdtContent></w:sdt>",
    paragraph(f'<w:moveFrom w:id="2" {BY}>{run("右束支阻滞")}</w:moveFrom>'),
    paragraph(f'<w:moveTo w:id="3" {BY}>{run("右束支阻滞")}</w:moveTo>'),
]
FILES = {
    "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    f'<Override PartName="/word/document.xml" ContentType="{WORD}.document.main+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" '
    f'Type="{OFFICE}/officeDocument" Target="word/document.xml"/></Relationships>',
    "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships"/>',
    "word/document.xml": f"<w:document {W}><w:body>{''.join(BODY)}</w:body></w:document>",
}
path = sys.argv[1]
with zipfile.ZipFile(path, "w") as archive:
    for name, text in FILES.items():
        archive.writestr(name, '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n' + text)

import docx
import mammoth
from docx2python import docx2python

with open(path, "rb") as file:
    read = mammoth.extract_raw_text(file)
with docx2python(path) as opened:
    said = opened.text
texts = {
    "python-docx 1.2.0": " ".join(p.text for p in docx.Document(path).paragraphs),
    "mammoth 1.13.0": read.value,
    "docx2python 3.7.1": said,
}
SHOWN = ("未见室性心动过速", "心率72次/分", "结论：正常", "右束支阻滞")
seen = {name: [text.count(shown) for shown in SHOWN] for name, text in texts.items()}
for name, text in texts.items():
    print(f"{name}:", " | ".join(text.split()), seen[name])
print("messages of mammoth:", [message.message for message in read.messages])
expected = {
    "python-docx 1.2.0": [0, 0, 0, 0],
    "mammoth 1.13.0": [1, 1, 1, 1],
    "docx2python 3.7.1": [1, 1, 1, 2],
}
sys.exit(seen != expected)
PY
