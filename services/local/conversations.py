"""A person's conversations, from the chat: `/list`, and what one makes of them: `/mute`, `/archive`.

Called by `talk`. What is unread is the server's count, so all devices show the same.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from services.local.device import Device
from services.local.terminal import Terminal

HOUR_MS = 3_600_000


class Conversations:
    """Titles, marks and the commands. where: the device, and the conversation that the person is in; read:
    returns when the server knows what was read; now_ms: the time, in milliseconds since 1970. Each command
    raises ValueError for what cannot be meant, RefusedError.
    """

    def __init__(
        self,
        terminal: Terminal,
        where: Callable[[], tuple[Device, str]],
        read: Callable[[], Awaitable[None]],
        now_ms: Callable[[], int],
    ) -> None:
        self._terminal = terminal
        self._where = where
        self._read = read
        self._now_ms = now_ms
        self._titles: dict[str, str] = {}
        self._muted: dict[str, int | None] = {}
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/list": self._list,
            "/mute": self._mute,
            "/archive": self._archive,
        }

    def title(self, conversation: str) -> str:
        """Its title, or its id where that is not known."""
        return self._titles.get(conversation, conversation)

    def called(self, conversation: str, title: str) -> None:
        """One that the list may not know yet has this title."""
        self._titles.setdefault(conversation, title)

    def marked(self, conversation: str, muted_ms: int | None) -> None:
        """It is muted until then; None for good, 0 not at all."""
        self._muted[conversation] = muted_ms

    def muted(self, conversation: str) -> bool:
        """Whether the person wants to hear of nothing there."""
        until_ms = self._muted.get(conversation, 0)
        return until_ms is None or until_ms > self._now_ms()

    async def refreshed(self) -> list[Mapping[str, Any]]:
        """All conversations as the server lists them, newest first, the archived ones last."""
        device, _ = self._where()
        found: list[Mapping[str, Any]] = (await device.call("conversation.list", {}))["conversations"]
        found.sort(key=lambda one: (one.get("archived", False), -one["created_ms"]))
        self._titles.update({one["id"]: one["title"] or one["id"] for one in found})
        self._muted = {one["id"]: one.get("muted", 0) for one in found}
        return found

    async def ids(self) -> list[str]:
        """Their ids, in the order of the list."""
        return [str(one["id"]) for one in await self.refreshed()]

    async def _list(self, _: str) -> None:
        await self._read()
        self._terminal.write(listed(await self.refreshed(), self._where()[1], self._now_ms()))

    async def _mute(self, words: str) -> None:
        until: int | None = 0 if words == "off" else None
        if words and words != "off":
            if not words.isdecimal() or not int(words):
                raise ValueError("/mute, /mute 8 for so many hours, or /mute off")
            until = self._now_ms() + int(words) * HOUR_MS
        kept = (await self._here("conversation.mute", until=until))["muted"]
        self.marked(self._where()[1], kept)
        self._terminal.note(_muted(kept, self._now_ms()) or "not muted")

    async def _archive(self, words: str) -> None:
        if words not in {"", "off"}:
            raise ValueError("/archive, or /archive off")
        kept = await self._here("conversation.archive", archived=not words)
        self._terminal.note("archived" if kept["archived"] else "not archived")

    async def _here(self, method: str, **arguments: object) -> Any:
        device, conversation = self._where()
        return await device.call(method, {"conversation": conversation, **arguments})


def listed(found: Sequence[Mapping[str, Any]], current: str, now_ms: int) -> str:
    """What is written for them."""
    text = ""
    for number, one in enumerate(found, start=1):
        marks = [f"{one['unread']} unread"] if one.get("unread") else []
        marks += [mark] if (mark := _muted(one.get("muted", 0), now_ms)) else []
        marks += ["archived"] if one.get("archived") else []
        here = ">" if one["id"] == current else " "
        marked = f"  ({', '.join(marks)})" if marks else ""
        text += f"{here} {number}  {one['title'] or one['id']}{marked}\n"
    return text


def _muted(until_ms: int | None, now_ms: int) -> str:
    if until_ms is None:
        return "muted"
    return f"muted until {when(until_ms)}" if until_ms > now_ms else ""


def when(time_ms: int) -> str:
    """A time since 1970 as the person's clock has it."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
