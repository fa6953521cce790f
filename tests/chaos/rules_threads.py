"""Threads: what an agent remembers is what people were told, turn by turn. Pure.

The agent's messages of a turn stand in its thread behind the turn's first question, before the next turn's.
That is all there may be of what is completed in the journal; and all of it must be completed.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.ground import Ground
from tests.chaos.history import History
from tests.chaos.records import ThreadMessage
from tests.chaos.violations import Kind, Violation

Found = Iterator[tuple[Kind, str]]
NO_TURN = ""


@dataclass(slots=True)
class Words:
    """What a turn said, as (place in the thread, text) and as texts of the journal, in order."""

    thread: list[tuple[int, str]] = field(default_factory=list)
    journal: list[str] = field(default_factory=list)
    asked_at: int = 0


def threads(history: History, grounds: Mapping[str, Ground]) -> Iterator[Violation]:
    """Hold every agent's thread to the journal."""
    del history
    for conversation, ground in grounds.items():
        for agent in sorted({*ground.told.agents, *ground.told.threads}):
            for kind, detail in _judge(agent, ground.told.threads.get(agent, []), ground):
                yield Violation(kind, conversation, f"the thread of {agent}", detail)


def _judge(agent: str, thread: Sequence[ThreadMessage], ground: Ground) -> Found:
    yield from _questions(agent, thread, ground)
    words = _words(agent, thread, ground)
    untold = {turn: _without(each.thread, each.journal) for turn, each in words.items()}
    for turn, each in words.items():
        for text in _beyond(each, untold):
            yield Kind.TWO_FINALS, f"turn {turn} completed {_short(text)} beyond what the thread holds"
    for turn, left in untold.items():
        for _, text in left:
            yield Kind.THREAD, f"the thread holds {_short(text)} of turn {turn or '-'}, nobody was told"


def _questions(agent: str, thread: Sequence[ThreadMessage], ground: Ground) -> Found:
    humans = Counter(message.id for message in thread if message.type == "human")
    texts = {message.id: message.text for message in thread if message.type == "human"}
    for message, count in humans.items():
        kept = ground.messages.get(message)
        if count > 1:
            yield Kind.THREAD, f"message {message} stands {count} times in the thread"
        if kept is None:
            yield Kind.THREAD, f"message {message} stands in the thread and is not kept"
        elif texts[message] not in {kept.text, *ground.texts(message)}:
            yield Kind.THREAD, f"message {message} stands in the thread with another text"
    for turn, facts in ground.told.turns.items():
        if facts.agent == agent and facts.outcome == "completed":
            for message in facts.messages:
                if message not in humans:
                    yield Kind.THREAD, f"turn {turn} answered message {message}, which the thread lacks"


def _words(agent: str, thread: Sequence[ThreadMessage], ground: Ground) -> dict[str, Words]:
    owner = {
        message: turn
        for turn, facts in ground.told.turns.items()
        if facts.agent == agent
        for message in facts.messages
    }
    words: dict[str, Words] = defaultdict(Words)
    turn = NO_TURN
    for place, message in enumerate(thread):
        if message.type == "human":
            turn = owner.get(message.id, NO_TURN)
            words[turn].asked_at = words[turn].asked_at or place
        elif message.type == "ai" and message.text:
            words[turn].thread.append((place, message.text))
    for turn, text in _completed(agent, ground):
        words[turn].journal.append(text)
    return words


def _completed(agent: str, ground: Ground) -> Iterator[tuple[str, str]]:
    """(turn, text) of all that the agent completed; where an event is gone, the kept message tells it."""
    for message in ground.subjects("message.completed"):
        event = ground.entries[ground.places("message.completed", message)[0]].event
        if event["agent"] == agent:
            yield event["turn"], event["text"]
    for said in ground.told.messages:
        if said.agent == agent and said.turn and ground.head.low and ground.kept_at(said.id) is None:
            yield said.turn, said.text


def _without(held: Sequence[tuple[int, str]], told: Sequence[str]) -> list[tuple[int, str]]:
    """What a thread holds of a turn and nobody was told."""
    left, told = [], list(told)
    for place, text in held:
        if text in told:
            told.remove(text)
        else:
            left.append((place, text))
    return left


def _beyond(words: Words, untold: Mapping[str, list[tuple[int, str]]]) -> list[str]:
    """What a turn completed and its part of the thread does not hold. A turn that was played again later has
    its answer further down: such an answer, if it is nobody's else, is taken out of `untold`.
    """
    beyond = list((Counter(words.journal) - Counter(text for _, text in words.thread)).elements())
    for text in list(beyond):
        for left in untold.values():
            later = [one for one in left if one[1] == text and one[0] > words.asked_at]
            if later:
                left.remove(later[0])
                beyond.remove(text)
                break
    return beyond


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")
