"""The desk all these projects work at: what is begun is written down, and some work waits for a slip."""

import asyncio
import os
import time
from pathlib import Path

from langgraph.runtime import get_runtime


def _folder() -> Path:
    return Path(os.environ["DESK"])


def note(line: str) -> None:
    """Write down that something was begun."""
    with (_folder() / "ledger").open("a") as ledger:
        ledger.write(f"{line}\n")


def mended() -> bool:
    """Whether somebody has mended what was out of order."""
    return (_folder() / "mended").exists()


def order() -> str:
    """The number under which other houses know this piece of work, however often it is begun."""
    runtime = get_runtime()
    return runtime.execution_info.task_id if runtime.execution_info else ""


async def slip(name: str) -> str:
    """What a slip says, once somebody has brought it."""
    file = _folder() / f"{name}.slip"
    while not file.exists():  # noqa: ASYNC110 - another house brings it
        await asyncio.sleep(0.05)
    return file.read_text()


def slip_at_once(name: str) -> str:
    """The same for those who wait in person."""
    file = _folder() / f"{name}.slip"
    while not file.exists():
        time.sleep(0.05)
    return file.read_text()
