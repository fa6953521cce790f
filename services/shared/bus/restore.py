"""Restore: makes a Redis into which a backup was loaded fit for services again.

Called by `continuo restored`, while no service runs. What was loaded is the house as of one moment, with
leases of workers and seats of connections that are no more, and devices may have seen what came after that
moment. So every journal begins another epoch, every lease is gone and no token comes again, what waits is
told to workers, seats are freed, and the birth is another one. Each step may be done twice, also under
another id, so the next call goes on where one was stopped; the last step ends it. Must never run beneath
living services, and never use an id twice: a backup may have been taken in the midst of a restore.
"""

import asyncio
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis.exceptions import ResponseError

from services.shared.bus.backlog import Backlog
from services.shared.bus.floor import Floor
from services.shared.bus.keys import BIRTH, RESTORING, ConversationKeys, JournalKeys
from services.shared.bus.outbox import GROUP as RELAYS
from services.shared.bus.ready import GROUP as WORKERS
from services.shared.bus.roster import Roster
from services.shared.bus.scripts import Call, script
from services.shared.bus.sentinel import BLOCK_LIMIT_S, mapped
from services.shared.model.errors import Refused
from services.shared.model.ids import ConversationId

WATCH_S = BLOCK_LIMIT_S + 1.0
"""Longer than any process of the house is silent: a beat takes 2 s, a blocking read 4 s at most."""
AT_ONCE = 300
"""Keys looked at, and journals changed, in one round trip."""
_CONVERSATION, _USER = "c", "u"


@dataclass(frozen=True, slots=True)
class Restored:
    """What was found and made fit."""

    conversations: int
    users: int
    turns: int
    """That wait, or ran and are to be gone on with."""
    seats: int


class Restore:
    """The steps, in the order they are taken."""

    def __init__(self, floor: Floor, roster: Roster, backlog: Backlog) -> None:
        self._floor = floor
        self._roster = roster
        self._backlog = backlog

    async def beating(self, watch_s: float = WATCH_S) -> list[str]:
        """Watch for `watch_s` seconds who gives a sign of life: connection processes that beat or carry,
        workers that wait or renew leases. Their names, sorted. The presence service gives none, and may run.
        Raises Temporary.
        """
        before = await self._marks()
        await asyncio.sleep(watch_s)
        after = await self._marks()
        # Mark 0: the presence service, which may run, condemned a node that is dead.
        moved = {name for name, mark in after.items() if mark and before.get(name) != mark}
        return sorted(moved | await self._readers(watch_s))

    async def run(self, *, grace_ms: int) -> Restored:
        """Take all steps; harmless to repeat. `grace_ms`: what users get to come back before their leave is
        announced. Raises Refused when the data are of another number of partitions, and Temporary: then what
        was done stays done, and the next call goes on.
        """
        restore, floor_token = await self._begun()
        await self._unlink(each.ready for each in self._floor.keys.shared())
        conversations, users = await self._all_heads(restore, floor_token)
        turns = await self._backlog.recount()
        seats = await self._free_seats(grace_ms)
        await self._floor.scripts.acknowledged("restore_end", [RESTORING, BIRTH], [restore])
        return Restored(conversations, users, turns, seats)

    async def _begun(self) -> tuple[str, int]:
        restore = secrets.token_hex(10)
        return restore, int(await self._floor.scripts.acknowledged("restoring", [RESTORING], [restore]))

    async def _unlink(self, keys: Iterable[str]) -> None:
        """The ready streams are made anew from the FIFOs, without entries that dead readers hold."""
        async with mapped("restore"):
            await self._floor.commands.unlink(*keys)

    async def _all_heads(self, restore: str, floor_token: int) -> tuple[int, int]:
        """How many conversations and users there are."""
        cursor, master, counted = b"0", b"", {_CONVERSATION: 0, _USER: 0}
        while True:
            replid, after, found = await self._floor.scripts.run("scan", [], [cursor, AT_ONCE, "{p*}:[cu]:*"])
            if master not in (b"", replid):  # a cursor means nothing to another master
                cursor, master, counted = b"0", b"", dict.fromkeys(counted, 0)
                continue
            heads = [head for key in found if (head := _head(key.decode(errors="replace")))]
            calls = [self._restoring(*head, restore, floor_token) for head in heads]
            done = await self._floor.scripts.batch_acknowledged(calls)
            for (kind, _, _), there in zip(heads, done, strict=True):
                counted[kind] += there
            cursor, master = after, bytes(replid)
            if cursor == b"0":
                return counted[_CONVERSATION], counted[_USER]

    def _restoring(self, kind: str, key: str, owner: str, restore: str, floor_token: int) -> Call:
        keys = self._floor.keys
        of_conversation = keys.conversation(owner) if kind == _CONVERSATION else None
        at: JournalKeys = of_conversation or keys.user(owner)
        if at.head != key:
            raise Refused(f"{key} is of another number of partitions than the {keys.partitions} set here")
        more = _leased(of_conversation) if of_conversation else []
        return Call(script("restore_head"), [at.head, at.journal, *more], [restore, owner, floor_token])

    async def _free_seats(self, grace_ms: int) -> int:
        listed = await self._roster.beats()
        return sum(
            [await self._roster.reap(node, beat.mark, grace_ms=grace_ms) for node, beat in listed.items()]
        )

    async def _marks(self) -> dict[str, int]:
        """What changes while somebody lives: the beats of nodes, and when leases end."""
        marks = {
            f"connection process {node}": beat.mark for node, beat in (await self._roster.beats()).items()
        }
        async with mapped("restore"), self._floor.commands.pipeline(transaction=False) as pipe:
            for each in self._floor.keys.shared():
                pipe.zrange(each.running, 0, -1, withscores=True)
            leases: Any = await pipe.execute()
        held = {ConversationId(name.decode()): int(until) for part in leases for name, until in part}
        return marks | {f"the worker of conversation {name}": until for name, until in held.items()}

    async def _readers(self, watched_s: float) -> set[str]:
        """Consumers that read in the time that was watched."""
        names = [(each.ready, WORKERS) for each in self._floor.keys.shared()]
        names += [(each.outbox, RELAYS) for each in self._floor.keys.shared()]
        async with mapped("restore"), self._floor.commands.pipeline(transaction=False) as pipe:
            for stream, group in names:
                pipe.xinfo_consumers(stream, group)
            replies: Any = await pipe.execute(raise_on_error=False)
        there = [each for reply in replies if not isinstance(reply, ResponseError) for each in reply]
        return {f"reader {each['name'].decode()}" for each in there if each["idle"] < watched_s * 1000}


def _head(key: str) -> tuple[str, str, str] | None:
    """The kind, key and owner of a journal's head; None for any other key."""
    partition, _, rest = key.partition(":")
    kind, _, owner = rest.partition(":")
    return (kind, key, owner) if partition and owner and ":" not in owner else None


def _leased(at: ConversationKeys) -> list[str]:
    return [at.lease, at.fifo, at.shared.ready, at.shared.running]
