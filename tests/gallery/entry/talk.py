"""LangGraph's functional form: a clerk with tasks, and one who asks a model."""

from dataclasses import dataclass

from desk import note, slip
from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage
from langgraph.func import entrypoint, task


@dataclass
class Found:
    """What a clerk found out."""

    question: str
    length: int


@task
async def find(question: str) -> Found:
    note("entry find")
    return Found(question, len(question))


@task
async def confirm(found: Found) -> str:
    note("entry confirm")
    return f"“{found.question}” has {found.length} letters, says {await slip('entry')}"


@entrypoint()
async def clerk(inputs: dict, *, previous: list[str] | None = None):
    found = await find(inputs["messages"][-1].text)
    answer = await confirm(found)
    asked = [*(previous or []), found.question]
    return entrypoint.final(value=AIMessage(f"{answer}. Question {len(asked)}."), save=asked)


@task
async def think(messages: list):
    note("chatty think")
    return await init_chat_model("openai:gpt-4o-mini").ainvoke(messages)


@entrypoint()
async def chatty(inputs: dict, *, previous: list | None = None):
    messages = [*(previous or []), *inputs["messages"]]
    answer = await think(messages)
    return entrypoint.final(value=answer, save=[*messages, answer])
