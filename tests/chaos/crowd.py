"""The devices of a campaign, in processes of their own: started, told, killed and started again.

Called by `campaign`. They are on the official Python client or the JavaScript one. A device process knows
nothing of faults; it is told when to be quiet and when the end has come.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local.processes import _die_with_parent
from tests.support.node import NODE

ANSWERS_WITHIN_S = 90.0
PYTHON = (sys.executable, "-m", "tests.chaos.device_process")
JAVASCRIPT = (str(NODE), str(Path(__file__).parent / "js" / "device_process.mjs"))
"""What a device process is started with, before its plan: on which of the official clients it is."""


@dataclass
class Group:
    """One device process and what it was told to be."""

    name: str
    plan: dict[str, Any]
    folder: Path
    program: Sequence[str] = PYTHON
    know: Callable[[str, int], Awaitable[None]] | None = None
    """Told the process's id at each start, with the group's name."""
    process: asyncio.subprocess.Process | None = None
    life: int = 0

    async def start(self) -> None:
        """Begin a new life."""
        self.life += 1
        file = self.folder / f"{self.name}.json"
        file.write_text(json.dumps({**self.plan, "life": self.life}))
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.program,
                str(file),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                preexec_fn=_die_with_parent,
            )
        if self.know is not None:
            await self.know(self.name, self.process.pid)

    @property
    def devices(self) -> str:
        """Its devices' names, as a fault that hurts them names them."""
        return ",".join(one["name"] for one in self.plan["devices"])

    def signal(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        assert self.process is not None, "it was started"
        self.process.send_signal(number)

    async def kill(self) -> None:
        """End it as a crash would: what it had not noted is lost."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    async def tell(self, do: str, **more: Any) -> dict[str, Any]:
        """Tell it something; its answer. Raises AssertionError when it is gone or silent."""
        process = self.process
        assert process is not None, "it was started"
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"do": do, **more}).encode() + b"\n")
        try:
            async with asyncio.timeout(ANSWERS_WITHIN_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
        log = self.folder / f"{self.name}.log"
        assert line, f"{self.name} does not answer {do!r}: {log.read_text()[-2000:]}"
        answer: dict[str, Any] = json.loads(line)
        return answer


class Crowd:
    """All device processes."""

    def __init__(self, groups: list[Group]) -> None:
        self.groups = groups

    async def start(self) -> None:
        """Begin everybody's first life."""
        for group in self.groups:
            await group.start()

    async def quiet(self, within_s: float) -> bool:
        """Have nothing new said; True once every message said was acknowledged or refused."""
        for group in self.groups:
            await group.tell("quiet")
        deadline = asyncio.get_running_loop().time() + within_s
        while asyncio.get_running_loop().time() < deadline:
            waiting = [(await group.tell("outboxes"))["waiting"] for group in self.groups]
            if not sum(waiting):
                return True
            await asyncio.sleep(0.2)
        return False

    async def settle(self, tops: dict[str, int], within_s: float) -> list[str]:
        """Wait until every device has everything up to `tops`; the groups in which one has not in time."""
        settling = (group.tell("settle", tops=tops, within_s=within_s) for group in self.groups)
        answers = zip(self.groups, await asyncio.gather(*settling), strict=True)
        return [group.name for group, answer in answers if not answer["well"]]

    async def end(self) -> None:
        """Leave with everybody, also with those who do not answer."""
        for group in self.groups:
            await group.kill()
