"""What can happen in a conversation: one frozen class per journal event.

The field names are the JSON names devices see. `type` is fixed per class; `time` (milliseconds) is added by
the script that appends the event, from the Redis master's clock, so all events of a conversation share one
clock.

`trace` is the W3C traceparent of the span that accepted the message, absent where nobody traces. It is the
first field and so stands directly behind `type`: a connection pod finds it without parsing the event.
"""

from services.shared.model.events.base import Event, Keep, Outcome, ToolOutcome
from services.shared.model.events.chat import (
    MessageCompleted,
    MessageCreated,
    MessageDelta,
    MessageRetracted,
    MessageStarted,
    TurnFinished,
    TurnStarted,
)
from services.shared.model.events.doings import (
    AgentCustom,
    InputAnswered,
    InputRequested,
    ReasoningCompleted,
    ReasoningDelta,
    ReasoningStarted,
    SubagentDelta,
    SubagentFinished,
    SubagentStarted,
    ToolDelta,
    ToolFinished,
    ToolStarted,
)
from services.shared.model.events.people import (
    ConversationDeleted,
    ConversationMarked,
    ConversationRewound,
    ConversationUpdated,
    MemberChanged,
    MemberDeclined,
    MemberInvited,
    MemberJoined,
    MemberLeft,
    MessageDeleted,
    MessageEdited,
    MessageMentioned,
    MessageReacted,
    PresenceChanged,
    ReceiptRead,
    Typing,
)

__all__ = [
    "AgentCustom",
    "ConversationDeleted",
    "ConversationMarked",
    "ConversationRewound",
    "ConversationUpdated",
    "Event",
    "InputAnswered",
    "InputRequested",
    "Keep",
    "MemberChanged",
    "MemberDeclined",
    "MemberInvited",
    "MemberJoined",
    "MemberLeft",
    "MessageCompleted",
    "MessageCreated",
    "MessageDeleted",
    "MessageDelta",
    "MessageEdited",
    "MessageMentioned",
    "MessageReacted",
    "MessageRetracted",
    "MessageStarted",
    "Outcome",
    "PresenceChanged",
    "ReasoningCompleted",
    "ReasoningDelta",
    "ReasoningStarted",
    "ReceiptRead",
    "SubagentDelta",
    "SubagentFinished",
    "SubagentStarted",
    "ToolDelta",
    "ToolFinished",
    "ToolOutcome",
    "ToolStarted",
    "TurnFinished",
    "TurnStarted",
    "Typing",
]
