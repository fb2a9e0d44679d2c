{{- /* The port that an address names, else the one of its scheme: a list of (URL, port). */ -}}
{{- define "agentcore-operator.portOf" -}}
{{- $host := (urlParse (index . 0)).host }}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" }}
{{- $port | default (index . 1) }}
{{- end }}

{{- /* /metrics, /readyz and /healthz: for whom values name, else for everybody; and for `helm test`. */ -}}
{{- define "agentcore-operator.networkPolicy.admin" -}}
- ports:
    - protocol: TCP
      port: admin
  {{- with .Values.networkPolicy.metricsFrom }}
  from:
    {{- toYaml . | nindent 4 }}
    - podSelector:
        matchLabels:
          {{- include "agentcore-operator.test.labels" $ | nindent 10 }}
  {{- end }}
{{- end }}

{{- define "agentcore-operator.networkPolicy.egress" -}}
# Names.
- ports:
    - protocol: UDP
      port: 53
    - protocol: TCP
      port: 53
# The API server, behind whatever port it has: policies see the address behind its Service.
- ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - protocol: TCP
      port: {{ . }}
    {{- end }}
  {{- with .Values.networkPolicy.apiServer.cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
# AWS.
- ports:
    - protocol: TCP
      port: 443
  {{- with .Values.networkPolicy.aws.cidrs }}
  to:
    {{- range . }}
    - ipBlock:
        cidr: {{ . }}
    {{- end }}
  {{- end }}
# The agent of EKS Pod Identity, on each node.
- ports:
    - protocol: TCP
      port: 80
  to:
    - ipBlock:
        cidr: 169.254.170.23/32
    - ipBlock:
        cidr: fd00:ec2::23/128
{{- with .Values.endpointUrl }}
# endpointUrl.
- ports:
    - protocol: TCP
      port: {{ include "agentcore-operator.portOf" (list . (ternary "443" "80" (hasPrefix "https:" .))) }}
{{- end }}
{{- end }}
