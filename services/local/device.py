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
    ClientState,
    OperationTimeoutError,
    ReplyError,
    StreamPosition,
    Subscription,
)

from services.local.ending import LocalError
from services.local.following import Followed, Watcher
from services.local.sdk_events import ConnectionEvents, ConversationEvents
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
            events=ConnectionEvents(self),
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
            events=ConversationEvents(self, conversation, followed),
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

    async def send(
        self, conversation: str, text: str, message: str | None = None, *, reply_to: str = ""
    ) -> str:
        """Sends until it is acknowledged, through any disconnect; returns the message's id. Raises
        RefusedError.
        """
        message = message or new_id()
        said = {"conversation": conversation, "id": message, "text": text}
        await self.call("conversation.send", said | ({"reply_to": reply_to} if reply_to else {}))
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

    async def hint(self, method: str, arguments: dict[str, Any]) -> None:
        """Calls once, for what is not worth a second try, nor a wait. Raises RefusedError."""
        if not self.connected:
            return
        try:
            await self._client.rpc(method, arguments)
        except ReplyError as error:
            if not error.temporary and error.code != TOKEN_EXPIRED.code:
                raise RefusedError(f"{error.message} ({error.code})") from error
        except (CentrifugeError, OSError):
            return

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
