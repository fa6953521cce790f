"""What deeds.py and inbound.py need of the bus and of the brake. Nothing else here knows their forms."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from services.shared.model.asking import Taken
from services.shared.model.conversation import (
    Accepted,
    Appended,
    Created,
    DoubleTexting,
    Edited,
    HistoryPage,
    Listing,
    Reading,
    Receipt,
    Versions,
    WhenAnswers,
)
from services.shared.model.errors import QueueFull
from services.shared.model.ids import (
    AgentName,
    Channel,
    ConnectionId,
    ConversationId,
    MessageId,
    TurnId,
    UserId,
)
from services.shared.model.members import Invitations, Marks, MembersPage
from services.shared.model.presence import AttendeesPage, Seat
from services.shared.model.rewinding import Checkpoints, Rewound


class Dated(Protocol):
    """What was read under a replication id; "" if it changed in between."""

    @property
    def replid(self) -> str: ...


class Conversations(Protocol):
    """What is needed of the bus's conversations."""

    async def create(
        self,
        conversation: ConversationId,
        creator: UserId,
        *,
        title: str,
        members: Sequence[UserId],
        agents: Sequence[AgentName],
        answers: Mapping[str, WhenAnswers],
        double_texting: DoubleTexting,
    ) -> Created: ...
    async def configure(
        self,
        conversation: ConversationId,
        by: UserId,
        *,
        agents: Sequence[AgentName] | None,
        answers: Mapping[str, WhenAnswers],
        double_texting: DoubleTexting | None,
    ) -> Appended: ...
    async def add_member(
        self, conversation: ConversationId, by: UserId, user: UserId, role: str
    ) -> Appended: ...
    async def remove_member(self, conversation: ConversationId, by: UserId, user: UserId) -> Appended: ...
    async def rename(self, conversation: ConversationId, by: UserId, title: str) -> Appended: ...
    async def listing(self, user: UserId, limit: int) -> Listing: ...
    async def role(self, conversation: ConversationId, user: UserId) -> str | None: ...


class Members(Protocol):
    """What is needed of the bus's members."""

    async def invite(self, conversation: ConversationId, by: UserId, user: UserId, role: str) -> Appended: ...
    async def accept(self, conversation: ConversationId, user: UserId) -> Appended: ...
    async def decline(self, conversation: ConversationId, user: UserId) -> Appended: ...
    async def change_role(
        self, conversation: ConversationId, by: UserId, user: UserId, role: str
    ) -> Appended: ...
    async def page(
        self, conversation: ConversationId, user: UserId, *, after: str, limit: int
    ) -> MembersPage: ...
    async def invitations(self, user: UserId) -> Invitations: ...


class UserMarks(Protocol):
    """What is needed of the bus's marks."""

    async def mute(self, conversation: ConversationId, user: UserId, until: int | None) -> Marks: ...
    async def archive(self, conversation: ConversationId, user: UserId, *, archived: bool) -> Marks: ...


class Deletion(Protocol):
    """What is needed of the bus's deletion."""

    async def delete(self, conversation: ConversationId, user: UserId) -> Appended: ...


class Messages(Protocol):
    """What is needed of the bus's messages."""

    async def accept(
        self,
        conversation: ConversationId,
        user: UserId,
        message_id: MessageId,
        text: str,
        *,
        reply_to: str,
        mentions: Collection[str],
        named: Collection[str],
        trace: str,
        overloaded: bool,
    ) -> Accepted: ...
    async def history(
        self, conversation: ConversationId, user: UserId, *, before: int | None, limit: int
    ) -> HistoryPage: ...


class Journal(Protocol):
    """What is needed of the bus's journals."""

    async def excerpt(
        self, channel: Channel, at: int | None, *, user: UserId | None, limit: int, reverse: bool
    ) -> Reading: ...


class Edits(Protocol):
    """What is needed of the bus's edits."""

    async def edit(
        self, conversation: ConversationId, user: UserId, message: MessageId, text: str
    ) -> Edited: ...
    async def delete(self, conversation: ConversationId, user: UserId, message: MessageId) -> Appended: ...
    async def react(
        self, conversation: ConversationId, user: UserId, message: MessageId, reaction: str, *, on: bool
    ) -> Appended: ...
    async def versions(self, conversation: ConversationId, user: UserId, message: MessageId) -> Versions: ...


class Receipts(Protocol):
    """What is needed of the bus's receipts."""

    async def read(self, conversation: ConversationId, user: UserId, seq: int) -> Receipt: ...
    async def typing(
        self, conversation: ConversationId, user: UserId, *, typing: bool, expires_ms: int
    ) -> None: ...


class Turns(Protocol):
    """What is needed of the bus's turns."""

    async def cancel(
        self, conversation: ConversationId, user: UserId, turn: TurnId | None
    ) -> Sequence[TurnId]: ...


class Answers(Protocol):
    """What is needed of the bus's answers."""

    async def answer(
        self,
        conversation: ConversationId,
        user: UserId,
        answer_id: str,
        interrupt: str,
        answer: bytes,
        *,
        trace: str,
    ) -> Taken: ...


class Rewinds(Protocol):
    """What is needed of the bus's rewinds."""

    async def rewind(
        self,
        conversation: ConversationId,
        user: UserId,
        rewind_id: str,
        message: str,
        *,
        ask: bool,
        text: str,
        mentions: Collection[str],
        trace: str,
        overloaded: bool,
    ) -> Rewound: ...
    async def checkpoints(
        self, conversation: ConversationId, user: UserId, agent: AgentName, *, limit: int
    ) -> Checkpoints: ...


class Roster(Protocol):
    """What is needed of the bus's rosters."""

    async def of(
        self, conversation: ConversationId, most: int | None = None
    ) -> Mapping[ConnectionId, Seat]: ...
    async def count(self, conversation: ConversationId) -> tuple[int, int]: ...


class Attendees(Protocol):
    """What is needed of the bus's attendees."""

    async def page(
        self, conversation: ConversationId, by: UserId, *, after: str, limit: int
    ) -> AttendeesPage: ...


class Bus(Protocol):
    """What is needed of the bus."""

    @property
    def attendees(self) -> Attendees: ...

    @property
    def conversations(self) -> Conversations: ...
    @property
    def members(self) -> Members: ...
    @property
    def marks(self) -> UserMarks: ...
    @property
    def deletion(self) -> Deletion: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def edits(self) -> Edits: ...
    @property
    def receipts(self) -> Receipts: ...
    @property
    def turns(self) -> Turns: ...
    @property
    def answers(self) -> Answers: ...
    @property
    def rewinds(self) -> Rewinds: ...
    @property
    def roster(self) -> Roster: ...


class Brake(Protocol):
    """What is needed of brake.py."""

    @property
    def full(self) -> bool: ...
    def accepted(self, turns: int) -> None: ...
    def refused(self, error: QueueFull) -> None: ...
