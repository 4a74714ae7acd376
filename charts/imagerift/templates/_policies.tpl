{{- define "imagerift.policyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "imagerift.metadata" (dict "root" .root "name" (printf "imagerift-%s" .component) "component" .component) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "imagerift.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}

{{- /* One peer: the pods of a component of this release. */}}
{{- define "imagerift.pod" -}}
- podSelector:
    matchLabels:
      {{- include "imagerift.selector" . | nindent 6 }}
{{- end }}

{{- define "imagerift.dnsRule" -}}
- to:
    {{- toYaml .Values.networkPolicies.dns | nindent 4 }}
  ports:
    - port: 53
      protocol: UDP
    - port: 53
      protocol: TCP
{{- end }}

{{- define "imagerift.mongoRule" -}}
- to:
    {{- if .Values.mongodb.bundled.enabled }}
    {{- include "imagerift.pod" (dict "root" . "component" "mongodb") | nindent 4 }}
    {{- else }}
    {{- toYaml .Values.networkPolicies.mongodb | nindent 4 }}
    {{- end }}
  ports:
    - port: {{ ternary 27017 .Values.networkPolicies.mongodbPort .Values.mongodb.bundled.enabled }}
{{- end }}

{{- define "imagerift.s3Rule" -}}
- to:
    {{- if .Values.s3.bundled.enabled }}
    {{- include "imagerift.pod" (dict "root" . "component" "s3") | nindent 4 }}
    {{- else }}
    {{- toYaml .Values.networkPolicies.s3 | nindent 4 }}
    {{- end }}
  ports:
    - port: {{ if .Values.s3.bundled.enabled }}8333{{ else }}{{ include "imagerift.portOf" (include "imagerift.s3InternalUrl" .) }}{{ end }}
{{- end }}

{{- define "imagerift.kubernetesRule" -}}
- ports:
    - port: 443
    - port: 6443
  {{- with .Values.networkPolicies.kubernetesApi }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "imagerift.tracingRule" -}}
{{- with .Values.tracing.endpoint }}
- to:
    {{- toYaml $.Values.networkPolicies.tracing | nindent 4 }}
  ports:
    - port: {{ include "imagerift.portOf" . }}
{{- end }}
{{- end }}

{{- define "imagerift.metricsRule" -}}
{{- with .root.Values.networkPolicies.metrics }}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - port: {{ $.port }}
{{- end }}
{{- end }}

{{- /* Model servers: the operator's own pods, whatever their pool. */}}
{{- define "imagerift.serverLabels" -}}
app.kubernetes.io/name: triton
app.kubernetes.io/managed-by: imagerift-operator
{{- end }}

{{- define "imagerift.servers" -}}
- podSelector:
    matchLabels:
      {{- include "imagerift.serverLabels" . | nindent 6 }}
{{- end }}

{{- /* Job pods of this shard. */}}
{{- define "imagerift.runnerLabels" -}}
app.kubernetes.io/name: imagerift-runner
imagerift.dev/shard: {{ .Release.Namespace }}
{{- end }}
