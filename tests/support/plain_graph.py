"""What answers where plain functions are stopped: agents whose nodes are `def`, and run in threads.

A worker's CONTINUO_GRAPHS names it; PLAIN_NOTES is the folder in which they note what they begin and end, and
wait for files. What the message says is what the node does.
"""

import os
import threading
import time
from pathlib import Path

from langchain.chat_models import init_chat_model
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool
from langgraph.func import entrypoint, task

from services.conversation.graph.state import ThreadState
from tests.support.workers import graph_of

NOTES = "PLAIN_NOTES"
MODEL, TOOLS, STUBBORN, FOR_EVER, WAIT = "model", "tools", "stubborn", "for ever", "wait"


def notes(folder: Path) -> list[str]:
    """All that was noted, in order."""
    file = folder / "notes"
    return file.read_text().splitlines() if file.exists() else []


def _note(what: str) -> None:
    with (Path(os.environ[NOTES]) / "notes").open("a") as file:
        file.write(f"{what}\n")


def _until(name: str) -> None:
    while not (Path(os.environ[NOTES]) / name).exists():
        time.sleep(0.02)


@tool
def first(what: str) -> str:
    """Wait until somebody lets it go on."""
    _note("first")
    _until("go")
    return what


@tool
def second(what: str) -> str:
    """Must not be called once the turn was stopped."""
    _note("second")
    return what


def do(asked: str) -> str:
    """What a message asks for."""
    match asked:
        case "model":
            return str(init_chat_model("openai:gpt-4o-mini").invoke(asked).text)
        case "tools":
            return str(second.invoke({"what": first.invoke({"what": asked})}))
        case "stubborn":
            return _stubborn()
        case "for ever":
            threading.Event().wait()
        case "wait":
            _until("go")
    return f"Heard: {asked}."


def _stubborn() -> str:
    """Go on whatever is raised, as bare `except:` do."""
    first.invoke({"what": "stubborn"})
    for _ in range(3):
        try:
            return str(second.invoke({"what": "stubborn"}))
        except BaseException:  # noqa: BLE001 - as some do
            _note("swallowed")
    return ""


def answer(state: ThreadState) -> ThreadState:
    """Do what the last message asks for."""
    asked = [str(each.text) for each in state["messages"] if isinstance(each, HumanMessage)][-1]
    _note(f"began {asked}")
    try:
        return {"messages": [AIMessage(do(asked))]}
    finally:
        _note(f"left {asked}")


graph = graph_of(answer=answer)


@task
def done(asked: str) -> str:
    """The same in a task of an entrypoint."""
    _note(f"began {asked}")
    try:
        return do(asked)
    finally:
        _note(f"left {asked}")


@entrypoint()
def entry(inputs: dict) -> str:  # type: ignore[type-arg]
    """A plain entrypoint with a plain task."""
    return done(inputs["messages"][-1].text).result()
