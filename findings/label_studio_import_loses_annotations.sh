#!/usr/bin/env bash
# What Label Studio 1.23.2 on SQLite keeps of annotated tasks that are imported while the database is locked for a while.
#
# Two annotated tasks go to POST /api/projects/{id}/import, once undisturbed and once while another connection holds the
# database's write lock for 8 s: longer than Django waits for it (5 s, the default of Python's sqlite3).
# Expected by us: 201 with both annotations, or an error.
# Seen:           undisturbed 201, task_count 2, annotation_count 2; locked 201, task_count 2, annotation_count 0, and the
#                 tasks have no annotations.
# Why:            BaseTaskSerializerBulk.create (tasks/serializers.py) pops annotations and predictions off the rows, meets
#                 "database is locked", and its decorator retry_database_locked (core/utils/common.py) calls it again with
#                 the same rows after 3 s.
# So the product compares annotation_count with what it sent, and imports again. Exits with 1 when that changes.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill "$server" && wait "$server" || true; }; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder"/venv/bin/pip install --quiet --disable-pip-version-check label-studio==1.23.2 2> "$folder/pip" \
    || { cat "$folder/pip" >&2; exit 1; }
port=$(python3 -c 'import socket; probe = socket.socket(); probe.bind(("127.0.0.1", 0)); print(probe.getsockname()[1])')
token=$(python3 -c 'import secrets; print(secrets.token_hex(20))')
LABEL_STUDIO_BASE_DATA_DIR=$folder/data LABEL_STUDIO_USERNAME=admin@example.com LABEL_STUDIO_PASSWORD=$token \
    LABEL_STUDIO_USER_TOKEN=$token LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true LABEL_STUDIO_COLLECT_ANALYTICS=false \
    LABEL_STUDIO_LATEST_VERSION_CHECK=false LABEL_STUDIO_SENTRY_DSN= LABEL_STUDIO_FRONTEND_SENTRY_DSN= \
    "$folder/venv/bin/label-studio" start --no-browser --internal-host 127.0.0.1 --port "$port" > "$folder/log" 2>&1 &
server=$!
for _ in $(seq 180); do
    curl -fs --noproxy '*' -m 2 "http://127.0.0.1:$port/health" > "$folder/health" 2>&1 && break
    kill -0 "$server" || { tail "$folder/log" >&2; exit 1; }
    sleep 1
done
python3 - "http://127.0.0.1:$port/api/" "$token" "$folder/data/label_studio.sqlite3" <<'PY'
import json
import sqlite3
import sys
import threading
import urllib.request

URL, TOKEN, DATABASE = sys.argv[1:]
LOCKED_SECONDS = 8.0
CONFIG = '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$text"/></View>'
VALUE = {"start": 0, "end": 7, "text": "心率72次/分", "labels": ["HR"]}
REGION = {"from_name": "label", "to_name": "text", "type": "labels", "value": VALUE}
TASKS = [{"data": {"text": f"心率72次/分，{rest}"}, "annotations": [{"result": [REGION]}]} for rest in ("正常", "窦性心律")]
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(path, body=None):
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, body and json.dumps(body).encode(), headers)
    with direct.open(request, timeout=120) as answer:
        return answer.status, json.load(answer)


def imported(locked):
    project = call("projects/", {"title": "import", "label_config": CONFIG})[1]["id"]
    lock = sqlite3.connect(DATABASE, isolation_level=None, check_same_thread=False)
    if locked:
        lock.execute("BEGIN IMMEDIATE")
        threading.Timer(LOCKED_SECONDS, lock.rollback).start()
    status, answer = call(f"projects/{project}/import", TASKS)
    stored = call(f"tasks?project={project}&fields=all")[1]["tasks"]
    return status, answer["task_count"], answer["annotation_count"], [len(task["annotations"]) for task in stored]


seen = {"undisturbed": imported(locked=False), "locked": imported(locked=True)}
for name, (status, tasks, annotations, stored) in seen.items():
    print(f"{name}: {status}, task_count {tasks}, annotation_count {annotations}, annotations stored per task {stored}")
sys.exit(seen != {"undisturbed": (201, 2, 2, [1, 1]), "locked": (201, 2, 0, [0, 0])})
PY
