{{- /* What pools may name: what the pools of the values name, and what allowedPools adds, as YAML. */}}
{{- define "imagerift.allowedPools" -}}
{{- $allowed := .Values.allowedPools }}
{{- $images := list (include "imagerift.image" (dict "root" $ "image" .Values.images.triton "shipped" .Values.images.triton)) }}
{{- $claims := list }}
{{- $priorities := list }}
{{- $runtimes := list }}
{{- $hosts := list }}
{{- $secrets := list }}
{{- $accounts := list }}
{{- $engines := list }}
{{- with .Values.trust.secret }}{{ $secrets = append $secrets . }}{{ end }}
{{- range $pool := .Values.pools }}
{{- if $pool }}
{{- with $pool.endpoint }}{{ $hosts = append $hosts (regexReplaceAll ":[0-9]+$" (urlParse .).host "") }}{{ end }}
{{- with $pool.template }}
{{- with .image }}{{ $images = append $images . }}{{ end }}
{{- with .modelVolume }}{{ $claims = append $claims .claimName }}{{ end }}
{{- with .priorityClassName }}{{ $priorities = append $priorities . }}{{ end }}
{{- with .runtimeClassName }}{{ $runtimes = append $runtimes . }}{{ end }}
{{- with .serviceAccountName }}{{ $accounts = append $accounts . }}{{ end }}
{{- with .engine }}
{{- $engines = append $engines (regexReplaceAll ":[0-9]+$" (urlParse .origin).host "") }}
{{- with .secret }}{{ $secrets = append $secrets .name }}{{ end }}
{{- end }}
{{- range .volumes }}
{{- with .persistentVolumeClaim }}{{ $claims = append $claims .claimName }}{{ end }}
{{- with .image }}{{ $images = append $images .reference }}{{ end }}
{{- with .secret }}{{ $secrets = append $secrets .secretName }}{{ end }}
{{- end }}
{{- range .initContainers }}{{ $images = append $images .image }}{{ end }}
{{- range prepend (.initContainers | default list) . }}
{{- range .env }}{{ with .valueFrom }}{{ with .secretKeyRef }}{{ $secrets = append $secrets .name }}{{ end }}{{ end }}{{ end }}
{{- range .envFrom }}{{ with .secretRef }}{{ $secrets = append $secrets .name }}{{ end }}{{ end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
images: {{ concat $images $allowed.images | uniq | toJson }}
claims: {{ concat $claims $allowed.claims | uniq | toJson }}
priorityClasses: {{ concat $priorities $allowed.priorityClasses | uniq | toJson }}
runtimeClasses: {{ concat $runtimes $allowed.runtimeClasses | uniq | toJson }}
secrets: {{ concat $secrets $allowed.secrets | uniq | toJson }}
serviceAccounts: {{ concat $accounts $allowed.serviceAccounts | uniq | toJson }}
endpointHosts: {{ concat $hosts $allowed.endpointHosts | uniq | toJson }}
engineHosts: {{ concat $engines $allowed.engineHosts | uniq | toJson }}
{{- end }}
