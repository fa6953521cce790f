"""Memories of each user, in a store, under a namespace with a placeholder as LangMem's tools take it."""

from desk import note, slip, slip_at_once
from langchain_core.messages import AIMessage
from langgraph.config import get_config, get_store
from langgraph.func import entrypoint
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.memory import InMemoryStore

NAMESPACE = ("memories", "{langgraph_user_id}")


def namespace() -> tuple[str, ...]:
    known = get_config()["configurable"]
    return tuple(part.format(**known) for part in NAMESPACE)


async def remember(state: MessagesState, runtime: Runtime):
    said = state["messages"][-1].text
    if said.startswith("I like "):
        await runtime.store.aput(namespace(), said, {"text": said.removeprefix("I like ")})
        note("memory put")
        await slip("memory")
        return {"messages": [AIMessage("Noted.")]}
    known = await runtime.store.asearch(namespace())
    who = runtime.server_info.user.identity
    return {
        "messages": [
            AIMessage(f"{who} likes {', '.join(each.value['text'] for each in known) or 'nothing'}.")
        ]
    }


graph = (
    StateGraph(MessagesState).add_node(remember).add_edge(START, "remember").compile(store=InMemoryStore())
)


@entrypoint(store=InMemoryStore())
def diary(inputs: dict):
    said = inputs["messages"][-1].text
    if said.startswith("I like "):
        get_store().put(namespace(), said, {"text": said.removeprefix("I like ")})
        note("diary put")
        slip_at_once("diary")
    return ", ".join(each.value["text"] for each in get_store().search(namespace())) or "an empty page"
