"""A worker process that dies as it brings a thread back: `rewinding_worker <folder> <point>`.

Once the folder has `mended`, it does not.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

from services.conversation import app
from services.conversation.__main__ import main
from services.conversation.graph.agent import Agent
from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import Checkpoints
from tests.support.rewinding_graph import graph
from tests.support.workers import WorkerProcess

BEGUN, SURVEYED, DROPPED = "begun", "surveyed", "dropped"
"""When the turn that brings a thread back has begun; when it is known what is to go; when that is gone, and
the turn has not ended.
"""


class RewindingWorker(WorkerProcess):
    """Such a process, as a test sees it."""

    def __init__(self, redis: EmbeddedRedis, folder: Path, point: str = "") -> None:
        argv = [sys.executable, "-m", __name__, str(folder), point]
        super().__init__(redis, folder, f"rewinding-{point}", argv=argv)


def _dying(folder: Path, point: str) -> None:
    roll_back, drop = Agent.roll_back, Checkpoints.drop
    rewinding = False

    def passes(here: str) -> None:
        if here == point and not (folder / "mended").exists():
            os.kill(os.getpid(), signal.SIGKILL)

    async def rolling_back(self: Agent, turn: Any, **named: Any) -> None:
        nonlocal rewinding
        passes(BEGUN)
        rewinding = True
        await roll_back(self, turn, **named)
        passes(DROPPED)

    async def dropping(self: Checkpoints, *more: Any, **named: Any) -> bool:
        if rewinding:
            passes(SURVEYED)
        return await drop(self, *more, **named)

    patch.object(Agent, "roll_back", rolling_back).start()
    patch.object(Checkpoints, "drop", dropping).start()


if __name__ == "__main__":
    _dying(Path(sys.argv[1]), sys.argv[2])
    patch.object(app, "_built_in", lambda _: graph).start()
    sys.exit(main())
