"""The official Python client as it comes, with a note of everything it reports; for the end-to-end tests."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from centrifuge import (
    Client,
    ClientEventHandler,
    ConnectedContext,
    ConnectingContext,
    DisconnectedContext,
    ErrorContext,
    Publication,
    PublicationContext,
    ServerPublicationContext,
    ServerSubscribedContext,
    SubscribedContext,
    Subscription,
    SubscriptionErrorContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from services.local.device import new_id
from tests.support.waiting import eventually


def _code(ctx: ErrorContext | SubscriptionErrorContext) -> int:
    """The server's code where it gave one, else the client's own."""
    return int(getattr(ctx.error, "code", ctx.code))


@dataclass
class Noted(ClientEventHandler):
    """What a client reported of its connection and of `#user`."""

    connected: list[ConnectedContext] = field(default_factory=list)
    connecting: list[int] = field(default_factory=list)
    disconnected: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    server_side: list[ServerSubscribedContext] = field(default_factory=list)
    publications: list[ServerPublicationContext] = field(default_factory=list)
    told: list[ServerSubscribedContext | ServerPublicationContext] = field(default_factory=list)
    """Both, in the order they came."""

    async def on_connected(self, ctx: ConnectedContext) -> None:
        self.connected.append(ctx)

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        self.connecting.append(ctx.code)

    async def on_disconnected(self, ctx: DisconnectedContext) -> None:
        self.disconnected.append(ctx.code)

    async def on_error(self, ctx: ErrorContext) -> None:
        self.errors.append(_code(ctx))

    async def on_subscribed(self, ctx: ServerSubscribedContext) -> None:
        self.server_side.append(ctx)
        self.told.append(ctx)

    async def on_publication(self, ctx: ServerPublicationContext) -> None:
        self.publications.append(ctx)
        self.told.append(ctx)


@dataclass
class Followed(SubscriptionEventHandler):
    """What a client reported of one subscription, in order."""

    subscribed: list[SubscribedContext] = field(default_factory=list)
    unsubscribed: list[int] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    joins: list[str] = field(default_factory=list)
    leaves: list[str] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    told: list[SubscribedContext | PublicationContext] = field(default_factory=list)
    """Subscriptions and publications in the order they came."""

    async def on_subscribed(self, ctx: SubscribedContext) -> None:
        self.subscribed.append(ctx)
        self.told.append(ctx)

    async def on_unsubscribed(self, ctx: UnsubscribedContext) -> None:
        self.unsubscribed.append(ctx.code)

    async def on_publication(self, ctx: Any) -> None:
        self.publications.append(ctx.pub)
        self.told.append(ctx)

    async def on_join(self, ctx: Any) -> None:
        self.joins.append(ctx.info.user)

    async def on_leave(self, ctx: Any) -> None:
        self.leaves.append(ctx.info.user)

    async def on_error(self, ctx: SubscriptionErrorContext) -> None:
        self.errors.append(_code(ctx))

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events of one type, as delivered."""
        return [pub.data for pub in self.publications if pub.data["type"] == kind]

    def said(self) -> list[str]:
        """What people said, as delivered."""
        return [event["text"] for event in self.events("message.created")]

    def offsets(self) -> list[int]:
        """The places of the delivered events in the journal."""
        return [pub.offset for pub in self.publications if pub.offset]


class Official:
    """One user's client and its notes."""

    def __init__(self, address: str, token: Callable[[], str], user: str = "", **more: Any) -> None:
        self.user = user
        self.noted = Noted()
        self.tokens = 0

        async def get_token() -> str:
            self.tokens += 1
            return token()

        # Loopback never goes through a proxy the environment names for the outside.
        self.client = Client(address, events=self.noted, get_token=get_token, proxy=None, **more)

    async def connect(self) -> "Official":
        await self.client.connect()
        await self.client.ready(10)
        return self

    async def leave(self) -> None:
        """Disconnect, and wait until the socket is closed: the client does not."""
        await self.client.disconnect()
        await asyncio.gather(*self.client._background_tasks, return_exceptions=True)

    async def rpc(self, method: str, **arguments: Any) -> Any:
        """Call a method; its result. Raises the client's ReplyError."""
        return (await self.client.rpc(method, arguments)).data

    async def create(self, *members: str, title: str = "") -> str:
        """A new conversation of this user and these members."""
        created = await self.rpc("conversation.create", title=title, members=list(members))
        return str(created["conversation"])

    async def send(self, conversation: str, text: str) -> Any:
        return await self.rpc("conversation.send", conversation=conversation, id=new_id(), text=text)

    def subscription(
        self,
        conversation: str,
        get_token: Callable[[str], Awaitable[str]] | None = None,
        *,
        join_leave: bool = False,
    ) -> tuple[Subscription, Followed]:
        """A subscription that was not begun yet, and its notes."""
        followed = Followed()
        subscription = self.client.new_subscription(
            f"conversation:{conversation}", events=followed, get_token=get_token, join_leave=join_leave
        )
        return subscription, followed

    async def follow(self, conversation: str, *, join_leave: bool = False) -> tuple[Subscription, Followed]:
        """A live subscription and its notes."""
        subscription, followed = self.subscription(conversation, join_leave=join_leave)
        await subscription.subscribe()
        await eventually(lambda: followed.subscribed or followed.unsubscribed)
        return subscription, followed
