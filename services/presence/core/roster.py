"""Which nodes live: beats and elapsed time in, transitions out.

Called by `beats`. Silence is counted only over time in which beats could be read, and at most one step a
look: while Redis fails over nobody can beat, and while this process is frozen it sees none, and neither may
declare every pod dead. The price is known: a watcher that just started needs the whole `dead_after_ms`
before its first verdict.

    (unknown) --beat--> ALIVE --silent for dead_after_ms--> DEAD --beat--> ALIVE
                          |                                   |
                          +------------- struck off ----------+--> (unknown)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from services.shared.model.ids import NodeId
from services.shared.model.presence import Beats

CONDEMNED = 0
"""The mark of a node that a replica declared dead and began to reap: any replica may go on."""


class Change(StrEnum):
    """What can happen to a node, as a watcher sees it."""

    ARRIVED = "arrived"
    DIED = "died"
    RETURNED = "returned"
    STRUCK_OFF = "struck off"


@dataclass(frozen=True, slots=True)
class Transition:
    """One node changed its state."""

    node: NodeId
    change: Change


@dataclass(frozen=True, slots=True)
class Watched:
    """A node under watch: its latest beat, and for how long no other one came."""

    mark: int
    silent_ms: int
    dead: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """dead_after_ms: silence that means death. step_ms: the most silence one look can add."""

    dead_after_ms: int
    step_ms: int


@dataclass(frozen=True, slots=True)
class NodeRoster:
    """All nodes under watch; a value, made anew by every look."""

    nodes: Mapping[NodeId, Watched] = field(default_factory=dict)

    @property
    def alive(self) -> frozenset[NodeId]:
        """Nodes whose beat is fresh."""
        return frozenset(node for node, watched in self.nodes.items() if not watched.dead)

    @property
    def dead(self) -> Mapping[NodeId, int]:
        """Nodes to be reaped, with the beat they were judged by; they stay here until they are struck off
        or return.
        """
        return {node: watched.mark for node, watched in self.nodes.items() if watched.dead}


def look(
    roster: NodeRoster, beats: Beats, elapsed_ms: int, limits: Limits
) -> tuple[NodeRoster, tuple[Transition, ...]]:
    """Judge all nodes by their latest beats, `elapsed_ms` after the last look that could read any."""
    step = min(max(elapsed_ms, 0), limits.step_ms)
    nodes: dict[NodeId, Watched] = {}
    transitions: list[Transition] = []
    for node, beat in beats.items():
        before = roster.nodes.get(node)
        nodes[node] = after = _judged(before, beat.mark, step, limits)
        if change := _change(before, after):
            transitions.append(Transition(node, change))
    struck = (node for node in roster.nodes if node not in beats)
    transitions.extend(Transition(node, Change.STRUCK_OFF) for node in struck)
    return NodeRoster(nodes), tuple(transitions)


def _judged(before: Watched | None, mark: int, step: int, limits: Limits) -> Watched:
    if mark == CONDEMNED:
        return Watched(mark, limits.dead_after_ms, dead=True)
    if before is None or before.mark != mark:
        return Watched(mark, 0, dead=False)
    silent_ms = before.silent_ms + step
    return replace(before, silent_ms=silent_ms, dead=silent_ms >= limits.dead_after_ms)


def _change(before: Watched | None, after: Watched) -> Change | None:
    if before is None:
        return Change.ARRIVED
    if before.dead == after.dead:
        return None
    return Change.DIED if after.dead else Change.RETURNED
