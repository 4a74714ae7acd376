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
    {{- range .Values.networkPolicies.dnsPorts }}
    - port: {{ . }}
      protocol: UDP
    - port: {{ . }}
      protocol: TCP
    {{- end }}
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
    {{- if .Values.s3.bundled.enabled }}
    - port: 8333
    {{- else }}
    - port: {{ .Values.networkPolicies.s3Port | default (include "imagerift.portOf" .Values.s3.internalUrl) }}
    {{- end }}
{{- end }}

{{- define "imagerift.tracingRule" -}}
{{- with .Values.tracing.endpoint }}
- to:
    {{- toYaml $.Values.networkPolicies.tracing | nindent 4 }}
  ports:
    - port: {{ $.Values.networkPolicies.tracingPort | default (include "imagerift.portOf" .) }}
{{- end }}
{{- end }}

{{- /* The issuer of sign-ins, where it is inside. */}}
{{- define "imagerift.oidcRule" -}}
{{- with .Values.api.oidc.issuer }}
{{- if $.Values.networkPolicies.oidc }}
- to:
    {{- toYaml $.Values.networkPolicies.oidc | nindent 4 }}
  ports:
    - port: {{ $.Values.networkPolicies.oidcPort | default (include "imagerift.portOf" .) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The token service, and the agent of EKS Pod Identity on each node. */}}
{{- define "imagerift.identityRule" -}}
{{- if .Values.s3.workloadIdentity }}
- to:
    - ipBlock:
        cidr: 169.254.170.23/32
    - ipBlock:
        cidr: fd00:ec2::23/128
  ports:
    - port: 80
- ports:
    - port: {{ .Values.networkPolicies.identityPort }}
  {{- with .Values.networkPolicies.identity }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- /* The proxy that a component's variables name: (dict "root" $ "env" .Values.api.env) */}}
{{- define "imagerift.proxyRule" -}}
{{- $proxies := include "imagerift.proxies" .env | fromYaml }}
{{- if $proxies }}
{{- $ports := list }}
{{- range $proxies }}{{ $ports = append $ports (include "imagerift.portOf" .) }}{{ end }}
{{- with .root.Values.networkPolicies.proxyPort }}{{ $ports = list . }}{{ end }}
- to:
    {{- toYaml .root.Values.networkPolicies.proxy | nindent 4 }}
  ports:
    {{- range uniq $ports }}
    - port: {{ . }}
    {{- end }}
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

{{- /* Pods that download weights. */}}
{{- define "imagerift.weightsLabels" -}}
app.kubernetes.io/name: imagerift-weights
app.kubernetes.io/managed-by: imagerift-operator
{{- end }}

{{- /* Their rules. The operator asks them how far they are. */}}
{{- define "imagerift.weightsRules" -}}
policyTypes: [Ingress, Egress]
ingress:
  - from:
      - namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: {{ .Release.Namespace }}
        podSelector:
          matchLabels:
            {{- include "imagerift.selector" (dict "root" . "component" "operator") | nindent 12 }}
    ports:
      - port: 8080
egress:
  {{- include "imagerift.dnsRule" . | nindent 2 }}
  {{- if .Values.s3.bundled.enabled }}
  - to:
      - namespaceSelector:
          matchLabels:
            kubernetes.io/metadata.name: {{ .Release.Namespace }}
        podSelector:
          matchLabels:
            {{- include "imagerift.selector" (dict "root" . "component" "s3") | nindent 12 }}
    ports:
      - port: 8333
  {{- else }}
  {{- include "imagerift.s3Rule" . | nindent 2 }}
  {{- end }}
  {{- include "imagerift.identityRule" . | nindent 2 }}
  {{- include "imagerift.proxyRule" (dict "root" . "env" .Values.weights.env) | nindent 2 }}
  {{- with .Values.networkPolicies.weightsEgress }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* Job pods of this shard. */}}
{{- define "imagerift.runnerLabels" -}}
app.kubernetes.io/name: imagerift-runner
imagerift.dev/shard: {{ .Release.Namespace }}
{{- end }}
