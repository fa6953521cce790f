"""Compares the tops of all followed channels with Redis, every few seconds and whenever something befell it.

Part of outbound.py, which acts on what is found. What the live road lost without leaving a hole is found here
only: a last event, a channel Redis forgot, a journal that is gone.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from services.connection.follows import Followed, Follows
from services.shared.model.errors import Broken, Temporary
from services.shared.model.ids import Channel
from services.shared.model.position import NOWHERE, Head
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Troubles

COMPARE_S = 3.0
"""Between comparisons: a lost last event leaves no hole to see."""
AGAIN_S = 0.2
"""Pause after Redis did not answer."""

log = get_logger(__name__)


class Tops(Protocol):
    """What is needed of the bus's journals."""

    async def tops(self, channels: Iterable[Channel]) -> Mapping[Channel, Head]: ...


class Comparing:
    """`run` is its task; `look` is called with each followed channel and its head in Redis."""

    def __init__(self, follows: Follows, journal: Tops, look: Callable[[Followed, Head], None]) -> None:
        self._follows = follows
        self._journal = journal
        self._look = look
        self._unreadable = Troubles(log, "top unreadable", "top readable again", severe=True)
        self._now = asyncio.Event()

    def doubt(self) -> None:
        """Something befell Redis or the way to it: compare at once."""
        self._now.set()

    async def run(self) -> None:
        """Compare every `COMPARE_S` and in doubt, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(COMPARE_S):
                    await self._now.wait()
            except TimeoutError:
                pass
            self._now.clear()
            try:
                heads = await self._tops([each.channel for each in self._follows])
            except Temporary:
                await asyncio.sleep(AGAIN_S)
                self._now.set()
                continue
            self._compare(heads)

    def _compare(self, heads: Mapping[Channel, Head]) -> None:
        for channel, head in heads.items():
            if followed := self._follows.find(channel):
                self._look(followed, head)
                if followed.merge.wants is not None:  # unheard: Redis may have forgotten who listens
                    self._follows.renew(followed)

    async def _tops(self, channels: Sequence[Channel]) -> Mapping[Channel, Head]:
        """Read tops in one go; when one of them cannot be read, one by one without it. A channel whose
        journal is gone stands nowhere. Raises Temporary.
        """
        try:
            known = await self._journal.tops(channels)
            for channel in channels if self._unreadable else ():
                self._unreadable.over(channel, channel=channel.name)
            return {channel: known.get(channel, NOWHERE) for channel in channels}
        except Broken:
            if len(channels) == 1:
                self._unreadable.met(channels[0], channel=channels[0].name, exc_info=True)
                return {}
        found: dict[Channel, Head] = {}
        for channel in channels:
            found.update(await self._tops([channel]))
        return found
