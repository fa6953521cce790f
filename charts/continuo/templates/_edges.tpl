{{- /* Reads edges.yaml for the policies of this release. */ -}}

{{- /* Whether an edge's `when` holds; takes (list root when); gives "true" or nothing. */ -}}
{{- define "continuo.edgeHolds" -}}
{{- $values := (index . 0).Values -}}
{{- $parties := $values.networkPolicy.parties -}}
{{- $holds := dict
    "always" true
    "operator" $values.operator.enabled
    "prometheus" $parties.prometheus.enabled
    "redisInside" $values.redis.development.enabled
    "redisOutside" (not $values.redis.development.enabled)
    "jwks" (ne $values.tokens.jwksUrl "")
    "models" $parties.models.enabled
    "otlp" $parties.otlp.enabled -}}
{{- if not (hasKey $holds (index . 1)) -}}
{{- fail (printf "edges.yaml: no condition is called %q" (index . 1)) -}}
{{- end -}}
{{- if get $holds (index . 1) -}}true{{- end -}}
{{- end -}}

{{- /* The ports of a party as JSON; takes (list root party). Those of the issuer, where none are given, are its URL's. */ -}}
{{- define "continuo.partyPorts" -}}
{{- $values := (index . 0).Values -}}
{{- $party := index . 1 -}}
{{- $ports := (get $values.networkPolicy.parties $party | default dict).ports -}}
{{- if and (eq $party "jwks") (not $ports) -}}
{{- $url := urlParse $values.tokens.jwksUrl -}}
{{- $named := regexFind ":[0-9]+$" $url.host | trimPrefix ":" -}}
{{- $ports = list ($named | default (ternary "80" "443" (eq $url.scheme "http")) | int) -}}
{{- end -}}
{{- $ports | default list | toJson -}}
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
