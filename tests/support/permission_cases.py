"""One case of each operation of the table of who may do what, as a client does it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from centrifuge import ReplyError, SubscriptionEventHandler, UnsubscribedContext

from services.local.device import new_id
from services.shared.model.permissions import Operation
from services.shared.wire.codes import NOT_ASKED
from tests.support.official_client import Official
from tests.support.waiting import eventually

Told = tuple[int, str]
"""Code and text of an error reply."""
DONE: Told = (0, "")
HIDDEN: Told = (-1, "")
"""Not refused, but not shown."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A conversation of a host, another member, and whoever acts. own, hosts: messages of theirs; own is
    empty where the actor may say nothing.
    """

    actor: Official
    other: str
    conversation: str
    own: str
    hosts: str

    @property
    def channel(self) -> str:
        return f"conversation:{self.conversation}"

    @property
    def user(self) -> str:
        return self.actor.user

    async def call(self, method: str, **arguments: Any) -> Told:
        """Call a method about this conversation."""
        return await told(self.actor.rpc(method, conversation=self.conversation, **arguments))


Act = Callable[[Stage], Awaitable[Told]]


async def told(call: Awaitable[object]) -> Told:
    """The error reply of a call; DONE without one."""
    try:
        await call
    except ReplyError as error:
        return int(error.code), str(error.message)
    return DONE


class _Ends(SubscriptionEventHandler):
    """How a subscription came out."""

    def __init__(self) -> None:
        self.outcome: Told | None = None

    async def on_subscribed(self, _: Any) -> None:
        self.outcome = DONE

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.outcome = (ctx.code, ctx.reason)


async def _subscribe(on: Stage) -> Told:
    ends = _Ends()
    await on.actor.client.new_subscription(on.channel, events=ends).subscribe()
    await eventually(lambda: ends.outcome)
    assert ends.outcome
    return ends.outcome


async def _presence(on: Stage) -> Told:
    outcome = await told(on.actor.client.presence(on.channel))
    assert outcome == await told(on.actor.client.presence_stats(on.channel))
    return outcome


async def _list(on: Stage) -> Told:
    """Who may not finds nothing of it, and is refused nothing else."""
    conversations = (await on.actor.rpc("conversation.list"))["conversations"]
    return DONE if any(each["id"] == on.conversation for each in conversations) else HIDDEN


async def _history(on: Stage) -> Told:
    outcome = await on.call("conversation.history")
    assert outcome == await told(on.actor.client.history(on.channel, limit=1))
    return outcome


async def _send(on: Stage) -> Told:
    outcome = await on.call("conversation.send", id=new_id(), text="hello")
    assert outcome == await told(on.actor.client.publish(on.channel, {"id": new_id(), "text": "hello"}))
    return outcome


def _calls(method: str, **arguments: Any) -> Act:
    async def act(on: Stage) -> Told:
        ready = {name: value(on) if callable(value) else value for name, value in arguments.items()}
        return await on.call(method, **ready)

    return act


def _id(_: Stage) -> str:
    return new_id()


def _other(on: Stage) -> str:
    return on.other


def _own(on: Stage) -> str:
    return on.own or on.hosts


CASES: Mapping[Operation, Act] = {
    Operation.SUBSCRIBE: _subscribe,
    Operation.PRESENCE: _presence,
    Operation.LIST: _list,
    Operation.HISTORY: _history,
    Operation.CHECKPOINTS: _calls("conversation.checkpoints", agent="assistant"),
    Operation.READ: _calls("conversation.read", seq=1),
    Operation.SEND: _send,
    Operation.REACT: _calls("message.react", id=_own, reaction="+1"),
    Operation.EDIT: _calls("message.edit", id=_own, text="in other words"),
    Operation.ERASE: _calls("message.delete", id=_own),
    Operation.ERASE_OTHERS: _calls("message.delete", id=lambda on: on.hosts),
    Operation.VERSIONS: _calls("message.versions", id=_own),
    Operation.VERSIONS_OTHERS: _calls("message.versions", id=lambda on: on.hosts),
    Operation.TYPING: _calls("conversation.typing", typing=True),
    Operation.ANSWER: _calls("conversation.answer", id=_id, interrupt="x", answer=True),
    Operation.CANCEL: _calls("conversation.cancel"),
    Operation.REWIND: _calls("conversation.rewind", id=_id, message=_own, ask=False),
    Operation.REWIND_OTHERS: _calls("conversation.rewind", id=_id, message=lambda on: on.hosts, ask=False),
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
"""How each is done; a new operation needs one, else the test of the table fails."""

OTHERWISE: Mapping[Operation, int] = {Operation.ANSWER: NOT_ASKED.code}
"""What one who may is told, where that is no success: here no agent asks anything."""
