"""`continuo failover` in a process that kills itself at one of its orders: to see what it leaves behind.

Run as a module with: Sentinels, the order's name, the how many-th it is, `before` or `after`.
"""

import asyncio
import os
import signal
import sys
from typing import Any

from services.local.failover import Planned
from services.shared.bus import handover
from services.shared.bus.settings import RedisSettings


async def main(sentinels: str, order: str, nth: int, when: str) -> None:
    real = getattr(handover, order)
    given = 0

    async def dying(*args: Any) -> Any:
        nonlocal given
        given += 1
        if given == nth and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await real(*args)
        if given == nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(handover, order, dying)
    await Planned(RedisSettings(redis_sentinels=tuple(sentinels.split(","))), print).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))
