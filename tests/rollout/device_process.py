"""A process with devices of a rollout: `python -m tests.rollout.device_process <plan.json>`.

As `tests.chaos.device_process`, with two things more: each device notes every try at a connection that came
to nothing, in a file beside the history, and devices marked as newcomers begin when told ({"do": "arrive"}),
one at a time.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop
from centrifuge import Client

from tests.chaos.device import Connection, Device
from tests.chaos.device_process import Orders, token_of
from tests.chaos.journaling import Notes

FIRST_S, LAST_S = 0.1, 1.0
"""Between two tries at a connection."""
SILENCE_S = 10.0
"""Without a ping for so much longer than agreed a device takes its connection for dead."""


class RolloutDevice(Device):
    """A device that comes through the balancer and notes what it is refused."""

    def __init__(
        self, name: str, user: str, address: str, token: Callable[[], str], folder: Path, seed: str
    ) -> None:
        super().__init__(name, user, [address], token, Notes(folder / "devices" / f"{name}.jsonl"), seed)
        self.refusals = Notes(folder / "refused" / f"{name}.jsonl")

        async def get_token() -> str:
            return token()

        self.client = Client(
            address,
            events=_Tried(self),
            get_token=get_token,
            min_reconnect_delay=FIRST_S,
            max_reconnect_delay=LAST_S,
            max_server_ping_delay=SILENCE_S,
            proxy=None,
        )


class _Tried(Connection):
    """The campaign's handlers, and a note of each try that failed."""

    def __init__(self, device: RolloutDevice) -> None:
        super().__init__(device)
        self._refusals = device.refusals

    async def on_error(self, ctx: Any) -> None:
        if not self._connected:
            self._refusals.write("refused", code=ctx.code, error=str(ctx.error))
        await super().on_error(ctx)


async def main(plan: dict[str, Any]) -> None:
    """Be these devices until told to end."""
    later = [one for one in plan["devices"] if one["later"]]
    async with asyncio.TaskGroup() as tasks:

        async def begin(one: dict[str, Any]) -> Device:
            device = _device(plan, one)
            await device.begin(one["conversations"], 1)
            tasks.create_task(device.talk(tuple(plan["pause_s"]), wanders=False))
            return device

        here = [await begin(one) for one in plan["devices"] if not one["later"]]

        async def arrive() -> dict[str, Any]:
            if later:
                here.append(await begin(later.pop(0)))
            return {"left": len(later)}

        await Orders(here, {"arrive": arrive}).obey()


def _device(plan: dict[str, Any], one: dict[str, Any]) -> RolloutDevice:
    token, seed = token_of(one["user"], plan["secret"]), f"{plan['seed']} {one['name']}"
    return RolloutDevice(one["name"], one["user"], one["servers"][0], token, Path(plan["folder"]), seed)


if __name__ == "__main__":
    uvloop.run(main(json.loads(Path(sys.argv[1]).read_text())))
