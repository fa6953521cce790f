"""The default graph's nodes: what is known is brought up to date, then a model answers with it.

Nodes are functions of the state alone: run again after a crash, from the same state, they write the same.
"""

from collections.abc import Sequence

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AnyMessage, BaseMessage, HumanMessage, SystemMessage

from services.conversation.graph.models import NOTES
from services.conversation.graph.notes import Notes, empty_notes, in_words, noted
from services.conversation.graph.state import ThreadState

WINDOW = 60
"""Messages a model is shown; what was before them reaches it through the notes."""

_INSTRUCTION = (
    "You take part in a conversation with one or more people. Answer the last message, briefly and "
    "helpfully. What is known of the conversation so far:\n"
)


def recall(state: ThreadState) -> ThreadState:
    """Write down what people said since the last turn."""
    said = [
        (message.id or "", message.name or "somebody", str(message.text))
        for message in state["messages"]
        if isinstance(message, HumanMessage)
    ]
    return {"notes": noted(state.get("notes") or empty_notes(), said)}


class Answering:
    """The node that speaks. `model` is any chat model; its tokens are streamed while it runs."""

    def __init__(self, model: BaseChatModel) -> None:
        self._model = model

    async def __call__(self, state: ThreadState) -> ThreadState:
        """Ask the model, with the notes and the latest messages."""
        shown = prompt(state.get("notes") or empty_notes(), state["messages"])
        return {"messages": [await self._model.ainvoke(shown)]}


def prompt(notes: Notes, messages: Sequence[AnyMessage]) -> list[BaseMessage]:
    """Return what a model is shown: the notes, then the window of messages, people's marked with their
    names.
    """
    instruction = SystemMessage(_INSTRUCTION + in_words(notes), additional_kwargs={NOTES: notes})
    return [instruction, *messages[-WINDOW:]]
