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
{{- if $values.api.existingSecret -}}
{{- $faults = append $faults "development.insecureSecrets makes the Secrets itself: leave api.existingSecret empty, and give development.apiKey for an API" -}}
{{- end -}}
{{- else -}}
{{- if or $values.development.hmac $values.development.adminToken $values.development.apiKey -}}
{{- $faults = append $faults "development.hmac, development.adminToken and development.apiKey are only for development.insecureSecrets" -}}
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
{{- if and $values.tracing.headersSecret (not $values.tracing.endpoint) -}}
{{- $faults = append $faults "tracing.headersSecret goes with traces: say where they go in tracing.endpoint" -}}
{{- end -}}
{{- $otlp := include "continuo.otlpNames" . | fromJsonArray -}}
{{- range $component := list "connection" "conversation" "presence" -}}
{{- range (index $values $component).env -}}
{{- if has .name $otlp -}}
{{- $faults = append $faults (printf "%s.env: the chart computes %s itself; use the value made for it, in tracing" $component .name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $component := list "connection" "conversation" "presence" "operator" -}}
{{- $faults = concat $faults (include "continuo.taken" (list $component (index $values $component)) | fromJsonArray) -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\n- %s\n" (join "\n- " $faults)) -}}
{{- end -}}
{{- end -}}

{{- /* What the chart writes itself and a component's values give once more, as a list in JSON; takes (list component values). */ -}}
{{- define "continuo.taken" -}}
{{- $component := index . 0 -}}
{{- $own := index . 1 -}}
{{- $faults := list -}}
{{- $computed := list "NAMESPACE" "IDENTITY" "LEASE" "SELECTOR" "PORT" "NODES" -}}
{{- range $own.env -}}
{{- if hasKey $own "settings" -}}
{{- if hasPrefix "CONTINUO_" .name -}}
{{- $faults = append $faults (printf "%s.env: give %s in %s.settings, without CONTINUO_" $component .name $component) -}}
{{- end -}}
{{- else if or (has .name (list "CONTINUO_HOST" "CONTINUO_ADMIN_TOKEN_FILE" "CONTINUO_API_KEYS_FILE")) (and (hasPrefix "CONTINUO_OPERATOR_" .name) (has (trimPrefix "CONTINUO_OPERATOR_" .name) $computed)) -}}
{{- $faults = append $faults (printf "%s.env: the chart computes %s itself; use the value made for it" $component .name) -}}
{{- end -}}
{{- end -}}
{{- $selecting := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" "pod-template-hash" -}}
{{- range $key, $_ := $own.labels -}}
{{- if or (has $key $selecting) (hasPrefix "continuo.dev/" $key) -}}
{{- $faults = append $faults (printf "%s.labels: pods are found by %s, which is not for others to write" $component $key) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := $own.annotations -}}
{{- if or (eq $key "controller.kubernetes.io/pod-deletion-cost") (hasPrefix "continuo.dev/" $key) -}}
{{- $faults = append $faults (printf "%s.annotations: %s is the operator's to write" $component $key) -}}
{{- end -}}
{{- end -}}
{{- $faults | toJson -}}
{{- end -}}
