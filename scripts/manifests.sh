#!/usr/bin/env bash
# Writes the plain manifests into a folder: config/, which is written by hand, and beside it the CRDs and what the chart renders, split into pieces
# for kustomize, without what only Helm needs.
#
#   scripts/manifests.sh [DIR]    default: target/manifests; what an earlier run wrote there is replaced
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-target/manifests}
helm=$(scripts/tools.sh helm)

# rendered VALUES...: the chart's manifests.
rendered() {
  "$helm" template agentcore-operator charts/agentcore-operator --namespace agentcore-system --skip-tests --no-hooks --set crds.enabled=false \
    --set clusterId=unused --set gateway.enabled=true "$@"
}

# split FOLDER PLACES: each manifest of the input goes to the file that the first matching line of PLACES (PATTERN FILE) names for its
# template, or nowhere. The cluster's id is what an overlay gives by AGENTCORE_CLUSTER_ID: the base alone does not start, so that no two
# clusters share an id that nobody chose.
split() {
  awk -v folder="$1" -v places="$2" '
    BEGIN {
      count = split(places, lines, "\n")
      for (i = 1; i <= count; i++) { split(lines[i], part, " "); pattern[i] = part[1]; file[i] = part[2] }
    }
    /^---$/ { next }
    /^# Source: / {
      target = ""
      for (i = 1; i <= count; i++) if (pattern[i] != "" && $3 ~ pattern[i]) { target = file[i]; break }
      if (target == "") next
      target = folder "/" target
      if (!(target in seen)) print "# Written by make manifests from the Helm chart: change that." >target
      seen[target] = 1
      print "---" >target
      next
    }
    target == "" || /^ *helm\.sh\/chart: / || /^ *app\.kubernetes\.io\/managed-by: / { next }
    { sub(/--cluster-id=[^"]*/, "--cluster-id=$(AGENTCORE_CLUSTER_ID)") }
    { print >target }
  '
}

# Nothing but an earlier result is removed, whatever folder is named.
if [[ -e $out && ! -f $out/crd/agentruntimes.yaml ]] && ! rmdir "$out" 2>/dev/null; then
  echo "error: $out has other files than these manifests: name a new or an empty folder" >&2
  exit 1
fi
rm -rf "$out"
mkdir -p "$out"
cp -R config/. "$out/"
cp charts/agentcore-operator/files/crds/*.yaml "$out/crd/"

rendered --set gateway.replicas=2 --set gateway.tls.existingSecret=agentcore-gateway-tls \
  --set gateway.sessionKey.existingSecret=agentcore-gateway-session-key --set gateway.ledger.existingSecret=agentcore-gateway-ledger \
  --set networkPolicy.enabled=true --set serviceMonitor.enabled=true --set serviceMonitor.renderMode=alwaysRender |
  split "$out" '/networkpolicy.yaml$ components/network-policy/policies.yaml
/servicemonitor.yaml$ components/prometheus/servicemonitors.yaml
/admission.yaml$ components/protect-status/policies.yaml
/templates/gateway/ gateway/gateway.yaml
/templates/ base/controller.yaml'

rendered --set gateway.plainHttp=true --set podDisruptionBudget.enabled=false |
  split "$out" '/templates/gateway/ overlays/dev/gateway.yaml'
