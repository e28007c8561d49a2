{{- define "costwain.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Release and chart, once where the release is called like the chart. */}}
{{- define "costwain.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "costwain.name" . }}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "costwain.selectorLabels" -}}
app.kubernetes.io/name: {{ include "costwain.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "costwain.labels" -}}
{{ include "costwain.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: costwain
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "costwain.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "costwain.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* Takes (image, default tag). */}}
{{- define "costwain.image" -}}
{{- $image := index . 0 }}
{{- with $image.registry }}{{ . }}/{{ end }}{{ $image.repository }}:{{ default (index . 1) $image.tag }}
{{- with $image.digest }}@{{ . }}{{ end }}
{{- end }}
