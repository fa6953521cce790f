"""`python -m tests.support.racing_door`: a connection process that decides outside the script what is
in the way.

For control runs of the races of double texting. It looks at the queue first, as a server does that keeps the
decision to itself, and hands the script what it saw: two that look at once see the same.
"""

import asyncio
import runpy
import sys
from typing import Any

from services.shared.bus import scripts
from services.shared.bus.messages import Messages

DECIDES = "redis.call('LRANGE', fifo, 0, -1)"
"""What the script looks at."""
WAS_TOLD = "cjson.decode(redis.call('HGET', head, 'seen') or '[]')"


def decide_outside() -> None:
    """Take the decision out of the script of this process. Raises AssertionError when it is not there."""
    honest = scripts._source
    assert honest("answering").count(DECIDES) == 1

    def edited(name: str) -> str:
        return honest(name).replace(DECIDES, WAS_TOLD) if name == "answering" else honest(name)

    scripts._source = edited
    scripts.script.cache_clear()
    accept = Messages.accept

    async def looked_first(self: Messages, conversation: str, *args: Any, **more: Any) -> Any:
        keys, commands = self._floor.keys.conversation(conversation), self._floor.commands
        waiting: list[Any] = await commands.lrange(keys.fifo, 0, -1)
        seen = ",".join(f'"{turn.decode()}"' for turn in waiting)
        await asyncio.sleep(0.005)  # what another process or a garbage collection takes
        await commands.hset(keys.head, "seen", f"[{seen}]")
        return await accept(self, conversation, *args, **more)

    Messages.accept = looked_first  # type: ignore[method-assign]


if __name__ == "__main__":
    decide_outside()
    sys.argv = ["services.connection"]
    runpy.run_module("services.connection", run_name="__main__", alter_sys=True)
