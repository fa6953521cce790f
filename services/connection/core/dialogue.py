"""How a command is worked through when it needs answers from outside: a generator, one step at a time.

A dialogue yields one effect that wants an answer, is resumed with that answer, and ends by returning (it has
written its reply) or by raising `RefusedError` or `BreachError`, which the session turns into an error reply
or a close. The session runs one at a time, so the commands of a connection are processed in order. An answer
of another kind than asked for counts as a failure of the server.
"""

from collections.abc import Generator
from math import inf
from typing import TypeVar

from services.connection.core.effects import GoLive, Join, Question, TokenKind, VerifyToken
from services.connection.core.events import (
    Answer,
    Claims,
    Failed,
    Joined,
    Refusal,
    TokenRefused,
    TokenVerified,
)
from services.connection.core.standing import Standing
from services.shared.model.ids import Channel
from services.shared.model.position import Position
from services.shared.wire import codec
from services.shared.wire.codes import EXPIRED, INTERNAL, Disconnect, Fault

T = TypeVar("T")
Asking = Generator[Question, Answer, T]
"""A part of a dialogue that comes to a `T`."""
Dialogue = Asking[None]


class RefusedError(Exception):
    """The command gets an error reply; what it had begun is undone."""

    def __init__(self, fault: Fault) -> None:
        """Refuse with this fault."""
        super().__init__(fault.message)
        self.fault = fault


class BreachError(Exception):
    """The command ends the connection."""

    def __init__(self, why: Disconnect) -> None:
        """Close with this code."""
        super().__init__(why.reason)
        self.why = why


def require(*values: object) -> None:
    """End the connection unless all of these are given: without them a command is none."""
    if not all(values):
        raise BreachError(Disconnect.BAD_REQUEST)


def ask_token(at: Standing, kind: TokenKind, token: str) -> Asking[Claims | Refusal]:
    """Have a token judged: its claims, if it grants anything, or why not."""
    answer = yield VerifyToken(at.ref(), kind, token)
    if isinstance(answer, TokenRefused) and answer.why is not Refusal.UNVERIFIABLE:
        return answer.why
    if not isinstance(answer, TokenVerified):
        raise RefusedError(INTERNAL)
    return answer.claims


def still_good(claims: Claims) -> Claims:
    """Refuse a token that is good in itself, but what it grants is over."""
    if claims.expires_in_s is not None and claims.expires_in_s <= 0:
        raise RefusedError(EXPIRED)
    return claims


def end_of(claims: Claims, now: float) -> float:
    """When what the token grants ends; infinity if never."""
    return inf if claims.expires_in_s is None else now + claims.expires_in_s


def ask_join(at: Standing, channel: Channel, since: Position | None) -> Asking[Joined]:
    """Have a channel joined; it is held until `settle`, or undone with the command."""
    at.held.append(channel)
    answer = yield Join(at.ref(), channel, at.user, at.info, since)
    if isinstance(answer, Joined):
        return answer
    at.held.remove(channel)
    raise RefusedError(fault_in(answer))


def fault_in(answer: Answer) -> Fault:
    """Return what the client is told when this is not the answer hoped for."""
    return answer.fault if isinstance(answer, Failed) else INTERNAL


def settle(at: Standing, channel: Channel, *, server_side: bool) -> None:
    """Make a held channel live; the reply that tells of it must have been written just before."""
    at.held.remove(channel)
    at.channels[channel] = server_side
    at.out.append(GoLive(channel))


def subscription(joined: Joined, since: Position | None, expires_in_s: float | None = None) -> bytes:
    """Encode what a client is told of a subscription that begins."""
    publications = [codec.publication(each.data, each.offset) for each in joined.publications]
    recovered = joined.recovered and since is not None
    return codec.subscribe_result(
        joined.position, since, publications, joined.data, expires_in_s, recovered=recovered
    )
