"""Which nodes live: beats and elapsed time in, transitions out.

Called by `beats`. Silence is counted only over time in which beats could be read, and at most one step a
look: while Redis fails over nobody can beat, and while this process is frozen it sees none, and neither may
declare every pod dead. The price is known: a watcher that just started needs the whole `dead_after_ms`
before its first verdict.

Leaves are held back after such an interruption: who came back meanwhile may have no seat yet, because the pod
could not write it. `NodeRoster.calm` says when every living node was heard again, and some time is over.
A watcher whose looks are always late would take each for one, and hold leaves back for good: after some in a
row it takes them for its own slowness, as long as they are not later than any round can be.

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
MOST_STALLS = 5
"""So many looks in a row that come late, with no calm in between, are interruptions; those behind are not."""
LONGEST_STEPS = 5
"""What takes longer than so many steps is an interruption in any case."""


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
    """A node under watch: its latest beat, and for how long no other one came. heard: it beat since the last
    interruption.
    """

    mark: int
    silent_ms: int
    dead: bool
    heard: bool = True


@dataclass(frozen=True, slots=True)
class Limits:
    """dead_after_ms: silence that means death. step_ms: the most silence one look can add; more time than
    that between two looks is an interruption. settle_ms: for so long after one no leave is announced.
    """

    dead_after_ms: int
    step_ms: int
    settle_ms: int = 0


@dataclass(frozen=True, slots=True)
class NodeRoster:
    """All nodes under watch; a value, made anew by every look."""

    nodes: Mapping[NodeId, Watched] = field(default_factory=dict)
    settling_ms: int | None = None
    """How long no leave is announced yet, whatever is heard; None before the first look."""
    stalls: int = 0
    """How many looks came late since one was in time and found all calm."""

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

    @property
    def calm(self) -> bool:
        """Whether seats are as up to date as they get, so that who has none may be said to have left."""
        heard = all(watched.heard or watched.dead for watched in self.nodes.values())
        return self.settling_ms == 0 and heard


def look(
    roster: NodeRoster, beats: Beats, elapsed_ms: int, limits: Limits
) -> tuple[NodeRoster, tuple[Transition, ...]]:
    """Judge all nodes by their latest beats, `elapsed_ms` after the last look that could read any."""
    step = min(max(elapsed_ms, 0), limits.step_ms)
    interrupted, stalls = _stalled(roster, elapsed_ms, limits)
    settling_ms = limits.settle_ms if interrupted else max(0, (roster.settling_ms or 0) - step)
    nodes: dict[NodeId, Watched] = {}
    transitions: list[Transition] = []
    for node, beat in beats.items():
        before = roster.nodes.get(node)
        after = _judged(before, beat.mark, step, limits)
        heard = _heard(before, after, interrupted=interrupted, late=elapsed_ms > limits.step_ms)
        nodes[node] = replace(after, heard=heard)
        if change := _change(before, after):
            transitions.append(Transition(node, change))
    struck = (node for node in roster.nodes if node not in beats)
    transitions.extend(Transition(node, Change.STRUCK_OFF) for node in struck)
    return NodeRoster(nodes, settling_ms, stalls), tuple(transitions)


def _stalled(roster: NodeRoster, elapsed_ms: int, limits: Limits) -> tuple[bool, int]:
    """Whether this look ends an interruption, and how many have come late by now."""
    if roster.settling_ms is None or elapsed_ms > LONGEST_STEPS * limits.step_ms:
        return True, 0
    if elapsed_ms <= limits.step_ms:
        return False, 0 if roster.calm else roster.stalls
    return roster.stalls < MOST_STALLS, min(MOST_STALLS, roster.stalls + 1)


def _judged(before: Watched | None, mark: int, step: int, limits: Limits) -> Watched:
    if mark == CONDEMNED:
        return Watched(mark, limits.dead_after_ms, dead=True)
    if before is None or before.mark != mark:
        return Watched(mark, 0, dead=False)
    silent_ms = before.silent_ms + step
    return replace(before, silent_ms=silent_ms, dead=silent_ms >= limits.dead_after_ms)


def _heard(before: Watched | None, after: Watched, *, interrupted: bool, late: bool) -> bool:
    """A beat that was read at the end of an interruption may be one from before it. In a round that was only
    slow, who lives beat.
    """
    if interrupted:
        return False
    return before is None or before.mark != after.mark or (before.heard and not late)


def _change(before: Watched | None, after: Watched) -> Change | None:
    if before is None:
        return Change.ARRIVED
    if before.dead == after.dead:
        return None
    return Change.DIED if after.dead else Change.RETURNED
