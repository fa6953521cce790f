{{- /* The development Redis: names that its pods, its scripts and the services' settings agree on. */ -}}

{{- define "continuo.redis.name" -}}
{{ include "continuo.fullname" . }}-redis
{{- end -}}

{{- /* host:port of every pod on one port, in the order of the pods' numbers; takes (list root port). */ -}}
{{- define "continuo.redis.addresses" -}}
{{- $root := index . 0 -}}
{{- $name := include "continuo.redis.name" $root -}}
{{- $addresses := list -}}
{{- range until 3 -}}
{{- $addresses = append $addresses (printf "%s-%d.%s.%s.svc.%s:%d" $name . $name $root.Release.Namespace $root.Values.clusterDomain (int (index $ 1))) -}}
{{- end -}}
{{- join " " $addresses -}}
{{- end -}}

{{- /* What the scripts of files/redis-*.sh want to know. */ -}}
{{- define "continuo.redis.env" -}}
{{- $own := .Values.redis.development -}}
- name: REDIS_POD
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- {name: REDIS_SERVERS, value: {{ include "continuo.redis.addresses" (list . 6379) | quote }}}
- {name: REDIS_SENTINELS, value: {{ include "continuo.redis.addresses" (list . 26379) | quote }}}
- {name: REDIS_NAME, value: {{ .Values.redis.master | quote }}}
- {name: REDIS_MODULES, value: {{ join " " $own.modules | quote }}}
- {name: REDIS_MAXMEMORY, value: {{ $own.maxmemory | quote }}}
- {name: REDIS_DOWN_AFTER_MS, value: {{ mul $own.downAfterSeconds 1000 | quote }}}
- {name: REDIS_FAILOVER_TIMEOUT_MS, value: {{ mul $own.failoverTimeoutSeconds 1000 | quote }}}
- {name: REDIS_PATIENCE_S, value: {{ int $own.patienceSeconds | quote }}}
- {name: REDIS_HANDOVER_S, value: "20"}
{{- end -}}

{{- define "continuo.redis.mounts" -}}
- {name: data, mountPath: /data}
- {name: scripts, mountPath: /scripts, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- end -}}
