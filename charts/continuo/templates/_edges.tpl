{{- /* Reads edges.yaml for the policies of this release. */ -}}

{{- /* Whether an edge's `when` holds; takes (list root when); gives "true" or nothing. */ -}}
{{- define "continuo.edgeHolds" -}}
{{- $values := (index . 0).Values -}}
{{- $parties := $values.networkPolicy.parties -}}
{{- $holds := dict
    "always" true
    "operator" $values.operator.enabled
    "api" (ne (include "continuo.apiSecret" (index . 0)) "")
    "prometheus" $parties.prometheus.enabled
    "redisInside" $values.redis.development.enabled
    "redisOutside" (not $values.redis.development.enabled)
    "jwks" (ne $values.tokens.jwksUrl "")
    "models" $parties.models.enabled
    "otlp" (or $parties.otlp.enabled (ne $values.tracing.endpoint "")) -}}
{{- if not (hasKey $holds (index . 1)) -}}
{{- fail (printf "edges.yaml: no condition is called %q" (index . 1)) -}}
{{- end -}}
{{- if get $holds (index . 1) -}}true{{- end -}}
{{- end -}}

{{- /* The ports of a party as JSON; takes (list root party). Those of the issuer and of the collector, where none are given, are their URLs'. */ -}}
{{- define "continuo.partyPorts" -}}
{{- $values := (index . 0).Values -}}
{{- $party := index . 1 -}}
{{- $ports := (get $values.networkPolicy.parties $party | default dict).ports -}}
{{- $url := get (dict "jwks" $values.tokens.jwksUrl "otlp" $values.tracing.endpoint) $party -}}
{{- if and $url (not $ports) -}}
{{- $ports = list (include "continuo.portOf" $url | int) -}}
{{- else if and (eq $party "otlp") (not $ports) -}}
{{- $ports = list 4317 4318 -}}
{{- end -}}
{{- $ports | default list | toJson -}}
{{- end -}}

{{- /* The port of a URL. */ -}}
{{- define "continuo.portOf" -}}
{{- $url := urlParse . -}}
{{- $named := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $named | default (ternary "80" "443" (eq $url.scheme "http")) -}}
{{- end -}}

{{- /* The rules of one component in one direction; takes (list root component direction), the direction "ingress" or "egress". */ -}}
{{- define "continuo.edgeRules" -}}
{{- $root := index . 0 -}}
{{- $component := index . 1 -}}
{{- $inward := eq (index . 2) "ingress" -}}
{{- $parties := $root.Values.networkPolicy.parties -}}
{{- $rules := list -}}
{{- range $root.Files.Get "edges.yaml" | fromYamlArray -}}
{{- $mine := ternary .to .from $inward -}}
{{- $other := ternary .from .to $inward -}}
{{- if and (eq $mine $component) (include "continuo.edgeHolds" (list $root .when)) -}}
{{- $rule := dict -}}
{{- if hasKey $parties $other -}}
{{- with (get $parties $other).peers -}}
{{- $_ := set $rule (ternary "from" "to" $inward) . -}}
{{- end -}}
{{- else -}}
{{- $selector := include "continuo.selector" (list $root $other) | fromYaml -}}
{{- $_ := set $rule (ternary "from" "to" $inward) (list (dict "podSelector" (dict "matchLabels" $selector))) -}}
{{- end -}}
{{- $ports := list -}}
{{- range ternary (include "continuo.partyPorts" (list $root $other) | fromJsonArray) .ports (kindIs "string" .ports) -}}
{{- $ports = append $ports (dict "protocol" "TCP" "port" (int .)) -}}
{{- if eq $other "dns" -}}
{{- $ports = append $ports (dict "protocol" "UDP" "port" (int .)) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $rule "ports" $ports -}}
{{- $rules = append $rules $rule -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}
