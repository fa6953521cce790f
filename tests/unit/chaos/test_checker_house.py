"""The checker against what the house holds at the end: each broken promise is planted and is caught."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.history import History
from tests.chaos.records import (
    Acked,
    Conversation,
    Entry,
    Ran,
    Stored,
    ThreadMessage,
    Truth,
)
from tests.chaos.violations import Kind
from tests.support.planted import changed, device, find, found, kinds, of, process, truth
from tests.support.sound_history import story
from tests.support.sound_house import AGENT

SOUND = story()
Plant = Callable[[History], History]
Facts = dict[str, Any]


def held(edit: Callable[[Conversation], Facts]) -> Plant:
    return lambda history: truth(history, edit)


def journal_with(kind: str, event: Facts, number: int = 0) -> Callable[[Conversation], Facts]:
    """One more entry on top: a copy of the journal's event of this kind with other facts."""

    def edit(told: Conversation) -> Facts:
        copy = told.journal[find(told.journal, Entry, number, type=kind)]
        top = told.head.top + 1
        more = changed(copy, offset=top, event=event)
        return {"journal": [*told.journal, more], "head": changed(told.head, top=top)}

    return edit


def journal_without(number: int = 0, **facts: Any) -> Callable[[Conversation], Facts]:
    def edit(told: Conversation) -> Facts:
        place = find(told.journal, Entry, number, **facts)
        return {"journal": told.journal[:place] + told.journal[place + 1 :]}

    return edit


def messages_with(message: str | None, facts: Facts, agents: bool = False) -> Callable[[Conversation], Facts]:
    """The kept message of this id, or the first of the agent, with other facts."""

    def edit(told: Conversation) -> Facts:
        place = next(i for i, one in enumerate(told.messages) if one.id == message or (agents and one.agent))
        other = changed(told.messages[place], **facts)
        return {"messages": [*told.messages[:place], other, *told.messages[place + 1 :]]}

    return edit


def thread_with(edit: Callable[[list[ThreadMessage]], None]) -> Callable[[Conversation], Facts]:
    def change(told: Conversation) -> Facts:
        thread = [*told.threads[AGENT]]
        edit(thread)
        return {"threads": {AGENT: thread}}

    return change


def turn_with(turn: str, **facts: Any) -> Callable[[Conversation], Facts]:
    return lambda told: {"turns": {**told.turns, turn: changed(told.turns[turn], **facts)}}


def text_of(place: int, text: str) -> Callable[[list[ThreadMessage]], None]:
    def edit(thread: list[ThreadMessage]) -> None:
        thread[place] = changed(thread[place], text=text)

    return edit


def said_twice(told: Conversation) -> Facts:
    """The first turn's answer is given once more, under another id, and kept."""
    answer = next(one for one in told.messages if one.agent)
    kept = changed(answer, id="m-more", seq=99)
    return {
        "messages": [*told.messages, kept],
        **journal_with("message.completed", {"message": "m-more"})(told),
    }


def gone(told: Conversation) -> Facts:
    return {
        "journal": [one for one in told.journal if one.event.get("message") != "q2"],
        "messages": [one for one in told.messages if one.id != "q2"],
    }


def without_turn(told: Conversation) -> Facts:
    return {"turns": {turn: facts for turn, facts in told.turns.items() if "q2" not in facts.messages}}


def another_turn(told: Conversation) -> Facts:
    [facts] = [facts for facts in told.turns.values() if "q2" in facts.messages]
    return {"turns": {**told.turns, "t-more": facts}}


def in_the_other_order(told: Conversation) -> Facts:
    first, second, *rest = told.messages
    return {"messages": [changed(first, seq=second.seq), changed(second, seq=first.seq), *rest]}


def ran_again(worker: str, **facts: Any) -> Plant:
    """The first stored task's node begins once more, at the end of a worker's notes."""

    def plant(history: History) -> History:
        [*lines] = history.runs["worker-1"]
        stored = lines[find(lines, Stored)]
        ran = changed(lines[find(lines, Ran, task=stored.task)], t=stored.t + 1, **facts)
        return process(history, worker, lambda notes: notes.append(ran))

    return plant


def ack_with(number: int, **facts: Any) -> Plant:
    def edit(lines: list[Any]) -> None:
        place = find(lines, Acked, number, conversation="c1")
        lines[place] = changed(lines[place], **facts)

    return lambda history: device(history, "ana-phone", edit)


def ack_again(**facts: Any) -> Plant:
    """The same message's acknowledgement at another device."""
    lines = SOUND.devices["ana-phone"]
    more = changed(lines[find(lines, Acked, message="q2")], **facts)
    return lambda history: device(history, "ana-laptop", lambda notes: notes.append(more))


PLANTS: list[tuple[Kind, str, Plant]] = [
    (Kind.LOST, "message q2 was acknowledged and is not among the messages", held(gone)),
    (Kind.LOST, "q2 was acknowledged and is not in the journal", held(journal_without(message="q2"))),
    (Kind.LOST, "q2 was acknowledged and no turn of assistant", held(without_turn)),
    (
        Kind.LOST,
        "q2 was acknowledged and is kept with another text",
        held(messages_with("q2", {"text": "x"})),
    ),
    (
        Kind.LOST,
        "is in the journal, the message is not kept",
        held(lambda told: {"messages": told.messages[:-1]}),
    ),
    (Kind.LOST, "a conversation the house does not have", lambda told: replace(told, truth=Truth({}))),
    (
        Kind.REPEATED,
        "message.created of q2 stands at",
        held(journal_with("message.created", {"message": "q2"})),
    ),
    (Kind.REPEATED, "q2 is answered by turns", held(another_turn)),
    (Kind.REPEATED, "is kept 2 times", held(lambda told: {"messages": [*told.messages, told.messages[0]]})),
    (Kind.REORDERED, "is kept behind one that was told after it", held(in_the_other_order)),
    (Kind.FOREIGN, "q1 was told with one text and is kept", held(messages_with("q1", {"text": "x"}))),
    (Kind.TWO_FINALS, "turn t1.c1 finished at", held(journal_with("turn.finished", {}))),
    (Kind.TWO_FINALS, "turn t1.c1 completed 'Good morning 😀' beyond", held(said_twice)),
    (Kind.TWO_FINALS, "was told with one text", held(messages_with(None, {"text": "x"}, agents=True))),
    (Kind.TWO_FINALS, "turn t1.c1 completed 'Good morning 😀'", held(thread_with(text_of(1, "Bad evening")))),
    (Kind.TWO_FINALS, "told as completed and is kept as failed", held(turn_with("t1.c1", outcome="failed"))),
    (
        Kind.TWO_FINALS,
        "message m-t1.c1-a1-2 ended at",
        held(journal_with("message.completed", {"message": "m-t1.c1-a1-2"})),
    ),
    (Kind.LEFT_STREAMING, "message m-9 is still open", held(lambda _: {"open": ["m-9"]})),
    (Kind.LEFT_STREAMING, "turn t9 still waits", held(lambda _: {"fifo": ["t9"]})),
    (Kind.LEFT_STREAMING, "turn t1.c1 is still running", held(turn_with("t1.c1", state="running"))),
    (Kind.LEFT_STREAMING, "turn t1.c1 is finished, and nobody", held(journal_without(type="turn.finished"))),
    (Kind.LEFT_STREAMING, "began and has no end", held(journal_without(type="message.retracted"))),
    (
        Kind.RAN_TWICE,
        "node weigh of turn t1.c1 ran again as attempt late",
        ran_again("worker-1", attempt="late"),
    ),
    (Kind.RAN_TWICE, "node weigh of turn t1.c1 ran again", ran_again("worker-2")),
    (Kind.RAN_TWICE, "node weigh of turn t1.c1 ran again", ran_again("worker-2", attempt="t1.c1-a9")),
    (Kind.WRONG_ACKNOWLEDGEMENT, "message q1 was acknowledged at e1 2", ack_with(0, offset=2)),
    (Kind.WRONG_ACKNOWLEDGEMENT, "message q1 was acknowledged at e9 1", ack_with(0, epoch="e9")),
    (Kind.WRONG_ACKNOWLEDGEMENT, "message q2 was acknowledged at [(", ack_again(offset=99)),
    (Kind.WRONG_ACKNOWLEDGEMENT, "message q2 was acknowledged at [(", ack_again(epoch="e2")),
    (Kind.THREAD, "message q1, which the thread lacks", held(thread_with(lambda thread: thread.pop(0)))),
    (Kind.THREAD, "q1 stands 2 times", held(thread_with(lambda thread: thread.append(thread[0])))),
    (Kind.THREAD, "q1 stands in the thread with another text", held(thread_with(text_of(0, "x")))),
    (Kind.THREAD, "'Good morning 😀' of turn t1.c1, nobody", held(journal_without(type="message.completed"))),
    (
        Kind.THREAD,
        "q99 stands in the thread and is not kept",
        held(thread_with(lambda thread: thread.append(ThreadMessage("q99", "human", "who?")))),
    ),
]


@pytest.mark.parametrize(("kind", "words", "plant"), PLANTS, ids=[f"{each[0]}: {each[1]}" for each in PLANTS])
def test_what_the_house_should_not_hold_is_caught(kind: Kind, words: str, plant: Plant):
    caught = found(plant(SOUND))
    assert [one for one in of(caught, kind) if words in one.detail], caught


def test_each_kind_is_planted_three_times_somewhere():
    counted = [kind for kind, *_ in PLANTS]
    here = {
        Kind.LOST,
        Kind.TWO_FINALS,
        Kind.LEFT_STREAMING,
        Kind.RAN_TWICE,
        Kind.WRONG_ACKNOWLEDGEMENT,
        Kind.THREAD,
    }
    assert {kind for kind in here if counted.count(kind) < 3} == set()
    assert kinds([]) == set()
