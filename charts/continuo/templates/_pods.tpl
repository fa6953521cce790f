{{- /* What all pods of this chart have in common. */ -}}

{{- /* The pod's part of the restricted pod security standard. */ -}}
{{- define "continuo.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- /* The container's part; takes whether the root file system is read-only: all are, but the development image's, whose source is synced into it. */ -}}
{{- define "continuo.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: {{ . }}
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- /* Where pods may run and who may pull; takes (list root component). */ -}}
{{- define "continuo.placement" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index . 1) -}}
{{- with $root.Values.images.pullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with $own.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Spread over zones and machines as far as it goes; takes (list root component). Per revision, so that a rollout's new pods spread by themselves. */ -}}
{{- define "continuo.spread" -}}
{{- $own := index (index . 0).Values (index . 1) -}}
{{- $selector := include "continuo.selector" . | fromYaml -}}
topologySpreadConstraints:
{{- if $own.topologySpreadConstraints }}
{{ toYaml $own.topologySpreadConstraints | indent 2 }}
{{- else }}
{{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    matchLabelKeys: [pod-template-hash]
    labelSelector:
      matchLabels: {{ toYaml $selector | nindent 8 }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* Three probes, all local: what they ask never waits for Redis. Started within 60 s, as the arithmetic has it. Takes the page that says whether it lives. */ -}}
{{- define "continuo.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: pages}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 30
{{ include "continuo.readiness" . }}
livenessProbe:
  httpGet: {path: {{ . }}, port: pages}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
{{- end -}}
{{- define "continuo.readiness" -}}
readinessProbe:
  httpGet: {path: /readyz, port: pages}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
{{- end -}}

{{- /* A service's probes. Under the development supervisor only the one that ends nothing: a container that is started anew has lost the source that was synced into it. Takes the root. */ -}}
{{- define "continuo.serviceProbes" -}}
{{- if .Values.development.supervisor }}{{ include "continuo.readiness" . }}{{ else }}{{ include "continuo.probes" "/livez" }}{{ end }}
{{- end -}}

{{- /* Settings of all services and of one, as environment; takes (list root component reserved). A secret's name is reserved with that of its file. */ -}}
{{- define "continuo.settingsEnv" -}}
{{- $root := index . 0 -}}
{{- $own := index $root.Values (index . 1) -}}
{{- $reserved := concat (index . 2) (include "continuo.watchedNames" $root | fromJsonArray) -}}
{{- $all := merge (dict) $own.settings $root.Values.settings -}}
{{- range $name, $value := $all }}
{{- if or (has $name $reserved) (has (trimSuffix "_FILE" $name) $reserved) }}
{{- fail (printf "settings.%s: the chart computes CONTINUO_%s itself; use the value made for it" $name $name) }}
{{- end }}
- {name: CONTINUO_{{ $name }}, value: {{ include "continuo.plain" $value | quote }}}
{{- end }}
{{- end -}}

{{- /* A value as it is written in the environment: whole numbers without an exponent. */ -}}
{{- define "continuo.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{- /* How a service's process is started: by the image, or, for source that is synced, by the development supervisor. */ -}}
{{- define "continuo.command" -}}
{{- if (index . 0).Values.development.supervisor }}
command: [python, -m, services.local.devsupervisor, {{ printf "services.%s" (index . 1) }}]
{{- end }}
{{- end -}}

{{- /* Scratch space: the only place a process may write. */ -}}
{{- define "continuo.tmpVolume" -}}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end -}}
{{- define "continuo.tmpMount" -}}
- {name: tmp, mountPath: /tmp}
{{- end -}}
