{{- /*
Which Secrets are used, and how they get into pods: as files, which the processes read anew while they run. A key
that has to be there keeps the pod from starting when it is not.
*/ -}}

{{- define "continuo.tokensSecret" -}}
{{- if .Values.development.insecureSecrets -}}
{{ include "continuo.fullname" . }}-development-tokens
{{- else -}}
{{ .Values.tokens.existingSecret }}
{{- end -}}
{{- end -}}

{{- define "continuo.adminSecret" -}}
{{- if .Values.development.insecureSecrets -}}
{{ include "continuo.fullname" . }}-development-admin
{{- else -}}
{{ .Values.admin.existingSecret }}
{{- end -}}
{{- end -}}

{{- define "continuo.apiSecret" -}}
{{- if not .Values.development.insecureSecrets -}}
{{ .Values.api.existingSecret }}
{{- else if .Values.development.apiKey -}}
{{ include "continuo.fullname" . }}-development-api
{{- end -}}
{{- end -}}

{{- define "continuo.tokensVolume" -}}
{{- $secret := include "continuo.tokensSecret" . -}}
- name: tokens
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ $secret }}
          items: [{key: {{ .Values.tokens.hmacKey | quote }}, path: hmac}]
      - secret:
          name: {{ $secret }}
          items: [{key: {{ .Values.tokens.hmacPreviousKey | quote }}, path: hmac-previous}]
          optional: true
{{- end -}}

{{- define "continuo.adminVolume" -}}
- name: admin
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "continuo.adminSecret" . }}
          items: [{key: {{ .Values.admin.tokensKey | quote }}, path: tokens}]
{{- end -}}

{{- define "continuo.apiVolume" -}}
- name: api
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ include "continuo.apiSecret" . }}
          items: [{key: {{ .Values.api.keysKey | quote }}, path: keys}]
{{- end -}}

{{- define "continuo.redisVolume" -}}
{{- if .Values.redis.existingSecret -}}
- name: redis
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.redis.existingSecret }}
          items: [{key: {{ .Values.redis.passwordKey | quote }}, path: password}]
      - secret:
          name: {{ .Values.redis.existingSecret }}
          items: [{key: {{ .Values.redis.sentinelPasswordKey | quote }}, path: sentinel-password}]
          optional: true
{{- end -}}
{{- end -}}

{{- define "continuo.collectorVolume" -}}
{{- if .Values.tracing.headersSecret -}}
- name: collector
  projected:
    defaultMode: 0440
    sources:
      - secret:
          name: {{ .Values.tracing.headersSecret }}
          items: [{key: {{ .Values.tracing.headersKey | quote }}, path: headers}]
{{- end -}}
{{- end -}}
