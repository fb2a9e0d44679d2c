#!/usr/bin/env bash
# Fails if a generated file differs from what `make generate` would write now.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
scripts/generate.sh "$fresh"

status=0
for written in crds charts/agentcore-operator/templates/crds charts/agentcore-operator/dashboards gitops/argo-cd/argocd-cm.yaml docs/reference; do
  diff --recursive --unified "$written" "$fresh/$written" || status=1
done
# Beside files that are written by hand; one that is not written any more still says in its first line that it was.
while IFS= read -r -d '' file; do
  diff --unified "${file#"$fresh/"}" "$file" || status=1
done < <(find "$fresh/config" -type f -print0)
while IFS= read -r file; do
  [[ -f $fresh/$file ]] || { echo "only in the repository: $file" && status=1; }
done < <(find config/crd -name 'agent*.yaml'; grep --recursive --files-with-matches '^# Written by make generate' config)
if ((status)); then
  echo "error: generated files are out of date: run 'make generate' and commit the result" >&2
  exit 1
fi
echo "generated files are up to date"
