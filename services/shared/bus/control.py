"""Control: one stream, heard by every process, of what must stop: a removed member's subscriptions, a
cancelled turn.

Published by the outbox relay. Every entry reaches every follower at least once: a follower reads on from
the last id it saw after any break, and a little before it when a new master knows less than it did. So an
entry may come twice, and acting on one must be harmless then. Where the entry it saw last is gone (the
stream was trimmed, or lost its end), a `gap` is yielded: what came in between is for the follower to find
out elsewhere. Must never be used for what a follower started later must know: it only hears what comes after
its start.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast, get_args

from redis.exceptions import RedisError

from services.shared.bus.floor import Floor
from services.shared.bus.keys import CONTROL
from services.shared.bus.lease import Argument
from services.shared.bus.scripts import Call, script
from services.shared.bus.sentinel import mapped
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble
from services.shared.wire.envelopes import ControlEntry, ControlKind

KEPT = 10_000
"""Entries the stream keeps: minutes of a busy house, far longer than any failover."""
BLOCK_MS = 2_000
AGAIN_S = 0.5
"""Pause after a break that outlived the connection's own retries."""
REWIND_MS = 10_000
"""How far a follower goes back when the master knows less than it saw: past any clock difference between
two masters.
"""

NOTHING = "0-0"

log = get_logger(__name__)

_WORDS = ("conversation", "user", "turn", "token")
_KINDS = frozenset(get_args(ControlKind)) - {"gap"}
"""Those that are written."""


class Control:
    """Publishes and follows control entries."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._commands = floor.commands
        self._blocking = floor.blocking

    async def publish(self, entry: ControlEntry) -> None:
        """Tell every process; may be heard twice. Replicated on return. Raises NotReplicated,
        BusUnavailable.
        """
        await self._scripts.batch_acknowledged([self.publishing(entry)])

    def publishing(self, entry: ControlEntry) -> Call:
        """The same as a script's call, for who waits for several things at once."""
        args: list[Argument] = [KEPT, entry.kind, entry.conversation, entry.user, entry.turn]
        if entry.token or entry.before_ms:
            args += ["token", entry.token, "before_ms", entry.before_ms]
        return Call(script("control"), [CONTROL], args)

    async def follow(self) -> AsyncIterator[ControlEntry]:
        """Yield every entry from now on, until the caller stops. Breaks are survived, not raised; only the
        very first read raises. A `gap` comes where entries may be missing; now and then also where none are.
        """
        async with mapped("control"):
            last = await self._top()
        unreadable = Trouble(log, "control unreadable", "control read again")
        while True:
            try:
                found: Any = await self._blocking.xread({CONTROL: last}, block=BLOCK_MS)
                missed = bool(found) and not await self._commands.xrange(CONTROL, last, last)
            except (RedisError, OSError) as error:
                unreadable.met(error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
                last = await self._resumed(last)
                continue
            unreadable.over()
            if not found:
                last = await self._resumed(last)
            if missed:
                if last != NOTHING:  # which is where one stands before a stream that was empty
                    log.warning("control has a gap", last=last)
                yield ControlEntry("gap")
            for entry_id, fields in (entry for _, entries in found or [] for entry in entries):
                last = entry_id.decode()
                if entry := _decoded(fields):
                    yield entry

    async def _top(self) -> str:
        newest: Any = await self._commands.xrevrange(CONTROL, count=1)
        return str(newest[0][0].decode()) if newest else NOTHING

    async def _resumed(self, last: str) -> str:
        """Where to read on: at `last`, or before it when a master that lost the newest entries took over."""
        try:
            top = await self._top()
        except (RedisError, OSError):
            return last
        if _order(top) >= _order(last):
            return last
        log.warning("control went back", last=last, top=top)
        return f"{max(_order(top)[0] - REWIND_MS, 0)}-0"


def _order(entry_id: str) -> tuple[int, int]:
    ms, _, number = entry_id.partition("-")
    return int(ms), int(number or 0)


def _decoded(fields: dict[bytes, bytes]) -> ControlEntry | None:
    """The entry; None for a kind that only a newer release knows."""
    said = {name.decode(): value.decode() for name, value in fields.items()}
    if said.get("kind") not in _KINDS:
        return None
    kind = cast(Any, said["kind"])
    conversation, user, turn, token = (said.get(name, "") for name in _WORDS)
    return ControlEntry(kind, conversation, user, turn, token, int(said.get("before_ms", "0")))
