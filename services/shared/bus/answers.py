"""Answers: what agents ask people, and the one answer that counts.

Called by connection pods (`conversation.answer`); `asked_args` is for `turns`, whose scripts ask. Taking an
answer is one script and one WAIT, needs no worker alive, and of many answers to one interrupt takes the first
that Redis sees.
"""

import hashlib
from collections.abc import Sequence

import msgspec

from services.shared.bus import replies
from services.shared.bus.floor import Floor
from services.shared.bus.keys import ConversationKeys
from services.shared.bus.scripts import Arg
from services.shared.model import formats
from services.shared.model.asking import VALUE_BYTES, Ask, Taken
from services.shared.model.errors import AlreadyAnswered, BadRequest, NotAsked
from services.shared.model.events import InputRequested
from services.shared.model.ids import TurnId, is_actor, is_uuid, is_uuid7, made_ms
from services.shared.model.permissions import Operation, allowed
from services.shared.model.turn import Turn
from services.shared.wire.envelopes import encode_event

MOST_ANSWERED = 1000
"""Interrupts of one conversation of which it is known what became of them, as lua/asking.lua has it."""
NAME_LENGTH = 128
"""Characters of an interrupt's id: LangGraph's have 32."""


class Answers:
    """Taken, or refused."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._inputs = floor.metrics.inputs

    async def answer(
        self,
        conversation: str,
        user: str,
        answer_id: str,
        interrupt: str,
        answer: bytes,
        *,
        trace: str = "",
    ) -> Taken:
        """Take an answer, JSON, to what an agent waits for, and queue the turn that goes on with it, under
        the answer's id. A repeat of the same answer gets the first position.

        trace: W3C traceparent that the event and the turn carry on. Raises NotMember, Refused;
        AlreadyAnswered (somebody else did, or it was withdrawn; the text says who); NotAsked; MessageConflict
        (the id was used for something else), OutsideWindow, QueueFull, BadRequest; NotReplicated or
        BusUnavailable: not acknowledged, repeat it with the same id.
        """
        _check(conversation, user, answer_id, interrupt, answer)
        try:
            reply = await self._take(conversation, user, answer_id, interrupt, answer, trace)
        except (AlreadyAnswered, NotAsked) as error:
            self._inputs.labels(what="refused").inc()
            raise type(error)(str(error).partition(": ")[2]) from error
        word, epoch, offset, turn, waited_ms, waiting = reply
        taken = Taken(
            position=replies.position(epoch, offset),
            turn=TurnId(turn.decode()),
            repeated=word == b"repeat",
            waited_ms=int(waited_ms),
            waiting=waiting.decode(),
        )
        if not taken.repeated:
            self._inputs.labels(what="answered").inc()
            self._floor.metrics.input_seconds.observe(taken.waited_ms / 1000)
        return taken

    async def _take(
        self, conversation: str, user: str, answer_id: str, interrupt: str, answer: bytes, trace: str
    ) -> list[bytes]:
        settings, at = self._floor.settings, self._floor.keys.conversation(conversation)
        digest = hashlib.sha256(interrupt.encode() + b"\0" + answer).hexdigest()
        args: list[Arg] = [*settings.journal_args(), conversation, user, answer_id, interrupt, answer, digest]
        args += [trace, settings.fifo_length, formats.WRITES]
        args += [made_ms(answer_id), settings.accept_window_s * 1000, allowed(Operation.ANSWER)]
        names, args = self._floor.audited(_keys(at, answer_id), args, at.shared)
        reply: list[bytes] = await self._floor.scripts.acknowledged("answer", names, args)
        return reply


def asked_args(turn: Turn, asks: Sequence[Ask] | None) -> list[Arg]:
    """What `finish` is told of what the thread waits for; None: it is not known."""
    if asks is None:
        return [0]
    told: list[Arg] = [1]
    for ask in asks:
        value, schema = msgspec.Raw(ask.value), msgspec.Raw(ask.schema) if ask.schema else None
        event = InputRequested(
            turn.conversation, turn.id, turn.agent, ask.interrupt, value, schema, trace=turn.trace or None
        )
        told += [ask.interrupt, encode_event(event), _entry(turn, ask)]
    return told


def _entry(turn: Turn, ask: Ask) -> bytes:
    """What is kept of a question; its names stand first, in this order (see lua/asking.lua)."""
    entry: dict[str, object] = {"interrupt": ask.interrupt, "turn": turn.id, "agent": turn.agent}
    entry["value"] = msgspec.Raw(ask.value)
    if ask.schema:
        entry["schema"] = msgspec.Raw(ask.schema)
    return msgspec.json.encode(entry)


def _keys(at: ConversationKeys, turn: str) -> list[str]:
    shared = at.shared
    queue = [at.fifo, at.lease, shared.ready, at.accepted, shared.queued]
    return [*at.appending, at.members, at.asked, at.answered, *queue, at.turn(turn)]


def _check(conversation: str, user: str, answer_id: str, interrupt: str, answer: bytes) -> None:
    for wrong, fault in (
        (not is_uuid(conversation), f"{conversation!r} is not a conversation id; a UUID in lower case is"),
        (not is_actor(user), f"{user!r} is not the name of a user or a service"),
        (not is_uuid7(answer_id), f"{answer_id!r} is not an answer's id; a UUIDv7 in lower case is"),
        (not 0 < len(interrupt) <= NAME_LENGTH, f"interrupt has {len(interrupt)} characters, not 1 to 128"),
        (
            len(answer) > VALUE_BYTES,
            f"answer has {len(answer)} bytes as JSON; at most {VALUE_BYTES} are allowed",
        ),
    ):
        if wrong:
            raise BadRequest(fault)
