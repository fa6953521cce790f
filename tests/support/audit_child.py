"""A process that does one deed after another until it is killed, to see whether the audit log has each.

Run as a module with: Sentinels, the conversation, Ann's; and `beside` for the control: the entry is written
behind the deed, in a step of its own, and it stands still between the two.
"""

import asyncio
import sys
from typing import Literal

from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.audit import AuditEntry
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.bus_house import ANN, fresh

AT_ONCE = 8
ENOUGH = 50
"""Deeds after which the parent is told that it may strike."""


async def opened(sentinels: str, audit: Literal["on", "off"]) -> Bus:
    settings = RedisSettings(redis_sentinels=tuple(sentinels.split(",")), audit=audit, fifo_length=1_000_000)
    return await Bus.open(settings, process=fresh(), clock=SystemClock(), metrics=Metrics())


async def main(sentinels: str, conversation: str, *, beside: bool) -> None:
    bus = await opened(sentinels, "off" if beside else "on")
    log = await opened(sentinels, "on")
    done = 0

    async def deeds() -> None:
        nonlocal done
        while True:
            message = fresh()
            await bus.messages.accept(conversation, ANN, message, "hello")
            done += 1
            if beside and done == ENOUGH:
                print("between", flush=True)
                await asyncio.Event().wait()
            if beside:
                entry = AuditEntry("sent", ANN, conversation, message)
                await log.audit.note({log.audit.named(): entry})
            elif done == ENOUGH:
                print("enough", flush=True)

    await asyncio.gather(*(deeds() for _ in range(1 if beside else AT_ONCE)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], beside=sys.argv[3:] == ["beside"]))
