{{- /* The Pod of a DaemonSet or Deployment of `tidegate run`. */ -}}
{{- define "tidegate.pod" -}}
{{- $name := include "tidegate.name" . }}
{{- $host := .Values.hostNetwork }}
{{- /* Two Pods on one node share its ports for the time of an update; only a file tells them apart then. */ -}}
{{- $beside := and $host (eq .Values.kind "DaemonSet") .Values.surge }}
{{- $privileged := and $host (or (lt (int .Values.ports.http) 1024) (lt (int .Values.ports.https) 1024)) }}
{{- $adminAddress := ternary "127.0.0.1" "" (and $host (not .Values.metrics.enabled)) }}
metadata:
  labels:
    {{- include "tidegate.selector" . | nindent 4 }}
    app.kubernetes.io/component: proxy
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/settings: {{ toYaml .Values.settings | sha256sum }}
    {{- if .Values.metrics.enabled }}
    prometheus.io/scrape: "true"
    prometheus.io/port: {{ .Values.admin.port | quote }}
    prometheus.io/path: /metrics
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ $name }}
  automountServiceAccountToken: true
  enableServiceLinks: false
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if $host }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  # What drains is given the time that it was promised, and a little for the rest.
  terminationGracePeriodSeconds: {{ add .Values.drainDelaySeconds .Values.drainSeconds 5 }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  securityContext: {{- include "tidegate.podSecurity" . | nindent 4 }}
  containers:
    - name: tidegate
      image: {{ include "tidegate.image" . }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      {{- if $privileged }}
      # Hands the capability on to a program that does not run as root.
      command: [with-capabilities, --inh-caps=+net_bind_service, --ambient-caps=+net_bind_service, /app/bin/tidegate]
      {{- end }}
      args:
        - run
        - --config=/etc/tidegate/settings.yaml
        - --source=kubernetes
        - --http=:{{ if $host }}{{ .Values.ports.http }}{{ else }}8080{{ end }}
        - --https=:{{ if $host }}{{ .Values.ports.https }}{{ else }}8443{{ end }}
        - --admin={{ $adminAddress }}:{{ .Values.admin.port }}
        - --ingress-class={{ .Values.ingressClass.name }}
        - --controller={{ .Values.controller }}
        - --lease={{ .Release.Namespace }}/{{ $name }}
        {{- with .Values.namespaces }}
        - --namespaces={{ join "," . }}
        {{- end }}
        {{- if not .Values.publishStatus }}
        {{- else if .Values.publishStatusAddress }}
        - --publish-status-address={{ join "," .Values.publishStatusAddress }}
        {{- else }}
        - --publish-service={{ .Release.Namespace }}/{{ $name }}
        {{- if and $host (ne .Values.service.type "LoadBalancer") }}
        - --publish-node-addresses=internal
        {{- end }}
        {{- end }}
        - --drain-delay={{ .Values.drainDelaySeconds }}s
        - --drain={{ .Values.drainSeconds }}s
        {{- if .Values.snapshotCache.enabled }}
        - --snapshot-cache=/var/cache/tidegate/snapshot
        {{- end }}
        {{- if $beside }}
        - --ready-file=/run/tidegate/ready
        {{- end }}
      env:
        {{- include "tidegate.podEnvironment" . | nindent 8 }}
        {{- with .Values.extraEnv }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- if not $host }}
      ports:
        - { name: http, containerPort: 8080 }
        - { name: https, containerPort: 8443 }
        - { name: admin, containerPort: {{ .Values.admin.port }} }
      {{- else if not $beside }}
      ports:
        - { name: http, containerPort: {{ .Values.ports.http }}, hostPort: {{ .Values.ports.http }} }
        - { name: https, containerPort: {{ .Values.ports.https }}, hostPort: {{ .Values.ports.https }} }
        - { name: admin, containerPort: {{ .Values.admin.port }}, hostPort: {{ .Values.admin.port }} }
      {{- else }}
      # No ports: they would keep the scheduler from putting a Pod beside the one that it replaces.
      {{- end }}
      readinessProbe:
        {{- if $beside }}
        exec: { command: [test, -e, /run/tidegate/ready] }
        {{- else }}
        httpGet: { path: /readyz, port: {{ .Values.admin.port }}{{ with $adminAddress }}, host: {{ . }}{{ end }} }
        {{- end }}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      # Long enough for a start on a busy node; it is not for load balancers to notice.
      livenessProbe:
        httpGet: { path: /healthz, port: {{ .Values.admin.port }}{{ with $adminAddress }}, host: {{ . }}{{ end }} }
        initialDelaySeconds: 10
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
          {{- if $privileged }}
          add: [NET_BIND_SERVICE]
          {{- end }}
      resources: {{- toYaml .Values.resources | nindent 8 }}
      volumeMounts:
        - { name: settings, mountPath: /etc/tidegate, readOnly: true }
        {{- if .Values.snapshotCache.enabled }}
        - { name: cache, mountPath: /var/cache/tidegate }
        {{- end }}
        {{- if $beside }}
        - { name: run, mountPath: /run/tidegate }
        {{- end }}
  volumes:
    - name: settings
      configMap: { name: {{ $name }} }
    {{- if .Values.snapshotCache.enabled }}
    - name: cache
      emptyDir: { sizeLimit: {{ .Values.snapshotCache.sizeLimit }} }
    {{- end }}
    {{- if $beside }}
    - name: run
      emptyDir: { medium: Memory, sizeLimit: 1Mi }
    {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if eq .Values.kind "Deployment" }}
  topologySpreadConstraints:
    {{- with .Values.topologySpreadConstraints }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      matchLabelKeys: [pod-template-hash]
      labelSelector:
        matchLabels:
          {{- include "tidegate.selector" $ | nindent 10 }}
          app.kubernetes.io/component: proxy
    {{- end }}
    {{- end }}
  {{- end }}
{{- end }}
