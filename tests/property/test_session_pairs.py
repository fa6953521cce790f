"""Every state with every input: legal effects, or closed with the right code."""

import json
from collections.abc import Callable

import pytest

from services.connection.core.admission import Limits
from services.connection.core.effects import Question
from services.connection.core.events import (
    Answered,
    Claims,
    Dismissed,
    Event,
    Failed,
    FrameReceived,
    Joined,
    Moved,
    Parting,
    Ref,
    Refusal,
    Removed,
    TimePassed,
    TokenRefused,
    TokenVerified,
    TransportLost,
)
from services.shared.model.ids import Channel
from services.shared.model.position import Position
from services.shared.wire.codes import INTERNAL, PERMISSION_DENIED, Disconnect, Unsubscribe
from tests.support.session_oracle import WatchedSession
from tests.support.session_traffic import CONVERSATIONS, good_answer, open_connection

TALK = CONVERSATIONS[0]
OTHER = CONVERSATIONS[1]


def _frame(method: str, request: object, number: int = 50) -> FrameReceived:
    return FrameReceived(json.dumps({"id": number, method: request}).encode())


def _answer(watched: WatchedSession) -> None:
    assert watched.asked is not None
    watched.handle(good_answer(watched.asked))


def _new() -> WatchedSession:
    return WatchedSession()


def _verifying() -> WatchedSession:
    watched = _new()
    watched.handle(_frame("connect", {"token": "t"}, 1))
    return watched


def _joining_user() -> WatchedSession:
    watched = _verifying()
    _answer(watched)
    return watched


def _refused() -> WatchedSession:
    watched = _verifying()
    assert watched.asked
    watched.handle(TokenRefused(watched.asked.ref, Refusal.EXPIRED))
    return watched


def _open() -> WatchedSession:
    watched = _new()
    open_connection(watched, 3600.0)
    return watched


def _pinged() -> WatchedSession:
    watched = _open()
    watched.handle(TimePassed(), watched.session.due())
    return watched


def _subscribed() -> WatchedSession:
    watched = _open()
    watched.handle(_frame("subscribe", {"channel": TALK}, 2))
    _answer(watched)
    return watched


def _judging() -> WatchedSession:
    watched = _open()
    watched.handle(_frame("subscribe", {"channel": TALK, "token": "t"}, 2))
    return watched


def _joining() -> WatchedSession:
    watched = _open()
    watched.handle(_frame("subscribe", {"channel": TALK, "recover": True, "offset": 3, "epoch": "e1"}, 2))
    return watched


def _calling() -> WatchedSession:
    watched = _subscribed()
    watched.handle(_frame("rpc", {"method": "conversation.list"}, 3))
    return watched


def _queueing() -> WatchedSession:
    watched = _calling()
    watched.handle(_frame("subscribe", {"channel": OTHER}, 4))
    watched.handle(_frame("history", {"channel": TALK, "limit": 5}, 5))
    return watched


def _refreshing() -> WatchedSession:
    watched = _subscribed()
    watched.handle(_frame("refresh", {"token": "t"}, 3))
    return watched


def _sub_refreshing() -> WatchedSession:
    watched = _subscribed()
    watched.handle(_frame("sub_refresh", {"channel": TALK, "token": "t"}, 3))
    return watched


def _closed() -> WatchedSession:
    watched = _subscribed()
    watched.handle(Dismissed(Disconnect.SHUTDOWN))
    return watched


def _lost() -> WatchedSession:
    watched = _subscribed()
    watched.handle(TransportLost())
    return watched


STATES: dict[str, Callable[[], WatchedSession]] = {
    name.removeprefix("_"): build
    for name, build in {
        "new": _new,
        "verifying": _verifying,
        "joining user": _joining_user,
        "refused": _refused,
        "open": _open,
        "pinged": _pinged,
        "subscribed": _subscribed,
        "judging": _judging,
        "joining": _joining,
        "calling": _calling,
        "queueing": _queueing,
        "refreshing": _refreshing,
        "sub refreshing": _sub_refreshing,
        "closed": _closed,
        "lost": _lost,
    }.items()
}

BREACHES: dict[str, FrameReceived] = {
    "empty": FrameReceived(b""),
    "newlines only": FrameReceived(b"\n\n"),
    "no JSON": FrameReceived(b"hello"),
    "no object": FrameReceived(b"[]"),
    "null": FrameReceived(b"null"),
    "binary": FrameReceived(b'{"id":50,"rpc":{}}', binary=True),
    "deep": FrameReceived(b'{"id":50,"rpc":{"data":' + b"[" * 60_000 + b"}}"),
    "not UTF-8": FrameReceived(b'{"id":50,"rpc":{"data":"\xff"}}'),
    "wrong type": _frame("subscribe", {"channel": 7}),
    "negative id": FrameReceived(b'{"id":-1,"rpc":{}}'),
    "no method": FrameReceived(b'{"id":50}'),
    "unknown method": FrameReceived(b'{"id":50,"dance":{}}'),
    "half broken": FrameReceived(b'{"id":50,"ping":{}}\n{'),
}
"""Frames that end a connection with 3501 wherever they come."""

COMMANDS: dict[str, FrameReceived] = {
    "connect": _frame("connect", {"token": "t"}),
    "connect without token": _frame("connect", {}),
    "ping": _frame("ping", {}),
    "subscribe": _frame("subscribe", {"channel": OTHER}),
    "subscribe again": _frame("subscribe", {"channel": TALK}),
    "subscribe nothing": _frame("subscribe", {}),
    "subscribe other user": _frame("subscribe", {"channel": "#bob"}),
    "subscribe unknown": _frame("subscribe", {"channel": "news:1"}),
    "unsubscribe": _frame("unsubscribe", {"channel": TALK}),
    "publish": _frame("publish", {"channel": TALK, "data": {"id": "x", "text": "y"}}),
    "publish nothing": _frame("publish", {"channel": TALK}),
    "presence": _frame("presence", {"channel": TALK}),
    "presence_stats": _frame("presence_stats", {"channel": TALK}),
    "history": _frame("history", {"channel": TALK, "limit": -1, "since": {"offset": 3, "epoch": "e1"}}),
    "rpc": _frame("rpc", {"method": "conversation.list", "data": {}}),
    "send": FrameReceived(b'{"send":{"data":{}}}'),
    "refresh": _frame("refresh", {"token": "t"}),
    "refresh without token": _frame("refresh", {}),
    "sub_refresh": _frame("sub_refresh", {"channel": TALK, "token": "t"}),
    "burst": FrameReceived(b"\n".join(b'{"id":%d,"ping":{}}' % number for number in range(60, 70))),
    "too big": FrameReceived(b" " * 70_000),
    "pong": FrameReceived(b"{}"),
}


def _answers(ref: Ref) -> dict[str, Event]:
    return {
        "token verified": TokenVerified(ref, Claims("ann", 60.0, TALK)),
        "token of nobody": TokenVerified(ref, Claims("")),
        "token of another": TokenVerified(ref, Claims("bob", 60.0, TALK)),
        "token over": TokenVerified(ref, Claims("ann", 0.0, TALK)),
        "token expired": TokenRefused(ref, Refusal.EXPIRED),
        "token invalid": TokenRefused(ref, Refusal.INVALID),
        "token unverifiable": TokenRefused(ref, Refusal.UNVERIFIABLE),
        "joined": Joined(ref, Position("e1", 9)),
        "recovered": Joined(ref, Position("e1", 9), recovered=True),
        "answered": Answered(ref, b"{}"),
        "failed": Failed(ref, INTERNAL),
        "denied": Failed(ref, PERMISSION_DENIED),
    }


SERVER: dict[str, Event] = {
    "removed": Removed(Channel.of_conversation(TALK.removeprefix("conversation:")), Unsubscribe.SERVER),
    "fell back": Removed(
        Channel.of_conversation(TALK.removeprefix("conversation:")), Unsubscribe.INSUFFICIENT
    ),
    "user channel removed": Removed(Channel.of_user("ann"), Unsubscribe.INSUFFICIENT),
    "user channel moved": Moved(Channel.of_user("ann"), Position("e2", 1)),
    "conversation moved": Moved(
        Channel.of_conversation(TALK.removeprefix("conversation:")), Position("e2", 1)
    ),
    "drain": Parting(Disconnect.SHUTDOWN),
    "cut": Dismissed(Disconnect.SHUTDOWN),
    "slow": Dismissed(Disconnect.SLOW),
    "lost": TransportLost(),
    "time": TimePassed(),
}

SILENT = {"refused", "closed", "lost"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("breach", BREACHES)
def test_a_broken_frame_ends_any_connection_with_3501(state: str, breach: str) -> None:
    watched = STATES[state]()
    before = watched.closed
    effects = watched.handle(BREACHES[breach])
    if state in SILENT:
        assert effects == []
        assert watched.closed == before
    else:
        assert watched.closed is not None
        assert watched.closed.why is Disconnect.BAD_REQUEST


@pytest.mark.parametrize("state", STATES)
def test_every_command_is_legal_in_every_state(state: str) -> None:
    for event in COMMANDS.values():
        watched = STATES[state]()
        watched.handle(event)
        _finish(watched)


@pytest.mark.parametrize("state", STATES)
def test_every_answer_is_legal_in_every_state(state: str) -> None:
    stale = Ref(999)
    for name in _answers(stale):
        watched = STATES[state]()
        asked: Question | None = watched.asked
        watched.handle(_answers(asked.ref if asked else stale)[name])
        watched.handle(_answers(stale)[name])
        _finish(watched)


@pytest.mark.parametrize("state", STATES)
def test_whatever_the_server_does_is_legal_in_every_state(state: str) -> None:
    for event in SERVER.values():
        watched = STATES[state]()
        watched.handle(event)
        _finish(watched)


@pytest.mark.parametrize("state", STATES)
def test_any_silence_ends_in_a_close_or_a_reply(state: str) -> None:
    """Neither shell nor client speaks any more: every command gets its error, every connection its end."""
    watched = STATES[state]()
    for _ in range(20):
        if watched.session.closed:
            break
        watched.handle(TimePassed(), watched.session.due() - watched.now)
    assert watched.session.closed
    assert watched.refused or watched.owed == [] or watched.user == ""


@pytest.mark.parametrize("state", ["new"])
@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"connect", "too big"}))
def test_nothing_comes_before_connect(state: str, command: str) -> None:
    watched = STATES[state]()
    watched.handle(COMMANDS[command])
    assert watched.closed is not None
    assert watched.closed.why is Disconnect.BAD_REQUEST
    assert watched.replies == []


def test_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="must be below"):
        Limits(ping_s=5, pong_s=5)


def _finish(watched: WatchedSession) -> None:
    """Answer what is still asked; the watch judges."""
    for _ in range(5):
        if watched.asked is not None and not watched.session.closed:
            watched.handle(good_answer(watched.asked))
    watched.handle(TimePassed(), 5.0)
