"""What is wrong with a key: judged by its row of the table. Called by `inventory`; pure, facts to faults.

A key is well when it is known, of its row's type, in its owner's partition, with an owner that is there, with
a TTL where its row demands one, and within its bound.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from services.shared.bus.key_row import Row
from services.shared.bus.key_table import Match
from services.shared.model.ids import partition_of

NO_TTL = -1
"""What PTTL says of a key that stays."""


class Wrong(StrEnum):
    """What can be wrong, in the words of the report."""

    UNKNOWN = "unknown"
    TYPE = "of another type"
    MISPLACED = "in a partition that is not its owner's"
    STAYS = "without TTL"
    ORPHAN = "without owner"
    LONG = "above its bound"


@dataclass(frozen=True, slots=True)
class Fact:
    """A key as it was found. length: of a stream, list, hash, set; 0 of others. owned: its owner is there.

    gone: conversations it names that are not there. size: bytes it takes, None where it was not weighed.
    """

    key: str
    match: Match | None
    type: str
    ttl_ms: int
    length: int
    owned: bool = True
    gone: tuple[str, ...] = ()
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with one key."""

    key: str
    wrong: Wrong
    detail: str = ""


def judge(fact: Fact, limits: Mapping[str, int], partitions: int) -> Iterator[Fault]:
    """Everything that is wrong with a key. limits: bounds by the names the table has for them."""
    if fact.match is None:
        yield Fault(fact.key, Wrong.UNKNOWN, fact.type)
        return
    row = fact.match.row
    if fact.type != row.type:
        yield Fault(fact.key, Wrong.TYPE, f"{fact.type}, not {row.type}")
    if not _placed(fact.match, partitions):
        yield Fault(fact.key, Wrong.MISPLACED)
    if row.expires and fact.ttl_ms == NO_TTL:
        yield Fault(fact.key, Wrong.STAYS)
    if not fact.owned:
        yield Fault(fact.key, Wrong.ORPHAN, f"its {row.owner} is gone")
    for conversation in fact.gone:
        yield Fault(fact.key, Wrong.ORPHAN, f"names conversation {conversation}, which is gone")
    most = limits.get(row.most, 0)
    if most and fact.length > most:
        yield Fault(fact.key, Wrong.LONG, f"{fact.length}, at most {most}")


def _placed(found: Match, partitions: int) -> bool:
    owner = found.of.get("user") or found.of.get("conversation")
    if found.partition < 0:
        return True
    return found.partition < partitions and (
        owner is None or partition_of(owner, partitions) == found.partition
    )


@dataclass(slots=True)
class Count:
    """Keys of one row."""

    keys: int = 0
    staying: int = 0
    """Without a TTL, whether or not they need one."""
    orphans: int = 0
    weighed: int = 0
    weight: int = 0

    @property
    def bytes(self) -> int:
        """What all of them take, as far as those weighed tell."""
        return self.weight * self.keys // self.weighed if self.weighed else 0


@dataclass(slots=True)
class Tally:
    """What a scan found: counts by row, in no order, and faults."""

    counts: dict[Row, Count] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add(self, fact: Fact, faults: Sequence[Fault]) -> None:
        """Count one key with what is wrong with it."""
        self.faults += faults
        if fact.match is None:
            return
        count = self.counts.setdefault(fact.match.row, Count())
        count.keys += 1
        count.staying += fact.ttl_ms == NO_TTL
        count.orphans += any(fault.wrong is Wrong.ORPHAN for fault in faults)
        if fact.size is not None:
            count.weighed += 1
            count.weight += fact.size
