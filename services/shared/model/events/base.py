"""What all events are, and the words several of them use."""

from dataclasses import dataclass
from typing import ClassVar, Literal

Outcome = Literal["completed", "failed", "cancelled", "interrupted"]
"""How a turn can end."""
ToolOutcome = Literal["completed", "failed", "cancelled"]
"""How a call of a tool can end."""
Keep = Literal["failed", "slow", "fault"]
"""Why a turn's trace is kept whatever was sampled."""


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; `type` names the kind on the wire."""

    type: ClassVar[str]
