"""How many pods there shall be: the wish, how long it has lasted, and what may be done about it now.

Pure. The trend is kept in the fleet's status, so that a window outlives the operator: it tells since when
more, or fewer, pods are needed than run, and which number needed in that time is nearest to what runs. So is
the course, the way the number last went: a turn waits until the last one is a window ago. Only a fleet that
is nearly full grows all the same, as the next client would be refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from continuo_operator.arithmetic import fitting_drains, pods_needed
from continuo_operator.census import FULL_PERCENT, Census
from continuo_operator.snapshot import Deployment
from continuo_operator.spec import Course, Drain, FleetSpec, FleetStatus, Owner, Scaling, Trend
from continuo_operator.stamps import iso, seconds


@dataclass(frozen=True, slots=True)
class Wish:
    """Pods that are needed, within the bounds; `unbounded` is what would be without them."""

    pods: int
    unbounded: int


@dataclass(frozen=True, slots=True)
class Target:
    """Pods to have now, with the trend that says so and the course until now."""

    pods: int
    wish: Wish
    trend: Trend | None
    course: Course


def wish(spec: FleetSpec, census: Census, replicas: int) -> Wish:
    """From the connections, or as the owner of the scale subresource has it.

    What is only assumed of silent pods holds the number that runs, `replicas`, and never raises it: a new pod
    may be as silent, and would be assumed to need the next.
    """
    scaling = spec.scaling
    if scaling.owner is Owner.EXTERNAL:
        unbounded = spec.replicas
    else:
        told, assumed = _needed(scaling, census.connections), _needed(scaling, census.demand)
        unbounded = max(told, min(assumed, replicas))
    return Wish(min(max(unbounded, scaling.min), scaling.max), unbounded)


def target(spec: FleetSpec, census: Census, deployment: Deployment, before: FleetStatus) -> Target:
    """The number of pods to go to now; the deployment's own while nothing is due."""
    replicas = deployment.replicas
    wanted, course = wish(spec, census, replicas), _course(replicas, before.course, census.now)
    if spec.scaling.owner is Owner.EXTERNAL:
        return Target(wanted.pods, wanted, None, course)
    trend = _trend(wanted.pods, replicas, before.trend, census.now)
    due = trend is not None and _is_due(spec, trend, replicas, census.now)
    if trend is None or not due or not _may_turn(spec, census, course, trend):
        return Target(replicas, wanted, trend, course)
    return Target(_stepped(spec, trend, replicas), wanted, trend, course)


def crowded(spec: FleetSpec, census: Census, replicas: int) -> bool:
    """Whether so many pods together are nearly full: soon somebody is refused."""
    room = replicas * spec.drain.capacity_per_pod
    return census.demand * 100 >= room * FULL_PERCENT


def window(drain: Drain) -> int:
    """Seconds a pod has for its closes."""
    return drain.deadline_seconds - drain.propagation_seconds


def most_drains(drain: Drain) -> int:
    """How many full pods may be emptied together within the fleet's rate; one always may."""
    fit = fitting_drains(
        capacity=drain.capacity_per_pod, fleet_rate=drain.fleet_rate_per_second, window=window(drain)
    )
    return max(1, fit)


def _needed(scaling: Scaling, connections: int) -> int:
    return pods_needed(
        connections=connections,
        headroom_percent=scaling.headroom_percent,
        target=scaling.target_connections_per_pod,
    )


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


def _course(replicas: int, before: Course | None, now: float) -> Course:
    """Read off the number itself, so a turn is known whoever made it, and whoever died after it."""
    if before is None:
        return Course(replicas=replicas)
    if replicas == before.replicas:
        return before
    went: Literal["Up", "Down"] = "Up" if replicas > before.replicas else "Down"
    turned = before.direction not in {"Still", went}
    since = iso(math.ceil(now)) if turned else before.since
    return Course(replicas=replicas, direction=went, since=since)


def _is_due(spec: FleetSpec, trend: Trend, replicas: int, now: float) -> bool:
    """Whether the need lasted its window; outside the bounds nothing is waited for."""
    scaling = spec.scaling
    lasted = now - (seconds(trend.since) or now)
    if trend.direction == "Up":
        return lasted >= scaling.up.window_seconds or replicas < scaling.min
    return lasted >= scaling.down.window_seconds or replicas > scaling.max


def _may_turn(spec: FleetSpec, census: Census, course: Course, trend: Trend) -> bool:
    """Whether it is no turn, or the last one is a window ago, or it cannot wait."""
    if course.direction in {"Still", trend.direction}:
        return True
    since, scaling = seconds(course.since), spec.scaling
    if since is None or census.now - since >= scaling.down.window_seconds:
        return True
    if trend.direction == "Up":
        return course.replicas < scaling.min or crowded(spec, census, course.replicas)
    return course.replicas > scaling.max


def _stepped(spec: FleetSpec, trend: Trend, replicas: int) -> int:
    if trend.direction == "Up":
        return min(trend.bound, replicas + spec.scaling.up.max_step)
    return max(trend.bound, replicas - spec.scaling.down.max_step)
