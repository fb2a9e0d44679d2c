#!/usr/bin/env bash
# Fails if a generated file differs from what `make generate` would write now.
set -euo pipefail
cd "$(dirname "$0")/.."

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
scripts/generate.sh "$fresh"

status=0
for written in charts/agentcore-operator/files/crds gitops/argo-cd/argocd-cm.yaml docs/reference; do
  diff --recursive --unified "$written" "$fresh/$written" || status=1
done
if ((status)); then
  echo "error: generated files are out of date: run 'make generate' and commit the result" >&2
  exit 1
fi
echo "generated files are up to date"
