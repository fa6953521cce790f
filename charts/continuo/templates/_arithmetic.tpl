{{- /*
The arithmetic of a drain, in whole seconds, as operator/continuo_operator/arithmetic.py has it (tests/chart
hold one to the other). Gives a map as JSON: use it as
    $sums := include "continuo.sums" . | fromJson
fromJson makes floats of numbers: put each through `int` where it is printed.
*/ -}}

{{- define "continuo.sums" -}}
{{- $drain := .Values.drain -}}
{{- $capacity := int64 $drain.capacityPerPod -}}
{{- $podRate := int64 $drain.podRatePerSecond -}}
{{- $fleetRate := int64 $drain.fleetRatePerSecond -}}
{{- $propagation := int64 $drain.propagationSeconds -}}
{{- $most := ternary .Values.operator.scaling.max .Values.connection.replicas .Values.operator.enabled | int64 -}}
{{- $alone := include "continuo.ceil" (list $capacity $podRate) | int64 -}}
{{- $together := include "continuo.ceil" (list (mul $most $capacity) $fleetRate) | int64 -}}
{{- $time := max $alone $together -}}
{{- $grace := add 2 $propagation $time 5 10 -}}
{{- $minReady := 15 -}}
{{- if .Values.operator.enabled -}}
{{- $minReady = add 15 10 $propagation $time -}}
{{- end -}}
{{- /* Helm takes a passed deadline for the end of all: a first start has 600 s to pull images and to find Redis. */ -}}
{{- $leastProgress := 600 -}}
{{- $progress := max $leastProgress (add $minReady 60 $grace) -}}
{{- $batches := include "continuo.batches" (list .Values.connection.maxSurge $most) | int64 -}}
{{- $ownTimeout := add (max $progress (add (mul $batches (add $minReady 60)) $grace)) 60 -}}
{{- $timeout := $ownTimeout -}}
{{- /* Helm waits for the others too: each of their batches takes 60 to start and 5 of minReadySeconds. */ -}}
{{- $workers := .Values.conversation -}}
{{- $workersProgress := max $leastProgress (add 60 60 (int64 $workers.drainSeconds)) -}}
{{- $timeout = max $timeout (add $workersProgress 60) -}}
{{- $mostWorkers := ternary $workers.autoscaling.maxReplicas $workers.replicas $workers.autoscaling.enabled -}}
{{- range list (list $workers.maxSurge $mostWorkers) (list .Values.presence.maxSurge .Values.presence.replicas) -}}
{{- $timeout = max $timeout (add (mul (include "continuo.batches" .) 65) 60) -}}
{{- end -}}
{{- dict "mostPods" $most "alone" $alone "together" $together "drain" $time "preStop" 2 "grace" $grace "minReady" $minReady
    "leastProgress" $leastProgress "workersProgress" $workersProgress "progressDeadline" $progress "batches" $batches "ownTimeout" $ownTimeout "helmTimeout" $timeout | toJson -}}
{{- end -}}

{{- /* A quotient of whole numbers, rounded up; takes (list dividend divisor). */ -}}
{{- define "continuo.ceil" -}}
{{- div (sub (add (index . 0) (index . 1)) 1) (index . 1) -}}
{{- end -}}

{{- /* Refuses, with the numbers, a grace that is longer than what nodes wait. */ -}}
{{- define "continuo.feasible" -}}
{{- $sums := include "continuo.sums" . | fromJson -}}
{{- $drain := .Values.drain -}}
{{- $most := int64 $drain.maxGraceSeconds -}}
{{- if gt (int64 $sums.grace) $most -}}
{{- $room := sub $most (add 2 (int64 $drain.propagationSeconds) 5 10) -}}
{{- $lines := list
  (printf "the drain does not fit: a pod would need a grace of %d s, and drain.maxGraceSeconds is %d." (int64 $sums.grace) $most)
  (printf "  one pod:   C/r      = %d / %d = %d s" (int64 $drain.capacityPerPod) (int64 $drain.podRatePerSecond) (int64 $sums.alone))
  (printf "  the fleet: Nmax*C/R = %d * %d / %d = %d s" (int64 $sums.mostPods) (int64 $drain.capacityPerPod) (int64 $drain.fleetRatePerSecond) (int64 $sums.together))
  (printf "  grace = 2 (preStop) + %d (propagation) + %d (drain) + 5 (flush) + 10 (margin) = %d s" (int64 $drain.propagationSeconds) (int64 $sums.drain) (int64 $sums.grace))
-}}
{{- if gt $room 0 -}}
{{- $lines = append $lines (printf "It fits with drain.podRatePerSecond of at least %s and drain.fleetRatePerSecond of at least %s," (include "continuo.ceil" (list (int64 $drain.capacityPerPod) $room)) (include "continuo.ceil" (list (mul (int64 $sums.mostPods) (int64 $drain.capacityPerPod)) $room))) -}}
{{- $lines = append $lines "or with fewer pods, or with a lower drain.capacityPerPod." -}}
{{- else -}}
{{- $lines = append $lines "Nothing is left for the drain itself: lower drain.propagationSeconds." -}}
{{- end -}}
{{- fail (printf "\n\n%s\n" (join "\n" $lines)) -}}
{{- end -}}
{{- end -}}

{{- /* How many pods of a rollout come up together, at least one; takes (list surge pods). */ -}}
{{- define "continuo.batch" -}}
{{- $pods := int64 (index . 1) -}}
{{- $surge := index . 0 -}}
{{- if kindIs "string" $surge -}}
{{- $surge = include "continuo.ceil" (list (mul (trimSuffix "%" $surge | int64) $pods) 100) | int64 -}}
{{- end -}}
{{- min $pods (max 1 (int64 $surge)) -}}
{{- end -}}

{{- /* In how many batches a rollout goes; takes (list surge pods). */ -}}
{{- define "continuo.batches" -}}
{{- include "continuo.ceil" (list (int64 (index . 1)) (include "continuo.batch" . | int64)) -}}
{{- end -}}

{{- /*
How often a device reconnects on average when the fleet is replaced in parts, with one decimal; takes (list surge pods).
Each batch of j of N pods leaves every pod with 1 + j/N times what it held; the last batch may be smaller.
*/ -}}
{{- define "continuo.hops" -}}
{{- $pods := int64 (index . 1) -}}
{{- $batch := include "continuo.batch" . | int64 -}}
{{- $closed := 0.0 -}}
{{- $held := 1.0 -}}
{{- range $done := untilStep 0 (int $pods) (int $batch) -}}
{{- $now := min $batch (sub $pods $done) -}}
{{- $closed = addf $closed (mulf $now $held) -}}
{{- $held = mulf $held (addf 1.0 (divf (float64 $now) (float64 $pods))) -}}
{{- end -}}
{{- printf "%.1f" (divf $closed (float64 $pods)) -}}
{{- end -}}
