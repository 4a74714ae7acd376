{{- define "imagerift.trustEnv" -}}
{{- if include "imagerift.trusts" . }}
{{- range list "SSL_CERT_FILE" "AWS_CA_BUNDLE" "REQUESTS_CA_BUNDLE" }}
- name: {{ . }}
  value: /etc/imagerift-trust/ca.crt
{{- end }}
{{- end }}
{{- end }}

{{- /* Under which API keys are hashed. */}}
{{- define "imagerift.pepperEnv" -}}
- name: IMAGERIFT_KEY_PEPPER
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.apiSecret" . }}
      key: key-pepper
{{- end }}

{{- /* By which the API knows administrators. */}}
{{- define "imagerift.adminEnv" -}}
- name: IMAGERIFT_ADMIN_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.apiSecret" . }}
      key: admin-token
      optional: true
{{- end }}

{{- /* What the API and the operator are told alike. */}}
{{- define "imagerift.sharedEnv" -}}
- name: IMAGERIFT_NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: IMAGERIFT_MONGO_DATABASE
  value: {{ .Values.mongodb.database | quote }}
- name: IMAGERIFT_MONGO_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.mongoSecret" . }}
      key: {{ include "imagerift.mongoKey" . }}
{{- if .Values.mongodb.tls.caSecret }}
- name: IMAGERIFT_MONGO_CA_FILE
  value: /etc/imagerift-mongodb/ca.crt
{{- end }}
{{- if .Values.mongodb.tls.clientSecret }}
- name: IMAGERIFT_MONGO_CLIENT_CERTIFICATE_FILE
  value: /etc/imagerift-mongodb/client.pem
{{- end }}
{{- include "imagerift.trustEnv" . | nindent 0 }}
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
  value: {{ include "imagerift.s3InternalUrl" . | quote }}
- name: IMAGERIFT_S3_PUBLIC_URL
  value: {{ include "imagerift.s3PublicUrl" . | quote }}
- name: IMAGERIFT_S3_BUCKET
  value: {{ .Values.s3.bucket | quote }}
- name: IMAGERIFT_S3_REGION
  value: {{ .Values.s3.region | quote }}
- name: IMAGERIFT_S3_ADDRESSING
  value: {{ .Values.s3.addressing }}
{{- if not .Values.s3.workloadIdentity }}
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

{{- define "imagerift.apiEnv" -}}
{{- include "imagerift.sharedEnv" . | nindent 0 }}
{{- include "imagerift.s3Env" . | nindent 0 }}
{{- include "imagerift.optionalEnv" . | nindent 0 }}
- name: IMAGERIFT_API_HOST
  value: 0.0.0.0
- name: IMAGERIFT_LOG_LEVEL
  value: {{ .Values.api.logLevel }}
- name: IMAGERIFT_FORWARDED_HOPS
  value: {{ include "imagerift.forwardedHops" . | quote }}
- name: IMAGERIFT_ADMIN_REQUESTS_PER_MINUTE
  value: {{ .Values.api.adminRequestsPerMinute | quote }}
- name: IMAGERIFT_PREVIEWS
  value: {{ .Values.api.previews | quote }}
- name: IMAGERIFT_ACCOUNT_REQUESTS_PER_MINUTE
  value: {{ .Values.api.accountRequestsPerMinute | quote }}
- name: IMAGERIFT_SIGN_IN_TRIES_PER_MINUTE
  value: {{ .Values.api.signInTriesPerMinute | quote }}
- name: IMAGERIFT_UNIDENTIFIED_REQUESTS_PER_MINUTE
  value: {{ .Values.api.unidentifiedRequestsPerMinute | quote }}
- name: IMAGERIFT_SESSION_HOURS
  value: {{ .Values.api.sessionHours | quote }}
- name: IMAGERIFT_SESSION_IDLE_MINUTES
  value: {{ .Values.api.sessionIdleMinutes | quote }}
{{- with include "imagerift.apiPublicUrl" . }}
- name: IMAGERIFT_PUBLIC_URL
  value: {{ . | quote }}
{{- end }}
{{- include "imagerift.pepperEnv" . | nindent 0 }}
{{- include "imagerift.adminEnv" . | nindent 0 }}
- name: IMAGERIFT_SESSION_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.apiSecret" . }}
      key: session-key
      optional: true
{{- include "imagerift.webhookEnv" . | nindent 0 }}
{{- with .Values.api.oidc.issuer }}
- name: IMAGERIFT_OIDC_ISSUER
  value: {{ . | quote }}
- name: IMAGERIFT_OIDC_CLIENT_ID
  value: {{ $.Values.api.oidc.clientId | quote }}
- name: IMAGERIFT_OIDC_OPEN
  value: {{ $.Values.api.oidc.open | quote }}
- name: IMAGERIFT_OIDC_EMAIL_DOMAINS
  value: {{ join "," $.Values.api.oidc.emailDomains | quote }}
- name: IMAGERIFT_OIDC_CLAIMS
  value: {{ join "," $.Values.api.oidc.claims | quote }}
- name: IMAGERIFT_OIDC_CLIENT_SECRET
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.apiSecret" $ }}
      key: oidc-client-secret
      optional: true
{{- end }}
{{- if .Values.api.signInUsers }}
- name: IMAGERIFT_SIGN_IN_USERS_FILE
  value: /etc/imagerift-sign-in/sign-in-users.json
{{- end }}
{{- end }}

{{- /* What webhooks are made with: by the API, and by an operator that follows tenants. */}}
{{- define "imagerift.webhookEnv" -}}
- name: IMAGERIFT_WEBHOOK_KEY
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.apiSecret" . }}
      key: webhook-key
      optional: true
{{- with .Values.api.webhooks.refusedNetworks }}
- name: IMAGERIFT_WEBHOOK_REFUSED_NETWORKS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.api.webhooks.allowedHosts }}
- name: IMAGERIFT_WEBHOOK_ALLOWED_HOSTS
  value: {{ join "," . | quote }}
{{- end }}
{{- end }}

{{- define "imagerift.operatorEnv" -}}
{{- include "imagerift.sharedEnv" . | nindent 0 }}
{{- include "imagerift.s3Env" . | nindent 0 }}
{{- include "imagerift.optionalEnv" . | nindent 0 }}
- name: IMAGERIFT_OPERATOR_HOST
  value: 0.0.0.0
- name: IMAGERIFT_LOG_LEVEL
  value: {{ .Values.operator.logLevel }}
- name: IMAGERIFT_LEASE_SECONDS
  value: {{ .Values.operator.leaseSeconds | quote }}
{{- $pools := include "imagerift.allowedPools" . | fromYaml }}
- name: IMAGERIFT_POOL_IMAGES
  value: {{ join "," $pools.images | quote }}
- name: IMAGERIFT_POOL_CLAIMS
  value: {{ join "," $pools.claims | quote }}
- name: IMAGERIFT_POOL_PRIORITY_CLASSES
  value: {{ join "," $pools.priorityClasses | quote }}
- name: IMAGERIFT_POOL_RUNTIME_CLASSES
  value: {{ join "," $pools.runtimeClasses | quote }}
- name: IMAGERIFT_POOL_SECRETS
  value: {{ join "," $pools.secrets | quote }}
- name: IMAGERIFT_POOL_SERVICE_ACCOUNTS
  value: {{ join "," $pools.serviceAccounts | quote }}
- name: IMAGERIFT_POOL_ENDPOINT_HOSTS
  value: {{ join "," $pools.endpointHosts | quote }}
- name: IMAGERIFT_POOL_ENGINE_HOSTS
  value: {{ join "," $pools.engineHosts | quote }}
- name: IMAGERIFT_MODEL_TOKEN
  valueFrom:
    secretKeyRef:
      name: {{ include "imagerift.modelSecret" . }}
      key: model-token
- name: IMAGERIFT_MODEL_TOKEN_SECRET
  value: {{ include "imagerift.modelSecret" . }}
{{- with .Values.moderationModel }}
- name: IMAGERIFT_MODERATION_MODEL
  value: {{ . | quote }}
{{- end }}
{{- with .Values.modelServers.tokenHosts }}
- name: IMAGERIFT_MODEL_TOKEN_HOSTS
  value: {{ join "," . | quote }}
{{- end }}
{{- with .Values.modelServers.tls.existingSecret }}
- name: IMAGERIFT_MODEL_TLS_SECRET
  value: {{ . }}
- name: IMAGERIFT_MODEL_TLS_AUTHORITY
  value: /etc/imagerift-models/ca.crt
{{- end }}
{{- with include "imagerift.weightsPods" . }}
- name: IMAGERIFT_WEIGHTS_PODS
  value: {{ fromYaml . | toJson | quote }}
{{- end }}
{{- if .Values.tenants.enabled }}
- name: IMAGERIFT_TENANTS
  value: "true"
{{- include "imagerift.pepperEnv" . | nindent 0 }}
{{- include "imagerift.webhookEnv" . | nindent 0 }}
{{- end }}
- name: IMAGERIFT_DRAIN_SECONDS
  value: {{ .Values.operator.drainSeconds | quote }}
{{- if not (kindIs "invalid" .Values.jobTtlSeconds) }}
- name: IMAGERIFT_JOB_TTL_SECONDS
  value: {{ .Values.jobTtlSeconds | quote }}
{{- end }}
{{- end }}

{{- /* The chart's variables and those of the values, which win: Kubernetes takes no name twice.
       (dict "chart" a list as YAML "more" values by name, or a list) */}}
{{- define "imagerift.env" -}}
{{- $more := include "imagerift.variables" .more | fromYamlArray }}
{{- $named := dict }}
{{- range $more }}{{ $_ := set $named .name true }}{{ end }}
{{- $own := list }}
{{- range fromYamlArray .chart }}
{{- if not (hasKey $named .name) }}{{ $own = append $own . }}{{ end }}
{{- end }}
{{- toYaml (concat $own $more) }}
{{- end }}

{{- /* Proxy variables among a component's own, as KEY: URL. */}}
{{- define "imagerift.proxies" -}}
{{- $found := dict }}
{{- range include "imagerift.variables" . | fromYamlArray }}
{{- if and .value (has (lower .name) (list "https_proxy" "http_proxy" "all_proxy")) }}{{ $_ := set $found .name .value }}{{ end }}
{{- end }}
{{- if $found }}{{ toYaml $found }}{{ end }}
{{- end }}
