{{- define "agentcore-operator.name" -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "agentcore-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: controller
{{- end }}

{{- define "agentcore-operator.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "agentcore-operator.serviceAccount" -}}
{{- if .Values.serviceAccount.name }}{{ .Values.serviceAccount.name }}
{{- else if .Values.serviceAccount.create }}{{ include "agentcore-operator.name" . }}
{{- else }}default
{{- end }}
{{- end }}

{{- define "agentcore-operator.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* What the operator does with its own objects and nothing more: specs are read, finalizers and status are patched. */ -}}
{{- define "agentcore-operator.rules" -}}
- apiGroups: [agentcore.dev]
  resources: [agentruntimes, agentendpoints, agentsessions]
  verbs: [get, list, watch, patch] # patch: the finalizer
- apiGroups: [agentcore.dev]
  resources: [agentruntimes/status, agentendpoints/status, agentsessions/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [get, list, watch, create, delete] # the history of AgentRuntimes
{{- end }}

{{- define "agentcore-operator.gateway.name" -}}
{{ include "agentcore-operator.name" . }}-gateway
{{- end }}

{{- define "agentcore-operator.gateway.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: gateway
{{- end }}

{{- define "agentcore-operator.gateway.serviceAccount" -}}
{{- with .Values.gateway.serviceAccount -}}
{{- if .name }}{{ .name }}
{{- else if .create }}{{ include "agentcore-operator.gateway.name" $ }}
{{- else }}default
{{- end }}
{{- end }}
{{- end }}

{{- /* The gateway finds agents by these and writes nothing to them. */ -}}
{{- define "agentcore-operator.gateway.rules" -}}
- apiGroups: [agentcore.dev]
  resources: [agentruntimes, agentendpoints, agentsessions]
  verbs: [get, list, watch]
{{- end }}
