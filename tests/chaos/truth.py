"""What the house itself says at the end of a campaign: the truth that devices' notes are held to.

Read through the bus from the master, when everything healed and went quiet.
"""

from collections.abc import Container, Mapping, Sequence
from typing import Any

import msgspec

from services.conversation.graph.build import build_assistant
from services.conversation.graph.keeping import open_threads
from services.conversation.graph.models import open_model
from services.conversation.graph.threads import Threads
from services.conversation.settings import WorkerSettings
from services.shared.bus.house import Bus
from services.shared.bus.keys import ConversationKeys
from services.shared.model.ids import AgentName, Channel, ConversationId, UserId
from tests.support.waiting import eventually

AGENT = AgentName("assistant")
CLEARED_WITHIN_S = 45.0
"""Followers get some seconds to read a deleted conversation's end."""


class Witness:
    """Reads conversations whole."""

    def __init__(self, bus: Bus, threads: Threads) -> None:
        self._bus = bus
        self._threads = threads

    @classmethod
    async def open(cls, bus: Bus) -> "Witness":
        """A witness on this bus."""
        graph = build_assistant(open_model("", token_s=0.0))
        return cls(bus, await open_threads(bus, graph, WorkerSettings()))

    async def busy(self, conversations: Sequence[str]) -> list[str]:
        """What is still under way, in words; nothing means that the house is quiet."""
        commands, found = self._bus.floor.commands, []
        for conversation in conversations:
            at = self._at(conversation)
            for what, key in (("open messages", at.open), ("turns", at.fifo), ("a lease", at.lease)):
                if await commands.exists(key):
                    found.append(f"{what} in {conversation}")
        return found

    async def strays(self) -> list[str]:
        """Keys that nobody owns, or that nothing ends, by the house's own table; in words."""
        tally = await self._bus.inventory.take()
        return [f"key {fault.key}: {fault.wrong} {fault.detail}" for fault in tally.faults]

    async def leftovers(self, conversations: Sequence[str], owner: str) -> list[str]:
        """Delete the conversations; what is left of them but the marks that nobody makes them anew."""
        for conversation in conversations:
            await self._bus.deletion.delete(ConversationId(conversation), UserId(owner))
        left: list[str] = []

        async def gone() -> bool:
            left[:] = [key for each in conversations for key in await self._keys_of(each)]
            return not left

        try:
            await eventually(gone, CLEARED_WITHIN_S, every_s=0.5)
        except AssertionError:
            return [f"key {key} was left of a deleted conversation" for key in left]
        return []

    async def _keys_of(self, conversation: str) -> list[str]:
        found: Any = self._bus.floor.commands.scan_iter(match=f"*{conversation}*", count=1000)
        keys = [key.decode() async for key in found]
        return [key for key in keys if not key.endswith((":deleted", f":left:{conversation}"))]

    async def standing(self, conversations: Sequence[str]) -> dict[str, int]:
        """The top of every conversation in which turns wait or run: where it stands, if it does not move."""
        commands, found = self._bus.floor.commands, {}
        for conversation in conversations:
            at = self._at(conversation)
            if await commands.exists(at.fifo):
                found[conversation] = int(await _of(commands.hget(at.head, "top")) or 0)
        return found

    async def tops(self, conversations: Sequence[str]) -> dict[str, int]:
        """The offset of each conversation's last event that is no delta."""
        found = {}
        for conversation in conversations:
            events = [entry for entry in await self._journal(conversation) if entry["kind"] != "d"]
            found[conversation] = events[-1]["offset"] if events else 0
        return found

    async def tell(
        self, conversations: Sequence[str], user: str, alone: Container[str] = ()
    ) -> dict[str, Any]:
        """Everything about these conversations, in the form `history` describes. user: an owner of them;
        alone: those in which no agent answers.
        """
        told = {each: await self._whole(each, user, answered=each not in alone) for each in conversations}
        return {"conversations": told}

    async def _whole(self, conversation: str, user: str, *, answered: bool) -> dict[str, Any]:
        at, commands = self._at(conversation), self._bus.floor.commands
        channel = Channel.of_conversation(conversation)
        [head] = (await self._bus.journal.tops([channel])).values()
        return {
            "agents": [AGENT] * answered,
            "head": {
                "top": head.top,
                "low": head.low,
                "forks": [[fork.epoch, fork.first] for fork in head.forks],
            },
            "journal": await self._journal(conversation),
            "messages": await self._messages(conversation, user),
            "open": [each.decode() for each in await _of(commands.hkeys(at.open))],
            "fifo": [each.decode() for each in await _of(commands.lrange(at.fifo, 0, -1))],
            "lease": _texts(await _of(commands.hgetall(at.lease))) or None,
            "turns": await self._turns(at),
            "threads": {AGENT: await self._thread(conversation)} if answered else {},
            "roster": await self._roster(conversation),
            **await self._people(conversation, user),
        }

    async def _people(self, conversation: str, user: str) -> dict[str, Any]:
        at, commands = self._at(conversation), self._bus.floor.commands
        page = await self._bus.members.page(ConversationId(conversation), UserId(user), limit=1000)
        return {
            "title": (await _of(commands.hget(at.head, "title")) or b"").decode(),
            "members": {each.user: each.role for each in page.members},
            "reads": {each.user: each.read for each in page.members},
            "invited": sorted(each.decode() for each in await _of(commands.hkeys(at.invited))),
        }

    async def present(self, clients: Mapping[str, set[str]]) -> bool:
        """Whether in each conversation just these connections are present."""
        return all([set(await self._roster(each)) == clients[each] for each in clients])

    async def _roster(self, conversation: str) -> list[str]:
        roster = await self._bus.roster.of(ConversationId(conversation))
        return [str(connection) for connection in roster]

    async def _journal(self, conversation: str) -> list[dict[str, Any]]:
        entries: Any = await self._bus.floor.commands.xrange(self._at(conversation).journal)
        return [
            {
                "offset": int(entry.partition(b"-")[0]),
                "kind": fields[b"k"].decode(),
                "event": msgspec.json.decode(fields[b"b"]),
            }
            for entry, fields in entries
        ]

    async def _messages(self, conversation: str, user: str) -> list[dict[str, Any]]:
        kept: list[dict[str, Any]] = []
        before: int | None = None
        while True:
            page = await self._bus.messages.history(
                ConversationId(conversation), UserId(user), before=before, limit=200
            )
            told = [
                {
                    "id": one.id,
                    **({"user": one.user} if one.user else {"agent": one.agent}),
                    **({"turn": one.turn} if one.turn else {}),
                    "text": one.text,
                    "seq": one.seq,
                    "edits": one.edits,
                    "deleted": one.deleted,
                    "reactions": {each: list(users) for each, users in one.reactions.items()},
                }
                for one in page.messages
            ]
            kept = told + kept
            if not page.more:
                return kept
            before = page.messages[0].seq

    async def _turns(self, at: ConversationKeys) -> dict[str, Any]:
        commands, prefix = self._bus.floor.commands, at.turn("")
        found = {}
        async for key in commands.scan_iter(match=f"{prefix.replace('{', '[{]')}*", count=1000):
            record = _texts(await _of(commands.hgetall(key)))
            wanted = ("state", "outcome", "reason", "attempt", "attempts", "agent")
            facts = {name: record.get(name, "") for name in wanted}
            messages = [each for each in record.get("messages", "").split(",") if each]
            found[key.decode().removeprefix(prefix)] = {**facts, "messages": messages}
        return found

    async def _thread(self, conversation: str) -> list[dict[str, Any]]:
        thread = self._threads.thread_of(ConversationId(conversation), AGENT)
        saved = await self._threads.reader().aget_tuple({"configurable": {"thread_id": thread}})
        messages = saved.checkpoint["channel_values"].get("messages", []) if saved else []
        return [{"id": one.id, "type": one.type, "text": str(one.text)} for one in messages]

    def _at(self, conversation: str) -> ConversationKeys:
        return self._bus.floor.keys.conversation(conversation)


async def _of(reply: Any) -> Any:
    return await reply


def _texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in fields.items()}
