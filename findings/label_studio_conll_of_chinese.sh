#!/usr/bin/env bash
# What label-studio-sdk 2.1.2 (the converter of Label Studio 1.23.2) exports of one annotated Chinese report.
#
# Report: 窦性心律，心率72次/分 with 心率72次/分 (characters 5 to 12) labelled HR; formats CONLL2003, CSV and TSV.
# Expected by us: CoNLL with the mention as a token or as characters; a .tsv file with tabs for TSV.
# Seen:           CoNLL cuts at blanks and slashes alone: 窦性心律，心率72次 is one token tagged B-HR, then / and 分 tagged
#                 I-HR. A tagger trained on the file learns that whole sentences are heart rates; nothing warns.
#                 TSV writes tabs into a file that is called result.csv, as CSV does with commas.
# So the product refuses the CoNLL 2003 export by name and tells CSV from TSV by content. Exits with 1 on a change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder"/venv/bin/pip install --quiet --disable-pip-version-check label-studio-sdk==2.1.2 2> "$folder/pip" \
    || { cat "$folder/pip" >&2; exit 1; }
cd "$folder"
"$folder/venv/bin/python" - 2> "$folder/log" <<'PY' || { cat "$folder/log" >&2; exit 1; }
import json
import sys
from pathlib import Path

from label_studio_sdk.converter import Converter

CONFIG = '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$text"/></View>'
TEXT = "窦性心律，心率72次/分"
VALUE = {"start": 5, "end": 12, "text": TEXT[5:12], "labels": ["HR"]}
REGION = {"id": "a", "from_name": "label", "to_name": "text", "type": "labels", "value": VALUE}
TASK = {"id": 1, "data": {"text": TEXT}, "annotations": [{"id": 1, "completed_by": 1, "result": [REGION]}]}
Path("export.json").write_text(json.dumps([TASK]), encoding="utf-8")
converter = Converter(CONFIG, project_dir=".")
written = {}
for name in ("CONLL2003", "CSV", "TSV"):
    Path(name).mkdir()
    converter.convert("export.json", name, name, is_dir=False)
    written[name] = {file.name: file.read_text("utf-8") for file in Path(name).iterdir()}
    print(name, written[name])
conll = "".join(written["CONLL2003"].values()).splitlines()
tokens = [line.split() for line in conll if line.strip() and not line.startswith("-DOCSTART-")]
seen = ([(token[0], token[-1]) for token in tokens], sorted(written["CSV"]), sorted(written["TSV"]))
print(seen, "tabs in TSV:", "\t" in written["TSV"].get("result.csv", ""))
sys.exit(seen != ([("窦性心律，心率72次", "B-HR"), ("/", "I-HR"), ("分", "I-HR")], ["result.csv"], ["result.csv"]) or "\t" not in written["TSV"]["result.csv"])
PY
