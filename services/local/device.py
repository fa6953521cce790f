"""A device: one client process's view of its user's conversations, on the official SDK.

Called by the chat and the demonstrations. The SDK reconnects, recovers and backs off; what is added: the
other server's address after a lost connection, messages sent again with their id until they are acknowledged,
and one `Log` per conversation. Must never call the server from inside an SDK handler: replies wait behind the
handler.
"""

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal
from urllib.parse import urlsplit

from centrifuge import (
    CentrifugeError,
    Client,
    ClientDisconnectedError,
    ClientEventHandler,
    ClientState,
    OperationTimeoutError,
    PublicationContext,
    ReplyError,
    StreamPosition,
    SubscribedContext,
    Subscription,
    SubscriptionErrorContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from services.local.ending import LocalError
from services.local.following import Followed, Watcher
from services.shared.model.ids import ENTROPY_BYTES, Channel, uuid7
from services.shared.wire.codes import TOKEN_EXPIRED, TOO_MANY_REQUESTS

PAGE = 200
"""Messages of one page of history; the most the server gives."""
_RETRY_FIRST_S = 0.1
_RETRY_LAST_S = 2.0

Token = Callable[[], Awaitable[str]]


class NobodyAnswersError(LocalError):
    """No server did what was asked in time; asking later may help."""


class RefusedError(LocalError):
    """The server will not do it, however often it is asked; the message is its reason."""


def new_id() -> str:
    """An id for a message or a conversation."""
    return uuid7(time.time_ns() // 1_000_000, secrets.token_bytes(ENTROPY_BYTES))  # noqa: TID251


def proxy_for(server: str) -> Literal[True] | None:
    """What the SDK is to do about proxies: loopback never goes through one that the environment names for the
    outside.
    """
    return None if urlsplit(server).hostname in {"127.0.0.1", "localhost", "::1"} else True


class Device:
    """One user's client; `servers` are tried in turn, from the first."""

    def __init__(
        self, servers: Sequence[str], token: Token, watcher: Watcher | None = None, name: str = "continuo"
    ) -> None:
        self.servers = list(servers)
        self.watcher = watcher or Watcher()
        self.followed: dict[str, Followed] = {}
        self._at = 0
        self._client = Client(
            self.server,
            events=_Connection(self),
            get_token=token,
            name=name,
            max_reconnect_delay=2.0,
            proxy=proxy_for(self.server),
        )

    @property
    def server(self) -> str:
        """The address in use, or to be tried next."""
        return self.servers[self._at]

    @property
    def connected(self) -> bool:
        return bool(self._client.state is ClientState.CONNECTED)

    async def connect(self, within_s: float = 10.0) -> None:
        """Connects. Raises RefusedError when the server does not take the token, NobodyAnswersError when
        nobody answers.
        """
        try:
            async with asyncio.timeout(within_s):
                await self._client.connect()
                await self._client.ready(within_s)
        except ClientDisconnectedError as error:
            raise RefusedError(str(error)) from error
        except (TimeoutError, OperationTimeoutError) as error:
            raise NobodyAnswersError(f"no server answered within {within_s:.0f} s") from error

    async def close(self) -> None:
        """Leaves for good."""
        await self._client.disconnect()

    async def pause(self) -> None:
        """Goes away, keeping its logs and positions, until `connect`."""
        await self._client.disconnect()

    async def follow(self, conversation: str, within_s: float = 15.0) -> Followed:
        """Follows a conversation: history first, then everything after it. Raises RefusedError or
        NobodyAnswersError.
        """
        followed = self.followed.setdefault(conversation, Followed())
        channel = Channel.of_conversation(conversation).name
        subscription = self._client.get_subscription(channel) or self._client.new_subscription(
            channel,
            events=_Events(self, conversation, followed),
            get_state=lambda _: self._load(conversation, followed),
        )
        followed.ended = ""
        await self._ready(subscription, followed, within_s)
        return followed

    async def unfollow(self, conversation: str) -> None:
        """Stops following; harmless when it is not followed."""
        channel = Channel.of_conversation(conversation).name
        if subscription := self._client.get_subscription(channel):
            await subscription.unsubscribe()

    async def create(self, title: str = "", members: Sequence[str] = (), agents: Sequence[str] = ()) -> str:
        """Makes a conversation with the user as owner; returns its id. agents: who answers; none: the usual
        one.
        """
        made = {"id": new_id(), "title": title, "members": list(members)}
        await self.call("conversation.create", made | ({"agents": list(agents)} if agents else {}))
        return str(made["id"])

    async def send(self, conversation: str, text: str, message: str | None = None) -> str:
        """Sends until it is acknowledged, through any disconnect; returns the message's id. Raises
        RefusedError.
        """
        message = message or new_id()
        await self.call("conversation.send", {"conversation": conversation, "id": message, "text": text})
        return message

    async def history(self, conversation: str) -> list[dict[str, Any]]:
        """All messages of a conversation, oldest first, as the server keeps them."""
        messages: list[dict[str, Any]] = []
        before: dict[str, int] = {}
        while True:
            page = await self._page(conversation, before)
            messages = page["messages"] + messages
            if not page["more"]:
                return messages
            before = {"before": page["messages"][0]["seq"]}

    async def call(self, method: str, arguments: dict[str, Any]) -> Any:
        """Calls until there is an answer; every method used here is harmless when repeated. Raises
        RefusedError.
        """
        delay, told = _RETRY_FIRST_S, False
        while True:
            try:
                return (await self._client.rpc(method, arguments)).data
            except ReplyError as error:
                if not error.temporary and error.code != TOKEN_EXPIRED.code:
                    raise RefusedError(f"{error.message} ({error.code})") from error
                if error.code == TOO_MANY_REQUESTS.code and not told:
                    told = True
                    self.watcher.busy()
            except (ClientDisconnectedError, OperationTimeoutError, CentrifugeError, OSError):
                pass
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - spreads who was refused
            delay = min(delay * 2, _RETRY_LAST_S)

    def rotate(self) -> None:
        """Takes the next server for the next attempt."""
        self._at = (self._at + 1) % len(self.servers)
        # The SDK has one address and no setter; it reads this at each attempt.
        self._client._address = self.server  # noqa: SLF001

    async def _load(self, conversation: str, followed: Followed) -> StreamPosition:
        page = await self._page(conversation, {})
        messages = page["messages"]
        while page["more"]:
            # The position belongs to the newest page; older ones do not change any more.
            older = await self._page(conversation, {"before": messages[0]["seq"]})
            messages = older["messages"] + messages
            page = {**page, "more": older["more"]}
        followed.log.load(messages, page["open"], page.get("asked") or [])
        followed.resets += 1
        return StreamPosition(page["position"]["offset"], page["position"]["epoch"])

    async def _page(self, conversation: str, before: dict[str, int]) -> dict[str, Any]:
        arguments = {"conversation": conversation, "limit": PAGE, **before}
        reply = await self._client.rpc("conversation.history", arguments)
        page: dict[str, Any] = reply.data
        return page

    async def _ready(self, subscription: Subscription, followed: Followed, within_s: float) -> None:
        deadline = asyncio.get_running_loop().time() + within_s
        await subscription.subscribe()
        while not followed.live:
            if followed.ended:
                raise RefusedError(followed.ended)
            if asyncio.get_running_loop().time() > deadline:
                raise NobodyAnswersError(f"no conversation to follow within {within_s:.0f} s")
            await asyncio.sleep(0.02)


class _Connection(ClientEventHandler):  # type: ignore[misc]  # the SDK ships no types
    """What the SDK tells of the connection and of `#user`."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._lost = False

    async def on_connecting(self, ctx: Any) -> None:
        if ctx.code == 0:
            return
        self._lost = True
        self._device.rotate()
        self._device.watcher.connection(f"connection lost ({ctx.reason}), going to {self._device.server}")

    async def on_error(self, ctx: Any) -> None:
        # An attempt that failed before there was a connection: the next one goes elsewhere. A connection
        # that breaks is told by on_connecting too.
        del ctx
        if not self._device.connected:
            self._device.rotate()

    async def on_connected(self, ctx: Any) -> None:
        del ctx
        self._device.watcher.connection(f"connected to {self._device.server}" if self._lost else "")
        self._lost = False

    async def on_disconnected(self, ctx: Any) -> None:
        if ctx.code:
            self._device.watcher.connection(f"disconnected: {ctx.reason} ({ctx.code})")

    async def on_publication(self, ctx: Any) -> None:
        event = ctx.pub.data
        if event.get("type") == "member.joined":
            self._device.watcher.invited(event["conversation"], event.get("title") or "")


class _Events(SubscriptionEventHandler):  # type: ignore[misc]  # the same
    """What the SDK tells of one conversation."""

    def __init__(self, device: Device, conversation: str, followed: Followed) -> None:
        self._device = device
        self._watcher = device.watcher
        self._conversation = conversation
        self._followed = followed
        self._resets = 0

    async def on_subscribing(self, ctx: Any) -> None:
        del ctx
        self._followed.live = False

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self._followed.sessions.append(len(self._followed.seen))
        told = ctx.data or {}
        self._followed.log.replace_open(told.get("open") or [], keep=bool(ctx.recovered))
        self._followed.log.replace_asked(told.get("asked") or [])
        self._followed.live = True
        if len(self._followed.sessions) > 1 and self._followed.resets > self._resets:
            self._watcher.told(self._conversation, "read anew: what was said here may have changed")
        self._resets = self._followed.resets
        self._watcher.changed(self._conversation)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self._followed.live = False
        if ctx.code != 0:
            self._followed.ended = f"{ctx.reason} ({ctx.code})"
            self._watcher.told(self._conversation, f"no longer followed: {ctx.reason}")

    async def on_error(self, ctx: SubscriptionErrorContext) -> None:
        # The SDK asks for the history again and again, also when the answer will never be another one.
        if isinstance(ctx.error, ReplyError) and not ctx.error.temporary:
            self._followed.ended = f"{ctx.error.message} ({ctx.error.code})"
            await self._device.unfollow(self._conversation)

    async def on_publication(self, ctx: PublicationContext) -> None:
        event = ctx.pub.data
        if ctx.pub.offset:
            self._followed.seen.append((ctx.pub.offset, event["type"]))
        if note := self._followed.log.apply(event):
            self._watcher.told(self._conversation, note)
        self._watcher.changed(self._conversation)
