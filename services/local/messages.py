"""Messages by their numbers, from the chat: `/history`, `/reply`, `/correct`, `/delete`, `/react`.

Called by `talk`. A number is the message's own (`seq`), as `/history` shows it: the same on all devices, for
good.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from services.local.device import Device
from services.local.line import Line, line_of, said
from services.local.terminal import Terminal


class Messages:
    """The commands. where: the device, and the conversation that the person, `user`, is in; say: says a text
    as a reply to a message. Each command raises ValueError for what cannot be meant, RefusedError.
    """

    def __init__(
        self,
        terminal: Terminal,
        where: Callable[[], tuple[Device, str]],
        say: Callable[[str, str], Awaitable[None]],
        user: str,
    ) -> None:
        self._terminal = terminal
        self._where = where
        self._say = say
        self._user = user
        self.commands: dict[str, Callable[[str], Awaitable[None]]] = {
            "/history": self._history,
            "/reply": self._reply,
            "/correct": self._correct,
            "/delete": self._delete,
            "/react": self._react,
        }

    async def _history(self, words: str) -> None:
        if words and not words.isdecimal():
            raise ValueError("/history, or /history 20 for the last 20")
        device, conversation = self._where()
        kept = await device.history(conversation)
        self._terminal.write(listed(kept, self._user, int(words or len(kept))))

    async def _reply(self, words: str) -> None:
        line, text = self._named(words, "/reply 12 text")
        await self._say(text, line.message)

    async def _correct(self, words: str) -> None:
        line, text = self._named(words, "/correct 12 text")
        await self._do("message.edit", line, text=text)

    async def _delete(self, words: str) -> None:
        line, _ = self._named(words, "/delete 12", more=False)
        await self._do("message.delete", line)

    async def _react(self, words: str) -> None:
        line, rest = self._named(words, "/react 12 +1")
        reaction, *off = rest.split()
        if off not in ([], ["off"]):
            raise ValueError("/react 12 +1, or /react 12 +1 off")
        await self._do("message.react", line, reaction=reaction, on=not off)

    def _named(self, words: str, usage: str, *, more: bool = True) -> tuple[Line, str]:
        number, _, rest = words.partition(" ")
        if not number.isdecimal() or bool(rest.strip()) != more:
            raise ValueError(f"{usage}: /history shows the numbers")
        device, conversation = self._where()
        return device.followed[conversation].log.numbered(int(number)), rest.strip()

    async def _do(self, method: str, line: Line, **more: object) -> None:
        device, conversation = self._where()
        await device.call(method, {"conversation": conversation, "id": line.message, **more})


def listed(kept: Sequence[Mapping[str, Any]], user: str, last: int) -> str:
    """The last so many messages of a history, each with its number, as `user` reads them."""
    known = {one["id"]: line_of(one) for one in kept}
    lines = list(known.values())[-last:] if last else []
    return "".join(f"{line.seq:>4}  {said(line, known, user)}\n" for line in lines)
