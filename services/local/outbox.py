"""What was said and is not acknowledged yet, in the order it was typed.

Called by `talk`. Each message keeps its id, so sending it again after a lost connection does nothing twice.
It waits in files too: what is unsent when the chat ends, however it ends, the next one sends.
"""

import asyncio
from collections.abc import Callable

from services.local.device import Device, RefusedError
from services.local.ending import LocalError
from services.local.terminal import Terminal
from services.local.unsent import Unsent, UnsentFiles

UNSENT = 1000
"""Messages that may wait to be sent. Policy beyond it: what a person types is refused, what comes through a
pipe waits.
"""
LAST_TRY_S = 3.0
"""What somebody who quits waits for the messages still unsent; after that they stay in their files."""


class Outbox:
    """One chat's. device: whom to send by, asked for when there is something to send."""

    def __init__(self, terminal: Terminal, files: UnsentFiles, device: Callable[[], Device]) -> None:
        self._terminal = terminal
        self._files = files
        self._device = device
        left = files.found()
        self._left = {unsent.message for unsent in left}
        self._told_of_files = False
        self._waiting: asyncio.Queue[Unsent] = asyncio.Queue(max(UNSENT, len(left)))
        for unsent in left:
            self._waiting.put_nowait(unsent)

    @property
    def waiting(self) -> int:
        """Messages that nobody began to send."""
        return self._waiting.qsize()

    async def say(self, unsent: Unsent) -> None:
        """Takes a message. Raises LocalError where too many wait already."""
        if self._terminal.interactive and self._waiting.full():
            raise LocalError(f"not taken, {count(UNSENT)} wait already: {unsent.text!r}")
        self._files.keep(unsent)
        await self._waiting.put(unsent)

    async def deliver(self) -> None:
        """Sends what is in it, one by one, until cancelled."""
        while True:
            unsent = await self._waiting.get()
            try:
                await self._device().send(
                    unsent.conversation, unsent.text, unsent.message, reply_to=unsent.reply_to
                )
            except RefusedError as error:
                self._terminal.note(f"not sent: {unsent.text!r}: {error}")
                self._let_go(unsent, refused=True)
            else:
                self._let_go(unsent, refused=False)
            self._waiting.task_done()

    async def sent(self) -> None:
        """Returns when all of it was sent, however long that takes."""
        await self._waiting.join()

    async def try_once_more(self) -> None:
        """Gives what is still unsent a moment, for somebody who quits."""
        try:
            async with asyncio.timeout(LAST_TRY_S):
                await self.sent()
        except TimeoutError:
            self._terminal.note("not everything was sent; your next chat here sends the rest")

    def _let_go(self, unsent: Unsent, *, refused: bool) -> None:
        """What an earlier chat left and is refused, as after a day, may be nowhere else: it is set aside."""
        left = unsent.message in self._left
        self._left.discard(unsent.message)
        try:
            if not (refused and left):
                self._files.drop(unsent)
            elif file := self._files.set_aside(unsent):
                self._terminal.note(f"its text is kept in {file}")
        except OSError as error:
            # Sent again with its id, which does nothing twice: no reason to stop sending.
            if not self._told_of_files:
                self._terminal.note(f"what was sent stays in its file, the next chat sends it again: {error}")
            self._told_of_files = True


def count(messages: int) -> str:
    """So many messages, in words."""
    return "1 message" if messages == 1 else f"{messages} messages"
