{{- define "crds.labels" -}}
app.kubernetes.io/part-of: imagerift
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* Paths of fields that the old schema stores and the new one does not know. */}}
{{- define "crds.dropped" -}}
{{- $new := .new.properties | default dict }}
{{- range $name, $field := .old.properties | default dict }}
{{- $path := printf "%s.%s" $.path $name }}
{{- if not (hasKey $new $name) }} {{ $path }}
{{- else }}
{{- include "crds.dropped" (dict "old" $field "new" (get $new $name) "path" $path) }}
{{- end }}
{{- end }}
{{- if and .old.items .new.items }}
{{- include "crds.dropped" (dict "old" .old.items "new" .new.items "path" (printf "%s[]" .path)) }}
{{- end }}
{{- end }}

{{- /* Takes CEL rules out of a schema, in place. */}}
{{- define "crds.withoutRules" -}}
{{- $_ := unset . "x-kubernetes-validations" }}
{{- range $name, $field := .properties | default dict }}
{{- include "crds.withoutRules" $field }}
{{- end }}
{{- with .items }}
{{- include "crds.withoutRules" . }}
{{- end }}
{{- end }}
