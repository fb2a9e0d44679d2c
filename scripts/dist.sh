#!/usr/bin/env bash
# Builds the programs that people install without an image, into target/dist/: kubectl-agentcore and agentcore-sim, an archive for each
# target, and a file of checksums.
#
#   scripts/dist.sh TARGET...      such as x86_64-unknown-linux-musl aarch64-apple-darwin
#
# Targets of Linux are linked by zig (image-tools.txt beside this); those of macOS need a Mac.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

(($# > 0)) || fail "usage: scripts/dist.sh TARGET..."
need cargo "install Rust from https://rustup.rs"
dist=$PWD/target/dist
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
mkdir -p "$dist"

for target; do
  build=(cargo build)
  if [[ $target == *-linux-musl ]]; then
    need cargo-zigbuild "pip install --no-deps --require-hashes --requirement scripts/image-tools.txt"
    build=(cargo zigbuild)
  fi
  run "${build[@]}" --locked --release --target "$target" --package agentcore-cli --package agentcore-sim
  name=agentcore-$version-$target
  folder=$(mktemp -d)
  mkdir "$folder/$name"
  cp LICENSE "${CARGO_TARGET_DIR:-target}/$target/release/"{kubectl-agentcore,agentcore-sim} "$folder/$name/"
  run tar --create --gzip --file "$dist/$name.tar.gz" --directory "$folder" "$name"
  rm -rf "$folder"
done
(cd "$dist" && if command -v sha256sum >/dev/null; then sha256sum ./*.tar.gz; else shasum -a 256 ./*.tar.gz; fi) | sed 's, \./, ,' >"$dist/checksums.txt"
cat "$dist/checksums.txt"
