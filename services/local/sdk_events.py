"""What the SDK tells a device, of the connection, of `#user` and of a conversation, and what becomes of it.

Called by the SDK; made by `device`. Must never call the server: its reply would wait behind the handler.
"""

import asyncio
from typing import TYPE_CHECKING, Any

from centrifuge import (
    ClientEventHandler,
    PublicationContext,
    ReplyError,
    SubscribedContext,
    SubscriptionErrorContext,
    SubscriptionEventHandler,
    UnsubscribedContext,
)

from services.local.following import Followed

if TYPE_CHECKING:
    from services.local.device import Device


class ConnectionEvents(ClientEventHandler):  # type: ignore[misc]  # the SDK ships no types
    """What the SDK tells of the connection and of `#user`."""

    def __init__(self, device: "Device") -> None:
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
            self._device.watcher.over(f"{ctx.reason} ({ctx.code})")

    async def on_publication(self, ctx: Any) -> None:
        event, watcher = ctx.pub.data, self._device.watcher
        match event.get("type"):
            case "member.joined":
                watcher.invited(event["conversation"], event.get("title") or "")
            case "message.mentioned":
                watcher.named(event["conversation"], event["user"])
            case "conversation.marked":
                watcher.marked(event["conversation"], event["muted"])


class ConversationEvents(SubscriptionEventHandler):  # type: ignore[misc]  # the same
    """What the SDK tells of one conversation."""

    def __init__(self, device: "Device", conversation: str, followed: Followed) -> None:
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
        if user := self._followed.typists.heard(event, asyncio.get_running_loop().time()):
            self._watcher.typing(self._conversation, user)
        if note := self._followed.log.apply(event):
            self._watcher.told(self._conversation, note)
        self._watcher.changed(self._conversation)
