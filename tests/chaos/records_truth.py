"""The house's own words at the end of a campaign: what the devices' lines (`records`) are held to.

Written by `truth` through `history`, read by the checker. Other fields may stand there, too.
"""

from typing import Any

import msgspec

Event = dict[str, Any]


class Said(msgspec.Struct, frozen=True):
    """A complete message, of a history page or of the truth."""

    id: str
    text: str
    seq: int
    user: str | None = None
    agent: str | None = None
    turn: str | None = None
    edits: int = 0
    deleted: bool = False
    reactions: dict[str, list[str]] = {}

    @property
    def is_changed(self) -> bool:
        """Whether its text is not what was said at first."""
        return self.deleted or self.edits > 0


class Entry(msgspec.Struct, frozen=True):
    """A journal entry; kind `d`: a delta, `e`: any other event."""

    offset: int
    kind: str
    event: Event


class HeadFacts(msgspec.Struct, frozen=True):
    """The journal's head."""

    top: int
    low: int
    forks: list[tuple[str, int]]


class TurnFacts(msgspec.Struct, frozen=True):
    """A turn's record."""

    state: str
    agent: str
    messages: list[str]
    outcome: str | None = None


class ThreadMessage(msgspec.Struct, frozen=True):
    """A message as an agent's thread holds it."""

    id: str
    type: str
    text: str


class Conversation(msgspec.Struct, frozen=True):
    """What the house durably holds of a conversation at the end. members: user -> role, None if it was not
    asked; reads: user -> the number of the last message it has read.
    """

    agents: list[str]
    head: HeadFacts
    journal: list[Entry]
    messages: list[Said]
    open: list[Any]
    fifo: list[str]
    turns: dict[str, TurnFacts]
    threads: dict[str, list[ThreadMessage]]
    lease: Any = None
    roster: list[str] | None = None
    title: str = ""
    members: dict[str, str] | None = None
    invited: list[str] = []
    reads: dict[str, int] = {}


class Truth(msgspec.Struct, frozen=True):
    """What the house holds of all conversations."""

    conversations: dict[str, Conversation]
