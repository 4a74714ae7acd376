{{- define "imagerift.labels" -}}
app.kubernetes.io/part-of: imagerift
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Labels that select the pods of one component: (dict "root" $ "component" "api"). */}}
{{- define "imagerift.selector" -}}
app.kubernetes.io/part-of: imagerift
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* (dict "root" $ "component" "api" "more" labels of the values) */}}
{{- define "imagerift.podLabels" -}}
{{ include "imagerift.selector" . }}
app.kubernetes.io/name: imagerift-{{ .component }}
{{- with merge dict (.more | default dict) .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
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

{{- /* A repository with its registry: its own, else the one for all. */}}
{{- define "imagerift.repository" -}}
{{- $repository := .image.repository | default .shipped.repository -}}
{{- if include "imagerift.namesRegistry" $repository -}}
{{ $repository }}
{{- else -}}
{{ printf "%s/%s" (.root.Values.global.imageRegistry | default "docker.io") $repository }}
{{- end -}}
{{- end }}

{{- /* Not empty where a repository begins with a registry. */}}
{{- define "imagerift.namesRegistry" -}}
{{- if regexMatch "^(localhost|[^/]*[.:][^/]*)/" . }}yes{{ end -}}
{{- end }}

{{- /* (dict "root" $ "image" .Values.images.api "shipped" .Values.images.api) */}}
{{- define "imagerift.image" -}}
{{- $repository := include "imagerift.repository" . -}}
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
{{- range $name, $id := .Values.podSecurityContext }}
{{- if not (kindIs "invalid" $id) }}
{{ $name }}: {{ int64 $id }}
{{- end }}
{{- end }}
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

{{- /* An amount as text: a number of the values may have become 1e+09 on the way. */}}
{{- define "imagerift.amount" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ . }}{{ end -}}
{{- end }}

{{- /* Requests and limits. */}}
{{- define "imagerift.resources" -}}
{{- $all := dict }}
{{- range $kind, $amounts := . }}
{{- $texts := dict }}
{{- range $name, $amount := $amounts }}{{ $_ := set $texts $name (include "imagerift.amount" $amount) }}{{ end }}
{{- $_ := set $all $kind $texts }}
{{- end }}
{{- toYaml $all }}
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
{{- with .runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .schedulerName }}
schedulerName: {{ . }}
{{- end }}
{{- end }}

{{- /* (dict "root" $ "component" "api" "spread" .Values.api.spread) */}}
{{- define "imagerift.spread" -}}
{{- $selector := dict "labelSelector" (dict "matchLabels" (include "imagerift.selector" . | fromYaml)) }}
{{- $all := list }}
{{- range .spread.topologyKeys }}
{{- $all = append $all (merge (dict "maxSkew" 1 "topologyKey" . "whenUnsatisfiable" $.spread.whenUnsatisfiable) $selector) }}
{{- end }}
{{- range .spread.constraints }}
{{- $all = append $all (hasKey . "labelSelector" | ternary . (merge dict . $selector)) }}
{{- end }}
{{- with $all }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "imagerift.mongoSecret" -}}
{{- if .Values.mongodb.bundled.enabled -}}
{{ include "imagerift.bundledSecret" . }}
{{- else -}}
{{ .Values.mongodb.existingSecret.name }}
{{- end -}}
{{- end }}

{{- define "imagerift.mongoKey" -}}
{{- if .Values.mongodb.bundled.enabled -}}mongo-url{{- else -}}{{ .Values.mongodb.existingSecret.key }}{{- end -}}
{{- end }}

{{- define "imagerift.s3Secret" -}}
{{- if .Values.s3.bundled.enabled -}}
{{ include "imagerift.bundledSecret" . }}
{{- else -}}
{{ .Values.s3.existingSecret.name }}
{{- end -}}
{{- end }}

{{- define "imagerift.apiSecret" -}}
{{ .Values.secrets.existingSecret | default "imagerift-api" }}
{{- end }}

{{- define "imagerift.modelSecret" -}}
{{ .Values.secrets.existingModelSecret | default "imagerift-models" }}
{{- end }}

{{- define "imagerift.bundledSecret" -}}
{{ .Values.secrets.existingBundledSecret | default "imagerift-bundled" }}
{{- end }}

{{- /* Not empty where secrets that are made here are found again at the next rendering: Helm answers a
       list from the cluster alone, though it be empty. It lists Secrets for its own records as well. */}}
{{- define "imagerift.keepsSecrets" -}}
{{- if or .Values.secrets.allowNewEachRender (lookup "v1" "Secret" .Release.Namespace "") }}yes{{ end -}}
{{- end }}

{{- /* Where the bundled S3 server is reached by a port-forward. */}}
{{- define "imagerift.s3PortForward" -}}http://127.0.0.1:8333{{- end }}

{{- define "imagerift.s3InternalUrl" -}}
{{- .Values.s3.internalUrl | default (printf "http://imagerift-s3.%s.svc:8333" .Release.Namespace) -}}
{{- end }}

{{- /* Host names of an Ingress with their certificates, as YAML. */}}
{{- define "imagerift.hosts" -}}
{{- $all := .hosts }}
{{- if .host }}{{ $all = prepend $all (dict "host" .host "tlsSecret" .tlsSecret) }}{{ end }}
{{- toYaml $all }}
{{- end }}

{{- define "imagerift.originOfIngress" -}}
{{- $hosts := include "imagerift.hosts" . | fromYamlArray -}}
{{- if and .enabled $hosts }}{{ with first $hosts }}{{ ternary "https" "http" (ne (.tlsSecret | default "") "") }}://{{ .host }}{{ end }}{{ end -}}
{{- end }}

{{- define "imagerift.originOfGateway" -}}
{{- if and .enabled .hostnames (not (hasPrefix "*" (first .hostnames | default "*"))) }}{{ ternary "https" "http" .https }}://{{ first .hostnames }}{{ end -}}
{{- end }}

{{- define "imagerift.s3PublicUrl" -}}
{{- $ingress := include "imagerift.originOfIngress" .Values.s3.bundled.ingress -}}
{{- $gateway := include "imagerift.originOfGateway" .Values.s3.bundled.gateway -}}
{{- .Values.s3.publicUrl | default $ingress | default $gateway | default (include "imagerift.s3PortForward" .) -}}
{{- end }}

{{- define "imagerift.apiPublicUrl" -}}
{{- $gateway := include "imagerift.originOfGateway" .Values.api.gateway -}}
{{- .Values.api.publicUrl | default (include "imagerift.originOfIngress" .Values.api.ingress) | default $gateway -}}
{{- end }}

{{- define "imagerift.forwardedHops" -}}
{{- if kindIs "invalid" .Values.api.forwardedHops }}{{ ternary 1 0 (or .Values.api.ingress.enabled .Values.api.gateway.enabled) }}{{ else }}{{ .Values.api.forwardedHops }}{{ end -}}
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

{{- /* How the pods that download weights are made, as YAML; nothing where their image has no home. */}}
{{- define "imagerift.weightsPods" -}}
{{- if or .Values.weights.image .Values.global.imageRegistry (not (hasPrefix "imagerift/" .Values.images.weights.repository)) }}
{{- $pods := deepCopy .Values.weights }}
{{- $_ := set $pods "resources" (include "imagerift.resources" $pods.resources | fromYaml) }}
{{- if not $pods.image }}
{{- $_ := set $pods "image" (include "imagerift.image" (dict "root" . "image" .Values.images.weights "shipped" .Values.images.weights)) }}
{{- end }}
{{- if kindIs "invalid" $pods.fsGroup }}
{{- $_ := set $pods "fsGroup" .Values.podSecurityContext.fsGroup }}
{{- end }}
{{- if not $pods.imagePullPolicy }}
{{- $_ := set $pods "imagePullPolicy" .Values.images.pullPolicy }}
{{- end }}
{{- if not $pods.imagePullSecrets }}
{{- $_ := set $pods "imagePullSecrets" .Values.images.pullSecrets }}
{{- end }}
{{- if .Values.commonLabels }}
{{- $_ := set $pods "podLabels" (merge dict $pods.podLabels .Values.commonLabels) }}
{{- end }}
{{- if include "imagerift.trusts" . }}
{{- $trust := include "imagerift.trustForServers" . | fromYaml }}
{{- $_ := set $pods "volumes" (prepend $pods.volumes $trust.volume) }}
{{- $_ := set $pods "volumeMounts" (prepend $pods.volumeMounts $trust.mount) }}
{{- /* Beside those of the system: weights come from the internet too. */}}
{{- $_ := set $pods "env" (append $pods.env (dict "name" "IMAGERIFT_WEIGHTS_CA_FILE" "value" $trust.variable.value)) }}
{{- end }}
{{- toYaml $pods }}
{{- end }}
{{- end }}

{{- /* Not empty where there are files of configuration. */}}
{{- define "imagerift.hasConfig" -}}
{{- if or .Values.plans .Values.modes .Values.jobPods.enabled }}yes{{ end -}}
{{- end }}

{{- /* The files of configuration by name. */}}
{{- define "imagerift.configFiles" -}}
{{- with .Values.plans }}
plans.json: {{ toPrettyJson . | quote }}
{{- end }}
{{- if .Values.jobPods.enabled }}
{{- $pods := omit .Values.jobPods "enabled" }}
{{- $_ := set $pods "resources" (include "imagerift.resources" $pods.resources | fromYaml) }}
{{- if not $pods.image }}
{{- $_ := set $pods "image" (include "imagerift.image" (dict "root" . "image" .Values.images.runner "shipped" .Values.images.runner)) }}
{{- end }}
{{- if not $pods.imagePullSecrets }}
{{- $_ := set $pods "imagePullSecrets" .Values.images.pullSecrets }}
{{- end }}
{{- if .Values.commonLabels }}
{{- $_ := set $pods "labels" (merge dict $pods.labels .Values.commonLabels) }}
{{- $_ := set $pods "podLabels" (merge dict $pods.podLabels .Values.commonLabels) }}
{{- end }}
{{- if include "imagerift.trusts" . }}
{{- $trust := include "imagerift.trustForServers" . | fromYaml }}
{{- $_ := set $pods "volumes" (prepend $pods.volumes $trust.volume) }}
{{- $_ := set $pods "volumeMounts" (prepend $pods.volumeMounts $trust.mount) }}
{{- $named := dict }}
{{- range $pods.env }}{{ $_ := set $named .name true }}{{ end }}
{{- if not $named.SSL_CERT_FILE }}{{ $_ := set $pods "env" (prepend $pods.env $trust.variable) }}{{ end }}
{{- end }}
job-pods.json: {{ toPrettyJson $pods | quote }}
{{- end }}
{{- with .Values.modes }}
modes.json: {{ toPrettyJson . | quote }}
{{- end }}
{{- end }}

{{- /* Changes with any of these files, and so starts the pods that read them anew. */}}
{{- define "imagerift.configDigest" -}}
{{- include "imagerift.configFiles" . | sha256sum -}}
{{- end }}

{{- define "imagerift.policyVersion" -}}
{{- ternary "policy/v1beta1" "policy/v1" .Values.compatibility.kubernetes120 -}}
{{- end }}
