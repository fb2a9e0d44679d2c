#!/usr/bin/env bash
# Shows the version, which is the same everywhere: of the programs (Cargo.toml), of the chart, and of the images that chart, manifests and guide name.
# Fails where one differs, and when the given tag is not that version's.
#
#   scripts/version.sh [vX.Y.Z]
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

version=$(sed -n '/^\[workspace\.package\]/,/^\[/ s/^version = "\(.*\)"$/\1/p' Cargo.toml)
[[ -n $version ]] || fail "Cargo.toml has no version in [workspace.package]"
differ=0

# same FILE EXPRESSION: what sed finds by the expression, once or several times, must be the version.
same() {
  local found
  found=$(sed -n "$2" "$1" | sort --unique | paste --serial --delimiters=' ')
  [[ $found == "$version" ]] && return
  printf '%s has %s, Cargo.toml has %s\n' "$1" "${found:-no version}" "$version" >&2
  differ=1
}

chart=charts/agentcore-operator/Chart.yaml
same "$chart" 's/^version: //p'
same "$chart" 's/^appVersion: //p'
same "$chart" 's/^ *image: .*agentcore-operator:\([0-9].*\)$/\1/p'
same config/overlays/dev/sim.yaml 's/^ *image: .*agentcore-sim:\([0-9].*\)$/\1/p'
same config/overlays/prod/kustomization.yaml 's/^ *newTag: \([^ ]*\).*$/\1/p'
same docs/install.md 's/^kind load .*agentcore-operator:\([^ ]*\) .*agentcore-sim:\1$/\1/p'
((differ == 0)) || fail "the versions differ: make them one, then make generate"

tag=${1:-v$version}
[[ $tag == "v$version" ]] || fail "the tag is $tag, and the version $version: tag v$version, or change the version first"
echo "$version"
