{{- /* How a process finds Redis. */ -}}

{{- /* The Sentinels, host:port each, with commas between. */ -}}
{{- define "continuo.redisSentinels" -}}
{{- if .Values.redis.development.enabled -}}
{{- $name := printf "%s-redis" (include "continuo.fullname" .) -}}
{{- $hosts := list -}}
{{- range until 3 -}}
{{- $hosts = append $hosts (printf "%s-%d.%s.%s.svc.%s:26379" $name . $name $.Release.Namespace $.Values.clusterDomain) -}}
{{- end -}}
{{- join "," $hosts -}}
{{- else -}}
{{- join "," .Values.redis.sentinels -}}
{{- end -}}
{{- end -}}

{{- define "continuo.redisEnv" -}}
- {name: CONTINUO_REDIS_SENTINELS, value: {{ include "continuo.redisSentinels" . | quote }}}
- {name: CONTINUO_REDIS_MASTER, value: {{ .Values.redis.master | quote }}}
{{- with .Values.redis.username }}
- {name: CONTINUO_REDIS_USERNAME, value: {{ . | quote }}}
{{- end }}
{{- if .Values.redis.existingSecret }}
- {name: CONTINUO_REDIS_PASSWORD_FILE, value: /etc/continuo/redis/password}
- {name: CONTINUO_REDIS_SENTINEL_PASSWORD_FILE, value: /etc/continuo/redis/sentinel-password}
{{- end }}
{{- end -}}
