{{- /* What is refused before anything is rendered. The schema refuses what a single value can't be; this, what values can't be together. */ -}}

{{- define "continuo.checks" -}}
{{- include "continuo.feasible" . -}}
{{- $values := .Values -}}
{{- $faults := list -}}
{{- if $values.development.insecureSecrets -}}
{{- if or (not $values.development.hmac) (not $values.development.adminToken) -}}
{{- $faults = append $faults "development.insecureSecrets needs development.hmac and development.adminToken" -}}
{{- end -}}
{{- if or $values.tokens.existingSecret $values.admin.existingSecret -}}
{{- $faults = append $faults "development.insecureSecrets makes the Secrets itself: leave tokens.existingSecret and admin.existingSecret empty" -}}
{{- end -}}
{{- else -}}
{{- if or $values.development.hmac $values.development.adminToken -}}
{{- $faults = append $faults "development.hmac and development.adminToken are only for development.insecureSecrets" -}}
{{- end -}}
{{- if not (or $values.tokens.existingSecret $values.tokens.jwksUrl) -}}
{{- $faults = append $faults "nobody could connect: name a Secret with the tokens' key in tokens.existingSecret, or set tokens.jwksUrl" -}}
{{- end -}}
{{- if and $values.operator.enabled (not $values.admin.existingSecret) -}}
{{- $faults = append $faults "the operator drains over the admin port: name a Secret with its tokens in admin.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if $values.redis.development.enabled -}}
{{- if $values.redis.sentinels -}}
{{- $faults = append $faults "redis.development.enabled and redis.sentinels exclude each other" -}}
{{- end -}}
{{- if or $values.redis.existingSecret $values.redis.username -}}
{{- $faults = append $faults "the development Redis asks for no password: leave redis.existingSecret and redis.username empty" -}}
{{- end -}}
{{- else -}}
{{- if not $values.redis.sentinels -}}
{{- $faults = append $faults "name your Redis' Sentinels in redis.sentinels (host:port each), or try things out with redis.development.enabled" -}}
{{- end -}}
{{- if not $values.redis.existingSecret -}}
{{- $faults = append $faults "name a Secret with the password of Redis in redis.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- if $values.operator.enabled -}}
{{- if gt (int $values.operator.scaling.min) (int $values.operator.scaling.max) -}}
{{- $faults = append $faults (printf "operator.scaling.min is %d, above operator.scaling.max, %d" (int $values.operator.scaling.min) (int $values.operator.scaling.max)) -}}
{{- end -}}
{{- if gt (int $values.operator.scaling.targetConnectionsPerPod) (int $values.drain.capacityPerPod) -}}
{{- $faults = append $faults (printf "operator.scaling.targetConnectionsPerPod is %d, above drain.capacityPerPod, %d: pods would be full before more are made" (int $values.operator.scaling.targetConnectionsPerPod) (int $values.drain.capacityPerPod)) -}}
{{- end -}}
{{- end -}}
{{- with $values.conversation.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- $faults = append $faults (printf "conversation.autoscaling.minReplicas is %d, above maxReplicas, %d" (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .enabled (not .prometheusAddress) -}}
{{- $faults = append $faults "conversation.autoscaling asks Prometheus for the queue's age: set conversation.autoscaling.prometheusAddress" -}}
{{- end -}}
{{- end -}}
{{- if and $values.httpRoute.enabled (not $values.httpRoute.parentRefs) -}}
{{- $faults = append $faults "an HTTPRoute belongs to a Gateway: name it in httpRoute.parentRefs" -}}
{{- end -}}
{{- if and $values.ingress.enabled (not $values.ingress.hosts) -}}
{{- $faults = append $faults "an Ingress needs at least one host in ingress.hosts" -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\n- %s\n" (join "\n- " $faults)) -}}
{{- end -}}
{{- end -}}
