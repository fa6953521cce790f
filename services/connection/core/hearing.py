"""Whether this pod should still be sent devices although its live feed hears nothing.

Called by ears.py. A deaf pod goes on from the journal, seconds late; others that hear serve better. But when
all are deaf (Redis is failing over, or pub/sub is broken for everybody) nobody would be left, so only who is
deaf among hearing neighbours gives way. Pure: beats and facts in, a verdict out.
"""

from dataclasses import dataclass

from services.shared.model.hearing import Hearing
from services.shared.model.ids import NodeId
from services.shared.model.presence import Beats

STAYS_DEAF_S = 12.0
"""Three openings of the feed heard nothing: what passes by itself (a failover, a half-open socket) is over
by then.
"""
UNANSWERED = 5
"""Probes that Redis took in that time; fewer, and it is Redis that is away, not our ears."""
FRESH_MS = 6_000
"""Three beats: an older one says nothing of how its node hears now."""
HEARS = "hearing"
"""What a node calls it in its census: 1 or 0. Nodes of an earlier release do not say it."""


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The other nodes whose beat is fresh: how many say that they hear, and how many that they do not."""

    hearing: int
    deaf: int


NOBODY = Neighbours(0, 0)


def stays_deaf(own: Hearing) -> bool:
    """Whether opening the feed anew did not help, while Redis took its probes."""
    return own.silent_s >= STAYS_DEAF_S and own.unanswered >= UNANSWERED


def neighbours(beats: Beats, node: NodeId) -> Neighbours:
    """Count the others by what they said. Beats are compared with our own, which the same master stamped:
    without one of ours nothing is known. A beat stamped by an earlier master counts as old.
    """
    own = beats.get(node)
    if own is None:
        return NOBODY
    said = [
        beat.census[HEARS]
        for other, beat in beats.items()
        if other != node and abs(own.mark - beat.mark) <= FRESH_MS and HEARS in beat.census
    ]
    hearing = sum(map(bool, said))
    return Neighbours(hearing, len(said) - hearing)


def gives_way(own: Hearing, others: Neighbours) -> bool:
    """Whether new devices should go elsewhere: we stay deaf, and most others hear."""
    return stays_deaf(own) and others.hearing > others.deaf
