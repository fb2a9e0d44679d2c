#!/usr/bin/env bash
# kustomize v5.8.0: `namespace:` is written into ValidatingAdmissionPolicies and their bindings, which have none.
#
# Expected: objects of cluster scope stay without a namespace, as ClusterRoles, PriorityClasses and ValidatingWebhookConfigurations do.
# Seen: kustomize knows scopes from a schema of Kubernetes 1.21 that is built in. Kinds that came later count as namespaced, also those of
# Kubernetes itself. Whoever sets `namespace:` for a bundle with such a policy gets manifests that name a namespace where there is none.
# Way around: leave these kinds out of the kustomization that sets the namespace.
#
# Needs Go. Fails if the behaviour has changed.
set -euo pipefail

version=v5.8.0
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder" && rm -rf "$folder"' EXIT

GOBIN=$folder/bin go install "sigs.k8s.io/kustomize/kustomize/v5@$version"

cat >"$folder/objects.yaml" <<'YAML'
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: example}
spec: {validations: [{expression: "true"}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: example}
spec: {policyName: example, validationActions: [Deny]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: example}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: example}
---
apiVersion: scheduling.k8s.io/v1
kind: PriorityClass
metadata: {name: example}
value: 1
YAML
printf 'namespace: team-a\nresources: [objects.yaml]\n' >"$folder/kustomization.yaml"

# Kind and namespace of each object, one a line.
seen=$("$folder/bin/kustomize" build "$folder" | awk '
  /^kind:/ { kind = $2 }
  /^  namespace:/ { namespace = $2 }
  /^---/ { print kind, namespace; namespace = "" }
  END { print kind, namespace }
' | sed 's/ *$//' | sort)
expected='ClusterRole
PriorityClass
ValidatingAdmissionPolicy team-a
ValidatingAdmissionPolicyBinding team-a
ValidatingWebhookConfiguration'

printf 'kustomize %s gives these kinds a namespace:\n%s\n' "$version" "$seen"
if [[ $seen != "$expected" ]]; then
  echo "the behaviour has changed" >&2
  exit 1
fi
