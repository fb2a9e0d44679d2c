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

{{- /* The Secret with the certificate: given, or the one that cert-manager fills; nothing with plainHttp. */ -}}
{{- define "agentcore-operator.gateway.tlsSecret" -}}
{{- with .Values.gateway }}
{{- if .plainHttp }}
{{- else if .tls.certManager.enabled }}{{ include "agentcore-operator.gateway.name" $ }}-tls
{{- else }}{{ .tls.existingSecret }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The Secret with the session key: given, or made by this chart, or nothing. */ -}}
{{- define "agentcore-operator.gateway.sessionKeySecret" -}}
{{- with .Values.gateway.sessionKey }}
{{- if .existingSecret }}{{ .existingSecret }}
{{- else if .create }}{{ include "agentcore-operator.gateway.name" $ }}-session-key
{{- end }}
{{- end }}
{{- end }}

{{- /* Where the gateway may run: its own values, and those of both programs where it has none. */ -}}
{{- define "agentcore-operator.gateway.scheduling" -}}
{{- range list "affinity" "nodeSelector" "tolerations" "priorityClassName" }}
{{- $own := dig . nil $.Values.gateway }}
{{ . }}: {{ ternary (get $.Values .) $own (kindIs "invalid" $own) | toJson }}
{{- end }}
{{- end }}

{{- /* How many replicas there may be at a time; 2 where something else than this chart counts them. */ -}}
{{- define "agentcore-operator.gateway.mostReplicas" -}}
{{- with .Values.gateway }}
{{- if .autoscaling.enabled }}{{ int .autoscaling.maxReplicas }}
{{- else if kindIs "invalid" .replicas }}2
{{- else }}{{ int .replicas }}
{{- end }}
{{- end }}
{{- end }}
