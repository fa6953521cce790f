"""What the checker may find, in the words of the campaign's table. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Each is a promise broken; `README.md` beside this file says what each means exactly."""

    LOST = "lost"
    REPEATED = "repeated"
    REORDERED = "reordered"
    FOREIGN = "foreign"
    TWO_FINALS = "two finals"
    LEFT_STREAMING = "left streaming"
    RAN_TWICE = "ran twice"
    RECOVERED_FALSE = "recovered false"
    WRONG_ACKNOWLEDGEMENT = "wrong acknowledgement"
    THREAD = "thread"
    PRESENCE = "presence"
    UNANSWERED = "unanswered"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken promise. who: the device, process or part of the house it shows in; t: when, if known."""

    kind: Kind
    conversation: str
    who: str
    detail: str
    t: float | None = None

    def __str__(self) -> str:
        when = "at the end" if self.t is None else f"at {self.t:.3f}"
        return f"{self.kind}: {self.detail} ({self.who}, {when}, conversation {self.conversation or '-'})"
