#!/usr/bin/env bash
# Everything that proves the product, from a fresh clone: builds, warms what the tests share, runs the tests, runs the demo once.
#
# Needs Rust with a C compiler, Go, Python 3 and curl; what else it needs it gets itself (scripts/setup.sh). Kubernetes is downloaded or built the first
# time, beside the Rust build.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/setup.sh
. scripts/setup.sh
no_proxy_for_loopback

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
target=${CARGO_TARGET_DIR:-$PWD/target}/debug

# The tests start programs of other packages, which cargo does not build for them.
step "build the programs, and beside them Kubernetes and ${go_tools[*]}"
build_programs "$target" "${go_tools[@]}"
note "programs: $((SECONDS - begun)) s"
for tool in "${go_tools[@]}"; do export "AGENTCORE_TEST_${tool^^}=$(scripts/tools.sh "$tool")"; done
timed "build the tests" cargo test --locked --workspace --no-run
timed "run the tests" cargo test --locked --workspace --no-fail-fast
timed "run the demo once" env ONCE=1 scripts/demo.sh

step "all tests passed in $((SECONDS - begun)) s"
