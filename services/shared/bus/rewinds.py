"""Rewinds: a conversation goes back to one of its messages, to ask it again or to go on without it.

Called by connection pods (`conversation.rewind`, `conversation.checkpoints`). Deciding and taking the log
back is one script and one WAIT, and needs no worker alive; threads follow by turns of their own that it
queues (`Turn.rewinds`), before anything else of their agents begins.
"""

import hashlib
import os
from collections.abc import Collection

from services.shared.bus import replies
from services.shared.bus.conversations import MOST_AGENTS
from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.messages import MOST_HEARD
from services.shared.bus.scripts import Arg
from services.shared.model import formats
from services.shared.model.errors import BadRequest, TooFarBack
from services.shared.model.ids import (
    ENTROPY_BYTES,
    MessageId,
    TurnId,
    is_actor,
    is_uuid,
    is_uuid7,
    made_ms,
    uuid7,
)
from services.shared.model.permissions import Operation, allowed
from services.shared.model.rewinding import Checkpoint, Checkpoints, Rewound

MOST_THREADS = 24
"""Threads one rewind brings back: of agents there are, and of such as were there lately."""
CHECKPOINTS_LIMIT = 100
"""Checkpoints one reply may list."""


class Rewinds:
    """Ways back, and who took them."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def rewind(
        self,
        conversation: str,
        user: str,
        rewind_id: str,
        message: str,
        *,
        ask: bool,
        text: str = "",
        mentions: Collection[str] = (),
        trace: str = "",
        overloaded: bool = False,
    ) -> Rewound:
        """Take back all that came of `message`, and ask it again, or (`ask` False) take it out, too. text:
        in other words, with the words behind `@` in them; empty: in the same. A repeat gets the first
        position.

        trace, overloaded: as of Messages.accept. Raises NotMember; Refused (who may not); TooFarBack (the
        text says how far one can go); MessageConflict (the id was used for something else), OutsideWindow,
        QueueFull, Overloaded, BadRequest; NotReplicated or BusUnavailable: not acknowledged, repeat it with
        the same id.
        """
        _check(conversation, user, rewind_id, message)
        if text and not ask:
            raise BadRequest("text is what is asked in other words; ask is false")
        digest = hashlib.sha256(f"{message}\0{int(ask)}\0{text}".encode()).hexdigest()
        settings, at = self._floor.settings, self._floor.keys.conversation(conversation)
        args: list[Arg] = [*settings.journal_args(), conversation, user, rewind_id, message, text, int(ask)]
        args += [digest, trace, settings.fifo_length, formats.WRITES, made_ms(rewind_id)]
        args += [settings.accept_window_s * 1000, int(overloaded), f",{','.join(mentions)},", MOST_HEARD]
        args += [allowed(Operation.REWIND), allowed(Operation.REWIND_OTHERS)]
        args += [MOST_AGENTS, *self._turn_ids(MOST_AGENTS + MOST_THREADS)]
        names, args = self._floor.audited(_keys(at, message), args, at.shared)
        try:
            reply = await self._floor.scripts.acknowledged("rewind", names, args)
        except TooFarBack as error:
            raise TooFarBack(str(error).partition(": ")[2]) from error
        word, epoch, offset, turns, gone, ended, stopping, withdrawn = reply
        self._floor.metrics.inputs.labels(what="withdrawn").inc(withdrawn)
        return Rewound(
            position=replies.position(epoch, offset),
            turns=tuple(TurnId(turn) for turn in turns.decode().split(",") if turn),
            repeated=word == b"repeat",
            gone=gone,
            ended=ended,
            stopping=stopping,
        )

    async def checkpoints(self, conversation: str, user: str, agent: str, *, limit: int = 20) -> Checkpoints:
        """Turns of an agent that one can go back to before, by the message each answered last, the newest
        first. Raises NotMember, Refused, BadRequest, BusUnavailable.
        """
        if not 1 <= limit <= CHECKPOINTS_LIMIT:
            raise BadRequest(f"limit is {limit}; it must be 1 to {CHECKPOINTS_LIMIT}")
        at = self._floor.keys.conversation(conversation)
        keys = [at.head, at.journal, at.members, at.order]
        asked: list[Arg] = [user, agent, limit, conversation]
        _, replid, found = await self._floor.scripts.run(
            "checkpoints", keys, [*asked, allowed(Operation.CHECKPOINTS)]
        )
        listed = [
            Checkpoint(TurnId(turn.decode()), MessageId(message.decode()), time)
            for turn, message, time in found
        ]
        return Checkpoints(tuple(listed), replid.decode())

    def _turn_ids(self, count: int) -> list[str]:
        now_ms = self._floor.clock.now_ms()
        return [uuid7(now_ms, os.urandom(ENTROPY_BYTES)) for _ in range(count)]


def _keys(at: ConversationKeys, message: str) -> list[str]:
    shared = at.shared
    queue = [at.fifo, at.lease, shared.ready, at.accepted, shared.queued, shared.outbox]
    return [*at.appending, at.members, at.order, at.message(message), *queue, at.begun]


def _check(conversation: str, user: str, rewind_id: str, message: str) -> None:
    for wrong, fault in (
        (not is_uuid(conversation), f"{conversation!r} is not a conversation id; a UUID in lower case is"),
        (not is_actor(user), f"{user!r} is not the name of a user or a service"),
        (not is_uuid7(rewind_id), f"{rewind_id!r} is not a rewind's id; a UUIDv7 in lower case is"),
        (not is_uuid7(message), f"{message!r} is not a message id; a UUIDv7 in lower case is"),
    ):
        if wrong:
            raise BadRequest(fault)
