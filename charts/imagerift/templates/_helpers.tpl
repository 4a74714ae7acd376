{{- define "imagerift.labels" -}}
app.kubernetes.io/part-of: imagerift
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Labels that select the pods of one component: (dict "root" $ "component" "api"). */}}
{{- define "imagerift.selector" -}}
app.kubernetes.io/part-of: imagerift
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "imagerift.podLabels" -}}
{{ include "imagerift.selector" . }}
app.kubernetes.io/name: imagerift-{{ .component }}
{{- end }}

{{- define "imagerift.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "imagerift.labels" .root | nindent 2 }}
  {{- with .component }}
  app.kubernetes.io/component: {{ . }}
  {{- end }}
{{- end }}

{{- /* (dict "root" $ "image" .Values.images.api "shipped" .Values.images.api) */}}
{{- define "imagerift.image" -}}
{{- $repository := .image.repository | default .shipped.repository -}}
{{- if .image.digest -}}
{{ printf "%s@%s" $repository .image.digest }}
{{- else if .image.tag -}}
{{ printf "%s:%s" $repository .image.tag }}
{{- else if and (not .image.repository) .shipped.digest -}}
{{ printf "%s@%s" $repository .shipped.digest }}
{{- else -}}
{{ printf "%s:%s" $repository (.shipped.tag | default .root.Chart.AppVersion) }}
{{- end -}}
{{- end }}

{{- /* What Pod Security `restricted` asks of a pod. */}}
{{- define "imagerift.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user | default 65532 }}
runAsGroup: {{ .user | default 65532 }}
fsGroup: {{ .user | default 65532 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "imagerift.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "imagerift.pullSecrets" -}}
{{- with .Values.images.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "imagerift.scheduling" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- /* (dict "root" $ "component" "api" "spread" .Values.api.spread) */}}
{{- define "imagerift.spread" -}}
{{- with .spread.topologyKeys }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.spread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "imagerift.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "imagerift.mongoSecret" -}}
{{- if .Values.mongodb.bundled.enabled -}}
imagerift-bundled
{{- else -}}
{{ .Values.mongodb.existingSecret.name }}
{{- end -}}
{{- end }}

{{- define "imagerift.mongoKey" -}}
{{- if .Values.mongodb.bundled.enabled -}}mongo-url{{- else -}}{{ .Values.mongodb.existingSecret.key }}{{- end -}}
{{- end }}

{{- define "imagerift.s3Secret" -}}
{{- if .Values.s3.bundled.enabled -}}
imagerift-bundled
{{- else -}}
{{ .Values.s3.existingSecret.name }}
{{- end -}}
{{- end }}

{{- define "imagerift.apiSecret" -}}
{{ .Values.secrets.existingSecret | default "imagerift-api" }}
{{- end }}

{{- define "imagerift.s3InternalUrl" -}}
{{- .Values.s3.internalUrl | default (printf "http://imagerift-s3.%s.svc:8333" .Release.Namespace) -}}
{{- end }}

{{- define "imagerift.originOfIngress" -}}
{{- if and .enabled .host }}{{ ternary "https" "http" (ne .tlsSecret "") }}://{{ .host }}{{ end -}}
{{- end }}

{{- define "imagerift.s3PublicUrl" -}}
{{- $ingress := include "imagerift.originOfIngress" .Values.s3.bundled.ingress -}}
{{- .Values.s3.publicUrl | default $ingress | default (ternary "http://127.0.0.1:8333" (include "imagerift.s3InternalUrl" .) .Values.s3.bundled.enabled) -}}
{{- end }}

{{- define "imagerift.apiPublicUrl" -}}
{{- .Values.api.publicUrl | default (include "imagerift.originOfIngress" .Values.api.ingress) -}}
{{- end }}

{{- /* Port of an origin: its own, else the scheme's. */}}
{{- define "imagerift.portOf" -}}
{{- $host := (urlParse .).host -}}
{{- if regexMatch ":[0-9]+$" $host -}}
{{ regexFind "[0-9]+$" $host }}
{{- else -}}
{{ ternary "443" "80" (eq (urlParse .).scheme "https") }}
{{- end -}}
{{- end }}

{{- /* What the API, the operator and the probe are told alike. */}}
{{- define "imagerift.sharedEnv" -}}
- name: IMAGERIFT_NAMESPACE
  value: {{ .Release.Namespace }}
- name: IMAGERIFT_MONGO_DATABASE
  value: {{ .Values.mongodb.database | quote }}
- name: IMAGERIFT_MONGO_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.mongoSecret" . }}
      key: {{ include "imagerift.mongoKey" . }}
{{- if .Values.plans }}
- name: IMAGERIFT_PLANS_FILE
  value: /etc/imagerift/plans.json
{{- end }}
{{- if .Values.modes }}
- name: IMAGERIFT_MODES_FILE
  value: /etc/imagerift/modes.json
{{- end }}
{{- end }}

{{- define "imagerift.s3Env" -}}
- name: IMAGERIFT_S3_INTERNAL_URL
  value: {{ include "imagerift.s3InternalUrl" . }}
- name: IMAGERIFT_S3_PUBLIC_URL
  value: {{ include "imagerift.s3PublicUrl" . }}
- name: IMAGERIFT_S3_BUCKET
  value: {{ .Values.s3.bucket | quote }}
- name: IMAGERIFT_S3_REGION
  value: {{ .Values.s3.region | quote }}
- name: IMAGERIFT_S3_ACCESS_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.s3Secret" . }}
      key: {{ ternary "s3-access-key" .Values.s3.existingSecret.accessKey .Values.s3.bundled.enabled }}
- name: IMAGERIFT_S3_SECRET_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.s3Secret" . }}
      key: {{ ternary "s3-secret-key" .Values.s3.existingSecret.secretKey .Values.s3.bundled.enabled }}
{{- end }}

{{- /* Not empty where there are files of configuration. */}}
{{- define "imagerift.hasConfig" -}}
{{- if or .Values.plans .Values.modes .Values.jobPods.enabled }}yes{{ end -}}
{{- end }}

{{- define "imagerift.configDigest" -}}
{{- printf "%s%s%s" (toJson .Values.plans) (toJson .Values.modes) (toJson .Values.jobPods) | sha256sum -}}
{{- end }}

{{- define "imagerift.optionalEnv" -}}
{{- if .Values.jobPods.enabled }}
- name: IMAGERIFT_JOB_PODS_FILE
  value: /etc/imagerift/job-pods.json
{{- end }}
{{- with .Values.tracing.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ . | quote }}
{{- end }}
{{- end }}

{{- define "imagerift.extraEnv" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "imagerift.policyVersion" -}}
{{- ternary "policy/v1beta1" "policy/v1" .Values.compatibility.kubernetes120 -}}
{{- end }}
