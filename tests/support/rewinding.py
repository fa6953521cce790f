"""What devices that go back and send at once may lead to: judged from one conversation's events, its history
and its thread. Pure: `violations` takes what was seen and returns what is wrong with it.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Event = Mapping[str, Any]
_ANSWER = re.compile(r"\w+: (\d+) heard, the last (.+)")


@dataclass
class Seen:
    """One conversation. devices: of each the events in the order it got them; rendered: the messages that
    each shows, and one that came last. history, thread: (message id or "" in the thread of an agent's, text)
    in order; the history with whether a person said it. turns: those that senders were told of.
    """

    devices: Mapping[str, Sequence[Event]]
    rendered: Mapping[str, Sequence[str]]
    history: Sequence[tuple[str, str, bool]]
    thread: Sequence[tuple[str, str]]
    turns: Sequence[str]


def violations(seen: Seen) -> Iterator[str]:
    """Everything that is wrong."""
    names = sorted(seen.devices)
    orders = {name: [_named(event) for event in seen.devices[name]] for name in names}
    for name in names[1:]:
        if orders[name] != orders[names[0]]:
            yield f"{name} got another order than {names[0]}"
    shown = sorted(message for message, _, _ in seen.history)
    for name, rendered in seen.rendered.items():
        if sorted(rendered) != shown:
            yield f"{name} shows other messages than the history"
    yield from _told(seen.devices[names[0]], seen)
    yield from _thread(seen)


def _named(event: Event) -> tuple[str, str, str]:
    return event["type"], event.get("message", ""), event.get("turn", "")


def _told(events: Sequence[Event], seen: Seen) -> Iterator[str]:
    """The events, one after the other: what is there, and what goes."""
    people: list[str] = []
    said: dict[str, str] = {}
    ends: list[str] = []
    for event in events:
        kind, message = event["type"], event.get("message", "")
        if kind == "message.created":
            people.append(message)
        elif kind == "message.completed":
            said[message] = event["turn"]
        elif kind == "turn.finished":
            ends.append(event["turn"])
        elif kind == "conversation.rewound":
            yield from _rewound(event, people, said)
    there = [message for message, _, by_person in seen.history if by_person]
    if there != people:
        yield f"the history has {there} of people, the events tell {people}"
    if sorted(ends) != sorted(seen.turns):
        yield f"turns ended {sorted(ends)}, and there were {sorted(seen.turns)}"


def _rewound(event: Event, people: list[str], said: dict[str, str]) -> Iterator[str]:
    if event["message"] not in people:
        yield f"{event['by']} went back to {event['message']}, which was not there"
        return
    place = people.index(event["message"])
    stays = event["message"] not in event["gone"]
    behind = people[place + stays :]
    if sorted(behind) != sorted(set(event["gone"]) - said.keys()):
        yield f"behind {event['message']} stood {behind}, gone are {event['gone']}"
    del people[place + stays :]
    for message in event["gone"]:
        said.pop(message, None)


def _thread(seen: Seen) -> Iterator[str]:
    """The thread is the log; each answer tells what it stood on when it was given."""
    people = [(message, text) for message, text, by_person in seen.history if by_person]
    heard = [(message, text) for message, text in seen.thread if message]
    if heard != people:
        yield f"the thread has heard {heard}, the history has {people}"
    answers = [text for _, text, by_person in seen.history if not by_person]
    held = [text for message, text in seen.thread if not message]
    if held != answers:
        yield f"the thread holds {held}, the history shows {answers}"
    stood: list[str] = []
    for message, text in seen.thread:
        if message:
            stood.append(message)
        elif (found := _ANSWER.fullmatch(text)) and (int(found[1]), found[2]) != (len(stood), stood[-1]):
            yield f"an answer stood on {text}, where the thread has {stood}"
