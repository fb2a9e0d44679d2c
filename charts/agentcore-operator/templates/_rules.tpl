{{- /* What the operator does with its own objects and nothing more. These parts make up its roles. */ -}}

{{- define "agentcore-operator.rules.read" -}}
- apiGroups: [agentcore.dev]
  resources: [agentruntimes, agentendpoints, agentsessions]
  verbs: [get, list, watch]
{{- end }}

{{- /*
Of the whole cluster even with watchNamespaces. A namespace that is deleted loses its Roles and RoleBindings at once, while its AgentRuntimes
stay until the operator has emptied AWS and taken its finalizer away: with rights in that namespace alone it could never do that, and the
namespace would be Terminating for ever. RBAC knows no finer verb: metadata.finalizers is changed by a patch of the object itself.
*/ -}}
{{- define "agentcore-operator.rules.finish" -}}
- apiGroups: [agentcore.dev]
  resources: [agentruntimes, agentendpoints, agentsessions]
  verbs: [patch] # the finalizer; a spec is never written
- apiGroups: [agentcore.dev]
  resources: [agentruntimes/status, agentendpoints/status, agentsessions/status]
  verbs: [patch]
# Nothing is served under these names. The admission plugin OwnerReferencesPermissionEnforcement, which OpenShift has on, asks for this
# right of whoever makes an object that blocks the deletion of its owner.
- apiGroups: [agentcore.dev]
  resources: [agentruntimes/finalizers, agentendpoints/finalizers, agentsessions/finalizers]
  verbs: [update]
{{- end }}

{{- /* Who may use what is decided for the whole cluster, whichever namespaces are watched; of namespaces only names and labels are read. */ -}}
{{- define "agentcore-operator.rules.grants" -}}
- apiGroups: [agentcore.dev]
  resources: [agentgrants]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  resourceNames: [kube-system] # its UID tells this cluster from another one of the same id
  verbs: [get]
{{- end }}

{{- define "agentcore-operator.rules.write" -}}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, delete] # the history of AgentRuntimes
{{- end }}

{{- /* The gateway finds agents by these and writes nothing to them. */ -}}
{{- define "agentcore-operator.gateway.rules" -}}
{{ include "agentcore-operator.rules.read" . }}
{{- end }}
