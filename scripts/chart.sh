#!/usr/bin/env bash
# Checks the chart as users would render it; without --lint it is packaged, too.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

helm=$(scripts/tools.sh helm)
chart=charts/agentcore-operator
for values in "$chart"/ci/*-values.yaml; do
  run "$helm" lint --strict --quiet "$chart" --values "$values"
  run "$helm" template agentcore-operator "$chart" --namespace agentcore-system --values "$values" >/dev/null
done
if "$helm" template agentcore-operator "$chart" >/dev/null 2>&1; then
  fail "the chart renders without clusterId, which it must require"
fi
if [[ ${1:-} != --lint ]]; then
  mkdir -p target/chart
  run "$helm" package "$chart" --destination target/chart
fi
