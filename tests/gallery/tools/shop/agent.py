"""A shop's assistant: it reserves goods in a warehouse and charges cards."""

import asyncio
import os
from pathlib import Path

from langchain.agents import create_agent
from langchain_core.tools import tool


def shop() -> Path:
    return Path(os.environ["SHOP"])


def write(line: str) -> None:
    with (shop() / "ledger").open("a") as ledger:
        ledger.write(line + "\n")


@tool
async def reserve(item: str) -> str:
    """Reserve an item. The warehouse answers with a slip, which may take a while."""
    write(f"reserve {item}")
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
