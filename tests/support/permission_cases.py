"""One case of each operation of the table of who may do what, as anybody does it who can call an RPC: a
device over its socket (tests/support/socket_cases.py has what only sockets can), a back end over HTTP, a test
in the process itself. A caller is an `Actor`; a case is the RPC's name and its arguments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from services.local.device import new_id
from services.shared.model.permissions import Operation, Role, may
from services.shared.wire.codes import NOT_ASKED, PERMISSION_DENIED, REFUSED

Told = tuple[int, str]
"""Code and text of an error reply."""
DONE: Told = (0, "")
HIDDEN: Told = (-1, "")
"""Not refused, but not shown."""


class Actor(Protocol):
    """Who acts. user: what it is called: a user, or `service:<key>`."""

    @property
    def user(self) -> str: ...

    async def call(self, method: str, arguments: Mapping[str, Any]) -> tuple[Told, Any]:
        """Call an RPC: the error it was answered with, or DONE and the result."""
        ...


@dataclass(frozen=True, slots=True)
class Stage:
    """A conversation of a host and another member, and whoever acts. own, hosts: messages of theirs; own is
    empty where the actor may say nothing.
    """

    actor: Actor
    other: str
    conversation: str
    own: str
    hosts: str

    @property
    def channel(self) -> str:
        return f"conversation:{self.conversation}"


@dataclass(frozen=True, slots=True)
class Case:
    """How an operation is done. A value that can be called is made of the stage."""

    method: str
    values: Mapping[str, Any]

    def arguments(self, on: Stage) -> dict[str, Any]:
        """What the RPC is called with."""
        ready = {name: value(on) if callable(value) else value for name, value in self.values.items()}
        return ready if self.method == "conversation.list" else {"conversation": on.conversation, **ready}

    async def done(self, on: Stage) -> Told:
        """How it ends. A list that does not show the conversation ends as HIDDEN."""
        told, result = await on.actor.call(self.method, self.arguments(on))
        if told == DONE and self.method == "conversation.list":
            return DONE if on.conversation in [each["id"] for each in result["conversations"]] else HIDDEN
        return told


def _calls(method: str, **values: Any) -> Case:
    return Case(method, values)


def _id(_: Stage) -> str:
    return new_id()


def _other(on: Stage) -> str:
    return on.other


def _own(on: Stage) -> str:
    return on.own or on.hosts


def _hosts(on: Stage) -> str:
    return on.hosts


CASES: Mapping[Operation, Case] = {
    Operation.PRESENCE: _calls("conversation.presence"),
    Operation.LIST: _calls("conversation.list"),
    Operation.HISTORY: _calls("conversation.history"),
    Operation.CHECKPOINTS: _calls("conversation.checkpoints", agent="assistant"),
    Operation.READ: _calls("conversation.read", seq=1),
    Operation.SEND: _calls("conversation.send", id=_id, text="hello"),
    Operation.REACT: _calls("message.react", id=_own, reaction="+1"),
    Operation.EDIT: _calls("message.edit", id=_own, text="in other words"),
    Operation.ERASE: _calls("message.delete", id=_own),
    Operation.ERASE_OTHERS: _calls("message.delete", id=_hosts),
    Operation.VERSIONS: _calls("message.versions", id=_own),
    Operation.VERSIONS_OTHERS: _calls("message.versions", id=_hosts),
    Operation.TYPING: _calls("conversation.typing", typing=True),
    Operation.ANSWER: _calls("conversation.answer", id=_id, interrupt="x", answer=True),
    Operation.CANCEL: _calls("conversation.cancel"),
    Operation.REWIND: _calls("conversation.rewind", id=_id, message=_own, ask=False),
    Operation.REWIND_OTHERS: _calls("conversation.rewind", id=_id, message=_hosts, ask=False),
    Operation.ADD: _calls("conversation.members.add", user="someone", role="reader"),
    Operation.ADD_OWNER: _calls("conversation.members.add", user="someone", role="owner"),
    Operation.REMOVE: _calls("conversation.members.remove", user=_other),
    Operation.LEAVE: _calls("conversation.leave"),
    Operation.INVITE: _calls("conversation.members.invite", user="someone", role="reader"),
    Operation.INVITE_OWNER: _calls("conversation.members.invite", user="someone", role="owner"),
    Operation.ROLE: _calls("conversation.members.role", user=_other, role="reader"),
    Operation.MEMBERS: _calls("conversation.members.list"),
    Operation.RENAME: _calls("conversation.rename", title="another"),
    Operation.MUTE: _calls("conversation.mute", until=None),
    Operation.ARCHIVE: _calls("conversation.archive", archived=True),
    Operation.CONFIGURE: _calls("conversation.configure", double_texting="reject"),
    Operation.DELETE: _calls("conversation.delete"),
}
"""How each is done by an RPC; a new operation needs one, or a command of the socket, else a test fails."""

USERS_ALONE: tuple[Case, ...] = (
    _calls("conversation.create", id=_id, title="mine"),
    _calls("conversation.invitations"),
    _calls("conversation.members.accept"),
    _calls("conversation.members.decline"),
)
"""What is no matter of a role in a conversation, and needs a user."""

OTHERWISE: Mapping[Operation, int] = {Operation.ANSWER: NOT_ASKED.code}
"""What one who may is told, where that is no success: here no agent asks anything."""


def judge(operation: Operation, role: Role, outcome: Told) -> None:
    """Hold an outcome against the table, for somebody of this role. Raises AssertionError."""
    code, text = outcome
    if may(role, operation):
        assert code == OTHERWISE.get(operation, 0), text
    elif operation is Operation.LIST and role is not Role.SERVICE:
        assert outcome == HIDDEN
    else:
        assert code == REFUSED.code, outcome
        assert f"the role {role} may not do {operation.partition(' ')[0]}" in text


def judge_stranger(operation: Operation, role: Role | None, outcome: Told) -> None:
    """The same where there is no such conversation, or, for a user (None), where one is a stranger. A
    service has no list anywhere. Raises AssertionError.
    """
    if operation is not Operation.LIST:
        assert outcome[0] == PERMISSION_DENIED.code, outcome
    elif role is Role.SERVICE:
        assert outcome[0] == REFUSED.code, outcome
    else:
        assert outcome == HIDDEN
