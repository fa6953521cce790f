"""Traffic for sessions, from one random source: commands, broken ones, answers, times, what servers do.

The same traffic serves Hypothesis (whose random source shrinks) and the fuzz target (a seeded one).
"""

import json
from collections.abc import Callable
from random import Random

from services.connection.core.effects import Join, Question, VerifyToken
from services.connection.core.events import (
    Answer,
    Answered,
    Claims,
    Dismissed,
    Event,
    Failed,
    FrameReceived,
    Joined,
    Moved,
    Publication,
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
from services.shared.wire import codes
from services.shared.wire.codes import Disconnect, Unsubscribe
from tests.support.session_oracle import WatchedSession

ANN = "ann"
CONVERSATIONS = tuple(f"conversation:0198c2b0-0000-7000-8000-00000000000{n}" for n in range(4))
NAMES = (
    *CONVERSATIONS,
    *CONVERSATIONS,
    "#ann",
    "#bob",
    "conversation:x",
    "unknown:1",
    "",
    "x" * 300,
    "#",
    "\x00",
)

Value = dict[str, object]


def _position(rng: Random) -> Value:
    return {"offset": rng.choice([0, 1, 7, 1 << 53, 1 << 70]), "epoch": rng.choice(["", "_", "e1", "é"])}


def _subscribe(rng: Random) -> Value:
    wanted: Value = {"channel": rng.choice(NAMES), "flag": rng.choice([0, 1, 2, 3])}
    if rng.random() < 0.5:
        wanted |= {"recover": True, **_position(rng)}
    if rng.random() < 0.3:
        wanted["token"] = "t"
    if rng.random() < 0.1:
        wanted |= rng.choice([{"type": 1}, {"tf": {}}, {"delta": "fossil"}, {"delta": "x"}])
    return wanted


def _connect(rng: Random) -> Value:
    wanted: Value = {"token": rng.choice(["t", "t", "t", ""]), "name": "js"}
    if rng.random() < 0.4:
        wanted["subs"] = {"#ann": {"recover": rng.random() < 0.8, **_position(rng)}}
    return wanted


def _history(rng: Random) -> Value:
    since = _position(rng) if rng.random() < 0.5 else None
    limit = rng.choice([0, 1, -1, 1000, -(1 << 40)])
    return {"channel": rng.choice(NAMES), "limit": limit, "since": since, "reverse": rng.random() < 0.3}


REQUESTS: dict[str, Callable[[Random], Value]] = {
    "connect": _connect,
    "ping": lambda _: {},
    "subscribe": _subscribe,
    "unsubscribe": lambda rng: {"channel": rng.choice(NAMES)},
    "publish": lambda rng: {"channel": rng.choice(NAMES), "data": {"text": "hi"}},
    "presence": lambda rng: {"channel": rng.choice(NAMES)},
    "presence_stats": lambda rng: {"channel": rng.choice(NAMES)},
    "history": _history,
    "rpc": lambda _: {"method": "conversation.list", "data": {}},
    "send": lambda _: {"data": 1},
    "refresh": lambda rng: {"token": rng.choice(["t", "t", ""])},
    "sub_refresh": lambda rng: {"channel": rng.choice(NAMES), "token": "t"},
    "nonsense": lambda _: {},
}
_COMMON = ("subscribe", "subscribe", "unsubscribe", "publish", "rpc", "history", "presence", "sub_refresh")


def command(rng: Random, number: int, method: str | None = None) -> bytes:
    """One command, mostly well-formed."""
    chosen = method or (rng.choice(_COMMON) if rng.random() < 0.97 else rng.choice(list(REQUESTS)))
    said: Value = {"id": number, chosen: REQUESTS[chosen](rng)}
    return json.dumps(said).encode()


def frame(rng: Random, number: int) -> FrameReceived:
    """A frame of one or several commands; sometimes a pong, sometimes broken."""
    if rng.random() < 0.01:
        return FrameReceived(b"{}")
    first = "connect" if number == 1 else None
    parts = [command(rng, number, first)]
    parts += [command(rng, number + more) for more in range(1, rng.choice([1, 1, 1, 2, 6]))]
    data = b"\n".join(parts)
    return FrameReceived(mutate(rng, data) if rng.random() < 0.04 else data, binary=rng.random() < 0.005)


def mutate(rng: Random, data: bytes) -> bytes:
    """Break a frame as lines and attackers do."""
    broken = bytearray(data)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(broken) + 1)
        match rng.randrange(6):
            case 0:
                broken[at:at] = bytes([rng.randrange(256)])
            case 1:
                del broken[at : at + rng.randint(1, 8)]
            case 2:
                broken[at : at + 1] = bytes([rng.randrange(256)])
            case 3:
                broken[at:at] = rng.choice([b"[" * 2000, b'{"a":' * 2000, b"\n", b"null", b"1e999", b"-1"])
            case 4:
                broken[at:at] = broken[: rng.randint(0, 40)]
            case _:
                broken[at:at] = rng.choice([b'"\\ud800"', b"\xff\xfe", b"\xed\xa0\x80", b"\x00", b'"' * 3])
    return bytes(broken)


def claims(rng: Random) -> Claims:
    """What a good token may say."""
    return Claims(
        user=rng.choice([ANN, ANN, ANN, ANN, "bob", "", "no such user!"]),
        expires_in_s=rng.choice([None, None, 60.0, 1.0, 0.0, -5.0]),
        channel=rng.choice(NAMES),
        info=rng.choice([b"", b'{"name":"Ann"}']),
        channels=rng.choice([(), (), CONVERSATIONS[:1], ("#bob",), NAMES]),
    )


def good_answer(question: Question) -> Answer:
    """The answer that gets a client on."""
    if isinstance(question, VerifyToken):
        return TokenVerified(question.ref, Claims(ANN, 3600.0))
    if isinstance(question, Join):
        return Joined(question.ref, Position("e1", 7), question.since is not None, (), b'{"open":[]}')
    return Answered(question.ref, b"{}")


def answer(rng: Random, question: Question) -> Answer:
    """An answer to a question: mostly the good one, sometimes any other."""
    if rng.random() < 0.6:
        return good_answer(question)
    return any_answer(rng, question.ref)


def any_answer(rng: Random, ref: Ref) -> Answer:
    """An answer of any kind, fitting or not."""
    told = (Publication(8, b'{"type":"x"}'),)
    answers: list[Answer] = [
        TokenVerified(ref, claims(rng)),
        TokenRefused(ref, rng.choice(list(Refusal))),
        Joined(ref, Position("e2", 9), rng.random() < 0.5, told, b"{}"),
        Answered(ref, b'{"data":1}'),
        Failed(ref, rng.choice(list(codes.FAULTS))),
    ]
    return rng.choice(answers)


def server_event(rng: Random, asked: Question | None) -> Event:
    """What the server does to a connection by itself; half the time to a channel it is just joining."""
    channel = Channel.parse(rng.choice(NAMES)) or Channel.of_user(ANN)
    if isinstance(asked, Join) and rng.random() < 0.5:
        channel = asked.channel
    events: list[Event] = [
        Removed(channel, rng.choice(list(Unsubscribe))),
        Removed(channel, rng.choice(list(Unsubscribe))),
        Moved(channel, Position("e3", 11)),
        Dismissed(rng.choice(list(Disconnect))) if rng.random() < 0.05 else TimePassed(),
        TransportLost() if rng.random() < 0.05 else TimePassed(),
    ]
    return rng.choice(events)


def open_connection(watched: WatchedSession, expires_in_s: float | None = None) -> None:
    """Connect as a client in good order does."""
    watched.handle(FrameReceived(b'{"id":1,"connect":{"token":"t"}}'))
    assert watched.asked is not None
    watched.handle(TokenVerified(watched.asked.ref, Claims(ANN, expires_in_s)))
    watched.handle(good_answer(watched.asked))
    assert watched.user == ANN


def drive(rng: Random, watched: WatchedSession, steps: int) -> None:
    """Play one connection's life; the watch raises at the first breach."""
    number = 1
    if rng.random() < 0.7:
        open_connection(watched, rng.choice([None, 60.0]))
        number = 11
    for _ in range(steps):
        chance, pause = rng.random(), rng.choice([0.0, 0.0, 0.0, 0.1, 1.0])
        if watched.pushes and watched.pushes[-1] == {} and chance < 0.9:
            watched.pushes.clear()
            watched.handle(FrameReceived(b"{}"), pause)
        elif chance < 0.5 and watched.asked is not None:
            watched.handle(answer(rng, watched.asked), pause)
        elif chance < 0.8:
            watched.handle(frame(rng, number), pause)
            number += 10
        elif chance < 0.9:
            late = max(0.0, min(watched.session.due() - watched.now, 30.0))
            watched.handle(TimePassed(), late if rng.random() < 0.9 else 40.0)
        elif chance < 0.95:
            watched.handle(any_answer(rng, Ref(rng.randint(0, 40))), pause)
        else:
            watched.handle(server_event(rng, watched.asked), pause)
