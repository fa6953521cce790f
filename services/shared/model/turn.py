"""A turn: one answer by one graph to one or more messages, and the right of one worker to give it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from services.shared.model.conversation import KeptMessage
from services.shared.model.ids import AgentName, AttemptId, ConversationId, MessageId, NodeId, TurnId
from services.shared.model.position import Position


class TurnState(StrEnum):
    """Where a turn stands: queued -> running -> finished; cancelling is a running turn asked to stop."""

    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True)
class Ready:
    """Word that a conversation has turns waiting. `entry` is its ready-stream entry, None when found by the
    sweep.
    """

    partition: int
    conversation: ConversationId
    entry: str | None = None


UNCLAIMED = 0


@dataclass(frozen=True, slots=True)
class Lease:
    """One worker's right to a conversation. Scripts compare token AND attempt for equality: a token counter
    can roll back. token: `UNCLAIMED` of one that is being claimed just now, good for the begin that is sent
    along.
    """

    conversation: ConversationId
    token: int
    attempt: AttemptId
    worker: NodeId


@dataclass(frozen=True, slots=True)
class Renewal:
    """Outcome of renewing leases: those that are gone, by attempt, and running turns somebody asked to
    cancel.
    """

    lost: frozenset[AttemptId]
    cancelling: frozenset[TurnId]


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn as its worker got it.

    attempt: random id of this execution. attempts: how often it was begun, this one included. messages: what
    it answers, in order. completed: thread message id -> message already kept by an earlier attempt. trace:
    W3C traceparent of the message that caused it, empty when there is none. queued_ms: when it was queued.
    handed_over: how many of the attempts ended because their worker did so in order. replays: the failed
    turns this one was queued for, the oldest first. resumes: the interrupt that it takes `answer`, JSON, to;
    empty: it answers messages. asked_as: the turns under which its messages may stand in the thread then.
    before: the attempt before this one, None in the first, begun at before_started_ms; before_handed_over: it
    ended because its worker did so in order. further: traceparents of the messages before the last, where
    they have one. stop: how it is to end, as far as anybody asked (see lua/stop.lua). rewinds: it answers
    nothing, and only brings the agent's thread back to before these turns.
    """

    id: TurnId
    conversation: ConversationId
    agent: AgentName
    messages: tuple[KeptMessage, ...]
    state: TurnState
    attempt: AttemptId
    attempts: int
    completed: Mapping[str, MessageId]
    trace: str
    queued_ms: int
    handed_over: int = 0
    replays: tuple[TurnId, ...] = ()
    resumes: str = ""
    answer: str = ""
    asked_as: tuple[TurnId, ...] = ()
    before: AttemptId | None = None
    before_started_ms: int = 0
    before_handed_over: bool = False
    further: tuple[str, ...] = ()
    stop: str = ""
    rewinds: tuple[TurnId, ...] = ()

    @property
    def gone(self) -> bool:
        """Whether all that it was to answer was deleted since it was queued."""
        return bool(self.messages) and not self.resumes and all(each.deleted for each in self.messages)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A speech event stands in the journal; `cancelling` tells that the turn is to stop."""

    position: Position
    cancelling: bool
