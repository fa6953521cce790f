"""What the server is told of a person by the way: that one types, and how far one has read.

Called by `talk`. Both are small talk: neither is waited for, and a refusal is passed over.
"""

import asyncio
from collections.abc import Callable

from services.local.device import Device, RefusedError
from services.local.terminal import Terminal
from services.local.typists import OwnTyping

LOOK_S = 1.0
"""Between two looks at the line being typed."""

Where = Callable[[], tuple[Device, str]]


class Composing:
    """Tells that the person types. where: the device, and the conversation that the person is in."""

    def __init__(self, terminal: Terminal, where: Where) -> None:
        self._terminal = terminal
        self._where = where
        self._typing = OwnTyping()
        self._refused: set[str] = set()
        self._at = ""

    def said(self) -> None:
        """The line was said."""
        self._typing.said()

    async def tell(self) -> None:
        """Looks at the line again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await self.look(asyncio.get_running_loop().time())

    async def look(self, now_s: float) -> None:
        """Tells what there is to tell of the line as it stands."""
        device, conversation = self._where()
        if conversation != self._at:
            self._at, self._typing = conversation, OwnTyping()
        typing = self._typing.told(self._terminal.line, now_s)
        if typing is None or conversation in self._refused:
            return
        try:
            await device.hint("conversation.typing", {"conversation": conversation, "typing": typing})
        except RefusedError:  # a reader, or a server that knows no typing
            self._refused.add(conversation)


class Reading:
    """Tells how far the person has read: what was shown is read."""

    def __init__(self, device: Callable[[], Device]) -> None:
        self._device = device
        self._shown: dict[str, int] = {}
        self._told: dict[str, int] = {}
        self._news = asyncio.Event()
        self._telling = asyncio.Lock()

    def shown(self, conversation: str, seq: int) -> None:
        """Everything up to this number stands on the screen."""
        if seq > self._shown.get(conversation, 0):
            self._shown[conversation] = seq
            self._news.set()

    async def tell(self) -> None:
        """Tells what was shown, until cancelled; what is shown meanwhile goes in one."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.told()

    async def told(self) -> None:
        """Returns when the server knows all that was shown by now."""
        async with self._telling:
            for conversation, seq in list(self._shown.items()):
                if seq > self._told.get(conversation, 0):
                    await self._say(conversation, seq)

    async def _say(self, conversation: str, seq: int) -> None:
        self._told[conversation] = seq
        try:
            await self._device().call("conversation.read", {"conversation": conversation, "seq": seq})
        except RefusedError:
            return
        except BaseException:
            self._told.pop(conversation)  # cancelled amid: said again by who asks next
            raise
