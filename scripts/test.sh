#!/usr/bin/env bash
# Everything that proves the product, from a fresh clone: builds, warms what the tests share, runs the tests, runs the demo once.
#
# Needs Rust with a C compiler, Go, Python 3 with pip, curl, redis-server, promtool, and the package registries of Rust, Go and Python.
# helm, kubeconform and the programs of Kubernetes are installed into the user's cache, the latter in about four minutes the first time.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh
no_proxy_for_loopback

need cargo "install Rust from https://rustup.rs"
need cc "install a C compiler (Debian: apt-get install build-essential)"
need go "install Go from https://go.dev/dl"
need python3 "install Python 3"
need curl "install curl (Debian: apt-get install curl)"
# install_package PROGRAM PACKAGE: where nobody can be asked, and Debian's packages are at hand, it is installed.
install_package() {
  if [[ -n ${CI:-} && $(id -u) == 0 ]] && ! command -v "$1" >/dev/null && command -v apt-get >/dev/null; then
    step "install $1"
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$2"; } >/dev/null ||
      note "it cannot be installed from here"
  fi
}
install_package redis-server redis-server
need redis-server "install Redis (Debian: apt-get install redis-server)"
if [[ -z ${AGENTCORE_TEST_PROMTOOL:-} ]]; then
  install_package promtool prometheus
  need promtool "install promtool (Debian: apt-get install prometheus), or name it in AGENTCORE_TEST_PROMTOOL"
fi

trap 'stop_all' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# timed TITLE COMMAND...: one step, with how long it took.
timed() {
  local title=$1 begun=$SECONDS
  shift
  step "$title"
  printf '$ %s\n' "$(shown "$@")"
  attached "$@" || fail "$title: failed after $((SECONDS - begun)) s"
  note "$title: $((SECONDS - begun)) s"
}

begun=$SECONDS
target=${CARGO_TARGET_DIR:-target}

# The tests start programs of other packages, which cargo does not build for them.
timed "build the programs" cargo build --locked --workspace --bins
timed "find or build Kubernetes" "$target/debug/testcluster" programs
step "find or build helm"
AGENTCORE_TEST_HELM=$(scripts/tools.sh helm)
export AGENTCORE_TEST_HELM
note "$AGENTCORE_TEST_HELM"
timed "build the tests" cargo test --locked --workspace --no-run
timed "run the tests" cargo test --locked --workspace --no-fail-fast
timed "run the demo once" env ONCE=1 scripts/demo.sh

step "all tests passed in $((SECONDS - begun)) s"
