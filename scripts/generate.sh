#!/usr/bin/env bash
# Writes the generated files below the given folder: crds/*.yaml, and the same in the chart, where they can be turned off; the chart's
# dashboards; Argo CD's settings; the API reference; the plain manifests below config/.
#
#   scripts/generate.sh DIR
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:?the folder to write to}
templates=$out/charts/agentcore-operator/templates/crds
mkdir -p "$out/crds" "$templates"

cargo run --quiet --locked -p agentcore-api --example crdgen -- "$out/crds"

for crd in "$out"/crds/*.yaml; do
  if grep -q '{{' "$crd"; then
    echo "error: $crd has {{, which Helm would read as a template" >&2
    exit 1
  fi
  {
    echo '{{- if .Values.crds.enabled }}'
    awk '
      { print }
      /^metadata:$/ {
        print "  labels:"
        print "    {{- include \"agentcore-operator.labels\" . | nindent 4 }}"
        print "  {{- if .Values.crds.keep }}"
        print "  annotations:"
        print "    helm.sh/resource-policy: keep"
        print "  {{- end }}"
      }
    ' "$crd"
    echo '{{- end }}'
  } >"$templates/${crd##*/}"
done

cargo run --quiet --locked -p agentcore-delivery -- dashboards "$out"
cargo run --quiet --locked -p agentcore-delivery -- argo-cd "$out"
cargo run --quiet --locked -p agentcore-delivery -- reference "$out"
scripts/manifests.sh "$out"
