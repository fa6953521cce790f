"""Where demonstrations play: a Redis and the services of their own, on free ports, in a folder that is thrown
away.

Called by each demonstration. Must never be shared with anything else that runs on this machine.
"""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from services.local.device import Device
from services.local.embedded import EmbeddedRedis
from services.local.ending import LocalError
from services.local.following import Followed
from services.local.home import SECRET_VARIABLE
from services.local.servers import free_ports
from services.local.supervisor import Say, Supervisor
from services.local.tokens import issue_now
from services.local.up import SENTINELS_VARIABLE, server_address, service_groups

HAPPENS_WITHIN_S = 60.0
"""What a demonstration waits for at most; a miss is a failure, so it is generous on a busy machine."""
QUIET_S = 1.0
"""No device is told anything for so long: all that was to be told has been."""

SERVERS = ("connection-1", "connection-2")
# A demonstration says more at once than a conversation usually holds waiting.
_SETTINGS = {"CONTINUO_FIFO_LENGTH": "1000", "CONTINUO_DRAIN_S": "2"}


class Stage:
    """Everything running; `async with` starts and ends it."""

    def __init__(self, folder: Path, say: Say) -> None:
        self._folder = folder
        self._say = say
        self._secret = secrets.token_urlsafe(32)
        self._redis = EmbeddedRedis(folder / "redis")
        self._ports = free_ports(4)
        self._devices: list[Device] = []
        self._services: Supervisor | None = None

    @property
    def services(self) -> Supervisor:
        assert self._services is not None, "set by entering"
        return self._services

    async def __aenter__(self) -> Self:
        (self._folder / "logs").mkdir()
        try:
            await self._redis.start()
            self.say(f"redis is ready: master {self._redis.master}, two replicas, three Sentinels")
            common = {
                SENTINELS_VARIABLE: self._redis.sentinels,
                SECRET_VARIABLE: self._secret,
                **_SETTINGS,
            }
            groups = service_groups(self._ports)
            self._services = Supervisor(groups, self._folder / "logs", common, self.say)
            await self._services.start()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.shield(self._end())

    async def _end(self) -> None:
        await self.close_devices()
        if self._services is not None:
            await self._services.stop()
        await self._redis.stop()

    def say(self, text: str) -> None:
        self._say(f"  {text}")

    async def device(self, user: str, server: int = 0) -> Device:
        """A new connected device of this user; `server` 0 or 1 is the one it goes to first."""
        addresses = [server_address(port) for port in self._ports[:2]]

        async def token() -> str:
            return issue_now(self._secret, user)

        device = Device(addresses if server == 0 else addresses[::-1], token, name="continuo-demo")
        self._devices.append(device)
        await device.connect()
        return device

    async def close_devices(self) -> None:
        """Leaves with every device of the demonstration that is over."""
        for device in self._devices:
            await device.close()
        self._devices.clear()

    async def until(self, condition: Callable[[], bool], awaited: str) -> None:
        """Polls until the condition holds. Raises LocalError naming what did not happen."""
        deadline = asyncio.get_running_loop().time() + HAPPENS_WITHIN_S
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise LocalError(f"waited {HAPPENS_WITHIN_S:.0f} s in vain for {awaited}")
            await asyncio.sleep(0.02)

    async def until_quiet(self, followed: list[Followed]) -> None:
        """Returns when all devices are live, nobody answers, all stand at one offset, and it stays so a
        while.
        """
        before: list[int] = []
        since = asyncio.get_running_loop().time()

        def quiet() -> bool:
            nonlocal before, since
            now = [len(one.seen) for one in followed]
            tops = {one.seen[-1][0] if one.seen else 0 for one in followed}
            still = len(tops) == 1 and not any(one.log.running or not one.live for one in followed)
            if now != before or not still:
                before, since = now, asyncio.get_running_loop().time()
            return asyncio.get_running_loop().time() - since > QUIET_S

        await self.until(quiet, "all devices to have the same and nobody to answer")

    async def restart_services(self) -> None:
        """Ends every process but Redis and starts them again."""
        await self.services.stop()
        await self.services.start()
