"""The words of a campaign's history: one frozen record for every line; the house's truth is `records_truth`.

Written by the campaign through `history` or by hand as JSON, read by the checker. `README.md` beside this
file says when each is written. Fields that are not named here may stand in any line; they are not read.
"""

from typing import Any

import msgspec

from tests.chaos.records_truth import Conversation as Conversation
from tests.chaos.records_truth import Entry as Entry
from tests.chaos.records_truth import Event as Event
from tests.chaos.records_truth import HeadFacts as HeadFacts
from tests.chaos.records_truth import Said as Said
from tests.chaos.records_truth import ThreadMessage as ThreadMessage
from tests.chaos.records_truth import Truth as Truth
from tests.chaos.records_truth import TurnFacts as TurnFacts


class Line(msgspec.Struct, frozen=True, tag_field="kind"):
    """Something that happened at `t`, in seconds since 1970."""

    t: float


class Life(Line, frozen=True, tag="life"):
    """A device's process began; it knows nothing."""

    device: str
    user: str
    life: int = 1


class Connecting(Line, frozen=True, tag="connecting"):
    """It has no connection and wants one; code 0: it asked for the first one itself."""

    code: int


class Connected(Line, frozen=True, tag="connected"):
    """It has one."""

    client: str = ""


class Disconnected(Line, frozen=True, tag="disconnected"):
    """It has none and wants none; code 0: it left by itself."""

    code: int


class Unfinished(msgspec.Struct, frozen=True):
    """A message somebody still speaks; `at` is the length of `text` in UTF-16 code units."""

    message: str
    text: str
    at: int
    agent: str = ""
    turn: str = ""
    attempt: str = ""


class About(Line, frozen=True):
    """A line about one conversation."""

    conversation: str


class Loaded(About, frozen=True, tag="loaded"):
    """A page of history that the device took for its view; right before the subscribe that used it."""

    messages: list[Said]
    open: list[Unfinished]
    epoch: str
    offset: int


class Subscribed(About, frozen=True, tag="subscribed"):
    """The reply to a subscribe; recovered publications follow it as `pub` lines. read: how far its user has
    read, by number.
    """

    epoch: str
    offset: int
    recovered: bool
    was_recovering: bool
    open: list[Unfinished]
    read: int | None = None


class Subscribing(About, frozen=True, tag="subscribing"):
    """The subscription is on its way, again."""

    code: int = 0


class Unsubscribed(About, frozen=True, tag="unsubscribed"):
    """It ended for good."""

    code: int = 0


class SubscribeError(About, frozen=True, tag="error"):
    """A subscribe was refused."""

    code: int


class Pub(About, frozen=True, tag="pub"):
    """What the SDK handed to the publication handler; offset 0: it has no place in the journal."""

    event: Event
    offset: int = 0


class Send(About, frozen=True, tag="send"):
    """A try to say something."""

    message: str
    text: str
    tries: int = msgspec.field(default=1, name="try")


class Acked(About, frozen=True, tag="acked"):
    """The server's word that a message is kept."""

    message: str
    epoch: str
    offset: int


class Refused(About, frozen=True, tag="refused"):
    """The server's word that it was not taken."""

    message: str
    code: int
    temporary: bool = False


class Cancelling(About, frozen=True, tag="cancelling"):
    """A try to stop what runs and waits."""


class Cancel(About, frozen=True, tag="cancel"):
    """Turns that a cancel stopped, as acknowledged."""

    turns: list[str]


class Done(About, frozen=True, tag="done"):
    """The server's word that something was done to a conversation, or was so already: the RPC, as asked."""

    method: str
    arguments: dict[str, Any]
    epoch: str
    offset: int


class Came(About, frozen=True, tag="join"):
    """A user was said to be there."""

    user: str


class Left(About, frozen=True, tag="leave"):
    """A user was said to have left."""

    user: str


class Settled(About, frozen=True, tag="settled"):
    """From here on the device must have everything. The rest is what the house tells it when it asks: how
    far its user has read, how much is unread, the title, and the members with their roles.
    """

    read: int | None = None
    unread: int | None = None
    title: str | None = None
    members: dict[str, str] | None = None


DeviceLine = (
    Life
    | Connecting
    | Connected
    | Disconnected
    | Loaded
    | Subscribed
    | Subscribing
    | Unsubscribed
    | SubscribeError
    | Pub
    | Send
    | Acked
    | Refused
    | Cancelling
    | Cancel
    | Done
    | Came
    | Left
    | Settled
)


class Ran(About, frozen=True, tag="ran"):
    """A node's body began; `task` is LangGraph's name for this one run of it."""

    turn: str
    attempt: str
    node: str
    task: str


class Stored(About, frozen=True, tag="stored"):
    """What a task wrote is durably stored."""

    turn: str
    attempt: str
    task: str


class Fault(Line, frozen=True, tag="fault"):
    """Something was broken on purpose."""

    fault: str
    n: int
    target: str = ""


class FaultOver(Line, frozen=True, tag="fault.over"):
    """Fault `n` is mended. target: whom it hurt in the end; empty: nobody, it came to nothing. pause_ms: the
    longest anybody waited because of it, if that is known.
    """

    n: int
    target: str | None = None
    pause_ms: float | None = None
    note: str = ""


class Replaced(Line, frozen=True, tag="master.replaced"):
    """The Sentinels made another server master although nothing was done to the one they had. during: the
    fault under way, or what else; master: who was replaced.
    """

    during: str
    master: str
