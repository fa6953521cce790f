"""What the API server refuses in an object that is well-formed: the rules that facts and fleets could break.

Not all of its rules by far: those for the numbers of Deployments and pods that belong together, and for what
must be there at all.
"""

from collections.abc import Iterator

from tests.cluster.errors import invalid
from tests.cluster.kinds import DEPLOYMENTS, PODS, REPLICASETS, SERVICES, Kind
from tests.cluster.objects import Object, at, labels_of, selects


def check(kind: Kind, thing: Object) -> None:
    """Raises ApiError 422 with the first rule that a defaulted object breaks."""
    for fault in _faults(kind, thing["spec"]) if kind in _RULED else ():
        raise invalid(f"{kind.kind} {at(thing, 'metadata', 'name', default='')!r} is invalid: {fault}")


_RULED = {DEPLOYMENTS, REPLICASETS, PODS, SERVICES}


def _faults(kind: Kind, spec: Object) -> Iterator[str]:
    if kind is PODS:
        yield from _pod(spec)
    if kind is SERVICES and not spec.get("ports") and spec.get("clusterIP") != "None":
        yield "spec.ports: Required value"
    if kind in {DEPLOYMENTS, REPLICASETS}:
        if not selects(spec.get("selector"), labels_of(spec["template"])):
            yield "spec.template.metadata.labels: `selector` does not match template `labels`"
        yield from (f"spec.template.{fault}" for fault in _pod({**_POD, **spec["template"]["spec"]}))
    if kind is DEPLOYMENTS:
        yield from _deployment(spec)


_POD = {"terminationGracePeriodSeconds": 30}


def _deployment(spec: Object) -> Iterator[str]:
    if spec["progressDeadlineSeconds"] <= spec["minReadySeconds"]:
        yield "spec.progressDeadlineSeconds: must be greater than minReadySeconds"
    rolling = at(spec, "strategy", "rollingUpdate", default={})
    if rolling and all(str(rolling[word]).rstrip("%") == "0" for word in ("maxSurge", "maxUnavailable")):
        yield "spec.strategy.rollingUpdate.maxUnavailable: may not be 0 when `maxSurge` is 0"


def _pod(spec: Object) -> Iterator[str]:
    grace = spec["terminationGracePeriodSeconds"]
    if grace < 0:
        yield "spec.terminationGracePeriodSeconds: must be greater than or equal to 0"
    if not spec.get("containers"):
        yield "spec.containers: Required value"
    for container in spec.get("containers") or ():
        sleep = at(container, "lifecycle", "preStop", "sleep", "seconds", default=0)
        if not 0 <= sleep <= grace:
            yield f"preStop.sleep: must be non-negative and at most terminationGracePeriodSeconds ({grace})"
