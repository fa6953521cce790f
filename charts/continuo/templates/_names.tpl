{{- /* Names and labels. Every object's name begins with continuo.fullname. */ -}}

{{- define "continuo.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "continuo.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "continuo.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "continuo.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* What a Deployment, a Service or a policy selects pods by; takes (list root component). Never changes. */ -}}
{{- define "continuo.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "continuo.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- /* All labels of an object of a component; takes (list root component). */ -}}
{{- define "continuo.labels" -}}
{{- $root := index . 0 -}}
{{ include "continuo.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* The image of a component; takes (list root component). `<component>.image` replaces all of it. */ -}}
{{- define "continuo.image" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $own := (index $root.Values $component).image -}}
{{- $own | default (printf "%scontinuo-%s:%s" $root.Values.images.prefix $component ($root.Values.images.tag | default $root.Chart.AppVersion)) -}}
{{- end -}}

{{- /* The address of the client Service inside the cluster. */ -}}
{{- define "continuo.clientAddress" -}}
{{ include "continuo.fullname" . }}-connection.{{ .Release.Namespace }}.svc.{{ .Values.clusterDomain }}:{{ .Values.connection.service.port }}
{{- end -}}
