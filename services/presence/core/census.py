"""What the living nodes hold together: the sum of what each says with its beat.

Called by `beats` for metrics and /health. A dead node's census counts no more, though Redis may still
remember it.
"""

from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from services.shared.model.ids import NodeId
from services.shared.model.presence import Beats


@dataclass(frozen=True, slots=True)
class Census:
    """Sums over `nodes` living nodes, by the name the nodes gave each number (connections, subscriptions,
    ...).
    """

    nodes: int
    totals: Mapping[str, int]


NOBODY = Census(0, {})


def take(beats: Beats, alive: AbstractSet[NodeId]) -> Census:
    """Add up what the living nodes reported."""
    totals: Counter[str] = Counter()
    for node in alive & beats.keys():
        totals.update(beats[node].census)
    return Census(len(alive), dict(totals))
