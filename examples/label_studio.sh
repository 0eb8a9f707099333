#!/usr/bin/env bash
# Label Studio on this machine, headless, for trying out and for end-to-end tests.
#
#   examples/label_studio.sh start     install it if needed (1 minute, 1 GB), start it, wait until it answers
#   examples/label_studio.sh stop      stop it
#   examples/label_studio.sh login     address, e-mail, password and access token
#
#   LS_HOME      folder of everything (default ./.label-studio)     LS_PORT     port on 127.0.0.1 (default 8080)
#   LS_VENV      virtual environment with label-studio in it (default $LS_HOME/venv, made when missing)
#   LS_VERSION   release to install (default 1.23.2)                PYTHON      interpreter for the environment
#   LS_TOKEN     legacy token of the user (default: made up once, kept in $LS_HOME/login)
#   LABEL_STUDIO_…   any setting of Label Studio's own wins over the ones below
set -euo pipefail

LS_HOME=$(mkdir -p "${LS_HOME:-.label-studio}/data" && cd "${LS_HOME:-.label-studio}" && pwd)
LS_PORT=${LS_PORT:-8080}
LS_VENV=${LS_VENV:-$LS_HOME/venv}
URL=http://127.0.0.1:$LS_PORT
WAIT_SECONDS=${LS_WAIT_SECONDS:-180}

random() { od -An -N20 -tx1 /dev/urandom | tr -d ' \n'; }

login() {
  if [ ! -s "$LS_HOME/login" ]; then
    (umask 077 && printf 'admin@example.com %s %s\n' "$(random)" "${LS_TOKEN:-$(random)}" >"$LS_HOME/login")
  fi
  read -r EMAIL PASSWORD TOKEN <"$LS_HOME/login"
}

install() {
  [ -x "$LS_VENV/bin/label-studio" ] && return
  echo "installing Label Studio ${LS_VERSION:-1.23.2} into $LS_VENV" >&2
  "${PYTHON:-python3}" -m venv "$LS_VENV"
  "$LS_VENV/bin/pip" install --quiet --disable-pip-version-check "label-studio==${LS_VERSION:-1.23.2}"
}

settings() {
  export LABEL_STUDIO_BASE_DATA_DIR=$LS_HOME/data
  export LABEL_STUDIO_USERNAME=$EMAIL LABEL_STUDIO_PASSWORD=$PASSWORD LABEL_STUDIO_USER_TOKEN=$TOKEN
  export LABEL_STUDIO_HOST=$URL
  export LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK=true
  # Needed while the backend has a private address: one allows the ML backend, the other its webhook.
  export LABEL_STUDIO_ML_BLOCK_LOCAL_IP=${LABEL_STUDIO_ML_BLOCK_LOCAL_IP:-false}
  export LABEL_STUDIO_SSRF_PROTECTION_ENABLED=${LABEL_STUDIO_SSRF_PROTECTION_ENABLED:-false}
  # Only heeded when the database is made.
  export LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=${LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN:-true}
  # Count what was imported, not the whole project after each import (docs/ranking.md).
  export fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short=${fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short:-true}
  # Nothing leaves the machine.
  export LABEL_STUDIO_COLLECT_ANALYTICS=false LABEL_STUDIO_LATEST_VERSION_CHECK=false
  export LABEL_STUDIO_SENTRY_DSN= LABEL_STUDIO_FRONTEND_SENTRY_DSN=
  export LABEL_STUDIO_DEBUG=false LABEL_STUDIO_LOG_LEVEL=${LABEL_STUDIO_LOG_LEVEL:-WARNING}
}

answers() { curl -fsS --noproxy '*' -m 2 "$URL/health" >/dev/null 2>&1; }
runs() { [ -s "$LS_HOME/pid" ] && kill -0 "$(cat "$LS_HOME/pid")" 2>/dev/null; }

start() {
  if runs; then echo "already running, process $(cat "$LS_HOME/pid")"; return; fi
  # Label Studio would silently take the next free port.
  if (exec 3<>"/dev/tcp/127.0.0.1/$LS_PORT") 2>/dev/null; then echo "port $LS_PORT is in use" >&2; exit 1; fi
  install
  settings
  setsid nohup "$LS_VENV/bin/label-studio" start --no-browser --internal-host 127.0.0.1 --port "$LS_PORT" \
    >"$LS_HOME/log" 2>&1 </dev/null &
  echo $! >"$LS_HOME/pid"
  for _ in $(seq $((WAIT_SECONDS * 2))); do
    answers && { echo "Label Studio answers on $URL"; return; }
    runs || { echo "Label Studio ended:" >&2; tail -n 20 "$LS_HOME/log" >&2; exit 1; }
    sleep 0.5
  done
  echo "Label Studio did not answer within $WAIT_SECONDS s, see $LS_HOME/log" >&2
  stop
  exit 1
}

stop() {
  runs || return 0
  kill "$(cat "$LS_HOME/pid")"
  for _ in $(seq 40); do runs || break; sleep 0.25; done
  if runs; then kill -9 "$(cat "$LS_HOME/pid")"; fi
  rm -f "$LS_HOME/pid"
}

login
case "${1:-}" in
  start) start ;;
  stop) stop ;;
  login) printf 'url %s\nemail %s\npassword %s\ntoken %s\n' "$URL" "$EMAIL" "$PASSWORD" "$TOKEN" ;;
  *) sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "$0"; exit 2 ;;
esac
