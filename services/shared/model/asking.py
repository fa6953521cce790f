"""What an agent asks people, and what becomes of an answer. Pure."""

from dataclasses import dataclass

from services.shared.model.ids import AgentName, TurnId
from services.shared.model.position import Position

VALUE_BYTES = 65_536
"""What an agent asks, and what is answered, may have as JSON."""
ASKED_BYTES = 524_288
"""All that one thread asks at a time may have: every device that comes is told all of it."""
MOST_ASKED = 100
"""Questions one thread may ask at a time."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What a thread waits for, an interrupt of its graph. value, schema: JSON; schema: empty for none."""

    interrupt: str
    value: bytes
    schema: bytes = b""


@dataclass(frozen=True, slots=True)
class Question:
    """An `Ask` as devices are told of it. time: when it was asked, in milliseconds since 1970."""

    interrupt: str
    turn: TurnId
    agent: AgentName
    time: int
    value: bytes
    schema: bytes = b""


@dataclass(frozen=True, slots=True)
class Taken:
    """An answer counts: it stands in the journal at `position`, and `turn` takes it to the agent.

    waited_ms: since it was asked; 0 of a repeat. waiting: traceparent of the turn that waits, empty if there
    is none.
    """

    position: Position
    turn: TurnId
    repeated: bool
    waited_ms: int = 0
    waiting: str = ""
