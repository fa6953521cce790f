"""Whether a group may change its master on purpose just now, and which replicas still lack something.

Called by `failover`. Pure: what servers said in, words out; must never ask one itself.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from services.shared.bus.examine import Address, Replication, SentinelView

_UNSETTLED = frozenset({"failover_in_progress", "s_down", "o_down"})


@dataclass(frozen=True, slots=True)
class Group:
    """What the Sentinels and the data servers said.

    views: by Sentinel; None where it did not answer. replicas: every replica a Sentinel could choose; None
    where it did not answer. forbidden: commands that this user may not give.
    """

    views: Mapping[Address, SentinelView | None]
    master: Replication | None
    replicas: Mapping[Address, Replication | None]
    forbidden: tuple[str, ...] = ()

    @property
    def seen(self) -> list[SentinelView]:
        return [view for view in self.views.values() if view is not None]

    @property
    def majority(self) -> int:
        """So many Sentinels have to agree, by the number they know of each other."""
        known = max((view.other_sentinels + 1 for view in self.seen), default=0)
        return max(len(self.views), known) // 2 + 1


def unfit(group: Group) -> list[str]:
    """Every reason why a failover now could lose something or get stuck; none when it is safe."""
    if len(group.seen) < group.majority:
        return [f"{len(group.seen)} of {len(group.views)} Sentinels answer, {group.majority} have to agree"]
    return [*_of_sentinels(group), *_of_master(group), *_of_replicas(group), *_of_rights(group)]


def _of_sentinels(group: Group) -> Iterator[str]:
    if len({view.master for view in group.seen}) > 1:
        yield "the Sentinels name different masters: a failover is under way"
    if not all(view.quorum_reachable for view in group.seen):
        yield "the Sentinels do not reach their quorum"
    if flags := sorted({flag for view in group.seen for flag in view.flags & _UNSETTLED}):
        yield f"a Sentinel says of the master: {', '.join(flags)}"


def _of_master(group: Group) -> Iterator[str]:
    if group.master is None:
        yield "the master does not answer"
    elif group.master.role != "master":
        yield f"the server named as master says it is a {group.master.role}: a failover is under way"


def _of_replicas(group: Group) -> Iterator[str]:
    if not group.replicas:
        yield "no replica could become master"
    for address, said in group.replicas.items():
        # The Sentinels choose by what they heard up to ten seconds ago: each of them has to be good.
        if said is None:
            yield f"replica {name(address)} does not answer and could be chosen"
        elif said.role != "slave":
            yield f"replica {name(address)} says it is a {said.role}"
        elif not said.link_up:
            yield f"replica {name(address)} has no link to the master and could be chosen"
        elif group.master is not None and said.master_replid != group.master.master_replid:
            yield f"replica {name(address)} follows another history and could be chosen"


def _of_rights(group: Group) -> Iterator[str]:
    if group.forbidden:
        yield f"this Redis user may not give {', '.join(group.forbidden)}"


def behind(offset: int, replicas: Mapping[Address, Replication | None]) -> list[Address]:
    """The replicas that do not hold everything up to this offset."""
    return [address for address, said in replicas.items() if said is None or said.offset < offset]


def agreed(named: list[Address | None], majority: int, old: Address) -> Address | None:
    """The new master, once so many Sentinels name the same one that is not the old."""
    others = [address for address in named if address is not None and address != old]
    found = max(others, key=others.count, default=None)
    return found if found is not None and others.count(found) >= majority else None


def name(address: Address) -> str:
    return f"{address[0]}:{address[1]}"
