{{- /* (dict "root" $ "name" … "component" … "ingress" … "port" the Service's port's name) */}}
{{- define "imagerift.ingress" -}}
{{- $hosts := include "imagerift.hosts" .ingress | fromYamlArray -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  {{- include "imagerift.metadata" . | nindent 2 }}
  {{- with .ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .ingress.className }}
  ingressClassName: {{ . }}
  {{- end }}
  {{- $tls := list }}
  {{- range $hosts }}
  {{- if .tlsSecret }}{{ $tls = append $tls (dict "hosts" (list .host) "secretName" .tlsSecret) }}{{ end }}
  {{- end }}
  {{- with $tls }}
  tls:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  rules:
    {{- range $hosts }}
    - host: {{ .host | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ $.name }}
                port:
                  name: {{ $.port }}
    {{- end }}
{{- end }}

{{- /* (dict "root" $ "name" … "component" … "gateway" … "port" the Service's port) */}}
{{- define "imagerift.route" -}}
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  {{- include "imagerift.metadata" . | nindent 2 }}
  {{- with .gateway.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  parentRefs:
    {{- toYaml .gateway.parentRefs | nindent 4 }}
  hostnames:
    {{- toYaml .gateway.hostnames | nindent 4 }}
  rules:
    - matches:
        - path:
            type: PathPrefix
            value: /
      {{- with .gateway.filters }}
      filters:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      backendRefs:
        - name: {{ .name }}
          port: {{ .port }}
{{- end }}
