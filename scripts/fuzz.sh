#!/usr/bin/env bash
# Runs every fuzz target for AGENTCORE_FUZZ_SECONDS (60), all at the same time. A target is a test in a module named `fuzz`; an input that fails is
# printed and kept in crates/testfuzz/corpus/.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need cargo "install Rust from https://rustup.rs"
export AGENTCORE_FUZZ_SECONDS=${AGENTCORE_FUZZ_SECONDS:-60}
logs=$(mktemp -d)
trap 'stop_all; rm -rf "$logs"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

built=$(cargo test --locked --workspace --lib --bins --no-run 2>&1) || fail "$built"
programs=() pids=()
while read -r program; do
  "$program" --list 2>/dev/null | grep -q 'fuzz::.*: test$' || continue
  programs+=("$program")
  start "$logs/${#pids[@]}" "$program" fuzz:: --test-threads 16 --nocapture
  pids+=("$pid")
done < <(sed -n 's/^ *Executable unittests .*(\(.*\))$/\1/p' <<<"$built")
((${#pids[@]})) || fail "there are no targets"

failed=()
for number in "${!pids[@]}"; do
  wait "${pids[number]}" || failed+=("${programs[number]##*/}")
  grep -v '^$\|^running\|^test ' "$logs/$number" || true
done
((${#failed[@]} == 0)) || fail "inputs that fail were found by ${failed[*]}"
