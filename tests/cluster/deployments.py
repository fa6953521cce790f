"""The Deployment controller: one ReplicaSet per template, and rolling updates between them."""

import hashlib
import json
from dataclasses import dataclass

from tests.cluster.caches import Controller
from tests.cluster.deployment_status import reported
from tests.cluster.kinds import DEPLOYMENTS, REPLICASETS
from tests.cluster.objects import (
    Object,
    annotations_of,
    at,
    controller_of,
    copied,
    is_going,
    labels_of,
    name_of,
    namespace_of,
    owner_reference,
    uid_of,
)
from tests.cluster.rolling import new_size, old_cuts, resolved, shares
from tests.cluster.store import Event, Key

HASH = "pod-template-hash"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX = "deployment.kubernetes.io/max-replicas"
REVISION = "deployment.kubernetes.io/revision"


@dataclass(slots=True)
class Rollout:
    """One Deployment with its sets, as the controller sees them now."""

    deployment: Object
    new: Object | None
    old: list[Object]

    @property
    def replicas(self) -> int:
        return int(self.deployment["spec"]["replicas"])

    @property
    def bounds(self) -> tuple[int, int]:
        """Surge and unavailable, as counts."""
        rolling = at(self.deployment, "spec", "strategy", "rollingUpdate", default={})
        return resolved(rolling.get("maxSurge", "25%"), rolling.get("maxUnavailable", "25%"), self.replicas)

    @property
    def all(self) -> list[Object]:
        return [*self.old, self.new] if self.new else self.old

    @property
    def revision(self) -> int:
        """The newest template's number: one more than any other's, also when an old one is gone back to."""
        return max([_revision(each) for each in self.old], default=0) + 1


class Deployments(Controller):
    """Pods on their way out count neither as surge nor as unavailable:

    It looks only at what sets ask for and have.
    """

    kinds = (DEPLOYMENTS, REPLICASETS)

    def on(self, event: Event) -> None:
        thing = event.thing
        if event.kind is DEPLOYMENTS:
            self.ask((namespace_of(thing), name_of(thing)))
            return
        for each in self.cache.all(DEPLOYMENTS, namespace_of(thing)):
            if uid_of(each) == controller_of(thing):
                self.ask((namespace_of(each), name_of(each)))

    def look(self, key: Key) -> None:
        deployment = self.cache.find(DEPLOYMENTS, key)
        if deployment is None or is_going(deployment):
            return
        sets = [s for s in self.cache.all(REPLICASETS, key[0]) if controller_of(s) == uid_of(deployment)]
        sets.sort(key=lambda each: (each["metadata"]["creationTimestamp"], name_of(each)))
        new = next((s for s in sets if labels_of(s)[HASH] == template_hash(deployment)), None)
        rollout = Rollout(deployment, new, [s for s in sets if s is not new])
        if new is not None and self._number(rollout):
            return
        if self._was_scaled(rollout):
            self._scale(rollout)
        elif not deployment["spec"].get("paused"):
            self._roll(rollout)
        self._report(rollout)

    def _number(self, rollout: Rollout) -> bool:
        """Write the newest revision's number where it is not written yet; one write at a time."""
        new = rollout.new
        assert new is not None
        number = max(_revision(new), rollout.revision)
        for kind, thing in ((REPLICASETS, new), (DEPLOYMENTS, rollout.deployment)):
            if _revision(thing) != number:
                notes = {**annotations_of(thing), REVISION: str(number)}
                self.store.replace(
                    kind, {**thing, "metadata": {**thing["metadata"], "annotations": notes}}, self.name
                )
                return True
        return False

    def _was_scaled(self, rollout: Rollout) -> bool:
        active = [each for each in rollout.all if each["spec"]["replicas"] > 0]
        return any(annotations_of(each).get(DESIRED) != str(rollout.replicas) for each in active)

    def _roll(self, rollout: Rollout) -> None:
        surge, unavailable = rollout.bounds
        if rollout.new is None:
            total = sum(each["spec"]["replicas"] for each in rollout.old)
            rollout.new = self._create(rollout, new_size(rollout.replicas, surge, 0, total))
            return
        total = sum(each["spec"]["replicas"] for each in rollout.all)
        size = new_size(rollout.replicas, surge, rollout.new["spec"]["replicas"], total)
        if self._size(rollout, rollout.new, size):
            return
        cuts = old_cuts(
            rollout.replicas, unavailable, _counts(rollout.new), [_counts(each) for each in rollout.old]
        )
        for each, cut in zip(rollout.old, cuts, strict=True):
            if cut:
                self._size(rollout, each, each["spec"]["replicas"] - cut)

    def _scale(self, rollout: Rollout) -> None:
        active = [each for each in rollout.all if each["spec"]["replicas"] > 0]
        if len(active) <= 1:
            self._size(rollout, (active or rollout.all)[0], rollout.replicas)
            return
        new = rollout.new
        if new and new["spec"]["replicas"] == rollout.replicas == at(new, "status", "availableReplicas"):
            for each in rollout.old:
                self._size(rollout, each, 0)
            self._size(rollout, new, rollout.replicas)
            return
        growing = rollout.replicas + rollout.bounds[0] >= sum(s["spec"]["replicas"] for s in active)
        order = sorted(active, key=lambda s: -s["spec"]["replicas"])
        order = sorted(order, key=lambda s: (-s["spec"]["replicas"], s is not new if growing else s is new))
        sizes = [each["spec"]["replicas"] for each in order]
        written = [int(annotations_of(each).get(MAX, "0")) for each in order]
        for each, size in zip(
            order, shares(sizes, written, rollout.replicas, rollout.bounds[0]), strict=True
        ):
            self._size(rollout, each, size)

    def _size(self, rollout: Rollout, each: Object, size: int) -> bool:
        """Ask a set for so many, and note for how large a whole; False: it was so already."""
        spec = {**each["spec"], "replicas": size}
        if each is rollout.new:
            spec["minReadySeconds"] = rollout.deployment["spec"]["minReadySeconds"]
        metadata = {**each["metadata"], "annotations": {**annotations_of(each), **_notes(rollout)}}
        if spec == each["spec"] and metadata == each["metadata"]:
            return False
        self.store.replace(REPLICASETS, {**each, "spec": spec, "metadata": metadata}, self.name)
        return True

    def _create(self, rollout: Rollout, size: int) -> Object:
        deployment = rollout.deployment
        label = {HASH: template_hash(deployment)}
        template = copied(deployment["spec"]["template"])
        template["metadata"] = {**template.get("metadata", {}), "labels": {**labels_of(template), **label}}
        wanted = {**at(deployment, "spec", "selector", "matchLabels", default={}), **label}
        spec = {
            "replicas": size,
            "minReadySeconds": deployment["spec"]["minReadySeconds"],
            "selector": {"matchLabels": wanted},
            "template": template,
        }
        metadata = {
            "name": f"{name_of(deployment)}-{label[HASH]}",
            "namespace": namespace_of(deployment),
            "labels": labels_of(template),
            "annotations": {**_notes(rollout), REVISION: str(rollout.revision)},
            "ownerReferences": [owner_reference(deployment)],
        }
        return self.store.create(REPLICASETS, {"metadata": metadata, "spec": spec}, self.name)

    def _report(self, rollout: Rollout) -> None:
        deployment = rollout.deployment
        status, again = reported(deployment, rollout.new, rollout.old, rollout.bounds[1], self.world)
        if status != deployment.get("status"):
            self.store.replace(DEPLOYMENTS, {**deployment, "status": status}, self.name, "status")
        if again is not None:
            self.ask_at((namespace_of(deployment), name_of(deployment)), self.world.now + again + 0.01)


def template_hash(deployment: Object) -> str:
    """The same for equal templates: so going back finds the old set again."""
    text = json.dumps(deployment["spec"]["template"], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def _revision(thing: Object) -> int:
    return int(annotations_of(thing).get(REVISION, "0"))


def _counts(each: Object) -> tuple[int, int]:
    return each["spec"]["replicas"], at(each, "status", "availableReplicas", default=0)


def _notes(rollout: Rollout) -> dict[str, str]:
    whole = rollout.replicas + rollout.bounds[0] if rollout.replicas else 0
    return {DESIRED: str(rollout.replicas), MAX: str(whole)}
