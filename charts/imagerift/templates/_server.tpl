{{- /* A Triton of one pod: (dict "root" $ "name" the pool's "pool" its values). The operator counts the slots of
       one server behind an endpoint, and a cancel must reach the server that runs the job. */}}
{{- define "imagerift.server" -}}
{{- $server := .pool.server }}
{{- $full := printf "imagerift-pool-%s" .name }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "imagerift.metadata" (dict "root" .root "name" $full "component" "triton") | nindent 2 }}
spec:
  replicas: 1
  # The old server gives its GPU back before the new one asks for it.
  strategy:
    type: Recreate
  selector:
    matchLabels:
      {{- include "imagerift.selector" (dict "root" .root "component" "triton") | nindent 6 }}
      imagerift.dev/pool: {{ .name }}
  template:
    metadata:
      labels:
        {{- include "imagerift.podLabels" (dict "root" .root "component" "triton") | nindent 8 }}
        imagerift.dev/pool: {{ .name }}
    spec:
      serviceAccountName: imagerift-powerless
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 60
      {{- with $server.runtimeClassName }}
      runtimeClassName: {{ . }}
      {{- end }}
      securityContext:
        {{- include "imagerift.podSecurity" dict | nindent 8 }}
      {{- include "imagerift.pullSecrets" .root | nindent 6 }}
      {{- include "imagerift.scheduling" $server.scheduling | nindent 6 }}
      containers:
        - name: triton
          image: {{ include "imagerift.image" (dict "root" .root "image" $server.image "shipped" .root.Values.images.triton) }}
          imagePullPolicy: {{ .root.Values.images.pullPolicy }}
          securityContext:
            {{- include "imagerift.containerSecurity" . | nindent 12 }}
          ports:
            - name: http
              containerPort: 8000
          env:
            - name: IMAGERIFT_S3_ORIGIN
              value: {{ include "imagerift.s3InternalUrl" .root }}
            - name: IMAGERIFT_CONTROL_DIR
              value: /run/imagerift
            - name: IMAGERIFT_THREADS
              value: {{ $server.threads | quote }}
            {{- with $server.modeModels }}
            - name: IMAGERIFT_MODE_MODELS
              value: {{ toJson . | quote }}
            {{- end }}
            {{- include "imagerift.extraEnv" $server.env | nindent 12 }}
          startupProbe:
            httpGet:
              path: /v2/health/ready
              port: http
            periodSeconds: 5
            timeoutSeconds: 4
            failureThreshold: {{ div (add $server.startSeconds 4) 5 }}
          livenessProbe:
            httpGet:
              path: /v2/health/live
              port: http
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet:
              path: /v2/health/ready
              port: http
            periodSeconds: 5
            timeoutSeconds: 4
          resources:
            {{- with $server.resources.requests }}
            requests:
              {{- toYaml . | nindent 14 }}
            {{- end }}
            {{- if or $server.resources.limits $server.gpu.count }}
            limits:
              {{- with $server.resources.limits }}
              {{- toYaml . | nindent 14 }}
              {{- end }}
              {{- if $server.gpu.count }}
              {{ $server.gpu.resourceName }}: {{ $server.gpu.count | quote }}
              {{- end }}
            {{- end }}
          volumeMounts:
            - name: tmp
              mountPath: /tmp
            - name: control
              mountPath: /run/imagerift
            - name: shared-memory
              mountPath: /dev/shm
            {{- if $server.extraModels.existingClaim }}
            - name: extra-models
              mountPath: /models/extra
              readOnly: true
              {{- with $server.extraModels.path }}
              subPath: {{ . }}
              {{- end }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir:
            sizeLimit: {{ $server.scratch }}
        - name: control
          emptyDir:
            sizeLimit: 16Mi
        - name: shared-memory
          emptyDir:
            medium: Memory
            sizeLimit: {{ $server.sharedMemory }}
        {{- with $server.extraModels.existingClaim }}
        - name: extra-models
          persistentVolumeClaim:
            claimName: {{ . }}
            readOnly: true
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "imagerift.metadata" (dict "root" .root "name" $full "component" "triton") | nindent 2 }}
spec:
  selector:
    {{- include "imagerift.selector" (dict "root" .root "component" "triton") | nindent 4 }}
    imagerift.dev/pool: {{ .name }}
  ports:
    - name: http
      port: 8000
      targetPort: http
---
apiVersion: {{ include "imagerift.policyVersion" .root }}
kind: PodDisruptionBudget
metadata:
  {{- include "imagerift.metadata" (dict "root" .root "name" $full "component" "triton") | nindent 2 }}
spec:
  # One pod: a drain may take it, and its jobs run again elsewhere or later.
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "imagerift.selector" (dict "root" .root "component" "triton") | nindent 6 }}
      imagerift.dev/pool: {{ .name }}
{{- end }}
