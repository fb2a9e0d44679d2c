{{- define "agentcore-operator.name" -}}
{{- if .Values.fullnameOverride }}{{ .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else }}{{ ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- /* Selectors of Deployments cannot be changed: these three labels stay as they are for ever. */ -}}
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
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Labels of pods beside those that select them: podLabels win over commonLabels. */ -}}
{{- define "agentcore-operator.podLabels" -}}
{{- with merge (dict) (.Values.podLabels | default dict) (.Values.commonLabels | default dict) }}
{{- toYaml . }}
{{- end }}
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

{{- /* What every pod must be for the Pod Security Standard `restricted`. */ -}}
{{- define "agentcore-operator.podSecurityContext" -}}
runAsNonRoot: true
{{- $adapt := dig "compatibility" "openshift" "adaptSecurityContext" .Values.adaptSecurityContext (.Values.global | default dict) }}
{{- if not (or (eq $adapt "force") (and (eq $adapt "auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1"))) }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532 # Secrets, and the token of the ServiceAccount for AWS, must be readable
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "agentcore-operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- /* On several nodes, and in several zones where there are some; the argument is the selector. */ -}}
{{- define "agentcore-operator.topologySpread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- $ | nindent 6 }}
{{- end }}
{{- end }}

{{- /* Where pods may run; the argument has the four values. */ -}}
{{- define "agentcore-operator.scheduling" -}}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* Whether ServiceMonitors are to be rendered: "true", or nothing. */ -}}
{{- define "agentcore-operator.serviceMonitor" -}}
{{- with .Values.serviceMonitor }}
{{- if .enabled }}
{{- $served := $.Capabilities.APIVersions.Has "monitoring.coreos.com/v1" }}
{{- if and (eq .renderMode "failIfMissing") (not $served) }}
{{- fail "serviceMonitor.renderMode is failIfMissing, and the cluster has no monitoring.coreos.com/v1: install Prometheus Operator, or choose alwaysRender where the cluster cannot be asked (helm template)" }}
{{- end }}
{{- if or $served (eq .renderMode "alwaysRender") }}true{{ end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "agentcore-operator.test.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: test
{{- end }}
