"""A dead letter: a turn that failed, as it is kept for a person to look at and to queue anew."""

from dataclasses import dataclass

from services.shared.model.ids import AgentName, ConversationId, MessageId, TurnId


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A turn that finished as failed.

    messages: what it was to answer. attempts: how often it was begun. kind: one word for why it failed;
    reason: the sentence people were shown; never message text. queued_ms, finished_ms: since 1970. replayed:
    the turn queued in its place, None while there is none. replays: the failed turns it was itself queued
    for, the oldest first.
    """

    turn: TurnId
    conversation: ConversationId
    agent: AgentName
    messages: tuple[MessageId, ...]
    attempts: int
    kind: str
    reason: str
    queued_ms: int
    finished_ms: int
    replayed: TurnId | None
    replays: tuple[TurnId, ...]


@dataclass(frozen=True, slots=True)
class Replayed:
    """A dead letter's messages wait for an answer again, as `turn`. repeated: since an earlier call."""

    turn: TurnId
    repeated: bool
