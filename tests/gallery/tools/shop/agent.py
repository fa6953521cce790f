"""A shop's assistant: it reserves goods in a warehouse and charges cards."""

import asyncio
import os
from pathlib import Path

from langchain.agents import create_agent
from langchain.tools import ToolRuntime, tool


def shop() -> Path:
    return Path(os.environ["SHOP"])


def write(line: str) -> None:
    with (shop() / "ledger").open("a") as ledger:
        ledger.write(line + "\n")


@tool
async def reserve(item: str, runtime: ToolRuntime) -> str:
    """Reserve an item. The warehouse answers with a slip, which may take a while."""
    # The warehouse knows an order by this number, however often it is made.
    write(f"reserve {item} {runtime.execution_info.task_id}:{runtime.tool_call_id}")
    slip = shop() / f"{item}.slip"
    while not slip.exists():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.05)
    return slip.read_text()


@tool
async def charge(card: str) -> str:
    """Charge a card."""
    write(f"charge {card}")
    raise ConnectionRefusedError(f"the bank does not answer for {card}")


agent = create_agent("openai:gpt-4o-mini", [reserve, charge], system_prompt="You work in a shop.")
