"""From a graph's stream to what is said: tokens while a speaking node's model runs, then the messages the
thread holds.

The live text is a preview; the truth is the thread. A message is complete when the thread has it, with the
text it has there: so the final equals the thread's, also when a node rewrites what its model said, or says
something no model streamed.
"""

import json
from collections.abc import AsyncIterable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage


@dataclass(frozen=True, slots=True)
class Said:
    """A message of the agent as the thread holds it; `source` is its id there."""

    source: str
    text: str
    usage: dict[str, Any] | None


class Hearer(Protocol):
    """Who listens to a run; no call waits."""

    def token(self, source: str, text: str) -> None:
        """Hear the next piece of a message that may come to stand in the thread."""
        ...

    def kept(self, said: Sequence[Said]) -> None:
        """Hear which messages of this turn the thread durably holds, in its order; earlier ones may come
        again.
        """
        ...

    def wrote(self, path: tuple[str, ...], value: str) -> None:
        """Hear what a node wrote for whoever watches, as JSON; `path`: the nodes it is within."""
        ...


async def narrate(parts: AsyncIterable[Any], hearer: Hearer, speaking: Collection[str] | None) -> bool:
    """Follow a run to its end; tell whether it stopped to wait for a person.

    parts: `astream(stream_mode=["messages", "updates", "custom"], subgraphs=True, version="v2")`; what
    subgraphs say is heard when the thread holds it, like whatever no model streamed. speaking: nodes whose
    model calls are heard, None for all; calls tagged `nostream` never come here.
    """
    interrupted = False
    async for part in parts:
        if part["type"] == "custom":
            hearer.wrote(tuple(each.partition(":")[0] for each in part["ns"]), as_json(part["data"]))
        elif part["ns"]:
            continue
        elif part["type"] == "messages":
            _hear(part["data"], hearer, speaking)
        elif part["type"] == "updates" and "__interrupt__" in part["data"]:
            interrupted = True
    return interrupted


def as_json(value: Any) -> str:
    """A value as JSON text: what JSON has not is told as Python writes it."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
    except (ValueError, TypeError, RecursionError):  # NaN, keys of other types, a circle
        return json.dumps(str(value))


def said_in(messages: Sequence[AnyMessage], asked: Collection[str]) -> list[Said]:
    """Return what the agent said in answer to a turn: its messages with text behind the first it was asked,
    `asked` being their ids in the thread.
    """
    places = [place for place, message in enumerate(messages) if message.id in asked]
    if not places:
        return []
    return [
        _said(message) for message in messages[places[0] :] if isinstance(message, AIMessage) and message.text
    ]


def _hear(data: tuple[AnyMessage, dict[str, Any]], hearer: Hearer, speaking: Collection[str] | None) -> None:
    message, metadata = data
    if not isinstance(message, AIMessageChunk) or not message.id:
        return
    if speaking is None or metadata.get("langgraph_node") in speaking:
        hearer.token(message.id, str(message.text))


def _said(message: AIMessage) -> Said:
    usage = message.usage_metadata
    counted = (
        {key: usage[key] for key in ("input_tokens", "output_tokens", "total_tokens")} if usage else None
    )
    return Said(message.id or "", str(message.text), counted)
