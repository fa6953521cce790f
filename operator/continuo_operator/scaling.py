"""How many pods there shall be: the wish, how long it has lasted, and what may be done about it now.

Pure. The trend is kept in the fleet's status, so that a window outlives the operator: it tells since when
more, or fewer, pods are needed than run, and which number needed in that time is nearest to what runs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from continuo_operator.arithmetic import fitting_drains, pods_needed
from continuo_operator.census import Census
from continuo_operator.snapshot import Deployment
from continuo_operator.spec import Drain, FleetSpec, Owner, Scaling, Trend
from continuo_operator.stamps import iso, seconds


@dataclass(frozen=True, slots=True)
class Wish:
    """Pods that are needed, within the bounds; `unbounded` is what would be without them."""

    pods: int
    unbounded: int


@dataclass(frozen=True, slots=True)
class Target:
    """Pods to have now, with the trend that says so."""

    pods: int
    wish: Wish
    trend: Trend | None


def wish(spec: FleetSpec, census: Census) -> Wish:
    """From the connections, or as the owner of the scale subresource has it."""
    scaling = spec.scaling
    if scaling.owner is Owner.EXTERNAL:
        unbounded = spec.replicas
    else:
        unbounded = pods_needed(
            connections=census.demand,
            headroom_percent=scaling.headroom_percent,
            target=scaling.target_connections_per_pod,
        )
    return Wish(min(max(unbounded, scaling.min), scaling.max), unbounded)


def target(spec: FleetSpec, census: Census, deployment: Deployment, before: Trend | None) -> Target:
    """The number of pods to go to now; the deployment's own while nothing is due."""
    wanted = wish(spec, census)
    if spec.scaling.owner is Owner.EXTERNAL:
        return Target(wanted.pods, wanted, None)
    trend = _trend(wanted.pods, deployment.replicas, before, census.now)
    pods = _due(spec.scaling, trend, deployment.replicas, census.now)
    return Target(pods, wanted, trend)


def window(drain: Drain) -> int:
    """Seconds a pod has for its closes."""
    return drain.deadline_seconds - drain.propagation_seconds


def most_drains(drain: Drain) -> int:
    """How many full pods may be emptied together within the fleet's rate; one always may."""
    fit = fitting_drains(
        capacity=drain.capacity_per_pod, fleet_rate=drain.fleet_rate_per_second, window=window(drain)
    )
    return max(1, fit)


def _trend(wanted: int, replicas: int, before: Trend | None, now: float) -> Trend | None:
    if wanted == replicas:
        return None
    if wanted > replicas:
        if before and before.direction == "Up" and before.bound > replicas:
            return Trend(direction="Up", since=before.since, bound=min(before.bound, wanted))
        return Trend(direction="Up", since=iso(math.ceil(now)), bound=wanted)
    if before and before.direction == "Down" and before.bound < replicas:
        return Trend(direction="Down", since=before.since, bound=max(before.bound, wanted))
    return Trend(direction="Down", since=iso(math.ceil(now)), bound=wanted)


def _due(scaling: Scaling, trend: Trend | None, replicas: int, now: float) -> int:
    if trend is None:
        return replicas
    lasted = now - (seconds(trend.since) or now)
    if trend.direction == "Up":
        due = lasted >= scaling.up.window_seconds or replicas < scaling.min
        return min(trend.bound, replicas + scaling.up.max_step) if due else replicas
    due = lasted >= scaling.down.window_seconds or replicas > scaling.max
    return max(trend.bound, replicas - scaling.down.max_step) if due else replicas
