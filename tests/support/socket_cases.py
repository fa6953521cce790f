"""The table of who may do what over a socket, by the official client: the cases of all, and the commands
that only sockets have.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from centrifuge import ReplyError, SubscriptionEventHandler, UnsubscribedContext

from services.local.device import new_id
from services.shared.model.permissions import Operation
from tests.support.official_client import Official
from tests.support.permission_cases import CASES, DONE, Stage, Told
from tests.support.waiting import eventually


class Device:
    """A user's official client as an actor."""

    def __init__(self, official: Official) -> None:
        self.official = official
        self.user = official.user

    async def call(self, method: str, arguments: Mapping[str, Any]) -> tuple[Told, Any]:
        """Call an RPC: the error it was answered with, or DONE and the result."""
        try:
            return DONE, await self.official.rpc(method, **arguments)
        except ReplyError as error:
            return (int(error.code), str(error.message)), None


Act = Callable[[Official, Stage], Awaitable[Told]]


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


async def _subscribe(device: Official, on: Stage) -> Told:
    ends = _Ends()
    await device.client.new_subscription(on.channel, events=ends).subscribe()
    await eventually(lambda: ends.outcome)
    assert ends.outcome
    return ends.outcome


async def _presence(device: Official, on: Stage) -> Told:
    outcome = await told(device.client.presence(on.channel))
    assert outcome == await told(device.client.presence_stats(on.channel))
    return outcome


async def _history(device: Official, on: Stage) -> Told:
    return await told(device.client.history(on.channel, limit=1))


async def _publish(device: Official, on: Stage) -> Told:
    return await told(device.client.publish(on.channel, {"id": new_id(), "text": "hello"}))


COMMANDS: Mapping[Operation, Act] = {
    Operation.SUBSCRIBE: _subscribe,
    Operation.PRESENCE: _presence,
    Operation.HISTORY: _history,
    Operation.SEND: _publish,
}
"""Commands of the client protocol that do an operation, too."""


async def done(device: Official, operation: Operation, on: Stage) -> Told:
    """Do an operation over the socket, by each way there is; all end alike."""
    outcomes = [await CASES[operation].done(on)] if operation in CASES else []
    if operation in COMMANDS:
        outcomes.append(await COMMANDS[operation](device, on))
    first, *others = outcomes
    assert all(other == first for other in others), outcomes
    return first
