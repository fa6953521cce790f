"""Inventory: looks at every key there is, for `continuo doctor --keys`, and never holds Redis up.

Goes through the keys a few hundred at a time; what it asks of each takes constant time, and only some are
weighed. What looks wrong is looked at again at the end: keys come and go while it looks. Must never change
anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

from services.shared.bus.answers import MOST_ANSWERED
from services.shared.bus.control import KEPT
from services.shared.bus.conversations import MOST_LEFT
from services.shared.bus.edits import MOST_REACTIONS, MOST_VERSIONS
from services.shared.bus.floor import Floor
from services.shared.bus.key_faults import Fact, Fault, Tally, judge
from services.shared.bus.key_row import HASH, LIST, STREAM, ZSET, Names, Owner
from services.shared.bus.key_table import Match, match
from services.shared.bus.keys import NODES
from services.shared.bus.members import MOST_INVITED
from services.shared.bus.sentinel import mapped
from services.shared.bus.settings import RedisSettings
from services.shared.bus.turns import MOST_BEGUN

AT_ONCE = 300
"""Keys looked at in one go."""
WEIGHED = 64
"""Keys of each kind that are weighed; beyond that one in `SELDOM`."""
SELDOM = 16
LOOSE = 1.1
"""Of a stream that Redis trims by whole nodes: what it may have beyond its bound."""
NODE = 100
"""The same of a short one: the most entries a node has, unless Redis is told otherwise."""

_LENGTH = {STREAM: "XLEN", LIST: "LLEN", HASH: "HLEN", ZSET: "ZCARD"}
_NONE = "none"


class Inventory:
    """Counts and judges all keys."""

    def __init__(self, floor: Floor) -> None:
        self._commands = floor.commands
        self._scripts = floor.scripts
        self._keys = floor.keys
        self._deadline_s = floor.settings.redis_deadline_s
        self._limits: Mapping[str, int] = {
            "journal_length": floor.settings.journal_length,
            "fifo_length": floor.settings.fifo_length,
            "dead_letters": floor.settings.dead_letters,
            "audit_length": floor.settings.audited() + NODE,
            "audit_denials": floor.settings.audited_denials() + NODE,
            "messages_kept": _messages_kept(floor.settings),
            "left_length": MOST_LEFT,
            "invited_length": MOST_INVITED,
            "answered_length": MOST_ANSWERED,
            "begun_length": MOST_BEGUN,
            "versions_length": MOST_VERSIONS,
            "reactions_length": MOST_REACTIONS,
            "control_length": int(KEPT * LOOSE),
        }

    async def take(self) -> Tally:
        """Look at all keys of the master. Raises BusUnavailable."""
        tally, doubtful, seen = Tally(), list[str](), set[str]()
        cursor, master = b"0", b""
        while True:
            replid, after, found = await self._scripts.run("scan", [], [cursor, AT_ONCE, "*"])
            if master not in (b"", replid):  # a cursor means nothing to another master
                master, cursor, tally, doubtful, seen = b"", b"0", Tally(), [], set()
                continue
            keys = {key.decode(errors="replace") for key in found} - seen
            seen |= keys
            for fact in await self._facts(sorted(keys), tally):
                faults = self._judged(fact)
                tally.add(fact, faults)
                if faults:
                    doubtful.append(fact.key)
            master, cursor = replid, after
            if cursor == b"0":
                tally.faults = await self._again(doubtful)
                return tally

    async def _again(self, doubtful: Sequence[str]) -> list[Fault]:
        """The faults that are still there."""
        faults: list[Fault] = []
        for first in range(0, len(doubtful), AT_ONCE):
            for fact in await self._facts(doubtful[first : first + AT_ONCE], Tally()):
                faults += self._judged(fact)
        return faults

    def _judged(self, fact: Fact) -> list[Fault]:
        return list(judge(fact, self._limits, self._keys.partitions))

    async def _facts(self, keys: Sequence[str], tally: Tally) -> list[Fact]:
        """What is to be known of keys; those that are gone by now are left out. tally: what was weighed."""
        types = [each.decode() for each in await self._asked(("TYPE", key) for key in keys)]
        here = [(key, kind) for key, kind in zip(keys, types, strict=True) if kind != _NONE]
        matches = [match(key) for key, _ in here]
        ttls = await self._asked(("PTTL", key) for key, _ in here)
        lengths = await self._asked(
            (_LENGTH[kind], key) if kind in _LENGTH else ("EXISTS", key) for key, kind in here
        )
        owned = await self._owned(matches)
        sizes = await self._weighed(
            [key for (key, _), found in zip(here, matches, strict=True) if _weigh(key, found, tally)]
        )
        facts = []
        for (key, kind), found, ttl, length, is_owned in zip(
            here, matches, ttls, lengths, owned, strict=True
        ):
            gone = await self._gone(key, kind, found) if found else ()
            facts.append(Fact(key, found, kind, ttl, length, is_owned, gone, sizes.get(key)))
        return [fact for fact in facts if fact.ttl_ms != -2]

    async def _owned(self, matches: Sequence[Match | None]) -> list[bool]:
        """Whether the conversation or the node a key is of is there; of other keys nobody asks."""
        asked = {index: ask for index, found in enumerate(matches) if found and (ask := self._owner(found))}
        answers = dict(zip(asked, await self._asked(asked.values()), strict=True))
        return [answers.get(index, 1) not in (0, None) for index in range(len(matches))]

    def _owner(self, found: Match) -> tuple[Any, ...] | None:
        match found.row.owner:
            case Owner.CONVERSATION:
                return "EXISTS", self._keys.conversation(found.of["conversation"]).head
            case Owner.NODE:
                return "ZSCORE", NODES, found.of["node"]
            case _:
                return None

    async def _gone(self, key: str, kind: str, found: Match) -> tuple[str, ...]:
        """The conversations a key names that are not there."""
        if found.row.names is Names.NOWHERE or kind != found.row.type:
            return ()
        step: Any = self._commands.hscan if found.row.names is Names.FIELDS else self._commands.zscan
        gone: list[str] = []
        cursor = 0
        while True:
            async with mapped("inventory", within_s=self._deadline_s):
                cursor, pairs = await step(key, cursor=cursor, count=AT_ONCE)
            texts = [(each if isinstance(each, bytes) else each[0]).decode() for each in pairs]
            named = [text.partition(" ")[0] for text in texts]
            heads = [("EXISTS", self._keys.conversation(each).head) for each in named]
            gone += [each for each, there in zip(named, await self._asked(heads), strict=True) if not there]
            if cursor == 0:
                return tuple(gone)

    async def _weighed(self, chosen: Sequence[str]) -> dict[str, int]:
        sizes = await self._asked(("MEMORY", "USAGE", key) for key in chosen)
        return {key: size for key, size in zip(chosen, sizes, strict=True) if isinstance(size, int)}

    async def _asked(self, commands: Iterable[tuple[Any, ...]]) -> list[Any]:
        """Ask all in one round trip."""
        every = list(commands)
        if not every:
            return []
        async with (
            mapped("inventory", within_s=self._deadline_s),
            self._commands.pipeline(transaction=False) as pipe,
        ):
            for command in every:
                pipe.execute_command(*command)
            return list(await pipe.execute())


def _messages_kept(settings: RedisSettings) -> int:
    """The bound, and those that stay because their turn is not over; 0: none."""
    return settings.messages_kept and settings.messages_kept + settings.fifo_length


def _weigh(key: str, found: Match | None, tally: Tally) -> bool:
    """Whether this one of its kind is weighed."""
    if found is None:
        return False
    count = tally.counts.get(found.row)
    return count is None or count.weighed < WEIGHED or crc32(key.encode()) % SELDOM == 0
