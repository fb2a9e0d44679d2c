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
