#!/usr/bin/env bash
# Shows whether what is pinned by digest or commit still is what its tag names: base images, and the actions of the workflows.
# It changes nothing. Needs docker with buildx, and git, and the network.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

need docker "install Docker with buildx (Debian: apt-get install docker.io docker-buildx)"
need git "install git"
moved=0

# compare WHAT PINNED NOW
compare() {
  if [[ $2 == "$3" ]]; then
    note "$1: as pinned"
  else
    printf '%s: pinned %s, now %s\n' "$1" "$2" "${3:-unknown}"
    moved=1
  fi
}

step "base images"
while IFS=@ read -r image digest; do
  now=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}') || now=
  compare "$image" "$digest" "$now"
done < <(sed -n 's/^ARG RUST_IMAGE=//p' Dockerfile agent-image/Dockerfile | sort -u)

step "actions"
while read -r action commit tag; do
  # An annotated tag names its commit in a line of its own, which comes last.
  now=$(git ls-remote "https://github.com/$action" "refs/tags/$tag" "refs/tags/$tag^{}" | awk 'END { print $1 }') || now=
  compare "$action $tag" "$commit" "$now"
done < <(sed -nE 's/.*uses: ([^@./][^@]*)@([0-9a-f]{40}) # (.*)$/\1 \2 \3/p' .github/workflows/*.yaml | sort -u)

((moved == 0)) || fail "pins are not what their tags name: look at what has changed, then change the pins"
