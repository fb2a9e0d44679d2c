# Shared by the scripts of this folder: messages, and processes that never outlive the script that started them.
# shellcheck shell=bash

# Proxies are for the world outside; everything here talks to 127.0.0.1.
no_proxy_for_loopback() {
  local loopback=127.0.0.1,localhost,::1
  export NO_PROXY="$loopback${NO_PROXY:+,$NO_PROXY}"
  export no_proxy="$NO_PROXY"
}

if [[ -t 1 && -z ${NO_COLOR:-} ]]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' dim='' red='' plain=''
fi

step() { printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"; }
note() { printf '%s    %s%s\n' "$dim" "$*" "$plain"; }
fail() {
  printf '%serror: %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}

# need PROGRAM HINT: ends the script with the hint when the program is missing.
need() { command -v "$1" >/dev/null || fail "$1 is needed and was not found: $2"; }

# Shows a command as it can be copied, then runs it. `run attached ...` is for those that take long.
run() {
  local command=("$@")
  [[ $1 != attached ]] || command=("${@:2}")
  printf '%s$ %s%s\n' "$bold" "$(shown "${command[@]}")" "$plain"
  "$@"
}

# A command line with quotes only where they are needed.
shown() {
  local word line=''
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=,@%+-]+$ ]]; then line+=" $word"; else line+=" '${word//\'/\'\\\'\'}'"; fi
  done
  printf '%s' "${line# }"
}

# ---- processes -----------------------------------------------------------------------------------------------------
# Each one gets a process group of its own, so that what it starts itself ends with it.

started=()

# start LOG COMMAND...: runs the command in the background, its output in LOG; sets `pid`.
start() {
  local log=$1
  shift
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  set +m
  started+=("$pid")
}

# attached COMMAND...: runs the command with our output and waits for it; a signal to this script ends it, too.
attached() {
  local status=0
  set -m
  "$@" </dev/null &
  pid=$!
  set +m
  started+=("$pid")
  wait "$pid" || status=$?
  kill -KILL -- "-$pid" 2>/dev/null || true
  return "$status"
}

# stop PID [SECONDS]: asks the process group to end, and ends it by force after SECONDS (default 30); sets `stopped` to its status.
stop() {
  local pid=$1 left=$((${2:-30} * 10))
  kill -TERM -- "-$pid" 2>/dev/null || true
  while kill -0 -- "-$pid" 2>/dev/null && ((left-- > 0)); do sleep 0.1; done
  kill -KILL -- "-$pid" 2>/dev/null || true
  stopped=0
  # shellcheck disable=SC2034 # for the caller
  wait "$pid" 2>/dev/null || stopped=$?
}

# stop_all: the last one started ends first.
stop_all() {
  local index
  for ((index = ${#started[@]} - 1; index >= 0; index--)); do stop "${started[index]}"; done
  started=()
}
