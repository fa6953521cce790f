"""Going back in a conversation from the chat: `/checkpoints`, `/again`, `/edit`, `/rewind`.

Called by `talk`. What is listed has numbers, from the newest; a number means what it meant when the person
saw it, also when others said something since.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.local.device import Device, new_id
from services.local.line import Line
from services.local.terminal import Terminal


@dataclass(frozen=True, slots=True)
class Way:
    """One can go back to this message, which these agents answered. time: when the last of them began."""

    message: str
    agents: tuple[str, ...]
    time: int


class WaysBack:
    """The commands, and what was listed last of each conversation. where: the device, and the conversation
    that the person is in. Each command raises ValueError for what cannot be meant, RefusedError.
    """

    def __init__(self, terminal: Terminal, where: Callable[[], tuple[Device, str]]) -> None:
        self._terminal = terminal
        self._where = where
        self._listed: dict[str, list[Way]] = {}
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/checkpoints": self._list,
            "/again": self._again,
            "/edit": self._edit,
            "/rewind": self._rewind,
        }

    async def _list(self, _: str) -> None:
        device, conversation = self._where()
        ways = await self._look()
        self._terminal.write(shown(ways, device.followed[conversation].log.lines()))
        if not ways:
            self._terminal.note("there is nowhere to go back to")

    async def _again(self, words: str) -> None:
        number, rest = chosen(words)
        if rest:
            raise ValueError("/again 1 asks the same once more; /edit 1 text says it in other words")
        await self._go(number, ask=True)

    async def _edit(self, words: str) -> None:
        number, text = chosen(words)
        if not text:
            raise ValueError("/edit 1 text")
        await self._go(number, ask=True, text=text)

    async def _rewind(self, words: str) -> None:
        await self._go(chosen(words)[0], ask=False)

    async def _look(self) -> list[Way]:
        device, conversation = self._where()
        page = await device.call("conversation.history", {"conversation": conversation, "limit": 1})
        found: dict[str, Sequence[Mapping[str, Any]]] = {}
        for agent in page["settings"]["agents"]:
            named = {"conversation": conversation, "agent": agent}
            found[agent] = (await device.call("conversation.checkpoints", named))["checkpoints"]
        self._listed[conversation] = merged(found)
        return self._listed[conversation]

    async def _go(self, number: int, *, ask: bool, text: str = "") -> None:
        device, conversation = self._where()
        ways = self._listed.get(conversation) or await self._look()
        if not 1 <= number <= len(ways):
            raise ValueError(
                f"there are places 1 to {len(ways)}: /checkpoints"
                if ways
                else "there is nowhere to go back to"
            )
        wanted = {"conversation": conversation, "id": new_id(), "message": ways[number - 1].message}
        self._listed.pop(conversation, None)
        await device.call("conversation.rewind", {**wanted, "ask": ask} | ({"text": text} if text else {}))


def merged(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Way]:
    """Of each agent its checkpoints, as places to go back to, the newest first."""
    agents: dict[str, list[str]] = {}
    times: dict[str, int] = {}
    for agent, checkpoints in found.items():
        for one in checkpoints:
            agents.setdefault(one["message"], []).append(agent)
            times[one["message"]] = max(one["time"], times.get(one["message"], 0))
    ways = [Way(message, tuple(names), times[message]) for message, names in agents.items()]
    return sorted(ways, key=lambda way: way.time, reverse=True)


def shown(ways: Sequence[Way], lines: Iterable[Line]) -> str:
    """What is written for them."""
    known = {line.message: line for line in lines}
    text = ""
    for number, way in enumerate(ways, start=1):
        line = known.get(way.message)
        said = f"{line.author}: {line.text}" if line else way.message
        text += f"{number:>4}  {said}  (answered by {', '.join(way.agents)})\n"
    return text


def chosen(words: str) -> tuple[int, str]:
    """The number, 1 where none is said, and what follows it. Raises ValueError."""
    first, _, rest = words.partition(" ")
    if not first:
        return 1, ""
    if not first.isdecimal():
        raise ValueError(f"{first!r} is no number: /checkpoints shows them")
    return int(first), rest.strip()
