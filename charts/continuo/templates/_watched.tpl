{{- /* What is seen of a service from outside: its audit log and its traces, as environment. */ -}}

{{- /* Settings that are written here alone, without CONTINUO_, as a list in JSON. */ -}}
{{- define "continuo.watchedNames" -}}
{{- list "AUDIT" "AUDIT_DAYS" "AUDIT_LENGTH" "TRACES_RATIO" "METRIC_NAMES" | toJson -}}
{{- end -}}

{{- /* Variables of OpenTelemetry that are written here, as a list in JSON; none without an endpoint, for then a graph may have them for itself. Takes the root. */ -}}
{{- define "continuo.otlpNames" -}}
{{- if .Values.tracing.endpoint -}}
{{- list "OTEL_EXPORTER_OTLP_ENDPOINT" "OTEL_EXPORTER_OTLP_PROTOCOL" "OTEL_EXPORTER_OTLP_HEADERS" "OTEL_EXPORTER_OTLP_HEADERS_FILE" | toJson -}}
{{- else -}}
[]
{{- end -}}
{{- end -}}

{{- /* As environment; takes (list root component). A level that is given as a setting lies over the one of all. */ -}}
{{- define "continuo.watchedEnv" -}}
{{- $values := (index . 0).Values -}}
{{- if not (or (hasKey $values.settings "LOG_LEVEL") (hasKey (index $values (index . 1)).settings "LOG_LEVEL")) }}
- {name: CONTINUO_LOG_LEVEL, value: {{ $values.logLevel }}}
{{- end }}
{{- with $values.audit }}
- {name: CONTINUO_AUDIT, value: {{ ternary "on" "off" .enabled | quote }}}
- {name: CONTINUO_AUDIT_DAYS, value: {{ int64 .days | quote }}}
- {name: CONTINUO_AUDIT_LENGTH, value: {{ int64 .length | quote }}}
{{- end }}
{{- with $values.tracing }}
{{- if .endpoint }}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
{{- with .protocol }}
- {name: OTEL_EXPORTER_OTLP_PROTOCOL, value: {{ . | quote }}}
{{- end }}
{{- if .headersSecret }}
- {name: OTEL_EXPORTER_OTLP_HEADERS_FILE, value: /etc/continuo/collector/headers}
{{- end }}
- {name: CONTINUO_TRACES_RATIO, value: {{ .ratio | quote }}}
{{- end }}
{{- end }}
{{- end -}}
