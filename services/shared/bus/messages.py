"""Messages: accepting what a person says, and reading back what was said.

Called by the connection pods (`conversation.send`, `conversation.history`). Accepting is one script and one
WAIT, and never needs a worker alive: it keeps the message, appends its event, queues a turn for each agent
and says that the conversation is ready.
"""

import hashlib
import os
from collections.abc import Collection

from services.shared.bus import replies
from services.shared.bus.conversations import MOST_AGENTS
from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.scripts import Arg, Reply
from services.shared.model import formats
from services.shared.model.conversation import Accepted, HistoryPage
from services.shared.model.errors import BadRequest, Busy
from services.shared.model.events import MessageCreated
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
from services.shared.wire.envelopes import encode_event

MOST_HEARD = 50
"""Messages one turn answers: its own, and the newest that people said since its agent was last asked."""
HISTORY_LIMIT = 200
"""Messages one page may hold."""


class Messages:
    """What people say, and what was said."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def accept(
        self,
        conversation: str,
        user: str,
        message_id: str,
        text: str,
        *,
        reply_to: str = "",
        mentions: Collection[str] = (),
        named: Collection[str] = (),
        trace: str = "",
        overloaded: bool = False,
    ) -> Accepted:
        """Keep a message for good, or say why not; a repeat of the same message gets the first position, also
        when the message was deleted meanwhile.

        reply_to: a message of the conversation, or empty. mentions: the words behind `@` in the text, in
        lower case; named: those that may be users (wire.mentions). Who is asked, and what becomes of an
        agent's turns that are not over, is the conversation's settings' to say.

        trace: W3C traceparent that the event and the turns carry on. overloaded: no more turns may be queued
        anywhere; what would queue none, and repeats, are answered all the same. Raises NotMember,
        Refused, MessageConflict (the id stands for another text or user), OutsideWindow (the id, a UUIDv7, is
        not known and was made too long ago to be sure that it was never taken, or in the future), QueueFull,
        Overloaded or Busy (nothing was stored), BadRequest; NotReplicated or BusUnavailable: not
        acknowledged, repeat it with the same id.
        """
        if not is_uuid(conversation):
            raise BadRequest(f"{conversation!r} is not a conversation id; a UUID in lower case is")
        if not is_uuid7(message_id):
            raise BadRequest(f"{message_id!r} is not a message id; a UUIDv7 in lower case is")
        if not is_actor(user):
            raise BadRequest(f"{user!r} is not the name of a user or a service")
        if reply_to and not is_uuid(reply_to):
            raise BadRequest(f"reply_to: {reply_to!r} is not a message id; a UUID in lower case is")
        keys = self._floor.keys.conversation(conversation)
        event = encode_event(
            MessageCreated(conversation, message_id, user, text, reply_to or None, trace=trace or None)
        )
        said = f"{text}\0{reply_to}" if reply_to else text
        digest = hashlib.sha256(said.encode()).hexdigest()
        settings = self._floor.settings
        args: list[Arg] = [
            *settings.journal_args(),
            conversation,
            user,
            message_id,
            text,
            digest,
            event,
            trace,
        ]
        window_ms = settings.accept_window_s * 1000
        args += [
            settings.fifo_length,
            formats.WRITES,
            made_ms(message_id),
            window_ms,
            int(overloaded),
            settings.messages_kept,
            f",{','.join(mentions)},",
            MOST_HEARD,
            allowed(Operation.SEND),
            reply_to,
            ",".join(named),
        ]
        args += self._turn_ids()
        names, args = self._floor.audited(_accept_keys(keys, message_id), args, keys.shared)
        word, epoch, offset, turns, *made_way = await self._accepted(names, args)
        superseded, stopping = made_way or (0, 0)
        return Accepted(
            message=MessageId(message_id),
            position=replies.position(epoch, offset),
            turns=tuple(TurnId(turn) for turn in turns.decode().split(",") if turn),
            repeated=word == b"repeat",
            superseded=superseded,
            stopping=stopping,
        )

    async def _accepted(self, names: list[str], args: list[Arg]) -> Reply:
        counts = self._floor.metrics.double_texts
        try:
            reply = await self._floor.scripts.acknowledged("accept", names, args)
        except Busy:
            counts.labels(became="rejected").inc()
            raise
        for became, many in zip(("superseded", "stopped"), reply[4:], strict=False):
            counts.labels(became=became).inc(many)
        return reply

    async def history(
        self, conversation: str, user: str, *, before: int | None = None, limit: int = 50
    ) -> HistoryPage:
        """Read up to `limit` messages (at most 200, and what fits into the setting reply_bytes) with a `seq`
        below `before` (None: the newest), as of one moment.

        The page's head is where a device subscribes from. Raises NotMember, Refused, BadRequest,
        BusUnavailable.
        """
        if not 1 <= limit <= HISTORY_LIMIT:
            raise BadRequest(f"limit is {limit}; it must be 1 to {HISTORY_LIMIT}")
        if before is not None and before < 1:
            raise BadRequest(f"before is {before}; message numbers begin at 1")
        keys = self._floor.keys.conversation(conversation)
        names = [keys.head, keys.journal, keys.members, keys.order, keys.open, keys.spoken]
        until = "+inf" if before is None else before
        reply = await self._floor.scripts.run(
            "history",
            names,
            [user, until, limit, self._floor.settings.reply_bytes, conversation, allowed(Operation.HISTORY)],
        )
        _, top, low, forks, replid, more, newest_first, streamed, asked, settings = reply
        unfinished, underway = replies.unfinished(streamed)
        return HistoryPage(
            messages=tuple(map(replies.kept_message, reversed(newest_first))),
            head=replies.head(top, low, forks),
            open=unfinished,
            underway=underway,
            more=bool(more),
            replid=replid.decode(),
            asked=tuple(map(replies.question, sorted(asked))),
            settings=replies.settings(settings),
        )

    def _turn_ids(self) -> list[str]:
        now_ms = self._floor.clock.now_ms()
        return [uuid7(now_ms, os.urandom(ENTROPY_BYTES)) for _ in range(MOST_AGENTS)]


def _accept_keys(keys: ConversationKeys, message: str) -> list[str]:
    return [
        *keys.appending,
        keys.members,
        keys.order,
        keys.message(message),
        keys.fifo,
        keys.lease,
        keys.shared.ready,
        keys.accepted,
        keys.open,
        keys.shared.queued,
        keys.shared.outbox,
    ]
