"""What an agent does beside speaking, as devices are told of it, and the bound on what is told of one."""

from dataclasses import dataclass
from typing import Literal

from services.shared.model.events import ToolOutcome

MOST_TOLD = 16 * 1024
"""Bytes of a call's arguments, and of its result."""
MOST_REASONED = 64 * 1024
"""Bytes of what a model thinks in one go, and of what an agent within the agent says."""
MOST_NAME = 256
"""Characters of a tool's name."""
MOST_WRITTEN = 64 * 1024
"""Characters of JSON that nodes wrote in one event; of one value there are at most `MOST_TOLD`."""


@dataclass(frozen=True, slots=True)
class Doing:
    """A call of the tool `name`, a model's reasoning, or an agent within the agent; `path` names the nodes it
    is within, from the top; none: it is there.
    """

    name: str
    path: tuple[str, ...] = ()
    kind: Literal["tool", "reasoning", "subagent"] = "tool"

    @property
    def most(self) -> int:
        """Bytes of its text that are told."""
        return MOST_TOLD if self.kind == "tool" else MOST_REASONED


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. arguments: JSON text, or what was thought or said. cut: it or the
    result was longer than is told.
    """

    arguments: str
    outcome: ToolOutcome
    result: str | None = None
    cut: bool = False


def bounded(text: str, most: int = MOST_TOLD) -> tuple[str, bool]:
    """As much of a text as is told, and whether that is not all. Halves of characters are replaced."""
    data = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode()
    if len(data) <= most:
        return data.decode(), False
    return data[:most].decode(errors="ignore"), True
