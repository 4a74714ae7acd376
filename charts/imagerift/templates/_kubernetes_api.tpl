{{- /* The way to the Kubernetes API, of the two components that use it. */}}
{{- define "imagerift.kubernetesRule" -}}
{{- $found := include "imagerift.foundKubernetesApi" . | fromYaml }}
{{- $ports := list }}
{{- range concat .Values.networkPolicies.kubernetesApiPorts ($found.ports | default list) }}{{ $ports = append $ports (int .) }}{{ end -}}
- ports:
    {{- range uniq $ports }}
    - port: {{ . }}
    {{- end }}
  {{- with concat .Values.networkPolicies.kubernetesApi ($found.peers | default list) }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* Where the cluster says that its API is, as peers and ports: its servers, and its Service's address for network
       plugins that judge a connection before it is sent on to one of them. Empty where nobody asks, or without a cluster. */}}
{{- define "imagerift.foundKubernetesApi" -}}
{{- if .Values.networkPolicies.kubernetesApiFromCluster }}
{{- $version := ternary "discovery.k8s.io/v1" "discovery.k8s.io/v1beta1" (.Capabilities.APIVersions.Has "discovery.k8s.io/v1") }}
{{- $slice := lookup $version "EndpointSlice" "default" "kubernetes" }}
{{- $addresses := list }}
{{- $ports := list }}
{{- range $slice.endpoints }}{{ $addresses = concat $addresses .addresses }}{{ end }}
{{- range $slice.ports }}{{ $ports = append $ports (int .port) }}{{ end }}
{{- if $addresses }}
{{- with (lookup "v1" "Service" "default" "kubernetes").spec }}
{{- $addresses = concat $addresses (.clusterIPs | default (list .clusterIP)) }}
{{- range .ports }}{{ $ports = append $ports (int .port) }}{{ end }}
{{- end }}
peers:
  {{- range uniq $addresses | sortAlpha }}
  - ipBlock:
      cidr: {{ . }}/{{ ternary 128 32 (contains ":" .) }}
  {{- end }}
ports: {{ uniq $ports | toJson }}
{{- end }}
{{- end }}
{{- end }}
