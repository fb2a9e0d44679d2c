#!/usr/bin/env bash
# Checks that need no test to run. All of them run; the first failure does not hide the others.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

want cargo "install Rust from https://rustup.rs"
want_room 2 # 1.5 GB, measured in a fresh clone
all_there
failed=()

check() {
  local title=$1 begun=$SECONDS
  shift
  step "$title"
  printf '$ %s\n' "$(shown "$@")"
  if "$@"; then note "$((SECONDS - begun)) s"; else failed+=("$title"); fi
}

documentation() { RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --no-deps --keep-going; }

scripts_are_sound() {
  local shellcheck
  shellcheck=$(scripts/tools.sh shellcheck) && "$shellcheck" -x scripts/*.sh .ci/run
}

# actionlint finds shellcheck by PATH and looks into the scripts of the steps with it.
workflows_are_sound() {
  local shellcheck actionlint
  shellcheck=$(scripts/tools.sh shellcheck) && actionlint=$(scripts/tools.sh actionlint) &&
    PATH=${shellcheck%/*}:$PATH "$actionlint" .github/workflows/*.yaml
}

images_are_sound() {
  local hadolint
  hadolint=$(scripts/tools.sh hadolint) && "$hadolint" Dockerfile agent-image/Dockerfile
}

dependencies() {
  local deny
  deny=$(scripts/tools.sh cargo-deny) || return 1
  "$deny" --locked check bans licenses sources || return 1
  # The advisories are a Git repository, which cannot be reached without access to GitHub.
  if "$deny" fetch db >/dev/null 2>&1; then
    "$deny" --locked check --disable-fetch advisories
  else
    note "advisories NOT checked: the RustSec database cannot be reached from here"
  fi
}

check "format" cargo fmt --all --check
check "clippy" cargo clippy --locked --workspace --all-targets --keep-going -- -D warnings
check "documentation" documentation
check "dependencies" dependencies
check "scripts" scripts_are_sound
check "workflows" workflows_are_sound
check "images" images_are_sound
check "chart" scripts/chart.sh --lint
check "generated files" scripts/verify.sh
check "book" scripts/docs.sh

if ((${#failed[@]})); then
  printf '\n' >&2
  for title in "${failed[@]}"; do printf 'failed: %s\n' "$title" >&2; done
  exit 1
fi
step "no findings in $SECONDS s"
