"""What tests of the session say to it, and what they look for in its answers."""

import json
from typing import Any

from services.connection.core.admission import Limits
from services.connection.core.events import (
    Claims,
    FrameReceived,
    Joined,
    TokenVerified,
)
from services.shared.model.ids import Channel
from services.shared.model.position import Position
from services.shared.wire.codes import Disconnect
from tests.support.session_oracle import WatchedSession

CID = "0198c2b0-0000-7000-8000-000000000001"
TALK = f"conversation:{CID}"
CHANNEL = Channel.of_conversation(CID)
ANN = Channel.of_user("ann")
OPEN = b'{"open":[]}'


def say(watched: WatchedSession, **command: Any) -> None:
    """Send one command."""
    watched.handle(FrameReceived(json.dumps(command).encode()))


def answer(watched: WatchedSession, event_type: Any, *args: Any) -> list[Any]:
    """Answer what the session asked last."""
    assert watched.asked is not None, "nothing was asked"
    return list(watched.handle(event_type(watched.asked.ref, *args)))


def connecting(**claims: Any) -> WatchedSession:
    """A session whose token was just verified."""
    watched = WatchedSession()
    say(watched, id=1, connect={"token": "t"})
    answer(watched, TokenVerified, Claims(**{"user": "ann", **claims}))
    return watched


def opened(limits: Limits | None = None, **claims: Any) -> WatchedSession:
    """An open session."""
    watched = WatchedSession(limits)
    say(watched, id=1, connect={"token": "t"})
    answer(watched, TokenVerified, Claims(**{"user": "ann", **claims}))
    answer(watched, Joined, Position("u1", 5))
    return watched


def subscribed(limits: Limits | None = None) -> WatchedSession:
    """An open session that follows the conversation."""
    watched = opened(limits)
    say(watched, id=2, subscribe={"channel": TALK})
    answer(watched, Joined, Position("e1", 9), False, (), OPEN)
    return watched


def asked(watched: WatchedSession) -> Any:
    """What the session waits for."""
    return watched.asked


def error(watched: WatchedSession) -> Any:
    """The code of the last reply."""
    told: Any = watched.replies[-1]
    return told["error"]["code"]


def closed_with(watched: WatchedSession) -> Disconnect | None:
    """Why the session closed."""
    return watched.closed.why if watched.closed else None
