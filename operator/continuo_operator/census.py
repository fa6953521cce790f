"""Who is there and how many connections there are: the one reading of a snapshot that all decisions share.

Unknown is full: a pod whose report is missing or old is no victim, is no capacity, and counts for demand with
what it last said, at least with its target while it is ready. This holds the number of pods and never
raises it: only what is told now does, for the clients of a pod that fell silent may be counted elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from continuo_operator.arithmetic import STARTUP_S
from continuo_operator.snapshot import Pod, Policy, Snapshot

FULL_PERCENT = 90
"""A pod that is not ready and as full as this is not ready because it is full."""
NAMED = 3


@dataclass(frozen=True)
class Frozen:
    """Why the fleet may not be shrunk now."""

    reason: str
    message: str


@dataclass(frozen=True)
class Census:
    """The snapshot's pods, counted."""

    snapshot: Snapshot
    policy: Policy
    now: float

    @cached_property
    def alive(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.snapshot.pods if pod.alive)

    @cached_property
    def leaving(self) -> tuple[Pod, ...]:
        """Told to end, and still there; on a dead node an object stays when its pod cannot be any more."""
        going = (pod for pod in self.snapshot.pods if pod.deleted is not None and not pod.finished)
        return tuple(pod for pod in going if self.known(pod) or not self._outlived(pod))

    @cached_property
    def current(self) -> tuple[Pod, ...]:
        deployment = self.snapshot.deployment
        revision = deployment.revision if deployment else None
        return tuple(pod for pod in self.alive if pod.revision == revision)

    @cached_property
    def old(self) -> tuple[Pod, ...]:
        names = {pod.name for pod in self.current}
        return tuple(pod for pod in self.alive if pod.name not in names)

    @cached_property
    def missing(self) -> int:
        """Pods that are asked for and that nobody has made, as under a quota: to give them up moves nobody.

        Counted by whoever sees more, our watch or the Deployment's controller; none in a rollout.
        """
        deployment = self.snapshot.deployment
        if deployment is None or deployment.counted is None or self.old:
            return 0
        return max(0, deployment.replicas - max(len(self.current), deployment.counted))

    @cached_property
    def demand(self) -> int:
        """Connections there are or may be, those being drained among them."""
        return sum(self._demand_of(pod) for pod in (*self.alive, *self.leaving))

    @property
    def connections(self) -> int:
        """Connections that are told now; an old word is in `demand` alone."""
        return sum(self.connections_of(pod) for pod in (*self.alive, *self.leaving) if self.known(pod))

    def known(self, pod: Pod) -> bool:
        fresh = pod.reported is not None and self.now - pod.reported <= self.policy.stale_after_s
        return pod.report is not None and fresh

    def connections_of(self, pod: Pod) -> int:
        return pod.report.connections if pod.report else 0

    def full(self, pod: Pod) -> bool:
        report = pod.report
        return bool(report and report.capacity and report.connections * 100 >= report.capacity * FULL_PERCENT)

    def serving(self, pod: Pod) -> bool:
        """Whether it takes new connections, or would if it were not full."""
        open_door = pod.accepts and pod.alive and self.known(pod)
        return open_door and not (pod.report and pod.report.cordoned) and (pod.ready or self.full(pod))

    def emptied(self, pod: Pod) -> bool:
        """Cordoned, by its plan, with nobody left and not ready: it can die unnoticed."""
        if not pod.runs:
            return not pod.accepts and not pod.ready
        report = pod.report
        if report is None or not self.known(pod):
            return False
        return report.cordoned and report.plan == pod.plan and not report.connections and not pod.ready

    @cached_property
    def unknown(self) -> tuple[Pod, ...]:
        """Pods that serve, or did, and do not say how many."""
        silent = [pod for pod in self.alive if not self.known(pod)]
        return tuple(pod for pod in silent if pod.ready or (pod.runs and pod.report is not None))

    @cached_property
    def frozen(self) -> Frozen | None:
        """What forbids to shrink the fleet or to move anybody."""
        return self._frozen(self.unknown)

    @cached_property
    def no_takeover(self) -> Frozen | None:
        """What forbids a takeover: as `frozen`, but a pod that takes nobody may be silent.

        It counts with its last word, and an upgrade may be what mends it.
        """
        return self._frozen(tuple(pod for pod in self.unknown if pod.ready))

    def _frozen(self, unknown: tuple[Pod, ...]) -> Frozen | None:
        if unknown:
            return Frozen("CensusStale", f"no answer from {_names(unknown)}")
        if away := [pod for pod in self.alive if pod.ready and pod.report and not pod.report.redis]:
            return Frozen("RedisAway", f"Redis does not answer {_names(away)}")
        unready = [pod for pod in self._settled() if not pod.ready and not self.full(pod)]
        if len(unready) > 1 and len(unready) * 100 >= len(self._settled()) * self.policy.unready_percent:
            return Frozen("PodsUnready", f"not ready: {_names(unready)}")
        return None

    def _settled(self) -> list[Pod]:
        """Pods that nobody is emptying and that had the time to start."""
        return [pod for pod in self.alive if pod.accepts and self.now - pod.created > STARTUP_S]

    def _outlived(self, pod: Pod) -> bool:
        return pod.ends is not None and self.now > pod.ends + self.policy.ending_slack_s

    def _demand_of(self, pod: Pod) -> int:
        reported = self.connections_of(pod)
        if pod.alive and pod.ready and not self.known(pod):
            return max(reported, self.snapshot.fleet.spec.scaling.target_connections_per_pod)
        return reported


def _names(pods: list[Pod] | tuple[Pod, ...]) -> str:
    names = sorted(pod.name for pod in pods)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
