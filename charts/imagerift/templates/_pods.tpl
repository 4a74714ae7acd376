{{- /* Variables of the values as a list; they are values by name, or a list already. */}}
{{- define "imagerift.variables" -}}
{{- $all := list }}
{{- if kindIs "map" . }}
{{- range $name, $value := . }}{{ $all = append $all (dict "name" $name "value" $value) }}{{ end }}
{{- else if . }}
{{- $all = . }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{- /* Containers of the values; what they do not say of security is as in the chart's own. */}}
{{- define "imagerift.containers" -}}
{{- $all := list }}
{{- range . }}
{{- $security := dict "securityContext" (include "imagerift.containerSecurity" $ | fromYaml) }}
{{- $all = append $all (mergeOverwrite $security .) }}
{{- end }}
{{- toYaml $all }}
{{- end }}

{{- /* Not empty where CAs of one's own are added to the public ones. */}}
{{- define "imagerift.trusts" -}}
{{- if or .Values.trust.configMap .Values.trust.secret }}yes{{ end -}}
{{- end }}

{{- /* Where those CAs lie. */}}
{{- define "imagerift.trustSource" -}}
{{- if .Values.trust.configMap -}}
configMap:
  name: {{ .Values.trust.configMap }}
{{- else -}}
secret:
  secretName: {{ .Values.trust.secret }}
{{- end }}
  items:
    - key: {{ .Values.trust.key }}
      path: ca.crt
{{- end }}

{{- /* For model servers and job pods: what OpenSSL reads besides the CAs of their image. */}}
{{- define "imagerift.trustForServers" -}}
volume:
  name: trust
  {{- include "imagerift.trustSource" . | nindent 2 }}
mount:
  name: trust
  mountPath: /etc/imagerift-trust
  readOnly: true
variable:
  name: SSL_CERT_FILE
  value: /etc/imagerift-trust/ca.crt
{{- end }}

{{- /* Every client of the API, the operator and the probe reads one file: the image's CAs and the values'. */}}
{{- define "imagerift.initContainers" -}}
{{- $root := .root }}
{{- $own := .own | default list }}
{{- if or $own (include "imagerift.trusts" $root) }}
initContainers:
  {{- if include "imagerift.trusts" $root }}
  - name: trust
    image: {{ .image }}
    imagePullPolicy: {{ $root.Values.images.pullPolicy }}
    command: [sh, -ec, "cat /etc/ssl/certs/ca-certificates.crt /source/ca.crt > /bundle/ca.crt"]
    securityContext:
      {{- include "imagerift.containerSecurity" $root | nindent 6 }}
    resources:
      requests:
        cpu: 10m
        memory: 32Mi
      limits:
        cpu: 500m
        memory: 64Mi
    volumeMounts:
      - name: trust-source
        mountPath: /source
        readOnly: true
      - name: trust
        mountPath: /bundle
  {{- end }}
  {{- with $own }}
  {{- include "imagerift.containers" . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "imagerift.trustMounts" -}}
{{- if include "imagerift.trusts" . }}
- name: trust
  mountPath: /etc/imagerift-trust
  readOnly: true
{{- end }}
{{- end }}

{{- define "imagerift.trustVolumes" -}}
{{- if include "imagerift.trusts" . }}
- name: trust-source
  {{- include "imagerift.trustSource" . | nindent 2 }}
- name: trust
  emptyDir:
    sizeLimit: 4Mi
{{- end }}
{{- end }}

{{- define "imagerift.sharedMounts" -}}
{{- if include "imagerift.hasConfig" . }}
- name: config
  mountPath: /etc/imagerift
  readOnly: true
{{- end }}
{{- include "imagerift.trustMounts" . | nindent 0 }}
{{- with .Values.mongodb.tls }}
{{- if or .caSecret .clientSecret }}
- name: mongodb-tls
  mountPath: /etc/imagerift-mongodb
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "imagerift.sharedVolumes" -}}
{{- if include "imagerift.hasConfig" . }}
- name: config
  configMap:
    name: imagerift-config
{{- end }}
{{- include "imagerift.trustVolumes" . | nindent 0 }}
{{- with .Values.mongodb.tls }}
{{- if or .caSecret .clientSecret }}
- name: mongodb-tls
  projected:
    sources:
      {{- with .caSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: {{ $.Values.mongodb.tls.caKey }}
              path: ca.crt
      {{- end }}
      {{- with .clientSecret }}
      - secret:
          name: {{ . }}
          items:
            - key: {{ $.Values.mongodb.tls.clientKey }}
              path: client.pem
      {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Names that the chart itself gives to volumes. */}}
{{- define "imagerift.volumeNames" -}}
[tmp, config, sign-in, trust, trust-source, mongodb-tls]
{{- end }}
