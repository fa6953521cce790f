"""An agent that uses tools, for services started as processes: what CONTINUO_GRAPHS can name.

Asked to "think of" a thing, its model thinks aloud, letter by letter, waiting amid it as the tool does; to
"speak of" one, it says as much.
Else it streams a call in pieces, then answers with what the tool said. The tool waits for a file named after
what it is asked for, in the folder DOING, and answers with its text.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import tool
from langgraph.config import get_stream_writer
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

PIECES = ('{"thing', '": "', '{}"', "}")


@tool
async def fetch(thing: str) -> str:
    """Fetch a thing."""
    return await _there(thing)


class Fetching(BaseChatModel):
    """Has fetched what it is asked for; always under the same id of the call, as some models do."""

    @property
    def _llm_type(self) -> str:
        return "fetching"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        async for message in _said_to(messages[-1]):
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                await run_manager.on_llm_new_token("", chunk=chunk)
            yield chunk


async def _said_to(last: BaseMessage) -> AsyncIterator[AIMessageChunk]:
    _, thinks, thing = str(last.text).rpartition("think of ")
    if thinks:
        for part in ("It may be ", *thing):
            yield AIMessageChunk("", additional_kwargs={"reasoning_content": part})
        await _there(thing)
        yield AIMessageChunk([{"type": "reasoning", "reasoning": "."}])  # as others write it
        yield AIMessageChunk(f"I thought of {thing}.")
        return
    _, speaks, thing = str(last.text).rpartition("speak of ")
    if speaks:
        for part in ("It may be ", *thing):
            yield AIMessageChunk(part)
        await _there(thing)
        yield AIMessageChunk(". That was it.")
        return
    for message in _answer(last):
        yield message


async def _there(thing: str) -> str:
    file = Path(os.environ["DOING"]) / thing
    while not file.exists():  # noqa: ASYNC110 - another process writes it
        await asyncio.sleep(0.02)
    return file.read_text()


def _answer(last: BaseMessage) -> list[AIMessageChunk]:
    if isinstance(last, ToolMessage):
        return [AIMessageChunk(part) for part in ("It says: ", str(last.content))]
    thing = str(last.text)
    named = tool_call_chunk(name="fetch", args="", id="call", index=0)
    pieces = [tool_call_chunk(name=None, args=part.replace("{}", thing), id=None, index=0) for part in PIECES]
    return [AIMessageChunk("", tool_call_chunks=[each]) for each in (named, *pieces)]


async def model(state: MessagesState) -> dict[str, Any]:
    """Ask the model, and tell whoever watches how much it is shown."""
    get_stream_writer()({"shown": len(state["messages"])})
    return {"messages": [await Fetching().ainvoke(state["messages"])]}


agent = (
    StateGraph(MessagesState)
    .add_node(model)
    .add_node("tools", ToolNode([fetch]))
    .add_edge(START, "model")
    .add_conditional_edges("model", tools_condition)
    .add_edge("tools", "model")
    .compile()
)

team = StateGraph(MessagesState).add_node("helper", agent).add_edge(START, "helper").compile()
"""Has the agent as a node of its own."""
