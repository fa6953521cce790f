"""What the campaign's nodes do beside speaking: think, use a tool, ask a graph of their own, write to whoever
watches. So the checker sees all that devices are shown.

Called by `graph`. How much of it a turn does depends on nothing but the thread, so a node that runs again
does the same.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.tools import BaseTool, tool
from langgraph.config import get_stream_writer
from langgraph.graph import END, START, StateGraph

from services.conversation.graph.state import ThreadState

EVERY = 3
"""One turn in so many thinks; one in so many, the next one, has a graph within the graph."""
THOUGHT = "What was said is short, so the answer can be short, too."


class Thinking(BaseChatModel):
    """Thinks, and says nothing; or says it."""

    token_s: float = 0.0
    says: bool = False

    @property
    def _llm_type(self) -> str:
        return "thinking"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        for word in THOUGHT.split(" "):
            await asyncio.sleep(self.token_s)
            thought = {"reasoning_content": f"{word} "}
            message = (
                AIMessageChunk(f"{word} ") if self.says else AIMessageChunk("", additional_kwargs=thought)
            )
            chunk = ChatGenerationChunk(message=message)
            if run_manager:
                await run_manager.on_llm_new_token("", chunk=chunk)
            yield chunk


async def think(state: ThreadState, token_s: float) -> None:
    """Now and then, aloud."""
    if len(state["messages"]) % EVERY == 0:
        await Thinking(token_s=token_s).ainvoke(state["messages"])


def counting(pause_s: float) -> BaseTool:
    """A tool that takes its time."""

    @tool
    async def count(messages: int) -> str:
        """Count what was said."""
        await asyncio.sleep(pause_s)
        return str(-messages)

    return count


async def count_with(tool: BaseTool, state: ThreadState) -> str:
    """Use it, and write down for whoever watches that it is done."""
    counted = str(await tool.ainvoke({"messages": len(state["messages"])}))
    get_stream_writer()({"counted": counted})
    return counted


def helper(pause_s: float) -> Any:
    """A graph for within the graph, which says what it thinks; what it does is kept nowhere."""

    async def answer(state: ThreadState) -> ThreadState:
        await Thinking(token_s=pause_s / len(THOUGHT.split(" ")), says=True).ainvoke(state["messages"])
        return {}

    made = StateGraph(ThreadState)
    made.add_node("answer", answer)  # the one name whose words the campaign's workers tell
    return made.add_edge(START, "answer").add_edge("answer", END).compile(checkpointer=False)


async def ask(graph: Any, state: ThreadState) -> None:
    """Have it run, now and then."""
    if len(state["messages"]) % EVERY == 1:
        await graph.ainvoke({"messages": state["messages"]})
