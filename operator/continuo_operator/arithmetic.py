"""The sums of draining, once and pure. The chart's template does the same; a test holds the two equal.

Letters as in docs/operator.md: C connections a pod admits, r and R most closes a second of a pod and of the
fleet, N pods. Everything is in whole seconds, rounded up.
"""

from __future__ import annotations

from dataclasses import dataclass

PRE_STOP_S = 2
FLUSH_S = 5
"""For the last closing handshakes."""
MARGIN_S = 10
READY_SPREAD_S = 15
"""Between the first and the last new pod of a rollout."""
REACTION_S = 10
"""Until the operator saw new pods and took the old ones out."""
STARTUP_S = 60
MIN_PROGRESS_S = 600
"""Least time for progress: a first start pulls images and may wait for Redis to be there."""
HELM_SLACK_S = 60
MAX_GRACE_S = 600


@dataclass(frozen=True, slots=True)
class Times:
    """What the Deployment and `helm --timeout` are given, in seconds."""

    drain: int
    grace: int
    min_ready: int
    progress_deadline: int
    helm_timeout: int


class Infeasible(ValueError):
    """The numbers do not fit together; the message holds the sum."""


def drain_seconds(*, capacity: int, pod_rate: int, fleet_rate: int, pods: int) -> int:
    """D: what `pods` full pods need to be emptied together, max(C/r, N * C/R)."""
    return max(_up(capacity, pod_rate), _up(pods * capacity, fleet_rate))


def times(
    *,
    capacity: int,
    pod_rate: int,
    fleet_rate: int,
    max_pods: int,
    propagation: int,
    max_grace: int = MAX_GRACE_S,
    with_operator: bool = True,
    surge: str | int = "100%",
) -> Times:
    """All times of the chart. Raises Infeasible with the sum when a pod's grace exceeds `max_grace`.

    Each batch of a rollout has to start and be held for `min_ready`; the deadline of its progress is of one.
    Helm takes a passed deadline for the end of all, and so has to wait longer than that.
    """
    drain = drain_seconds(capacity=capacity, pod_rate=pod_rate, fleet_rate=fleet_rate, pods=max_pods)
    grace = PRE_STOP_S + propagation + drain + FLUSH_S + MARGIN_S
    if grace > max_grace:
        raise Infeasible(
            f"preStop {PRE_STOP_S} + propagation {propagation} + drain {drain} + flush {FLUSH_S} + margin "
            f"{MARGIN_S} = {grace} s is more than maxGraceSeconds {max_grace}; drain is max(C/r = "
            f"{capacity}/{pod_rate}, Nmax*C/R = {max_pods}*{capacity}/{fleet_rate})"
        )
    min_ready = READY_SPREAD_S + (REACTION_S + propagation + drain if with_operator else 0)
    progress = max(MIN_PROGRESS_S, min_ready + STARTUP_S + grace)
    whole = batches(pods=max_pods, surge=surge_pods(surge, max_pods)) * (min_ready + STARTUP_S)
    return Times(drain, grace, min_ready, progress, max(whole + grace, progress) + HELM_SLACK_S)


def pods_needed(*, connections: int, headroom_percent: int, target: int) -> int:
    """Pods that hold `connections` plus headroom at `target` each."""
    return _up(connections * (100 + headroom_percent), 100 * target)


def fitting_drains(*, capacity: int, fleet_rate: int, window: int) -> int:
    """How many full pods the fleet's rate empties within `window`; 0: not even one."""
    return window * fleet_rate // capacity


def expected_hops(*, pods: int, surge: int) -> float:
    """How often a client reconnects on average when `pods` are replaced `surge` at a time, places at random.

    A batch of j of N pods spreads what it holds over all N pods, so each of them then holds 1 + j/N times as
    much; the last batch may be smaller. 1.0 at k = N, 1.59 at one of ten, 1.42 at three of ten.
    """
    closed, held, left = 0.0, 1.0, pods
    while left > 0:
        batch = min(max(surge, 1), left)
        closed += batch * held
        held *= 1 + batch / pods
        left -= batch
    return closed / pods if pods > 0 else 0.0


def batches(*, pods: int, surge: int) -> int:
    """In how many parts `pods` are replaced `surge` at a time."""
    return _up(pods, max(1, min(surge, pods)))


def surge_pods(surge: str | int, pods: int) -> int:
    """A Deployment's maxSurge as pods; a percentage is rounded up, as Kubernetes does."""
    if isinstance(surge, str) and surge.endswith("%"):
        return _up(int(surge[:-1]) * pods, 100)
    return int(surge)


def _up(amount: int, per: int) -> int:
    return -(-amount // per)
