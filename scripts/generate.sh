#!/usr/bin/env bash
# Writes the generated files below the given folder: the chart's CRDs, which crds/ links to; Argo CD's settings; the API reference.
#
#   scripts/generate.sh DIR
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:?the folder to write to}
crds=$out/charts/agentcore-operator/files/crds
mkdir -p "$crds"

cargo run --quiet --locked -p agentcore-api --example crdgen -- "$crds"
cargo run --quiet --locked -p agentcore-delivery -- argo-cd "$out"
cargo run --quiet --locked -p agentcore-delivery -- reference "$out"
