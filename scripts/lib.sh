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

missing=()
# want PROGRAM HINT: notes a program that is not there, and how to get it, for `all_there`.
want() { command -v "$1" >/dev/null || missing+=("$1: $2"); }

# want_room GB: notes, for `all_there`, that the disk has no room for what a target folder of that size still lacks. The compiler's own message of a full
# disk names neither disk nor size. A machine that cannot say has room.
want_room() {
  local folder=${CARGO_TARGET_DIR:-target} built free
  [[ -d $folder ]] || folder=.
  built=$(du -sk "$folder" 2>/dev/null) || return 0
  built=${built%%[!0-9]*}
  free=$(df -Pk "$folder" 2>/dev/null | awk 'NR == 2 { print $4 }' 2>/dev/null) || return 0
  ((built + free >= $1 * 1000000)) ||
    missing+=("$1 GB of disk: $((built / 1000000)) GB are built in $folder and $((free / 1000000)) GB are free")
}

# all_there: ends the script with everything that is missing in one message.
all_there() { ((${#missing[@]} == 0)) || fail "$(printf '%s\n' "these are needed and were not found" "${missing[@]/#/  }")"; }

# install_packages PROGRAM:PACKAGE...: as root on Debian, installs the packages of the programs that are not there. What cannot be installed is left to
# the caller to miss.
install_packages() {
  local pair packages=()
  for pair; do command -v "${pair%%:*}" >/dev/null || packages+=("${pair#*:}"); done
  if ((${#packages[@]})) && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    step "install ${packages[*]}"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${packages[@]}"; } >/dev/null ||
      note "not all of them can be installed from here"
  fi
}

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

# beside COMMAND...: runs the command beside what follows, its output among ours; sets `pid`.
beside() {
  set -m
  "$@" </dev/null &
  pid=$!
  set +m
  started+=("$pid")
}

# joined PID: waits for a command that runs beside, and for nothing that it left behind.
joined() {
  local status=0
  wait "$1" || status=$?
  kill -KILL -- "-$1" 2>/dev/null || true
  return "$status"
}

# attached COMMAND...: runs the command with our output and waits for it; a signal to this script ends it, too.
attached() {
  beside "$@"
  joined "$pid"
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

# ---- builds --------------------------------------------------------------------------------------------------------

# What build_programs builds, in cargo's words, beside the test cluster's program.
programs=(--bins)

# build_programs FOLDER [TOOL...]: `programs`, which cargo puts into FOLDER. --workspace gives them the features that the tests want, however few they are, so
# that nothing is built twice. Beside them Kubernetes and these of scripts/tools.sh, with Go.
build_programs() {
  local go
  run attached cargo build --locked --workspace --bin testcluster || fail "the test cluster's program was not built"
  beside build_with_go "$@"
  go=$pid
  run attached cargo build --locked --workspace "${programs[@]}" || fail "the build failed"
  joined "$go" || fail "there is no Kubernetes to run, or a tool is missing"
}

build_with_go() {
  local tool
  run "$1/testcluster" programs
  for tool in "${@:2}"; do scripts/tools.sh "$tool"; done
}
