"""The agents that the bench asks: 100 tokens of a chat model, without a pause and with one of 20 ms."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langgraph.graph import END, START, MessagesState, StateGraph

TOKENS = [f"t{number:04d} " for number in range(100)]
TEXT = "".join(TOKENS)
PAUSES_S = {"fast": 0.0, "slow": 0.02}


class Talking(BaseChatModel):
    """Says the same to everything."""

    pause_s: float = 0.0

    @property
    def _llm_type(self) -> str:
        return "talking"

    def _generate(self, messages: list[BaseMessage], *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(TEXT))])

    async def _astream(
        self, messages: list[BaseMessage], *_: Any, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for token in TOKENS:
            await asyncio.sleep(self.pause_s)
            yield ChatGenerationChunk(message=AIMessageChunk(content=token))


def graph(name: str) -> StateGraph[Any, Any, Any, Any]:
    """One node that asks the model."""
    model = Talking(pause_s=PAUSES_S[name])

    async def answer(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    made = StateGraph(MessagesState)
    made.add_node("answer", answer)
    made.add_edge(START, "answer")
    made.add_edge("answer", END)
    return made


fast, slow = graph("fast"), graph("slow")
