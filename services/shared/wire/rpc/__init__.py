"""The RPCs: names, arguments, results and errors, typed once. docs/protocol.md is generated from here.

A module here for each subject; each has its part of `METHODS`. Called by deeds.py, which has one handler
per entry of it, and by the client tools. A method added here and to the module of its subject in
services/connection (`calls_...`) is served, documented and tested; nothing else names methods.
"""

from services.shared.wire.rpc import conversations, edits, marks, members, messages, receipts, rewinds
from services.shared.wire.rpc.conversations import Configure as Configure
from services.shared.wire.rpc.conversations import Create as Create
from services.shared.wire.rpc.conversations import Created as Created
from services.shared.wire.rpc.conversations import Delete as Delete
from services.shared.wire.rpc.conversations import Listed as Listed
from services.shared.wire.rpc.conversations import ListOf as ListOf
from services.shared.wire.rpc.conversations import Rename as Rename
from services.shared.wire.rpc.edits import DeleteMessage as DeleteMessage
from services.shared.wire.rpc.edits import Edit as Edit
from services.shared.wire.rpc.edits import EditDone as EditDone
from services.shared.wire.rpc.edits import React as React
from services.shared.wire.rpc.edits import VersionsOf as VersionsOf
from services.shared.wire.rpc.edits import VersionsTold as VersionsTold
from services.shared.wire.rpc.marks import Archive as Archive
from services.shared.wire.rpc.marks import Marked as Marked
from services.shared.wire.rpc.marks import Mute as Mute
from services.shared.wire.rpc.members import Accept as Accept
from services.shared.wire.rpc.members import AddMember as AddMember
from services.shared.wire.rpc.members import ChangeRole as ChangeRole
from services.shared.wire.rpc.members import Decline as Decline
from services.shared.wire.rpc.members import InvitationsOf as InvitationsOf
from services.shared.wire.rpc.members import Invite as Invite
from services.shared.wire.rpc.members import Invited as Invited
from services.shared.wire.rpc.members import Leave as Leave
from services.shared.wire.rpc.members import MembersOf as MembersOf
from services.shared.wire.rpc.members import MembersPage as MembersPage
from services.shared.wire.rpc.members import RemoveMember as RemoveMember
from services.shared.wire.rpc.messages import Answer as Answer
from services.shared.wire.rpc.messages import Answered as Answered
from services.shared.wire.rpc.messages import Asked as Asked
from services.shared.wire.rpc.messages import Cancel as Cancel
from services.shared.wire.rpc.messages import Cancelled as Cancelled
from services.shared.wire.rpc.messages import History as History
from services.shared.wire.rpc.messages import Page as Page
from services.shared.wire.rpc.messages import PublishedMessage as PublishedMessage
from services.shared.wire.rpc.messages import Send as Send
from services.shared.wire.rpc.messages import Sent as Sent
from services.shared.wire.rpc.messages import Underway as Underway
from services.shared.wire.rpc.method import Changed as Changed
from services.shared.wire.rpc.method import Method as Method
from services.shared.wire.rpc.presence import METHODS as _PRESENCE
from services.shared.wire.rpc.presence import PresenceOf as PresenceOf
from services.shared.wire.rpc.presence import PresencePage as PresencePage
from services.shared.wire.rpc.receipts import Read as Read
from services.shared.wire.rpc.receipts import ReadSoFar as ReadSoFar
from services.shared.wire.rpc.receipts import Typing as Typing
from services.shared.wire.rpc.receipts import TypingTaken as TypingTaken
from services.shared.wire.rpc.rewinds import CheckpointsOf as CheckpointsOf
from services.shared.wire.rpc.rewinds import Rewind as Rewind
from services.shared.wire.rpc.rewinds import Rewound as Rewound
from services.shared.wire.rpc.rewinds import Ways as Ways

METHODS: dict[str, Method] = {
    **conversations.METHODS,
    **messages.METHODS,
    **receipts.METHODS,
    **edits.METHODS,
    **rewinds.METHODS,
    **members.METHODS,
    **marks.METHODS,
    **_PRESENCE,
}
"""Every RPC, in the order of the documentation."""
