"""Where a conversation can go back to, and what became of going back. Pure."""

from dataclasses import dataclass

from services.shared.model.ids import MessageId, TurnId
from services.shared.model.position import Position


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One can go back to before `turn`, by going back to `message`, the last one it answered. time: when it
    began, in milliseconds since 1970.
    """

    turn: TurnId
    message: MessageId
    time: int


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Some of them, the newest first. replid: the Redis replication id they were read under."""

    checkpoints: tuple[Checkpoint, ...]
    replid: str


@dataclass(frozen=True, slots=True)
class Rewound:
    """The log is back; that stands in the journal at `position`, also of a repeat the first time's. turns:
    those that ask anew. gone: messages that left; ended: turns that waited; stopping: those that ran; 0 of a
    repeat.
    """

    position: Position
    turns: tuple[TurnId, ...]
    repeated: bool
    gone: int = 0
    ended: int = 0
    stopping: int = 0
