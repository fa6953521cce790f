"""Dead letters: turns that failed, kept in their partition until somebody replays or discards them.

Called by the command line, and by presence, which counts them. They are written by the script that ends a
turn (finish.lua). Replaying queues a new turn for the same messages, as accepting them did; the failed one
keeps its one final. Must never bring message text where it was not asked for.
"""

import os
from collections.abc import Mapping, Sequence

from services.shared.bus import replies
from services.shared.bus.floor import Floor
from services.shared.bus.keys import PartitionKeys
from services.shared.bus.scripts import Arg, Call, script
from services.shared.bus.sentinel import mapped
from services.shared.model import formats
from services.shared.model.conversation import KeptMessage
from services.shared.model.dead_letter import DeadLetter, Replayed
from services.shared.model.ids import ENTROPY_BYTES, AgentName, ConversationId, MessageId, TurnId, uuid7

LIMIT = 100
"""Letters listed unless more are asked for."""


class DeadLetters:
    """Listed, found, replayed, discarded."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def list(
        self, conversation: str | None = None, *, replayed: bool = False, limit: int = LIMIT
    ) -> Sequence[DeadLetter]:
        """The newest `limit` letters, the newest first: of all conversations, or of one.

        replayed: those as well that were queued anew. Raises BusUnavailable.
        """
        keys = self._floor.keys
        places = keys.shared() if conversation is None else [keys.conversation(conversation).shared]
        found = await self._read(places, conversation or "", "", limit, replayed=replayed)
        return sorted(found, key=lambda letter: letter.finished_ms, reverse=True)[:limit]

    async def find(self, turn: str) -> DeadLetter | None:
        """The letter of a turn, replayed or not; None: there is none. Raises BusUnavailable."""
        found = await self._read(self._floor.keys.shared(), "", turn, 1, replayed=True)
        return found[0] if found else None

    async def messages(self, letter: DeadLetter) -> Sequence[KeptMessage]:
        """What the turn was to answer, with its text; messages that are gone are left out."""
        at = self._floor.keys.conversation(letter.conversation)
        async with mapped("dead letter"), self._floor.commands.pipeline(transaction=False) as pipe:
            for message in letter.messages:
                pipe.hgetall(at.message(message))
            found = await pipe.execute()
        return [
            replies.kept_message([part for pair in each.items() for part in pair]) for each in found if each
        ]

    async def replay(self, letter: DeadLetter) -> Replayed:
        """Queue a new turn for the same messages and agent; a repeat names the turn queued first.

        Replicated on return. Raises UnknownConversation, Refused (no dead letter any more, its messages are
        gone, or they were queued anew too often), QueueFull, NotReplicated, BusUnavailable: whatever it
        raises, it may be called again.
        """
        at, settings = self._floor.keys.conversation(letter.conversation), self._floor.settings
        turn = uuid7(self._floor.clock.now_ms(), os.urandom(ENTROPY_BYTES))
        shared = at.shared
        keys = [at.base, at.turn(letter.turn), at.fifo, at.lease, shared.ready, shared.dead, shared.replayed]
        args: list[Arg] = [letter.conversation, letter.turn, turn, settings.fifo_length, formats.WRITES]
        args += [*settings.dead_letter_args(), *settings.journal_args()]
        word, queued = await self._floor.scripts.acknowledged(
            "replay", [*keys, at.turn(turn), shared.queued], args
        )
        return Replayed(TurnId(queued.decode()), word == b"repeat")

    async def discard(self, letter: DeadLetter) -> bool:
        """Forget a letter; False: it was gone. A failover may bring one back. Raises BusUnavailable."""
        shared = self._floor.keys.conversation(letter.conversation).shared
        args = [letter.conversation, letter.turn]
        return bool(await self._floor.scripts.run("discard", [shared.dead, shared.replayed], args))

    async def count(self) -> int:
        """How many letters can be listed that nobody has replayed or discarded. Raises BusUnavailable."""
        age_s = self._floor.settings.dead_letters_ttl_s
        calls = [
            Call(script("dead_count"), [each.dead], [each.conversations, age_s])
            for each in self._floor.keys.shared()
        ]
        return sum(await self._floor.scripts.batch(calls))

    async def _read(
        self, places: Sequence[PartitionKeys], conversation: str, turn: str, limit: int, *, replayed: bool
    ) -> Sequence[DeadLetter]:
        age_s = self._floor.settings.dead_letters_ttl_s
        calls = [
            Call(script("dead_letters"), [key], [each.conversations, conversation, turn, age_s, limit])
            for each in places
            for key in ([each.dead, each.replayed] if replayed else [each.dead])
        ]
        found = await self._floor.scripts.batch(calls)
        return [_letter(*each) for reply in found for each in reply]


def _letter(conversation: bytes, turn: bytes, pairs: Sequence[bytes]) -> DeadLetter:
    """What a record says; a turn may have failed because its record says too little."""
    record = replies.flat(pairs)
    return DeadLetter(
        turn=TurnId(turn.decode()),
        conversation=ConversationId(conversation.decode()),
        agent=AgentName(record.get("agent", "")),
        messages=tuple(MessageId(each) for each in _listed(record, "messages")),
        attempts=_number(record, "attempts"),
        kind=record.get("kind", ""),
        reason=record.get("reason", ""),
        queued_ms=_number(record, "queued_ms"),
        finished_ms=_number(record, "finished_ms"),
        replayed=TurnId(record["replayed"]) if record.get("replayed") else None,
        replays=tuple(TurnId(each) for each in _listed(record, "replays")),
    )


def _listed(record: Mapping[str, str], field: str) -> list[str]:
    return [each for each in record.get(field, "").split(",") if each]


def _number(record: Mapping[str, str], field: str) -> int:
    text = record.get(field, "")
    return int(text) if text.isdecimal() else 0
