"""Graphs that ask people, and a conversation with them as a test sees it."""

from typing import Any

import msgspec
from langchain_core.messages import AIMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send, interrupt

from services.conversation.graph.build import Graph
from services.conversation.graph.state import ThreadState
from services.shared.bus.house import Bus
from services.shared.model.asking import Question, Taken
from tests.support.open_bus import fresh_id
from tests.support.waiting import eventually
from tests.support.workers import ANN, Talk


def said(text: str) -> dict[str, Any]:
    """What a node returns to say something."""
    return {"messages": [AIMessage(text)]}


class Asking:
    """One of its nodes asks, between one that speaks before it and one that speaks behind it. `ran` tells
    which nodes ran to their end, in order.
    """

    def __init__(self) -> None:
        self.ran: list[str] = []

    def before(self, _: ThreadState) -> Any:
        self.ran.append("before")
        return said("let me see")

    def after(self, state: ThreadState) -> Any:
        self.ran.append("after")
        return said(f"done: {state['messages'][-1].text}")

    def once(self, _: ThreadState) -> Any:
        answer = interrupt({"question": "really?"})
        self.ran.append("ask")
        return said(f"you said {answer}")

    def twice(self, _: ThreadState) -> Any:
        answers = [interrupt("first?"), interrupt("second?")]
        self.ran.append("ask")
        return said(f"you said {answers[0]} and {answers[1]}")

    def branch(self, state: Any) -> Any:
        answer = interrupt({"of": state["of"]})
        self.ran.append(state["of"])
        return said(f"{state['of']} {answer}")

    def until_enough(self, _: ThreadState) -> Any:
        answer = interrupt("more?")
        self.ran.append(f"asked {answer}")
        return said(f"got {answer}")

    def graph(self, ask: Any, **compiled: Any) -> Graph:
        """before, ask, after."""
        graph = StateGraph(ThreadState)
        for name, node in (("before", self.before), ("ask", ask), ("after", self.after)):
            graph.add_node(name, node)
        graph.add_edge(START, "before")
        graph.add_edge("before", "ask")
        graph.add_edge("ask", "after")
        graph.add_edge("after", END)
        return graph.compile(**compiled)

    def simple(self) -> Graph:
        return self.graph(self.once)

    def repeated(self) -> Graph:
        return self.graph(self.twice)

    def in_a_subgraph(self) -> Graph:
        """Two graphs deep."""
        inner = StateGraph(ThreadState)
        inner.add_node("deep", self.once)
        inner.add_edge(START, "deep")
        middle = StateGraph(ThreadState)
        middle.add_node("inner", inner.compile())
        middle.add_edge(START, "inner")
        return self.graph(middle.compile())

    def in_parallel(self) -> Graph:
        """Three branches ask at a time."""
        graph = StateGraph(ThreadState)
        graph.add_node("before", self.before)
        graph.add_node("ask", self.branch)
        graph.add_node("after", self.after)
        graph.add_edge(START, "before")
        graph.add_conditional_edges(
            "before", lambda _: [Send("ask", {"of": each}) for each in "abc"], ["ask"]
        )
        graph.add_edge("ask", "after")
        return graph.compile()

    def in_a_loop(self) -> Graph:
        """It asks until the answer is "enough"."""
        graph = StateGraph(ThreadState)
        graph.add_node("ask", self.until_enough)
        graph.add_node("after", self.after)
        graph.add_edge(START, "ask")

        def onward(state: ThreadState) -> str:
            return "after" if state["messages"][-1].text == "got enough" else "ask"

        graph.add_conditional_edges("ask", onward, ["ask", "after"])
        return graph.compile()

    def stopped(self, **compiled: Any) -> Graph:
        """Nothing asks, but it stops at nodes: interrupt_before, interrupt_after."""

        def work(_: ThreadState) -> Any:
            self.ran.append("ask")
            return said("worked")

        return self.graph(work, **compiled)

    def stopped_within(self) -> Graph:
        """A subgraph stops before each of its two nodes."""
        inner = StateGraph(ThreadState)
        for name in ("one", "two"):
            inner.add_node(name, self._running(name))
        inner.add_edge(START, "one")
        inner.add_edge("one", "two")
        return self.graph(inner.compile(interrupt_before=["one", "two"]))

    def _running(self, name: str) -> Any:
        def node(_: ThreadState) -> Any:
            self.ran.append(name)
            return said(name)

        return node


class AskingTalk(Talk):
    """A conversation in which agents ask."""

    async def asked(self, count: int = 1) -> list[Question]:
        """What is asked, once it is so much."""

        async def page() -> list[Question]:
            asked = (await self.bus.messages.history(self.id, ANN)).asked
            return list(asked) if len(asked) == count else []

        return await eventually(page, within_s=20.0, every_s=0.02)

    async def reply(self, question: Question, answer: object, user: str = ANN) -> Taken:
        encoded = msgspec.json.encode(answer)
        return await self.bus.answers.answer(self.id, user, fresh_id(), question.interrupt, encoded)

    async def replied(self, question: Question, answer: object) -> dict[str, Any]:
        """Answer, and wait for the end of the turn that takes it to the agent."""
        return await self.finished((await self.reply(question, answer)).turn)

    async def lines(self) -> list[str]:
        """All that was said, people and agents."""
        return [each.text for each in (await self.bus.messages.history(self.id, ANN)).messages]

    async def outcomes(self) -> list[str]:
        return [each["outcome"] for each in await self.events("turn.finished")]


async def talk_of(bus: Bus) -> AskingTalk:
    """A new one."""
    made = await AskingTalk.new(bus, "bob")  # type: ignore[arg-type]
    return AskingTalk(made.bus, made.threads, made.id)
