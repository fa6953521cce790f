"""Turns: what waits in a conversation's FIFO, and an agent's speech while one of them runs.

Called by workers (all but `cancel`) and by connection pods (`cancel`). Everything a worker writes is fenced
by its lease and by the attempt it began: a replaced worker gets LeaseLost, whatever it believes. Every
script may run twice. Begins, finals, kept messages and cancels return after WAIT; deltas do not: what
devices see is held back by the pods' own ticks.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from services.shared.bus.answers import asked_args
from services.shared.bus.floor import Floor
from services.shared.bus.lease import Argument, fence_args, fence_keys
from services.shared.bus.ready import ReadyStreams
from services.shared.bus.speaking import Speaking, Usage
from services.shared.model import formats
from services.shared.model.asking import Ask
from services.shared.model.conversation import Appended, KeptMessage
from services.shared.model.errors import UnreadableTurn
from services.shared.model.events import Keep, Outcome
from services.shared.model.ids import (
    ENTROPY_BYTES,
    AgentName,
    AttemptId,
    ConversationId,
    MessageId,
    NodeId,
    TurnId,
    UserId,
    uuid7,
)
from services.shared.model.permissions import Operation, allowed
from services.shared.model.position import Position
from services.shared.model.turn import Lease, Ready, Spoken, Turn, TurnState

Back = Literal["", "1", "0"]
"""Of a thread that was to go back before its turn: it did, or it cannot; empty: nobody brought it there."""

ORPHANS = 100
"""Taken over by one look, unless the caller has fewer hands."""

MOST_BACK = 20
"""Turns of one agent that a conversation can go back to before, where nothing else is said."""
MOST_TURNS_BACK = 100
"""The same, at most."""
MOST_BEGUN = 8 * MOST_TURNS_BACK
"""Of all agents of a conversation together, at most (lua/ledger.lua)."""

_DONE = "done:"
_UNKNOWN = 0
"""It is not known what the thread waits for."""


class Turns:
    """The turns of all conversations."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._keys = floor.keys
        self._clock = floor.clock
        self._journal = floor.settings.journal_args()
        self._letters = floor.settings.dead_letter_args()
        self._audited = floor.audited
        self._inputs = floor.metrics.inputs
        self._streams = ReadyStreams(floor)
        self.speaking = Speaking(floor)
        """What agents say and do while they run."""

    async def ready(self, worker: NodeId, *, block_ms: int, count: int) -> list[Ready]:
        """Wait up to `block_ms` for at most `count` conversations that have turns waiting and nobody at
        work; those not taken are another worker's.
        """
        return await self._streams.ready(worker, block_ms=block_ms, count=count)

    async def orphans(self, worker: NodeId, *, count: int = ORPHANS) -> list[Ready]:
        """At most `count` conversations whose worker fell silent, or ready ones that somebody took and never
        claimed.
        """
        return await self._streams.orphans(worker, count)

    async def oldest_s(self) -> float:
        """For how long the conversation that has waited longest for a worker has waited; 0: none waits."""
        return await self._streams.oldest_s()

    async def begin(
        self, lease: Lease, execution: AttemptId | None = None, *, back: int = MOST_BACK
    ) -> Turn | None:
        """Begin an attempt at the turn at the head of the FIFO, after taking back what older attempts left;
        None: empty.

        execution: the attempt's id, never used before; whoever repeats a begin whose reply was lost gives
        the same, and it counts once. back: before how many turns of this agent one can go back to, this one
        among them; its thread must keep the places. A turn in state CANCELLING was not announced as started:
        finish it as cancelled. Replicated on return. Raises LeaseLost, NotReplicated; UnreadableTurn when the
        attempt is begun and counted, but its record makes no turn: give it up.
        """
        at = self._keys.conversation(lease.conversation)
        attempt = execution or self._fresh_attempt()
        args = [*fence_args(self._journal, lease), lease.conversation, attempt, back]
        reply = await self._scripts.acknowledged("begin", [*fence_keys(at), at.fifo], args)
        if reply is None:
            return None
        turn, record, messages, withdrawn = reply
        self._inputs.labels(what="withdrawn").inc(withdrawn)
        try:
            return _turn(_fields(record), [_fields(each) for each in messages])
        except (KeyError, ValueError) as error:
            raise UnreadableTurn(lease.conversation, TurnId(turn.decode()), attempt) from error

    async def start_message(self, lease: Lease, turn: Turn, message: MessageId, agent: AgentName) -> Spoken:
        """Let `agent` begin to speak; deltas may follow. Raises LeaseLost."""
        return await self.speaking.one(self.speaking.start(lease, turn, message, agent))

    async def delta(self, lease: Lease, turn: Turn, message: MessageId, at: int, text: str) -> Spoken:
        """Append `text` at UTF-16 unit `at`, where the message ends so far; a repeat of the last one is
        harmless.

        Raises LeaseLost; Refused when the message is not open or ends elsewhere.
        """
        return await self.speaking.one(self.speaking.delta(lease, turn, message, at, text))

    async def complete_message(
        self,
        lease: Lease,
        turn: Turn,
        message: MessageId,
        text: str,
        *,
        source: str,
        usage: Usage | None = None,
    ) -> Spoken:
        """Keep the whole message and tell; replicated on return. `source` is the thread's id of it, kept
        with the turn.

        Works for a message that was never started, too: then the turn's agent said it. Raises LeaseLost,
        NotReplicated.
        """
        return await self.speaking.one(self.speaking.complete(lease, turn, message, text, source, usage))

    async def retract(self, lease: Lease, turn: Turn, message: MessageId, reason: str) -> Spoken:
        """Take back an unfinished message of this attempt, or end a tool's call. Raises LeaseLost."""
        return await self.speaking.one(self.speaking.retract(lease, turn, message, reason))

    async def finish(
        self,
        lease: Lease,
        turn: Turn,
        outcome: Outcome,
        reason: str = "",
        kind: str = "",
        keep: Keep | Literal[""] = "",
        asks: Sequence[Ask] | None = (),
        *,
        back: Back = "",
        unheard: bool = False,
        usage: Mapping[str, int] | None = None,
    ) -> Appended:
        """End the turn, once and for all; takes back what is still unfinished. A repeat returns the first
        final's position.

        A failed one becomes a dead letter in the same step; `kind` is one word for why. keep: why every
        process is to keep what it has of the turn's trace. asks: all that the agent's thread waits for now;
        in the same step people are asked, and what is not among it is withdrawn. None: nobody knows. back:
        whether the thread stands before the turn, where that was asked. unheard: the thread never got the
        turn's messages; those of an interrupted one are its successor's then. usage: what this attempt's
        models counted, told together with the attempts' before it. Replicated on return. Raises LeaseLost,
        NotReplicated; RollBackFirst where `back` was not said and the turn is to be rolled back.
        """
        counted = msgspec.json.encode(usage) if usage else b""
        known, *asked = asked_args(turn, asks)
        told = [keep, back, int(unheard), known, counted, *asked]
        return await self._finish(lease, turn.id, turn.attempt, outcome, (reason, kind), told)

    async def give_up(self, lease: Lease, turn: UnreadableTurn, reason: str, kind: str) -> Appended:
        """End a turn that could not even be read, as failed. Raises as `finish`."""
        ids = TurnId(turn.turn), AttemptId(turn.attempt)
        return await self._finish(lease, *ids, "failed", (reason, kind), ["failed", "0", 0, _UNKNOWN, b""])

    async def _finish(
        self,
        lease: Lease,
        turn: TurnId,
        attempt: AttemptId,
        outcome: Outcome,
        why: tuple[str, str],
        kept: list[Argument],
    ) -> Appended:
        at = self._keys.conversation(lease.conversation)
        keys = [*fence_keys(at), at.turn(turn), at.shared.dead]
        args = [*fence_args(self._journal, lease), attempt, lease.conversation, turn, outcome, *why]
        reply = await self._scripts.acknowledged("finish", keys, [*args, *self._letters, *kept])
        epoch, offset, asked, withdrawn = reply
        self._inputs.labels(what="asked").inc(asked)
        self._inputs.labels(what="withdrawn").inc(withdrawn)
        return Appended(Position(epoch.decode(), int(offset)))

    async def cancel(self, conversation: ConversationId, user: UserId, turn: TurnId | None) -> list[TurnId]:
        """Stop one turn, or all that wait or run and what waits for people; the ids of those turns that are
        stopped or stopping.

        Queued turns have ended on return; the owner of a running one is told, and ends it. Raises
        NotMember, Refused, NotReplicated.
        """
        at = self._keys.conversation(conversation)
        keys = [*at.appending, at.members, at.fifo, at.shared.outbox]
        args: list[Argument] = [*self._journal, conversation, user, turn or "", allowed(Operation.CANCEL)]
        reply = await self._scripts.acknowledged("cancel", *self._audited(keys, args, at.shared))
        withdrawn, stopped = reply
        self._inputs.labels(what="withdrawn").inc(withdrawn)
        return [TurnId(each.decode()) for each in stopped]

    def _fresh_attempt(self) -> AttemptId:
        return AttemptId(uuid7(self._clock.now_ms(), os.urandom(ENTROPY_BYTES)))


def _fields(flat: list[bytes]) -> dict[str, str]:
    return {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}


def _turn(record: dict[str, str], messages: list[dict[str, str]]) -> Turn:
    """Of a turn that is taken back (lua/rewind.lua) the messages may be gone before it ends; what brings a
    thread back does not say when it was queued.
    """
    if not formats.known(record.get("format")):
        raise ValueError(f"a turn of format {record['format']}")
    done = {key.removeprefix(_DONE): MessageId(mid) for key, mid in record.items() if key.startswith(_DONE)}
    return Turn(
        id=TurnId(record["id"]),
        conversation=ConversationId(record["conversation"]),
        agent=AgentName(record["agent"]),
        messages=tuple(_kept(each) for each in messages if each or "gone" not in record),
        state=TurnState(record["state"]),
        attempt=AttemptId(record["attempt"]),
        attempts=int(record["attempts"]),
        completed=done,
        trace=record.get("trace", ""),
        queued_ms=0 if "rewinds" in record else int(record["queued_ms"]),
        handed_over=int(record.get("handed_over", 0)),
        replays=tuple(TurnId(each) for each in record.get("replays", "").split(",") if each),
        resumes=record.get("resumes", ""),
        answer=record.get("answer", ""),
        asked_as=tuple(TurnId(each) for each in record.get("asked_as", "").split(",") if each),
        before=AttemptId(record["before"]) if record.get("before") else None,
        before_started_ms=int(record.get("before_ms", 0)),
        before_handed_over="before" in record and record.get("handed") == record["before"],
        further=tuple(each["trace"] for each in messages[:-1] if each.get("trace")),
        stop=record.get("stop", ""),
        rewinds=tuple(TurnId(each) for each in record.get("rewinds", "").split(",") if each),
    )


def _kept(record: dict[str, str]) -> KeptMessage:
    return KeptMessage(
        id=MessageId(record["id"]),
        user=UserId(record["user"]) if record.get("user") else None,
        agent=AgentName(record["agent"]) if record.get("agent") else None,
        text=record["text"],
        seq=int(record["seq"]),
        created_ms=int(record["created_ms"]),
        turn=TurnId(record["turn"]) if record.get("turn") else None,
        deleted="deleted" in record,
    )
