"""The checker against what devices were handed of tools, thoughts and agents within agents: each broken
promise is planted and is caught.
"""

from collections.abc import Callable

import pytest

from tests.chaos.records import Event
from tests.chaos.rendered import Rendered
from tests.chaos.violations import Kind

Plant = Callable[[list[Event]], list[Event]]


def of_a_tool() -> list[Event]:
    return [
        {"type": "tool.started", "call": "c"},
        {"type": "tool.delta", "call": "c", "at": 0, "text": "{"},
        {"type": "tool.delta", "call": "c", "at": 1, "text": "}"},
        {"type": "tool.finished", "call": "c", "arguments": "{ }"},
    ]


def of_a_thought() -> list[Event]:
    return [
        {"type": "reasoning.started", "message": "r"},
        {"type": "reasoning.delta", "message": "r", "at": 0, "text": "Is it 😀"},
        {"type": "reasoning.delta", "message": "r", "at": 8, "text": "?"},
        {"type": "reasoning.completed", "message": "r", "text": "Is it 😀?"},
    ]


def of_an_agent_within() -> list[Event]:
    return [
        {"type": "subagent.started", "subagent": "s"},
        {"type": "subagent.delta", "subagent": "s", "at": 0, "text": "Let me"},
        {"type": "subagent.delta", "subagent": "s", "at": 6, "text": " see."},
        {"type": "subagent.finished", "subagent": "s"},
    ]


SOUND = {"tool": of_a_tool, "reasoning": of_a_thought, "subagent": of_an_agent_within}
TEXTS = ("tool", "reasoning", "subagent")
PLANTS: list[tuple[Kind, str, tuple[str, ...], Plant]] = [
    (Kind.LOST, "its beginning did not", TEXTS, lambda events: events[1:]),
    (Kind.LOST, "has a hole", TEXTS, lambda events: [events[0], *events[2:]]),
    (Kind.REPEATED, "and a piece at", TEXTS, lambda events: [*events[:2], *events[1:]]),
    (Kind.REPEATED, "started of", tuple(SOUND), lambda events: [events[0], *events]),
    (Kind.REPEATED, "of", tuple(SOUND), lambda events: [*events, events[-1]]),
    (Kind.REORDERED, "began after its end", tuple(SOUND), lambda events: [events[-1], *events[:-1]]),
    (Kind.REORDERED, "came after its end", TEXTS, lambda events: [*events[:2], events[3], events[2]]),
    (
        Kind.FOREIGN,
        "its whole does not begin with",
        ("reasoning",),
        lambda events: [*events[:3], events[3] | {"text": "It is."}],
    ),
]
CASES = [(kind, words, of, plant) for kind, words, those, plant in PLANTS for of in those]


@pytest.mark.parametrize("of", SOUND)
def test_what_came_as_it_should_is_not_at_fault(of: str):
    view = Rendered()
    assert [each for event in SOUND[of]() for each in view.apply(event)] == []
    assert view.drafts == {}


@pytest.mark.parametrize(
    ("kind", "words", "of", "plant"), CASES, ids=[f"{kind}: {words} {of}" for kind, words, of, _ in CASES]
)
def test_what_should_not_have_come_is_caught(kind: Kind, words: str, of: str, plant: Plant):
    view = Rendered()
    found = [each for event in plant(SOUND[of]()) for each in view.apply(event)]
    assert [detail for what, detail in found if what is kind and words in detail], found


@pytest.mark.parametrize("of", SOUND)
def test_what_has_no_end_is_left_streaming(of: str):
    view = Rendered()
    for event in SOUND[of]()[:-1]:
        assert not list(view.apply(event))
    assert len(view.drafts) == 1
