{{/* The labels that services, policies, budgets and monitors select by. Takes the root and a component. */}}
{{- define "lakehouse.selector" -}}
app.kubernetes.io/part-of: {{ .root.Values.name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "lakehouse.labels" -}}
{{ include "lakehouse.selector" . }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version }}
{{- end }}

{{/* Requests, and a limit of memory: a container that is denied processor time only is late. */}}
{{- define "lakehouse.resources" -}}
requests:
  cpu: {{ .cpu | quote }}
  memory: {{ .memory | quote }}
limits:
  memory: {{ .memory | quote }}
{{- end }}

{{- define "lakehouse.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "lakehouse.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* The same environment for everything of the control plane: settings, and what is secret. */}}
{{- define "lakehouse.envFrom" -}}
- configMapRef:
    name: {{ .Values.name }}-settings
- secretRef:
    name: {{ .Values.secret }}
{{- end }}

{{/* The webserver, for other pods. */}}
{{- define "lakehouse.webserverUrl" -}}
http://{{ .Values.name }}-webserver.{{ .Release.Namespace }}
{{- end }}

{{/* What programs write to; the root file system is read-only. The contracts are those that `deploy render` wrote. */}}
{{- define "lakehouse.volumeMounts" -}}
- name: tmp
  mountPath: /tmp
- name: state
  mountPath: /var/lib/lakehouse
- name: contracts
  mountPath: /etc/lakehouse/contracts
  readOnly: true
- name: instance
  mountPath: /opt/dagster/home/dagster.yaml
  subPath: dagster.yaml
  readOnly: true
- name: instance
  mountPath: /opt/dagster/workspace
  readOnly: true
{{- end }}

{{- define "lakehouse.volumes" -}}
- name: tmp
  emptyDir: {}
- name: state
  emptyDir: {}
- name: contracts
  configMap:
    name: {{ .Values.name }}-contracts
- name: instance
  configMap:
    name: {{ .Values.name }}-instance
{{- end }}

{{/* A Deployment's pod restarts when what it reads at its start has changed. */}}
{{- define "lakehouse.checksums" -}}
checksum/settings: {{ include (print .Template.BasePath "/settings.yaml") . | sha256sum }}
checksum/instance: {{ include (print .Template.BasePath "/instance.yaml") . | sha256sum }}
{{- end }}

{{/* What all Deployments of the control plane have in common. Takes root, component, replicas, resources, container. */}}
{{- define "lakehouse.deployment" -}}
{{- $values := .root.Values -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $values.name }}-{{ .component }}
  labels:
    {{- include "lakehouse.labels" . | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  {{- if eq .component "daemon" }}
  # Two daemons would each start what is due: the old one ends before the new one comes.
  strategy:
    type: Recreate
  {{- end }}
  selector:
    matchLabels:
      {{- include "lakehouse.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "lakehouse.labels" . | nindent 8 }}
      annotations:
        {{- include "lakehouse.checksums" .root | nindent 8 }}
    spec:
      serviceAccountName: {{ $values.name }}-dagster
      automountServiceAccountToken: {{ .token }}
      securityContext:
        {{- include "lakehouse.podSecurity" . | nindent 8 }}
      {{- with $values.images.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      {{- if gt (int .replicas) 1 }}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "lakehouse.selector" . | nindent 14 }}
      {{- end }}
      containers:
        - name: {{ .component }}
          image: {{ $values.images.dagster }}
          imagePullPolicy: {{ $values.images.pullPolicy }}
          securityContext:
            {{- include "lakehouse.containerSecurity" . | nindent 12 }}
          resources:
            {{- include "lakehouse.resources" .resources | nindent 12 }}
          envFrom:
            {{- include "lakehouse.envFrom" .root | nindent 12 }}
          volumeMounts:
            {{- include "lakehouse.volumeMounts" .root | nindent 12 }}
          {{- .container | nindent 10 }}
      volumes:
        {{- include "lakehouse.volumes" .root | nindent 8 }}
{{- end }}
