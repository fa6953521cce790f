"""The outbox relay: carries what a script wrote in one partition to where others must learn it.

Runs in every connection pod, as one consumer of the group `relay`. A change of membership or invitation goes
to the user's own partition (lists and `#user` journal), and a removal, a deletion or a cancelled turn to
`control`. An entry is acknowledged after all of that is replicated; until then any pod takes it over after
2 s. So everything is applied at least once, and applying is idempotent: by members_version for memberships,
by the entry's id for notices (somebody read, was mentioned), by nature for control. Entries of a kind that
this release does not know wait for one that does.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from redis.exceptions import RedisError, ResponseError

from services.shared.bus.control import Control
from services.shared.bus.floor import Floor
from services.shared.bus.groups import ensure_group, is_missing_group, strike_off
from services.shared.bus.lease import Argument
from services.shared.bus.ready import GROUP as WORKERS
from services.shared.bus.scripts import Call, script
from services.shared.bus.sentinel import mapped
from services.shared.model.errors import Broken, ContinuoError, Temporary
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble, Troubles
from services.shared.wire.envelopes import ControlEntry

GROUP = "relay"
STALE_MS = 2_000
"""An entry somebody read and did not finish for so long is anybody's to carry."""
BLOCK_MS = 2_000
COUNT = 64
"""Entries a round, of each stream."""
AGAIN_S = 0.5
KNOWN_MS = 3_600_000
"""How long a user's channel remembers which notices were told: a relay that froze may tell them again."""
SWEEP_S = 600.0
"""Between looks for consumers that are gone."""
GONE_MS = 3_600_000
"""A consumer that read nothing for so long is no process any more: they read every few seconds."""
LEAVE_S = 1.0
"""Most of a process's end that striking itself off may take; the sweep finds it else."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Carried:
    """One outbox entry. `version` is the conversation's members_version of a membership change."""

    stream: bytes
    id: bytes
    kind: str
    conversation: str
    user: str
    turn: str
    version: int
    payload: bytes


class Outbox:
    """Relays all partitions' outboxes."""

    def __init__(self, floor: Floor, control: Control) -> None:
        self._floor = floor
        self._control = control
        self._uncarried = Troubles(log, "not carried", "carried at last", severe=True)
        self._streams = [each.outbox.encode() for each in floor.keys.shared()]

    async def relay(self, process: str) -> None:
        """Carry entries until cancelled; breaks are survived and logged."""
        swept_s = -inf
        paused = Trouble(log, "relay paused", "relay goes on")
        unreadable = Trouble(log, "relay met what it cannot read", "relay reads again", severe=True)
        try:
            while True:
                try:
                    await self._carry_all([*await self._stale(process), *await self._fresh(process)])
                    if self._floor.clock.monotonic() - swept_s > SWEEP_S:
                        swept_s = self._floor.clock.monotonic()
                        await self.sweep()
                except Temporary as error:
                    paused.met(error=str(error))
                    await asyncio.sleep(AGAIN_S)
                except Broken:
                    unreadable.met(exc_info=True)
                    await asyncio.sleep(AGAIN_S)
                else:
                    paused.over()
                    unreadable.over()
        finally:
            await self._leave(process)

    async def sweep(self, idle_ms: int = GONE_MS) -> int:
        """Strike off relays and workers that hold nothing and read nothing for `idle_ms`; how many. Raises
        Temporary.
        """
        shared = self._floor.keys.shared()
        groups = ((GROUP, [each.outbox for each in shared]), (WORKERS, [each.ready for each in shared]))
        scripts = self._floor.scripts
        return sum([await strike_off(scripts, group, streams, idle_ms=idle_ms) for group, streams in groups])

    async def _leave(self, process: str) -> None:
        streams = [each.outbox for each in self._floor.keys.shared()]
        try:
            async with asyncio.timeout(LEAVE_S):
                await strike_off(self._floor.scripts, GROUP, streams, consumer=process)
        except (ContinuoError, TimeoutError) as error:
            log.debug("relay stays listed", error=type(error).__name__)

    async def carry(self, entries: Sequence[Carried]) -> None:
        """Apply entries in their order and forget them; harmless when some were applied before. Raises
        Temporary.
        """
        known = [entry for entry in entries if entry.kind in _APPLIED]
        memberships = [self._told(entry) for entry in known if entry.payload]
        said = [self._control.publishing(word) for entry in known if (word := _control_of(entry))]
        # in one round trip, and waited for: what is forgotten here exists nowhere else
        await self._floor.scripts.batch_acknowledged([*memberships, *said])
        await self._forget(known)

    async def _carry_all(self, entries: Sequence[Carried]) -> None:
        """Carry entries together; where one cannot be carried, each by itself, so that it stops no other."""
        try:
            await self.carry(entries)
        except Broken:
            for entry in entries:
                try:
                    await self.carry([entry])
                except Broken as error:
                    self._uncarried.met(entry.id, entry=entry.id.decode(), kind=entry.kind, error=str(error))
                else:
                    self._uncarried.over(entry.id, entry=entry.id.decode(), kind=entry.kind)
            await asyncio.sleep(AGAIN_S)

    async def _fresh(self, process: str) -> list[Carried]:
        async with mapped("relay"):
            streams: dict[Any, Any] = dict.fromkeys(self._streams, ">")
            try:
                found: Any = await self._floor.blocking.xreadgroup(
                    GROUP, process, streams, count=COUNT, block=BLOCK_MS
                )
            except ResponseError as error:
                if not is_missing_group(error):
                    raise
                await ensure_group(self._floor.commands, GROUP, self._streams)
                return []
        return [_carried(name, *entry) for name, entries in found or [] for entry in entries]

    async def _stale(self, process: str) -> list[Carried]:
        async with mapped("relay"), self._floor.commands.pipeline(transaction=False) as pipe:
            for name in self._streams:
                pipe.xautoclaim(name, GROUP, process, STALE_MS, count=COUNT)
            replies = await pipe.execute(raise_on_error=False)
        taken: list[Carried] = []
        for name, reply in zip(self._streams, replies, strict=True):
            if not isinstance(reply, RedisError):
                taken.extend(_carried(name, *entry) for entry in reply[1] if entry[1])
        return taken

    def _membership(self, entry: Carried) -> Call:
        at = self._floor.keys.user(entry.user)
        bounds = self._floor.settings.user_journal_args()
        args: list[Argument] = [*bounds, entry.conversation, entry.version, _becomes(entry), entry.payload]
        keys = [*at.appending, at.conversations, at.left(entry.conversation), at.invitations, at.marks]
        return Call(script("relay_user"), keys, args)

    def _told(self, entry: Carried) -> Call:
        return self._notice(entry) if entry.kind in _NOTICES else self._membership(entry)

    def _notice(self, entry: Carried) -> Call:
        at = self._floor.keys.user(entry.user)
        note = f"{entry.conversation} {entry.id.decode()}"
        args: list[Argument] = [*self._floor.settings.user_journal_args(), note, entry.payload, KNOWN_MS]
        return Call(script("relay_notice"), [*at.appending, at.told], args)

    async def _forget(self, entries: Sequence[Carried]) -> None:
        if not entries:
            return
        async with mapped("relay"), self._floor.commands.pipeline(transaction=False) as pipe:
            for entry in entries:
                pipe.xack(entry.stream, GROUP, entry.id)
                pipe.xdel(entry.stream, entry.id)
            await pipe.execute()
        for entry in entries:
            self._observe(entry)

    def _observe(self, entry: Carried) -> None:
        age_ms = self._floor.clock.now_ms() - int(entry.id.split(b"-")[0])
        self._floor.metrics.relay_entries.labels(kind=entry.kind).inc()
        self._floor.metrics.relay_seconds.observe(max(age_ms, 0) / 1000)


_BECOMES = {"member.joined": "joined", "member.invited": "invited"}
"""What the user is then; after all else in the conversation no more."""
_NOTICES = frozenset({"receipt.read", "message.mentioned", "member.changed", "conversation.updated"})
"""For the user's channel alone."""
_ENDS = frozenset({"member.left", "member.declined", "conversation.deleted"})
_APPLIED = frozenset({*_BECOMES, *_ENDS, *_NOTICES, "turn.cancel"})


def _becomes(entry: Carried) -> str:
    return _BECOMES.get(entry.kind, "left")


def _control_of(entry: Carried) -> ControlEntry | None:
    if entry.kind == "member.left":
        return ControlEntry("member.removed", entry.conversation, user=entry.user)
    if entry.kind == "conversation.deleted" and not entry.payload:
        return ControlEntry("conversation.deleted", entry.conversation)
    if entry.kind == "turn.cancel":
        return ControlEntry("turn.cancel", entry.conversation, user=entry.user, turn=entry.turn)
    return None


def _carried(stream: bytes, entry_id: bytes, fields: dict[bytes, bytes]) -> Carried:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode()

    return Carried(
        stream=stream,
        id=entry_id,
        kind=text(b"kind"),
        conversation=text(b"conversation"),
        user=text(b"user"),
        turn=text(b"turn"),
        version=int(fields.get(b"version", b"0")),
        payload=fields.get(b"payload", b""),
    )
