"""A device of the campaign: the official Python client, an outbox, and a note of everything it is told.

Run by `device_process`, several in one process. It talks, sends the same id until it is acknowledged, now and
then sends an acknowledged message again, and never judges anything: the checker does, from the notes.
"""

import asyncio
import random
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from typing import Any

from centrifuge import (
    CentrifugeError,
    Client,
    ClientDisconnectedError,
    ClientEventHandler,
    OperationTimeoutError,
    ReplyError,
    StreamPosition,
    Subscription,
    SubscriptionEventHandler,
    SubscriptionState,
)

from services.local.device import new_id
from tests.chaos import deeds
from tests.chaos.journaling import Notes
from tests.support.waiting import eventually

PAGE = 200
AGAIN_FIRST_S, AGAIN_LAST_S = 0.1, 1.0
TOLD = ("read", "unread", "title")
"""What a device is told of a conversation in its user's list."""
UNREACHED = (ClientDisconnectedError, OperationTimeoutError, CentrifugeError, OSError, TimeoutError)
"""What a call raises when nobody says whether it was done."""


@dataclass
class Part:
    """A conversation as a device follows it. unanswered: turns this device knows of that are not finished;
    alone: no agent answers there; owns: its user does. known: messages, the newest last.
    """

    id: str
    subscription: Subscription | None = None
    loads: int = 0
    loaded: dict[str, Any] | None = None
    used: bool = False
    last: int = 0
    unanswered: set[str] = field(default_factory=set)
    finished: set[str] = field(default_factory=set)
    sent: list[tuple[str, str]] = field(default_factory=list)
    alone: bool = False
    owns: bool = False
    top: int = 0
    known: list[str] = field(default_factory=list)

    def knows(self, message: str, seq: int) -> None:
        """A message is there."""
        self.known = [*self.known[-deeds.LATELY :], message]
        self.top = max(self.top, seq)

    def scope(self) -> deeds.Scope:
        """What its user may do there."""
        own = [message for message, _ in self.sent[-deeds.LATELY :]]
        return deeds.Scope(own, self.known[-deeds.LATELY :], self.top, self.alone, self.owns)


class Device:
    """One client. `live` is its whole life; `quiet` ends its talking."""

    def __init__(
        self, name: str, user: str, servers: list[str], token: Callable[[], str], notes: Notes, seed: str
    ) -> None:
        self.name = name
        self.notes = notes
        self.parts: dict[str, Part] = {}
        self.outbox = 0
        self.visits = ""
        """A conversation that it does not follow and whose invitations it answers."""
        self._user = user
        self._servers = servers
        self._at = 0
        self._random = random.Random(seed)
        self._quiet = asyncio.Event()

        async def get_token() -> str:
            return token()

        self.client = Client(
            servers[0],
            events=Connection(self),
            get_token=get_token,
            max_reconnect_delay=1.0,
            max_server_ping_delay=3.0,
            proxy=None,
        )

    # -- connecting and following

    async def begin(
        self, conversations: list[str], life: int, alone: Container[str] = (), owns: Container[str] = ()
    ) -> None:
        """Connect and follow; returns when asked for, not when done: faults may be under way. alone: those in
        which no agent answers; owns: those it owns.
        """
        self.notes.write("life", device=self.name, user=self._user, life=life)
        await self.client.connect()
        for conversation in conversations:
            part = Part(conversation, alone=conversation in alone, owns=conversation in owns)
            self.parts[conversation] = part
            part.subscription = self.client.new_subscription(
                f"conversation:{conversation}",
                events=_Following(self, part),
                get_state=lambda _, part=part: self._load(part),
                max_resubscribe_delay=1.0,
                join_leave=True,
            )
            await part.subscription.subscribe()

    def rotate(self) -> None:
        """Take the next server for the next attempt."""
        self._at = (self._at + 1) % len(self._servers)
        self.client._address = self._servers[self._at]

    async def _load(self, part: Part) -> StreamPosition:
        """History and the position that belongs to it: the device's view is what is loaded, once used."""
        if part.used:  # it had a position, and the server did not take it
            self.notes.write("error", conversation=part.id, code=112)
        part.used = False
        part.loads += 1
        number = part.loads
        assert part.subscription is not None
        attempt = part.subscription._attempt
        page = await self._page(part.id, {})
        messages = page["messages"]
        while page["more"]:
            older = await self._page(part.id, {"before": messages[0]["seq"]})
            messages, page = older["messages"] + messages, {**page, "more": older["more"]}
        position = page["position"]
        subscribing = part.subscription.state == SubscriptionState.SUBSCRIBING
        if number == part.loads and part.subscription._attempt == attempt and subscribing:
            part.used = True
            part.loaded = {"messages": messages, "open": unfinished(page), **position}
        return StreamPosition(position["offset"], position["epoch"])

    async def _page(self, conversation: str, before: dict[str, int]) -> dict[str, Any]:
        arguments = {"conversation": conversation, "limit": PAGE, **before}
        page: dict[str, Any] = (await self.client.rpc("conversation.history", arguments)).data
        return page

    # -- talking

    async def talk(self, pause_s: tuple[float, float], *, wanders: bool) -> None:
        """Say something now and then, until `quiet`; returns when nothing is under way any more.

        wanders: go to the other server now and then.
        """
        async with asyncio.TaskGroup() as sending:
            while not await self._quiet_within(self._random.uniform(*pause_s)):
                part = self.parts[self._random.choice(list(self.parts))]
                if len(part.unanswered) < 4:
                    sending.create_task(self._say(part))
                    if (
                        self._random.random() < 0.15
                    ):  # a second one at once: which comes first is the house's word
                        sending.create_task(self._say(part))
                if part.sent and self._random.random() < 0.2:
                    sending.create_task(self._send(part, *self._random.choice(part.sent[-20:])))
                if self._random.random() < 0.04:
                    sending.create_task(self._cancel(part))
                if self._random.random() < 0.4:
                    sending.create_task(self._act(part))
                if wanders and self._random.random() < 0.05:
                    sending.create_task(self._wander())

    def quiet(self) -> None:
        """Say nothing new any more."""
        self._quiet.set()

    async def _quiet_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._quiet.wait()
        except TimeoutError:
            return False
        return True

    async def _say(self, part: Part) -> None:
        message = new_id()
        number = len(part.sent)
        texts = [
            f"{self.name} says {number}",
            f"{self.name} {number}: count to {self._random.randint(3, 30)}",
        ]
        text = self._random.choice(texts)
        part.sent.append((message, text))
        tries = 2 if self._random.random() < 0.1 else 1  # the same command twice at once
        await asyncio.gather(*(self._send(part, message, text) for _ in range(tries)))

    async def ask(self, conversation: str, text: str) -> list[str]:
        """Say something; the turns that will answer it."""
        message = new_id()
        return await self._send(self.parts[conversation], message, text)

    async def _send(self, part: Part, message: str, text: str) -> list[str]:
        """Send until it is acknowledged or refused for good; the turns that answer it."""
        delay, tries = AGAIN_FIRST_S, 0
        self.outbox += 1
        try:
            while True:
                tries += 1
                self.notes.write("send", conversation=part.id, message=message, text=text, **{"try": tries})
                arguments = {"conversation": part.id, "id": message, "text": text}
                try:
                    said = (await self.client.rpc("conversation.send", arguments)).data
                except ReplyError as error:
                    facts = {"code": error.code, "temporary": error.temporary}
                    self.notes.write("refused", conversation=part.id, message=message, **facts)
                    if not error.temporary:
                        return []
                except UNREACHED:
                    pass
                else:
                    position = said["position"]
                    self.notes.write("acked", conversation=part.id, message=message, **position)
                    turns: list[str] = said["turns"]
                    return turns
                await asyncio.sleep(delay)
                delay = min(2 * delay, AGAIN_LAST_S)
        finally:
            self.outbox -= 1

    async def _cancel(self, part: Part) -> None:
        self.notes.write("cancelling", conversation=part.id)
        try:
            reply = await self.client.rpc("conversation.cancel", {"conversation": part.id})
        except (ReplyError, *UNREACHED):
            return
        self.notes.write("cancel", conversation=part.id, turns=reply.data["turns"])

    async def visit(self, pause_s: tuple[float, float]) -> None:
        """Answer invitations now and then, and leave again, until `quiet`."""
        async with asyncio.TaskGroup() as sending:
            while not await self._quiet_within(self._random.uniform(*pause_s)):
                sending.create_task(self._do(self.visits, deeds.visit(self._random)))

    async def _act(self, part: Part) -> None:
        """Do something that people do; now and then twice, at once or one after the other."""
        deed = deeds.draw(self.name, self._random, part.scope())
        if deed is None:
            return
        await asyncio.gather(
            *[self._do(part.id, deed) for _ in range(2 if self._random.random() < 0.1 else 1)]
        )
        if self._random.random() < 0.1:
            await self._do(part.id, deed)

    async def _do(self, conversation: str, deed: deeds.Deed) -> None:
        """Do it until it is acknowledged or refused for good; who else did something may be why."""
        delay = AGAIN_FIRST_S
        self.outbox += 1
        try:
            while True:
                try:
                    done = (
                        await self.client.rpc(deed.method, {"conversation": conversation, **deed.asked})
                    ).data
                except ReplyError as error:
                    if not error.temporary:
                        return
                except UNREACHED:
                    pass
                else:
                    if deed.is_placed:
                        facts = {"method": deed.method, "arguments": deed.asked, **done["position"]}
                        self.notes.write("done", conversation=conversation, **facts)
                    return
                await asyncio.sleep(delay)
                delay = min(2 * delay, AGAIN_LAST_S)
        finally:
            self.outbox -= 1

    async def _wander(self) -> None:
        """Go to the other server, as a phone does that changes networks."""
        await self.client.disconnect()
        self.rotate()
        await self.client.connect()

    # -- the end

    async def settle(self, tops: dict[str, int], within_s: float) -> bool:
        """Wait until it has everything up to these offsets; note that it must have, whether or not it has."""
        parts = self.parts.values()
        try:
            await eventually(
                lambda: all(part.last >= tops[part.id] and self._live(part) for part in parts), within_s
            )
        except AssertionError:
            return False
        finally:
            for part in parts:
                self.notes.write("settled", conversation=part.id, **await self._asked(part.id))
        return True

    async def _asked(self, conversation: str) -> dict[str, Any]:
        """What the house says of it when asked, at the end; nothing if it does not answer."""
        try:
            listed = (await self.client.rpc("conversation.list", {"limit": 500})).data["conversations"]
            asked = {"conversation": conversation, "limit": 1000}
            members = (await self.client.rpc("conversation.members.list", asked)).data["members"]
        except (ReplyError, *UNREACHED):
            return {}
        facts = next(({name: one[name] for name in TOLD} for one in listed if one["id"] == conversation), {})
        return {**facts, "members": {each["user"]: each["role"] for each in members}}

    async def close(self) -> None:
        """Leave."""
        await self.client.disconnect()

    @staticmethod
    def _live(part: Part) -> bool:
        return part.subscription is not None and part.subscription.state == SubscriptionState.SUBSCRIBED


class Connection(ClientEventHandler):  # type: ignore[misc]  # the client ships no types
    """What a device notes of its connection."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._connected = False

    async def on_connecting(self, ctx: Any) -> None:
        self._connected = False
        self._device.notes.write("connecting", code=ctx.code)
        if ctx.code:
            self._device.rotate()

    async def on_error(self, ctx: Any) -> None:
        del ctx
        if not self._connected:
            self._device.rotate()

    async def on_connected(self, ctx: Any) -> None:
        self._connected = True
        self._device.notes.write("connected", client=ctx.client)

    async def on_disconnected(self, ctx: Any) -> None:
        self._device.notes.write("disconnected", code=ctx.code)


class _Following(SubscriptionEventHandler):  # type: ignore[misc]  # the same
    def __init__(self, device: Device, part: Part) -> None:
        self._notes = device.notes
        self._part = part

    async def on_subscribing(self, ctx: Any) -> None:
        self._notes.write("subscribing", conversation=self._part.id, code=ctx.code)

    async def on_subscribed(self, ctx: Any) -> None:
        part = self._part
        if part.loaded is not None:
            self._notes.write("loaded", conversation=part.id, **part.loaded)
            part.last = part.loaded["offset"]
            for said in part.loaded["messages"]:
                part.knows(said["id"], said["seq"])
            part.loaded = None
            part.unanswered.clear()
        self._notes.write(
            "subscribed",
            conversation=part.id,
            epoch=ctx.stream_position.epoch,
            offset=ctx.stream_position.offset,
            recovered=ctx.recovered,
            was_recovering=ctx.was_recovering,
            open=unfinished(ctx.data or {}),
            read=((ctx.data or {}).get("read") or {}).get("seq"),
        )

    async def on_unsubscribed(self, ctx: Any) -> None:
        self._notes.write("unsubscribed", conversation=self._part.id, code=ctx.code)

    async def on_join(self, ctx: Any) -> None:
        self._notes.write("join", conversation=self._part.id, user=ctx.info.user)

    async def on_leave(self, ctx: Any) -> None:
        self._notes.write("leave", conversation=self._part.id, user=ctx.info.user)

    async def on_publication(self, ctx: Any) -> None:
        event, part = ctx.pub.data, self._part
        self._notes.write("pub", conversation=part.id, offset=ctx.pub.offset or 0, event=event)
        part.last = max(part.last, ctx.pub.offset or 0)
        if event["type"] == "turn.started":
            part.unanswered.add(event["turn"])
        elif event["type"] == "message.created":
            part.knows(event["message"], event.get("seq", 0))
            if not part.alone:
                part.unanswered.add(event["message"])
        elif event["type"] == "message.completed":
            part.knows(event["message"], event.get("seq", 0))
        elif event["type"] == "turn.finished":
            part.unanswered.clear()
            part.finished.add(event["turn"])


def unfinished(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is streamed, as a reply lists it: messages, and calls of tools under their own ids."""
    calls = [
        {**each, "message": each.get("call") or each.get("message") or each["subagent"]}
        for each in told.get("underway") or ()
    ]
    return [*(told.get("open") or ()), *calls]
